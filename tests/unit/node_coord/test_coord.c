/* Stories of writes and reads among four nodes, RF 3, without gossip: who is alive is told. */
#include "unit/node_coord/cluster_fixture.h"

#include "ring/murmur3.h"
#include "ring/plan.h"

#include <CUnit/CUnit.h>
#include <string.h>

static struct fixture f;
void coord_setup(void);
void coord_teardown(void);

void coord_setup(void)
{
    fixture_open(&f);
}

void coord_teardown(void)
{
    fixture_close(&f);
}

static bool same(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

#define R(place) fixture_replica(&f, "k", place)

static void a_write_reaches_all_replicas(void)
{
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "v", 10, LEVEL_QUORUM), ERR_OK);
    for (uint32_t i = 0; i < 3; i++)
        CU_ASSERT(same(fixture_stored(&f, R(i), "k", "r"), "v"));
    CU_ASSERT_PTR_NULL(fixture_stored(&f, fixture_stranger(&f, "k"), "k", "r"));
}

static void no_replica_forwards_once(void)
{
    node_no stranger = fixture_stranger(&f, "k");
    CU_ASSERT_EQUAL(fixture_write(&f, stranger, "k", "r", "v", 10, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(coord_stats(fixture_at(&f, stranger)->coord).forwards, 1);
    CU_ASSERT(same(fixture_stored(&f, R(2), "k", "r"), "v"));
    CU_ASSERT_EQUAL(f.writes_sent, 2); /* by the replica that coordinates, to the other two */
}

static void a_lost_forward_goes_to_the_next_replica(void)
{
    node_no stranger = fixture_stranger(&f, "k");
    fixture_at(&f, R(0))->down = true; /* and nobody knows yet */
    CU_ASSERT_EQUAL(fixture_write(&f, stranger, "k", "r", "v", 10, LEVEL_QUORUM), ERR_COUNT);
    coord_peer_lost(fixture_at(&f, stranger)->coord, f.now, R(0));
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
    CU_ASSERT(same(fixture_stored(&f, R(1), "k", "r"), "v"));
}

static void one_replica_down_is_no_matter_for_a_quorum(void)
{
    fixture_at(&f, R(2))->down = true;
    fixture_set_alive(&f, R(2), false);
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "v", 10, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(f.result.rows.live_rows, 1);
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "w", 11, LEVEL_ALL), ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(f.result.required, 3);
    CU_ASSERT_EQUAL(f.result.received, 2);
    /* nothing was sent */
    CU_ASSERT(same(fixture_stored(&f, R(0), "k", "r"), "v"));
}

static void two_down_leave_one(void)
{
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "v", 10, LEVEL_ALL), ERR_OK);
    fixture_set_alive(&f, R(1), false);
    fixture_set_alive(&f, R(2), false);
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(f.result.required, 2);
    CU_ASSERT_EQUAL(f.result.received, 1);
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_ONE), ERR_OK);
    CU_ASSERT_EQUAL(f.result.rows.live_rows, 1);
}

static void an_ack_waits_for_the_disk(void)
{
    fixture_at(&f, R(0))->frozen = true;
    fixture_at(&f, R(1))->frozen = true;
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "v", 10, LEVEL_QUORUM), ERR_COUNT);
    fixture_at(&f, R(1))->frozen = false;
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
}

