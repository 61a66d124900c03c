/* role_list.c - LIST ROLES, USERS and PERMISSIONS, answered with rows. */
#include "node/cql/exec/role.h"

#include "base/mem.h"
#include "node/cql/exec/request.h"

#include <stdlib.h>
#include <string.h>

struct answer {
    struct request *q;
    struct buf content;
    uint32_t rows;
};

static void put_text(struct answer *a, const char *text)
{
    cql_put_value(&a->content, cql_value_make(bytes_text(text)));
}

static void put_bool(struct answer *a, bool v)
{
    uint8_t b = v;
    cql_put_value(&a->content, cql_value_make(bytes_make(&b, 1)));
}

struct listed { /* a column of the answer */
    const char *name;
    const struct cql_type *type;
};

static bool send(struct exec *e, struct answer *a, const char *table, const struct listed *listed,
                 size_t count)
{
    struct run *r = &a->q->run;
    struct cql_column *columns = arena_array(r->arena, struct cql_column, count);
    struct buf body;
    for (size_t i = 0; i < count; i++)
        columns[i] = result_column(r, "system_auth", table, listed[i].name, listed[i].type);
    struct cql_rows rows = {.metadata = {.column_count = (uint32_t)count, .columns = columns},
                            .count = a->rows,
                            .content = buf_bytes(&a->content)};
    buf_init(&body, EXEC_REPLY_MAX * 2);
    if (a->rows == 0)
        cql_void_put(&body);
    else
        cql_rows_put(&body, a->q->version, &rows);
    reply_body(e, a->q, CQL_RESULT, &body);
    return true;
}

/* --- roles */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct names {
    const char **items;
    size_t count;
};

static bool all_roles(struct exec *e, struct request *q, struct names *ret)
{
    const struct inner_rows *rows =
        inner_ask(e, q,
                  &(struct inner_question){.text = "SELECT role FROM system_auth.roles",
                                           .level = CQL_CL_QUORUM});
    if (rows == NULL)
        return false;
    ret->items = arena_array(&q->arena, const char *, rows->count);
    for (ret->count = 0; ret->count < rows->count; ret->count++)
        ret->items[ret->count] = inner_text(&q->run, &rows->items[ret->count][0]);
    return true;
}

static bool roles_of(struct exec *e, struct request *q, const char *name, bool recursive,
                     struct names *ret)
{
    struct auth_roles *roles;
    if (!auth_roles_read(e, q, name, recursive, &roles))
        return false;
    ret->items = arena_array(&q->arena, const char *, roles->count);
    for (ret->count = 0; ret->count < roles->count; ret->count++)
        ret->items[ret->count] = roles->items[ret->count]->name;
    return true;
}

/* Who may see all roles sees whose it asks for; others see their own. */
static bool visible_roles(struct exec *e, struct request *q, const struct ast_grant *g,
                          struct names *ret)
{
    static const struct resource root = {.kind = RESOURCE_ALL_ROLES};
    const char *grantee = run_text(&q->run, g->grantee);
    struct auth_roles *own;
    if (auth_check(e, q, PERMISSION_DESCRIBE, &root, false))
        return g->has_grantee ? roles_of(e, q, grantee, !g->norecursive, ret)
                              : all_roles(e, q, ret);
    if (q->op != 0 || !auth_roles_read(e, q, q->user, true, &own))
        return false;
    q->run.code = 0;
    if (!g->has_grantee)
        return roles_of(e, q, q->user, !g->norecursive, ret);
    return auth_roles_has(own, grantee)
               ? roles_of(e, q, grantee, !g->norecursive, ret)
               : run_fail(&q->run, CQL_ERROR_UNAUTHORIZED,
                          "You are not authorized to view roles granted to %s ", grantee);
}

static bool put_roles(struct exec *e, struct answer *a, const struct names *names)
{
    static const uint8_t no_options[4] = {0};
    struct auth_role role;
    for (size_t i = 0; i < names->count; i++) {
        if (!auth_role_read(e, a->q, names->items[i], &role))
            return false;
        put_text(a, role.name);
        put_bool(a, role.superuser);
        put_bool(a, role.can_login);
        cql_put_value(&a->content, cql_value_make(bytes_make(no_options, sizeof no_options)));
        put_text(a, "ALL");
        a->rows++;
    }
    return true;
}

