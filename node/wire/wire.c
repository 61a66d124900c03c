#include "node/wire/wire.h"

#include <msgpack/pack.h>
#include <msgpack/unpack.h>
#include <string.h>

#define ENVELOPE_FIELDS 6

static int append(void *data, const char *bytes, size_t len)
{
    buf_put(data, bytes, len);
    return 0;
}

static void put_u32(msgpack_packer *p, uint32_t v)
{
    msgpack_pack_uint32(p, v);
}

static void put_u64(msgpack_packer *p, uint64_t v)
{
    msgpack_pack_uint64(p, v);
}

static void put_i64(msgpack_packer *p, int64_t v)
{
    msgpack_pack_int64(p, v);
}

static void put_flag(msgpack_packer *p, bool v)
{
    if (v)
        msgpack_pack_true(p);
    else
        msgpack_pack_false(p);
}

static void put_bytes(msgpack_packer *p, struct bytes v)
{
    msgpack_pack_bin(p, v.len);
    msgpack_pack_bin_body(p, v.data, v.len);
}

static void put_uuid(msgpack_packer *p, struct uuid v)
{
    put_bytes(p, bytes_make(v.b, sizeof v.b));
}

static void put_dot(msgpack_packer *p, struct dot v)
{
    msgpack_pack_array(p, 3);
    put_u32(p, v.actor.node);
    put_u32(p, v.actor.boot);
    put_u64(p, v.n);
}

/* How many fields each message has, to announce the array. */
static size_t field_count(enum wire_type type)
{
#define F(type, field) +1
    switch (type) {
#define M(NAME, name, number)                                                                      \
    case WIRE_##NAME: return 0 WIRE_##NAME(F);
        WIRE_MESSAGES(M)
#undef M
    }
#undef F
    return 0;
}

void wire_encode(const struct wire_message *m, struct buf *out)
{
    msgpack_packer packer;
    msgpack_packer *p = &packer;
    msgpack_packer_init(p, out, append);
    msgpack_pack_array(p, ENVELOPE_FIELDS + field_count(m->type));
    put_u32(p, (uint32_t)m->type);
    put_u32(p, m->from);
    put_i64(p, m->hlc);
    put_u64(p, m->epoch);
    put_u64(p, m->generation);
    put_bytes(p, bytes_make(m->trace.b, uuid_is_zero(&m->trace) ? 0 : sizeof m->trace.b));
#define F(type, field) put_##type(p, body->field);
    switch (m->type) {
#define M(NAME, name, number)                                                                      \
    case WIRE_##NAME: {                                                                            \
        const struct wire_##name *body = &m->name;                                                 \
        WIRE_##NAME(F) break;                                                                      \
    }
        WIRE_MESSAGES(M)
#undef M
    }
#undef F
}

/* --- the size of that */

static size_t size_u64(uint64_t v)
{
    return v < 128 ? 1 : v <= UINT8_MAX ? 2 : v <= UINT16_MAX ? 3 : v <= UINT32_MAX ? 5 : 9;
}

static size_t size_u32(uint32_t v)
{
    return size_u64(v);
}

static size_t size_i64(int64_t v)
{
    if (v >= 0)
        return size_u64((uint64_t)v);
    return v >= -32 ? 1 : v >= INT8_MIN ? 2 : v >= INT16_MIN ? 3 : v >= INT32_MIN ? 5 : 9;
}

static size_t size_flag(bool v)
{
    (void)v;
    return 1;
}

static size_t size_bytes(struct bytes v)
{
    return v.len + (v.len <= UINT8_MAX ? 2 : v.len <= UINT16_MAX ? 3 : 5);
}

static size_t size_uuid(struct uuid v)
{
    return size_bytes(bytes_make(v.b, sizeof v.b));
}

static size_t size_dot(struct dot v)
{
    return 1 + size_u32(v.actor.node) + size_u32(v.actor.boot) + size_u64(v.n);
}

size_t wire_size(const struct wire_message *m)
{
    size_t size = ENVELOPE_FIELDS + field_count(m->type) < 16 ? 1 : 3;
    size += size_u32((uint32_t)m->type) + size_u32(m->from) + size_i64(m->hlc);
    size += size_u64(m->epoch) + size_u64(m->generation);
    size += 2 + (uuid_is_zero(&m->trace) ? 0 : sizeof m->trace.b);
#define F(type, field) +size_##type(body->field)
    switch (m->type) {
#define M(NAME, name, number)                                                                      \
    case WIRE_##NAME: {                                                                            \
        const struct wire_##name *body = &m->name;                                                 \
        size += 0 WIRE_##NAME(F);                                                                  \
        break;                                                                                     \
    }
        WIRE_MESSAGES(M)
#undef M
    }
#undef F
    return size;
}

/* Walks the fields of the outer array; a missing field reads as zero, a wrong type fails. */
struct fields {
    const msgpack_object *at;
    size_t left;
    bool failed;
};

static const msgpack_object *next(struct fields *f)
{
    if (f->left == 0)
        return NULL;
    f->left--;
    return f->at++;
}

static uint64_t get_u64(struct fields *f)
{
    const msgpack_object *o = next(f);
    if (o == NULL)
        return 0;
    if (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER) {
        f->failed = true;
        return 0;
    }
    return o->via.u64;
}

static uint32_t get_u32(struct fields *f)
{
    uint64_t v = get_u64(f);
    if (v > UINT32_MAX)
        f->failed = true;
    return (uint32_t)v;
}

