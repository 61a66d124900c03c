#include "cli/edit.h"

#include "base/mem.h"
#include "cli/net.h"

#include <errno.h>
#include <histedit.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define HISTORY_LINES 1000
#define COMPLETE_LIST 200 /* candidates shown at most */

struct editor {
    struct session *s;
    EditLine *el;
    History *history;
    struct buf typed; /* lines of a statement that has no end yet */
    char prompt[300];
    char file[4096];
};

/* The same width for both, so that lines of a statement stand below each other. */
static char *prompt(EditLine *el)
{
    struct editor *e;
    el_get(el, EL_CLIENTDATA, &e);
    const char *keyspace = e->s->keyspace;
    int width = snprintf(e->prompt, sizeof e->prompt, "torc%s%s> ", keyspace != NULL ? ":" : "",
                         keyspace != NULL ? keyspace : "");
    if (e->typed.len > 0) {
        width = width < (int)sizeof e->prompt ? width : (int)sizeof e->prompt - 1;
        snprintf(e->prompt, sizeof e->prompt, "%*s", width, "...> ");
    }
    return e->prompt;
}

static void list_words(struct editor *e, const struct completion *c)
{
    size_t width = 0, column = 0;
    for (size_t i = 0; i < c->count && i < COMPLETE_LIST; i++)
        width = strlen(c->words[i]) > width ? strlen(c->words[i]) : width;
    fputc('\n', e->s->out);
    for (size_t i = 0; i < c->count && i < COMPLETE_LIST; i++) {
        bool last = column + 2 * (width + 2) > 80;
        fprintf(e->s->out, "%-*s%s", (int)width + 2, c->words[i], last ? "\n" : "");
        column = last ? 0 : column + width + 2;
    }
    if (c->count > COMPLETE_LIST)
        fprintf(e->s->out, "... %zu more", c->count - COMPLETE_LIST);
    fputc('\n', e->s->out);
}

static unsigned char complete(EditLine *el, int key)
{
    struct editor *e;
    struct buf text;
    struct arena arena;
    (void)key;
    el_get(el, EL_CLIENTDATA, &e);
    const LineInfo *line = el_line(el);
    session_learn_names(e->s);
    arena_init(&arena);
    buf_init(&text, SESSION_INPUT_MAX);
    buf_put_bytes(&text, buf_bytes(&e->typed));
    buf_put(&text, line->buffer, (size_t)(line->cursor - line->buffer));
    struct completion c = names_complete(&e->s->names, e->s->keyspace, buf_bytes(&text), &arena);
    size_t common = completion_common(&c);
    unsigned char result = CC_REFRESH_BEEP;
    if (c.count == 1 || common > c.typed) {
        el_deletestr(el, (int)c.typed); /* the word may be of another case */
        char *word =
            arena_printf(&arena, "%.*s%s", (int)common, c.words[0], c.count == 1 ? " " : "");
        el_insertstr(el, word);
        result = CC_REFRESH;
    } else if (c.count > 1) {
        list_words(e, &c);
        result = CC_REDISPLAY;
    }
    buf_close(&text);
    arena_close(&arena);
    return result;
}

static void open_history(struct editor *e)
{
    HistEvent event;
    const char *home = getenv("HOME");
    e->history = history_init();
    history(e->history, &event, H_SETSIZE, HISTORY_LINES);
    history(e->history, &event, H_SETUNIQUE, 1);
    if (home == NULL)
        return;
    snprintf(e->file, sizeof e->file, "%s/.torc_history", home);
    history(e->history, &event, H_LOAD, e->file);
}

static void close_history(struct editor *e)
{
    HistEvent event;
    if (e->file[0] != 0) {
        mode_t before = umask(077); /* statements may hold secrets */
        history(e->history, &event, H_SAVE, e->file);
        umask(before);
    }
    history_end(e->history);
}

/* A statement of several lines comes back as one, unless a comment would swallow what follows. */
static void remember(struct editor *e, struct bytes text)
{
    HistEvent event;
    while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1]) != NULL)
        text.len--;
    if (text.len == 0 || memmem(text.data, text.len, "--", 2) != NULL ||
        memmem(text.data, text.len, "//", 2) != NULL)
        return;
    char *line = mem_alloc(text.len + 2);
    memcpy(line, text.data, text.len);
    for (char *c = line; *c != 0; c++)
        *c = *c == '\n' ? ' ' : *c;
    history(e->history, &event, H_ENTER, line);
    mem_free(line);
}

static void take_line(struct editor *e, const char *line, int n)
{
    bool failed;
    buf_put(&e->typed, line, (size_t)n);
    if (e->typed.failed) {
        session_complain(e->s, "the statement is longer than 64 MiB");
        buf_clear(&e->typed);
        return;
    }
    /* What ends here is remembered as it was typed, before it is cut. */
    struct input_item item;
    if (input_next(buf_bytes(&e->typed), false, &item) != INPUT_MORE)
        remember(e, buf_bytes(&e->typed));
    net_interrupted = 0;
    e->s->line = 1;
    buf_consume(&e->typed, session_feed(e->s, buf_bytes(&e->typed), false, &failed));
    net_interrupted = 0;
}

void edit_run(struct session *s)
{
    struct editor e = {.s = s};
    e.el = el_init("torc", s->in, s->out, s->err);
    if (e.el == NULL) {
        session_complain(s, "this terminal cannot be used; try torc shell -f -");
        return;
    }
    buf_init(&e.typed, SESSION_INPUT_MAX);
    open_history(&e);
    el_set(e.el, EL_CLIENTDATA, &e);
    el_set(e.el, EL_PROMPT, prompt);
    el_set(e.el, EL_EDITOR, "emacs");
    el_set(e.el, EL_SIGNAL, 1);
    el_set(e.el, EL_HIST, history, e.history);
    el_set(e.el, EL_ADDFN, "torc-complete", "complete a name or keyword", complete);
    el_set(e.el, EL_BIND, "^I", "torc-complete", NULL);
    el_set(e.el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(e.el, NULL);
    while (!s->quit) {
        int n = 0;
        errno = 0;
        const char *line = el_gets(e.el, &n);
        if (line != NULL && n > 0) {
            take_line(&e, line, n);
        } else if (net_interrupted || (n < 0 && errno == EINTR)) {
            net_interrupted = 0; /* Ctrl-C: what was typed is dropped */
            buf_clear(&e.typed);
            el_reset(e.el);
            fputc('\n', s->out);
        } else {
            fputc('\n', s->out);
            break;
        }
    }
    close_history(&e);
    el_end(e.el);
    buf_close(&e.typed);
}
