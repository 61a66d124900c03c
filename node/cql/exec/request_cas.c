/* request_cas.c - statements with IF, alone or in a batch of one partition.
 *
 *   EXEC_CAS: rows -> do all conditions hold? -> EXEC_CAS_PROPOSE the change, or none -> [applied]
 *                ^                                  |
 *                +----- others came first ----------+
 */
#include "node/cql/exec/request_cas.h"
#include "base/mutant.h"
#include "ring/murmur3.h"

#include <stdlib.h>
#include <string.h>

bool request_is_conditional(const struct request *q)
{
    for (size_t i = 0; i < q->statements_count; i++) {
        if (conditions_kind(q->statements[i].stmt) != IF_NOTHING)
            return true;
    }
    return false;
}

/* --- what it is about */

static bool check_levels(struct request *q)
{
    struct run *r = &q->run;
    if (!cql_consistency_is_serial(q->serial_level))
        return run_invalid(r, "Invalid consistency for conditional update. Must be one of SERIAL "
                              "or LOCAL_SERIAL");
    if (cql_consistency_is_serial(q->level))
        return run_invalid(r,
                           "%s is not supported as conditional update commit consistency. Use ANY "
                           "if you mean \"make sure it is accepted but I don't care how many "
                           "replicas commit it for non-SERIAL reads\"",
                           cql_consistency_name(q->level));
    return true;
}

static bool check_partitions(struct run *r, const struct request *q, const struct cas_request *cas,
                             const struct modify *m)
{
    bool batch = q->statements->times.in_batch;
    const char *verb =
        m->whole_rows || (m->ops_count > 0 && m->ops->removes) ? "deletions" : "updates";
    if (m->keys.count != 1)
        return batch ? run_invalid(r, "Batch with conditions cannot span multiple partitions (you "
                                      "cannot use IN on the partition key)")
                     : run_invalid(
                           r, "IN on the partition key is not supported with conditional %s", verb);
    if (m->conditions.kind != IF_NOTHING && m->slices.rows && m->slices.count > 1)
        return run_invalid(
            r, "IN on the clustering key columns is not supported with conditional %s", verb);
    if (cas->key.data != NULL && !bytes_equal(cas->key, m->keys.items[0]))
        return run_invalid(r, "Batch with conditions cannot span multiple partitions");
    return true;
}

/* All that the request is about, once for each time that it is evaluated. */
static bool resolve(struct request *q)
{
    struct run *r = &q->run;
    struct cas_request *cas = q->cas;
    cas->key = BYTES_NONE;
    for (size_t i = 0; i < q->statements_count; i++) {
        const struct statement *s = &q->statements[i];
        struct cas_item *item = &cas->items[i];
        struct modify *m = &item->modify;
        *item = (struct cas_item){.modify.needs = &q->needs, .modify.with_conditions = true};
        r->statement_no = (uint32_t)i;
        if (!request_open(r, s->ast, s->values, s->keyspace) ||
            !modify_target(r, s->stmt, &s->times, m) || !check_partitions(r, q, cas, m))
            return false;
        cas->table = m->table;
        cas->key = m->keys.items[0];
        bool looks = m->touches_rows || m->conditions.regular > 0;
        item->has_row = looks && (m->insert || m->slices.rows);
        if (m->insert && !m->touches_rows)
            item->has_row = false;
        if (item->has_row)
            item->row_key = m->slices.items[0].start;
        cas->rows |= looks;
        for (size_t j = 0; j < m->ops_count; j++)
            cas->statics |= m->ops[j].column->kind == COLUMN_STATIC;
        cas->exists |= m->conditions.kind == IF_EXISTS || m->conditions.kind == IF_NOT_EXISTS;
        bool of_statics = m->conditions.kind == IF_COLUMNS
                              ? m->conditions.count > m->conditions.regular
                              : m->conditions.kind != IF_NOTHING && !item->has_row;
        cas->static_conditions |= of_statics;
        cas->row_conditions |=
            m->conditions.regular > 0 ||
            (m->conditions.kind != IF_NOTHING && m->conditions.kind != IF_COLUMNS && item->has_row);
    }
    return true;
}

