#include "node/cql/exec/permission.h"

#include "node/cql/exec/request.h"

#include <string.h>

/* What drivers and tools read before anything else, whoever they are. */
static bool is_readable(const struct resource *r)
{
    static const char *const open[][2] = {
        {"system", "local"},           {"system", "peers"},           {"system", "peers_v2"},
        {"system", "size_estimates"},  {"system", "table_estimates"}, {"system_traces", "events"},
        {"system_traces", "sessions"},
    };
    if (r->kind != RESOURCE_TABLE)
        return false;
    if (strcmp(r->keyspace, "system_schema") == 0 ||
        strcmp(r->keyspace, "system_virtual_schema") == 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(open); i++) {
        if (strcmp(r->keyspace, open[i][0]) == 0 && strcmp(r->name, open[i][1]) == 0)
            return true;
    }
    return false;
}

/* Whoever it is: the system's schema is not to be changed, but for the replication of what is in
 * the ring. */
static bool check_system(struct request *q, unsigned permission, const struct resource *r)
{
    if (permission != PERMISSION_CREATE && permission != PERMISSION_ALTER &&
        permission != PERMISSION_DROP)
        return true;
    if (keyspace_is_local(r->keyspace))
        return run_fail(&q->run, CQL_ERROR_UNAUTHORIZED, "%s keyspace is not user-modifiable.",
                        r->keyspace);
    if (!keyspace_is_system(r->keyspace) ||
        (permission == PERMISSION_ALTER && r->kind == RESOURCE_KEYSPACE))
        return true;
    return run_fail(&q->run, CQL_ERROR_UNAUTHORIZED, "Cannot %s %s", permission_name(permission),
                    resource_text(&q->arena, r));
}

bool permission_need(struct exec *e, struct request *q, unsigned permission,
                     const struct resource *resource)
{
    bool in_keyspace = resource_is_data(resource) && resource->kind != RESOURCE_ALL_KEYSPACES;
    if (in_keyspace && !check_system(q, permission, resource))
        return false;
    if (!e->config.authorize ||
        (in_keyspace && permission == PERMISSION_SELECT && is_readable(resource)))
        return true;
    return auth_check(e, q, permission, resource,
                      in_keyspace && keyspace_is_system(resource->keyspace));
}

/* On a table that the statement names. One that is nowhere is somebody else's complaint. */
static bool need_table(struct exec *e, struct request *q, unsigned permission,
                       const struct ast_table *id, const char *keyspace)
{
    struct resource r = {.kind = RESOURCE_TABLE, .keyspace = keyspace};
    if (id->keyspace.len > 0)
        r.keyspace = run_text(&q->run, id->keyspace);
    r.name = run_text(&q->run, id->name);
    return r.keyspace == NULL || permission_need(e, q, permission, &r);
}

static bool need_existing(struct exec *e, struct request *q, unsigned permission,
                          const struct ast_table *id, const char *keyspace)
{
    const char *ks = id->keyspace.len > 0 ? run_text(&q->run, id->keyspace) : keyspace;
    if (ks == NULL || schema_table(q->schema, ks, run_text(&q->run, id->name)) == NULL)
        return true;
    return need_table(e, q, permission, id, keyspace);
}

/* On what is to be made in a keyspace, or on all of a kind in it. */
static bool need_tables(struct exec *e, struct request *q, unsigned permission,
                        const struct ast_table *id, const char *keyspace)
{
    struct resource r = {.kind = RESOURCE_ALL_TABLES, .keyspace = keyspace};
    if (id->keyspace.len > 0)
        r.keyspace = run_text(&q->run, id->keyspace);
    return r.keyspace == NULL || permission_need(e, q, permission, &r);
}

static bool need_keyspace(struct exec *e, struct request *q, unsigned permission, struct bytes name)
{
    struct resource r = {.kind = RESOURCE_KEYSPACE, .keyspace = run_text(&q->run, name)};
    return permission_need(e, q, permission, &r);
}

/* An index is a matter of its table. */
static bool need_index_table(struct exec *e, struct request *q, const struct ast_table *id,
                             const char *keyspace)
{
    const char *ks = id->keyspace.len > 0 ? run_text(&q->run, id->keyspace) : keyspace;
    const struct keyspace *k = ks != NULL ? schema_keyspace(q->schema, ks) : NULL;
    const struct table *t = k != NULL ? keyspace_index_table(k, run_text(&q->run, id->name)) : NULL;
    struct resource r = {.kind = RESOURCE_TABLE};
    if (t == NULL)
        return true;
    r.keyspace = t->keyspace;
    r.name = t->name;
    return permission_need(e, q, PERMISSION_ALTER, &r);
}

static bool need_batch(struct exec *e, struct request *q, const struct ast_batch *b,
                       const char *keyspace)
{
    for (size_t i = 0; i < b->count; i++) {
        if (!permission_check(e, q, b->items[i], keyspace))
            return false;
    }
    return true;
}

