#include "node/schema/vint.h"

uint64_t vint_read(struct reader *r)
{
    uint8_t first = read_u8(r);
    unsigned more = 0;
    while (more < 8 && (first & (0x80u >> more)) != 0)
        more++;
    uint64_t v = more < 8 ? first & (0xffu >> more) : 0;
    for (unsigned i = 0; i < more; i++)
        v = v << 8 | read_u8(r);
    return v;
}

void vint_put(uint64_t v, struct buf *out)
{
    unsigned more = 0; /* bytes beyond the first, which holds 7 - more bits */
    while (more < 8 && v >> (7 * (more + 1)) != 0)
        more++;
    uint8_t bytes[9];
    for (unsigned i = 0; i <= more; i++)
        bytes[i] = (uint8_t)(more - i < 8 ? v >> (8 * (more - i)) : 0);
    bytes[0] = (uint8_t)(bytes[0] | (0xff00u >> more & 0xffu));
    buf_put(out, bytes, more + 1);
}
