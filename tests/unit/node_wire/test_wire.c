/* Every message with random fields, cut short everywhere, and made of random bytes. */
#include "base/rng.h"
#include "node/wire/wire.h"

#include <CUnit/CUnit.h>
#include <string.h>

static const enum wire_type types[] = {
#define M(NAME, name, number) WIRE_##NAME,
    WIRE_MESSAGES(M)
#undef M
};

static uint8_t blob[70000];

/* Small numbers and the ends of the range as often as any other: the encodings differ by size. */
static uint64_t random_number(struct rng *r)
{
    return rng_next(r) >> rng_below(r, 64);
}

static void random_u32(struct rng *r, uint32_t *v)
{
    *v = (uint32_t)(random_number(r) >> rng_below(r, 33));
}

static void random_u64(struct rng *r, uint64_t *v)
{
    *v = rng_below(r, 8) == 0 ? UINT64_MAX : random_number(r);
}

static void random_i64(struct rng *r, int64_t *v)
{
    *v = (int64_t)(rng_below(r, 2) == 0 ? random_number(r) : ~random_number(r));
}

static void random_flag(struct rng *r, bool *v)
{
    *v = rng_below(r, 2) == 1;
}

static void random_uuid(struct rng *r, struct uuid *v)
{
    *v = rng_uuid(r);
}

static void random_dot(struct rng *r, struct dot *v)
{
    random_u32(r, &v->actor.node);
    random_u32(r, &v->actor.boot);
    random_u64(r, &v->n);
}

static void random_bytes(struct rng *r, struct bytes *v)
{
    static const size_t sizes[] = {0, 1, 31, 32, 255, 256, 65535, 65536};
    *v = bytes_make(blob, rng_below(r, 4) == 0 ? sizes[rng_below(r, ARRAY_LEN(sizes))]
                                               : rng_below(r, 40));
}

static struct wire_message random_message(struct rng *r, enum wire_type type)
{
    struct wire_message m;
    memset(&m, 0, sizeof m);
    m.type = type;
    random_u32(r, &m.from);
    random_i64(r, &m.hlc);
    random_u64(r, &m.epoch);
#define F(type, field) random_##type(r, &body->field);
    switch (type) {
#define M(NAME, name, number)                                                                      \
    case WIRE_##NAME: {                                                                            \
        struct wire_##name *body = &m.name;                                                        \
        WIRE_##NAME(F) break;                                                                      \
    }
        WIRE_MESSAGES(M)
#undef M
    }
#undef F
    return m;
}

static bool same_u32(uint32_t a, uint32_t b)
{
    return a == b;
}

static bool same_u64(uint64_t a, uint64_t b)
{
    return a == b;
}

static bool same_i64(int64_t a, int64_t b)
{
    return a == b;
}

static bool same_flag(bool a, bool b)
{
    return a == b;
}

static bool same_uuid(struct uuid a, struct uuid b)
{
    return uuid_equal(&a, &b);
}

static bool same_dot(struct dot a, struct dot b)
{
    return dot_compare(a, b) == 0;
}

static bool same_bytes(struct bytes a, struct bytes b)
{
    return bytes_equal(a, b);
}

static bool is_same(const struct wire_message *a, const struct wire_message *b)
{
    bool same = a->type == b->type && same_u32(a->from, b->from) && same_i64(a->hlc, b->hlc) &&
                same_u64(a->epoch, b->epoch);
    if (!same)
        return false;
#define F(type, field) same &= same_##type(x->field, y->field);
    switch (a->type) {
#define M(NAME, name, number)                                                                      \
    case WIRE_##NAME: {                                                                            \
        const struct wire_##name *x = &a->name, *y = &b->name;                                     \
        WIRE_##NAME(F) break;                                                                      \
    }
        WIRE_MESSAGES(M)
#undef M
    }
#undef F
    return same;
}

static void fill_blob(struct rng *r)
{
    for (size_t i = 0; i < sizeof blob; i++)
        blob[i] = (uint8_t)rng_next(r);
}

static void every_message_is_read_back(void)
{
    struct rng r;
    struct buf b;
    rng_init(&r, 1);
    fill_blob(&r);
    buf_init(&b, WIRE_MESSAGE_MAX);
    for (size_t i = 0; i < 50 * ARRAY_LEN(types); i++) {
        struct wire_message m = random_message(&r, types[i % ARRAY_LEN(types)]), back;
        buf_clear(&b);
        wire_encode(&m, &b);
        CU_ASSERT_FALSE(b.failed);
        CU_ASSERT_EQUAL(wire_size(&m), b.len);
        CU_ASSERT_EQUAL_FATAL(wire_decode(buf_bytes(&b), &back), ERR_OK);
        CU_ASSERT_TRUE(is_same(&m, &back));
    }
    buf_close(&b);
}

/* Cut anywhere, or with anything after it, it is no message. */
static void truncated_or_too_long_is_malformed(void)
{
    struct rng r;
    struct buf b;
    struct wire_message m, back;
    rng_init(&r, 2);
    buf_init(&b, WIRE_MESSAGE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        m = random_message(&r, types[i]);
        buf_clear(&b);
        wire_encode(&m, &b);
        size_t step = b.len / 500 + 1;
        for (size_t len = 0; len < b.len; len += step)
            CU_ASSERT_EQUAL(wire_decode(bytes_make(b.data, len), &back), ERR_MALFORMED);
        CU_ASSERT_EQUAL(wire_decode(bytes_make(b.data, b.len - 1), &back), ERR_MALFORMED);
        buf_put_u8(&b, 0);
        CU_ASSERT_EQUAL(wire_decode(buf_bytes(&b), &back), ERR_MALFORMED);
    }
    buf_close(&b);
}

