#include "node/schema/type.h"

#include "base/mem.h"
#include "node/schema/type_print.h"

#include <string.h>

#define SCALAR_LAST CQL_DURATION

static const struct cql_type natives[SCALAR_LAST + 1] = {
#define X(name, number, text) [CQL_##name] = {.kind = CQL_##name},
    CQL_SCALARS(X)
#undef X
};

static const char *scalar_name(enum cql_kind kind)
{
    static const char *const names[SCALAR_LAST + 1] = {
#define X(name, number, text) [CQL_##name] = text,
        CQL_SCALARS(X)
#undef X
    };
    return (unsigned)kind <= SCALAR_LAST ? names[kind] : NULL;
}

const struct cql_type *cql_type_native(enum cql_kind kind)
{
    return scalar_name(kind) != NULL ? &natives[kind] : NULL;
}

/* A node with room for `count` items, to be filled in by the caller. */
static struct cql_type *node_new(struct arena *a, enum cql_kind kind, bool frozen, uint32_t count,
                                 const struct cql_type ***ret_items)
{
    struct cql_type *t = arena_new(a, struct cql_type);
    const struct cql_type **items = arena_array(a, const struct cql_type *, count);
    t->kind = kind;
    t->frozen = frozen;
    t->count = count;
    t->items = items;
    *ret_items = items;
    return t;
}

static const struct cql_type *node_of_one(struct arena *a, enum cql_kind kind,
                                          const struct cql_type *item, bool frozen)
{
    const struct cql_type **items;
    struct cql_type *t = node_new(a, kind, frozen, 1, &items);
    items[0] = item;
    return t;
}

const struct cql_type *cql_type_list(struct arena *a, const struct cql_type *item, bool frozen)
{
    return node_of_one(a, CQL_LIST, item, frozen);
}

const struct cql_type *cql_type_set(struct arena *a, const struct cql_type *item, bool frozen)
{
    return node_of_one(a, CQL_SET, item, frozen);
}

const struct cql_type *cql_type_map(struct arena *a, const struct cql_type *key,
                                    const struct cql_type *value, bool frozen)
{
    const struct cql_type **items;
    struct cql_type *t = node_new(a, CQL_MAP, frozen, 2, &items);
    items[0] = key;
    items[1] = value;
    return t;
}

const struct cql_type *cql_type_tuple(struct arena *a, const struct cql_type *const *items,
                                      uint32_t count)
{
    struct cql_type *t = arena_new(a, struct cql_type);
    *t = (struct cql_type){.kind = CQL_TUPLE, .frozen = true, .count = count, .items = items};
    return t;
}

const struct cql_type *cql_type_udt(struct arena *a, const char *keyspace, const char *name,
                                    const char *const *fields, const struct cql_type *const *items,
                                    uint32_t count, bool frozen)
{
    struct cql_type *t = arena_new(a, struct cql_type);
    *t = (struct cql_type){CQL_UDT, frozen, count, 0, items, keyspace, name, fields};
    return t;
}

const struct cql_type *cql_type_copy(struct arena *a, const struct cql_type *type)
{
    const struct cql_type *native = cql_type_native(type->kind);
    if (native != NULL)
        return native;
    const struct cql_type **items;
    struct cql_type *t = node_new(a, type->kind, type->frozen, type->count, &items);
    t->dimension = type->dimension;
    if (type->keyspace != NULL)
        t->keyspace = arena_text(a, bytes_text(type->keyspace));
    if (type->name != NULL)
        t->name = arena_text(a, bytes_text(type->name));
    for (uint32_t i = 0; i < type->count; i++)
        items[i] = cql_type_copy(a, type->items[i]);
    if (type->kind != CQL_UDT || type->count == 0)
        return t;
    const char **fields = arena_array(a, const char *, type->count);
    for (uint32_t i = 0; i < type->count; i++)
        fields[i] = arena_text(a, bytes_text(type->fields[i]));
    t->fields = fields;
    return t;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool cql_type_equal(const struct cql_type *a, const struct cql_type *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || a->frozen != b->frozen || a->count != b->count ||
        a->dimension != b->dimension || !same_text(a->keyspace, b->keyspace) ||
        !same_text(a->name, b->name))
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (!cql_type_equal(a->items[i], b->items[i]) ||
            (a->kind == CQL_UDT && strcmp(a->fields[i], b->fields[i]) != 0))
            return false;
    }
    return true;
}

