/* Replicas that lose messages, disks' tails and boots, and then pull from each other's logs. */
#include "base/mem.h"
#include "engine_fixture.h"
#include "gen.h"
#include "storage/engine.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define REPLICAS 3
#define PARTS    3
#define EVENTS   120

struct replica {
    struct store *store;
    struct engine *engine;
    struct actor self;
};

struct world {
    struct rng rng;
    struct arena arena;
    struct replica replicas[REPLICAS];
    struct event events[PARTS][EVENTS]; /* every write ever made */
    size_t count[PARTS];
};

static void boot(struct replica *r)
{
    r->self.boot++;
    CU_ASSERT_EQUAL_FATAL(open_engine(r->store, &r->engine), ERR_OK);
    store_flush(r->store);
    store_mem_sync(r->store, SIZE_MAX); /* the boot number is on the disk before the first write */
}

static void world_open(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    rng_init(&w->rng, seed);
    arena_init(&w->arena);
    for (uint32_t i = 0; i < REPLICAS; i++) {
        w->replicas[i].store = store_mem_new();
        w->replicas[i].self.node = i + 1;
        boot(&w->replicas[i]);
    }
}

static void world_close(struct world *w)
{
    for (size_t i = 0; i < REPLICAS; i++) {
        engine_free(w->replicas[i].engine);
        store_close(w->replicas[i].store);
    }
    arena_close(&w->arena);
}

static struct part place_part(struct part p, size_t place)
{
    static const char *const keys[PARTS] = {"x", "xy", "y"};
    p.table = TABLE;
    p.token = (token)place;
    p.key = bytes_text(keys[place]);
    return p;
}

static bool write_some(struct world *w)
{
    struct replica *me = &w->replicas[rng_below(&w->rng, REPLICAS)];
    struct dot dot = engine_next_dot(me->engine, KEYSPACE, RANGE, me->self);
    size_t place = (size_t)rng_below(&w->rng, PARTS);
    size_t count = 1 + (size_t)rng_below(&w->rng, 3);
    if (w->count[place] + count > EVENTS)
        return true;
    struct event *events = &w->events[place][w->count[place]];
    for (size_t i = 0; i < count; i++)
        events[i] = gen_event(&w->rng, dot);
    w->count[place] += count;
    struct part p = place_part(gen_part(events, count, &w->arena), place);
    bool good = engine_apply(me->engine, KEYSPACE, RANGE, &p, dot, NULL, 0) == ERR_OK;
    for (size_t i = 0; i < REPLICAS; i++) {
        struct replica *r = &w->replicas[i];
        while (r != me && rng_chance(&w->rng, 400000)) /* lost, once, or repeated */
            good = good && engine_apply(r->engine, KEYSPACE, RANGE, &p, dot, NULL, 0) == ERR_OK;
    }
    return good;
}

static bool pull(struct world *w, struct replica *from, struct replica *to, size_t bytes_max)
{
    struct clock wanted, done;
    struct buf b;
    bool good = true;
    clock_init(&wanted);
    clock_init(&done);
    buf_init(&b, BUF_MAX_DEFAULT);
    for (int i = 0; i < 1000 && good; i++) {
        clock_missing(engine_clock(from->engine, KEYSPACE, RANGE),
                      engine_clock(to->engine, KEYSPACE, RANGE), &wanted);
        if (clock_empty(&wanted))
            break;
        sync_all(from->store); /* only what is durable is given */
        good = engine_log_read(from->engine, KEYSPACE, RANGE, &wanted,
                               engine_clock(to->engine, KEYSPACE, RANGE), bytes_max, &b,
                               &done) == ERR_OK &&
               !clock_empty(&done) && clock_covers(&wanted, &done) &&
               engine_log_apply(to->engine, KEYSPACE, RANGE, buf_bytes(&b), NULL, true, false, 0) ==
                   ERR_OK &&
               clock_covers(engine_clock(to->engine, KEYSPACE, RANGE), &done);
        if (good && rng_chance(&w->rng, 200000)) /* once more does no harm */
            good = engine_log_apply(to->engine, KEYSPACE, RANGE, buf_bytes(&b), NULL, true, false,
                                    0) == ERR_OK;
    }
    good = good && clock_empty(&wanted);
    clock_close(&wanted);
    clock_close(&done);
    buf_close(&b);
    return good;
}

static bool dump(struct world *w, struct engine *e, struct buf *out)
{
    struct scan s = whole_table();
    struct scan_result r;
    if (engine_scan(e, &s, &w->arena, &r) != ERR_OK || r.more)
        return false;
    scan_result_encode(&r, out);
    return true;
}

