/* Rows of another replica, by their places: what a session by trees gives and takes. */
#include "base/mem.h"
#include "engine_fixture.h"
#include "gen.h"
#include "storage/keys.h"
#include "storage/part_private.h"
#include "storage/store_mem.h"
#include "tree_world.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static const struct tree_stretch everything;

static bool is_listed(const struct tree_item *items, size_t count, uint64_t content)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].content_hash == content)
            return true;
    }
    return false;
}

static struct tree_item *list(struct tree_world *w, table_no table, size_t *ret_count)
{
    struct tree_item *items;
    struct bytes next;
    tree_world_expect(w,
                      engine_tree_list(w->engine, KEYSPACE, RANGE, &w->place, table, &everything,
                                       NULL, NULL, INT64_MIN, 100000, &w->arena, &items, ret_count,
                                       &next) == ERR_OK &&
                          next.len == 0,
                      "no list");
    return items;
}

/* What `from` has and `to` has not, or otherwise; in messages of few bytes. */
static void give(struct tree_world *from, struct tree_world *to, table_no table, size_t bytes_max,
                 struct tree_taken *sum)
{
    size_t count, have, places_count = 0;
    struct tree_item *items = list(from, table, &count);
    struct tree_item *theirs = list(to, table, &have);
    struct bytes *places = arena_array(&from->arena, struct bytes, count + 1);
    for (size_t i = 0; i < count; i++) {
        if (!is_listed(theirs, have, items[i].content_hash))
            places[places_count++] = items[i].place;
    }
    for (size_t at = 0, served = 0; at < places_count; at += served) {
        struct tree_taken taken = {0};
        struct buf rows;
        buf_init(&rows, SIZE_MAX);
        tree_world_expect(from,
                          engine_tree_rows(from->engine, table, places + at, places_count - at,
                                           bytes_max, &rows, &served) == ERR_OK &&
                              served > 0,
                          "no rows");
        tree_world_expect(to,
                          engine_tree_take(to->engine, KEYSPACE, RANGE, &to->place,
                                           buf_bytes(&rows), NULL, NULL, to->now_s, &to->arena, 0,
                                           &taken) == ERR_OK,
                          "rows are not taken");
        sum->rows += taken.rows;
        sum->doubtful += taken.doubtful;
        tree_world_expect(to, taken.rows <= served, "more rows than came");
        buf_close(&rows);
        if (served == 0)
            break;
    }
}

static void same_roots(struct tree_world *a, struct tree_world *b, uint64_t seed)
{
    tree_world_check_clean(a);
    tree_world_check_clean(b);
    tree_world_check(a);
    tree_world_check(b);
    for (size_t i = 0; i < TREE_TABLES; i++) {
        struct tree_sum x = tree_world_sum(a, a->place.tables[i], &everything, NULL);
        struct tree_sum y = tree_world_sum(b, b->place.tables[i], &everything, NULL);
        tree_world_expect(a, x.sum == y.sum && x.rows == y.rows, "rows are not equal");
    }
    tree_world_is_good(a, seed);
    tree_world_is_good(b, seed);
}

/* Both have the same clock, and one or the other has not what some dots did; or one lacks dots. */
static void rows_come_to_be_equal(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct tree_world a, b;
        bool behind = seed % 3 == 0; /* clocks tell of the difference */
        tree_world_open(&a, seed, 4);
        tree_world_open(&b, seed + 1000, 16);
        b.self.node = 9;
        engine_set_actor(b.engine, b.self);
        for (uint64_t n = 1; n <= 250; n++) {
            struct dot dot = {{7, 1}, n};
            struct part p = tree_world_part(&a, dot), none = p;
            uint64_t who = rng_chance(&a.rng, 850000) ? 3 : rng_below(&a.rng, 3);
            none.deletion = TOMB_NONE;
            none.tombs_count = none.rows_count = 0;
            none.has_static = false;
            for (uint64_t k = 0; k < 2; k++) {
                struct tree_world *w = k == 0 ? &a : &b;
                bool has = (who >> k & 1) != 0;
                if (has || !behind)
                    CU_ASSERT_EQUAL(
                        engine_apply(w->engine, KEYSPACE, RANGE, has ? &p : &none, dot, NULL, 0),
                        ERR_OK);
                if (rng_chance(&a.rng, 20000))
                    tree_world_update(w, 1 + (size_t)rng_below(&a.rng, 500));
            }
        }
        struct tree_taken came = {0};
        uint64_t named = clock_count(engine_clock(b.engine, KEYSPACE, RANGE));
        for (size_t i = 0; i < TREE_TABLES; i++) {
            size_t bytes = seed % 2 == 0 ? 1 : 5000;
            give(&a, &b, a.place.tables[i], bytes, &came);
            give(&b, &a, a.place.tables[i], bytes, &came);
        }
        CU_ASSERT(came.rows > 0);
        if (!behind) /* nothing came that no dot tells of */
            CU_ASSERT_EQUAL(clock_count(engine_clock(b.engine, KEYSPACE, RANGE)), named);
        sync_all(a.store);
        sync_all(b.store);
        same_roots(&a, &b, seed);
        if (seed % 4 == 0) {
            tree_world_crash(&a);
            same_roots(&a, &b, seed);
        }
        tree_world_close(&a);
        tree_world_close(&b);
    }
}