/* What a read has told, or repaired elsewhere, must not be taken back by a power cut. */
static void reads_tell_only_what_is_durable(void)
{
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "old", 10, LEVEL_ALL), ERR_OK);
    fixture_at(&f, R(0))->frozen = true;
    fixture_at(&f, R(1))->down = true;
    fixture_at(&f, R(2))->down = true;
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "new", 20, LEVEL_ONE), ERR_COUNT);
    fixture_at(&f, R(1))->down = false;
    fixture_at(&f, R(2))->down = false;
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT(bytes_equal_text(f.result.rows.parts[0].rows[0].cells[0].value, "old"));
    CU_ASSERT_EQUAL(fixture_read(&f, R(1), "k", 0, LEVEL_ALL), ERR_OK);
    CU_ASSERT(bytes_equal_text(f.result.rows.parts[0].rows[0].cells[0].value, "old"));
    fixture_at(&f, R(0))->frozen = false;
    fixture_settle(&f);
    CU_ASSERT_EQUAL(fixture_read(&f, R(1), "k", 0, LEVEL_ALL), ERR_OK);
    CU_ASSERT(bytes_equal_text(f.result.rows.parts[0].rows[0].cells[0].value, "new"));
}

static void silence_ends_in_a_timeout_with_its_count(void)
{
    fixture_at(&f, R(1))->down = true;
    fixture_at(&f, R(2))->down = true;
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "v", 10, LEVEL_QUORUM), ERR_COUNT);
    fixture_elapse(&f, 2 * USEC_PER_SEC - 1);
    CU_ASSERT_EQUAL(f.done, 0);
    fixture_elapse(&f, 1);
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, ERR_TIMEOUT);
    CU_ASSERT_EQUAL(f.result.required, 2);
    CU_ASSERT_EQUAL(f.result.received, 1);
}

static void lost_links_end_it_at_once(void)
{
    fixture_at(&f, R(1))->down = true;
    fixture_at(&f, R(2))->down = true;
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "v", 10, LEVEL_QUORUM), ERR_COUNT);
    coord_peer_lost(fixture_at(&f, R(0))->coord, f.now, R(1));
    coord_peer_lost(fixture_at(&f, R(0))->coord, f.now, R(2));
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, ERR_TIMEOUT);
}

static void a_failing_disk_is_a_failed_write(void)
{
    store_mem_fail(fixture_at(&f, R(1))->store, 0, ERR_FULL, "disk full");
    store_mem_fail(fixture_at(&f, R(2))->store, 0, ERR_FULL, "disk full");
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "v", 10, LEVEL_QUORUM), ERR_FAILED);
    CU_ASSERT_EQUAL(f.result.failures, 2);
}

/* Write at ONE while two replicas do not hear it. */
static void leave_stale(void)
{
    fixture_at(&f, R(1))->down = true;
    fixture_at(&f, R(2))->down = true;
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "new", 20, LEVEL_ONE), ERR_OK);
    fixture_at(&f, R(1))->down = false;
    fixture_at(&f, R(2))->down = false;
}

static void a_quorum_read_repairs_before_it_answers(void)
{
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "old", 10, LEVEL_ALL), ERR_OK);
    leave_stale();
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(f.result.rows.live_rows, 1);
    CU_ASSERT(bytes_equal_text(f.result.rows.parts[0].rows[0].cells[0].value, "new"));
    /* monotonic: whichever quorum comes next has it */
    CU_ASSERT(same(fixture_stored(&f, R(1), "k", "r"), "new"));
    CU_ASSERT_EQUAL(coord_stats(fixture_at(&f, R(0))->coord).repairs, 1);
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(coord_stats(fixture_at(&f, R(0))->coord).digest_mismatches, 1);
}

static void a_stale_coordinator_repairs_itself(void)
{
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "old", 10, LEVEL_ALL), ERR_OK);
    leave_stale();
    CU_ASSERT_EQUAL(fixture_read(&f, R(2), "k", 0, LEVEL_ALL), ERR_OK);
    CU_ASSERT(bytes_equal_text(f.result.rows.parts[0].rows[0].cells[0].value, "new"));
    for (uint32_t i = 0; i < 3; i++)
        CU_ASSERT(same(fixture_stored(&f, R(i), "k", "r"), "new"));
}

static void a_repair_waits_for_its_acks(void)
{
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "old", 10, LEVEL_ALL), ERR_OK);
    leave_stale();
    fixture_at(&f, R(1))->frozen = true;
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_COUNT);
    fixture_at(&f, R(1))->frozen = false;
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 2);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
}

