/* IF: registers, and sessions among replicas. */
#include "unit/node_coord/cluster_fixture.h"

#include "base/mem.h"
#include "base/rng.h"
#include "node/coord/cas_register.h"
#include "ring/murmur3.h"

#include <CUnit/CUnit.h>
#include <string.h>

static struct fixture f;

void cas_setup(void);
void cas_teardown(void);

void cas_setup(void)
{
    fixture_open(&f);
}

void cas_teardown(void)
{
    fixture_close(&f);
}

/* --- registers */

static struct dot ballot(uint64_t n, node_no node)
{
    return (struct dot){{node, 1}, n};
}

static void a_register_keeps_its_promises(void)
{
    struct cas_register r = {0};
    CU_ASSERT(cas_register_prepare(&r, ballot(5, 1), false));
    CU_ASSERT(!cas_register_prepare(&r, ballot(5, 1), false)); /* once */
    CU_ASSERT(!cas_register_prepare(&r, ballot(4, 9), false));
    CU_ASSERT(cas_register_prepare(&r, ballot(7, 1), true));
    CU_ASSERT(cas_register_prepare(&r, ballot(6, 1), true)); /* reads do not exclude each other */
    CU_ASSERT(!cas_register_prepare(&r, ballot(6, 2), false));
    CU_ASSERT(!cas_register_accept(&r, ballot(5, 1), ballot(5, 1), BYTES_LIT("x")));
    CU_ASSERT(cas_register_accept(&r, ballot(8, 1), ballot(5, 1), BYTES_LIT("x")));
    CU_ASSERT(cas_register_in_flight(&r));
    CU_ASSERT(cas_register_done(&r, ballot(8, 1), ballot(5, 1)));
    CU_ASSERT(!cas_register_done(&r, ballot(8, 1), ballot(5, 1)));
    CU_ASSERT(!cas_register_in_flight(&r));
    CU_ASSERT_EQUAL(r.value.len, 0);
    /* Accepted once more by who had not heard that it is done. */
    CU_ASSERT(cas_register_accept(&r, ballot(9, 2), ballot(5, 1), BYTES_LIT("x")));
    CU_ASSERT(!cas_register_in_flight(&r));
    CU_ASSERT(cas_register_accept(&r, ballot(9, 3), ballot(9, 3), BYTES_LIT("y")));
    CU_ASSERT(cas_register_in_flight(&r));
}

static struct cas_register some_register(struct rng *rng)
{
    struct cas_register r = {.keyspace = (keyspace_no)rng_below(rng, 9)};
    for (int i = 0; i < 8; i++) {
        struct dot b = ballot(1 + rng_below(rng, 20), 1 + (node_no)rng_below(rng, 3));
        switch (rng_below(rng, 4)) {
        case 0: (void)cas_register_prepare(&r, b, false); break;
        case 1: (void)cas_register_prepare(&r, b, true); break;
        case 2: (void)cas_register_accept(&r, b, b, BYTES_LIT("value")); break;
        default: (void)cas_register_done(&r, b, b); break;
        }
    }
    return r;
}

static bool not_below(struct dot a, struct dot b)
{
    return ballot_order(a, b) >= 0;
}

/* Encoding loses nothing; what two know together forgets nothing; no bytes do harm. */
static void registers_survive_encoding_and_merging(void)
{
    struct rng rng;
    rng_init(&rng, 7);
    for (int i = 0; i < 20000; i++) {
        struct cas_register a = some_register(&rng), b = some_register(&rng), again;
        struct buf bytes;
        buf_init(&bytes, 4096);
        cas_register_encode(&a, &bytes);
        CU_ASSERT_FATAL(cas_register_decode(buf_bytes(&bytes), &again) == ERR_OK);
        CU_ASSERT(memcmp(&again.promised, &a.promised, sizeof a.promised) == 0);
        CU_ASSERT_EQUAL(ballot_order(again.accepted, a.accepted), 0);
        CU_ASSERT_EQUAL(ballot_order(again.done, a.done), 0);
        CU_ASSERT(bytes_equal(again.value, a.value));
        bytes.data[rng_below(&rng, bytes.len)] ^= (uint8_t)(1 + rng_below(&rng, 255));
        enum err err = cas_register_decode(buf_bytes(&bytes), &again);
        CU_ASSERT(err == ERR_OK || err == ERR_MALFORMED);
        CU_ASSERT(cas_register_decode(bytes_make(bytes.data, bytes.len - 1), &again) != ERR_OK ||
                  bytes.len == 0);
        struct cas_register both = a;
        cas_register_merge(&both, &b);
        CU_ASSERT(not_below(both.promised, a.promised) && not_below(both.promised, b.promised));
        CU_ASSERT(not_below(both.read_promised, b.read_promised));
        CU_ASSERT(not_below(both.accepted, a.accepted) && not_below(both.accepted, b.accepted));
        CU_ASSERT(not_below(both.done, a.done) && not_below(both.done, b.done));
        CU_ASSERT(not_below(both.promised, both.accepted));
        CU_ASSERT(!cas_register_in_flight(&both) || both.value.len > 0);
        buf_close(&bytes);
    }
}

