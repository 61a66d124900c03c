/* What a node tells about itself: metrics for machines, status and ring for people. */
#include "node/cql/exec/exec.h"
#include "node/node_core.h"
#include "node/node_metrics.h"

#include <inttypes.h>
#include <jansson.h>

static const struct metric_def defs[] = {NODE_METRICS(METRIC_DEF)};

void report_init(struct node *n)
{
    metrics_init(&n->metrics, defs, ARRAY_LEN(defs));
}

void node_metric_malformed(struct node *n)
{
    metrics_add(&n->metrics, NODE_MALFORMED, 1);
}

/* Counters of cores only grow: bring ours up to them. */
static void catch_up(struct node *n, enum node_metric id, uint64_t value)
{
    metrics_add(&n->metrics, id, (int64_t)value - metrics_value(&n->metrics, id));
}

static void collect_coord(struct node *n)
{
    struct coord_stats c = coord_stats(n->coord);
    struct exec_stats x = client_exec_stats(n);
    metrics_set(&n->metrics, NODE_IN_FLIGHT, (int64_t)coord_in_flight(n->coord));
    catch_up(n, NODE_CQL_REQUESTS, x.requests);
    catch_up(n, NODE_CQL_ERRORS, x.errors);
    catch_up(n, NODE_WRITES, c.writes);
    catch_up(n, NODE_READS, c.reads);
    catch_up(n, NODE_FORWARDS, c.forwards);
    catch_up(n, NODE_BATCHES, c.batches);
    catch_up(n, NODE_BATCH_REPLAYS, c.replays);
    catch_up(n, NODE_BATCHES_DAMAGED, c.batches_damaged);
    metrics_set(&n->metrics, NODE_BATCHES_KEPT, (int64_t)coord_kept(n->coord));
    metrics_set(&n->metrics, NODE_HINTS, (int64_t)coord_hints(n->coord));
    metrics_set(&n->metrics, NODE_HINTS_BYTES, (int64_t)coord_hints_bytes(n->coord));
    catch_up(n, NODE_HINTS_ACKED, c.hints_acked);
    catch_up(n, NODE_HINTS_KEPT, c.hints_kept);
    catch_up(n, NODE_HINTS_MERGED, coord_hints_merged(n->coord));
    catch_up(n, NODE_HINTS_REFUSED, c.hints_refused);
    catch_up(n, NODE_HINTS_DELIVERED, c.hints_delivered);
    catch_up(n, NODE_HINTS_HANDED_ON, c.hints_handed_on);
    catch_up(n, NODE_HINTS_LEFT_OUT, c.hints_left_out);
    catch_up(n, NODE_HINTS_DROPPED, c.hints_dropped);
    catch_up(n, NODE_HINTS_DAMAGED, coord_hints_damaged(n->coord));
    catch_up(n, NODE_HINTS_LOST, c.hints_lost);
    catch_up(n, NODE_MISMATCHES, c.digest_mismatches);
    catch_up(n, NODE_REPAIRS, c.repairs);
    catch_up(n, NODE_REPEATS, c.repeats);
    catch_up(n, NODE_FOLDS, c.folds);
    catch_up(n, NODE_MERGED, c.merged);
    catch_up(n, NODE_RAISED, c.raised);
    catch_up(n, NODE_ASKS, c.asks);
    catch_up(n, NODE_LOST_GIVEN, c.lost_given);
    catch_up(n, NODE_LOST_STAMPED, c.lost_stamped);
    catch_up(n, NODE_REPLAYS_LEFT_OUT, c.replays_left_out);
    catch_up(n, NODE_COUNTERS_READ, c.counters_read);
    catch_up(n, NODE_SPECULATIONS, c.speculations);
    catch_up(n, NODE_WIDENED, c.repairs_widened);
    catch_up(n, NODE_SESSION_WAITS, c.waits);
    catch_up(n, NODE_SESSION_LATE, c.waits_in_vain);
    catch_up(n, NODE_TIMEOUTS, c.timeouts);
    catch_up(n, NODE_UNAVAILABLE, c.unavailable);
    catch_up(n, NODE_OVERLOADED, c.overloaded);
}

