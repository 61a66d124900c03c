/* siphash: the test vectors of its authors, at lengths around the size of a word. */
#include "base/siphash.h"

#include <CUnit/CUnit.h>

static void known_answers(void)
{
    static const struct {
        size_t len;
        uint64_t hash;
    } known[] = {{0, 0x726fdb47dd0e0e31}, {1, 0x74f839c593dc67fd},  {7, 0xab0200f58b01d137},
                 {8, 0x93f5f5799a932462}, {15, 0xa129ca6149be45e5}, {16, 0x3f2acc7f57c29bdb}};
    struct siphash_key key;
    uint8_t in[16];
    for (uint8_t i = 0; i < 16; i++)
        key.b[i] = in[i] = i;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        CU_ASSERT_EQUAL(siphash(&key, bytes_make(in, known[i].len)), known[i].hash);
}

static void depends_on_its_key(void)
{
    struct siphash_key a = {{0}}, b = {{0}};
    b.b[15] = 1;
    CU_ASSERT_NOT_EQUAL(siphash(&a, BYTES_LIT("row")), siphash(&b, BYTES_LIT("row")));
    CU_ASSERT_NOT_EQUAL(siphash(&a, BYTES_LIT("")), siphash(&a, BYTES_LIT("\0")));
}

CU_TestInfo siphash_tests[] = {
    {"known answers", known_answers},
    {"depends on its key", depends_on_its_key},
    CU_TEST_INFO_NULL,
};
