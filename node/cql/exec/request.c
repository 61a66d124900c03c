/* request.c - a request is opened and goes to what its statement is. */
#include "node/cql/exec/request.h"

#include "base/mutant.h"

#include "node/cql/grammar/parse.h"
#include "ring/murmur3.h"

#include <string.h>

void request_fail(struct exec *e, struct request *q, enum cql_error_code code, const char *text)
{
    run_fail(&q->run, code, "%s", text);
    reply_failed(e, q);
}

/* A copy that lives as long as the request: the frame does not. */
struct cql_values request_values(struct request *q, const struct cql_values *v)
{
    struct cql_values out = {.count = v->count};
    struct cql_value *items = arena_array(&q->arena, struct cql_value, v->count);
    struct bytes *names = NULL;
    if (v->names != NULL)
        names = arena_array(&q->arena, struct bytes, v->count);
    for (size_t i = 0; i < v->count; i++) {
        items[i] = v->items[i];
        items[i].data = arena_copy(&q->arena, v->items[i].data);
        if (names != NULL)
            names[i] = arena_copy(&q->arena, v->names[i]);
    }
    out.items = items;
    out.names = names;
    return out;
}

/* The run gets a statement and the values of its markers. */
bool request_open(struct run *r, const struct ast *ast, struct cql_values values,
                  const char *keyspace)
{
    r->ast = ast;
    r->values = values;
    r->keyspace = keyspace;
    r->table = NULL;
    r->markers = arena_array(r->arena, struct marker, ast->markers.count);
    if (values.names == NULL && values.count != ast->markers.count)
        return run_invalid(r, "Invalid amount of bind variables");
    return true;
}

/* The protocol's [string] is UTF-8, and names in it will be shown to others. */
bool request_parse(struct request *q, struct bytes text, struct ast *ret)
{
    struct errmsg m;
    if (value_validate(cql_type_native(CQL_TEXT), text, NULL) != ERR_OK)
        return run_fail(&q->run, CQL_ERROR_PROTOCOL, "Cannot decode string as UTF8");
    return run_err(&q->run, cql_parse(text, &q->arena, ret, &m), &m);
}

/* The name of the request, by which one that is sent again is known: what the client gives, else
 * who asks and the timestamp that its driver gave, else nobody will send it again. */
static bool identify(struct request *q, const struct cql_request *in, const struct cql_params *p)
{
    struct buf name;
    struct bytes given;
    bool has_given =
        cql_map_get(&in->payload, EXEC_REQUEST_ID, &given) && !MUTANT(requests_unnamed);
    if (has_given && (given.len == 0 || given.len > EXEC_REQUEST_ID_MAX))
        return run_invalid(&q->run, EXEC_REQUEST_ID " must have 1 to %d bytes",
                           EXEC_REQUEST_ID_MAX);
    buf_init(&name, BUF_MAX_DEFAULT);
    if (has_given) {
        buf_put_u8(&name, 1);
        buf_put_bytes(&name, given);
    } else if ((p->flags & CQL_QUERY_TIMESTAMP) != 0) {
        buf_put_u8(&name, 2);
        buf_put_vbytes(&name, q->client);
        buf_put_i64(&name, p->timestamp);
    } else {
        buf_put_u8(&name, 3);
        buf_put_vbytes(&name, q->client);
        buf_put_u64(&name, rng_next(&q->run.exec->rng));
        buf_put_u64(&name, rng_next(&q->run.exec->rng));
    }
    counter_id(buf_bytes(&name), q->run.request_id);
    buf_close(&name);
    return true;
}

/* Who writes, to tables that keep siblings. */
static uint64_t writer_of(struct bytes client)
{
    uint64_t h = murmur3_hash(client).h1;
    return h > WRITER_SERIAL ? h : WRITER_SERIAL + 1;
}

static void take_causality(struct request *q, const struct cql_map *payload)
{
    struct bytes given;
    q->run.writer = writer_of(q->client);
    if (!cql_map_get(payload, EXEC_CAUSALITY, &given))
        return;
    q->causality = arena_copy(&q->arena, given);
    q->run.causality = &q->causality;
}

/* The token of a session. An empty one asks for the first. */
static bool take_session(struct request *q, const struct cql_request *in)
{
    struct bytes given;
    if (!cql_map_get(&in->payload, EXEC_SESSION, &given))
        return true;
    struct seen *seen = arena_new(&q->arena, struct seen);
    if (given.len > 0 && seen_decode(given, &q->arena, seen) != ERR_OK)
        return run_invalid(&q->run, EXEC_SESSION " is not a token that this cluster gave");
    if (q->run.stamp_us > seen->time_us)
        seen->time_us = q->run.stamp_us;
    q->session = seen;
    return true;
}

bool request_params(struct request *q, const struct cql_request *in, const struct cql_params *p)
{
    take_causality(q, &in->payload);
    q->level = p->consistency;
    q->serial_level = (p->flags & CQL_QUERY_SERIAL) != 0 ? p->serial_consistency : CQL_CL_SERIAL;
    if ((p->flags & CQL_QUERY_TIMESTAMP) != 0) {
        q->run.timestamp_us = p->timestamp;
        q->run.no_timestamp = NULL;
    }
    if ((p->flags & CQL_QUERY_NOW) != 0)
        q->run.now_s = p->now_in_seconds;
    if ((p->flags & CQL_QUERY_KEYSPACE) != 0 && q->version >= 5)
        q->run.keyspace = arena_text(&q->arena, p->keyspace);
    struct bytes any;
    q->wants_receipt = in->payload.count > 0 && cql_map_get(&in->payload, EXEC_RECEIPT, &any);
    return (in->payload.count == 0 || take_session(q, in)) && identify(q, in, p);
}

