#include "cli/status.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static const char status[] =
    "{\"cluster\":\"Test\",\"node\":1,\"host_id\":\"h1\",\"phase\":\"ready\",\"epoch\":4,"
    "\"problem\":\"\",\"nodes\":[{\"node\":1,\"host_id\":\"h1\",\"address\":\"127.0.0.1:7000\","
    "\"cql\":\"127.0.0.1:9042\",\"dc\":\"dc1\",\"rack\":\"r1\",\"state\":\"NORMAL\",\"up\":true,"
    "\"gossip\":\"alive\",\"ranges\":683,\"owns\":0.6669921875,\"load\":5376,\"self\":true},"
    "{\"node\":2,\"host_id\":\"h2\",\"address\":\"127.0.0.2:7000\",\"up\":false,\"ranges\":341}]}";

static const char ring[] =
    "{\"ranges\":1024,\"epoch\":4,\"moving\":false,\"owners\":{\"dc1\":[[0,512,1],[512,512,2]]},"
    "\"nodes\":[{\"node\":1,\"address\":\"127.0.0.1:7000\"}]}";

static bool shows(enum verb verb, const char *answer, enum table_format format, const char *what)
{
    struct buf out;
    struct errmsg why;
    buf_init(&out, 1 << 16);
    bool fine = status_render(verb, bytes_text(answer), format, (struct table_look){0}, &out,
                              &why) == ERR_OK;
    buf_put_u8(&out, 0);
    fine = fine && strstr((const char *)out.data, what) != NULL;
    if (!fine)
        printf("\n%s", (const char *)out.data);
    buf_close(&out);
    return fine;
}

static void as_people_and_programs_want_it(void)
{
    CU_ASSERT_TRUE(shows(VERB_status, status, TABLE_AS_TABLE, "1 of 2 nodes up"));
    CU_ASSERT_TRUE(shows(VERB_status, status, TABLE_AS_TABLE, "66.7 % | 5.25 KiB | h1"));
    CU_ASSERT_TRUE(shows(VERB_status, status, TABLE_AS_TABLE, "    2 | down | null"));
    CU_ASSERT_TRUE(shows(VERB_status, status, TABLE_AS_JSON, "\"node\": 1, \"up\": \"up\""));
    CU_ASSERT_TRUE(shows(VERB_status, status, TABLE_AS_CSV, "1,up,NORMAL,alive,127.0.0.1:7000"));
    CU_ASSERT_TRUE(shows(VERB_ring, ring, TABLE_AS_TABLE, "1024 ranges, epoch 4."));
    CU_ASSERT_TRUE(shows(VERB_ring, ring, TABLE_AS_CSV,
                         "dc1,0,512,-9223372036854775808,1,127.0.0.1:7000\ndc1,512,512,0,2,?\n"));
    CU_ASSERT_TRUE(shows(VERB_info, status, TABLE_AS_TABLE, "\n phase   | ready"));
    CU_ASSERT_TRUE(shows(VERB_info, status, TABLE_AS_CSV, "\nrack,r1\n"));
    CU_ASSERT_TRUE(shows(VERB_status, "{}", TABLE_AS_TABLE, "0 of 0"));
    CU_ASSERT_TRUE(shows(VERB_status, "{\"nodes\":[{\"node\":3,\"pins\":12,\"pins_s\":90}]}",
                         TABLE_AS_TABLE,
                         "Node 3 is down for 90 s: deletions in 12 ranges are kept until"));
    CU_ASSERT_TRUE(shows(VERB_status, "{\"nodes\":[{\"node\":3,\"pins\":1,\"pins_s\":9}]}",
                         TABLE_AS_TABLE, "deletions in 1 range are kept until"));
    CU_ASSERT_TRUE(shows(VERB_status, "{\"missing\":1200,\"handoff_rate\":1572864}", TABLE_AS_TABLE,
                         "Catching up: 1200 writes to come, at up to 1.5 MiB a second"));
    CU_ASSERT_TRUE(shows(VERB_status, "{\"notes\":[\"one\",5,\"two of them\"]}", TABLE_AS_TABLE,
                         "\nNote: one.\n\nNote: two of them.\n"));
    CU_ASSERT_TRUE(shows(VERB_ring, "{\"owners\":{\"d\":[1,[]]}}", TABLE_AS_TABLE, "0 ranges"));
}

