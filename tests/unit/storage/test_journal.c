/* The journal of a store: records take the places of older ones; and what an engine makes of it. */
#include "base/mem.h"
#include "base/rng.h"
#include "engine_fixture.h"
#include "gen.h"
#include "storage/engine.h"
#include "storage/store_leveldb.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEVELDB_DIR "/tmp/torc-journal-XXXXXX"

struct journalled {
    char dir[64];
    bool leveldb;
    struct store *store;
    uint64_t epoch;
    struct buf model; /* what was appended in this epoch */
    size_t flushed;   /* ... and is no longer being filled */
};

static void open_store(struct journalled *j)
{
    struct store_leveldb_config config = {.path = j->dir, .write_buffer_bytes = 65536};
    struct errmsg msg = {""};
    if (j->leveldb)
        CU_ASSERT_EQUAL_FATAL(store_leveldb_open(&config, &j->store, &msg), ERR_OK);
    if (!j->leveldb && j->store == NULL)
        j->store = store_mem_new();
}

static void remove_dir(const char *path)
{
    char file[512];
    DIR *dir = opendir(path);
    for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;) {
        snprintf(file, sizeof file, "%s/%s", path, d->d_name);
        if (d->d_name[0] != '.')
            unlink(file);
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(path);
}

/* All that was flushed becomes durable. */
static void settle(struct journalled *j)
{
    struct store_done done;
    store_flush(j->store);
    if (!j->leveldb)
        store_mem_sync(j->store, SIZE_MAX);
    while (store_completed(j->store, &done) || store_backlog(j->store) > 0) {
        struct pollfd p = {j->leveldb ? store_leveldb_wake_fd(j->store) : -1, POLLIN, 0};
        (void)poll(&p, 1, 100);
    }
    j->flushed = j->model.len;
}

/* The process dies, with what it had not flushed. */
static void restart(struct journalled *j)
{
    if (j->leveldb) {
        store_close(j->store);
        open_store(j);
    } else {
        store_mem_crash(j->store, SIZE_MAX);
    }
    j->model.len = j->flushed;
}

static void append(struct journalled *j, struct rng *rng)
{
    uint8_t value[40];
    struct store_batch b;
    store_batch_init(&b);
    for (uint64_t i = rng_below(rng, 3); i < 3; i++) {
        size_t len = (size_t)rng_below(rng, sizeof value);
        for (size_t k = 0; k < len; k++)
            value[k] = (uint8_t)rng_below(rng, 256);
        store_batch_append(&b, j->epoch, bytes_make(value, len));
        store_batch_put(&b, BYTES_LIT("k"), bytes_make(value, len));
        buf_put(&j->model, value, len);
    }
    store_write(j->store, &b, 0);
    store_batch_close(&b);
}

/* The records of the epoch are the first, and hold what was appended, in order. */
static void check_records(struct journalled *j)
{
    struct store_iter *it = store_iter_new(j->store);
    struct buf got;
    uint64_t before = 0;
    bool older = false;
    buf_init(&got, SIZE_MAX);
    for (store_iter_seek(it, BYTES_LIT("j"));
         store_iter_valid(it) && store_iter_key(it).data[0] == STORE_JOURNAL; store_iter_next(it)) {
        struct bytes key = store_iter_key(it), value = store_iter_value(it);
        CU_ASSERT_FATAL(key.len == 9 && value.len >= 8);
        CU_ASSERT_EQUAL(load_u64(key.data + 1), ++before);
        older = older || load_u64(value.data) < j->epoch;
        CU_ASSERT_EQUAL(load_u64(value.data) < j->epoch, older);
        if (!older)
            buf_put(&got, value.data + 8, value.len - 8);
    }
    CU_ASSERT_EQUAL(store_iter_error(it), ERR_OK);
    CU_ASSERT_TRUE(bytes_equal(buf_bytes(&got), buf_bytes(&j->model)));
    store_iter_free(it);
    buf_close(&got);
}

