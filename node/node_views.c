/* What the executor sees: the ring, for its system tables; and rows of system_views: who is
 * connected, what is set, who gossips, how much is under way. */
#include "node/node_client.h"

#include <string.h>

#define MEBIBYTE ((uint64_t)1 << 20)

/* --- the ring */

static struct exec_peer exec_peer_of(struct node *n, struct arena *arena,
                                     const struct topology_node *node)
{
    const struct topology *t = meta_topology(n->meta);
    struct exec_peer p = {.host_id = node->info.host_id,
                          .internode = node->info.endpoint,
                          .cql = node->info.cql,
                          .release_version = "5.0.0"};
    p.dc = arena_text(arena, bytes_text(node->info.dc));
    p.rack = arena_text(arena, bytes_text(node->info.rack));
    token *tokens = arena_array(arena, token, t->ring->ranges);
    p.tokens_count = ring_tokens(t->ring, RING_PUBLISHED, node->node, tokens);
    p.tokens = tokens;
    /* A node that has yet to apply the last change is not in agreement with us. */
    if (node->node == meta_self(n->meta) ||
        meta_applied_by(n->meta, node->node) >= n->schema->epoch)
        p.schema_version = n->schema->version;
    return p;
}

static void refresh(struct node *n)
{
    struct clients *cs = n->client_state;
    const struct topology *t = meta_topology(n->meta);
    if (!cs->view_stale || t->ring == NULL || n->schema == NULL)
        return;
    cs->view_at ^= 1;
    struct arena *arena = &cs->view[cs->view_at];
    arena_reset(arena);
    struct exec_peer *peers = arena_array(arena, struct exec_peer, t->count + 1);
    struct exec_view *view = arena_new(arena, struct exec_view);
    view->schema = n->schema;
    view->cluster_name = n->config.cluster_name;
    view->gossip_generation = (int32_t)n->boot;
    view->peers = peers;
    for (size_t i = 0; i < t->count; i++) {
        const struct topology_node *node = &t->nodes[i];
        if (node->node == meta_self(n->meta))
            view->self = exec_peer_of(n, arena, node);
        else if (node->state == NODE_NORMAL || node->state == NODE_LEAVING)
            peers[view->peers_count++] = exec_peer_of(n, arena, node);
    }
    exec_set_view(cs->exec, view);
    cs->view_stale = false;
}

void client_view_changed(struct node *n)
{
    n->client_state->view_stale = true;
}

bool client_refresh_view(struct node *n)
{
    refresh(n);
    return !n->client_state->view_stale;
}

void client_view_now(struct node *n)
{
    client_view_changed(n);
    refresh(n);
}

/* --- rows */

static const char *option(const struct option_map *m, const char *key)
{
    return option_map_get(m, key);
}

static void client_row(struct exec_rows *out, const struct node *n, const struct client *c,
                       struct arena *arena)
{
    char host[ENDPOINT_TEXT_SIZE];
    struct reader r = reader_make(buf_bytes(&c->startup));
    struct cql_map map = c->startup.len > 0 ? cql_read_string_map(&r, arena) : (struct cql_map){0};
    struct option_pair *pairs = arena_array(arena, struct option_pair, map.count);
    struct option_map options = {pairs, (uint32_t)map.count};
    for (size_t i = 0; i < map.count; i++)
        pairs[i] = (struct option_pair){arena_text(arena, map.items[i].key),
                                        arena_text(arena, map.items[i].value)};
    exec_row(out);
    exec_put_inet(out, "address", &c->from);
    exec_put_int(out, "port", c->from.port);
    exec_put_text(out, "hostname", endpoint_ip_text(&c->from, host));
    exec_put_map(out, "client_options", &options);
    exec_put_text(out, "connection_stage",
                  c->conn.authenticating           ? "authenticating"
                  : c->conn.state == CQL_CONN_OPEN ? "ready"
                                                   : "establishing");
    exec_put_text(out, "driver_name", option(&options, "DRIVER_NAME"));
    exec_put_text(out, "driver_version", option(&options, "DRIVER_VERSION"));
    exec_put_text(out, "keyspace_name", c->keyspace);
    exec_put_int(out, "protocol_version", c->conn.version);
    exec_put_bigint(out, "request_count", (int64_t)c->requests);
    exec_put_bool(out, "ssl_enabled", false);
    exec_put_text(out, "username",
                  c->user != NULL          ? c->user
                  : n->config.authenticate ? NULL
                                           : "anonymous");
}

