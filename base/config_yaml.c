/* torc.yaml: one mapping of setting to scalar, or to a sequence of scalars where a list is meant.
 *
 *   cluster_name: Test Cluster
 *   seeds: [10.0.0.1, 10.0.0.2]
 *   data_file_directories:
 *       - /var/lib/torc
 *   seed_provider:                        # as in cassandra.yaml: only `seeds` inside it counts
 *       - class_name: org.apache.cassandra.locator.SimpleSeedProvider
 *         parameters:
 *             - seeds: "10.0.0.1,10.0.0.2"
 *
 * A setting without a value (`broadcast_address:`) keeps its default. Events are read one by one:
 * nothing is recursive, and nothing but the present list is held.
 */
#include "base/config_keys.h"

#include "base/mem.h"

#include <string.h>
#include <yaml.h>

#define KEY_MAX 64

struct load {
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    struct config *c;
    struct errmsg *m;
    size_t lines[CONFIG_COUNT]; /* where a setting was given; 0: not yet */
};

static size_t line_of(const struct load *l)
{
    return l->event.start_mark.line + 1;
}

/* The next event into l->event. */
static enum err step(struct load *l)
{
    if (l->has_event)
        yaml_event_delete(&l->event);
    l->has_event = yaml_parser_parse(&l->parser, &l->event) != 0;
    if (l->has_event && l->event.type == YAML_ALIAS_EVENT)
        return errmsg_set(l->m, ERR_CONFIG,
                          "%zu: aliases (*name) are not supported; repeat the value", line_of(l));
    if (l->has_event)
        return ERR_OK;
    const char *problem = l->parser.problem != NULL ? l->parser.problem : "unreadable";
    size_t line = l->parser.problem_mark.line + 1;
    return errmsg_set(l->m, ERR_CONFIG,
                      "%zu: not valid YAML: %s; look for a missing quote, colon or "
                      "a tab",
                      line, problem);
}

static struct bytes scalar(const struct load *l)
{
    return bytes_make(l->event.data.scalar.value, l->event.data.scalar.length);
}

/* An unquoted nothing, `~` or `null`. */
static bool is_null(const struct load *l)
{
    struct bytes s = scalar(l);
    return l->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (s.len == 0 || bytes_equal_text(s, "~") || bytes_equal_text(s, "null"));
}

/* The scalar as the name of a setting. */
static enum err take_key(struct load *l, char key[KEY_MAX])
{
    struct bytes s;
    if (l->event.type != YAML_SCALAR_EVENT)
        return errmsg_set(l->m, ERR_CONFIG, "%zu: expected `setting: value`", line_of(l));
    s = scalar(l);
    size_t len = s.len < KEY_MAX - 1 ? s.len : KEY_MAX - 1;
    for (size_t i = 0; i < len; i++) /* for the message, when it is unknown */
        key[i] = s.data[i] < 0x20 || s.data[i] == 0x7f ? '?' : (char)s.data[i];
    key[len] = 0;
    return ERR_OK;
}

/* The sequence that was just opened, joined by commas, up to and with its end. */
static enum err take_sequence(struct load *l, const char *key, struct buf *joined)
{
    for (;;) {
        enum err err = step(l);
        if (err != ERR_OK)
            return err;
        if (l->event.type == YAML_SEQUENCE_END_EVENT)
            return ERR_OK;
        if (l->event.type != YAML_SCALAR_EVENT)
            return errmsg_set(l->m, ERR_CONFIG, "%zu: %s: expected a list of plain values",
                              line_of(l), key);
        if (joined->len > 0)
            buf_put_text(joined, ",");
        buf_put_bytes(joined, scalar(l));
        if (buf_finish(joined) != ERR_OK)
            return errmsg_set(l->m, ERR_CONFIG, "%zu: %s: the list is longer than %d bytes",
                              line_of(l), key, CONFIG_ITEMS_MAX - 1);
    }
}

