#include "tables.h"

#include "base/types.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define S USEC_PER_SEC

static const struct trial usual = {.world = {.members = 128, .seed = 1},
                                   .warm_us = 20 * S,
                                   .calm_us = 60 * S,
                                   .gap_us = S,
                                   .limit_us = 300 * S};

static void run_all(const struct trial *t, size_t runs, struct outcome *sum)
{
    memset(sum, 0, sizeof *sum);
    for (size_t i = 0; i < runs; i++) {
        struct trial one = *t;
        one.world.seed += i;
        trial_run(&one, sum);
    }
}

static void print_times(struct samples *s)
{
    printf(" %.1f / %.1f / %.1f |", samples_at(s, 50), samples_at(s, 99), samples_at(s, 100));
}

static void print_agreed(const struct outcome *o)
{
    if (o->agreed_s < 0)
        printf(" never |\n");
    else
        printf(" %.0f s |\n", o->agreed_s);
    fflush(stdout);
}

/* --- how it grows */

static void scale(void)
{
    static const struct {
        size_t members, crashes;
        usec gap;
        size_t runs;
    } rows[] = {{100, 40, S, 5},   {300, 40, S, 3},  {1000, 40, S, 3},
                {1000, 100, 0, 1}, {3000, 40, S, 1}, {5000, 30, S, 1}};
    printf("| members | crashes | suspected: mean | median / 99th / longest | dead to one | "
           "dead to all | datagrams /s | B/s | push/pull B/s | CPU us/s | MiB |\n"
           "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct trial t = usual;
        struct outcome o;
        struct rusage usage;
        t.world.members = rows[i].members;
        t.crashes = rows[i].crashes;
        t.gap_us = rows[i].gap;
        run_all(&t, rows[i].runs, &o);
        getrusage(RUSAGE_SELF, &usage);
        printf("| %zu | %zu%s | %.2f |", rows[i].members, o.crashes,
               rows[i].gap == 0 ? " at once" : "", samples_mean(&o.suspected));
        print_times(&o.suspected);
        print_times(&o.dead);
        print_times(&o.known);
        printf(" %.2f | %.0f | %.0f | %.1f | %ld |\n", (double)o.calm.datagrams / o.calm_s,
               (double)o.calm.datagram_bytes / o.calm_s, (double)o.calm.stream_bytes / o.calm_s,
               o.cpu_us / o.calm_s, usage.ru_maxrss / 1024);
        fflush(stdout);
        outcome_close(&o);
    }
}

/* --- loss */

static void loss(void)
{
    static const struct {
        const char *name;
        uint32_t without;
        usec calm;
    } kinds[] = {{"Torc", 0, 600 * S},
                 {"without the ping over the stream", GOSSIP_STREAM_PROBE, 120 * S},
                 {"SWIM, suspicion only", PARTS_BARE, 120 * S}};
    static const uint32_t losses[] = {0, 1, 5, 10};
    printf("| | loss | hours | suspicions a member and hour | healthy buried | by so many | "
           "dead to all | datagrams /s | B/s | agreement |\n"
           "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        for (size_t i = 0; i < ARRAY_LEN(losses); i++) {
            struct trial t = usual;
            struct outcome o;
            t.world.members = 1000;
            t.world.loss = losses[i] * 10000;
            t.world.gossip.without = kinds[k].without;
            t.calm_us = kinds[k].calm;
            t.crashes = 20;
            run_all(&t, 1, &o);
            printf("| %s | %u %% | %.2f | %.2f | %llu | %llu |", kinds[k].name, losses[i], o.hours,
                   (double)o.mistakes.suspicions / 1e6 / o.hours,
                   (unsigned long long)o.mistakes.buried, (unsigned long long)o.mistakes.deaths);
            print_times(&o.known);
            printf(" %.2f | %.0f |", (double)o.calm.datagrams / o.calm_s,
                   (double)o.calm.datagram_bytes / o.calm_s);
            print_agreed(&o);
            outcome_close(&o);
        }
    }
}

/* --- slow members */

