#include "base/mutant.h"
#include "node/cql/exec/select.h"
#include "ring/murmur3.h"

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
        if (is_of(x, COLUMN_REGULAR) || is_of(x, COLUMN_STATIC))
            return true;
    }
    return false;
}

/* Filtering needs no leave where it was given, where an index does it (index_check_filtering), and
 * in tables that are virtual in Cassandra too. */
static bool may_filter(const struct select *s)
{
    return s->ast->allow_filtering || s->uses_index || keyspace_is_virtual(s->table->keyspace);
}

/* Does any restriction ask for filtering? Then ALLOW FILTERING must have been said. */
static bool check_restrictions(struct run *r, const struct select *s)
{
    const struct column *c = &s->table->columns[s->table->partition_key_count];
    const struct restriction *gap = clustering_filters(s);
    if (key_filters(s) && !may_filter(s))
        return run_invalid(r, "%s", FILTERING_TEXT);
    if (!check_statics(r, s))
        return false;
    if (may_filter(s))
        return true;
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

/* Rows of all partitions, and not all rows of each. */
static bool check_range(struct run *r, const struct select *s)
{
    if (s->uses_index)
        return index_check_filtering(r, s);
    for (size_t i = 0; i < s->where.count && !s->by_key && !may_filter(s); i++) {
        if (is_of(&s->where.items[i], COLUMN_CLUSTERING))
            return run_invalid(r, "%s", FILTERING_TEXT);
    }
    return true;
}

static bool order_columns_exist(struct run *r, const struct select *s)
{
    for (size_t i = 0; i < s->ast->order_by.count; i++) {
        if (run_column(r, s->table, s->ast->order_by.items[i].column) == NULL)
            return false;
    }
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
    if (!selection_prepare(r, s->table, ast, &s->selection) || !order_columns_exist(r, s) ||
        !where_resolve(r, s->table, &ast->where, ast->allow_filtering, &s->where))
        return false;
    s->by_key = where_has_whole_key(&s->where, s->table);
    if (!nearest_resolve(r, s) || !index_plan(r, s, clustering_filters(s) != NULL) ||
        !check_restrictions(r, s) || !selection_settle(r, s->selection) ||
        !select_resolve_clauses(r, s) || !check_range(r, s))
        return false;
    *ret = s;
    return true;
}

/* --- evaluation */

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

static bool has_key_in(const struct select *s)
{
    for (size_t i = 0; i < s->where.count; i++) {
        const struct restriction *x = &s->where.items[i];
        if (is_of(x, COLUMN_PARTITION_KEY) && x->op == AST_IN &&
            (x->in_marker || x->alternatives != 1))
            return true;
    }
    return false;
}

static void warn_of_aggregates(struct run *r, const struct select *s)
{
    bool key = false;
    for (size_t i = 0; i < s->where.count; i++) {
        const struct restriction *x = &s->where.items[i];
        key = key || x->columns[0]->kind == COLUMN_PARTITION_KEY;
    }
    if (!selection_is_aggregate(s->selection))
        return;
    if (!key)
        run_warn(r, "Aggregation query used without partition key");
    else if (has_key_in(s))
        run_warn(r, "Aggregation query used on multiple partition keys (IN restriction)");
}

static bool plan_sort(struct run *r, struct select *s)
{
    if (s->ast->order_by.count == 0 || !has_key_in(s))
        return true;
    if (s->paged)
        return run_invalid(r, "Cannot page queries with both ORDER BY and a IN restriction on "
                              "the partition key; you must either remove the ORDER BY or the "
                              "IN and sort client side, or disable paging for this query");
    s->sorts = !selection_is_aggregate(s->selection);
    if (s->sorts) {
        s->sort_limit = s->limit;
        s->limit = UINT64_MAX;
    }
    return true;
}

bool select_plan_start(struct run *r, struct select *s)
{
    if (!select_eval_limits(r, s) || !nearest_start(r, s))
        return false;
    warn_of_aggregates(r, s);
    if (!eval_tokens(r, s) || (s->by_key && !where_keys(r, &s->where, s->table, &s->keys)) ||
        !where_slices(r, &s->where, s->table, &s->slices) || !index_plan_start(r, s) ||
        !eval_filters(r, s))
        return false;
    if (s->by_key)
        bound_keys(s);
    if (s->by_key && s->at.has)
        skip_keys(s);
    s->complete = s->slices.count == 0 || (s->by_key && s->key_at >= s->keys.count) ||
                  (!s->by_key && s->after_token >= s->upto_token);
    return s->complete || plan_sort(r, s);
}
