/* sibling_replicas: engines that keep siblings. Each mints; the others get what it made, or not, or
 * twice; they pull, repair what they read, and drop what all of them have. In the end each has
 * exactly the values that no removal ever made covers, and nothing else. */
#include "base/mem.h"
#include "engine_fixture.h"
#include "gen.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define REPLICAS   3
#define STEPS      150
#define COLLECTION 3u

struct replica {
    struct store *store;
    struct engine *engine;
    struct actor self;
    struct store *backup; /* an older copy; NULL: none */
    bool old;             /* it was put back, and not all others were pulled from yet */
};

struct world {
    struct rng rng;
    struct arena arena;
    struct replica replicas[REPLICAS];
    struct part model; /* the join of all that was ever made */
    int64_t now;
};

static struct part empty_part(void)
{
    struct part p = {.table = TABLE, .token = -5, .key = BYTES_LIT("k"), .deletion = TOMB_NONE};
    p.static_row.deletion = TOMB_NONE;
    return p;
}

static void world_open(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    rng_init(&w->rng, seed);
    arena_init(&w->arena);
    w->model = empty_part();
    w->now = 1000;
    for (uint32_t i = 0; i < REPLICAS; i++) {
        struct replica *r = &w->replicas[i];
        r->store = store_mem_new();
        r->self = (struct actor){i + 1, 1};
        CU_ASSERT_EQUAL_FATAL(open_engine(r->store, &r->engine), ERR_OK);
        engine_set_actor(r->engine, r->self);
    }
}

static void world_close(struct world *w)
{
    for (size_t i = 0; i < REPLICAS; i++) {
        engine_free(w->replicas[i].engine);
        store_close(w->replicas[i].store);
        store_close(w->replicas[i].backup);
    }
    arena_close(&w->arena);
}

static struct part read_all(struct world *w, struct replica *r)
{
    struct scan s = whole_table();
    struct scan_result got;
    CU_ASSERT_EQUAL_FATAL(engine_scan(r->engine, &s, &w->arena, &got), ERR_OK);
    return got.parts_count > 0 ? got.parts[0] : empty_part();
}

static struct replica *any_replica(struct world *w)
{
    return &w->replicas[rng_below(&w->rng, REPLICAS)];
}

static struct cell gen_cell(struct world *w)
{
    static const char *const texts[] = {"x", "y", "z"};
    struct rng *r = &w->rng;
    struct cell c = {.column = (uint32_t)rng_below(r, 4), .timestamp = w->now};
    bool remove = rng_chance(r, 250000);
    c.has_path = c.column == COLLECTION && (!remove || rng_chance(r, 500000));
    if (c.has_path)
        c.path = bytes_text(texts[rng_below(r, ARRAY_LEN(texts))]);
    if (remove)
        c.kind = CELL_TOMBSTONE;
    else if (c.column != COLUMN_MARKER)
        c.value = bytes_text(texts[rng_below(r, ARRAY_LEN(texts))]);
    return c;
}

static struct part gen_request(struct world *w)
{
    struct rng *r = &w->rng;
    struct part p = empty_part();
    struct row *row = arena_new(&w->arena, struct row);
    *row = (struct row){.key = gen_row_key(r), .deletion = TOMB_NONE};
    w->now += rng_between(r, 1, 3);
    if (rng_chance(r, 100000))
        row->deletion = (struct tomb){w->now, 1, {{0, 0}, 0}};
    else
        row->cells_count = 1 + (size_t)rng_below(r, 4);
    row->cells = arena_array(&w->arena, struct cell, row->cells_count);
    for (size_t i = 0; i < row->cells_count; i++)
        row->cells[i] = gen_cell(w);
    if (rng_chance(r, 150000)) {
        p.has_static = true;
        p.static_row = *row;
    } else {
        p.rows = row;
        p.rows_count = 1;
    }
    part_normalise(&p, &w->arena);
    return p;
}

