/* json_value.c - values of CQL from JSON, type by type. */
#include "node/schema/json.h"

#include "base/mem.h"
#include "node/schema/number.h"
#include "node/schema/value_time.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct bytes json_name(struct arena *a, struct bytes name)
{
    if (name.len >= 2 && name.data[0] == '"' && name.data[name.len - 1] == '"')
        return bytes_make(name.data + 1, name.len - 2);
    struct bytes lower = arena_copy(a, name);
    uint8_t *p = arena_alloc(a, name.len + 1);
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = lower.data[i];
        p[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 0x20) : c;
    }
    return bytes_make(p, name.len);
}

/* --- texts in errors: as Java prints what its JSON library makes of them */

static const char *class_of(const struct json *j)
{
    int64_t v;
    switch (j->kind) {
    case JSON_TRUE:
    case JSON_FALSE: return "Boolean";
    case JSON_STRING: return "String";
    case JSON_ARRAY: return "ArrayList";
    case JSON_OBJECT: return "LinkedHashMap";
    case JSON_NUMBER: break;
    default: return "null";
    }
    if (j->real)
        return "Double";
    if (!integer_from_text(j->text, &v))
        return "BigInteger";
    return v == (int32_t)v ? "Integer" : "Long";
}

static double real_of(const struct json *j)
{
    char text[400];
    size_t n = j->text.len < sizeof text - 1 ? j->text.len : sizeof text - 1;
    memcpy(text, j->text.data, n);
    text[n] = 0;
    if (n == j->text.len)
        return strtod(text, NULL);
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    buf_put_bytes(&b, j->text);
    buf_put_u8(&b, 0);
    double d = b.failed ? 0 : strtod((const char *)b.data, NULL);
    buf_close(&b);
    return d;
}

void json_print_plain(const struct json *j, struct buf *out)
{
    bool object = j->kind == JSON_OBJECT;
    switch (j->kind) {
    case JSON_NULL: buf_put_text(out, "null"); return;
    case JSON_TRUE: buf_put_text(out, "true"); return;
    case JSON_FALSE: buf_put_text(out, "false"); return;
    case JSON_STRING: buf_put_bytes(out, j->text); return;
    case JSON_NUMBER:
        if (j->real)
            double_print(real_of(j), out);
        else
            buf_put_bytes(out, j->text);
        return;
    default: break;
    }
    buf_put_u8(out, object ? '{' : '[');
    for (size_t i = 0; i < j->count; i++) {
        if (i > 0)
            buf_put_text(out, ", ");
        if (object) {
            buf_put_bytes(out, j->names[i]);
            buf_put_u8(out, '=');
        }
        json_print_plain(&j->items[i], out);
    }
    buf_put_u8(out, object ? '}' : ']');
}

/* --- from JSON */

struct source {
    struct arena *arena;
    const struct json *json;
    struct errmsg *err;
};

static enum err expected(const struct source *s, const char *what)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    json_print_plain(s->json, &b);
    errmsg_set(s->err, ERR_INVALID, "Expected %s, but got a %s: %.*s", what, class_of(s->json),
               (int)(b.len < 300 ? b.len : 300), b.len > 0 ? (const char *)b.data : "");
    buf_close(&b);
    return ERR_INVALID;
}

static enum err no_value(const struct source *s, const char *what)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    json_print_plain(s->json, &b);
    errmsg_set(s->err, ERR_INVALID, "Value '%.*s' is not a valid %s",
               (int)(b.len < 300 ? b.len : 300), b.len > 0 ? (const char *)b.data : "", what);
    buf_close(&b);
    return ERR_INVALID;
}

static bool is_string(const struct json *j)
{
    return j->kind == JSON_STRING;
}

static enum err literal(const struct source *s, const struct cql_type *type, enum literal_kind kind,
                        struct buf *out)
{
    struct bytes text = s->json->text;
    if (kind == LITERAL_INTEGER && text.len > 1 && text.data[0] == '+')
        text = bytes_make(text.data + 1, text.len - 1);
    return value_from_literal(type, kind, text, "", out, s->err);
}

