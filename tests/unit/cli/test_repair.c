/* What `torc repair` and `torc entropy` ask for, and what they make of the answers. */
#include "cli/entropy.h"
#include "cli/repair.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static bool asks(int argc, char *const *argv, const char *what)
{
    struct options o;
    struct errmsg why;
    struct buf out;
    buf_init(&out, 4096);
    bool fine = options_parse(argc, argv, &o, &why) == ERR_OK;
    if (fine)
        repair_request(&o, &out);
    buf_put_u8(&out, 0);
    fine = fine && strcmp((const char *)out.data, what) == 0;
    if (!fine)
        printf("\n%s", (const char *)out.data);
    buf_close(&out);
    return fine;
}

static void asks_for_what_is_wanted(void)
{
    char *const all[] = {"torc", "repair"};
    char *const some[] = {"torc",    "repair", "ks",          "a",      "b",        "--preview",
                          "--range", "-5:9",   "--range=1:2", "--node", "10.0.0.1", "--full"};
    CU_ASSERT(asks(2, all, "{\"tables\":[],\"ranges\":[],\"full\":false,\"preview\":false}"));
    CU_ASSERT(asks(12, some,
                   "{\"keyspace\":\"ks\",\"tables\":[\"a\",\"b\"],\"ranges\":[[\"-5\",\"9\"],"
                   "[\"1\",\"2\"]],\"node\":\"10.0.0.1\",\"full\":true,\"preview\":true}"));
}

static void refuses_ranges_that_are_none(void)
{
    static char *const bad[] = {"",
                                "1",
                                "1:",
                                ":1",
                                "a:b",
                                "1:2:3",
                                "1-2",
                                " 1:2",
                                "1:+2",
                                "0:9223372036854775808",
                                "-99999999999999999999:5",
                                "0x1:2"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct options o;
        struct errmsg why;
        char *const argv[] = {"torc", "repair", "--range", bad[i]};
        CU_ASSERT_EQUAL(options_parse(4, argv, &o, &why), ERR_INVALID);
    }
}

#define RUN(state, preview, equal, failed, different, problems)                                    \
    "{\"id\":\"2-7\",\"state\":\"" state "\",\"preview\":" preview                                 \
    ",\"full\":false,\"seconds\":1.5,\"ranges\":16,\"done\":16,\"equal\":" equal                   \
    ",\"failed\":" failed ",\"rows\":1234567,\"ranges_different\":2,\"rows_different\":" different \
    ",\"problems_count\":3,\"keyspaces\":[{\"keyspace\":\"ks\",\"ranges\":16,\"equal\":" equal     \
    ",\"rows\":1234567,\"rows_different\":" different                                              \
    ",\"tables\":[{\"table\":\"t\",\"rows\":1234567,\"rows_different\":" different                 \
    "},{\"table\":\"u\",\"rows\":0,\"rows_different\":0}]}],\"problems\":[" problems "]}"

#define PROBLEM(range)                                                                             \
    "{\"keyspace\":\"ks\",\"range\":" range                                                        \
    ",\"first_token\":-5,\"last_token\":9,\"node\":3,\"address\":\"10.0.0.3:7000\","               \
    "\"reason\":\"is down\"}"

#define LACKING(range)                                                                             \
    "{\"keyspace\":\"ks\",\"range\":" range                                                        \
    ",\"first_token\":-5,\"last_token\":9,\"node\":3,\"address\":\"10.0.0.3:7000\","               \
    "\"reason\":\"has yet to get\",\"lacking\":1001}"

static bool shows(const char *answer, enum table_format format, bool named, int code,
                  const char *what, const char *not_there)
{
    struct buf out;
    struct errmsg why;
    int got = -1;
    buf_init(&out, 1 << 16);
    bool fine = repair_render(bytes_text(answer), format, (struct table_look){0}, named, &out, &got,
                              &why) == ERR_OK;
    buf_put_u8(&out, 0);
    const char *text = (const char *)out.data;
    fine = fine && got == code && strstr(text, what) != NULL &&
           (not_there == NULL || strstr(text, not_there) == NULL);
    if (!fine)
        printf("\n%d %s", got, text);
    buf_close(&out);
    return fine;
}

