#include "base/mutant.h"

#include "base/mem.h"

#include <string.h>

#ifdef TORC_MUTANTS
enum mutant mutant_chosen;
#endif

static const struct {
    const char *name;
    const char *text;
} mutants[] = {{"none", "no planted bug"},
#define X(name, text) {#name, text},
               MUTANT_LIST(X)
#undef X
};

bool mutant_choose(const char *name)
{
    for (int i = 1; i < MUTANT_COUNT; i++) {
        if (strcmp(mutants[i].name, name) != 0)
            continue;
#ifdef TORC_MUTANTS
        mutant_chosen = (enum mutant)i;
        return true;
#endif
    }
    return false;
}

const char *mutant_name(enum mutant m)
{
    ASSERT(m < MUTANT_COUNT);
    return mutants[m].name;
}

const char *mutant_text(enum mutant m)
{
    ASSERT(m < MUTANT_COUNT);
    return mutants[m].text;
}