static bool write_some(struct world *w)
{
    struct replica *me = any_replica(w);
    struct dot dot = engine_next_dot(me->engine, KEYSPACE, RANGE, me->self);
    struct supersede s = {.siblings = true, .writer = 2 + rng_below(&w->rng, 3)};
    struct part request = gen_request(w);
    struct part seen = read_all(w, any_replica(w));
    struct minted m;
    s.causal = rng_chance(&w->rng, 500000);
    s.seen = part_dots(&seen, &w->arena);
    bool good = engine_supersede(me->engine, KEYSPACE, RANGE, &request, &s, dot, 0, 1, &w->arena,
                                 &m) == ERR_OK &&
                engine_apply(me->engine, KEYSPACE, RANGE, &m.part, dot, NULL, 0) == ERR_OK;
    part_merge(&w->model, &m.part, &w->arena, &w->model);
    for (size_t i = 0; i < REPLICAS; i++) {
        struct replica *r = &w->replicas[i];
        while (r != me && rng_chance(&w->rng, 400000)) /* lost, once, or repeated */
            good =
                good && engine_apply(r->engine, KEYSPACE, RANGE, &m.part, dot, NULL, 0) == ERR_OK;
    }
    return good;
}

/* Its disk is lost: it comes back with nothing, in a new life. */
static void lose(struct replica *r)
{
    engine_free(r->engine);
    store_close(r->store);
    r->store = store_mem_new();
    r->self.boot++;
    CU_ASSERT_EQUAL_FATAL(open_engine(r->store, &r->engine), ERR_OK);
    engine_set_actor(r->engine, r->self);
}

static bool pull(struct replica *from, struct replica *to)
{
    struct clock wanted, done;
    struct buf b;
    bool good = true;
    clock_init(&wanted);
    clock_init(&done);
    buf_init(&b, BUF_MAX_DEFAULT);
    for (int i = 0; i < 100 && good; i++) {
        clock_missing(engine_clock(from->engine, KEYSPACE, RANGE),
                      engine_clock(to->engine, KEYSPACE, RANGE), &wanted);
        if (clock_empty(&wanted))
            break;
        sync_all(from->store); /* only what is durable is given */
        good =
            engine_log_read(from->engine, KEYSPACE, RANGE, &wanted,
                            engine_clock(to->engine, KEYSPACE, RANGE), 1000, &b, &done) == ERR_OK &&
            !clock_empty(&done) &&
            engine_log_apply(to->engine, KEYSPACE, RANGE, buf_bytes(&b),
                             engine_clock(from->engine, KEYSPACE, RANGE), true, to->old,
                             0) == ERR_OK;
    }
    good = good && clock_empty(&wanted);
    engine_note_life(to->engine, KEYSPACE, RANGE, from->self);
    clock_close(&wanted);
    clock_close(&done);
    buf_close(&b);
    return good;
}

static bool repair(struct world *w, struct replica *from, struct replica *to)
{
    struct part have = read_all(w, to);
    struct part want = read_all(w, from);
    struct part lack;
    if (from == to || !part_lacks(&have, &want, &w->arena, &lack))
        return true;
    enum err err =
        engine_apply(to->engine, KEYSPACE, RANGE, &lack, (struct dot){{0, 0}, 0}, NULL, 0);
    return err == ERR_OK || err == ERR_BEHIND; /* of a life that is over */
}

/* What all of them have may go: nothing is on its way here. */
static bool purge(struct world *w, struct replica *r)
{
    struct clock agreed, lack;
    bool done = false;
    enum err err = ERR_OK;
    clock_init(&agreed);
    clock_init(&lack);
    clock_copy(&agreed, engine_clock(w->replicas[0].engine, KEYSPACE, RANGE));
    for (size_t i = 1; i < REPLICAS; i++) {
        struct clock both;
        clock_init(&both);
        clock_missing(&agreed, engine_clock(w->replicas[i].engine, KEYSPACE, RANGE), &lack);
        clock_missing(&agreed, &lack, &both);
        clock_copy(&agreed, &both);
        clock_close(&both);
    }
    for (int i = 0; i < 100 && !done && err == ERR_OK; i++)
        err = engine_purge(r->engine, KEYSPACE, RANGE, &agreed, 0, 1000, &done);
    clock_close(&agreed);
    clock_close(&lack);
    return err == ERR_OK && done;
}

