/* exec.h - CQL requests in, replies and operations out.
 *
 * Pure, one per node. The shell decodes a frame (node/cql/proto) and hands the request in; what
 * comes out is an ordered list of effects: replies, and operations that the node carries out with
 * its coordinator and metadata log and whose results it brings back with exec_done.
 *
 *            exec_request                            exec_done
 *   (none) ---------------> RUNNING -- READ/WRITE/DDL --> RUNNING -- … --> REPLY, gone
 *                              \______________ REPLY at once _____________/
 *
 * A request has at most one operation under way. Its memory is one arena, gone with its reply.
 *
 * Invariants: every request gets exactly one REPLY effect, unless its connection is closed first;
 * prepared statements are bounded by count and bytes (least recently used go first, drivers prepare
 * again); a running request keeps the schema snapshot and the statement it began with.
 */
#ifndef TORC_NODE_CQL_EXEC_EXEC_H
#define TORC_NODE_CQL_EXEC_EXEC_H

#include "node/cql/proto/request.h"
#include "node/cql/proto/response.h"
#include "node/schema/ddl.h"
#include "storage/engine.h"
#include "storage/seen.h"

#define EXEC_PREPARED_MAX          10000
#define EXEC_PREPARED_BYTES_MAX    ((size_t)64 << 20)
#define EXEC_REPLY_MAX             ((size_t)14 << 20) /* bytes of rows in one reply */
#define EXEC_PAGE_FULL             ((size_t)2 << 20)  /* a page with so many bytes is full */
#define EXEC_VALUE_MAX             (EXEC_REPLY_MAX - EXEC_PAGE_FULL) /* so that it can be read back */
#define EXEC_REQUEST_ID            "torc_request_id" /* custom payload: names the request */
#define EXEC_REQUEST_ID_MAX        64
#define EXEC_CAUSALITY             "torc_causality" /* custom payload: USING CAUSALITY; and of answers */
#define EXEC_SESSION               "torc_session" /* ... : its token, and in the answer the next one */
#define EXEC_RECEIPT               "torc_receipt" /* ... : wanted; and in the answer: who answered */
#define EXEC_RECEIPT_MAX           ((size_t)64 << 10)
#define EXEC_SORT_MAX              100000 /* rows that ORDER BY over several partitions sorts */
#define EXEC_IN_MAX                10000  /* partitions or slices one IN may make */
#define EXEC_REMOVE_MAX            10000  /* rows with siblings that a range of a DELETE may have */
#define EXEC_BATCH_WARN_BYTES      ((size_t)5 << 10)
#define EXEC_BATCH_FAIL_BYTES      ((size_t)50 << 10)
#define EXEC_BATCH_WARN_PARTITIONS ((size_t)10)
#define EXEC_TTL_MAX               (20 * 365 * 24 * 60 * 60)

struct exec; /* Opaque. */

struct exec_config {
    uint64_t seed;
    size_t prepared_max;                       /* 0: EXEC_PREPARED_MAX */
    size_t prepared_bytes_max;                 /* 0: EXEC_PREPARED_BYTES_MAX */
    size_t batch_warn_bytes, batch_fail_bytes; /* of several partitions; 0: 5 and 50 KiB */
    size_t batch_warn_partitions;              /* of an unlogged one; 0: 10 */
    bool authenticate; /* PasswordAuthenticator; else AllowAllAuthenticator */
    bool authorize;    /* CassandraAuthorizer; else AllowAllAuthorizer */
    usec roles_validity_us, permissions_validity_us, credentials_validity_us;
    usec (*stopwatch)(void); /* mono, as it goes on within a turn; for latencies. NULL: none */
};

struct exec *exec_new(const struct exec_config *config);
void exec_free(struct exec *e);

/* What the system tables tell about a node. */
struct exec_peer {
    struct uuid host_id;
    struct endpoint internode; /* broadcast and listen address */
    struct endpoint cql;       /* what drivers connect to */
    const char *dc;
    const char *rack;
    const char *release_version; /* "5.0.0": what drivers and cqlsh expect of a Cassandra */
    struct uuid schema_version;
    const token *tokens;
    size_t tokens_count;
};

