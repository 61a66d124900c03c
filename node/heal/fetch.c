/* Dots that a session waits for (node/coord/waits.h), pulled at once from whoever has them.
 *
 *   NAMED: each living replica is asked for them, the nodes that made them first
 *     | all are here -> done
 *     | nobody had some of them
 *     v
 *   ALL: each replica is asked for everything that it has and we have not
 *     | all were heard, and what they gave is durable here -> done, complete: there is no more
 *     | one is dead, or does not answer, or cannot give -> done, and not complete
 *
 * Complete means that what is missing still cannot come: a dot that was acked is durable at a
 * replica, and all of them were heard, with their durable clocks, after the question was asked.
 * Those who are about to take the range over have nothing that the others had not. */
#include "node/heal/heal_core.h"

#include "base/mutant.h"

#include <string.h>

/* The replicas of now and of later but us. */
static size_t replicas_of(struct heal *h, const struct fetching *f, node_no ret[FETCH_PEERS_MAX])
{
    const struct placement *p = cluster_placement(h->cluster, f->keyspace);
    size_t count = 0;
    if (p == NULL || f->range >= p->ranges)
        return 0;
    struct replicas sets[] = {placement_replicas(p, f->range), placement_pending(p, f->range)};
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        for (uint32_t j = 0; j < sets[i].count && count < FETCH_PEERS_MAX; j++) {
            bool known = sets[i].node[j] == cluster_self(h->cluster);
            for (size_t k = 0; k < count; k++)
                known |= ret[k] == sets[i].node[j];
            if (!known)
                ret[count++] = sets[i].node[j];
        }
    }
    return count;
}

static void drop(struct heal *h, size_t at)
{
    struct fetching *f = &h->fetches[at];
    clock_close(&f->wanted);
    clock_close(&f->theirs);
    memmove(f, f + 1, (--h->fetches_count - at) * sizeof *f);
}

static void finish(struct heal *h, size_t at, bool complete)
{
    struct heal_effect *e = heal_append(h, HEAL_FETCHED);
    e->fetched.id = h->fetches[at].id;
    e->fetched.complete = complete && !h->fetches[at].incomplete;
    drop(h, at);
}

static bool was_asked(const struct fetching *f, node_no node)
{
    for (size_t i = 0; i < f->asked_count; i++) {
        if (f->asked[i] == node)
            return true;
    }
    return false;
}

/* Who is asked next: one who has made what is missing, else any. 0: nobody is left. */
static node_no choose(struct heal *h, struct fetching *f, const struct clock *missing)
{
    node_no peers[FETCH_PEERS_MAX], best = 0;
    size_t count = replicas_of(h, f, peers);
    for (size_t i = 0; i < count; i++) {
        if (was_asked(f, peers[i]))
            continue;
        if (!cluster_is_alive(h->cluster, peers[i])) {
            f->incomplete = true;
            continue;
        }
        bool maker = false;
        for (size_t k = 0; k < missing->count; k++)
            maker |= missing->entries[k].actor.node == peers[i];
        if (best == 0 || maker)
            best = peers[i];
    }
    return best;
}

static void ask(struct heal *h, struct now now, struct fetching *f, const struct clock *wanted)
{
    struct buf encoded, have;
    buf_init(&encoded, WIRE_MESSAGE_MAX / 4);
    buf_init(&have, WIRE_MESSAGE_MAX / 4);
    clock_encode(wanted, &encoded);
    clock_encode(engine_clock(h->engine, f->keyspace, f->range), &have);
    f->request = ++h->requests;
    f->drops = engine_drops(h->engine, f->keyspace, f->range);
    f->due = now.mono + h->config.timeout_us;
    f->left = clock_count(wanted);
    h->stats.fetches++;
    struct wire_message m = {.type = WIRE_PULL};
    m.pull = (struct wire_pull){
        f->request,         f->keyspace, f->range, h->config.pull_bytes_max, heal_keep(h, &encoded),
        heal_keep(h, &have)};
    heal_send(h, f->peer, &m);
    buf_close(&have);
    buf_close(&encoded);
}

/* ret (initialised): what this one has to be asked for once more. What cannot be taken is not asked
 * for for ever: each time there must be less. */
static bool has_more(struct fetching *f, const struct clock *missing, const struct clock *ours,
                     struct clock *ret)
{
    if (f->all)
        clock_missing(&f->theirs, ours, ret);
    else if (f->gave)
        clock_copy(ret, missing);
    bool first = f->all && !f->gave; /* it was only asked what it has */
    if (clock_empty(ret) || first || clock_count(ret) < f->left)
        return !clock_empty(ret);
    f->incomplete = true;
    return false;
}

/* The next question, or the end. */
static void next(struct heal *h, struct now now, size_t at)
{
    struct fetching *f = &h->fetches[at];
    const struct clock *ours = engine_clock(h->engine, f->keyspace, f->range);
    struct clock missing, rest;
    clock_init(&missing);
    clock_init(&rest);
    clock_missing(&f->wanted, ours, &missing);
    for (;;) {
        bool over =
            clock_empty(&missing) || engine_range_error(h->engine, f->keyspace, f->range) != ERR_OK;
        if (!over && f->peer != 0 && has_more(f, &missing, ours, &rest)) {
            ask(h, now, f, &rest);
            break;
        }
        f->peer = over ? 0 : choose(h, f, &missing);
        f->heard = f->gave = false;
        if (f->peer != 0) {
            f->asked[f->asked_count++] = f->peer;
            ask(h, now, f, &missing);
            break;
        }
        if (over || f->all || f->incomplete) {
            finish(h, at, f->all && !over);
            break;
        }
        f->all = true;
        f->asked_count = 0;
    }
    clock_close(&rest);
    clock_close(&missing);
}

