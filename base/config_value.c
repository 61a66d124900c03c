#include "base/config_keys.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first: printing takes the first that divides. The second spellings are only read. */
static const struct unit duration_units[] = {
    {"d", 86400 * USEC_PER_SEC},
    {"h", 3600 * USEC_PER_SEC},
    {"m", 60 * USEC_PER_SEC},
    {"s", USEC_PER_SEC},
    {"ms", USEC_PER_MS},
    {"us", 1},
    {"\xc2\xb5s", 1},
};
static const struct unit size_units[] = {
    {"TiB", (int64_t)1 << 40},
    {"GiB", (int64_t)1 << 30},
    {"MiB", (int64_t)1 << 20},
    {"KiB", (int64_t)1 << 10},
    {"B", 1},
};

/* Digits at the start of `text`; *ret_rest is what follows them. */
static bool digits(const char *text, int64_t *ret_number, const char **ret_rest)
{
    int64_t n = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (n > (INT64_MAX - (*p - '0')) / 10)
            return false;
        n = n * 10 + (*p - '0');
    }
    *ret_number = n;
    *ret_rest = p;
    return p > text;
}

static bool with_unit(const char *text, const struct unit *units, size_t count, int64_t *ret_number)
{
    int64_t n;
    const char *rest;
    if (!digits(text, &n, &rest))
        return false;
    if (n == 0 && *rest == 0) { /* nothing is nothing in every unit */
        *ret_number = 0;
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rest, units[i].name) == 0 && n <= INT64_MAX / units[i].factor) {
            *ret_number = n * units[i].factor;
            return true;
        }
    }
    return false;
}

bool config_parse_number(const char *text, int64_t *ret_number)
{
    int64_t n;
    const char *rest;
    if (!digits(text, &n, &rest) || *rest != 0)
        return false;
    *ret_number = n;
    return true;
}

bool config_parse_duration(const char *text, usec *ret_us)
{
    return with_unit(text, duration_units, ARRAY_LEN(duration_units), ret_us);
}

bool config_parse_size(const char *text, int64_t *ret_bytes)
{
    return with_unit(text, size_units, ARRAY_LEN(size_units), ret_bytes);
}

static void put_with_unit(struct buf *out, int64_t n, const struct unit *units)
{
    while (n % units->factor != 0)
        units++;
    buf_printf(out, "%" PRId64 "%s", n / units->factor, n == 0 ? "" : units->name);
}

void config_put_duration(struct buf *out, usec us)
{
    put_with_unit(out, us, duration_units);
}

void config_put_size(struct buf *out, int64_t bytes)
{
    put_with_unit(out, bytes, size_units);
}

static void *field(const struct config_key *key, struct config *c)
{
    return (char *)c + key->offset;
}

static enum err parse_text(const struct config_key *key, const char *text, struct config *c,
                           struct errmsg *m)
{
    size_t len = strlen(text);
    if (len >= CONFIG_TEXT_MAX)
        return errmsg_set(m, ERR_CONFIG, "%s: is %zu bytes long; at most %d are kept", key->name,
                          len, CONFIG_TEXT_MAX - 1);
    memcpy(field(key, c), text, len + 1);
    return ERR_OK;
}

/* Items are kept as "a,b": without spaces and empty ones. */
static enum err parse_items(const struct config_key *key, const char *text, struct config *c,
                            struct errmsg *m)
{
    char joined[CONFIG_ITEMS_MAX];
    size_t len = 0;
    for (const char *p = text; *p != 0;) {
        p += strspn(p, ", ");
        size_t n = strcspn(p, ",");
        const char *next = p + n;
        while (n > 0 && p[n - 1] == ' ')
            n--;
        if (n > 0 && n + (len > 0) + 1 > sizeof joined - len)
            return errmsg_set(m, ERR_CONFIG, "%s: the list is longer than %d bytes", key->name,
                              CONFIG_ITEMS_MAX - 1);
        if (n > 0 && len > 0)
            joined[len++] = ',';
        memcpy(joined + len, p, n);
        len += n;
        p = next;
    }
    joined[len] = 0;
    memcpy(field(key, c), joined, len + 1);
    return ERR_OK;
}

static enum err parse_bool(const struct config_key *key, const char *text, struct config *c,
                           struct errmsg *m)
{
    bool yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0)
        return errmsg_set(m, ERR_CONFIG, "%s: '%.64s' is neither true nor false", key->name, text);
    memcpy(field(key, c), &yes, sizeof yes);
    return ERR_OK;
}

