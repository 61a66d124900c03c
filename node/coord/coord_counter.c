/* Counters at the replica that takes an increment. It reads before it writes: an increment that is
 * there already, from an earlier try of the same request, keeps the timestamp it has, so it is the
 * same cell and counts once; it gets a dot again and goes to the replicas again, because the client
 * is told that so many have it. What the last request of this very turn wrote is seen, too. */
#include "node/coord/coord_core.h"

#include "base/mutant.h"
#include "storage/counter.h"

#include <string.h>

static struct bytes after_row(struct arena *arena, struct bytes row)
{
    uint8_t *end = arena_zero(arena, row.len + 1);
    if (row.len > 0)
        memcpy(end, row.data, row.len);
    return bytes_make(end, row.len + 1);
}

/* ret := what this replica has of the rows of the part, durable or not. */
static enum err read_rows(struct coord *c, struct now now, const struct part *p,
                          struct arena *arena, struct part *ret)
{
    struct scan scan = {.table = p->table,
                        .single = true,
                        .token = p->token,
                        .key = p->key,
                        .want_static = p->has_static,
                        .now_s = now.wall / USEC_PER_SEC};
    struct scan_result page;
    *ret =
        (struct part){.table = p->table, .token = p->token, .key = p->key, .deletion = TOMB_NONE};
    ret->static_row.deletion = TOMB_NONE;
    scan.slices = arena_array(arena, struct scan_slice, p->rows_count + 1);
    for (size_t i = 0; i < p->rows_count; i++)
        scan.slices[i] = (struct scan_slice){p->rows[i].key, after_row(arena, p->rows[i].key)};
    scan.slices_count = p->rows_count;
    if (p->rows_count == 0) /* the static row alone */
        scan.rows_max = 1;
    do {
        enum err err = engine_scan(c->engine, &scan, arena, &page);
        if (err != ERR_OK)
            return err;
        for (size_t i = 0; i < page.parts_count; i++)
            part_merge(ret, &page.parts[i], arena, ret);
        scan.has_from = true;
        scan.from_token = page.upto_token;
        scan.from_key = page.upto_key;
        scan.from_in_part = page.upto_in_part;
        scan.from_row = page.upto_row;
        scan.from_rows = page.upto_rows;
    } while (page.more && p->rows_count > 0);
    return ERR_OK;
}

