/* purge.c - what reading over deleted rows costs, before and after they were dropped.
 *
 *   storage_purge DIRECTORY [ROWS]
 *
 * One partition of so many rows (a million), each written and then deleted by itself; and once more
 * with one deletion of all of them. A scan of the table is measured while the deletions are not
 * agreed, when engine_purge has been through, and when the store has compacted what that left;
 * beside it the scan of a table that never had anything. Nothing else runs in the process; CPU is
 * that of the whole process. */
#include "base/mem.h"
#include "storage/engine.h"
#include "storage/store_leveldb.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define GROUP   64
#define BACKLOG ((size_t)4 << 20)
#define WORK    10000

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void settle(struct store *s, size_t backlog)
{
    struct store_done done;
    store_flush(s);
    while (store_backlog(s) > backlog) {
        while (store_completed(s, &done))
            ;
        (void)poll(NULL, 0, 1);
    }
}

static const struct actor self = {1, 1};

static void apply(struct engine *e, struct store *s, struct part *p, uint64_t n)
{
    struct dot dot = {self, n};
    part_set_dot(p, dot);
    if (engine_apply(e, 1, 1, p, dot, NULL, 0) != ERR_OK) {
        fputs("a write failed\n", stderr);
        exit(1);
    }
    if (n % GROUP == 0)
        settle(s, BACKLOG);
}

static void write_rows(struct engine *e, struct store *s, table_no table, uint64_t rows,
                       bool one_by_one, uint64_t *n)
{
    struct arena arena;
    arena_init(&arena);
    for (uint64_t i = 0; i < rows * (one_by_one ? 2 : 1); i++) {
        struct cell cell = {.column = 1, .timestamp = 10, .value = BYTES_LIT("0123456789")};
        struct row row = {.key = bytes_text(arena_printf(&arena, "%08u", (unsigned)(i % rows))),
                          .deletion = TOMB_NONE,
                          .cells = &cell,
                          .cells_count = 1};
        if (i >= rows) {
            row.cells_count = 0;
            row.deletion = (struct tomb){20, 1, {{0, 0}, 0}};
        }
        struct part p = {.table = table, .key = BYTES_LIT("k"), .rows = &row, .rows_count = 1};
        p.deletion = p.static_row.deletion = TOMB_NONE;
        apply(e, s, &p, ++*n);
        arena_reset(&arena);
    }
    struct part all = {.table = table, .key = BYTES_LIT("k"), .deletion = {20, 1, {{0, 0}, 0}}};
    all.static_row.deletion = TOMB_NONE;
    if (!one_by_one)
        apply(e, s, &all, ++*n);
    settle(s, 0);
    arena_close(&arena);
}

/* All pages; the rows met that are deleted may be removed as it goes, so the first time counts. */
static double scan(struct engine *e, table_no table)
{
    struct scan s = {.table = table, .after_token = INT64_MIN, .upto_token = INT64_MAX};
    struct scan_result r = {.more = true};
    struct arena arenas[2];
    double begin = cpu_ms();
    arena_init(&arenas[0]);
    arena_init(&arenas[1]);
    for (int i = 0; r.more; i ^= 1) {
        arena_reset(&arenas[i]);
        if (engine_scan(e, &s, &arenas[i], &r) != ERR_OK)
            exit(1);
        s.has_from = true;
        s.from_token = r.upto_token;
        s.from_key = r.upto_key;
        s.from_in_part = r.upto_in_part;
        s.from_row = r.upto_row;
        s.from_rows = r.upto_rows;
    }
    arena_close(&arenas[0]);
    arena_close(&arenas[1]);
    return cpu_ms() - begin;
}

/* The fastest of many: they change nothing, and are too short for one to tell. */
static double best_scan(struct engine *e, table_no table)
{
    double best = scan(e, table);
    for (int i = 0; i < 100; i++) {
        double ms = scan(e, table);
        best = ms < best ? ms : best;
    }
    return best;
}

static void measure(struct engine *e, struct store *s, table_no table, uint64_t rows,
                    bool one_by_one)
{
    static uint64_t n;
    struct clock agreed;
    bool done = false;
    write_rows(e, s, table, rows, one_by_one, &n);
    double before = scan(e, table);
    settle(s, 0);
    clock_init(&agreed);
    clock_add_run(&agreed, self, 1, n);
    double begin = cpu_ms();
    double longest = 0;
    while (!done) {
        double at = cpu_ms();
        if (engine_purge(e, 1, 1, &agreed, 0, WORK, &done) != ERR_OK)
            exit(1);
        longest = cpu_ms() - at > longest ? cpu_ms() - at : longest;
        settle(s, BACKLOG);
    }
    settle(s, 0);
    double purged = cpu_ms() - begin;
    double first = scan(e, table);
    begin = cpu_ms();
    while (store_leveldb_compacts(s)) {
        (void)poll(NULL, 0, 10);
        settle(s, 0);
    }
    double compacted = cpu_ms() - begin;
    double after = best_scan(e, table);
    double empty = best_scan(e, table + 1000);
    printf("| %-22s | %11.1f | %5.0f | %6.1f | %12.3f | %10.0f | %10.4f | %10.4f | %5.2f |\n",
           one_by_one ? "each row by itself" : "the partition at once", before, purged, longest,
           first, compacted, after, empty, after / empty);
    clock_close(&agreed);
}

int main(int argc, char **argv)
{
    struct store *s;
    struct engine *e;
    struct errmsg msg;
    uint64_t rows = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    if (argc < 2) {
        fputs("storage_purge DIRECTORY [ROWS]\n", stderr);
        return 2;
    }
    struct store_leveldb_config config = {.path = argv[1]};
    struct engine_config engine_config = {.seed = 1, .ring_ranges = 16};
    if (store_leveldb_open(&config, &s, &msg) != ERR_OK ||
        engine_new(s, &engine_config, &e, &msg) != ERR_OK) {
        fprintf(stderr, "%s\n", msg.text);
        return 1;
    }
    printf("CPU ms of %llu rows\n", (unsigned long long)rows);
    puts(
        "| deleted                | scan before | purge | a call | right after | compaction | scan "
        "after | never used | ratio |");
    measure(e, s, 1, rows, true);
    measure(e, s, 2, rows, false);
    engine_free(e);
    store_close(s);
    return 0;
}
