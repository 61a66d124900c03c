/* node_trace.h - how the node's clients and its clock see node_trace.c. Private to this folder. */
#ifndef TORC_NODE_NODE_TRACE_H
#define TORC_NODE_NODE_TRACE_H

#include "node/cql/exec/exec.h"
#include "node/node_core.h"

/* Our own writes of traces: nobody waits for them. */
#define NODE_TRACE_OP (UINT64_C(1) << 61)

void trace_open(struct node *n); /* once, at the making */

/* Zero: it is not traced. */
struct uuid trace_begin(struct node *n, const struct endpoint *client,
                        const struct cql_request *in);
void trace_end(struct node *n, const struct exec_effect *reply);
void trace_due(struct node *n);

#endif
