/* Trees: what they say is what a scan adds up to, whatever happened. */
#include "base/mem.h"
#include "engine_fixture.h"
#include "storage/keys.h"
#include "storage/store_mem.h"
#include "tree_world.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define WIDTH TREE_WORLD_WIDTH
#define ROWS  2000

static uint64_t fragments(const struct tree_world *w)
{
    return engine_stats(w->engine).fragments_read;
}

static size_t count_keys(struct tree_world *w, struct bytes prefix)
{
    size_t count = 0;
    struct store_iter *it = store_iter_new(w->store);
    for (store_iter_seek(it, prefix);
         store_iter_valid(it) && bytes_starts_with(store_iter_key(it), prefix); store_iter_next(it))
        count++;
    store_iter_free(it);
    return count;
}

/* Puts the value, or deletes where it is NULL, behind the back of the engine; of the first `max`
 * keys with the prefix. */
static void forge(struct tree_world *w, struct bytes prefix, size_t max, const char *value)
{
    struct store_batch b;
    struct store_iter *it = store_iter_new(w->store);
    store_batch_init(&b);
    for (store_iter_seek(it, prefix);
         max-- > 0 && store_iter_valid(it) && bytes_starts_with(store_iter_key(it), prefix);
         store_iter_next(it)) {
        if (value == NULL)
            store_batch_delete(&b, store_iter_key(it));
        else
            store_batch_put(&b, store_iter_key(it), bytes_text(value));
    }
    store_iter_free(it);
    store_write(w->store, &b, 0);
    store_batch_close(&b);
}

/* --- bringing up to date */

static void is_built_in_slices(void)
{
    struct tree_world w;
    bool done = false, current = false;
    unsigned calls = 0;
    tree_world_open(&w, 1, WIDTH);
    for (unsigned i = 0; i < ROWS; i++) {
        tree_world_put(&w, i % 20, i, 10);
        arena_reset(&w.arena);
    }
    for (; !done && calls < ROWS / 100 + 10; calls++) {
        uint64_t before = fragments(&w);
        CU_ASSERT_EQUAL(engine_tree_update(w.engine, KEYSPACE, RANGE, &w.place, 100, &done),
                        ERR_OK);
        CU_ASSERT(fragments(&w) - before <= 100 + 2 * WIDTH + 2);
        if (calls % 3 == 2) { /* each call is where it was, after a restart as well */
            sync_all(w.store);
            engine_free(w.engine);
            tree_world_start(&w);
        }
        tree_world_root(&w, &current);
        CU_ASSERT_EQUAL(current, done);
    }
    CU_ASSERT(calls > ROWS / 200);
    CU_ASSERT(done && calls < ROWS / 100 + 10); /* nothing is read twice */
    CU_ASSERT_EQUAL(tree_world_root(&w, &current).rows, ROWS);
    tree_world_check(&w);
    tree_world_is_good(&w, 1);
    tree_world_close(&w);
}

static void a_write_costs_a_leaf(void)
{
    struct tree_world w;
    bool current;
    tree_world_filled(&w, ROWS);
    struct tree_sum before = tree_world_root(&w, &current);
    CU_ASSERT(current);
    tree_world_put(&w, 7, 1007, 20);
    uint64_t read = fragments(&w);
    tree_world_root(&w, &current);
    CU_ASSERT(!current);
    CU_ASSERT_EQUAL(fragments(&w), read);
    tree_world_update(&w, SIZE_MAX);
    CU_ASSERT(fragments(&w) - read <= 2 * WIDTH + 2);
    struct tree_sum after = tree_world_root(&w, &current);
    CU_ASSERT(current);
    CU_ASSERT_EQUAL(after.rows, before.rows);
    CU_ASSERT_NOT_EQUAL(after.sum, before.sum);
    tree_world_is_good(&w, 1);
    tree_world_close(&w);
}

