/* What was read and overwritten while its message was on the way is not stamped above that. */
#include "unit/node_coord/cluster_fixture.h"

#include "node/coord/early.h"

#include <CUnit/CUnit.h>
#include <string.h>

static struct fixture f;
void overwritten_setup(void);
void overwritten_teardown(void);

void overwritten_setup(void)
{
    fixture_open(&f);
}

void overwritten_teardown(void)
{
    fixture_close(&f);
}

#define R(place)         fixture_replica(&f, "k", place)
#define NOW              (f.now.wall)
#define has(node, value) fixture_has(&f, node, "k", "r", value)
#define stats(node)      coord_stats(fixture_at(&f, node)->coord)

static enum err stamped(node_no via, const char *value, int64_t timestamp, enum level level)
{
    return fixture_stamped(&f, via, "k", "r", value, timestamp, level);
}

/* What is held up of the first comes, and changes nothing. */
static void second_stays(void)
{
    f.done = 0;
    fixture_release(&f, false);
    for (uint32_t k = 0; k < f.copies; k++)
        CU_ASSERT(has(R(k), "second"));
}

/* Acked by the two others. */
static void without_first(const char *value, int64_t timestamp)
{
    fixture_at(&f, R(0))->down = true;
    CU_ASSERT_EQUAL(stamped(R(1), value, timestamp, LEVEL_QUORUM), ERR_OK);
    fixture_at(&f, R(0))->down = false;
}

/* Its message is held up; a reader shows it, and brings it to one replica more; what is written
 * over it then stays, whichever replica the message reaches first. */
static void what_was_read_and_overwritten_is_not_stamped_again(void)
{
    static const enum level levels[] = {LEVEL_QUORUM, LEVEL_ALL, LEVEL_EACH_QUORUM};
    for (size_t i = 0; i < 2 * ARRAY_LEN(levels); i++) {
        enum level level = levels[i / 2] == LEVEL_ALL ? LEVEL_QUORUM : levels[i / 2];
        fixture_close(&f);
        fixture_open(&f);
        f.slow = R(0);
        CU_ASSERT_EQUAL(stamped(R(0), "first", NOW, level), ERR_COUNT);
        f.slow = 0;
        CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 10, levels[i / 2]), ERR_OK);
        CU_ASSERT(has(R(1), "first") || has(R(2), "first"));
        CU_ASSERT_EQUAL(stamped(R(1), "second", NOW, LEVEL_QUORUM), ERR_OK);
        f.done = 0;
        fixture_release(&f, i % 2 == 1);
        CU_ASSERT_EQUAL(f.done, 1);
        CU_ASSERT_EQUAL(f.result.err, ERR_OK);
        CU_ASSERT_EQUAL(f.result.lost, LOST_NONE);
        for (uint32_t k = 0; k < 3; k++)
            CU_ASSERT(has(R(k), "second"));
        CU_ASSERT_EQUAL(stats(R(0)).stamped_again, 0);
        CU_ASSERT_EQUAL(coord_in_flight(fixture_at(&f, R(0))->coord), 0);
        CU_ASSERT_EQUAL(coord_pending(fixture_at(&f, R(0))->coord), 0);
    }
}

static void ended(enum err err, uint32_t newer)
{
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, err);
    CU_ASSERT_EQUAL(f.result.newer, newer);
    CU_ASSERT_EQUAL(f.result.lost, LOST_NONE);
    CU_ASSERT(newer == 0 || f.result.received < f.result.required);
    CU_ASSERT_EQUAL(coord_pending(fixture_at(&f, R(0))->coord), 0);
    f.done = 0;
}

