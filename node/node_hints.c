/* What waits for other replicas: hints that this node keeps, what its range logs have for those
 * that are away, and ranges that only a session by trees brings to equality with them; for
 * system_views and `torc hints`. */
#include "node/node_client.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* A row of it. */
struct waiting {
    const char *kind; /* hint log tree lost */
    const struct topology_node *peer;
    bool up;
    const char *keyspace; /* NULL: of all */
    int64_t range;        /* -1: of all */
    int64_t count, any, bytes, delivered, rate;
    int64_t oldest_ms, newest_ms; /* wall; 0: not known */
    bool full;
    const char *why;
};

typedef void take_waiting(void *arg, const struct waiting *w);

static bool find_peer(struct node *n, node_no node, struct waiting *w)
{
    w->peer = topology_find(meta_topology(n->meta), node);
    w->up = cluster_is_alive(n->cluster, node);
    return w->peer != NULL;
}

/* Between two pages there is a pause by their bytes: they are being brought all the same. */
static const char *hint_why(struct arena *arena, const struct coord_hint_queue *q,
                            const struct waiting *w)
{
    if (q->full)
        return "full: what comes is refused, and its ranges are marked for trees";
    if (q->sending > 0)
        return "being brought";
    if (!w->up)
        return "down";
    if (q->stuck > 0)
        return arena_printf(
            arena, "of %zu range%s could not be brought; tried again in %" PRId64 " s", q->stuck,
            q->stuck == 1 ? "" : "s", (q->stuck_pause + USEC_PER_SEC - 1) / USEC_PER_SEC);
    return q->pause > 0 ? "being brought" : "waits for its turn";
}

static const char *mark_why(struct arena *arena, unsigned why)
{
    static const char *const words[] = {"log truncated", "damaged",       "doubtful",  "asked for",
                                        "taken over",    "hints refused", "hints lost"};
    char text[96];
    size_t at = 0;
    text[0] = 0;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if ((why & 1u << i) != 0)
            at +=
                (size_t)snprintf(text + at, sizeof text - at, "%s%s", at > 0 ? ", " : "", words[i]);
    }
    return arena_text(arena, bytes_text(text));
}

static const char *log_why(struct arena *arena, bool up, uint64_t cut, bool at_most)
{
    const char *why = up ? "has yet to get it" : "down";
    if (cut > 0)
        why = arena_printf(arena, "%s; %" PRIu64 " more were cut off: trees bring them", why, cut);
    return at_most ? arena_printf(arena, "%s; at most", why) : why;
}

/* What is of the peer and keyspace of the first: in range logs together, and each mark. Returns how
 * many of the items that are. */
static size_t each_of_keyspace(struct node *n, struct arena *arena,
                               const struct heal_waiting *items, size_t count, take_waiting *take,
                               void *arg)
{
    const struct keyspace *k = schema_keyspace_by_no(n->schema, items[0].keyspace);
    struct waiting log = {.kind = "log", .range = -1};
    uint64_t cut = 0;
    bool at_most = false, shown = k != NULL && find_peer(n, items[0].peer, &log);
    size_t i = 0;
    for (; i < count && items[i].peer == items[0].peer && items[i].keyspace == items[0].keyspace;
         i++) {
        const struct heal_waiting *h = &items[i];
        int64_t since_ms = h->since_s * 1000;
        log.count += (int64_t)h->dots;
        log.bytes += (int64_t)h->bytes;
        cut += h->cut;
        at_most |= h->at_most;
        if (since_ms != 0 && (log.oldest_ms == 0 || since_ms < log.oldest_ms))
            log.oldest_ms = since_ms;
        if (h->marked == 0 || !shown)
            continue;
        struct waiting tree = {.kind = "tree",
                               .peer = log.peer,
                               .up = log.up,
                               .keyspace = k->name,
                               .range = h->range,
                               .count = 1,
                               .oldest_ms = h->marked_since_s * 1000,
                               .why = mark_why(arena, h->marked)};
        take(arg, &tree);
    }
    if (shown && (log.count > 0 || cut > 0)) {
        log.keyspace = k->name;
        log.why = log_why(arena, log.up, cut, at_most);
        take(arg, &log);
    }
    return i;
}

/* Hints that are lost are told of for so long, and until who has their ranges knows. */
#define LOST_TOLD_US (7 * 24 * 3600 * USEC_PER_SEC)

static bool is_told_of(const struct coord_hints_lost *l, struct now now)
{
    return l->untold > 0 || l->at == 0 || now.wall - l->at < LOST_TOLD_US;
}

