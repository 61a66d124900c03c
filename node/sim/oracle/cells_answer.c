/* cells_answer.c - whole answers: partitions, rows in order, limits, columns. */
#include "node/sim/oracle/cells_core.h"

#include <inttypes.h>
#include <stdio.h>

#define NOT_SELECTED UINT32_MAX
#define NO_COLUMN    (MARKER - 1)

/* An answer being judged. */
struct judge {
    struct view view;
    const struct cells_read *read;
    const struct cells_value *values;
    uint32_t rows;
    uint32_t value_at[CELLS_COLUMNS_MAX]; /* selectors of each column */
    uint32_t time_at[CELLS_COLUMNS_MAX];
    uint32_t token_at;
    struct partition *part; /* being judged */
    struct errmsg *why;
};

/* --- words */

static void put_values(struct buf *out, const struct bytes *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        buf_put_text(out, i == 0 ? "" : ",");
        if (values[i].len == 0)
            buf_put_text(out, "''");
        for (size_t j = 0; j < values[i].len && j < 16; j++)
            buf_printf(out, "%02x", values[i].data[j]);
    }
}

/* "table 0, key 01, row 02, column 3: `what`", and what is known. Always false. */
static bool complain(const struct judge *j, const struct row *r, const struct place *p,
                     uint32_t column, const char *what)
{
    const struct table *t = j->view.table;
    struct buf *out = &j->view.c->scratch;
    buf_clear(out);
    buf_printf(out, "table %" PRIu32, j->read->table);
    if (j->part != NULL) {
        buf_put_text(out, ", key ");
        put_values(out, j->part->key, t->partition_count);
    }
    if (r != NULL && r->key != NULL) {
        buf_put_text(out, ", row ");
        put_values(out, r->key, t->clustering_count);
    }
    if (column == MARKER)
        buf_put_text(out, ", marker");
    else if (column < t->columns_count)
        buf_printf(out, ", column %" PRIu32, column);
    if (p != NULL && p->has_path) {
        buf_put_text(out, ", element ");
        put_values(out, &p->path, 1);
    }
    buf_printf(out, ": %s, by %" PRIu32 " copies", what, j->read->copies);
    if (r != NULL)
        place_describe(&j->view, r, p, out);
    return errmsg_set(j->why, ERR_FAILED, "%.*s", (int)out->len, (const char *)out->data) == ERR_OK;
}

/* --- the answer as a table */

static const struct cells_value *value_at(const struct judge *j, uint32_t row, uint32_t selector)
{
    return &j->values[row * j->read->selectors_count + selector];
}

/* The selected value of a column; NULL when it is not selected. */
static const struct cells_value *value_of(const struct judge *j, uint32_t row, uint32_t column)
{
    uint32_t at = j->value_at[column];
    return at == NOT_SELECTED ? NULL : value_at(j, row, at);
}

static bool key_of(const struct judge *j, uint32_t row, uint32_t first, uint32_t count,
                   struct bytes *ret)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct cells_value *v = value_of(j, row, first + i);
        if (v == NULL || v->is_null)
            return false;
        ret[i] = v->bytes;
    }
    return true;
}

static bool same_partition(const struct judge *j, uint32_t a, uint32_t b)
{
    for (uint32_t i = 0; i < j->view.table->partition_count; i++) {
        const struct cells_value *x = value_of(j, a, i), *y = value_of(j, b, i);
        if (x == NULL || y == NULL || x->is_null != y->is_null || !bytes_equal(x->bytes, y->bytes))
            return false;
    }
    return true;
}

/* --- columns */

static bool judge_one(struct judge *j, struct row *r, uint32_t at, uint32_t column,
                      const struct fate *f, bool *ret_live)
{
    const struct cells_value *value = value_of(j, at, column);
    const struct cells_value *time =
        j->time_at[column] != NOT_SELECTED ? value_at(j, at, j->time_at[column]) : NULL;
    struct place *p = place_find(r, column, false, BYTES_NONE);
    bool is_null = value != NULL ? value->is_null : time->is_null;
    int64_t timestamp = NO_TIME;
    if (value != NULL && time != NULL && value->is_null != time->is_null)
        return complain(j, r, p, column, "a value without its writetime, or the other way round");
    if (is_null) {
        if (p == NULL)
            return true;
        if (!place_may_be_empty(&j->view, f, p))
            return complain(j, r, p, column, "null was read");
        place_was_empty(&j->view, r, p);
        return true;
    }
    *ret_live = true;
    if (time != NULL && time->bytes.len != 8)
        return complain(j, r, p, column, "a writetime that is no bigint was read");
    if (time != NULL)
        timestamp = (int64_t)load_u64(time->bytes.data);
    if (p != NULL &&
        place_may_show(&j->view, f, p, value != NULL ? &value->bytes : NULL, timestamp))
        return true;
    struct bytes shown = value != NULL ? value->bytes : time->bytes;
    char words[64] = "", *end = words;
    for (size_t i = 0; i < shown.len && i < 16; i++)
        end += snprintf(end, 3, "%02x", shown.data[i]);
    snprintf(end, 20, " was read");
    return complain(j, r, p, column, words);
}

