/* ast.h - a CQL statement as the parser understood it.
 *
 * Syntax only: nothing here was compared with a schema. All of it lives in the arena given to
 * cql_parse. Names are as they count (folded to lower case unless they were quoted); texts of
 * literals are as written, of strings without quotes.
 *
 * Depth is bounded by CQL_DEPTH_MAX, so walking a tree by recursion is safe.
 */
#ifndef TORC_NODE_CQL_GRAMMAR_AST_H
#define TORC_NODE_CQL_GRAMMAR_AST_H

#include "base/bytes.h"

#define CQL_DEPTH_MAX 48u /* how deep terms and types may nest */

struct ast_names {
    struct bytes *items;
    size_t count, cap;
};

struct ast_table { /* also functions, types, indexes: anything that may stand in a keyspace */
    struct bytes keyspace; /* empty: the current one */
    struct bytes name;
};

struct ast_type {
    struct ast_table id;      /* `list`, `int`, `my_udt`; the class when custom */
    bool custom;              /* written as a 'string': a Java class */
    struct ast_type **params; /* of frozen<>, list<>, … */
    size_t params_count, params_cap;
    struct bytes text; /* the whole type, in canonical spelling: "map<text, frozen<list<int>>>" */
    unsigned depth;
};

enum ast_term_kind {
    AST_NULL,
    AST_INTEGER, /* text: digits, perhaps a sign before */
    AST_FLOAT,   /* text; NaN and Infinity too */
    AST_STRING,
    AST_BOOLEAN, /* text: "true" or "false" */
    AST_UUID,
    AST_BLOB,       /* text: 0x… */
    AST_DURATION,   /* text, perhaps a sign before */
    AST_MARKER,     /* marker: its number; text: its name, empty when it is `?` */
    AST_LIST,       /* [items] */
    AST_SET,        /* {items}; without items it may mean an empty map */
    AST_MAP,        /* items: key, value, key, value … */
    AST_UDT,        /* {names: items} */
    AST_TUPLE,      /* (items); with one item it may be mere parentheses */
    AST_CALL,       /* id(items) */
    AST_CAST,       /* (type) items[0] */
    AST_CAST_AS,    /* CAST(items[0] AS type) */
    AST_ARITHMETIC, /* items[0] op items[1] */
    AST_NEGATE,     /* -items[0] */
    /* only in a selector */
    AST_COLUMN,  /* text */
    AST_STAR,    /* the argument of count(*) */
    AST_ELEMENT, /* items[0][items[1]] */
    AST_SLICE,   /* items[0][items[1]..items[2]], the last two may be NULL */
    AST_FIELD,   /* items[0].text */
    /* only made by who executes statements */
    AST_VALUE, /* text: the bytes of a value of the type that is wanted there */
    AST_UNSET, /* as if a client had bound nothing */
};

struct ast_terms {
    struct ast_term **items;
    size_t count, cap;
};

struct ast_term {
    enum ast_term_kind kind;
    struct bytes text;
    struct ast_table id;
    struct ast_terms items;
    struct ast_names names;
    struct ast_type *type;
    uint32_t marker;
    char op; /* + - * / % */
    unsigned depth;
};

enum ast_op {
    AST_EQ,
    AST_NEQ,
    AST_LT,
    AST_LTE,
    AST_GT,
    AST_GTE,
    AST_IN,
    AST_CONTAINS,
    AST_CONTAINS_KEY,
    AST_LIKE,
    AST_IS_NOT_NULL,
};

enum ast_relation_kind {
    AST_REL_COLUMN,  /* a = … */
    AST_REL_ELEMENT, /* a[key] = … */
    AST_REL_FIELD,   /* a.field = … (conditions) */
    AST_REL_TOKEN,   /* token(a, b) > … */
    AST_REL_TUPLE,   /* (a, b) > … */
};

/* One condition of WHERE or IF. IN: `value` is the marker of `IN ?`, else NULL and `list` counts.
 */
struct ast_relation {
    enum ast_relation_kind kind;
    enum ast_op op;
    struct ast_names columns;
    struct ast_term *key;
    struct bytes field;
    struct ast_term *value;
    struct ast_terms list;
};

