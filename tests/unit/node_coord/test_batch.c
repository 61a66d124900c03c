/* Logged batches among four nodes, RF 3: whole or not at all, whoever dies when. */
#include "node/coord/batch_codec.h"
#include "ring/murmur3.h"
#include "storage/store_mem.h"
#include "unit/node_coord/cluster_fixture.h"

#include <CUnit/CUnit.h>
#include <string.h>

#define KEYS    6
#define PATIENT (5 * USEC_PER_SEC) /* more than twice as long as a write may take */

static struct fixture f;
void batch_setup(void);
void batch_teardown(void);

void batch_setup(void)
{
    fixture_open(&f);
}

void batch_teardown(void)
{
    fixture_close(&f);
}

static const char *const keys[KEYS] = {"a", "b", "c", "d", "e", "f"};

static struct mutation mutation(const char *key, const char *value, int64_t timestamp)
{
    struct cell *c = arena_new(&f.arena, struct cell);
    struct row *r = arena_new(&f.arena, struct row);
    *c = (struct cell){
        .column = 1, .kind = CELL_LIVE, .timestamp = timestamp, .value = bytes_text(value)};
    *r = (struct row){.key = BYTES_LIT("r"), .deletion = TOMB_NONE, .cells = c, .cells_count = 1};
    struct mutation m = {.keyspace = KEYSPACE,
                         .part = {.table = TABLE,
                                  .token = murmur3_token(bytes_text(key)),
                                  .key = bytes_text(key),
                                  .deletion = TOMB_NONE,
                                  .rows = r,
                                  .rows_count = 1}};
    m.part.static_row.deletion = TOMB_NONE;
    return m;
}

/* Begin, and settle as far as it goes: the outcome, or ERR_COUNT while there is none. */
static enum err batch(node_no via, const char *value, int64_t timestamp, enum level level)
{
    struct mutation items[KEYS];
    for (int i = 0; i < KEYS; i++)
        items[i] = mutation(keys[i], value, timestamp);
    struct coord_write w = {.mutations = items,
                            .count = KEYS,
                            .level = level,
                            .kind = WRITE_BATCH,
                            .timeout_us = 2 * USEC_PER_SEC,
                            .stamp = f.stamp};
    f.done = 0;
    coord_write_start(fixture_at(&f, via)->coord, f.now, 1, &w);
    fixture_settle(&f);
    return f.done == 1 ? f.result.err : ERR_COUNT;
}

/* How many partitions have the value at a quorum of their replicas. */
static int written(const char *value)
{
    int n = 0;
    for (int i = 0; i < KEYS; i++) {
        int copies = 0;
        for (uint32_t place = 0; place < 3; place++) {
            const char *v = fixture_stored(&f, fixture_replica(&f, keys[i], place), keys[i], "r");
            copies += v != NULL && strcmp(v, value) == 0;
        }
        n += copies >= 2;
    }
    return n;
}

static size_t kept(void)
{
    size_t n = 0;
    for (node_no i = 1; i <= FIXTURE_NODES; i++)
        n += coord_kept(fixture_at(&f, i)->coord);
    return n;
}

static uint64_t replays(void)
{
    uint64_t n = 0;
    for (node_no i = 1; i <= FIXTURE_NODES; i++)
        n += coord_stats(fixture_at(&f, i)->coord).replays;
    return n;
}

static void two_others_keep_it_until_it_is_written(void)
{
    for (node_no i = 1; i <= FIXTURE_NODES; i++) /* nothing gets durable but with the keepers */
        fixture_at(&f, i)->frozen = true;
    CU_ASSERT_EQUAL(batch(1, "v", 10, LEVEL_QUORUM), ERR_COUNT);
    CU_ASSERT_EQUAL(f.writes_sent, 0);
    CU_ASSERT_EQUAL(kept(), 2);
    CU_ASSERT_EQUAL(coord_kept(fixture_at(&f, 1)->coord), 0);
    for (node_no i = 1; i <= FIXTURE_NODES; i++)
        fixture_at(&f, i)->frozen = false;
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
    CU_ASSERT_EQUAL(written("v"), KEYS);
    fixture_elapse(&f, USEC_PER_SEC);
    CU_ASSERT_EQUAL(kept(), 0);
    fixture_elapse(&f, PATIENT);
    CU_ASSERT_EQUAL(replays(), 0);
}

