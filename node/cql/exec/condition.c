#include "node/cql/exec/condition.h"

enum if_kind conditions_kind(const struct ast_stmt *s)
{
    bool exists = false;
    size_t count = 0;
    if (s->kind == AST_INSERT)
        return s->insert.if_not_exists ? IF_NOT_EXISTS : IF_NOTHING;
    if (s->kind == AST_UPDATE) {
        exists = s->update.if_exists;
        count = s->update.conditions.count;
    } else if (s->kind == AST_DELETE) {
        exists = s->delete.if_exists;
        count = s->delete.conditions.count;
    }
    return exists ? IF_EXISTS : count > 0 ? IF_COLUMNS : IF_NOTHING;
}

/* --- resolving */

static const char *kind_text(const struct cql_type *collection)
{
    enum cql_kind kind = collection->kind;
    return kind == CQL_LIST ? "list" : kind == CQL_SET ? "set" : "map";
}

static const char *op_text(enum ast_op op)
{
    static const char *const texts[] = {"=",  "!=", "<",        "<=",           ">",
                                        ">=", "IN", "CONTAINS", "CONTAINS KEY", "LIKE"};
    return op < ARRAY_LEN(texts) ? texts[op] : "?";
}

static bool resolve_element(struct run *r, const struct ast_relation *a, struct condition *c)
{
    const struct column *column = c->column;
    const struct cql_type *t = column->type;
    if (!cql_type_is_collection(t))
        return run_invalid(r, "Invalid element access syntax for non-collection column %s",
                           column->name);
    if (t->kind == CQL_SET)
        return run_invalid(r, "Invalid element access syntax for set column %s", column->name);
    bool list = t->kind == CQL_LIST;
    c->key.term = a->key;
    c->key.type = list ? cql_type_native(CQL_INT) : t->items[0];
    c->key.name = arena_printf(r->arena, "%s(%s)", list ? "idx" : "key", column->name);
    c->type = t->items[list ? 0 : 1];
    return slot_declare(r, c->key);
}

static bool resolve_field(struct run *r, const struct ast_relation *a, struct condition *c)
{
    const struct cql_type *t = c->column->type;
    if (t->kind != CQL_UDT)
        return run_invalid(r, "Invalid field access syntax for non-UDT column %s", c->column->name);
    int field = cql_type_field(t, a->field);
    if (field < 0)
        return run_invalid(r, "Unknown field %s for column %s", run_text(r, a->field),
                           c->column->name);
    c->of_field = true;
    c->field = (uint32_t)field;
    c->type = t->items[field];
    return true;
}

static bool resolve_contains(struct run *r, struct condition *c)
{
    const struct cql_type *t = c->column->type;
    if (c->op == AST_CONTAINS && !cql_type_is_collection(t))
        return run_invalid(r, "Cannot use CONTAINS on non-collection column %s", c->column->name);
    if (c->op == AST_CONTAINS_KEY && t->kind != CQL_MAP)
        return run_invalid(r, "Cannot use CONTAINS KEY on non-map column %s", c->column->name);
    c->type = t->items[c->op == AST_CONTAINS && t->kind == CQL_MAP ? 1 : 0];
    return true;
}

static const char *value_name(struct run *r, const struct ast_relation *a,
                              const struct condition *c)
{
    const char *column = c->column->name;
    if (a->kind == AST_REL_ELEMENT || a->op == AST_CONTAINS)
        return arena_printf(r->arena, "value(%s)", column);
    if (a->op == AST_CONTAINS_KEY)
        return arena_printf(r->arena, "key(%s)", column);
    return c->of_field ? arena_printf(r->arena, "%s.%s", column, run_text(r, a->field)) : column;
}

static bool declare_values(struct run *r, const struct ast_relation *a, struct condition *c)
{
    const char *name = value_name(r, a, c);
    c->in_marker = a->op == AST_IN && a->value != NULL;
    c->slots_count = a->op == AST_IN && !c->in_marker ? a->list.count : 1;
    c->slots = arena_array(r->arena, struct slot, c->slots_count);
    for (size_t i = 0; i < c->slots_count; i++) {
        const struct ast_term *term =
            a->op == AST_IN && !c->in_marker ? a->list.items[i] : a->value;
        c->slots[i] = (struct slot){term, c->type, name};
        if (c->in_marker)
            c->slots[i] =
                (struct slot){term, list_of(r, c->type), arena_printf(r->arena, "in(%s)", name)};
        if (!slot_declare(r, c->slots[i]))
            return false;
    }
    return true;
}

