/* engine_name.c - names for what comes without one.
 *
 * Read repair brings rows without the dots that made them. As long as somebody has those dots they
 * come later. But whoever minted them may lose its disk before anybody else has them: then there
 * would be rows here that no clock tells of; they would never be handed on, and equal clocks would
 * not mean equal data. So a part with a dot that the clock does not have gets one of this replica's
 * own. The other replicas pull what that names.
 *
 * What a pull brings beside what it asked for needs no such name: a write that its giver had and
 * that we lack was sent to us before, on the same link, or will be pulled; only if the link broke
 * and the disks of all who had it were lost in the second between would it stay unnamed. */
#include "storage/engine_private.h"

static bool dot_is_known(const struct clock *c, struct dot dot)
{
    return dot.n == 0 || clock_has(c, dot);
}

static bool row_is_known(const struct clock *c, const struct row *row)
{
    bool known = dot_is_known(c, row->deletion.dot);
    for (size_t i = 0; i < row->cells_count && known; i++)
        known = dot_is_known(c, row->cells[i].dot);
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

struct dot engine_name(const struct engine *e, const struct range_state *r, const struct part *p)
{
    if (e->actor.node == 0 || part_is_known(&r->clock, p))
        return (struct dot){{0, 0}, 0};
    return (struct dot){e->actor, clock_top(&r->clock, e->actor) + 1};
}
