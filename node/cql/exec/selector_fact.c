/* selector_fact.c - writetime(x), maxwritetime(x) and ttl(x): what is known of cells.
 *
 * x is a column, an element or a slice of one. A frozen value is one cell and answers with one
 * number, also for what is in it. A collection that is not frozen has a cell for each element: a
 * list of numbers, but for maxwritetime.
 */
#include "node/cql/exec/selector.h"
#include "node/schema/order.h"

static const char *const names[] = {
    [FACT_WRITETIME] = "writetime", [FACT_MAX_WRITETIME] = "maxwritetime", [FACT_TTL] = "ttl"};

struct selector *selector_prepare_fact(struct run *r, const struct ast_term *t,
                                       enum selector_fact fact)
{
    const struct ast_term *of = t->items.count == 1 ? t->items.items[0] : NULL;
    const struct ast_term *root = of;
    if (root != NULL &&
        (root->kind == AST_ELEMENT || root->kind == AST_SLICE || root->kind == AST_FIELD))
        root = root->items.items[0];
    if (root == NULL || root->kind != AST_COLUMN) {
        run_fail(r, CQL_ERROR_SYNTAX, "%s takes a column, an element or a slice of one",
                 names[fact]);
        return NULL;
    }
    struct selector *arg = selector_prepare(r, of);
    if (arg == NULL)
        return NULL;
    const struct column *c = of == root ? arg->column : arg->args[0]->column;
    if (c->kind == COLUMN_PARTITION_KEY || c->kind == COLUMN_CLUSTERING) {
        run_invalid(r, "Cannot use selection function %s on PRIMARY KEY part %s", names[fact],
                    c->name);
        return NULL;
    }
    const struct cql_type *one = cql_type_native(fact == FACT_TTL ? CQL_INT : CQL_BIGINT);
    bool many = cql_type_is_multicell(c->type) && of->kind != AST_ELEMENT &&
                of->kind != AST_FIELD && fact != FACT_MAX_WRITETIME;
    struct selector *s = arena_new(r->arena, struct selector);
    s->kind = SELECTOR_FACT;
    s->term = t;
    s->type = many ? cql_type_list(r->arena, one, false) : one;
    s->name = arena_printf(r->arena, "%s(%s)", names[fact], arg->name);
    s->column = c;
    s->fact = fact;
    s->args = arena_new(r->arena, struct selector *);
    s->args[s->args_count++] = arg;
    return s;
}

/* Of one cell; null when it has no TTL. */
static struct cql_value of_cell(struct run *r, const struct selector *s, const struct cell *cell,
                                int64_t now_s)
{
    if (s->fact != FACT_TTL)
        return value_put_whole(r, cql_type_native(CQL_BIGINT), cell->timestamp);
    if (cell->kind != CELL_EXPIRING)
        return CQL_NULL;
    return value_put_whole(r, cql_type_native(CQL_INT), cell->time_s - now_s);
}

/* The paths of the elements that are asked for: from <= path <= to; an end of length 0 is none. */
struct span {
    struct bytes from, to;
};

static bool span_of(struct run *r, const struct selector *of, struct span *ret)
{
    struct bytes ends[2] = {BYTES_NONE, BYTES_NONE};
    *ret = (struct span){BYTES_NONE, BYTES_NONE};
    if (of->kind == SELECTOR_FIELD) {
        uint8_t *path = arena_alloc(r->arena, 2);
        store_u16(path, (uint16_t)of->field);
        *ret = (struct span){bytes_make(path, 2), bytes_make(path, 2)};
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(of->slots); i++) {
        struct bytes key;
        struct buf b;
        struct errmsg m;
        if (of->slots[i].term == NULL)
            continue;
        if (!slot_key(r, of->slots[i], &key))
            return false;
        buf_init(&b, BUF_MAX_DEFAULT);
        enum err err = order_encode(of->slots[i].type, false, key, &b, &m);
        ends[i] = run_take(r, &b);
        if (!run_err(r, err, &m))
            return false;
    }
    if (of->kind == SELECTOR_ELEMENT)
        ends[1] = ends[0];
    *ret = (struct span){ends[0], ends[1]};
    return true;
}

