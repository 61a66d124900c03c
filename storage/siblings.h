/* siblings.h - tables that keep what nobody has replaced: docs/versions.md, "Two policies".
 *
 * A part of such a table has `siblings` set, and so have its rows. The place of a cell is then
 * (column, path, dot), its kind live, expiring or removed, and it has no deletions: what is deleted
 * is a *removed* cell in the place of each dot that was there. A state is a set of dots of which
 * some are removed, so its join is the union, and removed wins.
 *
 *   removed at (column, path, dot)    that value, or that element of a collection
 *   removed at (column, no path, dot) all elements of a collection that the dot wrote, too
 *   removed at (COLUMN_ROW, dot)      all that the dot wrote in the row
 *
 * It does so for all dots of one actor from `first` to its own: a minter that knows all of them
 * says so of those that it has no value of, and so a place has a removed cell or two for each
 * actor, however often it was written. What a removed cell names may not have come yet: it is dead
 * on arrival.
 *
 * A write comes as a *request*: a part as of an lww table, without dots, whose deletions of rows
 * and whose tombstones name places to empty. Whoever mints its dot makes of it what is sent and
 * stored (siblings_mint): values under the new dot, and a removed cell for each dot superseded.
 */
#ifndef TORC_STORAGE_SIBLINGS_H
#define TORC_STORAGE_SIBLINGS_H

#include "storage/clock.h"
#include "storage/part.h"

#define SIBLINGS_MAX       64u    /* values of one place */
#define SUPERSEDE_DOTS_MAX 65536u /* of one write */
#define WRITER_NONE        UINT64_C(0)
#define WRITER_SERIAL      UINT64_C(1) /* of all IFs: they have an order, the timestamps tell it */

/* Dots, ascending and distinct. */
struct dots {
    struct dot *items;
    size_t count;
};

/* What a write takes away. The default, all zero: a write to an lww table.
 *
 * `seen` is what a client's context has, or what a read at the write's level saw. Tombstones and
 * deletions of rows in the request take away those dots, in the places that they name. Values take
 * away, in their places: with `causal` those dots and no others; without, what the same writer
 * wrote there before, as far as this replica has it. WRITER_SERIAL does both: what an IF decided
 * may be written more than once, also after what the next one decided. */
struct supersede {
    bool siblings; /* the table is one of siblings */
    bool causal;   /* USING CAUSALITY */
    uint64_t writer;
    struct dots seen;
};

/* On the wire and in logs: empty for one that is all zero. Views; at most SUPERSEDE_DOTS_MAX. */
void supersede_encode(const struct supersede *s, struct buf *out);
enum err supersede_decode(struct bytes in, struct arena *arena, struct supersede *ret) MUST_CHECK;

/* The bytes of a set of dots, for causality() and whoever brings it back. */
void dots_encode(const struct dots *d, struct buf *out);
enum err dots_decode(struct bytes in, struct arena *arena, struct dots *ret) MUST_CHECK;

/* Sorts, in place, and drops what is there twice. */
void dots_normalise(struct dots *d);
bool dots_have(const struct dots *d, struct dot dot);

/* --- reading */

/* The dots of a row that are not removed, expired ones too: what causality() tells, and what a
 * write that has seen this row supersedes. */
struct dots row_dots(const struct row *r, struct arena *arena);
struct dots part_dots(const struct part *p, struct arena *arena);

/* The live values in a place, the winner first, the others as cell_wins orders them. ret: at least
 * r->cells_count pointers into r. */
size_t row_siblings(const struct row *r, uint32_t column, bool has_path, struct bytes path,
                    int64_t now_s, const struct cell **ret);

/* ret := the row as a table without siblings would have it: of each place the winner, if it is
 * live; nothing removed. Shares values with r. Returns in how many places there were others that
 * are live and have another value. */
size_t row_winners(const struct row *r, int64_t now_s, struct arena *arena, struct row *ret);
size_t part_winners(const struct part *p, int64_t now_s, struct arena *arena, struct part *ret);

/* --- writing */

/* A request may delete ranges of rows or the whole partition only as far as somebody has read them:
 * ret := the request with a deletion of each row of `seen` (the static row too, under a deletion of
 * the partition) that they cover, in their place. */
void siblings_expand(const struct part *request, const struct part *seen, struct arena *arena,
                     struct part *ret);

struct mint {
    const struct clock *clock; /* what this replica has applied ... */
    const struct part *have;   /* ... and what of the rows of the request it holds */
    struct dot dot;            /* of the write */
    int64_t stamp;             /* the server's (part_restamp), 0: it has none */
    int64_t limit;             /* of minted.within */
    int64_t now_s;
};

/* What a request became. */
struct minted {
    struct part part; /* to be stored and sent, canonical; empty: nothing was there to be removed */
    size_t merged;    /* values that go because there are more than SIBLINGS_MAX in their place */
    struct loss stamped, given; /* values that are not in it, for their writer has a newer one
                                   there: of the server's stamp, and of the client's */
    int64_t within; /* the largest of those of the server's stamp up to the limit; TIMESTAMP_NONE:
                       there is none */
};

/* The request has no deletion of ranges or of the partition (siblings_expand). */
void siblings_mint(const struct part *request, const struct supersede *s, const struct mint *m,
                   struct arena *arena, struct minted *ret);

#endif
