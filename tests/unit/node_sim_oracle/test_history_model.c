/* Random histories held against a model.
 *
 * One cell, a few writes and reads, at random times. The model knows nothing of parts and floors:
 * it tries all orders of the writes that clocks allow, and for each whether all answers are right
 * in it. With client timestamps there is one order, and both must agree on every history; else the
 * model knows more (one order for all answers), so what it accepts must be accepted. */
#include "node/sim/oracle/history.h"

#include "base/rng.h"

#include <CUnit/CUnit.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MS(n)    ((n)*USEC_PER_MS)
#define REPLICAS 3
#define SKEW     MS(5)

#define WRITES_MAX 5
#define READS_MAX  6

struct model_write {
    bool is_delete;
    int64_t value, stamp;
    usec start, end;
    uint32_t replicas;
    bool open;
    size_t number;
};

struct model_read {
    int64_t value;
    usec start, end;
    uint32_t replicas;
};

struct model {
    struct model_write writes[WRITES_MAX];
    size_t writes_count;
    struct model_read reads[READS_MAX];
    size_t reads_count;
    bool stamped;
    size_t order[WRITES_MAX]; /* writes, the winner of all last */
};

static bool wins(const struct model_write *a, const struct model_write *b)
{
    if (a->stamp != b->stamp)
        return a->stamp > b->stamp;
    return a->is_delete != b->is_delete ? a->is_delete : a->value > b->value;
}

/* The place in the order of the last write that must be seen by then; -1: none. */
static int seen_by(const struct model *m, uint32_t need, usec start, const int *shown)
{
    int place = -1;
    for (size_t i = 0; i < m->writes_count; i++) {
        const struct model_write *w = &m->writes[m->order[i]];
        if (w->replicas >= need && w->end < start)
            place = (int)i;
    }
    for (size_t i = 0; shown != NULL && i < m->reads_count; i++) {
        const struct model_read *r = &m->reads[i];
        if (shown[i] > place && r->replicas >= need && r->end < start)
            place = shown[i];
    }
    return place;
}

/* The place of the last delete that may have been forgotten when a put was executed: what comes
 * before it does not count against that put. -1: none. */
static int forgotten_before(const struct model *m, const struct model_write *put, usec now)
{
    int place = -1;
    for (size_t i = 0; m->stamped && i < m->writes_count; i++) {
        const struct model_write *w = &m->writes[m->order[i]];
        if (w->is_delete && w->start <= now && (w->start < put->end || put->replicas == 0))
            place = (int)i;
    }
    return place;
}

/* `late` has ended, so many know it, and one of them acked `early`, which began then: it cannot be
 * earlier. */
static bool is_known_to(const struct model_write *late, uint32_t replicas, usec since,
                        const struct model_write *early)
{
    return !late->open && late->end < early->start && since < early->start && early->replicas > 0 &&
           replicas + early->replicas > REPLICAS;
}

/* The same of a read of a quorum that showed it before it was over: it is not stamped again when
 * a quorum has acked it. */
static bool is_seen_by(const struct model_write *late, const struct model_read *r,
                       const struct model_write *early)
{
    return late->replicas > REPLICAS / 2 && r->replicas > REPLICAS / 2 && r->end < early->start &&
           early->replicas > 0 && r->replicas + early->replicas > REPLICAS;
}

/* What a read showed is known. */
static bool comes_too_late(const struct model *m, size_t shown, const struct model_read *r)
{
    for (size_t i = 0; i < shown && !m->stamped; i++) {
        const struct model_write *late = &m->writes[m->order[shown]];
        const struct model_write *early = &m->writes[m->order[i]];
        if (is_known_to(late, r->replicas, r->end, early) || is_seen_by(late, r, early))
            return true;
    }
    return false;
}

/* Reads in the order of their ends. A value names its place; nothing is the first delete that can
 * be: later ones would demand more of the others. */
static bool all_right(const struct model *m)
{
    int shown[READS_MAX];
    for (size_t i = 0; i < READS_MAX; i++)
        shown[i] = -1;
    for (size_t i = 0; i < m->reads_count; i++) {
        const struct model_read *r = &m->reads[i];
        int least = seen_by(m, REPLICAS - r->replicas + 1, r->start, shown);
        bool found = r->value == HISTORY_NOTHING && least < 0;
        for (size_t k = 0; k < m->writes_count && !found; k++) {
            const struct model_write *w = &m->writes[m->order[k]];
            bool stands =
                (int)k >= least || (!w->is_delete && forgotten_before(m, w, r->end) >= least);
            if (w->start > r->end || !stands)
                continue;
            if (r->value == HISTORY_NOTHING ? w->is_delete
                                            : !w->is_delete && w->value == r->value) {
                shown[i] = (int)k;
                found = !comes_too_late(m, k, r);
            }
        }
        if (!found)
            return false;
    }
    return true;
}

static bool clocks_allow(const struct model *m)
{
    for (size_t i = 0; i < m->writes_count; i++) {
        for (size_t k = i + 1; k < m->writes_count; k++) {
            const struct model_write *early = &m->writes[m->order[i]];
            const struct model_write *late = &m->writes[m->order[k]];
            if (m->stamped ? wins(early, late)
                           : (!late->open && early->start > late->end + SKEW) ||
                                 is_known_to(late, late->replicas, late->end, early))
                return false;
        }
    }
    return true;
}

