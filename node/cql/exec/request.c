/* request.c - what each kind of request does, step by step. */
#include "node/cql/exec/request.h"

#include "node/cql/grammar/parse.h"
#include "ring/murmur3.h"

#include <string.h>

static void fail(struct exec *e, struct request *q, enum cql_error_code code, const char *text)
{
    run_fail(&q->run, code, "%s", text);
    reply_failed(e, q);
}

/* A copy that lives as long as the request: the frame does not. */
static struct cql_values copy_values(struct request *q, const struct cql_values *v)
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
static bool run_open(struct run *r, const struct ast *ast, struct cql_values values,
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
static bool parse_text(struct request *q, struct bytes text, struct ast *ret)
{
    struct errmsg m;
    if (value_validate(cql_type_native(CQL_TEXT), text, NULL) != ERR_OK)
        return run_fail(&q->run, CQL_ERROR_PROTOCOL, "Cannot decode string as UTF8");
    return run_err(&q->run, cql_parse(text, &q->arena, ret, &m), &m);
}

static void take_params(struct request *q, const struct cql_params *p)
{
    q->level = p->consistency;
    if ((p->flags & CQL_QUERY_TIMESTAMP) != 0) {
        q->run.timestamp_us = p->timestamp;
        q->run.no_timestamp = NULL;
    }
    if ((p->flags & CQL_QUERY_NOW) != 0)
        q->run.now_s = p->now_in_seconds;
    if ((p->flags & CQL_QUERY_KEYSPACE) != 0 && q->version >= 5)
        q->run.keyspace = arena_text(&q->arena, p->keyspace);
}

/* --- SELECT */

static void select_step(struct exec *e, struct request *q)
{
    const struct scan *scan = select_scan(&q->run, q->select);
    struct buf b;
    if (scan != NULL) {
        struct exec_effect *effect = effect_add(e, EXEC_READ, q);
        effect->read.keyspace = select_table(q->select)->keyspace_no;
        effect->read.scan = scan;
        effect->read.level = q->level;
        effect_op(e, q, effect);
        return;
    }
    buf_init(&b, EXEC_REPLY_MAX * 2);
    if (select_reply(&q->run, q->select, &b)) {
        reply_body(e, q, CQL_RESULT, &b);
        return;
    }
    buf_close(&b);
    reply_failed(e, q);
}

static bool check_read_level(struct run *r, enum cql_consistency level)
{
    if (level == CQL_CL_ANY || level == CQL_CL_EACH_QUORUM)
        return run_invalid(r, "%s ConsistencyLevel is only supported for writes",
                           cql_consistency_name(level));
    if (cql_consistency_is_serial(level))
        return run_unsupported(r, "reads at serial consistency (lightweight transactions)");
    return true;
}

static void start_select(struct exec *e, struct request *q, const struct ast_select *s,
                         const struct cql_params *p, struct bytes metadata_id_seen)
{
    struct select_params params = {.version = q->version, .metadata_id = metadata_id_seen};
    struct run *r = &q->run;
    q->kind = REQUEST_SELECT;
    params.skip_metadata = (p->flags & CQL_QUERY_SKIP_METADATA) != 0;
    if ((p->flags & CQL_QUERY_PAGE_SIZE) != 0 && p->page_size > 0)
        params.page_size = p->page_size;
    if ((p->flags & CQL_QUERY_PAGING_STATE) != 0)
        params.paging_state = arena_copy(&q->arena, p->paging_state);
    if (!select_resolve(r, s, &q->select) || !check_read_level(r, q->level) ||
        !select_start(r, q->select, &params)) {
        reply_failed(e, q);
        return;
    }
    select_step(e, q);
}

/* --- INSERT, UPDATE, DELETE, BATCH */

static void read_need(struct exec *e, struct request *q)
{
    struct need *n = &q->needs.items[q->need_at];
    struct scan_slice *slice = arena_new(&q->arena, struct scan_slice);
    struct buf end;
    q->need_scan = (struct scan){.table = n->table,
                                 .single = true,
                                 .key = n->key,
                                 .token = murmur3_token(n->key),
                                 .want_static = n->want_static,
                                 .now_s = q->run.now_s};
    if (n->row_key.len > 0) {
        buf_init(&end, BUF_MAX_DEFAULT);
        buf_put_bytes(&end, n->row_key);
        buf_put_u8(&end, 0); /* the next string */
        *slice = (struct scan_slice){n->row_key, run_take(&q->run, &end)};
        q->need_scan.slices = slice;
        q->need_scan.slices_count = 1;
    } else if (n->want_static) {
        q->need_scan.rows_max = 1;
    }
    struct exec_effect *effect = effect_add(e, EXEC_READ, q);
    effect->read.keyspace = n->keyspace;
    effect->read.scan = &q->need_scan;
    effect->read.level = q->level == CQL_CL_ANY ? CQL_CL_ONE : q->level;
    effect_op(e, q, effect);
}

static bool build(struct request *q)
{
    q->parts = (struct parts){0};
    for (size_t i = 0; i < q->statements_count; i++) {
        const struct statement *s = &q->statements[i];
        if (!run_open(&q->run, s->ast, s->values, s->keyspace) ||
            !modify(&q->run, s->stmt, &s->times, &q->needs, &q->parts))
            return false;
    }
    return true;
}

/* Evaluate; read what must be read first; then write. */
static void modify_step(struct exec *e, struct request *q)
{
    if (!build(q)) {
        reply_failed(e, q);
        return;
    }
    while (q->need_at < q->needs.count && q->needs.items[q->need_at].known)
        q->need_at++;
    if (q->need_at < q->needs.count) {
        read_need(e, q);
        return;
    }
    parts_join(&q->run, &q->parts);
    if (q->parts.count == 0) {
        reply_void(e, q);
        return;
    }
    struct exec_effect *effect = effect_add(e, EXEC_WRITE, q);
    effect->write.mutations = q->parts.items;
    effect->write.count = q->parts.count;
    effect->write.level = q->level;
    effect->write.kind = q->write_kind;
    effect_op(e, q, effect);
}

static void take_need(struct exec *e, struct request *q, const struct exec_result *result)
{
    struct need *n = &q->needs.items[q->need_at];
    n->known = true;
    if (result->rows != NULL && result->rows->parts_count > 0) {
        struct buf b;
        buf_init(&b, BUF_MAX_DEFAULT);
        part_encode(&result->rows->parts[0], &b);
        if (part_decode(run_take(&q->run, &b), &q->arena, &n->part) != ERR_OK) {
            fail(e, q, CQL_ERROR_SERVER, "A replica sent rows that are none");
            return;
        }
    }
    if (++q->need_at < q->needs.count)
        read_need(e, q);
    else
        modify_step(e, q);
}

static void start_modify(struct exec *e, struct request *q)
{
    q->kind = REQUEST_MODIFY;
    if (cql_consistency_is_serial(q->level)) {
        fail(e, q, CQL_ERROR_INVALID, "You must use conditional updates for serializable writes");
        return;
    }
    modify_step(e, q);
}

static void start_text_batch(struct exec *e, struct request *q, const struct ast *ast,
                             struct cql_values values)
{
    const struct ast_batch *b = &ast->stmt->batch;
    if (!modify_batch_check(&q->run, b)) {
        reply_failed(e, q);
        return;
    }
    q->statements = arena_array(&q->arena, struct statement, b->count);
    q->statements_count = b->count;
    q->write_kind = b->kind == AST_BATCH_UNLOGGED ? CQL_WRITE_UNLOGGED_BATCH : CQL_WRITE_BATCH;
    for (size_t i = 0; i < b->count; i++)
        q->statements[i] =
            (struct statement){ast, b->items[i], values, {&b->using, true}, q->run.keyspace};
    start_modify(e, q);
}

/* --- the others */

/* Only the log knows: what our own schema refuses, or finds done already, may be otherwise by now.
 */
static void propose(struct exec *e, struct request *q)
{
    struct exec_effect *effect = effect_add(e, EXEC_DDL, q);
    effect->ddl = &q->ddl;
    effect_op(e, q, effect);
}

static void start_ddl(struct exec *e, struct request *q, const struct ast_stmt *s)
{
    struct run *r = &q->run;
    const struct exec_view *view = e->view;
    const char **dcs = arena_array(&q->arena, const char *, view->peers_count + 1);
    const struct schema *next = NULL;
    struct schema_change change = {0};
    struct errmsg m;
    size_t count = 0;
    q->kind = REQUEST_DDL;
    for (size_t i = 0; i <= view->peers_count; i++) { /* each data centre once */
        const char *dc = i == 0 ? view->self.dc : view->peers[i - 1].dc;
        size_t j = 0;
        while (j < count && strcmp(dcs[j], dc) != 0)
            j++;
        if (j == count)
            dcs[count++] = dc;
    }
    if (!ddl_resolve(r, s, &q->ddl) ||
        !run_err(r, ddl_resolve_datacenters(&q->ddl, dcs, count, &q->arena, &m), &m)) {
        reply_failed(e, q);
        return;
    }
    enum err err =
        schema_apply(r->schema, (uint32_t)r->schema->epoch + 1, &q->ddl, &next, &change, &m);
    schema_unref(err == ERR_OK ? next : NULL);
    if (err == ERR_OK || err == ERR_EXISTS || err == ERR_INVALID) {
        propose(e, q);
    } else {
        struct exec_result early = {.err = err, .message = m.text};
        request_done(e, q, &early);
    }
}

static void start_truncate(struct exec *e, struct request *q, const struct ast_stmt *s)
{
    q->kind = REQUEST_TRUNCATE;
    if (!ddl_resolve(&q->run, s, &q->ddl)) {
        reply_failed(e, q);
    } else if (keyspace_is_system(q->ddl.keyspace)) {
        run_fail(&q->run, CQL_ERROR_UNAUTHORIZED, "%s keyspace is not user-modifiable.",
                 q->ddl.keyspace);
        reply_failed(e, q);
    } else {
        propose(e, q);
    }
}

static void start_use(struct exec *e, struct request *q, struct bytes name)
{
    const char *keyspace = arena_text(&q->arena, name);
    struct buf b;
    if (schema_keyspace(q->schema, keyspace) == NULL) {
        run_invalid(&q->run, "Keyspace '%s' does not exist", keyspace);
        reply_failed(e, q);
        return;
    }
    effect_add(e, EXEC_USE, q)->keyspace = keyspace;
    buf_init(&b, 1 << 16);
    cql_set_keyspace_put(&b, name);
    reply_body(e, q, CQL_RESULT, &b);
}

static void start_describe(struct exec *e, struct request *q, const struct ast_describe *d)
{
    struct buf b;
    buf_init(&b, EXEC_REPLY_MAX * 2);
    if (describe(&q->run, d, &b, q->version)) {
        reply_body(e, q, CQL_RESULT, &b);
        return;
    }
    buf_close(&b);
    reply_failed(e, q);
}

static void start(struct exec *e, struct request *q, const struct ast *ast,
                  const struct cql_params *p, struct bytes metadata_id_seen)
{
    const struct ast_stmt *s = ast->stmt;
    struct cql_values values = copy_values(q, &p->values);
    q->write_kind = CQL_WRITE_SIMPLE;
    if (!run_open(&q->run, ast, values, q->run.keyspace)) {
        reply_failed(e, q);
        return;
    }
    switch (s->kind) {
    case AST_SELECT: start_select(e, q, &s->select, p, metadata_id_seen); return;
    case AST_INSERT:
    case AST_UPDATE:
    case AST_DELETE:
        q->statements = arena_new(&q->arena, struct statement);
        q->statements_count = 1;
        *q->statements = (struct statement){ast, s, values, {0}, q->run.keyspace};
        start_modify(e, q);
        return;
    case AST_BATCH: start_text_batch(e, q, ast, values); return;
    case AST_USE: start_use(e, q, s->drop.table.name); return;
    case AST_TRUNCATE: start_truncate(e, q, s); return;
    case AST_DESCRIBE: start_describe(e, q, &s->describe); return;
    case AST_OTHER:
        run_unsupported(&q->run, s->other);
        reply_failed(e, q);
        return;
    default: start_ddl(e, q, s); return;
    }
}

void request_query(struct exec *e, struct request *q, const struct cql_request *in)
{
    struct ast *ast = arena_new(&q->arena, struct ast);
    take_params(q, &in->query.params);
    if (!parse_text(q, in->query.text, ast)) {
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
    if (p->keyspace != NULL)
        q->run.keyspace = p->keyspace;
    take_params(q, &in->execute.params);
    start(e, q, &p->ast, &in->execute.params,
          arena_copy(&q->arena, in->execute.result_metadata_id));
}

/* One item of a BATCH frame; false after a reply. */
static bool batch_item(struct exec *e, struct request *q, const struct cql_batch_item *item,
                       struct statement *s)
{
    s->times.in_batch = true;
    s->keyspace = q->run.keyspace;
    s->values = copy_values(q, &item->values);
    if (item->prepared) {
        struct prepared *p = prepared_find(e, item->statement);
        if (p == NULL) {
            reply_unprepared(e, q, arena_copy(&q->arena, item->statement));
            return false;
        }
        q->prepared[q->prepared_count++] = p;
        s->ast = &p->ast;
        if (p->keyspace != NULL)
            s->keyspace = p->keyspace;
    } else {
        struct ast *ast = arena_new(&q->arena, struct ast);
        if (!parse_text(q, item->statement, ast)) {
            reply_failed(e, q);
            return false;
        }
        s->ast = ast;
    }
    s->stmt = s->ast->stmt;
    if (s->stmt->kind < AST_INSERT || s->stmt->kind > AST_DELETE) {
        fail(e, q, CQL_ERROR_INVALID,
             "Invalid statement in batch: only UPDATE, INSERT and DELETE statements are allowed.");
        return false;
    }
    return true;
}

void request_batch(struct exec *e, struct request *q, const struct cql_request *in)
{
    take_params(q, &in->batch.params);
    if (in->batch.type == CQL_BATCH_COUNTER) {
        run_unsupported(&q->run, "counter batches");
        reply_failed(e, q);
        return;
    }
    q->write_kind =
        in->batch.type == CQL_BATCH_UNLOGGED ? CQL_WRITE_UNLOGGED_BATCH : CQL_WRITE_BATCH;
    q->statements = arena_array(&q->arena, struct statement, in->batch.count);
    for (size_t i = 0; i < in->batch.count; i++) {
        if (!batch_item(e, q, &in->batch.items[i], &q->statements[i]))
            return;
        q->statements_count++;
    }
    start_modify(e, q);
}

/* --- results */

static void ddl_done(struct exec *e, struct request *q, const struct exec_result *x)
{
    if (x->err == ERR_OK) {
        reply_change(e, q, &x->change);
    } else if (x->err == ERR_EXISTS) {
        q->run.exists_keyspace = q->ddl.keyspace;
        q->run.exists_table = q->ddl.table;
        fail(e, q, CQL_ERROR_ALREADY_EXISTS, x->message != NULL ? x->message : "it exists already");
    } else {
        reply_outcome(e, q, x, true);
    }
}

void request_done(struct exec *e, struct request *q, const struct exec_result *x)
{
    switch (q->kind) {
    case REQUEST_DDL: ddl_done(e, q, x); return;
    case REQUEST_TRUNCATE:
        if (x->err == ERR_OK)
            reply_void(e, q);
        else if (x->err == ERR_INVALID)
            fail(e, q, CQL_ERROR_INVALID, x->message);
        else
            fail(e, q, CQL_ERROR_TRUNCATE, x->message != NULL ? x->message : err_text(x->err));
        return;
    case REQUEST_SELECT:
        if (x->err != ERR_OK || x->rows == NULL)
            reply_outcome(e, q, x, false);
        else if (!select_take(&q->run, q->select, x->rows))
            reply_failed(e, q);
        else
            select_step(e, q);
        return;
    case REQUEST_MODIFY: break;
    }
    bool reading = q->need_at < q->needs.count;
    if (x->err != ERR_OK)
        reply_outcome(e, q, x, !reading);
    else if (reading)
        take_need(e, q, x);
    else
        reply_void(e, q);
}
