/* request_modify.c - INSERT, UPDATE, DELETE and their batches: read what must be read, then write.
 */
#include "node/cql/exec/request.h"
#include "ring/murmur3.h"

#include <string.h>

static void plan_row(struct request *q, const struct need *n)
{
    struct scan_slice *slice = arena_new(&q->arena, struct scan_slice);
    struct buf end;
    if (n->row_key.len > 0) {
        buf_init(&end, BUF_MAX_DEFAULT);
        buf_put_bytes(&end, n->row_key);
        buf_put_u8(&end, 0); /* the next string */
        *slice = (struct scan_slice){n->row_key, run_take(&q->run, &end)};
        q->need_scan.slices = slice;
        q->need_scan.slices_count = 1;
    } else if (n->want_static) {
        q->need_scan.rows_max = 1;
    }
}

static void ask_need(struct exec *e, struct request *q)
{
    struct exec_effect *effect = effect_add(e, EXEC_READ, q);
    effect->read.keyspace = q->needs.items[q->need_at].keyspace;
    effect->read.scan = &q->need_scan;
    effect->read.level = q->level == CQL_CL_ANY ? CQL_CL_ONE : q->level;
    effect->read.seen = q->session;
    effect->read.receipt = q->wants_receipt;
    effect_op(e, q, effect);
}

static void read_need(struct exec *e, struct request *q)
{
    struct need *n = &q->needs.items[q->need_at];
    q->need_scan = (struct scan){.table = n->table,
                                 .single = true,
                                 .key = n->key,
                                 .token = murmur3_token(n->key),
                                 .want_static = n->want_static,
                                 .now_s = q->run.now_s};
    if (n->range) {
        q->need_scan.slices = n->slices;
        q->need_scan.slices_count = n->slices_count;
    } else {
        plan_row(q, n);
    }
    ask_need(e, q);
}

static bool build(struct request *q)
{
    q->parts = (struct parts){0};
    for (size_t i = 0; i < q->statements_count; i++) {
        const struct statement *s = &q->statements[i];
        q->run.statement_no = (uint32_t)i;
        if (!request_open(&q->run, s->ast, s->values, s->keyspace) ||
            !modify(&q->run, s->stmt, &s->times, &q->needs, &q->parts))
            return false;
    }
    return true;
}

/* For system_views.batch_metrics. */
static void note_batch(struct exec *e, const struct request *q)
{
    switch (q->write_kind) {
    case CQL_WRITE_BATCH:
        histogram_record(&e->batches[BATCH_LOGGED], (int64_t)q->parts.count);
        break;
    case CQL_WRITE_UNLOGGED_BATCH:
        histogram_record(&e->batches[BATCH_UNLOGGED], (int64_t)q->parts.count);
        break;
    case CQL_WRITE_COUNTER:
        if (q->statements_count > 1)
            histogram_record(&e->batches[BATCH_COUNTERS], (int64_t)q->parts.count);
        break;
    default: break;
    }
}

/* Evaluate; read what must be read first; then write. */
static void modify_step(struct exec *e, struct request *q)
{
    if (!build(q)) {
        reply_failed(e, q);
        return;
    }
    while (q->need_at < q->needs.count && q->needs.items[q->need_at].known)
        q->need_at++;
    if (q->need_at < q->needs.count) {
        read_need(e, q);
        return;
    }
    parts_join(&q->run, &q->parts);
    if (q->parts.count == 0) {
        reply_void(e, q);
        return;
    }
    note_batch(e, q);
    if (q->statements->times.in_batch && !batch_check_size(&q->run, &q->parts, q->write_kind)) {
        reply_failed(e, q);
        return;
    }
    if (q->parts.count == 1 && q->write_kind != CQL_WRITE_COUNTER)
        q->write_kind = CQL_WRITE_SIMPLE;
    else if (q->write_kind == CQL_WRITE_SIMPLE)
        q->write_kind = CQL_WRITE_UNLOGGED_BATCH;
    struct exec_effect *effect = effect_add(e, EXEC_WRITE, q);
    effect->write.mutations = q->parts.items;
    effect->write.count = q->parts.count;
    effect->write.level = q->level;
    effect->write.kind = q->write_kind;
    effect->write.stamp_us = q->run.timestamp_us == q->run.stamp_us ? q->run.stamp_us : 0;
    effect->write.seen = q->session;
    effect->write.receipt = q->wants_receipt;
    effect_op(e, q, effect);
}