static const struct cell *find_cell(const struct row *row, const struct cell *like)
{
    size_t low = 0;
    size_t high = row->cells_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct cell *at = &row->cells[mid];
        int order = at->column != like->column ? (at->column < like->column ? -1 : 1)
                    : !at->has_path            ? -1
                                               : bytes_compare(at->path, like->path);
        if (order == 0)
            return at;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* The cells of one counter in a row. */
struct counter {
    const struct cell *cells;
    size_t count, increments;
    const struct cell *base; /* or NULL */
    int64_t newest;          /* increment */
};

static struct counter counter_of(const struct row *row, uint32_t column)
{
    struct counter k = {.newest = TIMESTAMP_NONE};
    size_t i = 0;
    while (row != NULL && i < row->cells_count && row->cells[i].column < column)
        i++;
    for (; row != NULL && i < row->cells_count && row->cells[i].column == column; i++) {
        const struct cell *cell = &row->cells[i];
        k.cells = k.count++ == 0 ? cell : k.cells;
        if (!cell->has_path)
            k.base = cell;
        else if (++k.increments > 0 && cell->timestamp > k.newest)
            k.newest = cell->timestamp;
    }
    return k;
}

/* The sum of all that is settled takes its place; what is not goes with it, so that who gets the
 * sum has of each request what we have. */
static void fold(struct row *row, const struct counter *k, int64_t cut, struct arena *arena)
{
    struct cell sum;
    struct cell *old = arena_array(arena, struct cell, k->count);
    struct cell *cells = arena_array(arena, struct cell, row->cells_count + k->count + 1);
    size_t old_count = 0;
    size_t count = row->cells_count;
    memcpy(cells, row->cells, row->cells_count * sizeof *cells);
    for (size_t i = 0; i < k->count; i++) {
        bool settled = k->cells[i].timestamp <= cut || !k->cells[i].has_path;
        if (MUTANT(fold_forgets_sum) && !k->cells[i].has_path)
            continue;
        if (settled)
            old[old_count++] = k->cells[i];
        else
            cells[count++] = k->cells[i];
    }
    if (counter_read(old, old_count, 0, arena, &sum))
        cells[count++] = sum;
    row->cells = cells;
    row->cells_count = count;
}

/* What is new gets a timestamp beyond all that was promised, so no fold takes it for old. */
static int64_t lift(const struct coord *c, int64_t timestamp, const struct counter *k)
{
    int64_t least = c->promised;
    if (k != NULL && k->base != NULL && k->base->timestamp > least)
        least = k->base->timestamp;
    return timestamp > least ? timestamp : least + 1;
}

/* One increment of the part. */
static enum err take_increment(struct coord *c, struct run *run, struct cell *cell,
                               const struct row *have, const struct counter *k)
{
    const struct cell *known = have != NULL ? find_cell(have, cell) : NULL;
    if (known != NULL) {
        cell->timestamp = known->timestamp;
        cell->value = known->value;
        c->stats.repeats++;
        run->repeated = true;
        return ERR_OK;
    }
    /* It was sent here before the others of its age were summed. Perhaps another replica had taken
     * it from the same coordinator by then: nobody can tell any more. */
    if (run->owner == NULL && k->base != NULL && cell->timestamp <= k->base->timestamp)
        return ERR_TIMEOUT;
    cell->timestamp = lift(c, cell->timestamp, k);
    return ERR_OK;
}

static void lift_tomb(const struct coord *c, struct tomb *t)
{
    if (!tomb_is_none(t))
        t->timestamp = lift(c, t->timestamp, NULL);
}

static enum err take_row(struct coord *c, struct now now, struct run *run, struct row *row,
                         const struct row *have)
{
    uint32_t folded = COLUMN_MARKER; /* the last column that was looked at */
    size_t count = row->cells_count; /* folding adds some */
    lift_tomb(c, &row->deletion);
    for (size_t i = 0; i < count; i++) {
        struct cell *cell = &row->cells[i];
        if (!cell_is_increment(cell)) {
            cell->timestamp = lift(c, cell->timestamp, NULL);
            continue;
        }
        struct counter k = counter_of(have, cell->column);
        enum err err = take_increment(c, run, cell, have, &k);
        if (err != ERR_OK)
            return err;
        if (cell->column == folded || k.increments < COUNTER_FOLD_AT)
            continue;
        folded = cell->column;
        int64_t cut = fold_cut(c, run->keyspace, run->range);
        fold_want(c, now, run->keyspace, run->range, k.newest);
        size_t settled = 0;
        for (size_t j = 0; j < k.count; j++)
            settled += k.cells[j].has_path && k.cells[j].timestamp <= cut;
        if (settled >= COUNTER_FOLD_AT) {
            fold(row, &k, cut, &run->memory->arena);
            c->stats.folds++;
        } else if (k.increments >= COUNTER_INCREMENTS_MAX)
            return ERR_OVERLOADED;
    }
    return ERR_OK;
}

enum err counter_take(struct coord *c, struct now now, struct run *run)
{
    struct arena *arena = &run->memory->arena;
    struct part *p = &run->part;
    struct part have;
    if (c->promised == INT64_MAX)
        return ERR_CORRUPT;
    enum err err = read_rows(c, now, p, arena, &have);
    if (err != ERR_OK)
        return err;
    size_t k = 0;
    lift_tomb(c, &p->deletion);
    for (size_t i = 0; i < p->tombs_count; i++)
        lift_tomb(c, &p->tombs[i].tomb);
    for (size_t i = 0; i < p->rows_count && err == ERR_OK; i++) {
        while (k < have.rows_count && bytes_compare(have.rows[k].key, p->rows[i].key) < 0)
            k++;
        bool there = k < have.rows_count && bytes_equal(have.rows[k].key, p->rows[i].key);
        err = take_row(c, now, run, &p->rows[i], there ? &have.rows[k] : NULL);
    }
    if (p->has_static && err == ERR_OK)
        err = take_row(c, now, run, &p->static_row, have.has_static ? &have.static_row : NULL);
    if (err == ERR_OK)
        part_normalise(p, arena);
    return err;
}
