#include "base/mutant.h"
#include "node/cql/exec/select.h"
#include "ring/murmur3.h"

#define FILTERING_TEXT                                                                             \
    "Cannot execute this query as it might involve data filtering and thus may have "              \
    "unpredictable performance. If you want to execute this query despite the performance "        \
    "unpredictability, use ALLOW FILTERING"

static bool is_slice_op(enum ast_op op)
{
    return op == AST_LT || op == AST_LTE || op == AST_GT || op == AST_GTE;
}

static bool is_plain(const struct restriction *x)
{
    return x->key.term == NULL && x->op != AST_CONTAINS && x->op != AST_CONTAINS_KEY;
}

/* The clustering columns that slices can serve: a run of EQ and IN, then one inequality. */
struct served {
    uint32_t equal; /* columns 0 .. equal-1 */
    bool slice;     /* and an inequality that begins at column `equal` */
};

static struct served clustering_served(const struct select *s)
{
    struct served v = {0, false};
    const struct column *c = &s->table->columns[s->table->partition_key_count];
    for (bool more = true; more && v.equal < s->table->clustering_count;) {
        more = false;
        for (size_t i = 0; i < s->where.count && !more; i++) {
            const struct restriction *x = &s->where.items[i];
            more = !x->token && is_plain(x) && !is_slice_op(x->op) && x->columns[0] == &c[v.equal];
            if (more)
                v.equal += (uint32_t)x->count;
        }
    }
    for (size_t i = 0; i < s->where.count && v.equal < s->table->clustering_count; i++) {
        const struct restriction *x = &s->where.items[i];
        if (!x->token && is_plain(x) && is_slice_op(x->op) && x->columns[0] == &c[v.equal])
            v.slice = true;
    }
    return v;
}

static bool is_of(const struct restriction *x, enum column_kind kind)
{
    return !x->token && x->columns[0]->kind == kind;
}

/* The partition key is restricted, but not all of it by = and IN. */
static bool key_filters(const struct select *s)
{
    for (size_t i = 0; i < s->where.count; i++) {
        const struct restriction *x = &s->where.items[i];
        if (is_of(x, COLUMN_PARTITION_KEY) && (!s->by_key || is_slice_op(x->op) || !is_plain(x)))
            return true;
    }
    return false;
}

/* The first restricted clustering column that slices do not serve, as nothing says which it is
 * behind: NULL when they all are. */
static const struct restriction *clustering_filters(const struct select *s)
{
    struct served v = clustering_served(s);
    const struct restriction *first = NULL;
    for (size_t i = 0; i < s->where.count; i++) {
        const struct restriction *x = &s->where.items[i];
        const struct column *c = x->columns[0];
        if (!is_of(x, COLUMN_CLUSTERING))
            continue;
        bool serves = c->position < v.equal || (v.slice && c->position == v.equal);
        if ((!serves || !is_plain(x)) &&
            (first == NULL || c->position < first->columns[0]->position))
            first = x;
    }
    return first;
}

/* Static columns, and keys beside them, are the same for all rows. */
static bool check_statics(struct run *r, const struct select *s)
{
    for (size_t i = 0; i < s->where.count; i++) {
        if (is_of(&s->where.items[i], COLUMN_CLUSTERING) && selection_only_statics(s->selection))
            return run_invalid(
                r, "Cannot restrict clustering columns when selecting only static columns");
    }
    return true;
}

static bool others_filter(const struct select *s)
{
    for (size_t i = 0; i < s->where.count; i++) {
        const struct restriction *x = &s->where.items[i];
        if (is_of(x, COLUMN_REGULAR) || is_of(x, COLUMN_STATIC) ||
            (is_of(x, COLUMN_CLUSTERING) && !s->by_key))
            return true;
    }
    return false;
}

/* Does any restriction ask for filtering? Then ALLOW FILTERING must have been said. */
static bool check_filtering(struct run *r, const struct select *s)
{
    const struct column *c = &s->table->columns[s->table->partition_key_count];
    if (s->uses_index)
        return index_check_filtering(r, s);
    if (s->ast->allow_filtering)
        return true;
    if (key_filters(s))
        return run_invalid(r, "%s", FILTERING_TEXT);
    const struct restriction *gap = clustering_filters(s);
    if (gap != NULL && !is_plain(gap))
        return run_invalid(r, "Clustering columns can only be restricted with CONTAINS with a "
                              "secondary index or filtering");
    if (gap != NULL)
        return run_invalid(r,
                           "PRIMARY KEY column \"%s\" cannot be restricted as preceding column "
                           "\"%s\" is not restricted",
                           gap->columns[0]->name, c[clustering_served(s).equal].name);
    return !others_filter(s) || run_invalid(r, "%s", FILTERING_TEXT);
}

