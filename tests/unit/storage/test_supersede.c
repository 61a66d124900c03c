/* supersede: what writes to a siblings table take away, and what they do not.
 *
 * The random test has replicas that mint, get each other's writes in any order, some twice, and
 * rows by read repair before the writes that made them. Its model stores every value ever written
 * and every reason for which one may, or must, go. */
#include "engine_fixture.h"
#include "gen.h"
#include "storage/part_private.h"
#include "storage/siblings.h"

#include "base/mem.h"
#include "base/rng.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define REPLICAS   3
#define STEPS      60
#define VALUES_MAX (STEPS * 4)
#define COLUMNS    3u /* 1 and 2 have one value, 3 is a collection */
#define COLLECTION 3u

static const char *const keys[] = {"a", "b"};
static const char *const paths[] = {"p", "q"};

/* --- requests */

static struct part empty_part(void)
{
    struct part p = {.table = TABLE, .token = -5, .key = BYTES_LIT("k"), .deletion = TOMB_NONE};
    p.static_row.deletion = TOMB_NONE;
    return p;
}

static struct part request_of(const char *key, struct cell *cells, size_t count,
                              struct arena *arena)
{
    struct part p = empty_part();
    p.rows = arena_array(arena, struct row, 1);
    p.rows_count = 1;
    p.rows[0] = (struct row){.key = bytes_text(key), .deletion = TOMB_NONE};
    p.rows[0].cells = cells;
    p.rows[0].cells_count = count;
    part_normalise(&p, arena);
    return p;
}

static struct cell value_at(uint32_t column, int64_t timestamp, const char *value)
{
    return (struct cell){.column = column, .timestamp = timestamp, .value = bytes_text(value)};
}

static const struct row *row_of(const struct part *p, const char *key)
{
    for (size_t i = 0; i < p->rows_count; i++) {
        if (bytes_equal_text(p->rows[i].key, key))
            return &p->rows[i];
    }
    return NULL;
}

static size_t live_at(const struct part *p, const char *key, uint32_t column)
{
    const struct row *row = row_of(p, key);
    size_t count = 0;
    for (size_t i = 0; row != NULL && i < row->cells_count; i++)
        count += row->cells[i].column == column && row->cells[i].kind != CELL_REMOVED;
    return count;
}

/* --- replicas without an engine */

struct replica {
    struct part state;
    struct clock clock;
    uint64_t next;
};

struct sent {
    struct part part;
    struct dot dot;
    bool late;
};

static struct dot next_dot(const struct replica *r, uint32_t node)
{
    return (struct dot){{node, 1}, r->next + 1};
}

static void take(struct replica *r, const struct sent *m, struct arena *arena)
{
    part_merge(&r->state, &m->part, arena, &r->state);
    (void)clock_add(&r->clock, m->dot);
}

static size_t mint(struct replica *r, uint32_t node, const struct part *request,
                   const struct supersede *s, struct arena *arena, struct sent *ret)
{
    struct minted out;
    struct dot dot = next_dot(r, node);
    struct mint m = {.clock = &r->clock, .have = &r->state, .dot = dot, .now_s = 100};
    siblings_mint(request, s, &m, arena, &out);
    *ret = (struct sent){out.part, dot, out.given.lost};
    r->next++;
    take(r, ret, arena);
    return out.merged;
}

/* --- the model */

struct value {
    const char *key;
    struct cell cell; /* with dot and writer */
    bool must_go;
    bool may_go;
};

struct world {
    struct rng rng;
    struct arena *arena;
    struct replica replicas[REPLICAS];
    struct sent sent[STEPS];
    size_t sent_count;
    struct value values[VALUES_MAX];
    size_t values_count;
    int64_t now;
    bool bad;
};

static bool under(const struct cell *value, uint32_t column, bool has_path, struct bytes path)
{
    if (column == COLUMN_ROW)
        return true;
    if (value->column != column)
        return false;
    return !has_path || (value->has_path && bytes_equal(value->path, path));
}

