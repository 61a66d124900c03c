/* index: what indexes find is what reading everything and comparing finds, whatever was written,
 * deleted, collapsed, pulled in between, on one replica and joined over two. */
#include "base/mem.h"
#include "engine_fixture.h"
#include "gen.h"
#include "storage/index.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

#define NOW      101 /* between the times at which cells expire */
#define REPLICAS 2

enum { BY_VALUE = 21, BY_ELEMENT = 22, BY_STATIC = 23, BY_ROW = 24, BY_PARTITION = 25 };

static bool term_value(const void *arg, struct bytes path, struct bytes value, struct buf *out)
{
    (void)arg;
    (void)path;
    buf_put_bytes(out, value);
    return true;
}

static bool term_path(const void *arg, struct bytes path, struct bytes value, struct buf *out)
{
    (void)arg;
    (void)value;
    buf_put_bytes(out, path);
    return true;
}

/* Of keys: the first letter. */
static bool term_first(const void *arg, struct bytes path, struct bytes value, struct buf *out)
{
    (void)arg;
    (void)path;
    if (value.len == 0)
        return false;
    buf_put_u8(out, value.data[0]);
    return true;
}

static const struct index_spec all_specs[] = {
    {TABLE, BY_VALUE, INDEX_OF_CELLS, 1, term_value, NULL},
    {TABLE, BY_ELEMENT, INDEX_OF_CELLS, 3, term_path, NULL},
    {TABLE, BY_STATIC, INDEX_OF_STATIC, 2, term_value, NULL},
    {TABLE, BY_ROW, INDEX_OF_ROW_KEY, 0, term_first, NULL},
    {TABLE, BY_PARTITION, INDEX_OF_PARTITION_KEY, 0, term_first, NULL},
};

struct world {
    struct rng rng;
    struct arena arena;
    struct store *store[REPLICAS];
    struct engine *engine[REPLICAS];
    uint64_t writes;
    bool indexed;
};

static void world_open(struct world *w, uint64_t seed)
{
    *w = (struct world){0};
    rng_init(&w->rng, seed);
    for (int i = 0; i < REPLICAS; i++) {
        w->store[i] = store_mem_new();
        CU_ASSERT_EQUAL_FATAL(open_engine(w->store[i], &w->engine[i]), ERR_OK);
    }
}

static void world_close(struct world *w)
{
    for (int i = 0; i < REPLICAS; i++) {
        engine_free(w->engine[i]);
        store_close(w->store[i]);
    }
    arena_close(&w->arena);
}

static void restart(struct world *w, int i)
{
    engine_free(w->engine[i]);
    CU_ASSERT_EQUAL_FATAL(open_engine(w->store[i], &w->engine[i]), ERR_OK);
    if (w->indexed)
        engine_set_indexes(w->engine[i], all_specs, ARRAY_LEN(all_specs));
}

static void write_something(struct world *w)
{
    static const char *const keys[] = {"p", "pq", "q", "r"};
    struct event events[3];
    struct dot dot = {{1, 1}, ++w->writes};
    size_t count = 1 + (size_t)rng_below(&w->rng, ARRAY_LEN(events));
    for (size_t i = 0; i < count; i++)
        events[i] = gen_event(&w->rng, dot);
    struct part p = gen_part(events, count, &w->arena);
    size_t k = (size_t)rng_below(&w->rng, ARRAY_LEN(keys));
    p.key = bytes_text(keys[k]);
    p.token = k < 2 ? -3 : (token)k;
    unsigned to = 1 + (unsigned)rng_below(&w->rng, 3); /* one of them, or both */
    for (int i = 0; i < REPLICAS; i++) {
        if (to >> i & 1)
            CU_ASSERT_EQUAL_FATAL(engine_apply(w->engine[i], KEYSPACE, RANGE, &p, dot, NULL, 0),
                                  ERR_OK);
    }
}

static bool in_bounds(const struct scan_index *x, struct bytes term)
{
    return bytes_compare(term, x->from) >= 0 &&
           (x->upto.len == 0 || bytes_compare(term, x->upto) < 0);
}

static bool cells_match(const struct scan_index *x, const struct row *row, uint32_t column,
                        bool path)
{
    for (size_t i = 0; i < row->cells_count; i++) {
        const struct cell *c = &row->cells[i];
        if (c->column == column && cell_is_live(c, NOW) && in_bounds(x, path ? c->path : c->value))
            return true;
    }
    return false;
}

