/* What the server stamps is stamped above all that was acked before it came, whatever clocks say:
 * the coordinator asks replicas for the largest timestamp that they have (the query of Attiya,
 * Bar-Noy and Dolev's register), stamps above what a quorum answers, and writes. The stamp never
 * changes after that, whoever mints it and however often it is sent (docs/versions.md, "No silent
 * lost update").
 *
 *   ASKING --- a quorum for each mutation -----------> stamped, on to the runs or the keepers
 *      |------ no more such quorums, or the deadline -> the operation fails, nothing was written
 *
 * Only at levels any two quorums of which meet (quorum_proves). Of a partition of which too few
 * replicas live for one nobody is asked: the run will say that it is unavailable, or others stand
 * in for them, and then whoever mints it raises it above what is there (coord_stamp.c).
 *
 * A replica answers from its maxima, which read nothing. They are of buckets of partitions, and
 * larger than what is there for some seconds after a start: where one is above what the server may
 * give, who asks sends the mutations, too, and the replica looks what they lose to. What is above
 * the limit then is a client's timestamp, and honoured; the client is told (stamp_tell). */
#include "node/coord/coord_core.h"

#include "base/mutant.h"

/* Raised stamps of nodes differ by this modulo, those of one node by its multiples: two writes with
 * one timestamp would be mixed, cell by cell. */
#define SPREAD_US INT64_C(32)
#define NEAR_US   INT64_C(1000)
#define ITEMS_MAX ((size_t)24 << 20) /* bytes of a question */

/* A replica of an item. */
struct ask_target {
    node_no node;
    struct standing standing;
};

struct ask_item {
    struct ask_of *of;
    range_no range;
    struct quorums quorums;
    struct ask_target *target;
    size_t targets;
};

struct ask_node {
    node_no node;
    enum replica_state state;
    bool full; /* it was sent what is to be written, too */
};

struct ask {
    struct pending pending;
    struct due deadline;
    struct memory *memory;
    struct ask_request request;
    uint64_t planned;
    struct asked found;
    int64_t maximum;
    struct ask_item *item;
    struct ask_node *node;
    size_t nodes, nodes_cap;
};

struct ask *ask_of_pending(struct pending *p)
{
    return container_of(p, struct ask, pending);
}

struct ask *ask_of_due(struct due *due)
{
    return container_of(due, struct ask, deadline);
}

usec ask_end(const struct ask *a)
{
    return a->request.end_mono;
}

/* --- the replica's side */

/* What it touches has no timestamp above *ret that a server may have given. ERR_BEHIND: not known
 * without what is to be written. */
static enum err look(struct coord *c, uint64_t planned, keyspace_no keyspace, table_no table,
                     token place, const struct part *part, const struct supersede *supersede,
                     struct asked *a, struct arena *arena, int64_t *ret)
{
    int64_t now_s = c->now.wall / USEC_PER_SEC;
    range_no range = ring_range_of(place, cluster_ranges(c->cluster));
    *ret = TIMESTAMP_NONE;
    if (cluster_table_is_gone(c->cluster, table))
        return ERR_STALE;
    /* It has left us; or we have just started, and may hold it no more. */
    if (!cluster_is_replica(c->cluster, keyspace, range, cluster_self(c->cluster)))
        return ERR_STALE;
    if (fence_check(c, keyspace, range, range, planned) != ERR_OK && !MUTANT(old_plan_read))
        return ERR_STALE;
    enum err err = engine_serving_error(c->engine, keyspace, range);
    if (err != ERR_OK)
        return err;
    *ret = engine_maximum(c->engine, table, place);
    bool raises = *ret >= a->stamp - 1;
    bool guessed = raises && engine_maximum_is_bound(c->engine, table, place);
    if (*ret <= a->limit && !guessed)
        return ERR_OK;
    if (part == NULL)
        return ERR_BEHIND;
    *ret = TIMESTAMP_NONE;
    if (supersede->siblings)
        return engine_contest_own(c->engine, keyspace, range, part, supersede, a->stamp, a->limit,
                                  now_s, arena, ret, &a->beyond);
    return engine_contest(c->engine, part, a->stamp, a->limit, now_s, arena, ret, &a->beyond);
}