/* What a request does, said once more: without clocks, and without a look at what is stored. */
static void note_request(struct world *w, const struct part *request, const struct supersede *s,
                         const struct replica *minter)
{
    const struct row *row = &request->rows[0];
    for (size_t i = 0; i < w->values_count; i++) {
        struct value *v = &w->values[i];
        bool seen = dots_have(&s->seen, v->cell.dot);
        if (!bytes_equal_text(row->key, v->key))
            continue;
        if (!tomb_is_none(&row->deletion))
            v->must_go |= seen;
        for (size_t k = 0; k < row->cells_count; k++) {
            const struct cell *c = &row->cells[k];
            if (!under(&v->cell, c->column, c->has_path, c->path))
                continue;
            bool again = c->timestamp == v->cell.timestamp && bytes_equal(c->value, v->cell.value);
            bool own = c->kind != CELL_TOMBSTONE && v->cell.writer == s->writer &&
                       (again || (!s->causal && cell_wins(c, &v->cell)));
            v->must_go |= seen && (s->causal || c->kind == CELL_TOMBSTONE);
            v->must_go |= own && clock_has(&minter->clock, v->cell.dot);
            v->may_go |= own;
        }
    }
}

static bool has_value(const struct part *p, const char *key, const struct cell *c)
{
    const struct row *row = row_of(p, key);
    for (size_t i = 0; row != NULL && i < row->cells_count; i++) {
        const struct cell *o = &row->cells[i];
        if (o->kind != CELL_REMOVED && o->column == c->column && o->has_path == c->has_path &&
            bytes_equal(o->path, c->path) && dot_compare(o->dot, c->dot) == 0)
            return true;
    }
    return false;
}

/* The values of the request join the model. One that is not sent: its writer had written later. */
static void note_values(struct world *w, const char *key, const struct part *request,
                        const struct supersede *s, const struct sent *m)
{
    for (size_t i = 0; i < request->rows[0].cells_count; i++) {
        struct value v = {.key = key, .cell = request->rows[0].cells[i]};
        if (v.cell.kind == CELL_TOMBSTONE)
            continue;
        v.cell.dot = m->dot;
        v.cell.writer = s->writer;
        if (has_value(&m->part, key, &v.cell)) {
            w->values[w->values_count++] = v;
            continue;
        }
        bool later = false;
        for (size_t k = 0; k < w->values_count && !s->causal; k++) {
            const struct value *o = &w->values[k];
            later |= strcmp(o->key, key) == 0 && o->cell.writer == s->writer &&
                     under(&o->cell, v.cell.column, v.cell.has_path, v.cell.path) &&
                     cell_wins(&o->cell, &v.cell);
        }
        w->bad |= !later || !m->late;
    }
}

static void gen_request(struct world *w, const char *key, bool remove, struct part *ret)
{
    struct rng *r = &w->rng;
    struct cell *cells = arena_array(w->arena, struct cell, 3);
    size_t count = 0;
    *ret = empty_part();
    w->now += rng_between(r, -2, 5);
    for (uint32_t column = 1; column <= COLUMNS; column++) {
        static const char *const texts[] = {"x", "y", "z"};
        if (rng_chance(r, 400000))
            continue;
        struct cell c = value_at(column, w->now, texts[rng_below(r, ARRAY_LEN(texts))]);
        if (remove)
            c.kind = CELL_TOMBSTONE;
        c.has_path = column == COLLECTION && (!remove || rng_chance(r, 500000));
        if (c.has_path)
            c.path = bytes_text(paths[rng_below(r, ARRAY_LEN(paths))]);
        cells[count++] = c;
    }
    *ret = request_of(key, cells, count, w->arena);
    if (remove && rng_chance(r, 300000)) {
        ret->rows_count = 1;
        ret->rows[0].key = bytes_text(key);
        ret->rows[0].cells_count = 0;
        ret->rows[0].deletion = (struct tomb){w->now, 1, {{0, 0}, 0}};
    }
}

/* What a client saw of the row some time ago, at one replica or more. */
static struct dots look(struct world *w, const char *key)
{
    struct dots seen = {0};
    struct part sum = empty_part();
    for (size_t i = 0; i < REPLICAS; i++) {
        if (rng_chance(&w->rng, 500000))
            part_merge(&sum, &w->replicas[i].state, w->arena, &sum);
    }
    const struct row *row = row_of(&sum, key);
    if (row != NULL)
        seen = row_dots(row, w->arena);
    return seen;
}

