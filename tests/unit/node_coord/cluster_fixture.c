#include "unit/node_coord/cluster_fixture.h"

#include "base/mem.h"
#include "ring/murmur3.h"
#include "ring/plan.h"

#include <stdio.h>
#include <string.h>

#define RANGES 16

struct fixture_node *fixture_at(struct fixture *f, node_no node)
{
    return &f->node[node - 1];
}

static void open_node(struct fixture *f, node_no no, const struct cluster_node *nodes,
                      const struct ring *ring)
{
    struct fixture_node *n = fixture_at(f, no);
    struct engine_config engine = {.seed = no, .ring_ranges = RANGES};
    struct coord_config coord = {.seed = no,
                                 .in_flight_max = 1 << 20,
                                 .counter_window_us = FIXTURE_WINDOW,
                                 .hints_size_max = FIXTURE_HINTS,
                                 .hints_window_us = FIXTURE_HINTS_WINDOW,
                                 .clock_offset_max_us = FIXTURE_OFFSET};
    struct strategy strategy = {.type = STRATEGY_SIMPLE, .rf = f->copies};
    struct errmsg why;
    n->store = store_mem_new();
    enum err err = engine_new(n->store, &engine, &n->engine, &why);
    ASSERT(err == ERR_OK);
    n->cluster = cluster_new();
    cluster_set_nodes(n->cluster, no, nodes, FIXTURE_NODES, ring, 1);
    cluster_set_keyspace(n->cluster, KEYSPACE, &strategy);
    n->coord = coord_new(&coord, n->engine, n->cluster);
    coord_set_actor(n->coord, (struct actor){no, 1});
}

void fixture_restart(struct fixture *f, node_no node)
{
    struct fixture_node *n = fixture_at(f, node);
    struct coord_config coord = {.seed = node + 100,
                                 .in_flight_max = 1 << 20,
                                 .clock_offset_max_us = FIXTURE_OFFSET,
                                 .hints_size_max = FIXTURE_HINTS,
                                 .hints_window_us = FIXTURE_HINTS_WINDOW};
    coord_free(n->coord);
    n->coord = coord_new(&coord, n->engine, n->cluster);
    coord_set_actor(n->coord, (struct actor){node, 2});
    coord_begin(n->coord, f->now);
}

void fixture_open(struct fixture *f)
{
    fixture_open_copies(f, 3);
}

void fixture_open_copies(struct fixture *f, uint32_t copies)
{
    struct cluster_node nodes[FIXTURE_NODES] = {{0}};
    struct ring_node members[FIXTURE_NODES] = {{0}};
    struct ring *ring;
    memset(f, 0, sizeof *f);
    f->copies = copies;
    f->now = (struct now){USEC_PER_SEC, 1700000000 * USEC_PER_SEC};
    for (node_no i = 0; i < FIXTURE_NODES; i++) {
        nodes[i].node = members[i].node = i + 1;
        members[i].weight = 1;
        strcpy(nodes[i].dc, "dc1");
        strcpy(members[i].dc, "dc1");
        strcpy(members[i].rack, "r1");
        nodes[i].alive = true;
    }
    enum err err = ring_plan_fresh(RANGES, members, FIXTURE_NODES, &ring);
    ASSERT(err == ERR_OK);
    for (node_no i = 1; i <= FIXTURE_NODES; i++)
        open_node(f, i, nodes, ring);
    ring_free(ring);
}

void fixture_close(struct fixture *f)
{
    for (node_no i = 1; i <= FIXTURE_NODES; i++) {
        struct fixture_node *n = fixture_at(f, i);
        coord_free(n->coord);
        cluster_free(n->cluster);
        engine_free(n->engine);
        store_close(n->store);
    }
    for (size_t i = 0; i < ARRAY_LEN(f->queue); i++)
        buf_close(&f->queue[i]);
    arena_close(&f->arena);
}

static void keep_result(struct fixture *f, const struct coord_result *r)
{
    struct buf bytes;
    f->result = *r;
    buf_init(&bytes, BUF_MAX_DEFAULT);
    scan_result_encode(&r->rows, &bytes);
    enum err err =
        scan_result_decode(arena_copy(&f->arena, buf_bytes(&bytes)), &f->arena, &f->result.rows);
    ASSERT(err == ERR_OK);
    buf_close(&bytes);
    f->result.receipt = arena_copy(&f->arena, r->receipt);
    f->told = (struct seen){0};
    if (r->seen != NULL)
        seen_merge(&f->told, &f->arena, r->seen);
}

