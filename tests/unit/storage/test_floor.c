/* A log that is cut knows what it has no more, whenever the power fails. */
#include "base/mem.h"
#include "engine_fixture.h"
#include "storage/store_mem.h"
#include "storage/tree.h"

#include <CUnit/CUnit.h>

#define DOTS 300u

static struct {
    struct store *store;
    struct engine *engine;
    struct arena arena;
    struct store_ops each;          /* as those of the store, but each batch is a group */
    const struct store_ops *inside; /* ... which these are */
    struct actor actor;
    uint64_t n;
} w;

void floor_setup(void);
void floor_teardown(void);

static void write_each(struct store *s, const struct store_batch *b, uint64_t ticket)
{
    w.inside->write(s, b, ticket);
    w.inside->flush(s);
}

static void start(void)
{
    CU_ASSERT_EQUAL_FATAL(open_engine(w.store, &w.engine), ERR_OK);
    engine_set_actor(w.engine, w.actor);
}

void floor_setup(void)
{
    w.store = store_mem_new();
    w.inside = w.store->ops;
    w.each = *w.inside;
    w.each.write = write_each;
    w.actor = (struct actor){1, 1};
    w.n = 0;
    arena_init(&w.arena);
    start();
}

void floor_teardown(void)
{
    engine_free(w.engine);
    store_close(w.store);
    arena_close(&w.arena);
}

