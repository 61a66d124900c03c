/* order.h - keys whose byte order is the order of their values.
 *
 * Clustering keys in storage are compared with memcmp. order_encode turns one component into bytes
 * such that for all values memcmp(encode(a), encode(b)) has the sign of value_compare(a, b), or the
 * opposite for a component with DESC order.
 *
 *   component = lead body           lead 0x10: the empty value, no body; 0x20: a value
 *   reversed  = every byte of that inverted: leads 0xef and 0xdf
 *
 * Invariants, tested with random values of every type:
 *   (1) No component is a proper prefix of another of its type, so keys of several components
 *       compare component by component, and a shorter key that is a prefix in components is a
 *       prefix in bytes.
 *   (2) A lead is never 0x00, 0x01, 0xfe or 0xff: what is appended to a prefix with those sorts
 *       before or after everything that continues the prefix. order_bound_* use 0x00 and 0xff;
 *       0x01 and 0xfe are left to storage.
 *   (3) order_decode(order_encode(v)) gives value_canonical(v): the same bytes, except where
 *       different bytes are equal in Cassandra's order and so must be one key: decimals
 *       (1.0 = 1.00: without trailing zeros, whole numbers below 1e40 with scale 0), varints with
 *       superfluous leading bytes, booleans other than 0 and 1, NaNs, in collections too; tuples
 *       that lack their last parts, which are null then.
 *       (-0.0 and 0.0 are different to Cassandra.)
 *
 * Counters and what is not frozen are never key components. Durations are where Cassandra does not
 * see them: within vectors.
 */
#ifndef TORC_NODE_SCHEMA_ORDER_H
#define TORC_NODE_SCHEMA_ORDER_H

#include "node/schema/value.h"

#define ORDER_LEAD_EMPTY 0x10
#define ORDER_LEAD_VALUE 0x20

/* Append one component. ERR_INVALID when the bytes are no value of the type or the type cannot be
 * part of a key; nothing is appended then. */
enum err order_encode(const struct cql_type *type, bool reversed, struct bytes value,
                      struct buf *out, struct errmsg *ret_err) MUST_CHECK;

/* Take one component from the front of the reader and append its value. ERR_MALFORMED. */
enum err order_decode(const struct cql_type *type, bool reversed, struct reader *r,
                      struct buf *ret_value) MUST_CHECK;

/* Append to an encoded prefix, of zero or more whole components, to get a string that sorts after
 * the prefix itself but before everything that continues it; or after all of that. */
void order_bound_before(struct buf *prefix);
void order_bound_after(struct buf *prefix);

/* The partition key that tokens are computed from, as Cassandra serializes it: one component is
 * bare; several are each len:u16 bytes 0x00. ERR_INVALID when a component passes 65535 bytes. */
#define PARTITION_KEY_MAX 65535
enum err partition_key_compose(const struct bytes *components, size_t count, struct buf *out,
                               struct errmsg *ret_err) MUST_CHECK;

/* Views into the key. ERR_MALFORMED when it has not exactly `count` components. */
enum err partition_key_split(struct bytes key, size_t count,
                             struct bytes *ret_components) MUST_CHECK;

#endif
