/* gen.h - tables and statements made up at random; shared by gen_*.c and their tests.
 *
 *   gen_value.c   values of every type, as literals and as bytes
 *   gen_table.c   tables: keys, clustering orders, static columns, collections
 *   gen_where.c   restrictions of clustering columns
 *   gen_write.c   INSERT, UPDATE, DELETE and batches of them
 *   gen_read.c    SELECT
 *   gen.c         the workload
 *
 * Each statement is made twice: as CQL text for the node, and as changes or a question for the
 * oracle (oracle/cells.h). Values come from small domains, so that writes meet; those of some
 * columns are unique in the run, so that a read names its write.
 */
#ifndef TORC_NODE_SIM_RUN_GEN_H
#define TORC_NODE_SIM_RUN_GEN_H

#include "base/arena.h"
#include "node/sim/oracle/cells.h"
#include "node/sim/run/workload.h"

#define GEN_TABLES_MAX  3
#define GEN_COLUMNS_MAX 16
#define GEN_KEYS_MAX    32   /* partitions of a table in use at a time */
#define GEN_CHANGES_MAX 256  /* of one statement or batch */
#define GEN_EVENTS_MAX  1500 /* then a partition is left alone, and another one begun */
#define GEN_ROWS_MAX    1500 /* LIMIT of reads of whole tables */

/* X(name, as in CQL, order, how many different values; 0: as many as one likes). The frozen ones
 * are only values: the oracle has no order for them. */
#define GEN_TYPES(X)                                                                               \
    X(int, "int", WHOLE, 0)                                                                        \
    X(bigint, "bigint", WHOLE, 0)                                                                  \
    X(text, "text", BYTEWISE, 0)                                                                   \
    X(blob, "blob", BYTEWISE, 0)                                                                   \
    X(uuid, "uuid", BYTEWISE, 0)                                                                   \
    X(varint, "varint", WHOLE, 0)                                                                  \
    X(decimal, "decimal", DECIMAL, 0)                                                              \
    X(timestamp, "timestamp", WHOLE, 0)                                                            \
    X(double, "double", REAL, 0)                                                                   \
    X(ascii, "ascii", BYTEWISE, 0)                                                                 \
    X(date, "date", BYTEWISE, 0)                                                                   \
    X(time, "time", WHOLE, 0)                                                                      \
    X(inet, "inet", BYTEWISE, 0)                                                                   \
    X(float, "float", REAL, 1000)                                                                  \
    X(smallint, "smallint", WHOLE, 1000)                                                           \
    X(tinyint, "tinyint", WHOLE, 100)                                                              \
    X(boolean, "boolean", BYTEWISE, 2)                                                             \
    X(frozen_list, "frozen<list<int>>", BYTEWISE, 0)                                               \
    X(frozen_set, "frozen<set<int>>", BYTEWISE, 0)                                                 \
    X(frozen_map, "frozen<map<int, text>>", BYTEWISE, 0)

enum gen_type {
#define X(name, cql, order, count) GEN_##name,
    GEN_TYPES(X)
#undef X
        GEN_TYPE_COUNT,
    GEN_KEY_TYPES = GEN_frozen_list, /* those before can be keys and elements */
};

const char *gen_type_name(enum gen_type type);
enum cells_order gen_type_order(enum gen_type type);
uint32_t gen_type_values(enum gen_type type);

/* Value number n: its literal is appended to `cql`, which may be NULL; the bytes are the arena's.
 * Different numbers are different values (below gen_type_values). Number 0 may be empty. */
struct bytes gen_value(enum gen_type type, uint64_t n, struct arena *a, struct buf *cql);

struct gen_column {
    char name[4];
    enum cells_kind kind;
    enum cells_shape shape;
    enum gen_type type;   /* of the value; of a set's elements, of a map's keys */
    enum gen_type second; /* of a map's values */
    bool reversed;
    uint32_t domain; /* how many values occur; 0: a new one each time */
};

struct gen_table {
    char name[4];
    uint32_t number; /* of the oracle */
    struct gen_column columns[GEN_COLUMNS_MAX];
    uint32_t count, partition, clustering, statics, regulars; /* columns: all, of each kind */
    uint64_t keys[GEN_KEYS_MAX];                              /* in use */
    uint32_t keys_count;
    uint64_t keys_made; /* numbers 1 .. keys_made have been in use */
};

