#include "base/trace.h"

#include <stdarg.h>
#include <stdio.h>

void trace_emit(const struct tracer *t, struct now now, const char *format, ...)
{
    char line[TRACE_LINE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    /* Keys and names come from clients; they must not be able to forge a second line. */
    for (char *p = line; *p != 0; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    }
    t->emit(t->arg, now, line);
}
