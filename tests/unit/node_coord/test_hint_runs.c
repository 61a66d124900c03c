/* Hints among four nodes, RF 3: writes that too few replicas can take are kept for them, and
 * brought. */
#include "node/coord/heal_host.h"
#include "ring/murmur3.h"
#include "storage/store_mem.h"
#include "unit/node_coord/cluster_fixture.h"

#include <CUnit/CUnit.h>
#include <string.h>

static struct fixture f;
void hint_runs_setup(void);
void hint_runs_teardown(void);

void hint_runs_setup(void)
{
    fixture_open(&f);
}

void hint_runs_teardown(void)
{
    fixture_close(&f);
}

static node_no owner(uint32_t place)
{
    return fixture_replica(&f, "k", place);
}

static node_no stranger(void)
{
    return fixture_stranger(&f, "k");
}

static struct coord *coord_of(node_no node)
{
    return fixture_at(&f, node)->coord;
}

static void set_sloppy(bool sloppy)
{
    for (node_no i = 1; i <= FIXTURE_NODES; i++)
        cluster_set_sloppy(fixture_at(&f, i)->cluster, KEYSPACE, sloppy);
}

static void owners_die(uint32_t from)
{
    for (uint32_t i = from; i < 3; i++)
        fixture_die(&f, owner(i));
}

static void owners_come_back(uint32_t from)
{
    for (uint32_t i = from; i < 3; i++)
        fixture_come_back(&f, owner(i));
}

static bool has(uint32_t place, const char *row, const char *value)
{
    return fixture_has(&f, owner(place), "k", row, value);
}

static bool says_hint(const char *what)
{
    return strstr(arena_text(&f.arena, f.result.receipt), what) != NULL;
}

static void any_is_kept_until_an_owner_is_back(void)
{
    owners_die(0);
    f.receipt = true;
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "r", "v", 10, LEVEL_ONE), ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "r", "v", 10, LEVEL_ANY), ERR_OK);
    CU_ASSERT_EQUAL(f.result.hinted, 1);
    CU_ASSERT(says_hint("\"kept\":\"hint\""));
    CU_ASSERT(says_hint("\"state\":\"kept\""));
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 1);
    fixture_restart(&f, stranger());
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 1);
    for (int i = 0; i < 5; i++)
        fixture_elapse(&f, USEC_PER_SEC);
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 1);
    fixture_come_back(&f, owner(2));
    fixture_elapse(&f, 2 * USEC_PER_SEC);
    CU_ASSERT(has(2, "r", "v"));
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 0);
    CU_ASSERT_EQUAL(coord_stats(coord_of(stranger())).hints_delivered, 1);
}

/* While one of them lives, it is asked; when it says nothing for half of the time, the write is
 * kept, and when it does not say that it has it, that is no loss. */
static void any_waits_for_half_of_the_time(void)
{
    for (uint32_t i = 0; i < 3; i++)
        fixture_at(&f, owner(i))->frozen = true;
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "r", "v", 10, LEVEL_ANY), ERR_COUNT);
    fixture_elapse(&f, 900 * USEC_PER_MS);
    CU_ASSERT_EQUAL(f.done, 0);
    fixture_elapse(&f, 200 * USEC_PER_MS);
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
    CU_ASSERT_EQUAL(f.result.hinted, 1);
}

static void an_owner_that_answers_is_enough(void)
{
    owners_die(1);
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "r", "v", 10, LEVEL_ANY), ERR_OK);
    CU_ASSERT_EQUAL(f.result.hinted, 0);
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 0);
    CU_ASSERT(has(0, "r", "v"));
}

static void it_is_acked_when_the_disk_has_it(void)
{
    owners_die(0);
    fixture_at(&f, stranger())->frozen = true;
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "r", "v", 10, LEVEL_ANY), ERR_COUNT);
    fixture_at(&f, stranger())->frozen = false;
    fixture_settle(&f);
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
}

