#include "node/cql/exec/select.h"
#include "node/schema/form.h"
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

static bool page_full(const struct select *s)
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

static bool take_virtual(struct run *r, struct select *s);

bool select_start(struct run *r, struct select *s, const struct select_params *params)
{
    struct position from;
    s->params = *params;
    buf_init(&s->content, EXEC_REPLY_MAX + POSITION_MAX);
    buf_init(&s->at_key, POSITION_MAX);
    buf_init(&s->at_row, POSITION_MAX);
    buf_init(&s->group, BUF_MAX_DEFAULT);
    arena_init(&s->scratch);
    if (selection_is_aggregate(s->selection))
        s->params.page_size = 0; /* one row comes out */
    if (params->paging_state.len > 0 && s->params.page_size > 0) {
        if (!position_decode(r, s->table, params->paging_state, &from))
            return false;
        select_move(s, &from);
    }
    init_columns(r, s);
    if (!select_plan_start(r, s))
        return false;
    return !s->is_virtual || take_virtual(r, s);
}

void select_close(struct select *s)
{
    if (s == NULL)
        return;
    buf_close(&s->content);
    buf_close(&s->at_key);
    buf_close(&s->at_row);
    buf_close(&s->group);
    arena_close(&s->scratch);
}

/* --- scans */

