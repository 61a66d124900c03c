/* type.h - the types of CQL as an immutable tree.
 *
 * A scalar is one of a table of constants (cql_type_native), shared by everybody and never freed.
 * A collection, tuple, vector or user-defined type is a node in an arena of the caller and lives as
 * long as that arena; its items may be constants. Nothing changes after construction.
 *
 * `frozen` belongs to collections and user-defined types: the whole value is one cell. What stands
 * inside something frozen is frozen too, as in Cassandra, and printed so. Tuples and vectors are
 * always one cell: a tuple freezes what is in it and prints as frozen<tuple<...>>, a vector prints
 * bare and leaves its elements as they were written.
 *
 * A user-defined type is a name until cql_type_resolve has looked it up: then its items are the
 * types of its fields. Values are only of resolved types; what is stored and what travels between
 * nodes is the name.
 */
#ifndef TORC_NODE_SCHEMA_TYPE_H
#define TORC_NODE_SCHEMA_TYPE_H

#include "base/arena.h"
#include "base/buf.h"

/* The numbers of the native protocol's [option]; what it has no number for stands above 0xff.
 * Stored: do not renumber. */
#define CQL_SCALARS(X)                                                                             \
    X(ASCII, 0x01, "ascii")                                                                        \
    X(BIGINT, 0x02, "bigint")                                                                      \
    X(BLOB, 0x03, "blob")                                                                          \
    X(BOOLEAN, 0x04, "boolean")                                                                    \
    X(COUNTER, 0x05, "counter")                                                                    \
    X(DECIMAL, 0x06, "decimal")                                                                    \
    X(DOUBLE, 0x07, "double")                                                                      \
    X(FLOAT, 0x08, "float")                                                                        \
    X(INT, 0x09, "int")                                                                            \
    X(TIMESTAMP, 0x0b, "timestamp")                                                                \
    X(UUID, 0x0c, "uuid")                                                                          \
    X(TEXT, 0x0d, "text")                                                                          \
    X(VARINT, 0x0e, "varint")                                                                      \
    X(TIMEUUID, 0x0f, "timeuuid")                                                                  \
    X(INET, 0x10, "inet")                                                                          \
    X(DATE, 0x11, "date")                                                                          \
    X(TIME, 0x12, "time")                                                                          \
    X(SMALLINT, 0x13, "smallint")                                                                  \
    X(TINYINT, 0x14, "tinyint")                                                                    \
    X(DURATION, 0x15, "duration")

enum cql_kind {
#define X(name, number, text) CQL_##name = number,
    CQL_SCALARS(X)
#undef X
        CQL_LIST = 0x20,
    CQL_MAP = 0x21,
    CQL_SET = 0x22,
    CQL_UDT = 0x30,
    CQL_TUPLE = 0x31,
    CQL_VECTOR = 0x100,
};

#define CQL_TYPE_DEPTH_MAX 32   /* nesting of one type; deeper ones are refused */
#define CQL_TYPE_ITEMS_MAX 1024 /* elements of one tuple, fields of one user-defined type */
#define CQL_TYPE_NODES_MAX 8192 /* of one type with all that user-defined types in it stand for */

struct cql_type {
    enum cql_kind kind;
    bool frozen;
    uint32_t count;     /* items: 1 for list, set and vector, 2 for map, 0 for scalars; of a UDT
                           its fields once it is resolved, 0 before */
    uint32_t dimension; /* of a vector */
    const struct cql_type *const *items;
    const char *keyspace;      /* of a UDT: NULL when not said */
    const char *name;          /* of a UDT */
    const char *const *fields; /* of a resolved UDT: the names of its items */
};

/* The user-defined types that may be meant: those of one keyspace, resolved, sorted by name. */
struct cql_types {
    const char *keyspace; /* NULL: none, and no types */
    const struct cql_type *const *items;
    uint32_t count;
};

/* The constant of a scalar kind; NULL for any other number. */
const struct cql_type *cql_type_native(enum cql_kind kind);

/* Nodes in the arena, which must outlive them and not be outlived by the items. */
const struct cql_type *cql_type_list(struct arena *a, const struct cql_type *item, bool frozen);
const struct cql_type *cql_type_set(struct arena *a, const struct cql_type *item, bool frozen);
const struct cql_type *cql_type_map(struct arena *a, const struct cql_type *key,
                                    const struct cql_type *value, bool frozen);

/* A deep copy into another arena. */
const struct cql_type *cql_type_copy(struct arena *a, const struct cql_type *type);

const struct cql_type *cql_type_tuple(struct arena *a, const struct cql_type *const *items,
                                      uint32_t count);
