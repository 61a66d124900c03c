/* engine_settle.h - taking garbage out of one partition: engine_context.c, engine_purge.c. Private.
 *
 * Rows first, each in the place of all its fragments; the head (deletions, range tombstones, static
 * row) last: what a deletion shadows must be gone before it goes. All goes into e->batch.
 */
#ifndef TORC_STORAGE_ENGINE_SETTLE_H
#define TORC_STORAGE_ENGINE_SETTLE_H

#include "storage/engine_private.h"

struct settle {
    struct engine *e;
    struct range_state *range;
    const struct garbage_rule *rule;
    const struct part *message;  /* whose context the rule has; NULL: it has none */
    const struct answer *answer; /* of the pull that it came in; NULL: in none */
    struct rows rows;
    int64_t newest;   /* timestamp that was dropped */
    bool changed;     /* something was, of the partition that is open */
    bool took_values; /* that an answer does not show, since it began */
    uint64_t before;  /* fragments read by this engine when it began */
};

void settle_init(struct settle *s, struct engine *e, struct range_state *range,
                 const struct garbage_rule *rule, const struct part *message, struct arena *arena);
enum err settle_close(struct settle *s) MUST_CHECK;
size_t settle_work(const struct settle *s); /* fragments read so far */

/* The head of the partition is then s->rows.head. */
enum err settle_open(struct settle *s, table_no table, token place, struct bytes key) MUST_CHECK;

/* What is taken out of the row with this key; NULL: of the static row. False when nothing is. */
bool settle_take(struct settle *s, const struct row *own, const struct bytes *key, struct row *ret);

/* The row where the rows stand, without its garbage and what the head covers. ret: what is left. */
enum err settle_row(struct settle *s, struct row *ret) MUST_CHECK;

/* The rows in start <= key < end, until work_max fragments were read by `s`. *ret_next: the row to
 * go on with, when not *ret_done. */
enum err settle_rows(struct settle *s, struct bytes start, struct bytes end, size_t work_max,
                     bool *ret_done, struct bytes *ret_next) MUST_CHECK;

/* The row that was read last is `row` now. */
void settle_put_row(struct settle *s, const struct row *row);

/* The head is `head` now. */
void settle_head(struct settle *s, const struct part *head);

/* All fragments of the row that was read last, or of the head, go, and nothing comes for them. */
void settle_drop_row(struct settle *s, struct bytes key);
void settle_drop_head(struct settle *s);

/* Ends with the partition that is open: notes what was dropped of it. */
void settle_note(struct settle *s);

/* Garbage with the dot of an index entry, in the partition that is open, gets a dot of this
 * replica. What is there must not have been changed by e->batch. */
enum err engine_adopt(struct settle *s, const struct garbage_key *g, struct bytes entry) MUST_CHECK;

#endif
