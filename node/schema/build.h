/* build.h - making the immutable objects of schema.h. Private to this folder.
 *
 * A draft is the same struct on the stack, pointing anywhere: making copies all it points to into
 * the new object's arena, puts columns and tables in order, and counts what can be counted. Each
 * make gives one reference, the caller's.
 */
#ifndef TORC_NODE_SCHEMA_BUILD_H
#define TORC_NODE_SCHEMA_BUILD_H

#include "node/schema/ddl.h"

/* From: no, keyspace_no, id, keyspace, name, columns (key columns in order, others in any; position
 * is set), column_count, next_column_id, dropped, dropped_count, options, indexes, index_count,
 * is_virtual. */
struct table *table_make(const struct table *draft);

/* From: no, name, durable_writes, is_virtual, replication, tables (in any order; each referenced),
 * table_count, types (sorted, resolved). */
struct keyspace *keyspace_make(const struct keyspace *draft);

/* From `count` keyspaces in any order; each referenced. Sets the version. */
const struct schema *schema_make(uint64_t epoch, const struct keyspace *const *keyspaces,
                                 uint32_t count);

/* The table with the types of its columns resolved anew. ERR_INVALID when one cannot be. */
enum err table_resolve(const struct table *t, const struct cql_types *types,
                       struct table **ret_table, struct errmsg *e) MUST_CHECK;

/* The types of a keyspace, those a type is made of before it; else by name. */
const struct cql_type **types_in_order(const struct cql_types *types, struct arena *a);

/* `types` with room for one more gets it at its place. */
void types_insert(const struct cql_type **items, uint32_t count, const struct cql_type *type);

/* Copies with one thing put in for another; either may be NULL: added, removed. */
const struct keyspace *keyspace_with(const struct keyspace *k, const struct table *out,
                                     const struct table *in);
const struct schema *schema_with(const struct schema *s, uint64_t epoch, const struct keyspace *out,
                                 const struct keyspace *in);

/* New references to the built-in keyspaces (system.c): the local ones, and the replicated ones too
 * when a cluster begins. Returns how many. */
#define SYSTEM_KEYSPACES 7
uint32_t system_keyspaces_make(bool replicated, const struct keyspace **ret_keyspaces);

struct option_map option_map_copy(struct arena *a, const struct option_map *m);
void option_map_sort(struct option_pair *items, uint32_t count);

/* What the version is the digest of: all but the epoch and the built-in. */
void schema_encode_content(const struct schema *s, struct buf *out);

/* options.c: the WITH of a table onto `o`, and of a keyspace. New texts live in the arena. */
enum err options_apply(struct table_options *o, const struct ddl *ddl, bool creating,
                       struct arena *a, struct errmsg *e) MUST_CHECK;
/* options_compaction.c: the sub-options, by the short name of the class. ERR_CONFIG. */
enum err compaction_check(const struct ddl_option *o, const char *strategy,
                          struct errmsg *e) MUST_CHECK;
enum err compression_check(const struct ddl_option *o, const char *class,
                           struct errmsg *e) MUST_CHECK;
bool option_is_table_id(const struct ddl_option *o);
enum err replication_parse(const struct ddl_option *o, const char *keyspace, struct arena *a,
                           struct replication *ret, struct errmsg *e) MUST_CHECK;
enum err option_boolean(const struct ddl_option *o, bool *ret, struct errmsg *e) MUST_CHECK;
const struct ddl_option *ddl_option_find(const struct ddl *ddl, const char *name);
enum err options_check_duplicates(const struct ddl *ddl, struct errmsg *e) MUST_CHECK;

/* Read "replication_factor" digits with Cassandra's complaints. */
enum err factor_parse(const char *text, uint32_t *ret, struct errmsg *e) MUST_CHECK;

#endif
