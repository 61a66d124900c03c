/* batch_decode and hint_decode on any bytes; what they accept is the same after encoding and
 * decoding. */
#include "base/mem.h"
#include "node/coord/batch_codec.h"
#include "node/coord/hints.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hint_of(struct bytes in)
{
    struct arena arena = {0};
    struct hint_record r, again;
    struct buf first, second;
    buf_init(&first, STORE_BATCH_MAX);
    buf_init(&second, STORE_BATCH_MAX);
    if (hint_decode(in, &arena, &r) == ERR_OK) {
        hint_encode(&r, &first);
        ASSERT(!first.failed);
        ASSERT(hint_decode(buf_bytes(&first), &arena, &again) == ERR_OK);
        hint_encode(&again, &second);
        ASSERT(bytes_equal(buf_bytes(&first), buf_bytes(&second)));
    }
    buf_close(&first);
    buf_close(&second);
    arena_close(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hint_of(bytes_make(data, size));
    struct arena arena = {0};
    struct mutation *m, *again;
    size_t count, count_again;
    struct buf first, second;
    buf_init(&first, BATCH_BYTES_MAX * 4);
    buf_init(&second, BATCH_BYTES_MAX * 4);
    if (batch_decode(bytes_make(data, size), &arena, &m, &count) == ERR_OK) {
        batch_encode(m, count, &first);
        ASSERT(!first.failed);
        ASSERT(batch_decode(buf_bytes(&first), &arena, &again, &count_again) == ERR_OK);
        ASSERT(count_again == count);
        batch_encode(again, count, &second);
        ASSERT(bytes_equal(buf_bytes(&first), buf_bytes(&second)));
    }
    buf_close(&first);
    buf_close(&second);
    arena_close(&arena);
    return 0;
}
