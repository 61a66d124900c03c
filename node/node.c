#include "node/node_core.h"
#include "node/node_trace.h"

#include "base/mutant.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FACT_HOST_ID "n/host_id"

struct node_effect *node_append(struct node *n, enum node_effect_type type)
{
    n->effects = mem_grow(n->effects, n->effects_count, &n->effects_cap, sizeof *n->effects);
    struct node_effect *e = &n->effects[n->effects_count++];
    memset(e, 0, sizeof *e);
    e->type = type;
    return e;
}

struct todo *node_todo(struct node *n, enum todo_type type)
{
    n->todos = mem_grow(n->todos, n->todos_count, &n->todos_cap, sizeof *n->todos);
    struct todo *t = &n->todos[n->todos_count++];
    memset(t, 0, sizeof *t);
    t->type = type;
    return t;
}

void node_log(struct node *n, bool warning, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct node_effect *e = node_append(n, NODE_LOG);
    e->warning = warning;
    e->text = arena_text(&n->arena, bytes_text(text));
    trace(n->config.tracer, n->now, "%s", text);
}

/* --- making */

/* Who we are, for ever (host id) and this time (boot), from the facts of the store. */
static enum err load_identity(struct node *n, struct errmsg *reterr)
{
    struct buf value;
    buf_init(&value, 64);
    enum err err = engine_fact_get(n->engine, BYTES_LIT(FACT_HOST_ID), &value);
    if (err == ERR_NOT_FOUND) {
        n->host_id = rng_uuid(&n->rng);
        engine_fact_put(n->engine, BYTES_LIT(FACT_HOST_ID),
                        bytes_make(n->host_id.b, sizeof n->host_id.b), 0);
    } else if (err == ERR_OK && value.len == sizeof n->host_id.b) {
        memcpy(n->host_id.b, value.data, sizeof n->host_id.b);
    } else {
        buf_close(&value);
        return errmsg_set(reterr, ERR_CORRUPT, "the node's own host id cannot be read: %s",
                          err_text(err));
    }
    buf_clear(&value);
    err = engine_fact_get(n->engine, BYTES_LIT(FACT_BOOT), &value);
    if (err == ERR_OK && value.len == 4)
        n->boot = load_u32(value.data);
    else if (err != ERR_NOT_FOUND)
        err = errmsg_set(reterr, ERR_CORRUPT, "the node's boot number cannot be read: %s",
                         err_text(err));
    buf_close(&value);
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    if (!MUTANT(boot_reused) || n->boot == 0)
        n->boot++;
    return ERR_OK;
}

static enum err make_meta(struct node *n, struct errmsg *reterr)
{
    struct arena arena = {0};
    struct meta_fact *facts;
    size_t count;
    struct meta_config config = {
        .seed = rng_next(&n->rng),
        .cluster_name = n->config.cluster_name,
        .ranges = n->config.ring_ranges,
        .seeds = n->config.seeds,
        .seeds_count = n->config.seeds_count,
        .replaces = n->config.replaces,
        .away_us = n->config.away_us,
    };
    config.self.host_id = n->host_id;
    config.self.endpoint = n->config.endpoint;
    config.self.cql = n->config.cql;
    config.self.weight = n->config.weight;
    config.self.boot = n->boot;
    snprintf(config.self.dc, sizeof config.self.dc, "%s", n->config.dc);
    snprintf(config.self.rack, sizeof config.self.rack, "%s", n->config.rack);
    enum err err = meta_load_facts(n, &arena, &facts, &count);
    if (err != ERR_OK)
        errmsg_set(reterr, err, "read the metadata log: %s", err_text(err));
    else
        err = meta_new(&config, facts, count, reterr, &n->meta);
    arena_close(&arena);
    return err;
}

static void copy_config(struct node *n, const struct node_config *config)
{
    n->config = *config;
    n->config.cluster_name = mem_text(config->cluster_name);
    n->config.dc = mem_text(config->dc);
    n->config.rack = mem_text(config->rack);
}

