/* The states of a session; cas_core.h has the picture, docs/lwt.md why it is right. */
#include "node/coord/batch_codec.h"
#include "node/coord/receipt.h"

#include "base/mutant.h"

#define REST_LEAST    USEC_PER_MS
#define REST_FIRST    (4 * USEC_PER_MS)
#define REST_MOST     (100 * USEC_PER_MS)
#define CAS_BYTES_MAX ((uint32_t)8 << 20) /* of rows that conditions look at */

/* --- ends */

static void drop(struct coord *c, struct cas *s)
{
    if (s->ask != NULL)
        ask_call_off(c, s->ask);
    coord_untrack(c, &s->pending);
    timers_cancel(&c->timers, &s->deadline.timer);
    timers_cancel(&c->timers, &s->again.timer);
    map_remove(&c->cas_by_op, s->op);
    c->in_flight -= s->bytes;
    memory_retire(c, s->attempt);
    memory_retire(c, s->memory);
}

void cas_free(struct coord *c, struct cas *s)
{
    drop(c, s);
}

static void finish(struct coord *c, struct cas *s, enum err err, enum coord_cas_end end)
{
    const struct quorum *q = quorums_telling(&s->quorums);
    struct coord_result *r = &s->result;
    bool down = err == ERR_UNAVAILABLE;
    r->err = err;
    r->cas = err == ERR_OK ? end : CAS_NONE;
    r->level = s->request.serial;
    r->kind = WRITE_CAS;
    r->required = quorum_need(q);
    r->received = down ? quorum_members(q) : quorum_acked(q);
    r->failures = q->failures;
    r->contentions = s->attempts;
    r->seen = s->request.seen != NULL ? &s->told : NULL;
    if (r->unknown) {
        r->received = s->taken;
        c->stats.cas_unknown++;
    }
    if (s->request.receipt) {
        receipt_add(&s->receipt, &s->memory->arena, receipt_of_cas(c, s, &s->memory->arena));
        r->receipt = s->receipt;
    }
    coord_done(c, s->op, r);
    drop(c, s);
}

/* Not decided by us, and what we have proposed may be decided by others: nobody knows. */
static void finish_unknown(struct coord *c, struct cas *s)
{
    s->result.unknown = true;
    finish(c, s, ERR_TIMEOUT, CAS_NONE);
}

static bool may_be_applied(const struct cas *s)
{
    return !ballot_none(s->outstanding);
}

static void fail(struct coord *c, struct cas *s, enum err err)
{
    finish(c, s, may_be_applied(s) ? ERR_TIMEOUT : err, CAS_NONE);
}

void cas_expired(struct coord *c, struct cas *s)
{
    fail(c, s, ERR_TIMEOUT);
}

/* --- ballots */

/* Above what we made before and what was in our way. It need not agree with any clock: only when
 * writes are stamped does time matter, and that is not done by the ballot. */
static struct dot next_ballot(struct coord *c, struct now now, const struct cas *s)
{
    uint64_t n = now.wall > 0 ? (uint64_t)now.wall : 1;
    if (MUTANT(cas_ballots_repeat))
        return (struct dot){{c->self.node, 0}, (n / 200000 + 1) * 200000 + s->attempts};
    n = n > c->ballot ? n : c->ballot + 1;
    n = n > s->highest ? n : s->highest + 1;
    c->ballot = n;
    return (struct dot){c->self, n};
}

static void new_phase(struct coord *c, struct cas *s, enum cas_state state)
{
    coord_untrack(c, &s->pending);
    coord_track(c, &s->pending, PENDING_CAS);
    s->state = state;
}

static void rest(struct coord *c, struct now now, struct cas *s)
{
    usec most = REST_FIRST;
    for (uint32_t i = 0; i < s->attempts && most < REST_MOST; i++)
        most += most * 4 / 5;
    if (most > REST_MOST)
        most = REST_MOST;
    s->attempts++;
    s->state = CAS_STATE_RESTING;
    c->stats.cas_contended++;
    timers_set(&c->timers, &s->again.timer,
               now.mono + REST_LEAST + (usec)rng_below(&c->rng, (uint64_t)most));
}

/* --- phases */

