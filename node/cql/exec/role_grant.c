/* role_grant.c - GRANT and REVOKE of permissions on resources. */
#include "node/cql/exec/role.h"

#include "node/cql/exec/request.h"

#include <string.h>

/* What may be granted on the system's keyspaces. */
#define SYSTEM_PERMISSIONS                                                                         \
    (1u << PERMISSION_SELECT | 1u << PERMISSION_DESCRIBE | 1u << PERMISSION_ALTER)

/* "name[int^text]" as it is stored; nobody can have made such a function. */
static const char *function_key(struct request *q, const struct ast_resource *a)
{
    const char *text = arena_printf(&q->arena, "%s(", run_text(&q->run, a->id.name));
    for (size_t i = 0; a->types != NULL && i < a->types->params_count; i++)
        text = arena_printf(&q->arena, "%s%s%s", text, i > 0 ? ", " : "",
                            run_text(&q->run, a->types->params[i]->text));
    return arena_printf(&q->arena, "%s)", text);
}

/* A JMX object name: a domain, a colon, and what follows it. */
static bool is_mbean(const char *name)
{
    const char *colon = strchr(name, ':');
    return colon != NULL && colon[1] != 0 && (strchr(colon, '=') != NULL || colon[1] == '*');
}

bool role_resource(struct request *q, const struct ast_resource *a, struct resource *ret)
{
    struct run *r = &q->run;
    *ret = (struct resource){.kind = a->kind, .name = run_text(r, a->id.name)};
    ret->keyspace = a->id.keyspace.len > 0 ? run_text(r, a->id.keyspace) : NULL;
    if (a->kind == RESOURCE_TABLE && ret->keyspace == NULL)
        ret->keyspace = r->keyspace;
    if (a->kind == RESOURCE_TABLE && ret->keyspace == NULL)
        return run_invalid(r, "No keyspace has been specified. USE a keyspace, or explicitly "
                              "specify keyspace.tablename");
    if (a->kind == RESOURCE_FUNCTION) {
        if (ret->keyspace == NULL)
            return run_invalid(r, "In this context function name must be explictly qualified by a "
                                  "keyspace");
        ret->name = function_key(q, a);
    }
    return a->kind != RESOURCE_MBEAN || is_mbean(ret->name) ||
           run_fail(r, CQL_ERROR_SYNTAX, "%s is not a valid JMX object name", ret->name);
}

bool role_resource_exists(struct exec *e, struct request *q, const struct resource *r, bool *ret)
{
    struct auth_role role;
    *ret = true;
    switch (r->kind) {
    case RESOURCE_KEYSPACE:
    case RESOURCE_ALL_TABLES:
    case RESOURCE_KEYSPACE_FUNCTIONS: *ret = schema_keyspace(q->schema, r->keyspace) != NULL; break;
    case RESOURCE_TABLE: *ret = schema_table(q->schema, r->keyspace, r->name) != NULL; break;
    case RESOURCE_FUNCTION: *ret = false; break;
    case RESOURCE_MBEAN:
        *ret = strpbrk(r->name, "*?") != NULL;
        break; /* there are none: patterns */
    case RESOURCE_ROLE:
        if (!auth_role_read(e, q, r->name, &role))
            return false;
        *ret = role.exists;
        break;
    default: break;
    }
    return true;
}

static bool may_grant(struct exec *e, struct request *q, const struct resource *r, uint32_t bits)
{
    bool no_root =
        resource_is_data(r) && r->kind != RESOURCE_ALL_KEYSPACES && keyspace_is_system(r->keyspace);
    if (!auth_check(e, q, PERMISSION_AUTHORIZE, r, no_root))
        return false;
    for (unsigned p = 0; p < PERMISSION_COUNT; p++) {
        if ((bits & 1u << p) != 0 && !auth_check(e, q, p, r, no_root))
            return false;
    }
    return true;
}

