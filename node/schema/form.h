/* form.h - how a key was written, where equal keys may be written differently.
 *
 * 1.0 and 1.00 are one decimal to Cassandra's order, so they are one clustering key, one element of
 * a set, one key of a map; but whoever reads it wants what was written. So beside a key of such a
 * type goes its form: in the row's marker for a clustering key, in the value of the cell for an
 * element:
 *
 *   form = length:vint bytes               then whatever the value would be without it
 *
 * The newest form counts, as of any cell. A form that is not equal to its key is not looked at.
 */
#ifndef TORC_NODE_SCHEMA_FORM_H
#define TORC_NODE_SCHEMA_FORM_H

#include "node/schema/value.h"

/* Do keys of this type bring their form? */
bool form_kept(const struct cql_type *type);

void form_put(struct bytes key, struct bytes rest, struct buf *out);

/* False, and nothing is set, when there is none in front. */
bool form_take(struct bytes stored, struct bytes *ret_key, struct bytes *ret_rest);

/* The form when it is one of the key, else the key itself. */
struct bytes form_or_key(const struct cql_type *type, struct bytes form, struct bytes key);

#endif