static void fill_clients(struct node *n, struct exec_rows *out, struct arena *arena)
{
    uint64_t *numbers = map_keys(&n->clients);
    for (size_t i = 0, count = map_count(&n->clients); i < count; i++)
        client_row(out, n, map_get(&n->clients, numbers[i]), arena);
    mem_free(numbers);
}

static void fill_settings(struct node *n, struct exec_rows *out, struct arena *arena)
{
    (void)arena;
    for (size_t i = 0; i < n->config.settings_count; i++) {
        exec_row(out);
        exec_put_text(out, "name", n->config.settings[i].name);
        exec_put_text(out, "value", n->config.settings[i].value);
    }
}

/* There is one thread for all of it: a pool is a kind of work, its tasks what waits for an answer.
 */
static void fill_thread_pools(struct node *n, struct exec_rows *out, struct arena *arena)
{
    struct node_pending p = node_pending(n);
    struct coord_stats c = coord_stats(n->coord);
    struct exec_stats x = client_exec_stats(n);
    const struct {
        const char *name;
        size_t pending;
        uint64_t completed;
    } pools[] = {
        {"CoordinatorStage", p.operations, c.reads + c.writes}, {"HandoffStage", p.handoff, 0},
        {"MetadataStage", p.changes, meta_epoch(n->meta)},      {"MutationStage", p.applying, 0},
        {"Native-Transport-Requests", p.requests, x.requests},
    };
    (void)arena;
    for (size_t i = 0; i < ARRAY_LEN(pools); i++) {
        exec_row(out);
        exec_put_text(out, "name", pools[i].name);
        exec_put_int(out, "active_tasks", 0);
        exec_put_int(out, "active_tasks_limit", 1);
        exec_put_bigint(out, "blocked_tasks", 0);
        exec_put_bigint(out, "blocked_tasks_all_time", 0);
        exec_put_bigint(out, "completed_tasks", (int64_t)pools[i].completed);
        exec_put_int(out, "pending_tasks", (int32_t)pools[i].pending);
    }
}

static void fill_gossip(struct node *n, struct exec_rows *out, struct arena *arena)
{
    char text[ENDPOINT_TEXT_SIZE], uuid[UUID_TEXT_SIZE];
    for (size_t i = 0; n->gossip != NULL && gossip_at(n->gossip, i) != NULL; i++) {
        const struct gossip_member *m = gossip_at(n->gossip, i);
        static const char *const states[] = {[GOSSIP_ALIVE] = "NORMAL",
                                             [GOSSIP_SUSPECT] = "NORMAL",
                                             [GOSSIP_DEAD] = "shutdown",
                                             [GOSSIP_LEFT] = "LEFT"};
        exec_row(out);
        exec_put_inet(out, "address", &m->addr);
        exec_put_int(out, "port", m->addr.port);
        exec_put_text(out, "hostname", endpoint_ip_text(&m->addr, text));
        exec_put_text(out, "dc", arena_text(arena, m->dc));
        exec_put_text(out, "rack", arena_text(arena, m->rack));
        exec_put_text(out, "host_id", uuid_text(&m->host_id, uuid));
        exec_put_text(out, "release_version", "5.0.0");
        exec_put_text(out, "rpc_address", endpoint_ip_text(&m->cql, text));
        exec_put_text(out, "native_address_and_port", endpoint_text(&m->cql, text));
        exec_put_text(out, "status", states[m->state]);
        exec_put_text(out, "status_with_port", states[m->state]);
        exec_put_int(out, "generation", (int32_t)m->generation);
        exec_put_int(out, "heartbeat", (int32_t)m->incarnation);
    }
}

/* --- what was sent to others, and heard of them */

