/* Replicas that lose messages, disks' tails and boots, and then pull from each other's logs; and
 * what an engine finds again when it starts. */
#include "base/mem.h"
#include "gen.h"
#include "storage/engine.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define REPLICAS 3
#define PARTS    3
#define KEYSPACE 4
#define RANGE    9
#define TABLE    7
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

static enum err open_engine(struct store *s, struct engine **ret)
{
    struct engine_config config = {.seed = 1, .ring_ranges = 16};
    struct errmsg msg;
    return engine_new(s, &config, ret, &msg);
}

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
    bool good = engine_apply(me->engine, KEYSPACE, RANGE, &p, dot, 0) == ERR_OK;
    for (size_t i = 0; i < REPLICAS; i++) {
        struct replica *r = &w->replicas[i];
        while (r != me && rng_chance(&w->rng, 400000)) /* lost, once, or repeated */
            good = good && engine_apply(r->engine, KEYSPACE, RANGE, &p, dot, 0) == ERR_OK;
    }
    return good;
}

static void sync_all(struct store *s)
{
    store_flush(s);
    store_mem_sync(s, SIZE_MAX);
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
               engine_log_apply(to->engine, KEYSPACE, RANGE, buf_bytes(&b), 0) == ERR_OK &&
               clock_covers(engine_clock(to->engine, KEYSPACE, RANGE), &done);
        if (good && rng_chance(&w->rng, 200000)) /* once more does no harm */
            good = engine_log_apply(to->engine, KEYSPACE, RANGE, buf_bytes(&b), 0) == ERR_OK;
    }
    good = good && clock_empty(&wanted);
    clock_close(&wanted);
    clock_close(&done);
    buf_close(&b);
    return good;
}

static struct scan whole_table(void)
{
    return (struct scan){.table = TABLE,
                         .after_token = INT64_MIN,
                         .upto_token = INT64_MAX,
                         .want_static = true,
                         .bytes_max = UINT32_MAX};
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

/* --- one engine */

static struct part one_row(struct arena *arena, const char *row, int64_t timestamp, struct dot dot)
{
    struct event e = {.kind = EVENT_CELL, .row = bytes_text(row)};
    e.cell = (struct cell){.column = 1, .timestamp = timestamp, .value = BYTES_LIT("v")};
    e.cell.dot = dot;
    return gen_part(&e, 1, arena);
}

static void the_clock_is_found_again(void)
{
    for (int saved = 0; saved < 2; saved++) {
        struct store *s = store_mem_new();
        struct engine *e;
        struct arena arena;
        struct clock before;
        range_no range = 0;
        arena_init(&arena);
        clock_init(&before);
        CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
        for (uint64_t n = 1; n <= 5000; n++) { /* beyond one snapshot; with holes */
            struct dot dot = {{1 + (uint32_t)(n % 2), 3}, n % 7 == 0 ? n : n / 2 + 1};
            struct part p = one_row(&arena, "a", (int64_t)n, dot);
            CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, dot, 0), ERR_OK);
            arena_reset(&arena);
        }
        CU_ASSERT_TRUE(engine_stats(e).collapses > 0); /* of a row that nobody reads */
        clock_copy(&before, engine_clock(e, KEYSPACE, RANGE));
        if (saved == 1)
            engine_save_clocks(e);
        store_flush(s);
        store_mem_sync(s, SIZE_MAX);
        engine_free(e);
        CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
        CU_ASSERT_TRUE(engine_next_range(e, KEYSPACE, 0, &range));
        CU_ASSERT_EQUAL(range, RANGE);
        CU_ASSERT_FALSE(engine_next_range(e, KEYSPACE, RANGE + 1, &range));
        CU_ASSERT_FALSE(engine_next_range(e, KEYSPACE - 1, 0, &range));
        CU_ASSERT_TRUE(clock_equal(&before, engine_clock(e, KEYSPACE, RANGE)));
        CU_ASSERT_TRUE(engine_max_timestamp(e) >= 5000);
        engine_free(e);
        store_close(s);
        clock_close(&before);
        arena_close(&arena);
    }
}

/* Some ranges with logs only, some with snapshots too: each is found once, in order, and then the
 * end; in the engine that wrote them and in the next one. */
