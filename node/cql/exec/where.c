#include "node/cql/exec/core.h"
#include "node/schema/order.h"
#include "ring/murmur3.h"

#include <stdlib.h>

static bool column_type_fits(struct run *r, const struct column *c, const struct ast_relation *a)
{
    const struct cql_type *t = c->type;
    switch (a->op) {
    case AST_CONTAINS:
        return cql_type_is_collection(t) ||
               run_invalid(r, "Cannot use CONTAINS on non-collection column %s", c->name);
    case AST_CONTAINS_KEY:
        return t->kind == CQL_MAP ||
               run_invalid(r, "Cannot use CONTAINS KEY on non-map column %s", c->name);
    case AST_LIKE: return run_unsupported(r, "LIKE");
    case AST_IS_NOT_NULL: return run_unsupported(r, "IS NOT NULL outside of views");
    case AST_NEQ: return run_invalid(r, "Unsupported \"!=\" relation: %s != ?", c->name);
    default: break;
    }
    if (a->kind == AST_REL_ELEMENT)
        return (t->kind == CQL_MAP && a->op == AST_EQ) ||
               run_invalid(r, "Only EQ relations are supported on map entries, %s is not one",
                           c->name);
    if (cql_type_is_multicell(t))
        return run_invalid(r, "Collection column '%s' (%s) cannot be restricted by a '%s' relation",
                           c->name, cql_type_text(r->arena, t), a->op == AST_IN ? "IN" : "=");
    if (t->kind == CQL_DURATION && a->op != AST_EQ)
        return run_invalid(r, "Slice restrictions are not supported on duration columns");
    return true;
}

static const struct cql_type *operand_type(const struct column *c, const struct ast_relation *a)
{
    if (a->op == AST_CONTAINS)
        return c->type->items[c->type->kind == CQL_MAP ? 1 : 0];
    if (a->op == AST_CONTAINS_KEY)
        return c->type->items[0];
    return a->kind == AST_REL_ELEMENT ? c->type->items[1] : c->type;
}

static bool single_slots(struct run *r, const struct ast_relation *a, struct restriction *x)
{
    const struct column *c = x->columns[0];
    const struct cql_type *type = x->token ? cql_type_native(CQL_BIGINT) : operand_type(c, a);
    const char *name = x->token                    ? "partition key token"
                       : a->op == AST_CONTAINS_KEY ? arena_printf(r->arena, "key(%s)", c->name)
                       : a->op == AST_CONTAINS     ? arena_printf(r->arena, "value(%s)", c->name)
                                                   : c->name;
    if (a->kind == AST_REL_ELEMENT) {
        x->key =
            (struct slot){a->key, c->type->items[0], arena_printf(r->arena, "key(%s)", c->name)};
        name = arena_printf(r->arena, "value(%s)", c->name);
        if (!slot_declare(r, x->key))
            return false;
    }
    if (a->op == AST_IN && a->value != NULL) {
        x->in_marker = true;
        x->slots = arena_new(r->arena, struct slot);
        *x->slots =
            (struct slot){a->value, list_of(r, type), arena_printf(r->arena, "in(%s)", c->name)};
        return slot_declare(r, *x->slots);
    }
    x->alternatives = a->op == AST_IN ? a->list.count : 1;
    x->slots = arena_array(r->arena, struct slot, x->alternatives);
    for (size_t i = 0; i < x->alternatives; i++) {
        x->slots[i] = (struct slot){a->op == AST_IN ? a->list.items[i] : a->value, type, name};
        if (!slot_declare(r, x->slots[i]))
            return false;
    }
    return true;
}

static bool tuple_slots(struct run *r, const struct ast_relation *a, struct restriction *x)
{
    if (a->op == AST_IN && a->value != NULL)
        return run_unsupported(r, "one marker for the IN of several columns");
    x->alternatives = a->op == AST_IN ? a->list.count : 1;
    x->slots = arena_array(r->arena, struct slot, x->alternatives * x->count);
    for (size_t i = 0; i < x->alternatives; i++) {
        const struct ast_term *t = a->op == AST_IN ? a->list.items[i] : a->value;
        if (t->kind == AST_MARKER)
            return run_unsupported(r, "one marker for a tuple of values");
        if (t->kind != AST_TUPLE || t->items.count != x->count)
            return run_invalid(r, "Expected %zu elements in value tuple, but got %zu", x->count,
                               t->kind == AST_TUPLE ? t->items.count : 1);
        for (size_t j = 0; j < x->count; j++) {
            struct slot *s = &x->slots[i * x->count + j];
            *s = (struct slot){t->items.items[j], x->columns[j]->type, x->columns[j]->name};
            if (!slot_declare(r, *s))
                return false;
        }
    }
    return true;
}