static void it_goes_when_the_targets_disk_has_it(void)
{
    owners_die(0);
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "r", "v", 10, LEVEL_ANY), ERR_OK);
    fixture_come_back(&f, owner(0));
    fixture_at(&f, owner(0))->frozen = true;
    fixture_elapse(&f, 2 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 1);
    fixture_die(&f, owner(0)); /* with what its disk did not have */
    fixture_at(&f, owner(0))->frozen = false;
    fixture_come_back(&f, owner(0));
    for (int i = 0; i < 5; i++)
        fixture_elapse(&f, USEC_PER_SEC);
    CU_ASSERT(has(0, "r", "v"));
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 0);
}

static void two_of_a_row_are_one(void)
{
    owners_die(0);
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "r", "new", 20, LEVEL_ANY), ERR_OK);
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "r", "old", 10, LEVEL_ANY), ERR_OK);
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "s", "gone", 10, LEVEL_ANY), ERR_OK);
    CU_ASSERT_EQUAL(fixture_delete(&f, stranger(), "k", "s", 30, LEVEL_ANY), ERR_OK);
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 2);
    owners_come_back(0);
    fixture_elapse(&f, 2 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 0);
    for (uint32_t i = 0; i < 3; i++) {
        CU_ASSERT(has(i, "r", "new"));
        CU_ASSERT_PTR_NULL(fixture_stored(&f, owner(i), "k", "s"));
    }
}

static void a_bound_refuses_what_is_new(void)
{
    int kept = 0;
    enum err err = ERR_OK;
    owners_die(0);
    while (err == ERR_OK && kept < 1000) {
        char *row = arena_printf(&f.arena, "r%d", kept);
        err = fixture_write(&f, stranger(), "k", row, "v", 10, LEVEL_ANY);
        kept += err == ERR_OK;
    }
    CU_ASSERT_EQUAL(err, ERR_OVERLOADED);
    CU_ASSERT(f.result.hints_full);
    CU_ASSERT(kept > 5 && kept < 200);
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), (size_t)kept);
    CU_ASSERT(coord_hints_bytes(coord_of(stranger())) <= FIXTURE_HINTS);
    owners_come_back(0);
    for (int i = 0; i < 10; i++)
        fixture_elapse(&f, USEC_PER_SEC);
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 0);
    CU_ASSERT(has(0, "r0", "v"));
    CU_ASSERT(has(0, arena_printf(&f.arena, "r%d", kept - 1), "v"));
}

static void a_window_refuses_what_is_new(void)
{
    owners_die(0);
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "r", "v", 10, LEVEL_ANY), ERR_OK);
    fixture_elapse(&f, FIXTURE_HINTS_WINDOW + USEC_PER_SEC);
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "s", "v", 10, LEVEL_ANY), ERR_OVERLOADED);
    fixture_restart(&f, stranger());
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "s", "v", 10, LEVEL_ANY), ERR_OVERLOADED);
    owners_come_back(0);
    fixture_elapse(&f, 2 * USEC_PER_SEC);
    CU_ASSERT(has(0, "r", "v"));
    owners_die(0);
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "s", "v", 10, LEVEL_ANY), ERR_OK);
}

/* --- who heals is asked */

static struct {
    uint64_t rate;
    size_t went, refused;
    node_no to, target;
} told;

static uint64_t host_rate(void *arg, struct now now)
{
    (void)arg;
    (void)now;
    return told.rate;
}

static void host_go(void *arg, struct now now, node_no to)
{
    (void)arg;
    (void)now;
    told.went++;
    told.to = to;
}

static void host_refused(void *arg, struct now now, keyspace_no keyspace, range_no range,
                         node_no target)
{
    (void)arg;
    (void)now;
    (void)range;
    CU_ASSERT_EQUAL(keyspace, KEYSPACE);
    told.refused++;
    told.target = target;
}

static const struct heal_host host = {NULL, host_rate, host_go, host_refused, NULL, NULL};

static struct coord_hint_queue queue_of(node_no keeper)
{
    struct coord_hint_queue *queues;
    CU_ASSERT_EQUAL_FATAL(coord_hint_queues(coord_of(keeper), f.now, &f.arena, &queues), 1);
    return queues[0];
}

