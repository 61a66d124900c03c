#include "node/heal/pace.h"

#include "base/mutant.h"

static usec max_usec(usec a, usec b)
{
    return a > b ? a : b;
}

/* --- the foreground */

static bool is_resting(const struct foreground *f, usec now)
{
    return f->disturbed == 0 || now - f->disturbed >= FOREGROUND_REST;
}

/* Of an even number the lower one. */
static usec median(const usec *values, size_t count)
{
    usec sorted[FOREGROUND_BLOCKS];
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        for (; at > 0 && sorted[at - 1] > values[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = values[i];
    }
    return sorted[(count - 1) / 2];
}

/* During handoff the limit rises slowly: consequences of pulls reach into the pauses, as when the
 * disk is busy with what they brought. */
static void set_limit(struct foreground *f, bool resting)
{
    usec p99 = median(f->p99, f->blocks < FOREGROUND_BLOCKS ? f->blocks : FOREGROUND_BLOCKS);
    usec wanted = p99 + p99 / 10 + 1;
    if (f->limit == 0 || resting)
        f->limit = wanted;
    else if (wanted < f->limit)
        f->limit -= (f->limit - wanted) / 4;
    else
        f->limit += wanted - f->limit < f->limit / 8 ? wanted - f->limit : f->limit / 8;
}

static void learn(struct foreground *f, usec now, usec took)
{
    histogram_record(&f->quiet, took);
    if (f->quiet.count < FOREGROUND_LEARN)
        return;
    f->p99[f->blocks++ % FOREGROUND_BLOCKS] = histogram_percentile(&f->quiet, 990000);
    set_limit(f, is_resting(f, now));
    histogram_init(&f->quiet);
}

static void score(struct foreground *f, int32_t by)
{
    f->score += by;
    if (f->score > FOREGROUND_MOST)
        f->score = FOREGROUND_MOST;
    if (f->score < -FOREGROUND_TOLD)
        f->score = -FOREGROUND_TOLD;
}

static void score_time(struct foreground *f, usec now)
{
    usec idle = max_usec(now - f->scored, 0) / FOREGROUND_IDLE;
    f->scored += idle * FOREGROUND_IDLE;
    score(f, -(int32_t)(idle < FOREGROUND_TOLD ? idle : FOREGROUND_TOLD) * FOREGROUND_WORTH);
}

void foreground_note(struct foreground *f, usec now, usec took)
{
    if (took < 0)
        return;
    if (f->disturbed == 0 || now - took >= f->disturbed + FOREGROUND_QUIET)
        learn(f, now, took);
    if (is_resting(f, now))
        return;
    if (f->limit != 0 && took > f->limit) {
        score(f, FOREGROUND_OVER);
        f->scored = now;
        return;
    }
    usec scored = f->scored;
    score_time(f, now);
    if (f->scored == scored)
        score(f, -1);
    f->scored = now;
}

void foreground_disturb(struct foreground *f, usec now)
{
    if (is_resting(f, now)) {
        f->score = 0;
        f->scored = now;
    }
    f->disturbed = max_usec(f->disturbed, now);
}

enum pace_verdict foreground_verdict(struct foreground *f, usec now)
{
    enum pace_verdict verdict = PACE_UNSURE;
    score_time(f, now);
    if (f->score >= FOREGROUND_TOLD)
        verdict = PACE_SLOW;
    else if (f->score <= -FOREGROUND_TOLD)
        verdict = PACE_CALM;
    if (verdict != PACE_UNSURE)
        f->score = 0;
    return verdict;
}

/* --- the pace */

void pace_init(struct pace *p, uint64_t least, uint64_t most)
{
    *p = (struct pace){.least = least > 0 ? least : 1, .most = most};
    if (p->most < p->least)
        p->most = p->least;
}

static void change(struct pace *p, uint64_t rate)
{
    rate = rate < p->most ? rate : p->most;
    p->rate = rate > p->least ? rate : p->least;
    p->calm_here = p->calm_there = false;
}

void pace_hear(struct pace *p, bool here, enum pace_verdict verdict)
{
    if (p->rate == 0 || verdict == PACE_UNSURE)
        return;
    if (verdict == PACE_SLOW) {
        p->slowed[here ? 0 : 1]++;
        change(p, p->rate / 2);
        return;
    }
    p->calm_here |= here;
    p->calm_there |= !here;
    if (p->calm_here && p->calm_there && !MUTANT(pace_never_rises))
        change(p, p->rate < p->most / 2 ? p->rate + p->rate / 4 + 1 : p->most);
}

void pace_spent(struct pace *p, usec began, uint64_t bytes)
{
    if (p->rate == 0)
        return;
    uint64_t pause = (bytes < UINT32_MAX ? bytes : UINT32_MAX) * (uint64_t)USEC_PER_SEC / p->rate;
    uint64_t most = (uint64_t)PACE_PAUSE;
    p->resume = max_usec(p->resume, began) + (usec)(pause < most ? pause : most);
}

void pace_pulled(struct pace *p, usec asked, uint64_t bytes)
{
    pace_spent(p, asked, (bytes < UINT32_MAX ? bytes : UINT32_MAX) + PACE_COST);
}

usec pace_next(const struct pace *p, usec now)
{
    return max_usec(p->resume, now);
}

bool pace_is_idle(const struct pace *p, usec now)
{
    return p->rate == 0 || now - p->resume >= PACE_FORGET;
}

uint32_t pace_part(struct pace *p, usec now, uint32_t most)
{
    if (pace_is_idle(p, now)) {
        change(p, p->least <= p->most / PACE_FIRST ? p->least * PACE_FIRST : p->most);
        p->resume = now;
    }
    uint64_t part = p->rate / PACE_PARTS;
    if (part < PACE_PART_MIN)
        part = PACE_PART_MIN;
    return part < most ? (uint32_t)part : most;
}
