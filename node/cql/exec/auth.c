#include "node/cql/exec/auth.h"

#include "base/mem.h"
#include "base/password.h"
#include "node/cql/exec/request.h"

#include <string.h>

/* --- what is remembered. A value begins with the time (mono) until which it counts. */

void auth_init(struct auth *a)
{
    omap_init(&a->roles);
    omap_init(&a->permissions);
    omap_init(&a->verified);
}

void auth_close(struct auth *a)
{
    omap_close(&a->roles);
    omap_close(&a->permissions);
    omap_close(&a->verified);
}

void auth_forget(struct auth *a)
{
    omap_clear(&a->roles);
    omap_clear(&a->permissions);
}

static void keep(struct omap *m, struct bytes key, struct buf *value)
{
    if (omap_count(m) >= AUTH_CACHE_MAX)
        omap_clear(m);
    omap_put(m, key, buf_bytes(value));
    buf_close(value);
}

/* The reader stands behind the time. */
static bool recall(const struct omap *m, struct bytes key, usec now, struct reader *ret)
{
    struct bytes value;
    if (!omap_get(m, key, &value))
        return false;
    *ret = reader_make(value);
    return (usec)read_u64(ret) > now;
}

enum cql_consistency auth_read_level(const char *role)
{
    return strcmp(role, AUTH_SUPERUSER) == 0 ? CQL_CL_QUORUM : CQL_CL_LOCAL_QUORUM;
}

enum cql_consistency auth_write_level(const char *role)
{
    return strcmp(role, AUTH_SUPERUSER) == 0 ? CQL_CL_QUORUM : CQL_CL_EACH_QUORUM;
}

/* --- roles */

static void role_keep(struct exec *e, struct request *q, const struct auth_role *role)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    buf_put_u64(&b, (uint64_t)(q->now.mono + e->config.roles_validity_us));
    buf_put_u8(&b, role->exists);
    buf_put_u8(&b, role->superuser);
    buf_put_u8(&b, role->can_login);
    buf_put_varint(&b, role->member_count);
    for (size_t i = 0; i < role->member_count; i++)
        buf_put_vbytes(&b, bytes_text(role->member_of[i]));
    keep(&e->auth.roles, bytes_text(role->name), &b);
}

static bool role_recall(struct exec *e, struct request *q, const char *name, struct auth_role *ret)
{
    struct reader r;
    if (!recall(&e->auth.roles, bytes_text(name), q->now.mono, &r))
        return false;
    *ret = (struct auth_role){.name = name};
    ret->exists = read_u8(&r);
    ret->superuser = read_u8(&r);
    ret->can_login = read_u8(&r);
    ret->member_count = (size_t)read_varint(&r);
    ret->member_of = arena_array(&q->arena, const char *, ret->member_count);
    for (size_t i = 0; i < ret->member_count; i++)
        ret->member_of[i] = arena_text(&q->arena, read_vbytes(&r));
    return true;
}

static bool role_ask(struct exec *e, struct request *q, const char *name, const char *trouble,
                     struct auth_role *ret)
{
    const struct inner_rows *rows = inner_ask(
        e, q,
        &(struct inner_question){.text = "SELECT is_superuser, can_login, salted_hash, member_of "
                                         "FROM system_auth.roles WHERE role = ?",
                                 .values = {bytes_text(name)},
                                 .count = 1,
                                 .level = auth_read_level(name),
                                 .trouble = trouble,
                                 .code = CQL_ERROR_UNAUTHORIZED});
    if (rows == NULL)
        return false;
    *ret = (struct auth_role){.name = name};
    if (rows->count == 0)
        return true;
    ret->exists = true;
    ret->superuser = inner_bool(&rows->items[0][0]);
    ret->can_login = inner_bool(&rows->items[0][1]);
    ret->hash = inner_text(&q->run, &rows->items[0][2]);
    ret->member_count = inner_set(&q->run, &rows->items[0][3], &ret->member_of);
    return true;
}

