/* options.h - the command line of torc: verbs and options, each declared once. */
#ifndef TORC_CLI_OPTIONS_H
#define TORC_CLI_OPTIONS_H

#include "cli/table.h"
#include "node/cql/proto/names.h"

/* X(name, arguments, what it does) */
#define VERB_LIST(X)                                                                               \
    X(shell, "[host [port]]", "type CQL, or run it from -e, -f or standard input")                 \
    X(status, "", "who is in the cluster, and who is up")                                          \
    X(ring, "", "which node owns which part of the ring")                                          \
    X(hints, "", "what waits for other replicas, as a node keeps it")                              \
    X(info, "", "about the node itself")                                                           \
    X(metadata, "[recover]", "who votes on changes; going on when most of them are lost")          \
    X(repair, "[keyspace [table ...]]", "compare all replicas now, and mend what differs")         \
    X(entropy, "[keyspace]", "when replicas were last proved equal, and what they lack")           \
    X(help, "[verb]", "this text, or more about a verb")

/* X(name, letter or 0, argument or "", help) */
#define OPTION_LIST(X)                                                                             \
    X(host, 'H', "HOST", "node to ask (127.0.0.1)")                                                \
    X(port, 'P', "PORT", "its CQL port (9042)")                                                    \
    X(username, 'u', "NAME", "shell: log in as this role")                                         \
    X(password, 'p', "TEXT", "shell: its password; asked for when it is not given")                \
    X(http_port, 0, "PORT", "its HTTP port (9180): all but shell")                                 \
    X(format, 0, "FORMAT", "table, json or csv (table)")                                           \
    X(execute, 'e', "CQL", "shell: run these statements and leave")                                \
    X(file, 'f', "FILE", "shell: run the statements of a file and leave; - is standard input")     \
    X(keyspace, 'k', "NAME", "shell: USE this keyspace first")                                     \
    X(consistency, 'c', "LEVEL", "shell: consistency level (ONE)")                                 \
    X(connect_timeout, 0, "SECONDS", "give up connecting after this (5)")                          \
    X(request_timeout, 0, "SECONDS", "give up on a request after this (60)")                       \
    X(protocol, 0, "VERSION", "version of the CQL protocol: 4 or 5 (the newest that is served)")   \
    X(progress, 0, "", "COPY, repair: show progress though the output is no terminal")             \
    X(preview, 0, "", "repair: count what differs, and change nothing")                            \
    X(full, 0, "", "repair: read all rows again, also where nothing was written")                  \
    X(range, 0, "A:B", "repair: what the tokens in (A, B] touch; may be given again")              \
    X(node, 0, "NODE", "repair: only what this node (number, address or host id) has")             \
    X(wait, 0, "", "repair: stay until it is over (as it does anyway)")                            \
    X(no_wait, 0, "", "repair: begin it, print its id and leave")                                  \
    X(list, 0, "", "repair: the repairs that were begun at this node")                             \
    X(cancel, 0, "ID", "repair: end this one")                                                     \
    X(give_up, 0, "KEYSPACE", "repair: what is damaged at this node and nowhere else is removed")  \
    X(yes, 0, "", "repair --give-up: do not ask")                                                  \
    X(lost, 0, "HOSTID", "metadata recover: this node is lost for ever; may be given again")       \
    X(cluster_name, 0, "NAME", "metadata recover: of the cluster; asked for on a terminal")        \
    X(ranges, 0, "", "entropy: all ranges and pairs of nodes, not only the sums")                  \
    X(no_colour, 0, "", "no colours on a terminal (or set NO_COLOR)")                              \
    X(help, 'h', "", "this text")                                                                  \
    X(version, 'V', "", "print the version")

enum verb {
#define X(name, arguments, help) VERB_##name,
    VERB_LIST(X)
#undef X
        VERB_NONE
};

/* What main returns. */
enum exit_code {
    EXIT_FINE = 0,
    EXIT_REQUEST = 1, /* a statement or request failed */
    EXIT_USAGE = 2,   /* the command line is wrong */
    EXIT_CONNECT = 3, /* the node cannot be reached */
    EXIT_DIFFERS = 4, /* repair --preview: something differs */
};

#define OPTION_TABLES_MAX 64
#define OPTION_RANGES_MAX 16
#define OPTION_LOST_MAX   256

struct options {
    enum verb verb;
    const char *host;
    uint16_t port;
    const char *username; /* NULL: do not log in */
    const char *password; /* NULL: ask for it */
    uint16_t http_port;
    enum table_format format;
    const char *execute;
    const char *file;
    const char *keyspace;
    enum cql_consistency consistency;
    usec connect_timeout;
    usec request_timeout;
    uint8_t protocol; /* 0: choose */
    bool progress;
    bool no_colour;
    bool help;
    bool version;
    const char *topic; /* of help */
    bool preview, full, wait, no_wait, list, ranges;
    const char *cancel;  /* id; NULL: begin one */
    const char *give_up; /* a keyspace */
    bool yes;
    const char *node;                      /* NULL: all */
    const char *tables[OPTION_TABLES_MAX]; /* of `keyspace` */
    size_t tables_count;
    bool recover;
    const char *lost[OPTION_LOST_MAX]; /* host ids */
    size_t lost_count;
    const char *cluster_name;             /* NULL: ask for it */
    const char *spans[OPTION_RANGES_MAX]; /* "A:B" */
    size_t spans_count;
};

/* Texts are borrowed from argv. ERR_INVALID with words that say what to type instead. */
enum err options_parse(int argc, char *const *argv, struct options *ret_options,
                       struct errmsg *reterr) MUST_CHECK;

/* Append the text of `torc help`, or of one verb. */
void options_help(enum verb verb, struct buf *out);

/* The word of a list that is most like `word`; NULL when none is near. */
const char *nearest_word(const char *word, const char *const *list, size_t count);

#endif
