#include "node/sim/run/workload.h"
static void *b(struct workload_env *e)
{
    return e;
}
static void en(void *w)
{
    (void)w;
}
static bool sch(void *w, uint32_t i, struct buf *q)
{
    (void)w;
    if (i)
        return false;
    buf_put_text(q, "CREATE TABLE r.t (k int PRIMARY KEY, v bigint)");
    return true;
}
static void as(void *w, struct op *o)
{
    struct workload_env *e = w;
    o->repeatable = true;
    if (rng_chance(&e->rng, 500000)) {
        o->is_write = true;
        buf_printf(&o->cql, "INSERT INTO r.t (k,v) VALUES (%d,%lld) USING TIMESTAMP %lld",
                   (int)rng_below(&e->rng, 20), (long long)++e->values,
                   (long long)workload_stamp(e));
    } else
        buf_printf(&o->cql, "SELECT v FROM r.t WHERE k = %d", (int)rng_below(&e->rng, 20));
}
static bool tk(void *w, struct op *o, const struct answer *a, struct errmsg *m)
{
    (void)w;
    (void)o;
    if (a->reply->outcome == SIM_ERROR && !workload_error_is_expected(a->reply->code)) {
        errmsg_set(m, ERR_FAILED, "odd %s", a->reply->message);
        return false;
    }
    return true;
}
static bool fi(void *w, uint32_t i, struct op *o)
{
    (void)w;
    if (i >= 20)
        return false;
    buf_printf(&o->cql, "SELECT v FROM r.t WHERE k = %u", i);
    return true;
}
static const struct workload_ops x = {"registers", b, en, sch, as, tk, NULL, fi};
const struct workload_ops *const workloads_all[] = {&x, NULL};
