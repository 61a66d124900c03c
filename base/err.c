#include "base/err.h"

#include <stdio.h>
#include <string.h>

const char *err_text(enum err err)
{
    switch (err) {
#define X(name, number, text)                                                                      \
    case ERR_##name: return text;
        ERR_LIST(X)
#undef X
    case ERR_COUNT: break;
    }
    return "unknown error";
}

enum err errmsg_set(struct errmsg *m, enum err err, const char *format, ...)
{
    if (m != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(m->text, sizeof m->text, format, args);
        va_end(args);
    }
    return err;
}

void errmsg_wrap(struct errmsg *m, const char *format, ...)
{
    struct errmsg inner;
    va_list args;
    if (m == NULL)
        return;
    inner = *m;
    va_start(args, format);
    vsnprintf(m->text, sizeof m->text, format, args);
    va_end(args);
    size_t len = strlen(m->text);
    snprintf(m->text + len, sizeof m->text - len, ": %s", inner.text);
}
