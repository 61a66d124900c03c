/* names.h - keyspaces, tables and columns of the server, and what could complete a word.
 *
 * Completion is pure: it sees the text before the cursor and the names. What it offers depends on
 * the words before: levels after CONSISTENCY, keyspaces after USE, tables after FROM, columns and
 * keywords elsewhere.
 */
#ifndef TORC_CLI_NAMES_H
#define TORC_CLI_NAMES_H

#include "base/arena.h"

struct names_table {
    char *keyspace;
    char *name;
    char **columns;
    size_t count, cap;
};

struct names {
    char **keyspaces;
    size_t keyspaces_count, keyspaces_cap;
    struct names_table *tables;
    size_t tables_count, tables_cap;
};

void names_clear(struct names *n); /* accepts a zeroed one; empty afterwards */
void names_add_keyspace(struct names *n, struct bytes keyspace);
void names_add_column(struct names *n, struct bytes keyspace, struct bytes table,
                      struct bytes column); /* the table comes with its first column */

struct completion {
    const char **words; /* sorted, without doubles, as they would be typed */
    size_t count, cap;
    size_t typed; /* bytes before the cursor that they begin with */
};

#define COMPLETION_MAX ((size_t)4096)

/* `text` is all that was typed of the statement, up to the cursor; `keyspace` the current one or
 * NULL. Words live in the arena or in `names`. */
struct completion names_complete(const struct names *n, const char *keyspace, struct bytes text,
                                 struct arena *a);

/* How many bytes all words have in common at their start. */
size_t completion_common(const struct completion *c);

#endif
