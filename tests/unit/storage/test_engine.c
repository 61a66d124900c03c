/* engine: random writes, scans, pages and merges against a model that keeps every event. */
#include "base/mem.h"
#include "gen.h"
#include "storage/engine.h"
#include "storage/part_private.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define PARTS      4
#define EVENTS_MAX 60
#define REPLICAS   3
#define TABLE      7

/* Partition keys with zeros and prefixes of each other, in the order of their tokens. */
static const struct {
    token token;
    const char *key;
    size_t len;
} places[PARTS] = {{-9, "k", 1}, {3, "", 0}, {3, "\0", 1}, {3, "\0\1", 2}};

struct history {
    struct event events[PARTS][REPLICAS * EVENTS_MAX]; /* as many as united() makes */
    size_t count[PARTS];
};

struct replica {
    struct store *store;
    struct engine *engine;
    struct history seen;
};

struct world {
    struct rng rng;
    struct replica replicas[REPLICAS];
    struct arena arena;
    uint64_t seed;
};

static void replica_open(struct replica *r, uint64_t seed)
{
    struct engine_config config = {.seed = seed, .ring_ranges = 16};
    struct errmsg msg;
    if (r->store == NULL)
        r->store = store_mem_new();
    CU_ASSERT_EQUAL_FATAL(engine_new(r->store, &config, &r->engine, &msg), ERR_OK);
}

static void replica_close(struct replica *r)
{
    engine_free(r->engine);
    store_close(r->store);
    *r = (struct replica){0};
}

static void world_open(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    rng_init(&w->rng, seed);
    arena_init(&w->arena);
    w->seed = seed;
    for (size_t i = 0; i < REPLICAS; i++)
        replica_open(&w->replicas[i], seed);
}

static void world_close(struct world *w)
{
    for (size_t i = 0; i < REPLICAS; i++)
        replica_close(&w->replicas[i]);
    arena_close(&w->arena);
}

static struct part place_part(struct part p, size_t place)
{
    p.table = TABLE;
    p.token = places[place].token;
    p.key = bytes_make(places[place].key, places[place].len);
    return p;
}

static bool apply(struct replica *r, const struct event *events, size_t count, size_t place,
                  struct dot dot, struct arena *arena)
{
    struct part p = place_part(gen_part(events, count, arena), place);
    memcpy(&r->seen.events[place][r->seen.count[place]], events, count * sizeof *events);
    r->seen.count[place] += count;
    return engine_apply(r->engine, 1, 2, &p, dot, NULL, 0) == ERR_OK;
}

/* One write to one or more replicas. */
static bool write_somewhere(struct world *w, uint64_t n, bool everywhere)
{
    struct event events[3];
    struct dot dot = {{1 + (uint32_t)rng_below(&w->rng, 2), 1}, n};
    size_t place = (size_t)rng_below(&w->rng, PARTS);
    size_t count = 1 + (size_t)rng_below(&w->rng, 3);
    bool good = true;
    for (size_t i = 0; i < count; i++)
        events[i] = gen_event(&w->rng, dot);
    for (size_t i = 0; i < REPLICAS; i++) {
        struct replica *r = &w->replicas[i];
        if (r->seen.count[place] + count <= EVENTS_MAX &&
            (everywhere || rng_chance(&w->rng, 600000)))
            good = good && apply(r, events, count, place, dot, &w->arena);
    }
    return good;
}

/* --- the model of a scan */

static bool in_slices(const struct scan *s, struct bytes row)
{
    for (size_t i = 0; i < s->slices_count; i++) {
        if (bytes_compare(s->slices[i].start, row) <= 0 && range_before_end(row, s->slices[i].end))
            return true;
    }
    return s->slices_count == 0;
}

/* A live row of the answer, as text: place, row key or "-" for static alone, winning cells. */
static void note_row(struct buf *out, token place, struct bytes key, const struct row *row,
                     bool is_static, int64_t now_s)
{
    buf_printf(out, "[%lld/%zu/%.*s]", (long long)place, key.len, is_static ? 1 : (int)row->key.len,
               is_static ? "-" : (const char *)row->key.data);
    for (size_t i = 0; i < row->cells_count; i++) {
        const struct cell *c = &row->cells[i];
        if (cell_is_live(c, now_s))
            buf_printf(out, "%u%.*s=%.*s@%lld;", c->column, (int)c->path.len,
                       (const char *)c->path.data, (int)c->value.len, (const char *)c->value.data,
                       (long long)c->timestamp);
    }
}

