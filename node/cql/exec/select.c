#include "node/cql/exec/select.h"
#include "node/schema/order.h"
#include "ring/murmur3.h"

#define POSITION_MAX ((size_t)1 << 20) /* bytes of one key in a position */

void select_move(struct select *s, const struct position *to)
{
    struct position next = *to;
    buf_clear(&s->at_key);
    buf_clear(&s->at_row);
    buf_put_bytes(&s->at_key, to->key);
    buf_put_bytes(&s->at_row, to->row);
    next.has = true;
    next.key = buf_bytes(&s->at_key);
    next.row = buf_bytes(&s->at_row);
    s->at = next;
}

bool select_page_full(const struct select *s)
{
    return (s->params.page_size > 0 && s->rows >= (uint32_t)s->params.page_size) ||
           (s->params.page_size > 0 && s->content.len >= EXEC_PAGE_FULL);
}

static void init_columns(struct run *r, struct select *s)
{
    const struct table *t = s->table;
    s->values = arena_array(r->arena, struct cql_value, t->column_count);
    s->cells = arena_array(r->arena, struct column_cells, t->column_count);
    s->by_id = arena_array(r->arena, uint16_t, t->next_column_id);
    for (uint32_t i = 0; i < t->column_count; i++) {
        if (t->columns[i].id < t->next_column_id)
            s->by_id[t->columns[i].id] = (uint16_t)(i + 1);
    }
}

/* A virtual table answers its scans at once. */
static bool take_virtual(struct run *r, struct select *s)
{
    const struct scan *scan;
    s->virtual_table = virtual_open(r, s->table);
    while (s->virtual_table != NULL && (scan = select_scan(r, s)) != NULL) {
        struct scan_result rows;
        virtual_scan(r, s->virtual_table, scan, &rows);
        if (!select_take(r, s, &rows))
            return false;
    }
    return s->virtual_table != NULL;
}

bool select_start(struct run *r, struct select *s, const struct select_params *params)
{
    struct position from;
    s->params = *params;
    s->arena = r->arena;
    s->paged = params->page_size > 0;
    buf_init(&s->content, EXEC_REPLY_MAX + POSITION_MAX);
    buf_init(&s->at_key, POSITION_MAX);
    buf_init(&s->at_row, POSITION_MAX);
    buf_init(&s->group, BUF_MAX_DEFAULT);
    arena_init(&s->scratch);
    if (selection_is_aggregate(s->selection) && s->group_by_count == 0)
        s->params.page_size = 0; /* one row comes out */
    if (params->paging_state.len > 0 && s->params.page_size > 0) {
        if (!position_decode(r, s->table, params->paging_state, &from))
            return false;
        select_move(s, &from);
    }
    init_columns(r, s);
    select_siblings_start(r, s);
    return select_plan_start(r, s) && (!s->is_virtual || take_virtual(r, s));
}

void select_close(struct select *s)
{
    if (s == NULL)
        return;
    buf_close(&s->content);
    buf_close(&s->at_key);
    buf_close(&s->at_row);
    buf_close(&s->group);
    nearest_close(s->nearest);
    arena_close(&s->scratch);
}

/* --- scans */

static uint32_t rows_wanted(const struct select *s)
{
    uint64_t want = s->limit == UINT64_MAX ? 0 : s->limit - s->at.taken;
    bool all = s->filters_count > 0 && s->terms.no == 0; /* of an index most rows are wanted */
    if (all || s->nearest != NULL || selection_is_aggregate(s->selection))
        return 0; /* unknown how many it takes */
    if (s->params.page_size > 0) {
        uint64_t page = (uint32_t)s->params.page_size - s->rows;
        want = want == 0 || page < want ? page : want;
    }
    return want < UINT32_MAX ? (uint32_t)want : UINT32_MAX;
}

