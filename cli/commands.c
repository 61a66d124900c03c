/* commands.c - what the shell does itself, each command a function. */
#include "base/mem.h"
#include "cli/copy.h"
#include "cli/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 8

/* A command without the quotes of its words. */
struct call {
    enum command command;
    struct bytes text; /* all of it, as typed */
    struct word words[WORDS_MAX];
    size_t count; /* the command itself included */
    struct arena arena;
};

/* What a command answers is for the screen, also while results are captured. */
static void __attribute__((format(printf, 2, 3))) say(struct session *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(s->out, format, args);
    va_end(args);
}

static bool usage(struct session *s, const struct call *c)
{
    return session_complain(s, "usage: %s %s", commands[c->command].name,
                            commands[c->command].arguments);
}

static bool run_report(struct session *s, const struct call *c)
{
    bool on = c->count == 3 && word_is(&c->words[2], "ON");
    if (c->count == 3 && !on && !word_is(&c->words[2], "OFF"))
        return usage(s, c);
    if (c->count > 3)
        return usage(s, c);
    s->report = c->count == 3 ? on : s->report;
    if (s->format == TABLE_AS_TABLE)
        say(s, "Consistency report is %s.\n", s->report ? "ON" : "OFF");
    return true;
}

/* A server that keeps no account of sessions gives no token. */
static bool run_session(struct session *s, const struct call *c)
{
    bool on = c->count == 2 && word_is(&c->words[1], "ON");
    bool off = c->count == 2 && word_is(&c->words[1], "OFF");
    bool fresh = c->count == 2 && word_is(&c->words[1], "NEW");
    if (c->count > 2 || (c->count == 2 && !on && !off && !fresh))
        return usage(s, c);
    if (on || off)
        s->keeps_session = on;
    if (off || fresh)
        session_forget(s);
    if (s->format != TABLE_AS_TABLE)
        return true;
    say(s, "Session is %s", s->keeps_session ? "ON" : "OFF");
    if (s->token.len > 0)
        say(s, ", its token has %zu bytes: 0x", s->token.len);
    for (size_t i = 0; i < s->token.len; i++)
        say(s, "%02x", s->token.data[i]);
    say(s, "%s\n", s->token.len > 0 ? "" : s->keeps_session ? ", without a token yet." : ".");
    return true;
}

static bool run_consistency(struct session *s, const struct call *c)
{
    if (c->count == 1) {
        say(s, "Current consistency level is %s.\n", cql_consistency_name(s->consistency));
        return true;
    }
    if (word_is(&c->words[1], "REPORT"))
        return run_report(s, c);
    if (c->count != 2)
        return usage(s, c);
    if (!cql_consistency_parse(c->words[1].text, &s->consistency))
        return session_complain(s,
                                "there is no consistency level %.*s: ANY ONE TWO THREE QUORUM "
                                "ALL LOCAL_QUORUM EACH_QUORUM SERIAL LOCAL_SERIAL LOCAL_ONE",
                                (int)c->words[1].text.len, (const char *)c->words[1].text.data);
    if (s->format == TABLE_AS_TABLE)
        say(s, "Consistency level set to %s.\n", cql_consistency_name(s->consistency));
    return true;
}

static bool run_serial(struct session *s, const struct call *c)
{
    enum cql_consistency level;
    if (c->count < 2 || c->count > 3 || !word_is(&c->words[1], "CONSISTENCY"))
        return usage(s, c);
    if (c->count == 2) {
        say(s, "Current serial consistency level is %s.\n", cql_consistency_name(s->serial));
        return true;
    }
    if (!cql_consistency_parse(c->words[2].text, &level) || !cql_consistency_is_serial(level))
        return usage(s, c);
    s->serial = level;
    if (s->format == TABLE_AS_TABLE)
        say(s, "Serial consistency level set to %s.\n", cql_consistency_name(level));
    return true;
}

/* ON, OFF or nothing: then it is shown. */
static bool run_switch(struct session *s, const struct call *c, bool *value)
{
    const char *name = commands[c->command].name;
    const char *form = "%s is %s\n";
    bool on = c->count == 2 && word_is(&c->words[1], "ON");
    if (c->count == 2 && (on || word_is(&c->words[1], "OFF")))
        form = *value == on ? "%s is already %s\n" : "%s set to %s\n";
    else if (c->count != 1)
        return usage(s, c);
    *value = c->count == 2 ? on : *value;
    if (s->format == TABLE_AS_TABLE)
        say(s, form, name, *value ? "ON" : "OFF");
    return true;
}

