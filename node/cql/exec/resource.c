/* resource.c - what permissions are on: keys as they are stored, texts as they are shown.
 *
 *   data  data/ks  data/ks/ *  data/ks/table      roles  roles/name
 *   functions  functions/ks  functions/ks/name[types]      mbean  mbean/name
 */
#include "node/cql/exec/auth.h"

#include <string.h>

static const char *const names[PERMISSION_COUNT] = {
    "CREATE",    "ALTER",    "DROP",    "SELECT", "MODIFY",
    "AUTHORIZE", "DESCRIBE", "EXECUTE", "UNMASK", "SELECT_MASKED",
};

const char *permission_name(unsigned permission)
{
    return names[permission];
}

size_t permission_names(uint32_t permissions, const char *ret_names[PERMISSION_COUNT])
{
    size_t n = 0;
    for (unsigned p = 0; p < PERMISSION_COUNT; p++) {
        if (permissions & 1u << p)
            ret_names[n++] = names[p];
    }
    return n;
}

uint32_t permission_parse(const char *name)
{
    for (unsigned p = 0; p < PERMISSION_COUNT; p++) {
        if (strcmp(names[p], name) == 0)
            return 1u << p;
    }
    return 0;
}

const char *permissions_text(struct arena *a, uint32_t permissions)
{
    const char *list[PERMISSION_COUNT];
    const char *text = "";
    for (size_t i = 0, n = permission_names(permissions, list); i < n; i++)
        text = arena_printf(a, "%s%s%s", text, i > 0 ? ", " : "", list[i]);
    return text;
}

const char *resource_key(struct arena *a, const struct resource *r)
{
    switch (r->kind) {
    case RESOURCE_ALL_KEYSPACES: return "data";
    case RESOURCE_KEYSPACE: return arena_printf(a, "data/%s", r->keyspace);
    case RESOURCE_ALL_TABLES: return arena_printf(a, "data/%s/*", r->keyspace);
    case RESOURCE_TABLE: return arena_printf(a, "data/%s/%s", r->keyspace, r->name);
    case RESOURCE_ALL_ROLES: return "roles";
    case RESOURCE_ROLE: return arena_printf(a, "roles/%s", r->name);
    case RESOURCE_ALL_FUNCTIONS: return "functions";
    case RESOURCE_KEYSPACE_FUNCTIONS: return arena_printf(a, "functions/%s", r->keyspace);
    case RESOURCE_FUNCTION: return arena_printf(a, "functions/%s/%s", r->keyspace, r->name);
    case RESOURCE_ALL_MBEANS: return "mbean";
    case RESOURCE_MBEAN: return arena_printf(a, "mbean/%s", r->name);
    }
    return "";
}

const char *resource_text(struct arena *a, const struct resource *r)
{
    switch (r->kind) {
    case RESOURCE_ALL_KEYSPACES: return "<all keyspaces>";
    case RESOURCE_KEYSPACE: return arena_printf(a, "<keyspace %s>", r->keyspace);
    case RESOURCE_ALL_TABLES: return arena_printf(a, "<all tables in %s>", r->keyspace);
    case RESOURCE_TABLE: return arena_printf(a, "<table %s.%s>", r->keyspace, r->name);
    case RESOURCE_ALL_ROLES: return "<all roles>";
    case RESOURCE_ROLE: return arena_printf(a, "<role %s>", r->name);
    case RESOURCE_ALL_FUNCTIONS: return "<all functions>";
    case RESOURCE_KEYSPACE_FUNCTIONS: return arena_printf(a, "<all functions in %s>", r->keyspace);
    case RESOURCE_FUNCTION: return arena_printf(a, "<function %s.%s>", r->keyspace, r->name);
    case RESOURCE_ALL_MBEANS: return "<all mbeans>";
    case RESOURCE_MBEAN: return arena_printf(a, "<mbean %s>", r->name);
    }
    return "";
}

