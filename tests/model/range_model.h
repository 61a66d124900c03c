/* range_model.h - every course that the movement of one range can take, beside one write.
 *
 * Five nodes, the log of the range's stages, and what each node has applied of it; one write, which
 * any replica gives a name to and sends; each message may be late for ever, each node may be behind
 * by any number of entries, lose what it has not synced, and be the coordinator of the write or of
 * a read. Whom to ask, who takes, who answers, what is refused and what proves a stage is asked of
 * ring/stage.h; so what is searched is what runs.
 *
 * Found is a state in which the write was acked, or shown by a read, and replicas that have not got
 * it durably would make a read at its level, planned with any entry of the log.
 *
 * Ranges have nothing in common but the log: a replica judges a request by the entries of its range
 * alone. So three ranges are one with entries in between that change nothing of it (`others`). */
#ifndef TORC_TESTS_MODEL_RANGE_MODEL_H
#define TORC_TESTS_MODEL_RANGE_MODEL_H

#include "ring/stage.h"

#define MODEL_NODES 5

enum model_level { MODEL_ONE, MODEL_QUORUM, MODEL_ALL };

/* Bugs that can be planted. */
enum model_mistake {
    MISTAKE_NONE,
    MISTAKE_NO_FENCE,          /* replicas serve whatever is planned */
    MISTAKE_ACK_UNJUDGED,      /* a request is judged when it comes, its ack leaves later */
    MISTAKE_AT_ONCE,           /* no proof at all: the new replicas are asked as soon as known */
    MISTAKE_NO_JOINT,          /* from COPY at once to the new replicas */
    MISTAKE_ONE_PROOF,         /* JOINT ends without a proof of its own */
    MISTAKE_JOINT_WRITES_NOW,  /* in JOINT writes need the replicas of now alone */
    MISTAKE_JOINT_READS_LATER, /* ... or reads those of later */
    MISTAKE_READ_NEW,         /* writes need both from COPY on, JOINT reads later; proved in COPY */
    MISTAKE_HEARD_EARLY,      /* who has yet to hear of the stage counts as heard */
    MISTAKE_LEAVERS_UNHEARD,  /* anybody heard is enough */
    MISTAKE_STAYERS_UNPROVED, /* fewer replicas: those that stay prove nothing */
    MISTAKE_COUNT
};

/* Sets are masks of nodes. */
struct model_scenario {
    const char *name;
    uint8_t now, first; /* a move from now to first */
    uint8_t second;     /* and one to second, at any time meanwhile or after it; 0: none */
    uint8_t gone;       /* of now */
    enum model_level write, read;
    unsigned entries; /* of the log, at most, up to MODEL_ENTRIES_MAX */
    bool back;        /* JOINT may go back to COPY, and a move be given up */
    bool others;      /* entries of other ranges come between */
};
#define MODEL_ENTRIES_MAX 7

struct model_result {
    bool found;       /* the mistake shows */
    bool too_many;    /* states: the search is not complete */
    bool settled;     /* some course ends with all replicas moved */
    uint64_t states;  /* different ones */
    char trace[1024]; /* what led there, when found */
};

struct model_result model_search(const struct model_scenario *s, enum model_mistake mistake);

#endif