static void collect_storage(struct node *n)
{
    struct engine_stats e = engine_stats(n->engine);
    struct heal_stats h = heal_stats(n->heal);
    catch_up(n, NODE_STORE_WRITES, e.writes);
    catch_up(n, NODE_STORE_SCANS, e.scans);
    catch_up(n, NODE_ROWS_READ, e.rows_read);
    catch_up(n, NODE_FRAGMENTS, e.fragments_read);
    catch_up(n, NODE_COLLAPSES, e.collapses);
    catch_up(n, NODE_DROPPED, e.purged);
    catch_up(n, NODE_COMPACTIONS, e.compactions);
    catch_up(n, NODE_DAMAGED, e.damaged);
    catch_up(n, NODE_LEAVES_READ, e.leaves_read);
    catch_up(n, NODE_WEIGHED, e.weighed);
    catch_up(n, NODE_COMPARISONS, h.rounds);
    catch_up(n, NODE_PULLED, h.dots_pulled);
    catch_up(n, NODE_SLOWED_HERE, h.slowed[0]);
    catch_up(n, NODE_SLOWED_THERE, h.slowed[1]);
    metrics_set(&n->metrics, NODE_RATE, (int64_t)h.rate);
    metrics_set(&n->metrics, NODE_TREES_RATE, (int64_t)h.trees.rate);
    metrics_set(&n->metrics, NODE_HINTS_RATE, (int64_t)h.hints.rate);
    catch_up(n, NODE_TREES_SLOWED, h.trees.slowed);
    catch_up(n, NODE_HINTS_SLOWED, h.hints.slowed);
    metrics_set(&n->metrics, NODE_MISSING, (int64_t)h.missing);
    catch_up(n, NODE_SESSION_FETCHES, h.fetches);
    catch_up(n, NODE_PULLED_BYTES, h.bytes_pulled);
    catch_up(n, NODE_SERVED_BYTES, h.bytes_served);
    metrics_set(&n->metrics, NODE_LOG_BYTES, (int64_t)h.logs_bytes);
    catch_up(n, NODE_LOG_PRUNED, h.log_pruned);
    catch_up(n, NODE_LOG_CUT, h.log_cut);
    catch_up(n, NODE_TRUNCATED, h.truncated);
    metrics_set(&n->metrics, NODE_GARBAGE, (int64_t)h.garbage_ranges);
    metrics_set(&n->metrics, NODE_PINNED, (int64_t)h.pinned_ranges);
    metrics_set(&n->metrics, NODE_DAMAGED_RANGES, (int64_t)h.damaged_ranges);
    catch_up(n, NODE_REBUILT, h.rebuilt);
    catch_up(n, NODE_FORGOTTEN, h.forgotten);
    catch_up(n, NODE_COMPARED, h.compared);
    catch_up(n, NODE_DOUBTFUL, h.doubtful);
    catch_up(n, NODE_REPLACED, h.replaced);
    struct repair_stats r = repair_stats(n->repair);
    metrics_set(&n->metrics, NODE_RUNS, (int64_t)r.running);
    catch_up(n, NODE_RUN_RANGES, r.ranges);
    catch_up(n, NODE_RUN_FAILED, r.failed);
    catch_up(n, NODE_RUN_LED, r.led);
    catch_up(n, NODE_COMPARED_FAILED, h.compared_failed);
    catch_up(n, NODE_ASKED_SEARCH, h.bytes_asked.search);
    catch_up(n, NODE_ASKED_RECEIVED, h.bytes_asked.received);
    catch_up(n, NODE_ASKED_SENT, h.bytes_asked.sent);
    catch_up(n, NODE_ROUNDS_SEARCH, h.bytes_rounds.search);
    catch_up(n, NODE_ROUNDS_RECEIVED, h.bytes_rounds.received);
    catch_up(n, NODE_ROUNDS_SENT, h.bytes_rounds.sent);
    catch_up(n, NODE_ROUND_RANGES, h.round_ranges);
    catch_up(n, NODE_SCRUBBED, h.scrubbed);
    catch_up(n, NODE_LEAVES_WRONG, e.leaves_wrong);
    struct heal_entropy entropy = heal_entropy(n->heal);
    int64_t oldest = entropy.oldest_s, now_s = n->now.wall / USEC_PER_SEC;
    metrics_set(&n->metrics, NODE_MARKED, (int64_t)entropy.marked);
    metrics_set(&n->metrics, NODE_UNPROVED, (int64_t)entropy.never);
    metrics_set(&n->metrics, NODE_PROVED_AGE,
                oldest == HEAL_NEVER || oldest > now_s ? 0 : now_s - oldest);
}

