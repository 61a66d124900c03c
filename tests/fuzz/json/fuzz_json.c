/* First byte: the type. The rest as a text of JSON: read, printed, made a value of the type, and
 * the value made JSON and a value again. */
#include "base/mem.h"
#include "node/schema/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {"ascii",
                                    "bigint",
                                    "blob",
                                    "boolean",
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
                                    "map<timestamp, frozen<list<blob>>>",
                                    "frozen<map<frozen<set<int>>, duration>>",
                                    "tuple<int, text, frozen<map<boolean, inet>>>",
                                    "vector<float, 2>",
                                    "vector<text, 2>"};

/* A value may be empty where the JSON was an empty string; what has parts may hold such. */
static void check_value(struct arena *a, const struct cql_type *type, struct bytes v)
{
    struct buf text, again;
    struct json j;
    bool null;
    if (value_validate(type, v, NULL) != ERR_OK)
        return;
    buf_init(&text, 1 << 24);
    buf_init(&again, 1 << 24);
    value_print_json(type, v, &text);
    if (!text.failed) {
        enum err err = json_read(a, buf_bytes(&text), &j, NULL);
        ASSERT(err == ERR_OK);
        err = value_from_json(a, type, &j, &again, &null, NULL);
        if (err == ERR_OK && !null && value_validate(type, buf_bytes(&again), NULL) == ERR_OK)
            (void)value_compare(type, v, buf_bytes(&again));
    }
    buf_close(&text);
    buf_close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct buf out;
    struct json j;
    struct errmsg e;
    const struct cql_type *type;
    bool null;
    if (size == 0 || size > 65536)
        return 0;
    buf_init(&out, 1 << 24);
    enum err err = cql_type_parse(&a, bytes_text(types[data[0] % ARRAY_LEN(types)]), &type, NULL);
    ASSERT(err == ERR_OK);
    if (json_read(&a, bytes_make(data + 1, size - 1), &j, &e) == ERR_OK) {
        json_print_plain(&j, &out);
        buf_clear(&out);
        if (value_from_json(&a, type, &j, &out, &null, &e) == ERR_OK) {
            ASSERT(!null || out.len == 0);
            if (!null && !out.failed)
                check_value(&a, type, buf_bytes(&out));
        }
    }
    buf_close(&out);
    arena_close(&a);
    return 0;
}
