/* engine_index.c - keeping indexes: entries of what is written, building over what was there. */
#include "storage/engine_index.h"
#include "base/mem.h"
#include "base/mutant.h"
#include "storage/fragment.h"

#include <stdlib.h>
#include <string.h>

#define BUILD_BYTES_MAX ((size_t)1 << 20) /* of the entries of one step */
#define FACT_INDEX      "a/x"             /* u32 table, u32 index: u8 built, the key come to */

enum { FACT_PREFIX = 3, FACT_SIZE = 11 };

/* --- the indexes there are */

static int compare_states(const void *a, const void *b)
{
    const struct index_spec *x = &((const struct index_state *)a)->spec;
    const struct index_spec *y = &((const struct index_state *)b)->spec;
    if (x->table != y->table)
        return x->table < y->table ? -1 : 1;
    return x->no < y->no ? -1 : x->no > y->no;
}

static struct bytes fact_name(uint8_t room[FACT_SIZE], table_no table, index_no no)
{
    memcpy(room, FACT_INDEX, FACT_PREFIX);
    store_u32(room + FACT_PREFIX, table);
    store_u32(room + FACT_PREFIX + 4, no);
    return bytes_make(room, FACT_SIZE);
}

struct index_state *engine_index(const struct engine *e, table_no table, index_no no)
{
    struct index_state like = {.spec = {.table = table, .no = no}};
    return e->indexes_count == 0
               ? NULL
               : bsearch(&like, e->indexes, e->indexes_count, sizeof like, compare_states);
}

/* What an earlier life has built. A record that cannot be read: build it again. */
static void load_state(struct engine *e, struct index_state *s)
{
    uint8_t room[FACT_SIZE];
    enum err err = engine_fact_get(e, fact_name(room, s->spec.table, s->spec.no), &e->value);
    if (err != ERR_OK || e->value.len == 0)
        return;
    s->built = s->settled = e->value.data[0] == 1;
    buf_put(&s->cursor, e->value.data + 1, e->value.len - 1);
}

void engine_set_indexes(struct engine *e, const struct index_spec *specs, size_t count)
{
    struct index_state *old = e->indexes;
    size_t old_count = e->indexes_count;
    struct index_state *all = mem_alloc(count * sizeof *all);
    for (size_t i = 0; i < count; i++) {
        const struct index_state *known = engine_index(e, specs[i].table, specs[i].no);
        all[i] = (struct index_state){.spec = specs[i]};
        buf_init(&all[i].cursor, SIZE_MAX);
        if (known != NULL) {
            all[i].built = known->built;
            all[i].settled = known->settled;
            all[i].broken = known->broken;
            buf_put_bytes(&all[i].cursor, buf_bytes(&known->cursor));
        } else {
            load_state(e, &all[i]);
        }
    }
    if (count > 1)
        qsort(all, count, sizeof *all, compare_states);
    e->indexes = all;
    e->indexes_count = count;
    for (size_t i = 0; i < old_count; i++)
        buf_close(&old[i].cursor);
    mem_free(old);
}

void engine_indexes_free(struct engine *e)
{
    for (size_t i = 0; i < e->indexes_count; i++)
        buf_close(&e->indexes[i].cursor);
    mem_free(e->indexes);
}

bool engine_index_is_built(const struct engine *e, table_no table, index_no no)
{
    const struct index_state *s = engine_index(e, table, no);
    return s != NULL && s->built;
}

/* A durable batch implies all earlier ones, so the record that it is built says it of the entries.
 */
static bool is_durably_built(struct engine *e, const struct index_state *s)
{
    uint8_t room[FACT_SIZE];
    struct store_iter *it = store_iter_new_durable(e->store);
    key_fact(&e->key, fact_name(room, s->spec.table, s->spec.no));
    store_iter_seek(it, buf_bytes(&e->key));
    bool built = store_iter_valid(it) && bytes_equal(store_iter_key(it), buf_bytes(&e->key)) &&
                 store_iter_value(it).len > 0 && store_iter_value(it).data[0] == 1 &&
                 store_iter_error(it) == ERR_OK;
    store_iter_free(it);
    return built;
}

bool index_is_usable(struct engine *e, struct index_state *s, bool durable)
{
    if (!durable || !s->built || MUTANT(index_not_settled))
        return s->built;
    s->settled = s->settled || is_durably_built(e, s);
    return s->settled;
}

bool engine_is_building(const struct engine *e)
{
    for (size_t i = 0; i < e->indexes_count; i++) {
        if (!e->indexes[i].built && !e->indexes[i].broken)
            return true;
    }
    return false;
}

/* --- entries */

void index_key_term(struct buf *out, const struct index_spec *spec, struct bytes term)
{
    key_index(out, spec->table, spec->no);
    key_add_escaped(out, term);
}

