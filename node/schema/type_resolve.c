/* type_resolve.c - what user-defined types stand for. */
#include "node/schema/type.h"

#include <string.h>

const struct cql_type *cql_types_find(const struct cql_types *types, const char *name)
{
    uint32_t low = 0;
    uint32_t high = types->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int c = strcmp(name, types->items[middle]->name);
        if (c == 0)
            return types->items[middle];
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

struct resolver {
    struct arena *arena;
    const struct cql_types *scope;
    struct errmsg *err;
    uint32_t nodes;
};

static const struct cql_type *resolve(struct resolver *r, const struct cql_type *type,
                                      bool in_frozen, unsigned depth);

static const struct cql_type *copy_with(struct resolver *r, const struct cql_type *type,
                                        const struct cql_type *shape, bool in_frozen,
                                        unsigned depth)
{
    const struct cql_type **items = arena_array(r->arena, const struct cql_type *, shape->count);
    struct cql_type *t = arena_new(r->arena, struct cql_type);
    *t = *type;
    t->frozen = type->frozen || in_frozen;
    bool freezes = type->kind != CQL_VECTOR ? t->frozen : in_frozen;
    t->count = shape->count;
    t->items = items;
    for (uint32_t i = 0; i < shape->count; i++) {
        items[i] = resolve(r, shape->items[i], freezes, depth + 1);
        if (items[i] == NULL)
            return NULL;
    }
    return t;
}

static const struct cql_type *resolve_udt(struct resolver *r, const struct cql_type *type,
                                          bool in_frozen, unsigned depth)
{
    const char *keyspace = r->scope->keyspace;
    const char *said = type->keyspace != NULL ? type->keyspace : keyspace;
    if (said == NULL) {
        errmsg_set(r->err, ERR_INVALID, "Unknown type %s", type->name);
        return NULL;
    }
    if (keyspace != NULL && strcmp(said, keyspace) != 0) {
        errmsg_set(r->err, ERR_INVALID,
                   "Statement on keyspace %s cannot refer to a user type in keyspace %s; user "
                   "types can only be used in the keyspace they are defined in",
                   keyspace, said);
        return NULL;
    }
    const struct cql_type *found = cql_types_find(r->scope, type->name);
    if (found == NULL) {
        errmsg_set(r->err, ERR_INVALID, "Unknown type %s.%s", said, type->name);
        return NULL;
    }
    struct cql_type *t = (struct cql_type *)copy_with(r, type, found, in_frozen, depth);
    if (t == NULL)
        return NULL;
    const char **fields = arena_array(r->arena, const char *, found->count);
    for (uint32_t i = 0; i < found->count; i++)
        fields[i] = arena_text(r->arena, bytes_text(found->fields[i]));
    t->keyspace = arena_text(r->arena, bytes_text(said));
    t->name = arena_text(r->arena, bytes_text(type->name));
    t->fields = fields;
    return t;
}

static const struct cql_type *resolve(struct resolver *r, const struct cql_type *type,
                                      bool in_frozen, unsigned depth)
{
    if (++r->nodes > CQL_TYPE_NODES_MAX || depth > CQL_TYPE_DEPTH_MAX) {
        errmsg_set(r->err, ERR_INVALID,
                   "A type with all that is in it may have %d parts, nested %d "
                   "deep",
                   CQL_TYPE_NODES_MAX, CQL_TYPE_DEPTH_MAX);
        return NULL;
    }
    if (cql_type_native(type->kind) != NULL)
        return type;
    return type->kind == CQL_UDT ? resolve_udt(r, type, in_frozen, depth)
                                 : copy_with(r, type, type, in_frozen, depth);
}

enum err cql_type_resolve(struct arena *a, const struct cql_type *type,
                          const struct cql_types *scope, const struct cql_type **ret_type,
                          struct errmsg *ret_err)
{
    struct resolver r = {a, scope, ret_err, 0};
    const struct cql_type *t = resolve(&r, type, false, 0);
    if (t == NULL)
        return ERR_INVALID;
    *ret_type = t;
    return ERR_OK;
}

const struct cql_type *cql_type_expand(struct arena *a, const struct cql_type *type)
{
    if (cql_type_native(type->kind) != NULL)
        return type;
    const struct cql_type **items = arena_array(a, const struct cql_type *, type->count);
    struct cql_type *t = arena_new(a, struct cql_type);
    *t = *type;
    t->items = items;
    for (uint32_t i = 0; i < type->count; i++)
        items[i] = cql_type_expand(a, type->items[i]);
    if (type->kind == CQL_UDT) {
        t->kind = CQL_TUPLE;
        t->frozen = true;
        t->keyspace = NULL;
        t->name = NULL;
        t->fields = NULL;
    }
    return t;
}