static void put(unsigned count)
{
    char name[16];
    for (unsigned i = 0; i < count; i++) {
        struct dot dot = {w.actor, ++w.n};
        snprintf(name, sizeof name, "row %03u", (unsigned)(w.n % 100));
        struct part p = one_row(&w.arena, name, (int64_t)w.n, dot);
        CU_ASSERT_EQUAL_FATAL(engine_apply(w.engine, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
    }
    sync_all(w.store);
}

static void restart(void)
{
    sync_all(w.store);
    engine_free(w.engine);
    store_mem_crash(w.store, SIZE_MAX);
    start();
    (void)engine_clock(w.engine, KEYSPACE, RANGE);
    sync_all(w.store); /* what was in the journal is in the log */
}

static const struct clock *clock_now(void)
{
    return engine_clock(w.engine, KEYSPACE, RANGE);
}

static struct log_figures figures(void)
{
    struct log_figures f;
    engine_log_figures(w.engine, KEYSPACE, RANGE, &f);
    return f;
}

/* What a pull that asks for everything gets, in one answer. */
static void log_dots(struct clock *ret)
{
    struct buf b;
    buf_init(&b, SIZE_MAX);
    CU_ASSERT_EQUAL(
        engine_log_read(w.engine, KEYSPACE, RANGE, clock_now(), clock_now(), SIZE_MAX / 2, &b, ret),
        ERR_OK);
    buf_close(&b);
}

/* Each dot is in the log or in the floor. */
static bool is_accounted(void)
{
    struct clock had, left;
    clock_init(&had);
    clock_init(&left);
    log_dots(&had);
    clock_merge(&had, engine_log_floor(w.engine, KEYSPACE, RANGE));
    clock_missing(clock_now(), &had, &left);
    bool all = clock_empty(&left);
    clock_close(&had);
    clock_close(&left);
    return all && clock_covers(clock_now(), engine_log_floor(w.engine, KEYSPACE, RANGE));
}

static bool prune(uint64_t from, uint64_t upto, size_t entries_max)
{
    struct clock known;
    bool done = false;
    clock_init(&known);
    clock_add_run(&known, w.actor, from, upto);
    CU_ASSERT_EQUAL(engine_log_prune(w.engine, KEYSPACE, RANGE, &known, entries_max, &done),
                    ERR_OK);
    clock_close(&known);
    return done;
}

static void what_is_pruned_is_in_the_floor(void)
{
    struct clock had;
    clock_init(&had);
    put(DOTS);
    CU_ASSERT(clock_empty(engine_log_floor(w.engine, KEYSPACE, RANGE)));
    CU_ASSERT(prune(1, 100, 1000));
    CU_ASSERT(prune(150, 160, 1000));
    for (int round = 0; round < 2; round++) {
        const struct clock *floor = engine_log_floor(w.engine, KEYSPACE, RANGE);
        CU_ASSERT_EQUAL(clock_count(floor), 111);
        CU_ASSERT_EQUAL(clock_base(floor, w.actor), 100);
        CU_ASSERT(clock_has(floor, (struct dot){w.actor, 155}));
        CU_ASSERT_FALSE(clock_has(floor, (struct dot){w.actor, 149}));
        CU_ASSERT_EQUAL(figures().pruned, 111);
        CU_ASSERT_EQUAL(figures().dots, DOTS - 111);
        CU_ASSERT(is_accounted());
        log_dots(&had);
        CU_ASSERT(round == 0 || clock_count(&had) == DOTS - 111); /* else some are in memory */
        restart();
    }
    clock_close(&had);
}

/* Bytes are known without looking: also after the journal was read back. */
static void the_length_of_a_log_is_known(void)
{
    put(DOTS);
    CU_ASSERT_EQUAL(figures().bytes, 0); /* it is all in the journal */
    restart();
    uint64_t all = figures().bytes;
    CU_ASSERT(all > DOTS * 10);
    CU_ASSERT(all < DOTS * 100);
    put(DOTS);
    engine_save_clocks(w.engine);
    uint64_t twice = figures().bytes;
    CU_ASSERT(twice > all + all / 2);
    restart();
    CU_ASSERT_EQUAL(figures().bytes, twice);
    CU_ASSERT(prune(1, DOTS, 1000));
    uint64_t left = figures().bytes;
    CU_ASSERT(left < twice - all / 2);
    restart();
    CU_ASSERT_EQUAL(figures().bytes, left);
    CU_ASSERT(prune(1, 2 * DOTS, 1000));
    CU_ASSERT_EQUAL(figures().bytes, 0);
}

/* The power fails behind each batch of what pruning writes. */
static void pruning_may_end_anywhere(void)
{
    struct range_place place = {.first = INT64_MIN, .last = INT64_MAX};
    table_no tables[] = {TABLE};
    place.tables = tables;
    place.tables_count = 1;
    for (size_t keep = 0, pending = SIZE_MAX; keep <= pending; keep++) {
        struct tree_sum had, has;
        struct clock asof;
        bool done = false, current;
        floor_teardown();
        floor_setup();
        clock_init(&asof);
        put(DOTS / 2);
        while (!done)
            CU_ASSERT_EQUAL_FATAL(
                engine_tree_update(w.engine, KEYSPACE, RANGE, &place, 1000, &done), ERR_OK);
        put(DOTS / 2);
        w.store->ops = &w.each;
        done = false;
        while (!done)
            done = prune(1, DOTS, 70);
        w.store->ops = w.inside;
        pending = store_mem_pending(w.store);
        engine_free(w.engine);
        store_mem_crash(w.store, keep);
        start();
        CU_ASSERT_EQUAL(clock_count(clock_now()), DOTS);
        sync_all(w.store); /* what was in the journal is in the log */
        CU_ASSERT(is_accounted());
        uint64_t built = engine_stats(w.engine).trees_built;
        for (int round = 0; round < 2; round++) {
            done = false;
            while (!done)
                CU_ASSERT_EQUAL_FATAL(
                    engine_tree_update(w.engine, KEYSPACE, RANGE, &place, 1000, &done), ERR_OK);
            CU_ASSERT_EQUAL(engine_tree_root(w.engine, KEYSPACE, RANGE, &place,
                                             round == 0 ? &had : &has, &asof, &current),
                            ERR_OK);
            if (round == 0) {
                CU_ASSERT_EQUAL(engine_stats(w.engine).trees_built, built); /* nothing was lost */
                engine_tree_drop(w.engine, KEYSPACE, RANGE);
            }
        }
        CU_ASSERT_EQUAL(had.sum, has.sum);
        CU_ASSERT_EQUAL(had.rows, 100);
        CU_ASSERT(keep < pending || is_accounted());
        clock_close(&asof);
        if (CU_get_number_of_failures() > 0) {
            printf("  %zu of %zu groups\n", keep, pending);
            return;
        }
    }
}

static void sample(int64_t now_s)
{
    engine_save_clocks(w.engine); /* so that bytes are known */
    engine_log_sample(w.engine, KEYSPACE, RANGE, now_s, 2000, 60);
}

static uint64_t cut(uint64_t bytes_max, int64_t before_s)
{
    bool done = false;
    for (int i = 0; i < 100 && !done; i++)
        CU_ASSERT_EQUAL(engine_log_cut(w.engine, KEYSPACE, RANGE, bytes_max, before_s, 70, &done),
                        ERR_OK);
    CU_ASSERT(done);
    CU_ASSERT(is_accounted());
    return figures().pruned;
}

static void a_log_is_cut_by_age(void)
{
    for (int64_t t = 1000; t < 1300; t += 10) {
        put(10);
        sample(t);
    }
    CU_ASSERT_EQUAL(figures().since_s, 1000);
    CU_ASSERT_EQUAL(cut(UINT64_MAX, 1000), 0);
    uint64_t first = cut(UINT64_MAX, 1001);
    CU_ASSERT_EQUAL(first, 10);
    CU_ASSERT_EQUAL(cut(UINT64_MAX, 1130), 130); /* sampled each minute: of 1000, 1060, 1120 */
    CU_ASSERT_EQUAL(figures().since_s, 1120);
    restart();
    CU_ASSERT_EQUAL(figures().since_s, 1120);
    CU_ASSERT_EQUAL(cut(UINT64_MAX, 1190), 190);
    CU_ASSERT_EQUAL(cut(UINT64_MAX, 9999), 250); /* what came since is in no sample */
}

static void a_log_is_cut_by_bytes(void)
{
    for (int64_t t = 1000; t < 1050; t++) {
        put(20);
        sample(t);
    }
    uint64_t all = figures().bytes;
    CU_ASSERT(all > 20000);
    CU_ASSERT_EQUAL(cut(all, 0), 0);
    CU_ASSERT(cut(20000, 0) > 0);
    CU_ASSERT(figures().bytes <= 20000);
    CU_ASSERT(figures().bytes > 17000);
    uint64_t pruned = figures().pruned;
    CU_ASSERT_EQUAL(cut(20000, 0), pruned); /* and no more */
    restart();
    CU_ASSERT(cut(8000, 0) > pruned);
    CU_ASSERT(figures().bytes <= 8000);
    CU_ASSERT(figures().bytes > 5000);
}

static void samples_are_bounded(void)
{
    for (int64_t t = 1; t <= 200; t++) {
        put(5);
        engine_save_clocks(w.engine);
        engine_log_sample(w.engine, KEYSPACE, RANGE, 1000 + t, 1, 1);
    }
    uint64_t all = figures().bytes;
    CU_ASSERT(cut(all / 2, 0) > 0);
    CU_ASSERT(figures().bytes <= all / 2);
    CU_ASSERT(figures().bytes > all / 4);
}

static void forgetting_a_range_forgets_its_floor(void)
{
    struct range_place place = {.first = INT64_MIN, .last = INT64_MAX};
    bool done = false;
    put(DOTS);
    CU_ASSERT(prune(1, 100, 1000));
    sample(1000);
    while (!done)
        CU_ASSERT_EQUAL(engine_forget(w.engine, KEYSPACE, RANGE, &place, 50, &done), ERR_OK);
    for (int round = 0; round < 2; round++) {
        CU_ASSERT_EQUAL(figures().bytes, 0);
        CU_ASSERT_EQUAL(figures().pruned, 0);
        CU_ASSERT_EQUAL(cut(0, 9999), 0);
        restart();
    }
}

/* Another engine, that is about to take the range over, has a row of its own, and asks for what is
 * new. What the log does not tell of any more may have deleted that row here. */
static void a_pull_does_not_name_what_was_pruned(void)
{
    struct store *store = store_mem_new();
    struct engine *to;
    struct clock wanted, done, context;
    struct buf b;
    CU_ASSERT_EQUAL_FATAL(open_engine(store, &to), ERR_OK);
    clock_init(&wanted);
    clock_init(&done);
    clock_init(&context);
    buf_init(&b, SIZE_MAX);
    struct dot theirs = {{2, 1}, 1};
    put(1);
    struct part p = one_row(&w.arena, "row 002", 5, theirs);
    CU_ASSERT_EQUAL(engine_apply(w.engine, KEYSPACE, RANGE, &p, theirs, NULL, 0), ERR_OK);
    CU_ASSERT_EQUAL(engine_apply(to, KEYSPACE, RANGE, &p, theirs, NULL, 0), ERR_OK);
    put(1); /* the same row */
    sync_all(store);
    for (int pruned = 0; pruned < 2; pruned++) {
        clock_close(&wanted);
        clock_add(&wanted, (struct dot){w.actor, 2});
        CU_ASSERT_EQUAL(engine_log_read(w.engine, KEYSPACE, RANGE, &wanted,
                                        engine_clock(to, KEYSPACE, RANGE), 10000, &b, &done),
                        ERR_OK);
        CU_ASSERT(clock_covers(&done, &wanted));
        CU_ASSERT_EQUAL(b.data[1], pruned == 0 ? 1 : 0); /* all that touched it is named */
        CU_ASSERT(prune(1, 1, 100));
    }
    engine_free(to);
    store_close(store);
    clock_close(&wanted);
    clock_close(&done);
    clock_close(&context);
    buf_close(&b);
}

/* What was dropped elsewhere bounds what is new here, also after a restart. */
static void bounds_of_what_was_dropped_are_taken_over(void)
{
    struct store *store = store_mem_new();
    struct engine *from;
    struct clock agreed;
    struct buf list;
    bool done;
    struct dot t = {{2, 1}, 1};
    buf_init(&list, SIZE_MAX);
    clock_init(&agreed);
    clock_add(&agreed, t);
    CU_ASSERT_EQUAL_FATAL(open_engine(store, &from), ERR_OK);
    CU_ASSERT_EQUAL(engine_purged_list(from, &list), ERR_OK);
    CU_ASSERT_EQUAL(list.len, 0);
    struct part p = one_row(&w.arena, "row", 500, t);
    p.deletion = (struct tomb){500, 1, t};
    p.rows_count = 0;
    CU_ASSERT_EQUAL(engine_apply(from, KEYSPACE, RANGE, &p, t, NULL, 0), ERR_OK);
    CU_ASSERT_EQUAL(engine_purge(from, KEYSPACE, RANGE, &agreed, 1000, SIZE_MAX, &done), ERR_OK);
    CU_ASSERT_EQUAL(engine_purged_list(from, &list), ERR_OK);
    CU_ASSERT_EQUAL(list.len, 29);
    CU_ASSERT_EQUAL(engine_purged_bound(w.engine, TABLE, p.token), TIMESTAMP_NONE);
    CU_ASSERT_EQUAL(engine_purged_take(w.engine, bytes_make(list.data, 11)), ERR_MALFORMED);
    CU_ASSERT_EQUAL(engine_purged_take(w.engine, BYTES_LIT("\xff\xff\xff\xff????????")),
                    ERR_MALFORMED);
    CU_ASSERT_EQUAL(engine_maximum(w.engine, TABLE, p.token), TIMESTAMP_NONE);
    CU_ASSERT_EQUAL(engine_purged_take(w.engine, buf_bytes(&list)), ERR_OK);
    for (int round = 0; round < 2; round++) {
        CU_ASSERT_EQUAL(engine_purged_bound(w.engine, TABLE, p.token), 500);
        CU_ASSERT_EQUAL(engine_maximum(w.engine, TABLE, p.token), 500);
        restart();
    }
    engine_free(from);
    store_close(store);
    clock_close(&agreed);
    buf_close(&list);
}

CU_TestInfo floor_tests[] = {
    {"what is pruned is in the floor", what_is_pruned_is_in_the_floor},
    {"the length of a log is known", the_length_of_a_log_is_known},
    {"pruning may end anywhere", pruning_may_end_anywhere},
    {"a log is cut by age", a_log_is_cut_by_age},
    {"a log is cut by bytes", a_log_is_cut_by_bytes},
    {"samples are bounded", samples_are_bounded},
    {"forgetting a range forgets its floor", forgetting_a_range_forgets_its_floor},
    {"a pull does not name what was pruned", a_pull_does_not_name_what_was_pruned},
    {"bounds of what was dropped are taken over", bounds_of_what_was_dropped_are_taken_over},
    CU_TEST_INFO_NULL,
};