const struct scan *select_scan(struct run *r, struct select *s)
{
    if (s->complete)
        return NULL;
    s->scan = (struct scan){.table = s->table->no,
                            .after_token = s->after_token,
                            .upto_token = s->upto_token,
                            .want_static = s->table->static_count > 0,
                            .reversed = s->reversed,
                            .rows_max = rows_wanted(s),
                            .index = s->terms,
                            .now_s = r->now_s};
    if (!s->slices.all) {
        s->scan.slices = s->slices.items;
        s->scan.slices_count = s->slices.count;
    }
    if (s->filters_count == 0)
        s->scan.rows_per_part = s->per_part;
    if (s->by_key) {
        s->scan.single = true;
        s->scan.key = s->keys.items[s->key_at];
        s->scan.token = murmur3_token(s->scan.key);
    }
    bool resumes = s->at.has && (!s->by_key || bytes_equal(s->at.key, s->scan.key));
    if (resumes) {
        s->scan.has_from = true;
        s->scan.from_token = s->at.token;
        s->scan.from_key = s->at.key;
        s->scan.from_in_part = s->at.in_part;
        s->scan.from_row = s->at.row;
        s->scan.from_rows = s->at.live_in_part;
    }
    return &s->scan;
}

/* --- parts */

static bool part_is_full(const struct select *s)
{
    return s->part_done || (s->per_part > 0 && s->at.taken_in_part >= s->per_part);
}

static struct position at_row(const struct select *s, const struct part *p, const struct row *row)
{
    struct position to = s->at;
    to.token = p->token;
    to.key = p->key;
    to.in_part = row != NULL;
    to.row = row != NULL ? row->key : BYTES_NONE;
    return to;
}

static void move_to(struct select *s, const struct part *p, const struct row *row)
{
    struct position to = at_row(s, p, row);
    select_move(s, &to);
}

/* The rows of one partition, until the page or the limit is full: *ret_stopped, and `at` is where
 * to go on. Else `at` is only moved where the partition ends. */
static bool take_part(struct run *r, struct select *s, const struct part *p, bool whole,
                      bool *ret_stopped)
{
    bool resumed = s->at.has && bytes_equal(s->at.key, p->key) && s->at.token == p->token;
    const struct row *last = NULL;
    bool page_by_rows = s->group_by_count == 0;
    *ret_stopped = false;
    if (!resumed) {
        s->at.taken_in_part = s->at.live_in_part = 0;
        s->part_done = false;
    }
    for (size_t i = 0; i <= p->rows_count && !part_is_full(s); i++) {
        /* at last, when there is no row: the static one alone */
        bool alone = i == p->rows_count;
        const struct row *row = alone ? NULL : &p->rows[s->reversed ? p->rows_count - 1 - i : i];
        if (alone && !(whole && s->at.live_in_part == 0 && s->slices.all && p->has_static &&
                       row_shows(s->table, &p->static_row, r->now_s)))
            break;
        if (!alone && !s->is_virtual && !row_shows(s->table, row, r->now_s)) {
            s->at.live_in_part += row_is_live(row, r->now_s); /* replicas count it */
            continue;
        }
        enum row_fate fate = select_row(r, s, p, row);
        if (fate == ROW_FAILED)
            return false;
        if (fate == ROW_OF_NEXT_PAGE) {
            if (last != NULL)
                move_to(s, p, last);
            *ret_stopped = true;
            return true;
        }
        s->at.live_in_part += !alone;
        last = row;
        s->part_done = fate == ROW_OF_NEXT_PART;
        s->complete = s->complete || (page_by_rows && s->at.taken >= s->limit);
        if (s->complete || (page_by_rows && select_page_full(s))) {
            move_to(s, p, part_is_full(s) ? NULL : last);
            *ret_stopped = true;
            return true;
        }
    }
    return true;
}

/* Is there anything behind the part that a page ended in? */
static bool anything_left(const struct select *s, const struct scan_result *rows, size_t part,
                          bool last_row_was_last)
{
    return part + 1 < rows->parts_count || !last_row_was_last || rows->more ||
           (s->by_key && s->key_at + 1 < s->keys.count);
}

