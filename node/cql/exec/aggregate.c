#include "node/cql/exec/aggregate.h"

#include <string.h>

enum aggregate_kind {
    AGGREGATE_ROWS, /* count(*) */
    AGGREGATE_COUNT,
    AGGREGATE_MIN,
    AGGREGATE_MAX,
    AGGREGATE_SUM,
    AGGREGATE_AVG,
    AGGREGATE_FIRST, /* no aggregate: what the first row of the group shows */
};

struct aggregate {
    enum aggregate_kind kind;
    bool seen;
    uint64_t count;
    int64_t whole;
    double real;
    struct cql_value value;
    uint8_t *room;
    size_t room_size;
};

static struct selector *make(struct run *r, const struct ast_term *t, enum aggregate_kind kind,
                             const struct cql_type *type, const char *name)
{
    struct selector *s = arena_new(r->arena, struct selector);
    s->kind = SELECTOR_AGGREGATE;
    s->term = t;
    s->type = type;
    s->name = name;
    s->aggregates = true;
    s->aggregate = arena_new(r->arena, struct aggregate);
    s->aggregate->kind = kind;
    return s;
}

static bool is_constant(const struct ast_term *t)
{
    return t->kind >= AST_INTEGER && t->kind <= AST_MARKER;
}

static struct selector *prepare(struct run *r, const struct ast_term *t, enum aggregate_kind kind,
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
    if (kind == AGGREGATE_COUNT && (arg->kind == AST_STAR || is_constant(arg)))
        return make(r, t, AGGREGATE_ROWS, bigint, "count");
    struct selector *of = selector_prepare(r, arg);
    if (of == NULL)
        return NULL;
    if (of->aggregates) {
        run_invalid(r, "aggregate functions cannot be used as arguments of aggregate functions");
        return NULL;
    }
    if (!selector_settle(r, of, NULL))
        return NULL;
    if (kind >= AGGREGATE_SUM && !value_is_whole(of->type) && !value_is_real(of->type)) {
        run_unsupported(r, arena_printf(r->arena, "%s of values of type %s", name,
                                        cql_type_text(r->arena, of->type)));
        return NULL;
    }
    struct selector *s = make(r, t, kind, kind == AGGREGATE_COUNT ? bigint : of->type,
                              arena_printf(r->arena, "system.%s(%s)", name, of->name));
    s->args = arena_new(r->arena, struct selector *);
    s->args[s->args_count++] = of;
    return s;
}

bool aggregate_prepare(struct run *r, const struct ast_term *t, struct selector **ret)
{
    static const struct {
        const char *name;
        enum aggregate_kind kind;
    } aggregates[] = {
        {"count", AGGREGATE_COUNT}, {"min", AGGREGATE_MIN}, {"max", AGGREGATE_MAX},
        {"sum", AGGREGATE_SUM},     {"avg", AGGREGATE_AVG},
    };
    if (t->id.keyspace.len > 0 && !bytes_equal_text(t->id.keyspace, "system"))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(aggregates); i++) {
        if (!bytes_equal_text(t->id.name, aggregates[i].name))
            continue;
        *ret = prepare(r, t, aggregates[i].kind, aggregates[i].name);
        return true;
    }
    return false;
}

bool aggregate_settle(struct run *r, struct selector *s)
{
    return s->args_count == 0 || selector_settle(r, s->args[0], NULL);
}

/* Keep a value beyond the row it came from, in room that is used again. */
static void remember(struct arena *keep, struct aggregate *a, struct cql_value v)
{
    if (v.kind == CQL_VALUE_SET) {
        if (v.data.len > a->room_size) {
            a->room_size = v.data.len * 2;
            a->room = arena_alloc(keep, a->room_size);
        }
        if (v.data.len > 0)
            memcpy(a->room, v.data.data, v.data.len);
        v.data = bytes_make(a->room, v.data.len);
    }
    a->value = v;
    a->seen = true;
}

