/* json.h - JSON as texts of values: read into a tree, and values of CQL from and to it as Cassandra
 * has them.
 *
 * RFC 8259 to the letter, but that text may follow the value, as Cassandra lets it. The tree lives
 * in the arena it was read into, with views into the text where nothing had to be changed: keep
 * both. Numbers are kept as texts. Depth is bounded, so walking a tree by recursion is safe.
 */
#ifndef TORC_NODE_SCHEMA_JSON_H
#define TORC_NODE_SCHEMA_JSON_H

#include "node/schema/value.h"

#define JSON_DEPTH_MAX 64
#define JSON_ITEMS_MAX 1000000 /* values in one text */

enum json_kind {
    JSON_NULL,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json {
    enum json_kind kind;
    bool real;           /* a number with a point or an exponent */
    struct bytes text;   /* of a number as written; of a string without quotes and escapes */
    struct bytes *names; /* of an object: `count` of them; of two that are equal the last counts */
    struct json *items;  /* of an array or object */
    size_t count;
};

/* ERR_INVALID and what is wrong where: "Unexpected character ('k' (code 107)) …: line 1, column 2".
 */
enum err json_read(struct arena *a, struct bytes text, struct json *ret,
                   struct errmsg *e) MUST_CHECK;

/* Append a value as it stands in an error text: strings bare, [1, a], {a=1}. */
void json_print_plain(const struct json *j, struct buf *out);

/* Append a text as a string of JSON, with its quotes. */
void json_print_string(struct bytes text, struct buf *out);

/* Append a name of CQL as a string of JSON: one with upper case letters carries its quotes within.
 */
void json_print_name(const char *name, struct buf *out);

/* Append the JSON of a valid value. Not of null: that is for the caller. */
void value_print_json(const struct cql_type *type, struct bytes value, struct buf *out);

/* Append the value that the JSON stands for. *ret_null: null, and nothing was appended. Strings
 * also hold the other types. ERR_INVALID with Cassandra's words. */
enum err value_from_json(struct arena *a, const struct cql_type *type, const struct json *j,
                         struct buf *out, bool *ret_null, struct errmsg *e) MUST_CHECK;

/* A name in an object as CQL means it: "\"Up\"" is Up, Up is up. */
struct bytes json_name(struct arena *a, struct bytes name);

#endif
