/* fold: texts as an index without regard to case, normal form or accents has them. */
#include "node/schema/fold.h"

#include <CUnit/CUnit.h>
#include <string.h>

struct example {
    bool lower, normalize, ascii;
    const char *text, *want;
};

static void examples(void)
{
    static const struct example all[] = {
        {true, false, false, "Hello WORLD", "hello world"},
        {true, false, false, "\xc3\x89T\xc3\x89", "\xc3\xa9t\xc3\xa9"}, /* Latin */
        {true, false, false, "\xce\xa9\xd0\x96", "\xcf\x89\xd0\xb6"},   /* Greek, Cyrillic */
        {false, true, false, "e\xcc\x81", "\xc3\xa9"},                  /* e, acute */
        {false, true, false, "\xcc\x81", "\xcc\x81"},                   /* an accent alone */
        {false, false, true, "H\xc3\xa9llo \xc3\x86\xc3\x9f", "Hello AEss"},
        {true, true, true, "E\xcc\x81", "e"},
        {false, false, false, "A\xc3\xa9", "A\xc3\xa9"},
        {true, true, true, "\xe4\xb8\xad\xf0\x9f\x98\x80", "\xe4\xb8\xad\xf0\x9f\x98\x80"},
        {true, true, true, "A\xff", "A\xff"}, /* no UTF-8 */
        {true, true, true, "", ""},
    };
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct fold how = {all[i].lower, all[i].normalize, all[i].ascii};
        struct bytes got = fold_text(bytes_text(all[i].text), &how, &arena);
        CU_ASSERT(bytes_equal_text(got, all[i].want));
    }
    arena_close(&arena);
}

CU_TestInfo fold_tests[] = {
    {"letters", examples},
    CU_TEST_INFO_NULL,
};