static void write_something(struct world *w)
{
    struct part request;
    struct supersede s = {.siblings = true};
    size_t at = (size_t)rng_below(&w->rng, REPLICAS);
    const char *key = keys[rng_below(&w->rng, ARRAY_LEN(keys))];
    bool remove = rng_chance(&w->rng, 300000);
    s.causal = rng_chance(&w->rng, 500000);
    s.writer = 2 + rng_below(&w->rng, 3);
    if (s.causal || remove)
        s.seen = look(w, key);
    gen_request(w, key, remove, &request);
    if (request.rows_count == 0)
        return;
    note_request(w, &request, &s, &w->replicas[at]);
    struct sent *m = &w->sent[w->sent_count++];
    w->bad |= mint(&w->replicas[at], (uint32_t)at + 1, &request, &s, w->arena, m) > 0;
    w->bad |= !part_is_canonical(&m->part);
    note_values(w, key, &request, &s, m);
}

static void step(struct world *w)
{
    struct rng *r = &w->rng;
    size_t to = (size_t)rng_below(r, REPLICAS);
    uint64_t what = rng_below(r, 10);
    if (what < 5) {
        write_something(w);
    } else if (what < 9 && w->sent_count > 0) {
        take(&w->replicas[to], &w->sent[rng_below(r, w->sent_count)], w->arena);
    } else { /* read repair: rows without the dots that made them */
        part_merge(&w->replicas[to].state, &w->replicas[rng_below(r, REPLICAS)].state, w->arena,
                   &w->replicas[to].state);
    }
}

static bool run_writes(uint64_t seed, struct arena *arena)
{
    struct world *w = arena_new(arena, struct world);
    w->arena = arena;
    w->now = 1000;
    rng_init(&w->rng, seed);
    for (size_t i = 0; i < REPLICAS; i++)
        w->replicas[i].state = empty_part();
    for (size_t i = 0; i < STEPS; i++)
        step(w);
    bool good = !w->bad;
    for (size_t i = 0; i < REPLICAS; i++) {
        for (size_t k = w->sent_count; k > 0; k--) /* all of it, in another order */
            take(&w->replicas[i], &w->sent[(k * 7 + i) % w->sent_count], arena);
        for (size_t k = 0; k < w->sent_count; k++)
            take(&w->replicas[i], &w->sent[k], arena);
        good = good && parts_equal(&w->replicas[0].state, &w->replicas[i].state);
    }
    for (size_t i = 0; i < w->values_count && good; i++) {
        const struct value *v = &w->values[i];
        bool there = has_value(&w->replicas[0].state, v->key, &v->cell);
        good = there ? !v->must_go : v->must_go || v->may_go;
    }
    for (size_t i = 0; i < REPLICAS; i++)
        clock_close(&w->replicas[i].clock);
    return good;
}

static void a_value_goes_only_for_a_reason(void)
{
    struct arena arena;
    arena_init(&arena);
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        bool good = run_writes(seed, &arena);
        if (!good)
            fprintf(stderr, "supersede: seed %llu failed\n", (unsigned long long)seed);
        CU_ASSERT_TRUE(good);
        arena_reset(&arena);
    }
    arena_close(&arena);
}

/* --- one by one */

static struct {
    struct arena arena;
    struct replica a, b;
    struct sent last;
    int64_t now;
} f;

void supersede_setup(void);
void supersede_teardown(void);

void supersede_setup(void)
{
    memset(&f, 0, sizeof f);
    arena_init(&f.arena);
    f.a.state = f.b.state = empty_part();
    f.now = 100;
}

void supersede_teardown(void)
{
    clock_close(&f.a.clock);
    clock_close(&f.b.clock);
    arena_close(&f.arena);
}

