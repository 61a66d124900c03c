#include "cli/input.h"

#include "base/buf.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

/* Items as C:text (CQL) and S:text (shell), then what is left as ... unless it is blank. */
static void spell(const char *text, bool ended, struct buf *out)
{
    struct bytes rest = bytes_text(text);
    struct input_item item;
    enum input_kind kind;
    while ((kind = input_next(rest, ended, &item)) != INPUT_MORE) {
        buf_printf(out, "%s:%.*s|", kind == INPUT_CQL ? "C" : "S", (int)item.text.len,
                   (const char *)item.text.data);
        rest = bytes_make(rest.data + item.used, rest.len - item.used);
    }
    buf_put_text(out, item.blank ? "" : "...");
}

static const struct row {
    const char *in;
    bool ended;
    const char *out;
} rows[] = {
    {"SELECT 1; SELECT 2;", false, "C:SELECT 1;|C:SELECT 2;|"},
    {"SELECT 1", false, "..."},
    {"SELECT 1", true, "C:SELECT 1|"},
    {"SELECT ';' ; x", false, "C:SELECT ';' ;|..."},
    {"SELECT 'a\nb'\n;", false, "C:SELECT 'a\nb'\n;|"},
    {"BEGIN BATCH INSERT a; INSERT b; APPLY BATCH;", false,
     "C:BEGIN BATCH INSERT a; INSERT b; APPLY BATCH;|"},
    {" ;; -- only a comment\n /* and; one */ // more\n", false, ""},
    {" /* open", false, "..."},
    {"-- x;\nSELECT 1;", false, "C:SELECT 1;|"},
    {"EXPAND ON\nSELECT 1;", false, "S:EXPAND ON|C:SELECT 1;|"},
    {"expand on; SELECT 1;", false, "S:expand on|C:SELECT 1;|"},
    {"SOURCE 'a;b.cql'\n", false, "S:SOURCE 'a;b.cql'|"},
    {"HELP", false, "..."},
    {"HELP", true, "S:HELP|"},
    {"? copy\n", false, "S:? copy|"},
    {"COPY t (a,\n b) FROM 'f'\n WITH HEADER = true;x", false,
     "S:COPY t (a,\n b) FROM 'f'\n WITH HEADER = true|..."},
    {"DESCRIBE TABLES\nDESC TABLE t;", false, "S:DESCRIBE TABLES|S:DESC TABLE t|"},
    {"SELECT $$ a ; b $$;", false, "C:SELECT $$ a ; b $$;|"},
    {"\"Copy\";", false, "C:\"Copy\";|"},
    {"SELECT 'open", true, "C:SELECT 'open|"},
};

static void cuts(void)
{
    struct buf out;
    buf_init(&out, 4096);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_clear(&out);
        spell(rows[i].in, rows[i].ended, &out);
        bool same = bytes_equal_text(buf_bytes(&out), rows[i].out);
        CU_ASSERT_TRUE(same);
        if (!same)
            printf("\n  row %zu: %.*s\n", i, (int)out.len, (const char *)out.data);
    }
    buf_close(&out);
}

/* Whatever stands behind the first statement, the first is cut the same. */
static void cuts_the_same_at_any_length(void)
{
    const char *text = "INSERT INTO t (a) VALUES ('x;y'); SELECT 2;";
    struct input_item item;
    size_t first = strlen("INSERT INTO t (a) VALUES ('x;y');");
    for (size_t n = 0; n <= strlen(text); n++) {
        enum input_kind kind = input_next(bytes_make(text, n), false, &item);
        CU_ASSERT_EQUAL(kind, n < first ? INPUT_MORE : INPUT_CQL);
        if (kind == INPUT_CQL)
            CU_ASSERT_EQUAL(item.used, first);
    }
}

static void words(void)
{
    char text[] = "COPY ks.\"T \"\"q\"(a, b) TO 'it''s.csv' WITH NULL='' ";
    static const char *const expected[] = {"COPY", "ks", ".",        "T \"q", "(",    "a", ",", "b",
                                           ")",    "TO", "it's.csv", "WITH",  "NULL", "=", ""};
    struct word w[32];
    size_t n = command_words((uint8_t *)text, strlen(text), w, ARRAY_LEN(w));
    CU_ASSERT_EQUAL_FATAL(n, ARRAY_LEN(expected));
    for (size_t i = 0; i < n; i++)
        CU_ASSERT_TRUE(bytes_equal_text(w[i].text, expected[i]));
    CU_ASSERT_TRUE(w[3].name && w[10].string && w[14].string);
    CU_ASSERT_TRUE(word_is(&w[9], "to"));
    CU_ASSERT_FALSE(word_is(&w[10], "it's.csv"));
    char open[] = "SOURCE 'x";
    CU_ASSERT_EQUAL(command_words((uint8_t *)open, strlen(open), w, ARRAY_LEN(w)), SIZE_MAX);
}

CU_TestInfo input_tests[] = {
    {"cuts", cuts},
    {"cuts the same at any length", cuts_the_same_at_any_length},
    {"words", words},
    CU_TEST_INFO_NULL,
};
