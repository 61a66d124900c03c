/* What a run becomes where it is minted, and what its client is told (docs/versions.md).
 *
 * A write that the server stamps is to win over all that was acked before it came, whoever's clock
 * stamped that. At levels whose quorums meet its stamp is above that before it comes here
 * (coord_ask.c), and is not touched any more. At the others whoever mints it raises it above all
 * that is there: a later write that meets none of those who have it may be older.
 *
 * No stamp goes further ahead of our clock than clocks may differ: what is beyond that is a
 * client's, and honoured. Nor is it raised above the time at which the client had its answer: a
 * request that was held up (by a process that stood still, say) and is taken when all have given it
 * up must not overrule what was acked since. (When that is certain, it is not taken at all: what
 * deleted it may be forgotten.)
 *
 * Replicas say what a write loses to. What wins over a client's timestamp, or is above all that the
 * server may give, the client is told.
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

/* The stamp is of when the request came, and something may have been read for it since. */
int64_t stamp_until(const struct coord *c, int64_t stamp, usec timeout_us)
{
    return (stamp > c->now.wall ? stamp : c->now.wall) + timeout_us;
}

static int64_t raise_limit(const struct coord *c, const struct run *run)
{
    int64_t limit = stamp_limit(c);
    return limit < run->until ? limit : run->until;
}

static bool is_asked(const struct run *run)
{
    return run->limit != INT64_MIN;
}

int64_t stamp_above(int64_t timestamp)
{
    return timestamp < INT64_MAX - 2 ? timestamp + 2 : INT64_MAX;
}

static bool raise_above(struct coord *c, struct run *run, int64_t timestamp)
{
    int64_t to = stamp_above(timestamp);
    if (to > raise_limit(c, run) || to <= run->stamp || !part_restamp(&run->part, run->stamp, to))
        return false;
    run->stamp = to;
    return true;
}

static bool raises(const struct run *run)
{
    return run->stamp != 0 && (!is_asked(run) || MUTANT(asked_is_raised)) && !MUTANT(never_raised);
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
 * it would not be kept. What was asked for only its own client's coordinator raises: nobody else
 * mints it then, and it was seen by nobody. (Many requests of one connection may be under way.) */
enum err stamp_mint_siblings(struct coord *c, struct now now, struct run *run, struct dot dot)
{
    struct arena *arena = &run->memory->arena;
    struct minted m = {0};
    bool may_raise = run->owner != NULL || raises(run);
    enum err err = ERR_OK;
    for (int i = 0; i < 2; i++) {
        err = engine_supersede(c->engine, run->keyspace, run->range, &run->part, &run->supersede,
                               dot, run->stamp, now.wall / USEC_PER_SEC, arena, &m);
        if (err != ERR_OK || !m.stamped.lost || !may_raise || !raise_above(c, run, m.stamped.by))
            break;
        c->stats.raised++;
    }
    if (err != ERR_OK)
        return err;
    run->sent = m.part;
    run->merged = m.merged;
    run->minted = (struct verdict){m.given, m.stamped, false};
    c->stats.merged += m.merged;
    return ERR_OK;
}

enum err stamp_mint(struct coord *c, struct now now, struct run *run, struct dot dot)
{
    struct part *p = &run->part;
    struct arena *arena = &run->memory->arena;
    int64_t maximum = engine_maximum(c->engine, p->table, p->token);
    struct weighed w = {.newest = true};
    bool guessed =
        run->kind != WRITE_COUNTER && engine_maximum_is_bound(c->engine, p->table, p->token);
    if (raises(run) && part_min_timestamp(p) <= maximum && !guessed)
        c->stats.raised += raise_above(c, run, maximum);
    part_set_dot(p, dot);
    run->sent = *p;
    run->context = BYTES_NONE;
    run->minted = (struct verdict){0};
    if (is_seen(run, maximum, stamp_limit(c)))
        return ERR_OK;
    enum err err = engine_weigh(c->engine, p, NULL, run->stamp, now.wall / USEC_PER_SEC, arena, &w);
    /* The largest of the bucket may be beyond the limit, and another partition's. */
    if (err == ERR_OK && w.stamped.lost && raises(run) && raise_above(c, run, w.stamped.by)) {
        c->stats.raised++;
        err = engine_weigh(c->engine, p, NULL, run->stamp, now.wall / USEC_PER_SEC, arena, &w);
    }
    if (err != ERR_OK)
        return err;
    run->sent = w.part;
    run->minted = (struct verdict){w.given, w.stamped, false};
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
    bool raised = few_have(run->level) && !is_asked(run) && run->stamp > run->came;
    if (run->held || (result->err == ERR_OK && !raised) || !minted || run->stamp == 0 ||
        ahead <= 0 || ahead > c->config.clock_offset_max_us || now >= run->end_mono)
        return false;
    run->held = true;
    run->outcome = *result;
    timers_set(&c->timers, &run->deadline.timer,
               ahead < run->end_mono - now ? now + ahead : run->end_mono);
    return true;
}

static void tell(const struct run *run, const struct verdict *v, struct loss *worst,
                 struct coord_result *ret)
{
    bool stamped = v->stamped.lost && v->stamped.by >= run->stamp;
    /* Else it came after it: it was above all that a quorum had before. (What its own writer had
     * under way at the same time stands where siblings are kept, and this is nowhere.) */
    bool before =
        !is_asked(run) || run->supersede.siblings || (run->beyond && v->stamped.by > run->limit);
    if (stamped && before) {
        ret->lost = LOST_STAMPED;
        loss_add(worst, v->stamped.by);
    }
    if (v->given.lost) {
        ret->lost = ret->lost == LOST_NONE ? LOST_GIVEN : ret->lost;
        loss_add(worst, v->given.by);
    }
}

void stamp_tell(const struct run *run, struct coord_result *ret)
{
    struct loss worst = {0};
    /* Who got what it was merged with finds nothing newer than that: its minter knows, though
     * perhaps it has not acked it yet. */
    tell(run, &run->minted, &worst, ret);
    for (size_t i = 0; i < run->targets; i++) {
        if (run->target[i].told)
            tell(run, &run->target[i].verdict, &worst, ret);
    }
    int64_t own = part_min_timestamp(&run->part);
    if (worst.lost && worst.by > own)
        ret->behind = own < 0 && worst.by > INT64_MAX + own ? INT64_MAX : worst.by - own;
    ret->lost_in = run->part.table;
}