/* Numbers must fit; what is no string and no whole number is `what` it should be. */
static enum err from_whole(const struct source *s, const struct cql_type *type, const char *what,
                           struct buf *out)
{
    const struct json *j = s->json;
    int64_t v;
    bool small = type->kind == CQL_SMALLINT || type->kind == CQL_TINYINT;
    if (is_string(j) && j->text.len == 0)
        return ERR_OK;
    if (!is_string(j) && j->kind != JSON_NUMBER)
        return expected(s, what);
    if (j->kind == JSON_NUMBER && !small) {
        bool fits = !j->real && integer_from_text(j->text, &v) &&
                    (type->kind != CQL_INT || v == (int32_t)v);
        if (!fits)
            return expected(s, what);
    }
    if (j->kind == JSON_NUMBER && j->real) {
        struct buf b;
        buf_init(&b, 64);
        json_print_plain(j, &b);
        enum err err = value_from_literal(type, LITERAL_INTEGER, buf_bytes(&b), "", out, s->err);
        buf_close(&b);
        return err;
    }
    return literal(s, type, LITERAL_INTEGER, out);
}

/* Java's own numbers in a string: spaces around, a sign, hexadecimal, a letter for the type behind.
 */
static bool java_real(struct bytes t, double *ret_double, float *ret_float)
{
    char text[400];
    char *end;
    while (t.len > 0 && t.data[0] <= ' ')
        t = bytes_make(t.data + 1, t.len - 1);
    while (t.len > 0 && t.data[t.len - 1] <= ' ')
        t.len--;
    uint8_t last = t.len > 1 ? t.data[t.len - 1] | 0x20 : 0;
    bool hex = memchr(t.data, 'x', t.len) != NULL || memchr(t.data, 'X', t.len) != NULL;
    bool words =
        t.len > 0 && (memchr(t.data, 'N', t.len) != NULL || memchr(t.data, 'I', t.len) != NULL);
    if ((last == 'd' || last == 'f') && !words)
        t.len--;
    if (t.len == 0 || t.len >= sizeof text || memchr(t.data, 0, t.len) != NULL)
        return false;
    memcpy(text, t.data, t.len);
    text[t.len] = 0;
    const char *bare = text + (text[0] == '-' || text[0] == '+' ? 1 : 0);
    if (words && strcmp(bare, "NaN") != 0 && strcmp(bare, "Infinity") != 0)
        return false;
    if (!words &&
        strspn(bare, hex ? "0123456789abcdefABCDEFxXpP+-." : "0123456789eE+-.") != strlen(bare))
        return false;
    if (hex && strpbrk(text, "pP") == NULL)
        return false;
    *ret_double = strtod(text, &end);
    *ret_float = strtof(text, NULL);
    return *end == 0 && end != text;
}

static void put_real(const struct cql_type *type, double d, float f, struct buf *out)
{
    uint64_t large;
    uint32_t small;
    memcpy(&large, &d, sizeof large);
    memcpy(&small, &f, sizeof small);
    if (isnan(d)) { /* Java's */
        large = UINT64_C(0x7ff8000000000000);
        small = 0x7fc00000u;
    }
    if (type->kind == CQL_FLOAT)
        buf_put_u32(out, small);
    else
        buf_put_u64(out, large);
}

static enum err from_real(const struct source *s, const struct cql_type *type, struct buf *out)
{
    const struct json *j = s->json;
    bool is_float = type->kind == CQL_FLOAT;
    double d;
    float f;
    if (is_string(j) && j->text.len == 0)
        return ERR_OK;
    if (j->kind == JSON_NUMBER) {
        d = real_of(j);
        put_real(type, d, (float)d, out);
        return ERR_OK;
    }
    if (!is_string(j))
        return expected(s, is_float ? "a float value" : "a double value");
    if (!java_real(j->text, &d, &f))
        return errmsg_set(s->err, ERR_INVALID, "Unable to make %s from '%.*s'",
                          is_float ? "float" : "double",
                          (int)(j->text.len < 200 ? j->text.len : 200), (const char *)j->text.data);
    put_real(type, d, f, out);
    return ERR_OK;
}

/* Through the text of what Java's library makes of it: of a number with a point a double. */
static enum err from_large(const struct source *s, const struct cql_type *type, struct buf *out)
{
    bool decimal = type->kind == CQL_DECIMAL;
    struct buf b;
    if (decimal && is_string(s->json) && s->json->text.len == 0)
        return ERR_OK;
    buf_init(&b, BUF_MAX_DEFAULT);
    json_print_plain(s->json, &b);
    struct bytes text = buf_bytes(&b);
    if (!decimal && text.len > 1 && text.data[0] == '+')
        text = bytes_make(text.data + 1, text.len - 1);
    bool ok = decimal ? decimal_from_text(text, out) : varint_from_text(text, out);
    buf_close(&b);
    return ok ? ERR_OK
              : no_value(s, decimal ? "representation of a decimal value"
                                    : "representation of a varint value");
}