static void ranges_are_walked_in_order(void)
{
    static const range_no ranges[] = {1, 4, 9, 15};
    struct store *s = store_mem_new();
    struct engine *e;
    struct arena arena;
    arena_init(&arena);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    for (int round = 0; round < 3; round++) {
        size_t found = 0;
        for (size_t i = 0; i < ARRAY_LEN(ranges) && round < 2; i++) {
            struct dot dot = {{1, 1 + (uint32_t)round}, 1};
            struct part p = one_row(&arena, "a", 1, dot);
            CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, ranges[i], &p, dot, 0), ERR_OK);
        }
        CU_ASSERT_TRUE(engine_drop_table(e, TABLE, SIZE_MAX)); /* nothing between the two records */
        for (range_no at = 0; engine_next_range(e, KEYSPACE, at, &at) && found < 16; at++) {
            CU_ASSERT_EQUAL(at, ranges[found % ARRAY_LEN(ranges)]);
            CU_ASSERT_EQUAL(engine_clock_hash(e, KEYSPACE, at),
                            clock_hash(engine_clock(e, KEYSPACE, at)));
            found++;
        }
        CU_ASSERT_EQUAL(found, ARRAY_LEN(ranges));
        if (round == 1)
            engine_save_clocks(e);
        store_flush(s);
        store_mem_sync(s, SIZE_MAX);
        engine_free(e);
        CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    }
    engine_free(e);
    store_close(s);
    arena_close(&arena);
}

/* What all know leaves the log and not the clock; who lacks it is told that it is not there. */
static void a_pruned_log_keeps_its_clock(void)
{
    struct store *s = store_mem_new();
    struct engine *e;
    struct arena arena;
    struct clock known, done;
    struct buf b;
    struct actor actor = {1, 1};
    bool finished = false;
    int calls = 0;
    arena_init(&arena);
    clock_init(&known);
    clock_init(&done);
    buf_init(&b, SIZE_MAX);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    for (uint64_t n = 1; n <= 10; n++) {
        struct dot dot = {actor, n};
        struct part p = one_row(&arena, "a", (int64_t)n, dot);
        CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, dot, 0), ERR_OK);
    }
    clock_add_run(&known, actor, 1, 4);
    clock_add_run(&known, actor, 6, 12);
    for (; !finished && calls < 20; calls++)
        CU_ASSERT_EQUAL(engine_log_prune(e, KEYSPACE, RANGE, &known, 4, &finished), ERR_OK);
    CU_ASSERT_EQUAL(calls, 3); /* nine entries */
    engine_free(e);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    sync_all(s);
    CU_ASSERT_EQUAL(clock_count(engine_clock(e, KEYSPACE, RANGE)), 10);
    CU_ASSERT_EQUAL(engine_log_read(e, KEYSPACE, RANGE, engine_clock(e, KEYSPACE, RANGE),
                                    engine_clock(e, KEYSPACE, RANGE), 1000, &b, &done),
                    ERR_OK);
    CU_ASSERT_EQUAL(clock_count(&done), 1);
    CU_ASSERT_TRUE(clock_has(&done, (struct dot){actor, 5}));
    engine_free(e);
    store_close(s);
    clock_close(&known);
    clock_close(&done);
    buf_close(&b);
    arena_close(&arena);
}

/* Dot 1 was deleted by dot 2 and its row removed; who pulls only dot 1 gets the deletion with it,
 * or its clock would claim what it has in no form. */