static bool put_users(struct exec *e, struct answer *a, const struct names *names)
{
    struct auth_roles *roles;
    for (size_t i = 0; i < names->count; i++) {
        if (!auth_roles_read(e, a->q, names->items[i], true, &roles))
            return false;
        if (!roles->items[0]->can_login)
            continue;
        put_text(a, names->items[i]);
        put_bool(a, auth_roles_superuser(roles));
        put_text(a, "ALL");
        a->rows++;
    }
    return true;
}

static bool list_roles(struct exec *e, struct request *q, const struct ast_stmt *s)
{
    const struct cql_type *text = cql_type_native(CQL_TEXT);
    const struct cql_type *boolean = cql_type_native(CQL_BOOLEAN);
    const struct listed columns[] = {{"role", text},
                                     {"super", boolean},
                                     {"login", boolean},
                                     {"options", cql_type_map(&q->arena, text, text, false)},
                                     {"datacenters", text}};
    const struct listed user_columns[] = {
        {"name", text}, {"super", boolean}, {"datacenters", text}};
    bool users = s->kind == AST_LIST_USERS;
    struct resource grantee = {.kind = RESOURCE_ROLE, .name = run_text(&q->run, s->grant.grantee)};
    struct answer a = {.q = q};
    struct names names;
    struct auth_role role;
    if (!role_not_anonymous(q))
        return false;
    if (s->grant.has_grantee) {
        if (!auth_role_read(e, q, grantee.name, &role))
            return false;
        if (!role.exists)
            return run_invalid(&q->run, AUTH_NO_ROLE, resource_text(&q->arena, &grantee));
    }
    if (!visible_roles(e, q, &s->grant, &names))
        return false;
    if (names.count > 0)
        qsort(names.items, names.count, sizeof names.items[0], compare_names);
    buf_init(&a.content, EXEC_REPLY_MAX);
    bool good = users ? put_users(e, &a, &names) : put_roles(e, &a, &names);
    if (good)
        good = users ? send(e, &a, "users", user_columns, ARRAY_LEN(user_columns))
                     : send(e, &a, "roles", columns, ARRAY_LEN(columns));
    buf_close(&a.content);
    return good;
}

/* --- permissions */

struct detail {
    const char *role, *resource;
    unsigned permission;
};

struct details {
    struct detail *items;
    size_t count, cap;
};

static int compare_details(const void *a, const void *b)
{
    const struct detail *x = a;
    const struct detail *y = b;
    int c = strcmp(x->role, y->role);
    if (c == 0)
        c = strcmp(x->resource, y->resource);
    return c != 0 ? c : (int)x->permission - (int)y->permission;
}

static void add_rows(struct request *q, const struct inner_rows *rows, uint32_t wanted,
                     const char *resource, struct details *d)
{
    for (size_t i = 0; i < rows->count; i++) {
        const char **names;
        const char *role = inner_text(&q->run, &rows->items[i][0]);
        const char *on = inner_text(&q->run, &rows->items[i][1]);
        size_t n = inner_set(&q->run, &rows->items[i][2], &names);
        for (size_t j = 0; j < n && (resource == NULL || strcmp(resource, on) == 0); j++) {
            uint32_t bit = permission_parse(names[j]) & wanted;
            if (bit == 0)
                continue;
            d->items = arena_grow(&q->arena, d->items, d->count, &d->cap, sizeof d->items[0]);
            d->items[d->count++] = (struct detail){role, on, (unsigned)__builtin_ctz(bit)};
        }
    }
}

/* Of one role, or of all. */
static bool add_grants(struct exec *e, struct request *q, const char *role, uint32_t wanted,
                       const char *resource, struct details *d)
{
    struct inner_question all = {
        .text = "SELECT role, resource, permissions FROM system_auth.role_permissions",
        .level = CQL_CL_LOCAL_QUORUM};
    if (role != NULL) {
        all.text =
            "SELECT role, resource, permissions FROM system_auth.role_permissions WHERE role = ?";
        all.values[all.count++] = bytes_text(role);
    }
    const struct inner_rows *rows = inner_ask(e, q, &all);
    if (rows != NULL)
        add_rows(q, rows, wanted, resource, d);
    return rows != NULL;
}

