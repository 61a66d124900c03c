/* What was read and overwritten while its message was on the way stays below that; and what is
 * written is above all that was acked before it, whoever has it. */
#include "unit/node_coord/cluster_fixture.h"

#include "ring/murmur3.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
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
    f.slow_to = 0;
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

static void ended(void)
{
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_NONE);
    CU_ASSERT_EQUAL(coord_in_flight(fixture_at(&f, R(0))->coord), 0);
    CU_ASSERT_EQUAL(coord_pending(fixture_at(&f, R(0))->coord), 0);
    f.done = 0;
}

/* Its message is held up; a reader shows it, and brings it to one replica more; what is written
 * over it then stays, whichever replica the message reaches first. */
static void what_was_read_and_overwritten_stays_so(void)
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
        ended();
        for (uint32_t k = 0; k < 3; k++)
            CU_ASSERT(has(R(k), "second"));
    }
}

/* It is deleted with knowledge of it, in a row of which another column is newer where the deletion
 * comes. */
static void what_was_read_and_deleted_stays_so(void)
{
    f.stamp = 0;
    CU_ASSERT_EQUAL(fixture_write(&f, R(2), "k", "q", "near", NOW + 300 * USEC_PER_MS, LEVEL_ALL),
                    ERR_OK);
    f.slow = R(0);
    CU_ASSERT_EQUAL(stamped(R(0), "first", NOW, LEVEL_QUORUM), ERR_COUNT);
    f.slow = 0;
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 10, LEVEL_QUORUM), ERR_OK);
    f.stamp = NOW;
    CU_ASSERT_EQUAL(fixture_delete(&f, R(1), "k", "r", NOW, LEVEL_QUORUM), ERR_OK);
    f.done = 0;
    fixture_release(&f, false);
    ended();
    for (uint32_t k = 0; k < 3; k++)
        CU_ASSERT_PTR_NULL(fixture_stored(&f, R(k), "k", "r"));
}

/* Whoever has what was acked before, and whoever is dead meanwhile. */
static void what_was_acked_before_is_overruled(void)
{
    static const enum level levels[] = {LEVEL_QUORUM, LEVEL_LOCAL_QUORUM, LEVEL_EACH_QUORUM,
                                        LEVEL_TWO,    LEVEL_THREE,        LEVEL_ALL};
    for (size_t i = 0; i < 2 * ARRAY_LEN(levels); i++) {
        bool all = levels[i / 2] == LEVEL_THREE || levels[i / 2] == LEVEL_ALL;
        bool dead = i % 2 == 1 && !all;
        fixture_close(&f);
        fixture_open(&f);
        without_first("fast", NOW + 400 * USEC_PER_MS);
        fixture_at(&f, R(2))->down = dead;
        if (dead)
            fixture_set_alive(&f, R(2), false);
        CU_ASSERT_EQUAL(stamped(R(0), "slow", NOW, levels[i / 2]), ERR_OK);
        ended();
        CU_ASSERT_EQUAL(stats(R(0)).asks, 1);
        CU_ASSERT_EQUAL(stats(R(0)).raised, 1);
        for (uint32_t k = 0; k < 3; k++)
            CU_ASSERT((dead && k == 2) || has(R(k), "slow"));
    }
}

/* At ALL what one replica has acked at ONE is older, too. */
static void at_all_everybody_is_asked(void)
{
    fixture_at(&f, R(0))->down = fixture_at(&f, R(1))->down = true;
    CU_ASSERT_EQUAL(stamped(R(2), "fast", NOW + 400 * USEC_PER_MS, LEVEL_ONE), ERR_OK);
    fixture_at(&f, R(0))->down = fixture_at(&f, R(1))->down = false;
    CU_ASSERT_EQUAL(stamped(R(0), "all", NOW + 1, LEVEL_ALL), ERR_OK);
    ended();
    CU_ASSERT(has(R(2), "all"));
}

static void what_came_by_a_pull_and_was_overwritten(void)
{
    f.slow = R(0);
    CU_ASSERT_EQUAL(stamped(R(0), "first", NOW, LEVEL_QUORUM), ERR_COUNT);
    f.slow = 0;
    fixture_pull(&f, R(0), R(1));
    CU_ASSERT(has(R(1), "first"));
    CU_ASSERT_EQUAL(stamped(R(2), "second", NOW + 1, LEVEL_QUORUM), ERR_OK);
    second_stays();
    ended();
}

/* Its messages to two of four are held up. A write with an older timestamp is minted where it is,
 * and brings it to them in its stead; there it is read, and written over. */
