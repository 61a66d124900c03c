/* Does a write win? Against a model that looks at everything, and reads before each write. */
#include "base/mem.h"
#include "engine_fixture.h"
#include "gen.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define EVENTS 160
#define NOW_S  101 /* some of what expires has */

static struct part placed(struct part p)
{
    p.table = TABLE;
    p.token = 5;
    p.key = BYTES_LIT("x");
    return p;
}

static bool read_all(struct engine *e, struct arena *arena, struct part *ret)
{
    struct scan scan = whole_table();
    struct scan_result r;
    *ret = placed(gen_part(NULL, 0, arena));
    if (engine_scan(e, &scan, arena, &r) != ERR_OK || r.parts_count > 1 || r.more)
        return false;
    if (r.parts_count == 1)
        *ret = r.parts[0];
    return true;
}

/* --- the model of losing: no order, no search, one place after another */

struct verdict {
    bool lost;
    int64_t by;
};

static void say_lost(struct verdict *v, int64_t by)
{
    v->by = !v->lost || by > v->by ? by : v->by;
    v->lost = true;
}

static bool at_place(const struct cell *a, const struct cell *b)
{
    return a->column == b->column && a->has_path == b->has_path &&
           (!a->has_path || bytes_equal(a->path, b->path));
}

static bool has_place(const struct row *r, const struct cell *c)
{
    for (size_t i = 0; r != NULL && i < r->cells_count; i++) {
        if (at_place(&r->cells[i], c))
            return true;
    }
    return false;
}

static const struct row *row_of(const struct part *p, struct bytes key)
{
    for (size_t i = 0; i < p->rows_count; i++) {
        if (bytes_equal(p->rows[i].key, key))
            return &p->rows[i];
    }
    return NULL;
}

static void outlives(struct verdict *v, const struct row *there, const struct row *mine,
                     int64_t timestamp, bool column_only, uint32_t column)
{
    for (size_t i = 0; there != NULL && i < there->cells_count; i++) {
        const struct cell *c = &there->cells[i];
        if (column_only && (c->column != column || !c->has_path))
            continue;
        if (c->timestamp > timestamp && cell_is_live(c, NOW_S) && !has_place(mine, c))
            say_lost(v, c->timestamp);
    }
}

static void judge_cell(struct verdict *v, const struct row *mine, const struct cell *c,
                       const struct row *there, int64_t floor)
{
    bool wanted = c->kind != CELL_TOMBSTONE;
    int64_t shadow = TIMESTAMP_NONE;
    const struct cell *x = NULL;
    for (size_t i = 0; there != NULL && i < there->cells_count; i++) {
        const struct cell *t = &there->cells[i];
        if (c->has_path && t->column == c->column && !t->has_path)
            shadow = t->timestamp;
        if (at_place(t, c))
            x = t;
    }
    if (wanted && floor >= c->timestamp)
        say_lost(v, floor);
    if (wanted && shadow >= c->timestamp)
        say_lost(v, shadow);
    if (!c->has_path)
        outlives(v, there, mine, c->timestamp, true, c->column);
    if (x == NULL)
        return;
    struct cell like = *x;
    like.dot = c->dot;
    if (!cell_wins(&like, c))
        return;
    bool same = x->kind == CELL_LIVE && c->kind == CELL_LIVE && bytes_equal(x->value, c->value);
    if (wanted ? !same : cell_is_live(x, NOW_S))
        say_lost(v, x->timestamp);
}

static void judge_row(struct verdict *v, const struct row *mine, const struct row *there,
                      int64_t cover)
{
    int64_t floor =
        there != NULL && there->deletion.timestamp > cover ? there->deletion.timestamp : cover;
    if (!tomb_is_none(&mine->deletion))
        outlives(v, there, mine, mine->deletion.timestamp, false, 0);
    for (size_t i = 0; i < mine->cells_count; i++)
        judge_cell(v, mine, &mine->cells[i], there, floor);
}

