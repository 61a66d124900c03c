/* What the AST says about a statement. */
#include "node/cql/grammar/parse.h"

#include <CUnit/CUnit.h>

static struct arena arena;

static struct ast parse(const char *text)
{
    struct ast ast = {0};
    struct errmsg m;
    enum err err = cql_parse(bytes_text(text), &arena, &ast, &m);
    CU_ASSERT_EQUAL_FATAL(err, ERR_OK);
    return ast;
}

static bool is(struct bytes b, const char *text)
{
    return bytes_equal_text(b, text);
}

static void names_fold(void)
{
    struct ast_select s = parse("SELECT Abc, \"Def\" FROM KS.\"T\"").stmt->select;
    CU_ASSERT(is(s.selectors.items[0].term->text, "abc"));
    CU_ASSERT(is(s.selectors.items[1].term->text, "Def"));
    CU_ASSERT(is(s.table.keyspace, "ks") && is(s.table.name, "T"));
    arena_close(&arena);
}

static void markers_are_numbered_in_order(void)
{
    struct ast ast = parse("UPDATE t USING TTL ? SET a = :A, m[?] = ? WHERE k IN :ks AND c = ?");
    const struct ast_update *u = &ast.stmt->update;
    CU_ASSERT_EQUAL(ast.markers.count, 6);
    CU_ASSERT(is(ast.markers.items[1], "a") && is(ast.markers.items[4], "ks"));
    CU_ASSERT_EQUAL(u->using.ttl->marker, 0);
    CU_ASSERT_EQUAL(u->assigns.items[0].value->marker, 1);
    CU_ASSERT_EQUAL(u->assigns.items[1].key->marker, 2);
    CU_ASSERT_EQUAL(u->assigns.items[1].value->marker, 3);
    CU_ASSERT_EQUAL(u->where.items[0].value->marker, 4);
    CU_ASSERT_EQUAL(u->where.items[1].value->marker, 5);
    arena_close(&arena);
}

static void using_takes_its_parts_in_any_order(void)
{
    struct ast_using u =
        parse(
            "INSERT INTO t (a) VALUES (1) USING TTL 1 AND CAUSALITY 0xAB AND TIMESTAMP 2 AND TTL 3")
            .stmt->insert.using;
    CU_ASSERT(is(u.ttl->text, "3") && is(u.timestamp->text, "2"));
    CU_ASSERT_EQUAL(u.causality->kind, AST_BLOB);
    CU_ASSERT(is(u.causality->text, "0xAB"));
    u = parse("DELETE FROM t USING CAUSALITY null WHERE a = 1").stmt->delete.using;
    CU_ASSERT(u.causality->kind == AST_NULL && u.timestamp == NULL);
    arena_close(&arena);
}

static void select_parts(void)
{
    struct ast_select s =
        parse("SELECT DISTINCT a AS b, count(*) FROM t WHERE (c, d) >= (1, -2) AND "
              "token(k) < 5 AND l CONTAINS KEY 1 ORDER BY c DESC "
              "PER PARTITION LIMIT 2 LIMIT 3 ALLOW FILTERING")
            .stmt->select;
    CU_ASSERT(s.distinct && !s.json && s.allow_filtering);
    CU_ASSERT_EQUAL(s.selectors.count, 2);
    CU_ASSERT(is(s.selectors.items[0].alias, "b"));
    CU_ASSERT_EQUAL(s.selectors.items[1].term->kind, AST_CALL);
    CU_ASSERT_EQUAL(s.selectors.items[1].term->items.items[0]->kind, AST_STAR);
    CU_ASSERT_EQUAL(s.where.count, 3);
    CU_ASSERT_EQUAL(s.where.items[0].kind, AST_REL_TUPLE);
    CU_ASSERT_EQUAL(s.where.items[0].op, AST_GTE);
    CU_ASSERT_EQUAL(s.where.items[0].columns.count, 2);
    CU_ASSERT(is(s.where.items[0].value->items.items[1]->text, "-2"));
    CU_ASSERT_EQUAL(s.where.items[1].kind, AST_REL_TOKEN);
    CU_ASSERT_EQUAL(s.where.items[2].op, AST_CONTAINS_KEY);
    CU_ASSERT(s.order_by.count == 1 && s.order_by.items[0].descending);
    CU_ASSERT(is(s.per_partition_limit->text, "2") && is(s.limit->text, "3"));
    arena_close(&arena);
}

static void in_lists(void)
{
    struct ast_select s =
        parse("SELECT a FROM t WHERE k IN (1, 2) AND c IN ? AND (d, e) IN ((1, 2))").stmt->select;
    CU_ASSERT(s.where.items[0].value == NULL && s.where.items[0].list.count == 2);
    CU_ASSERT(s.where.items[1].value != NULL);
    CU_ASSERT_EQUAL(s.where.items[2].list.items[0]->kind, AST_TUPLE);
    arena_close(&arena);
}

