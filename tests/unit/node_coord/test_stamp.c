/* No write is lost in silence: stamped above what there is, or told. Clocks that are apart are
 * timestamps here. */
#include "unit/node_coord/cluster_fixture.h"

#include "ring/murmur3.h"

#include <CUnit/CUnit.h>
#include <string.h>

static struct fixture f;
void stamp_setup(void);
void stamp_teardown(void);

void stamp_setup(void)
{
    fixture_open(&f);
}

void stamp_teardown(void)
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

static enum err given(node_no via, const char *value, int64_t timestamp, enum level level)
{
    f.stamp = 0;
    return fixture_write(&f, via, "k", "r", value, timestamp, level);
}

static void without(uint32_t place, enum err (*write)(node_no, const char *, int64_t, enum level),
                    uint32_t via, const char *value, int64_t timestamp)
{
    fixture_at(&f, R(place))->down = true;
    CU_ASSERT_EQUAL(write(R(via), value, timestamp, LEVEL_QUORUM), ERR_OK);
    fixture_at(&f, R(place))->down = false;
}

static void a_stamp_goes_above_what_is_here(void)
{
    CU_ASSERT_EQUAL(stamped(R(1), "fast", NOW + 400 * USEC_PER_MS, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(stamped(R(0), "slow", NOW, LEVEL_ALL), ERR_OK);
    for (uint32_t i = 0; i < 3; i++)
        CU_ASSERT(has(R(i), "slow"));
    CU_ASSERT_EQUAL(f.result.lost, LOST_NONE);
    CU_ASSERT_EQUAL(stats(R(0)).raised, 1);
    for (uint32_t i = 0; i < 3; i++) /* nothing was read for it */
        CU_ASSERT_EQUAL(engine_stats(fixture_at(&f, R(i))->engine).weighed, 0);
}

/* Who mints has not heard of the newer one: a replica of its quorum has. */
static void a_stamp_goes_above_what_others_have(void)
{
    static const enum level levels[] = {LEVEL_QUORUM, LEVEL_ALL, LEVEL_LOCAL_QUORUM};
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        without(0, stamped, 1, "fast", NOW + 400 * USEC_PER_MS);
        CU_ASSERT_EQUAL(stamped(R(0), "slow", NOW, levels[i]), ERR_OK);
        CU_ASSERT_EQUAL(f.result.lost, LOST_NONE);
        CU_ASSERT_EQUAL(stats(R(0)).raised, i + 1);
        for (uint32_t k = 0; k < 3; k++)
            CU_ASSERT(has(R(k), "slow"));
        fixture_elapse(&f, USEC_PER_SEC);
    }
    CU_ASSERT_EQUAL(coord_in_flight(fixture_at(&f, R(0))->coord), 0);
    CU_ASSERT_EQUAL(coord_pending(fixture_at(&f, R(0))->coord), 0);
}

static void also_when_it_is_forwarded(void)
{
    node_no stranger = fixture_stranger(&f, "k");
    without(0, stamped, 1, "fast", NOW + 400 * USEC_PER_MS);
    CU_ASSERT_EQUAL(stamped(stranger, "slow", NOW, LEVEL_QUORUM), ERR_OK);
    for (uint32_t k = 0; k < 3; k++)
        CU_ASSERT(has(R(k), "slow"));
    CU_ASSERT_EQUAL(f.result.lost, LOST_NONE);
    CU_ASSERT_EQUAL(given(stranger, "old", NOW, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_GIVEN);
    CU_ASSERT_EQUAL(f.result.lost_in, TABLE);
    CU_ASSERT(f.result.behind >= 400 * USEC_PER_MS && f.result.behind < 401 * USEC_PER_MS);
    CU_ASSERT_EQUAL(stats(stranger).lost_given, 1);
    CU_ASSERT_EQUAL(stats(R(0)).lost_given, 0); /* it is counted once */
}

/* The replica it was forwarded to died, and may have written it: the one that takes it then writes
 * it with the same stamp. */
static void a_forward_that_is_sent_again(void)
{
    node_no stranger = fixture_stranger(&f, "k");
    int64_t fast = NOW + 400 * USEC_PER_MS;
    CU_ASSERT_EQUAL(stamped(R(0), "fast", fast, LEVEL_ALL), ERR_OK);
    f.slow = R(0);
    CU_ASSERT_EQUAL(stamped(stranger, "slow", NOW, LEVEL_QUORUM), ERR_COUNT);
    int64_t once = part_max_timestamp(fixture_part(&f, R(0), "k"));
    CU_ASSERT(has(R(0), "slow") && once > fast && once < fast + 100);
    coord_peer_lost(fixture_at(&f, stranger)->coord, f.now, R(0));
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
    CU_ASSERT(has(R(1), "slow"));
    CU_ASSERT_EQUAL(part_max_timestamp(fixture_part(&f, R(1), "k")), once);
}

static void freeze_others(bool frozen)
{
    fixture_at(&f, R(1))->frozen = fixture_at(&f, R(2))->frozen = frozen;
}

static void lose_others(void)
{
    coord_peer_lost(fixture_at(&f, R(0))->coord, f.now, R(1));
    coord_peer_lost(fixture_at(&f, R(0))->coord, f.now, R(2));
    fixture_settle(&f);
}

/* It is not known who has it, and it has a stamp that is ahead of the clock. Who is told so and
 * goes on elsewhere writes what is newer. */
static void a_failure_is_told_when_the_clock_has_come_to_the_stamp(void)
{
    struct coord *coord = fixture_at(&f, R(0))->coord;
    CU_ASSERT_EQUAL(stamped(R(0), "fast", NOW + 400 * USEC_PER_MS, LEVEL_ALL), ERR_OK);
    freeze_others(true);
    CU_ASSERT_EQUAL(stamped(R(0), "fails", NOW, LEVEL_QUORUM), ERR_COUNT);
    lose_others();
    fixture_elapse(&f, 300 * USEC_PER_MS);
    CU_ASSERT_EQUAL(f.done, 0);
    fixture_elapse(&f, 101 * USEC_PER_MS);
    CU_ASSERT_EQUAL(f.result.err, ERR_TIMEOUT);
    CU_ASSERT_EQUAL(coord_pending(coord), 0);
    CU_ASSERT_EQUAL(coord_in_flight(coord), 0);
    freeze_others(false);
    fixture_settle(&f);
    without(0, stamped, 1, "after", NOW);
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 10, LEVEL_ALL), ERR_OK);
    CU_ASSERT(has(R(0), "after") && has(R(1), "after"));
    /* What is not ahead has its answer at once. */
    fixture_elapse(&f, USEC_PER_SEC);
    freeze_others(true);
    CU_ASSERT_EQUAL(stamped(R(0), "fails", NOW, LEVEL_QUORUM), ERR_COUNT);
    lose_others();
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, ERR_TIMEOUT);
    freeze_others(false);
    fixture_settle(&f);
}

