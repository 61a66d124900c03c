/* layout.c - what a row costs on LevelDB as one key per cell, one key per row with
 * read-modify-write, one key per fragment of a row, and in the engine (fragments, with range log
 * and clocks).
 *
 *   storage_layout DIRECTORY [ROWS]
 *
 * Rows of 19 columns, 50 to a partition, written in random order in groups of 16 without fsync,
 * then as many updates of one column of random rows, then reads. CPU is that of the whole process:
 * loop, committer and compaction. The table in storage/README.md comes from here. */
#include "measure.h"

#include "base/mem.h"
#include "base/rng.h"
#include "storage/engine.h"
#include "storage/keys.h"
#include "storage/part_private.h"
#include "storage/store_leveldb.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COLUMNS  19
#define PER_PART 50
#define GROUP    16
#define TABLE    1
#define SLICES   2000
#define BACKLOG  ((size_t)4 << 20)

enum layout { CELLS, ROWS, FRAGMENTS, ENGINE, LAYOUTS };
static const char *const names[LAYOUTS] = {"key per cell", "key per row, read before update",
                                           "key per fragment, not collapsed", "engine"};

static struct {
    enum layout layout;
    char dir[512];
    struct store *store;
    struct engine *engine;
    struct arena arena;
    struct rng rng;
    struct store_batch batch;
    struct buf key, value;
    uint64_t writes;
    uint64_t fragment;
} f;

static void end_write(void)
{
    if (++f.writes % GROUP == 0) {
        store_flush(f.store);
        measure_wait(f.store, BACKLOG);
    }
}

/* Part of one row with `count` columns from `first`. */
static struct part make_part(uint64_t n, uint32_t first, uint32_t count)
{
    uint8_t *pk = arena_zero(&f.arena, 8);
    uint8_t *ck = arena_zero(&f.arena, 8);
    struct part p = {.table = TABLE, .deletion = TOMB_NONE, .rows_count = 1};
    store_u64(pk, n / PER_PART);
    store_u64(ck, n % PER_PART + 1);
    p.token = (token)(n / PER_PART * 0x9e3779b97f4a7c15u);
    p.key = bytes_make(pk, 8);
    p.static_row.deletion = TOMB_NONE;
    p.rows = arena_new(&f.arena, struct row);
    p.rows->key = bytes_make(ck, 8);
    p.rows->deletion = TOMB_NONE;
    p.rows->cells = arena_array(&f.arena, struct cell, count);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *value = arena_zero(&f.arena, 10);
        store_u64(value, rng_next(&f.rng));
        p.rows->cells[p.rows->cells_count++] =
            (struct cell){.column = first + i,
                          .timestamp = 1700000000000000 + (int64_t)f.writes,
                          .value = bytes_make(value, 10),
                          .dot = {{1, 1}, f.writes + 1}};
    }
    return p;
}

static void row_prefix(const struct part *p)
{
    key_part(&f.key, p->table, p->token, p->key);
    buf_put_u8(&f.key, KEY_ROW);
    key_add_escaped(&f.key, p->rows->key);
}

static void put_body(const struct part *p)
{
    buf_clear(&f.value);
    part_body_write(p, PART_NO_CLOCK, &f.value);
    store_batch_put(&f.batch, buf_bytes(&f.key), buf_bytes(&f.value));
}

static void put_cells(struct part *p)
{
    struct row row = *p->rows;
    for (size_t i = 0; i < row.cells_count; i++) {
        struct row one = {.deletion = TOMB_NONE, .cells = &row.cells[i], .cells_count = 1};
        struct part body = {.deletion = TOMB_NONE, .rows = &one, .rows_count = 1};
        body.static_row.deletion = TOMB_NONE;
        row_prefix(p);
        buf_put_u32(&f.key, row.cells[i].column);
        put_body(&body);
    }
}

static struct part body_of(const struct part *p, struct row *row)
{
    struct part body = *p;
    *row = *p->rows;
    row->key = BYTES_NONE;
    body.rows = row;
    return body;
}

static struct part read_body(struct bytes value)
{
    struct reader in = reader_make(arena_copy(&f.arena, value));
    struct part got = {.deletion = TOMB_NONE};
    enum err err = part_body_read(&in, &f.arena, &got);
    ASSERT(err == ERR_OK);
    return got;
}

static void write_part(struct part *p, bool is_new)
{
    struct row row;
    store_batch_clear(&f.batch);
    if (f.layout == ENGINE) {
        enum err err = engine_apply(f.engine, 1, 1, p, p->rows->cells->dot, NULL, 0);
        ASSERT(err == ERR_OK);
    } else if (f.layout == CELLS) {
        put_cells(p);
    } else {
        struct part body = body_of(p, &row);
        row_prefix(p);
        if (f.layout == FRAGMENTS) {
            buf_put_u64(&f.key, ++f.fragment);
        } else if (!is_new && store_get(f.store, buf_bytes(&f.key), &f.value) == ERR_OK) {
            struct part old = read_body(buf_bytes(&f.value));
            part_merge(&old, &body, &f.arena, &body);
        }
        put_body(&body);
    }
    if (f.layout != ENGINE)
        store_write(f.store, &f.batch, 0);
    end_write();
    arena_reset(&f.arena);
}

