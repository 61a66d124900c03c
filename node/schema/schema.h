/* schema.h - keyspaces, tables and columns as immutable snapshots.
 *
 * A `struct schema` never changes; schema_apply (ddl.h) makes the next one, sharing what did not
 * change. Snapshots, keyspaces and tables are counted (references may be dropped by any thread) and
 * everything they point to lives as long as they do: whoever needs a table beyond the call takes
 * table_ref. Texts end in NUL.
 *
 * Invariants, checked by schema_check:
 *   (1) keyspaces are sorted by name, tables of a keyspace by name; names are unique.
 *   (2) keyspace_no and table_no are the metadata log's slot that created them: unique, never used
 *       again. The built-in keyspaces have numbers of their own from SCHEMA_REPLICATED_NO up,
 *       the local ones from SCHEMA_SYSTEM_NO up, which no slot reaches.
 *   (3) A table has its columns in the order of `SELECT *`: partition key, clustering key, static
 *       by name, regular by name. A column id is never used twice in the life of a table, so cells
 *       of a dropped column never come back as another.
 *   (4) Equal schemas have equal versions on every node.
 *   (5) The user-defined types of a keyspace are sorted by name and resolved, and so are the types
 *       of columns; those of dropped columns have tuples in their place.
 */
#ifndef TORC_NODE_SCHEMA_SCHEMA_H
#define TORC_NODE_SCHEMA_SCHEMA_H

#include "node/schema/type.h"
#include "ring/placement.h"

#include <stdatomic.h>

#define SCHEMA_KEYSPACES_MAX 4096
#define SCHEMA_TABLES_MAX    16384 /* in the whole schema */
#define SCHEMA_COLUMNS_MAX   2048  /* of one table */
#define SCHEMA_DROPPED_MAX   16384 /* dropped columns remembered by one table */
#define SCHEMA_INDEXES_MAX   256   /* of one table */
#define SCHEMA_NAME_MAX      48    /* of a keyspace, as in Cassandra; of a table 222 */
#define SCHEMA_TABLE_MAX     222
#define SCHEMA_TYPES_MAX     4096  /* user-defined types of one keyspace */
#define SCHEMA_TYPE_MAX      4096  /* bytes of a type's name */
#define SCHEMA_COLUMN_MAX    65535 /* bytes of a column's name, as Cassandra has it */
#define SCHEMA_REPLICATED_NO 0xfffe0000u
#define SCHEMA_SYSTEM_NO     0xffff0000u

enum column_kind { COLUMN_PARTITION_KEY, COLUMN_CLUSTERING, COLUMN_STATIC, COLUMN_REGULAR };
const char *column_kind_name(enum column_kind kind); /* as in system_schema.columns */

struct column {
    const char *name;
    const struct cql_type *type;
    enum column_kind kind;
    uint32_t id;       /* from 1; never used twice within a table, kept by RENAME */
    uint16_t position; /* among the columns of its kind, 0 .. */
    bool reversed;     /* clustering only: DESC */
};

/* A column that was dropped: its cells with a timestamp at or below dropped_us are no more. */
struct dropped_column {
    const char *name;
    const struct cql_type *type;
    enum column_kind kind;
    uint32_t id;
    int64_t dropped_us;
};

struct option_pair {
    const char *key;
    const char *value;
};
struct option_map { /* sorted by key */
    const struct option_pair *items;
    uint32_t count;
};
const char *option_map_get(const struct option_map *m, const char *key); /* NULL: not there */

/* What of its column an index finds rows by. Stored: do not renumber. */
enum index_target {
    INDEX_SIMPLE = 0, /* the value */
    INDEX_VALUES = 1, /* the elements of a list or set, the values of a map */
    INDEX_KEYS = 2,
    INDEX_ENTRIES = 3, /* key and value of a map */
    INDEX_FULL = 4,    /* a frozen collection as a whole */
};
const char *index_target_name(enum index_target target); /* "keys"; "" for a simple one */

