/* tree.c - what Merkle trees cost: building, being asked, and the upkeep of a write.
 *
 *   storage_tree DIRECTORY [ROWS [RANGES]]
 *
 * So many partitions (a million) of one row with one column of 100 bytes, over so many ranges
 * (1024). Their trees are built, asked for their roots while nothing has changed, and then rows at
 * random are written again, so many for each range as a table row says; their logs are pruned, with
 * trees and, in another directory, without: the difference is what folding costs. CPU is that of
 * the whole process, compaction too; the time of roots and of folding alone is that of the calls.
 * That difference is small beside what a machine makes of it: a counter of instructions that dumps
 * before and after keep_up() says it exactly (storage/README.md has the command).
 */
#include "measure.h"

#include "base/mem.h"
#include "base/rng.h"
#include "storage/keys.h"
#include "storage/store_leveldb.h"
#include "storage/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define GROUP   64
#define VALUE   100
#define BACKLOG ((size_t)4 << 20)
#define WORK    10000
#define TURN    2048 /* entries that a node prunes in one call */

static const table_no tables[] = {1};
static const struct actor self = {1, 1};

struct bench {
    struct store *store;
    struct engine *engine;
    uint64_t rows, ranges, writes;
};

static double wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Of this thread: what a call of the engine costs, without what the store does behind it. */
static double thread_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Of tokens; of one range it is one less than there are. */
static uint64_t width_of(const struct bench *b)
{
    return UINT64_MAX / b->ranges + (b->ranges > 1);
}

static struct range_place place_of(const struct bench *b, uint64_t range)
{
    uint64_t first = range * width_of(b);
    bool last = range + 1 == b->ranges;
    struct range_place p = {.tables = tables, .tables_count = 1};
    p.first = (token)((uint64_t)INT64_MIN + first);
    p.last = last ? INT64_MAX : (token)((uint64_t)INT64_MIN + first + width_of(b) - 1);
    return p;
}

static void must(enum err err)
{
    if (err == ERR_OK)
        return;
    fprintf(stderr, "%s\n", err_text(err));
    exit(1);
}