/* --- sessions */

static struct coord_cas ask_for(const char *key, bool read_only)
{
    return (struct coord_cas){.keyspace = KEYSPACE,
                              .scan = {.table = TABLE,
                                       .single = true,
                                       .token = murmur3_token(bytes_text(key)),
                                       .key = bytes_text(key),
                                       .now_s = f.now.wall / USEC_PER_SEC},
                              .read_only = read_only,
                              .serial = LEVEL_SERIAL,
                              .level = LEVEL_QUORUM,
                              .timeout_us = 2 * USEC_PER_SEC};
}

/* Up to the rows, or the end. */
static enum coord_cas_end begin(node_no via, const char *key, bool read_only)
{
    struct coord_cas cas = ask_for(key, read_only);
    f.done = 0;
    coord_cas_start(fixture_at(&f, via)->coord, f.now, 70, &cas);
    fixture_settle(&f);
    for (int i = 0; i < 40 && f.done == 0; i++)
        fixture_elapse(&f, 50 * USEC_PER_MS);
    return f.done == 70 ? f.result.cas : CAS_NONE;
}

static struct part change(const char *key, const char *value)
{
    struct row *r = arena_new(&f.arena, struct row);
    struct cell *c = arena_new(&f.arena, struct cell);
    struct part p = {.table = TABLE,
                     .token = murmur3_token(bytes_text(key)),
                     .key = bytes_text(key),
                     .deletion = TOMB_NONE,
                     .rows = r,
                     .rows_count = 1};
    p.static_row.deletion = TOMB_NONE;
    *c = (struct cell){
        .column = 1, .kind = CELL_LIVE, .timestamp = ++f.now.wall, .value = bytes_text(value)};
    *r = (struct row){.key = BYTES_LIT("r"), .deletion = TOMB_NONE, .cells = c, .cells_count = 1};
    part_normalise(&p, &f.arena);
    return p;
}

static const char *seen(void)
{
    if (f.result.rows.parts_count == 0 || f.result.rows.parts[0].rows_count == 0)
        return "";
    return arena_text(&f.arena, f.result.rows.parts[0].rows[0].cells[0].value);
}

static void propose(node_no via, const struct part *p)
{
    struct mutation m = {.keyspace = KEYSPACE};
    if (p != NULL)
        m.part = *p;
    f.done = 0;
    coord_cas_propose(fixture_at(&f, via)->coord, f.now, 70, 71, p != NULL ? &m : NULL);
}

static void one_after_the_other(void)
{
    for (node_no via = 1; via <= FIXTURE_NODES; via++) { /* a stranger is among them */
        const char *const values[] = {"", "a", "b", "c", "d"};
        CU_ASSERT_EQUAL_FATAL(begin(via, "k", false), CAS_ROWS);
        CU_ASSERT_STRING_EQUAL(seen(), values[via - 1]);
        struct part p = change("k", values[via]);
        propose(via, &p);
        fixture_settle(&f);
        CU_ASSERT_EQUAL(f.done, 71);
        CU_ASSERT_EQUAL(f.result.cas, CAS_APPLIED);
    }
    CU_ASSERT_EQUAL(begin(2, "k", true), CAS_ROWS);
    CU_ASSERT_STRING_EQUAL(seen(), "d");
    CU_ASSERT_EQUAL(begin(1, "k", false), CAS_ROWS);
    propose(1, NULL);
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.result.cas, CAS_NOT_APPLIED);
    for (node_no i = 1; i <= FIXTURE_NODES; i++)
        CU_ASSERT_EQUAL(coord_in_flight(fixture_at(&f, i)->coord), 0);
}

/* Its coordinator dies when all have accepted: whoever comes next applies it. */
static void what_is_in_flight_is_finished(void)
{
    node_no dies = fixture_replica(&f, "k", 0);
    node_no next = fixture_replica(&f, "k", 1);
    CU_ASSERT_EQUAL_FATAL(begin(dies, "k", false), CAS_ROWS);
    struct part p = change("k", "left");
    propose(dies, &p);
    fixture_settle_without(&f, dies);
    fixture_at(&f, dies)->down = true;
    fixture_set_alive(&f, dies, false);
    CU_ASSERT_EQUAL(begin(next, "k", true), CAS_ROWS);
    CU_ASSERT_STRING_EQUAL(seen(), "left");
    CU_ASSERT_STRING_EQUAL(fixture_stored(&f, next, "k", "r"), "left");
}

