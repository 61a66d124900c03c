/* collect.c - collections and user-defined types that are not frozen: one cell an element or field.
 *
 *   list  path = timeuuid in order-preserving form; later appends get later ones, prepends count
 *         down from long ago, so that the newest prepend comes first
 *   set   path = the element, no value
 *   map   path = the key, value = the value
 *         (both: with the form of the element or key before the value, where form.h wants it)
 *   udt   path = the number of the field as u16, value = the value; a null field has no cell
 *
 * Overwriting puts a tombstone one microsecond before the elements at (column, no path), so that
 * concurrent overwrites do not add up.
 */
#include "node/cql/exec/core.h"
#include "node/schema/form.h"
#include "node/schema/order.h"

#include <string.h>

/* 2010-01-01: prepends run backwards from here by as much as has passed since. */
#define PREPEND_REFERENCE_US INT64_C(1262304000000000)

struct cell cell_make(const struct column *c, struct cell_times t, struct cql_value value)
{
    struct cell cell = {.column = c->id, .timestamp = t.timestamp};
    if (value.kind == CQL_VALUE_NULL) {
        cell.kind = CELL_TOMBSTONE;
        cell.time_s = t.now_s;
        return cell;
    }
    cell.value = value.data;
    if (t.ttl > 0) {
        cell.kind = CELL_EXPIRING;
        cell.ttl = t.ttl;
        cell.time_s = t.now_s + t.ttl;
    }
    return cell;
}

void cells_push(struct run *r, struct cells *out, struct cell cell)
{
    out->items = arena_grow(r->arena, out->items, out->count, &out->cap, sizeof out->items[0]);
    out->items[out->count++] = cell;
}

static bool path_of(struct run *r, const struct cql_type *type, struct bytes key, struct bytes *ret)
{
    struct buf b;
    struct errmsg m;
    buf_init(&b, BUF_MAX_DEFAULT);
    enum err err = order_encode(type, false, key, &b, &m);
    *ret = run_take(r, &b);
    return run_err(r, err, &m);
}

static bool push_element(struct run *r, const struct column *c, struct cell_times t,
                         struct bytes path, struct cql_value value, struct cells *out)
{
    struct cell cell = cell_make(c, t, value);
    cell.has_path = true;
    cell.path = path;
    cells_push(r, out, cell);
    return true;
}

/* What the cell of an element of a set, or of an entry of a map, holds. */
static struct bytes entry_value(struct run *r, const struct column *c, struct bytes key,
                                struct bytes value)
{
    struct buf b;
    if (!form_kept(c->type->items[0]))
        return value;
    buf_init(&b, BUF_MAX_DEFAULT);
    form_put(key, value, &b);
    return run_take(r, &b);
}

static struct bytes list_path(struct run *r, struct uuid u)
{
    struct bytes path = BYTES_NONE;
    (void)path_of(r, cql_type_native(CQL_TIMEUUID), bytes_make(u.b, sizeof u.b), &path);
    return path;
}

static struct uuid next_in_list(struct run *r)
{
    return r->lists_read ? timeuuid_make(r->exec, ++r->list_last)
                         : timeuuid_next(r->exec, r->now_us);
}

/* Where `count` elements go that are prepended. */
static int64_t first_in_list(struct run *r, int64_t count)
{
    struct exec *e = r->exec;
    int64_t ticks = timeuuid_ticks(2 * PREPEND_REFERENCE_US - r->now_us);
    if (r->lists_read)
        return r->list_first -= count;
    if (e->last_prepend != 0 && ticks >= e->last_prepend)
        ticks = e->last_prepend - 1;
    e->last_prepend = ticks - count;
    return e->last_prepend;
}