/* Joins what lies under the prefix in f.key, row by row; counts cells. */
static uint64_t read_prefix(void)
{
    struct store_iter *it = store_iter_new(f.store);
    struct part sum = {.deletion = TOMB_NONE};
    struct bytes last = BYTES_NONE;
    uint64_t cells = 0;
    size_t fragments = 0;
    size_t tail = f.layout == CELLS ? 4 : f.layout == FRAGMENTS ? KEY_FRAGMENT_SIZE : 0;
    store_iter_seek(it, buf_bytes(&f.key));
    while (store_iter_valid(it) && bytes_starts_with(store_iter_key(it), buf_bytes(&f.key))) {
        struct bytes key = arena_copy(&f.arena, store_iter_key(it));
        struct part got = read_body(store_iter_value(it));
        key.len -= tail;
        fragments = bytes_equal(key, last) ? fragments + 1 : 1;
        if (fragments > 1)
            part_merge(&sum, &got, &f.arena, &sum);
        else
            sum = got;
        cells += got.rows->cells_count;
        last = key;
        store_iter_next(it);
    }
    store_iter_free(it);
    return cells;
}

static uint64_t read_rows(uint64_t n, bool whole_part)
{
    struct part p = make_part(n, 1, 1);
    uint64_t cells = 0;
    if (f.layout != ENGINE) {
        row_prefix(&p);
        if (whole_part) {
            key_part(&f.key, p.table, p.token, p.key);
            buf_put_u8(&f.key, KEY_ROW);
        }
        cells = read_prefix();
    } else {
        uint8_t end[9] = {0};
        memcpy(end, p.rows->key.data, 8);
        struct scan_slice slice = {p.rows->key, bytes_make(end, sizeof end)};
        struct scan s = {.table = TABLE, .single = true, .token = p.token, .key = p.key};
        struct scan_result r;
        s.slices = &slice;
        s.slices_count = whole_part ? 0 : 1;
        enum err err = engine_scan(f.engine, &s, &f.arena, &r);
        ASSERT(err == ERR_OK);
        for (size_t i = 0; i < r.parts_count; i++) {
            for (size_t k = 0; k < r.parts[i].rows_count; k++)
                cells += r.parts[i].rows[k].cells_count;
        }
    }
    end_write();
    arena_reset(&f.arena);
    return cells;
}

static double disk_mib(bool remove)
{
    char path[1024];
    struct stat st;
    double sum = 0;
    DIR *dir = opendir(f.dir);
    for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", f.dir, d->d_name);
        if (d->d_name[0] == '.' || stat(path, &st) != 0)
            continue;
        sum += (double)st.st_size;
        if (remove)
            unlink(path);
    }
    if (dir != NULL)
        closedir(dir);
    if (remove)
        rmdir(f.dir);
    return sum / 1048576;
}

static void measure(uint64_t rows)
{
    struct store_leveldb_config config = {.path = f.dir, .sync = STORE_SYNC_PERIODIC};
    struct engine_config engine_config = {.seed = 1, .ring_ranges = 1};
    struct errmsg msg;
    uint64_t cells = 0;
    double t[5];
    if (store_leveldb_open(&config, &f.store, &msg) != ERR_OK ||
        engine_new(f.store, &engine_config, &f.engine, &msg) != ERR_OK) {
        fprintf(stderr, "%s\n", msg.text);
        exit(1);
    }
    f.writes = 0;
    t[0] = measure_cpu_us();
    for (uint64_t i = 0; i < rows; i++) { /* an odd step visits all rows, in an order that jumps */
        struct part p = make_part(i * 7919 % rows, 1, COLUMNS);
        write_part(&p, true);
    }
    measure_wait(f.store, 0);
    t[1] = measure_cpu_us();
    for (uint64_t i = 0; i < rows; i++) {
        struct part p = make_part(rng_below(&f.rng, rows), 1 + (uint32_t)(i % COLUMNS), 1);
        write_part(&p, false);
    }
    measure_wait(f.store, 0);
    t[2] = measure_cpu_us();
    for (uint64_t i = 0; i < rows / 2; i++)
        cells += read_rows(rng_below(&f.rng, rows), false);
    t[3] = measure_cpu_us();
    for (uint64_t i = 0; i < SLICES; i++)
        cells += read_rows(rng_below(&f.rng, rows), true);
    t[4] = measure_cpu_us();
    ASSERT(cells >= (rows / 2 + SLICES * PER_PART) * COLUMNS);
    measure_wait(f.store, 0);
    engine_free(f.engine);
    store_close(f.store);
    printf("| %-31s | %6.1f | %6.1f | %6.1f | %7.1f | %6.1f |\n", names[f.layout],
           (t[1] - t[0]) / (double)rows, (t[2] - t[1]) / (double)rows,
           (t[3] - t[2]) / (double)(rows / 2), (t[4] - t[3]) / SLICES, disk_mib(true));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: storage_layout DIRECTORY [ROWS]\n");
        return 2;
    }
    uint64_t rows = argc > 2 ? strtoull(argv[2], NULL, 10) : 100000;
    if (rows < PER_PART || rows % 7919 == 0) {
        fprintf(stderr, "ROWS: at least %d, and no multiple of 7919\n", PER_PART);
        return 2;
    }
    rows -= rows % PER_PART;
    arena_init(&f.arena);
    store_batch_init(&f.batch);
    buf_init(&f.key, SIZE_MAX);
    buf_init(&f.value, SIZE_MAX);
    printf("| layout | insert | update | read | slice of 50 | MiB |\n|---|---|---|---|---|---|\n");
    for (int i = 0; i < LAYOUTS; i++) {
        f.layout = (enum layout)i;
        rng_init(&f.rng, 1);
        snprintf(f.dir, sizeof f.dir, "%s/layout-%d", argv[1], i);
        measure(rows);
    }
    arena_close(&f.arena);
    store_batch_close(&f.batch);
    buf_close(&f.key);
    buf_close(&f.value);
    return 0;
}
