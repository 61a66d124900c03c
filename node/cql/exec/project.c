/* project.c - selectors: the columns of a result, computed from the values of a row.
 *
 * With an aggregate among the selectors the rows are taken in and one row comes out at the end;
 * selectors that are none then show the first row, as Cassandra does.
 */
#include "node/cql/exec/core.h"

#include <string.h>

enum sel_kind {
    SEL_COLUMN,
    SEL_WRITETIME,
    SEL_TTL,
    SEL_CONSTANT,
    SEL_CALL,
    SEL_CAST,
    SEL_ELEMENT, /* m['key'] */
    SEL_COUNT_ROWS,
    SEL_COUNT,
    SEL_MIN,
    SEL_MAX,
    SEL_SUM,
    SEL_AVG,
};

struct sel {
    enum sel_kind kind;
    const struct cql_type *type;
    const char *name;
    const struct column *column;
    const struct function *function;
    struct sel **args;
    size_t args_count;
    struct slot slot; /* CONSTANT; ELEMENT: the key */

    /* what was seen so far */
    bool seen;
    uint64_t count;
    int64_t whole;
    double real;
    struct cql_value value;
    uint8_t *room;
    size_t room_size;
};

struct selection {
    struct arena *arena; /* of the request: outlives the rows */
    struct sel **items;
    struct bytes *aliases; /* empty: the name of the selector */
    size_t count;
    bool aggregate;
};

struct cql_column result_column(struct run *r, const char *keyspace, const char *table,
                                const char *name, const struct cql_type *type)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    cql_type_put_option(type, &b);
    return (struct cql_column){bytes_text(keyspace), bytes_text(table), bytes_text(name),
                               run_take(r, &b)};
}

static struct sel *make(struct run *r, enum sel_kind kind, const struct cql_type *type,
                        const char *name)
{
    struct sel *s = arena_new(r->arena, struct sel);
    s->kind = kind;
    s->type = type;
    s->name = name;
    return s;
}

static struct sel *resolve(struct run *r, const struct ast_term *t);

static struct sel *column_sel(struct run *r, const struct column *c)
{
    struct sel *s = make(r, SEL_COLUMN, c->type, c->name);
    s->column = c;
    return s;
}

static struct sel *resolve_column(struct run *r, struct bytes name)
{
    const struct column *c = run_column(r, r->table, name);
    if (c == NULL)
        return NULL;
    return column_sel(r, c);
}

static struct sel *constant_sel(struct run *r, const struct ast_term *t,
                                const struct cql_type *type)
{
    struct sel *s = make(r, SEL_CONSTANT, type, term_text(r, t));
    s->slot = (struct slot){t, type, "[selection]"};
    return slot_declare(r, s->slot) ? s : NULL;
}

static struct sel *resolve_constant(struct run *r, const struct ast_term *t)
{
    static const struct {
        enum ast_term_kind kind;
        enum cql_kind type;
    } kinds[] = {
        {AST_INTEGER, CQL_INT},       {AST_FLOAT, CQL_DOUBLE}, {AST_STRING, CQL_TEXT},
        {AST_BOOLEAN, CQL_BOOLEAN},   {AST_UUID, CQL_UUID},    {AST_BLOB, CQL_BLOB},
        {AST_DURATION, CQL_DURATION},
    };
    const struct cql_type *type = term_type(r, t);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (kinds[i].kind == t->kind)
            type = cql_type_native(kinds[i].type);
    }
    if (t->kind == AST_INTEGER && t->text.len > 9)
        type = cql_type_native(CQL_BIGINT);
    if (type == NULL) {
        run_invalid(r,
                    "Cannot infer type for term %s in selection clause (try using a cast to "
                    "force a type)",
                    t->kind == AST_MARKER ? "?" : "literal");
        return NULL;
    }
    return constant_sel(r, t, type);
}

