/* Keywords and statement splitting. */
#include "base/rng.h"
#include "node/cql/grammar/keywords.h"
#include "node/cql/grammar/parse.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static void keywords_are_sorted(void)
{
    struct cql_keyword k, before = {"", false};
    size_t n = 0;
    for (; cql_keyword_at(n, &k); n++) {
        CU_ASSERT(strcmp(before.text, k.text) < 0);
        before = k;
    }
    CU_ASSERT(n > 100);
}

/* What cql_keyword_at says about a word is what the parser does with it. */
static void reserved_words_are_no_names(void)
{
    struct cql_keyword k;
    for (size_t n = 0; cql_keyword_at(n, &k); n++) {
        char text[128];
        struct arena arena;
        struct ast ast;
        arena_init(&arena);
        snprintf(text, sizeof text, "SELECT a FROM %s WHERE %s = 1", k.text, k.text);
        bool name = cql_parse(bytes_text(text), &arena, &ast, NULL) == ERR_OK;
        snprintf(text, sizeof text, "CREATE TABLE \"%s\" (%s int PRIMARY KEY)", k.text, k.text);
        bool column = cql_parse(bytes_text(text), &arena, &ast, NULL) == ERR_OK;
        if (name == k.reserved || column == k.reserved)
            printf("\n  %s\n", k.text);
        CU_ASSERT(name == !k.reserved && column == !k.reserved);
        arena_close(&arena);
    }
}

static void quoting(void)
{
    CU_ASSERT(!cql_name_needs_quotes(BYTES_LIT("abc_1")));
    CU_ASSERT(!cql_name_needs_quotes(BYTES_LIT("type")));
    CU_ASSERT(cql_name_needs_quotes(BYTES_LIT("Abc")));
    CU_ASSERT(cql_name_needs_quotes(BYTES_LIT("1a")));
    CU_ASSERT(cql_name_needs_quotes(BYTES_LIT("a b")));
    CU_ASSERT(cql_name_needs_quotes(BYTES_LIT("select")));
    CU_ASSERT(cql_name_needs_quotes(BYTES_LIT("true")));
    CU_ASSERT(cql_name_needs_quotes(BYTES_LIT("")));
}

static const struct {
    const char *text;
    int len; /* -1: no whole statement */
    bool blank;
} splits[] = {
    {"SELECT 1; SELECT 2;", 9, false},
    {"SELECT 1", -1, false},
    {"", -1, true},
    {" -- nothing; here\n", -1, true},
    {" /* ; */ ;x", 10, true},
    {"INSERT INTO t (a) VALUES ('a;b'); x", 33, false},
    {"INSERT INTO t (a) VALUES ($$a;b$$);", 35, false},
    {"SELECT \"a;b\";", 13, false},
    {"SELECT 'abc;", -1, false},
    {"SELECT /* abc;", -1, false},
    {"BEGIN BATCH INSERT INTO t (a) VALUES (1); APPLY BATCH; x", 54, false},
    {"BEGIN BATCH INSERT INTO t (a) VALUES (1);", -1, false},
    {"SELECT @;", 9, false},
};

static void splitting(void)
{
    for (size_t i = 0; i < ARRAY_LEN(splits); i++) {
        size_t len = 0;
        bool blank = false;
        bool whole = cql_split_statement(bytes_text(splits[i].text), &len, &blank);
        bool good = whole == (splits[i].len >= 0) && blank == splits[i].blank &&
                    (!whole || len == (size_t)splits[i].len);
        CU_ASSERT(good);
        if (!good)
            printf("\n  %s -> %d %zu %d\n", splits[i].text, whole, len, blank);
    }
}

/* Cut, spliced and overwritten statements: anything may come out but harm. */
static void hostile_text(void)
{
    static const char *const seeds[] = {
        "SELECT a, count(*) FROM t WHERE k IN (1, 'x', {1: [2, 3]}) AND token(k) > -5 LIMIT 3",
        "INSERT INTO t (a, b) VALUES ({f: 1}, 123e4567-e89b-12d3-a456-426614174000) USING TTL 3",
        "CREATE TABLE t (k int PRIMARY KEY, m map<text, frozen<set<int>>>) WITH x = {'a': 'b'}",
        "BEGIN BATCH UPDATE t SET a = a + 1 WHERE k = $$x$$; APPLY BATCH /* c */ -- d",
    };
    struct rng r;
    struct arena arena;
    rng_init(&r, 7);
    arena_init(&arena);
    for (int i = 0; i < 20000; i++) {
        char text[256];
        const char *a = seeds[rng_below(&r, ARRAY_LEN(seeds))];
        const char *b = seeds[rng_below(&r, ARRAY_LEN(seeds))];
        size_t n = (size_t)rng_below(&r, strlen(a));
        size_t m = (size_t)rng_below(&r, strlen(b));
        size_t len = (size_t)snprintf(text, sizeof text, "%.*s%s", (int)n, a, b + m);
        if (len > 0 && rng_chance(&r, 500000))
            text[rng_below(&r, len)] = (char)rng_below(&r, 256);
        struct ast ast;
        struct errmsg message;
        size_t end;
        bool blank;
        (void)!cql_parse(bytes_make(text, len), &arena, &ast, &message);
        CU_ASSERT(!cql_split_statement(bytes_make(text, len), &end, &blank) || end <= len);
        arena_reset(&arena);
    }
    arena_close(&arena);
}

CU_TestInfo cql_lexer_tests[] = {
    {"keywords are sorted", keywords_are_sorted},
    {"reserved words are no names, others are", reserved_words_are_no_names},
    {"which names need quotes", quoting},
    {"splitting a script", splitting},
    {"hostile text", hostile_text},
    CU_TEST_INFO_NULL,
};
