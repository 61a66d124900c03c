/* slices.c - clustering restrictions as slices of encoded row keys.
 *
 * Prefixes are built column by column: EQ and IN extend every prefix, the first inequality turns
 * each prefix into slices, and what comes after it cannot narrow them further. An inequality on a
 * tuple, (a, b) > (1, 2), is the union of a > 1 and a = 1 AND b > 2, which is right whatever mix of
 * ASC and DESC the columns have.
 */
#include "base/mutant.h"
#include "node/cql/exec/core.h"
#include "node/schema/order.h"

#include <stdlib.h>

static bool encode(struct run *r, const struct column *c, struct bytes value, struct buf *out)
{
    struct errmsg m;
    return run_err(r, order_encode(c->type, c->reversed, value, out, &m), &m);
}

bool clustering_key(struct run *r, const struct table *t, const struct bytes *values,
                    struct buf *out)
{
    const struct column *c = &t->columns[t->partition_key_count];
    for (uint32_t i = 0; i < t->clustering_count; i++) {
        if (!encode(r, &c[i], values[i], out))
            return false;
    }
    return true;
}

static int compare_slices(const void *a, const void *b)
{
    const struct scan_slice *x = a, *y = b;
    int c = bytes_compare(x->start, y->start);
    return c != 0 ? c : bytes_compare(x->end, y->end);
}

static bool ends_before(struct bytes a, struct bytes b) /* ends; empty: no bound */
{
    return a.len > 0 && (b.len == 0 || bytes_compare(a, b) < 0);
}

static void push_slice(struct run *r, struct slices *s, struct bytes start, struct bytes end)
{
    if (end.len > 0 && bytes_compare(start, end) >= 0)
        return;
    s->items = arena_grow(r->arena, s->items, s->count, &s->cap, sizeof s->items[0]);
    s->items[s->count++] = (struct scan_slice){start, end};
}

static void sort_slices(struct slices *s)
{
    size_t n = 0;
    if (s->count > 1)
        qsort(s->items, s->count, sizeof s->items[0], compare_slices);
    for (size_t i = 0; i < s->count; i++) { /* drop doubles, join what overlaps */
        if (n > 0 && (s->items[n - 1].end.len == 0 ||
                      bytes_compare(s->items[i].start, s->items[n - 1].end) <= 0)) {
            if (ends_before(s->items[n - 1].end, s->items[i].end))
                s->items[n - 1].end = s->items[i].end;
        } else {
            s->items[n++] = s->items[i];
        }
    }
    s->count = n;
}

static struct slices intersect(struct run *r, const struct slices *a, const struct slices *b)
{
    struct slices out = {0};
    size_t i = 0, j = 0;
    while (i < a->count && j < b->count) {
        const struct scan_slice *x = &a->items[i], *y = &b->items[j];
        struct bytes start = bytes_compare(x->start, y->start) > 0 ? x->start : y->start;
        bool x_first = ends_before(x->end, y->end);
        push_slice(r, &out, start, x_first ? x->end : y->end);
        if (x_first)
            i++;
        else
            j++;
    }
    return out;
}

static struct bytes join(struct run *r, struct bytes a, struct bytes b, bool after)
{
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    buf_put_bytes(&out, a);
    buf_put_bytes(&out, b);
    if (after)
        order_bound_after(&out);
    return run_take(r, &out);
}

/* prefix AND column op value, as one slice. */
static bool one_slice(struct run *r, struct bytes prefix, const struct column *c, enum ast_op op,
                      struct bytes value, struct slices *out)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    bool good = encode(r, c, value, &b);
    struct bytes v = run_take(r, &b);
    if (!good)
        return false;
    bool above = (op == AST_GT || op == AST_GTE) != c->reversed;
    bool with = op == AST_GTE || op == AST_LTE || (MUTANT(bound_included) && op == AST_LT);
    struct bytes all_end = prefix.len > 0 ? join(r, prefix, BYTES_NONE, true) : BYTES_NONE;
    if (above)
        push_slice(r, out, join(r, prefix, v, !with), all_end);
    else
        push_slice(r, out, prefix, join(r, prefix, v, with));
    return true;
}

