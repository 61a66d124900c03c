/* type_parse.c - CQL text of types, and identifiers as CQL text. Recursive descent over
 *
 *   type = name | "list" "<" type ">" | "set" "<" type ">" | "map" "<" type "," type ">"
 *        | "tuple" "<" type {"," type} ">" | "vector" "<" type "," integer ">"
 *        | "frozen" "<" type ">" | [name "."] name | "'" class "'"
 */
#include "node/schema/type.h"
#include "node/schema/type_print.h"

#include <stdlib.h>
#include <string.h>

struct parser {
    struct bytes text;
    size_t at;
    struct arena *arena;
    struct errmsg *err;
    enum err failed;
    unsigned frozens; /* frozen<> around where we are; they nest no deeper than types do */
};

static const struct cql_type *parse(struct parser *p, bool in_frozen, unsigned depth);

static const struct cql_type *fail_syntax(struct parser *p)
{
    if (p->failed == ERR_OK)
        p->failed = errmsg_set(p->err, ERR_SYNTAX, "Syntax error in type '%.*s' at character %zu",
                               (int)(p->text.len < 200 ? p->text.len : 200),
                               p->text.len > 0 ? (const char *)p->text.data : "", p->at);
    return NULL;
}

/* "sentence: type" */
static const struct cql_type *fail_invalid(struct parser *p, const char *sentence,
                                           const struct cql_type *type)
{
    if (p->failed == ERR_OK)
        p->failed =
            errmsg_set(p->err, ERR_INVALID, "%s: %s", sentence, cql_type_text(p->arena, type));
    return NULL;
}

static const struct cql_type *fail_depth(struct parser *p)
{
    if (p->failed == ERR_OK)
        p->failed = errmsg_set(p->err, ERR_INVALID, "Type is nested deeper than %d levels",
                               CQL_TYPE_DEPTH_MAX);
    return NULL;
}

static int peek(struct parser *p)
{
    while (p->at < p->text.len && (p->text.data[p->at] == ' ' || p->text.data[p->at] == '\t' ||
                                   p->text.data[p->at] == '\n' || p->text.data[p->at] == '\r'))
        p->at++;
    return p->at < p->text.len ? p->text.data[p->at] : -1;
}

static bool take(struct parser *p, char c)
{
    if (p->failed != ERR_OK || peek(p) != c)
        return false;
    p->at++;
    return true;
}