/* One element that is shown; in order, and each once. */
static bool judge_element(struct judge *j, struct row *r, uint32_t column, const struct fate *f,
                          struct reader *in, struct place **last)
{
    const struct cells_column *c = &j->view.table->columns[column];
    struct bytes path = read_bytes(in, read_u32(in)), value = BYTES_NONE;
    if (c->shape == CELLS_MAP)
        value = read_bytes(in, read_u32(in));
    if (in->failed)
        return complain(j, r, NULL, column, "a malformed collection was read");
    struct place *p = place_find(r, column, true, path);
    if (p == NULL)
        return complain(j, r, NULL, column, "an element was read and never written");
    if (*last != NULL && cells_compare(c->order, (*last)->path, path) >= 0)
        return complain(j, r, p, column, "elements were read out of order, or twice");
    *last = p;
    p->mark = j->view.c->order;
    return place_may_show(&j->view, f, p, c->shape == CELLS_MAP ? &value : NULL, NO_TIME) ||
           complain(j, r, p, column, "an element was read");
}

static bool judge_collection(struct judge *j, struct row *r, uint32_t at, uint32_t column,
                             const struct fate *f, bool *ret_live)
{
    const struct cells_value *value = value_of(j, at, column);
    struct place *last = NULL;
    if (!value->is_null) {
        struct reader in = reader_make(value->bytes);
        uint32_t count = read_u32(&in);
        for (uint32_t i = 0; i < count; i++) {
            if (!judge_element(j, r, column, f, &in, &last))
                return false;
        }
        if (!reader_done(&in) || count == 0)
            return complain(j, r, NULL, column, "a malformed collection was read");
        *ret_live = true;
    }
    for (size_t i = 0; i < r->places_count; i++) {
        struct place *p = &r->places[i];
        if (p->column != column || !p->has_path || p->mark == j->view.c->order)
            continue;
        if (!place_may_be_empty(&j->view, f, p))
            return complain(j, r, p, column, "an element was not read");
        place_was_empty(&j->view, r, p);
    }
    return true;
}

/* The columns of one kind; *ret_live: the row has a cell that is shown, or may have one that was
 * not asked for. */
static bool judge_columns(struct judge *j, struct row *r, uint32_t at, enum cells_kind kind,
                          bool *ret_live)
{
    const struct table *t = j->view.table;
    struct fate row = fate_of_row(&j->view, r);
    for (uint32_t i = 0; i < t->columns_count; i++) {
        if (t->columns[i].kind != kind)
            continue;
        struct fate f = fate_of_column(&j->view, r, row, i);
        bool good = true;
        if (t->columns[i].shape != CELLS_ONE && j->value_at[i] != NOT_SELECTED)
            good = judge_collection(j, r, at, i, &f, ret_live);
        else if (j->value_at[i] != NOT_SELECTED || j->time_at[i] != NOT_SELECTED)
            good = judge_one(j, r, at, i, &f, ret_live);
        else
            for (size_t n = 0; n < r->places_count && !*ret_live; n++) {
                struct place *p = &r->places[n];
                bool cell = p->column == i && (p->has_path || t->columns[i].shape == CELLS_ONE);
                *ret_live = cell && place_may_live(&j->view, &f, p);
            }
        if (!good)
            return false;
    }
    return true;
}

/* --- rows */

static bool all_null(const struct judge *j, uint32_t at, enum cells_kind kind)
{
    const struct table *t = j->view.table;
    for (uint32_t i = 0; i < t->columns_count; i++) {
        const struct cells_value *v = value_of(j, at, i);
        if (t->columns[i].kind == kind && v != NULL && !v->is_null)
            return false;
    }
    return true;
}

