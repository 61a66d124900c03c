/* engine_siblings.c - a write to a siblings table looks before it is written: here, at what this
 * replica has of its rows, durable or not. */
#include "storage/engine_private.h"

/* The rows here that are those of p, static or not. */
static enum err read_rows(struct engine *e, const struct part *p, struct arena *arena,
                          struct part *ret)
{
    struct rows rows;
    struct row row;
    rows_init(&rows, e, arena, false);
    enum err err = rows_open(&rows, p->table, p->token, p->key);
    struct part out = rows.head;
    out.rows = arena_array(arena, struct row, p->rows_count);
    for (size_t i = 0; i < p->rows_count && err == ERR_OK; i++) {
        rows_seek(&rows, p->rows[i].key);
        err = rows_next(&rows, false, &row);
        if (err == ERR_OK && bytes_equal(row.key, p->rows[i].key) && !row_is_empty(&row))
            out.rows[out.rows_count++] = row;
        err = err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    enum err closed = rows_close(&rows);
    *ret = out;
    return err != ERR_OK ? err : closed;
}

static enum err mint(struct engine *e, keyspace_no keyspace, range_no range,
                     const struct part *request, const struct supersede *s, struct mint *m,
                     struct arena *arena, struct minted *ret)
{
    struct range_state *r = engine_range(e, keyspace, range);
    struct part have;
    if (r->err != ERR_OK)
        return r->err;
    if (!tomb_is_none(&request->deletion) || request->tombs_count > 0)
        return ERR_INVALID; /* siblings_expand */
    enum err err = read_rows(e, request, arena, &have);
    if (err != ERR_OK)
        return engine_note(e, err);
    m->clock = &r->clock;
    m->have = &have;
    siblings_mint(request, s, m, arena, ret);
    return ERR_OK;
}

enum err engine_supersede(struct engine *e, keyspace_no keyspace, range_no range,
                          const struct part *request, const struct supersede *s, struct dot dot,
                          int64_t stamp, int64_t now_s, struct arena *arena, struct minted *ret)
{
    struct mint m = {.dot = dot, .stamp = stamp, .limit = INT64_MAX, .now_s = now_s};
    return mint(e, keyspace, range, request, s, &m, arena, ret);
}

enum err engine_contest_own(struct engine *e, keyspace_no keyspace, range_no range,
                            const struct part *request, const struct supersede *s, int64_t stamp,
                            int64_t limit, int64_t now_s, struct arena *arena, int64_t *ret,
                            bool *ret_beyond)
{
    struct minted minted;
    struct mint m = {.dot = engine_next_dot(e, keyspace, range, e->actor),
                     .stamp = stamp,
                     .limit = limit,
                     .now_s = now_s};
    enum err err = mint(e, keyspace, range, request, s, &m, arena, &minted);
    if (err != ERR_OK)
        return err;
    *ret = minted.within;
    *ret_beyond |= minted.stamped.lost && minted.stamped.by > limit;
    return ERR_OK;
}
