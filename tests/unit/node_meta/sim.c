#include "sim.h"

#include "base/mem.h"
#include "node/schema/ddl.h"

#include <stdio.h>
#include <string.h>

struct sim_event {
    usec at;
    uint64_t order;
    enum { SIM_DELIVER, SIM_DURABLE, SIM_UNREACHABLE } type;
    uint32_t node;
    uint32_t life; /* DURABLE, UNREACHABLE: of the node's life that asked */
    uint32_t from;
    uint64_t ticket;
    struct bytes bytes; /* owned */
};

static void drop(struct bytes b)
{
    mem_free((void *)(uintptr_t)b.data);
}

static struct bytes keep(struct bytes b)
{
    return b.len > 0 ? bytes_make(mem_copy(b.data, b.len), b.len) : BYTES_NONE;
}

static void note(struct sim *s, uint64_t what)
{
    s->hash = (s->hash ^ what) * 1099511628211u;
}

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct sim *s, struct sim_event e)
{
    e.order = s->order++;
    s->events = mem_grow(s->events, s->events_count, &s->events_cap, sizeof s->events[0]);
    size_t i = s->events_count++;
    for (; i > 0 && is_before(&e, &s->events[(i - 1) / 2]); i = (i - 1) / 2)
        s->events[i] = s->events[(i - 1) / 2];
    s->events[i] = e;
}

static struct sim_event pop(struct sim *s)
{
    struct sim_event top = s->events[0], last = s->events[--s->events_count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= s->events_count)
            break;
        if (child + 1 < s->events_count && is_before(&s->events[child + 1], &s->events[child]))
            child++;
        if (!is_before(&s->events[child], &last))
            break;
        s->events[i] = s->events[child];
        i = child;
    }
    s->events[i] = last;
    return top;
}

struct endpoint sim_endpoint(uint32_t i)
{
    return endpoint_v4(10, 0, 0, (uint8_t)i, 7000);
}

struct sim *sim_new(uint64_t seed, uint32_t nodes)
{
    struct sim *s = mem_new(struct sim);
    ASSERT(nodes <= SIM_NODES_MAX);
    rng_init(&s->rng, seed);
    s->now.wall = 1700000000 * USEC_PER_SEC;
    s->now.mono = USEC_PER_SEC;
    s->count = nodes;
    s->delay_min = 100;
    s->delay_max = 1000;
    s->disk_max = 2000;
    for (uint32_t i = 1; i <= nodes; i++) {
        struct meta_config *c = &s->nodes[i].config;
        omap_init(&s->nodes[i].disk);
        c->cluster_name = "Test Cluster";
        c->ranges = 64;
        c->self.host_id = rng_uuid(&s->rng);
        c->self.endpoint = sim_endpoint(i);
        c->self.cql = endpoint_v4(10, 0, 0, (uint8_t)i, 9042);
        c->self.weight = 16;
        snprintf(c->self.dc, sizeof c->self.dc, "dc1");
        snprintf(c->self.rack, sizeof c->self.rack, "r%u", (unsigned)(i % 3));
        c->seeds = s->nodes[i].seeds;
    }
    sim_seeds_first(s);
    return s;
}

static void forget_unsynced(struct sim_node *n)
{
    for (size_t i = 0; i < n->unsynced_count; i++) {
        drop(n->unsynced[i].name);
        drop(n->unsynced[i].value);
    }
    n->unsynced_count = 0;
}

void sim_free(struct sim *s)
{
    if (s == NULL)
        return;
    for (uint32_t i = 1; i <= s->count; i++) {
        meta_free(s->nodes[i].meta);
        omap_close(&s->nodes[i].disk);
        forget_unsynced(&s->nodes[i]);
        mem_free(s->nodes[i].unsynced);
    }
    for (size_t i = 0; i < s->events_count; i++)
        drop(s->events[i].bytes);
    mem_free(s->events);
    mem_free(s);
}