static bool judge_row(struct judge *j, struct row *r, uint32_t at)
{
    struct place *marker = place_find(r, MARKER, false, BYTES_NONE);
    struct fate f = fate_of_row(&j->view, r);
    const struct cells_read *read = j->read;
    const struct cells_value *v = read->filters ? value_of(j, at, read->filter_column) : NULL;
    if (read->filters && (v == NULL || v->is_null || !bytes_equal(v->bytes, read->filter_value)))
        return complain(j, r, NULL, read->filter_column, "the row does not pass the filter");
    bool live = marker != NULL && place_may_live(&j->view, &f, marker);
    return judge_columns(j, r, at, CELLS_REGULAR, &live) &&
           (live ||
            complain(j, r, marker, MARKER, "a row was read and nothing of it can be there"));
}

static bool judge_missing(struct judge *j, struct row *r)
{
    const struct place *p = NULL;
    if (!row_may_be_missing(&j->view, r, &p))
        return complain(j, r, p, p->column, "a row was not read");
    for (size_t i = 0; i < r->places_count; i++)
        place_was_empty(&j->view, r, &r->places[i]);
    return true;
}

/* The row may be there, if the filter may hide it. */
static bool judge_hidden(struct judge *j, struct row *r)
{
    uint32_t column = j->read->filter_column;
    const struct place *p = place_find(r, column, false, BYTES_NONE);
    struct fate f = fate_of_row(&j->view, r);
    return p == NULL || place_may_differ(&j->view, &f, p, j->read->filter_value) ||
           complain(j, r, p, column, "a row that passes the filter was not read");
}

/* Rows first .. last-1 in the order of the answer, which show nothing, if they match. */
static bool judge_gap(struct judge *j, size_t first, size_t last)
{
    const struct partition *p = j->part;
    for (size_t i = first; i < last; i++) {
        struct row *r = p->rows[j->read->reversed ? p->rows_count - 1 - i : i];
        if (where_matches(j->view.table, &j->read->where, r->key) &&
            !(j->read->filters ? judge_hidden(j, r) : judge_missing(j, r)))
            return false;
    }
    return true;
}

/* No static row for want of any other either. */
static bool judge_no_statics(struct judge *j)
{
    return j->read->where.count > 0 || j->read->filters || judge_missing(j, &j->part->statics);
}

/* The same static values in every row, of one page. *ret_live: one is shown, or may be there
 * unasked. */
static bool judge_statics(struct judge *j, uint32_t first, uint32_t count, bool *ret_live)
{
    const struct table *t = j->view.table;
    for (uint32_t i = first; i < first + (j->read->paged ? count : 1); i++) {
        if (!judge_columns(j, &j->part->statics, i, CELLS_STATIC, ret_live))
            return false;
    }
    for (uint32_t i = 0; i < j->read->selectors_count && !j->read->paged; i++) {
        const struct cells_selector *s = &j->read->selectors[i];
        if (s->what == CELLS_TOKEN || t->columns[s->column].kind != CELLS_STATIC)
            continue;
        const struct cells_value *v = value_at(j, first, i);
        for (uint32_t k = 1; k < count; k++) {
            const struct cells_value *w = value_at(j, first + k, i);
            if (v->is_null != w->is_null || !bytes_equal(v->bytes, w->bytes))
                return complain(j, &j->part->statics, NULL, s->column,
                                "rows of one partition show different static values");
        }
    }
    return true;
}

/* One row with nothing but static columns: there is no other. */
static bool judge_only_statics(struct judge *j, uint32_t at, uint32_t count)
{
    bool live = false;
    if (count != 1 || j->read->where.count > 0 || j->read->filters ||
        !all_null(j, at, CELLS_REGULAR) || !all_null(j, at, CELLS_CLUSTERING))
        return complain(j, NULL, NULL, NO_COLUMN, "a row without a clustering key was read");
    return judge_gap(j, 0, j->part->rows_count) && judge_statics(j, at, 1, &live) &&
           (live || complain(j, &j->part->statics, NULL, NO_COLUMN,
                             "a static row was read and nothing of it can be there"));
}

static bool judge_distinct(struct judge *j, uint32_t at, uint32_t count)
{
    bool live = false;
    if (count != 1)
        return complain(j, NULL, NULL, NO_COLUMN, "DISTINCT gave a partition twice");
    if (!judge_statics(j, at, 1, &live))
        return false;
    for (size_t i = 0; i < j->part->rows_count && !live; i++)
        live = row_may_live(&j->view, j->part->rows[i]);
    return live || complain(j, NULL, NULL, NO_COLUMN,
                            "a partition was read and nothing of it can be there");
}

