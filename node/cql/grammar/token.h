/* token.h - the lexer's side: text in, tokens out, one by one. Private to this folder. */
#ifndef TORC_NODE_CQL_GRAMMAR_TOKEN_H
#define TORC_NODE_CQL_GRAMMAR_TOKEN_H

#include "base/arena.h"

struct cql_token {
    int code;           /* CQL_TOKEN_*; 0 at the end, CQL_TOKEN_BAD for what is none */
    struct bytes raw;   /* as written, a view into the text */
    struct bytes text;  /* as it counts: folded, unescaped; in the arena or a view into the text */
    unsigned line, col; /* from 1, from 0 */
};

#define CQL_TOKEN_BAD (-1)

struct cql_lexer {
    const uint8_t *at;
    const uint8_t *end;
    const uint8_t *line_start;
    unsigned line;
    struct arena *arena; /* for texts that differ from what was written; NULL: leave them out */
};

struct cql_lexer cql_lexer_make(struct bytes text, struct arena *arena);
struct cql_token cql_lexer_next(struct cql_lexer *l);

/* The end of the text was inside a string, a quoted name or a comment. */
bool cql_token_is_open(const struct cql_token *t);

#endif
