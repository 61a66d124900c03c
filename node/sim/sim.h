/* sim.h - a whole cluster in one process, on virtual time.
 *
 * The second shell around the node core (the first is node/net): the same cores, the same codecs,
 * every message and every CQL frame really encoded and decoded; only network, disk, clock and
 * processes are simulated. README.md has the fault model.
 *
 *   DOWN --sim_start--> UP --sim_stop / sim_kill / sim_crash--> DOWN
 *                       UP <--sim_resume-- PAUSED <--sim_pause-- UP
 *
 * Everything happens in the order of (virtual time, sequence number), all randomness comes from one
 * seed: so the same seed and the same calls give the same run, and sim_hash says so.
 *
 * Nodes are named 1, 2, 3 …, in the order of sim_add. What a reply points to lives until the next
 * sim_cql or, for sim_ask, until sim_forget.
 */
#ifndef TORC_NODE_SIM_SIM_H
#define TORC_NODE_SIM_SIM_H

#include "node/cql/proto/names.h"
#include "node/heal/heal.h"
#include "node/node.h"

#define SIM_NODES_MAX   16
#define SIM_CELLS_MAX   65536 /* of one reply */
#define SIM_SEEDS       3     /* the first nodes are the seeds of all */
#define SIM_LINE_MAX    256
#define SIM_DRIFT_MAX   500000              /* parts of a million */
#define SIM_LINES_MAX   4096                /* recorded and not yet compared */
#define SIM_ASK_TIMEOUT (15 * USEC_PER_SEC) /* how long sim_cql waits */

struct sim; /* Opaque. */

/* Bounds of the nodes that a run may make small, to get to the code behind them. Zero means the
 * default, in brackets. */
struct sim_limits {
    usec write_timeout_us, read_timeout_us, range_timeout_us; /* [2, 5, 10 s] */
    usec probe_interval_us;                                   /* [1 s] */
    usec counter_window_us;                                   /* [30 s] */
    usec purge_hold_us;                                       /* [2 s] */
    usec scrub_us;                                            /* [30 s] */
    usec away_us;              /* [a minute] a metadata member that is down this long makes way */
    usec log_window_us;        /* [as node/heal, and below] how far range logs reach back */
    uint64_t log_min, log_max; /* bytes of a range */
    size_t log_tails_max;      /* [16 KiB] */
    size_t in_flight_max;      /* [64 MiB] */
    size_t frame_max;          /* [16 MiB] */
    uint32_t pull_bytes_max;   /* [as node/heal] of rows in one message */
    uint64_t handoff_rate;     /* [as node/heal] bytes a second, whatever clients feel */
    size_t link_out_max; /* [64 MiB] waiting at a node for another; beyond it the link breaks */
};

/* Zero means the default, in brackets. */
struct sim_config {
    uint64_t seed;
    uint32_t ring_ranges;    /* [16] */
    usec latency_us;         /* [500] of a message, at least */
    usec jitter_us;          /* [500] and up to so much more; a twentieth takes ten times that */
    usec disk_us;            /* [300] of an fsync, at least; jitter as above */
    uint32_t loss_ppm;       /* [0] datagrams lost */
    uint32_t duplicate_ppm;  /* [0] datagrams that arrive twice */
    usec clock_offset_us;    /* [0] each wall clock is off by up to so much, either way */
    int32_t clock_drift_ppm; /* [0] each machine's clocks run too fast or slow by up to so much */
    uint32_t dcs;            /* [1] data centres; machines are dealt out in turn, dc1 first */
    uint32_t racks;          /* [1] of each data centre, dealt out in the same way */
    uint32_t trace_every;    /* [0] one question in so many is traced (TRACING ON) */
    struct sim_limits limits;
    void (*print)(void *arg, const char *line); /* sees every trace line; may be NULL */
    void *print_arg;
};

struct sim *sim_new(const struct sim_config *config);
void sim_free(struct sim *s); /* accepts NULL */

/* --- processes */

unsigned sim_add(struct sim *s); /* one machine more, DOWN, with an empty disk; its number */

/* False when it cannot start: its disk is full, or what it must know of itself cannot be read. It
 * is DOWN then, and sim_why_down says why in the words that torcd would end with. */
