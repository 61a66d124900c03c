#include "node/sim/run/gen.h"

#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

static const struct {
    const char *name;
    enum cells_order order;
    uint32_t values;
} types[] = {
#define X(name, cql, order, values) {cql, CELLS_##order, values},
    GEN_TYPES(X)
#undef X
};

const char *gen_type_name(enum gen_type type)
{
    return types[type].name;
}

enum cells_order gen_type_order(enum gen_type type)
{
    return types[type].order;
}

uint32_t gen_type_values(enum gen_type type)
{
    return types[type].values;
}

struct out {
    struct arena *a;
    struct buf *cql; /* may be NULL */
};

static void say(const struct out *o, const char *text)
{
    if (o->cql != NULL)
        buf_put_text(o->cql, text);
}

static struct bytes big_endian(const struct out *o, int64_t v, size_t width)
{
    uint8_t b[8];
    store_u64(b, (uint64_t)v);
    return arena_copy(o->a, bytes_make(b + 8 - width, width));
}

/* Two's complement, as few bytes as can be. */
static struct bytes shortest(const struct out *o, int64_t v)
{
    size_t width = 8;
    while (width > 1 && v >= -(INT64_C(1) << (8 * width - 9)) && v < INT64_C(1) << (8 * width - 9))
        width--;
    return big_endian(o, v, width);
}

static struct bytes number(const struct out *o, int64_t v, size_t width)
{
    say(o, arena_printf(o->a, "%" PRId64, v));
    return width > 0 ? big_endian(o, v, width) : shortest(o, v);
}

/* The n-th string of three parts, shorter ones first; 0 is the empty one. */
static struct bytes string_of(const struct out *o, uint64_t n, const char *const parts[3])
{
    const char *chosen[64];
    size_t count = 0, len = 0;
    for (; n > 0; n = (n - 1) / 3) {
        chosen[count++] = parts[(n - 1) % 3];
        len += strlen(chosen[count - 1]);
    }
    uint8_t *bytes = arena_alloc(o->a, len + 1), *at = bytes;
    while (count-- > 0) {
        size_t some = strlen(chosen[count]);
        memcpy(at, chosen[count], some);
        at += some;
    }
    return bytes_make(bytes, len);
}

static struct bytes quoted(const struct out *o, struct bytes text)
{
    say(o, "'");
    for (size_t i = 0; o->cql != NULL && i < text.len; i++) {
        if (text.data[i] == '\'')
            buf_put_u8(o->cql, '\'');
        buf_put_u8(o->cql, text.data[i]);
    }
    say(o, "'");
    return text;
}

static struct bytes blob(const struct out *o, uint64_t n)
{
    /* zeros are what keys escape, and no string has them: 'x' stands for one */
    static const char *const parts[3] = {"x", "\x7f", "\xff"};
    struct bytes b = string_of(o, n, parts);
    uint8_t *at = arena_alloc(o->a, b.len + 1);
    say(o, "0x");
    for (size_t i = 0; i < b.len; i++) {
        at[i] = b.data[i] == 'x' ? 0 : b.data[i];
        say(o, arena_printf(o->a, "%02x", at[i]));
    }
    return bytes_make(at, b.len);
}