static bool perform(struct fixture *f, node_no no)
{
    const struct coord_effect *effects;
    size_t count = coord_effects(fixture_at(f, no)->coord, &effects);
    for (size_t i = 0; i < count; i++) {
        if (effects[i].type == COORD_DONE) {
            f->done = effects[i].done.op;
            keep_result(f, effects[i].done.result);
            continue;
        }
        if (effects[i].type == COORD_FETCH) {
            f->fetch = effects[i].fetch.id;
            f->fetch_by = no;
            continue;
        }
        struct wire_message m = effects[i].send.message;
        if (no == f->mute && m.type != WIRE_CAS_ACCEPT)
            continue;
        size_t slot = f->queued++ % ARRAY_LEN(f->queue);
        m.from = no;
        m.epoch = cluster_epoch(fixture_at(f, no)->cluster);
        f->writes_sent += m.type == WIRE_WRITE;
        buf_close(&f->queue[slot]);
        buf_init(&f->queue[slot], WIRE_MESSAGE_MAX);
        wire_encode(&m, &f->queue[slot]);
        f->route[slot].from = no;
        f->route[slot].to = effects[i].send.to;
    }
    coord_clear(fixture_at(f, no)->coord);
    return count > 0;
}

static void hand_over(struct fixture *f, size_t slot)
{
    struct wire_message m;
    struct fixture_node *to = fixture_at(f, f->route[slot].to);
    enum err err = wire_decode(buf_bytes(&f->queue[slot]), &m);
    ASSERT(err == ERR_OK);
    if (!to->down && !fixture_at(f, f->route[slot].from)->down)
        ASSERT(coord_receive(to->coord, f->now, m.from, &m));
}

static bool deliver(struct fixture *f)
{
    if (f->taken == f->queued)
        return false;
    size_t slot = f->taken++ % ARRAY_LEN(f->queue);
    struct wire_message m;
    bool far = f->slow_to == 0 || (f->slow_to >> f->route[slot].to & 1) != 0;
    if (f->route[slot].from == f->slow && far &&
        wire_decode(buf_bytes(&f->queue[slot]), &m) == ERR_OK && m.type == WIRE_WRITE) {
        ASSERT(f->kept_count < ARRAY_LEN(f->kept));
        f->kept[f->kept_count++] = slot;
    } else {
        hand_over(f, slot);
    }
    return true;
}

static bool sync_disk(struct fixture *f, struct fixture_node *n)
{
    struct store_done done;
    bool any = false;
    store_flush(n->store);
    if (n->frozen)
        return false;
    store_mem_sync(n->store, SIZE_MAX);
    while (store_completed(n->store, &done)) {
        coord_durable(n->coord, f->now, done.ticket, done.err);
        any = true;
    }
    return any;
}

void fixture_settle(struct fixture *f)
{
    bool more = true;
    while (more) {
        more = deliver(f);
        for (node_no i = 1; i <= FIXTURE_NODES; i++) {
            more |= sync_disk(f, fixture_at(f, i));
            more |= perform(f, i);
        }
    }
}

void fixture_release(struct fixture *f, bool reversed)
{
    size_t count = f->kept_count;
    f->slow = 0;
    f->kept_count = 0;
    for (size_t i = 0; i < count; i++) {
        hand_over(f, f->kept[reversed ? count - 1 - i : i]);
        fixture_settle(f);
    }
}

void fixture_settle_without(struct fixture *f, node_no node)
{
    f->mute = node;
    fixture_settle(f);
    f->mute = 0;
}

void fixture_pull(struct fixture *f, node_no from, node_no to)
{
    struct engine *giver = fixture_at(f, from)->engine, *taker = fixture_at(f, to)->engine;
    struct clock done;
    struct buf bytes;
    range_no range = 0;
    clock_init(&done);
    buf_init(&bytes, BUF_MAX_DEFAULT);
    for (; engine_next_range(giver, KEYSPACE, range, &range); range++) {
        const struct clock *clock = engine_clock(giver, KEYSPACE, range);
        enum err err =
            engine_log_read(giver, KEYSPACE, range, clock, engine_clock(taker, KEYSPACE, range),
                            SIZE_MAX / 2, &bytes, &done);
        if (err == ERR_OK)
            err =
                engine_log_apply(taker, KEYSPACE, range, buf_bytes(&bytes), clock, true, false, 0);
        ASSERT(err == ERR_OK && clock_covers(engine_clock(taker, KEYSPACE, range), clock));
    }
    buf_close(&bytes);
    clock_close(&done);
    fixture_settle(f);
}

