/* Sessions by trees: replicas that differ behind the backs of their clocks, or whose logs are cut
 * off. What is planted is found, mended, and nothing else crosses. */
#include "compare_world.h"

#include "base/mem.h"
#include "base/rng.h"
#include "node/heal/compare.h"
#include "ring/token.h"
#include "storage/store_mem.h"
#include "storage/tree.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static const enum wire_type of_sessions[] = {WIRE_COMPARE_OPEN, WIRE_COMPARE_OPENED,
                                             WIRE_COMPARE_ASK,  WIRE_COMPARE_TELL,
                                             WIRE_COMPARE_GIVE, WIRE_COMPARE_GAVE};

static size_t bytes_crossed(void)
{
    size_t all = 0;
    for (size_t i = 0; i < ARRAY_LEN(of_sessions); i++)
        all += f.bytes_sent[of_sessions[i]];
    return all;
}

/* --- */

static void equal_ranges_cost_a_question(void)
{
    fill(1000);
    const struct heal_figures *g = compare(&between);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
    CU_ASSERT(g->equal);
    CU_ASSERT_EQUAL(g->rows, 1000);
    CU_ASSERT_EQUAL(g->rows_different, 0);
    CU_ASSERT_EQUAL(f.sent[WIRE_COMPARE_ASK], 0);
    size_t before = bytes_crossed();
    size_t read = (size_t)engine_stats(f.node[1].engine).fragments_read;
    g = compare(&between);
    CU_ASSERT(g->equal);
    CU_ASSERT_EQUAL(g->messages, 2);
    CU_ASSERT(bytes_crossed() - before < 300);
    CU_ASSERT_EQUAL(engine_stats(f.node[1].engine).fragments_read, read);
}

static double hit_of(double buckets, double d) /* of so many, by d balls */
{
    double missed = buckets;
    for (double i = 0; i < d; i++)
        missed *= 1 - 1 / buckets;
    return buckets - missed;
}

/* What a descent costs when d rows differ at random: slices of the parents that are opened, and the
 * lists of the leaves that are hit (docs/healing.md). */
static double formula(double rows, double d, double leaf_rows, double key, double messages)
{
    double leaves = rows / leaf_rows, search = 0;
    for (double wide = 1; wide < leaves; wide *= 16)
        search += hit_of(wide, d) * 16 * (key + 3 + 8 + 1);
    double hit = hit_of(leaves, d);
    return search + hit * (leaf_rows * 8 + 2 * key + 16) + d * 10 + messages * 120;
}

static void what_is_planted_is_found(void)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct rng rng;
        uint64_t here = 0, there = 0;
        rng_init(&rng, seed);
        unsigned rows = 500 + (unsigned)rng_below(&rng, 2500);
        unsigned k = 1 + (unsigned)rng_below(&rng, seed % 2 == 0 ? 5 : 60);
        three_compare_bytes = seed % 3 == 0 ? 2000 : 0;
        begin_anew();
        set_down(3, true); /* else most have nothing: test_vote.c */
        three_compare_bytes = 0;
        fill(rows);
        unsigned step = rows / k, at = 0;
        for (unsigned i = 0; i < k; i++, at += step) {
            bool fresh = rng_chance(&rng, 400000); /* a row that the other one has not at all */
            bool mine = rng_chance(&rng, 500000);
            here += mine;
            there += !mine;
            plant(mine ? 1 : 2, fresh ? rows + i : at, 20);
        }
        sync_all();
        const struct heal_figures *g = compare(&between);
        CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
        CU_ASSERT(!g->equal);
        CU_ASSERT_EQUAL(g->rows_different, k);
        CU_ASSERT_EQUAL(g->doubtful, k);
        CU_ASSERT_EQUAL(f.node[0].doubtful, there);
        CU_ASSERT_EQUAL(f.node[1].doubtful, here);
        CU_ASSERT(g->rows_received >= there && g->rows_received <= k);
        CU_ASSERT_EQUAL(g->rows_sent, here); /* what says less than what came does not go */
        CU_ASSERT(rows_are_equal());
        CU_ASSERT(g->bytes_search + g->bytes_received + g->bytes_sent <= bytes_crossed() * 6 / 5);
        CU_ASSERT(g->bytes_search + g->bytes_received + g->bytes_sent >= bytes_crossed() * 4 / 5);
        double most = formula(rows, k, 1.5 * WIDTH, 22, (double)g->messages);
        if ((double)g->bytes_search > most * 1.2)
            printf("seed %u: %u rows, %u different: %u bytes, formula %.0f\n", (unsigned)seed, rows,
                   k, (unsigned)g->bytes_search, most);
        CU_ASSERT((double)g->bytes_search <= most * 1.2);
        CU_ASSERT(compare(&between)->equal);
    }
}

