/* CREATE, ALTER and DROP TYPE on a schema, with the words a real Cassandra 5.0.9 had. */
#include "node/schema/describe.h"
#include "unit/node_schema/statements.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

void user_types_setup(void);
void user_types_teardown(void);

static struct world f;

static enum err type(enum ddl_kind kind, const char *name, const struct ddl_column *fields,
                     uint32_t count)
{
    struct ddl ddl = {
        .kind = kind, .keyspace = "k", .table = name, .columns = fields, .column_count = count};
    return world_apply(&f, &ddl);
}

static enum err create(const char *name, const char *field, const char *of)
{
    struct ddl_column c = {.name = field, .type = of};
    return type(DDL_CREATE_TYPE, name, &c, 1);
}

static enum err add(const char *name, const char *field, const char *of)
{
    struct ddl_column c = {.name = field, .type = of};
    return type(DDL_ALTER_TYPE_ADD, name, &c, 1);
}

static enum err rename_field(const char *name, const char *from, const char *to)
{
    struct ddl_column c = {.name = from, .new_name = to};
    return type(DDL_ALTER_TYPE_RENAME, name, &c, 1);
}

static void check(enum err got, enum err want, const char *message)
{
    if (got != want || (message != NULL && strcmp(f.error.text, message) != 0))
        printf("wanted %s: %s\n   got %s: %s\n", err_text(want), message != NULL ? message : "",
               err_text(got), f.error.text);
    CU_ASSERT(got == want && (message == NULL || strcmp(f.error.text, message) == 0));
}

void user_types_setup(void)
{
    world_init(&f);
    check(world_keyspace(&f, "k", 1), ERR_OK, NULL);
    check(create("zz", "a", "int"), ERR_OK, NULL);
    check(create("yy", "z", "frozen<zz>"), ERR_OK, NULL);
    check(create("aa", "y", "frozen<list<frozen<yy>>>"), ERR_OK, NULL);
    check(world_table(&f, "k", "t", "a int, v aa, w frozen<yy>, l list<int>", "a", "", NULL),
          ERR_OK, NULL);
    check(world_table(&f, "k", "keyed", "a frozen<zz>, v int", "a", "", NULL), ERR_OK, NULL);
}

void user_types_teardown(void)
{
    world_close(&f);
}

static void what_cannot_be(void)
{
    check(create("zz", "a", "int"), ERR_INVALID, "A user type with name 'zz' already exists");
    check(create("x", "a", "counter"), ERR_INVALID, "A user type cannot contain counters");
    check(create("x", "a", "nope"), ERR_INVALID, "A user type cannot contain non-frozen UDTs");
    check(create("x", "a", "frozen<nope>"), ERR_INVALID, "Unknown type k.nope");
    check(create("x", "a", "list<zz>"), ERR_INVALID,
          "Non-frozen UDTs are not allowed inside collections: list<zz>");
    check(add("zz", "a", "int"), ERR_INVALID,
          "Cannot add field a to type k.zz: a field with name a already exists");
    check(add("zz", "b", "frozen<aa>"), ERR_INVALID,
          "Cannot add new field b of type frozen<k.aa> to user type k.zz as it would create a "
          "circular reference");
    check(add("zz", "b", "int"), ERR_INVALID,
          "Cannot add new field b of type int to user type k.zz as the type is being used in "
          "partition key by the following tables: k.keyed");
    check(add("nope", "b", "int"), ERR_INVALID, "Type k.nope doesn't exist");
    check(rename_field("zz", "b", "c"), ERR_INVALID, "Unkown field b in user type k.zz");
    check(type(DDL_ALTER_TYPE_ALTER, "zz", NULL, 0), ERR_INVALID,
          "Altering field types is no longer supported");
    check(type(DDL_DROP_TYPE, "nope", NULL, 0), ERR_INVALID, "Type 'k.nope' doesn't exist");
    check(type(DDL_DROP_TYPE, "zz", NULL, 0), ERR_INVALID,
          "Cannot drop user type 'k.zz' as it is still used by user types aa, yy");
    check(type(DDL_DROP_TYPE, "aa", NULL, 0), ERR_INVALID,
          "Cannot drop user type 'k.aa' as it is still used by tables t");
    check(world_table(&f, "k", "x", "a zz, b int", "a", "", NULL), ERR_INVALID,
          "Invalid non-frozen user-defined type \"k.zz\" for PRIMARY KEY column 'a'");
    check(create("lists", "l", "list<int>"), ERR_OK, NULL);
    check(world_table(&f, "k", "x", "a int, b lists", "a", "", NULL), ERR_INVALID,
          "Non-frozen UDTs with nested non-frozen collections are not supported");
    check(world_drop(&f, "k", "t", "v"), ERR_INVALID,
          "Cannot drop non-frozen column v of user type aa");
}

static const char *class_of(const char *table, const char *column)
{
    static char text[1024];
    struct buf b;
    buf_init(&b, sizeof text - 1);
    cql_type_print_class(table_column(schema_table(f.now, "k", table), column)->type, &b);
    memcpy(text, b.data, b.len);
    text[b.len] = 0;
    buf_close(&b);
    return text;
}