bool selector_path(struct run *r, const struct selector *of, struct bytes *ret)
{
    struct span span;
    bool good = span_of(r, of, &span);
    *ret = span.from;
    return good;
}

static bool in_span(const struct span *span, struct bytes path)
{
    return (span->from.len == 0 || bytes_compare(path, span->from) >= 0) &&
           (span->to.len == 0 || bytes_compare(path, span->to) <= 0);
}

/* Of all fields of a user-defined type: null where there is no cell. */
static void of_fields(struct run *r, const struct selector *s, const struct column_cells *cells,
                      int64_t now_s, struct cql_value *ret)
{
    uint32_t count = s->column->type->count;
    const struct cell **found = arena_array(r->arena, const struct cell *, count);
    bool any = false;
    struct buf list;
    for (size_t i = 0; i < cells->count; i++) {
        const struct cell *cell = &cells->items[i];
        uint32_t field = cell->has_path && cell->path.len == 2 ? load_u16(cell->path.data) : count;
        if (field >= count || !cell_is_live(cell, now_s))
            continue;
        found[field] = cell;
        any = true;
    }
    if (!any)
        return;
    buf_init(&list, BUF_MAX_DEFAULT);
    buf_put_u32(&list, count);
    for (uint32_t i = 0; i < count; i++)
        cql_put_value(&list, found[i] != NULL ? of_cell(r, s, found[i], now_s) : CQL_NULL);
    *ret = cql_value_make(run_take(r, &list));
}

static bool of_elements(struct run *r, const struct selector *s, const struct column_cells *cells,
                        int64_t now_s, struct cql_value *ret)
{
    struct span span = {BYTES_NONE, BYTES_NONE};
    const struct cell *latest = NULL;
    struct buf list;
    uint32_t n = 0;
    if (s->args[0]->kind != SELECTOR_COLUMN && !span_of(r, s->args[0], &span))
        return false;
    buf_init(&list, BUF_MAX_DEFAULT);
    buf_put_i32(&list, 0);
    for (size_t i = 0; i < cells->count; i++) {
        const struct cell *cell = &cells->items[i];
        if (!cell->has_path || !cell_is_live(cell, now_s) || !in_span(&span, cell->path))
            continue;
        struct cql_value v = of_cell(r, s, cell, now_s);
        cql_put_value(&list, v);
        n++;
        if (latest == NULL || cell->timestamp > latest->timestamp)
            latest = cell;
    }
    store_u32(list.data, n);
    struct bytes data = run_take(r, &list);
    if (n > 0)
        *ret = s->type->kind == CQL_LIST ? cql_value_make(data) : of_cell(r, s, latest, now_s);
    return true;
}

bool selector_eval_fact(struct run *r, const struct selector *s, const struct row_values *row,
                        struct cql_value *ret)
{
    const struct selector *of = s->args[0];
    struct cql_value part;
    *ret = CQL_NULL;
    if (row->cells == NULL)
        return true;
    const struct column_cells *cells = &row->cells[column_index(r->table, s->column)];
    if (cells->count == 0)
        return true;
    if (cql_type_is_multicell(s->column->type) && s->column->type->kind == CQL_UDT &&
        of->kind == SELECTOR_COLUMN && s->fact != FACT_MAX_WRITETIME) {
        of_fields(r, s, cells, row->now_s, ret);
        return true;
    }
    if (cql_type_is_multicell(s->column->type))
        return of_elements(r, s, cells, row->now_s, ret);
    if (of->kind != SELECTOR_COLUMN) { /* of what is in one cell: its facts, when it is there */
        if (!selector_eval(r, of, row, &part))
            return false;
        bool none = part.kind != CQL_VALUE_SET ||
                    (of->kind == SELECTOR_SLICE && value_items_count(part.data) == 0);
        if (none)
            return true;
    }
    *ret = of_cell(r, s, cells->items, row->now_s);
    return true;
}