static bool is_letter(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

/* An identifier: folded to lower case, or as it stands between double quotes. NULL when there is
 * none. */
static char *take_name(struct parser *p, bool *ret_quoted)
{
    int c = peek(p);
    size_t n = 0;
    *ret_quoted = c == '"';
    if (c == '"') {
        char *name = arena_alloc(p->arena, p->text.len - p->at);
        for (size_t i = p->at + 1; i < p->text.len; i++) {
            if (p->text.data[i] == 0)
                return NULL;
            if (p->text.data[i] == '"') {
                if (i + 1 >= p->text.len || p->text.data[i + 1] != '"') {
                    p->at = i + 1;
                    name[n] = 0;
                    return n > 0 ? name : NULL;
                }
                i++;
            }
            name[n++] = (char)p->text.data[i];
        }
        return NULL;
    }
    if (!is_letter(c))
        return NULL;
    while (p->at + n < p->text.len &&
           (is_letter(p->text.data[p->at + n]) || is_digit(p->text.data[p->at + n]) ||
            p->text.data[p->at + n] == '_'))
        n++;
    char *name = arena_text(p->arena, bytes_make(p->text.data + p->at, n));
    for (size_t i = 0; i < n; i++) {
        if (name[i] >= 'A' && name[i] <= 'Z')
            name[i] = (char)(name[i] - 'A' + 'a');
    }
    p->at += n;
    return name;
}

static const struct cql_type *parse_collection(struct parser *p, enum cql_kind kind, bool frozen,
                                               unsigned depth)
{
    const struct cql_type *second = NULL;
    const struct cql_type *first = parse(p, frozen, depth);
    if (first != NULL && kind == CQL_MAP) {
        if (!take(p, ','))
            return fail_syntax(p);
        second = parse(p, frozen, depth);
        if (second == NULL)
            return NULL;
    }
    if (first == NULL)
        return NULL;
    if (!take(p, '>'))
        return fail_syntax(p);
    if (kind == CQL_LIST)
        return cql_type_list(p->arena, first, frozen);
    if (kind == CQL_SET)
        return cql_type_set(p->arena, first, frozen);
    return cql_type_map(p->arena, first, second, frozen);
}

static const struct cql_type *parse_tuple(struct parser *p, unsigned depth)
{
    const struct cql_type **items = NULL;
    size_t cap = 0;
    uint32_t count = 0;
    do {
        items = arena_grow(p->arena, items, count, &cap, sizeof *items);
        items[count] = parse(p, true, depth);
        if (items[count] == NULL)
            return NULL;
        count++;
    } while (count < CQL_TYPE_ITEMS_MAX && take(p, ','));
    if (!take(p, '>'))
        return fail_syntax(p);
    struct cql_type *t = arena_new(p->arena, struct cql_type);
    *t = (struct cql_type){.kind = CQL_TUPLE, .frozen = true, .count = count, .items = items};
    return t;
}

static const struct cql_type *parse_vector(struct parser *p, bool in_frozen, unsigned depth)
{
    const struct cql_type **items = arena_array(p->arena, const struct cql_type *, 1);
    items[0] = parse(p, in_frozen, depth);
    if (items[0] == NULL)
        return NULL;
    bool negative = take(p, ',') && take(p, '-');
    if (!is_digit(peek(p)))
        return fail_syntax(p);
    uint64_t n = 0;
    while (is_digit(peek(p)) && n <= INT32_MAX)
        n = n * 10 + (uint64_t)(p->text.data[p->at++] - '0');
    if (n > INT32_MAX || !take(p, '>'))
        return fail_syntax(p);
    if (n == 0 || negative) {
        p->failed =
            errmsg_set(p->err, ERR_INVALID, "vectors may only have positive dimensions; given %s%u",
                       negative && n > 0 ? "-" : "", (unsigned)n);
        return NULL;
    }
    struct cql_type *t = arena_new(p->arena, struct cql_type);
    *t =
        (struct cql_type){.kind = CQL_VECTOR, .count = 1, .dimension = (uint32_t)n, .items = items};
    return t;
}

static const struct cql_type *parse_frozen(struct parser *p, unsigned depth)
{
    if (++p->frozens > 2 * CQL_TYPE_DEPTH_MAX)
        return fail_depth(p);
    const struct cql_type *t = parse(p, true, depth);
    p->frozens--;
    if (t == NULL)
        return NULL;
    if (!take(p, '>'))
        return fail_syntax(p);
    if (cql_type_native(t->kind) == NULL)
        return t;
    p->failed = errmsg_set(p->err, ERR_SYNTAX,
                           "frozen<> is only allowed on collections, tuples, and user-defined "
                           "types (got %s)",
                           cql_type_text(p->arena, t));
    return NULL;
}

static const struct cql_type *parse_udt(struct parser *p, char *name, bool frozen)
{
    struct cql_type *t = arena_new(p->arena, struct cql_type);
    *t = (struct cql_type){.kind = CQL_UDT, .frozen = frozen, .name = name};
    if (take(p, '.')) {
        bool quoted;
        t->keyspace = name;
        t->name = take_name(p, &quoted);
        if (t->name == NULL)
            return fail_syntax(p);
    }
    return t;
}

/* The type that a bare name stands for; NULL: none of the language's. */
static const struct cql_type *parse_scalar(const char *name)
{
    static const struct {
        const char *name;
        enum cql_kind kind;
    } names[] = {
#define X(name, number, text) {text, CQL_##name},
        CQL_SCALARS(X)
#undef X
            {"varchar", CQL_TEXT}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i].name) == 0)
            return cql_type_native(names[i].kind);
    }
    return NULL;
}

/* 'org.apache...' between quotes. */
static const struct cql_type *parse_class(struct parser *p)
{
    const struct cql_type *type = NULL;
    size_t n = 0;
    uint8_t *name = arena_alloc(p->arena, p->text.len - p->at);
    for (p->at++; p->at < p->text.len; p->at++) {
        if (p->text.data[p->at] == '\'' &&
            (p->at + 1 == p->text.len || p->text.data[++p->at] != '\'')) {
            if (p->text.data[p->at] == '\'')
                p->at++;
            p->failed = cql_type_from_class(p->arena, bytes_make(name, n), &type, p->err);
            return p->failed == ERR_OK ? type : NULL;
        }
        name[n++] = p->text.data[p->at];
    }
    return fail_syntax(p);
}

