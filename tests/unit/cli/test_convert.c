#include "cli/cells.h"
#include "cli/convert.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static struct arena arena;

static const struct cql_type *type_of(const char *text)
{
    const struct cql_type *type = NULL;
    CU_ASSERT_EQUAL_FATAL(cql_type_parse(&arena, bytes_text(text), &type, NULL), ERR_OK);
    return type;
}

/* type, text of a field, as it is exported, as the shell shows it, as JSON */
static const struct row {
    const char *type, *in, *exported, *shown, *json;
} rows[] = {
    {"int", "42", "42", "42", "42"},
    {"int", " -7 ", "-7", "-7", "-7"},
    {"int", "+7", "7", "7", "7"},
    {"bigint", "9223372036854775807", "9223372036854775807", "9223372036854775807",
     "9223372036854775807"},
    {"smallint", "-32768", "-32768", "-32768", "-32768"},
    {"tinyint", "127", "127", "127", "127"},
    {"varint", "123456789012345678901234567890", "123456789012345678901234567890",
     "123456789012345678901234567890", "123456789012345678901234567890"},
    {"decimal", "1.50", "1.50", "1.50", "1.50"},
    {"double", "0.1", "0.1", "0.1", "0.1"},
    {"double", "1e300", "1.0E300", "1e+300", "1.0E300"},
    {"double", "NaN", "NaN", "NaN", "\"NaN\""},
    {"float", "3.14159274", "3.1415927", "3.14159", "3.1415927"},
    {"boolean", "TRUE", "true", "True", "true"},
    {"boolean", "0", "false", "False", "false"},
    {"text", "it's", "it's", "it's", "\"it's\""},
    {"text", "a\nb\"", "a\nb\"", "a\\nb\"", "\"a\\nb\\\"\""},
    {"blob", "0x00FF", "0x00ff", "0x00ff", "\"0x00ff\""},
    {"uuid", "6BA7B810-9dad-11d1-80b4-00c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
     "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\""},
    {"inet", "::1", "0:0:0:0:0:0:0:1", "::1", "\"0:0:0:0:0:0:0:1\""},
    {"date", "2026-01-02", "2026-01-02", "2026-01-02", "\"2026-01-02\""},
    {"time", "03:04:05.6", "03:04:05.600000000", "03:04:05.600000000", "\"03:04:05.600000000\""},
    {"timestamp", "2026-01-02 03:04:05.006000+0000", "2026-01-02 03:04:05.006+0000",
     "2026-01-02 03:04:05.006000+0000", "\"2026-01-02T03:04:05.006Z\""},
    {"timestamp", "0", "1970-01-01 00:00:00.000+0000", "1970-01-01 00:00:00.000000+0000",
     "\"1970-01-01T00:00:00.000Z\""},
    {"duration", "1d2h", "1d2h", "1d2h", "\"1d2h\""},
    {"list<int>", "[3, 1,3]", "[3, 1, 3]", "[3, 1, 3]", "[3, 1, 3]"},
    {"set<text>", "{'b', 'it''s, a', 'b'}", "{'b', 'it''s, a'}", "{'b', 'it''s, a'}",
     "[\"b\", \"it's, a\"]"},
    {"set<text>", "{}", "{}", "{}", "[]"},
    {"map<text, int>", "{'k': 1, 'a': 2}", "{'a': 2, 'k': 1}", "{'a': 2, 'k': 1}",
     "{\"a\": 2, \"k\": 1}"},
    {"map<int, frozen<list<double>>>", "{1: [0.5], 2: []}", "{1: [0.5], 2: []}",
     "{1: [0.5], 2: []}", "{\"1\": [0.5], \"2\": []}"},
    {"set<timestamp>", "{'2026-01-02 03:04:05+0000'}", "{'2026-01-02T03:04:05.000Z'}",
     "{'2026-01-02 03:04:05.000000+0000'}", "[\"2026-01-02T03:04:05.000Z\"]"},
};

