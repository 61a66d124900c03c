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
                                    "frozen<map<text, frozen<set<varint>>>>",
                                    "tuple<int, text, tuple<decimal, blob>>",
                                    "vector<float, 3>",
                                    "vector<text, 2>",
                                    "vector<duration, 2>",
                                    "frozen<u>"};

/* What `u` stands for. */
static const char *const field_names[] = {"a", "b"};

static const struct cql_type *type_of(struct arena *a, uint8_t which)
{
    const struct cql_type *items[ARRAY_LEN(field_names)] = {cql_type_native(CQL_DECIMAL),
                                                            cql_type_native(CQL_TEXT)};
    const struct cql_type *u = cql_type_udt(a, "k", "u", field_names, items, 2, false);
    const struct cql_types scope = {"k", &u, 1};
    const struct cql_type *type;
    enum err err = cql_type_parse(a, bytes_text(types[which % ARRAY_LEN(types)]), &type, NULL);
    ASSERT(err == ERR_OK);
    err = cql_type_resolve(a, type, &scope, &type, NULL);
    ASSERT(err == ERR_OK);
    return type;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct buf value;
    struct buf key;
    struct buf again;
    if (size == 0)
        return 0;
    bool reversed = data[0] >= 0x80;
    buf_init(&value, 1 << 24);
    buf_init(&key, 1 << 24);
    buf_init(&again, 1 << 24);
    const struct cql_type *type = type_of(&a, data[0] % 0x80);
    struct reader r = reader_make(bytes_make(data + 1, size - 1));
    if (order_decode(type, reversed, &r, &value) == ERR_OK) {
        enum err err = order_encode(type, reversed, buf_bytes(&value), &key, NULL);
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