/* So many that there are several pages at this rate. */
static void hints_go_as_fast_as_who_heals_says(void)
{
    told.rate = 4096;
    told.went = told.refused = 0;
    owners_die(0);
    for (int i = 0; i < 20; i++) {
        char *key = arena_printf(&f.arena, "r%d", i);
        CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", key, "v", 10, LEVEL_ANY), ERR_OK);
    }
    coord_heal_host(coord_of(stranger()), &host);
    owners_come_back(0);
    fixture_elapse(&f, USEC_PER_SEC);
    CU_ASSERT_EQUAL(told.went, 1);
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 0); /* of one partition, so one write */
    owners_die(0);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "r", "v", 20 + i, LEVEL_ANY), ERR_OK);
    owners_come_back(0);
    fixture_elapse(&f, USEC_PER_SEC / 4); /* the time of what went is not over */
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 1);
    struct coord_hint_queue q = queue_of(stranger());
    CU_ASSERT(q.pause > 0 && q.stuck == 0);
    CU_ASSERT(q.rate > 0);
    for (int i = 0; i < 3; i++)
        fixture_elapse(&f, USEC_PER_SEC);
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 0);
    CU_ASSERT_EQUAL(told.went, 2);
    owners_die(0);
    fixture_elapse(&f, 20 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "s", "v", 30, LEVEL_ANY), ERR_OK);
    CU_ASSERT_EQUAL(queue_of(stranger()).rate, 0); /* what went long ago is no rate */
}

static void a_refusal_is_told(void)
{
    enum err err = ERR_OK;
    told.went = told.refused = 0;
    owners_die(0);
    coord_heal_host(coord_of(stranger()), &host);
    for (int i = 0; i < 1000 && err == ERR_OK; i++)
        err = fixture_write(&f, stranger(), "k", arena_printf(&f.arena, "r%d", i), "v", 10,
                            LEVEL_ANY);
    CU_ASSERT_EQUAL(err, ERR_OVERLOADED);
    CU_ASSERT_EQUAL(told.refused, 1);
    CU_ASSERT(told.target == owner(0) || told.target == owner(1) || told.target == owner(2));
}

/* An owner has it already, so nobody knows whether it will be: but why it cannot be now is told. */
static void a_refusal_of_a_stand_in_is_told(void)
{
    enum err err = ERR_OK;
    set_sloppy(true);
    owners_die(1);
    for (int i = 0; i < 1000 && err == ERR_OK; i++)
        err = fixture_write(&f, owner(0), "k", arena_printf(&f.arena, "r%d", i), "v", 10,
                            LEVEL_QUORUM);
    CU_ASSERT_EQUAL(err, ERR_TIMEOUT);
    CU_ASSERT(f.result.hints_full);
}

static void sloppy_counts_who_stands_in(void)
{
    owners_die(1);
    CU_ASSERT_EQUAL(fixture_write(&f, owner(0), "k", "r", "v", 10, LEVEL_QUORUM), ERR_UNAVAILABLE);
    set_sloppy(true);
    f.receipt = true;
    CU_ASSERT_EQUAL(fixture_write(&f, owner(0), "k", "r", "v", 10, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(f.result.hinted, 1);
    CU_ASSERT_EQUAL(f.result.received, 2);
    CU_ASSERT(says_hint("\"hints\":1"));
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 1);
    CU_ASSERT_EQUAL(fixture_write(&f, owner(0), "k", "r", "v", 10, LEVEL_ALL), ERR_UNAVAILABLE);
    /* From anywhere: it is handed to the one that is there. */
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "s", "w", 10, LEVEL_QUORUM), ERR_OK);
    CU_ASSERT_EQUAL(f.result.hinted, 1);
    owners_come_back(1);
    fixture_elapse(&f, 2 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 0);
    CU_ASSERT(has(1, "r", "v") && has(1, "s", "w"));
}

/* It is for its target alone: who has acked it already is no second copy. */
static void a_stand_in_brings_it_to_its_target(void)
{
    set_sloppy(true);
    owners_die(1);
    CU_ASSERT_EQUAL(fixture_write(&f, owner(0), "k", "r", "v", 10, LEVEL_QUORUM), ERR_OK);
    fixture_come_back(&f, owner(2));
    for (int i = 0; i < 5; i++)
        fixture_elapse(&f, USEC_PER_SEC);
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 1); /* for owner 1 */
    fixture_come_back(&f, owner(1));
    fixture_elapse(&f, 2 * USEC_PER_SEC);
    CU_ASSERT(has(1, "r", "v"));
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 0);
}

