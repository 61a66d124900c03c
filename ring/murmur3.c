#include "ring/murmur3.h"

#define C1 0x87c37b91114253d5u
#define C2 0x4cf5ad432745937fu

static uint64_t rotate(uint64_t v, int n)
{
    return v << n | v >> (64 - n);
}

static uint64_t mix(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdu;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53u;
    h ^= h >> 33;
    return h;
}

static uint64_t scramble_1(uint64_t k)
{
    return rotate(k * C1, 31) * C2;
}

static uint64_t scramble_2(uint64_t k)
{
    return rotate(k * C2, 33) * C1;
}

static uint64_t load_little_u64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/* Up to eight bytes of the tail. A byte from 0x80 is a negative Java byte: widened before the shift
 * it sets every bit above it too. This is the "sign bug" that all drivers repeat. */
static uint64_t load_tail(const uint8_t *p, size_t len)
{
    uint64_t v = 0;
    for (size_t i = 0; i < len; i++)
        v ^= (uint64_t)(int64_t)(int8_t)p[i] << (8 * i);
    return v;
}

struct murmur3 murmur3_hash(struct bytes key)
{
    struct murmur3 h = {0, 0};
    size_t whole = key.len / 16 * 16;
    size_t left = key.len - whole;
    for (size_t at = 0; at < whole; at += 16) {
        h.h1 ^= scramble_1(load_little_u64(key.data + at));
        h.h1 = (rotate(h.h1, 27) + h.h2) * 5 + 0x52dce729;
        h.h2 ^= scramble_2(load_little_u64(key.data + at + 8));
        h.h2 = (rotate(h.h2, 31) + h.h1) * 5 + 0x38495ab5;
    }
    if (left > 8)
        h.h2 ^= scramble_2(load_tail(key.data + whole + 8, left - 8));
    if (left > 0)
        h.h1 ^= scramble_1(load_tail(key.data + whole, left < 8 ? left : 8));
    h.h1 ^= key.len;
    h.h2 ^= key.len;
    h.h1 += h.h2;
    h.h2 += h.h1;
    h.h1 = mix(h.h1);
    h.h2 = mix(h.h2);
    h.h1 += h.h2;
    h.h2 += h.h1;
    return h;
}

token murmur3_token(struct bytes key)
{
    if (key.len == 0)
        return INT64_MIN;
    token t = (token)murmur3_hash(key).h1;
    return t == INT64_MIN ? INT64_MAX : t;
}