static void ends_with_a_table_and_a_code(void)
{
    static const char equal[] = RUN("over", "false", "16", "0", "0", "");
    static const char mended[] = RUN("over", "false", "14", "0", "12", "");
    static const char differs[] = RUN("over", "true", "14", "0", "1", "");
    static const char down[] = RUN("over", "false", "0", "2", "0", PROBLEM("5") "," PROBLEM("4"));
    static const char both[] = RUN("over", "false", "0", "16", "5", PROBLEM("4"));
    static const char alone[] = RUN("over", "false", "16", "0,\"ranges_alone\":16", "0", "");
    static const char some[] = RUN("over", "false", "16", "0,\"ranges_alone\":4", "0", "");
    static const char damaged[] =
        RUN("over", "false", "15", "1,\"ranges_damaged\":1", "0", PROBLEM("4"));
    static const char lacking[] =
        RUN("over", "false", "14", "2,\"ranges_lacking\":2", "0", LACKING("4") "," LACKING("5"));
    static const char dropped[] = RUN("over", "false", "16", "0", "0,\"dropped\":true", "");
    static const char searched[] =
        RUN("over", "false", "15", "0,\"bytes_search\":25600,\"bytes_hashes\":20480", "1", "");
    static const char cancelled[] = RUN("cancelled", "false", "3", "0", "0", "");
    CU_ASSERT(shows(equal, TABLE_AS_TABLE, false, EXIT_FINE, "All 16 ranges are equal.", " | t "));
    CU_ASSERT(shows(equal, TABLE_AS_TABLE, true, EXIT_FINE, "| t     |", NULL));
    CU_ASSERT(shows(mended, TABLE_AS_TABLE, false, EXIT_FINE,
                    "12 rows differed in 2 of 16 ranges; they are equal now.", " | u "));
    CU_ASSERT(shows(mended, TABLE_AS_TABLE, false, EXIT_FINE, "| t     |", NULL));
    CU_ASSERT(shows(differs, TABLE_AS_TABLE, false, EXIT_DIFFERS,
                    "1 row differs in 2 of 16 ranges; nothing was changed.", NULL));
    CU_ASSERT(shows(down, TABLE_AS_TABLE, false, EXIT_REQUEST,
                    "Not compared: keyspace ks, 2 ranges (the first is 4, tokens -5 to 9) with "
                    "node 3 (10.0.0.3:7000): is down\n... and 1 more.",
                    NULL));
    CU_ASSERT(shows(both, TABLE_AS_TABLE, false, EXIT_REQUEST,
                    "5 rows differed in 2 of 16 ranges; they are equal now on the replicas that "
                    "were compared.\n16 of 16 ranges could not be compared with all replicas.",
                    NULL));
    CU_ASSERT(shows(alone, TABLE_AS_TABLE, false, EXIT_FINE,
                    "Each of 16 ranges has one replica: nothing to compare.", "equal."));
    CU_ASSERT(shows(
        some, TABLE_AS_TABLE, false, EXIT_FINE,
        "All 16 ranges are equal.\n4 of them have one replica: nothing to compare there.", NULL));
    CU_ASSERT(
        shows(dropped, TABLE_AS_TABLE, false, EXIT_FINE,
              "Keyspace ks was dropped meanwhile.\nAll 16 ranges that were compared were equal.",
              "ranges are equal"));
    CU_ASSERT(shows(damaged, TABLE_AS_TABLE, false, EXIT_REQUEST,
                    "1 of 16 ranges could not be compared with all replicas.\n"
                    "In 1 of them something cannot be read: torc status",
                    "are equal"));
    CU_ASSERT(shows(lacking, TABLE_AS_TABLE, false, EXIT_REQUEST,
                    "In 2 of 16 ranges a replica has yet to get what another one has", "compared"));
    CU_ASSERT(shows(lacking, TABLE_AS_TABLE, false, EXIT_REQUEST,
                    "Not equal: keyspace ks, 2 ranges (the first is 4, tokens -5 to 9) with node 3 "
                    "(10.0.0.3:7000), which has yet to get 2,002 writes: handoff brings them\n",
                    "are equal"));
    CU_ASSERT(shows(cancelled, TABLE_AS_TABLE, false, EXIT_REQUEST,
                    "Repair 2-7 was cancelled: 16 of 16 ranges were done.", NULL));
    CU_ASSERT(shows(mended, TABLE_AS_CSV, false, EXIT_FINE, "\nks,t,,,,1234567,12,0,0,,,,,\n",
                    "rows differed"));
    CU_ASSERT(shows(mended, TABLE_AS_JSON, false, EXIT_FINE, mended, NULL));
    CU_ASSERT(
        shows(searched, TABLE_AS_TABLE, false, EXIT_FINE,
              "Of the search 20.00 KiB compared hashes of ranges, and 5.00 KiB looked further "
              "where they differed.\n",
              NULL));
    CU_ASSERT(shows(equal, TABLE_AS_TABLE, false, EXIT_FINE, "equal", "Of the search"));
    CU_ASSERT(shows("{}", TABLE_AS_TABLE, false, EXIT_REQUEST, "(all)", NULL));
}

