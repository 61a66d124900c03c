/* runner.c - the main of every CUnit program.
 *
 * SUITES_FILE is an X-list: SUITE(name) for each `const CU_TestInfo name_tests[]` with optional
 * `name_init`/`name_clean` per-test hooks given as SUITE_WITH(name). Exit status 1 when anything
 * failed: CUnit itself does not set it. With an argument only suites of that name run; after
 * `--mutant NAME` with that planted bug (base/mutant.h), in a build that has any, up to the first
 * test that fails.
 */
#include "base/mutant.h"

#include <CUnit/Basic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SUITE(name) extern CU_TestInfo name##_tests[];
#define SUITE_WITH(name)                                                                           \
    extern CU_TestInfo name##_tests[];                                                             \
    void name##_setup(void);                                                                       \
    void name##_teardown(void);
#include SUITES_FILE
#undef SUITE
#undef SUITE_WITH

static bool all_pass_to_first(const CU_SuiteInfo *suites)
{
    bool pass = true;
    for (; suites->pName != NULL && pass; suites++) {
        CU_pSuite suite = CU_get_suite(suites->pName);
        for (const CU_TestInfo *t = suites->pTests; t->pName != NULL && pass; t++) {
            CU_basic_run_test(suite, CU_get_test(suite, t->pName));
            pass = CU_get_number_of_failures() == 0;
        }
    }
    return pass;
}

int main(int argc, char **argv)
{
    CU_SuiteInfo all[] = {
#define SUITE(name)      {#name, NULL, NULL, NULL, NULL, name##_tests},
#define SUITE_WITH(name) {#name, NULL, NULL, name##_setup, name##_teardown, name##_tests},
#include SUITES_FILE
#undef SUITE
#undef SUITE_WITH
        CU_SUITE_INFO_NULL};
    CU_SuiteInfo chosen[sizeof all / sizeof all[0]];
    size_t n = 0;
    bool mutant = false;
    if (argc > 2 && strcmp(argv[1], "--mutant") == 0) {
        if (!mutant_choose(argv[2])) {
            fprintf(stderr, "no planted bug named %s in this build\n", argv[2]);
            return 2;
        }
        mutant = true;
        argc -= 2;
        argv += 2;
    }
    for (size_t i = 0; all[i].pName != NULL; i++) {
        if (argc < 2 || strcmp(argv[1], all[i].pName) == 0)
            chosen[n++] = all[i];
    }
    chosen[n] = (CU_SuiteInfo)CU_SUITE_INFO_NULL;
    if (n == 0) {
        fprintf(stderr, "no suite named %s\n", argv[1]);
        return 2;
    }
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(chosen) != CUE_SUCCESS)
        return 2;
    CU_basic_set_mode(CU_BRM_NORMAL);
    if (mutant) {
        bool pass = all_pass_to_first(chosen);
        CU_cleanup_registry();
        return pass ? 0 : 1;
    }
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures() + CU_get_number_of_suites_failed() +
                      CU_get_number_of_tests_failed();
    unsigned run = CU_get_number_of_tests_run();
    unsigned bad = CU_get_number_of_tests_failed();
    CU_cleanup_registry();
    printf("tests: %u passed, %u failed\n", run - bad, bad);
    return failed > 0 || run == 0 ? 1 : 0;
}
