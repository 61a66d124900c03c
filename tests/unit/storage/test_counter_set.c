/* counter_set: what is in memory of a counter is what reading its row would say, whatever is
 * written, pulled, deleted and evicted. */
#include "base/mem.h"
#include "base/rng.h"
#include "engine_fixture.h"
#include "storage/part_private.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define ENGINES  2u
#define ROWS     3u /* the last one is the static row */
#define COLUMNS  2u
#define REQUESTS 40u
#define STEPS    400u

struct world {
    struct rng rng;
    struct arena arena;
    struct store *store[ENGINES];
    struct engine *engine[ENGINES];
    struct actor self[ENGINES];
    size_t compared, evicted;
};

static void world_open(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    rng_init(&w->rng, seed);
    arena_init(&w->arena);
    for (uint32_t i = 0; i < ENGINES; i++) {
        w->store[i] = store_mem_new();
        w->self[i] = (struct actor){i + 1, 1};
        CU_ASSERT_EQUAL_FATAL(open_engine(w->store[i], &w->engine[i]), ERR_OK);
        engine_set_actor(w->engine[i], w->self[i]);
        if (rng_chance(&w->rng, 500000)) /* some have room for one or two */
            engine_counters(w->engine[i])->bytes_max = 1200;
    }
}

static void world_close(struct world *w)
{
    for (size_t i = 0; i < ENGINES; i++) {
        engine_free(w->engine[i]);
        store_close(w->store[i]);
    }
    arena_close(&w->arena);
}

static struct counter_place place_of(size_t row, uint32_t column)
{
    static const char *const rows[] = {"a", "b"};
    bool is_static = row == ROWS - 1;
    return (struct counter_place){
        TABLE, 5, BYTES_LIT("k"), is_static, is_static ? BYTES_NONE : bytes_text(rows[row]),
        column};
}

static struct part empty_part(void)
{
    struct part p = {.table = TABLE, .token = 5, .key = BYTES_LIT("k"), .deletion = TOMB_NONE};
    p.static_row.deletion = TOMB_NONE;
    return p;
}

static void name_request(uint64_t request, uint8_t id[COUNTER_ID_SIZE])
{
    uint8_t name[8];
    store_u64(name, request);
    counter_id(bytes_make(name, sizeof name), id);
}

static struct cell random_cell(struct world *w, uint32_t column)
{
    uint8_t id[COUNTER_ID_SIZE];
    int64_t at = 1 + (int64_t)rng_below(&w->rng, 1000);
    name_request(rng_below(&w->rng, REQUESTS), id);
    struct cell c =
        counter_increment(column, id, (int64_t)rng_below(&w->rng, 9) - 4, at, &w->arena);
    if (rng_chance(&w->rng, 60000)) {
        c.has_path = false; /* a base */
        c.path = BYTES_NONE;
    }
    if (!c.has_path && rng_chance(&w->rng, 500000)) {
        c.kind = CELL_TOMBSTONE;
        c.time_s = 1;
        c.value = BYTES_NONE;
    }
    return c;
}

/* Some cells of some rows, now and then a deletion of all, of a row, of a range. */
static struct part random_part(struct world *w)
{
    struct part p = empty_part();
    struct tomb tomb = {(int64_t)rng_below(&w->rng, 500), 1, {{0, 0}, 0}};
    p.rows = arena_array(&w->arena, struct row, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        struct row row = {.key = place_of(i, 1).row, .deletion = TOMB_NONE};
        size_t cells = (size_t)rng_below(&w->rng, 4);
        row.cells = arena_array(&w->arena, struct cell, cells);
        for (; row.cells_count < cells; row.cells_count++)
            row.cells[row.cells_count] = random_cell(w, 1 + (uint32_t)rng_below(&w->rng, COLUMNS));
        if (rng_chance(&w->rng, 20000))
            row.deletion = tomb;
        if (row_is_empty(&row))
            continue;
        if (i == ROWS - 1) {
            p.has_static = true;
            p.static_row = row;
        } else {
            p.rows[p.rows_count++] = row;
        }
    }
    if (rng_chance(&w->rng, 10000))
        p.deletion = tomb;
    if (rng_chance(&w->rng, 10000)) {
        p.tombs = arena_new(&w->arena, struct range_tomb);
        *p.tombs = (struct range_tomb){BYTES_LIT("b"), BYTES_LIT("c"), tomb};
        p.tombs_count = 1;
    }
    return p;
}