static void one_partition_needs_no_keeper(void)
{
    struct mutation m = mutation("a", "v", 10);
    struct coord_write w = {
        .mutations = &m, .count = 1, .level = LEVEL_ONE, .kind = WRITE_BATCH, .timeout_us = 1000};
    for (node_no i = 1; i <= FIXTURE_NODES; i++)
        fixture_at(&f, i)->frozen = true;
    coord_write_start(fixture_at(&f, 1)->coord, f.now, 1, &w);
    fixture_settle(&f);
    CU_ASSERT_EQUAL(kept(), 0);
}

/* The keepers have it and nobody has said so when its coordinator dies; they stay frozen. */
static void keep_and_die(void)
{
    for (node_no i = 2; i <= FIXTURE_NODES; i++)
        fixture_at(&f, i)->frozen = true;
    CU_ASSERT_EQUAL(batch(1, "v", 10, LEVEL_QUORUM), ERR_COUNT);
    fixture_die(&f, 1);
}

/* What they write then is above what was there, as it would have been. */
static void keepers_write_the_stamp_that_was_asked_for(void)
{
    int64_t now = f.now.wall;
    CU_ASSERT_EQUAL(batch(2, "fast", now + 400 * USEC_PER_MS, LEVEL_ALL), ERR_OK);
    for (node_no i = 2; i <= FIXTURE_NODES; i++)
        fixture_at(&f, i)->frozen = true;
    f.stamp = now;
    CU_ASSERT_EQUAL(batch(1, "v", now, LEVEL_QUORUM), ERR_COUNT);
    f.stamp = 0;
    CU_ASSERT_EQUAL(coord_stats(fixture_at(&f, 1)->coord).asks, 1);
    fixture_die(&f, 1);
    for (node_no i = 2; i <= FIXTURE_NODES; i++)
        fixture_at(&f, i)->frozen = false;
    fixture_settle(&f);
    fixture_elapse(&f, PATIENT);
    CU_ASSERT(replays() > 0);
    CU_ASSERT_EQUAL(written("v"), KEYS);
}

/* Of several partitions all have the one stamp that is above what any of them has. */
static void a_batch_has_one_stamp(void)
{
    int64_t now = f.now.wall;
    CU_ASSERT_EQUAL(fixture_write(&f, 2, keys[3], "r", "fast", now + 400 * USEC_PER_MS, LEVEL_ALL),
                    ERR_OK);
    f.stamp = now;
    CU_ASSERT_EQUAL(batch(1, "v", now, LEVEL_QUORUM), ERR_OK);
    f.stamp = 0;
    CU_ASSERT_EQUAL(written("v"), KEYS);
    int64_t stamp = part_max_timestamp(fixture_part(&f, fixture_replica(&f, keys[3], 0), keys[3]));
    CU_ASSERT(stamp > now + 400 * USEC_PER_MS);
    for (int i = 0; i < KEYS; i++) {
        node_no replica = fixture_replica(&f, keys[i], 0);
        CU_ASSERT_EQUAL(part_max_timestamp(fixture_part(&f, replica, keys[i])), stamp);
    }
    CU_ASSERT_EQUAL(coord_in_flight(fixture_at(&f, 1)->coord), 0);
}

/* It dies as soon as its keepers have it, before it has written anything. */
static void keepers_write_what_a_dead_coordinator_did_not(void)
{
    keep_and_die();
    for (node_no i = 2; i <= FIXTURE_NODES; i++)
        fixture_at(&f, i)->frozen = false;
    fixture_settle(&f);
    CU_ASSERT_EQUAL(written("v"), 0);
    fixture_elapse(&f, PATIENT);
    CU_ASSERT_EQUAL(written("v"), KEYS);
    CU_ASSERT_EQUAL(kept(), 0);
    CU_ASSERT_EQUAL(replays(), 2); /* each keeper on its own, which is harmless */
}

static void one_keeper_is_enough(void)
{
    for (node_no i = 2; i <= FIXTURE_NODES; i++)
        fixture_at(&f, i)->frozen = true;
    CU_ASSERT_EQUAL(batch(1, "v", 10, LEVEL_ONE), ERR_COUNT);
    node_no keeper = 0;
    for (node_no i = 2; i <= FIXTURE_NODES && keeper == 0; i++)
        keeper = coord_kept(fixture_at(&f, i)->coord) > 0 ? i : 0;
    fixture_die(&f, 1);
    for (node_no i = 2; i <= FIXTURE_NODES; i++)
        fixture_at(&f, i)->frozen = false;
    fixture_settle(&f);
    fixture_at(&f, keeper)->down = true; /* and nobody knows */
    fixture_set_alive(&f, 1, true);
    fixture_at(&f, 1)->down = false;
    fixture_elapse(&f, PATIENT);
    fixture_elapse(&f, PATIENT);
    CU_ASSERT_EQUAL(written("v"), KEYS);
}

