#include "cli/copy.h"

#include "base/mem.h"
#include "cli/options.h"
#include "node/cql/grammar/keywords.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX ((size_t)16384)

enum copy_option {
#define X(name, preset, help) COPY_OPTION_##name,
    COPY_OPTION_LIST(X)
#undef X
        COPY_OPTION_NONE
};

static const char *const option_names[] = {
#define X(name, preset, help) #name,
    COPY_OPTION_LIST(X)
#undef X
};

struct parser {
    struct word *words;
    size_t count, at;
    struct arena *arena;
    struct errmsg *reterr;
};

static enum err wanted(struct parser *p, const char *what)
{
    struct bytes got = p->at < p->count ? p->words[p->at].text : BYTES_NONE;
    return errmsg_set(p->reterr, ERR_SYNTAX, "COPY: %s expected, not %.*s; see HELP COPY", what,
                      got.len > 0 ? (int)(got.len < 100 ? got.len : 100) : 7,
                      got.len > 0 ? (const char *)got.data : "the end");
}

static bool next_is(struct parser *p, const char *word)
{
    if (p->at == p->count || !word_is(&p->words[p->at], word))
        return false;
    p->at++;
    return true;
}

/* A name as it counts: folded to lower case unless it was quoted. */
static bool take_name(struct parser *p, struct bytes *ret)
{
    if (p->at == p->count || p->words[p->at].string || p->words[p->at].text.len == 0)
        return false;
    const struct word *w = &p->words[p->at];
    if (!w->name && !isalpha(w->text.data[0]))
        return false;
    uint8_t *copy = arena_alloc(p->arena, w->text.len);
    for (size_t i = 0; i < w->text.len; i++)
        copy[i] = w->name ? w->text.data[i] : (uint8_t)tolower(w->text.data[i]);
    *ret = bytes_make(copy, w->text.len);
    p->at++;
    return true;
}

static enum err take_columns(struct parser *p, struct copy_request *r)
{
    size_t cap = 0;
    if (!next_is(p, "("))
        return ERR_OK;
    do {
        struct bytes name;
        if (!take_name(p, &name))
            return wanted(p, "the name of a column");
        if (r->columns_count == COPY_COLUMNS_MAX)
            return errmsg_set(p->reterr, ERR_SYNTAX, "COPY: too many columns");
        r->columns = arena_grow(p->arena, r->columns, r->columns_count, &cap, sizeof *r->columns);
        r->columns[r->columns_count++] = name;
    } while (next_is(p, ","));
    return next_is(p, ")") ? ERR_OK : wanted(p, "a closing )");
}

static enum err take_file(struct parser *p, struct copy_request *r)
{
    r->from = next_is(p, "FROM");
    if (!r->from && !next_is(p, "TO"))
        return wanted(p, "TO or FROM");
    if (next_is(p, r->from ? "STDIN" : "STDOUT"))
        return ERR_OK;
    if (p->at == p->count || !p->words[p->at].string || p->words[p->at].text.len == 0)
        return wanted(p, r->from ? "a 'file' or STDIN" : "a 'file' or STDOUT");
    r->file = p->words[p->at++].text;
    return ERR_OK;
}

static enum err take_bool(struct parser *p, const char *name, struct bytes value, bool *ret)
{
    struct word w = {.text = value};
    *ret = word_is(&w, "true");
    if (*ret || word_is(&w, "false"))
        return ERR_OK;
    return errmsg_set(p->reterr, ERR_SYNTAX, "COPY: %s is true or false, not %.*s", name,
                      (int)(value.len < 100 ? value.len : 100), (const char *)value.data);
}

static enum err take_char(struct parser *p, const char *name, struct bytes value, uint8_t *ret)
{
    if (bytes_equal_text(value, "\\t"))
        value = BYTES_LIT("\t");
    if (value.len != 1 || value.data[0] == '\n' || value.data[0] == '\r')
        return errmsg_set(p->reterr, ERR_SYNTAX, "COPY: %s is one character, not \"%.*s\"", name,
                          (int)(value.len < 100 ? value.len : 100), (const char *)value.data);
    *ret = value.data[0];
    return ERR_OK;
}

static enum err take_int(struct parser *p, const char *name, struct bytes value, int64_t least,
                         int64_t most, int64_t *ret)
{
    const char *text = arena_text(p->arena, value);
    char *end;
    long long n = strtoll(text, &end, 10);
    if (*text == 0 || *end != 0 || n < least || n > most)
        return errmsg_set(p->reterr, ERR_SYNTAX,
                          "COPY: %s is a number from %lld to %lld, not %.100s", name,
                          (long long)least, (long long)most, text);
    *ret = n;
    return ERR_OK;
}