static void prepare(struct coord *c, struct now now, struct cas *s)
{
    new_phase(c, s, CAS_STATE_PREPARING);
    c->in_flight -= s->bytes;
    s->bytes = 0;
    memory_retire(c, s->attempt);
    s->attempt = memory_new();
    s->tally = (struct cas_tally){0};
    enum err err = cas_plan(c, s);
    if (err != ERR_OK) {
        fail(c, s, err);
        return;
    }
    s->ballot = next_ballot(c, now, s);
    if (ballot_none(s->origin))
        s->origin = s->ballot;
    cas_ask_promises(c, now, s);
}

void cas_again(struct coord *c, struct now now, struct cas *s)
{
    prepare(c, now, s);
}

static bool is_contended(const struct cas *s)
{
    for (size_t i = 0; i < s->targets; i++) {
        if (s->target[i].refused)
            return true;
    }
    return false;
}

/* Somebody else came first: later again. Where replicas have just gone there is nothing to wait
 * for. */
void cas_outvoted(struct coord *c, struct now now, struct cas *s)
{
    if (is_contended(s))
        rest(c, now, s);
    else
        fail(c, s, quorums_failed(&s->quorums) ? ERR_FAILED : ERR_TIMEOUT);
}

static void propose(struct coord *c, struct now now, struct cas *s, bool own, struct dot origin,
                    struct bytes value)
{
    uint64_t electorate = s->electorate;
    s->own = own;
    s->value_origin = origin;
    s->value = value;
    if (electorate != cas_electorate(c, s->request.keyspace, s->request.scan.token)) {
        prepare(c, now, s); /* who promised are not those who count now */
        return;
    }
    if (own) {
        s->outstanding_before = s->outstanding;
        s->outstanding = s->ballot;
    }
    new_phase(c, s, CAS_STATE_PROPOSING);
    cas_ask_accepts(c, now, s);
    if (quorums_state(&s->quorums) == QUORUM_IMPOSSIBLE)
        cas_outvoted(c, now, s);
}

/* What promises tell: a quorum of those who were asked has it. */
static void note_seen(struct coord *c, struct cas *s, const struct scan_result *rows)
{
    struct seen seen = {0};
    range_no range = ring_range_of(s->request.scan.token, cluster_ranges(c->cluster));
    for (size_t i = 0; i < rows->parts_count; i++)
        seen_add_part(&seen, &s->memory->arena, s->request.keyspace, range, &rows->parts[i]);
    for (size_t i = 0; i < seen.count; i++)
        seen.items[i].quorum = s->request.serial == LEVEL_SERIAL;
    seen_merge(&s->told, &s->memory->arena, &seen);
}

static void tell_rows(struct coord *c, struct cas *s, const struct scan_result *rows)
{
    if (s->request.seen != NULL)
        note_seen(c, s, rows);
    s->state = CAS_STATE_DECIDING;
    s->result.rows = *rows;
    s->result.data_present = true;
    if (s->request.read_only) {
        finish(c, s, ERR_OK, CAS_ROWS);
    } else if (rows->more && s->request.scan.rows_max == 0) {
        finish(c, s, ERR_TOO_BIG, CAS_NONE); /* conditions must see all */
    } else {
        s->result.err = ERR_OK;
        s->result.cas = CAS_ROWS;
        coord_done(c, s->op, &s->result);
    }
}

static usec time_left(const struct cas *s, struct now now)
{
    return s->deadline.timer.at > now.mono ? s->deadline.timer.at - now.mono : 0;
}

static enum level quorum_of(enum level serial)
{
    return serial == LEVEL_LOCAL_SERIAL ? LEVEL_LOCAL_QUORUM : LEVEL_QUORUM;
}

static void start_read(struct coord *c, struct now now, struct cas *s)
{
    new_phase(c, s, CAS_STATE_READING);
    struct coord_read r = {.keyspace = s->request.keyspace,
                           .scan = s->request.scan,
                           .level = quorum_of(s->request.serial),
                           .timeout_us = time_left(s, now),
                           .seen = s->request.seen,
                           .receipt = s->request.receipt};
    c->in_flight -= s->bytes; /* it is not to be refused for what it holds itself */
    read_begin(c, now, COORD_OWN_OP | s->pending.request, &r);
    c->in_flight += s->bytes;
}

