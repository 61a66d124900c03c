#include "base/mem.h"
#include "node/sim/run/gen.h"

#include <inttypes.h>

#define PAGED_PERCENT 25
#define FINAL_TOKENS  8 /* partitions of a table read by their tokens in the end */

struct reader_of {
    struct gen *g;
    struct gen_table *t;
    struct arena *a;
    struct buf *cql;
    struct cells_read *read;
    struct cells_selector *selectors;
};

static uint32_t below(const struct reader_of *r, uint32_t bound)
{
    return (uint32_t)rng_below(&r->g->env->rng, bound);
}

static bool chance(const struct reader_of *r, uint32_t percent)
{
    return below(r, 100) < percent;
}

static void occurs(const struct reader_of *r, enum gen_feature feature)
{
    r->g->features[feature]++;
}

/* --- what is selected */

static void select_one(struct reader_of *r, enum cells_what what, uint32_t column)
{
    struct cells_selector *s = &r->selectors[r->read->selectors_count++];
    const char *name = r->t->columns[column].name;
    s->what = what;
    s->column = column;
    if (r->read->selectors_count > 1)
        buf_put_text(r->cql, ", ");
    if (what == CELLS_TOKEN) {
        buf_put_text(r->cql, "token(");
        for (uint32_t i = 0; i < r->t->partition; i++)
            buf_printf(r->cql, "%s%s", i > 0 ? ", " : "", r->t->columns[i].name);
        buf_put_text(r->cql, ")");
    } else {
        buf_printf(r->cql, what == CELLS_WRITETIME ? "writetime(%s)" : "%s", name);
    }
}

static void select_values(struct reader_of *r, uint32_t percent)
{
    const struct gen_table *t = r->t;
    for (uint32_t i = 0; i < t->count; i++) {
        enum cells_kind kind = t->columns[i].kind;
        bool key = kind == CELLS_PARTITION || (kind == CELLS_CLUSTERING && !r->read->distinct);
        bool may = key || kind == CELLS_STATIC || (kind == CELLS_REGULAR && !r->read->distinct);
        bool filter = r->read->filters && r->read->filter_column == i;
        if (!may || (!key && !filter && !chance(r, percent)))
            continue;
        select_one(r, CELLS_VALUE, i);
        if (!key && t->columns[i].shape == CELLS_ONE && !r->read->distinct && chance(r, 25)) {
            select_one(r, CELLS_WRITETIME, i);
            occurs(r, GEN_FEATURE_read_writetime);
        }
    }
}

static void select_star(struct reader_of *r)
{
    buf_put_text(r->cql, "*");
    occurs(r, GEN_FEATURE_read_star);
    for (uint32_t i = 0; i < r->t->count; i++)
        r->selectors[r->read->selectors_count++] = (struct cells_selector){CELLS_VALUE, i};
}

static void begin(struct reader_of *r, bool star, bool with_token, uint32_t percent)
{
    r->selectors = arena_array(r->a, struct cells_selector, 2 * GEN_COLUMNS_MAX + 1);
    r->read->selectors = r->selectors;
    r->read->table = r->t->number;
    r->read->start = cells_now(r->g->cells);
    buf_put_text(r->cql, r->read->distinct ? "SELECT DISTINCT " : "SELECT ");
    if (star)
        select_star(r);
    else
        select_values(r, percent);
    if (with_token)
        select_one(r, CELLS_TOKEN, 0);
    buf_printf(r->cql, " FROM r.%s", r->t->name);
}

/* Now and then rows must have some value in a column: before `begin`, which must select it. */
static void choose_filter(struct reader_of *r)
{
    const struct gen_table *t = r->t;
    uint32_t first = t->count - t->regulars;
    uint32_t i = first + below(r, t->regulars);
    const struct gen_column *c = &t->columns[i];
    if (c->shape != CELLS_ONE || c->domain == 0 || r->read->distinct || !chance(r, 25))
        return;
    r->read->filters = true;
    r->read->filter_column = i;
    occurs(r, GEN_FEATURE_read_filtering);
}

/* " AND v0 = 1" */
static void put_filter(struct reader_of *r)
{
    const struct gen_column *c = &r->t->columns[r->read->filter_column];
    if (!r->read->filters)
        return;
    buf_printf(r->cql, " AND %s = ", c->name);
    r->read->filter_value = gen_value(c->type, below(r, c->domain), r->a, r->cql);
}

static void put_allow(struct reader_of *r)
{
    if (r->read->filters || (r->read->by_token && r->read->where.count > 0))
        buf_put_text(r->cql, " ALLOW FILTERING");
}

/* --- what is asked for */

static void one_key(struct reader_of *r, uint64_t key)
{
    buf_put_text(r->cql, " WHERE ");
    gen_key_where(r->t, key, r->a, r->cql);
    r->read->keys = gen_key(r->t, key, r->a);
    r->read->keys_count = 1;
}

