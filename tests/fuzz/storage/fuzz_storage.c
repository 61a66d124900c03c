/* fuzz_storage.c - any bytes as a part, a clock, a scan, an answer, a pull of a range log, a row on
 * the disk or an entry of the index of garbage; the first byte chooses. What decodes must be
 * canonical and survive encoding; what is applied must be readable; a stored value of any bytes is
 * an error or a row, never more; the walk over garbage ends, whatever its entries say. */
#include "base/mem.h"
#include "storage/engine.h"
#include "storage/keys.h"
#include "storage/part_private.h"
#include "storage/store_mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_part(struct bytes in, struct arena *arena, struct buf *out)
{
    struct part p, again;
    struct digest digest;
    if (part_decode(in, arena, &p) != ERR_OK)
        return;
    ASSERT(part_is_canonical(&p));
    part_encode(&p, out);
    enum err err = part_decode(arena_copy(arena, buf_bytes(out)), arena, &again);
    ASSERT(err == ERR_OK);
    part_merge(&p, &again, arena, &again); /* idempotent */
    size_t len = out->len;
    part_encode(&again, out);
    ASSERT(bytes_equal(bytes_make(out->data, len), bytes_make(out->data + len, out->len - len)));
    part_digest(&p, 0, &digest);
}

static void fuzz_clock(struct bytes in, struct buf *out)
{
    struct clock c, again;
    clock_init(&c);
    clock_init(&again);
    if (clock_decode(in, &c) == ERR_OK) {
        clock_check(&c);
        clock_encode(&c, out);
        enum err err = clock_decode(buf_bytes(out), &again);
        ASSERT(err == ERR_OK);
        ASSERT(clock_equal(&c, &again));
        ASSERT(clock_covers(&c, &again));
    }
    clock_close(&c);
    clock_close(&again);
}

static struct engine *engine_over(struct store *s)
{
    struct engine_config config = {.seed = 1, .ring_ranges = 16};
    struct engine *e = NULL;
    enum err err = engine_new(s, &config, &e, NULL);
    ASSERT(err == ERR_OK);
    return e;
}

static void read_all(struct engine *e, struct arena *arena, table_no table)
{
    struct scan s = {.table = table, .after_token = INT64_MIN, .upto_token = INT64_MAX};
    struct scan_result r;
    s.want_static = true;
    enum err err = engine_scan(e, &s, arena, &r);
    ASSERT(err == ERR_OK || err == ERR_CORRUPT);
}

static void fuzz_scan(struct bytes in, struct arena *arena, struct buf *out)
{
    struct scan s, again;
    struct scan_result r;
    if (scan_decode(in, arena, &s) != ERR_OK)
        return;
    scan_encode(&s, out);
    enum err err = scan_decode(buf_bytes(out), arena, &again);
    ASSERT(err == ERR_OK);
    struct store *store = store_mem_new();
    struct engine *e = engine_over(store);
    err = engine_scan(e, &again, arena, &r);
    ASSERT(err == ERR_OK);
    ASSERT(r.parts_count == 0);
    engine_free(e);
    store_close(store);
}

static void fuzz_result(struct bytes in, struct arena *arena, struct buf *out)
{
    struct scan s = {.rows_max = 3, .rows_per_part = 2, .now_s = 5};
    struct scan_result r[2], sum;
    if (scan_result_decode(in, arena, &r[0]) != ERR_OK)
        return;
    scan_result_encode(&r[0], out);
    enum err err = scan_result_decode(buf_bytes(out), arena, &r[1]);
    ASSERT(err == ERR_OK);
    scan_result_merge(&s, r, 2, arena, &sum);
    ASSERT(sum.live_rows <= s.rows_max);
}

/* The same pull where something else lies in all the places that it brought to `e`, of which its
 * giver is said to know. */
static void fuzz_pull_over(struct bytes in, struct engine *e, struct arena *arena)
{
    struct scan s = {.after_token = INT64_MIN, .upto_token = INT64_MAX, .want_static = true};
    struct store *store = store_mem_new();
    struct engine *other = engine_over(store);
    struct scan_result r;
    struct clock context;
    struct dot dot = {{3, 1}, 0};
    clock_init(&context);
    if (engine_scan(e, &s, arena, &r) == ERR_OK) {
        for (size_t i = 0; i < r.parts_count; i++) {
            dot.n++;
            if (r.parts[i].siblings)
                continue;
            part_set_dot(&r.parts[i], dot);
            part_normalise(&r.parts[i], arena); /* neighbours may be equal now */
            enum err err = engine_apply(other, 1, 2, &r.parts[i], dot, NULL, 0);
            ASSERT(err == ERR_OK || err == ERR_TOO_BIG);
        }
        clock_add_run(&context, dot.actor, 1, dot.n + 1);
        for (int trusted = 0; trusted < 2; trusted++) {
            enum err err =
                engine_log_apply(other, 1, 2, in, &context, trusted == 1, trusted == 1, 0);
            ASSERT(err == ERR_OK || err == ERR_TOO_BIG);
        }
        read_all(other, arena, 0);
    }
    clock_close(&context);
    engine_free(other);
    store_close(store);
}

