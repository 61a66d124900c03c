#include "node/schema/json.h"
#include "unit/node_schema/random_value.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

/* Texts, and how what was read of them prints; or "! " and how the refusal begins. */
static const char *const texts[][2] = {
    {"null", "null"},
    {" true ", "true"},
    {"false x", "false"},
    {"-0", "-0"},
    {"12345678901234567890123", "12345678901234567890123"},
    {"1.50", "1.5"},
    {"1e3", "1000.0"},
    {"1E400", "Infinity"},
    {"\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "a\"\\/\b\f\n\r\t"},
    {"\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"", "A\u00e9\u20ac\U0001F600"},
    {"\"\\ud83d\"", "?"},
    {"\"\\ud83d\\u0041\"", "?A"},
    {"[]", "[]"},
    {"[1, [2], {\"a\": null}]", "[1, [2], {a=null}]"},
    {"{}", "{}"},
    {"{\"a\" : 1 ,\n\"b\":[ ]}", "{a=1, b=[]}"},
    {"", "! No content to map due to end-of-input: line 1, column 1"},
    {"  ", "! No content to map due to end-of-input"},
    {"nul", "! Unrecognized token 'nul': was expecting"},
    {"nullx", "! Unrecognized token 'nullx'"},
    {"{k: 1}", "! Unexpected character ('k' (code 107)): was expecting double-quote to start"},
    {"{\"a\" 1}", "! Unexpected character ('1' (code 49)): was expecting a colon"},
    {"{\"a\": 1,}", "! Unexpected character ('}' (code 125)): was expecting double-quote"},
    {"[1,]", "! Unexpected character (']' (code 93)): expected a valid value"},
    {"[1 2]", "! Unexpected character ('2' (code 50)): was expecting comma"},
    {"[1", "! Unexpected end-of-input"},
    {"05", "! Invalid numeric value: Leading zeroes not allowed: line 1, column 1"},
    {"-", "! Unexpected end-of-input"},
    {"1.", "! Unexpected end-of-input"},
    {"1.e", "! Unexpected character ('e' (code 101)): Decimal point not followed by a digit"},
    {"1ex", "! Unexpected character ('x' (code 120)): Exponent indicator not followed"},
    {".5", "! Unexpected character ('.' (code 46)): expected a valid value"},
    {"+5", "! Unexpected character ('+' (code 43)): expected a valid value"},
    {"NaN", "! Unrecognized token 'NaN'"},
    {"\"a", "! Unexpected end-of-input in a string"},
    {"\"a\\", "! Unexpected end-of-input in a string"},
    {"\"\\x\"", "! Unrecognized character escape"},
    {"\"\\u12g4\"", "! Unexpected character ('1' (code 49)): expected a hex-digit"},
    {"\"a\nb\"", "! Illegal unquoted character"},
    {"[\n\n x]", "! Unrecognized token 'x': was expecting (JSON String, Number, Array, Object or "
                 "token 'null', 'true' or 'false'): line 3, column 2"},
};

static void texts_are_read_to_the_letter(void)
{
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct arena a = {0};
        struct json j;
        struct errmsg e = {{0}};
        struct buf b;
        buf_init(&b, 1000);
        bool bad = texts[i][1][0] == '!';
        const char *want = texts[i][1] + (bad ? 2 : 0);
        enum err err = json_read(&a, bytes_text(texts[i][0]), &j, &e);
        if (err == ERR_OK)
            json_print_plain(&j, &b);
        bool ok = bad ? err == ERR_INVALID && strncmp(e.text, want, strlen(want)) == 0
                      : err == ERR_OK && bytes_equal_text(buf_bytes(&b), want);
        if (!ok)
            printf("%s: got %.*s%s\n", texts[i][0], (int)b.len, b.len > 0 ? (char *)b.data : "",
                   e.text);
        CU_ASSERT(ok);
        buf_close(&b);
        arena_close(&a);
    }
}