static struct verdict judge(const struct part *p, const struct part *there)
{
    struct verdict v = {0};
    if (p->has_static)
        judge_row(&v, &p->static_row, there->has_static ? &there->static_row : NULL,
                  there->deletion.timestamp);
    for (size_t i = 0; i < p->rows_count; i++)
        judge_row(&v, &p->rows[i], row_of(there, p->rows[i].key),
                  part_deletion_at(there, p->rows[i].key).timestamp);
    for (size_t i = 0; i < there->rows_count; i++) {
        const struct row *r = &there->rows[i];
        const struct row *own = row_of(p, r->key);
        if (!tomb_is_none(&p->deletion))
            outlives(&v, r, own, p->deletion.timestamp, false, 0);
        for (size_t k = 0; k < p->tombs_count; k++) {
            const struct range_tomb *t = &p->tombs[k];
            if (bytes_compare(t->start, r->key) <= 0 &&
                (t->end.len == 0 || bytes_compare(r->key, t->end) < 0))
                outlives(&v, r, own, t->tomb.timestamp, false, 0);
        }
    }
    if (!tomb_is_none(&p->deletion) && there->has_static)
        outlives(&v, &there->static_row, p->has_static ? &p->static_row : NULL,
                 p->deletion.timestamp, false, 0);
    return v;
}

/* --- what is sent instead */

static bool deletion_is_in(const struct part *all, struct bytes key, const struct tomb *t)
{
    struct tomb cover = part_deletion_at(all, key);
    return cover.timestamp == t->timestamp && dot_compare(cover.dot, t->dot) == 0;
}

static bool row_is_in(const struct row *r, const struct row *all)
{
    for (size_t i = 0; i < r->cells_count; i++) {
        bool found = false;
        for (size_t k = 0; all != NULL && k < all->cells_count; k++)
            found |= at_place(&all->cells[k], &r->cells[i]) &&
                     dot_compare(all->cells[k].dot, r->cells[i].dot) == 0;
        if (!found)
            return false;
    }
    return tomb_is_none(&r->deletion) ||
           (all != NULL && dot_compare(all->deletion.dot, r->deletion.dot) == 0);
}

/* Nothing is sent that is not there when all is merged. */
static bool is_in(const struct part *sent, const struct part *all)
{
    if (!tomb_is_none(&sent->deletion) && !deletion_is_in(all, BYTES_NONE, &sent->deletion) &&
        dot_compare(sent->deletion.dot, all->deletion.dot) != 0)
        return false;
    for (size_t i = 0; i < sent->tombs_count; i++) {
        if (!deletion_is_in(all, sent->tombs[i].start, &sent->tombs[i].tomb))
            return false;
    }
    for (size_t i = 0; i < sent->rows_count; i++) {
        if (!row_is_in(&sent->rows[i], row_of(all, sent->rows[i].key)))
            return false;
    }
    return !sent->has_static || row_is_in(&sent->static_row, &all->static_row);
}

/* --- the differential test */

struct world {
    struct rng rng;
    struct arena arena;
    struct store *blind_store, *reading_store;
    struct engine *blind, *reading;
    size_t newest, lost, won;
};

static struct part random_write(struct world *w, int64_t base, struct dot dot)
{
    struct event events[4];
    size_t count = 1 + (size_t)rng_below(&w->rng, ARRAY_LEN(events));
    for (size_t i = 0; i < count; i++) {
        events[i] = gen_event(&w->rng, dot);
        events[i].tomb.timestamp += base;
        events[i].cell.timestamp += base;
    }
    return placed(gen_part(events, count, &w->arena));
}

/* The blind engine writes what weighing gives it; the other one reads all, merges and writes that.
 */
static bool write_both(struct world *w, const struct part *p, struct dot dot)
{
    struct part before, merged, after, blind;
    struct weighed got;
    if (!read_all(w->reading, &w->arena, &before) ||
        engine_weigh(w->blind, p, NULL, 0, NOW_S, &w->arena, &got) != ERR_OK)
        return false;
    struct loss g = got.given;
    struct verdict v = judge(p, &before);
    part_merge(&before, p, &w->arena, &merged);
    part_merge(&before, &got.part, &w->arena, &after);
    w->newest += got.newest;
    w->lost += g.lost;
    w->won += !got.newest && !g.lost;
    if (g.lost != v.lost || (v.lost && g.by != v.by) || got.stamped.lost ||
        !parts_equal(&merged, &after) || !is_in(&got.part, &merged))
        return false;
    if (got.newest && (g.lost || !parts_equal(&got.part, p)))
        return false;
    return engine_apply(w->blind, KEYSPACE, RANGE, rng_below(&w->rng, 2) ? p : &got.part, dot, NULL,
                        0) == ERR_OK &&
           engine_apply(w->reading, KEYSPACE, RANGE, &merged, dot, NULL, 0) == ERR_OK &&
           read_all(w->blind, &w->arena, &blind) && parts_equal(&blind, &merged);
}

