/* What peers ask of us: are our clocks yours, which are they, what is behind these dots. */
#include "node/heal/heal_core.h"

#include "base/mutant.h"

static bool shared(struct heal *h, keyspace_no keyspace, range_no range, node_no peer)
{
    return cluster_is_replica(h->cluster, keyspace, range, peer) &&
           cluster_is_replica(h->cluster, keyspace, range, cluster_self(h->cluster));
}

uint64_t heal_keyspace_hash(struct heal *h, keyspace_no keyspace, node_no peer)
{
    struct buf all;
    uint64_t hash = 0;
    buf_init(&all, BUF_MAX_DEFAULT);
    range_no range = 0;
    while (engine_next_range(h->engine, keyspace, range, &range)) {
        const struct clock *clock = engine_clock(h->engine, keyspace, range);
        if (!clock_empty(clock) && shared(h, keyspace, range, peer)) {
            buf_put_u32(&all, range);
            buf_put_u64(&all, engine_clock_hash(h->engine, keyspace, range));
        }
        if (MUTANT(compare_first_range))
            break;
        range++;
    }
    if (all.len > 0)
        hash = bytes_hash(buf_bytes(&all));
    buf_close(&all);
    return hash;
}

/* A clock of the keyspace that would go to the peer cannot be read, now or for good. */
static bool is_damaged(struct heal *h, keyspace_no keyspace, node_no peer)
{
    const struct placement *p = cluster_placement(h->cluster, keyspace);
    if (!p->moving && engine_ranges_error(h->engine, keyspace, 0, p->ranges - 1) == ERR_OK)
        return false; /* of those in memory; the others matter to movers only */
    for (range_no r = 0; r < p->ranges; r++) {
        if (!shared(h, keyspace, r, peer))
            continue;
        enum err err = engine_range_error(h->engine, keyspace, r);
        if (err != ERR_OK && err != ERR_UNAVAILABLE) /* nothing is in what is being forgotten */
            return true;
    }
    return false;
}

/* all: but for what cannot be known. A node that has started and is not in the ring again yet does
 * not know what it shares with whom: its answer, in which nothing is, does not say that there is
 * nothing. */
static void send_clocks(struct heal *h, node_no to, uint64_t round, struct buf *clocks, bool last,
                        bool all, const struct buf *equal)
{
    struct wire_message m = {.type = WIRE_CLOCKS};
    all = all && cluster_self(h->cluster) != 0;
    m.clocks = (struct wire_clocks){round, last, all, heal_keep(h, clocks), heal_keep(h, equal)};
    heal_send(h, to, &m);
    buf_clear(clocks);
}

static bool is_range(struct heal *h, keyspace_no keyspace, range_no range)
{
    const struct placement *p = cluster_placement(h->cluster, keyspace);
    return p != NULL && range < p->ranges;
}

/* A power cut might take some of it. */
static bool is_young(struct heal *h, keyspace_no keyspace, range_no range)
{
    return engine_has(h->engine, keyspace, range, engine_clock(h->engine, keyspace, range)) !=
           ENGINE_HAS;
}

/* Which of the equal clocks count for nothing yet (proved.h). */
static void put_equal(struct heal *h, keyspace_no keyspace, node_no peer, struct buf *out)
{
    struct buf young;
    range_no range = 0, before = 0;
    buf_init(&young, BUF_MAX_DEFAULT);
    for (; engine_next_range(h->engine, keyspace, range, &range); range++) {
        if (!is_young(h, keyspace, range) || !shared(h, keyspace, range, peer))
            continue;
        buf_put_varint(&young, range - before);
        before = range;
    }
    buf_put_u32(out, keyspace);
    buf_put_vbytes(out, buf_bytes(&young));
    buf_close(&young);
}

/* Keyspaces come in ascending order: so nobody can have more clocks sent than there are.
 *
 *   digests = (u32 keyspace, u64 hash)*
 *   clocks  = (u32 keyspace, u32 range, u8 young, vbytes clock)*   young: not all of it is durable
 *   equal   = (u32 keyspace, vbytes (varint step to the next range that is young)*)* */
