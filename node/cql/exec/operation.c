#include "node/cql/exec/operation.h"
#include "node/cql/exec/selector.h"
#include "node/schema/arithmetic.h"

#include <stdio.h>

static const enum cql_kind kinds[] = {
    CQL_TINYINT, CQL_SMALLINT, CQL_INT,  CQL_BIGINT,    CQL_FLOAT, CQL_DOUBLE,   CQL_DECIMAL,
    CQL_VARINT,  CQL_COUNTER,  CQL_TEXT, CQL_TIMESTAMP, CQL_DATE,  CQL_DURATION, CQL_ASCII,
};

const char *operation_name(char op, size_t count)
{
    switch (op) {
    case '+': return "_add";
    case '-': return count == 1 ? "_negate" : "_substract";
    case '*': return "_multiply";
    case '/': return "_divide";
    default: return "_modulo";
    }
}

enum fit operand_fit(const struct operand_fits *fits, const struct cql_type *type)
{
    return (size_t)type->kind < OPERAND_KINDS ? fits->of[type->kind] : fits->others;
}

static struct operand_fits fits_of(struct run *r, const struct function_arg *arg)
{
    struct operand_fits fits = {.others = FIT_NOT};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        fits.of[kinds[i]] = function_arg_fit(r, arg, cql_type_native(kinds[i]));
    return fits;
}

struct found {
    struct operation operation; /* when count is 1 */
    size_t count;               /* overloads that the operands fit, none better than another */
};

static void try_one(struct run *r, struct found *f, struct operation o, enum fit fit,
                    const struct cql_type *want, bool *ret_exact)
{
    struct function_arg result = {.type = o.result};
    if (o.result == NULL || fit == FIT_NOT ||
        (want != NULL && function_arg_fit(r, &result, want) == FIT_NOT))
        return;
    *ret_exact = fit == FIT_EXACTLY;
    f->operation = o;
    f->count = *ret_exact ? 1 : f->count + 1;
}

static struct found find_sign(struct run *r, const struct operand_fits *fits,
                              const struct cql_type *want)
{
    struct found f = {.count = 0};
    bool exact = false;
    for (size_t i = 0; i < ARRAY_LEN(kinds) && !exact; i++) {
        const struct cql_type *type = cql_type_native(kinds[i]);
        if (arithmetic_is_number(type))
            try_one(r, &f, (struct operation){'-', 1, {type, NULL}, type}, fits->of[kinds[i]], want,
                    &exact);
    }
    return f;
}

/* Operands that fit several overloads get the type that is wanted, if that is among them. */
static struct found find_pair(struct run *r, char op, const struct operand_fits fits[2],
                              const struct cql_type *want, bool has_markers)
{
    struct found f = {.count = 0}, of_want = {.count = 0};
    bool exact = false;
    for (size_t i = 0; i < ARRAY_LEN(kinds) && !exact; i++) {
        for (size_t j = 0; j < ARRAY_LEN(kinds) && !exact; j++) {
            const struct cql_type *a = cql_type_native(kinds[i]), *b = cql_type_native(kinds[j]);
            enum fit left = fits[0].of[kinds[i]], right = fits[1].of[kinds[j]];
            enum fit fit = left < right ? left : right;
            size_t before = f.count;
            try_one(r, &f, (struct operation){op, 2, {a, b}, arithmetic_type(op, a, b)}, fit, want,
                    &exact);
            if (f.count > before && want != NULL && cql_type_equal(a, want) &&
                cql_type_equal(b, want))
                of_want = (struct found){f.operation, 1};
        }
    }
    return f.count > 1 && of_want.count == 1 && !has_markers ? of_want : f;
}

static bool is_marker(const struct function_arg *arg)
{
    const struct ast_term *t = arg->selector != NULL ? arg->selector->term : arg->term;
    return t != NULL && t->kind == AST_MARKER;
}

static struct found find(struct run *r, char op, const struct function_arg *args, size_t count,
                         const struct operand_fits *fits, const struct cql_type *want)
{
    if (count == 1)
        return find_sign(r, fits, want);
    return find_pair(r, op, fits, want, is_marker(&args[0]) || is_marker(&args[1]));
}

