/* window.h - how many requests of one connection may be under way, judged by the replies so far.
 *
 * What a request holds while it runs grows with its reply: a thousand small ones are nothing, a
 * thousand pages are gigabytes. So the window is a budget of bytes divided by what replies were
 * lately: it closes at once when a large one comes and opens slowly while they are small. A new
 * connection begins in between.
 *
 * Invariant: 1 <= window <= `most`, whatever comes.
 */
#ifndef TORC_NODE_CQL_PROTO_WINDOW_H
#define TORC_NODE_CQL_PROTO_WINDOW_H

#include <stddef.h>

struct cql_window {
    size_t usual; /* bytes of a reply; not less than some large ones lately */
};

void cql_window_init(struct cql_window *w);

/* A reply of so many bytes has been put. */
void cql_window_note(struct cql_window *w, size_t reply);

/* How many requests may be under way when their replies together should stay below `budget`. */
size_t cql_window_size(const struct cql_window *w, size_t budget, size_t most);

#endif
