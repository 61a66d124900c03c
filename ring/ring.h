/* ring.h - who owns which range: a snapshot that is never changed, only replaced.
 *
 * Each data centre has an owner for each of the Q ranges (token.h), so what happens in one data
 * centre moves nothing in another, and each is as even as if it were alone. An owner is not the
 * only replica: replicas are what the replication strategy finds when it walks the published tokens
 * (placement.h).
 *
 * A ring holds up to RING_TABLES_MAX such tables, numbered as they were made: the published one,
 * which is the first, the newest, which is the last, and those between them at which ranges still
 * are (moves.h). The replicas of a range are computed by one whole table, never by a mixture,
 * because they depend on the owners of the ranges after it.
 *
 * Published tokens. The owner of range i in the only data centre publishes the last token of the
 * range. Tokens must be unique, so with D data centres they stand side by side at the end of the
 * range: the last token less 0 .. D-1. Who stands first changes with the D arcs of the ring, so
 * that SimpleStrategy, which takes them as they come, favours no data centre. A key that hashes
 * into those last D-1 tokens (one in 2^54 at Q = 1024 and 2 data centres) is looked for by a driver
 * one range further; it then asks a coordinator that is no replica, which is slower by a hop and
 * right.
 *
 * Invariants, checked by ring_new:
 *   (1) Nodes are in ascending order, none twice, none 0; data centres in order of name.
 *   (2) A data centre has an owner for every range or for none, in each table.
 *   (3) The owner of a range in a data centre is a node of that data centre.
 *   (4) There is a table at least; their numbers ascend.
 *
 * Everything inside belongs to the ring; what its functions return lives as long as it does.
 */
#ifndef TORC_RING_RING_H
#define TORC_RING_RING_H

#include "base/buf.h"
#include "ring/token.h"

#define RING_NODES_MAX  1024
#define RING_DCS_MAX    32
#define RING_TABLES_MAX 8
#define RING_NAME_SIZE  64 /* of a data centre or rack, with the closing NUL */
#define RING_WEIGHT_MAX 65535

struct ring_node {
    node_no node;
    uint32_t weight; /* share of the ranges relative to the others of its data centre; from 1 */
    char dc[RING_NAME_SIZE];
    char rack[RING_NAME_SIZE];
};

struct ring_table {
    uint32_t number;
    node_no *owner; /* [dcs * ranges], a row for each data centre; 0: none */
};

struct ring {
    uint32_t ranges; /* Q */
    uint32_t nodes;  /* members, and those coming and going */
    uint32_t dcs;
    uint32_t tables;
    struct ring_node *node;     /* [nodes] */
    char (*dc)[RING_NAME_SIZE]; /* [dcs] the data centres of the nodes, in order of name */
    struct ring_table table[RING_TABLES_MAX];
};

/* A new ring from copies. Each table has a row of `ranges` for each distinct data centre of the
 * nodes, in order of name. No tables: one, numbered 0, in which nobody owns anything. The nodes may
 * come in any order. INVALID when an invariant or a bound does not hold. */
enum err ring_new(uint32_t ranges, const struct ring_node *nodes, size_t count,
                  const struct ring_table *tables, size_t tables_count,
                  struct ring **ret_ring) MUST_CHECK;
struct ring *ring_copy(const struct ring *ring);
void ring_free(struct ring *ring); /* accepts NULL */
bool ring_equal(const struct ring *a, const struct ring *b);

/* The ring with one table more, which gets the next number: `owner`, by the data centres of
 * `nodes`, among which are all of the ring. TOO_BIG when it has RING_TABLES_MAX already, INVALID as
 * ring_new.
 */
enum err ring_extend(const struct ring *ring, const struct ring_node *nodes, size_t count,
                     const node_no *owner, struct ring **ret_ring) MUST_CHECK;

/* The ring with those tables alone whose place among them is set in `keep`; the nodes that own
 * nothing in any of them are gone. */
struct ring *ring_keep(const struct ring *ring, const bool keep[RING_TABLES_MAX]);

/* With the newest alone: nothing moves any more. */
struct ring *ring_settle(const struct ring *ring);

/* NULL when it is not in the ring. */
const struct ring_node *ring_find(const struct ring *ring, node_no node);

/* The row of a data centre, or -1. */
int ring_find_dc(const struct ring *ring, const char *dc);

/* The table whose tokens drivers know, or the one that everything goes to: the same when nothing
 * moves. */
enum ring_when { RING_PUBLISHED, RING_NEWEST };
const struct ring_table *ring_table(const struct ring *ring, enum ring_when when);
const struct ring_table *ring_find_table(const struct ring *ring, uint32_t number); /* or NULL */
node_no ring_owner(const struct ring *ring, enum ring_when when, uint32_t dc, range_no range);

/* How many ranges a node owns. A node that owns none is no member for a strategy. */
uint32_t ring_count(const struct ring *ring, enum ring_when when, node_no node);

/* The same, in this table of it. */
uint32_t ring_table_count(const struct ring *ring, const struct ring_table *table, node_no node);

/* The token that the owner of `range` in `dc` publishes, in that table. */
token ring_token(const struct ring *ring, enum ring_when when, uint32_t dc, range_no range);

/* The tokens a node publishes, ascending, as system.local and system.peers give them. ret_tokens
 * has room for ring->ranges of them. Returns how many. */
uint32_t ring_tokens(const struct ring *ring, enum ring_when when, node_no node, token *ret_tokens);

/* Compact bytes, versioned, for metadata entries and snapshots, and back. Decoding accepts any
 * bytes: MALFORMED, or UNSUPPORTED for a version from the future. The grammar is in ring_codec.c.
 */
void ring_encode(const struct ring *ring, struct buf *out);
enum err ring_decode(struct bytes bytes, struct ring **ret_ring) MUST_CHECK;

/* What ring_extend has added to `from`, which gave `to`: small when little changed. Applying it to
 * anything but `from` is MALFORMED or gives some other valid ring, never harm. TOO_BIG as there. */
void ring_encode_diff(const struct ring *from, const struct ring *to, struct buf *out);
enum err ring_apply_diff(const struct ring *from, struct bytes diff,
                         struct ring **ret_ring) MUST_CHECK;

#endif
