/* apply.h - what the two halves of schema_apply share. Private to this folder. */
#ifndef TORC_NODE_SCHEMA_APPLY_H
#define TORC_NODE_SCHEMA_APPLY_H

#include "node/schema/build.h"

/* One run of schema_apply. The scratch arena holds what drafts point to. */
struct apply {
    const struct schema *old;
    uint32_t slot;
    const struct ddl *ddl;
    struct arena scratch;
    const struct schema *next; /* the result; NULL: nothing changed */
    enum schema_change_type change;
    struct errmsg *err;
};

/* CREATE TABLE (create_table.c): `k` is a keyspace that may be changed. */
enum err apply_create_table(struct apply *ap, const struct keyspace *k) MUST_CHECK;

/* CREATE INDEX and DROP INDEX (create_index.c): `k` and `t` may be NULL, not there. */
enum err apply_create_index(struct apply *ap, const struct keyspace *k,
                            const struct table *t) MUST_CHECK;
enum err apply_drop_index(struct apply *ap, const struct keyspace *k) MUST_CHECK;

/* The names of the indexes on a column, "a, b"; NULL when there are none. */
const char *apply_indexes_on(struct apply *ap, const struct table *t, uint32_t column_id);

/* Put `in` (a reference, taken over) in for `out` in its keyspace; either may be NULL. */
void apply_table(struct apply *ap, const struct keyspace *k, const struct table *out,
                 struct table *in);

/* CREATE, ALTER and DROP TYPE (user_types.c). */
enum err apply_user_type(struct apply *ap, const struct keyspace *k) MUST_CHECK;

/* The type text of a column, resolved, and checked for what no column may be of. */
enum err apply_type(struct apply *ap, const char *text, const struct cql_type **ret) MUST_CHECK;

bool apply_name_ok(const char *name); /* letters, digits and underscores */

#endif