static bool run(uint64_t seed, size_t *newest, size_t *lost, size_t *won)
{
    struct world w = {0};
    bool good = true;
    rng_init(&w.rng, seed);
    w.blind_store = store_mem_new();
    w.reading_store = store_mem_new();
    CU_ASSERT_EQUAL_FATAL(open_engine(w.blind_store, &w.blind), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(open_engine(w.reading_store, &w.reading), ERR_OK);
    for (uint64_t n = 1; n <= EVENTS && good; n++) {
        struct dot dot = {{1, 1}, n};
        int64_t base = (int64_t)(n * (1 + seed % 16)); /* the skew is 12 */
        struct part p = random_write(&w, base, dot);
        good = part_is_empty(&p) || write_both(&w, &p, dot);
        if (good && rng_below(&w.rng, 40) == 0) { /* the bound is found again */
            engine_free(w.blind);
            CU_ASSERT_EQUAL_FATAL(open_engine(w.blind_store, &w.blind), ERR_OK);
        }
        arena_reset(&w.arena);
    }
    *newest += w.newest;
    *lost += w.lost;
    *won += w.won;
    engine_free(w.blind);
    engine_free(w.reading);
    store_close(w.blind_store);
    store_close(w.reading_store);
    arena_close(&w.arena);
    return good;
}

static void the_blind_way_is_that_of_reading(void)
{
    size_t newest = 0;
    size_t lost = 0;
    size_t won = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        bool good = run(seed, &newest, &lost, &won);
        if (!good)
            printf("    seed %llu\n", (unsigned long long)seed);
        CU_ASSERT_FATAL(good);
    }
    CU_ASSERT(newest > 1000);
    CU_ASSERT(lost > 300);
    CU_ASSERT(won > 300);
}

/* --- by name */

static struct engine *engine;
static struct store *store;
static struct arena arena;

void weigh_setup(void);
void weigh_teardown(void);

void weigh_setup(void)
{
    store = store_mem_new();
    CU_ASSERT_EQUAL_FATAL(open_engine(store, &engine), ERR_OK);
}

void weigh_teardown(void)
{
    engine_free(engine);
    store_close(store);
    arena_close(&arena);
}

static struct part one_cell(const char *value, int64_t timestamp, uint64_t n)
{
    struct part p = one_row(&arena, "a", timestamp, (struct dot){{1, 1}, n});
    p.rows[0].cells[0].value = bytes_text(value);
    return placed(p);
}

static struct part one_deletion(int64_t timestamp, uint64_t n)
{
    struct event e = {.kind = EVENT_ROW, .row = BYTES_LIT("a")};
    e.tomb = (struct tomb){timestamp, 100, {{1, 1}, n}};
    return placed(gen_part(&e, 1, &arena));
}

static struct weighed apply(struct part p, uint64_t n)
{
    struct weighed got;
    CU_ASSERT_EQUAL_FATAL(engine_weigh(engine, &p, NULL, 0, NOW_S, &arena, &got), ERR_OK);
    CU_ASSERT_EQUAL(
        engine_apply(engine, KEYSPACE, RANGE, &got.part, (struct dot){{1, 1}, n}, NULL, 0), ERR_OK);
    return got;
}

static void what_is_newest_is_not_read(void)
{
    uint64_t n = 0;
    for (int64_t t = 10; t < 200; t++) {
        struct weighed w = apply(one_cell("v", t, n + 1), n + 1);
        n++;
        CU_ASSERT(w.newest && !w.given.lost);
    }
    CU_ASSERT_EQUAL(engine_stats(engine).weighed, 0);
    CU_ASSERT_EQUAL(engine_maximum(engine, TABLE, 5), 199);
    CU_ASSERT_EQUAL(engine_maximum(engine, TABLE, 6), TIMESTAMP_NONE);
}

