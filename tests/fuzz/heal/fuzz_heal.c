/* Questions and answers of healing with any bytes in them. The first byte chooses the message; it
 * comes from a replica that was asked. Whatever it says, our own part of it stays true: nothing is
 * agreed that we do not have. */
#include "base/mem.h"
#include "node/heal/heal.h"
#include "ring/plan.h"
#include "storage/store_mem.h"

#include <string.h>

#define NODES    2
#define RANGES   4
#define KEYSPACE 7
#define TABLE    9

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct store *store;
    struct engine *engine;
    struct cluster *cluster;
    struct heal *heal;
    struct now now;
    uint64_t digests, agree;   /* rounds of our questions */
    uint64_t session, request; /* of a comparison by trees */
    uint64_t many, roots;      /* ... of many ranges */
    uint64_t tag;
    struct bytes clock; /* that our tree is as of, as encoded */
    struct arena arena;
};

static void open_world(struct world *w)
{
    struct cluster_node nodes[NODES] = {{0}};
    struct ring_node members[NODES] = {{0}};
    struct strategy strategy = {.type = STRATEGY_SIMPLE, .rf = NODES};
    struct engine_config engine = {.ring_ranges = RANGES};
    struct heal_config config = HEAL_CONFIG_DEFAULT;
    struct ring *ring;
    struct errmsg why;
    for (node_no i = 0; i < NODES; i++) {
        nodes[i].node = members[i].node = i + 1;
        members[i].weight = 1;
        nodes[i].alive = true;
        strcpy(nodes[i].dc, "dc1");
        strcpy(members[i].dc, "dc1");
        strcpy(members[i].rack, "r1");
    }
    enum err err = ring_plan_fresh(RANGES, members, NODES, &ring);
    ASSERT(err == ERR_OK);
    w->store = store_mem_new();
    err = engine_new(w->store, &engine, &w->engine, &why);
    ASSERT(err == ERR_OK);
    w->cluster = cluster_new();
    cluster_set_nodes(w->cluster, 1, nodes, NODES, ring, 1);
    cluster_set_keyspace(w->cluster, KEYSPACE, &strategy);
    cluster_set_tables(w->cluster, &(struct cluster_table){TABLE, KEYSPACE}, 1, 1);
    w->heal = heal_new(&config, w->engine, w->cluster);
    w->now = (struct now){USEC_PER_SEC, 1700000000 * USEC_PER_SEC};
    ring_free(ring);
}

static void close_world(struct world *w)
{
    heal_free(w->heal);
    arena_close(&w->arena);
    cluster_free(w->cluster);
    engine_free(w->engine);
    store_close(w->store);
}

/* Something of ours is deleted, so that there is something to agree upon. */
static void delete_something(struct world *w)
{
    struct dot dot = {{1, 1}, 1};
    struct cell cell = {.column = 1, .timestamp = 5, .kind = CELL_TOMBSTONE, .dot = dot};
    struct row row = {.deletion = TOMB_NONE, .cells = &cell, .cells_count = 1};
    struct part p = {.table = TABLE, .deletion = TOMB_NONE, .rows = &row, .rows_count = 1};
    p.static_row.deletion = TOMB_NONE;
    enum err err = engine_apply(w->engine, KEYSPACE, 0, &p, dot, NULL, 0);
    ASSERT(err == ERR_OK);
    store_flush(w->store);
    store_mem_sync(w->store, SIZE_MAX);
}

