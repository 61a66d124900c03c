/* wire_decode on any bytes; what it accepts must survive encoding and decoding. */
#include "base/mem.h"
#include "node/wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_message m, again;
    struct buf b;
    if (wire_decode(bytes_make(data, size), &m) != ERR_OK)
        return 0;
    buf_init(&b, WIRE_MESSAGE_MAX * 2);
    wire_encode(&m, &b);
    ASSERT(!b.failed);
    ASSERT(wire_decode(buf_bytes(&b), &again) == ERR_OK);
    ASSERT(again.type == m.type);
    buf_close(&b);
    return 0;
}