static int64_t get_i64(struct fields *f)
{
    const msgpack_object *o = next(f);
    if (o == NULL)
        return 0;
    if (o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return o->via.i64;
    if (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER || o->via.u64 > INT64_MAX) {
        f->failed = true;
        return 0;
    }
    return (int64_t)o->via.u64;
}

static bool get_flag(struct fields *f)
{
    const msgpack_object *o = next(f);
    if (o == NULL)
        return false;
    f->failed |= o->type != MSGPACK_OBJECT_BOOLEAN;
    return o->type == MSGPACK_OBJECT_BOOLEAN && o->via.boolean;
}

static struct bytes get_bytes(struct fields *f)
{
    const msgpack_object *o = next(f);
    if (o == NULL)
        return BYTES_NONE;
    if (o->type != MSGPACK_OBJECT_BIN) {
        f->failed = true;
        return BYTES_NONE;
    }
    return bytes_make(o->via.bin.ptr, o->via.bin.size);
}

static struct uuid get_uuid(struct fields *f)
{
    struct uuid u = {{0}};
    struct bytes b = get_bytes(f);
    if (b.len == sizeof u.b)
        memcpy(u.b, b.data, sizeof u.b);
    else if (b.data != NULL)
        f->failed = true;
    return u;
}

static struct dot get_dot(struct fields *f)
{
    struct dot d = {{0, 0}, 0};
    const msgpack_object *o = next(f);
    if (o == NULL)
        return d;
    if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size != 3) {
        f->failed = true;
        return d;
    }
    struct fields inner = {o->via.array.ptr, 3, false};
    d.actor.node = get_u32(&inner);
    d.actor.boot = get_u32(&inner);
    d.n = get_u64(&inner);
    f->failed |= inner.failed;
    return d;
}

/* msgpack-c allocates what an array announces before it has seen the items. So look first: nothing
 * but scalars, byte strings and, one level down, small arrays, none announcing more than the input
 * holds. */
static bool plausible(struct reader *r, unsigned depth)
{
    uint8_t tag = read_u8(r);
    size_t items = 0;
    if (tag <= 0x7f || tag >= 0xe0 || tag == 0xc2 || tag == 0xc3)
        return !r->failed; /* small integer, boolean */
    if (tag >= 0x90 && tag <= 0x9f)
        items = tag & 15u;
    else if (tag == 0xdc)
        items = read_u16(r);
    else if (tag == 0xc4)
        (void)read_bytes(r, read_u8(r));
    else if (tag == 0xc5)
        (void)read_bytes(r, read_u16(r));
    else if (tag == 0xc6)
        (void)read_bytes(r, read_u32(r));
    else if (tag >= 0xcc && tag <= 0xd3)
        (void)read_bytes(r, (size_t)1 << (tag & 3)); /* u8 u16 u32 u64, i8 i16 i32 i64 */
    else
        return false;
    if (items > reader_left(r) || (items > 0 && depth == 0))
        return false;
    for (size_t i = 0; i < items; i++) {
        if (!plausible(r, depth - 1))
            return false;
    }
    return !r->failed;
}

static enum err decode_fields(struct fields *f, struct wire_message *ret)
{
    struct wire_message m;
    memset(&m, 0, sizeof m);
    uint32_t type = get_u32(f);
    m.from = get_u32(f);
    m.hlc = get_i64(f);
    m.epoch = get_u64(f);
    m.generation = get_u64(f);
    struct bytes trace = get_bytes(f);
    if (trace.len == sizeof m.trace.b)
        memcpy(m.trace.b, trace.data, sizeof m.trace.b);
    else if (trace.len > 0)
        return ERR_MALFORMED;
    m.type = (enum wire_type)type;
#define F(type, field) body->field = get_##type(f);
    switch (m.type) {
#define M(NAME, name, number)                                                                      \
    case WIRE_##NAME: {                                                                            \
        struct wire_##name *body = &m.name;                                                        \
        WIRE_##NAME(F) break;                                                                      \
    }
        WIRE_MESSAGES(M)
#undef M
    default: return ERR_MALFORMED;
    }
#undef F
    if (f->failed)
        return ERR_MALFORMED;
    *ret = m;
    return ERR_OK;
}

enum err wire_decode(struct bytes in, struct wire_message *ret)
{
    enum err err = ERR_MALFORMED;
    msgpack_zone zone;
    msgpack_object object;
    size_t used = 0;
    struct reader look = reader_make(in);
    if (in.len > WIRE_MESSAGE_MAX || !plausible(&look, 2) || !reader_done(&look))
        return ERR_MALFORMED;
    if (!msgpack_zone_init(&zone, 1024))
        return ERR_TOO_BIG;
    msgpack_unpack_return got =
        msgpack_unpack((const char *)in.data, in.len, &used, &zone, &object);
    if (got == MSGPACK_UNPACK_SUCCESS && used == in.len && object.type == MSGPACK_OBJECT_ARRAY &&
        object.via.array.size >= ENVELOPE_FIELDS) {
        struct fields f = {object.via.array.ptr, object.via.array.size, false};
        err = decode_fields(&f, ret);
    }
    msgpack_zone_destroy(&zone);
    return err;
}

const char *wire_name(enum wire_type type)
{
    switch (type) {
#define M(NAME, name, number)                                                                      \
    case WIRE_##NAME: return #NAME;
        WIRE_MESSAGES(M)
#undef M
    }
    return "?";
}