/* Nothing is in flight: the rows are those of this moment. Equal ones lie on a quorum and stay
 * known; others are joined, and repaired, by a read at QUORUM; and so is what the session has seen
 * and a quorum need not know. */
static void see_rows(struct coord *c, struct now now, struct cas *s)
{
    const struct cas_target *rows = NULL;
    bool equal = true;
    for (size_t i = 0; i < s->targets; i++) {
        if (s->target[i].state == REPLICA_ACKED && s->target[i].full)
            rows = &s->target[i];
    }
    for (size_t i = 0; i < s->targets && rows != NULL; i++) {
        if (s->target[i].state == REPLICA_ACKED)
            equal &= bytes_equal(bytes_make(s->target[i].digest.b, sizeof rows->digest.b),
                                 bytes_make(rows->digest.b, sizeof rows->digest.b));
    }
    if (rows != NULL && equal && !s->needs)
        tell_rows(c, s, &rows->result);
    else
        start_read(c, now, s);
}

/* Is `origin` our operation? Then whoever carried it on has done our work. */
static bool is_ours(const struct cas *s, struct dot origin)
{
    return !ballot_none(origin) && ballot_order(origin, s->origin) == 0;
}

void cas_promised(struct coord *c, struct now now, struct cas *s)
{
    const struct cas_tally *t = &s->tally;
    bool sought = may_be_applied(s);
    if (MUTANT(cas_forgets_its_proposal) && sought)
        sought = false;
    if (sought && is_ours(s, t->done_origin)) {
        /* Under which dot, we do not know; that a quorum of those asked has it we do. */
        seen_raise_floor(&s->told, s->request.serial == LEVEL_SERIAL ? SEEN_QUORUM : SEEN_ALL);
        finish(c, s, ERR_OK, CAS_APPLIED); /* somebody has seen it through */
        return;
    }
    if (cas_tally_in_flight(t)) {
        bool ours = is_ours(s, t->origin);
        if (sought && !ours && ballot_order(t->accepted, s->outstanding) > 0) {
            finish_unknown(c, s); /* who proposed that may have seen ours, and seen it through */
            return;
        }
        c->stats.cas_finished++;
        propose(c, now, s, ours, t->origin, t->value);
        return;
    }
    if (sought && ballot_order(t->done, s->outstanding) >= 0) {
        finish_unknown(c, s);
        return;
    }
    see_rows(c, now, s);
}

/* --- decided */

static bool needs_as_many(const struct quorum_config *given, const struct quorum_config *least)
{
    struct quorum a, b;
    if (given->per_dc && given->dcs > 1) /* data centres do not make up for each other */
        return given->level == least->level || given->level == LEVEL_EACH_QUORUM ||
               given->level == LEVEL_ALL;
    quorum_init(&a, given);
    quorum_init(&b, least);
    return quorum_need(&a) >= quorum_need(&b);
}

/* Does a write at `level` reach a quorum of those whom the session asks? */
static bool is_enough(struct coord *c, const struct cas *s, enum level level)
{
    struct quorum_plan given, least;
    range_no range = ring_range_of(s->request.scan.token, cluster_ranges(c->cluster));
    return cluster_quorum_plan(c->cluster, s->request.keyspace, range, level, &given) &&
           cluster_quorum_plan(c->cluster, s->request.keyspace, range, quorum_of(s->request.serial),
                               &least) &&
           needs_as_many(&given.now, &least.now) &&
           (!given.joint || needs_as_many(&given.later, &least.later));
}

/* The level asked for, or a quorum where that is more: so that who comes next need not finish what
 * we have done. Only a client that asks for a quorum of other replicas gets that instead. */
static enum level commit_level(struct coord *c, const struct cas *s)
{
    enum level level = s->request.level;
    bool other = level == LEVEL_QUORUM || level == LEVEL_LOCAL_QUORUM;
    return s->own && (other || is_enough(c, s, level)) ? level : quorum_of(s->request.serial);
}

static void decided(struct coord *c, struct now now, struct cas *s)
{
    if (is_enough(c, s, s->commit))
        cas_tell_done(c, s);
    if (s->own)
        finish(c, s, ERR_OK, s->value.len > 0 ? CAS_APPLIED : CAS_NOT_APPLIED);
    else
        prepare(c, now, s);
}

