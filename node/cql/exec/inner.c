#include "node/cql/exec/inner.h"

#include "base/mem.h"

#include "node/cql/exec/request.h"
#include "node/cql/grammar/parse.h"

#include <string.h>

struct inner {
    struct inner *next; /* asked before it */
    struct inner_question question;
    struct run run;
    struct select *select; /* NULL: a write */
    struct parts parts;
    bool answered;
    struct inner_rows rows;
};

static bool is_same(const struct inner_question *a, const struct inner_question *b)
{
    if (strcmp(a->text, b->text) != 0 || a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (!bytes_equal(a->values[i], b->values[i]))
            return false;
    }
    return true;
}

/* The reply's body, taken apart again: what a client would see is what we want. */
static bool take_rows(struct request *q, struct inner *in)
{
    struct buf b;
    struct cql_response response;
    buf_init(&b, EXEC_REPLY_MAX * 2);
    if (!select_reply(&in->run, in->select, &b)) {
        buf_close(&b);
        return false;
    }
    struct cql_frame frame = {.header = {.version = CQL_VERSION_MIN,
                                         .response = true,
                                         .opcode = CQL_RESULT,
                                         .length = (uint32_t)b.len},
                              .body = run_take(&in->run, &b)};
    enum err err = cql_response_read(&frame, &q->arena, &response, NULL);
    ASSERT(err == ERR_OK && response.kind == CQL_RESULT_ROWS); /* we have just written it */
    struct reader r = cql_rows_reader(&response.rows);
    size_t columns = response.rows.metadata.column_count;
    in->rows.count = response.rows.count;
    in->rows.items = arena_array(&q->arena, struct cql_value *, in->rows.count);
    for (size_t i = 0; i < in->rows.count; i++) {
        in->rows.items[i] = arena_array(&q->arena, struct cql_value, columns);
        for (size_t c = 0; c < columns; c++)
            in->rows.items[i][c] = cql_read_bytes(&r);
    }
    return true;
}

static bool select_on(struct exec *e, struct request *q, struct inner *in)
{
    const struct scan *scan = select_scan(&in->run, in->select);
    if (scan == NULL) {
        in->answered = take_rows(q, in);
        return in->answered;
    }
    struct exec_effect *effect = effect_add(e, EXEC_READ, q);
    effect->read.keyspace = select_table(in->select)->keyspace_no;
    effect->read.scan = scan;
    effect->read.level = in->question.level;
    effect_op(e, q, effect);
    return true;
}

static bool begin(struct exec *e, struct request *q, struct inner *in)
{
    struct run *r = &in->run;
    struct ast *ast = arena_new(&q->arena, struct ast);
    struct cql_value *values = arena_array(&q->arena, struct cql_value, in->question.count);
    struct select_params params = {.version = CQL_VERSION_MIN};
    struct modify_times times = {0};
    struct errmsg m;
    for (size_t i = 0; i < in->question.count; i++)
        values[i] = cql_value_make(in->question.values[i]);
    *r = q->run;
    r->code = CQL_ERROR_SERVER;
    r->timestamp_us = r->stamp_us; /* not what the client says */
    r->no_timestamp = r->no_stamp;
    r->now_s = r->now_us / USEC_PER_SEC;
    if (!run_err(r, cql_parse(bytes_text(in->question.text), &q->arena, ast, &m), &m) ||
        !request_open(r, ast, (struct cql_values){values, NULL, in->question.count}, NULL))
        return false;
    if (ast->stmt->kind == AST_SELECT)
        return select_resolve(r, &ast->stmt->select, &in->select) &&
               select_start(r, in->select, &params) && select_on(e, q, in);
    if (!modify(r, ast->stmt, &times, NULL, &in->parts))
        return false;
    struct exec_effect *effect = effect_add(e, EXEC_WRITE, q);
    effect->write.mutations = in->parts.items;
    effect->write.count = in->parts.count;
    effect->write.level = in->question.level;
    effect->write.kind = CQL_WRITE_SIMPLE;
    effect->write.stamp_us = r->stamp_us;
    effect_op(e, q, effect);
    return true;
}

static void failed(struct request *q, const struct inner *in)
{
    q->run.code = in->run.code;
    q->run.message = in->run.message;
}

const struct inner_rows *inner_ask(struct exec *e, struct request *q,
                                   const struct inner_question *question)
{
    struct inner *in = q->inner;
    while (in != NULL && !is_same(&in->question, question))
        in = in->next;
    if (in == NULL) {
        in = arena_new(&q->arena, struct inner);
        in->question = *question;
        for (size_t i = 0; i < question->count; i++)
            in->question.values[i] = arena_copy(&q->arena, question->values[i]);
        in->next = q->inner;
        q->inner = in;
        if (!begin(e, q, in))
            failed(q, in);
    }
    return in->answered ? &in->rows : NULL;
}

/* The sentence of an operation's error, with what it was for. */
static void explain(struct request *q, struct inner *in, const struct exec_result *x)
{
    const char *text = reply_outcome_text(q, x, in->select == NULL);
    if (in->question.trouble != NULL)
        run_fail(&in->run, in->question.code, "%s%s", in->question.trouble, text);
    else
        run_fail(&in->run, reply_outcome_code(x, in->select == NULL), "%s", text);
    failed(q, in);
}

bool inner_done(struct exec *e, struct request *q, const struct exec_result *x)
{
    struct inner *in = q->inner; /* the one asked last: the others have been answered */
    if (x->err != ERR_OK || (in->select != NULL && x->rows == NULL)) {
        explain(q, in, x);
        return true;
    }
    if (in->select == NULL) {
        in->answered = true;
        return true;
    }
    if (!select_take(&in->run, in->select, x->rows) || !select_on(e, q, in)) {
        failed(q, in);
        return true;
    }
    return q->op == 0;
}

void inner_close(struct request *q)
{
    for (struct inner *in = q->inner; in != NULL; in = in->next)
        select_close(in->select);
}

const char *inner_text(struct run *r, const struct cql_value *v)
{
    return v->kind == CQL_VALUE_SET ? arena_text(r->arena, v->data) : NULL;
}

bool inner_bool(const struct cql_value *v)
{
    return v->kind == CQL_VALUE_SET && v->data.len == 1 && v->data.data[0] != 0;
}

static const struct cql_type *set_type(struct run *r)
{
    return cql_type_set(r->arena, cql_type_native(CQL_TEXT), false);
}

size_t inner_set(struct run *r, const struct cql_value *v, const char ***ret_items)
{
    struct value_items it = value_items_open(set_type(r), v->data);
    const char **items = arena_array(r->arena, const char *, it.left);
    struct bytes item;
    size_t n = 0;
    while (v->kind == CQL_VALUE_SET && value_items_next(&it, &item))
        items[n++] = arena_text(r->arena, item);
    *ret_items = items;
    return n;
}

struct bytes inner_set_make(struct run *r, const char *const *items, size_t count)
{
    struct bytes *texts = arena_array(r->arena, struct bytes, count);
    struct buf b;
    for (size_t i = 0; i < count; i++)
        texts[i] = bytes_text(items[i]);
    buf_init(&b, BUF_MAX_DEFAULT);
    enum err err = value_collection_build(set_type(r), texts, count, &b, NULL);
    ASSERT(err == ERR_OK); /* they are few, and texts */
    return run_take(r, &b);
}