static void ties_and_repeats(void)
{
    CU_ASSERT(!apply(one_cell("m", 50, 1), 1).given.lost);
    CU_ASSERT(!apply(one_cell("m", 50, 2), 2).given.lost); /* sent again */
    CU_ASSERT(!apply(one_cell("m", 40, 3), 3).given.lost); /* what it says is there */
    struct weighed w = apply(one_cell("a", 50, 4), 4);
    CU_ASSERT(w.given.lost && w.given.by == 50);
    CU_ASSERT(bytes_equal_text(w.part.rows[0].cells[0].value, "m"));
    CU_ASSERT(!apply(one_cell("z", 50, 5), 5).given.lost);
    w = apply(one_cell("zz", 49, 6), 6);
    CU_ASSERT(w.given.lost && w.given.by == 50);
}

static void deletions_that_lose(void)
{
    CU_ASSERT(!apply(one_deletion(60, 1), 1).given.lost);
    CU_ASSERT(!apply(one_deletion(50, 2), 2).given.lost); /* it is gone */
    struct weighed w = apply(one_cell("v", 60, 3), 3);
    CU_ASSERT(w.given.lost && w.given.by == 60);
    CU_ASSERT_EQUAL(w.part.rows[0].cells_count, 0); /* T instead of W */
    CU_ASSERT_EQUAL(w.part.rows[0].deletion.timestamp, 60);
    CU_ASSERT_EQUAL(w.part.rows[0].deletion.dot.n, 1);
    CU_ASSERT(!apply(one_cell("v", 70, 4), 4).given.lost);
    w = apply(one_deletion(65, 5), 5);
    CU_ASSERT(w.given.lost && w.given.by == 70);
    CU_ASSERT_EQUAL(w.part.rows[0].deletion.timestamp, 65); /* it is a deletion all the same */
}

/* What the server has stamped loses apart from what the client has. */
static void two_kinds_of_timestamps(void)
{
    struct weighed w;
    struct part p = one_cell("x", 40, 3);
    struct event other = {.kind = EVENT_CELL, .row = BYTES_LIT("b")};
    other.cell = (struct cell){.column = 1, .timestamp = 30, .value = BYTES_LIT("y")};
    struct part q = placed(gen_part(&other, 1, &arena));
    part_merge(&p, &q, &arena, &p);
    (void)apply(one_cell("v", 50, 1), 1);
    CU_ASSERT_EQUAL(engine_weigh(engine, &p, NULL, 40, NOW_S, &arena, &w), ERR_OK);
    CU_ASSERT(w.stamped.lost && w.stamped.by == 50 && !w.given.lost);
    CU_ASSERT_EQUAL(engine_weigh(engine, &p, NULL, 41, NOW_S, &arena, &w), ERR_OK);
    CU_ASSERT(w.stamped.lost && !w.given.lost);
    CU_ASSERT_EQUAL(engine_weigh(engine, &p, NULL, 30, NOW_S, &arena, &w), ERR_OK);
    CU_ASSERT(!w.stamped.lost && w.given.lost && w.given.by == 50);
    CU_ASSERT_FALSE(part_restamp(&p, 20, 60)); /* nothing has it */
    CU_ASSERT_FALSE(part_restamp(&p, 30, 60)); /* it would pass the other */
    CU_ASSERT_TRUE(part_restamp(&p, 40, 60));
    CU_ASSERT_EQUAL(p.rows[0].cells[0].timestamp, 60);
    CU_ASSERT_EQUAL(p.rows[1].cells[0].timestamp, 30);
}

/* A DELETE that the server stamped 40 was minted where another one, of 45, was already: so that one
 * is sent. Here it loses to 50, and so does the DELETE. */
