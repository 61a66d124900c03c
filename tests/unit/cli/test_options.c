#include "cli/options.h"

#include "base/arena.h"
#include "cli/copy.h"

#include <CUnit/CUnit.h>
#include <string.h>

static enum err parse(const char *line, struct options *o, struct errmsg *why)
{
    static char copy[256];
    char *argv[16] = {NULL};
    int argc = 0;
    strcpy(copy, line);
    for (char *word = strtok(copy, " "); word != NULL && argc < 15; word = strtok(NULL, " "))
        argv[argc++] = word;
    return options_parse(argc, argv, o, why);
}

static void takes_what_it_knows(void)
{
    struct options o;
    struct errmsg why;
    CU_ASSERT_EQUAL(parse("torc shell", &o, &why), ERR_OK);
    CU_ASSERT_TRUE(o.verb == VERB_shell && o.port == 9042 && o.http_port == 9180);
    CU_ASSERT_EQUAL(parse("torc --host=h --port 1 shell -e x --format json", &o, &why), ERR_OK);
    CU_ASSERT_TRUE(strcmp(o.host, "h") == 0 && o.port == 1 && strcmp(o.execute, "x") == 0);
    CU_ASSERT_EQUAL(o.format, TABLE_AS_JSON);
    CU_ASSERT_EQUAL(parse("torc shell h2 9043 --request-timeout=3 -c quorum", &o, &why), ERR_OK);
    CU_ASSERT_TRUE(strcmp(o.host, "h2") == 0 && o.port == 9043);
    CU_ASSERT_TRUE(o.request_timeout == 3 * USEC_PER_SEC && o.consistency == CQL_CL_QUORUM);
    CU_ASSERT_EQUAL(parse("torc shell -f -", &o, &why), ERR_OK);
    CU_ASSERT_TRUE(strcmp(o.file, "-") == 0);
    CU_ASSERT_EQUAL(parse("torc metadata recover --lost a b --lost c --cluster-name n", &o, &why),
                    ERR_OK);
    CU_ASSERT_TRUE(o.verb == VERB_metadata && o.recover && o.lost_count == 3);
    CU_ASSERT_TRUE(strcmp(o.lost[0], "a") == 0 && strcmp(o.lost[1], "b") == 0);
    CU_ASSERT_TRUE(strcmp(o.lost[2], "c") == 0 && strcmp(o.cluster_name, "n") == 0);
    CU_ASSERT_EQUAL(parse("torc metadata", &o, &why), ERR_OK);
    CU_ASSERT_TRUE(o.verb == VERB_metadata && !o.recover);
    CU_ASSERT_EQUAL(parse("torc", &o, &why), ERR_OK);
    CU_ASSERT_EQUAL(o.verb, VERB_NONE);
}

static void says_what_was_meant(void)
{
    static const struct row {
        const char *line, *hint;
    } rows[] = {
        {"torc statsu", "status"},
        {"torc shel", "shell"},
        {"torc --hots=x", "--host"},
        {"torc --request-timout=1", "--request-timeout"},
        {"torc --port=x", "--port"},
        {"torc --port", "PORT"},
        {"torc --format=xml", "json"},
        {"torc status now", "now"},
        {"torc --progress=1", "no value"},
        {"torc qqqqqqq", "torc help"},
        {"torc metadata revocer", "metadata"},
        {"torc metadata recover a", "no \"a\""},
        {"torc shell -c most", "most"},
        {"torc shell h 0", "port"},
    };
    struct options o;
    struct errmsg why;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        why.text[0] = 0;
        CU_ASSERT_EQUAL(parse(rows[i].line, &o, &why), ERR_INVALID);
        CU_ASSERT_PTR_NOT_NULL(strstr(why.text, rows[i].hint));
    }
}

static void help_names_everything(void)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    options_help(VERB_NONE, &out);
    buf_put_u8(&out, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr((char *)out.data, "--http-port"));
    CU_ASSERT_PTR_NOT_NULL(strstr((char *)out.data, "status"));
    CU_ASSERT_PTR_NOT_NULL(strstr((char *)out.data, "Exit status"));
    CU_ASSERT_PTR_NULL(strstr((char *)out.data, "decommission"));
    buf_close(&out);
}

static void copy_commands(void)
{
    static const struct row {
        const char *text, *hint; /* NULL: it is right */
    } rows[] = {
        {"COPY t TO 'f'", NULL},
        {"copy Ks.\"T\" (A, \"B\") from stdin with header = true and delimiter = '\\t'", NULL},
        {"COPY t TO STDOUT WITH NULL='NA' AND PAGESIZE = 10", NULL},
        {"COPY t FROM 'f' WITH MAXROWS = -1", NULL},
        {"COPY", "table"},
        {"COPY t", "TO or FROM"},
        {"COPY t TO", "'file'"},
        {"COPY t TO f", "'file'"},
        {"COPY t FROM 'f' WITH", "option"},
        {"COPY t FROM 'f' WITH HEADR = true", "HEADER"},
        {"COPY t FROM 'f' WITH HEADER = 7", "true or false"},
        {"COPY t FROM 'f' WITH DELIMITER = 'ab'", "one character"},
        {"COPY t FROM 'f' WITH DELIMITER = '\"'", "differ"},
        {"COPY t FROM 'f' WITH INFLIGHT = 0", "INFLIGHT"},
        {"COPY t FROM 'f' HEADER = true", "WITH"},
        {"COPY t (a FROM 'f'", ")"},
        {"COPY t FROM 'f", "quote"},
    };
    struct copy_request r;
    struct arena arena;
    struct errmsg why;
    arena_init(&arena);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        why.text[0] = 0;
        enum err err = copy_parse(bytes_text(rows[i].text), &arena, &r, &why);
        CU_ASSERT_EQUAL(err, rows[i].hint == NULL ? ERR_OK : ERR_SYNTAX);
        if (rows[i].hint != NULL)
            CU_ASSERT_PTR_NOT_NULL(strstr(why.text, rows[i].hint));
    }
    CU_ASSERT_EQUAL_FATAL(copy_parse(bytes_text(rows[1].text), &arena, &r, &why), ERR_OK);
    CU_ASSERT_TRUE(bytes_equal_text(r.keyspace, "ks") && bytes_equal_text(r.table, "T"));
    CU_ASSERT_TRUE(r.columns_count == 2 && bytes_equal_text(r.columns[0], "a") &&
                   bytes_equal_text(r.columns[1], "B"));
    CU_ASSERT_TRUE(r.from && r.file.len == 0 && r.options.header);
    CU_ASSERT_EQUAL(r.options.format.delimiter, '\t');
    arena_close(&arena);
}

CU_TestInfo options_tests[] = {
    {"takes what it knows", takes_what_it_knows},
    {"says what was meant", says_what_was_meant},
    {"help names everything", help_names_everything},
    {"COPY commands", copy_commands},
    CU_TEST_INFO_NULL,
};