static bool run_paging(struct session *s, const struct call *c)
{
    char digits[16];
    char *end;
    bool rows = false;
    if (c->count == 2 && c->words[1].text.len < sizeof digits) {
        memcpy(digits, c->words[1].text.data, c->words[1].text.len);
        digits[c->words[1].text.len] = 0;
        long n = strtol(digits, &end, 10);
        rows = *end == 0 && n > 0 && n <= 1000000;
        if (rows) {
            s->paging = true;
            s->page_rows = (int32_t)n;
        }
    }
    if (!rows && !run_switch(s, c, &s->paging))
        return false;
    if (!s->paging)
        s->page_rows = SESSION_PAGE_ROWS;
    else if (s->format == TABLE_AS_TABLE)
        say(s, "Page size: %d\n", s->page_rows);
    return true;
}

#define PATH_SIZE 4096

/* A path as a person writes it: ~/ is home. */
static void path_of(const struct word *w, char path[PATH_SIZE])
{
    const char *home = getenv("HOME");
    bool tilde = w->text.len > 1 && w->text.data[0] == '~' && w->text.data[1] == '/';
    size_t from = tilde && home != NULL ? 1 : 0;
    (void)snprintf(path, PATH_SIZE, "%s%.*s", from > 0 ? home : "", (int)(w->text.len - from),
                   (const char *)w->text.data + from);
}

static bool end_capture(struct session *s)
{
    FILE *file = s->capture;
    if (file == NULL)
        return session_complain(s, "Not currently capturing output.");
    s->capture = NULL;
    mem_free(s->capture_path);
    s->capture_path = NULL;
    return fclose(file) == 0 || session_complain(s, "CAPTURE: cannot write: %s", strerror(errno));
}

static bool run_capture(struct session *s, const struct call *c)
{
    char path[PATH_SIZE];
    if (c->count == 1) {
        if (s->capture != NULL)
            say(s, "Currently capturing query output to '%s'.\n", s->capture_path);
        else
            say(s, "Currently not capturing query output.\n");
        return true;
    }
    if (c->count == 2 && word_is(&c->words[1], "OFF"))
        return end_capture(s);
    if (c->count != 2 || !c->words[1].string)
        return usage(s, c);
    if (s->capture != NULL)
        return session_complain(s, "Already capturing output to %s. Use CAPTURE OFF to disable.",
                                s->capture_path);
    path_of(&c->words[1], path);
    s->capture = fopen(path, "a");
    if (s->capture == NULL)
        return session_complain(s, "Could not open '%s' for append: %s", path, strerror(errno));
    s->capture_path = mem_text(path);
    say(s, "Now capturing query output to '%s'.\n", path);
    return true;
}

static bool run_source(struct session *s, const struct call *c)
{
    char path[PATH_SIZE];
    if (c->count != 2 || !c->words[1].string)
        return usage(s, c);
    path_of(&c->words[1], path);
    if (s->depth == SESSION_SOURCE_MAX)
        return session_complain(s, "SOURCE: %d files deep; does a file source itself?", s->depth);
    FILE *in = fopen(path, "r");
    if (in == NULL)
        return session_complain(s, "Could not open '%s': %s", path, strerror(errno));
    s->depth++;
    bool fine = session_script(s, in, path);
    s->depth--;
    fclose(in);
    return fine;
}

static bool show_session(struct session *s, const struct call *c)
{
    char text[UUID_TEXT_SIZE];
    struct uuid id;
    struct bytes word = c->words[2].text;
    if (!uuid_parse((const char *)word.data, word.len, &id))
        return session_complain(s, "SHOW SESSION needs the id of a session");
    return session_show_trace(s, uuid_text(&id, text));
}

/* The row of system.local, as texts; false after a complaint. */
static bool ask_local(struct session *s, const char *query, struct arena *a, struct bytes *ret,
                      size_t count)
{
    struct cql_response response;
    struct errmsg why;
    if (session_connect(s, &why) != ERR_OK ||
        client_query(&s->client, query, a, &response, &why) != ERR_OK)
        return session_complain(s, "%s", why.text);
    if (response.kind != CQL_RESULT_ROWS || response.rows.count != 1 ||
        response.rows.metadata.column_count != count)
        return session_complain(s, "the server does not say what it is");
    struct reader r = cql_rows_reader(&response.rows);
    for (size_t i = 0; i < count; i++)
        ret[i] = cql_read_bytes(&r).data;
    return true;
}

static bool show_version(struct session *s)
{
    struct bytes v[2];
    struct arena arena;
    arena_init(&arena);
    bool fine = ask_local(s, "SELECT release_version, cql_version FROM system.local", &arena, v, 2);
    if (fine)
        say(s, "[torc %s | Cassandra %.*s | CQL spec %.*s | Native protocol v%u]\n", TORC_VERSION,
            (int)v[0].len, (const char *)v[0].data, (int)v[1].len, (const char *)v[1].data,
            cql_conn_version(&s->client.conn));
    arena_close(&arena);
    return fine;
}