static void peer_row(struct node *n, struct exec_rows *out, const struct peer *p,
                     struct arena *arena)
{
    const struct topology_node *t = topology_find(meta_topology(n->meta), p->node);
    exec_row(out);
    exec_put_inet(out, "address", &t->info.endpoint);
    exec_put_int(out, "port", t->info.endpoint.port);
    exec_put_text(out, "dc", arena_text(arena, bytes_text(t->info.dc)));
    exec_put_text(out, "rack", arena_text(arena, bytes_text(t->info.rack)));
}

static void zeros(struct exec_rows *out, const char *const *columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        exec_put_bigint(out, columns[i], 0);
}

static bool is_listed(const struct node *n, const struct peer *p)
{
    return p->node != meta_self(n->meta) && topology_find(meta_topology(n->meta), p->node) != NULL;
}

static void fill_inbound(struct node *n, struct exec_rows *out, struct arena *arena)
{
    static const char *const none[] = {"corrupt_frames_recovered",
                                       "corrupt_frames_unrecovered",
                                       "error_bytes",
                                       "error_count",
                                       "expired_bytes",
                                       "expired_count",
                                       "scheduled_bytes",
                                       "scheduled_count",
                                       "throttled_count",
                                       "throttled_nanos",
                                       "using_bytes",
                                       "using_reserve_bytes"};
    for (size_t i = 0; i < n->peers_count; i++) {
        const struct peer *p = &n->peers[i];
        if (!is_listed(n, p))
            continue;
        peer_row(n, out, p, arena);
        exec_put_bigint(out, "received_count", (int64_t)p->received);
        exec_put_bigint(out, "received_bytes", (int64_t)p->received_bytes);
        exec_put_bigint(out, "processed_count", (int64_t)p->received);
        exec_put_bigint(out, "processed_bytes", (int64_t)p->received_bytes);
        zeros(out, none, ARRAY_LEN(none));
    }
}

static void fill_outbound(struct node *n, struct exec_rows *out, struct arena *arena)
{
    static const char *const none[] = {
        "error_bytes",    "error_count",   "expired_bytes", "expired_count", "overload_bytes",
        "overload_count", "pending_bytes", "pending_count", "using_bytes",   "using_reserve_bytes"};
    for (size_t i = 0; i < n->peers_count; i++) {
        const struct peer *p = &n->peers[i];
        if (!is_listed(n, p))
            continue;
        peer_row(n, out, p, arena);
        exec_put_bigint(out, "active_connections", p->sent > 0 && !p->link_down);
        exec_put_bigint(out, "sent_count", (int64_t)p->sent);
        exec_put_bigint(out, "sent_bytes", (int64_t)p->sent_bytes);
        zeros(out, none, ARRAY_LEN(none));
    }
}

/* --- tables of this replica */

static void histogram_row(struct exec_rows *out, const struct histogram *h, bool is_time,
                          double seconds)
{
    static const struct histogram none;
    double unit = is_time ? (double)USEC_PER_MS : 1.0;
    h = h != NULL ? h : &none;
    exec_put_bigint(out, "count", (int64_t)h->count);
    exec_put_double(out, is_time ? "max_ms" : "max", (double)h->max / unit);
    exec_put_double(out, is_time ? "p50th_ms" : "p50th",
                    (double)histogram_percentile(h, 500000) / unit);
    exec_put_double(out, is_time ? "p99th_ms" : "p99th",
                    (double)histogram_percentile(h, 990000) / unit);
    if (is_time)
        exec_put_double(out, "per_second", seconds > 0 ? (double)h->count / seconds : 0.0);
}

/* What is done for a view with a row for each table. */
struct table_view {
    const char *name;
    bool size; /* else the histogram of this kind */
    enum usage_kind kind;
};

static void table_row(struct node *n, struct exec_rows *out, const struct table *t,
                      const struct table_view *view)
{
    double seconds = (double)(n->now.mono - n->started) / (double)USEC_PER_SEC;
    exec_row(out);
    exec_put_text(out, "keyspace_name", t->keyspace);
    exec_put_text(out, "table_name", t->name);
    if (view->size)
        exec_put_bigint(out, "mebibytes",
                        (int64_t)((engine_table_size(n->engine, t->no) + MEBIBYTE - 1) / MEBIBYTE));
    else
        histogram_row(out, usage_find(coord_usages(n->coord), t->no, view->kind),
                      view->kind < USAGE_ROWS, seconds);
}

