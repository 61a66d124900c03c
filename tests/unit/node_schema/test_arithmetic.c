/* + - * / % of values: the types of results, and what they are. The answers are Cassandra's. */
#include "base/arena.h"
#include "node/schema/arithmetic.h"
#include "node/schema/value.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static struct bytes parse(struct arena *a, const struct cql_type *type, const char *text)
{
    bool number = arithmetic_is_number(type) && strspn(text, "-0123456789") == strlen(text);
    bool real = strspn(text, "-0123456789.eNaInfity") == strlen(text);
    enum literal_kind kind = type->kind == CQL_DURATION           ? LITERAL_DURATION
                             : number                             ? LITERAL_INTEGER
                             : real && arithmetic_is_number(type) ? LITERAL_FLOAT
                                                                  : LITERAL_STRING;
    struct buf b;
    struct errmsg m;
    buf_init(&b, 4096);
    enum err err = value_from_literal(type, kind, bytes_text(text), "x", &b, &m);
    CU_ASSERT_EQUAL(err, ERR_OK);
    struct bytes value = arena_copy(a, buf_bytes(&b));
    buf_close(&b);
    return value;
}

static void table(void)
{
    static const struct {
        enum cql_kind left;
        const char *a;
        char op;
        enum cql_kind right;
        const char *b;
        enum cql_kind result; /* 0: no such operation */
        const char *want;     /* "!…": why it cannot be had */
    } rows[] = {
        {CQL_INT, "2147483647", '+', CQL_INT, "1", CQL_INT, "-2147483648"},
        {CQL_INT, "-2147483648", '/', CQL_INT, "-1", CQL_INT, "-2147483648"},
        {CQL_INT, "-2147483648", '%', CQL_INT, "-1", CQL_INT, "0"},
        {CQL_BIGINT, "9223372036854775807", '+', CQL_INT, "1", CQL_BIGINT, "-9223372036854775808"},
        {CQL_TINYINT, "100", '*', CQL_TINYINT, "100", CQL_TINYINT, "16"},
        {CQL_TINYINT, "1", '-', CQL_SMALLINT, "2", CQL_SMALLINT, "-1"},
        {CQL_INT, "-7", '/', CQL_INT, "2", CQL_INT, "-3"},
        {CQL_INT, "-7", '%', CQL_INT, "4", CQL_INT, "-3"},
        {CQL_INT, "7", '%', CQL_INT, "-4", CQL_INT, "3"},
        {CQL_INT, "1", '/', CQL_INT, "0", CQL_INT, "!/ by zero"},
        {CQL_INT, "1", '/', CQL_DOUBLE, "0", CQL_DOUBLE, "Infinity"},
        {CQL_INT, "1", '+', CQL_FLOAT, "1.5", CQL_FLOAT, "2.5"},
        {CQL_BIGINT, "1", '+', CQL_FLOAT, "1.5", CQL_DOUBLE, "2.5"},
        {CQL_VARINT, "1", '+', CQL_FLOAT, "1.5", CQL_DECIMAL, "2.5"},
        {CQL_DOUBLE, "7", '%', CQL_DOUBLE, "2.5", CQL_DOUBLE, "2.0"},
        {CQL_VARINT, "99999999999999999999", '+', CQL_INT, "1", CQL_VARINT,
         "100000000000000000000"},
        {CQL_VARINT, "1", '/', CQL_INT, "0", CQL_VARINT, "!BigInteger divide by zero"},
        {CQL_DECIMAL, "1.50", '+', CQL_DECIMAL, "1.5", CQL_DECIMAL, "3.00"},
        {CQL_DECIMAL, "1.5", '*', CQL_DECIMAL, "2.50", CQL_DECIMAL, "3.750"},
        {CQL_DECIMAL, "1", '/', CQL_INT, "3", CQL_DECIMAL, "0.33333333333333333333333333333333"},
        {CQL_DECIMAL, "60", '/', CQL_INT, "3", CQL_DECIMAL, "2E+1"},
        {CQL_DECIMAL, "1e-10", '/', CQL_INT, "3", CQL_DECIMAL,
         "3.3333333333333333333333333333333E-11"},
        {CQL_DECIMAL, "100", '%', CQL_DECIMAL, "3.00", CQL_DECIMAL, "1.00"},
        {CQL_DECIMAL, "100", '%', CQL_DECIMAL, "10.00", CQL_DECIMAL, "0.0"},
        {CQL_DECIMAL, "-7", '%', CQL_DECIMAL, "2.5", CQL_DECIMAL, "-2.0"},
        {CQL_DECIMAL, "1", '%', CQL_INT, "0", CQL_DECIMAL, "!Division by zero"},
        {CQL_DECIMAL, "1", '+', CQL_DOUBLE, "NaN", CQL_DECIMAL,
         "!A NaN cannot be converted into a decimal"},
        {CQL_TEXT, "ab", '+', CQL_ASCII, "c", CQL_TEXT, "abc"},
        {CQL_ASCII, "", '+', CQL_ASCII, "c", CQL_ASCII, "c"},
        {CQL_DATE, "2024-01-31", '+', CQL_DURATION, "1mo", CQL_DATE, "2024-02-29"},
        {CQL_DATE, "2024-03-31", '-', CQL_DURATION, "1y1mo", CQL_DATE, "2023-02-28"},
        {CQL_DATE, "2024-01-01", '+', CQL_DURATION, "1h", CQL_DATE,
         "!The duration must have a day precision. Was: 1h"},
        {CQL_TIMESTAMP, "2024-01-31 12:00+0000", '+', CQL_DURATION, "1mo2d3h", CQL_TIMESTAMP,
         "2024-03-02T15:00:00.000Z"},
        {CQL_DURATION, "1d", '+', CQL_DATE, "2024-01-01", 0, NULL},
        {CQL_DATE, "2024-01-01", '*', CQL_DURATION, "1d", 0, NULL},
        {CQL_TEXT, "a", '-', CQL_TEXT, "b", 0, NULL},
        {CQL_INT, "1", '+', CQL_TEXT, "b", 0, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct cql_type *left = cql_type_native(rows[i].left);
        const struct cql_type *right = cql_type_native(rows[i].right);
        const struct cql_type *type = arithmetic_type(rows[i].op, left, right);
        CU_ASSERT_PTR_EQUAL(type, rows[i].result != 0 ? cql_type_native(rows[i].result) : NULL);
        if (type == NULL || rows[i].result == 0)
            continue;
        struct arena a = {0};
        struct buf value, text;
        struct errmsg m;
        buf_init(&value, 4096);
        buf_init(&text, 4096);
        enum err err = arithmetic_apply(rows[i].op, left, parse(&a, left, rows[i].a), right,
                                        parse(&a, right, rows[i].b), &value, &m);
        if (err == ERR_OK)
            value_print(type, buf_bytes(&value), &text);
        else
            buf_printf(&text, "!%s", m.text);
        bool same = bytes_equal_text(buf_bytes(&text), rows[i].want);
        CU_ASSERT(same);
        if (!same)
            printf("\n  %s %c %s\n    want %s\n    have %.*s\n", rows[i].a, rows[i].op, rows[i].b,
                   rows[i].want, (int)text.len, (const char *)text.data);
        buf_close(&value);
        buf_close(&text);
        arena_close(&a);
    }
}

/* A scale is the client's to choose: not much memory follows from it. */
static void far_apart(void)
{
    const struct cql_type *decimal = cql_type_native(CQL_DECIMAL);
    static const char ops[] = "+-*/%";
    static const uint8_t large[] = {0x80, 0, 0, 0, 7}, small[] = {0x7f, 0xff, 0xff, 0xff, 3};
    for (size_t i = 0; i < sizeof ops - 1; i++) {
        struct buf b;
        struct errmsg m;
        buf_init(&b, 1 << 20);
        enum err err = arithmetic_apply(ops[i], decimal, bytes_make(large, sizeof large), decimal,
                                        bytes_make(small, sizeof small), &b, &m);
        CU_ASSERT(err == ERR_OK || err == ERR_INVALID);
        CU_ASSERT(b.len < 8192);
        buf_close(&b);
    }
}

static void negation(void)
{
    static const struct {
        enum cql_kind kind;
        const char *a, *want;
    } rows[] = {{CQL_INT, "-2147483648", "-2147483648"},
                {CQL_TINYINT, "5", "-5"},
                {CQL_VARINT, "-99999999999999999999", "99999999999999999999"},
                {CQL_DECIMAL, "1.50", "-1.50"},
                {CQL_DOUBLE, "0.5", "-0.5"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct cql_type *type = cql_type_native(rows[i].kind);
        struct arena a = {0};
        struct buf value, text;
        buf_init(&value, 4096);
        buf_init(&text, 4096);
        arithmetic_negate(type, parse(&a, type, rows[i].a), &value);
        value_print(type, buf_bytes(&value), &text);
        CU_ASSERT(bytes_equal_text(buf_bytes(&text), rows[i].want));
        buf_close(&value);
        buf_close(&text);
        arena_close(&a);
    }
}

CU_TestInfo arithmetic_tests[] = {
    {"a table", table},
    {"far apart", far_apart},
    {"negation", negation},
    CU_TEST_INFO_NULL,
};
