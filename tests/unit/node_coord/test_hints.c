/* Hints on the disk: in order, merged per row, of one partition together; beside a naive model. */
#include "base/mem.h"
#include "base/rng.h"
#include "node/coord/hints.h"
#include "ring/murmur3.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPACE   7
#define TARGETS 3
#define KEYS    4
#define ROWS    3
#define COLUMNS 3

static struct store *store;
static struct engine *engine;
static struct hints hints;
static struct arena arena;
void hints_setup(void);
void hints_teardown(void);

static void open_hints(void)
{
    struct hints_limits limits = {.size_max = 1 << 20, .window_us = 100, .group_max = 1 << 20};
    hints_init(&hints, engine, &limits);
    hints_load(&hints);
}

void hints_setup(void)
{
    struct engine_config config = {.seed = 1, .ring_ranges = 16};
    struct errmsg why;
    store = store_mem_new();
    CU_ASSERT_EQUAL_FATAL(engine_new(store, &config, &engine, &why), ERR_OK);
    open_hints();
}

void hints_teardown(void)
{
    hints_close(&hints);
    engine_free(engine);
    store_close(store);
    arena_close(&arena);
}

/* The value of one column; the value is its timestamp. */
static struct hint hint_of(node_no target, int key, int row, uint32_t column, int64_t timestamp)
{
    struct cell *c = arena_new(&arena, struct cell);
    struct row *r = arena_new(&arena, struct row);
    char *k = arena_printf(&arena, "k%d", key);
    *c = (struct cell){.column = column,
                       .kind = CELL_LIVE,
                       .timestamp = timestamp,
                       .value = bytes_text(arena_printf(&arena, "%d", (int)timestamp))};
    *r = (struct row){.key = bytes_text(arena_printf(&arena, "r%d", row)),
                      .deletion = TOMB_NONE,
                      .cells = c,
                      .cells_count = 1};
    struct hint h = {.target = target, .keyspace = SPACE, .since = timestamp};
    h.part = (struct part){.table = 9,
                           .token = murmur3_token(bytes_text(k)),
                           .key = bytes_text(k),
                           .deletion = TOMB_NONE,
                           .rows = r,
                           .rows_count = 1};
    h.part.static_row.deletion = TOMB_NONE;
    return h;
}

static void put(const struct hint *h)
{
    CU_ASSERT_EQUAL(hints_put(&hints, h, 0), ERR_OK);
}

static bool nothing_under_way(void *arg, uint64_t number)
{
    (void)arg;
    (void)number;
    return false;
}

static struct hint_walk walk_of(node_no target)
{
    return (struct hint_walk){.target = target, .look = 100000, .skip = nothing_under_way};
}

