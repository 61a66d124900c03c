#include "node/cql/exec/selector.h"

#include <string.h>
#include <strings.h>

const struct cql_type *list_of(struct run *r, const struct cql_type *item)
{
    return cql_type_list(r->arena, item, false);
}

static bool is_literal(enum ast_term_kind kind)
{
    return kind >= AST_INTEGER && kind <= AST_DURATION;
}

static enum literal_kind literal_kind_of(enum ast_term_kind kind)
{
    switch (kind) {
    case AST_INTEGER: return LITERAL_INTEGER;
    case AST_FLOAT: return LITERAL_FLOAT;
    case AST_BOOLEAN: return LITERAL_BOOLEAN;
    case AST_UUID: return LITERAL_UUID;
    case AST_BLOB: return LITERAL_HEX;
    case AST_DURATION: return LITERAL_DURATION;
    default: return LITERAL_STRING;
    }
}

static const char *type_name(struct run *r, const struct cql_type *type)
{
    return cql_type_text(r->arena, type);
}

/* (1) is a value in parentheses, but where a tuple is wanted one of one part. */
static const struct ast_term *unwrap(const struct ast_term *t, const struct cql_type *want)
{
    bool tuple = want != NULL && cql_type_is_tuple(want);
    while (t->kind == AST_TUPLE && t->items.count == 1 && !tuple)
        t = t->items.items[0];
    return t;
}

static bool declare_marker(struct run *r, struct slot s)
{
    struct marker *m = &r->markers[s.term->marker];
    m->name = s.term->text.len > 0 ? run_text(r, s.term->text) : s.name;
    m->type = s.type;
    m->table = r->table;
    return true;
}

/* --- functions and operations as values */

static char op_of(const struct ast_term *t)
{
    return t->kind == AST_NEGATE ? '-' : t->op;
}

static bool is_operation(const struct ast_term *t)
{
    return t->kind == AST_ARITHMETIC || t->kind == AST_NEGATE;
}

static bool args_of(struct run *r, const struct ast_term *t, const struct function_arg **ret);

bool term_arg(struct run *r, const struct ast_term *t, struct function_arg *ret)
{
    const struct function_arg *args;
    *ret = (struct function_arg){.term = t, .text = term_text(r, t)};
    t = unwrap(t, NULL);
    if (t->kind == AST_CAST)
        return run_type(r, t->type, &ret->type);
    if (t->kind == AST_CAST_AS)
        return run_type(r, t->type, &ret->type);
    if (t->kind != AST_CALL && !is_operation(t))
        return true;
    if (!args_of(r, t, &args))
        return false;
    if (is_operation(t)) { /* what it is of depends on what it is for */
        struct operand_fits *fits = arena_new(r->arena, struct operand_fits);
        operation_fits(r, op_of(t), args, t->items.count, fits);
        ret->fits = fits;
        ret->guess = operation_guess(r, op_of(t), args, t->items.count);
        return true;
    }
    return function_as_arg(r, &t->id, args, t->items.count, ret);
}

static bool args_of(struct run *r, const struct ast_term *t, const struct function_arg **ret)
{
    struct function_arg *args = arena_array(r->arena, struct function_arg, t->items.count);
    *ret = args;
    for (size_t i = 0; i < t->items.count; i++) {
        if (!term_arg(r, t->items.items[i], &args[i]))
            return false;
    }
    return true;
}

/* The function, operation or CAST that a term is. */
struct call {
    const struct function *function;
    struct operation operation;
    struct cast cast;
    const char *name;
    const struct cql_type *result;
};

static bool find_call(struct run *r, struct slot s, struct call *ret)
{
    const struct function_arg *args;
    const struct ast_term *t = s.term;
    *ret = (struct call){0};
    if (!args_of(r, t, &args))
        return false;
    if (is_operation(t)) {
        if (!operation_find(r, op_of(t), args, t->items.count, s.type, &ret->operation))
            return false;
        ret->result = ret->operation.result;
        ret->name = arena_printf(r->arena, "system.%s", operation_name(op_of(t), t->items.count));
        return true;
    }
    if (t->kind == AST_CAST_AS) {
        if (!run_type(r, t->type, &ret->result) || !cast_find(r, ret->result, args, &ret->cast))
            return false;
        ret->name = ret->cast.name;
        return true;
    }
    ret->function = function_find(r, &t->id, args, t->items.count, s.type);
    if (ret->function == NULL)
        return false;
    ret->result = function_result(ret->function);
    ret->name = function_name(ret->function);
    return true;
}

static struct slot arg_slot(struct run *r, const struct call *c, const struct ast_term *call,
                            size_t n)
{
    const struct cql_type *type = c->function != NULL    ? function_arg_type(c->function, n)
                                  : c->cast.name != NULL ? c->cast.from
                                                         : c->operation.args[n];
    return (struct slot){call->items.items[n], type,
                         arena_printf(r->arena, "arg%zu(%s)", n, c->name)};
}