static bool check_tables(struct request *q)
{
    const struct table *first = NULL;
    const struct ast_using *using = q->statements->times.batch_using;
    for (size_t i = 0; i < q->statements_count; i++) {
        q->run.keyspace = q->statements[i].keyspace;
        const struct table *t = modify_table(&q->run, q->statements[i].stmt);
        if (first != NULL && t != NULL && t != first)
            return run_invalid(&q->run, "Batch with conditions cannot span multiple tables");
        first = t;
    }
    if (using != NULL && using->timestamp != NULL)
        return run_invalid(&q->run, "Cannot provide custom timestamp for conditional BATCH");
    return true;
}

static const struct cas_item *condition_before(const struct cas_request *cas, size_t at)
{
    const struct cas_item *item = &cas->items[at];
    for (size_t i = 0; i < at; i++) {
        const struct cas_item *b = &cas->items[i];
        if (b->modify.conditions.kind != IF_NOTHING && b->has_row == item->has_row &&
            (!b->has_row || bytes_equal(b->row_key, item->row_key)))
            return b;
    }
    return NULL;
}

/* Two statements may not want contrary things of one row. */
static bool check_mixed(struct request *q)
{
    for (size_t i = 0; i < q->statements_count; i++) {
        enum if_kind kind = q->cas->items[i].modify.conditions.kind;
        const struct cas_item *before = kind != IF_NOTHING ? condition_before(q->cas, i) : NULL;
        if (before == NULL || before->modify.conditions.kind == kind)
            continue;
        if (kind == IF_COLUMNS)
            return run_invalid(&q->run,
                               "Cannot mix IF conditions and IF NOT EXISTS for the same row");
        if (before->modify.conditions.kind == IF_COLUMNS)
            return run_invalid(&q->run, "Cannot mix IF conditions and IF %sEXISTS for the same row",
                               kind == IF_NOT_EXISTS ? "NOT " : "");
        return run_invalid(&q->run, "Cannot mix IF EXISTS and IF NOT EXISTS conditions for the "
                                    "same row");
    }
    return true;
}

static int compare_slices(const void *a, const void *b)
{
    return bytes_compare(((const struct scan_slice *)a)->start,
                         ((const struct scan_slice *)b)->start);
}

/* The rows that are written or looked at: what is proposed must be newer than what they hold. */
static void plan_scan(struct request *q)
{
    struct cas_request *cas = q->cas;
    struct scan *s = &cas->scan;
    struct scan_slice *slices = arena_array(&q->arena, struct scan_slice, q->statements_count);
    size_t count = 0, unique = 0;
    for (size_t i = 0; i < q->statements_count; i++) {
        struct buf end;
        if (!cas->items[i].has_row || cas->table->clustering_count == 0)
            continue;
        struct bytes key = cas->items[i].row_key;
        buf_init(&end, BUF_MAX_DEFAULT);
        buf_put_bytes(&end, key);
        buf_put_u8(&end, 0); /* the next string */
        slices[count++] = (struct scan_slice){key, run_take(&q->run, &end)};
    }
    if (count > 1)
        qsort(slices, count, sizeof *slices, compare_slices);
    for (size_t i = 0; i < count; i++) {
        if (unique == 0 || compare_slices(&slices[unique - 1], &slices[i]) != 0)
            slices[unique++] = slices[i];
    }
    *s = (struct scan){.table = cas->table->no,
                       .single = true,
                       .key = cas->key,
                       .token = murmur3_token(cas->key),
                       .want_static = cas->table->static_count > 0,
                       .slices = slices,
                       .slices_count = unique,
                       .rows_max = unique == 0 && cas->table->clustering_count > 0 ? 1 : 0,
                       .now_s = q->run.now_s};
}