/* "k0 IN (1, 2) AND k1 = 0": some of the partitions need not exist. */
static void some_keys(struct reader_of *r)
{
    struct gen_table *t = r->t;
    uint32_t count = 1 + below(r, 4);
    uint64_t second = below(r, 2);
    struct bytes *keys = arena_array(r->a, struct bytes, count * t->partition);
    buf_printf(r->cql, " WHERE %s IN (", t->columns[0].name);
    for (uint32_t i = 0; i < count; i++) {
        buf_put_text(r->cql, i > 0 ? ", " : "");
        keys[i * t->partition] = gen_value(t->columns[0].type, gen_some_key(r->g, t), r->a, r->cql);
        for (uint32_t k = 1; k < t->partition; k++)
            keys[i * t->partition + k] = gen_value(t->columns[k].type, second, r->a, NULL);
    }
    buf_put_text(r->cql, ")");
    for (uint32_t k = 1; k < t->partition; k++) {
        buf_printf(r->cql, " AND %s = ", t->columns[k].name);
        gen_value(t->columns[k].type, second, r->a, r->cql);
    }
    r->read->keys = keys;
    r->read->keys_count = count;
    occurs(r, GEN_FEATURE_read_keys);
}

/* That of a partition, if one is known. */
static int64_t some_token(struct reader_of *r)
{
    int64_t token_of = (int64_t)rng_next(&r->g->env->rng);
    uint32_t count = cells_partitions(r->g->cells, r->t->number);
    if (count > 0)
        (void)cells_partition_token(r->g->cells, r->t->number, below(r, count), &token_of);
    return token_of;
}

static void put_token_bound(struct reader_of *r, const char *op, int64_t bound)
{
    buf_put_text(r->cql, "token(");
    for (uint32_t i = 0; i < r->t->partition; i++)
        buf_printf(r->cql, "%s%s", i > 0 ? ", " : "", r->t->columns[i].name);
    buf_printf(r->cql, ") %s %" PRId64, op, bound);
}

static void tokens(struct reader_of *r)
{
    int64_t low = some_token(r), high = some_token(r);
    bool with_low = chance(r, 70), open_low = chance(r, 50), open_high = chance(r, 50);
    bool with_high = !with_low || chance(r, 60);
    struct cells_read *read = r->read;
    read->by_token = true;
    read->token_min = INT64_MIN;
    read->token_max = INT64_MAX;
    buf_put_text(r->cql, " WHERE ");
    if (with_low) {
        put_token_bound(r, open_low ? ">" : ">=", low);
        read->token_min = open_low && low < INT64_MAX ? low + 1 : low;
    }
    if (with_low && with_high)
        buf_put_text(r->cql, " AND ");
    if (with_high) {
        put_token_bound(r, open_high ? "<" : "<=", high);
        read->token_max = open_high && high > INT64_MIN ? high - 1 : high;
    }
    occurs(r, GEN_FEATURE_read_tokens);
}

static void order(struct reader_of *r)
{
    const struct gen_table *t = r->t;
    uint32_t count = 1 + below(r, t->clustering);
    r->read->reversed = chance(r, 80);
    for (uint32_t i = 0; i < count; i++) {
        const struct gen_column *c = &t->columns[t->partition + i];
        buf_printf(r->cql, "%s%s %s", i == 0 ? " ORDER BY " : ", ", c->name,
                   c->reversed != r->read->reversed ? "DESC" : "ASC");
    }
    if (r->read->reversed)
        occurs(r, GEN_FEATURE_read_reversed);
}

static void limits(struct reader_of *r, bool many)
{
    if (!r->read->distinct && chance(r, 15)) {
        r->read->per_partition_limit = 1 + below(r, 4);
        buf_printf(r->cql, " PER PARTITION LIMIT %" PRIu32, r->read->per_partition_limit);
        occurs(r, GEN_FEATURE_read_per_partition);
    }
    if (chance(r, 20)) {
        r->read->limit = 1 + below(r, 6);
        occurs(r, GEN_FEATURE_read_limit);
    } else if (many) {
        r->read->limit = GEN_ROWS_MAX;
    }
    if (r->read->limit > 0)
        buf_printf(r->cql, " LIMIT %" PRIu32, r->read->limit);
}

/* --- reads */

