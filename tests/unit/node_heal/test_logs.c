/* Range logs are kept short; and who was away for longer than they last comes back right. */
#include "node/heal/heal_core.h"
#include "three.h"

#include <CUnit/CUnit.h>

#define KEYS 40u

void logs_setup(void);
void logs_teardown(void);

static void set_up(uint64_t most, uint64_t total)
{
    three_logs = (struct log_bounds){
        .keep = 1000, .max = most, .total = total, .window_us = (usec)3600 * USEC_PER_SEC};
    three_tails_max = 1024;
    three_setup(3);
    f.lost[WIRE_COMPARE_ROOTS] = true; /* sessions begin when these tests say so */
}

void logs_setup(void)
{
    set_up(8000, 1u << 30);
}

void logs_teardown(void)
{
    three_teardown();
    three_logs = (struct log_bounds){0};
    three_tails_max = 0;
}

static struct heal *heal_of(node_no no)
{
    return f.node[no - 1].heal;
}

static struct log_figures figures(node_no no, range_no range)
{
    struct log_figures ret;
    engine_log_figures(f.node[no - 1].engine, KEYSPACE, range, &ret);
    return ret;
}

static uint64_t pruned_at(node_no no)
{
    uint64_t sum = 0;
    for (range_no r = 0; r < RANGES; r++)
        sum += figures(no, r).pruned;
    return sum;
}

static uint64_t bytes_at(node_no no)
{
    uint64_t sum = 0;
    for (range_no r = 0; r < RANGES; r++)
        sum += figures(no, r).bytes;
    return sum;
}

static uint64_t longest_at(node_no no)
{
    uint64_t most = 0;
    for (range_no r = 0; r < RANGES; r++)
        most = figures(no, r).bytes > most ? figures(no, r).bytes : most;
    return most;
}

/* To the nodes of the mask, from those of them; every key some times. */
static void load(unsigned mask, unsigned writes)
{
    static int64_t timestamp = 1000;
    static const node_no first[] = {1, 1, 2, 1, 3, 1, 2, 1}, second[] = {1, 1, 2, 2, 3, 3, 3, 2};
    for (unsigned i = 0; i < writes; i++) {
        write_quietly(mask, i % 2 == 0 ? first[mask] : second[mask], i % KEYS, ++timestamp);
        if (i % 20 == 19)
            elapse(USEC_PER_SEC / 10);
    }
    settle();
}

/* Whoever has marks has sessions with those peers, one after the other. */
static void run_sessions(void)
{
    for (int turn = 0; turn < 200; turn++) {
        bool any = false;
        for (node_no no = 1; no <= NODES; no++) {
            const struct mark *m = marks_seek(heal_of(no), 0, 0, 0);
            if (m == NULL)
                continue;
            struct heal_comparison what = {
                .peer = m->peer, .keyspace = KEYSPACE, .range = m->range};
            struct mark had = *m;
            uint64_t before = f.node[no - 1].compared;
            any = true;
            if (!heal_compare(heal_of(no), f.now, 1, &what))
                continue;
            perform(no);
            for (int i = 0; i < 600 && f.node[no - 1].compared == before; i++)
                elapse(USEC_PER_SEC / 10);
            if (f.node[no - 1].compared > before && f.node[no - 1].compared_err == ERR_OK)
                marks_done(heal_of(no), KEYSPACE, had.range, had.peer, had.number);
        }
        if (!any)
            return;
        elapse(USEC_PER_SEC / 10);
    }
}

static void what_all_have_goes(void)
{
    begin();
    load(7, 4000);
    elapse(20 * USEC_PER_SEC);
    for (node_no no = 1; no <= NODES; no++) {
        CU_ASSERT(pruned_at(no) > 3000);
        CU_ASSERT(longest_at(no) <= 1000);
        CU_ASSERT(heal_stats(heal_of(no)).log_pruned > 3000);
        CU_ASSERT_EQUAL(heal_stats(heal_of(no)).log_cut, 0);
        CU_ASSERT_EQUAL(heal_stats(heal_of(no)).pulls, 0);
        CU_ASSERT_EQUAL(marks_count(heal_of(no)), 0);
    }
    CU_ASSERT(all_equal());
}

