/* siblings: what becomes of writes of a siblings table between a client's coordinator, the replica
 * that mints, and the others. */
#include "cluster_fixture.h"
#include "node/coord/batch_codec.h"
#include "ring/murmur3.h"

#include <CUnit/CUnit.h>
#include <string.h>

static struct fixture f;

void siblings_setup(void);
void siblings_teardown(void);

void siblings_setup(void)
{
    fixture_open(&f);
}

void siblings_teardown(void)
{
    fixture_close(&f);
}

static struct mutation mutation(const char *value, int64_t timestamp, uint64_t writer,
                                const struct dots *context)
{
    struct mutation m = {.keyspace = KEYSPACE, .supersede = {.siblings = true, .writer = writer}};
    struct cell cell = {.column = 1, .timestamp = timestamp, .value = bytes_text(value)};
    struct row *row = arena_new(&f.arena, struct row);
    *row = (struct row){.key = BYTES_LIT("r"), .deletion = TOMB_NONE};
    row->cells = arena_array(&f.arena, struct cell, 1);
    row->cells[row->cells_count++] = cell;
    m.part = (struct part){.table = TABLE, .key = BYTES_LIT("k"), .deletion = TOMB_NONE};
    m.part.token = murmur3_token(m.part.key);
    m.part.static_row.deletion = TOMB_NONE;
    m.part.rows = row;
    m.part.rows_count = 1;
    if (context != NULL) {
        m.supersede.causal = true;
        m.supersede.seen = *context;
    }
    return m;
}

static enum err write_via(node_no via, const struct mutation *m, enum write_kind kind,
                          int64_t stamp)
{
    struct coord_write w = {.mutations = m,
                            .count = 1,
                            .level = LEVEL_QUORUM,
                            .kind = kind,
                            .stamp = stamp,
                            .timeout_us = 2 * USEC_PER_SEC};
    f.done = 0;
    coord_write_start(fixture_at(&f, via)->coord, f.now, 31, &w);
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 31);
    return f.result.err;
}

static enum err put(node_no via, const char *value, int64_t timestamp, uint64_t writer,
                    const struct dots *context)
{
    struct mutation m = mutation(value, timestamp, writer, context);
    return write_via(via, &m, WRITE_SIMPLE, 0);
}

/* The values that a read via this node shows, the winner first, as "a b c". */
static const char *values(node_no via, struct dots *ret_seen)
{
    const struct cell *found[SIBLINGS_MAX * 2];
    const char *text = "";
    CU_ASSERT_EQUAL_FATAL(fixture_read(&f, via, "k", 0, LEVEL_QUORUM), ERR_OK);
    if (f.result.rows.parts_count == 0 || f.result.rows.parts[0].rows_count == 0)
        return text;
    const struct row *row = &f.result.rows.parts[0].rows[0];
    size_t count = row_siblings(row, 1, false, BYTES_NONE, 0, found);
    for (size_t i = 0; i < count; i++)
        text = arena_printf(&f.arena, "%s%s%s", text, i > 0 ? " " : "",
                            arena_text(&f.arena, found[i]->value));
    if (ret_seen != NULL)
        *ret_seen = row_dots(row, &f.arena);
    return text;
}

static void who_read_both_replaces_both(void)
{
    struct dots seen;
    node_no stranger = fixture_stranger(&f, "k");
    CU_ASSERT_EQUAL(put(fixture_replica(&f, "k", 0), "one", 10, 2, NULL), ERR_OK);
    CU_ASSERT_EQUAL(put(fixture_replica(&f, "k", 1), "two", 11, 3, NULL), ERR_OK);
    CU_ASSERT_STRING_EQUAL(values(stranger, &seen), "two one");
    CU_ASSERT_EQUAL(put(fixture_replica(&f, "k", 2), "late", 12, 4, NULL), ERR_OK);
    CU_ASSERT_EQUAL(put(stranger, "both", 9, 5, &seen), ERR_OK); /* it is forwarded */
    CU_ASSERT_STRING_EQUAL(values(stranger, NULL), "late both");
    for (uint32_t i = 0; i < 3; i++) {
        const struct part *p = fixture_part(&f, fixture_replica(&f, "k", i), "k");
        CU_ASSERT_PTR_NOT_NULL_FATAL(p);
        CU_ASSERT_TRUE(p->siblings);
        CU_ASSERT_EQUAL(row_dots(&p->rows[0], &f.arena).count, 2);
    }
}

