/* Questions and answers about agreements (agree.h).
 *
 *   ranges (asked) = (u32 keyspace, u32 range, u8 flags, u64 durable, u64 proved)*
 *           flags: 1 there is garbage, 2 D is enough; hashes of what was told last, 0: nothing
 *   clocks (told)  = (u32 keyspace, u32 range, u64 tag, u8 flags, [vbytes D], [vbytes P])*
 *           flags: 1 D follows, 2 P follows; what is as told before is left out
 *
 * Questions ascend by (keyspace, range): so one costs what there is, not what it says. One is on
 * its way to a peer at a time. */
#include "node/heal/heal_core.h"

#include "base/mutant.h"

#include <string.h>

#define FACT_LIFE "h/life"

enum { ASK_GARBAGE = 1, ASK_DURABLE = 2, TELL_DURABLE = 1, TELL_PROVED = 2 };

void agree_forget_talk(struct session *s)
{
    s->agree_round = 0;
    s->wall = INT64_MIN;
    buf_close(&s->asking);
}

/* --- asking */

static void put_question(struct heal *h, struct now now, const struct agreement *a,
                         const struct agree_told *t)
{
    struct session *s = heal_session(h, t->peer);
    bool for_proof = a->wanted_until > now.mono;
    if (s->agree_round != 0 && now.mono < s->agree_due)
        return; /* its turn comes again */
    if (s->asking.len == 0)
        buf_init(&s->asking, WIRE_MESSAGE_MAX / 4);
    buf_put_u32(&s->asking, a->keyspace);
    buf_put_u32(&s->asking, a->range);
    buf_put_u8(&s->asking, a->garbage ? ASK_GARBAGE : for_proof ? 0 : ASK_DURABLE);
    buf_put_u64(&s->asking, t->durable_hash);
    buf_put_u64(&s->asking, t->proved_hash);
}

static void send_question(struct heal *h, struct now now, struct session *s)
{
    struct wire_message m = {.type = WIRE_AGREE_ASK};
    if (s->asking.len == 0)
        return;
    s->agree_round = ++h->rounds;
    s->agree_due = now.mono + h->config.timeout_us;
    m.agree_ask = (struct wire_agree_ask){s->agree_round, heal_keep(h, &s->asking)};
    heal_send(h, s->peer, &m);
    buf_close(&s->asking);
}

/* For who waits for our P alone: as long as it can grow. */
static bool wants_to_hear(const struct agreement *a, struct now now)
{
    return a->garbage || a->long_log ||
           (a->wanted_until > now.mono && a->proved_hash != a->durable_hash);
}

void agree_ask_all(struct heal *h, struct now now)
{
    size_t asked = 0;
    struct agreement *a = agree_seek(h, h->ask_from);
    h->ask_from = 0;
    for (; a != NULL; a = agree_seek(h, agree_key(a) + 1)) {
        if (now.mono < a->next_ask || !wants_to_hear(a, now))
            continue;
        if (asked++ == AGREE_ASK_MAX) {
            h->ask_from = agree_key(a); /* from here, the next time */
            break;
        }
        for (size_t i = 0; i < a->told_count; i++)
            put_question(h, now, a, &a->told[i]);
        unsigned shift = a->quiet;
        if (!a->garbage && a->wanted_until <= now.mono) /* its log can wait */
            shift = AGREE_BACKOFF_LOG > shift ? AGREE_BACKOFF_LOG : shift;
        a->next_ask = now.mono + (h->config.interval_us << shift) - h->config.interval_us / 8;
        a->quiet += a->quiet < AGREE_BACKOFF_MAX;
    }
    for (size_t i = 0; i < h->sessions_count; i++)
        send_question(h, now, &h->sessions[i]);
}

/* --- answering */

static void tell(struct heal *h, struct now now, node_no to, uint64_t round, struct buf *clocks,
                 bool last)
{
    struct wire_message m = {.type = WIRE_AGREE_TELL};
    m.agree_tell = (struct wire_agree_tell){round, h->life, last, now.wall, heal_keep(h, clocks)};
    heal_send(h, to, &m);
    buf_clear(clocks);
}

static void put_clock(struct buf *out, const struct clock *c)
{
    struct buf one;
    buf_init(&one, WIRE_MESSAGE_MAX);
    clock_encode(c, &one);
    buf_put_vbytes(out, buf_bytes(&one));
    buf_close(&one);
}

static void put_answer(struct buf *out, const struct agreement *a, uint64_t durable,
                       uint64_t proved)
{
    bool d = a->durable_hash != 0 && a->durable_hash != durable;
    bool p = a->proved_hash != 0 && a->proved_hash != proved;
    if (!d && !p)
        return;
    buf_put_u32(out, a->keyspace);
    buf_put_u32(out, a->range);
    buf_put_u64(out, a->tag);
    buf_put_u8(out, (uint8_t)((d ? TELL_DURABLE : 0) | (p ? TELL_PROVED : 0)));
    if (d)
        put_clock(out, &a->durable);
    if (p)
        put_clock(out, &a->proved);
}

/* What is asked about is kept for a while. Where there is garbage we need to prove, too. */
static struct agreement *open_asked(struct heal *h, struct now now, keyspace_no keyspace,
                                    range_no range, bool garbage)
{
    struct agreement *a = agree_open(h, keyspace, range);
    if (a == NULL)
        return NULL;
    a->kept_until = now.mono + AGREE_INTEREST;
    if (garbage)
        a->wanted_until = a->kept_until;
    agree_conclude(h, a);
    return a;
}