bool auth_role_read(struct exec *e, struct request *q, const char *name, struct auth_role *ret)
{
    return role_ask(e, q, name, NULL, ret);
}

bool auth_roles_has(const struct auth_roles *roles, const char *name)
{
    for (size_t i = 0; i < roles->count; i++) {
        if (strcmp(roles->items[i]->name, name) == 0)
            return true;
    }
    return false;
}

bool auth_roles_superuser(const struct auth_roles *roles)
{
    for (size_t i = 0; i < roles->count; i++) {
        if (roles->items[i]->superuser)
            return true;
    }
    return false;
}

struct walk {
    bool remembered;
    const char *trouble;
    struct auth_roles *roles;
};

static bool add_role(struct exec *e, struct request *q, struct walk *w, const char *name)
{
    struct auth_role role;
    if (w->roles->count == AUTH_ROLES_MAX || auth_roles_has(w->roles, name))
        return true;
    if (!w->remembered || !role_recall(e, q, name, &role)) {
        if (!role_ask(e, q, name, w->trouble, &role))
            return false;
        if (w->remembered)
            role_keep(e, q, &role);
    }
    if (!role.exists && w->roles->count > 0)
        return true; /* the name of one that was dropped */
    struct auth_role *kept = arena_new(&q->arena, struct auth_role);
    *kept = role;
    w->roles->items = arena_grow(&q->arena, w->roles->items, w->roles->count, &w->roles->cap,
                                 sizeof(const struct auth_role *));
    w->roles->items[w->roles->count++] = kept;
    return true;
}

static bool add_members(struct exec *e, struct request *q, struct walk *w, bool recursive)
{
    for (size_t i = 0; i < w->roles->count; i++) {
        for (size_t j = 0; j < w->roles->items[i]->member_count; j++) {
            if (!add_role(e, q, w, w->roles->items[i]->member_of[j]))
                return false;
        }
        if (!recursive)
            break;
    }
    return true;
}

bool auth_roles_of(struct exec *e, struct request *q, const char *name, const char *trouble,
                   struct auth_roles **ret)
{
    struct walk w = {true, trouble, arena_new(&q->arena, struct auth_roles)};
    *ret = w.roles;
    return add_role(e, q, &w, name) && add_members(e, q, &w, true);
}

bool auth_roles_read(struct exec *e, struct request *q, const char *name, bool recursive,
                     struct auth_roles **ret)
{
    struct walk w = {false, NULL, arena_new(&q->arena, struct auth_roles)};
    *ret = w.roles;
    return add_role(e, q, &w, name) && add_members(e, q, &w, recursive);
}

bool auth_is_superuser(struct exec *e, struct request *q, bool *ret)
{
    struct auth_roles *roles;
    *ret = false;
    if (q->user == NULL)
        return true;
    if (!auth_roles_of(e, q, q->user,
                       "Unable to perform authorization of super-user permission: ", &roles))
        return false;
    *ret = auth_roles_superuser(roles);
    return true;
}

/* --- permissions */

static bool granted_ask(struct exec *e, struct request *q, const char *role, const char *resource,
                        const char *trouble, uint32_t *ret)
{
    const char **items;
    const struct inner_rows *rows = inner_ask(
        e, q,
        &(struct inner_question){.text = "SELECT permissions FROM system_auth.role_permissions "
                                         "WHERE role = ? AND resource = ?",
                                 .values = {bytes_text(role), bytes_text(resource)},
                                 .count = 2,
                                 .level = CQL_CL_LOCAL_QUORUM,
                                 .trouble = trouble,
                                 .code = CQL_ERROR_UNAUTHORIZED});
    if (rows == NULL)
        return false;
    *ret = 0;
    for (size_t i = 0; i < rows->count; i++) {
        for (size_t n = inner_set(&q->run, &rows->items[i][0], &items); n > 0; n--)
            *ret |= permission_parse(items[n - 1]);
    }
    return true;
}

