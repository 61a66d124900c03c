/* tree_read.c - the rows of a stretch in their order, and what they come to.
 *
 *   digest = SipHash(tree key, place, canonical bytes of the row, or head, as in a stored fragment)
 *
 * Places are closed by their escaping, so no two rows give the same bytes. The digests are stored
 * and compared between replicas: do not change. */
#include "storage/tree_private.h"

#include "base/mutant.h"

#define READER_ARENA_MAX ((size_t)1 << 20) /* of rows; then the partition is opened anew */

/* The data key of a place: the table, and then the place itself. */
static void seek_token(struct tree_reader *r, token first)
{
    key_token(&r->body, r->table, first);
    store_iter_seek(r->rows.it, buf_bytes(&r->body));
}

static enum err open_at(struct tree_reader *r, token place, struct bytes key)
{
    buf_clear(&r->key);
    buf_put_bytes(&r->key, key);
    key_tree_place(&r->place, place, key, KEY_DELETION);
    r->front = r->place.len - 1;
    r->open = true;
    enum err err = rows_open(&r->rows, r->table, place, buf_bytes(&r->key));
    r->opened = arena_used(&r->arena);
    return err;
}

enum err tree_reader_init(struct tree_reader *r, struct engine *e, const struct range_place *place,
                          table_no table, struct bytes from, struct bytes upto)
{
    struct bytes key, row;
    token at;
    enum key_kind kind;
    *r = (struct tree_reader){.e = e, .table = table, .last = place->last, .upto = upto};
    r->before = e->stats.fragments_read;
    buf_init(&r->place, SIZE_MAX);
    buf_init(&r->key, SIZE_MAX);
    buf_init(&r->body, SIZE_MAX);
    buf_init(&r->row, SIZE_MAX);
    rows_init(&r->rows, e, &r->arena, false);
    if (from.len == 0) {
        seek_token(r, place->first);
        return ERR_OK;
    }
    if (!key_parse_tree_place(from, &r->arena, &at, &key, &kind, &row))
        return ERR_MALFORMED;
    if (at < place->first) {
        seek_token(r, place->first);
        return ERR_OK;
    }
    enum err err = open_at(r, at, key);
    r->head = kind == KEY_DELETION;
    if (err == ERR_OK && !r->head) {
        buf_clear(&r->row);
        buf_put_bytes(&r->row, row);
        rows_seek(&r->rows, buf_bytes(&r->row));
    }
    return err;
}

enum err tree_reader_close(struct tree_reader *r)
{
    enum err err = rows_close(&r->rows);
    buf_close(&r->place);
    buf_close(&r->key);
    buf_close(&r->body);
    buf_close(&r->row);
    arena_close(&r->arena);
    return err;
}

size_t tree_reader_work(const struct tree_reader *r)
{
    return (size_t)(r->e->stats.fragments_read - r->before);
}

/* What the iterator stands on is read with its head; ERR_NOT_FOUND behind the range. */
static enum err next_part(struct tree_reader *r)
{
    arena_reset(&r->arena);
    enum err err = rows_open_here(&r->rows, r->table);
    if (err != ERR_OK)
        return err;
    token at = r->rows.head.token;
    if (at > r->last)
        return ERR_NOT_FOUND;
    buf_clear(&r->key);
    buf_put_bytes(&r->key, r->rows.head.key);
    r->rows.head.key = buf_bytes(&r->key);
    key_tree_place(&r->place, at, buf_bytes(&r->key), KEY_DELETION);
    r->front = r->place.len - 1;
    r->open = r->head = true;
    r->opened = arena_used(&r->arena);
    return ERR_OK;
}

/* Where it is, in a fresh arena. */
static enum err reopen(struct tree_reader *r)
{
    token at = r->rows.head.token;
    arena_reset(&r->arena);
    enum err err = rows_open(&r->rows, r->table, at, buf_bytes(&r->key));
    r->opened = arena_used(&r->arena);
    if (err == ERR_OK)
        rows_seek(&r->rows, buf_bytes(&r->row));
    return err;
}

static bool part_has_head(const struct part *head)
{
    return !tomb_is_none(&head->deletion) || head->tombs_count > 0 || head->has_static;
}

