/* linear_search.h - the search for an order of the operations of one key. Inside the oracle. */
#ifndef TORC_NODE_SIM_ORACLE_LINEAR_SEARCH_H
#define TORC_NODE_SIM_ORACLE_LINEAR_SEARCH_H

#include "node/sim/oracle/linear.h"

/* `ops`: of one key, ascending by call. Operations called after `until` are not looked at; those
 * answered after it are open. *steps is counted down; at 0 the verdict is UNKNOWN. */
enum linear_verdict linear_search(const struct linear_model *model, const struct linear_op *ops,
                                  size_t count, usec until, size_t bytes_max, uint64_t *steps);

#endif