static void assignments(void)
{
    static const enum ast_assign_kind kinds[] = {
        AST_ASSIGN_SET, AST_ASSIGN_ADD,     AST_ASSIGN_SUB,   AST_ASSIGN_PREPEND,
        AST_ASSIGN_ADD, AST_ASSIGN_ELEMENT, AST_ASSIGN_FIELD,
    };
    struct ast_update u = parse("UPDATE t SET a = 1, b = b + 1, c = c - 1, d = [1] + d, e += 2, "
                                "f[1] = 2, g.h = 3 WHERE k = 1")
                              .stmt->update;
    CU_ASSERT_EQUAL_FATAL(u.assigns.count, ARRAY_LEN(kinds));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        CU_ASSERT_EQUAL(u.assigns.items[i].kind, kinds[i]);
    CU_ASSERT(is(u.assigns.items[3].other, "d"));
    arena_close(&arena);
}

static void table_definitions(void)
{
    struct ast_create_table t =
        parse("CREATE TABLE ks.t (a int, B text STATIC, c map<text, frozen<Set<\"U\">>>, "
              "PRIMARY KEY ((a, d), e)) WITH CLUSTERING ORDER BY (e DESC) AND "
              "id = 123e4567-e89b-12d3-a456-426614174000 AND caching = {'keys': 'ALL'}")
            .stmt->create_table;
    CU_ASSERT_EQUAL(t.columns.count, 3);
    CU_ASSERT(is(t.columns.items[1].name, "b") && t.columns.items[1].is_static);
    CU_ASSERT(is(t.columns.items[2].type->text, "map<text, frozen<set<\"U\">>>"));
    CU_ASSERT_EQUAL(t.primary_keys, 1);
    CU_ASSERT(t.partition_key.count == 2 && t.clustering.count == 1);
    CU_ASSERT(t.options.clustering_order.count == 1);
    CU_ASSERT_EQUAL(t.options.properties.count, 2);
    CU_ASSERT_EQUAL(t.options.properties.items[0].value->kind, AST_UUID);
    CU_ASSERT_EQUAL(t.options.properties.items[1].value->kind, AST_MAP);
    t = parse("CREATE TABLE t (k int PRIMARY KEY, v vector<float, 3>)").stmt->create_table;
    CU_ASSERT(t.primary_keys == 1 && t.partition_key.count == 1);
    CU_ASSERT(is(t.columns.items[1].type->text, "vector<float, 3>"));
    arena_close(&arena);
}

static void batches(void)
{
    struct ast_batch b =
        parse("BEGIN UNLOGGED BATCH USING TIMESTAMP 9 INSERT INTO t (a) VALUES (?) "
              "DELETE FROM t WHERE k = ?; APPLY BATCH")
            .stmt->batch;
    CU_ASSERT_EQUAL(b.kind, AST_BATCH_UNLOGGED);
    CU_ASSERT_EQUAL(b.count, 2);
    CU_ASSERT(is(b.using.timestamp->text, "9"));
    CU_ASSERT_EQUAL(b.items[1]->delete.where.items[0].value->marker, 1);
    arena_close(&arena);
}

static void types_alone(void)
{
    struct ast_type *t;
    struct errmsg m;
    CU_ASSERT_EQUAL(cql_parse_type(BYTES_LIT("MAP<int,Frozen<ks.u>>"), &arena, &t, &m), ERR_OK);
    CU_ASSERT(is(t->text, "map<int, frozen<ks.u>>"));
    CU_ASSERT(t->params_count == 2 && is(t->params[1]->params[0]->id.keyspace, "ks"));
    CU_ASSERT_EQUAL(cql_parse_type(BYTES_LIT("list<int"), &arena, &t, &m), ERR_SYNTAX);
    CU_ASSERT_EQUAL(cql_parse_type(BYTES_LIT(""), &arena, &t, &m), ERR_SYNTAX);
    arena_close(&arena);
}

static void terms(void)
{
    struct ast_insert s =
        parse("INSERT INTO t (a, b, c, d) VALUES (1 + 2 * 3, -1.5, (text) 'x''y', "
              "{a: 1, b: $$2'$$})")
            .stmt->insert;
    const struct ast_term *sum = s.values.items[0];
    CU_ASSERT(sum->kind == AST_ARITHMETIC && sum->op == '+');
    CU_ASSERT(sum->items.items[1]->op == '*');
    CU_ASSERT(is(s.values.items[1]->text, "-1.5"));
    CU_ASSERT(s.values.items[2]->kind == AST_CAST && is(s.values.items[2]->type->text, "text"));
    CU_ASSERT(is(s.values.items[2]->items.items[0]->text, "x'y"));
    CU_ASSERT(s.values.items[3]->kind == AST_UDT && is(s.values.items[3]->names.items[1], "b"));
    CU_ASSERT(is(s.values.items[3]->items.items[1]->text, "2'"));
    arena_close(&arena);
}

CU_TestInfo cql_ast_tests[] = {
    {"names fold unless quoted", names_fold},
    {"markers are numbered in textual order", markers_are_numbered_in_order},
    {"using takes its parts in any order", using_takes_its_parts_in_any_order},
    {"the parts of SELECT", select_parts},
    {"IN lists", in_lists},
    {"assignments", assignments},
    {"table definitions", table_definitions},
    {"batches", batches},
    {"types alone", types_alone},
    {"terms", terms},
    CU_TEST_INFO_NULL,
};
