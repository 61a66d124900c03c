/* core.h - what the files of this folder share. Private.
 *
 * A `struct run` is one statement with its values, being resolved (names, types: works without
 * values, so PREPARE does it too) and then evaluated. Errors are a code and a sentence in the run;
 * functions return false after run_fail.
 */
#ifndef TORC_NODE_CQL_EXEC_CORE_H
#define TORC_NODE_CQL_EXEC_CORE_H

#include "base/histogram.h"
#include "base/list.h"
#include "base/map.h"
#include "base/omap.h"
#include "base/rng.h"
#include "node/cql/exec/exec.h"
#include "node/cql/grammar/ast.h"
#include "node/schema/value.h"
#include "storage/counter.h"

/* What a bind marker stands for. */
struct marker {
    const char *name;
    const struct cql_type *type;
    const struct table *table;
};

/* Sentences for the warnings of the reply. */
#define WARNINGS_MAX 64
struct warnings {
    struct bytes items[WARNINGS_MAX];
    size_t count;
};

/* What the reply's custom payload says. */
#define PAYLOAD_MAX 8
struct payload {
    struct cql_pair items[PAYLOAD_MAX];
    size_t count;
};

struct cells {
    struct cell *items;
    size_t count, cap;
};

/* The live elements of columns of one row: lists that are changed by value or by index. */
struct live_lists {
    const struct row *row;
    struct live_list {
        const struct column *column;
        struct cells cells;
    } * items;
    size_t count, cap;
};

struct run {
    struct exec *exec;
    struct arena *arena;
    const struct schema *schema;
    const char *keyspace; /* current; NULL: none */
    const struct ast *ast;
    struct cql_values values;
    struct marker *markers;    /* ast->markers.count of them */
    const struct table *table; /* of the statement being resolved */
    int64_t now_us;            /* wall clock */
    int64_t now_s;
    int64_t timestamp_us;                /* of writes that say none */
    const char *no_timestamp;            /* why they are refused, or NULL */
    int64_t stamp_us;                    /* of counters, which take no timestamp of a client's, */
    const char *no_stamp;                /* and why there is none */
    uint8_t request_id[COUNTER_ID_SIZE]; /* a request that is sent again has the same */
    uint64_t writer;                     /* of values in tables that keep siblings */
    const struct bytes *causality;       /* that the custom payload brought, or NULL */
    uint32_t statement_no;               /* in its batch */
    bool lists_read;                     /* with IF: where new elements go is known, */
    int64_t list_first, list_last;       /* before and behind these: ticks of timeuuids */
    struct live_lists live;              /* of the row that was last looked at */
    struct warnings *warnings;           /* of the request; what run_warn says */
    struct payload *payload;             /* of the request; what run_payload says */

    enum cql_error_code code;
    struct errmsg message;
    const char *exists_keyspace; /* with CQL_ERROR_ALREADY_EXISTS */
    const char *exists_table;
    const char *function; /* with CQL_ERROR_FUNCTION_FAILURE: of the keyspace system */
    struct cql_string_list function_types;
};

