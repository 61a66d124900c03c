/* request_cas_answer.c - what a request with IF is told.
 *
 * What is told when it was not applied are the rows that had conditions, with the columns of the
 * conditions, or with all when there was an EXISTS: as Cassandra has it, down to which columns are
 * read for that (a statement that writes no static column is shown none).
 */
#include "node/cql/exec/request_cas.h"
#include "node/schema/order.h"

static bool is_condition(const struct request *q, const struct column *c)
{
    for (size_t i = 0; i < q->statements_count; i++) {
        const struct conditions *all = &q->cas->items[i].modify.conditions;
        for (size_t j = 0; j < all->count; j++) {
            if (all->items[j].column == c)
                return true;
        }
    }
    return false;
}

struct shown {
    const struct column **columns;
    size_t count;
};

static void show(struct shown *s, const struct column *c)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->columns[i] == c)
            return;
    }
    s->columns[s->count++] = c;
}

/* All columns when there was an EXISTS; else those of conditions, in a batch after the key. */
static struct shown columns_shown(struct request *q)
{
    const struct table *t = q->cas->table;
    struct shown s = {.columns = arena_array(&q->arena, const struct column *, t->column_count)};
    uint32_t key = t->partition_key_count + t->clustering_count;
    bool batch = q->statements->times.in_batch;
    for (uint32_t i = 0; i < t->column_count; i++) {
        if (q->cas->exists || (batch && i < key))
            show(&s, &t->columns[i]);
    }
    for (size_t i = 0; i < q->statements_count && !q->cas->exists; i++) {
        const struct conditions *all = &q->cas->items[i].modify.conditions;
        for (size_t j = 0; j < all->count; j++)
            show(&s, all->items[j].column);
    }
    return s;
}

static bool is_read(const struct request *q, const struct column *c)
{
    if (c->kind == COLUMN_STATIC)
        return q->cas->exists ? q->cas->statics : is_condition(q, c);
    return q->cas->exists ? q->cas->rows : is_condition(q, c);
}

static bool key_value(struct run *r, const struct table *t, const struct part *p,
                      const struct row *row, const struct column *c, struct cql_value *ret)
{
    *ret = CQL_NULL;
    if (c->kind == COLUMN_PARTITION_KEY) {
        struct bytes *parts = arena_array(r->arena, struct bytes, t->partition_key_count);
        if (partition_key_split(p->key, t->partition_key_count, parts) != ERR_OK)
            return run_fail(r, CQL_ERROR_SERVER, "A replica sent a partition key that is none");
        *ret = cql_value_make(parts[c->position]);
        return true;
    }
    if (row == NULL)
        return true;
    struct reader in = reader_make(row->key);
    for (uint32_t i = 0; i <= c->position; i++) {
        const struct column *at = &t->columns[t->partition_key_count + i];
        struct buf b;
        buf_init(&b, BUF_MAX_DEFAULT);
        enum err err = order_decode(at->type, at->reversed, &in, &b);
        *ret = cql_value_make(run_take(r, &b));
        if (err != ERR_OK)
            return run_fail(r, CQL_ERROR_SERVER, "A replica sent a clustering key that is none");
    }
    return true;
}

static bool put_row(struct request *q, const struct shown *s, const struct row *row,
                    struct buf *content)
{
    static const uint8_t no[] = {0};
    struct cql_value v;
    cql_put_value(content, cql_value_make(bytes_make(no, sizeof no)));
    for (size_t i = 0; i < s->count; i++) {
        const struct column *c = s->columns[i];
        v = CQL_NULL;
        if (c->kind == COLUMN_PARTITION_KEY || c->kind == COLUMN_CLUSTERING) {
            if (!key_value(&q->run, q->cas->table, &q->cas->part, row, c, &v))
                return false;
        } else if (is_read(q, c)) {
            v = row_value(&q->run, c, c->kind == COLUMN_STATIC ? cas_static_row(q) : row);
        }
        cql_put_value(content, v);
    }
    return true;
}