static void short_logs_cost_no_question(void)
{
    begin();
    load(7, 100);
    elapse(30 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.sent[WIRE_AGREE_ASK], 0);
    load(7, 2000);
    elapse(30 * USEC_PER_SEC);
    size_t asked = f.sent[WIRE_AGREE_ASK];
    CU_ASSERT(asked > 0);
    elapse(120 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.sent[WIRE_AGREE_ASK], asked); /* all are short again */
}

/* What is newest comes first; and what has come is not asked for again, wherever that ends. */
static void the_newest_comes_first(void)
{
    struct actor actor = {1, 1};
    range_no range = range_of(1);
    logs_teardown();
    set_up(1u << 20, 1u << 30);
    begin();
    set_down(3, true);
    for (unsigned i = 0; i < 6000; i++)
        write_quietly(3, 1, 1, 10 + i); /* one row: all of it comes with any of these */
    for (unsigned i = 0; i < 3000; i++)
        write_quietly(3, 1, 1000 + i, 10);
    settle();
    const struct clock *clock = engine_clock(f.node[2].engine, KEYSPACE, range);
    uint64_t top = clock_top(engine_clock(f.node[0].engine, KEYSPACE, range), actor);
    CU_ASSERT_FATAL(top > 6000);
    set_down(3, false);
    for (unsigned i = 0; i < 100000 && clock_empty(clock); i++) {
        if (!deliver())
            elapse(USEC_PER_SEC / 10);
        for (node_no no = 1; no <= NODES; no++)
            perform(no);
        store_flush(f.node[2].store);
    }
    CU_ASSERT(clock_top(clock, actor) >= top - 2048);
    for (int i = 0; i < 4; i++) {
        elapse(USEC_PER_SEC / 10);
        set_down(3, true);
        elapse(USEC_PER_SEC);
        set_down(3, false);
    }
    settle();
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT(all_equal());
    CU_ASSERT(heal_stats(heal_of(3)).dots_pulled <= 9000 + 500); /* an answer may be lost */
}

/* One is away for less than the logs last: they bring it all, no tree is asked. */
static void who_was_away_shortly_gets_all_from_the_logs(void)
{
    begin();
    load(7, 1000);
    elapse(10 * USEC_PER_SEC);
    set_down(3, true);
    load(3, 500);
    elapse(20 * USEC_PER_SEC);
    set_down(3, false);
    settle();
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT(heal_stats(heal_of(3)).dots_pulled >= 500);
    CU_ASSERT_EQUAL(heal_stats(heal_of(3)).truncated, 0);
    CU_ASSERT_EQUAL(marks_count(heal_of(3)), 0);
    CU_ASSERT(all_equal());
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT(longest_at(1) <= 1000); /* and then they go */
}

/* The clock of node 3 claims only what it has: rows first. */
static void check_claims(void)
{
    for (range_no r = 0; r < RANGES; r++)
        CU_ASSERT(clock_covers(engine_clock(f.node[2].engine, KEYSPACE, r),
                               engine_log_floor(f.node[2].engine, KEYSPACE, r)));
}

