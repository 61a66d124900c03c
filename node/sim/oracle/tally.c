#include "node/sim/oracle/tally.h"

#include "base/map.h"
#include "base/mem.h"

#include <inttypes.h>

#define ONE        ((int64_t)1 << 40)
#define SMALL_BITS 27 /* 4096 of them stay below ONE */

struct added {
    size_t next; /* of the same counter, + 1; 0: none */
    int64_t small;
    usec start, end;
    uint32_t known; /* by so many replicas; 0: not acked */
};

struct shown { /* a read, or the most that earlier ones of so many replicas showed */
    usec end;
    uint32_t replicas;
    int64_t count;
};

struct counter {
    size_t first, count; /* of its requests, the newest first; + 1 */
    struct shown *shown;
    size_t shown_count, shown_cap;
};

struct tally {
    uint32_t replicas;
    struct added *added;
    size_t added_count, added_cap;
    struct map counters;
    uint64_t held;
};

struct tally *tally_new(uint32_t replicas)
{
    struct tally *t = mem_new(struct tally);
    t->replicas = replicas;
    map_init(&t->counters);
    return t;
}

static void counter_free(void *p)
{
    struct counter *c = p;
    mem_free(c->shown);
    mem_free(c);
}

void tally_free(struct tally *t)
{
    if (t == NULL)
        return;
    map_clear(&t->counters, counter_free);
    map_close(&t->counters);
    mem_free(t->added);
    mem_free(t);
}

static struct counter *counter_of(struct tally *t, uint64_t key)
{
    struct counter *c = map_get(&t->counters, key + 1);
    if (c == NULL) {
        c = mem_new(struct counter);
        map_put(&t->counters, key + 1, c);
    }
    return c;
}

size_t tally_count(const struct tally *t, uint64_t key)
{
    const struct counter *c = map_get(&t->counters, key + 1);
    return c != NULL ? c->count : 0;
}

size_t tally_add(struct tally *t, uint64_t key, struct rng *rng, usec start, int64_t *ret_delta)
{
    struct counter *c = counter_of(t, key);
    t->added = mem_grow(t->added, t->added_count, &t->added_cap, sizeof *t->added);
    struct added *a = &t->added[t->added_count++];
    *a = (struct added){.next = c->first,
                        .small = (int64_t)rng_below(rng, (uint64_t)1 << SMALL_BITS),
                        .start = start,
                        .end = USEC_NEVER};
    c->first = t->added_count;
    c->count++;
    *ret_delta = ONE + a->small;
    return t->added_count - 1;
}

void tally_added(struct tally *t, size_t request, usec end, uint32_t replicas)
{
    t->added[request].end = end;
    t->added[request].known = replicas;
}

uint64_t tally_held(const struct tally *t)
{
    return t->held;
}

static void lose(uint32_t *known)
{
    *known -= *known > 0;
}

void tally_disk_lost(struct tally *t, usec at)
{
    uint64_t *keys = map_keys(&t->counters);
    for (size_t i = 0; i < t->added_count; i++) {
        if (t->added[i].end <= at)
            lose(&t->added[i].known);
    }
    for (size_t i = 0, n = map_count(&t->counters); i < n; i++) {
        struct counter *c = map_get(&t->counters, keys[i]);
        for (size_t k = 0; k < c->shown_count; k++)
            lose(&c->shown[k].replicas);
    }
    mem_free(keys);
}

void tally_all_equal(struct tally *t, usec at)
{
    for (size_t i = 0; i < t->added_count; i++) {
        if (t->added[i].end <= at && t->added[i].known > 0)
            t->added[i].known = t->replicas;
    }
}

/* Is `rest` the sum of `count` of the numbers? */
static bool can_be(const int64_t *numbers, size_t n, int64_t count, int64_t rest)
{
    if (count < 0 || (size_t)count > n || rest < 0)
        return false;
    if (n == 0)
        return rest == 0;
    return can_be(numbers + 1, n - 1, count - 1, rest - numbers[0]) ||
           can_be(numbers + 1, n - 1, count, rest);
}

static bool judge_set(struct tally *t, const struct counter *c, const struct tally_read *r,
                      int64_t count, int64_t small, struct errmsg *why)
{
    int64_t unsure[TALLY_UNSURE_MAX];
    size_t unsure_count = 0;
    int64_t must = 0;
    int64_t may = 0;
    for (size_t at = c->first; at != 0; at = t->added[at - 1].next) {
        const struct added *a = &t->added[at - 1];
        bool known = a->end <= r->start && r->replicas > 0 && a->known + r->replicas > t->replicas;
        may += known || a->start <= r->end;
        if (known) {
            must++;
            small -= a->small;
        } else if (a->start <= r->end && unsure_count++ < TALLY_UNSURE_MAX) {
            unsure[unsure_count - 1] = a->small;
        }
    }
    t->held += must > 0;
    if (count < must || count > may)
        return errmsg_set(why, ERR_FAILED,
                          "counter %" PRIu64 ": %" PRId64 " requests counted at %.6f..%.6f s by %u "
                          "replicas, but they are between %" PRId64 " and %" PRId64,
                          r->key, count, (double)r->start / USEC_PER_SEC,
                          (double)r->end / USEC_PER_SEC, r->replicas, must, may) == ERR_OK;
    if (unsure_count <= TALLY_UNSURE_MAX && !can_be(unsure, unsure_count, count - must, small))
        return errmsg_set(why, ERR_FAILED,
                          "counter %" PRIu64 ": %" PRId64 " requests are counted at %.6f s, but no "
                          "%" PRId64 " of them add up to that: one counts twice, one is lost",
                          r->key, count, (double)r->end / USEC_PER_SEC, count) == ERR_OK;
    return true;
}

/* Reads of so many replicas are kept as long as they say more than later ones of as many. */
static void keep_shown(struct counter *c, const struct tally_read *r, int64_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->shown_count; i++) {
        const struct shown *s = &c->shown[i];
        if (s->replicas > r->replicas || s->end < r->start || s->count > count)
            c->shown[kept++] = *s;
    }
    c->shown_count = kept;
    while (c->shown_count > 256) /* of so many some are very old */
        c->shown[0] = c->shown[--c->shown_count];
    c->shown = mem_grow(c->shown, c->shown_count, &c->shown_cap, sizeof *c->shown);
    c->shown[c->shown_count++] = (struct shown){r->end, r->replicas, count};
}

bool tally_judge(struct tally *t, const struct tally_read *r, int64_t value, struct errmsg *why)
{
    struct counter *c = counter_of(t, r->key);
    int64_t count = value == TALLY_NOTHING ? 0 : value / ONE;
    int64_t small = value == TALLY_NOTHING ? 0 : value % ONE;
    if (!judge_set(t, c, r, count, small, why))
        return false;
    for (size_t i = 0; i < c->shown_count && r->replicas > 0; i++) {
        const struct shown *s = &c->shown[i];
        if (s->end <= r->start && s->replicas > 0 && s->replicas + r->replicas > t->replicas &&
            s->count > count)
            return errmsg_set(why, ERR_FAILED,
                              "counter %" PRIu64 ": %" PRId64 " requests counted at %.6f s by %u "
                              "replicas, after %" PRId64 " at %.6f s by %u",
                              r->key, count, (double)r->end / USEC_PER_SEC, r->replicas, s->count,
                              (double)s->end / USEC_PER_SEC, s->replicas) == ERR_OK;
    }
    if (r->replicas > 0)
        keep_shown(c, r, count);
    return true;
}