static void check(size_t i, const char *what, const struct buf *got, const char *expected)
{
    bool same = bytes_equal_text(buf_bytes(got), expected);
    CU_ASSERT_TRUE(same);
    if (!same)
        printf("\n  row %zu %s: %.*s\n", i, what, (int)got->len, (const char *)got->data);
}

static void in_and_out(void)
{
    struct buf value, again, text;
    struct errmsg why;
    buf_init(&value, 4096);
    buf_init(&again, 4096);
    buf_init(&text, 4096);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct cql_type *type = type_of(rows[i].type);
        buf_clear(&value);
        enum err err = convert_text(type, bytes_text(rows[i].in), "c", &value, &why);
        CU_ASSERT_EQUAL(err, ERR_OK);
        if (err != ERR_OK) {
            printf("\n  row %zu: %s\n", i, why.text);
            continue;
        }
        buf_clear(&text);
        convert_print(type, buf_bytes(&value), &text);
        check(i, "exported", &text, rows[i].exported);
        buf_clear(&again);
        CU_ASSERT_EQUAL(convert_text(type, buf_bytes(&text), "c", &again, NULL), ERR_OK);
        CU_ASSERT_TRUE(bytes_equal(buf_bytes(&value), buf_bytes(&again)));
        buf_clear(&text);
        cell_print(type, buf_bytes(&value), &text);
        check(i, "shown", &text, rows[i].shown);
        buf_clear(&text);
        cell_print_json(type, buf_bytes(&value), &text);
        check(i, "json", &text, rows[i].json);
    }
    buf_close(&value);
    buf_close(&again);
    buf_close(&text);
    arena_close(&arena);
}

static void refuses_with_words(void)
{
    static const struct bad {
        const char *type, *in;
    } bad[] = {
        {"int", "x"},
        {"int", "2147483648"},
        {"int", ""},
        {"boolean", "yes?"},
        {"blob", "ff"},
        {"uuid", "1-2"},
        {"list<int>", "1,2"},
        {"list<int>", "[1"},
        {"list<int>", "[1] x"},
        {"map<int, int>", "{1}"},
        {"map<int, int>", "{1: }"},
        {"set<text>", "{'open}"},
        {"double", "1.5.2"},
        {"timestamp", "soon"},
    };
    struct buf value;
    struct errmsg why;
    buf_init(&value, 4096);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        why.text[0] = 0;
        CU_ASSERT_EQUAL(
            convert_text(type_of(bad[i].type), bytes_text(bad[i].in), "the_column", &value, &why),
            ERR_INVALID);
        CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "the_column"));
        CU_ASSERT_EQUAL(value.len, 0);
    }
    buf_close(&value);
    arena_close(&arena);
}

/* What a server sends that is no value of its type is shown as bytes. */
static void shows_broken_values_as_bytes(void)
{
    struct buf text;
    buf_init(&text, 4096);
    cell_print(type_of("int"), BYTES_LIT("abc"), &text);
    CU_ASSERT_TRUE(bytes_equal_text(buf_bytes(&text), "0x616263"));
    buf_clear(&text);
    cell_print_json(NULL, BYTES_LIT("a"), &text);
    CU_ASSERT_TRUE(bytes_equal_text(buf_bytes(&text), "\"0x61\""));
    buf_clear(&text);
    cell_print(type_of("text"), BYTES_LIT("\033[2J\xff"), &text);
    CU_ASSERT_TRUE(bytes_equal_text(buf_bytes(&text), "0x1b5b324aff"));
    buf_clear(&text);
    cell_print(type_of("text"), BYTES_LIT("\033[2J"), &text);
    CU_ASSERT_TRUE(bytes_equal_text(buf_bytes(&text), "\\x1b[2J"));
    buf_close(&text);
    arena_close(&arena);
}

CU_TestInfo convert_tests[] = {
    {"in and out", in_and_out},
    {"refuses with words", refuses_with_words},
    {"shows broken values as bytes", shows_broken_values_as_bytes},
    CU_TEST_INFO_NULL,
};
