/* weigh.c - what it costs to know that a write wins.
 *
 *   storage_weigh DIRECTORY [WRITES]
 *
 * The same writes in three ways: applied alone, weighed first and newest (nothing is read), and
 * weighed with timestamps a second behind those of the first round (each reads its row). Then all
 * of them to one row, each second one older than the one before, so that it reads what the row has
 * been overwritten with; with that, how many keys of LevelDB a write compared, and the most for
 * one. */
#include "measure.h"

#include "base/mem.h"
#include "base/rng.h"
#include "storage/engine.h"
#include "storage/store_leveldb.h"

#include <stdio.h>
#include <stdlib.h>

#define GROUP   16
#define RANGES  256
#define VALUE   100
#define BACKLOG ((size_t)4 << 20)

static void put(struct engine *engine, uint64_t key, int64_t timestamp, bool weighs,
                struct arena *arena)
{
    uint8_t pk[8], value[VALUE] = {0};
    range_no range = (range_no)(key % RANGES);
    struct dot dot = engine_next_dot(engine, 1, range, (struct actor){1, 1});
    struct weighed w;
    store_u64(pk, key);
    store_u64(value, (uint64_t)timestamp * 0x9e3779b97f4a7c15u);
    struct cell cell = {
        .column = 1, .timestamp = timestamp, .value = bytes_make(value, sizeof value), .dot = dot};
    struct row row = {.deletion = TOMB_NONE, .cells = &cell, .cells_count = 1};
    struct part p = {.table = 1,
                     .token = (token)(key * 0x9e3779b97f4a7c15u),
                     .key = bytes_make(pk, sizeof pk),
                     .deletion = TOMB_NONE,
                     .rows = &row,
                     .rows_count = 1};
    p.static_row.deletion = TOMB_NONE;
    arena_reset(arena);
    enum err err = weighs ? engine_weigh(engine, &p, NULL, 0, 0, arena, &w) : ERR_OK;
    if (err == ERR_OK)
        err = engine_apply(engine, 1, range, weighs ? &w.part : &p, dot, NULL, 0);
    ASSERT(err == ERR_OK);
}

/* A tenth of them at a time, for it must not get dearer. */
static void one_row(struct engine *engine, struct store *store, uint64_t writes, int64_t timestamp,
                    struct arena *arena)
{
    for (int tenth = 0; tenth < 10; tenth++) {
        double cpu = measure_cpu_us();
        uint64_t compared = store_leveldb_compared();
        uint64_t most = 0;
        for (uint64_t i = 0; i < writes / 10; i++) {
            uint64_t before = store_leveldb_compared();
            put(engine, writes, ++timestamp - (i % 2 ? 2 : 0), true, arena);
            uint64_t this = store_leveldb_compared() - before;
            most = this > most ? this : most;
            if (i % GROUP == GROUP - 1)
                measure_wait(store, BACKLOG);
        }
        measure_wait(store, 0);
        double count = (double)(writes / 10 > 0 ? writes / 10 : 1);
        printf("one row         %.2f us, %.0f keys, at most %llu\n",
               (measure_cpu_us() - cpu) / count,
               (double)(store_leveldb_compared() - compared) / count, (unsigned long long)most);
    }
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"applied alone", "weighed, newest", "weighed, older"};
    struct store_leveldb_config config = {.sync = STORE_SYNC_PERIODIC};
    struct engine_config engine_config = {.seed = 1, .ring_ranges = RANGES};
    struct store *store;
    struct engine *engine;
    struct errmsg msg;
    struct rng rng;
    struct arena arena = {0};
    int64_t timestamp = 1700000000000000;
    if (argc < 2) {
        fprintf(stderr, "usage: storage_weigh DIRECTORY [WRITES]\n");
        return 2;
    }
    uint64_t writes = argc > 2 ? strtoull(argv[2], NULL, 10) : 300000;
    config.path = argv[1];
    if (store_leveldb_open(&config, &store, &msg) != ERR_OK ||
        engine_new(store, &engine_config, &engine, &msg) != ERR_OK) {
        fprintf(stderr, "%s\n", msg.text);
        return 1;
    }
    rng_init(&rng, 1);
    for (int way = 0; way < 6; way++) { /* each twice, the second time counts */
        double cpu = measure_cpu_us();
        for (uint64_t i = 0; i < writes; i++) {
            int64_t behind = way % 3 == 2 ? INT64_C(100000000) : 0;
            put(engine, rng_below(&rng, writes / 2 + 1), ++timestamp - behind, way % 3 > 0, &arena);
            if (i % GROUP == GROUP - 1)
                measure_wait(store, BACKLOG);
        }
        measure_wait(store, 0);
        if (way >= 3)
            printf("%-16s %.2f us\n", names[way % 3], (measure_cpu_us() - cpu) / (double)writes);
    }
    printf("rows read for it: %llu of %llu\n", (unsigned long long)engine_stats(engine).weighed,
           (unsigned long long)(4 * writes));
    put(engine, writes, ++timestamp, false, &arena);
    one_row(engine, store, writes, timestamp, &arena);
    engine_free(engine);
    store_close(store);
    arena_close(&arena);
    return 0;
}
