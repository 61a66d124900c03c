#include "node/schema/type.h"
#include "unit/node_schema/random_value.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

/* Text in, canonical text or message out. */
static void parse_rows(void)
{
    static const struct {
        const char *text;
        enum err err;
        const char *want;
    } rows[] = {
        {"int", ERR_OK, "int"},
        {" VARCHAR ", ERR_OK, "text"},
        {"list<int>", ERR_OK, "list<int>"},
        {"frozen<list<list<int>>>", ERR_OK, "frozen<list<frozen<list<int>>>>"},
        {"frozen<list<frozen<list<int>>>>", ERR_OK, "frozen<list<frozen<list<int>>>>"},
        {"map<text,frozen<set<int>>>", ERR_OK, "map<text, frozen<set<int>>>"},
        {"tuple<int, list<text>>", ERR_OK, "frozen<tuple<int, frozen<list<text>>>>"},
        {"vector<float, 3>", ERR_OK, "vector<float, 3>"},
        {"my_type", ERR_OK, "my_type"},
        {"ks.\"My Type\"", ERR_OK, "\"My Type\""},
        {"frozen<u>", ERR_OK, "frozen<u>"},
        {"\"int\"", ERR_OK, "\"int\""},
        {"list<int, int>", ERR_SYNTAX, NULL},
        {"list<int", ERR_SYNTAX, NULL},
        {"", ERR_SYNTAX, NULL},
        {"int int", ERR_SYNTAX, NULL},
        {"'org.x.Y'", ERR_SYNTAX, NULL},
        {"frozen<int>", ERR_SYNTAX,
         "frozen<> is only allowed on collections, tuples, and user-defined types (got int)"},
        {"list<list<int>>", ERR_INVALID,
         "Non-frozen collections are not allowed inside collections: list<list<int>>"},
        {"map<list<int>, int>", ERR_INVALID,
         "Non-frozen collections are not allowed inside collections: map<list<int>, int>"},
        {"list<foo>", ERR_INVALID, "Non-frozen UDTs are not allowed inside collections: list<foo>"},
        {"map<int,counter>", ERR_INVALID,
         "Counters are not allowed inside collections: map<int, counter>"},
        {"set<duration>", ERR_INVALID, "Durations are not allowed inside sets: set<duration>"},
        {"map<duration,int>", ERR_INVALID,
         "Durations are not allowed as map keys: map<duration, int>"},
        {"vector<float, 0>", ERR_INVALID, "vectors may only have positive dimensions; given 0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena a = {0};
        struct errmsg e = {{0}};
        const struct cql_type *t = NULL;
        enum err err = cql_type_parse(&a, bytes_text(rows[i].text), &t, &e);
        CU_ASSERT_EQUAL(err, rows[i].err);
        const char *got = err == ERR_OK ? cql_type_text(&a, t) : e.text;
        if (rows[i].want != NULL && strcmp(got, rows[i].want) != 0) {
            printf("%s: got %s\n", rows[i].text, got);
            CU_FAIL("text differs");
        }
        arena_close(&a);
    }
}

static void too_deep_is_refused(void)
{
    struct arena a = {0};
    struct buf text;
    const struct cql_type *t;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 100000; i++)
        buf_put_text(&text, "frozen<list<");
    CU_ASSERT_EQUAL(cql_type_parse(&a, buf_bytes(&text), &t, NULL), ERR_INVALID);
    buf_close(&text);
    arena_close(&a);
}

static void random_types_survive_text_and_bytes(void)
{
    struct rng r;
    rng_init(&r, 7);
    for (int i = 0; i < 2000; i++) {
        struct arena a = {0};
        struct buf out;
        const struct cql_type *back = NULL;
        const struct cql_type *t = random_type(&r, &a, 3);
        buf_init(&out, 1 << 20);
        CU_ASSERT_EQUAL(cql_type_parse(&a, bytes_text(cql_type_text(&a, t)), &back, NULL), ERR_OK);
        CU_ASSERT(cql_type_equal(t, back));
        cql_type_put(t, &out);
        struct reader rd = reader_make(buf_bytes(&out));
        back = cql_type_read(&rd, &a);
        CU_ASSERT(back != NULL && reader_done(&rd) && cql_type_equal(t, back));
        buf_clear(&out);
        cql_type_put_option(t, &out);
        rd = reader_make(buf_bytes(&out));
        back = cql_type_read_option(&rd, &a);
        CU_ASSERT(back != NULL && reader_done(&rd) && cql_type_equal(t, back));
        CU_ASSERT(cql_type_equal(t, cql_type_copy(&a, t)));
        buf_close(&out);
        arena_close(&a);
    }
}

static void names_are_quoted_when_needed(void)
{
    static const struct {
        const char *name;
        const char *want;
    } rows[] = {{"a_1", "a_1"},        {"A", "\"A\""},   {"select", "\"select\""},
                {"key", "key"},        {"1a", "\"1a\""}, {"Q \"x", "\"Q \"\"x\""},
                {"_a", "\"_a\""},      {"", "\"\""},     {"default", "default"},
                {"token", "\"token\""}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out;
        buf_init(&out, 100);
        cql_name_print(rows[i].name, &out);
        CU_ASSERT(bytes_equal_text(buf_bytes(&out), rows[i].want));
        buf_close(&out);
    }
}

static void what_is_missing_is_named(void)
{
    struct arena a = {0};
    struct errmsg e;
    const struct cql_type *t;
    CU_ASSERT_EQUAL(cql_type_parse(&a, BYTES_LIT("list<frozen<tuple<int>>>"), &t, NULL), ERR_OK);
    CU_ASSERT_EQUAL(cql_type_supported(t, &e), ERR_INVALID);
    CU_ASSERT_STRING_EQUAL(e.text,
                           "Tuples are not supported yet by Torc: list<frozen<tuple<int>>>");
    arena_close(&a);
}

CU_TestInfo type_tests[] = {
    {"parse rows", parse_rows},
    {"too deep is refused", too_deep_is_refused},
    {"random types survive text and bytes", random_types_survive_text_and_bytes},
    {"names are quoted when needed", names_are_quoted_when_needed},
    {"what is missing is named", what_is_missing_is_named},
    CU_TEST_INFO_NULL};
