/* lexer.re - CQL's tokens (re2c).
 *
 * Strings, quoted names and comments are found by their first characters here and walked by hand:
 * they may hold any byte, NUL too, and the rules below take NUL for the end of the text.
 */
#include "cql.h" /* the numbers of the tokens, made by lemon */
#include "node/cql/grammar/keywords.h"
#include "node/cql/grammar/token.h"

#include <string.h>
#include <strings.h>

static const struct keyword {
    const char *text;
    int code;
} keywords[] = {
#define X(word) {#word, CQL_TOKEN_##word},
    CQL_KEYWORD_LIST(X)
#undef X
};

#define KEYWORD_LEN_MAX 16

static int keyword_code(struct bytes word)
{
    size_t low = 0, high = ARRAY_LEN(keywords);
    if (word.len > KEYWORD_LEN_MAX)
        return CQL_TOKEN_IDENT;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = strncasecmp((const char *)word.data, keywords[middle].text, word.len);
        if (c == 0 && keywords[middle].text[word.len] != '\0')
            c = -1;
        if (c == 0)
            return keywords[middle].code;
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return CQL_TOKEN_IDENT;
}

bool cql_keyword_at(size_t n, struct cql_keyword *ret_keyword)
{
    if (n >= ARRAY_LEN(keywords))
        return false;
    ret_keyword->text = keywords[n].text;
    ret_keyword->reserved = cql_token_fallback(keywords[n].code) == 0;
    return true;
}

bool cql_name_needs_quotes(struct bytes name)
{
    if (name.len == 0 || name.data[0] < 'a' || name.data[0] > 'z')
        return true;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
            return true;
    }
    if (bytes_equal_text(name, "true") || bytes_equal_text(name, "false"))
        return true;
    int code = keyword_code(name);
    return code != CQL_TOKEN_IDENT && cql_token_fallback(code) == 0;
}

struct cql_lexer cql_lexer_make(struct bytes text, struct arena *arena)
{
    return (struct cql_lexer){text.data, text.data + text.len, text.data, 1, arena};
}

bool cql_token_is_open(const struct cql_token *t)
{
    return t->code == CQL_TOKEN_BAD && t->raw.len > 1;
}

static void note_lines(struct cql_lexer *l, const uint8_t *from, const uint8_t *to)
{
    for (const uint8_t *p = from; p < to; p++) {
        if (*p == '\n') {
            l->line++;
            l->line_start = p + 1;
        }
    }
}

/* Lower case, for a name that was not quoted. */
static struct bytes fold(struct cql_lexer *l, struct bytes raw)
{
    bool upper = false;
    for (size_t i = 0; i < raw.len; i++)
        upper = upper || (raw.data[i] >= 'A' && raw.data[i] <= 'Z');
    if (!upper || l->arena == NULL)
        return raw;
    uint8_t *p = arena_alloc(l->arena, raw.len);
    for (size_t i = 0; i < raw.len; i++) {
        uint8_t c = raw.data[i];
        p[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
    }
    return bytes_make(p, raw.len);
}

/* From behind the opening quote to behind the closing one; NULL when it never closes. */
static const uint8_t *quoted_end(const uint8_t *p, const uint8_t *end, uint8_t quote)
{
    while (p < end) {
        if (*p++ != quote)
            continue;
        if (p == end || *p != quote)
            return p;
        p++;
    }
    return NULL;
}

static struct bytes unquote(struct cql_lexer *l, struct bytes raw, uint8_t quote)
{
    struct bytes in = bytes_make(raw.data + 1, raw.len - 2);
    if (l->arena == NULL || memchr(in.data, quote, in.len) == NULL)
        return in;
    uint8_t *p = arena_alloc(l->arena, in.len);
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        p[n++] = in.data[i];
        if (in.data[i] == quote)
            i++; /* the second of a pair */
    }
    return bytes_make(p, n);
}

/* Where the two bytes of `mark` next begin; NULL when they do not. */
static const uint8_t *find_pair(const uint8_t *p, const uint8_t *end, const char *mark)
{
    for (; end - p >= 2; p++) {
        if (p[0] == (uint8_t)mark[0] && p[1] == (uint8_t)mark[1])
            return p;
    }
    return NULL;
}

static struct cql_token make_token(struct cql_lexer *l, const uint8_t *start, const uint8_t *stop,
                                   int code)
{
    struct cql_token t = {code, bytes_make(start, (size_t)(stop - start)), BYTES_NONE, l->line,
                          (unsigned)(start - l->line_start)};
    t.text = code == CQL_TOKEN_IDENT ? fold(l, t.raw) : t.raw;
    note_lines(l, start, stop);
    l->at = stop;
    return t;
}

static struct cql_token quoted_token(struct cql_lexer *l, const uint8_t *start, uint8_t quote,
                                     int code)
{
    const uint8_t *stop = quoted_end(start + 1, l->end, quote);
    if (stop == NULL) {
        struct cql_token bad = make_token(l, start, l->end, CQL_TOKEN_BAD);
        bad.raw.len = bad.raw.len < 2 ? 2 : bad.raw.len; /* open, whatever its length */
        return bad;
    }
    struct cql_token t = make_token(l, start, stop, code);
    t.text = unquote(l, t.raw, quote);
    return t;
}