/* Nobody says what there is: nothing is written. */
static void who_cannot_ask_writes_nothing(void)
{
    for (int i = 0; i < 2; i++) {
        node_no via = i == 0 ? R(0) : fixture_stranger(&f, "k");
        struct coord *coord = fixture_at(&f, via)->coord;
        for (uint32_t k = 0; k < 3; k++)
            fixture_at(&f, R(k))->down = R(k) != via;
        CU_ASSERT_EQUAL(stamped(via, "lost", NOW, LEVEL_QUORUM), ERR_COUNT);
        CU_ASSERT(coord_in_flight(coord) > 0);
        if (i == 0)
            fixture_elapse(&f, 2 * USEC_PER_SEC);
        for (uint32_t k = 0; k < 3; k++)
            coord_peer_lost(coord, f.now, R(k));
        fixture_settle(&f);
        CU_ASSERT_EQUAL(f.done, 1);
        CU_ASSERT_EQUAL(f.result.err, ERR_TIMEOUT);
        CU_ASSERT_EQUAL(f.result.received, 0);
        CU_ASSERT_EQUAL(f.result.required, 2);
        CU_ASSERT_EQUAL(coord_pending(coord), 0);
        CU_ASSERT_EQUAL(coord_in_flight(coord), 0);
        CU_ASSERT_PTR_NULL(fixture_part(&f, R(0), "k"));
        f.done = 0;
    }
}