void serve_digests(struct heal *h, node_no from, const struct wire_clock_digests *m)
{
    struct reader r = reader_make(m->digests);
    uint64_t least = 0;
    bool all = true;
    struct buf clocks, equals, none = {0};
    struct buf one;
    buf_init(&clocks, WIRE_MESSAGE_MAX);
    buf_init(&equals, WIRE_MESSAGE_MAX / 2);
    buf_init(&one, WIRE_MESSAGE_MAX);
    while (reader_left(&r) > 0) {
        keyspace_no keyspace = read_u32(&r);
        uint64_t hash = read_u64(&r);
        if (r.failed || keyspace < least)
            break;
        least = (uint64_t)keyspace + 1;
        if (!is_range(h, keyspace, 0))
            continue;
        bool equal = heal_keyspace_hash(h, keyspace, from) == hash;
        all = all && !is_damaged(h, keyspace, from);
        if (equal)
            away_equal(h, from, keyspace);
        if (equal) {
            put_equal(h, keyspace, from, &equals);
            continue;
        }
        range_no range = 0;
        while (engine_next_range(h->engine, keyspace, range, &range)) {
            const struct clock *clock = engine_clock(h->engine, keyspace, range);
            if (!clock_empty(clock) && shared(h, keyspace, range, from) &&
                engine_serving_error(h->engine, keyspace, range) == ERR_OK) {
                buf_clear(&one);
                clock_encode(clock, &one);
                buf_put_u32(&clocks, keyspace);
                buf_put_u32(&clocks, range);
                buf_put_u8(&clocks, is_young(h, keyspace, range));
                buf_put_vbytes(&clocks, buf_bytes(&one));
            }
            if (clocks.len >= CLOCKS_MESSAGE_MAX)
                send_clocks(h, from, m->round, &clocks, false, false, &none);
            range++;
        }
    }
    send_clocks(h, from, m->round, &clocks, true, all, &equals); /* empty when all are equal */
    buf_close(&equals);
    buf_close(&one);
    buf_close(&clocks);
}

/* Of what the asker lacks the log has these no more, asked for or not; nothing is said when it has
 * all. */
static void put_truncated(struct heal *h, const struct wire_pull *m, const struct clock *have,
                          struct buf *out)
{
    struct clock gone;
    clock_init(&gone);
    clock_missing(engine_log_floor(h->engine, m->keyspace, m->range), have, &gone);
    if (!clock_empty(&gone))
        clock_encode(&gone, out);
    clock_close(&gone);
}

/* The rows are what is durable, so is the clock that goes with them: it says what they do not show,
 * as it was dropped. */
void serve_pull(struct heal *h, struct now now, node_no from, const struct wire_pull *m)
{
    struct clock wanted, have, done, context;
    struct buf rows, served, truncated, encoded;
    struct wire_message answer = {.type = WIRE_PULL_REPLY};
    clock_init(&wanted);
    clock_init(&have);
    clock_init(&done);
    clock_init(&context);
    buf_init(&rows, WIRE_MESSAGE_MAX / 2);
    buf_init(&served, WIRE_MESSAGE_MAX / 4);
    buf_init(&truncated, WIRE_MESSAGE_MAX / 4);
    buf_init(&encoded, WIRE_MESSAGE_MAX / 4);
    uint32_t bytes_max = m->bytes_max < (4u << 20) ? m->bytes_max : 4u << 20;
    enum err err =
        is_range(h, m->keyspace, m->range) ? clock_decode(m->wanted, &wanted) : ERR_MALFORMED;
    if (err == ERR_OK)
        err = clock_decode(m->have, &have);
    if (err == ERR_OK && cluster_self(h->cluster) == 0)
        err = ERR_UNAVAILABLE; /* what of it is to be forgotten is seen with the ring */
    if (err == ERR_OK)
        err = engine_serving_error(h->engine, m->keyspace, m->range);
    if (err == ERR_OK && !engine_durable_clock(h->engine, m->keyspace, m->range, &context))
        err = ERR_OVERLOADED; /* the next round asks again */
    if (err == ERR_OK)
        err = engine_log_read(h->engine, m->keyspace, m->range, &wanted, &have, bytes_max, &rows,
                              &done);
    if (err == ERR_OK) {
        put_truncated(h, m, &have, &truncated);
        clock_encode(&done, &served);
        clock_encode(&context, &encoded);
        err = buf_finish(&rows);
    }
    h->stats.bytes_served += rows.len;
    answer.pull_reply = (struct wire_pull_reply){m->request,
                                                 (uint32_t)err,
                                                 m->keyspace,
                                                 m->range,
                                                 heal_keep(h, &served),
                                                 heal_keep(h, &truncated),
                                                 err == ERR_OK ? heal_keep(h, &rows) : BYTES_NONE,
                                                 heal_keep(h, &encoded),
                                                 heal_felt_for(h, now, from)};
    heal_send(h, from, &answer);
    buf_close(&encoded);
    buf_close(&served);
    buf_close(&truncated);
    buf_close(&rows);
    clock_close(&done);
    clock_close(&have);
    clock_close(&wanted);
    clock_close(&context);
}