/* The only stand-in that there is dies before it says that it has it. */
static void who_stands_in_and_dies_does_not_count(void)
{
    set_sloppy(true);
    owners_die(1);
    fixture_at(&f, stranger())->frozen = true;
    CU_ASSERT_EQUAL(fixture_write(&f, owner(0), "k", "r", "v", 10, LEVEL_QUORUM), ERR_COUNT);
    fixture_die(&f, stranger());
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, ERR_TIMEOUT);
}

/* An owner that is lost while it is waited for is stood in for. */
static void who_is_lost_is_stood_in_for(void)
{
    set_sloppy(true);
    fixture_die(&f, owner(2));
    fixture_at(&f, owner(1))->frozen = true;
    CU_ASSERT_EQUAL(fixture_write(&f, owner(0), "k", "r", "v", 10, LEVEL_QUORUM), ERR_COUNT);
    fixture_die(&f, owner(1));
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
    CU_ASSERT_EQUAL(f.result.hinted, 1);
}

/* One that is only slow, when half of the time is over. */
static void who_is_slow_is_stood_in_for(void)
{
    set_sloppy(true);
    fixture_die(&f, owner(2));
    fixture_at(&f, owner(1))->frozen = true;
    CU_ASSERT_EQUAL(fixture_write(&f, owner(0), "k", "r", "v", 10, LEVEL_QUORUM), ERR_COUNT);
    fixture_elapse(&f, 1100 * USEC_PER_MS);
    CU_ASSERT_EQUAL(f.done, 1);
    CU_ASSERT_EQUAL(f.result.err, ERR_OK);
    CU_ASSERT_EQUAL(f.result.hinted, 1);
    fixture_at(&f, owner(1))->frozen = false;
    fixture_settle(&f);
    fixture_elapse(&f, 2 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 0);
}

/* Too few nodes to stand in for all: the level is not met, whoever is asked. */
static void without_owners_hints_alone_may_be_enough(void)
{
    set_sloppy(true);
    owners_die(0);
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "r", "v", 10, LEVEL_ONE), ERR_OK);
    CU_ASSERT_EQUAL(f.result.hinted, 1);
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "r", "v", 10, LEVEL_QUORUM),
                    ERR_UNAVAILABLE);
    owners_come_back(0);
    fixture_elapse(&f, 2 * USEC_PER_SEC);
    CU_ASSERT(has(0, "r", "v"));
}

static void increments_and_if_make_none(void)
{
    set_sloppy(true);
    owners_die(1);
    CU_ASSERT_EQUAL(fixture_count(&f, owner(0), "k", "r", 1, 1, LEVEL_QUORUM), ERR_UNAVAILABLE);
    fixture_die(&f, owner(0));
    CU_ASSERT_EQUAL(fixture_count(&f, stranger(), "k", "r", 1, 1, LEVEL_ANY), ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 0);
}

/* A deletion that all have agreed to forget is not undone by a hint that is older. What is newer is
 * written, also of the same row; so is a deletion, which brings nothing back. */