void fixture_elapse(struct fixture *f, usec us)
{
    f->now.mono += us;
    f->now.wall += us;
    for (node_no i = 1; i <= FIXTURE_NODES; i++)
        coord_deadline(fixture_at(f, i)->coord, f->now);
    fixture_settle(f);
}

void fixture_die(struct fixture *f, node_no node)
{
    fixture_at(f, node)->down = true;
    fixture_set_alive(f, node, false);
    for (node_no i = 1; i <= FIXTURE_NODES; i++)
        coord_peer_lost(fixture_at(f, i)->coord, f->now, node);
    fixture_settle(f);
}

void fixture_come_back(struct fixture *f, node_no node)
{
    fixture_at(f, node)->down = false;
    fixture_set_alive(f, node, true);
}

void fixture_see(struct fixture *f, node_no node, uint32_t now, uint32_t later, uint64_t since)
{
    struct cluster *c = fixture_at(f, node)->cluster;
    uint32_t table = ring_table(cluster_ring(c), RING_NEWEST)->number;
    struct move_place places[2] = {{table, {.type = STRATEGY_SIMPLE, .rf = now}},
                                   {table, {.type = STRATEGY_SIMPLE, .rf = later}}};
    struct move_run run = {.since = since};
    struct moves_keyspace moves = {.keyspace = KEYSPACE, .places = 1, .runs = 1};
    if (later != 0) {
        moves.places = 2;
        run.goal = 1;
        run.stage = STAGE_JOINT;
    }
    moves.place = places;
    moves.run = &run;
    cluster_set_epoch(c, since);
    cluster_set_keyspace(c, KEYSPACE, &places[moves.places - 1].strategy);
    cluster_set_moves(c, &moves);
    coord_placed(fixture_at(f, node)->coord, f->now);
}

void fixture_set_alive(struct fixture *f, node_no node, bool alive)
{
    for (node_no i = 1; i <= FIXTURE_NODES; i++)
        cluster_set_alive(fixture_at(f, i)->cluster, node, alive);
}

static enum err write_part(struct fixture *f, node_no via, struct part *p, enum level level,
                           enum write_kind kind)
{
    struct mutation m = {.keyspace = KEYSPACE};
    part_normalise(p, &f->arena);
    m.part = *p;
    struct coord_write w = {
        .mutations = &m, .count = 1, .level = level, .kind = kind, .timeout_us = 2 * USEC_PER_SEC};
    w.stamp = f->stamp;
    w.receipt = f->receipt;
    w.seen = f->seen;
    f->done = 0;
    coord_write_start(fixture_at(f, via)->coord, f->now, 1, &w);
    fixture_settle(f);
    return f->done == 1 ? f->result.err : ERR_COUNT;
}

static struct part one_row(struct fixture *f, const char *key, const char *row)
{
    struct row *r = arena_new(&f->arena, struct row);
    r->key = bytes_text(row);
    r->deletion = TOMB_NONE;
    struct part p = {.table = TABLE,
                     .token = murmur3_token(bytes_text(key)),
                     .key = bytes_text(key),
                     .deletion = TOMB_NONE,
                     .rows = r,
                     .rows_count = 1};
    p.static_row.deletion = TOMB_NONE;
    return p;
}

enum err fixture_write(struct fixture *f, node_no via, const char *key, const char *row,
                       const char *value, int64_t timestamp, enum level level)
{
    struct part p = one_row(f, key, row);
    struct cell *c = arena_new(&f->arena, struct cell);
    *c = (struct cell){
        .column = 1, .kind = CELL_LIVE, .timestamp = timestamp, .value = bytes_text(value)};
    p.rows[0].cells = c;
    p.rows[0].cells_count = 1;
    return write_part(f, via, &p, level, WRITE_SIMPLE);
}

enum err fixture_stamped(struct fixture *f, node_no via, const char *key, const char *row,
                         const char *value, int64_t timestamp, enum level level)
{
    f->stamp = timestamp;
    return fixture_write(f, via, key, row, value, timestamp, level);
}