static void look_at_lists(struct run *r, const struct table *t, const struct row *row)
{
    for (size_t i = 0; i < row->cells_count; i++) {
        const struct cell *cell = &row->cells[i];
        const struct column *c = NULL;
        for (uint32_t j = 0; j < t->column_count && c == NULL && cell->has_path; j++)
            c = t->columns[j].id == cell->column ? &t->columns[j] : NULL;
        struct reader in = reader_make(cell->path);
        struct buf uuid;
        if (c == NULL || c->type->kind != CQL_LIST)
            continue;
        buf_init(&uuid, 64);
        if (order_decode(cql_type_native(CQL_TIMEUUID), false, &in, &uuid) == ERR_OK &&
            uuid.len == sizeof(struct uuid)) {
            uint64_t ticks = (uint64_t)(load_u16(uuid.data + 6) & 0x0fff) << 48 |
                             (uint64_t)load_u16(uuid.data + 4) << 32 | load_u32(uuid.data);
            r->list_last = (int64_t)ticks > r->list_last ? (int64_t)ticks : r->list_last;
            r->list_first = (int64_t)ticks < r->list_first ? (int64_t)ticks : r->list_first;
        }
        buf_close(&uuid);
    }
}

void collect_lists_read(struct run *r, const struct table *t, const struct part *p,
                        int64_t stamp_us)
{
    r->lists_read = true;
    r->list_last = timeuuid_ticks(stamp_us);
    r->list_first = timeuuid_ticks(2 * PREPEND_REFERENCE_US - stamp_us);
    if (p->has_static)
        look_at_lists(r, t, &p->static_row);
    for (size_t i = 0; i < p->rows_count; i++)
        look_at_lists(r, t, &p->rows[i]);
}

void collect_set_field(struct run *r, const struct column *c, struct cell_times t, uint32_t field,
                       struct cql_value value, struct cells *out)
{
    uint8_t *path = arena_alloc(r->arena, 2);
    store_u16(path, (uint16_t)field);
    push_element(r, c, t, bytes_make(path, 2), value, out);
}

static void put_fields(struct run *r, const struct column *c, struct cell_times t,
                       struct bytes value, struct cells *out)
{
    struct value_parts p = value_parts_open(c->type, value);
    struct value_part part;
    while (value_parts_next(&p, &part)) {
        if (!part.null)
            collect_set_field(r, c, t, p.at - 1, cql_value_make(part.bytes), out);
    }
}

bool collect_put(struct run *r, const struct column *c, struct cell_times t, struct cql_value value,
                 bool overwrite, struct cells *out)
{
    struct bytes item, path, second;
    if (overwrite) {
        struct cell cell = {.column = c->id,
                            .kind = CELL_TOMBSTONE,
                            .timestamp = t.timestamp - 1,
                            .time_s = t.now_s};
        cells_push(r, out, cell);
    }
    if (value.kind != CQL_VALUE_SET)
        return true;
    if (c->type->kind == CQL_UDT) {
        put_fields(r, c, t, value.data, out);
        return true;
    }
    struct value_items it = value_items_open(c->type, value.data);
    while (value_items_next(&it, &item)) {
        second = item;
        if (c->type->kind == CQL_LIST)
            path = list_path(r, next_in_list(r));
        else if (!path_of(r, c->type->items[0], item, &path))
            return false;
        if (c->type->kind == CQL_SET)
            second = BYTES_NONE;
        if (c->type->kind == CQL_MAP && !value_items_next(&it, &second))
            break;
        if (c->type->kind != CQL_LIST)
            second = entry_value(r, c, item, second);
        push_element(r, c, t, path, cql_value_make(second), out);
    }
    return true;
}

bool collect_prepend(struct run *r, const struct column *c, struct cell_times t,
                     struct cql_value value, struct cells *out)
{
    struct bytes item;
    if (value.kind != CQL_VALUE_SET)
        return true;
    int64_t count = value_items_count(value.data);
    int64_t first = first_in_list(r, count);
    struct value_items it = value_items_open(c->type, value.data);
    for (int64_t n = 0; value_items_next(&it, &item); n++) {
        struct uuid u = timeuuid_make(r->exec, first + n);
        push_element(r, c, t, list_path(r, u), cql_value_make(item), out);
    }
    return true;
}

size_t cells_of(const struct row *row, const struct column *c, size_t *ret_end)
{
    size_t low = 0, high = row->cells_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (row->cells[middle].column < c->id)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_end = low;
    while (*ret_end < row->cells_count && row->cells[*ret_end].column == c->id)
        (*ret_end)++;
    return low;
}

