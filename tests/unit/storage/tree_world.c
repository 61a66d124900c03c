#include "tree_world.h"

#include "base/mem.h"
#include "engine_fixture.h"
#include "gen.h"
#include "storage/siblings.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static const table_no tables[TREE_TABLES] = {TABLE, TABLE + 1, TABLE + 2};

bool tree_world_prune(struct tree_world *w)
{
    struct clock known;
    bool done = false;
    clock_init(&known);
    clock_copy(&known, engine_clock(w->engine, KEYSPACE, RANGE));
    for (int i = 0; i < 1000 && !done; i++) {
        enum err err = engine_log_prune(w->engine, KEYSPACE, RANGE, &known, 50, &done);
        tree_world_expect(w, err == ERR_OK, "a log cannot be pruned");
    }
    clock_close(&known);
    return done;
}

void tree_world_wrong(struct tree_world *w, const char *what)
{
    if (w->wrong == NULL)
        w->wrong = what;
}

void tree_world_expect(struct tree_world *w, bool good, const char *what)
{
    if (!good)
        tree_world_wrong(w, what);
}

void tree_world_start(struct tree_world *w)
{
    struct engine_config config = {.seed = 1,
                                   .ring_ranges = 16,
                                   .log_tails_max = 4000,
                                   .tree_bytes_max = w->bytes_max,
                                   .tree_width = w->width};
    struct errmsg msg;
    w->self.boot++;
    tree_world_expect(w, engine_new(w->store, &config, &w->engine, &msg) == ERR_OK, "no engine");
    engine_set_actor(w->engine, w->self);
    sync_all(w->store);
}

void tree_world_open(struct tree_world *w, uint64_t seed, uint32_t width)
{
    memset(w, 0, sizeof *w);
    rng_init(&w->rng, seed);
    arena_init(&w->arena);
    w->store = store_mem_new();
    w->self = (struct actor){1, 0};
    w->width = width;
    w->bytes_max = rng_chance(&w->rng, 500000) ? 1 : 0;
    w->now_s = 1000;
    w->clock = 100;
    w->place = (struct range_place){0, TREE_TOKENS, tables, TREE_TABLES};
    tree_world_start(w);
    for (size_t i = 0; i < TREE_TABLES; i++) { /* what other ranges have is not in the sums */
        tree_world_put_beside(w, tables[i], -1);
        tree_world_put_beside(w, tables[i], TREE_TOKENS + 1);
    }
    sync_all(w->store);
}

void tree_world_close(struct tree_world *w)
{
    engine_free(w->engine);
    store_close(w->store);
    arena_close(&w->arena);
}

void tree_world_crash(struct tree_world *w)
{
    engine_free(w->engine);
    store_mem_crash(w->store, (size_t)rng_below(&w->rng, 4));
    tree_world_start(w);
}

/* --- writes */

struct bytes tree_world_numbered(struct tree_world *w, const char *format, unsigned n)
{
    return bytes_text(arena_printf(&w->arena, format, n));
}

static struct event some_event(struct tree_world *w, struct dot dot)
{
    struct event e = gen_event(&w->rng, dot);
    bool old = rng_chance(&w->rng, 200000);
    int64_t timestamp = old ? rng_between(&w->rng, 1, w->clock) : ++w->clock;
    e.tomb.timestamp = e.cell.timestamp = timestamp;
    e.tomb.time_s = w->now_s;
    if (e.cell.kind == CELL_TOMBSTONE)
        e.cell.time_s = w->now_s;
    if (e.cell.kind == CELL_EXPIRING)
        e.cell.time_s = w->now_s + rng_between(&w->rng, -5, 20);
    return e;
}

