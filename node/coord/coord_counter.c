/* Counters at the replica that takes an increment. It looks before it writes, at what the engine
 * has of the counter in memory (storage/counter_set.h) or, when it has nothing, in the row: an
 * increment that is there already, from an earlier try of the same request, keeps the timestamp it
 * has, so it is the same cell and counts once; it gets a dot again and goes to the replicas again,
 * because the client is told that so many have it. What the last request of this very turn wrote is
 * seen, too. */
#include "node/coord/coord_core.h"

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

/* What is new gets a timestamp beyond all that was promised, so no fold takes it for old; and
 * beyond all that is here (`floor`), so nothing here can have deleted it. */
static int64_t lift(const struct coord *c, int64_t timestamp, int64_t floor)
{
    int64_t least = c->promised > floor ? c->promised : floor;
    return timestamp > least ? timestamp : least + 1;
}

static int64_t floor_of(const struct coord *c, const struct part *p)
{
    int64_t maximum = engine_maximum(c->engine, p->table, p->token);
    return maximum < stamp_limit(c) ? maximum : TIMESTAMP_NONE;
}

/* What is taken: a part, and of it this row. */
struct take {
    struct coord *c;
    struct now now;
    struct run *run;
    struct row *row;
    int64_t floor;
    bool is_static;
    bool read; /* `have` is what we have of the rows of the part */
    struct part have;
};

static enum err find_set(struct take *t, uint32_t column, struct counter_set **ret)
{
    const struct part *p = &t->run->part;
    struct counter_sets *sets = engine_counters(t->c->engine);
    struct counter_place place = {p->table, p->token, p->key, t->is_static, t->row->key, column};
    *ret = counter_sets_find(sets, &place);
    if (*ret != NULL)
        return ERR_OK;
    if (!t->read) {
        enum err err = read_rows(t->c, t->now, p, &t->run->memory->arena, &t->have);
        if (err != ERR_OK)
            return err;
        t->read = true;
        t->c->stats.counters_read++;
    }
    *ret = counter_sets_load(sets, &place, &t->have);
    return ERR_OK;
}

/* One increment of the part. */
static enum err take_increment(struct take *t, struct cell *cell, const struct counter_set *set)
{
    const struct counter_entry *known = counter_set_get(set, cell->path.data);
    int64_t base = counter_set_base(set);
    if (known != NULL) {
        uint8_t value[sizeof known->value];
        store_u64(value, (uint64_t)known->value);
        cell->timestamp = known->timestamp;
        cell->value = arena_copy(&t->run->memory->arena, bytes_make(value, sizeof value));
        t->c->stats.repeats++;
        t->run->repeated = true;
        return ERR_OK;
    }
    /* It was sent here before the others of its age were summed. Perhaps another replica had taken
     * it from the same coordinator by then: nobody can tell any more. */
    if (t->run->owner == NULL && base != TIMESTAMP_NONE && cell->timestamp <= base)
        return ERR_TIMEOUT;
    cell->timestamp = lift(t->c, cell->timestamp, base > t->floor ? base : t->floor);
    return ERR_OK;
}

/* The sum of all that is settled takes its place; what is not goes with it, so that who gets the
 * sum has of each request what we have. */
static void fold(struct take *t, const struct counter_set *set, uint32_t column, int64_t cut)
{
    struct arena *arena = &t->run->memory->arena;
    struct row *row = t->row;
    size_t more;
    const struct cell *folded = counter_set_fold(set, column, cut, arena, &more);
    struct cell *cells = arena_array(arena, struct cell, row->cells_count + more);
    memcpy(cells, row->cells, row->cells_count * sizeof *cells);
    memcpy(cells + row->cells_count, folded, more * sizeof *cells);
    row->cells = cells;
    row->cells_count += more;
    t->c->stats.folds++;
}

static void lift_tomb(const struct take *take, struct tomb *t)
{
    if (!tomb_is_none(t))
        t->timestamp = lift(take->c, t->timestamp, take->floor);
}

static enum err take_row(struct take *t, struct row *row, bool is_static)
{
    struct coord *c = t->c;
    const struct run *run = t->run;
    uint32_t folded = COLUMN_MARKER; /* the last column that was looked at */
    size_t count = row->cells_count; /* folding adds some */
    t->row = row;
    t->is_static = is_static;
    lift_tomb(t, &row->deletion);
    for (size_t i = 0; i < count; i++) {
        struct cell *cell = &row->cells[i];
        struct counter_set *set;
        if (!cell_is_increment(cell)) {
            cell->timestamp = lift(c, cell->timestamp, t->floor);
            continue;
        }
        enum err err = find_set(t, cell->column, &set);
        if (err == ERR_OK)
            err = take_increment(t, cell, set);
        if (err != ERR_OK)
            return err;
        if (cell->column == folded || counter_set_count(set) < COUNTER_FOLD_AT)
            continue;
        folded = cell->column;
        int64_t cut = fold_cut(c, run->keyspace, run->range);
        fold_want(c, t->now, run->keyspace, run->range, counter_set_newest(set));
        if (counter_set_settled(set, cut) >= COUNTER_FOLD_AT)
            fold(t, set, folded, cut);
        else if (counter_set_count(set) >= COUNTER_INCREMENTS_MAX)
            return ERR_OVERLOADED;
    }
    return ERR_OK;
}

enum err counter_take(struct coord *c, struct now now, struct run *run)
{
    struct part *p = &run->part;
    struct take t = {.c = c, .now = now, .run = run, .floor = floor_of(c, p)};
    enum err err = ERR_OK;
    if (c->promised == INT64_MAX)
        return ERR_CORRUPT;
    lift_tomb(&t, &p->deletion);
    for (size_t i = 0; i < p->tombs_count; i++)
        lift_tomb(&t, &p->tombs[i].tomb);
    for (size_t i = 0; i < p->rows_count && err == ERR_OK; i++)
        err = take_row(&t, &p->rows[i], false);
    if (p->has_static && err == ERR_OK)
        err = take_row(&t, &p->static_row, true);
    if (err == ERR_OK)
        part_normalise(p, &run->memory->arena);
    return err;
}
