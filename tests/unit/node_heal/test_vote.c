/* Rows that differ though clocks are equal: what most of three replicas have wins, what lost is
 * kept, nothing that was written meanwhile is lost. */
#include "compare_world.h"

#include <CUnit/CUnit.h>
#include <string.h>

static const struct heal_comparison with_third = {.peer = 3, .keyspace = KEYSPACE, .range = RANGE};

void vote_setup(void);
void vote_teardown(void);

void vote_setup(void)
{
    compare_setup();
}

void vote_teardown(void)
{
    compare_teardown();
}

/* One write; each node has its own idea of it. NULL: nothing. */
static void put_each(unsigned row, const char *const values[NODES])
{
    struct dot dot = next_dot(1);
    for (node_no i = 1; i <= NODES; i++) {
        struct part p =
            part_of(row, 10, CELL_LIVE, values[i - 1] != NULL ? values[i - 1] : "", dot);
        if (values[i - 1] == NULL)
            p.rows_count = 0;
        apply(i, &p, dot);
    }
}

static bool has(node_no no, unsigned row, const char *value)
{
    struct scan what = {.table = TABLE,
                        .after_token = token_of(row) - 1,
                        .upto_token = token_of(row),
                        .bytes_max = UINT32_MAX,
                        .now_s = f.now.wall / USEC_PER_SEC};
    struct scan_result got;
    CU_ASSERT_EQUAL_FATAL(engine_scan(f.node[no - 1].engine, &what, &f.arena, &got), ERR_OK);
    const struct part *p = got.parts_count > 0 ? &got.parts[0] : NULL;
    bool there = p != NULL && p->rows_count > 0 && row_is_live(&p->rows[0], what.now_s);
    if (value == NULL)
        return !there;
    return there && bytes_equal(p->rows[0].cells[0].value, bytes_text(value));
}

static size_t cells_of(node_no no, unsigned row)
{
    struct scan what = {.table = TABLE,
                        .after_token = token_of(row) - 1,
                        .upto_token = token_of(row),
                        .bytes_max = UINT32_MAX,
                        .now_s = f.now.wall / USEC_PER_SEC};
    struct scan_result got;
    CU_ASSERT_EQUAL_FATAL(engine_scan(f.node[no - 1].engine, &what, &f.arena, &got), ERR_OK);
    size_t cells = 0;
    for (size_t i = 0; got.parts_count > 0 && i < got.parts[0].rows_count; i++) {
        for (size_t k = 0; k < got.parts[0].rows[i].cells_count; k++)
            cells += got.parts[0].rows[i].cells[k].kind == CELL_LIVE;
    }
    return cells;
}

static bool all_have(unsigned row, const char *value)
{
    return has(1, row, value) && has(2, row, value) && has(3, row, value);
}

static size_t kept(node_no no, const struct heal_difference **ret)
{
    return heal_differences(f.node[no - 1].heal, &f.arena, ret);
}

static size_t kept_by_all(void)
{
    const struct heal_difference *list;
    return kept(1, &list) + kept(2, &list) + kept(3, &list);
}

static struct part deletion_of(unsigned row, int64_t timestamp, struct dot dot)
{
    struct part p = part_of(row, timestamp, CELL_LIVE, "", dot);
    p.rows_count = 0;
    p.deletion = (struct tomb){timestamp, f.now.wall / USEC_PER_SEC, dot};
    return p;
}

/* And a newer tombstone of another column is in the row: so reading does not take it away. */
static void delete_everywhere(unsigned row, int64_t timestamp)
{
    struct dot dot = next_dot(1);
    struct part p = part_of(row, timestamp + 10, CELL_TOMBSTONE, NULL, dot);
    p.rows[0].cells[0].column = 2;
    for (node_no i = 1; i <= NODES; i++)
        apply(i, &p, dot);
    dot = next_dot(1);
    p = deletion_of(row, timestamp, dot);
    for (node_no i = 1; i <= NODES; i++)
        apply(i, &p, dot);
    sync_all();
}

