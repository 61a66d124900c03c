#include "cli/convert.h"

#include "base/mem.h"

#include <string.h>
#include <strings.h>

#define NEST_MAX 32

static struct bytes trimmed(struct bytes t)
{
    while (t.len > 0 && (t.data[0] == ' ' || t.data[0] == '\t'))
        t = bytes_make(t.data + 1, t.len - 1);
    while (t.len > 0 && (t.data[t.len - 1] == ' ' || t.data[t.len - 1] == '\t'))
        t.len--;
    return t;
}

static bool is_word(struct bytes t, const char *word)
{
    return t.len == strlen(word) && strncasecmp((const char *)t.data, word, t.len) == 0;
}

static bool is_integer(struct bytes t)
{
    size_t i = t.len > 0 && (t.data[0] == '-' || t.data[0] == '+');
    if (i == t.len)
        return false;
    for (; i < t.len; i++) {
        if (t.data[i] < '0' || t.data[i] > '9')
            return false;
    }
    return true;
}

static enum err refuse(const struct cql_type *type, struct bytes text, const char *target,
                       struct errmsg *reterr)
{
    struct buf name;
    buf_init(&name, 256);
    cql_type_print(type, &name);
    errmsg_set(reterr, ERR_INVALID, "column %s: \"%.*s\" is no %.*s", target,
               (int)(text.len < 100 ? text.len : 100), text.len > 0 ? (const char *)text.data : "",
               (int)name.len, (const char *)name.data);
    buf_close(&name);
    return ERR_INVALID;
}

/* The kind of constant that a text stands for when it fills a column of this type. */
static enum literal_kind kind_for(const struct cql_type *type, struct bytes t)
{
    switch (type->kind) {
    case CQL_BIGINT:
    case CQL_COUNTER:
    case CQL_INT:
    case CQL_SMALLINT:
    case CQL_TINYINT:
    case CQL_VARINT: return LITERAL_INTEGER;
    case CQL_DECIMAL:
    case CQL_DOUBLE:
    case CQL_FLOAT: return LITERAL_FLOAT;
    case CQL_BLOB: return LITERAL_HEX;
    case CQL_BOOLEAN: return LITERAL_BOOLEAN;
    case CQL_UUID:
    case CQL_TIMEUUID: return LITERAL_UUID;
    case CQL_DURATION: return LITERAL_DURATION;
    case CQL_TIMESTAMP: return is_integer(t) ? LITERAL_INTEGER : LITERAL_STRING;
    default: return LITERAL_STRING;
    }
}

static enum err scalar(const struct cql_type *type, struct bytes text, const char *target,
                       struct buf *out, struct errmsg *reterr)
{
    if (type->kind == CQL_TEXT || type->kind == CQL_ASCII) {
        if (value_validate(type, text, NULL) != ERR_OK)
            return refuse(type, text, target, reterr);
        buf_put_bytes(out, text);
        return ERR_OK;
    }
    struct bytes t = trimmed(text);
    enum literal_kind kind = kind_for(type, t);
    if (t.len == 0)
        return refuse(type, text, target, reterr);
    if ((kind == LITERAL_INTEGER || kind == LITERAL_FLOAT) && t.data[0] == '+')
        t = bytes_make(t.data + 1, t.len - 1);
    if (kind == LITERAL_HEX) {
        if (t.len < 2 || t.data[0] != '0' || (t.data[1] | 0x20) != 'x')
            return refuse(type, text, target, reterr);
        t = bytes_make(t.data + 2, t.len - 2);
    }
    if (kind == LITERAL_BOOLEAN) {
        if (is_word(t, "1") || is_word(t, "true"))
            t = BYTES_LIT("true");
        else if (is_word(t, "0") || is_word(t, "false"))
            t = BYTES_LIT("false");
        else
            return refuse(type, text, target, reterr);
    }
    size_t before = out->len;
    if (value_from_literal(type, kind, t, target, out, NULL) == ERR_OK)
        return ERR_OK;
    out->len = before;
    return refuse(type, text, target, reterr);
}

