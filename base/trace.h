/* trace.h - how a core tells what it decided, without knowing who listens.
 *
 * Library folders never log. A core is given a `struct tracer` or NULL at its making and writes one
 * line per decision: "what happened -> what we did". The shell turns the lines into log lines, the
 * simulator compares them with what a story expects.
 */
#ifndef TORC_BASE_TRACE_H
#define TORC_BASE_TRACE_H

#include "base/types.h"

#define TRACE_LINE_MAX 512 /* a longer line is cut */

/* `line` is borrowed for the call, has no line end and no control characters. */
struct tracer {
    void (*emit)(void *arg, struct now now, const char *line);
    void *arg;
};

/* Use trace(), which leaves the arguments unevaluated when nobody listens. */
void trace_emit(const struct tracer *t, struct now now, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* trace(tracer or NULL, now, format, ...): a macro so that a NULL tracer costs one comparison. */
#define trace(t, now, ...) ((t) != NULL ? trace_emit((t), (now), __VA_ARGS__) : (void)0)

#endif
