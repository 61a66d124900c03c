/* repair.h - `torc repair`: begin a run at a node, watch it, and say what it found.
 *
 * POST /repair         {"keyspace", "tables": [...], "ranges": [[left, right]], "node", "full",
 *                       "preview"}, all of which may be missing -> {"id", "joined", "node"}
 * GET  /repair?id=ID   the run: {"id", "state", "ranges", "done", "equal", "failed", sums,
 *                       "keyspaces": [{"keyspace", "ranges", ..., "tables": [...]}], "problems"}
 * GET  /repair         {"runs": [the same without the last two]}
 * POST /repair/cancel?id=ID
 *
 * docs/repair.md has the meaning of each.
 */
#ifndef TORC_CLI_REPAIR_H
#define TORC_CLI_REPAIR_H

#include "cli/options.h"
#include "cli/progress.h"

int repair_main(const struct options *o, struct table_look look);

/* --- repair_show.c: what is asked, and what is shown of answers */

/* The body of the request. */
void repair_request(const struct options *o, struct buf *out);

struct repair_watch {
    char id[64];
    bool over, durable;
    uint64_t rows, rows_read; /* compared; read again by then */
    uint64_t done;            /* thousandths */
    uint64_t waits_for;       /* 0: nobody; handoff brings this node */
    uint64_t lacking;         /* so many writes */
    usec elapsed;             /* since it began, whoever has watched it meanwhile */
};
enum err repair_watch_take(struct bytes answer, struct repair_watch *ret,
                           struct errmsg *reterr) MUST_CHECK;

/* A run that is over, as people or programs want it; `named`: of each table, though nothing
 * differed. *ret_code: what main returns. */
enum err repair_render(struct bytes answer, enum table_format format, struct table_look look,
                       bool named, struct buf *out, int *ret_code,
                       struct errmsg *reterr) MUST_CHECK;
enum err repair_render_list(struct bytes answer, enum table_format format, struct table_look look,
                            struct buf *out, struct errmsg *reterr) MUST_CHECK;

int give_up_main(const struct options *o); /* --give-up */

#endif
