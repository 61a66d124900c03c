/* What trees should say: by full scans. */
#include "engine_fixture.h"
#include "gen.h"
#include "storage/keys.h"
#include "storage/part_private.h"
#include "tree_world.h"

/* --- the model */

static bool in_stretch(const struct tree_stretch *s, struct bytes place)
{
    return bytes_compare(place, s->from) >= 0 &&
           (s->upto.len == 0 || bytes_compare(place, s->upto) < 0);
}

static bool is_skipped(const struct tree_skip *skip, struct bytes place)
{
    for (size_t i = 0; skip != NULL && i < skip->count; i++) {
        if (in_stretch(&skip->items[i], place))
            return true;
    }
    return false;
}

static void add_item(const struct part *p, struct buf *place, const struct tree_stretch *s,
                     const struct tree_skip *skip, struct tree_sum *sum)
{
    static const struct siphash_key key;
    if (!in_stretch(s, buf_bytes(place)) || is_skipped(skip, buf_bytes(place)))
        return;
    part_body_write(p, PART_NO_CLOCK, place);
    sum->sum += siphash(&key, buf_bytes(place));
    sum->rows++;
}

static void add_part(const struct part *p, const struct tree_stretch *s,
                     const struct tree_skip *skip, struct tree_sum *sum)
{
    struct buf place;
    struct part one = *p;
    buf_init(&place, SIZE_MAX);
    one.rows_count = 0;
    key_tree_place(&place, p->token, p->key, KEY_DELETION);
    if (!part_is_empty(&one)) {
        one.siblings = p->has_static && p->static_row.siblings;
        add_item(&one, &place, s, skip, sum);
    }
    for (size_t i = 0; i < p->rows_count; i++) {
        struct row row = p->rows[i];
        key_tree_place(&place, p->token, p->key, KEY_ROW);
        key_add_escaped(&place, row.key);
        row.key = BYTES_NONE;
        one = (struct part){.siblings = row.siblings, .deletion = TOMB_NONE};
        one.static_row.deletion = TOMB_NONE;
        one.rows = &row;
        one.rows_count = 1;
        add_item(&one, &place, s, skip, sum);
    }
    buf_close(&place);
}

struct tree_sum tree_world_sum(struct tree_world *w, table_no table,
                               const struct tree_stretch *stretch, const struct tree_skip *skip)
{
    struct scan s = {.table = table, .after_token = -1, .upto_token = TREE_TOKENS};
    struct scan_result r;
    struct tree_sum sum = {0, 0};
    s.want_static = true;
    s.bytes_max = UINT32_MAX;
    if (engine_scan(w->engine, &s, &w->arena, &r) != ERR_OK || r.more) {
        tree_world_wrong(w, "the table cannot be read");
        return sum;
    }
    for (size_t i = 0; i < r.parts_count; i++)
        add_part(&r.parts[i], stretch, skip, &sum);
    return sum;
}

static bool sums_equal(struct tree_sum a, struct tree_sum b)
{
    return a.sum == b.sum && a.rows == b.rows;
}

/* --- checks */

void tree_world_update(struct tree_world *w, size_t work_max)
{
    bool done = false;
    for (unsigned i = 0; !done && w->wrong == NULL; i++) {
        tree_world_expect(
            w, engine_tree_update(w->engine, KEYSPACE, RANGE, &w->place, work_max, &done) == ERR_OK,
            "a tree is not brought up to date");
        tree_world_expect(w, i < 100000, "a tree is never up to date");
    }
}

void tree_world_check_clean(struct tree_world *w)
{
    struct tree_scrub scrub = {.table = 0};
    struct tree_wrong *wrong;
    size_t count;
    bool done = false;
    size_t work_max = 1 + (size_t)rng_below(&w->rng, 200);
    while (!done && w->wrong == NULL) {
        enum err err = engine_tree_scrub(w->engine, KEYSPACE, RANGE, &w->place, &scrub, work_max,
                                         &w->arena, &wrong, &count, &done);
        if (err == ERR_BEHIND)
            break;
        tree_world_expect(w, err == ERR_OK, "a tree cannot be scrubbed");
        tree_world_expect(w, err != ERR_OK || count == 0, "what is clean is wrong");
    }
    buf_close(&scrub.from);
}

static void check_root(struct tree_world *w)
{
    static const struct tree_stretch all;
    struct tree_sum sums[TREE_TABLES];
    struct clock asof;
    bool current;
    clock_init(&asof);
    uint64_t read = engine_stats(w->engine).fragments_read;
    tree_world_expect(
        w, engine_tree_root(w->engine, KEYSPACE, RANGE, &w->place, sums, &asof, &current) == ERR_OK,
        "no root");
    tree_world_expect(w, engine_stats(w->engine).fragments_read == read, "a root reads data");
    tree_world_expect(w, current, "a root is not current");
    tree_world_expect(w, clock_equal(&asof, engine_clock(w->engine, KEYSPACE, RANGE)),
                      "another clock");
    for (size_t i = 0; i < TREE_TABLES; i++)
        tree_world_expect(w, sums_equal(sums[i], tree_world_sum(w, w->place.tables[i], &all, NULL)),
                          "a root is wrong");
    clock_close(&asof);
}