void request_cas(struct exec *e, struct request *q)
{
    struct run *r = &q->run;
    q->kind = REQUEST_CAS;
    q->cas = arena_new(&q->arena, struct cas_request);
    q->cas->items = arena_array(&q->arena, struct cas_item, q->statements_count);
    /* The client's timestamp is not taken: it could be below what is there. */
    r->timestamp_us = r->stamp_us;
    r->no_timestamp = r->no_stamp;
    if (!check_tables(q) || !resolve(q) || !check_mixed(q) || !check_levels(q)) {
        reply_failed(e, q);
        return;
    }
    plan_scan(q);
    struct exec_effect *effect = effect_add(e, EXEC_CAS, q);
    effect->cas.keyspace = q->cas->table->keyspace_no;
    effect->cas.scan = &q->cas->scan;
    effect->cas.serial = q->serial_level;
    effect->cas.level = q->level;
    effect->cas.seen = q->session;
    effect->cas.receipt = q->wants_receipt;
    effect_op(e, q, effect);
    q->cas->session = q->op;
}

/* --- do they hold? */

static const struct row *find_row(const struct request *q, struct bytes key)
{
    const struct part *p = &q->cas->part;
    for (size_t i = 0; i < p->rows_count; i++) {
        if (bytes_equal(p->rows[i].key, key) && row_shows(q->cas->table, &p->rows[i], q->run.now_s))
            return &p->rows[i];
    }
    return NULL;
}

const struct row *cas_static_row(const struct request *q)
{
    const struct part *p = &q->cas->part;
    return p->has_static && row_shows(q->cas->table, &p->static_row, q->run.now_s) ? &p->static_row
                                                                                   : NULL;
}

static bool item_holds(struct request *q, const struct cas_item *item, bool *ret)
{
    const struct conditions *c = &item->modify.conditions;
    const struct row *row = item->has_row ? find_row(q, item->row_key) : cas_static_row(q);
    bool regular = true;
    *ret = true;
    switch (c->kind) {
    case IF_NOTHING: return true;
    case IF_EXISTS: *ret = row != NULL; return true;
    case IF_NOT_EXISTS: *ret = row == NULL; return true;
    case IF_COLUMNS: break;
    }
    if (!conditions_hold(&q->run, c, false, item->has_row ? row : NULL, &regular) ||
        !conditions_hold(&q->run, c, true, cas_static_row(q), ret))
        return false;
    *ret = *ret && regular;
    return true;
}

static bool all_hold(struct request *q, bool *ret)
{
    *ret = true;
    for (size_t i = 0; i < q->statements_count; i++) {
        const struct statement *s = &q->statements[i];
        bool one;
        if (!request_open(&q->run, s->ast, s->values, s->keyspace) ||
            !item_holds(q, &q->cas->items[i], &one))
            return false;
        *ret = *ret && one;
    }
    return true;
}

/* --- what it comes to */

/* The mutation, stamped; what must be seen for it was read. */
static bool build(struct request *q, const struct exec_mutation **ret)
{
    bool again = true;
    while (again) {
        again = false;
        q->parts = (struct parts){0};
        for (size_t i = 0; i < q->statements_count; i++) {
            const struct statement *s = &q->statements[i];
            modify_supersede_all(&q->run, &q->cas->items[i].modify, &q->cas->seen);
            if (!request_open(&q->run, s->ast, s->values, s->keyspace) ||
                !modify_build(&q->run, &q->cas->items[i].modify, &q->parts))
                return false;
        }
        for (size_t i = 0; i < q->needs.count; i++) {
            struct need *n = &q->needs.items[i];
            again |= !n->known;
            n->known = true;
            n->part = q->cas->seen;
        }
    }
    parts_join(&q->run, &q->parts);
    q->cas->change = q->parts.count > 0 ? q->parts.items[0] : (struct exec_mutation){0};
    *ret = q->parts.count > 0 ? &q->cas->change : NULL;
    return true;
}

/* --- steps */