static enum err look_all(struct coord *c, const struct wire_maximum_ask *m,
                         struct wire_maximum_tell *ret)
{
    struct asked asked = {.stamp = m->stamp, .limit = m->limit};
    struct arena arena = {0};
    struct reader r = reader_make(m->items);
    enum err err =
        cluster_ranges(c->cluster) == 0 || cluster_self(c->cluster) == 0 ? ERR_UNAVAILABLE : ERR_OK;
    ret->maximum = TIMESTAMP_NONE;
    if (m->stamp == INT64_MIN) /* nothing is just below that */
        err = ERR_MALFORMED;
    while (err == ERR_OK && reader_left(&r) > 0) {
        struct part part = {0};
        struct supersede supersede;
        int64_t there;
        keyspace_no keyspace = read_u32(&r);
        if (m->full) {
            err = part_decode(read_vbytes(&r), &arena, &part);
            if (err == ERR_OK)
                err = supersede_decode(read_vbytes(&r), &arena, &supersede);
            if (err == ERR_OK && !part_is_placed(&part))
                err = ERR_MALFORMED;
        } else {
            part.table = read_u32(&r);
            part.token = read_i64(&r);
        }
        if (err == ERR_OK && r.failed)
            err = ERR_MALFORMED;
        if (err == ERR_OK)
            err = look(c, m->planned, keyspace, part.table, part.token, m->full ? &part : NULL,
                       &supersede, &asked, &arena, &there);
        if (err == ERR_OK && there > ret->maximum)
            ret->maximum = there;
    }
    ret->beyond = asked.beyond;
    arena_close(&arena);
    return err;
}

void replica_maximum(struct coord *c, node_no from, const struct wire_maximum_ask *m)
{
    struct wire_message answer = {.type = WIRE_MAXIMUM_TELL};
    answer.maximum_tell.request = m->request;
    answer.maximum_tell.err = (uint32_t)look_all(c, m, &answer.maximum_tell);
    coord_send(c, from, &answer);
}

/* --- who is asked */

static size_t node_at(struct ask *a, node_no node)
{
    size_t at = 0;
    while (at < a->nodes && a->node[at].node != node)
        at++;
    if (at == a->nodes) {
        a->node = arena_grow(&a->memory->arena, a->node, a->nodes, &a->nodes_cap, sizeof *a->node);
        a->node[a->nodes++] = (struct ask_node){.node = node};
    }
    return at;
}

static void add_targets(struct coord *c, struct ask_item *item, struct replicas replicas,
                        bool later)
{
    for (uint32_t i = 0; i < replicas.count && item->targets < REPLICAS_MAX; i++) {
        const struct cluster_node *n = cluster_find(c->cluster, replicas.node[i]);
        struct standing s = {n != NULL ? n->dc_index : 0, !later, later};
        if (!replica_is_able(c, item->of->keyspace, item->range, replicas.node[i]) ||
            !quorums_count(&item->quorums, s))
            continue;
        size_t at = 0;
        while (at < item->targets && item->target[at].node != replicas.node[i])
            at++;
        if (at == item->targets)
            item->target[item->targets++] = (struct ask_target){replicas.node[i], s};
        item->target[at].standing.in_now |= s.in_now;
        item->target[at].standing.in_later |= s.in_later;
    }
}

/* False: of this one no quorum can be asked, or none is needed. */
static bool plan(struct coord *c, struct ask *a, struct ask_item *item)
{
    struct quorum_plan needed;
    const struct placement *p = cluster_placement(c->cluster, item->of->keyspace);
    if (p == NULL)
        return false;
    item->range = ring_range_of(item->of->part->token, p->ranges);
    if (!cluster_quorum_plan(c->cluster, item->of->keyspace, item->range, a->request.level,
                             &needed) ||
        !quorum_plan_proves(&needed))
        return false;
    if (MUTANT(one_is_asked))
        quorum_plan_level(&needed, LEVEL_ONE);
    quorums_init(&item->quorums, &needed);
    struct replicas now = placement_replicas(p, item->range);
    struct replicas later = needed.joint ? placement_later(p, item->range) : (struct replicas){0};
    item->target =
        arena_array(&a->memory->arena, struct ask_target, (size_t)now.count + later.count);
    add_targets(c, item, now, false);
    add_targets(c, item, later, true);
    for (size_t i = 0; i < item->targets; i++)
        quorums_member(&item->quorums, item->target[i].standing);
    return quorums_state(&item->quorums) != QUORUM_IMPOSSIBLE;
}

/* --- questions and answers */

static bool concerns(const struct ask_item *item, node_no node, struct standing *ret)
{
    for (size_t i = 0; i < item->targets && item->of->asked; i++) {
        *ret = item->target[i].standing;
        if (item->target[i].node == node)
            return true;
    }
    return false;
}

static void put_encoded(struct buf *out, struct buf *b, const struct ask_of *of)
{
    buf_clear(b);
    part_encode(of->part, b);
    buf_put_vbytes(out, buf_bytes(b));
    buf_clear(b);
    supersede_encode(of->supersede, b);
    buf_put_vbytes(out, buf_bytes(b));
}

