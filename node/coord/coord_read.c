/* A read goes round by round. A round covers one partition, or the longest run of ranges that the
 * same replicas hold; its answer is complete up to a position, and the next round begins there,
 * until enough live rows are found. So what tombstones or stale replicas take away under a LIMIT is
 * simply read on for (short reads, CASSANDRA-12872 and kin). */
#include "node/coord/coord_core.h"

#include "base/mutant.h"

#include <string.h>

void op_done(struct coord *c, struct read_op *op, enum err err)
{
    timers_cancel(&c->timers, &op->deadline.timer);
    c->in_flight -= op->bytes;
    op->result.err = err;
    if (err != ERR_OK)
        op->result.rows = (struct scan_result){0};
    op->result.receipt = op->receipt;
    op->result.seen = op->request.seen != NULL ? &op->told : NULL;
    coord_done(c, op->op, &op->result);
    memory_retire(c, op->memory);
}

void round_drop(struct coord *c, struct round *round)
{
    coord_untrack(c, &round->pending);
    timers_cancel(&c->timers, &round->speculation.timer);
    round->op->round = NULL; /* its memory is the operation's */
}

void read_free(struct coord *c, struct round *round)
{
    struct read_op *op = round->op;
    round_drop(c, round);
    timers_cancel(&c->timers, &op->deadline.timer);
    memory_retire(c, op->memory);
}

void round_fail(struct coord *c, struct round *round, enum err err)
{
    struct read_op *op = round->op;
    if (fence_is_stale(&round->pending))
        return; /* by that plan */
    const struct quorum *q = quorums_telling(&round->quorums);
    op->result.required = quorum_need(q);
    op->result.received = err == ERR_UNAVAILABLE ? quorum_members(q) : quorum_acked(q);
    op->result.failures = q->failures;
    op->result.data_present = false;
    op->result.damaged = 0;
    for (size_t i = 0; i < round->answers; i++)
        op->result.data_present |= round->answer[i].full;
    for (size_t i = 0; i < round->answers && err == ERR_FAILED; i++) {
        const struct answer *a = &round->answer[i];
        if (a->state != REPLICA_LOST || (a->err != ERR_CORRUPT && a->err != ERR_UNAVAILABLE))
            continue;
        op->result.damaged = a->node;
        op->result.damaged_at = replica_scan_start(&round->scan);
    }
    round_receipt(c, round, err);
    round_drop(c, round);
    op_done(c, op, err);
}

/* --- who to ask */

static bool is_self(const struct coord *c, node_no node)
{
    return node == cluster_self(c->cluster);
}

/* Ourselves first, then our data centre, in the ring's order. */
static unsigned distance(const struct coord *c, const struct cluster_node *n)
{
    const struct cluster_node *self = cluster_find(c->cluster, cluster_self(c->cluster));
    if (is_self(c, n->node))
        return 0;
    return self != NULL && n->dc_index == self->dc_index ? 1 : 2;
}

/* Who still gets what it has missed is asked after the others that are as near, and we no earlier
 * than the others here: what it shows is old, so the read would have to wait for its repair. */
static void leave_behind(struct coord *c, struct round *round, range_no range)
{
    struct answer behind[REPLICAS_MAX];
    const struct heal_host *host = &c->heal_host;
    size_t kept = 0, late = 0;
    for (size_t i = 0; i < round->answers && host->is_behind != NULL; i++) {
        const struct answer *a = &round->answer[i];
        const struct cluster_node *n = cluster_find(c->cluster, a->node);
        bool near = n != NULL && distance(c, n) <= 1 && a->standing.in_now;
        if (!near) /* who is far away, or takes the range over, comes after them */
            break;
        if (host->is_behind(host->arg, round->op->request.keyspace, range, a->node) &&
            !MUTANT(behind_is_asked))
            behind[late++] = *a;
        else
            round->answer[kept++] = *a;
    }
    for (size_t i = 0; i < late; i++)
        round->answer[kept++] = behind[i];
}

/* The living replicas that count for the level, nearest first; while the range moves also those
 * that will hold it, after those that hold it now. */
static void candidates(struct coord *c, struct round *round, range_no range, struct replicas now,
                       struct replicas later)
{
    round->answers = 0;
    for (unsigned d = 0; d <= 5; d++) {
        struct replicas replicas = d <= 2 ? now : later;
        for (uint32_t i = 0; i < replicas.count && round->answers < REPLICAS_MAX; i++) {
            const struct cluster_node *n = cluster_find(c->cluster, replicas.node[i]);
            if (n == NULL || distance(c, n) != d % 3 || !cluster_is_alive(c->cluster, n->node))
                continue;
            struct standing s = {n->dc_index, replicas_have(now, n->node),
                                 replicas_have(later, n->node)};
            if ((d > 2 && s.in_now) || !quorums_count(&round->quorums, s))
                continue;
            round->answer[round->answers++] = (struct answer){.node = n->node, .standing = s};
        }
    }
    leave_behind(c, round, range);
}