static void collect_cluster(struct node *n)
{
    const struct cluster_node *nodes;
    size_t count = cluster_nodes(n->cluster, &nodes);
    int64_t up = 0;
    for (size_t i = 0; i < count; i++)
        up += cluster_is_alive(n->cluster, nodes[i].node);
    metrics_set(&n->metrics, NODE_READY_GAUGE, node_is_ready(n));
    metrics_set(&n->metrics, NODE_EPOCH, (int64_t)meta_epoch(n->meta));
    metrics_set(&n->metrics, NODE_NODES_UP, up);
    metrics_set(&n->metrics, NODE_NODES_DOWN, (int64_t)count - up);
    metrics_set(&n->metrics, NODE_CLIENTS, (int64_t)map_count(&n->clients));
    catch_up(n, NODE_CLOCK_REFUSED, n->hlc_refused);
    if (n->gossip == NULL)
        return;
    const struct gossip_counters *g = gossip_get_counters(n->gossip);
    metrics_set(&n->metrics, NODE_HEALTH, gossip_health_score(n->gossip));
    catch_up(n, NODE_SUSPICIONS, g->suspicions);
    catch_up(n, NODE_DEATHS, g->deaths);
    catch_up(n, NODE_REFUTATIONS, g->refutations);
}

void node_metrics_text(struct node *n, struct now now, struct buf *out)
{
    (void)now;
    collect_coord(n);
    collect_storage(n);
    collect_cluster(n);
    metrics_render(&n->metrics, out);
}

struct node_pending node_pending(const struct node *n)
{
    struct node_pending p = {.in_flight = coord_in_flight(n->coord),
                             .operations = coord_pending(n->coord),
                             .overdue = coord_overdue(n->coord, n->now),
                             .waits = coord_waiting(n->coord),
                             .applying = coord_applying(n->coord),
                             .batches = coord_kept(n->coord),
                             .hints = coord_hints(n->coord),
                             .requests = n->clients_running,
                             .client_bytes = client_held_bytes(n),
                             .changes = meta_pending(n->meta) + client_proposals(n)};
    p.handoff = heal_pending(n->heal, &p.handoff_bytes);
    return p;
}

/* --- status and ring */

static void put_json(json_t *json, struct buf *out)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (text != NULL)
        buf_put_text(out, text);
    buf_put_text(out, "\n");
    free(text);
    json_decref(json);
}

static void set_endpoint(json_t *to, const char *name, const struct endpoint *e)
{
    char text[ENDPOINT_TEXT_SIZE];
    json_object_set_new(to, name, json_string(endpoint_text(e, text)));
}

static void set_uuid(json_t *to, const char *name, const struct uuid *u)
{
    char text[UUID_TEXT_SIZE];
    json_object_set_new(to, name, json_string(uuid_text(u, text)));
}

