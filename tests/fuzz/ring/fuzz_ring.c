/* fuzz_ring.c - any bytes as a ring and as a diff; what decodes must survive encoding. */
#include "base/mem.h"
#include "ring/ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct ring *ring)
{
    struct buf out;
    struct ring *again = NULL;
    buf_init(&out, BUF_MAX_DEFAULT);
    ring_encode(ring, &out);
    enum err err = ring_decode(buf_bytes(&out), &again);
    ASSERT(err == ERR_OK);
    ASSERT(ring_equal(ring, again));
    ring_free(again);
    buf_close(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ring *ring = NULL;
    struct ring *changed = NULL;
    size_t half = size / 2;
    if (ring_decode(bytes_make(data, size), &ring) == ERR_OK) {
        check_again(ring);
        ring_free(ring);
    }
    if (ring_decode(bytes_make(data, half), &ring) != ERR_OK)
        return 0;
    if (ring_apply_diff(ring, bytes_make(data + half, size - half), &changed) == ERR_OK) {
        check_again(changed);
        ring_free(changed);
    }
    ring_free(ring);
    return 0;
}