/* Later writes stay: a replay has the timestamps of its batch. */
static void a_replay_changes_nothing_that_is_younger(void)
{
    for (node_no i = 2; i <= FIXTURE_NODES; i++)
        fixture_at(&f, i)->frozen = true;
    CU_ASSERT_EQUAL(batch(1, "old", 10, LEVEL_QUORUM), ERR_COUNT);
    fixture_die(&f, 1);
    for (node_no i = 2; i <= FIXTURE_NODES; i++)
        fixture_at(&f, i)->frozen = false;
    fixture_settle(&f);
    for (int i = 0; i < KEYS; i++)
        CU_ASSERT_EQUAL(fixture_write(&f, 2, keys[i], "r", "new", 20, LEVEL_QUORUM), ERR_OK);
    fixture_elapse(&f, PATIENT);
    CU_ASSERT_EQUAL(replays(), 2);
    CU_ASSERT_EQUAL(written("new"), KEYS);
}

/* It goes on until all partitions have their quorum, and remembers which do. */
static void a_replay_waits_for_replicas(void)
{
    keep_and_die();
    for (node_no i = 2; i <= FIXTURE_NODES; i++)
        fixture_at(&f, i)->frozen = false;
    fixture_settle(&f);
    node_no away = coord_kept(fixture_at(&f, 4)->coord) > 0 ? 3 : 4;
    fixture_set_alive(&f, away, false);
    fixture_at(&f, away)->down = true;
    fixture_elapse(&f, PATIENT);
    CU_ASSERT(written("v") < KEYS);
    CU_ASSERT(kept() > 0);
    fixture_set_alive(&f, away, true);
    fixture_at(&f, away)->down = false;
    for (int i = 0; i < 4; i++)
        fixture_elapse(&f, PATIENT);
    CU_ASSERT_EQUAL(written("v"), KEYS);
    CU_ASSERT_EQUAL(kept(), 0);
}

static void a_keeper_that_restarts_still_has_it(void)
{
    keep_and_die();
    for (node_no i = 2; i <= FIXTURE_NODES; i++) {
        fixture_at(&f, i)->frozen = false;
        fixture_settle(&f);
        fixture_restart(&f, i);
    }
    CU_ASSERT_EQUAL(kept(), 2);
    fixture_elapse(&f, PATIENT);
    CU_ASSERT_EQUAL(written("v"), KEYS);
    CU_ASSERT_EQUAL(kept(), 0);
    fixture_restart(&f, 2);
    fixture_restart(&f, 3);
    CU_ASSERT_EQUAL(kept(), 0);
}

static void bounds_are_readable(node_no node, bool good)
{
    store_mem_fail_reads(fixture_at(&f, node)->store, BYTES_LIT("b"), BYTES_LIT("c"),
                         good ? ERR_OK : ERR_IO);
}

/* Whether it may be written is not known where the bound of what was dropped cannot be read: then
 * it is not left out, but waits for who can. */
static void a_replay_is_not_left_out_for_a_read_error(void)
{
    keep_and_die();
    for (node_no i = 2; i <= FIXTURE_NODES; i++) {
        fixture_at(&f, i)->frozen = false;
        bounds_are_readable(i, false);
    }
    fixture_settle(&f);
    fixture_elapse(&f, PATIENT);
    CU_ASSERT_EQUAL(written("v"), 0);
    CU_ASSERT_EQUAL(kept(), 2);
    bounds_are_readable(2, true);
    for (int i = 0; i < 3; i++)
        fixture_elapse(&f, 2 * PATIENT);
    bounds_are_readable(3, true); /* what node 2 does not hold */
    for (int i = 0; i < 3; i++)
        fixture_elapse(&f, 2 * PATIENT);
    CU_ASSERT_EQUAL(written("v"), KEYS);
    CU_ASSERT_EQUAL(kept(), 0);
}