static size_t write_at(struct replica *r, uint64_t writer, const struct dots *context,
                       struct cell cell)
{
    struct supersede s = {.siblings = true, .writer = writer};
    struct cell *cells = arena_array(&f.arena, struct cell, 1);
    cells[0] = cell;
    cells[0].timestamp = ++f.now;
    struct part request = request_of("a", cells, 1, &f.arena);
    if (context != NULL) {
        s.causal = true;
        s.seen = *context;
    }
    return mint(r, r == &f.a ? 1 : 2, &request, &s, &f.arena, &f.last);
}

static void blind_writes_keep_what_others_wrote(void)
{
    for (int i = 0; i < 5; i++) {
        for (uint64_t writer = 2; writer < 6; writer++)
            (void)write_at(&f.a, writer, NULL, value_at(1, 0, "v"));
    }
    CU_ASSERT_EQUAL(live_at(&f.a.state, "a", 1), 4); /* one for each writer */
    (void)write_at(&f.a, WRITER_NONE, NULL, value_at(1, 0, "v"));
    (void)write_at(&f.a, WRITER_NONE, NULL, value_at(1, 0, "v"));
    CU_ASSERT_EQUAL(live_at(&f.a.state, "a", 1), 6); /* nobody is not the same as nobody */
}

static void what_was_seen_is_dead_on_arrival(void)
{
    struct sent first;
    (void)write_at(&f.a, 2, NULL, value_at(1, 0, "old"));
    first = f.last;
    struct dots seen = row_dots(&f.a.state.rows[0], &f.arena);
    (void)write_at(&f.b, 3, &seen, value_at(1, 0, "new")); /* b never heard of it */
    take(&f.b, &first, &f.arena);
    CU_ASSERT_EQUAL(live_at(&f.b.state, "a", 1), 1);
    take(&f.a, &f.last, &f.arena);
    CU_ASSERT_EQUAL(live_at(&f.a.state, "a", 1), 1);
    CU_ASSERT_TRUE(parts_equal(&f.a.state, &f.b.state));
}

static void a_known_dot_is_removed_only_where_it_is(void)
{
    (void)write_at(&f.a, 2, NULL, value_at(1, 0, "one"));
    struct dots seen = row_dots(&f.a.state.rows[0], &f.arena);
    (void)write_at(&f.a, 3, &seen, value_at(2, 0, "two"));
    CU_ASSERT_EQUAL(f.last.part.rows[0].cells_count, 1); /* nothing to remove in column 2 */
    CU_ASSERT_EQUAL(live_at(&f.a.state, "a", 1), 1);
}

/* A context that names what this replica is about to mint does not kill it. */
static void a_forged_context_kills_nothing_new(void)
{
    struct dot list[] = {{{1, 1}, 1}, {{1, 1}, 2}};
    struct dots seen = {list, ARRAY_LEN(list)};
    (void)write_at(&f.a, 2, &seen, value_at(1, 0, "v"));
    CU_ASSERT_EQUAL(live_at(&f.a.state, "a", 1), 1);
}

/* As a batch is: the same request comes again, perhaps after its writer went on. */
static void a_replay_is_the_same_write(void)
{
    struct dots nothing = {0};
    (void)write_at(&f.a, 2, NULL, value_at(1, 0, "first"));
    f.now--;
    (void)write_at(&f.a, 2, NULL, value_at(1, 0, "first"));
    CU_ASSERT_EQUAL(live_at(&f.a.state, "a", 1), 1);
    (void)write_at(&f.a, 2, NULL, value_at(1, 0, "second"));
    f.now -= 2;
    (void)write_at(&f.a, 2, NULL, value_at(1, 0, "first"));
    CU_ASSERT_EQUAL(live_at(&f.a.state, "a", 1), 1);
    CU_ASSERT_TRUE(part_is_empty(&f.last.part));
    f.now += 10;
    (void)write_at(&f.a, 3, &nothing, value_at(2, 0, "v"));
    f.now--;
    (void)write_at(&f.a, 3, &nothing, value_at(2, 0, "v"));
    CU_ASSERT_EQUAL(live_at(&f.a.state, "a", 2), 1);
    (void)write_at(&f.a, 3, &nothing, value_at(2, 0, "v"));
    CU_ASSERT_EQUAL(live_at(&f.a.state, "a", 2), 2); /* its client has not seen the first */
}