static void what_another_write_brought_and_was_overwritten(void)
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
static void what_was_handed_on_and_overwritten(void)
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

/* The first one that it was handed to has sent it before it died, so that it was seen, and written
 * over; whoever gets it after that has it with the same stamp. */
static void what_was_seen_before_it_was_handed_on(void)
{
    node_no z = fixture_stranger(&f, "k");
    f.slow = R(0);
    CU_ASSERT_EQUAL(stamped(z, "first", NOW, LEVEL_QUORUM), ERR_COUNT);
    f.slow = 0;
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 10, LEVEL_ALL), ERR_OK);
    CU_ASSERT_TRUE(has(R(1), "first") && has(R(2), "first"));
    CU_ASSERT_EQUAL(stamped(R(1), "second", NOW, LEVEL_QUORUM), ERR_OK);
    f.done = 0;
    coord_peer_lost(fixture_at(&f, z)->coord, f.now, R(0));
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_NONE);
    second_stays();
}

/* Read repair brings it to a second of four, with a name of that one; under that the others pull
 * it. */
static void what_came_under_another_name_and_was_overwritten(void)
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
}

/* A cell of row "r"; its timestamp is the server's. */
static struct mutation mutation(const char *key, const char *value)
{
    struct mutation m = {.keyspace = KEYSPACE};
    struct cell *cell = arena_new(&f.arena, struct cell);
    *cell = (struct cell){.column = 1, .timestamp = NOW, .value = bytes_text(value)};
    m.part = (struct part){.table = TABLE, .key = bytes_text(key), .deletion = TOMB_NONE};
    m.part.token = murmur3_token(m.part.key);
    m.part.static_row.deletion = TOMB_NONE;
    m.part.rows = arena_new(&f.arena, struct row);
    m.part.rows_count = 1;
    *m.part.rows =
        (struct row){.key = BYTES_LIT("r"), .deletion = TOMB_NONE, .cells = cell, .cells_count = 1};
    return m;
}

/* Of one partition too few replicas live. So the request fails; but what it writes to the other one
 * may be seen, and is above what was acked there. */
static void what_can_be_asked_is(void)
{
    char other[16] = "";
    without_first("fast", NOW + 400 * USEC_PER_MS);
    fixture_set_alive(&f, R(2), false);
    fixture_set_alive(&f, fixture_stranger(&f, "k"), false);
    for (int i = 0; i < 1000; i++) {
        snprintf(other, sizeof other, "p%d", i);
        if (fixture_stranger(&f, other) == R(1))
            break;
    }
    struct mutation m[] = {mutation(other, "x"), mutation("k", "slow")};
    struct coord_write w = {.mutations = m,
                            .count = 2,
                            .level = LEVEL_QUORUM,
                            .kind = WRITE_UNLOGGED_BATCH,
                            .stamp = NOW,
                            .timeout_us = 2 * USEC_PER_SEC};
    f.done = 0;
    coord_write_start(fixture_at(&f, R(0))->coord, f.now, 1, &w);
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, ERR_UNAVAILABLE);
    CU_ASSERT_PTR_NULL(fixture_part(&f, R(0), other));
    CU_ASSERT(has(R(0), "slow") && has(R(1), "slow"));
    CU_ASSERT_EQUAL(coord_in_flight(fixture_at(&f, R(0))->coord), 0);
    CU_ASSERT_EQUAL(coord_pending(fixture_at(&f, R(0))->coord), 0);
}

CU_TestInfo overwritten_tests[] = {
    {"what was read and overwritten stays so", what_was_read_and_overwritten_stays_so},
    {"what was read and deleted stays so", what_was_read_and_deleted_stays_so},
    {"what was acked before is overruled", what_was_acked_before_is_overruled},
    {"at ALL everybody is asked", at_all_everybody_is_asked},
    {"what came by a pull and was overwritten", what_came_by_a_pull_and_was_overwritten},
    {"what another write brought and was overwritten",
     what_another_write_brought_and_was_overwritten},
    {"whatever the clock of a replica says", whatever_the_clock_of_a_replica_says},
    {"what was handed on and overwritten", what_was_handed_on_and_overwritten},
    {"what was seen before it was handed on", what_was_seen_before_it_was_handed_on},
    {"what came under another name and was overwritten",
     what_came_under_another_name_and_was_overwritten},
    {"what can be asked is", what_can_be_asked_is},
    CU_TEST_INFO_NULL,
};