static bool show_host(struct session *s)
{
    struct bytes name;
    struct arena arena;
    arena_init(&arena);
    bool fine = ask_local(s, "SELECT cluster_name FROM system.local", &arena, &name, 1);
    if (fine)
        say(s, "Connected to %.*s at %s:%u\n", (int)name.len, (const char *)name.data,
            s->client.host, s->config.port);
    arena_close(&arena);
    return fine;
}

static bool run_show(struct session *s, const struct call *c)
{
    if (c->count == 2 && word_is(&c->words[1], "HOST"))
        return show_host(s);
    if (c->count == 2 && word_is(&c->words[1], "VERSION"))
        return show_version(s);
    if (c->count == 3 && word_is(&c->words[1], "SESSION"))
        return show_session(s, c);
    return usage(s, c);
}

static void help_copy(struct session *s)
{
    say(s, "\nOptions, and what they are unless said:\n");
#define X(name, preset, help) say(s, "  %-12s %-6s %s\n", #name, preset, help);
    COPY_OPTION_LIST(X)
#undef X
    say(s, "\n  COPY ks.t TO 'rows.csv' WITH HEADER = true;\n"
           "  COPY ks.t (id, name) FROM 'rows.csv' WITH HEADER = true AND NULL = 'NA';\n"
           "\nWithout a list of columns FROM takes their names from the heading.\n");
}

static bool run_help(struct session *s, const struct call *c)
{
    if (c->count == 1) {
        say(s, "CQL statements end with a semicolon and go to the server. The shell "
               "knows beside them:\n\n");
        for (size_t i = 0; i < COMMAND_NONE; i++)
            say(s, "  %-12s %s\n", commands[i].name, commands[i].help);
        say(s, "\nHELP COPY explains one. Tab completes, Ctrl-C drops what was typed, "
               "Ctrl-D leaves.\n");
        return true;
    }
    enum command topic = command_find(c->words[1].text);
    if (topic == COMMAND_NONE)
        return session_complain(s, "HELP knows the commands of the shell, not %.*s; see HELP",
                                (int)c->words[1].text.len, (const char *)c->words[1].text.data);
    say(s, "%s %s\n  %s\n", commands[topic].name, commands[topic].arguments, commands[topic].help);
    if (topic == COMMAND_COPY)
        help_copy(s);
    return true;
}

static bool run_copy(struct session *s, struct call *c)
{
    struct copy_request request;
    struct errmsg why;
    if (copy_parse(c->text, &c->arena, &request, &why) != ERR_OK)
        return session_complain(s, "%s", why.text);
    return request.from ? copy_from(s, &request) : copy_to(s, &request);
}

static bool run_login(struct session *s, const struct call *c)
{
    if (c->count < 2 || c->count > 3)
        return usage(s, c);
    return session_login(s, c->words[1].text, c->count == 3 ? &c->words[2].text : NULL);
}

static bool run(struct session *s, struct call *c)
{
    switch (c->command) {
    case COMMAND_CAPTURE: return run_capture(s, c);
    case COMMAND_CLEAR:
    case COMMAND_CLS:
        if (s->terminal)
            fputs("\033[H\033[2J", s->out);
        return true;
    case COMMAND_CONSISTENCY: return run_consistency(s, c);
    case COMMAND_COPY: return run_copy(s, c);
    case COMMAND_DESC:
    case COMMAND_DESCRIBE: return session_statement(s, c->text);
    case COMMAND_EXIT:
    case COMMAND_QUIT: s->quit = true; return true;
    case COMMAND_EXPAND: return run_switch(s, c, &s->expand);
    case COMMAND_HELP: return run_help(s, c);
    case COMMAND_LOGIN: return run_login(s, c);
    case COMMAND_PAGING: return run_paging(s, c);
    case COMMAND_SERIAL: return run_serial(s, c);
    case COMMAND_SESSION: return run_session(s, c);
    case COMMAND_SHOW: return run_show(s, c);
    case COMMAND_SOURCE: return run_source(s, c);
    case COMMAND_TRACING: return run_switch(s, c, &s->tracing);
    case COMMAND_NONE: break;
    }
    return true;
}

bool session_command(struct session *s, enum command command, struct bytes text)
{
    struct call c = {.command = command, .text = text};
    arena_init(&c.arena);
    if (command != COMMAND_COPY && command != COMMAND_DESC && command != COMMAND_DESCRIBE) {
        struct bytes copy = arena_copy(&c.arena, text);
        c.count = command_words((uint8_t *)(uintptr_t)copy.data, copy.len, c.words, WORDS_MAX);
    }
    bool fine = c.count == SIZE_MAX ? usage(s, &c) : run(s, &c);
    arena_close(&c.arena);
    fflush(s->out);
    return fine;
}
