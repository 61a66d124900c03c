#include "unit/cli/fixture.h"

static struct fixture f;

void session_setup(void);
void session_teardown(void);

void session_setup(void)
{
    fixture_open(&f, 5);
}

void session_teardown(void)
{
    fixture_close(&f);
}

static void rows_and_pages(void)
{
    server_add(&f.server, 1, "one");
    server_add(&f.server, 22, "two\nlines");
    CU_ASSERT_TRUE(fixture_run(&f, "SELECT * FROM t;"));
    CU_ASSERT_TRUE(fixture_said(&f,
                                " id | name       | tags |    n\n----+------------+------+------\n"
                                "  1 | one        | null | null\n 22 | two\\nlines | null | null\n"
                                "\n(2 rows)\n",
                                ""));
    f.session.format = TABLE_AS_JSON;
    for (int32_t i = 0; i < 4000; i++)
        server_add(&f.server, i, "x");
    f.server.pages = 0;
    CU_ASSERT_TRUE(fixture_run(&f, "SELECT * FROM t"));
    CU_ASSERT_EQUAL(f.server.pages, 5);
    fflush(f.session.out);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.out, "{\"id\": 3999, \"name\": \"x\", \"tags\": null, \"n\": "
                                         "null}\n]\n"));
}

static void speaks_an_older_version(void)
{
    f.server.version_most = 4;
    CU_ASSERT_TRUE(fixture_run(&f, "SELECT * FROM t"));
    CU_ASSERT_EQUAL(cql_conn_version(&f.session.client.conn), 4);
}

static void errors_name_their_line(void)
{
    f.session.source = "a.cql";
    CU_ASSERT_FALSE(fixture_run(&f, "-- one\n\nSELECT 1 FROM t;\n  SYNTAX\n x;\nSELECT;"));
    CU_ASSERT_TRUE(fixture_said(&f, " id | name | tags | n\n----+------+------+---\n\n(0 rows)\n",
                                "a.cql:5: SyntaxException: line 2:3 no viable alternative\n"));
    CU_ASSERT_FALSE(fixture_run(&f, "\nUNAVAILABLE;"));
    CU_ASSERT_TRUE(fixture_said(&f, "",
                                "a.cql:2: Unavailable: Error from server: code=1000 [Unavailable "
                                "exception] message=\"no\" info={'consistency': 'QUORUM', "
                                "'required_replicas': 2, 'alive_replicas': 1}\n"));
}

static void warnings_and_keyspaces(void)
{
    CU_ASSERT_TRUE(fixture_run(&f, "WARN; USE ks; CREATE x;"));
    CU_ASSERT_TRUE(fixture_said(&f, "\nWarnings :\nmind the gap\n\n", ""));
    f.session.format = TABLE_AS_CSV;
    CU_ASSERT_TRUE(fixture_run(&f, "WARN;"));
    CU_ASSERT_TRUE(fixture_said(&f, "", "warning: mind the gap\n"));
    CU_ASSERT_STRING_EQUAL(f.session.keyspace, "ks");
}

static void comes_back_after_a_lost_connection(void)
{
    CU_ASSERT_FALSE(fixture_run(&f, "HANGUP;"));
    fflush(f.session.err);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.err, "lost"));
    CU_ASSERT_FALSE(client_is_open(&f.session.client));
    CU_ASSERT_TRUE(fixture_run(&f, "WARN;"));
}

static void settings(void)
{
    CU_ASSERT_TRUE(fixture_run(&f, "CONSISTENCY quorum\nSELECT;CONSISTENCY"));
    CU_ASSERT_EQUAL(f.server.consistency, CQL_CL_QUORUM);
    CU_ASSERT_TRUE(fixture_run(&f, "EXPAND ON; PAGING 7; SERIAL CONSISTENCY local_serial"));
    CU_ASSERT_TRUE(f.session.expand && f.session.page_rows == 7);
    CU_ASSERT_EQUAL(f.session.serial, CQL_CL_LOCAL_SERIAL);
    CU_ASSERT_TRUE(fixture_run(&f, "HELP; HELP COPY; TRACING OFF; SHOW HOST"));
    CU_ASSERT_TRUE(fixture_run(&f, "TRACING ON; TRACING; TRACING OFF"));
    CU_ASSERT_FALSE(fixture_run(&f, "CONSISTENCY most"));
    CU_ASSERT_FALSE(fixture_run(&f, "SHOW REPLICAS"));
    CU_ASSERT_FALSE(fixture_run(&f, "LOGIN me"));
    CU_ASSERT_FALSE(fixture_run(&f, "SOURCE nothing"));
    CU_ASSERT_FALSE(fixture_run(&f, "SOURCE '/nowhere/nothing.cql'"));
    CU_ASSERT_TRUE(fixture_run(&f, "EXIT; SYNTAX"));
    CU_ASSERT_TRUE(f.session.quit);
}

