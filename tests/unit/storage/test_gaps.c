/* Gaps: against a set of keys; and that who reads a store does not pay twice for what is gone. */
#include "base/mem.h"
#include "base/omap.h"
#include "base/rng.h"
#include "engine_fixture.h"
#include "storage/gaps.h"
#include "storage/store_leveldb.h"

#include <CUnit/CUnit.h>
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    char dir[64];
    struct store *store;
    struct engine *engine;
    struct arena arena;
    uint64_t n; /* of the last dot */
} f;

void gaps_setup(void); /* called by the runner */
void gaps_teardown(void);

void gaps_setup(void)
{
    memset(&f, 0, sizeof f);
    snprintf(f.dir, sizeof f.dir, "/tmp/torc-gaps-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f.dir));
}

void gaps_teardown(void)
{
    char path[512];
    engine_free(f.engine);
    store_close(f.store);
    arena_close(&f.arena);
    DIR *dir = opendir(f.dir);
    for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", f.dir, d->d_name);
        if (d->d_name[0] != '.')
            unlink(path);
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(f.dir);
}

static void open_store(uint32_t walk_many)
{
    struct store_leveldb_config config = {
        .path = f.dir, .write_buffer_bytes = 1 << 20, .walk_many = walk_many};
    struct errmsg msg;
    CU_ASSERT_EQUAL_FATAL(store_leveldb_open(&config, &f.store, &msg), ERR_OK);
}

static void open_all(void)
{
    open_store(0);
    CU_ASSERT_EQUAL_FATAL(open_engine(f.store, &f.engine), ERR_OK);
}

/* All that was written is in LevelDB, and the store knows. */
static void settle(void)
{
    struct store_done done;
    store_flush(f.store);
    while (store_completed(f.store, &done) || store_backlog(f.store) > 0) {
        struct pollfd p = {store_leveldb_wake_fd(f.store), POLLIN, 0};
        (void)poll(&p, 1, 100);
    }
}

static void reopen(void)
{
    engine_free(f.engine);
    store_close(f.store);
    f.engine = NULL;
    f.store = NULL;
    open_all();
}

/* --- the set by itself. Keys are of one byte: a gap is a set of numbers, and of keys between. */

#define KEYS 64

static struct bytes key_of(uint8_t *room, unsigned n)
{
    *room = (uint8_t)n;
    return bytes_make(room, 1);
}

/* Which of the keys lie in a gap; false: the gaps are not as they should be. */
static bool look(const struct gaps *g, bool *ret_in)
{
    uint8_t room;
    size_t bytes = 0;
    for (size_t i = 0; i < g->count; i++) {
        struct bytes from = buf_bytes(&g->of[i].from), to = buf_bytes(&g->of[i].to);
        bytes += from.len + to.len;
        if (bytes_compare(from, to) >= 0 ||
            (i > 0 && bytes_compare(buf_bytes(&g->of[i - 1].to), from) >= 0))
            return false;
        if (gaps_at(g, from) != &g->of[i] || gaps_before(g, to) != &g->of[i] ||
            gaps_at(g, to) != NULL ||
            gaps_above(g, from) != (i + 1 < g->count ? &g->of[i + 1] : NULL))
            return false;
    }
    for (unsigned n = 0; n < KEYS; n++)
        ret_in[n] = gaps_at(g, key_of(&room, n)) != NULL;
    return bytes == g->bytes && bytes <= GAPS_BYTES_MAX;
}

static void a_set_of_gaps_is_a_set_of_keys(void)
{
    struct rng r;
    rng_init(&r, 1);
    for (unsigned run = 0; run < 200; run++) {
        struct gaps g;
        bool model[KEYS] = {false}, in[KEYS];
        bool good = true;
        gaps_init(&g);
        for (unsigned i = 0; i < 60 && good; i++) {
            uint8_t a, b;
            unsigned from = (unsigned)rng_below(&r, KEYS - 1);
            unsigned to = from + 1 + (unsigned)rng_below(&r, rng_chance(&r, 100000) ? 40 : 4);
            to = to < KEYS ? to : KEYS - 1;
            if (rng_chance(&r, 500000)) {
                gaps_add(&g, key_of(&a, from), key_of(&b, to), i, false);
                for (unsigned n = from; n < to; n++)
                    model[n] = true;
            } else {
                gaps_cut(&g, key_of(&a, from));
                model[from] = false;
            }
            good = look(&g, in) && memcmp(in, model, sizeof in) == 0;
        }
        CU_ASSERT_TRUE(good);
        gaps_close(&g);
    }
}

/* What joins others is true from when the last of them is. */
static void a_joint_gap_is_as_young_as_its_parts(void)
{
    struct gaps g;
    gaps_init(&g);
    gaps_add(&g, BYTES_LIT("a"), BYTES_LIT("c"), 7, true);
    gaps_add(&g, BYTES_LIT("c"), BYTES_LIT("e"), 5, false);
    CU_ASSERT_EQUAL(g.count, 1);
    CU_ASSERT_EQUAL(g.of[0].since, 7);
    CU_ASSERT_TRUE(g.of[0].behind);
    gaps_add(&g, BYTES_LIT("0"), BYTES_LIT("a"), 1, false);
    CU_ASSERT_FALSE(g.of[0].behind);
    gaps_cut(&g, BYTES_LIT("b"));
    CU_ASSERT_EQUAL(g.count, 2);
    CU_ASSERT_EQUAL(gaps_at(&g, BYTES_LIT("a"))->since, 7);
    CU_ASSERT_EQUAL(gaps_at(&g, BYTES_LIT("d"))->since, 7);
    CU_ASSERT_PTR_NULL(gaps_at(&g, BYTES_LIT("b")));
    gaps_close(&g);
}

static void gaps_are_bounded(void)
{
    struct gaps g;
    uint8_t from[2] = {0}, to[2] = {0}, *large = mem_alloc(40000);
    gaps_init(&g);
    gaps_add(&g, BYTES_LIT("used"), BYTES_LIT("uses"), 1, false);
    for (unsigned i = 0; i < 3 * GAPS_MAX; i++) {
        from[0] = to[0] = (uint8_t)(i >> 6);
        from[1] = (uint8_t)(2 * (i & 63));
        to[1] = (uint8_t)(from[1] + 1);
        gaps_add(&g, bytes_make(from, 2), bytes_make(to, 2), 1, false);
        gaps_use(&g, gaps_at(&g, BYTES_LIT("used")));
    }
    CU_ASSERT_EQUAL(g.count, GAPS_MAX);
    CU_ASSERT_PTR_NOT_NULL(gaps_at(&g, bytes_make(from, 2)));
    CU_ASSERT_PTR_NOT_NULL(gaps_at(&g, BYTES_LIT("used")));
    gaps_cut(&g, BYTES_LIT("user")); /* no room for both parts */
    CU_ASSERT_EQUAL(g.count, GAPS_MAX);
    CU_ASSERT_PTR_NULL(gaps_at(&g, BYTES_LIT("used")));
    CU_ASSERT_PTR_NULL(gaps_at(&g, BYTES_LIT("user")));
    CU_ASSERT_PTR_NOT_NULL(gaps_at(&g, BYTES_LIT("userx")));
    memset(large, 'x', 40000);
    for (unsigned i = 0; i < 64; i++) {
        large[0] = (uint8_t)('A' + i / 2 * 2);
        struct bytes low = bytes_make(large, 20000);
        uint8_t high = (uint8_t)(large[0] + 1);
        gaps_add(&g, low, bytes_make(&high, 1), 1, false);
        CU_ASSERT_TRUE(g.bytes <= GAPS_BYTES_MAX);
    }
    CU_ASSERT_TRUE(g.count > 20);
    mem_free(large);
    gaps_close(&g);
}

/* --- a store whose iterators make a gap of each step, against a model */

#define ITERS 4
#define STEPS 4000

struct watched {
    struct store_iter *it;
    struct omap then;
};

static void copy_map(struct omap *to, const struct omap *from)
{
    omap_init(to);
    for (struct omap_node *n = omap_first(from); n != NULL; n = omap_next(n))
        omap_put(to, omap_key(n), omap_value(n));
}

static struct bytes some_key(struct rng *r, uint8_t *room)
{
    size_t len = (size_t)rng_between(r, 1, 2);
    room[0] = (uint8_t)('i' + rng_below(r, 5)); /* on both sides of the journal */
    room[1] = (uint8_t)rng_below(r, 12);
    if (room[0] == STORE_JOURNAL)
        room[0] = 'z';
    return bytes_make(room, len);
}

static bool stands(struct store_iter *it, const struct omap_node *n)
{
    return n == NULL ? !store_iter_valid(it)
                     : store_iter_valid(it) && bytes_equal(store_iter_key(it), omap_key(n)) &&
                           bytes_equal(store_iter_value(it), omap_value(n));
}

static bool walk(struct rng *r, struct watched *w)
{
    uint8_t room[2];
    struct bytes key = some_key(r, room);
    bool back = rng_chance(r, 500000);
    struct omap_node *n = back ? omap_seek_before(&w->then, key) : omap_seek(&w->then, key);
    if (back)
        store_iter_seek_last(w->it, key);
    else
        store_iter_seek(w->it, key);
    bool good = stands(w->it, n);
    for (int i = 0; i < 30 && good && n != NULL; i++) {
        if (rng_chance(r, 100000))
            back = !back;
        n = back ? omap_prev(n) : omap_next(n);
        if (back)
            store_iter_prev(w->it);
        else
            store_iter_next(w->it);
        good = stands(w->it, n);
    }
    return good && store_iter_error(w->it) == ERR_OK;
}

/* Each batch a group, so that any of them may be what is durable. */
static void change(struct rng *r, struct omap *model)
{
    struct store_batch b;
    uint8_t room[2], value[2];
    bool puts = rng_chance(r, 500000);
    store_batch_init(&b);
    for (uint64_t i = rng_below(r, 12); i < 12; i++) {
        struct bytes key = some_key(r, room);
        store_u16(value, (uint16_t)rng_below(r, 65536));
        if (puts) {
            store_batch_put(&b, key, bytes_make(value, 2));
            omap_put(model, key, bytes_make(value, 2));
        } else {
            store_batch_delete(&b, key);
            omap_remove(model, key);
        }
    }
    store_write(f.store, &b, 0);
    store_flush(f.store);
    store_batch_close(&b);
}

static void renew(struct watched *w, const struct omap *model)
{
    store_iter_free(w->it);
    omap_close(&w->then);
    w->it = store_iter_new(f.store);
    copy_map(&w->then, model);
}

/* What is durable is one of the states since the last that is known to be. */
static bool durable_is_one_of(struct omap *states, size_t count)
{
    struct store_iter *it = store_iter_new_durable(f.store);
    bool any = false;
    for (size_t i = 0; i < count && !any; i++) {
        struct omap_node *n = omap_first(&states[i]);
        store_iter_seek(it, BYTES_LIT("i"));
        while (n != NULL && stands(it, n)) {
            n = omap_next(n);
            store_iter_next(it);
        }
        any = n == NULL && !store_iter_valid(it);
    }
    store_iter_free(it);
    return any;
}

static bool run(uint64_t seed)
{
    struct rng r;
    struct omap *states = mem_alloc(STEPS * sizeof *states); /* after so many batches */
    struct watched watched[ITERS] = {{0}};
    size_t count = 1;
    bool good = true;
    rng_init(&r, seed);
    omap_init(&states[0]);
    for (size_t i = 0; i < ITERS; i++)
        renew(&watched[i], &states[0]);
    for (int i = 1; i < STEPS && good; i++) {
        struct watched *w = &watched[rng_below(&r, ITERS)];
        uint64_t choice = rng_below(&r, 100);
        if (choice < 20) {
            copy_map(&states[count], &states[count - 1]);
            change(&r, &states[count++]);
        } else if (choice < 50) {
            renew(w, &states[count - 1]);
        } else if (choice < 80) {
            good = walk(&r, w);
        } else if (choice < 90) {
            good = durable_is_one_of(&states[f.store->durable], count - f.store->durable);
        } else if (choice < 95) {
            struct store_done done;
            while (store_completed(f.store, &done)) {
            }
        } else if (choice < 96) {
            settle();
        }
    }
    for (size_t i = 0; i < ITERS; i++) {
        store_iter_free(watched[i].it);
        omap_close(&watched[i].then);
    }
    for (size_t i = 0; i < count; i++)
        omap_close(&states[i]);
    mem_free(states);
    if (!good)
        fprintf(stderr, "gaps: seed %llu failed\n", (unsigned long long)seed);
    return good;
}

static void nothing_alive_is_in_a_gap(void)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        open_store(1);
        CU_ASSERT_TRUE(run(seed));
        store_close(f.store);
        f.store = NULL;
        gaps_teardown();
        gaps_setup();
    }
}