/* Set `key` from the value whose first event is present. */
static enum err take_value(struct load *l, const char *key, size_t line)
{
    const char *unit;
    struct buf joined;
    const struct config_key *known = config_find(key, &unit);
    enum err err = known != NULL ? ERR_OK : config_unknown(key, l->m);
    if (known != NULL && l->lines[known - config_keys] != 0)
        err = errmsg_set(l->m, ERR_CONFIG, "%s: given before in line %zu; keep one of them", key,
                         l->lines[known - config_keys]);
    if (err != ERR_OK) {
        errmsg_wrap(l->m, "%zu", line);
        return err;
    }
    l->lines[known - config_keys] = line;
    if (l->event.type == YAML_SCALAR_EVENT) {
        if (!is_null(l))
            err = config_parse(known, unit, scalar(l), l->c, l->m);
        if (err != ERR_OK)
            errmsg_wrap(l->m, "%zu", line);
        return err;
    }
    if (l->event.type != YAML_SEQUENCE_START_EVENT || known->type != CONFIG_ITEMS)
        return errmsg_set(l->m, ERR_CONFIG, "%zu: %s: expected a plain value%s", line, key,
                          known->type == CONFIG_ITEMS ? " or a list of them" : "");
    buf_init(&joined, CONFIG_ITEMS_MAX);
    err = take_sequence(l, key, &joined);
    if (err == ERR_OK) {
        err = config_parse(known, unit, buf_bytes(&joined), l->c, l->m);
        if (err != ERR_OK)
            errmsg_wrap(l->m, "%zu", line);
    }
    buf_close(&joined);
    return err;
}

/* Look for `seeds: …` at any depth below seed_provider, whose first event is present. A scalar
 * "seeds" is taken for a key wherever it stands: as a value it would make no sense here. */
static enum err take_seed_provider(struct load *l)
{
    size_t depth = 0;
    for (;;) {
        enum err err = ERR_OK;
        yaml_event_type_t type = l->event.type;
        if (depth > 0 && type == YAML_SCALAR_EVENT && bytes_equal_text(scalar(l), "seeds")) {
            size_t line = line_of(l);
            err = step(l);
            if (err == ERR_OK)
                err = take_value(l, "seeds", line);
        } else if (type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT) {
            depth++;
        } else if (type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT) {
            depth--;
        }
        if (err != ERR_OK || depth == 0)
            return err;
        err = step(l);
        if (err != ERR_OK)
            return err;
    }
}

static enum err take_settings(struct load *l)
{
    for (;;) {
        char key[KEY_MAX];
        enum err err = step(l);
        if (err != ERR_OK || l->event.type == YAML_MAPPING_END_EVENT)
            return err;
        size_t line = line_of(l);
        err = take_key(l, key);
        if (err == ERR_OK)
            err = step(l);
        if (err == ERR_OK)
            err = strcmp(key, "seed_provider") == 0 ? take_seed_provider(l)
                                                    : take_value(l, key, line);
        if (err != ERR_OK)
            return err;
    }
}

static enum err take_stream(struct load *l)
{
    enum err err;
    size_t documents = 0;
    do {
        err = step(l);
        if (err != ERR_OK)
            return err;
        switch (l->event.type) {
        case YAML_DOCUMENT_START_EVENT:
            if (++documents > 1)
                return errmsg_set(l->m, ERR_CONFIG, "%zu: a second document (---); keep one",
                                  line_of(l));
            break;
        case YAML_MAPPING_START_EVENT: err = take_settings(l); break;
        case YAML_SCALAR_EVENT:
            if (is_null(l))
                break; /* a file of comments */
            return errmsg_set(l->m, ERR_CONFIG, "%zu: expected lines like `setting: value`",
                              line_of(l));
        case YAML_SEQUENCE_START_EVENT:
            return errmsg_set(l->m, ERR_CONFIG,
                              "%zu: expected lines like `setting: value`, found a list",
                              line_of(l));
        default: break; /* starts and ends of stream and document */
        }
    } while (err == ERR_OK && l->event.type != YAML_STREAM_END_EVENT);
    return err;
}

enum err config_read_yaml(struct config *c, const char *file, struct bytes text,
                          struct errmsg *ret_message)
{
    struct load l = {.c = c, .m = ret_message};
    enum err err;
    if (yaml_parser_initialize(&l.parser) == 0)
        return errmsg_set(ret_message, ERR_FULL, "%s: out of memory", file);
    yaml_parser_set_input_string(&l.parser, text.len > 0 ? text.data : (const uint8_t *)"",
                                 text.len);
    err = take_stream(&l);
    if (err != ERR_OK && ret_message != NULL) {
        /* "12: what" becomes "torc.yaml:12: what". */
        struct errmsg inner = *ret_message;
        (void)errmsg_set(ret_message, err, "%.200s:%.300s", file, inner.text);
    }
    if (l.has_event)
        yaml_event_delete(&l.event);
    yaml_parser_delete(&l.parser);
    return err;
}
