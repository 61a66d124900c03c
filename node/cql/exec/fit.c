/* fit.c - which types an expression may stand for, before there are values: how Cassandra chooses
 * among functions of one name, and what it takes for a type hint. */
#include "node/cql/exec/operation.h"
#include "node/cql/exec/selector.h"
#include "node/schema/arithmetic.h"

/* The bytes of a value of `from` mean something as a value of `to`. */
static bool is_compatible(const struct cql_type *from, const struct cql_type *to)
{
    switch (to->kind) {
    case CQL_TEXT: return from->kind == CQL_ASCII;
    case CQL_BLOB: return true;
    case CQL_UUID: return from->kind == CQL_TIMEUUID;
    case CQL_BIGINT: return from->kind == CQL_TIMESTAMP;
    case CQL_TIMESTAMP: return from->kind == CQL_BIGINT;
    case CQL_TIME: return from->kind == CQL_BIGINT;
    case CQL_DATE: return from->kind == CQL_INT;
    case CQL_VARINT:
        return from->kind == CQL_INT || from->kind == CQL_BIGINT || from->kind == CQL_TIMESTAMP;
    default: return false;
    }
}

static enum fit type_fit(const struct cql_type *from, const struct cql_type *to)
{
    if (cql_type_equal(from, to))
        return FIT_EXACTLY;
    if (cql_type_is_collection(to) && from->kind == to->kind) {
        enum fit worst = FIT_EXACTLY; /* frozen or not is the same for a value on its way */
        for (uint32_t i = 0; i < to->count; i++) {
            enum fit fit = type_fit(from->items[i], to->items[i]);
            worst = fit < worst ? fit : worst;
        }
        return worst;
    }
    return is_compatible(from, to) ? FIT_WEAKLY : FIT_NOT;
}

static bool is_ascii(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] >= 0x80)
            return false;
    }
    return true;
}

/* A whole number is an int, or a bigint, or a varint: the first that holds it. */
static enum cql_kind kind_of_integer(struct bytes text)
{
    struct buf b;
    size_t len;
    buf_init(&b, BUF_MAX_DEFAULT);
    enum err err =
        value_from_literal(cql_type_native(CQL_VARINT), LITERAL_INTEGER, text, "", &b, NULL);
    len = b.len;
    buf_close(&b);
    if (err != ERR_OK || len > 8)
        return CQL_VARINT;
    return len > 4 ? CQL_BIGINT : CQL_INT;
}

/* The digits are all that the nearest double prints; also NaN and Infinity. */
static bool is_double(struct bytes text)
{
    const struct cql_type *decimal = cql_type_native(CQL_DECIMAL);
    struct buf exact, number, printed;
    buf_init(&exact, BUF_MAX_DEFAULT);
    buf_init(&number, 8);
    buf_init(&printed, 64);
    bool yes = true;
    if (value_from_literal(decimal, LITERAL_FLOAT, text, "", &exact, NULL) == ERR_OK) {
        yes = value_from_literal(cql_type_native(CQL_DOUBLE), LITERAL_FLOAT, text, "", &number,
                                 NULL) == ERR_OK;
        double d = yes ? value_read_real(cql_type_native(CQL_DOUBLE), buf_bytes(&number)) : 0;
        yes = yes && d - d == 0;
        if (yes)
            decimal_from_double(d, &printed);
        yes = yes && value_compare(decimal, buf_bytes(&exact), buf_bytes(&printed)) == 0;
    }
    buf_close(&exact);
    buf_close(&number);
    buf_close(&printed);
    return yes;
}

const struct cql_type *literal_type(const struct ast_term *t)
{
    switch (t->kind) {
    case AST_INTEGER: return cql_type_native(kind_of_integer(t->text));
    case AST_FLOAT: return cql_type_native(is_double(t->text) ? CQL_DOUBLE : CQL_DECIMAL);
    case AST_STRING: return cql_type_native(is_ascii(t->text) ? CQL_ASCII : CQL_TEXT);
    case AST_BOOLEAN: return cql_type_native(CQL_BOOLEAN);
    case AST_UUID:
        return cql_type_native(t->text.len > 14 && t->text.data[14] == '1' ? CQL_TIMEUUID
                                                                           : CQL_UUID);
    case AST_BLOB: return cql_type_native(CQL_BLOB);
    case AST_DURATION: return cql_type_native(CQL_DURATION);
    default: return NULL;
    }
}

