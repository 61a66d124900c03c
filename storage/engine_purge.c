/* engine_purge.c - dropping what was deleted, when everybody has proved it (docs/versions.md). */
#include "storage/engine_private.h"

enum err engine_purge(struct engine *e, keyspace_no keyspace, range_no range,
                      const struct clock *agreed, int64_t expired_before_s, size_t work_max,
                      bool *ret_done)
{
    (void)agreed;
    (void)expired_before_s;
    (void)work_max;
    *ret_done = true;
    return engine_range_error(e, keyspace, range);
}

bool engine_next_garbage(struct engine *e, keyspace_no keyspace, range_no from,
                         int64_t expired_before_s, range_no *ret_range)
{
    (void)e;
    (void)keyspace;
    (void)from;
    (void)expired_before_s;
    (void)ret_range;
    return false;
}

int64_t engine_purged_bound(const struct engine *e, table_no table, token place)
{
    (void)e;
    (void)table;
    (void)place;
    return TIMESTAMP_NONE;
}