static void a_deletion_that_stands_in(void)
{
    struct weighed w;
    struct event gone = {.kind = EVENT_CELL, .row = BYTES_LIT("a")};
    gone.cell = (struct cell){.column = 1, .timestamp = 45, .kind = CELL_TOMBSTONE};
    struct part cell = placed(gen_part(&gone, 1, &arena));
    struct part row = one_deletion(45, 7);
    (void)apply(one_cell("v", 50, 1), 1);
    CU_ASSERT_EQUAL(engine_weigh(engine, &cell, NULL, 40, NOW_S, &arena, &w), ERR_OK);
    CU_ASSERT(w.stamped.lost && w.stamped.by == 50 && !w.given.lost);
    CU_ASSERT_EQUAL(engine_weigh(engine, &row, NULL, 40, NOW_S, &arena, &w), ERR_OK);
    CU_ASSERT(w.stamped.lost && w.stamped.by == 50 && !w.given.lost);
}

/* The row was deleted after the cell was to be, and written again after that: nothing that the
 * deletion of the cell wanted to go is gone. */
static void a_deletion_below_another_one(void)
{
    struct weighed w;
    struct event gone = {.kind = EVENT_CELL, .row = BYTES_LIT("a")};
    gone.cell = (struct cell){.column = 1, .timestamp = 40, .kind = CELL_TOMBSTONE};
    struct part cell = placed(gen_part(&gone, 1, &arena));
    gone.cell.column = 2;
    struct part map = placed(gen_part(&gone, 1, &arena));
    gone.cell.has_path = true;
    gone.cell.path = BYTES_LIT("p");
    struct part element = placed(gen_part(&gone, 1, &arena));
    struct event put = {.kind = EVENT_CELL, .row = BYTES_LIT("a")};
    put.cell = (struct cell){.column = 2, .timestamp = 60, .value = BYTES_LIT("v")};
    put.cell.has_path = true;
    put.cell.path = BYTES_LIT("p");
    put.cell.dot = (struct dot){{1, 1}, 3};
    (void)apply(one_deletion(50, 1), 1);
    (void)apply(one_cell("v", 60, 2), 2);
    const struct part *all[] = {&cell, &map, &element};
    for (size_t i = 0; i < 3; i++) {
        if (i == 1)
            (void)apply(placed(gen_part(&put, 1, &arena)), 3);
        CU_ASSERT_EQUAL(engine_weigh(engine, all[i], NULL, 40, NOW_S, &arena, &w), ERR_OK);
        CU_ASSERT(w.stamped.lost && w.stamped.by == 60);
    }
    CU_ASSERT_EQUAL(w.part.rows[0].cells_count, 0); /* the row's stands for it */
}

static struct part with_column(struct part p, uint32_t column, int64_t timestamp, const char *value)
{
    struct event e = {.kind = EVENT_CELL, .row = BYTES_LIT("a")};
    struct part q;
    e.cell = (struct cell){.column = column, .timestamp = timestamp, .value = bytes_text(value)};
    q = placed(gen_part(&e, 1, &arena));
    part_merge(&p, &q, &arena, &p);
    return p;
}

static bool beyond;

static int64_t contest(const struct part *p, int64_t limit)
{
    int64_t by = 0;
    beyond = false;
    CU_ASSERT_EQUAL(engine_contest(engine, p, 40, limit, NOW_S, &arena, &by, &beyond), ERR_OK);
    return by;
}

/* What it loses to, of what is not above the limit; of its own stamp, not of a client's. */
static void a_contest_up_to_a_limit(void)
{
    struct part one = one_cell("x", 40, 3);
    struct part gone = one_deletion(40, 9);
    CU_ASSERT_EQUAL(contest(&one, 100), TIMESTAMP_NONE);
    (void)apply(with_column(with_column(one_cell("v", 50, 1), 5, 60, "v"), 6, 1000, "v"), 1);
    CU_ASSERT_EQUAL(contest(&one, 100), 50);
    CU_ASSERT_FALSE(beyond);
    CU_ASSERT_EQUAL(contest(&one, 49), TIMESTAMP_NONE);
    CU_ASSERT_TRUE(beyond);
    one = with_column(one, 6, 40, "x");
    CU_ASSERT_EQUAL(contest(&one, 100), 50);
    CU_ASSERT_TRUE(beyond);
    CU_ASSERT_EQUAL(contest(&one, 1000), 1000);
    CU_ASSERT_FALSE(beyond);
    one = with_column(one, 5, 39, "x"); /* what is replaced goes with it */
    CU_ASSERT_EQUAL(contest(&one, 100), 60);
    struct part given = with_column(with_column(one_cell("x", 40, 3), 6, 40, "x"), 5, 20, "x");
    CU_ASSERT_EQUAL(contest(&given, 100), 50);
    CU_ASSERT_EQUAL(contest(&gone, 100), 60);
}

