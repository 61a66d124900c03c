/* cluster_fixture.h - several coordinators and replicas in one process, without gossip or metadata:
 * everybody knows everybody. Messages are encoded, queued, decoded; some are lost on purpose. */
#ifndef TORC_TESTS_UNIT_NODE_COORD_CLUSTER_FIXTURE_H
#define TORC_TESTS_UNIT_NODE_COORD_CLUSTER_FIXTURE_H

#include "node/coord/coord.h"
#include "storage/counter.h"
#include "storage/seen.h"
#include "storage/store_mem.h"

#define FIXTURE_NODES 4
#define KEYSPACE      7 /* RF 3 */
#define TABLE         9

#define FIXTURE_OFFSET (500 * USEC_PER_MS) /* clock_offset_max_us */
#define FIXTURE_WINDOW (10 * USEC_PER_SEC) /* counter_window_us */

#define FIXTURE_HINTS        ((size_t)4096)        /* hints_size_max */
#define FIXTURE_HINTS_WINDOW (3600 * USEC_PER_SEC) /* hints_window_us */

struct fixture_node {
    struct store *store;
    struct engine *engine;
    struct cluster *cluster;
    struct coord *coord;
    bool down;   /* messages to it vanish */
    bool frozen; /* its disk does not sync */
};

struct fixture {
    struct fixture_node node[FIXTURE_NODES]; /* numbers 1 .. FIXTURE_NODES */
    struct now now;
    struct buf queue[512]; /* messages on their way */
    struct {
        node_no from, to;
    } route[512];
    size_t queued, taken;
    uint32_t copies;             /* of each row */
    node_no slow;                /* writes that it sends stay on their way until fixture_release */
    unsigned slow_to;            /* to those nodes, a bit for each; 0: to all */
    size_t kept[16], kept_count; /* slots of that */
    struct coord_result result;  /* of the last operation that ended; rows live in `arena` */
    struct arena arena;
    uint64_t done; /* its name */
    size_t writes_sent;
    node_no mute;            /* fixture_settle_without */
    int64_t stamp;           /* of writes: which timestamp is the server's; 0: none is */
    bool receipt;            /* of operations: it is wanted; it lives in `arena` */
    const struct seen *seen; /* of operations */
    struct seen told;        /* by the last one */
    uint64_t fetch;          /* the last that was asked for; nobody sees to it, .. */
    node_no fetch_by;        /* .. by this node */
};

void fixture_open(struct fixture *f); /* three copies of each row */
void fixture_open_copies(struct fixture *f, uint32_t copies);
void fixture_close(struct fixture *f);
struct fixture_node *fixture_at(struct fixture *f, node_no node);

/* Deliver, sync and perform until nothing moves. */
void fixture_settle(struct fixture *f);
/* The same, but from this node nothing but questions for votes goes out: as if it died then. */
void fixture_settle_without(struct fixture *f, node_no node);
/* What is kept of who was slow comes now, in order or the last one first; settles. */
void fixture_release(struct fixture *f, bool reversed);
/* `to` gets all that `from` has, and its clock; settles. */
void fixture_pull(struct fixture *f, node_no from, node_no to);
void fixture_elapse(struct fixture *f, usec us);

/* The process ends and starts again; its disk keeps what was synced and what was not. */
void fixture_restart(struct fixture *f, node_no node);

/* The node is gone: what it had in memory with it, and what is on its way to it. */
void fixture_die(struct fixture *f, node_no node);
void fixture_come_back(struct fixture *f, node_no node);

/* From the entry `since` on, which is the last that the node has heard of, so many copies are asked
 * for; when later is not 0, these as well (JOINT). Does not settle. */
void fixture_see(struct fixture *f, node_no node, uint32_t now, uint32_t later, uint64_t since);

/* All nodes see it as dead or alive. */
void fixture_set_alive(struct fixture *f, node_no node, bool alive);

/* Write value to the column of row `row` of partition `key`, at a timestamp; settles. */
enum err fixture_write(struct fixture *f, node_no via, const char *key, const char *row,
                       const char *value, int64_t timestamp, enum level level);
/* The same, with the server's timestamp. */
enum err fixture_stamped(struct fixture *f, node_no via, const char *key, const char *row,
                         const char *value, int64_t timestamp, enum level level);
/* Delete that row. */
enum err fixture_delete(struct fixture *f, node_no via, const char *key, const char *row,
                        int64_t timestamp, enum level level);

/* Read a partition; settles. The result is in f->result. */
enum err fixture_read(struct fixture *f, node_no via, const char *key, uint32_t rows_max,
                      enum level level);

/* The same for any scan. */
enum err fixture_scan(struct fixture *f, node_no via, const struct scan *scan, enum level level);

/* Add to the counter of that row, as the request of this number, now; settles. */
enum err fixture_count(struct fixture *f, node_no via, const char *key, const char *row,
                       uint64_t request, int64_t delta, enum level level);
struct part fixture_increment(struct fixture *f, const char *key, const char *row, uint64_t request,
                              int64_t delta, int64_t timestamp);
/* What a replica has of a partition, in f->arena; NULL: nothing. */
const struct part *fixture_part(struct fixture *f, node_no node, const char *key);

/* The value in one replica's own store, or NULL; in f->arena. */
const char *fixture_stored(struct fixture *f, node_no node, const char *key, const char *row);
bool fixture_has(struct fixture *f, node_no node, const char *key, const char *row,
                 const char *value);

/* A replica of the key, by place in its list; and a node that is none. */
node_no fixture_replica(struct fixture *f, const char *key, uint32_t place);
node_no fixture_stranger(struct fixture *f, const char *key);

#endif
