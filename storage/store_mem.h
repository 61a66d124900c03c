/* store_mem.h - the simulator's disk: a store in memory that is exact about what fsync promises.
 *
 *   written --flush--> group --store_mem_sync--> durable, tickets completed
 *
 * The simulator decides when groups become durable (its disk latency), and what an end leaves:
 * groups are lost from the end only, whole, as a log is that is cut anywhere and recovered. The
 * store outlives the node on it: after store_mem_crash a new engine is made over the same store.
 *
 * What is damaged is an error when it is read, never other data, for LevelDB has a checksum over
 * each block. Damage is a property of the stored entry: it goes away when the key is written or
 * deleted, comes back when that is lost, and stays over any number of ends.
 */
#ifndef TORC_STORAGE_STORE_MEM_H
#define TORC_STORAGE_STORE_MEM_H

#include "storage/store.h"

struct store *store_mem_new(void); /* released by store_close */

/* Groups flushed and not synced. */
size_t store_mem_pending(const struct store *s);

/* The oldest `groups` of them (or all, when there are fewer) become durable. */
void store_mem_sync(struct store *s, size_t groups);

/* store_completed has something to say, perhaps. */
bool store_mem_has_news(const struct store *s);

/* The process ends. Of the groups flushed and not synced the oldest `keep` stay (unsynced: another
 * end may still take them), the others and what was not flushed are lost. A power cut keeps none,
 * or some that it was just syncing; the death of the process alone keeps what it had handed to the
 * kernel. No ticket of before completes any more; a failure is forgotten. No iterator may live. */
void store_mem_crash(struct store *s, size_t keep);

/* A store with what is durable of this one: a backup. Damage is not copied. */
struct store *store_mem_copy(struct store *s);

/* From now on everything not durable fails with this error: a full disk, a failed fsync. The oldest
 * `written` groups are on the disk all the same: who is told of a failure knows nothing. */
void store_mem_fail(struct store *s, size_t written, enum err err, const char *why);

/* Reading a key in start <= key < end gives this error; ERR_OK heals. */
void store_mem_fail_reads(struct store *s, struct bytes start, struct bytes end, enum err err);

/* Reading one key in so many, chosen by its hash, gives ERR_IO; 0 heals. */
void store_mem_fail_some_reads(struct store *s, uint32_t one_in);

/* From now on hear of every put, as it is written (what a crash takes back, too). NULL: no more. */
typedef void store_mem_seen(void *arg, struct bytes key, struct bytes value);
void store_mem_watch(struct store *s, store_mem_seen *seen, void *arg);

/* Durable entries; and damage to the block (of about 4 KiB) that begins with the place-th of them:
 * reading any entry of it gives ERR_CORRUPT. Returns how many were good before. */
size_t store_mem_count(const struct store *s);
uint32_t store_mem_damage(struct store *s, size_t place);

/* Between two processes: what is damaged goes, and store_lost tells of it. Returns how many entries
 * that were. */
uint32_t store_mem_mend(struct store *s);

/* Nothing that is not durable yet has changed a key that begins so. */
bool store_mem_at_rest(const struct store *s, struct bytes prefix);

/* What is stored under keys that begin so, and is at rest, is lost, and reading does not tell: as
 * if it had never been written. Returns how many entries that were. */
uint32_t store_mem_lose(struct store *s, struct bytes prefix);

#endif
