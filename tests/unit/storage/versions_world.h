/* versions_world.h - some replicas of one range, and a network that delays, repeats and reorders.
 *
 * The replicas are engines over stores in memory. What coordinators and healing do between them is
 * done here in its smallest form, as docs/versions.md has it: a write is weighed, given a dot, and
 * sent with a context where it may not be newest; pulls carry the giver's durable clock; reports of
 * durable and of proved clocks make agreed ones; read repair carries what was once read. Any
 * message may come at any time, also long after all was dropped.
 *
 * Beside them stands a list of all events ever written, which forgets nothing (versions_model.c).
 */
#ifndef TORC_TESTS_STORAGE_VERSIONS_WORLD_H
#define TORC_TESTS_STORAGE_VERSIONS_WORLD_H

#include "base/rng.h"
#include "gen.h"
#include "storage/engine.h"

#define WORLD_REPLICAS 4
#define WORLD_PARTS    2
#define WORLD_EVENTS   512
#define WORLD_MESSAGES 512

struct told { /* what one replica knows of another */
    struct clock heard, seen, proved;
    bool pulled;   /* all that it had, since the epoch began */
    uint32_t boot; /* of which it has completed a pull; kept over a crash */
};

struct replica {
    struct store *store;
    struct engine *engine;
    struct actor self;
    struct store *backup;                  /* an older copy of its store; NULL: none */
    uint32_t backup_boots[WORLD_REPLICAS]; /* the lives that were known then */
    bool coming;    /* it has not pulled from all others yet: it mints nothing and is not read */
    bool old;       /* likewise, since its disk was replaced by an older copy */
    uint64_t since; /* the entry of the metadata with which it came */
    struct told told[WORLD_REPLICAS];
    uint64_t asked[WORLD_REPLICAS]; /* number of the question to each that waits for its answer */
    uint64_t purges;                /* how often something may have been dropped ... */
    uint64_t purges_asked[WORLD_REPLICAS]; /* ... when that question was put */
};

enum message_kind { MESSAGE_WRITE, MESSAGE_REPAIR, MESSAGE_ASK, MESSAGE_PULL, MESSAGE_PROVED };

/* All bytes are encoded, and lie in the arena of the world. */
struct message {
    enum message_kind kind;
    size_t from, to;
    uint32_t boot;         /* of the sender */
    uint64_t epoch, entry; /* when it was sent */
    struct dot dot;
    uint64_t question;
    bool has_context;
    struct bytes part;    /* a part, or what engine_log_read gave */
    struct bytes context; /* a clock: the minter's, what who asks has, what the giver has durably,
                             what is proved */
};

/* One event of a write. Bits of rows: as gen_keys, then the static row. */
struct fact {
    struct event event;
    size_t part;
    struct dot dot;
    uint32_t alive;                    /* rows in which its minter saw it, when it was minted */
    uint8_t excused[WORLD_EVENTS / 8]; /* deletes it, but had been dropped when it was written */
};

struct world_rules { /* what a run may have */
    size_t replicas;
    bool crashes;
    bool purges;
    bool back_dated;
    bool moves;    /* replicas leave the range and come back */
    bool restores; /* disks are replaced by older copies of them */
    uint32_t steps;
};

struct world {
    struct rng rng;
    struct arena arena;
    struct world_rules rules;
    struct replica replicas[WORLD_REPLICAS];
    struct message net[WORLD_MESSAGES], late[WORLD_MESSAGES];
    size_t net_count, late_count;
    struct fact facts[WORLD_EVENTS];
    size_t facts_count;
    int64_t clock; /* timestamps */
    int64_t now_s;
    uint64_t epoch; /* of the ring */
    uint64_t entry; /* of the metadata */
    uint64_t questions;
    uint64_t dropped, refused, contexts; /* what has happened, for who wants to know */
    const char *wrong;                   /* NULL as long as nothing is */
};

void world_open(struct world *w, uint64_t seed, const struct world_rules *rules);
void world_close(struct world *w);

/* One random thing happens. */
void world_step(struct world *w);

/* All messages come, everybody pulls from everybody, all is proved, agreed and dropped. */
void world_quiet(struct world *w);

/* What was kept for later comes now. */
void world_late(struct world *w);

/* --- what must be so; else w->wrong says what is not */
void world_check_equal(struct world *w);   /* clocks and bytes of all replicas, when it is quiet */
void world_check_empty(struct world *w);   /* no garbage is left, when it is quiet */
void world_check_history(struct world *w); /* versions_model.c: no value is back, none is lost */
void world_check_all_there(struct world *w); /* the bytes are those of all events: no purges */

/* --- between the files */
struct part world_place(struct part p, size_t place);
bool world_read(struct world *w, size_t replica, bool durable, struct scan_result *ret);
void world_wrong(struct world *w, const char *what);
void world_expect(struct world *w, bool good, const char *what); /* else that is wrong */
struct bytes world_keep_clock(struct world *w, const struct clock *c);
void world_send(struct world *w, const struct message *m);

/* versions_pulls.c */
void world_ask(struct world *w, size_t by, size_t whom);
void world_receive_ask(struct world *w, const struct message *m);
void world_receive_pull(struct world *w, const struct message *m);
void world_conclude(struct world *w,
                    struct replica *r); /* what was told is seen, once it is here */

/* versions_model.c: before and after a write of facts first .. first + count by a replica. */
void model_note_write(struct world *w, size_t replica, size_t first, size_t count,
                      const struct clock *before);

#endif
