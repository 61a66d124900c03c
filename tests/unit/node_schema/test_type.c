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
        {"'org.x.Y'", ERR_SYNTAX,
         "Error setting type org.x.Y: Unable to find abstract-type class 'org.x.Y'"},
        {"list<'Int32Type'>", ERR_OK, "list<int>"},
        {"'Int32Type", ERR_SYNTAX, NULL},
        {"vector<list<int>, 2>", ERR_OK, "vector<list<int>, 2>"},
        {"frozen<vector<list<int>, 2>>", ERR_OK, "vector<frozen<list<int>>, 2>"},
        {"vector<float, -1>", ERR_INVALID, "vectors may only have positive dimensions; given -1"},
        {"tuple<int, counter>", ERR_INVALID, "Counters are not allowed inside tuples"},
        {"tuple<int, list<counter>>", ERR_INVALID,
         "Counters are not allowed inside collections: frozen<list<counter>>"},
        {"list<list<list<int>>>", ERR_INVALID,
         "Non-frozen collections are not allowed inside collections: list<list<list<int>>>"},
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
        bool named = cql_type_mentions(t, CQL_UDT); /* text and stored form have but its name */
        CU_ASSERT_EQUAL(cql_type_parse(&a, bytes_text(cql_type_text(&a, t)), &back, NULL), ERR_OK);
        CU_ASSERT(named || cql_type_equal(t, back));
        cql_type_put(t, &out);
        struct reader rd = reader_make(buf_bytes(&out));
        back = cql_type_read(&rd, &a);
        CU_ASSERT(back != NULL && reader_done(&rd) && (named || cql_type_equal(t, back)));
        buf_clear(&out);
        cql_type_put_option(t, &out);
        rd = reader_make(buf_bytes(&out));
        back = cql_type_read_option(&rd, &a);
        CU_ASSERT(back != NULL && reader_done(&rd) && cql_type_equal(t, back));
        CU_ASSERT(cql_type_equal(t, cql_type_copy(&a, t)));
        buf_clear(&out);
        cql_type_print_class(t, &out);
        CU_ASSERT_EQUAL(cql_type_from_class(&a, buf_bytes(&out), &back, NULL), ERR_OK);
        CU_ASSERT(cql_type_equal(t, back));
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

/* The types of a keyspace `ks`: point (x int, y int) and line (a point, tags list<text>). */
static struct cql_types some_types(struct arena *a)
{
    static const char *const point_fields[] = {"x", "y"};
    static const char *const line_fields[] = {"a", "tags"};
    const struct cql_type *integer = cql_type_native(CQL_INT);
    const struct cql_type **point = arena_array(a, const struct cql_type *, 2);
    const struct cql_type **line = arena_array(a, const struct cql_type *, 2);
    const struct cql_type **all = arena_array(a, const struct cql_type *, 2);
    point[0] = point[1] = integer;
    all[1] = cql_type_udt(a, "ks", "point", point_fields, point, 2, false);
    line[0] = cql_type_udt(a, "ks", "point", point_fields, point, 2, true);
    line[1] = cql_type_list(a, cql_type_native(CQL_TEXT), false);
    all[0] = cql_type_udt(a, "ks", "line", line_fields, line, 2, false);
    return (struct cql_types){"ks", all, 2};
}

