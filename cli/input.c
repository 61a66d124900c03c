#include "cli/input.h"

#include "node/cql/grammar/parse.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

const struct command_info commands[COMMAND_NONE] = {
#define X(name, arguments, help) {#name, arguments, help},
    COMMAND_LIST(X)
#undef X
};

enum command command_find(struct bytes word)
{
    if (bytes_equal_text(word, "?"))
        return COMMAND_HELP;
    for (int i = 0; i < COMMAND_NONE; i++) {
        if (strlen(commands[i].name) == word.len &&
            strncasecmp(commands[i].name, (const char *)word.data, word.len) == 0)
            return (enum command)i;
    }
    return COMMAND_NONE;
}

static bool begins(struct bytes text, size_t at, const char *mark)
{
    size_t n = strlen(mark);
    return text.len - at >= n && memcmp(text.data + at, mark, n) == 0;
}

/* Past space, comments and lone semicolons; SIZE_MAX when a comment is open. */
static size_t skip_blank(struct bytes text)
{
    size_t at = 0;
    while (at < text.len) {
        if (isspace(text.data[at]) || text.data[at] == ';') {
            at++;
        } else if (begins(text, at, "--") || begins(text, at, "//")) {
            const uint8_t *line = memchr(text.data + at, '\n', text.len - at);
            at = line != NULL ? (size_t)(line - text.data) + 1 : text.len;
        } else if (begins(text, at, "/*")) {
            const uint8_t *close = memmem(text.data + at + 2, text.len - at - 2, "*/", 2);
            if (close == NULL)
                return SIZE_MAX;
            at = (size_t)(close - text.data) + 2;
        } else {
            break;
        }
    }
    return at;
}

static struct bytes first_word(struct bytes text)
{
    size_t n = 0;
    while (n < text.len && (isalnum(text.data[n]) || text.data[n] == '_'))
        n++;
    if (n == 0 && text.len > 0)
        n = 1;
    return bytes_make(text.data, n);
}

/* The length of a command without its end; SIZE_MAX when it has none. */
static size_t command_len(struct bytes text, enum command command)
{
    uint8_t quote = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (quote != 0)
            quote = c == quote ? 0 : quote;
        else if (c == '\'' || c == '"')
            quote = c;
        else if (c == ';' || (c == '\n' && command != COMMAND_COPY))
            return i;
    }
    return SIZE_MAX;
}

static struct bytes trim_end(struct bytes text)
{
    while (text.len > 0 && isspace(text.data[text.len - 1]))
        text.len--;
    return text;
}

enum input_kind input_next(struct bytes text, bool ended, struct input_item *ret_item)
{
    size_t at = skip_blank(text);
    struct input_item item = {.command = COMMAND_NONE, .start = at};
    *ret_item = (struct input_item){.used = at == SIZE_MAX ? 0 : at, .blank = at == text.len};
    if (at == text.len || (at == SIZE_MAX && !ended))
        return INPUT_MORE;
    if (at == SIZE_MAX) /* a comment that never ends: the server says so */
        item.start = at = 0;
    struct bytes rest = bytes_make(text.data + at, text.len - at);
    item.command = command_find(first_word(rest));
    if (item.command != COMMAND_NONE) {
        size_t n = command_len(rest, item.command);
        if (n != SIZE_MAX || ended) {
            item.text = trim_end(bytes_make(rest.data, n != SIZE_MAX ? n : rest.len));
            item.used = n != SIZE_MAX ? at + n + 1 : text.len;
            *ret_item = item;
            return INPUT_COMMAND;
        }
    } else {
        size_t n;
        bool blank;
        bool whole = cql_split_statement(rest, &n, &blank);
        if (whole || ended) {
            n = whole ? n : rest.len;
            item.text = trim_end(bytes_make(rest.data, n));
            item.used = at + n;
            *ret_item = item;
            return INPUT_CQL;
        }
    }
    ret_item->blank = false;
    return INPUT_MORE;
}

/* Undo the quotes in place: from behind the opening one. SIZE_MAX when it never closes. */
static size_t unquote(uint8_t *text, size_t len, size_t at, uint8_t quote, struct bytes *ret)
{
    size_t n = at, from = at;
    while (at < len) {
        uint8_t c = text[at++];
        if (c == quote && (at == len || text[at] != quote)) {
            *ret = bytes_make(text + from, n - from);
            return at;
        }
        at += c == quote;
        text[n++] = c;
    }
    return SIZE_MAX;
}

size_t command_words(uint8_t *text, size_t len, struct word *ret_words, size_t max)
{
    size_t count = 0, at = 0;
    while (true) {
        while (at < len && isspace(text[at]))
            at++;
        if (at == len)
            return count;
        if (count == max)
            return SIZE_MAX;
        struct word w = {.text = BYTES_NONE};
        uint8_t c = text[at];
        size_t from = at;
        if (c == '\'' || c == '"') {
            w.string = c == '\'';
            w.name = c == '"';
            at = unquote(text, len, at + 1, c, &w.text);
            if (at == SIZE_MAX)
                return SIZE_MAX;
        } else if (strchr("(),=.;", c) != NULL && c != 0) {
            w.text = bytes_make(text + at++, 1);
        } else {
            while (at < len && !isspace(text[at]) && strchr("(),=.;'\"", text[at]) == NULL)
                at++;
            w.text = bytes_make(text + from, at - from);
        }
        ret_words[count++] = w;
    }
}

bool word_is(const struct word *w, const char *text)
{
    return !w->string && !w->name && w->text.len == strlen(text) &&
           strncasecmp((const char *)w->text.data, text, w->text.len) == 0;
}
