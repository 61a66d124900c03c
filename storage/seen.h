/* seen.h - what a session has seen: the content of its token (docs/versions.md, "Sessions").
 *
 *   seen  = hybrid time us, floor, entries
 *   entry = of one (keyspace, range): the highest dot of one actor that the session knows of
 *
 * An entry stands for all dots of its actor up to n: a replica that has them all shows nothing
 * older than what the session saw. Entries are in the order in which they were last raised. There
 * are SEEN_ENTRIES_MAX at most; for each that goes, reads are raised to a level that finds what it
 * stood for: QUORUM when a quorum is known to have it, else ALL (the floor).
 *
 * Pure. Tokens come from clients: whatever they say is decoded or refused, and costs no more than
 * SEEN_BYTES_MAX bytes and SEEN_ENTRIES_MAX entries. The sum finds what was cut or mangled, not
 * what was forged: a forged token has its sender wait for nothing, and harms nobody else.
 *
 *   encoding = u8 version 1, u8 floor, i64 time, varint count, entry*, u32 sum
 *   entry    = varint keyspace, varint range, varint node, varint boot, varint n,
 *              u8 1 when a quorum has it, else 0
 *
 * The sum is the lower half of XXH3-64 over all before it. Do not renumber.
 */
#ifndef TORC_STORAGE_SEEN_H
#define TORC_STORAGE_SEEN_H

#include "base/arena.h"
#include "storage/part.h"

struct clock;

#define SEEN_ENTRIES_MAX 256
#define SEEN_BYTES_MAX   ((size_t)16 << 10)

enum seen_floor { SEEN_ANY, SEEN_QUORUM, SEEN_ALL };

struct seen_entry {
    keyspace_no keyspace;
    range_no range;
    struct actor actor;
    uint64_t n;
    bool quorum; /* as many replicas have it, in whatever form, as a read at QUORUM asks at least */
};

struct seen {
    int64_t time_us; /* no timestamp that the session was given, or read, is above */
    enum seen_floor floor;
    struct seen_entry *items;
    size_t count, cap;
};

/* Nothing happens when the dots are in it already. */
void seen_note(struct seen *s, struct arena *arena, struct seen_entry entry);
void seen_merge(struct seen *into, struct arena *arena, const struct seen *from);
void seen_raise_floor(struct seen *s, enum seen_floor floor);

/* All dots in a part's cells and deletions, of its actor the highest. */
void seen_add_part(struct seen *s, struct arena *arena, keyspace_no keyspace, range_no range,
                   const struct part *p);
void seen_add_clock(struct seen *s, struct arena *arena, keyspace_no keyspace, range_no range,
                    const struct clock *c);

/* ret (initialised) gets the dots that a replica must have to serve this range. False: none. */
bool seen_need(const struct seen *s, keyspace_no keyspace, range_no range, struct clock *ret);

/* The same of all ranges first .. last: (u32 range, vbytes clock)*, ranges ascending. */
void seen_put_needs(const struct seen *s, keyspace_no keyspace, range_no first, range_no last,
                    struct buf *out);

void seen_encode(const struct seen *s, struct buf *out);
enum err seen_decode(struct bytes in, struct arena *arena, struct seen *ret) MUST_CHECK;

#endif
