#include "node/cql/grammar/parse.h"

#include "base/buf.h"
#include "cql.h" /* the numbers of the tokens, made by lemon */
#include "node/cql/grammar/build.h"
#include "node/cql/grammar/keywords.h"

#include <stdio.h>

#define SHOWN_TOKENS 10 /* how many tokens before the wrong one an error shows */
#define SHOWN_BYTES  120

/* The name of the only token that could have come, as Cassandra spells it; NULL: none to show. */
static const char *token_name(int code)
{
    static const struct {
        int code;
        const char *name;
    } marks[] = {
        {CQL_TOKEN_SEMI, "EOF"},     {CQL_TOKEN_LP, "'('"},
        {CQL_TOKEN_RP, "')'"},       {CQL_TOKEN_RB, "']'"},
        {CQL_TOKEN_RC, "'}'"},       {CQL_TOKEN_LC, "'{'"},
        {CQL_TOKEN_COLON, "':'"},    {CQL_TOKEN_EQ, "'='"},
        {CQL_TOKEN_LT, "'<'"},       {CQL_TOKEN_GT, "'>'"},
        {CQL_TOKEN_COMMA, "','"},    {CQL_TOKEN_STRING, "STRING_LITERAL"},
        {CQL_TOKEN_BOOL, "BOOLEAN"}, {CQL_TOKEN_INTEGER, "INTEGER"},
    };
    static const struct {
        int code;
        const char *name;
    } words[] = {
#define X(word) {CQL_TOKEN_##word, "K_" #word},
        CQL_KEYWORD_LIST(X)
#undef X
    };
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        if (marks[i].code == code)
            return marks[i].name;
    }
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (words[i].code == code)
            return words[i].name;
    }
    return NULL;
}

/* " (SELECT * [FORM] t...)": the tokens before the wrong one, and it in brackets. */
static void put_snippet(struct buf *b, struct bytes text, const struct cql_token *wrong)
{
    const uint8_t *starts[SHOWN_TOKENS] = {0};
    size_t count = 0;
    struct cql_lexer l = cql_lexer_make(text, NULL);
    for (;;) {
        struct cql_token t = cql_lexer_next(&l);
        if (t.code == 0 || t.raw.data >= wrong->raw.data)
            break;
        starts[count++ % SHOWN_TOKENS] = t.raw.data;
    }
    const uint8_t *from = wrong->raw.data;
    if (count > 0)
        from = starts[count < SHOWN_TOKENS ? 0 : count % SHOWN_TOKENS];
    bool cut = count > SHOWN_TOKENS;
    if (wrong->raw.data - from > SHOWN_BYTES) {
        from = wrong->raw.data - SHOWN_BYTES;
        cut = true;
    }
    size_t len = wrong->raw.len < SHOWN_BYTES ? wrong->raw.len : SHOWN_BYTES;
    buf_put_text(b, cut ? " (..." : " (");
    buf_put(b, from, (size_t)(wrong->raw.data - from));
    buf_put_text(b, "[");
    buf_put(b, wrong->raw.data, len);
    buf_put_text(b, "]...)");
}

static void set_error(struct cql_parser *p, const struct cql_token *t, const char *what)
{
    struct buf b;
    if (p->err != ERR_OK)
        return;
    buf_init(&b, ERRMSG_SIZE * 4);
    buf_printf(&b, "line %u:%u %s", t->line, t->col, what);
    if (t->code != 0)
        put_snippet(&b, p->text, t);
    p->err = errmsg_set(p->reterr, ERR_SYNTAX, "%.*s", (int)b.len, (const char *)b.data);
    buf_close(&b);
}

void cql_parser_error(struct cql_parser *p, const char *what)
{
    set_error(p, &p->last, what);
}

/* What is wrong wherever it stands: no position. */
void cql_parser_refuse(struct cql_parser *p, const char *sentence, struct bytes name)
{
    if (p->err == ERR_OK)
        p->err = errmsg_set(p->reterr, ERR_SYNTAX, "%s %.*s", sentence,
                            (int)(name.len < 200 ? name.len : 200), (const char *)name.data);
}

void cql_parser_too_deep(struct cql_parser *p)
{
    set_error(p, &p->last, "the statement is nested too deeply");
}

static void unexpected(struct cql_parser *p, const struct cql_token *t, const char *expected)
{
    char what[160];
    const char *input = t->code == 0 ? "<EOF>" : (const char *)t->raw.data;
    int len = t->code == 0 ? 5 : (int)(t->raw.len < 80 ? t->raw.len : 80);
    if (expected != NULL)
        snprintf(what, sizeof what, "mismatched input '%.*s' expecting %s", len, input, expected);
    else
        snprintf(what, sizeof what, "no viable alternative at input '%.*s'", len, input);
    set_error(p, t, what);
}

void cql_parser_unexpected(struct cql_parser *p, const struct cql_token *t, const void *lemon)
{
    int one = 0;
    if (t == NULL)
        t = &p->last;
    if (lemon != NULL && cql_parser_expected(lemon, &one) == 1)
        unexpected(p, t, token_name(one));
    else
        unexpected(p, t, NULL);
}

