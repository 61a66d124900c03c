/* The judge of sessions, case by case. */
#include "node/sim/oracle/sessions.h"

#include <CUnit/CUnit.h>

struct story {
    struct sessions *sessions;
    usec now;
    struct errmsg why;
};

static struct story story(bool calm)
{
    const struct sessions_config config = {.clients = 3, .once = true, .calm = calm};
    return (struct story){.sessions = sessions_new(&config), .now = 10};
}

static void write(struct story *s, uint32_t client, int64_t id, int64_t value, int64_t stamp,
                  bool acked)
{
    const struct sessions_write w = {.client = client,
                                     .first = id,
                                     .last = id,
                                     .is_delete = value == 0,
                                     .value = value,
                                     .stamp = stamp,
                                     .start = s->now++};
    const struct sessions_end end = {.end = s->now, .acked = acked, .open = !acked};
    sessions_wrote(s->sessions, sessions_write(s->sessions, &w), &end);
}

/* Two cells, 1 and 2; value 0: nothing. */
static bool reads(struct story *s, uint32_t client, int64_t first, int64_t stamp, int64_t second,
                  int64_t other)
{
    struct sessions_row rows[2];
    size_t count = 0;
    const struct sessions_read read = {client, 0, 1, 2, s->now, s->now + 1};
    s->now += 2;
    if (first != 0)
        rows[count++] = (struct sessions_row){1, first, stamp};
    if (second != 0)
        rows[count++] = (struct sessions_row){2, second, other};
    return sessions_judge(s->sessions, &read, rows, count, &s->why);
}

static void who_writes_reads_it(void)
{
    struct story s = story(false);
    write(&s, 0, 1, 7, 100, true);
    CU_ASSERT_FALSE(reads(&s, 0, 0, 0, 0, 0));
    CU_ASSERT_TRUE(reads(&s, 1, 0, 0, 0, 0)); /* another session */
    CU_ASSERT_TRUE(reads(&s, 0, 7, 100, 0, 0));
    write(&s, 1, 1, 8, 90, true);
    CU_ASSERT_FALSE(reads(&s, 0, 8, 90, 0, 0));
    CU_ASSERT_TRUE(reads(&s, 1, 7, 100, 0, 0));
    CU_ASSERT_FALSE(reads(&s, 1, 9, 110, 0, 0)); /* not written */
    sessions_free(s.sessions);
}

static void what_was_read_does_not_go_back(void)
{
    struct story s = story(false);
    write(&s, 0, 1, 7, 0, true);
    write(&s, 1, 1, 8, 0, true);
    CU_ASSERT_TRUE(reads(&s, 2, 8, 200, 0, 0));
    CU_ASSERT_FALSE(reads(&s, 2, 7, 100, 0, 0));
    CU_ASSERT_FALSE(reads(&s, 2, 0, 0, 0, 0)); /* nobody deletes */
    write(&s, 0, 1, 0, 0, false);
    CU_ASSERT_TRUE(reads(&s, 2, 0, 0, 0, 0));
    CU_ASSERT_FALSE(reads(&s, 2, 8, 200, 0, 0)); /* the delete was seen */
    sessions_disk_lost(s.sessions, s.now++);
    CU_ASSERT_TRUE(reads(&s, 2, 8, 200, 0, 0));
    sessions_anew(s.sessions, 2);
    CU_ASSERT_TRUE(reads(&s, 2, 7, 100, 0, 0));
    sessions_free(s.sessions);
}

static void writes_of_a_session_have_an_order(void)
{
    struct story s = story(false);
    write(&s, 0, 1, 7, 0, true);
    write(&s, 0, 1, 8, 0, true);
    CU_ASSERT_FALSE(reads(&s, 0, 7, 100, 0, 0));
    CU_ASSERT_TRUE(reads(&s, 1, 7, 100, 0, 0));
    CU_ASSERT_TRUE(reads(&s, 0, 8, 101, 0, 0));
    sessions_free(s.sessions);
}

/* With timestamps of clients: what comes only after a delete was forgotten is new. */
static void what_was_not_over_is_new(void)
{
    struct story s = story(false);
    write(&s, 0, 1, 7, 100, true);
    const struct sessions_write late = {
        .client = 1, .first = 1, .last = 1, .value = 8, .stamp = 90, .start = s.now++};
    size_t n = sessions_write(s.sessions, &late);
    write(&s, 0, 1, 0, 110, true);
    CU_ASSERT_TRUE(reads(&s, 0, 0, 0, 0, 0));
    CU_ASSERT_FALSE(reads(&s, 0, 7, 100, 0, 0));
    CU_ASSERT_TRUE(reads(&s, 0, 8, 90, 0, 0));
    const struct sessions_end end = {.end = s.now++, .acked = true};
    sessions_wrote(s.sessions, n, &end);
    sessions_free(s.sessions);
}

static void what_a_writer_had_seen_is_beside_it(void)
{
    struct story s = story(true);
    write(&s, 0, 1, 7, 100, true);
    CU_ASSERT_TRUE(reads(&s, 1, 7, 100, 0, 0));
    write(&s, 1, 2, 8, 200, true);
    CU_ASSERT_TRUE(reads(&s, 2, 0, 0, 0, 0));
    CU_ASSERT_FALSE(reads(&s, 2, 0, 0, 8, 200));
    CU_ASSERT_TRUE(reads(&s, 2, 7, 100, 8, 200));
    sessions_free(s.sessions);
}

CU_TestInfo sessions_tests[] = {
    {"who writes reads it", who_writes_reads_it},
    {"what was read does not go back", what_was_read_does_not_go_back},
    {"writes of a session have an order", writes_of_a_session_have_an_order},
    {"what was not over is new", what_was_not_over_is_new},
    {"what a writer had seen is beside it", what_a_writer_had_seen_is_beside_it},
    CU_TEST_INFO_NULL,
};