/* The disk is replaced by an older copy of it. What it alone had the others get before, for that
 * would be lost with right; and it pulls from all of them before anything else. */
static bool restore(struct world *w, struct replica *r)
{
    bool good = true;
    for (size_t i = 0; i < REPLICAS && r->backup != NULL; i++)
        good = good && (r == &w->replicas[i] || pull(r, &w->replicas[i]));
    for (size_t i = 0; i < REPLICAS && r->backup != NULL && rng_chance(&w->rng, 500000); i++)
        good = good && purge(w, &w->replicas[i]);
    sync_all(r->store);
    if (r->backup == NULL) {
        r->backup = store_mem_copy(r->store);
        return good;
    }
    engine_free(r->engine);
    store_close(r->store);
    r->store = r->backup;
    r->backup = NULL;
    r->self.boot++;
    if (open_engine(r->store, &r->engine) != ERR_OK)
        return false;
    engine_set_actor(r->engine, r->self);
    r->old = true;
    for (size_t i = 0; i < REPLICAS; i++)
        good = good && (r == &w->replicas[i] || pull(&w->replicas[i], r));
    r->old = false;
    return good;
}

static bool step(struct world *w)
{
    uint64_t what = rng_below(&w->rng, 21);
    struct replica *from = any_replica(w);
    struct replica *to = any_replica(w);
    if (what < 15)
        return write_some(w);
    if (what == 20)
        return restore(w, to);
    if (what < 17)
        return from == to || pull(from, to);
    return what < 18 ? repair(w, from, to) : purge(w, to);
}

static bool settle(struct world *w)
{
    bool good = true;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < REPLICAS * REPLICAS; i++)
            good = good && (i / REPLICAS == i % REPLICAS ||
                            pull(&w->replicas[i / REPLICAS], &w->replicas[i % REPLICAS]));
    }
    for (size_t i = 0; i < REPLICAS; i++)
        good = good && purge(w, &w->replicas[i]);
    return good;
}

static void drop_removed(struct row *row)
{
    size_t kept = 0;
    for (size_t i = 0; i < row->cells_count; i++) {
        if (row->cells[i].kind != CELL_REMOVED)
            row->cells[kept++] = row->cells[i];
    }
    row->cells_count = kept;
}

static struct part values_of(struct part p, struct arena *arena)
{
    for (size_t i = 0; i < p.rows_count; i++)
        drop_removed(&p.rows[i]);
    if (p.has_static)
        drop_removed(&p.static_row);
    part_normalise(&p, arena);
    return p;
}

static bool run(uint64_t seed)
{
    struct world w;
    world_open(&w, seed);
    bool good = true;
    for (size_t i = 0; i < STEPS && good; i++)
        good = step(&w);
    good = good && settle(&w);
    struct part model = values_of(w.model, &w.arena);
    for (size_t i = 0; i < REPLICAS && good; i++) {
        struct part p = read_all(&w, &w.replicas[i]);
        good = part_is_empty(&model) ? part_is_empty(&p) : parts_equal(&model, &p);
    }
    world_close(&w);
    return good;
}

static void replicas_keep_what_nobody_removed(void)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        bool good = run(seed);
        if (!good)
            fprintf(stderr, "sibling_replicas: seed %llu failed\n", (unsigned long long)seed);
        CU_ASSERT_TRUE(good);
    }
}

/* --- a removal of what its minter lost, after somebody had read it */