struct ast_relations {
    struct ast_relation *items;
    size_t count, cap;
};

struct ast_selector {
    struct ast_term *term;
    struct bytes alias; /* empty: none */
};

struct ast_selectors {
    struct ast_selector *items;
    size_t count, cap;
};

struct ast_order {
    struct bytes column;
    bool descending;
    struct ast_term *ann; /* ORDER BY c ANN OF vector */
};

struct ast_orders {
    struct ast_order *items;
    size_t count, cap;
};

struct ast_select {
    struct ast_table table;
    bool distinct;
    bool json;
    struct ast_selectors selectors; /* none: * */
    struct ast_relations where;
    struct ast_terms group_by;
    struct ast_orders order_by;
    struct ast_term *limit;
    struct ast_term *per_partition_limit;
    bool allow_filtering;
};

struct ast_using {
    struct ast_term *timestamp;
    struct ast_term *ttl;
    struct ast_term *causality; /* of siblings tables: what was read and is superseded */
};

struct ast_insert {
    struct ast_table table;
    struct ast_names columns;
    struct ast_terms values;
    struct ast_term *json; /* INSERT … JSON */
    bool json_default_unset;
    bool if_not_exists;
    struct ast_using using;
};

enum ast_assign_kind {
    AST_ASSIGN_SET,     /* c = value */
    AST_ASSIGN_ADD,     /* c = c + value, c += value */
    AST_ASSIGN_SUB,     /* c = c - value, c -= value */
    AST_ASSIGN_PREPEND, /* c = value + c */
    AST_ASSIGN_ELEMENT, /* c[key] = value */
    AST_ASSIGN_FIELD,   /* c.field = value */
};

struct ast_assign {
    enum ast_assign_kind kind;
    struct bytes column;
    struct bytes other; /* the column at the right of the sign, to be the same one */
    struct bytes field;
    struct ast_term *key;
    struct ast_term *value;
};

struct ast_assigns {
    struct ast_assign *items;
    size_t count, cap;
};

struct ast_update {
    struct ast_table table;
    struct ast_using using;
    struct ast_assigns assigns;
    struct ast_relations where;
    bool if_exists;
    struct ast_relations conditions;
};

/* What DELETE removes: a column, or with `key` an element, or with `field` a field of it. */
struct ast_removal {
    struct bytes column;
    struct bytes field;
    struct ast_term *key;
};

struct ast_removals {
    struct ast_removal *items;
    size_t count, cap;
};

struct ast_delete {
    struct ast_table table;
    struct ast_using using;
    struct ast_removals removals; /* none: whole rows */
    struct ast_relations where;
    bool if_exists;
    struct ast_relations conditions;
};

enum ast_batch_kind { AST_BATCH_LOGGED, AST_BATCH_UNLOGGED, AST_BATCH_COUNTER };

struct ast_batch {
    enum ast_batch_kind kind;
    struct ast_using using;
    struct ast_stmt **items; /* insert, update or delete */
    size_t count, cap;
};

/* name = literal, name, or {map}; the map as a term AST_MAP, a bare name as AST_COLUMN. */
struct ast_property {
    struct bytes name;
    struct ast_term *value;
};

struct ast_properties {
    struct ast_property *items;
    size_t count, cap;
};

struct ast_options { /* what follows WITH */
    struct ast_properties properties;
    struct ast_orders clustering_order;
    bool compact_storage;
};

struct ast_column {
    struct bytes name;
    struct ast_type *type;
    bool is_static;
    bool is_primary;
    bool is_masked;
};

struct ast_columns {
    struct ast_column *items;
    size_t count, cap;
};

struct ast_keyspace_def { /* CREATE and ALTER KEYSPACE */
    struct bytes name;
    bool if_not_exists;
    bool if_exists;
    struct ast_properties properties;
};

struct ast_create_table {
    struct ast_table table;
    bool if_not_exists;
    struct ast_columns columns;
    unsigned primary_keys; /* how many times PRIMARY KEY was given, in a column or by itself */
    struct ast_names partition_key;
    struct ast_names clustering;
    struct ast_options options;
};

