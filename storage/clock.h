/* clock.h - range clocks: which dots of a (keyspace, range) a replica has the effect of.
 *
 * Per actor a contiguous base (all dots 1..base) and, beyond it, the dots that came early, kept as
 * sorted disjoint runs: the bitmap of Server-Wide Clocks (Goncalves et al., SRDS 2017), which stays
 * small under any hole size. Pure.
 *
 * Invariants (clock_check): actors ascending and distinct; runs ascending, disjoint, not adjacent,
 * all beyond base + 1.
 */
#ifndef TORC_STORAGE_CLOCK_H
#define TORC_STORAGE_CLOCK_H

#include "base/buf.h"

#define CLOCK_ACTORS_MAX 65536      /* decoders refuse more */
#define CLOCK_RUNS_MAX   (1u << 20) /* of one actor */
#define DOT_N_MAX        ((uint64_t)1 << 62)

struct clock_run {
    uint64_t first;
    uint64_t last;
};

struct clock_entry {
    struct actor actor;
    uint64_t base;
    struct clock_run *runs;
    size_t runs_count, runs_cap;
};

struct clock {
    struct clock_entry *entries;
    size_t count, cap;
};

void clock_init(struct clock *c);
void clock_close(struct clock *c);
void clock_copy(struct clock *to, const struct clock *from); /* `to` must be initialised */

/* Dots have 1 <= n <= DOT_N_MAX: decoders refuse others. False when the dot was there already. */
bool clock_add(struct clock *c, struct dot dot);
void clock_add_run(struct clock *c, struct actor actor, uint64_t first, uint64_t last);
bool clock_has(const struct clock *c, struct dot dot);

/* The smallest n for which the clock has all dots of the actor from n to this one; 0: not even it.
 */
uint64_t clock_run_from(const struct clock *c, struct dot dot);

/* All dots of this actor up to this one are in the clock. */
uint64_t clock_base(const struct clock *c, struct actor actor);

/* The highest n of this actor that the clock has, 0 for none. */
uint64_t clock_top(const struct clock *c, struct actor actor);
void clock_merge(struct clock *into, const struct clock *from);

/* Every dot of b is in a. */
bool clock_covers(const struct clock *a, const struct clock *b);
bool clock_equal(const struct clock *a, const struct clock *b);

/* ret := the dots of a that are not in b, as a clock. */
void clock_missing(const struct clock *a, const struct clock *b, struct clock *ret);

/* ret := the dots of a that are in b, too. */
void clock_common(const struct clock *a, const struct clock *b, struct clock *ret);
bool clock_empty(const struct clock *c);
uint64_t clock_count(const struct clock *c); /* number of dots, saturating */

/* Equal clocks have equal hashes on every machine; the canonical encoding hashed by XXH3-64. */
uint64_t clock_hash(const struct clock *c);
void clock_encode(const struct clock *c, struct buf *out);
enum err clock_decode(struct bytes in, struct clock *ret) MUST_CHECK; /* ret initialised */
void clock_check(const struct clock *c);

#endif