static void read_one_key(struct reader_of *r)
{
    uint64_t key = gen_some_key(r->g, r->t);
    bool ordered = r->t->clustering > 0 && chance(r, 25);
    const struct bytes *row;
    uint32_t choice = below(r, 10);
    choose_filter(r);
    begin(r, chance(r, 25), false, 70);
    one_key(r, key);
    if (choice < 2 && r->t->clustering > 0) {
        r->read->where = gen_where_row(r->g, r->t, r->a, r->cql, &row);
        occurs(r, GEN_FEATURE_read_row);
    } else if (choice < 7) {
        r->read->where = gen_where(r->g, r->t, r->a, r->cql);
        occurs(r, r->read->where.count > 0 ? GEN_FEATURE_read_slice : GEN_FEATURE_read_partition);
    } else {
        occurs(r, GEN_FEATURE_read_partition);
    }
    put_filter(r);
    if (ordered)
        order(r);
    limits(r, false);
    put_allow(r);
}

static void read_many(struct reader_of *r, uint32_t choice)
{
    r->read->distinct = chance(r, 25);
    if (r->read->distinct)
        occurs(r, GEN_FEATURE_read_distinct);
    if (choice >= 4 && choice < 8)
        choose_filter(r);
    begin(r, false, true, 70);
    if (choice < 4) {
        some_keys(r);
        if (!r->read->distinct)
            r->read->where = gen_where(r->g, r->t, r->a, r->cql);
    } else if (choice < 8) {
        tokens(r);
        if (!r->read->distinct && chance(r, 40))
            r->read->where = gen_where(r->g, r->t, r->a, r->cql);
        put_filter(r);
    } else {
        occurs(r, GEN_FEATURE_read_table);
    }
    limits(r, true);
    put_allow(r);
}

static void read_count(struct reader_of *r, bool by_key)
{
    static const struct cells_selector unused = {CELLS_VALUE, 0};
    r->read->table = r->t->number;
    r->read->start = cells_now(r->g->cells);
    r->read->counts = true;
    r->read->selectors = &unused;
    r->read->selectors_count = 1;
    occurs(r, GEN_FEATURE_read_count);
    buf_printf(r->cql, "SELECT COUNT(*) FROM r.%s", r->t->name);
    if (by_key)
        one_key(r, gen_some_key(r->g, r->t));
    else
        tokens(r);
    if (chance(r, 60))
        r->read->where = gen_where(r->g, r->t, r->a, r->cql);
    put_allow(r);
}

int32_t gen_read(struct gen *g, struct arena *a, struct buf *cql, struct cells_read *ret)
{
    struct gen_table *t = &g->tables[rng_below(&g->env->rng, g->tables_count)];
    struct reader_of r = {.g = g, .t = t, .a = a, .cql = cql, .read = ret};
    uint32_t choice = below(&r, 10);
    *ret = (struct cells_read){0};
    if (chance(&r, 6))
        read_count(&r, chance(&r, 70));
    else if (choice < 7)
        read_one_key(&r);
    else
        read_many(&r, below(&r, 10));
    ret->paged = chance(&r, PAGED_PERCENT);
    if (!ret->paged)
        return 0;
    occurs(&r, GEN_FEATURE_read_paged);
    return 1 + (int32_t)below(&r, chance(&r, 50) ? 3 : 20);
}

/* Each table: every partition that was ever in use by its key, which tells the tokens; then some by
 * their tokens. Not whole tables: a scan asks range after range, and runs with short timeouts and
 * slow networks would not see its end. */
bool gen_final(struct gen *g, uint32_t i, struct arena *a, struct buf *cql, struct cells_read *ret)
{
    for (uint32_t n = 0; n < g->tables_count; n++) {
        struct gen_table *t = &g->tables[n];
        struct reader_of r = {.g = g, .t = t, .a = a, .cql = cql, .read = ret};
        if (i >= t->keys_made + FINAL_TOKENS) {
            i -= (uint32_t)t->keys_made + FINAL_TOKENS;
            continue;
        }
        *ret = (struct cells_read){0};
        begin(&r, false, true, 100);
        if (i < t->keys_made) {
            one_key(&r, i + 1);
            return true;
        }
        ret->by_token = true;
        ret->token_min = ret->token_max = some_token(&r);
        buf_put_text(cql, " WHERE ");
        put_token_bound(&r, "=", ret->token_min);
        return true;
    }
    return false;
}

bool gen_judge(struct gen *g, const struct cells_read *read, const struct sim_reply *reply,
               uint32_t copies, struct errmsg *why)
{
    size_t count = (size_t)reply->rows * reply->columns;
    struct cells_value *values = mem_alloc((count + 1) * sizeof *values);
    struct cells_read told = *read;
    bool good = reply->columns == read->selectors_count;
    told.copies = copies;
    for (size_t i = 0; i < count; i++)
        values[i] = (struct cells_value){reply->cells[i].is_null, reply->cells[i].bytes};
    if (good)
        good = cells_answer(g->cells, &told, values, reply->rows, why);
    else
        (void)errmsg_set(why, ERR_FAILED, "%" PRIu32 " columns were asked for and %" PRIu32 " came",
                         read->selectors_count, reply->columns);
    mem_free(values);
    return good;
}
