/* The judge of values that stay side by side, against replicas that are sets of values and of what
 * was taken away: it takes what they answer, and not what they could not. */
#include "base/mem.h"
#include "base/rng.h"
#include "node/sim/oracle/rivals.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

#define REPLICAS 3
#define VALUES   40
#define QUORUM   2

struct model {
    struct rng rng;
    struct rivals *rivals;
    bool has[REPLICAS][VALUES], gone[REPLICAS][VALUES];
    uint64_t writer[VALUES];
    size_t count;
    usec now;
    struct rivals_context *seen[2]; /* of two clients */
    struct errmsg why;
};

static void open_model(struct model *m, uint64_t seed)
{
    const struct rivals_config config = {.name = "key", .replicas = REPLICAS, .once = true};
    *m = (struct model){.rivals = rivals_new(&config), .now = 1};
    rng_init(&m->rng, seed);
}

static void close_model(struct model *m)
{
    rivals_free(m->rivals);
    mem_free(m->seen[0]);
    mem_free(m->seen[1]);
}

/* The first `of` replicas of a random order. */
static void some_replicas(struct model *m, uint32_t of, uint32_t ret[REPLICAS])
{
    for (uint32_t i = 0; i < REPLICAS; i++)
        ret[i] = i;
    for (uint32_t i = 0; i < of; i++) {
        uint32_t k = i + (uint32_t)rng_below(&m->rng, REPLICAS - i);
        uint32_t kept = ret[i];
        ret[i] = ret[k];
        ret[k] = kept;
    }
}

/* What so many replicas have together; then they have it, all of them. */
static size_t join(struct model *m, uint32_t of, bool ret[VALUES])
{
    uint32_t at[REPLICAS];
    size_t count = 0;
    some_replicas(m, of, at);
    for (size_t v = 0; v < m->count; v++) {
        bool has = false, gone = false;
        for (uint32_t i = 0; i < of; i++) {
            has |= m->has[at[i]][v];
            gone |= m->gone[at[i]][v];
        }
        for (uint32_t i = 0; i < of; i++) {
            m->has[at[i]][v] = has;
            m->gone[at[i]][v] = gone;
        }
        ret[v] = has && !gone;
        count += ret[v];
    }
    return count;
}

static bool judge(struct model *m, const bool shown[VALUES], uint32_t by,
                  struct rivals_context **ret)
{
    struct rivals_shown list[VALUES];
    struct rivals_read read = {.key = 7, .replicas = by, .start = m->now, .end = m->now + 1};
    size_t count = 0;
    for (size_t v = 0; v < m->count; v++) {
        if (shown[v])
            list[count++] = (struct rivals_shown){0, (int64_t)v};
    }
    return rivals_judge(m->rivals, &read, list, count, ret, &m->why);
}

static bool read_as_it_is(struct model *m, unsigned client)
{
    bool shown[VALUES];
    uint32_t by = (uint32_t)rng_between(&m->rng, 1, REPLICAS);
    join(m, by, shown);
    mem_free(m->seen[client]);
    m->seen[client] = NULL;
    return judge(m, shown, by, &m->seen[client]);
}

/* The replicas at `at` get it; how many say so is told. */
static void apply(struct model *m, size_t write, const bool takes[VALUES], size_t value)
{
    uint32_t at[REPLICAS];
    uint32_t acks = (uint32_t)rng_between(&m->rng, 1, REPLICAS);
    bool heard = rng_chance(&m->rng, 700000);
    some_replicas(m, REPLICAS, at);
    for (uint32_t i = 0; i < acks; i++) {
        for (size_t v = 0; v < value; v++)
            m->gone[at[i]][v] |= takes[v];
        if (value < VALUES)
            m->has[at[i]][value] = true;
    }
    const struct rivals_end end = {.end = m->now + 1, .replicas = heard ? acks : 0, .open = !heard};
    rivals_wrote(m->rivals, write, &end);
}

static void write(struct model *m, unsigned client)
{
    bool takes[VALUES] = {false};
    bool all = rng_chance(&m->rng, 200000);
    const struct rivals_context *seen = m->seen[client];
    struct rivals_write w = {
        .key = 7, .writer = client, .context = seen, .reads = QUORUM, .start = m->now};
    w.taking = all ? RIVALS_ALL : seen != NULL ? RIVALS_SEEN : RIVALS_NONE;
    for (size_t i = 0; i < m->count && seen != NULL && !all; i++) {
        for (size_t k = 0; k < seen->count; k++)
            takes[i] |= seen->seen[k].value == i;
    }
    if (all)
        join(m, QUORUM, takes);
    size_t number = rivals_begin(m->rivals, &w);
    size_t value = m->count++;
    rivals_put(m->rivals, number, 0, (int64_t)value);
    m->writer[value] = client;
    apply(m, number, takes, value);
}

static bool go(struct model *m)
{
    bool good = true;
    while (m->count < VALUES && good) {
        unsigned client = (unsigned)rng_below(&m->rng, 2);
        if (rng_chance(&m->rng, 500000))
            good = read_as_it_is(m, client);
        else
            write(m, client);
        m->now += 2;
    }
    return good;
}

static void takes_what_sets_answer(void)
{
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct model m;
        open_model(&m, seed);
        bool good = go(&m);
        if (!good)
            printf("\n    seed %d: %s\n", (int)seed, m.why.text);
        CU_ASSERT_TRUE(good);
        close_model(&m);
    }
}

