/* Sessions by trees: replicas that differ behind the backs of their clocks, or whose logs are cut
 * off. What is planted is found, mended, and nothing else crosses. */
#include "three.h"

#include "base/mem.h"
#include "base/rng.h"
#include "ring/token.h"
#include "storage/store_mem.h"
#include "storage/tree.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define RANGE 5
#define WIDTH 16

void compare_setup(void);
void compare_teardown(void);

void compare_setup(void)
{
    three_tree_width = WIDTH;
    three_setup(3);
    three_tree_width = 0;
}

void compare_teardown(void)
{
    three_teardown();
}

static void begin_anew(void)
{
    compare_teardown();
    compare_setup();
}

static token token_of(unsigned row)
{
    return ring_range_span(RANGE, RANGES).first + 1000 + (token)row * 1000003;
}

/* A row; with another value than it had, when `value` is another one. */
static struct part part_of(unsigned row, int64_t timestamp, enum cell_kind kind, const char *value,
                           struct dot dot)
{
    struct cell *cell = arena_new(&f.arena, struct cell);
    struct row *r = arena_new(&f.arena, struct row);
    *cell = (struct cell){.column = 1, .timestamp = timestamp, .kind = kind};
    if (kind == CELL_LIVE)
        cell->value = bytes_text(value);
    *r = (struct row){.deletion = TOMB_NONE, .cells = cell, .cells_count = 1};
    struct part p = {.table = TABLE,
                     .token = token_of(row),
                     .key = bytes_text(arena_printf(&f.arena, "row%u", row)),
                     .deletion = TOMB_NONE,
                     .rows = r,
                     .rows_count = 1};
    p.static_row.deletion = TOMB_NONE;
    part_set_dot(&p, dot);
    return p;
}

static struct dot next_dot(node_no by)
{
    return engine_next_dot(f.node[by - 1].engine, KEYSPACE, RANGE, (struct actor){by, 1});
}

static void apply(node_no to, const struct part *p, struct dot dot)
{
    CU_ASSERT_EQUAL(engine_apply(f.node[to - 1].engine, KEYSPACE, RANGE, p, dot, NULL, 0), ERR_OK);
}

static void put_both(unsigned row, int64_t timestamp)
{
    struct dot dot = next_dot(1);
    struct part p = part_of(row, timestamp, CELL_LIVE, "as both have it", dot);
    for (node_no i = 1; i <= 3; i++)
        apply(i, &p, dot);
}

/* Both clocks have the dot; node `who` alone has the row, or the newer value. */
static void plant(node_no who, unsigned row, int64_t timestamp)
{
    struct dot dot = next_dot(1);
    struct part p = part_of(row, timestamp, CELL_LIVE, "as one has it", dot), none = p;
    none.rows_count = 0;
    for (node_no i = 1; i <= 3; i++)
        apply(i, i == who ? &p : &none, dot);
}

static void sync_all(void)
{
    for (size_t i = 0; i < NODES; i++) {
        store_flush(f.node[i].store);
        store_mem_sync(f.node[i].store, SIZE_MAX);
    }
}

static void fill(unsigned rows)
{
    for (unsigned i = 0; i < rows; i++)
        put_both(i, 10);
    sync_all();
}

static const struct heal_comparison between = {.peer = 2, .keyspace = KEYSPACE, .range = RANGE};

/* Node 1 compares with node 2. */
static const struct heal_figures *compare(const struct heal_comparison *what)
{
    uint64_t before = f.node[0].compared;
    CU_ASSERT_FATAL(heal_compare(f.node[0].heal, f.now, 7, what));
    perform(1);
    for (int i = 0; i < 3000 && f.node[0].compared == before; i++)
        elapse(USEC_PER_SEC / 10);
    CU_ASSERT_EQUAL_FATAL(f.node[0].compared, before + 1);
    return &f.node[0].figures;
}