/* The minter was away when what the client saw was written; that comes to it later. */
static void what_its_minter_has_not_got_goes_as_well(void)
{
    struct dots seen;
    node_no away = fixture_replica(&f, "k", 0);
    node_no other = fixture_replica(&f, "k", 1);
    fixture_set_alive(&f, away, false);
    CU_ASSERT_EQUAL(put(other, "old", 10, 2, NULL), ERR_OK);
    (void)values(other, &seen);
    fixture_set_alive(&f, away, true);
    CU_ASSERT_EQUAL(put(away, "new", 11, 3, &seen), ERR_OK);
    CU_ASSERT_STRING_EQUAL(values(away, NULL), "new");
    CU_ASSERT_STRING_EQUAL(values(other, NULL), "new");
}

static void how_many_were_merged_is_told(void)
{
    node_no stranger = fixture_stranger(&f, "k");
    for (uint64_t i = 0; i < SIBLINGS_MAX; i++) {
        const char *value = arena_printf(&f.arena, "%llu", (unsigned long long)i);
        CU_ASSERT_EQUAL(put(stranger, value, 10 + (int64_t)i, 2 + i, NULL), ERR_OK);
        CU_ASSERT_EQUAL(f.result.merged, 0);
    }
    CU_ASSERT_EQUAL(put(stranger, "more", 1000, 999, NULL), ERR_OK);
    CU_ASSERT_EQUAL(f.result.merged, 1);
    CU_ASSERT_EQUAL(f.result.merged_in, TABLE);
    uint64_t merged = 0;
    for (node_no i = 1; i <= FIXTURE_NODES; i++)
        merged += coord_stats(fixture_at(&f, i)->coord).merged;
    CU_ASSERT_EQUAL(merged, 1);
}

/* The clock that stamps the second write of a client is behind that of the first. */
static void a_writer_is_not_behind_itself(void)
{
    int64_t now = f.now.wall;
    node_no replica = fixture_replica(&f, "k", 0);
    CU_ASSERT_EQUAL(put(replica, "first", now + 200, 2, NULL), ERR_OK);
    struct mutation m = mutation("second", now, 2, NULL);
    CU_ASSERT_EQUAL(write_via(replica, &m, WRITE_SIMPLE, now), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_NONE);
    CU_ASSERT_STRING_EQUAL(values(replica, NULL), "second");
    /* By a timestamp of its own it may be: then it is told. */
    CU_ASSERT_EQUAL(put(replica, "third", now - 1, 2, NULL), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_GIVEN);
    CU_ASSERT_STRING_EQUAL(values(replica, NULL), "second");
    /* USING TIMESTAMP in a request that the server stamps. */
    m = mutation("fourth", 5, 2, NULL);
    CU_ASSERT_EQUAL(write_via(replica, &m, WRITE_SIMPLE, now), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_GIVEN);
    CU_ASSERT_STRING_EQUAL(values(replica, NULL), "second");
}

/* Its first value was seen, and replaced, before it was handed on: whoever is handed it then mints
 * it as old as it is. */
static void what_its_writer_wrote_over_it_stays(void)
{
    int64_t now = f.now.wall;
    node_no z = fixture_stranger(&f, "k");
    node_no first = fixture_replica(&f, "k", 0);
    struct mutation m = mutation("first", now, 2, NULL);
    struct coord_write w = {.mutations = &m,
                            .count = 1,
                            .level = LEVEL_QUORUM,
                            .stamp = now,
                            .timeout_us = 2 * USEC_PER_SEC};
    f.slow = first;
    coord_write_start(fixture_at(&f, z)->coord, f.now, 30, &w);
    fixture_settle(&f);
    f.slow = 0;
    m = mutation("second", now, 2, NULL);
    CU_ASSERT_EQUAL(write_via(first, &m, WRITE_SIMPLE, now), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_NONE);
    f.done = 0;
    coord_peer_lost(fixture_at(&f, z)->coord, f.now, first);
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 30);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
    fixture_release(&f, false);
    CU_ASSERT_STRING_EQUAL(values(first, NULL), "second");
}

