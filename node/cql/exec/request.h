/* request.h - a running request. Private to this folder.
 *
 *   request_begin -> effects_* (an operation, or the reply) -> request_done -> …  -> reply
 */
#ifndef TORC_NODE_CQL_EXEC_REQUEST_H
#define TORC_NODE_CQL_EXEC_REQUEST_H

#include "node/cql/exec/core.h"
#include "node/cql/exec/role.h"

struct statement { /* one INSERT, UPDATE or DELETE, alone or of a batch */
    const struct ast *ast;
    const struct ast_stmt *stmt;
    struct cql_values values;
    struct modify_times times;
    const char *keyspace;
};

enum request_kind {
    REQUEST_SELECT,
    REQUEST_MODIFY,
    REQUEST_CAS,
    REQUEST_DDL,
    REQUEST_TRUNCATE,
    /* Begun anew after each answer to an inner question (inner.h): */
    REQUEST_AUTHORIZE, /* may it be done? */
    REQUEST_ROLE,      /* a statement about roles or permissions */
    REQUEST_AFTER_DDL, /* permissions on what was made or dropped */
    REQUEST_LOGIN,
    REQUEST_SETUP, /* of the first superuser; nobody waits for its reply */
};

enum password_state {
    PASSWORD_NONE,
    PASSWORD_ASKED,
    PASSWORD_GOOD, /* it is that of the hash, or has been hashed */
    PASSWORD_WRONG,
    PASSWORD_TOO_MANY,
};

struct cas_request;

struct request {
    struct list link; /* of exec.requests, or exec.finished */
    uint64_t conn;
    int16_t stream;
    uint8_t version;
    uint64_t op; /* under way; 0: none */
    bool replied;
    enum request_kind kind;
    struct arena arena;
    const struct schema *schema;
    struct prepared **prepared; /* references */
    size_t prepared_count;
    struct run run;
    struct bytes client;    /* who asks */
    struct bytes causality; /* of the custom payload, when the run has it */
    bool wants_receipt;
    struct buf receipt;   /* the steps so far */
    struct seen *session; /* what it has seen; NULL: it keeps no account */
    struct uuid trace;    /* zero: nobody follows it */
    struct now now;
    usec began;                  /* mono */
    struct bytes text;           /* of a QUERY or what was prepared; for people */
    const char *user;            /* NULL: anonymous, or not logged in */
    const struct ast_stmt *stmt; /* NULL: a BATCH frame */
    struct cql_values values;
    struct cql_params params; /* without values */
    struct bytes metadata_id;
    struct inner *inner; /* questions asked so far, the last first */
    enum password_state password;
    const char *password_hash;
    struct credentials credentials;
    struct schema_change change; /* AFTER_DDL */
    struct warnings warnings;
    struct payload payload;
    enum cql_consistency level;
    enum cql_consistency serial_level;
    enum cql_write_type write_kind;

    struct select *select;
    struct statement *statements;
    size_t statements_count;
    struct needs needs;
    size_t need_at; /* being read */
    struct scan need_scan;
    struct parts parts;
    struct cas_request *cas;
    struct ddl ddl;
};

/* exec.c: effects */
struct exec_effect *effect_add(struct exec *e, enum exec_effect_type type, struct request *q);
void effect_op(struct exec *e, struct request *q, struct exec_effect *effect);
void reply_body(struct exec *e, struct request *q, enum cql_opcode opcode, struct buf *body);

/* trace_params.c */
void trace_params(struct exec *e, struct request *q, struct exec_effect *reply);

/* reply.c: the body is written, the reply is an effect, the request is over */
struct bytes reply_readable(struct request *q, struct bytes text);
void reply_void(struct exec *e, struct request *q);
void reply_error(struct exec *e, struct request *q, const struct cql_error *error);
void reply_failed(struct exec *e, struct request *q); /* what the run says */
void reply_unprepared(struct exec *e, struct request *q, struct bytes id);
void reply_supported(struct exec *e, struct request *q);
void reply_change(struct exec *e, struct request *q, const struct schema_change *change);
enum cql_error_code reply_outcome_code(const struct exec_result *x, bool write);
const char *reply_outcome_text(struct request *q, const struct exec_result *x, bool write);
void reply_outcome(struct exec *e, struct request *q, const struct exec_result *result, bool write);

/* request.c */
void request_query(struct exec *e, struct request *q, const struct cql_request *in);
void request_prepare(struct exec *e, struct request *q, const struct cql_request *in);
void request_execute(struct exec *e, struct request *q, const struct cql_request *in);
void request_done(struct exec *e, struct request *q, const struct exec_result *result);
void request_fail(struct exec *e, struct request *q, enum cql_error_code code, const char *text);
/* A copy that lives as long as the request: the frame does not. */
struct cql_values request_values(struct request *q, const struct cql_values *v);
/* The run gets a statement and the values of its markers. */
bool request_open(struct run *r, const struct ast *ast, struct cql_values values,
                  const char *keyspace);
bool request_parse(struct request *q, struct bytes text, struct ast *ret);
/* Takes what the frame says beside the statement. False after run_fail. */
bool request_params(struct request *q, const struct cql_request *in, const struct cql_params *p);

/* The statement may be done: go. */
void request_authorized(struct exec *e, struct request *q);

/* request_auth.c: functions that are begun anew after each answer. */
void request_authorize(struct exec *e, struct request *q); /* then request_authorized */
void request_role(struct exec *e, struct request *q);
void request_after_ddl(struct exec *e, struct request *q); /* then the reply */
void request_login(struct exec *e, struct request *q, const struct cql_request *in);
void request_setup(struct exec *e, struct request *q);
void request_answered(struct exec *e, struct request *q, const struct exec_result *result);

/* request_select.c, request_modify.c, request_schema.c: the request is open. Each ends in an
 * operation or a reply; the operation's result comes to the _done. */
void request_select(struct exec *e, struct request *q, const struct ast_select *s,
                    const struct cql_params *p, struct bytes metadata_id_seen);
void request_select_done(struct exec *e, struct request *q, const struct exec_result *result);
void request_modify(struct exec *e, struct request *q); /* its statements are set */
void request_modify_done(struct exec *e, struct request *q, const struct exec_result *result);
/* request_cas.c: instead, when one of them has an IF */
bool request_is_conditional(const struct request *q);
void request_cas(struct exec *e, struct request *q);
void request_cas_done(struct exec *e, struct request *q, const struct exec_result *result);
/* lost.c: the reply warns of what is acked and not seen */
void request_warn_lost(struct exec *e, struct request *q, const struct exec_result *x);
void request_warn_hinted(struct exec *e, struct request *q, const struct exec_result *x);
void request_text_batch(struct exec *e, struct request *q, const struct ast *ast,
                        struct cql_values values);
void request_batch(struct exec *e, struct request *q, const struct cql_request *in);
void request_ddl(struct exec *e, struct request *q, const struct ast_stmt *s);
void request_ddl_done(struct exec *e, struct request *q, const struct exec_result *result);
void request_truncate(struct exec *e, struct request *q, const struct ast_stmt *s);
void request_truncate_done(struct exec *e, struct request *q, const struct exec_result *result);
void request_use(struct exec *e, struct request *q, struct bytes name);
void request_describe(struct exec *e, struct request *q, const struct ast_describe *d);
void request_other(struct exec *e, struct request *q, const struct ast_other *o);

#endif