/* The lost question of a read to this node comes after all. */
static void ask_late(node_no from, node_no to)
{
    for (size_t i = 0; i < f.queued; i++) {
        struct wire_message m;
        if (f.route[i].to == to && wire_decode(buf_bytes(&f.queue[i]), &m) == ERR_OK &&
            m.type == WIRE_READ) {
            CU_ASSERT(coord_receive(fixture_at(&f, to)->coord, f.now, from, &m));
            break;
        }
    }
    fixture_settle(&f);
}

/* Who answers while others are being repaired has the old state, and counts for nothing. */
static void an_answer_during_the_repair_does_not_count(void)
{
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "old", 10, LEVEL_ALL), ERR_OK);
    fixture_at(&f, R(0))->down = true;
    fixture_at(&f, R(1))->down = true;
    CU_ASSERT_EQUAL(fixture_write(&f, R(2), "k", "r", "new", 20, LEVEL_ONE), ERR_OK);
    fixture_at(&f, R(0))->down = false;
    fixture_at(&f, R(0))->frozen = true;
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_COUNT);
    fixture_elapse(&f, 60 * USEC_PER_MS); /* another one is asked, and differs */
    fixture_at(&f, R(1))->down = false;
    ask_late(R(0), R(1));
    CU_ASSERT_EQUAL(f.done, 0);
    fixture_at(&f, R(0))->frozen = false;
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 2);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
    CU_ASSERT(bytes_equal_text(f.result.rows.parts[0].rows[0].cells[0].value, "new"));
}

/* A LIMIT must not come back short because the rows one replica counted are deleted on another. */
static void deleted_rows_do_not_make_a_read_short(void)
{
    static const char *rows[] = {"a", "b", "c", "d", "e", "g"};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", rows[i], "v", 10, LEVEL_ALL), ERR_OK);
    fixture_at(&f, R(0))->down = true;
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(fixture_delete(&f, R(1), "k", rows[i], 20, LEVEL_QUORUM), ERR_OK);
    fixture_at(&f, R(0))->down = false;
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 2, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(f.result.rows.live_rows, 2);
    CU_ASSERT_EQUAL_FATAL(f.result.rows.parts_count, 1);
    size_t live = 0;
    for (size_t i = 0; i < f.result.rows.parts[0].rows_count; i++) {
        const struct row *r = &f.result.rows.parts[0].rows[i];
        if (!row_is_live(r, 1700000000))
            continue;
        CU_ASSERT(bytes_equal_text(r->key, live == 0 ? "d" : "e"));
        live++;
    }
    CU_ASSERT_EQUAL(live, 2);
}

/* A page begins behind a partition that has given all its rows, and the next one is read in two
 * rounds: the second counts the rows of that one, not of the one before. */
static void rounds_count_the_rows_of_their_own_partition(void)
{
    static const char *rows[] = {"a", "b", "c"};
    token at = murmur3_token(bytes_text("k"));
    struct scan scan = {.table = TABLE,
                        .after_token = at - 2,
                        .upto_token = at,
                        .rows_max = 2,
                        .rows_per_part = 1,
                        .has_from = true,
                        .from_token = at - 1,
                        .from_key = bytes_text("before"),
                        .from_rows = 1,
                        .now_s = 1700000000};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", rows[i], "v", 10, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(fixture_delete(&f, R(0), "k", "b", 20, LEVEL_ALL), ERR_OK);
    fixture_at(&f, R(0))->down = true;
    CU_ASSERT_EQUAL(fixture_delete(&f, R(1), "k", "a", 20, LEVEL_QUORUM), ERR_OK);
    fixture_at(&f, R(0))->down = false;
    CU_ASSERT_EQUAL(fixture_scan(&f, R(0), &scan, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(f.result.rows.live_rows, 1);
    CU_ASSERT(!f.result.rows.more);
}

static void a_silent_replica_is_speculated_around(void)
{
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "v", 10, LEVEL_ALL), ERR_OK);
    fixture_at(&f, R(1))->down = true;
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_COUNT);
    fixture_elapse(&f, 60 * USEC_PER_MS);
    CU_ASSERT_EQUAL(f.done, 2);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
    CU_ASSERT_EQUAL(coord_stats(fixture_at(&f, R(0))->coord).speculations, 1);
}

