/* main.c - torc: the command line, signals, and what each verb starts. */
#include "cli/edit.h"
#include "cli/entropy.h"
#include "cli/metadata.h"
#include "cli/net.h"
#include "cli/options.h"
#include "cli/repair.h"
#include "cli/session.h"
#include "cli/status.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HELP_MAX   ((size_t)64 << 10)
#define STATUS_MAX ((size_t)128 << 20)

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    net_interrupted = 1;
}

static int print_help(enum verb verb)
{
    struct buf out;
    buf_init(&out, HELP_MAX);
    options_help(verb, &out);
    fwrite(out.data, 1, out.len, stdout);
    buf_close(&out);
    return EXIT_FINE;
}

static int complain(const char *what, int code)
{
    fprintf(stderr, "torc: %s\n", what);
    return code;
}

static bool want_colours(const struct options *o)
{
    return isatty(STDOUT_FILENO) && !o->no_colour && getenv("NO_COLOR") == NULL;
}

static struct table_look look_of(const struct options *o)
{
    return (struct table_look){want_colours(o), terminal_width(stdout)};
}

static int run_status(const struct options *o)
{
    struct buf answer, out;
    struct errmsg why;
    int code = EXIT_FINE;
    buf_init(&answer, HTTP_ANSWER_MAX);
    buf_init(&out, STATUS_MAX);
    enum err err =
        http_get(o->host, o->http_port, status_path(o->verb), o->connect_timeout, &answer, &why);
    if (err != ERR_OK) {
        code = complain(why.text, EXIT_CONNECT);
        fputs("Is torcd running there? --host and --http-port say where to ask.\n", stderr);
    } else if (status_render(o->verb, buf_bytes(&answer), o->format, look_of(o), &out, &why) !=
               ERR_OK) {
        code = complain(why.text, EXIT_REQUEST);
    } else {
        fwrite(out.data, 1, out.len, stdout);
    }
    buf_close(&answer);
    buf_close(&out);
    return code;
}

/* USE with the name as it was given: a name in capitals is meant so. */
static void use_keyspace(struct session *s, const char *keyspace)
{
    s->keyspace = strdup(keyspace);
}

static bool run_file(struct session *s, const char *path)
{
    if (strcmp(path, "-") == 0)
        return session_script(s, stdin, "stdin");
    FILE *in = fopen(path, "r");
    if (in == NULL)
        return session_complain(s, "cannot read %s: %s", path, strerror(errno));
    bool fine = session_script(s, in, path);
    fclose(in);
    return fine;
}

static int run_shell(const struct options *o)
{
    struct session s;
    struct errmsg why;
    bool fine = true;
    const char *password = o->password;
    if (o->username != NULL && password == NULL)
        password = session_ask_password();
    session_init(&s, &(struct client_config){.host = o->host,
                                             .port = o->port,
                                             .username = o->username,
                                             .password = password,
                                             .version = o->protocol,
                                             .connect_timeout = o->connect_timeout,
                                             .request_timeout = o->request_timeout});
    s.format = o->format;
    s.consistency = o->consistency;
    s.terminal = isatty(STDOUT_FILENO);
    s.colours = want_colours(o);
    s.progress = o->progress;
    if (o->keyspace != NULL)
        use_keyspace(&s, o->keyspace);
    enum err err = session_connect(&s, &why);
    if (err != ERR_OK) {
        complain(why.text, EXIT_CONNECT);
        if (!client_is_open(&s.client) && err != ERR_REFUSED)
            fputs("Is torcd running there? --host and --port say where to connect.\n", stderr);
        int code = client_is_open(&s.client) ? EXIT_REQUEST : EXIT_CONNECT;
        session_close(&s);
        return code;
    }
    if (o->execute != NULL) {
        fine = session_text(&s, o->execute);
    } else if (o->file != NULL || !isatty(STDIN_FILENO)) {
        fine = run_file(&s, o->file != NULL ? o->file : "-");
    } else {
        s.interactive = true;
        printf("Connected to %s port %u, protocol v%u. HELP lists commands.\n", o->host, o->port,
               cql_conn_version(&s.client.conn));
        edit_run(&s);
    }
    session_close(&s);
    return fine ? EXIT_FINE : EXIT_REQUEST;
}

int main(int argc, char **argv)
{
    struct options o;
    struct errmsg why;
    struct sigaction action = {.sa_handler = on_interrupt};
    setlocale(LC_CTYPE, "");
    if (options_parse(argc, argv, &o, &why) != ERR_OK)
        return complain(why.text, EXIT_USAGE);
    if (o.version) {
        printf("torc %s\n", TORC_VERSION);
        return EXIT_FINE;
    }
    if (o.help)
        return print_help(o.verb);
    sigaction(SIGINT, &action, NULL); /* without SA_RESTART: what waits must notice */
    switch (o.verb) {
    case VERB_shell: return run_shell(&o);
    case VERB_status:
    case VERB_ring:
    case VERB_hints:
    case VERB_info: return run_status(&o);
    case VERB_metadata: return o.recover ? metadata_recover(&o) : run_status(&o);
    case VERB_repair: return repair_main(&o, look_of(&o));
    case VERB_entropy: return entropy_main(&o, look_of(&o));
    case VERB_help: {
        struct options topic;
        char *const words[] = {argv[0], (char *)(uintptr_t)o.topic, NULL};
        if (o.topic == NULL || options_parse(2, words, &topic, &why) != ERR_OK)
            return print_help(VERB_NONE);
        return print_help(topic.verb);
    }
    case VERB_NONE: break;
    }
    print_help(VERB_NONE);
    return EXIT_USAGE;
}