/* A read of all that tells one thing else than it is. */
static void finds_what_is_not_so(void)
{
    size_t asked = 0, found = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct model m;
        bool shown[VALUES];
        open_model(&m, seed);
        CU_ASSERT_TRUE(go(&m));
        join(&m, REPLICAS, shown);
        CU_ASSERT_TRUE(judge(&m, shown, REPLICAS, NULL));
        m.now += 2; /* all know now */
        size_t v = (size_t)rng_below(&m.rng, m.count);
        bool known = shown[v];
        for (size_t i = 0; i < REPLICAS; i++)
            known |= m.has[i][v];
        shown[v] = !shown[v];
        asked += known;
        found += known && !judge(&m, shown, REPLICAS, NULL);
        close_model(&m);
    }
    CU_ASSERT(asked > 200);
    CU_ASSERT(found * 5 > asked * 4); /* what nobody was told of may be or not */
}

/* --- one by one */

struct story {
    struct rivals *rivals;
    usec now;
    struct errmsg why;
};

static size_t put(struct story *s, enum rivals_taking taking, uint64_t writer,
                  const struct rivals_context *seen, int64_t value, uint32_t acks)
{
    struct rivals_write w = {.key = 1, .writer = writer, .taking = taking, .context = seen};
    w.reads = QUORUM;
    w.start = s->now++;
    size_t n = rivals_begin(s->rivals, &w);
    rivals_put(s->rivals, n, 0, value);
    const struct rivals_end end = {.end = s->now++, .replicas = acks, .open = acks == 0};
    rivals_wrote(s->rivals, n, &end);
    return n;
}

static bool shows(struct story *s, uint32_t by, int64_t a, int64_t b, struct rivals_context **ret)
{
    const struct rivals_shown list[] = {{0, a}, {0, b}};
    struct rivals_read read = {.key = 1, .replicas = by, .start = s->now, .end = s->now + 1};
    s->now += 2;
    return rivals_judge(s->rivals, &read, list, (size_t)(a != 0) + (b != 0), ret, &s->why);
}

static struct story story(void)
{
    const struct rivals_config config = {.name = "key", .replicas = REPLICAS, .once = true};
    return (struct story){.rivals = rivals_new(&config), .now = 1};
}

static void who_has_not_seen_takes_nothing(void)
{
    struct story s = story();
    put(&s, RIVALS_OWN, 10, NULL, 1, QUORUM);
    put(&s, RIVALS_OWN, 11, NULL, 2, QUORUM);
    CU_ASSERT_FALSE(shows(&s, QUORUM, 2, 0, NULL));
    CU_ASSERT_FALSE(shows(&s, QUORUM, 1, 0, NULL));
    CU_ASSERT_TRUE(shows(&s, 1, 2, 0, NULL)); /* one may not know of the first */
    CU_ASSERT_TRUE(shows(&s, QUORUM, 1, 2, NULL));
    CU_ASSERT_FALSE(shows(&s, QUORUM, 1, 9, NULL)); /* nobody wrote that */
    rivals_free(s.rivals);
}

static void who_writes_again_has_one_value(void)
{
    struct story s = story();
    put(&s, RIVALS_OWN, 10, NULL, 1, QUORUM);
    put(&s, RIVALS_OWN, 10, NULL, 2, QUORUM);
    CU_ASSERT_FALSE(shows(&s, 1, 1, 2, NULL)); /* beside what replaced it, at any level */
    CU_ASSERT_FALSE(shows(&s, QUORUM, 1, 0, NULL));
    CU_ASSERT_TRUE(shows(&s, QUORUM, 2, 0, NULL));
    rivals_free(s.rivals);
}

static void what_was_seen_and_replaced_stays_away(void)
{
    struct story s = story();
    struct rivals_context *seen = NULL;
    put(&s, RIVALS_OWN, 10, NULL, 1, QUORUM);
    CU_ASSERT_TRUE(shows(&s, QUORUM, 1, 0, &seen));
    put(&s, RIVALS_OWN, 11, NULL, 2, QUORUM);
    put(&s, RIVALS_SEEN, 12, seen, 3, QUORUM);
    CU_ASSERT_FALSE(shows(&s, QUORUM, 1, 2, NULL));
    CU_ASSERT_FALSE(shows(&s, QUORUM, 3, 0, NULL)); /* 2 was not seen */
    CU_ASSERT_TRUE(shows(&s, QUORUM, 3, 2, NULL));
    mem_free(seen);
    rivals_free(s.rivals);
}

/* A read that misses what it had to show has seen that it is gone. */
static void what_is_gone_stays_gone(void)
{
    struct story s = story();
    put(&s, RIVALS_OWN, 10, NULL, 1, QUORUM);
    struct rivals_write w = {.key = 1, .taking = RIVALS_ALL, .reads = 1, .start = s.now++};
    size_t n = rivals_begin(s.rivals, &w);
    rivals_take(s.rivals, n, 0);
    CU_ASSERT_TRUE(shows(&s, QUORUM, 1, 0, NULL));
    CU_ASSERT_TRUE(shows(&s, QUORUM, 0, 0, NULL));
    CU_ASSERT_FALSE(shows(&s, QUORUM, 1, 0, NULL));
    CU_ASSERT_TRUE(shows(&s, 1, 1, 0, NULL));
    rivals_disk_lost(s.rivals, s.now++);
    CU_ASSERT_TRUE(shows(&s, QUORUM, 1, 0, NULL)); /* one of those two may be the lost one */
    rivals_free(s.rivals);
}

CU_TestInfo rivals_tests[] = {
    {"takes what sets of values answer", takes_what_sets_answer},
    {"finds what is not so", finds_what_is_not_so},
    {"who has not seen takes nothing away", who_has_not_seen_takes_nothing},
    {"who writes again has one value", who_writes_again_has_one_value},
    {"what was seen and replaced stays away", what_was_seen_and_replaced_stays_away},
    {"what is gone stays gone", what_is_gone_stays_gone},
    CU_TEST_INFO_NULL,
};
