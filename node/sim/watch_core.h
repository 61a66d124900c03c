/* watch_core.h - what the files of the watch share; nobody else includes it. */
#ifndef TORC_NODE_SIM_WATCH_CORE_H
#define TORC_NODE_SIM_WATCH_CORE_H

#include "node/sim/core.h"
#include "node/sim/watch.h"
#include "node/sim/watch_raw.h"

#define WATCH_SAMPLES 2048 /* effects remembered, to be looked for later */

/* Numbers by number, both hashes of something: 64 bits are enough for what a run sees. */
struct ledger {
    struct ledger_slot {
        uint64_t key, value; /* key 0: free */
    } * slots;
    size_t count, cap;
};

/* One effect of a dot, in full. */
struct sample {
    keyspace_no keyspace;
    range_no range;
    table_no table;
    int64_t token;
    struct bytes partition;
    struct raw_item item;
    uint8_t *room; /* what the views point to */
};

struct watch_peer { /* a member as a node sees it */
    struct uuid host_id;
    uint64_t incarnation;
};

struct watch_machine {
    struct watch *watch;
    unsigned node;
    uint64_t life; /* of the process that what follows is about */
    uint64_t epoch;
    uint64_t looked_epoch; /* its metadata was looked at */
    struct watch_peer peers[SIM_NODES_MAX * 4];
    size_t peers_count;
    usec blind_since[SIM_NODES_MAX + 1]; /* to another, with nothing between them; or NEVER */
};

struct watch {
    struct sim *sim;
    struct rng rng;
    struct arena arena;
    bool bad;
    struct errmsg why;
    struct ledger ledger;
    struct sample samples[WATCH_SAMPLES];
    size_t samples_count, samples_next;
    struct watch_machine machines[SIM_NODES_MAX + 1];
    struct watch_count count;
};

/* --- watch.c */
bool watch_fail(struct watch *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t watch_mix(uint64_t hash, uint64_t number);
uint64_t watch_mix_bytes(uint64_t hash, struct bytes b);

/* The value under the key: put there when there was none. */
uint64_t *ledger_place(struct ledger *l, uint64_t key, bool *ret_new);
uint64_t ledger_get(const struct ledger *l, uint64_t key); /* 0: not there */

/* --- watch_dots.c */
void watch_seen(void *machine, struct bytes key, struct bytes value);

/* It was a deletion or has expired, or something was that lay over it: once all replicas have it,
 * both are dropped. */
bool watch_may_be_forgotten(const struct watch *w, const struct sample *s);
range_no watch_range_of(const struct watch *w, int64_t place);

/* The keyspace of a table, as the logs have it; false: not heard of. */
bool watch_keyspace_of(const struct watch *w, table_no table, keyspace_no *ret);

/* --- watch_claims.c */
bool watch_claims(struct watch *w, unsigned node, size_t samples);

/* `item` is the effect, or makes it void. */
bool watch_accounts_for(const struct raw_item *item, const struct raw_item *effect);

/* --- watch_state.c */

/* a is at least as strong as b, both of one place. */
bool raw_beats(const struct raw_item *a, const struct raw_item *b);

/* Siblings, both of one row: the removal covers the run of dots of the other one, in its place or
 * in one that has it. Itself, too. */
bool raw_takes_away(const struct raw_item *removal, const struct raw_item *item);

/* Everything stored of the tables of a range, merged, as bytes: equal for equal contents. */
bool watch_state(struct watch *w, struct store *store, table_no table, range_no range,
                 struct buf *out);
bool watch_replicas_equal(struct watch *w);

/* The machine on which the node runs; 0: it is down. */
unsigned watch_machine_of(const struct sim *s, node_no node);

/* --- watch_agree.c */
bool watch_agree(struct watch *w, unsigned node);
bool watch_trees(struct watch *w, unsigned node);

/* --- watch_ring.c */
bool watch_ring(struct watch *w, unsigned node);
bool watch_members(struct watch *w);

#endif