/* --- one thing at a time */

static struct bytes rows_of(struct tree_world *w, token at, const char *row)
{
    struct buf place, rows;
    size_t served;
    buf_init(&place, SIZE_MAX);
    buf_init(&rows, SIZE_MAX);
    char key[16];
    snprintf(key, sizeof key, "p%u", (unsigned)at);
    key_tree_place(&place, at, bytes_text(key), KEY_ROW);
    key_add_escaped(&place, bytes_text(row));
    struct bytes one = buf_bytes(&place);
    CU_ASSERT_EQUAL(engine_tree_rows(w->engine, TABLE, &one, 1, 1000, &rows, &served), ERR_OK);
    CU_ASSERT_EQUAL(served, 1);
    struct bytes copy = arena_copy(&w->arena, buf_bytes(&rows));
    buf_close(&place);
    buf_close(&rows);
    return copy;
}

/* The row of the partition as a tombstone under that dot, also where it is not. */
static void tombstone(struct tree_world *w, token at, const char *row, int64_t timestamp,
                      struct dot dot)
{
    struct cell cell = {
        .column = 1, .kind = CELL_TOMBSTONE, .timestamp = timestamp, .time_s = 1, .dot = dot};
    struct row r = {
        .key = bytes_text(row), .deletion = TOMB_NONE, .cells = &cell, .cells_count = 1};
    struct part p = {.table = TABLE, .deletion = TOMB_NONE, .rows = &r, .rows_count = 1};
    p.token = at;
    p.key = tree_world_numbered(w, "p%u", (unsigned)at);
    p.static_row.deletion = TOMB_NONE;
    CU_ASSERT_EQUAL(engine_apply(w->engine, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
}

static void know(struct tree_world *w, struct dot dot)
{
    struct part none = {.table = TABLE, .deletion = TOMB_NONE};
    none.static_row.deletion = TOMB_NONE;
    none.token = 3;
    none.key = BYTES_LIT("p3");
    CU_ASSERT_EQUAL(engine_apply(w->engine, KEYSPACE, RANGE, &none, dot, NULL, 0), ERR_OK);
}

static enum err take(struct tree_world *w, struct bytes rows, const struct clock *agreed,
                     struct tree_taken *ret)
{
    *ret = (struct tree_taken){0};
    return engine_tree_take(w->engine, KEYSPACE, RANGE, &w->place, rows, agreed, NULL, w->now_s,
                            &w->arena, 0, ret);
}

/* What one replica got in a session that was broken off is in no clock, and goes on to the next. */
static void news_is_no_doubt(void)
{
    struct tree_world a, b;
    struct tree_taken taken;
    tree_world_open(&a, 1, TREE_WORLD_WIDTH);
    tree_world_open(&b, 2, TREE_WORLD_WIDTH);
    tree_world_put(&a, 3, 5, 10);
    CU_ASSERT_EQUAL(take(&b, rows_of(&a, 3, "000005"), NULL, &taken), ERR_OK);
    CU_ASSERT_EQUAL(taken.rows, 1);
    CU_ASSERT_EQUAL(taken.doubtful, 0);
    tree_world_close(&a);
    tree_world_close(&b);
}

static void what_the_clock_knows_comes_all_the_same(void)
{
    struct tree_world a, b;
    struct tree_taken taken;
    struct dot first = {{7, 1}, 1}, second = {{7, 1}, 2};
    tree_world_open(&a, 1, TREE_WORLD_WIDTH);
    tree_world_open(&b, 2, TREE_WORLD_WIDTH);
    tree_world_put(&a, 3, 5, 10);
    tombstone(&a, 3, "x", 20, first);
    know(&b, engine_next_dot(b.engine, KEYSPACE, RANGE, b.self)); /* the dot of a's row */
    know(&b, first);
    know(&b, second);
    struct clock agreed;
    clock_init(&agreed);
    clock_add(&agreed, first);
    CU_ASSERT_EQUAL(take(&b, rows_of(&a, 3, "000005"), &agreed, &taken), ERR_OK);
    CU_ASSERT_EQUAL(taken.rows, 1);
    CU_ASSERT_EQUAL(taken.doubtful, 1); /* the clock said that it was here */
    CU_ASSERT(bytes_equal(taken.key, BYTES_LIT("p3")));
    CU_ASSERT_EQUAL(taken.settled_count, 1);
    CU_ASSERT_EQUAL(take(&b, rows_of(&a, 3, "x"), &agreed, &taken), ERR_OK);
    CU_ASSERT_EQUAL(taken.rows, 0); /* it was dropped here, or will be */
    CU_ASSERT_EQUAL(take(&b, rows_of(&a, 3, "x"), NULL, &taken), ERR_OK);
    CU_ASSERT_EQUAL(taken.rows, 1);
    CU_ASSERT_EQUAL(taken.doubtful, 0); /* garbage that shows nothing else */
    CU_ASSERT_EQUAL(take(&b, rows_of(&a, 3, "000005"), NULL, &taken), ERR_OK);
    CU_ASSERT_EQUAL(taken.rows, 0); /* it is here */
    tree_world_put(&b, 3, 5, 30);
    CU_ASSERT_EQUAL(take(&b, rows_of(&a, 3, "000005"), NULL, &taken), ERR_OK);
    CU_ASSERT_EQUAL(taken.rows, 0);
    CU_ASSERT_EQUAL(taken.settled_count, 0); /* the giver lacks what is here */
    clock_close(&agreed);
    tree_world_close(&a);
    tree_world_close(&b);
}

static void what_is_not_of_the_range_is_refused(void)
{
    struct tree_world w;
    struct tree_taken taken;
    tree_world_open(&w, 1, TREE_WORLD_WIDTH);
    tree_world_put(&w, 3, 5, 10);
    struct bytes rows = rows_of(&w, 3, "000005");
    struct range_place place = w.place;
    CU_ASSERT_EQUAL(take(&w, rows, NULL, &taken), ERR_OK);
    w.place.first = 4;
    CU_ASSERT_EQUAL(take(&w, rows, NULL, &taken), ERR_MALFORMED);
    w.place = place;
    w.place.tables_count = 0;
    CU_ASSERT_EQUAL(take(&w, rows, NULL, &taken), ERR_MALFORMED);
    w.place = place;
    for (size_t len = 1; len < rows.len; len++)
        CU_ASSERT_EQUAL(take(&w, bytes_make(rows.data, len), NULL, &taken), ERR_MALFORMED);
    struct bytes bad[2] = {BYTES_LIT("x"), BYTES_LIT("y")};
    struct buf out;
    size_t served;
    buf_init(&out, SIZE_MAX);
    CU_ASSERT_EQUAL(engine_tree_rows(w.engine, TABLE, bad, 2, 1000, &out, &served), ERR_MALFORMED);
    buf_close(&out);
    tree_world_close(&w);
}

static void a_clock_takes_in_another(void)
{
    struct tree_world w;
    struct clock theirs, durable;
    struct tree_sum before, after;
    bool current;
    tree_world_filled(&w, 100);
    before = tree_world_root(&w, &current);
    CU_ASSERT(current);
    clock_init(&theirs);
    clock_init(&durable);
    clock_add_run(&theirs, (struct actor){8, 1}, 1, 5000);
    clock_add(&theirs, (struct dot){w.self, 3});
    CU_ASSERT_EQUAL(engine_tree_join(w.engine, KEYSPACE, RANGE, &theirs, 0), ERR_OK);
    CU_ASSERT(clock_covers(engine_clock(w.engine, KEYSPACE, RANGE), &theirs));
    CU_ASSERT(!engine_durable_clock(w.engine, KEYSPACE, RANGE, &durable));
    CU_ASSERT_EQUAL(engine_has(w.engine, KEYSPACE, RANGE, &theirs), ENGINE_HAS_YOUNG);
    sync_all(w.store);
    CU_ASSERT(engine_durable_clock(w.engine, KEYSPACE, RANGE, &durable));
    CU_ASSERT(clock_covers(&durable, &theirs));
    after = tree_world_root(&w, &current);
    CU_ASSERT(current); /* nothing has to be read for it */
    CU_ASSERT_EQUAL(before.sum, after.sum);
    tree_world_crash(&w);
    CU_ASSERT(clock_covers(engine_clock(w.engine, KEYSPACE, RANGE), &theirs));
    tree_world_check(&w);
    tree_world_is_good(&w, 0);
    clock_close(&theirs);
    clock_close(&durable);
    tree_world_close(&w);
}

CU_TestInfo tree_take_tests[] = {
    {"rows come to be equal", rows_come_to_be_equal},
    {"news is no doubt", news_is_no_doubt},
    {"what the clock knows comes all the same", what_the_clock_knows_comes_all_the_same},
    {"what is not of the range is refused", what_is_not_of_the_range_is_refused},
    {"a clock takes in another", a_clock_takes_in_another},
    CU_TEST_INFO_NULL,
};
