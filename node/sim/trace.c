/* Trace lines: watched ones are kept until a story says what it expects.
 *
 * Host ids and the cluster's own numbers of nodes are shown as the number of the machine in
 * brackets, and numbers of twelve digits and more (timestamps, incarnations) as #: a story shall
 * not know them. */
#include "node/sim/core.h"
#include "node/wire/wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STAMP_DIGITS 12
#define UUID_LEN     (UUID_TEXT_SIZE - 1)

static bool is_watched(const struct sim *s, const char *line)
{
    const char *at = s->words;
    while (at != NULL && *at != 0) {
        size_t len = strcspn(at, "|");
        if (len > 0 && memmem(line, strlen(line), at, len) != NULL)
            return true;
        at += len;
        at += *at == '|';
    }
    return false;
}

/* The machine of the host id that the text begins with, 0 for none. */
static unsigned host_at(const struct sim *s, const char *text)
{
    struct uuid id;
    if (strlen(text) < UUID_LEN || !uuid_parse(text, UUID_LEN, &id))
        return 0;
    for (unsigned i = 1; i <= s->count; i++) {
        if (s->machines[i].knows_host_id && uuid_equal(&s->machines[i].host_id, &id))
            return i;
    }
    return 0;
}

/* The machine that the cluster calls by the number that follows "node ", 0 for none. */
static unsigned number_at(const struct sim *s, const char *text, size_t *ret_len)
{
    uint64_t number = 0;
    size_t len = 5;
    if (strncmp(text, "node ", 5) != 0)
        return 0;
    while (text[len] >= '0' && text[len] <= '9' && number < UINT32_MAX)
        number = 10 * number + (uint64_t)(text[len++] - '0');
    *ret_len = len;
    for (unsigned i = 1; i <= s->count; i++) {
        if (number != 0 && s->machines[i].number == number)
            return i;
    }
    return 0;
}

static void put_readable(const struct sim *s, const char *line, struct buf *out)
{
    while (*line != 0) {
        size_t len = UUID_LEN;
        unsigned host = host_at(s, line);
        if (host == 0)
            host = number_at(s, line, &len);
        size_t digits = strspn(line, "0123456789");
        if (host != 0) {
            buf_printf(out, "[%u]", host);
            line += len;
        } else if (digits >= STAMP_DIGITS) {
            buf_put_text(out, "#");
            line += digits;
        } else {
            len = digits > 0 ? digits : 1;
            buf_put(out, line, len);
            line += len;
        }
    }
    buf_put_u8(out, 0);
}

void trace_line(void *machine, struct now now, const char *line)
{
    const struct machine *m = machine;
    struct sim *s = m->sim;
    unsigned node = (unsigned)(m - s->machines);
    struct buf readable;
    char text[SIM_LINE_MAX];
    bool watched = is_watched(s, line) && s->lines_count < SIM_LINES_MAX;
    (void)now;
    if (!watched && s->config.print == NULL)
        return;
    for (unsigned i = 1; i <= s->count; i++) {
        if (s->machines[i].node != NULL)
            s->machines[i].number = meta_self(node_meta(s->machines[i].node));
    }
    buf_init(&readable, 2 * TRACE_LINE_MAX);
    put_readable(s, line, &readable);
    if (s->config.print != NULL) {
        snprintf(text, sizeof text, "[%11.3f ms] %u > %s", (double)s->time / 1000, node,
                 (const char *)readable.data);
        s->config.print(s->config.print_arg, text);
    }
    if (watched) {
        snprintf(text, sizeof text, "%u > %s\n", node, (const char *)readable.data);
        buf_put_text(&s->lines, text);
        s->lines_count++;
    }
    buf_close(&readable);
}

/* What a message is, in the words of node/wire. */
static const char *message_name(struct bytes bytes)
{
    struct wire_message m;
    return wire_decode(bytes, &m) == ERR_OK ? wire_name(m.type) : "?";
}

void trace_event(struct sim *s, unsigned node, const struct node_event *e)
{
    char line[SIM_LINE_MAX];
    const char *what = NULL;
    if (s->config.print == NULL)
        return;
    switch (e->type) {
    case NODE_MESSAGE: what = message_name(e->bytes); break;
    case NODE_DATAGRAM: what = "datagram"; break;
    case NODE_LINK_DOWN: what = "link down"; break;
    case NODE_STORE: what = "fsync done"; break;
    default: return; /* clients speak for themselves, and deadlines by what they lead to */
    }
    if (e->type == NODE_STORE)
        snprintf(line, sizeof line, "[%11.3f ms] %u <   %s", (double)s->time / 1000, node, what);
    else
        snprintf(line, sizeof line, "[%11.3f ms] %u < %u %s", (double)s->time / 1000, node,
                 node_at(s, &e->from), what);
    s->config.print(s->config.print_arg, line);
}

void sim_note(struct sim *s, const char *format, ...)
{
    char text[SIM_LINE_MAX];
    char line[2 * SIM_LINE_MAX];
    va_list args;
    if (s->config.print == NULL)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(line, sizeof line, "[%11.3f ms] * %s", (double)s->time / 1000, text);
    s->config.print(s->config.print_arg, line);
}

void sim_watch(struct sim *s, const char *words)
{
    mem_free(s->words);
    s->words = mem_text(words);
    buf_clear(&s->lines);
    s->lines_count = 0;
}

/* The recorded lines node by node: their order within a node is its own, between nodes it is the
 * network's. */
static void by_node(const struct sim *s, struct buf *out)
{
    for (unsigned i = 1; i <= s->count && s->lines.len > 0; i++) {
        const char *at = (const char *)s->lines.data;
        const char *end = at + s->lines.len;
        while (at < end) {
            const char *next = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
            if (strtoul(at, NULL, 10) == i)
                buf_put(out, at, (size_t)(next - at));
            at = next;
        }
    }
}

bool sim_expect(struct sim *s, const char *lines)
{
    struct buf happened;
    buf_init(&happened, SIZE_MAX);
    by_node(s, &happened);
    bool same = bytes_equal_text(buf_bytes(&happened), lines);
    if (!same && s->config.print != NULL) {
        buf_put_u8(&happened, 0);
        s->config.print(s->config.print_arg, "expected:");
        s->config.print(s->config.print_arg, lines);
        s->config.print(s->config.print_arg, "happened:");
        s->config.print(s->config.print_arg, (const char *)happened.data);
    }
    buf_close(&happened);
    buf_clear(&s->lines);
    s->lines_count = 0;
    return same;
}