/* token(k1, k2) names exactly the partition key, in order; (c1, c2) clustering columns in order. */
static bool columns_fit(struct run *r, const struct table *t, const struct restriction *x)
{
    for (size_t i = 0; i < x->count; i++) {
        const struct column *c = x->columns[i];
        if (x->token && (x->count != t->partition_key_count || c->position != i ||
                         c->kind != COLUMN_PARTITION_KEY))
            return run_invalid(r,
                               "The token function arguments must be in the partition key order");
        if (!x->token && c->kind != COLUMN_CLUSTERING)
            return run_invalid(r,
                               "Multi-column relations can only be applied to clustering columns "
                               "but was applied to: %s",
                               c->name);
        if (!x->token && i > 0 && c->position != x->columns[i - 1]->position + 1)
            return run_invalid(r, "Clustering columns must appear in the PRIMARY KEY order in "
                                  "multi-column relations");
    }
    return true;
}

static bool resolve_one(struct run *r, const struct table *t, const struct ast_relation *a,
                        struct restriction *x)
{
    bool several = a->kind == AST_REL_TOKEN || a->kind == AST_REL_TUPLE;
    x->op = a->op;
    x->token = a->kind == AST_REL_TOKEN;
    x->count = a->columns.count;
    x->columns = arena_array(r->arena, const struct column *, x->count);
    for (size_t i = 0; i < x->count; i++) {
        x->columns[i] = run_column(r, t, a->columns.items[i]);
        if (x->columns[i] == NULL)
            return false;
    }
    if (several && a->op == AST_NEQ)
        return run_invalid(r, "Unsupported \"!=\" relation");
    if (several && !columns_fit(r, t, x))
        return false;
    if (!several && !column_type_fits(r, x->columns[0], a))
        return false;
    return a->kind == AST_REL_TUPLE ? tuple_slots(r, a, x) : single_slots(r, a, x);
}

static bool is_equality(const struct restriction *x)
{
    return x->op == AST_EQ || x->op == AST_IN;
}

/* A column may be bounded twice (c > 1 AND c < 5), but not besides an equality. */
static bool check_twice(struct run *r, const struct where *w)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct restriction *a = &w->items[i];
        if (a->key.term != NULL || a->op == AST_CONTAINS || a->op == AST_CONTAINS_KEY)
            continue;
        for (size_t j = 0; j < i; j++) {
            const struct restriction *b = &w->items[j];
            if (a->columns[0] != b->columns[0] || a->token != b->token || b->key.term != NULL ||
                b->op == AST_CONTAINS || b->op == AST_CONTAINS_KEY)
                continue;
            bool same_side =
                (a->op == AST_GT || a->op == AST_GTE) == (b->op == AST_GT || b->op == AST_GTE);
            if (is_equality(a) || is_equality(b))
                return run_invalid(
                    r, "%s cannot be restricted by more than one relation if it includes an %s",
                    a->columns[0]->name, a->op == AST_IN || b->op == AST_IN ? "IN" : "Equal");
            if (same_side)
                return run_invalid(r, "More than one restriction was found for the %s bound on %s",
                                   a->op == AST_GT || a->op == AST_GTE ? "start" : "end",
                                   a->columns[0]->name);
        }
    }
    return true;
}

bool where_resolve(struct run *r, const struct table *t, const struct ast_relations *ast,
                   struct where *ret)
{
    ret->count = ast->count;
    ret->items = arena_array(r->arena, struct restriction, ast->count);
    for (size_t i = 0; i < ast->count; i++) {
        if (!resolve_one(r, t, &ast->items[i], &ret->items[i]))
            return false;
    }
    return check_twice(r, ret);
}

