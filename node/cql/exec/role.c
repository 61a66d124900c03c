/* role.c - CREATE, ALTER and DROP of roles; GRANT and REVOKE of roles to roles. */
#include "node/cql/exec/role.h"

#include "base/password.h"
#include "node/cql/exec/permission.h"
#include "node/cql/exec/request.h"

#include <string.h>

#define ROLE_MANAGER "org.apache.cassandra.auth.CassandraRoleManager"

static const struct resource all_roles = {.kind = RESOURCE_ALL_ROLES};

bool role_is_statement(const struct ast_stmt *s)
{
    return s->kind >= AST_CREATE_ROLE && s->kind <= AST_LIST_USERS;
}

bool role_check_words(struct run *r, const struct ast_stmt *s)
{
    const char *wrong = s->kind <= AST_DROP_IDENTITY ? s->role.options.wrong : s->grant.wrong;
    return wrong == NULL || run_fail(r, CQL_ERROR_SYNTAX, "%s", wrong);
}

bool role_not_anonymous(struct request *q)
{
    return q->user != NULL ||
           run_fail(&q->run, CQL_ERROR_UNAUTHORIZED,
                    "You have to be logged in and not anonymous to perform this request");
}

/* Of all roles when `role` is NULL. Statements about roles tell less than others. */
bool role_permission(struct exec *e, struct request *q, unsigned permission, const char *role)
{
    struct resource r = {.kind = RESOURCE_ROLE, .name = role};
    if (auth_check(e, q, permission, role != NULL ? &r : &all_roles, false))
        return true;
    if (q->op == 0 && q->run.code == CQL_ERROR_UNAUTHORIZED && q->user != NULL)
        run_fail(&q->run, CQL_ERROR_UNAUTHORIZED,
                 "User %s does not have sufficient privileges to perform the requested operation",
                 q->user);
    return false;
}

/* What the role manager and the authenticators of this cluster take. */
static bool check_options(struct exec *e, struct request *q, const struct ast_role_options *o)
{
    struct run *r = &q->run;
    if (o->has_password && !e->config.authenticate)
        return run_invalid(r, ROLE_MANAGER " doesn't support %s",
                           o->hashed ? "HASHED PASSWORD" : "PASSWORD");
    if (o->has_options)
        return run_invalid(r, ROLE_MANAGER " doesn't support OPTIONS");
    if (o->hashed && !password_is_hash(run_text(r, o->password)))
        return run_invalid(r, "Invalid hashed password value. Please use jBcrypt.");
    if (o->has_password && o->password.len > 0 && memchr(o->password.data, 0, o->password.len))
        return run_invalid(r, "A password cannot have a NUL character");
    return o->password.len <= PASSWORD_MAX ||
           run_invalid(r, "A password cannot be longer than %d bytes", PASSWORD_MAX);
}

static bool check_name(struct request *q, struct bytes name)
{
    if (name.len == 0)
        return run_invalid(&q->run, "Role name can't be an empty string");
    return memchr(name.data, 0, name.len) == NULL ||
           run_invalid(&q->run, "Role name can't have a NUL character");
}

/* [a, b] */
static const char *list_text(struct run *r, const struct ast_names *names)
{
    const char *text = "[";
    for (size_t i = 0; i < names->count; i++)
        text =
            arena_printf(r->arena, "%s%s%s", text, i > 0 ? ", " : "", run_text(r, names->items[i]));
    return arena_printf(r->arena, "%s]", text);
}

static bool is_datacenter(const struct exec_view *view, struct bytes name)
{
    if (bytes_equal_text(name, view->self.dc))
        return true;
    for (size_t i = 0; i < view->peers_count; i++) {
        if (bytes_equal_text(name, view->peers[i].dc))
            return true;
    }
    return false;
}

/* There are no CIDR groups, and access is open to all data centres: what asks for less is checked,
 * and then it is as in a Cassandra that has its AllowAllNetworkAuthorizer. */
static bool check_access(struct exec *e, struct request *q, const struct ast_role_options *o)
{
    const struct ast_names unknown = {NULL, 0, 0};
    for (size_t i = 0; i < o->dcs.count; i++) {
        if (!is_datacenter(e->view, o->dcs.items[i]))
            return run_invalid(&q->run,
                               "Invalid value(s) for DATACENTERS '%s',All values must be valid "
                               "datacenters",
                               list_text(&q->run, &o->dcs));
    }
    return o->cidrs.count == 0 ||
           run_invalid(&q->run, "Invalid CIDR group(s): %s. Available CIDR Groups are: %s",
                       list_text(&q->run, &o->cidrs), list_text(&q->run, &unknown));
}