const char *number_signatures(struct run *r, const char *name)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct cql_type *type = cql_type_native(kinds[i]);
        const char *text = cql_type_text(r->arena, type);
        if (arithmetic_is_number(type))
            buf_printf(&b, "%s%s : (%s) -> %s", b.len > 0 ? ", " : "", name, text, text);
    }
    return run_text(r, run_take(r, &b));
}

static bool refuse(struct run *r, char op, const struct function_arg *args, size_t count,
                   bool ambiguous)
{
    if (count == 1 && ambiguous)
        return run_invalid(r, "Ambiguous negation: use type casts to disambiguate");
    if (count == 1)
        return run_invalid(r,
                           "Invalid call to function system._negate, none of its type signatures "
                           "match (known type signatures: %s)",
                           number_signatures(r, "system.\"_negate\""));
    if (ambiguous)
        return run_invalid(r,
                           "Ambiguous '%c' operation with args %s and %s: use type hint to "
                           "disambiguate, example '(int) ?'",
                           op, args[0].text, args[1].text);
    return run_invalid(r, "the '%c' operation is not supported between %s and %s", op, args[0].text,
                       args[1].text);
}

bool operation_find(struct run *r, char op, const struct function_arg *args, size_t count,
                    const struct cql_type *want, struct operation *ret)
{
    struct operand_fits fits[2] = {0};
    for (size_t i = 0; i < count; i++)
        fits[i] = fits_of(r, &args[i]);
    struct found f = find(r, op, args, count, fits, want);
    *ret = f.operation;
    return f.count == 1 || refuse(r, op, args, count, f.count > 1);
}

void operation_fits(struct run *r, char op, const struct function_arg *args, size_t count,
                    struct operand_fits *ret)
{
    struct operand_fits fits[2] = {0};
    for (size_t i = 0; i < count; i++)
        fits[i] = fits_of(r, &args[i]);
    *ret = (struct operand_fits){.others = FIT_NOT};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct cql_type *want = cql_type_native(kinds[i]);
        struct found f = find(r, op, args, count, fits, want);
        ret->of[kinds[i]] = f.count != 1                               ? FIT_NOT
                            : cql_type_equal(f.operation.result, want) ? FIT_EXACTLY
                                                                       : FIT_WEAKLY;
    }
}

const struct cql_type *operation_guess(struct run *r, char op, const struct function_arg *args,
                                       size_t count)
{
    struct operand_fits fits[2] = {0};
    for (size_t i = 0; i < count; i++)
        fits[i] = fits_of(r, &args[i]);
    struct found f = find(r, op, args, count, fits, NULL);
    return f.count == 1 ? f.operation.result : NULL;
}

static bool failed(struct run *r, const struct operation *o, const struct errmsg *why)
{
    char text[sizeof r->message.text];
    snprintf(text, sizeof text, "%s", why->text);
    struct bytes *types = arena_array(r->arena, struct bytes, o->count);
    for (size_t i = 0; i < o->count; i++)
        types[i] = bytes_text(cql_type_text(r->arena, o->args[i]));
    r->function = operation_name(o->op, o->count);
    r->function_types = (struct cql_string_list){types, o->count};
    return run_fail(r, CQL_ERROR_FUNCTION_FAILURE, "the operation '%s %c %s' failed: %s",
                    cql_type_text(r->arena, o->args[0]), o->op, cql_type_text(r->arena, o->args[1]),
                    text);
}

bool operation_apply(struct run *r, const struct operation *o, const struct cql_value *args,
                     struct cql_value *ret)
{
    struct buf b;
    struct errmsg m;
    enum err err = ERR_OK;
    *ret = CQL_NULL;
    for (size_t i = 0; i < o->count; i++) {
        bool text = o->args[i]->kind == CQL_TEXT || o->args[i]->kind == CQL_ASCII;
        if (args[i].kind != CQL_VALUE_SET || (args[i].data.len == 0 && !text))
            return true;
    }
    buf_init(&b, BUF_MAX_DEFAULT);
    if (o->count == 1)
        arithmetic_negate(o->result, args[0].data, &b);
    else
        err = arithmetic_apply(o->op, o->args[0], args[0].data, o->args[1], args[1].data, &b, &m);
    *ret = cql_value_make(run_take(r, &b));
    return err == ERR_OK || failed(r, o, &m);
}