/* A condition tells what is there. */
static bool need_modify(struct exec *e, struct request *q, const struct ast_table *table,
                        bool conditional, const char *keyspace)
{
    return need_existing(e, q, PERMISSION_MODIFY, table, keyspace) &&
           (!conditional || need_existing(e, q, PERMISSION_SELECT, table, keyspace));
}

bool permission_check(struct exec *e, struct request *q, const struct ast_stmt *s,
                      const char *keyspace)
{
    static const struct resource all = {.kind = RESOURCE_ALL_KEYSPACES};
    switch (s->kind) {
    case AST_SELECT: return need_existing(e, q, PERMISSION_SELECT, &s->select.table, keyspace);
    case AST_INSERT: return need_modify(e, q, &s->insert.table, s->insert.if_not_exists, keyspace);
    case AST_UPDATE:
        return need_modify(e, q, &s->update.table,
                           s->update.if_exists || s->update.conditions.count > 0, keyspace);
    case AST_DELETE:
        return need_modify(e, q, &s->delete.table,
                           s->delete.if_exists || s->delete.conditions.count > 0, keyspace);
    case AST_BATCH: return need_batch(e, q, &s->batch, keyspace);
    case AST_TRUNCATE: return need_existing(e, q, PERMISSION_MODIFY, &s->drop.table, keyspace);
    case AST_CREATE_KEYSPACE: return permission_need(e, q, PERMISSION_CREATE, &all);
    case AST_ALTER_KEYSPACE: return need_keyspace(e, q, PERMISSION_ALTER, s->keyspace.name);
    case AST_DROP_KEYSPACE: return need_keyspace(e, q, PERMISSION_DROP, s->drop.table.name);
    case AST_CREATE_TABLE:
        return need_tables(e, q, PERMISSION_CREATE, &s->create_table.table, keyspace);
    case AST_ALTER_TABLE:
        return need_table(e, q, PERMISSION_ALTER, &s->alter_table.table, keyspace);
    case AST_DROP_TABLE: return need_table(e, q, PERMISSION_DROP, &s->drop.table, keyspace);
    case AST_CREATE_INDEX:
        return need_table(e, q, PERMISSION_ALTER, &s->create_index.table, keyspace);
    case AST_DROP_INDEX: return need_index_table(e, q, &s->drop.table, keyspace);
    case AST_CREATE_TYPE: return need_tables(e, q, PERMISSION_CREATE, &s->user_type.id, keyspace);
    case AST_ALTER_TYPE_STMT:
        return need_tables(e, q, PERMISSION_ALTER, &s->user_type.id, keyspace);
    case AST_DROP_TYPE: return need_tables(e, q, PERMISSION_DROP, &s->drop.table, keyspace);
    default: return true; /* nothing, or its own affair */
    }
}

/* --- afterwards */

bool permission_created(struct exec *e, struct request *q, const struct resource *resource)
{
    const char *names[PERMISSION_COUNT];
    const char *key = resource_key(&q->arena, resource);
    size_t count = permission_names(resource_permissions(resource), names);
    if (!e->config.authorize || q->user == NULL)
        return true;
    return inner_ask(e, q,
                     &(struct inner_question){
                         .text = "UPDATE system_auth.role_permissions SET permissions = "
                                 "permissions + ? WHERE role = ? AND resource = ?",
                         .values = {inner_set_make(&q->run, names, count), bytes_text(q->user),
                                    bytes_text(key)},
                         .count = 3,
                         .level = auth_write_level(q->user)}) != NULL &&
           inner_ask(e, q,
                     &(struct inner_question){
                         .text = "INSERT INTO system_auth.resource_role_permissons_index "
                                 "(resource, role) VALUES (?, ?)",
                         .values = {bytes_text(key), bytes_text(q->user)},
                         .count = 2,
                         .level = auth_write_level(q->user)}) != NULL;
}

bool permission_dropped(struct exec *e, struct request *q, const struct resource *resource)
{
    struct bytes key = bytes_text(resource_key(&q->arena, resource));
    if (!e->config.authorize)
        return true;
    const struct inner_rows *roles =
        inner_ask(e, q,
                  &(struct inner_question){
                      .text = "SELECT role FROM system_auth.resource_role_permissons_index "
                              "WHERE resource = ?",
                      .values = {key},
                      .count = 1,
                      .level = CQL_CL_LOCAL_QUORUM});
    for (size_t i = 0; roles != NULL && i < roles->count; i++) {
        const struct inner_question gone = {
            .text = "DELETE FROM system_auth.role_permissions WHERE role = ? AND resource = ?",
            .values = {roles->items[i][0].data, key},
            .count = 2,
            .level = CQL_CL_EACH_QUORUM};
        if (inner_ask(e, q, &gone) == NULL)
            return false;
    }
    return roles != NULL &&
           inner_ask(e, q,
                     &(struct inner_question){
                         .text = "DELETE FROM system_auth.resource_role_permissons_index "
                                 "WHERE resource = ?",
                         .values = {key},
                         .count = 1,
                         .level = CQL_CL_EACH_QUORUM}) != NULL;
}