static bool password_of(struct exec *e, struct request *q, const struct ast_role_options *o,
                        const char **ret_hash)
{
    const char *text = run_text(&q->run, o->password);
    *ret_hash = text;
    return !o->has_password || o->hashed || password_ask_hash(e, q, text, ret_hash);
}

static struct bytes boolean(bool v)
{
    static const uint8_t bytes[2] = {0, 1};
    return bytes_make(&bytes[v], 1);
}

/* --- CREATE */

static bool insert_role(struct exec *e, struct request *q, const char *name,
                        const struct ast_role_options *o)
{
    const char *hash;
    struct inner_question insert = {
        .text = "INSERT INTO system_auth.roles (role, is_superuser, can_login) VALUES (?, ?, ?)",
        .values = {bytes_text(name), boolean(o->superuser), boolean(o->login)},
        .count = 3,
        .level = auth_write_level(name)};
    if (!password_of(e, q, o, &hash))
        return false;
    if (o->has_password) {
        insert.text = "INSERT INTO system_auth.roles (role, is_superuser, can_login, salted_hash) "
                      "VALUES (?, ?, ?, ?)";
        insert.values[insert.count++] = bytes_text(hash);
    }
    return inner_ask(e, q, &insert) != NULL;
}

static bool create_role(struct exec *e, struct request *q, const struct ast_role *s)
{
    const char *name = run_text(&q->run, s->name);
    struct resource made = {.kind = RESOURCE_ROLE, .name = name};
    struct auth_role role;
    bool super = false;
    if (!role_permission(e, q, PERMISSION_CREATE, NULL))
        return false;
    if (s->options.superuser) {
        if (!auth_is_superuser(e, q, &super))
            return false;
        if (!super)
            return run_fail(&q->run, CQL_ERROR_UNAUTHORIZED,
                            "Only superusers can create a role with superuser status");
    }
    if (!check_options(e, q, &s->options) || !check_name(q, s->name) ||
        !check_access(e, q, &s->options) || !role_not_anonymous(q) ||
        !auth_role_read(e, q, name, &role))
        return false;
    if (role.exists)
        return s->condition || run_invalid(&q->run, "%s already exists", name);
    return insert_role(e, q, name, &s->options) && permission_created(e, q, &made);
}

/* --- ALTER */

static bool may_alter(struct exec *e, struct request *q, const char *name,
                      const struct ast_role_options *o)
{
    struct run *r = &q->run;
    struct auth_roles *own;
    bool super;
    if (q->user != NULL && o->has_superuser) {
        if (!auth_roles_of(e, q, q->user,
                           "Unable to perform authorization of super-user permission: ", &own))
            return false;
        if (auth_roles_has(own, name))
            return run_fail(r, CQL_ERROR_UNAUTHORIZED,
                            "You aren't allowed to alter your own superuser status or that of a "
                            "role granted to you");
    }
    if (!auth_is_superuser(e, q, &super))
        return false;
    if (super)
        return true;
    if (o->has_superuser)
        return run_fail(r, CQL_ERROR_UNAUTHORIZED,
                        "Only superusers are allowed to alter superuser status");
    if (o->has_dcs)
        return run_fail(r, CQL_ERROR_UNAUTHORIZED,
                        "Only superusers are allowed to alter access to datacenters.");
    if (o->has_cidrs)
        return run_fail(r, CQL_ERROR_UNAUTHORIZED,
                        "Only superusers are allowed to alter access from CIDR groups.");
    if (q->user == NULL || strcmp(q->user, name) != 0)
        return role_permission(e, q, PERMISSION_ALTER, name);
    if (o->has_login || o->has_options)
        return run_fail(r, CQL_ERROR_UNAUTHORIZED, "You aren't allowed to alter %s",
                        o->has_login ? "LOGIN" : "OPTIONS");
    return true;
}

static bool update_role(struct exec *e, struct request *q, const char *name,
                        const struct ast_role_options *o)
{
    const char *hash;
    const struct {
        bool given;
        const char *text;
        struct bytes value;
    } changes[] = {
        {o->has_superuser, "UPDATE system_auth.roles SET is_superuser = ? WHERE role = ?",
         boolean(o->superuser)},
        {o->has_login, "UPDATE system_auth.roles SET can_login = ? WHERE role = ?",
         boolean(o->login)},
    };
    if (!password_of(e, q, o, &hash))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        if (changes[i].given &&
            inner_ask(e, q,
                      &(struct inner_question){.text = changes[i].text,
                                               .values = {changes[i].value, bytes_text(name)},
                                               .count = 2,
                                               .level = auth_write_level(name)}) == NULL)
            return false;
    }
    return !o->has_password ||
           inner_ask(e, q,
                     &(struct inner_question){
                         .text = "UPDATE system_auth.roles SET salted_hash = ? WHERE role = ?",
                         .values = {bytes_text(hash), bytes_text(name)},
                         .count = 2,
                         .level = auth_write_level(name)}) != NULL;
}

