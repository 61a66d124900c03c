#include "storage/counter_set.h"

#include "base/mem.h"
#include "base/mutant.h"
#include "storage/keys.h"
#include "storage/part_private.h"

#include <string.h>
#include <xxhash.h>

#define ENTRIES_MIN 8u /* first allocation */

struct counter_set {
    struct list link;
    struct omap_node *node;
    uint64_t seed;
    int64_t cover; /* deletions of the row and of all it is in: nothing up to here is there */
    int64_t base;  /* timestamp of the cell without path; TIMESTAMP_NONE: there is none */
    bool base_live;
    int64_t base_value;
    struct counter_entry *entries; /* in the order they came */
    size_t count, cap;
    uint32_t *slots; /* 1 + place among the entries, by hash; 0: free. Twice as many as entries */
    int64_t newest;
    int64_t cut; /* of which `settled` is known; TIMESTAMP_NONE: of none */
    size_t settled;
};

/* --- one set */

static size_t set_bytes(const struct counter_set *set)
{
    return sizeof *set + omap_key(set->node).len +
           set->cap * (sizeof *set->entries + 2 * sizeof *set->slots);
}

/* The slot of the id, or the free one where it would be. Ids are what clients choose names for: the
 * seed is ours. */
static size_t slot_of(const struct counter_set *set, const uint8_t *id)
{
    size_t mask = 2 * set->cap - 1;
    size_t at = (size_t)XXH3_64bits_withSeed(id, COUNTER_ID_SIZE, set->seed) & mask;
    while (set->slots[at] != 0 &&
           memcmp(set->entries[set->slots[at] - 1].id, id, COUNTER_ID_SIZE) != 0)
        at = (at + 1) & mask;
    return at;
}

static void rebuild_slots(struct counter_set *set)
{
    memset(set->slots, 0, 2 * set->cap * sizeof *set->slots);
    for (size_t i = 0; i < set->count; i++)
        set->slots[slot_of(set, set->entries[i].id)] = (uint32_t)(i + 1);
}

static void resize(struct counter_set *set, size_t cap)
{
    set->entries = mem_resize(set->entries, cap * sizeof *set->entries);
    mem_free(set->slots);
    set->slots = mem_alloc(2 * cap * sizeof *set->slots);
    set->cap = cap;
    rebuild_slots(set);
}

static bool is_covered(const struct counter_set *set, int64_t timestamp)
{
    return timestamp <= set->cover || (set->base != TIMESTAMP_NONE && timestamp <= set->base);
}

/* What is known of a cut is so no more when something that is not newer comes or goes. */
static void touch_cut(struct counter_set *set, int64_t timestamp)
{
    if (timestamp <= set->cut)
        set->cut = TIMESTAMP_NONE;
}

static void add_increment(struct counter_set *set, const struct cell *c)
{
    int64_t value = (int64_t)load_u64(c->value.data);
    if (is_covered(set, c->timestamp))
        return;
    if (set->count == set->cap)
        resize(set, set->cap > 0 ? 2 * set->cap : ENTRIES_MIN);
    size_t slot = slot_of(set, c->path.data);
    if (set->slots[slot] == 0) {
        memcpy(set->entries[set->count].id, c->path.data, COUNTER_ID_SIZE);
        set->slots[slot] = (uint32_t)++set->count;
    } else {
        const struct counter_entry *old = &set->entries[set->slots[slot] - 1];
        if (old->timestamp > c->timestamp || /* cell_wins */
            (old->timestamp == c->timestamp && (uint64_t)old->value >= (uint64_t)value))
            return;
        touch_cut(set, old->timestamp);
    }
    struct counter_entry *e = &set->entries[set->slots[slot] - 1];
    e->timestamp = c->timestamp;
    e->value = value;
    touch_cut(set, e->timestamp);
    if (e->timestamp > set->newest)
        set->newest = e->timestamp;
}

static void set_base(struct counter_set *set, const struct cell *c)
{
    size_t kept = 0;
    bool live = c->kind == CELL_LIVE;
    int64_t value = live ? (int64_t)load_u64(c->value.data) : 0;
    if (c->timestamp <= set->cover || c->timestamp < set->base ||
        (c->timestamp == set->base && set->base != TIMESTAMP_NONE &&
         (!set->base_live || (uint64_t)value <= (uint64_t)set->base_value)))
        return;
    set->base = c->timestamp;
    set->base_live = live;
    set->base_value = value;
    set->newest = set->cut = TIMESTAMP_NONE;
    for (size_t i = 0; i < set->count; i++) {
        if (is_covered(set, set->entries[i].timestamp))
            continue;
        set->entries[kept++] = set->entries[i];
        if (set->entries[i].timestamp > set->newest)
            set->newest = set->entries[i].timestamp;
    }
    if (kept < set->count) {
        set->count = kept;
        rebuild_slots(set);
    }
}

