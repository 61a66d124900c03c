/* What the catalog accepts and refuses. */
#include "node/sim/oracle/catalog.h"

#include <CUnit/CUnit.h>
#include <string.h>

static struct catalog *c;
static struct errmsg why;

void catalog_setup(void);
void catalog_teardown(void);

void catalog_setup(void)
{
    c = catalog_new(3);
    why = (struct errmsg){""};
}

void catalog_teardown(void)
{
    catalog_free(c);
}

static size_t ask(enum catalog_kind kind, usec call)
{
    struct catalog_change change = {.kind = kind, .call = call};
    return catalog_change(c, &change);
}

static size_t ask_lenient(enum catalog_kind kind, usec call)
{
    struct catalog_change change = {.kind = kind, .call = call, .lenient = true};
    return catalog_change(c, &change);
}

/* Asked at `call`, answered right after it; it is slot `call` of the log. */
static void done(enum catalog_kind kind, usec call, enum catalog_answer answer)
{
    catalog_changed(c, ask(kind, call), call + 1, (uint64_t)call, answer);
}

static bool good(void)
{
    return catalog_check(c, &why) == LINEAR_GOOD;
}

/* --- changes */

static void one_after_the_other(void)
{
    done(CATALOG_DROP, 10, CATALOG_REFUSED);
    done(CATALOG_CREATE, 20, CATALOG_DONE);
    done(CATALOG_CREATE, 30, CATALOG_EXISTS);
    done(CATALOG_ADD_COLUMN, 40, CATALOG_DONE);
    done(CATALOG_ADD_COLUMN, 50, CATALOG_REFUSED);
    done(CATALOG_TRUNCATE, 60, CATALOG_DONE);
    done(CATALOG_DROP_COLUMN, 70, CATALOG_DONE);
    done(CATALOG_DROP_COLUMN, 80, CATALOG_REFUSED);
    done(CATALOG_DROP, 90, CATALOG_DONE);
    done(CATALOG_TRUNCATE, 100, CATALOG_REFUSED);
    CU_ASSERT(good());
    catalog_found(c, 0, false, 0, 110);
    CU_ASSERT(good());
    catalog_found(c, 0, true, 0, 120);
    CU_ASSERT(!good());
}

static void made_twice(void)
{
    done(CATALOG_CREATE, 10, CATALOG_DONE);
    done(CATALOG_CREATE, 20, CATALOG_DONE);
    CU_ASSERT(!good());
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "CREATE: done"));
}

static void refused_out_of_date(void)
{
    done(CATALOG_CREATE, 10, CATALOG_DONE);
    done(CATALOG_DROP, 20, CATALOG_REFUSED);
    CU_ASSERT(!good());
}

static void at_the_same_time(void)
{
    size_t a = ask(CATALOG_CREATE, 10);
    size_t b = ask(CATALOG_CREATE, 11);
    size_t d = ask(CATALOG_DROP, 12);
    catalog_changed(c, a, 20, 1, CATALOG_DONE);
    catalog_changed(c, b, 21, 1, CATALOG_DONE);
    CU_ASSERT(good()); /* the drop, still open, went between */
    catalog_changed(c, d, 22, 1, CATALOG_REFUSED);
    CU_ASSERT(!good());
}

static void lenient_forms(void)
{
    catalog_changed(c, ask_lenient(CATALOG_DROP, 10), 11, 1, CATALOG_DONE);
    catalog_changed(c, ask_lenient(CATALOG_CREATE, 20), 21, 1, CATALOG_DONE);
    catalog_changed(c, ask_lenient(CATALOG_CREATE, 30), 31, 1, CATALOG_DONE);
    done(CATALOG_CREATE, 40, CATALOG_EXISTS);
    CU_ASSERT(good());
    catalog_changed(c, ask_lenient(CATALOG_CREATE, 50), 51, 1, CATALOG_EXISTS);
    CU_ASSERT(!good());
}

static void what_never_happened(void)
{
    size_t create = ask(CATALOG_CREATE, 10);
    done(CATALOG_DROP, 20, CATALOG_DONE);
    CU_ASSERT(good());
    catalog_never(c, create);
    CU_ASSERT(!good());
}

