/* store_mem.h - the simulator's disk: a store in memory that is exact about what fsync promises.
 *
 *   written --flush--> group --store_mem_sync--> durable, tickets completed
 *
 * The simulator decides when groups become durable (its disk latency), and what a crash leaves: a
 * power cut keeps what was synced, the death of the process alone keeps what was flushed (the
 * kernel has it). Groups are lost from the end only, whole. The store outlives the node on it:
 * after store_mem_crash a new engine is made over the same store.
 */
#ifndef TORC_STORAGE_STORE_MEM_H
#define TORC_STORAGE_STORE_MEM_H

#include "storage/store.h"

struct store *store_mem_new(void); /* released by store_close */

/* Groups flushed and not synced. */
size_t store_mem_pending(const struct store *s);

/* The oldest `groups` of them (or all, when there are fewer) become durable. */
void store_mem_sync(struct store *s, size_t groups);

/* Lose what is not synced; with keep_flushed only what is not flushed (that stays unsynced, and a
 * power cut may still take it). No ticket of before completes any more; a failure is forgotten. No
 * iterator may live. */
void store_mem_crash(struct store *s, bool keep_flushed);

/* From now on everything not durable fails with this error: a full disk, a failed fsync. */
void store_mem_fail(struct store *s, enum err err, const char *why);

/* Reading a key in start <= key < end gives this error; ERR_OK heals. */
void store_mem_fail_reads(struct store *s, struct bytes start, struct bytes end, enum err err);

#endif
