/* What trees are asked; and that equal sets have equal sums, wherever they came from. */
#include "base/mem.h"
#include "engine_fixture.h"
#include "gen.h"
#include "storage/keys.h"
#include "storage/tree_record.h"
#include "tree_world.h"

#include <CUnit/CUnit.h>

/* --- what is asked */

static void stretches_of_any_bytes(void)
{
    static const char *const bad[] = {"x", "12345678", "12345678k", "12345678k\1"};
    struct tree_world w;
    struct tree_sum sum;
    struct tree_item *items;
    struct bytes next, good;
    struct buf place;
    size_t count;
    tree_world_filled(&w, 100);
    buf_init(&place, SIZE_MAX);
    key_tree_place(&place, 3, BYTES_LIT("p3"), KEY_DELETION);
    good = buf_bytes(&place);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct tree_stretch s = {bytes_text(bad[i]), BYTES_NONE};
        CU_ASSERT_EQUAL(engine_tree_sum(w.engine, KEYSPACE, RANGE, &w.place, TABLE, &s, NULL, &sum),
                        ERR_MALFORMED);
        CU_ASSERT_EQUAL(engine_tree_list(w.engine, KEYSPACE, RANGE, &w.place, TABLE, &s, NULL, NULL,
                                         0, 10, &w.arena, &items, &count, &next),
                        ERR_MALFORMED);
    }
    struct tree_stretch none = {good, good};
    CU_ASSERT_EQUAL(engine_tree_sum(w.engine, KEYSPACE, RANGE, &w.place, TABLE, &none, NULL, &sum),
                    ERR_MALFORMED);
    struct tree_stretch head = {BYTES_NONE, good};
    CU_ASSERT_EQUAL(engine_tree_sum(w.engine, KEYSPACE, RANGE, &w.place, TABLE, &head, NULL, &sum),
                    ERR_OK);
    CU_ASSERT_EQUAL(sum.rows, 15); /* five in each of three */
    CU_ASSERT_EQUAL(engine_tree_sum(w.engine, KEYSPACE, RANGE, &w.place, 99, &head, NULL, &sum),
                    ERR_BEHIND);
    buf_close(&place);
    tree_world_close(&w);
}

static bool is_touched(const struct tree_touched *t, size_t count, token at, const char *key,
                       const char *row)
{
    struct buf place;
    bool is = false;
    buf_init(&place, SIZE_MAX);
    key_tree_place(&place, at, bytes_text(key), row == NULL ? KEY_DELETION : KEY_ROW);
    if (row != NULL)
        key_add_escaped(&place, bytes_text(row));
    for (size_t i = 0; i < count; i++)
        is = is ||
             (t[i].table == TABLE && bytes_compare(t[i].stretch.from, buf_bytes(&place)) <= 0 &&
              bytes_compare(buf_bytes(&place), t[i].stretch.upto) < 0);
    buf_close(&place);
    return is;
}

