/* config_keys.h - what the parts of config share: the list as a table, and values from text.
 * Not for others. */
#ifndef TORC_BASE_CONFIG_KEYS_H
#define TORC_BASE_CONFIG_KEYS_H

#include "base/config.h"

enum config_type {
    CONFIG_TEXT,
    CONFIG_ITEMS,
    CONFIG_BOOL,
    CONFIG_NUMBER,
    CONFIG_DURATION,
    CONFIG_SIZE,
    CONFIG_CHOICE,
};

struct config_key {
    const char *name;
    enum config_type type;
    const char *preset;
    const char *least;
    const char *most;
    const char *help;
    size_t offset; /* in struct config */
};

extern const struct config_key config_keys[CONFIG_COUNT];

/* The setting of that name or of an older spelling of it ("_in_ms"); *ret_unit is then the unit of
 * bare numbers, else "". NULL when unknown. */
const struct config_key *config_find(const char *name, const char **ret_unit);

/* ERR_CONFIG and a message that names the nearest known setting. */
enum err config_unknown(const char *name, struct errmsg *ret_message);

/* Parse `value` for `key` into the field of `c`. */
enum err config_parse(const struct config_key *key, const char *unit, struct bytes value,
                      struct config *c, struct errmsg *ret_message) MUST_CHECK;

/* Whole numbers with a unit: microseconds or bytes. False when malformed or out of int64. */
bool config_parse_number(const char *text, int64_t *ret_number);
bool config_parse_duration(const char *text, usec *ret_us);
bool config_parse_size(const char *text, int64_t *ret_bytes);

/* The shortest exact spelling. */
void config_put_duration(struct buf *out, usec us);
void config_put_size(struct buf *out, int64_t bytes);

#endif
