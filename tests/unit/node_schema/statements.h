/* statements.h - DDL commands for tests, in few words.
 *
 * The real grammar lives above this folder; what is here fills in a struct ddl, sends it through
 * its bytes as the metadata log would, and applies it.
 */
#ifndef TORC_TESTS_STATEMENTS_H
#define TORC_TESTS_STATEMENTS_H

#include "node/schema/ddl.h"

/* A cluster's schema that takes statements one after the other. */
struct world {
    const struct schema *now;
    uint32_t slot;
    struct arena arena;
    struct errmsg error;
    struct schema_change change;
};

void world_init(struct world *w);
void world_close(struct world *w);

/* A command through its bytes, as in the metadata log, onto the schema. */
enum err world_apply(struct world *w, const struct ddl *ddl);

enum err world_keyspace(struct world *w, const char *name, uint32_t factor);

/* "a int, b text static, c list<int>" with keys "a" and "b c-": "-" means DESC. Options are pairs
 * of texts up to NULL, may itself be NULL. */
enum err world_table(struct world *w, const char *keyspace, const char *name, const char *columns,
                     const char *partition, const char *clustering, const char *const *options);

/* ALTER TABLE of one column: ADD (type, perhaps "static" behind it), DROP (type NULL), RENAME. */
enum err world_add(struct world *w, const char *keyspace, const char *table, const char *column,
                   const char *type);
enum err world_drop(struct world *w, const char *keyspace, const char *table, const char *column);
enum err world_rename(struct world *w, const char *keyspace, const char *table, const char *from,
                      const char *to);
enum err world_with(struct world *w, const char *keyspace, const char *table, const char *name,
                    const char *value);

#endif