static bool first_matches(const struct scan_index *x, struct bytes key)
{
    return key.len > 0 && in_bounds(x, bytes_make(key.data, 1));
}

/* Does the row of the partition (NULL: the partition) match? */
static bool matches(const struct scan_index *x, const struct part *p, const struct row *row)
{
    bool live = p->has_static && row_is_live(&p->static_row, NOW);
    for (size_t i = 0; i < p->rows_count; i++)
        live |= row_is_live(&p->rows[i], NOW);
    switch (x->no) {
    case BY_VALUE: return row != NULL && cells_match(x, row, 1, false);
    case BY_ELEMENT: return row != NULL && cells_match(x, row, 3, true);
    case BY_ROW: return row != NULL && row_is_live(row, NOW) && first_matches(x, row->key);
    case BY_STATIC: return row == NULL && p->has_static && cells_match(x, &p->static_row, 2, false);
    default: return row == NULL && live && first_matches(x, p->key);
    }
}

struct found {
    struct scan_point items[256];
    size_t count;
};

static void note(struct found *f, const struct part *p, const struct row *row)
{
    CU_ASSERT_FATAL(f->count < ARRAY_LEN(f->items));
    f->items[f->count++] =
        (struct scan_point){p->token, p->key, row == NULL, row != NULL ? row->key : BYTES_NONE};
}

static void note_matches(const struct scan_index *x, const struct scan_result *r, struct found *f)
{
    for (size_t i = 0; i < r->parts_count; i++) {
        const struct part *p = &r->parts[i];
        if (matches(x, p, NULL))
            note(f, p, NULL);
        for (size_t j = 0; j < p->rows_count; j++) {
            if (matches(x, p, &p->rows[j]))
                note(f, p, &p->rows[j]);
        }
    }
}

static struct scan random_scan(struct world *w)
{
    static const char *const values[] = {"", "x", "y", "xy", "z", "a", "b", "c", "p", "q", "r"};
    struct scan s = whole_table();
    s.now_s = NOW;
    s.index.no = BY_VALUE + (index_no)rng_below(&w->rng, ARRAY_LEN(all_specs));
    struct bytes from = bytes_text(values[rng_below(&w->rng, ARRAY_LEN(values))]);
    s.index.from = from;
    if (rng_chance(&w->rng, 500000)) { /* one term */
        uint8_t *end = arena_zero(&w->arena, from.len + 1);
        for (size_t i = 0; i < from.len; i++)
            end[i] = from.data[i];
        s.index.upto = bytes_make(end, from.len + 1);
    } else if (rng_chance(&w->rng, 700000)) {
        s.index.upto = bytes_text(values[rng_below(&w->rng, ARRAY_LEN(values))]);
    }
    if (rng_chance(&w->rng, 300000)) {
        s.after_token = -3 + (token)rng_below(&w->rng, 3) * 2;
        s.upto_token = s.after_token + (token)rng_below(&w->rng, 5);
    } else if (rng_chance(&w->rng, 200000)) {
        s.single = true;
        s.token = -3;
        s.key = BYTES_LIT("pq");
    }
    return s;
}

/* The points of all pages, joined over `count` replicas; `read`: and the rows read behind them. */
static bool walk(struct world *w, const struct scan *scan, size_t count, struct found *found,
                 struct found *read)
{
    struct scan s = *scan;
    s.rows_max = rng_chance(&w->rng, 500000) ? 1 + (uint32_t)rng_below(&w->rng, 3) : 0;
    for (int pages = 0; pages < 1000; pages++) {
        struct index_result results[REPLICAS], all;
        struct buf b;
        for (size_t i = 0; i < count; i++) {
            if (engine_index_scan(w->engine[i], &s, &w->arena, &results[i]) != ERR_OK)
                return false;
            buf_init(&b, BUF_MAX_DEFAULT);
            index_result_encode(&results[i], &b);
            enum err err =
                index_result_decode(arena_copy(&w->arena, buf_bytes(&b)), &w->arena, &results[i]);
            buf_close(&b);
            if (err != ERR_OK)
                return false;
        }
        index_result_merge(results, count, &w->arena, &all);
        for (size_t i = 0; i < all.count; i++)
            found->items[found->count++] = all.points[i];
        struct scan points = whole_table();
        struct scan_result rows[REPLICAS], joined;
        points.now_s = NOW;
        points.has_points = true;
        points.points = all.points;
        points.points_count = all.count;
        for (size_t i = 0; i < count && all.count > 0; i++) {
            if (engine_scan(w->engine[i], &points, &w->arena, &rows[i]) != ERR_OK)
                return false;
        }
        if (all.count > 0) {
            scan_result_merge(&points, rows, count, &w->arena, &joined);
            note_matches(&scan->index, &joined, read);
        }
        if (!all.more)
            return true;
        s.has_from = true;
        s.from_token = all.upto_token;
        s.from_key = all.upto_key;
        s.from_in_part = all.upto_in_part;
        s.from_row = all.upto_row;
    }
    return false;
}

