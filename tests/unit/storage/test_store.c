/* The stores against a sorted model: overlay, iterators under writes, durability, failures. */
#include "base/arena.h"
#include "base/mem.h"
#include "base/omap.h"
#include "base/rng.h"
#include "storage/engine.h"
#include "storage/spans.h"
#include "storage/store_leveldb.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    char dir[64];
    struct store *store;
} f;

void store_setup(void); /* called by the runner */
void store_teardown(void);

void store_setup(void)
{
    snprintf(f.dir, sizeof f.dir, "/tmp/torc-store-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f.dir));
}

static void each_file(void (*act)(const char *path))
{
    char path[512];
    DIR *dir = opendir(f.dir);
    for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", f.dir, d->d_name);
        if (d->d_name[0] != '.')
            act(path);
    }
    if (dir != NULL)
        closedir(dir);
}

static void remove_file(const char *path)
{
    unlink(path);
}

void store_teardown(void)
{
    store_close(f.store);
    f.store = NULL;
    each_file(remove_file);
    rmdir(f.dir);
}

static struct store *open_leveldb(void)
{
    struct store_leveldb_config config = {.path = f.dir, .write_buffer_bytes = 65536};
    struct errmsg msg = {""};
    enum err err = store_leveldb_open(&config, &f.store, &msg);
    if (err != ERR_OK)
        fprintf(stderr, "%s\n", msg.text);
    CU_ASSERT_EQUAL_FATAL(err, ERR_OK);
    return f.store;
}

static void reopen(void)
{
    store_close(f.store);
    f.store = NULL;
    open_leveldb();
}

/* Waits for the ticket; its error. Earlier ones are taken on the way. */
static enum err wait_for(struct store *s, uint64_t ticket)
{
    struct store_done done = {0, ERR_OK};
    while (done.ticket != ticket) {
        struct pollfd p = {store_leveldb_wake_fd(s), POLLIN, 0};
        if (!store_completed(s, &done) && poll(&p, 1, 20000) != 1)
            return ERR_TIMEOUT;
    }
    return done.err;
}

static void put(struct store *s, const char *key, const char *value, uint64_t ticket)
{
    struct store_batch b;
    store_batch_init(&b);
    store_batch_put(&b, bytes_text(key), bytes_text(value));
    store_write(s, &b, ticket);
    store_batch_close(&b);
}

static bool has(struct store *s, const char *key, const char *value)
{
    struct buf b;
    buf_init(&b, SIZE_MAX);
    bool good =
        store_get(s, bytes_text(key), &b) == ERR_OK && bytes_equal_text(buf_bytes(&b), value);
    buf_close(&b);
    return good;
}

/* --- any store against a model, with iterators that live while it is written */

#define ITERS 3

struct watched {
    struct store_iter *it;
    struct omap then; /* what the store was when it was made */
};

static void copy_map(struct omap *to, const struct omap *from)
{
    omap_init(to);
    for (struct omap_node *n = omap_first(from); n != NULL; n = omap_next(n))
        omap_put(to, omap_key(n), omap_value(n));
}

static bool stands(struct store_iter *it, const struct omap_node *n)
{
    if (n == NULL)
        return !store_iter_valid(it);
    return store_iter_valid(it) && bytes_equal(store_iter_key(it), omap_key(n)) &&
           bytes_equal(store_iter_value(it), omap_value(n));
}

static struct bytes small_key(struct rng *r, uint8_t *room)
{
    size_t len = (size_t)rng_between(r, 1, 3);
    for (size_t i = 0; i < len; i++)
        room[i] = (uint8_t)rng_below(r, 4);
    return bytes_make(room, len);
}

static bool walk(struct rng *r, struct watched *w)
{
    uint8_t room[4];
    struct bytes key = small_key(r, room);
    bool back = rng_chance(r, 500000);
    struct omap_node *n = back ? omap_seek_before(&w->then, key) : omap_seek(&w->then, key);
    if (back)
        store_iter_seek_last(w->it, key);
    else
        store_iter_seek(w->it, key);
    bool good = stands(w->it, n);
    for (int i = 0; i < 12 && good && n != NULL; i++) {
        if (rng_chance(r, 250000))
            back = !back;
        n = back ? omap_prev(n) : omap_next(n);
        if (back)
            store_iter_prev(w->it);
        else
            store_iter_next(w->it);
        good = stands(w->it, n);
    }
    return good && store_iter_error(w->it) == ERR_OK;
}