/* The live elements of a column in a row, in order. Those of the row that was last asked for are
 * kept: a statement may set thousands of elements of one long list. */
static struct cells live_elements(struct run *r, const struct column *c, const struct row *row)
{
    struct live_lists *known = &r->live;
    struct cells out = {0};
    if (row == NULL)
        return out;
    if (known->row != row)
        *known = (struct live_lists){.row = row};
    for (size_t i = 0; i < known->count; i++) {
        if (known->items[i].column == c)
            return known->items[i].cells;
    }
    size_t end;
    for (size_t i = cells_of(row, c, &end); i < end; i++) {
        const struct cell *cell = &row->cells[i];
        if (cell->has_path && cell_is_live(cell, r->now_s))
            cells_push(r, &out, *cell);
    }
    known->items =
        arena_grow(r->arena, known->items, known->count, &known->cap, sizeof known->items[0]);
    known->items[known->count++] = (struct live_list){c, out};
    return out;
}

static bool list_cell_at(struct run *r, const struct column *c, struct bytes key,
                         const struct row *row, struct bytes *ret_path)
{
    struct cells live = live_elements(r, c, row);
    int32_t index = key.len == 4 ? (int32_t)load_u32(key.data) : -1;
    if (live.count == 0)
        return run_invalid(r, "Attempted to set an element on a list which is null");
    if (index < 0 || (size_t)index >= live.count)
        return run_invalid(r, "List index %d out of bound, list has size %zu", index, live.count);
    *ret_path = live.items[index].path;
    return true;
}

bool collect_set_element(struct run *r, const struct column *c, struct cell_times t,
                         struct bytes key, struct cql_value value, const struct row *row,
                         struct cells *out)
{
    struct bytes path;
    bool good = c->type->kind == CQL_LIST ? list_cell_at(r, c, key, row, &path)
                                          : path_of(r, c->type->items[0], key, &path);
    if (good && c->type->kind == CQL_MAP && value.kind == CQL_VALUE_SET)
        value.data = entry_value(r, c, key, value.data);
    return good && push_element(r, c, t, path, value, out);
}

/* The different elements of a list, in order. */
static struct bytes *sorted_elements(struct run *r, const struct cql_type *list, struct bytes value,
                                     size_t *ret_count)
{
    const struct cql_type *set = cql_type_set(r->arena, list->items[0], true);
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    value_normalize(set, value, &b);
    struct bytes sorted = run_take(r, &b);
    struct bytes *items =
        arena_array(r->arena, struct bytes, (size_t)value_items_count(sorted) + 1);
    struct value_items it = value_items_open(set, sorted);
    size_t n = 0;
    while (value_items_next(&it, &items[n]))
        n++;
    *ret_count = n;
    return items;
}

static bool is_among(const struct cql_type *type, const struct bytes *items, size_t count,
                     struct bytes value)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = value_compare(type, items[middle], value);
        if (c == 0)
            return true;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* Both lists may be long: what is to go is sorted, and each element looked up in it. */
static void remove_from_list(struct run *r, const struct column *c, struct cell_times t,
                             struct bytes value, const struct row *row, struct cells *out)
{
    size_t count;
    struct cells live = live_elements(r, c, row);
    struct bytes *gone = sorted_elements(r, c->type, value, &count);
    for (size_t i = 0; i < live.count; i++) {
        if (is_among(c->type->items[0], gone, count, live.items[i].value))
            push_element(r, c, t, live.items[i].path, CQL_NULL, out);
    }
}

bool collect_remove(struct run *r, const struct column *c, struct cell_times t,
                    struct cql_value value, const struct row *row, struct cells *out)
{
    struct bytes item, path;
    if (value.kind != CQL_VALUE_SET)
        return true;
    if (c->type->kind == CQL_LIST) {
        remove_from_list(r, c, t, value.data, row, out);
        return true;
    }
    /* of a map, what is taken away is a set of keys */
    struct value_items it =
        value_items_open(cql_type_set(r->arena, c->type->items[0], true), value.data);
    while (value_items_next(&it, &item)) {
        if (!path_of(r, c->type->items[0], item, &path))
            return false;
        push_element(r, c, t, path, CQL_NULL, out);
    }
    return true;
}

