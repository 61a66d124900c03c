/* Batches that this node keeps for coordinators, itself among them, until they are written:
 *
 *   STORING -- durable --> WAITING -- told to drop it, at any time --------------> gone
 *                             |-- not told within twice the time of a write --> REPLAYING
 *   REPLAYING -- every partition has its quorum, or its table is gone --> gone
 *                |-- not yet -> WAITING, for longer each time
 *
 * On the disk a batch is a local fact named BATCH_PREFIX id; a node that starts waits for those it
 * finds as if they had just come; where some cannot be read it looks again, and behind those that
 * are damaged it goes on: they are the other keeper's to write. Replaying writes what the
 * coordinator would have written, with the timestamps it gave: so twice, or by two keepers, or
 * after a later write, changes nothing. It asks for a QUORUM even where the client wanted less: the
 * coordinator may be lost with its disk, and who forgets the batch must know that no single other
 * disk takes half of it along.
 *
 * Bounds: KEPT_MAX batches of KEPT_BYTES_MAX in all, else the coordinator finds another keeper;
 * REPLAYS_MAX are replayed at once, of each one partition at a time. */
#include "node/coord/batch_codec.h"
#include "node/coord/coord_core.h"

#include "base/mutant.h"

#include <string.h>

#define BATCH_PREFIX     "b/"
#define KEPT_MAX         ((size_t)65536)
#define KEPT_BYTES_MAX   ((size_t)256 << 20)
#define REPLAYS_MAX      4
#define RETRY_LONGEST_US (10 * USEC_PER_SEC)

struct kept {
    struct list link; /* in keeper.waiting, when nothing else is going on */
    struct uuid id;
    size_t bytes;
    usec due;
    unsigned tries;
    bool storing;
    bool dropped;          /* as soon as what is going on has ended */
    struct memory *replay; /* REPLAYING: what is decoded, */
    struct mutation *mutations;
    size_t count, at;
    bool *written; /* which of them have their quorum already; kept between tries */
    struct batch_op own;
    bool running;
};

static struct bytes id_of(const struct kept *k)
{
    return bytes_make(k->id.b, sizeof k->id.b);
}

static void fact_name(const struct kept *k, struct buf *out)
{
    buf_init(out, 64);
    buf_put_text(out, BATCH_PREFIX);
    buf_put_bytes(out, id_of(k));
}

void keeper_open(struct coord *c)
{
    bmap_init(&c->keeper.by_id);
    map_init(&c->batches_by_op);
    list_init(&c->keeper.waiting);
    c->keeper.due.kind = DUE_KEEPER;
    c->keeper.load_due = USEC_NEVER;
}

static void kept_free(void *p)
{
    struct kept *k = p;
    if (k->replay != NULL) {
        arena_close(&k->replay->arena);
        mem_free(k->replay);
    }
    mem_free(k->written);
    mem_free(k);
}

void keeper_close(struct coord *c)
{
    bmap_clear(&c->keeper.by_id, kept_free);
    bmap_close(&c->keeper.by_id);
}

size_t coord_kept(const struct coord *c)
{
    return bmap_count(&c->keeper.by_id);
}

/* The timer stands at the first due time while there is room for a replay. */
static void keeper_arm(struct coord *c)
{
    struct keeper *kp = &c->keeper;
    usec due = kp->load_due;
    if (!list_empty(&kp->waiting) && kp->replaying < REPLAYS_MAX) {
        usec first = container_of(kp->waiting.next, struct kept, link)->due;
        due = first < due ? first : due;
    }
    if (due == USEC_NEVER)
        timers_cancel(&c->timers, &kp->due.timer);
    else
        timers_set(&c->timers, &kp->due.timer, due);
}

static void keeper_wait(struct coord *c, struct kept *k, usec so_long)
{
    struct list *before = &c->keeper.waiting;
    k->due = c->now.mono + so_long;
    while (before->prev != &c->keeper.waiting &&
           container_of(before->prev, struct kept, link)->due > k->due)
        before = before->prev;
    list_insert(before, &k->link);
    keeper_arm(c);
}

static struct kept *keeper_add(struct coord *c, struct uuid id, size_t bytes)
{
    struct kept *k = mem_new(struct kept);
    k->id = id;
    k->bytes = bytes;
    list_init(&k->link);
    bmap_put(&c->keeper.by_id, id_of(k), k);
    c->keeper.bytes += bytes;
    return k;
}

/* Out of memory and off the disk. */
static void keeper_forget(struct coord *c, struct kept *k)
{
    struct buf name;
    fact_name(k, &name);
    engine_fact_delete(c->engine, buf_bytes(&name), 0);
    buf_close(&name);
    bmap_remove(&c->keeper.by_id, id_of(k));
    list_remove(&k->link);
    c->keeper.bytes -= k->bytes;
    kept_free(k);
    keeper_arm(c);
}

