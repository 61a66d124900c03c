/* damage.h - ranges whose data is damaged here; inside of healing.
 *
 * What the store has lost (lost.h), and values that readers found garbled, are keys: the ranges
 * that they lie in are not to be believed any more. Not only the row that is gone: a deletion may
 * be gone with it, or LevelDB's own removal of what then comes out again. So such a range is
 * forgotten as a whole, and taken over again from the other replicas, while all other ranges are
 * served.
 *
 *   FULL -> DAMAGED      found. The range claims nothing and is not served, over restarts.
 *   DAMAGED -> GIVEN_UP    another replica, which is alive and whole there, has told a clock of the
 *                          range; or it has told all its clocks and none of this range, and nothing
 *                          that was written to it is here either. Until then nothing is removed:
 *                          with one replica what can be read is all that there is, and it is for a
 *                          person to decide (heal_give_up): it is FULL at once then, and empty.
 * (Two that are damaged at once do not forget for each other's sake: neither tells a clock, nor
 * that it has told all.) GIVEN_UP -> REBUILDING nothing is left; dots are minted under a new boot
 * number (held.c) REBUILDING -> FULL     every other replica, be it dead for now, was once asked
 * since then, and all that it had at that moment is here, durably; then the rows were compared with
 * each of them (sure.h). (Not that it has nothing more: as no write is taken here, under load there
 * is always more.)
 *
 * Until it is FULL no write is taken and nothing answered. docs/healing.md, "Damage", has the
 * argument.
 *
 * An *old disk* (put back from a backup) has what was deleted and forgotten since. That goes as
 * pulls do not show it (engine_take.c), but only until each other replica was pulled from once, as
 * above: on any other disk what a pull does not show may just be lost at the giver.
 *
 * A session that is asked counts for all ranges that were being rebuilt when it was asked; one more
 * that comes to it begins the count anew.
 */
#ifndef TORC_NODE_HEAL_DAMAGE_H
#define TORC_NODE_HEAL_DAMAGE_H

#include "node/heal/heal.h"

struct session;

struct damage {
    uint64_t rebuild; /* grows with each range that begins to be rebuilt; 0: none ever did */
    uint64_t rebuilt; /* up to which all is whole */
    uint64_t losses;  /* of the engine, when looked at last */
    usec due;
};

/* Is any of the range among what is lost? */
bool damage_hits(struct heal *h, keyspace_no keyspace, range_no range);

void damage_tell(struct heal *h, keyspace_no keyspace, range_no range, int what);

/* A peer has told a clock of a range that cannot be read here. */
void damage_has_peer(struct heal *h, keyspace_no keyspace, range_no range);

/* The peer of the session has told its clocks: what it has nothing of, either. */
void damage_hear(struct heal *h, const struct session *s);

/* What the peer of the session had when it was asked is all here. */
void damage_seal(struct heal *h, struct session *s);
bool damage_durable(struct heal *h, struct now now, struct session *s, uint64_t ticket,
                    enum err err); /* ours? */

void damage_load(struct heal *h); /* is the disk an old one? */

void damage_tick(struct heal *h, struct now now);

#endif
