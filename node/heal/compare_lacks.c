/* compare_lacks.c - what one of two lacks is not compared, for handoff brings it; who has asked for
 * the comparison is told the clocks of both, and what they are worth is his matter. */
#include "node/heal/compare.h"

void lacks_note(struct comparing *s, struct bytes theirs)
{
    struct buf here;
    if (s->opened)
        return;
    buf_init(&here, WIRE_MESSAGE_MAX);
    clock_encode(&s->asof, &here);
    s->here = arena_copy(&s->own, buf_bytes(&here));
    s->there = arena_copy(&s->own, theirs);
    buf_close(&here);
}

void lacks_too_much(struct heal *h, struct now now, struct comparing *s)
{
    if ((s->id & ROUNDS_ID) == 0 && s->many != 0 && !s->opened)
        compare_end(h, now, s, ERR_BEHIND);
    else
        compare_again(h, now, s, COMPARE_PREPARING);
}