static void put(struct bench *b, uint64_t row)
{
    uint8_t pk[8], value[VALUE] = {0};
    uint64_t at = row * 0x9e3779b97f4a7c15u;
    range_no range = b->ranges > 1 ? (range_no)(at / width_of(b)) : 0;
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

static void update(struct bench *b)
{
    for (uint64_t r = 0; r < b->ranges; r++) {
        struct range_place place = place_of(b, r);
        for (bool done = false; !done;)
            must(engine_tree_update(b->engine, 1, (range_no)r, &place, WORK, &done));
        if (r % 16 == 15)
            measure_wait(b->store, BACKLOG);
    }
    measure_wait(b->store, 0);
}

static uint64_t roots(struct bench *b)
{
    uint64_t rows = 0;
    struct clock asof;
    clock_init(&asof);
    for (uint64_t r = 0; r < b->ranges; r++) {
        struct range_place place = place_of(b, r);
        struct tree_sum sum;
        bool current;
        must(engine_tree_root(b->engine, 1, (range_no)r, &place, &sum, &asof, &current));
        if (!current)
            must(ERR_BEHIND);
        rows += sum.rows;
    }
    clock_close(&asof);
    return rows;
}

static uint64_t tree_bytes(struct bench *b)
{
    uint64_t bytes = 0;
    struct store_iter *it = store_iter_new(b->store);
    for (store_iter_seek(it, BYTES_LIT("t"));
         store_iter_valid(it) && store_iter_key(it).data[0] == 't'; store_iter_next(it))
        bytes += store_iter_key(it).len + store_iter_value(it).len;
    store_iter_free(it);
    return bytes;
}

/* Rows written again and their logs pruned: CPU of a write, of pruning by the thread that asks. */
struct upkeep {
    double write_us, prune_us;
};

static struct upkeep keep_up(struct bench *b, uint64_t writes)
{
    struct upkeep u;
    struct rng rng;
    rng_init(&rng, 7);
    double begin = measure_cpu_us();
    for (uint64_t i = 0; i < writes; i++)
        put(b, rng_below(&rng, b->rows));
    engine_save_clocks(b->engine);
    measure_wait(b->store, 0);
    u.write_us = (measure_cpu_us() - begin) / (double)writes;
    begin = thread_us();
    for (uint64_t r = 0; r < b->ranges; r++) {
        for (bool done = false; !done;)
            must(engine_log_prune(b->engine, 1, (range_no)r,
                                  engine_clock(b->engine, 1, (range_no)r), TURN, &done));
    }
    u.prune_us = (thread_us() - begin) / (double)writes;
    measure_wait(b->store, 0);
    return u;
}

static void bench_open(struct bench *b, const char *path, uint64_t rows, uint64_t ranges)
{
    struct store_leveldb_config config = {.path = path, .sync = STORE_SYNC_PERIODIC};
    struct engine_config engine_config = {.seed = 1, .ring_ranges = (uint32_t)ranges};
    struct errmsg msg;
    *b = (struct bench){.rows = rows, .ranges = ranges};
    if (store_leveldb_open(&config, &b->store, &msg) != ERR_OK ||
        engine_new(b->store, &engine_config, &b->engine, &msg) != ERR_OK) {
        fprintf(stderr, "%s\n", msg.text);
        exit(1);
    }
    for (uint64_t i = 0; i < rows; i++)
        put(b, i);
    measure_wait(b->store, 0);
}

static void bench_close(struct bench *b)
{
    engine_free(b->engine);
    store_close(b->store);
}

static void build(struct bench *b)
{
    double cpu = measure_cpu_us(), wall = wall_us();
    update(b);
    double rows = (double)b->rows;
    printf("| build, CPU us a row | %.2f |\n", (measure_cpu_us() - cpu) / rows);
    printf("| build, seconds | %.1f |\n", (wall_us() - wall) / 1e6);
    printf("| kept, bytes a row | %.3f |\n", (double)tree_bytes(b) / rows);
    uint64_t read = engine_stats(b->engine).fragments_read;
    wall = wall_us();
    uint64_t counted = roots(b);
    printf("| roots of all ranges, ms | %.2f |\n", (wall_us() - wall) / 1e3);
    printf("| fragments read for that | %llu |\n",
           (unsigned long long)(engine_stats(b->engine).fragments_read - read));
    if (counted != b->rows)
        must(ERR_CORRUPT);
}

int main(int argc, char **argv)
{
    static const uint64_t per_range[] = {256, 1024, 2048, 8192};
    char path[1000];
    struct bench with, without;
    if (argc < 2) {
        fputs("storage_tree DIRECTORY [ROWS [RANGES]]\n", stderr);
        return 2;
    }
    uint64_t rows = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    uint64_t ranges = argc > 3 ? strtoull(argv[3], NULL, 10) : 1024;
    if (rows == 0 || ranges == 0 || (ranges & (ranges - 1)) != 0) {
        fputs("storage_tree: there are rows, and ranges are a power of two\n", stderr);
        return 2;
    }
    snprintf(path, sizeof path, "%s/with", argv[1]);
    bench_open(&with, path, rows, ranges);
    snprintf(path, sizeof path, "%s/without", argv[1]);
    bench_open(&without, path, rows, ranges);
    printf("%llu rows in %llu ranges\n| what | |\n|---|---|\n", (unsigned long long)rows,
           (unsigned long long)ranges);
    build(&with);
    (void)keep_up(&with, ranges);
    (void)keep_up(&without, ranges);
    puts(
        "| writes a range | a write, CPU us | pruning its entry, ns | with a tree, ns | fold, % of "
        "a write | read again, CPU us |");
    for (size_t i = 0; i < ARRAY_LEN(per_range); i++) {
        uint64_t writes = per_range[i] * ranges;
        struct upkeep a = keep_up(&without, writes), b = keep_up(&with, writes);
        double begin = measure_cpu_us();
        update(&with);
        printf("| %llu | %.2f | %.0f | %.0f | %.1f | %.2f |\n", (unsigned long long)per_range[i],
               a.write_us, a.prune_us * 1e3, b.prune_us * 1e3,
               (b.prune_us - a.prune_us) / a.write_us * 100,
               (measure_cpu_us() - begin) / (double)writes);
        fflush(stdout);
    }
    bench_close(&with);
    bench_close(&without);
    return 0;
}