static void put_sized(struct buf *b, struct bytes item)
{
    buf_put_i32(b, (int32_t)item.len);
    buf_put_bytes(b, item);
}

/* The fields that have cells; those of a newer schema than ours are not seen. */
static bool gather_fields(struct run *r, const struct column *c, const struct cell *cells,
                          size_t count, int64_t now_s, struct cql_value *ret)
{
    struct value_part *parts = arena_array(r->arena, struct value_part, c->type->count);
    bool any = false;
    struct buf b;
    for (uint32_t i = 0; i < c->type->count; i++)
        parts[i].null = true;
    for (size_t i = 0; i < count; i++) {
        const struct cell *cell = &cells[i];
        uint32_t field =
            cell->has_path && cell->path.len == 2 ? load_u16(cell->path.data) : UINT32_MAX;
        if (field >= c->type->count || !cell_is_live(cell, now_s))
            continue;
        parts[field] = (struct value_part){.bytes = cell->value};
        any = true;
    }
    if (!any)
        return false;
    buf_init(&b, BUF_MAX_DEFAULT);
    value_tuple_build(parts, c->type->count, &b);
    *ret = cql_value_make(run_take(r, &b));
    return true;
}

bool collect_gather(struct run *r, const struct column *c, const struct cell *cells, size_t count,
                    int64_t now_s, struct cql_value *ret)
{
    struct buf b, key;
    int32_t n = 0;
    *ret = CQL_NULL;
    if (c->type->kind == CQL_UDT)
        return gather_fields(r, c, cells, count, now_s, ret);
    buf_init(&b, BUF_MAX_DEFAULT);
    buf_init(&key, BUF_MAX_DEFAULT);
    buf_put_i32(&b, 0);
    for (size_t i = 0; i < count; i++) {
        const struct cell *cell = &cells[i];
        struct bytes value = cell->value, form;
        if (!cell->has_path || !cell_is_live(cell, now_s))
            continue;
        if (c->type->kind != CQL_LIST) {
            struct reader in = reader_make(cell->path);
            buf_clear(&key);
            if (order_decode(c->type->items[0], false, &in, &key) != ERR_OK)
                continue; /* a replica sent what is no key: as if it were not there */
            struct bytes shown = buf_bytes(&key);
            if (form_kept(c->type->items[0]) && form_take(value, &form, &value))
                shown = form_or_key(c->type->items[0], form, shown);
            put_sized(&b, shown);
        }
        if (c->type->kind != CQL_SET)
            put_sized(&b, value);
        n++;
    }
    store_u32(b.data, (uint32_t)n);
    struct bytes data = run_take(r, &b);
    buf_close(&key);
    if (n > 0)
        *ret = cql_value_make(data);
    return n > 0;
}

bool collect_count(struct run *r, const struct column *c, struct cell_times t,
                   struct cql_value value, bool subtract, uint32_t op_no, struct cells *out)
{
    uint8_t name[COUNTER_ID_SIZE + 8];
    uint8_t id[COUNTER_ID_SIZE];
    if (value.kind == CQL_VALUE_NULL)
        return run_invalid(r, "Invalid null value for counter increment");
    int64_t delta = (int64_t)load_u64(value.data.data);
    if (subtract && delta == INT64_MIN)
        return run_invalid(r,
                           "The negation of %lld overflows supported counter precision (signed 8 "
                           "bytes integer)",
                           (long long)delta);
    memcpy(name, r->request_id, COUNTER_ID_SIZE);
    store_u32(name + COUNTER_ID_SIZE, r->statement_no);
    store_u32(name + COUNTER_ID_SIZE + 4, op_no);
    counter_id(bytes_make(name, sizeof name), id);
    cells_push(r, out,
               counter_increment(c->id, id, subtract ? -delta : delta, t.timestamp, r->arena));
    return true;
}