static bool purge_agreed(struct replica *r, struct dot dot)
{
    struct clock agreed;
    bool done = false;
    clock_init(&agreed);
    clock_add(&agreed, dot);
    for (int i = 0; i < 100 && !done; i++)
        CU_ASSERT_EQUAL(engine_purge(r->engine, KEYSPACE, RANGE, &agreed, 0, 1000, &done), ERR_OK);
    clock_close(&agreed);
    return done;
}

static void a_removal_of_what_is_lost_goes(void)
{
    static const node_no with[] = {2, 9}, without[] = {2, 3};
    struct world w;
    world_open(&w, 1);
    struct replica *r = &w.replicas[0];
    struct dot by = {r->self, 1};
    struct part p = empty_part();
    struct cell removed = {.column = 1, .kind = CELL_REMOVED, .timestamp = 9, .remover = by};
    removed.dot = (struct dot){{9, 1}, removed.first = 5};
    struct row row = {.key = BYTES_LIT("a"), .siblings = true, .deletion = TOMB_NONE};
    row.cells = &removed;
    row.cells_count = 1;
    p.siblings = true;
    p.rows = &row;
    p.rows_count = 1;
    CU_ASSERT_EQUAL(engine_apply(r->engine, KEYSPACE, RANGE, &p, by, NULL, 0), ERR_OK);
    CU_ASSERT_TRUE(purge_agreed(r, by));
    engine_note_minters(r->engine, KEYSPACE, RANGE, with, 2);
    CU_ASSERT_TRUE(purge_agreed(r, by));
    p = read_all(&w, r);
    CU_ASSERT_FALSE(part_is_empty(&p)); /* node 9 may yet tell */
    engine_note_minters(r->engine, KEYSPACE, RANGE, without, 2);
    CU_ASSERT_TRUE(purge_agreed(r, by));
    p = read_all(&w, r);
    CU_ASSERT_TRUE(part_is_empty(&p));
    world_close(&w);
}

static size_t removed_in(const struct row *row)
{
    size_t count = 0;
    for (size_t i = 0; i < row->cells_count; i++)
        count += row->cells[i].kind == CELL_REMOVED;
    return count;
}

static size_t removed_at(struct world *w, struct replica *r)
{
    struct part p = read_all(w, r);
    size_t count = p.has_static ? removed_in(&p.static_row) : 0;
    for (size_t i = 0; i < p.rows_count; i++)
        count += removed_in(&p.rows[i]);
    return count;
}

/* Values go with a disk before others have them, and are removed by those who saw them. In
 * the end all have the same, and no removal is left. */
static bool run_losing(uint64_t seed)
{
    struct world w;
    world_open(&w, seed);
    bool good = true;
    for (size_t i = 0; i < STEPS && good; i++) {
        good = step(&w);
        if (rng_chance(&w.rng, 30000))
            lose(any_replica(&w));
    }
    for (int i = 0; i < 4; i++)
        good = good && settle(&w);
    struct part first = read_all(&w, &w.replicas[0]);
    for (size_t i = 0; i < REPLICAS && good; i++) {
        struct part p = read_all(&w, &w.replicas[i]);
        good = parts_equal(&first, &p) && removed_at(&w, &w.replicas[i]) == 0;
    }
    world_close(&w);
    return good;
}

static void replicas_that_lose_their_disks(void)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        bool good = run_losing(seed);
        if (!good)
            fprintf(stderr, "sibling_replicas: losing: seed %llu failed\n",
                    (unsigned long long)seed);
        CU_ASSERT_TRUE(good);
    }
}

CU_TestInfo sibling_replicas_tests[] = {
    {"a removal of what is lost goes", a_removal_of_what_is_lost_goes},
    {"replicas keep what nobody removed, and no more", replicas_keep_what_nobody_removed},
    {"replicas that lose their disks", replicas_that_lose_their_disks},
    CU_TEST_INFO_NULL,
};
