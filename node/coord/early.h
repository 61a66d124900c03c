/* early.h - writes that came here before their own message did: by read repair, or in the message
 * of another write, which brings what it lost to where it was minted.
 *
 * A reader shows what few replicas have, and brings it to more of them. Who has seen it may write
 * over it before its message has come everywhere. Where it comes then it does not win; but what it
 * loses to is newer, and says nothing of what was there before it (docs/versions.md, "No silent
 * lost update"). So it is noted, with the largest timestamp that there was here when state with its
 * dot came: a stamp above that has lost to nothing that is older than it. Where that is not above,
 * in a partition in which much is written, it is noted how much of the write came and won: when
 * that is all of it, it was above what there was, too.
 *
 * A note is true whatever becomes of the state that came. The last EARLY_MAX are kept, in memory.
 * Of what is not above the stamps of those that went nobody knows whether there was one. Nor are
 * there any of before the process began; but then the links were lost, too, and with them the
 * messages.
 */
#ifndef TORC_NODE_COORD_EARLY_H
#define TORC_NODE_COORD_EARLY_H

#include "storage/clock.h"
#include "storage/part.h"

#define EARLY_MAX        1024 /* 64 KiB */
#define EARLY_A_PART_MAX 32   /* dots of one part */

struct early_note {
    keyspace_no keyspace;
    range_no range;
    struct dot dot;
    int64_t maximum; /* of all timestamps here, then; of the partition, or more */
    int64_t stamp;   /* the largest timestamp of what came under that dot */
    size_t items;    /* so many cells and deletions came and won; 0: not known */
};

struct early {
    struct early_note notes[EARLY_MAX];
    size_t count, at; /* the next one goes there */
    int64_t gone;     /* the largest stamp of the notes that went */
};

/* Whether a write came before its message. */
enum early_state {
    EARLY_NO,
    EARLY_WON,    /* and was above all there was, before what it meets now */
    EARLY_UNSURE, /* it may have come, and whether it was is not known */
};

/* What came of a part, by dot. */
struct early_came {
    const struct clock *known;
    struct dot own;
    struct {
        struct dot dot;
        int64_t stamp; /* the largest */
        size_t items;
    } found[EARLY_A_PART_MAX];
    size_t count;
    int64_t missed; /* the largest stamp of what is more than that */
};

/* Is there anything to be noted of state that came in the message of dot `own` (n = 0: of none)?
 * known: the clock of its range, borrowed; what is in it is not noted. */
bool early_look(struct early_came *ret, const struct part *p, struct dot own,
                const struct clock *known);

/* It is about to be applied. Of `like`: maximum, of its partition (an upper bound), and stamp,
 * above which nothing is that a server has stamped; wins: all of it wins here. */
void early_note(struct early *e, const struct early_note *like, const struct early_came *came,
                bool wins);

/* Of the write of that dot and stamp, whose message has come. known: as above; what is in that came
 * with a pull. */
enum early_state early_find(const struct early *e, const struct early_note *like, int64_t stamp,
                            const struct part *p, const struct clock *known);

#endif
