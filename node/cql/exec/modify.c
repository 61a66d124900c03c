/* modify.c - INSERT, UPDATE and DELETE become mutations: one part for each partition they touch.
 *
 * All three are operations on columns (struct op) at the rows their keys or WHERE name. Setting a
 * list's element by index and removing from a list by value must know the list: the row is then a
 * `need`, read by the caller, and the statement is evaluated again.
 */
#include "node/cql/exec/modify.h"
#include "node/schema/order.h"
#include "ring/murmur3.h"

#include <stdlib.h>

/* The need of that name; a new one when there is none, which the caller fills in. */
static struct need *need_named(struct run *r, const struct modify *m, struct buf *name)
{
    struct needs *needs = m->needs;
    struct bytes full = run_take(r, name);
    struct bytes no;
    if (omap_get(&needs->found, full, &no))
        return &needs->items[load_u32(no.data)];
    needs->items =
        arena_grow(r->arena, needs->items, needs->count, &needs->cap, sizeof needs->items[0]);
    struct need *n = &needs->items[needs->count++];
    uint8_t number[4];
    store_u32(number, (uint32_t)needs->count - 1);
    omap_put(&needs->found, full, bytes_make(number, sizeof number));
    *n = (struct need){.keyspace = m->table->keyspace_no, .table = m->table->no};
    return n;
}

const struct need *modify_need(struct run *r, const struct modify *m, struct bytes key,
                               struct bytes row_key, bool want_static)
{
    struct buf name;
    buf_init(&name, BUF_MAX_DEFAULT);
    buf_put_u32(&name, m->table->no);
    buf_put_u8(&name, want_static);
    buf_put_vbytes(&name, key);
    buf_put_bytes(&name, row_key);
    struct need *n = need_named(r, m, &name);
    n->key = key;
    n->row_key = row_key;
    n->want_static = want_static;
    return n;
}

const struct need *modify_need_range(struct run *r, const struct modify *m, const struct part *p)
{
    struct buf name;
    bool all = !tomb_is_none(&p->deletion);
    buf_init(&name, BUF_MAX_DEFAULT);
    buf_put_u32(&name, m->table->no);
    buf_put_u8(&name, 2);
    buf_put_vbytes(&name, p->key);
    for (size_t i = 0; i < p->tombs_count && !all; i++) {
        buf_put_vbytes(&name, p->tombs[i].start);
        buf_put_vbytes(&name, p->tombs[i].end);
    }
    struct need *n = need_named(r, m, &name);
    n->key = p->key;
    n->range = true;
    n->want_static = all && m->table->static_count > 0;
    n->slices_count = all ? 0 : p->tombs_count;
    n->slices = arena_array(r->arena, struct scan_slice, n->slices_count);
    for (size_t i = 0; i < n->slices_count; i++)
        n->slices[i] = (struct scan_slice){p->tombs[i].start, p->tombs[i].end};
    return n;
}

static const struct row *row_of(const struct need *n)
{
    if (n->want_static)
        return n->part.has_static ? &n->part.static_row : NULL;
    for (size_t i = 0; i < n->part.rows_count; i++) {
        if (bytes_equal(n->part.rows[i].key, n->row_key))
            return &n->part.rows[i];
    }
    return NULL;
}

/* The row an operation must see, as readers do; NULL when it is not there. */
static const struct row *seen_row(struct run *r, const struct modify *m, const struct need *n)
{
    const struct row *row = row_of(n);
    if (row == NULL || !modify_keeps_siblings(m))
        return row;
    struct row *winners = arena_new(r->arena, struct row);
    row_winners(row, r->now_s, r->arena, winners);
    return winners;
}

static bool op_needs_row(const struct op *op)
{
    bool element = op->kind == AST_ASSIGN_ELEMENT || (op->removes && op->key.term != NULL);
    return op->column->type->kind == CQL_LIST && (element || op->kind == AST_ASSIGN_SUB);
}

static bool no_such_key(struct run *r, enum cql_kind kind, bool null)
{
    const char *what = null ? "null" : "unset";
    if (kind == CQL_LIST)
        return run_invalid(r, "Invalid %s value for list index", what);
    return run_invalid(r, "Invalid %s %s", what, kind == CQL_MAP ? "map key" : "set element");
}

