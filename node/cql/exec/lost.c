/* lost.c - a client is told that what it wrote is not what is seen, though the write is acked: it
 * lost to something newer, or hints of it were counted, that its replicas have yet to get.
 *
 * At most once a second for a connection and table: who writes with old timestamps does so often.
 * What was told in the last second is remembered; of that there is a bound. Beyond it the oldest is
 * forgotten, and may be told again too soon: that is better than a loss in silence. */
#include "node/cql/exec/request.h"

#include <inttypes.h>
#include <stdio.h>

#define HINTED 0 /* instead of a table */

/* May it be told? Then it is. */
static bool tell(struct exec *e, uint64_t conn, table_no table, usec now)
{
    struct lost_told *oldest = &e->lost_told[0];
    for (size_t i = 0; i < LOST_TOLD_MAX; i++) {
        struct lost_told *told = &e->lost_told[i];
        if (now < told->until && told->conn == conn && told->table == table)
            return false;
        if (told->until < oldest->until)
            oldest = told;
    }
    *oldest = (struct lost_told){conn, table, now + USEC_PER_SEC};
    return true;
}

void request_warn_lost(struct exec *e, struct request *q, const struct exec_result *x)
{
    const struct table *t;
    char by[64];
    if (x->lost == EXEC_LOST_NONE || !tell(e, q->conn, x->lost_in, q->now.mono))
        return;
    t = schema_table_by_no(q->schema, x->lost_in);
    snprintf(by, sizeof by, "%" PRId64 ".%06" PRId64 " s", x->behind_us / USEC_PER_SEC,
             x->behind_us % USEC_PER_SEC);
    if (x->lost == EXEC_LOST_GIVEN)
        run_warn(&q->run,
                 "A write to %s.%s was not applied: a newer value exists (the timestamp that the "
                 "client gave is %s too old)",
                 t != NULL ? t->keyspace : "?", t != NULL ? t->name : "?", by);
    else
        run_warn(&q->run,
                 "A write to %s.%s was not applied, or not everywhere: a newer value exists, with "
                 "a timestamp %s in the future. Write again when that is over, or USING TIMESTAMP "
                 "above it",
                 t != NULL ? t->keyspace : "?", t != NULL ? t->name : "?", by);
}

void request_warn_hinted(struct exec *e, struct request *q, const struct exec_result *x)
{
    if (x->err != ERR_OK || x->hinted == 0 || !tell(e, q->conn, HINTED, q->now.mono))
        return;
    run_warn(
        &q->run,
        "A write was acked with %u hint%s: it is kept for replicas that cannot be reached, and "
        "reads may not show it before they have it",
        (unsigned)x->hinted, x->hinted == 1 ? "" : "s");
}
