/* build_role.c - statements about roles and permissions. */
#include "node/cql/grammar/build.h"

struct bytes cql_build_role_marker(struct cql_parser *p)
{
    p->role_wrong = "Bind variables cannot be used for role names";
    return BYTES_NONE;
}

struct bytes cql_build_user_quoted(struct cql_parser *p)
{
    p->role_wrong = "Quoted strings are are not supported for user names and USER is deprecated, "
                    "please use ROLE";
    return BYTES_NONE;
}

/* The first complaint counts. */
static void complain(struct ast_role_options *all, const char *wrong)
{
    if (all->wrong == NULL)
        all->wrong = wrong;
}

struct ast_role_options cql_role_options_add(struct ast_role_options all,
                                             struct ast_role_options one)
{
    if (one.has_password && all.has_password)
        complain(&all, one.hashed == all.hashed
                           ? (one.hashed ? "Multiple definition for property 'HASHED_PASSWORD'"
                                         : "Multiple definition for property 'PASSWORD'")
                           : "Options 'password' and 'hashed password' are mutually exclusive");
    if (one.has_superuser && all.has_superuser)
        complain(&all, "Multiple definition for property 'SUPERUSER'");
    if (one.has_login && all.has_login)
        complain(&all, "Multiple definition for property 'LOGIN'");
    if (one.has_options && all.has_options)
        complain(&all, "Multiple definition for property 'OPTIONS'");
    if (one.has_password) {
        all.has_password = true;
        all.hashed = one.hashed;
        all.password = one.password;
    }
    if (one.has_superuser) {
        all.has_superuser = true;
        all.superuser = one.superuser;
    }
    if (one.has_login) {
        all.has_login = true;
        all.login = one.login;
    }
    all.has_options |= one.has_options;
    if (one.has_dcs) {
        all.has_dcs = true;
        all.all_dcs = one.all_dcs;
        all.dcs = one.dcs;
    }
    if (one.has_cidrs) {
        all.has_cidrs = true;
        all.all_cidrs = one.all_cidrs;
        all.cidrs = one.cidrs;
    }
    return all;
}

struct ast_stmt *cql_build_role(struct cql_parser *p, enum ast_kind kind, struct bytes name,
                                bool condition, const struct ast_role_options *options)
{
    struct ast_stmt *s = cql_build_stmt(p, kind);
    s->role = (struct ast_role){.name = name, .condition = condition};
    if (options != NULL)
        s->role.options = *options;
    if (p->role_wrong != NULL)
        s->role.options.wrong = p->role_wrong;
    return s;
}

struct ast_stmt *cql_build_identity(struct cql_parser *p, enum ast_kind kind, struct bytes identity,
                                    bool condition, struct bytes role)
{
    struct ast_stmt *s = cql_build_role(p, kind, role, condition, NULL);
    s->role.identity = identity;
    return s;
}

struct ast_stmt *cql_build_grant(struct cql_parser *p, enum ast_kind kind, struct ast_grant grant)
{
    struct ast_stmt *s = cql_build_stmt(p, kind);
    s->grant = grant;
    s->grant.wrong = p->role_wrong;
    return s;
}
