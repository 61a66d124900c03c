#include "cli/names.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static struct names names;

static void fill(void)
{
    names_add_keyspace(&names, BYTES_LIT("flights"));
    names_add_keyspace(&names, BYTES_LIT("system"));
    names_add_column(&names, BYTES_LIT("flights"), BYTES_LIT("Odd"), BYTES_LIT("x"));
    names_add_column(&names, BYTES_LIT("flights"), BYTES_LIT("planes"), BYTES_LIT("tailnum"));
    names_add_column(&names, BYTES_LIT("flights"), BYTES_LIT("planes"), BYTES_LIT("year"));
    names_add_column(&names, BYTES_LIT("system"), BYTES_LIT("local"), BYTES_LIT("host_id"));
}

/* The words offered, joined by spaces; the keyspace is `flights`. */
static bool offers(const char *text, const char *expected)
{
    struct arena arena;
    char got[512] = "";
    arena_init(&arena);
    struct completion c = names_complete(&names, "flights", bytes_text(text), &arena);
    for (size_t i = 0; i < c.count && i < 20; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", i > 0 ? " " : "", c.words[i]);
    arena_close(&arena);
    bool same = strcmp(got, expected) == 0;
    if (!same)
        printf("\n  %s -> %s\n", text, got);
    return same;
}

static void completes(void)
{
    fill();
    CU_ASSERT_TRUE(offers("SEL", "SELECT"));
    CU_ASSERT_TRUE(offers("sel", "select"));
    CU_ASSERT_TRUE(offers("SELECT 1; DES", "DESC DESCRIBE"));
    CU_ASSERT_TRUE(offers("USE ", "flights system"));
    CU_ASSERT_TRUE(offers("SELECT * FROM p", "planes"));
    CU_ASSERT_TRUE(offers("SELECT * FROM ", "\"Odd\" flights planes system"));
    CU_ASSERT_TRUE(offers("SELECT * FROM \"O", "\"Odd\""));
    CU_ASSERT_TRUE(offers("SELECT * FROM system.", "local"));
    CU_ASSERT_TRUE(offers("SELECT * FROM planes WHERE ta", "table tables tailnum"));
    CU_ASSERT_TRUE(offers("SELECT * FROM system.local WHERE ho", "host_id"));
    CU_ASSERT_TRUE(offers("CONSISTENCY lo", "local_one local_quorum local_serial"));
    CU_ASSERT_TRUE(offers("SELECT * FROM nowhere.", ""));
    names_clear(&names);
    CU_ASSERT_TRUE(offers("USE ", ""));
}

static void common_start(void)
{
    const char *words[] = {"local_one", "local_quorum", "local_serial"};
    CU_ASSERT_EQUAL(completion_common(&(struct completion){.words = words, .count = 3}), 6);
    CU_ASSERT_EQUAL(completion_common(&(struct completion){.words = words, .count = 1}), 9);
    CU_ASSERT_EQUAL(completion_common(&(struct completion){.count = 0}), 0);
}

CU_TestInfo names_tests[] = {
    {"completes", completes},
    {"common start", common_start},
    CU_TEST_INFO_NULL,
};