static void a_failing_replica_is_replaced(void)
{
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "v", 10, LEVEL_ALL), ERR_OK);
    store_mem_fail_reads(fixture_at(&f, R(1))->store, BYTES_LIT("\x00"), BYTES_LIT("\xff"),
                         ERR_CORRUPT);
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_ALL), ERR_FAILED);
    CU_ASSERT_EQUAL(f.result.failures, 1);
    CU_ASSERT(f.result.data_present);
    CU_ASSERT_EQUAL(engine_stats(fixture_at(&f, R(1))->engine).damaged, 2); /* for the operator */
    store_mem_fail_reads(fixture_at(&f, R(1))->store, BYTES_LIT("\x00"), BYTES_LIT("\xff"), ERR_OK);
}

/* It can still be read, but what it lacks it cannot take. */
static void who_cannot_be_repaired_is_replaced(void)
{
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "old", 10, LEVEL_ALL), ERR_OK);
    fixture_at(&f, R(1))->down = true;
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "new", 20, LEVEL_QUORUM), ERR_OK);
    fixture_at(&f, R(1))->down = false;
    store_mem_fail(fixture_at(&f, R(1))->store, 0, ERR_FULL, "disk full");
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(f.result.rows.live_rows, 1);
    CU_ASSERT(bytes_equal_text(f.result.rows.parts[0].rows[0].cells[0].value, "new"));
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_ALL), ERR_FAILED);
    CU_ASSERT_EQUAL(f.result.failures, 1);
}

/* One that was asked and has not answered is asked again then: with the old question it counts no
 * more, and its link may break without having counted. */
static void who_has_not_answered_replaces_who_cannot_be_repaired(void)
{
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "old", 10, LEVEL_ALL), ERR_OK);
    fixture_at(&f, R(0))->down = true;
    fixture_at(&f, R(1))->down = true;
    CU_ASSERT_EQUAL(fixture_write(&f, R(2), "k", "r", "new", 20, LEVEL_ONE), ERR_OK);
    fixture_at(&f, R(0))->down = false;
    fixture_at(&f, R(0))->frozen = true;
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_COUNT);
    fixture_elapse(&f, 60 * USEC_PER_MS); /* R(2) is asked as well, and R(0) brought up to date */
    fixture_at(&f, R(1))->down = false;
    store_mem_fail(fixture_at(&f, R(0))->store, 0, ERR_FULL, "disk full");
    fixture_at(&f, R(0))->frozen = false;
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 2);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
    CU_ASSERT(same(fixture_stored(&f, R(1), "k", "r"), "new"));
}

/* Without its clock a replica does not know which dots it has minted: it must not mint. */
static void who_cannot_read_its_clock_lets_another_coordinate(void)
{
    struct store *store = fixture_at(&f, R(0))->store;
    store_mem_fail_reads(store, BYTES_LIT("\x00"), BYTES_LIT("\xff"), ERR_CORRUPT);
    for (int i = 0; i < 3; i++) {
        char row[] = {(char)('a' + i), 0};
        CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", row, "v", 10, LEVEL_QUORUM), ERR_OK);
        CU_ASSERT(same(fixture_stored(&f, R(1), "k", row), "v"));
        CU_ASSERT(same(fixture_stored(&f, R(2), "k", row), "v"));
    }
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "z", "v", 10, LEVEL_ALL), ERR_UNAVAILABLE);
    store_mem_fail_reads(store, BYTES_LIT("\x00"), BYTES_LIT("\xff"), ERR_OK);
}