static void model_scan(const struct history *h, const struct scan *s, struct arena *arena,
                       struct buf *out)
{
    uint32_t total = 0;
    for (size_t place = 0; place < PARTS; place++) {
        struct part p = place_part(model_part(h->events[place], h->count[place], arena), place);
        bool here = s->single ? bytes_equal(p.key, s->key) && p.token == s->token
                              : p.token > s->after_token && p.token <= s->upto_token;
        uint32_t live = 0;
        for (size_t i = 0; i < p.rows_count && here; i++) {
            const struct row *row = &p.rows[s->reversed ? p.rows_count - 1 - i : i];
            if (!in_slices(s, row->key) || !row_is_live(row, s->now_s) ||
                (s->rows_max > 0 && total == s->rows_max) ||
                (s->rows_per_part > 0 && live == s->rows_per_part))
                continue;
            note_row(out, p.token, p.key, row, false, s->now_s);
            live++;
            total++;
        }
        if (here && live == 0 && s->want_static && s->slices_count == 0 && p.has_static &&
            row_is_live(&p.static_row, s->now_s) && (s->rows_max == 0 || total < s->rows_max)) {
            note_row(out, p.token, p.key, &p.static_row, true, s->now_s);
            total++;
        }
    }
}

static struct scan random_scan(struct world *w)
{
    struct rng *r = &w->rng;
    struct scan s = {.table = TABLE, .now_s = rng_between(r, 99, 104)};
    size_t place = (size_t)rng_below(r, PARTS);
    s.single = rng_chance(r, 500000);
    s.token = places[place].token;
    s.key = bytes_make(places[place].key, places[place].len);
    s.after_token = rng_chance(r, 500000) ? INT64_MIN : rng_between(r, -10, 3);
    s.upto_token = rng_chance(r, 500000) ? INT64_MAX : rng_between(r, s.after_token / 2, 4);
    s.reversed = s.single && rng_chance(r, 400000);
    s.want_static = rng_chance(r, 500000);
    s.rows_max = rng_chance(r, 500000) ? (uint32_t)rng_between(r, 1, 5) : 0;
    if (rng_chance(r, 300000)) {
        s.slices = arena_array(&w->arena, struct scan_slice, 2);
        s.slices_count = 1 + (size_t)rng_below(r, 2);
        size_t a = (size_t)rng_below(r, 3);
        s.slices[0] = (struct scan_slice){bytes_text(gen_keys[a]), bytes_text(gen_keys[a + 1])};
        s.slices[1] = (struct scan_slice){bytes_text(gen_keys[a + 2]), BYTES_NONE};
    }
    return s;
}

static void note_result(const struct scan *s, const struct scan_result *r, struct buf *out)
{
    for (size_t i = 0; i < r->parts_count; i++) {
        const struct part *p = &r->parts[i];
        uint32_t live = 0;
        for (size_t k = 0; k < p->rows_count; k++) {
            const struct row *row = &p->rows[s->reversed ? p->rows_count - 1 - k : k];
            if (row_is_live(row, s->now_s)) {
                note_row(out, p->token, p->key, row, false, s->now_s);
                live++;
            }
        }
        if (live < scan_part_rows(s, p) && !(r->more && r->upto_in_part && i + 1 == r->parts_count))
            note_row(out, p->token, p->key, &p->static_row, true, s->now_s);
    }
}

/* Through the codecs, as between nodes. */
static bool ask(struct replica *r, const struct scan *s, struct arena *arena,
                struct scan_result *ret)
{
    struct buf b;
    struct scan copy;
    struct scan_result got;
    buf_init(&b, SIZE_MAX);
    scan_encode(s, &b);
    struct bytes bytes = arena_copy(arena, buf_bytes(&b));
    bool good = scan_decode(bytes, arena, &copy) == ERR_OK &&
                engine_scan(r->engine, &copy, arena, &got) == ERR_OK;
    if (good) {
        buf_clear(&b);
        scan_result_encode(&got, &b);
        bytes = arena_copy(arena, buf_bytes(&b));
        good = scan_result_decode(bytes, arena, ret) == ERR_OK;
    }
    buf_close(&b);
    return good;
}

