/* build.h - what the actions of cql.y call to make the AST. Private to this folder.
 *
 * Lists grow in the arena. Every builder that nests checks the depth; after an error the builders
 * still return something of the right shape, and cql_parser_run stops at the next token.
 */
#ifndef TORC_NODE_CQL_GRAMMAR_BUILD_H
#define TORC_NODE_CQL_GRAMMAR_BUILD_H

#include "node/cql/grammar/parse.h"
#include "node/cql/grammar/token.h"

struct cql_parser {
    struct arena *arena;
    struct bytes text;
    enum err err;
    struct errmsg *reterr;
    struct cql_token last;
    unsigned hint; /* how much of `( name )` was seen up to here, when it is a type: 3 is all */
    size_t tokens;

    struct ast_stmt *stmt;
    struct ast_type *type;
    struct ast_names markers;

    /* What several rules fill together. None of these statements nests in its own kind. */
    struct ast_stmt *select;
    struct ast_stmt *batch;
    struct ast_stmt *table;
    enum ast_batch_kind batch_kind;
    bool if_exists;
    struct ast_relations conditions;
    const char *role_wrong; /* about the name of a role */
};

/* The generated parser (cql.y). `first`: a token to begin with, 0: none. */
void cql_parser_run(struct cql_parser *p, struct cql_lexer *lexer, int first);

/* How many kinds of token could come next in the parser's state; *ret_one: one of them. */
size_t cql_parser_expected(const void *lemon, int *ret_one);

/* The token a keyword turns into when it is no keyword where it stands; 0: it is reserved. */
int cql_token_fallback(int code);

/* parse.c */
struct cql_token cql_parser_token(struct cql_parser *p, struct cql_lexer *lexer);
void cql_parser_unexpected(struct cql_parser *p, const struct cql_token *t, const void *lemon);
void cql_parser_too_deep(struct cql_parser *p);
void cql_parser_error(struct cql_parser *p, const char *what);
void cql_parser_mismatch(struct cql_parser *p, const char *expected); /* of the last token */
void cql_parser_refuse(struct cql_parser *p, const char *sentence, struct bytes name);

/* build.c */
void cql_names_push(struct cql_parser *p, struct ast_names *l, struct bytes item);
void cql_terms_push(struct cql_parser *p, struct ast_terms *l, struct ast_term *item);
void cql_selectors_push(struct cql_parser *p, struct ast_selectors *l, struct ast_selector item);
void cql_relations_push(struct cql_parser *p, struct ast_relations *l, struct ast_relation item);
void cql_orders_push(struct cql_parser *p, struct ast_orders *l, struct ast_order item);
void cql_assigns_push(struct cql_parser *p, struct ast_assigns *l, struct ast_assign item);
void cql_removals_push(struct cql_parser *p, struct ast_removals *l, struct ast_removal item);
void cql_properties_push(struct cql_parser *p, struct ast_properties *l, struct ast_property item);
void cql_columns_push(struct cql_parser *p, struct ast_columns *l, struct ast_column item);
void cql_targets_push(struct cql_parser *p, struct ast_targets *l, struct ast_target item);
void cql_batch_push(struct cql_parser *p, struct ast_batch *b, struct ast_stmt *item);

struct bytes cql_build_quoted(struct cql_parser *p, const struct cql_token *t);
struct ast_term *cql_build_leaf(struct cql_parser *p, enum ast_term_kind kind, struct bytes text);
struct ast_term *cql_build_marker(struct cql_parser *p, struct bytes name);
struct ast_term *cql_build_node(struct cql_parser *p, enum ast_term_kind kind,
                                const struct ast_terms *items);
struct ast_term *cql_build_cast(struct cql_parser *p, struct ast_type *type, struct ast_term *of);
struct ast_term *cql_build_sel_cast(struct cql_parser *p, const struct ast_terms *type,
                                    struct ast_term *of);
struct ast_term *cql_build_cast_as(struct cql_parser *p, struct ast_table function,
                                   struct ast_term *of, struct ast_type *type);
struct ast_term *cql_build_negate(struct cql_parser *p, struct ast_term *of);
struct ast_term *cql_build_arithmetic(struct cql_parser *p, char op, struct ast_term *a,
                                      struct ast_term *b);
struct ast_term *cql_build_call(struct cql_parser *p, struct ast_table function,
                                const struct ast_terms *items);
struct ast_term *cql_build_call_star(struct cql_parser *p, struct ast_table function);
struct ast_term *cql_build_field(struct cql_parser *p, struct ast_term *of, struct bytes field);
struct ast_term *cql_build_element(struct cql_parser *p, struct ast_term *of, struct ast_term *key);
struct ast_term *cql_build_slice(struct cql_parser *p, struct ast_term *of, struct ast_term *from,
                                 struct ast_term *to);
struct ast_term *cql_build_field_value(struct cql_parser *p, struct ast_term *udt,
                                       struct bytes name, struct ast_term *value);
struct ast_relation cql_relation(struct cql_parser *p, enum ast_relation_kind kind,
                                 struct bytes column, enum ast_op op, struct ast_term *value);

/* A list of types is a type without a name whose parameters they are. */
struct ast_type *cql_types_push(struct cql_parser *p, struct ast_type *list, struct ast_type *item);
struct ast_type *cql_build_type(struct cql_parser *p, struct ast_table id, struct ast_type *params);
struct ast_type *cql_build_custom_type(struct cql_parser *p, struct bytes class_name);

/* Both; what both say is as the second has it. */
struct ast_using cql_build_using(struct ast_using a, struct ast_using b);
struct ast_stmt *cql_build_stmt(struct cql_parser *p, enum ast_kind kind);
void cql_build_select(struct cql_parser *p, bool distinct, bool json);
struct ast_stmt *cql_build_drop(struct cql_parser *p, enum ast_kind kind, struct ast_table table,
                                bool if_exists);
struct ast_stmt *cql_build_alter_add(struct ast_stmt *alter, bool if_not_exists,
                                     struct ast_columns columns);
/* A name that a type may have: not one of the language's own, unless it was quoted. */
struct ast_table cql_build_user_type(struct cql_parser *p, struct bytes keyspace,
                                     struct bytes name);
struct ast_stmt *cql_build_role(struct cql_parser *p, enum ast_kind kind, struct bytes name,
                                bool condition, const struct ast_role_options *options);
struct ast_stmt *cql_build_identity(struct cql_parser *p, enum ast_kind kind, struct bytes identity,
                                    bool condition, struct bytes role);
struct ast_stmt *cql_build_grant(struct cql_parser *p, enum ast_kind kind, struct ast_grant grant);
/* The options of a role with one more; what is wrong with it is noted in them. */
struct ast_role_options cql_role_options_add(struct ast_role_options all,
                                             struct ast_role_options one);
/* Names of roles must be known when the statement is parsed. */
struct bytes cql_build_role_marker(struct cql_parser *p);
struct bytes cql_build_user_quoted(struct cql_parser *p);
struct ast_stmt *cql_build_other(struct cql_parser *p, struct ast_other other);
void cql_table_column(struct cql_parser *p, struct ast_create_table *t, struct ast_column column);

#endif
