/* auth.h - roles, resources and permissions: their names, and what is remembered of them. Private.
 *
 * The truth is in the tables of system_auth, read at LOCAL_QUORUM (what concerns the role
 * `cassandra` at QUORUM), as any other rows. What was read to judge a statement is kept for
 * roles_validity and permissions_validity, so a change made through another node counts here after
 * that long; a change made through this node, at once.
 */
#ifndef TORC_NODE_CQL_EXEC_AUTH_H
#define TORC_NODE_CQL_EXEC_AUTH_H

#include "node/cql/exec/inner.h"

#define AUTH_CACHE_MAX 1000 /* entries of each kind; then it begins anew */
#define AUTH_ROLES_MAX 1000 /* that one role may be a member of, through others */
#define AUTH_SUPERUSER "cassandra"
#define AUTH_NO_ROLE   "%s doesn't exist"

struct resource {
    enum ast_resource_kind kind;
    const char *keyspace; /* of data and functions */
    const char *name;     /* a table, a role, a function with its types, an mbean */
};

const char *permission_name(unsigned permission);
/* "CREATE, ALTER" in their order. */
const char *permissions_text(struct arena *a, uint32_t permissions);
size_t permission_names(uint32_t permissions, const char *ret_names[PERMISSION_COUNT]);
uint32_t permission_parse(const char *name); /* the bit; 0 for what is none */

const char *resource_key(struct arena *a, const struct resource *r);  /* "data/ks/t": stored */
const char *resource_text(struct arena *a, const struct resource *r); /* "<table ks.t>" */
const char *resource_key_text(struct arena *a, const char *key);      /* of what is stored */
const char *resource_type(const struct resource *r);                  /* "DataResource" */
uint32_t resource_permissions(const struct resource *r);              /* that make sense on it */
bool resource_parent(const struct resource *r, struct resource *ret);
bool resource_is_data(const struct resource *r);

struct auth_role {
    const char *name;
    bool exists, superuser, can_login;
    const char *hash; /* NULL: it has no password */
    const char **member_of;
    size_t member_count;
};

void auth_init(struct auth *a);
void auth_close(struct auth *a);
void auth_forget(struct auth *a); /* a role or a permission was changed here */

enum cql_consistency auth_read_level(const char *role);
enum cql_consistency auth_write_level(const char *role);

/* As the table has it now; false while it is asked for, or when the run has failed. */
bool auth_role_read(struct exec *e, struct request *q, const char *name, struct auth_role *ret);

/* The role and all that it is a member of, remembered or read; itself first. */
struct auth_roles {
    const struct auth_role **items;
    size_t count, cap;
};
bool auth_roles_of(struct exec *e, struct request *q, const char *name, const char *trouble,
                   struct auth_roles **ret);
/* The same, nothing remembered; with recursive false only what it is a direct member of. */
bool auth_roles_read(struct exec *e, struct request *q, const char *name, bool recursive,
                     struct auth_roles **ret);
bool auth_roles_has(const struct auth_roles *roles, const char *name);
bool auth_roles_superuser(const struct auth_roles *roles);

/* May the user of the request do that? Cassandra's sentences when not. With `no_root` a permission
 * on all keyspaces does not count. */
bool auth_check(struct exec *e, struct request *q, unsigned permission,
                const struct resource *resource, bool no_root);
/* The bits that a role itself has on a resource itself, now. */
bool auth_granted(struct exec *e, struct request *q, const char *role, const char *resource,
                  uint32_t *ret);

/* Is the user of the request a superuser? */
bool auth_is_superuser(struct exec *e, struct request *q, bool *ret);

/* Passwords that were right a moment ago. */
bool auth_verified(struct exec *e, struct now now, const char *role, const char *hash,
                   const char *password);
void auth_verified_keep(struct exec *e, struct now now, const char *role, const char *hash,
                        const char *password);

#endif
