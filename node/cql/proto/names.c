#include "node/cql/proto/names.h"

#define NAME_CASE(prefix, name)                                                                    \
    case prefix##name: return #name;

const char *cql_opcode_name(unsigned opcode)
{
    switch (opcode) {
#define X(name, number, request) NAME_CASE(CQL_, name)
        CQL_OPCODE_LIST(X)
#undef X
    default: return "?";
    }
}

const char *cql_consistency_name(unsigned consistency)
{
    switch (consistency) {
#define X(name, number) NAME_CASE(CQL_CL_, name)
        CQL_CONSISTENCY_LIST(X)
#undef X
    default: return "?";
    }
}

const char *cql_error_text(unsigned code)
{
    switch (code) {
#define X(name, number, text)                                                                      \
    case CQL_ERROR_##name: return text;
        CQL_ERROR_LIST(X)
#undef X
    default: return "unknown error";
    }
}

bool cql_opcode_is_request(unsigned opcode)
{
    switch (opcode) {
#define X(name, number, request)                                                                   \
    case CQL_##name: return request;
        CQL_OPCODE_LIST(X)
#undef X
    default: return false;
    }
}

bool cql_opcode_is_response(unsigned opcode)
{
    switch (opcode) {
#define X(name, number, request)                                                                   \
    case CQL_##name: return !(request);
        CQL_OPCODE_LIST(X)
#undef X
    default: return false;
    }
}

static const char *const write_types[] = {
#define X(name) #name,
    CQL_WRITE_TYPE_LIST(X)
#undef X
};

static const char *const events[] = {
#define X(name) #name,
    CQL_EVENT_LIST(X)
#undef X
};

static const char *const changes[] = {
#define X(name) #name,
    CQL_CHANGE_LIST(X)
#undef X
};

static const char *const targets[] = {
#define X(name) #name,
    CQL_TARGET_LIST(X)
#undef X
};

static const char *const node_changes[] = {
#define X(name) #name,
    CQL_NODE_CHANGE_LIST(X)
#undef X
};

static const char *const consistencies[] = {
#define X(name, number) [number] = #name,
    CQL_CONSISTENCY_LIST(X)
#undef X
};

static const char *name_at(const char *const *names, size_t count, unsigned i)
{
    return i < count ? names[i] : "?";
}

/* The index of `name`, or `count`. */
static unsigned name_find(const char *const *names, unsigned count, struct bytes name)
{
    for (unsigned i = 0; i < count; i++) {
        if (bytes_equal_text(name, names[i]))
            return i;
    }
    return count;
}

const char *cql_write_type_name(enum cql_write_type type)
{
    return name_at(write_types, ARRAY_LEN(write_types), type);
}

const char *cql_event_name(enum cql_event_type type)
{
    return name_at(events, ARRAY_LEN(events), type);
}

const char *cql_change_name(enum cql_change change)
{
    return name_at(changes, ARRAY_LEN(changes), change);
}

const char *cql_target_name(enum cql_target target)
{
    return name_at(targets, ARRAY_LEN(targets), target);
}

const char *cql_node_change_name(enum cql_node_change change)
{
    return name_at(node_changes, ARRAY_LEN(node_changes), change);
}

bool cql_write_type_parse(struct bytes name, enum cql_write_type *ret_type)
{
    unsigned i = name_find(write_types, CQL_WRITE_COUNT, name);
    if (i == CQL_WRITE_COUNT)
        return false;
    *ret_type = (enum cql_write_type)i;
    return true;
}

bool cql_event_parse(struct bytes name, enum cql_event_type *ret_type)
{
    unsigned i = name_find(events, CQL_EVENT_COUNT, name);
    if (i == CQL_EVENT_COUNT)
        return false;
    *ret_type = (enum cql_event_type)i;
    return true;
}

bool cql_change_parse(struct bytes name, enum cql_change *ret_change)
{
    unsigned i = name_find(changes, CQL_CHANGE_COUNT, name);
    if (i == CQL_CHANGE_COUNT)
        return false;
    *ret_change = (enum cql_change)i;
    return true;
}

bool cql_target_parse(struct bytes name, enum cql_target *ret_target)
{
    unsigned i = name_find(targets, CQL_TARGET_COUNT, name);
    if (i == CQL_TARGET_COUNT)
        return false;
    *ret_target = (enum cql_target)i;
    return true;
}

bool cql_node_change_parse(struct bytes name, enum cql_node_change *ret_change)
{
    unsigned i = name_find(node_changes, CQL_NODE_CHANGE_COUNT, name);
    if (i == CQL_NODE_CHANGE_COUNT)
        return false;
    *ret_change = (enum cql_node_change)i;
    return true;
}

static char upper(uint8_t c)
{
    return (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
}

bool cql_consistency_parse(struct bytes name, enum cql_consistency *ret_consistency)
{
    char text[16];
    if (name.len > sizeof text)
        return false;
    for (size_t i = 0; i < name.len; i++)
        text[i] = upper(name.data[i]);
    unsigned i = name_find(consistencies, CQL_CL_COUNT, bytes_make(text, name.len));
    if (i == CQL_CL_COUNT)
        return false;
    *ret_consistency = (enum cql_consistency)i;
    return true;
}