static void what_dots_touched(void)
{
    struct tree_world w;
    struct tree_touched *t;
    size_t count;
    struct clock before, dots;
    tree_world_filled(&w, 100);
    clock_init(&before);
    clock_init(&dots);
    clock_copy(&before, engine_clock(w.engine, KEYSPACE, RANGE));
    tree_world_put(&w, 3, 3, 20);
    struct dot dot = engine_next_dot(w.engine, KEYSPACE, RANGE, w.self);
    struct event range = {.kind = EVENT_RANGE, .tomb = {20, 1, dot}};
    range.start = BYTES_LIT("b");
    range.end = BYTES_LIT("d");
    struct part p = gen_part(&range, 1, &w.arena);
    p.token = 5;
    CU_ASSERT_EQUAL(engine_apply(w.engine, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
    clock_missing(engine_clock(w.engine, KEYSPACE, RANGE), &before, &dots);
    CU_ASSERT_EQUAL_FATAL(
        engine_tree_touched(w.engine, KEYSPACE, RANGE, &dots, 10, SIZE_MAX, &w.arena, &t, &count),
        ERR_OK);
    CU_ASSERT_EQUAL(count, 3); /* a row, a head, rows */
    CU_ASSERT(is_touched(t, count, 3, "p3", "000003"));
    CU_ASSERT(!is_touched(t, count, 3, "p3", "0000030"));
    CU_ASSERT(!is_touched(t, count, 3, "p3", NULL));
    CU_ASSERT(is_touched(t, count, 5, "k", NULL));
    CU_ASSERT(!is_touched(t, count, 5, "k", "a"));
    CU_ASSERT(is_touched(t, count, 5, "k", "b"));
    CU_ASSERT(is_touched(t, count, 5, "k", "cc"));
    CU_ASSERT(!is_touched(t, count, 5, "k", "d"));
    CU_ASSERT_EQUAL(
        engine_tree_touched(w.engine, KEYSPACE, RANGE, &dots, 2, SIZE_MAX, &w.arena, &t, &count),
        ERR_TOO_BIG);
    clock_close(&before);
    clock_close(&dots);
    tree_world_close(&w);
}

static void another_key(void)
{
    struct engine_config config = {.seed = 1, .ring_ranges = 16, .tree_key = {{1}}};
    struct errmsg msg;
    struct tree_world w;
    bool current;
    tree_world_filled(&w, 100);
    struct tree_sum before = tree_world_root(&w, &current);
    engine_free(w.engine);
    CU_ASSERT_EQUAL_FATAL(engine_new(w.store, &config, &w.engine, &msg), ERR_OK);
    tree_world_root(&w, &current);
    CU_ASSERT(!current);
    tree_world_update(&w, SIZE_MAX);
    struct tree_sum after = tree_world_root(&w, &current);
    CU_ASSERT(current);
    CU_ASSERT_EQUAL(after.rows, before.rows);
    CU_ASSERT_NOT_EQUAL(after.sum, before.sum);
    tree_world_close(&w);
}

/* --- records */

static void cut_records_are_refused(void)
{
    struct arena arena;
    struct buf head, leaves, place;
    struct tree_head h = {.check = 7, .count = 1}, got = {0};
    struct tree_table table = {.table = 3, .next_id = 2, .count = 2};
    struct tree_piece pieces[2] = {{.id = 0, .due = 5, .count = 3}, {.id = 1, .count = 1}};
    struct tree_leaf leaf[2] = {{.due = DUE_NOW}, {.due = DUE_NEVER}}, *got_leaves;
    size_t count;
    arena_init(&arena);
    buf_init(&head, SIZE_MAX);
    buf_init(&leaves, SIZE_MAX);
    buf_init(&place, SIZE_MAX);
    clock_add_run(&h.asof, (struct actor){1, 2}, 1, 9);
    key_tree_place(&place, 3, BYTES_LIT("p3"), KEY_DELETION);
    pieces[1].first = leaf[1].first = buf_bytes(&place);
    pieces[0].dirty = arena_zero(&arena, PIECE_BITMAP);
    pieces[1].dirty = arena_zero(&arena, PIECE_BITMAP);
    piece_set_dirty(&pieces[0], 2);
    table.pieces = pieces;
    h.tables = &table;
    tree_head_encode(&h, &head);
    tree_leaves_encode(leaf, 2, &leaves);
    size_t whole = head.len;
    buf_put_u8(&head, 0);
    for (size_t len = 0; len <= head.len; len++) {
        CU_ASSERT_EQUAL(tree_head_decode(bytes_make(head.data, len), &arena, &got),
                        len == whole ? ERR_OK : ERR_MALFORMED);
        CU_ASSERT(len != whole || (clock_equal(&got.asof, &h.asof) &&
                                   piece_dirty_count(&got.tables[0].pieces[0]) == 1));
        clock_close(&got.asof);
    }
    for (size_t len = 0; len < leaves.len; len++)
        CU_ASSERT_EQUAL(
            tree_leaves_decode(bytes_make(leaves.data, len), &arena, &got_leaves, &count),
            ERR_MALFORMED);
    CU_ASSERT_EQUAL(tree_leaves_decode(buf_bytes(&leaves), &arena, &got_leaves, &count), ERR_OK);
    CU_ASSERT_EQUAL(count, 2);
    CU_ASSERT(bytes_equal(got_leaves[1].first, leaf[1].first));
    CU_ASSERT_EQUAL(got_leaves[0].due, DUE_NOW);
    CU_ASSERT_EQUAL(got_leaves[1].due, DUE_NEVER);
    clock_close(&h.asof);
    buf_close(&head);
    buf_close(&leaves);
    buf_close(&place);
    arena_close(&arena);
}

/* --- equal sets */

struct write {
    struct part part;
    struct dot dot;
};

static void apply_all(struct tree_world *w, const struct write *writes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum err err =
            engine_apply(w->engine, KEYSPACE, RANGE, &writes[i].part, writes[i].dot, NULL, 0);
        CU_ASSERT_EQUAL(err, ERR_OK);
        if (i % 50 == 49)
            tree_world_check(w);
        if (i % 70 == 69) { /* reading collapses */
            sync_all(w->store);
            tree_world_check_clean(w);
            arena_reset(&w->arena);
        }
    }
}

static void pull_all(struct tree_world *from, struct tree_world *to)
{
    struct clock wanted, done;
    struct buf b;
    clock_init(&wanted);
    clock_init(&done);
    buf_init(&b, BUF_MAX_DEFAULT);
    sync_all(from->store);
    for (int i = 0; i < 1000; i++) {
        const struct clock *have = engine_clock(to->engine, KEYSPACE, RANGE);
        clock_missing(engine_clock(from->engine, KEYSPACE, RANGE), have, &wanted);
        if (clock_empty(&wanted))
            break;
        enum err err =
            engine_log_read(from->engine, KEYSPACE, RANGE, &wanted, have, 3000, &b, &done);
        CU_ASSERT_EQUAL_FATAL(err, ERR_OK);
        err = engine_log_apply(to->engine, KEYSPACE, RANGE, buf_bytes(&b), NULL, true, false, 0);
        CU_ASSERT_EQUAL_FATAL(err, ERR_OK);
        if (i % 4 == 0)
            tree_world_check(to);
    }
    buf_close(&b);
    clock_close(&wanted);
    clock_close(&done);
}

static void roots_are_equal(struct tree_world *a, struct tree_world *b, uint64_t seed)
{
    struct tree_sum sums[2][TREE_TABLES];
    struct clock asof[2];
    bool current[2];
    for (int i = 0; i < 2; i++) {
        struct tree_world *w = i == 0 ? a : b;
        clock_init(&asof[i]);
        tree_world_check(w);
        tree_world_is_good(w, seed);
        CU_ASSERT_EQUAL(
            engine_tree_root(w->engine, KEYSPACE, RANGE, &w->place, sums[i], &asof[i], &current[i]),
            ERR_OK);
    }
    CU_ASSERT(clock_equal(&asof[0], &asof[1]));
    for (size_t i = 0; i < TREE_TABLES; i++) {
        CU_ASSERT_EQUAL(sums[0][i].sum, sums[1][i].sum);
        CU_ASSERT_EQUAL(sums[0][i].rows, sums[1][i].rows);
    }
    clock_close(&asof[0]);
    clock_close(&asof[1]);
}

/* One has all writes in order, one in any order, one what is left of them by pulls. */
static void equal_sets_have_equal_roots(void)
{
    enum { WRITES = 400 };
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct tree_world maker, a, b, c;
        struct write writes[WRITES];
        uint64_t n[3] = {0};
        tree_world_open(&maker, seed, 0);
        tree_world_open(&a, seed, 4);
        tree_world_open(&b, seed + 1, 0);
        tree_world_open(&c, seed + 2, 16);
        for (size_t i = 0; i < WRITES; i++) {
            uint32_t by = 2 + (uint32_t)rng_below(&maker.rng, 3);
            writes[i].dot = (struct dot){{by, 1}, ++n[by - 2]};
            writes[i].part = tree_world_part(&maker, writes[i].dot);
        }
        apply_all(&a, writes, WRITES);
        pull_all(&a, &c);
        for (size_t i = WRITES; i-- > 1;) {
            size_t k = (size_t)rng_below(&maker.rng, i + 1);
            struct write swap = writes[i];
            writes[i] = writes[k];
            writes[k] = swap;
        }
        apply_all(&b, writes, WRITES);
        roots_are_equal(&a, &b, seed);
        roots_are_equal(&a, &c, seed);
        tree_world_put(&b, 1, 1, 1000000);
        pull_all(&b, &a);
        roots_are_equal(&a, &b, seed);
        tree_world_close(&maker);
        tree_world_close(&a);
        tree_world_close(&b);
        tree_world_close(&c);
    }
}