const struct counter_entry *counter_set_get(const struct counter_set *set,
                                            const uint8_t id[COUNTER_ID_SIZE])
{
    if (set->count == 0)
        return NULL;
    size_t slot = slot_of(set, id);
    return set->slots[slot] == 0 ? NULL : &set->entries[set->slots[slot] - 1];
}

size_t counter_set_count(const struct counter_set *set)
{
    return set->count;
}

int64_t counter_set_newest(const struct counter_set *set)
{
    return set->newest;
}

int64_t counter_set_base(const struct counter_set *set)
{
    return set->base;
}

size_t counter_set_settled(struct counter_set *set, int64_t cut)
{
    if (cut == TIMESTAMP_NONE || cut == set->cut)
        return cut == TIMESTAMP_NONE ? 0 : set->settled;
    set->cut = cut;
    set->settled = 0;
    for (size_t i = 0; i < set->count; i++)
        set->settled += set->entries[i].timestamp <= cut;
    return set->settled;
}

static struct cell sum_cell(uint32_t column, int64_t timestamp, int64_t sum, struct arena *arena)
{
    uint8_t *value = arena_alloc(arena, 8);
    store_u64(value, (uint64_t)sum);
    return (struct cell){
        .column = column, .kind = CELL_LIVE, .timestamp = timestamp, .value = bytes_make(value, 8)};
}

struct cell *counter_set_fold(const struct counter_set *set, uint32_t column, int64_t cut,
                              struct arena *arena, size_t *ret_count)
{
    struct cell *cells = arena_array(arena, struct cell, set->count + 1);
    size_t count = 0;
    bool any = set->base_live && !MUTANT(fold_forgets_sum);
    int64_t timestamp = any ? set->base : TIMESTAMP_NONE;
    uint64_t sum = any ? (uint64_t)set->base_value : 0;
    for (size_t i = 0; i < set->count; i++) {
        const struct counter_entry *e = &set->entries[i];
        if (e->timestamp > cut) {
            cells[count++] = counter_increment(column, e->id, e->value, e->timestamp, arena);
            continue;
        }
        any = true;
        sum += (uint64_t)e->value;
        timestamp = e->timestamp > timestamp ? e->timestamp : timestamp;
    }
    if (any)
        cells[count++] = sum_cell(column, timestamp, (int64_t)sum, arena);
    *ret_count = count;
    return cells;
}

/* --- all of them */

void counter_sets_init(struct counter_sets *s, uint64_t seed, size_t bytes_max)
{
    *s = (struct counter_sets){.bytes_max = bytes_max, .seed = seed};
    omap_init(&s->by_place);
    list_init(&s->used);
    buf_init(&s->key, SIZE_MAX);
}

void counter_sets_close(struct counter_sets *s)
{
    counter_sets_drop_all(s);
    omap_close(&s->by_place);
    buf_close(&s->key);
}

static struct counter_set *set_of(const struct omap_node *n)
{
    struct counter_set *set;
    memcpy(&set, omap_value(n).data, sizeof set);
    return set;
}

static void drop(struct counter_sets *s, struct counter_set *set)
{
    s->bytes -= set_bytes(set);
    list_remove(&set->link);
    omap_remove_node(&s->by_place, set->node);
    mem_free(set->entries);
    mem_free(set->slots);
    mem_free(set);
}

/* The first set whose place begins with s->key. */
static struct omap_node *first_in(const struct counter_sets *s)
{
    struct omap_node *n = omap_seek(&s->by_place, buf_bytes(&s->key));
    return n != NULL && bytes_starts_with(omap_key(n), buf_bytes(&s->key)) ? n : NULL;
}

static void drop_in(struct counter_sets *s)
{
    for (struct omap_node *n = first_in(s); n != NULL; n = first_in(s))
        drop(s, set_of(n));
}

void counter_sets_drop_all(struct counter_sets *s)
{
    buf_clear(&s->key);
    drop_in(s);
}

void counter_sets_drop_table(struct counter_sets *s, table_no table)
{
    key_table(&s->key, table);
    drop_in(s);
}

void counter_sets_drop_part(struct counter_sets *s, table_no table, token place, struct bytes key)
{
    key_part(&s->key, table, place, key);
    drop_in(s);
}

static void make_room(struct counter_sets *s)
{
    while (s->bytes > s->bytes_max && s->used.next != s->used.prev)
        drop(s, container_of(s->used.prev, struct counter_set, link));
}

/* s->key += the row of the partition that it names. */
static void add_row(struct counter_sets *s, bool is_static, struct bytes row)
{
    buf_put_u8(&s->key, is_static ? KEY_STATIC : KEY_ROW);
    if (!is_static)
        key_add_escaped(&s->key, row);
}