/* --- rows */

static size_t insert(int64_t id, usec call, uint64_t epoch)
{
    struct catalog_insert i = {.id = id, .call = call, .epoch = epoch};
    return catalog_insert(c, &i);
}

static bool reads(int64_t id, usec start, uint64_t epoch, uint32_t replicas)
{
    struct catalog_read r = {.start = start,
                             .end = start + 1,
                             .epoch = epoch,
                             .replicas = replicas,
                             .ids = &id,
                             .count = id != 0};
    return catalog_read(c, &r, &why);
}

static void rows_stay(void)
{
    catalog_inserted(c, insert(7, 10, 1), 11, 2);
    CU_ASSERT(reads(7, 20, 1, 2));
    CU_ASSERT(reads(7, 20, 1, 1));
    CU_ASSERT(!reads(0, 20, 1, 2));
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "is missing"));
    CU_ASSERT(reads(0, 20, 1, 1));
    CU_ASSERT(reads(0, 11, 1, 2)); /* at the same time */
    CU_ASSERT(!reads(8, 20, 1, 1));
    catalog_disk_lost(c);
    CU_ASSERT(reads(0, 20, 1, 2));
    CU_ASSERT(!reads(0, 20, 1, 3));
}

static void rows_of_nobody_and_of_later(void)
{
    (void)insert(7, 10, 1);
    CU_ASSERT(!reads(7, 5, 1, 1));
    CU_ASSERT(reads(7, 15, 1, 1));
    CU_ASSERT(reads(0, 15, 1, 3)); /* open */
}

static void wiped_rows_go(void)
{
    catalog_inserted(c, insert(7, 10, 1), 11, 3);
    done(CATALOG_TRUNCATE, 20, CATALOG_DONE);
    CU_ASSERT(reads(0, 30, 20, 3));
    CU_ASSERT(reads(7, 30, 19, 3)); /* of a node that does not know yet */
    CU_ASSERT(!reads(7, 30, 20, 1));
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "was wiped"));
}

static void rows_of_the_new_table_stay(void)
{
    done(CATALOG_DROP, 20, CATALOG_DONE);
    catalog_inserted(c, insert(7, 30, 20), 31, 2);
    catalog_inserted(c, insert(8, 30, 19), 31, 2); /* by a node that knows the old one */
    int64_t both[] = {7, 8};
    struct catalog_read r = {
        .start = 40, .end = 41, .epoch = 20, .replicas = 2, .ids = both, .count = 2};
    CU_ASSERT(catalog_read(c, &r, &why));
    r.count = 1;
    CU_ASSERT(catalog_read(c, &r, &why));
    CU_ASSERT(!reads(8, 40, 20, 2));
    CU_ASSERT(reads(0, 40, 19, 2)); /* by a node that knows the old one */
}

/* A change without an answer may wipe at any time; one that was refused never does. */
static void open_changes_may_wipe(void)
{
    size_t drop = ask(CATALOG_DROP, 5);
    catalog_inserted(c, insert(7, 10, 1), 11, 3);
    CU_ASSERT(reads(0, 20, 1, 3));
    CU_ASSERT(reads(7, 20, 1, 3));
    catalog_changed(c, drop, 6, 9, CATALOG_REFUSED);
    CU_ASSERT(!reads(0, 20, 1, 3));
}

CU_TestInfo catalog_tests[] = {
    {"one after the other", one_after_the_other},
    {"made twice", made_twice},
    {"refused, out of date", refused_out_of_date},
    {"at the same time", at_the_same_time},
    {"lenient forms", lenient_forms},
    {"what never happened", what_never_happened},
    {"rows stay", rows_stay},
    {"rows of nobody, and of later", rows_of_nobody_and_of_later},
    {"wiped rows go", wiped_rows_go},
    {"rows of the new table stay", rows_of_the_new_table_stay},
    {"open changes may wipe", open_changes_may_wipe},
    CU_TEST_INFO_NULL,
};