/* --- collections */

struct literal {
    struct bytes whole;
    const uint8_t *at;
    const uint8_t *end;
    const char *target;
    struct arena *arena;
    struct errmsg *reterr;
};

static enum err element(struct literal *l, const struct cql_type *type, unsigned depth,
                        struct buf *out);

static void skip_space(struct literal *l)
{
    while (l->at < l->end && (*l->at == ' ' || *l->at == '\t' || *l->at == '\n' || *l->at == '\r'))
        l->at++;
}

static bool eat(struct literal *l, uint8_t c)
{
    skip_space(l);
    if (l->at == l->end || *l->at != c)
        return false;
    l->at++;
    return true;
}

/* 'quoted', doubled quotes undone in the arena; false when it never closes. */
static bool quoted(struct literal *l, struct bytes *ret)
{
    uint8_t *copy = arena_alloc(l->arena, (size_t)(l->end - l->at) + 1);
    size_t n = 0;
    while (l->at < l->end) {
        uint8_t c = *l->at++;
        if (c == '\'' && (l->at == l->end || *l->at != '\'')) {
            *ret = bytes_make(copy, n);
            return true;
        }
        l->at += c == '\'';
        copy[n++] = c;
    }
    return false;
}

/* A bare constant ends at what may follow an element. A colon ends a key of a map only when the
 * type has none in itself (inet, time and timestamp do, and are printed in quotes). */
static struct bytes bare(struct literal *l)
{
    const uint8_t *from = l->at;
    while (l->at < l->end && memchr(",:]})", *l->at, 5) == NULL)
        l->at++;
    return bytes_make(from, (size_t)(l->at - from));
}

static enum err broken(struct literal *l, const struct cql_type *type)
{
    return refuse(type, l->whole, l->target, l->reterr);
}

/* `null` where a part of a tuple may stand; None is how cqlsh prints it. */
static bool eat_null(struct literal *l)
{
    static const char *const words[] = {"null", "None"};
    skip_space(l);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (l->end - l->at >= 4 && memcmp(l->at, words[i], 4) == 0) {
            l->at += 4;
            return true;
        }
    }
    return false;
}

/* The number of the field whose name and colon come next; -1: none. */
static int field(struct literal *l, const struct cql_type *type)
{
    struct bytes name;
    skip_space(l);
    bool in_quotes = l->at < l->end && *l->at == '\'';
    l->at += in_quotes;
    if (in_quotes && !quoted(l, &name))
        return -1;
    if (!in_quotes)
        name = trimmed(bare(l));
    return eat(l, ':') ? cql_type_field(type, name) : -1;
}

/* (a, b), {field: a, other: b}, [a, b] of a vector. */
static enum err parts(struct literal *l, const struct cql_type *type, unsigned depth,
                      struct buf *out)
{
    const char *ends = type->kind == CQL_TUPLE ? "()" : type->kind == CQL_UDT ? "{}" : "[]";
    size_t max = type->kind == CQL_VECTOR ? type->dimension : type->count;
    struct value_part *of = NULL;
    size_t count = 0, cap = 0;
    if (depth > NEST_MAX || !eat(l, (uint8_t)ends[0]))
        return broken(l, type);
    for (; type->kind == CQL_UDT && count < max; count++) {
        of = arena_grow(l->arena, of, count, &cap, sizeof *of);
        of[count] = (struct value_part){.null = true};
    }
    for (size_t n = 0; !eat(l, (uint8_t)ends[1]); n++) {
        struct buf item;
        if (n == max || (n > 0 && !eat(l, ',')))
            return broken(l, type);
        int at = type->kind == CQL_UDT ? field(l, type) : (int)n;
        if (at < 0)
            return broken(l, type);
        if (type->kind != CQL_UDT) {
            of = arena_grow(l->arena, of, count, &cap, sizeof *of);
            of[count++] = (struct value_part){.null = true};
        }
        if (type->kind != CQL_VECTOR && eat_null(l))
            continue;
        buf_init(&item, out->max);
        enum err err =
            element(l, type->items[type->kind == CQL_VECTOR ? 0 : (size_t)at], depth + 1, &item);
        of[at] = (struct value_part){.bytes = arena_copy(l->arena, buf_bytes(&item))};
        buf_close(&item);
        if (err != ERR_OK)
            return err;
    }
    if (type->kind == CQL_VECTOR && count != max)
        return broken(l, type);
    if (type->kind == CQL_VECTOR)
        value_vector_build(type, of, out);
    else
        value_tuple_build(of, count, out);
    return ERR_OK;
}