/* --- a ring under load */

static struct tree_touched *touched_since(struct tree_world *w, const struct tree_world *other,
                                          struct tree_touched *had, size_t *count)
{
    struct clock dots;
    struct tree_touched *t = NULL;
    size_t n = 0;
    clock_init(&dots);
    clock_missing(engine_clock(w->engine, KEYSPACE, RANGE),
                  engine_clock(other->engine, KEYSPACE, RANGE), &dots);
    CU_ASSERT_EQUAL_FATAL(
        engine_tree_touched(w->engine, KEYSPACE, RANGE, &dots, 10000, SIZE_MAX, &w->arena, &t, &n),
        ERR_OK);
    struct tree_touched *both = arena_array(&w->arena, struct tree_touched, *count + n);
    for (size_t i = 0; i < *count + n; i++)
        both[i] = i < *count ? had[i] : t[i - *count];
    *count += n;
    clock_close(&dots);
    return both;
}

/* Each has writes that the other lacks: without what these touched they are equal. */
static void what_is_on_its_way_is_left_out(void)
{
    static const struct tree_stretch all;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct tree_world a, b;
        tree_world_open(&a, seed, 4);
        tree_world_open(&b, seed + 100, 16);
        b.self.node = 9;
        for (int i = 0; i < 300; i++) {
            uint64_t n = 1 + (uint64_t)i;
            struct dot dot = {{7, 1}, n};
            struct part p = tree_world_part(&a, dot);
            uint64_t who = i < 200 ? 3 : 1 + rng_below(&a.rng, 3);
            for (int k = 0; k < 2; k++) {
                struct tree_world *w = k == 0 ? &a : &b;
                if ((who >> k & 1) != 0)
                    CU_ASSERT_EQUAL(engine_apply(w->engine, KEYSPACE, RANGE, &p, dot, NULL, 0),
                                    ERR_OK);
                if (i % 40 == 39)
                    tree_world_update(w, 100);
            }
        }
        size_t count = 0;
        struct tree_touched *touched = touched_since(&a, &b, NULL, &count);
        touched = touched_since(&b, &a, touched, &count);
        CU_ASSERT(count > 20);
        tree_world_update(&a, SIZE_MAX);
        tree_world_update(&b, SIZE_MAX);
        for (size_t i = 0; i < TREE_TABLES; i++) {
            struct tree_skip skip;
            struct tree_sum sums[2] = {{0, 0}, {1, 1}};
            table_no table = a.place.tables[i];
            tree_skip_make(touched, count, table, &a.arena, &skip);
            for (int k = 0; k < 2; k++) {
                struct tree_world *w = k == 0 ? &a : &b;
                CU_ASSERT_EQUAL(engine_tree_sum(w->engine, KEYSPACE, RANGE, &w->place, table, &all,
                                                &skip, &sums[k]),
                                ERR_OK);
            }
            CU_ASSERT_EQUAL(sums[0].sum, sums[1].sum);
            CU_ASSERT_EQUAL(sums[0].rows, sums[1].rows);
        }
        tree_world_close(&a);
        tree_world_close(&b);
    }
}