/* The value is decided: from now on it is a write like any other, which anybody may repeat. */
void cas_accepted(struct coord *c, struct now now, struct cas *s)
{
    struct mutation *change;
    size_t count;
    /* Ours was below: it was not decided when a quorum promised, and now it cannot be any more. */
    if (!s->own && ballot_order(s->tally.accepted, s->outstanding) <= 0)
        s->outstanding = s->outstanding_before = (struct dot){{0, 0}, 0};
    s->commit = commit_level(c, s);
    new_phase(c, s, CAS_STATE_COMMITTING);
    if (s->value.len == 0) {
        decided(c, now, s);
        return;
    }
    if (batch_decode(s->value, &s->attempt->arena, &change, &count) != ERR_OK || count != 1 ||
        change->keyspace != s->request.keyspace || change->part.table != s->request.scan.table ||
        !bytes_equal(change->part.key, s->request.scan.key)) {
        fail(c, s, ERR_CORRUPT);
        return;
    }
    if (MUTANT(cas_done_early))
        cas_tell_done(c, s);
    struct coord_write w = {.mutations = change,
                            .count = 1,
                            .level = s->commit,
                            .kind = WRITE_CAS,
                            .timeout_us = time_left(s, now),
                            .seen = s->request.seen,
                            .receipt = s->request.receipt};
    c->in_flight -= s->bytes;
    write_begin(c, now, COORD_OWN_OP | s->pending.request, &w);
    c->in_flight += s->bytes;
}

void cas_heard(struct coord *c, struct now now, uint64_t number, const struct coord_result *r)
{
    struct pending *p = map_get(&c->pending_by_request, number);
    if (p == NULL || p->type != PENDING_CAS)
        return; /* its time was up meanwhile */
    struct cas *s = container_of(p, struct cas, pending);
    receipt_add(&s->receipt, &s->memory->arena, r->receipt);
    if (r->seen != NULL)
        seen_merge(&s->told, &s->memory->arena, r->seen);
    if (r->err != ERR_OK) {
        fail(c, s, r->err);
    } else if (s->state == CAS_STATE_READING) {
        struct scan_result rows = r->rows;
        struct buf copy;
        buf_init(&copy, WIRE_MESSAGE_MAX);
        scan_result_encode(&rows, &copy);
        cas_keep(c, s, copy.len);
        enum err err = scan_result_decode(arena_copy(&s->attempt->arena, buf_bytes(&copy)),
                                          &s->attempt->arena, &rows);
        buf_close(&copy);
        if (err == ERR_OK)
            tell_rows(c, s, &rows);
        else
            fail(c, s, err);
    } else if (s->state == CAS_STATE_COMMITTING) {
        decided(c, now, s);
    }
}

/* --- from the caller */

void cas_begin(struct coord *c, struct now now, uint64_t op, const struct coord_cas *request)
{
    struct memory *memory = memory_new();
    struct cas *s = arena_new(&memory->arena, struct cas);
    struct buf copy;
    s->memory = memory;
    s->attempt = memory_new();
    s->op = op;
    s->request = *request;
    s->request.seen = NULL;
    s->deadline.kind = DUE_CAS;
    s->again.kind = DUE_CAS_AGAIN;
    list_init(&s->pending.link);
    c->stats.cas++;
    buf_init(&copy, WIRE_MESSAGE_MAX);
    scan_encode(&request->scan, &copy);
    enum err err =
        scan_decode(arena_copy(&memory->arena, buf_bytes(&copy)), &memory->arena, &s->request.scan);
    buf_close(&copy);
    if (s->request.scan.bytes_max == 0)
        s->request.scan.bytes_max = request->read_only ? SCAN_BYTES_DEFAULT : CAS_BYTES_MAX;
    if (request->seen != NULL && cluster_ranges(c->cluster) > 0) {
        struct clock need;
        s->request.seen = copy_seen(&memory->arena, request->seen);
        clock_init(&need);
        s->needs = request->seen->floor != SEEN_ANY ||
                   seen_need(request->seen, request->keyspace,
                             ring_range_of(request->scan.token, cluster_ranges(c->cluster)), &need);
        clock_close(&need);
    }
    coord_track(c, &s->pending, PENDING_CAS);
    map_put(&c->cas_by_op, op, s);
    timers_set(&c->timers, &s->deadline.timer, now.mono + request->timeout_us);
    if (err != ERR_OK || c->in_flight > c->config.in_flight_max)
        fail(c, s, err != ERR_OK ? ERR_TOO_BIG : ERR_OVERLOADED);
    else
        prepare(c, now, s);
}

