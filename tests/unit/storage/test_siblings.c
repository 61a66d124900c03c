/* siblings: the join against a model of sets, and what writes take away. */
#include "gen.h"
#include "storage/part_private.h"
#include "storage/siblings.h"

#include "base/mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define EVENTS_MAX 24
#define COLLECTION 3u

static void each_seed(const char *what, uint64_t count, bool (*run)(uint64_t, struct arena *))
{
    struct arena arena;
    arena_init(&arena);
    for (uint64_t seed = 1; seed <= count; seed++) {
        bool good = run(seed, &arena);
        if (!good)
            fprintf(stderr, "siblings: %s: seed %llu failed\n", what, (unsigned long long)seed);
        CU_ASSERT_TRUE(good);
        arena_reset(&arena);
    }
    arena_close(&arena);
}

/* --- the join: any cells, honest in one thing: what is written under a dot in a place is one */

struct happening {
    const char *row; /* NULL: static */
    struct cell cell;
};

static struct dot some_dot(struct rng *r)
{
    return (struct dot){{1 + (uint32_t)rng_below(r, 2), 1}, 1 + rng_below(r, 5)};
}

/* What this dot wrote here, whoever asks. */
static struct cell written(struct rng *r, struct cell at)
{
    static const char *const values[] = {"", "x", "y", "xy"};
    uint64_t n = at.dot.n * 7 + at.dot.actor.node * 3 + at.column;
    struct cell c = at;
    (void)r;
    c.kind = n % 4 == 0 ? CELL_EXPIRING : CELL_LIVE;
    c.ttl = c.kind == CELL_EXPIRING ? 5 : 0;
    c.time_s = c.kind == CELL_EXPIRING ? 100 + (int64_t)(n % 3) : 0;
    c.timestamp = 1 + (int64_t)(n % 11);
    c.writer = n % 3;
    c.value = bytes_text(values[n % ARRAY_LEN(values)]);
    return c;
}

static struct happening gen_happening(struct rng *r)
{
    static const char *const paths[] = {"", "p", "q"};
    struct happening h = {.row = gen_keys[rng_below(r, gen_keys_count)]};
    struct cell c = {.column = (uint32_t)rng_below(r, 4), .dot = some_dot(r)};
    bool remove = rng_chance(r, 400000);
    if (rng_chance(r, 150000))
        h.row = NULL;
    c.has_path = c.column == COLLECTION && (!remove || rng_chance(r, 600000));
    if (c.has_path)
        c.path = bytes_text(paths[rng_below(r, ARRAY_LEN(paths))]);
    if (!remove) {
        h.cell = written(r, c);
        return h;
    }
    if (rng_chance(r, 250000)) {
        c.column = COLUMN_ROW;
        c.has_path = false;
        c.path = BYTES_NONE;
    }
    c.kind = CELL_REMOVED;
    c.timestamp = rng_between(r, 1, 12);
    c.remover = (struct dot){{3, 1}, 1 + rng_below(r, 3)};
    c.first = 1 + rng_below(r, c.dot.n);
    h.cell = c;
    return h;
}

static struct part empty_part(void)
{
    struct part p = {.table = 7, .token = -5, .key = BYTES_LIT("k"), .deletion = TOMB_NONE};
    p.static_row.deletion = TOMB_NONE;
    return p;
}

static struct part part_of(const struct happening *h, size_t count, struct arena *arena)
{
    struct part p = empty_part();
    p.siblings = true;
    p.rows = arena_array(arena, struct row, count);
    p.static_row.cells = arena_array(arena, struct cell, count);
    for (size_t i = 0; i < count; i++) {
        struct row row = {.deletion = TOMB_NONE};
        if (h[i].row == NULL) {
            p.has_static = true;
            p.static_row.cells[p.static_row.cells_count++] = h[i].cell;
            continue;
        }
        row.key = bytes_text(h[i].row);
        row.cells = arena_array(arena, struct cell, 1);
        row.cells[row.cells_count++] = h[i].cell;
        p.rows[p.rows_count++] = row;
    }
    part_normalise(&p, arena);
    return p;
}

