/* crash.c - lives of a node's storage, each ended by SIGKILL or a power cut, in one directory after
 * another: is what was acked there afterwards?
 *
 *   crash [--cut] [--periodic] [--unordered] [--rounds N] [--seed S] [--keep]
 *
 * Each round is a process of its own that opens the store, checks it, and writes until it dies
 * (life.h): at a call on the directory chosen by number, or when this process kills it, or by
 * closing as an operator would. With --cut most deaths are followed by a power cut. With --periodic
 * the store runs in the mode that does not sync: then a loss is what is looked for, and status 0
 * says that there was one. The seed gives the plan of all rounds; how far threads get is theirs. */
#include "base/mem.h"
#include "base/rng.h"
#include "crash/interpose.h"
#include "crash/life.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUND_SECONDS_MAX 60
#define ROUNDS_OF_A_DIR   25 /* at most */
#define WRITES_OF_A_LIFE  1500
#define CALLS_OF_OPENING  60
#define KILL_AFTER_US     150000

struct options {
    bool cut, periodic, keep;
    unsigned flags; /* of the cuts */
    unsigned rounds;
    uint64_t seed;
};

struct totals {
    unsigned cuts, kills, closes, opened, dirs, losses;
    uint64_t writes, acked, calls, syncs;
};

struct test {
    struct options o;
    struct rng rng;
    struct totals n;
    char top[64]; /* holds the rest */
    char dir[96], before[96], state[96];
    struct disk *disk;
    struct tally *tally;
    unsigned rounds_left; /* of this directory */
    unsigned calls_max;   /* of a life in it */
    unsigned cuts_in_6;   /* how many of its deaths are power cuts */
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    exit(2);
}

/* --- directories */

static void remove_files(const char *dir)
{
    char path[400];
    DIR *d = opendir(dir);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (unlinkat(AT_FDCWD, path, 0) != 0)
            unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
    }
    if (d != NULL)
        closedir(d);
}

static void copy_file(const char *from, const char *to)
{
    static char room[1 << 16];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(in >= 0 && out >= 0, to);
    for (ssize_t n; (n = read(in, room, sizeof room)) > 0;)
        must(write(out, room, (size_t)n) == n, to);
    close(in);
    close(out);
}

/* The directory as the next life finds it: what a failure is to be studied by. */
static void keep_copy(const char *from, const char *to)
{
    char a[400];
    char b[400];
    remove_files(to);
    DIR *d = opendir(from);
    must(d != NULL, from);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        snprintf(a, sizeof a, "%s/%s", from, e->d_name);
        snprintf(b, sizeof b, "%s/%s", to, e->d_name);
        if (e->d_type == DT_REG)
            copy_file(a, b);
    }
    closedir(d);
}

static void dir_begin(struct test *t)
{
    must(mkdir(t->dir, 0700) == 0, t->dir);
    t->disk = disk_new(t->state, t->dir);
    t->disk->wait_us = 400;
    memset(t->tally, 0, sizeof *t->tally);
    t->tally->promise_seen = !t->o.periodic;
    t->rounds_left = 1 + (unsigned)rng_below(&t->rng, ROUNDS_OF_A_DIR);
    t->calls_max = rng_below(&t->rng, 2) == 0 ? 120 : 1200; /* few tables are made, or many */
    t->cuts_in_6 = rng_below(&t->rng, 2) == 0 ? 5 : 3;
    t->n.dirs++;
}

static void dir_end(struct test *t)
{
    t->n.calls += t->disk->calls;
    t->n.syncs += t->disk->syncs;
    t->n.writes += t->tally->count;
    for (uint32_t i = 0; i < t->tally->count; i++)
        t->n.acked += t->tally->writes[i].acked;
    disk_remove(t->disk, t->state);
    t->disk = NULL;
    remove_files(t->dir);
    rmdir(t->dir);
}

/* --- a round */

static void sleep_us(uint64_t us)
{
    struct timespec ts = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
    nanosleep(&ts, NULL);
}

/* Many lives end while the store is opened, which is some dozens of calls. */
static uint64_t call_of_death(struct test *t)
{
    bool early = rng_below(&t->rng, t->calls_max < 1000 ? 2 : 4) == 0;
    return 1 + rng_below(&t->rng, early ? CALLS_OF_OPENING : t->calls_max);
}

/* The life ends by itself, at a call or closing, or is killed after some time. */
static int live(struct test *t)
{
    struct life_plan plan = {.dir = t->dir, .seed = rng_next(&t->rng), .periodic = t->o.periodic};
    bool by_call = rng_below(&t->rng, 3) != 0;
    uint64_t call = t->disk->calls + call_of_death(t);
    uint64_t kill_us = rng_below(&t->rng, KILL_AFTER_US);
    int status = 0;
    plan.writes = (uint32_t)rng_below(&t->rng, WRITES_OF_A_LIFE);
    t->disk->die_at = by_call ? call : 0;
    t->disk->death = (uint32_t)rng_below(&t->rng, 3);
    fflush(NULL);
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        alarm(ROUND_SECONDS_MAX);
        interpose_start(t->disk);
        life_run(t->tally, &plan);
    }
    if (!by_call) {
        sleep_us(kill_us);
        kill(pid, SIGKILL);
    }
    must(waitpid(pid, &status, 0) == pid, "waitpid");
    return status;
}

