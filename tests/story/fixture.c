#include "story/fixture.h"

#include <stdio.h>
#include <string.h>

struct sim *sim;

static void print(void *arg, const char *line)
{
    (void)arg;
    /* What sim_expect found; the lines of a running story only when somebody wants to see them. */
    if (line[0] != '[')
        printf("\n%s", line);
}

void story_setup(void)
{
    struct sim_config config = {.seed = 1, .print = print};
    sim = sim_new(&config);
}

void story_teardown(void)
{
    sim_free(sim);
    sim = NULL;
}

bool says(unsigned via, enum cql_consistency level, const char *expected, const char *cql)
{
    const struct sim_reply *r = sim_cql(sim, via, level, "%s", cql);
    const char *said = sim_say(sim, r);
    if (strcmp(said, expected) == 0)
        return true;
    printf("\n    %s\n    expected: %s\n    answered: %s %s\n", cql, expected, said, r->message);
    return false;
}

void story_begin(unsigned nodes)
{
    CU_ASSERT_FATAL(sim_form(sim, nodes));
    CU_ASSERT_FATAL(says(1, CQL_CL_ONE, "ok",
                         "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', "
                         "'replication_factor': 3}"));
    CU_ASSERT_FATAL(says(1, CQL_CL_ONE, "ok", "CREATE TABLE ks.t (k int PRIMARY KEY, v text)"));
}

bool write_rows(unsigned via, enum cql_consistency level, int first, int last)
{
    bool good = true;
    for (int i = first; i <= last && good; i++) {
        char cql[128];
        snprintf(cql, sizeof cql, "INSERT INTO ks.t (k, v) VALUES (%d, 'v%d')", i, i);
        good = says(via, level, "ok", cql);
    }
    return good;
}

bool read_rows(unsigned via, enum cql_consistency level, int first, int last)
{
    bool good = true;
    for (int i = first; i <= last && good; i++) {
        char cql[128], expected[32];
        snprintf(cql, sizeof cql, "SELECT v FROM ks.t WHERE k = %d", i);
        snprintf(expected, sizeof expected, "v%d", i);
        good = says(via, level, expected, cql);
    }
    return good;
}

bool become_equal(usec limit_us)
{
    struct errmsg why;
    usec end = sim_now(sim) + limit_us;
    while (!sim_replicas_equal(sim, &why)) {
        if (sim_now(sim) >= end) {
            printf("\n    not equal: %s\n", why.text);
            return false;
        }
        sim_elapse(sim, MILLISECONDS(50));
    }
    return true;
}

static bool all_alive(struct sim *s, void *arg)
{
    (void)arg;
    return sim_see_each_other(s, NULL);
}

bool see_each_other(void)
{
    return sim_until(sim, all_alive, NULL, SECONDS(60));
}