static enum err set_option(struct parser *p, struct copy_options *o, enum copy_option option,
                           struct bytes v)
{
    const char *name = option == COPY_OPTION_NONE ? "" : option_names[option];
    switch (option) {
    case COPY_OPTION_HEADER: return take_bool(p, name, v, &o->header);
    case COPY_OPTION_UNSET: return take_bool(p, name, v, &o->unset);
    case COPY_OPTION_DELIMITER: return take_char(p, name, v, &o->format.delimiter);
    case COPY_OPTION_QUOTE: return take_char(p, name, v, &o->format.quote);
    case COPY_OPTION_ESCAPE: return take_char(p, name, v, &o->format.escape);
    case COPY_OPTION_NULL: o->null = v; return ERR_OK;
    case COPY_OPTION_PAGESIZE: return take_int(p, name, v, 1, 1000000, &o->page_size);
    case COPY_OPTION_MAXROWS: return take_int(p, name, v, -1, INT64_MAX, &o->max_rows);
    case COPY_OPTION_SKIPROWS: return take_int(p, name, v, 0, INT64_MAX, &o->skip_rows);
    case COPY_OPTION_INFLIGHT: return take_int(p, name, v, 1, COPY_INFLIGHT_MAX, &o->in_flight);
    case COPY_OPTION_MAXATTEMPTS: return take_int(p, name, v, 1, 1000, &o->max_attempts);
    case COPY_OPTION_MAXERRORS: return take_int(p, name, v, 0, INT64_MAX, &o->max_errors);
    case COPY_OPTION_TTL: return take_int(p, name, v, 0, 20LL * 365 * 86400, &o->ttl);
    case COPY_OPTION_NONE: break;
    }
    return ERR_OK;
}

static enum err take_option(struct parser *p, struct copy_options *o)
{
    for (size_t i = 0; i < ARRAY_LEN(option_names); i++) {
        if (!next_is(p, option_names[i]))
            continue;
        if (!next_is(p, "=") || p->at == p->count)
            return wanted(p, "= and a value");
        return set_option(p, o, (enum copy_option)i, p->words[p->at++].text);
    }
    if (p->at == p->count || p->words[p->at].text.len == 0)
        return wanted(p, "the name of an option");
    char *word = arena_text(p->arena, p->words[p->at].text);
    for (char *c = word; *c != 0; c++)
        *c = (char)toupper((unsigned char)*c);
    const char *near = nearest_word(word, option_names, ARRAY_LEN(option_names));
    return errmsg_set(p->reterr, ERR_SYNTAX, "COPY has no option %.100s%s%s; see HELP COPY", word,
                      near != NULL ? "; did you mean " : "", near != NULL ? near : "");
}

static enum err parse(struct parser *p, struct copy_request *r)
{
    struct bytes name;
    p->at++; /* COPY */
    if (!take_name(p, &r->table))
        return wanted(p, "the name of a table");
    if (next_is(p, ".")) {
        r->keyspace = r->table;
        if (!take_name(p, &name))
            return wanted(p, "the name of a table");
        r->table = name;
    }
    enum err err = take_columns(p, r);
    if (err == ERR_OK)
        err = take_file(p, r);
    if (err == ERR_OK && next_is(p, "WITH")) {
        do {
            err = take_option(p, &r->options);
        } while (err == ERR_OK && next_is(p, "AND"));
    }
    if (err == ERR_OK && p->at < p->count)
        return wanted(p, "WITH, AND or the end");
    return err;
}

enum err copy_parse(struct bytes text, struct arena *a, struct copy_request *ret_request,
                    struct errmsg *reterr)
{
    struct parser p = {.arena = a, .reterr = reterr};
    struct copy_request r = {.options = {.format = CSV_FORMAT_DEFAULT}};
    enum err err = ERR_OK;
#define X(name, preset, help)                                                                      \
    if (err == ERR_OK)                                                                             \
        err = set_option(&p, &r.options, COPY_OPTION_##name, bytes_text(preset));
    COPY_OPTION_LIST(X)
#undef X
    ASSERT(err == ERR_OK);
    struct bytes copy = arena_copy(a, text);
    p.words = arena_alloc(a, WORDS_MAX * sizeof *p.words);
    p.count = command_words((uint8_t *)(uintptr_t)copy.data, copy.len, p.words, WORDS_MAX);
    if (p.count == SIZE_MAX)
        return errmsg_set(reterr, ERR_SYNTAX, "COPY: a quote is not closed");
    err = parse(&p, &r);
    const struct csv_format *f = &r.options.format;
    if (err == ERR_OK && (f->delimiter == f->quote || f->delimiter == f->escape))
        err = errmsg_set(reterr, ERR_SYNTAX, "COPY: DELIMITER must differ from QUOTE and ESCAPE");
    if (err == ERR_OK)
        *ret_request = r;
    return err;
}

void copy_put_name(struct buf *out, struct bytes name)
{
    if (!cql_name_needs_quotes(name)) {
        buf_put_bytes(out, name);
        return;
    }
    csv_put_field(out, CSV_FORMAT_DEFAULT, name, true); /* the same rule: double what is inside */
}

void copy_put_table(struct buf *out, const struct copy_request *r)
{
    if (r->keyspace.len > 0) {
        copy_put_name(out, r->keyspace);
        buf_put_u8(out, '.');
    }
    copy_put_name(out, r->table);
}