/* Of the rows of a range only the dots matter that are still to be removed. */
static struct part what_is_there(struct request *q, const struct part *page)
{
    struct part p = *page;
    p.rows = arena_array(&q->arena, struct row, page->rows_count);
    p.rows_count = 0;
    for (size_t i = 0; i < page->rows_count; i++) {
        const struct row *from = &page->rows[i];
        struct row row = *from;
        row.cells = arena_array(&q->arena, struct cell, from->cells_count);
        row.cells_count = 0;
        for (size_t j = 0; j < from->cells_count; j++) {
            if (from->cells[j].kind == CELL_REMOVED)
                continue;
            row.cells[row.cells_count] = from->cells[j];
            row.cells[row.cells_count++].value = BYTES_NONE;
        }
        if (row.cells_count > 0)
            p.rows[p.rows_count++] = row;
    }
    return p;
}

/* They come page by page. False after run_fail. */
static bool take_page(struct request *q, struct need *n, const struct part *page)
{
    struct part *p = &n->part;
    if (!n->has_page) {
        n->has_page = true;
        *p = *page;
        n->rows_cap = page->rows_count;
    } else {
        for (size_t i = 0; i < page->rows_count; i++) {
            p->rows =
                arena_grow(&q->arena, p->rows, p->rows_count, &n->rows_cap, sizeof p->rows[0]);
            p->rows[p->rows_count++] = page->rows[i];
        }
    }
    return p->rows_count <= EXEC_REMOVE_MAX ||
           run_invalid(&q->run,
                       "More than %d rows of a table WITH conflicts = 'siblings' cannot be deleted "
                       "at once: delete smaller ranges",
                       EXEC_REMOVE_MAX);
}

static bool read_on(struct exec *e, struct request *q, const struct scan_result *rows)
{
    struct scan *s = &q->need_scan;
    if (!q->needs.items[q->need_at].range || !rows->more)
        return false;
    s->has_from = true;
    s->from_token = rows->upto_token;
    s->from_key = arena_copy(&q->arena, rows->upto_key);
    s->from_in_part = rows->upto_in_part;
    s->from_row = arena_copy(&q->arena, rows->upto_row);
    s->from_rows = rows->upto_rows;
    ask_need(e, q);
    return true;
}

static bool take_rows(struct request *q, struct need *n, const struct scan_result *rows)
{
    struct buf b;
    struct part page;
    if (rows == NULL || rows->parts_count == 0)
        return true;
    buf_init(&b, BUF_MAX_DEFAULT);
    page = n->range ? what_is_there(q, &rows->parts[0]) : rows->parts[0];
    part_encode(&page, &b);
    if (part_decode(run_take(&q->run, &b), &q->arena, &page) != ERR_OK)
        return run_fail(&q->run, CQL_ERROR_SERVER, "A replica sent rows that are none");
    if (n->range)
        return take_page(q, n, &page);
    n->part = page;
    return true;
}

static void take_need(struct exec *e, struct request *q, const struct exec_result *result)
{
    struct need *n = &q->needs.items[q->need_at];
    if (!take_rows(q, n, result->rows)) {
        reply_failed(e, q);
        return;
    }
    if (result->rows != NULL && read_on(e, q, result->rows))
        return;
    n->known = true;
    if (++q->need_at < q->needs.count)
        read_need(e, q);
    else
        modify_step(e, q);
}

/* Counters and other columns do not go into one batch, and counters not into a logged one. What is
 * wrong with a statement alone is said first. */
static bool check_counters(struct request *q)
{
    bool counters = false;
    bool others = false;
    for (size_t i = 0; i < q->statements_count; i++) {
        q->run.keyspace = q->statements[i].keyspace;
        const struct table *t = modify_table(&q->run, q->statements[i].stmt);
        *(t != NULL && t->is_counter ? &counters : &others) = true;
    }
    if (!counters && q->write_kind != CQL_WRITE_COUNTER)
        return true;
    for (size_t i = 0; i < q->statements_count; i++) {
        const struct statement *s = &q->statements[i];
        if (!request_open(&q->run, s->ast, s->values, s->keyspace) ||
            !modify(&q->run, s->stmt, &s->times, &q->needs, NULL))
            return false;
    }
    enum cql_write_type kind = q->write_kind;
    q->write_kind = CQL_WRITE_COUNTER;
    const struct ast_using *using =
        q->statements_count > 0 ? q->statements->times.batch_using : NULL;
    if (using != NULL && using->timestamp != NULL)
        return run_invalid(&q->run,
                           "Cannot provide custom timestamp for a BATCH containing counters");
    if (kind == CQL_WRITE_COUNTER && others)
        return run_invalid(&q->run, "Cannot include non-counter statement in a counter batch");
    if (counters && others)
        return run_invalid(&q->run,
                           "Counter and non-counter mutations cannot exist in the same batch");
    if (kind == CQL_WRITE_BATCH)
        return run_invalid(&q->run, "Cannot include a counter statement in a logged batch");
    if (kind == CQL_WRITE_SIMPLE && q->level == CQL_CL_ANY)
        return run_invalid(&q->run,
                           "Consistency level ANY is not yet supported for counter table %s",
                           q->run.table->name);
    if (kind == CQL_WRITE_SIMPLE && cql_consistency_is_serial(q->level))
        return run_invalid(&q->run, "Counter operations are inherently non-serializable");
    return true;
}