/* writetime(c), ttl(c) */
static struct sel *resolve_cell_fact(struct run *r, const struct ast_term *t, enum sel_kind kind)
{
    const char *what = kind == SEL_TTL ? "ttl" : "writetime";
    if (t->items.count != 1 || t->items.items[0]->kind != AST_COLUMN) {
        run_invalid(r, "%s takes the name of one column", what);
        return NULL;
    }
    const struct column *c = run_column(r, r->table, t->items.items[0]->text);
    if (c == NULL)
        return NULL;
    if (c->kind == COLUMN_PARTITION_KEY || c->kind == COLUMN_CLUSTERING) {
        run_invalid(r, "Cannot use selection function %s on PRIMARY KEY part %s", what, c->name);
        return NULL;
    }
    if (cql_type_is_multicell(c->type)) {
        run_unsupported(r, "writetime and ttl of collections that are not frozen");
        return NULL;
    }
    struct sel *s = make(r, kind, cql_type_native(kind == SEL_TTL ? CQL_INT : CQL_BIGINT),
                         arena_printf(r->arena, "%s(%s)", what, c->name));
    s->column = c;
    return s;
}

static bool has_aggregate(const struct sel *s)
{
    return s->kind >= SEL_COUNT_ROWS;
}

static bool nested_aggregate(const struct sel *s)
{
    for (size_t i = 0; i < s->args_count; i++) {
        if (has_aggregate(s->args[i]) || nested_aggregate(s->args[i]))
            return true;
    }
    return false;
}

static struct sel *resolve_aggregate(struct run *r, const struct ast_term *t, enum sel_kind kind,
                                     const char *name)
{
    const struct cql_type *bigint = cql_type_native(CQL_BIGINT);
    if (t->items.count != 1) {
        run_invalid(r,
                    "Invalid number of arguments in call to function system.%s: 1 required but "
                    "%zu provided",
                    name, t->items.count);
        return NULL;
    }
    const struct ast_term *arg = t->items.items[0];
    if (kind == SEL_COUNT && (arg->kind == AST_STAR || arg->kind == AST_INTEGER))
        return make(r, SEL_COUNT_ROWS, bigint, "count");
    struct sel *of = resolve(r, arg);
    if (of == NULL)
        return NULL;
    if (has_aggregate(of) || nested_aggregate(of)) {
        run_invalid(r, "aggregate functions cannot be used as arguments of aggregate functions");
        return NULL;
    }
    if ((kind == SEL_SUM || kind == SEL_AVG) && !value_is_whole(of->type) &&
        !value_is_real(of->type)) {
        run_unsupported(r, arena_printf(r->arena, "%s of values of type %s", name,
                                        cql_type_text(r->arena, of->type)));
        return NULL;
    }
    struct sel *s = make(r, kind, kind == SEL_COUNT ? bigint : of->type,
                         arena_printf(r->arena, "system.%s(%s)", name, of->name));
    s->args = arena_new(r->arena, struct sel *);
    s->args[0] = of;
    s->args_count = 1;
    return s;
}

/* A literal or a marker is of the type that the function takes there. */
static struct sel *resolve_arg(struct run *r, const struct function *f, const struct ast_term *t,
                               size_t n)
{
    bool constant = t->kind == AST_MARKER || (t->kind >= AST_INTEGER && t->kind <= AST_DURATION);
    return constant ? constant_sel(r, t, function_arg_type(r, f, n)) : resolve(r, t);
}

static struct sel *resolve_call(struct run *r, const struct ast_term *t)
{
    static const struct {
        const char *name;
        enum sel_kind kind;
    } aggregates[] = {
        {"count", SEL_COUNT}, {"min", SEL_MIN}, {"max", SEL_MAX},
        {"sum", SEL_SUM},     {"avg", SEL_AVG},
    };
    const char *name = run_text(r, t->id.name);
    if (strcmp(name, "writetime") == 0)
        return resolve_cell_fact(r, t, SEL_WRITETIME);
    if (strcmp(name, "ttl") == 0)
        return resolve_cell_fact(r, t, SEL_TTL);
    for (size_t i = 0; i < ARRAY_LEN(aggregates); i++) {
        if (strcmp(name, aggregates[i].name) == 0)
            return resolve_aggregate(r, t, aggregates[i].kind, name);
    }
    const struct function *f = function_find(r, t);
    if (f == NULL)
        return NULL;
    struct sel *s = make(r, SEL_CALL, function_result(f), NULL);
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    buf_printf(&b, "system.%s(", name);
    s->function = f;
    s->args = arena_array(r->arena, struct sel *, t->items.count);
    for (; s->args_count < t->items.count; s->args_count++) {
        struct sel *arg = resolve_arg(r, f, t->items.items[s->args_count], s->args_count);
        if (arg == NULL)
            break;
        buf_printf(&b, "%s%s", s->args_count > 0 ? ", " : "", arg->name);
        s->args[s->args_count] = arg;
    }
    buf_put_text(&b, ")");
    s->name = run_text(r, run_take(r, &b));
    return s->args_count == t->items.count ? s : NULL;
}