/* Leaves that grow are cut, those that shrink are joined; pieces, too. */
static void leaves_follow_rows(void)
{
    struct tree_world w;
    struct buf pieces;
    buf_init(&pieces, SIZE_MAX);
    tree_world_filled(&w, ROWS);
    key_tree_table(&pieces, KEYSPACE, RANGE, TABLE);
    size_t many = count_keys(&w, buf_bytes(&pieces));
    CU_ASSERT(many >= ROWS / (2 * WIDTH * 2 * WIDTH));
    CU_ASSERT(many > 1);
    for (token t = 0; t < 20; t++) {
        struct dot dot = engine_next_dot(w.engine, KEYSPACE, RANGE, w.self);
        struct part p = {.table = TABLE, .token = t, .deletion = {30, 1, dot}};
        char key[16];
        snprintf(key, sizeof key, "p%d", (int)t);
        p.key = bytes_text(key);
        p.static_row.deletion = TOMB_NONE;
        CU_ASSERT_EQUAL(engine_apply(w.engine, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
    }
    tree_world_check(&w);
    CU_ASSERT_EQUAL(count_keys(&w, buf_bytes(&pieces)), 1);
    for (unsigned i = 0; i < ROWS; i++)
        tree_world_put(&w, i % 20, i, 40);
    tree_world_check(&w);
    CU_ASSERT(count_keys(&w, buf_bytes(&pieces)) > 1);
    tree_world_is_good(&w, 1);
    buf_close(&pieces);
    tree_world_close(&w);
}

/* Rows that do not fit in memory together are read all the same. */
static void long_partitions(void)
{
    struct tree_world w;
    bool current;
    char value[5000];
    memset(value, 'x', sizeof value);
    tree_world_open(&w, 1, WIDTH);
    for (unsigned i = 0; i < 600; i++) {
        struct dot dot = engine_next_dot(w.engine, KEYSPACE, RANGE, w.self);
        char key[16];
        snprintf(key, sizeof key, "%c%u", i % 7 == 0 ? 0 : 'r', i);
        struct part p = one_row(&w.arena, "", 10, dot);
        p.rows[0].key = bytes_make(key, i == 0 ? 0 : 1 + strlen(key + 1));
        p.rows[0].cells[0].value = bytes_make(value, sizeof value);
        p.token = 5;
        CU_ASSERT_EQUAL(engine_apply(w.engine, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
        arena_reset(&w.arena);
    }
    tree_world_check(&w);
    tree_world_check_clean(&w);
    CU_ASSERT_EQUAL(tree_world_root(&w, &current).rows, 600);
    tree_world_is_good(&w, 1);
    tree_world_close(&w);
}

static void collapsing_changes_nothing(void)
{
    static const struct tree_stretch all;
    struct tree_world w;
    bool current;
    tree_world_filled(&w, 100);
    for (unsigned i = 0; i < 600; i++)
        tree_world_put(&w, i % 20, i % 100, 20 + i);
    tree_world_update(&w, SIZE_MAX);
    struct tree_sum before = tree_world_root(&w, &current);
    uint64_t collapses = engine_stats(w.engine).collapses;
    for (unsigned i = 0; i < 600; i++)
        tree_world_put(&w, i % 20, i % 100, 20 + i); /* what is there already */
    for (int i = 0; i < 5; i++)
        (void)tree_world_sum(&w, TABLE, &all, NULL);
    CU_ASSERT(engine_stats(w.engine).collapses > collapses);
    tree_world_check_clean(&w);
    tree_world_check(&w);
    CU_ASSERT_EQUAL(tree_world_root(&w, &current).rows, before.rows);
    tree_world_is_good(&w, 1);
    tree_world_close(&w);
}

/* --- the log */

static void pruning_folds_first(void)
{
    struct tree_world w;
    tree_world_filled(&w, ROWS);
    CU_ASSERT(tree_world_prune(&w));
    for (unsigned i = 0; i < 300; i++)
        tree_world_put(&w, 7, 7 + 20 * (i % 2), 20 + i);
    CU_ASSERT(tree_world_prune(&w));
    struct buf log;
    buf_init(&log, SIZE_MAX);
    key_log(&log, KEYSPACE, RANGE, (struct dot){w.self, 0});
    log.len = 9;
    CU_ASSERT_EQUAL(count_keys(&w, buf_bytes(&log)), 0);
    buf_close(&log);
    sync_all(w.store);
    engine_free(w.engine);
    tree_world_start(&w); /* what was pruned is not in memory either */
    tree_world_update(&w, SIZE_MAX);
    CU_ASSERT(fragments(&w) <= 300 + 4 * WIDTH);
    CU_ASSERT_EQUAL(engine_stats(w.engine).trees_built, 0);
    tree_world_check(&w);
    tree_world_is_good(&w, 1);
    tree_world_close(&w);
}

static void what_the_log_lacks_is_dirty(void)
{
    struct tree_world w;
    tree_world_filled(&w, ROWS);
    tree_world_put(&w, 7, 7, 20);
    tree_world_put(&w, 8, 8, 20);
    engine_save_clocks(w.engine); /* in pieces, and in a snapshot */
    sync_all(w.store);
    forge(&w, BYTES_LIT("l"), SIZE_MAX, NULL);
    engine_free(w.engine);
    tree_world_start(&w);
    struct tree_touched *touched;
    size_t count;
    CU_ASSERT_EQUAL(engine_tree_touched(w.engine, KEYSPACE, RANGE,
                                        engine_clock(w.engine, KEYSPACE, RANGE), 100000, SIZE_MAX,
                                        &w.arena, &touched, &count),
                    ERR_BEHIND);
    tree_world_check(&w);
    CU_ASSERT_EQUAL(engine_stats(w.engine).trees_built, 1);
    tree_world_is_good(&w, 1);
    tree_world_close(&w);
}

/* --- garbage */

static void purge_all(struct tree_world *w, int64_t expired_before_s)
{
    struct clock agreed;
    bool done = false;
    clock_init(&agreed);
    clock_copy(&agreed, engine_clock(w->engine, KEYSPACE, RANGE));
    while (!done)
        CU_ASSERT_EQUAL_FATAL(
            engine_purge(w->engine, KEYSPACE, RANGE, &agreed, expired_before_s, 100, &done),
            ERR_OK);
    clock_close(&agreed);
}

/* Only leaves that have garbage which may have gone are read again. */
static void what_is_dropped_leaves_a_mark(void)
{
    struct tree_world w;
    bool current;
    tree_world_filled(&w, ROWS);
    tree_world_put_garbage(&w, 7, CELL_EXPIRING, 2000);
    tree_world_put_garbage(&w, 19, CELL_EXPIRING, 5000);
    tree_world_put_garbage(&w, 1205, CELL_TOMBSTONE, 1000);
    tree_world_update(&w, SIZE_MAX);
    tree_world_root(&w, &current);
    CU_ASSERT(current);
    purge_all(&w, 3000);
    CU_ASSERT_EQUAL(engine_stats(w.engine).purged, 2);
    sync_all(w.store);
    engine_free(w.engine);
    tree_world_start(&w); /* the mark is on the disk */
    tree_world_root(&w, &current);
    CU_ASSERT(!current);
    uint64_t leaves = engine_stats(w.engine).leaves_read;
    tree_world_update(&w, SIZE_MAX);
    CU_ASSERT_EQUAL(engine_stats(w.engine).leaves_read - leaves, 2);
    CU_ASSERT_EQUAL(tree_world_root(&w, &current).rows, ROWS - 2);
    purge_all(&w, 3000); /* there is nothing any more */
    tree_world_root(&w, &current);
    CU_ASSERT(current);
    CU_ASSERT_EQUAL(count_keys(&w, BYTES_LIT("T")), 0);
    tree_world_check(&w);
    tree_world_is_good(&w, 1);
    tree_world_close(&w);
}

/* --- what goes, and what is damaged */

static void goes_with_its_range(void)
{
    struct tree_world w;
    bool done = false;
    tree_world_filled(&w, ROWS);
    tree_world_put_garbage(&w, 8, CELL_TOMBSTONE, 1000);
    tree_world_update(&w, SIZE_MAX);
    purge_all(&w, 0);
    while (!done)
        CU_ASSERT_EQUAL_FATAL(engine_forget(w.engine, KEYSPACE, RANGE, &w.place, 30, &done),
                              ERR_OK);
    CU_ASSERT_EQUAL(count_keys(&w, BYTES_LIT("t")) + count_keys(&w, BYTES_LIT("T")), 0);
    tree_world_check(&w);
    tree_world_put(&w, 7, 7, 10);
    tree_world_check(&w);
    tree_world_is_good(&w, 1);
    tree_world_close(&w);
}

static size_t count_trees(struct tree_world *w, table_no table)
{
    struct buf of;
    size_t count = 0;
    buf_init(&of, SIZE_MAX);
    for (range_no r = RANGE; r <= RANGE + 1; r++) {
        key_tree_table(&of, KEYSPACE, r, table);
        count += count_keys(w, buf_bytes(&of));
    }
    buf_close(&of);
    return count;
}

static void goes_with_its_table(void)
{
    struct tree_world w;
    bool current, done = false;
    struct range_place beside;
    tree_world_filled(&w, 200);
    beside = w.place;
    beside.first = TREE_TOKENS + 1;
    beside.last = INT64_MAX;
    for (unsigned calls = 0; !done && calls < 10000; calls++)
        CU_ASSERT_EQUAL_FATAL(
            engine_tree_update(w.engine, KEYSPACE, RANGE + 1, &beside, 100, &done), ERR_OK);
    CU_ASSERT(count_trees(&w, TABLE) >= 2);
    CU_ASSERT(count_trees(&w, TABLE + 1) >= 2);
    for (unsigned calls = 0; !engine_drop_table(w.engine, TABLE, 1); calls++)
        CU_ASSERT_FATAL(calls < 10000);
    CU_ASSERT_EQUAL(count_trees(&w, TABLE), 0);
    CU_ASSERT_EQUAL(tree_world_root(&w, &current).rows, 0);
    CU_ASSERT(!current);
    tree_world_check(&w);
    w.place.tables_count = 1; /* so do tables that are not named any more */
    tree_world_update(&w, 100);
    CU_ASSERT(count_trees(&w, TABLE) > 0);
    CU_ASSERT_EQUAL(count_trees(&w, TABLE + 1), 1); /* of the other range */
    w.place.tables_count = TREE_TABLES;
    tree_world_check(&w);
    tree_world_is_good(&w, 1);
    tree_world_close(&w);
}

/* Damage is told once, and then all is read again. */
static void damaged_records(void)
{
    static const char *const values[] = {"", "\1", "\1\1\1\1\1\1\1\1\1\1\1\1\1\1", "\2xxxxxxxxx"};
    struct buf pieces;
    buf_init(&pieces, SIZE_MAX);
    key_tree_table(&pieces, KEYSPACE, RANGE, TABLE);
    for (size_t i = 0; i < 2 * ARRAY_LEN(values); i++) {
        struct tree_world w;
        struct tree_sum sum;
        bool done, current;
        struct tree_stretch all = {BYTES_NONE, BYTES_NONE};
        tree_world_filled(&w, 500);
        bool piece = i >= ARRAY_LEN(values);
        forge(&w, piece ? buf_bytes(&pieces) : BYTES_LIT("t"), 1, values[i % ARRAY_LEN(values)]);
        tree_world_put(&w, 1, 1, 20);
        uint64_t damaged = engine_stats(w.engine).damaged;
        if (i % 2 == 0)
            CU_ASSERT_EQUAL(engine_tree_update(w.engine, KEYSPACE, RANGE, &w.place, 100, &done),
                            ERR_CORRUPT)
        else
            CU_ASSERT_EQUAL(
                engine_tree_sum(w.engine, KEYSPACE, RANGE, &w.place, TABLE, &all, NULL, &sum),
                ERR_CORRUPT);
        CU_ASSERT_EQUAL(engine_stats(w.engine).damaged, damaged + 1);
        tree_world_root(&w, &current);
        CU_ASSERT(!current);
        CU_ASSERT_EQUAL(
            engine_tree_sum(w.engine, KEYSPACE, RANGE, &w.place, TABLE, &all, NULL, &sum),
            ERR_BEHIND);
        tree_world_check(&w);
        tree_world_is_good(&w, i);
        tree_world_close(&w);
    }
    buf_close(&pieces);
}

/* Through all of it; was something not to be read? */
static bool scrub_is_unread(struct tree_world *w)
{
    struct tree_scrub scrub = {.table = 0};
    struct tree_wrong *wrong;
    size_t count;
    bool done = false;
    for (int i = 0; i < 1000 && !done; i++) {
        CU_ASSERT_EQUAL(engine_tree_scrub(w->engine, KEYSPACE, RANGE, &w->place, &scrub, 50,
                                          &w->arena, &wrong, &count, &done),
                        ERR_OK);
        CU_ASSERT_EQUAL(count, 0);
    }
    CU_ASSERT(done);
    buf_close(&scrub.from);
    return scrub.unread;
}

static void unreadable_rows(void)
{
    struct tree_world w;
    struct buf from, upto;
    bool done, current;
    buf_init(&from, SIZE_MAX);
    buf_init(&upto, SIZE_MAX);
    tree_world_filled(&w, 500);
    tree_world_put(&w, 7, 7, 20);
    tree_world_put(&w, 9, 9, 20);
    sync_all(w.store);
    key_token(&from, TABLE, 7);
    key_token(&upto, TABLE, 8);
    store_mem_fail_reads(w.store, buf_bytes(&from), buf_bytes(&upto), ERR_CORRUPT);
    CU_ASSERT_EQUAL(engine_tree_update(w.engine, KEYSPACE, RANGE, &w.place, 10000, &done),
                    ERR_CORRUPT);
    tree_world_root(&w, &current);
    CU_ASSERT(!current);
    CU_ASSERT(scrub_is_unread(&w)); /* what can be read is looked at all the same */
    store_mem_fail_reads(w.store, buf_bytes(&from), buf_bytes(&upto), ERR_OK);
    tree_world_check(&w);
    CU_ASSERT_EQUAL(engine_stats(w.engine).trees_built, 1);
    tree_world_is_good(&w, 1);
    buf_close(&from);
    buf_close(&upto);
    tree_world_close(&w);
}

/* --- scrub */

static size_t scrub_all(struct tree_world *w, struct tree_wrong *ret_first)
{
    struct tree_scrub scrub = {.table = 0};
    struct tree_wrong *wrong;
    size_t sum = 0, count;
    bool done = false;
    while (!done) {
        CU_ASSERT_EQUAL_FATAL(engine_tree_scrub(w->engine, KEYSPACE, RANGE, &w->place, &scrub, 50,
                                                &w->arena, &wrong, &count, &done),
                              ERR_OK);
        if (sum == 0 && count > 0)
            *ret_first = wrong[0];
        sum += count;
    }
    buf_close(&scrub.from);
    return sum;
}

static void scrub_finds_damage(void)
{
    struct tree_world w;
    struct tree_wrong wrong;
    struct buf row;
    bool current;
    tree_world_filled(&w, 500);
    CU_ASSERT_EQUAL(scrub_all(&w, &wrong), 0);
    buf_init(&row, SIZE_MAX);
    key_part(&row, TABLE, 7, BYTES_LIT("p7"));
    buf_put_u8(&row, KEY_ROW);
    key_add_escaped(&row, BYTES_LIT("000147"));
    CU_ASSERT_EQUAL(count_keys(&w, buf_bytes(&row)), 1);
    forge(&w, buf_bytes(&row), 1, NULL);
    tree_world_root(&w, &current);
    CU_ASSERT(current); /* nobody can tell */
    CU_ASSERT_EQUAL_FATAL(scrub_all(&w, &wrong), 1);
    CU_ASSERT_EQUAL(engine_stats(w.engine).leaves_wrong, 1);
    CU_ASSERT_EQUAL(wrong.table, TABLE);
    CU_ASSERT_EQUAL(wrong.had.rows, wrong.has.rows + 1);
    struct bytes place = bytes_make(row.data + 5, row.len - 5);
    CU_ASSERT(bytes_compare(wrong.stretch.from, place) <= 0);
    CU_ASSERT(wrong.stretch.upto.len == 0 || bytes_compare(place, wrong.stretch.upto) < 0);
    CU_ASSERT_EQUAL(scrub_all(&w, &wrong), 0);
    tree_world_check(&w);
    tree_world_is_good(&w, 1);
    buf_close(&row);
    tree_world_close(&w);
}

/* --- random */

static void random_worlds(void)
{
    static const uint32_t widths[] = {4, 16, 0};
    for (uint64_t seed = 1; seed <= 24; seed++) {
        struct tree_world w;
        tree_world_open(&w, seed, widths[seed % ARRAY_LEN(widths)]);
        for (int i = 0; i < 600 && w.wrong == NULL; i++) {
            tree_world_step(&w);
            if (i % 97 == 96 && w.wrong == NULL)
                tree_world_check(&w);
        }
        tree_world_check_clean(&w);
        tree_world_check(&w);
        tree_world_is_good(&w, seed);
        tree_world_close(&w);
    }
}

CU_TestInfo tree_tests[] = {
    {"is built in slices", is_built_in_slices},
    {"a write costs a leaf", a_write_costs_a_leaf},
    {"leaves are cut and joined", leaves_follow_rows},
    {"long partitions", long_partitions},
    {"collapsing changes nothing", collapsing_changes_nothing},
    {"pruning the log folds it first", pruning_folds_first},
    {"what the log lacks is dirty", what_the_log_lacks_is_dirty},
    {"what is dropped leaves a mark", what_is_dropped_leaves_a_mark},
    {"a tree goes with its range", goes_with_its_range},
    {"a tree goes with its table", goes_with_its_table},
    {"damaged records", damaged_records},
    {"rows that cannot be read", unreadable_rows},
    {"a scrub finds damage", scrub_finds_damage},
    {"random worlds", random_worlds},
    CU_TEST_INFO_NULL,
};