/* What occurred, for tests: that everything does. */
#define GEN_FEATURES(X)                                                                            \
    X(insert)                                                                                      \
    X(insert_static)                                                                               \
    X(insert_null)                                                                                 \
    X(update)                                                                                      \
    X(update_static)                                                                               \
    X(element_add)                                                                                 \
    X(element_remove)                                                                              \
    X(element_put)                                                                                 \
    X(collection_put)                                                                              \
    X(delete_column)                                                                               \
    X(delete_static)                                                                               \
    X(delete_element)                                                                              \
    X(delete_row)                                                                                  \
    X(delete_range)                                                                                \
    X(delete_partition)                                                                            \
    X(batch)                                                                                       \
    X(batch_timestamp)                                                                             \
    X(ttl)                                                                                         \
    X(same_timestamp)                                                                              \
    X(read_partition)                                                                              \
    X(read_row)                                                                                    \
    X(read_slice)                                                                                  \
    X(read_keys)                                                                                   \
    X(read_table)                                                                                  \
    X(read_tokens)                                                                                 \
    X(read_filtering)                                                                              \
    X(read_count)                                                                                  \
    X(read_distinct)                                                                               \
    X(read_reversed)                                                                               \
    X(read_limit)                                                                                  \
    X(read_per_partition)                                                                          \
    X(read_star)                                                                                   \
    X(read_paged)                                                                                  \
    X(read_writetime)                                                                              \
    X(where_in)                                                                                    \
    X(where_one_side)                                                                              \
    X(where_two_sides)                                                                             \
    X(where_tuple)                                                                                 \
    X(where_tuple_in)

enum gen_feature {
#define X(name) GEN_FEATURE_##name,
    GEN_FEATURES(X)
#undef X
        GEN_FEATURE_COUNT
};

#define GEN_STAMPS 8

struct gen {
    struct workload_env *env;
    struct cells *cells;
    struct gen_table tables[GEN_TABLES_MAX];
    uint32_t tables_count;
    int64_t stamps[GEN_STAMPS]; /* given lately */
    uint32_t stamps_count;
    uint64_t features[GEN_FEATURE_COUNT];
};

void gen_init(struct gen *g, struct workload_env *env, uint32_t copies);
void gen_close(struct gen *g);

/* --- gen_table.c */
void gen_table_draw(struct gen *g, struct gen_table *t);
void gen_table_schema(const struct gen_table *t, struct buf *cql);
uint64_t gen_some_key(struct gen *g, struct gen_table *t); /* gives up a key that is full */

/* All columns of partition key number `key`. */
const struct bytes *gen_key(const struct gen_table *t, uint64_t key, struct arena *a);
/* "k0 = 1 AND k1 = 2" */
void gen_key_where(const struct gen_table *t, uint64_t key, struct arena *a, struct buf *cql);

/* --- gen_where.c */

/* Append " AND …" for some clustering columns, perhaps none. Values need not occur. */
struct cells_where gen_where(struct gen *g, const struct gen_table *t, struct arena *a,
                             struct buf *cql);

/* Append " AND c0 = 1 AND …", all clustering columns, of some row; *ret_row: its key. */
struct cells_where gen_where_row(struct gen *g, const struct gen_table *t, struct arena *a,
                                 struct buf *cql, const struct bytes **ret_row);

/* --- gen_write.c, gen_read.c */

/* A write: the statement, and the oracle is told. Returns its number for cells_acked. */
uint32_t gen_write(struct gen *g, struct buf *cql);

/* A read; what the answer must be held against lives in the arena. `start` is set. Returns how many
 * rows a page it is to be asked with; 0: all at once. */
int32_t gen_read(struct gen *g, struct arena *a, struct buf *cql, struct cells_read *ret);

/* The i-th of the reads that together show everything; false when there are no more. */
bool gen_final(struct gen *g, uint32_t i, struct arena *a, struct buf *cql, struct cells_read *ret);

/* Hold an answer against the oracle. */
bool gen_judge(struct gen *g, const struct cells_read *read, const struct sim_reply *reply,
               uint32_t copies, struct errmsg *why);

#endif
