/* What cannot be read for a while is not taken for gone: garbage keeps its entry in the index, or
 * nobody would ever look at it again. */
#include "engine_fixture.h"
#include "storage/keys.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>

#define ROWS 5

static const char *const names[ROWS] = {"a", "b", "c", "d", "e"};

struct purge_reads {
    struct store *store;
    struct engine *engine;
    struct arena arena;
};

static void set_up(struct purge_reads *f)
{
    f->store = store_mem_new();
    arena_init(&f->arena);
    CU_ASSERT_EQUAL_FATAL(open_engine(f->store, &f->engine), ERR_OK);
    engine_set_actor(f->engine, (struct actor){2, 1});
}

static void tear_down(struct purge_reads *f)
{
    engine_free(f->engine);
    store_close(f->store);
    arena_close(&f->arena);
}

/* The row has a tombstone, which the write with this dot brings; or read repair, when it is none of
 * ours. */
static void delete_row(struct purge_reads *f, unsigned row, int64_t timestamp, struct dot dot)
{
    struct part p = one_row(&f->arena, names[row], timestamp, dot);
    struct cell *c = &p.rows[0].cells[0];
    c->kind = CELL_TOMBSTONE;
    c->value = BYTES_NONE;
    c->time_s = 5;
    dot = dot.actor.node == 2 ? dot : (struct dot){{0, 0}, 0};
    CU_ASSERT_EQUAL(engine_apply(f->engine, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
}

/* All that there is is agreed. True when all of it could be looked at. */
static bool purge_all(struct purge_reads *f)
{
    struct clock agreed;
    bool done = false;
    bool good = true;
    clock_init(&agreed);
    clock_copy(&agreed, engine_clock(f->engine, KEYSPACE, RANGE));
    for (unsigned i = 0; i < 100 && !done; i++)
        good &= engine_purge(f->engine, KEYSPACE, RANGE, &agreed, 0, 100, &done) == ERR_OK;
    CU_ASSERT_TRUE(done);
    clock_close(&agreed);
    return good;
}

/* ret_key: of the store that begins with the letter, the one with this number; NULL: none. Returns
 * how many there are. */
static size_t keys_of(struct purge_reads *f, char letter, size_t number, struct bytes *ret_key)
{
    struct store_iter *it = store_iter_new(f->store);
    uint8_t first = (uint8_t)letter;
    size_t count = 0;
    for (store_iter_seek(it, bytes_make(&first, 1));
         store_iter_valid(it) && store_iter_key(it).data[0] == first; store_iter_next(it)) {
        if (count++ == number && ret_key != NULL)
            *ret_key = arena_copy(&f->arena, store_iter_key(it));
    }
    store_iter_free(it);
    return count;
}

static void fail_one(struct purge_reads *f, struct bytes key, enum err err)
{
    uint8_t *end = arena_zero(&f->arena, key.len + 1);
    for (size_t i = 0; i < key.len; i++)
        end[i] = key.data[i];
    store_mem_fail_reads(f->store, key, bytes_make(end, key.len + 1), err);
}

/* While one row of several cannot be read garbage is dropped, and afterwards the rest of it. */
static void purge_around(struct purge_reads *f, size_t unreadable)
{
    struct bytes key = BYTES_NONE;
    CU_ASSERT_EQUAL(keys_of(f, 'd', unreadable, &key), ROWS);
    fail_one(f, key, ERR_IO);
    CU_ASSERT_FALSE(purge_all(f));
    fail_one(f, key, ERR_OK);
    CU_ASSERT(keys_of(f, 'd', 0, NULL) > 0);
    CU_ASSERT_EQUAL(keys_of(f, 'g', 0, NULL), keys_of(f, 'd', 0, NULL));
    CU_ASSERT_TRUE(purge_all(f));
    CU_ASSERT_TRUE(purge_all(f)); /* what got a dot of ours only now */
    CU_ASSERT_EQUAL(keys_of(f, 'd', 0, NULL), 0);
    CU_ASSERT_EQUAL(keys_of(f, 'g', 0, NULL), 0);
}

static void an_unreadable_row_is_not_gone(void)
{
    for (size_t unreadable = 0; unreadable < ROWS; unreadable++) {
        struct purge_reads f;
        set_up(&f);
        for (unsigned i = 0; i < ROWS; i++)
            delete_row(&f, i, 9, (struct dot){{2, 1}, i + 1});
        purge_around(&f, unreadable);
        tear_down(&f);
    }
}

/* The same for garbage whose dot nobody tells of. */
static void an_unreadable_row_is_not_left_behind(void)
{
    static const node_no others[] = {3, 4};
    for (size_t unreadable = 0; unreadable < ROWS; unreadable++) {
        struct purge_reads f;
        set_up(&f);
        engine_note_minters(f.engine, KEYSPACE, RANGE, others, 2);
        for (unsigned i = 0; i < ROWS; i++)
            delete_row(&f, i, 9, (struct dot){{9, 1}, i + 1});
        purge_around(&f, unreadable);
        tear_down(&f);
    }
}

/* What is dropped raises the bound of what was: if that cannot be read, nothing is. */
static void an_unreadable_bound_is_not_lost(void)
{
    struct purge_reads f;
    struct bytes bound = BYTES_NONE;
    set_up(&f);
    delete_row(&f, 0, 9, (struct dot){{2, 1}, 1});
    CU_ASSERT_TRUE(purge_all(&f));
    struct part p = one_row(&f.arena, names[0], 9, (struct dot){{2, 1}, 1});
    CU_ASSERT_EQUAL(engine_purged_bound(f.engine, TABLE, p.token), 9);
    engine_free(f.engine);
    CU_ASSERT_EQUAL_FATAL(open_engine(f.store, &f.engine), ERR_OK);
    delete_row(&f, 1, 20, (struct dot){{2, 1}, 2});
    CU_ASSERT_EQUAL(keys_of(&f, 'b', 0, &bound), 1);
    fail_one(&f, bound, ERR_IO);
    CU_ASSERT_TRUE(purge_all(&f));
    fail_one(&f, bound, ERR_OK);
    CU_ASSERT_EQUAL(keys_of(&f, 'g', 0, NULL), 1);
    CU_ASSERT_EQUAL(engine_purged_bound(f.engine, TABLE, p.token), 9);
    CU_ASSERT_TRUE(purge_all(&f));
    CU_ASSERT_EQUAL(keys_of(&f, 'g', 0, NULL), 0);
    CU_ASSERT_EQUAL(engine_purged_bound(f.engine, TABLE, p.token), 20);
    tear_down(&f);
}

CU_TestInfo purge_reads_tests[] = {
    {"a row that cannot be read is not gone", an_unreadable_row_is_not_gone},
    {"nor when nobody tells of its dot", an_unreadable_row_is_not_left_behind},
    {"a bound that cannot be read is not lost", an_unreadable_bound_is_not_lost},
    CU_TEST_INFO_NULL,
};
