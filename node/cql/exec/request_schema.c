/* request_schema.c - what the metadata log decides, and what the schema alone answers. */
#include "node/cql/exec/request.h"

#include <string.h>

/* Only the log knows: what our own schema refuses, or finds done already, may be otherwise by now.
 */
static void propose(struct exec *e, struct request *q)
{
    struct exec_effect *effect = effect_add(e, EXEC_DDL, q);
    effect->ddl = &q->ddl;
    effect_op(e, q, effect);
}

void request_ddl(struct exec *e, struct request *q, const struct ast_stmt *s)
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
    ddl_warn_factors(r, &q->ddl);
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

void request_truncate(struct exec *e, struct request *q, const struct ast_stmt *s)
{
    q->kind = REQUEST_TRUNCATE;
    if (!ddl_resolve(&q->run, s, &q->ddl)) {
        reply_failed(e, q);
    } else if (keyspace_is_local(q->ddl.keyspace)) {
        const struct table *t = schema_table(q->schema, q->ddl.keyspace, q->ddl.table);
        if (t != NULL && t->is_virtual)
            run_invalid(&q->run, "Truncation is not supported by table %s.%s", t->keyspace,
                        t->name);
        else
            run_fail(&q->run, CQL_ERROR_UNAUTHORIZED, "%s keyspace is not user-modifiable.",
                     q->ddl.keyspace);
        reply_failed(e, q);
    } else {
        propose(e, q);
    }
}

void request_use(struct exec *e, struct request *q, struct bytes name)
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

void request_describe(struct exec *e, struct request *q, const struct ast_describe *d)
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

/* Nothing of these kinds is ever there: what alters or drops one is answered as where none was
 * made. */
static bool find_other(struct run *r, const struct ast_other *o)
{
    const char *keyspace = o->id.keyspace.len > 0 ? run_text(r, o->id.keyspace) : r->keyspace;
    const char *name = run_text(r, o->id.name), *detail = run_text(r, o->detail);
    if (o->kind == NULL)
        return run_unsupported(r, o->what);
    if (keyspace == NULL || keyspace[0] == '\0')
        return run_invalid(r, "No keyspace has been specified. USE a keyspace, or explicitly "
                              "specify keyspace.tablename");
    if (keyspace_is_local(keyspace))
        return run_invalid(r, "System keyspace '%s' is not user-modifiable", keyspace);
    if (o->if_exists)
        return true;
    if (strcmp(o->kind, "Trigger") == 0)
        return run_invalid(r, "Trigger '%s' on '%s.%s' doesn't exist", detail, keyspace, name);
    return run_invalid(r, "%s '%s.%s%s' doesn't exist", o->kind, keyspace, name, detail);
}

void request_other(struct exec *e, struct request *q, const struct ast_other *o)
{
    if (find_other(&q->run, o))
        reply_void(e, q);
    else
        reply_failed(e, q);
}

void request_ddl_done(struct exec *e, struct request *q, const struct exec_result *x)
{
    if (x->err == ERR_OK) {
        q->change = x->change;
        request_after_ddl(e, q);
    } else if (x->err == ERR_EXISTS) {
        q->run.exists_keyspace = q->ddl.keyspace;
        q->run.exists_table = q->ddl.table;
        request_fail(e, q, CQL_ERROR_ALREADY_EXISTS,
                     x->message != NULL ? x->message : "it exists already");
    } else {
        reply_outcome(e, q, x, true);
    }
}

void request_truncate_done(struct exec *e, struct request *q, const struct exec_result *x)
{
    if (x->err == ERR_OK)
        reply_void(e, q);
    else if (x->err == ERR_INVALID)
        request_fail(e, q, CQL_ERROR_INVALID, x->message);
    else
        request_fail(e, q, CQL_ERROR_TRUNCATE, x->message != NULL ? x->message : err_text(x->err));
}