/* The bucket has something that is above all that the server may give. */
static void a_writer_is_asked_for_what_is_its_own(void)
{
    int64_t now = f.now.wall;
    node_no replica = fixture_replica(&f, "k", 0);
    CU_ASSERT_EQUAL(put(replica, "far", now + 9 * USEC_PER_SEC, 3, NULL), ERR_OK);
    CU_ASSERT_EQUAL(put(replica, "first", now + 200, 2, NULL), ERR_OK);
    struct mutation m = mutation("second", now, 2, NULL);
    for (int i = 0; i < 2; i++) {
        node_no via = i == 0 ? replica : fixture_stranger(&f, "k");
        CU_ASSERT_EQUAL(write_via(via, &m, WRITE_SIMPLE, now), ERR_OK);
        CU_ASSERT_EQUAL(f.result.lost, LOST_NONE);
        CU_ASSERT_STRING_EQUAL(values(replica, NULL), "far second");
    }
    /* What it has itself stamped far ahead is honoured. */
    m = mutation("lost", now, 3, NULL);
    CU_ASSERT_EQUAL(write_via(replica, &m, WRITE_SIMPLE, now), ERR_OK);
    CU_ASSERT_EQUAL(f.result.lost, LOST_STAMPED);
    CU_ASSERT_STRING_EQUAL(values(replica, NULL), "far second");
}

static void ranges_are_no_request(void)
{
    struct mutation m = mutation("v", 10, 2, NULL);
    m.part.rows_count = 0;
    m.part.deletion = (struct tomb){10, 1, {{0, 0}, 0}};
    CU_ASSERT_EQUAL(write_via(fixture_replica(&f, "k", 0), &m, WRITE_SIMPLE, 0), ERR_FAILED);
    CU_ASSERT_STRING_EQUAL(values(1, NULL), "");
}

static void an_if_supersedes_what_it_read(void)
{
    struct dots seen;
    struct coord_cas cas = {.keyspace = KEYSPACE,
                            .serial = LEVEL_SERIAL,
                            .level = LEVEL_QUORUM,
                            .timeout_us = 2 * USEC_PER_SEC};
    cas.scan = (struct scan){.table = TABLE, .single = true, .key = BYTES_LIT("k")};
    cas.scan.token = murmur3_token(cas.scan.key);
    CU_ASSERT_EQUAL(put(1, "one", 10, 2, NULL), ERR_OK);
    CU_ASSERT_EQUAL(put(2, "two", 11, 3, NULL), ERR_OK);
    coord_cas_start(fixture_at(&f, 3)->coord, f.now, 70, &cas);
    fixture_settle(&f);
    CU_ASSERT_EQUAL_FATAL(f.result.cas, CAS_ROWS);
    seen = part_dots(&f.result.rows.parts[0], &f.arena);
    CU_ASSERT_EQUAL(seen.count, 2);
    struct mutation m = mutation("decided", 12, WRITER_SERIAL, &seen);
    coord_cas_propose(fixture_at(&f, 3)->coord, f.now, 70, 71, &m);
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.result.cas, CAS_APPLIED);
    CU_ASSERT_STRING_EQUAL(values(4, NULL), "decided");
}

static void a_batch_keeps_what_it_supersedes(void)
{
    struct dot list[] = {{{1, 1}, 4}, {{2, 1}, 9}};
    struct dots seen = {list, 2};
    struct mutation m[] = {mutation("v", 10, 77, &seen), mutation("w", 11, 0, NULL)};
    struct mutation *again;
    size_t count;
    struct buf b;
    m[1].supersede = (struct supersede){0};
    buf_init(&b, BATCH_BYTES_MAX);
    batch_encode(m, 2, &b);
    CU_ASSERT_EQUAL_FATAL(batch_decode(buf_bytes(&b), &f.arena, &again, &count), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(count, 2);
    CU_ASSERT_TRUE(again[0].supersede.causal && again[0].supersede.writer == 77);
    CU_ASSERT_EQUAL(again[0].supersede.seen.count, 2);
    CU_ASSERT_FALSE(again[1].supersede.siblings);
    buf_close(&b);
}

CU_TestInfo siblings_tests[] = {
    {"who read both replaces both", who_read_both_replaces_both},
    {"what its minter has not got goes as well", what_its_minter_has_not_got_goes_as_well},
    {"how many were merged is told", how_many_were_merged_is_told},
    {"a writer is not behind itself", a_writer_is_not_behind_itself},
    {"what its writer wrote over it stays", what_its_writer_wrote_over_it_stays},
    {"a writer is asked for what is its own", a_writer_is_asked_for_what_is_its_own},
    {"ranges are no request", ranges_are_no_request},
    {"an IF supersedes what it read", an_if_supersedes_what_it_read},
    {"a batch keeps what it supersedes", a_batch_keeps_what_it_supersedes},
    CU_TEST_INFO_NULL,
};