static bool resolve_one(struct run *r, const struct table *t, const struct ast_relation *a,
                        struct condition *c)
{
    c->column = run_column(r, t, a->columns.items[0]);
    c->op = a->op;
    if (c->column == NULL)
        return false;
    c->type = c->column->type;
    if (c->column->kind == COLUMN_PARTITION_KEY || c->column->kind == COLUMN_CLUSTERING)
        return run_invalid(r, "PRIMARY KEY column '%s' cannot have IF conditions", c->column->name);
    if (c->type->kind == CQL_COUNTER)
        return run_invalid(r, "Conditions on counters are not supported");
    if (a->kind == AST_REL_FIELD && !resolve_field(r, a, c))
        return false;
    if (a->kind == AST_REL_ELEMENT && !resolve_element(r, a, c))
        return false;
    if ((a->op == AST_CONTAINS || a->op == AST_CONTAINS_KEY) && !resolve_contains(r, c))
        return false;
    if (c->type->kind == CQL_DURATION && a->op >= AST_LT && a->op <= AST_GTE)
        return run_invalid(r, "Slice conditions ( %s ) are not supported on durations",
                           op_text(a->op));
    return declare_values(r, a, c);
}

bool conditions_resolve(struct run *r, const struct table *t, const struct ast_stmt *s,
                        struct conditions *ret)
{
    *ret = (struct conditions){.kind = conditions_kind(s)};
    if (ret->kind != IF_COLUMNS)
        return true;
    const struct ast_relations *a =
        s->kind == AST_UPDATE ? &s->update.conditions : &s->delete.conditions;
    struct condition *all = arena_array(r->arena, struct condition, a->count);
    for (size_t i = 0; i < a->count; i++) {
        if (!resolve_one(r, t, &a->items[i], &all[i]))
            return false;
    }
    ret->items = arena_array(r->arena, struct condition, a->count);
    for (int statics = 0; statics <= 1; statics++) {
        for (size_t i = 0; i < a->count; i++) {
            if ((all[i].column->kind == COLUMN_STATIC) == (statics == 1))
                ret->items[ret->count++] = all[i];
        }
        ret->regular = statics == 0 ? ret->count : ret->regular;
    }
    return true;
}

/* --- values of rows */

struct cql_value row_value(struct run *r, const struct column *c, const struct row *row)
{
    struct cql_value v = CQL_NULL;
    if (row == NULL)
        return v;
    size_t end;
    size_t first = cells_of(row, c, &end);
    if (first == end)
        return v;
    const struct cell *cell = &row->cells[first];
    if (cql_type_is_multicell(c->type))
        (void)collect_gather(r, c, cell, end - first, r->now_s, &v);
    else if (!cell->has_path && cell_is_live(cell, r->now_s))
        v = cql_value_make(cell->value);
    return v;
}

static bool element_key(struct run *r, const struct condition *c, struct bytes *ret)
{
    struct cql_value key;
    bool list = c->column->type->kind == CQL_LIST;
    if (!slot_value(r, c->key, &key))
        return false;
    if (key.kind == CQL_VALUE_NULL)
        return run_invalid(r, "Invalid null value for %s element access", list ? "list" : "map");
    if (key.kind == CQL_VALUE_UNSET)
        return run_invalid(r, "Invalid unset value for %s element access", list ? "list" : "map");
    if (list && (int32_t)load_u32(key.data.data) < 0)
        return run_invalid(r, "Invalid negative list index %d", (int32_t)load_u32(key.data.data));
    *ret = key.data;
    return true;
}

static struct cql_value element_of(const struct cql_type *type, struct bytes collection,
                                   struct bytes key)
{
    struct value_items it = value_items_open(type, collection);
    struct bytes item, value;
    uint32_t index = type->kind == CQL_LIST ? load_u32(key.data) : 0;
    while (value_items_next(&it, &item)) {
        if (type->kind == CQL_LIST) {
            if (index-- == 0)
                return cql_value_make(item);
            continue;
        }
        if (!value_items_next(&it, &value))
            break;
        if (value_compare(type->items[0], item, key) == 0)
            return cql_value_make(value);
    }
    return CQL_NULL;
}

static struct cql_value field_of(const struct cql_type *type, struct bytes value, uint32_t field)
{
    struct value_parts parts = value_parts_open(type, value);
    struct value_part part;
    for (uint32_t i = 0; value_parts_next(&parts, &part); i++) {
        if (i == field)
            return part.null ? CQL_NULL : cql_value_make(part.bytes);
    }
    return CQL_NULL;
}

/* --- comparing */

/* A collection that is not frozen has no empty value: it is then not there. */
static bool is_empty(const struct condition *c, const struct cql_value *v)
{
    bool whole = c->key.term == NULL && cql_type_is_multicell(c->column->type) &&
                 cql_type_is_collection(c->column->type);
    return whole && v->kind == CQL_VALUE_SET && value_items_count(v->data) == 0;
}

static void fold_empty(const struct condition *c, struct cql_value *v)
{
    if (is_empty(c, v))
        *v = CQL_NULL;
}

