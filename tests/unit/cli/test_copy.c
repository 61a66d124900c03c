#include "unit/cli/fixture.h"

#include <unistd.h>

static struct {
    struct fixture f;
    char path[64];
    FILE *in;
} t;
static struct fixture *const f = &t.f;

void copy_setup(void);
void copy_teardown(void);

void copy_setup(void)
{
    fixture_open(f, 5);
    strcpy(t.path, "/tmp/torc_copy_XXXXXX");
    close(mkstemp(t.path));
    t.in = NULL;
}

void copy_teardown(void)
{
    char bad[80];
    snprintf(bad, sizeof bad, "%s.err", t.path);
    unlink(t.path);
    unlink(bad);
    if (t.in != NULL)
        fclose(t.in);
    fixture_close(f);
}

static void put_file(const char *text)
{
    FILE *to = fopen(t.path, "w");
    fputs(text, to);
    fclose(to);
}

static bool file_is(const char *suffix, const char *text)
{
    char path[80], got[4096];
    snprintf(path, sizeof path, "%s%s", t.path, suffix);
    FILE *from = fopen(path, "r");
    size_t n = from != NULL ? fread(got, 1, sizeof got - 1, from) : 0;
    if (from != NULL)
        fclose(from);
    got[n] = 0;
    bool same = strcmp(got, text) == 0;
    if (!same)
        printf("\n%s", got);
    return same;
}

/* Run a COPY whose %s is the file. */
static bool copy(const char *format)
{
    char text[512];
    snprintf(text, sizeof text, format, t.path);
    return fixture_run(f, text);
}

static bool said(const char *text)
{
    fflush(f->session.out);
    fflush(f->session.err);
    bool there = strstr(f->out, text) != NULL || strstr(f->err, text) != NULL;
    if (!there)
        printf("\nout: %s\nerr: %s\n", f->out, f->err);
    return there;
}

static void in_and_out_again(void)
{
    static const char rows[] = "id,name,tags,n\n"
                               "1,\"a,b\",\"{'x', 'y'}\",0.1\n"
                               "2,\"\",,\n"
                               "3,\"two\nlines\",{},NaN\n"
                               "-4,\"say \"\"hi\"\"\",{'it''s'},1.0E300\n";
    put_file(rows);
    CU_ASSERT_TRUE(copy("COPY t FROM '%s' WITH HEADER = true"));
    CU_ASSERT_TRUE(said("4 rows imported"));
    CU_ASSERT_EQUAL(f->server.rows_count, 4);
    CU_ASSERT_TRUE(copy("COPY ks.t TO '%s' WITH HEADER = true AND PAGESIZE = 1"));
    CU_ASSERT_TRUE(said("4 rows exported"));
    CU_ASSERT_TRUE(said("exported"));
    /* Rows may come to the server in any order of its answers, but one connection keeps it. */
    CU_ASSERT_TRUE(file_is("", rows));
}

static void chosen_columns_and_other_marks(void)
{
    put_file("7;NA\n8;'x;y'\n\n9;z\n");
    CU_ASSERT_TRUE(copy("COPY t (id, name) FROM '%s' WITH DELIMITER = ';' AND QUOTE = '''' AND "
                        "ESCAPE = '''' AND NULL = 'NA' AND SKIPROWS = 1 AND MAXROWS = 1"));
    CU_ASSERT_EQUAL_FATAL(f->server.rows_count, 1);
    CU_ASSERT_TRUE(bytes_equal_text(f->server.rows[0].cells[1].data, "x;y"));
}

static void bad_rows_are_kept(void)
{
    put_file("id,name\n1,a\nx,b\n13,\"c,c\"\n4\n5,e,f\n,g\n6,h\n");
    CU_ASSERT_FALSE(copy("COPY t FROM '%s' WITH HEADER = true"));
    CU_ASSERT_EQUAL(f->server.rows_count, 2);
    CU_ASSERT_TRUE(said("2 rows imported"));
    CU_ASSERT_TRUE(said("5 rows failed"));
    CU_ASSERT_TRUE(said("line 3: column id: \"x\" is no int"));
    CU_ASSERT_TRUE(said("line 7: column id: null in the primary key"));
    CU_ASSERT_TRUE(said("13 brings bad luck"));
    /* Rows that the server refused come when it answered: after those refused here. */
    CU_ASSERT_TRUE(file_is(".err", "x,b\n4\n5,e,f\n,g\n13,\"c,c\"\n"));
}

static void too_many_bad_rows_stop_it(void)
{
    put_file("x,1\nx,2\nx,3\nx,4\n");
    CU_ASSERT_FALSE(copy("COPY t (id, name) FROM '%s' WITH MAXERRORS = 2"));
    CU_ASSERT_TRUE(said("3 rows failed"));
    CU_ASSERT_TRUE(said("MAXERRORS"));
    /* What was on its way then disturbs nobody. */
    put_file("1,a\n2,a\n3,a\nx,2\nx,3\n4,a\n");
    CU_ASSERT_FALSE(copy("COPY t (id, name) FROM '%s' WITH MAXERRORS = 1"));
    size_t before = f->server.rows_count;
    put_file("7,b\n8,b\n");
    CU_ASSERT_TRUE(copy("COPY t (id, name) FROM '%s'"));
    CU_ASSERT_TRUE(said("2 rows imported"));
    CU_ASSERT_TRUE(f->server.rows_count >= before + 2);
}

