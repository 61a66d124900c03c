#include "node/schema/value.h"
#include "unit/node_schema/random_value.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *type;
    enum literal_kind kind;
    const char *text;
    const char *hex;  /* NULL: refused */
    const char *want; /* text of the value or message; NULL: not looked at */
} literals[] = {
#include "unit/node_schema/literal_rows.h"
};

static struct bytes from_hex(struct arena *a, const char *hex)
{
    size_t n = strlen(hex) / 2;
    uint8_t *p = arena_alloc(a, n);
    for (size_t i = 0; i < n; i++) {
        unsigned v = 0;
        CU_ASSERT_EQUAL(sscanf(hex + 2 * i, "%2x", &v), 1);
        p[i] = (uint8_t)v;
    }
    return bytes_make(p, n);
}

static const struct cql_type *type_of(struct arena *a, const char *text)
{
    const struct cql_type *t = NULL;
    enum err err = cql_type_parse(a, bytes_text(text), &t, NULL);
    CU_ASSERT_EQUAL_FATAL(err, ERR_OK);
    return t;
}

static void constants_become_what_cassandra_makes_of_them(void)
{
    for (size_t i = 0; i < ARRAY_LEN(literals); i++) {
        struct arena a = {0};
        struct errmsg e = {{0}};
        struct buf value;
        struct buf text;
        buf_init(&value, 1000);
        buf_init(&text, 1000);
        const struct cql_type *t = type_of(&a, literals[i].type);
        enum err err =
            value_from_literal(t, literals[i].kind, bytes_text(literals[i].text), "v", &value, &e);
        bool ok;
        if (literals[i].hex == NULL) {
            ok = err == ERR_INVALID && strcmp(e.text, literals[i].want) == 0;
        } else {
            value_print(t, buf_bytes(&value), &text);
            ok = err == ERR_OK && value_validate(t, buf_bytes(&value), NULL) == ERR_OK &&
                 bytes_equal(buf_bytes(&value), from_hex(&a, literals[i].hex)) &&
                 (literals[i].want == NULL || bytes_equal_text(buf_bytes(&text), literals[i].want));
        }
        if (!ok)
            printf("%s %s: got '%.*s' %s\n", literals[i].type, literals[i].text, (int)text.len,
                   text.data != NULL ? (char *)text.data : "", e.text);
        CU_ASSERT(ok);
        buf_close(&value);
        buf_close(&text);
        arena_close(&a);
    }
}