enum ast_alter_kind {
    AST_ALTER_ADD,
    AST_ALTER_DROP,
    AST_ALTER_RENAME,
    AST_ALTER_TYPE,   /* ALTER c TYPE t: refused by all recent versions */
    AST_ALTER_MASK,   /* ALTER c MASKED WITH … */
    AST_ALTER_UNMASK, /* ALTER c DROP MASKED */
    AST_ALTER_WITH,
    AST_ALTER_DROP_COMPACT,
};

struct ast_alter_table {
    struct ast_table table;
    bool if_exists;
    enum ast_alter_kind kind;
    bool if_column;                   /* ADD IF NOT EXISTS, DROP, RENAME and ALTER IF EXISTS */
    struct ast_columns columns;       /* ADD */
    struct ast_names names;           /* DROP, ALTER: columns; RENAME: from, to, from, to … */
    struct ast_term *timestamp;       /* DROP … USING TIMESTAMP */
    struct ast_properties properties; /* WITH */
};

enum ast_alter_type_kind {
    AST_ALTER_TYPE_ADD,
    AST_ALTER_TYPE_RENAME,
    AST_ALTER_TYPE_ALTER, /* ALTER f TYPE t: refused by all recent versions */
};

struct ast_user_type { /* CREATE and ALTER TYPE */
    struct ast_table id;
    bool if_not_exists; /* CREATE */
    bool if_exists;     /* ALTER */
    bool if_field;      /* ADD IF NOT EXISTS, RENAME IF EXISTS */
    enum ast_alter_type_kind kind;
    struct ast_columns fields; /* CREATE, ADD */
    struct ast_names names;    /* RENAME: from, to, from, to … */
};

struct ast_drop { /* DROP KEYSPACE (only .name), DROP TABLE, DROP TYPE, DROP INDEX, TRUNCATE, USE */
    struct ast_table table;
    bool if_exists;
};

enum ast_target_kind {
    AST_TARGET_COLUMN, /* c */
    AST_TARGET_KEYS,   /* keys(c) … */
    AST_TARGET_VALUES,
    AST_TARGET_ENTRIES,
    AST_TARGET_FULL,
};

struct ast_target {
    enum ast_target_kind kind;
    struct bytes column;
};

struct ast_targets {
    struct ast_target *items;
    size_t count, cap;
};

struct ast_create_index {
    struct ast_table table;
    struct bytes name; /* empty: the table's and the column's */
    bool custom;
    bool if_not_exists;
    struct ast_targets targets;
    struct ast_term *class; /* USING 'class'; NULL: none was named */
    struct ast_properties properties;
};

enum ast_describe_kind {
    AST_DESCRIBE_CLUSTER,
    AST_DESCRIBE_SCHEMA, /* full: system keyspaces too */
    AST_DESCRIBE_KEYSPACES,
    AST_DESCRIBE_KEYSPACE, /* name may be empty: the current one; only: not what is in it */
    AST_DESCRIBE_TABLES,
    AST_DESCRIBE_TABLE,
    AST_DESCRIBE_INDEX,
    AST_DESCRIBE_VIEW,
    AST_DESCRIBE_TYPES,
    AST_DESCRIBE_TYPE,
    AST_DESCRIBE_FUNCTIONS,
    AST_DESCRIBE_FUNCTION,
    AST_DESCRIBE_AGGREGATES,
    AST_DESCRIBE_AGGREGATE,
    AST_DESCRIBE_ANY, /* a keyspace, table, index or view of that name */
};

struct ast_describe {
    enum ast_describe_kind kind;
    struct ast_table id;
    bool full;
    bool only;
    bool internals;
};

/* In Cassandra's order, which LIST PERMISSIONS shows. */
enum ast_permission {
    PERMISSION_CREATE,
    PERMISSION_ALTER,
    PERMISSION_DROP,
    PERMISSION_SELECT,
    PERMISSION_MODIFY,
    PERMISSION_AUTHORIZE,
    PERMISSION_DESCRIBE,
    PERMISSION_EXECUTE,
    PERMISSION_UNMASK,
    PERMISSION_SELECT_MASKED,
    PERMISSION_COUNT,
};
#define PERMISSIONS_ALL ((1u << PERMISSION_COUNT) - 1)