static const struct kind {
    const char *name;
    uint32_t without;
    uint32_t mult;
} kinds[] = {{"SWIM", PARTS_SWIM, 5},
             {"LHA-Probe", PARTS_SWIM & ~(uint32_t)GOSSIP_LOCAL_HEALTH, 5},
             {"LHA-Suspicion", PARTS_SWIM & ~(uint32_t)GOSSIP_CONFIRMATION, 5},
             {"Buddy System", PARTS_SWIM & ~(uint32_t)GOSSIP_BUDDY, 5},
             {"Lifeguard", PARTS_PAPER, 5},
             {"Lifeguard", PARTS_PAPER, 4},
             {"Torc", 0, 4}};

static const size_t slows[] = {4, 16};
static const usec holds[] = {8192, 16384, 32768}, frees[] = {256, 4096};

static void slow_sum(const struct kind *k, struct outcome *o)
{
    memset(o, 0, sizeof *o);
    for (size_t i = 0; i < ARRAY_LEN(slows) * ARRAY_LEN(holds) * ARRAY_LEN(frees); i++) {
        struct trial t = usual;
        t.calm_us = 120 * S;
        t.world.gossip.without = k->without;
        t.world.gossip.suspicion_mult = k->mult;
        t.world.seed = i + 1;
        t.world.slow = slows[i % 2];
        t.world.hold_us = holds[i / 2 % 3] * USEC_PER_MS;
        t.world.free_us = frees[i / 6] * USEC_PER_MS;
        trial_run(&t, o);
    }
}

static double percent(uint64_t part, uint64_t whole)
{
    return 100.0 * (double)part / (double)(whole > 0 ? whole : 1);
}

static void slow(void)
{
    printf("| | alpha | FP | of SWIM | FP- | of SWIM | slow ones buried | B/s | agreement |\n"
           "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
    struct world_mistakes swim = {0};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct outcome o;
        slow_sum(&kinds[i], &o);
        const struct world_mistakes *m = &o.mistakes;
        swim = i == 0 ? *m : swim;
        printf("| %s | %u | %llu | %.2f %% | %llu | %.2f %% | %llu | %.0f |", kinds[i].name,
               kinds[i].mult, (unsigned long long)m->deaths, percent(m->deaths, swim.deaths),
               (unsigned long long)m->deaths_seen, percent(m->deaths_seen, swim.deaths_seen),
               (unsigned long long)m->slow_deaths, (double)o.calm.datagram_bytes / o.calm_s);
        print_agreed(&o);
        outcome_close(&o);
    }
}

/* --- true failures */

static void crash(void)
{
    printf(
        "| | alpha | crashes | suspected: median / 99th / longest | dead to one | dead to all |\n"
        "| --- | --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct trial t = usual;
        struct outcome o;
        t.calm_us = S;
        t.crashes = 20;
        t.gap_us = 5 * S;
        t.world.gossip.without = kinds[i].without;
        t.world.gossip.suspicion_mult = kinds[i].mult;
        run_all(&t, 50, &o);
        printf("| %s | %u | %zu |", kinds[i].name, kinds[i].mult, o.crashes);
        print_times(&o.suspected);
        print_times(&o.dead);
        print_times(&o.known);
        printf("\n");
        fflush(stdout);
        outcome_close(&o);
    }
}

static const struct {
    const char *name;
    void (*print)(void);
} tables[] = {{"scale", scale}, {"loss", loss}, {"slow", slow}, {"crash", crash}};

int tables_print(size_t count, char **names)
{
    for (size_t i = 0; i < count; i++) {
        bool known = false;
        for (size_t k = 0; k < ARRAY_LEN(tables); k++)
            known |= strcmp(names[i], tables[k].name) == 0;
        if (!known) {
            fprintf(stderr, "swim: no table %s\n", names[i]);
            return 2;
        }
    }
    for (size_t k = 0; k < ARRAY_LEN(tables); k++) {
        bool wanted = count == 0;
        for (size_t i = 0; i < count; i++)
            wanted |= strcmp(names[i], tables[k].name) == 0;
        if (!wanted)
            continue;
        printf("\n### %s\n\n", tables[k].name);
        tables[k].print();
    }
    return 0;
}
