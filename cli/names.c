#include "cli/names.h"

#include "base/mem.h"
#include "cli/input.h"
#include "node/cql/grammar/keywords.h"
#include "node/cql/proto/names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static char *copy_text(struct bytes b)
{
    char *text = mem_alloc(b.len + 1);
    if (b.len > 0)
        memcpy(text, b.data, b.len);
    return text;
}

void names_clear(struct names *n)
{
    for (size_t i = 0; i < n->keyspaces_count; i++)
        mem_free(n->keyspaces[i]);
    for (size_t i = 0; i < n->tables_count; i++) {
        for (size_t j = 0; j < n->tables[i].count; j++)
            mem_free(n->tables[i].columns[j]);
        mem_free(n->tables[i].columns);
        mem_free(n->tables[i].keyspace);
        mem_free(n->tables[i].name);
    }
    mem_free(n->keyspaces);
    mem_free(n->tables);
    *n = (struct names){0};
}

void names_add_keyspace(struct names *n, struct bytes keyspace)
{
    n->keyspaces =
        mem_grow(n->keyspaces, n->keyspaces_count, &n->keyspaces_cap, sizeof *n->keyspaces);
    n->keyspaces[n->keyspaces_count++] = copy_text(keyspace);
}

void names_add_column(struct names *n, struct bytes keyspace, struct bytes table,
                      struct bytes column)
{
    struct names_table *t = n->tables_count > 0 ? &n->tables[n->tables_count - 1] : NULL;
    if (t == NULL || !bytes_equal_text(keyspace, t->keyspace) ||
        !bytes_equal_text(table, t->name)) {
        n->tables = mem_grow(n->tables, n->tables_count, &n->tables_cap, sizeof *n->tables);
        t = &n->tables[n->tables_count++];
        *t = (struct names_table){copy_text(keyspace), copy_text(table), NULL, 0, 0};
    }
    t->columns = mem_grow(t->columns, t->count, &t->cap, sizeof *t->columns);
    t->columns[t->count++] = copy_text(column);
}

/* --- completion */

struct candidates {
    struct completion c;
    struct arena *arena;
    struct bytes prefix;
};

static void offer(struct candidates *to, const char *word)
{
    size_t n = to->prefix.len;
    if (to->c.count == COMPLETION_MAX || strlen(word) < n ||
        (n > 0 && strncasecmp(word, (const char *)to->prefix.data, n) != 0))
        return;
    to->c.words = arena_grow(to->arena, to->c.words, to->c.count, &to->c.cap, sizeof *to->c.words);
    to->c.words[to->c.count++] = word;
}

/* A name as it must be typed. */
static void offer_name(struct candidates *to, const char *name)
{
    if (cql_name_needs_quotes(bytes_text(name)))
        name = arena_printf(to->arena, "\"%s\"", name);
    offer(to, name);
}

/* A keyword in the case of what was typed. */
static void offer_keyword(struct candidates *to, const char *word)
{
    bool lower = to->prefix.len > 0 && islower(to->prefix.data[to->prefix.len - 1]);
    if (lower) {
        char *copy = arena_text(to->arena, bytes_text(word));
        for (char *p = copy; *p != 0; p++)
            *p = (char)tolower((unsigned char)*p);
        word = copy;
    }
    offer(to, word);
}

static void offer_keywords(struct candidates *to)
{
    struct cql_keyword k;
    for (size_t i = 0; cql_keyword_at(i, &k); i++)
        offer_keyword(to, k.text);
}

static void offer_keyspaces(const struct names *n, struct candidates *to)
{
    for (size_t i = 0; i < n->keyspaces_count; i++)
        offer_name(to, n->keyspaces[i]);
}

static void offer_tables(const struct names *n, const char *keyspace, struct candidates *to)
{
    for (size_t i = 0; i < n->tables_count && keyspace != NULL; i++) {
        if (strcmp(n->tables[i].keyspace, keyspace) == 0)
            offer_name(to, n->tables[i].name);
    }
}

/* Columns of the tables that the statement names, or of all of the keyspace while it names none. */
static void offer_columns(const struct names *n, const char *keyspace, struct bytes text,
                          struct candidates *to)
{
    bool named = false;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n->tables_count && !(pass == 1 && named); i++) {
            const struct names_table *t = &n->tables[i];
            const uint8_t *at = memmem(text.data, text.len, t->name, strlen(t->name));
            bool here = keyspace != NULL && strcmp(t->keyspace, keyspace) == 0;
            bool whole = at != NULL && at > text.data && !isalnum(at[-1]) && at[-1] != '_';
            if (pass == 0 ? !whole : !here)
                continue;
            named = named || pass == 0;
            for (size_t j = 0; j < t->count; j++)
                offer_name(to, t->columns[j]);
        }
    }
}