static void fuzz_pull(struct bytes in, struct arena *arena)
{
    struct store *store = store_mem_new();
    struct engine *e = engine_over(store);
    if (engine_log_apply(e, 1, 2, in, NULL, true, false, 0) == ERR_OK) {
        struct clock done;
        struct buf out;
        clock_init(&done);
        buf_init(&out, BUF_MAX_DEFAULT);
        read_all(e, arena, 0);
        store_flush(store); /* a pull gives only what is durable */
        store_mem_sync(store, SIZE_MAX);
        enum err err = engine_log_read(e, 1, 2, engine_clock(e, 1, 2), engine_clock(e, 1, 2),
                                       SIZE_MAX, &out, &done);
        ASSERT(err == ERR_OK);
        ASSERT(clock_equal(&done, engine_clock(e, 1, 2)));
        clock_close(&done);
        buf_close(&out);
        fuzz_pull_over(in, e, arena);
    }
    engine_free(e);
    store_close(store);
}

/* Key and value of a fragment as a damaged disk may have them. */
static void fuzz_stored(struct bytes in, struct arena *arena)
{
    struct store *store = store_mem_new();
    struct engine *e = engine_over(store);
    struct store_batch b;
    struct buf key;
    size_t half = in.len / 2;
    store_batch_init(&b);
    buf_init(&key, SIZE_MAX);
    key_table(&key, 0);
    buf_put(&key, in.data, half);
    store_batch_put(&b, buf_bytes(&key), bytes_make(in.data + half, in.len - half));
    store_write(store, &b, 0);
    read_all(e, arena, 0);
    store_batch_close(&b);
    buf_close(&key);
    engine_free(e);
    store_close(store);
}

/* What speaks of garbage on a damaged disk, beside a row that it may mean: the key of the one,
 * key and value of the other. */
static void fuzz_garbage(struct bytes in, struct arena *arena)
{
    struct clock agreed;
    struct store_batch b;
    struct buf key;
    struct reader r = reader_make(in);
    struct bytes entry = read_vbytes(&r);
    struct bytes place = read_vbytes(&r);
    if (r.failed)
        return;
    struct store *store = store_mem_new();
    store_batch_init(&b);
    buf_init(&key, SIZE_MAX);
    key_garbage_range(&key, 1, 2);
    buf_put(&key, entry.data, entry.len);
    store_batch_put(&b, buf_bytes(&key), BYTES_NONE);
    buf_clear(&key);
    key_table(&key, 0);
    buf_put(&key, place.data, place.len);
    store_batch_put(&b, buf_bytes(&key), bytes_make(r.at, reader_left(&r)));
    store_write(store, &b, 0);
    struct engine *e = engine_over(store);
    clock_init(&agreed);
    clock_add_run(&agreed, (struct actor){1, 1}, 1, 64);
    bool done = false;
    enum err err = ERR_OK;
    for (int calls = 0; !done && err == ERR_OK; calls++) {
        ASSERT(calls < 100);
        err = engine_purge(e, 1, 2, &agreed, 1000, 2, &done);
    }
    ASSERT(err == ERR_OK || err == ERR_CORRUPT);
    read_all(e, arena, 0);
    clock_close(&agreed);
    store_batch_close(&b);
    buf_close(&key);
    engine_free(e);
    store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct buf out;
    if (size == 0)
        return 0;
    struct bytes in = bytes_make(data + 1, size - 1);
    arena_init(&arena);
    buf_init(&out, SIZE_MAX);
    switch (data[0] % 7) {
    case 0: fuzz_part(in, &arena, &out); break;
    case 1: fuzz_clock(in, &out); break;
    case 2: fuzz_scan(in, &arena, &out); break;
    case 3: fuzz_result(in, &arena, &out); break;
    case 4: fuzz_pull(in, &arena); break;
    case 5: fuzz_stored(in, &arena); break;
    default: fuzz_garbage(in, &arena); break;
    }
    buf_close(&out);
    arena_close(&arena);
    return 0;
}