static void get_digest(node_no no, struct digest *ret)
{
    struct scan all = {.table = TABLE, .after_token = INT64_MIN, .upto_token = INT64_MAX};
    struct scan_result rows;
    all.bytes_max = UINT32_MAX;
    all.now_s = f.now.wall / USEC_PER_SEC;
    CU_ASSERT_EQUAL_FATAL(engine_scan(f.node[no - 1].engine, &all, &f.arena, &rows), ERR_OK);
    CU_ASSERT_FALSE(rows.more);
    scan_result_digest(&rows, all.now_s, ret);
}

static bool rows_are_equal(void)
{
    struct digest a, b;
    get_digest(1, &a);
    get_digest(2, &b);
    return memcmp(&a, &b, sizeof a) == 0;
}

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

/* The keys of a row go behind everybody's back. */
static void lose_row(node_no no, unsigned row)
{
    struct store *store = f.node[no - 1].store;
    struct store_batch batch;
    char name[16];
    snprintf(name, sizeof name, "row%u", row);
    struct store_iter *it = store_iter_new(store);
    store_batch_init(&batch);
    for (store_iter_seek(it, BYTES_LIT("d")); store_iter_valid(it); store_iter_next(it)) {
        struct bytes key = store_iter_key(it);
        if (key.data[0] != 'd')
            break;
        if (key.len > 13 + strlen(name) && memcmp(key.data + 13, name, strlen(name) + 1) == 0)
            store_batch_delete(&batch, key);
    }
    store_iter_free(it);
    CU_ASSERT_EQUAL(batch.count, 1);
    store_write(store, &batch, 0);
    store_batch_close(&batch);
    sync_all();
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

static bool clocks_are_equal(void)
{
    return clock_equal(engine_clock(f.node[0].engine, KEYSPACE, RANGE),
                       engine_clock(f.node[1].engine, KEYSPACE, RANGE));
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

static void one_table_or_a_part_of_it_moves_no_clock(void)
{
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
    what.from_table = TABLE;
    CU_ASSERT(!compare(&what)->joined);
    CU_ASSERT(rows_are_equal());
    CU_ASSERT(clock_equal(&before, engine_clock(f.node[0].engine, KEYSPACE, RANGE)));
    CU_ASSERT(compare(&between)->joined); /* equal rows; then it is known that they are */
    CU_ASSERT(clocks_are_equal());
    clock_close(&before);
}

/* --- under load */

/* One message, or what one says; or a millisecond. */
static void small_step(void)
{
    if (deliver() || perform(1) || perform(2))
        return;
    f.now.mono += USEC_PER_MS;
    for (size_t i = 0; i < 2; i++) {
        if (heal_next_deadline(f.node[i].heal) <= f.now.mono)
            heal_deadline(f.node[i].heal, f.now);
    }
}

static void sync_disks(void)
{
    struct store_done done;
    for (size_t i = 0; i < NODES; i++) {
        store_flush(f.node[i].store);
        store_mem_sync(f.node[i].store, SIZE_MAX);
        while (store_completed(f.node[i].store, &done))
            heal_durable(f.node[i].heal, f.now, done.ticket, done.err);
    }
}

struct late { /* a write that is on its way to the other one */
    struct part part;
    struct dot dot;
    node_no to;
};

static struct late late[64];
static size_t late_count;

static void random_write(struct rng *rng, unsigned rows, int64_t timestamp)
{
    node_no by = 1 + (node_no)rng_below(rng, 2);
    unsigned row = (unsigned)rng_below(rng, rows);
    struct dot dot = next_dot(by);
    struct part p = part_of(row, timestamp, rng_chance(rng, 200000) ? CELL_TOMBSTONE : CELL_LIVE,
                            "under load", dot);
    apply(by, &p, dot);
    late[late_count++] = (struct late){p, dot, 3 - by};
}

static void arrive(size_t at)
{
    apply(late[at].to, &late[at].part, late[at].dot);
    late[at] = late[--late_count];
}

/* Writes come to one and later to the other at each message; only what was planted is different. */
static void writes_meanwhile_are_no_differences(void)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct rng rng;
        unsigned k = (unsigned)seed;
        rng_init(&rng, seed);
        begin_anew();
        late_count = 0;
        fill(1500);
        int64_t timestamp = 100;
        for (unsigned i = 0; i < k; i++) /* rows that nobody writes else */
            plant(1 + i % 2, i % 3 == 0 ? 3000 + i : 1400 + i, 20);
        for (unsigned i = 0; i < 20; i++)
            random_write(&rng, 1400, timestamp++);
        CU_ASSERT_FATAL(heal_compare(f.node[0].heal, f.now, 7, &between));
        for (int step = 0; step < 100000 && f.node[0].compared == 0; step++) {
            if (rng_chance(&rng, 300000) && late_count < ARRAY_LEN(late))
                random_write(&rng, 1400, timestamp++);
            if (late_count > 0 && rng_chance(&rng, 300000))
                arrive((size_t)rng_below(&rng, late_count));
            small_step();
            if (rng_chance(&rng, 500000))
                sync_disks();
        }
        const struct heal_figures *g = &f.node[0].figures;
        CU_ASSERT_EQUAL(f.node[0].compared, 1);
        CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
        CU_ASSERT_EQUAL(g->rows_different, k);
        CU_ASSERT_EQUAL(f.node[0].doubtful + f.node[1].doubtful, k);
        if (g->rows_different != k || f.node[0].doubtful + f.node[1].doubtful != k)
            printf("seed %u: %u different\n", (unsigned)seed, (unsigned)g->rows_different);
        while (late_count > 0)
            arrive(0);
        settle();
        CU_ASSERT(clocks_are_equal());
        CU_ASSERT(rows_are_equal());
    }
}