/* What few have is acked when the clock has come to its stamp: a later write that meets none of
 * them is stamped above it. */
static void what_is_raised_is_told_when_its_time_has_come(void)
{
    CU_ASSERT_EQUAL(stamped(R(0), "fast", NOW + 400 * USEC_PER_MS, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(stamped(R(0), "raised", NOW, LEVEL_ONE), ERR_COUNT);
    CU_ASSERT_EQUAL(f.done, 0);
    CU_ASSERT(has(R(1), "raised"));
    fixture_elapse(&f, 401 * USEC_PER_MS);
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
    CU_ASSERT_EQUAL(stamped(R(1), "now", NOW, LEVEL_ONE), ERR_OK); /* not raised, not held */
}

/* After a start the bounds of what there is are above all timestamps: what is to be written is
 * looked up then. */
static void after_a_start_it_is_looked_at(void)
{
    CU_ASSERT_EQUAL(stamped(R(1), "fast", NOW + 300 * USEC_PER_MS, LEVEL_ALL), ERR_OK);
    f.stamp = 0;
    CU_ASSERT_EQUAL(fixture_write(&f, R(1), "k", "q", "far", NOW + 9 * USEC_PER_SEC, LEVEL_ALL),
                    ERR_OK);
    for (uint32_t k = 0; k < 3; k++)
        fixture_restart(&f, R(k));
    for (int i = 0; i < 2; i++) {
        node_no via = i == 0 ? R(0) : fixture_stranger(&f, "k");
        CU_ASSERT_EQUAL(stamped(via, i == 0 ? "slow" : "slower", NOW, LEVEL_QUORUM), ERR_OK);
        CU_ASSERT_EQUAL(f.result.lost, LOST_NONE);
        CU_ASSERT(has(R(1), i == 0 ? "slow" : "slower"));
        CU_ASSERT_EQUAL(stats(via).raised, 1);
    }
    CU_ASSERT_EQUAL(coord_in_flight(fixture_at(&f, R(0))->coord), 0);
}

/* Two that are under way at once, and find the same there: a row is not to be mixed of both. */
static void no_two_have_one_stamp(void)
{
    int64_t stamp[4];
    CU_ASSERT_EQUAL(stamped(R(0), "fast", NOW + 400 * USEC_PER_MS, LEVEL_ALL), ERR_OK);
    for (uint32_t k = 0; k < 3; k++)
        fixture_at(&f, R(k))->frozen = true;
    for (uint32_t i = 0; i < 4; i++) {
        f.slow = R(i / 2);
        CU_ASSERT_EQUAL(stamped(R(i / 2), "x", NOW, LEVEL_QUORUM), ERR_COUNT);
        stamp[i] = part_max_timestamp(fixture_part(&f, R(i / 2), "k"));
        for (uint32_t k = 0; k < i; k++)
            CU_ASSERT(stamp[k] != stamp[i]);
    }
    for (uint32_t k = 0; k < 3; k++)
        fixture_at(&f, R(k))->frozen = false;
    fixture_release(&f, false);
}

/* The other ones see too few replicas, and write nothing. The first one may have. */
static void a_forward_that_is_lost_is_not_undone(void)
{
    node_no stranger = fixture_stranger(&f, "k");
    fixture_at(&f, R(0))->down = true;
    CU_ASSERT_EQUAL(stamped(stranger, "lost", NOW, LEVEL_ALL), ERR_COUNT);
    fixture_set_alive(&f, R(0), false);
    coord_peer_lost(fixture_at(&f, stranger)->coord, f.now, R(0));
    fixture_settle(&f);
    fixture_elapse(&f, FIXTURE_OFFSET + USEC_PER_MS);
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, ERR_TIMEOUT);
}

/* A request that was handed to R(place) when its server stamped it `then`. */
static void take_forward(uint32_t place, const char *key, const char *value, int64_t then)
{
    struct cell cell = {.column = 1, .timestamp = then, .value = bytes_text(value)};
    struct row row = {.key = bytes_text(key), .deletion = TOMB_NONE, .cells = &cell};
    struct part p = {.table = TABLE, .token = murmur3_token(BYTES_LIT("k"))};
    struct wire_message m = {.type = WIRE_FORWARD};
    struct supersede none = {0};
    struct buf part, supersede;
    row.cells_count = 1;
    p.key = BYTES_LIT("k");
    p.deletion = p.static_row.deletion = TOMB_NONE;
    p.rows = &row;
    p.rows_count = 1;
    buf_init(&part, 1 << 16);
    buf_init(&supersede, 1 << 16);
    part_encode(&p, &part);
    supersede_encode(&none, &supersede);
    m.forward = (struct wire_forward){.request = 77,
                                      .timeout_us = 2 * USEC_PER_SEC,
                                      .keyspace = KEYSPACE,
                                      .level = LEVEL_QUORUM,
                                      .part = buf_bytes(&part),
                                      .supersede = buf_bytes(&supersede),
                                      .stamp = then,
                                      .limit = INT64_MIN,
                                      .until = then + 2 * USEC_PER_SEC};
    CU_ASSERT_TRUE(
        coord_receive(fixture_at(&f, R(place))->coord, f.now, fixture_stranger(&f, "k"), &m));
    fixture_settle(&f);
    buf_close(&supersede);
    buf_close(&part);
}

/* Who got it stood still meanwhile, with the bytes in its kernel: the client was told that time was
 * up, and went on. */
static void a_forward_that_comes_late(void)
{
    int64_t then = NOW;
    CU_ASSERT_EQUAL(stamped(R(1), "before", NOW + 100 * USEC_PER_MS, LEVEL_ALL), ERR_OK);
    take_forward(0, "r", "in time", then);
    CU_ASSERT(has(R(0), "in time") && has(R(1), "in time"));
    then = NOW;
    fixture_elapse(&f, 2200 * USEC_PER_MS);
    CU_ASSERT_EQUAL(stamped(R(1), "since", NOW, LEVEL_QUORUM), ERR_OK);
    fixture_elapse(&f, 200 * USEC_PER_MS);
    take_forward(0, "r", "late", then);
    without(0, stamped, 1, "since", NOW); /* where it is minted nobody has heard of this one */
    take_forward(0, "r", "late", then);
    for (uint32_t k = 1; k < 3; k++)
        CU_ASSERT(has(R(k), "since"));
    CU_ASSERT_EQUAL(stats(R(0)).raised, 1);
}

/* What deleted it may have been forgotten meanwhile. */
static void a_forward_that_comes_much_too_late(void)
{
    int64_t then = NOW;
    fixture_elapse(&f, 2 * USEC_PER_SEC + FIXTURE_OFFSET);
    take_forward(0, "late", "v", then);
    CU_ASSERT_PTR_NOT_NULL(fixture_stored(&f, R(1), "k", "late"));
    fixture_elapse(&f, 1);
    take_forward(0, "later", "v", then);
    CU_ASSERT_PTR_NULL(fixture_stored(&f, R(0), "k", "later"));
    coord_set_clock_doubtful(fixture_at(&f, R(0))->coord, true); /* it cannot tell */
    take_forward(0, "later", "v", then);
    CU_ASSERT_PTR_NOT_NULL(fixture_stored(&f, R(0), "k", "later"));
    CU_ASSERT_EQUAL(coord_in_flight(fixture_at(&f, R(0))->coord), 0);
    CU_ASSERT_EQUAL(coord_pending(fixture_at(&f, R(0))->coord), 0);
}

/* Something was read for it first, for longer than a write may take. */
static void a_stamp_that_is_old_by_then(void)
{
    static const enum level levels[] = {LEVEL_QUORUM, LEVEL_TWO, LEVEL_ONE};
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        int64_t then = NOW;
        fixture_elapse(&f, 3 * USEC_PER_SEC);
        CU_ASSERT_EQUAL(stamped(R(1), "meanwhile", NOW, LEVEL_ALL), ERR_OK);
        fixture_elapse(&f, USEC_PER_MS);
        CU_ASSERT_EQUAL(
            stamped(i % 2 == 0 ? R(0) : fixture_stranger(&f, "k"), "slow", then, levels[i]),
            ERR_OK);
        CU_ASSERT_EQUAL(f.result.lost, LOST_NONE);
        CU_ASSERT(has(R(0), "slow") && has(R(1), "slow"));
    }
}

