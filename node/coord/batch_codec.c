#include "node/coord/batch_codec.h"

#include "ring/murmur3.h"

void batch_encode(const struct mutation *mutations, size_t count, struct buf *out)
{
    buf_put_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        struct buf part, supersede;
        buf_init(&part, BATCH_BYTES_MAX);
        buf_init(&supersede, BATCH_BYTES_MAX);
        part_encode(&mutations[i].part, &part);
        supersede_encode(&mutations[i].supersede, &supersede);
        out->failed |= part.failed || supersede.failed;
        buf_put_u32(out, mutations[i].keyspace);
        buf_put_vbytes(out, buf_bytes(&part));
        buf_put_vbytes(out, buf_bytes(&supersede));
        buf_close(&part);
        buf_close(&supersede);
    }
}

enum err batch_decode(struct bytes in, struct arena *arena, struct mutation **ret,
                      size_t *ret_count)
{
    struct reader r = reader_make(in);
    uint32_t count = read_u32(&r);
    if (r.failed || count > reader_left(&r))
        return ERR_MALFORMED;
    struct mutation *items = arena_array(arena, struct mutation, count);
    for (uint32_t i = 0; i < count; i++) {
        items[i].keyspace = read_u32(&r);
        struct bytes part = read_vbytes(&r);
        struct bytes supersede = read_vbytes(&r);
        if (r.failed || part_decode(part, arena, &items[i].part) != ERR_OK ||
            supersede_decode(supersede, arena, &items[i].supersede) != ERR_OK ||
            items[i].part.token != murmur3_token(items[i].part.key))
            return ERR_MALFORMED;
    }
    *ret = items;
    *ret_count = count;
    return reader_done(&r) ? ERR_OK : ERR_MALFORMED;
}
