/* First byte: the type. The rest as bytes of a value (checked, printed, compared, normalized) and
 * as the text of every kind of constant. */
#include "base/mem.h"
#include "node/schema/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {"ascii",
                                    "bigint",
                                    "blob",
                                    "boolean",
                                    "counter",
                                    "date",
                                    "decimal",
                                    "double",
                                    "duration",
                                    "float",
                                    "inet",
                                    "int",
                                    "smallint",
                                    "text",
                                    "time",
                                    "timestamp",
                                    "timeuuid",
                                    "tinyint",
                                    "uuid",
                                    "varint",
                                    "list<int>",
                                    "set<text>",
                                    "map<decimal, varint>",
                                    "frozen<map<set<int>, list<duration>>>"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct buf out;
    const struct cql_type *type;
    if (size == 0)
        return 0;
    buf_init(&out, 1 << 24);
    enum err err = cql_type_parse(&a, bytes_text(types[data[0] % ARRAY_LEN(types)]), &type, NULL);
    ASSERT(err == ERR_OK);
    struct bytes v = bytes_make(data + 1, size - 1);
    if (value_validate(type, v, NULL) == ERR_OK) {
        value_print(type, v, &out);
        value_print_literal(type, v, &out);
        buf_clear(&out);
        value_canonical(type, v, &out);
        ASSERT(out.failed || value_compare(type, v, buf_bytes(&out)) == 0);
        buf_clear(&out);
        value_normalize(type, v, &out);
        err = value_validate(type, buf_bytes(&out), NULL);
        ASSERT(out.failed || err == ERR_OK);
    }
    for (int kind = LITERAL_STRING; kind <= LITERAL_DURATION && size < 4096; kind++) {
        buf_clear(&out);
        if (value_from_literal(type, (enum literal_kind)kind, v, "v", &out, NULL) == ERR_OK) {
            err = value_validate(type, buf_bytes(&out), NULL);
            ASSERT(err == ERR_OK);
        }
    }
    buf_close(&out);
    arena_close(&a);
    return 0;
}
