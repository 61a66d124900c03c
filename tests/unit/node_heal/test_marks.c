/* That a range needs a session by trees is kept, until it has had one. */
#include "node/heal/heal_core.h"
#include "storage/store_mem.h"
#include "three.h"

#include <CUnit/CUnit.h>

void marks_setup(void);
void marks_teardown(void);

void marks_setup(void)
{
    three_setup(3);
}

void marks_teardown(void)
{
    three_teardown();
}

static struct heal *heal_of(node_no no)
{
    return f.node[no - 1].heal;
}

static const struct mark *mark_of(node_no no, range_no range, node_no peer)
{
    return marks_find(heal_of(no), KEYSPACE, range, peer);
}

static bool set(range_no range, node_no peer, enum mark_why why)
{
    return marks_set(heal_of(1), f.now, KEYSPACE, range, peer, why, NULL);
}

static void a_mark_is_kept_over_a_restart(void)
{
    begin();
    CU_ASSERT(set(5, 2, MARK_DAMAGED));
    f.now.wall += 100 * USEC_PER_SEC;
    CU_ASSERT(set(5, 2, MARK_ASKED));
    settle();
    restart(1, BYTES_NONE, BYTES_NONE);
    const struct mark *m = mark_of(1, 5, 2);
    CU_ASSERT_FATAL(m != NULL);
    CU_ASSERT_EQUAL(m->why, MARK_DAMAGED | MARK_ASKED);
    CU_ASSERT_EQUAL(m->since_s, f.now.wall / USEC_PER_SEC - 100);
    CU_ASSERT_EQUAL(marks_count(heal_of(1)), 1);
    marks_done(heal_of(1), KEYSPACE, 5, 2, m->number);
    settle();
    restart(1, BYTES_NONE, BYTES_NONE);
    CU_ASSERT_EQUAL(marks_count(heal_of(1)), 0);
}

static void marks_are_listed_in_order(void)
{
    begin();
    CU_ASSERT(set(5, 3, MARK_ASKED));
    CU_ASSERT(set(5, 2, MARK_ASKED));
    CU_ASSERT(set(2, 0, MARK_DOUBTFUL)); /* each of the others */
    range_no ranges[] = {2, 2, 5, 5};
    node_no peers[] = {2, 3, 2, 3};
    size_t i = 0;
    for (const struct mark *m = marks_seek(heal_of(1), 0, 0, 0); m != NULL;
         m = marks_after(heal_of(1), m), i++) {
        CU_ASSERT_FATAL(i < ARRAY_LEN(ranges));
        CU_ASSERT_EQUAL(m->range, ranges[i]);
        CU_ASSERT_EQUAL(m->peer, peers[i]);
    }
    CU_ASSERT_EQUAL(i, 4);
    CU_ASSERT_EQUAL(marks_seek(heal_of(1), KEYSPACE, 5, 3), mark_of(1, 5, 3));
    CU_ASSERT_PTR_NULL(marks_seek(heal_of(1), KEYSPACE, 5, 4));
}

/* What happened while a session ran was perhaps not seen by it. */
static void a_reason_that_came_during_a_session_stays(void)
{
    begin();
    CU_ASSERT(set(5, 2, MARK_DAMAGED));
    uint64_t number = mark_of(1, 5, 2)->number;
    CU_ASSERT(set(5, 2, MARK_DAMAGED));
    marks_done(heal_of(1), KEYSPACE, 5, 2, number);
    CU_ASSERT_FATAL(mark_of(1, 5, 2) != NULL);
    marks_done(heal_of(1), KEYSPACE, 5, 2, mark_of(1, 5, 2)->number);
    CU_ASSERT_PTR_NULL(mark_of(1, 5, 2));
}

