/* Files of the store that are damaged or gone: mended, and what is lost is told, no more and no
 * less. */
#include "base/mem.h"
#include "base/rng.h"
#include "storage/leveldb_format.h"
#include "storage/store_leveldb.h"

#include <CUnit/CUnit.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEYS 4000u

static char dir[64];

void mend_setup(void); /* called by the runner */
void mend_teardown(void);

void mend_setup(void)
{
    snprintf(dir, sizeof dir, "/tmp/torc-mend-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
}

static void remove_all(const char *path)
{
    char name[512];
    struct stat st;
    DIR *d = opendir(path);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || stat(name, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode))
            remove_all(name);
        else
            unlink(name);
    }
    if (d != NULL)
        closedir(d);
    rmdir(path);
}

void mend_teardown(void)
{
    remove_all(dir);
}

static enum err open_store(bool mend, struct store **ret)
{
    struct store_leveldb_config config = {.path = dir, .write_buffer_bytes = 65536, .mend = mend};
    struct errmsg msg = {""};
    return store_leveldb_open(&config, ret, &msg);
}

static struct bytes key_of(unsigned i, char room[16])
{
    snprintf(room, 16, "key%06u", i);
    return bytes_text(room);
}

static void fill(void)
{
    struct store *s;
    struct store_batch b;
    struct rng rng;
    char room[16], value[100];
    CU_ASSERT_EQUAL_FATAL(open_store(false, &s), ERR_OK);
    rng_init(&rng, 7);
    store_batch_init(&b);
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(value, sizeof value, "%020u%016llx%016llx", i, (unsigned long long)rng_next(&rng),
                 (unsigned long long)rng_next(&rng));
        store_batch_put(&b, key_of(i, room), bytes_text(value));
        if (b.ops.len > 30000 || i + 1 == KEYS) {
            store_write(s, &b, 0);
            store_flush(s);
            store_batch_clear(&b);
        }
    }
    store_batch_close(&b);
    store_close(s);
    CU_ASSERT_EQUAL_FATAL(open_store(false, &s), ERR_OK); /* what is in the log goes into a table */
    store_close(s);
}

/* The n-th table file. False: there are not so many. */
static bool table_file(unsigned n, char ret[512])
{
    DIR *d = opendir(dir);
    bool found = false;
    for (struct dirent *e; d != NULL && !found && (e = readdir(d)) != NULL;) {
        found = strstr(e->d_name, ".ldb") != NULL && n-- == 0;
        if (found)
            snprintf(ret, 512, "%s/%s", dir, e->d_name);
    }
    if (d != NULL)
        closedir(d);
    return found;
}

static long size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

static void flip(const char *path, long at)
{
    FILE *file = fopen(path, "r+b");
    CU_ASSERT_FATAL(file != NULL && fseek(file, at, SEEK_SET) == 0);
    int byte = fgetc(file);
    CU_ASSERT_FATAL(fseek(file, at, SEEK_SET) == 0 && fputc(byte ^ 0x20, file) != EOF);
    fclose(file);
}

/* What can be read is what was written; what is not there is told. Returns how many are not. */
static unsigned check(struct store *s)
{
    char room[16], text[24];
    unsigned gone = 0;
    struct buf value;
    buf_init(&value, 4096);
    for (unsigned i = 0; i < KEYS; i++) {
        enum err err = store_get(s, key_of(i, room), &value);
        snprintf(text, sizeof text, "%020u", i);
        CU_ASSERT(err == ERR_NOT_FOUND ||
                  (err == ERR_OK && value.len > 20 && memcmp(value.data, text, 20) == 0));
        gone += err != ERR_OK;
        CU_ASSERT(err == ERR_OK || lost_has(store_lost(s), key_of(i, room)));
    }
    struct store_iter *it = store_iter_new(s);
    unsigned seen = 0;
    for (store_iter_seek(it, BYTES_LIT("")); store_iter_valid(it); store_iter_next(it))
        seen++;
    CU_ASSERT_EQUAL(store_iter_error(it), ERR_OK);
    CU_ASSERT_EQUAL(seen, KEYS - gone);
    store_iter_free(it);
    buf_close(&value);
    return gone;
}

static unsigned lost_keys_of(const struct store *s)
{
    char room[16];
    unsigned lost = 0;
    for (unsigned i = 0; i < KEYS; i++)
        lost += lost_has(store_lost(s), key_of(i, room));
    return lost;
}