/* It loses at one replica, and the other one, which could say that it wins, says nothing. */
static void who_could_say_that_it_wins_is_waited_for(void)
{
    static const enum level levels[] = {LEVEL_QUORUM, LEVEL_LOCAL_QUORUM, LEVEL_EACH_QUORUM,
                                        LEVEL_TWO};
    for (size_t i = 0; i < 2 * ARRAY_LEN(levels); i++) {
        fixture_close(&f);
        fixture_open(&f);
        without_first("fast", NOW + 400 * USEC_PER_MS);
        fixture_at(&f, R(2))->down = true;
        CU_ASSERT_EQUAL(stamped(R(0), "slow", NOW, levels[i / 2]), ERR_COUNT);
        CU_ASSERT_EQUAL(f.done, 0);
        if (i % 2 == 0)
            fixture_elapse(&f, 2 * USEC_PER_SEC);
        else
            coord_peer_lost(fixture_at(&f, R(0))->coord, f.now, R(2));
        fixture_settle(&f);
        ended(ERR_TIMEOUT, 1);
        CU_ASSERT_EQUAL(stats(R(0)).undecided, 1);
        CU_ASSERT_EQUAL(stats(R(0)).stamped_again, 0);
        CU_ASSERT(has(R(1), "fast"));
    }
}

/* Nor is it asked who is dead. */
static void who_is_dead_is_not_waited_for(void)
{
    without_first("fast", NOW + 400 * USEC_PER_MS);
    fixture_at(&f, R(2))->down = true;
    fixture_set_alive(&f, R(2), false);
    CU_ASSERT_EQUAL(stamped(R(0), "slow", NOW, LEVEL_QUORUM), ERR_TIMEOUT);
    ended(ERR_TIMEOUT, 1);
    CU_ASSERT_EQUAL(stats(R(0)).stamped_again, 0);
}

/* No quorum can have shown it. */
static void what_a_quorum_overrules_is_stamped_again(void)
{
    static const enum level levels[] = {LEVEL_QUORUM, LEVEL_LOCAL_QUORUM, LEVEL_EACH_QUORUM,
                                        LEVEL_TWO,    LEVEL_THREE,        LEVEL_ALL};
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        fixture_close(&f);
        fixture_open(&f);
        without_first("fast", NOW + 400 * USEC_PER_MS);
        (void)stamped(R(0), "slow", NOW, levels[i]);
        fixture_elapse(&f, USEC_PER_SEC); /* TWO and THREE are told when the clock is there */
        ended(ERR_OK, 0);
        CU_ASSERT_EQUAL(stats(R(0)).stamped_again, 1);
        for (uint32_t k = 0; k < 3; k++)
            CU_ASSERT(has(R(k), "slow"));
    }
}

/* What one replica has may be older, or written with knowledge of it: at ALL, too. The client is
 * told that it may not be seen. */
