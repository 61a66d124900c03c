/* nearest.c - ORDER BY column ANN OF vector: the rows whose vectors are most similar to one.
 *
 * All rows that the WHERE leaves are looked at and the best so many are kept: so the answer is
 * exact, at every consistency level. The index says how similarity is measured. */
#include "base/mem.h"
#include "node/cql/exec/select.h"
#include "node/schema/index.h"

#include <math.h>
#include <string.h>

#define NEAREST_MAX 1000

struct nearest_row {
    double score;
    struct buf content; /* the row as it will be answered */
};

struct nearest {
    const struct index *index;
    const struct column *column;
    struct slot slot;
    struct bytes vector;
    size_t limit;
    struct nearest_row *rows; /* best first; of equal ones the first met */
    size_t count, cap;
};

/* One of the legacy kind knows nothing of similarity. */
static const struct index *index_of(const struct table *t, const struct column *c, bool sai)
{
    for (uint32_t i = 0; i < t->index_count; i++) {
        if (t->indexes[i].column_id == c->id && t->indexes[i].sai == sai)
            return &t->indexes[i];
    }
    return NULL;
}

static bool check_order(struct run *r, const struct ast_orders *orders, const struct ast_order *o)
{
    for (size_t i = 0; i < orders->count; i++) {
        if (&orders->items[i] != o && orders->items[i].ann != NULL)
            return run_invalid(r, "Cannot specify more than one ANN ordering");
    }
    if (orders->count > 1)
        return run_invalid(r, "ANN ordering does not support any other ordering");
    return !o->descending || run_invalid(r, "Descending ANN ordering is not supported");
}

static bool check_column(struct run *r, const struct column *c, const struct ast_order *o)
{
    const struct cql_type *t = c->type;
    if (t->kind != CQL_VECTOR && t->kind != CQL_LIST && o->ann->kind == AST_LIST)
        return run_invalid(r, "Unexpected receiver type '%s'; only list and vector are expected",
                           cql_type_text(r->arena, t));
    if (t->kind != CQL_VECTOR || t->items[0]->kind != CQL_FLOAT)
        return run_invalid(r, "ANN ordering is only supported on float vector indexes");
    return true;
}

bool nearest_resolve(struct run *r, struct select *s)
{
    const struct ast_orders *orders = &s->ast->order_by;
    const struct ast_order *o = NULL;
    for (size_t i = 0; i < orders->count && o == NULL; i++) {
        if (orders->items[i].ann != NULL)
            o = &orders->items[i];
    }
    if (o == NULL)
        return true;
    struct nearest *n = arena_new(r->arena, struct nearest);
    if (!check_order(r, orders, o))
        return false;
    n->column = run_column(r, s->table, o->column);
    if (n->column == NULL || !check_column(r, n->column, o))
        return false;
    n->slot = (struct slot){o->ann, n->column->type, n->column->name};
    if (!slot_declare(r, n->slot))
        return false;
    n->index = index_of(s->table, n->column, true);
    if (n->index == NULL && index_of(s->table, n->column, false) != NULL)
        return run_invalid(r, "%s", FILTERING_TEXT);
    if (n->index == NULL)
        return run_invalid(r, "ANN ordering by vector requires the column to be indexed");
    for (size_t i = 0; i < s->where.count; i++) {
        if (!s->where.items[i].token && s->where.items[i].columns[0] == n->column)
            return run_invalid(
                r, "%s cannot be restricted by more than one relation if it includes an Equal",
                n->column->name);
    }
    if (s->ast->distinct)
        return run_invalid(r, "SELECT DISTINCT with WHERE clause only supports restriction by "
                              "partition key and/or static columns.");
    s->nearest = n;
    return true;
}

bool nearest_check(struct run *r, const struct select *s)
{
    if (s->ast->per_partition_limit != NULL)
        return run_invalid(r, "Top-K queries do not support per-partition limits");
    if (selection_is_aggregate(s->selection) || s->ast->group_by.count > 0)
        return run_invalid(r, "Top-K queries can not be run with aggregation");
    return true;
}

#define NEEDS_LIMIT                                                                                \
    "Top-K queries must have a limit specified and the limit must be less than the query page "    \
    "size"

bool nearest_start(struct run *r, struct select *s)
{
    struct nearest *n = s->nearest;
    struct cql_value v;
    if (n == NULL)
        return true;
    if (s->limit == UINT64_MAX)
        return run_invalid(r, NEEDS_LIMIT);
    if (s->limit > NEAREST_MAX)
        return run_invalid(r,
                           "Use of ANN OF in an ORDER BY clause requires a LIMIT that is not "
                           "greater than %d. LIMIT was %llu",
                           NEAREST_MAX, (unsigned long long)s->limit);
    if (s->params.page_size > 0 && s->limit > (uint64_t)s->params.page_size)
        return run_invalid(r, NEEDS_LIMIT);
    if (!slot_value(r, n->slot, &v))
        return false;
    if (v.kind != CQL_VALUE_SET)
        return run_invalid(r, "Unsupported %s value for column %s",
                           v.kind == CQL_VALUE_NULL ? "null" : "unset", n->column->name);
    n->vector = v.data;
    n->limit = (size_t)s->limit;
    s->params.page_size = 0; /* the rows come in one reply */
    if (isnan(vector_similarity(n->index->similarity, v.data, v.data)))
        return run_invalid(r, "Zero vectors have no cosine similarity: %s", n->column->name);
    return true;
}

/* Where a row of the score belongs; `count` when behind all. */
static size_t place_of(const struct nearest *n, double score)
{
    size_t low = 0;
    size_t high = n->count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (n->rows[mid].score >= score)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

bool nearest_take(struct run *r, struct select *s, const struct row_values *row)
{
    struct nearest *n = s->nearest;
    const struct cql_value *v = &s->values[column_index(s->table, n->column)];
    if (v->kind != CQL_VALUE_SET)
        return true; /* no vector: not in the index */
    double score = vector_similarity(n->index->similarity, v->data, n->vector);
    if (isnan(score))
        return true;
    size_t at = place_of(n, score);
    if (at >= n->limit)
        return true;
    struct nearest_row made = {.score = score};
    buf_init(&made.content, EXEC_REPLY_MAX);
    if (!selection_row(r, s->selection, row, &made.content)) {
        buf_close(&made.content);
        return false;
    }
    n->rows = mem_grow(n->rows, n->count, &n->cap, sizeof *n->rows);
    memmove(&n->rows[at + 1], &n->rows[at], (n->count - at) * sizeof *n->rows);
    n->rows[at] = made;
    if (++n->count > n->limit)
        buf_close(&n->rows[--n->count].content);
    return true;
}

bool nearest_finish(struct run *r, struct select *s)
{
    const struct nearest *n = s->nearest;
    for (size_t i = 0; n != NULL && i < n->count; i++) {
        buf_put_bytes(&s->content, buf_bytes(&n->rows[i].content));
        s->rows++;
        if (n->rows[i].content.failed || s->content.failed || s->content.len > EXEC_REPLY_MAX)
            return run_invalid(r, "The result is larger than %zu bytes: select fewer columns",
                               EXEC_REPLY_MAX);
    }
    return true;
}

void nearest_close(struct nearest *n)
{
    for (size_t i = 0; n != NULL && i < n->count; i++)
        buf_close(&n->rows[i].content);
    if (n != NULL)
        mem_free(n->rows);
}