static void random_batch(struct rng *r, struct store *s, struct omap *model, uint64_t ticket)
{
    struct store_batch b;
    uint8_t room[4];
    char value[24];
    store_batch_init(&b);
    for (uint64_t i = rng_below(r, 4); i > 0; i--) {
        struct bytes key = small_key(r, room);
        if (rng_chance(r, 650000)) {
            snprintf(value, sizeof value, "%llu", (unsigned long long)rng_below(r, 100000));
            store_batch_put(&b, key, bytes_text(value));
            omap_put(model, key, bytes_text(value));
        } else {
            store_batch_delete(&b, key);
            omap_remove(model, key);
        }
    }
    store_write(s, &b, ticket);
    store_batch_close(&b);
}

static void renew(struct watched *w, struct store *s, const struct omap *model)
{
    if (w->it != NULL) {
        store_iter_free(w->it);
        omap_close(&w->then);
    }
    w->it = store_iter_new(s);
    copy_map(&w->then, model);
}

/* Leaves *model as the store is. */
static bool run(uint64_t seed, struct store *s, struct omap *model, bool is_mem, int steps)
{
    struct rng r;
    struct watched watched[ITERS] = {{0}};
    struct store_done done;
    uint64_t ticket = 0;
    uint64_t completed = 0;
    bool good = true;
    rng_init(&r, seed);
    for (size_t i = 0; i < ITERS; i++)
        renew(&watched[i], s, model);
    for (int i = 0; i < steps && good; i++) {
        uint64_t choice = rng_below(&r, 100);
        struct watched *w = &watched[rng_below(&r, ITERS)];
        if (choice < 40)
            random_batch(&r, s, model, ++ticket);
        else if (choice < 50)
            store_flush(s);
        else if (choice < 60)
            renew(w, s, model);
        else if (choice < 90)
            good = walk(&r, w);
        else if (is_mem)
            store_mem_sync(s, 1);
        else
            sched_yield(); /* lets the committer come between */
        while (good && store_completed(s, &done))
            good = done.err == ERR_OK && done.ticket == ++completed;
    }
    for (size_t i = 0; i < ITERS; i++) {
        store_iter_free(watched[i].it);
        omap_close(&watched[i].then);
    }
    if (!good)
        fprintf(stderr, "store: seed %llu failed\n", (unsigned long long)seed);
    return good;
}

static void leveldb_equals_model(void)
{
    struct omap model;
    struct watched all = {0};
    struct rng r;
    omap_init(&model);
    rng_init(&r, 1);
    open_leveldb();
    for (uint64_t seed = 1; seed <= 12; seed++) {
        CU_ASSERT_TRUE(run(seed, f.store, &model, false, 300));
        store_flush(f.store); /* close waits for it */
        reopen();
        renew(&all, f.store, &model);
        CU_ASSERT_TRUE(walk(&r, &all));
        store_iter_free(all.it);
        omap_close(&all.then);
        all.it = NULL;
    }
    omap_close(&model);
}

static void mem_equals_model(void)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct omap model;
        struct store *s = store_mem_new();
        omap_init(&model);
        CU_ASSERT_TRUE(run(seed, s, &model, true, 300));
        store_close(s);
        omap_close(&model);
    }
}

/* --- durability */

static void acked_is_there_after_reopening(void)
{
    open_leveldb();
    put(f.store, "a", "1", 1);
    put(f.store, "b", "2", 2);
    CU_ASSERT_TRUE(has(f.store, "a", "1")); /* at once */
    CU_ASSERT_TRUE(store_backlog(f.store) > 0);
    store_flush(f.store);
    CU_ASSERT_EQUAL(wait_for(f.store, 2), ERR_OK);
    CU_ASSERT_EQUAL(store_backlog(f.store), 0);
    put(f.store, "c", "not flushed", 3);
    reopen();
    CU_ASSERT_TRUE(has(f.store, "a", "1"));
    CU_ASSERT_TRUE(has(f.store, "b", "2"));
    CU_ASSERT_FALSE(has(f.store, "c", "not flushed"));
    CU_ASSERT_PTR_NULL(store_failure(f.store));
}