static void overload_is_waited_out(void)
{
    struct buf rows;
    buf_init(&rows, 1 << 20);
    for (int i = 0; i < 3000; i++)
        buf_printf(&rows, "%d,name %d\n", i == 13 ? 99999 : i, i);
    buf_put_u8(&rows, 0);
    put_file((const char *)rows.data);
    buf_close(&rows);
    f->server.overloaded = 40;
    CU_ASSERT_TRUE(copy("COPY t (id, name) FROM '%s' WITH INFLIGHT = 64"));
    CU_ASSERT_EQUAL(f->server.rows_count, 3000);
    CU_ASSERT_EQUAL(f->server.executed, 3040);
    CU_ASSERT_TRUE(said("3000 rows imported"));
    CU_ASSERT_TRUE(said("40 retries"));
}

/* The server goes away in the middle: rows without an answer come again, none is missing. */
static void a_lost_connection_is_made_again(void)
{
    bool seen[300] = {false};
    struct buf rows;
    buf_init(&rows, 1 << 20);
    for (int i = 0; i < 300; i++)
        buf_printf(&rows, "%d,x\n", i == 13 ? 299 : i);
    buf_put_u8(&rows, 0);
    put_file((const char *)rows.data);
    buf_close(&rows);
    f->server.hang_up_at = 100;
    CU_ASSERT_TRUE(copy("COPY t (id, name) FROM '%s' WITH INFLIGHT = 32"));
    CU_ASSERT_TRUE(said("connecting again"));
    CU_ASSERT_TRUE(said("300 rows imported"));
    for (size_t i = 0; i < f->server.rows_count; i++)
        seen[load_u32(f->server.rows[i].cells[0].data.data)] = true;
    for (int i = 0; i < 300; i++)
        CU_ASSERT_TRUE(seen[i] || i == 13);
}

static void patience_ends(void)
{
    put_file("1,a\n");
    f->server.overloaded = 1000;
    CU_ASSERT_FALSE(copy("COPY t (id, name) FROM '%s' WITH MAXATTEMPTS = 2"));
    CU_ASSERT_EQUAL(f->server.executed, 2);
    CU_ASSERT_TRUE(file_is(".err", "1,a\n"));
}

static void from_standard_input(void)
{
    put_file("1,a\n2,\"b\nb\"\n\\.\nWARN;\n");
    t.in = fopen(t.path, "r");
    f->session.in = t.in;
    CU_ASSERT_TRUE(fixture_run(f, "COPY t (id, name) FROM STDIN"));
    CU_ASSERT_EQUAL(f->server.rows_count, 2);
    char rest[16];
    CU_ASSERT_PTR_NOT_NULL(fgets(rest, sizeof rest, t.in));
    CU_ASSERT_STRING_EQUAL(rest, "WARN;\n");
}

/* Statements and rows in one stream, as they come through a pipe. */
static void rows_inside_a_script(void)
{
    put_file("COPY t (id, name) FROM STDIN;\n1,a\n2,b\n\\.\nWARN;\nUNAVAILABLE;\n");
    t.in = fopen(t.path, "r");
    f->session.in = t.in;
    CU_ASSERT_FALSE(session_script(&f->session, t.in, "stdin"));
    server_sync(&f->server);
    CU_ASSERT_EQUAL(f->server.rows_count, 2);
    CU_ASSERT_TRUE(said("mind the gap"));
    CU_ASSERT_TRUE(said("stdin:6: Unavailable: "));
}

static void to_standard_output(void)
{
    server_add(&f->server, 1, "a");
    CU_ASSERT_TRUE(fixture_run(f, "COPY t TO STDOUT WITH NULL = '-'"));
    fflush(f->session.out);
    CU_ASSERT_STRING_EQUAL(f->out, "1,a,-,-\n");
    CU_ASSERT_TRUE(said("1 rows exported to STDOUT"));
}

static void words_for_what_cannot_be(void)
{
    put_file("id,nome\n1,a\n");
    CU_ASSERT_FALSE(copy("COPY t FROM '%s' WITH HEADER = true"));
    CU_ASSERT_TRUE(said("Undefined column name"));
    CU_ASSERT_TRUE(said("to name them yourself"));
    CU_ASSERT_FALSE(fixture_run(f, "COPY t FROM '/nowhere/x.csv'"));
    CU_ASSERT_TRUE(said("/nowhere/x.csv"));
    CU_ASSERT_FALSE(fixture_run(f, "COPY t TO '/nowhere/x.csv'"));
    put_file("");
    CU_ASSERT_FALSE(copy("COPY t FROM '%s' WITH HEADER = true"));
    CU_ASSERT_TRUE(said("no heading"));
}

CU_TestInfo copy_tests[] = {
    {"in and out again", in_and_out_again},
    {"chosen columns and other marks", chosen_columns_and_other_marks},
    {"bad rows are kept", bad_rows_are_kept},
    {"too many bad rows stop it", too_many_bad_rows_stop_it},
    {"overload is waited out", overload_is_waited_out},
    {"a lost connection is made again", a_lost_connection_is_made_again},
    {"patience ends", patience_ends},
    {"from standard input", from_standard_input},
    {"rows inside a script", rows_inside_a_script},
    {"to standard output", to_standard_output},
    {"words for what cannot be", words_for_what_cannot_be},
    CU_TEST_INFO_NULL,
};
