/* aggregate.c - sums are exact where their type is: whole numbers wrap around only in the end, and
 * what is lost of each addition of doubles is kept beside the sum (Kahan). An average of decimals
 * is moved towards each value by its share, as Cassandra does it: it has the scale of the values.
 */
#include "node/cql/exec/aggregate.h"
#include "node/schema/arithmetic.h"

#include <math.h>
#include <string.h>

__extension__ typedef __int128 wide; /* 2^63 values of 64 bits fit */

struct real_sum {
    double sum, lost, plain;
    bool overflow; /* of the sum, not of a value: then `value` has it as a decimal */
};

struct aggregate {
    enum aggregate_kind kind;
    bool seen;
    uint64_t count;
    wide whole;
    struct real_sum real;
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
    return t->kind >= AST_INTEGER && t->kind < AST_MARKER;
}

static void refuse_type(struct run *r, const char *name)
{
    run_invalid(r,
                "Invalid call to function %s, none of its type signatures match (known type "
                "signatures: %s)",
                name, number_signatures(r, arena_printf(r->arena, "system.%s", name)));
}

static void refuse_count(struct run *r, enum aggregate_kind kind, const char *name, size_t count)
{
    if (kind >= AGGREGATE_SUM)
        refuse_type(r, name);
    else if (kind != AGGREGATE_COUNT)
        run_invalid(r, "Invalid number of arguments for function system.%s(any)", name);
    else
        run_invalid(r,
                    "Invalid number of arguments in call to function system.count: 1 required but "
                    "%zu provided",
                    count);
}

