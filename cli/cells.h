/* cells.h - values as the shell shows them: the way cqlsh prints them.
 *
 *   timestamp 2026-01-02 03:04:05.000000+0000   boolean True   float 5, double 12 digits
 *   blob 0x00ff   inet ::1   text bare, in collections 'quoted', control characters escaped
 */
#ifndef TORC_CLI_CELLS_H
#define TORC_CLI_CELLS_H

#include "node/schema/value.h"

/* A type read from the [option] of a column; NULL for one that this release has no values of: its
 * cells are shown as bytes. */
const struct cql_type *cell_type(struct bytes option, struct arena *a);

/* Append a cell for a table. Bytes that are no value of the type are shown as bytes. */
void cell_print(const struct cql_type *type, struct bytes value, struct buf *out);

/* Append a cell as JSON: numbers and booleans bare (but NaN and infinities), collections as arrays
 * and objects, everything else as a string. */
void cell_print_json(const struct cql_type *type, struct bytes value, struct buf *out);

/* A JSON string, quotes included. Bytes that are no UTF-8 become U+FFFD. */
void json_put_string(struct buf *out, struct bytes text);

/* Shown to the right, as numbers are. */
bool cell_is_number(const struct cql_type *type);

#endif