static void mem_loses_exactly_what_is_not_synced(void)
{
    struct store_done done;
    f.store = store_mem_new();
    put(f.store, "a", "1", 1);
    store_flush(f.store);
    put(f.store, "a", "2", 2);
    put(f.store, "b", "1", 3);
    store_flush(f.store);
    put(f.store, "b", "2", 4);
    CU_ASSERT_EQUAL(store_mem_pending(f.store), 2);
    store_mem_sync(f.store, 1);
    CU_ASSERT_TRUE(store_completed(f.store, &done));
    CU_ASSERT_EQUAL(done.ticket, 1);
    CU_ASSERT_FALSE(store_completed(f.store, &done));
    store_mem_crash(f.store, SIZE_MAX); /* the process dies */
    CU_ASSERT_TRUE(has(f.store, "a", "2"));
    CU_ASSERT_TRUE(has(f.store, "b", "1"));
    store_mem_crash(f.store, 0); /* the power fails */
    CU_ASSERT_TRUE(has(f.store, "a", "1"));
    CU_ASSERT_FALSE(has(f.store, "b", "1"));
    CU_ASSERT_FALSE(store_completed(f.store, &done));
}

static void mem_full_disk_fails_all_that_follows(void)
{
    struct store_done done;
    f.store = store_mem_new();
    put(f.store, "a", "1", 1);
    store_flush(f.store);
    store_mem_sync(f.store, 1);
    put(f.store, "a", "2", 2);
    store_flush(f.store);
    put(f.store, "a", "3", 3);
    store_mem_fail(f.store, 0, ERR_FULL, "no space left");
    put(f.store, "a", "4", 4);
    store_flush(f.store);
    CU_ASSERT_STRING_EQUAL(store_failure(f.store), "no space left");
    for (uint64_t t = 1; t <= 4; t++) {
        CU_ASSERT_TRUE(store_completed(f.store, &done));
        CU_ASSERT_EQUAL(done.ticket, t);
        CU_ASSERT_EQUAL(done.err, t == 1 ? ERR_OK : ERR_FULL);
    }
    store_mem_crash(f.store, 0);
    CU_ASSERT_PTR_NULL(store_failure(f.store));
    CU_ASSERT_TRUE(has(f.store, "a", "1"));
}

/* --- failures of LevelDB */

static void a_locked_directory_says_so(void)
{
    struct store_leveldb_config config = {.path = f.dir};
    struct store *second;
    struct errmsg msg;
    open_leveldb();
    CU_ASSERT_EQUAL(store_leveldb_open(&config, &second, &msg), ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(msg.text, "in use by another process"));
    config.path = "/dev/null/store";
    CU_ASSERT_EQUAL(store_leveldb_open(&config, &second, &msg), ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(msg.text, "/dev/null/store"));
}

/* Flip a bit in the middle of each table file. */
static void damage(const char *path)
{
    struct stat st;
    uint8_t byte;
    if (strstr(path, ".ldb") == NULL || stat(path, &st) != 0 || st.st_size < 2000)
        return;
    int fd = open(path, O_RDWR);
    CU_ASSERT_EQUAL(pread(fd, &byte, 1, st.st_size / 3), 1);
    byte ^= 0x10;
    CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, st.st_size / 3), 1);
    close(fd);
}

static void a_damaged_block_is_an_error_and_never_data(void)
{
    struct rng r;
    char key[16], value[600];
    uint64_t ticket = 0;
    int errors = 0;
    rng_init(&r, 5);
    open_leveldb();
    for (int i = 0; i < 600; i++) {
        for (size_t k = 0; k + 1 < sizeof value; k++)
            value[k] = (char)('a' + rng_below(&r, 26));
        value[sizeof value - 1] = 0;
        snprintf(key, sizeof key, "%04d", i);
        put(f.store, key, value, ++ticket);
    }
    store_flush(f.store);
    CU_ASSERT_EQUAL(wait_for(f.store, ticket), ERR_OK);
    reopen(); /* writes the log out as tables */
    store_close(f.store);
    f.store = NULL;
    each_file(damage);
    open_leveldb();
    for (int i = 0; i < 600; i++) {
        struct buf b;
        buf_init(&b, SIZE_MAX);
        snprintf(key, sizeof key, "%04d", i);
        enum err err = store_get(f.store, bytes_text(key), &b);
        CU_ASSERT_TRUE((err == ERR_OK && b.len == sizeof value - 1) || err == ERR_CORRUPT);
        errors += err == ERR_CORRUPT;
        buf_close(&b);
    }
    CU_ASSERT_TRUE(errors > 0);
    struct store_iter *it = store_iter_new(f.store);
    store_iter_seek(it, BYTES_NONE);
    while (store_iter_valid(it))
        store_iter_next(it);
    CU_ASSERT_EQUAL(store_iter_error(it), ERR_CORRUPT); /* it skipped, and says so */
    store_iter_free(it);
}