static bool restricted_by_eq(const struct select *s, const struct column *c)
{
    for (size_t i = 0; i < s->where.count; i++) {
        const struct restriction *x = &s->where.items[i];
        for (size_t j = 0; j < x->count; j++) {
            if (x->op == AST_EQ && !x->token && is_plain(x) && x->columns[j] == c)
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
    if (orders->count > 0 && s->uses_index)
        return run_invalid(r, "ORDER BY with 2ndary indexes is not supported, except for ANN "
                              "queries.");
    if (orders->count > 0 && !s->by_key)
        return run_invalid(r, "ORDER BY is only supported when the partition key is restricted by "
                              "an EQ or an IN.");
    for (size_t i = 0; i < orders->count; i++) {
        const struct ast_order *o = &orders->items[i];
        const struct column *column = run_column(r, s->table, o->column);
        if (o->ann != NULL)
            return run_unsupported(r, "ORDER BY … ANN OF (vector search)");
        if (column == NULL)
            return false;
        if (column->kind != COLUMN_CLUSTERING)
            return run_invalid(r,
                               "Order by is currently only supported on the clustered columns "
                               "of the PRIMARY KEY, got %s",
                               column->name);
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
    const char *wrong = "*";
    s->distinct = s->ast->distinct;
    if (!s->distinct)
        return true;
    if (s->ast->selectors.count == 0 || !selection_only_keys_and_statics(s->selection, &wrong))
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
    if (s->distinct && s->ast->per_partition_limit != NULL)
        return run_invalid(r, "PER PARTITION LIMIT is not allowed with SELECT DISTINCT queries");
    return (s->ast->limit == NULL || slot_declare(r, s->limit_slot)) &&
           (s->ast->per_partition_limit == NULL || slot_declare(r, s->per_part_slot));
}

/* GROUP BY names a prefix of the primary key, the whole partition key at least; columns restricted
 * by = may be left out. Groups are not paged: they come in one reply, like an aggregate. */
static bool resolve_groups(struct run *r, struct select *s)
{
    const struct ast_terms *terms = &s->ast->group_by;
    const struct table *t = s->table;
    uint32_t at = 0;
    if (terms->count == 0)
        return true;
    if (s->distinct || s->ast->per_partition_limit != NULL)
        return run_unsupported(r, "GROUP BY with DISTINCT or PER PARTITION LIMIT");
    s->group_by = arena_array(r->arena, const struct column *, terms->count);
    for (size_t i = 0; i < terms->count; i++) {
        if (terms->items[i]->kind != AST_COLUMN)
            return run_unsupported(r, "GROUP BY of anything but columns");
        const struct column *c = run_column(r, t, terms->items[i]->text);
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
        s->group_by[s->group_by_count++] = c;
    }
    while (at < t->partition_key_count && restricted_by_eq(s, &t->columns[at]))
        at++;
    if (at < t->partition_key_count)
        return run_invalid(r, "Group by is not supported on only a part of the partition key");
    selection_group(s->selection);
    return true;
}

bool select_resolve(struct run *r, const struct ast_select *ast, struct select **ret)
{
    struct select *s = arena_new(r->arena, struct select);
    s->ast = ast;
    s->table = run_table(r, &ast->table);
    if (s->table == NULL)
        return false;
    s->is_virtual = keyspace_is_local(s->table->keyspace);
    if (ast->json)
        return run_unsupported(r, "SELECT JSON");
    for (size_t i = 0; i < ast->order_by.count; i++) {
        if (run_column(r, s->table, ast->order_by.items[i].column) == NULL)
            return false;
    }
    if (!selection_resolve(r, s->table, ast, &s->selection) ||
        !where_resolve(r, s->table, &ast->where, ast->allow_filtering, &s->where))
        return false;
    s->by_key = where_has_whole_key(&s->where, s->table);
    if (!index_plan(r, s, clustering_filters(s) != NULL))
        return false;
    if (!check_statics(r, s) || !resolve_distinct(r, s) || !resolve_limits(r, s) ||
        !resolve_order(r, s) || !resolve_groups(r, s))
        return false;
    if (!s->is_virtual && !check_filtering(r, s))
        return false;
    *ret = s;
    return true;
}

/* --- evaluation */

static bool eval_limits(struct run *r, struct select *s)
{
    int64_t limit = 0, per_part = 0;
    bool given;
    s->limit = UINT64_MAX;
    if (!slot_int(r, s->limit_slot, &limit, &given))
        return false;
    if (given && limit <= 0)
        return run_invalid(r, "LIMIT must be strictly positive");
    if (given)
        s->limit = (uint64_t)limit;
    if (!slot_int(r, s->per_part_slot, &per_part, &given))
        return false;
    if (given && per_part <= 0)
        return run_invalid(r, "PER PARTITION LIMIT must be strictly positive");
    s->per_part = s->distinct ? 1 : given ? (uint32_t)per_part : 0;
    return true;
}

/* token(k) > a AND token(k) <= b, as (after, upto]. The lowest token as an upper end means the end
 * of the ring: so drivers and tools that split the ring write it. */
static bool eval_tokens(struct run *r, struct select *s)
{
    s->after_token = INT64_MIN;
    s->upto_token = INT64_MAX;
    for (size_t i = 0; i < s->where.count; i++) {
        struct restriction *x = &s->where.items[i];
        struct bytes *values;
        size_t rows;
        if (!x->token)
            continue;
        if (x->op == AST_IN)
            return run_unsupported(r, "IN on token()");
        if (!restriction_values(r, x, USE_KEY, &values, &rows))
            return false;
        if (values[0].len != 8)
            return run_invalid(r, "Invalid empty value for the partition key token");
        token t = (token)load_u64(values[0].data);
        x->used = true;
        if (x->op == AST_GT || x->op == AST_GTE || x->op == AST_EQ)
            s->after_token = x->op == AST_GT || t == INT64_MIN ? t : t - 1;
        if (x->op == AST_LT || x->op == AST_LTE || x->op == AST_EQ)
            s->upto_token = t == INT64_MIN ? INT64_MAX : x->op == AST_LT ? t - 1 : t;
    }
    return true;
}

/* Keys named one by one can be bounded by token() besides. */
static void bound_keys(struct select *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->keys.count; i++) {
        token t = murmur3_token(s->keys.items[i]);
        if (t > s->after_token && t <= s->upto_token)
            s->keys.items[kept++] = s->keys.items[i];
    }
    s->keys.count = kept;
}

static bool eval_filters(struct run *r, struct select *s)
{
    s->filters = arena_array(r->arena, struct filter, s->where.count);
    for (size_t i = 0; i < s->where.count; i++) {
        if (s->where.items[i].used ||
            (MUTANT(index_not_filtered) && s->indexed == &s->where.items[i]))
            continue;
        struct filter *f = &s->filters[s->filters_count++];
        if (!filter_make(r, &s->where.items[i], f))
            return false;
        f->analysed = index_analysing(s, f->restriction);
    }
    return true;
}

/* Go on behind the position's key, or in its partition. */
static void skip_keys(struct select *s)
{
    while (s->key_at < s->keys.count && !bytes_equal(s->keys.items[s->key_at], s->at.key))
        s->key_at++;
    s->key_at += s->key_at < s->keys.count && !s->at.in_part;
}

static void warn_of_aggregates(struct run *r, const struct select *s)
{
    bool key = false, in = false;
    for (size_t i = 0; i < s->where.count; i++) {
        const struct restriction *x = &s->where.items[i];
        bool mine = x->columns[0]->kind == COLUMN_PARTITION_KEY;
        key = key || mine;
        in = in || (mine && x->op == AST_IN && (x->in_marker || x->alternatives > 1));
    }
    if (!selection_is_aggregate(s->selection))
        return;
    if (!key)
        run_warn(r, "Aggregation query used without partition key");
    else if (in)
        run_warn(r, "Aggregation query used on multiple partition keys (IN restriction)");
}

bool select_plan_start(struct run *r, struct select *s)
{
    if (!eval_limits(r, s))
        return false;
    warn_of_aggregates(r, s);
    if (s->is_virtual)
        return eval_filters(r, s);
    if (!eval_tokens(r, s) || (s->by_key && !where_keys(r, &s->where, s->table, &s->keys)) ||
        !where_slices(r, &s->where, s->table, &s->slices) || !index_plan_start(r, s) ||
        !eval_filters(r, s))
        return false;
    if (s->by_key)
        bound_keys(s);
    if (s->by_key && s->keys.count > 1 && s->ast->order_by.count > 0) {
        if (s->params.page_size > 0)
            return run_invalid(r, "Cannot page queries with both ORDER BY and a IN restriction on "
                                  "the partition key; you must either remove the ORDER BY or the "
                                  "IN and sort client side, or disable paging for this query");
        return run_unsupported(r, "ORDER BY with IN on the partition key");
    }
    if (s->by_key && s->at.has)
        skip_keys(s);
    s->complete = s->slices.count == 0 || (s->by_key && s->key_at >= s->keys.count) ||
                  (!s->by_key && s->after_token >= s->upto_token);
    return true;
}