/* Whatever was compared: it is over when all that was lacking is here, and durable. */
static void what_lacks_dots_is_marked_until_they_come(void)
{
    struct clock lacks;
    begin();
    clock_init(&lacks);
    f.lost[WIRE_CLOCK_DIGESTS] = true;
    struct dot dot = write_quietly(6, 2, 1, 10); /* node 3 has it, too */
    clock_add(&lacks, dot);
    CU_ASSERT(marks_set(heal_of(1), f.now, KEYSPACE, range_of(1), 2, MARK_TRUNCATED, &lacks));
    CU_ASSERT(set(range_of(1), 2, MARK_ASKED));
    marks_done(heal_of(1), KEYSPACE, range_of(1), 2, mark_of(1, range_of(1), 2)->number);
    CU_ASSERT_FATAL(mark_of(1, range_of(1), 2) != NULL);
    CU_ASSERT_EQUAL(mark_of(1, range_of(1), 2)->why, MARK_TRUNCATED);
    settle();
    restart(1, BYTES_NONE, BYTES_NONE);
    begin();
    CU_ASSERT_FATAL(mark_of(1, range_of(1), 2) != NULL);
    CU_ASSERT(clock_has(&mark_of(1, range_of(1), 2)->lacks, dot));
    elapse(3 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(marks_count(heal_of(1)), 1);
    f.lost[WIRE_CLOCK_DIGESTS] = false; /* a pull brings it */
    elapse(6 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(marks_count(heal_of(1)), 0);
    CU_ASSERT(all_equal());
    clock_close(&lacks);
}

static void what_is_not_ours_is_not_marked(void)
{
    begin();
    CU_ASSERT_FALSE(set(5, 1, MARK_ASKED));          /* ourselves */
    CU_ASSERT_FALSE(set(5, 9, MARK_ASKED));          /* nobody */
    CU_ASSERT_FALSE(set(RANGES + 3, 2, MARK_ASKED)); /* nowhere */
    CU_ASSERT_FALSE(marks_set(heal_of(1), f.now, KEYSPACE + 1, 5, 0, MARK_ASKED, NULL));
    CU_ASSERT_EQUAL(marks_count(heal_of(1)), 0);
    CU_ASSERT(set(5, 2, MARK_ASKED));
    struct strategy one = {.type = STRATEGY_SIMPLE, .rf = 1};
    cluster_set_keyspace(f.node[0].cluster, KEYSPACE, &one);
    elapse(2 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(marks_count(heal_of(1)), 0);
}

/* It is not known any more which there were: so there are all. */
static void marks_that_are_lost_are_set_everywhere(void)
{
    static const uint8_t apart[5000]; /* of a block: the node's own records are not hit */
    begin();
    CU_ASSERT(set(5, 2, MARK_ASKED));
    engine_fact_put(f.node[0].engine, BYTES_LIT("a/run"), bytes_make(apart, sizeof apart), 0);
    settle();
    CU_ASSERT(store_mem_damage(f.node[0].store, 0) > 0 && store_mem_mend(f.node[0].store) > 0);
    restart(1, BYTES_NONE, BYTES_NONE);
    CU_ASSERT_EQUAL(marks_count(heal_of(1)), 0);
    heal_placed(heal_of(1), f.now, 1);
    CU_ASSERT_EQUAL(marks_count(heal_of(1)), 2 * RANGES);
    CU_ASSERT(mark_of(1, 5, 2) != NULL && mark_of(1, 5, 2)->why == MARK_DAMAGED);
    settle();
    CU_ASSERT_FALSE(engine_has_lost(f.node[0].engine));
    restart(1, BYTES_NONE, BYTES_NONE);
    CU_ASSERT_EQUAL(marks_count(heal_of(1)), 2 * RANGES);
}

CU_TestInfo marks_tests[] = {
    {"a mark is kept over a restart", a_mark_is_kept_over_a_restart},
    {"marks are listed in order", marks_are_listed_in_order},
    {"a reason that came during a session stays", a_reason_that_came_during_a_session_stays},
    {"what lacks dots is marked until they come", what_lacks_dots_is_marked_until_they_come},
    {"what is not ours is not marked", what_is_not_ours_is_not_marked},
    {"marks that are lost are set everywhere", marks_that_are_lost_are_set_everywhere},
    CU_TEST_INFO_NULL,
};
