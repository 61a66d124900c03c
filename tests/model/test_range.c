#include "range_model.h"

#include "base/mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

#define QUORUMS MODEL_QUORUM, MODEL_QUORUM

/* Masks of nodes: 7 is the first three. Larger ones take minutes and gigabytes; docs/movement.md
 * says which were searched once. */
static const struct model_scenario scenarios[] = {
    {"one comes, one goes", 0x07, 0x0e, 0, 0, QUORUMS, 3, false, false},
    {"from three copies to one", 0x07, 0x01, 0, 0, QUORUMS, 3, true, false},
    {"one is lost, one in its place", 0x07, 0x0e, 0, 0x01, QUORUMS, 3, false, false},
    {"one copy, and another node has it", 0x01, 0x02, 0, 0, QUORUMS, 6, true, false},
    {"one copy, and its goal changes", 0x01, 0x02, 0x04, 0, QUORUMS, 4, true, false},
    {"one copy comes back", 0x01, 0x02, 0x01, 0, QUORUMS, 6, false, false},
    {"two copies, one changes", 0x03, 0x06, 0, 0, QUORUMS, 4, true, false},
    {"two copies, and their goal changes", 0x03, 0x06, 0x05, 0, QUORUMS, 4, false, false},
    {"from one copy to three", 0x01, 0x07, 0, 0, QUORUMS, 3, true, false},
    {"from two copies to three", 0x03, 0x07, 0, 0, QUORUMS, 4, true, false},
    {"from three copies to two", 0x07, 0x06, 0, 0, QUORUMS, 3, true, false},
    {"one copy, three ranges", 0x01, 0x02, 0, 0, QUORUMS, 5, true, true},
    {"two copies, three ranges", 0x03, 0x06, 0, 0, QUORUMS, 4, false, true},
    {"written at ONE, read at ALL", 0x07, 0x0e, 0, 0, MODEL_ONE, MODEL_ALL, 3, false, false},
    {"written at ALL, read at ONE", 0x07, 0x0e, 0, 0, MODEL_ALL, MODEL_ONE, 3, false, false},
};

static void no_course_loses_a_write(void)
{
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
        struct model_result r = model_search(&scenarios[i], MISTAKE_NONE);
        if (r.found || r.too_many || !r.settled)
            printf("    %s: %llu states%s%s%s\n%s", scenarios[i].name, (unsigned long long)r.states,
                   r.found ? ", a write is not seen" : "", r.too_many ? ", too many" : "",
                   r.settled ? "" : ", it never ends", r.trace);
        CU_ASSERT(!r.found && !r.too_many && r.settled);
    }
}

static void each_mistake_is_found(void)
{
    for (int m = MISTAKE_NO_FENCE; m < MISTAKE_COUNT; m++) {
        bool found = false;
        for (size_t i = 0; i < ARRAY_LEN(scenarios) && !found; i++)
            found = model_search(&scenarios[i], (enum model_mistake)m).found;
        if (!found)
            printf("    mistake %d is not found\n", m);
        CU_ASSERT(found);
    }
}

CU_TestInfo range_tests[] = {
    {"no course of a movement loses a write", no_course_loses_a_write},
    {"each planted mistake is found", each_mistake_is_found},
    CU_TEST_INFO_NULL,
};