static bool eval_element(struct run *r, const struct op *op, struct cell_times t,
                         struct cql_value value, const struct row *row, struct cells *out)
{
    struct cql_value key;
    if (!slot_value(r, op->key, &key))
        return false;
    if (key.kind == CQL_VALUE_UNSET && op->removes && op->column->type->kind != CQL_MAP)
        return true;
    if (key.kind != CQL_VALUE_SET)
        return no_such_key(r, op->column->type->kind, key.kind == CQL_VALUE_NULL);
    return collect_set_element(r, op->column, t, key.data, value, row, out);
}

static bool eval_op(struct run *r, const struct op *op, struct cell_times t, const struct row *row,
                    struct cells *out)
{
    const struct column *c = op->column;
    struct cql_value v = CQL_NULL;
    if (op->removes) {
        if (op->kind == AST_ASSIGN_FIELD) {
            collect_set_field(r, c, t, op->field, v, out);
            return true;
        }
        if (op->key.term != NULL)
            return eval_element(r, op, t, v, row, out);
        cells_push(r, out, cell_make(c, t, v));
        return true;
    }
    if (!slot_value(r, op->value, &v))
        return false;
    if (v.kind == CQL_VALUE_UNSET)
        return true;
    if (c->type->kind == CQL_COUNTER)
        return collect_count(r, c, t, v, op->kind == AST_ASSIGN_SUB, op->no, out);
    switch (op->kind) {
    case AST_ASSIGN_ADD: return collect_put(r, c, t, v, false, out);
    case AST_ASSIGN_PREPEND: return collect_prepend(r, c, t, v, out);
    case AST_ASSIGN_SUB: return collect_remove(r, c, t, v, row, out);
    case AST_ASSIGN_ELEMENT: return eval_element(r, op, t, v, row, out);
    case AST_ASSIGN_FIELD: collect_set_field(r, c, t, op->field, v, out); return true;
    default: break;
    }
    if (cql_type_is_multicell(c->type))
        return collect_put(r, c, t, v, true, out);
    cells_push(r, out, cell_make(c, t, v));
    return true;
}

/* All operations of the static columns, or of the others, at one row. */
static bool eval_ops(struct run *r, const struct modify *m, struct bytes key, struct bytes row_key,
                     bool statics, struct cells *out)
{
    for (size_t i = 0; i < m->ops_count; i++) {
        const struct op *op = &m->ops[i];
        const struct row *row = NULL;
        if ((op->column->kind == COLUMN_STATIC) != statics)
            continue;
        if (op_needs_row(op)) {
            const struct need *n = modify_need(r, m, key, row_key, statics);
            if (!n->known)
                continue; /* the statement will be evaluated again */
            row = seen_row(r, m, n);
        }
        if (!eval_op(r, op, m->times, row, out))
            return false;
    }
    return true;
}

static struct tomb tomb_at(const struct modify *m)
{
    return (struct tomb){.timestamp = m->times.timestamp, .time_s = m->times.now_s};
}

/* With conditions, rows that a batch writes are not taken away by a larger deletion in it. */
static struct tomb wide_tomb_at(const struct modify *m)
{
    struct tomb t = tomb_at(m);
    t.timestamp -= m->with_conditions;
    return t;
}

static bool build_rows(struct run *r, const struct modify *m, struct part *p)
{
    const struct slices *s = &m->slices;
    p->rows = arena_array(r->arena, struct row, s->count);
    for (size_t i = 0; i < s->count; i++) {
        struct cells cells = {0};
        struct row *row = &p->rows[p->rows_count++];
        row->key = s->items[i].start;
        row->deletion = m->whole_rows ? tomb_at(m) : TOMB_NONE;
        if (m->insert) {
            struct cell marker = cell_make(m->table->columns, m->times, cql_value_make(m->form));
            marker.column = COLUMN_MARKER;
            cells_push(r, &cells, marker);
        }
        if (!eval_ops(r, m, p->key, row->key, false, &cells))
            return false;
        row->cells = cells.items;
        row->cells_count = cells.count;
    }
    return true;
}

static void build_tombs(struct run *r, const struct modify *m, struct part *p)
{
    static const uint8_t beyond[] = {0xff}; /* after every row key */
    const struct slices *s = &m->slices;
    p->tombs = arena_array(r->arena, struct range_tomb, s->count);
    for (size_t i = 0; i < s->count; i++) {
        struct range_tomb *t = &p->tombs[p->tombs_count++];
        t->start = s->items[i].start;
        t->end = s->items[i].end.len > 0 ? s->items[i].end : bytes_make(beyond, sizeof beyond);
        t->tomb = wide_tomb_at(m);
    }
}

