/* request_select.c - SELECT: scan after scan until the page is full. */
#include "node/cql/exec/request.h"

static enum cql_consistency plain_level(enum cql_consistency level)
{
    return level == CQL_CL_SERIAL         ? CQL_CL_QUORUM
           : level == CQL_CL_LOCAL_SERIAL ? CQL_CL_LOCAL_QUORUM
                                          : level;
}

static void select_step(struct exec *e, struct request *q)
{
    const struct scan *scan = select_scan(&q->run, q->select);
    struct buf b;
    /* Several partitions at a serial level: each by itself. A range of the ring has no register. */
    if (scan != NULL && scan->single && cql_consistency_is_serial(q->level)) {
        struct exec_effect *effect = effect_add(e, EXEC_CAS, q);
        effect->cas.keyspace = select_table(q->select)->keyspace_no;
        effect->cas.scan = scan;
        effect->cas.serial = q->level;
        effect->cas.level = q->level;
        effect->cas.read_only = true;
        effect->cas.seen = q->session;
        effect->cas.receipt = q->wants_receipt;
        effect_op(e, q, effect);
        return;
    }
    if (scan != NULL) {
        struct exec_effect *effect = effect_add(e, EXEC_READ, q);
        effect->read.keyspace = select_table(q->select)->keyspace_no;
        effect->read.scan = scan;
        effect->read.level = plain_level(q->level);
        effect->read.seen = q->session;
        effect->read.receipt = q->wants_receipt;
        effect_op(e, q, effect);
        return;
    }
    buf_init(&b, EXEC_REPLY_MAX * 2);
    if (select_reply(&q->run, q->select, &b)) {
        reply_body(e, q, CQL_RESULT, &b);
        return;
    }
    buf_close(&b);
    reply_failed(e, q);
}

static bool check_read_level(struct run *r, enum cql_consistency level)
{
    if (level == CQL_CL_ANY)
        return run_invalid(r, "%s ConsistencyLevel is only supported for writes",
                           cql_consistency_name(level));
    return true;
}

void request_select(struct exec *e, struct request *q, const struct ast_select *s,
                    const struct cql_params *p, struct bytes metadata_id_seen)
{
    struct select_params params = {.version = q->version, .metadata_id = metadata_id_seen};
    struct run *r = &q->run;
    q->kind = REQUEST_SELECT;
    params.want_causality = r->causality != NULL;
    params.skip_metadata = (p->flags & CQL_QUERY_SKIP_METADATA) != 0;
    if ((p->flags & CQL_QUERY_PAGE_SIZE) != 0 && p->page_size > 0)
        params.page_size = p->page_size;
    if ((p->flags & CQL_QUERY_PAGING_STATE) != 0)
        params.paging_state = arena_copy(&q->arena, p->paging_state);
    if (!select_resolve(r, s, &q->select) || !check_read_level(r, q->level) ||
        !select_start(r, q->select, &params)) {
        reply_failed(e, q);
        return;
    }
    select_step(e, q);
}

void request_select_done(struct exec *e, struct request *q, const struct exec_result *x)
{
    if (x->err != ERR_OK || x->rows == NULL)
        reply_outcome(e, q, x, false);
    else if (!select_take(&q->run, q->select, x->rows))
        reply_failed(e, q);
    else
        select_step(e, q);
}
