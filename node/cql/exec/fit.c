/* fit.c - which types an expression may stand for, before there are values: how Cassandra chooses
 * among functions of one name, and what it takes for a type hint. */
#include "node/cql/exec/operation.h"
#include "node/cql/exec/selector.h"

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

const struct cql_type *literal_type(const struct ast_term *t)
{
    switch (t->kind) {
    case AST_INTEGER: return cql_type_native(kind_of_integer(t->text));
    case AST_FLOAT: return cql_type_native(CQL_DOUBLE);
    case AST_STRING: return cql_type_native(is_ascii(t->text) ? CQL_ASCII : CQL_TEXT);
    case AST_BOOLEAN: return cql_type_native(CQL_BOOLEAN);
    case AST_UUID: return cql_type_native(CQL_UUID);
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
    if (t->kind == AST_CALL || t->kind == AST_CAST || t->kind == AST_ARITHMETIC ||
        t->kind == AST_NEGATE)
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