/* Rows at .. at+count-1 of the answer are all of the partition that it shows. */
static bool judge_partition(struct judge *j, uint32_t at, uint32_t count, bool cut_short)
{
    const struct table *t = j->view.table;
    const struct partition *p = j->part;
    uint32_t limit = j->read->per_partition_limit;
    struct bytes key[CELLS_CLUSTERING_MAX];
    size_t next = 0, index;
    bool live = false;
    if (limit > 0 && count > limit)
        return complain(j, NULL, NULL, NO_COLUMN, "more rows than PER PARTITION LIMIT");
    if (j->read->distinct)
        return judge_distinct(j, at, count);
    if (!key_of(j, at, t->partition_count, t->clustering_count, key)) {
        if (!judge_only_statics(j, at, j->read->paged ? 1 : count))
            return false;
        if (count == 1)
            return true;
        at++; /* rows came since the page that had none */
        count--;
    }
    for (uint32_t i = at; i < at + count; i++) {
        if (!key_of(j, i, t->partition_count, t->clustering_count, key) ||
            !row_find(t, p, key, &index))
            return complain(j, NULL, NULL, NO_COLUMN, "a row was read that was never written");
        struct row *r = p->rows[index];
        for (uint32_t k = 0; k < t->clustering_count; k++) {
            if (!bytes_equal(key[k], r->key[k]))
                return complain(j, r, NULL, t->partition_count + k,
                                "the row's key has other bytes");
        }
        if (!where_matches(t, &j->read->where, r->key))
            return complain(j, r, NULL, NO_COLUMN, "the row was not asked for");
        size_t place = j->read->reversed ? p->rows_count - 1 - index : index;
        if (place < next)
            return complain(j, r, NULL, NO_COLUMN, "the row is out of order, or came twice");
        if (!judge_gap(j, next, place) || !judge_row(j, r, i))
            return false;
        next = place + 1;
    }
    if (!cut_short && (limit == 0 || count < limit) && !judge_gap(j, next, p->rows_count))
        return false;
    return judge_statics(j, at, count, &live);
}

/* --- partitions */

static bool asked_for(const struct judge *j, const struct partition *p)
{
    const struct cells_read *r = j->read;
    uint32_t width = j->view.table->partition_count;
    bool found = r->keys_count == 0;
    for (uint32_t i = 0; i < r->keys_count && !found; i++) {
        found = true;
        for (uint32_t k = 0; k < width; k++)
            found = found && bytes_equal(r->keys[i * width + k], p->key[k]);
    }
    return found &&
           (!r->by_token || (p->has_token && p->token >= r->token_min && p->token <= r->token_max));
}

/* Must b come after a? Of IN in the order of the keys, else of the tokens, as far as they are
 * known. */
static bool comes_after(const struct judge *j, const struct partition *a, const struct partition *b)
{
    const struct table *t = j->view.table;
    if (j->read->keys_count == 0)
        return a->has_token && b->has_token && b->token > a->token;
    for (uint32_t k = 0; k < t->partition_count; k++) {
        int sense = cells_compare(t->columns[k].order, a->key[k], b->key[k]);
        if (sense != 0)
            return sense < 0;
    }
    return false;
}

/* The token is always the same. */
static bool judge_token(struct judge *j, uint32_t at)
{
    struct partition *p = j->part;
    if (j->token_at != NOT_SELECTED) {
        const struct cells_value *v = value_at(j, at, j->token_at);
        int64_t told = v->is_null || v->bytes.len != 8 ? 0 : (int64_t)load_u64(v->bytes.data);
        if (p->has_token && p->token != told)
            return complain(j, NULL, NULL, NO_COLUMN, "the token is another one than before");
        p->has_token = true;
        p->token = told;
    }
    return true;
}

static bool judge_run(struct judge *j, uint32_t at, uint32_t count, bool cut_short,
                      const struct partition *last)
{
    struct bytes key[CELLS_COLUMNS_MAX];
    struct cells *c = j->view.c;
    bool has_key = key_of(j, at, 0, j->view.table->partition_count, key);
    j->part = has_key ? partition_find(c, j->view.table, key) : NULL;
    if (j->part == NULL)
        return complain(j, NULL, NULL, NO_COLUMN, "a partition was read that was never written");
    if (!judge_token(j, at))
        return false;
    if (last != NULL && comes_after(j, j->part, last))
        return complain(j, NULL, NULL, NO_COLUMN, "partitions in the wrong order");
    if (j->part->mark == c->order)
        return complain(j, NULL, NULL, NO_COLUMN, "a partition came twice");
    if (!asked_for(j, j->part))
        return complain(j, NULL, NULL, NO_COLUMN, "the partition was not asked for");
    j->part->mark = c->order;
    return judge_partition(j, at, count, cut_short);
}