static enum err collection(struct literal *l, const struct cql_type *type, unsigned depth,
                           struct buf *out)
{
    bool list = type->kind == CQL_LIST;
    struct bytes *items = NULL;
    size_t count = 0, cap = 0;
    if (!cql_type_is_collection(type))
        return parts(l, type, depth, out);
    if (depth > NEST_MAX || !eat(l, list ? '[' : '{'))
        return broken(l, type);
    while (!eat(l, list ? ']' : '}')) {
        struct buf item;
        if (count > 0 && !eat(l, count % type->count == 1 ? ':' : ','))
            return broken(l, type);
        if (count >= VALUE_ITEMS_MAX * (size_t)type->count)
            return errmsg_set(l->reterr, ERR_INVALID, "column %s: more than %d elements", l->target,
                              VALUE_ITEMS_MAX);
        buf_init(&item, out->max);
        enum err err = element(l, type->items[count % type->count], depth + 1, &item);
        items = arena_grow(l->arena, items, count, &cap, sizeof *items);
        items[count++] = arena_copy(l->arena, buf_bytes(&item));
        buf_close(&item);
        if (err != ERR_OK)
            return err;
    }
    if (count % type->count != 0)
        return broken(l, type);
    return value_collection_build(type, items, count, out, l->reterr);
}

static enum err element(struct literal *l, const struct cql_type *type, unsigned depth,
                        struct buf *out)
{
    struct bytes text;
    if (type->count > 0)
        return collection(l, type, depth, out);
    skip_space(l);
    bool in_quotes = l->at < l->end && *l->at == '\'';
    l->at += in_quotes;
    if (!in_quotes)
        text = bare(l);
    else if (!quoted(l, &text))
        return broken(l, type);
    if (!in_quotes && (type->kind == CQL_TEXT || type->kind == CQL_ASCII))
        text = trimmed(text);
    return scalar(type, text, l->target, out, l->reterr);
}

enum err convert_text(const struct cql_type *type, struct bytes text, const char *target,
                      struct buf *out, struct errmsg *reterr)
{
    if (type->count == 0)
        return scalar(type, text, target, out, reterr);
    struct arena arena;
    arena_init(&arena);
    struct literal l = {text, text.data, text.data + text.len, target, &arena, reterr};
    size_t before = out->len;
    enum err err = collection(&l, type, 0, out);
    skip_space(&l);
    if (err == ERR_OK && l.at != l.end)
        err = broken(&l, type);
    if (err != ERR_OK)
        out->len = before;
    arena_close(&arena);
    return err;
}

/* 2026-01-02 03:04:05.006+0000: cqlsh's COPY FROM takes a time behind a T for midnight. */
static void print_timestamp(struct bytes value, struct buf *out)
{
    size_t at = out->len;
    value_print(cql_type_native(CQL_TIMESTAMP), value, out);
    for (size_t i = at; i < out->len; i++) {
        if (out->data[i] == 'T')
            out->data[i] = ' ';
    }
    if (out->len > at) {
        out->len--;
        buf_put_text(out, "+0000");
    }
}

void convert_print(const struct cql_type *type, struct bytes value, struct buf *out)
{
    bool valid = value_validate(type, value, NULL) == ERR_OK;
    if (valid && type->kind == CQL_TIMESTAMP)
        print_timestamp(value, out);
    else if (valid)
        value_print(type, value, out);
    else /* shown as bytes, so that reading it back fails rather than makes a null of it */
        value_print(cql_type_native(CQL_BLOB), value, out);
}
