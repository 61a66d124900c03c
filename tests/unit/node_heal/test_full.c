/* Many ranges read again on both sides before they are compared: what it costs, what is found, and
 * that a preview leaves all as it is. */
#include "compare_world.h"

#include "node/heal/heal_core.h"

#include <CUnit/CUnit.h>

static const struct heal_comparisons everything = {.peer = 2, .keyspace = KEYSPACE, .full = true};

void full_setup(void);
void full_teardown(void);

void full_setup(void)
{
    compare_setup();
    for (size_t i = 0; i < NODES; i++)
        heal_placed(f.node[i].heal, f.now, 1);
}

static void elapse_ms(unsigned ms)
{
    for (unsigned i = 0; i < ms; i++) {
        f.now.mono += USEC_PER_MS;
        for (size_t k = 0; k < NODES; k++) {
            if (heal_next_deadline(f.node[k].heal) <= f.now.mono)
                heal_deadline(f.node[k].heal, f.now);
        }
        settle();
    }
}

void full_teardown(void)
{
    compare_teardown();
    three_ranges = three_scrub_rows = 0;
}

static const struct heal_figures *compare_all(const struct heal_comparisons *what)
{
    uint64_t before = f.node[0].compared_all;
    CU_ASSERT_FATAL(heal_compare_ranges(f.node[0].heal, f.now, 8, what));
    perform(1);
    for (int i = 0; i < 30000 && f.node[0].compared_all == before; i++)
        elapse_ms(2);
    CU_ASSERT_EQUAL_FATAL(f.node[0].compared_all, before + 1);
    CU_ASSERT_EQUAL(f.node[0].all_err, ERR_OK);
    CU_ASSERT_EQUAL(f.node[0].all_failed, 0);
    return &f.node[0].all_figures;
}

static uint64_t read_by(node_no no)
{
    return engine_stats(f.node[no - 1].engine).fragments_read;
}

static size_t bytes_crossed(void)
{
    size_t all = 0;
    for (int i = WIRE_COMPARE_OPEN; i <= WIRE_COMPARE_READ; i++)
        all += f.bytes_sent[i];
    return all;
}

static bool knows(node_no no, range_no range, node_no peer)
{
    const struct proved_pair *p = proved_find(f.node[no - 1].heal, KEYSPACE, range, peer);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    return p->trees_s != HEAL_NEVER;
}

/* Row n is in range n / each. */
static void fill_ranges(uint32_t ranges, unsigned each)
{
    for (compare_in = 0; compare_in < ranges; compare_in++) {
        for (unsigned i = 0; i < each; i++)
            put_both(compare_in * each + i, 10);
    }
    compare_in = RANGE;
    sync_all();
}

/* Each row is read once on each side, and what crosses is a question and an answer for 128 ranges,
 * with one hash. Where one row differs that has a hash each, and one session is more. */
static void a_thousand_ranges_are_read_for_some_kilobytes(void)
{
    full_teardown();
    three_ranges = MOST;
    full_setup();
    fill_ranges(MOST, 3);
    compare_all(&everything); /* which builds the trees */
    size_t before = bytes_crossed();
    uint64_t read = read_by(1) + read_by(2);
    const struct heal_figures *g = compare_all(&everything);
    size_t equal = bytes_crossed() - before;
    CU_ASSERT(g->equal);
    CU_ASSERT_EQUAL(f.node[0].all_equal, MOST);
    CU_ASSERT_EQUAL(read_by(1) + read_by(2) - read, 2 * 3 * MOST);
    CU_ASSERT_EQUAL(f.sent[WIRE_COMPARE_OPEN], 0);
    CU_ASSERT_EQUAL(g->leaves_wrong, 0);
    CU_ASSERT(g->messages <= 4 * MOST / 128);
    CU_ASSERT(equal < 2500);
    CU_ASSERT(g->bytes_search >= equal && g->bytes_search <= equal + 20 * g->messages);
    CU_ASSERT_EQUAL(g->bytes_hashes, g->bytes_search);
    CU_ASSERT(g->us < USEC_PER_SEC / 2);
    for (size_t i = 0; i < MOST; i++)
        CU_ASSERT(f.node[0].compared_figures[i].equal && f.node[0].compared_figures[i].proved);
    lose_row(2, 3 * 700);
    uint64_t search = g->bytes_search;
    g = compare_all(&everything);
    CU_ASSERT_EQUAL(g->rows_different, 1);
    CU_ASSERT_EQUAL(g->leaves_wrong, 1);
    CU_ASSERT_EQUAL(f.node[0].all_equal, MOST - 1);
    CU_ASSERT_EQUAL(f.node[0].compared_figures[700].leaves_wrong, 1);
    CU_ASSERT_EQUAL(f.sent[WIRE_COMPARE_OPEN], 1);
    CU_ASSERT_EQUAL(g->bytes_hashes, search);
    CU_ASSERT(g->bytes_search - search < 3000);
    CU_ASSERT(rows_are_equal());
}

