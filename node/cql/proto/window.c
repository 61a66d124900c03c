#include "node/cql/proto/window.h"

#define WINDOW_FIRST ((size_t)128 << 10) /* what a reply is taken for before there was one */
#define WINDOW_DECAY 32                  /* each reply takes off a part in so many */

void cql_window_init(struct cql_window *w)
{
    w->usual = WINDOW_FIRST;
}

void cql_window_note(struct cql_window *w, size_t reply)
{
    w->usual -= w->usual / WINDOW_DECAY;
    if (reply > w->usual)
        w->usual = reply;
}

size_t cql_window_size(const struct cql_window *w, size_t budget, size_t most)
{
    size_t size = w->usual > 0 ? budget / w->usual : most;
    return size < 1 ? 1 : size < most ? size : most;
}
