/* value_string.c - values from the strings that Cassandra's types read, whatever the type. A tuple
 * is its parts with ':' between, '@' for null, and a backslash before either when it is meant. */
#include "node/schema/value_parts.h"

#include <string.h>
#include <strings.h>

static enum err from_boolean(struct bytes text, struct buf *out, struct errmsg *e)
{
    bool yes = text.len == 4 && strncasecmp((const char *)text.data, "true", 4) == 0;
    bool no = text.len == 5 && strncasecmp((const char *)text.data, "false", 5) == 0;
    if (!yes && !no)
        return errmsg_set(e, ERR_INVALID, "unable to make boolean from '%.*s'",
                          (int)(text.len < 100 ? text.len : 100), (const char *)text.data);
    buf_put_u8(out, yes);
    return ERR_OK;
}

/* Hexadecimal digits of the bytes, which must be of the type. */
static enum err from_hex(const struct cql_type *type, struct bytes text, struct buf *out,
                         struct errmsg *e)
{
    size_t at = out->len;
    enum err err = value_from_literal(cql_type_native(CQL_BLOB), LITERAL_HEX, text, "", out, e);
    if (err != ERR_OK || out->failed)
        return err;
    struct bytes value = {0};
    if (out->len > at)
        value = bytes_make(out->data + at, out->len - at);
    return value_validate(type, value, e);
}

/* The length of the part in front, up to the ':' that ends it or to the end. */
static size_t part_length(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == ':' && (i == 0 || text.data[i - 1] != '\\'))
            return i;
    }
    return text.len;
}

static void put_unescaped(struct bytes part, struct buf *out)
{
    for (size_t i = 0; i < part.len; i++) {
        bool escape = part.data[i] == '\\' && i + 1 < part.len &&
                      (part.data[i + 1] == ':' || part.data[i + 1] == '@');
        if (!escape)
            buf_put_u8(out, part.data[i]);
    }
}

static enum err put_part(const struct cql_type *type, struct bytes part, struct buf *out,
                         struct errmsg *e)
{
    struct buf plain;
    size_t at = out->len;
    buf_put_i32(out, -1);
    if (bytes_equal_text(part, "@"))
        return ERR_OK;
    buf_init(&plain, out->max);
    put_unescaped(part, &plain);
    enum err err = value_from_text(type, buf_bytes(&plain), out, e);
    out->failed |= plain.failed;
    buf_close(&plain);
    if (!out->failed)
        store_u32(out->data + at, (uint32_t)(out->len - at - 4));
    return err;
}

static enum err from_parts(const struct cql_type *type, struct bytes text, struct buf *out,
                           struct errmsg *e)
{
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == ':' && (i == 0 || text.data[i - 1] != '\\');
    if (count > type->count) {
        struct buf name;
        buf_init(&name, ERRMSG_SIZE);
        cql_type_print(type, &name);
        enum err err = errmsg_set(e, ERR_INVALID,
                                  "Invalid tuple literal: too many elements. Type %.*s expects %u "
                                  "but got %zu",
                                  (int)name.len, (const char *)name.data, type->count, count);
        buf_close(&name);
        return err;
    }
    for (size_t i = 0; i < count; i++) {
        size_t len = part_length(text);
        enum err err = put_part(type->items[i], bytes_make(text.data, len), out, e);
        if (err != ERR_OK)
            return err;
        if (len < text.len)
            text = bytes_make(text.data + len + 1, text.len - len - 1);
    }
    return ERR_OK;
}

enum err value_from_text(const struct cql_type *type, struct bytes text, struct buf *out,
                         struct errmsg *ret_err)
{
    enum literal_kind kind = LITERAL_STRING;
    switch (type->kind) {
    case CQL_BIGINT:
    case CQL_COUNTER:
    case CQL_INT:
    case CQL_SMALLINT:
    case CQL_TINYINT:
    case CQL_VARINT: kind = LITERAL_INTEGER; break;
    case CQL_DECIMAL:
    case CQL_DOUBLE:
    case CQL_FLOAT: kind = LITERAL_FLOAT; break;
    case CQL_UUID:
    case CQL_TIMEUUID: kind = LITERAL_UUID; break;
    case CQL_DURATION: kind = LITERAL_DURATION; break;
    case CQL_BOOLEAN:
        if (text.len > 0)
            return from_boolean(text, out, ret_err);
        break;
    case CQL_TUPLE:
    case CQL_UDT: return from_parts(type, text, out, ret_err);
    case CQL_BLOB:
    case CQL_LIST:
    case CQL_SET:
    case CQL_MAP:
    case CQL_VECTOR: return from_hex(type, text, out, ret_err);
    default: break;
    }
    bool empty = text.len == 0 && value_validate(type, text, NULL) == ERR_OK;
    return empty ? ERR_OK : value_from_literal(type, kind, text, "", out, ret_err);
}
