/* filter.c - restrictions as conditions on the values of a row. A null meets none. */
#include "node/cql/exec/core.h"
#include "node/schema/index.h"

bool filter_make(struct run *r, const struct restriction *x, struct filter *ret)
{
    *ret = (struct filter){.restriction = x};
    if (x->token)
        return run_unsupported(r, "token() in a WHERE clause on this table");
    return restriction_key(r, x, &ret->key) &&
           restriction_values(r, x, USE_FILTER, &ret->values, &ret->rows);
}

static bool holds(enum ast_op op, int c)
{
    switch (op) {
    case AST_LT: return c < 0;
    case AST_LTE: return c <= 0;
    case AST_GT: return c > 0;
    case AST_GTE: return c >= 0;
    default: return c == 0;
    }
}

/* As value_compare, of texts as the index has them. */
static int compare(const struct filter *f, const struct cql_type *type, struct bytes a,
                   struct bytes b)
{
    struct arena arena = {0};
    if (f->analysed != NULL && (type->kind == CQL_TEXT || type->kind == CQL_ASCII)) {
        a = index_analyse(f->analysed, a, &arena);
        b = index_analyse(f->analysed, b, &arena);
    }
    int c = value_compare(type, a, b);
    arena_close(&arena);
    return c;
}

/* Does a list or set have this item, a map this key (n = 0) or value (n = 1)? *ret_value: of a map,
 * what belongs to the key. */
static bool collection_has(const struct filter *f, const struct cql_type *type,
                           struct bytes collection, size_t n, struct bytes want,
                           struct bytes *ret_value)
{
    struct value_items it = value_items_open(type, collection);
    struct bytes item, second;
    while (value_items_next(&it, &item)) {
        second = item;
        if (type->kind == CQL_MAP && !value_items_next(&it, &second))
            return false;
        if (compare(f, type->items[n], n == 0 ? item : second, want) == 0) {
            *ret_value = second;
            return true;
        }
    }
    return false;
}

static bool pass_one(const struct filter *f, const struct column *c, struct bytes value,
                     struct bytes want)
{
    enum ast_op op = f->restriction->op;
    struct bytes found;
    size_t values_at = c->type->kind == CQL_MAP ? 1 : 0;
    if (op == AST_CONTAINS)
        return collection_has(f, c->type, value, values_at, want, &found);
    if (op == AST_CONTAINS_KEY)
        return collection_has(f, c->type, value, 0, want, &found);
    if (f->restriction->key.term != NULL)
        return collection_has(f, c->type, value, 0, f->key, &found) &&
               compare(f, c->type->items[1], found, want) == 0;
    return holds(op, compare(f, c->type, value, want));
}

static bool pass_row(const struct filter *f, const struct table *t, const struct cql_value *values,
                     const struct bytes *want)
{
    const struct restriction *x = f->restriction;
    if (x->count == 1)
        return pass_one(f, x->columns[0], values[column_index(t, x->columns[0])].data, want[0]);
    int c = 0;
    for (size_t i = 0; i < x->count && c == 0; i++) {
        const struct column *column = x->columns[i];
        c = value_compare(column->type, values[column_index(t, column)].data, want[i]);
    }
    return holds(x->op, c);
}

bool filter_pass(const struct filter *f, const struct table *t, const struct cql_value *values)
{
    for (size_t i = 0; i < f->restriction->count; i++) {
        if (values[column_index(t, f->restriction->columns[i])].kind != CQL_VALUE_SET)
            return false;
    }
    for (size_t i = 0; i < f->rows; i++) {
        if (pass_row(f, t, values, f->values + i * f->restriction->count))
            return true;
    }
    return false;
}
