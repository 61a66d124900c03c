#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const level_texts[] = {
#define X(name, text) text,
    LOG_LEVEL_LIST(X)
#undef X
};

#define MESSAGE_MAX 2048

/* A line under construction. Every put keeps one byte free for the line end, and `tail` more for
 * what must close a JSON line, so that a cut line is still a line. */
struct line {
    char text[LOG_LINE_MAX];
    size_t len;
    size_t tail;
    bool full;
};

void log_init(struct log *l, enum log_level level, enum log_format format, const char *node,
              struct log_sink sink)
{
    *l = (struct log){.level = level, .format = format, .sink = sink};
    snprintf(l->node, sizeof l->node, "%s", node);
}

bool log_wants(const struct log *l, enum log_level level)
{
    return l != NULL && level >= l->level;
}

const char *log_time(usec wall_us, char ret_text[LOG_TIME_SIZE])
{
    time_t seconds = (time_t)(wall_us / USEC_PER_SEC);
    int ms = (int)(wall_us % USEC_PER_SEC / USEC_PER_MS);
    struct tm tm;
    if (wall_us < 0 || gmtime_r(&seconds, &tm) == NULL || tm.tm_year > 9999 - 1900) {
        snprintf(ret_text, LOG_TIME_SIZE, "%lldus", (long long)wall_us);
        return ret_text;
    }
    size_t len = strftime(ret_text, LOG_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(ret_text + len, LOG_TIME_SIZE - len, ".%03dZ", ms);
    return ret_text;
}

static void put(struct line *l, const char *text, size_t len)
{
    if (l->full || len > sizeof l->text - 1 - l->tail - l->len) {
        l->full = true;
        return;
    }
    memcpy(l->text + l->len, text, len);
    l->len += len;
}

static void put_text(struct line *l, const char *text)
{
    put(l, text, strlen(text));
}

/* The length of the well formed UTF-8 sequence at p, or 0. */
static size_t utf8_len(const unsigned char *p)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (n == 0 || p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) /* also stops at the closing NUL */
            return 0;
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

/* Nothing that a client named may end the line, leave the JSON text or make it invalid UTF-8. */
static void put_escaped(struct line *l, const char *text, enum log_format format)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p != 0) {
        char escape[8];
        size_t n = utf8_len(p);
        if (n == 0) {
            put_text(l, "\xef\xbf\xbd"); /* U+FFFD */
            p++;
        } else if (*p < 0x20 || *p == 0x7f) {
            const char *form = format == LOG_JSON ? "\\u%04x" : "\\x%02x";
            snprintf(escape, sizeof escape, form, (unsigned)*p++);
            put_text(l, escape);
        } else if (format == LOG_JSON && (*p == '"' || *p == '\\')) {
            put(l, (const char[2]){'\\', (char)*p++}, 2);
        } else {
            put(l, (const char *)p, n);
            p += n;
        }
    }
}

void log_line(const struct log *l, usec wall_us, enum log_level level, const char *format, ...)
{
    char message[MESSAGE_MAX];
    char time[LOG_TIME_SIZE];
    struct line line = {.len = 0};
    if (!log_wants(l, level))
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    bool json = l->format == LOG_JSON;
    line.tail = json ? 2 : 0;
    put_text(&line, json ? "{\"time\":\"" : "");
    put_text(&line, log_time(wall_us, time));
    put_text(&line, json ? "\",\"level\":\"" : " ");
    put_text(&line, level_texts[level]);
    put_text(&line, json ? "\",\"node\":\"" : " ");
    put_escaped(&line, l->node, l->format);
    put_text(&line, json ? "\",\"what\":\"" : " > ");
    put_escaped(&line, message, l->format);
    line.tail = 0;
    line.full = false;
    put_text(&line, json ? "\"}" : "");
    line.text[line.len++] = '\n';
    l->sink.write(l->sink.arg, bytes_make(line.text, line.len));
}

static void emit(void *arg, struct now now, const char *text)
{
    log_line(arg, now.wall, LOG_DEBUG, "%s", text);
}

struct tracer log_tracer(const struct log *l)
{
    /* The arg of a tracer is not const because other tracers write to theirs; emit only reads. */
    union {
        const struct log *in;
        void *out;
    } arg = {.in = l};
    return (struct tracer){emit, arg.out};
}
