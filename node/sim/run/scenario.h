/* scenario.h - everything about a run, written down.
 *
 *   seed --scenario_draw--> scenario --run--> result
 *   file --scenario_read--^     |
 *                               +--scenario_write--> file (YAML)
 *
 * A scenario is explicit: every fault with its time, its nodes and how long it lasts. So a seed
 * that fails can be made smaller by leaving things out (shrink.h), and a person can write one
 * (docs/simulation.md). What is not written in it (delays, losses, who asks what) comes from
 * `seed` by generators of their own, so that leaving out a fault does not change the rest.
 */
#ifndef TORC_NODE_SIM_RUN_SCENARIO_H
#define TORC_NODE_SIM_RUN_SCENARIO_H

#include "base/buf.h"
#include "node/sim/sim.h"

#define SCENARIO_FAULTS_MAX    65536
#define SCENARIO_CLIENTS_MAX   256
#define SCENARIO_WORKLOADS_MAX 24

/* X(name, operands, unit of `amount`, what it does). Names are those of scenario files. */
#define FAULT_LIST(X)                                                                              \
    X(cut, 2, NONE, "two nodes do not hear each other")                                            \
    X(cut_one_way, 2, NONE, "the second does not hear the first")                                  \
    X(isolate, 1, NONE, "a node hears no other and none hears it; clients still do")               \
    X(split, 1, NONE, "nodes up to this one and nodes after it do not hear each other")            \
    X(flap, 2, TIME, "a cut that opens and closes again and again, so long each")                  \
    X(slow_link, 2, TIME, "messages between two nodes take so much longer")                        \
    X(thin_link, 2, COUNT, "so many bytes a second pass between two nodes")                        \
    X(loss, 0, PPM, "so many of a million datagrams are lost, everywhere")                         \
    X(duplicates, 0, PPM, "so many of a million datagrams arrive twice, everywhere")               \
    X(kill, 1, NONE, "the process ends at once; what it had written the kernel keeps")             \
    X(crash, 1, NONE, "power cut: what was not synced is lost")                                    \
    X(crash_in_turn, 1, COUNT, "power cut in the middle of a turn, after so many of its effects")  \
    X(crash_all, 0, NONE, "the power goes everywhere")                                             \
    X(stop, 1, NONE, "a clean stop: drains first")                                                 \
    X(pause, 1, NONE, "the process stands still; the kernel goes on taking its bytes")             \
    X(slow_node, 1, TIME, "every turn of the node takes so long")                                  \
    X(slow_disk, 1, TIME, "an fsync takes so long")                                                \
    X(full_disk, 1, NONE, "writes fail; started again with space at the end")                      \
    X(read_error, 1, COUNT, "one in so many blocks cannot be read, until started again")           \
    X(flip_bits, 1, COUNT, "bits of so many stored blocks turn over; replaced at the end")         \
    X(lose_disk, 1, NONE, "power cut, and the disk is empty; replaced at the end")                 \
    X(clock_jump, 1, TIME, "the wall clock is set forward, or back when negative; undone")         \
    X(clock_drift, 1, PPM, "the clocks run so much too fast, or slow when negative")               \
    X(join, 0, NONE, "no fault: a node more")                                                      \
    X(lose_rows, 1, COUNT, "so many partitions go from the disk, and nobody is told")              \
    X(compare, 2, COUNT, "no fault: a session by trees of all that two nodes have")                \
    X(repair, 1, COUNT, "no fault: a repair run; its manager may be killed and go on at the end")  \
    X(alter, 1, COUNT, "no fault: rows have so many copies (in each data centre) for a while")

enum fault_kind {
#define X(name, operands, unit, text) FAULT_##name,
    FAULT_LIST(X)
#undef X
        FAULT_COUNT
};

struct fault {
    usec at; /* since the load began, or else the forming, if that is not 0 */
    usec lasts_us;
    enum fault_kind kind;
    unsigned a, b; /* nodes, from 1; taken modulo the number there is */
    int64_t amount;
};

/* X(consistency level) */
#define SCENARIO_LEVEL_LIST(X) X(ONE) X(TWO) X(QUORUM) X(LOCAL_ONE) X(LOCAL_QUORUM) X(ALL)
enum scenario_level {
#define X(name) SCENARIO_##name,
    SCENARIO_LEVEL_LIST(X)
#undef X
        SCENARIO_LEVELS
};

struct scenario {
    uint64_t seed;
    uint32_t nodes, dcs, racks, rf, ring_ranges; /* racks of each data centre; rf in each */
    usec forming_us; /* faults begin so long before the load, while the nodes are being started */
    usec time_us;    /* of load and faults */
    struct {
        usec latency_us, jitter_us;
    } network;
    usec disk_us;
    struct {
        usec offset_us;    /* each wall clock is off by up to so much, either way */
        int32_t drift_ppm; /* each runs too fast or slow by up to so much */
    } clocks;
    struct {
        uint32_t count;
        usec think_us;         /* between answer and next request, at most */
        usec timeout_us;       /* then it gives up, or asks another node */
        uint32_t retry_ppm;    /* asks again when there was no good answer */
        uint32_t leave_ppm;    /* hangs up in the middle of a request */
        uint32_t old_ppm;      /* of its timestamps are as old as the run (deletes); 0: as usual */
        uint32_t size;         /* 1: few keys; 100: many */
        uint64_t requests_max; /* in all; 0: no bound */
    } clients;
    uint32_t workloads[SCENARIO_WORKLOADS_MAX]; /* weights, in the order of workloads_all */
    uint32_t levels[SCENARIO_LEVELS];           /* weights */
    struct sim_limits limits;
    uint32_t away_max; /* so many nodes down or paused at once; further such faults are skipped */
    struct fault *faults; /* in the order of time; owned */
    size_t faults_count;
};

/* The scenario of a seed. 0 nodes: 3 to 5. The caller calls scenario_close. */
void scenario_draw(uint64_t seed, uint32_t nodes, usec time_us, struct scenario *ret);

/* The same for deletes: that workload and little else, mostly at QUORUM, fast, under partitions,
 * crashes, lost disks, replaced and new nodes, and clocks that jump by up to ten seconds and drift.
 */
void scenario_draw_deletes(uint64_t seed, uint32_t nodes, usec time_us, struct scenario *ret);

/* The same for healing: all workloads, rows that are lost from one replica, and sessions by trees,
 * begun at random and broken off by crashes, cuts and moves. */
void scenario_draw_healing(uint64_t seed, uint32_t nodes, usec time_us, struct scenario *ret);
void scenario_close(struct scenario *s);
void scenario_copy(const struct scenario *s, struct scenario *ret);

/* YAML. Reading fails with ERR_CONFIG and the line. Writing what was read gives the same run. */
enum err scenario_read(struct bytes yaml, struct scenario *ret, struct errmsg *reterr) MUST_CHECK;
void scenario_write(const struct scenario *s, struct buf *out);

const char *fault_name(enum fault_kind kind);
unsigned fault_operands(enum fault_kind kind); /* how many nodes it is done to */

#endif
