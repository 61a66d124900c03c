/* What is kept beside the store: all of it is read again, and what is not all of it is never taken
 * for "nothing". */
#include "node/net/kept.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[64];

void kept_setup(void);
void kept_teardown(void);

void kept_setup(void)
{
    snprintf(dir, sizeof dir, "/tmp/torc-kept-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
}

static void path_of(char out[128], const char *name)
{
    snprintf(out, 128, "%s/%s", dir, name);
}

void kept_teardown(void)
{
    static const char *const names[] = {".members", ".members.new", ".given-up", ".given-up.new"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        path_of(path, names[i]);
        unlink(path);
    }
    CU_ASSERT_EQUAL(rmdir(dir), 0); /* nothing else was left there */
}

static void write_raw(const char *text, size_t len)
{
    char path[128];
    path_of(path, ".members");
    FILE *f = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fwrite(text, 1, len, f), len);
    CU_ASSERT_EQUAL(fclose(f), 0);
}

static const char lines[] = "only one\nonly two\nmember 10.0.0.2:7000\nmember [fd00::3]:7001\n";

static void what_was_written_is_read(void)
{
    struct kept k;
    struct endpoint e;
    CU_ASSERT_EQUAL(kept_write(dir, bytes_text(lines)), ERR_OK);
    kept_read(dir, &k);
    CU_ASSERT(k.known);
    CU_ASSERT_STRING_EQUAL(k.only, "one, two");
    CU_ASSERT_EQUAL_FATAL(k.members_count, 2);
    CU_ASSERT(endpoint_parse("10.0.0.2:7000", 0, &e) && endpoint_equal(&e, &k.members[0]));
    CU_ASSERT(endpoint_parse("[fd00::3]:7001", 0, &e) && endpoint_equal(&e, &k.members[1]));
    CU_ASSERT_EQUAL(kept_write(dir, BYTES_LIT("member 10.0.0.9:7000\n")), ERR_OK); /* instead */
    kept_read(dir, &k);
    CU_ASSERT(k.known && k.only[0] == 0 && k.members_count == 1);
    CU_ASSERT_EQUAL(kept_write(dir, BYTES_NONE), ERR_OK);
    kept_read(dir, &k);
    CU_ASSERT(k.known && k.only[0] == 0 && k.members_count == 0);
}

/* Cut anywhere, or with any bit of it turned over where a line is no line any more. */
static void what_is_not_all_of_it_is_not_known(void)
{
    struct kept k;
    char all[256], bad[256];
    kept_read(dir, &k);
    CU_ASSERT(!k.known && k.only[0] == 0 && k.members_count == 0); /* there is none */
    int len = snprintf(all, sizeof all, "%send\n", lines);
    write_raw(all, (size_t)len);
    kept_read(dir, &k);
    CU_ASSERT(k.known);
    for (int cut = 0; cut < len; cut++) {
        write_raw(all, (size_t)cut);
        kept_read(dir, &k);
        CU_ASSERT_FALSE(k.known);
    }
    for (int i = 0; i < 5; i++) { /* the first word */
        memcpy(bad, all, sizeof bad);
        bad[i] ^= 1;
        write_raw(bad, (size_t)len);
        kept_read(dir, &k);
        CU_ASSERT_FALSE(k.known);
        CU_ASSERT_EQUAL(k.members_count, 2); /* what can be read is of use */
    }
    len = snprintf(all, sizeof all, "%send\nonly three\n", lines);
    write_raw(all, (size_t)len);
    kept_read(dir, &k);
    CU_ASSERT_FALSE(k.known);
}

static void too_much_is_cut_off(void)
{
    struct kept k;
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 100; i++)
        buf_printf(&b, "only a_keyspace_with_a_long_name_%d\n", i);
    for (int i = 0; i < 100; i++)
        buf_printf(&b, "member 10.0.1.%d:7000\n", i);
    CU_ASSERT_EQUAL(kept_write(dir, buf_bytes(&b)), ERR_OK);
    kept_read(dir, &k);
    CU_ASSERT(k.known);
    CU_ASSERT_EQUAL(strlen(k.only), KEPT_ONLY_SIZE - 1);
    CU_ASSERT_EQUAL(k.members_count, KEPT_MEMBERS_MAX);
    buf_close(&b);
}

static void where_nothing_can_be_written_nothing_is(void)
{
    struct kept k;
    CU_ASSERT_EQUAL(kept_write("/nowhere/at/all", bytes_text(lines)), ERR_IO);
    kept_read("/nowhere/at/all", &k);
    CU_ASSERT_FALSE(k.known);
}

static void why_a_store_was_given_up_is_kept(void)
{
    char why[KEPT_WHY_SIZE], longer[2 * KEPT_WHY_SIZE];
    CU_ASSERT_FALSE(kept_why(dir, why));
    CU_ASSERT_EQUAL(kept_say_why(dir, "a manifest is gone"), ERR_OK);
    CU_ASSERT(kept_why(dir, why));
    CU_ASSERT_STRING_EQUAL(why, "a manifest is gone");
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = 0;
    CU_ASSERT_EQUAL(kept_say_why(dir, longer), ERR_OK);
    CU_ASSERT(kept_why(dir, why));
    CU_ASSERT_EQUAL(strlen(why), KEPT_WHY_SIZE - 1);
}

CU_TestInfo kept_tests[] = {
    {"what was written is read", what_was_written_is_read},
    {"what is not all of it is not known", what_is_not_all_of_it_is_not_known},
    {"too much is cut off", too_much_is_cut_off},
    {"where nothing can be written nothing is", where_nothing_can_be_written_nothing_is},
    {"why a store was given up is kept", why_a_store_was_given_up_is_kept},
    CU_TEST_INFO_NULL,
};
