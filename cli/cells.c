#include "cli/cells.h"

#include "cli/utf8.h"

#include <arpa/inet.h>
#include <float.h>
#include <math.h>
#include <string.h>

#define DIGITS 5 /* of float and double, as cqlsh has it */

const struct cql_type *cell_type(struct bytes option, struct arena *a)
{
    struct reader r = reader_make(option);
    const struct cql_type *type = cql_type_read_option(&r, a);
    return r.failed ? NULL : type;
}

bool cell_is_number(const struct cql_type *type)
{
    if (type == NULL)
        return false;
    switch (type->kind) {
    case CQL_BIGINT:
    case CQL_COUNTER:
    case CQL_DECIMAL:
    case CQL_DOUBLE:
    case CQL_FLOAT:
    case CQL_INT:
    case CQL_VARINT:
    case CQL_SMALLINT:
    case CQL_TINYINT: return true;
    default: return false;
    }
}

static double number_of(const struct cql_type *type, struct bytes v)
{
    if (type->kind == CQL_FLOAT) {
        uint32_t bits = load_u32(v.data);
        float f;
        memcpy(&f, &bits, sizeof f);
        return (double)f;
    }
    uint64_t bits = load_u64(v.data);
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* So many digits behind the point, or so many in all once it would take an exponent. */
static void put_float(double d, struct buf *out)
{
    int digits = DIGITS;
    if (isnan(d)) {
        buf_put_text(out, "NaN");
    } else if (isinf(d)) {
        buf_put_text(out, d > 0 ? "Infinity" : "-Infinity");
    } else {
        int exponent = fabs(d) > DBL_EPSILON ? (int)log10(fabs(d)) : -99;
        if (exponent >= -4 && exponent < digits)
            digits += exponent + 1;
        buf_printf(out, "%.*g", digits, d);
    }
}

/* value.h writes 2026-01-02T03:04:05.006Z; cqlsh has microseconds and an offset. */
static void put_timestamp(const struct cql_type *type, struct bytes v, struct buf *out)
{
    size_t at = out->len;
    value_print(type, v, out);
    for (size_t i = at; i < out->len; i++) {
        if (out->data[i] == 'T')
            out->data[i] = ' ';
    }
    if (out->len > at)
        out->len--;
    buf_put_text(out, "000+0000");
}

static void put_inet(struct bytes v, struct buf *out)
{
    char text[INET6_ADDRSTRLEN];
    if (inet_ntop(v.len == 4 ? AF_INET : AF_INET6, v.data, text, sizeof text) != NULL)
        buf_put_text(out, text);
}

static void put_hex(struct bytes v, struct buf *out)
{
    buf_put_text(out, "0x");
    for (size_t i = 0; i < v.len; i++) {
        buf_put_u8(out, (uint8_t) "0123456789abcdef"[v.data[i] >> 4]);
        buf_put_u8(out, (uint8_t) "0123456789abcdef"[v.data[i] & 15]);
    }
}

/* Control characters would move the cursor or ring the bell; broken UTF-8 would break the table.
 * Backslashes are doubled: so what is escaped can be told from what was typed. */
static void put_text(struct bytes v, struct buf *out)
{
    size_t at = 0;
    while (at < v.len) {
        uint32_t c;
        size_t n = utf8_next(v, at, &c);
        if (n == 0)
            buf_put_text(out, "\xef\xbf\xbd");
        else if (c == '\n' || c == '\r' || c == '\t' || c == '\\')
            buf_printf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : '\\');
        else if (c < 0x20 || (c >= 0x7f && c < 0xa0))
            buf_printf(out, "\\x%02x", (unsigned)c);
        else
            buf_put(out, v.data + at, n);
        at += n > 0 ? n : 1;
    }
}

static void put_quoted(struct bytes v, struct buf *out)
{
    size_t from = 0;
    buf_put_u8(out, '\'');
    for (size_t i = 0; i < v.len; i++) {
        if (v.data[i] == '\'') {
            put_text(bytes_make(v.data + from, i - from), out);
            buf_put_text(out, "''");
            from = i + 1;
        }
    }
    put_text(bytes_make(v.data + from, v.len - from), out);
    buf_put_u8(out, '\'');
}

static void put_value(const struct cql_type *type, struct bytes v, bool inside, struct buf *out);