static struct sel *resolve_cast(struct run *r, const struct ast_term *t)
{
    const struct cql_type *type;
    struct errmsg m;
    struct sel *of = resolve(r, t->items.items[0]);
    if (of == NULL || !run_err(r, cql_type_parse(r->arena, t->type->text, &type, &m), &m))
        return NULL;
    const struct function *f = function_of_cast(r, of->type, type);
    if (f == NULL && !cast_allowed(of->type, type)) {
        run_invalid(r, "%s cannot be cast to %s", cql_type_text(r->arena, of->type),
                    cql_type_text(r->arena, type));
        return NULL;
    }
    struct sel *s =
        make(r, f != NULL ? SEL_CALL : SEL_CAST, type,
             arena_printf(r->arena, "cast(%s as %s)", of->name, cql_type_text(r->arena, type)));
    s->function = f;
    s->args = arena_new(r->arena, struct sel *);
    s->args[0] = of;
    s->args_count = 1;
    return s;
}

static struct sel *resolve_element(struct run *r, const struct ast_term *t)
{
    struct sel *of = resolve(r, t->items.items[0]);
    if (of == NULL)
        return NULL;
    if (of->type->kind != CQL_MAP) {
        run_unsupported(r, "selecting an element of what is no map");
        return NULL;
    }
    struct sel *s =
        make(r, SEL_ELEMENT, of->type->items[1],
             arena_printf(r->arena, "%s[%s]", of->name, term_text(r, t->items.items[1])));
    s->args = arena_new(r->arena, struct sel *);
    s->args[0] = of;
    s->args_count = 1;
    s->slot = (struct slot){t->items.items[1], of->type->items[0],
                            arena_printf(r->arena, "key(%s)", of->name)};
    return slot_declare(r, s->slot) ? s : NULL;
}

static struct sel *resolve(struct run *r, const struct ast_term *t)
{
    switch (t->kind) {
    case AST_COLUMN: return resolve_column(r, t->text);
    case AST_CALL: return resolve_call(r, t);
    case AST_CAST_AS: return resolve_cast(r, t);
    case AST_ELEMENT: return resolve_element(r, t);
    case AST_SLICE: run_unsupported(r, "slices of collections in selections"); return NULL;
    case AST_FIELD: run_unsupported(r, "fields of user-defined types"); return NULL;
    case AST_ARITHMETIC:
    case AST_NEGATE: run_unsupported(r, "arithmetic"); return NULL;
    case AST_TUPLE: run_unsupported(r, "tuples in selections"); return NULL;
    case AST_LIST:
    case AST_SET:
    case AST_MAP:
    case AST_UDT: run_unsupported(r, "collections in selections"); return NULL;
    case AST_STAR: run_invalid(r, "Only count takes *"); return NULL;
    default: return resolve_constant(r, t);
    }
}

static void add(struct selection *s, struct sel *item, struct bytes alias)
{
    s->aliases[s->count] = alias;
    s->items[s->count++] = item;
    s->aggregate = s->aggregate || has_aggregate(item) || nested_aggregate(item);
}

bool selection_resolve(struct run *r, const struct table *t, const struct ast_select *ast,
                       struct selection **ret)
{
    struct selection *s = arena_new(r->arena, struct selection);
    size_t count = ast->selectors.count > 0 ? ast->selectors.count : t->column_count;
    s->arena = r->arena;
    s->items = arena_array(r->arena, struct sel *, count);
    s->aliases = arena_array(r->arena, struct bytes, count);
    for (uint32_t i = 0; ast->selectors.count == 0 && i < t->column_count; i++)
        add(s, column_sel(r, &t->columns[i]), BYTES_NONE);
    for (size_t i = 0; i < ast->selectors.count; i++) {
        struct sel *item = resolve(r, ast->selectors.items[i].term);
        if (item == NULL)
            return false;
        add(s, item, ast->selectors.items[i].alias);
    }
    *ret = s;
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

bool selection_only_keys_and_statics(const struct selection *s, const char **ret_wrong)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct column *c = s->items[i]->column;
        if (c != NULL && (c->kind == COLUMN_REGULAR || c->kind == COLUMN_CLUSTERING)) {
            *ret_wrong = c->name;
            return false;
        }
    }
    return true;
}

