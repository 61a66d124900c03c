/* commands.c - what the shell does itself, each command a function. */
#include "cli/copy.h"
#include "cli/session.h"

#include <errno.h>
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

static bool usage(struct session *s, const struct call *c)
{
    return session_complain(s, "usage: %s %s", commands[c->command].name,
                            commands[c->command].arguments);
}

static bool run_consistency(struct session *s, const struct call *c)
{
    if (c->count == 1) {
        session_print(s, "Current consistency level is %s.\n",
                      cql_consistency_name(s->consistency));
        return true;
    }
    if (c->count != 2)
        return usage(s, c);
    if (!cql_consistency_parse(c->words[1].text, &s->consistency))
        return session_complain(s,
                                "there is no consistency level %.*s: ANY ONE TWO THREE QUORUM "
                                "ALL LOCAL_QUORUM EACH_QUORUM SERIAL LOCAL_SERIAL LOCAL_ONE",
                                (int)c->words[1].text.len, (const char *)c->words[1].text.data);
    if (s->format == TABLE_AS_TABLE)
        session_print(s, "Consistency level set to %s.\n", cql_consistency_name(s->consistency));
    return true;
}

static bool run_serial(struct session *s, const struct call *c)
{
    enum cql_consistency level;
    if (c->count < 2 || c->count > 3 || !word_is(&c->words[1], "CONSISTENCY"))
        return usage(s, c);
    if (c->count == 2) {
        session_print(s, "Current serial consistency level is %s.\n",
                      cql_consistency_name(s->serial));
        return true;
    }
    if (!cql_consistency_parse(c->words[2].text, &level) || !cql_consistency_is_serial(level))
        return usage(s, c);
    s->serial = level;
    if (s->format == TABLE_AS_TABLE)
        session_print(s, "Serial consistency level set to %s.\n", cql_consistency_name(level));
    return true;
}

/* ON, OFF or nothing: then it is shown. */
static bool run_switch(struct session *s, const struct call *c, bool *value, const char *what)
{
    if (c->count == 2 && (word_is(&c->words[1], "ON") || word_is(&c->words[1], "OFF")))
        *value = word_is(&c->words[1], "ON");
    else if (c->count != 1)
        return usage(s, c);
    if (s->format == TABLE_AS_TABLE)
        session_print(s, "%s is %s.\n", what, *value ? "on" : "off");
    return true;
}

static bool run_paging(struct session *s, const struct call *c)
{
    char digits[16];
    char *end;
    if (c->count == 2 && c->words[1].text.len < sizeof digits) {
        memcpy(digits, c->words[1].text.data, c->words[1].text.len);
        digits[c->words[1].text.len] = 0;
        long n = strtol(digits, &end, 10);
        if (*end == 0 && n > 0 && n <= 1000000) {
            s->paging = true;
            s->page_rows = (int32_t)n;
            session_print(s, "Paging is on, %ld rows a page.\n", n);
            return true;
        }
    }
    return run_switch(s, c, &s->paging, "Paging");
}

static bool run_tracing(struct session *s, const struct call *c)
{
    return run_switch(s, c, &s->tracing, "Tracing");
}

static bool run_capture(struct session *s, const struct call *c)
{
    if (c->count == 1) {
        session_print(s, "Results go to %s.\n", s->capture != NULL ? "a file" : "the screen");
        return true;
    }
    if (c->count != 2)
        return usage(s, c);
    FILE *to = NULL;
    if (c->words[1].string) {
        char path[4096];
        snprintf(path, sizeof path, "%.*s", (int)c->words[1].text.len,
                 (const char *)c->words[1].text.data);
        to = fopen(path, "a");
        if (to == NULL)
            return session_complain(s, "CAPTURE: cannot write %s: %s", path, strerror(errno));
        fprintf(s->out, "Results go to %s; CAPTURE OFF ends that.\n", path);
    } else if (!word_is(&c->words[1], "OFF")) {
        return usage(s, c);
    }
    if (s->capture != NULL && fclose(s->capture) != 0)
        session_complain(s, "CAPTURE: cannot write: %s", strerror(errno));
    s->capture = to;
    return true;
}