static void a_keeper_that_cannot_read_looks_again(void)
{
    keep_and_die();
    for (node_no i = 2; i <= FIXTURE_NODES; i++) {
        struct store *store = fixture_at(&f, i)->store;
        fixture_at(&f, i)->frozen = false;
        fixture_settle(&f);
        store_mem_fail_reads(store, BYTES_LIT("Fb/"), BYTES_LIT("Fb0"), ERR_IO);
        fixture_restart(&f, i);
        store_mem_fail_reads(store, BYTES_LIT("Fb/"), BYTES_LIT("Fb0"), ERR_OK);
    }
    CU_ASSERT_EQUAL(kept(), 0);
    for (int i = 0; i < 4; i++)
        fixture_elapse(&f, PATIENT);
    CU_ASSERT_EQUAL(written("v"), KEYS);
    CU_ASSERT_EQUAL(kept(), 0);
}

/* What is damaged stays so, on each start: the batches behind it are written all the same. */
static void a_keeper_goes_on_behind_a_damaged_batch(void)
{
    static const uint8_t first[18] = "b/";
    static const uint8_t second[18] = {'b', '/', 0, 1}; /* is none */
    keep_and_die();
    for (node_no i = 2; i <= FIXTURE_NODES; i++) {
        struct fixture_node *node = fixture_at(&f, i);
        node->frozen = false;
        engine_fact_put(node->engine, bytes_make(first, sizeof first), BYTES_LIT("x"), 0);
        engine_fact_put(node->engine, bytes_make(second, sizeof second), BYTES_LIT("x"), 0);
        fixture_settle(&f);
        store_mem_fail_reads(node->store, BYTES_LIT("Fb/"), BYTES_LIT("Fb/\0\1"), ERR_CORRUPT);
        fixture_restart(&f, i);
        CU_ASSERT_EQUAL(coord_stats(node->coord).batches_damaged, 1);
    }
    CU_ASSERT_EQUAL(kept(), 2 + FIXTURE_NODES - 1);
    for (int i = 0; i < 4; i++)
        fixture_elapse(&f, PATIENT);
    CU_ASSERT_EQUAL(written("v"), KEYS);
    CU_ASSERT_EQUAL(kept(), 0);
    for (node_no i = 2; i <= FIXTURE_NODES; i++) /* the first is counted once */
        CU_ASSERT_EQUAL(coord_stats(fixture_at(&f, i)->coord).batches_damaged, 2);
}

/* One that cannot be decoded is not kept for ever; which one it was is known. */
static void a_batch_that_is_no_batch_is_named(void)
{
    static const uint8_t name[18] = "b/0123456789abcde";
    struct fixture_node *node = fixture_at(&f, 2);
    engine_fact_put(node->engine, bytes_make(name, sizeof name), BYTES_LIT("x"), 0);
    fixture_settle(&f);
    fixture_restart(&f, 2);
    CU_ASSERT_EQUAL(kept(), 1);
    fixture_elapse(&f, 2 * PATIENT);
    struct coord_stats stats = coord_stats(fixture_at(&f, 2)->coord);
    CU_ASSERT_EQUAL(kept(), 0);
    CU_ASSERT_EQUAL(stats.batches_damaged, 1);
    CU_ASSERT_FALSE(stats.damaged_behind);
    CU_ASSERT_EQUAL(memcmp(stats.batch_damaged.b, name + 2, sizeof stats.batch_damaged.b), 0);
}

/* One that does not answer any more is replaced; ourselves come last. */
static void a_lost_keeper_is_replaced(void)
{
    for (node_no i = 1; i <= FIXTURE_NODES; i++)
        fixture_at(&f, i)->frozen = true;
    CU_ASSERT_EQUAL(batch(1, "v", 10, LEVEL_ONE), ERR_COUNT);
    node_no lost = 0;
    for (node_no i = 2; i <= FIXTURE_NODES && lost == 0; i++)
        lost = coord_kept(fixture_at(&f, i)->coord) > 0 ? i : 0;
    fixture_die(&f, lost);
    CU_ASSERT_EQUAL(kept(), 3);
    CU_ASSERT_EQUAL(coord_kept(fixture_at(&f, 1)->coord), 0);
    fixture_die(&f, lost == 2 ? 3 : 2);
    CU_ASSERT_EQUAL(coord_kept(fixture_at(&f, 1)->coord), 1);
    fixture_at(&f, 1)->frozen = false;
    fixture_at(&f, 4)->frozen = false;
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 1);
}