static size_t list_count(struct tree_world *w, const struct clock *agreed, int64_t now_s)
{
    static const struct tree_stretch all;
    struct tree_item *items;
    size_t count = 0;
    struct bytes next;
    CU_ASSERT_EQUAL(engine_tree_list(w->engine, KEYSPACE, RANGE, &w->place, TABLE, &all, NULL,
                                     agreed, now_s, 10000, &w->arena, &items, &count, &next),
                    ERR_OK);
    CU_ASSERT_EQUAL(next.len, 0);
    return count;
}

static void lists_leave_out_garbage(void)
{
    struct tree_world w;
    struct clock agreed;
    tree_world_filled(&w, 100);
    tree_world_put_garbage(&w, 7, CELL_EXPIRING, 2000);
    tree_world_put_garbage(&w, 8, CELL_TOMBSTONE, 1000);
    clock_init(&agreed);
    clock_copy(&agreed, engine_clock(w.engine, KEYSPACE, RANGE));
    tree_world_put_garbage(&w, 9, CELL_TOMBSTONE, 1000); /* not agreed */
    CU_ASSERT_EQUAL(list_count(&w, NULL, 1999), 100);
    CU_ASSERT_EQUAL(list_count(&w, NULL, 2000), 99);
    CU_ASSERT_EQUAL(list_count(&w, &agreed, 1999), 99);
    CU_ASSERT_EQUAL(list_count(&w, &agreed, 2000), 98);
    struct dot dot = engine_next_dot(w.engine, KEYSPACE, RANGE, w.self);
    struct part p = {.table = TABLE, .token = 50, .deletion = {30, 1, dot}, .key = BYTES_LIT("d")};
    p.static_row.deletion = TOMB_NONE;
    CU_ASSERT_EQUAL(engine_apply(w.engine, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
    CU_ASSERT_EQUAL(list_count(&w, &agreed, 2000), 99);
    CU_ASSERT_EQUAL(list_count(&w, engine_clock(w.engine, KEYSPACE, RANGE), 2000), 97);
    clock_close(&agreed);
    tree_world_close(&w);
}

CU_TestInfo tree_queries_tests[] = {
    {"stretches of any bytes", stretches_of_any_bytes},
    {"what dots touched", what_dots_touched},
    {"another key", another_key},
    {"cut records are refused", cut_records_are_refused},
    {"equal sets have equal roots", equal_sets_have_equal_roots},
    {"what is on its way is left out", what_is_on_its_way_is_left_out},
    {"lists leave out garbage", lists_leave_out_garbage},
    CU_TEST_INFO_NULL,
};
