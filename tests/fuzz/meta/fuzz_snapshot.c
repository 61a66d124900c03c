/* Snapshots from anywhere: what is accepted keeps the invariants and is read back the same. */
#include "base/mem.h"
#include "node/meta/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct state s, again;
    struct buf b;
    if (state_decode(bytes_make(data, size), &s) != ERR_OK)
        return 0;
    topology_check(&s.topology);
    buf_init(&b, BUF_MAX_DEFAULT);
    state_encode(&s, &b);
    ASSERT(state_decode(buf_bytes(&b), &again) == ERR_OK);
    state_close(&again);
    state_close(&s);
    buf_close(&b);
    return 0;
}