/* --- what goes wrong */

static void a_session_goes_on_where_it_was_broken_off(void)
{
    three_compare_bytes = 1500;
    begin_anew();
    three_compare_bytes = 0;
    fill(1200);
    for (unsigned i = 0; i < 600; i++)
        plant(1 + i % 2, 2 * i, 20);
    sync_all();
    struct heal_comparison what = between;
    uint64_t found = 0;
    unsigned broken = 0;
    struct bytes from = BYTES_NONE;
    CU_ASSERT_FATAL(heal_compare(f.node[0].heal, f.now, 7, &what));
    for (int step = 0; step < 10000; step++) {
        small_step();
        sync_disks();
        if (step % 60 == 59 && f.node[0].compared == broken) {
            heal_peer_lost(f.node[0].heal, f.now, 2);
            heal_peer_lost(f.node[1].heal, f.now, 1);
            perform(1);
        }
        if (f.node[0].compared == broken)
            continue;
        found += f.node[0].figures.rows_received + f.node[0].figures.rows_sent;
        if (f.node[0].compared_err == ERR_OK)
            break;
        CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_UNAVAILABLE);
        CU_ASSERT(bytes_compare(buf_bytes(&f.node[0].from), from) >= 0);
        broken++;
        what.from_table = f.node[0].from_table;
        what.from = from = arena_copy(&f.arena, buf_bytes(&f.node[0].from));
        CU_ASSERT_FATAL(heal_compare(f.node[0].heal, f.now, 7, &what));
    }
    CU_ASSERT(broken > 0);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
    CU_ASSERT(rows_are_equal());
    CU_ASSERT(found >= 600);
}

static void a_silent_peer_ends_it(void)
{
    fill(100);
    f.lost[WIRE_COMPARE_OPENED] = true;
    compare(&between);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_TIMEOUT);
    f.lost[WIRE_COMPARE_OPENED] = false;
    f.lost[WIRE_COMPARE_GAVE] = true;
    plant(1, 1, 20);
    compare(&between);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_TIMEOUT);
    f.lost[WIRE_COMPARE_GAVE] = false;
    compare(&between);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
    CU_ASSERT(rows_are_equal());
}