static struct cql_token dollar_token(struct cql_lexer *l, const uint8_t *start)
{
    const uint8_t *close = find_pair(start + 2, l->end, "$$");
    if (close == NULL)
        return make_token(l, start, l->end, CQL_TOKEN_BAD);
    struct cql_token t = make_token(l, start, close + 2, CQL_TOKEN_STRING);
    t.text = bytes_make(start + 2, (size_t)(close - start) - 2);
    return t;
}

static struct cql_token word_token(struct cql_lexer *l, const uint8_t *start, const uint8_t *stop)
{
    struct bytes word = bytes_make(start, (size_t)(stop - start));
    struct cql_token t = make_token(l, start, stop, keyword_code(word));
    t.text = fold(l, word); /* unreserved keywords are names */
    return t;
}

#define YYPEEK()     (cursor < l->end ? *cursor : 0)
#define YYSKIP()     (++cursor)
#define YYBACKUP()   (marker = cursor)
#define YYRESTORE()  (cursor = marker)
#define TOKEN(name)  make_token(l, start, cursor, CQL_TOKEN_##name)

struct cql_token cql_lexer_next(struct cql_lexer *l)
{
    for (;;) {
        const uint8_t *start = l->at;
        const uint8_t *cursor = l->at;
        const uint8_t *marker = cursor;
        const uint8_t *found;
        if (cursor >= l->end)
            return make_token(l, l->end, l->end, 0);
        /*!re2c
        re2c:define:YYCTYPE = "uint8_t";
        re2c:flags:input = custom;
        re2c:yyfill:enable = 0;

        digit = [0-9];
        hex = [0-9a-fA-F];
        exponent = [eE] [+-]? digit+;
        unit = 'y' | 'mo' | 'w' | 'd' | 'h' | 'm' | 's' | 'ms' | 'us' | "\xc2\xb5" [sS] | 'ns';
        clock = "T" ((digit+ "H" (digit+ "M")? (digit+ "S")?) | (digit+ "M" (digit+ "S")?)
                     | (digit+ "S"));
        dates = (digit+ "Y" (digit+ "M")? (digit+ "D")?) | (digit+ "M" (digit+ "D")?)
                | (digit+ "D");
        uuid = hex{8} "-" hex{4} "-" hex{4} "-" hex{4} "-" hex{12};

        [ \t\r\n\f]+ { note_lines(l, start, cursor); l->at = cursor; continue; }
        "--" | "//" {
            found = memchr(cursor, '\n', (size_t)(l->end - cursor));
            l->at = found != NULL ? found : l->end;
            continue;
        }
        "/*" {
            found = find_pair(cursor, l->end, "*\/");
            if (found == NULL)
                return make_token(l, start, l->end, CQL_TOKEN_BAD);
            note_lines(l, start, found);
            l->at = found + 2;
            continue;
        }
        "'"  { return quoted_token(l, start, '\'', CQL_TOKEN_STRING); }
        "\"" { return quoted_token(l, start, '"', CQL_TOKEN_QUOTED); }
        "$$" { return dollar_token(l, start); }

        'true' | 'false' {
            struct cql_token t = TOKEN(BOOL);
            t.text = fold(l, t.raw);
            return t;
        }
        "P" dates clock? | "P" clock | "P" digit+ "W" { return TOKEN(PERIOD); }
        "P" digit{4} "-" digit{2} "-" digit{2} "T" digit{2} ":" digit{2} ":" digit{2} {
            return TOKEN(PERIOD);
        }
        [a-zA-Z] [a-zA-Z0-9_]* { return word_token(l, start, cursor); }
        digit+ { return TOKEN(INTEGER); }
        digit+ "." digit* exponent? | digit+ exponent {
            if (cursor < l->end && *cursor == '.' && cursor[-1] == '.') {
                cursor--; /* 1..2 is two integers */
                return TOKEN(INTEGER);
            }
            return TOKEN(FLOATING);
        }
        digit+ unit (digit+ unit)* { return TOKEN(PERIOD); }
        uuid { return TOKEN(UUIDVALUE); }
        "0" [xX] hex* { return TOKEN(HEX); }

        "?"  { return TOKEN(QMARK); }
        ";"  { return TOKEN(SEMI); }
        ","  { return TOKEN(COMMA); }
        "("  { return TOKEN(LP); }
        ")"  { return TOKEN(RP); }
        "["  { return TOKEN(LB); }
        "]"  { return TOKEN(RB); }
        "{"  { return TOKEN(LC); }
        "}"  { return TOKEN(RC); }
        ":"  { return TOKEN(COLON); }
        ".." { return TOKEN(RANGE); }
        "."  { return TOKEN(DOT); }
        "="  { return TOKEN(EQ); }
        "!=" { return TOKEN(NE); }
        "<=" { return TOKEN(LE); }
        ">=" { return TOKEN(GE); }
        "<"  { return TOKEN(LT); }
        ">"  { return TOKEN(GT); }
        "+=" { return TOKEN(PLUSEQ); }
        "-=" { return TOKEN(MINUSEQ); }
        "+"  { return TOKEN(PLUS); }
        "-"  { return TOKEN(MINUS); }
        "*"  { return TOKEN(STAR); }
        "/"  { return TOKEN(SLASH); }
        "%"  { return TOKEN(PERCENT); }
        *    { return make_token(l, start, start + 1, CQL_TOKEN_BAD); }
        */
    }
}