/* What is stored is ours, but anybody may INSERT: what is none is shown as it stands. */
const char *resource_key_text(struct arena *a, const char *key)
{
    static const struct {
        const char *root;
        enum ast_resource_kind all, one;
    } kinds[] = {
        {"data", RESOURCE_ALL_KEYSPACES, RESOURCE_KEYSPACE},
        {"roles", RESOURCE_ALL_ROLES, RESOURCE_ROLE},
        {"functions", RESOURCE_ALL_FUNCTIONS, RESOURCE_KEYSPACE_FUNCTIONS},
        {"mbean", RESOURCE_ALL_MBEANS, RESOURCE_MBEAN},
    };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t len = strlen(kinds[i].root);
        struct resource r = {.kind = kinds[i].all};
        if (strncmp(key, kinds[i].root, len) != 0 || (key[len] != 0 && key[len] != '/'))
            continue;
        if (key[len] == 0)
            return resource_text(a, &r);
        r.kind = kinds[i].one;
        r.keyspace = r.name = key + len + 1;
        const char *slash = strchr(r.name, '/');
        if (slash != NULL &&
            (r.kind == RESOURCE_KEYSPACE || r.kind == RESOURCE_KEYSPACE_FUNCTIONS)) {
            r.kind = r.kind == RESOURCE_KEYSPACE_FUNCTIONS ? RESOURCE_FUNCTION
                     : strcmp(slash, "/*") == 0            ? RESOURCE_ALL_TABLES
                                                           : RESOURCE_TABLE;
            r.keyspace = arena_text(a, bytes_make(r.name, (size_t)(slash - r.name)));
            r.name = slash + 1;
        }
        return resource_text(a, &r);
    }
    return arena_text(a, bytes_text(key));
}

bool resource_is_data(const struct resource *r)
{
    return r->kind <= RESOURCE_TABLE;
}

const char *resource_type(const struct resource *r)
{
    return resource_is_data(r)                                           ? "DataResource"
           : r->kind == RESOURCE_ALL_ROLES || r->kind == RESOURCE_ROLE   ? "RoleResource"
           : r->kind == RESOURCE_ALL_MBEANS || r->kind == RESOURCE_MBEAN ? "JMXResource"
                                                                         : "FunctionResource";
}

#define BIT(p) (1u << PERMISSION_##p)

uint32_t resource_permissions(const struct resource *r)
{
    uint32_t change = BIT(ALTER) | BIT(DROP) | BIT(AUTHORIZE);
    uint32_t data = change | BIT(SELECT) | BIT(MODIFY) | BIT(UNMASK) | BIT(SELECT_MASKED);
    switch (r->kind) {
    case RESOURCE_ALL_KEYSPACES:
    case RESOURCE_KEYSPACE:
    case RESOURCE_ALL_TABLES: return data | BIT(CREATE);
    case RESOURCE_TABLE: return data;
    case RESOURCE_ALL_ROLES: return change | BIT(CREATE) | BIT(DESCRIBE);
    case RESOURCE_ROLE: return change | BIT(DESCRIBE);
    case RESOURCE_ALL_FUNCTIONS:
    case RESOURCE_KEYSPACE_FUNCTIONS: return change | BIT(CREATE) | BIT(EXECUTE);
    case RESOURCE_FUNCTION: return change | BIT(EXECUTE);
    case RESOURCE_ALL_MBEANS:
    case RESOURCE_MBEAN: break;
    }
    return BIT(AUTHORIZE) | BIT(DESCRIBE) | BIT(EXECUTE) | BIT(MODIFY) | BIT(SELECT);
}

bool resource_parent(const struct resource *r, struct resource *ret)
{
    *ret = *r;
    switch (r->kind) {
    case RESOURCE_TABLE: ret->kind = RESOURCE_ALL_TABLES; return true;
    case RESOURCE_ALL_TABLES: ret->kind = RESOURCE_KEYSPACE; return true;
    case RESOURCE_KEYSPACE: ret->kind = RESOURCE_ALL_KEYSPACES; return true;
    case RESOURCE_ROLE: ret->kind = RESOURCE_ALL_ROLES; return true;
    case RESOURCE_FUNCTION: ret->kind = RESOURCE_KEYSPACE_FUNCTIONS; return true;
    case RESOURCE_KEYSPACE_FUNCTIONS: ret->kind = RESOURCE_ALL_FUNCTIONS; return true;
    case RESOURCE_MBEAN: ret->kind = RESOURCE_ALL_MBEANS; return true;
    case RESOURCE_ALL_KEYSPACES:
    case RESOURCE_ALL_ROLES:
    case RESOURCE_ALL_FUNCTIONS:
    case RESOURCE_ALL_MBEANS: break;
    }
    return false;
}
