/* The hash against what Cassandra itself computes. */
#include "ring/murmur3.h"

#include <CUnit/CUnit.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t from_hex(const char *hex, uint8_t *ret_bytes)
{
    size_t len = 0;
    unsigned byte;
    for (; sscanf(hex + 2 * len, "%2x", &byte) == 1; len++)
        ret_bytes[len] = (uint8_t)byte;
    return len;
}

/* Every line of the file: key in hex, tab, token. */
static void tokens_of_cassandra(void)
{
    char line[8192];
    uint8_t key[4096];
    unsigned rows = 0;
    FILE *file = fopen(MURMUR3_VECTORS, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    while (fgets(line, sizeof line, file) != NULL) {
        char *tab = strchr(line, '\t');
        if (line[0] == '#' || tab == NULL)
            continue;
        *tab = 0;
        size_t len = from_hex(line, key);
        token expected = strtoll(tab + 1, NULL, 10);
        token got = murmur3_token(bytes_make(key, len));
        if (got != expected)
            printf("key %s: %" PRId64 " instead of %" PRId64 "\n", line, got, expected);
        CU_ASSERT_EQUAL(got, expected);
        rows++;
    }
    fclose(file);
    CU_ASSERT(rows >= 100);
}

/* Both halves; the first group as in the textbook, the second different from it by the sign bug. */
static void both_halves(void)
{
    static const struct {
        const char *hex;
        int64_t h1;
        uint64_t h2;
    } rows[] = {
        {"61", -8839064797231613815, 0xe6b53a48510e895a},
        {"313233", -7468325962851647638, 0x427ea1e3ce0ecf69},
        {"68656c6c6f", -3758069500696749310, 0x5b1e906a48ae1d19},
        {"74686520717569636b2062726f776e20666f78", -8555461455748673368, 0x0bdf313892a98ecc},
        {"30313233343536373839616263646566", 5467490433528156583, 0x87c35b5c63a708da},
        {"3031323334353637383961626364656630313233343536373839616263646566", 5708918040068455610,
         0x10b5291efa740ca2},
        {"30313233343536373839616263646566303132333435363738396162636465", -7279034606055215360,
         0x89fe4cda7efd8251},
        {"00000001", -4069959284402364209, 0x798c330cbcdfe0e6},
        {"0000002a", -7160136740246525330, 0xc9b367bb804c11e7},
        {"0000000000000000", 2945182322382062539, 0xf2557dfcc4e8fe52},
        {"ffffffffffffffffffffffffffffffff", -2824192546314762522, 0xd0ac179d2650b632},
        {"550e8400e29b41d4a716446655440000", 4277286421682315655, 0xb4a38a9655622a19},
        {"0004000000010000016100", 6516349416904725244, 0xbc865aa3c53e501d},
        {"c99d0f39bb88870fb488941a5343d508", -9223372036854775807, 0},
        {"7892b8c173924a0bbe96aa099d7c8c1a", -1, 0},
        {"5ed0b893f10c088ccf0e007bf6edbf61", 0, 0},
        {"0580ac3a93bc2d3800238bdf71626cd2", INT64_MAX, 0},

        {"ffffffff", 7297452126230313552, 0x335ed84fb1625689},
        {"ffffffffffffffff", 7071048584287372947, 0x1165577866e3d30a},
        {"c3a9", 5461403030378599040, 0x19f7a5a335def7ad},
        {"e697a5e69cace8aa9e", 2587241856907040145, 0x0d8ec49d0759a3ea},
        {"ff", -4442228696663692417, 0xac0bbee7ce7542c7},
        {"ffff", 6163071069786142063, 0x6e4bedf1f5536971},
        {"ffffff", -9154616442117352147, 0x7a6203e28a39defd},
        {"ffffffffff", -8869521063059112040, 0x16520ff99acc0461},
        {"ffffffffffff", 2112339540026359505, 0x6aea51d1058f1832},
        {"ffffffffffffff", 4860178782003914630, 0x248da71d7fc1fb49},
        {"ffffffffffffffffff", 8434364767658694854, 0xc98f414ed50da9f8},
        {"ffffffffffffffffffff", -2285028417834605101, 0x5067d8f82a727f89},
        {"ffffffffffffffffffffff", 4844839740296823970, 0x2f36a836975ff61d},
        {"ffffffffffffffffffffffff", 5441275315642417349, 0x027aa1a810262527},
        {"ffffffffffffffffffffffffff", 5402220310222980743, 0x37e816b5a2756df2},
        {"ffffffffffffffffffffffffffff", -7003579699878715426, 0x4a593f02727d738c},
        {"ffffffffffffffffffffffffffffff", -2195530867418009455, 0x5536ce977875b220},
        {"ffffffffffffffffffffffffffffffffff", -4128212798341382003, 0x375f26a872caa07a},
        {"80878e959ca3aab1b8bfc6cdd4dbe2", 3052317648445578018, 0x5733e8eafcbf76d6},
        {"80878e959ca3aab1b8bfc6cdd4dbe2e9f0f7fe050c131a21282f363d444b52", 1870246301362292004,
         0xe2b7c84ac62587d5},
    };
    uint8_t key[64];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = from_hex(rows[i].hex, key);
        struct murmur3 h = murmur3_hash(bytes_make(key, len));
        CU_ASSERT_EQUAL((int64_t)h.h1, rows[i].h1);
        CU_ASSERT_EQUAL(h.h2, rows[i].h2);
    }
}

/* A key that hashes to the smallest number has the greatest token; no key but the empty one has the
 * smallest. */
static void smallest_token(void)
{
    uint8_t key[16];
    struct bytes k = bytes_make(key, from_hex("653cbefb85ec3111b4e38fa9bc7cbcae", key));
    CU_ASSERT_EQUAL((int64_t)murmur3_hash(k).h1, INT64_MIN);
    CU_ASSERT_EQUAL(murmur3_token(k), INT64_MAX);
    CU_ASSERT_EQUAL(murmur3_token(BYTES_NONE), INT64_MIN);
    CU_ASSERT_EQUAL(murmur3_hash(BYTES_NONE).h1, 0);
}

CU_TestInfo murmur3_tests[] = {
    {"tokens as Cassandra computes them", tokens_of_cassandra},
    {"both halves of the hash", both_halves},
    {"the smallest token", smallest_token},
    CU_TEST_INFO_NULL,
};