static bool declare_call(struct run *r, struct slot s)
{
    struct call c;
    if (!find_call(r, s, &c))
        return false;
    for (size_t i = 0; i < s.term->items.count; i++) {
        if (!slot_declare(r, arg_slot(r, &c, s.term, i)))
            return false;
    }
    struct function_arg result = {.type = c.result};
    bool same = !cql_type_is_collection(c.result) || c.result->frozen == s.type->frozen;
    if (!same || function_arg_fit(r, &result, s.type) == FIT_NOT)
        return run_invalid(r, "Type error: cannot assign result of %s (type %s) to %s (type %s)",
                           is_operation(s.term)
                               ? arena_printf(r->arena, "operation %c", op_of(s.term))
                               : arena_printf(r->arena, "function %s", c.name),
                           type_name(r, c.result), s.name, type_name(r, s.type));
    return true;
}

static bool declare_cast(struct run *r, struct slot s)
{
    const struct ast_term *of = s.term->items.items[0];
    const struct cql_type *type;
    struct function_arg arg;
    if (!run_type(r, s.term->type, &type) || !term_arg(r, of, &arg))
        return false;
    if (function_arg_fit(r, &arg, type) == FIT_NOT)
        return run_invalid(r, "Cannot cast value %s to type %s", arg.text, type_name(r, type));
    struct function_arg cast = {.type = type};
    if (function_arg_fit(r, &cast, s.type) == FIT_NOT)
        return run_invalid(r, "Cannot assign value %s to %s of type %s", term_text(r, s.term),
                           s.name, type_name(r, s.type));
    return slot_declare(r, (struct slot){of, type, s.name});
}

static const char *items_text(struct run *r, const struct ast_term *t)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < t->items.count; i++) {
        bool value = t->kind == AST_MAP && i % 2 == 1;
        buf_put_text(&b, i == 0 ? "" : value ? ": " : ", ");
        if (t->kind == AST_UDT)
            buf_printf(&b, "%s: ", run_text(r, t->names.items[i]));
        buf_put_text(&b, term_text(r, t->items.items[i]));
    }
    return run_text(r, run_take(r, &b));
}

const char *term_text(struct run *r, const struct ast_term *term)
{
    const char *text = run_text(r, term->text);
    switch (term->kind) {
    case AST_STRING: return arena_printf(r->arena, "'%s'", text);
    case AST_MARKER: return "?";
    case AST_NULL: return "NULL";
    case AST_CAST:
        return arena_printf(r->arena, "(%s)%s", run_type_text(r, term->type),
                            term_text(r, term->items.items[0]));
    case AST_CAST_AS:
        return arena_printf(r->arena, "system.cast_as_%s(%s)", run_text(r, term->type->text),
                            items_text(r, term));
    case AST_LIST: return arena_printf(r->arena, "[%s]", items_text(r, term));
    case AST_SET:
    case AST_UDT:
    case AST_MAP: return arena_printf(r->arena, "{%s}", items_text(r, term));
    case AST_TUPLE: return arena_printf(r->arena, "(%s)", items_text(r, term));
    case AST_CALL:
        return arena_printf(r->arena, "%s%s%s(%s)", run_text(r, term->id.keyspace),
                            term->id.keyspace.len > 0 ? "." : "", run_text(r, term->id.name),
                            items_text(r, term));
    case AST_ARITHMETIC:
    case AST_NEGATE:
        return arena_printf(r->arena, "system.\"%s\"(%s)",
                            operation_name(op_of(term), term->items.count), items_text(r, term));
    default: return text;
    }
}

/* Of a constant; a tuple may be written as a string that has its parts. */
static bool declare_constant(struct run *r, struct slot s)
{
    bool parts = s.type->count > 0 && s.type->kind != CQL_TUPLE;
    struct function_arg arg = {.term = s.term};
    bool fits = s.type->count > 0 ? !parts : function_arg_fit(r, &arg, s.type) != FIT_NOT;
    if (is_literal(s.term->kind) && !fits)
        return run_invalid(r, "Invalid %s constant (%s) for \"%s\" of type %s",
                           literal_kind_name(literal_kind_of(s.term->kind)),
                           run_text(r, s.term->text), s.name, type_name(r, s.type));
    return is_literal(s.term->kind) || run_invalid(r, "Invalid value for %s", s.name);
}

bool slot_declare(struct run *r, struct slot s)
{
    s.term = unwrap(s.term, s.type);
    switch (s.term->kind) {
    case AST_NULL: return true;
    case AST_MARKER: return declare_marker(r, s);
    case AST_LIST:
    case AST_SET:
    case AST_MAP:
    case AST_UDT:
    case AST_TUPLE: return literal_declare(r, s);
    case AST_CALL:
    case AST_CAST_AS:
    case AST_ARITHMETIC:
    case AST_NEGATE: return declare_call(r, s);
    case AST_CAST: return declare_cast(r, s);
    default: return declare_constant(r, s);
    }
}

/* What is stored must fit a reply. */
static bool is_too_large(struct run *r, struct slot s, size_t size)
{
    return size > EXEC_VALUE_MAX &&
           !run_invalid(r, "The value for %s is too large: %zu bytes, at most %zu are stored",
                        s.name, size, EXEC_VALUE_MAX);
}

