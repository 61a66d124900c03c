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
    bool fine = status_render(verb, bytes_text(answer), format, false, &out, &why) == ERR_OK;
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
    CU_ASSERT_TRUE(shows(VERB_ring, "{\"owners\":{\"d\":[1,[]]}}", TABLE_AS_TABLE, "0 ranges"));
}

static void refuses_what_is_none(void)
{
    struct buf out;
    struct errmsg why;
    buf_init(&out, 4096);
    CU_ASSERT_EQUAL(
        status_render(VERB_status, BYTES_LIT("<html>"), TABLE_AS_TABLE, false, &out, &why),
        ERR_MALFORMED);
    CU_ASSERT_EQUAL(status_render(VERB_ring, BYTES_LIT("[1]"), TABLE_AS_TABLE, false, &out, &why),
                    ERR_MALFORMED);
    CU_ASSERT_EQUAL(out.len, 0);
    buf_close(&out);
}

CU_TestInfo status_tests[] = {
    {"as people and programs want it", as_people_and_programs_want_it},
    {"refuses what is none", refuses_what_is_none},
    CU_TEST_INFO_NULL,
};
