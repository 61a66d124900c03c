/* value_text.c - values to text, and constants of CQL to values. */
#include "node/schema/number.h"
#include "node/schema/value_time.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *literal_kind_name(enum literal_kind kind)
{
    static const char *const names[] = {"STRING",  "INTEGER", "FLOAT",   "UUID",
                                        "BOOLEAN", "HEX",     "DURATION"};
    return names[kind];
}

static void print_hex(struct bytes v, struct buf *out)
{
    uint8_t *p = buf_extend(out, v.len * 2);
    for (size_t i = 0; i < v.len && p != NULL; i++) {
        p[2 * i] = (uint8_t) "0123456789abcdef"[v.data[i] >> 4];
        p[2 * i + 1] = (uint8_t) "0123456789abcdef"[v.data[i] & 15];
    }
}

/* As Java does: eight groups, none left out. */
static void print_inet(struct bytes v, struct buf *out)
{
    if (v.len == 4)
        buf_printf(out, "%u.%u.%u.%u", v.data[0], v.data[1], v.data[2], v.data[3]);
    for (size_t i = 0; i < 16 && v.len == 16; i += 2)
        buf_printf(out, "%s%x", i > 0 ? ":" : "", (unsigned)load_u16(v.data + i));
}

static double double_of(struct bytes v)
{
    uint64_t bits = load_u64(v.data);
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

static float float_of(struct bytes v)
{
    uint32_t bits = load_u32(v.data);
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static void print_uuid(struct bytes v, struct buf *out)
{
    struct uuid u;
    char text[UUID_TEXT_SIZE];
    memcpy(u.b, v.data, sizeof u.b);
    buf_put_text(out, uuid_text(&u, text));
}

static void print_duration(struct bytes v, struct buf *out)
{
    struct cql_duration d;
    if (value_duration_read(v, &d) == ERR_OK)
        time_print_duration(&d, out);
}

/* [list], {set}, {key: map}, (tuple), {field: of a user-defined type}, [vector] */
static void print_parts(const struct cql_type *t, struct bytes v, struct buf *out)
{
    bool square = t->kind == CQL_LIST || t->kind == CQL_VECTOR;
    struct value_parts p = value_parts_open(t, v);
    struct value_part part;
    buf_put_u8(out, square ? '[' : t->kind == CQL_TUPLE ? '(' : '{');
    while (value_parts_next(&p, &part)) {
        if (p.at > 1)
            buf_put_text(out, t->kind == CQL_MAP && p.at % 2 == 0 ? ": " : ", ");
        if (t->kind == CQL_UDT) {
            cql_name_print(t->fields[p.at - 1], out);
            buf_put_text(out, ": ");
        }
        if (part.null)
            buf_put_text(out, "null");
        else
            value_print_literal(part.type, part.bytes, out);
    }
    buf_put_u8(out, square ? ']' : t->kind == CQL_TUPLE ? ')' : '}');
}

void value_print(const struct cql_type *type, struct bytes v, struct buf *out)
{
    if (v.len == 0)
        return;
    switch (type->kind) {
    case CQL_ASCII:
    case CQL_TEXT: buf_put_bytes(out, v); break;
    case CQL_BLOB:
        buf_put_text(out, "0x");
        print_hex(v, out);
        break;
    case CQL_BIGINT:
    case CQL_COUNTER: buf_printf(out, "%lld", (long long)load_u64(v.data)); break;
    case CQL_INT: buf_printf(out, "%d", (int32_t)load_u32(v.data)); break;
    case CQL_SMALLINT: buf_printf(out, "%d", (int16_t)load_u16(v.data)); break;
    case CQL_TINYINT: buf_printf(out, "%d", (int8_t)v.data[0]); break;
    case CQL_BOOLEAN: buf_put_text(out, v.data[0] != 0 ? "true" : "false"); break;
    case CQL_DECIMAL: decimal_print(v, out); break;
    case CQL_VARINT: varint_print(v, out); break;
    case CQL_DOUBLE: double_print(double_of(v), out); break;
    case CQL_FLOAT: float_print(float_of(v), out); break;
    case CQL_TIMESTAMP: time_print_timestamp((int64_t)load_u64(v.data), out); break;
    case CQL_DATE: time_print_date((int64_t)load_u32(v.data) - 2147483648, out); break;
    case CQL_TIME: time_print_time((int64_t)load_u64(v.data), out); break;
    case CQL_UUID:
    case CQL_TIMEUUID: print_uuid(v, out); break;
    case CQL_INET: print_inet(v, out); break;
    case CQL_DURATION: print_duration(v, out); break;
    case CQL_LIST:
    case CQL_SET:
    case CQL_MAP:
    case CQL_UDT:
    case CQL_TUPLE:
    case CQL_VECTOR: print_parts(type, v, out); break;
    }
}

static bool is_quoted(enum cql_kind kind)
{
    return kind == CQL_ASCII || kind == CQL_TEXT || kind == CQL_TIMESTAMP || kind == CQL_DATE ||
           kind == CQL_TIME || kind == CQL_INET;
}

void value_print_literal(const struct cql_type *type, struct bytes v, struct buf *out)
{
    if (type->kind == CQL_BLOB && v.len == 0) {
        buf_put_text(out, "0x");
        return;
    }
    if (type->kind == CQL_DURATION) {
        size_t before = out->len;
        value_print(type, v, out);
        if (out->len == before)
            buf_put_text(out, "0s");
        return;
    }
    if (!is_quoted(type->kind)) {
        value_print(type, v, out);
        return;
    }
    struct buf plain;
    buf_init(&plain, out->max);
    value_print(type, v, &plain);
    out->failed |= plain.failed;
    buf_put_u8(out, '\'');
    for (size_t i = 0; i < plain.len; i++) {
        if (plain.data[i] == '\'')
            buf_put_u8(out, '\'');
        buf_put_u8(out, plain.data[i]);
    }
    buf_put_u8(out, '\'');
    buf_close(&plain);
}

/* One to four decimal numbers, the last one filling what the others leave, as Java reads it. */
static bool v4_from_text(struct bytes text, uint8_t ret[4])
{
    uint32_t parts[4];
    size_t n = 0;
    size_t at = 0;
    while (true) {
        size_t start = at;
        uint64_t v = 0;
        while (at < text.len && text.data[at] >= '0' && text.data[at] <= '9' && v <= UINT32_MAX)
            v = v * 10 + (uint64_t)(text.data[at++] - '0');
        if (at == start || v > UINT32_MAX || n == 4)
            return false;
        parts[n++] = (uint32_t)v;
        if (at == text.len)
            break;
        if (text.data[at++] != '.')
            return false;
    }
    uint32_t address = parts[n - 1];
    if (n > 1 && address >> (8 * (5 - n)) != 0)
        return false;
    for (size_t i = 0; i + 1 < n; i++) {
        if (parts[i] > 255)
            return false;
        address |= parts[i] << (8 * (3 - i));
    }
    store_u32(ret, address);
    return true;
}

enum err value_inet_from_text(struct bytes text, struct buf *out, struct errmsg *e)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    uint8_t a[16];
    char copy[64];
    if (text.len == 0) /* the empty value, as in Cassandra */
        return ERR_OK;
    if (v4_from_text(text, a)) {
        buf_put(out, a, 4);
        return ERR_OK;
    }
    if (text.len > 2 && text.data[0] == '[' && text.data[text.len - 1] == ']')
        text = bytes_make(text.data + 1, text.len - 2);
    if (text.len < sizeof copy && memchr(text.data, 0, text.len) == NULL) {
        memcpy(copy, text.data, text.len);
        copy[text.len] = 0;
        if (inet_pton(AF_INET6, copy, a) == 1) {
            bool v4 = memcmp(a, mapped, sizeof mapped) == 0;
            buf_put(out, v4 ? a + 12 : a, v4 ? 4 : 16);
            return ERR_OK;
        }
    }
    return errmsg_set(e, ERR_INVALID, "Unable to make inet address from '%.*s'",
                      (int)(text.len < 100 ? text.len : 100), (const char *)text.data);
}

/* What is being converted, for the errors. */
struct constant {
    const struct cql_type *type;
    enum literal_kind kind;
    struct bytes text;
    const char *target;
    struct errmsg *err;
};

static enum err unable(const struct constant *c, const char *format)
{
    char text[128];
    size_t n = c->text.len < sizeof text - 1 ? c->text.len : sizeof text - 1;
    if (n > 0)
        memcpy(text, c->text.data, n);
    text[n] = 0;
    return errmsg_set(c->err, ERR_INVALID, "%s '%s'", format, text);
}

static enum err wrong_kind(const struct constant *c)
{
    struct buf name;
    buf_init(&name, 256);
    cql_type_print(c->type, &name);
    errmsg_set(c->err, ERR_INVALID, "Invalid %s constant (%s%.*s) for \"%s\" of type %.*s",
               literal_kind_name(c->kind), c->kind == LITERAL_HEX ? "0x" : "",
               (int)(c->text.len < 200 ? c->text.len : 200),
               c->text.len > 0 ? (const char *)c->text.data : "", c->target, (int)name.len,
               (const char *)name.data);
    buf_close(&name);
    return ERR_INVALID;
}

static enum err from_integer(const struct constant *c, struct buf *out)
{
    int64_t v;
    bool ok = integer_from_text(c->text, &v);
    switch (c->type->kind) {
    case CQL_INT:
        if (!ok || v != (int32_t)v)
            return unable(c, "Unable to make int from");
        buf_put_i32(out, (int32_t)v);
        break;
    case CQL_SMALLINT:
        if (!ok || v != (int16_t)v)
            return unable(c, "Unable to make short from");
        buf_put_u16(out, (uint16_t)v);
        break;
    case CQL_TINYINT:
        if (!ok || v != (int8_t)v)
            return unable(c, "Unable to make byte from");
        buf_put_u8(out, (uint8_t)v);
        break;
    default:
        if (!ok)
            return unable(c, "Unable to make long from");
        buf_put_i64(out, v);
        break;
    }
    return ERR_OK;
}

/* NaN and Infinity are words of CQL; anything else is digits, which strtod reads as Java does. */
static enum err from_float(const struct constant *c, struct buf *out)
{
    bool is_float = c->type->kind == CQL_FLOAT;
    const char *refusal = is_float ? "Unable to make float from" : "Unable to make double from";
    char text[512];
    char *end;
    if (c->text.len == 0 || c->text.len >= sizeof text ||
        memchr(c->text.data, 0, c->text.len) != NULL)
        return unable(c, refusal);
    memcpy(text, c->text.data, c->text.len);
    text[c->text.len] = 0;
    if (strpbrk(text, "xX ") != NULL)
        return unable(c, refusal);
    double d = strtod(text, &end);
    float f = strtof(text, NULL);
    bool word = strpbrk(text, "nN") != NULL;
    if (*end != 0 || (!is_float && isinf(d) && !word))
        return unable(c, refusal);
    if (isnan(d)) { /* one NaN, Java's, whatever the sign */
        if (is_float)
            buf_put_u32(out, 0x7fc00000u);
        else
            buf_put_u64(out, 0x7ff8000000000000u);
        return ERR_OK;
    }
    uint64_t bits;
    uint32_t short_bits;
    memcpy(&bits, &d, sizeof bits);
    memcpy(&short_bits, &f, sizeof short_bits);
    if (is_float)
        buf_put_u32(out, short_bits);
    else
        buf_put_u64(out, bits);
    return ERR_OK;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum err from_hex(const struct constant *c, struct buf *out)
{
    bool ok = c->text.len % 2 == 0;
    for (size_t i = 0; i < c->text.len && ok; i++)
        ok = hex_digit(c->text.data[i]) >= 0;
    if (!ok)
        return errmsg_set(c->err, ERR_INVALID, "cannot parse '%.*s' as hex bytes",
                          (int)(c->text.len < 100 ? c->text.len : 100), (const char *)c->text.data);
    for (size_t i = 0; i < c->text.len; i += 2)
        buf_put_u8(out,
                   (uint8_t)(hex_digit(c->text.data[i]) << 4 | hex_digit(c->text.data[i + 1])));
    return ERR_OK;
}

static enum err from_uuid(const struct constant *c, struct buf *out)
{
    struct uuid u;
    if (!uuid_parse((const char *)c->text.data, c->text.len, &u))
        return unable(c, "Unable to make UUID from");
    if (c->type->kind == CQL_TIMEUUID && u.b[6] >> 4 != 1)
        return errmsg_set(c->err, ERR_INVALID, "TimeUUID supports only version 1 UUIDs");
    buf_put_uuid(out, &u);
    return ERR_OK;
}

static enum err from_string(const struct constant *c, struct buf *out)
{
    enum err err = value_validate(c->type, c->text, c->err);
    if (err != ERR_OK && c->type->kind == CQL_ASCII)
        return errmsg_set(c->err, err, "Invalid ASCII character in string literal");
    if (err == ERR_OK)
        buf_put_bytes(out, c->text);
    return err;
}

static enum err from_boolean(const struct constant *c, struct buf *out)
{
    buf_put_u8(out, c->text.len > 0 && (c->text.data[0] == 't' || c->text.data[0] == 'T'));
    return ERR_OK;
}

static enum err from_number(const struct constant *c, struct buf *out)
{
    if (c->type->kind == CQL_VARINT)
        return varint_from_text(c->text, out) ? ERR_OK
                                              : unable(c, "unable to make BigInteger from");
    return decimal_from_text(c->text, out) ? ERR_OK : unable(c, "unable to make BigDecimal from");
}

static enum err from_timestamp(const struct constant *c, struct buf *out)
{
    int64_t ms;
    if (c->kind == LITERAL_STRING)
        return value_timestamp_from_text(c->text, out, c->err);
    if (!integer_from_text(c->text, &ms))
        return unable(c, "Unable to make long (for date) from:");
    buf_put_i64(out, ms);
    return ERR_OK;
}

enum err value_from_literal(const struct cql_type *type, enum literal_kind kind, struct bytes text,
                            const char *target, struct buf *out, struct errmsg *ret_err)
{
    struct constant c = {type, kind, text, target, ret_err};
    bool integer = kind == LITERAL_INTEGER;
    bool string = kind == LITERAL_STRING;
    switch (type->kind) {
    case CQL_ASCII:
    case CQL_TEXT: return string ? from_string(&c, out) : wrong_kind(&c);
    case CQL_BIGINT:
    case CQL_COUNTER:
    case CQL_INT:
    case CQL_SMALLINT:
    case CQL_TINYINT: return integer ? from_integer(&c, out) : wrong_kind(&c);
    case CQL_VARINT: return integer ? from_number(&c, out) : wrong_kind(&c);
    case CQL_DECIMAL:
        return integer || kind == LITERAL_FLOAT ? from_number(&c, out) : wrong_kind(&c);
    case CQL_DOUBLE:
    case CQL_FLOAT: return integer || kind == LITERAL_FLOAT ? from_float(&c, out) : wrong_kind(&c);
    case CQL_BLOB: return kind == LITERAL_HEX ? from_hex(&c, out) : wrong_kind(&c);
    case CQL_BOOLEAN: return kind == LITERAL_BOOLEAN ? from_boolean(&c, out) : wrong_kind(&c);
    case CQL_UUID:
    case CQL_TIMEUUID: return kind == LITERAL_UUID ? from_uuid(&c, out) : wrong_kind(&c);
    case CQL_INET: return string ? value_inet_from_text(text, out, ret_err) : wrong_kind(&c);
    case CQL_DATE:
        return integer || string ? value_date_from_text(text, out, ret_err) : wrong_kind(&c);
    case CQL_TIME:
        return integer || string ? value_time_from_text(text, out, ret_err) : wrong_kind(&c);
    case CQL_TIMESTAMP: return integer || string ? from_timestamp(&c, out) : wrong_kind(&c);
    case CQL_DURATION:
        return integer || kind == LITERAL_DURATION ? value_duration_from_text(text, out, ret_err)
                                                   : wrong_kind(&c);
    default: return wrong_kind(&c);
    }
}