/* prefix AND (columns) op (values). */
static bool inequality(struct run *r, struct bytes prefix, const struct restriction *x,
                       const struct bytes *values, struct slices *out)
{
    for (size_t i = 0; i < x->count; i++) {
        enum ast_op op = x->op;
        if (i + 1 < x->count) /* only the last part may be equal */
            op = op == AST_GTE ? AST_GT : op == AST_LTE ? AST_LT : op;
        if (!one_slice(r, prefix, x->columns[i], op, values[i], out))
            return false;
        struct buf b;
        buf_init(&b, BUF_MAX_DEFAULT);
        bool good = encode(r, x->columns[i], values[i], &b);
        struct bytes v = run_take(r, &b);
        if (!good)
            return false;
        prefix = join(r, prefix, v, false);
    }
    return true;
}

struct prefixes {
    struct bytes *items;
    size_t count;
};

/* Every prefix with every alternative. */
static bool extend(struct run *r, struct prefixes *p, const struct restriction *x)
{
    struct bytes *values;
    size_t rows;
    if (!restriction_values(r, x, USE_KEY, &values, &rows))
        return false;
    if (p->count * rows > EXEC_IN_MAX)
        return run_invalid(r, "The IN restrictions name more than %d rows", EXEC_IN_MAX);
    struct bytes *next = arena_array(r->arena, struct bytes, p->count * rows);
    size_t n = 0;
    for (size_t i = 0; i < rows; i++) {
        struct buf b;
        buf_init(&b, BUF_MAX_DEFAULT);
        bool good = true;
        for (size_t j = 0; j < x->count && good; j++)
            good = encode(r, x->columns[j], values[i * x->count + j], &b);
        struct bytes v = run_take(r, &b);
        if (!good)
            return false;
        for (size_t j = 0; j < p->count; j++)
            next[n++] = join(r, p->items[j], v, false);
    }
    *p = (struct prefixes){next, n};
    return true;
}

static bool is_slice_op(enum ast_op op)
{
    return op == AST_LT || op == AST_LTE || op == AST_GT || op == AST_GTE;
}

static struct restriction *next_equality(const struct where *w, const struct column *c)
{
    for (size_t i = 0; i < w->count; i++) {
        struct restriction *x = &w->items[i];
        if (!x->token && x->columns[0] == c && x->key.term == NULL &&
            (x->op == AST_EQ || x->op == AST_IN))
            return x;
    }
    return NULL;
}

/* All inequalities that begin at column c: intersected. */
static bool add_inequalities(struct run *r, struct where *w, const struct column *c,
                             const struct prefixes *p, struct slices *ret)
{
    for (size_t i = 0; i < w->count; i++) {
        struct restriction *x = &w->items[i];
        struct slices mine = {0};
        struct bytes *values;
        size_t rows;
        if (x->token || x->columns[0] != c || !is_slice_op(x->op) || x->key.term != NULL)
            continue;
        if (!restriction_values(r, x, USE_SLICE, &values, &rows))
            return false;
        x->used = true;
        if (rows == 0 && w->removes)
            return run_invalid(r, "Invalid null value in condition for column %s", c->name);
        if (rows == 0) { /* null stands before all rows, whichever way they are ordered */
            bool above = (x->op == AST_GT || x->op == AST_GTE) != c->reversed;
            ret->count = above ? ret->count : 0;
            continue;
        }
        for (size_t j = 0; j < p->count; j++) {
            if (!inequality(r, p->items[j], x, values, &mine))
                return false;
        }
        sort_slices(&mine);
        *ret = intersect(r, ret, &mine);
    }
    return true;
}

bool where_slices(struct run *r, struct where *w, const struct table *t, struct slices *ret)
{
    const struct column *c = &t->columns[t->partition_key_count];
    struct bytes empty = BYTES_NONE;
    struct prefixes p = {&empty, 1};
    uint32_t at = 0;
    struct restriction *x;
    *ret = (struct slices){0};
    while (at < t->clustering_count && (x = next_equality(w, &c[at])) != NULL) {
        if (!extend(r, &p, x))
            return false;
        x->used = true;
        at += (uint32_t)x->count;
    }
    ret->rows = at == t->clustering_count;
    for (size_t i = 0; i < p.count; i++) {
        struct bytes end = p.items[i].len > 0 ? join(r, p.items[i], BYTES_NONE, true) : BYTES_NONE;
        push_slice(r, ret, p.items[i], end);
    }
    sort_slices(ret);
    if (at < t->clustering_count && !add_inequalities(r, w, &c[at], &p, ret))
        return false;
    ret->all = ret->count == 1 && ret->items[0].start.len == 0 && ret->items[0].end.len == 0;
    return true;
}