enum err node_new(const struct node_config *config, struct store *store, struct node **ret_node,
                  struct errmsg *reterr)
{
    struct node *n = mem_new(struct node);
    copy_config(n, config);
    rng_init(&n->rng, config->seed);
    map_init(&n->clients);
    buf_init(&n->place, BUF_MAX_DEFAULT);
    n->store = store;
    n->finish_retry = n->role_retry = USEC_NEVER;
    report_init(n);
    struct engine_config engine = {.seed = rng_next(&n->rng), .ring_ranges = config->ring_ranges};
    healing_storage(config, &engine);
    enum err err = engine_new(store, &engine, &n->engine, reterr);
    if (err == ERR_OK)
        err = load_identity(n, reterr);
    if (err == ERR_OK)
        err = make_meta(n, reterr);
    if (err != ERR_OK) {
        node_free(n);
        return err;
    }
    n->cluster = cluster_new();
    struct coord_config coord = {.seed = rng_next(&n->rng),
                                 .in_flight_max = config->in_flight_max,
                                 .counter_window_us = config->counter_window_us,
                                 .unsynced = config->unsynced,
                                 .sync_us = config->sync_us,
                                 .no_hints = config->no_hints,
                                 .hints_size_max = config->hints_size_max,
                                 .hints_window_us = config->hints_window_us,
                                 .hints_rate = config->hints_rate,
                                 .write_timeout_us = config->write_timeout_us,
                                 .clock_offset_max_us = config->clock_offset_max_us,
                                 .stopwatch = config->stopwatch};
    n->coord = coord_new(&coord, n->engine, n->cluster);
    trace_open(n);
    healing_init(n, config);
    client_init(n);
    *ret_node = n;
    return ERR_OK;
}

void node_free(struct node *n)
{
    if (n == NULL)
        return;
    client_free_all(n);
    healing_free(n);
    coord_free(n->coord);
    gossip_free(n->gossip);
    schema_unref(n->schema);
    meta_free(n->meta);
    cluster_free(n->cluster);
    engine_free(n->engine);
    map_close(&n->clients);
    metrics_close(&n->metrics);
    buf_close(&n->place);
    arena_close(&n->arena);
    mem_free(n->effects);
    mem_free(n->todos);
    mem_free(n->peers);
    mem_free(n->drops);
    mem_free(n->indexes);
    mem_free((char *)n->config.cluster_name);
    mem_free((char *)n->config.dc);
    mem_free((char *)n->config.rack);
    mem_free(n);
}

/* --- what cores say */

static void meta_effect(struct node *n, const struct meta_effect *e)
{
    struct todo *t;
    struct wire_message m;
    struct buf name;
    switch (e->type) {
    case META_EFFECT_SEND:
        /* Nobody is asked to let us in, which is for good, before our disk has who we are. */
        if (e->send.message.type == WIRE_META_PROPOSE && !n->boot_durable &&
            !MUTANT(enter_unstored))
            return; /* it will be asked again */
        m = e->send.message;
        peer_send(n, &e->send.to, &m);
        return;
    case META_EFFECT_STORE:
        buf_init(&name, 4096);
        buf_put_text(&name, "m/");
        buf_put_bytes(&name, e->store.name);
        uint64_t ticket = e->store.ticket != 0 ? META_TICKET | e->store.ticket : 0;
        if (e->store.value.len == 0)
            engine_fact_delete(n->engine, buf_bytes(&name), ticket);
        else
            engine_fact_put(n->engine, buf_bytes(&name), e->store.value, ticket);
        buf_close(&name);
        return;
    case META_EFFECT_APPLIED:
        t = node_todo(n, TODO_META_APPLIED);
        t->changes = e->applied.changes;
        n->applied[e->applied.slot % APPLIED_KEPT].slot = e->applied.slot;
        n->applied[e->applied.slot % APPLIED_KEPT].changes = e->applied.changes;
        return;
    case META_EFFECT_DONE:
        t = node_todo(n, TODO_META_DONE);
        t->request = e->done.request;
        t->err = e->done.err;
        t->slot = e->done.slot;
        t->text = arena_text(&n->arena, bytes_text(e->done.message));
        return;
    case META_EFFECT_PHASE: node_todo(n, TODO_META_PHASE); return;
    case META_EFFECT_PROBLEM:
        if (e->problem[0] != 0)
            node_log(n, true, "%s", e->problem);
        return;
    }
}

void node_meta_event(struct node *n, struct meta_event *event)
{
    event->now = n->now;
    struct meta_effects effects = meta_step(n->meta, event);
    for (size_t i = 0; i < effects.count; i++)
        meta_effect(n, &effects.items[i]);
}