static void take_effects(struct world *w)
{
    const struct heal_effect *effects;
    size_t count = heal_effects(w->heal, &effects);
    for (size_t i = 0; i < count; i++) {
        if (effects[i].type != HEAL_SEND)
            continue;
        const struct wire_message *m = &effects[i].send.message;
        if (m->type == WIRE_COMPARE_OPEN) {
            w->session = m->compare_open.session;
            w->tag = m->compare_open.tag;
            w->clock = arena_copy(&w->arena, m->compare_open.clock);
        } else if (m->type == WIRE_COMPARE_ASK) {
            w->request = m->compare_ask.request;
        } else if (m->type == WIRE_COMPARE_GIVE) {
            w->request = m->compare_give.request;
        } else if (m->type == WIRE_COMPARE_ROOTS) {
            w->many = m->compare_roots.session;
            w->roots = m->compare_roots.request;
        }
        if (effects[i].send.message.type == WIRE_CLOCK_DIGESTS)
            w->digests = effects[i].send.message.clock_digests.round;
        else if (effects[i].send.message.type == WIRE_AGREE_ASK)
            w->agree = effects[i].send.message.agree_ask.round;
    }
    heal_clear(w->heal);
}

/* The first byte chooses the message, the second one flags of it. */
static struct wire_message message(const struct world *w, unsigned which, struct bytes bytes)
{
    struct wire_message m = {.from = 2};
    unsigned flags = which >= 4 && bytes.len > 0 ? bytes.data[0] : 0;
    struct bytes rest = bytes.len > 0 ? bytes_make(bytes.data + 1, bytes.len - 1) : BYTES_NONE;
    struct bytes half = bytes_make(rest.data, rest.len / 2);
    struct bytes second =
        rest.len > 0 ? bytes_make(rest.data + half.len, rest.len - half.len) : rest;
    bool split = (flags & 1) != 0;
    switch (which % 15) {
    case 0:
        m.type = WIRE_AGREE_TELL;
        m.agree_tell = (struct wire_agree_tell){w->agree, 1, true, w->now.wall, bytes};
        break;
    case 1:
        m.type = WIRE_AGREE_ASK;
        m.agree_ask = (struct wire_agree_ask){1, bytes};
        break;
    case 2:
        m.type = WIRE_CLOCKS;
        m.clocks = (struct wire_clocks){w->digests, true, true, bytes, bytes};
        break;
    case 3:
        m.type = WIRE_CLOCK_DIGESTS;
        m.clock_digests = (struct wire_clock_digests){1, bytes};
        break;
    case 4:
        m.type = WIRE_COMPARE_OPEN;
        m.compare_open = (struct wire_compare_open){9,
                                                    KEYSPACE,
                                                    0,
                                                    w->tag,
                                                    false,
                                                    false,
                                                    split,
                                                    1,
                                                    BYTES_NONE,
                                                    split ? rest : w->clock,
                                                    (flags & 4) != 0};
        m.compare_open.tables = split ? second : BYTES_NONE;
        break;
    case 5:
        m.type = WIRE_COMPARE_OPENED;
        m.compare_opened.session = w->session;
        m.compare_opened.ready = true;
        m.compare_opened.truncated = (flags & 2) != 0;
        m.compare_opened.same_tables = true;
        m.compare_opened.clock = m.compare_opened.durable = split ? rest : w->clock;
        m.compare_opened.agreed = w->clock;
        m.compare_opened.touched = split ? second : rest;
        break;
    case 6:
    case 7:
        m.type = WIRE_COMPARE_ASK;
        m.compare_ask.tag = w->tag;
        m.compare_ask.keyspace = KEYSPACE;
        m.compare_ask.all = (flags & 2) != 0;
        m.compare_ask.bytes_max = 1000;
        m.compare_ask.cut = m.compare_ask.agreed = w->clock;
        m.compare_ask.skip = split ? half : BYTES_NONE;
        m.compare_ask.units = split ? second : rest;
        break;
    case 8:
        m.type = WIRE_COMPARE_TELL;
        m.compare_tell.session = w->session;
        m.compare_tell.request = w->request;
        m.compare_tell.touched = split ? half : BYTES_NONE;
        m.compare_tell.answers = split ? second : rest;
        m.compare_tell.rows = (flags & 2) != 0 ? second : BYTES_NONE;
        break;
    case 9:
        m.type = WIRE_COMPARE_ROOTS;
        m.compare_roots = (struct wire_compare_roots){
            9, 1, KEYSPACE, flags, 2000, split ? half : BYTES_NONE, split ? second : rest};
        break;
    case 10:
        m.type = WIRE_COMPARE_ROOTS_TOLD;
        m.compare_roots_told = (struct wire_compare_roots_told){w->many, (uint32_t)w->roots, rest};
        break;
    case 11:
        m.type = WIRE_COMPARE_READ;
        m.compare_read =
            (struct wire_compare_read){9, KEYSPACE, flags, (flags & 4) != 0 ? second : rest};
        break;
    case 12:
        m.type = WIRE_COMPARE_VOTE;
        m.compare_vote.tag = w->tag;
        m.compare_vote.keyspace = KEYSPACE;
        m.compare_vote.rows = (flags & 2) != 0;
        m.compare_vote.cut = m.compare_vote.agreed = w->clock;
        m.compare_vote.places = rest;
        break;
    case 13: /* of one who is no replica: that is the bytes' way */
        m.type = WIRE_COMPARE_SAME;
        m.compare_same = (struct wire_compare_same){KEYSPACE, split ? 2 : 3,
                                                    cluster_ring_epoch(w->cluster), flags, rest};
        break;
    default:
        m.type = WIRE_COMPARE_GIVE;
        m.compare_give.tag = w->tag;
        m.compare_give.keyspace = KEYSPACE;
        m.compare_give.join = (flags & 2) != 0;
        m.compare_give.told = split ? half : w->clock;
        m.compare_give.rows = split ? second : rest;
        if ((flags & 4) != 0) {
            m.compare_give.cut = m.compare_give.agreed = w->clock;
            m.compare_give.replaced = split ? half : rest;
        }
        break;
    }
    return m;
}