/* A partition that shows nothing. */
static bool judge_silent(struct judge *j, struct partition *p, bool full,
                         const struct partition *last)
{
    bool behind = full && (last == NULL || !comes_after(j, p, last));
    if (p->mark == j->view.c->order || behind || !asked_for(j, p))
        return true;
    j->part = p;
    return judge_gap(j, 0, p->rows_count) && judge_no_statics(j);
}

/* How many rows of the partition an answer may count. */
static void count_partition(const struct judge *j, struct partition *p, uint64_t *low,
                            uint64_t *high)
{
    const struct place *why;
    bool may_be_all_static = j->read->where.count == 0;
    uint64_t least = 0, most = 0;
    for (size_t i = 0; i < p->rows_count; i++) {
        if (!where_matches(j->view.table, &j->read->where, p->rows[i]->key))
            continue;
        least += !row_may_be_missing(&j->view, p->rows[i], &why);
        most += row_may_live(&j->view, p->rows[i]);
    }
    if (may_be_all_static && least == 0)
        least = !row_may_be_missing(&j->view, &p->statics, &why);
    if (may_be_all_static && most == 0)
        most = row_may_live(&j->view, &p->statics);
    /* without its token it is not known whether the partition is in the range */
    *low += asked_for(j, p) ? least : 0;
    *high += asked_for(j, p) || (j->read->by_token && !p->has_token) ? most : 0;
}

static bool judge_count(struct judge *j)
{
    const struct table *t = j->view.table;
    const struct cells_value *v = &j->values[0];
    uint64_t low = 0, high = 0;
    char words[96];
    if (j->rows != 1 || v->is_null || v->bytes.len != 8)
        return complain(j, NULL, NULL, NO_COLUMN, "a count that is no bigint was read");
    for (size_t i = 0; i < t->count; i++)
        count_partition(j, t->partitions[i], &low, &high);
    uint64_t count = load_u64(v->bytes.data);
    snprintf(words, sizeof words, "%" PRIu64 " rows were counted, not %" PRIu64 " to %" PRIu64,
             count, low, high);
    return (low <= count && count <= high) || complain(j, NULL, NULL, NO_COLUMN, words);
}

static void index_selectors(struct judge *j)
{
    j->token_at = NOT_SELECTED;
    for (uint32_t i = 0; i < CELLS_COLUMNS_MAX; i++)
        j->value_at[i] = j->time_at[i] = NOT_SELECTED;
    for (uint32_t i = 0; i < j->read->selectors_count; i++) {
        const struct cells_selector *s = &j->read->selectors[i];
        if (s->what == CELLS_TOKEN)
            j->token_at = i;
        else if (s->what == CELLS_WRITETIME)
            j->time_at[s->column] = i;
        else
            j->value_at[s->column] = i;
    }
}

static bool judge_all(struct judge *j)
{
    struct cells *c = j->view.c;
    struct table *t = &c->tables[j->read->table];
    uint32_t limit = j->read->limit, at = 0;
    const struct partition *last = NULL;
    bool full = limit > 0 && j->rows >= limit;
    if (limit > 0 && j->rows > limit)
        return complain(j, NULL, NULL, NO_COLUMN, "more rows than LIMIT");
    while (at < j->rows) {
        uint32_t count = 1;
        while (at + count < j->rows && same_partition(j, at, at + count))
            count++;
        if (!judge_run(j, at, count, full && at + count == j->rows, last))
            return false;
        last = j->part;
        at += count;
    }
    for (uint32_t i = 0; i < j->read->keys_count; i++) {
        struct partition *p = partition_find(c, t, &j->read->keys[i * t->partition_count]);
        if (p != NULL && !judge_silent(j, p, full, last))
            return false;
    }
    for (size_t i = 0; j->read->keys_count == 0 && i < t->count; i++) {
        if (!judge_silent(j, t->partitions[i], full, last))
            return false;
    }
    return true;
}

bool cells_answer(struct cells *c, const struct cells_read *read, const struct cells_value *values,
                  uint32_t rows, struct errmsg *why)
{
    ASSERT(read->table < c->tables_count);
    ASSERT(read->copies <= c->copies);
    struct judge j = {.read = read, .values = values, .rows = rows, .why = why};
    c->order++;
    if (c->order - read->start.order > JUDGED_WITHIN)
        return true;
    j.view = (struct view){.c = c,
                           .table = &c->tables[read->table],
                           .start = read->start.order,
                           .losses = read->start.losses,
                           .copies = read->copies,
                           .needed = c->copies - read->copies + 1};
    index_selectors(&j);
    c->demanded = false;
    bool good = read->counts ? judge_count(&j) : judge_all(&j);
    c->held += good && c->demanded;
    return good;
}

uint64_t cells_held(const struct cells *c)
{
    return c->held;
}
