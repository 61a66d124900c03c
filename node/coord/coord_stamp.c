/* No write is lost in silence (docs/versions.md).
 *
 * A write that the server stamps is to win over all that was acked before it came, whoever's clock
 * stamped that. Where it is minted its timestamp is raised above all that is there; a replica where
 * it loses all the same says so with its ack, and then the run is stamped above that and goes to
 * all of them once more, under a new dot, before it is acked.
 *
 * The first answer of each replica counts: what the write loses to in a later round came there
 * after the write, so it is newer, and it is right that it wins. So there are never more rounds
 * than replicas.
 *
 * A first answer may come late, too: somebody has read the write where it was, and written over it,
 * before its message came to the replica that answers. To stamp it above that would lose what was
 * written with knowledge of it. So where the level is one any two quorums of which meet (or has so
 * many), quorums decide (stamp_rule; docs/versions.md has the argument):
 *
 *   wins       so many say that it wins: whatever was acked at that level before the write came is
 *              at one of those. It stands as it is.
 *   overruled  so many say that it lost that no quorum is left without one of them: no read at that
 *              level has shown it. It is stamped again.
 *   open       who has yet to answer may decide it.
 *   unknown    who could decide it does not answer. That is a timeout.
 *
 * A replica that has had some of it before its message came, and so may have shown it, says that it
 * wins (early.h), or that it does not know. At the other levels one loss has it stamped again.
 *
 * No stamp goes further ahead of our clock than clocks may differ: what is beyond that is a
 * client's, and honoured. Nor is it raised above the time at which the client had its answer: a
 * request that was held up (by a process that stood still, say) and is taken when all have given it
 * up must not overrule what was acked since. (When that is certain, it is not taken at all: what
 * deleted it may be forgotten.) Then, and when it is the client's timestamp that
 * loses, the client is told.
 *
 * What a quorum has may be stamped ahead of the clock: whatever comes after it finds it. What was
 * raised at ONE, TWO or THREE few have, and what has failed may be seen all the same; so these are
 * told when the clock has come to the stamp, and not as soon as it is known (stamp_holds). */
#include "node/coord/coord_core.h"

#include "base/mutant.h"

int64_t stamp_limit(const struct coord *c)
{
    return c->clock_doubtful ? INT64_MIN : c->now.wall + c->config.clock_offset_max_us;
}

static int64_t raise_limit(const struct coord *c, const struct run *run)
{
    int64_t limit = stamp_limit(c);
    limit = limit < run->until ? limit : run->until;
    bool handed_on = run->owner == NULL && !MUTANT(handed_on_overtakes);
    return handed_on && run->limit < limit ? run->limit : limit;
}

/* What is replaced has the timestamp below the stamp's (part_restamp): so two above. */
static int64_t above(int64_t timestamp)
{
    return timestamp < INT64_MAX - 2 ? timestamp + 2 : INT64_MAX;
}

static bool raise_above(struct coord *c, struct run *run, int64_t timestamp)
{
    int64_t to = above(timestamp);
    if (to > raise_limit(c, run) || to <= run->stamp || !part_restamp(&run->part, run->stamp, to))
        return false;
    run->stamp = to;
    return true;
}

/* Increments are always stamped above all that is here, and what goes with them (an increment that
 * is sent again, sums) is seen here: nothing shadows them. */
static bool is_seen(const struct run *run, int64_t maximum, int64_t limit)
{
    return run->kind == WRITE_COUNTER && maximum < limit;
}

static void take_context(struct coord *c, struct run *run)
{
    const struct clock *clock = engine_clock(c->engine, run->keyspace, run->range);
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    clock_encode(clock, &out);
    run->context = arena_copy(&run->memory->arena, buf_bytes(&out));
    buf_close(&out);
}

/* What a writer's later value is compared with here is its own earlier one (siblings.h): below that
 * it would not be kept. */