static void offer_first_words(struct candidates *to)
{
    static const char *const starts[] = {"ALTER",    "BEGIN",  "CREATE", "DELETE", "DROP",
                                         "GRANT",    "INSERT", "LIST",   "REVOKE", "SELECT",
                                         "TRUNCATE", "UPDATE", "USE"};
    for (size_t i = 0; i < ARRAY_LEN(starts); i++)
        offer_keyword(to, starts[i]);
    for (size_t i = 0; i < COMMAND_NONE; i++)
        offer_keyword(to, commands[i].name);
}

static void offer_levels(struct candidates *to)
{
    for (unsigned i = 0; i < CQL_CL_COUNT; i++)
        offer_keyword(to, cql_consistency_name(i));
}

static bool in_word(uint8_t c)
{
    return isalnum(c) || c == '_' || c == '"';
}

static bool one_of(struct bytes word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(list[i]) == word.len &&
            strncasecmp(list[i], (const char *)word.data, word.len) == 0)
            return true;
    }
    return false;
}

/* The last word of `text`, and the text before it. */
static struct bytes last_word(struct bytes text, struct bytes *ret_before)
{
    while (text.len > 0 && isspace(text.data[text.len - 1]))
        text.len--;
    size_t from = text.len;
    while (from > 0 && in_word(text.data[from - 1]))
        from--;
    *ret_before = bytes_make(text.data, from);
    return bytes_make(text.data + from, text.len - from);
}

static void offer_after(const struct names *n, const char *keyspace, struct bytes text,
                        struct bytes before, struct candidates *to)
{
    static const char *const table_words[] = {"FROM",     "INTO", "UPDATE",   "TABLE", "COPY",
                                              "TRUNCATE", "ON",   "DESCRIBE", "DESC"};
    static const char *const keyspace_words[] = {"USE", "KEYSPACE"};
    static const char *const level_words[] = {"CONSISTENCY"};
    struct bytes rest;
    struct bytes word = last_word(before, &rest);
    if (one_of(word, level_words, ARRAY_LEN(level_words))) {
        offer_levels(to);
    } else if (one_of(word, keyspace_words, ARRAY_LEN(keyspace_words))) {
        offer_keyspaces(n, to);
    } else if (one_of(word, table_words, ARRAY_LEN(table_words))) {
        offer_tables(n, keyspace, to);
        offer_keyspaces(n, to);
        if (word.data[0] == 'd' || word.data[0] == 'D')
            offer_keywords(to);
    } else {
        offer_columns(n, keyspace, text, to);
        offer_keywords(to);
    }
}

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct completion names_complete(const struct names *n, const char *keyspace, struct bytes text,
                                 struct arena *a)
{
    struct candidates to = {.arena = a};
    struct input_item item;
    struct bytes rest = text, before;
    /* Only the last statement of the line counts. */
    while (input_next(rest, false, &item) != INPUT_MORE && item.used > 0)
        rest = bytes_make(rest.data + item.used, rest.len - item.used);
    size_t from = rest.len;
    while (from > 0 && in_word(rest.data[from - 1]))
        from--;
    to.prefix = bytes_make(rest.data + from, rest.len - from);
    to.c.typed = to.prefix.len;
    before = bytes_make(rest.data, from);
    struct bytes trimmed = before;
    while (trimmed.len > 0 && isspace(trimmed.data[trimmed.len - 1]))
        trimmed.len--;
    if (trimmed.len == 0) {
        offer_first_words(&to);
    } else if (from > 0 && rest.data[from - 1] == '.') {
        struct bytes left;
        struct bytes name = last_word(bytes_make(rest.data, from - 1), &left);
        if (name.len > 2 && name.data[0] == '"')
            name = bytes_make(name.data + 1, name.len - 2);
        offer_tables(n, arena_text(a, name), &to);
    } else {
        offer_after(n, keyspace, rest, before, &to);
    }
    if (to.c.count > 0)
        qsort(to.c.words, to.c.count, sizeof *to.c.words, compare_words);
    size_t kept = 0;
    for (size_t i = 0; i < to.c.count; i++) {
        if (kept == 0 || strcmp(to.c.words[kept - 1], to.c.words[i]) != 0)
            to.c.words[kept++] = to.c.words[i];
    }
    to.c.count = kept;
    return to.c;
}

size_t completion_common(const struct completion *c)
{
    if (c->count == 0)
        return 0;
    size_t n = strlen(c->words[0]);
    for (size_t i = 1; i < c->count; i++) {
        size_t same = 0;
        while (same < n && c->words[0][same] == c->words[i][same])
            same++;
        n = same;
    }
    return n;
}