static bool write_some(struct world *w, size_t i)
{
    struct dot dot = engine_next_dot(w->engine[i], KEYSPACE, RANGE, w->self[i]);
    struct part p = random_part(w);
    if (part_is_empty(&p))
        return true;
    part_set_dot(&p, dot);
    part_normalise(&p, &w->arena);
    bool good = engine_apply(w->engine[i], KEYSPACE, RANGE, &p, dot, NULL, 0) == ERR_OK;
    size_t other = (i + 1) % ENGINES;
    if (rng_chance(&w->rng, 300000)) /* it comes to the other one, with its dot or as a repair */
        good = good && engine_apply(w->engine[other], KEYSPACE, RANGE, &p,
                                    rng_chance(&w->rng, 500000) ? dot : (struct dot){{0, 0}, 0},
                                    NULL, 0) == ERR_OK;
    return good;
}

static bool pull(struct world *w, size_t i)
{
    struct engine *from = w->engine[(i + 1) % ENGINES];
    struct clock wanted, done;
    struct buf b;
    bool good = true;
    clock_init(&wanted);
    clock_init(&done);
    buf_init(&b, BUF_MAX_DEFAULT);
    clock_missing(engine_clock(from, KEYSPACE, RANGE), engine_clock(w->engine[i], KEYSPACE, RANGE),
                  &wanted);
    if (!clock_empty(&wanted)) {
        sync_all(w->store[(i + 1) % ENGINES]);
        good =
            engine_log_read(from, KEYSPACE, RANGE, &wanted,
                            engine_clock(w->engine[i], KEYSPACE, RANGE), 300, &b, &done) == ERR_OK;
        if (good &&
            rng_chance(&w->rng, 100000)) { /* half of it: refused, and nothing is heard of it */
            struct bytes half = bytes_make(b.data, b.len - 1);
            good = engine_log_apply(w->engine[i], KEYSPACE, RANGE, half, NULL, true, false, 0) !=
                   ERR_OK;
        }
        good = good && engine_log_apply(w->engine[i], KEYSPACE, RANGE, buf_bytes(&b), NULL, true,
                                        false, 0) == ERR_OK;
    }
    clock_close(&wanted);
    clock_close(&done);
    buf_close(&b);
    return good;
}

/* ret := all that the engine has. */
static bool read_all(struct world *w, size_t i, struct part *ret)
{
    struct scan s = whole_table();
    struct scan_result all;
    s.want_static = true;
    *ret = empty_part();
    if (engine_scan(w->engine[i], &s, &w->arena, &all) != ERR_OK || all.more)
        return false;
    for (size_t k = 0; k < all.parts_count; k++)
        part_merge(ret, &all.parts[k], &w->arena, ret);
    return true;
}

static const struct row *row_of(const struct part *p, const struct counter_place *place)
{
    if (place->is_static)
        return p->has_static ? &p->static_row : NULL;
    for (size_t i = 0; i < p->rows_count; i++) {
        if (bytes_equal(p->rows[i].key, place->row))
            return &p->rows[i];
    }
    return NULL;
}

static bool sums_equal(const struct cell *cells, size_t count, const struct row *row,
                       uint32_t column, struct arena *arena)
{
    struct cell a, b;
    size_t first = 0;
    size_t of_column = 0;
    for (size_t i = 0; row != NULL && i < row->cells_count; i++) {
        first = of_column == 0 ? i : first;
        of_column += row->cells[i].column == column;
    }
    bool live = counter_read(cells, count, 0, arena, &a);
    bool want = of_column > 0 && counter_read(row->cells + first, of_column, 0, arena, &b);
    return live == want && (!live || (a.timestamp == b.timestamp && bytes_equal(a.value, b.value)));
}

/* The naive model: the cells of the row, one after another. */
static bool set_is_row(struct world *w, struct counter_set *set, const struct row *row,
                       uint32_t column)
{
    size_t count = 0;
    size_t settled = 0;
    int64_t newest = TIMESTAMP_NONE;
    int64_t base = TIMESTAMP_NONE;
    int64_t cut = (int64_t)rng_below(&w->rng, 1000);
    for (size_t i = 0; row != NULL && i < row->cells_count; i++) {
        const struct cell *c = &row->cells[i];
        if (c->column == column && !c->has_path)
            base = c->timestamp;
        if (c->column != column || !cell_is_increment(c))
            continue;
        const struct counter_entry *e = counter_set_get(set, c->path.data);
        if (e == NULL || e->timestamp != c->timestamp ||
            e->value != (int64_t)load_u64(c->value.data))
            return false;
        count++;
        settled += c->timestamp <= cut;
        newest = c->timestamp > newest ? c->timestamp : newest;
    }
    size_t cells_count;
    const struct cell *cells = counter_set_fold(set, column, cut, &w->arena, &cells_count);
    return counter_set_count(set) == count && counter_set_newest(set) == newest &&
           counter_set_base(set) == base && counter_set_settled(set, cut) == settled &&
           counter_set_settled(set, 500) == counter_set_settled(set, 500) &&
           sums_equal(cells, cells_count, row, column, &w->arena);
}