static void start(struct exec *e, struct request *q, const struct ast *ast,
                  const struct cql_params *p, struct bytes metadata_id_seen)
{
    q->stmt = ast->stmt;
    q->values = request_values(q, &p->values);
    q->params = *p;
    q->params.values = (struct cql_values){NULL, NULL, 0};
    q->params.paging_state = arena_copy(&q->arena, p->paging_state);
    q->metadata_id = metadata_id_seen;
    q->write_kind = CQL_WRITE_SIMPLE;
    if (request_open(&q->run, ast, q->values, q->run.keyspace))
        request_authorize(e, q);
    else
        reply_failed(e, q);
}

void request_authorized(struct exec *e, struct request *q)
{
    const struct ast_stmt *s = q->stmt;
    const struct ast *ast = q->run.ast;
    if (s == NULL) {
        request_modify(e, q);
        return;
    }
    switch (s->kind) {
    case AST_SELECT: request_select(e, q, &s->select, &q->params, q->metadata_id); return;
    case AST_INSERT:
    case AST_UPDATE:
    case AST_DELETE:
        q->statements = arena_new(&q->arena, struct statement);
        q->statements_count = 1;
        *q->statements = (struct statement){ast, s, q->values, {0}, q->run.keyspace};
        request_modify(e, q);
        return;
    case AST_BATCH: request_text_batch(e, q, ast, q->values); return;
    case AST_USE: request_use(e, q, s->drop.table.name); return;
    case AST_TRUNCATE: request_truncate(e, q, s); return;
    case AST_DESCRIBE: request_describe(e, q, &s->describe); return;
    case AST_OTHER: request_other(e, q, &s->other); return;
    default: break;
    }
    if (role_is_statement(s))
        request_role(e, q);
    else
        request_ddl(e, q, s);
}

void request_query(struct exec *e, struct request *q, const struct cql_request *in)
{
    struct ast *ast = arena_new(&q->arena, struct ast);
    e->stats.queries++;
    q->text = arena_copy(&q->arena, in->query.text);
    if (!request_params(q, in, &in->query.params) || !request_parse(q, in->query.text, ast)) {
        reply_failed(e, q);
        return;
    }
    start(e, q, ast, &in->query.params, BYTES_NONE);
}

void request_prepare(struct exec *e, struct request *q, const struct cql_request *in)
{
    struct run *r = &q->run;
    struct buf b;
    e->stats.prepares++;
    if (in->prepare.has_keyspace)
        r->keyspace = arena_text(&q->arena, in->prepare.keyspace);
    struct prepared *p = prepared_add(e, r, r->keyspace, in->prepare.text);
    q->prepared[q->prepared_count++] = p;
    buf_init(&b, EXEC_REPLY_MAX);
    if (p != NULL) {
        r->ast = &p->ast;
        r->markers = arena_array(&q->arena, struct marker, p->ast.markers.count);
        if (prepared_reply(r, p, q->version, &b)) {
            reply_body(e, q, CQL_RESULT, &b);
            return;
        }
    }
    if (p != NULL)
        prepared_forget(e, p); /* nobody gets its id */
    buf_close(&b);
    reply_failed(e, q);
}

void request_execute(struct exec *e, struct request *q, const struct cql_request *in)
{
    struct prepared *p = prepared_find(e, in->execute.id);
    if (p == NULL) {
        reply_unprepared(e, q, arena_copy(&q->arena, in->execute.id));
        return;
    }
    q->prepared[q->prepared_count++] = p;
    q->text = p->text; /* as long as the reference */
    if (p->keyspace != NULL)
        q->run.keyspace = p->keyspace;
    if (!request_params(q, in, &in->execute.params)) {
        reply_failed(e, q);
        return;
    }
    start(e, q, &p->ast, &in->execute.params,
          arena_copy(&q->arena, in->execute.result_metadata_id));
}

static void note_receipt(struct request *q, struct bytes steps)
{
    if (steps.len == 0)
        return;
    if (q->receipt.max == 0)
        buf_init(&q->receipt, EXEC_RECEIPT_MAX);
    if (q->receipt.len + steps.len + 1 > EXEC_RECEIPT_MAX)
        return;
    if (q->receipt.len > 0)
        buf_put_u8(&q->receipt, ',');
    buf_put_bytes(&q->receipt, steps);
}

static void note_seen(struct request *q, const struct exec_result *x)
{
    if (x->seen != NULL)
        seen_merge(q->session, &q->arena, x->seen);
    if (x->hlc_us > q->session->time_us)
        q->session->time_us = x->hlc_us;
}

void request_done(struct exec *e, struct request *q, const struct exec_result *x)
{
    if (q->session != NULL)
        note_seen(q, x);
    if (q->wants_receipt)
        note_receipt(q, x->receipt);
    switch (q->kind) {
    case REQUEST_DDL: request_ddl_done(e, q, x); return;
    case REQUEST_TRUNCATE: request_truncate_done(e, q, x); return;
    case REQUEST_SELECT: request_select_done(e, q, x); return;
    case REQUEST_CAS: request_cas_done(e, q, x); return;
    case REQUEST_MODIFY: request_modify_done(e, q, x); return;
    default: request_answered(e, q, x); return;
    }
}