static enum err from_blob(const struct source *s, struct buf *out)
{
    const struct json *j = s->json;
    struct errmsg m;
    if (!is_string(j))
        return no_value(s, "blob representation: not a string");
    int n = (int)(j->text.len < 200 ? j->text.len : 200);
    const char *text = j->text.len > 0 ? (const char *)j->text.data : "";
    if (j->text.len < 2 || memcmp(j->text.data, "0x", 2) != 0)
        return errmsg_set(s->err, ERR_INVALID,
                          "Value '%.*s' is not a valid blob representation: String representation "
                          "of blob is missing 0x prefix: %.*s",
                          n, text, n, text);
    if (value_from_literal(cql_type_native(CQL_BLOB), LITERAL_HEX,
                           bytes_make(j->text.data + 2, j->text.len - 2), "", out, &m) == ERR_OK)
        return ERR_OK;
    return errmsg_set(s->err, ERR_INVALID, "Value '%.*s' is not a valid blob representation: %s", n,
                      text, m.text);
}

static bool equals_nocase(struct bytes b, const char *word)
{
    return b.len == strlen(word) && strncasecmp((const char *)b.data, word, b.len) == 0;
}

static enum err from_boolean(const struct source *s, struct buf *out)
{
    const struct json *j = s->json;
    bool yes = j->kind == JSON_TRUE;
    if (is_string(j)) {
        yes = equals_nocase(j->text, "true");
        if (!yes && j->text.len > 0 && !equals_nocase(j->text, "false"))
            return errmsg_set(s->err, ERR_INVALID, "Unable to make boolean from '%.*s'",
                              (int)(j->text.len < 200 ? j->text.len : 200),
                              (const char *)j->text.data);
    } else if (!yes && j->kind != JSON_FALSE) {
        return expected(s, "a boolean value");
    }
    buf_put_u8(out, yes);
    return ERR_OK;
}

static enum err from_timestamp(const struct source *s, struct buf *out)
{
    static const char what[] = "a long or a datestring representation of a timestamp value";
    int64_t v;
    if (is_string(s->json))
        return value_timestamp_from_text(s->json->text, out, s->err);
    /* What fits an int is none, to Cassandra. */
    if (strcmp(class_of(s->json), "Long") != 0 || !integer_from_text(s->json->text, &v))
        return expected(s, what);
    buf_put_i64(out, v);
    return ERR_OK;
}

static enum err from_uuid(const struct source *s, const struct cql_type *type, struct buf *out)
{
    struct bytes text = s->json->text;
    struct uuid u;
    if (text.len == 0)
        return ERR_OK;
    if (type->kind == CQL_TIMEUUID && !uuid_parse((const char *)text.data, text.len, &u))
        return errmsg_set(s->err, ERR_INVALID, "Unknown timeuuid representation: %.*s",
                          (int)(text.len < 200 ? text.len : 200), (const char *)text.data);
    return literal(s, type, LITERAL_UUID, out);
}

static enum err from_text(const struct source *s, const struct cql_type *type, struct buf *out)
{
    switch (type->kind) {
    case CQL_ASCII:
    case CQL_TEXT: return literal(s, type, LITERAL_STRING, out);
    case CQL_DATE: return value_date_from_text(s->json->text, out, s->err);
    case CQL_TIME: return value_time_from_text(s->json->text, out, s->err);
    case CQL_INET: return value_inet_from_text(s->json->text, out, s->err);
    case CQL_DURATION:
        return s->json->text.len == 0 ? ERR_OK
                                      : value_duration_from_text(s->json->text, out, s->err);
    default: return from_uuid(s, type, out);
    }
}

/* A type that is written as a string only, and what it is called then; NULL for others. */
static const char *string_name(const struct cql_type *type)
{
    switch (type->kind) {
    case CQL_ASCII: return "an ascii string";
    case CQL_TEXT: return "a UTF-8 string";
    case CQL_DATE: return "a string representation of a date value";
    case CQL_TIME: return "a string representation of a time value";
    case CQL_INET: return "a string representation of an inet value";
    case CQL_DURATION: return "a string representation of a duration";
    case CQL_UUID: return "a string representation of a uuid";
    case CQL_TIMEUUID: return "a string representation of a timeuuid";
    default: return NULL;
    }
}