static void each_lost(struct node *n, struct now now, struct arena *arena, take_waiting *take,
                      void *arg)
{
    struct coord_hints_lost *all;
    size_t count = coord_hints_lost(n->coord, arena, &all);
    for (size_t i = 0; i < count; i++) {
        const struct coord_hints_lost *l = &all[i];
        struct waiting w = {.kind = "lost", .range = -1, .count = (int64_t)l->count};
        if (!is_told_of(l, now) ||
            !find_peer(n, l->target != 0 ? l->target : meta_self(n->meta), &w))
            continue;
        w.oldest_ms = l->at / USEC_PER_MS;
        w.why = arena_printf(arena, "lost with a part of this disk%s; %s",
                             l->target == 0 ? ", if there were any, of any node" : "",
                             l->untold == 0 ? "their ranges are compared by trees"
                                            : "who has their ranges is told when it is up");
        take(arg, &w);
    }
}

static void each_waiting(struct node *n, struct now now, take_waiting *take, void *arg)
{
    struct arena arena = {0};
    each_lost(n, now, &arena, take, arg);
    struct coord_hint_queue *queues;
    size_t count = coord_hint_queues(n->coord, now, &arena, &queues);
    for (size_t i = 0; i < count; i++) {
        const struct coord_hint_queue *q = &queues[i];
        struct waiting w = {.kind = "hint", .range = -1, .full = q->full};
        if (!find_peer(n, q->target, &w))
            continue;
        w.count = (int64_t)q->hints;
        w.any = (int64_t)q->any;
        w.bytes = (int64_t)q->bytes;
        w.delivered = (int64_t)q->delivered;
        w.rate = (int64_t)q->rate;
        w.oldest_ms = q->oldest / USEC_PER_MS;
        w.newest_ms = q->newest / USEC_PER_MS;
        w.why = hint_why(&arena, q, &w);
        take(arg, &w);
    }
    const struct heal_waiting *items;
    count = heal_waiting(n->heal, &arena, &items);
    for (size_t i = 0; i < count && n->schema != NULL;)
        i += each_of_keyspace(n, &arena, items + i, count - i, take, arg);
    arena_close(&arena);
}

static bool has_bytes(const struct waiting *w)
{
    return strcmp(w->kind, "hint") == 0 || strcmp(w->kind, "log") == 0;
}

/* --- lost ones, for /status and the log */

bool node_lost_hints_text(struct node *n, struct now now, char *out, size_t size)
{
    struct arena arena = {0};
    struct coord_hints_lost *all;
    uint64_t lost = 0, untold = 0;
    bool any = false, some = false;
    size_t count = coord_hints_lost(n->coord, &arena, &all);
    for (size_t i = 0; i < count; i++) {
        if (!is_told_of(&all[i], now))
            continue;
        any = true;
        some |= all[i].target == 0;
        lost += all[i].target != 0 ? all[i].count : 0;
        untold += all[i].untold;
    }
    if (any && lost > 0)
        snprintf(out, size,
                 "%" PRIu64 "%s hints, writes that were acked, are lost with a part of this disk; "
                 "%s (torc hints)",
                 lost, some ? " or more" : "",
                 untold > 0 ? "who has their ranges is told when it is up"
                            : "their ranges are compared by trees");
    else if (any)
        snprintf(out, size,
                 "hints may be lost with a part of this disk, of which nothing is known; %s (torc "
                 "hints)",
                 untold > 0 ? "all nodes are told when they are up"
                            : "all ranges are compared by "
                              "trees");
    arena_close(&arena);
    return any;
}

/* When hints are found to be lost, and when all who are to know do. */
void report_lost_hints(struct node *n)
{
    char text[256];
    uint64_t lost = coord_hints_damaged(n->coord);
    bool waits = coord_hints_untold(n->coord);
    if (lost == n->hints_lost_told && waits == n->hints_untold)
        return;
    n->hints_lost_told = lost;
    n->hints_untold = waits;
    if (node_lost_hints_text(n, n->now, text, sizeof text))
        node_log(n, true, "%s", text);
}

/* --- views */