/* False: it is too much. */
static bool send(struct coord *c, struct ask *a, size_t node, bool full)
{
    struct wire_message m = {.type = WIRE_MAXIMUM_ASK};
    struct standing s;
    struct buf out, part;
    buf_init(&out, ITEMS_MAX);
    buf_init(&part, STORE_BATCH_MAX);
    for (size_t i = 0; i < a->request.count; i++) {
        if (!concerns(&a->item[i], a->node[node].node, &s))
            continue;
        buf_put_u32(&out, a->item[i].of->keyspace);
        if (full) {
            put_encoded(&out, &part, a->item[i].of);
        } else {
            buf_put_u32(&out, a->item[i].of->part->table);
            buf_put_i64(&out, a->item[i].of->part->token);
        }
    }
    m.maximum_ask = (struct wire_maximum_ask){a->pending.request,
                                              a->found.stamp,
                                              a->found.limit,
                                              full,
                                              arena_copy(&a->memory->arena, buf_bytes(&out)),
                                              a->planned};
    bool fits = buf_finish(&out) == ERR_OK;
    buf_close(&part);
    buf_close(&out);
    if (!fits)
        return false;
    a->node[node].state = REPLICA_WAITING;
    a->node[node].full = full;
    coord_send(c, a->node[node].node, &m);
    return true;
}

static void answered(struct ask *a, size_t node, enum err err)
{
    a->node[node].state = err == ERR_OK ? REPLICA_ACKED : REPLICA_LOST;
    for (size_t i = 0; i < a->request.count; i++) {
        struct quorums *q = &a->item[i].quorums;
        struct standing s;
        if (!concerns(&a->item[i], a->node[node].node, &s))
            continue;
        if (err == ERR_OK)
            quorums_ack(q, s);
        else if (err == ERR_CLOSED)
            quorums_lose(q, s);
        else
            quorums_fail(q, s);
    }
}

static void ask_ourselves(struct coord *c, struct ask *a, size_t node)
{
    enum err err = ERR_OK;
    struct standing s;
    for (size_t i = 0; i < a->request.count && err == ERR_OK; i++) {
        const struct ask_of *of = a->item[i].of;
        int64_t there;
        if (!concerns(&a->item[i], a->node[node].node, &s))
            continue;
        err = look(c, a->planned, of->keyspace, of->part->table, of->part->token, of->part,
                   of->supersede, &a->found, &a->memory->arena, &there);
        if (err == ERR_OK && there > a->maximum)
            a->maximum = there;
    }
    answered(a, node, err);
}

/* ERR_BEHIND: it is asked for still. */
static enum err state(struct ask *a)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < a->request.count; i++) {
        const struct quorums *q = &a->item[i].quorums;
        enum quorum_state s = a->item[i].of->asked ? quorums_state(q) : QUORUM_ENOUGH;
        if (s == QUORUM_IMPOSSIBLE) {
            const struct quorum *of = quorums_telling(q);
            a->found.required = quorum_need(of);
            a->found.failures = of->failures;
            return quorums_failed(q) ? ERR_FAILED : ERR_TIMEOUT;
        }
        err = s == QUORUM_WAITING ? ERR_BEHIND : err;
    }
    return err;
}

/* Above all that was found; of this node's own raised ones no two the same. */
static int64_t choose(struct coord *c, const struct ask *a)
{
    int64_t maximum = a->maximum, stamp = a->request.stamp;
    int64_t to, slot = 2 * (int64_t)(cluster_self(c->cluster) % (SPREAD_US / 2));
    if (stamp - 1 > maximum || MUTANT(never_raised))
        return stamp;
    to = stamp_above(maximum);
    to += (slot - to % SPREAD_US + SPREAD_US) % SPREAD_US;
    if (to <= c->raised_last && c->raised_last - to < NEAR_US)
        to = c->raised_last + SPREAD_US;
    if (to - 2 > a->found.limit)
        to = stamp_above(maximum);
    c->raised_last = to;
    c->stats.raised++;
    return to;
}

static struct asked found(struct coord *c, struct ask *a, enum err err)
{
    a->found.err = err;
    a->found.stamp = err == ERR_OK ? choose(c, a) : a->request.stamp;
    return a->found;
}

void ask_call_off(struct coord *c, struct ask *a)
{
    if (!list_empty(&a->pending.link))
        coord_untrack(c, &a->pending);
    timers_cancel(&c->timers, &a->deadline.timer);
    memory_retire(c, a->memory);
}

void ask_close(struct coord *c, struct ask *a)
{
    struct ask_request r = a->request;
    ask_call_off(c, a);
    if (r.batch != NULL)
        batch_close(c, r.batch);
    else if (r.cas != NULL)
        cas_close(c, r.cas);
    else
        write_close(c, r.write);
}

