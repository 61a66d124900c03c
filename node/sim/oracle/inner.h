/* inner.h - what the files of the history share. */
#ifndef TORC_NODE_SIM_ORACLE_INNER_H
#define TORC_NODE_SIM_ORACLE_INNER_H

#include "base/map.h"
#include "node/sim/oracle/history.h"

#define NO_WRITE SIZE_MAX

/* A write, or (seen) what a read has shown: some delete, some put, it is not known which. */
struct write {
    uint32_t client;
    bool seen;
    bool single; /* one timestamp: one attempt, or a client timestamp */
    bool more;   /* several attempts */
    bool told;   /* acked by so many (`acked`) that would have said what overrules it */
    uint32_t acked;
    int64_t stamp;
    usec start;
    usec end;        /* its timestamp is not from later */
    usec over;       /* it is not executed later, whoever coordinates it */
    usec ttl;        /* 0: for ever */
    uint32_t reader; /* who was shown it first, and when */
    usec shown;
};

/* What a write did to a cell, or to a range of cells. */
struct part {
    size_t write;
    int64_t stamp;
    int64_t value;
    size_t beaten; /* the write that was seen to win against it; NO_WRITE */
    bool is_delete;
};

struct range {
    struct part part;
    int64_t first, last;
    bool overwrite;
};

struct cell {
    int64_t id;
    struct part *parts; /* oldest first: by start, or by timestamp */
    size_t count, cap;
    bool active; /* reads that do not show it ask why */
    size_t at;   /* in `active` */
};

struct partition {
    uint64_t key;
    struct map cells; /* id -> struct cell */
    struct cell **all;
    size_t all_count, all_cap;
    struct cell **active;
    size_t active_count, active_cap;
    struct range *ranges; /* oldest first */
    size_t ranges_count, ranges_cap;
};

struct history {
    struct history_config config;
    struct write *writes;
    size_t count, cap;
    usec *known; /* [write][replicas - 1]: since when it is known by so many */
    size_t known_count;
    struct map partitions;
    struct partition **all;
    size_t all_count, all_cap;
    usec *losses;
    size_t losses_count, losses_cap;
    bool equal; /* for messages */
    uint64_t held;
};

/* --- history.c */

struct partition *partition_of(struct history *h, uint64_t key);
struct cell *cell_of(struct partition *p, int64_t id); /* NULL: nothing was ever written */
size_t write_new(struct history *h, struct write w);
void cell_add(struct history *h, struct partition *p, struct cell *c, struct part part);
void cell_rest(struct partition *p, struct cell *c); /* no longer active */

/* Older than, younger than: as far as is sure. */
int part_order(const struct history *h, const struct part *a, const struct part *b);
bool part_is_later(const struct history *h, const struct part *w, const struct part *than);

/* Since when it is known by so many; USEC_NEVER. */
usec known_by(const struct history *h, size_t write, uint32_t replicas);
void make_known(struct history *h, size_t write, uint32_t replicas, usec at);
/* How many of the replicas that answered between these two still have it. */
uint32_t replicas_left(const struct history *h, uint32_t replicas, usec start, usec end);

#endif