static bool alter_role(struct exec *e, struct request *q, const struct ast_role *s)
{
    const struct ast_role_options *o = &s->options;
    const char *name = run_text(&q->run, s->name);
    struct auth_role role;
    if (!may_alter(e, q, name, o) || !check_options(e, q, o))
        return false;
    if (!o->has_password && !o->has_superuser && !o->has_login && !o->has_options && !o->has_dcs &&
        !o->has_cidrs)
        return run_invalid(&q->run, "ALTER [ROLE|USER] can't be empty");
    if (!check_access(e, q, o) || !role_not_anonymous(q) || !auth_role_read(e, q, name, &role))
        return false;
    if (!role.exists)
        return s->condition || run_invalid(&q->run, "Role %s doesn't exist", name);
    if (!update_role(e, q, name, o))
        return false;
    return !o->has_dcs || run_invalid(&q->run, "ACCESS TO DATACENTERS operations not supported by "
                                               "AllowAllNetworkAuthorizer");
}

/* --- DROP */

static bool leave_role(struct exec *e, struct request *q, struct bytes member, struct bytes role)
{
    const char *name = run_text(&q->run, role);
    return inner_ask(e, q,
                     &(struct inner_question){
                         .text = "UPDATE system_auth.roles SET member_of = member_of - ? "
                                 "WHERE role = ?",
                         .values = {inner_set_make(&q->run, &name, 1), member},
                         .count = 2,
                         .level = auth_write_level(run_text(&q->run, member))}) != NULL;
}

/* Both tables of memberships: of what it was a member, and what was a member of it. */
static bool drop_memberships(struct exec *e, struct request *q, const struct auth_role *role)
{
    struct bytes name = bytes_text(role->name);
    enum cql_consistency level = auth_write_level(role->name);
    for (size_t i = 0; i < role->member_count; i++) {
        const struct inner_question gone = {
            .text = "DELETE FROM system_auth.role_members WHERE role = ? AND member = ?",
            .values = {bytes_text(role->member_of[i]), name},
            .count = 2,
            .level = level};
        if (inner_ask(e, q, &gone) == NULL)
            return false;
    }
    const struct inner_rows *members =
        inner_ask(e, q,
                  &(struct inner_question){
                      .text = "SELECT member FROM system_auth.role_members WHERE role = ?",
                      .values = {name},
                      .count = 1,
                      .level = auth_read_level(role->name)});
    for (size_t i = 0; members != NULL && i < members->count; i++) {
        if (!leave_role(e, q, members->items[i][0].data, name))
            return false;
    }
    return members != NULL &&
           inner_ask(e, q,
                     &(struct inner_question){
                         .text = "DELETE FROM system_auth.role_members WHERE role = ?",
                         .values = {name},
                         .count = 1,
                         .level = level}) != NULL;
}

static bool drop_grants(struct exec *e, struct request *q, const char *role)
{
    struct bytes name = bytes_text(role);
    const struct inner_rows *rows =
        inner_ask(e, q,
                  &(struct inner_question){
                      .text = "SELECT resource FROM system_auth.role_permissions WHERE role = ?",
                      .values = {name},
                      .count = 1,
                      .level = CQL_CL_LOCAL_QUORUM});
    for (size_t i = 0; rows != NULL && i < rows->count; i++) {
        const struct inner_question gone = {
            .text = "DELETE FROM system_auth.resource_role_permissons_index "
                    "WHERE resource = ? AND role = ?",
            .values = {rows->items[i][0].data, name},
            .count = 2,
            .level = CQL_CL_EACH_QUORUM};
        if (inner_ask(e, q, &gone) == NULL)
            return false;
    }
    return rows != NULL &&
           inner_ask(e, q,
                     &(struct inner_question){
                         .text = "DELETE FROM system_auth.role_permissions WHERE role = ?",
                         .values = {name},
                         .count = 1,
                         .level = CQL_CL_EACH_QUORUM}) != NULL;
}