/* The same of the whole chain of a resource, unless it is only itself that is asked for. */
static bool add_chain(struct exec *e, struct request *q, const char *role,
                      const struct ast_grant *g, const struct resource *resource, struct details *d)
{
    struct resource at = *resource;
    if (!g->has_resource)
        return add_grants(e, q, role, g->permissions, NULL, d);
    do {
        if (!add_grants(e, q, role, g->permissions, resource_key(&q->arena, &at), d))
            return false;
    } while (!g->norecursive && resource_parent(&at, &at));
    return true;
}

static bool may_list(struct exec *e, struct request *q, const char *grantee)
{
    static const struct resource root = {.kind = RESOURCE_ALL_ROLES};
    struct resource role = {.kind = RESOURCE_ROLE, .name = grantee};
    struct auth_roles *own;
    if (!auth_roles_of(e, q, q->user, NULL, &own))
        return false;
    if (auth_roles_superuser(own) || (grantee != NULL && auth_roles_has(own, grantee)) ||
        auth_check(e, q, PERMISSION_DESCRIBE, grantee != NULL ? &role : &root, false))
        return true;
    return q->op == 0 && run_fail(&q->run, CQL_ERROR_UNAUTHORIZED,
                                  "You are not authorized to view %s's permissions",
                                  grantee != NULL ? grantee : "everyone");
}

static bool check_list(struct exec *e, struct request *q, const struct ast_grant *g,
                       const char *grantee, const struct resource *resource)
{
    struct resource role = {.kind = RESOURCE_ROLE, .name = grantee};
    bool exists;
    if (g->has_resource) {
        if (!role_resource_exists(e, q, resource, &exists))
            return false;
        if (!exists)
            return run_invalid(&q->run, AUTH_NO_ROLE, resource_text(&q->arena, resource));
    }
    if (grantee != NULL) {
        if (!role_resource_exists(e, q, &role, &exists))
            return false;
        if (!exists)
            return run_invalid(&q->run, AUTH_NO_ROLE, resource_text(&q->arena, &role));
    }
    return e->config.authorize ||
           run_invalid(&q->run,
                       "LIST PERMISSIONS operation is not supported by AllowAllAuthorizer");
}

static bool gather(struct exec *e, struct request *q, const struct ast_grant *g,
                   const char *grantee, const struct resource *resource, struct details *d)
{
    struct auth_roles *roles;
    if (grantee == NULL)
        return add_chain(e, q, NULL, g, resource, d);
    if (!auth_roles_read(e, q, grantee, true, &roles))
        return false;
    for (size_t i = 0; i < roles->count; i++) {
        if (!add_chain(e, q, roles->items[i]->name, g, resource, d))
            return false;
    }
    return true;
}

static bool list_permissions(struct exec *e, struct request *q, const struct ast_grant *g)
{
    const struct cql_type *text = cql_type_native(CQL_TEXT);
    const struct listed columns[] = {
        {"role", text}, {"username", text}, {"resource", text}, {"permission", text}};
    const char *grantee = g->has_grantee ? run_text(&q->run, g->grantee) : NULL;
    struct details d = {0};
    struct answer a = {.q = q};
    struct resource resource;
    if (!role_not_anonymous(q) || (g->has_resource && !role_resource(q, &g->resource, &resource)) ||
        !check_list(e, q, g, grantee, &resource) || !may_list(e, q, grantee) ||
        !gather(e, q, g, grantee, &resource, &d))
        return false;
    if (d.count > 0)
        qsort(d.items, d.count, sizeof d.items[0], compare_details);
    buf_init(&a.content, EXEC_REPLY_MAX);
    for (size_t i = 0; i < d.count; i++) {
        put_text(&a, d.items[i].role);
        put_text(&a, d.items[i].role);
        put_text(&a, resource_key_text(&q->arena, d.items[i].resource));
        put_text(&a, permission_name(d.items[i].permission));
        a.rows++;
    }
    bool sent = send(e, &a, "permissions", columns, ARRAY_LEN(columns));
    buf_close(&a.content);
    return sent;
}

bool role_list(struct exec *e, struct request *q, const struct ast_stmt *s)
{
    return s->kind == AST_LIST_PERMISSIONS ? list_permissions(e, q, &s->grant)
                                           : list_roles(e, q, s);
}