static bool take_rows(struct request *q, const struct scan_result *rows)
{
    struct cas_request *cas = q->cas;
    struct buf b;
    cas->part = (struct part){.table = cas->table->no,
                              .token = cas->scan.token,
                              .key = cas->key,
                              .deletion = TOMB_NONE,
                              .static_row.deletion = TOMB_NONE};
    cas->seen = cas->part;
    if (rows == NULL || rows->parts_count == 0)
        return true;
    buf_init(&b, BUF_MAX_DEFAULT);
    part_encode(&rows->parts[0], &b);
    if (part_decode(run_take(&q->run, &b), &q->arena, &cas->seen) != ERR_OK)
        return run_fail(&q->run, CQL_ERROR_SERVER, "A replica sent rows that are none");
    cas->part = cas->seen;
    if (cas->table->options.conflicts == CONFLICTS_SIBLINGS)
        part_winners(&cas->seen, q->run.now_s, &q->arena, &cas->part);
    return true;
}

static void propose(struct exec *e, struct request *q, const struct exec_mutation *change)
{
    struct exec_effect *effect = effect_add(e, EXEC_CAS_PROPOSE, q);
    effect->propose.session = q->cas->session;
    effect->propose.change = change;
    effect_op(e, q, effect);
    q->cas->session = q->op;
}

static void evaluate(struct exec *e, struct request *q, const struct exec_result *x)
{
    const struct exec_mutation *change = NULL;
    bool hold = false;
    if (!MUTANT(cas_stamped_early))
        q->run.timestamp_us = x->stamp_us;
    q->run.message.text[0] = '\0';
    q->needs.count = 0;
    bool good = take_rows(q, x->rows);
    collect_lists_read(&q->run, q->cas->table, &q->cas->part, x->stamp_us);
    good =
        good && resolve(q) && all_hold(q, &hold) && (hold ? build(q, &change) : cas_make_answer(q));
    if (!good) {
        propose(e, q, NULL); /* the session ends; what is wrong is told when it has */
        q->cas->answer = BYTES_NONE;
        return;
    }
    if (hold)
        q->cas->answer = BYTES_NONE;
    propose(e, q, change);
}

/* Conditions on static columns alone, beside rows that were written: Cassandra tells of the first
 * row of the partition. Which that is comes from a read of its own. */
static bool needs_first_row(const struct request *q)
{
    const struct cas_request *cas = q->cas;
    return !cas->row_conditions && cas->scan.slices_count > 0 && !cas->finding_row &&
           cas->table->clustering_count > 0;
}

static void find_first_row(struct exec *e, struct request *q)
{
    struct scan *s = &q->cas->scan;
    q->cas->finding_row = true;
    s->slices_count = 0;
    s->rows_max = 1;
    struct exec_effect *effect = effect_add(e, EXEC_READ, q);
    effect->read.keyspace = q->cas->table->keyspace_no;
    effect->read.scan = s;
    effect->read.level = q->serial_level == CQL_CL_SERIAL ? CQL_CL_QUORUM : CQL_CL_LOCAL_QUORUM;
    effect->read.seen = q->session;
    effect->read.receipt = q->wants_receipt;
    effect_op(e, q, effect);
}

static void first_row_found(struct exec *e, struct request *q, const struct exec_result *x)
{
    struct part before = q->cas->part;
    if (x->err != ERR_OK || !take_rows(q, x->rows)) {
        cas_reply_rows(e, q, q->cas->answer); /* without the row that nobody asked for */
        return;
    }
    q->cas->part.has_static = before.has_static; /* what the conditions saw */
    q->cas->part.static_row = before.static_row;
    if (cas_make_answer(q))
        cas_reply_rows(e, q, q->cas->answer);
    else
        reply_failed(e, q);
}

void request_cas_done(struct exec *e, struct request *q, const struct exec_result *x)
{
    if (q->cas->finding_row)
        first_row_found(e, q, x);
    else if (x->err != ERR_OK)
        reply_outcome(e, q, x, true);
    else if (x->cas == EXEC_CAS_ROWS)
        evaluate(e, q, x);
    else if (x->cas == EXEC_CAS_APPLIED) {
        request_warn_lost(e, q, x);
        cas_reply_applied(e, q);
    } else if (q->run.message.text[0] != '\0')
        reply_failed(e, q);
    else if (q->cas->answer.data == NULL)
        cas_reply_applied(e, q); /* the conditions held, and there was nothing to change */
    else if (needs_first_row(q))
        find_first_row(e, q);
    else
        cas_reply_rows(e, q, q->cas->answer);
}
