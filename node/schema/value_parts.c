/* value_parts.c - what a value is made of:
 *
 *   list set map  count:i32, then each item as len:i32 bytes      (also value_items.c)
 *   tuple udt     each part as len:i32 bytes, len -1 for null; the last ones may be missing
 *   vector        `dimension` elements: all of one size as they are, others as vint length and
 * bytes
 */
#include "node/schema/value_parts.h"
#include "node/schema/vint.h"

struct value_parts value_parts_open(const struct cql_type *type, struct bytes value)
{
    struct value_parts p = {.r = reader_make(value), .type = type};
    if (cql_type_is_collection(type)) {
        p.count = value_items_count(value) * type->count;
        read_u32(&p.r);
    } else if (cql_type_is_tuple(type)) {
        p.count = type->count;
    } else if (type->kind == CQL_VECTOR && value.len > 0) {
        p.count = type->dimension;
        p.size = cql_type_fixed_size(type->items[0]);
    }
    return p;
}

static struct bytes next_bytes(struct value_parts *p, bool *ret_null)
{
    *ret_null = false;
    if (p->type->kind == CQL_VECTOR) {
        uint64_t len = p->size > 0 ? p->size : vint_read(&p->r);
        return read_bytes(&p->r, len > SIZE_MAX ? SIZE_MAX : (size_t)len);
    }
    if (cql_type_is_tuple(p->type) && reader_left(&p->r) == 0) {
        *ret_null = true;
        return BYTES_NONE;
    }
    int32_t len = read_i32(&p->r);
    if (len < 0) {
        *ret_null = true;
        return BYTES_NONE;
    }
    return read_bytes(&p->r, (size_t)len);
}

bool value_parts_next(struct value_parts *p, struct value_part *ret)
{
    if (p->at == p->count)
        return false;
    ret->type = p->type->items[cql_type_is_tuple(p->type) ? p->at : p->at % p->type->count];
    ret->bytes = next_bytes(p, &ret->null);
    p->at++;
    if (!p->r.failed)
        return true;
    p->at = p->count;
    return false;
}

void value_tuple_build(const struct value_part *parts, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        buf_put_i32(out, parts[i].null ? -1 : (int32_t)parts[i].bytes.len);
        if (!parts[i].null)
            buf_put_bytes(out, parts[i].bytes);
    }
}

void value_vector_build(const struct cql_type *type, const struct value_part *parts,
                        struct buf *out)
{
    bool fixed = cql_type_fixed_size(type->items[0]) > 0;
    for (uint32_t i = 0; i < type->dimension; i++) {
        if (!fixed)
            vint_put(parts[i].bytes.len, out);
        buf_put_bytes(out, parts[i].bytes);
    }
}

/* One part after another into `out`, in the form that the type has; `put` writes its bytes. */
static void rebuild(const struct cql_type *type, struct bytes value, struct buf *out,
                    void (*put)(const struct cql_type *, struct bytes, struct buf *))
{
    struct value_parts p = value_parts_open(type, value);
    struct value_part part;
    bool vector = type->kind == CQL_VECTOR;
    struct buf item;
    buf_init(&item, out->max);
    if (cql_type_is_collection(type))
        buf_put_u32(out, value_items_count(value));
    while (value_parts_next(&p, &part)) {
        buf_clear(&item);
        if (!part.null)
            put(part.type, part.bytes, &item);
        if (vector && p.size == 0)
            vint_put(item.len, out);
        else if (!vector)
            buf_put_i32(out, part.null ? -1 : (int32_t)item.len);
        buf_put_bytes(out, buf_bytes(&item));
        out->failed |= item.failed;
    }
    buf_close(&item);
}

/* Keeps the entries of collections; only what stands in them changes, so no sorting is needed:
 * canonical forms are equal to what they came from. */
void value_parts_canonical(const struct cql_type *type, struct bytes value, struct buf *out)
{
    rebuild(type, value, out, value_canonical);
}

void value_parts_normalize(const struct cql_type *type, struct bytes value, struct buf *out)
{
    if (cql_type_is_tuple(type)) { /* what is missing stays missing */
        struct value_parts p = value_parts_open(type, value);
        struct value_part part;
        while (reader_left(&p.r) > 0 && value_parts_next(&p, &part)) {
            size_t at = out->len;
            buf_put_i32(out, -1);
            if (part.null)
                continue;
            value_normalize(part.type, part.bytes, out);
            if (!out->failed)
                store_u32(out->data + at, (uint32_t)(out->len - at - 4));
        }
        return;
    }
    rebuild(type, value, out, value_normalize);
}

/* Part by part, null below everything; then the shorter collection first. A tuple without its last
 * parts is one with nulls there. */
int value_parts_compare(const struct cql_type *type, struct bytes a, struct bytes b)
{
    struct value_parts x = value_parts_open(type, a);
    struct value_parts y = value_parts_open(type, b);
    struct value_part p;
    struct value_part q;
    for (;;) {
        bool more_x = value_parts_next(&x, &p);
        bool more_y = value_parts_next(&y, &q);
        if (!more_x || !more_y)
            return more_x - more_y;
        int c = q.null - p.null;
        if (c == 0 && !p.null)
            c = value_compare(p.type, p.bytes, q.bytes);
        if (c != 0)
            return c;
    }
}

static enum err check_tuple(const struct cql_type *t, struct bytes v, struct errmsg *e)
{
    struct reader r = reader_make(v);
    bool udt = t->kind == CQL_UDT;
    for (uint32_t i = 0; i < t->count && reader_left(&r) > 0; i++) {
        const char *field = udt ? t->fields[i] : "";
        if (reader_left(&r) < 4)
            return errmsg_set(e, ERR_INVALID, "Not enough bytes to read size of %uth %s%s", i,
                              udt ? "field " : "component", field);
        int32_t len = read_i32(&r);
        if (len < 0)
            continue;
        struct bytes part = read_bytes(&r, (size_t)len);
        if (r.failed)
            return errmsg_set(e, ERR_INVALID, "Not enough bytes to read %uth %s%s", i,
                              udt ? "field " : "component", field);
        enum err err = value_validate(t->items[i], part, e);
        if (err != ERR_OK)
            return err;
    }
    if (reader_left(&r) > 0)
        return errmsg_set(e, ERR_INVALID, "Invalid remaining data after end of %s value",
                          udt ? "UDT" : "tuple");
    return ERR_OK;
}

static enum err check_vector(const struct cql_type *t, struct bytes v, struct errmsg *e)
{
    struct value_parts p = value_parts_open(t, v);
    struct value_part part;
    while (value_parts_next(&p, &part)) {
        enum err err = value_validate(part.type, part.bytes, e);
        if (err != ERR_OK)
            return err;
    }
    if (p.r.failed)
        return errmsg_set(e, ERR_INVALID, "Not enough bytes to read a vector");
    if (reader_left(&p.r) > 0)
        return errmsg_set(e, ERR_INVALID, "Unexpected extraneous bytes after vector value");
    return ERR_OK;
}

enum err value_parts_validate(const struct cql_type *type, struct bytes value, struct errmsg *e)
{
    if (type->kind == CQL_UDT && type->count == 0)
        return errmsg_set(e, ERR_INVALID, "Unknown type %s", type->name);
    return type->kind == CQL_VECTOR ? check_vector(type, value, e) : check_tuple(type, value, e);
}