bool sim_start(struct sim *s, unsigned node);
const char *sim_why_down(const struct sim *s, unsigned node);
void sim_stop(struct sim *s, unsigned node);  /* SIGTERM: drains, at most 10 s; runs the cluster */
void sim_kill(struct sim *s, unsigned node);  /* SIGKILL: the kernel keeps what was written */
void sim_crash(struct sim *s, unsigned node); /* power cut: what was not synced is lost */

/* Power cut in the middle of the node's next turn that has more than `effects` effects: so many of
 * them happen, nothing is flushed. Until then the node runs, and may end in another way.
 * SIM_NO_CRASH: not any more. */
#define SIM_NO_CRASH (~0u)
void sim_crash_in_turn(struct sim *s, unsigned node, unsigned effects);

/* From now on the node takes so long to come to what has arrived, or is due; what comes meanwhile
 * waits, and then all of it is done in one go. 0: no time, as at first. */
void sim_slow_node(struct sim *s, unsigned node, usec turn_us);
void sim_pause(struct sim *s, unsigned node); /* SIGSTOP: the kernel goes on taking its bytes */
void sim_resume(struct sim *s, unsigned node);
bool sim_is_up(const struct sim *s, unsigned node); /* also when PAUSED */
bool sim_is_paused(const struct sim *s, unsigned node);
bool sim_is_ready(const struct sim *s, unsigned node); /* UP and serving clients */
unsigned sim_nodes(const struct sim *s);
struct node *sim_node(struct sim *s, unsigned node); /* NULL while it is down */

/* Add and start nodes until there are so many, and run until all serve clients and see each other.
 * False when that takes more than a minute. */
bool sim_form(struct sim *s, unsigned nodes);

/* --- network. Cutting an existing connection shows after a timeout, as with TCP. */

void sim_cut(struct sim *s, unsigned a, unsigned b); /* both ways */
void sim_cut_one_way(struct sim *s, unsigned from, unsigned to);
void sim_heal(struct sim *s, unsigned a, unsigned b); /* both ways */
void sim_heal_all(struct sim *s);
void sim_isolate(struct sim *s,
                 unsigned node); /* cut from all others; its clients still reach it */
void sim_set_latency(struct sim *s, usec latency_us, usec jitter_us);
void sim_set_loss(struct sim *s, uint32_t loss_ppm, uint32_t duplicate_ppm);

/* Between two nodes, both ways: everything takes `extra_us` longer, and no more than `bytes_per_s`
 * pass (0: no bound): messages queue up, in order, to limits.link_out_max; datagrams to 64 KiB, and
 * are dropped beyond. Who is further away than half a second cannot be connected to. (0, 0) as at
 * first. */
void sim_set_link(struct sim *s, unsigned a, unsigned b, usec extra_us, uint64_t bytes_per_s);

/* --- disks. What is durable is in `storage/store_mem.h`. */

void sim_set_disk(struct sim *s, usec disk_us); /* of an fsync, at least, of all nodes */
void sim_slow_disk(struct sim *s, unsigned node, usec disk_us); /* of one; 0: as all */

/* Every write fails, until the node is started again after sim_empty_disk; before, it does not
 * start. Some of what was just being written is on the disk though its write failed. */
void sim_fill_disk(struct sim *s, unsigned node);
void sim_empty_disk(struct sim *s, unsigned node); /* there is space again */

/* Of the stored keys one in `of` (by a hash of the key and `of`) cannot be read; 0: all can. */
void sim_fail_reads(struct sim *s, unsigned node, uint32_t of);

/* A bit turns over in each of so many blocks (neighbouring entries, 4 KiB), chosen at random. As
 * with LevelDB, which has a checksum over each block, reading any entry of it is an error from then
 * on, until the entry is written again or the disk is lost. Returns how many entries that are. */
uint32_t sim_flip_bits(struct sim *s, unsigned node, uint32_t blocks);

/* The node, which is down, has an empty disk. It can be started as a new node, or instead of the
 * one that it was (--replace_address), under the same address and a new host id. */
void sim_lose_disk(struct sim *s, unsigned node);
bool sim_start_replacing(struct sim *s, unsigned node);

/* Copy what is durable; and put that back later, of a node that is down. */
void sim_back_up_disk(struct sim *s, unsigned node);
void sim_restore_disk(struct sim *s, unsigned node);