static bool next_of_i_is(struct bytes key)
{
    struct store_iter *it = store_iter_new(f.store);
    store_iter_seek(it, BYTES_LIT("i"));
    store_iter_next(it);
    bool good = store_iter_valid(it) && bytes_equal(store_iter_key(it), key);
    store_iter_seek(it, BYTES_LIT("i\1"));
    good = good && store_iter_valid(it) && bytes_equal(store_iter_key(it), key);
    store_iter_seek_last(it, key);
    good = good && store_iter_valid(it) && bytes_equal(store_iter_key(it), BYTES_LIT("i"));
    store_iter_free(it);
    return good;
}

/* What the store appends comes without passing the overlay. */
static void the_journal_is_in_no_gap(void)
{
    struct store_batch b;
    store_batch_init(&b);
    open_store(1);
    store_batch_put(&b, BYTES_LIT("i"), BYTES_NONE);
    store_batch_put(&b, BYTES_LIT("k"), BYTES_NONE);
    store_write(f.store, &b, 0);
    settle();
    for (int i = 0; i < 3; i++)
        CU_ASSERT_TRUE(next_of_i_is(BYTES_LIT("k")));
    store_batch_clear(&b);
    (void)store_batch_append(&b, 1, BYTES_LIT("x"));
    store_write(f.store, &b, 0);
    settle();
    for (int i = 0; i < 3; i++)
        CU_ASSERT_TRUE(next_of_i_is(BYTES_LIT("j\0\0\0\0\0\0\0\1")));
    store_batch_close(&b);
}