bool selection_has_column(const struct selection *s, const struct column *c)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->items[i]->kind == SEL_COLUMN && s->items[i]->column == c)
            return true;
    }
    return false;
}

size_t selection_count(const struct selection *s)
{
    return s->count;
}

const struct cql_column *selection_columns(struct run *r, const struct table *t,
                                           const struct selection *s)
{
    struct cql_column *columns = arena_array(r->arena, struct cql_column, s->count);
    for (size_t i = 0; i < s->count; i++) {
        const char *name = s->aliases[i].len > 0 ? run_text(r, s->aliases[i]) : s->items[i]->name;
        columns[i] = result_column(r, t->keyspace, t->name, name, s->items[i]->type);
    }
    return columns;
}

/* --- evaluation */

static bool eval(struct run *r, const struct sel *s, const struct row_values *row,
                 struct cql_value *ret);

static bool eval_call(struct run *r, const struct sel *s, const struct row_values *row,
                      struct cql_value *ret)
{
    struct cql_value *args = arena_array(r->arena, struct cql_value, s->args_count);
    const struct cql_type **types = arena_array(r->arena, const struct cql_type *, s->args_count);
    for (size_t i = 0; i < s->args_count; i++) {
        types[i] = s->args[i]->type;
        if (!eval(r, s->args[i], row, &args[i]))
            return false;
    }
    return function_call(r, s->function, args, types, s->args_count, ret);
}

static bool eval_element(struct run *r, const struct sel *s, const struct row_values *row,
                         struct cql_value *ret)
{
    struct cql_value map;
    struct bytes key, item, value;
    *ret = CQL_NULL;
    if (!eval(r, s->args[0], row, &map) || !slot_key(r, s->slot, &key))
        return false;
    if (map.kind != CQL_VALUE_SET)
        return true;
    struct value_items it = value_items_open(s->args[0]->type, map.data);
    while (value_items_next(&it, &item) && value_items_next(&it, &value)) {
        if (value_compare(s->slot.type, item, key) == 0)
            *ret = cql_value_make(value);
    }
    return true;
}

static bool eval(struct run *r, const struct sel *s, const struct row_values *row,
                 struct cql_value *ret)
{
    const struct cell *cell = NULL;
    *ret = CQL_NULL;
    if (s->column != NULL && row->cells != NULL)
        cell = row->cells[column_index(r->table, s->column)];
    switch (s->kind) {
    case SEL_COLUMN: *ret = row->values[column_index(r->table, s->column)]; return true;
    case SEL_WRITETIME:
        if (cell != NULL)
            *ret = value_put_whole(r, s->type, cell->timestamp);
        return true;
    case SEL_TTL:
        if (cell != NULL && cell->kind == CELL_EXPIRING)
            *ret = value_put_whole(r, s->type, cell->time_s - row->now_s);
        return true;
    case SEL_CONSTANT: return slot_value(r, s->slot, ret);
    case SEL_CALL: return eval_call(r, s, row, ret);
    case SEL_ELEMENT: return eval_element(r, s, row, ret);
    case SEL_CAST:
        if (!eval(r, s->args[0], row, ret))
            return false;
        *ret = value_cast(r, s->args[0]->type, s->type, *ret);
        return true;
    default: return true;
    }
}

/* Keep a value beyond the row it came from, in room that is used again. */
static void remember(const struct selection *sel, struct sel *s, struct cql_value v)
{
    if (v.kind == CQL_VALUE_SET) {
        if (v.data.len > s->room_size) {
            s->room_size = v.data.len * 2;
            s->room = arena_alloc(sel->arena, s->room_size);
        }
        if (v.data.len > 0)
            memcpy(s->room, v.data.data, v.data.len);
        v.data = bytes_make(s->room, v.data.len);
    }
    s->value = v;
    s->seen = true;
}

