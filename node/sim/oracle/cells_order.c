/* cells_order.c - how values compare. Total for any bytes: answers bring what they like. */
#include "node/sim/oracle/cells_core.h"

#include <string.h>

static int sign(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static uint8_t byte_of_whole(struct bytes b, size_t width, size_t i)
{
    uint8_t fill = (b.data[0] & 0x80) != 0 ? 0xff : 0;
    size_t skip = width - b.len;
    return i < skip ? fill : b.data[i - skip];
}

static int compare_whole(struct bytes a, struct bytes b)
{
    size_t width = a.len > b.len ? a.len : b.len;
    if (a.len == 0 || b.len == 0)
        return sign((int64_t)a.len, (int64_t)b.len);
    for (size_t i = 0; i < width; i++) {
        uint8_t x = byte_of_whole(a, width, i), y = byte_of_whole(b, width, i);
        if (i == 0 && (x & 0x80) != (y & 0x80))
            return (x & 0x80) != 0 ? -1 : 1;
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

/* In ten-thousandths: enough for what is generated. */
static bool read_decimal(struct bytes b, int64_t *ret)
{
    if (b.len < 5 || b.len > 10)
        return false;
    int32_t scale = (int32_t)load_u32(b.data);
    int64_t n = (int8_t)b.data[4];
    for (size_t i = 5; i < b.len; i++)
        n = n * 256 + b.data[i];
    if (scale < 0 || scale > 4)
        return false;
    for (int32_t i = 4; i > scale; i--)
        n *= 10;
    *ret = n;
    return true;
}

static int compare_decimal(struct bytes a, struct bytes b)
{
    int64_t x, y;
    if (!read_decimal(a, &x) || !read_decimal(b, &y))
        return bytes_compare(a, b);
    return sign(x, y);
}

static bool read_real(struct bytes b, double *ret)
{
    if (b.len == 8) {
        uint64_t u = load_u64(b.data);
        memcpy(ret, &u, sizeof u);
        return true;
    }
    if (b.len == 4) {
        uint32_t u = load_u32(b.data);
        float f;
        memcpy(&f, &u, sizeof u);
        *ret = (double)f;
        return true;
    }
    return false;
}

static int compare_real(struct bytes a, struct bytes b)
{
    double x, y;
    if (!read_real(a, &x) || !read_real(b, &y))
        return bytes_compare(a, b);
    return (x > y) - (x < y);
}

int cells_compare(enum cells_order order, struct bytes a, struct bytes b)
{
    switch (order) {
    case CELLS_BYTEWISE: return bytes_compare(a, b);
    case CELLS_WHOLE: return compare_whole(a, b);
    case CELLS_DECIMAL: return compare_decimal(a, b);
    case CELLS_REAL: return compare_real(a, b);
    }
    return 0;
}

int row_key_compare(const struct table *t, const struct bytes *a, const struct bytes *b)
{
    for (uint32_t i = 0; i < t->clustering_count; i++) {
        const struct cells_column *c = &t->columns[t->partition_count + i];
        int sense = cells_compare(c->order, a[i], b[i]);
        if (sense != 0)
            return c->reversed ? -sense : sense;
    }
    return 0;
}

static int compare_tuple(const struct table *t, const struct cells_relation *r,
                         const struct bytes *row, const struct bytes *values)
{
    for (uint32_t i = 0; i < r->columns; i++) {
        const struct cells_column *c = &t->columns[t->partition_count + r->first + i];
        int sense = cells_compare(c->order, row[r->first + i], values[i]);
        if (sense != 0)
            return sense;
    }
    return 0;
}

static bool relation_holds(const struct table *t, const struct cells_relation *r,
                           const struct bytes *row)
{
    for (uint32_t i = 0; r->op == CELLS_IN && i < r->alternatives; i++) {
        if (compare_tuple(t, r, row, r->values + i * r->columns) == 0)
            return true;
    }
    int sense = r->op == CELLS_IN ? 0 : compare_tuple(t, r, row, r->values);
    switch (r->op) {
    case CELLS_EQ: return sense == 0;
    case CELLS_LT: return sense < 0;
    case CELLS_LE: return sense <= 0;
    case CELLS_GT: return sense > 0;
    case CELLS_GE: return sense >= 0;
    case CELLS_IN: return false;
    }
    return false;
}

bool where_matches(const struct table *t, const struct cells_where *w, const struct bytes *row)
{
    for (uint32_t i = 0; i < w->count; i++) {
        if (!relation_holds(t, &w->items[i], row))
            return false;
    }
    return true;
}

bool row_find(const struct table *t, const struct partition *p, const struct bytes *key,
              size_t *ret_index)
{
    size_t low = 0, high = p->rows_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int sense = row_key_compare(t, p->rows[middle]->key, key);
        if (sense == 0) {
            *ret_index = middle;
            return true;
        }
        if (sense < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_index = low;
    return false;
}