/* --- what reads cost, in keys that LevelDB compared */

#define OVERWRITES 100000u
#define FEW        3000u /* once over some levels, and what many is */

static struct part row_part(const char *row, int64_t timestamp)
{
    return one_row(&f.arena, row, timestamp, (struct dot){{2, 1}, ++f.n});
}

static void write_row(const char *row, int64_t timestamp)
{
    struct part p = row_part(row, timestamp);
    struct dot dot = {{2, 1}, f.n};
    CU_ASSERT_EQUAL_FATAL(engine_apply(f.engine, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
    arena_reset(&f.arena);
    if (f.n % 64 == 0)
        settle();
}

/* Older than the one before: it is read what is there. */
static uint64_t weigh_cost(const char *row, int64_t timestamp)
{
    struct part p = row_part(row, timestamp);
    struct weighed w;
    uint64_t before = store_leveldb_compared();
    CU_ASSERT_EQUAL_FATAL(engine_weigh(f.engine, &p, NULL, 0, 0, &f.arena, &w), ERR_OK);
    CU_ASSERT_FALSE(w.newest);
    arena_reset(&f.arena);
    return store_leveldb_compared() - before;
}

static uint64_t scan_cost(bool reversed, bool durable, uint32_t *ret_live)
{
    struct part p = row_part("r", 1);
    struct scan s = {.table = TABLE,
                     .single = true,
                     .token = p.token,
                     .key = p.key,
                     .reversed = reversed,
                     .durable = durable};
    struct scan_result r;
    uint64_t before = store_leveldb_compared();
    CU_ASSERT_EQUAL_FATAL(engine_scan(f.engine, &s, &f.arena, &r), ERR_OK);
    *ret_live = r.live_rows;
    CU_ASSERT_FALSE(r.more);
    arena_reset(&f.arena);
    return store_leveldb_compared() - before;
}

static void an_overwritten_row_is_no_dearer(void)
{
    uint64_t worst = 0;
    uint64_t sum = 0, reads = 0;
    uint32_t live;
    open_all();
    write_row("a", 1); /* neighbours */
    write_row("z", 1);
    for (uint32_t i = 1; i <= OVERWRITES; i++) {
        write_row("r", 10 * (int64_t)i);
        if (i % 16 != 0)
            continue;
        if (i % 256 == 0)
            settle();
        uint64_t cost =
            i % 32 == 0 ? scan_cost(false, true, &live) : weigh_cost("r", 10 * (int64_t)i - 5);
        worst = cost > worst ? cost : worst;
        sum += cost;
        reads++;
    }
    CU_ASSERT_TRUE(worst < FEW);
    CU_ASSERT_TRUE(sum / reads < FEW / 4);
    settle();
    (void)scan_cost(true, false, &live); /* this one walks, and remembers */
    CU_ASSERT_TRUE(scan_cost(true, false, &live) < FEW);
    CU_ASSERT_EQUAL(live, 3);
    CU_ASSERT_TRUE(scan_cost(false, false, &live) < FEW);
    CU_ASSERT_EQUAL(live, 3);
    reopen(); /* and forget */
    (void)scan_cost(false, false, &live);
    CU_ASSERT_TRUE(scan_cost(false, false, &live) < FEW);
    CU_ASSERT_EQUAL(live, 3);
}

#define ROWS 4500u /* with what becomes of them, fewer keys than are worth compacting */

static const char *row_name(unsigned i)
{
    static char name[16];
    snprintf(name, sizeof name, "%06u", i);
    return name;
}

static void delete_row(const char *row, int64_t timestamp)
{
    struct dot dot = {{2, 1}, ++f.n};
    struct part p = one_row(&f.arena, row, timestamp, dot);
    p.rows[0].cells_count = 0;
    p.rows[0].deletion = (struct tomb){timestamp, 1, dot};
    CU_ASSERT_EQUAL_FATAL(engine_apply(f.engine, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
    arena_reset(&f.arena);
    if (f.n % 64 == 0)
        settle();
}

static void purge_all(void)
{
    struct clock agreed;
    bool done = false;
    clock_init(&agreed);
    clock_add_run(&agreed, (struct actor){2, 1}, 1, f.n);
    while (!done) {
        CU_ASSERT_EQUAL_FATAL(
            engine_purge(f.engine, KEYSPACE, RANGE, &agreed, INT64_MAX, 500, &done), ERR_OK);
        settle();
    }
    clock_close(&agreed);
}

static void rows_that_went_are_no_dearer(void)
{
    uint32_t live;
    open_all();
    write_row("9", 1);
    for (unsigned i = 0; i < ROWS; i++)
        write_row(row_name(i), 1);
    for (unsigned i = 0; i < ROWS; i++)
        delete_row(row_name(i), 2);
    settle();
    purge_all();
    CU_ASSERT_EQUAL(engine_stats(f.engine).compactions, 0);
    CU_ASSERT_EQUAL(engine_stats(f.engine).purged_rows, ROWS);
    (void)scan_cost(true, false, &live); /* this one walks */
    CU_ASSERT_TRUE(scan_cost(false, false, &live) < FEW);
    CU_ASSERT_TRUE(scan_cost(true, false, &live) < FEW);
    CU_ASSERT_EQUAL(live, 1);
}

static uint64_t prune_cost(uint64_t last)
{
    struct clock known;
    bool done = false;
    clock_init(&known);
    clock_add_run(&known, (struct actor){2, 1}, 1, last);
    uint64_t before = store_leveldb_compared();
    while (!done)
        CU_ASSERT_EQUAL_FATAL(engine_log_prune(f.engine, KEYSPACE, RANGE, &known, 2048, &done),
                              ERR_OK);
    clock_close(&known);
    return store_leveldb_compared() - before;
}

/* Who prunes or loads begins behind what went: floor and snapshot say where. */
static void a_log_that_was_pruned_is_no_dearer(void)
{
    open_all();
    for (unsigned i = 1; i <= 20000; i++) {
        write_row(row_name(i % 100), i);
        if (i % 5000 != 0)
            continue;
        settle();
        CU_ASSERT_TRUE(prune_cost(f.n - 200) < FEW);
        settle();
        CU_ASSERT_TRUE(prune_cost(f.n - 100) < FEW);
    }
    engine_free(f.engine);
    CU_ASSERT_EQUAL_FATAL(open_engine(f.store, &f.engine), ERR_OK);
    uint64_t before = store_leveldb_compared();
    CU_ASSERT_TRUE(clock_has(engine_clock(f.engine, KEYSPACE, RANGE), (struct dot){{2, 1}, f.n}));
    CU_ASSERT_TRUE(store_leveldb_compared() - before < FEW);
}

CU_TestInfo gaps_tests[] = {
    {"a set of gaps is a set of keys", a_set_of_gaps_is_a_set_of_keys},
    {"a joint gap is as young as its parts", a_joint_gap_is_as_young_as_its_parts},
    {"gaps are bounded", gaps_are_bounded},
    {"nothing alive is in a gap", nothing_alive_is_in_a_gap},
    {"the journal is in no gap", the_journal_is_in_no_gap},
    {"an overwritten row is no dearer", an_overwritten_row_is_no_dearer},
    {"rows that went are no dearer", rows_that_went_are_no_dearer},
    {"a log that was pruned is no dearer", a_log_that_was_pruned_is_no_dearer},
    CU_TEST_INFO_NULL,
};