static bool round_is_wrong(struct test *t, int status)
{
    bool died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    bool closed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (t->disk->wrong[0] != 0)
        return !tally_fail(t->tally, "the model of the disk: %s", t->disk->wrong);
    if (!died && !closed && t->tally->verdict[0] == 0)
        return !tally_fail(t->tally, "the process ended with wait status %#x", (unsigned)status);
    t->n.opened += t->tally->phase >= TALLY_CHECKED;
    t->n.closes += closed;
    return t->tally->verdict[0] != 0;
}

static bool run_round(struct test *t)
{
    if (t->disk == NULL)
        dir_begin(t);
    keep_copy(t->dir, t->before);
    int status = live(t);
    if (round_is_wrong(t, status))
        return false;
    disk_settle(t->disk);
    if (t->o.cut && rng_below(&t->rng, 6) < t->cuts_in_6) {
        disk_cut(t->disk, rng_next(&t->rng), t->o.flags);
        t->n.cuts++;
    } else if (WIFSIGNALED(status)) {
        t->n.kills++;
    }
    if (--t->rounds_left == 0 || t->tally->count > TALLY_WRITES_MAX / 2)
        dir_end(t);
    return true;
}

/* --- all rounds */

static void test_begin(struct test *t)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(t->top, sizeof t->top, "%s/torc-crash-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    must(mkdtemp(t->top) != NULL, t->top);
    snprintf(t->dir, sizeof t->dir, "%s/store", t->top);
    snprintf(t->before, sizeof t->before, "%s/before", t->top);
    snprintf(t->state, sizeof t->state, "%s/disk", t->top);
    must(mkdir(t->before, 0700) == 0, t->before);
    t->tally =
        mmap(NULL, sizeof *t->tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(t->tally != MAP_FAILED, "mmap");
    rng_init(&t->rng, t->o.seed);
}

static void test_end(struct test *t, bool keep)
{
    if (t->disk != NULL && !keep)
        dir_end(t);
    munmap(t->tally, sizeof *t->tally);
    if (keep) {
        printf("kept: %s (before: the store as it was opened)\n", t->top);
        return;
    }
    remove_files(t->before);
    remove_files(t->top);
    rmdir(t->top);
}

static bool run_all(struct test *t)
{
    for (unsigned i = 0; i < t->o.rounds; i++) {
        if (run_round(t))
            continue;
        bool lost = strncmp(t->tally->verdict, "LOST", 4) == 0;
        if (!t->o.periodic) {
            printf("seed %llu round %u of %u: %s\n", (unsigned long long)t->o.seed, i, t->o.rounds,
                   t->tally->verdict);
            return false;
        }
        t->n.losses += lost;
        dir_end(t);
    }
    return !t->o.periodic || t->n.losses > 0;
}

static bool parse(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--cut") == 0)
            o->cut = true;
        else if (strcmp(argv[i], "--periodic") == 0)
            o->periodic = true;
        else if (strcmp(argv[i], "--keep") == 0)
            o->keep = true;
        else if (strcmp(argv[i], "--unordered") == 0)
            o->flags |= DISK_UNORDERED;
        else if (strcmp(argv[i], "--clean-tails") == 0)
            o->flags &= ~(unsigned)DISK_GARBAGE;
        else if (strcmp(argv[i], "--rounds") == 0 && ++i > 0)
            o->rounds = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0 && ++i > 0)
            o->seed = strtoull(value, NULL, 10);
        else
            return false;
    }
    return o->rounds > 0;
}

int main(int argc, char **argv)
{
    struct test t = {.o = {.rounds = 100, .flags = DISK_GARBAGE}};
    t.o.seed = (uint64_t)getpid() * 1000003u ^ (uint64_t)time(NULL);
    if (!parse(argc, argv, &t.o)) {
        fprintf(stderr, "usage: crash [--cut] [--periodic] [--unordered] [--clean-tails] "
                        "[--rounds N] [--seed S] [--keep]\n");
        return 2;
    }
    test_begin(&t);
    bool good = run_all(&t);
    test_end(&t, t.o.keep || !good);
    printf(
        "seed %llu: %u power cuts, %u kills, %u clean ends in %u directories; opened and checked "
        "%u times\n%llu writes, %llu promised; %llu calls, %llu syncs; %u rounds lost some\n"
        "crash: %u passed, %u failed\n",
        (unsigned long long)t.o.seed, t.n.cuts, t.n.kills, t.n.closes, t.n.dirs, t.n.opened,
        (unsigned long long)t.n.writes, (unsigned long long)t.n.acked,
        (unsigned long long)t.n.calls, (unsigned long long)t.n.syncs, t.n.losses, good, !good);
    return good ? 0 : 1;
}