static enum err parse_choice(const struct config_key *key, const char *text, struct config *c,
                             struct errmsg *m)
{
    size_t len = strlen(text);
    const char *word = key->least;
    for (int i = 0;; i++) {
        size_t n = strcspn(word, "|");
        if (n == len && memcmp(word, text, n) == 0) {
            memcpy(field(key, c), &i, sizeof i);
            return ERR_OK;
        }
        if (word[n] == 0)
            break;
        word += n + 1;
    }
    return errmsg_set(m, ERR_CONFIG, "%s: '%.64s' is not one of %s", key->name, text, key->least);
}

/* NUMBER, DURATION and SIZE: differ in their units and in how an example looks. */
static enum err parse_quantity(const struct config_key *key, const char *text, struct config *c,
                               struct errmsg *m)
{
    static const struct {
        bool (*parse)(const char *text, int64_t *ret_number);
        const char *what;
        const char *form;
    } kinds[] = {
        [CONFIG_NUMBER] = {config_parse_number, "a whole number", "write digits only"},
        [CONFIG_DURATION] = {config_parse_duration, "a duration", "write 500ms, 2s, 10m or 1h"},
        [CONFIG_SIZE] = {config_parse_size, "a size", "write 512B, 64KiB, 16MiB or 1GiB"},
    };
    int64_t n, least, most;
    bool (*parse)(const char *, int64_t *) = kinds[key->type].parse;
    if (!parse(text, &n))
        return errmsg_set(m, ERR_CONFIG, "%s: '%.64s' is not %s; %s", key->name, text,
                          kinds[key->type].what, kinds[key->type].form);
    ASSERT(parse(key->least, &least));
    ASSERT(parse(key->most, &most));
    if (n < least || n > most)
        return errmsg_set(m, ERR_CONFIG, "%s: %.64s is out of bounds; allowed is %s to %s",
                          key->name, text, key->least, key->most);
    memcpy(field(key, c), &n, sizeof n);
    return ERR_OK;
}

enum err config_parse(const struct config_key *key, const char *unit, struct bytes value,
                      struct config *c, struct errmsg *ret_message)
{
    char text[CONFIG_ITEMS_MAX + 8];
    if (value.len >= CONFIG_ITEMS_MAX)
        return errmsg_set(ret_message, ERR_CONFIG, "%s: is longer than %d bytes", key->name,
                          CONFIG_ITEMS_MAX - 1);
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < 0x20 || value.data[i] == 0x7f)
            return errmsg_set(ret_message, ERR_CONFIG,
                              "%s: holds a control character (0x%02x); take it out", key->name,
                              value.data[i]);
    }
    snprintf(text, sizeof text, "%.*s%s", (int)value.len,
             value.len > 0 ? (const char *)value.data : "", unit);
    switch (key->type) {
    case CONFIG_TEXT: return parse_text(key, text, c, ret_message);
    case CONFIG_ITEMS: return parse_items(key, text, c, ret_message);
    case CONFIG_BOOL: return parse_bool(key, text, c, ret_message);
    case CONFIG_CHOICE: return parse_choice(key, text, c, ret_message);
    case CONFIG_NUMBER:
    case CONFIG_DURATION:
    case CONFIG_SIZE: break;
    }
    return parse_quantity(key, text, c, ret_message);
}

void config_value_text(const struct config *c, size_t i, struct buf *out)
{
    ASSERT(i < CONFIG_COUNT);
    const struct config_key *key = &config_keys[i];
    const char *at = (const char *)c + key->offset;
    int64_t n;
    bool yes;
    int choice;
    switch (key->type) {
    case CONFIG_TEXT:
    case CONFIG_ITEMS: buf_put_text(out, at); break;
    case CONFIG_BOOL:
        memcpy(&yes, at, sizeof yes);
        buf_put_text(out, yes ? "true" : "false");
        break;
    case CONFIG_CHOICE: {
        const char *word = key->least;
        memcpy(&choice, at, sizeof choice);
        for (; choice > 0; choice--)
            word += strcspn(word, "|") + 1;
        buf_put(out, word, strcspn(word, "|"));
        break;
    }
    case CONFIG_NUMBER:
        memcpy(&n, at, sizeof n);
        buf_printf(out, "%" PRId64, n);
        break;
    case CONFIG_DURATION:
        memcpy(&n, at, sizeof n);
        config_put_duration(out, n);
        break;
    case CONFIG_SIZE:
        memcpy(&n, at, sizeof n);
        config_put_size(out, n);
        break;
    }
}