enum ast_resource_kind {
    RESOURCE_ALL_KEYSPACES,
    RESOURCE_KEYSPACE,
    RESOURCE_ALL_TABLES, /* of a keyspace */
    RESOURCE_TABLE,
    RESOURCE_ALL_ROLES,
    RESOURCE_ROLE,
    RESOURCE_ALL_FUNCTIONS,
    RESOURCE_KEYSPACE_FUNCTIONS,
    RESOURCE_FUNCTION,
    RESOURCE_ALL_MBEANS,
    RESOURCE_MBEAN,
};

struct ast_resource {
    enum ast_resource_kind kind;
    struct ast_table id;    /* the keyspace, or what is in it; roles and mbeans: only a name */
    struct ast_type *types; /* FUNCTION: a list of types; NULL: none */
};

/* WITH of CREATE and ALTER ROLE, or what CREATE and ALTER USER say instead. */
struct ast_role_options {
    const char *wrong; /* the complaint, when an option came twice or beside one that it excludes */
    bool has_password, hashed, has_superuser, superuser, has_login, login, has_options;
    bool has_dcs, has_cidrs, all_dcs, all_cidrs;
    struct bytes password;
    struct ast_names dcs, cidrs;
};

struct ast_role { /* CREATE, ALTER, DROP ROLE and USER; ADD and DROP IDENTITY */
    struct bytes name;
    struct bytes identity;
    bool condition; /* IF NOT EXISTS of what makes, IF EXISTS of the others */
    struct ast_role_options options;
};

struct ast_grant { /* GRANT and REVOKE, of permissions on a resource or of a role; LIST */
    uint32_t permissions;
    bool has_resource;
    struct ast_resource resource;
    struct bytes role; /* that is granted */
    bool has_grantee;
    struct bytes grantee;
    bool norecursive;
    const char *wrong; /* a complaint, as in the options of a role */
};

enum ast_kind {
    AST_SELECT,
    AST_INSERT,
    AST_UPDATE,
    AST_DELETE,
    AST_BATCH,
    AST_USE,
    AST_TRUNCATE,
    AST_CREATE_KEYSPACE,
    AST_ALTER_KEYSPACE,
    AST_DROP_KEYSPACE,
    AST_CREATE_TABLE,
    AST_ALTER_TABLE,
    AST_DROP_TABLE,
    AST_CREATE_INDEX,
    AST_DROP_INDEX,
    AST_CREATE_TYPE,
    AST_ALTER_TYPE_STMT,
    AST_DROP_TYPE,
    AST_DESCRIBE,
    AST_CREATE_ROLE,
    AST_ALTER_ROLE,
    AST_DROP_ROLE,
    AST_ADD_IDENTITY,
    AST_DROP_IDENTITY,
    AST_GRANT, /* permissions */
    AST_REVOKE,
    AST_GRANT_ROLE,
    AST_REVOKE_ROLE,
    AST_LIST_PERMISSIONS,
    AST_LIST_ROLES,
    AST_LIST_USERS,
    AST_OTHER, /* correct CQL that this release does not have */
};

struct ast_other {
    const char *what; /* "CREATE FUNCTION" */
    const char *kind; /* "Function", of what alters or drops one; else NULL */
    struct ast_table id;
    struct bytes detail; /* "(int, text)", the name of a trigger */
    bool if_exists;
};

struct ast_stmt {
    enum ast_kind kind;
    union {
        struct ast_select select;
        struct ast_insert insert;
        struct ast_update update;
        struct ast_delete delete;
        struct ast_batch batch;
        struct ast_keyspace_def keyspace;
        struct ast_create_table create_table;
        struct ast_alter_table alter_table;
        struct ast_create_index create_index;
        struct ast_user_type user_type;
        struct ast_drop drop; /* also TRUNCATE and USE */
        struct ast_describe describe;
        struct ast_role role;
        struct ast_grant grant;
        struct ast_other other;
    };
};

/* A whole parse: the statement and the markers in it, numbered in textual order from 0. */
struct ast {
    struct ast_stmt *stmt;
    struct ast_names markers; /* their names; empty for `?` */
};

#endif