/* The last message of this type goes out once more, changed. */
static void resend(enum wire_type type, void (*change)(struct wire_message *))
{
    for (size_t i = f.queued; i > 0; i--) {
        struct wire_message m;
        node_no from = f.route[i - 1].from;
        if (wire_decode(buf_bytes(&f.queue[i - 1]), &m) != ERR_OK || m.type != type)
            continue;
        change(&m);
        CU_ASSERT(coord_receive(fixture_at(&f, f.route[i - 1].to)->coord, f.now, from, &m));
        fixture_settle(&f);
        return;
    }
    CU_FAIL("no such message");
}

static uint32_t last_ack(void)
{
    struct wire_message m;
    enum err err = wire_decode(buf_bytes(&f.queue[f.queued - 1]), &m);
    return err == ERR_OK && m.type == WIRE_WRITE_ACK ? m.write_ack.err : UINT32_MAX;
}

static node_no liar_names;

static void name_dots_of_the_receiver(struct wire_message *m)
{
    m->write.dot = (struct dot){{liar_names, 1}, DOT_N_MAX};
}

static void name_no_keyspace(struct wire_message *m)
{
    m->write.keyspace = KEYSPACE + 1;
}

/* NULL: move the token, within the same range. */
static void change_part(struct wire_message *m, const struct dot *dot)
{
    struct arena arena = {0};
    struct part p;
    struct buf out;
    CU_ASSERT_EQUAL_FATAL(part_decode(m->write.part, &arena, &p), ERR_OK);
    p.token ^= dot == NULL;
    if (dot != NULL)
        part_set_dot(&p, *dot);
    buf_init(&out, BUF_MAX_DEFAULT);
    part_encode(&p, &out);
    m->write.part = arena_copy(&f.arena, buf_bytes(&out));
    buf_close(&out);
    arena_close(&arena);
}

static void move_the_token(struct wire_message *m)
{
    change_part(m, NULL);
}

static void a_lying_peer_is_refused(void)
{
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "v", 10, LEVEL_ALL), ERR_OK);
    for (uint32_t i = 1; i < 3; i++) {
        liar_names = R(i);
        resend(WIRE_WRITE, name_dots_of_the_receiver);
    }
    CU_ASSERT_EQUAL(last_ack(), ERR_MALFORMED);
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "v", 11, LEVEL_ALL), ERR_OK);
    resend(WIRE_WRITE, name_no_keyspace);
    CU_ASSERT_EQUAL(last_ack(), ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "v", 12, LEVEL_ALL), ERR_OK);
    resend(WIRE_WRITE, move_the_token);
    CU_ASSERT_EQUAL(last_ack(), ERR_MALFORMED);
    /* and all can still write */
    for (uint32_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(fixture_write(&f, R(i), "k", "r", "w", 20 + i, LEVEL_ALL), ERR_OK);
}

static enum err write_row(const char *row, enum level level)
{
    return fixture_write(&f, R(0), "k", row, "v", 10, level);
}

/* Nobody tells any more of what was minted in a life that is over, by a node that does not hold the
 * range, or for what a replica held before. Such a write is held up; it comes with a pull. */
