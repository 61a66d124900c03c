/* value_items.c - collection values:
 *
 *   list, set = count:i32 count*(len:i32 item)
 *   map       = count:i32 count*(len:i32 key len:i32 value)
 */
#include "node/schema/value_parts.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

uint32_t value_items_count(struct bytes collection)
{
    struct reader r = reader_make(collection);
    int32_t count = read_i32(&r);
    return r.failed || count < 0 || (size_t)count > reader_left(&r) / 4 ? 0 : (uint32_t)count;
}

struct value_items value_items_open(const struct cql_type *type, struct bytes collection)
{
    struct value_items it = {.r = reader_make(collection)};
    it.left = value_items_count(collection) * type->count;
    read_u32(&it.r);
    return it;
}

bool value_items_next(struct value_items *it, struct bytes *ret_item)
{
    if (it->left == 0)
        return false;
    it->left--;
    int32_t len = read_i32(&it->r);
    struct bytes item = read_bytes(&it->r, len < 0 ? SIZE_MAX : (size_t)len);
    if (it->r.failed) {
        it->left = 0;
        return false;
    }
    *ret_item = item;
    return true;
}

/* Merge sort by the first item of each entry: stable, so that of equal keys the later is last, and
 * it needs no state beside its arguments as qsort would. */
static void sort_entries(const struct cql_type *key, size_t width, struct bytes *items,
                         struct bytes *spare, size_t entries)
{
    if (entries < 2)
        return;
    size_t half = entries / 2;
    struct bytes *right = items + half * width;
    sort_entries(key, width, items, spare, half);
    sort_entries(key, width, right, spare, entries - half);
    if (value_compare(key, right[-(ptrdiff_t)width], right[0]) <= 0)
        return; /* in order already: what drivers mostly send */
    memcpy(spare, items, half * width * sizeof *items);
    size_t l = 0;
    size_t r = 0;
    struct bytes *to = items;
    while (l < half && r < entries - half) {
        bool take_left = value_compare(key, spare[l * width], right[r * width]) <= 0;
        struct bytes *from = take_left ? spare + l++ * width : right + r++ * width;
        for (size_t i = 0; i < width; i++)
            *to++ = from[i];
    }
    if (l < half)
        memcpy(to, spare + l * width, (half - l) * width * sizeof *items);
}

/* Of neighbours with equal keys keep the last. Returns how many entries are left. */
static size_t drop_duplicates(const struct cql_type *key, size_t width, struct bytes *items,
                              size_t entries)
{
    size_t kept = 0;
    for (size_t i = 0; i < entries; i++) {
        if (kept > 0 && value_compare(key, items[(kept - 1) * width], items[i * width]) == 0)
            kept--;
        memmove(items + kept++ * width, items + i * width, width * sizeof *items);
    }
    return kept;
}

enum err value_collection_build(const struct cql_type *type, struct bytes *items, size_t count,
                                struct buf *out, struct errmsg *ret_err)
{
    size_t width = type->count;
    size_t entries = count / width;
    ASSERT(cql_type_is_collection(type) && count % width == 0);
    if (entries > VALUE_ITEMS_MAX)
        return errmsg_set(ret_err, ERR_INVALID,
                          "Collection has %zu elements, at most %d are possible", entries,
                          VALUE_ITEMS_MAX);
    if (type->kind != CQL_LIST && entries > 1) {
        struct bytes *spare = mem_alloc((entries / 2) * width * sizeof *spare);
        sort_entries(type->items[0], width, items, spare, entries);
        mem_free(spare);
        entries = drop_duplicates(type->items[0], width, items, entries);
    }
    buf_put_u32(out, (uint32_t)entries);
    for (size_t i = 0; i < entries * width; i++) {
        buf_put_u32(out, (uint32_t)items[i].len);
        buf_put_bytes(out, items[i]);
    }
    return ERR_OK;
}

void value_normalize(const struct cql_type *type, struct bytes value, struct buf *out)
{
    if (type->count == 0 || value.len == 0) {
        buf_put_bytes(out, value);
        return;
    }
    if (!cql_type_is_collection(type)) {
        value_parts_normalize(type, value, out);
        return;
    }
    size_t count = (size_t)value_items_count(value) * type->count;
    struct bytes *items = mem_alloc((count + 1) * sizeof *items);
    struct buf *parts = mem_alloc((count + 1) * sizeof *parts);
    struct value_items it = value_items_open(type, value);
    size_t n = 0;
    while (n < count && value_items_next(&it, &items[n])) {
        buf_init(&parts[n], out->max);
        if (type->items[n % type->count]->count > 0) {
            value_normalize(type->items[n % type->count], items[n], &parts[n]);
            items[n] = buf_bytes(&parts[n]);
        }
        n++;
    }
    enum err err = value_collection_build(type, items, n - n % type->count, out, NULL);
    ASSERT(err == ERR_OK); /* the value was valid: not too many */
    for (size_t i = 0; i < n; i++)
        buf_close(&parts[i]);
    mem_free(parts);
    mem_free(items);
}