/* The widest line of what is shown on a terminal of so many columns. */
static size_t widest(const char *answer, size_t columns, const char *what)
{
    struct buf out;
    struct errmsg why;
    size_t widest = 0;
    int code;
    buf_init(&out, 1 << 16);
    CU_ASSERT_EQUAL(repair_render(bytes_text(answer), TABLE_AS_TABLE,
                                  (struct table_look){.width = columns}, true, &out, &code, &why),
                    ERR_OK);
    buf_put_u8(&out, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)out.data, what));
    for (const char *at = (const char *)out.data; *at != 0; at += strspn(at, "\n")) {
        size_t len = strcspn(at, "\n");
        widest = len > widest && strchr("@ -", *at) != NULL ? len : widest;
        at += len;
    }
    buf_close(&out);
    return widest;
}

/* Ten million rows of the example that everybody begins with, much of it sent. */
static void the_tables_fit_the_terminal(void)
{
    static const char run[] =
        "{\"id\":\"2-7\",\"state\":\"over\",\"ranges\":65536,\"equal\":65536,\"rows\":10000000,"
        "\"rows_different\":1000000,\"rows_received\":1000000,\"rows_sent\":1000000,"
        "\"bytes_search\":1070596096,\"bytes_received\":1070596096,\"bytes_sent\":1070596096,"
        "\"seconds\":2145.5,\"keyspaces\":[{\"keyspace\":\"nycflights13\",\"ranges\":65536,"
        "\"equal\":65536,\"rows\":10000000,\"rows_different\":1000000,\"rows_received\":1000000,"
        "\"rows_sent\":1000000,\"bytes_search\":1070596096,\"bytes_received\":1070596096,"
        "\"bytes_sent\":1070596096,\"tables\":[{\"table\":\"weather\",\"rows\":10000000,"
        "\"rows_different\":1000000,\"rows_received\":1000000,\"rows_sent\":1000000}]}]}";
    size_t wide = widest(run, 0, " nycflights13 | 65,536 | 65,536 | 1021 MiB |");
    CU_ASSERT(wide <= 80);
    CU_ASSERT_EQUAL(widest(run, wide, " nycflights13 | weather | 10,000,000 | 1,000,000 |"), wide);
    CU_ASSERT(widest(run, wide - 1, " search   | 1021 MiB\n") <= wide - 1);
    CU_ASSERT(widest(run, 40, " different | 1,000,000\n") <= 40);
}

static void watches_and_lists(void)
{
    struct repair_watch seen;
    struct errmsg why;
    struct buf out;
    CU_ASSERT_EQUAL(repair_watch_take(BYTES_LIT("{\"id\":\"2-7\",\"joined\":true}"), &seen, &why),
                    ERR_OK);
    CU_ASSERT(strcmp(seen.id, "2-7") == 0 && !seen.over && !seen.durable);
    CU_ASSERT_EQUAL(repair_watch_take(
                        BYTES_LIT("{\"id\":\"2-7\",\"state\":\"running\",\"done\":3,"
                                  "\"durable\":true,\"progress\":0.417,\"rows_read\":9,\"rows\":5,"
                                  "\"seconds\":2.5}"),
                        &seen, &why),
                    ERR_OK);
    CU_ASSERT(seen.durable && !seen.over && seen.done == 417 && seen.rows_read == 9 &&
              seen.rows == 5);
    CU_ASSERT_EQUAL(seen.elapsed, 2500 * USEC_PER_MS);
    CU_ASSERT_EQUAL(
        repair_watch_take(BYTES_LIT("{\"id\":\"2-7\",\"state\":\"over\"}"), &seen, &why), ERR_OK);
    CU_ASSERT(seen.over);
    CU_ASSERT_EQUAL(repair_watch_take(BYTES_LIT("{\"id\":\"../x\"}"), &seen, &why), ERR_MALFORMED);
    CU_ASSERT_EQUAL(repair_watch_take(BYTES_LIT("<html>"), &seen, &why), ERR_MALFORMED);
    buf_init(&out, 65536);
    CU_ASSERT_EQUAL(
        repair_render_list(BYTES_LIT("{\"runs\":[{\"id\":\"2-7\",\"state\":\"running\","
                                     "\"full\":true,\"preview\":true,\"ranges\":1024}]}"),
                           TABLE_AS_TABLE, (struct table_look){0}, &out, &why),
        ERR_OK);
    buf_put_u8(&out, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)out.data, "full preview | (all)    |  1,024"));
    buf_close(&out);
}

