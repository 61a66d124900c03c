#include "node/cql/exec/latency.h"

#include "base/mem.h"
#include "node/cql/exec/request.h"

static void latency_free(void *p)
{
    struct latency *l = p;
    for (size_t i = 0; i < LATENCY_KINDS; i++)
        mem_free(l->of[i]);
    mem_free(l);
}

void latency_close(struct exec *e)
{
    map_clear(&e->latencies, latency_free);
    map_close(&e->latencies);
}

const struct latency *latency_find(const struct exec *e, const struct table *t)
{
    return map_get(&e->latencies, t->no);
}

/* The table of a statement that was carried out, and what it was; false for all else. */
static bool judge(const struct request *q, const struct table **ret_table, enum latency_kind *ret)
{
    switch (q->kind) {
    case REQUEST_SELECT:
        if (q->select == NULL)
            return false;
        *ret_table = select_table(q->select);
        *ret = select_is_by_key(q->select) ? LATENCY_READ : LATENCY_SCAN;
        return true;
    case REQUEST_MODIFY:
    case REQUEST_CAS:
        *ret_table = q->run.table;
        *ret = LATENCY_WRITE;
        return q->run.table != NULL;
    default: return false;
    }
}

usec latency_note(struct exec *e, const struct request *q)
{
    const struct table *t;
    enum latency_kind kind;
    if (!judge(q, &t, &kind) || t->no >= SCHEMA_SYSTEM_NO)
        return -1;
    usec took = kind != LATENCY_SCAN ? q->now.mono - q->began : -1;
    struct latency *l = map_get(&e->latencies, t->no);
    if (l == NULL) {
        if (map_count(&e->latencies) >= LATENCY_TABLES_MAX)
            return took;
        l = mem_new(struct latency);
        map_put(&e->latencies, t->no, l);
    }
    if (l->of[kind] == NULL)
        l->of[kind] = mem_new(struct histogram);
    usec now = e->config.stopwatch != NULL ? e->config.stopwatch() : q->now.mono;
    histogram_record(l->of[kind], now - q->began);
    return took;
}