/* --- the change */

/* Of one row it was read what it is to be above. Others, and what lies in ranges that are deleted,
 * were perhaps not read. */
static bool was_read(const struct part *p)
{
    return p->rows_count + p->has_static <= 1 && p->tombs_count == 0 && tomb_is_none(&p->deletion);
}

/* Into the attempt, as it is to be accepted. */
static enum err change_encode(struct cas *s, const struct mutation *change, struct bytes *ret)
{
    struct buf out;
    buf_init(&out, CAS_VALUE_MAX);
    batch_encode(change, 1, &out);
    enum err err = buf_finish(&out);
    *ret = arena_copy(&s->attempt->arena, buf_bytes(&out));
    buf_close(&out);
    return err == ERR_OK ? ERR_OK : ERR_TOO_BIG;
}

void cas_asked(struct coord *c, struct now now, struct cas *s, const struct asked *a)
{
    int64_t stamp = part_max_timestamp(&s->change->part);
    struct bytes value = BYTES_NONE;
    enum err err = a->err;
    s->ask = NULL;
    if (err == ERR_OK && a->stamp > stamp)
        (void)part_restamp(&s->change->part, stamp, a->stamp);
    if (err == ERR_OK)
        err = change_encode(s, s->change, &value);
    if (err == ERR_OK && a->beyond) { /* it does not get above that */
        s->result.lost = LOST_STAMPED;
        s->result.lost_in = s->change->part.table;
        s->result.behind = c->config.clock_offset_max_us;
    }
    if (err != ERR_OK)
        fail(c, s, err);
    else
        propose(c, now, s, true, s->origin, value);
}

void cas_close(struct coord *c, struct cas *s)
{
    (void)c;
    s->ask = NULL;
}

static void ask_first(struct coord *c, struct now now, struct cas *s, struct bytes value)
{
    struct ask_of *of = arena_new(&s->attempt->arena, struct ask_of);
    struct ask_request r = {.of = of,
                            .count = 1,
                            .level = quorum_of(s->request.serial),
                            .until = now.wall + time_left(s, now),
                            .end_mono = s->deadline.timer.at,
                            .cas = s};
    struct asked asked = {.err = ERR_OK};
    size_t count = 0;
    asked.err = batch_decode(value, &s->attempt->arena, &s->change, &count);
    if (asked.err == ERR_OK) {
        *of = (struct ask_of){s->change->keyspace, &s->change->part, &s->change->supersede, false};
        r.stamp = part_max_timestamp(&s->change->part);
        s->state = CAS_STATE_ASKING;
        asked.err = ask_start(c, &r, &asked, &s->ask);
    }
    if (asked.err != ERR_BEHIND)
        cas_asked(c, now, s, &asked);
}

void cas_decide(struct coord *c, struct now now, uint64_t session, uint64_t op,
                const struct mutation *change)
{
    struct cas *s = map_get(&c->cas_by_op, session);
    struct bytes value = BYTES_NONE;
    if (s == NULL || s->state != CAS_STATE_DECIDING)
        return;
    map_remove(&c->cas_by_op, s->op);
    s->op = op;
    map_put(&c->cas_by_op, op, s);
    s->result = (struct coord_result){0};
    if (change == NULL && !may_be_applied(s)) {
        finish(c, s, ERR_OK, CAS_NOT_APPLIED);
        return;
    }
    if (change != NULL) {
        enum err err = change_encode(s, change, &value);
        if (err != ERR_OK) {
            fail(c, s, err);
            return;
        }
        cas_keep(c, s, value.len);
    }
    if (change != NULL && !was_read(&change->part)) {
        ask_first(c, now, s, value);
        return;
    }
    /* What changes nothing is nobody's: it must not be taken for a change that we made before. */
    propose(c, now, s, true, change != NULL ? s->origin : (struct dot){{0, 0}, 0}, value);
}
