/* Records of the node's own: what it must not be without outlives the loss of any block, and the
 * loss of what it may be without costs that alone. */
#include "base/mem.h"
#include "engine_fixture.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define FACTS 200
#define ROWS  100

static struct bytes name_of(const char *prefix, int i, char room[32])
{
    snprintf(room, 32, "%s%03d", prefix, i);
    return bytes_text(room);
}

static struct bytes value_of(int i, char room[100])
{
    snprintf(room, 100, "%080d", i);
    return bytes_text(room);
}

static void put_all(struct engine *e)
{
    char name[32], value[100];
    for (int i = 0; i < FACTS; i++) {
        engine_fact_put(e, name_of("p/", i, name), BYTES_LIT("what it was before"), 0);
        engine_fact_put(e, name_of("p/", i, name), value_of(i, value), 0);
        engine_fact_put(e, name_of("a/run", i, name), value_of(i, value), 0);
        engine_fact_put(e, name_of("n/", i, name), value_of(i, value), 0);
        engine_fact_delete(e, name_of("n/", i, name), 0);
    }
}

/* A node with rows between the one end of the keys and the other. */
static struct store *filled(void)
{
    struct store *s = store_mem_new();
    struct arena arena = {0};
    struct engine *e;
    char row[16];
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    put_all(e);
    engine_set_actor(e, (struct actor){1, 1});
    for (int i = 0; i < ROWS; i++) {
        snprintf(row, sizeof row, "%d", i);
        struct dot dot = engine_next_dot(e, KEYSPACE, RANGE, (struct actor){1, 1});
        struct part p = one_row(&arena, row, 1000 + i, dot);
        CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
    }
    sync_all(s);
    engine_free(e);
    arena_close(&arena);
    return s;
}

static bool fact_is(struct engine *e, const char *prefix, int i)
{
    char name[32], value[100];
    struct buf got;
    buf_init(&got, 4096);
    bool same = engine_fact_get(e, name_of(prefix, i, name), &got) == ERR_OK &&
                bytes_equal(buf_bytes(&got), value_of(i, value));
    buf_close(&got);
    return same;
}

/* Returns how many accounts are gone. */
static int check(struct engine *e)
{
    char name[32];
    struct buf got;
    int gone = 0, wrong = 0;
    buf_init(&got, 4096);
    for (int i = 0; i < FACTS; i++) {
        bool here = fact_is(e, "a/run", i);
        wrong += !fact_is(e, "p/", i);
        wrong += engine_fact_get(e, name_of("n/", i, name), &got) != ERR_NOT_FOUND;
        wrong += !here && !engine_fact_is_lost(e, name_of("a/run", i, name));
        gone += !here;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT(gone == 0 || engine_account_is_lost(e, BYTES_LIT("a/run")));
    buf_close(&got);
    return gone;
}

/* Wherever the block is: nobody gives up what it is, over two starts, of which the first may end
 * before anything of it is durable. */
static void no_block_takes_what_is_vital(void)
{
    struct store *whole = filled();
    int accounts = 0;
    for (size_t place = 0; place < store_mem_count(whole); place += 13) {
        struct store *s = store_mem_copy(whole);
        struct engine *e;
        CU_ASSERT(store_mem_damage(s, place) > 0);
        CU_ASSERT(store_mem_mend(s) > 0);
        for (int start = 0; start < 3; start++) {
            CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
            accounts += check(e);
            if (start == 0) { /* it is killed */
                engine_free(e);
                store_mem_crash(s, 0);
                continue;
            }
            sync_all(s);
            engine_free(e);
        }
        store_close(s);
    }
    CU_ASSERT(accounts > 0);
    store_close(whole);
}

/* The copies are no worse when it is they that were hit: the next loss finds them whole. */
static void one_loss_after_the_other(void)
{
    struct store *s = filled();
    struct engine *e;
    for (int i = 0; i < 4; i++) {
        size_t last = store_mem_count(s) - 30;
        CU_ASSERT(store_mem_damage(s, i % 2 == 0 ? last : 230) > 0);
        CU_ASSERT(store_mem_mend(s) > 0);
        for (int start = 0; start < 2; start++) {
            CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
            (void)check(e);
            sync_all(s);
            engine_free(e);
        }
    }
    store_close(s);
}

/* With both gone nobody knows what it was. */
static void both_copies(void)
{
    struct store *s = filled();
    struct engine_config config = {.seed = 1, .ring_ranges = 16, .tree_width = 2};
    struct engine *e;
    struct errmsg why = {""};
    for (size_t place = store_mem_count(s); place-- > 0;)
        (void)store_mem_damage(s, place);
    CU_ASSERT(store_mem_mend(s) > 0);
    CU_ASSERT_EQUAL(engine_new(s, &config, &e, &why), ERR_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "and their copies"));
    store_close(s);
}

static void an_account_is_written_once(void)
{
    struct store *s = store_mem_new();
    struct engine *e;
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    sync_all(s);
    size_t before = store_mem_count(s);
    engine_fact_put(e, BYTES_LIT("a/run1"), BYTES_LIT("x"), 0);
    sync_all(s);
    CU_ASSERT_EQUAL(store_mem_count(s), before + 1);
    engine_fact_put(e, BYTES_LIT("p/1"), BYTES_LIT("x"), 0);
    sync_all(s);
    CU_ASSERT_EQUAL(store_mem_count(s), before + 3);
    engine_fact_delete(e, BYTES_LIT("p/1"), 0);
    sync_all(s);
    CU_ASSERT_EQUAL(store_mem_count(s), before + 1);
    engine_free(e);
    store_close(s);
}

CU_TestInfo vital_tests[] = {
    {"no block takes what is vital", no_block_takes_what_is_vital},
    {"one loss after the other", one_loss_after_the_other},
    {"both copies", both_copies},
    {"an account is written once", an_account_is_written_once},
    CU_TEST_INFO_NULL,
};
