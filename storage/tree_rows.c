/* tree_rows.c - the rows at given places, for another replica (tree.h has the grammar). */
#include "storage/tree_private.h"

struct giver {
    struct rows rows;
    struct arena arena; /* of the partition that is open */
    bool open;
    struct buf key; /* of it; outlives the arena */
    struct part part;
    size_t cap;
    size_t before; /* bytes read when it was begun */
    struct buf *out;
};

static void end_part(struct giver *g)
{
    if (g->open && !part_is_empty(&g->part))
        part_encode(&g->part, g->out);
    g->open = false;
}

static enum err begin_part(struct giver *g, table_no table, token at, struct bytes key)
{
    end_part(g);
    buf_clear(&g->key);
    buf_put_bytes(&g->key, key);
    arena_reset(&g->arena);
    enum err err = rows_open(&g->rows, table, at, buf_bytes(&g->key));
    g->part = (struct part){.table = table,
                            .token = at,
                            .key = buf_bytes(&g->key),
                            .siblings = g->rows.head.siblings,
                            .deletion = TOMB_NONE,
                            .static_row = {.deletion = TOMB_NONE}};
    g->cap = 0;
    g->before = g->rows.bytes;
    g->open = true;
    return err;
}

static void give_head(struct giver *g)
{
    const struct part *head = &g->rows.head;
    g->part.deletion = head->deletion;
    g->part.tombs = head->tombs;
    g->part.tombs_count = head->tombs_count;
    g->part.has_static = head->has_static;
    g->part.static_row = head->static_row;
}

static enum err give_row(struct giver *g, struct bytes key)
{
    struct row row;
    rows_seek(&g->rows, key);
    enum err err = rows_next(&g->rows, false, &row);
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    if (err != ERR_OK || !bytes_equal(row.key, key) || row_is_empty(&row))
        return err;
    struct part *p = &g->part;
    p->rows = arena_grow(&g->arena, p->rows, p->rows_count, &g->cap, sizeof *p->rows);
    p->rows[p->rows_count++] = row;
    p->siblings = p->siblings || row.siblings;
    return ERR_OK;
}

static enum err give(struct giver *g, table_no table, struct bytes place, struct arena *scratch)
{
    struct bytes key, row;
    enum key_kind kind;
    token at;
    enum err err = ERR_OK;
    if (!key_parse_tree_place(place, scratch, &at, &key, &kind, &row))
        return ERR_MALFORMED;
    if (!g->open || g->part.token != at || !bytes_equal(g->part.key, key))
        err = begin_part(g, table, at, key);
    if (err != ERR_OK)
        return err;
    if (kind != KEY_ROW) {
        give_head(g);
        return ERR_OK;
    }
    return give_row(g, arena_copy(&g->arena, row));
}

enum err engine_tree_rows(struct engine *e, table_no table, const struct bytes *places,
                          size_t count, size_t bytes_max, struct buf *out, size_t *ret_count)
{
    struct giver g = {.out = out};
    struct arena scratch = {0};
    enum err err = ERR_OK;
    size_t done = 0;
    rows_init(&g.rows, e, &g.arena, false);
    buf_init(&g.key, SIZE_MAX);
    for (; done < count && err == ERR_OK; done++) {
        size_t open = g.open ? g.rows.bytes - g.before : 0;
        if (done > 0 && out->len + open >= bytes_max)
            break;
        if (done > 0 && bytes_compare(places[done - 1], places[done]) >= 0)
            err = ERR_MALFORMED;
        else
            err = give(&g, table, places[done], &scratch);
    }
    if (err == ERR_OK)
        end_part(&g);
    enum err closed = rows_close(&g.rows);
    err = err == ERR_OK ? closed : err;
    if (err == ERR_OK)
        err = buf_finish(out);
    buf_close(&g.key);
    arena_close(&g.arena);
    arena_close(&scratch);
    *ret_count = done;
    return engine_note(e, err);
}
