/* First byte: the type and the direction. The rest as an encoded key: an error, or a value that
 * encodes and decodes to itself. */
#include "base/mem.h"
#include "node/schema/order.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {"bigint",
                                    "blob",
                                    "boolean",
                                    "date",
                                    "decimal",
                                    "double",
                                    "float",
                                    "inet",
                                    "int",
                                    "text",
                                    "time",
                                    "smallint",
                                    "timestamp",
                                    "timeuuid",
                                    "tinyint",
                                    "uuid",
                                    "varint",
                                    "frozen<list<decimal>>",
                                    "frozen<map<text, frozen<set<varint>>>>"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct buf value;
    struct buf key;
    struct buf again;
    const struct cql_type *type;
    if (size == 0)
        return 0;
    bool reversed = data[0] >= 0x80;
    buf_init(&value, 1 << 24);
    buf_init(&key, 1 << 24);
    buf_init(&again, 1 << 24);
    enum err err =
        cql_type_parse(&a, bytes_text(types[data[0] % 0x80 % ARRAY_LEN(types)]), &type, NULL);
    ASSERT(err == ERR_OK);
    struct reader r = reader_make(bytes_make(data + 1, size - 1));
    if (order_decode(type, reversed, &r, &value) == ERR_OK) {
        err = order_encode(type, reversed, buf_bytes(&value), &key, NULL);
        ASSERT(err == ERR_OK);
        struct reader back = reader_make(buf_bytes(&key));
        err = order_decode(type, reversed, &back, &again);
        ASSERT(err == ERR_OK && reader_done(&back));
        ASSERT(value_compare(type, buf_bytes(&value), buf_bytes(&again)) == 0);
    }
    buf_close(&value);
    buf_close(&key);
    buf_close(&again);
    arena_close(&a);
    return 0;
}
