/* virtual_views.c - tables of system_views and system whose rows come from the executor itself, and
 * those that come from the node. */
#include "node/cql/exec/virtual.h"

#include "base/mem.h"
#include "node/cql/exec/latency.h"
#include "node/cql/exec/request.h"

#include <stdlib.h>
#include <string.h>

#define MS 1000.0 /* of us */

static void named_double(struct run *r, struct virtual_rows *v, const char *name, double value)
{
    struct cql_value *row = virtual_row(r, v);
    virtual_text(r, v, row, "name", name);
    virtual_double(r, v, row, "value", value);
}

static void make_cql_metrics(struct run *r, struct virtual_rows *v)
{
    struct exec_stats s = exec_stats(r->exec);
    uint64_t all = s.prepared_hits + s.queries;
    named_double(r, v, "prepared_statements_count", (double)s.prepared);
    named_double(r, v, "prepared_statements_evicted", (double)s.evictions);
    named_double(r, v, "prepared_statements_executed", (double)s.prepared_hits);
    named_double(r, v, "prepared_statements_ratio",
                 all > 0 ? (double)s.prepared_hits / (double)all : 0.0);
    named_double(r, v, "regular_statements_executed", (double)s.queries);
}

static void make_batch_metrics(struct run *r, struct virtual_rows *v)
{
    static const char *const names[BATCH_KINDS] = {"partitions_per_logged_batch",
                                                   "partitions_per_unlogged_batch",
                                                   "partitions_per_counter_batch"};
    for (size_t i = 0; i < BATCH_KINDS; i++) {
        const struct histogram *h = &r->exec->batches[i];
        struct cql_value *row = virtual_row(r, v);
        virtual_text(r, v, row, "name", names[i]);
        virtual_double(r, v, row, "p50th", (double)histogram_percentile(h, 500000));
        virtual_double(r, v, row, "p99th", (double)histogram_percentile(h, 990000));
        virtual_double(r, v, row, "p999th", (double)histogram_percentile(h, 999000));
        virtual_bigint(r, v, row, "max", h->max);
    }
}

static void make_caches(struct run *r, struct virtual_rows *v)
{
    struct exec_stats s = exec_stats(r->exec);
    uint64_t asked = s.prepared_hits + s.prepared_misses;
    struct cql_value *row = virtual_row(r, v);
    virtual_text(r, v, row, "name", "prepared_statements");
    virtual_bigint(r, v, row, "capacity_bytes", (int64_t)r->exec->config.prepared_bytes_max);
    virtual_int(r, v, row, "entry_count", (int32_t)s.prepared);
    virtual_bigint(r, v, row, "hit_count", (int64_t)s.prepared_hits);
    virtual_double(r, v, row, "hit_ratio",
                   asked > 0 ? (double)s.prepared_hits / (double)asked : 0.0);
    virtual_bigint(r, v, row, "request_count", (int64_t)asked);
    virtual_bigint(r, v, row, "size_bytes", (int64_t)s.prepared_bytes);
}

static void latency_row(struct run *r, struct virtual_rows *v, const struct table *t,
                        const struct histogram *h)
{
    struct cql_value *row = virtual_row(r, v);
    virtual_text(r, v, row, "keyspace_name", t->keyspace);
    virtual_text(r, v, row, "table_name", t->name);
    virtual_bigint(r, v, row, "count", (int64_t)h->count);
    virtual_double(r, v, row, "max_ms", (double)h->max / MS);
    virtual_double(r, v, row, "p50th_ms", (double)histogram_percentile(h, 500000) / MS);
    virtual_double(r, v, row, "p99th_ms", (double)histogram_percentile(h, 990000) / MS);
    usec up = r->exec->latest - r->exec->first;
    virtual_double(r, v, row, "per_second",
                   up > 0 ? (double)h->count * (double)USEC_PER_SEC / (double)up : 0.0);
}

static void make_latencies(struct run *r, struct virtual_rows *v, enum latency_kind kind)
{
    static const struct histogram none;
    for (uint32_t i = 0; i < r->schema->keyspace_count; i++) {
        const struct keyspace *k = r->schema->keyspaces[i];
        for (uint32_t j = 0; j < k->table_count && !keyspace_is_local(k->name); j++) {
            const struct latency *l = latency_find(r->exec, k->tables[j]);
            latency_row(r, v, k->tables[j], l != NULL && l->of[kind] != NULL ? l->of[kind] : &none);
        }
    }
}