/* One table's row comes, that of the other table goes. */
static void rows_of_two_tables_have_the_same_keys(void)
{
    add_other_table();
    fill(200);
    compare_table = OTHER_TABLE;
    fill(200);
    for (unsigned i = 0; i < 40; i++) {
        compare_table = i % 2 == 0 ? TABLE : OTHER_TABLE;
        plant(2, 5 * i, 20);
        compare_table = i % 2 == 0 ? OTHER_TABLE : TABLE;
        plant(1, 5 * i, 20);
    }
    sync_all();
    const struct heal_figures *g = compare(&between);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
    CU_ASSERT_EQUAL(g->rows_different, 80);
    CU_ASSERT_EQUAL(g->rows_received, 80);
    CU_ASSERT_EQUAL(g->rows_sent, 40);
    CU_ASSERT(rows_are_equal());
    CU_ASSERT(compare(&between)->equal);
}

static void a_preview_changes_nothing(void)
{
    fill(800);
    for (unsigned i = 0; i < 20; i++)
        plant(1 + i % 2, 30 * i, 20);
    sync_all();
    struct heal_comparison what = between;
    struct digest before, after;
    what.preview = true;
    get_digest(2, &before);
    const struct heal_figures *g = compare(&what);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
    CU_ASSERT_EQUAL(g->rows_different, 20);
    CU_ASSERT_EQUAL(g->rows_received + g->rows_sent + g->bytes_received + g->bytes_sent, 0);
    get_digest(2, &after);
    CU_ASSERT_EQUAL(memcmp(&before, &after, sizeof before), 0);
    CU_ASSERT_EQUAL(compare(&between)->rows_different, 20);
    CU_ASSERT(rows_are_equal());
}

static void what_was_lost_on_a_disk_is_found_by_reading_all(void)
{
    fill(600);
    CU_ASSERT(compare(&between)->equal);
    lose_row(1, 77);
    lose_row(2, 500);
    CU_ASSERT(compare(&between)->equal); /* by the sums of before */
    struct heal_comparison what = between;
    what.full = true;
    const struct heal_figures *g = compare(&what);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
    CU_ASSERT_EQUAL(g->leaves_wrong, 1);
    CU_ASSERT_EQUAL(g->rows_different, 2);
    CU_ASSERT_EQUAL(g->doubtful, 2);
    CU_ASSERT_EQUAL(g->rows_received, 1);
    CU_ASSERT_EQUAL(g->rows_sent, 1);
    CU_ASSERT(rows_are_equal());
    CU_ASSERT_EQUAL(compare(&what)->leaves_wrong, 0);
    CU_ASSERT(f.node[0].figures.equal);
}

/* --- logs that are cut off */

/* Also what it has in memory still. */
static void cut_off(node_no no)
{
    bool done = false;
    struct engine *e = f.node[no - 1].engine;
    sync_all();
    while (!done)
        CU_ASSERT_EQUAL_FATAL(
            engine_log_prune(e, KEYSPACE, RANGE, engine_clock(e, KEYSPACE, RANGE), 1000, &done),
            ERR_OK);
    sync_all();
    put_both(0, 11);
    engine_save_clocks(e);
    sync_all();
}

static void write_alone(node_no who, unsigned row, int64_t timestamp, enum cell_kind kind)
{
    struct dot dot = next_dot(who);
    struct part p = part_of(row, timestamp, kind, "of one alone", dot);
    apply(who, &p, dot);
}

