/* Messages of repair runs, and runs as facts, with any bytes in them. The first byte chooses; what
 * a leader tells comes for a lot that it has. Whatever it says, no range is done twice, and no more
 * are than there are. */
#include "node/repair/repair_core.h"
#include "ring/plan.h"
#include "storage/store_mem.h"

#include <string.h>

#define NODES    2
#define RANGES   16
#define KEYSPACE 7

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct store *store;
    struct engine *engine;
    struct cluster *cluster;
    struct repair *repair;
    struct now now;
    uint64_t run, lot;
};

static void open_world(struct world *w)
{
    struct cluster_node nodes[NODES] = {{0}};
    struct ring_node members[NODES] = {{0}};
    struct strategy strategy = {.type = STRATEGY_SIMPLE, .rf = NODES};
    struct engine_config engine = {.ring_ranges = RANGES};
    struct repair_config config = REPAIR_CONFIG_DEFAULT;
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
    w->repair = repair_new(&config, w->engine, w->cluster);
    w->now = (struct now){USEC_PER_SEC, 1700000000 * USEC_PER_SEC};
    ring_free(ring);
}

static void close_world(struct world *w)
{
    repair_free(w->repair);
    cluster_free(w->cluster);
    engine_free(w->engine);
    store_close(w->store);
}

/* A run begins, and node 2 has a lot of it. */
static void begin_run(struct world *w)
{
    struct repair_wish all = {0};
    const struct repair_effect *e;
    bool joined;
    repair_begin(w->repair, w->now);
    enum err err = repair_run_start(w->repair, w->now, &all, &w->run, &joined);
    ASSERT(err == ERR_OK);
    repair_deadline(w->repair, w->now);
    size_t count = repair_effects(w->repair, &e);
    for (size_t i = 0; i < count; i++) {
        if (e[i].type == REPAIR_SEND && e[i].send.to == 2)
            w->lot = e[i].send.message.repair_do.lot;
    }
    ASSERT(w->lot != 0);
    repair_clear(w->repair);
}

static void check(const struct world *w)
{
    const struct repair_run *run = repair_find(w->repair, w->run);
    for (size_t i = 0; i < run->parts_count; i++) {
        const struct repair_part *p = &run->parts[i];
        ASSERT(p->done <= p->wanted && p->equal + p->failed <= p->done);
    }
}

static void receive_do(struct world *w, struct reader *r)
{
    struct wire_message m = {.type = WIRE_REPAIR_DO};
    m.repair_do.lot = read_u8(r);
    m.repair_do.keyspace = KEYSPACE + (read_u8(r) & 1);
    m.repair_do.preview = (read_u8(r) & 1) != 0;
    m.repair_do.tables = read_bytes(r, (size_t)4 * (read_u8(r) & 3));
    m.repair_do.ranges = read_bytes(r, reader_left(r));
    if (!r->failed)
        (void)repair_receive(w->repair, w->now, 2, &m);
}

static void receive_did(struct world *w, struct reader *r)
{
    struct wire_message m = {.type = WIRE_REPAIR_DID};
    struct wire_repair_did *d = &m.repair_did;
    d->run = w->run;
    d->lot = w->lot;
    d->last = (read_u8(r) & 1) != 0;
    d->err = read_u8(r) == 255 ? read_u8(r) : 0;
    d->done = read_bytes(r, read_u8(r) & 3);
    d->equal = read_bytes(r, read_u8(r) & 3);
    d->failed = read_bytes(r, read_u8(r) & 3);
    d->problems = read_bytes(r, read_u8(r) & 63);
    d->sums = read_bytes(r, reader_left(r));
    if (!r->failed)
        (void)repair_receive(w->repair, w->now, 2, &m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {0};
    struct managed *run;
    if (size < 1)
        return 0;
    struct reader r = reader_make(bytes_make(data + 1, size - 1));
    open_world(&w);
    begin_run(&w);
    switch (data[0] % 3) {
    case 0: receive_do(&w, &r); break;
    case 1: receive_did(&w, &r); break;
    default:
        if (keep_decode(w.repair, bytes_make(data + 1, size - 1), &run) == ERR_OK)
            manage_free(run);
        break;
    }
    for (unsigned i = 0; i < 4; i++) {
        check(&w);
        repair_clear(w.repair);
        w.now.mono += USEC_PER_SEC;
        repair_deadline(w.repair, w.now);
    }
    close_world(&w);
    return 0;
}