void node_gossip_event(struct node *n, struct gossip_event *event)
{
    if (n->gossip == NULL)
        return;
    event->now = n->now;
    struct gossip_effects effects = gossip_step(n->gossip, event);
    peer_gossip_effects(n, &effects);
}

static void tell_gossip(struct node *n)
{
    struct gossip_app app = {
        .epoch = meta_epoch(n->meta), .node_no = meta_self(n->meta), .load = n->load};
    app.phase = n->run == RUN_READY      ? GOSSIP_NORMAL
                : n->run == RUN_DRAINING ? GOSSIP_LEAVING
                                         : GOSSIP_STARTING;
    enum err err = n->gossip != NULL ? gossip_set_app(n->gossip, &app) : ERR_OK;
    ASSERT(err == ERR_OK);
}

void node_set_load(struct node *n, uint64_t bytes)
{
    n->load = bytes;
    tell_gossip(n);
}

void node_check_ready(struct node *n)
{
    if (n->run != RUN_STARTING || meta_phase(n->meta) != META_READY || !meta_life_is_new(n) ||
        !n->boot_durable || cluster_self(n->cluster) == 0)
        return;
    n->run = RUN_READY;
    meta_life_begins(n);
    coord_begin(n->coord, n->now);
    heal_begin(n->heal, n->now);
    repair_begin(n->repair, n->now);
    node_log(n, false, "node %u is ready -> serving clients", (unsigned)meta_self(n->meta));
    n->role_retry = n->config.default_role ? n->now.mono : USEC_NEVER;
    node_append(n, NODE_READY_NOW);
    tell_gossip(n);
}

/* What the entry changed; more than can be known after a long time: anything. */
static uint32_t changes_of(const struct node *n, uint64_t slot)
{
    if (n->applied[slot % APPLIED_KEPT].slot != slot)
        return META_CHANGED_SCHEMA;
    return n->applied[slot % APPLIED_KEPT].changes;
}

static void do_todo(struct node *n, const struct todo *t)
{
    switch (t->type) {
    case TODO_META_APPLIED:
        meta_applied(n, t->changes);
        peer_find_replaced(n);
        metadata_applied(n);
        meta_watch_move(n);
        tell_gossip(n);
        break;
    case TODO_META_DONE:
        if (t->request == n->finish_request)
            meta_finish_answered(n, t->err, t->text);
        else
            client_meta_done(n, t->request, t->err, changes_of(n, t->slot), t->text);
        break;
    case TODO_META_PHASE:
        if (meta_phase(n->meta) == META_REMOVED || meta_phase(n->meta) == META_OUTDATED)
            metadata_retire(n);
        meta_caught_up(n);
        node_check_ready(n);
        break;
    case TODO_MESSAGE: peer_receive(n, &n->config.endpoint, t->bytes); break;
    }
}

static bool take_coord(struct node *n)
{
    const struct coord_effect *effects;
    size_t count = coord_effects(n->coord, &effects);
    for (size_t i = 0; i < count; i++) {
        /* The list may grow and move while it is performed: a finished read starts another. */
        struct coord_effect e = effects[i];
        if (e.type == COORD_SEND)
            peer_send_node(n, e.send.to, &e.send.message);
        else if (e.type == COORD_DONE)
            client_coord_done(n, e.done.op, e.done.result);
        else if (e.type == COORD_FETCH)
            heal_fetch(n->heal, n->now, e.fetch.id, e.fetch.keyspace, e.fetch.range,
                       e.fetch.wanted);
        else
            meta_taken_over(n, MOVED_REGISTERS, e.ring_epoch);
        count = coord_effects(n->coord, &effects);
    }
    if (count > 0)
        coord_clear(n->coord);
    return count > 0;
}

static bool take_heal(struct node *n)
{
    const struct heal_effect *e;
    size_t count = heal_effects(n->heal, &e);
    for (size_t i = 0; i < count; i++, e++)
        if (e->type == HEAL_SEND)
            peer_send_node(n, e->send.to, &e->send.message);
        else if (e->type == HEAL_NEW_LIFE)
            meta_new_life(n);
        else if (e->type == HEAL_FETCHED)
            coord_fetched(n->coord, n->now, e->fetched.id, e->fetched.complete);
        else if (e->type == HEAL_MOVED)
            meta_taken_over(n, MOVED_ROWS, e->ring_epoch);
        else if (e->type == HEAL_COMPARED || e->type == HEAL_COMPARED_ALL)
            runs_compared(n, e);
        else
            report_different(n, e);
    heal_clear(n->heal);
    return count > 0;
}

