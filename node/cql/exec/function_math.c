/* function_math.c - abs, exp, log, log10 and round of all numbers. */
#include "node/cql/exec/function_inner.h"
#include "node/schema/number_math.h"

#include <math.h>
#include <string.h>

static const enum cql_kind numbers[] = {CQL_TINYINT, CQL_SMALLINT, CQL_INT,
                                        CQL_BIGINT,  CQL_FLOAT,    CQL_DOUBLE,
                                        CQL_DECIMAL, CQL_VARINT,   CQL_COUNTER};

static double real_of(enum number_function what, double v)
{
    switch (what) {
    case NUMBER_ABS: return fabs(v);
    case NUMBER_EXP: return exp(v);
    case NUMBER_LOG: return log(v);
    default: return log10(v);
    }
}

/* To the nearest whole number that an int or a bigint holds, halves up; nothing of NaN. */
static double round_real(const struct cql_type *type, double v)
{
    double max = type->kind == CQL_FLOAT ? (double)INT32_MAX : (double)INT64_MAX;
    double min = type->kind == CQL_FLOAT ? (double)INT32_MIN : (double)INT64_MIN;
    double whole = floor(v);
    if (isnan(v))
        return 0;
    whole += v - whole >= 0.5 ? 1 : 0;
    whole = whole > max ? max : whole;
    return whole < min ? min : whole + 0.0;
}

static bool of_large(struct run *r, const struct cql_type *type, enum number_function what,
                     struct bytes v, struct cql_value *ret)
{
    struct buf b;
    struct errmsg m;
    buf_init(&b, BUF_MAX_DEFAULT);
    enum err err = type->kind == CQL_VARINT ? varint_function(what, v, &b, &m)
                                            : decimal_function(what, v, &b, &m);
    *ret = function_take(r, &b);
    return run_err(r, err, &m);
}

static bool apply(struct run *r, const struct function *f, enum number_function what,
                  const struct cql_value *args, size_t count, struct cql_value *ret)
{
    const struct cql_type *type = f->result;
    if (any_null(args, count) || args[0].data.len == 0)
        return true;
    struct bytes v = args[0].data;
    if (type->kind == CQL_VARINT || type->kind == CQL_DECIMAL)
        return of_large(r, type, what, v, ret);
    double d = value_read_real(type, v);
    if (value_is_real(type)) {
        *ret =
            value_put_real(r, type, what == NUMBER_ROUND ? round_real(type, d) : real_of(what, d));
        return true;
    }
    int64_t whole = value_read_whole(v);
    if (what == NUMBER_ABS)
        whole = whole < 0 ? (int64_t)(0 - (uint64_t)whole) : whole;
    else if (what != NUMBER_ROUND)
        whole = value_whole_of_real(type, real_of(what, d));
    *ret = value_put_whole(r, type, whole);
    return true;
}

#define BODY(name, what)                                                                           \
    static bool name(struct run *r, const struct function *f, const struct cql_value *args,        \
                     size_t count, struct cql_value *ret)                                          \
    {                                                                                              \
        return apply(r, f, what, args, count, ret);                                                \
    }
BODY(abs_body, NUMBER_ABS)
BODY(exp_body, NUMBER_EXP)
BODY(log_body, NUMBER_LOG)
BODY(log10_body, NUMBER_LOG10)
BODY(round_body, NUMBER_ROUND)
#undef BODY

void function_math_overloads(const char *name, struct overloads *out)
{
    static const struct {
        const char *name;
        function_body *body;
    } functions[] = {
        {"abs", abs_body},     {"exp", exp_body},     {"log", log_body},
        {"log10", log10_body}, {"round", round_body},
    };
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        for (size_t k = 0; strcmp(functions[i].name, name) == 0 && k < ARRAY_LEN(numbers); k++)
            overloads_add(out,
                          (struct overload){name, functions[i].body, numbers[k], {numbers[k]}});
    }
}
