#include "base/arena.h"
#include "base/rng.h"
#include "node/schema/arithmetic.h"
#include "node/schema/number_math.h"
#include "node/schema/value.h"

#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct operation {
    char op;
    const char *a;
    const char *b;
    const char *want;
};

static const struct operation decimals[] = {
#define ROWS_DECIMAL
#include "unit/node_schema/number_rows.h"
#undef ROWS_DECIMAL
    {'/', "1", "0", "BigInteger divide by zero"},
    {'%', "1", "0", "Division by zero"},
    {'%', "0", "0.0", "Division undefined"},
    {'*', "1e2000000000", "1e2000000000", "Overflow"},
    {'*', "1e-2000000000", "1e-2000000000", "Underflow"},
    {'/', "1e2000000000", "3", "Overflow"},
    {'%', "1e2000000000", "3", "Overflow"},
    {'/', "10", "4", "2.5"},
    {'/', "100", "10", "1E+1"},
    {'+', "0.00", "5", "5.00"},
    {'+', "0e5", "1.5", "1.5"},
    {'+', "0.00", "0e5", "0.00"},
    {'%', "300", "0.07", "0.05"},
    {'%', "1e3", "2.5", "0E+1"},
};

static const struct operation varints[] = {
#define ROWS_VARINT
#include "unit/node_schema/number_rows.h"
#undef ROWS_VARINT
    {'/', "1", "0", "BigInteger divide by zero"},
    {'%', "1", "0", "BigInteger divide by zero"},
};

static const struct {
    enum number_function function;
    const char *a;
    const char *want;
} functions[] = {
#define ROWS_FUNCTION
#include "unit/node_schema/number_rows.h"
#undef ROWS_FUNCTION
    {NUMBER_LOG, "0", "Natural log of number zero or less"},
    {NUMBER_LOG10, "-1", "Log10 of number zero or less"},
    {NUMBER_LOG, "1.000", "0"},
    {NUMBER_LOG10, "1", "0E+33"},
    {NUMBER_EXP, "0.0", "1"},
    {NUMBER_EXP, "1e-400", "1.0000000000000000000000000000000"},
    {NUMBER_EXP, "1e9", "8.0029817706609725330419093743650E+434294481"},
    {NUMBER_EXP, "-1e9", "1.2495342719210132809243784990150E-434294482"},
    {NUMBER_EXP, "1e10", "Overflow"},
    {NUMBER_LOG, "110952", "11.616852954336171061519011666393"}, /* and then 49996 */
    {NUMBER_LOG, "1.0000000000000000000000000000000000000001",
     "9.9999999999999999999999999999999999999995E-41"},
    {NUMBER_ROUND, "1e1000000000", "Overflow"},
    {NUMBER_ROUND, "1e-1000000000", "0"},
    {NUMBER_ROUND, "-2.5", "-3"},
};

static struct bytes value_of(struct arena *a, enum cql_kind kind, const char *text)
{
    struct buf b;
    enum literal_kind literal = kind == CQL_DECIMAL ? LITERAL_FLOAT : LITERAL_INTEGER;
    buf_init(&b, BUF_MAX_DEFAULT);
    enum err err =
        value_from_literal(cql_type_native(kind), literal, bytes_text(text), "v", &b, NULL);
    CU_ASSERT_EQUAL_FATAL(err, ERR_OK);
    struct bytes v = arena_copy(a, buf_bytes(&b));
    buf_close(&b);
    return v;
}

static const char *text_of(struct arena *a, enum cql_kind kind, struct bytes value)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    value_print(cql_type_native(kind), value, &b);
    const char *text = arena_text(a, buf_bytes(&b));
    buf_close(&b);
    return text;
}

static void check(struct arena *a, enum cql_kind kind, enum err err, struct errmsg *e,
                  struct buf *value, const char *want, const char *what)
{
    const char *have = err == ERR_OK ? text_of(a, kind, buf_bytes(value)) : e->text;
    if (strcmp(have, want) != 0)
        printf("%s: have %s\n  want %s\n", what, have, want);
    CU_ASSERT_STRING_EQUAL(have, want);
}

static void apply_rows(enum cql_kind kind, const struct operation *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct arena a = {0};
        struct errmsg e = {{0}};
        struct buf out;
        buf_init(&out, BUF_MAX_DEFAULT);
        struct bytes x = value_of(&a, kind, rows[i].a);
        struct bytes y = value_of(&a, kind, rows[i].b);
        enum err err = kind == CQL_DECIMAL ? decimal_apply(rows[i].op, x, y, &out, &e)
                                           : varint_apply(rows[i].op, x, y, &out, &e);
        check(&a, kind, err, &e, &out, rows[i].want,
              arena_printf(&a, "%s %c %s", rows[i].a, rows[i].op, rows[i].b));
        buf_close(&out);
        arena_close(&a);
    }
}

static void decimals_are_added_and_divided_as_java_does(void)
{
    apply_rows(CQL_DECIMAL, decimals, ARRAY_LEN(decimals));
}

static void varints_are_added_and_divided_as_java_does(void)
{
    apply_rows(CQL_VARINT, varints, ARRAY_LEN(varints));
}

static void functions_have_the_digits_that_cassandra_has(void)
{
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        struct arena a = {0};
        struct errmsg e = {{0}};
        struct buf out;
        buf_init(&out, BUF_MAX_DEFAULT);
        enum err err = decimal_function(functions[i].function,
                                        value_of(&a, CQL_DECIMAL, functions[i].a), &out, &e);
        check(&a, CQL_DECIMAL, err, &e, &out, functions[i].want,
              arena_printf(&a, "%d(%s)", (int)functions[i].function, functions[i].a));
        buf_close(&out);
        arena_close(&a);
    }
}

