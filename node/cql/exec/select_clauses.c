/* select_clauses.c - DISTINCT, ORDER BY, GROUP BY and the limits: what they take and refuse. */
#include "node/cql/exec/aggregate.h"
#include "node/cql/exec/select.h"

#include <string.h>

static bool restricted_by_eq(const struct select *s, const struct column *c)
{
    for (size_t i = 0; i < s->where.count; i++) {
        const struct restriction *x = &s->where.items[i];
        for (size_t j = 0; j < x->count; j++) {
            bool equal =
                x->op == AST_EQ || (x->op == AST_IN && !x->in_marker && x->alternatives == 1);
            if (equal && !x->token && x->key.term == NULL && x->columns[j] == c)
                return true;
        }
    }
    return false;
}

static bool resolve_order(struct run *r, struct select *s)
{
    const struct ast_orders *orders = &s->ast->order_by;
    const struct column *c = &s->table->columns[s->table->partition_key_count];
    uint32_t at = 0;
    if (s->nearest != NULL)
        return nearest_check(r, s);
    if (orders->count > 0 && s->uses_index)
        return run_invalid(r, "ORDER BY with 2ndary indexes is not supported, except for ANN "
                              "queries.");
    if (orders->count > 0 && !s->by_key)
        return run_invalid(r, "ORDER BY is only supported when the partition key is restricted by "
                              "an EQ or an IN.");
    for (size_t i = 0; i < orders->count; i++) {
        const struct ast_order *o = &orders->items[i];
        const struct column *column = run_column(r, s->table, o->column);
        if (column == NULL)
            return false;
        if (column->kind != COLUMN_CLUSTERING)
            return run_invalid(r,
                               "Order by is currently only supported on the clustered columns "
                               "of the PRIMARY KEY, got %s",
                               column->name);
        if (i > 0 && bytes_equal(o->column, orders->items[i - 1].column))
            continue;
        while (at < column->position && restricted_by_eq(s, &c[at]))
            at++;
        if (column->position != at++)
            return run_invalid(r, "Order by currently only supports the ordering of columns "
                                  "following their declared order in the PRIMARY KEY");
        bool against = o->descending != column->reversed;
        if (i > 0 && against != s->reversed)
            return run_invalid(r, "Unsupported order by relation");
        s->reversed = against;
    }
    return true;
}

static bool resolve_distinct(struct run *r, struct select *s)
{
    const char *wrong;
    if (!s->distinct)
        return true;
    if (!selection_only_keys_and_statics(s->selection, &wrong))
        return run_invalid(r,
                           "SELECT DISTINCT queries must only request partition key columns "
                           "and/or static columns (not %s)",
                           wrong);
    for (size_t i = 0; i < s->where.count; i++) {
        enum column_kind kind = s->where.items[i].columns[0]->kind;
        if (kind != COLUMN_PARTITION_KEY && kind != COLUMN_STATIC)
            return run_invalid(r, "SELECT DISTINCT with WHERE clause only supports restriction by "
                                  "partition key and/or static columns.");
    }
    for (uint32_t i = 0; !s->by_key && i < s->table->partition_key_count; i++) {
        if (!selection_has_column(s->selection, &s->table->columns[i]))
            return run_invalid(r,
                               "SELECT DISTINCT queries must request all the partition key "
                               "columns (missing %s)",
                               s->table->columns[i].name);
    }
    return true;
}

static bool resolve_limits(struct run *r, struct select *s)
{
    const struct cql_type *type = cql_type_native(CQL_INT);
    s->limit_slot = (struct slot){s->ast->limit, type, "[limit]"};
    s->per_part_slot = (struct slot){s->ast->per_partition_limit, type, "[per_partition_limit]"};
    s->distinct = s->ast->distinct;
    if (s->distinct && s->ast->per_partition_limit != NULL)
        return run_invalid(r, "PER PARTITION LIMIT is not allowed with SELECT DISTINCT queries");
    return (s->ast->limit == NULL || slot_declare(r, s->limit_slot)) &&
           (s->ast->per_partition_limit == NULL || slot_declare(r, s->per_part_slot));
}

/* A function of GROUP BY must keep the order of its argument. */
static bool is_monotonic(const struct function *f)
{
    static const char *const names[] = {
        "system.floor",           "system.to_date",           "system.todate",
        "system.to_timestamp",    "system.totimestamp",       "system.to_unix_timestamp",
        "system.tounixtimestamp", "system.unix_timestamp_of", "system.unixtimestampof"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(function_name(f), names[i]) == 0)
            return true;
    }
    return false;
}

