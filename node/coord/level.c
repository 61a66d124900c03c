#include "node/coord/level.h"

#include <strings.h>

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

bool level_parse(const char *text, enum level *ret_level)
{
#define X(name, number)                                                                            \
    if (strcasecmp(text, #name) == 0) {                                                            \
        *ret_level = LEVEL_##name;                                                                 \
        return true;                                                                               \
    }
    LEVEL_LIST(X)
#undef X
    return false;
}

bool level_valid(uint32_t number)
{
    return number <= LEVEL_LOCAL_ONE;
}

bool level_is_local(enum level level)
{
    return level == LEVEL_LOCAL_ONE || level == LEVEL_LOCAL_QUORUM || level == LEVEL_LOCAL_SERIAL;
}

const char *write_kind_name(enum write_kind kind)
{
    switch (kind) {
#define X(name, number)                                                                            \
    case WRITE_##name: return #name;
        WRITE_KIND_LIST(X)
#undef X
    }
    return "?";
}
