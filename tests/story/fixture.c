#include "story/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim *sim;

static void print(void *arg, const char *line)
{
    (void)arg;
    /* What sim_expect found; the lines of a running story only when somebody wants to see them. */
    if (line[0] != '[')
        printf("\n%s", line);
}

void story_setup_with(const struct sim_limits *limits)
{
    struct sim_config config = {.seed = 1, .limits = *limits, .print = print};
    sim = sim_new(&config);
}

void story_setup(void)
{
    static const struct sim_limits defaults;
    story_setup_with(&defaults);
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

bool all_say(enum cql_consistency level, const char *expected, const char *cql)
{
    bool good = true;
    for (unsigned i = 1; i <= sim_nodes(sim); i++)
        good &= !sim_is_up(sim, i) || says(i, level, expected, cql);
    return good;
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

#define NOTICED                                                                                    \
    SECONDS(3) /* a broken link is found out after a second, a silent node after two               \
                */

void cut_all(void)
{
    for (unsigned i = 1; i <= sim_nodes(sim); i++)
        sim_isolate(sim, i);
    sim_elapse(sim, NOTICED);
}

void cut_off(unsigned node)
{
    sim_isolate(sim, node);
    sim_elapse(sim, NOTICED);
}

bool heal(void)
{
    sim_heal_all(sim);
    return see_each_other();
}

uint64_t counted_by(unsigned node, const char *metric)
{
    struct buf text;
    struct now now = {0};
    uint64_t value = 0;
    size_t len = strlen(metric);
    buf_init(&text, BUF_MAX_DEFAULT);
    node_metrics_text(sim_node(sim, node), now, &text);
    buf_put_u8(&text, 0);
    for (const char *at = (const char *)text.data; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, metric, len) == 0 && at[len] == ' ')
            value = strtoull(at + len, NULL, 10);
    }
    buf_close(&text);
    return value;
}

uint64_t counted(const char *metric)
{
    uint64_t sum = 0;
    for (unsigned i = 1; i <= sim_nodes(sim); i++)
        sum += sim_is_up(sim, i) ? counted_by(i, metric) : 0;
    return sum;
}