/* The same question again: something was dropped here since it was put, and the answer may bring it
 * back. */
static void repeat(struct heal *h, struct now now, size_t at)
{
    struct fetching *f = &h->fetches[at];
    const struct clock *from = f->all && f->heard ? &f->theirs : &f->wanted;
    struct clock missing;
    clock_init(&missing);
    clock_missing(from, engine_clock(h->engine, f->keyspace, f->range), &missing);
    if (clock_empty(&missing))
        next(h, now, at);
    else
        ask(h, now, f, &missing);
    clock_close(&missing);
}

void heal_fetch(struct heal *h, struct now now, uint64_t id, keyspace_no keyspace, range_no range,
                struct bytes wanted)
{
    struct fetching f = {.id = id, .keyspace = keyspace, .range = range};
    clock_init(&f.wanted);
    clock_init(&f.theirs);
    ASSERT(h->fetches_count < HEAL_FETCHES_MAX);
    h->fetches[h->fetches_count++] = f;
    size_t at = h->fetches_count - 1;
    enum err err = clock_decode(wanted, &h->fetches[at].wanted);
    ASSERT(err == ERR_OK);
    next(h, now, at);
}

/* What is over may be removed from the list: back to front. */
void fetch_peer_lost(struct heal *h, struct now now, node_no peer)
{
    for (size_t at = h->fetches_count; at-- > 0;) {
        struct fetching *f = &h->fetches[at];
        if (f->peer != peer || f->ticket != 0)
            continue;
        f->incomplete = true;
        f->peer = 0;
        next(h, now, at);
    }
}

bool fetch_receive(struct heal *h, struct now now, const struct wire_pull_reply *m)
{
    size_t at = 0;
    while (at < h->fetches_count &&
           (h->fetches[at].request != m->request || h->fetches[at].ticket != 0))
        at++;
    if (at == h->fetches_count)
        return false;
    struct fetching *f = &h->fetches[at];
    if (m->err == ERR_OK && engine_drops(h->engine, f->keyspace, f->range) != f->drops &&
        !MUTANT(answer_after_drop)) {
        repeat(h, now, at);
        return true;
    }
    struct clock done, theirs;
    clock_init(&done);
    clock_init(&theirs);
    enum err err = m->err < ERR_COUNT ? (enum err)m->err : ERR_FAILED;
    if (err == ERR_OK && (m->keyspace != f->keyspace || m->range != f->range))
        err = ERR_MALFORMED;
    if (err == ERR_OK)
        err = clock_decode(m->done, &done);
    if (err == ERR_OK)
        err = clock_decode(m->context, &theirs);
    if (err == ERR_OK && !f->heard)
        clock_copy(&f->theirs, &theirs);
    if (err == ERR_OK && m->truncated.len > 0 && f->peer != 0) {
        struct clock wanted; /* by its own words, or ours */
        clock_init(&wanted);
        clock_missing(f->heard && f->all ? &f->theirs : &f->wanted,
                      engine_clock(h->engine, f->keyspace, f->range), &wanted);
        if (!heal_take_truncated(h, now, f->peer, m, &wanted))
            err = ERR_MALFORMED;
        f->incomplete = true;
        clock_close(&wanted);
    }
    bool again = f->heard; /* it was asked for what it has, by its own words */
    f->heard = true;
    f->gave = false;
    if (err == ERR_OK && !clock_empty(&done)) {
        h->stats.dots_pulled += clock_count(&done);
        err = heal_take_rows(h, m, &f->ticket);
        f->gave = err == ERR_OK;
    } else if (err == ERR_OK && f->all && again) {
        err = ERR_NOT_FOUND; /* and cannot give it */
    }
    if (err != ERR_OK) {
        f->incomplete = true;
        f->ticket = 0;
        f->peer = 0;
    }
    if (f->ticket == 0)
        next(h, now, at);
    clock_close(&theirs);
    clock_close(&done);
    return true;
}

bool fetch_durable(struct heal *h, struct now now, uint64_t ticket, enum err err)
{
    for (size_t at = 0; at < h->fetches_count; at++) {
        struct fetching *f = &h->fetches[at];
        if (f->ticket != ticket)
            continue;
        f->ticket = 0;
        if (err != ERR_OK) {
            f->incomplete = true;
            f->peer = 0;
        }
        next(h, now, at);
        return true;
    }
    return false;
}

void fetch_deadline(struct heal *h, struct now now)
{
    for (size_t at = h->fetches_count; at-- > 0;) {
        struct fetching *f = &h->fetches[at];
        if (f->ticket != 0 || now.mono < f->due)
            continue;
        f->incomplete = true;
        f->peer = 0;
        next(h, now, at);
    }
}

usec fetch_next_deadline(const struct heal *h)
{
    usec first = USEC_NEVER;
    for (size_t i = 0; i < h->fetches_count; i++) {
        if (h->fetches[i].ticket == 0 && h->fetches[i].due < first)
            first = h->fetches[i].due;
    }
    return first;
}

void fetch_free(struct heal *h)
{
    while (h->fetches_count > 0)
        drop(h, 0);
}
