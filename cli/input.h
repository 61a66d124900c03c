/* input.h - what a person or a script typed, cut into CQL statements and commands of the shell.
 *
 * A CQL statement ends with a semicolon (the lexer of the server says which). A command of the
 * shell ends with a semicolon or with its line; COPY, which may be long, only with a semicolon.
 * Space, comments and empty statements between them are passed over.
 */
#ifndef TORC_CLI_INPUT_H
#define TORC_CLI_INPUT_H

#include "base/bytes.h"

/* X(name, arguments, what it does) */
#define COMMAND_LIST(X)                                                                            \
    X(CAPTURE, "['file' | OFF]", "write results to a file instead of the screen")                  \
    X(CLEAR, "", "clear the screen")                                                               \
    X(CLS, "", "the same as CLEAR")                                                                \
    X(CONSISTENCY, "[level | REPORT [ON | OFF]]",                                                  \
      "show or set the consistency level of requests; show after each who has answered")           \
    X(COPY, "table [(columns)] TO|FROM 'file'|STDOUT|STDIN [WITH option = value [AND ...]]",       \
      "write a table to CSV, or read CSV into a table")                                            \
    X(DESC, "...", "the same as DESCRIBE")                                                         \
    X(DESCRIBE, "CLUSTER | SCHEMA | KEYSPACES | TABLES | KEYSPACE name | TABLE name | name ...",   \
      "show the schema, as CREATE statements")                                                     \
    X(EXIT, "", "leave the shell")                                                                 \
    X(EXPAND, "[ON | OFF]", "show each row as a block of its own")                                 \
    X(HELP, "[topic]", "list the commands, or explain one")                                        \
    X(LOGIN, "name ['password']", "connect again as another role")                                 \
    X(PAGING, "[ON | OFF | rows]", "fetch and show results page by page")                          \
    X(QUIT, "", "leave the shell")                                                                 \
    X(SERIAL, "CONSISTENCY [SERIAL | LOCAL_SERIAL]",                                               \
      "show or set the consistency level of conditional writes")                                   \
    X(SESSION, "[ON | OFF | NEW]",                                                                 \
      "see what was seen before through whatever node: a token goes with each statement")          \
    X(SHOW, "VERSION | HOST | SESSION id",                                                         \
      "show versions, what we are connected to, or a traced request")                              \
    X(SOURCE, "'file'", "run the statements of a file")                                            \
    X(TRACING, "[ON | OFF]", "show what each node did for a statement")

enum command {
#define X(name, arguments, help) COMMAND_##name,
    COMMAND_LIST(X)
#undef X
        COMMAND_NONE
};

extern const struct command_info {
    const char *name;
    const char *arguments;
    const char *help;
} commands[COMMAND_NONE];

/* The command of that name in either case, `?` being HELP; COMMAND_NONE when there is none. */
enum command command_find(struct bytes word);

enum input_kind {
    INPUT_MORE,    /* the item has no end yet; used says what may be dropped */
    INPUT_CQL,     /* text is a statement, its semicolon included */
    INPUT_COMMAND, /* text is a command, without what ended it */
};

struct input_item {
    struct bytes text;
    enum command command;
    size_t used;  /* bytes of the input that are dealt with */
    size_t start; /* where the text begins */
    bool blank;   /* INPUT_MORE: nothing but space and comments is left */
};

/* The first item of `text`. With `ended` nothing will follow: what is left counts as one item, if
 * it is not blank. */
enum input_kind input_next(struct bytes text, bool ended, struct input_item *ret_item);

/* Words of a command: 'strings' unquoted, "names" as they count, and punctuation one by one. */
struct word {
    struct bytes text;
    bool string; /* was in 'quotes' */
    bool name;   /* was in "quotes" */
};

/* At most `max` words, their texts views or in the arena-less copy `text` itself (quotes are undone
 * in place, so it is changed). Returns how many; SIZE_MAX when a quote is open or they are more. */
size_t command_words(uint8_t *text, size_t len, struct word *ret_words, size_t max);

bool word_is(const struct word *w, const char *text); /* unquoted, in either case */

#endif