const struct cql_type *cql_type_udt(struct arena *a, const char *keyspace, const char *name,
                                    const char *const *fields, const struct cql_type *const *items,
                                    uint32_t count, bool frozen);

/* Read CQL text: `int`, `varchar`, `frozen<map<text, list<int>>>`, `tuple<int, text>`,
 * `vector<float, 3>`, `ks.my_type`, `"My Type"`, a Java class in quotes
 * ('org.apache.cassandra.db.marshal.Int32Type'). Any name that is no native type is a user-defined
 * one, not resolved. ERR_SYNTAX for what is no type, ERR_INVALID for what CQL forbids (a collection
 * not frozen inside a collection, counters and durations where they may not be), with Cassandra's
 * words. */
enum err cql_type_parse(struct arena *a, struct bytes text, const struct cql_type **ret_type,
                        struct errmsg *ret_err) MUST_CHECK;

/* Read the name of a Java class with its parameters, as Cassandra writes and reads them. */
enum err cql_type_from_class(struct arena *a, struct bytes text, const struct cql_type **ret_type,
                             struct errmsg *ret_err) MUST_CHECK;

/* The same type with every user-defined type in it looked up, whatever it stood for before.
 * ERR_INVALID with Cassandra's words: no such type, one of another keyspace; and when all of it is
 * more than CQL_TYPE_NODES_MAX. */
enum err cql_type_resolve(struct arena *a, const struct cql_type *type,
                          const struct cql_types *scope, const struct cql_type **ret_type,
                          struct errmsg *ret_err) MUST_CHECK;

const struct cql_type *cql_types_find(const struct cql_types *types, const char *name);

/* The same with tuples in place of user-defined types: what is remembered of a dropped column. */
const struct cql_type *cql_type_expand(struct arena *a, const struct cql_type *type);

/* CQL text as system_schema.columns has it: `frozen<list<int>>`. Qualified: with the keyspaces of
 * user-defined types. Class: the name of the Java class. */
void cql_type_print(const struct cql_type *type, struct buf *out);
void cql_type_print_qualified(const struct cql_type *type, struct buf *out);
void cql_type_print_class(const struct cql_type *type, struct buf *out);

/* The same as a text of the arena. */
const char *cql_type_text(struct arena *a, const struct cql_type *type);

bool cql_type_equal(const struct cql_type *a, const struct cql_type *b);

/* One cell per element or field: a list, set, map or user-defined type that is not frozen. */
static inline bool cql_type_is_multicell(const struct cql_type *t)
{
    return ((t->kind >= CQL_LIST && t->kind <= CQL_SET) || t->kind == CQL_UDT) && !t->frozen;
}

static inline bool cql_type_is_collection(const struct cql_type *t)
{
    return t->kind >= CQL_LIST && t->kind <= CQL_SET;
}

/* A value in parts: a tuple or a user-defined type, which may lack some. */
static inline bool cql_type_is_tuple(const struct cql_type *t)
{
    return t->kind == CQL_TUPLE || t->kind == CQL_UDT;
}

/* True when `kind` stands anywhere in the tree. */
bool cql_type_mentions(const struct cql_type *type, enum cql_kind kind);
bool cql_type_mentions_udt(const struct cql_type *type, const char *name);

/* Durations as Cassandra looks for them in keys and sets: not in vectors. */
bool cql_type_mentions_duration(const struct cql_type *type);

/* The field of a resolved user-defined type; -1: none of that name. */
int cql_type_field(const struct cql_type *udt, struct bytes name);

/* The number of bytes every value of the type has within a vector; 0: they differ. */
size_t cql_type_fixed_size(const struct cql_type *type);

/* The native protocol's [option] of a resolved type; a vector travels as its Java class. Reading
 * marks the reader failed and returns NULL for a custom type that is none of CQL's. */
void cql_type_put_option(const struct cql_type *type, struct buf *out);
const struct cql_type *cql_type_read_option(struct reader *r, struct arena *a);

/* Our own stored form, smaller and with `frozen` in it:
 *   type  = kind:varint [flags:u8 (1 = frozen)] ...
 *   list, set, vector, map, tuple: flags, count:varint, dimension:varint, count * type
 *   udt: flags, keyspace:vbytes, name:vbytes
 * Reading gives user-defined types that are not resolved; it marks the reader failed and returns
 * NULL for anything else. */
void cql_type_put(const struct cql_type *type, struct buf *out);
const struct cql_type *cql_type_read(struct reader *r, struct arena *a);

/* An identifier as CQL text, quoted when it must be: mixed case, odd characters, reserved words. */
void cql_name_print(const char *name, struct buf *out);
bool cql_name_is_reserved(const char *name);

#endif
