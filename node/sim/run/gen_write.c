#include "base/mem.h"
#include "node/sim/run/gen.h"

#include <inttypes.h>

#define TTL_STEP     100000 /* seconds: longer than any run */
#define BATCH_MAX    4
#define CHANGES_ROOM 64 /* that one statement makes, at most */

struct writer {
    struct gen *g;
    struct gen_table *t;
    struct arena *a;
    struct buf *cql;
    uint64_t key;
    bool has_timestamp; /* that of the batch */
    int64_t timestamp;
    int32_t ttl;
    struct cells_change *changes;
    size_t count;
};

static uint32_t below(const struct writer *w, uint32_t bound)
{
    return (uint32_t)rng_below(&w->g->env->rng, bound);
}

static bool chance(const struct writer *w, uint32_t percent)
{
    return below(w, 100) < percent;
}

static void occurs(const struct writer *w, enum gen_feature feature)
{
    w->g->features[feature]++;
}

/* --- timestamps */

static int64_t some_stamp(struct writer *w)
{
    struct gen *g = w->g;
    uint32_t known = g->stamps_count < GEN_STAMPS ? g->stamps_count : GEN_STAMPS;
    if (known > 0 && chance(w, 10)) {
        occurs(w, GEN_FEATURE_same_timestamp);
        return g->stamps[below(w, known)];
    }
    int64_t stamp = workload_stamp(g->env);
    g->stamps[g->stamps_count++ % GEN_STAMPS] = stamp;
    return stamp;
}

/* A timestamp and perhaps a TTL for the next statement, and what says so. */
static void put_using(struct writer *w, bool may_expire)
{
    const char *word = " USING ";
    if (!w->has_timestamp) {
        w->timestamp = some_stamp(w);
        buf_printf(w->cql, " USING TIMESTAMP %" PRId64, w->timestamp);
        word = " AND ";
    }
    w->ttl = may_expire && chance(w, 15) ? TTL_STEP * (1 + (int32_t)below(w, 2)) : 0;
    if (w->ttl > 0) {
        buf_printf(w->cql, "%sTTL %" PRId32, word, w->ttl);
        occurs(w, GEN_FEATURE_ttl);
    }
}

/* --- changes */

static struct cells_change *push(struct writer *w, enum cells_change_kind kind,
                                 const struct bytes *row)
{
    ASSERT(w->count < GEN_CHANGES_MAX);
    struct cells_change *c = &w->changes[w->count++];
    *c = (struct cells_change){.kind = kind, .timestamp = w->timestamp, .row = row};
    if (kind == CELLS_PUT || kind == CELLS_MARK)
        c->ttl = w->ttl;
    return c;
}

static uint64_t some_number(struct writer *w, const struct gen_column *c)
{
    return c->domain > 0 ? below(w, c->domain) : (uint64_t)++w->g->env->values;
}

static uint64_t second_number(struct writer *w, const struct gen_column *c)
{
    return below(w, c->second == GEN_boolean ? 2 : 4);
}

static struct cells_change *push_cell(struct writer *w, enum cells_change_kind kind,
                                      const struct bytes *row, uint32_t column)
{
    struct cells_change *c = push(w, kind, row);
    c->column = column;
    return c;
}

/* "{1: 'a', 2: 'b'}" or, of keys alone, "{1, 2}": some elements, put or removed. */
static void put_elements(struct writer *w, const struct bytes *row, uint32_t column,
                         enum cells_change_kind kind, uint32_t least)
{
    const struct gen_column *c = &w->t->columns[column];
    uint32_t count = least + below(w, c->domain - least + 1), first = below(w, c->domain);
    buf_put_text(w->cql, "{");
    for (uint32_t i = 0; i < count; i++) {
        struct cells_change *e = push_cell(w, kind, row, column);
        buf_put_text(w->cql, i > 0 ? ", " : "");
        e->has_path = true;
        e->path = gen_value(c->type, (first + i) % c->domain, w->a, w->cql);
        if (kind == CELLS_REMOVE || c->shape == CELLS_SET)
            continue;
        buf_put_text(w->cql, ": ");
        e->value = gen_value(c->second, second_number(w, c), w->a, w->cql);
    }
    buf_put_text(w->cql, "}");
}