static void what_one_has_is_told_at_all(void)
{
    fixture_at(&f, R(0))->down = fixture_at(&f, R(2))->down = true;
    CU_ASSERT_EQUAL(stamped(R(1), "fast", NOW + 400 * USEC_PER_MS, LEVEL_ONE), ERR_OK);
    fixture_at(&f, R(0))->down = fixture_at(&f, R(2))->down = false;
    CU_ASSERT_EQUAL(stamped(R(0), "slow", NOW, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_NONE); /* that a quorum has acked it proves nothing */
    CU_ASSERT_EQUAL(stamped(R(0), "all", NOW + 1, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_STAMPED);
    CU_ASSERT_EQUAL(stats(R(0)).stamped_again, 0);
}

/* Who got it by a pull does not know what it met then. */
static void what_came_by_a_pull_is_not_stamped_again(void)
{
    f.slow = R(0);
    CU_ASSERT_EQUAL(stamped(R(0), "first", NOW, LEVEL_QUORUM), ERR_COUNT);
    f.slow = 0;
    fixture_pull(&f, R(0), R(1));
    CU_ASSERT(has(R(1), "first"));
    CU_ASSERT_EQUAL(stamped(R(2), "second", NOW + 1, LEVEL_QUORUM), ERR_OK);
    f.done = 0;
    fixture_release(&f, false);
    ended(ERR_TIMEOUT, 2);
    CU_ASSERT_EQUAL(stats(R(0)).stamped_again, 0);
    for (uint32_t k = 0; k < 3; k++)
        CU_ASSERT(has(R(k), "second"));
}

/* Notes of more than there is room for: it is not known any more. */
static void notes_that_went_are_not_taken_for_none(void)
{
    static struct early e;
    struct clock none;
    struct row row = {.key = bytes_text("r"), .deletion = {.timestamp = 7, .dot = {{1, 1}, 0}}};
    struct part p = {.rows = &row, .rows_count = 1, .deletion = TOMB_NONE};
    struct early_note like = {.dot = {{1, 1}, 3}, .stamp = 1000 * EARLY_MAX};
    struct early_came came;
    p.static_row.deletion = TOMB_NONE;
    clock_init(&none);
    e = (struct early){0};
    CU_ASSERT_EQUAL(early_find(&e, &like, 9, &p, &none), EARLY_NO);
    for (uint64_t n = 1; n <= EARLY_MAX + 4; n++) {
        row.deletion.dot.n = n;
        row.deletion.timestamp = 100 + (int64_t)n;
        if (early_look(&came, &p, like.dot, &none))
            early_note(&e, &like, &came, n != 5);
    }
    CU_ASSERT_EQUAL(early_find(&e, &like, 103, &p, &none), EARLY_UNSURE);
    like.dot.n = 5; /* noted, but it met something */
    e.gone = 0;
    like.maximum = 1000;
    CU_ASSERT_EQUAL(early_find(&e, &like, 0, &p, &none), EARLY_UNSURE);
    CU_ASSERT_EQUAL(early_find(&e, &like, 105, &p, &none), EARLY_WON); /* above all there was */
    like.dot.n = 6;
    CU_ASSERT_EQUAL(early_find(&e, &like, 0, &p, &none), EARLY_WON);
    like.dot.n = 4;
    CU_ASSERT_EQUAL(early_find(&e, &like, 104, &p, &none), EARLY_NO);
    clock_add(&none, like.dot);
    CU_ASSERT_EQUAL(early_find(&e, &like, 104, &p, &none), EARLY_UNSURE);
    clock_close(&none);
}

/* Read repair brought it where others write to the same partition; and where it lost to what was
 * there, so that it was right to say so. */
static void what_came_early_lost_if_it_did_so_then(void)
{
    for (unsigned i = 0; i < 2; i++) {
        const char *row = i == 0 ? "other" : "r";
        fixture_close(&f);
        fixture_open(&f);
        f.stamp = NOW + 200 * USEC_PER_MS;
        fixture_at(&f, R(0))->down = true;
        CU_ASSERT_EQUAL(fixture_write(&f, R(1), "k", row, "far", f.stamp, LEVEL_QUORUM), ERR_OK);
        fixture_at(&f, R(0))->down = false;
        f.slow = R(0);
        CU_ASSERT_EQUAL(stamped(R(0), "first", NOW, LEVEL_QUORUM), ERR_COUNT);
        f.slow = 0;
        CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 10, LEVEL_QUORUM), ERR_OK);
        if (i == 0)
            CU_ASSERT_EQUAL(stamped(R(1), "second", NOW, LEVEL_QUORUM), ERR_OK);
        fixture_release(&f, false);
        CU_ASSERT_EQUAL(stats(R(0)).stamped_again, i);
        CU_ASSERT(has(R(0), i == 0 ? "second" : "first"));
    }
}

/* Its messages to two of four are held up. A write with an older timestamp is minted where it is,
 * and brings it to them in its stead; there it is read, and written over. */