static struct selector *prepare(struct run *r, const struct ast_term *t, enum aggregate_kind kind,
                                const char *name)
{
    const struct cql_type *bigint = cql_type_native(CQL_BIGINT);
    if (t->items.count != 1) {
        refuse_count(r, kind, name, t->items.count);
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
    const struct cql_type *type = of->type != NULL ? of->type : literal_type(arg);
    const struct cql_type *blob = cql_type_native(CQL_BLOB);
    if (type == NULL && kind == AGGREGATE_COUNT) { /* what it counts are bytes */
        if (selector_fit(r, of, blob) == FIT_NOT) {
            run_invalid(r,
                        "Type error: %s cannot be passed as argument 0 of function system.count of "
                        "type blob",
                        of->name);
            return NULL;
        }
        type = blob;
    }
    if (type == NULL && kind >= AGGREGATE_SUM && arg->kind != AST_MARKER) {
        refuse_type(r, name);
        return NULL;
    }
    if (type == NULL) {
        run_invalid(r,
                    "Cannot infer type of argument %s in call to function system.%s(any): use "
                    "type casts to disambiguate",
                    of->name, name);
        return NULL;
    }
    if (kind >= AGGREGATE_SUM && !arithmetic_is_number(type)) {
        refuse_type(r, name);
        return NULL;
    }
    if (!selector_settle(r, of, type))
        return NULL;
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

const char *aggregate_function(const struct selector *s)
{
    static const char *const names[] = {
        [AGGREGATE_ROWS] = "system.count_rows", [AGGREGATE_COUNT] = "system.count",
        [AGGREGATE_MIN] = "system.min",         [AGGREGATE_MAX] = "system.max",
        [AGGREGATE_SUM] = "system.sum",         [AGGREGATE_AVG] = "system.avg",
    };
    return names[s->aggregate->kind];
}

bool aggregate_settle(struct run *r, struct selector *s)
{
    (void)r;
    return s->args_count <= 1; /* what it is of was settled when its type was looked for */
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

static void take_bytes(struct arena *keep, struct aggregate *a, struct buf *b)
{
    remember(keep, a, cql_value_make(buf_bytes(b)));
    buf_close(b);
}

static void take_real(struct arena *keep, struct aggregate *a, double v)
{
    struct real_sum *s = &a->real;
    const struct cql_type *decimal = cql_type_native(CQL_DECIMAL);
    struct buf b, sum;
    if (!s->overflow) {
        double before = s->sum, part = v - s->lost, next = before + part;
        s->plain += v;
        s->lost = (next - before) - part;
        s->sum = next;
        if (!isinf(next) || isinf(v))
            return;
        s->overflow = true;
        buf_init(&b, BUF_MAX_DEFAULT);
        decimal_from_double(before, &b);
        take_bytes(keep, a, &b);
    }
    if (!isfinite(v))
        return;
    buf_init(&b, 64);
    buf_init(&sum, BUF_MAX_DEFAULT);
    decimal_from_double(v, &b);
    if (arithmetic_apply('+', decimal, a->value.data, decimal, buf_bytes(&b), &sum, NULL) == ERR_OK)
        take_bytes(keep, a, &sum);
    buf_close(&b);
}

/* sum + v, or for an average of decimals avg + (v - avg) / count */
static bool take_large(struct run *r, struct arena *keep, struct selector *s, struct bytes v)
{
    struct aggregate *a = s->aggregate;
    struct buf sum, share;
    struct errmsg m;
    enum err err = ERR_OK;
    if (!a->seen) {
        remember(keep, a, cql_value_make(v));
        return true;
    }
    buf_init(&sum, BUF_MAX_DEFAULT);
    buf_init(&share, BUF_MAX_DEFAULT);
    if (a->kind == AGGREGATE_AVG && s->type->kind == CQL_DECIMAL) {
        err = arithmetic_apply('-', s->type, v, s->type, a->value.data, &sum, &m);
        if (err == ERR_OK)
            decimal_share(buf_bytes(&sum), a->count, &share);
        v = buf_bytes(&share);
        buf_clear(&sum);
    }
    if (err == ERR_OK)
        err = arithmetic_apply('+', s->type, a->value.data, s->type, v, &sum, &m);
    if (err == ERR_OK)
        remember(keep, a, cql_value_make(buf_bytes(&sum)));
    buf_close(&sum);
    buf_close(&share);
    return run_err(r, err, &m);
}

static bool take_value(struct run *r, struct arena *keep, struct selector *s, struct cql_value v)
{
    struct aggregate *a = s->aggregate;
    if (v.kind != CQL_VALUE_SET)
        return true;
    a->count++;
    if (a->kind == AGGREGATE_MIN || a->kind == AGGREGATE_MAX) {
        int c = a->seen ? value_compare(s->type, v.data, a->value.data) : 0;
        if (!a->seen || (a->kind == AGGREGATE_MIN ? c < 0 : c > 0))
            remember(keep, a, v);
    } else if (a->kind == AGGREGATE_COUNT) {
        return true;
    } else if (value_is_real(s->type)) {
        take_real(keep, a, value_read_real(s->type, v.data));
    } else if (value_is_whole(s->type) || s->type->kind == CQL_COUNTER) {
        a->whole += value_read_whole(v.data);
    } else {
        return take_large(r, keep, s, v.data);
    }
    return true;
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
    return take_value(r, keep, s, v);
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

static double real_of(const struct aggregate *a)
{
    double sum = a->real.sum + a->real.lost;
    if (isnan(sum) && isinf(a->real.plain)) /* infinite values of one sign */
        sum = a->real.plain;
    if (a->kind == AGGREGATE_SUM || a->count == 0)
        return sum;
    if (!a->real.overflow)
        return sum / (double)a->count;
    struct buf share;
    buf_init(&share, BUF_MAX_DEFAULT);
    decimal_share(a->value.data, a->count, &share);
    sum = decimal_to_double(buf_bytes(&share));
    buf_close(&share);
    return sum;
}

/* Of no value at all: zero. */
static bool value_of_numbers(struct run *r, const struct selector *s, struct cql_value *ret)
{
    const struct aggregate *a = s->aggregate;
    const struct cql_type *bigint = cql_type_native(CQL_BIGINT);
    struct buf b;
    struct errmsg m;
    enum err err = ERR_OK;
    if (value_is_real(s->type)) {
        *ret = value_put_real(r, s->type, real_of(a));
        return true;
    }
    if (s->type->kind != CQL_VARINT && s->type->kind != CQL_DECIMAL) {
        wide n = a->kind == AGGREGATE_AVG && a->count > 0 ? (wide)a->count : 1;
        *ret = value_put_whole(r, s->type, (int64_t)(uint64_t)(a->whole / n));
        return true;
    }
    *ret = a->value;
    if (a->seen && (a->kind == AGGREGATE_SUM || s->type->kind == CQL_DECIMAL))
        return true;
    buf_init(&b, BUF_MAX_DEFAULT);
    if (!a->seen)
        buf_put(&b, "\0\0\0\0", s->type->kind == CQL_DECIMAL ? 5 : 1);
    else
        err = arithmetic_apply('/', s->type, a->value.data, bigint,
                               value_put_whole(r, bigint, (int64_t)a->count).data, &b, &m);
    *ret = cql_value_make(run_take(r, &b));
    return run_err(r, err, &m);
}

bool aggregate_value(struct run *r, const struct selector *s, struct cql_value *ret)
{
    const struct aggregate *a = s->aggregate;
    *ret = CQL_NULL;
    if (s->aggregates && s->kind != SELECTOR_AGGREGATE)
        return value_of_args(r, s, ret);
    if (s->kind != SELECTOR_AGGREGATE && (a == NULL || !a->seen)) /* there was no row */
        return s->kind == SELECTOR_COLUMN || s->kind == SELECTOR_FACT ||
               s->kind == SELECTOR_SIBLINGS || s->kind == SELECTOR_CAUSALITY ||
               value_of_args(r, s, ret);
    switch (a->kind) {
    case AGGREGATE_ROWS:
    case AGGREGATE_COUNT: *ret = value_put_whole(r, s->type, (int64_t)a->count); return true;
    case AGGREGATE_SUM:
    case AGGREGATE_AVG: return value_of_numbers(r, s, ret);
    default: *ret = a->seen ? a->value : CQL_NULL; return true;
    }
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
    a->real = (struct real_sum){0};
    a->value = CQL_NULL;
}

bool aggregate_items(struct run *r, enum aggregate_kind kind, const struct cql_type *type,
                     struct value_items items, struct cql_value *ret)
{
    struct aggregate a = {.kind = kind};
    struct selector s = {
        .kind = SELECTOR_AGGREGATE, .type = type, .aggregate = &a, .aggregates = true};
    struct bytes item;
    while (value_items_next(&items, &item)) {
        if (!take_value(r, r->arena, &s, cql_value_make(item)))
            return false;
    }
    return aggregate_value(r, &s, ret);
}