enum err stamp_mint_siblings(struct coord *c, struct now now, struct run *run, struct dot dot)
{
    struct arena *arena = &run->memory->arena;
    struct minted m = {0};
    enum err err = ERR_OK;
    for (int i = 0; i < 2; i++) {
        err = engine_supersede(c->engine, run->keyspace, run->range, &run->part, &run->supersede,
                               dot, run->stamp, now.wall / USEC_PER_SEC, arena, &m);
        if (err != ERR_OK || !m.stamped.lost || !raise_above(c, run, m.stamped.by))
            break;
        c->stats.raised++;
    }
    if (err != ERR_OK)
        return err;
    run->sent = m.part;
    run->merged = m.merged;
    run->minted = (struct verdict){m.given, m.stamped, false, false};
    c->stats.merged += m.merged;
    return ERR_OK;
}

enum err stamp_mint(struct coord *c, struct now now, struct run *run, struct dot dot)
{
    struct part *p = &run->part;
    struct arena *arena = &run->memory->arena;
    int64_t maximum = engine_maximum(c->engine, p->table, p->token);
    struct weighed w = {.newest = true};
    if (run->stamp != 0 && run->again == 0 && part_min_timestamp(p) <= maximum &&
        !MUTANT(never_stamped_again))
        c->stats.raised += raise_above(c, run, maximum);
    part_set_dot(p, dot);
    run->sent = *p;
    run->context = BYTES_NONE;
    run->minted = (struct verdict){0};
    if (is_seen(run, maximum, stamp_limit(c)))
        return ERR_OK;
    enum err err = engine_weigh(c->engine, p, NULL, run->stamp, now.wall / USEC_PER_SEC, arena, &w);
    /* The largest of the bucket may be beyond the limit, and another partition's. */
    if (err == ERR_OK && w.stamped.lost && run->again == 0 && !MUTANT(never_stamped_again) &&
        raise_above(c, run, w.stamped.by)) {
        c->stats.raised++;
        err = engine_weigh(c->engine, p, NULL, run->stamp, now.wall / USEC_PER_SEC, arena, &w);
    }
    if (err != ERR_OK)
        return err;
    run->sent = w.part;
    run->minted = (struct verdict){w.given, w.stamped, w.some, false};
    /* Nothing that could have covered it was dropped here, unless it is as old. Where the range was
     * taken over the bound may be above all that was ever applied. */
    if (part_min_timestamp(p) <= engine_purged_bound(c->engine, p->table, p->token))
        take_context(c, run);
    return ERR_OK;
}

enum err stamp_check_replay(const struct coord *c, const struct run *run)
{
    const struct part *p = &run->part;
    int64_t bound;
    if (!run->replay)
        return ERR_OK;
    enum err err = engine_read_purged(c->engine, p->table, p->token, &bound);
    return err == ERR_OK && part_min_timestamp(p) <= bound ? ERR_STALE : err;
}

static size_t newer_cells(struct row *r, int64_t bound)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->cells_count; i++) {
        const struct cell *cell = &r->cells[i];
        bool value = cell->kind == CELL_LIVE || cell->kind == CELL_EXPIRING;
        if (!value || cell->timestamp > bound)
            r->cells[kept++] = *cell;
    }
    size_t gone = r->cells_count - kept;
    r->cells_count = kept;
    return gone;
}

/* With siblings all of a request has one timestamp. */
enum err stamp_leave_out(const struct coord *c, struct run *run)
{
    struct part *p = &run->part;
    int64_t bound;
    size_t gone = 0;
    enum err err = engine_read_purged(c->engine, p->table, p->token, &bound);
    if (err != ERR_OK || part_min_timestamp(p) > bound || MUTANT(hint_raises_dead))
        return err;
    for (size_t i = 0; i < p->rows_count; i++)
        gone += newer_cells(&p->rows[i], bound);
    if (p->has_static)
        gone += newer_cells(&p->static_row, bound);
    run->left_out = gone > 0;
    part_normalise(p, &run->memory->arena);
    return part_is_empty(p) ? ERR_STALE : ERR_OK;
}