/* (a / b) * b + a % b is a, of whole numbers of any size. */
static void quotient_and_rest_make_the_number(void)
{
    struct rng rng;
    uint64_t seed = 20240229;
    rng_init(&rng, seed);
    for (int i = 0; i < 2000; i++) {
        uint8_t raw[2][40];
        struct buf q, r, p, s;
        size_t len[2] = {1 + rng_below(&rng, 40), 1 + rng_below(&rng, 20)};
        for (size_t k = 0; k < 2; k++) {
            for (size_t j = 0; j < len[k]; j++)
                raw[k][j] = (uint8_t)rng_below(&rng, 256);
        }
        raw[1][len[1] - 1] |= 1;
        struct bytes x = bytes_make(raw[0], len[0]);
        struct bytes y = bytes_make(raw[1], len[1]);
        buf_init(&q, 200);
        buf_init(&r, 200);
        buf_init(&p, 200);
        buf_init(&s, 200);
        CU_ASSERT_EQUAL(varint_apply('/', x, y, &q, NULL), ERR_OK);
        CU_ASSERT_EQUAL(varint_apply('%', x, y, &r, NULL), ERR_OK);
        CU_ASSERT_EQUAL(varint_apply('*', buf_bytes(&q), y, &p, NULL), ERR_OK);
        CU_ASSERT_EQUAL(varint_apply('+', buf_bytes(&p), buf_bytes(&r), &s, NULL), ERR_OK);
        if (value_compare(cql_type_native(CQL_VARINT), buf_bytes(&s), x) != 0)
            CU_FAIL("quotient and rest");
        buf_close(&q);
        buf_close(&r);
        buf_close(&p);
        buf_close(&s);
    }
}

/* log(exp(x)) is x to the digits that are left, exp(log(x)) too. */
static void exp_and_log_undo_each_other(void)
{
    struct rng rng;
    rng_init(&rng, 7);
    for (int i = 0; i < 200; i++) {
        struct arena a = {0};
        struct buf e, l;
        int64_t whole = (int64_t)rng_below(&rng, 1000) - 500;
        double x = (double)whole + (double)rng_below(&rng, 1024) / 1024.0;
        buf_init(&e, 1000);
        buf_init(&l, 1000);
        struct bytes v = value_of(&a, CQL_DECIMAL, arena_printf(&a, "%.10f", x));
        CU_ASSERT_EQUAL(decimal_function(NUMBER_EXP, v, &e, NULL), ERR_OK);
        CU_ASSERT_EQUAL(decimal_function(NUMBER_LOG, buf_bytes(&e), &l, NULL), ERR_OK);
        CU_ASSERT(fabs(decimal_to_double(buf_bytes(&l)) - x) <= fabs(x) * 1e-15);
        buf_close(&e);
        buf_close(&l);
        arena_close(&a);
    }
}

static void machine_numbers_come_and_go(void)
{
    static const int64_t whole[] = {0, 1, -1, 127, 128, -128, -129, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
        struct buf b;
        buf_init(&b, 100);
        varint_from_int(whole[i], &b);
        CU_ASSERT_EQUAL(varint_to_int(buf_bytes(&b)), whole[i]);
        CU_ASSERT_EQUAL(varint_to_double(buf_bytes(&b)), (double)whole[i]);
        buf_close(&b);
    }
    struct arena a = {0};
    struct buf b;
    uint8_t large[20000] = {0x80};
    CU_ASSERT_EQUAL(varint_to_double(bytes_make(large, sizeof large)), -(double)INFINITY);
    large[0] = 1;
    CU_ASSERT_EQUAL(varint_to_double(bytes_make(large, 130)), (double)INFINITY);
    CU_ASSERT_EQUAL(varint_to_double(bytes_make(large, 128)), ldexp(1, 127 * 8));
    buf_init(&b, 100);
    CU_ASSERT_EQUAL(varint_function(NUMBER_LOG, bytes_make(large, sizeof large), &b, NULL),
                    ERR_INVALID); /* its 48,000 digits would all count */
    CU_ASSERT_EQUAL(varint_to_int(value_of(&a, CQL_VARINT, "36893488147419103239")), 7);
    decimal_from_double(1e21, &b);
    CU_ASSERT_STRING_EQUAL(text_of(&a, CQL_DECIMAL, buf_bytes(&b)), "1.0E+21");
    buf_clear(&b);
    CU_ASSERT_EQUAL(decimal_to_varint(value_of(&a, CQL_DECIMAL, "-12.99"), &b, NULL), ERR_OK);
    CU_ASSERT_EQUAL(varint_to_int(buf_bytes(&b)), -12);
    buf_close(&b);
    arena_close(&a);
}

CU_TestInfo number_tests[] = {
    {"decimals are added and divided as Java does", decimals_are_added_and_divided_as_java_does},
    {"varints are added and divided as Java does", varints_are_added_and_divided_as_java_does},
    {"functions have the digits that Cassandra has", functions_have_the_digits_that_cassandra_has},
    {"quotient and rest make the number", quotient_and_rest_make_the_number},
    {"exp and log undo each other", exp_and_log_undo_each_other},
    {"machine numbers come and go", machine_numbers_come_and_go},
    CU_TEST_INFO_NULL,
};
