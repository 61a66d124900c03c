/* describe.h - the CREATE statements that DESCRIBE answers, in Cassandra 5.0's layout. */
#ifndef TORC_NODE_SCHEMA_DESCRIBE_H
#define TORC_NODE_SCHEMA_DESCRIBE_H

#include "node/schema/schema.h"

/* Append the statement, with its closing semicolon and no newline after it. A virtual keyspace or
 * table gives the comment that Cassandra gives: it cannot be created. */
void describe_keyspace(const struct keyspace *k, struct buf *out);
void describe_table(const struct table *t, struct buf *out); /* without its indexes */
void describe_index(const struct table *t, const struct index *i, struct buf *out);
void describe_type(const struct cql_type *type, struct buf *out);

/* The user-defined types of a keyspace in the order in which they can be created. */
const struct cql_type **describe_types_order(const struct keyspace *k, struct arena *a);

#endif