static void key_place(struct counter_sets *s, const struct counter_place *place)
{
    key_part(&s->key, place->table, place->token, place->key);
    add_row(s, place->is_static, place->row);
    buf_put_u32(&s->key, place->column);
}

struct counter_set *counter_sets_find(struct counter_sets *s, const struct counter_place *place)
{
    key_place(s, place);
    struct omap_node *n = omap_find(&s->by_place, buf_bytes(&s->key));
    if (n == NULL)
        return NULL;
    struct counter_set *set = set_of(n);
    list_remove(&set->link);
    list_push_front(&s->used, &set->link);
    return set;
}

static bool is_base(const struct cell *c)
{
    return !c->has_path && (c->kind == CELL_TOMBSTONE ||
                            (c->kind == CELL_LIVE && c->value.len == sizeof(uint64_t)));
}

/* False: it cannot follow. */
static bool set_add(struct counter_set *set, const struct cell *c)
{
    if (is_base(c))
        set_base(set, c);
    else if (cell_is_increment(c))
        add_increment(set, c);
    else
        return false;
    return true;
}

static const struct row *find_row(const struct part *p, const struct counter_place *place)
{
    if (place->is_static)
        return p->has_static ? &p->static_row : NULL;
    size_t low = 0;
    size_t high = p->rows_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = bytes_compare(p->rows[mid].key, place->row);
        if (order == 0)
            return &p->rows[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

struct counter_set *counter_sets_load(struct counter_sets *s, const struct counter_place *place,
                                      const struct part *have)
{
    const struct row *row = find_row(have, place);
    struct counter_set *set = mem_new(struct counter_set);
    key_place(s, place);
    struct omap_node *old = omap_find(&s->by_place, buf_bytes(&s->key));
    if (old != NULL)
        drop(s, set_of(old));
    set->node = omap_put(&s->by_place, buf_bytes(&s->key), bytes_make(&set, sizeof set));
    set->seed = s->seed;
    set->base = set->newest = set->cut = TIMESTAMP_NONE;
    struct tomb over = place->is_static ? have->deletion : part_deletion_at(have, place->row);
    set->cover = row != NULL ? tomb_max(&over, &row->deletion).timestamp : over.timestamp;
    /* Of other kinds are only bytes that a peer made up: they are no increments. */
    for (size_t i = 0; row != NULL && i < row->cells_count; i++) {
        if (row->cells[i].column == place->column)
            (void)set_add(set, &row->cells[i]);
    }
    list_push_front(&s->used, &set->link);
    s->bytes += set_bytes(set);
    make_room(s);
    return set;
}

/* The cells of one column, written to the row that s->key names. */
static void feed_column(struct counter_sets *s, const struct cell *cells, size_t count)
{
    size_t row_len = s->key.len;
    buf_put_u32(&s->key, cells[0].column);
    struct omap_node *n = omap_find(&s->by_place, buf_bytes(&s->key));
    s->key.len = row_len;
    if (n == NULL)
        return;
    struct counter_set *set = set_of(n);
    bool follows = true;
    s->bytes -= set_bytes(set);
    for (size_t i = 0; i < count && follows; i++)
        follows = cells[i].kind != CELL_TOMBSTONE && set_add(set, &cells[i]);
    s->bytes += set_bytes(set);
    if (!follows)
        drop(s, set);
}

static void feed_row(struct counter_sets *s, const struct row *row)
{
    if (first_in(s) == NULL)
        return;
    if (!tomb_is_none(&row->deletion)) {
        drop_in(s);
        return;
    }
    for (size_t i = 0, end; i < row->cells_count; i = end) {
        for (end = i + 1; end < row->cells_count && row->cells[end].column == row->cells[i].column;)
            end++;
        feed_column(s, &row->cells[i], end - i);
    }
}

void counter_sets_feed(struct counter_sets *s, const struct part *p)
{
    if (omap_count(&s->by_place) == 0)
        return;
    key_part(&s->key, p->table, p->token, p->key);
    size_t part_len = s->key.len;
    if (first_in(s) == NULL)
        return;
    if (!tomb_is_none(&p->deletion) || p->tombs_count > 0) {
        drop_in(s);
        return;
    }
    for (size_t i = 0; i <= p->rows_count; i++) { /* the last one is the static row */
        bool is_static = i == p->rows_count;
        if (is_static && !p->has_static)
            break;
        s->key.len = part_len;
        add_row(s, is_static, is_static ? BYTES_NONE : p->rows[i].key);
        feed_row(s, is_static ? &p->static_row : &p->rows[i]);
    }
    make_room(s);
}