static void a_session_goes_from_one_statement_to_the_next(void)
{
    CU_ASSERT_TRUE(fixture_run(&f, "SESSION; TOKEN; SESSION; TOKEN; SESSION"));
    CU_ASSERT_TRUE(fixture_said(&f,
                                "Session is ON, without a token yet.\n"
                                "Session is ON, its token has 1 bytes: 0xab\n"
                                "Session is ON, its token has 2 bytes: 0xabab\n",
                                ""));
    CU_ASSERT_FALSE(fixture_run(&f, "SYNTAX; SESSION"));
    CU_ASSERT_EQUAL(f.session.token.len, 2); /* what was seen stays, whatever fails */
    CU_ASSERT_TRUE(fixture_run(&f, "SESSION NEW"));
    CU_ASSERT_EQUAL(f.session.token.len, 0);
    CU_ASSERT_TRUE(fixture_run(&f, "TOKEN; SESSION OFF; TOKEN; SESSION"));
    CU_ASSERT_TRUE(!f.session.keeps_session && f.session.token.len == 0);
    CU_ASSERT_TRUE(fixture_run(&f, "SESSION on; TOKEN"));
    CU_ASSERT_EQUAL(f.session.token.len, 1);
    CU_ASSERT_FALSE(fixture_run(&f, "SESSION perhaps"));
    CU_ASSERT_FALSE(fixture_run(&f, "SESSION ON NEW"));
    CU_ASSERT_EQUAL(f.session.token.len, 1);
}

/* Of a full token a new session comes, rather than a statement that fails as long as a replica is
 * away. Who asks for ALL himself is told the truth. */
static void a_full_token_is_not_in_the_way(void)
{
    CU_ASSERT_TRUE(fixture_run(&f, "TOKEN; TOKEN; FULL"));
    CU_ASSERT_TRUE(fixture_said(&f, "",
                                "the session has seen more than its token holds, and there are "
                                "not all the replicas now that it takes to find that: a new "
                                "session begins\n"));
    CU_ASSERT_EQUAL(f.session.token.len, 1);
    CU_ASSERT_TRUE(fixture_run(&f, "CONSISTENCY ALL"));
    CU_ASSERT_FALSE(fixture_run(&f, "FULL"));
    CU_ASSERT_EQUAL(f.session.token.len, 2);
}

