/* pace.h - how fast a node gets what it has missed, so that clients hardly notice.
 *
 * Pure, and two machines. The *foreground* of a node sees how long the requests of its clients
 * take. Those that begin and end while nothing is handed over are *quiet*: LIMIT is a tenth above
 * their 99th percentile: the median of those of the last BLOCKS blocks of LEARN requests, so some
 * seconds after a time of full load nothing is left of it. Pulls have pauses between them, so there
 * are quiet ones in the middle of the longest handoff, and what else makes a machine slow raises
 * the limit, too: not at once, and what lies above it meanwhile counts against handoff, so no
 * overload can pass for the rule before handoff is at its slowest. What is compared is moments with
 * handoff and moments without.
 *
 * Whether more than one in a hundred take longer than LIMIT is a sequential test: each that does
 * adds OVER to a score, each other takes one away, and so does time without any. At +TOLD the
 * verdict is SLOW, at -TOLD it is CALM; either is told once, and the score begins anew.
 *
 * The *pace* of who pulls is a rate in bytes a second:
 *
 *   FIRST --SLOW at either end--> half of it, not below `least`
 *         --CALM at both ends --> a quarter more, not above `most`
 *
 * After a pull of n bytes none is asked for before n + COST bytes' time is over; and each asks for
 * a part of a second at most, since a large one holds up a whole turn of giver and taker, and what
 * comes meanwhile lies unread, so that nobody sees how long it waits. So it always gets on.
 *
 * Other work has a pace of its own, of the same kind (paced.c): sessions by trees that nobody has
 * asked for, in turns, each of which is over when the time of its bytes, and of all before it, is;
 * and hints, of which each target gets so many bytes a second. */
#ifndef TORC_NODE_HEAL_PACE_H
#define TORC_NODE_HEAL_PACE_H

#include "base/histogram.h"
#include "base/types.h"

enum pace_verdict { PACE_UNSURE, PACE_CALM, PACE_SLOW, PACE_VERDICTS };

#define FOREGROUND_QUIET  (10 * USEC_PER_MS)  /* after a pull, until requests are quiet */
#define FOREGROUND_REST   (2 * USEC_PER_SEC)  /* ... until there is no handoff */
#define FOREGROUND_IDLE   (250 * USEC_PER_MS) /* without a request are worth WORTH that are fast */
#define FOREGROUND_WORTH  50
#define FOREGROUND_LEARN  256u /* quiet requests are a block, and the limit is set anew */
#define FOREGROUND_BLOCKS 8u
#define FOREGROUND_OVER   99
#define FOREGROUND_TOLD   198
#define FOREGROUND_MOST   792 /* the score, until somebody asks: SLOW is still known then */

struct foreground {
    struct histogram quiet;      /* us, of a block */
    usec p99[FOREGROUND_BLOCKS]; /* in a ring */
    uint32_t blocks;             /* so far */
    usec limit;                  /* 0: too little is known yet, and nothing is slow */
    usec disturbed;              /* mono: when something was handed over last; 0: never */
    int32_t score;
    usec scored; /* mono: up to then time has been counted */
};

/* A request of a client has been answered after so long. */
void foreground_note(struct foreground *f, usec now, usec took);
/* Something is handed over, here or from here. */
void foreground_disturb(struct foreground *f, usec now);
/* Of what was noted since the last verdict, during handoff. */
enum pace_verdict foreground_verdict(struct foreground *f, usec now);

#define PACE_COST     (UINT64_C(16) << 10) /* bytes: what a pull costs beside those that it brings */
#define PACE_FIRST    2u                   /* times `least` */
#define PACE_PARTS    256u                 /* of a second, in one pull */
#define PACE_PART_MIN (UINT32_C(16) << 10)
#define PACE_PAUSE    (2 * USEC_PER_SEC)  /* between two pulls, at most */
#define PACE_FORGET   (10 * USEC_PER_SEC) /* after the last pull it is FIRST again */

struct pace {
    uint64_t least, most;       /* bytes a second */
    uint64_t rate;              /* 0: nothing was pulled lately */
    usec resume;                /* mono: the next pull */
    bool calm_here, calm_there; /* since the rate was changed last */
    uint64_t slowed[2];         /* times: by clients here, by those of givers */
};

void pace_init(struct pace *p, uint64_t least, uint64_t most);

/* A verdict: `here`, else of who gives. */
void pace_hear(struct pace *p, bool here, enum pace_verdict verdict);

/* A pull that was asked for then has brought so much. */
void pace_pulled(struct pace *p, usec asked, uint64_t bytes);

/* How many bytes a pull is to bring that is asked for now; at most `most`. */
uint32_t pace_part(struct pace *p, usec now, uint32_t most);

/* Work that began then has cost so many bytes. */
void pace_spent(struct pace *p, usec began, uint64_t bytes);

/* When what is to be done next may be. */
usec pace_next(const struct pace *p, usec now);

/* Nothing was done for so long that the rate says nothing any more. */
bool pace_is_idle(const struct pace *p, usec now);

#endif