static void make_reads(struct run *r, struct virtual_rows *v)
{
    make_latencies(r, v, LATENCY_READ);
}

static void make_scans(struct run *r, struct virtual_rows *v)
{
    make_latencies(r, v, LATENCY_SCAN);
}

static void make_writes(struct run *r, struct virtual_rows *v)
{
    make_latencies(r, v, LATENCY_WRITE);
}

static void make_queries(struct run *r, struct virtual_rows *v)
{
    list_each (at, &r->exec->requests) {
        const struct request *q = container_of(at, struct request, link);
        struct cql_value *row = virtual_row(r, v);
        virtual_text(r, v, row, "thread_id",
                     arena_printf(r->arena, "Native-Transport-Requests-%llu-%d",
                                  (unsigned long long)q->conn, q->stream));
        virtual_bigint(r, v, row, "queued_micros", 0);
        virtual_bigint(r, v, row, "running_micros", r->exec->latest - q->began);
        /* What may hold a password is nobody's to read. */
        if (q->text.len > 0 && (q->stmt == NULL || !role_is_statement(q->stmt)))
            virtual_set(r, v, row, "task", q->text);
    }
}

static void make_prepared(struct run *r, struct virtual_rows *v)
{
    list_each (at, &r->exec->lru) {
        const struct prepared *p = container_of(at, struct prepared, lru);
        if (role_is_statement(p->ast.stmt))
            continue; /* it may hold a password */
        struct cql_value *row = virtual_row(r, v);
        virtual_set(r, v, row, "prepared_id", bytes_make(p->id, sizeof p->id));
        virtual_text(r, v, row, "logged_keyspace", p->keyspace);
        virtual_set(r, v, row, "query_string", p->text);
    }
}

/* --- what is remembered of system_auth */

static void key_rows(struct run *r, struct virtual_rows *v, const struct omap *m)
{
    for (struct omap_node *at = omap_first(m); at != NULL; at = omap_next(at)) {
        struct bytes key = omap_key(at);
        const uint8_t *nul = memchr(key.data, 0, key.len);
        size_t role = nul != NULL ? (size_t)(nul - key.data) : key.len;
        struct cql_value *row = virtual_row(r, v);
        virtual_set(r, v, row, "role", bytes_make(key.data, role));
        if (nul != NULL)
            virtual_set(r, v, row, "resource", bytes_make(nul + 1, key.len - role - 1));
    }
}

static void make_role_keys(struct run *r, struct virtual_rows *v)
{
    key_rows(r, v, &r->exec->auth.roles);
}

static void make_permission_keys(struct run *r, struct virtual_rows *v)
{
    key_rows(r, v, &r->exec->auth.permissions);
}

static void make_credential_keys(struct run *r, struct virtual_rows *v)
{
    key_rows(r, v, &r->exec->auth.verified);
}

/* --- ranges, for tools that split a table by them. How much is in them is not known without
 * reading it: none is said, and such tools read each in one piece. */

struct owner {
    token token;
    bool mine;
};

static int compare_owners(const void *a, const void *b)
{
    token x = ((const struct owner *)a)->token;
    token y = ((const struct owner *)b)->token;
    return x < y ? -1 : x > y;
}

static struct owner *owners(struct run *r, size_t *ret_count)
{
    const struct exec_view *view = r->exec->view;
    size_t count = view->self.tokens_count, n = 0;
    for (size_t i = 0; i < view->peers_count; i++)
        count += view->peers[i].tokens_count;
    struct owner *list = arena_array(r->arena, struct owner, count);
    for (size_t i = 0; i <= view->peers_count; i++) {
        const struct exec_peer *p = i == 0 ? &view->self : &view->peers[i - 1];
        for (size_t j = 0; j < p->tokens_count; j++)
            list[n++] = (struct owner){p->tokens[j], i == 0};
    }
    if (n > 0)
        qsort(list, n, sizeof list[0], compare_owners);
    *ret_count = n;
    return list;
}