/* Let everybody hear what the others have said, until nobody says anything. */
static void settle(struct node *n)
{
    bool more = true;
    while (more) {
        more = take_coord(n);
        more |= take_heal(n);
        more |= runs_take(n);
        more |= client_take(n);
        while (n->todos_at < n->todos_count) {
            struct todo t = n->todos[n->todos_at++];
            do_todo(n, &t);
            more = true;
        }
    }
    n->todos_count = 0;
    n->todos_at = 0;
}

/* --- events */

static void start(struct node *n)
{
    struct endpoint seeds[GOSSIP_SEEDS_MAX];
    size_t count = 0;
    const struct topology *t = meta_topology(n->meta);
    struct gossip_config config = {.cluster = n->config.cluster_name,
                                   .probe_interval_us = n->config.probe_interval_us,
                                   .probe_timeout_us = n->config.probe_timeout_us,
                                   .gossip_interval_us = n->config.gossip_interval_us,
                                   .push_pull_interval_us = n->config.push_pull_interval_us,
                                   .suspicion_mult = n->config.suspicion_mult};
    struct gossip_self self = {.host_id = n->host_id,
                               .addr = n->config.endpoint,
                               .cql = n->config.cql,
                               .http_port = n->config.http_port,
                               .release = TORC_VERSION,
                               .generation = n->boot};
    snprintf(self.dc, sizeof self.dc, "%.47s", n->config.dc);
    snprintf(self.rack, sizeof self.rack, "%.47s", n->config.rack);
    clock_start(n);
    meta_store_boot(n);
    n->gossip = gossip_new(&config, &self, rng_next(&n->rng), n->now, n->config.tracer);
    if (meta_epoch(n->meta) > 0)
        meta_applied(n, META_CHANGED_NODES | META_CHANGED_RING | META_CHANGED_SCHEMA);
    meta_load_drops(n);
    struct meta_event meta_start = {.type = META_EVENT_START};
    node_meta_event(n, &meta_start);
    peer_find_replaced(n);
    for (size_t i = 0; i < n->config.seeds_count && count < GOSSIP_SEEDS_MAX; i++)
        seeds[count++] = n->config.seeds[i];
    for (size_t i = 0; i < t->count && count < GOSSIP_SEEDS_MAX; i++) {
        if (t->nodes[i].state != NODE_LEFT)
            seeds[count++] = t->nodes[i].info.endpoint;
    }
    struct gossip_event join = {.type = GOSSIP_JOIN, .seeds = seeds, .seed_count = count};
    node_gossip_event(n, &join);
}

static void store_done(struct node *n, const struct store_done *done)
{
    struct meta_event event = {.type = META_EVENT_DURABLE};
    report_failure(n);
    switch (TICKET_OWNER(done->ticket)) {
    case COORD_TICKET: coord_durable(n->coord, n->now, done->ticket, done->err); break;
    case HEAL_TICKET:
        heal_durable(n->heal, n->now, done->ticket, done->err);
        coord_caught_up(n->coord, n->now);
        break;
    case REPAIR_TICKET: repair_durable(n->repair, done->ticket, done->err); break;
    case META_TICKET:
        event.ticket = TICKET_NUMBER(done->ticket);
        if (done->err == ERR_OK)
            node_meta_event(n, &event);
        break;
    case NODE_TICKET:
        n->boot_durable = done->err == ERR_OK && TICKET_NUMBER(done->ticket) == n->boot;
        meta_life_begins(n);
        node_check_ready(n);
        break;
    }
}

static void take_store(struct node *n)
{
    struct store_done done;
    while (store_completed(n->store, &done)) {
        store_done(n, &done);
        settle(n);
    }
}

