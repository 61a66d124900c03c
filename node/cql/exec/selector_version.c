/* selector_version.c - siblings(x) and causality(), of tables that keep siblings.
 *
 *   siblings(c)      list<t>                    the values of a column, the winner first
 *   siblings(m[k])   list<v>, siblings(u.f) likewise
 *   siblings(m)      map<k, frozen<list<v>>>    of each entry
 *   siblings(l)      list<frozen<list<t>>>      of each element
 *   siblings(s)      list<frozen<set<t>>>       just one: an element of a set is there or not
 *   causality()      blob                       the row, the static row of its partition with it
 *
 * Equal values count once: two clients that wrote the same do not disagree.
 */
#include "node/cql/exec/causality.h"
#include "node/cql/exec/selector.h"
#include "node/schema/form.h"
#include "node/schema/order.h"

static bool keeps_siblings(struct run *r, const char *function)
{
    const struct table *t = r->table;
    return t->options.conflicts == CONFLICTS_SIBLINGS ||
           run_invalid(
               r,
               "Cannot use selection function %s on %s.%s: it is not a table WITH conflicts "
               "= 'siblings'",
               function, t->keyspace, t->name);
}

static bool wrong_count(struct run *r, const char *function, size_t want, size_t got)
{
    return run_invalid(r,
                       "Invalid number of arguments in call to function %s: %zu required but %zu "
                       "provided",
                       function, want, got);
}

static const struct cql_type *type_of(struct run *r, const struct selector *of)
{
    const struct cql_type *t = of->type;
    if (of->kind != SELECTOR_COLUMN || !cql_type_is_multicell(t))
        return cql_type_list(r->arena, t, false);
    if (t->kind == CQL_MAP)
        return cql_type_map(r->arena, t->items[0], cql_type_list(r->arena, t->items[1], true),
                            false);
    const struct cql_type *whole = t->kind == CQL_LIST ? cql_type_list(r->arena, t->items[0], true)
                                                       : cql_type_set(r->arena, t->items[0], true);
    return cql_type_list(r->arena, whole, false);
}

/* Of what is there values that may differ? A column, an entry of a map, a field. */
static bool is_place(const struct selector *of)
{
    if (of->kind == SELECTOR_COLUMN)
        return of->type->kind != CQL_UDT || of->type->frozen;
    if (of->args_count == 0 || of->args[0]->kind != SELECTOR_COLUMN)
        return false;
    const struct cql_type *t = of->args[0]->type;
    bool part = (of->kind == SELECTOR_ELEMENT && t->kind == CQL_MAP) ||
                (of->kind == SELECTOR_FIELD && t->kind == CQL_UDT);
    return part && cql_type_is_multicell(t);
}

static const struct column *column_of(const struct selector *of)
{
    return of->kind == SELECTOR_COLUMN ? of->column : of->args[0]->column;
}

struct selector *selector_prepare_siblings(struct run *r, const struct ast_term *t)
{
    if (!keeps_siblings(r, "siblings"))
        return NULL;
    if (t->items.count != 1) {
        wrong_count(r, "siblings", 1, t->items.count);
        return NULL;
    }
    struct selector *of = selector_prepare(r, t->items.items[0]);
    if (of == NULL)
        return NULL;
    if (!is_place(of)) {
        run_invalid(r,
                    "siblings takes a column, an entry of a map or a field of a user-defined type "
                    "that is not frozen, not %s",
                    of->name);
        return NULL;
    }
    const struct column *c = column_of(of);
    if (c->kind == COLUMN_PARTITION_KEY || c->kind == COLUMN_CLUSTERING) {
        run_invalid(r, "Cannot use selection function siblings on PRIMARY KEY part %s", c->name);
        return NULL;
    }
    struct selector *s = arena_new(r->arena, struct selector);
    s->kind = SELECTOR_SIBLINGS;
    s->term = t;
    s->type = type_of(r, of);
    s->name = arena_printf(r->arena, "siblings(%s)", of->name);
    s->column = c;
    s->args = arena_new(r->arena, struct selector *);
    s->args[s->args_count++] = of;
    return s;
}

struct selector *selector_prepare_causality(struct run *r, const struct ast_term *t)
{
    if (!keeps_siblings(r, "causality"))
        return NULL;
    if (t->items.count != 0) {
        wrong_count(r, "causality", 0, t->items.count);
        return NULL;
    }
    struct selector *s = arena_new(r->arena, struct selector);
    s->kind = SELECTOR_CAUSALITY;
    s->term = t;
    s->type = cql_type_native(CQL_BLOB);
    s->name = "causality()";
    return s;
}

/* --- values */

/* The cells of one column in a row, and room for what is found of a place. */
struct places {
    const struct column *column;
    const struct row *row;
    int64_t now_s;
    const struct cell **found;
};

/* What a cell holds, without the form of its key (form.h). */
static struct bytes value_in(const struct column *c, const struct cell *cell)
{
    struct bytes form, value = cell->value;
    bool keyed = c->type->kind == CQL_MAP && cell->has_path;
    if (keyed && form_kept(c->type->items[0]))
        (void)form_take(cell->value, &form, &value);
    return value;
}

