/* permission.h - what a statement needs, and what becomes of permissions when things are made and
 * dropped. Private. Both functions are begun anew after each answer (inner.h). */
#ifndef TORC_NODE_CQL_EXEC_PERMISSION_H
#define TORC_NODE_CQL_EXEC_PERMISSION_H

#include "node/cql/exec/auth.h"

/* One permission; also refuses what nobody may do to the system's keyspaces. False while it is
 * looked up (q->op), or with the run's error. */
bool permission_need(struct exec *e, struct request *q, unsigned permission,
                     const struct resource *resource);

/* All that a statement needs, but for statements about roles and permissions themselves. */
bool permission_check(struct exec *e, struct request *q, const struct ast_stmt *s,
                      const char *keyspace);

/* All permissions on these for who made them; none for anybody on what is no more. */
bool permission_created(struct exec *e, struct request *q, const struct resource *resource);
bool permission_dropped(struct exec *e, struct request *q, const struct resource *resource);

#endif
