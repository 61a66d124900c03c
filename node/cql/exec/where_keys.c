/* where_keys.c - the partitions that a WHERE names by = and IN, in the order of their values: the
 * order in which Cassandra answers, and in which paging can go on. */
#include "node/cql/exec/core.h"
#include "node/schema/order.h"

#include <stdlib.h>

static struct restriction *key_restriction(const struct where *w, const struct column *c)
{
    for (size_t i = 0; i < w->count; i++) {
        struct restriction *x = &w->items[i];
        if (!x->token && x->columns[0] == c && x->key.term == NULL &&
            (x->op == AST_EQ || x->op == AST_IN))
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

struct typed {
    const struct cql_type *type;
    struct bytes value;
};

static int compare_values(const void *a, const void *b)
{
    const struct typed *x = a, *y = b;
    int c = value_compare(x->type, x->value, y->value);
    return c != 0 ? c : bytes_compare(x->value, y->value); /* 1.0 and 1.00 are two partitions */
}

/* In ascending order, each once; the new count. */
static size_t sort_values(struct run *r, const struct cql_type *type, struct bytes *values,
                          size_t count)
{
    struct typed *sorted = arena_array(r->arena, struct typed, count);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        sorted[i] = (struct typed){type, values[i]};
    if (count > 1)
        qsort(sorted, count, sizeof sorted[0], compare_values);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !bytes_equal(sorted[i - 1].value, sorted[i].value))
            values[kept++] = sorted[i].value;
    }
    return kept;
}

/* The n-th combination of values, the last column changing first. */
static bool compose_key(struct run *r, const struct table *t, struct bytes *const *values,
                        const size_t *counts, size_t n, struct bytes *ret)
{
    struct bytes parts[SCHEMA_COLUMNS_MAX];
    struct buf b;
    struct errmsg m;
    for (size_t i = t->partition_key_count; i-- > 0;) {
        parts[i] = values[i][n % counts[i]];
        n /= counts[i];
    }
    if (t->partition_key_count == 1 && parts[0].len == 0)
        return run_invalid(r, "Key may not be empty");
    buf_init(&b, BUF_MAX_DEFAULT);
    enum err err = partition_key_compose(parts, t->partition_key_count, &b, &m);
    *ret = run_take(r, &b);
    return run_err(r, err, &m);
}

bool where_keys(struct run *r, struct where *w, const struct table *t, struct keys *ret)
{
    struct bytes **values = arena_array(r->arena, struct bytes *, t->partition_key_count);
    size_t *counts = arena_array(r->arena, size_t, t->partition_key_count);
    size_t total = 1;
    for (uint32_t i = 0; i < t->partition_key_count; i++) {
        struct restriction *x = key_restriction(w, &t->columns[i]);
        if (!restriction_values(r, x, USE_KEY, &values[i], &counts[i]))
            return false;
        x->used = true;
        counts[i] = sort_values(r, t->columns[i].type, values[i], counts[i]);
        total *= counts[i];
        if (total > EXEC_IN_MAX)
            return run_invalid(r, "The IN restrictions name more than %d partitions", EXEC_IN_MAX);
    }
    ret->items = arena_array(r->arena, struct bytes, total);
    ret->count = total;
    for (size_t n = 0; n < total; n++) {
        if (!compose_key(r, t, values, counts, n, &ret->items[n]))
            return false;
    }
    return true;
}
