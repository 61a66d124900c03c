#include "node/coord/level.h"

const char *level_name(enum level level)
{
    switch (level) {
#define X(name, number)                                                                            \
    case LEVEL_##name: return #name;
        LEVEL_LIST(X)
#undef X
    }
    return "?";
}

bool level_valid(uint32_t number)
{
    return number <= LEVEL_LOCAL_ONE;
}

bool level_is_local(enum level level)
{
    return level == LEVEL_LOCAL_ONE || level == LEVEL_LOCAL_QUORUM || level == LEVEL_LOCAL_SERIAL;
}