static bool drop_role(struct exec *e, struct request *q, const struct ast_role *s)
{
    struct run *r = &q->run;
    const char *name = run_text(r, s->name);
    struct resource gone = {.kind = RESOURCE_ROLE, .name = name};
    struct auth_role role;
    struct auth_roles *roles;
    bool super;
    if (!role_permission(e, q, PERMISSION_DROP, name) || !role_not_anonymous(q) ||
        !auth_roles_read(e, q, name, true, &roles) || !auth_is_superuser(e, q, &super))
        return false;
    role = *roles->items[0];
    if (role.exists && auth_roles_superuser(roles) && !super)
        return run_fail(r, CQL_ERROR_UNAUTHORIZED,
                        "Only superusers can drop a role with superuser status");
    if (!role.exists)
        return s->condition || run_invalid(r, "%s doesn't exist", name);
    if (strcmp(q->user, name) == 0)
        return run_invalid(r, "Cannot DROP primary role for current login");
    return inner_ask(
               e, q,
               &(struct inner_question){.text = "DELETE FROM system_auth.roles WHERE role = ?",
                                        .values = {bytes_text(name)},
                                        .count = 1,
                                        .level = auth_write_level(name)}) != NULL &&
           drop_memberships(e, q, &role) && drop_grants(e, q, name) &&
           permission_dropped(e, q, &gone);
}

/* --- GRANT and REVOKE of a role */

static bool both_exist(struct exec *e, struct request *q, const char *role, const char *grantee)
{
    struct auth_role found;
    if (!auth_role_read(e, q, role, &found))
        return false;
    if (!found.exists)
        return run_invalid(&q->run, AUTH_NO_ROLE, role);
    if (!auth_role_read(e, q, grantee, &found))
        return false;
    return found.exists || run_invalid(&q->run, AUTH_NO_ROLE, grantee);
}

static bool grant_role(struct exec *e, struct request *q, const char *role, const char *grantee)
{
    struct auth_roles *of_grantee, *of_role;
    if (!auth_roles_read(e, q, grantee, true, &of_grantee) ||
        !auth_roles_read(e, q, role, true, &of_role))
        return false;
    if (auth_roles_has(of_grantee, role))
        return run_invalid(&q->run, "%s is a member of %s", grantee, role);
    if (auth_roles_has(of_role, grantee))
        return run_invalid(&q->run, "%s is a member of %s", role, grantee);
    return inner_ask(e, q,
                     &(struct inner_question){
                         .text = "UPDATE system_auth.roles SET member_of = member_of + ? "
                                 "WHERE role = ?",
                         .values = {inner_set_make(&q->run, &role, 1), bytes_text(grantee)},
                         .count = 2,
                         .level = auth_write_level(grantee)}) != NULL &&
           inner_ask(e, q,
                     &(struct inner_question){
                         .text = "INSERT INTO system_auth.role_members (role, member) "
                                 "VALUES (?, ?)",
                         .values = {bytes_text(role), bytes_text(grantee)},
                         .count = 2,
                         .level = auth_write_level(role)}) != NULL;
}

static bool revoke_role(struct exec *e, struct request *q, const char *role, const char *grantee)
{
    struct auth_roles *of_grantee;
    if (!auth_roles_read(e, q, grantee, false, &of_grantee))
        return false;
    if (!auth_roles_has(of_grantee, role))
        return run_invalid(&q->run, "%s is not a member of %s", grantee, role);
    return leave_role(e, q, bytes_text(grantee), bytes_text(role)) &&
           inner_ask(e, q,
                     &(struct inner_question){.text = "DELETE FROM system_auth.role_members "
                                                      "WHERE role = ? AND member = ?",
                                              .values = {bytes_text(role), bytes_text(grantee)},
                                              .count = 2,
                                              .level = auth_write_level(role)}) != NULL;
}

static bool membership(struct exec *e, struct request *q, const struct ast_stmt *s)
{
    const char *role = run_text(&q->run, s->grant.role);
    const char *grantee = run_text(&q->run, s->grant.grantee);
    if (!role_permission(e, q, PERMISSION_AUTHORIZE, role) || !role_not_anonymous(q) ||
        !both_exist(e, q, role, grantee))
        return false;
    return s->kind == AST_GRANT_ROLE ? grant_role(e, q, role, grantee)
                                     : revoke_role(e, q, role, grantee);
}

bool role_statement(struct exec *e, struct request *q, const struct ast_stmt *s)
{
    switch (s->kind) {
    case AST_CREATE_ROLE: return create_role(e, q, &s->role);
    case AST_ALTER_ROLE: return alter_role(e, q, &s->role);
    case AST_DROP_ROLE: return drop_role(e, q, &s->role);
    case AST_GRANT_ROLE:
    case AST_REVOKE_ROLE: return membership(e, q, s);
    case AST_GRANT:
    case AST_REVOKE: return role_grant_statement(e, q, s);
    case AST_LIST_PERMISSIONS:
    case AST_LIST_ROLES:
    case AST_LIST_USERS: return role_list(e, q, s);
    default: break;
    }
    return run_invalid(&q->run, "Identities are for authentication by certificates, which Torc "
                                "does not have");
}