/* Rows 0000 .. of few partitions; deletions of stretches of them. */
static struct part wide_part(struct tree_world *w, struct dot dot)
{
    struct event e[8];
    size_t count = 1 + (size_t)rng_below(&w->rng, ARRAY_LEN(e));
    unsigned row = (unsigned)rng_below(&w->rng, TREE_WIDE_ROWS);
    for (size_t i = 0; i < count; i++) {
        e[i] = some_event(w, dot);
        e[i].row = tree_world_numbered(w, "%04u", row++);
        e[i].start = tree_world_numbered(w, "%04u", (unsigned)rng_below(&w->rng, TREE_WIDE_ROWS));
        e[i].end = tree_world_numbered(w, "%04u~", (unsigned)rng_below(&w->rng, TREE_WIDE_ROWS));
        bool rare = rng_chance(&w->rng, 900000);
        if ((e[i].kind == EVENT_RANGE && bytes_compare(e[i].start, e[i].end) >= 0) ||
            ((e[i].kind == EVENT_PART || e[i].kind == EVENT_RANGE) && rare))
            e[i].kind = EVENT_CELL;
    }
    return gen_part(e, count, &w->arena);
}

static struct part sibling_part(struct tree_world *w, struct dot dot)
{
    struct minted minted;
    struct supersede s = {.siblings = true, .writer = 1 + rng_below(&w->rng, 3)};
    struct cell *cell = arena_new(&w->arena, struct cell);
    struct row *row = arena_new(&w->arena, struct row);
    *cell = (struct cell){.column = 1 + (uint32_t)rng_below(&w->rng, 2),
                          .timestamp = ++w->clock,
                          .value = tree_world_numbered(w, "%u", (unsigned)rng_below(&w->rng, 50)),
                          .dot = dot};
    *row = (struct row){.key = gen_row_key(&w->rng), .deletion = TOMB_NONE, .cells = cell};
    row->cells_count = 1;
    if (rng_chance(&w->rng, 300000))
        *cell = (struct cell){.column = 1,
                              .kind = CELL_TOMBSTONE,
                              .timestamp = ++w->clock,
                              .time_s = w->now_s,
                              .dot = dot};
    struct part p = {.table = tables[2], .siblings = true, .deletion = TOMB_NONE};
    p.token = (token)rng_below(&w->rng, 5);
    p.key = tree_world_numbered(w, "s%u", (unsigned)p.token);
    p.static_row.deletion = TOMB_NONE;
    p.rows = row;
    p.rows_count = 1;
    part_normalise(&p, &w->arena);
    tree_world_expect(w,
                      engine_supersede(w->engine, KEYSPACE, RANGE, &p, &s, dot, 0, w->now_s,
                                       &w->arena, &minted) == ERR_OK,
                      "a write is not minted");
    return minted.part;
}

/* One row that only grows, like a counter: it is collapsed in tiers. */
static struct part counter_part(struct tree_world *w, struct dot dot)
{
    struct part p = {.table = tables[0], .token = 77, .deletion = TOMB_NONE};
    size_t count = 1 + (size_t)rng_below(&w->rng, 200);
    struct row *row = arena_new(&w->arena, struct row);
    *row = (struct row){.key = BYTES_LIT("n"), .deletion = TOMB_NONE};
    row->cells = arena_array(&w->arena, struct cell, count);
    row->cells_count = count;
    for (size_t i = 0; i < count; i++)
        row->cells[i] = (struct cell){
            .column = 1,
            .has_path = true,
            .path = tree_world_numbered(w, "%06u", (unsigned)rng_below(&w->rng, 9999)),
            .timestamp = ++w->clock,
            .value = BYTES_LIT("1"),
            .dot = dot};
    p.static_row.deletion = TOMB_NONE;
    p.rows = row;
    p.rows_count = 1;
    part_normalise(&p, &w->arena);
    return p;
}