/* All have had all, so it was agreed; by now nobody knows that any more. */
static void drop_garbage(node_no no)
{
    struct engine *e = f.node[no - 1].engine;
    struct clock agreed;
    bool done = false;
    clock_init(&agreed);
    clock_copy(&agreed, engine_clock(e, KEYSPACE, RANGE));
    while (!done)
        CU_ASSERT_EQUAL_FATAL(engine_purge(e, KEYSPACE, RANGE, &agreed, INT64_MIN, 1000, &done),
                              ERR_OK);
    CU_ASSERT(engine_stats(e).purged >= 2);
    clock_close(&agreed);
    sync_all();
}

/* A row is deleted, all have agreed, and all have dropped it. */
static void was_once(unsigned row)
{
    put_both(row, 20);
    delete_everywhere(row, 30);
    for (node_no i = 1; i <= NODES; i++)
        drop_garbage(i);
}

/* What nobody else shows goes where it may have been deleted: there everybody has dropped later
 * things. */
static void what_most_have_wins(void)
{
    static const char *const wholes[] = {"whole", "whole", NULL};
    static const char *const others[] = {"wrong", NULL, "invented"};
    for (node_no who = 1; who <= NODES; who++) {
        for (size_t how = 0; how < 3; how++) {
            const char *values[NODES] = {wholes[how], wholes[how], wholes[how]};
            const struct heal_difference *list;
            values[who - 1] = others[how];
            begin_anew();
            fill(200);
            was_once(777);
            put_each(777, values);
            sync_all();
            CU_ASSERT_EQUAL(compare(&between)->rows_different, who != 3);
            CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
            CU_ASSERT_EQUAL(compare(&with_third)->rows_different, who == 3);
            CU_ASSERT(all_have(777, wholes[how]));
            CU_ASSERT_EQUAL(kept_by_all(), 1);
            CU_ASSERT_EQUAL(kept(who, &list), 1);
            CU_ASSERT_EQUAL(f.node[who - 1].doubtful, 1);
            CU_ASSERT_EQUAL(heal_stats(f.node[who - 1].heal).replaced, 1);
            CU_ASSERT(bytes_equal(list[0].key, BYTES_LIT("row777")));
            CU_ASSERT_EQUAL(list[0].table, TABLE);
            CU_ASSERT(list[0].is_row);
            CU_ASSERT_EQUAL(strcmp(list[0].had, "nothing") == 0, others[how] == NULL);
            CU_ASSERT_EQUAL(strcmp(list[0].won, "nothing") == 0, wholes[how] == NULL);
            CU_ASSERT(compare(&between)->equal);
            CU_ASSERT(compare(&with_third)->equal);
        }
    }
}

/* Most have nothing, and nothing was dropped that may have deleted it: they have lost it. */
static void what_most_have_lost_comes_back(void)
{
    for (node_no who = 1; who <= NODES; who++) {
        const char *values[NODES] = {NULL};
        values[who - 1] = "still there";
        begin_anew();
        fill(200);
        was_once(778);
        put_each(777, values);
        sync_all();
        compare(&between);
        compare(&with_third);
        compare(&between);
        CU_ASSERT(all_have(777, "still there"));
        CU_ASSERT_EQUAL(kept_by_all(), 1); /* the third had nothing when two had it */
        CU_ASSERT(compare(&between)->equal);
        CU_ASSERT(compare(&with_third)->equal);
    }
}

/* All three have something else, so nobody knows: the join of all. */
static void without_a_majority_all_is_joined(void)
{
    static const char *const values[NODES] = {"b", "c", "a"};
    static const char *const last[NODES] = {"a", "b", "c"};
    fill(50);
    put_each(60, values);
    put_each(61, last);
    sync_all();
    compare(&between);
    compare(&with_third);
    CU_ASSERT(all_have(60, "c"));
    CU_ASSERT(all_have(61, "c"));
    CU_ASSERT_EQUAL(heal_stats(f.node[0].heal).replaced + heal_stats(f.node[1].heal).replaced, 0);
    CU_ASSERT(compare(&between)->equal);
}

