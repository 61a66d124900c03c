/* index_plan.c - whether a SELECT goes through a secondary index, and which.
 *
 * The rules are Cassandra's. An index serves a restriction when it stands on its column and can
 * decide its operator. Restrictions that the primary key does not serve must all be served by one
 * group of indexes, else the statement needs ALLOW FILTERING: each index of the legacy kind is a
 * group by itself and serves one restriction, those of the storage-attached kind are one group.
 *
 * A replica looks in one index only; all restrictions are filters on the rows that come back. */
#include "node/cql/exec/select.h"
#include "node/cql/exec/where.h"
#include "node/schema/index.h"

static bool is_range(enum ast_op op)
{
    return op == AST_LT || op == AST_LTE || op == AST_GT || op == AST_GTE;
}

/* An IN of one value is an equality. */
static bool is_equal(const struct restriction *x)
{
    return x->op == AST_EQ || (x->op == AST_IN && !x->in_marker && x->alternatives == 1);
}

static bool serves(const struct table *t, const struct index *i, const struct restriction *x)
{
    bool element = x->key.term != NULL;
    if (x->token || x->count != 1 || x->columns[0]->id != i->column_id)
        return false;
    switch (i->target) {
    case INDEX_VALUES: return x->op == AST_CONTAINS;
    case INDEX_KEYS: return x->op == AST_CONTAINS_KEY;
    case INDEX_ENTRIES: return element && x->op == AST_EQ;
    default: break;
    }
    if (element)
        return false;
    return is_equal(x) || (is_range(x->op) && index_has_ranges(t, i));
}

static const struct index *index_for(const struct table *t, const struct restriction *x, bool sai)
{
    for (uint32_t n = 0; n < t->index_count; n++) {
        if (serves(t, &t->indexes[n], x) && (!sai || t->indexes[n].sai))
            return &t->indexes[n];
    }
    return NULL;
}

bool index_supports(const struct table *t, const struct restriction *x)
{
    return index_for(t, x, false) != NULL;
}

/* The parts of WHERE, as Cassandra looks at them. */
struct parts_of_where {
    bool any_index; /* some index serves some restriction */
    bool clustering_index;
    bool partition, partition_filters; /* there is one; it does not name partitions */
    bool token;
    bool clustering, clustering_filters;
    bool others;
};

static bool is_restricted(const struct where *w, const struct column *c)
{
    for (size_t i = 0; i < w->count; i++) {
        if (!w->items[i].token && w->items[i].columns[0] == c)
            return true;
    }
    return false;
}

static struct parts_of_where look(const struct select *s, bool clustering_filters)
{
    struct parts_of_where p = {.clustering_filters = clustering_filters};
    for (size_t i = 0; i < s->where.count; i++) {
        const struct restriction *x = &s->where.items[i];
        bool indexed = index_for(s->table, x, false) != NULL;
        enum column_kind kind = x->columns[0]->kind;
        p.any_index |= indexed;
        if (x->token) {
            p.token = true;
        } else if (kind == COLUMN_PARTITION_KEY) {
            p.partition = true;
            p.partition_filters |= x->op != AST_EQ && x->op != AST_IN;
        } else if (kind == COLUMN_CLUSTERING) {
            p.clustering = true;
            p.clustering_index |= indexed;
        } else {
            p.others = true;
        }
    }
    for (uint32_t i = 0; p.partition && i < s->table->partition_key_count; i++)
        p.partition_filters |= !is_restricted(&s->where, &s->table->columns[i]);
    return p;
}

/* Do the indexes of one group decide all that the primary key does not? */
static bool one_group_serves(const struct select *s, bool partition, bool clustering)
{
    size_t count = 0;
    bool sai = true;
    bool any = true;
    for (size_t i = 0; i < s->where.count; i++) {
        const struct restriction *x = &s->where.items[i];
        enum column_kind kind = x->columns[0]->kind;
        if (x->token || (kind == COLUMN_PARTITION_KEY && !partition) ||
            (kind == COLUMN_CLUSTERING && !clustering))
            continue;
        count++;
        any &= index_for(s->table, x, false) != NULL;
        sai &= index_for(s->table, x, true) != NULL;
    }
    return count == 0 || sai || (count == 1 && any);
}

static bool key_in(const struct select *s)
{
    for (size_t i = 0; i < s->where.count; i++) {
        const struct restriction *x = &s->where.items[i];
        if (!x->token && x->columns[0]->kind == COLUMN_PARTITION_KEY && x->op == AST_IN &&
            !is_equal(x))
            return true;
    }
    return false;
}

