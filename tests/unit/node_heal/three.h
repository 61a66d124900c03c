/* three.h - three replicas of everything, for tests of healing. Messages are encoded, delivered in
 * order, decoded; disks sync when the fixture says so. */
#ifndef TORC_TESTS_THREE_H
#define TORC_TESTS_THREE_H

#include "node/heal/heal.h"

#define NODES    3
#define RANGES   16
#define MOST     1024 /* ranges, with three_ranges */
#define KEYSPACE 7
#define TABLE    9

struct one {
    struct store *store;
    struct engine *engine;
    struct cluster *cluster;
    struct heal *heal;
    bool down;
    bool stuck;               /* its disk does not sync */
    uint64_t epoch;           /* of the metadata that it has; goes with each message */
    uint32_t life, told_life; /* new ones asked for, and begun */
    uint64_t fetched;         /* HEAL_FETCHED came last for this one */
    bool fetched_all;
    uint64_t compared; /* HEAL_COMPARED came so often; the last one: */
    enum err compared_err;
    struct heal_figures figures;
    size_t compared_ranges[MOST]; /* ... of each range */
    enum err compared_errs[MOST];
    bool compared_ours[MOST];
    struct heal_figures compared_figures[MOST];
    uint64_t compared_all; /* HEAL_COMPARED_ALL came so often; the last one: */
    enum err all_err;
    size_t all_ranges, all_equal, all_failed;
    struct heal_figures all_figures;
    struct heal_figures all_sums; /* of all of them */
    bool over[MOST];              /* the one with this id, in all of MOST */
    uint64_t leaves_wrong;
    uint64_t doubtful;       /* rows, of HEAL_DOUBTFUL */
    uint64_t damage_told[4]; /* HEAL_DAMAGED, by `what` */
    uint64_t moved;          /* the ring epoch of HEAL_MOVED */
    uint64_t moved_dots;     /* pulled by then */
};

struct sent {
    struct buf bytes;
    node_no to;
};

struct fixture {
    struct one node[NODES];
    struct now now;
    struct sent queue[256];
    size_t queued, taken;
    size_t sent[128]; /* by message number */
    size_t bytes_sent[128];
    bool lost[128]; /* messages of these numbers do not arrive */
    struct arena arena;
};
extern struct fixture f;

extern struct log_bounds three_logs;       /* keep 0: those of the product */
extern size_t three_tails_max;             /* 0: as storage has it */
extern uint64_t three_rate_min;            /* of handoff; 0: no pauses */
extern usec three_message_us;              /* that go by with each message */
extern usec three_hold_us, three_scrub_us; /* of those that three_setup makes */
extern uint32_t three_tree_width, three_compare_bytes,
    three_scrub_rows;         /* 0: what the product has */
extern uint32_t three_ranges; /* 0: RANGES */
void three_setup(uint32_t rf);
void three_teardown(void);

/* What the node has said goes on its way; one message arrives: false when there is none. */
bool perform(node_no no);
bool deliver(void);
bool step(void); /* one message arrives, disks sync, and what comes of it is said; nothing: false */
void settle(void); /* until nobody has anything to say */

/* In steps of a tenth of a second, so that deadlines come in their order. */
void elapse(usec us);

/* Node `by` coordinates a write that reaches only the nodes of the mask (bit 0: node 1). Returns
 * its dot. The value of timestamp `timestamp`; or a tombstone. */
struct dot write_quietly(unsigned mask, node_no by, unsigned key, int64_t timestamp);
struct dot delete_quietly(unsigned mask, node_no by, unsigned key, int64_t timestamp);
/* Read repair brings the nodes of the mask a tombstone of node 9, which has left: no clock has its
 * dot. */
void repair_of_a_leaver(unsigned mask, unsigned key, int64_t timestamp);
void write_to(unsigned mask, node_no by, unsigned key, int64_t timestamp);
range_no range_of(unsigned key);

/* So many fragments the node has of the key. The newest `lose` of them go behind its back. */
size_t fragments_of(node_no no, unsigned key, size_t lose);

/* All clocks and all rows. */
bool all_equal(void);
void begin(void);

/* Whether the node knows by now which node of the ring it is: not at once after a start. */
void set_in_ring(node_no no, bool in);

/* The node starts again, with a disk that cannot read these keys. */
void restart(node_no no, struct bytes unreadable, struct bytes upto);

/* To the others the node is dead, and it hears nothing; or back. */
void set_down(node_no no, bool down);

#endif
