/* work.h - what the workloads share between their answers and their histories. */
#ifndef TORC_NODE_SIM_RUN_WORK_H
#define TORC_NODE_SIM_RUN_WORK_H

#include "node/sim/oracle/history.h"
#include "node/sim/run/workload.h"

/* A history of all replicas that a row has in the run. */
struct history *work_history(const struct workload_env *env, const char *name, bool stamped);

/* "USING TIMESTAMP n" with a new timestamp, which is returned; nothing and 0 when not stamped. */
int64_t work_stamp(struct workload_env *env, bool stamped, char text[48]);

/* What every `take` begins with: false for an answer that no fault explains. */
bool work_answered(const struct answer *a, struct errmsg *why);

/* Tell the history how the write ended. */
void work_wrote(struct history *h, size_t write, const struct op *op, const struct answer *a);

/* A read of all of a partition, as it was answered. */
struct history_read work_read(const struct op *op, const struct answer *a, uint64_t key);

/* A bigint of the reply; HISTORY_NOTHING for null. */
int64_t work_cell(const struct sim_reply *r, uint32_t row, uint32_t column);

/* Rows (id, value) of the columns `id` and `value`; without such a column (UINT32_MAX) the id is 0,
 * the value HISTORY_ANY. mem_free it. */
struct history_row *work_rows(const struct sim_reply *r, uint32_t id, uint32_t value);

/* Between 1 and `most`, growing with the size of the run. */
uint32_t work_scaled(const struct workload_env *env, uint32_t most);

#endif