/* What the executor sees of the cluster. */
struct exec_view {
    const struct schema *schema;
    const char *cluster_name;
    struct exec_peer self;
    const struct exec_peer *peers; /* all others */
    size_t peers_count;
    int32_t gossip_generation;
};

/* Where rows of system_views come from that the executor does not know: `fill` begins each row and
 * puts values into its columns, by name; a table that it does not know has none. Texts are copied.
 */
struct exec_rows;
struct exec_source {
    void (*fill)(void *arg, const char *table, struct exec_rows *out);
    void *arg;
};
void exec_set_source(struct exec *e, const struct exec_source *source);
void exec_row(struct exec_rows *o);
void exec_put_text(struct exec_rows *o, const char *column, const char *value); /* NULL: null */
void exec_put_int(struct exec_rows *o, const char *column, int32_t value);
void exec_put_bigint(struct exec_rows *o, const char *column, int64_t value);
void exec_put_double(struct exec_rows *o, const char *column, double value);
void exec_put_bool(struct exec_rows *o, const char *column, bool value);
void exec_put_inet(struct exec_rows *o, const char *column, const struct endpoint *value);
void exec_put_uuid(struct exec_rows *o, const char *column, const struct uuid *value);
void exec_put_map(struct exec_rows *o, const char *column, const struct option_map *value);

/* Borrowed until the next exec_set_view; what it points to must stay unchanged that long. Needed
 * before the first request. */
void exec_set_view(struct exec *e, const struct exec_view *view);

struct exec_request {
    uint64_t conn; /* the caller's name for the connection */
    int16_t stream;
    uint8_t version; /* of the protocol */
    const struct cql_request *request;
    const char *keyspace;     /* of the connection; NULL: none */
    const char *user;         /* of the connection, as EXEC_LOGIN said; NULL: nobody */
    int64_t timestamp_us;     /* for writes that bring none: the hybrid logical clock's next */
    const char *no_timestamp; /* why it cannot be had, or NULL; outlives the request */
    struct uuid trace;        /* the session that follows it; zero: none */
    struct bytes client;      /* who asks: with the timestamp that a frame brings, it names the
                                 request, so that one that is sent again counts once */
};

/* All that is passed is borrowed for the call only. */
void exec_request(struct exec *e, struct now now, const struct exec_request *request);

/* How an EXEC_CAS or EXEC_CAS_PROPOSE ended that did not fail. */
enum exec_cas_end {
    EXEC_CAS_NONE,
    EXEC_CAS_ROWS,    /* these are the rows: EXEC_CAS_PROPOSE what they come to */
    EXEC_CAS_APPLIED, /* or an earlier proposal of the same session was */
    EXEC_CAS_NOT_APPLIED,
};

/* The result of an operation. `rows`, for reads, is borrowed for the call. */
struct exec_result {
    enum err err; /* OK UNAVAILABLE TIMEOUT FAILED OVERLOADED …; EXISTS INVALID CONFIG … of DDL */
    enum cql_consistency level;
    enum cql_write_type kind;
    uint32_t required;
    uint32_t received; /* UNAVAILABLE: alive */
    uint32_t failures;
    uint32_t hinted;    /* writes: so many acks are of nodes that keep it for a replica */
    uint32_t merged;    /* writes: values that went because there were too many siblings .. */
    table_no merged_in; /* .. in this table; 0: in several */
    enum exec_lost {
        EXEC_LOST_NONE,
        EXEC_LOST_GIVEN,   /* a write is acked and not seen: its timestamp was the client's, */
        EXEC_LOST_STAMPED, /* or it was ours, and what wins is beyond what we may stamp */
    } lost;
    table_no lost_in;
    int64_t behind_us;
    bool data_present;
    const struct scan_result *rows; /* reads */
    struct schema_change change;    /* DDL */
    const char *hash;               /* PASSWORD: that was made */
    bool matches;                   /* PASSWORD: it is that of the hash */
    const char *message;            /* the sentence of the error, or what there is to say beside it;
                                       or NULL */
    enum exec_cas_end cas;
    int64_t stamp_us; /* EXEC_CAS_ROWS: for what is proposed; above all that was read */
    bool unknown;     /* ERR_TIMEOUT of a session: it may be applied all the same */
    uint32_t contentions;
    const struct seen *seen; /* by the client's session, beside what it had; NULL: nothing */
    int64_t hlc_us;          /* the hybrid clock's, now */
    struct bytes receipt;    /* steps, as JSON objects with commas between them */
};

