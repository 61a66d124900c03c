/* select_sort.c - ORDER BY over several partitions: the rows of the answer are put in order when
 * all are there. So such a SELECT has no pages, and is bounded by EXEC_SORT_MAX and EXEC_REPLY_MAX.
 */
#include "node/cql/exec/select.h"
#include "node/schema/order.h"

#include <stdlib.h>

struct sorted_row {
    struct bytes key;  /* of what is ordered by, a null first */
    size_t start, end; /* where the row stands in the content */
};

bool select_sort_note(struct run *r, struct select *s, size_t start)
{
    struct buf b;
    if (s->sorted_count == EXEC_SORT_MAX)
        return run_invalid(r, "ORDER BY with IN on the partition key: more than %d rows",
                           EXEC_SORT_MAX);
    buf_init(&b, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < s->ast->order_by.count; i++) {
        const struct ast_order *o = &s->ast->order_by.items[i];
        const struct column *c = table_column(s->table, run_text(r, o->column));
        struct cql_value v = s->values[column_index(s->table, c)];
        buf_put_u8(&b, (v.kind == CQL_VALUE_SET) != o->descending);
        if (v.kind == CQL_VALUE_SET && order_encode(c->type, o->descending, v.data, &b, NULL))
            continue; /* cannot be: it came from a key */
    }
    s->sorted =
        arena_grow(s->arena, s->sorted, s->sorted_count, &s->sorted_cap, sizeof s->sorted[0]);
    s->sorted[s->sorted_count++] =
        (struct sorted_row){arena_copy(s->arena, buf_bytes(&b)), start, s->content.len};
    buf_close(&b);
    return true;
}

/* Rows that are equal stay in the order they came in. */
static int compare(const void *a, const void *b)
{
    const struct sorted_row *x = a, *y = b;
    int c = bytes_compare(x->key, y->key);
    return c != 0 ? c : (x->start > y->start) - (x->start < y->start);
}

void select_sort(struct select *s)
{
    struct buf out;
    buf_init(&out, s->content.max);
    if (s->sorted_count > 1)
        qsort(s->sorted, s->sorted_count, sizeof s->sorted[0], compare);
    s->rows = 0;
    for (; s->rows < s->sorted_count && s->rows < s->sort_limit; s->rows++) {
        const struct sorted_row *row = &s->sorted[s->rows];
        buf_put(&out, s->content.data + row->start, row->end - row->start);
    }
    buf_close(&s->content);
    s->content = out;
}