static void bytes_that_flip_anywhere(void)
{
    struct rng rng;
    rng_init(&rng, 11);
    for (unsigned round = 0; round < 24; round++) {
        char path[512];
        unsigned files = 0;
        struct store *s;
        fill();
        while (table_file(files, path))
            files++;
        CU_ASSERT_FATAL(files > 0);
        CU_ASSERT_FATAL(table_file((unsigned)rng_below(&rng, files), path));
        flip(path, (long)rng_below(&rng, (uint64_t)size_of(path)));
        CU_ASSERT_EQUAL_FATAL(open_store(true, &s), ERR_OK);
        unsigned gone = check(s);
        CU_ASSERT(!store_leveldb_mended(s) || store_lost(s)->id == 1);
        CU_ASSERT(store_leveldb_mended(s) || gone == 0);
        store_compact(s, BYTES_LIT(""), BYTES_LIT("z")); /* LevelDB can rewrite what is mended */
        while (store_leveldb_compacts(s)) {
        }
        CU_ASSERT_EQUAL(check(s), gone);
        store_close(s);
        CU_ASSERT_EQUAL_FATAL(open_store(true, &s), ERR_OK); /* all is mended, and remembered */
        CU_ASSERT_FALSE(store_leveldb_mended(s));
        CU_ASSERT_EQUAL(check(s), gone);
        store_close(s);
        remove_all(dir);
        CU_ASSERT_EQUAL_FATAL(mkdir(dir, 0755), 0);
    }
}

/* Of one block not more is told than is in a block or lies between two keys. */
static void a_block_is_no_file(void)
{
    char path[512];
    struct store *s;
    fill();
    CU_ASSERT_FATAL(table_file(0, path));
    flip(path, size_of(path) / 3);
    CU_ASSERT_EQUAL_FATAL(open_store(true, &s), ERR_OK);
    CU_ASSERT(check(s) > 0);
    CU_ASSERT(lost_keys_of(s) < 120);
    store_close(s);
}

static void files_that_are_gone(void)
{
    char path[512];
    struct store *s;
    fill();
    CU_ASSERT_FATAL(table_file(0, path));
    unlink(path);
    CU_ASSERT_EQUAL_FATAL(open_store(false, &s), ERR_OK); /* LevelDB refuses it: it is mended */
    CU_ASSERT(store_leveldb_mended(s));
    CU_ASSERT(check(s) > 0);
    store_close(s);
    CU_ASSERT_FATAL(table_file(1, path) || table_file(0, path)); /* it may have compacted all */
    CU_ASSERT_EQUAL(truncate(path, size_of(path) / 2), 0);
    CU_ASSERT_EQUAL_FATAL(open_store(true, &s), ERR_OK);
    CU_ASSERT_EQUAL(store_lost(s)->id, 2);
    (void)check(s);
    store_close(s);
}

/* LevelDB alone would begin anew, and remove all files. */
static void current_is_found_again(void)
{
    char path[512];
    struct store *s;
    fill();
    snprintf(path, sizeof path, "%s/CURRENT", dir);
    unlink(path);
    CU_ASSERT_EQUAL_FATAL(open_store(false, &s), ERR_OK);
    CU_ASSERT_EQUAL(check(s), 0);
    CU_ASSERT_EQUAL(store_lost(s)->id, 0);
    store_close(s);
}

/* Killed, or without power, before CURRENT was there: nothing was ever stored. */
static void a_directory_in_the_making(void)
{
    const char *const pieces[] = {"", "some of a manif"};
    char path[512];
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct store *s;
        snprintf(path, sizeof path, "%s/MANIFEST-000001", dir);
        FILE *f = fopen(path, "wb");
        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        fputs(pieces[i], f);
        fclose(f);
        CU_ASSERT_EQUAL_FATAL(open_store(false, &s), ERR_OK);
        CU_ASSERT_FALSE(store_leveldb_mended(s));
        store_close(s);
        remove_all(dir);
        CU_ASSERT_EQUAL_FATAL(mkdir(dir, 0700), 0);
    }
}

static void without_a_manifest_nothing_is_done(void)
{
    char path[512] = "";
    struct store *s;
    struct errmsg why;
    unsigned files = 0;
    fill();
    DIR *d = opendir(dir);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        if (strncmp(e->d_name, "MANIFEST", 8) == 0)
            snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
    }
    closedir(d);
    flip(path, size_of(path) / 2);
    CU_ASSERT_EQUAL(open_store(false, &s), ERR_CORRUPT);
    CU_ASSERT_EQUAL(open_store(true, &s), ERR_CORRUPT);
    while (table_file(files, path))
        files++;
    CU_ASSERT(files > 0);
    CU_ASSERT_FALSE(store_leveldb_was_set_aside(dir));
    CU_ASSERT_EQUAL(store_leveldb_set_aside(dir, &why), ERR_OK);
    CU_ASSERT(store_leveldb_was_set_aside(dir));
    CU_ASSERT_FALSE(table_file(0, path));
    CU_ASSERT_EQUAL_FATAL(open_store(false, &s), ERR_OK); /* as a new one */
    store_close(s);
}