static bool at_last_row(const struct select *s, const struct part *p)
{
    if (!s->at.in_part)
        return true;
    size_t n = p->rows_count;
    const struct row *last = s->reversed ? &p->rows[0] : &p->rows[n - 1];
    return bytes_equal(last->key, s->at.row);
}

/* The scan is used up: on to where it ended, to the next key, or to the end. */
static void advance(struct select *s, const struct scan_result *rows)
{
    if (rows->more) {
        struct position to = s->at;
        bool same = s->at.has && bytes_equal(rows->upto_key, s->at.key);
        to.token = rows->upto_token;
        to.key = rows->upto_key;
        to.in_part = rows->upto_in_part && !(part_is_full(s) && same);
        to.row = rows->upto_row;
        to.live_in_part = rows->upto_rows;
        select_move(s, &to);
        return;
    }
    s->complete = !s->by_key || ++s->key_at >= s->keys.count;
}

static bool take_parts(struct run *r, struct select *s, const struct scan_result *rows)
{
    for (size_t i = 0; i < rows->parts_count; i++) {
        const struct part *p = &rows->parts[i];
        bool cut = rows->more && rows->upto_in_part && rows->upto_token == p->token &&
                   bytes_equal(rows->upto_key, p->key);
        bool stopped;
        if (!take_part(r, s, p, !cut, &stopped))
            return false;
        if (stopped) {
            s->more_pages = s->more_pages || (!s->complete && s->params.page_size > 0 &&
                                              anything_left(s, rows, i, at_last_row(s, p)));
            s->complete = true;
            return true;
        }
        /* so that `advance` knows what was counted */
        move_to(s, p, cut && p->rows_count > 0 ? &p->rows[0] : NULL);
    }
    advance(s, rows);
    return true;
}

bool select_take(struct run *r, struct select *s, const struct scan_result *rows)
{
    struct arena *arena = r->arena;
    r->arena = &s->scratch; /* what rows need goes with them */
    bool good = take_parts(r, s, rows);
    r->arena = arena;
    arena_reset(&s->scratch);
    return good;
}

/* --- the reply */

size_t select_columns(struct run *r, const struct select *s, const struct cql_column **ret)
{
    *ret = selection_columns(r, s->table, s->selection);
    return selection_count(s->selection);
}

bool select_is_by_key(const struct select *s)
{
    return s->by_key;
}

const struct table *select_table(const struct select *s)
{
    return s->table;
}

/* The columns, unless the client has them already. In version 5 it says which it has. */
static bool put_metadata(struct run *r, const struct select *s, struct cql_metadata *m)
{
    bool told = s->params.version >= 5 && s->params.metadata_id.len > 0;
    if (s->params.skip_metadata && !told)
        return false;
    m->columns = selection_columns(r, s->table, s->selection);
    if (!told)
        return true;
    uint8_t *id = arena_alloc(r->arena, 16);
    metadata_id(m->columns, m->column_count, id);
    if (bytes_equal(s->params.metadata_id, bytes_make(id, 16)))
        return !s->params.skip_metadata;
    m->flags |= CQL_META_CHANGED;
    m->new_id = bytes_make(id, 16);
    return true;
}

bool select_reply(struct run *r, struct select *s, struct buf *body)
{
    struct cql_rows rows = {0};
    bool grouped = s->group_by_count > 0;
    if (!nearest_finish(r, s))
        return false;
    if (selection_is_aggregate(s->selection) && (!grouped || s->in_group)) {
        if (!selection_finish(r, s->selection, &s->content))
            return false;
        s->rows++;
    }
    if (s->sorts)
        select_sort(s);
    select_tell_siblings(r, s);
    rows.metadata.column_count = (uint32_t)selection_count(s->selection);
    rows.count = s->rows;
    rows.content = buf_bytes(&s->content);
    if (s->more_pages) {
        rows.metadata.flags |= CQL_META_MORE_PAGES;
        rows.metadata.paging_state = position_encode(r, s->table, &s->at);
    }
    if (!put_metadata(r, s, &rows.metadata))
        rows.metadata.flags |= CQL_META_NONE;
    cql_rows_put(body, s->params.version, &rows);
    return true;
}