void sim_seeds_all(struct sim *s)
{
    for (uint32_t i = 1; i <= s->count; i++) {
        for (uint32_t j = 1; j <= s->count; j++)
            s->nodes[i].seeds[j - 1] = sim_endpoint(j);
        s->nodes[i].config.seeds_count = s->count;
    }
}

void sim_seeds_first(struct sim *s)
{
    for (uint32_t i = 1; i <= s->count; i++) {
        s->nodes[i].seeds[0] = sim_endpoint(1);
        s->nodes[i].config.seeds_count = 1;
    }
}

void sim_cut(struct sim *s, uint32_t a, uint32_t b, bool cut)
{
    s->cut[a][b] = s->cut[b][a] = cut;
}

static usec network_delay(struct sim *s)
{
    return rng_between(&s->rng, s->delay_min, s->delay_max);
}

static void deliver_later(struct sim *s, uint32_t from, uint32_t to, struct bytes bytes)
{
    push(s, (struct sim_event){.at = s->now.mono + network_delay(s),
                               .type = SIM_DELIVER,
                               .node = to,
                               .from = from,
                               .bytes = keep(bytes)});
}

static void perform_send(struct sim *s, uint32_t from, const struct meta_effect *e)
{
    struct buf b;
    uint32_t to = e->send.to.ip[15];
    if (to == 0 || to > s->count)
        return;
    s->sends++;
    if (s->nodes[to].meta == NULL && !s->cut[from][to]) {
        push(s, (struct sim_event){.at = s->now.mono + network_delay(s),
                                   .type = SIM_UNREACHABLE,
                                   .node = from,
                                   .life = s->nodes[from].life,
                                   .from = to});
        return;
    }
    if (s->cut[from][to] || rng_chance(&s->rng, s->lose))
        return;
    buf_init(&b, WIRE_MESSAGE_MAX);
    wire_encode(&e->send.message, &b);
    ASSERT(!b.failed);
    note(s, bytes_hash(buf_bytes(&b)));
    deliver_later(s, from, to, buf_bytes(&b));
    if (rng_chance(&s->rng, s->duplicate))
        deliver_later(s, from, to, buf_bytes(&b));
    buf_close(&b);
}

static void perform_store(struct sim *s, uint32_t i, const struct meta_effect *e)
{
    struct sim_node *n = &s->nodes[i];
    n->unsynced = mem_grow(n->unsynced, n->unsynced_count, &n->unsynced_cap, sizeof n->unsynced[0]);
    n->unsynced[n->unsynced_count++] =
        (struct sim_store){e->store.ticket, keep(e->store.name), keep(e->store.value)};
    if (n->disk_free < s->now.mono)
        n->disk_free = s->now.mono;
    n->disk_free += rng_between(&s->rng, 100, s->disk_max);
    push(s, (struct sim_event){.at = n->disk_free,
                               .type = SIM_DURABLE,
                               .node = i,
                               .life = n->life,
                               .ticket = e->store.ticket});
}

static void note_cluster(struct sim *s, const struct uuid *cluster)
{
    for (size_t i = 0; i < s->clusters_count; i++) {
        if (uuid_equal(&s->clusters[i], cluster))
            return;
    }
    if (s->clusters_count < ARRAY_LEN(s->clusters))
        s->clusters[s->clusters_count++] = *cluster;
}

static size_t generation_index(struct sim *s, uint64_t generation)
{
    size_t i = 0;
    while (i < s->generations_count && s->generations[i] != generation)
        i++;
    ASSERT(i < SIM_GENERATIONS_MAX);
    if (i == s->generations_count)
        s->generations[s->generations_count++] = generation;
    return i;
}

static void check_state(struct sim *s, uint32_t i)
{
    struct buf b;
    uint64_t slot = meta_epoch(s->nodes[i].meta);
    buf_init(&b, BUF_MAX_DEFAULT);
    meta_snapshot(s->nodes[i].meta, &b);
    uint64_t hash = bytes_hash(buf_bytes(&b));
    buf_close(&b);
    note_cluster(s, &meta_topology(s->nodes[i].meta)->cluster_id);
    if (slot >= SIM_SLOTS_MAX)
        return;
    uint64_t *oracle = s->oracle[generation_index(s, meta_topology(s->nodes[i].meta)->generation)];
    if (oracle[slot] == 0)
        oracle[slot] = hash;
    s->wrong += oracle[slot] != hash;
}