/* A whole new value, or null. That of a collection takes the place of all elements before it. */
static void put_value(struct writer *w, const struct bytes *row, uint32_t column)
{
    const struct gen_column *c = &w->t->columns[column];
    bool null = chance(w, 12);
    if (c->shape != CELLS_ONE) {
        push_cell(w, CELLS_REMOVE, row, column)->timestamp--;
        occurs(w, GEN_FEATURE_collection_put);
    } else if (null) {
        push_cell(w, CELLS_REMOVE, row, column);
        occurs(w, GEN_FEATURE_insert_null);
    }
    if (null)
        buf_put_text(w->cql, "null");
    else if (c->shape != CELLS_ONE)
        put_elements(w, row, column, CELLS_PUT, 0);
    else
        push_cell(w, CELLS_PUT, row, column)->value =
            gen_value(c->type, some_number(w, c), w->a, w->cql);
}

/* "m[1] = 'a'", "e = e + {1}", "v = 1" … */
static void put_assignment(struct writer *w, const struct bytes *row, uint32_t column)
{
    const struct gen_column *c = &w->t->columns[column];
    uint32_t choice = c->shape == CELLS_ONE ? 0 : below(w, c->shape == CELLS_MAP ? 4 : 3);
    if (choice == 3) {
        bool null = chance(w, 20);
        struct cells_change *e = push_cell(w, null ? CELLS_REMOVE : CELLS_PUT, row, column);
        occurs(w, GEN_FEATURE_element_put);
        buf_printf(w->cql, "%s[", c->name);
        e->has_path = true;
        e->path = gen_value(c->type, some_number(w, c), w->a, w->cql);
        buf_put_text(w->cql, null ? "] = null" : "] = ");
        if (!null)
            e->value = gen_value(c->second, second_number(w, c), w->a, w->cql);
        return;
    }
    buf_printf(w->cql, "%s = ", c->name);
    if (choice == 0) {
        put_value(w, row, column);
        return;
    }
    occurs(w, choice == 1 ? GEN_FEATURE_element_add : GEN_FEATURE_element_remove);
    buf_printf(w->cql, "%s %c ", c->name, choice == 1 ? '+' : '-');
    put_elements(w, row, column, choice == 1 ? CELLS_PUT : CELLS_REMOVE, 1);
}

/* Columns of a kind (static or regular) that a statement names: a bit each, at least one if there
 * is any. */
static uint32_t some_columns(struct writer *w, enum cells_kind kind, uint32_t percent)
{
    uint32_t chosen = 0, any = 0;
    for (uint32_t i = 0; i < w->t->count; i++) {
        if (w->t->columns[i].kind != kind)
            continue;
        any |= 1U << i;
        if (chance(w, percent))
            chosen |= 1U << i;
    }
    return chosen != 0 ? chosen : any;
}

/* --- statements. USING stands before the values in two of three, so it is drawn first always. */

static void key_where(struct writer *w)
{
    buf_put_text(w->cql, " WHERE ");
    gen_key_where(w->t, w->key, w->a, w->cql);
}

/* The names of an INSERT, and the text of its key's values. */
static const struct bytes *insert_key(struct writer *w, bool with_row, struct buf *names)
{
    const struct gen_table *t = w->t;
    struct bytes *row = arena_array(w->a, struct bytes, t->clustering + 1);
    for (uint32_t i = 0; i < t->partition; i++) {
        const struct gen_column *c = &t->columns[i];
        buf_printf(names, "%s%s", i > 0 ? ", " : "", c->name);
        buf_put_text(w->cql, i > 0 ? ", " : "");
        gen_value(c->type, i == 0 ? w->key : w->key % c->domain, w->a, w->cql);
    }
    for (uint32_t i = 0; with_row && i < t->clustering; i++) {
        const struct gen_column *c = &t->columns[t->partition + i];
        buf_printf(names, ", %s", c->name);
        buf_put_text(w->cql, ", ");
        row[i] = gen_value(c->type, some_number(w, c), w->a, w->cql);
    }
    return row;
}

