/* fragment.c - see fragment.h. */
#include "storage/fragment.h"

#include "base/mutant.h"

#include <xxhash.h>

#define SUM_SIZE 4

static uint32_t sum_of(struct bytes key, struct bytes body)
{
    uint64_t sum = XXH3_64bits_withSeed(body.data, body.len, XXH3_64bits(key.data, key.len));
    return (uint32_t)(sum ^ sum >> 32);
}

void fragment_seal(struct bytes key, struct buf *value)
{
    buf_put_u32(value, sum_of(key, buf_bytes(value)));
}

enum err fragment_open(struct bytes key, struct bytes value, struct bytes *ret_body)
{
    if (value.len < SUM_SIZE)
        return ERR_CORRUPT;
    *ret_body = bytes_make(value.data, value.len - SUM_SIZE);
    bool good = load_u32(value.data + ret_body->len) == sum_of(key, *ret_body);
    return good || MUTANT(flipped_bit_is_data) ? ERR_OK : ERR_CORRUPT;
}
