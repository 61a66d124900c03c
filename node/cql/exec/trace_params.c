/* What a trace says of a prepared statement: its text and what was bound to it. */
#include "node/cql/exec/request.h"

#define VALUE_TEXT_MAX ((size_t)4096)

static const char *value_text(struct request *q, const struct marker *m, const struct cql_value *v)
{
    struct buf b;
    if (v->kind == CQL_VALUE_NULL)
        return "null";
    if (v->kind != CQL_VALUE_SET)
        return "UNSET";
    buf_init(&b, VALUE_TEXT_MAX);
    if (m->type != NULL && value_validate(m->type, v->data, NULL) == ERR_OK)
        value_print_literal(m->type, v->data, &b);
    if (b.failed) {
        buf_close(&b);
        return "(a long value)";
    }
    return arena_text(&q->arena, run_take(&q->run, &b));
}

void trace_params(struct exec *e, struct request *q, struct exec_effect *reply)
{
    const struct run *r = &q->run;
    if (q->prepared_count != 1 || q->stmt == NULL || q->prepared[0] == NULL)
        return;
    size_t bound = r->markers != NULL && r->ast != NULL && r->values.names == NULL &&
                           r->values.count == r->ast->markers.count
                       ? r->values.count
                       : 0;
    struct exec_trace_param *p = arena_array(&e->out, struct exec_trace_param, bound + 1);
    p[0].name = "query";
    p[0].value = arena_text(&e->out, q->prepared[0]->text);
    for (size_t i = 0; i < bound; i++) {
        const char *name = r->markers[i].name != NULL ? r->markers[i].name : "";
        p[1 + i].name = arena_printf(&e->out, "bound_var_%zu_%s", i, name);
        p[1 + i].value =
            arena_text(&e->out, bytes_text(value_text(q, &r->markers[i], &r->values.items[i])));
    }
    reply->reply.params = p;
    reply->reply.params_count = bound + 1;
}