static void insert(struct writer *w, bool statics_only)
{
    struct buf names, values, *cql = w->cql, times;
    uint32_t columns = statics_only || chance(w, 20) ? some_columns(w, CELLS_STATIC, 50) : 0;
    if (!statics_only && !chance(w, 10))
        columns |= some_columns(w, CELLS_REGULAR, 65);
    buf_init(&names, WORKLOAD_CQL_MAX);
    buf_init(&values, WORKLOAD_CQL_MAX);
    buf_init(&times, WORKLOAD_CQL_MAX);
    w->cql = &times;
    put_using(w, true);
    w->cql = &values;
    const struct bytes *row = insert_key(w, !statics_only, &names);
    if (!statics_only)
        push(w, CELLS_MARK, row);
    for (uint32_t i = 0; i < w->t->count; i++) {
        if ((columns >> i & 1) == 0)
            continue;
        buf_printf(&names, ", %s", w->t->columns[i].name);
        buf_put_text(&values, ", ");
        put_value(w, row, i);
    }
    w->cql = cql;
    buf_printf(cql, "INSERT INTO r.%s (", w->t->name);
    buf_put_bytes(cql, buf_bytes(&names));
    buf_put_text(cql, ") VALUES (");
    buf_put_bytes(cql, buf_bytes(&values));
    buf_put_text(cql, ")");
    buf_put_bytes(cql, buf_bytes(&times));
    occurs(w, statics_only ? GEN_FEATURE_insert_static : GEN_FEATURE_insert);
    buf_close(&names);
    buf_close(&values);
    buf_close(&times);
}

/* The key and, unless only statics are meant, a row: the text for WHERE. */
static const struct bytes *row_where(struct writer *w, bool statics_only, struct buf *where)
{
    const struct bytes *row = NULL;
    struct buf *cql = w->cql;
    w->cql = where;
    key_where(w);
    if (!statics_only)
        gen_where_row(w->g, w->t, w->a, where, &row);
    w->cql = cql;
    return row;
}

static void update(struct writer *w, bool statics_only)
{
    struct buf where;
    uint32_t columns = statics_only ? 0 : some_columns(w, CELLS_REGULAR, 30);
    const char *between = "";
    if (statics_only || chance(w, 15))
        columns |= some_columns(w, CELLS_STATIC, 50);
    buf_init(&where, WORKLOAD_CQL_MAX);
    const struct bytes *row = row_where(w, statics_only, &where);
    buf_printf(w->cql, "UPDATE r.%s", w->t->name);
    put_using(w, true);
    buf_put_text(w->cql, " SET ");
    for (uint32_t i = 0; i < w->t->count; i++) {
        if ((columns >> i & 1) == 0)
            continue;
        buf_put_text(w->cql, between);
        put_assignment(w, row, i);
        between = ", ";
    }
    buf_put_bytes(w->cql, buf_bytes(&where));
    occurs(w, statics_only ? GEN_FEATURE_update_static : GEN_FEATURE_update);
    buf_close(&where);
}

/* "v0" or "e1[7]" */
static void put_removal(struct writer *w, const struct bytes *row, uint32_t column)
{
    const struct gen_column *c = &w->t->columns[column];
    struct cells_change *e = push_cell(w, CELLS_REMOVE, row, column);
    buf_put_text(w->cql, c->name);
    if (c->shape == CELLS_ONE || chance(w, 30))
        return;
    occurs(w, GEN_FEATURE_delete_element);
    buf_put_text(w->cql, "[");
    e->has_path = true;
    e->path = gen_value(c->type, some_number(w, c), w->a, w->cql);
    buf_put_text(w->cql, "]");
}