/* Not all that it leaves is read: it may be something above the limit. */
static void a_contest_of_a_deletion_of_very_many_rows(void)
{
    struct event e = {.kind = EVENT_CELL};
    struct part gone = placed(gen_part(NULL, 0, &arena));
    uint8_t *much = arena_zero(&arena, 1 << 16);
    gone.deletion = (struct tomb){40, 1, {{1, 1}, 99}};
    for (uint64_t i = 0; i < 20; i++) {
        e.row = bytes_text(arena_printf(&arena, "%02d", (int)i));
        e.cell = (struct cell){.column = 1, .timestamp = i < 19 ? 30 : 1000};
        e.cell.value = bytes_make(much, 1 << 16);
        e.cell.dot = (struct dot){{1, 1}, i + 1};
        (void)apply(placed(gen_part(&e, 1, &arena)), i + 1);
        if (i == 2) {
            CU_ASSERT_EQUAL(contest(&gone, 35), TIMESTAMP_NONE); /* above all there is */
            CU_ASSERT_FALSE(beyond);
        }
    }
    CU_ASSERT_EQUAL(contest(&gone, 100), 100);
    CU_ASSERT_TRUE(beyond);
    CU_ASSERT_EQUAL(contest(&gone, 2000), 1000);
    CU_ASSERT_FALSE(beyond);
}

/* It is told how far it must be raised at once: above what was written after the deletion. */
static void a_value_below_a_deletion_and_a_value(void)
{
    (void)apply(one_deletion(50, 1), 1);
    (void)apply(one_cell("v", 60, 2), 2);
    struct part p = one_cell("w", 40, 3);
    struct weighed w;
    CU_ASSERT_EQUAL(engine_weigh(engine, &p, NULL, 40, NOW_S, &arena, &w), ERR_OK);
    CU_ASSERT(w.stamped.lost && w.stamped.by == 60);
}

/* Who minted the write has lost what it loses to: its clock has it, and it did not find it. A
 * deletion that it did not find it has dropped, and so that goes; a value is there, and wins. */
static void what_the_minter_has_lost_wins_still(void)
{
    struct clock context;
    struct weighed got;
    clock_init(&context);
    clock_add_run(&context, (struct actor){1, 1}, 1, 2);
    apply(one_cell("x", 10, 1), 1);
    struct part late = one_cell("y", 5, 3);
    CU_ASSERT_EQUAL(engine_weigh(engine, &late, &context, 0, NOW_S, &arena, &got), ERR_OK);
    CU_ASSERT_TRUE(got.given.lost);
    CU_ASSERT_EQUAL(got.given.by, 10);
    apply(one_deletion(20, 2), 2);
    CU_ASSERT_EQUAL(engine_weigh(engine, &late, &context, 0, NOW_S, &arena, &got), ERR_OK);
    CU_ASSERT_FALSE(got.given.lost);
    clock_close(&context);
}

CU_TestInfo weigh_tests[] = {
    {"the blind way is that of reading, merging and writing", the_blind_way_is_that_of_reading},
    {"what is newest is not read", what_is_newest_is_not_read},
    {"ties and repeats", ties_and_repeats},
    {"deletions that lose", deletions_that_lose},
    {"a contest up to a limit", a_contest_up_to_a_limit},
    {"a contest of a deletion of very many rows", a_contest_of_a_deletion_of_very_many_rows},
    {"what the server has stamped loses apart", two_kinds_of_timestamps},
    {"a deletion below another one", a_deletion_below_another_one},
    {"a value below a deletion and a value", a_value_below_a_deletion_and_a_value},
    {"a deletion that won where one was stamped", a_deletion_that_stands_in},
    {"what the minter has lost wins still", what_the_minter_has_lost_wins_still},
    CU_TEST_INFO_NULL,
};
