#include "base/config_keys.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

const struct config_key config_keys[CONFIG_COUNT] = {
#define X(type, name, preset, least, most, help)                                                   \
    {#name, CONFIG_##type, preset, least, most, help, offsetof(struct config, name)},
    CONFIG_LIST(X)
#undef X
};

#define NAME_MAX_LEN 64

static const struct config_key *find_exact(const char *name, size_t len)
{
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        if (strlen(config_keys[i].name) == len && memcmp(config_keys[i].name, name, len) == 0)
            return &config_keys[i];
    }
    return NULL;
}

const struct config_key *config_find(const char *name, const char **ret_unit)
{
    static const struct {
        const char *suffix;
        enum config_type type;
        const char *unit;
    } older[] = {
        {"_in_ms", CONFIG_DURATION, "ms"},
        {"_in_kb", CONFIG_SIZE, "KiB"},
        {"_in_mb", CONFIG_SIZE, "MiB"},
    };
    size_t len = strlen(name);
    const struct config_key *key = find_exact(name, len);
    *ret_unit = "";
    for (size_t i = 0; key == NULL && i < ARRAY_LEN(older); i++) {
        size_t cut = strlen(older[i].suffix);
        if (len <= cut || strcmp(name + len - cut, older[i].suffix) != 0)
            continue;
        key = find_exact(name, len - cut);
        if (key != NULL && key->type != older[i].type)
            key = NULL;
        if (key != NULL)
            *ret_unit = older[i].unit;
    }
    return key;
}

/* How many single characters to insert, drop or change to make b of a (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_LEN + 1];
    size_t b_len = strnlen(b, NAME_MAX_LEN);
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 0; i < NAME_MAX_LEN && a[i] != 0; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = diagonal + (a[i] != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_len];
}

enum err config_unknown(const char *name, struct errmsg *ret_message)
{
    size_t best = 0;
    size_t best_distance = SIZE_MAX;
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        size_t d = distance(name, config_keys[i].name);
        if (d < best_distance) {
            best = i;
            best_distance = d;
        }
    }
    return errmsg_set(ret_message, ERR_CONFIG,
                      "unknown setting '%.64s'; did you mean '%s'? (torcd --help lists all)", name,
                      config_keys[best].name);
}

enum err config_set(struct config *c, const char *name, struct bytes value,
                    struct errmsg *ret_message)
{
    const char *unit;
    const struct config_key *key = config_find(name, &unit);
    if (key == NULL)
        return config_unknown(name, ret_message);
    return config_parse(key, unit, value, c, ret_message);
}

void config_defaults(struct config *c)
{
    *c = (struct config){0};
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        const struct config_key *key = &config_keys[i];
        ASSERT(config_parse(key, "", bytes_text(key->preset), c, NULL) == ERR_OK);
    }
}

enum err config_check(const struct config *c, struct errmsg *ret_message)
{
    struct bytes item;
    if ((c->ring_ranges & (c->ring_ranges - 1)) != 0)
        return errmsg_set(ret_message, ERR_CONFIG,
                          "ring_ranges: %lld is not a power of two; write 1024, 2048 or the like",
                          (long long)c->ring_ranges);
    if (!config_item(c->data_file_directories, 0, &item))
        return errmsg_set(ret_message, ERR_CONFIG,
                          "data_file_directories: is empty; name a directory to keep data in");
    if (c->cluster_name[0] == 0 || c->dc[0] == 0 || c->rack[0] == 0)
        return errmsg_set(ret_message, ERR_CONFIG,
                          "cluster_name, dc and rack must not be empty; leave the line out for the "
                          "default");
    if (c->storage_port == c->native_transport_port || c->storage_port == c->http_port ||
        c->native_transport_port == c->http_port)
        return errmsg_set(ret_message, ERR_CONFIG,
                          "storage_port %lld, native_transport_port %lld and http_port %lld must "
                          "differ",
                          (long long)c->storage_port, (long long)c->native_transport_port,
                          (long long)c->http_port);
    if (c->authorizer == AUTHORIZER_CASSANDRA && c->authenticator == AUTHENTICATOR_ALLOW_ALL)
        return errmsg_set(ret_message, ERR_CONFIG,
                          "AllowAllAuthenticator can't be used with CassandraAuthorizer: nobody "
                          "would be anybody; write authenticator: PasswordAuthenticator");
    if (c->probe_timeout >= c->probe_interval)
        return errmsg_set(ret_message, ERR_CONFIG,
                          "probe_timeout must be shorter than probe_interval: the time after it is "
                          "for asking others");
    if (c->max_in_flight_bytes < c->native_transport_max_frame_size)
        return errmsg_set(ret_message, ERR_CONFIG,
                          "max_in_flight_bytes must be at least native_transport_max_frame_size: "
                          "the largest frame would never be admitted");
    return ERR_OK;
}

bool config_item(const char *items, size_t i, struct bytes *ret_item)
{
    while (i > 0 && *items != 0) {
        if (*items++ == ',')
            i--;
    }
    if (*items == 0)
        return false;
    *ret_item = bytes_make(items, strcspn(items, ","));
    return true;
}

const char *config_name(size_t i)
{
    ASSERT(i < CONFIG_COUNT);
    return config_keys[i].name;
}