static void dump_model(struct world *w, struct buf *out)
{
    struct part parts[PARTS];
    struct scan s = whole_table();
    struct scan_result r = {.parts = parts};
    for (size_t i = 0; i < PARTS; i++) {
        struct part p = place_part(model_part(w->events[i], w->count[i], &w->arena), i);
        r.live_rows += scan_part_rows(&s, &p);
        if (!part_is_empty(&p))
            parts[r.parts_count++] = p;
    }
    scan_result_encode(&r, out);
}

static bool all_equal(struct world *w, bool nothing_lost)
{
    struct buf first, other;
    const struct clock *clock = engine_clock(w->replicas[0].engine, KEYSPACE, RANGE);
    buf_init(&first, SIZE_MAX);
    buf_init(&other, SIZE_MAX);
    bool good = dump(w, w->replicas[0].engine, &first);
    for (size_t i = 1; i < REPLICAS && good; i++) {
        buf_clear(&other);
        good = dump(w, w->replicas[i].engine, &other) &&
               bytes_equal(buf_bytes(&first), buf_bytes(&other)) &&
               clock_equal(clock, engine_clock(w->replicas[i].engine, KEYSPACE, RANGE));
    }
    buf_clear(&other);
    dump_model(w, &other);
    good = good && (!nothing_lost || bytes_equal(buf_bytes(&first), buf_bytes(&other)));
    buf_close(&first);
    buf_close(&other);
    return good;
}

static void crash(struct world *w, struct replica *r)
{
    store_flush(r->store);
    store_mem_sync(r->store, (size_t)rng_below(&w->rng, 3));
    store_mem_crash(r->store, rng_chance(&w->rng, 300000) ? SIZE_MAX : 0);
    engine_free(r->engine);
    boot(r);
}

static bool run(uint64_t seed, bool crashes)
{
    struct world w;
    bool good = true;
    world_open(&w, seed);
    for (int i = 0; i < 90 && good; i++) {
        struct replica *a = &w.replicas[rng_below(&w.rng, REPLICAS)];
        uint64_t choice = rng_below(&w.rng, 100);
        struct buf ignored;
        buf_init(&ignored, SIZE_MAX);
        if (choice < 70)
            good = write_some(&w);
        else if (choice < 80)
            store_flush(a->store);
        else if (choice < 85)
            store_mem_sync(a->store, 1);
        else if (choice < 90)
            good = dump(&w, a->engine, &ignored); /* collapses */
        else if (choice < 95)
            good = pull(&w, a, &w.replicas[rng_below(&w.rng, REPLICAS)],
                        (size_t)rng_below(&w.rng, 300));
        else if (crashes)
            crash(&w, a);
        buf_close(&ignored);
    }
    for (size_t i = 0; i < REPLICAS * REPLICAS * 2 && good; i++)
        good = pull(&w, &w.replicas[i % REPLICAS], &w.replicas[i / REPLICAS % REPLICAS], 200);
    good = good && all_equal(&w, !crashes);
    if (!good)
        fprintf(stderr, "replicas: seed %llu failed\n", (unsigned long long)seed);
    world_close(&w);
    return good;
}

static void pulls_make_replicas_equal(void)
{
    for (uint64_t seed = 1; seed <= 150; seed++)
        CU_ASSERT_TRUE(run(seed, false));
}

static void crashes_do_not_keep_replicas_apart(void)
{
    for (uint64_t seed = 1; seed <= 150; seed++)
        CU_ASSERT_TRUE(run(seed, true));
}

/* --- single pulls */

/* Dot 1 was deleted by dot 2 and its row removed; who pulls only dot 1 gets the deletion with it,
 * or its clock would claim what it has in no form. */
