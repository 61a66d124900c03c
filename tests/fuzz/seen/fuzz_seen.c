/* fuzz_seen.c - any bytes as a session's token: as they are, and with the sum that they should
 * have, as a forger would send them. What decodes survives encoding, and being merged with others,
 * within its bounds. */
#include "base/mem.h"
#include "storage/clock.h"
#include "storage/seen.h"

#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool equal(const struct seen *a, const struct seen *b)
{
    if (a->time_us != b->time_us || a->floor != b->floor || a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct seen_entry *x = &a->items[i], *y = &b->items[i];
        if (x->keyspace != y->keyspace || x->range != y->range || x->n != y->n ||
            x->quorum != y->quorum || actor_compare(x->actor, y->actor) != 0)
            return false;
    }
    return true;
}

static void try(struct bytes in)
{
    struct arena arena;
    struct buf out;
    struct seen s, again, sum = {0};
    arena_init(&arena);
    buf_init(&out, SEEN_BYTES_MAX);
    if (seen_decode(in, &arena, &s) == ERR_OK) {
        seen_encode(&s, &out);
        enum err err = seen_decode(buf_bytes(&out), &arena, &again);
        ASSERT(err == ERR_OK);
        ASSERT(equal(&s, &again));
        for (uint32_t i = 0; i < SEEN_ENTRIES_MAX; i += 3)
            seen_note(&sum, &arena, (struct seen_entry){i, i, {i, 1}, i + 1, i % 2 == 0});
        seen_merge(&sum, &arena, &s);
        ASSERT(sum.count <= SEEN_ENTRIES_MAX);
        for (size_t i = 0; i < s.count; i++) {
            struct clock need;
            clock_init(&need);
            bool any = seen_need(&s, s.items[i].keyspace, s.items[i].range, &need);
            ASSERT(any);
            clock_check(&need);
            ASSERT(clock_has(&need, (struct dot){s.items[i].actor, s.items[i].n}));
            clock_close(&need);
        }
        buf_clear(&out);
        seen_encode(&sum, &out);
        err = seen_decode(buf_bytes(&out), &arena, &again);
        ASSERT(err == ERR_OK);
        ASSERT(equal(&sum, &again));
    }
    buf_close(&out);
    arena_close(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf forged;
    try(bytes_make(data, size));
    buf_init(&forged, SIZE_MAX);
    buf_put(&forged, data, size);
    buf_put_u32(&forged, (uint32_t)XXH3_64bits(data, size));
    try(buf_bytes(&forged));
    buf_close(&forged);
    return 0;
}