static void who_votes_is_shown(void)
{
    static const char most_down[] =
        "{\"cluster\":\"c\",\"node\":1,\"epoch\":9,\"generation\":0,\"majority\":false,\"nodes\":["
        "{\"node\":1,\"host_id\":\"h1\",\"address\":\"127.0.0.1:7000\",\"state\":\"NORMAL\",\"up\":"
        "true,\"member\":true,\"away\":false,\"epoch\":9},"
        "{\"node\":2,\"up\":false,\"member\":true,\"away\":true},"
        "{\"node\":3,\"up\":false,\"member\":true,\"away\":false},"
        "{\"node\":4,\"up\":false,\"member\":false,\"away\":true,\"lost\":true}],"
        "\"problem\":\"too bad\"}";
    CU_ASSERT_TRUE(shows(VERB_metadata, most_down, TABLE_AS_TABLE,
                         "Cluster \"c\": 1 of 3 metadata members up, epoch 9, generation 0, as "
                         "node 1 sees it.\nMost are down: reads and writes go on"));
    CU_ASSERT_TRUE(shows(VERB_metadata, most_down, TABLE_AS_TABLE,
                         "    1 | up   | member       | NORMAL | 127.0.0.1:7000 |     9 | h1"));
    CU_ASSERT_TRUE(shows(VERB_metadata, most_down, TABLE_AS_TABLE, "    2 | down | member, away"));
    CU_ASSERT_TRUE(shows(VERB_metadata, most_down, TABLE_AS_TABLE, "    4 | down | lost "));
    CU_ASSERT_TRUE(shows(VERB_metadata, most_down, TABLE_AS_TABLE, "Problem: too bad\n"));
    CU_ASSERT_TRUE(shows(VERB_metadata, most_down, TABLE_AS_CSV, "\n1,up,member,NORMAL,"));
    CU_ASSERT_TRUE(shows(VERB_metadata, most_down, TABLE_AS_JSON, "\"generation\": 0,"));
    CU_ASSERT_TRUE(shows(VERB_metadata, "{\"majority\":true}", TABLE_AS_TABLE, "0 of 0 metadata"));
}

static void hints_are_shown(void)
{
    static const char waits[] =
        "{\"node\":2,\"now_ms\":7200000,\"waiting\":[{\"kind\":\"hint\",\"node\":3,\"address\":"
        "\"127.0.0.3:7000\",\"up\":false,\"waiting\":12,\"bytes\":2048,\"oldest_ms\":3600000,"
        "\"bytes_per_second\":0,\"why\":\"down\"},{\"kind\":\"tree\",\"node\":4,\"up\":true,"
        "\"keyspace\":\"ks\",\"range\":7,\"waiting\":1,\"oldest_ms\":null,\"why\":\"damaged\"}]}";
    CU_ASSERT_TRUE(shows(VERB_hints, waits, TABLE_AS_TABLE, "as node 2 has it"));
    CU_ASSERT_TRUE(shows(VERB_hints, waits, TABLE_AS_TABLE, "12 | 2.00 KiB | 60 min"));
    CU_ASSERT_TRUE(shows(VERB_hints, waits, TABLE_AS_CSV,
                         "\nhint,3,127.0.0.3:7000,down,,,12,2048,3600,0,down\n"));
    CU_ASSERT_TRUE(shows(VERB_hints, waits, TABLE_AS_JSON, "\"why\": \"damaged\""));
    CU_ASSERT_TRUE(shows(VERB_hints, "{\"node\":2,\"waiting\":[]}", TABLE_AS_TABLE,
                         "Nothing waits at node 2."));
    CU_ASSERT_TRUE(shows(VERB_hints, "{}", TABLE_AS_CSV, "kind,node"));
}

static void refuses_what_is_none(void)
{
    struct buf out;
    struct errmsg why;
    buf_init(&out, 4096);
    CU_ASSERT_EQUAL(status_render(VERB_status, BYTES_LIT("<html>"), TABLE_AS_TABLE,
                                  (struct table_look){0}, &out, &why),
                    ERR_MALFORMED);
    CU_ASSERT_EQUAL(status_render(VERB_ring, BYTES_LIT("[1]"), TABLE_AS_TABLE,
                                  (struct table_look){0}, &out, &why),
                    ERR_MALFORMED);
    CU_ASSERT_EQUAL(out.len, 0);
    buf_close(&out);
}

CU_TestInfo status_tests[] = {
    {"as people and programs want it", as_people_and_programs_want_it},
    {"who votes is shown", who_votes_is_shown},
    {"hints are shown", hints_are_shown},
    {"refuses what is none", refuses_what_is_none},
    CU_TEST_INFO_NULL,
};