#define BIT(kind) (UINT64_C(1) << CQL_##kind)

/* What else a constant may be of: scalar kinds, a bit each. */
static uint64_t kinds_of_literal(const struct ast_term *t)
{
    switch (t->kind) {
    case AST_INTEGER:
        return BIT(BIGINT) | BIT(COUNTER) | BIT(DATE) | BIT(DECIMAL) | BIT(DOUBLE) | BIT(DURATION) |
               BIT(FLOAT) | BIT(INT) | BIT(SMALLINT) | BIT(TIME) | BIT(TIMESTAMP) | BIT(TINYINT) |
               BIT(VARINT);
    case AST_FLOAT: return BIT(DECIMAL) | BIT(DOUBLE) | BIT(FLOAT);
    case AST_STRING:
        return BIT(ASCII) | BIT(TEXT) | BIT(INET) | BIT(DATE) | BIT(TIME) | BIT(TIMESTAMP);
    case AST_BOOLEAN: return BIT(BOOLEAN);
    case AST_UUID: return BIT(UUID) | BIT(TIMEUUID);
    case AST_BLOB: return BIT(BLOB);
    case AST_DURATION: return BIT(DURATION);
    default: return 0;
    }
}

static enum fit term_fit(struct run *r, const struct ast_term *t, const struct cql_type *type);

/* The type that the n-th part of a literal is to be of; NULL: there is none. */
static const struct cql_type *part_type(const struct ast_term *t, const struct cql_type *type,
                                        size_t n)
{
    if (t->kind == AST_UDT) {
        int field = cql_type_field(type, t->names.items[n]);
        return field >= 0 ? type->items[field] : NULL;
    }
    return type->items[cql_type_is_tuple(type) ? n : n % type->count];
}

/* Does the shape of the literal fit? */
static bool shape_fits(const struct ast_term *t, const struct cql_type *type)
{
    switch (t->kind) {
    case AST_LIST:
        return type->kind == CQL_LIST ||
               (type->kind == CQL_VECTOR && t->items.count == type->dimension);
    case AST_SET: return type->kind == CQL_SET || (type->kind == CQL_MAP && t->items.count == 0);
    case AST_MAP: return type->kind == CQL_MAP;
    case AST_UDT: return type->kind == CQL_UDT;
    default: return cql_type_is_tuple(type) && t->items.count <= type->count;
    }
}

static enum fit items_fit(struct run *r, const struct ast_term *t, const struct cql_type *type)
{
    enum fit worst = FIT_EXACTLY;
    if (!shape_fits(t, type))
        return FIT_NOT;
    if (t->items.count == 0 || cql_type_is_tuple(type))
        worst = FIT_WEAKLY;
    for (size_t i = 0; i < t->items.count; i++) {
        const struct cql_type *want = part_type(t, type, i);
        enum fit fit = want != NULL ? term_fit(r, t->items.items[i], want) : FIT_WEAKLY;
        worst = fit < worst ? fit : worst;
    }
    return worst;
}

static enum fit term_fit(struct run *r, const struct ast_term *t, const struct cql_type *type)
{
    const struct cql_type *own;
    struct function_arg arg;
    if (t->kind == AST_TUPLE && t->items.count == 1 && !cql_type_is_tuple(type))
        return term_fit(r, t->items.items[0], type);
    if (t->kind == AST_NULL || t->kind == AST_MARKER)
        return FIT_WEAKLY;
    if (t->kind == AST_LIST || t->kind == AST_SET || t->kind == AST_MAP || t->kind == AST_UDT ||
        t->kind == AST_TUPLE)
        return items_fit(r, t, type);
    if (t->kind == AST_CALL || t->kind == AST_ARITHMETIC || t->kind == AST_NEGATE)
        return FIT_WEAKLY; /* looked at when it is declared: here it might be often */
    if (t->kind == AST_CAST)
        return term_arg(r, t, &arg) ? function_arg_fit(r, &arg, type) : FIT_NOT;
    own = literal_type(t);
    if (type->kind == CQL_TUPLE && own != NULL)
        return FIT_WEAKLY; /* its parts in a string */
    if (own != NULL && own->kind == type->kind)
        return FIT_EXACTLY;
    if ((unsigned)type->kind < 64 && (kinds_of_literal(t) & UINT64_C(1) << type->kind) != 0)
        return FIT_WEAKLY;
    return FIT_NOT;
}

