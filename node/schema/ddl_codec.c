/* ddl_codec.c - commands as bytes, for the metadata log. Do not renumber.
 *
 *   command = version:u8 (1) kind:u8 flags:u8 keyspace:text table:text table_id:uuid
 *             timestamp_us:svarint columns:varint (name:text type:text new_name:text static:u8)*
 *             names names                                partition key, clustering key
 *             orders:varint (column:text descending:u8)*
 *             index:text index_class:text options:varint (name:text is_map:u8 (value:text |
 * pairs:varint (key:text value:text)*))* primary_key_clauses:varint names   = count:varint text*
 * text    = length:varint bytes without NUL; a text that is not there is empty flags   = 1 if
 * exists, 2 if not exists, 4 if column exists, 8 if no column, 16 custom, 32 unqualified
 */
#include "base/mem.h"
#include "node/schema/ddl.h"

#include <string.h>

#define CODEC_VERSION 1

static void put_text(struct buf *out, const char *text)
{
    buf_put_vbytes(out, text != NULL ? bytes_text(text) : BYTES_NONE);
}

static void put_names(struct buf *out, const char *const *names, uint32_t count)
{
    buf_put_varint(out, count);
    for (uint32_t i = 0; i < count; i++)
        put_text(out, names[i]);
}

static void put_options(struct buf *out, const struct ddl *ddl)
{
    buf_put_varint(out, ddl->option_count);
    for (uint32_t i = 0; i < ddl->option_count; i++) {
        const struct ddl_option *o = &ddl->options[i];
        put_text(out, o->name);
        buf_put_u8(out, o->value == NULL);
        if (o->value != NULL) {
            put_text(out, o->value);
            continue;
        }
        buf_put_varint(out, o->pair_count);
        for (uint32_t j = 0; j < o->pair_count; j++) {
            put_text(out, o->pairs[j].key);
            put_text(out, o->pairs[j].value);
        }
    }
}

void ddl_encode(const struct ddl *ddl, struct buf *out)
{
    buf_put_u8(out, CODEC_VERSION);
    buf_put_u8(out, (uint8_t)ddl->kind);
    buf_put_u8(out,
               (uint8_t)(ddl->if_exists | ddl->if_not_exists << 1 | ddl->if_column_exists << 2 |
                         ddl->if_no_column << 3 | ddl->custom << 4 | ddl->unqualified << 5));
    put_text(out, ddl->keyspace);
    put_text(out, ddl->table);
    buf_put_uuid(out, &ddl->table_id);
    buf_put_svarint(out, ddl->timestamp_us);
    buf_put_varint(out, ddl->column_count);
    for (uint32_t i = 0; i < ddl->column_count; i++) {
        put_text(out, ddl->columns[i].name);
        put_text(out, ddl->columns[i].type);
        put_text(out, ddl->columns[i].new_name);
        buf_put_u8(out, ddl->columns[i].is_static);
    }
    put_names(out, ddl->partition_key, ddl->partition_key_count);
    put_names(out, ddl->clustering, ddl->clustering_count);
    buf_put_varint(out, ddl->order_count);
    for (uint32_t i = 0; i < ddl->order_count; i++) {
        put_text(out, ddl->orders[i].column);
        buf_put_u8(out, ddl->orders[i].descending);
    }
    put_text(out, ddl->index);
    put_text(out, ddl->index_class);
    put_options(out, ddl);
    buf_put_varint(out, ddl->primary_key_clauses);
}

static const char *get_text(struct reader *r, struct arena *a)
{
    struct bytes b = read_vbytes(r);
    if (b.len > 0 && memchr(b.data, 0, b.len) != NULL)
        r->failed = true;
    return arena_text(a, b);
}

static uint32_t get_count(struct reader *r)
{
    uint64_t n = read_varint(r);
    if (n > DDL_ITEMS_MAX || n > reader_left(r))
        r->failed = true;
    return r->failed ? 0 : (uint32_t)n;
}

static bool get_flag(struct reader *r)
{
    uint8_t v = read_u8(r);
    if (v > 1)
        r->failed = true;
    return v == 1;
}