static void receipts_are_shown(void)
{
    static const char write[] =
        "TOKEN{\"torc_receipt\":1,\"steps\":[{\"step\":\"write\",\"level\":\"ONE\",\"required\":1,"
        "\"received\":1,\"version\":\"1.1.42\",\"timestamp\":1700,\"coordinator\":{\"address\":"
        "\"10.0.0.1\"},"
        "\"kept\":\"log\",\"replicas\":[{\"address\":\"10.0.0.1\",\"dc\":\"dc1\",\"state\":"
        "\"acked\","
        "\"fsynced\":true},{\"address\":\"10.0.0.2\",\"dc\":\"dc1\",\"state\":\"dead\"}]}]}";
    static const char read[] =
        "TOKEN{\"torc_receipt\":1,\"steps\":[{\"step\":\"read\",\"level\":\"ALL\",\"required\":2,"
        "\"received\":1,\"error\":\"timeout\",\"replicas\":[{\"address\":\"10.0.0.1\",\"dc\":"
        "\"dc1\","
        "\"state\":\"answered\",\"answer\":\"digest\",\"version\":\"2.1.7\",\"timestamp\":1600,"
        "\"compared\":\"stale\",\"repaired\":1},"
        "{\"address\":\"10.0.0.3\",\"dc\":\"dc1\",\"state\":\"answered\",\"answer\":\"rows\","
        "\"version\":null,\"timestamp\":null},"
        "{\"address\":\"10.0.0.2\",\"dc\":\"dc1\",\"state\":\"refused\",\"why\":\"stale\"}]}]}";
    CU_ASSERT_TRUE(fixture_run(&f, write)); /* nobody has asked for it */
    CU_ASSERT_TRUE(fixture_said(&f, "", ""));
    CU_ASSERT_TRUE(fixture_run(&f, "CONSISTENCY REPORT; CONSISTENCY REPORT ON"));
    CU_ASSERT_TRUE(fixture_said(&f, "Consistency report is OFF.\nConsistency report is ON.\n", ""));
    CU_ASSERT_TRUE(fixture_run(&f, write));
    CU_ASSERT_TRUE(fixture_said(&f,
                                "\nConsistency report:\n"
                                " write at ONE: 1 of 1, version 1.1.42 at 1700, by 10.0.0.1\n"
                                "   10.0.0.1        dc1          acked, fsynced\n"
                                "   10.0.0.2        dc1          dead; kept for it\n\n",
                                ""));
    CU_ASSERT_TRUE(fixture_run(&f, read));
    CU_ASSERT_TRUE(fixture_said(
        &f,
        "\nConsistency report:\n read at ALL: 1 of 2 (timeout)\n"
        "   10.0.0.1        dc1          answered with a digest, version 2.1.7 at 1600, stale, "
        "repaired (1 partitions)\n"
        "   10.0.0.3        dc1          answered with rows, nothing there\n"
        "   10.0.0.2        dc1          refused: stale\n\n",
        ""));
    CU_ASSERT_TRUE(fixture_run(&f, "TOKEN{\"steps\":[{\"step\":\"write\",\"level\":\"ALL\","
                                   "\"required\":3,\"received\":0,\"alive\":2}]}"));
    CU_ASSERT_TRUE(
        fixture_said(&f, "\nConsistency report:\n write at ALL: 0 of 3, 2 alive\n\n", ""));
    CU_ASSERT_TRUE(
        fixture_run(&f, "TOKEN{\"torc_receipt\":1,\"steps\":[]}")); /* of a DDL statement */
    CU_ASSERT_TRUE(fixture_said(&f, "", ""));
    CU_ASSERT_TRUE(fixture_run(&f, "TOKEN[1, no receipt"));
    CU_ASSERT_TRUE(fixture_said(
        &f, "\nConsistency report:\n (in a form that this shell does not know)\n\n", ""));
    f.session.format = TABLE_AS_JSON; /* for programs: as it came, beside the rows */
    CU_ASSERT_TRUE(fixture_run(&f, "TOKEN{}"));
    CU_ASSERT_TRUE(fixture_said(&f, "", "{}\n"));
    CU_ASSERT_TRUE(fixture_run(&f, "CONSISTENCY REPORT OFF; TOKEN{}"));
    CU_ASSERT_TRUE(fixture_said(&f, "", ""));
    CU_ASSERT_FALSE(fixture_run(&f, "CONSISTENCY REPORT MORE"));
}