static void a_write_that_nobody_tells_of_is_refused(void)
{
    struct cluster *c = fixture_at(&f, R(1))->cluster;
    range_no range = 0;
    CU_ASSERT_EQUAL(write_row("a", LEVEL_ALL), ERR_OK);
    CU_ASSERT(engine_next_range(fixture_at(&f, R(1))->engine, KEYSPACE, 0, &range));
    cluster_note_life(c, R(0), 1);
    CU_ASSERT_EQUAL(write_row("b", LEVEL_ALL), ERR_OK);
    cluster_set_since(c, KEYSPACE, range, 1000);
    CU_ASSERT_NOT_EQUAL(write_row("c", LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(write_row("d", LEVEL_QUORUM), ERR_OK);
    cluster_set_since(c, KEYSPACE, range, 0);
    CU_ASSERT_EQUAL(write_row("e", LEVEL_ALL), ERR_OK);
    cluster_note_life(c, R(0), 77);
    cluster_note_life(c, R(0), 76);
    CU_ASSERT_EQUAL(cluster_life(c, R(0)), 77);
    CU_ASSERT_NOT_EQUAL(write_row("f", LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(write_row("g", LEVEL_QUORUM), ERR_OK);
}

static struct dot state_of;

static void as_state(struct wire_message *m)
{
    change_part(m, &state_of);
    m->write.dot = (struct dot){{0, 0}, 0};
}

static bool takes_state(node_no minter, const char *row)
{
    state_of = (struct dot){{minter, 9}, 99};
    fixture_at(&f, R(2))->down = true;
    CU_ASSERT_EQUAL(write_row(row, LEVEL_QUORUM), ERR_OK);
    fixture_at(&f, R(2))->down = false;
    resend(WIRE_WRITE, as_state);
    bool there = fixture_stored(&f, R(2), "k", row) != NULL;
    CU_ASSERT_EQUAL(last_ack(), there ? ERR_OK : ERR_BEHIND);
    return there;
}

/* What read repair brings is asked about, too, dot by dot. */
static void nor_is_state_that_nobody_tells_of(void)
{
    struct cluster *c = fixture_at(&f, R(2))->cluster;
    range_no range = 0;
    CU_ASSERT(takes_state(R(0), "a"));
    CU_ASSERT_FALSE(takes_state(fixture_stranger(&f, "k"), "b"));
    CU_ASSERT(engine_next_range(fixture_at(&f, R(2))->engine, KEYSPACE, 0, &range));
    cluster_set_since(c, KEYSPACE, range, 1000);
    CU_ASSERT_FALSE(takes_state(R(0), "c"));
}

/* In its own ring all is with the others. */
static void leave_ring(node_no left, uint64_t ring_epoch)
{
    struct cluster *c = fixture_at(&f, left)->cluster;
    struct cluster_node nodes[FIXTURE_NODES];
    struct ring_node members[FIXTURE_NODES] = {{0}};
    const struct cluster_node *at;
    struct ring *ring;
    uint32_t count = 0;
    CU_ASSERT_EQUAL_FATAL(cluster_nodes(c, &at), FIXTURE_NODES);
    memcpy(nodes, at, sizeof nodes);
    for (size_t i = 0; i < FIXTURE_NODES; i++) {
        if (nodes[i].node == left)
            continue;
        members[count].node = nodes[i].node;
        members[count].weight = 1;
        strcpy(members[count].dc, "dc1");
        strcpy(members[count++].rack, "r1");
    }
    CU_ASSERT_EQUAL_FATAL(ring_plan_fresh(cluster_ranges(c), members, count, &ring), ERR_OK);
    cluster_set_nodes(c, left, nodes, FIXTURE_NODES, ring, ring_epoch + 1);
    cluster_set_ring_epoch(c, ring_epoch);
    ring_free(ring);
}

/* A range that has left a replica is not read there. */
static void what_has_left_is_not_read(void)
{
    node_no left = R(1);
    node_no others[] = {R(0), R(2), fixture_stranger(&f, "k")};
    CU_ASSERT_EQUAL(write_row("a", LEVEL_ALL), ERR_OK);
    leave_ring(left, 1);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        CU_ASSERT_NOT_EQUAL(fixture_read(&f, others[i], "k", 10, LEVEL_ALL), ERR_OK);
        CU_ASSERT_EQUAL(fixture_read(&f, others[i], "k", 10, LEVEL_QUORUM), ERR_OK);
        CU_ASSERT_EQUAL(f.result.rows.parts_count, 1);
    }
}

/* It has just started, and has yet to see what of its data it is to forget. */
static void who_is_not_in_the_ring_yet_is_not_read(void)
{
    struct cluster *c = fixture_at(&f, R(1))->cluster;
    const struct cluster_node *at;
    struct cluster_node nodes[FIXTURE_NODES];
    CU_ASSERT_EQUAL(write_row("a", LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(cluster_nodes(c, &at), FIXTURE_NODES);
    memcpy(nodes, at, sizeof nodes);
    for (unsigned in = 0; in < 2; in++) {
        enum err err = in ? ERR_OK : ERR_FAILED;
        cluster_set_nodes(c, in ? R(1) : 0, nodes, FIXTURE_NODES, cluster_ring(c), 1);
        CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 10, LEVEL_ALL), err);
        CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 10, LEVEL_QUORUM), ERR_OK);
        CU_ASSERT_EQUAL(f.result.rows.parts_count, 1);
    }
}

static void too_much_at_once_is_refused(void)
{
    char big[600000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    fixture_at(&f, R(0))->frozen = true;
    fixture_at(&f, R(1))->down = true;
    fixture_at(&f, R(2))->down = true;
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "a", big, 10, LEVEL_QUORUM), ERR_COUNT);
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "b", big, 10, LEVEL_QUORUM), ERR_OVERLOADED);
    fixture_elapse(&f, 2 * USEC_PER_SEC);
    fixture_at(&f, R(0))->frozen = false;
    fixture_settle(&f);
    CU_ASSERT_EQUAL(coord_in_flight(fixture_at(&f, R(0))->coord), 0);
}