static bool same_row(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static uint64_t first_of(const struct cell *c)
{
    return c->kind == CELL_REMOVED ? c->first : c->dot.n;
}

static bool one_place(const struct cell *a, const struct cell *b)
{
    return a->column == b->column && a->has_path == b->has_path && bytes_equal(a->path, b->path);
}

static bool same_dots(const struct cell *a, const struct cell *b)
{
    return dot_compare(a->dot, b->dot) == 0 && first_of(a) == first_of(b);
}

/* Does this removal take away the value or the removal c? */
static bool takes(const struct cell *removal, const struct cell *c)
{
    if (removal->kind != CELL_REMOVED || actor_compare(removal->dot.actor, c->dot.actor) != 0 ||
        removal->first > first_of(c) || removal->dot.n < c->dot.n)
        return false;
    return removal->column == COLUMN_ROW || one_place(removal, c) ||
           (removal->column == c->column && !removal->has_path);
}

static bool removed_later(const struct cell *a, const struct cell *b)
{
    return a->timestamp != b->timestamp ? a->timestamp > b->timestamp
                                        : dot_compare(a->remover, b->remover) > 0;
}

/* Is the i-th in the state that all of them make? Of equal ones the first is. */
static bool stands(const struct happening *h, size_t count, size_t i)
{
    const struct cell *c = &h[i].cell;
    for (size_t k = 0; k < count; k++) {
        const struct cell *o = &h[k].cell;
        if (k == i || !same_row(h[i].row, h[k].row))
            continue;
        bool alike = o->kind == c->kind && one_place(o, c) && same_dots(o, c);
        if (!alike && takes(o, c))
            return false;
        if (alike && c->kind == CELL_REMOVED && removed_later(o, c))
            return false;
        if (alike && k < i && (c->kind != CELL_REMOVED || !removed_later(c, o)))
            return false;
    }
    return true;
}

static bool has_cell(const struct part *p, const struct happening *h)
{
    const struct row *row = h->row == NULL && p->has_static ? &p->static_row : NULL;
    for (size_t i = 0; i < p->rows_count && h->row != NULL; i++) {
        if (bytes_equal_text(p->rows[i].key, h->row))
            row = &p->rows[i];
    }
    for (size_t i = 0; row != NULL && i < row->cells_count; i++) {
        const struct cell *c = &row->cells[i];
        const struct cell *w = &h->cell;
        if (c->column == w->column && c->has_path == w->has_path && bytes_equal(c->path, w->path) &&
            dot_compare(c->dot, w->dot) == 0)
            return c->kind == w->kind && c->timestamp == w->timestamp &&
                   (c->kind == CELL_REMOVED ? c->first == w->first : c->writer == w->writer) &&
                   c->time_s == w->time_s && bytes_equal(c->value, w->value) &&
                   dot_compare(c->remover, w->remover) == 0;
    }
    return false;
}

static size_t count_cells(const struct part *p)
{
    size_t count = p->has_static ? p->static_row.cells_count : 0;
    for (size_t i = 0; i < p->rows_count; i++)
        count += p->rows[i].cells_count;
    return count;
}

static bool is_model(const struct part *p, const struct happening *h, size_t count)
{
    size_t standing = 0;
    for (size_t i = 0; i < count; i++) {
        if (!stands(h, count, i))
            continue;
        standing++;
        if (!has_cell(p, &h[i]))
            return false;
    }
    return standing == count_cells(p) && part_is_canonical(p);
}

static struct part join_randomly(struct rng *r, const struct happening *h, size_t count,
                                 struct arena *arena)
{
    struct part pile[EVENTS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < count;) {
        size_t take = 1 + (size_t)rng_below(r, 3);
        take = take > count - i ? count - i : take;
        pile[n++] = part_of(&h[i], take, arena);
        i += take;
    }
    return gen_join(r, pile, n, arena);
}

static size_t gen_happenings(struct rng *r, struct happening *h)
{
    size_t count = 1 + (size_t)rng_below(r, EVENTS_MAX);
    for (size_t i = 0; i < count; i++)
        h[i] = gen_happening(r);
    return count;
}

static bool run_join(uint64_t seed, struct arena *arena)
{
    struct rng r;
    struct happening h[EVENTS_MAX] = {0};
    struct part twice, with_nothing;
    struct part nothing = empty_part();
    rng_init(&r, seed);
    size_t count = gen_happenings(&r, h);
    struct part once = part_of(h, count, arena);
    struct part joined = join_randomly(&r, h, count, arena);
    struct part again = join_randomly(&r, h, count, arena);
    part_merge(&joined, &again, arena, &twice);
    part_merge(&nothing, &joined, arena, &with_nothing);
    return is_model(&once, h, count) && parts_equal(&once, &joined) && parts_equal(&once, &again) &&
           parts_equal(&once, &twice) && parts_equal(&once, &with_nothing);
}

static void join_equals_model(void)
{
    each_seed("join", 3000, run_join);
}

/* Fragments of one row at once are what they are one by one. */
static bool run_row_join(uint64_t seed, struct arena *arena)
{
    struct rng r;
    struct happening h[EVENTS_MAX] = {0};
    struct row rows[EVENTS_MAX];
    struct row one_by_one, at_once;
    rng_init(&r, seed);
    size_t count = gen_happenings(&r, h);
    for (size_t i = 0; i < count; i++) {
        h[i].row = "a";
        rows[i] = part_of(&h[i], 1, arena).rows[0];
        if (i == 0)
            one_by_one = rows[0];
        else
            row_merge(&one_by_one, &rows[i], arena, &one_by_one);
    }
    row_join(rows, count, arena, &at_once);
    struct part a = part_of(h, count, arena);
    struct part b = a;
    struct part c = a;
    b.rows = &one_by_one;
    c.rows = &at_once;
    return parts_equal(&a, &b) && parts_equal(&a, &c);
}

static void fragments_join_at_once(void)
{
    each_seed("row join", 1000, run_row_join);
}

static bool run_lacks(uint64_t seed, struct arena *arena)
{
    struct rng r;
    struct happening h[EVENTS_MAX] = {0};
    struct part lack, both, repaired;
    rng_init(&r, seed);
    for (size_t i = 0; i < EVENTS_MAX; i++)
        h[i] = gen_happening(&r);
    size_t split = (size_t)rng_below(&r, EVENTS_MAX - 1);
    size_t from = (size_t)rng_below(&r, split + 1);
    struct part have = rng_chance(&r, 100000) ? empty_part() : part_of(h, split + 1, arena);
    struct part want = part_of(&h[from], EVENTS_MAX - from, arena);
    part_merge(&have, &want, arena, &both);
    if (!part_lacks(&have, &want, arena, &lack))
        return parts_equal(&have, &both);
    part_merge(&have, &lack, arena, &repaired);
    return parts_equal(&repaired, &both) && part_is_canonical(&lack) &&
           !part_lacks(&repaired, &want, arena, &lack);
}

static void lacks_is_the_difference(void)
{
    each_seed("lacks", 1000, run_lacks);
}

static bool run_codec(uint64_t seed, struct arena *arena)
{
    struct rng r;
    struct happening h[EVENTS_MAX] = {0};
    struct buf b;
    struct part got;
    rng_init(&r, seed);
    size_t count = gen_happenings(&r, h);
    for (size_t i = 0; i < count; i++) {
        h[i].cell.timestamp *= rng_chance(&r, 500000) ? INT64_MAX / 12 : -1;
        if (h[i].cell.kind != CELL_REMOVED && rng_chance(&r, 500000))
            h[i].cell.writer = rng_next(&r);
    }
    struct part p = part_of(h, count, arena);
    buf_init(&b, SIZE_MAX);
    part_encode(&p, &b);
    bool good = part_decode(buf_bytes(&b), arena, &got) == ERR_OK && parts_equal(&p, &got);
    for (size_t cut = 0; cut < b.len; cut++)
        good = good && part_decode(bytes_make(b.data, cut), arena, &got) == ERR_MALFORMED;
    for (int i = 0; i < 30 && good; i++) { /* whatever it makes of this, it does not crash */
        uint8_t *at = &b.data[rng_below(&r, b.len)];
        uint8_t old = *at;
        *at = (uint8_t)rng_next(&r);
        if (part_decode(buf_bytes(&b), arena, &got) == ERR_OK) {
            part_merge(&got, &p, arena, &got);
            good = part_is_canonical(&got);
        }
        *at = old;
    }
    buf_close(&b);
    return good;
}

static void codec_round_trip_and_malformed(void)
{
    each_seed("codec", 400, run_codec);
}

static struct cell live(uint32_t column, struct dot dot, int64_t timestamp, const char *value)
{
    return (struct cell){
        .column = column, .timestamp = timestamp, .value = bytes_text(value), .dot = dot};
}

/* A part of the one policy that a peer sends for a table of the other. */
static void a_mixture_stays_canonical(void)
{
    struct arena arena;
    struct part both;
    struct happening h = {"a", live(1, (struct dot){{1, 1}, 1}, 5, "x")};
    arena_init(&arena);
    struct part siblings = part_of(&h, 1, &arena);
    struct cell cells[] = {live(1, (struct dot){{1, 1}, 2}, 6, "y"),
                           {.column = 2, .kind = CELL_TOMBSTONE, .timestamp = 6}};
    struct row row = {.key = BYTES_LIT("a"), .deletion = {5, 1, {{1, 1}, 3}}, .cells = cells};
    struct part lww = empty_part();
    row.cells_count = ARRAY_LEN(cells);
    lww.deletion = (struct tomb){4, 1, {{1, 1}, 3}};
    lww.rows = &row;
    lww.rows_count = 1;
    CU_ASSERT_TRUE(part_is_canonical(&lww));
    part_merge(&lww, &siblings, &arena, &both);
    CU_ASSERT_TRUE(part_is_canonical(&both));
    CU_ASSERT_EQUAL(count_cells(&both), 2);
    arena_close(&arena);
}

/* --- reading */

static void winners_and_siblings(void)
{
    struct arena arena;
    struct dot d[] = {{{1, 1}, 1}, {{1, 1}, 2}, {{2, 1}, 1}, {{2, 1}, 2}};
    struct happening h[] = {{"a", live(1, d[0], 5, "x")},          {"a", live(1, d[1], 7, "y")},
                            {"a", live(1, d[2], 6, "z")},          {"a", live(2, d[0], 5, "s")},
                            {"a", live(2, d[2], 6, "s")},          {"a", live(0, d[0], 5, "")},
                            {"a", live(COLLECTION, d[3], 5, "e")}, {"b", live(1, d[3], 5, "x")}};
    const struct cell *found[ARRAY_LEN(h)];
    struct part flat;
    arena_init(&arena);
    h[1].cell.kind = CELL_EXPIRING;
    h[1].cell.ttl = 3;
    h[1].cell.time_s = 100;
    h[6].cell.has_path = true;
    h[6].cell.path = BYTES_LIT("p");
    h[7].cell.kind = CELL_REMOVED;
    h[7].cell.remover = d[0];
    h[7].cell.first = d[3].n;
    struct part p = part_of(h, ARRAY_LEN(h), &arena);
    CU_ASSERT_EQUAL_FATAL(row_siblings(&p.rows[0], 1, false, BYTES_NONE, 99, found), 3);
    CU_ASSERT_TRUE(bytes_equal_text(found[0]->value, "y"));
    CU_ASSERT_TRUE(bytes_equal_text(found[1]->value, "z"));
    CU_ASSERT_TRUE(bytes_equal_text(found[2]->value, "x"));
    CU_ASSERT_EQUAL(row_siblings(&p.rows[0], 1, false, BYTES_NONE, 100, found), 2);
    CU_ASSERT_EQUAL(part_winners(&p, 99, &arena, &flat), 1); /* of 2 both are "s" */
    CU_ASSERT_TRUE(part_is_canonical(&flat));
    CU_ASSERT_EQUAL(flat.rows_count, 1);
    CU_ASSERT_EQUAL(flat.rows[0].cells_count, 4);
    CU_ASSERT_TRUE(bytes_equal_text(flat.rows[0].cells[1].value, "y"));
    (void)part_winners(&p, 100, &arena, &flat);
    CU_ASSERT_TRUE(bytes_equal_text(flat.rows[0].cells[1].value, "z"));
    struct dots dots = row_dots(&p.rows[0], &arena);
    CU_ASSERT_EQUAL(dots.count, 4);
    CU_ASSERT_EQUAL(row_dots(&p.rows[1], &arena).count, 0);
    arena_close(&arena);
}

static void contexts_survive_encoding(void)
{
    struct arena arena;
    struct buf b;
    struct dot list[] = {{{2, 1}, 7}, {{1, 3}, 9}, {{2, 1}, 7}, {{1, 3}, 4}};
    struct supersede s = {.siblings = true, .causal = true, .writer = 99};
    struct supersede got;
    s.seen = (struct dots){list, ARRAY_LEN(list)};
    arena_init(&arena);
    buf_init(&b, SIZE_MAX);
    dots_normalise(&s.seen);
    CU_ASSERT_EQUAL(s.seen.count, 3);
    CU_ASSERT_TRUE(dots_have(&s.seen, (struct dot){{1, 3}, 9}));
    CU_ASSERT_FALSE(dots_have(&s.seen, (struct dot){{1, 3}, 5}));
    supersede_encode(&s, &b);
    CU_ASSERT_EQUAL(supersede_decode(buf_bytes(&b), &arena, &got), ERR_OK);
    CU_ASSERT_TRUE(got.siblings && got.causal && got.writer == 99 && got.seen.count == 3);
    CU_ASSERT_EQUAL(dot_compare(got.seen.items[1], (struct dot){{1, 3}, 9}), 0);
    for (size_t cut = 1; cut < b.len; cut++)
        CU_ASSERT_EQUAL(supersede_decode(bytes_make(b.data, cut), &arena, &got), ERR_MALFORMED);
    CU_ASSERT_EQUAL(supersede_decode(BYTES_NONE, &arena, &got), ERR_OK);
    CU_ASSERT_FALSE(got.siblings);
    buf_clear(&b);
    supersede_encode(&got, &b);
    CU_ASSERT_EQUAL(b.len, 0);
    buf_close(&b);
    arena_close(&arena);
}

CU_TestInfo siblings_tests[] = {
    {"joins in any order equal the model", join_equals_model},
    {"fragments join at once", fragments_join_at_once},
    {"lacks is the difference", lacks_is_the_difference},
    {"codec round trip and malformed bytes", codec_round_trip_and_malformed},
    {"a mixture of policies stays canonical", a_mixture_stays_canonical},
    {"winners and siblings", winners_and_siblings},
    {"contexts survive encoding", contexts_survive_encoding},
    CU_TEST_INFO_NULL,
};
