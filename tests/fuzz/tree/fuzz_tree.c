/* fuzz_tree.c - any bytes as the records of a tree, by themselves and on the disk of an engine, or
 * as a stretch that a peer names; the first byte chooses. What decodes survives encoding; what is
 * asked of a forged tree ends, with an answer or an error, and after an error there is a tree
 * again, which is right. */
#include "base/mem.h"
#include "storage/keys.h"
#include "storage/part_private.h"
#include "storage/store_mem.h"
#include "storage/tree.h"
#include "storage/tree_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const table_no tables[] = {1};
static const struct range_place place = {INT64_MIN, INT64_MAX, tables, 1};
static const struct tree_stretch all;

static void fuzz_head(struct bytes in, struct arena *arena, struct buf *out)
{
    struct tree_head h = {0}, again = {0};
    if (tree_head_decode(in, arena, &h) == ERR_OK) {
        tree_head_encode(&h, out);
        size_t len = out->len;
        enum err err = tree_head_decode(arena_copy(arena, buf_bytes(out)), arena, &again);
        ASSERT(err == ERR_OK);
        tree_head_encode(&again, out);
        ASSERT(
            bytes_equal(bytes_make(out->data, len), bytes_make(out->data + len, out->len - len)));
    }
    clock_close(&h.asof);
    clock_close(&again.asof);
}

static void fuzz_leaves(struct bytes in, struct arena *arena, struct buf *out)
{
    struct tree_leaf *leaves, *again;
    size_t count, count_again;
    if (tree_leaves_decode(in, arena, &leaves, &count) != ERR_OK)
        return;
    tree_leaves_encode(leaves, count, out);
    enum err err = tree_leaves_decode(buf_bytes(out), arena, &again, &count_again);
    ASSERT(err == ERR_OK);
    ASSERT(count == count_again);
    for (size_t i = 0; i < count; i++) {
        ASSERT(bytes_equal(leaves[i].first, again[i].first));
        ASSERT(leaves[i].sum.sum == again[i].sum.sum);
        ASSERT(leaves[i].sum.rows == again[i].sum.rows);
        ASSERT(leaves[i].due == again[i].due);
    }
}

static struct engine *engine_over(struct store *s)
{
    struct engine_config config = {.seed = 1, .ring_ranges = 16, .tree_width = 4};
    struct engine *e = NULL;
    enum err err = engine_new(s, &config, &e, NULL);
    ASSERT(err == ERR_OK);
    engine_set_actor(e, (struct actor){1, 1});
    return e;
}

static void put_row(struct engine *e, uint8_t token_and_row)
{
    struct dot dot = engine_next_dot(e, 1, 2, (struct actor){1, 1});
    struct cell cell = {.column = 1, .timestamp = 5, .value = BYTES_LIT("v"), .dot = dot};
    struct row row = {.deletion = TOMB_NONE, .cells = &cell, .cells_count = 1};
    row.key = bytes_make(&token_and_row, 1);
    struct part p = {.table = 1, .token = token_and_row / 16, .key = BYTES_LIT("k")};
    p.deletion = p.static_row.deletion = TOMB_NONE;
    p.rows = &row;
    p.rows_count = 1;
    enum err err = engine_apply(e, 1, 2, &p, dot, NULL, 0);
    ASSERT(err == ERR_OK);
}

static bool update(struct engine *e)
{
    enum err err = ERR_OK;
    bool done = false;
    for (int i = 0; !done && err == ERR_OK; i++) {
        ASSERT(i < 1000);
        err = engine_tree_update(e, 1, 2, &place, 100, &done);
    }
    ASSERT(err == ERR_OK || err == ERR_CORRUPT);
    return err == ERR_OK;
}

static void ask(struct engine *e, struct arena *arena, const struct tree_stretch *s)
{
    struct tree_slice slices[4];
    struct tree_sum sum, added = {0, 0};
    struct tree_item *items;
    struct bytes next;
    size_t count = 0;
    enum err err = engine_tree_sum(e, 1, 2, &place, 1, s, NULL, &sum);
    enum err cut =
        engine_tree_cut(e, 1, 2, &place, 1, s, NULL, ARRAY_LEN(slices), arena, slices, &count);
    if (err == ERR_OK && cut == ERR_OK) {
        for (size_t i = 0; i < count; i++) {
            added.sum += slices[i].sum.sum;
            added.rows += slices[i].sum.rows;
        }
        ASSERT(added.sum == sum.sum);
        ASSERT(added.rows == sum.rows);
    }
    err = engine_tree_list(e, 1, 2, &place, 1, s, NULL, NULL, 0, 5, arena, &items, &count, &next);
    ASSERT(err == ERR_OK || err == ERR_MALFORMED);
}