static void range_row(struct run *r, struct virtual_rows *v, const struct table *t, token start,
                      token end)
{
    struct cql_value *row = virtual_row(r, v);
    virtual_text(r, v, row, "keyspace_name", t->keyspace);
    virtual_text(r, v, row, "table_name", t->name);
    virtual_text(r, v, row, "range_type", "primary");
    virtual_text(r, v, row, "range_start", arena_printf(r->arena, "%lld", (long long)start));
    virtual_text(r, v, row, "range_end", arena_printf(r->arena, "%lld", (long long)end));
    virtual_bigint(r, v, row, "mean_partition_size", 0);
    virtual_bigint(r, v, row, "partitions_count", 0);
}

/* The runs of the ring that are ours: from behind the last token of another to our last one. */
static void table_ranges(struct run *r, struct virtual_rows *v, const struct table *t,
                         const struct owner *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t last = i;
        if (!list[i].mine)
            continue;
        while (last + 1 < count && list[last + 1].mine)
            last++;
        range_row(r, v, t, i > 0 ? list[i - 1].token : INT64_MIN, list[last].token);
        i = last;
    }
}

static void make_estimates(struct run *r, struct virtual_rows *v)
{
    size_t count;
    const struct owner *list = owners(r, &count);
    for (uint32_t i = 0; i < r->schema->keyspace_count; i++) {
        const struct keyspace *k = r->schema->keyspaces[i];
        for (uint32_t j = 0; j < k->table_count && !keyspace_is_system(k->name); j++)
            table_ranges(r, v, k->tables[j], list, count);
    }
}

static const struct {
    const char *table;
    void (*make)(struct run *r, struct virtual_rows *v);
} makers[] = {
    {"batch_metrics", make_batch_metrics},
    {"caches", make_caches},
    {"coordinator_read_latency", make_reads},
    {"coordinator_scan_latency", make_scans},
    {"coordinator_write_latency", make_writes},
    {"cql_metrics", make_cql_metrics},
    {"credentials_cache_keys", make_credential_keys},
    {"permissions_cache_keys", make_permission_keys},
    {"prepared_statements", make_prepared}, /* of system, as the next two */
    {"queries", make_queries},
    {"roles_cache_keys", make_role_keys},
    {"size_estimates", make_estimates},
    {"table_estimates", make_estimates},
};

bool virtual_views_make(struct run *r, struct virtual_rows *v)
{
    for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
        if (strcmp(v->table->name, makers[i].table) == 0) {
            makers[i].make(r, v);
            return true;
        }
    }
    return false;
}

/* --- from the node */

struct exec_rows {
    struct run *run;
    struct virtual_rows *rows;
    struct cql_value *row;
};

void exec_row(struct exec_rows *o)
{
    o->row = virtual_row(o->run, o->rows);
}

void exec_put_text(struct exec_rows *o, const char *column, const char *value)
{
    virtual_text(o->run, o->rows, o->row, column, value);
}

void exec_put_int(struct exec_rows *o, const char *column, int32_t value)
{
    virtual_int(o->run, o->rows, o->row, column, value);
}

void exec_put_bigint(struct exec_rows *o, const char *column, int64_t value)
{
    virtual_bigint(o->run, o->rows, o->row, column, value);
}

void exec_put_double(struct exec_rows *o, const char *column, double value)
{
    virtual_double(o->run, o->rows, o->row, column, value);
}

void exec_put_bool(struct exec_rows *o, const char *column, bool value)
{
    virtual_bool(o->run, o->rows, o->row, column, value);
}

void exec_put_inet(struct exec_rows *o, const char *column, const struct endpoint *value)
{
    virtual_inet(o->run, o->rows, o->row, column, value);
}

void exec_put_uuid(struct exec_rows *o, const char *column, const struct uuid *value)
{
    virtual_uuid(o->run, o->rows, o->row, column, value);
}

void exec_put_map(struct exec_rows *o, const char *column, const struct option_map *value)
{
    virtual_map(o->run, o->rows, o->row, column, value);
}

void virtual_source_make(struct run *r, struct virtual_rows *v)
{
    struct exec_rows o = {r, v, NULL};
    if (r->exec->source.fill != NULL)
        r->exec->source.fill(r->exec->source.arg, v->table->name, &o);
}