/* [list], {set}, {key: map}, (tuple), {field: of a user-defined type}, [vector]: as cqlsh. */
static void put_parts(const struct cql_type *type, struct bytes v, struct buf *out)
{
    bool square = type->kind == CQL_LIST || type->kind == CQL_VECTOR;
    struct value_parts p = value_parts_open(type, v);
    struct value_part part;
    buf_put_u8(out, square ? '[' : type->kind == CQL_TUPLE ? '(' : '{');
    while (value_parts_next(&p, &part)) {
        if (p.at > 1)
            buf_put_text(out, type->kind == CQL_MAP && p.at % 2 == 0 ? ": " : ", ");
        if (type->kind == CQL_UDT)
            buf_printf(out, "%s: ", type->fields[p.at - 1]);
        if (part.null)
            buf_put_text(out, type->kind == CQL_UDT ? "null" : "None");
        else
            put_value(part.type, part.bytes, true, out);
    }
    buf_put_u8(out, square ? ']' : type->kind == CQL_TUPLE ? ')' : '}');
}

static void put_value(const struct cql_type *type, struct bytes v, bool inside, struct buf *out)
{
    bool quotes = inside && (type->kind == CQL_TIMESTAMP || type->kind == CQL_INET);
    if (type->kind == CQL_TEXT || type->kind == CQL_ASCII) {
        inside ? put_quoted(v, out) : put_text(v, out);
        return;
    }
    if (v.len == 0) {
        buf_put_text(out, type->kind == CQL_BLOB ? "0x" : inside ? "''" : "");
        return;
    }
    if (quotes)
        buf_put_u8(out, '\'');
    switch (type->kind) {
    case CQL_BOOLEAN: buf_put_text(out, v.data[0] != 0 ? "True" : "False"); break;
    case CQL_FLOAT: put_float(number_of(type, v), out); break;
    case CQL_DOUBLE: put_float(number_of(type, v), out); break;
    case CQL_TIMESTAMP: put_timestamp(type, v, out); break;
    case CQL_INET: put_inet(v, out); break;
    case CQL_LIST:
    case CQL_SET:
    case CQL_MAP:
    case CQL_TUPLE:
    case CQL_UDT:
    case CQL_VECTOR: put_parts(type, v, out); break;
    default: value_print(type, v, out); break;
    }
    if (quotes)
        buf_put_u8(out, '\'');
}

void cell_print(const struct cql_type *type, struct bytes value, struct buf *out)
{
    if (type == NULL || value_validate(type, value, NULL) != ERR_OK)
        put_hex(value, out);
    else
        put_value(type, value, false, out);
}

void json_put_string(struct buf *out, struct bytes v)
{
    size_t at = 0;
    buf_put_u8(out, '"');
    while (at < v.len) {
        uint32_t c;
        size_t n = utf8_next(v, at, &c);
        if (n == 0)
            buf_put_text(out, "\\ufffd");
        else if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", (int)c);
        else if (c == '\n')
            buf_put_text(out, "\\n");
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\u%04x", (unsigned)c);
        else
            buf_put(out, v.data + at, n);
        at += n > 0 ? n : 1;
    }
    buf_put_u8(out, '"');
}

static void put_json_value(const struct cql_type *type, struct bytes v, bool key, struct buf *out);

static void put_json_items(const struct cql_type *type, struct bytes v, struct buf *out)
{
    struct value_parts p = value_parts_open(type, v);
    struct value_part part;
    bool map = type->kind == CQL_MAP;
    bool object = map || type->kind == CQL_UDT;
    buf_put_u8(out, object ? '{' : '[');
    while (value_parts_next(&p, &part)) {
        bool key = map && p.at % 2 == 1;
        if (p.at > 1)
            buf_put_text(out, map && !key ? ": " : ", ");
        if (type->kind == CQL_UDT) {
            json_put_string(out, bytes_text(type->fields[p.at - 1]));
            buf_put_text(out, ": ");
        }
        if (part.null)
            buf_put_text(out, "null");
        else
            put_json_value(part.type, part.bytes, key, out);
    }
    buf_put_u8(out, object ? '}' : ']');
}

/* JSON knows only finite numbers, and only strings as keys. */
static void put_json_value(const struct cql_type *type, struct bytes v, bool key, struct buf *out)
{
    struct buf text;
    bool bare = v.len > 0 && (cell_is_number(type) || type->kind == CQL_BOOLEAN);
    if (bare && (type->kind == CQL_FLOAT || type->kind == CQL_DOUBLE))
        bare = isfinite(number_of(type, v));
    bool items = type->count > 0;
    if (items && !key) {
        put_json_items(type, v, out);
        return;
    }
    if (bare && !key) {
        value_print(type, v, out);
        return;
    }
    buf_init(&text, out->max);
    if (items)
        put_json_items(type, v, &text);
    else
        value_print(type, v, &text);
    json_put_string(out, buf_bytes(&text));
    buf_close(&text);
}

void cell_print_json(const struct cql_type *type, struct bytes value, struct buf *out)
{
    if (type != NULL && value_validate(type, value, NULL) == ERR_OK) {
        put_json_value(type, value, false, out);
        return;
    }
    buf_put_u8(out, '"');
    put_hex(value, out);
    buf_put_u8(out, '"');
}