static void give_head(struct tree_reader *r, struct tree_row *ret)
{
    const struct part *head = &r->rows.head;
    r->place.len = r->front;
    buf_put_u8(&r->place, KEY_DELETION);
    r->head = false;
    *ret = (struct tree_row){.part = *head};
    ret->part.rows = NULL;
    ret->part.rows_count = 0;
    ret->empty = !part_has_head(head) || MUTANT(tree_without_heads);
    buf_clear(&r->row);
    rows_seek(&r->rows, BYTES_NONE);
}

static enum err give_row(struct tree_reader *r, struct tree_row *ret)
{
    struct row *row = arena_new(&r->arena, struct row);
    enum err err = rows_next(&r->rows, false, row);
    if (err != ERR_OK)
        return err;
    r->place.len = r->front;
    buf_put_u8(&r->place, KEY_ROW);
    key_add_escaped(&r->place, row->key);
    buf_clear(&r->row);
    buf_put_bytes(&r->row, row->key);
    buf_put_u8(&r->row, 0); /* what follows it at once */
    row->key = BYTES_NONE;  /* the place says it */
    *ret = (struct tree_row){.empty = row_is_empty(row)};
    ret->part = (struct part){.siblings = row->siblings, .deletion = TOMB_NONE};
    ret->part.static_row.deletion = TOMB_NONE;
    ret->part.rows = row;
    ret->part.rows_count = 1;
    return ERR_OK;
}

enum err tree_reader_next(struct tree_reader *r, struct tree_row *ret)
{
    enum err err = ERR_OK;
    if (r->open && !r->head && arena_used(&r->arena) - r->opened > READER_ARENA_MAX)
        err = reopen(r);
    for (;;) {
        if (err == ERR_OK && !r->open)
            err = next_part(r);
        if (err != ERR_OK)
            return err;
        if (r->head) {
            give_head(r, ret);
            break;
        }
        err = give_row(r, ret);
        if (err == ERR_OK)
            break;
        if (err == ERR_NOT_FOUND) {
            r->open = false;
            err = ERR_OK;
        }
    }
    ret->place = buf_bytes(&r->place);
    return r->upto.len > 0 && bytes_compare(ret->place, r->upto) >= 0 ? ERR_NOT_FOUND : ERR_OK;
}

uint64_t tree_digest(struct tree_reader *r, const struct tree_row *row)
{
    buf_clear(&r->body);
    buf_put_bytes(&r->body, row->place);
    part_body_write(&row->part, PART_NO_CLOCK, &r->body);
    return siphash(&r->e->tree_key, buf_bytes(&r->body));
}

static int64_t row_due(const struct row *row)
{
    int64_t due = tomb_is_none(&row->deletion) ? DUE_NEVER : DUE_NOW;
    for (size_t i = 0; i < row->cells_count && due != DUE_NOW; i++) {
        const struct cell *c = &row->cells[i];
        int64_t at = c->kind == CELL_LIVE ? DUE_NEVER : DUE_NOW;
        if (c->kind == CELL_EXPIRING)
            at = c->time_s;
        due = at < due ? at : due;
    }
    return due;
}

int64_t tree_due(const struct part *p)
{
    int64_t due = DUE_NEVER;
    if (!tomb_is_none(&p->deletion) || p->tombs_count > 0)
        return DUE_NOW;
    if (p->has_static)
        due = row_due(&p->static_row);
    for (size_t i = 0; i < p->rows_count; i++) {
        int64_t at = row_due(&p->rows[i]);
        due = at < due ? at : due;
    }
    return due;
}

enum err tree_read_sum(struct engine *e, const struct range_place *place, table_no table,
                       const struct tree_stretch *stretch, const struct tree_skip *skip,
                       struct tree_sum *ret, int64_t *ret_due)
{
    struct tree_reader r;
    struct tree_row row;
    struct tree_sum sum = {0, 0};
    int64_t due = DUE_NEVER;
    enum err err = tree_reader_init(&r, e, place, table, stretch->from, stretch->upto);
    while (err == ERR_OK && (err = tree_reader_next(&r, &row)) == ERR_OK) {
        if (row.empty || tree_skip_has(skip, row.place))
            continue;
        int64_t at = tree_due(&row.part);
        due = at < due ? at : due;
        sum.sum += tree_digest(&r, &row);
        sum.rows++;
    }
    enum err closed = tree_reader_close(&r);
    err = err == ERR_NOT_FOUND ? closed : err;
    if (err == ERR_OK) {
        *ret = sum;
        *ret_due = due;
    }
    return engine_note(e, err);
}