static void perform_done(struct sim *s, uint32_t i, const struct meta_effect *e)
{
    struct sim_node *n = &s->nodes[i];
    if (n->done_count == SIM_DONE_MAX)
        return;
    struct sim_done *d = &n->done[n->done_count++];
    d->request = e->done.request;
    d->err = e->done.err;
    d->slot = e->done.slot;
    d->at = s->now.mono;
    snprintf(d->message, sizeof d->message, "%s", e->done.message);
    if (e->done.request == n->finish_request && e->done.err != ERR_OK)
        n->finished = 0; /* once more */
}

static void step(struct sim *s, uint32_t i, struct meta_event *event);

/* Stands in for healing: there is nothing to pull, so it has been pulled. */
static void finish_move(struct sim *s, uint32_t i)
{
    struct sim_node *n = &s->nodes[i];
    const struct topology *t = meta_topology(n->meta);
    node_no self = meta_self(n->meta);
    struct buf b;
    if (s->pulling_takes || meta_phase(n->meta) != META_READY || self == 0 ||
        !topology_waits_for(t, self) || n->finished == t->ring_epoch)
        return;
    struct meta_event event = {.type = META_EVENT_PROPOSE};
    buf_init(&b, 256);
    command_step(self, t->ring_epoch, &b);
    n->finished = t->ring_epoch;
    n->finish_request = ++s->requests;
    event.propose.request = n->finish_request;
    event.propose.command = buf_bytes(&b);
    step(s, i, &event);
    buf_close(&b);
}

static void step(struct sim *s, uint32_t i, struct meta_event *event)
{
    struct sim_node *n = &s->nodes[i];
    event->now = s->now;
    struct meta_effects effects = meta_step(n->meta, event);
    bool applied = false;
    note(s, (uint64_t)s->now.mono << 8 | i);
    for (size_t k = 0; k < effects.count; k++) {
        const struct meta_effect *e = &effects.items[k];
        switch (e->type) {
        case META_EFFECT_SEND: perform_send(s, i, e); break;
        case META_EFFECT_STORE: perform_store(s, i, e); break;
        case META_EFFECT_APPLIED:
            applied = true;
            n->applied_events++;
            break;
        case META_EFFECT_DONE: perform_done(s, i, e); break;
        case META_EFFECT_PHASE:
            if (e->phase == META_READY)
                n->ready_at = s->now.mono;
            break;
        case META_EFFECT_PROBLEM: break;
        }
    }
    if (applied)
        check_state(s, i);
    meta_check(n->meta);
    finish_move(s, i);
}

void sim_start(struct sim *s, uint32_t i)
{
    struct sim_node *n = &s->nodes[i];
    struct errmsg why = {""};
    struct meta_fact *facts = mem_alloc((omap_count(&n->disk) + 1) * sizeof facts[0]);
    struct meta_event event = {.type = META_EVENT_START};
    size_t count = 0;
    ASSERT(n->meta == NULL);
    for (struct omap_node *at = omap_first(&n->disk); at != NULL; at = omap_next(at))
        facts[count++] = (struct meta_fact){omap_key(at), omap_value(at)};
    n->config.seed = rng_next(&s->rng);
    n->life++;
    n->ready_at = -1;
    n->disk_free = s->now.mono;
    enum err err = meta_new(&n->config, facts, count, &why, &n->meta);
    mem_free(facts);
    if (err != ERR_OK) {
        printf("node %u does not start: %s\n", (unsigned)i, why.text);
        ASSERT(err == ERR_OK);
    }
    step(s, i, &event);
}

