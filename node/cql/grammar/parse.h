/* parse.h - from CQL text to an AST, and where one statement ends.
 *
 * The lexer is lexer.re (re2c), the grammar cql.y (lemon): those two say what CQL 3.4.7 is. The
 * whole language is parsed; what this release does not do becomes AST_OTHER or a field that the
 * executor refuses by name, so that nobody reads "syntax error" about correct CQL.
 *
 * Hostile text: length, number of tokens and depth are bounded; errors say so.
 */
#ifndef TORC_NODE_CQL_GRAMMAR_PARSE_H
#define TORC_NODE_CQL_GRAMMAR_PARSE_H

#include "base/arena.h"
#include "node/cql/grammar/ast.h"

#define CQL_TEXT_MAX    ((size_t)16 << 20)
#define CQL_TOKENS_MAX  ((size_t)1 << 19)
#define CQL_MARKERS_MAX 65535u

/* Parse one statement, which may end in semicolons. The result is in the arena and independent of
 * `text`. ERR_SYNTAX with "line 1:14 no viable alternative at input 'x' (…)" in reterr: lines from
 * 1, columns from 0, as Cassandra counts them. */
enum err cql_parse(struct bytes text, struct arena *arena, struct ast *ret_ast,
                   struct errmsg *reterr) MUST_CHECK;

/* A CQL type alone: "frozen<list<int>>". */
enum err cql_parse_type(struct bytes text, struct arena *arena, struct ast_type **ret_type,
                        struct errmsg *reterr) MUST_CHECK;

/* How long is the first statement of `text`, its semicolon included? Semicolons in strings,
 * comments and between BEGIN BATCH and APPLY BATCH do not end one. False when there is no whole
 * statement yet: a shell reads another line. *ret_blank: there is nothing but space and comments
 * before the semicolon (or before the end, when false is returned). */
bool cql_split_statement(struct bytes text, size_t *ret_len, bool *ret_blank);

#endif