/* 100 values of 10,000 bytes that do not compress, half of them below "k050". */
static void fill(struct store *s)
{
    struct rng r;
    char key[8], value[10001] = "";
    rng_init(&r, 1);
    for (unsigned i = 0; i < 100; i++) {
        for (size_t j = 0; j < sizeof value - 1; j++)
            value[j] = (char)(1 + rng_next(&r) % 255);
        snprintf(key, sizeof key, "k%03u", i);
        put(s, key, value, i + 1);
    }
    store_flush(s);
}

static void check_sizes(struct store *s)
{
    uint64_t all = store_size(s, BYTES_LIT("k"), BYTES_LIT("l"));
    uint64_t half = store_size(s, BYTES_LIT("k"), BYTES_LIT("k050"));
    CU_ASSERT_TRUE(all > 900000 && all < 1200000);
    CU_ASSERT_TRUE(half > 400000 && half < 600000);
    CU_ASSERT_EQUAL(store_size(s, BYTES_LIT("x"), BYTES_LIT("y")), 0);
}

static void sizes_are_about_right(void)
{
    struct store *s = store_mem_new();
    fill(s);
    check_sizes(s);
    store_close(s);
    open_leveldb();
    fill(f.store);
    CU_ASSERT_EQUAL(wait_for(f.store, 100), ERR_OK);
    reopen(); /* what is only in the log has no size */
    check_sizes(f.store);
}

/* --- compaction */

#define MANY 20000

static void put_or_remove(struct store *s, unsigned i, bool remove, uint64_t ticket)
{
    struct store_batch b;
    char key[16];
    store_batch_init(&b);
    snprintf(key, sizeof key, "k%05u", i);
    if (remove)
        store_batch_delete(&b, bytes_text(key));
    else
        store_batch_put(&b, bytes_text(key), BYTES_LIT("some value that takes a little room"));
    store_write(s, &b, ticket);
    store_batch_close(&b);
    if (i % 500 == 0)
        store_flush(s);
}

static void put_and_remove_many(struct store *s)
{
    for (unsigned i = 0; i < MANY; i++)
        put_or_remove(s, i, false, 0);
    for (unsigned i = 0; i < MANY; i++)
        put_or_remove(s, i, i % 1000 != 0, i == MANY - 1 ? 1 : 0);
    put(s, "l", "behind", 2);
}

static void what_was_removed_is_compacted(void)
{
    struct store_done done;
    unsigned count = 0;
    struct bytes from = BYTES_LIT("k00000"), to = BYTES_LIT("k99999");
    put_and_remove_many(open_leveldb());
    CU_ASSERT_FALSE(store_leveldb_compacts(f.store));
    CU_ASSERT_TRUE(store_compact(f.store, from, to)); /* before what was written is there */
    CU_ASSERT_TRUE(store_leveldb_compacts(f.store));
    store_flush(f.store);
    CU_ASSERT_EQUAL(wait_for(f.store, 2), ERR_OK);
    while (store_completed(f.store, &done) || store_leveldb_compacts(f.store))
        sched_yield();
    CU_ASSERT_TRUE(store_size(f.store, from, BYTES_LIT("k99999~")) < 65536); /* was a megabyte */
    struct store_iter *it = store_iter_new(f.store);
    for (store_iter_seek(it, from); store_iter_valid(it); store_iter_next(it))
        count++;
    CU_ASSERT_EQUAL(store_iter_error(it), ERR_OK);
    store_iter_free(it);
    CU_ASSERT_EQUAL(count, MANY / 1000 + 1);
}