static bool take_in(struct run *r, const struct selection *sel, struct sel *s,
                    const struct row_values *row)
{
    struct cql_value v;
    if (s->kind == SEL_COUNT_ROWS) {
        s->count++;
        return true;
    }
    if (nested_aggregate(s)) {
        for (size_t i = 0; i < s->args_count; i++) {
            if (!take_in(r, sel, s->args[i], row))
                return false;
        }
        return true;
    }
    if (!has_aggregate(s)) {
        if (s->seen)
            return true;
        if (!eval(r, s, row, &v))
            return false;
        remember(sel, s, v);
        return true;
    }
    if (!eval(r, s->args[0], row, &v))
        return false;
    if (v.kind != CQL_VALUE_SET)
        return true;
    s->count++;
    if (s->kind == SEL_MIN || s->kind == SEL_MAX) {
        int c = s->seen ? value_compare(s->type, v.data, s->value.data) : 0;
        if (!s->seen || (s->kind == SEL_MIN ? c < 0 : c > 0))
            remember(sel, s, v);
    } else if (s->kind != SEL_COUNT) {
        if (value_is_real(s->type))
            s->real += value_read_real(s->type, v.data);
        else /* wraps around, as Cassandra's sum does */
            s->whole = (int64_t)((uint64_t)s->whole + (uint64_t)value_read_whole(v.data));
    }
    return true;
}

bool selection_row(struct run *r, struct selection *s, const struct row_values *row,
                   struct buf *out)
{
    for (size_t i = 0; i < s->count; i++) {
        struct cql_value v;
        if (s->aggregate) {
            if (!take_in(r, s, s->items[i], row))
                return false;
            continue;
        }
        if (!eval(r, s->items[i], row, &v))
            return false;
        cql_put_value(out, v);
    }
    return true;
}

static bool total(struct run *r, const struct sel *s, struct cql_value *ret);

/* A function or CAST of what aggregates came to. */
static bool total_of_args(struct run *r, const struct sel *s, struct cql_value *ret)
{
    struct cql_value *args = arena_array(r->arena, struct cql_value, s->args_count);
    const struct cql_type **types = arena_array(r->arena, const struct cql_type *, s->args_count);
    for (size_t i = 0; i < s->args_count; i++) {
        types[i] = s->args[i]->type;
        if (!total(r, s->args[i], &args[i]))
            return false;
    }
    if (s->kind == SEL_CALL)
        return function_call(r, s->function, args, types, s->args_count, ret);
    if (s->kind != SEL_CAST)
        return run_unsupported(r, "elements of aggregates");
    *ret = value_cast(r, types[0], s->type, args[0]);
    return true;
}

static bool total(struct run *r, const struct sel *s, struct cql_value *ret)
{
    int64_t n = s->count > 0 ? (int64_t)s->count : 1;
    bool real = value_is_real(s->type);
    if (nested_aggregate(s))
        return total_of_args(r, s, ret);
    switch (s->kind) {
    case SEL_COUNT_ROWS:
    case SEL_COUNT: *ret = value_put_whole(r, s->type, (int64_t)s->count); break;
    case SEL_SUM:
        *ret = real ? value_put_real(r, s->type, s->real) : value_put_whole(r, s->type, s->whole);
        break;
    case SEL_AVG:
        *ret = real ? value_put_real(r, s->type, s->real / (double)n)
                    : value_put_whole(r, s->type, s->whole / n);
        break;
    default: *ret = s->seen ? s->value : CQL_NULL; break;
    }
    return true;
}

static void begin_anew(struct sel *s)
{
    for (size_t i = 0; i < s->args_count; i++)
        begin_anew(s->args[i]);
    s->seen = false;
    s->count = 0;
    s->whole = 0;
    s->real = 0;
    s->value = CQL_NULL;
}

bool selection_finish(struct run *r, struct selection *s, struct buf *out)
{
    for (size_t i = 0; i < s->count; i++) {
        struct cql_value v;
        if (!total(r, s->items[i], &v))
            return false;
        cql_put_value(out, v);
        begin_anew(s->items[i]);
    }
    return true;
}
