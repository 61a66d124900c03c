#include "cli/progress.h"

#include "cli/net.h"

#include <sys/ioctl.h>

#define DRAW_EVERY (100 * USEC_PER_MS)
#define BAR_WIDTH  20
#define BAR_LEAST  5

/* What is left is told by what came for so long, and of one part in so many: the first moments of
 * anything are no measure of the rest. */
#define KNOWN_AFTER (2 * USEC_PER_SEC)
#define KNOWN_SHARE 50u

void put_grouped(struct buf *out, uint64_t n)
{
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            buf_put_u8(out, ',');
        buf_put_u8(out, (uint8_t)digits[i]);
    }
}

static void put_clock(struct buf *out, usec t)
{
    long long seconds = t / USEC_PER_SEC;
    if (seconds >= 3600)
        buf_printf(out, "%lld:%02lld:%02lld", seconds / 3600, seconds / 60 % 60, seconds % 60);
    else
        buf_printf(out, "%lld:%02lld", seconds / 60, seconds % 60);
}

static void put_bar(struct buf *out, uint64_t done, uint64_t all, size_t width)
{
    uint64_t filled = done * width / all;
    buf_put_u8(out, '[');
    for (uint64_t i = 0; i < width; i++)
        buf_put_u8(out, i < filled ? '#' : '.');
    buf_put_text(out, "] ");
}

/* With a bar of so many characters; 0: without one. */
static void put_line(const struct progress *p, usec elapsed, size_t bar, struct buf *out)
{
    buf_printf(out, "%s ", p->verb);
    put_grouped(out, p->rows);
    buf_put_text(out, " rows  ");
    usec since = elapsed - p->based;
    uint64_t rows = p->rows > p->based_rows ? p->rows - p->based_rows : 0;
    put_grouped(out, since > 0 ? rows * (uint64_t)USEC_PER_SEC / (uint64_t)since : 0);
    buf_put_text(out, " rows/s  ");
    if (p->bytes_all > 0) {
        uint64_t done = p->bytes < p->bytes_all ? p->bytes : p->bytes_all;
        if (bar > 0)
            put_bar(out, done, p->bytes_all, bar);
        buf_printf(out, "%llu %%  ", (unsigned long long)(done * 100 / p->bytes_all));
    }
    put_clock(out, elapsed);
    if (p->bytes_all > 0 && p->bytes < p->bytes_all) {
        uint64_t came = p->bytes > p->based_bytes ? p->bytes - p->based_bytes : 0;
        double each = came > 0 ? (double)since / (double)came : 0;
        buf_put_text(out, ", ");
        if (since >= KNOWN_AFTER && came >= p->bytes_all / KNOWN_SHARE && came > 0)
            put_clock(out, (usec)(each * (double)(p->bytes_all - p->bytes)));
        else
            buf_put_text(out, "--");
        buf_put_text(out, " left");
    }
}

void progress_line(const struct progress *p, usec elapsed, size_t width, struct buf *out)
{
    size_t begin = out->len;
    put_line(p, elapsed, BAR_WIDTH, out);
    size_t len = out->len - begin;
    if (width == 0 || len < width)
        return;
    size_t over = len - width + 1;
    out->len = begin;
    put_line(p, elapsed, BAR_WIDTH >= over + BAR_LEAST ? BAR_WIDTH - over : 0, out);
    if (out->len - begin >= width)
        out->len = begin + width - 1;
}

void progress_start(struct progress *p, FILE *to, const char *verb)
{
    *p = (struct progress){.to = to, .verb = verb, .started = net_clock()};
}

void progress_base(struct progress *p)
{
    p->based = net_clock() - p->started;
    p->based_rows = p->rows;
    p->based_bytes = p->bytes;
}

size_t terminal_width(FILE *to)
{
    struct winsize size;
    return ioctl(fileno(to), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void progress_show(struct progress *p)
{
    struct buf line;
    if (p->to == NULL)
        return;
    usec now = net_clock();
    if (now - p->shown < DRAW_EVERY)
        return;
    p->shown = now;
    buf_init(&line, 1024);
    progress_line(p, now - p->started, terminal_width(p->to), &line);
    fprintf(p->to, "\r%.*s\033[K", (int)line.len, (const char *)line.data);
    fflush(p->to);
    buf_close(&line);
}

void progress_say(struct progress *p, const char *text)
{
    if (p->to == NULL)
        return;
    p->shown = net_clock();
    fprintf(p->to, "\r%s\033[K", text);
    fflush(p->to);
}

void progress_clear(struct progress *p)
{
    if (p->to != NULL && p->shown != 0)
        fputs("\r\033[K", p->to);
    p->shown = 0;
}

double progress_seconds(const struct progress *p)
{
    return (double)(net_clock() - p->started) / (double)USEC_PER_SEC;
}