static void lost_stretches(void)
{
    struct lost_keys l, again;
    struct buf out;
    char a[16], b[16];
    lost_init(&l);
    lost_init(&again);
    lost_add(&l, BYTES_LIT("d"), BYTES_LIT("f"));
    lost_add(&l, BYTES_LIT("h"), BYTES_LIT("h"));
    CU_ASSERT(lost_has(&l, BYTES_LIT("e")) && lost_has(&l, BYTES_LIT("h")));
    CU_ASSERT_FALSE(lost_has(&l, BYTES_LIT("g")));
    CU_ASSERT(lost_touches(&l, BYTES_LIT("a"), BYTES_LIT("e")));
    CU_ASSERT_FALSE(lost_touches(&l, BYTES_LIT("a"), BYTES_LIT("d"))); /* the end is not in it */
    CU_ASSERT(lost_touches(&l, BYTES_LIT("f"), BYTES_NONE));
    CU_ASSERT_FALSE(lost_touches(&l, BYTES_LIT("i"), BYTES_NONE));
    for (unsigned i = 0; i < 2 * LOST_SPANS_MAX; i++)
        lost_add(&l, key_of(4 * i, a), key_of(4 * i + 1, b));
    CU_ASSERT_EQUAL(l.count, LOST_SPANS_MAX);
    for (unsigned i = 0; i < 2 * LOST_SPANS_MAX; i++)
        CU_ASSERT(lost_has(&l, key_of(4 * i, a)));
    l.id = 9;
    buf_init(&out, 1 << 20);
    lost_encode(&l, &out);
    CU_ASSERT_EQUAL(lost_decode(buf_bytes(&out), &again), ERR_OK);
    CU_ASSERT(again.id == 9 && again.count == l.count && lost_has(&again, BYTES_LIT("e")));
    out.data[out.len / 2] ^= 1;
    CU_ASSERT_EQUAL(lost_decode(buf_bytes(&out), &again), ERR_CORRUPT);
    buf_close(&out);
    lost_close(&l);
    lost_close(&again);
}

/* One synced write that is in no table yet; then those files go. */
static void write_and_lose(const char *word)
{
    struct store *s;
    struct store_batch b;
    char room[16];
    unsigned gone = 0;
    fill();
    CU_ASSERT_EQUAL_FATAL(open_store(false, &s), ERR_OK);
    store_batch_init(&b);
    store_batch_put(&b, key_of(KEYS, room), BYTES_LIT("synced, and acked"));
    store_write(s, &b, 1);
    store_flush(s);
    store_batch_close(&b);
    store_close(s);
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        gone += strstr(e->d_name, word) != NULL && unlink(path) == 0;
    }
    closedir(d);
    CU_ASSERT(gone > 0);
}

static void is_told(const char *word)
{
    struct errmsg why = {""};
    struct store_leveldb_config config = {.path = dir};
    struct store *s;
    CU_ASSERT_EQUAL(store_leveldb_open(&config, &s, &why), ERR_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, word));
}

/* The manifest names the log that has what is in no table yet: without it synced writes are gone,
 * and LevelDB does not say a word. */
static void a_log_that_is_gone_is_no_small_thing(void)
{
    write_and_lose(".log");
    is_told(".log is gone");
}

/* It is a lost disk, and no directory that was named wrong. */
static void a_manifest_that_is_gone(void)
{
    write_and_lose("MANIFEST-");
    is_told("MANIFEST-");
}

/* Over all keys in steps. */
static enum err check_disk(struct store *s, struct bytes from, struct bytes to, unsigned *steps)
{
    struct buf at;
    enum err err = ERR_OK;
    uint64_t bytes = 0;
    buf_init(&at, SIZE_MAX);
    buf_put_bytes(&at, from);
    *steps = 0;
    do {
        err = store_check(s, buf_bytes(&at), to, &at, &bytes);
        ++*steps;
    } while (err == ERR_OK && at.len > 0 && *steps < 1000);
    buf_close(&at);
    return err;
}

/* What LevelDB has in its cache it does not read again; who wants to know reads the files. A file
 * is damaged while the store is open, at any place; put right again, it is as it was. */
