#include "unit/node_sim/world.h"

#include <stdio.h>
#include <string.h>

struct sim *w;

void world_setup(void)
{
    struct sim_config config = {.seed = 7};
    w = sim_new(&config);
}

void world_teardown(void)
{
    sim_free(w);
    w = NULL;
}

void world_again(const struct sim_config *config)
{
    sim_free(w);
    w = sim_new(config);
}

bool answers(unsigned via, enum cql_consistency level, const char *expected, const char *cql)
{
    const struct sim_reply *r = sim_cql(w, via, level, "%s", cql);
    const char *said = sim_say(w, r);
    if (strcmp(said, expected) == 0)
        return true;
    printf("\n    %s\n    expected: %s\n    answered: %s %s\n", cql, expected, said, r->message);
    return false;
}

void world_form(unsigned nodes)
{
    char cql[128];
    CU_ASSERT_FATAL(sim_form(w, nodes));
    snprintf(cql, sizeof cql,
             "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', "
             "'replication_factor': %u}",
             nodes < 3 ? nodes : 3);
    CU_ASSERT_FATAL(answers(1, CQL_CL_ONE, "ok", cql));
    CU_ASSERT_FATAL(answers(1, CQL_CL_ONE, "ok", "CREATE TABLE ks.t (k int PRIMARY KEY, v text)"));
}

bool write_row(unsigned via, enum cql_consistency level, int k)
{
    char cql[128];
    snprintf(cql, sizeof cql, "INSERT INTO ks.t (k, v) VALUES (%d, 'v%d')", k, k);
    return answers(via, level, "ok", cql);
}

bool equal_within(usec limit_us)
{
    struct errmsg why;
    usec end = sim_now(w) + limit_us;
    while (!sim_replicas_equal(w, &why)) {
        if (sim_now(w) >= end) {
            printf("\n    not equal: %s\n", why.text);
            return false;
        }
        sim_elapse(w, MS(50));
    }
    return true;
}