/* The first range of the scan; and cut it at the end of the last one that the same replicas hold.
 */
static range_no span(const struct placement *p, struct scan *scan)
{
    if (scan->single)
        return ring_range_of(scan->token, p->ranges);
    token first = scan->from_token; /* more partitions may have that very token */
    if (!scan->has_from)
        first = scan->after_token < INT64_MAX ? scan->after_token + 1 : INT64_MAX;
    range_no range = ring_range_of(first, p->ranges);
    range_no last = range;
    token upto = ring_range_span(range, p->ranges).last;
    while (upto < scan->upto_token &&
           replicas_equal(placement_replicas(p, range), placement_replicas(p, last + 1)) &&
           replicas_equal(placement_later(p, range), placement_later(p, last + 1)) &&
           placement_stage(p, range) == placement_stage(p, last + 1))
        upto = ring_range_span(++last, p->ranges).last;
    if (upto < scan->upto_token)
        scan->upto_token = upto;
    return range;
}

static bool enough_alive(const struct round *round)
{
    struct quorums q = round->quorums;
    for (size_t i = 0; i < round->answers; i++)
        quorums_member(&q, round->answer[i].standing);
    return quorums_state(&q) != QUORUM_IMPOSSIBLE;
}

/* --- asking and answering */

static void answered(struct coord *c, struct now now, struct round *round);

/* While replicas are being repaired an answer alone counts for nothing (repair_joins). */
static void count_answer(struct round *round, const struct answer *a)
{
    if (round->phase == ROUND_REPAIR)
        return;
    if (a->state == REPLICA_ACKED)
        quorums_ack(&round->quorums, a->standing);
    else
        quorums_fail(&round->quorums, a->standing);
}

/* Its plan may be over since it was made; then it is made anew. */
static bool is_refused(struct coord *c, struct round *round)
{
    enum err err = MUTANT(old_plan_kept) ? ERR_OK
                                         : replica_may_answer(c, round->op->request.keyspace,
                                                              &round->scan, round->planned);
    return err == ERR_STALE &&
           fence_refused(c, &round->pending, round->planned, cluster_epoch(c->cluster));
}

static void ask_ourselves(struct coord *c, struct round *round, struct answer *a)
{
    if (is_refused(c, round)) {
        a->state = REPLICA_LOST;
        a->err = ERR_STALE;
        count_answer(round, a);
        return;
    }
    struct arena *arena = &round->op->memory->arena;
    size_t before = arena_used(arena);
    keyspace_no keyspace = round->op->request.keyspace;
    enum err err = round->phase == ROUND_INDEX
                       ? replica_find(c, keyspace, &round->scan, arena, &a->found)
                       : replica_scan(c, keyspace, &round->scan, arena, &a->result);
    round->op->bytes += (uint32_t)(arena_used(arena) - before);
    c->in_flight += arena_used(arena) - before;
    if (err != ERR_OK) {
        a->state = REPLICA_LOST;
        a->err = err;
        count_answer(round, a);
        return;
    }
    a->full = true;
    a->state = REPLICA_ACKED;
    if (round->phase != ROUND_INDEX)
        scan_result_digest(&a->result, round->scan.now_s, &a->digest);
    if (round->op->request.seen != NULL)
        a->seen = replica_tell(c, keyspace, &round->scan,
                               round->phase != ROUND_INDEX ? &a->result : NULL, arena);
    count_answer(round, a);
}

/* Does not look at the outcome: callers do, once all are asked. */
void round_ask(struct coord *c, struct now now, struct round *round, size_t i, bool full)
{
    struct answer *a = &round->answer[i];
    struct arena *arena = &round->op->memory->arena;
    if (a->state == REPLICA_IDLE)
        quorums_member(&round->quorums, a->standing);
    a->state = REPLICA_WAITING;
    a->full_asked |= full;
    a->covers = full && round->phase != ROUND_REPAIR && !round_is_covered(round) &&
                !(round->starting && round_has_covering(round, REPLICA_WAITING));
    if (is_self(c, a->node)) {
        if (!round_wait_ourselves(c, now, round, a))
            ask_ourselves(c, round, a);
        return;
    }
    struct buf out;
    buf_init(&out, WIRE_MESSAGE_MAX);
    scan_encode(&round->scan, &out);
    usec left = round->op->deadline.timer.at - now.mono;
    struct wire_message m = {.type = WIRE_READ};
    m.read = (struct wire_read){round->pending.request,
                                left > 0 ? (uint64_t)left : 0,
                                round->op->request.keyspace,
                                !full,
                                arena_copy(arena, buf_bytes(&out)),
                                a->covers ? round->after : BYTES_NONE,
                                round->op->request.seen != NULL,
                                round->planned};
    buf_close(&out);
    coord_send(c, a->node, &m);
}