/* All pages of a scan over `count` replicas, merged page by page as a coordinator does. */
static bool all_pages(struct world *w, struct scan s, size_t first, size_t count, uint32_t page,
                      struct buf *out)
{
    uint32_t left = s.rows_max;
    for (int pages = 0; pages < 300; pages++) {
        struct scan_result answers[REPLICAS], sum;
        s.rows_max = left > 0 && (page == 0 || left < page) ? left : page;
        for (size_t i = 0; i < count; i++) {
            if (!ask(&w->replicas[first + i], &s, &w->arena, &answers[i]))
                return false;
        }
        scan_result_merge(&s, answers, count, &w->arena, &sum);
        note_result(&s, &sum, out);
        if (s.rows_max > 0 && sum.live_rows > s.rows_max)
            return false;
        if (left > 0 && (left -= sum.live_rows) == 0)
            return true;
        if (!sum.more)
            return true;
        s.has_from = true;
        s.from_token = sum.upto_token;
        s.from_key = sum.upto_key;
        s.from_in_part = sum.upto_in_part;
        s.from_row = sum.upto_row;
        s.from_rows = sum.upto_rows;
    }
    return false; /* it goes round in circles */
}

static bool compare(struct world *w, const struct scan *s, const struct history *h, size_t first,
                    size_t count, uint32_t page)
{
    struct buf want, got;
    buf_init(&want, SIZE_MAX);
    buf_init(&got, SIZE_MAX);
    model_scan(h, s, &w->arena, &want);
    bool good = all_pages(w, *s, first, count, page, &got) &&
                bytes_equal(buf_bytes(&want), buf_bytes(&got));
    if (!good)
        fprintf(stderr,
                "engine: seed %llu: single %d reversed %d static %d max %u per %u slices %zu "
                "page %u bytes %u replicas %zu\nwant %.*s\ngot  %.*s\n",
                (unsigned long long)w->seed, s->single, s->reversed, s->want_static, s->rows_max,
                s->rows_per_part, s->slices_count, page, s->bytes_max, count, (int)want.len,
                (char *)want.data, (int)got.len, (char *)got.data);
    buf_close(&want);
    buf_close(&got);
    return good;
}

static struct history united(const struct world *w, size_t count)
{
    struct history h = w->replicas[0].seen;
    for (size_t i = 1; i < count; i++) {
        for (size_t p = 0; p < PARTS; p++) {
            const struct history *o = &w->replicas[i].seen;
            for (size_t k = 0; k < o->count[p]; k++)
                h.events[p][h.count[p]++] = o->events[p][k];
        }
    }
    return h;
}

static bool run_scans(uint64_t seed, bool many)
{
    struct world w;
    bool good = true;
    world_open(&w, seed);
    uint64_t writes = rng_below(&w.rng, many ? 24 : 60);
    for (uint64_t n = 1; n <= writes && good; n++)
        good = write_somewhere(&w, n, !many);
    for (int i = 0; i < 12 && good; i++) {
        struct scan s = random_scan(&w);
        uint32_t page = rng_chance(&w.rng, 500000) ? (uint32_t)rng_between(&w.rng, 1, 3) : 0;
        size_t count = many ? 2 + (size_t)rng_below(&w.rng, 2) : 1;
        struct history h = united(&w, count);
        if (rng_chance(&w.rng, 200000))
            s.bytes_max = 1 + (uint32_t)rng_below(&w.rng, 200);
        if (rng_chance(&w.rng, 300000))
            s.rows_per_part = (uint32_t)rng_between(&w.rng, 1, 3);
        good = compare(&w, &s, &h, 0, count, page);
        if (rng_chance(&w.rng, 200000))
            good = good && write_somewhere(&w, 1000 + (uint64_t)i, !many);
        arena_reset(&w.arena);
    }
    world_close(&w);
    return good;
}

static void scans_of_one_replica(void)
{
    for (uint64_t seed = 1; seed <= 400; seed++)
        CU_ASSERT_TRUE(run_scans(seed, false));
}

static void merged_answers_are_no_short_reads(void)
{
    for (uint64_t seed = 1; seed <= 400; seed++)
        CU_ASSERT_TRUE(run_scans(seed, true));
}

CU_TestInfo engine_tests[] = {
    {"scans of one replica equal the model", scans_of_one_replica},
    {"merged answers equal the model", merged_answers_are_no_short_reads},
    CU_TEST_INFO_NULL,
};