static void a_pull_carries_what_became_of_a_dot(void)
{
    struct world w;
    struct clock wanted, have, done;
    struct buf b;
    struct scan s = whole_table();
    struct scan_result r = {0};
    struct dot first = {{1, 1}, 1};
    struct dot second = {{1, 1}, 2};
    world_open(&w, 1);
    clock_init(&wanted);
    clock_init(&have);
    clock_init(&done);
    buf_init(&b, SIZE_MAX);
    struct engine *from = w.replicas[0].engine;
    struct engine *to = w.replicas[1].engine;
    struct event deletion = {.kind = EVENT_RANGE, .start = BYTES_LIT("a"), .end = BYTES_LIT("c")};
    deletion.tomb = (struct tomb){9, 100, second};
    struct part p = one_row(&w.arena, "b", 5, first);
    CU_ASSERT_EQUAL(engine_apply(from, KEYSPACE, RANGE, &p, first, NULL, 0), ERR_OK);
    p = gen_part(&deletion, 1, &w.arena);
    CU_ASSERT_EQUAL(engine_apply(from, KEYSPACE, RANGE, &p, second, NULL, 0), ERR_OK);
    CU_ASSERT_EQUAL(engine_scan(from, &s, &w.arena, &r), ERR_OK); /* removes the row */
    clock_add(&wanted, first);
    clock_add(&have, second); /* says the asker, so its entry does not go with it */
    sync_all(w.replicas[0].store);
    CU_ASSERT_EQUAL(engine_log_read(from, KEYSPACE, RANGE, &wanted, &have, 1000, &b, &done),
                    ERR_OK);
    CU_ASSERT_TRUE(clock_equal(&done, &wanted));
    CU_ASSERT_EQUAL(engine_log_apply(to, KEYSPACE, RANGE, buf_bytes(&b), NULL, true, false, 0),
                    ERR_OK);
    CU_ASSERT_TRUE(clock_equal(engine_clock(to, KEYSPACE, RANGE), &wanted));
    CU_ASSERT_EQUAL(engine_scan(to, &s, &w.arena, &r), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(r.parts_count, 1);
    CU_ASSERT_EQUAL(part_deletion_at(&r.parts[0], BYTES_LIT("b")).timestamp, 9);
    clock_close(&wanted);
    clock_close(&have);
    clock_close(&done);
    buf_close(&b);
    world_close(&w);
}

/* Row b of dot 1 is overwritten by dot 2, together with row c. */
static void write_and_overwrite(struct world *w, struct engine *e)
{
    struct dot first = {{1, 1}, 1};
    struct dot second = {{1, 1}, 2};
    struct part p = one_row(&w->arena, "b", 5, first);
    CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, first, NULL, 0), ERR_OK);
    p = one_row(&w->arena, "b", 7, second);
    struct row rows[2] = {p.rows[0], one_row(&w->arena, "c", 7, second).rows[0]};
    p.rows = rows;
    p.rows_count = 2;
    CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, second, NULL, 0), ERR_OK);
}

/* Only dot 1 is asked for. */
static void pull_first(struct replica *from, struct engine *to)
{
    struct clock wanted, done;
    struct buf b;
    clock_init(&wanted);
    clock_init(&done);
    buf_init(&b, SIZE_MAX);
    clock_add(&wanted, (struct dot){{1, 1}, 1});
    sync_all(from->store);
    CU_ASSERT_EQUAL(engine_log_read(from->engine, KEYSPACE, RANGE, &wanted,
                                    engine_clock(to, KEYSPACE, RANGE), 1000, &b, &done),
                    ERR_OK);
    CU_ASSERT_TRUE(clock_covers(&done, &wanted));
    CU_ASSERT_EQUAL(engine_log_apply(to, KEYSPACE, RANGE, buf_bytes(&b), NULL, true, false, 0),
                    ERR_OK);
    CU_ASSERT_TRUE(clock_covers(engine_clock(to, KEYSPACE, RANGE), &done));
    clock_close(&wanted);
    clock_close(&done);
    buf_close(&b);
}

/* The row of dot 1 was overwritten by a batch, dot 2, of which the asker did not know when it said
 * what it wants. It gets all rows of the batch, or it would show half of it. */
static void a_pull_tears_no_batch(void)
{
    struct world w;
    struct scan s = whole_table();
    struct scan_result r = {0};
    world_open(&w, 1);
    write_and_overwrite(&w, w.replicas[0].engine);
    pull_first(&w.replicas[0], w.replicas[1].engine);
    CU_ASSERT_EQUAL(engine_scan(w.replicas[1].engine, &s, &w.arena, &r), ERR_OK);
    CU_ASSERT_EQUAL(r.live_rows, 2);
    world_close(&w);
}