static void take_hints_row(void *arg, const struct waiting *w)
{
    struct exec_rows *out = arg;
    exec_row(out);
    exec_put_uuid(out, "host_id", &w->peer->info.host_id);
    exec_put_text(out, "kind", w->kind);
    exec_put_text(out, "keyspace_name", w->keyspace != NULL ? w->keyspace : "");
    exec_put_int(out, "range", (int32_t)w->range);
    exec_put_inet(out, "address", &w->peer->info.endpoint);
    exec_put_int(out, "port", w->peer->info.endpoint.port);
    exec_put_bool(out, "up", w->up);
    exec_put_bigint(out, "waiting", w->count);
    exec_put_text(out, "reason", w->why);
    if (w->oldest_ms != 0)
        exec_put_bigint(out, "oldest", w->oldest_ms);
    if (has_bytes(w))
        exec_put_bigint(out, "bytes", w->bytes);
    if (strcmp(w->kind, "hint") != 0)
        return;
    exec_put_bigint(out, "for_any_owner", w->any);
    exec_put_bigint(out, "delivered", w->delivered);
    exec_put_bigint(out, "bytes_per_second", w->rate);
    exec_put_bool(out, "full", w->full);
}

void fill_hints(struct node *n, struct exec_rows *out, struct arena *arena)
{
    (void)arena;
    each_waiting(n, n->now, take_hints_row, out);
}

struct pending_row {
    struct exec_rows *out;
    struct arena *arena;
};

/* Cassandra counts files, of 128 MiB at most; a queue of ours is as many as it would fill. */
static void take_pending_row(void *arg, const struct waiting *w)
{
    struct pending_row *p = arg;
    const struct node_info *info = &w->peer->info;
    if (strcmp(w->kind, "hint") != 0)
        return;
    exec_row(p->out);
    exec_put_uuid(p->out, "host_id", &info->host_id);
    exec_put_inet(p->out, "address", &info->endpoint);
    exec_put_int(p->out, "port", info->endpoint.port);
    exec_put_text(p->out, "dc", arena_text(p->arena, bytes_text(info->dc)));
    exec_put_text(p->out, "rack", arena_text(p->arena, bytes_text(info->rack)));
    exec_put_text(p->out, "status", w->up ? "UP" : "DOWN");
    exec_put_int(p->out, "files", (int32_t)(1 + (w->bytes >> 27)));
    if (w->oldest_ms != 0)
        exec_put_bigint(p->out, "oldest", w->oldest_ms);
    if (w->newest_ms != 0)
        exec_put_bigint(p->out, "newest", w->newest_ms);
}

void fill_pending_hints(struct node *n, struct exec_rows *out, struct arena *arena)
{
    struct pending_row p = {out, arena};
    each_waiting(n, n->now, take_pending_row, &p);
}

/* --- JSON */

static void take_json(void *arg, const struct waiting *w)
{
    char address[ENDPOINT_TEXT_SIZE], id[UUID_TEXT_SIZE];
    json_t *j = json_object();
    json_object_set_new(j, "kind", json_string(w->kind));
    json_object_set_new(j, "node", json_integer(w->peer->node));
    json_object_set_new(j, "address", json_string(endpoint_text(&w->peer->info.endpoint, address)));
    json_object_set_new(j, "host_id", json_string(uuid_text(&w->peer->info.host_id, id)));
    json_object_set_new(j, "up", json_boolean(w->up));
    json_object_set_new(j, "waiting", json_integer(w->count));
    json_object_set_new(j, "oldest_ms",
                        w->oldest_ms != 0 ? json_integer(w->oldest_ms) : json_null());
    json_object_set_new(j, "why", json_string(w->why));
    if (w->keyspace != NULL)
        json_object_set_new(j, "keyspace", json_string(w->keyspace));
    if (w->range >= 0)
        json_object_set_new(j, "range", json_integer(w->range));
    if (has_bytes(w))
        json_object_set_new(j, "bytes", json_integer(w->bytes));
    if (strcmp(w->kind, "hint") == 0) {
        json_object_set_new(j, "for_any_owner", json_integer(w->any));
        json_object_set_new(j, "delivered", json_integer(w->delivered));
        json_object_set_new(j, "bytes_per_second", json_integer(w->rate));
        json_object_set_new(j, "full", json_boolean(w->full));
    }
    json_array_append_new(arg, j);
}

void node_hints_json(struct node *n, struct now now, struct buf *out)
{
    json_t *j = json_object();
    json_t *rows = json_array();
    each_waiting(n, now, take_json, rows);
    json_object_set_new(j, "node", json_integer(meta_self(n->meta)));
    json_object_set_new(j, "now_ms", json_integer(now.wall / USEC_PER_MS));
    json_object_set_new(j, "waiting", rows);
    char *text = json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (text != NULL)
        buf_put_text(out, text);
    buf_put_text(out, "\n");
    free(text);
    json_decref(j);
}
