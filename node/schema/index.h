/* index.h - secondary indexes: what CREATE INDEX may say, and the terms that entries are sorted by.
 *
 * A term is a byte string made of an indexed value: terms compare as the values do where the type
 * has an order of keys (order.h), else they are equal exactly when the values' bytes are. A text
 * that the index analyses (case, normal form, ASCII) has the term of what comes out. An entry of a
 * map has its key's term before its value's.
 */
#ifndef TORC_NODE_SCHEMA_INDEX_H
#define TORC_NODE_SCHEMA_INDEX_H

#include "node/schema/schema.h"

/* The type of what is compared with: the column's, or its elements', keys' or values'. Of entries:
 * the values'. */
const struct cql_type *index_type(const struct table *t, const struct index *i);

/* Append the term of a value of index_type; of entries: of the key, to be followed by the value's.
 * False when the bytes are no value of the type. */
bool index_term(const struct table *t, const struct index *i, struct bytes value, struct buf *out);
bool index_term_key(const struct table *t, const struct index *i, struct bytes key,
                    struct buf *out);

/* Append the term of what the store has: a cell's path and value, or the encoded clustering key, or
 * the partition key, in `value`. False when it gives none. */
bool index_stored_term(const struct table *t, const struct index *i, struct bytes path,
                       struct bytes value, struct buf *out);

/* The value as the index compares it. A view of the value when nothing is analysed. */
struct bytes index_analyse(const struct index *i, struct bytes value, struct arena *a);

/* Does the index serve `=`; `< > <= >=`? */
bool index_has_ranges(const struct table *t, const struct index *i);

/* What class_name and options mean; options that are wrong are taken for the defaults. */
void index_settle(struct index *i);

#endif
