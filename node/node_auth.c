/* Passwords, which are slow and so the shell's affair, and the role that is there before all
 * others.
 */
#include "node/cql/exec/exec.h"
#include "node/node_core.h"

#include <string.h>

#define SETUP_EVERY (2 * USEC_PER_SEC) /* until the replicas of system_auth answer */

/* Called when the node is ready, and again at role_retry until it has worked. */
void auth_setup(struct node *n)
{
    n->role_retry = USEC_NEVER;
    if (!n->config.default_role || n->run != RUN_READY || !client_refresh_view(n))
        return;
    exec_setup(client_exec(n), n->now, node_timestamp(n));
}

void auth_setup_done(struct node *n, bool good)
{
    n->role_retry = good ? USEC_NEVER : n->now.mono + SETUP_EVERY;
}

void auth_password(struct node *n, const struct exec_effect *e)
{
    struct node_effect *out = node_append(n, NODE_PASSWORD);
    out->password.job = e->op;
    out->password.text = arena_text(&n->arena, bytes_text(e->password.password));
    if (e->password.hash != NULL)
        out->password.hash = arena_text(&n->arena, bytes_text(e->password.hash));
    memcpy(out->password.salt, e->password.salt, sizeof out->password.salt);
}

void auth_password_done(struct node *n, const struct node_event *event)
{
    struct exec_result r = {.err = event->password.refused ? ERR_OVERLOADED : ERR_OK,
                            .matches = event->password.matches,
                            .hash = event->password.hash};
    exec_done(client_exec(n), n->now, event->password.job, &r);
}