/* It loses to what a client has stamped in the far future. */
static void no_stamp_goes_further_than_clocks_may_differ(void)
{
    CU_ASSERT_EQUAL(given(R(1), "far", NOW + 10 * USEC_PER_SEC, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_NONE);
    CU_ASSERT_EQUAL(stamped(R(0), "now", NOW, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_STAMPED);
    CU_ASSERT_EQUAL(f.result.behind, 10 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(stats(R(0)).raised, 0);
    CU_ASSERT_EQUAL(stats(R(0)).lost_stamped, 1);
    CU_ASSERT(has(R(0), "far"));
    f.stamp = 0;
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "q", "near", NOW + 300 * USEC_PER_MS, LEVEL_ALL),
                    ERR_OK);
    coord_set_clock_doubtful(fixture_at(&f, R(0))->coord, true); /* nor by a clock that is wrong */
    f.stamp = NOW;
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "q", "lost", NOW, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_STAMPED);
    coord_set_clock_doubtful(fixture_at(&f, R(0))->coord, false);
    /* Another row of the partition is none of its business, and can be raised. */
    f.stamp = 0;
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "s", "near", NOW + 300 * USEC_PER_MS, LEVEL_ALL),
                    ERR_OK);
    f.stamp = NOW;
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "s", "won", NOW, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_NONE);
    const char *s = fixture_stored(&f, R(0), "k", "s");
    CU_ASSERT(s != NULL && strcmp(s, "won") == 0);
}