static void rows_of_a_partition_go_together(void)
{
    struct hint_group g;
    struct hint a = hint_of(1, 1, 1, 1, 10), b = hint_of(1, 2, 1, 1, 11);
    struct hint c = hint_of(1, 1, 2, 1, 12), d = hint_of(1, 1, 1, 2, 13);
    struct hint_walk w = walk_of(1);
    put(&a);
    put(&b);
    put(&c);
    put(&d);
    CU_ASSERT_EQUAL(hints_count(&hints), 3);
    CU_ASSERT_EQUAL(hints.merged, 1);
    CU_ASSERT_EQUAL_FATAL(hints_next(&hints, &w, &arena, &g), ERR_OK);
    CU_ASSERT_EQUAL(g.count, 2);
    CU_ASSERT_EQUAL_FATAL(g.hint.part.rows_count, 2);
    CU_ASSERT_EQUAL(g.hint.part.rows[0].cells_count, 2);
    CU_ASSERT_EQUAL(g.hint.since, 10);
    hints_remove(&hints, &g);
    CU_ASSERT_EQUAL_FATAL(hints_next(&hints, &w, &arena, &g), ERR_OK);
    CU_ASSERT(bytes_equal_text(g.hint.part.key, "k2"));
    hints_remove(&hints, &g);
    CU_ASSERT_EQUAL(hints_next(&hints, &w, &arena, &g), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(hints_count(&hints), 0);
    CU_ASSERT_EQUAL(hints_bytes(&hints), 0);
}

static void what_joins_one_under_way_stays(void)
{
    struct hint_group g;
    struct hint a = hint_of(1, 1, 1, 1, 10), b = hint_of(1, 1, 1, 2, 11);
    struct hint_walk w = walk_of(1);
    put(&a);
    CU_ASSERT_EQUAL_FATAL(hints_next(&hints, &w, &arena, &g), ERR_OK);
    put(&b);
    hints_remove(&hints, &g);
    CU_ASSERT_EQUAL(hints_count(&hints), 1);
    w = walk_of(1);
    CU_ASSERT_EQUAL_FATAL(hints_next(&hints, &w, &arena, &g), ERR_OK);
    CU_ASSERT_EQUAL(g.hint.part.rows[0].cells_count, 2);
}

/* Deletions of a partition and its static row stand beside its rows, and go with them. */
static void the_head_goes_along(void)
{
    struct hint_group g;
    struct hint a = hint_of(1, 1, 1, 1, 10), b = hint_of(1, 1, 2, 1, 30);
    struct hint_walk w = walk_of(1);
    b.part.deletion = (struct tomb){20, 0, {{0, 0}, 0}};
    put(&a);
    put(&b);
    CU_ASSERT_EQUAL(hints_count(&hints), 3);
    CU_ASSERT_EQUAL_FATAL(hints_next(&hints, &w, &arena, &g), ERR_OK);
    CU_ASSERT_EQUAL(g.count, 3);
    CU_ASSERT_EQUAL(g.hint.part.deletion.timestamp, 20);
    CU_ASSERT_EQUAL_FATAL(g.hint.part.rows_count, 1); /* the other one is deleted */
    CU_ASSERT(bytes_equal_text(g.hint.part.rows[0].key, "r2"));
}

/* What a write to a siblings table supersedes is its own, so it is not joined with another. */
static void requests_with_a_context_stay_apart(void)
{
    struct hint_group g;
    struct hint a = hint_of(1, 1, 1, 1, 10), b = hint_of(1, 1, 1, 1, 11);
    struct hint_walk w = walk_of(1);
    a.supersede = (struct supersede){.siblings = true, .writer = 1};
    b.supersede = (struct supersede){.siblings = true, .writer = 2};
    put(&a);
    put(&b);
    CU_ASSERT_EQUAL(hints_count(&hints), 2);
    CU_ASSERT_EQUAL_FATAL(hints_next(&hints, &w, &arena, &g), ERR_OK);
    CU_ASSERT_EQUAL(g.count, 1);
    CU_ASSERT_EQUAL(g.hint.supersede.writer, 1);
    CU_ASSERT_EQUAL_FATAL(hints_next(&hints, &w, &arena, &g), ERR_OK);
    CU_ASSERT_EQUAL(g.hint.supersede.writer, 2);
}

static void bounds_are_of_a_target(void)
{
    struct hint a = hint_of(1, 1, 1, 1, 1000);
    CU_ASSERT_EQUAL(hints_check(&hints, 1, 1 << 20, 1000), ERR_OK);
    put(&a);
    struct hint_queue *q = hints_queue(&hints, 1);
    CU_ASSERT_FALSE(hints_full(&hints, q, 1000));
    CU_ASSERT_EQUAL(hints_check(&hints, 1, 1 << 20, 1000), ERR_OVERLOADED);
    CU_ASSERT(hints_full(&hints, q, 1000)); /* there is room, for what is smaller */
    CU_ASSERT_EQUAL(hints_check(&hints, 2, 1 << 20, 1000), ERR_OK);
    CU_ASSERT_EQUAL(hints_check(&hints, 1, 10, 1100), ERR_OK);
    CU_ASSERT_EQUAL(hints_check(&hints, 1, 10, 1101), ERR_OVERLOADED);
    /* Neither a restart nor a younger hint for the row makes it younger. */
    hints_close(&hints);
    open_hints();
    CU_ASSERT_EQUAL(hints_check(&hints, 1, 10, 1101), ERR_OVERLOADED);
    a = hint_of(1, 1, 1, 1, 1050);
    put(&a);
    CU_ASSERT_EQUAL(hints_check(&hints, 1, 10, 1101), ERR_OVERLOADED);
    CU_ASSERT_EQUAL(hints_check(&hints, 2, 10, 1101), ERR_OK);
}

static void damage_costs_one_hint(void)
{
    struct buf name, value;
    struct hint_group g;
    struct hint a = hint_of(1, 1, 1, 1, 10), b = hint_of(1, 2, 1, 1, 11);
    struct hint_walk w = walk_of(1);
    put(&a);
    put(&b);
    buf_init(&name, 4096);
    buf_init(&value, 4096);
    CU_ASSERT_EQUAL_FATAL(hints_next(&hints, &w, &arena, &g), ERR_OK);
    buf_put_text(&name, "a/hr");
    buf_put_bytes(&name, g.items[0].place);
    engine_fact_put(engine, buf_bytes(&name), BYTES_LIT("rubbish"), 0);
    buf_close(&name);
    buf_close(&value);
    w = walk_of(1);
    CU_ASSERT_EQUAL_FATAL(hints_next(&hints, &w, &arena, &g), ERR_OK);
    CU_ASSERT(bytes_equal_text(g.hint.part.key, "k2"));
    CU_ASSERT_EQUAL(hints.damaged, 1);
    CU_ASSERT_EQUAL(hints_count(&hints), 1);
}

/* Where a block of hints is lost each of them is brought or counted, and what is gone is known. */
static void a_lost_block_costs_its_hints(void)
{
    struct engine_config config = {.seed = 1, .ring_ranges = 16};
    struct store *whole;
    size_t all = 0, gone = 0;
    for (int key = 0; key < 150; key++, all += 2) {
        for (node_no target = 1; target <= 2; target++) {
            struct hint a = hint_of(target, key, 1, 1, 10);
            put(&a);
        }
    }
    static const uint8_t apart[5000]; /* no block has the node's own records and their copies */
    engine_fact_put(engine, BYTES_LIT("p/"), bytes_make(apart, sizeof apart), 0);
    store_flush(store);
    store_mem_sync(store, SIZE_MAX);
    whole = store_mem_copy(store);
    for (size_t place = 0; place < store_mem_count(whole); place += 17) {
        struct hint_group g;
        size_t brought = 0;
        hints_close(&hints);
        engine_free(engine);
        store_close(store);
        store = store_mem_copy(whole);
        CU_ASSERT(store_mem_damage(store, place) > 0 && store_mem_mend(store) > 0);
        struct errmsg why;
        CU_ASSERT_EQUAL_FATAL(engine_new(store, &config, &engine, &why), ERR_OK);
        open_hints();
        size_t counted = hints_count(&hints);
        for (node_no target = 1; target <= 2; target++) {
            struct hint_walk w = walk_of(target);
            while (hints_next(&hints, &w, &arena, &g) == ERR_OK) {
                brought += g.count;
                hints_remove(&hints, &g);
            }
        }
        CU_ASSERT_EQUAL(counted, brought);
        CU_ASSERT_EQUAL(hints_count(&hints), 0);
        CU_ASSERT(brought + hints.damaged >= all);
        CU_ASSERT(brought > all - 100);
        CU_ASSERT(brought + hints.damaged <= all + hints.gone_unknown);
        CU_ASSERT(hints.gone_unknown || hints.gone_count == hints.damaged);
        for (size_t i = 0; i < hints.gone_count; i++)
            CU_ASSERT(hints.gone[i].table == 9 && hints.gone[i].target <= 2);
        gone += hints.gone_count;
    }
    CU_ASSERT(gone > 0);
    store_close(whole);
}

/* Until its range is told of a lost hint is not forgotten, whatever ends in between; how many there
 * were is known for longer. */
static void what_is_lost_is_known_after_a_restart(void)
{
    struct hint_group g;
    struct hint a = hint_of(1, 1, 1, 1, 10), b = hint_of(2, 2, 1, 1, 11);
    struct hint_walk w = walk_of(1);
    put(&a);
    put(&b);
    CU_ASSERT_EQUAL_FATAL(hints_next(&hints, &w, &arena, &g), ERR_OK);
    struct buf name;
    buf_init(&name, 4096);
    buf_put_text(&name, "a/hr");
    buf_put_bytes(&name, g.items[0].place);
    engine_fact_put(engine, buf_bytes(&name), BYTES_LIT("rubbish"), 0);
    buf_close(&name);
    w = walk_of(1);
    CU_ASSERT_EQUAL(hints_next(&hints, &w, &arena, &g), ERR_NOT_FOUND);
    for (int life = 0; life < 3; life++) {
        CU_ASSERT_EQUAL(hints_untold(&hints, 1), life < 2);
        CU_ASSERT_EQUAL(hints_untold(&hints, 2), 0);
        struct hint_lost *l = map_get(&hints.lost, 1);
        CU_ASSERT_FATAL(l != NULL && l->count == 1);
        CU_ASSERT_EQUAL(l->at, life == 0 ? 0 : 77);
        hints_lost_at(&hints, 77 + life);
        if (life == 1) {
            CU_ASSERT_FATAL(hints.gone_count == 1);
            CU_ASSERT(hints.gone[0].table == 9 && hints.gone[0].token == a.part.token);
            hints_gone_told(&hints, 0);
            CU_ASSERT_FALSE(hints_has_gone(&hints));
        }
        hints_close(&hints);
        open_hints();
    }
    CU_ASSERT_EQUAL(hints_count(&hints), 1);
}

static void bytes_of_a_hint(void)
{
    struct hint_record r = {.number = 5, .revision = 6, .hint = hint_of(1, 1, 1, 1, 10)}, again;
    struct buf b;
    buf_init(&b, 1 << 16);
    hint_encode(&r, &b);
    CU_ASSERT_EQUAL(hint_decode(buf_bytes(&b), &arena, &again), ERR_OK);
    CU_ASSERT_EQUAL(again.number, 5);
    CU_ASSERT_EQUAL(again.revision, 6);
    CU_ASSERT_EQUAL(again.hint.since, 10);
    CU_ASSERT_EQUAL(again.hint.keyspace, SPACE);
    for (size_t len = 0; len < b.len; len++)
        CU_ASSERT_EQUAL(hint_decode(bytes_make(b.data, len), &arena, &again), ERR_MALFORMED);
    buf_close(&b);
}

/* --- the model: for each target and row the newest value of each column, and when it came first */

struct model_row {
    uint64_t order; /* 0: none */
    int64_t column[COLUMNS];
};
static struct model_row model[TARGETS][KEYS][ROWS];

static int of(struct bytes text)
{
    return atoi(arena_text(&arena, text) + 1);
}

static bool is_first(int target, int key)
{
    uint64_t first = UINT64_MAX, of_key = UINT64_MAX;
    for (int k = 0; k < KEYS; k++) {
        for (int r = 0; r < ROWS; r++) {
            uint64_t order = model[target][k][r].order;
            first = order != 0 && order < first ? order : first;
            of_key = k == key && order != 0 && order < of_key ? order : of_key;
        }
    }
    return first == of_key;
}

static void check_group(int target, const struct hint_group *g)
{
    int key = of(g->hint.part.key);
    size_t rows = 0;
    CU_ASSERT_FATAL(is_first(target, key));
    for (int r = 0; r < ROWS; r++)
        rows += model[target][key][r].order != 0;
    CU_ASSERT_EQUAL_FATAL(g->hint.part.rows_count, rows);
    for (size_t i = 0; i < rows; i++) {
        const struct row *row = &g->hint.part.rows[i];
        struct model_row *m = &model[target][key][of(row->key)];
        size_t cells = 0;
        for (int c = 0; c < COLUMNS; c++)
            cells += m->column[c] != 0;
        CU_ASSERT_EQUAL_FATAL(row->cells_count, cells);
        for (size_t c = 0; c < cells; c++)
            CU_ASSERT_EQUAL(row->cells[c].timestamp, m->column[row->cells[c].column - 1]);
    }
}

static size_t model_count(void)
{
    size_t n = 0;
    for (int i = 0; i < TARGETS * KEYS * ROWS; i++)
        n += (&model[0][0][0])[i].order != 0;
    return n;
}

static void step(struct rng *rng, uint64_t at)
{
    int target = (int)rng_below(rng, TARGETS), key = (int)rng_below(rng, KEYS);
    int row = (int)rng_below(rng, ROWS), column = (int)rng_below(rng, COLUMNS);
    uint64_t what = rng_below(rng, 10);
    if (what < 6) {
        int64_t ts = rng_between(rng, 1, 50);
        struct hint h = hint_of((node_no)target + 1, key, row, (uint32_t)column + 1, ts);
        struct model_row *m = &model[target][key][row];
        m->order = m->order == 0 ? at : m->order;
        m->column[column] = ts > m->column[column] ? ts : m->column[column];
        put(&h);
    } else if (what < 9) {
        struct hint_walk w = walk_of((node_no)target + 1);
        struct hint_group g;
        enum err err = hints_next(&hints, &w, &arena, &g);
        if (err == ERR_OK) {
            check_group(target, &g);
            memset(model[target][of(g.hint.part.key)], 0, sizeof model[0][0]);
            hints_remove(&hints, &g);
        } else {
            CU_ASSERT_EQUAL(err, ERR_NOT_FOUND);
        }
    } else {
        hints_close(&hints);
        open_hints();
    }
    CU_ASSERT_EQUAL_FATAL(hints_count(&hints), model_count());
}

static void they_are_as_a_model_says(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rng rng;
        unsigned before = CU_get_number_of_failures();
        rng_init(&rng, seed);
        memset(model, 0, sizeof model);
        for (uint64_t at = 1; at <= 300; at++)
            step(&rng, at);
        if (CU_get_number_of_failures() != before)
            printf("  seed %d\n", (int)seed);
        hints_teardown();
        hints_setup();
        arena_reset(&arena);
    }
}

