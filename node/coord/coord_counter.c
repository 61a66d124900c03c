/* Counters at the replica that takes an increment. It reads before it writes: an increment that is
 * there already, from an earlier try of the same request, keeps the timestamp it has, so it is the
 * same cell and counts once; it gets a dot again and goes to the replicas again, because the client
 * is told that so many have it. What the last request of this very turn wrote is seen, too. */
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

static void take_row(struct row *row, const struct row *have)
{
    for (size_t i = 0; i < row->cells_count; i++) {
        struct cell *cell = &row->cells[i];
        const struct cell *known = have != NULL ? find_cell(have, cell) : NULL;
        if (!cell_is_increment(cell) || known == NULL)
            continue;
        cell->timestamp = known->timestamp;
        cell->value = known->value;
    }
}

enum err counter_take(struct coord *c, struct now now, struct run *run)
{
    struct arena *arena = &run->memory->arena;
    struct part *p = &run->part;
    struct part have;
    enum err err = read_rows(c, now, p, arena, &have);
    if (err != ERR_OK)
        return err;
    size_t k = 0;
    for (size_t i = 0; i < p->rows_count; i++) {
        while (k < have.rows_count && bytes_compare(have.rows[k].key, p->rows[i].key) < 0)
            k++;
        bool there = k < have.rows_count && bytes_equal(have.rows[k].key, p->rows[i].key);
        take_row(&p->rows[i], there ? &have.rows[k] : NULL);
    }
    if (p->has_static)
        take_row(&p->static_row, have.has_static ? &have.static_row : NULL);
    part_normalise(p, arena);
    return ERR_OK;
}