enum err fixture_delete(struct fixture *f, node_no via, const char *key, const char *row,
                        int64_t timestamp, enum level level)
{
    struct part p = one_row(f, key, row);
    p.rows[0].deletion = (struct tomb){timestamp, timestamp / USEC_PER_SEC, {{0, 0}, 0}};
    return write_part(f, via, &p, level, WRITE_SIMPLE);
}

static struct scan scan_of(const struct fixture *f, const char *key)
{
    return (struct scan){.table = TABLE,
                         .single = true,
                         .token = murmur3_token(bytes_text(key)),
                         .key = bytes_text(key),
                         .now_s = f->now.wall / USEC_PER_SEC};
}

struct part fixture_increment(struct fixture *f, const char *key, const char *row, uint64_t request,
                              int64_t delta, int64_t timestamp)
{
    struct part p = one_row(f, key, row);
    uint8_t id[COUNTER_ID_SIZE];
    uint8_t name[8];
    store_u64(name, request);
    counter_id(bytes_make(name, sizeof name), id);
    p.rows[0].cells = arena_new(&f->arena, struct cell);
    p.rows[0].cells[0] = counter_increment(1, id, delta, timestamp, &f->arena);
    p.rows[0].cells_count = 1;
    part_normalise(&p, &f->arena);
    return p;
}

enum err fixture_count(struct fixture *f, node_no via, const char *key, const char *row,
                       uint64_t request, int64_t delta, enum level level)
{
    struct part p = fixture_increment(f, key, row, request, delta, f->now.wall);
    return write_part(f, via, &p, level, WRITE_COUNTER);
}

const struct part *fixture_part(struct fixture *f, node_no node, const char *key)
{
    struct scan scan = scan_of(f, key);
    struct scan_result r;
    enum err err = engine_scan(fixture_at(f, node)->engine, &scan, &f->arena, &r);
    return err == ERR_OK && r.parts_count == 1 ? &r.parts[0] : NULL;
}

static enum err read_now(struct fixture *f, node_no via, const struct coord_read *r)
{
    struct coord_read copy = *r;
    copy.receipt = f->receipt;
    copy.seen = f->seen;
    f->done = 0;
    coord_read_start(fixture_at(f, via)->coord, f->now, 2, &copy);
    fixture_settle(f);
    return f->done == 2 ? f->result.err : ERR_COUNT;
}

enum err fixture_read(struct fixture *f, node_no via, const char *key, uint32_t rows_max,
                      enum level level)
{
    struct coord_read r = {.keyspace = KEYSPACE,
                           .scan = scan_of(f, key),
                           .level = level,
                           .timeout_us = 5 * USEC_PER_SEC};
    r.scan.rows_max = rows_max;
    return read_now(f, via, &r);
}

enum err fixture_scan(struct fixture *f, node_no via, const struct scan *scan, enum level level)
{
    struct coord_read r = {
        .keyspace = KEYSPACE, .scan = *scan, .level = level, .timeout_us = 5 * USEC_PER_SEC};
    return read_now(f, via, &r);
}

const char *fixture_stored(struct fixture *f, node_no node, const char *key, const char *row)
{
    struct scan scan = scan_of(f, key);
    struct scan_result r;
    enum err err = engine_scan(fixture_at(f, node)->engine, &scan, &f->arena, &r);
    ASSERT(err == ERR_OK);
    for (size_t i = 0; r.parts_count > 0 && i < r.parts[0].rows_count; i++) {
        const struct row *at = &r.parts[0].rows[i];
        if (bytes_equal_text(at->key, row) && row_is_live(at, scan.now_s))
            return arena_text(&f->arena, at->cells[0].value);
    }
    return NULL;
}

bool fixture_has(struct fixture *f, node_no node, const char *key, const char *row,
                 const char *value)
{
    const char *there = fixture_stored(f, node, key, row);
    return there != NULL && strcmp(there, value) == 0;
}

node_no fixture_replica(struct fixture *f, const char *key, uint32_t place)
{
    const struct placement *p = cluster_placement(f->node[0].cluster, KEYSPACE);
    struct replicas r =
        placement_replicas(p, ring_range_of(murmur3_token(bytes_text(key)), RANGES));
    return r.node[place];
}

node_no fixture_stranger(struct fixture *f, const char *key)
{
    for (node_no i = 1; i <= FIXTURE_NODES; i++) {
        bool replica = false;
        for (uint32_t j = 0; j < 3; j++)
            replica |= fixture_replica(f, key, j) == i;
        if (!replica)
            return i;
    }
    return 0;
}