static bool look(struct world *w, size_t i)
{
    struct counter_sets *sets = engine_counters(w->engine[i]);
    struct part have;
    bool good = read_all(w, i, &have);
    size_t before = omap_count(&sets->by_place);
    for (size_t row = 0; row < ROWS && good; row++) {
        for (uint32_t column = 1; column <= COLUMNS && good; column++) {
            struct counter_place place = place_of(row, column);
            struct counter_set *set = counter_sets_find(sets, &place);
            w->compared += set != NULL;
            if (set == NULL && rng_chance(&w->rng, 300000))
                set = counter_sets_load(sets, &place, &have);
            good = set == NULL || set_is_row(w, set, row_of(&have, &place), column);
        }
    }
    w->evicted += omap_count(&sets->by_place) < before;
    return good && (sets->bytes <= sets->bytes_max || omap_count(&sets->by_place) == 1);
}

static bool run_random(uint64_t seed, size_t *compared)
{
    struct world w;
    bool good = true;
    world_open(&w, seed);
    for (size_t step = 0; step < STEPS && good; step++) {
        size_t i = (size_t)rng_below(&w.rng, ENGINES);
        if (rng_chance(&w.rng, 700000))
            good = write_some(&w, i);
        else if (rng_chance(&w.rng, 700000))
            good = pull(&w, i);
        else if (rng_chance(&w.rng, 20000))
            counter_sets_drop_all(engine_counters(w.engine[i]));
        good = good && look(&w, i);
    }
    *compared += w.compared;
    world_close(&w);
    return good;
}

static void a_set_says_what_the_row_says(void)
{
    size_t compared = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        bool good = run_random(seed, &compared);
        if (!good)
            fprintf(stderr, "counter_set: seed %llu failed\n", (unsigned long long)seed);
        CU_ASSERT_TRUE(good);
    }
    CU_ASSERT(compared > 10000);
}

static void a_dropped_table_is_forgotten(void)
{
    struct world w;
    world_open(&w, 1);
    struct counter_sets *sets = engine_counters(w.engine[0]);
    struct part none = empty_part();
    struct counter_place place = place_of(0, 1);
    struct counter_place other = place;
    other.table = TABLE + 1;
    sets->bytes_max = COUNTER_SETS_BYTES_MAX;
    (void)counter_sets_load(sets, &place, &none);
    (void)counter_sets_load(sets, &other, &none);
    while (!engine_drop_table(w.engine[0], TABLE, 5))
        ;
    CU_ASSERT_PTR_NULL(counter_sets_find(sets, &place));
    CU_ASSERT_PTR_NOT_NULL(counter_sets_find(sets, &other));
    world_close(&w);
}

/* Without room the one that was used last stays. */
static void the_least_used_goes_first(void)
{
    struct world w;
    world_open(&w, 1);
    struct counter_sets *sets = engine_counters(w.engine[0]);
    struct part none = empty_part();
    struct counter_place a = place_of(0, 1);
    struct counter_place b = place_of(1, 1);
    struct counter_place c = place_of(2, 1);
    sets->bytes_max = SIZE_MAX;
    (void)counter_sets_load(sets, &a, &none);
    (void)counter_sets_load(sets, &b, &none);
    (void)counter_sets_find(sets, &a);
    sets->bytes_max = sets->bytes;
    (void)counter_sets_load(sets, &c, &none);
    CU_ASSERT_PTR_NOT_NULL(counter_sets_find(sets, &a));
    CU_ASSERT_PTR_NULL(counter_sets_find(sets, &b));
    CU_ASSERT_PTR_NOT_NULL(counter_sets_find(sets, &c));
    world_close(&w);
}

CU_TestInfo counter_set_tests[] = {
    {"a set says what reading the row would", a_set_says_what_the_row_says},
    {"a dropped table is forgotten", a_dropped_table_is_forgotten},
    {"the least used goes first", the_least_used_goes_first},
    CU_TEST_INFO_NULL,
};
