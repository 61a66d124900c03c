/* The environment, the command line, the file, and their order. */
#include "base/config_keys.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEY_MAX 64 /* no name of a setting is that long */

/* Kubernetes gives every pod TORC_SERVICE_HOST, TORC_PORT_9042_TCP and so on for a service called
 * torc; they are not meant for us. Settings have been looked up before this is asked. */
static bool made_by_kubernetes(const char *name)
{
    return strstr(name, "_SERVICE_") != NULL || strcmp(name, "TORC_PORT") == 0 ||
           strstr(name, "_PORT_") != NULL;
}

static enum err read_torc_variable(struct config *c, const char *variable, struct errmsg *m)
{
    char name[KEY_MAX];
    char key[KEY_MAX];
    const char *unit;
    size_t len = strcspn(variable, "=");
    if (variable[len] == 0)
        return ERR_OK; /* not a variable at all */
    size_t kept = len < KEY_MAX - 1 ? len : KEY_MAX - 1;
    memcpy(name, variable, kept);
    name[kept] = 0;
    if (strcmp(name, "TORC_CONFIG") == 0)
        return ERR_OK;
    for (size_t i = 0; i <= kept; i++)
        key[i] = (char)tolower((unsigned char)name[i]);
    const char *without_prefix = key + strlen("TORC_");
    enum err err = ERR_OK;
    const struct config_key *known = config_find(without_prefix, &unit);
    if (known != NULL)
        err = config_parse(known, unit, bytes_text(variable + len + 1), c, m);
    else if (!made_by_kubernetes(name))
        err = config_unknown(without_prefix, m);
    if (err != ERR_OK)
        errmsg_wrap(m, "environment variable %s", name);
    return err;
}

static enum err read_alias(struct config *c, const char *variable, struct errmsg *m)
{
    static const struct {
        const char *variable;
        const char *key;
    } aliases[] = {
#define X(variable, key) {variable, key},
        CONFIG_ALIASES(X)
#undef X
    };
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
        size_t len = strlen(aliases[i].variable);
        if (strncmp(variable, aliases[i].variable, len) != 0 || variable[len] != '=' ||
            variable[len + 1] == 0)
            continue;
        enum err err = config_set(c, aliases[i].key, bytes_text(variable + len + 1), m);
        if (err != ERR_OK)
            errmsg_wrap(m, "environment variable %s", aliases[i].variable);
        return err;
    }
    return ERR_OK; /* the image sets others, that mean nothing here */
}

enum err config_read_env(struct config *c, const char *const *env, struct errmsg *ret_message)
{
    enum err err = ERR_OK;
    for (size_t i = 0; err == ERR_OK && env[i] != NULL; i++)
        err = read_alias(c, env[i], ret_message);
    for (size_t i = 0; err == ERR_OK && env[i] != NULL; i++) {
        if (strncmp(env[i], "TORC_", strlen("TORC_")) == 0)
            err = read_torc_variable(c, env[i], ret_message);
    }
    return err;
}

/* One argument "--key=value", or "--key" with the value in *next. */
static enum err read_arg(struct config *c, const char *arg, const char *next, bool *ret_used_next,
                         struct config_asks *asks, struct errmsg *m)
{
    char key[KEY_MAX];
    *ret_used_next = false;
    if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
        asks->help = true;
        return ERR_OK;
    }
    if (strcmp(arg, "--version") == 0) {
        asks->version = true;
        return ERR_OK;
    }
    if (strncmp(arg, "--", 2) != 0 || arg[2] == 0)
        return errmsg_set(m, ERR_CONFIG,
                          "argument '%.64s': is no setting; write settings as --key=value", arg);
    size_t len = strcspn(arg + 2, "=");
    size_t kept = len < KEY_MAX - 1 ? len : KEY_MAX - 1;
    for (size_t i = 0; i < kept; i++)
        key[i] = arg[2 + i] == '-' ? '_' : arg[2 + i];
    key[kept] = 0;
    const char *unit;
    const struct config_key *known = config_find(key, &unit);
    bool is_file = strcmp(key, "config") == 0;
    enum err err = ERR_OK;
    const char *value = arg[2 + len] == '=' ? arg + 2 + len + 1 : next;
    *ret_used_next = arg[2 + len] != '=';
    if (known == NULL && !is_file)
        err = config_unknown(key, m);
    else if (value == NULL)
        err = errmsg_set(m, ERR_CONFIG, "has no value; write --%s=VALUE", key);
    else if (is_file)
        asks->file = value;
    else
        err = config_parse(known, unit, bytes_text(value), c, m);
    if (err != ERR_OK)
        errmsg_wrap(m, "argument --%s", key);
    return err;
}

enum err config_read_args(struct config *c, int argc, const char *const *argv,
                          struct config_asks *ret_asks, struct errmsg *ret_message)
{
    struct config_asks asks = {0};
    for (int i = 0; i < argc; i++) {
        bool used_next;
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        enum err err = read_arg(c, argv[i], next, &used_next, &asks, ret_message);
        if (err != ERR_OK)
            return err;
        i += used_next;
    }
    *ret_asks = asks;
    return ERR_OK;
}

/* The whole file into `out`. ERR_NOT_FOUND when there is none. */
static enum err read_file(const char *path, struct buf *out, struct errmsg *m)
{
    enum err err = ERR_OK;
    char part[4096];
    size_t n;
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return errmsg_set(m, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: %s", path,
                          strerror(errno));
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        buf_put(out, part, n);
    if (ferror(f))
        err = errmsg_set(m, ERR_IO, "%s: %s", path, strerror(errno));
    else if (buf_finish(out) != ERR_OK)
        err = errmsg_set(m, ERR_CONFIG, "%s: is larger than %zu bytes; is it the right file?", path,
                         CONFIG_FILE_MAX);
    (void)fclose(f);
    return err;
}

static const char *variable_value(const char *const *env, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; env[i] != NULL; i++) {
        if (strncmp(env[i], name, len) == 0 && env[i][len] == '=' && env[i][len + 1] != 0)
            return env[i] + len + 1;
    }
    return NULL;
}

enum err config_load(struct config *c, int argc, const char *const *argv, const char *const *env,
                     struct config_asks *ret_asks, struct errmsg *ret_message)
{
    struct buf text;
    struct config_asks asks;
    /* The arguments name the file, and they also win over it: read them first and last. */
    config_defaults(c);
    enum err err = config_read_args(c, argc, argv, &asks, ret_message);
    if (err != ERR_OK)
        return err;
    *ret_asks = asks;
    if (asks.help || asks.version)
        return ERR_OK;
    const char *named = asks.file != NULL ? asks.file : variable_value(env, "TORC_CONFIG");
    const char *path = named != NULL ? named : "torc.yaml";
    buf_init(&text, CONFIG_FILE_MAX);
    config_defaults(c);
    err = read_file(path, &text, ret_message);
    if (err == ERR_OK)
        err = config_read_yaml(c, path, buf_bytes(&text), ret_message);
    else if (err == ERR_NOT_FOUND && named == NULL)
        err = ERR_OK;
    buf_close(&text);
    if (err == ERR_OK)
        err = config_read_env(c, env, ret_message);
    if (err == ERR_OK)
        err = config_read_args(c, argc, argv, &asks, ret_message);
    if (err == ERR_OK)
        err = config_check(c, ret_message);
    return err == ERR_NOT_FOUND ? ERR_CONFIG : err;
}