static json_t *node_json(struct node *n, const struct topology_node *t)
{
    const struct ring *ring = meta_topology(n->meta)->ring;
    const struct gossip_member *m =
        n->gossip != NULL ? gossip_find(n->gossip, &t->info.host_id) : NULL;
    usec since = 0;
    size_t pins = heal_pinned_by(n->heal, t->node, &since);
    bool self = t->node == meta_self(n->meta);
    uint32_t ranges = ring_count(ring, RING_PUBLISHED, t->node);
    json_t *j = json_object();
    json_object_set_new(j, "node", json_integer(t->node));
    set_uuid(j, "host_id", &t->info.host_id);
    set_endpoint(j, "address", &t->info.endpoint);
    set_endpoint(j, "cql", &t->info.cql);
    json_object_set_new(j, "dc", json_string(t->info.dc));
    json_object_set_new(j, "rack", json_string(t->info.rack));
    json_object_set_new(j, "state", json_string(node_state_text(t->state)));
    json_object_set_new(j, "up", json_boolean(self || cluster_is_alive(n->cluster, t->node)));
    json_object_set_new(j, "gossip",
                        json_string(m != NULL ? gossip_state_text(m->state) : "unknown"));
    json_object_set_new(j, "ranges", json_integer(ranges));
    json_object_set_new(j, "owns", json_real((double)ranges / (double)ring->ranges));
    json_object_set_new(j, "load", json_integer(m != NULL ? (json_int_t)m->app.load : 0));
    json_object_set_new(
        j, "epoch",
        json_integer((json_int_t)(self ? meta_epoch(n->meta) : meta_applied_by(n->meta, t->node))));
    json_object_set_new(j, "self", json_boolean(self));
    json_object_set_new(j, "pins", json_integer((json_int_t)pins));
    json_object_set_new(
        j, "pins_s",
        json_integer(pins > 0 ? (json_int_t)((n->now.mono - since) / USEC_PER_SEC) : 0));
    return j;
}

/* What is no problem of now, and a person is to know. */
static json_t *notes_json(struct node *n, struct now now)
{
    char text[512];
    json_t *notes = json_array();
    if (node_lost_hints_text(n, now, text, sizeof text))
        json_array_append_new(notes, json_string(text));
    if (n->config.given_up != NULL)
        json_array_append_new(notes, json_string(n->config.given_up));
    return notes;
}

void node_status_json(struct node *n, struct now now, struct buf *out)
{
    const struct topology *t = meta_topology(n->meta);
    json_t *j = json_object();
    json_t *nodes = json_array();
    const char *problem = meta_problem(n->meta);
    if (problem[0] == 0 && n->clock_fault != CLOCK_GOOD)
        problem = n->clock_text;
    char damage[512];
    if (store_failure(n->store) != NULL && !n->mend_asked)
        problem = store_failure_text(n);
    if (problem[0] == 0 && node_damage_text(n, damage, sizeof damage))
        problem = damage;
    json_object_set_new(j, "cluster", json_string(n->config.cluster_name));
    json_object_set_new(j, "node", json_integer(meta_self(n->meta)));
    set_uuid(j, "host_id", &n->host_id);
    json_object_set_new(j, "phase", json_string(node_phase(n)));
    json_object_set_new(j, "boot", json_integer(n->boot));
    json_object_set_new(j, "epoch", json_integer((json_int_t)meta_epoch(n->meta)));
    if (n->schema != NULL)
        set_uuid(j, "schema_version", &n->schema->version);
    json_object_set_new(j, "release", json_string(TORC_VERSION));
    json_object_set_new(j, "problem", json_string(problem));
    json_object_set_new(j, "notes", notes_json(n, now));
    struct heal_stats heal = heal_stats(n->heal);
    json_object_set_new(j, "missing", json_integer((json_int_t)heal.missing));
    json_object_set_new(j, "handoff_rate", json_integer((json_int_t)heal.rate));
    json_object_set_new(j, "clients", json_integer((json_int_t)map_count(&n->clients)));
    for (size_t i = 0; i < t->count; i++) {
        if (t->nodes[i].state != NODE_LEFT)
            json_array_append_new(nodes, node_json(n, &t->nodes[i]));
    }
    json_object_set_new(j, "nodes", nodes);
    put_json(j, out);
}

/* Owners as runs [first range, how many, node], a list for each data centre. */
static json_t *owners_json(const struct ring *ring, enum ring_when when, uint32_t dc)
{
    json_t *runs = json_array();
    range_no first = 0;
    for (range_no i = 1; i <= ring->ranges; i++) {
        node_no owner = ring_owner(ring, when, dc, first);
        if (i < ring->ranges && ring_owner(ring, when, dc, i) == owner)
            continue;
        json_array_append_new(runs, json_pack("[i,i,i]", (int)first, (int)(i - first), (int)owner));
        first = i;
    }
    return runs;
}

