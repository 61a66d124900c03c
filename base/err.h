/* err.h - every error code of Torc, declared once.
 *
 * 0 is success. Codes are for code: what a person must read is in `struct errmsg`, wrapped outward
 * ("open store: /data/3: lock held"). Our own bugs are assertions, never codes.
 */
#ifndef TORC_BASE_ERR_H
#define TORC_BASE_ERR_H

#include <stdarg.h>

/* The numbers travel between nodes: do not renumber, append. */
#define ERR_LIST(X)                                                                                \
    X(OK, 0, "ok")                                                                                 \
    X(MALFORMED, 1, "malformed bytes")                                                             \
    X(TOO_BIG, 2, "too big")                                                                       \
    X(NOT_FOUND, 3, "not found")                                                                   \
    X(EXISTS, 4, "already exists")                                                                 \
    X(IO, 5, "input/output error")                                                                 \
    X(CORRUPT, 6, "corrupt data")                                                                  \
    X(FULL, 7, "no space left")                                                                    \
    X(TIMEOUT, 8, "timed out")                                                                     \
    X(UNAVAILABLE, 9, "not enough replicas alive")                                                 \
    X(OVERLOADED, 10, "overloaded")                                                                \
    X(SYNTAX, 11, "syntax error")                                                                  \
    X(INVALID, 12, "invalid request")                                                              \
    X(CONFIG, 13, "configuration error")                                                           \
    X(UNSUPPORTED, 14, "unsupported version")                                                      \
    X(STALE, 15, "stale epoch")                                                                    \
    X(CLOSED, 16, "closed")                                                                        \
    X(FAILED, 17, "a replica failed")                                                              \
    X(REFUSED, 18, "refused")                                                                      \
    X(BEHIND, 19, "lacks what must come first")

enum err {
#define X(name, number, text) ERR_##name = number,
    ERR_LIST(X)
#undef X
        ERR_COUNT
};

#define MUST_CHECK __attribute__((warn_unused_result))

/* A sentence for a person. Truncated, never overrun. */
#define ERRMSG_SIZE 512
struct errmsg {
    char text[ERRMSG_SIZE];
};

/* The text of ERR_LIST; "unknown error" for a number that is not in it. Never NULL. */
const char *err_text(enum err err);

/* Set the text and return `err`, so that `return errmsg_set(...)` reads as one thought. `m` may be
 * NULL. */
enum err errmsg_set(struct errmsg *m, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "prefix: " in front of the text. */
void errmsg_wrap(struct errmsg *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
