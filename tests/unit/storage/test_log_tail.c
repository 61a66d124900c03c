/* What a power cut can leave of the last write is cut off; what rots in the middle is refused. */
#include "base/mem.h"
#include "base/rng.h"
#include "storage/log_tail.h"
#include "storage/store_leveldb.h"

#include <CUnit/CUnit.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCHES 8
#define ROUNDS  25

static struct {
    char dir[64];
    char log[360];       /* the newest, which has all batches */
    off_t ends[BATCHES]; /* of the log after each batch */
    uint8_t *bytes;      /* the log before it is spoilt */
} f;

void log_tail_setup(void); /* called by the runner */
void log_tail_teardown(void);

void log_tail_setup(void)
{
    snprintf(f.dir, sizeof f.dir, "/tmp/torc-tail-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f.dir));
}

static void remove_files(void)
{
    char path[360];
    DIR *dir = opendir(f.dir);
    for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", f.dir, d->d_name);
        if (d->d_name[0] != '.')
            unlink(path);
    }
    if (dir != NULL)
        closedir(dir);
}

void log_tail_teardown(void)
{
    mem_free(f.bytes);
    f.bytes = NULL;
    remove_files();
    rmdir(f.dir);
}

static enum err open_mode(enum store_sync sync, struct store **ret)
{
    struct store_leveldb_config config = {.path = f.dir, .sync = sync};
    struct errmsg msg;
    return store_leveldb_open(&config, ret, &msg);
}

static void find_log(void)
{
    DIR *dir = opendir(f.dir);
    CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        if (strstr(d->d_name, ".log") != NULL)
            snprintf(f.log, sizeof f.log, "%s/%s", f.dir, d->d_name);
    }
    closedir(dir);
}

static struct bytes key_of(uint8_t *room, size_t n)
{
    *room = (uint8_t)('a' + n);
    return bytes_make(room, 1);
}

static void write_one(struct store *s, struct rng *r, size_t n)
{
    static uint8_t value[100000];
    uint8_t room;
    struct store_done done;
    struct store_batch b;
    /* some within a block of the log, some over several */
    size_t len = 1 + (size_t)rng_below(r, rng_below(r, 2) == 0 ? 300 : sizeof value - 1);
    for (size_t i = 0; i < len; i++)
        value[i] = (uint8_t)rng_next(r);
    store_batch_init(&b);
    store_batch_put(&b, key_of(&room, n), bytes_make(value, len));
    store_write(s, &b, n + 1);
    store_flush(s);
    store_batch_close(&b);
    while (!store_completed(s, &done)) {
        struct pollfd p = {store_leveldb_wake_fd(s), POLLIN, 0};
        CU_ASSERT_EQUAL_FATAL(poll(&p, 1, 10000), 1);
    }
    CU_ASSERT_EQUAL_FATAL(done.err, ERR_OK);
}

/* A log of some batches, as LevelDB leaves it when it closes. Not synced: it only takes time. */
static void write_log(struct rng *r)
{
    struct store *s;
    struct stat st;
    remove_files();
    CU_ASSERT_EQUAL_FATAL(open_mode(STORE_SYNC_PERIODIC, &s), ERR_OK);
    find_log();
    for (size_t n = 0; n < BATCHES; n++) {
        write_one(s, r, n);
        CU_ASSERT_EQUAL_FATAL(stat(f.log, &st), 0);
        f.ends[n] = st.st_size;
    }
    store_close(s);
    mem_free(f.bytes);
    f.bytes = mem_alloc((size_t)f.ends[BATCHES - 1]);
    int fd = open(f.log, O_RDONLY);
    CU_ASSERT_EQUAL_FATAL(read(fd, f.bytes, (size_t)st.st_size), st.st_size);
    close(fd);
}

static void put_log(const uint8_t *bytes, off_t len)
{
    int fd = open(f.log, O_WRONLY | O_TRUNC);
    CU_ASSERT_EQUAL_FATAL(write(fd, bytes, (size_t)len), len);
    close(fd);
}

/* The first `n` batches are there, and no more. */
static bool has(struct store *s, size_t n)
{
    uint8_t room;
    struct buf value;
    bool good = true;
    buf_init(&value, SIZE_MAX);
    for (size_t i = 0; i < BATCHES; i++)
        good = good && (store_get(s, key_of(&room, i), &value) == ERR_OK) == (i < n);
    buf_close(&value);
    return good;
}

static uint64_t seed_of_run(void)
{
    return (uint64_t)getpid();
}