static void silence_of_the_keepers_times_out(void)
{
    for (node_no i = 2; i <= FIXTURE_NODES; i++)
        fixture_at(&f, i)->down = true;
    CU_ASSERT_EQUAL(batch(1, "v", 10, LEVEL_ONE), ERR_COUNT);
    fixture_elapse(&f, 2 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, ERR_TIMEOUT);
    CU_ASSERT_EQUAL(f.result.kind, WRITE_BATCH_LOG);
    CU_ASSERT_EQUAL(f.result.level, LEVEL_TWO);
    CU_ASSERT_EQUAL(f.result.required, 2);
    CU_ASSERT_EQUAL(f.result.received, 0);
    CU_ASSERT_EQUAL(f.writes_sent, 0);
    CU_ASSERT_EQUAL(coord_in_flight(fixture_at(&f, 1)->coord), 0);
}

/* Nobody has heard of it then. */
static void what_cannot_be_written_is_not_logged(void)
{
    fixture_set_alive(&f, 3, false);
    fixture_set_alive(&f, 4, false);
    CU_ASSERT_EQUAL(batch(1, "v", 10, LEVEL_QUORUM), ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(f.result.kind, WRITE_BATCH);
    CU_ASSERT_EQUAL(kept(), 0);
}

static void tables_that_are_gone_are_left_out(void)
{
    const struct cluster_table other = {TABLE + 1, KEYSPACE};
    keep_and_die();
    for (node_no i = 2; i <= FIXTURE_NODES; i++) {
        fixture_at(&f, i)->frozen = false;
        cluster_set_tables(fixture_at(&f, i)->cluster, &other, 1, 100);
    }
    fixture_settle(&f);
    fixture_elapse(&f, PATIENT);
    CU_ASSERT_EQUAL(kept(), 0);
    CU_ASSERT_EQUAL(written("v"), 0);
}

static void bytes_of_a_batch(void)
{
    struct mutation m[2] = {mutation("a", "v", 10), mutation("b", "w", 11)};
    struct mutation *again;
    size_t count = 0;
    struct buf b;
    buf_init(&b, BATCH_BYTES_MAX);
    batch_encode(m, 2, &b);
    CU_ASSERT_EQUAL(batch_decode(buf_bytes(&b), &f.arena, &again, &count), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(count, 2);
    CU_ASSERT_EQUAL(again[1].keyspace, KEYSPACE);
    CU_ASSERT(bytes_equal_text(again[1].part.key, "b"));
    for (size_t len = 0; len < b.len; len++)
        CU_ASSERT_EQUAL(batch_decode(bytes_make(b.data, len), &f.arena, &again, &count),
                        ERR_MALFORMED);
    buf_clear(&b);
    m[1].part.token++; /* nobody would look for it there */
    batch_encode(m, 2, &b);
    CU_ASSERT_EQUAL(batch_decode(buf_bytes(&b), &f.arena, &again, &count), ERR_MALFORMED);
    buf_close(&b);
}

CU_TestInfo batch_tests[] = {
    {"keepers write the stamp that was asked for", keepers_write_the_stamp_that_was_asked_for},
    {"a batch has one stamp", a_batch_has_one_stamp},
    {"two others keep it until it is written", two_others_keep_it_until_it_is_written},
    {"one partition needs no keeper", one_partition_needs_no_keeper},
    {"keepers write what a dead coordinator did not",
     keepers_write_what_a_dead_coordinator_did_not},
    {"one keeper is enough", one_keeper_is_enough},
    {"a replay changes nothing that is younger", a_replay_changes_nothing_that_is_younger},
    {"a replay waits for replicas", a_replay_waits_for_replicas},
    {"a keeper that restarts still has it", a_keeper_that_restarts_still_has_it},
    {"a replay is not left out for a read error", a_replay_is_not_left_out_for_a_read_error},
    {"a keeper that cannot read looks again", a_keeper_that_cannot_read_looks_again},
    {"a keeper goes on behind a damaged batch", a_keeper_goes_on_behind_a_damaged_batch},
    {"a batch that is no batch is named", a_batch_that_is_no_batch_is_named},
    {"a lost keeper is replaced", a_lost_keeper_is_replaced},
    {"silence of the keepers times out", silence_of_the_keepers_times_out},
    {"what cannot be written is not logged", what_cannot_be_written_is_not_logged},
    {"tables that are gone are left out", tables_that_are_gone_are_left_out},
    {"bytes of a batch", bytes_of_a_batch},
    CU_TEST_INFO_NULL,
};