/* The others get what won there, and see nothing of what lost; its own disk is the slowest. */
static void what_loses_where_it_is_minted(void)
{
    CU_ASSERT_EQUAL(given(R(0), "far", NOW + 10 * USEC_PER_SEC, LEVEL_ALL), ERR_OK);
    fixture_at(&f, R(0))->frozen = true;
    CU_ASSERT_EQUAL(stamped(R(0), "now", NOW, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_STAMPED);
    CU_ASSERT_EQUAL(given(R(0), "old", NOW, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_GIVEN);
    fixture_at(&f, R(0))->frozen = false;
    fixture_settle(&f);
}

static void a_client_is_told(void)
{
    CU_ASSERT_EQUAL(given(R(0), "new", 100, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(given(R(1), "old", 40, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_GIVEN);
    CU_ASSERT_EQUAL(f.result.behind, 60);
    CU_ASSERT_EQUAL(given(R(1), "new", 40, LEVEL_ALL), ERR_OK); /* it is what is seen */
    CU_ASSERT_EQUAL(f.result.lost, LOST_NONE);
    CU_ASSERT_EQUAL(fixture_delete(&f, R(1), "k", "r", 90, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_GIVEN);
    CU_ASSERT_EQUAL(fixture_delete(&f, R(1), "k", "other", 90, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_NONE); /* there is nothing */
    CU_ASSERT_EQUAL(stats(R(1)).lost_given, 2);
    CU_ASSERT(has(R(2), "new"));
}

/* Who mints it has not heard of what it loses to; another one of the quorum has. */
static void a_replica_tells_what_its_minter_has_not(void)
{
    without(0, given, 1, "new", NOW + 100);
    CU_ASSERT_EQUAL(given(R(0), "old", NOW, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_GIVEN);
    CU_ASSERT_EQUAL(f.result.behind, 100);
    CU_ASSERT_EQUAL(stats(R(0)).asks, 0);
}

/* A client's timestamp is never raised, also where a stamp of ours stands beside it. */
static void only_the_servers_is_raised(void)
{
    CU_ASSERT_EQUAL(given(R(0), "new", NOW + 100, LEVEL_ALL), ERR_OK);
    f.stamp = NOW + 1; /* of another statement, it is not in this part */
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "old", NOW - 5, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_GIVEN);
    CU_ASSERT_EQUAL(f.result.behind, 105);
    CU_ASSERT(has(R(1), "new"));
}

/* What deleted it goes instead of it: a replica that has forgotten the deletion must not get what
 * was deleted. */
static void of_what_is_dead_its_deletion_is_sent(void)
{
    f.stamp = 0;
    fixture_at(&f, R(1))->down = true;
    CU_ASSERT_EQUAL(fixture_delete(&f, R(0), "k", "r", 60, LEVEL_QUORUM), ERR_OK);
    fixture_at(&f, R(1))->down = false;
    CU_ASSERT_PTR_NULL(fixture_part(&f, R(1), "k"));
    CU_ASSERT_EQUAL(given(R(0), "dead", 50, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_GIVEN);
    for (uint32_t i = 0; i < 3; i++) {
        const struct part *p = fixture_part(&f, R(i), "k");
        CU_ASSERT_PTR_NOT_NULL_FATAL(p);
        CU_ASSERT_EQUAL(p->rows_count, 1);
        CU_ASSERT_EQUAL(p->rows[0].cells_count, 0);
        CU_ASSERT_EQUAL(p->rows[0].deletion.timestamp, 60);
        CU_ASSERT_EQUAL(p->rows[0].deletion.dot.actor.node, R(0));
    }
}

/* Who gets what it was merged with finds nothing newer than that, and may ack before its minter. */
static void its_minter_knows_before_it_has_acked(void)
{
    CU_ASSERT_EQUAL(given(R(0), "new", NOW + 100, LEVEL_ALL), ERR_OK);
    fixture_at(&f, R(0))->frozen = true;
    CU_ASSERT_EQUAL(given(R(0), "old", NOW, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_GIVEN);
    CU_ASSERT_EQUAL(f.result.behind, 100);
    fixture_at(&f, R(0))->frozen = false;
    fixture_settle(&f);
}

/* All replicas have proved the deletion; this one has forgotten it already. */
static void forget_deletions(node_no node)
{
    struct engine *e = fixture_at(&f, node)->engine;
    struct clock agreed;
    range_no range = 0;
    bool done = false;
    clock_init(&agreed);
    for (; engine_next_range(e, KEYSPACE, range, &range); range++) {
        clock_copy(&agreed, engine_clock(e, KEYSPACE, range));
        CU_ASSERT_EQUAL(
            engine_purge(e, KEYSPACE, range, &agreed, NOW / USEC_PER_SEC, SIZE_MAX, &done), ERR_OK);
        CU_ASSERT(done);
    }
    clock_close(&agreed);
    fixture_settle(&f);
}

/* It is minted where the deletion is forgotten: so it is alive, and alive everywhere. */
static void a_context_takes_what_is_agreed(void)
{
    f.stamp = 0;
    CU_ASSERT_EQUAL(fixture_delete(&f, R(0), "k", "r", 60, LEVEL_ALL), ERR_OK);
    forget_deletions(R(0));
    CU_ASSERT_PTR_NULL(fixture_part(&f, R(0), "k"));
    CU_ASSERT_PTR_NOT_NULL(fixture_part(&f, R(1), "k"));
    CU_ASSERT_EQUAL(given(R(0), "late", 50, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_NONE);
    for (uint32_t i = 0; i < 3; i++)
        CU_ASSERT(has(R(i), "late"));
}

/* And where it is not forgotten yet it is dead, everywhere. */
static void without_a_context_what_is_deleted_stays_so(void)
{
    f.stamp = 0;
    CU_ASSERT_EQUAL(fixture_delete(&f, R(0), "k", "r", 60, LEVEL_ALL), ERR_OK);
    forget_deletions(R(1));
    CU_ASSERT_EQUAL(given(R(0), "late", 50, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_GIVEN);
    CU_ASSERT_PTR_NULL(fixture_part(&f, R(1), "k"));
    for (uint32_t i = 0; i < 3; i++)
        CU_ASSERT_PTR_NULL(fixture_stored(&f, R(i), "k", "r"));
}

/* What nothing here was ever against had a deletion against it elsewhere: that has it still. */
static void a_context_of_what_was_pulled(void)
{
    f.stamp = 0;
    fixture_at(&f, R(2))->down = true;
    CU_ASSERT_EQUAL(fixture_delete(&f, R(0), "k", "r", 60, LEVEL_QUORUM), ERR_OK);
    fixture_at(&f, R(2))->down = false;
    forget_deletions(R(0));
    fixture_pull(&f, R(0), R(2)); /* who has missed the deletion, from who has forgotten it */
    CU_ASSERT_PTR_NULL(fixture_part(&f, R(2), "k"));
    CU_ASSERT_PTR_NOT_NULL(fixture_part(&f, R(1), "k"));
    CU_ASSERT_EQUAL(given(R(2), "late", 50, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_NONE);
    for (uint32_t i = 0; i < 3; i++)
        CU_ASSERT(has(R(i), "late"));
}

/* At ONE only who takes it is asked. */
static void a_level_asks_no_more_than_it_must(void)
{
    without(0, stamped, 1, "fast", NOW + 400 * USEC_PER_MS);
    fixture_at(&f, R(1))->frozen = true;
    fixture_at(&f, R(2))->frozen = true;
    CU_ASSERT_EQUAL(stamped(R(0), "slow", NOW, LEVEL_ONE), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_NONE);
    fixture_at(&f, R(1))->frozen = false;
    fixture_at(&f, R(2))->frozen = false;
    fixture_settle(&f);
}

/* What comes to a replica after the write is newer, and wins there with right: it is not chased. */
static void what_came_after_it_wins(void)
{
    without(0, stamped, 1, "fast", NOW + 100 * USEC_PER_MS);
    fixture_at(&f, R(0))->frozen = true;
    CU_ASSERT_EQUAL(stamped(R(0), "first", NOW, LEVEL_ALL), ERR_COUNT);
    f.stamp = 0;
    fixture_at(&f, R(0))->down = true;
    CU_ASSERT_EQUAL(given(R(1), "second", NOW + 300 * USEC_PER_MS, LEVEL_QUORUM), ERR_OK);
    fixture_at(&f, R(0))->down = false;
    fixture_at(&f, R(0))->frozen = false;
    f.done = 0;
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
    CU_ASSERT(has(R(1), "second"));
    CU_ASSERT_EQUAL(coord_pending(fixture_at(&f, R(0))->coord), 0);
}

CU_TestInfo stamp_tests[] = {
    {"a stamp goes above what is here", a_stamp_goes_above_what_is_here},
    {"a stamp goes above what others have", a_stamp_goes_above_what_others_have},
    {"also when it is forwarded", also_when_it_is_forwarded},
    {"a forward that is sent again", a_forward_that_is_sent_again},
    {"a failure is told when the clock has come to the stamp",
     a_failure_is_told_when_the_clock_has_come_to_the_stamp},
    {"who cannot ask writes nothing", who_cannot_ask_writes_nothing},
    {"after a start it is looked at", after_a_start_it_is_looked_at},
    {"no two have one stamp", no_two_have_one_stamp},
    {"what is raised is told when its time has come",
     what_is_raised_is_told_when_its_time_has_come},
    {"a forward that is lost is not undone", a_forward_that_is_lost_is_not_undone},
    {"a forward that comes late", a_forward_that_comes_late},
    {"a forward that comes much too late", a_forward_that_comes_much_too_late},
    {"a stamp that is old by then", a_stamp_that_is_old_by_then},
    {"no stamp goes further than clocks may differ", no_stamp_goes_further_than_clocks_may_differ},
    {"what loses where it is minted is told at once", what_loses_where_it_is_minted},
    {"a client is told", a_client_is_told},
    {"a replica tells what its minter has not", a_replica_tells_what_its_minter_has_not},
    {"only the server's timestamp is raised", only_the_servers_is_raised},
    {"of what is dead its deletion is sent", of_what_is_dead_its_deletion_is_sent},
    {"its minter knows before it has acked", its_minter_knows_before_it_has_acked},
    {"a context takes what is agreed", a_context_takes_what_is_agreed},
    {"a context of what was pulled", a_context_of_what_was_pulled},
    {"without a context what is deleted stays so", without_a_context_what_is_deleted_stays_so},
    {"a level asks no more than it must", a_level_asks_no_more_than_it_must},
    {"what came after it wins", what_came_after_it_wins},
    CU_TEST_INFO_NULL,
};