/* Of the last batch some pages came to the disk, zeros or other bytes in place of the rest. */
static bool torn_round(struct rng *r)
{
    struct store *s;
    write_log(r);
    off_t from = f.ends[BATCHES - 2];
    off_t all = f.ends[BATCHES - 1];
    off_t len = rng_below(r, 3) == 0 ? from + (off_t)rng_below(r, (uint64_t)(all - from)) : all;
    off_t at = from + (off_t)rng_below(r, (uint64_t)(len - from) + (len < all));
    bool zeros = rng_below(r, 2) == 0;
    bool torn = len < all;
    for (off_t end = at + 4096; at < len && at < end; at++) {
        uint8_t other = zeros ? 0 : (uint8_t)~f.bytes[at];
        torn = torn || f.bytes[at] != other;
        f.bytes[at] = other;
    }
    put_log(f.bytes, len);
    if (rng_below(r, 3) == 0) { /* left by a start that the power cut met */
        char path[360];
        snprintf(path, sizeof path, "%s/000099.log", f.dir);
        close(open(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
    }
    if (open_mode(STORE_SYNC_BATCH, &s) != ERR_OK)
        return false;
    bool good = has(s, torn ? BATCHES - 1 : BATCHES);
    store_close(s);
    return good;
}

static void a_torn_write_is_cut_off(void)
{
    struct rng r;
    rng_init(&r, seed_of_run());
    for (int round = 0; round < ROUNDS; round++) {
        if (torn_round(&r))
            continue;
        fprintf(stderr, "log_tail: seed %llu round %d\n", (unsigned long long)seed_of_run(), round);
        CU_FAIL_FATAL("a torn write");
    }
}

/* One byte of a batch with others behind it; not of a length, at which LevelDB may see the end. */
static bool rotten_round(struct rng *r, bool periodic)
{
    struct store *s = NULL;
    uint64_t cut;
    write_log(r);
    size_t n = (size_t)rng_below(r, BATCHES - 1);
    off_t from = n == 0 ? 0 : f.ends[n - 1];
    off_t at = from + 7 + (off_t)rng_below(r, (uint64_t)(f.ends[n] - from) - 7);
    f.bytes[at] ^= (uint8_t)(1u << rng_below(r, 8));
    if (at % 32768 < 7) /* a header */
        return true;
    put_log(f.bytes, f.ends[BATCHES - 1]);
    if (periodic) { /* there, batches were not synced one by one */
        bool good = open_mode(STORE_SYNC_PERIODIC, &s) == ERR_OK && has(s, n);
        store_close(s);
        return good;
    }
    struct stat st;
    return open_mode(STORE_SYNC_BATCH, &s) == ERR_CORRUPT &&
           log_tails_cut(f.dir, false, &cut) == ERR_CORRUPT && stat(f.log, &st) == 0 &&
           st.st_size == f.ends[BATCHES - 1];
}

static void rot_in_the_middle_is_refused(void)
{
    struct rng r;
    rng_init(&r, seed_of_run());
    for (int round = 0; round < ROUNDS; round++) {
        if (rotten_round(&r, round % 4 == 0))
            continue;
        fprintf(stderr, "log_tail: seed %llu round %d\n", (unsigned long long)seed_of_run(), round);
        CU_FAIL_FATAL("rot");
    }
}

static void a_good_log_stays_as_it_is(void)
{
    struct rng r;
    struct store *s;
    uint64_t cut = 1;
    rng_init(&r, 1);
    write_log(&r);
    CU_ASSERT_EQUAL(log_tails_cut(f.dir, false, &cut), ERR_OK);
    CU_ASSERT_EQUAL(cut, 0);
    CU_ASSERT_EQUAL_FATAL(open_mode(STORE_SYNC_BATCH, &s), ERR_OK);
    CU_ASSERT_TRUE(has(s, BATCHES));
    CU_ASSERT_EQUAL(store_leveldb_torn(s), 0);
    store_close(s);
}

/* The change that a table is there was not synced: the log still has what the table would have. */
static void a_torn_manifest_is_cut_off(void)
{
    char path[360] = "";
    struct rng r;
    struct store *s;
    rng_init(&r, 2);
    write_log(&r);
    DIR *dir = opendir(f.dir);
    CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        if (strncmp(d->d_name, "MANIFEST-", 9) == 0)
            snprintf(path, sizeof path, "%s/%s", f.dir, d->d_name);
    }
    closedir(dir);
    int fd = open(path, O_WRONLY | O_APPEND);
    CU_ASSERT_EQUAL_FATAL(write(fd, "\1\2\3\4\5\0\1aaaaaaaaaaaaaaaaaaa", 26), 26);
    close(fd);
    CU_ASSERT_EQUAL_FATAL(open_mode(STORE_SYNC_BATCH, &s), ERR_OK);
    CU_ASSERT_TRUE(has(s, BATCHES));
    CU_ASSERT_EQUAL(store_leveldb_torn(s), 26);
    store_close(s);
}

CU_TestInfo log_tail_tests[] = {
    {"a good log stays as it is", a_good_log_stays_as_it_is},
    {"a torn write is cut off", a_torn_write_is_cut_off},
    {"a torn manifest is cut off", a_torn_manifest_is_cut_off},
    {"rot in the middle is refused", rot_in_the_middle_is_refused},
    CU_TEST_INFO_NULL,
};
