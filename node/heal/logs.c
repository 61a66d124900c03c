/* Range logs are kept short: what all replicas have goes, and what makes a log too long or too old
 * goes whoever lacks it. Who asks for that is told that it is gone (serve.c), and marks the range.
 *
 * Logs shorter than `keep` are nobody's concern. Of a longer one the other replicas are asked what
 * they have durably, together with what is asked for the sake of garbage (agree.h). A walk takes
 * away what is worth it, some entries in each turn. Entries have no time, so each log is sampled,
 * eight times in its bounds. */
#include "node/heal/heal_core.h"

#define PRUNE_ENTRIES 2048u /* in one turn: fewer make trees dearer */
#define PRUNE_PAUSE   (5 * USEC_PER_MS)
#define PRUNE_BUSY    (25 * USEC_PER_MS) /* when clients wait */
#define PRUNE_SHARE   8u                 /* it is worth it when one in so many entries goes */
#define SAMPLES       8u                 /* in the bounds of a log */

/* The most that a log may have: when all together are too long, each gives up its part. */
static uint64_t bytes_max(const struct heal *h, uint64_t bytes)
{
    const struct log_bounds *b = &h->config.logs;
    uint64_t total = h->stats.logs_bytes;
    if (total <= b->total || total == 0)
        return b->max;
    uint64_t part = (uint64_t)((double)bytes * ((double)b->total / (double)total));
    return part < b->max ? part : b->max;
}

static uint64_t step_bytes(const struct heal *h)
{
    const struct log_bounds *b = &h->config.logs;
    uint64_t part = b->total / (h->logs_ranges > 0 ? h->logs_ranges : 1);
    return (part < b->max ? part : b->max) / SAMPLES + 1;
}

static void look_at(struct heal *h, struct now now, keyspace_no keyspace, range_no range)
{
    const struct log_bounds *b = &h->config.logs;
    struct log_figures f;
    engine_log_figures(h->engine, keyspace, range, &f);
    if (f.bytes == 0 || !agree_is_ours(h, keyspace, range))
        return;
    h->logs_ranges++;
    h->stats.logs_bytes += f.bytes;
    engine_log_sample(h->engine, keyspace, range, now.wall / USEC_PER_SEC, step_bytes(h),
                      b->window_us / USEC_PER_SEC / SAMPLES);
    if (f.bytes <= b->keep)
        return;
    struct agreement *a = agree_open(h, keyspace, range);
    if (a != NULL)
        a->long_log = true;
}

void logs_tick(struct heal *h, struct now now)
{
    keyspace_no keyspace = 0;
    h->stats.logs_bytes = 0;
    h->logs_ranges = 0;
    while (cluster_next_keyspace(h->cluster, keyspace, &keyspace)) {
        range_no range = 0;
        while (engine_next_range(h->engine, keyspace, range, &range))
            look_at(h, now, keyspace, range++);
        keyspace++;
    }
    if (h->logs_due == USEC_NEVER && h->logs_ranges > 0)
        h->logs_due = now.mono;
}

/* --- turns */

/* What all have goes, when that is much of it. True: something was done. */
static bool prune(struct heal *h, keyspace_no keyspace, range_no range, bool *ret_done)
{
    const struct agreement *a = agree_find(h, keyspace, range);
    struct log_figures before, after;
    struct clock known, gone;
    bool worth = false;
    if (a == NULL || !a->long_log)
        return false;
    clock_init(&known);
    clock_init(&gone);
    agree_known(a, &known);
    clock_common(&known, engine_log_floor(h->engine, keyspace, range), &gone);
    engine_log_figures(h->engine, keyspace, range, &before);
    worth = (clock_count(&known) - clock_count(&gone)) * PRUNE_SHARE > before.dots;
    if (worth &&
        engine_log_prune(h->engine, keyspace, range, &known, PRUNE_ENTRIES, ret_done) != ERR_OK)
        *ret_done = true;
    engine_log_figures(h->engine, keyspace, range, &after);
    h->stats.log_pruned += after.pruned - before.pruned;
    clock_close(&known);
    clock_close(&gone);
    return worth;
}

/* What is too much goes. Our clock may be wrong: then age says nothing. */
static bool cut(struct heal *h, struct now now, keyspace_no keyspace, range_no range,
                bool *ret_done)
{
    struct log_figures before, after;
    int64_t before_s = (now.wall - h->config.logs.window_us) / USEC_PER_SEC;
    engine_log_figures(h->engine, keyspace, range, &before);
    if (engine_log_cut(h->engine, keyspace, range, bytes_max(h, before.bytes),
                       h->clock_doubtful ? INT64_MIN : before_s, PRUNE_ENTRIES, ret_done) != ERR_OK)
        *ret_done = true;
    engine_log_figures(h->engine, keyspace, range, &after);
    h->stats.log_cut += after.pruned - before.pruned;
    return after.pruned > before.pruned;
}

/* True: a turn was taken; it goes on with the range unless *ret_done. */
static bool turn(struct heal *h, struct now now, keyspace_no keyspace, range_no range,
                 bool *ret_done)
{
    *ret_done = true;
    if (!agree_is_ours(h, keyspace, range) || compare_is_under_way(h, keyspace, range))
        return false;
    return prune(h, keyspace, range, ret_done) || cut(h, now, keyspace, range, ret_done);
}

void logs_some(struct heal *h, struct now now)
{
    keyspace_no keyspace = (keyspace_no)(h->logs_from >> 32);
    range_no range = (range_no)h->logs_from;
    for (; cluster_next_keyspace(h->cluster, keyspace, &keyspace); keyspace++, range = 0) {
        if (keyspace != (keyspace_no)(h->logs_from >> 32))
            range = 0;
        while (engine_next_range(h->engine, keyspace, range, &range)) {
            bool done;
            if (turn(h, now, keyspace, range, &done)) {
                h->logs_from = ((uint64_t)keyspace << 32 | range) + done;
                h->logs_due = now.mono + (h->busy ? PRUNE_BUSY : PRUNE_PAUSE);
                return;
            }
            range++;
        }
    }
    h->logs_from = 0;
    h->logs_due = USEC_NEVER; /* until the next tick */
}
