/* json_print.c - values of CQL as JSON, type by type. */
#include "node/schema/json.h"
#include "node/schema/value_time.h"

#include <math.h>
#include <string.h>

void json_print_string(struct bytes text, struct buf *out)
{
    static const char escaped[] = "\b\f\n\r\t";
    static const char letters[] = "bfnrt";
    buf_put_u8(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        const char *found = c != 0 && c < 0x20 ? strchr(escaped, c) : NULL;
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (found != NULL)
            buf_printf(out, "\\%c", letters[found - escaped]);
        else if (c < 0x20)
            buf_printf(out, "\\u%04X", c);
        else
            buf_put_u8(out, c);
    }
    buf_put_u8(out, '"');
}

void json_print_name(const char *name, struct buf *out)
{
    bool quoted = false;
    for (const char *c = name; *c != 0; c++)
        quoted = quoted || (*c >= 'A' && *c <= 'Z');
    struct buf b;
    buf_init(&b, out->max);
    if (quoted)
        buf_put_u8(&b, '"');
    buf_put_text(&b, name);
    if (quoted)
        buf_put_u8(&b, '"');
    json_print_string(buf_bytes(&b), out);
    buf_close(&b);
}

/* What value_print gives, in quotes or bare. */
static void print_text(const struct cql_type *type, struct bytes v, bool quoted, struct buf *out)
{
    if (quoted)
        buf_put_u8(out, '"');
    value_print(type, v, out);
    if (quoted)
        buf_put_u8(out, '"');
}

/* 2024-02-29 12:34:56.789Z */
static void print_timestamp(struct bytes v, struct buf *out)
{
    struct buf b;
    buf_init(&b, 64);
    time_print_timestamp((int64_t)load_u64(v.data), &b);
    buf_put_u8(out, '"');
    for (size_t i = 0; i < b.len; i++)
        buf_put_u8(out, b.data[i] == 'T' ? ' ' : b.data[i]);
    buf_put_u8(out, '"');
    buf_close(&b);
}

/* Neither NaN nor infinite numbers are JSON. */
static void print_real(const struct cql_type *type, struct bytes v, struct buf *out)
{
    uint32_t small = type->kind == CQL_FLOAT ? load_u32(v.data) : 0;
    uint64_t large = type->kind == CQL_DOUBLE ? load_u64(v.data) : 0;
    float f;
    double d;
    memcpy(&f, &small, sizeof f);
    memcpy(&d, &large, sizeof d);
    if (isfinite(type->kind == CQL_FLOAT ? (double)f : d))
        value_print(type, v, out);
    else
        buf_put_text(out, "null");
}

static void print_inet(struct bytes v, struct buf *out)
{
    buf_put_u8(out, '"');
    if (v.len == 4)
        buf_printf(out, "%d.%d.%d.%d", v.data[0], v.data[1], v.data[2], v.data[3]);
    for (size_t i = 0; v.len == 16 && i < 16; i += 2)
        buf_printf(out, "%s%x", i > 0 ? ":" : "", load_u16(v.data + i));
    buf_put_u8(out, '"');
}

/* A key is a string, whatever it is of. */
static void print_key(const struct cql_type *type, struct bytes v, struct buf *out)
{
    struct buf b;
    buf_init(&b, out->max);
    value_print_json(type, v, &b);
    if (b.len > 0 && b.data[0] == '"')
        buf_put_bytes(out, buf_bytes(&b));
    else
        json_print_string(buf_bytes(&b), out);
    buf_close(&b);
}

static void print_collection(const struct cql_type *type, struct bytes v, struct buf *out)
{
    bool map = type->kind == CQL_MAP;
    struct value_items it = value_items_open(type, v);
    struct bytes item;
    bool first = true;
    buf_put_u8(out, map ? '{' : '[');
    while (value_items_next(&it, &item)) {
        if (!first)
            buf_put_text(out, ", ");
        first = false;
        if (map) {
            print_key(type->items[0], item, out);
            buf_put_text(out, ": ");
            if (!value_items_next(&it, &item))
                break;
        }
        value_print_json(type->items[map ? 1 : 0], item, out);
    }
    buf_put_u8(out, map ? '}' : ']');
}

/* A tuple, a vector, or with the names of its fields a user-defined type. */
static void print_parts(const struct cql_type *type, struct bytes v, struct buf *out)
{
    bool udt = type->kind == CQL_UDT;
    struct value_parts parts = value_parts_open(type, v);
    struct value_part part;
    if (v.len == 0 && type->kind == CQL_VECTOR) { /* there is no vector of nothing */
        buf_put_text(out, "null");
        return;
    }
    buf_put_u8(out, udt ? '{' : '[');
    for (uint32_t i = 0; value_parts_next(&parts, &part); i++) {
        if (i > 0)
            buf_put_text(out, ", ");
        if (udt) {
            json_print_name(type->fields[i], out);
            buf_put_text(out, ": ");
        }
        if (part.null)
            buf_put_text(out, "null");
        else
            value_print_json(type->items[type->kind == CQL_VECTOR ? 0 : i], part.bytes, out);
    }
    buf_put_u8(out, udt ? '}' : ']');
}

void value_print_json(const struct cql_type *type, struct bytes v, struct buf *out)
{
    if (cql_type_is_collection(type)) {
        print_collection(type, v, out);
        return;
    }
    if (cql_type_is_tuple(type) || type->kind == CQL_VECTOR) {
        print_parts(type, v, out);
        return;
    }
    bool text = type->kind == CQL_TEXT || type->kind == CQL_ASCII;
    if (v.len == 0 && !text && type->kind != CQL_BLOB) {
        buf_put_text(out, "\"\"");
        return;
    }
    switch (type->kind) {
    case CQL_ASCII:
    case CQL_TEXT: json_print_string(v, out); break;
    case CQL_BLOB:
        buf_put_text(out, "\"0x");
        for (size_t i = 0; i < v.len; i++)
            buf_printf(out, "%02x", v.data[i]);
        buf_put_u8(out, '"');
        break;
    case CQL_FLOAT:
    case CQL_DOUBLE: print_real(type, v, out); break;
    case CQL_TIMESTAMP: print_timestamp(v, out); break;
    case CQL_INET: print_inet(v, out); break;
    case CQL_DATE:
    case CQL_DURATION:
    case CQL_TIME:
    case CQL_TIMEUUID:
    case CQL_UUID: print_text(type, v, true, out); break;
    default: print_text(type, v, false, out); break;
    }
}