static void bytes_that_are_no_value_are_refused(void)
{
    static const struct {
        const char *type;
        const char *hex;
        const char *message; /* NULL: valid */
    } rows[] = {
        {"ascii", "ff", "Invalid byte for ascii: -1"},
        {"bigint", "01", "Expected 8 or 0 byte long (1)"},
        {"boolean", "ff", NULL},
        {"boolean", "0102", "Expected 1 or 0 byte value (2)"},
        {"counter", "", NULL},
        {"date", "", "Expected 4 byte long for date (0)"},
        {"decimal", "01", "Expected 0 or at least 4 bytes (1)"},
        {"double", "01", "Expected 8 or 0 byte value for a double (1)"},
        {"duration", "", "Expected at least 3 bytes for a duration (0)"},
        {"duration", "040600", NULL},
        {"float", "01", "Expected 4 or 0 byte value for a float (1)"},
        {"inet", "01ffff", "Expected 4 or 16 byte inetaddress; got 01ffff"},
        {"int", "", NULL},
        {"int", "01", "Expected 4 or 0 byte int (1)"},
        {"smallint", "", "Expected 2 bytes for a smallint (0)"},
        {"text", "c3a9", NULL},
        {"text", "ff", "String didn't validate."},
        {"text", "c0af", "String didn't validate."},
        {"text", "f0908080", NULL},
        {"time", "00", "Expected 8 byte long for time (1)"},
        {"timestamp", "01", "Expected 8 or 0 byte long for date (1)"},
        {"timeuuid", "00000000000040000000000000000000", "Invalid version for TimeUUID type: 0x4"},
        {"tinyint", "", "Expected 1 byte for a tinyint (0)"},
        {"uuid", "01", "UUID should be 16 or 0 bytes (1)"},
        {"varint", "", NULL},
        {"list<int>", "", "Not enough bytes to read a list"},
        {"list<int>", "7fffffff", "Not enough bytes to read a list"},
        {"set<int>", "0000000100000004", "Not enough bytes to read a set"},
        {"list<int>", "00000001ffffffff", "Null value read when not allowed"},
        {"list<int>", "0000000000000000", "Unexpected extraneous bytes after list value"},
        {"list<int>", "0000000100000005000000000100", "Expected 4 or 0 byte int (5)"},
        {"map<int,text>", "0000000100000004000000010000000161", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena a = {0};
        struct errmsg e = {{0}};
        enum err err = value_validate(type_of(&a, rows[i].type), from_hex(&a, rows[i].hex), &e);
        bool ok = rows[i].message == NULL
                      ? err == ERR_OK
                      : err == ERR_INVALID && strcmp(e.text, rows[i].message) == 0;
        if (!ok)
            printf("%s %s: %s\n", rows[i].type, rows[i].hex, e.text);
        CU_ASSERT(ok);
        arena_close(&a);
    }
}

static void values_are_ordered_as_in_cassandra(void)
{
    /* Each row in ascending order. */
    static const struct {
        const char *type;
        const char *hex[6];
    } rows[] = {
        {"int", {"", "80000000", "ffffffff", "00000000", "7fffffff"}},
        {"float", {"ff800000", "80000000", "00000000", "7f800000", "7fc00000"}},
        {"double",
         {"fff0000000000000", "8000000000000000", "0000000000000000", "7ff0000000000000",
          "7ff8000000000000"}},
        {"decimal", {"00000000ff", "0000000000", "0000000201", "0000000101", "fffffffe01"}},
        {"varint", {"ff00", "ff7f", "ff", "00", "7f", "0080"}},
        {"date", {"00000000", "7fffffff", "80000000", "ffffffff"}},
        {"inet", {"", "00000001", "0000000100000000000000000000000a", "7f000001"}},
        {"boolean", {"", "00", "01"}},
        {"uuid",
         {"ffffffffffff0fffffffffffffffffff", "00000001ffff1000ffffffffffffffff",
          "00000000000010010000000000000000", "00000000000040000000000000000000"}},
        {"timeuuid",
         {"00000000000010008000000000000000", "00000000000010000000000000000000",
          "00000000000010007f00000000000000", "00000001000010008000000000000000"}},
        {"frozen<list<int>>",
         {"00000000", "000000010000000400000001", "00000002000000040000000100000004ffffffff",
          "000000010000000400000002"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena a = {0};
        const struct cql_type *t = type_of(&a, rows[i].type);
        for (size_t j = 0; j + 1 < 6 && rows[i].hex[j + 1] != NULL; j++) {
            struct bytes x = from_hex(&a, rows[i].hex[j]);
            struct bytes y = from_hex(&a, rows[i].hex[j + 1]);
            if (value_compare(t, x, y) >= 0 || value_compare(t, y, x) <= 0) {
                printf("%s: %s is not before %s\n", rows[i].type, rows[i].hex[j],
                       rows[i].hex[j + 1]);
                CU_FAIL("order");
            }
            CU_ASSERT_EQUAL(value_compare(t, x, x), 0);
        }
        arena_close(&a);
    }
}

static void sets_and_maps_are_sorted_and_unique(void)
{
    struct arena a = {0};
    struct buf out;
    struct buf text;
    buf_init(&out, 1000);
    buf_init(&text, 1000);
    const struct cql_type *map = type_of(&a, "map<text, text>");
    struct bytes items[] = {BYTES_LIT("b"), BYTES_LIT("1"), BYTES_LIT("a"),   BYTES_LIT("2"),
                            BYTES_LIT("b"), BYTES_LIT("3"), BYTES_LIT("a'b"), BYTES_LIT("")};
    CU_ASSERT_EQUAL(value_collection_build(map, items, 8, &out, NULL), ERR_OK);
    value_print(map, buf_bytes(&out), &text);
    CU_ASSERT(bytes_equal_text(buf_bytes(&text), "{'a': '2', 'a''b': '', 'b': '3'}"));
    const struct cql_type *nested = type_of(&a, "frozen<list<set<tinyint>>>");
    struct bytes given = from_hex(&a, "0000000100000013000000030000000102000000010100000001020");
    buf_clear(&out);
    buf_clear(&text);
    value_normalize(nested, given, &out);
    value_print(nested, buf_bytes(&out), &text);
    CU_ASSERT(bytes_equal_text(buf_bytes(&text), "[{1, 2}]"));
    buf_close(&out);
    buf_close(&text);
    arena_close(&a);
}

/* What is printed as a literal reads back as the same value. */
static void scalars_survive_their_text(void)
{
    static const struct {
        enum cql_kind type;
        enum literal_kind kind;
    } rows[] = {{CQL_BIGINT, LITERAL_INTEGER},   {CQL_INT, LITERAL_INTEGER},
                {CQL_VARINT, LITERAL_INTEGER},   {CQL_DECIMAL, LITERAL_FLOAT},
                {CQL_DOUBLE, LITERAL_FLOAT},     {CQL_FLOAT, LITERAL_FLOAT},
                {CQL_DATE, LITERAL_STRING},      {CQL_UUID, LITERAL_UUID},
                {CQL_INET, LITERAL_STRING},      {CQL_TEXT, LITERAL_STRING},
                {CQL_DURATION, LITERAL_DURATION}};
    struct rng r;
    rng_init(&r, 11);
    for (int i = 0; i < 5000; i++) {
        struct arena a = {0};
        struct buf text;
        struct buf back;
        struct buf canonical;
        buf_init(&text, 10000);
        buf_init(&back, 10000);
        buf_init(&canonical, 10000);
        size_t row = rng_below(&r, ARRAY_LEN(rows));
        const struct cql_type *t = cql_type_native(rows[row].type);
        struct bytes v = random_value(&r, &a, t);
        value_print(t, v, &text);
        if (v.len > 0 && text.len > 0) {
            CU_ASSERT_EQUAL(
                value_from_literal(t, rows[row].kind, buf_bytes(&text), "v", &back, NULL), ERR_OK);
            value_canonical(t, v, &canonical);
            if (value_compare(t, buf_bytes(&back), v) != 0) {
                printf("%.*s\n", (int)text.len, (char *)text.data);
                CU_FAIL("did not come back");
            }
            CU_ASSERT_EQUAL(value_compare(t, buf_bytes(&canonical), v), 0);
        }
        buf_close(&text);
        buf_close(&back);
        buf_close(&canonical);
        arena_close(&a);
    }
}

/* Whole values as strings: a part that is bytes must be of its type as well. */
static void strings_become_values_of_any_type(void)
{
    static const struct {
        const char *type;
        const char *text;
        const char *hex; /* NULL: refused */
    } rows[] = {{"int", "7", "00000007"},
                {"boolean", "TRUE", "01"},
                {"boolean", "yes", NULL},
                {"tuple<int, text>", "1:a\\:b", "000000040000000100000003613a62"},
                {"tuple<int, text>", "@:\\@", "ffffffff0000000140"},
                {"tuple<int, text>", "1", "0000000400000001"},
                {"tuple<int, text>", "1:a:b", NULL},
                {"tuple<int, text>", "x:a", NULL},
                {"tuple<text, tuple<text, text>>", ":", "000000000000000400000000"},
                {"tuple<list<int>>", "00000000", "0000000400000000"},
                {"tuple<list<int>>", "", NULL},
                {"tuple<list<int>>", "01", NULL},
                {"vector<tinyint, 2>", "01010102", "01010102"},
                {"vector<tinyint, 2>", "0102", NULL}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena a = {0};
        struct buf out;
        buf_init(&out, 1000);
        enum err err =
            value_from_text(type_of(&a, rows[i].type), bytes_text(rows[i].text), &out, NULL);
        bool good = rows[i].hex == NULL
                        ? err == ERR_INVALID
                        : err == ERR_OK && bytes_equal(buf_bytes(&out), from_hex(&a, rows[i].hex));
        if (!good) {
            printf("%s from '%s': err %d, %zu bytes\n", rows[i].type, rows[i].text, (int)err,
                   out.len);
            CU_FAIL("another value");
        }
        buf_close(&out);
        arena_close(&a);
    }
}

CU_TestInfo value_tests[] = {
    {"constants become what Cassandra makes of them",
     constants_become_what_cassandra_makes_of_them},
    {"bytes that are no value are refused", bytes_that_are_no_value_are_refused},
    {"values are ordered as in Cassandra", values_are_ordered_as_in_cassandra},
    {"sets and maps are sorted and unique", sets_and_maps_are_sorted_and_unique},
    {"scalars survive their text", scalars_survive_their_text},
    {"strings become values of any type", strings_become_values_of_any_type},
    CU_TEST_INFO_NULL};