#define BATCH 8u /* ranges */

static void begin_batch(node_no peer, range_no batch, usec since, bool more)
{
    struct heal_comparisons what = everything;
    range_no ranges[BATCH];
    uint64_t id = 2 * batch + peer - 2;
    for (range_no i = 0; i < BATCH; i++)
        ranges[i] = batch * BATCH + i;
    what.peer = peer;
    what.ranges = ranges;
    what.ranges_count = BATCH;
    what.since = since;
    what.gentle = true;
    what.more = more;
    f.node[0].over[id] = false;
    CU_ASSERT_FATAL(heal_compare_ranges(f.node[0].heal, f.now, id, &what));
    perform(1);
}

static void await(node_no peer, range_no batch)
{
    for (int i = 0; i < 3000 && !f.node[0].over[2 * batch + peer - 2]; i++)
        elapse(USEC_PER_SEC / 10);
    CU_ASSERT_FATAL(f.node[0].over[2 * batch + peer - 2]);
}

/* As a leader does: with one peer, then with the other, and the next ones meanwhile. Figures of
 * all. */
static struct heal_figures run_in_batches(range_no batches)
{
    usec began = f.now.mono;
    f.node[0].all_sums = (struct heal_figures){0};
    begin_batch(2, 0, began, true);
    for (range_no at = 0; at < batches; at++) {
        if (at + 1 < batches)
            begin_batch(2, at + 1, began, true);
        await(2, at);
        begin_batch(3, at, began, at + 1 < batches);
        if (at > 0)
            await(3, at - 1);
    }
    await(3, batches - 1);
    settle();
    return f.node[0].all_sums;
}

static size_t bytes_of_run(void)
{
    return bytes_crossed() + f.bytes_sent[WIRE_COMPARE_SAME];
}

/* A full run of so many ranges, all equal: two messages a batch, three where both read, and those
 * that tell others of each other. All is counted. */
static struct heal_figures run_of_equal(range_no ranges)
{
    size_t before = bytes_of_run();
    struct heal_figures g = run_in_batches(ranges / BATCH);
    size_t crossed = bytes_of_run() - before;
    CU_ASSERT_EQUAL(g.rows_different, 0);
    CU_ASSERT(g.bytes_search >= crossed && g.bytes_search <= crossed + 20 * g.messages);
    CU_ASSERT_EQUAL(g.bytes_hashes, g.bytes_search);
    for (range_no r = 0; r < ranges; r++)
        CU_ASSERT(knows(2, r, 3) && knows(3, r, 2));
    return g;
}

static void begin_ranges(range_no ranges, unsigned rows, uint32_t rate)
{
    full_teardown();
    three_ranges = ranges;
    three_scrub_rows = rate;
    full_setup();
    fill_ranges(ranges, rows);
    compare_all(&everything);
}

static void a_thousand_ranges_in_batches(void)
{
    begin_ranges(MOST, 3, 0);
    struct heal_figures g = run_of_equal(MOST);
    CU_ASSERT(g.messages <= 2 * 2 * MOST / BATCH + 2 * MOST / 128);
    CU_ASSERT(g.bytes_search < 22000);
    lose_row(3, 3 * 700);
    struct heal_figures one = run_in_batches(MOST / BATCH);
    CU_ASSERT_EQUAL(one.rows_different, 1);
    CU_ASSERT(one.bytes_hashes <= g.bytes_hashes + 1000); /* numbers of questions are longer */
    CU_ASSERT(one.bytes_search - one.bytes_hashes < 3000);
}

/* Batches that take long cost what quick ones do, and some messages until it is known how long they
 * take. */
static void a_slow_machine_costs_no_more(void)
{
    struct heal_figures g[2];
    usec took[2];
    for (unsigned slow = 0; slow <= 1; slow++) {
        begin_ranges(128, 200, slow ? 100 : 1000000);
        usec began = f.now.mono;
        g[slow] = run_of_equal(128);
        took[slow] = f.now.mono - began;
    }
    CU_ASSERT(took[0] < 20 * USEC_PER_SEC && took[1] > 150 * USEC_PER_SEC);
    CU_ASSERT(g[1].messages <= g[0].messages + 40);
    CU_ASSERT(g[1].bytes_search <= g[0].bytes_search + 40 * 70);
}