static struct bytes uuid(const struct out *o, uint64_t n)
{
    uint8_t b[16];
    uint64_t mixed = (n + 1) * UINT64_C(0x9e3779b97f4a7c15); /* odd: no two become one */
    store_u64(b, mixed);
    store_u64(b + 8, mixed);
    b[6] = (uint8_t)(0x40 | (b[6] & 0x0f));
    b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));
    store_u32(b + 12, (uint32_t)n);
    for (size_t i = 0; i < sizeof b; i++)
        say(o, arena_printf(o->a, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", b[i]));
    return arena_copy(o->a, bytes_make(b, sizeof b));
}

/* -1.5, -1, -0.5, 0, 0.5 … without trailing zeros, which is how they come back from keys. */
static struct bytes decimal(const struct out *o, uint64_t n)
{
    int64_t halves = (int64_t)n - 3;
    int64_t size = halves < 0 ? -halves : halves;
    bool whole = halves % 2 == 0;
    struct bytes digits = shortest(o, whole ? halves / 2 : halves * 5);
    uint8_t *b = arena_alloc(o->a, 4 + digits.len);
    store_u32(b, whole ? 0 : 1);
    memcpy(b + 4, digits.data, digits.len);
    say(o,
        arena_printf(o->a, "%s%" PRId64 "%s", halves < 0 ? "-" : "", size / 2, whole ? "" : ".5"));
    return bytes_make(b, 4 + digits.len);
}

static struct bytes real(const struct out *o, uint64_t n, size_t width)
{
    double d = ((double)n - 2) / 2;
    float f = (float)d;
    uint64_t u;
    uint32_t v;
    memcpy(&u, &d, sizeof u);
    memcpy(&v, &f, sizeof v);
    say(o, arena_printf(o->a, "%.1f", d));
    return width == 8 ? big_endian(o, (int64_t)u, 8) : big_endian(o, v, 4);
}

static struct bytes clock_time(const struct out *o, uint64_t n)
{
    say(o, arena_printf(o->a, "'00:%02u:%02u.%09u'", (unsigned)(n % 3), 0U, (unsigned)n));
    return big_endian(o, (int64_t)(n % 3 * 60 * UINT64_C(1000000000) + n), 8);
}

static struct bytes inet(const struct out *o, uint64_t n)
{
    uint8_t b[16] = {0xfd};
    uint32_t half = (uint32_t)(n / 2);
    if (n % 2 == 0) {
        store_u32(b, UINT32_C(10) << 24 | half);
        say(o, arena_printf(o->a, "'10.%u.%u.%u'", b[1], b[2], b[3]));
        return arena_copy(o->a, bytes_make(b, 4));
    }
    store_u32(b + 12, half);
    say(o, arena_printf(o->a, "'fd00::%x:%x'", half >> 16, half & 0xffff));
    return arena_copy(o->a, bytes_make(b, 16));
}

/* The elements are those bits of n that are set, ascending: so they come back. In the literal they
 * are the other way round, but for lists. */
static struct bytes frozen(const struct out *o, enum gen_type type, uint64_t n)
{
    const struct out quiet = {o->a, NULL};
    struct buf bytes;
    const char *between = "";
    buf_init(&bytes, 4096);
    buf_put_u32(&bytes, (uint32_t)__builtin_popcountll(n));
    say(o, type == GEN_frozen_list ? "[" : "{");
    for (int i = 0; i < 64; i++) {
        int bit = type == GEN_frozen_list ? i : 63 - i;
        if ((n >> i & 1) == 1) {
            struct bytes text =
                type == GEN_frozen_map ? gen_value(GEN_text, n % 7, o->a, NULL) : BYTES_NONE;
            buf_put_u32(&bytes, 4);
            buf_put_bytes(&bytes, number(&quiet, i, 4));
            if (type == GEN_frozen_map) {
                buf_put_u32(&bytes, (uint32_t)text.len);
                buf_put_bytes(&bytes, text);
            }
        }
        if ((n >> bit & 1) == 1) {
            say(o, between);
            number(o, bit, 4);
            if (type == GEN_frozen_map) {
                say(o, ": ");
                gen_value(GEN_text, n % 7, o->a, o->cql);
            }
            between = ", ";
        }
    }
    say(o, type == GEN_frozen_list ? "]" : "}");
    struct bytes made = arena_copy(o->a, buf_bytes(&bytes));
    buf_close(&bytes);
    return made;
}

struct bytes gen_value(enum gen_type type, uint64_t n, struct arena *a, struct buf *cql)
{
    static const char *const letters[3] = {"a", "'", "\xc3\xa9"}, *const ascii[3] = {"a", "'", "z"};
    const struct out o = {a, cql};
    switch (type) {
    case GEN_int: return number(&o, (int64_t)n - 2, 4);
    case GEN_bigint: return number(&o, ((int64_t)n - 2) * 1000003, 8);
    case GEN_text: return quoted(&o, string_of(&o, n, letters));
    case GEN_blob: return blob(&o, n);
    case GEN_uuid: return uuid(&o, n);
    case GEN_varint: return number(&o, ((int64_t)n - 3) * 97, 0);
    case GEN_decimal: return decimal(&o, n);
    case GEN_timestamp: return number(&o, ((int64_t)n - 2) * 1001, 8);
    case GEN_double: return real(&o, n, 8);
    case GEN_ascii: return quoted(&o, string_of(&o, n, ascii));
    case GEN_date: return number(&o, (int64_t)n + 2147483646, 4);
    case GEN_time: return clock_time(&o, n);
    case GEN_inet: return inet(&o, n);
    case GEN_float: return real(&o, n, 4);
    case GEN_smallint: return number(&o, ((int64_t)n - 2) * 30, 2);
    case GEN_tinyint: return number(&o, (int64_t)n - 2, 1);
    case GEN_boolean:
        say(&o, n % 2 == 1 ? "true" : "false");
        return big_endian(&o, (int64_t)(n % 2), 1);
    case GEN_frozen_list:
    case GEN_frozen_set:
    case GEN_frozen_map: return frozen(&o, type, n);
    case GEN_TYPE_COUNT: break;
    }
    ASSERT(type < GEN_TYPE_COUNT);
    return BYTES_NONE;
}
