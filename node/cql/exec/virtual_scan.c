/* virtual_scan.c - the rows of a system table as partitions that can be scanned like those of a
 * replica: in (token, key, clustering) order, from a position on, by slices of row keys. Where
 * Cassandra has virtual tables too, the partitions stand in the order of their keys. */
#include "node/cql/exec/core.h"
#include "node/schema/order.h"
#include "ring/murmur3.h"

#include <stdlib.h>

struct entry { /* one row */
    token token;
    struct bytes key;
    struct bytes row;
    const struct cql_value *values;
};

struct virtual_table {
    const struct table *table;
    struct part *parts;
    size_t parts_count;
    struct row *rows; /* of all parts, in order */
    size_t rows_count;
    const struct cql_value **values; /* the same order */
};

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->token != y->token)
        return x->token < y->token ? -1 : 1;
    int c = bytes_compare(x->key, y->key);
    return c != 0 ? c : bytes_compare(x->row, y->row);
}

static bool make_entry(struct run *r, const struct table *t, const struct cql_value *values,
                       struct entry *ret)
{
    struct bytes parts[SCHEMA_COLUMNS_MAX];
    struct buf b;
    struct errmsg m;
    for (uint32_t i = 0; i < t->partition_key_count + t->clustering_count; i++)
        parts[i] = values[i].data;
    buf_init(&b, BUF_MAX_DEFAULT);
    enum err err = partition_key_compose(parts, t->partition_key_count, &b, &m);
    *ret = (struct entry){.key = run_take(r, &b), .values = values};
    ret->token = keyspace_is_virtual(t->keyspace) ? 0 : murmur3_token(ret->key);
    buf_init(&b, BUF_MAX_DEFAULT);
    bool good = run_err(r, err, &m) && clustering_key(r, t, parts + t->partition_key_count, &b);
    ret->row = run_take(r, &b);
    return good;
}

struct virtual_table *virtual_open(struct run *r, const struct table *t)
{
    struct virtual_rows v;
    virtual_make(r, t, &v);
    struct virtual_table *all = arena_new(r->arena, struct virtual_table);
    struct entry *entries = arena_array(r->arena, struct entry, v.count);
    for (size_t i = 0; i < v.count; i++) {
        if (!make_entry(r, t, v.rows[i], &entries[i]))
            return NULL;
    }
    if (v.count > 1)
        qsort(entries, v.count, sizeof entries[0], compare);
    all->table = t;
    all->rows_count = v.count;
    all->rows = arena_array(r->arena, struct row, v.count);
    all->values = arena_array(r->arena, const struct cql_value *, v.count);
    all->parts = arena_array(r->arena, struct part, v.count);
    for (size_t i = 0; i < v.count; i++) {
        all->rows[i] = (struct row){.key = entries[i].row, .deletion = TOMB_NONE};
        all->values[i] = entries[i].values;
        if (i == 0 || !bytes_equal(entries[i].key, entries[i - 1].key))
            all->parts[all->parts_count++] = (struct part){.table = t->no,
                                                           .token = entries[i].token,
                                                           .key = entries[i].key,
                                                           .deletion = TOMB_NONE,
                                                           .rows = &all->rows[i]};
        all->parts[all->parts_count - 1].rows_count++;
    }
    return all;
}

void virtual_values(const struct virtual_table *v, const struct row *row, struct cql_value *ret)
{
    const struct cql_value *values = v->values[row - v->rows];
    for (uint32_t i = 0; i < v->table->column_count; i++)
        ret[i] = values[i];
}

static bool wants_part(const struct scan *s, const struct part *p)
{
    if (s->single && !bytes_equal(p->key, s->key))
        return false;
    if (!s->single && (p->token <= s->after_token || p->token > s->upto_token))
        return false;
    if (!s->has_from)
        return true;
    int c = p->token != s->from_token ? (p->token < s->from_token ? -1 : 1)
                                      : bytes_compare(p->key, s->from_key);
    return c > 0 || (c == 0 && s->from_in_part);
}

static bool wants_row(const struct scan *s, const struct part *p, const struct row *row)
{
    bool inside = s->slices_count == 0;
    for (size_t i = 0; i < s->slices_count && !inside; i++) {
        const struct scan_slice *slice = &s->slices[i];
        inside = bytes_compare(row->key, slice->start) >= 0 &&
                 (slice->end.len == 0 || bytes_compare(row->key, slice->end) < 0);
    }
    if (!inside || !s->has_from || !bytes_equal(p->key, s->from_key))
        return inside;
    int c = bytes_compare(row->key, s->from_row);
    return s->reversed ? c < 0 : c > 0;
}

/* The wanted rows of a part, as one part for each run of them, in the order of the scan. */
static void add_runs(const struct scan *scan, const struct part *p, struct scan_result *ret)
{
    size_t first = ret->parts_count;
    for (size_t i = 0; i < p->rows_count; i++) {
        if (!wants_row(scan, p, &p->rows[i]))
            continue;
        struct part *last = &ret->parts[ret->parts_count];
        *last = *p;
        last->rows = &p->rows[i];
        last->rows_count = 1;
        while (++i < p->rows_count && wants_row(scan, p, &p->rows[i]))
            last->rows_count++;
        ret->parts_count++;
    }
    for (size_t n = ret->parts_count; scan->reversed && first + 1 < n; first++) {
        struct part swapped = ret->parts[first];
        ret->parts[first] = ret->parts[--n];
        ret->parts[n] = swapped;
    }
}

void virtual_scan(struct run *r, const struct virtual_table *v, const struct scan *scan,
                  struct scan_result *ret)
{
    *ret = (struct scan_result){.parts = arena_array(r->arena, struct part, v->rows_count)};
    for (size_t i = 0; i < v->parts_count; i++) {
        if (wants_part(scan, &v->parts[i]))
            add_runs(scan, &v->parts[i], ret);
    }
}