/* Partitions that lie next to each other, so many at most, go from the node's disk, as with a part
 * of a table file, and reading does not tell. Only what all replicas, three at least, have alike
 * and durably; nothing while another node's lost rows are not back, or ranges move: so all of it is
 * still on most replicas. Returns how many partitions went. */
uint32_t sim_lose_rows(struct sim *s, unsigned node, uint32_t partitions);

/* How many of them are not as on the other replicas yet. */
uint32_t sim_rows_lost(struct sim *s);

/* --- sessions by trees (node/heal/compare.h)
 *
 * Node a compares all that it and b have, range after range, as an operator would have it do. */
struct sim_compare {
    unsigned a, b;
    bool full, preview;
};

/* False: a or b is down, or a compares already. */
bool sim_compare(struct sim *s, const struct sim_compare *what);
bool sim_is_comparing(const struct sim *s, unsigned a);

/* What a's last such comparison came to; of that under way, as far as it is. */
struct sim_compared {
    uint32_t ranges, failed;     /* sessions: all; and those that broke off */
    struct heal_figures figures; /* sums of those that went through; `equal`: all were */
};
const struct sim_compared *sim_compared(const struct sim *s, unsigned a);

/* What crossed the wire in sessions, whoever began them, as the simulator counts it. */
struct sim_crossed {
    uint64_t sessions, messages, bytes;
    uint64_t rows;  /* heads of partitions, too */
    uint64_t alike; /* of them: who got it had it just so (mostly: by then) */
    uint64_t lost;  /* partitions that sim_lose_rows took */
};
struct sim_crossed sim_crossed(const struct sim *s);

/* The first thing about sessions that cannot be: rows in a preview, figures other than what crossed
 * the wire. NULL: nothing. */
const char *sim_session_problem(const struct sim *s);

/* --- repair runs (node/repair/repair.h), of all that there is, begun at a node
 *
 * False: the node is not ready, or has too many. */
struct repair_run;
bool sim_repair(struct sim *s, unsigned node, bool full, bool preview, uint64_t *ret_id);
bool sim_is_repairing(const struct sim *s, unsigned node); /* it manages one that is not over */

/* As its manager tells of it, until the next event; NULL: it is down, or knows of none such. */
const struct repair_run *sim_repair_run(const struct sim *s, unsigned node, uint64_t id);

/* What managers say of their runs can be. False with the first that cannot. */
bool sim_repairs_look(struct sim *s, struct errmsg *ret_why);

struct sim_repairs {
    uint64_t begun;
    uint64_t cut; /* how often the process of a manager ended while its run went on */
};
struct sim_repairs sim_repairs(const struct sim *s);

/* --- clocks, of a node that is up or down */

/* The wall clock is off by so much from now on; sim_jump_clock moves it. */
void sim_set_clock(struct sim *s, unsigned node, usec offset_us);
void sim_jump_clock(struct sim *s, unsigned node, usec by_us);

/* Both clocks of the machine run so much too fast (or slow), from now on: the monotonic one too. */
void sim_drift_clock(struct sim *s, unsigned node, int32_t ppm);
struct now sim_clock(const struct sim *s, unsigned node); /* what they say */

/* --- time */

usec sim_now(const struct sim *s);        /* since the beginning */
bool sim_step(struct sim *s, usec until); /* one event; false: none before `until` */
void sim_elapse(struct sim *s, usec us);  /* run for so long */
typedef bool sim_condition(struct sim *s, void *arg);
bool sim_until(struct sim *s, sim_condition *condition, void *arg, usec limit_us);
bool sim_until_ready(struct sim *s, usec limit_us); /* all nodes that are up serve clients */

/* A fingerprint of all events so far; and how many they were. */
uint64_t sim_hash(const struct sim *s);
uint64_t sim_events(const struct sim *s);

/* A generator of the caller's own, from the seed. */
struct rng *sim_rng(struct sim *s);

/* --- clients. Every node has one connection of ours; a crash of the node breaks it. */

enum sim_outcome {
    SIM_PENDING,
    SIM_OK,
    SIM_ERROR, /* the server said no: `code` */
    SIM_LOST,  /* no answer will come: the connection broke */
};

struct sim_cell {
    bool is_null;
    struct bytes bytes; /* as on the wire */
};