static void another_ring_ends_it(void)
{
    fill(100);
    plant(1, 1, 20);
    plant(2, 2, 20);
    CU_ASSERT_FATAL(heal_compare(f.node[0].heal, f.now, 7, &between));
    heal_deadline(f.node[0].heal, f.now);
    perform(1);
    cluster_set_ring_epoch(f.node[1].cluster, 9);
    settle();
    CU_ASSERT_EQUAL(f.node[0].compared, 1);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_STALE);
    cluster_set_ring_epoch(f.node[0].cluster, 9);
    compare(&between);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
    CU_ASSERT(rows_are_equal());
}

static void who_is_no_replica_compares_nothing(void)
{
    struct heal_comparison what = between;
    table_no table = 77;
    what.peer = 9;
    compare(&what);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_UNAVAILABLE);
    what.peer = 2;
    what.tables = &table;
    what.tables_count = 1;
    compare(&what);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_NOT_FOUND);
    for (unsigned i = 0; i < HEAL_COMPARES_MAX; i++)
        CU_ASSERT(heal_compare(f.node[0].heal, f.now, i, &between));
    CU_ASSERT(!heal_compare(f.node[0].heal, f.now, 99, &between));
    elapse(USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.node[0].compared, 2 + HEAL_COMPARES_MAX);
}

/* All have proved a tombstone; one has dropped it. */
static void agreed_garbage_is_no_difference(void)
{
    bool done = false;
    three_hold_us = 3600 * USEC_PER_SEC;
    begin_anew();
    three_hold_us = 0;
    fill(200);
    for (unsigned i = 0; i < 20; i++) {
        struct dot dot = next_dot(1);
        struct part p = part_of(7 * i, 30, CELL_TOMBSTONE, NULL, dot);
        for (node_no k = 1; k <= 3; k++)
            apply(k, &p, dot);
    }
    begin();
    elapse(20 * USEC_PER_SEC);
    const struct clock *agreed = heal_agreed(f.node[0].heal, KEYSPACE, RANGE);
    CU_ASSERT_FATAL(agreed != NULL);
    CU_ASSERT(clock_equal(agreed, engine_clock(f.node[0].engine, KEYSPACE, RANGE)));
    while (!done)
        CU_ASSERT_EQUAL_FATAL(
            engine_purge(f.node[0].engine, KEYSPACE, RANGE, agreed, INT64_MIN, 1000, &done),
            ERR_OK);
    CU_ASSERT_EQUAL(engine_stats(f.node[0].engine).purged, 20);
    const struct heal_figures *g = compare(&between);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
    CU_ASSERT(!g->equal);
    CU_ASSERT_EQUAL(g->rows_different, 0);
    CU_ASSERT_EQUAL(g->rows_received + g->rows_sent, 0);
}

CU_TestInfo compare_tests[] = {
    {"equal ranges cost a question", equal_ranges_cost_a_question},
    {"what is planted is found", what_is_planted_is_found},
    {"a preview changes nothing", a_preview_changes_nothing},
    {"what was lost on a disk is found by reading all",
     what_was_lost_on_a_disk_is_found_by_reading_all},
    {"clocks grow where logs are cut off", clocks_grow_where_logs_are_cut_off},
    {"one table, or a part of it, moves no clock", one_table_or_a_part_of_it_moves_no_clock},
    {"writes meanwhile are no differences", writes_meanwhile_are_no_differences},
    {"a session goes on where it was broken off", a_session_goes_on_where_it_was_broken_off},
    {"a silent peer ends it", a_silent_peer_ends_it},
    {"another ring ends it", another_ring_ends_it},
    {"who is no replica compares nothing", who_is_no_replica_compares_nothing},
    {"agreed garbage is no difference", agreed_garbage_is_no_difference},
    CU_TEST_INFO_NULL,
};
