/* value_parts.h - what value.c asks of value_parts.c. Private to this folder. */
#ifndef TORC_NODE_SCHEMA_VALUE_PARTS_H
#define TORC_NODE_SCHEMA_VALUE_PARTS_H

#include "node/schema/value.h"

/* Of tuples, user-defined types and vectors; the bytes may be anything. */
enum err value_parts_validate(const struct cql_type *type, struct bytes value,
                              struct errmsg *e) MUST_CHECK;

/* Of those and of collections; valid and not empty. */
int value_parts_compare(const struct cql_type *type, struct bytes a, struct bytes b);
void value_parts_canonical(const struct cql_type *type, struct bytes value, struct buf *out);

/* Of tuples, user-defined types and vectors. */
void value_parts_normalize(const struct cql_type *type, struct bytes value, struct buf *out);

#endif
