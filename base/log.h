/* log.h - one line an event, for people (text) or for machines (JSON).
 *
 *   2026-03-01T12:00:00.000Z info node1 > joined the ring -> serving 342 ranges
 *   {"time":"2026-03-01T12:00:00.000Z","level":"info","node":"node1","what":"joined ..."}
 *
 * Only shells log; cores trace (trace.h), and log_tracer() turns traces into debug lines. The time
 * comes in. A `struct log` does not change after log_init, each line is handed to the sink in one
 * call, so threads may share a log when the sink may be shared (one write(2) per line).
 */
#ifndef TORC_BASE_LOG_H
#define TORC_BASE_LOG_H

#include "base/bytes.h"
#include "base/trace.h"

/* The order is the order of severity, and that of the config key log_level. */
#define LOG_LEVEL_LIST(X)                                                                          \
    X(DEBUG, "debug")                                                                              \
    X(INFO, "info")                                                                                \
    X(WARN, "warn")                                                                                \
    X(ERROR, "error")

enum log_level {
#define X(name, text) LOG_##name,
    LOG_LEVEL_LIST(X)
#undef X
};

enum log_format { LOG_TEXT, LOG_JSON };

#define LOG_NODE_MAX 64   /* with the closing NUL; a longer name is cut */
#define LOG_LINE_MAX 4096 /* escaped, with its end of line; a longer one is cut */

/* Where lines go: `line` ends with a line end and is borrowed for the call. */
struct log_sink {
    void (*write)(void *arg, struct bytes line);
    void *arg;
};

struct log {
    enum log_level level; /* lines below it are dropped before they are formatted */
    enum log_format format;
    struct log_sink sink;
    char node[LOG_NODE_MAX];
};

void log_init(struct log *l, enum log_level level, enum log_format format, const char *node,
              struct log_sink sink);

/* True when a line of that level would be written. False for a NULL log. */
bool log_wants(const struct log *l, enum log_level level);

/* Write one line. wall_us is the time since the epoch. A NULL log swallows everything. */
void log_line(const struct log *l, usec wall_us, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A tracer whose lines become debug lines of `l`, which must outlive it. */
struct tracer log_tracer(const struct log *l);

/* "2026-03-01T12:00:00.000Z" for a time since the epoch; returns ret_text. */
#define LOG_TIME_SIZE 32
const char *log_time(usec wall_us, char ret_text[LOG_TIME_SIZE]);

#endif
