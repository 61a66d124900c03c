/* engine_name.c - names for what comes without one.
 *
 * Read repair brings rows without the dots that made them. As long as somebody has those dots they
 * come later. But whoever minted them may lose its disk before anybody else has them: then there
 * would be rows here that no clock tells of; they would never be handed on, and equal clocks would
 * not mean equal data. So what has a dot that the clock does not have gets one of this replica's
 * own, in the log: the other replicas pull what that names. Cells and deletions keep theirs:
 * replicas would else rename for ever what the others have renamed.
 *
 * A pull shows later writes than those it was asked for. Their dots come with it, but for a replica
 * that is thousands of writes behind in a range, for which nobody looks through the whole log. What
 * has no dot then gets one here as well. What was there before has one already: so names end, where
 * two replicas would otherwise name for ever what the other has named. */
#include "base/mutant.h"
#include "storage/engine_private.h"

static bool dot_is_known(const struct clock *c, struct dot dot)
{
    return dot.n == 0 || clock_has(c, dot);
}

static bool row_is_known(const struct clock *c, const struct row *row)
{
    bool known = dot_is_known(c, row->deletion.dot);
    for (size_t i = 0; i < row->cells_count && known; i++)
        known = dot_is_known(c, cell_event(&row->cells[i]));
    return known;
}

static bool part_is_known(const struct clock *c, const struct part *p)
{
    bool known = dot_is_known(c, p->deletion.dot);
    for (size_t i = 0; i < p->tombs_count && known; i++)
        known = dot_is_known(c, p->tombs[i].tomb.dot);
    if (p->has_static)
        known = known && row_is_known(c, &p->static_row);
    for (size_t i = 0; i < p->rows_count && known; i++)
        known = row_is_known(c, &p->rows[i]);
    return known;
}

void engine_set_actor(struct engine *e, struct actor self)
{
    e->actor = self;
}

enum err engine_read_own(struct engine *e, const struct part *p, struct arena *arena,
                         struct part *ret)
{
    struct rows rows;
    struct row row;
    rows_init(&rows, e, arena, false);
    enum err err = rows_open(&rows, p->table, p->token, p->key);
    *ret = rows.head;
    ret->rows = arena_array(arena, struct row, p->rows_count);
    for (size_t i = 0; i < p->rows_count && err == ERR_OK; i++) {
        rows_seek(&rows, p->rows[i].key);
        err = rows_next(&rows, false, &row);
        if (err == ERR_OK && bytes_equal(row.key, p->rows[i].key) && !row_is_empty(&row))
            ret->rows[ret->rows_count++] = row;
        err = err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    enum err closed = rows_close(&rows);
    return err != ERR_OK ? err : closed;
}

struct dot engine_name(struct engine *e, const struct range_state *r, const struct clock *known,
                       const struct part *p, struct arena *arena, struct part *ret_stray)
{
    struct dot none = {{0, 0}, 0};
    struct part own;
    if (e->actor.node == 0 || part_is_known(known, p) || MUTANT(strays_unnamed))
        return none;
    *ret_stray = *p;
    if (engine_read_own(e, p, arena, &own) == ERR_OK &&
        (!part_lacks(&own, p, arena, ret_stray) || part_is_known(known, ret_stray)))
        return none;
    return (struct dot){e->actor, engine_top(e, r, known) + 1};
}