/* One replica more; false when all have been asked. */
bool round_ask_another(struct coord *c, struct now now, struct round *round, bool full)
{
    for (size_t i = 0; i < round->answers; i++) {
        if (round->answer[i].state == REPLICA_IDLE) {
            round_ask(c, now, round, i, full);
            return true;
        }
    }
    return false;
}

static bool have_data(const struct round *round)
{
    for (size_t i = 0; i < round->answers && round->phase != ROUND_INDEX; i++) {
        const struct answer *a = &round->answer[i];
        if (a->full || (a->full_asked && a->state == REPLICA_WAITING))
            return true;
    }
    return false; /* of an index each is asked for all */
}

/* Replace what was lost, then see whether it is enough. May end the round. */
static void answered(struct coord *c, struct now now, struct round *round)
{
    while (quorums_state(&round->quorums) == QUORUM_IMPOSSIBLE) {
        if (!round_ask_another(c, now, round, !have_data(round))) {
            round_fail(c, round, quorums_failed(&round->quorums) ? ERR_FAILED : ERR_TIMEOUT);
            return;
        }
    }
    if (quorums_state(&round->quorums) != QUORUM_ENOUGH)
        return;
    if (round_uncovered(c, now, round))
        return;
    if (round->phase == ROUND_INDEX) {
        index_answered(c, now, round);
        return;
    }
    const struct answer *data = NULL;
    bool equal = true;
    for (size_t i = 0; i < round->answers; i++) {
        if (round->answer[i].state == REPLICA_ACKED && round->answer[i].full)
            data = &round->answer[i];
    }
    for (size_t i = 0; i < round->answers && data != NULL; i++) {
        if (round->answer[i].state == REPLICA_ACKED)
            equal &= memcmp(&round->answer[i].digest, &data->digest, sizeof data->digest) == 0;
    }
    if (data != NULL && (equal || MUTANT(digests_not_compared)))
        round_finish(c, now, round, &data->result);
    else
        repair_start(c, now, round); /* also when only digests came back so far */
}

void round_resume(struct coord *c, struct now now, struct round *round)
{
    for (size_t i = 0; i < round->answers; i++) {
        struct answer *a = &round->answer[i];
        if (!is_self(c, a->node) || a->state != REPLICA_WAITING)
            continue;
        ask_ourselves(c, round, a);
        if (round->phase == ROUND_REPAIR)
            repair_joins(c, now, round, a);
        else if (round->phase == ROUND_FULL)
            repair_full_answer(c, now, round);
        else
            answered(c, now, round);
        return;
    }
}

void read_reply(struct coord *c, struct now now, struct round *round, node_no from, uint64_t epoch,
                const struct wire_read_reply *m)
{
    struct read_op *op = round->op;
    struct arena *arena = &op->memory->arena;
    struct answer *a = NULL;
    for (size_t i = 0; i < round->answers; i++) {
        if (round->answer[i].node == from && round->answer[i].state == REPLICA_WAITING)
            a = &round->answer[i];
    }
    if (a == NULL || (m->result.len == 0 && m->err == ERR_OK && a->full_asked && !a->full &&
                      (round->phase == ROUND_FULL || round->phase == ROUND_REPAIR)))
        return; /* late: the digest that crossed our question for the rows */
    enum err err = m->err < ERR_COUNT ? (enum err)m->err : ERR_FAILED;
    if (err == ERR_STALE)
        (void)fence_refused(c, &round->pending, round->planned, epoch);
    if (err == ERR_OK && m->digest.len != sizeof a->digest.b)
        err = ERR_MALFORMED;
    if (err == ERR_OK && m->result.len == 0 && a->full_asked)
        err = ERR_MALFORMED; /* no rows is not nothing: it would pass for an empty replica */
    if (err == ERR_OK && m->result.len > 0) {
        struct bytes copy = arena_copy(arena, m->result);
        err = round->phase == ROUND_INDEX ? index_result_decode(copy, arena, &a->found)
                                          : scan_result_decode(copy, arena, &a->result);
        a->full = err == ERR_OK;
        a->seen = arena_copy(arena, m->seen);
        op->bytes += (uint32_t)m->result.len;
        c->in_flight += m->result.len;
    }
    a->state = err == ERR_OK ? REPLICA_ACKED : REPLICA_LOST;
    a->err = err;
    if (err == ERR_OK) {
        memcpy(a->digest.b, m->digest.data, sizeof a->digest.b);
        answer_time_note(&c->times, round->scan.table, ANSWER_READ, now.mono - round->started);
    }
    count_answer(round, a);
    if (round->phase == ROUND_REPAIR)
        repair_joins(c, now, round, a);
    else if (round->phase == ROUND_COMPARE || round->phase == ROUND_INDEX)
        answered(c, now, round);
    else if (round->phase == ROUND_FULL)
        repair_full_answer(c, now, round);
}