/* Each lacks dots that the other's log does not have any more. */
static void clocks_grow_where_logs_are_cut_off(void)
{
    fill(1000);
    for (unsigned i = 0; i < 50; i++)
        write_alone(1 + i % 2, 1000 + i, 20, CELL_LIVE);
    write_alone(1, 3, 20, CELL_TOMBSTONE);
    write_alone(2, 4, 20, CELL_TOMBSTONE);
    cut_off(1);
    cut_off(2);
    const struct heal_figures *g = compare(&between);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
    CU_ASSERT(g->joined);
    CU_ASSERT_EQUAL(g->rows_different, 52);
    CU_ASSERT_EQUAL(g->doubtful, 0);
    CU_ASSERT(clocks_are_equal());
    CU_ASSERT(rows_are_equal());
    g = compare(&between);
    CU_ASSERT(g->equal);
    CU_ASSERT(!g->joined);
}

/* What clocks take in is there, also where another table has a row under the same key. */
static void a_deletion_comes_with_its_dot(void)
{
    add_other_table();
    fill(300);
    compare_table = OTHER_TABLE;
    fill(300);
    for (unsigned i = 0; i < 20; i++) {
        compare_table = TABLE;
        write_alone(2, i, 20, CELL_LIVE);
        compare_table = OTHER_TABLE;
        write_alone(1, i, 20, CELL_TOMBSTONE);
    }
    cut_off(1);
    cut_off(2);
    const struct heal_figures *g = compare(&between);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
    CU_ASSERT(g->joined);
    CU_ASSERT(clocks_are_equal());
    CU_ASSERT(compare(&between)->equal);
}

static void one_table_moves_no_clock(void)
{
    static const table_no one = TABLE;
    add_other_table();
    fill(300);
    write_alone(2, 1000, 20, CELL_LIVE);
    cut_off(2);
    struct heal_comparison what = between;
    struct clock before;
    clock_init(&before);
    clock_copy(&before, engine_clock(f.node[0].engine, KEYSPACE, RANGE));
    what.preview = true;
    CU_ASSERT(!compare(&what)->joined);
    what.preview = false;
    what.tables = &one;
    what.tables_count = 1;
    CU_ASSERT(!compare(&what)->joined);
    CU_ASSERT(rows_are_equal());
    CU_ASSERT(clock_equal(&before, engine_clock(f.node[0].engine, KEYSPACE, RANGE)));
    CU_ASSERT(compare(&between)->joined); /* equal rows; then it is known that they are */
    CU_ASSERT(clocks_are_equal());
    clock_close(&before);
}

/* Keys come without what they share with the one before: so a few bytes can be a long key. What is
 * made of them in memory is bounded by bytes, too, not by their number alone: of a partition with a
 * long key, or of who sends what it likes. */
static void a_message_is_as_large_as_it_looks(void)
{
    enum { LONG = 60000, MANY = 2000 };
    struct arena arena = {0};
    struct buf in;
    struct touched touched;
    char *key = arena_zero(&arena, LONG + 1);
    memset(key, 'k', LONG);
    buf_init(&in, 1 << 20);
    for (int i = 0; i < MANY; i++) {
        buf_put_varint(&in, TABLE);
        buf_put_varint(&in, i == 0 ? 0 : LONG);
        buf_put_vbytes(&in, i == 0 ? bytes_text(key) : BYTES_NONE);
        buf_put_varint(&in, LONG);
        buf_put_vbytes(&in, BYTES_LIT("y"));
    }
    CU_ASSERT_EQUAL(buf_finish(&in), ERR_OK);
    CU_ASSERT(in.len < 100000);
    size_t before = arena_used(&arena);
    enum err err = compare_read_touched(buf_bytes(&in), &arena, &touched);
    CU_ASSERT(err == ERR_OK || err == ERR_MALFORMED || err == ERR_TOO_BIG);
    CU_ASSERT(arena_used(&arena) - before < 64 << 20);
    buf_close(&in);
    arena_close(&arena);
}

CU_TestInfo compare_tests[] = {
    {"a message is as large as it looks", a_message_is_as_large_as_it_looks},
    {"equal ranges cost a question", equal_ranges_cost_a_question},
    {"what is planted is found", what_is_planted_is_found},
    {"rows of two tables have the same keys", rows_of_two_tables_have_the_same_keys},
    {"a preview changes nothing", a_preview_changes_nothing},
    {"what was lost on a disk is found by reading all",
     what_was_lost_on_a_disk_is_found_by_reading_all},
    {"clocks grow where logs are cut off", clocks_grow_where_logs_are_cut_off},
    {"a deletion comes with its dot", a_deletion_comes_with_its_dot},
    {"one table moves no clock", one_table_moves_no_clock},
    CU_TEST_INFO_NULL,
};