static void depth_is_bounded(void)
{
    struct arena a = {0};
    struct json j;
    char text[2 * (JSON_DEPTH_MAX + 2)];
    memset(text, '[', sizeof text);
    CU_ASSERT_EQUAL(json_read(&a, bytes_make(text, JSON_DEPTH_MAX + 2), &j, NULL), ERR_INVALID);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    CU_ASSERT_EQUAL(json_read(&a, bytes_make(text, 2 * JSON_DEPTH_MAX), &j, NULL), ERR_OK);
    arena_close(&a);
}

/* Types, JSON and what the value made of it is as JSON; or "! " and the refusal. */
static const char *const values[][3] = {
    {"int", "\"5\"", "5"},
    {"int", "\"+5\"", "5"},
    {"int", "5.0", "! Expected an int value, but got a Double: 5.0"},
    {"int", "[1]", "! Expected an int value, but got a ArrayList: [1]"},
    {"int", "12345678901", "! Expected an int value, but got a Long: 12345678901"},
    {"tinyint", "128", "! Unable to make byte from '128'"},
    {"smallint", "1.5", "! Unable to make short from '1.5'"},
    {"bigint", "9223372036854775808",
     "! Expected a bigint value, but got a BigInteger: 9223372036854775808"},
    {"varint", "123456789012345678901234567890", "123456789012345678901234567890"},
    {"varint", "1.0", "! Value '1.0' is not a valid representation of a varint value"},
    {"decimal", "\"1.50\"", "1.50"},
    {"decimal", "1.50", "1.5"},
    {"decimal", "12345678901234567890", "12345678901234567890"},
    {"decimal", "1e400", "! Value 'Infinity' is not a valid representation of a decimal value"},
    {"double", "\" 0x1p3d \"", "8.0"},
    {"double", "\"NaN\"", "null"},
    {"double", "\"nan\"", "! Unable to make double from 'nan'"},
    {"float", "16777217", "1.6777216E7"},
    {"boolean", "\"TRUE\"", "true"},
    {"boolean", "\"\"", "false"},
    {"boolean", "1", "! Expected a boolean value, but got a Integer: 1"},
    {"blob", "\"0xCAFE\"", "\"0xcafe\""},
    {"blob", "\"0xabc\"",
     "! Value '0xabc' is not a valid blob representation: cannot parse 'abc' as hex bytes"},
    {"timestamp", "1709210096789", "\"2024-02-29 12:34:56.789Z\""},
    {"timestamp", "0",
     "! Expected a long or a datestring representation of a timestamp value, but got a Integer: 0"},
    {"date", "\"2024-02-29\"", "\"2024-02-29\""},
    {"time", "\"5\"", "\"00:00:00.000000005\""},
    {"duration", "\"P1D\"", "\"1d\""},
    {"inet", "\"::1\"", "\"0:0:0:0:0:0:0:1\""},
    {"uuid", "\"123E4567-E89B-42D3-A456-426614174000\"",
     "\"123e4567-e89b-42d3-a456-426614174000\""},
    {"timeuuid", "\"x\"", "! Unknown timeuuid representation: x"},
    {"text", "5", "! Expected a UTF-8 string, but got a Integer: 5"},
    {"text", "\"\\u0001\\u001f\\n\\\"\"", "\"\\u0001\\u001F\\n\\\"\""},
    {"list<int>", "[1, \"2\"]", "[1, 2]"},
    {"list<int>", "\"[1]\"", "[1]"},
    {"list<int>", "[null]", "! Invalid null element in list"},
    {"list<int>", "{\"a\": 1}", "! Expected a list, but got a LinkedHashMap: {a=1}"},
    {"set<text>", "[\"b\", \"a\", \"b\"]", "[\"a\", \"b\"]"},
    {"map<int, text>", "{\"2\": \"b\", \"1\": \"a\", \"2\": \"c\"}",
     "{\"1\": \"a\", \"2\": \"c\"}"},
    {"map<int, text>", "{\"1\": null}", "! Invalid null value in map"},
    {"frozen<map<frozen<list<int>>, int>>", "{\"[1, 2]\": 3}", "{\"[1, 2]\": 3}"},
    {"tuple<int, text>", "[1, null]", "[1, null]"},
    {"tuple<int, text>", "[1]", "! Tuple is missing items (expected 2): [1]"},
    {"vector<float, 2>", "[1, 2.5]", "[1.0, 2.5]"},
    {"vector<float, 2>", "[1]", "! List had incorrect size: expected 2 but given 1; [1]"},
};