static const char *const *get_names(struct reader *r, struct arena *a, uint32_t *ret_count)
{
    *ret_count = get_count(r);
    const char **names = arena_array(a, const char *, *ret_count);
    for (uint32_t i = 0; i < *ret_count; i++)
        names[i] = get_text(r, a);
    return names;
}

static void get_columns(struct reader *r, struct arena *a, struct ddl *ddl)
{
    ddl->column_count = get_count(r);
    struct ddl_column *columns = arena_array(a, struct ddl_column, ddl->column_count);
    for (uint32_t i = 0; i < ddl->column_count; i++) {
        columns[i].name = get_text(r, a);
        columns[i].type = get_text(r, a);
        columns[i].new_name = get_text(r, a);
        columns[i].is_static = get_flag(r);
    }
    ddl->columns = columns;
}

static void get_orders(struct reader *r, struct arena *a, struct ddl *ddl)
{
    ddl->order_count = get_count(r);
    struct ddl_order *orders = arena_array(a, struct ddl_order, ddl->order_count);
    for (uint32_t i = 0; i < ddl->order_count; i++) {
        orders[i].column = get_text(r, a);
        orders[i].descending = get_flag(r);
    }
    ddl->orders = orders;
}

static void get_options(struct reader *r, struct arena *a, struct ddl *ddl)
{
    ddl->option_count = get_count(r);
    struct ddl_option *options = arena_array(a, struct ddl_option, ddl->option_count);
    for (uint32_t i = 0; i < ddl->option_count && !r->failed; i++) {
        options[i].name = get_text(r, a);
        if (!get_flag(r)) {
            options[i].value = get_text(r, a);
            continue;
        }
        options[i].pair_count = get_count(r);
        struct option_pair *pairs = arena_array(a, struct option_pair, options[i].pair_count);
        for (uint32_t j = 0; j < options[i].pair_count; j++) {
            pairs[j].key = get_text(r, a);
            pairs[j].value = get_text(r, a);
        }
        options[i].pairs = pairs;
    }
    ddl->options = options;
}

enum err ddl_decode(struct bytes bytes, struct arena *a, struct ddl *ret_ddl)
{
    struct reader r = reader_make(bytes);
    struct ddl ddl = {0};
    if (bytes.len > DDL_BYTES_MAX)
        return ERR_TOO_BIG;
    uint8_t version = read_u8(&r);
    if (!r.failed && version != CODEC_VERSION)
        return ERR_UNSUPPORTED;
    uint8_t kind = read_u8(&r);
    uint8_t flags = read_u8(&r);
    bool known = (kind >= DDL_CREATE_KEYSPACE && kind <= DDL_DROP_INDEX) ||
                 (kind >= DDL_CREATE_TYPE && kind <= DDL_DROP_TYPE);
    if (r.failed || !known || flags > 63)
        return ERR_MALFORMED;
    ddl.kind = (enum ddl_kind)kind;
    ddl.if_exists = flags & 1;
    ddl.if_not_exists = flags >> 1 & 1;
    ddl.if_column_exists = flags >> 2 & 1;
    ddl.if_no_column = flags >> 3 & 1;
    ddl.custom = flags >> 4 & 1;
    ddl.unqualified = flags >> 5 & 1;
    ddl.keyspace = get_text(&r, a);
    ddl.table = get_text(&r, a);
    ddl.table_id = read_uuid(&r);
    ddl.timestamp_us = read_svarint(&r);
    get_columns(&r, a, &ddl);
    ddl.partition_key = get_names(&r, a, &ddl.partition_key_count);
    ddl.clustering = get_names(&r, a, &ddl.clustering_count);
    get_orders(&r, a, &ddl);
    ddl.index = get_text(&r, a);
    ddl.index_class = get_text(&r, a);
    get_options(&r, a, &ddl);
    ddl.primary_key_clauses = (uint32_t)(read_varint(&r) & UINT32_MAX);
    enum err err = reader_finish(&r);
    if (err == ERR_OK)
        *ret_ddl = ddl;
    return err;
}