enum similarity { SIMILARITY_COSINE, SIMILARITY_DOT_PRODUCT, SIMILARITY_EUCLIDEAN };

/* A local secondary index: every replica finds its own rows by a value. */
struct index {
    index_no no;      /* the slot that created it, kept by TRUNCATE */
    const char *name; /* unique within the keyspace */
    uint32_t column_id;
    enum index_target target;
    const char *class_name;    /* as it was typed after USING; NULL: one without a class */
    struct option_map options; /* WITH OPTIONS */

    /* what class and options mean; set by table_make */
    bool sai; /* of Cassandra's storage-attached kind: more operators, combined with others */
    bool fold_case, normalize, ascii; /* of texts, before they are compared */
    enum similarity similarity;
};

enum conflict_policy { CONFLICTS_LWW, CONFLICTS_SIBLINGS };

/* The options of CREATE TABLE ... WITH, with Cassandra 5.0's defaults. Only those that mean
 * something to Torc are acted upon; the others are checked, kept and shown. */
struct table_options {
    const char *additional_write_policy;
    const char *comment;
    const char *memtable;
    const char *read_repair; /* BLOCKING or NONE */
    const char *speculative_retry;
    struct option_map caching;
    struct option_map compaction;
    struct option_map compression;
    double bloom_filter_fp_chance;
    double crc_check_chance;
    int32_t default_time_to_live; /* seconds, 0: none */
    int32_t gc_grace_seconds;
    int32_t max_index_interval;
    int32_t memtable_flush_period_in_ms;
    int32_t min_index_interval;
    bool allow_auto_snapshot;
    bool cdc;
    bool incremental_backups;
    enum conflict_policy conflicts;
};

/* What speculative_retry and additional_write_policy say: when to ask one replica more. */
struct speculation {
    enum {
        SPECULATE_NEVER,
        SPECULATE_ALWAYS,
        SPECULATE_PERCENTILE, /* after the table's latency percentile */
        SPECULATE_FIXED,      /* after ms */
        SPECULATE_MIN,        /* after the smaller of the two */
        SPECULATE_MAX         /* after the larger of the two */
    } kind;
    double percentile;
    double ms;
};

/* False when the text is none: NEVER, NONE, ALWAYS, 99p, 99.9percentile, 50ms, MIN(99p,50ms). */
bool speculation_parse(const char *text, struct speculation *ret);

struct table_options table_options_default(void);

struct table {
    table_no no;
    keyspace_no keyspace_no;
    struct uuid id;
    const char *keyspace;
    const char *name;
    const struct column *columns; /* invariant 3 */
    uint32_t column_count;
    uint32_t partition_key_count;
    uint32_t clustering_count;
    uint32_t static_count;
    uint32_t regular_count;
    uint32_t next_column_id;
    const struct dropped_column *dropped; /* sorted by name, the latest drop of each first */
    uint32_t dropped_count;
    struct table_options options;
    const struct index *indexes; /* sorted by name */
    uint32_t index_count;
    bool is_counter; /* every regular and static column is a counter */
    bool is_virtual; /* answered from memory: system_virtual_schema, system_views */

    const struct column **by_name; /* private: sorted by name */
    struct arena arena;            /* private */
    atomic_uint refs;              /* private */
};

enum replication_class { REPLICATION_LOCAL, REPLICATION_SIMPLE, REPLICATION_NETWORK_TOPOLOGY };

struct dc_factor {
    const char *dc;
    uint32_t factor;
};

#define REPLICATION_FACTOR_MAX 255
#define REPLICATION_DCS_MAX    RING_DCS_MAX

/* How many copies, and where. Simple: `factor` in the whole ring. Network topology: `dcs`, sorted
 * by name, one for each data centre that has copies. */
struct replication {
    enum replication_class class;
    uint32_t factor; /* simple only */
    const struct dc_factor *dcs;
    uint32_t dc_count;
};