/* What is kept of a write is a record for each row, each of which has the key of the partition: the
 * bound is of that, not of the write. */
static void a_bound_is_of_what_is_kept(void)
{
    enum { WIDE = 10000, MANY = 500 };
    struct hint h = hint_of(1, 1, 1, 1, 10);
    struct row *rows = arena_array(&arena, struct row, MANY);
    struct buf encoded;
    char *key = arena_zero(&arena, WIDE + 1);
    memset(key, 'k', WIDE);
    for (int i = 0; i < MANY; i++) {
        rows[i] = h.part.rows[0];
        rows[i].key = bytes_text(arena_printf(&arena, "r%04d", i));
    }
    h.part.key = bytes_text(key);
    h.part.token = murmur3_token(h.part.key);
    h.part.rows = rows;
    h.part.rows_count = MANY;
    buf_init(&encoded, 1 << 20);
    part_encode(&h.part, &encoded);
    if (hints_check(&hints, 1, hints_size(&h, encoded.len), 10) == ERR_OK)
        put(&h);
    CU_ASSERT(hints_bytes(&hints) <= 1 << 20);
    h.part.rows_count = 20; /* which fit: it is no more than was said */
    buf_clear(&encoded);
    part_encode(&h.part, &encoded);
    CU_ASSERT_EQUAL(hints_check(&hints, 1, hints_size(&h, encoded.len), 10), ERR_OK);
    put(&h);
    CU_ASSERT(hints_bytes(&hints) > 0);
    CU_ASSERT(hints_bytes(&hints) <= hints_size(&h, encoded.len));
    buf_close(&encoded);
}

