/* Hashes of passwords: ours, Java's, and what is none. */
#include "base/password.h"

#include <CUnit/CUnit.h>
#include <string.h>

static const uint8_t salt[PASSWORD_SALT] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const uint8_t other[PASSWORD_SALT] = {9};

static void hashes_match_what_they_are_of(void)
{
    char a[PASSWORD_HASH_MAX], b[PASSWORD_HASH_MAX];
    CU_ASSERT_TRUE_FATAL(password_hash("secret", salt, a));
    CU_ASSERT_TRUE_FATAL(password_hash("secret", other, b));
    CU_ASSERT_STRING_NOT_EQUAL(a, b);
    CU_ASSERT_EQUAL(strlen(a), 60);
    CU_ASSERT_TRUE(strncmp(a, "$2a$10$", 7) == 0);
    CU_ASSERT_TRUE(password_is_hash(a));
    CU_ASSERT_TRUE(password_matches("secret", a));
    CU_ASSERT_FALSE(password_matches("Secret", a));
    CU_ASSERT_FALSE(password_matches("", a));
}

/* Made by a Cassandra, of "cassandra". */
static void cassandras_hash_is_understood(void)
{
    const char *hash = "$2a$10$K5y/ivnUTHl99fFoYemomOeBWX1TsYP0EbDVkv2F9eEbi7mFHQpNy";
    CU_ASSERT_TRUE(password_matches("cassandra", hash));
    CU_ASSERT_FALSE(password_matches("casandra", hash));
}

static void what_is_no_hash_matches_nothing(void)
{
    static const char *const bad[] = {
        "",
        "cassandra",
        "$2a$10$",
        "$2a$10$JSJEMFm6GeaW9XxT5JIheuEtPvat6i7uKbnTcxX3c1wshIIsGyUt",   /* too short */
        "$2a$10$JSJEMFm6GeaW9XxT5JIheuEtPvat6i7uKbnTcxX3c1wshIIsGyUtGG", /* too long */
        "$2a$10$JSJEMFm6GeaW9XxT5JIheuEtPvat6i7uKbnTcxX3c1wshIIsGyUt:",
        "$2x$10$JSJEMFm6GeaW9XxT5JIheuEtPvat6i7uKbnTcxX3c1wshIIsGyUtG",
        "$2a$03$JSJEMFm6GeaW9XxT5JIheuEtPvat6i7uKbnTcxX3c1wshIIsGyUtG",
        "$2a$31$JSJEMFm6GeaW9XxT5JIheuEtPvat6i7uKbnTcxX3c1wshIIsGyUtG", /* would take days */
        "$5$rounds=1000$abcdefgh$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CU_ASSERT_FALSE(password_is_hash(bad[i]));
        CU_ASSERT_FALSE(password_matches("cassandra", bad[i]));
    }
}

static void digests_know_a_password_again(void)
{
    char a[PASSWORD_HASH_MAX], b[PASSWORD_HASH_MAX];
    CU_ASSERT_TRUE_FATAL(password_digest("secret", salt, a) && password_digest("secret", salt, b));
    CU_ASSERT_STRING_EQUAL(a, b);
    CU_ASSERT_TRUE_FATAL(password_digest("secret", other, b));
    CU_ASSERT_STRING_NOT_EQUAL(a, b);
    CU_ASSERT_TRUE_FATAL(password_digest("Secret", salt, b));
    CU_ASSERT_STRING_NOT_EQUAL(a, b);
}

CU_TestInfo password_tests[] = {
    {"hashes match what they are of", hashes_match_what_they_are_of},
    {"Cassandra's hash is understood", cassandras_hash_is_understood},
    {"what is no hash matches nothing", what_is_no_hash_matches_nothing},
    {"digests know a password again", digests_know_a_password_again},
    CU_TEST_INFO_NULL,
};