static bool check_grant(struct exec *e, struct request *q, bool grant, const char *grantee,
                        const struct resource *r, uint32_t bits)
{
    struct auth_role role;
    bool exists;
    if (!role_not_anonymous(q) || !auth_role_read(e, q, grantee, &role))
        return false;
    if (!role.exists)
        return run_invalid(&q->run, "Role " AUTH_NO_ROLE, grantee);
    if (!role_resource_exists(e, q, r, &exists))
        return false;
    if (!exists)
        return run_invalid(&q->run, "Resource %s doesn't exist", resource_text(&q->arena, r));
    if (grant && resource_is_data(r) && r->kind != RESOURCE_ALL_KEYSPACES &&
        keyspace_is_system(r->keyspace) && !schema_keyspace(q->schema, r->keyspace)->is_virtual &&
        (bits & ~SYSTEM_PERMISSIONS) != 0)
        return run_fail(&q->run, CQL_ERROR_UNAUTHORIZED,
                        "Granting permissions on system keyspaces is strictly limited, this "
                        "operation is not permitted");
    return e->config.authorize ||
           run_invalid(&q->run, "%s operation is not supported by AllowAllAuthorizer",
                       grant ? "GRANT" : "REVOKE");
}

static bool change(struct exec *e, struct request *q, bool grant, const char *grantee,
                   const char *key, uint32_t bits)
{
    const char *names[PERMISSION_COUNT];
    size_t count = permission_names(bits, names);
    return inner_ask(e, q,
                     &(struct inner_question){
                         .text = grant ? "UPDATE system_auth.role_permissions SET permissions = "
                                         "permissions + ? WHERE role = ? AND resource = ?"
                                       : "UPDATE system_auth.role_permissions SET permissions = "
                                         "permissions - ? WHERE role = ? AND resource = ?",
                         .values = {inner_set_make(&q->run, names, count), bytes_text(grantee),
                                    bytes_text(key)},
                         .count = 3,
                         .level = auth_write_level(grantee)}) != NULL;
}

/* From the resource to the roles that have permissions on it. */
static bool change_index(struct exec *e, struct request *q, bool grant, const char *grantee,
                         const char *key)
{
    return inner_ask(e, q,
                     &(struct inner_question){
                         .text = grant ? "INSERT INTO system_auth.resource_role_permissons_index "
                                         "(resource, role) VALUES (?, ?)"
                                       : "DELETE FROM system_auth.resource_role_permissons_index "
                                         "WHERE resource = ? AND role = ?",
                         .values = {bytes_text(key), bytes_text(grantee)},
                         .count = 2,
                         .level = auth_write_level(grantee)}) != NULL;
}

bool role_grant_statement(struct exec *e, struct request *q, const struct ast_stmt *s)
{
    bool grant = s->kind == AST_GRANT;
    const char *grantee = run_text(&q->run, s->grant.grantee);
    struct resource r;
    uint32_t present;
    if (!role_resource(q, &s->grant.resource, &r))
        return false;
    uint32_t bits = s->grant.permissions & resource_permissions(&r);
    const char *key = resource_key(&q->arena, &r);
    if (bits == 0)
        return run_fail(&q->run, CQL_ERROR_SYNTAX,
                        "Resource type %s does not support any of the requested permissions",
                        resource_type(&r));
    if (!may_grant(e, q, &r, bits) || !check_grant(e, q, grant, grantee, &r, bits) ||
        !auth_granted(e, q, grantee, key, &present))
        return false;
    uint32_t idle = grant ? bits & present : bits & ~present;
    if (bits != idle && !change(e, q, grant, grantee, key, bits & ~idle))
        return false;
    bool listed = grant ? bits != idle : (present & ~bits) == 0;
    if (listed && !change_index(e, q, grant, grantee, key))
        return false;
    if (idle != 0)
        run_warn(&q->run,
                 grant ? "Role '%s' was already granted %s on %s"
                       : "Role '%s' was not granted %s on %s",
                 grantee, permissions_text(&q->arena, idle), resource_text(&q->arena, &r));
    return true;
}