static bool in_marker_values(struct run *r, const struct restriction *x, struct bytes **ret_values,
                             size_t *ret_rows)
{
    struct bytes list, item;
    size_t n = 0;
    if (!slot_key(r, *x->slots, &list))
        return false;
    size_t count = value_items_count(list);
    struct value_items it = value_items_open(x->slots->type, list);
    *ret_values = arena_array(r->arena, struct bytes, count);
    while (n < count && value_items_next(&it, &item))
        (*ret_values)[n++] = item;
    *ret_rows = n;
    return true;
}

bool restriction_values(struct run *r, const struct restriction *x, struct bytes **ret_values,
                        size_t *ret_rows)
{
    size_t width = x->token ? 1 : x->count;
    if (x->in_marker)
        return in_marker_values(r, x, ret_values, ret_rows);
    *ret_rows = x->alternatives;
    *ret_values = arena_array(r->arena, struct bytes, x->alternatives * width);
    for (size_t i = 0; i < x->alternatives * width; i++) {
        if (!slot_key(r, x->slots[i], &(*ret_values)[i]))
            return false;
    }
    return true;
}

/* --- the partition key */

static struct restriction *key_restriction(const struct where *w, const struct column *c)
{
    for (size_t i = 0; i < w->count; i++) {
        struct restriction *x = &w->items[i];
        if (!x->token && x->columns[0] == c && x->key.term == NULL && is_equality(x))
            return x;
    }
    return NULL;
}

bool where_has_whole_key(const struct where *w, const struct table *t)
{
    for (uint32_t i = 0; i < t->partition_key_count; i++) {
        if (key_restriction(w, &t->columns[i]) == NULL)
            return false;
    }
    return true;
}

struct sort_key {
    token token;
    struct bytes key;
};

static int compare_keys(const void *a, const void *b)
{
    const struct sort_key *x = a, *y = b;
    if (x->token != y->token)
        return x->token < y->token ? -1 : 1;
    return bytes_compare(x->key, y->key);
}

static bool compose_keys(struct run *r, const struct table *t, struct bytes *const *values,
                         const size_t *counts, size_t total, struct sort_key *out)
{
    struct bytes parts[SCHEMA_COLUMNS_MAX];
    for (size_t n = 0; n < total; n++) {
        struct buf b;
        struct errmsg m;
        size_t rest = n;
        for (size_t i = t->partition_key_count; i-- > 0;) {
            parts[i] = values[i][rest % counts[i]];
            rest /= counts[i];
        }
        if (t->partition_key_count == 1 && parts[0].len == 0)
            return run_invalid(r, "Key may not be empty");
        buf_init(&b, BUF_MAX_DEFAULT);
        enum err err = partition_key_compose(parts, t->partition_key_count, &b, &m);
        out[n].key = run_take(r, &b);
        out[n].token = murmur3_token(out[n].key);
        if (!run_err(r, err, &m))
            return false;
    }
    return true;
}

bool where_keys(struct run *r, struct where *w, const struct table *t, struct keys *ret)
{
    struct bytes **values = arena_array(r->arena, struct bytes *, t->partition_key_count);
    size_t *counts = arena_array(r->arena, size_t, t->partition_key_count);
    size_t total = 1;
    for (uint32_t i = 0; i < t->partition_key_count; i++) {
        struct restriction *x = key_restriction(w, &t->columns[i]);
        if (!restriction_values(r, x, &values[i], &counts[i]))
            return false;
        x->used = true;
        total *= counts[i];
        if (total > EXEC_IN_MAX)
            return run_invalid(r, "The IN restrictions name more than %d partitions", EXEC_IN_MAX);
    }
    struct sort_key *sorted = arena_array(r->arena, struct sort_key, total);
    if (!compose_keys(r, t, values, counts, total, sorted))
        return false;
    if (total > 1)
        qsort(sorted, total, sizeof sorted[0], compare_keys);
    ret->items = arena_array(r->arena, struct bytes, total);
    ret->count = 0;
    for (size_t i = 0; i < total; i++) {
        if (i == 0 || compare_keys(&sorted[i - 1], &sorted[i]) != 0)
            ret->items[ret->count++] = sorted[i].key;
    }
    return true;
}