static void take_value(struct arena *keep, struct selector *s, struct cql_value v)
{
    struct aggregate *a = s->aggregate;
    if (v.kind != CQL_VALUE_SET)
        return;
    a->count++;
    if (a->kind == AGGREGATE_MIN || a->kind == AGGREGATE_MAX) {
        int c = a->seen ? value_compare(s->type, v.data, a->value.data) : 0;
        if (!a->seen || (a->kind == AGGREGATE_MIN ? c < 0 : c > 0))
            remember(keep, a, v);
    } else if (a->kind != AGGREGATE_COUNT) {
        if (value_is_real(s->type))
            a->real += value_read_real(s->type, v.data);
        else /* wraps around, as Cassandra's sum does */
            a->whole = (int64_t)((uint64_t)a->whole + (uint64_t)value_read_whole(v.data));
    }
}

bool aggregate_take(struct run *r, struct arena *keep, struct selector *s,
                    const struct row_values *row)
{
    struct cql_value v;
    if (s->aggregates && s->kind != SELECTOR_AGGREGATE) {
        for (size_t i = 0; i < s->args_count; i++) {
            if (!aggregate_take(r, keep, s->args[i], row))
                return false;
        }
        return true;
    }
    if (s->aggregate == NULL) {
        s->aggregate = arena_new(keep, struct aggregate);
        s->aggregate->kind = AGGREGATE_FIRST;
    }
    if (s->aggregate->kind == AGGREGATE_ROWS) {
        s->aggregate->count++;
        return true;
    }
    if (s->aggregate->kind == AGGREGATE_FIRST) {
        if (s->aggregate->seen)
            return true;
        if (!selector_eval(r, s, row, &v))
            return false;
        remember(keep, s->aggregate, v);
        return true;
    }
    if (!selector_eval(r, s->args[0], row, &v))
        return false;
    take_value(keep, s, v);
    return true;
}

static bool value_of_args(struct run *r, const struct selector *s, struct cql_value *ret)
{
    struct cql_value *args = arena_array(r->arena, struct cql_value, s->args_count);
    for (size_t i = 0; i < s->args_count; i++) {
        if (!aggregate_value(r, s->args[i], &args[i]))
            return false;
    }
    return selector_apply(r, s, args, ret);
}

bool aggregate_value(struct run *r, const struct selector *s, struct cql_value *ret)
{
    const struct aggregate *a = s->aggregate;
    *ret = CQL_NULL;
    if (s->aggregates && s->kind != SELECTOR_AGGREGATE)
        return value_of_args(r, s, ret);
    if (s->kind != SELECTOR_AGGREGATE && (a == NULL || !a->seen)) /* there was no row */
        return s->kind == SELECTOR_COLUMN || s->kind == SELECTOR_FACT || value_of_args(r, s, ret);
    int64_t n = a->count > 0 ? (int64_t)a->count : 1;
    bool real = value_is_real(s->type);
    switch (a->kind) {
    case AGGREGATE_ROWS:
    case AGGREGATE_COUNT: *ret = value_put_whole(r, s->type, (int64_t)a->count); break;
    case AGGREGATE_SUM:
        *ret = real ? value_put_real(r, s->type, a->real) : value_put_whole(r, s->type, a->whole);
        break;
    case AGGREGATE_AVG:
        *ret = real ? value_put_real(r, s->type, a->real / (double)n)
                    : value_put_whole(r, s->type, a->whole / n);
        break;
    default: *ret = a->seen ? a->value : CQL_NULL; break;
    }
    return true;
}

void aggregate_reset(struct selector *s)
{
    struct aggregate *a = s->aggregate;
    for (size_t i = 0; i < s->args_count; i++)
        aggregate_reset(s->args[i]);
    if (a == NULL)
        return;
    a->seen = false;
    a->count = 0;
    a->whole = 0;
    a->real = 0;
    a->value = CQL_NULL;
}
