#include "node/schema/json.h"

#include "base/mem.h"

#include <string.h>

struct scanner {
    struct bytes text;
    size_t at;
    size_t line, line_start;
    size_t values;
    struct arena *arena;
    struct errmsg *err;
};

static enum err fail(struct scanner *s, const char *what)
{
    return errmsg_set(s->err, ERR_INVALID, "%s: line %zu, column %zu", what, s->line,
                      s->at - s->line_start + 1);
}

static enum err unexpected(struct scanner *s, const char *expected)
{
    if (s->at >= s->text.len)
        return fail(s, s->values == 0 ? "No content to map due to end-of-input"
                                      : "Unexpected end-of-input");
    uint8_t c = s->text.data[s->at];
    char what[160];
    struct buf b;
    buf_init(&b, sizeof what);
    if (c >= 0x20 && c < 0x7f)
        buf_printf(&b, "Unexpected character ('%c' (code %d)): %s", c, c, expected);
    else
        buf_printf(&b, "Unexpected character (code %d): %s", c, expected);
    size_t n = b.len < sizeof what - 1 ? b.len : sizeof what - 1;
    if (n > 0)
        memcpy(what, b.data, n);
    what[n] = 0;
    buf_close(&b);
    return fail(s, what);
}

static void skip_space(struct scanner *s)
{
    for (; s->at < s->text.len; s->at++) {
        uint8_t c = s->text.data[s->at];
        if (c == '\n') {
            s->line++;
            s->line_start = s->at + 1;
        } else if (c != ' ' && c != '\t' && c != '\r') {
            break;
        }
    }
}

