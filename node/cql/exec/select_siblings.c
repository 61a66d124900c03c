/* select_siblings.c - rows of tables that keep siblings: the winners are shown as if there were
 * nothing else, and the answer says in which columns there is. */
#include "node/cql/exec/causality.h"
#include "node/cql/exec/select.h"

bool select_keeps_siblings(const struct select *s)
{
    return s->table->options.conflicts == CONFLICTS_SIBLINGS;
}

void select_siblings_start(struct run *r, struct select *s)
{
    if (select_keeps_siblings(s))
        s->siblings.columns = arena_array(r->arena, bool, s->table->column_count);
}

/* Is there, in a place of the winner's, another value? */
static bool has_others(const struct row *row, const struct cell *winner, int64_t now_s,
                       const struct cell **found)
{
    size_t n = row_siblings(row, winner->column, winner->has_path, winner->path, now_s, found);
    for (size_t i = 1; i < n; i++) {
        if (!bytes_equal(found[i]->value, found[0]->value))
            return true;
    }
    return false;
}

static bool is_shown(const struct select *s, uint32_t id, size_t *ret_index)
{
    if (id == COLUMN_MARKER || id >= s->table->next_column_id || s->by_id[id] == 0)
        return false;
    *ret_index = s->by_id[id] - 1u;
    const struct column *c = &s->table->columns[*ret_index];
    bool set = c->type->kind == CQL_SET && !c->type->frozen; /* an element is there, or not */
    return !set && selection_shows(s->selection, c);
}

const struct row *select_winners(struct run *r, struct select *s, const struct row *row,
                                 struct select_conflicts *ret)
{
    struct row *winners = arena_new(r->arena, struct row);
    if (!select_keeps_siblings(s))
        return row;
    bool any = row_winners(row, r->now_s, r->arena, winners) > 0;
    const struct cell **found =
        any ? arena_array(r->arena, const struct cell *, row->cells_count) : NULL;
    for (size_t i = 0; any && i < winners->cells_count; i++) {
        size_t index;
        const struct cell *cell = &winners->cells[i];
        if (!is_shown(s, cell->column, &index) || !has_others(row, cell, r->now_s, found))
            continue;
        if (ret->count > 0 && ret->columns[ret->count - 1] == index)
            continue;
        if (ret->columns == NULL)
            ret->columns = arena_array(r->arena, size_t, s->table->column_count);
        ret->columns[ret->count++] = index;
    }
    return winners;
}

void select_note_conflicts(struct select *s, const struct select_conflicts *conflicts)
{
    for (size_t i = 0; i < conflicts->count; i++)
        s->siblings.columns[conflicts->columns[i]] = true;
    s->siblings.rows += conflicts->count > 0;
}

bool select_names_one_row(const struct select *s)
{
    bool one = s->table->clustering_count == 0 || (s->slices.rows && s->slices.count == 1);
    return s->by_key && s->keys.count == 1 && one;
}

bool select_take_causality(struct run *r, struct select *s, const struct row_values *row)
{
    struct cql_value v;
    if (!s->params.want_causality || !select_keeps_siblings(s) || !select_names_one_row(s))
        return true;
    if (!selector_eval_causality(r, row, &v))
        return false;
    s->siblings.causality = arena_copy(s->arena, v.data);
    return true;
}

void select_tell_siblings(struct run *r, const struct select *s)
{
    struct buf names;
    if (!select_keeps_siblings(s))
        return;
    if (s->params.want_causality && select_names_one_row(s))
        run_payload(r, EXEC_CAUSALITY, s->siblings.causality);
    if (s->siblings.rows == 0)
        return;
    buf_init(&names, BUF_MAX_DEFAULT);
    for (uint32_t i = 0; i < s->table->column_count; i++) {
        if (s->siblings.columns[i])
            buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", s->table->columns[i].name);
    }
    run_warn(r,
             "%s.%s: in %u of these rows there are concurrent values of %s; shown are the winners, "
             "siblings(column) has all of them",
             s->table->keyspace, s->table->name, s->siblings.rows,
             run_text(r, run_take(r, &names)));
}