static void delete_columns(struct writer *w, bool statics_only)
{
    struct buf where, times, *cql = w->cql;
    uint32_t columns = some_columns(w, statics_only ? CELLS_STATIC : CELLS_REGULAR, 25);
    const char *between = "DELETE ";
    buf_init(&where, WORKLOAD_CQL_MAX);
    buf_init(&times, WORKLOAD_CQL_MAX);
    const struct bytes *row = row_where(w, statics_only, &where);
    w->cql = &times;
    put_using(w, false);
    w->cql = cql;
    for (uint32_t i = 0; i < w->t->count; i++) {
        if ((columns >> i & 1) == 0)
            continue;
        buf_put_text(cql, between);
        put_removal(w, row, i);
        between = ", ";
    }
    buf_printf(cql, " FROM r.%s", w->t->name);
    buf_put_bytes(cql, buf_bytes(&times));
    buf_put_bytes(cql, buf_bytes(&where));
    occurs(w, statics_only ? GEN_FEATURE_delete_static : GEN_FEATURE_delete_column);
    buf_close(&where);
    buf_close(&times);
}

static void delete_rows(struct writer *w, enum gen_feature what)
{
    const struct bytes *row = NULL;
    buf_printf(w->cql, "DELETE FROM r.%s", w->t->name);
    put_using(w, false);
    key_where(w);
    struct cells_change *c = push(w, CELLS_COVER, NULL);
    if (what == GEN_FEATURE_delete_row)
        c->where = gen_where_row(w->g, w->t, w->a, w->cql, &row);
    else if (what == GEN_FEATURE_delete_range)
        c->where = gen_where(w->g, w->t, w->a, w->cql);
    occurs(w, c->where.count == 0 ? GEN_FEATURE_delete_partition : what);
}

static void statement(struct writer *w)
{
    bool statics = w->t->statics > 0;
    uint32_t choice = below(w, 100);
    if (choice < 35)
        insert(w, false);
    else if (choice < 40 && statics)
        insert(w, true);
    else if (choice < 67)
        update(w, false);
    else if (choice < 73 && statics)
        update(w, true);
    else if (choice < 83)
        delete_columns(w, false);
    else if (choice < 86 && statics)
        delete_columns(w, true);
    else if (choice < 92)
        delete_rows(w, GEN_FEATURE_delete_row);
    else if (choice < 98 && w->t->clustering > 0)
        delete_rows(w, GEN_FEATURE_delete_range);
    else
        delete_rows(w, chance(w, 60) ? GEN_FEATURE_delete_partition : GEN_FEATURE_delete_row);
}

static void batch(struct writer *w)
{
    uint32_t count = 2 + below(w, BATCH_MAX - 1);
    buf_put_text(w->cql, chance(w, 50) ? "BEGIN UNLOGGED BATCH" : "BEGIN BATCH");
    w->has_timestamp = chance(w, 40);
    if (w->has_timestamp) {
        w->timestamp = some_stamp(w);
        buf_printf(w->cql, " USING TIMESTAMP %" PRId64, w->timestamp);
        occurs(w, GEN_FEATURE_batch_timestamp);
    }
    for (uint32_t i = 0; i < count && w->count + CHANGES_ROOM <= GEN_CHANGES_MAX; i++) {
        buf_put_text(w->cql, " ");
        statement(w);
        buf_put_text(w->cql, ";");
    }
    buf_put_text(w->cql, " APPLY BATCH");
    occurs(w, GEN_FEATURE_batch);
}

uint32_t gen_write(struct gen *g, struct buf *cql)
{
    struct arena a = {0};
    struct writer w = {.g = g, .a = &a, .cql = cql};
    w.t = &g->tables[rng_below(&g->env->rng, g->tables_count)];
    w.key = gen_some_key(g, w.t);
    w.changes = arena_array(&a, struct cells_change, GEN_CHANGES_MAX);
    if (chance(&w, 20))
        batch(&w);
    else
        statement(&w);
    uint32_t write =
        cells_write(g->cells, w.t->number, gen_key(w.t, w.key, &a), w.changes, w.count);
    arena_close(&a);
    return write;
}