static bool fill_tables(struct node *n, const char *name, struct exec_rows *out)
{
    static const struct table_view views[] = {
        {"disk_usage", true, 0},
        {"local_read_latency", false, USAGE_READ},
        {"local_scan_latency", false, USAGE_SCAN},
        {"local_write_latency", false, USAGE_WRITE},
        {"rows_per_read", false, USAGE_ROWS},
        {"tombstones_per_read", false, USAGE_TOMBSTONES},
    };
    const struct table_view *view = NULL;
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        if (strcmp(views[i].name, name) == 0)
            view = &views[i];
    }
    if (view == NULL || n->schema == NULL)
        return view != NULL;
    for (uint32_t i = 0; i < n->schema->keyspace_count; i++) {
        const struct keyspace *k = n->schema->keyspaces[i];
        for (uint32_t j = 0; j < k->table_count && !keyspace_is_local(k->name); j++)
            table_row(n, out, k->tables[j], view);
    }
    return true;
}

/* --- what keeps deletions from being forgotten */

static const char *reason_text(enum heal_pin_reason reason)
{
    static const char *const texts[] = {[HEAL_PIN_DOWN] = "down",
                                        [HEAL_PIN_SILENT] = "has told nothing",
                                        [HEAL_PIN_NOT_PULLED] = "not pulled from",
                                        [HEAL_PIN_NOT_PROVED] = "has not proved",
                                        [HEAL_PIN_HERE] = "cannot agree"};
    return texts[reason];
}

static void fill_pins(struct node *n, struct exec_rows *out, struct arena *arena)
{
    const struct heal_pin *pins;
    size_t count = heal_pins(n->heal, n->now, arena, &pins);
    for (size_t i = 0; i < count && n->schema != NULL; i++) {
        const struct heal_pin *p = &pins[i];
        const struct keyspace *k = schema_keyspace_by_no(n->schema, p->keyspace);
        const struct topology_node *t = topology_find(meta_topology(n->meta), p->peer);
        if (k == NULL || t == NULL)
            continue;
        struct token_span span = ring_range_span(p->range, cluster_ranges(n->cluster));
        exec_row(out);
        exec_put_text(out, "keyspace_name", k->name);
        exec_put_int(out, "range", (int32_t)p->range);
        exec_put_inet(out, "address", &t->info.endpoint);
        exec_put_int(out, "port", t->info.endpoint.port);
        exec_put_bigint(out, "first_token", span.first);
        exec_put_bigint(out, "last_token", span.last);
        exec_put_bool(out, "more", p->more);
        exec_put_text(out, "reason", reason_text(p->reason));
        exec_put_bigint(out, "since", p->since * 1000); /* a timestamp */
        exec_put_int(out, "waiting", (int32_t)p->entries);
    }
}

static void fill(void *arg, const char *table, struct exec_rows *out)
{
    static const struct {
        const char *table;
        void (*fill)(struct node *n, struct exec_rows *out, struct arena *arena);
    } tables[] = {
        {"clients", fill_clients},
        {"gossip_info", fill_gossip},
        {"internode_inbound", fill_inbound},
        {"internode_outbound", fill_outbound},
        {"settings", fill_settings},
        {"thread_pools", fill_thread_pools},
        {"tombstone_pins", fill_pins},
        {"entropy", entropy_fill},
        {"repair_differences", differences_fill},
        {"repair_runs", runs_fill},
        {"hints", fill_hints},
        {"pending_hints", fill_pending_hints},
    };
    struct arena arena = {0};
    if (fill_tables(arg, table, out))
        return;
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        if (strcmp(tables[i].table, table) == 0)
            tables[i].fill(arg, out, &arena);
    }
    arena_close(&arena);
}

void views_init(struct node *n)
{
    exec_set_source(client_exec(n), &(struct exec_source){fill, n});
}