void read_peer_lost(struct coord *c, struct now now, struct round *round, node_no node)
{
    for (size_t i = 0; i < round->answers; i++) {
        struct answer *a = &round->answer[i];
        if (a->node != node)
            continue;
        if (a->state == REPLICA_WAITING) {
            a->state = REPLICA_LOST;
            a->err = ERR_CLOSED;
            if (round->phase == ROUND_REPAIR) {
                repair_joins(c, now, round, a);
                return;
            }
            quorums_lose(&round->quorums, a->standing);
            if (round->phase == ROUND_COMPARE || round->phase == ROUND_INDEX)
                answered(c, now, round);
            else if (round->phase == ROUND_FULL)
                repair_full_answer(c, now, round);
        } else if (round->phase == ROUND_REPAIR && a->repairing) {
            repair_answer(c, now, round, node, ERR_CLOSED, 0);
        } else if (a->state == REPLICA_IDLE) {
            a->state = REPLICA_LOST; /* never asked: no member */
        }
        return;
    }
}

void read_expired(struct coord *c, struct read_op *op)
{
    fence_forget(&op->round->pending);
    if (!MUTANT(read_never_expires))
        round_fail(c, op->round, ERR_TIMEOUT);
}

/* --- rounds */

void round_start(struct coord *c, struct now now, struct read_op *op)
{
    struct quorum_plan plan;
    struct round *round = arena_new(&op->memory->arena, struct round);
    round->op = op;
    round->scan = op->points.has_points ? op->points : op->request.scan;
    if (round->scan.index.no != 0)
        round->phase = ROUND_INDEX;
    round->started = now.mono;
    round->policy = *cluster_policy(c->cluster, round->scan.table);
    round->speculation.kind = DUE_SPECULATION;
    op->round = round;
    coord_track(c, &round->pending, PENDING_ROUND);
    const struct placement *p = cluster_placement(c->cluster, op->request.keyspace);
    range_no range = p != NULL ? span(p, &round->scan) : 0;
    if (c->self.node == 0 ||
        !cluster_quorum_plan(c->cluster, op->request.keyspace, range, op->request.level, &plan)) {
        round_fail(c, round, ERR_UNAVAILABLE);
        return;
    }
    if (MUTANT(read_one_short) && op->request.level == LEVEL_QUORUM)
        quorum_plan_level(&plan, LEVEL_ONE);
    bool weak = op->request.level == LEVEL_ONE || op->request.level == LEVEL_LOCAL_ONE;
    weak = weak && plan.joint;
    plan.joint = plan.joint && !MUTANT(read_old_set_only);
    round->planned = plan.planned;
    quorums_init(&round->quorums, &plan);
    candidates(c, round, range, placement_replicas(p, range), placement_later(p, range));
    if (weak && !enough_alive(round)) {
        /* A node that is about to take over has died: that must not stop those who have the data,
         * where no more than any one answer was asked for. */
        plan.joint = false;
        quorums_init(&round->quorums, &plan);
        candidates(c, round, range, placement_replicas(p, range), placement_later(p, range));
    }
    if (!enough_alive(round)) {
        for (size_t i = 0; i < round->answers; i++)
            quorums_member(&round->quorums, round->answer[i].standing); /* "alive" in the error */
        round_fail(c, round, ERR_UNAVAILABLE);
        return;
    }
    round_find_after(c, round, range, p->ranges);
    round->starting = true;
    for (size_t i = 0; i < round->answers; i++) {
        if (quorums_want(&round->quorums, round->answer[i].standing))
            round_ask(c, now, round, i, !have_data(round));
    }
    round->starting = false;
    speculate_begin(c, now, round);
    answered(c, now, round);
}