bool stamp_is_given_up(const struct coord *c, const struct run *run)
{
    return run->owner == NULL && !c->clock_doubtful &&
           c->now.wall - c->config.clock_offset_max_us > run->until;
}

int64_t stamp_limit_of_next(struct coord *c, struct run *run)
{
    int64_t limit = raise_limit(c, run);
    limit -= limit > INT64_MIN;
    run->limit = limit > run->limit ? limit : run->limit;
    return run->limit;
}

void stamp_forward_again(struct coord *c, struct run *run)
{
    int64_t limit = raise_limit(c, run);
    limit = limit > run->limit ? limit : run->limit + 1;
    run->forward_lost = true;
    if (!run->weighs || run->came == 0 || run->came >= limit ||
        !part_restamp(&run->part, run->came, limit))
        return;
    run->sent = run->part;
    c->in_flight -= run->encoded.len;
    if (run_encode(run) == ERR_OK)
        run->stamp = run->came = limit;
    c->in_flight += run->encoded.len;
}

enum err stamp_forward_err(const struct run *run, enum err err)
{
    bool undone = err == ERR_UNAVAILABLE || err == ERR_OVERLOADED;
    return undone && run->forward_lost ? ERR_TIMEOUT : err;
}

/* A later write at the same level may meet none of those who have acked. */
static bool few_have(enum level level)
{
    return level == LEVEL_ANY || level == LEVEL_ONE || level == LEVEL_TWO || level == LEVEL_THREE ||
           level == LEVEL_LOCAL_ONE;
}

bool stamp_holds(struct coord *c, struct run *run, const struct coord_result *result)
{
    usec now = c->now.mono;
    int64_t ahead = run->stamp - c->now.wall;
    bool minted = run->dot.n > 0 || run->forwarded;
    bool raised = few_have(run->level) && (run->stamp > run->came || run->forward_lost);
    if (run->held || (result->err == ERR_OK && !raised) || !minted || run->stamp == 0 ||
        ahead <= 0 || ahead > c->config.clock_offset_max_us || now >= run->end_mono)
        return false;
    run->held = true;
    run->outcome = *result;
    timers_set(&c->timers, &run->deadline.timer,
               ahead < run->end_mono - now ? now + ahead : run->end_mono);
    return true;
}

/* Something there is above it, and a later stamp may be above that. */
static bool is_below(const struct coord *c, const struct run *run, size_t i)
{
    const struct loss *l = &run->target[i].verdict.stamped;
    return run->target[i].told && l->lost && l->by >= run->stamp &&
           above(l->by) <= raise_limit(c, run);
}

static bool loses_at(const struct coord *c, const struct run *run, size_t i)
{
    return is_below(c, run, i) && !run->target[i].verdict.unsure;
}

static uint32_t below(const struct coord *c, const struct run *run)
{
    uint32_t n = 0;
    for (size_t i = 0; i < run->targets; i++)
        n += is_below(c, run, i);
    return n;
}

/* Nothing of what lost where it is minted was ever seen: the others got what won instead, and do
 * not say so. */
static bool is_asked(const struct run *run)
{
    bool lost = run->minted.stamped.lost && !run->minted.unsure;
    return run->proves && !lost && !MUTANT(first_loss_decides);
}

/* Those that have it and where it wins, and who may yet be one of them. Who stands in for a replica
 * does not know whether it loses there. */
static void winners(const struct coord *c, const struct run *run, struct quorums *q)
{
    for (size_t i = 0; i < run->targets; i++) {
        bool has = run->target[i].state == REPLICA_ACKED;
        if ((!has && run->target[i].state != REPLICA_WAITING) || is_below(c, run, i) ||
            (run->to != 0 && run->target[i].node != run->to))
            continue;
        quorums_member(q, run->target[i].standing);
        if (has)
            quorums_ack(q, run->target[i].standing);
    }
}

/* No quorum is without one where it has lost: of those that have said so, or, at best, of these
 * and of those that have yet to answer. */
