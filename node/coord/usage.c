#include "node/coord/usage.h"

#include "base/mem.h"

struct usage {
    struct histogram *of[USAGE_KINDS]; /* NULL: never */
};

static void usage_free(void *p)
{
    struct usage *usage = p;
    for (size_t i = 0; i < USAGE_KINDS; i++)
        mem_free(usage->of[i]);
    mem_free(usage);
}

void usages_init(struct usages *u)
{
    map_init(&u->by_table);
}

void usages_close(struct usages *u)
{
    map_clear(&u->by_table, usage_free);
    map_close(&u->by_table);
}

void usage_note(struct usages *u, table_no table, enum usage_kind kind, int64_t value)
{
    struct usage *usage = map_get(&u->by_table, table);
    if (usage == NULL) {
        if (map_count(&u->by_table) >= USAGE_TABLES_MAX)
            return;
        usage = mem_new(struct usage);
        map_put(&u->by_table, table, usage);
    }
    if (usage->of[kind] == NULL)
        usage->of[kind] = mem_new(struct histogram);
    histogram_record(usage->of[kind], value);
}

static uint64_t tombstones_of_row(const struct row *row)
{
    uint64_t count = tomb_is_none(&row->deletion) ? 0 : 1;
    for (size_t i = 0; i < row->cells_count; i++)
        count += row->cells[i].kind == CELL_TOMBSTONE;
    return count;
}

static uint64_t tombstones_of(const struct part *part)
{
    uint64_t count = part->tombs_count + (tomb_is_none(&part->deletion) ? 0 : 1);
    if (part->has_static)
        count += tombstones_of_row(&part->static_row);
    for (size_t i = 0; i < part->rows_count; i++)
        count += tombstones_of_row(&part->rows[i]);
    return count;
}

void usage_note_read(struct usages *u, const struct scan *scan, const struct scan_result *found,
                     usec took)
{
    uint64_t tombstones = 0;
    for (size_t i = 0; i < found->parts_count; i++)
        tombstones += tombstones_of(&found->parts[i]);
    usage_note(u, scan->table, scan->single ? USAGE_READ : USAGE_SCAN, took);
    usage_note(u, scan->table, USAGE_ROWS, found->live_rows);
    usage_note(u, scan->table, USAGE_TOMBSTONES, (int64_t)tombstones);
}

const struct histogram *usage_find(const struct usages *u, table_no table, enum usage_kind kind)
{
    const struct usage *usage = map_get(&u->by_table, table);
    return usage == NULL ? NULL : usage->of[kind];
}