static bool same(const struct found *a, const struct found *b)
{
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++)
        equal = scan_point_compare(&a->items[i], &b->items[i]) == 0;
    return equal;
}

static bool compare(struct world *w, size_t count)
{
    struct scan s = random_scan(w);
    struct scan all = s;
    struct scan_result results[REPLICAS], joined;
    struct found want = {.count = 0}, found = {.count = 0}, read = {.count = 0};
    all.index = (struct scan_index){0};
    for (size_t i = 0; i < count; i++) {
        if (engine_scan(w->engine[i], &all, &w->arena, &results[i]) != ERR_OK)
            return false;
    }
    scan_result_merge(&all, results, count, &w->arena, &joined);
    note_matches(&s.index, &joined, &want);
    if (!walk(w, &s, count, &found, &read))
        return false;
    bool right = same(&read, &want) && (count > 1 || same(&found, &want));
    if (!right)
        printf("index %u from '%.*s': %zu found, %zu read, %zu wanted\n", (unsigned)s.index.no,
               (int)s.index.from.len, (const char *)s.index.from.data, found.count, read.count,
               want.count);
    return right;
}

static size_t entries(struct world *w, int i)
{
    struct store_iter *it = store_iter_new(w->store[i]);
    size_t count = 0;
    store_iter_seek(it, BYTES_LIT("i"));
    for (; store_iter_valid(it) && store_iter_key(it).data[0] == 'i'; store_iter_next(it))
        count++;
    store_iter_free(it);
    return count;
}

static bool run(uint64_t seed)
{
    struct world w;
    bool good = true;
    world_open(&w, seed);
    uint64_t steps = 20 + rng_below(&w.rng, 60);
    uint64_t create_at = rng_below(&w.rng, steps);
    for (uint64_t n = 0; n < steps && good; n++) {
        int i = (int)rng_below(&w.rng, REPLICAS);
        write_something(&w);
        if (n == create_at) {
            w.indexed = true;
            for (int k = 0; k < REPLICAS; k++)
                engine_set_indexes(w.engine[k], all_specs, ARRAY_LEN(all_specs));
        }
        if (rng_chance(&w.rng, 400000))
            engine_build_some(w.engine[i], 1 + (size_t)rng_below(&w.rng, 4));
        if (rng_chance(&w.rng, 50000))
            restart(&w, i);
        if (w.indexed && rng_chance(&w.rng, 300000))
            good = compare(&w, 1 + (size_t)rng_below(&w.rng, REPLICAS));
    }
    for (int k = 0; k < REPLICAS; k++) {
        while (engine_build_some(w.engine[k], 3))
            ;
        CU_ASSERT_TRUE(engine_index_is_built(w.engine[k], TABLE, BY_STATIC));
        CU_ASSERT_FALSE(engine_is_building(w.engine[k]));
    }
    for (int n = 0; n < 20 && good; n++)
        good = compare(&w, 1 + (size_t)rng_below(&w.rng, REPLICAS));
    while (!engine_drop_index(w.engine[0], TABLE, BY_VALUE, 2))
        ;
    while (!engine_drop_table(w.engine[0], TABLE, 5))
        ;
    CU_ASSERT_EQUAL(entries(&w, 0), 0);
    world_close(&w);
    if (!good)
        printf("seed %llu\n", (unsigned long long)seed);
    return good;
}

static void finds_what_reading_all_finds(void)
{
    for (uint64_t seed = 1; seed <= 400; seed++)
        CU_ASSERT_TRUE_FATAL(run(seed));
}