/* One term beats a range of them. */
static void choose(struct select *s)
{
    for (int range = 0; range <= 1 && s->index == NULL; range++) {
        for (size_t i = 0; i < s->where.count && s->index == NULL; i++) {
            const struct restriction *x = &s->where.items[i];
            if (is_range(x->op) == (range == 1))
                s->index = index_for(s->table, x, false);
            s->indexed = x;
        }
    }
}

bool index_plan(struct run *r, struct select *s, bool clustering_filters)
{
    struct parts_of_where p = look(s, clustering_filters);
    if (s->nearest != NULL) /* it stands for a restriction that an index serves */
        p.any_index = p.others = true;
    if (!p.any_index)
        return true;
    bool key_range = p.token || !p.partition || p.partition_filters;
    bool uses = (!p.partition && !p.token) || p.partition_filters;
    bool partition = uses || p.partition_filters;
    if (p.clustering && p.clustering_filters)
        uses = true;
    if (key_range && p.clustering_index)
        uses = true;
    bool clustering = uses || p.clustering_filters;
    uses |= p.others;
    if (!uses)
        return true; /* the primary key says it all */
    if (key_in(s))
        return run_invalid(r, "Select on indexed columns and with IN clause for the PRIMARY KEY "
                              "are not supported");
    s->uses_index = true;
    s->filters_more = !one_group_serves(s, partition, clustering);
    if (s->nearest != NULL && s->filters_more)
        return run_invalid(r, "ANN ordering by vector requires all restricted column(s) to be "
                              "indexed");
    choose(s);
    if (s->index == NULL)
        return true;
    const struct cql_type *type = index_type(s->table, s->index);
    if (type->kind == CQL_VECTOR)
        return run_invalid(r, "Vector indexes only support ANN queries");
    return true;
}

bool index_check_filtering(struct run *r, const struct select *s)
{
    if (s->filters_more && !s->ast->allow_filtering)
        return run_invalid(r, "%s", FILTERING_TEXT);
    return true;
}

/* --- evaluation */

static bool put_terms(struct run *r, const struct select *s, const struct restriction *x,
                      struct buf *out)
{
    struct bytes *values;
    struct bytes key;
    size_t rows;
    if (s->index->target == INDEX_ENTRIES) {
        if (!restriction_key(r, x, &key))
            return false;
        (void)index_term_key(s->table, s->index, key, out);
    }
    if (!restriction_values(r, x, USE_FILTER, &values, &rows))
        return false;
    (void)index_term(s->table, s->index, values[0], out);
    return true;
}

/* The smallest string greater than the term: no term continues another. */
static struct bytes behind(struct run *r, struct bytes term)
{
    uint8_t *copy = arena_zero(r->arena, term.len + 1);
    for (size_t i = 0; i < term.len; i++)
        copy[i] = term.data[i];
    return bytes_make(copy, term.len + 1);
}

static bool narrow(struct run *r, struct select *s, const struct restriction *x)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    bool good = put_terms(r, s, x, &b);
    struct bytes term = run_take(r, &b);
    struct scan_index *to = &s->terms;
    if (x->op == AST_LT)
        to->upto = term;
    else if (x->op == AST_LTE)
        to->upto = behind(r, term);
    else if (x->op == AST_GT)
        to->from = behind(r, term);
    else
        to->from = term;
    if (!is_range(x->op))
        to->upto = behind(r, term);
    return good;
}

bool index_plan_start(struct run *r, struct select *s)
{
    if (s->index == NULL || (s->by_key && s->slices.rows))
        return true; /* one row: to read it is less work */
    s->terms.no = s->index->no;
    for (size_t i = 0; i < s->where.count; i++) {
        const struct restriction *x = &s->where.items[i];
        bool same = x == s->indexed || (is_range(s->indexed->op) && is_range(x->op));
        if (same && serves(s->table, s->index, x) && !narrow(r, s, x))
            return false;
    }
    return true;
}

const struct index *index_analysing(const struct select *s, const struct restriction *x)
{
    for (uint32_t n = 0; s->uses_index && n < s->table->index_count; n++) {
        const struct index *i = &s->table->indexes[n];
        if (serves(s->table, i, x) && (i->fold_case || i->normalize || i->ascii))
            return i;
    }
    return NULL;
}