/* Does the static row hold anything? Where rows are changed too: of what was read. */
static bool statics_show(struct request *q)
{
    const struct table *t = q->cas->table;
    bool rows = false;
    for (size_t i = 0; i < q->statements_count; i++)
        rows = rows || q->cas->items[i].has_row;
    if (!rows)
        return cas_static_row(q) != NULL;
    for (uint32_t i = 0; i < t->column_count; i++) {
        const struct column *c = &t->columns[i];
        if (c->kind == COLUMN_STATIC && is_read(q, c) &&
            row_value(&q->run, c, cas_static_row(q)).kind == CQL_VALUE_SET)
            return true;
    }
    return false;
}

/* Was there a condition on this row? */
static bool is_asked_about(const struct request *q, const struct row *row)
{
    if (!q->cas->row_conditions)
        return true; /* the first row stands for its partition */
    for (size_t i = 0; i < q->statements_count; i++) {
        const struct cas_item *item = &q->cas->items[i];
        const struct conditions *c = &item->modify.conditions;
        bool of_row = c->regular > 0 || c->kind == IF_EXISTS || c->kind == IF_NOT_EXISTS;
        if (item->has_row && of_row && bytes_equal(item->row_key, row->key))
            return true;
    }
    return false;
}

static bool put_rows(struct request *q, const struct shown *s, struct buf *content,
                     uint32_t *ret_rows)
{
    const struct part *p = &q->cas->part;
    *ret_rows = 0;
    for (size_t i = 0; i < p->rows_count; i++) {
        bool first_only = !q->cas->row_conditions && *ret_rows == 1;
        if (first_only || !row_shows(q->cas->table, &p->rows[i], q->run.now_s) ||
            !is_asked_about(q, &p->rows[i]))
            continue;
        if (!put_row(q, s, &p->rows[i], content))
            return false;
        ++*ret_rows;
    }
    if (*ret_rows > 0 || !statics_show(q))
        return true;
    *ret_rows = 1;
    return put_row(q, s, NULL, content);
}

static struct cql_column applied_column(struct request *q)
{
    const struct table *t = q->cas->table;
    return result_column(&q->run, t->keyspace, t->name, "[applied]", cql_type_native(CQL_BOOLEAN));
}

static struct bytes put_body(struct request *q, const struct cql_column *columns, size_t count,
                             struct bytes content, uint32_t rows_count)
{
    struct cql_rows rows = {.count = rows_count, .content = content};
    struct buf body;
    rows.metadata.columns = columns;
    rows.metadata.column_count = (uint32_t)count;
    buf_init(&body, EXEC_REPLY_MAX * 2);
    cql_rows_put(&body, q->version, &rows);
    return run_take(&q->run, &body);
}

/* The body that tells what was found instead. */
bool cas_make_answer(struct request *q)
{
    struct shown s = columns_shown(q);
    struct cql_column *columns = arena_array(&q->arena, struct cql_column, s.count + 1);
    const struct table *t = q->cas->table;
    struct buf content;
    uint32_t rows;
    static const uint8_t no[] = {0};
    columns[0] = applied_column(q);
    for (size_t i = 0; i < s.count; i++)
        columns[i + 1] =
            result_column(&q->run, t->keyspace, t->name, s.columns[i]->name, s.columns[i]->type);
    buf_init(&content, EXEC_REPLY_MAX);
    bool good = put_rows(q, &s, &content, &rows);
    if (good && content.failed)
        good = run_invalid(&q->run, "The result is larger than %zu bytes", EXEC_REPLY_MAX);
    if (good && rows == 0)
        cql_put_value(&content, cql_value_make(bytes_make(no, sizeof no)));
    if (good)
        q->cas->answer = put_body(q, columns, rows > 0 ? s.count + 1 : 1,
                                  run_take(&q->run, &content), rows > 0 ? rows : 1);
    else
        buf_close(&content);
    return good;
}

void cas_reply_rows(struct exec *e, struct request *q, struct bytes body)
{
    struct buf b;
    buf_init(&b, EXEC_REPLY_MAX * 2);
    buf_put_bytes(&b, body);
    reply_body(e, q, CQL_RESULT, &b);
}

void cas_reply_applied(struct exec *e, struct request *q)
{
    static const uint8_t yes[] = {1};
    struct cql_column *column = arena_new(&q->arena, struct cql_column);
    struct buf content;
    *column = applied_column(q);
    buf_init(&content, 64);
    cql_put_value(&content, cql_value_make(bytes_make(yes, sizeof yes)));
    cas_reply_rows(e, q, put_body(q, column, 1, run_take(&q->run, &content), 1));
}