static void end(struct coord *c, struct now now, struct ask *a, enum err err)
{
    struct asked result = found(c, a, err);
    struct ask_request r = a->request;
    ask_call_off(c, a);
    if (r.batch != NULL)
        batch_asked(c, now, r.batch, &result);
    else if (r.cas != NULL)
        cas_asked(c, now, r.cas, &result);
    else
        write_asked(c, now, r.write, &result);
}

void ask_told(struct coord *c, struct now now, struct ask *a, node_no from, enum err err,
              uint64_t epoch, const struct wire_maximum_tell *m)
{
    size_t at = 0;
    while (at < a->nodes && a->node[at].node != from)
        at++;
    if (at == a->nodes || a->node[at].state != REPLICA_WAITING)
        return;
    if (err == ERR_BEHIND && !a->node[at].full && send(c, a, at, true))
        return;
    if (err == ERR_STALE)
        (void)fence_refused(c, &a->pending, a->planned, epoch);
    if (err == ERR_OK && m->maximum > a->maximum)
        a->maximum = m->maximum < a->found.limit ? m->maximum : a->found.limit;
    a->found.beyond |= err == ERR_OK && m->beyond;
    answered(a, at, err);
    err = state(a);
    if (err == ERR_OK || (err != ERR_BEHIND && !fence_is_stale(&a->pending)))
        end(c, now, a, err);
}

void ask_peer_lost(struct coord *c, struct now now, struct ask *a, node_no node)
{
    ask_told(c, now, a, node, ERR_CLOSED, 0, NULL);
}

void ask_expired(struct coord *c, struct now now, struct ask *a)
{
    for (size_t i = 0; i < a->request.count; i++) {
        if (a->item[i].of->asked && quorums_state(&a->item[i].quorums) == QUORUM_WAITING)
            a->found.required = quorum_need(quorums_telling(&a->item[i].quorums));
    }
    end(c, now, a, ERR_TIMEOUT);
}

/* Whom to ask of what. False: nobody. */
static bool plan_all(struct coord *c, struct ask *a)
{
    a->planned = cluster_epoch(c->cluster);
    a->nodes = 0;
    for (size_t i = 0; i < a->request.count; i++) {
        struct ask_item *item = &a->item[i];
        *item = (struct ask_item){.of = &a->request.of[i]};
        item->of->asked = plan(c, a, item);
        for (size_t k = 0; k < item->targets && item->of->asked; k++)
            (void)node_at(a, item->target[k].node);
    }
    return a->nodes > 0;
}

/* Ourselves first. ERR_BEHIND: the others are to be asked. */
static enum err begin(struct coord *c, struct ask *a)
{
    for (size_t i = 0; i < a->nodes; i++) {
        if (a->node[i].node == cluster_self(c->cluster))
            ask_ourselves(c, a, i);
    }
    return state(a);
}

static void send_all(struct coord *c, struct ask *a)
{
    for (size_t i = 0; i < a->nodes; i++) {
        if (a->node[i].state == REPLICA_IDLE)
            (void)send(c, a, i, false);
    }
}

/* What was found stays: it is there. */
void ask_plan_anew(struct coord *c, struct now now, struct ask *a)
{
    coord_untrack(c, &a->pending);
    coord_track(c, &a->pending, PENDING_ASK);
    enum err err = plan_all(c, a) ? begin(c, a) : ERR_OK;
    if (err == ERR_BEHIND)
        send_all(c, a);
    else
        end(c, now, a, err);
}

enum err ask_start(struct coord *c, const struct ask_request *r, struct asked *ret,
                   struct ask **ret_ask)
{
    struct memory *memory = memory_new();
    struct ask *a = arena_new(&memory->arena, struct ask);
    a->memory = memory;
    a->request = *r;
    a->maximum = TIMESTAMP_NONE;
    a->found = (struct asked){.of = r->of, .stamp = r->stamp, .limit = INT64_MIN};
    list_init(&a->pending.link);
    *ret = a->found;
    a->item = arena_array(&memory->arena, struct ask_item, r->count);
    bool may = !MUTANT(nobody_is_asked) && !c->clock_doubtful;
    if (!may || !plan_all(c, a)) {
        ask_call_off(c, a);
        return ERR_OK;
    }
    int64_t limit = stamp_limit(c) < r->until ? stamp_limit(c) : r->until;
    a->found.limit = limit - 2;
    c->stats.asks++;
    enum err err = begin(c, a);
    if (err != ERR_BEHIND) {
        *ret = found(c, a, err);
        ask_call_off(c, a);
        return err;
    }
    coord_track(c, &a->pending, PENDING_ASK);
    a->deadline.kind = DUE_ASK;
    timers_set(&c->timers, &a->deadline.timer, r->end_mono);
    send_all(c, a);
    if (ret_ask != NULL)
        *ret_ask = a;
    return ERR_BEHIND;
}
