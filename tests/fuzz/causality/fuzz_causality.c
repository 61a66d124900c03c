/* fuzz_causality.c - any bytes as what USING CAUSALITY brings. What is read has its dots in order,
 * finds each of them, and written again is read as the same. */
#include "base/mem.h"
#include "node/cql/exec/causality.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct dots *d, struct arena *arena)
{
    struct dots again;
    struct buf out;
    for (size_t i = 0; i < d->count; i++) {
        ASSERT(i == 0 || dot_compare(d->items[i - 1], d->items[i]) < 0);
        ASSERT(dots_have(d, d->items[i]));
    }
    buf_init(&out, BUF_MAX_DEFAULT);
    dots_encode(d, &out);
    enum err err = dots_decode(buf_bytes(&out), arena, &again);
    ASSERT(err == ERR_OK && again.count == d->count && d->count <= SUPERSEDE_DOTS_MAX);
    for (size_t i = 0; i < d->count; i++)
        ASSERT(dot_compare(d->items[i], again.items[i]) == 0);
    buf_close(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct causality c;
    enum err err = causality_read(bytes_make(data, size), &arena, &c);
    ASSERT((err == ERR_OK && c.of_any) == (size == 0));
    if (err == ERR_OK)
        check(&c.dots, &arena);
    arena_close(&arena);
    return 0;
}
