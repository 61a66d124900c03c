/* request_auth.c - what of a request is begun anew after each answer to a question of its own: may
 * it be done, statements about roles, permissions after DDL, logging in. */
#include "node/cql/exec/request.h"

#include "base/mem.h"
#include "node/cql/exec/permission.h"

#include <string.h>

static bool authorize(struct exec *e, struct request *q)
{
    if (q->stmt != NULL)
        return permission_check(e, q, q->stmt, q->run.keyspace);
    for (size_t i = 0; i < q->statements_count; i++) {
        if (!permission_check(e, q, q->statements[i].stmt, q->statements[i].keyspace))
            return false;
    }
    return true;
}

void request_authorize(struct exec *e, struct request *q)
{
    q->kind = REQUEST_AUTHORIZE;
    if (authorize(e, q))
        request_authorized(e, q);
    else if (q->op == 0)
        reply_failed(e, q);
}

void request_role(struct exec *e, struct request *q)
{
    q->kind = REQUEST_ROLE;
    bool done = role_check_words(&q->run, q->stmt) && role_statement(e, q, q->stmt);
    if (q->op != 0)
        return;
    auth_forget(&e->auth);
    if (!done)
        reply_failed(e, q);
    else if (!q->replied)
        reply_void(e, q);
}

/* --- after DDL */

static bool after_keyspace(struct exec *e, struct request *q)
{
    struct resource all = {.kind = RESOURCE_KEYSPACE, .keyspace = q->change.keyspace};
    struct resource functions = {.kind = RESOURCE_KEYSPACE_FUNCTIONS,
                                 .keyspace = q->change.keyspace};
    struct resource tables = {.kind = RESOURCE_ALL_TABLES, .keyspace = q->change.keyspace};
    const struct keyspace *k = schema_keyspace(q->schema, q->change.keyspace); /* as it was */
    if (q->change.type == CHANGE_CREATED)
        return permission_created(e, q, &all) && permission_created(e, q, &functions);
    for (uint32_t i = 0; k != NULL && i < k->table_count; i++) {
        struct resource table = {RESOURCE_TABLE, k->name, k->tables[i]->name};
        if (!permission_dropped(e, q, &table))
            return false;
    }
    return permission_dropped(e, q, &all) && permission_dropped(e, q, &functions) &&
           permission_dropped(e, q, &tables);
}

static bool after_ddl(struct exec *e, struct request *q)
{
    struct resource table = {RESOURCE_TABLE, q->change.keyspace, q->change.name};
    if (!e->config.authorize ||
        (q->change.type != CHANGE_CREATED && q->change.type != CHANGE_DROPPED))
        return true;
    if (q->change.target == SCHEMA_KEYSPACE)
        return after_keyspace(e, q);
    if (q->change.target != SCHEMA_TABLE)
        return true;
    return q->change.type == CHANGE_CREATED ? permission_created(e, q, &table)
                                            : permission_dropped(e, q, &table);
}

/* The change has been made, whatever becomes of this. */
void request_after_ddl(struct exec *e, struct request *q)
{
    if (q->kind != REQUEST_AFTER_DDL) {
        const struct schema_change *c = &q->change;
        q->change.keyspace =
            c->keyspace != NULL ? arena_text(&q->arena, bytes_text(c->keyspace)) : NULL;
        q->change.name = c->name != NULL ? arena_text(&q->arena, bytes_text(c->name)) : NULL;
    }
    q->kind = REQUEST_AFTER_DDL;
    bool done = after_ddl(e, q);
    if (q->op != 0)
        return;
    if (e->config.authorize)
        auth_forget(&e->auth);
    if (!done)
        run_warn(&q->run, "The permissions on it could not be changed: %s", q->run.message.text);
    reply_change(e, q, &q->change);
}

/* --- logging in */

static void login_step(struct exec *e, struct request *q)
{
    if (!login(e, q) && q->op == 0)
        reply_failed(e, q);
}

void request_login(struct exec *e, struct request *q, const struct cql_request *in)
{
    q->kind = REQUEST_LOGIN;
    if (e->config.authenticate &&
        !credentials_read(&q->run, in->auth_response.data, &q->credentials))
        reply_failed(e, q);
    else
        login_step(e, q);
}

void request_setup(struct exec *e, struct request *q)
{
    struct buf b;
    q->kind = REQUEST_SETUP;
    bool done = login_setup(e, q);
    if (q->op != 0)
        return;
    if (!done) {
        reply_failed(e, q);
        return;
    }
    buf_init(&b, 16);
    reply_body(e, q, CQL_READY, &b);
}

/* --- answers */

static void take_password(struct request *q, const struct exec_result *x)
{
    bool good = x->hash != NULL || x->matches;
    q->password = x->err != ERR_OK ? PASSWORD_TOO_MANY : good ? PASSWORD_GOOD : PASSWORD_WRONG;
    if (x->hash != NULL)
        q->password_hash = arena_text(&q->arena, bytes_text(x->hash));
}

void request_answered(struct exec *e, struct request *q, const struct exec_result *x)
{
    if (q->password == PASSWORD_ASKED)
        take_password(q, x);
    else if (!inner_done(e, q, x))
        return;
    switch (q->kind) {
    case REQUEST_AUTHORIZE: request_authorize(e, q); return;
    case REQUEST_ROLE: request_role(e, q); return;
    case REQUEST_AFTER_DDL: request_after_ddl(e, q); return;
    case REQUEST_LOGIN: login_step(e, q); return;
    case REQUEST_SETUP: request_setup(e, q); return;
    default: ASSERT(false); return;
    }
}