static bool compare(const struct condition *c, struct cql_value have, struct cql_value want)
{
    bool both = have.kind == CQL_VALUE_SET && want.kind == CQL_VALUE_SET;
    int order = both ? value_compare(c->type, have.data, want.data) : 0;
    switch (c->op) {
    case AST_NEQ: return both ? order != 0 : have.kind != want.kind;
    case AST_LT: return both && order < 0;
    case AST_LTE: return both && order <= 0;
    case AST_GT: return both && order > 0;
    case AST_GTE: return both && order >= 0;
    default: return both ? order == 0 : have.kind == want.kind;
    }
}

static bool contains(const struct condition *c, struct cql_value have, struct bytes want)
{
    const struct cql_type *type = c->column->type;
    if (have.kind != CQL_VALUE_SET)
        return false;
    struct value_items it = value_items_open(type, have.data);
    struct bytes item;
    for (size_t i = 0; value_items_next(&it, &item); i++) {
        bool key = type->kind == CQL_MAP && i % 2 == 0;
        if (type->kind == CQL_MAP && key != (c->op == AST_CONTAINS_KEY))
            continue;
        if (value_compare(c->type, item, want) == 0)
            return true;
    }
    return false;
}

static bool holds_in(struct run *r, const struct condition *c, struct cql_value have, bool *ret)
{
    struct cql_value want;
    *ret = false;
    if (!c->in_marker) {
        for (size_t i = 0; i < c->slots_count; i++) {
            if (!slot_value(r, c->slots[i], &want))
                return false;
            fold_empty(c, &want);
            *ret = *ret || (want.kind != CQL_VALUE_UNSET && compare(c, have, want));
        }
        return true;
    }
    if (!slot_value(r, *c->slots, &want))
        return false;
    if (want.kind == CQL_VALUE_NULL)
        return run_invalid(r, "Invalid null list in IN condition");
    if (want.kind == CQL_VALUE_UNSET)
        return run_invalid(r, "Invalid 'unset' value in condition");
    struct value_items it = value_items_open(c->slots->type, want.data);
    struct bytes item;
    while (value_items_next(&it, &item)) {
        want = cql_value_make(item);
        fold_empty(c, &want);
        *ret = *ret || compare(c, have, want);
    }
    return true;
}

static bool holds(struct run *r, const struct condition *c, struct cql_value have, bool *ret)
{
    struct cql_value want;
    if (c->op == AST_IN)
        return holds_in(r, c, have, ret);
    if (!slot_value(r, *c->slots, &want))
        return false;
    if (want.kind == CQL_VALUE_UNSET)
        return run_invalid(r, "Invalid 'unset' value in condition");
    if (want.kind == CQL_VALUE_NULL && c->op != AST_EQ && c->op != AST_NEQ)
        return run_invalid(r, "Invalid comparison with null for operator \"%s\"", op_text(c->op));
    if (c->op == AST_CONTAINS || c->op == AST_CONTAINS_KEY) {
        *ret = contains(c, have, want.data);
        return true;
    }
    if (is_empty(c, &want) && c->op != AST_EQ && c->op != AST_NEQ)
        return run_invalid(r, "Invalid comparison with an empty %s for operator \"%s\"",
                           kind_text(c->column->type), op_text(c->op));
    fold_empty(c, &want);
    *ret = compare(c, have, want);
    return true;
}

/* What a column holds is gathered once, however many conditions it has. */
struct gathered {
    const struct column *column;
    struct cql_value value;
};

static struct cql_value gather_once(struct run *r, const struct column *c, const struct row *row,
                                    struct gathered *all, size_t *count)
{
    for (size_t i = 0; i < *count; i++) {
        if (all[i].column == c)
            return all[i].value;
    }
    all[*count] = (struct gathered){c, row_value(r, c, row)};
    return all[(*count)++].value;
}

bool conditions_hold(struct run *r, const struct conditions *c, bool statics, const struct row *row,
                     bool *ret_true)
{
    size_t from = statics ? c->regular : 0;
    size_t end = statics ? c->count : c->regular;
    struct gathered *gathered = arena_array(r->arena, struct gathered, end - from);
    size_t gathered_count = 0;
    *ret_true = true;
    for (size_t i = from; i < end; i++) {
        const struct condition *one = &c->items[i];
        struct cql_value have = gather_once(r, one->column, row, gathered, &gathered_count);
        struct bytes key;
        bool good = false;
        if (one->key.term != NULL) {
            if (!element_key(r, one, &key))
                return false;
            if (have.kind == CQL_VALUE_SET)
                have = element_of(one->column->type, have.data, key);
        }
        if (one->of_field && have.kind == CQL_VALUE_SET)
            have = field_of(one->column->type, have.data, one->field);
        if (!holds(r, one, have, &good))
            return false;
        *ret_true = *ret_true && good;
    }
    return true;
}
