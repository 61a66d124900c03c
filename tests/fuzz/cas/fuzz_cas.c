/* cas_register_decode on any bytes; what it accepts must survive encoding and merging with itself.
 */
#include "base/mem.h"
#include "node/coord/cas_register.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cas_register r, again;
    struct buf b;
    if (cas_register_decode(bytes_make(data, size), &r) != ERR_OK)
        return 0;
    buf_init(&b, BUF_MAX_DEFAULT);
    cas_register_encode(&r, &b);
    enum err err = cas_register_decode(buf_bytes(&b), &again);
    ASSERT(err == ERR_OK);
    ASSERT(ballot_order(again.promised, r.promised) == 0);
    ASSERT(bytes_equal(again.value, r.value));
    cas_register_merge(&again, &r);
    ASSERT(ballot_order(again.accepted, r.accepted) == 0);
    buf_close(&b);
    return 0;
}