/* A place that may or may not have a row. */
static struct bytes some_place(struct tree_world *w, table_no table)
{
    struct buf b;
    struct bytes key = BYTES_NONE;
    token at = (token)rng_below(&w->rng, TREE_TOKENS + 3) - 1;
    if (table == w->place.tables[1])
        at = at / 40 * 40;
    buf_init(&b, SIZE_MAX);
    key = at % 3 == 0 ? bytes_make("k\0\0x", 3) : tree_world_numbered(w, "k%u", (unsigned)at);
    if (rng_chance(&w->rng, 200000)) {
        key_tree_place(&b, at, key, KEY_DELETION);
    } else {
        key_tree_place(&b, at, key, KEY_ROW);
        key_add_escaped(
            &b, rng_chance(&w->rng, 500000)
                    ? gen_row_key(&w->rng)
                    : tree_world_numbered(w, "%04u", (unsigned)rng_below(&w->rng, TREE_WIDE_ROWS)));
    }
    struct bytes place = arena_copy(&w->arena, buf_bytes(&b));
    buf_close(&b);
    return place;
}

static struct tree_stretch some_stretch(struct tree_world *w, table_no table)
{
    struct tree_stretch s = {some_place(w, table), some_place(w, table)};
    if (bytes_compare(s.from, s.upto) > 0)
        s = (struct tree_stretch){s.upto, s.from};
    if (rng_chance(&w->rng, 100000) || bytes_equal(s.from, s.upto))
        s.upto = BYTES_NONE;
    if (rng_chance(&w->rng, 100000))
        s.from = BYTES_NONE;
    return s;
}

struct asked {
    table_no table;
    struct tree_stretch stretch;
    const struct tree_skip *skip;
    struct tree_sum whole;
};

static void check_cut(struct tree_world *w, const struct asked *a)
{
    struct tree_slice slices[16];
    struct tree_sum sum = {0, 0};
    size_t count = 0, max = 1 + (size_t)rng_below(&w->rng, ARRAY_LEN(slices));
    enum err err = engine_tree_cut(w->engine, KEYSPACE, RANGE, &w->place, a->table, &a->stretch,
                                   a->skip, max, &w->arena, slices, &count);
    tree_world_expect(w, err == ERR_OK && count >= 1 && count <= max, "a stretch is not cut");
    for (size_t i = 0; i < count && w->wrong == NULL; i++) {
        struct bytes from = i > 0 ? slices[i - 1].stretch.upto : a->stretch.from;
        tree_world_expect(w, bytes_equal(slices[i].stretch.from, from), "slices do not join");
        tree_world_expect(
            w, sums_equal(slices[i].sum, tree_world_sum(w, a->table, &slices[i].stretch, a->skip)),
            "a slice is wrong");
        sum.sum += slices[i].sum.sum;
        sum.rows += slices[i].sum.rows;
    }
    tree_world_expect(w, count == 0 || bytes_equal(slices[count - 1].stretch.upto, a->stretch.upto),
                      "the last slice ends elsewhere");
    tree_world_expect(w, sums_equal(sum, a->whole), "slices do not add up");
}

/* Nothing is agreed, and nothing has expired: the hashes are the digests. */
static void check_list(struct tree_world *w, const struct asked *a)
{
    struct tree_sum sum = {0, 0};
    struct tree_stretch s = a->stretch;
    size_t max = 1 + (size_t)rng_below(&w->rng, 50);
    do {
        struct tree_item *items;
        size_t count;
        enum err err =
            engine_tree_list(w->engine, KEYSPACE, RANGE, &w->place, a->table, &s, a->skip, NULL,
                             INT64_MIN, max, &w->arena, &items, &count, &s.from);
        tree_world_expect(w, err == ERR_OK && count <= max, "a stretch is not listed");
        for (size_t i = 0; err == ERR_OK && i < count; i++)
            sum.sum += items[i].content_hash;
        sum.rows += err == ERR_OK ? count : 0;
    } while (s.from.len > 0 && w->wrong == NULL);
    tree_world_expect(w, sums_equal(sum, a->whole), "a list is wrong");
}

static void check_stretch(struct tree_world *w)
{
    struct tree_touched touched[5];
    struct tree_skip skip;
    struct tree_sum sum;
    size_t count = (size_t)rng_below(&w->rng, ARRAY_LEN(touched));
    table_no table = w->place.tables[rng_below(&w->rng, TREE_TABLES)];
    struct asked a = {.table = table, .stretch = some_stretch(w, table)};
    for (size_t i = 0; i < count; i++)
        touched[i] = (struct tree_touched){table + (i == 4), some_stretch(w, table)};
    tree_skip_make(touched, count, table, &w->arena, &skip);
    a.skip = rng_chance(&w->rng, 500000) ? &skip : NULL;
    a.whole = tree_world_sum(w, table, &a.stretch, a.skip);
    enum err err =
        engine_tree_sum(w->engine, KEYSPACE, RANGE, &w->place, table, &a.stretch, a.skip, &sum);
    tree_world_expect(w, err == ERR_OK && sums_equal(sum, a.whole),
                      "the sum of a stretch is wrong");
    check_cut(w, &a);
    check_list(w, &a);
}

void tree_world_check(struct tree_world *w)
{
    tree_world_update(w, 1 + (size_t)rng_below(&w->rng, 300));
    if (w->wrong == NULL)
        check_root(w);
    for (int i = 0; i < 3 && w->wrong == NULL; i++)
        check_stretch(w);
}