static void deadlines(struct node *n)
{
    usec now = n->now.mono;
    if (meta_deadline(n->meta) <= now) {
        struct meta_event event = {.type = META_EVENT_DEADLINE};
        node_meta_event(n, &event);
    }
    if (n->gossip != NULL && gossip_deadline(n->gossip) <= now) {
        struct gossip_event event = {.type = GOSSIP_DEADLINE};
        node_gossip_event(n, &event);
    }
    if (coord_next_deadline(n->coord) <= now)
        coord_deadline(n->coord, n->now);
    if (heal_next_deadline(n->heal) <= now) {
        heal_set_busy(n->heal, coord_pending(n->coord) > BUSY_AT);
        heal_set_clock(n->heal, clock_latest(n), clock_problem(n) != NULL);
        heal_deadline(n->heal, n->now);
        report_pins(n);
    }
    runs_deadline(n);
    if (tracing_next(coord_tracing(n->coord)) <= now)
        trace_due(n);
    if (n->finish_retry <= now)
        meta_finish_again(n);
    if (n->role_retry <= now)
        auth_setup(n);
    meta_drop_some(n);
    meta_build_some(n);
}

static void drain(struct node *n)
{
    if (n->run == RUN_READY)
        n->run = RUN_DRAINING;
    struct gossip_event leave = {.type = GOSSIP_LEAVE};
    node_gossip_event(n, &leave);
    n->draining = true;
}

static void check_drained(struct node *n)
{
    if (!n->draining || n->drained || client_any_running(n) ||
        (n->gossip != NULL && !gossip_has_left(n->gossip)))
        return;
    n->drained = true;
    engine_save_clocks(n->engine); /* so that the next start has no log to read */
    node_append(n, NODE_DRAINED);
}

struct node_effects node_step(struct node *n, const struct node_event *event)
{
    n->now = event->now;
    n->effects_count = 0;
    arena_reset(&n->arena);
    switch (event->type) {
    case NODE_START:
        n->started = event->now.mono;
        report_lost_accounts(n);
        start(n);
        break;
    case NODE_DEADLINE: deadlines(n); break;
    case NODE_STORE: break;
    case NODE_MESSAGE:
        peer_link(n, &event->from, true);
        peer_receive(n, &event->from, event->bytes);
        break;
    case NODE_DATAGRAM: {
        struct gossip_event datagram = {
            .type = GOSSIP_DATAGRAM, .from = event->from, .bytes = event->bytes};
        peer_link(n, &event->from, true);
        node_gossip_event(n, &datagram);
        break;
    }
    case NODE_LINK_DOWN: peer_link(n, &event->from, false); break;
    case NODE_CLIENT_OPEN: client_open(n, event->client, &event->from); break;
    case NODE_CLIENT_BYTES: client_bytes(n, event->client, event->bytes); break;
    case NODE_CLIENT_CLOSED: client_closed(n, event->client); break;
    case NODE_DRAIN: drain(n); break;
    case NODE_PASSWORD_DONE: auth_password_done(n, event); break;
    }
    report_failure(n);
    settle(n);
    take_store(n);
    report_damage(n);
    report_lost_hints(n);
    node_place_look(n);
    check_drained(n);
    return (struct node_effects){n->effects, n->effects_count};
}

usec node_deadline(const struct node *n)
{
    usec next = meta_deadline(n->meta);
    usec others[] = {n->gossip != NULL ? gossip_deadline(n->gossip) : USEC_NEVER,
                     coord_next_deadline(n->coord),
                     heal_next_deadline(n->heal),
                     runs_due(n),
                     tracing_next(coord_tracing(n->coord)),
                     n->finish_retry,
                     n->role_retry,
                     n->drops_count > 0 || n->building ? n->now.mono : USEC_NEVER};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (others[i] < next)
            next = others[i];
    }
    return next;
}

/* --- looking in */

bool node_is_ready(const struct node *n)
{
    return n->run == RUN_READY;
}

const char *node_phase(const struct node *n)
{
    switch (n->run) {
    case RUN_READY: return "ready";
    case RUN_DRAINING: return "draining";
    case RUN_FAILED: return "the store has failed";
    case RUN_OUT: return meta_phase_text(meta_phase(n->meta));
    case RUN_STARTING: break;
    }
    return n->boot_durable ? meta_phase_text(meta_phase(n->meta)) : "opening the store";
}

struct engine *node_engine(struct node *n)
{
    return n->engine;
}

struct cluster *node_cluster(struct node *n)
{
    return n->cluster;
}

const struct meta *node_meta(const struct node *n)
{
    return n->meta;
}

const struct gossip *node_gossip(const struct node *n)
{
    return n->gossip;
}
