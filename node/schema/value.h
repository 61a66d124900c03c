/* value.h - values of CQL as the bytes that drivers send and that are stored.
 *
 * A value is its serialized form in Cassandra's native protocol v4, without the length before it.
 * Null is not a value here: callers keep it apart. Bytes that come from outside are checked once by
 * value_validate; all functions that say "valid" may ASSERT nothing about others, they stop at the
 * end of the bytes and treat what is missing as zero.
 *
 * Zero length is a value of most types ("empty", sorts first); value_validate refuses it for
 * smallint, tinyint, date, time, duration and collections, as Cassandra does.
 *
 * Types are resolved: user-defined ones know their fields.
 */
#ifndef TORC_NODE_SCHEMA_VALUE_H
#define TORC_NODE_SCHEMA_VALUE_H

#include "node/schema/type.h"

#define VALUE_ITEMS_MAX 65535 /* elements of one collection value; as Cassandra's old protocols */

/* ERR_INVALID with Cassandra's words when the bytes are no value of the type. */
enum err value_validate(const struct cql_type *type, struct bytes value,
                        struct errmsg *ret_err) MUST_CHECK;

/* Cassandra's order of two valid values. Sets compare as sorted lists, maps entry by entry. */
int value_compare(const struct cql_type *type, struct bytes a, struct bytes b);

/* The one form of a value that all equal ones share as part of a clustering key, which is what
 * order_decode gives: 1.00 -> 1 for a decimal, a varint without leading sign bytes, NaN as Java
 * writes it, a tuple with all its parts. Same bytes otherwise. */
void value_canonical(const struct cql_type *type, struct bytes value, struct buf *out);

/* Append the text of a valid value. Plain: as Cassandra's CAST(v AS text) gives it, strings bare.
 * Literal: as one would type it in CQL, strings quoted, collections in brackets. */
void value_print(const struct cql_type *type, struct bytes value, struct buf *out);
void value_print_literal(const struct cql_type *type, struct bytes value, struct buf *out);

/* What the CQL lexer calls a constant. The text is without quotes and without 0x. */
enum literal_kind {
    LITERAL_STRING,
    LITERAL_INTEGER,
    LITERAL_FLOAT, /* 1.5, 1e3, NaN, Infinity and their negatives */
    LITERAL_UUID,
    LITERAL_BOOLEAN,
    LITERAL_HEX,
    LITERAL_DURATION,
};
const char *literal_kind_name(enum literal_kind kind); /* "STRING": Cassandra's word in errors */

/* Append the value of a scalar type that the constant stands for. `target` is the name of the
 * column or marker for the error text. ERR_INVALID with Cassandra's words. */
enum err value_from_literal(const struct cql_type *type, enum literal_kind kind, struct bytes text,
                            const char *target, struct buf *out, struct errmsg *ret_err) MUST_CHECK;

/* Append the value that a string stands for: Cassandra's text form of any type, `1` of an int,
 * `1:a\:b:@` of a tuple, where @ is null. ERR_INVALID with Cassandra's words. */
enum err value_from_text(const struct cql_type *type, struct bytes text, struct buf *out,
                         struct errmsg *ret_err) MUST_CHECK;

/* The forms a string may have, also for the shell and for COPY. */
enum err value_date_from_text(struct bytes text, struct buf *out, struct errmsg *e) MUST_CHECK;
enum err value_time_from_text(struct bytes text, struct buf *out, struct errmsg *e) MUST_CHECK;
enum err value_timestamp_from_text(struct bytes text, struct buf *out, struct errmsg *e) MUST_CHECK;
enum err value_duration_from_text(struct bytes text, struct buf *out, struct errmsg *e) MUST_CHECK;
enum err value_inet_from_text(struct bytes text, struct buf *out, struct errmsg *e) MUST_CHECK;

/* A duration: months, days and nanoseconds, all of one sign. */
struct cql_duration {
    int32_t months;
    int32_t days;
    int64_t nanos;
};
enum err value_duration_read(struct bytes value, struct cql_duration *ret) MUST_CHECK;
void value_duration_put(const struct cql_duration *d, struct buf *out);

/* Iterate a collection: count:i32, then each item as len:i32 and bytes; a map has keys and values
 * in turn, so twice its count of items. */
struct value_items {
    struct reader r;
    uint32_t left; /* items, not entries, still to come */
};
struct value_items value_items_open(const struct cql_type *type, struct bytes collection);
bool value_items_next(struct value_items *it, struct bytes *ret_item);
uint32_t value_items_count(struct bytes collection); /* entries; 0 for malformed */

/* Walk over the parts of any value that has some: the items of a collection, of a tuple or a
 * user-defined type all parts there may be, of a vector its elements. Only parts of tuples are ever
 * null; those that the value lacks are. */
struct value_part {
    struct bytes bytes;
    const struct cql_type *type;
    bool null;
};
struct value_parts {
    struct reader r;
    const struct cql_type *type;
    uint32_t at, count;
    size_t size; /* of an element of a vector, 0: they differ */
};
struct value_parts value_parts_open(const struct cql_type *type, struct bytes value);
bool value_parts_next(struct value_parts *p, struct value_part *ret);

/* A tuple or a user-defined type of its first `count` parts. A vector of `dimension` elements,
 * valid ones. */
void value_tuple_build(const struct value_part *parts, size_t count, struct buf *out);
void value_vector_build(const struct cql_type *type, const struct value_part *parts,
                        struct buf *out);

/* Build a collection: give the items (keys and values in turn for a map) in any order. Sets and
 * maps are sorted and de-duplicated, the later of two entries with one key wins. Items are
 * borrowed; the array is reordered. `count` is of items. */
enum err value_collection_build(const struct cql_type *type, struct bytes *items, size_t count,
                                struct buf *out, struct errmsg *ret_err) MUST_CHECK;

/* Rewrite a valid value so that sets and maps in it are sorted and without duplicates: what a
 * client bound may be neither. */
void value_normalize(const struct cql_type *type, struct bytes value, struct buf *out);

#endif
