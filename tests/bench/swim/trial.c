#include "trial.h"

#include "base/mem.h"
#include "base/rng.h"

#include <stdlib.h>
#include <time.h>

#define AGREE_STEP  (2 * USEC_PER_SEC)
#define AGREE_LIMIT (900 * USEC_PER_SEC)

static void samples_add(struct samples *s, usec us)
{
    if (us == USEC_NEVER)
        return;
    s->values = mem_grow(s->values, s->count, &s->cap, sizeof *s->values);
    s->values[s->count++] = (double)us / USEC_PER_SEC;
}

static int by_size(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

double samples_at(struct samples *s, double p)
{
    if (s->count == 0)
        return 0;
    qsort(s->values, s->count, sizeof *s->values, by_size);
    size_t i = (size_t)(p / 100.0 * (double)(s->count - 1) + 0.5);
    return s->values[i];
}

double samples_mean(const struct samples *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->count; i++)
        sum += s->values[i];
    return s->count == 0 ? 0 : sum / (double)s->count;
}

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void calm(const struct trial *t, struct world *w, struct outcome *sum)
{
    struct world_traffic before = *world_get_traffic(w);
    double cpu = cpu_us();
    world_run(w, t->calm_us);
    const struct world_traffic *after = world_get_traffic(w);
    sum->cpu_us += cpu_us() - cpu;
    sum->calm.datagrams += after->datagrams - before.datagrams;
    sum->calm.datagram_bytes += after->datagram_bytes - before.datagram_bytes;
    sum->calm.streams += after->streams - before.streams;
    sum->calm.stream_bytes += after->stream_bytes - before.stream_bytes;
    sum->calm_s += (double)t->world.members * (double)t->calm_us / USEC_PER_SEC;
}

static bool all_known(const struct world *w)
{
    const struct world_crash *c;
    size_t count = world_crashes(w, &c);
    for (size_t i = 0; i < count; i++) {
        if (c[i].known == USEC_NEVER)
            return false;
    }
    return true;
}

static void crash_some(const struct trial *t, struct world *w, struct outcome *sum)
{
    struct rng rng;
    rng_init(&rng, t->world.seed);
    size_t victims = t->world.members - t->world.slow;
    for (size_t i = 0; i < t->crashes; i++) {
        size_t k;
        do {
            k = t->world.slow + (size_t)rng_below(&rng, victims);
        } while (world_core(w, k) == NULL);
        world_crash(w, k);
        world_run(w, (usec)rng_below(&rng, (uint64_t)(2 * t->gap_us + 1)));
    }
    for (usec spent = 0; spent < t->limit_us && !all_known(w); spent += USEC_PER_SEC)
        world_run(w, USEC_PER_SEC);
    const struct world_crash *c;
    size_t count = world_crashes(w, &c);
    for (size_t i = 0; i < count; i++) {
        samples_add(&sum->suspected, c[i].suspected);
        samples_add(&sum->dead, c[i].dead);
        samples_add(&sum->known, c[i].known);
    }
    sum->crashes += count;
}

void trial_run(const struct trial *t, struct outcome *sum)
{
    struct world *w = world_new(&t->world);
    world_run(w, t->warm_us);
    world_slow_from(w, world_time(w));
    calm(t, w, sum);
    crash_some(t, w, sum);
    const struct world_mistakes *m = world_get_mistakes(w);
    sum->mistakes.suspicions += m->suspicions;
    sum->mistakes.deaths += m->deaths;
    sum->mistakes.deaths_seen += m->deaths_seen;
    sum->mistakes.slow_deaths += m->slow_deaths;
    sum->mistakes.buried += m->buried;
    sum->hours += (double)world_time(w) / USEC_PER_SEC / 3600;
    world_check(w);
    world_heal(w);
    usec spent = 0;
    for (; !world_agrees(w) && spent < AGREE_LIMIT; spent += AGREE_STEP)
        world_run(w, AGREE_STEP);
    double agreed = spent < AGREE_LIMIT ? (double)spent / USEC_PER_SEC : -1;
    if (agreed < 0 || (sum->agreed_s >= 0 && agreed > sum->agreed_s))
        sum->agreed_s = agreed;
    sum->hash = world_hash(w);
    sum->runs++;
    world_free(w);
}

void outcome_close(struct outcome *o)
{
    mem_free(o->suspected.values);
    mem_free(o->dead.values);
    mem_free(o->known.values);
}