/* No quorum: refused at once, and nothing is done. */
static void without_a_quorum(void)
{
    node_no via = fixture_replica(&f, "k", 0);
    fixture_set_alive(&f, fixture_replica(&f, "k", 1), false);
    fixture_set_alive(&f, fixture_replica(&f, "k", 2), false);
    CU_ASSERT_EQUAL(begin(via, "k", false), CAS_NONE);
    CU_ASSERT_EQUAL(f.result.err, ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(f.result.kind, WRITE_CAS);
    CU_ASSERT_EQUAL(f.result.required, 2);
}

/* Who counts other replicas than a replica does gets no vote of it. */
static void another_electorate_is_refused(void)
{
    struct wire_message m = {.type = WIRE_CAS_ACCEPT};
    node_no to = fixture_replica(&f, "k", 1);
    const struct coord_effect *effects;
    m.cas_accept = (struct wire_cas_accept){.request = 1,
                                            .keyspace = KEYSPACE,
                                            .electorate = 12345,
                                            .table = TABLE,
                                            .key = BYTES_LIT("k"),
                                            .ballot = ballot(9, 1),
                                            .origin = ballot(9, 1),
                                            .value = BYTES_LIT("x")};
    CU_ASSERT(coord_receive(fixture_at(&f, to)->coord, f.now, 1, &m));
    CU_ASSERT_EQUAL_FATAL(coord_effects(fixture_at(&f, to)->coord, &effects), 1);
    CU_ASSERT_EQUAL(effects[0].send.message.cas_accepted.err, ERR_STALE);
    CU_ASSERT(!effects[0].send.message.cas_accepted.ok);
    coord_clear(fixture_at(&f, to)->coord);
}

static void a_table_takes_its_registers_along(void)
{
    node_no at = fixture_replica(&f, "k", 1);
    struct engine *engine = fixture_at(&f, at)->engine;
    struct buf name, value;
    buf_init(&name, 4096);
    buf_init(&value, 4096);
    CU_ASSERT_EQUAL_FATAL(begin(1, "k", true), CAS_ROWS);
    CU_ASSERT_EQUAL(engine_fact_next(engine, BYTES_LIT("p/"), BYTES_LIT("p/"), &name, &value),
                    ERR_OK);
    CU_ASSERT(coord_cas_drop_table(fixture_at(&f, at)->coord, TABLE, 100));
    CU_ASSERT_EQUAL(engine_fact_next(engine, BYTES_LIT("p/"), BYTES_LIT("p/"), &name, &value),
                    ERR_NOT_FOUND);
    buf_close(&name);
    buf_close(&value);
}

/* What it knows of is for the owners of before. */
static void registers_are_told_by_who_knows_of_the_move(void)
{
    node_no at = fixture_replica(&f, "k", 1);
    struct coord *coord = fixture_at(&f, at)->coord;
    const struct coord_effect *effects;
    struct wire_message m = {.type = WIRE_CAS_FETCH, .from = fixture_replica(&f, "k", 0)};
    for (uint64_t epoch = 5; epoch <= 6; epoch++) {
        m.cas_fetch = (struct wire_cas_fetch){1, 6, BYTES_NONE};
        cluster_set_ring_epoch(fixture_at(&f, at)->cluster, epoch);
        coord_clear(coord);
        CU_ASSERT(coord_receive(coord, f.now, m.from, &m));
        CU_ASSERT_EQUAL_FATAL(coord_effects(coord, &effects), 1);
        CU_ASSERT_EQUAL(effects[0].send.message.cas_registers.err, epoch < 6 ? ERR_STALE : ERR_OK);
    }
    coord_clear(coord);
}

CU_TestInfo cas_tests[] = {
    {"a register keeps its promises", a_register_keeps_its_promises},
    {"registers survive encoding and merging", registers_survive_encoding_and_merging},
    {"one after the other", one_after_the_other},
    {"what is in flight is finished by who comes next", what_is_in_flight_is_finished},
    {"without a quorum", without_a_quorum},
    {"another electorate is refused", another_electorate_is_refused},
    {"a table takes its registers along", a_table_takes_its_registers_along},
    {"registers are told by who knows of the move", registers_are_told_by_who_knows_of_the_move},
    CU_TEST_INFO_NULL,
};