/* Whatever is accepted can be encoded and read again; nothing else happens. */
static void random_bytes_do_no_harm(void)
{
    struct rng r;
    struct buf b;
    struct wire_message m, back;
    rng_init(&r, 3);
    buf_init(&b, WIRE_MESSAGE_MAX);
    for (uint32_t i = 0; i < 20000; i++) {
        m = random_message(&r, types[i % ARRAY_LEN(types)]);
        buf_clear(&b);
        wire_encode(&m, &b);
        size_t flips = 1 + rng_below(&r, 8);
        for (size_t k = 0; k < flips; k++)
            b.data[rng_below(&r, b.len < 200 ? b.len : 200)] = (uint8_t)rng_next(&r);
        if (wire_decode(buf_bytes(&b), &m) != ERR_OK)
            continue;
        struct buf again;
        buf_init(&again, WIRE_MESSAGE_MAX);
        wire_encode(&m, &again);
        CU_ASSERT_EQUAL(wire_decode(buf_bytes(&again), &back), ERR_OK);
        CU_ASSERT_TRUE(is_same(&m, &back));
        buf_close(&again);
    }
    buf_close(&b);
}

/* Lengths that the input cannot hold are refused before anything is allocated for them. */
static void huge_announcements_are_malformed(void)
{
    static const struct {
        uint8_t bytes[12];
        size_t len;
    } rows[] = {
        {{0xdd, 0xff, 0xff, 0xff, 0xff}, 5},                                /* array of 4 G */
        {{0xdc, 0xff, 0xff, 0x01}, 4},                                      /* array of 64 Ki */
        {{0x95, 0x01, 0x00, 0x00, 0x00, 0xc6, 0xff, 0xff, 0xff, 0xff}, 10}, /* bytes of 4 G */
        {{0x95, 0x01, 0x00, 0x00, 0x00, 0xdc, 0xff, 0xff}, 8},              /* nested array */
        {{0xdf, 0xff, 0xff, 0xff, 0xff}, 5},                                /* map */
        {{0x95, 0x01, 0x00, 0x00, 0x00, 0x91, 0x91, 0x91, 0x91, 0x00}, 10}, /* deep */
        {{0x94, 0x01, 0x00, 0x00, 0xcb, 0, 0, 0, 0}, 9},                    /* a float */
    };
    struct wire_message m;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        CU_ASSERT_EQUAL(wire_decode(bytes_make(rows[i].bytes, rows[i].len), &m), ERR_MALFORMED);
}

/* An older sender lacks the last fields, a newer one has more. */
static void fields_may_lack_or_be_unknown(void)
{
    const uint8_t older[] = {0x96, 38, 0x07, 0x00, 0x05, 0x09, 0xc4, 0x00};
    const uint8_t no_uuid[] = {0x96, 38, 0x07, 0x00, 0x05, 0x09, 0xc4, 0x01, 'x'};
    const uint8_t newer[] = {0x98, 1, 0x07, 0x00, 0x05, 0x00, 0xc4, 0x00, 0xc4, 0x01, 'x', 0x2a};
    const uint8_t unknown[] = {0x96, 0x7f, 0x00, 0x00, 0x00, 0x00, 0xc4, 0x00};
    struct wire_message m;
    CU_ASSERT_EQUAL(wire_decode(bytes_make(no_uuid, sizeof no_uuid), &m), ERR_MALFORMED);
    CU_ASSERT_EQUAL(wire_decode(bytes_make(older, sizeof older), &m), ERR_OK);
    CU_ASSERT_TRUE(uuid_is_zero(&m.trace));
    CU_ASSERT_EQUAL(m.type, WIRE_META_APPLIED);
    CU_ASSERT_EQUAL(m.from, 7);
    CU_ASSERT_EQUAL(m.epoch, 5);
    CU_ASSERT_EQUAL(m.generation, 9);
    CU_ASSERT_EQUAL(m.meta_applied.applied, 0);
    CU_ASSERT_EQUAL(wire_decode(bytes_make(newer, sizeof newer), &m), ERR_OK);
    CU_ASSERT_TRUE(bytes_equal_text(m.gossip.payload, "x"));
    CU_ASSERT_EQUAL(wire_decode(bytes_make(unknown, sizeof unknown), &m), ERR_MALFORMED);
    CU_ASSERT_STRING_EQUAL(wire_name(WIRE_WRITE_ACK), "WRITE_ACK");
    CU_ASSERT_STRING_EQUAL(wire_name((enum wire_type)0x7f), "?");
}

CU_TestInfo wire_tests[] = {
    {"every message is read back", every_message_is_read_back},
    {"truncated or too long is malformed", truncated_or_too_long_is_malformed},
    {"random bytes do no harm", random_bytes_do_no_harm},
    {"huge announcements are malformed", huge_announcements_are_malformed},
    {"fields may lack or be unknown", fields_may_lack_or_be_unknown},
    CU_TEST_INFO_NULL,
};