void node_ring_json(struct node *n, struct buf *out)
{
    const struct topology *t = meta_topology(n->meta);
    json_t *j = json_object();
    json_t *owners = json_object();
    json_t *nodes = json_array();
    if (t->ring != NULL) {
        json_object_set_new(j, "ranges", json_integer(t->ring->ranges));
        json_object_set_new(j, "epoch", json_integer((json_int_t)t->ring_epoch));
        json_object_set_new(j, "moving", json_boolean(topology_is_moving(t)));
        for (uint32_t dc = 0; dc < t->ring->dcs; dc++)
            json_object_set_new(owners, t->ring->dc[dc], owners_json(t->ring, RING_PUBLISHED, dc));
        for (size_t i = 0; i < t->count; i++) {
            if (t->nodes[i].state != NODE_LEFT)
                json_array_append_new(nodes, node_json(n, &t->nodes[i]));
        }
    }
    json_object_set_new(j, "owners", owners);
    json_object_set_new(j, "nodes", nodes);
    put_json(j, out);
}

/* --- the log */

void report_batches(struct node *n)
{
    struct coord_stats c = coord_stats(n->coord);
    char id[UUID_TEXT_SIZE];
    if (c.batches_damaged == n->batches_told)
        return;
    node_log(n, true,
             "%" PRIu64 " kept batches or stretches of them are damaged, the last one %s %s -> the "
             "other keeper writes what is in them; replace this node's data",
             c.batches_damaged - n->batches_told, c.damaged_behind ? "behind" : "is",
             uuid_text(&c.batch_damaged, id));
    n->batches_told = c.batches_damaged;
}

/* Looked for in each turn, whether a write waits or not: a range that is not loaded takes none any
 * more. Down to the others: reads and writes go past us, and no schema change waits for us. */
void report_failure(struct node *n)
{
    if (store_failure(n->store) == NULL || n->run == RUN_FAILED)
        return;
    n->run = RUN_FAILED;
    if (node_asks_for_mending(n)) { /* it is back in a moment */
        node_log(n, true, "the store has failed: %s -> nothing is acked any more",
                 store_failure(n->store));
        return;
    }
    node_log(n, true, "%s", store_failure_text(n));
    struct gossip_event leave = {.type = GOSSIP_LEAVE};
    node_gossip_event(n, &leave);
}

#define PINS_TOLD_AFTER (10 * 60 * USEC_PER_SEC)
#define PINS_TOLD_EVERY (60 * 60 * USEC_PER_SEC)

/* A replica that does not come back keeps deletions from being forgotten for as long. */
void report_pins(struct node *n)
{
    const struct cluster_node *nodes;
    if (n->now.mono < n->pins_next)
        return;
    n->pins_next = n->now.mono + PINS_TOLD_AFTER / 10;
    size_t count = cluster_nodes(n->cluster, &nodes);
    for (size_t i = 0; i < count; i++) {
        usec since = 0;
        size_t pins = heal_pinned_by(n->heal, nodes[i].node, &since);
        if (pins == 0 || n->now.mono - since < PINS_TOLD_AFTER)
            continue;
        node_log(n, true,
                 "node %u is down for %" PRId64 " min -> deletions in %zu ranges are kept until it "
                 "is back or replaced",
                 (unsigned)nodes[i].node, (n->now.mono - since) / (60 * USEC_PER_SEC), pins);
        n->pins_next = n->now.mono + PINS_TOLD_EVERY;
    }
}

struct actor node_actor(const struct node *n)
{
    return (struct actor){meta_self(n->meta), n->boot};
}

const struct uuid *node_host_id(const struct node *n)
{
    return &n->host_id;
}

struct heal *node_heal(struct node *n)
{
    return n->heal;
}

struct repair *node_repair(struct node *n)
{
    return n->repair;
}