static bool build_part(struct run *r, const struct modify *m, struct bytes key, struct part *p)
{
    struct cells statics = {0};
    *p = (struct part){
        .table = m->table->no, .token = murmur3_token(key), .key = key, .deletion = TOMB_NONE};
    p->static_row.deletion = TOMB_NONE;
    if (!eval_ops(r, m, key, BYTES_NONE, true, &statics))
        return false;
    p->has_static = statics.count > 0;
    p->static_row.cells = statics.items;
    p->static_row.cells_count = statics.count;
    if (m->whole_rows && m->slices.all)
        p->deletion = wide_tomb_at(m);
    else if (m->whole_rows && !m->slices.rows)
        build_tombs(r, m, p);
    else if (m->touches_rows && !build_rows(r, m, p))
        return false;
    part_normalise(p, r->arena);
    return true;
}

bool modify_build(struct run *r, struct modify *m, struct parts *ret)
{
    for (size_t i = 0; i < m->keys.count; i++) {
        struct exec_mutation mutation = {.keyspace = m->table->keyspace_no};
        if (!build_part(r, m, m->keys.items[i], &mutation.part) ||
            !modify_supersede(r, m, &mutation))
            return false;
        if (part_is_empty(&mutation.part))
            continue;
        ret->items = arena_grow(r->arena, ret->items, ret->count, &ret->cap, sizeof ret->items[0]);
        ret->items[ret->count++] = mutation;
    }
    return true;
}

static int compare_mutations(const void *a, const void *b)
{
    const struct exec_mutation *one = a, *other = b;
    const struct part *x = &one->part;
    const struct part *y = &other->part;
    int c;
    if (x->table != y->table)
        return x->table < y->table ? -1 : 1;
    if (x->token != y->token)
        return x->token < y->token ? -1 : 1;
    c = bytes_compare(x->key, y->key);
    return c != 0 ? c : modify_compare_supersede(&one->supersede, &other->supersede);
}

/* Halves first: merging them one after the other would copy the rows of all before again and again.
 */
static struct part join_parts(struct run *r, const struct exec_mutation *items, size_t count)
{
    if (count == 1)
        return items->part;
    struct part left = join_parts(r, items, count / 2);
    struct part right = join_parts(r, items + count / 2, count - count / 2);
    struct part joined;
    part_merge(&left, &right, r->arena, &joined);
    return joined;
}

void parts_join(struct run *r, struct parts *p)
{
    size_t n = 0;
    if (p->count > 1)
        qsort(p->items, p->count, sizeof p->items[0], compare_mutations);
    for (size_t i = 0, end; i < p->count; i = end) {
        for (end = i + 1; end < p->count; end++) {
            if (compare_mutations(&p->items[i], &p->items[end]) != 0)
                break;
        }
        struct exec_mutation joined = p->items[i];
        for (size_t j = i + 1; j < end && !joined.supersede.causal; j++)
            joined.supersede.seen =
                causality_join(r, &joined.supersede.seen, &p->items[j].supersede.seen);
        joined.part = join_parts(r, &p->items[i], end - i);
        p->items[n++] = joined;
    }
    p->count = n;
}

bool modify_batch_check(struct run *r, const struct ast_batch *b)
{
    if (b->using.ttl != NULL)
        return run_invalid(r, "Global TTL on the BATCH statement is not supported.");
    if (b->using.causality != NULL)
        return run_invalid(r, "Causality must be set on individual statements, not on BATCH");
    if (b->using.timestamp != NULL && b->kind == AST_BATCH_COUNTER)
        return run_invalid(r, "Cannot provide custom timestamp for counter BATCH");
    return true;
}

const struct table *modify_table(struct run *r, const struct ast_stmt *s)
{
    const struct ast_table *id = s->kind == AST_INSERT   ? &s->insert.table
                                 : s->kind == AST_UPDATE ? &s->update.table
                                                         : &s->delete.table;
    const char *keyspace = id->keyspace.len > 0 ? run_text(r, id->keyspace) : r->keyspace;
    return keyspace != NULL ? schema_table(r->schema, keyspace, run_text(r, id->name)) : NULL;
}