static void a_pull_carries_what_became_of_a_dot(void)
{
    struct world w;
    struct clock wanted, done;
    struct buf b;
    struct scan s = whole_table();
    struct scan_result r = {0};
    struct dot first = {{1, 1}, 1};
    struct dot second = {{1, 1}, 2};
    world_open(&w, 1);
    clock_init(&wanted);
    clock_init(&done);
    buf_init(&b, SIZE_MAX);
    struct engine *from = w.replicas[0].engine;
    struct engine *to = w.replicas[1].engine;
    struct event deletion = {.kind = EVENT_RANGE, .start = BYTES_LIT("a"), .end = BYTES_LIT("c")};
    deletion.tomb = (struct tomb){9, 100, second};
    struct part p = one_row(&w.arena, "b", 5, first);
    CU_ASSERT_EQUAL(engine_apply(from, KEYSPACE, RANGE, &p, first, 0), ERR_OK);
    p = gen_part(&deletion, 1, &w.arena);
    CU_ASSERT_EQUAL(engine_apply(from, KEYSPACE, RANGE, &p, second, 0), ERR_OK);
    CU_ASSERT_EQUAL(engine_scan(from, &s, &w.arena, &r), ERR_OK); /* removes the row */
    clock_add(&wanted, first);
    sync_all(w.replicas[0].store);
    CU_ASSERT_EQUAL(engine_log_read(from, KEYSPACE, RANGE, &wanted,
                                    engine_clock(to, KEYSPACE, RANGE), 1000, &b, &done),
                    ERR_OK);
    CU_ASSERT_TRUE(clock_equal(&done, &wanted));
    CU_ASSERT_EQUAL(engine_log_apply(to, KEYSPACE, RANGE, buf_bytes(&b), 0), ERR_OK);
    CU_ASSERT_TRUE(clock_equal(engine_clock(to, KEYSPACE, RANGE), &wanted));
    CU_ASSERT_EQUAL(engine_scan(to, &s, &w.arena, &r), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(r.parts_count, 1);
    CU_ASSERT_EQUAL(part_deletion_at(&r.parts[0], BYTES_LIT("b")).timestamp, 9);
    clock_close(&wanted);
    clock_close(&done);
    buf_close(&b);
    world_close(&w);
}

/* The row of dot 1 was overwritten by a batch, dot 2, of which the asker did not know when it said
 * what it wants. It gets all rows of the batch, or it would show half of it. */
static void a_pull_tears_no_batch(void)
{
    struct world w;
    struct clock wanted, done;
    struct buf b;
    struct scan s = whole_table();
    struct scan_result r = {0};
    struct dot first = {{1, 1}, 1};
    struct dot second = {{1, 1}, 2};
    world_open(&w, 1);
    clock_init(&wanted);
    clock_init(&done);
    buf_init(&b, SIZE_MAX);
    struct engine *from = w.replicas[0].engine;
    struct engine *to = w.replicas[1].engine;
    struct part p = one_row(&w.arena, "b", 5, first);
    CU_ASSERT_EQUAL(engine_apply(from, KEYSPACE, RANGE, &p, first, 0), ERR_OK);
    p = one_row(&w.arena, "b", 7, second);
    struct row rows[2] = {p.rows[0], one_row(&w.arena, "c", 7, second).rows[0]};
    p.rows = rows;
    p.rows_count = 2;
    CU_ASSERT_EQUAL(engine_apply(from, KEYSPACE, RANGE, &p, second, 0), ERR_OK);
    clock_add(&wanted, first);
    sync_all(w.replicas[0].store);
    CU_ASSERT_EQUAL(engine_log_read(from, KEYSPACE, RANGE, &wanted,
                                    engine_clock(to, KEYSPACE, RANGE), 1000, &b, &done),
                    ERR_OK);
    CU_ASSERT_TRUE(clock_equal(&done, &wanted));
    CU_ASSERT_EQUAL(engine_log_apply(to, KEYSPACE, RANGE, buf_bytes(&b), 0), ERR_OK);
    CU_ASSERT_EQUAL(engine_scan(to, &s, &w.arena, &r), ERR_OK);
    CU_ASSERT_EQUAL(r.live_rows, 2);
    clock_close(&wanted);
    clock_close(&done);
    buf_close(&b);
    world_close(&w);
}

/* A deletion that a power cut may yet take back does not travel with the rows it deletes: it would
 * be somewhere for ever, under a dot that no clock has. */
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
    CU_ASSERT_EQUAL(engine_apply(from, KEYSPACE, RANGE, &p, first, 0), ERR_OK);
    sync_all(w.replicas[0].store);
    p = gen_part(&deletion, 1, &w.arena);
    CU_ASSERT_EQUAL(engine_apply(from, KEYSPACE, RANGE, &p, second, 0), ERR_OK);
    clock_add(&wanted, first);
    clock_add(&wanted, second);
    clock_add(&one, first);
    CU_ASSERT_EQUAL(engine_log_read(from, KEYSPACE, RANGE, &wanted,
                                    engine_clock(to, KEYSPACE, RANGE), 1000, &b, &done),
                    ERR_OK);
    CU_ASSERT_TRUE(clock_equal(&done, &one));
    CU_ASSERT_EQUAL(engine_log_apply(to, KEYSPACE, RANGE, buf_bytes(&b), 0), ERR_OK);
    CU_ASSERT_EQUAL(engine_scan(to, &s, &w.arena, &r), ERR_OK);
    CU_ASSERT_EQUAL(r.live_rows, 1);
    clock_close(&wanted);
    clock_close(&done);
    clock_close(&one);
    buf_close(&b);
    world_close(&w);
}

static void a_read_collapses_what_it_met(void)
{
    struct store *s = store_mem_new();
    struct engine *e;
    struct arena arena;
    struct scan_result r;
    struct scan scan = whole_table();
    arena_init(&arena);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    for (uint64_t n = 1; n <= 20; n++) {
        struct dot dot = {{1, 1}, n};
        struct part p = one_row(&arena, "a", (int64_t)n, dot);
        CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, dot, 0), ERR_OK);
    }
    CU_ASSERT_EQUAL(engine_scan(e, &scan, &arena, &r), ERR_OK);
    uint64_t before = engine_stats(e).fragments_read;
    CU_ASSERT_EQUAL(engine_scan(e, &scan, &arena, &r), ERR_OK);
    CU_ASSERT_TRUE(engine_stats(e).fragments_read < before + 4);
    CU_ASSERT_EQUAL(r.live_rows, 1);
    while (!engine_drop_table(e, TABLE, 1)) {
    }
    CU_ASSERT_EQUAL(engine_scan(e, &scan, &arena, &r), ERR_OK);
    CU_ASSERT_EQUAL(r.parts_count, 0);
    engine_free(e);
    store_close(s);
    arena_close(&arena);
}