static void pass(struct world *w, usec us)
{
    for (usec t = 0; t < us; t += us / 4) {
        w->now.mono += us / 4;
        heal_deadline(w->heal, w->now);
        take_effects(w);
    }
}

/* A session that we have begun, as far as it goes: the root is asked about. */
static void begin_comparison(struct world *w, unsigned which)
{
    const struct heal_comparison what = {.peer = 2, .keyspace = KEYSPACE};
    struct wire_message m = {.type = WIRE_COMPARE_OPENED, .from = 2};
    const struct heal_comparisons many = {.peer = 2, .keyspace = KEYSPACE};
    bool ours =
        heal_compare(w->heal, w->now, 1, &what) && heal_compare_ranges(w->heal, w->now, 2, &many);
    ASSERT(ours);
    pass(w, USEC_PER_SEC / 10);
    ASSERT(w->session != 0 && w->roots != 0);
    if (which % 15 != 8)
        return;
    m.compare_opened.session = w->session;
    m.compare_opened.ready = true;
    m.compare_opened.clock = m.compare_opened.durable = m.compare_opened.agreed = w->clock;
    ours = heal_receive(w->heal, w->now, 2, &m);
    ASSERT(ours);
    take_effects(w);
    ASSERT(w->request != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {0};
    if (size == 0)
        return 0;
    open_world(&w);
    delete_something(&w);
    heal_begin(w.heal, w.now);
    w.now.mono += 2 * USEC_PER_SEC;
    heal_deadline(w.heal, w.now);
    take_effects(&w);
    ASSERT(w.agree != 0);
    if (data[0] >= 4)
        begin_comparison(&w, data[0]);
    struct wire_message m = message(&w, data[0], bytes_make(data + 1, size - 1));
    bool ours = heal_receive(w.heal, w.now, 2, &m);
    ASSERT(ours);
    take_effects(&w);
    const struct clock *agreed = heal_agreed(w.heal, KEYSPACE, 0);
    ASSERT(agreed == NULL || clock_covers(engine_clock(w.engine, KEYSPACE, 0), agreed));
    w.now.mono += 20 * USEC_PER_SEC;
    heal_deadline(w.heal, w.now);
    take_effects(&w);
    close_world(&w);
    return 0;
}
