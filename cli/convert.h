/* convert.h - from the text of a CSV field to a value of a column.
 *
 * Scalars are read as CQL reads its constants, strings without their quotes; booleans also as 1
 * and 0, in either case. Collections are read as CQL literals: [1, 2], {'a', 'b'}, {'k': 1}; inside
 * them texts are quoted, and other scalars may be.
 */
#ifndef TORC_CLI_CONVERT_H
#define TORC_CLI_CONVERT_H

#include "node/schema/value.h"

/* Append the value. ERR_INVALID with words that name `target`, the column. */
enum err convert_text(const struct cql_type *type, struct bytes text, const char *target,
                      struct buf *out, struct errmsg *reterr) MUST_CHECK;

/* The way back, exact: what convert_text reads to the same value. */
void convert_print(const struct cql_type *type, struct bytes value, struct buf *out);

#endif