static void commands_answer_as_cqlsh(void)
{
    CU_ASSERT_TRUE(fixture_run(&f, "EXPAND; EXPAND ON; EXPAND ON; EXPAND; SELECT; EXPAND OFF"));
    CU_ASSERT_TRUE(fixture_said(&f,
                                "EXPAND is OFF\nEXPAND set to ON\nEXPAND is already ON\n"
                                "EXPAND is ON\n id | name | tags | n\n----+------+------+---\n\n"
                                "(0 rows)\nEXPAND set to OFF\n",
                                ""));
    CU_ASSERT_TRUE(fixture_run(&f, "PAGING 7; PAGING; PAGING OFF; PAGING ON"));
    CU_ASSERT_TRUE(fixture_said(&f,
                                "Page size: 7\nPAGING is ON\nPage size: 7\nPAGING set to OFF\n"
                                "PAGING set to ON\nPage size: 100\n",
                                ""));
    CU_ASSERT_TRUE(fixture_run(&f, "CAPTURE; CAPTURE '/dev/null'; SELECT; CAPTURE"));
    CU_ASSERT_FALSE(fixture_run(&f, "CAPTURE '/dev/null'"));
    CU_ASSERT_TRUE(fixture_run(&f, "CAPTURE OFF"));
    CU_ASSERT_FALSE(fixture_run(&f, "CAPTURE OFF"));
    CU_ASSERT_FALSE(fixture_run(&f, "CAPTURE '/nowhere/nothing'"));
    CU_ASSERT_TRUE(
        fixture_said(&f,
                     "Currently not capturing query output.\n"
                     "Now capturing query output to '/dev/null'.\n"
                     "Currently capturing query output to '/dev/null'.\n",
                     "Already capturing output to /dev/null. Use CAPTURE OFF to disable.\n"
                     "Not currently capturing output.\n"
                     "Could not open '/nowhere/nothing' for append: No such file or directory\n"));
}

static void descriptions(void)
{
    CU_ASSERT_TRUE(fixture_run(&f, "DESCRIBE TABLE t\n"));
    CU_ASSERT_TRUE(fixture_said(&f, "\nCREATE TABLE ks.t (id int);\n", ""));
    CU_ASSERT_TRUE(fixture_run(&f, "DESCRIBE TABLES;"));
    CU_ASSERT_TRUE(fixture_said(&f, "\nKeyspace ks\n-----------\nt  u\n\n", ""));
    CU_ASSERT_TRUE(fixture_run(&f, "DESCRIBE EMPTY;"));
    CU_ASSERT_TRUE(fixture_said(&f, "", ""));
    CU_ASSERT_TRUE(fixture_run(&f, "DESCRIBE MANY;"));
    CU_ASSERT_TRUE(fixture_said(&f,
                                "\nKeyspace ks\n-----------\n"
                                "a_name_of_thirty_characters_12  d_name_of_thirty_characters_12\n"
                                "b                               e_name_of_thirty_characters_12\n"
                                "c\n"
                                "\nKeyspace other\n--------------\nz\n\n",
                                ""));
    CU_ASSERT_TRUE(fixture_run(&f, "USE ks; DESCRIBE TABLES;"));
    CU_ASSERT_TRUE(fixture_said(&f, "\nt  u\n\n", ""));
}

static void learns_names(void)
{
    session_learn_names(&f.session);
    CU_ASSERT_TRUE_FATAL(f.session.names_known);
    CU_ASSERT_EQUAL(f.session.names.keyspaces_count, 2);
    CU_ASSERT_EQUAL_FATAL(f.session.names.tables_count, 1);
    CU_ASSERT_EQUAL(f.session.names.tables[0].count, 2);
    CU_ASSERT_TRUE(fixture_run(&f, "CREATE TABLE x"));
    CU_ASSERT_FALSE(f.session.names_known);
}

static void nobody_there(void)
{
    struct errmsg why;
    f.session.config.port = 1;
    CU_ASSERT_NOT_EQUAL(session_connect(&f.session, &why), ERR_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "127.0.0.1 port 1"));
    CU_ASSERT_FALSE(fixture_run(&f, "SELECT 1"));
}

CU_TestInfo session_tests[] = {
    {"rows and pages", rows_and_pages},
    {"speaks an older version", speaks_an_older_version},
    {"errors name their line", errors_name_their_line},
    {"warnings and keyspaces", warnings_and_keyspaces},
    {"comes back after a lost connection", comes_back_after_a_lost_connection},
    {"settings", settings},
    {"commands answer as cqlsh", commands_answer_as_cqlsh},
    {"descriptions", descriptions},
    {"learns names", learns_names},
    {"nobody there", nobody_there},
    {"a session goes from one statement to the next",
     a_session_goes_from_one_statement_to_the_next},
    {"a full token is not in the way", a_full_token_is_not_in_the_way},
    {"receipts are shown", receipts_are_shown},
    CU_TEST_INFO_NULL,
};