enum fit function_arg_fit(struct run *r, const struct function_arg *arg,
                          const struct cql_type *type)
{
    if (arg->type != NULL)
        return type_fit(arg->type, type);
    if (arg->fits != NULL)
        return operand_fit(arg->fits, type);
    if (arg->selector != NULL)
        return selector_fit(r, arg->selector, type);
    return term_fit(r, arg->term, type);
}

/* --- the type of what says none */

/* One of the types that all others fit, or NULL. */
static const struct cql_type *common(const struct cql_type *const *types, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool all = true;
        for (size_t k = 0; k < count && all; k++)
            all = types[k] != NULL && types[i] != NULL && type_fit(types[k], types[i]) != FIT_NOT;
        if (all)
            return types[i];
    }
    return NULL;
}

static const struct cql_type *collection_of(struct run *r, enum ast_term_kind kind,
                                            const struct cql_type *const *types, size_t count)
{
    const struct cql_type *item = common(types, count);
    if (item == NULL)
        return NULL;
    return kind == AST_LIST ? cql_type_list(r->arena, item, true)
                            : cql_type_set(r->arena, item, true);
}

static const struct cql_type *infer_term(struct run *r, const struct ast_term *t);

static const struct cql_type *infer_map(struct run *r, const struct ast_term *t)
{
    size_t count = t->items.count / 2;
    const struct cql_type **keys = arena_array(r->arena, const struct cql_type *, count);
    const struct cql_type **values = arena_array(r->arena, const struct cql_type *, count);
    for (size_t i = 0; i < count; i++) {
        keys[i] = infer_term(r, t->items.items[2 * i]);
        values[i] = infer_term(r, t->items.items[2 * i + 1]);
    }
    const struct cql_type *key = common(keys, count), *value = common(values, count);
    return key != NULL && value != NULL ? cql_type_map(r->arena, key, value, true) : NULL;
}

static const struct cql_type *infer_items(struct run *r, const struct ast_term *t)
{
    const struct cql_type **types = arena_array(r->arena, const struct cql_type *, t->items.count);
    for (size_t i = 0; i < t->items.count; i++)
        types[i] = infer_term(r, t->items.items[i]);
    return collection_of(r, t->kind, types, t->items.count);
}

static const struct cql_type *infer_term(struct run *r, const struct ast_term *t)
{
    struct function_arg arg;
    switch (t->kind) {
    case AST_LIST:
    case AST_SET: return infer_items(r, t);
    case AST_MAP: return infer_map(r, t);
    case AST_TUPLE: return t->items.count == 1 ? infer_term(r, t->items.items[0]) : NULL;
    case AST_CALL:
    case AST_ARITHMETIC:
    case AST_NEGATE:
    case AST_CAST: return term_arg(r, t, &arg) && arg.type != NULL ? arg.type : arg.guess;
    default: return literal_type(t);
    }
}

/* Of a map among selectors nothing is known: it may be a value of a user-defined type. */
static const struct cql_type *infer_selector(struct run *r, const struct selector *s)
{
    if (s->type != NULL)
        return s->type;
    if (s->kind == SELECTOR_CONSTANT)
        return literal_type(s->term);
    if (s->kind == SELECTOR_SAME)
        return infer_selector(r, s->args[0]);
    if (s->kind != SELECTOR_LIST && s->kind != SELECTOR_SET)
        return NULL;
    const struct cql_type **types = arena_array(r->arena, const struct cql_type *, s->args_count);
    for (size_t i = 0; i < s->args_count; i++)
        types[i] = infer_selector(r, s->args[i]);
    return collection_of(r, s->kind == SELECTOR_LIST ? AST_LIST : AST_SET, types, s->args_count);
}

const struct cql_type *function_arg_infer(struct run *r, const struct function_arg *arg)
{
    if (arg->type != NULL)
        return arg->type;
    if (arg->fits != NULL)
        return arg->guess;
    return arg->selector != NULL ? infer_selector(r, arg->selector) : infer_term(r, arg->term);
}