bool cql_type_mentions(const struct cql_type *type, enum cql_kind kind)
{
    if (type->kind == kind)
        return true;
    for (uint32_t i = 0; i < type->count; i++) {
        if (cql_type_mentions(type->items[i], kind))
            return true;
    }
    return false;
}

bool cql_type_mentions_udt(const struct cql_type *type, const char *name)
{
    if (type->kind == CQL_UDT && strcmp(type->name, name) == 0)
        return true;
    for (uint32_t i = 0; i < type->count; i++) {
        if (cql_type_mentions_udt(type->items[i], name))
            return true;
    }
    return false;
}

bool cql_type_mentions_duration(const struct cql_type *type)
{
    if (type->kind == CQL_DURATION)
        return true;
    for (uint32_t i = 0; i < type->count && type->kind != CQL_VECTOR; i++) {
        if (cql_type_mentions_duration(type->items[i]))
            return true;
    }
    return false;
}

int cql_type_field(const struct cql_type *udt, struct bytes name)
{
    for (uint32_t i = 0; i < udt->count; i++) {
        if (bytes_equal_text(name, udt->fields[i]))
            return (int)i;
    }
    return -1;
}

/* As Cassandra's types say of themselves: smallint, tinyint, date and time do not. */
size_t cql_type_fixed_size(const struct cql_type *type)
{
    switch (type->kind) {
    case CQL_BOOLEAN: return 1;
    case CQL_FLOAT:
    case CQL_INT: return 4;
    case CQL_BIGINT:
    case CQL_COUNTER:
    case CQL_DOUBLE:
    case CQL_TIMESTAMP: return 8;
    case CQL_TIMEUUID:
    case CQL_UUID: return 16;
    case CQL_VECTOR: return type->dimension * cql_type_fixed_size(type->items[0]);
    default: return 0;
    }
}

static void print(const struct cql_type *type, bool qualified, struct buf *out)
{
    const char *scalar = scalar_name(type->kind);
    if (scalar != NULL) {
        buf_put_text(out, scalar);
        return;
    }
    bool frozen = (type->frozen && type->kind != CQL_VECTOR) || type->kind == CQL_TUPLE;
    if (frozen)
        buf_put_text(out, "frozen<");
    switch (type->kind) {
    case CQL_LIST: buf_put_text(out, "list<"); break;
    case CQL_SET: buf_put_text(out, "set<"); break;
    case CQL_MAP: buf_put_text(out, "map<"); break;
    case CQL_TUPLE: buf_put_text(out, "tuple<"); break;
    case CQL_VECTOR: buf_put_text(out, "vector<"); break;
    default:
        if (qualified && type->keyspace != NULL) {
            cql_name_print(type->keyspace, out);
            buf_put_u8(out, '.');
        }
        type_print_udt(type->name, out);
        break;
    }
    for (uint32_t i = 0; i < type->count && type->kind != CQL_UDT; i++) {
        if (i > 0)
            buf_put_text(out, ", ");
        print(type->items[i], qualified, out);
    }
    if (type->kind == CQL_VECTOR)
        buf_printf(out, ", %u", type->dimension);
    if (type->kind != CQL_UDT)
        buf_put_u8(out, '>');
    if (frozen)
        buf_put_u8(out, '>');
}

void cql_type_print(const struct cql_type *type, struct buf *out)
{
    print(type, false, out);
}

void cql_type_print_qualified(const struct cql_type *type, struct buf *out)
{
    print(type, true, out);
}

const char *cql_type_text(struct arena *a, const struct cql_type *type)
{
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    cql_type_print(type, &out);
    const char *text = arena_text(a, buf_bytes(&out));
    buf_close(&out);
    return text;
}