static bool bound_value(struct run *r, struct slot s, struct cql_value *ret)
{
    size_t n = s.term->marker;
    struct errmsg m;
    if (r->values.names != NULL) {
        struct bytes want = s.term->text.len > 0 ? s.term->text : bytes_text(s.name);
        for (n = 0; n < r->values.count && !bytes_equal(r->values.names[n], want); n++)
            ;
        if (n == r->values.count)
            return run_invalid(r, "Invalid unset value for %s", s.name);
    }
    if (n >= r->values.count)
        return run_invalid(r, "Invalid amount of bind variables");
    *ret = r->values.items[n];
    if (ret->kind != CQL_VALUE_SET)
        return true;
    if (is_too_large(r, s, ret->data.len) || !run_err(r, value_validate(s.type, ret->data, &m), &m))
        return false;
    if (s.type->count > 0) {
        struct buf b;
        buf_init(&b, BUF_MAX_DEFAULT);
        value_normalize(s.type, ret->data, &b);
        ret->data = run_take(r, &b);
    }
    return true;
}

static bool constant_value(struct run *r, struct slot s, struct cql_value *ret)
{
    struct buf b;
    struct errmsg m;
    struct bytes text = s.term->text;
    if (s.term->kind == AST_BLOB)
        text = bytes_make(text.data + 2, text.len - 2);
    if (s.type->kind == CQL_TIMESTAMP && s.term->kind == AST_STRING && text.len == 3 &&
        strncasecmp((const char *)text.data, "now", 3) == 0) {
        *ret = value_put_whole(r, cql_type_native(CQL_BIGINT), r->now_us / USEC_PER_MS);
        return true;
    }
    buf_init(&b, BUF_MAX_DEFAULT);
    enum err err =
        s.type->kind == CQL_TUPLE
            ? value_from_text(s.type, text, &b, &m)
            : value_from_literal(s.type, literal_kind_of(s.term->kind), text, s.name, &b, &m);
    struct bytes data = run_take(r, &b);
    if (!run_err(r, err, &m) || is_too_large(r, s, data.len))
        return false;
    *ret = cql_value_make(data);
    return true;
}

static bool call_value(struct run *r, struct slot s, struct cql_value *ret)
{
    struct call c;
    size_t count = s.term->items.count;
    struct cql_value *args = arena_array(r->arena, struct cql_value, count);
    if (!find_call(r, s, &c))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!slot_value(r, arg_slot(r, &c, s.term, i), &args[i]))
            return false;
        if (args[i].kind == CQL_VALUE_UNSET)
            return run_invalid(r, "Invalid unset value for argument in call to function %s",
                               strchr(c.name, '.') + 1);
    }
    if (c.cast.name != NULL)
        return cast_apply(r, &c.cast, args[0], ret);
    return c.function != NULL ? function_call(r, c.function, args, count, ret)
                              : operation_apply(r, &c.operation, args, ret);
}

bool slot_value(struct run *r, struct slot s, struct cql_value *ret)
{
    s.term = unwrap(s.term, s.type);
    *ret = CQL_NULL;
    switch (s.term->kind) {
    case AST_NULL: return true;
    case AST_VALUE: *ret = cql_value_make(s.term->text); return true;
    case AST_UNSET: ret->kind = CQL_VALUE_UNSET; return true;
    case AST_MARKER: return bound_value(r, s, ret);
    case AST_LIST:
    case AST_SET:
    case AST_MAP:
    case AST_UDT:
    case AST_TUPLE: return literal_value(r, s, ret);
    case AST_CALL:
    case AST_CAST_AS:
    case AST_ARITHMETIC:
    case AST_NEGATE: return call_value(r, s, ret);
    case AST_CAST: return slot_value(r, (struct slot){s.term->items.items[0], s.type, s.name}, ret);
    default: return constant_value(r, s, ret);
    }
}

bool slot_key(struct run *r, struct slot s, struct bytes *ret)
{
    struct cql_value v;
    if (!slot_value(r, s, &v))
        return false;
    if (v.kind == CQL_VALUE_NULL)
        return run_invalid(r, "Invalid null value in condition for column %s", s.name);
    if (v.kind == CQL_VALUE_UNSET)
        return run_invalid(r, "Invalid unset value for column %s", s.name);
    *ret = v.data;
    return true;
}

bool slot_int(struct run *r, struct slot s, int64_t *ret, bool *ret_given)
{
    struct cql_value v;
    *ret_given = false;
    if (s.term == NULL)
        return true;
    if (!slot_value(r, s, &v))
        return false;
    if (v.kind == CQL_VALUE_UNSET)
        return true;
    if (v.kind == CQL_VALUE_NULL)
        return run_invalid(r, "Invalid null value of %s",
                           strcmp(s.name, "[timestamp]") == 0 ? "timestamp" : s.name);
    if (v.data.len != 4 && v.data.len != 8)
        return run_invalid(r, "Invalid value of %s", s.name);
    *ret = v.data.len == 4 ? (int32_t)load_u32(v.data.data) : (int64_t)load_u64(v.data.data);
    *ret_given = true;
    return true;
}
