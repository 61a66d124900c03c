#include "node/sim/run/gen.h"

struct maker {
    struct gen *g;
    const struct gen_table *t;
    struct arena *a;
    struct buf *cql;
    struct cells_relation *items;
    uint32_t count;
};

static uint32_t below(const struct maker *m, uint32_t bound)
{
    return (uint32_t)rng_below(&m->g->env->rng, bound);
}

static const struct gen_column *column(const struct maker *m, uint32_t i)
{
    return &m->t->columns[m->t->partition + i];
}

/* One that occurs, or its neighbours. */
static struct bytes some_value(const struct maker *m, uint32_t i)
{
    const struct gen_column *c = column(m, i);
    uint32_t more = c->type == GEN_boolean ? 0 : 1;
    return gen_value(c->type, below(m, c->domain + more), m->a, m->cql);
}

static const char *op_text(enum cells_op op)
{
    static const char *const texts[] = {"=", "<", "<=", ">", ">=", "IN"};
    return texts[op];
}

static void put_columns(const struct maker *m, uint32_t first, uint32_t count, bool tuple)
{
    for (uint32_t i = 0; i < count; i++)
        buf_printf(m->cql, "%s%s", i > 0 ? ", " : tuple ? "(" : "", column(m, first + i)->name);
    buf_put_text(m->cql, tuple ? ")" : "");
}

/* `columns` of them against one value, or for IN against some. */
static void relation(struct maker *m, uint32_t first, uint32_t columns, enum cells_op op,
                     bool tuple)
{
    struct cells_relation *r = &m->items[m->count++];
    uint32_t alternatives = op == CELLS_IN ? 1 + below(m, 3) : 1;
    struct bytes *values = arena_array(m->a, struct bytes, alternatives * columns);
    buf_put_text(m->cql, " AND ");
    put_columns(m, first, columns, tuple);
    buf_printf(m->cql, " %s %s", op_text(op), op == CELLS_IN ? "(" : "");
    for (uint32_t i = 0; i < alternatives; i++) {
        buf_put_text(m->cql, i > 0 ? ", " : "");
        for (uint32_t k = 0; k < columns; k++) {
            buf_put_text(m->cql, k > 0 ? ", " : tuple ? "(" : "");
            values[i * columns + k] = some_value(m, first + k);
        }
        buf_put_text(m->cql, tuple ? ")" : "");
    }
    buf_put_text(m->cql, op == CELLS_IN ? ")" : "");
    *r = (struct cells_relation){first, columns, op, alternatives, values};
}

static void slice(struct maker *m, uint32_t first)
{
    uint32_t columns = 1 + below(m, m->t->clustering - first);
    bool tuple = columns > 1 || below(m, 4) == 0;
    enum cells_op lower = below(m, 2) == 0 ? CELLS_GT : CELLS_GE;
    enum cells_op upper = below(m, 2) == 0 ? CELLS_LT : CELLS_LE;
    uint32_t choice = below(m, 4);
    bool in = tuple && choice == 0;
    bool both = choice == 1;
    if (in)
        relation(m, first, columns, CELLS_IN, tuple);
    else
        relation(m, first, columns, both || below(m, 2) == 0 ? lower : upper, tuple);
    if (both)
        relation(m, first, columns, upper, tuple);
    m->g->features[in     ? GEN_FEATURE_where_tuple_in
                   : both ? GEN_FEATURE_where_two_sides
                          : GEN_FEATURE_where_one_side]++;
    m->g->features[GEN_FEATURE_where_tuple] += tuple;
}

static struct maker make(struct gen *g, const struct gen_table *t, struct arena *a, struct buf *cql)
{
    struct maker m = {g, t, a, cql, NULL, 0};
    m.items = arena_array(a, struct cells_relation, CELLS_CLUSTERING_MAX + 2);
    return m;
}

struct cells_where gen_where(struct gen *g, const struct gen_table *t, struct arena *a,
                             struct buf *cql)
{
    struct maker m = make(g, t, a, cql);
    uint32_t equal = below(&m, t->clustering + 1);
    for (uint32_t i = 0; i < equal; i++) {
        bool in = below(&m, 4) == 0;
        relation(&m, i, 1, in ? CELLS_IN : CELLS_EQ, false);
        g->features[GEN_FEATURE_where_in] += in;
    }
    if (equal < t->clustering && below(&m, 4) > 0)
        slice(&m, equal);
    return (struct cells_where){m.items, m.count};
}

struct cells_where gen_where_row(struct gen *g, const struct gen_table *t, struct arena *a,
                                 struct buf *cql, const struct bytes **ret_row)
{
    struct maker m = make(g, t, a, cql);
    struct bytes *row = arena_array(a, struct bytes, t->clustering + 1);
    for (uint32_t i = 0; i < t->clustering; i++) {
        relation(&m, i, 1, CELLS_EQ, false);
        row[i] = m.items[i].values[0];
    }
    *ret_row = row;
    return (struct cells_where){m.items, m.count};
}
