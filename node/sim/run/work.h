/* work.h - what the workloads share between their answers and their histories. */
#ifndef TORC_NODE_SIM_RUN_WORK_H
#define TORC_NODE_SIM_RUN_WORK_H

#include "node/sim/oracle/history.h"
#include "node/sim/run/workload.h"

/* What every workload begins with. */
struct work {
    struct workload_env *env;
    struct history *histories[2]; /* by whether timestamps are the clients' */
};

/* `name` and `stamped` are what messages call a partition of the two. Borrowed. */
void work_open(struct work *w, struct workload_env *env, const char *name, const char *stamped);
void work_close(struct work *w);
uint64_t work_held(const void *work);
void work_disk_lost(void *work, usec at); /* workload_ops.disk_lost, when `struct work` is first */
void work_all_equal(struct work *w);      /* now */

/* A write begins, now. `op` is told whether it can be asked again. */
size_t work_write(struct work *w, struct op *op, bool stamped, int64_t stamp);

/* "USING TIMESTAMP n" with a new timestamp, which is returned; nothing and 0 when not stamped. */
int64_t work_stamp(struct workload_env *env, bool stamped, char text[48]);

/* What every `take` begins with: false for an answer that no fault explains. */
bool work_answered(const struct answer *a, struct errmsg *why);

/* Tell the history how the write ended. */
void work_wrote(struct work *w, bool stamped, size_t write, const struct op *op,
                const struct answer *a);

/* A read of all of a partition, as it was answered. */
struct history_read work_read(const struct op *op, const struct answer *a, uint64_t key);

/* `take` of a key with one value: op->n[0] is the key, op->n[1] the write, and a read gives the
 * value in the only column of the only row. */
bool work_take_value(struct work *w, bool stamped, struct op *op, const struct answer *a,
                     struct errmsg *why);

/* A bigint of the reply; HISTORY_NOTHING for null. */
int64_t work_cell(const struct sim_reply *r, uint32_t row, uint32_t column);

/* Rows (id, value) of the columns `id` and `value`; without such a column (UINT32_MAX) the id is 0,
 * the value HISTORY_ANY. mem_free it. */
struct history_row *work_rows(const struct sim_reply *r, uint32_t id, uint32_t value);

/* The items of a collection of bigints in the reply, `of` to an element (a map has 2): of each the
 * first is the id, the second the value (none: HISTORY_ANY). mem_free it. False for what is no
 * collection. */
bool work_items(const struct sim_reply *r, uint32_t row, uint32_t column, uint32_t of,
                struct history_row **ret, size_t *ret_count, struct errmsg *why);

/* Between 1 and `most`, growing with the size of the run. */
uint32_t work_scaled(const struct workload_env *env, uint32_t most);

/* The partition of an int key, and where it lies. */
struct work_place {
    token token;
    uint64_t key;
};

/* The keys 0 to count - 1, in the order of a scan of the whole table. */
void work_places(struct work_place *places, uint32_t count);

#endif