/* What a type with user-defined ones in it stands for, as its Java class; or why not. */
static void user_types_are_looked_up(void)
{
#define P "org.apache.cassandra.db.marshal."
    static const struct {
        const char *text;
        const char *want;
    } rows[] = {
        {"point", P "UserType(ks,706f696e74,78:" P "Int32Type,79:" P "Int32Type)"},
        {"frozen<ks.point>",
         P "FrozenType(" P "UserType(ks,706f696e74,78:" P "Int32Type,79:" P "Int32Type))"},
        {"line", P "UserType(ks,6c696e65,61:" P "FrozenType(" P "UserType(ks,706f696e74,78:" P
                   "Int32Type,79:" P "Int32Type)),74616773:" P "ListType(" P "UTF8Type))"},
        {"frozen<line>",
         P "FrozenType(" P "UserType(ks,6c696e65,61:" P "UserType(ks,706f696e74,78:" P
           "Int32Type,79:" P "Int32Type),74616773:" P "ListType(" P "UTF8Type)))"},
        {"vector<list<int>, 3>", P "VectorType(" P "ListType(" P "Int32Type) , 3)"},
        {"tuple<list<int>, text>", P "TupleType(" P "ListType(" P "Int32Type)," P "UTF8Type)"},
        {"list<frozen<set<int>>>", P "ListType(" P "FrozenType(" P "SetType(" P "Int32Type)))"},
        {"nope", "Unknown type ks.nope"},
        {"list<frozen<nope>>", "Unknown type ks.nope"},
        {"other.point", "Statement on keyspace ks cannot refer to a user type in keyspace other; "
                        "user types can only be used in the keyspace they are defined in"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena a = {0};
        struct errmsg e = {{0}};
        struct buf class, option;
        const struct cql_type *t, *back;
        struct cql_types scope = some_types(&a);
        buf_init(&class, 1 << 16);
        buf_init(&option, 1 << 16);
        CU_ASSERT_EQUAL(cql_type_parse(&a, bytes_text(rows[i].text), &t, NULL), ERR_OK);
        enum err err = cql_type_resolve(&a, t, &scope, &t, &e);
        if (err == ERR_OK)
            cql_type_print_class(t, &class);
        else
            buf_put_text(&class, e.text);
        CU_ASSERT(bytes_equal_text(buf_bytes(&class), rows[i].want));
        if (err == ERR_OK) {
            CU_ASSERT_EQUAL(cql_type_from_class(&a, buf_bytes(&class), &back, NULL), ERR_OK);
            CU_ASSERT(cql_type_equal(t, back));
            cql_type_put_option(t, &option);
            struct reader r = reader_make(buf_bytes(&option));
            back = cql_type_read_option(&r, &a);
            CU_ASSERT(back != NULL && reader_done(&r) && back->count == t->count);
            CU_ASSERT(cql_type_equal(t, cql_type_copy(&a, t)));
            CU_ASSERT(!cql_type_mentions(cql_type_expand(&a, t), CQL_UDT));
        }
        buf_close(&class);
        buf_close(&option);
        arena_close(&a);
    }
#undef P
}

static void a_type_may_not_explode(void)
{
    struct arena a = {0};
    struct errmsg e;
    const struct cql_type *all[32];
    const struct cql_type *items[2] = {cql_type_native(CQL_INT), cql_type_native(CQL_INT)};
    static const char *const fields[] = {"l", "r"};
    char names[32][3];
    uint32_t n = 0;
    enum err err = ERR_OK;
    for (; n < ARRAY_LEN(all) && err == ERR_OK; n++) { /* each is made of two of the one before */
        struct cql_types scope = {"ks", all, n};
        const struct cql_type **resolved = arena_array(&a, const struct cql_type *, 2);
        for (int i = 0; i < 2 && err == ERR_OK; i++)
            err = cql_type_resolve(&a, items[i], &scope, &resolved[i], &e);
        snprintf(names[n], sizeof names[n], "%c%c", 'a' + (int)n / 26, 'a' + (int)n % 26);
        all[n] = cql_type_udt(&a, "ks", names[n], fields, resolved, 2, false);
        items[0] = items[1] = cql_type_udt(&a, "ks", names[n], NULL, NULL, 0, true);
    }
    CU_ASSERT(err == ERR_INVALID && n < 20);
    arena_close(&a);
}

static void class_names(void)
{
    static const struct {
        const char *text;
        const char *want;
    } rows[] = {
        {"Int32Type", "int"},
        {"org.apache.cassandra.db.marshal.UTF8Type", "text"},
        {"DateType", "timestamp"},
        {"ReversedType(LongType)", "bigint"},
        {"FrozenType(ListType(Int32Type))", "frozen<list<int>>"},
        {"MapType(UTF8Type,Int32Type)", "map<text, int>"},
        {"VectorType(FloatType, 3)", "vector<float, 3>"},
        {"TupleType(Int32Type,ListType(Int32Type))", "frozen<tuple<int, frozen<list<int>>>>"},
        {"NopeType", "Error setting type NopeType: Unable to find abstract-type class "
                     "'org.apache.cassandra.db.marshal.NopeType'"},
        {"org.example.NopeType", "Error setting type org.example.NopeType: Unable to find "
                                 "abstract-type class 'org.example.NopeType'"},
        {"ListType", "Error setting type ListType: Invalid definition for comparator "
                     "org.apache.cassandra.db.marshal.ListType."},
        {"ListType(Int32Type", "Error setting type ListType(Int32Type: Invalid definition for "
                               "comparator org.apache.cassandra.db.marshal.ListType."},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena a = {0};
        struct errmsg e = {{0}};
        const struct cql_type *t;
        enum err err = cql_type_from_class(&a, bytes_text(rows[i].text), &t, &e);
        CU_ASSERT_STRING_EQUAL(err == ERR_OK ? cql_type_text(&a, t) : e.text, rows[i].want);
        arena_close(&a);
    }
}

CU_TestInfo type_tests[] = {
    {"parse rows", parse_rows},
    {"too deep is refused", too_deep_is_refused},
    {"random types survive text and bytes", random_types_survive_text_and_bytes},
    {"names are quoted when needed", names_are_quoted_when_needed},
    {"user types are looked up", user_types_are_looked_up},
    {"a type may not explode", a_type_may_not_explode},
    {"class names", class_names},
    CU_TEST_INFO_NULL};
