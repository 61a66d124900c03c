/* What our connections to nodes do. */
#include "unit/node_sim/world.h"

#define ROWS 7

void client_setup(void);
void client_teardown(void);

void client_setup(void)
{
    world_setup();
}

void client_teardown(void)
{
    world_teardown();
}

/* The statement read by pages: what the reply says, and how long it took. */
static usec read_by_pages(const char *cql, int32_t page_size, const char *expected)
{
    usec start = sim_now(w);
    uint64_t request = sim_ask_paged(w, 1, CQL_CL_ALL, cql, page_size);
    while (sim_reply_of(w, request)->outcome == SIM_PENDING)
        sim_step(w, USEC_NEVER);
    CU_ASSERT_STRING_EQUAL(sim_say(w, sim_reply_of(w, request)), expected);
    sim_forget(w, request);
    return sim_now(w) - start;
}

static void a_reply_has_the_rows_of_all_pages(void)
{
    static const char *const cql = "SELECT c FROM ks.pages WHERE k = 1";
    static const char *const all = "1; 2; 3; 4; 5; 6; 7";
    world_form(1);
    sim_set_latency(w, MS(10), 0);
    CU_ASSERT(
        answers(1, CQL_CL_ONE, "ok", "CREATE TABLE ks.pages (k int, c int, PRIMARY KEY (k, c))"));
    for (int i = 1; i <= ROWS; i++)
        CU_ASSERT(
            sim_cql(w, 1, CQL_CL_ONE, "INSERT INTO ks.pages (k, c) VALUES (1, %d)", i)->outcome ==
            SIM_OK);
    CU_ASSERT(read_by_pages(cql, 0, all) < MS(20) + 2);
    CU_ASSERT(read_by_pages(cql, ROWS + 1, all) < MS(20) + 2);
    CU_ASSERT(read_by_pages(cql, 3, all) >= 3 * MS(20));
    CU_ASSERT(read_by_pages(cql, 1, all) >= ROWS * MS(20));
    read_by_pages("SELECT c FROM ks.pages WHERE k = 2", 3, "no rows");
    read_by_pages("SELECT c FROM ks.nothing WHERE k = 2", 3, "error: INVALID");
}

CU_TestInfo client_tests[] = {
    {"a reply has the rows of all pages", a_reply_has_the_rows_of_all_pages},
    CU_TEST_INFO_NULL,
};
