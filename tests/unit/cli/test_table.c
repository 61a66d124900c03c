#include "cli/table.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

/* Two pages of a table of names and numbers. */
static void render(enum table_format format, bool expand, struct buf *out)
{
    struct table t;
    table_init(&t, format);
    t.expand = expand;
    table_add_column(&t, BYTES_LIT("name"), false);
    table_add_column(&t, BYTES_LIT("n"), true);
    table_put_text(&t, "a,b");
    table_put_cell(&t, BYTES_LIT("1"));
    table_put_text(&t, "\xc3\xa4");
    table_put_cell(&t, BYTES_LIT("200"));
    table_print(&t, out, false, true);
    table_put_null(&t);
    table_put_null(&t);
    table_print(&t, out, true, true);
    table_close(&t);
}

static void in_every_form(void)
{
    static const struct form {
        enum table_format format;
        bool expand;
        const char *text;
    } forms[] = {
        {TABLE_AS_TABLE, false,
         " name |   n\n------+-----\n a,b  |   1\n \xc3\xa4    | 200\n null | null\n\n(3 rows)\n"},
        {TABLE_AS_TABLE, true,
         "@ Row 1\n------+------\n name | a,b\n n    | 1\n\n@ Row 2\n------+------\n"
         " name | \xc3\xa4\n n    | 200\n\n@ Row 3\n------+------\n name | null\n n    | null\n\n"
         "(3 rows)\n"},
        {TABLE_AS_CSV, false, "name,n\n\"a,b\",1\n\xc3\xa4,200\n,\n"},
        {TABLE_AS_JSON, false,
         "[\n{\"name\": \"a,b\", \"n\": 1},\n{\"name\": \"\xc3\xa4\", \"n\": 200},\n"
         "{\"name\": null, \"n\": null}\n]\n"},
    };
    struct buf out;
    buf_init(&out, 4096);
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        buf_clear(&out);
        render(forms[i].format, forms[i].expand, &out);
        bool same = bytes_equal_text(buf_bytes(&out), forms[i].text);
        CU_ASSERT_TRUE(same);
        if (!same)
            printf("\n%.*s", (int)out.len, (const char *)out.data);
    }
    buf_close(&out);
}

static void no_rows(void)
{
    struct table t;
    struct buf out;
    buf_init(&out, 4096);
    table_init(&t, TABLE_AS_TABLE);
    table_add_column(&t, BYTES_LIT("a"), false);
    table_print(&t, &out, true, true);
    CU_ASSERT_TRUE(bytes_equal_text(buf_bytes(&out), " a\n---\n\n(0 rows)\n"));
    table_close(&t);
    buf_clear(&out);
    table_init(&t, TABLE_AS_JSON);
    table_add_column(&t, BYTES_LIT("a"), false);
    table_print(&t, &out, true, true);
    CU_ASSERT_TRUE(bytes_equal_text(buf_bytes(&out), "[]\n"));
    table_close(&t);
    buf_close(&out);
}

/* An empty text and null differ in CSV. */
static void empty_is_not_null(void)
{
    struct table t;
    struct buf out;
    buf_init(&out, 4096);
    table_init(&t, TABLE_AS_CSV);
    table_add_column(&t, BYTES_LIT("a"), false);
    table_add_column(&t, BYTES_LIT("b"), false);
    table_put_text(&t, "");
    table_put_null(&t);
    table_print(&t, &out, true, true);
    CU_ASSERT_TRUE(bytes_equal_text(buf_bytes(&out), "a,b\n\"\",\n"));
    table_close(&t);
    buf_close(&out);
}

CU_TestInfo table_tests[] = {
    {"in every form", in_every_form},
    {"no rows", no_rows},
    {"empty is not null", empty_is_not_null},
    CU_TEST_INFO_NULL,
};