/* A leader compares its ranges with one peer after the other. */
static void what_was_read_in_a_run_is_not_read_again(void)
{
    struct heal_comparisons what = everything;
    fill_ranges(RANGES, 30);
    elapse(USEC_PER_SEC);
    what.since = f.now.mono;
    uint64_t read = read_by(1);
    compare_all(&what);
    CU_ASSERT(read_by(1) - read >= 30 * RANGES);
    read = read_by(1);
    uint64_t theirs = read_by(3);
    what.peer = 3;
    CU_ASSERT(compare_all(&what)->equal);
    CU_ASSERT_EQUAL(read_by(1), read);
    CU_ASSERT(read_by(3) - theirs >= 30 * RANGES);
    f.now.mono += 1;
    what.since = f.now.mono; /* another run */
    CU_ASSERT(compare_all(&what)->equal);
    CU_ASSERT(read_by(1) - read >= 30 * RANGES);
}

/* The peer reads at the same time, and all of it for one question. */
static void long_reading_goes_on(void)
{
    struct heal_comparisons what = everything;
    range_no range = RANGE;
    full_teardown();
    three_scrub_rows = 1000;
    full_setup();
    fill(7000);
    what.gentle = true;
    what.ranges = &range;
    what.ranges_count = 1;
    compare_all(&what);
    CU_ASSERT_EQUAL(heal_compare_progress(f.node[0].heal, 8).rows_read, 0);
    uint64_t ours = read_by(1), theirs = read_by(2);
    size_t told = f.sent[WIRE_COMPARE_READ], asked = f.sent[WIRE_COMPARE_ROOTS];
    CU_ASSERT(compare_all(&what)->equal);
    CU_ASSERT(read_by(1) - ours >= 7000 && read_by(1) - ours < 7700);
    CU_ASSERT(read_by(2) - theirs >= 7000 && read_by(2) - theirs < 7700);
    CU_ASSERT_EQUAL(f.sent[WIRE_COMPARE_READ] - told, 1);
    CU_ASSERT(f.sent[WIRE_COMPARE_ROOTS] - asked <= 2);
    CU_ASSERT(f.node[0].all_figures.us > 5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.sent[WIRE_COMPARE_OPEN], 0);
}

/* How far it is moves while ranges are read, long before the first of them is settled. */
static void progress_moves_with_reading(void)
{
    struct heal_comparisons what = everything;
    unsigned steps = 0, before = 0;
    uint64_t rows = 0;
    full_teardown();
    three_ranges = 16;
    three_scrub_rows = 1000;
    full_setup();
    for (compare_in = 0; compare_in < 16; compare_in++)
        fill(300);
    compare_in = RANGE;
    compare_all(&what);
    what.gentle = true;
    uint64_t all = f.node[0].compared_all, settled = f.node[0].compared;
    CU_ASSERT_FATAL(heal_compare_ranges(f.node[0].heal, f.now, 8, &what));
    perform(1);
    for (int i = 0; i < 30000 && f.node[0].compared == settled; i++) {
        struct heal_progress p = heal_compare_progress(f.node[0].heal, 8);
        CU_ASSERT(p.thousandths <= 1000 && p.thousandths >= before && p.rows_read >= rows);
        steps += p.thousandths > before;
        before = p.thousandths;
        rows = p.rows_read;
        elapse_ms(2);
    }
    CU_ASSERT(steps >= 3);
    CU_ASSERT(rows >= 2000);
    for (int i = 0; i < 30000 && f.node[0].compared_all == all; i++)
        elapse_ms(2);
    CU_ASSERT_EQUAL(f.node[0].compared_all, all + 1);
    CU_ASSERT_EQUAL(heal_compare_progress(f.node[0].heal, 8).thousandths, 0);
}

static bool is_marked(node_no no)
{
    return marks_count(f.node[no - 1].heal) > 0;
}

