/* select_row.c - a row of the table: its values, whether it counts, which group it belongs to, what
 * it shows. */
#include "node/cql/exec/select.h"
#include "node/schema/form.h"
#include "node/schema/order.h"

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

/* What the rows of the present group came to. */
static bool finish_group(struct run *r, struct select *s)
{
    s->in_group = false;
    s->rows++;
    return selection_finish(r, s->selection, &s->content);
}

static void put_key(const struct cql_type *type, struct bytes value, struct buf *out)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    value_canonical(type, value, &b);
    buf_put_vbytes(out, buf_bytes(&b));
    buf_close(&b);
}

/* A row belongs to a group: the present one, or the next, if there may be one on this page. */
static enum row_fate turn_group(struct run *r, struct select *s, const struct row_values *row)
{
    struct buf key;
    bool good = true;
    buf_init(&key, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < s->group_by_count && good; i++) {
        struct cql_value v;
        good = selector_eval(r, s->group_by[i], row, &v);
        buf_put_u8(&key, v.kind == CQL_VALUE_SET);
        if (v.kind == CQL_VALUE_SET) /* 1.0 and 1.00 are one group; as in a row's key */
            put_key(s->group_by[i]->type, v.data, &key);
    }
    bool same = s->in_group && bytes_equal(buf_bytes(&key), buf_bytes(&s->group));
    if (good && s->in_group && !same)
        good = finish_group(r, s);
    enum row_fate fate = ROW_TAKEN;
    if (!good) {
        fate = ROW_FAILED;
    } else if (!same && s->at.taken >= s->limit) {
        s->complete = true;
        fate = ROW_OF_NEXT_PAGE;
    } else if (!same && s->groups_per_part > 0 && s->at.taken_in_part >= s->groups_per_part) {
        fate = ROW_OF_NEXT_PART;
    } else if (!same && select_page_full(s)) {
        s->more_pages = true;
        fate = ROW_OF_NEXT_PAGE;
    } else if (!same) {
        buf_clear(&s->group);
        buf_put_bytes(&s->group, buf_bytes(&key));
        s->in_group = true;
        s->at.taken++; /* LIMIT counts groups */
        s->at.taken_in_part += s->groups_per_part > 0;
    }
    buf_close(&key);
    return fate;
}

static bool passes(const struct select *s)
{
    for (size_t i = 0; i < s->filters_count; i++) {
        if (!filter_pass(&s->filters[i], s->table, s->values))
            return false;
    }
    return true;
}

/* A row has its values: does it count, and what does it show? */
static enum row_fate emit(struct run *r, struct select *s, const struct row_values *row,
                          const struct select_conflicts *conflicts)
{
    bool aggregate = selection_is_aggregate(s->selection);
    size_t start = s->content.len;
    if (!passes(s))
        return ROW_PASSED_BY;
    if (s->nearest != NULL) { /* shown in the end, if it is one of the best */
        select_note_conflicts(s, conflicts);
        return nearest_take(r, s, row) ? ROW_PASSED_BY : ROW_FAILED;
    }
    if (s->group_by_count > 0) {
        enum row_fate fate = turn_group(r, s, row);
        if (fate != ROW_TAKEN)
            return fate;
    }
    if (!selection_row(r, s->selection, row, &s->content) || !select_take_causality(r, s, row))
        return ROW_FAILED;
    select_note_conflicts(s, conflicts);
    s->rows += !aggregate;
    s->at.taken += !aggregate; /* LIMIT: of the answer */
    s->at.taken_in_part += s->groups_per_part == 0;
    if (s->content.failed || s->content.len > EXEC_REPLY_MAX) {
        run_invalid(r, "The result is larger than %zu bytes: %s", EXEC_REPLY_MAX,
                    s->params.page_size > 0 ? "select fewer columns" : "use paging");
        return ROW_FAILED;
    }
    if (s->sorts && !select_sort_note(r, s, start))
        return ROW_FAILED;
    return ROW_TAKEN;
}

enum row_fate select_row(struct run *r, struct select *s, const struct part *p,
                         const struct row *row)
{
    struct select_conflicts conflicts = {NULL, 0};
    struct row_values values = {s->values, s->is_virtual ? NULL : s->cells, r->now_s, p, row};
    if (s->is_virtual) {
        virtual_values(s->virtual_table, row, s->values);
        return emit(r, s, &values, &conflicts);
    }
    for (uint32_t i = 0; i < s->table->column_count; i++) {
        s->values[i] = CQL_NULL;
        s->cells[i] = (struct column_cells){NULL, 0};
    }
    const struct row *statics =
        p->has_static ? select_winners(r, s, &p->static_row, &conflicts) : NULL;
    const struct row *winners = row != NULL ? select_winners(r, s, row, &conflicts) : NULL;
    if (!take_key(r, s, p, winners))
        return ROW_FAILED;
    if (statics != NULL)
        take_cells(r, s, statics);
    if (winners != NULL)
        take_cells(r, s, winners);
    return emit(r, s, &values, &conflicts);
}