/* Full class name: org.apache.cassandra.locator.SimpleStrategy */
const char *replication_class_name(enum replication_class class);

/* As system_schema.keyspaces shows it, sorted by key; lives in the arena. */
struct option_map replication_options(const struct replication *r, struct arena *a);

/* The same for the ring. LocalStrategy gives RF 0: nobody is asked, every node has its own. */
void replication_strategy(const struct replication *r, struct strategy *ret);

struct keyspace {
    keyspace_no no;
    const char *name;
    bool durable_writes;
    bool sloppy_quorum; /* other nodes may stand in for replicas (node/coord/coord_hint.c) */
    bool is_virtual;
    struct replication replication;
    const struct table **tables; /* sorted by name, one reference each */
    uint32_t table_count;
    struct cql_types types; /* as they were declared: not frozen */

    struct arena arena; /* private */
    atomic_uint refs;   /* private */
};

struct schema {
    uint64_t epoch;                    /* the slot of the last command applied; not in `version` */
    struct uuid version;               /* digest of all that is not built in: invariant 4 */
    const struct keyspace **keyspaces; /* sorted by name, built-in ones included */
    uint32_t keyspace_count;

    const struct table **by_no; /* private: all tables sorted by table_no */
    uint32_t table_count;
    atomic_uint refs; /* private */
};

/* The schema of a new cluster: nothing but the built-in keyspaces. One reference, the caller's. */
const struct schema *schema_new(void);

const struct schema *schema_ref(const struct schema *s);
void schema_unref(const struct schema *s); /* accepts NULL */
const struct keyspace *keyspace_ref(const struct keyspace *k);
void keyspace_unref(const struct keyspace *k);
const struct table *table_ref(const struct table *t);
void table_unref(const struct table *t);

/* Look-ups: NULL when there is none. Borrowed from what was asked. */
const struct keyspace *schema_keyspace(const struct schema *s, const char *name);
const struct keyspace *schema_keyspace_by_no(const struct schema *s, keyspace_no no);
const struct table *schema_table(const struct schema *s, const char *keyspace, const char *name);
const struct table *schema_table_by_no(const struct schema *s, table_no no);
const struct table *schema_table_by_id(const struct schema *s, const struct uuid *id);
const struct table *keyspace_table(const struct keyspace *k, const char *name);
const struct column *table_column(const struct table *t, const char *name);
const struct column *table_column_by_id(const struct table *t, uint32_t id);
const struct index *table_index(const struct table *t, const char *name);
const struct column *index_column(const struct table *t, const struct index *i);
/* The table of the keyspace that has the index; names of indexes are unique in it. */
const struct table *keyspace_index_table(const struct keyspace *k, const char *index);
/* As system_schema.indexes has it: "v", "keys(m)". */
const char *index_target_text(const struct table *t, const struct index *i, struct arena *a);
const struct dropped_column *table_dropped_by_id(const struct table *t, uint32_t id);

/* The columns of a kind; *ret_count of them. */
const struct column *table_columns_of(const struct table *t, enum column_kind kind,
                                      uint32_t *ret_count);

/* Built in: local ones, which are definitions of what each node shows of itself (system,
 * system_schema, system_virtual_schema, system_views), and replicated ones, which hold rows as
 * other keyspaces do (system_auth, system_distributed, system_traces). */
bool keyspace_is_system(const char *name); /* of either kind */
bool keyspace_is_local(const char *name);

/* The whole schema, local built-in keyspaces left out, as bytes (schema_codec.c has the grammar),
 * and back: ERR_MALFORMED for what is none, ERR_UNSUPPORTED for a later version. */
void schema_encode(const struct schema *s, struct buf *out);
enum err schema_decode(struct bytes bytes, const struct schema **ret_schema) MUST_CHECK;

/* Assert the invariants above. */
void schema_check(const struct schema *s);

#endif
