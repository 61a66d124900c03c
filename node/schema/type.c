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
        if (!cql_type_equal(a->items[i], b->items[i]))
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

enum err cql_type_supported(const struct cql_type *type, struct errmsg *ret_err)
{
    static const struct {
        enum cql_kind kind;
        const char *name;
    } missing[] = {{CQL_TUPLE, "Tuples are"},
                   {CQL_VECTOR, "Vectors are"},
                   {CQL_UDT, "User-defined types are"}};
    for (size_t i = 0; i < ARRAY_LEN(missing); i++) {
        if (!cql_type_mentions(type, missing[i].kind))
            continue;
        struct buf text;
        buf_init(&text, 256);
        cql_type_print(type, &text);
        errmsg_set(ret_err, ERR_INVALID, "%s not supported yet by Torc: %.*s", missing[i].name,
                   (int)text.len, text.data != NULL ? (const char *)text.data : "");
        buf_close(&text);
        return ERR_INVALID;
    }
    return ERR_OK;
}

static void print_items(const struct cql_type *type, struct buf *out)
{
    for (uint32_t i = 0; i < type->count; i++) {
        if (i > 0)
            buf_put_text(out, ", ");
        cql_type_print(type->items[i], out);
    }
}

void cql_type_print(const struct cql_type *type, struct buf *out)
{
    const char *scalar = scalar_name(type->kind);
    if (scalar != NULL) {
        buf_put_text(out, scalar);
        return;
    }
    bool frozen = type->frozen || type->kind == CQL_TUPLE;
    if (frozen)
        buf_put_text(out, "frozen<");
    switch (type->kind) {
    case CQL_LIST: buf_put_text(out, "list<"); break;
    case CQL_SET: buf_put_text(out, "set<"); break;
    case CQL_MAP: buf_put_text(out, "map<"); break;
    case CQL_TUPLE: buf_put_text(out, "tuple<"); break;
    case CQL_VECTOR: buf_put_text(out, "vector<"); break;
    default: type_print_udt(type->name, out); break;
    }
    print_items(type, out);
    if (type->kind == CQL_VECTOR)
        buf_printf(out, ", %u", type->dimension);
    if (type->kind != CQL_UDT)
        buf_put_u8(out, '>');
    if (frozen)
        buf_put_u8(out, '>');
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

void cql_type_put_option(const struct cql_type *type, struct buf *out)
{
    ASSERT(type->kind != CQL_UDT && type->kind <= 0xff);
    buf_put_u16(out, (uint16_t)type->kind);
    if (type->kind == CQL_TUPLE)
        buf_put_u16(out, (uint16_t)type->count);
    for (uint32_t i = 0; i < type->count; i++)
        cql_type_put_option(type->items[i], out);
}

static const struct cql_type *read_failed(struct reader *r)
{
    r->failed = true;
    return NULL;
}

static const struct cql_type *read_option(struct reader *r, struct arena *a, unsigned depth)
{
    unsigned kind = read_u16(r);
    if (r->failed || depth > CQL_TYPE_DEPTH_MAX)
        return read_failed(r);
    const struct cql_type *native = cql_type_native((enum cql_kind)kind);
    if (native != NULL)
        return native;
    unsigned count = 1;
    if (kind == CQL_MAP)
        count = 2;
    else if (kind == CQL_TUPLE)
        count = read_u16(r);
    else if (kind != CQL_LIST && kind != CQL_SET)
        return read_failed(r);
    if (count > CQL_TYPE_ITEMS_MAX || count > reader_left(r) / 2)
        return read_failed(r);
    const struct cql_type **items;
    /* The protocol does not say what is frozen; as values both are one. */
    struct cql_type *t = node_new(a, (enum cql_kind)kind, true, count, &items);
    for (unsigned i = 0; i < count; i++) {
        items[i] = read_option(r, a, depth + 1);
        if (items[i] == NULL)
            return NULL;
    }
    return t;
}

const struct cql_type *cql_type_read_option(struct reader *r, struct arena *a)
{
    return read_option(r, a, 0);
}

void cql_type_put(const struct cql_type *type, struct buf *out)
{
    buf_put_varint(out, type->kind);
    if (cql_type_native(type->kind) != NULL)
        return;
    buf_put_u8(out, type->frozen ? 1 : 0);
    if (type->kind == CQL_UDT) {
        buf_put_vbytes(out, type->keyspace != NULL ? bytes_text(type->keyspace) : BYTES_NONE);
        buf_put_vbytes(out, bytes_text(type->name));
        return;
    }
    buf_put_varint(out, type->count);
    buf_put_varint(out, type->dimension);
    for (uint32_t i = 0; i < type->count; i++)
        cql_type_put(type->items[i], out);
}

static bool count_fits(uint64_t kind, uint64_t count)
{
    switch (kind) {
    case CQL_LIST:
    case CQL_SET:
    case CQL_VECTOR: return count == 1;
    case CQL_MAP: return count == 2;
    case CQL_TUPLE: return count <= CQL_TYPE_ITEMS_MAX;
    default: return false;
    }
}

static const struct cql_type *read_udt(struct reader *r, struct arena *a, bool frozen)
{
    struct bytes keyspace = read_vbytes(r);
    struct bytes name = read_vbytes(r);
    if (r->failed || memchr(name.data, 0, name.len) != NULL || name.len == 0 ||
        (keyspace.len > 0 && memchr(keyspace.data, 0, keyspace.len) != NULL))
        return read_failed(r);
    struct cql_type *t = arena_new(a, struct cql_type);
    t->kind = CQL_UDT;
    t->frozen = frozen;
    t->keyspace = keyspace.len > 0 ? arena_text(a, keyspace) : NULL;
    t->name = arena_text(a, name);
    return t;
}

static const struct cql_type *read_stored(struct reader *r, struct arena *a, unsigned depth)
{
    uint64_t kind = read_varint(r);
    if (r->failed || depth > CQL_TYPE_DEPTH_MAX || kind > CQL_VECTOR)
        return read_failed(r);
    const struct cql_type *native = cql_type_native((enum cql_kind)kind);
    if (native != NULL)
        return native;
    uint8_t flags = read_u8(r);
    if (flags > 1)
        return read_failed(r);
    if (kind == CQL_UDT)
        return read_udt(r, a, flags == 1);
    uint64_t count = read_varint(r);
    uint64_t dimension = read_varint(r);
    if (r->failed || !count_fits(kind, count) || count > reader_left(r) || dimension > INT32_MAX ||
        (dimension != 0) != (kind == CQL_VECTOR))
        return read_failed(r);
    const struct cql_type **items;
    struct cql_type *t = node_new(a, (enum cql_kind)kind, flags == 1, (uint32_t)count, &items);
    t->dimension = (uint32_t)dimension;
    for (uint32_t i = 0; i < t->count; i++) {
        items[i] = read_stored(r, a, depth + 1);
        if (items[i] == NULL)
            return NULL;
    }
    return t;
}

const struct cql_type *cql_type_read(struct reader *r, struct arena *a)
{
    return read_stored(r, a, 0);
}