/* The column that an element of GROUP BY is of, or a function of; NULL after run_fail. */
static const struct column *grouped_column(struct run *r, const struct selector *g, bool last)
{
    const struct column *c = g->column;
    if (g->kind == SELECTOR_COLUMN)
        return c;
    if (g->kind == SELECTOR_AGGREGATE) {
        run_invalid(r, "Aggregate functions are not supported within the GROUP BY clause, got: %s",
                    aggregate_function(g));
        return NULL;
    }
    for (size_t i = 0; i < g->args_count && c == NULL; i++)
        c = g->args[i]->column;
    bool call = g->kind == SELECTOR_CALL || g->kind == SELECTOR_OPERATION;
    if (!call || c == NULL) {
        run_invalid(r, "Group by takes columns of the PRIMARY KEY and functions of them, got %s",
                    g->name);
        return NULL;
    }
    if (c->kind != COLUMN_CLUSTERING) {
        run_invalid(r, "Group by functions are only supported on clustering columns, got %s",
                    c->name);
        return NULL;
    }
    if (g->kind != SELECTOR_CALL || !is_monotonic(g->function)) {
        run_invalid(r, "Only monotonic functions are supported in the GROUP BY clause. Got: %s",
                    g->name);
        return NULL;
    }
    if (!last)
        run_invalid(r, "Functions are only supported on the last element of the GROUP BY clause");
    return last ? c : NULL;
}

/* GROUP BY names a prefix of the primary key, the whole partition key at least; columns restricted
 * by = may be left out. */
static bool resolve_groups(struct run *r, struct select *s)
{
    const struct ast_terms *terms = &s->ast->group_by;
    const struct table *t = s->table;
    uint32_t at = 0;
    if (terms->count == 0)
        return true;
    s->group_by = arena_array(r->arena, struct selector *, terms->count);
    for (size_t i = 0; i < terms->count; i++) {
        struct selector *g = selector_prepare(r, terms->items[i]);
        if (g == NULL || !selector_settle(r, g, NULL))
            return false;
        const struct column *c = grouped_column(r, g, i + 1 == terms->count);
        if (c == NULL)
            return false;
        if (c->kind != COLUMN_PARTITION_KEY && c->kind != COLUMN_CLUSTERING)
            return run_invalid(r,
                               "Group by is currently only supported on the columns of the "
                               "PRIMARY KEY, got %s",
                               c->name);
        while (at < column_index(t, c) && restricted_by_eq(s, &t->columns[at]))
            at++;
        if (column_index(t, c) != at++)
            return run_invalid(r, "Group by currently only support groups of columns following "
                                  "their declared order in the PRIMARY KEY");
        s->group_by[s->group_by_count++] = g;
    }
    if (at < t->partition_key_count)
        return run_invalid(r, "Group by is not supported on only a part of the partition key");
    if (at > t->partition_key_count && s->distinct)
        return run_invalid(
            r, "Grouping on clustering columns is not allowed for SELECT DISTINCT queries");
    selection_group(s->selection);
    return true;
}

bool select_resolve_clauses(struct run *r, struct select *s)
{
    if (!resolve_limits(r, s) || !resolve_distinct(r, s) || !resolve_groups(r, s))
        return false;
    if (s->ast->per_partition_limit != NULL && s->group_by_count == 0 &&
        selection_is_aggregate(s->selection))
        return run_invalid(r, "PER PARTITION LIMIT is not allowed with aggregate queries.");
    return resolve_order(r, s);
}

static bool eval_limit(struct run *r, struct slot slot, int64_t *ret, bool *ret_given)
{
    struct cql_value v = CQL_NULL;
    if (slot.term != NULL && !slot_value(r, slot, &v))
        return false;
    if (slot.term != NULL && v.kind == CQL_VALUE_NULL)
        return run_invalid(r, "Invalid null value of limit");
    if (!slot_int(r, slot, ret, ret_given))
        return false;
    return !*ret_given || *ret > 0 || run_invalid(r, "LIMIT must be strictly positive");
}

bool select_eval_limits(struct run *r, struct select *s)
{
    int64_t limit = 0, per_part = 0;
    bool has_limit, has_per_part;
    if (!eval_limit(r, s->limit_slot, &limit, &has_limit) ||
        !eval_limit(r, s->per_part_slot, &per_part, &has_per_part))
        return false;
    s->limit = has_limit ? (uint64_t)limit : UINT64_MAX;
    if (s->distinct)
        s->per_part = 1;
    else if (has_per_part && s->group_by_count > 0)
        s->groups_per_part = (uint32_t)per_part;
    else if (has_per_part)
        s->per_part = (uint32_t)per_part;
    return true;
}