/* A line that fills the terminal would not be drawn over. */
static void the_bar_fits_the_terminal(void)
{
    struct progress p = {.verb = "comparing", .rows = 1370137, .bytes = 350, .bytes_all = 1000};
    struct buf line;
    buf_init(&line, 1024);
    progress_line(&p, 10 * USEC_PER_SEC, 0, &line);
    CU_ASSERT(
        bytes_equal(buf_bytes(&line), BYTES_LIT("comparing 1,370,137 rows  137,013 rows/s  "
                                                "[#######.............] 35 %  0:10, 0:18 left")));
    size_t whole = line.len;
    p.based = 8 * USEC_PER_SEC; /* watched since; most came before */
    p.based_rows = 1370000;
    p.based_bytes = 300;
    buf_clear(&line);
    progress_line(&p, 10 * USEC_PER_SEC, 0, &line);
    CU_ASSERT(
        bytes_equal(buf_bytes(&line), BYTES_LIT("comparing 1,370,137 rows  68 rows/s  "
                                                "[#######.............] 35 %  0:10, 0:26 left")));
    p.based_bytes = 331; /* of 19 thousandths nothing can be told; nor of less than two seconds */
    buf_clear(&line);
    progress_line(&p, 10 * USEC_PER_SEC, 0, &line);
    CU_ASSERT(
        bytes_equal(buf_bytes(&line), BYTES_LIT("comparing 1,370,137 rows  68 rows/s  "
                                                "[#######.............] 35 %  0:10, -- left")));
    p.based_bytes = 330;
    buf_clear(&line);
    progress_line(&p, 10 * USEC_PER_SEC, 0, &line);
    CU_ASSERT(
        bytes_equal(buf_bytes(&line), BYTES_LIT("comparing 1,370,137 rows  68 rows/s  "
                                                "[#######.............] 35 %  0:10, 1:05 left")));
    buf_clear(&line);
    progress_line(&p, 10 * USEC_PER_SEC - 1, 0, &line);
    buf_put_u8(&line, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)line.data, "0:09, -- left"));
    p.based = 0;
    p.based_rows = p.based_bytes = 0;
    for (size_t width = whole + 1; width > 1; width--) {
        buf_clear(&line);
        progress_line(&p, 10 * USEC_PER_SEC, width, &line);
        CU_ASSERT(line.len < width);
        buf_put_u8(&line, 0);
        CU_ASSERT(width < whole - 22 || strstr((const char *)line.data, "0:18 left") != NULL);
        CU_ASSERT_EQUAL(strstr((const char *)line.data, "#") != NULL, width >= whole - 14);
    }
    buf_close(&line);
}

static const char node_1[] =
    "{\"node\":1,\"keyspaces\":[{\"keyspace\":\"ks\",\"count\":2,\"by_clocks\":{\"minute\":2,"
    "\"ever\":2},\"by_trees\":{\"minute\":1,\"hour\":1,\"day\":1,\"ever\":1},\"lacks\":3,"
    "\"rows_found\":7,\"rows_left\":5,\"found\":[{\"range\":4,\"rows_found\":6,\"rows_left\":5},"
    "{\"range\":9,\"rows_found\":1,\"rows_left\":0}],\"worst\":{\"range\":4,\"peer\":2,\"clocks_"
    "s\":1,"
    "\"trees_s\":null,\"lacks\":3,\"rows_left\":5},\"pairs\":[{\"range\":4,\"peer\":2,"
    "\"clocks_s\":1,\"trees_s\":null,\"read_s\":7200,\"lacks\":3,\"peer_lacks\":0,"
    "\"rows_left\":5}]}]}";