bool run_fail(struct run *r, enum cql_error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool run_invalid(struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool run_unsupported(struct run *r, const char *what); /* "… not supported by this release" */
bool run_err(struct run *r, enum err err, const struct errmsg *m); /* true when err is OK */

/* The reply, whatever it will be, gets this warning. The same sentence only once, however often the
 * statement is evaluated; beyond WARNINGS_MAX they are dropped. */
void run_warn(struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The reply, whatever it will be, carries this in its custom payload; a key said before is
 * replaced. The value is copied. Keys are few and ours: at most PAYLOAD_MAX of them. */
void run_payload(struct run *r, const char *key, struct bytes value);

const char *run_text(struct run *r, struct bytes b);

/* The table a statement names, of the current keyspace when it names none. NULL after run_fail. */
const struct table *run_table(struct run *r, const struct ast_table *id);
const struct column *run_column(struct run *r, const struct table *t, struct bytes name);
size_t column_index(const struct table *t, const struct column *c);

/* Is the row there for who asks? Cells of columns that were dropped hold none up. */
bool row_shows(const struct table *t, const struct row *row, int64_t now_s);

/* A buffer whose bytes move into the run's arena. */
struct bytes run_take(struct run *r, struct buf *b);

/* --- term.c: values in statements. A slot is a term and what it is for. */
struct slot {
    const struct ast_term *term;
    const struct cql_type *type;
    const char *name;
};

/* Resolve: check its shape, note what its markers are. */
bool slot_declare(struct run *r, struct slot s);
/* Evaluate: null and unset come out as such. Data lives in the arena or in the bound values. */
bool slot_value(struct run *r, struct slot s, struct cql_value *ret);
/* For keys and conditions: neither null nor unset. */
bool slot_key(struct run *r, struct slot s, struct bytes *ret);
/* LIMIT and the like: *ret untouched when there is no term. */
bool slot_int(struct run *r, struct slot s, int64_t *ret, bool *ret_given);

/* literal.c: of [] {} () */
bool literal_declare(struct run *r, struct slot s);
bool literal_value(struct run *r, struct slot s, struct cql_value *ret);

/* A type a statement names, resolved; and how it is named in texts. */
bool run_type(struct run *r, const struct ast_type *type, const struct cql_type **ret);
const char *run_type_text(struct run *r, const struct ast_type *type);

/* A term as it may stand in the name of a column of an answer. */
const char *term_text(struct run *r, const struct ast_term *term);

const struct cql_type *list_of(struct run *r, const struct cql_type *item);

/* --- function.c: see function.h for the rest */
int64_t timeuuid_ticks(int64_t wall_us);
struct uuid timeuuid_make(struct exec *e, int64_t ticks);
struct uuid timeuuid_next(struct exec *e, int64_t wall_us);

/* --- where.c: restrictions */
struct restriction {
    const struct column **columns; /* several: (a, b) op … or token(a, b) op … */
    size_t count;
    bool token;
    enum ast_op op;
    struct slot key;     /* m[key] = … */
    struct slot *slots;  /* count for each alternative of IN; one list slot for `IN ?` */
    size_t alternatives; /* 1 unless IN */
    bool in_marker;
    bool whole; /* a slot holds a tuple of all columns, not one of them: (a, b) = ? */
    bool tuple; /* written as one, (a) = (1) too: errors say so */
    bool used;  /* the plan has it; not to be filtered */
};

struct where {
    struct restriction *items;
    size_t count;
    bool removes; /* a range of rows to delete, so null is no end of it */
};

/* `filtering`: ALLOW FILTERING was said. */
bool where_resolve(struct run *r, const struct table *t, const struct ast_relations *ast,
                   bool filtering, struct where *ret);

enum value_use {
    USE_KEY,    /* = or IN of the primary key, a token */
    USE_SLICE,  /* one end of a range of rows: null is before all, then *ret_rows is 0 */
    USE_FILTER, /* compared with values of rows */
};

/* The values of a restriction: *ret_rows times count. */
bool restriction_values(struct run *r, const struct restriction *x, enum value_use use,
                        struct bytes **ret_values, size_t *ret_rows);

/* The key of m[key] = v; *ret untouched by other restrictions. */
bool restriction_key(struct run *r, const struct restriction *x, struct bytes *ret);

struct keys {
    struct bytes *items; /* composed partition keys, in the order of their values, distinct */
    size_t count;
};
bool where_has_whole_key(const struct where *w, const struct table *t);
bool where_keys(struct run *r, struct where *w, const struct table *t, struct keys *ret);

/* --- slices.c: clustering restrictions as slices of row keys */
struct slices {
    struct scan_slice *items; /* ascending, disjoint */
    size_t count, cap;
    bool all;  /* no restriction at all */
    bool rows; /* every slice is one row: all clustering columns by EQ or IN */
};
bool where_slices(struct run *r, struct where *w, const struct table *t, struct slices *ret);
bool clustering_key(struct run *r, const struct table *t, const struct bytes *values,
                    struct buf *out);

/* --- modify.c: INSERT, UPDATE, DELETE */
struct parts { /* what statements do to partitions */
    struct exec_mutation *items;
    size_t count, cap;
};

/* Partitions whose present state a statement must see (list indexes). */
struct need {
    keyspace_no keyspace;
    table_no table;
    struct bytes key;
    struct bytes row_key;
    bool want_static;
    bool range; /* all rows of these slices, all there are when none; else the one row_key */
    struct scan_slice *slices;
    size_t slices_count;
    bool has_page; /* of a range: `part` has the first rows */
    size_t rows_cap;
    bool known;
    struct part part; /* when known; no rows when there is nothing */
};
struct needs {
    struct need *items;
    size_t count, cap;
    struct omap found; /* what they are of, and their numbers */
};

struct modify_times {
    const struct ast_using *batch_using; /* NULL: none */
    bool in_batch;
};

/* Resolve one of the three statements; with `ret` also evaluate it and add its mutations. Missing
 * needs are noted instead: then read them and call again. */
bool modify(struct run *r, const struct ast_stmt *s, const struct modify_times *times,
            struct needs *needs, struct parts *ret);
bool modify_batch_check(struct run *r, const struct ast_batch *b);
/* The table of one of the three statements; NULL: there is none, and no error yet. */
const struct table *modify_table(struct run *r, const struct ast_stmt *s);

/* Says what there is to say of a batch that is large, or not logged. False: it is too large. */
bool batch_check_size(struct run *r, const struct parts *parts, enum cql_write_type kind);

/* Sort by partition and merge those of one. */
void parts_join(struct run *r, struct parts *p);

/* --- collect.c: cells of collections */
struct cell_times {
    int64_t timestamp;
    int32_t ttl;
    int64_t now_s;
};
struct cell cell_make(const struct column *c, struct cell_times t, struct cql_value value);
void cells_push(struct run *r, struct cells *out, struct cell cell);
/* The number of the first cell of a column in a row, and of the one behind its last. */
size_t cells_of(const struct row *row, const struct column *c, size_t *ret_end);
bool collect_put(struct run *r, const struct column *c, struct cell_times t, struct cql_value value,
                 bool overwrite, struct cells *out);
bool collect_prepend(struct run *r, const struct column *c, struct cell_times t,
                     struct cql_value value, struct cells *out);
bool collect_remove(struct run *r, const struct column *c, struct cell_times t,
                    struct cql_value value, const struct row *row, struct cells *out);
/* With IF the lists were read: what is appended by whatever clock comes behind what is there. */
void collect_lists_read(struct run *r, const struct table *t, const struct part *p,
                        int64_t stamp_us);
/* One field of a user-defined type that is not frozen. */
void collect_set_field(struct run *r, const struct column *c, struct cell_times t, uint32_t field,
                       struct cql_value value, struct cells *out);
bool collect_set_element(struct run *r, const struct column *c, struct cell_times t,
                         struct bytes key, struct cql_value value, const struct row *row,
                         struct cells *out);
/* What an operation adds to a counter, under a name of its own within the request. */
bool collect_count(struct run *r, const struct column *c, struct cell_times t,
                   struct cql_value value, bool subtract, uint32_t op_no, struct cells *out);
/* The value of a collection from its live cells; false (and null) when there are none. */
bool collect_gather(struct run *r, const struct column *c, const struct cell *cells, size_t count,
                    int64_t now_s, struct cql_value *ret);

/* --- selection.c: see selection.h for the rest */
struct cql_column result_column(struct run *r, const char *keyspace, const char *table,
                                const char *name, const struct cql_type *type);

/* --- cast.c: numbers. Whole: tinyint to bigint; real: float and double. */
bool value_is_whole(const struct cql_type *t);
bool value_is_real(const struct cql_type *t);
int64_t value_read_whole(struct bytes b);
double value_read_real(const struct cql_type *type, struct bytes b); /* of whole ones too */
struct cql_value value_put_whole(struct run *r, const struct cql_type *type, int64_t v);
struct cql_value value_put_real(struct run *r, const struct cql_type *type, double v);
int64_t value_whole_of_real(const struct cql_type *to, double d);
bool cast_is_target(const struct cql_type *to); /* anything can be cast to it */
bool cast_allowed(const struct cql_type *from, const struct cql_type *to);
bool value_cast(struct run *r, const struct cql_type *from, const struct cql_type *to,
                struct cql_value v, struct cql_value *ret);

/* --- function_vector.c: of two vectors of floats. NaN: of a zero vector there is no cosine. */
double vector_similarity(enum similarity how, struct bytes a, struct bytes b);

/* --- filter.c: restrictions on the values of a row */
struct filter {
    const struct restriction *restriction;
    struct bytes key;
    struct bytes *values;
    size_t rows;
    const struct index *analysed; /* texts are compared as it does; NULL: as they are */
};
bool filter_make(struct run *r, const struct restriction *x, struct filter *ret);
bool filter_pass(const struct filter *f, const struct table *t, const struct cql_value *values);

/* --- virtual.c: system tables as rows */
struct virtual_rows {
    const struct table *table;
    struct cql_value **rows; /* column_count values each */
    size_t count, cap;
};
void virtual_make(struct run *r, const struct table *t, struct virtual_rows *ret);
void virtual_schema_make(struct run *r, struct virtual_rows *v); /* virtual_schema.c */
struct cql_value *virtual_row(struct run *r, struct virtual_rows *v);

/* Of a keyspace whose tables are virtual in Cassandra, too: there filtering needs no leave. */
bool keyspace_is_virtual(const char *name);

/* --- virtual_scan.c: the same as what a replica has. In r->arena. */
struct virtual_table;
struct virtual_table *virtual_open(struct run *r, const struct table *t); /* NULL: run_fail */
void virtual_scan(struct run *r, const struct virtual_table *v, const struct scan *scan,
                  struct scan_result *ret); /* all there is: never `more` */
void virtual_values(const struct virtual_table *v, const struct row *row, struct cql_value *ret);

void virtual_set(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                 const char *column, struct bytes value);
void virtual_text(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                  const char *column, const char *text);
void virtual_int(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                 const char *column, int32_t value);
void virtual_bool(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                  const char *column, bool value);
void virtual_uuid(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                  const char *column, const struct uuid *value);
void virtual_items(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                   const char *column, struct bytes *items, size_t count);
void virtual_map(struct run *r, const struct virtual_rows *v, struct cql_value *row,
                 const char *column, const struct option_map *map);

/* --- select.c, page.c */
struct select;
struct select_params {
    int32_t page_size; /* 0: no paging */
    struct bytes paging_state;
    bool skip_metadata;
    struct bytes metadata_id; /* version 5: what the client has; empty: nothing */
    uint8_t version;
    enum cql_consistency level;
    bool want_causality; /* in the custom payload of the answer */
};
bool select_resolve(struct run *r, const struct ast_select *ast, struct select **ret);
bool select_start(struct run *r, struct select *s, const struct select_params *params);
/* The next scan, or NULL when the rows are complete: then select_reply. */
const struct scan *select_scan(struct run *r, struct select *s);
bool select_take(struct run *r, struct select *s, const struct scan_result *rows);
bool select_reply(struct run *r, struct select *s, struct buf *body);
size_t select_columns(struct run *r, const struct select *s, const struct cql_column **ret);
const struct table *select_table(const struct select *s);
bool select_is_by_key(const struct select *s); /* of partitions, not of the ring */
void select_close(struct select *s);

/* What a page ends at. */
struct position {
    bool has; /* else: from the start */
    token token;
    struct bytes key;
    bool in_part;
    struct bytes row;
    uint32_t live_in_part;  /* live rows of the partition so far, filtered out or not */
    uint64_t taken;         /* rows so far, for LIMIT; of a virtual table: rows to skip */
    uint32_t taken_in_part; /* of the partition `key`, for PER PARTITION LIMIT */
};
struct bytes position_encode(struct run *r, const struct table *t, const struct position *p);
bool position_decode(struct run *r, const struct table *t, struct bytes state,
                     struct position *ret);

/* --- ddl.c, describe.c */
/* Keyspaces with more copies than nodes; once data centres are resolved. */
void ddl_warn_factors(struct run *r, const struct ddl *ddl);
bool ddl_resolve(struct run *r, const struct ast_stmt *s, struct ddl *ret);
bool describe(struct run *r, const struct ast_describe *d, struct buf *body, uint8_t version);

/* --- prepared.c */
struct prepared {
    struct list lru; /* first: the longest unused */
    uint8_t id[16];
    struct arena arena;
    struct ast ast;
    const char *keyspace; /* NULL: none */
    struct bytes text;
    size_t bytes;
    unsigned refs; /* the cache's and those of running requests */
};
struct prepared *prepared_find(struct exec *e, struct bytes id); /* a reference */
struct prepared *prepared_add(struct exec *e, struct run *r, const char *keyspace,
                              struct bytes text); /* a reference; NULL after run_fail */
void prepared_unref(struct prepared *p);
void prepared_forget(struct exec *e, struct prepared *p); /* out of the cache; references stay */
void prepared_drop_all(struct exec *e);
void metadata_id(const struct cql_column *columns, size_t count, uint8_t ret_id[16]);
bool prepared_reply(struct run *r, const struct prepared *p, uint8_t version, struct buf *body);

/* --- exec.c */
/* A warning of lost.c */
struct lost_told {
    uint64_t conn;
    table_no table;
    usec until; /* mono: it is not told again before */
};
#define LOST_TOLD_MAX 256

enum batch_kind { BATCH_LOGGED, BATCH_UNLOGGED, BATCH_COUNTERS, BATCH_KINDS };

struct exec {
    struct exec_config config;
    const struct exec_view *view;
    struct auth {                /* what is remembered of system_auth (auth.h) */
        struct omap roles;       /* name -> until, role */
        struct omap permissions; /* role NUL resource -> until, bits */
        struct omap verified;    /* role -> until, hash, salt, digest of the password */
    } auth;
    struct rng rng;
    int64_t last_ticks; /* of timeuuids: strictly ascending */
    int64_t last_prepend;
    uint64_t next_op;
    struct map running; /* op -> request */
    struct list requests;
    struct bmap prepared;
    struct list lru;
    size_t prepared_bytes;
    struct exec_effect *effects;
    size_t effects_count, effects_cap;
    struct arena out; /* what effects point to, until exec_clear */
    struct list finished;
    struct exec_stats stats;
    struct exec_source source;
    struct map latencies;                  /* table_no -> struct latency (latency.h) */
    usec first, latest;                    /* mono: the first request, the last event */
    struct histogram batches[BATCH_KINDS]; /* partitions of each */
    struct lost_told lost_told[LOST_TOLD_MAX];
};

#endif