void cql_parser_mismatch(struct cql_parser *p, const char *expected)
{
    unexpected(p, &p->last, expected);
}

/* JSON and DISTINCT right behind SELECT are words of the language only when something to select
 * follows; before these they are columns of that name. */
static bool is_column_there(const struct cql_lexer *lexer)
{
    struct cql_lexer ahead = *lexer;
    ahead.arena = NULL;
    int next = cql_lexer_next(&ahead).code;
    return next == CQL_TOKEN_FROM || next == CQL_TOKEN_COMMA || next == CQL_TOKEN_AS ||
           next == CQL_TOKEN_DOT || next == CQL_TOKEN_LB;
}

static bool is_native_type(struct bytes name)
{
    static const char *const names[] = {
        "ascii",  "bigint",    "blob",     "boolean", "counter", "date",     "decimal",
        "double", "duration",  "float",    "inet",    "int",     "smallint", "text",
        "time",   "timestamp", "timeuuid", "tinyint", "uuid",    "varchar",  "varint"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (bytes_equal_text(name, names[i]))
            return true;
    }
    return false;
}

/* Behind a parenthesis some words mean something else: AS is no column with the type in there, the
 * minus of (int)-1 belongs to the number, and the colon of (int):x to the name. */
static int code_behind(struct cql_parser *p, const struct cql_token *t)
{
    unsigned hint = p->hint;
    int before = p->last.code;
    p->hint = t->code == CQL_TOKEN_LP                ? 1
              : hint == 1 && is_native_type(t->text) ? 2
              : hint == 2 && t->code == CQL_TOKEN_RP ? 3
                                                     : 0;
    if (before == CQL_TOKEN_RP && t->code == CQL_TOKEN_AS)
        return CQL_TOKEN_AS_BEHIND;
    const uint8_t *next = t->raw.data + t->raw.len;
    if (hint != 3 || next >= p->text.data + p->text.len)
        return t->code;
    if (t->code == CQL_TOKEN_MINUS && *next >= '0' && *next <= '9')
        return CQL_TOKEN_NEGATIVE;
    return t->code == CQL_TOKEN_COLON ? CQL_TOKEN_MARKER_COLON : t->code;
}

struct cql_token cql_parser_token(struct cql_parser *p, struct cql_lexer *lexer)
{
    int before = p->last.code;
    struct cql_token t = cql_lexer_next(lexer);
    t.code = code_behind(p, &t);
    p->last = t;
    if (t.code == CQL_TOKEN_BAD) {
        cql_parser_unexpected(p, &t, NULL);
    } else if (++p->tokens > CQL_TOKENS_MAX) {
        set_error(p, &t, "the statement has too many words");
    } else if (before == CQL_TOKEN_SELECT &&
               (t.code == CQL_TOKEN_JSON || t.code == CQL_TOKEN_DISTINCT) &&
               is_column_there(lexer)) {
        t.code = CQL_TOKEN_IDENT;
    }
    return t;
}

static enum err parse(struct cql_parser *p, int first)
{
    if (p->text.len > CQL_TEXT_MAX)
        return errmsg_set(p->reterr, ERR_SYNTAX, "line 1:0 the statement is longer than %zu bytes",
                          CQL_TEXT_MAX);
    p->text = arena_copy(p->arena, p->text);
    struct cql_lexer lexer = cql_lexer_make(p->text, p->arena);
    cql_parser_run(p, &lexer, first);
    return p->err;
}

enum err cql_parse(struct bytes text, struct arena *arena, struct ast *ret_ast,
                   struct errmsg *reterr)
{
    struct cql_parser p = {.arena = arena, .text = text, .reterr = reterr};
    enum err err = parse(&p, 0);
    if (err == ERR_OK)
        *ret_ast = (struct ast){p.stmt, p.markers};
    return err;
}

enum err cql_parse_type(struct bytes text, struct arena *arena, struct ast_type **ret_type,
                        struct errmsg *reterr)
{
    struct cql_parser p = {.arena = arena, .text = text, .reterr = reterr};
    enum err err = parse(&p, CQL_TOKEN_TYPE_ONLY);
    if (err == ERR_OK)
        *ret_type = p.type;
    return err;
}

bool cql_split_statement(struct bytes text, size_t *ret_len, bool *ret_blank)
{
    struct cql_lexer l = cql_lexer_make(text, NULL);
    bool in_batch = false;
    int before = 0, first = 0;
    *ret_blank = true;
    for (;;) {
        struct cql_token t = cql_lexer_next(&l);
        if (t.code == 0 || (t.code == CQL_TOKEN_BAD && cql_token_is_open(&t))) {
            *ret_blank = *ret_blank && t.code == 0;
            return false;
        }
        if (t.code == CQL_TOKEN_SEMI && !in_batch) {
            *ret_len = (size_t)(l.at - text.data);
            return true;
        }
        if (first == 0)
            first = t.code;
        *ret_blank = false;
        in_batch = in_batch || first == CQL_TOKEN_BEGIN;
        if (before == CQL_TOKEN_APPLY && t.code == CQL_TOKEN_BATCH)
            in_batch = false, first = CQL_TOKEN_APPLY;
        before = t.code;
    }
}