static void values_are_made_and_refused_as_cassandra_does(void)
{
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct arena a = {0};
        struct json j;
        struct errmsg e = {{0}};
        struct buf v, text;
        const struct cql_type *type = NULL;
        bool null;
        buf_init(&v, 1000);
        buf_init(&text, 1000);
        CU_ASSERT_EQUAL(cql_type_parse(&a, bytes_text(values[i][0]), &type, NULL), ERR_OK);
        CU_ASSERT_EQUAL(json_read(&a, bytes_text(values[i][1]), &j, NULL), ERR_OK);
        enum err err = value_from_json(&a, type, &j, &v, &null, &e);
        if (err == ERR_OK)
            value_print_json(type, buf_bytes(&v), &text);
        const char *want = values[i][2];
        bool ok = want[0] == '!' ? err == ERR_INVALID && strcmp(e.text, want + 2) == 0
                                 : err == ERR_OK && bytes_equal_text(buf_bytes(&text), want);
        if (!ok)
            printf("%s %s: got %.*s%s\n", values[i][0], values[i][1], (int)text.len,
                   text.len > 0 ? (char *)text.data : "", e.text);
        CU_ASSERT(ok);
        buf_close(&v);
        buf_close(&text);
        arena_close(&a);
    }
}

/* Of these the JSON says less than the value: NaN, numbers with a point read as doubles, a
 * timestamp before the year 1, small ones that only a long may be, empty numbers, times beyond a
 * day. */
static bool is_lossy(const struct cql_type *t)
{
    return cql_type_mentions(t, CQL_FLOAT) || cql_type_mentions(t, CQL_DOUBLE) ||
           cql_type_mentions(t, CQL_DECIMAL) || cql_type_mentions(t, CQL_TIMESTAMP) ||
           cql_type_mentions(t, CQL_DURATION) || cql_type_mentions(t, CQL_DATE) ||
           cql_type_mentions(t, CQL_INET) || cql_type_mentions(t, CQL_BOOLEAN) ||
           cql_type_mentions(t, CQL_VARINT) || cql_type_mentions(t, CQL_TIME) ||
           cql_type_mentions(t, CQL_COUNTER);
}

static void values_survive_their_json(void)
{
    struct rng rng;
    rng_init(&rng, 11);
    unsigned compared = 0;
    for (int i = 0; i < 5000; i++) {
        struct arena a = {0};
        struct buf text, again;
        struct json j;
        struct errmsg e = {{0}};
        bool null = true;
        const struct cql_type *type = random_type(&rng, &a, 2);
        struct bytes v = random_value(&rng, &a, type);
        buf_init(&text, BUF_MAX_DEFAULT);
        buf_init(&again, BUF_MAX_DEFAULT);
        value_print_json(type, v, &text);
        enum err err = json_read(&a, buf_bytes(&text), &j, &e);
        bool good = err == ERR_OK;
        err = good ? value_from_json(&a, type, &j, &again, &null, &e) : err;
        if (good && !is_lossy(type) && !cql_type_mentions(type, CQL_UDT) &&
            !cql_type_mentions(type, CQL_TUPLE) && !cql_type_mentions(type, CQL_VECTOR)) {
            /* those may lack parts, which become null */
            good = err == ERR_OK && !null && value_compare(type, v, buf_bytes(&again)) == 0;
            compared++;
        }
        if (!good)
            printf("seed 11, %d, %s: %.*s %s\n", i, cql_type_text(&a, type),
                   (int)(text.len < 300 ? text.len : 300), (char *)text.data, e.text);
        CU_ASSERT(good);
        buf_close(&text);
        buf_close(&again);
        arena_close(&a);
        if (!good)
            break;
    }
    CU_ASSERT(compared > 500);
}

CU_TestInfo json_tests[] = {
    {"texts are read to the letter", texts_are_read_to_the_letter},
    {"depth is bounded", depth_is_bounded},
    {"values are made and refused as Cassandra does",
     values_are_made_and_refused_as_cassandra_does},
    {"values survive their JSON", values_survive_their_json},
    CU_TEST_INFO_NULL,
};
