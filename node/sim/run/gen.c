/* gen.c - the workload of made-up tables and statements. */
#include "node/sim/run/gen.h"

#include "base/mem.h"

#define WRITES_PERCENT 60

/* A read that waits for its answer. */
struct pending {
    struct arena arena;
    struct cells_read read;
    bool in_use;
};

struct generated {
    struct gen gen;
    struct pending *pending; /* op->n[0] is an index */
    size_t count, cap;
};

void gen_init(struct gen *g, struct workload_env *env, uint32_t copies)
{
    *g = (struct gen){.env = env, .cells = cells_new(copies)};
    uint32_t count = 1 + (uint32_t)rng_below(&env->rng, GEN_TABLES_MAX);
    for (; g->tables_count < count; g->tables_count++)
        gen_table_draw(g, &g->tables[g->tables_count]);
}

void gen_close(struct gen *g)
{
    cells_free(g->cells);
    g->cells = NULL;
}

static void *generated_begin(struct workload_env *env)
{
    struct generated *w = mem_new(struct generated);
    gen_init(&w->gen, env, env->rf * env->dcs);
    return w;
}

static void generated_end(void *own)
{
    struct generated *w = own;
    for (size_t i = 0; i < w->count; i++)
        arena_close(&w->pending[i].arena);
    mem_free(w->pending);
    gen_close(&w->gen);
    mem_free(w);
}

static bool generated_schema(void *own, uint32_t i, struct buf *cql)
{
    struct generated *w = own;
    if (i >= w->gen.tables_count)
        return false;
    gen_table_schema(&w->gen.tables[i], cql);
    return true;
}

static struct pending *some_pending(struct generated *w, uint64_t *ret_index)
{
    size_t i = 0;
    while (i < w->count && w->pending[i].in_use)
        i++;
    if (i == w->count) {
        w->pending = mem_grow(w->pending, w->count, &w->cap, sizeof *w->pending);
        w->pending[w->count++] = (struct pending){.in_use = false};
    }
    w->pending[i].in_use = true;
    *ret_index = i;
    return &w->pending[i];
}

static void generated_ask(void *own, struct op *op)
{
    struct generated *w = own;
    op->repeatable = true;
    op->is_write = rng_below(&w->gen.env->rng, 100) < WRITES_PERCENT;
    if (op->is_write) {
        op->n[0] = gen_write(&w->gen, &op->cql);
        return;
    }
    struct pending *p = some_pending(w, &op->n[0]);
    op->page_size = gen_read(&w->gen, &p->arena, &op->cql, &p->read);
}

static bool generated_take(void *own, struct op *op, const struct answer *a, struct errmsg *why)
{
    struct generated *w = own;
    const struct sim_reply *r = a->reply;
    bool good = true;
    if (r->outcome == SIM_ERROR && !workload_error_is_expected(r->code))
        good = errmsg_set(why, ERR_FAILED, "refused: %s", r->message) == ERR_OK;
    if (op->is_write) {
        if (a->acked)
            cells_acked(w->gen.cells, (uint32_t)op->n[0], op->replicas);
        if (a->acked && !a->open && !a->again)
            cells_over(w->gen.cells, (uint32_t)op->n[0]);
        return good;
    }
    struct pending *p = &w->pending[op->n[0]];
    if (a->acked)
        good = gen_judge(&w->gen, &p->read, r, op->replicas, why);
    arena_reset(&p->arena);
    p->in_use = false;
    return good;
}

static uint64_t generated_held(const void *own)
{
    const struct generated *w = own;
    return cells_held(w->gen.cells);
}

static void generated_disk_lost(void *own, usec at)
{
    struct generated *w = own;
    (void)at;
    cells_lost_copy(w->gen.cells);
}

static bool generated_final(void *own, uint32_t i, struct op *op)
{
    struct generated *w = own;
    struct pending *p = some_pending(w, &op->n[0]);
    p->in_use = gen_final(&w->gen, i, &p->arena, &op->cql, &p->read);
    return p->in_use;
}

const struct workload_ops work_generated = {
    .name = "generated",
    .begin = generated_begin,
    .end = generated_end,
    .schema = generated_schema,
    .ask = generated_ask,
    .take = generated_take,
    .disk_lost = generated_disk_lost,
    .held = generated_held,
    .final = generated_final,
};