void request_modify(struct exec *e, struct request *q)
{
    q->kind = REQUEST_MODIFY;
    if (!check_counters(q)) {
        reply_failed(e, q);
        return;
    }
    if (request_is_conditional(q)) {
        request_cas(e, q);
        return;
    }
    if (cql_consistency_is_serial(q->level)) {
        request_fail(e, q, CQL_ERROR_INVALID,
                     "You must use conditional updates for serializable writes");
        return;
    }
    modify_step(e, q);
}

void request_text_batch(struct exec *e, struct request *q, const struct ast *ast,
                        struct cql_values values)
{
    const struct ast_batch *b = &ast->stmt->batch;
    if (!modify_batch_check(&q->run, b)) {
        reply_failed(e, q);
        return;
    }
    q->statements = arena_array(&q->arena, struct statement, b->count);
    q->statements_count = b->count;
    q->write_kind = b->kind == AST_BATCH_COUNTER    ? CQL_WRITE_COUNTER
                    : b->kind == AST_BATCH_UNLOGGED ? CQL_WRITE_UNLOGGED_BATCH
                                                    : CQL_WRITE_BATCH;
    for (size_t i = 0; i < b->count; i++)
        q->statements[i] =
            (struct statement){ast, b->items[i], values, {&b->using, true}, q->run.keyspace};
    request_modify(e, q);
}

/* One item of a BATCH frame; false after a reply. */
static bool batch_item(struct exec *e, struct request *q, const struct cql_batch_item *item,
                       struct statement *s)
{
    s->times.in_batch = true;
    s->keyspace = q->run.keyspace;
    s->values = request_values(q, &item->values);
    if (item->prepared) {
        struct prepared *p = prepared_find(e, item->statement);
        if (p == NULL) {
            reply_unprepared(e, q, arena_copy(&q->arena, item->statement));
            return false;
        }
        q->prepared[q->prepared_count++] = p;
        s->ast = &p->ast;
        if (p->keyspace != NULL)
            s->keyspace = p->keyspace;
    } else {
        struct ast *ast = arena_new(&q->arena, struct ast);
        if (!request_parse(q, item->statement, ast)) {
            reply_failed(e, q);
            return false;
        }
        s->ast = ast;
    }
    s->stmt = s->ast->stmt;
    if (s->stmt->kind < AST_INSERT || s->stmt->kind > AST_DELETE) {
        request_fail(
            e, q, CQL_ERROR_INVALID,
            "Invalid statement in batch: only UPDATE, INSERT and DELETE statements are allowed.");
        return false;
    }
    return true;
}

void request_batch(struct exec *e, struct request *q, const struct cql_request *in)
{
    if (!request_params(q, in, &in->batch.params)) {
        reply_failed(e, q);
        return;
    }
    q->write_kind = in->batch.type == CQL_BATCH_COUNTER    ? CQL_WRITE_COUNTER
                    : in->batch.type == CQL_BATCH_UNLOGGED ? CQL_WRITE_UNLOGGED_BATCH
                                                           : CQL_WRITE_BATCH;
    q->statements = arena_array(&q->arena, struct statement, in->batch.count);
    for (size_t i = 0; i < in->batch.count; i++) {
        if (!batch_item(e, q, &in->batch.items[i], &q->statements[i]))
            return;
        q->statements_count++;
    }
    request_authorize(e, q);
}

static void warn_merged(struct request *q, const struct exec_result *x)
{
    const struct table *t = x->merged_in != 0 ? schema_table_by_no(q->schema, x->merged_in) : NULL;
    run_warn(&q->run,
             "%u concurrent %s in %s%s%s %s dropped: one place keeps %u siblings at most. Read, "
             "and write USING CAUSALITY, to replace them",
             x->merged, x->merged == 1 ? "value" : "values",
             t != NULL ? t->keyspace : "several tables", t != NULL ? "." : "",
             t != NULL ? t->name : "", x->merged == 1 ? "was" : "were", SIBLINGS_MAX);
}

static void reply_written(struct exec *e, struct request *q, const struct exec_result *x)
{
    if (x->merged > 0)
        warn_merged(q, x);
    request_warn_lost(e, q, x);
    request_warn_hinted(e, q, x);
    reply_void(e, q);
}

void request_modify_done(struct exec *e, struct request *q, const struct exec_result *x)
{
    bool reading = q->need_at < q->needs.count;
    if (x->err != ERR_OK)
        reply_outcome(e, q, x, !reading);
    else if (reading)
        take_need(e, q, x);
    else
        reply_written(e, q, x);
}
