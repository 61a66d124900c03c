/* ddl.h - changes of the schema as data, and what they do.
 *
 * A statement of the data definition language is turned into a `struct ddl` by the node that got
 * it, tried there against its own snapshot (so that errors come back at once), put into the
 * metadata log as bytes, and applied by every node in the order of the log. schema_apply is a pure
 * function of (snapshot, slot, command): so all nodes come to the same schema, whatever was decided
 * on concurrently. A command that has become invalid when its slot is reached fails on every node
 * with the same message.
 *
 * The command carries the options and the types as the texts that were typed; checking them is
 * schema_apply's work. What must not differ between nodes (a new table's id, the time of a DROP of
 * a column) is in the command.
 */
#ifndef TORC_NODE_SCHEMA_DDL_H
#define TORC_NODE_SCHEMA_DDL_H

#include "node/schema/schema.h"

/* Stored: do not renumber. */
enum ddl_kind {
    DDL_CREATE_KEYSPACE = 1,
    DDL_ALTER_KEYSPACE = 2,
    DDL_DROP_KEYSPACE = 3,
    DDL_CREATE_TABLE = 4,
    DDL_ALTER_TABLE_ADD = 5,
    DDL_ALTER_TABLE_DROP = 6,
    DDL_ALTER_TABLE_RENAME = 7,
    DDL_ALTER_TABLE_WITH = 8,
    DDL_DROP_TABLE = 9,
    DDL_TRUNCATE_TABLE = 10, /* the table gets the slot as its new number: its old data is gone */
    DDL_CREATE_INDEX = 11,
    DDL_DROP_INDEX = 12, /* `table` is not looked at: it is what the answer to the client says */
    DDL_CREATE_TYPE = 20,
    DDL_ALTER_TYPE_ADD = 21,
    DDL_ALTER_TYPE_RENAME = 22,
    DDL_ALTER_TYPE_ALTER = 23, /* refused, but only when there is such a type */
    DDL_DROP_TYPE = 24,
};

#define DDL_BYTES_MAX ((size_t)1 << 20) /* one encoded command */
#define DDL_ITEMS_MAX 4096              /* columns, key columns, orders, options, pairs */

/* CREATE TABLE and ADD: name, type, is_static. DROP: name. RENAME: name and new_name. CREATE INDEX:
 * name, and in `type` what of it: index_target_name. The fields of a user-defined type likewise. */
struct ddl_column {
    const char *name;
    const char *type; /* CQL text */
    const char *new_name;
    bool is_static;
};

struct ddl_order {
    const char *column;
    bool descending;
};

/* `name = value` of WITH, or `name = {key: value, ...}`. Values are the constants' texts without
 * quotes, whatever kind they were. */
struct ddl_option {
    const char *name;
    const char *value; /* NULL when it is a map */
    const struct option_pair *pairs;
    uint32_t pair_count;
};

/* Borrowed: whoever fills it in or decodes it into an arena keeps what it points to. */
struct ddl {
    enum ddl_kind kind;
    bool if_exists;        /* the keyspace or the table */
    bool if_not_exists;    /* the keyspace or the table */
    bool if_column_exists; /* ALTER TABLE DROP IF EXISTS, RENAME IF EXISTS */
    bool if_no_column;     /* ALTER TABLE ADD IF NOT EXISTS */
    bool unqualified;      /* the keyspace was not typed: some errors show what was */
    const char *keyspace;
    const char *table;    /* table commands; of type commands the type */
    struct uuid table_id; /* CREATE TABLE; WITH id = ... wins over it */
    int64_t timestamp_us; /* ALTER TABLE DROP: cells at or below are gone */
    const struct ddl_column *columns;
    uint32_t column_count;
    const char *const *partition_key; /* CREATE TABLE */
    uint32_t partition_key_count;
    const char *const *clustering;
    uint32_t clustering_count;
    const struct ddl_order *orders; /* WITH CLUSTERING ORDER BY */
    uint32_t order_count;
    const struct ddl_option *options; /* WITH */
    uint32_t option_count;
    const char *index;            /* CREATE INDEX (empty: give it a name), DROP INDEX */
    const char *index_class;      /* USING; empty: not said */
    bool custom;                  /* CREATE CUSTOM INDEX */
    uint32_t primary_key_clauses; /* CREATE TABLE: how many were typed; exactly one is right */
};

/* What a command is about. */
enum schema_target { SCHEMA_KEYSPACE, SCHEMA_TABLE, SCHEMA_TYPE };
enum schema_target ddl_target(enum ddl_kind kind);

enum schema_change_type { CHANGE_NONE, CHANGE_CREATED, CHANGE_UPDATED, CHANGE_DROPPED };

/* What RESULT SchemaChange and EVENT SCHEMA_CHANGE say. Texts point into the command. CHANGE_NONE:
 * an IF [NOT] EXISTS had nothing to do. */
struct schema_change {
    enum schema_change_type type;
    enum schema_target target;
    const char *keyspace;
    const char *name; /* of the table or the type; NULL of a keyspace */
};

/* Apply the command that the metadata log has in `slot` (above old->epoch: a
 * coordinator that only tries takes the next; it becomes the number of what is
 * created). On ERR_OK *ret_next is a new reference: to a new snapshot, or when nothing changed to
 * `old` itself. Errors, with Cassandra's words: ERR_EXISTS (AlreadyExists), ERR_INVALID,
 * ERR_CONFIG, ERR_SYNTAX, ERR_REFUSED (Unauthorized: built-in keyspaces). */
enum err schema_apply(const struct schema *old, uint32_t slot, const struct ddl *ddl,
                      const struct schema **ret_next, struct schema_change *ret_change,
                      struct errmsg *ret_err) MUST_CHECK;

/* For the node that got a CREATE or ALTER KEYSPACE, before it goes into the log: with
 * NetworkTopologyStrategy check the data centres named against those there are, and replace
 * `replication_factor` (and nothing at all, which means 1) by one factor for each of them, as
 * Cassandra does; drivers read the result. Other commands pass unchanged. New options live in the
 * arena. ERR_CONFIG for an unknown data centre. */
enum err ddl_resolve_datacenters(struct ddl *ddl, const char *const *dcs, size_t dc_count,
                                 struct arena *a, struct errmsg *ret_err) MUST_CHECK;

/* An option of a table that is checked, kept and shown for Cassandra's tools, and not acted upon:
 * whoever sets one is told. */
bool table_option_is_inert(const char *name);

void ddl_encode(const struct ddl *ddl, struct buf *out);
enum err ddl_decode(struct bytes bytes, struct arena *a, struct ddl *ret_ddl) MUST_CHECK;

#endif
