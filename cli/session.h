/* session.h - one run of the shell: the connection, what the user set, and where results go.
 *
 * Interactive or a script, a statement takes the same way: session_feed cuts the text into items
 * (input.h), each item is run, results go to `out` (or to the CAPTURE file), complaints to `err`
 * with the place in the script. A script stops at its first failure, a person goes on.
 */
#ifndef TORC_CLI_SESSION_H
#define TORC_CLI_SESSION_H

#include "cli/client.h"
#include "cli/input.h"
#include "cli/names.h"
#include "cli/table.h"

#include <stdio.h>

#define SESSION_SOURCE_MAX 16                 /* how deep SOURCE may nest */
#define SESSION_INPUT_MAX  ((size_t)64 << 20) /* one statement of a script */
#define SESSION_WORDS_MAX  ((size_t)4096)     /* of one command */
#define SESSION_PAGE_ROWS  100                /* unless PAGING says otherwise */

struct session {
    struct client_config config;
    struct client client;
    FILE *in; /* what COPY FROM STDIN reads */
    FILE *out;
    FILE *err;
    FILE *capture; /* NULL: results go to `out` */
    char *capture_path;
    bool interactive;
    bool terminal; /* `out` is one */
    bool colours;
    bool progress; /* COPY shows it though `err` is no terminal */
    enum table_format format;
    bool expand;
    bool paging;
    bool tracing;
    bool keeps_session;  /* what was seen goes from one statement to the next: */
    struct buf token;    /* what the last answer said of that */
    bool report;         /* who has answered is shown */
    struct buf receipts; /* of the running statement, a line each */
    int32_t page_rows;
    enum cql_consistency consistency;
    enum cql_consistency serial;
    char *keyspace; /* NULL: none */
    char *username; /* what the config points to after a LOGIN */
    char *password;
    struct names names;
    bool names_known;
    const char *source;  /* NULL: typed, or -e */
    uint64_t line;       /* where the item that runs begins, from 1 */
    uint64_t data_lines; /* rows of COPY FROM STDIN among the lines of the script */
    unsigned depth;
    bool quit;
};

void session_init(struct session *s, const struct client_config *config);
void session_close(struct session *s);

/* Connect; ERR_OK when already connected. */
enum err session_connect(struct session *s, struct errmsg *reterr) MUST_CHECK;

/* Connect again as this role; a password that is not given is asked for on the terminal. When it
 * does not work the connection stays as it was. */
bool session_login(struct session *s, struct bytes name, const struct bytes *password);

/* Ask for a password on the terminal; NULL when there is none. Until the next call. */
const char *session_ask_password(void);

/* Run the items at the start of `text`, whose first byte stands on s->line, which moves on. Returns
 * the bytes dealt with. *ret_failed when one failed: a script stops there. */
size_t session_feed(struct session *s, struct bytes text, bool ended, bool *ret_failed);

/* Run a whole script. False when it failed; the complaint has been written. */
bool session_script(struct session *s, FILE *in, const char *name);
bool session_text(struct session *s, const char *text);

/* Run one CQL statement and show its result; false when it failed. */
bool session_statement(struct session *s, struct bytes text);

/* client_ask, with what goes beside the statement (receipt.c). The request's payload is ours. When
 * the session itself is what makes it fail, a new one begins, and it is asked once more. */
enum err session_ask(struct session *s, struct cql_request *request, struct arena *a,
                     struct cql_response *ret_response, struct errmsg *reterr) MUST_CHECK;
void session_show_receipts(struct session *s); /* of the last statement; and forget them */
void session_forget(struct session *s);        /* what was seen: a new session begins */

/* Show what is known of a traced request, once it is complete (tracing.c). */
bool session_show_trace(struct session *s, const char *id);

/* Run one command of the shell (commands.c). */
bool session_command(struct session *s, enum command command, struct bytes text);

/* Write a complaint, with the place in the script; always false. */
bool session_complain(struct session *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Write to where results go. */
void session_write(struct session *s, struct bytes text);
void session_print(struct session *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Keyspaces, tables and columns for completion, read from the server when not known. */
void session_learn_names(struct session *s);

/* Fill a table with the rows of one page. The types are those of its columns (show.c). */
struct shown {
    struct table table;
    const struct cql_type **types;
    struct arena arena;
};
void shown_open(struct shown *w, const struct cql_metadata *metadata, enum table_format format);
void shown_add(struct shown *w, const struct cql_rows *rows);
void shown_close(struct shown *w);

/* Append the answer of DESCRIBE as cqlsh shows it, the keyspace that is in use (or NULL) not named;
 * false when it has another form (describe.c). */
bool show_description(const struct cql_rows *rows, const char *keyspace, struct buf *out);

#endif
