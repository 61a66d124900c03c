#include "storage/counter.h"

#include "base/bytes.h"

#include <string.h>
#include <xxhash.h>

void counter_id(struct bytes name, uint8_t ret_id[COUNTER_ID_SIZE])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(name.data, name.len));
    memcpy(ret_id, canonical.digest, COUNTER_ID_SIZE);
}

static struct bytes number(int64_t v, struct arena *arena)
{
    uint8_t *p = arena_alloc(arena, 8);
    store_u64(p, (uint64_t)v);
    return bytes_make(p, 8);
}

struct cell counter_increment(uint32_t column, const uint8_t id[COUNTER_ID_SIZE], int64_t delta,
                              int64_t timestamp, struct arena *arena)
{
    return (struct cell){.column = column,
                         .kind = CELL_LIVE,
                         .timestamp = timestamp,
                         .has_path = true,
                         .path = arena_copy(arena, bytes_make(id, COUNTER_ID_SIZE)),
                         .value = number(delta, arena)};
}

bool cell_is_increment(const struct cell *c)
{
    return c->has_path && c->kind == CELL_LIVE && c->path.len == COUNTER_ID_SIZE &&
           c->value.len == 8;
}

bool counter_read(const struct cell *cells, size_t count, int64_t now_s, struct arena *arena,
                  struct cell *ret)
{
    uint64_t sum = 0;
    bool live = false;
    struct cell out = {.kind = CELL_LIVE, .timestamp = TIMESTAMP_NONE};
    for (size_t i = 0; i < count; i++) {
        if (!cell_is_live(&cells[i], now_s) || cells[i].value.len != 8)
            continue; /* of another length: bytes of a peer, that nobody counted */
        live = true;
        sum += load_u64(cells[i].value.data);
        out.column = cells[i].column;
        if (cells[i].timestamp > out.timestamp)
            out.timestamp = cells[i].timestamp;
    }
    if (!live)
        return false;
    out.value = number((int64_t)sum, arena);
    *ret = out;
    return true;
}