static void what_another_write_brought_is_not_stamped_again(void)
{
    fixture_close(&f);
    fixture_open_copies(&f, 4);
    f.slow_to = 1U << R(2) | 1U << R(3);
    f.slow = R(0);
    CU_ASSERT_EQUAL(stamped(R(0), "first", NOW, LEVEL_QUORUM), ERR_COUNT);
    CU_ASSERT(has(R(1), "first") && !has(R(2), "first"));
    f.stamp = 0;
    CU_ASSERT_EQUAL(fixture_write(&f, R(1), "k", "r", "old", NOW - 1000, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT(has(R(2), "first") && has(R(3), "first"));
    CU_ASSERT_EQUAL(fixture_read(&f, R(1), "k", 10, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(stamped(R(1), "second", NOW + 10, LEVEL_QUORUM), ERR_OK);
    second_stays();
    CU_ASSERT_EQUAL(stats(R(0)).stamped_again, 0);
}

/* Who gets it by read repair has a clock that is far ahead then, or far behind. */
static void whatever_the_clock_of_a_replica_says(void)
{
    for (int i = -1; i <= 1; i += 2) {
        usec off = i * 90 * USEC_PER_SEC;
        fixture_close(&f);
        fixture_open(&f);
        f.slow = R(0);
        CU_ASSERT_EQUAL(stamped(R(0), "first", NOW, LEVEL_QUORUM), ERR_COUNT);
        f.slow = 0;
        f.now.wall += off;
        CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 10, LEVEL_QUORUM), ERR_OK);
        f.now.wall -= off;
        CU_ASSERT_EQUAL(stamped(R(1), "second", NOW, LEVEL_QUORUM), ERR_OK);
        second_stays();
    }
}

/* A request that was handed to a replica, whose messages are held up; the link to it breaks, and it
 * is handed to another, and acked. What is written after that stays, though the first replica still
 * works at it. */
static void what_was_handed_on_is_not_stamped_above_what_came_after(void)
{
    for (int i = 0; i < 2; i++) {
        fixture_close(&f);
        fixture_open(&f);
        node_no z = fixture_stranger(&f, "k");
        f.slow = R(0);
        CU_ASSERT_EQUAL(stamped(z, "first", NOW, LEVEL_QUORUM), ERR_COUNT);
        CU_ASSERT_TRUE(has(R(0), "first"));
        f.done = 0;
        coord_peer_lost(fixture_at(&f, z)->coord, f.now, R(0));
        if (i == 1)
            coord_peer_lost(fixture_at(&f, R(0))->coord, f.now, z);
        fixture_settle(&f);
        CU_ASSERT_EQUAL(f.done, 1);
        CU_ASSERT_EQUAL(f.result.err, ERR_OK);
        f.now.mono += 100 * USEC_PER_MS;
        f.now.wall += 100 * USEC_PER_MS;
        f.slow = 0;
        CU_ASSERT_EQUAL(stamped(R(1), "second", NOW, LEVEL_QUORUM), ERR_OK);
        second_stays();
    }
}

/* Read repair brings it to a second of four, with a name of that one; under that the others pull
 * it. */
static void what_came_under_another_name_is_not_known(void)
{
    fixture_close(&f);
    fixture_open_copies(&f, 4);
    for (node_no i = 1; i <= FIXTURE_NODES; i++)
        engine_set_actor(fixture_at(&f, i)->engine, (struct actor){i, 1});
    f.slow = R(0);
    CU_ASSERT_EQUAL(stamped(R(0), "first", NOW, LEVEL_QUORUM), ERR_COUNT);
    f.slow = 0;
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 10, LEVEL_TWO), ERR_OK);
    node_no second = has(R(1), "first") ? R(1) : has(R(2), "first") ? R(2) : R(3);
    for (uint32_t k = 1; k < 4; k++) {
        if (R(k) != second)
            fixture_pull(&f, second, R(k));
        CU_ASSERT_TRUE(has(R(k), "first"));
    }
    CU_ASSERT_EQUAL(fixture_read(&f, R(1), "k", 10, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(stamped(R(1), "second", NOW + 10, LEVEL_QUORUM), ERR_OK);
    second_stays();
    CU_ASSERT_EQUAL(stats(R(0)).stamped_again, 0);
}

CU_TestInfo overwritten_tests[] = {
    {"what came under another name is not known", what_came_under_another_name_is_not_known},
    {"what another write brought is not stamped again",
     what_another_write_brought_is_not_stamped_again},
    {"whatever the clock of a replica says", whatever_the_clock_of_a_replica_says},
    {"what was handed on is not stamped above what came after",
     what_was_handed_on_is_not_stamped_above_what_came_after},
    {"what was read and overwritten is not stamped again",
     what_was_read_and_overwritten_is_not_stamped_again},
    {"who could say that it wins is waited for", who_could_say_that_it_wins_is_waited_for},
    {"who is dead is not waited for", who_is_dead_is_not_waited_for},
    {"what a quorum overrules is stamped again", what_a_quorum_overrules_is_stamped_again},
    {"what one has is told at ALL", what_one_has_is_told_at_all},
    {"what came by a pull is not stamped again", what_came_by_a_pull_is_not_stamped_again},
    {"notes that went are not taken for none", notes_that_went_are_not_taken_for_none},
    {"what came early lost if it did so then", what_came_early_lost_if_it_did_so_then},
    CU_TEST_INFO_NULL,
};
