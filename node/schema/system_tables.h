/* system_tables.h - the built-in tables as data. Private to this folder. */
#ifndef TORC_NODE_SCHEMA_SYSTEM_TABLES_H
#define TORC_NODE_SCHEMA_SYSTEM_TABLES_H

#include "base/bytes.h"

enum system_keyspace {
    SYSTEM,
    SYSTEM_SCHEMA,
    SYSTEM_VIRTUAL_SCHEMA,
    SYSTEM_VIEWS,
    SYSTEM_AUTH,
    SYSTEM_DISTRIBUTED,
    SYSTEM_TRACES,
};

/* Columns as "name type; name type": `=` marks one of the partition key, `>` of the clustering
 * key. */
struct system_table {
    enum system_keyspace keyspace;
    const char *name;
    const char *comment;
    const char *columns;
};

extern const struct system_table system_tables[];
extern const size_t system_tables_count;

#endif