/* A change of a type reaches all that it is part of, and the tables keep their numbers. */
static void a_change_reaches_everything(void)
{
    const struct table *before = schema_table(f.now, "k", "t");
    const struct table *other = schema_table(f.now, "k", "keyed");
    table_no no = before->no;
    CU_ASSERT_PTR_NULL(strstr(class_of("t", "v"), "62:"));
    check(add("yy", "b", "list<text>"), ERR_OK, NULL);
    CU_ASSERT(f.change.type == CHANGE_UPDATED && f.change.target == SCHEMA_TYPE);
    CU_ASSERT_STRING_EQUAL(f.change.name, "yy");
    CU_ASSERT_PTR_NOT_NULL(strstr(class_of("t", "v"), "62:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(class_of("t", "w"), "62:"));
    CU_ASSERT_EQUAL(schema_table(f.now, "k", "t")->no, no);
    CU_ASSERT_PTR_EQUAL(schema_table(f.now, "k", "keyed"), other);
    check(rename_field("zz", "a", "aaa"), ERR_OK, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(class_of("t", "v"), "616161:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(class_of("keyed", "a"), "616161:"));
    schema_check(f.now);
}

static void fields_change_places(void)
{
    struct ddl_column both[] = {{.name = "a", .type = "int"}, {.name = "b", .type = "text"}};
    struct ddl_column swap[] = {{.name = "a", .new_name = "b"}, {.name = "b", .new_name = "a"}};
    check(type(DDL_CREATE_TYPE, "pair", both, 2), ERR_OK, NULL);
    check(rename_field("pair", "a", "b"), ERR_INVALID, "Duplicate field name b in type k");
    check(type(DDL_ALTER_TYPE_RENAME, "pair", swap, 2), ERR_OK, NULL);
    const struct cql_type *t = cql_types_find(&schema_keyspace(f.now, "k")->types, "pair");
    CU_ASSERT(strcmp(t->fields[0], "b") == 0 && t->items[0]->kind == CQL_INT);
    check(type(DDL_DROP_TYPE, "pair", NULL, 0), ERR_OK, NULL);
    CU_ASSERT(f.change.type == CHANGE_DROPPED);
}

/* What a type is made of comes before it, in bytes as in DESCRIBE. */
static void order_and_bytes(void)
{
    struct arena a = {0};
    struct buf b, again;
    const struct schema *copy;
    const struct keyspace *k = schema_keyspace(f.now, "k");
    const struct cql_type **order = describe_types_order(k, &a);
    CU_ASSERT_STRING_EQUAL(order[0]->name, "zz");
    CU_ASSERT_STRING_EQUAL(order[1]->name, "yy");
    CU_ASSERT_STRING_EQUAL(order[2]->name, "aa");
    buf_init(&b, 1 << 20);
    buf_init(&again, 1 << 20);
    describe_type(order[2], &b);
    CU_ASSERT(
        bytes_equal_text(buf_bytes(&b), "CREATE TYPE k.aa (\n    y frozen<list<frozen<yy>>>\n);"));
    buf_clear(&b);
    schema_encode(f.now, &b);
    CU_ASSERT_EQUAL_FATAL(schema_decode(buf_bytes(&b), &copy), ERR_OK);
    schema_check(copy);
    schema_encode(copy, &again);
    CU_ASSERT(bytes_equal(buf_bytes(&b), buf_bytes(&again)));
    CU_ASSERT(uuid_equal(&copy->version, &f.now->version));
    CU_ASSERT(cql_type_equal(table_column(schema_table(copy, "k", "t"), "v")->type,
                             table_column(schema_table(f.now, "k", "t"), "v")->type));
    for (size_t i = 0; i < b.len; i++) { /* cut anywhere: an error, never a crash */
        const struct schema *none;
        CU_ASSERT_NOT_EQUAL(schema_decode(bytes_make(b.data, i), &none), ERR_OK);
    }
    schema_unref(copy);
    buf_close(&b);
    buf_close(&again);
    arena_close(&a);
}

/* A dropped column keeps tuples in the place of types that may be dropped after it. */
static void a_dropped_column_lets_its_type_go(void)
{
    check(world_drop(&f, "k", "t", "w"), ERR_OK, NULL);
    struct arena a = {0};
    CU_ASSERT_STRING_EQUAL(cql_type_text(&a, schema_table(f.now, "k", "t")->dropped[0].type),
                           "frozen<tuple<frozen<tuple<int>>>>");
    arena_close(&a);
}

CU_TestInfo user_types_tests[] = {
    {"what cannot be", what_cannot_be},
    {"a change reaches everything", a_change_reaches_everything},
    {"fields change places", fields_change_places},
    {"order and bytes", order_and_bytes},
    {"a dropped column lets its type go", a_dropped_column_lets_its_type_go},
    CU_TEST_INFO_NULL};