static void put_value(struct world *w, const char *value, int64_t timestamp, enum cell_kind kind)
{
    struct dot dot = {{1, 1}, ++w->writes};
    struct event e = {.kind = EVENT_CELL, .row = BYTES_LIT("a")};
    e.cell = (struct cell){.column = 1, .kind = kind, .timestamp = timestamp, .dot = dot};
    if (kind == CELL_LIVE)
        e.cell.value = bytes_text(value);
    struct part p = gen_part(&e, 1, &w->arena);
    CU_ASSERT_EQUAL_FATAL(engine_apply(w->engine[0], KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
}

static size_t find_value(struct world *w, const char *value)
{
    struct scan s = whole_table();
    struct index_result r;
    s.now_s = NOW;
    s.index = (struct scan_index){BY_VALUE, bytes_text(value), BYTES_NONE};
    s.index.upto = bytes_text(arena_printf(&w->arena, "%s", value));
    s.index.upto.len++; /* with the NUL */
    CU_ASSERT_EQUAL_FATAL(engine_index_scan(w->engine[0], &s, &w->arena, &r), ERR_OK);
    return r.count;
}

static void stale_entries_go_when_met(void)
{
    struct world w;
    world_open(&w, 1);
    engine_set_indexes(w.engine[0], all_specs, 1);
    while (engine_build_some(w.engine[0], 10))
        ;
    sync_all(w.store[0]);
    put_value(&w, "x", 5, CELL_LIVE);
    put_value(&w, "y", 6, CELL_LIVE);
    put_value(&w, "z", 4, CELL_LIVE); /* comes late: never the value */
    CU_ASSERT_EQUAL(entries(&w, 0), 3);
    CU_ASSERT_EQUAL(find_value(&w, "x"), 0);
    CU_ASSERT_EQUAL(find_value(&w, "z"), 0);
    CU_ASSERT_EQUAL(entries(&w, 0), 1);
    CU_ASSERT_EQUAL(find_value(&w, "y"), 1);
    put_value(&w, "x", 9, CELL_LIVE); /* again */
    CU_ASSERT_EQUAL(find_value(&w, "x"), 1);
    put_value(&w, "", 10, CELL_TOMBSTONE);
    CU_ASSERT_EQUAL(find_value(&w, "x"), 0);
    CU_ASSERT_EQUAL(find_value(&w, "y"), 0);
    CU_ASSERT_EQUAL(entries(&w, 0), 0);
    world_close(&w);
}

/* What reads tell must be durable, and so must be the entries by which they find it. */
static void what_is_built_is_used_when_it_is_durable(void)
{
    struct world w;
    struct index_result r;
    struct scan s = whole_table();
    world_open(&w, 1);
    put_value(&w, "x", 5, CELL_LIVE);
    sync_all(w.store[0]);
    engine_set_indexes(w.engine[0], all_specs, 1);
    while (engine_build_some(w.engine[0], 10))
        ;
    CU_ASSERT_TRUE(engine_index_is_built(w.engine[0], TABLE, BY_VALUE));
    s.now_s = NOW;
    s.durable = true;
    s.index = (struct scan_index){BY_VALUE, BYTES_LIT("x"), bytes_make("x", 2)};
    CU_ASSERT_EQUAL(engine_index_scan(w.engine[0], &s, &w.arena, &r), ERR_OK);
    CU_ASSERT_EQUAL(r.count, 1);
    sync_all(w.store[0]);
    CU_ASSERT_EQUAL(engine_index_scan(w.engine[0], &s, &w.arena, &r), ERR_OK);
    CU_ASSERT_EQUAL(r.count, 1);
    world_close(&w);
}

static void an_index_that_is_not_there(void)
{
    struct world w;
    struct scan s = whole_table();
    struct index_result r;
    world_open(&w, 1);
    s.index.no = 99;
    CU_ASSERT_EQUAL(engine_index_scan(w.engine[0], &s, &w.arena, &r), ERR_STALE);
    world_close(&w);
}

CU_TestInfo index_tests[] = {
    {"indexes find what reading everything finds", finds_what_reading_all_finds},
    {"entries of what was overwritten go when they are met", stale_entries_go_when_met},
    {"what is built is used when it is durable", what_is_built_is_used_when_it_is_durable},
    {"an index that is not there", an_index_that_is_not_there},
    CU_TEST_INFO_NULL,
};
