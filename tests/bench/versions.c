/* versions.c - what dots, range clocks and the range log cost a write.
 *
 *   storage_versions DIRECTORY [WRITES [RUNS [with|without]]]
 *
 * The same engine twice: with a dot for each write, its entry in the range log and the range's
 * clock, and with none of them (a part without a dot is merged as state, and names nothing). Rows
 * of one column of 100 bytes, new keys and overwritten ones, in random order over 256 ranges, in
 * groups of 16 without fsync. Runs alternate, each on an empty directory. CPU is that of the whole
 * process, loop, committer and compaction, until the store is closed; written is what the process
 * gave to write(2); kept is what lies in the directory. With one of them only nothing is compared:
 * so a counter of instructions can be asked about each alone, where times say little. */
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
#include <unistd.h>

#define GROUP   16
#define RANGES  256
#define VALUE   100
#define BACKLOG ((size_t)4 << 20)

struct cost {
    double cpu_us, written, kept;
};

/* Bytes that this process has given to write(2). */
static double written(void)
{
    char line[128];
    double bytes = 0;
    FILE *io = fopen("/proc/self/io", "r");
    while (io != NULL && fgets(line, sizeof line, io) != NULL) {
        if (strncmp(line, "wchar:", 6) == 0)
            bytes = strtod(line + 6, NULL);
    }
    if (io != NULL)
        fclose(io);
    return bytes;
}

static double clear(const char *dir)
{
    char path[1300];
    struct stat st;
    double sum = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (e->d_name[0] == '.' || stat(path, &st) != 0)
            continue;
        sum += (double)st.st_size;
        unlink(path);
    }
    if (d != NULL)
        closedir(d);
    rmdir(dir);
    return sum;
}

/* Half of the writes go to keys that are there. */
static void put(struct engine *engine, uint64_t number, uint64_t key, bool versions)
{
    uint8_t pk[8], value[VALUE] = {0};
    range_no range = (range_no)(key % RANGES);
    struct dot dot = {{0, 0}, 0};
    if (versions)
        dot = engine_next_dot(engine, 1, range, (struct actor){1, 1});
    store_u64(pk, key);
    store_u64(value, number * 0x9e3779b97f4a7c15u);
    struct cell cell = {.column = 1,
                        .timestamp = 1700000000000000 + (int64_t)number,
                        .value = bytes_make(value, sizeof value),
                        .dot = dot};
    struct row row = {.deletion = TOMB_NONE, .cells = &cell, .cells_count = 1};
    struct part p = {.table = 1,
                     .token = (token)(key * 0x9e3779b97f4a7c15u),
                     .key = bytes_make(pk, sizeof pk),
                     .deletion = TOMB_NONE,
                     .rows = &row,
                     .rows_count = 1};
    p.static_row.deletion = TOMB_NONE;
    enum err err = engine_apply(engine, 1, range, &p, dot, NULL, 0);
    ASSERT(err == ERR_OK);
}

static struct cost measure(const char *dir, uint64_t writes, bool versions)
{
    struct store_leveldb_config config = {.path = dir, .sync = STORE_SYNC_PERIODIC};
    struct engine_config engine_config = {.seed = 1, .ring_ranges = RANGES};
    struct store *store;
    struct engine *engine;
    struct errmsg msg;
    struct rng rng;
    rng_init(&rng, 1);
    double cpu = measure_cpu_us();
    double bytes = written();
    if (store_leveldb_open(&config, &store, &msg) != ERR_OK ||
        engine_new(store, &engine_config, &engine, &msg) != ERR_OK) {
        fprintf(stderr, "%s\n", msg.text);
        exit(1);
    }
    for (uint64_t i = 0; i < writes; i++) {
        put(engine, i, rng_below(&rng, writes / 2 + 1), versions);
        if (i % GROUP == GROUP - 1)
            measure_wait(store, BACKLOG);
    }
    measure_wait(store, 0);
    engine_free(engine);
    store_close(store);
    struct cost c = {(measure_cpu_us() - cpu) / (double)writes,
                     (written() - bytes) / (double)writes, 0};
    c.kept = clear(dir) / (double)writes;
    return c;
}

int main(int argc, char **argv)
{
    char dir[1000];
    struct cost sum[2] = {{0, 0, 0}, {0, 0, 0}};
    const char *only = argc > 4 ? argv[4] : "";
    if (argc < 2) {
        fprintf(stderr, "usage: storage_versions DIRECTORY [WRITES [RUNS [with|without]]]\n");
        return 2;
    }
    uint64_t writes = argc > 2 ? strtoull(argv[2], NULL, 10) : 500000;
    unsigned runs = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 5;
    for (unsigned i = 0; i < 2 * runs; i++) {
        snprintf(dir, sizeof dir, "%s/versions-%u", argv[1], i);
        const char *name = i % 2 == 1 ? "with" : "without";
        if (only[0] != 0 && strcmp(only, name) != 0)
            continue;
        struct cost c = measure(dir, writes, i % 2 == 1);
        sum[i % 2].cpu_us += c.cpu_us / runs;
        sum[i % 2].written += c.written / runs;
        sum[i % 2].kept += c.kept / runs;
        fprintf(stderr, "%s: %.2f us\n", name, c.cpu_us);
    }
    if (only[0] != 0)
        return 0;
    printf("| per write | without | with dots, log, clocks | ratio |\n|---|---|---|---|\n");
    printf("| CPU, us | %.2f | %.2f | %.2f |\n", sum[0].cpu_us, sum[1].cpu_us,
           sum[1].cpu_us / sum[0].cpu_us);
    printf("| bytes written | %.0f | %.0f | %.2f |\n", sum[0].written, sum[1].written,
           sum[1].written / sum[0].written);
    printf("| bytes kept | %.0f | %.0f | %.2f |\n", sum[0].kept, sum[1].kept,
           sum[1].kept / sum[0].kept);
    return 0;
}