static bool run_source(struct session *s, const struct call *c)
{
    char path[4096];
    if (c->count != 2 || !c->words[1].string)
        return usage(s, c);
    snprintf(path, sizeof path, "%.*s", (int)c->words[1].text.len,
             (const char *)c->words[1].text.data);
    if (s->depth == SESSION_SOURCE_MAX)
        return session_complain(s, "SOURCE: %d files deep; does a file source itself?", s->depth);
    FILE *in = fopen(path, "r");
    if (in == NULL)
        return session_complain(s, "SOURCE: cannot read %s: %s", path, strerror(errno));
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

static bool run_show(struct session *s, const struct call *c)
{
    struct cql_response response;
    struct arena arena;
    struct errmsg why;
    if (c->count == 2 && word_is(&c->words[1], "HOST")) {
        session_print(s, "Connected to %s port %u.\n", s->config.host, s->config.port);
        return true;
    }
    bool session = c->count == 3 && word_is(&c->words[1], "SESSION");
    if (!session && (c->count != 2 || !word_is(&c->words[1], "VERSION")))
        return usage(s, c);
    if (session_connect(s, &why) != ERR_OK)
        return session_complain(s, "%s", why.text);
    if (session)
        return show_session(s, c);
    arena_init(&arena);
    bool fine = client_query(&s->client,
                             "SELECT release_version, cql_version, cluster_name FROM system.local",
                             &arena, &response, &why) == ERR_OK;
    if (!fine)
        session_complain(s, "%s", why.text);
    if (fine && response.kind == CQL_RESULT_ROWS && response.rows.count == 1 &&
        response.rows.metadata.column_count == 3) {
        struct reader r = cql_rows_reader(&response.rows);
        struct bytes release = cql_read_bytes(&r).data;
        struct bytes cql = cql_read_bytes(&r).data;
        struct bytes cluster = cql_read_bytes(&r).data;
        session_print(s, "[torc %s | server %.*s | CQL %.*s | protocol v%u | cluster %.*s]\n",
                      TORC_VERSION, (int)release.len, (const char *)release.data, (int)cql.len,
                      (const char *)cql.data, cql_conn_version(&s->client.conn), (int)cluster.len,
                      (const char *)cluster.data);
    }
    arena_close(&arena);
    return fine;
}

static void help_copy(struct session *s)
{
    session_print(s, "\nOptions, and what they are unless said:\n");
#define X(name, preset, help) session_print(s, "  %-12s %-6s %s\n", #name, preset, help);
    COPY_OPTION_LIST(X)
#undef X
    session_print(s, "\n  COPY ks.t TO 'rows.csv' WITH HEADER = true;\n"
                     "  COPY ks.t (id, name) FROM 'rows.csv' WITH HEADER = true AND NULL = 'NA';\n"
                     "\nWithout a list of columns FROM takes their names from the heading.\n");
}

static bool run_help(struct session *s, const struct call *c)
{
    if (c->count == 1) {
        session_print(s, "CQL statements end with a semicolon and go to the server. The shell "
                         "knows beside them:\n\n");
        for (size_t i = 0; i < COMMAND_NONE; i++)
            session_print(s, "  %-12s %s\n", commands[i].name, commands[i].help);
        session_print(s, "\nHELP COPY explains one. Tab completes, Ctrl-C drops what was typed, "
                         "Ctrl-D leaves.\n");
        return true;
    }
    enum command topic = command_find(c->words[1].text);
    if (topic == COMMAND_NONE)
        return session_complain(s, "HELP knows the commands of the shell, not %.*s; see HELP",
                                (int)c->words[1].text.len, (const char *)c->words[1].text.data);
    session_print(s, "%s %s\n  %s\n", commands[topic].name, commands[topic].arguments,
                  commands[topic].help);
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
    case COMMAND_EXPAND: return run_switch(s, c, &s->expand, "Expanded output");
    case COMMAND_HELP: return run_help(s, c);
    case COMMAND_LOGIN: return run_login(s, c);
    case COMMAND_PAGING: return run_paging(s, c);
    case COMMAND_SERIAL: return run_serial(s, c);
    case COMMAND_SHOW: return run_show(s, c);
    case COMMAND_SOURCE: return run_source(s, c);
    case COMMAND_TRACING: return run_tracing(s, c);
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
