#include "node/cql/exec/selection.h"

#include "node/cql/exec/aggregate.h"
#include "node/schema/json.h"

struct selection {
    struct arena *arena; /* of the request: outlives the rows */
    struct selector **items;
    struct bytes *aliases; /* empty: the name of the selector */
    size_t count;
    bool all;  /* SELECT * */
    bool json; /* SELECT JSON: a row is one text */
    bool aggregate;
    struct cql_value *values; /* of the row that is made */
};

static void add(struct selection *s, struct selector *item, struct bytes alias)
{
    s->aliases[s->count] = alias;
    s->items[s->count++] = item;
    s->aggregate = s->aggregate || item->aggregates;
}

bool selection_prepare(struct run *r, const struct table *t, const struct ast_select *ast,
                       struct selection **ret)
{
    struct selection *s = arena_new(r->arena, struct selection);
    size_t count = ast->selectors.count > 0 ? ast->selectors.count : t->column_count;
    s->arena = r->arena;
    s->items = arena_array(r->arena, struct selector *, count);
    s->aliases = arena_array(r->arena, struct bytes, count);
    s->values = arena_array(r->arena, struct cql_value, count);
    s->all = ast->selectors.count == 0;
    s->json = ast->json;
    for (uint32_t i = 0; s->all && i < t->column_count; i++)
        add(s, selector_of_column(r, &t->columns[i]), BYTES_NONE);
    for (size_t i = 0; i < ast->selectors.count; i++) {
        struct selector *item = selector_prepare(r, ast->selectors.items[i].term);
        if (item == NULL)
            return false;
        add(s, item, ast->selectors.items[i].alias);
    }
    *ret = s;
    return true;
}

bool selection_settle(struct run *r, struct selection *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!selector_settle(r, s->items[i], NULL))
            return false;
    }
    return true;
}

void selection_group(struct selection *s)
{
    s->aggregate = true;
}

bool selection_is_aggregate(const struct selection *s)
{
    return s->aggregate;
}

static const struct column *not_key_nor_static(const struct selector *s)
{
    const struct column *c = s->column;
    if (c != NULL && (c->kind == COLUMN_REGULAR || c->kind == COLUMN_CLUSTERING))
        return c;
    for (size_t i = 0; i < s->args_count; i++) {
        c = not_key_nor_static(s->args[i]);
        if (c != NULL)
            return c;
    }
    return NULL;
}

bool selection_only_keys_and_statics(const struct selection *s, const char **ret_wrong)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct column *c = not_key_nor_static(s->items[i]);
        if (c != NULL) {
            *ret_wrong = c->name;
            return false;
        }
    }
    return true;
}

/* Which kinds of columns are there? */
static void find_kinds(const struct selector *s, bool *ret_static, bool *ret_row)
{
    if (s->column != NULL && s->column->kind == COLUMN_STATIC)
        *ret_static = true;
    else if (s->kind == SELECTOR_CAUSALITY)
        *ret_row = true;
    else if (s->column != NULL && s->column->kind != COLUMN_PARTITION_KEY)
        *ret_row = true;
    for (size_t i = 0; i < s->args_count; i++)
        find_kinds(s->args[i], ret_static, ret_row);
}

bool selection_only_statics(const struct selection *s)
{
    bool statics = false, rows = s->all;
    for (size_t i = 0; i < s->count; i++)
        find_kinds(s->items[i], &statics, &rows);
    return statics && !rows;
}

static bool mentions(const struct selector *s, const struct column *c)
{
    bool found = s->column == c;
    for (size_t i = 0; i < s->args_count && !found; i++)
        found = mentions(s->args[i], c);
    return found;
}

bool selection_has_column(const struct selection *s, const struct column *c)
{
    for (size_t i = 0; i < s->count; i++) {
        if (mentions(s->items[i], c))
            return true;
    }
    return false;
}

static bool shows(const struct selector *s, const struct column *c)
{
    bool found = s->kind == SELECTOR_COLUMN && s->column == c;
    for (size_t i = 0; i < s->args_count && s->kind != SELECTOR_FACT && !found; i++)
        found = s->kind != SELECTOR_SIBLINGS && shows(s->args[i], c);
    return found;
}

static bool tells(const struct selector *s, const struct column *c)
{
    bool found = s->kind == SELECTOR_SIBLINGS && s->column == c;
    for (size_t i = 0; i < s->args_count && !found; i++)
        found = tells(s->args[i], c);
    return found;
}

bool selection_shows(const struct selection *s, const struct column *c)
{
    bool shown = false;
    for (size_t i = 0; i < s->count; i++) {
        if (tells(s->items[i], c))
            return false;
        shown = shown || shows(s->items[i], c);
    }
    return shown;
}

/* --- the answer */

size_t selection_count(const struct selection *s)
{
    return s->json ? 1 : s->count;
}

static const char *name_of(struct run *r, const struct selection *s, size_t i)
{
    return s->aliases[i].len > 0 ? run_text(r, s->aliases[i]) : s->items[i]->name;
}

struct cql_column result_column(struct run *r, const char *keyspace, const char *table,
                                const char *name, const struct cql_type *type)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    cql_type_put_option(type, &b);
    return (struct cql_column){bytes_text(keyspace), bytes_text(table), bytes_text(name),
                               run_take(r, &b)};
}

const struct cql_column *selection_columns(struct run *r, const struct table *t,
                                           const struct selection *s)
{
    size_t count = selection_count(s);
    struct cql_column *columns = arena_array(r->arena, struct cql_column, count);
    if (s->json)
        columns[0] = result_column(r, t->keyspace, t->name, "[json]", cql_type_native(CQL_TEXT));
    for (size_t i = 0; i < count && !s->json; i++)
        columns[i] = result_column(r, t->keyspace, t->name, name_of(r, s, i), s->items[i]->type);
    return columns;
}

/* {"name": value, …} */
static void put_json(struct run *r, const struct selection *s, struct buf *out)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < s->count; i++) {
        buf_put_text(&b, i == 0 ? "{" : ", ");
        json_print_name(name_of(r, s, i), &b);
        buf_put_text(&b, ": ");
        if (s->values[i].kind == CQL_VALUE_SET)
            value_print_json(s->items[i]->type, s->values[i].data, &b);
        else
            buf_put_text(&b, "null");
    }
    buf_put_u8(&b, '}');
    cql_put_value(out, cql_value_make(buf_bytes(&b)));
    out->failed = out->failed || b.failed;
    buf_close(&b);
}

/* The finished row, s->values, as it goes to the client. */
static void put_row(struct run *r, const struct selection *s, struct buf *out)
{
    if (s->json) {
        put_json(r, s, out);
        return;
    }
    for (size_t i = 0; i < s->count; i++)
        cql_put_value(out, s->values[i]);
}

bool selection_row(struct run *r, struct selection *s, const struct row_values *row,
                   struct buf *out)
{
    for (size_t i = 0; i < s->count; i++) {
        bool good = s->aggregate ? aggregate_take(r, s->arena, s->items[i], row)
                                 : selector_eval(r, s->items[i], row, &s->values[i]);
        if (!good)
            return false;
    }
    if (!s->aggregate)
        put_row(r, s, out);
    return true;
}

bool selection_finish(struct run *r, struct selection *s, struct buf *out)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!aggregate_value(r, s->items[i], &s->values[i]))
            return false;
    }
    put_row(r, s, out);
    for (size_t i = 0; i < s->count; i++)
        aggregate_reset(s->items[i]);
    return true;
}