void agree_receive_ask(struct heal *h, struct now now, node_no from, const struct wire_agree_ask *m)
{
    struct reader r = reader_make(m->ranges);
    struct buf clocks;
    uint64_t least = 0;
    buf_init(&clocks, WIRE_MESSAGE_MAX);
    for (size_t count = 0; reader_left(&r) > 0 && count < AGREE_ASK_MAX; count++) {
        keyspace_no keyspace = read_u32(&r);
        range_no range = read_u32(&r);
        uint8_t flags = read_u8(&r);
        uint64_t durable = read_u64(&r);
        uint64_t proved = read_u64(&r);
        uint64_t key = (uint64_t)keyspace << 32 | range;
        if (r.failed || key < least)
            break;
        least = key + 1;
        const struct agreement *a = open_asked(h, now, keyspace, range, flags & ASK_GARBAGE);
        if (a != NULL)
            put_answer(&clocks, a, durable, flags & ASK_DURABLE ? a->proved_hash : proved);
        if (clocks.len >= CLOCKS_MESSAGE_MAX)
            tell(h, now, from, m->round, &clocks, false);
    }
    tell(h, now, from, m->round, &clocks, true);
    buf_close(&clocks);
    agree_ask_all(h, now);
}

/* --- being told */

/* False when it is not what one of us sends. */
static bool take_clock(struct reader *r, struct clock *ret)
{
    struct bytes encoded = read_vbytes(r);
    return !r->failed && clock_decode(encoded, ret) == ERR_OK;
}

static void hear(struct heal *h, struct agreement *a, struct agree_told *t, uint32_t life,
                 struct clock *durable, struct clock *proved)
{
    if (durable != NULL && clock_empty(&t->heard)) { /* else it is told again */
        t->durable_hash = clock_hash(durable) | 1;
        clock_close(&t->heard);
        t->heard = *durable;
        t->life = life;
        clock_init(durable);
    }
    if (proved != NULL) {
        t->proved_hash = clock_hash(proved) | 1;
        clock_close(&t->theirs);
        t->theirs = *proved;
        clock_init(proved);
    }
    a->quiet = 0;
    agree_conclude(h, a);
}

static bool take_told(struct heal *h, node_no from, uint32_t life, struct reader *r)
{
    struct clock durable, proved;
    keyspace_no keyspace = read_u32(r);
    range_no range = read_u32(r);
    uint64_t tag = read_u64(r);
    uint8_t flags = read_u8(r);
    clock_init(&durable);
    clock_init(&proved);
    bool good = !r->failed && (!(flags & TELL_DURABLE) || take_clock(r, &durable)) &&
                (!(flags & TELL_PROVED) || take_clock(r, &proved));
    struct agreement *a = good ? agree_open(h, keyspace, range) : NULL;
    struct agree_told *t = a != NULL ? agree_told_by(a, from) : NULL;
    if (t != NULL && (tag == a->tag || MUTANT(foreign_epoch_counts)))
        hear(h, a, t, life, flags & TELL_DURABLE ? &durable : NULL,
             flags & TELL_PROVED ? &proved : NULL);
    clock_close(&durable);
    clock_close(&proved);
    return good;
}

struct life_name {
    uint8_t room[10];
};

static struct bytes life_name(node_no node, struct life_name *name)
{
    memcpy(name->room, FACT_LIFE, 6);
    store_u32(name->room + 6, node);
    return bytes_make(name->room, sizeof name->room);
}

/* Before anything that it tells counts: what it minted in an earlier life is in none of it. Known
 * also after a restart, for as long may such a write be on its way. */
static void note_life(struct heal *h, node_no node, uint32_t life)
{
    struct life_name name;
    uint8_t value[4];
    if (life <= cluster_life(h->cluster, node))
        return;
    cluster_note_life(h->cluster, node, life);
    store_u32(value, life);
    engine_fact_put(h->engine, life_name(node, &name), bytes_make(value, sizeof value), 0);
    for (struct agreement *a = agree_seek(h, 0); a != NULL; a = agree_seek(h, agree_key(a) + 1)) {
        struct agree_told *t = agree_told_by(a, node);
        if (t != NULL)
            t->durable_hash = 0; /* this life has not told anything yet */
    }
}

void agree_load(struct heal *h)
{
    struct buf name, value;
    struct arena arena = {0};
    struct bytes after = BYTES_LIT(FACT_LIFE);
    omap_init(&h->agreements);
    buf_init(&name, 64);
    buf_init(&value, 64);
    while (engine_fact_next(h->engine, BYTES_LIT(FACT_LIFE), after, &name, &value) == ERR_OK) {
        after = arena_copy(&arena, buf_bytes(&name));
        if (after.len == 10 && value.len == 4)
            cluster_note_life(h->cluster, load_u32(after.data + 6), load_u32(value.data));
    }
    buf_close(&name);
    buf_close(&value);
    arena_close(&arena);
}

void agree_receive_tell(struct heal *h, struct now now, struct session *s,
                        const struct wire_agree_tell *m)
{
    struct reader r = reader_make(m->clocks);
    node_no from = s->peer;
    if (s->agree_round == 0 || s->agree_round != m->round ||
        m->life < cluster_life(h->cluster, from))
        return;
    note_life(h, from, m->life);
    s->wall = m->wall;
    while (reader_left(&r) > 0 && take_told(h, from, m->life, &r))
        continue;
    s->agree_due = now.mono + h->config.timeout_us;
    if (m->last)
        s->agree_round = 0;
    tidy_soon(h, now);
}