struct part tree_world_part(struct tree_world *w, struct dot dot)
{
    struct event e[3];
    uint64_t kind = rng_below(&w->rng, 10);
    struct part p;
    if (kind == 0 && dot.actor.node == w->self.node)
        return sibling_part(w, dot);
    if (kind == 1 && rng_chance(&w->rng, 300000)) {
        p = counter_part(w, dot);
    } else if (kind < 5) {
        p = wide_part(w, dot);
        p.table = tables[1];
        p.token = (token)rng_below(&w->rng, 2) * 40;
    } else {
        size_t count = 1 + (size_t)rng_below(&w->rng, ARRAY_LEN(e));
        for (size_t i = 0; i < count; i++)
            e[i] = some_event(w, dot);
        p = gen_part(e, count, &w->arena);
        p.table = tables[0];
        p.token = (token)rng_below(&w->rng, TREE_TOKENS + 1);
    }
    /* Two partitions of some tokens; zero bytes in their keys. */
    p.key = tree_world_numbered(w, rng_chance(&w->rng, 500000) ? "k%u" : "m%u", (unsigned)p.token);
    if (p.token % 3 == 0)
        p.key = bytes_make("k\0\0x", 3);
    return p;
}

void tree_world_write(struct tree_world *w)
{
    struct dot dot = engine_next_dot(w->engine, KEYSPACE, RANGE, w->self);
    if (rng_chance(&w->rng, 100000)) /* of another replica, out of order */
        dot = (struct dot){{2, 1}, 1 + rng_below(&w->rng, 300)};
    struct part p = tree_world_part(w, dot);
    struct clock context;
    clock_init(&context);
    clock_copy(&context, engine_clock(w->engine, KEYSPACE, RANGE));
    bool with = !p.siblings && rng_chance(&w->rng, 100000);
    if (!with && !p.siblings && rng_chance(&w->rng, 100000))
        part_set_dot(&p, (struct dot){{3, 1}, 1 + rng_below(&w->rng, 1000)});
    enum err err = engine_apply(w->engine, KEYSPACE, RANGE, &p, dot, with ? &context : NULL, 0);
    tree_world_expect(w, err == ERR_OK || err == ERR_BEHIND, "a write is not applied");
    clock_close(&context);
}

/* State of other replicas: it gets a name here when anything of it is new. */
static void repair(struct tree_world *w)
{
    struct dot none = {{0, 0}, 0};
    struct part p = tree_world_part(w, (struct dot){{3, 1}, 1 + rng_below(&w->rng, 1000)});
    tree_world_expect(w, engine_apply(w->engine, KEYSPACE, RANGE, &p, none, NULL, 0) == ERR_OK,
                      "state is not taken");
}

void tree_world_put_beside(struct tree_world *w, table_no table, token where)
{
    struct dot dot = engine_next_dot(w->engine, KEYSPACE, RANGE + 1, w->self);
    struct part p = one_row(&w->arena, "r", 10, dot);
    p.table = table;
    p.token = where;
    p.siblings = p.rows[0].siblings = table == tables[2];
    tree_world_expect(w, engine_apply(w->engine, KEYSPACE, RANGE + 1, &p, dot, NULL, 0) == ERR_OK,
                      "a row of another range is not put");
}

void tree_world_put(struct tree_world *w, token where, unsigned row, int64_t timestamp)
{
    struct dot dot = engine_next_dot(w->engine, KEYSPACE, RANGE, w->self);
    struct part p = one_row(&w->arena, "", timestamp, dot);
    p.rows[0].key = tree_world_numbered(w, "%06u", row);
    p.token = where;
    p.key = tree_world_numbered(w, "p%u", (unsigned)where);
    tree_world_expect(w, engine_apply(w->engine, KEYSPACE, RANGE, &p, dot, NULL, 0) == ERR_OK,
                      "a row is not put");
}

void tree_world_put_garbage(struct tree_world *w, unsigned row, enum cell_kind kind, int64_t time_s)
{
    struct dot dot = engine_next_dot(w->engine, KEYSPACE, RANGE, w->self);
    struct part p = one_row(&w->arena, "", 50, dot);
    p.rows[0].key = tree_world_numbered(w, "%06u", row);
    p.token = row % 20;
    p.key = tree_world_numbered(w, "p%u", row % 20);
    p.rows[0].cells[0].kind = kind;
    p.rows[0].cells[0].time_s = time_s;
    p.rows[0].cells[0].ttl = kind == CELL_EXPIRING ? 5 : 0;
    if (kind == CELL_TOMBSTONE)
        p.rows[0].cells[0].value = BYTES_NONE;
    part_normalise(&p, &w->arena);
    tree_world_expect(w, engine_apply(w->engine, KEYSPACE, RANGE, &p, dot, NULL, 0) == ERR_OK,
                      "garbage is not put");
}

