/* What is said of a request that somebody follows, on every node that acts for it. */
#include "unit/node_coord/cluster_fixture.h"

#include <CUnit/CUnit.h>
#include <string.h>

static struct fixture f;
void tracing_setup(void);
void tracing_teardown(void);

void tracing_setup(void)
{
    fixture_open(&f);
}

void tracing_teardown(void)
{
    fixture_close(&f);
}

#define R(place) fixture_replica(&f, "k", place)

static struct tracing *of(node_no node)
{
    return coord_tracing(fixture_at(&f, node)->coord);
}

/* Some event of the session on that node begins so. */
static bool says(node_no node, const struct uuid *id, const char *begin)
{
    const struct trace_session *s = tracing_find(of(node), id);
    for (size_t i = 0; s != NULL && i < s->count; i++) {
        if (strncmp(s->events[i].text, begin, strlen(begin)) == 0)
            return true;
    }
    return false;
}

static void every_replica_says_what_it_did(void)
{
    node_no stranger = fixture_stranger(&f, "k");
    struct trace_session *s = tracing_begin(of(stranger), f.now);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    struct uuid id = s->id;
    struct uuid before = tracing_enter(of(stranger), f.now, &id);
    CU_ASSERT_EQUAL(fixture_write(&f, stranger, "k", "r", "v", 10, LEVEL_ALL), ERR_OK);
    tracing_leave(of(stranger), &before);
    CU_ASSERT(says(stranger, &id, "Determining replicas for mutation"));
    CU_ASSERT(says(stranger, &id, "Sending FORWARD message to"));
    CU_ASSERT(says(stranger, &id, "FORWARD_DONE message received from"));
    CU_ASSERT(says(R(0), &id, "FORWARD message received from"));
    CU_ASSERT(says(R(0), &id, "WRITE_ACK message received from"));
    for (uint32_t i = 0; i < 3; i++) {
        CU_ASSERT(says(R(i), &id, "Writing 1 rows of a partition of table 9"));
        CU_ASSERT(says(R(i), &id, "The write is durable"));
    }
    CU_ASSERT(uuid_is_zero(&before));
}

static void what_nobody_follows_leaves_nothing(void)
{
    CU_ASSERT_EQUAL(fixture_write(&f, R(0), "k", "r", "v", 10, LEVEL_ALL), ERR_OK);
    CU_ASSERT_EQUAL(fixture_read(&f, R(0), "k", 0, LEVEL_QUORUM), ERR_OK);
    for (node_no i = 1; i <= FIXTURE_NODES; i++) {
        CU_ASSERT_EQUAL(of(i)->count, 0);
        CU_ASSERT_EQUAL(tracing_next(of(i)), USEC_NEVER);
    }
}

static void names_ascend_and_differ(void)
{
    int64_t last[2] = {0, 0};
    struct uuid before = timeid(&last[0], 1000, (struct actor){1, 1});
    for (int i = 0; i < 100; i++) {
        struct uuid id = timeid(&last[0], 1000, (struct actor){1, 1});
        struct uuid other = timeid(&last[1], 1000, (struct actor){1, 2});
        CU_ASSERT(!uuid_equal(&id, &before));
        CU_ASSERT(!uuid_equal(&id, &other));
        CU_ASSERT_EQUAL(id.b[6] >> 4, 1);
        before = id;
    }
}

/* More sessions than there is room for are not traced; of one no more events than there is room
 * for; and all of it is forgotten. */
static void it_is_bounded(void)
{
    struct tracing t = {0};
    struct now now = {1000, 1000};
    struct uuid none = {{0}};
    tracing_init(&t);
    for (int i = 0; i < TRACING_SESSIONS_MAX; i++)
        CU_ASSERT_PTR_NOT_NULL(tracing_begin(&t, now));
    CU_ASSERT_PTR_NULL(tracing_begin(&t, now));
    struct trace_session *s = container_of(t.sessions.next, struct trace_session, link);
    struct uuid id = s->id;
    (void)tracing_enter(&t, now, &id);
    for (int i = 0; i < 2 * TRACING_EVENTS_MAX; i++)
        tracing_say(&t, "event %d", i);
    tracing_leave(&t, &none);
    CU_ASSERT_EQUAL(s->count, TRACING_EVENTS_MAX);
    s->request.ended = true;
    CU_ASSERT_PTR_NULL(tracing_due(&t, now));
    now.mono += USEC_PER_SEC;
    CU_ASSERT_PTR_EQUAL(tracing_due(&t, now), s);
    tracing_written(&t, s);
    CU_ASSERT_EQUAL(s->count, 0);
    now.mono += 60 * USEC_PER_SEC;
    CU_ASSERT_PTR_NULL(tracing_due(&t, now));
    CU_ASSERT_EQUAL(t.count, 0);
    CU_ASSERT_EQUAL(tracing_next(&t), USEC_NEVER);
    tracing_close(&t);
}

CU_TestInfo tracing_tests[] = {
    {"every replica says what it did", every_replica_says_what_it_did},
    {"what nobody follows leaves nothing", what_nobody_follows_leaves_nothing},
    {"names ascend and differ", names_ascend_and_differ},
    {"it is bounded", it_is_bounded},
    CU_TEST_INFO_NULL,
};
