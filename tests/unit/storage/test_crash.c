/* What a killed process has acknowledged is there afterwards; a disk that refuses is told.
 *
 * A program of its own: children are forked, and LevelDB's background thread does not survive a
 * fork, so the parent must never have opened a store. */
#include "base/mem.h"
#include "base/rng.h"
#include "storage/store_leveldb.h"

#include <CUnit/CUnit.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 100

static struct {
    char dir[64];
    uint64_t acked[ROUNDS + 1]; /* of each round: batches 1 .. acked are promised */
} f;

void crash_setup(void); /* called by the runner */
void crash_teardown(void);

void crash_setup(void)
{
    memset(&f, 0, sizeof f);
    snprintf(f.dir, sizeof f.dir, "/tmp/torc-crash-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f.dir));
}

void crash_teardown(void)
{
    char path[512];
    DIR *dir = opendir(f.dir);
    for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", f.dir, d->d_name);
        unlink(path);
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(f.dir);
}

static struct store *open_store(void)
{
    struct store_leveldb_config config = {.path = f.dir, .write_buffer_bytes = 65536};
    struct store *s = NULL;
    struct errmsg msg;
    if (store_leveldb_open(&config, &s, &msg) != ERR_OK) {
        fprintf(stderr, "%s\n", msg.text);
        _exit(2);
    }
    return s;
}

/* Both halves of a batch. */
static struct bytes half_key(char room[40], int round, uint64_t n, char half)
{
    int len = snprintf(room, 40, "%d/%llu/%c", round, (unsigned long long)n, half);
    return bytes_make(room, (size_t)len);
}

static bool is_there(struct store *s, int round, uint64_t n, char half)
{
    char room[40];
    struct buf b;
    buf_init(&b, SIZE_MAX);
    bool there = store_get(s, half_key(room, round, n, half), &b) == ERR_OK;
    buf_close(&b);
    return there;
}

/* Everything promised is there, and no batch is there by half. */
static bool check_round(struct store *s, int round)
{
    for (uint64_t n = 1; n <= f.acked[round] + 40; n++) {
        bool a = is_there(s, round, n, 'a');
        bool b = is_there(s, round, n, 'b');
        if (a != b || (!a && n <= f.acked[round])) {
            fprintf(stderr, "crash: round %d batch %llu of %llu acked: %d %d\n", round,
                    (unsigned long long)n, (unsigned long long)f.acked[round], a, b);
            return false;
        }
    }
    return true;
}

/* Checks the rounds before, then writes and tells each acked batch, until it is killed. */
static _Noreturn void child(int round, int out)
{
    struct store *s = open_store();
    struct store_batch b;
    struct store_done done;
    char room[40];
    char value[300];
    uint64_t told = 0;
    memset(value, 'v', sizeof value);
    for (int i = round > 8 ? round - 8 : 0; i < round; i++) {
        if (!check_round(s, i))
            _exit(3);
    }
    if (write(out, &told, sizeof told) != sizeof told)
        _exit(4);
    store_batch_init(&b);
    for (uint64_t n = 1;; n++) {
        store_batch_clear(&b);
        store_batch_put(&b, half_key(room, round, n, 'a'), bytes_make(value, sizeof value));
        store_batch_put(&b, half_key(room, round, n, 'b'), bytes_make(value, n % sizeof value));
        store_write(s, &b, n);
        if (n % 3 == 0)
            store_flush(s);
        if (n % 30 == 0) { /* do not run away from the disk */
            struct pollfd p = {store_leveldb_wake_fd(s), POLLIN, 0};
            poll(&p, 1, 10000);
        }
        while (store_completed(s, &done)) {
            if (done.err != ERR_OK || write(out, &done.ticket, sizeof told) != sizeof told)
                _exit(5);
        }
    }
}

static bool run_round(struct rng *r, int round)
{
    int ends[2];
    uint64_t told = 0;
    int status = 0;
    if (pipe(ends) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        child(round, ends[1]);
    }
    close(ends[1]);
    uint64_t enough = rng_below(r, 60);
    bool good = read(ends[0], &told, sizeof told) == sizeof told; /* it checked what there was */
    while (good && told < enough)
        good = read(ends[0], &told, sizeof told) == sizeof told;
    kill(pid, SIGKILL);
    while (read(ends[0], &told, sizeof told) == sizeof told) {
        /* what it told before it died counts */
    }
    close(ends[0]);
    waitpid(pid, &status, 0);
    f.acked[round] = told;
    return good && WIFSIGNALED(status);
}

static void what_a_killed_process_acked_is_there(void)
{
    struct rng r;
    bool good = true;
    rng_init(&r, (uint64_t)getpid());
    for (int round = 0; round < ROUNDS && good; round++)
        good = run_round(&r, round);
    if (!good)
        fprintf(stderr, "crash: seed %d failed\n", (int)getpid());
    CU_ASSERT_TRUE(good);
}

/* A file size limit stands for the full disk: writes fail from some point on. */
static _Noreturn void write_until_refused(void)
{
    struct rlimit limit = {20000, 20000}; /* less than a write buffer */
    struct store_done done = {0, ERR_OK};
    struct store_batch b;
    char value[1000];
    uint64_t n = 0;
    memset(value, 'v', sizeof value);
    signal(SIGXFSZ, SIG_IGN);
    struct store *s = open_store();
    setrlimit(RLIMIT_FSIZE, &limit);
    store_batch_init(&b);
    while (done.err == ERR_OK && n < 1000) {
        char room[40];
        store_batch_clear(&b);
        store_batch_put(&b, half_key(room, 0, ++n, 'a'), bytes_make(value, sizeof value));
        store_write(s, &b, n);
        store_flush(s);
        while (!store_completed(s, &done)) {
            struct pollfd p = {store_leveldb_wake_fd(s), POLLIN, 0};
            if (poll(&p, 1, 10000) != 1)
                _exit(6);
        }
    }
    if (done.err != ERR_IO && done.err != ERR_FULL)
        _exit(7);
    if (store_failure(s) == NULL)
        _exit(8);
    store_batch_clear(&b);
    store_write(s, &b, n + 1); /* even nothing is not promised any more */
    store_flush(s);
    while (!store_completed(s, &done)) {
        struct pollfd p = {store_leveldb_wake_fd(s), POLLIN, 0};
        if (poll(&p, 1, 10000) != 1)
            _exit(9);
    }
    _exit(done.err != ERR_OK && done.ticket == n + 1 ? 0 : 10);
}

static void a_refused_write_fails_the_store_for_good(void)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        write_until_refused();
    waitpid(pid, &status, 0);
    CU_ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) != 0)
        fprintf(stderr, "crash: the child exited with %d\n", WEXITSTATUS(status));
    CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
}

CU_TestInfo crash_tests[] = {
    {"what a killed process acked is there", what_a_killed_process_acked_is_there},
    {"a refused write fails the store for good", a_refused_write_fails_the_store_for_good},
    CU_TEST_INFO_NULL,
};