/* --- what happens */

static void purge(struct tree_world *w)
{
    bool done;
    struct clock agreed;
    clock_init(&agreed);
    clock_copy(&agreed, engine_clock(w->engine, KEYSPACE, RANGE));
    enum err err =
        engine_purge(w->engine, KEYSPACE, RANGE, &agreed, w->now_s - rng_between(&w->rng, 0, 5),
                     1 + (size_t)rng_below(&w->rng, 300), &done);
    tree_world_expect(w, err == ERR_OK, "nothing is purged");
    clock_close(&agreed);
}

static void prune(struct tree_world *w)
{
    bool done;
    struct clock known;
    clock_init(&known);
    clock_copy(&known, engine_clock(w->engine, KEYSPACE, RANGE));
    enum err err = engine_log_prune(w->engine, KEYSPACE, RANGE, &known,
                                    1 + (size_t)rng_below(&w->rng, 60), &done);
    tree_world_expect(w, err == ERR_OK, "nothing is pruned");
    clock_close(&known);
}

static void forget(struct tree_world *w)
{
    bool done = false;
    while (!done && w->wrong == NULL)
        tree_world_expect(w,
                          engine_forget(w->engine, KEYSPACE, RANGE, &w->place, 50, &done) == ERR_OK,
                          "the range is not forgotten");
}

static void update_a_bit(struct tree_world *w)
{
    bool done;
    tree_world_expect(w,
                      engine_tree_update(w->engine, KEYSPACE, RANGE, &w->place,
                                         1 + (size_t)rng_below(&w->rng, 100), &done) == ERR_OK,
                      "a tree is not brought further");
}

void tree_world_step(struct tree_world *w)
{
    uint64_t what = rng_below(&w->rng, 1000);
    arena_reset(&w->arena);
    if (rng_chance(&w->rng, 100000))
        w->now_s++;
    if (what < 650)
        tree_world_write(w);
    else if (what < 700)
        repair(w);
    else if (what < 780)
        update_a_bit(w);
    else if (what < 840)
        purge(w);
    else if (what < 880)
        prune(w);
    else if (what < 900)
        tree_world_check_clean(w);
    else if (what < 910)
        (void)tree_world_sum(w, w->place.tables[1], &(struct tree_stretch){{NULL, 0}, {NULL, 0}},
                             NULL);
    else if (what < 970)
        sync_all(w->store);
    else if (what < 975)
        engine_save_clocks(w->engine);
    else if (what < 985)
        tree_world_crash(w);
    else if (what < 995)
        store_flush(w->store);
    else if (what < 997)
        while (!engine_drop_table(w->engine, w->place.tables[1], 20))
            ;
    else if (what < 998)
        forget(w);
    else
        engine_tree_drop(w->engine, KEYSPACE, RANGE);
}

/* --- for tests of one thing */

void tree_world_filled(struct tree_world *w, unsigned rows)
{
    tree_world_open(w, 1, TREE_WORLD_WIDTH);
    for (unsigned i = 0; i < rows; i++) {
        tree_world_put(w, i % 20, i, 10);
        arena_reset(&w->arena);
    }
    sync_all(w->store);
    tree_world_update(w, SIZE_MAX);
}

struct tree_sum tree_world_root(struct tree_world *w, bool *ret_current)
{
    struct tree_sum sums[TREE_TABLES];
    struct clock asof;
    clock_init(&asof);
    CU_ASSERT_EQUAL(
        engine_tree_root(w->engine, KEYSPACE, RANGE, &w->place, sums, &asof, ret_current), ERR_OK);
    clock_close(&asof);
    return sums[0];
}

void tree_world_is_good(const struct tree_world *w, uint64_t seed)
{
    CU_ASSERT_PTR_NULL(w->wrong);
    if (w->wrong != NULL)
        printf("seed %llu: %s\n", (unsigned long long)seed, w->wrong);
}