bool auth_granted(struct exec *e, struct request *q, const char *role, const char *resource,
                  uint32_t *ret)
{
    return granted_ask(e, q, role, resource, NULL, ret);
}

static bool granted(struct exec *e, struct request *q, const char *role, const char *resource,
                    uint32_t *ret)
{
    struct reader r;
    struct buf key, value;
    buf_init(&key, BUF_MAX_DEFAULT);
    buf_put_text(&key, role);
    buf_put_u8(&key, 0);
    buf_put_text(&key, resource);
    bool known = recall(&e->auth.permissions, buf_bytes(&key), q->now.mono, &r);
    if (known)
        *ret = read_u32(&r);
    else if (granted_ask(e, q, role, resource,
                         "Unable to perform authorization of permissions: ", ret)) {
        known = true;
        buf_init(&value, 64);
        buf_put_u64(&value, (uint64_t)(q->now.mono + e->config.permissions_validity_us));
        buf_put_u32(&value, *ret);
        keep(&e->auth.permissions, buf_bytes(&key), &value);
    }
    buf_close(&key);
    return known;
}

bool auth_check(struct exec *e, struct request *q, unsigned permission,
                const struct resource *resource, bool no_root)
{
    struct auth_roles *roles;
    struct resource at = *resource;
    uint32_t bits;
    if (!e->config.authorize)
        return true;
    if (q->user == NULL)
        return run_fail(&q->run, CQL_ERROR_UNAUTHORIZED, "You have not logged in");
    if (!auth_roles_of(e, q, q->user, "Unable to perform authorization of permissions: ", &roles))
        return false;
    bool super = auth_roles_superuser(roles);
    do {
        if (no_root && at.kind == RESOURCE_ALL_KEYSPACES && !super)
            break;
        if (super && (resource_permissions(&at) & 1u << permission) != 0)
            return true;
        for (size_t i = 0; i < roles->count && !super; i++) {
            if (!granted(e, q, roles->items[i]->name, resource_key(&q->arena, &at), &bits))
                return false;
            if (bits & 1u << permission)
                return true;
        }
    } while (resource_parent(&at, &at));
    return run_fail(&q->run, CQL_ERROR_UNAUTHORIZED,
                    "User %s has no %s permission on %s or any of its parents", q->user,
                    permission_name(permission), resource_text(&q->arena, resource));
}

/* --- passwords */

bool auth_verified(struct exec *e, struct now now, const char *role, const char *hash,
                   const char *password)
{
    struct reader r;
    char digest[PASSWORD_HASH_MAX];
    if (!recall(&e->auth.verified, bytes_text(role), now.mono, &r))
        return false;
    struct bytes kept_hash = read_vbytes(&r);
    struct bytes salt = read_bytes(&r, PASSWORD_SALT);
    struct bytes kept = read_vbytes(&r);
    return bytes_equal_text(kept_hash, hash) && salt.len == PASSWORD_SALT &&
           password_digest(password, salt.data, digest) && bytes_equal_text(kept, digest);
}

void auth_verified_keep(struct exec *e, struct now now, const char *role, const char *hash,
                        const char *password)
{
    char digest[PASSWORD_HASH_MAX];
    struct buf b;
    uint8_t salt[PASSWORD_SALT];
    store_u64(salt, rng_next(&e->rng));
    store_u64(salt + 8, rng_next(&e->rng));
    if (!password_digest(password, salt, digest))
        return;
    buf_init(&b, BUF_MAX_DEFAULT);
    buf_put_u64(&b, (uint64_t)(now.mono + e->config.credentials_validity_us));
    buf_put_vbytes(&b, bytes_text(hash));
    buf_put(&b, salt, sizeof salt);
    buf_put_vbytes(&b, bytes_text(digest));
    keep(&e->auth.verified, bytes_text(role), &b);
}
