/* virtual.c - the system tables as rows, made anew from the view for each SELECT. */
#include "node/cql/exec/virtual.h"
#include "node/cql/exec/core.h"

#include <string.h>

#define PARTITIONER "org.apache.cassandra.dht.Murmur3Partitioner"

struct cql_value *virtual_row(struct run *r, struct virtual_rows *v)
{
    v->rows = arena_grow(r->arena, v->rows, v->count, &v->cap, sizeof v->rows[0]);
    struct cql_value *row = arena_array(r->arena, struct cql_value, v->table->column_count);
    for (uint32_t i = 0; i < v->table->column_count; i++)
        row[i] = CQL_NULL;
    v->rows[v->count++] = row;
    return row;
}

void virtual_set(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                 const char *column, struct bytes value)
{
    const struct column *c = table_column(v->table, column);
    if (c != NULL)
        row[column_index(v->table, c)] = cql_value_make(arena_copy(r->arena, value));
}

void virtual_text(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                  const char *column, const char *text)
{
    if (text != NULL)
        virtual_set(r, v, row, column, bytes_text(text));
}

void virtual_int(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                 const char *column, int32_t value)
{
    uint8_t b[4];
    store_u32(b, (uint32_t)value);
    virtual_set(r, v, row, column, bytes_make(b, sizeof b));
}

void virtual_bigint(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                    const char *column, int64_t value)
{
    uint8_t b[8];
    store_u64(b, (uint64_t)value);
    virtual_set(r, v, row, column, bytes_make(b, sizeof b));
}

void virtual_double(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                    const char *column, double value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    virtual_bigint(r, v, row, column, bits);
}

void virtual_bool(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                  const char *column, bool value)
{
    uint8_t b = value;
    virtual_set(r, v, row, column, bytes_make(&b, 1));
}

void virtual_uuid(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                  const char *column, const struct uuid *value)
{
    if (!uuid_is_zero(value))
        virtual_set(r, v, row, column, bytes_make(value->b, sizeof value->b));
}

/* A collection value of the column's type. */
void virtual_items(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                   const char *column, struct bytes *items, size_t count)
{
    const struct column *c = table_column(v->table, column);
    struct buf b;
    if (c == NULL)
        return;
    buf_init(&b, BUF_MAX_DEFAULT);
    if (value_collection_build(c->type, items, count, &b, NULL) == ERR_OK)
        virtual_set(r, v, row, column, buf_bytes(&b));
    buf_close(&b);
}

void virtual_map(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                 const char *column, const struct option_map *map)
{
    struct bytes *items = arena_array(r->arena, struct bytes, (size_t)map->count * 2);
    for (uint32_t i = 0; i < map->count; i++) {
        items[2 * i] = bytes_text(map->items[i].key);
        items[2 * i + 1] = bytes_text(map->items[i].value);
    }
    virtual_items(r, v, row, column, items, (size_t)map->count * 2);
}

void virtual_inet(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                  const char *column, const struct endpoint *e)
{
    bool v4 = endpoint_is_v4(e);
    virtual_set(r, v, row, column, bytes_make(v4 ? e->ip + 12 : e->ip, v4 ? 4 : 16));
}

static void virtual_tokens(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                           const struct exec_peer *p)
{
    struct bytes *items = arena_array(r->arena, struct bytes, p->tokens_count);
    for (size_t i = 0; i < p->tokens_count; i++)
        items[i] = bytes_text(arena_printf(r->arena, "%lld", (long long)p->tokens[i]));
    virtual_items(r, v, row, "tokens", items, p->tokens_count);
}

/* What local, peers and peers_v2 have in common; a table has only some of these columns. */
static struct cql_value *node_row(struct run *r, struct virtual_rows *v, const struct exec_peer *p)
{
    struct cql_value *row = virtual_row(r, v);
    virtual_text(r, v, row, "data_center", p->dc);
    virtual_text(r, v, row, "rack", p->rack);
    virtual_text(r, v, row, "release_version", p->release_version);
    virtual_uuid(r, v, row, "host_id", &p->host_id);
    virtual_uuid(r, v, row, "schema_version", &p->schema_version);
    virtual_inet(r, v, row, "rpc_address", &p->cql);
    virtual_inet(r, v, row, "native_address", &p->cql);
    virtual_int(r, v, row, "native_port", p->cql.port);
    virtual_tokens(r, v, row, p);
    return row;
}

static void make_local(struct run *r, struct virtual_rows *v)
{
    const struct exec_view *view = r->exec->view;
    const struct exec_peer *p = &view->self;
    struct cql_value *row = node_row(r, v, p);
    virtual_text(r, v, row, "key", "local");
    virtual_text(r, v, row, "bootstrapped", "COMPLETED");
    virtual_text(r, v, row, "cluster_name", view->cluster_name);
    virtual_text(r, v, row, "cql_version", "3.4.7");
    virtual_text(r, v, row, "native_protocol_version", "5");
    virtual_text(r, v, row, "partitioner", PARTITIONER);
    virtual_int(r, v, row, "gossip_generation", view->gossip_generation);
    virtual_inet(r, v, row, "broadcast_address", &p->internode);
    virtual_int(r, v, row, "broadcast_port", p->internode.port);
    virtual_inet(r, v, row, "listen_address", &p->internode);
    virtual_int(r, v, row, "listen_port", p->internode.port);
    virtual_int(r, v, row, "rpc_port", p->cql.port);
}

static void make_peers(struct run *r, struct virtual_rows *v)
{
    const struct exec_view *view = r->exec->view;
    for (size_t i = 0; i < view->peers_count; i++) {
        const struct exec_peer *p = &view->peers[i];
        struct cql_value *row = node_row(r, v, p);
        virtual_inet(r, v, row, "peer", &p->internode);
        virtual_int(r, v, row, "peer_port", p->internode.port);
        virtual_inet(r, v, row, "preferred_ip", &p->internode);
        virtual_int(r, v, row, "preferred_port", p->internode.port);
    }
}

static const struct {
    const char *keyspace;
    const char *table;
    void (*make)(struct run *r, struct virtual_rows *v);
} makers[] = {
    {"system", "local", make_local},
    {"system", "peers", make_peers},
    {"system", "peers_v2", make_peers},
};

bool keyspace_is_virtual(const char *name)
{
    return strcmp(name, "system_views") == 0 || strcmp(name, "system_virtual_schema") == 0;
}

void virtual_make(struct run *r, const struct table *t, struct virtual_rows *ret)
{
    *ret = (struct virtual_rows){.table = t};
    for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
        if (strcmp(t->keyspace, makers[i].keyspace) == 0 && strcmp(t->name, makers[i].table) == 0)
            makers[i].make(r, ret);
    }
    if (strcmp(t->keyspace, "system_schema") == 0 ||
        strcmp(t->keyspace, "system_virtual_schema") == 0)
        virtual_schema_make(r, ret);
    /* What nobody makes rows for has nothing to show: it is there for tools that ask for it. */
    else if (!virtual_views_make(r, ret))
        virtual_source_make(r, ret);
}