/* How long a coordinator may take, twice. */
static usec patience(const struct coord *c)
{
    return 2 * c->config.write_timeout_us;
}

static void note_damaged(struct coord *c, struct bytes id, bool behind)
{
    struct uuid *at = &c->stats.batch_damaged;
    c->stats.batches_damaged++;
    c->stats.damaged_behind = behind;
    *at = (struct uuid){0};
    if (id.len == sizeof at->b)
        memcpy(at->b, id.data, sizeof at->b);
}

static struct bytes id_in(const struct buf *name)
{
    struct reader r = reader_make(buf_bytes(name));
    (void)read_bytes(&r, sizeof BATCH_PREFIX - 1);
    return read_bytes(&r, reader_left(&r));
}

void keeper_load(struct coord *c, struct now now)
{
    struct buf after, name, value;
    enum err err;
    bool again = false;
    buf_init(&after, 256);
    buf_init(&name, 256);
    buf_init(&value, BATCH_BYTES_MAX * 2);
    do {
        err =
            engine_fact_next(c->engine, BYTES_LIT(BATCH_PREFIX), buf_bytes(&after), &name, &value);
        struct bytes b = id_in(&name);
        struct uuid id;
        if (err == ERR_CORRUPT)
            note_damaged(c, id_in(&after), true);
        again |= err != ERR_OK && err != ERR_NOT_FOUND && err != ERR_CORRUPT;
        if (b.len == sizeof id.b && bmap_get(&c->keeper.by_id, b) == NULL) {
            memcpy(id.b, b.data, sizeof id.b);
            keeper_wait(c, keeper_add(c, id, value.len), patience(c));
        }
        buf_clear(&after);
        buf_put_bytes(&after, buf_bytes(&name));
    } while (after.len > 0);
    buf_close(&after);
    buf_close(&name);
    buf_close(&value);
    c->keeper.load_due = again ? now.mono + RETRY_LONGEST_US : USEC_NEVER;
    keeper_arm(c);
}

/* --- keeping */

static void answer(struct coord *c, node_no to, uint64_t request, enum err err)
{
    struct wire_message m = {.type = WIRE_BATCH_KEPT};
    m.batch_kept = (struct wire_batch_kept){request, (uint32_t)err};
    coord_send(c, to, &m);
}

static enum err may_keep(struct coord *c, const struct wire_batch_keep *m)
{
    struct arena arena = {0};
    struct mutation *mutations;
    size_t count;
    if (c->self.node == 0)
        return ERR_UNAVAILABLE;
    if (m->mutations.len > BATCH_BYTES_MAX || bmap_count(&c->keeper.by_id) >= KEPT_MAX ||
        c->keeper.bytes + m->mutations.len > KEPT_BYTES_MAX)
        return ERR_OVERLOADED;
    if (bmap_get(&c->keeper.by_id, bytes_make(m->id.b, sizeof m->id.b)) != NULL)
        return ERR_EXISTS;
    enum err err = batch_decode(m->mutations, &arena, &mutations, &count);
    arena_close(&arena);
    return err;
}

void keeper_keep(struct coord *c, struct now now, node_no from, const struct wire_batch_keep *m)
{
    struct buf name;
    enum err err = may_keep(c, m);
    if (err != ERR_OK) {
        answer(c, from, m->request, err);
        return;
    }
    struct kept *k = keeper_add(c, m->id, m->mutations.len);
    struct applying a = {
        .kept = k, .peer = from, .request = m->request, .trace = tracing_session(&c->trace)};
    tracing_say(&c->trace, "Keeping a batch of %zu bytes", m->mutations.len);
    uint64_t ticket = COORD_TICKET | ++c->tickets;
    k->storing = true;
    map_put(&c->applying_by_ticket, ticket, mem_copy(&a, sizeof a));
    fact_name(k, &name);
    engine_fact_put(c->engine, buf_bytes(&name), m->mutations, ticket);
    buf_close(&name);
    if (MUTANT(batch_kept_undurable))
        coord_durable(c, now, ticket, ERR_OK);
}

void keeper_durable(struct coord *c, struct now now, const struct applying *a, enum err err)
{
    struct kept *k = a->kept;
    (void)now;
    k->storing = false;
    answer(c, a->peer, a->request, err);
    if (k->dropped)
        keeper_forget(c, k);
    else
        keeper_wait(c, k, patience(c));
}

void keeper_drop(struct coord *c, const struct wire_batch_drop *m)
{
    struct reader r = reader_make(m->ids);
    while (reader_left(&r) >= sizeof(struct uuid)) {
        struct kept *k = bmap_get(&c->keeper.by_id, read_bytes(&r, sizeof(struct uuid)));
        if (k == NULL)
            continue;
        k->dropped = true;
        if (!k->storing && k->replay == NULL)
            keeper_forget(c, k);
    }
}