/* What an IF decided is written by who finds it undone, perhaps after the next one was. */
static void an_if_that_is_written_late_is_older(void)
{
    struct dots nothing = {0};
    (void)write_at(&f.a, WRITER_SERIAL, &nothing, value_at(1, 0, "first"));
    struct dots seen = row_dots(&f.a.state.rows[0], &f.arena);
    (void)write_at(&f.a, WRITER_SERIAL, &seen, value_at(1, 0, "second"));
    f.now -= 2;
    (void)write_at(&f.a, WRITER_SERIAL, &nothing, value_at(1, 0, "first"));
    CU_ASSERT_EQUAL(live_at(&f.a.state, "a", 1), 1);
    CU_ASSERT_TRUE(part_is_empty(&f.last.part));
}

static void too_many_siblings_are_merged(void)
{
    struct dots nothing = {0};
    size_t merged = 0;
    const char *text = "v";
    for (uint64_t i = 0; i < SIBLINGS_MAX; i++) {
        text = arena_printf(&f.arena, "%llu", (unsigned long long)i);
        merged += write_at(&f.a, 2 + i, NULL, value_at(1, 0, text));
    }
    CU_ASSERT_EQUAL(merged, 0);
    CU_ASSERT_EQUAL(live_at(&f.a.state, "a", 1), SIBLINGS_MAX);
    const struct cell *found[SIBLINGS_MAX * 3];
    for (int i = 0; i < 10; i++)
        merged += write_at(&f.a, 1000 + (uint64_t)i, &nothing, value_at(1, 0, "more"));
    CU_ASSERT_EQUAL(merged, 10);
    CU_ASSERT_EQUAL(row_siblings(&f.a.state.rows[0], 1, false, BYTES_NONE, 1, found), SIBLINGS_MAX);
    CU_ASSERT_TRUE(bytes_equal_text(found[0]->value, "more")); /* the newest is the winner */
    CU_ASSERT_EQUAL(found[0]->timestamp, f.now);
    int64_t now = f.now;
    f.now = 0; /* older than all of them: it is the one to go */
    CU_ASSERT_EQUAL(write_at(&f.a, 5000, NULL, value_at(1, 0, "late")), 1);
    CU_ASSERT_TRUE(part_is_empty(&f.last.part));
    f.now = now;
    CU_ASSERT_EQUAL(write_at(&f.a, 5001, NULL, value_at(0, 0, "")), 0);
}

static void what_expired_makes_room(void)
{
    for (uint64_t i = 0; i < SIBLINGS_MAX; i++) {
        struct cell c = value_at(1, 0, "short");
        c.kind = i == 40 ? CELL_EXPIRING : CELL_LIVE;
        c.ttl = i == 40 ? 5 : 0;
        c.time_s = i == 40 ? 50 : 0; /* it is 100 */
        (void)write_at(&f.a, 2 + i, NULL, c);
    }
    CU_ASSERT_EQUAL(write_at(&f.a, 999, NULL, value_at(1, 0, "new")), 0);
    CU_ASSERT_EQUAL(live_at(&f.a.state, "a", 1), SIBLINGS_MAX);
    const struct row *row = row_of(&f.a.state, "a");
    for (size_t i = 0; i < row->cells_count; i++)
        CU_ASSERT_NOT_EQUAL(row->cells[i].kind, CELL_EXPIRING);
}

static void deletions_of_ranges_become_rows(void)
{
    struct part expanded;
    struct range_tomb range = {BYTES_LIT("a"), BYTES_LIT("b"), {50, 1, {{0, 0}, 0}}};
    struct cell *cells = arena_array(&f.arena, struct cell, 2);
    cells[0] = value_at(1, 60, "new");
    struct part request = request_of("c", cells, 1, &f.arena);
    request.tombs = &range;
    request.tombs_count = 1;
    (void)write_at(&f.a, 2, NULL, value_at(1, 0, "v"));
    siblings_expand(&request, &f.a.state, &f.arena, &expanded);
    CU_ASSERT_EQUAL(expanded.tombs_count, 0);
    CU_ASSERT_EQUAL_FATAL(expanded.rows_count, 2);
    CU_ASSERT_EQUAL(expanded.rows[0].deletion.timestamp, 50);
    CU_ASSERT_TRUE(tomb_is_none(&expanded.rows[1].deletion));
    struct supersede s = {.siblings = true, .seen = part_dots(&f.a.state, &f.arena)};
    (void)mint(&f.a, 1, &expanded, &s, &f.arena, &f.last);
    CU_ASSERT_EQUAL(live_at(&f.a.state, "a", 1), 0);
    CU_ASSERT_EQUAL(live_at(&f.a.state, "c", 1), 1);
    siblings_expand(&request, &f.a.state, &f.arena, &expanded);
    CU_ASSERT_EQUAL(expanded.rows_count, 1); /* row a has nothing any more */
}