/* What is under way is not waited for to its end; what waits for a write does not come. */
static void closing_ends_compaction(void)
{
    char from[16];
    size_t taken = 0;
    put_and_remove_many(open_leveldb());
    store_flush(f.store);
    CU_ASSERT_EQUAL(wait_for(f.store, 2), ERR_OK);
    CU_ASSERT_TRUE(store_compact(f.store, BYTES_LIT("k00000"), BYTES_LIT("k99999")));
    put(f.store, "m", "more", 3);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(from, sizeof from, "k%05u", i * 2);
        taken += store_compact(f.store, bytes_text(from), bytes_text(from));
    }
    CU_ASSERT_EQUAL(taken, SPANS_MAX); /* who is refused asks again */
    reopen();
    CU_ASSERT_TRUE(has(f.store, "l", "behind"));
    CU_ASSERT_TRUE(has(f.store, "k01000", "some value that takes a little room"));
    CU_ASSERT_FALSE(has(f.store, "k01001", "some value that takes a little room"));
}

/* The set of what waits against a set of numbers. */
static void spans_join(void)
{
    struct rng r;
    rng_init(&r, 1);
    for (unsigned n = 0; n < 500; n++) {
        struct spans s;
        struct span got;
        bool wanted[200] = {false}, met[200] = {false}, twice = false;
        spans_init(&s);
        span_init(&got);
        for (unsigned i = 0; i < 40; i++) {
            uint8_t from = (uint8_t)rng_below(&r, 190), to = (uint8_t)(from + rng_below(&r, 6));
            CU_ASSERT_TRUE(spans_add(&s, bytes_make(&from, 1), bytes_make(&to, 1)));
            for (unsigned k = from; k <= to; k++)
                wanted[k] = true;
        }
        while (spans_take(&s, &got)) {
            for (unsigned k = got.from.data[0]; k <= got.to.data[0]; k++) {
                twice = twice || met[k];
                met[k] = true;
            }
        }
        CU_ASSERT_FALSE(twice);
        CU_ASSERT_EQUAL(memcmp(wanted, met, sizeof met), 0);
        spans_close(&s);
        span_close(&got);
    }
}

static void spans_are_halved(void)
{
    struct rng r;
    struct buf middle;
    rng_init(&r, 2);
    buf_init(&middle, SIZE_MAX);
    for (unsigned n = 0; n < 20000; n++) {
        uint8_t rooms[2][20];
        struct bytes from = bytes_make(rooms[0], (size_t)rng_below(&r, 20)), to = from;
        for (size_t i = 0; i < sizeof rooms; i++)
            rooms[i / 20][i % 20] = (uint8_t)(rng_chance(&r, 500000) ? rng_below(&r, 3) * 127 : 7);
        to = bytes_make(rooms[1], (size_t)rng_below(&r, 20));
        if (bytes_compare(from, to) <= 0 && span_middle(from, to, &middle)) {
            CU_ASSERT_TRUE(bytes_compare(buf_bytes(&middle), from) >= 0);
            CU_ASSERT_TRUE(bytes_compare(buf_bytes(&middle), to) < 0);
        }
    }
    CU_ASSERT_TRUE(span_middle(BYTES_LIT("row10"), BYTES_LIT("row20"), &middle));
    CU_ASSERT_TRUE(bytes_compare(buf_bytes(&middle), BYTES_LIT("row14")) > 0);
    CU_ASSERT_TRUE(bytes_compare(buf_bytes(&middle), BYTES_LIT("row20")) < 0);
    CU_ASSERT_FALSE(span_middle(BYTES_LIT("row"), BYTES_LIT("row"), &middle));
    buf_close(&middle);
}

CU_TestInfo store_tests[] = {
    {"LevelDB with overlay equals a model", leveldb_equals_model},
    {"the memory store equals a model", mem_equals_model},
    {"what is acked is there after reopening", acked_is_there_after_reopening},
    {"the memory store loses exactly what is not synced", mem_loses_exactly_what_is_not_synced},
    {"a full disk fails all that follows", mem_full_disk_fails_all_that_follows},
    {"a locked or wrong directory says so", a_locked_directory_says_so},
    {"a damaged block is an error and never data", a_damaged_block_is_an_error_and_never_data},
    {"sizes are about right", sizes_are_about_right},
    {"what was removed is compacted", what_was_removed_is_compacted},
    {"closing ends compaction", closing_ends_compaction},
    {"what waits for compaction is joined", spans_join},
    {"stretches are halved", spans_are_halved},
    CU_TEST_INFO_NULL,
};