static void two_that_live_are_no_majority(void)
{
    static const char *const values[NODES] = {"z", "a", "a"};
    static const char *const one[NODES] = {NULL, "one", NULL};
    fill(50);
    put_each(60, values);
    put_each(61, one);
    sync_all();
    set_down(3, true);
    compare(&between);
    CU_ASSERT(has(1, 60, "z"));
    CU_ASSERT(has(2, 60, "z"));
    CU_ASSERT(has(1, 61, "one") && has(2, 61, "one"));
    CU_ASSERT_EQUAL(kept_by_all(), 0);
    CU_ASSERT_EQUAL(f.sent[WIRE_COMPARE_VOTE], 0);
}

static void a_preview_asks_nobody(void)
{
    static const char *const mine[NODES] = {"invented", NULL, NULL};
    static const char *const yours[NODES] = {NULL, "invented", NULL};
    struct heal_comparison what = between;
    what.preview = true;
    fill(50);
    put_each(60, mine);
    put_each(61, yours);
    sync_all();
    CU_ASSERT_EQUAL(compare(&what)->rows_different, 2);
    CU_ASSERT_EQUAL(f.sent[WIRE_COMPARE_VOTE], 0);
    CU_ASSERT(has(1, 60, "invented"));
    CU_ASSERT(has(2, 61, "invented"));
    CU_ASSERT_EQUAL(kept_by_all(), 0);
}

/* Until the other replica has been asked, or has answered. */
static void compare_until(enum wire_type type)
{
    size_t before = f.sent[type];
    CU_ASSERT_FATAL(heal_compare(f.node[0].heal, f.now, 7, &between));
    for (int i = 0; i < 10000 && f.sent[type] == before; i++) {
        bool any = deliver();
        for (node_no k = 1; k <= NODES; k++)
            any |= perform(k);
        if (any)
            continue;
        f.now.mono += USEC_PER_SEC / 100;
        for (size_t k = 0; k < NODES; k++) {
            if (heal_next_deadline(f.node[k].heal) <= f.now.mono)
                heal_deadline(f.node[k].heal, f.now);
        }
    }
    CU_ASSERT_EQUAL_FATAL(f.sent[type], before + 1);
}

static void let_it_end(void)
{
    settle();
    for (int i = 0; i < 600 && f.node[0].compared == 0; i++)
        elapse(USEC_PER_SEC / 10);
    CU_ASSERT_EQUAL(f.node[0].compared, 1);
    CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
}

/* It comes to one replica after that was asked, or while it is being asked. */
static void what_is_written_meanwhile_stays(void)
{
    for (node_no loser = 1; loser <= 2; loser++) {
        for (node_no writer = 1; writer <= NODES; writer++) {
            for (int late = 0; late < 2; late++) {
                const char *values[NODES] = {"whole", "whole", "whole"};
                values[loser - 1] = "wrong";
                begin_anew();
                fill(50);
                put_each(60, values);
                sync_all();
                compare_until(late ? WIRE_COMPARE_VOTED : WIRE_COMPARE_VOTE);
                struct dot dot = next_dot(writer);
                dot.actor.node = writer;
                struct part p = part_of(60, 20, CELL_LIVE, "new", dot);
                apply(writer, &p, dot);
                begin(); /* the others get it by their clocks */
                let_it_end();
                if (writer == 1) { /* no vote brings it to who has not heard of it */
                    CU_ASSERT(!has(2, 60, "new"));
                    CU_ASSERT_EQUAL(heal_stats(f.node[1].heal).doubtful, 0);
                }
                CU_ASSERT(has(writer, 60, "new"));
                elapse(10 * USEC_PER_SEC);
                CU_ASSERT(all_have(60, "new"));
            }
        }
    }
}

/* A voter has the row from a dot that all three have by then, and the other two have nothing there:
 * with the cut of before it is on its way for ever. */
static void what_has_come_is_not_waited_for(void)
{
    const char *values[NODES] = {"whole", "wrong", "whole"};
    fill(50);
    put_each(60, values);
    sync_all();
    compare_until(WIRE_COMPARE_VOTE);
    plant(3, 60, 20);
    sync_all();
    let_it_end();
    CU_ASSERT(all_have(60, "as one has it"));
}

static void who_dies_has_no_vote(void)
{
    static const char *const values[NODES] = {"a", "z", "a"};
    fill(50);
    put_each(60, values);
    sync_all();
    compare_until(WIRE_COMPARE_VOTE);
    set_down(3, true);
    let_it_end();
    CU_ASSERT(has(1, 60, "z"));
    CU_ASSERT(has(2, 60, "z"));
    CU_ASSERT_EQUAL(kept_by_all(), 0);
}