static bool is_overruled(const struct coord *c, const struct run *run, bool at_best)
{
    struct quorums q = run->proof;
    for (size_t i = 0; i < run->targets; i++) {
        bool may = run->target[i].state == REPLICA_WAITING && !run->target[i].told;
        if (!loses_at(c, run, i) && !(at_best && may))
            quorums_member(&q, run->target[i].standing);
    }
    return quorums_shut(&q);
}

static bool stamp_again(struct coord *c, struct run *run)
{
    int64_t by = INT64_MIN;
    for (size_t i = 0; i < run->targets; i++) {
        if (is_below(c, run, i) && run->target[i].verdict.stamped.by > by)
            by = run->target[i].verdict.stamped.by;
    }
    if (run->again == REPLICAS_MAX || MUTANT(never_stamped_again) || !raise_above(c, run, by))
        return false;
    run->again++;
    c->stats.stamped_again++;
    return true;
}

enum stamp_ruling stamp_rule(struct coord *c, struct run *run)
{
    if (run->stamp == 0 || below(c, run) == 0)
        return STAMP_STANDS;
    if (is_asked(run)) {
        struct quorums q = run->proof;
        winners(c, run, &q);
        if (quorums_state(&q) == QUORUM_ENOUGH)
            return STAMP_STANDS;
        if (!is_overruled(c, run, false))
            return quorums_state(&q) == QUORUM_WAITING || is_overruled(c, run, true)
                       ? STAMP_OPEN
                       : STAMP_UNKNOWN;
    }
    return stamp_again(c, run) ? STAMP_AGAIN : STAMP_STANDS;
}

void stamp_tell_undecided(struct coord *c, const struct run *run, struct coord_result *ret)
{
    struct quorums q = run->proof;
    if (run->stamp == 0 || !is_asked(run) || below(c, run) == 0 ||
        quorums_state(&run->quorums) != QUORUM_ENOUGH)
        return;
    winners(c, run, &q);
    uint32_t won = quorum_acked(quorums_telling(&q));
    ret->newer = below(c, run);
    ret->received = won < ret->required ? won : ret->required - 1;
    c->stats.undecided++;
}

static void tell(const struct run *run, const struct verdict *v, struct loss *worst,
                 struct coord_result *ret)
{
    if (v->stamped.lost && v->stamped.by >= run->stamp) {
        ret->lost = LOST_STAMPED;
        loss_add(worst, v->stamped.by);
    }
    if (v->given.lost) {
        ret->lost = ret->lost == LOST_NONE ? LOST_GIVEN : ret->lost;
        loss_add(worst, v->given.by);
    }
}

/* Somewhere something is above it, and all the same it wins at as many as the level needs. */
static bool wins_elsewhere(const struct coord *c, const struct run *run)
{
    if (!run->weighs || run->stamp == 0 || !is_asked(run) || below(c, run) == 0)
        return false;
    struct quorums q = run->quorums;
    quorums_restart(&q);
    winners(c, run, &q);
    return quorums_state(&q) == QUORUM_ENOUGH;
}

void stamp_tell(const struct coord *c, const struct run *run, struct coord_result *ret)
{
    struct loss worst = {0};
    bool won = wins_elsewhere(c, run);
    /* Who got what it was merged with finds nothing newer than that: its minter knows, though
     * perhaps it has not acked it yet. */
    tell(run, &run->minted, &worst, ret);
    for (size_t i = 0; i < run->targets; i++) {
        struct verdict v = run->target[i].verdict;
        if (won && is_below(c, run, i))
            v.stamped = (struct loss){0};
        if (run->target[i].told)
            tell(run, &v, &worst, ret);
    }
    int64_t own = part_min_timestamp(&run->part);
    if (worst.lost && worst.by > own)
        ret->behind = own < 0 && worst.by > INT64_MAX + own ? INT64_MAX : worst.by - own;
    ret->lost_in = run->part.table;
}