/* Make the role `cassandra`, a superuser of that password, when there is no role at all. The reply,
 * to connection 0, says how it went: READY, or ERROR, and then it is to be tried again. */
void exec_setup(struct exec *e, struct now now, int64_t timestamp_us);

/* An operation that is not running any more (connection closed) is ignored. */
void exec_done(struct exec *e, struct now now, uint64_t op, const struct exec_result *result);

/* Forget the running requests of a connection: no replies. */
void exec_conn_closed(struct exec *e, uint64_t conn);

struct exec_mutation { /* one partition; no dots, timestamps set; canonical */
    keyspace_no keyspace;
    struct part part;
    struct supersede supersede; /* of a siblings table (storage/siblings.h), or all zero */
};

enum exec_effect_type {
    EXEC_REPLY,
    EXEC_WRITE,       /* apply all mutations */
    EXEC_READ,        /* one scan */
    EXEC_CAS,         /* read a partition to change it with nobody in between */
    EXEC_CAS_PROPOSE, /* the change; or none */
    EXEC_DDL,         /* propose to the metadata log, wait until applied here */
    EXEC_PASSWORD,    /* slow: hash it (base/password.h), or compare it with a hash */
    EXEC_LOGIN,       /* the connection's user from now on */
    EXEC_USE,         /* the connection's keyspace from now on */
    EXEC_REGISTER,    /* events the connection wants, bits 1 << enum cql_event_type, in addition */
};

struct exec_trace_param {
    const char *name, *value;
};

struct exec_effect {
    enum exec_effect_type type;
    struct uuid trace; /* of the request */
    uint64_t conn;
    int16_t stream;
    uint64_t op; /* WRITE, READ, DDL, PASSWORD: name it to exec_done */
    union {
        struct {
            enum cql_opcode opcode;
            uint8_t flags;
            struct bytes body;
            usec took; /* of a read or a write of a partition; else -1 */
            const struct exec_trace_param *params; /* what a trace should tell, too */
            size_t params_count;
        } reply;
        struct {
            const struct exec_mutation *mutations;
            size_t count;
            enum cql_consistency level;
            enum cql_write_type kind;
            int64_t stamp_us; /* what has this timestamp got it from timestamp_us of the request;
                                 0: nothing has */
            const struct seen *seen; /* by the client's session; NULL: there is none */
            bool receipt;            /* who answered is wanted */
        } write;
        struct {
            keyspace_no keyspace;
            const struct scan *scan;
            enum cql_consistency level;
            const struct seen *seen;
            bool receipt;
        } read;
        struct {
            keyspace_no keyspace;
            const struct scan *scan;
            enum cql_consistency serial;
            enum cql_consistency level; /* of the change */
            bool read_only;             /* a SELECT: EXEC_CAS_ROWS are all it wants */
            const struct seen *seen;
            bool receipt;
        } cas;
        struct {
            uint64_t session; /* the op of the last EXEC_CAS or EXEC_CAS_PROPOSE */
            const struct exec_mutation *change; /* NULL: nothing changes */
        } propose;
        const struct ddl *ddl;
        struct {
            const char *password;
            const char *hash; /* NULL: make one, with the salt */
            uint8_t salt[16];
        } password;
        const char *user;
        const char *keyspace;
        uint32_t events;
    };
};

/* In order. Valid until exec_clear. */
size_t exec_effects(const struct exec *e, const struct exec_effect **ret_effects);
void exec_clear(struct exec *e);

struct exec_stats {
    uint64_t requests, errors, queries, prepares, prepared_hits, prepared_misses, evictions;
    size_t running, prepared, prepared_bytes;
};
struct exec_stats exec_stats(const struct exec *e);

#endif