static void put_entry(struct engine *e, const struct index_spec *spec, const struct part *p,
                      struct bytes row, bool there)
{
    bool whole = index_gives_parts(spec);
    index_key_term(&e->key, spec, buf_bytes(&e->term));
    key_add_token(&e->key, p->token);
    key_add_escaped(&e->key, p->key);
    buf_put_u8(&e->key, whole ? KEY_STATIC : KEY_ROW);
    if (!whole)
        key_add_escaped(&e->key, row);
    if (there)
        store_batch_put(&e->batch, buf_bytes(&e->key), BYTES_NONE);
    else
        store_batch_delete(&e->batch, buf_bytes(&e->key));
}

static void put_cells(struct engine *e, const struct index_spec *spec, const struct part *p,
                      const struct row *row, bool there)
{
    for (size_t i = 0; i < row->cells_count; i++) {
        const struct cell *c = &row->cells[i];
        if (c->column != spec->column || c->kind == CELL_TOMBSTONE)
            continue;
        buf_clear(&e->term);
        if (spec->term(spec->arg, c->path, c->value, &e->term))
            put_entry(e, spec, p, row->key, there);
    }
}

static bool has_cells(const struct row *row)
{
    for (size_t i = 0; i < row->cells_count; i++) {
        if (row->cells[i].kind != CELL_TOMBSTONE)
            return true;
    }
    return false;
}

static void put_key(struct engine *e, const struct index_spec *spec, const struct part *p,
                    struct bytes key, struct bytes row, bool there)
{
    buf_clear(&e->term);
    if (spec->term(spec->arg, BYTES_NONE, key, &e->term))
        put_entry(e, spec, p, row, there);
}

static void put_rows(struct engine *e, const struct index_spec *spec, const struct part *p,
                     bool there)
{
    for (size_t i = 0; i < p->rows_count; i++) {
        const struct row *row = &p->rows[i];
        if (spec->source == INDEX_OF_CELLS)
            put_cells(e, spec, p, row, there);
        else if (spec->source == INDEX_OF_ROW_KEY && has_cells(row))
            put_key(e, spec, p, row->key, row->key, there);
    }
}

static void put_entries(struct engine *e, const struct index_spec *spec, const struct part *p)
{
    bool any = p->has_static && has_cells(&p->static_row);
    if (spec->source == INDEX_OF_STATIC && p->has_static)
        put_cells(e, spec, p, &p->static_row, true);
    put_rows(e, spec, p, true);
    for (size_t i = 0; i < p->rows_count && !any; i++)
        any = has_cells(&p->rows[i]);
    if (spec->source == INDEX_OF_PARTITION_KEY && any)
        put_key(e, spec, p, p->key, BYTES_NONE, true);
}