static uint32_t rows_wanted(const struct select *s)
{
    uint64_t want = s->limit == UINT64_MAX ? 0 : s->limit - s->at.taken;
    bool all = s->filters_count > 0 && s->terms.no == 0; /* of an index most rows are wanted */
    if (all || selection_is_aggregate(s->selection))
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

/* --- rows */

static void put_value(struct select *s, size_t index, struct cql_value v)
{
    s->values[index] = v;
}

/* The cells of a row, static or not, become values. */
static void take_cells(struct run *r, struct select *s, const struct row *row)
{
    size_t i = 0;
    while (i < row->cells_count) {
        size_t first = i;
        uint32_t id = row->cells[i].column;
        while (i < row->cells_count && row->cells[i].column == id)
            i++;
        if (id == COLUMN_MARKER || id >= s->table->next_column_id || s->by_id[id] == 0)
            continue; /* dropped, or made by a schema we do not have yet */
        size_t index = s->by_id[id] - 1u;
        const struct column *c = &s->table->columns[index];
        const struct cell *cell = &row->cells[first];
        if (cql_type_is_multicell(c->type)) {
            struct cql_value v;
            (void)collect_gather(r, c, cell, i - first, r->now_s, &v);
            put_value(s, index, v);
            s->cells[index] = (struct column_cells){cell, i - first};
        } else if (c->type->kind == CQL_COUNTER) {
            struct cell *sum = arena_new(r->arena, struct cell);
            if (!counter_read(cell, i - first, r->now_s, r->arena, sum))
                continue;
            put_value(s, index, cql_value_make(sum->value));
            s->cells[index] = (struct column_cells){sum, 1};
        } else if (!cell->has_path && cell_is_live(cell, r->now_s)) {
            put_value(s, index, cql_value_make(cell->value));
            s->cells[index] = (struct column_cells){cell, 1};
        }
    }
}

/* The clustering key as the newest INSERT wrote it. */
static void take_form(struct run *r, struct select *s, const struct row *row)
{
    const struct table *t = s->table;
    struct bytes left = BYTES_NONE, form;
    for (size_t i = 0; i < row->cells_count; i++) {
        const struct cell *cell = &row->cells[i];
        if (cell->column == COLUMN_MARKER && cell_is_live(cell, r->now_s))
            left = cell->value;
    }
    for (uint32_t i = 0; i < t->clustering_count && left.len > 0; i++) {
        size_t index = t->partition_key_count + i;
        const struct cql_type *type = t->columns[index].type;
        if (form_kept(type) && form_take(left, &form, &left))
            s->values[index].data = form_or_key(type, form, s->values[index].data);
    }
}

static bool take_key(struct run *r, struct select *s, const struct part *p, const struct row *row)
{
    const struct table *t = s->table;
    struct bytes *parts = arena_array(r->arena, struct bytes, t->partition_key_count);
    if (partition_key_split(p->key, t->partition_key_count, parts) != ERR_OK)
        return run_fail(r, CQL_ERROR_SERVER, "A replica sent a partition key that is none");
    for (uint32_t i = 0; i < t->partition_key_count; i++)
        put_value(s, i, cql_value_make(parts[i]));
    if (row == NULL)
        return true;
    struct reader in = reader_make(row->key);
    for (uint32_t i = 0; i < t->clustering_count; i++) {
        size_t index = t->partition_key_count + i;
        struct buf b;
        buf_init(&b, BUF_MAX_DEFAULT);
        enum err err = order_decode(t->columns[index].type, t->columns[index].reversed, &in, &b);
        put_value(s, index, cql_value_make(run_take(r, &b)));
        if (err != ERR_OK)
            return run_fail(r, CQL_ERROR_SERVER, "A replica sent a clustering key that is none");
    }
    take_form(r, s, row);
    return true;
}

/* A row of another group than the one before: show what that one came to. */
static bool turn_group(struct run *r, struct select *s)
{
    struct buf key;
    bool good = true;
    buf_init(&key, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < s->group_by_count; i++)
        cql_put_value(&key, s->values[column_index(s->table, s->group_by[i])]);
    if (s->in_group && !bytes_equal(buf_bytes(&key), buf_bytes(&s->group))) {
        good = selection_finish(r, s->selection, &s->content);
        s->rows++;
        s->in_group = false;
        s->complete = s->rows >= s->limit;
    }
    if (!s->in_group) {
        buf_clear(&s->group);
        buf_put_bytes(&s->group, buf_bytes(&key));
        s->in_group = !s->complete;
    }
    buf_close(&key);
    return good;
}

/* A row has its values: does it count, and what does it show? */
static bool emit(struct run *r, struct select *s, bool *ret_taken)
{
    struct row_values row = {s->values, s->is_virtual ? NULL : s->cells, r->now_s};
    *ret_taken = false;
    for (size_t i = 0; i < s->filters_count; i++) {
        if (!filter_pass(&s->filters[i], s->table, s->values))
            return true;
    }
    if (s->group_by_count > 0) {
        if (!turn_group(r, s))
            return false;
        if (s->complete)
            return true;
    }
    *ret_taken = s->group_by_count == 0; /* LIMIT counts groups */
    if (!selection_row(r, s->selection, &row, &s->content))
        return false;
    s->rows += selection_is_aggregate(s->selection) ? 0 : 1;
    if (s->content.failed || s->content.len > EXEC_REPLY_MAX)
        return run_invalid(r, "The result is larger than %zu bytes: %s", EXEC_REPLY_MAX,
                           s->params.page_size > 0 ? "select fewer columns" : "use paging");
    return true;
}

/* row NULL: the partition has static columns only. */
static bool take_row(struct run *r, struct select *s, const struct part *p, const struct row *row)
{
    bool taken;
    for (uint32_t i = 0; i < s->table->column_count; i++) {
        s->values[i] = CQL_NULL;
        s->cells[i] = (struct column_cells){NULL, 0};
    }
    if (!take_key(r, s, p, row))
        return false;
    if (p->has_static)
        take_cells(r, s, &p->static_row);
    if (row != NULL)
        take_cells(r, s, row);
    if (!emit(r, s, &taken))
        return false;
    s->at.taken += taken && !selection_is_aggregate(s->selection); /* LIMIT: of the answer */
    s->at.taken_in_part += taken;
    if (s->at.taken >= s->limit)
        s->complete = true;
    return true;
}

static bool part_is_full(const struct select *s)
{
    return s->per_part > 0 && s->at.taken_in_part >= s->per_part;
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

/* The rows of one partition, until the page or the limit is full. *ret_stopped: they were, after
 * this row of it (NULL: at its end). */
static bool take_part(struct run *r, struct select *s, const struct part *p, bool whole,
                      bool *ret_stopped)
{
    bool resumed = s->at.has && bytes_equal(s->at.key, p->key) && s->at.token == p->token;
    const struct row *last = NULL;
    *ret_stopped = false;
    if (!resumed)
        s->at.taken_in_part = s->at.live_in_part = 0;
    for (size_t i = 0; i < p->rows_count && !part_is_full(s); i++) {
        const struct row *row = &p->rows[s->reversed ? p->rows_count - 1 - i : i];
        if (!row_is_live(row, r->now_s))
            continue;
        s->at.live_in_part++;
        last = row;
        if (!take_row(r, s, p, row))
            return false;
        if (s->complete || page_full(s)) {
            struct position to = at_row(s, p, part_is_full(s) ? NULL : last);
            select_move(s, &to);
            *ret_stopped = true;
            return true;
        }
    }
    bool static_only = whole && s->at.live_in_part == 0 && s->slices.all && p->has_static &&
                       row_is_live(&p->static_row, r->now_s);
    if (static_only && !take_row(r, s, p, NULL))
        return false;
    if (static_only && (s->complete || page_full(s))) {
        struct position to = at_row(s, p, NULL);
        select_move(s, &to);
        *ret_stopped = true;
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
    if (s->by_key && ++s->key_at < s->keys.count) {
        s->at.has = false;
        return;
    }
    s->complete = true;
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
            s->more_pages = !s->complete && s->params.page_size > 0 &&
                            anything_left(s, rows, i, at_last_row(s, p));
            s->complete = true;
            return true;
        }
        if (i + 1 == rows->parts_count && cut) { /* so that `advance` knows what was counted */
            struct position to = at_row(s, p, p->rows_count > 0 ? &p->rows[0] : NULL);
            select_move(s, &to);
        }
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

static bool take_virtual(struct run *r, struct select *s)
{
    struct virtual_rows v = {0};
    uint64_t skip = s->at.has ? s->at.taken_in_part : 0;
    virtual_make(r, s->table, &v);
    for (size_t i = (size_t)skip; i < v.count && s->at.taken < s->limit && !s->complete; i++) {
        bool taken;
        size_t n = s->reversed ? v.count - 1 - i : i;
        for (uint32_t j = 0; j < s->table->column_count; j++)
            s->values[j] = v.rows[n][j];
        if (s->distinct && n > 0 && bytes_equal(v.rows[n][0].data, v.rows[n - 1][0].data))
            continue; /* rows of one partition stand together */
        if (!emit(r, s, &taken))
            return false;
        s->at.taken += taken && !selection_is_aggregate(s->selection);
        if (page_full(s) && i + 1 < v.count) {
            struct position to = {.taken = s->at.taken, .taken_in_part = (uint32_t)(i + 1)};
            select_move(s, &to);
            s->more_pages = s->at.taken < s->limit;
            break;
        }
    }
    s->complete = true;
    return true;
}

/* --- the reply */

size_t select_columns(struct run *r, const struct select *s, const struct cql_column **ret)
{
    *ret = selection_columns(r, s->table, s->selection);
    return selection_count(s->selection);
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
    if (selection_is_aggregate(s->selection) && (!grouped || s->in_group)) {
        if (!selection_finish(r, s->selection, &s->content))
            return false;
        s->rows++;
    }
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