static void what_was_deleted_and_forgotten_stays_away(void)
{
    owners_die(0);
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "old", "v", 10, LEVEL_ANY), ERR_OK);
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "new", "v", 30, LEVEL_ANY), ERR_OK);
    CU_ASSERT_EQUAL(fixture_delete(&f, stranger(), "k", "dead", 10, LEVEL_ANY), ERR_OK);
    for (uint32_t i = 0; i < 3; i++) {
        struct fixture_node *n = fixture_at(&f, owner(i));
        n->down = false;
        for (uint32_t k = 0; k < 3; k++)
            cluster_set_alive(n->cluster, owner(k), true);
    }
    CU_ASSERT_EQUAL(fixture_write(&f, owner(0), "k", "dead", "v", 5, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(fixture_write(&f, owner(0), "k", "old", "v", 5, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(fixture_delete(&f, owner(0), "k", "old", 20, LEVEL_ALL), ERR_OK);
    const struct part *p = fixture_part(&f, owner(0), "k");
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    range_no range = ring_range_of(p->token, cluster_ranges(fixture_at(&f, 1)->cluster));
    for (uint32_t i = 0; i < 3; i++) {
        struct fixture_node *n = fixture_at(&f, owner(i));
        bool done = false;
        struct clock agreed;
        clock_init(&agreed);
        clock_copy(&agreed, engine_clock(n->engine, KEYSPACE, range));
        CU_ASSERT_EQUAL(engine_purge(n->engine, KEYSPACE, range, &agreed, 0, 1000, &done), ERR_OK);
        CU_ASSERT_EQUAL(engine_purged_bound(n->engine, TABLE, p->token), 20);
        clock_close(&agreed);
    }
    owners_come_back(0);
    fixture_elapse(&f, 2 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 0);
    for (uint32_t i = 0; i < 3; i++) {
        CU_ASSERT_PTR_NULL(fixture_stored(&f, owner(i), "k", "old"));
        CU_ASSERT_PTR_NULL(fixture_stored(&f, owner(i), "k", "dead"));
        CU_ASSERT(has(i, "new", "v"));
    }
    CU_ASSERT(coord_stats(coord_of(stranger())).hints_left_out > 0);
}

static void a_table_that_is_gone_takes_them_along(void)
{
    const struct cluster_table other = {TABLE + 1, KEYSPACE};
    owners_die(0);
    CU_ASSERT_EQUAL(fixture_write(&f, stranger(), "k", "r", "v", 10, LEVEL_ANY), ERR_OK);
    cluster_set_tables(fixture_at(&f, stranger())->cluster, &other, 1, 100);
    fixture_elapse(&f, 2 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 0);
    CU_ASSERT_EQUAL(coord_stats(coord_of(stranger())).hints_dropped, 1);
}

/* Whoever leaves waits for nobody: the other owners get it, at QUORUM. */
static void who_leaves_gives_them_to_the_other_owners(void)
{
    owners_die(1);
    set_sloppy(true);
    CU_ASSERT_EQUAL(fixture_write(&f, owner(0), "k", "r", "v", 10, LEVEL_QUORUM), ERR_OK);
    coord_hints_hand_on(coord_of(stranger()), f.now);
    for (int i = 0; i < 5; i++)
        fixture_elapse(&f, USEC_PER_SEC);
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())),
                    1); /* there is no quorum, nor a fifth node */
    fixture_come_back(&f, owner(2));
    for (int i = 0; i < 60; i++)
        fixture_elapse(&f, USEC_PER_SEC);
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 0);
    CU_ASSERT(has(2, "r", "v"));
}