/* The place of the first index of the table. */
static size_t indexes_of(const struct engine *e, table_no table)
{
    size_t low = 0;
    size_t high = e->indexes_count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (e->indexes[mid].spec.table < table)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void engine_batch_indexes(struct engine *e, const struct part *p)
{
    size_t i = indexes_of(e, p->table);
    for (; i < e->indexes_count && e->indexes[i].spec.table == p->table; i++) {
        if (!MUTANT(index_not_written))
            put_entries(e, &e->indexes[i].spec, p);
    }
}

void engine_batch_unindex(struct engine *e, const struct part *p)
{
    size_t i = indexes_of(e, p->table);
    for (; i < e->indexes_count && e->indexes[i].spec.table == p->table; i++)
        put_rows(e, &e->indexes[i].spec, p, false);
}

/* --- building */

/* The entries of one fragment as it lies in the store. */
static enum err build_fragment(struct engine *e, const struct index_spec *spec, struct bytes full,
                               struct bytes value, struct arena *arena)
{
    struct part p = {0};
    size_t len;
    struct bytes row = BYTES_NONE;
    struct bytes body;
    if (!key_parse_part(full, arena, &p.table, &p.token, &p.key, &len) || full.len == len)
        return ERR_CORRUPT;
    if (full.data[len] == KEY_ROW) {
        size_t used;
        if (!key_unescape(bytes_make(full.data + len + 1, full.len - len - 1), arena, &row, &used))
            return ERR_CORRUPT;
    }
    enum err err = fragment_open(full, value, &body);
    if (err != ERR_OK) {
        engine_note_garbled(e, full);
        return err;
    }
    struct reader in = reader_make(body);
    err = part_body_read(&in, arena, &p);
    if (err != ERR_OK || !reader_done(&in))
        return ERR_CORRUPT;
    if (p.rows_count == 1)
        p.rows[0].key = row;
    put_entries(e, spec, &p);
    return ERR_OK;
}

static void save_state(struct engine *e, const struct index_state *s)
{
    uint8_t room[FACT_SIZE];
    buf_clear(&e->value);
    buf_put_u8(&e->value, s->built);
    buf_put_bytes(&e->value, buf_bytes(&s->cursor));
    key_fact(&e->key, fact_name(room, s->spec.table, s->spec.no));
    store_batch_put(&e->batch, buf_bytes(&e->key), buf_bytes(&e->value));
}

/* Some fragments behind the cursor. What is written meanwhile has its entries already; and what
 * collapses goes behind the cursor when any fragment of the row did: its number is the largest. */
static void build_step(struct engine *e, struct index_state *s, size_t keys_max)
{
    struct arena arena = {0};
    struct buf prefix;
    size_t count = 0;
    enum err err = ERR_OK;
    struct store_iter *it = store_iter_new(e->store);
    buf_init(&prefix, SIZE_MAX);
    key_table(&prefix, s->spec.table);
    engine_batch_begin(e);
    store_iter_seek(it, s->cursor.len > 0 ? buf_bytes(&s->cursor) : buf_bytes(&prefix));
    if (store_iter_valid(it) && bytes_equal(store_iter_key(it), buf_bytes(&s->cursor)))
        store_iter_next(it);
    while (err == ERR_OK && store_iter_valid(it) &&
           bytes_starts_with(store_iter_key(it), buf_bytes(&prefix)) && count < keys_max &&
           e->batch.ops.len < BUILD_BYTES_MAX) {
        struct bytes key = arena_copy(&arena, store_iter_key(it));
        struct bytes value = arena_copy(&arena, store_iter_value(it));
        if (!MUTANT(index_built_empty))
            err = build_fragment(e, &s->spec, key, value, &arena);
        buf_clear(&s->cursor);
        buf_put_bytes(&s->cursor, key);
        store_iter_next(it);
        count++;
    }
    bool more = store_iter_valid(it) && bytes_starts_with(store_iter_key(it), buf_bytes(&prefix));
    err = err == ERR_OK ? store_iter_error(it) : err;
    if (err == ERR_OK)
        err = engine_batch_check(e);
    store_iter_free(it);
    if (err == ERR_OK) {
        s->built = !more;
        if (s->built)
            buf_clear(&s->cursor);
        save_state(e, s);
        store_write(e->store, &e->batch, 0);
    } else {
        s->broken = true; /* until the next start; scans read the table and meet the damage */
        (void)!engine_note(e, err);
    }
    buf_close(&prefix);
    arena_close(&arena);
}

bool engine_build_some(struct engine *e, size_t keys_max)
{
    if (store_failure(e->store) != NULL)
        return false;
    for (size_t i = 0; i < e->indexes_count; i++) {
        struct index_state *s = &e->indexes[i];
        if (s->built || s->broken)
            continue;
        build_step(e, s, keys_max);
        return engine_is_building(e);
    }
    return false;
}

/* --- dropping */

static bool drop_prefix(struct engine *e, struct bytes prefix, size_t keys_max)
{
    struct store_iter *it = store_iter_new(e->store);
    size_t count = 0;
    engine_batch_begin(e);
    store_iter_seek(it, prefix);
    while (store_iter_valid(it) && count < keys_max && e->batch.ops.len < WRITE_BYTES_MAX &&
           bytes_starts_with(store_iter_key(it), prefix)) {
        store_batch_delete(&e->batch, store_iter_key(it));
        store_iter_next(it);
        count++;
    }
    bool done = !store_iter_valid(it) || !bytes_starts_with(store_iter_key(it), prefix) ||
                store_iter_error(it) != ERR_OK;
    store_iter_free(it);
    if (count > 0) {
        engine_note_removed(e, &e->batch, 0);
        store_write(e->store, &e->batch, 0);
    }
    engine_compact_removed(e, done);
    return done;
}

static void forget_state(struct engine *e, table_no table, index_no no)
{
    uint8_t room[FACT_SIZE];
    engine_fact_delete(e, fact_name(room, table, no), 0);
}

bool engine_drop_index(struct engine *e, table_no table, index_no no, size_t keys_max)
{
    struct buf prefix;
    buf_init(&prefix, SIZE_MAX);
    key_index(&prefix, table, no);
    forget_state(e, table, no);
    bool done = drop_prefix(e, buf_bytes(&prefix), keys_max);
    buf_close(&prefix);
    return done;
}

bool engine_drop_table(struct engine *e, table_no table, size_t keys_max)
{
    struct buf prefix;
    uint8_t name[FACT_SIZE];
    buf_init(&prefix, SIZE_MAX);
    key_table(&prefix, table);
    counter_sets_drop_table(&e->counters, table);
    bool done = drop_prefix(e, buf_bytes(&prefix), keys_max);
    if (done) {
        key_indexes(&prefix, table);
        done = drop_prefix(e, buf_bytes(&prefix), keys_max);
    }
    done = done && engine_drop_garbage(e, table, keys_max);
    done = done && engine_drop_trees(e, table, keys_max); /* last: no row goes behind its back */
    if (done) {                                           /* how far its indexes were built */
        (void)fact_name(name, table, 0);
        key_fact(&prefix, bytes_make(name, FACT_SIZE - 4));
        done = drop_prefix(e, buf_bytes(&prefix), keys_max);
    }
    buf_close(&prefix);
    return done;
}