/* Nothing of it is taken, so it is as if it had not been. */
void round_plan_anew(struct coord *c, struct now now, struct round *round)
{
    struct read_op *op = round->op;
    round_drop(c, round);
    round_start(c, now, op);
}

/* Take the round's parts into the operation's. The last part of the one may be the first of the
 * next: a page can end inside a partition, and then its rows are joined. */
static void take_parts(struct read_op *op, const struct scan_result *r)
{
    struct arena *arena = &op->memory->arena;
    struct scan_result *all = &op->result.rows;
    for (size_t i = 0; i < r->parts_count; i++) {
        struct part *last = all->parts_count > 0 ? &all->parts[all->parts_count - 1] : NULL;
        if (last != NULL && last->token == r->parts[i].token &&
            bytes_equal(last->key, r->parts[i].key)) {
            struct part joined;
            part_merge(last, &r->parts[i], arena, &joined);
            *last = joined;
            continue;
        }
        all->parts =
            arena_grow(arena, all->parts, all->parts_count, &op->parts_cap, sizeof *all->parts);
        all->parts[all->parts_count++] = r->parts[i];
    }
    all->live_rows += r->live_rows;
}

void round_finish(struct coord *c, struct now now, struct round *round,
                  const struct scan_result *result)
{
    struct read_op *op = round->op;
    struct scan *scan = op->points.has_points ? &op->points : &op->request.scan;
    struct scan_result *all = &op->result.rows;
    bool span_more = result->more;
    bool at_end = scan->single || round->scan.upto_token == scan->upto_token;
    token upto = round->scan.upto_token;
    round_tell(round);
    round_receipt(c, round, ERR_OK);
    round_drop(c, round);
    op->result.required = quorum_need(&round->quorums.now);
    op->result.received = quorum_acked(&round->quorums.now);
    op->result.data_present = true;
    take_parts(op, result);
    all->more = span_more || !at_end;
    if (span_more) {
        all->upto_token = scan->from_token = result->upto_token;
        all->upto_key = scan->from_key = result->upto_key;
        all->upto_in_part = scan->from_in_part = result->upto_in_part;
        all->upto_row = scan->from_row = result->upto_row;
        all->upto_rows = scan->from_rows = result->upto_rows;
        scan->has_from = true;
    } else if (!at_end) {
        /* The whole span is read: go on after its last token. */
        scan->has_from = false;
        scan->after_token = upto;
        all->upto_token = upto;
        all->upto_key = BYTES_NONE;
        all->upto_in_part = false;
        all->upto_row = BYTES_NONE;
        all->upto_rows = 0;
    }
    uint32_t limit = scan->rows_max;
    bool full = (limit > 0 && result->live_rows >= limit) || op->bytes >= scan->bytes_max;
    if (limit > 0)
        scan->rows_max = limit > result->live_rows ? limit - result->live_rows : 0;
    if (!all->more && scan == &op->points)
        all->more = index_next(op);
    if (!all->more || full)
        op_done(c, op, ERR_OK);
    else if (now.mono >= op->deadline.timer.at)
        op_done(c, op, ERR_TIMEOUT);
    else
        round_start(c, now, op);
}

void read_begin(struct coord *c, struct now now, uint64_t op_name, const struct coord_read *r)
{
    struct memory *memory = memory_new();
    struct read_op *op = arena_new(&memory->arena, struct read_op);
    struct buf copy;
    op->op = op_name;
    op->memory = memory;
    op->request = *r;
    op->deadline.kind = DUE_READ;
    op->request.level = session_level(r);
    op->result.level = op->request.level;
    if (r->seen != NULL)
        op->request.seen = copy_seen(&memory->arena, r->seen);
    c->stats.reads++;
    buf_init(&copy, WIRE_MESSAGE_MAX);
    scan_encode(&r->scan, &copy);
    enum err err = scan_decode(arena_copy(&memory->arena, buf_bytes(&copy)), &memory->arena,
                               &op->request.scan);
    buf_close(&copy);
    if (op->request.scan.bytes_max == 0)
        op->request.scan.bytes_max = SCAN_BYTES_DEFAULT;
    if (err != ERR_OK || c->in_flight > c->config.in_flight_max) {
        op_done(c, op, err != ERR_OK ? ERR_TOO_BIG : ERR_OVERLOADED);
        return;
    }
    timers_set(&c->timers, &op->deadline.timer, now.mono + r->timeout_us);
    round_start(c, now, op);
}
