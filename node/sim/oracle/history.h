/* history.h - what clients asked and were told, and whether it can be true.
 *
 * The oracle of the random runs. It knows nothing of Torc but its promises, and shares no code with
 * what it checks (only base). Every written value is unique, so a value that is read names the
 * write that it came from.
 *
 *   register    one value under a key: writes and deletes, the last one wins
 *   set         ids under a key: each id is inserted once; deletes take ranges of ids
 *
 * "The last" is by the timestamp that the client gave (stamped registers), or, when the server gave
 * it, by real time as far as clocks allow: a write that began more than the skew after another one
 * had been answered is later; between others nothing is demanded.
 *
 * What is checked:
 *   (1) A value that is read was written (no phantom), before the read ended.
 *   (2) A read at a quorum does not show what is older than a write that a quorum had acked, or
 *       another quorum read had shown, when it began.
 *   (3) In the end no read shows what is older than any acked write or delete, at whatever level:
 *       nothing acked is lost, nothing deleted is back.
 */
#ifndef TORC_NODE_SIM_ORACLE_HISTORY_H
#define TORC_NODE_SIM_ORACLE_HISTORY_H

#include "base/err.h"
#include "base/types.h"

#define HISTORY_KEYS_MAX 256
#define HISTORY_NOTHING  INT64_MIN /* a register that has no value */

struct history; /* Opaque. */

/* Keys below `stamped` have client timestamps. skew_us: how far server timestamps may be apart from
 * the order of real time. */
struct history *history_new(uint32_t registers, uint32_t stamped, uint32_t sets, usec skew_us);
void history_free(struct history *h);

/* One write. The number is for history_written, which tells how it ended: `acked` at a level that
 * is a quorum or not. A write that never ended may happen at any time. */
size_t history_put(struct history *h, uint32_t key, int64_t value, int64_t timestamp, usec start);
size_t history_delete(struct history *h, uint32_t key, int64_t timestamp, usec start);
size_t history_insert(struct history *h, uint32_t set, int64_t id, usec start);
size_t history_remove(struct history *h, uint32_t set, int64_t first, int64_t last, usec start);
void history_written(struct history *h, size_t number, usec end, bool acked, bool quorum);

/* What was read: false, with the contradiction in words, when it cannot be. `final`: check (3),
 * else (1) and, at a quorum, (2). */
enum read_kind { READ_WEAK, READ_QUORUM, READ_FINAL };
bool history_read_register(struct history *h, uint32_t key, int64_t value, usec start, usec end,
                           enum read_kind kind, struct errmsg *why);
bool history_read_set(struct history *h, uint32_t set, const int64_t *ids, size_t count, usec start,
                      usec end, enum read_kind kind, struct errmsg *why);

#endif
