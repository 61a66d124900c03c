/* The oracle of tables: small random histories, against all that could have been seen of them. */
#include "unit/node_sim_oracle/cells_fixture.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/rng.h"

#include <CUnit/CUnit.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WRITES  7
#define ROWS_AT 3 /* clustering keys 0, 1, 2 */

struct past {
    struct cells_change changes[WRITES];
    bool must[WRITES];
    int64_t low[WRITES], high[WRITES]; /* of covers */
    bool reversed;
};

static int64_t number(struct bytes b)
{
    return b.len == 4 ? (int32_t)load_u32(b.data) : 0;
}

static bool covers(const struct past *p, uint32_t i, int64_t row, bool is_static)
{
    const struct cells_change *c = &p->changes[i];
    bool whole_partition_goes = p->low[i] > p->high[i];
    return c->kind == CELLS_COVER &&
           (whole_partition_goes || (!is_static && p->low[i] <= row && row <= p->high[i]));
}

/* The winner at a place among the writes of `subset`, by going through them one at a time; NULL:
 * none, or a deletion. */
static const struct cells_change *winner(const struct past *p, uint32_t subset, int64_t row,
                                         uint32_t column, int64_t path)
{
    const struct cells_change *best = NULL;
    int64_t dead = NONE;
    for (uint32_t i = 0; i < WRITES; i++) {
        const struct cells_change *c = &p->changes[i];
        if ((subset >> i & 1) == 0)
            continue;
        bool here = c->kind != CELLS_COVER && c->column == column &&
                    (c->kind == CELLS_MARK) == (column == COLUMNS) &&
                    (column == S || number(*c->row) == row);
        bool same_path = !c->has_path || number(c->path) == path;
        bool kills =
            covers(p, i, row, column == S) || (here && c->kind == CELLS_REMOVE && same_path);
        if (kills && c->timestamp > dead)
            dead = c->timestamp;
        if (here && c->kind != CELLS_REMOVE && same_path &&
            (best == NULL || c->timestamp > best->timestamp ||
             (c->timestamp == best->timestamp && bytes_compare(c->value, best->value) > 0)))
            best = c;
    }
    return best != NULL && best->timestamp > dead ? best : NULL;
}

static int64_t value(const struct past *p, uint32_t subset, int64_t row, uint32_t column)
{
    const struct cells_change *c = winner(p, subset, row, column, 0);
    return c != NULL ? number(c->value) : NONE;
}

/* What a read that saw exactly this gives. */
static uint32_t answer(const struct past *p, uint32_t subset, int64_t (*ret)[COLUMNS])
{
    uint32_t count = 0;
    int64_t s = value(p, subset, 0, S);
    for (int64_t i = 0; i < ROWS_AT; i++) {
        int64_t row = p->reversed ? ROWS_AT - 1 - i : i;
        int64_t made[COLUMNS] = {0, row, s, value(p, subset, row, A), value(p, subset, row, B), 0};
        for (int64_t path = 0; path < 2; path++)
            made[E] |= winner(p, subset, row, E, path) != NULL ? 1 << path : 0;
        if (winner(p, subset, row, COLUMNS, 0) != NULL || made[A] != NONE || made[B] != NONE ||
            made[E] != 0)
            memcpy(ret[count++], made, sizeof made);
    }
    if (count == 0 && s != NONE)
        memcpy(ret[count++], (int64_t[COLUMNS]){0, NONE, s, NONE, NONE, 0}, sizeof ret[0]);
    return count;
}

static struct cells_change some_change(struct rng *r, bool single_cells, struct past *p, uint32_t i)
{
    int64_t row = rng_between(r, 0, ROWS_AT - 1), at = rng_between(r, 1, 5);
    int64_t v = rng_between(r, 1, 2);
    uint32_t column = (uint32_t)rng_between(r, S, B);
    struct cells_change c;
    p->low[i] = rng_between(r, 0, 2);
    p->high[i] = rng_between(r, 0, 2);
    switch (rng_below(r, single_cells ? 4 : 8)) {
    case 0: return table_removal(row, column, at);
    case 4: return table_element(CELLS_PUT, row, rng_between(r, 0, 1), at);
    case 5: return table_element(CELLS_REMOVE, row, rng_between(r, 0, 1), at);
    case 6:
        c = table_mark(row, at);
        c.column = COLUMNS;
        return rng_chance(r, 500000) ? c : table_removal(row, E, at);
    case 7: return table_cover(p->low[i], p->high[i], at);
    default: return table_put(row, column, v, at);
    }
}