/* --- what has parts */

struct parts {
    struct bytes *items;
    size_t count;
};

static enum err part(const struct source *s, const struct cql_type *type, const struct json *j,
                     const char *null_refusal, struct bytes *ret)
{
    struct buf b;
    bool null;
    buf_init(&b, BUF_MAX_DEFAULT);
    enum err err = value_from_json(s->arena, type, j, &b, &null, s->err);
    if (err == ERR_OK && null)
        err = errmsg_set(s->err, ERR_INVALID, "%s", null_refusal);
    if (err == ERR_OK)
        err = buf_finish(&b);
    *ret = arena_copy(s->arena, buf_bytes(&b));
    buf_close(&b);
    return err;
}

static enum err items_of(const struct source *s, const struct cql_type *type, struct parts *ret)
{
    const struct json *j = s->json;
    ret->items = arena_array(s->arena, struct bytes, j->count);
    for (; ret->count < j->count; ret->count++) {
        enum err err = part(s, type->items[0], &j->items[ret->count],
                            type->kind == CQL_SET ? "Invalid null element in set"
                                                  : "Invalid null element in list",
                            &ret->items[ret->count]);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static enum err entries_of(const struct source *s, const struct cql_type *type, struct parts *ret)
{
    const struct json *j = s->json;
    ret->items = arena_array(s->arena, struct bytes, 2 * j->count);
    for (size_t i = 0; i < j->count; i++) {
        struct json name = {.kind = JSON_STRING, .text = j->names[i]};
        enum err err = ERR_OK;
        if (j->items[i].kind == JSON_NULL)
            return errmsg_set(s->err, ERR_INVALID, "Invalid null value in map");
        err = part(s, type->items[0], &name, "Invalid null key in map", &ret->items[2 * i]);
        if (err == ERR_OK)
            err = part(s, type->items[1], &j->items[i], "Invalid null value in map",
                       &ret->items[2 * i + 1]);
        if (err != ERR_OK)
            return err;
        ret->count += 2;
    }
    return ERR_OK;
}

static enum err from_collection(const struct source *s, const struct cql_type *type,
                                struct buf *out)
{
    struct parts parts = {0};
    enum err err;
    if (type->kind == CQL_MAP) {
        if (s->json->kind != JSON_OBJECT)
            return expected(s, "a map");
        err = entries_of(s, type, &parts);
    } else {
        if (s->json->kind != JSON_ARRAY)
            return expected(s, type->kind == CQL_SET ? "a list (representing a set)" : "a list");
        err = items_of(s, type, &parts);
    }
    return err != ERR_OK ? err
                         : value_collection_build(type, parts.items, parts.count, out, s->err);
}

/* Of a tuple or a user-defined type: null is a part like others. */
static enum err tuple_part(const struct source *s, const struct cql_type *type,
                           const struct json *j, struct value_part *ret)
{
    struct buf b;
    bool null;
    buf_init(&b, BUF_MAX_DEFAULT);
    enum err err = value_from_json(s->arena, type, j, &b, &null, s->err);
    if (err == ERR_OK)
        err = buf_finish(&b);
    *ret = (struct value_part){.null = null, .bytes = arena_copy(s->arena, buf_bytes(&b))};
    buf_close(&b);
    return err;
}

static enum err wrong_count(const struct source *s, const char *format, size_t want, size_t have)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    json_print_plain(s->json, &b);
    int n = (int)(b.len < 200 ? b.len : 200);
    const char *text = b.len > 0 ? (const char *)b.data : "";
    if (have == 0)
        errmsg_set(s->err, ERR_INVALID, "Tuple %s items (expected %zu): %.*s", format, want, n,
                   text);
    else
        errmsg_set(s->err, ERR_INVALID, "%s: expected %zu but given %zu; %.*s", format, want,
                   have - 1, n, text);
    buf_close(&b);
    return ERR_INVALID;
}

static enum err from_tuple(const struct source *s, const struct cql_type *type, struct buf *out)
{
    const struct json *j = s->json;
    if (j->kind != JSON_ARRAY)
        return expected(s, "a list representation of a tuple");
    if (j->count != type->count)
        return wrong_count(s, j->count > type->count ? "contains extra" : "is missing", type->count,
                           0);
    struct value_part *parts = arena_array(s->arena, struct value_part, j->count);
    for (size_t i = 0; i < j->count; i++) {
        enum err err = tuple_part(s, type->items[i], &j->items[i], &parts[i]);
        if (err != ERR_OK)
            return err;
    }
    value_tuple_build(parts, j->count, out);
    return ERR_OK;
}

static enum err from_udt(const struct source *s, const struct cql_type *type, struct buf *out)
{
    const struct json *j = s->json;
    if (j->kind != JSON_OBJECT)
        return expected(s, "a map");
    struct value_part *parts = arena_array(s->arena, struct value_part, type->count);
    for (uint32_t i = 0; i < type->count; i++)
        parts[i] = (struct value_part){.null = true};
    for (size_t i = 0; i < j->count; i++) {
        struct bytes name = json_name(s->arena, j->names[i]);
        int field = cql_type_field(type, name);
        if (field < 0)
            return errmsg_set(s->err, ERR_INVALID,
                              "Unknown field '%.*s' in value of user defined type %s",
                              (int)(name.len < 100 ? name.len : 100),
                              name.len > 0 ? (const char *)name.data : "", type->name);
        enum err err = tuple_part(s, type->items[field], &j->items[i], &parts[field]);
        if (err != ERR_OK)
            return err;
    }
    value_tuple_build(parts, type->count, out);
    return ERR_OK;
}

static enum err from_vector(const struct source *s, const struct cql_type *type, struct buf *out)
{
    const struct json *j = s->json;
    if (j->kind != JSON_ARRAY)
        return expected(s, "a list");
    if (j->count != type->dimension)
        return wrong_count(s, "List had incorrect size", type->dimension, j->count + 1);
    struct value_part *parts = arena_array(s->arena, struct value_part, j->count);
    for (size_t i = 0; i < j->count; i++) {
        parts[i] = (struct value_part){.null = false};
        enum err err =
            part(s, type->items[0], &j->items[i], "Invalid null element in list", &parts[i].bytes);
        if (err != ERR_OK)
            return err;
    }
    value_vector_build(type, parts, out);
    return ERR_OK;
}

/* A string may hold what else has parts. */
static enum err unwrapped(struct source *s)
{
    struct json *inner = arena_new(s->arena, struct json);
    struct errmsg m;
    if (!is_string(s->json))
        return ERR_OK;
    if (json_read(s->arena, s->json->text, inner, &m) != ERR_OK)
        return errmsg_set(s->err, ERR_INVALID, "Error decoding JSON string: %s", m.text);
    s->json = inner;
    return ERR_OK;
}

static enum err from_scalar(const struct source *s, const struct cql_type *type, struct buf *out)
{
    switch (type->kind) {
    case CQL_BIGINT:
    case CQL_COUNTER: return from_whole(s, type, "a bigint value", out);
    case CQL_INT: return from_whole(s, type, "an int value", out);
    case CQL_SMALLINT: return from_whole(s, type, "a short value", out);
    case CQL_TINYINT: return from_whole(s, type, "a byte value", out);
    case CQL_FLOAT:
    case CQL_DOUBLE: return from_real(s, type, out);
    case CQL_DECIMAL:
    case CQL_VARINT: return from_large(s, type, out);
    case CQL_BLOB: return from_blob(s, out);
    case CQL_BOOLEAN: return from_boolean(s, out);
    case CQL_TIMESTAMP: return from_timestamp(s, out);
    default: break;
    }
    return is_string(s->json) ? from_text(s, type, out) : expected(s, string_name(type));
}

enum err value_from_json(struct arena *a, const struct cql_type *type, const struct json *j,
                         struct buf *out, bool *ret_null, struct errmsg *e)
{
    struct source s = {a, j, e};
    *ret_null = j->kind == JSON_NULL;
    if (*ret_null)
        return ERR_OK;
    if (!cql_type_is_collection(type) && !cql_type_is_tuple(type) && type->kind != CQL_VECTOR)
        return from_scalar(&s, type, out);
    enum err err = unwrapped(&s);
    if (err != ERR_OK)
        return err;
    *ret_null = s.json->kind == JSON_NULL;
    if (*ret_null)
        return ERR_OK;
    switch (type->kind) {
    case CQL_TUPLE: return from_tuple(&s, type, out);
    case CQL_UDT: return from_udt(&s, type, out);
    case CQL_VECTOR: return from_vector(&s, type, out);
    default: return from_collection(&s, type, out);
    }
}