/* The different values of one place, as a list. How many there are is returned. */
static uint32_t put_values(const struct places *p, bool has_path, struct bytes path,
                           struct buf *out)
{
    size_t at = out->len,
           n = row_siblings(p->row, p->column->id, has_path, path, p->now_s, p->found);
    uint32_t count = 0;
    buf_put_i32(out, 0);
    for (size_t i = 0; i < n; i++) {
        struct bytes value = value_in(p->column, p->found[i]);
        bool known = false;
        for (size_t j = 0; j < i && !known; j++)
            known = bytes_equal(value_in(p->column, p->found[j]), value);
        if (known)
            continue;
        cql_put_value(out, cql_value_make(value));
        count++;
    }
    if (!out->failed)
        store_u32(out->data + at, count);
    return count;
}

/* A value of a collection. */
static void put_item(struct buf *out, const struct buf *value)
{
    cql_put_value(out, cql_value_make(buf_bytes(value)));
}

static bool put_key(struct run *r, const struct places *p, const struct cell *cell, struct buf *out)
{
    const struct cql_type *type = p->column->type->items[0];
    struct reader in = reader_make(cell->path);
    struct bytes form, rest;
    struct buf key;
    buf_init(&key, BUF_MAX_DEFAULT);
    enum err err = order_decode(type, false, &in, &key);
    struct bytes shown = run_take(r, &key);
    if (err != ERR_OK)
        return false; /* a replica sent what is no key: as if it were not there */
    if (form_kept(type) && form_take(cell->value, &form, &rest))
        shown = form_or_key(type, form, shown);
    cql_put_value(out, cql_value_make(shown));
    return true;
}

/* Of a map or a list, element by element. */
static struct cql_value of_elements(struct run *r, const struct places *p)
{
    struct buf all, one;
    size_t end, next;
    uint32_t count = 0;
    buf_init(&all, BUF_MAX_DEFAULT);
    buf_init(&one, BUF_MAX_DEFAULT);
    buf_put_i32(&all, 0);
    for (size_t i = cells_of(p->row, p->column, &end); i < end; i = next) {
        const struct cell *cell = &p->row->cells[i];
        for (next = i + 1; next < end && p->row->cells[next].has_path == cell->has_path &&
                           bytes_equal(p->row->cells[next].path, cell->path);)
            next++;
        buf_clear(&one);
        if (!cell->has_path || put_values(p, true, cell->path, &one) == 0)
            continue;
        /* the winner's form of the key, which is the first that was found */
        if (p->column->type->kind == CQL_MAP && !put_key(r, p, p->found[0], &all))
            continue;
        put_item(&all, &one);
        count++;
    }
    if (!all.failed)
        store_u32(all.data, count);
    struct bytes value = run_take(r, &all);
    buf_close(&one);
    return count > 0 ? cql_value_make(value) : CQL_NULL;
}

/* A list of the one value there is. */
static struct cql_value list_of_one(struct run *r, struct cql_value v)
{
    struct buf b;
    if (v.kind != CQL_VALUE_SET)
        return CQL_NULL;
    buf_init(&b, BUF_MAX_DEFAULT);
    buf_put_i32(&b, 1);
    cql_put_value(&b, v);
    return cql_value_make(run_take(r, &b));
}

bool selector_eval_siblings(struct run *r, const struct selector *s, const struct row_values *row,
                            struct cql_value *ret)
{
    const struct selector *of = s->args[0];
    bool statics = s->column->kind == COLUMN_STATIC;
    struct places p = {.column = s->column, .now_s = row->now_s};
    struct bytes path = BYTES_NONE;
    struct cql_value whole;
    struct buf list;
    *ret = CQL_NULL;
    if (of->kind != SELECTOR_COLUMN && !selector_path(r, of, &path))
        return false;
    p.row = !statics ? row->row : row->part->has_static ? &row->part->static_row : NULL;
    if (p.row == NULL)
        return true;
    if (of->kind == SELECTOR_COLUMN && of->type->kind == CQL_SET && !of->type->frozen) {
        if (!selector_eval(r, of, row, &whole))
            return false;
        *ret = list_of_one(r, whole);
        return true;
    }
    p.found = arena_array(r->arena, const struct cell *, p.row->cells_count);
    if (of->kind == SELECTOR_COLUMN && cql_type_is_multicell(of->type)) {
        *ret = of_elements(r, &p);
        return true;
    }
    buf_init(&list, BUF_MAX_DEFAULT);
    uint32_t count = put_values(&p, of->kind != SELECTOR_COLUMN, path, &list);
    struct bytes value = run_take(r, &list);
    if (count > 0)
        *ret = cql_value_make(value);
    return true;
}

bool selector_eval_causality(struct run *r, const struct row_values *row, struct cql_value *ret)
{
    struct dots dots = {NULL, 0};
    if (row->row != NULL)
        dots = row_dots(row->row, r->arena);
    if (row->part->has_static) {
        struct dots more = row_dots(&row->part->static_row, r->arena);
        dots = causality_join(r, &dots, &more);
    }
    *ret = cql_value_make(causality_put(r, r->table->keyspace_no, row->part->token, &dots));
    return true;
}