/* Or another node keeps it, with the age that it has. */
static void who_leaves_hands_them_on(void)
{
    struct coord_hint_queue *queues;
    struct wire_message m = {.type = WIRE_HINT_KEEP};
    struct buf part;
    CU_ASSERT_EQUAL(fixture_write(&f, owner(0), "k", "r", "v", 10, LEVEL_ALL), ERR_OK);
    struct part p = *fixture_part(&f, owner(0), "k");
    buf_init(&part, 1 << 16);
    p.rows[0].cells[0].timestamp = 20;
    p.rows[0].cells[0].value = BYTES_LIT("w");
    part_set_dot(&p, (struct dot){{0, 0}, 0});
    part_encode(&p, &part);
    m.hint_keep = (struct wire_hint_keep){.target = owner(1),
                                          .keyspace = KEYSPACE,
                                          .part = buf_bytes(&part),
                                          .since = f.now.wall - 77};
    owners_die(1);
    CU_ASSERT(coord_receive(coord_of(owner(0)), f.now, stranger(), &m));
    fixture_settle(&f);
    buf_close(&part);
    CU_ASSERT_EQUAL(coord_hints(coord_of(owner(0))), 1);
    usec since = f.now.wall - 77;
    coord_hints_hand_on(coord_of(owner(0)), f.now);
    for (int i = 0; i < 10; i++)
        fixture_elapse(&f, USEC_PER_SEC);
    CU_ASSERT_EQUAL(coord_hints(coord_of(owner(0))), 0);
    CU_ASSERT_EQUAL(coord_stats(coord_of(owner(0))).hints_handed_on, 1);
    CU_ASSERT_EQUAL_FATAL(coord_hint_queues(coord_of(stranger()), f.now, &f.arena, &queues), 1);
    CU_ASSERT_EQUAL(queues[0].target, owner(1));
    CU_ASSERT_EQUAL(queues[0].oldest, since);
    owners_come_back(1);
    fixture_elapse(&f, 2 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(coord_hints(coord_of(stranger())), 0);
    CU_ASSERT(has(1, "r", "w"));
}

static range_no range_of(const char *key)
{
    return ring_range_of(murmur3_token(bytes_text(key)),
                         cluster_ranges(fixture_at(&f, 1)->cluster));
}

/* Another range of the very same replicas. */
static const char *key_beside(const char *key)
{
    for (int i = 0;; i++) {
        const char *other = arena_printf(&f.arena, "o%d", i);
        bool same = range_of(other) != range_of(key);
        for (uint32_t k = 0; k < 3; k++)
            same = same && fixture_replica(&f, other, k) == fixture_replica(&f, key, k);
        if (same)
            return other;
    }
}

/* A range that is damaged where it has no other replica stays so until somebody decides: what waits
 * for the others is no worse off for it. */
static void what_cannot_go_stops_nothing_else(void)
{
    const char *other = key_beside("k");
    node_no via = stranger();
    int stuck = 0;
    owners_die(0);
    for (int i = 0; stuck < 32; i++) {
        const char *key = arena_printf(&f.arena, "s%d", i);
        if (range_of(key) != range_of("k"))
            continue;
        CU_ASSERT_EQUAL(fixture_write(&f, via, key, "r", "v", 10, LEVEL_ANY), ERR_OK);
        stuck++;
    }
    CU_ASSERT_EQUAL(fixture_write(&f, via, other, "r", "v", 10, LEVEL_ANY), ERR_OK);
    CU_ASSERT_EQUAL(coord_hints(coord_of(via)), 33);
    owners_come_back(0);
    for (uint32_t i = 0; i < 3; i++)
        engine_set_lost(fixture_at(&f, owner(i))->engine, KEYSPACE, range_of("k"));
    for (int i = 0; i < 300; i++)
        fixture_elapse(&f, USEC_PER_SEC);
    CU_ASSERT_EQUAL(coord_hints(coord_of(via)), 32);
    bool came = false;
    for (uint32_t i = 0; i < 3; i++)
        came |= fixture_has(&f, owner(i), other, "r", "v");
    CU_ASSERT(came);
}

CU_TestInfo hint_runs_tests[] = {
    {"what cannot go stops nothing else", what_cannot_go_stops_nothing_else},
    {"any is kept until an owner is back", any_is_kept_until_an_owner_is_back},
    {"any waits for half of the time", any_waits_for_half_of_the_time},
    {"an owner that answers is enough", an_owner_that_answers_is_enough},
    {"it is acked when the disk has it", it_is_acked_when_the_disk_has_it},
    {"it goes when the target's disk has it", it_goes_when_the_targets_disk_has_it},
    {"two of a row are one", two_of_a_row_are_one},
    {"a bound refuses what is new", a_bound_refuses_what_is_new},
    {"a window refuses what is new", a_window_refuses_what_is_new},
    {"hints go as fast as who heals says", hints_go_as_fast_as_who_heals_says},
    {"a refusal is told", a_refusal_is_told},
    {"a refusal of a stand-in is told", a_refusal_of_a_stand_in_is_told},
    {"sloppy counts who stands in", sloppy_counts_who_stands_in},
    {"a stand-in brings it to its target", a_stand_in_brings_it_to_its_target},
    {"who stands in and dies does not count", who_stands_in_and_dies_does_not_count},
    {"who is lost is stood in for", who_is_lost_is_stood_in_for},
    {"who is slow is stood in for", who_is_slow_is_stood_in_for},
    {"without owners hints alone may be enough", without_owners_hints_alone_may_be_enough},
    {"increments and IF make none", increments_and_if_make_none},
    {"what was deleted and forgotten stays away", what_was_deleted_and_forgotten_stays_away},
    {"a table that is gone takes them along", a_table_that_is_gone_takes_them_along},
    {"who leaves gives them to the other owners", who_leaves_gives_them_to_the_other_owners},
    {"who leaves hands them on", who_leaves_hands_them_on},
    CU_TEST_INFO_NULL,
};