CU_TestInfo coord_tests[] = {
    {"a write that nobody tells of is refused", a_write_that_nobody_tells_of_is_refused},
    {"nor is state that nobody tells of", nor_is_state_that_nobody_tells_of},
    {"a write reaches all replicas", a_write_reaches_all_replicas},
    {"no replica: forwards once", no_replica_forwards_once},
    {"a lost forward goes to the next replica", a_lost_forward_goes_to_the_next_replica},
    {"one replica down is no matter for a quorum", one_replica_down_is_no_matter_for_a_quorum},
    {"two down leave one", two_down_leave_one},
    {"an ack waits for the disk", an_ack_waits_for_the_disk},
    {"reads tell only what is durable", reads_tell_only_what_is_durable},
    {"silence ends in a timeout with its count", silence_ends_in_a_timeout_with_its_count},
    {"lost links end it at once", lost_links_end_it_at_once},
    {"a failing disk is a failed write", a_failing_disk_is_a_failed_write},
    {"a quorum read repairs before it answers", a_quorum_read_repairs_before_it_answers},
    {"a stale coordinator repairs itself", a_stale_coordinator_repairs_itself},
    {"a repair waits for its acks", a_repair_waits_for_its_acks},
    {"an answer during the repair does not count", an_answer_during_the_repair_does_not_count},
    {"deleted rows do not make a read short", deleted_rows_do_not_make_a_read_short},
    {"rounds count the rows of their own partition", rounds_count_the_rows_of_their_own_partition},
    {"a silent replica is speculated around", a_silent_replica_is_speculated_around},
    {"a failing replica is replaced", a_failing_replica_is_replaced},
    {"who cannot be repaired is replaced", who_cannot_be_repaired_is_replaced},
    {"who has not answered replaces who cannot be repaired",
     who_has_not_answered_replaces_who_cannot_be_repaired},
    {"who cannot read its clock lets another coordinate",
     who_cannot_read_its_clock_lets_another_coordinate},
    {"a lying peer is refused", a_lying_peer_is_refused},
    {"what has left is not read", what_has_left_is_not_read},
    {"who is not in the ring yet is not read", who_is_not_in_the_ring_yet_is_not_read},
    {"too much at once is refused", too_much_at_once_is_refused},
    CU_TEST_INFO_NULL,
};