static void come_back_by_trees(void)
{
    set_down(3, false);
    settle();
    elapse(6 * USEC_PER_SEC);
    CU_ASSERT(heal_stats(heal_of(3)).truncated > 0);
    CU_ASSERT(marks_count(heal_of(3)) > 0);
    CU_ASSERT_FALSE(all_equal());
    check_claims();
    run_sessions();
    elapse(30 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(marks_count(heal_of(3)), 0);
    CU_ASSERT(all_equal());
    check_claims();
}

static struct heal_waiting waiting(node_no at, node_no peer)
{
    const struct heal_waiting *list;
    struct heal_waiting sum = {0};
    size_t count = heal_waiting(heal_of(at), &f.arena, &list);
    for (size_t i = 0; i < count; i++) {
        if (list[i].peer != peer)
            continue;
        sum.dots += list[i].dots;
        sum.bytes += list[i].bytes;
        sum.cut += list[i].cut;
        sum.marked |= list[i].marked;
        sum.at_most |= list[i].at_most;
        sum.since_s = list[i].since_s;
    }
    return sum;
}

static void what_waits_for_whom_is_told(void)
{
    begin();
    load(7, 300);
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(waiting(1, 3).dots, 0);
    set_down(3, true);
    int64_t lost_s = f.now.wall / USEC_PER_SEC;
    load(3, 400);
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(waiting(1, 3).dots, 400);
    CU_ASSERT_EQUAL(waiting(1, 3).cut, 0);
    CU_ASSERT_EQUAL(waiting(1, 3).since_s, lost_s);
    CU_ASSERT(waiting(1, 3).bytes > 400 * 10);
    CU_ASSERT_EQUAL(waiting(1, 2).dots, 0);
    load(3, 8000);
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT(waiting(1, 3).cut > 1000);
    CU_ASSERT_EQUAL(waiting(1, 3).cut + waiting(1, 3).dots, 8400);
    restart(1, BYTES_NONE, BYTES_NONE);
    heal_begin(heal_of(1), f.now);
    settle();
    CU_ASSERT(waiting(1, 3).at_most);
    CU_ASSERT(waiting(1, 3).dots > 0);
    set_down(3, false);
    settle();
    elapse(6 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(waiting(3, 2).marked, MARK_TRUNCATED);
    run_sessions();
    elapse(20 * USEC_PER_SEC);
    for (node_no no = 1; no <= NODES; no++) {
        CU_ASSERT_EQUAL(waiting(no, no % NODES + 1).dots, 0);
        CU_ASSERT_EQUAL(waiting(no, no % NODES + 1).cut, 0);
        CU_ASSERT_EQUAL(waiting(no, no % NODES + 1).marked, 0);
    }
}

/* Somebody writes all the time, so that clocks are equal at no moment. */
static void who_has_come_back_is_waited_for_no_longer(void)
{
    logs_teardown();
    set_up(1u << 20, 1u << 30);
    begin();
    load(7, 300);
    elapse(10 * USEC_PER_SEC);
    set_down(3, true);
    load(3, 400);
    CU_ASSERT_EQUAL(waiting(1, 3).dots, 400);
    set_down(3, false);
    uint64_t before = 400;
    for (unsigned i = 0; i < 300; i++) {
        write_quietly(3, 1 + i % 2, i % KEYS, 1000000 + i);
        elapse(USEC_PER_SEC / 10);
        for (node_no no = 1; no <= NODES; no++)
            perform(no);
        uint64_t dots = waiting(1, 3).dots;
        CU_ASSERT(dots <= before + (i < 50)); /* until it has told what it has */
        before = dots;
    }
    CU_ASSERT_FALSE(all_equal());
    CU_ASSERT_EQUAL(waiting(1, 3).dots, 0);
    CU_ASSERT_EQUAL(waiting(2, 3).dots, 0);
    set_down(3, true); /* and is, when it is away again */
    load(3, 100);
    CU_ASSERT(waiting(1, 3).dots >= 100);
    set_down(3, false);
    settle();
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT(all_equal());
    CU_ASSERT_EQUAL(waiting(1, 3).dots, 0);
}

/* And when nobody says so. */
static void who_was_away_for_long_comes_back_alone(void)
{
    f.lost[WIRE_COMPARE_ROOTS] = false;
    begin();
    load(7, 500);
    set_down(3, true);
    load(3, 8000);
    elapse(10 * USEC_PER_SEC);
    set_down(3, false);
    settle();
    elapse(12 * USEC_PER_SEC);
    CU_ASSERT(heal_stats(heal_of(3)).truncated > 0);
    CU_ASSERT_EQUAL(marks_count(heal_of(3)), 0);
    CU_ASSERT(all_equal());
    check_claims();
}

static void a_log_that_is_too_long_is_cut(void)
{
    begin();
    load(7, 500);
    set_down(3, true);
    load(3, 8000);
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT(longest_at(1) <= 8000 + 1000);
    CU_ASSERT(heal_stats(heal_of(1)).log_cut > 0);
    CU_ASSERT(bytes_at(1) > 2000 * RANGES / 2); /* and not more than that */
    come_back_by_trees();
}

static void a_log_that_is_too_old_is_cut(void)
{
    logs_teardown();
    set_up(1u << 20, 1u << 30);
    begin();
    load(7, 500);
    set_down(3, true);
    load(3, 1500);
    elapse(1800 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(heal_stats(heal_of(1)).log_cut, 0);
    load(3, 1000);
    elapse(2400 * USEC_PER_SEC);
    uint64_t cut = heal_stats(heal_of(1)).log_cut;
    CU_ASSERT(cut > 1000);
    CU_ASSERT(cut < 2600);
    come_back_by_trees();
}

/* A clock that may be wrong says nothing about ages. */
static void a_doubtful_clock_cuts_nothing(void)
{
    logs_teardown();
    set_up(1u << 20, 1u << 30);
    begin();
    set_down(3, true);
    load(3, 1500);
    elapse(10 * USEC_PER_SEC);
    heal_set_clock(heal_of(1), 0, true);
    f.now.wall += (usec)365 * 86400 * USEC_PER_SEC;
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(heal_stats(heal_of(1)).log_cut, 0);
    CU_ASSERT(heal_stats(heal_of(2)).log_cut > 0);
}

/* All logs together are bounded, whatever each may have. */
static void all_logs_together_are_bounded(void)
{
    logs_teardown();
    set_up(1u << 20, 16000);
    begin();
    set_down(3, true);
    load(3, 6000);
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT(bytes_at(1) <= 17000);
    CU_ASSERT(bytes_at(1) > 8000);
    come_back_by_trees();
}

/* What was deleted while it was away, and forgotten since by nobody, stays deleted. */
static void deletions_beyond_the_log_do_not_come_back(void)
{
    begin();
    load(7, 400);
    settle();
    set_down(3, true);
    for (unsigned key = 0; key < KEYS; key += 2)
        delete_quietly(3, 1 + key / 2 % 2, key, 1000000);
    load(3, 10);
    for (unsigned i = 0; i < 8000; i++) { /* other keys: the log moves on */
        write_quietly(3, 1 + i % 2, i % KEYS | 1, 2000000 + i);
        if (i % 20 == 19)
            elapse(USEC_PER_SEC / 10);
    }
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT(heal_stats(heal_of(1)).log_cut > 0);
    come_back_by_trees();
    elapse(60 * USEC_PER_SEC); /* and proof is not held up */
    CU_ASSERT(all_equal());
    for (node_no no = 1; no <= NODES; no++) {
        range_no range = 0;
        CU_ASSERT_FALSE(engine_next_garbage(f.node[no - 1].engine, KEYSPACE, 0,
                                            f.now.wall / USEC_PER_SEC, &range));
        struct scan all = {.table = TABLE, .after_token = INT64_MIN, .upto_token = INT64_MAX};
        struct scan_result rows;
        all.now_s = f.now.wall / USEC_PER_SEC;
        CU_ASSERT_EQUAL_FATAL(engine_scan(f.node[no - 1].engine, &all, &f.arena, &rows), ERR_OK);
        CU_ASSERT_EQUAL(rows.live_rows, KEYS / 2);
    }
}

static void writes_go_on_while_it_comes_back(void)
{
    begin();
    load(7, 500);
    set_down(3, true);
    load(3, 8000);
    set_down(3, false);
    settle();
    for (int i = 0; i < 20; i++) {
        load(7, 100);
        run_sessions();
    }
    load(7, 200);
    run_sessions();
    elapse(20 * USEC_PER_SEC);
    run_sessions();
    CU_ASSERT_EQUAL(marks_count(heal_of(3)), 0);
    CU_ASSERT(all_equal());
}

/* Two of three, one after the other; what only one had is not lost. */
static void two_are_away(void)
{
    begin();
    load(7, 500);
    set_down(3, true);
    load(3, 4000);
    set_down(2, true);
    load(1, 4000);
    elapse(10 * USEC_PER_SEC);
    set_down(2, false);
    set_down(3, false);
    settle();
    elapse(6 * USEC_PER_SEC);
    CU_ASSERT(marks_count(heal_of(2)) > 0);
    CU_ASSERT(marks_count(heal_of(3)) > 0);
    for (int i = 0; i < 5 && !all_equal(); i++) {
        run_sessions();
        elapse(10 * USEC_PER_SEC);
    }
    CU_ASSERT_EQUAL(marks_count(heal_of(2)), 0);
    CU_ASSERT_EQUAL(marks_count(heal_of(3)), 0);
    CU_ASSERT(all_equal());
}

static void a_mark_for_a_cut_log_survives_a_restart(void)
{
    begin();
    load(7, 500);
    set_down(3, true);
    load(3, 8000);
    elapse(10 * USEC_PER_SEC);
    set_down(3, false);
    settle();
    elapse(6 * USEC_PER_SEC);
    size_t marks = marks_count(heal_of(3));
    CU_ASSERT(marks > 0);
    restart(3, BYTES_NONE, BYTES_NONE);
    CU_ASSERT_EQUAL(marks_count(heal_of(3)), marks);
    heal_begin(heal_of(3), f.now);
    settle();
    run_sessions();
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT(all_equal());
}

/* A mover that finds logs cut is not done before it has had the rows. */
static void a_mover_waits_for_trees(void)
{
    begin();
    set_down(3, true);
    load(3, 8000);
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT(pruned_at(1) > 0);
    set_down(3, false);
    heal_move(heal_of(3), f.now, 5);
    settle();
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.node[2].moved, 0);
    CU_ASSERT(marks_count(heal_of(3)) > 0);
    run_sessions();
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.node[2].moved, 5);
    CU_ASSERT(all_equal());
}

/* Somebody waits for dots: what no log has is not given up as not to be had. */
static void a_fetch_of_what_was_cut_is_not_complete(void)
{
    struct buf wanted;
    struct clock clock;
    begin();
    f.lost[WIRE_CLOCK_DIGESTS] = true;
    load(3, 8000);
    set_down(3, true);
    elapse(10 * USEC_PER_SEC);
    set_down(3, false);
    range_no range = range_of(1);
    const struct clock *floor = engine_log_floor(f.node[0].engine, KEYSPACE, range);
    CU_ASSERT_FATAL(!clock_empty(floor));
    clock_init(&clock);
    clock_copy(&clock, floor);
    buf_init(&wanted, SIZE_MAX);
    clock_encode(&clock, &wanted);
    heal_fetch(heal_of(3), f.now, 77, KEYSPACE, range, buf_bytes(&wanted));
    perform(3);
    settle();
    CU_ASSERT_EQUAL(f.node[2].fetched, 77);
    CU_ASSERT_FALSE(f.node[2].fetched_all);
    CU_ASSERT(marks_find(heal_of(3), KEYSPACE, range, 1) != NULL);
    f.lost[WIRE_CLOCK_DIGESTS] = false;
    buf_close(&wanted);
    clock_close(&clock);
}

/* Also of ranges in which nothing was when it went away; and by who has been away himself since. */
static void what_was_new_meanwhile_waits_too(void)
{
    begin();
    for (node_no no = 1; no <= NODES; no++)
        heal_placed(heal_of(no), f.now, 1);
    set_down(3, true);
    load(3, 400);
    elapse(10 * USEC_PER_SEC);
    f.lost[WIRE_PULL] = true;
    set_down(3, false);
    settle();
    elapse(4 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(waiting(1, 3).dots, 400);
    restart(1, BYTES_NONE, BYTES_NONE);
    heal_placed(heal_of(1), f.now, 1);
    heal_begin(heal_of(1), f.now);
    settle();
    elapse(4 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(waiting(1, 3).dots, 400);
    f.lost[WIRE_PULL] = false;
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(waiting(1, 3).dots, 0);
}

CU_TestInfo logs_tests[] = {
    {"what was new meanwhile waits, too", what_was_new_meanwhile_waits_too},
    {"what all have goes", what_all_have_goes},
    {"short logs cost no question", short_logs_cost_no_question},
    {"the newest comes first", the_newest_comes_first},
    {"who was away shortly gets all from the logs", who_was_away_shortly_gets_all_from_the_logs},
    {"what waits for whom is told", what_waits_for_whom_is_told},
    {"who has come back is waited for no longer", who_has_come_back_is_waited_for_no_longer},
    {"who was away for long comes back alone", who_was_away_for_long_comes_back_alone},
    {"a log that is too long is cut", a_log_that_is_too_long_is_cut},
    {"a log that is too old is cut", a_log_that_is_too_old_is_cut},
    {"a doubtful clock cuts nothing", a_doubtful_clock_cuts_nothing},
    {"all logs together are bounded", all_logs_together_are_bounded},
    {"deletions beyond the log do not come back", deletions_beyond_the_log_do_not_come_back},
    {"writes go on while it comes back", writes_go_on_while_it_comes_back},
    {"two are away", two_are_away},
    {"a mark for a cut log survives a restart", a_mark_for_a_cut_log_survives_a_restart},
    {"a mover waits for trees", a_mover_waits_for_trees},
    {"a fetch of what was cut is not complete", a_fetch_of_what_was_cut_is_not_complete},
    CU_TEST_INFO_NULL,
};