static bool take(struct scanner *s, uint8_t c)
{
    if (s->at >= s->text.len || s->text.data[s->at] != c)
        return false;
    s->at++;
    return true;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static size_t take_digits(struct scanner *s)
{
    size_t start = s->at;
    while (s->at < s->text.len && is_digit(s->text.data[s->at]))
        s->at++;
    return s->at - start;
}

static enum err read_number(struct scanner *s, struct json *ret)
{
    size_t start = s->at;
    take(s, '-');
    size_t first = s->at;
    size_t digits = take_digits(s);
    if (digits == 0)
        return unexpected(s, "expected digit (0-9) to follow minus sign");
    if (digits > 1 && s->text.data[first] == '0') {
        s->at = first;
        return fail(s, "Invalid numeric value: Leading zeroes not allowed");
    }
    if (take(s, '.')) {
        ret->real = true;
        if (take_digits(s) == 0)
            return unexpected(s, "Decimal point not followed by a digit");
    }
    if (take(s, 'e') || take(s, 'E')) {
        ret->real = true;
        if (!take(s, '-'))
            take(s, '+');
        if (take_digits(s) == 0)
            return unexpected(s, "Exponent indicator not followed by a digit");
    }
    ret->kind = JSON_NUMBER;
    ret->text = bytes_make(s->text.data + start, s->at - start);
    return ERR_OK;
}

/* --- strings */

static int hex_digit(uint8_t c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex4(struct scanner *s, uint32_t *ret)
{
    uint32_t v = 0;
    if (s->text.len - s->at < 4)
        return false;
    for (size_t i = 0; i < 4; i++) {
        int d = hex_digit(s->text.data[s->at + i]);
        if (d < 0)
            return false;
        v = v << 4 | (uint32_t)d;
    }
    s->at += 4;
    *ret = v;
    return true;
}

static uint8_t *put_utf8(uint8_t *to, uint32_t c)
{
    static const uint8_t leads[] = {0, 0xc0, 0xe0, 0xf0};
    if (c < 0x80) {
        *to++ = (uint8_t)c;
        return to;
    }
    unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    *to++ = (uint8_t)(leads[more] | c >> (6 * more));
    while (more-- > 0)
        *to++ = (uint8_t)(0x80 | (c >> (6 * more) & 0x3f));
    return to;
}

/* Behind "\u". Half of a pair alone is what Java writes for it: a question mark. */
static bool read_unicode(struct scanner *s, uint8_t **to)
{
    uint32_t c, low;
    if (!read_hex4(s, &c))
        return false;
    if (c >= 0xd800 && c < 0xdc00 && s->text.len - s->at >= 6 &&
        memcmp(s->text.data + s->at, "\\u", 2) == 0) {
        size_t back = s->at;
        s->at += 2;
        if (!read_hex4(s, &low))
            return false;
        if (low >= 0xdc00 && low < 0xe000)
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        else
            s->at = back;
    }
    *to = put_utf8(*to, c >= 0xd800 && c < 0xe000 ? '?' : c);
    return true;
}

static enum err read_escape(struct scanner *s, uint8_t **to)
{
    static const char from[] = "\"\\/bfnrt";
    static const char means[] = "\"\\/\b\f\n\r\t";
    if (s->at >= s->text.len)
        return unexpected(s, "");
    uint8_t c = s->text.data[s->at];
    const char *found = c == 0 ? NULL : strchr(from, c);
    if (found != NULL) {
        *(*to)++ = (uint8_t)means[found - from];
        s->at++;
        return ERR_OK;
    }
    if (c != 'u')
        return fail(s, "Unrecognized character escape");
    s->at++;
    return read_unicode(s, to)
               ? ERR_OK
               : unexpected(s, "expected a hex-digit for character escape sequence");
}

/* The opening quote was taken. A view when there is nothing to unescape. */
static enum err read_string(struct scanner *s, struct bytes *ret)
{
    size_t start = s->at;
    size_t end = start;
    bool escapes = false;
    while (end < s->text.len && s->text.data[end] != '"') {
        if (s->text.data[end] < 0x20) {
            s->at = end;
            return fail(s, "Illegal unquoted character: has to be escaped using backslash to be "
                           "included in string value");
        }
        escapes = escapes || s->text.data[end] == '\\';
        end += s->text.data[end] == '\\' ? 2 : 1;
    }
    if (end >= s->text.len) {
        s->at = s->text.len;
        return fail(s, "Unexpected end-of-input in a string");
    }
    if (!escapes) {
        s->at = end + 1;
        *ret = bytes_make(s->text.data + start, end - start);
        return ERR_OK;
    }
    uint8_t *room =
        arena_alloc(s->arena, end - start); /* an escape is never shorter than it means */
    uint8_t *to = room;
    while (s->at < end) {
        uint8_t c = s->text.data[s->at++];
        if (c != '\\') {
            *to++ = c;
            continue;
        }
        enum err err = read_escape(s, &to);
        if (err != ERR_OK)
            return err;
    }
    s->at = end + 1;
    *ret = bytes_make(room, (size_t)(to - room));
    return ERR_OK;
}

/* --- values */

static enum err read_value(struct scanner *s, unsigned depth, struct json *ret);

/* Items are gathered in a list that doubles; objects have a name before each. */
static enum err read_items(struct scanner *s, unsigned depth, struct json *ret)
{
    bool object = ret->kind == JSON_OBJECT;
    uint8_t close = object ? '}' : ']';
    size_t cap = 0, names_cap = 0;
    skip_space(s);
    if (take(s, close))
        return ERR_OK;
    do {
        struct bytes name = BYTES_NONE;
        struct json value;
        enum err err = ERR_OK;
        skip_space(s);
        if (object) {
            if (!take(s, '"'))
                return unexpected(s, "was expecting double-quote to start field name");
            err = read_string(s, &name);
            if (err != ERR_OK)
                return err;
            skip_space(s);
            if (!take(s, ':'))
                return unexpected(s, "was expecting a colon to separate field name and value");
        }
        err = read_value(s, depth + 1, &value);
        if (err != ERR_OK)
            return err;
        ret->items = arena_grow(s->arena, ret->items, ret->count, &cap, sizeof *ret->items);
        if (object)
            ret->names =
                arena_grow(s->arena, ret->names, ret->count, &names_cap, sizeof *ret->names);
        if (object)
            ret->names[ret->count] = name;
        ret->items[ret->count++] = value;
        skip_space(s);
    } while (take(s, ','));
    if (!take(s, close))
        return unexpected(s, object ? "was expecting comma to separate Object entries"
                                    : "was expecting comma to separate Array entries");
    return ERR_OK;
}

static bool take_word(struct scanner *s, const char *word, enum json_kind kind, struct json *ret)
{
    size_t n = strlen(word);
    if (s->text.len - s->at < n || memcmp(s->text.data + s->at, word, n) != 0)
        return false;
    size_t next = s->at + n;
    uint8_t after = next < s->text.len ? s->text.data[next] : ' ';
    if ((after | 0x20) >= 'a' && (after | 0x20) <= 'z')
        return false;
    s->at = next;
    ret->kind = kind;
    return true;
}

static enum err bad_word(struct scanner *s)
{
    size_t n = 0;
    char what[160];
    while (s->at + n < s->text.len && n < 40 && (s->text.data[s->at + n] | 0x20) >= 'a' &&
           (s->text.data[s->at + n] | 0x20) <= 'z')
        n++;
    static const char wants[] = "(JSON String, Number, Array, Object or token 'null', 'true' or "
                                "'false')";
    struct errmsg m;
    if (n == 0) {
        errmsg_set(&m, ERR_INVALID, "expected a valid value %s", wants);
        return unexpected(s, m.text);
    }
    errmsg_set(&m, ERR_INVALID, "Unrecognized token '%.*s': was expecting %s", (int)n,
               (const char *)s->text.data + s->at, wants);
    size_t len = strlen(m.text) < sizeof what - 1 ? strlen(m.text) : sizeof what - 1;
    memcpy(what, m.text, len);
    what[len] = 0;
    return fail(s, what);
}

static enum err read_value(struct scanner *s, unsigned depth, struct json *ret)
{
    *ret = (struct json){.kind = JSON_NULL};
    if (depth > JSON_DEPTH_MAX)
        return fail(s, "Document nesting depth exceeds the maximum allowed");
    skip_space(s);
    if (s->at >= s->text.len)
        return unexpected(s, "");
    if (++s->values > JSON_ITEMS_MAX)
        return fail(s, "Too many values");
    if (take(s, '"')) {
        ret->kind = JSON_STRING;
        return read_string(s, &ret->text);
    }
    if (take(s, '{')) {
        ret->kind = JSON_OBJECT;
        return read_items(s, depth, ret);
    }
    if (take(s, '[')) {
        ret->kind = JSON_ARRAY;
        return read_items(s, depth, ret);
    }
    uint8_t c = s->text.data[s->at];
    if (c == '-' || is_digit(c))
        return read_number(s, ret);
    if (take_word(s, "null", JSON_NULL, ret) || take_word(s, "true", JSON_TRUE, ret) ||
        take_word(s, "false", JSON_FALSE, ret))
        return ERR_OK;
    return bad_word(s);
}

enum err json_read(struct arena *a, struct bytes text, struct json *ret, struct errmsg *e)
{
    struct scanner s = {.text = text, .line = 1, .arena = a, .err = e};
    struct json j;
    enum err err = read_value(&s, 0, &j);
    if (err == ERR_OK)
        *ret = j;
    return err;
}