static const struct cql_type *parse(struct parser *p, bool in_frozen, unsigned depth)
{
    bool quoted;
    if (depth >= CQL_TYPE_DEPTH_MAX)
        return fail_depth(p);
    if (peek(p) == '\'')
        return parse_class(p);
    char *name = take_name(p, &quoted);
    if (name == NULL)
        return fail_syntax(p);
    const struct cql_type *scalar = quoted ? NULL : parse_scalar(name);
    if (scalar != NULL)
        return scalar;
    if (quoted || !take(p, '<'))
        return parse_udt(p, name, in_frozen);
    if (strcmp(name, "frozen") == 0)
        return parse_frozen(p, depth);
    if (strcmp(name, "list") == 0)
        return parse_collection(p, CQL_LIST, in_frozen, depth + 1);
    if (strcmp(name, "set") == 0)
        return parse_collection(p, CQL_SET, in_frozen, depth + 1);
    if (strcmp(name, "map") == 0)
        return parse_collection(p, CQL_MAP, in_frozen, depth + 1);
    if (strcmp(name, "tuple") == 0)
        return parse_tuple(p, depth + 1);
    if (strcmp(name, "vector") == 0)
        return parse_vector(p, in_frozen, depth + 1);
    return fail_syntax(p);
}

/* What CQL forbids, from the outside in, as Cassandra looks. */
static bool check(struct parser *p, const struct cql_type *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        const struct cql_type *item = t->items[i];
        if (item->kind == CQL_COUNTER && t->kind == CQL_TUPLE) {
            p->failed = errmsg_set(p->err, ERR_INVALID, "Counters are not allowed inside tuples");
            return false;
        }
        if (!cql_type_is_collection(t))
            continue;
        if (item->kind == CQL_COUNTER)
            return fail_invalid(p, "Counters are not allowed inside collections", t) != NULL;
        if (cql_type_is_multicell(item))
            return fail_invalid(p,
                                item->kind == CQL_UDT
                                    ? "Non-frozen UDTs are not allowed inside collections"
                                    : "Non-frozen collections are not allowed inside collections",
                                t) != NULL;
    }
    bool keyed = t->kind == CQL_SET || t->kind == CQL_MAP;
    if (keyed && t->items[0]->kind == CQL_DURATION)
        return fail_invalid(p,
                            t->kind == CQL_SET ? "Durations are not allowed inside sets"
                                               : "Durations are not allowed as map keys",
                            t) != NULL;
    for (uint32_t i = 0; i < t->count && t->kind != CQL_UDT; i++) {
        if (!check(p, t->items[i]))
            return false;
    }
    return true;
}

enum err cql_type_parse(struct arena *a, struct bytes text, const struct cql_type **ret_type,
                        struct errmsg *ret_err)
{
    struct parser p = {.text = text, .arena = a, .err = ret_err};
    const struct cql_type *t = parse(&p, false, 0);
    if (t != NULL && peek(&p) != -1)
        fail_syntax(&p);
    if (t != NULL && p.failed == ERR_OK)
        (void)check(&p, t);
    if (p.failed != ERR_OK)
        return p.failed;
    *ret_type = t;
    return ERR_OK;
}

/* The keywords that Cassandra 5.0 reserves, sorted: all others may be names. */
static const char *const reserved[] = {
    "add",      "allow",    "alter",        "and",          "apply",  "asc",         "authorize",
    "batch",    "begin",    "by",           "columnfamily", "create", "delete",      "desc",
    "describe", "drop",     "entries",      "execute",      "from",   "full",        "grant",
    "if",       "in",       "index",        "infinity",     "insert", "into",        "is",
    "keyspace", "limit",    "materialized", "modify",       "nan",    "norecursive", "not",
    "null",     "of",       "on",           "or",           "order",  "primary",     "rename",
    "revoke",   "schema",   "select",       "set",          "table",  "to",          "token",
    "truncate", "unlogged", "update",       "use",          "using",  "view",        "where",
    "with"};

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool cql_name_is_reserved(const char *name)
{
    return bsearch(&name, reserved, ARRAY_LEN(reserved), sizeof *reserved, compare_text) != NULL;
}

static void print_quoted(const char *name, struct buf *out)
{
    buf_put_u8(out, '"');
    for (const char *c = name; *c != 0; c++) {
        if (*c == '"')
            buf_put_u8(out, '"');
        buf_put_u8(out, (uint8_t)*c);
    }
    buf_put_u8(out, '"');
}

void cql_name_print(const char *name, struct buf *out)
{
    bool bare = name[0] >= 'a' && name[0] <= 'z';
    for (const char *c = name; *c != 0 && bare; c++)
        bare = (*c >= 'a' && *c <= 'z') || is_digit(*c) || *c == '_';
    if (bare && !cql_name_is_reserved(name))
        buf_put_text(out, name);
    else
        print_quoted(name, out);
}

void type_print_udt(const char *name, struct buf *out)
{
    if (parse_scalar(name) != NULL)
        print_quoted(name, out);
    else
        cql_name_print(name, out);
}