static void facts(void)
{
    struct store *s = store_mem_new();
    struct engine *e;
    struct buf name, value;
    buf_init(&name, SIZE_MAX);
    buf_init(&value, SIZE_MAX);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    engine_fact_put(e, BYTES_LIT("log/1"), BYTES_LIT("a"), 0);
    engine_fact_put(e, BYTES_LIT("log/2"), BYTES_LIT("b"), 0);
    engine_fact_put(e, BYTES_LIT("other"), BYTES_LIT("c"), 0);
    engine_fact_put(e, BYTES_LIT("host"), BYTES_LIT("d"), 0);
    engine_fact_delete(e, BYTES_LIT("host"), 0);
    CU_ASSERT_EQUAL(engine_fact_get(e, BYTES_LIT("host"), &value), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(engine_fact_get(e, BYTES_LIT("other"), &value), ERR_OK);
    CU_ASSERT_TRUE(bytes_equal_text(buf_bytes(&value), "c"));
    CU_ASSERT_EQUAL(engine_fact_next(e, BYTES_LIT("log/"), BYTES_NONE, &name, &value), ERR_OK);
    CU_ASSERT_TRUE(bytes_equal_text(buf_bytes(&name), "log/1"));
    CU_ASSERT_EQUAL(engine_fact_next(e, BYTES_LIT("log/"), BYTES_LIT("log/1"), &name, &value),
                    ERR_OK);
    CU_ASSERT_TRUE(bytes_equal_text(buf_bytes(&value), "b"));
    CU_ASSERT_EQUAL(engine_fact_next(e, BYTES_LIT("log/"), BYTES_LIT("log/2"), &name, &value),
                    ERR_NOT_FOUND);
    engine_free(e);
    store_close(s);
    buf_close(&name);
    buf_close(&value);
}

static void another_ring_is_refused(void)
{
    struct store *s = store_mem_new();
    struct engine_config config = {.seed = 1, .ring_ranges = 32};
    struct engine *e;
    struct errmsg msg;
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    engine_free(e);
    CU_ASSERT_EQUAL(engine_new(s, &config, &e, &msg), ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(msg.text, "ring_ranges is 32"));
    store_close(s);
}

static void damage_is_not_served(void)
{
    struct store *s = store_mem_new();
    struct engine *e;
    struct arena arena;
    struct scan_result r;
    struct scan scan = whole_table();
    struct dot dot = {{1, 1}, 1};
    arena_init(&arena);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    struct part p = one_row(&arena, "a", 1, dot);
    CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, dot, 0), ERR_OK);
    store_mem_fail_reads(s, BYTES_LIT("d"), BYTES_LIT("e"), ERR_CORRUPT);
    CU_ASSERT_EQUAL(engine_scan(e, &scan, &arena, &r), ERR_CORRUPT);
    engine_free(e);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    store_mem_fail_reads(s, BYTES_LIT("l"), BYTES_LIT("m"), ERR_CORRUPT);
    CU_ASSERT_TRUE(clock_empty(engine_clock(e, KEYSPACE, RANGE))); /* it claims nothing */
    CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, dot, 0), ERR_CORRUPT);
    engine_free(e);
    store_close(s);
    arena_close(&arena);
}

CU_TestInfo replicas_tests[] = {
    {"pulls make replicas equal, and equal to the model", pulls_make_replicas_equal},
    {"crashes do not keep replicas apart", crashes_do_not_keep_replicas_apart},
    {"the clock is found again", the_clock_is_found_again},
    {"ranges are walked in order", ranges_are_walked_in_order},
    {"a pruned log keeps its clock", a_pruned_log_keeps_its_clock},
    {"a pull carries what became of a dot", a_pull_carries_what_became_of_a_dot},
    {"a pull tears no batch", a_pull_tears_no_batch},
    {"a pull gives only what is durable", a_pull_gives_only_what_is_durable},
    {"a read collapses what it met", a_read_collapses_what_it_met},
    {"facts", facts},
    {"another ring is refused", another_ring_is_refused},
    {"damage is not served", damage_is_not_served},
    CU_TEST_INFO_NULL,
};
