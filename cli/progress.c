#include "cli/progress.h"

#include "cli/net.h"

#define DRAW_EVERY (100 * USEC_PER_MS)
#define BAR_WIDTH  20

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

void progress_line(const struct progress *p, usec elapsed, struct buf *out)
{
    buf_printf(out, "%s ", p->verb);
    put_grouped(out, p->rows);
    buf_put_text(out, " rows  ");
    put_grouped(out, elapsed > 0 ? p->rows * (uint64_t)USEC_PER_SEC / (uint64_t)elapsed : 0);
    buf_put_text(out, " rows/s  ");
    if (p->bytes_all > 0) {
        uint64_t done = p->bytes < p->bytes_all ? p->bytes : p->bytes_all;
        uint64_t filled = done * BAR_WIDTH / p->bytes_all;
        buf_put_u8(out, '[');
        for (uint64_t i = 0; i < BAR_WIDTH; i++)
            buf_put_u8(out, i < filled ? '#' : '.');
        buf_printf(out, "] %llu %%  ", (unsigned long long)(done * 100 / p->bytes_all));
    }
    put_clock(out, elapsed);
    if (p->bytes_all > 0 && p->bytes > 0 && p->bytes < p->bytes_all) {
        buf_put_text(out, ", ");
        put_clock(out,
                  (usec)((double)elapsed * (double)(p->bytes_all - p->bytes) / (double)p->bytes));
        buf_put_text(out, " left");
    }
}

void progress_start(struct progress *p, FILE *to, const char *verb)
{
    *p = (struct progress){.to = to, .verb = verb, .started = net_clock()};
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
    progress_line(p, now - p->started, &line);
    fprintf(p->to, "\r%.*s\033[K", (int)line.len, (const char *)line.data);
    fflush(p->to);
    buf_close(&line);
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
