#include "base/mem.h"
#include "node/sim/run/gen.h"

#include <stdio.h>

static uint32_t below(struct gen *g, uint32_t bound)
{
    return (uint32_t)rng_below(&g->env->rng, bound);
}

static struct gen_column *add(struct gen *g, struct gen_table *t, enum cells_kind kind,
                              uint32_t number)
{
    static const char letters[] = {'k', 'c', 's', 'v'};
    struct gen_column *c = &t->columns[t->count++];
    ASSERT(t->count <= GEN_COLUMNS_MAX);
    snprintf(c->name, sizeof c->name, "%c%u", letters[kind], (unsigned)(number % 10));
    c->kind = kind;
    c->type = (enum gen_type)below(g, GEN_KEY_TYPES);
    return c;
}

/* The first column of the key takes as many values as there will be partitions. */
static void draw_partition_key(struct gen *g, struct gen_table *t)
{
    t->partition = 1 + below(g, 2);
    for (uint32_t i = 0; i < t->partition; i++) {
        struct gen_column *c = add(g, t, CELLS_PARTITION, i);
        while (i == 0 && gen_type_values(c->type) != 0)
            c->type = (enum gen_type)below(g, GEN_KEY_TYPES);
        c->domain = 2;
    }
}

static void draw_clustering(struct gen *g, struct gen_table *t)
{
    static const uint32_t widths[] = {1, 12, 5, 3}; /* values, at most, by number of columns */
    t->clustering = below(g, 4);
    for (uint32_t i = 0; i < t->clustering; i++) {
        struct gen_column *c = add(g, t, CELLS_CLUSTERING, i);
        c->reversed = rng_chance(&g->env->rng, 400000);
        c->domain = 2 + below(g, widths[t->clustering] - 1);
        if (c->type == GEN_boolean)
            c->domain = 2;
    }
}

static void draw_values(struct gen *g, struct gen_table *t, enum cells_kind kind, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct gen_column *c = add(g, t, kind, i);
        if (rng_chance(&g->env->rng, 350000)) {
            c->shape = rng_chance(&g->env->rng, 500000) ? CELLS_SET : CELLS_MAP;
            c->second = (enum gen_type)below(g, GEN_TYPE_COUNT);
        } else if (rng_chance(&g->env->rng, 150000)) {
            c->type = (enum gen_type)(GEN_KEY_TYPES + below(g, GEN_TYPE_COUNT - GEN_KEY_TYPES));
        }
        bool unique = gen_type_values(c->type) == 0 && c->shape == CELLS_ONE &&
                      rng_chance(&g->env->rng, 500000);
        c->domain = unique ? 0 : 2 + below(g, 4);
        if (c->type == GEN_boolean)
            c->domain = 2;
    }
}

static void tell_oracle(struct gen *g, struct gen_table *t)
{
    struct cells_column columns[GEN_COLUMNS_MAX];
    for (uint32_t i = 0; i < t->count; i++) {
        const struct gen_column *c = &t->columns[i];
        columns[i] = (struct cells_column){c->kind, c->shape, gen_type_order(c->type), c->reversed};
    }
    t->number = cells_add_table(g->cells, columns, t->count);
}

void gen_table_draw(struct gen *g, struct gen_table *t)
{
    snprintf(t->name, sizeof t->name, "g%u", (unsigned)(g->tables_count % 10));
    draw_partition_key(g, t);
    draw_clustering(g, t);
    t->statics = t->clustering > 0 ? below(g, 3) : 0;
    t->regulars = 1 + below(g, 6);
    draw_values(g, t, CELLS_STATIC, t->statics);
    draw_values(g, t, CELLS_REGULAR, t->regulars);
    t->keys_count = 1 + g->env->size * (GEN_KEYS_MAX - 1) / 100;
    for (uint32_t i = 0; i < t->keys_count; i++)
        t->keys[i] = ++t->keys_made;
    tell_oracle(g, t);
}

static void put_type(const struct gen_column *c, struct buf *cql)
{
    const char *type = gen_type_name(c->type);
    if (c->shape == CELLS_SET)
        buf_printf(cql, "set<%s>", type);
    else if (c->shape == CELLS_MAP)
        buf_printf(cql, "map<%s, %s>", type, gen_type_name(c->second));
    else
        buf_put_text(cql, type);
}

void gen_table_schema(const struct gen_table *t, struct buf *cql)
{
    buf_printf(cql, "CREATE TABLE r.%s (", t->name);
    for (uint32_t i = 0; i < t->count; i++) {
        buf_printf(cql, "%s ", t->columns[i].name);
        put_type(&t->columns[i], cql);
        buf_put_text(cql, t->columns[i].kind == CELLS_STATIC ? " static, " : ", ");
    }
    buf_put_text(cql, "PRIMARY KEY ((");
    for (uint32_t i = 0; i < t->partition + t->clustering; i++) {
        buf_printf(cql, "%s%s", i == 0 ? "" : i == t->partition ? "), " : ", ", t->columns[i].name);
    }
    buf_put_text(cql, t->clustering == 0 ? ")))" : "))");
    for (uint32_t i = 0; i < t->clustering; i++) {
        const struct gen_column *c = &t->columns[t->partition + i];
        buf_printf(cql, "%s%s %s", i == 0 ? " WITH CLUSTERING ORDER BY (" : ", ", c->name,
                   c->reversed ? "DESC" : "ASC");
    }
    if (t->clustering > 0)
        buf_put_text(cql, ")");
}

static uint64_t value_number(const struct gen_table *t, uint64_t key, uint32_t column)
{
    return column == 0 ? key : key % t->columns[column].domain;
}

const struct bytes *gen_key(const struct gen_table *t, uint64_t key, struct arena *a)
{
    struct bytes *values = arena_array(a, struct bytes, t->partition);
    for (uint32_t i = 0; i < t->partition; i++)
        values[i] = gen_value(t->columns[i].type, value_number(t, key, i), a, NULL);
    return values;
}

void gen_key_where(const struct gen_table *t, uint64_t key, struct arena *a, struct buf *cql)
{
    for (uint32_t i = 0; i < t->partition; i++) {
        buf_printf(cql, "%s%s = ", i == 0 ? "" : " AND ", t->columns[i].name);
        gen_value(t->columns[i].type, value_number(t, key, i), a, cql);
    }
}

uint64_t gen_some_key(struct gen *g, struct gen_table *t)
{
    struct arena a = {0};
    uint32_t i = below(g, t->keys_count);
    if (cells_partition_events(g->cells, t->number, gen_key(t, t->keys[i], &a)) > GEN_EVENTS_MAX)
        t->keys[i] = ++t->keys_made;
    arena_close(&a);
    return t->keys[i];
}
