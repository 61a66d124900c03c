/* prune.c - what it costs to keep range logs short, and what they take up then.
 *
 *   storage_prune DIRECTORY [SECONDS [RATE [RANGES]]]
 *
 * So many seconds (600) of a load of RATE (5000) writes a second, of 100 bytes to random ones of
 * 100,000 rows, over so many ranges (256), as fast as they go: once with logs that nobody prunes,
 * once as a node does it (node/heal/logs.c): each four seconds of the load what was there four
 * seconds ago goes from logs longer than a megabyte, when it is an eighth of them. CPU is that of
 * the whole process, compaction too; the disk is what lies in the directory in the end.
 */
#include "measure.h"

#include "base/mem.h"
#include "base/rng.h"
#include "storage/engine.h"
#include "storage/store_leveldb.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define ROWS    100000u
#define GROUP   64u
#define VALUE   100
#define BACKLOG ((size_t)4 << 20)
#define TICK    4u /* seconds */
#define MIN     ((uint64_t)1 << 20)
#define SHARE   8u
#define ENTRIES 1024u

static const struct actor self = {1, 1};

struct bench {
    struct store *store;
    struct engine *engine;
    uint64_t ranges, writes, longest;
    struct clock *known; /* of each range: as of the last tick */
};

static void must(enum err err)
{
    if (err == ERR_OK)
        return;
    fprintf(stderr, "%s\n", err_text(err));
    exit(1);
}

/* Of this thread: what a call of the engine costs, without what the store does behind it. */
static double thread_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void put(struct bench *b, uint64_t row)
{
    uint8_t pk[8], value[VALUE] = {0};
    uint64_t width = UINT64_MAX / b->ranges + 1;
    uint64_t at = row * 0x9e3779b97f4a7c15u;
    range_no range = (range_no)(at / width);
    struct dot dot = engine_next_dot(b->engine, 1, range, self);
    store_u64(pk, row);
    store_u64(value, ++b->writes * 0x9e3779b97f4a7c15u);
    struct cell cell = {.column = 1,
                        .timestamp = 1700000000000000 + (int64_t)b->writes,
                        .value = bytes_make(value, sizeof value),
                        .dot = dot};
    struct row r = {.deletion = TOMB_NONE, .cells = &cell, .cells_count = 1};
    struct part p = {.table = 1,
                     .token = (token)((uint64_t)INT64_MIN + at),
                     .key = bytes_make(pk, sizeof pk),
                     .deletion = TOMB_NONE,
                     .rows = &r,
                     .rows_count = 1};
    p.static_row.deletion = TOMB_NONE;
    must(engine_apply(b->engine, 1, range, &p, dot, NULL, 0));
    if (b->writes % GROUP == 0)
        measure_wait(b->store, BACKLOG);
}

static void prune(struct bench *b, range_no range)
{
    struct log_figures f;
    struct clock gone;
    clock_init(&gone);
    engine_log_figures(b->engine, 1, range, &f);
    clock_common(&b->known[range], engine_log_floor(b->engine, 1, range), &gone);
    uint64_t more = clock_count(&b->known[range]) - clock_count(&gone);
    for (bool done = f.bytes <= MIN || more * SHARE <= f.dots; !done;)
        must(engine_log_prune(b->engine, 1, range, &b->known[range], ENTRIES, &done));
    clock_close(&gone);
    clock_copy(&b->known[range], engine_clock(b->engine, 1, range));
}

static uint64_t log_bytes(struct bench *b)
{
    uint64_t sum = 0;
    for (uint64_t r = 0; r < b->ranges; r++) {
        struct log_figures f;
        engine_log_figures(b->engine, 1, (range_no)r, &f);
        sum += f.bytes;
    }
    return sum;
}

static uint64_t disk_bytes(const char *path)
{
    char name[8192];
    uint64_t sum = 0;
    DIR *dir = opendir(path);
    for (const struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;) {
        struct stat st;
        snprintf(name, sizeof name, "%s/%s", path, d->d_name);
        if (stat(name, &st) == 0 && S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_size;
    }
    if (dir != NULL)
        closedir(dir);
    return sum;
}

static void run(const char *path, bool pruned, uint64_t seconds, uint64_t rate, uint64_t ranges)
{
    struct store_leveldb_config config = {.path = path, .sync = STORE_SYNC_PERIODIC};
    struct engine_config engine_config = {.seed = 1, .ring_ranges = (uint32_t)ranges};
    struct errmsg msg;
    struct bench b = {.ranges = ranges};
    struct rng rng;
    rng_init(&rng, 7);
    if (store_leveldb_open(&config, &b.store, &msg) != ERR_OK ||
        engine_new(b.store, &engine_config, &b.engine, &msg) != ERR_OK) {
        fprintf(stderr, "%s\n", msg.text);
        exit(1);
    }
    b.known = mem_alloc(ranges * sizeof *b.known);
    double begin = measure_cpu_us(), pruning = 0;
    for (uint64_t s = 1; s <= seconds; s++) {
        for (uint64_t i = 0; i < rate; i++)
            put(&b, rng_below(&rng, ROWS));
        double before = thread_us();
        for (uint64_t r = 0; r < ranges && pruned && s % TICK == 0; r++)
            prune(&b, (range_no)r);
        pruning += thread_us() - before;
        uint64_t now = s % TICK == 0 ? log_bytes(&b) : 0;
        b.longest = now > b.longest ? now : b.longest;
    }
    measure_wait(b.store, 0);
    double cpu = measure_cpu_us() - begin;
    printf("| %s | %.2f | %.2f | %.1f | %.1f | %.1f |\n", pruned ? "pruned" : "not pruned",
           cpu / (double)b.writes, pruning / (double)b.writes, (double)log_bytes(&b) / 1e6,
           (double)b.longest / 1e6, (double)disk_bytes(path) / 1e6);
    for (uint64_t r = 0; r < ranges; r++)
        clock_close(&b.known[r]);
    mem_free(b.known);
    engine_free(b.engine);
    store_close(b.store);
}

int main(int argc, char **argv)
{
    char path[4096];
    uint64_t seconds = argc > 2 ? strtoull(argv[2], NULL, 10) : 600;
    uint64_t rate = argc > 3 ? strtoull(argv[3], NULL, 10) : 5000;
    uint64_t ranges = argc > 4 ? strtoull(argv[4], NULL, 10) : 256;
    if (argc < 2 || seconds < TICK || rate == 0 || ranges == 0) {
        fprintf(stderr, "usage: %s DIRECTORY [SECONDS [RATE [RANGES]]]\n", argv[0]);
        return 2;
    }
    printf("| logs | CPU us a write | of it calls that prune | log in the end, MB | at most | "
           "disk, MB |\n");
    printf("| --- | --- | --- | --- | --- | --- |\n");
    for (int pruned = 0; pruned < 2; pruned++) {
        snprintf(path, sizeof path, "%s/%s", argv[1], pruned ? "pruned" : "kept");
        run(path, pruned != 0, seconds, rate, ranges);
    }
    return 0;
}