/* Before it has decided nothing is done; afterwards it is as if it had not begun. */
static void a_crash_in_between_changes_nothing(void)
{
    static const char *const values[NODES] = {"wrong", "whole", "whole"};
    fill(50);
    put_each(60, values);
    sync_all();
    compare_until(WIRE_COMPARE_VOTED);
    restart(1, BYTES_NONE, BYTES_NONE);
    settle();
    CU_ASSERT(has(1, 60, "wrong"));
    CU_ASSERT_EQUAL(kept_by_all(), 0);
    compare(&between);
    CU_ASSERT(all_have(60, "whole"));
    restart(1, BYTES_NONE, BYTES_NONE);
    const struct heal_difference *list;
    CU_ASSERT_EQUAL(kept(1, &list), 1); /* that is kept */
}

static size_t bytes_of(enum wire_type a, enum wire_type b)
{
    return f.bytes_sent[a] + f.bytes_sent[b];
}

static void many_rows_cost_about_themselves(void)
{
    static const char *const lost[NODES] = {NULL,
                                            "a value of some forty bytes, as people have them",
                                            "a value of some forty bytes, as people have them"};
    fill(500);
    for (unsigned i = 0; i < 1500; i++)
        put_each(1000 + i, lost);
    sync_all();
    const struct heal_figures *g = compare(&between);
    CU_ASSERT_EQUAL(g->rows_different, 1500);
    CU_ASSERT_EQUAL(g->rows_received, 1500);
    CU_ASSERT_EQUAL(g->bytes_sent, 0);
    CU_ASSERT(g->bytes_received < 1500 * 110);
    CU_ASSERT(bytes_of(WIRE_COMPARE_VOTE, WIRE_COMPARE_VOTED) < 1500 * 50);
    CU_ASSERT(f.sent[WIRE_COMPARE_VOTE] < 20);
    CU_ASSERT(rows_are_equal());
    const struct heal_difference *list;
    CU_ASSERT_EQUAL(kept(1, &list), HEAL_DIFFERENCES_MAX);
    CU_ASSERT_EQUAL(list[0].number, 501);
}

/* A deletion that nobody made hides rows that the others show. */
static void an_invented_deletion_goes(void)
{
    for (node_no who = 1; who <= 2; who++) {
        begin_anew();
        fill(100);
        struct dot dot = next_dot(1);
        for (node_no i = 1; i <= NODES; i++) {
            struct part p = part_of(55, 30, CELL_LIVE, "", dot);
            p.rows_count = 0;
            if (i == who)
                p.deletion = (struct tomb){30, f.now.wall / USEC_PER_SEC, dot};
            apply(i, &p, dot);
        }
        sync_all();
        CU_ASSERT(has(who, 55, NULL));
        compare(&between);
        CU_ASSERT(all_have(55, "as both have it"));
        CU_ASSERT_EQUAL(kept_by_all(), 1);
        CU_ASSERT(compare(&between)->equal);
        CU_ASSERT(compare(&with_third)->equal);
    }
}

/* Two have nothing of a deletion and of what it deletes; at the third both are there, and what it
 * hides stays hidden. Also when a row comes that is not deleted for the others: then it goes. */
