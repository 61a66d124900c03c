/* latency.h - how long statements took at their coordinator, by table. Private.
 *
 * For the tables of system_views. Kept for the first LATENCY_TABLES_MAX tables that are used, since
 * the start of the node. */
#ifndef TORC_NODE_CQL_EXEC_LATENCY_H
#define TORC_NODE_CQL_EXEC_LATENCY_H

#include "base/histogram.h"
#include "node/cql/exec/core.h"

#define LATENCY_TABLES_MAX 128

enum latency_kind { LATENCY_READ, LATENCY_SCAN, LATENCY_WRITE, LATENCY_KINDS };

struct latency {
    struct histogram *of[LATENCY_KINDS]; /* us; NULL: never */
};

struct request;
/* It is being answered. Returns how long it took (us) by the time of turns, of a read or a write of
 * a partition; else -1. */
usec latency_note(struct exec *e, const struct request *q);
const struct latency *latency_find(const struct exec *e, const struct table *t);
void latency_close(struct exec *e);

#endif
