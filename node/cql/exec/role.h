/* role.h - CREATE, ALTER, DROP, GRANT, REVOKE and LIST of roles and permissions; logging in; the
 * first superuser. Private. Each is begun anew after each answer (inner.h); true: it is done and
 * the reply may go, or has gone. */
#ifndef TORC_NODE_CQL_EXEC_ROLE_H
#define TORC_NODE_CQL_EXEC_ROLE_H

#include "node/cql/exec/auth.h"

bool role_statement(struct exec *e, struct request *q, const struct ast_stmt *s);
bool role_is_statement(const struct ast_stmt *s);
/* What is wrong with the statement as it is written. */
bool role_check_words(struct run *r, const struct ast_stmt *s);

/* role_list.c: these reply with rows themselves. */
bool role_list(struct exec *e, struct request *q, const struct ast_stmt *s);

/* role_grant.c */
bool role_grant_statement(struct exec *e, struct request *q, const struct ast_stmt *s);
bool role_resource(struct request *q, const struct ast_resource *a, struct resource *ret);
bool role_resource_exists(struct exec *e, struct request *q, const struct resource *r, bool *ret);

/* Of statements that nobody anonymous may use. */
bool role_not_anonymous(struct request *q);
bool role_permission(struct exec *e, struct request *q, unsigned permission, const char *role);

/* login.c */
struct credentials {
    const char *role;
    const char *password;
};
bool login(struct exec *e, struct request *q);
bool login_setup(struct exec *e, struct request *q);
bool credentials_read(struct run *r, struct bytes sasl, struct credentials *ret);

/* The bcrypt hash of a password, made elsewhere; whether one is that of a hash. */
bool password_ask_hash(struct exec *e, struct request *q, const char *password, const char **ret);
bool password_ask_match(struct exec *e, struct request *q, const char *password, const char *hash,
                        bool *ret);

#endif