/* What was refused is so after a restart, too, and says so. */
static void a_full_queue_is_full_after_a_restart(void)
{
    struct hint a = hint_of(1, 1, 1, 1, 1000);
    put(&a);
    CU_ASSERT_EQUAL(hints_check(&hints, 1, 1 << 20, 1000), ERR_OVERLOADED);
    CU_ASSERT(hints_full(&hints, hints_queue(&hints, 1), 1000));
    hints_close(&hints);
    open_hints();
    CU_ASSERT_EQUAL(hints_check(&hints, 1, 1 << 20, 1000), ERR_OVERLOADED);
    hints_close(&hints);
    open_hints();
    CU_ASSERT(hints_full(&hints, hints_queue(&hints, 1), 1000));
}

/* Hints of one row are joined; what that makes is no more than the store takes, or is refused. */
static void what_is_joined_is_bounded(void)
{
    const size_t each = 1 << 20;
    enum err err = ERR_OK;
    for (uint32_t i = 1; i <= 80 && err == ERR_OK; i++) {
        struct hint h = hint_of(1, 1, 1, i, i);
        struct cell *c = (struct cell *)(uintptr_t)h.part.rows[0].cells;
        c->value = bytes_make(arena_zero(&arena, each), each);
        err = hints_put(&hints, &h, 0);
    }
    CU_ASSERT_EQUAL(err, ERR_OVERLOADED);
    CU_ASSERT(hints_bytes(&hints) <= HINT_ROW_MAX);
}

CU_TestInfo hints_tests[] = {
    {"what is joined is bounded", what_is_joined_is_bounded},
    {"a full queue is full after a restart", a_full_queue_is_full_after_a_restart},
    {"a bound is of what is kept", a_bound_is_of_what_is_kept},
    {"rows of a partition go together", rows_of_a_partition_go_together},
    {"what joins one under way stays", what_joins_one_under_way_stays},
    {"the head goes along", the_head_goes_along},
    {"requests with a context stay apart", requests_with_a_context_stay_apart},
    {"bounds are of a target", bounds_are_of_a_target},
    {"damage costs one hint", damage_costs_one_hint},
    {"a lost block costs its hints", a_lost_block_costs_its_hints},
    {"what is lost is known after a restart", what_is_lost_is_known_after_a_restart},
    {"bytes of a hint", bytes_of_a_hint},
    {"they are as a model says", they_are_as_a_model_says},
    CU_TEST_INFO_NULL,
};