static void a_preview_leaves_all_as_it_is(void)
{
    struct heal_comparisons what = everything;
    struct digest before[2], after[2];
    fill_ranges(RANGES, 40);
    begin();
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT(compare_all(&what)->equal);
    lose_row(1, 77);
    lose_row(2, 500);
    get_digest(1, &before[0]);
    get_digest(2, &before[1]);
    what.preview = true;
    for (int i = 0; i < 2; i++) {
        const struct heal_figures *g = compare_all(&what);
        CU_ASSERT_EQUAL(g->leaves_wrong, i == 0 ? 2 : 0); /* it is known by then */
        CU_ASSERT_EQUAL(g->rows_different, 2);
        CU_ASSERT_EQUAL(g->rows_sent + g->rows_received, 0);
        elapse(2 * ROUNDS_HELD);
        CU_ASSERT_FALSE(is_marked(1) || is_marked(2));
    }
    CU_ASSERT_EQUAL(f.node[0].leaves_wrong + f.node[1].leaves_wrong, 2);
    get_digest(1, &after[0]);
    get_digest(2, &after[1]);
    CU_ASSERT_EQUAL(memcmp(before, after, sizeof before), 0);
    CU_ASSERT_EQUAL(compare_all(&everything)->rows_different, 2);
    CU_ASSERT(rows_are_equal());
}

/* What was found wrong at the peer is mended by the run that has found it, and counted there; the
 * peer looks for itself later. */