static void sync_until(struct sim_node *n, uint64_t ticket)
{
    size_t done = 0;
    for (; done < n->unsynced_count && n->unsynced[done].ticket <= ticket; done++) {
        struct sim_store *u = &n->unsynced[done];
        if (u->value.len > 0)
            (void)omap_put(&n->disk, u->name, u->value);
        else
            (void)omap_remove(&n->disk, u->name);
        drop(u->name);
        drop(u->value);
    }
    n->unsynced_count -= done;
    memmove(n->unsynced, n->unsynced + done, n->unsynced_count * sizeof n->unsynced[0]);
}

void sim_crash(struct sim *s, uint32_t i)
{
    struct sim_node *n = &s->nodes[i];
    ASSERT(n->meta != NULL);
    if (n->unsynced_count > 0)
        sync_until(n, n->unsynced[0].ticket - 1 + rng_below(&s->rng, n->unsynced_count + 1));
    forget_unsynced(n);
    meta_free(n->meta);
    n->meta = NULL;
    n->life++;
    n->finished = 0; /* it asks again: what it asked for may be lost */
    n->finish_request = 0;
}

void sim_wipe(struct sim *s, uint32_t i)
{
    ASSERT(s->nodes[i].meta == NULL);
    omap_clear(&s->nodes[i].disk);
    s->nodes[i].config.self.host_id = rng_uuid(&s->rng);
}

void sim_tell(struct sim *s, uint32_t i, node_no node, bool alive)
{
    struct meta_event event = {.type = META_EVENT_LIVENESS, .liveness = {node, alive}};
    if (s->nodes[i].meta != NULL)
        step(s, i, &event);
}

static void happen(struct sim *s, struct sim_event *e)
{
    struct sim_node *n = &s->nodes[e->node];
    struct meta_event event = {.type = META_EVENT_MESSAGE};
    struct wire_message w;
    if (n->meta == NULL || (e->type != SIM_DELIVER && e->life != n->life))
        return;
    switch (e->type) {
    case SIM_DELIVER:
        ASSERT(wire_decode(e->bytes, &w) == ERR_OK);
        event.message.from = sim_endpoint(e->from);
        event.message.message = &w;
        break;
    case SIM_DURABLE:
        sync_until(n, e->ticket);
        event.type = META_EVENT_DURABLE;
        event.ticket = e->ticket;
        break;
    case SIM_UNREACHABLE:
        event.type = META_EVENT_UNREACHABLE;
        event.unreachable = sim_endpoint(e->from);
        break;
    }
    step(s, e->node, &event);
}

/* The node whose deadline is next, or 0. */
static uint32_t next_deadline(struct sim *s, usec *ret_at)
{
    uint32_t found = 0;
    *ret_at = USEC_NEVER;
    for (uint32_t i = 1; i <= s->count; i++) {
        usec at = s->nodes[i].meta != NULL ? meta_deadline(s->nodes[i].meta) : USEC_NEVER;
        if (at < *ret_at) {
            *ret_at = at;
            found = i;
        }
    }
    return found;
}

static void advance(struct sim *s, usec to)
{
    if (to > s->now.mono) {
        s->now.wall += to - s->now.mono;
        s->now.mono = to;
    }
}

/* One event or deadline not later than `end`; false when there is none. */
static bool turn(struct sim *s, usec end)
{
    usec due;
    uint32_t node = next_deadline(s, &due);
    if (s->events_count > 0 && s->events[0].at <= end && s->events[0].at <= due) {
        struct sim_event e = pop(s);
        advance(s, e.at);
        happen(s, &e);
        drop(e.bytes);
        return true;
    }
    if (node != 0 && due <= end) {
        struct meta_event event = {.type = META_EVENT_DEADLINE};
        advance(s, due);
        step(s, node, &event);
        ASSERT(meta_deadline(s->nodes[node].meta) > s->now.mono);
        return true;
    }
    return false;
}

void sim_run(struct sim *s, usec us)
{
    usec end = s->now.mono + us;
    while (turn(s, end))
        ;
    advance(s, end);
}

bool sim_run_until(struct sim *s, bool (*until)(struct sim *s), usec us_max)
{
    usec end = s->now.mono + us_max;
    while (!until(s)) {
        if (!turn(s, end))
            return false;
    }
    return true;
}

