/* type_codec.c - types as bytes: the native protocol's [option], and our own stored form. */
#include "node/schema/type.h"

#include <string.h>

#define OPTION_CUSTOM 0x0000

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

static void put_string(struct buf *out, struct bytes text)
{
    if (text.len > UINT16_MAX)
        out->failed = true;
    buf_put_u16(out, (uint16_t)text.len);
    buf_put_bytes(out, text);
}

static void put_class(const struct cql_type *type, struct buf *out)
{
    struct buf name;
    buf_init(&name, BUF_MAX_DEFAULT);
    cql_type_print_class(type, &name);
    put_string(out, buf_bytes(&name));
    buf_close(&name);
}

void cql_type_put_option(const struct cql_type *type, struct buf *out)
{
    if (type->kind == CQL_VECTOR) {
        buf_put_u16(out, OPTION_CUSTOM);
        put_class(type, out);
        return;
    }
    buf_put_u16(out, (uint16_t)type->kind);
    if (type->kind == CQL_UDT) {
        put_string(out, type->keyspace != NULL ? bytes_text(type->keyspace) : BYTES_NONE);
        put_string(out, bytes_text(type->name));
    }
    if (cql_type_is_tuple(type))
        buf_put_u16(out, (uint16_t)type->count);
    for (uint32_t i = 0; i < type->count; i++) {
        if (type->kind == CQL_UDT)
            put_string(out, bytes_text(type->fields[i]));
        cql_type_put_option(type->items[i], out);
    }
}

static const struct cql_type *read_failed(struct reader *r)
{
    r->failed = true;
    return NULL;
}

static struct bytes read_string(struct reader *r)
{
    struct bytes text = read_bytes(r, read_u16(r));
    if (text.len > 0 && memchr(text.data, 0, text.len) != NULL)
        r->failed = true;
    return text;
}

/* One type being read; all of it may have so many nodes. */
struct option_reader {
    struct reader *r;
    struct arena *arena;
    uint32_t nodes;
};

static const struct cql_type *read_custom(struct option_reader *o)
{
    const struct cql_type *type = NULL;
    struct bytes name = read_string(o->r);
    if (o->r->failed || cql_type_from_class(o->arena, name, &type, NULL) != ERR_OK)
        return read_failed(o->r);
    return type;
}

static const struct cql_type *read_option(struct option_reader *o, unsigned depth)
{
    struct reader *r = o->r;
    unsigned kind = read_u16(r);
    if (r->failed || depth > CQL_TYPE_DEPTH_MAX || ++o->nodes > CQL_TYPE_NODES_MAX)
        return read_failed(r);
    if (kind == OPTION_CUSTOM)
        return read_custom(o);
    const struct cql_type *native = cql_type_native((enum cql_kind)kind);
    if (native != NULL)
        return native;
    if (kind != CQL_LIST && kind != CQL_SET && kind != CQL_MAP && kind != CQL_TUPLE &&
        kind != CQL_UDT)
        return read_failed(r);
    struct bytes keyspace = kind == CQL_UDT ? read_string(r) : BYTES_NONE;
    struct bytes name = kind == CQL_UDT ? read_string(r) : BYTES_NONE;
    unsigned count = kind == CQL_MAP ? 2 : 1;
    if (kind == CQL_TUPLE || kind == CQL_UDT)
        count = read_u16(r);
    if (r->failed || count > CQL_TYPE_ITEMS_MAX || count > reader_left(r) / 2)
        return read_failed(r);
    const struct cql_type **items;
    const char **fields = arena_array(o->arena, const char *, count);
    /* The protocol does not say what is frozen; as values both are one. */
    struct cql_type *t = node_new(o->arena, (enum cql_kind)kind, true, count, &items);
    for (unsigned i = 0; i < count; i++) {
        if (kind == CQL_UDT)
            fields[i] = arena_text(o->arena, read_string(r));
        items[i] = read_option(o, depth + 1);
        if (items[i] == NULL)
            return NULL;
    }
    if (kind == CQL_UDT) {
        t->keyspace = arena_text(o->arena, keyspace);
        t->name = arena_text(o->arena, name);
        t->fields = fields;
    }
    return t;
}

const struct cql_type *cql_type_read_option(struct reader *r, struct arena *a)
{
    struct option_reader o = {r, a, 0};
    return read_option(&o, 0);
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