static void what_was_deleted_stays_deleted(void)
{
    for (node_no who = 1; who <= 2; who++) {
        for (unsigned how = 0; how < 2; how++) {
            begin_anew();
            fill(100);
            struct dot old = next_dot(1);
            struct part p = part_of(777, 20, CELL_LIVE, "deleted", old), none = p;
            none.rows_count = 0;
            for (node_no i = 1; i <= NODES; i++)
                apply(i, i == who ? &p : &none, old);
            struct dot dot = next_dot(1);
            p = deletion_of(777, 30, dot);
            for (node_no i = 1; i <= NODES; i++)
                apply(i, i == who ? &p : &none, dot);
            dot = next_dot(1);
            p = part_of(777, 35, CELL_TOMBSTONE, "", dot); /* stays in the row beside it */
            p.rows[0].cells[0].column = 3;
            for (node_no i = 1; i <= NODES; i++)
                apply(i, &p, dot);
            dot = next_dot(1);
            p = part_of(777, 40, CELL_LIVE, "newer", dot);
            p.rows[0].cells[0].column = 2;
            for (node_no i = 1; i <= NODES; i++)
                apply(i, &p, dot);
            if (how == 1) {
                dot = next_dot(1);
                p = part_of(777, 10, CELL_LIVE, "older", dot);
                p.rows[0].key = BYTES_LIT("another");
                for (node_no i = 1; i <= NODES; i++)
                    apply(i, &p, dot);
            }
            sync_all();
            CU_ASSERT_EQUAL(cells_of(who, 777), 1);
            compare(&between);
            for (node_no i = 1; i <= NODES; i++)
                CU_ASSERT_EQUAL(cells_of(i, 777), 1 + how);
            CU_ASSERT_EQUAL(compare(&between)->equal, how == 1);
            CU_ASSERT_EQUAL(compare(&with_third)->equal, how == 1 || who == 2);
        }
    }
}

/* Most have dropped a deletion with the row under it; with one both are there, and stay: else the
 * row would come to light. */
static void a_deletion_that_most_have_dropped_is_not_lost(void)
{
    for (node_no who = 1; who <= NODES; who++) {
        begin_anew();
        fill(100);
        delete_everywhere(55, 30);
        for (node_no i = 1; i <= NODES; i++) {
            if (i != who)
                drop_garbage(i);
        }
        for (int i = 0; i < 2; i++) {
            compare(i == 0 ? &between : &with_third);
            CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
            CU_ASSERT(all_have(55, NULL));
        }
        CU_ASSERT_EQUAL(kept_by_all(), 0);
        CU_ASSERT_EQUAL(f.node[0].doubtful + f.node[1].doubtful + f.node[2].doubtful, 0);
        drop_garbage(who);
        CU_ASSERT(all_have(55, NULL));
        CU_ASSERT(compare(&between)->equal);
        CU_ASSERT(compare(&with_third)->equal);
    }
}

/* A value that is older than a deletion, and was written where that is dropped, is new. */
static void what_was_dropped_does_not_come_back(void)
{
    for (node_no dead = 0; dead <= 3; dead += 3) {
        for (node_no who = 1; who <= 2; who++) {
            node_no other = 3 - who;
            begin_anew();
            fill(100);
            delete_everywhere(55, 30);
            drop_garbage(other);
            if (dead != 0)
                set_down(dead, true);
            struct dot dot = next_dot(other);
            struct part p = part_of(55, 20, CELL_LIVE, "new", dot);
            apply(other, &p, dot);
            sync_all();
            CU_ASSERT(has(other, 55, "new"));
            compare(&between);
            CU_ASSERT_EQUAL(f.node[0].compared_err, ERR_OK);
            CU_ASSERT(has(other, 55, "new"));
            begin();
            elapse(5 * USEC_PER_SEC);
            CU_ASSERT(has(1, 55, "new") && has(2, 55, "new"));
            compare(&between);
            CU_ASSERT(has(1, 55, "new") && has(2, 55, "new"));
        }
    }
}

CU_TestInfo vote_tests[] = {
    {"what most have wins", what_most_have_wins},
    {"what most have lost comes back", what_most_have_lost_comes_back},
    {"without a majority all is joined", without_a_majority_all_is_joined},
    {"two that live are no majority", two_that_live_are_no_majority},
    {"a preview asks nobody", a_preview_asks_nobody},
    {"what is written meanwhile stays", what_is_written_meanwhile_stays},
    {"what has come is not waited for", what_has_come_is_not_waited_for},
    {"who dies has no vote", who_dies_has_no_vote},
    {"a crash in between changes nothing", a_crash_in_between_changes_nothing},
    {"many rows cost about themselves", many_rows_cost_about_themselves},
    {"an invented deletion goes", an_invented_deletion_goes},
    {"what was deleted stays deleted", what_was_deleted_stays_deleted},
    {"a deletion that most have dropped is not lost",
     a_deletion_that_most_have_dropped_is_not_lost},
    {"what was dropped does not come back", what_was_dropped_does_not_come_back},
    CU_TEST_INFO_NULL,
};
