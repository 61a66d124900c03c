#include "node/cql/exec/causality.h"

#include "ring/murmur3.h"

#include <string.h>

uint32_t causality_partition(keyspace_no keyspace, token at)
{
    uint8_t name[12];
    store_u32(name, keyspace);
    store_u64(name + 4, (uint64_t)at);
    return (uint32_t)murmur3_hash(bytes_make(name, sizeof name)).h1;
}

struct bytes causality_put(struct run *r, keyspace_no keyspace, token at, const struct dots *dots)
{
    struct buf b;
    struct dots some = *dots;
    if (some.count > SUPERSEDE_DOTS_MAX)
        some.count = SUPERSEDE_DOTS_MAX;
    buf_init(&b, BUF_MAX_DEFAULT);
    buf_put_u8(&b, CAUSALITY_VERSION);
    buf_put_u32(&b, causality_partition(keyspace, at));
    dots_encode(&some, &b);
    return run_take(r, &b);
}

enum err causality_read(struct bytes blob, struct arena *arena, struct causality *ret)
{
    struct reader in = reader_make(blob);
    *ret = (struct causality){.of_any = blob.len == 0};
    if (ret->of_any)
        return ERR_OK;
    uint8_t version = read_u8(&in);
    ret->partition = read_u32(&in);
    struct bytes rest = read_bytes(&in, reader_left(&in));
    if (in.failed || version != CAUSALITY_VERSION)
        return ERR_MALFORMED;
    return dots_decode(rest, arena, &ret->dots);
}

struct dots causality_join(struct run *r, const struct dots *a, const struct dots *b)
{
    struct dots both = {arena_array(r->arena, struct dot, a->count + b->count),
                        a->count + b->count};
    if (a->count > 0)
        memcpy(both.items, a->items, a->count * sizeof *a->items);
    if (b->count > 0)
        memcpy(both.items + a->count, b->items, b->count * sizeof *b->items);
    dots_normalise(&both);
    return both;
}