static bool some_order_is_right(struct model *m, size_t at)
{
    if (at == m->writes_count)
        return clocks_allow(m) && all_right(m);
    for (size_t i = at; i < m->writes_count; i++) {
        size_t swap = m->order[at];
        m->order[at] = m->order[i];
        m->order[i] = swap;
        bool good = some_order_is_right(m, at + 1);
        m->order[i] = m->order[at];
        m->order[at] = swap;
        if (good)
            return true;
    }
    return false;
}

static bool model_accepts(struct model *m)
{
    for (size_t i = 0; i < m->writes_count; i++)
        m->order[i] = i;
    return some_order_is_right(m, 0);
}

static void draw(struct rng *rng, struct model *m, bool stamped)
{
    memset(m, 0, sizeof *m);
    m->stamped = stamped;
    m->writes_count = 1 + (size_t)rng_below(rng, WRITES_MAX);
    m->reads_count = 1 + (size_t)rng_below(rng, READS_MAX);
    for (size_t i = 0; i < m->writes_count; i++) {
        struct model_write *w = &m->writes[i];
        w->is_delete = rng_chance(rng, 300000);
        w->value = (int64_t)i + 1;
        w->stamp = rng_between(rng, 1, 4);
        for (size_t k = 0; k < i; k++) /* which of two equal deletes was seen cannot be told */
            w->is_delete =
                w->is_delete && !(m->writes[k].is_delete && m->writes[k].stamp == w->stamp);
        w->start = MS(rng_between(rng, 0, 100));
        w->end = w->start + MS(rng_between(rng, 1, 20));
        w->replicas = (uint32_t)rng_below(rng, REPLICAS + 1);
        w->open = w->replicas == 0 && rng_chance(rng, 300000);
    }
    for (size_t i = 0; i < m->reads_count; i++) {
        struct model_read *r = &m->reads[i];
        r->start = MS(rng_between(rng, 0, 130));
        r->end = r->start + MS(rng_between(rng, 1, 20));
        r->replicas = (uint32_t)rng_between(rng, 1, REPLICAS);
        r->value = rng_chance(rng, 300000) ? HISTORY_NOTHING
                                           : rng_between(rng, 1, (int64_t)m->writes_count);
    }
    for (size_t i = 0; i < m->reads_count; i++) { /* by their ends */
        for (size_t k = i + 1; k < m->reads_count; k++) {
            if (m->reads[k].end < m->reads[i].end) {
                struct model_read r = m->reads[i];
                m->reads[i] = m->reads[k];
                m->reads[k] = r;
            }
        }
    }
}

static bool judge(struct history *h, const struct model_read *m, struct errmsg *why)
{
    struct history_read r = {
        .client = 9, .replicas = m->replicas, .start = m->start, .end = m->end, .key = 1};
    struct history_row row = {0, m->value};
    return history_judge(h, &r, &row, m->value != HISTORY_NOTHING, why);
}

/* Tell the history everything in the order of time: begins, then ends, then reads of a time. */
static bool told(struct history *h, struct model *m, struct errmsg *why)
{
    size_t next = 0;
    for (usec t = 0; t <= MS(160); t += MS(1)) {
        for (size_t i = 0; i < m->writes_count; i++) {
            struct model_write *w = &m->writes[i];
            if (w->start != t)
                continue;
            w->number = history_write(h, 0, w->stamp, t);
            if (w->is_delete)
                history_delete(h, w->number, 1, 0, 0);
            else
                history_put(h, w->number, 1, 0, w->value);
        }
        for (size_t i = 0; i < m->writes_count; i++) {
            const struct model_write *w = &m->writes[i];
            struct history_end e = {
                .end = t, .replicas = w->replicas, .open = w->open, .told = !m->stamped};
            if (w->end == t)
                history_wrote(h, w->number, &e);
        }
        for (; next < m->reads_count && m->reads[next].end == t; next++) {
            const struct model_read *r = &m->reads[next];
            if (!judge(h, r, why))
                return false;
        }
    }
    return true;
}

static bool history_accepts(struct model *m, struct errmsg *why)
{
    const struct history_config config = {"cell", REPLICAS, SKEW, m->stamped};
    struct history *h = history_new(&config);
    bool good = told(h, m, why);
    history_free(h);
    return good;
}

static void against_all_orders(bool stamped, uint64_t seed, int rounds)
{
    unsigned refused = 0, both = 0;
    struct rng rng;
    rng_init(&rng, seed);
    for (int i = 0; i < rounds; i++) {
        struct model m;
        draw(&rng, &m, stamped);
        bool theirs = model_accepts(&m);
        struct errmsg why = {""};
        bool ours = history_accepts(&m, &why);
        refused += !theirs;
        both += !theirs && !ours;
        if (ours != theirs && (stamped || theirs)) {
            printf("\n    seed %" PRIu64 " round %d: the model says %d; %s\n", seed, i, theirs,
                   why.text);
            CU_FAIL("the model says otherwise");
            return;
        }
    }
    CU_ASSERT(refused > (unsigned)rounds / 10);
    CU_ASSERT(both * 100 >= refused * 95); /* what only one order for all would show is rare */
}

static void against_a_model_with_stamps(void)
{
    against_all_orders(true, 1, 20000);
}

static void against_a_model_without(void)
{
    against_all_orders(false, 2, 20000);
}

CU_TestInfo history_model_tests[] = {
    {"with timestamps of clients", against_a_model_with_stamps},
    {"without", against_a_model_without},
    CU_TEST_INFO_NULL,
};