static void records_take_the_places_of_older_ones(void)
{
    for (int kind = 0; kind < 2; kind++) {
        struct journalled j = {.dir = LEVELDB_DIR, .leveldb = kind == 1, .epoch = 1};
        struct rng rng;
        rng_init(&rng, 11 + (uint64_t)kind);
        buf_init(&j.model, SIZE_MAX);
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(j.dir));
        open_store(&j);
        for (int i = 0; i < 3000; i++) {
            append(&j, &rng);
            if (rng_below(&rng, 4) == 0) {
                store_flush(j.store);
                j.flushed = j.model.len;
            }
            bool dies = rng_below(&rng, 200) == 0;
            if (rng_below(&rng, 50) == 0) {
                settle(&j);
                check_records(&j);
            }
            if (dies) {
                restart(&j);
                settle(&j);
                check_records(&j);
            }
            if (dies || rng_below(&rng, 100) == 0) { /* in the same group as what was before */
                j.epoch += 1 + rng_below(&rng, 2);
                buf_clear(&j.model);
                j.flushed = 0;
            }
        }
        settle(&j);
        store_close(j.store);
        buf_close(&j.model);
        remove_dir(j.dir);
    }
}

static void write_rows(struct engine *e, range_no range, uint64_t from, uint64_t to)
{
    struct arena arena;
    arena_init(&arena);
    for (uint64_t n = from; n <= to; n++) {
        struct dot dot = {{1, 1}, n};
        struct part p = one_row(&arena, "a", (int64_t)n, dot);
        CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, range, &p, dot, NULL, 0), ERR_OK);
        arena_reset(&arena);
    }
    arena_close(&arena);
}

static size_t records(struct store *s, uint64_t epoch)
{
    struct store_iter *it = store_iter_new(s);
    size_t count = 0;
    for (store_iter_seek(it, BYTES_LIT("j"));
         store_iter_valid(it) && store_iter_key(it).data[0] == STORE_JOURNAL; store_iter_next(it))
        count += load_u64(store_iter_value(it).data) == epoch;
    store_iter_free(it);
    return count;
}

/* What was settled and then forgotten is still named by records that lie there. They are read by
 * no start. */
static void records_of_before_do_not_count(void)
{
    struct store *s = store_mem_new();
    struct engine *e;
    bool done = false;
    static const table_no tables[] = {TABLE};
    const struct range_place place = {
        .tables = tables, .tables_count = 1, .first = INT64_MIN, .last = INT64_MAX};
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    write_rows(e, RANGE, 1, 300);
    sync_all(s);
    engine_begin_forgetting(e, KEYSPACE, RANGE);
    while (!done)
        CU_ASSERT_EQUAL_FATAL(engine_forget(e, KEYSPACE, RANGE, &place, 1000, &done), ERR_OK);
    write_rows(e, RANGE + 1, 1, 10);
    sync_all(s);
    CU_ASSERT_EQUAL(records(s, 1), 290);
    CU_ASSERT_EQUAL(records(s, 2), 10);
    engine_free(e);
    store_mem_crash(s, 0);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    CU_ASSERT_TRUE(clock_empty(engine_clock(e, KEYSPACE, RANGE)));
    CU_ASSERT_EQUAL(clock_top(engine_clock(e, KEYSPACE, RANGE + 1), (struct actor){1, 1}), 10);
    engine_free(e);
    store_close(s);
}

/* A node asks for thousands of ranges at its start: each would read all of the journal up to the
 * damage. It is mended between two lives only. */
static void damage_is_read_once(void)
{
    struct store *s = store_mem_new();
    struct engine *e;
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    write_rows(e, RANGE, 1, 10);
    write_rows(e, RANGE + 1, 1, 10);
    sync_all(s);
    engine_free(e);
    store_mem_crash(s, 0);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    store_mem_fail_reads(s, BYTES_LIT("j"), BYTES_LIT("k"), ERR_CORRUPT);
    CU_ASSERT_EQUAL(engine_range_error(e, KEYSPACE, RANGE), ERR_CORRUPT);
    store_mem_fail_reads(s, BYTES_LIT("j"), BYTES_LIT("k"), ERR_OK);
    CU_ASSERT_EQUAL(engine_range_error(e, KEYSPACE, RANGE + 1), ERR_CORRUPT);
    engine_free(e);
    CU_ASSERT_EQUAL_FATAL(open_engine(s, &e), ERR_OK);
    for (range_no r = RANGE; r <= RANGE + 1; r++)
        CU_ASSERT_EQUAL(clock_top(engine_clock(e, KEYSPACE, r), (struct actor){1, 1}), 10);
    engine_free(e);
    store_close(s);
}

CU_TestInfo journal_tests[] = {
    {"damage is read once", damage_is_read_once},
    {"records take the places of older ones", records_take_the_places_of_older_ones},
    {"records of before do not count", records_of_before_do_not_count},
    CU_TEST_INFO_NULL,
};