bool sim_all_ready(struct sim *s)
{
    uint64_t epoch = 0;
    for (uint32_t i = 1; i <= s->count; i++) {
        const struct meta *m = s->nodes[i].meta;
        if (m == NULL)
            continue;
        if (meta_phase(m) != META_READY || (epoch != 0 && meta_epoch(m) != epoch))
            return false;
        epoch = meta_epoch(m);
        if (!s->pulling_takes && topology_is_moving(meta_topology(m)))
            return false;
    }
    return true;
}

uint64_t sim_propose(struct sim *s, uint32_t i, struct bytes command)
{
    struct meta_event event = {.type = META_EVENT_PROPOSE};
    event.propose.request = ++s->requests;
    event.propose.command = command;
    step(s, i, &event);
    return event.propose.request;
}

static uint64_t propose_ddl(struct sim *s, uint32_t i, const struct ddl *ddl)
{
    struct buf bytes, command;
    buf_init(&bytes, BUF_MAX_DEFAULT);
    buf_init(&command, BUF_MAX_DEFAULT);
    ddl_encode(ddl, &bytes);
    command_ddl(buf_bytes(&bytes), &command);
    uint64_t request = sim_propose(s, i, buf_bytes(&command));
    buf_close(&bytes);
    buf_close(&command);
    return request;
}

uint64_t sim_create(struct sim *s, uint32_t i, const char *table)
{
    const struct ddl_column columns[] = {{.name = "k", .type = "int"},
                                         {.name = "v", .type = "int"}};
    const char *key[] = {"k"};
    struct ddl ddl = {.kind = DDL_CREATE_TABLE,
                      .keyspace = "ks",
                      .table = table,
                      .table_id = rng_uuid(&s->rng),
                      .columns = columns,
                      .column_count = 2,
                      .partition_key = key,
                      .partition_key_count = 1,
                      .primary_key_clauses = 1};
    return propose_ddl(s, i, &ddl);
}

uint64_t sim_create_keyspace(struct sim *s, uint32_t i)
{
    const struct option_pair pairs[] = {{"class", "SimpleStrategy"}, {"replication_factor", "2"}};
    const struct ddl_option options[] = {{.name = "replication", .pairs = pairs, .pair_count = 2}};
    struct ddl ddl = {
        .kind = DDL_CREATE_KEYSPACE, .keyspace = "ks", .options = options, .option_count = 1};
    return propose_ddl(s, i, &ddl);
}

const struct sim_done *sim_answer(struct sim *s, uint32_t i, uint64_t request)
{
    for (size_t k = 0; k < s->nodes[i].done_count; k++) {
        if (s->nodes[i].done[k].request == request)
            return &s->nodes[i].done[k];
    }
    return NULL;
}

const struct sim_done *sim_wait(struct sim *s, uint32_t i, uint64_t request)
{
    usec end = s->now.mono + 30 * USEC_PER_SEC;
    while (sim_answer(s, i, request) == NULL && turn(s, end))
        ;
    return sim_answer(s, i, request);
}

enum err sim_recover(struct sim *s, uint32_t i, const uint32_t *lost, size_t count)
{
    struct uuid hosts[SIM_NODES_MAX];
    struct errmsg why;
    for (size_t k = 0; k < count; k++)
        hosts[k] = s->nodes[lost[k]].config.self.host_id;
    return meta_recover(s->nodes[i].meta, hosts, count, &why);
}

enum meta_recovery_state sim_recovered(struct sim *s, uint32_t i)
{
    usec end = s->now.mono + 30 * USEC_PER_SEC;
    enum meta_recovery_state state = META_RECOVERY_ASKING;
    while ((state == META_RECOVERY_ASKING || state == META_RECOVERY_DECIDING) && turn(s, end))
        state = meta_recovery(s->nodes[i].meta).state;
    return state;
}

bool sim_agree(struct sim *s)
{
    return s->wrong == 0;
}