static void rounds_leave_a_range_to_its_run(void)
{
    fill_ranges(RANGES, 40);
    begin();
    elapse(20 * USEC_PER_SEC);
    compare_all(&everything);
    for (unsigned i = 0; i < RANGES; i++)
        lose_row(2, 40 * i + 7);
    uint64_t compared = heal_stats(f.node[1].heal).compared;
    const struct heal_figures *g = compare_all(&everything);
    CU_ASSERT_EQUAL(g->rows_different, RANGES);
    CU_ASSERT_EQUAL(g->rows_sent, RANGES);
    CU_ASSERT(rows_are_equal());
    CU_ASSERT(is_marked(2));
    elapse(ROUNDS_HELD - 10 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(heal_stats(f.node[1].heal).compared, compared);
    size_t opened = f.sent[WIRE_COMPARE_OPEN];
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT_FALSE(is_marked(2));
    CU_ASSERT(heal_stats(f.node[1].heal).compared > compared);
    CU_ASSERT_EQUAL(f.sent[WIRE_COMPARE_OPEN], opened); /* all was equal */
}

/* The run ends in the middle: what was marked is mended all the same. */
static void what_a_run_leaves_undone_is_done_later(void)
{
    fill_ranges(RANGES, 40);
    begin();
    elapse(20 * USEC_PER_SEC);
    compare_all(&everything);
    lose_row(2, 100);
    f.lost[WIRE_COMPARE_ROOTS_TOLD] = true;
    CU_ASSERT_FATAL(heal_compare_ranges(f.node[0].heal, f.now, 8, &everything));
    perform(1);
    elapse(5 * USEC_PER_SEC);
    CU_ASSERT(is_marked(2));
    heal_compare_stop(f.node[0].heal, f.now, 8);
    f.lost[WIRE_COMPARE_ROOTS_TOLD] = false;
    elapse(ROUNDS_HELD + 10 * USEC_PER_SEC);
    CU_ASSERT_FALSE(is_marked(2));
    CU_ASSERT(rows_are_equal());
}

/* When all is read nothing is due but what is asked and answered. */
static void it_is_idle_while_it_waits(void)
{
    fill_ranges(RANGES, 10);
    f.lost[WIRE_COMPARE_TELL] = true;
    lose_row(2, 10);
    CU_ASSERT_FATAL(heal_compare_ranges(f.node[0].heal, f.now, 8, &everything));
    perform(1);
    elapse_ms(300);
    CU_ASSERT(f.sent[WIRE_COMPARE_TELL] > 0);
    for (size_t i = 0; i < NODES; i++)
        CU_ASSERT(heal_next_deadline(f.node[i].heal) > f.now.mono);
    heal_compare_stop(f.node[0].heal, f.now, 8);
    f.lost[WIRE_COMPARE_TELL] = false;
}

static void a_silent_peer_ends_it(void)
{
    fill_ranges(RANGES, 10);
    f.lost[WIRE_COMPARE_ROOTS_TOLD] = true;
    CU_ASSERT_FATAL(heal_compare_ranges(f.node[0].heal, f.now, 8, &everything));
    perform(1);
    for (int i = 0; i < 3000 && f.node[0].compared_all == 0; i++)
        elapse(USEC_PER_SEC / 10);
    CU_ASSERT_EQUAL(f.node[0].all_err, ERR_TIMEOUT);
    CU_ASSERT_EQUAL(f.node[0].all_ranges, 0);
    f.lost[WIRE_COMPARE_ROOTS_TOLD] = false;
    CU_ASSERT(compare_all(&everything)->equal);
}

/* --- who is equal to us is equal to the others that are */

/* Node 1 compares with 2, then with 3. */
static void compare_with_both(void (*meanwhile)(void))
{
    struct heal_comparisons what = {.peer = 2, .keyspace = KEYSPACE};
    compare_all(&what);
    if (meanwhile != NULL)
        meanwhile();
    what.peer = 3;
    compare_all(&what);
    settle();
}

static void others_are_told_of_each_other(void)
{
    fill_ranges(RANGES, 10);
    compare_with_both(NULL);
    for (range_no r = 0; r < RANGES; r++)
        CU_ASSERT(knows(2, r, 3) && knows(3, r, 2));
    CU_ASSERT_EQUAL(f.sent[WIRE_COMPARE_SAME], 2);
    CU_ASSERT(f.bytes_sent[WIRE_COMPARE_SAME] < 2 * (60 + RANGES));
}

static void write_in_one(void)
{
    compare_in = 4;
    put_both(900, 20);
    compare_in = RANGE;
    sync_all();
}

static void lose_in_one(void)
{
    proved_forget(f.node[1].heal, KEYSPACE, 5);
}

static void another_ring(void)
{
    cluster_set_ring_epoch(f.node[1].cluster, 9);
}

/* It was as of another clock: this one nobody has shown of the two. */
static void what_was_written_between_is_not_told(void)
{
    fill_ranges(RANGES, 10);
    compare_with_both(write_in_one);
    for (range_no r = 0; r < RANGES; r++) {
        CU_ASSERT_EQUAL(knows(2, r, 3), r != 4);
        CU_ASSERT_EQUAL(knows(3, r, 2), r != 4);
    }
}

static void what_was_lost_between_does_not_count(void)
{
    fill_ranges(RANGES, 10);
    compare_with_both(lose_in_one);
    for (range_no r = 0; r < RANGES; r++)
        CU_ASSERT_EQUAL(knows(2, r, 3), r != 5);
}

/* It is told later, and the range was forgotten meanwhile. */
static void what_was_forgotten_since_does_not_count(void)
{
    struct heal_comparisons what = {.peer = 2, .keyspace = KEYSPACE, .more = true};
    fill_ranges(RANGES, 10);
    compare_all(&what);
    what.peer = 3;
    compare_all(&what);
    settle();
    CU_ASSERT_EQUAL(f.sent[WIRE_COMPARE_SAME], 0);
    lose_in_one();
    f.now.mono += USEC_PER_SEC;
    proved_forgot(f.node[1].heal, f.now, KEYSPACE, 5);
    what.peer = 2;
    what.more = false;
    compare_all(&what);
    settle();
    CU_ASSERT_EQUAL(f.sent[WIRE_COMPARE_SAME], 2);
    for (range_no r = 0; r < RANGES; r++) {
        CU_ASSERT(knows(2, r, 1));
        CU_ASSERT_EQUAL(knows(2, r, 3), r != 5);
        CU_ASSERT(knows(3, r, 2));
    }
}

static void of_another_ring_it_does_not_count(void)
{
    fill_ranges(RANGES, 10);
    compare_with_both(another_ring);
    for (range_no r = 0; r < RANGES; r++)
        CU_ASSERT_FALSE(knows(2, r, 3));
}

CU_TestInfo full_tests[] = {
    {"a thousand ranges are read for some kilobytes",
     a_thousand_ranges_are_read_for_some_kilobytes},
    {"a thousand ranges in batches", a_thousand_ranges_in_batches},
    {"a slow machine costs no more", a_slow_machine_costs_no_more},
    {"what was read in a run is not read again", what_was_read_in_a_run_is_not_read_again},
    {"progress moves with reading", progress_moves_with_reading},
    {"long reading goes on", long_reading_goes_on},
    {"a preview leaves all as it is", a_preview_leaves_all_as_it_is},
    {"rounds leave a range to its run", rounds_leave_a_range_to_its_run},
    {"what a run leaves undone is done later", what_a_run_leaves_undone_is_done_later},
    {"it is idle while it waits", it_is_idle_while_it_waits},
    {"others are told of each other", others_are_told_of_each_other},
    {"what was written between is not told", what_was_written_between_is_not_told},
    {"what was lost between does not count", what_was_lost_between_does_not_count},
    {"what was forgotten since does not count", what_was_forgotten_since_does_not_count},
    {"of another ring it does not count", of_another_ring_it_does_not_count},
    {"a silent peer ends it", a_silent_peer_ends_it},
    CU_TEST_INFO_NULL,
};