static const char node_2[] =
    "{\"node\":2,\"keyspaces\":[{\"keyspace\":\"ks\",\"count\":2,\"by_clocks\":{\"minute\":2},"
    "\"by_trees\":{\"minute\":2,\"hour\":2,\"day\":2,\"ever\":2},\"found\":[{\"range\":4,"
    "\"rows_found\":6,\"rows_left\":5},{\"range\":20,\"rows_found\":3,\"rows_left\":1}],\"worst\":{"
    "\"range\":9,\"peer\":1,"
    "\"trees_s\":3},\"pairs\":[]},{\"keyspace\":\"other\",\"count\":0,\"worst\":null}]}";

static bool tells(const char *keyspace, bool ranges, enum table_format format, const char *what)
{
    struct bytes answers[] = {bytes_text(node_1), bytes_text(node_2)};
    struct buf out;
    struct errmsg why;
    buf_init(&out, 65536);
    bool fine = entropy_render(answers, 2, keyspace, ranges, format, (struct table_look){0}, &out,
                               &why) == ERR_OK;
    buf_put_u8(&out, 0);
    fine = fine && strstr((const char *)out.data, what) != NULL;
    if (!fine)
        printf("\n%s", (const char *)out.data);
    buf_close(&out);
    return fine;
}

static void entropy_is_put_together(void)
{
    struct errmsg why;
    struct buf out;
    struct bytes bad = BYTES_LIT("[]");
    CU_ASSERT(tells(NULL, false, TABLE_AS_CSV,
                    "\nks,4,1.0000,0.7500,0.7500,0.7500,0.7500,3,6,4,0,4,1,2,"));
    CU_ASSERT(tells(NULL, false, TABLE_AS_CSV, "\nother,0,,,,,,0,0,0,0,"));
    CU_ASSERT(
        tells("ks", true, TABLE_AS_TABLE, "ks       |     4 |    1 |    2 |    1 s | never |"));
    CU_ASSERT(tells("ks", true, TABLE_AS_TABLE, "2 h"));
    CU_ASSERT(
        tells("other", false, TABLE_AS_TABLE, "Keyspace other has one replica of each range"));
    CU_ASSERT(tells("other", true, TABLE_AS_TABLE, "Keyspace other has one replica of each range"));
    buf_init(&out, 4096);
    struct bytes good = bytes_text(node_1);
    CU_ASSERT_EQUAL(
        entropy_render(&good, 1, "nosuch", false, TABLE_AS_CSV, (struct table_look){0}, &out, &why),
        ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(
        entropy_render(&good, 1, "nosuch", true, TABLE_AS_JSON, (struct table_look){0}, &out, &why),
        ERR_NOT_FOUND);
    CU_ASSERT(out.len == 0 && strstr(why.text, "no keyspace nosuch") != NULL);
    CU_ASSERT_EQUAL(
        entropy_render(&bad, 1, NULL, false, TABLE_AS_TABLE, (struct table_look){0}, &out, &why),
        ERR_MALFORMED);
    buf_close(&out);
}

static void nodes_are_found_in_the_status(void)
{
    struct entropy_node nodes[4];
    CU_ASSERT_EQUAL(
        entropy_nodes(BYTES_LIT("{\"nodes\":[{\"node\":1,\"address\":\"10.0.0.1:7000\",\"up\":true,"
                                "\"self\":true},{\"node\":2,\"address\":\"[::1]:7000\"},"
                                "{\"node\":3,\"address\":\"x\"},{\"node\":4}]}"),
                      nodes, 4),
        2);
    CU_ASSERT(strcmp(nodes[0].host, "10.0.0.1") == 0 && nodes[0].up && nodes[0].self);
    CU_ASSERT(strcmp(nodes[1].host, "::1") == 0 && !nodes[1].up && nodes[1].node == 2);
    CU_ASSERT_EQUAL(entropy_nodes(BYTES_LIT("<"), nodes, 4), 0);
}

CU_TestInfo repair_tests[] = {{"asks for what is wanted", asks_for_what_is_wanted},
                              {"refuses ranges that are none", refuses_ranges_that_are_none},
                              {"ends with a table and a code", ends_with_a_table_and_a_code},
                              {"the tables fit the terminal", the_tables_fit_the_terminal},
                              {"watches and lists", watches_and_lists},
                              {"entropy is put together", entropy_is_put_together},
                              {"nodes are found in the status", nodes_are_found_in_the_status},
                              {"the bar fits the terminal", the_bar_fits_the_terminal},
                              CU_TEST_INFO_NULL};