static void rot_under_a_cache(void)
{
    struct store *s;
    struct rng rng;
    char path[512], room[16];
    unsigned steps, found = 0, missed = 0;
    fill();
    CU_ASSERT_EQUAL_FATAL(open_store(false, &s), ERR_OK);
    (void)check(s);
    CU_ASSERT_EQUAL(check_disk(s, BYTES_LIT("a"), BYTES_LIT("z"), &steps), ERR_OK);
    rng_init(&rng, 11);
    for (unsigned i = 0; i < 60; i++) {
        CU_ASSERT_FATAL(table_file(0, path));
        long at = (long)rng_below(&rng, (uint64_t)size_of(path) * 9 / 10);
        flip(path, at);
        CU_ASSERT_EQUAL(check(s), 0); /* it comes from the cache */
        enum err err = check_disk(s, BYTES_LIT("a"), BYTES_LIT("z"), &steps);
        found += err == ERR_CORRUPT;
        missed += err == ERR_OK;
        CU_ASSERT_EQUAL(check_disk(s, BYTES_LIT("z"), BYTES_LIT("zz"), &steps), ERR_OK);
        flip(path, at);
    }
    CU_ASSERT_EQUAL(found, 60);
    CU_ASSERT_EQUAL(missed, 0);
    for (unsigned i = 0; i + 400 <= KEYS; i += 400) { /* each block is with some stretch of keys */
        char to[16];
        CU_ASSERT_EQUAL(check_disk(s, key_of(i, room), key_of(i + 400, to), &steps), ERR_OK);
    }
    CU_ASSERT_EQUAL(unlink(path), 0);
    CU_ASSERT_EQUAL(check_disk(s, BYTES_LIT("a"), BYTES_LIT("z"), &steps), ERR_CORRUPT);
    store_close(s);
}

/* One stretch of many. What is damaged is told of by those who ask for it, and by nobody else who
 * is further away than a block. */
static void rot_elsewhere(void)
{
    struct store *s;
    char path[512], from[16], to[16];
    unsigned steps, corrupt = 0;
    fill();
    CU_ASSERT_EQUAL_FATAL(open_store(false, &s), ERR_OK);
    CU_ASSERT_FATAL(table_file(0, path));
    flip(path, size_of(path) / 2);
    for (unsigned i = 0; i < KEYS; i += 100)
        corrupt += check_disk(s, key_of(i, from), key_of(i + 100, to), &steps) == ERR_CORRUPT;
    CU_ASSERT(corrupt >= 1 && corrupt <= 3);
    store_close(s);
}

/* While it is written and compacted: files come and go, and none of them is missed. */
static void files_that_come_and_go(void)
{
    struct store *s;
    struct store_batch b;
    struct rng rng;
    uint64_t value[25];
    char room[16];
    unsigned steps, most = 0;
    CU_ASSERT_EQUAL_FATAL(open_store(false, &s), ERR_OK);
    store_batch_init(&b);
    rng_init(&rng, 3);
    for (unsigned i = 0; i < 10 * KEYS; i++) {
        for (unsigned k = 0; k < ARRAY_LEN(value); k++) /* so that nothing is compressed */
            value[k] = rng_next(&rng);
        store_batch_put(&b, key_of(i * 7919 % (2 * KEYS), room),
                        bytes_make((const uint8_t *)value, sizeof value));
        if (b.ops.len < 30000)
            continue;
        store_write(s, &b, 0);
        store_flush(s);
        store_batch_clear(&b);
        CU_ASSERT_EQUAL(check_disk(s, BYTES_LIT("a"), BYTES_LIT("z"), &steps), ERR_OK);
        most = steps > most ? steps : most;
    }
    CU_ASSERT(most > 1);
    store_batch_close(&b);
    store_close(s);
}

CU_TestInfo mend_tests[] = {
    {"rot under a cache", rot_under_a_cache},
    {"rot elsewhere", rot_elsewhere},
    {"files that come and go", files_that_come_and_go},
    {"a log that is gone is no small thing", a_log_that_is_gone_is_no_small_thing},
    {"a manifest that is gone", a_manifest_that_is_gone},
    {"bytes that flip anywhere", bytes_that_flip_anywhere},
    {"a block is no file", a_block_is_no_file},
    {"files that are gone", files_that_are_gone},
    {"CURRENT is found again", current_is_found_again},
    {"a directory in the making is no damage", a_directory_in_the_making},
    {"without a manifest nothing is done", without_a_manifest_nothing_is_done},
    {"lost stretches", lost_stretches},
    CU_TEST_INFO_NULL,
};
