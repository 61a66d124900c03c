/* garbage.h - what of a part will be garbage one day, and what is taken out of it. Pure.
 *
 * Garbage is a deletion, a tombstone, a cell that expires or one that is removed: it says that
 * something is not there. docs/versions.md has the argument when it may go.
 */
#ifndef TORC_STORAGE_GARBAGE_H
#define TORC_STORAGE_GARBAGE_H

#include "storage/clock.h"
#include "storage/part_private.h"

/* What may go.
 *
 * Garbage with a dot in `dots`, expired before expired_before_s if it expires; of a removed cell
 * all dots that it names, but those that are lost: unknown here, and nobody can tell of them any
 * more.
 *
 * is_context: garbage with a dot in `dots`, the context of a message, that would cover something of
 * the message. It is not in the message then, for it would have covered that there: the minter, or
 * giver, had it and has it no more. */
struct garbage_rule {
    const struct clock *dots;
    int64_t expired_before_s;
    bool is_context;
    bool (*is_lost)(const void *arg, struct dot dot); /* NULL: none is */
    const void *lost_arg;
};

bool cell_is_garbage(const struct cell *c);

/* `covered`: the smallest timestamp of the message in the place; without message of no effect. */
bool tomb_goes(const struct garbage_rule *rule, const struct tomb *t, int64_t covered);

/* ret := `own` without what goes; `in`: the same row of the message, NULL when it has none.
 * *newest is raised to the timestamps of what goes. False when nothing does; ret is own then. */
bool row_take_garbage(const struct row *own, const struct garbage_rule *rule, const struct row *in,
                      struct arena *arena, struct row *ret, int64_t *newest);

/* ret := `own` without the values that a giver has had (their dots are in his clock) and shows no
 * more: `shown` is the row as he has it, NULL when he has none. With siblings, or up to the bound
 * of the timestamps of what he dropped. What is garbage itself goes its own way. False when nothing
 * does; ret is own then. */
bool row_take_absent(const struct row *own, const struct clock *theirs, int64_t bound,
                     const struct row *shown, struct arena *arena, struct row *ret);

/* Whether garbage with this dot is in the row: what expires, or all else. (One write may have both,
 * and what expires stays for longer.) */
bool row_has_garbage_of(const struct row *r, struct dot dot, bool expiring);

/* ret := p without what has a dot in `known`: who has the dot in his clock has the effect, or had
 * it until something made it void. False when nothing had; ret is p then. It may become empty. */
bool part_drop_known(const struct part *p, const struct clock *known, struct arena *arena,
                     struct part *ret);

/* Whether any item of the part has the dot. */
bool part_has_dot(const struct part *p, struct dot dot);

/* The row with this key; NULL: there is none. */
const struct row *part_find_row(const struct part *p, struct bytes key);

int64_t row_min_timestamp(const struct row *r); /* INT64_MAX when it is empty */

/* The pieces of a list inside start <= key < end, and those outside. Both canonical. */
void tombs_split(struct tomb_list in, struct bytes start, struct bytes end, struct arena *arena,
                 struct tomb_list *ret_inside, struct tomb_list *ret_outside);

#endif
