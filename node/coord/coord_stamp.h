/* coord_stamp.h - what a run becomes where it is minted, and what its client is told. For the files
 * of the coordinator, which include coord_core.h; coord_stamp.c has the argument. */
#ifndef TORC_NODE_COORD_COORD_STAMP_H
#define TORC_NODE_COORD_COORD_STAMP_H

#include "node/coord/coord.h"

struct run;

/* The part gets its dot, and, where that is the server's and nobody was asked, a timestamp above
 * all that is here; what is to be sent of it, and what must go with it. */
enum err stamp_mint(struct coord *c, struct now now, struct run *run, struct dot dot) MUST_CHECK;

/* The same where siblings are kept. ERR_INVALID: the request is none of them. */
enum err stamp_mint_siblings(struct coord *c, struct now now, struct run *run,
                             struct dot dot) MUST_CHECK;

/* ERR_STALE: a replay of what may have been deleted, by something that is forgotten. ERR_CORRUPT:
 * whether it is one is not known here. */
enum err stamp_check_replay(const struct coord *c, const struct run *run) MUST_CHECK;

/* Of a hint the values that may have been deleted by something that is forgotten are taken out; a
 * deletion brings nothing back, and stays. ERR_STALE: nothing is left. ERR_CORRUPT: it is not known
 * here. */
enum err stamp_leave_out(const struct coord *c, struct run *run) MUST_CHECK;

/* A peer has handed it to us, and waits for it no longer, whatever clocks say. */
bool stamp_is_given_up(const struct coord *c, const struct run *run);

/* It is over. True: few have it (it has failed, and may be seen all the same, or is raised and at
 * ONE, say), and it has a stamp that is ahead of the clock; so what is done after the answer,
 * elsewhere, could be older. It is answered when the clock is there, or time is up. */
bool stamp_holds(struct coord *c, struct run *run, const struct coord_result *result);

/* What the client is to be told of a write that is done. */
void stamp_tell(const struct run *run, struct coord_result *ret);

/* What is replaced has the timestamp below the stamp's (part_restamp): so two above. */
int64_t stamp_above(int64_t timestamp);

/* By when what is begun now is answered, on our clock. */
int64_t stamp_until(const struct coord *c, int64_t stamp, usec timeout_us);

/* No stamp is raised above this. */
int64_t stamp_limit(const struct coord *c);

#endif