/* Replicas 2 and 3 have dot 1, and 2 has by that what dot 2 did; no other disk has it any more. */
static void expect_handed_on(struct world *w)
{
    struct buf a, b;
    buf_init(&a, SIZE_MAX);
    buf_init(&b, SIZE_MAX);
    for (int i = 0; i < 4; i++) /* and nobody names anew what comes back */
        CU_ASSERT_TRUE(pull(w, &w->replicas[1 + i % 2], &w->replicas[2 - i % 2], 1000));
    CU_ASSERT_TRUE(clock_equal(engine_clock(w->replicas[1].engine, KEYSPACE, RANGE),
                               engine_clock(w->replicas[2].engine, KEYSPACE, RANGE)));
    CU_ASSERT_TRUE(dump(w, w->replicas[1].engine, &a) && dump(w, w->replicas[2].engine, &b));
    CU_ASSERT_TRUE(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
    buf_close(&a);
    buf_close(&b);
}

static void have_first(struct world *w)
{
    struct dot first = {{1, 1}, 1};
    struct part p = one_row(&w->arena, "b", 5, first);
    engine_set_actor(w->replicas[1].engine, w->replicas[1].self);
    engine_set_actor(w->replicas[2].engine, w->replicas[2].self);
    CU_ASSERT_EQUAL(engine_apply(w->replicas[2].engine, KEYSPACE, RANGE, &p, first, NULL, 0),
                    ERR_OK);
}

/* What a pull shows of later writes outlives who gave it. */
static void what_came_with_a_pull_is_handed_on(void)
{
    struct world w;
    world_open(&w, 1);
    have_first(&w);
    write_and_overwrite(&w, w.replicas[0].engine);
    pull_first(&w.replicas[0], w.replicas[1].engine);
    CU_ASSERT_TRUE(
        clock_has(engine_clock(w.replicas[1].engine, KEYSPACE, RANGE), (struct dot){{1, 1}, 2}));
    expect_handed_on(&w);
    world_close(&w);
}

/* Also when there are more writes that the asker lacks than anybody looks through. */
static void what_comes_from_far_ahead_is_handed_on(void)
{
    struct world w;
    struct dot other = {{1, 1}, 0}; /* an actor before the one that matters */
    world_open(&w, 1);
    have_first(&w);
    struct part p = place_part(one_row(&w.arena, "b", 5, other), 1);
    other.actor.boot = 0;
    for (other.n = 1; other.n <= 5000; other.n++) {
        part_set_dot(&p, other);
        CU_ASSERT_EQUAL_FATAL(
            engine_apply(w.replicas[0].engine, KEYSPACE, RANGE, &p, other, NULL, 0), ERR_OK);
    }
    write_and_overwrite(&w, w.replicas[0].engine);
    pull_first(&w.replicas[0], w.replicas[1].engine);
    CU_ASSERT_EQUAL(engine_next_dot(w.replicas[1].engine, KEYSPACE, RANGE, w.replicas[1].self).n,
                    2); /* it named what it got */
    expect_handed_on(&w);
    world_close(&w);
}

/* A deletion that a power cut may yet take back does not travel with the rows it deletes: it would
 * be somewhere under a dot that no clock has, and need another name. */
static void a_pull_gives_only_what_is_durable(void)
{
    struct world w;
    struct clock wanted, done, one;
    struct buf b;
    struct scan s = whole_table();
    struct scan_result r = {0};
    struct dot first = {{1, 1}, 1};
    struct dot second = {{1, 1}, 2};
    world_open(&w, 1);
    clock_init(&wanted);
    clock_init(&done);
    clock_init(&one);
    buf_init(&b, SIZE_MAX);
    struct engine *from = w.replicas[0].engine;
    struct engine *to = w.replicas[1].engine;
    struct event deletion = {.kind = EVENT_RANGE, .start = BYTES_LIT("a"), .end = BYTES_LIT("c")};
    deletion.tomb = (struct tomb){9, 100, second};
    struct part p = one_row(&w.arena, "b", 5, first);
    CU_ASSERT_EQUAL(engine_apply(from, KEYSPACE, RANGE, &p, first, NULL, 0), ERR_OK);
    sync_all(w.replicas[0].store);
    p = gen_part(&deletion, 1, &w.arena);
    CU_ASSERT_EQUAL(engine_apply(from, KEYSPACE, RANGE, &p, second, NULL, 0), ERR_OK);
    clock_add(&wanted, first);
    clock_add(&wanted, second);
    clock_add(&one, first);
    CU_ASSERT_EQUAL(engine_log_read(from, KEYSPACE, RANGE, &wanted,
                                    engine_clock(to, KEYSPACE, RANGE), 1000, &b, &done),
                    ERR_OK);
    CU_ASSERT_TRUE(clock_equal(&done, &one));
    CU_ASSERT_EQUAL(engine_log_apply(to, KEYSPACE, RANGE, buf_bytes(&b), NULL, true, false, 0),
                    ERR_OK);
    CU_ASSERT_EQUAL(engine_scan(to, &s, &w.arena, &r), ERR_OK);
    CU_ASSERT_EQUAL(r.live_rows, 1);
    clock_close(&wanted);
    clock_close(&done);
    clock_close(&one);
    buf_close(&b);
    world_close(&w);
}

CU_TestInfo replicas_tests[] = {
    {"pulls make replicas equal, and equal to the model", pulls_make_replicas_equal},
    {"crashes do not keep replicas apart", crashes_do_not_keep_replicas_apart},
    {"a pull carries what became of a dot", a_pull_carries_what_became_of_a_dot},
    {"a pull tears no batch", a_pull_tears_no_batch},
    {"what came with a pull is handed on", what_came_with_a_pull_is_handed_on},
    {"what comes from far ahead is handed on", what_comes_from_far_ahead_is_handed_on},
    {"a pull gives only what is durable", a_pull_gives_only_what_is_durable},
    CU_TEST_INFO_NULL,
};