struct sim_reply {
    enum sim_outcome outcome;
    enum cql_error_code code;
    const char *message;
    usec asked, answered; /* sim_now */
    uint32_t columns, rows;
    const uint16_t *types;        /* [columns] enum cql_option_id */
    const struct sim_cell *cells; /* [rows * columns] */
    const char *const *warnings;  /* of the last page */
    uint32_t warnings_count;
    struct bytes session; /* the token that came with it; NULL data: none */
    struct bytes receipt;
};

/* Send a statement and go on. The number is for sim_reply_of, which is never NULL before
 * sim_forget. */
uint64_t sim_ask(struct sim *s, unsigned via, enum cql_consistency level, const char *cql);

/* The same by pages of so many rows, one asked for when the one before has come. The reply has the
 * rows of all pages, or what went wrong with one. 0: all at once. */
uint64_t sim_ask_paged(struct sim *s, unsigned via, enum cql_consistency level, const char *cql,
                       int32_t page_size);

/* The same under a name, by which the node may know it again (custom payload). */
uint64_t sim_ask_named(struct sim *s, unsigned via, enum cql_consistency level, const char *cql,
                       uint64_t name);
const struct sim_reply *sim_reply_of(const struct sim *s, uint64_t request);
void sim_forget(struct sim *s, uint64_t request);

/* When the last answer came from the node with a warning that has this word in it (also one that
 * nobody waited for); -1: none has. */
usec sim_warned(const struct sim *s, unsigned node, const char *word);

/* The number of our connection to the node, or the one that it would get now; no other has it. */
uint64_t sim_connection(const struct sim *s, unsigned node);

/* Our connection to the node closes: what was asked and not answered is LOST; the next sim_ask
 * opens a new one. What the node has read already it may still do. */
void sim_hang_up(struct sim *s, unsigned node);

/* Send a statement and run the cluster until it is answered. */
const struct sim_reply *sim_cql(struct sim *s, unsigned via, enum cql_consistency level,
                                const char *format, ...) __attribute__((format(printf, 4, 5)));

/* What is asked from now on is of this session: its token goes with each question, and becomes the
 * one that comes with the answer (to sim_cql; of others it is in the reply). Borrowed; NULL: of
 * none. An empty buffer asks for a token. */
void sim_set_session(struct sim *s, struct buf *session);
void sim_want_receipts(struct sim *s, bool want);

/* "ok" for a reply without rows, "1 a; 2 null" for rows (in the order of the reply), "error: name"
 * with the protocol's name of the error, "lost". Lives like the reply of sim_cql. */
const char *sim_say(struct sim *s, const struct sim_reply *reply);

/* --- traces */

/* A line of the caller's own among those that config.print sees, with the time before it. */
void sim_note(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Record lines that contain one of the words (separated by '|'); forget what was recorded. */
void sim_watch(struct sim *s, const char *words);

/* The lines recorded since, one "node > text" each, are these, node by node: all of node 1, then
 * all of node 2 … Prints both when they are not (through config.print). Times are not compared;
 * nodes read [1], long numbers #. Forgets them. */
bool sim_expect(struct sim *s, const char *lines);

/* --- looking at replicas (check.c) */

/* Every node that is up serves clients and believes all others that are up to be alive. */
bool sim_see_each_other(struct sim *s, struct errmsg *ret_why);

/* What nodes hold of things that are under way is within their bounds, and what waits on links too.
 * False with the first that is not in `ret_why` (may be NULL). Cheap; for every now and then. */
bool sim_check_bounds(struct sim *s, struct errmsg *ret_why);

/* Nothing is under way any more, anywhere: no request, no write that is not durable, nothing that
 * waits on a link or a connection. True some seconds after the last request, if nothing leaks. */
bool sim_is_quiet(struct sim *s, struct errmsg *ret_why);

/* Every replica of every range has the same clock and the same bytes, and all nodes the same
 * metadata. False with the first difference in `ret_why` (may be NULL). Nodes that are down make it
 * false. */
bool sim_replicas_equal(struct sim *s, struct errmsg *ret_why);

/* The same of clocks and metadata alone. */
bool sim_clocks_equal(struct sim *s, struct errmsg *ret_why);

/* What the trees say, brought up to date, is what there is: each is built anew from the rows, and
 * has the same sums. False with the first that has not. */
bool sim_trees_true(struct sim *s, struct errmsg *ret_why);

#endif
