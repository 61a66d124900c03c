/* requests.c - the same requests on a simulated ring of three, for a counter of instructions.
 *
 *   requests N [receipts]
 *
 * N writes and N reads of one row each, at QUORUM, in turn to each node; with `receipts` each asks
 * for one. All is on virtual time and on one thread, so the same program does the same each time,
 * and two runs differ by what their requests cost (docs/receipts.md). */
#include "node/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES 3

static int ask(struct sim *sim, unsigned via, const char *cql)
{
    const struct sim_reply *r = sim_cql(sim, via, CQL_CL_QUORUM, "%s", cql);
    if (r->outcome == SIM_OK)
        return 0;
    fprintf(stderr, "requests: %s: %s\n", cql, r->message);
    return 1;
}

int main(int argc, char **argv)
{
    struct sim_config config = {.seed = 1};
    char cql[128];
    int bad = 0, count = argc > 1 ? atoi(argv[1]) : 0;
    if (count < 1) {
        fprintf(stderr, "usage: requests N [receipts]\n");
        return 2;
    }
    struct sim *sim = sim_new(&config);
    bad += !sim_form(sim, NODES);
    bad += ask(sim, 1,
               "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', "
               "'replication_factor': 3}");
    bad += ask(sim, 1, "CREATE TABLE ks.t (k int PRIMARY KEY, v text)");
    sim_want_receipts(sim, argc > 2 && strcmp(argv[2], "receipts") == 0);
    for (int i = 0; i < count && bad == 0; i++) {
        unsigned via = 1 + (unsigned)i % NODES;
        snprintf(cql, sizeof cql, "INSERT INTO ks.t (k, v) VALUES (%d, 'value')", i);
        bad += ask(sim, via, cql);
        snprintf(cql, sizeof cql, "SELECT v FROM ks.t WHERE k = %d", i);
        bad += ask(sim, via, cql);
    }
    sim_free(sim);
    return bad == 0 ? 0 : 1;
}
