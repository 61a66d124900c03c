/* store_mem_private.h - what the files of the simulator's disk share. Private to them.
 *
 *   store_mem.c         reading, writing, becoming durable
 *   store_mem_faults.c  ends, failures, damage and loss
 *
 * An entry is good or damaged (overlay_entry.group says which), in the view, in what is durable,
 * and in what each group would put back when it is lost.
 */
#ifndef TORC_STORAGE_STORE_MEM_PRIVATE_H
#define TORC_STORAGE_STORE_MEM_PRIVATE_H

#include "base/arena.h"
#include "storage/overlay.h"
#include "storage/store_mem.h"

/* What overlay_entry.group says of an entry. */
enum { ENTRY_GOOD, ENTRY_DAMAGED };

struct undo { /* what a key was before the group changed it */
    struct bytes key;
    struct bytes value;
    bool had;
    bool damaged;
};

struct group {
    struct list link;
    struct arena arena;
    struct store_batch ops; /* all its operations, for the durable view */
    struct undo *undo;
    size_t undo_count, undo_cap;
    uint64_t *tickets;
    size_t tickets_count, tickets_cap, tickets_done;
    size_t bytes;
    uint64_t last; /* batch in it */
    enum err err;
};

struct store_mem {
    struct store store;
    struct overlay view;    /* everything, durable or not */
    struct overlay durable; /* what a power cut leaves */
    struct group *filling;
    struct list flushed;
    struct list done; /* groups with tickets to hand out */
    struct store_journal journal;
    size_t backlog;
    enum err failed;
    char *failure;
    struct buf bad_start, bad_end;
    enum err bad;
    uint32_t bad_one_in; /* 0: none */
    struct lost_keys lost;
    uint32_t damaged; /* entries were: 0 saves looking */
    store_mem_seen *seen;
    void *seen_arg;
};

static inline struct store_mem *mem_of(const struct store *s)
{
    return container_of(s, struct store_mem, store);
}

static inline struct group *group_first(struct list *l)
{
    return container_of(l->next, struct group, link);
}

/* --- store_mem.c */

void mem_set(struct overlay *o, struct bytes key, bool is_put, struct bytes value); /* good */
void mem_group_free(struct group *g);
void mem_groups_free(struct list *l);

/* Its tickets complete with the error. written: it is durable. */
void mem_group_done(struct store_mem *m, struct group *g, bool written, enum err err);

#endif