/* --- in an engine */

static struct part read_back(struct engine *e, struct arena *arena)
{
    struct scan scan = {.table = TABLE, .single = true, .token = -5, .key = BYTES_LIT("k")};
    struct scan_result got;
    CU_ASSERT_EQUAL_FATAL(engine_scan(e, &scan, arena, &got), ERR_OK);
    return got.parts_count > 0 ? got.parts[0] : empty_part();
}

static void write_engine(struct engine *e, uint64_t writer, const char *text)
{
    struct arena arena;
    struct cell cell = value_at(1, ++f.now, text);
    struct supersede s = {.siblings = true, .writer = writer};
    struct dot dot = engine_next_dot(e, KEYSPACE, RANGE, (struct actor){1, 1});
    struct minted m;
    arena_init(&arena);
    struct part request = request_of("a", &cell, 1, &arena);
    CU_ASSERT_EQUAL_FATAL(
        engine_supersede(e, KEYSPACE, RANGE, &request, &s, dot, 0, 100, &arena, &m), ERR_OK);
    CU_ASSERT_EQUAL(engine_apply(e, KEYSPACE, RANGE, &m.part, dot, NULL, 0), ERR_OK);
    arena_close(&arena);
}

static void a_client_that_never_reads_has_one_value(void)
{
    struct store *store = store_mem_new();
    struct engine *e;
    CU_ASSERT_EQUAL_FATAL(open_engine(store, &e), ERR_OK);
    for (int i = 0; i < 10000; i++)
        write_engine(e, 2, i % 2 == 0 ? "even" : "odd");
    struct part p = read_back(e, &f.arena);
    CU_ASSERT_TRUE(p.siblings);
    CU_ASSERT_EQUAL(live_at(&p, "a", 1), 1);
    for (uint64_t i = 0; i < 1000; i++)
        write_engine(e, 2 + i % 9, "v");
    p = read_back(e, &f.arena);
    CU_ASSERT_EQUAL(live_at(&p, "a", 1), 9);
    struct part range = empty_part();
    struct supersede s = {.siblings = true};
    struct minted m;
    range.deletion = (struct tomb){1, 1, {{0, 0}, 0}};
    CU_ASSERT_EQUAL(engine_supersede(e, KEYSPACE, RANGE, &range, &s, (struct dot){{1, 1}, 99999}, 0,
                                     1, &f.arena, &m),
                    ERR_INVALID);
    engine_free(e);
    store_close(store);
}

CU_TestInfo supersede_tests[] = {
    {"a value goes only for a reason", a_value_goes_only_for_a_reason},
    {"blind writes keep what others wrote", blind_writes_keep_what_others_wrote},
    {"what was seen is dead on arrival", what_was_seen_is_dead_on_arrival},
    {"a known dot is removed only where it is", a_known_dot_is_removed_only_where_it_is},
    {"a forged context kills nothing new", a_forged_context_kills_nothing_new},
    {"a replay is the same write", a_replay_is_the_same_write},
    {"an IF that is written late is older", an_if_that_is_written_late_is_older},
    {"too many siblings are merged", too_many_siblings_are_merged},
    {"what expired makes room", what_expired_makes_room},
    {"deletions of ranges become deletions of rows", deletions_of_ranges_become_rows},
    {"a client that never reads has one value", a_client_that_never_reads_has_one_value},
    CU_TEST_INFO_NULL,
};