/* --- replaying */

static bool is_written(const struct kept *k)
{
    for (size_t i = 0; i < k->count; i++) {
        if (!k->written[i])
            return false;
    }
    return true;
}

static void replay_end(struct coord *c, struct kept *k, bool done)
{
    memory_retire(c, k->replay);
    k->replay = NULL;
    c->keeper.replaying--;
    c->in_flight -= k->bytes;
    if (done || k->dropped) {
        keeper_forget(c, k);
        return;
    }
    usec longer = patience(c) << (k->tries < 8 ? k->tries : 8);
    k->tries++;
    keeper_wait(c, k, longer < RETRY_LONGEST_US ? longer : RETRY_LONGEST_US);
}

static bool has_too_few(const struct quorum_config *config, struct replicas there)
{
    struct quorum q;
    quorum_init(&q, config);
    return there.count < quorum_need(&q);
}

enum level replay_level(struct coord *c, const struct mutation *m)
{
    struct quorum_plan plan;
    const struct placement *p = cluster_placement(c->cluster, m->keyspace);
    if (p == NULL)
        return LEVEL_QUORUM;
    range_no range = ring_range_of(m->part.token, p->ranges);
    if (!cluster_quorum_plan(c->cluster, m->keyspace, range, LEVEL_QUORUM, &plan))
        return LEVEL_QUORUM;
    bool few = has_too_few(&plan.now, placement_replicas(p, range)) ||
               (plan.joint && has_too_few(&plan.later, placement_later(p, range)));
    return few ? LEVEL_ONE : LEVEL_QUORUM;
}

static void restamp(struct part *p, int64_t now)
{
    p->deletion.timestamp = p->deletion.timestamp != TIMESTAMP_NONE ? now : TIMESTAMP_NONE;
    for (size_t i = 0; i < p->rows_count; i++) {
        for (size_t k = 0; k < p->rows[i].cells_count; k++)
            p->rows[i].cells[k].timestamp = now;
    }
}

static void replay_step(struct coord *c, struct kept *k)
{
    while (!k->running && k->at < k->count && !k->dropped) {
        struct mutation *m = &k->mutations[k->at];
        bool skip = k->written[k->at] || cluster_table_is_gone(c->cluster, m->part.table) ||
                    MUTANT(batch_not_replayed) || (MUTANT(batch_half_replayed) && k->at > 0);
        if (skip) {
            k->written[k->at++] = true;
            continue;
        }
        if (MUTANT(batch_restamped))
            restamp(&m->part, c->now.wall);
        struct coord_write w = {.mutations = m,
                                .count = 1,
                                .level = replay_level(c, m),
                                .kind = WRITE_BATCH,
                                .timeout_us = c->config.write_timeout_us,
                                .replay = true};
        k->running = true;
        k->own.kept = k;
        batch_write(c, &k->own, &w);
    }
    if (!k->running)
        replay_end(c, k, is_written(k));
}

void keeper_written(struct coord *c, struct kept *k, const struct coord_result *result)
{
    k->running = false;
    k->written[k->at++] = result->err == ERR_OK;
    replay_step(c, k);
}

static void replay_start(struct coord *c, struct kept *k)
{
    struct buf name, value;
    list_remove(&k->link);
    k->replay = memory_new();
    k->count = 0;
    k->at = 0;
    c->keeper.replaying++;
    c->in_flight += k->bytes;
    c->stats.replays++;
    fact_name(k, &name);
    buf_init(&value, BATCH_BYTES_MAX * 2);
    enum err err = engine_fact_get(c->engine, buf_bytes(&name), &value);
    if (err == ERR_OK)
        err = batch_decode(arena_copy(&k->replay->arena, buf_bytes(&value)), &k->replay->arena,
                           &k->mutations, &k->count);
    buf_close(&name);
    buf_close(&value);
    if (err == ERR_OK && k->written == NULL)
        k->written = mem_alloc(k->count * sizeof *k->written);
    if (err == ERR_OK)
        replay_step(c, k);
    else { /* what is damaged is the other keeper's to write; what cannot be read perhaps later */
        if (err != ERR_IO && !k->dropped)
            note_damaged(c, id_of(k), false);
        replay_end(c, k, err != ERR_IO);
    }
}

void keeper_due(struct coord *c, struct now now)
{
    struct keeper *kp = &c->keeper;
    if (kp->load_due <= now.mono)
        keeper_load(c, now);
    while (!list_empty(&kp->waiting) && kp->replaying < REPLAYS_MAX) {
        struct kept *k = container_of(kp->waiting.next, struct kept, link);
        if (k->due > now.mono)
            break;
        replay_start(c, k);
    }
    keeper_arm(c);
}