/* Deletions come last: what comes after a deletion may find it forgotten. */
static bool oracle_takes(const struct past *p, int64_t (*rows)[COLUMNS], uint32_t count)
{
    struct cells *c = table_new(p->reversed);
    for (uint32_t i = 0; i < 2 * WRITES; i++) {
        const struct cells_change *change = &p->changes[i % WRITES];
        bool deletes = change->kind == CELLS_REMOVE || change->kind == CELLS_COVER;
        if (deletes != (i >= WRITES))
            continue;
        uint32_t w = table_write_in(c, *change);
        if (p->must[i % WRITES])
            cells_acked(c, w, QUORUM);
        cells_over(c, w);
    }
    struct cells_read read = table_whole_partition(c, QUORUM);
    bool good = table_answers_in(c, &read, rows, count);
    cells_free(c);
    return good;
}

/* Some answer that subset could give? */
static bool possible(const struct past *p, int64_t (*rows)[COLUMNS], uint32_t count)
{
    for (uint32_t subset = 0; subset < 1u << WRITES; subset++) {
        int64_t made[ROWS_AT][COLUMNS];
        bool has_all = true;
        for (uint32_t i = 0; i < WRITES; i++)
            has_all = has_all && (!p->must[i] || (subset >> i & 1) == 1);
        if (has_all && answer(p, subset, made) == count &&
            (count == 0 || memcmp(made, rows, count * sizeof made[0]) == 0))
            return true;
    }
    return false;
}

static void spoil(struct rng *r, int64_t (*rows)[COLUMNS], uint32_t *count)
{
    uint32_t at = (uint32_t)rng_below(r, ROWS_AT);
    if (at >= *count) {
        int64_t row[COLUMNS] = {0, rng_between(r, 0, 2), NONE, rng_between(r, 1, 2), NONE, 0};
        memcpy(rows[(*count)++], row, sizeof row);
        return;
    }
    switch (rng_below(r, 4)) {
    case 0: rows[at][rng_between(r, S, B)] = NONE; break;
    case 1: rows[at][rng_between(r, S, B)] = rng_between(r, 1, 2); break;
    case 2: rows[at][E] ^= rng_between(r, 1, 3); break;
    default: memmove(rows[at], rows[at + 1], (*count - at - 1) * sizeof rows[0]); (*count)--;
    }
}

/* certain: everything must be seen. */
static void against_all_subsets(uint64_t seed, bool single_cells, bool certain)
{
    struct rng rng;
    struct past p;
    int64_t rows[ROWS_AT + 1][COLUMNS];
    rng_init(&rng, seed);
    p.reversed = rng_chance(&rng, 300000);
    for (uint32_t i = 0; i < WRITES; i++) {
        p.changes[i] = some_change(&rng, single_cells, &p, i);
        p.must[i] = certain || rng_chance(&rng, 500000);
    }
    for (int n = 0; n < 40; n++) {
        uint32_t subset = (uint32_t)rng_below(&rng, 1u << WRITES);
        for (uint32_t i = 0; i < WRITES; i++)
            subset |= p.must[i] ? 1u << i : 0;
        uint32_t count = answer(&p, subset, rows);
        if (n % 2 == 1)
            spoil(&rng, rows, &count);
        bool can = count <= ROWS_AT && possible(&p, rows, count);
        bool takes = oracle_takes(&p, rows, count);
        bool good = can ? takes : !takes || !(single_cells || certain);
        if (!good)
            printf("\n    seed %" PRIu64 ": %s, and is %s: %s\n", seed,
                   can ? "can be" : "cannot be", takes ? "taken" : "refused",
                   takes ? "" : cells_fixture.why.text);
        CU_ASSERT_FATAL(good);
    }
    arena_reset(&cells_fixture.arena);
}

static void nothing_right_is_refused(void)
{
    for (uint64_t seed = 1; seed <= 150; seed++)
        against_all_subsets(seed, false, false);
}

static void of_single_cells_nothing_wrong_is_taken(void)
{
    for (uint64_t seed = 1; seed <= 150; seed++)
        against_all_subsets(seed, true, false);
}

static void when_all_is_certain_one_answer_is_right(void)
{
    for (uint64_t seed = 1; seed <= 300; seed++)
        against_all_subsets(seed, false, true);
}

void cells_model_setup(void);
void cells_model_teardown(void);

void cells_model_setup(void)
{
    cells_setup();
}

void cells_model_teardown(void)
{
    cells_teardown();
}

CU_TestInfo cells_model_tests[] = {
    {"nothing right is refused", nothing_right_is_refused},
    {"of single cells nothing wrong is taken", of_single_cells_nothing_wrong_is_taken},
    {"when all is certain one answer is right", when_all_is_certain_one_answer_is_right},
    CU_TEST_INFO_NULL,
};
