/* First byte: the type. The rest as bytes of a value (checked, printed, compared, normalized, taken
 * apart, kept with its form) and as the text of every kind of constant and of the whole value. */
#include "base/mem.h"
#include "node/schema/form.h"
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
                                    "frozen<map<set<int>, list<duration>>>",
                                    "tuple<int, text, tuple<decimal, list<varint>>>",
                                    "vector<float, 3>",
                                    "vector<text, 2>",
                                    "vector<duration, 2>",
                                    "u",
                                    "frozen<map<frozen<u>, vector<frozen<u>, 2>>>"};

/* What `u` stands for. */
static const char *const field_names[] = {"a", "b", "c"};

static const struct cql_type *type_of(struct arena *a, uint8_t which)
{
    const struct cql_type *items[ARRAY_LEN(field_names)] = {cql_type_native(CQL_DECIMAL),
                                                            cql_type_native(CQL_TEXT), NULL};
    items[2] = cql_type_set(a, cql_type_native(CQL_INT), true);
    const struct cql_type *u = cql_type_udt(a, "k", "u", field_names, items, 3, false);
    const struct cql_types scope = {"k", &u, 1};
    const struct cql_type *type;
    enum err err = cql_type_parse(a, bytes_text(types[which % ARRAY_LEN(types)]), &type, NULL);
    ASSERT(err == ERR_OK);
    err = cql_type_resolve(a, type, &scope, &type, NULL);
    ASSERT(err == ERR_OK);
    return type;
}

/* Every part is a value of its type. */
static void check_parts(const struct cql_type *type, struct bytes v)
{
    struct value_parts parts = value_parts_open(type, v);
    struct value_part part;
    while (value_parts_next(&parts, &part)) {
        if (part.null) {
            ASSERT(cql_type_is_tuple(type));
            continue;
        }
        enum err err = value_validate(part.type, part.bytes, NULL);
        ASSERT(err == ERR_OK);
    }
}

/* What was kept beside the key of an equal value is what was written. */
static void check_form(const struct cql_type *type, struct bytes v)
{
    struct buf key;
    struct buf stored;
    struct bytes form;
    struct bytes rest;
    buf_init(&key, 1 << 24);
    buf_init(&stored, 1 << 24);
    value_canonical(type, v, &key);
    form_put(v, bytes_text("rest"), &stored);
    if (!key.failed && !stored.failed) {
        bool taken = form_take(buf_bytes(&stored), &form, &rest);
        ASSERT(taken && bytes_equal(rest, bytes_text("rest")));
        ASSERT(bytes_equal(form_or_key(type, form, buf_bytes(&key)), v));
    }
    buf_close(&key);
    buf_close(&stored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct buf out;
    struct bytes form;
    struct bytes rest;
    enum err err;
    if (size == 0)
        return 0;
    buf_init(&out, 1 << 24);
    const struct cql_type *type = type_of(&a, data[0]);
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
        check_parts(type, v);
        if (form_kept(type))
            check_form(type, v);
    }
    if (form_take(v, &form, &rest))
        ASSERT(form.len + rest.len < v.len);
    buf_clear(&out);
    if (size < 4096 && value_from_text(type, v, &out, NULL) == ERR_OK && !out.failed) {
        err = value_validate(type, buf_bytes(&out), NULL);
        ASSERT(err == ERR_OK);
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