static void put_record(struct store *s, struct buf *key, struct bytes value)
{
    struct store_batch b;
    store_batch_init(&b);
    store_batch_put(&b, buf_bytes(key), value);
    store_write(s, &b, 0);
    store_batch_close(&b);
}

/* A head, whose check is made right, two pieces and a mark. */
static void forge(struct store *s, struct bytes in, struct buf *out)
{
    struct reader r = reader_make(in);
    static const struct siphash_key none;
    struct buf key;
    struct bytes head = read_vbytes(&r);
    buf_init(&key, SIZE_MAX);
    buf_put_u8(out, 1);
    buf_put_u64(out, siphash(&none, BYTES_LIT("torc")));
    buf_put_bytes(out, head);
    key_tree(&key, 1, 2);
    put_record(s, &key, buf_bytes(out));
    for (uint32_t id = 0; id < 2; id++) {
        key_tree_table(&key, 1, 2, 1);
        buf_put_u32(&key, id);
        put_record(s, &key, read_vbytes(&r));
    }
    struct bytes mark = read_rest(&r);
    key_tree_mark(&key, 1, 2);
    if (mark.len > 0)
        put_record(s, &key, mark);
    buf_close(&key);
}

static void scrub_and_prune(struct engine *e, struct arena *arena)
{
    struct tree_scrub scrub = {.table = 0};
    struct tree_wrong *wrong;
    size_t count;
    bool done = false;
    enum err err = ERR_OK;
    for (int i = 0; !done && err == ERR_OK; i++) {
        ASSERT(i < 1000);
        err = engine_tree_scrub(e, 1, 2, &place, &scrub, 10, arena, &wrong, &count, &done);
    }
    ASSERT(err == ERR_OK || err == ERR_CORRUPT || err == ERR_BEHIND);
    buf_close(&scrub.from);
    err = engine_log_prune(e, 1, 2, engine_clock(e, 1, 2), 1000, &done);
    ASSERT(err == ERR_OK || err == ERR_CORRUPT);
}

static void fuzz_stored(struct bytes in, struct arena *arena, struct buf *out)
{
    struct store *s = store_mem_new();
    struct engine *e = engine_over(s);
    struct tree_sum first, sum;
    for (uint8_t i = 0; i < 40; i++)
        put_row(e, i);
    bool good = update(e);
    ASSERT(good);
    enum err err = engine_tree_sum(e, 1, 2, &place, 1, &all, NULL, &first);
    ASSERT(err == ERR_OK);
    engine_free(e);
    forge(s, in, out);
    e = engine_over(s);
    ask(e, arena, &all);
    scrub_and_prune(e, arena);
    if (!update(e)) {
        good = update(e);
        ASSERT(good);
        err = engine_tree_sum(e, 1, 2, &place, 1, &all, NULL, &sum);
        ASSERT(err == ERR_OK);
        ASSERT(sum.sum == first.sum);
        ASSERT(sum.rows == first.rows);
    }
    engine_free(e);
    store_close(s);
}

static void fuzz_stretch(struct bytes in, struct arena *arena)
{
    struct reader r = reader_make(in);
    struct tree_stretch s;
    s.from = read_vbytes(&r);
    s.upto = read_rest(&r);
    struct store *store = store_mem_new();
    struct engine *e = engine_over(store);
    for (uint8_t i = 0; i < 40; i++)
        put_row(e, i);
    bool good = update(e);
    ASSERT(good);
    ask(e, arena, &s);
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
    switch (data[0] % 4) {
    case 0: fuzz_head(in, &arena, &out); break;
    case 1: fuzz_leaves(in, &arena, &out); break;
    case 2: fuzz_stored(in, &arena, &out); break;
    default: fuzz_stretch(in, &arena); break;
    }
    buf_close(&out);
    arena_close(&arena);
    return 0;
}
