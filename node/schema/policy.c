/* policy.c - speculative_retry and additional_write_policy, and replication: the option texts
 * that have a grammar of their own. */
#include "node/schema/build.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* "99.9" and where it ends; false when no number begins here. */
static bool scan_number(const char **at, double *ret)
{
    size_t len = strspn(*at, "0123456789.");
    char *end;
    if (len == 0 || len > 20)
        return false;
    *ret = strtod(*at, &end);
    if (end != *at + len)
        return false;
    *at = end;
    return true;
}

/* One of "99p", "99percentile", "50ms" at the front. */
static bool scan_threshold(const char **at, struct speculation *s, bool *ret_percentile)
{
    double v;
    if (!scan_number(at, &v))
        return false;
    size_t percentile = strncasecmp(*at, "percentile", 10) == 0 ? 10
                        : strncasecmp(*at, "p", 1) == 0         ? 1
                                                                : 0;
    *ret_percentile = percentile > 0;
    if (percentile > 0) {
        *at += percentile;
        s->percentile = v;
        return v > 0 && v < 100;
    }
    if (strncasecmp(*at, "ms", 2) != 0)
        return false;
    *at += 2;
    s->ms = v;
    return v <= 86400000;
}

bool speculation_parse(const char *text, struct speculation *ret)
{
    struct speculation s = {0};
    bool first;
    bool second;
    if (strcasecmp(text, "NONE") == 0 || strcasecmp(text, "NEVER") == 0) {
        *ret = s;
        return true;
    }
    if (strcasecmp(text, "ALWAYS") == 0) {
        s.kind = SPECULATE_ALWAYS;
        *ret = s;
        return true;
    }
    bool min = strncasecmp(text, "MIN(", 4) == 0;
    bool max = strncasecmp(text, "MAX(", 4) == 0;
    if (!min && !max) {
        if (!scan_threshold(&text, &s, &first) || *text != 0)
            return false;
        s.kind = first ? SPECULATE_PERCENTILE : SPECULATE_FIXED;
        *ret = s;
        return true;
    }
    text += 4;
    text += strspn(text, " ");
    if (!scan_threshold(&text, &s, &first))
        return false;
    text += strspn(text, " ");
    if (*text++ != ',')
        return false;
    text += strspn(text, " ");
    if (!scan_threshold(&text, &s, &second) || first == second)
        return false;
    text += strspn(text, " ");
    if (strcmp(text, ")") != 0)
        return false;
    s.kind = min ? SPECULATE_MIN : SPECULATE_MAX;
    *ret = s;
    return true;
}

enum err factor_parse(const char *text, uint32_t *ret, struct errmsg *e)
{
    char *end;
    bool number = text[0] == '-' || (text[0] >= '0' && text[0] <= '9');
    if (strchr(text, '/') != NULL)
        return errmsg_set(e, ERR_CONFIG, "Transient replication is not enabled on this node");
    long v = number ? strtol(text, &end, 10) : 0;
    if (!number || *end != 0 || end == text)
        return errmsg_set(e, ERR_CONFIG, "For input string: \"%s\"", text);
    if (v < 0)
        return errmsg_set(e, ERR_CONFIG, "Replication factor must be non-negative, found %ld", v);
    if (v > REPLICATION_FACTOR_MAX)
        return errmsg_set(e, ERR_CONFIG, "Replication factor must be at most %d, found %ld",
                          REPLICATION_FACTOR_MAX, v);
    *ret = (uint32_t)v;
    return ERR_OK;
}

static enum err unrecognized(const struct option_pair *p, const char *strategy,
                             const char *keyspace, struct errmsg *e)
{
    return errmsg_set(e, ERR_CONFIG,
                      "Unrecognized strategy option {%s} passed to %s for keyspace %s", p->key,
                      strategy, keyspace);
}

static enum err parse_simple(const struct ddl_option *o, const char *keyspace,
                             struct replication *r, struct errmsg *e)
{
    *r = (struct replication){.class = REPLICATION_SIMPLE, .factor = 1};
    for (uint32_t i = 0; i < o->pair_count; i++) {
        if (strcmp(o->pairs[i].key, "class") == 0)
            continue;
        if (strcmp(o->pairs[i].key, "replication_factor") != 0)
            return unrecognized(&o->pairs[i], "SimpleStrategy", keyspace, e);
        enum err err = factor_parse(o->pairs[i].value, &r->factor, e);
        if (err != ERR_OK)
            return err;
    }
    return r->factor > 0
               ? ERR_OK
               : errmsg_set(e, ERR_CONFIG, "Replication factor must be positive, found 0");
}

static enum err parse_network(const struct ddl_option *o, const char *keyspace, struct arena *a,
                              struct replication *r, struct errmsg *e)
{
    struct dc_factor *dcs = arena_array(a, struct dc_factor, o->pair_count);
    *r = (struct replication){.class = REPLICATION_NETWORK_TOPOLOGY, .dcs = dcs};
    for (uint32_t i = 0; i < o->pair_count; i++) {
        const char *key = o->pairs[i].key;
        if (strcmp(key, "class") == 0)
            continue;
        if (strcmp(key, "replication_factor") == 0 || key[0] == 0 || strlen(key) >= RING_NAME_SIZE)
            return unrecognized(&o->pairs[i], "NetworkTopologyStrategy", keyspace, e);
        uint32_t factor;
        enum err err = factor_parse(o->pairs[i].value, &factor, e);
        if (err != ERR_OK)
            return err;
        if (factor > 0 && r->dc_count == REPLICATION_DCS_MAX)
            return errmsg_set(e, ERR_CONFIG, "At most %d datacenters are possible",
                              REPLICATION_DCS_MAX);
        if (factor > 0)
            dcs[r->dc_count++] = (struct dc_factor){key, factor};
    }
    return r->dc_count > 0
               ? ERR_OK
               : errmsg_set(e, ERR_CONFIG,
                            "Configuration for at least one datacenter must be present");
}

/* SIMPLE, NETWORK_TOPOLOGY, or the error. */
static enum err parse_class(const struct ddl_option *o, enum replication_class *ret,
                            struct errmsg *e)
{
    const char *class = NULL;
    if (o->value != NULL)
        return errmsg_set(e, ERR_SYNTAX, "Invalid value for property '%s'. It should be a map.",
                          o->name);
    for (uint32_t i = 0; i < o->pair_count; i++) {
        if (strcmp(o->pairs[i].key, "class") == 0)
            class = o->pairs[i].value;
    }
    if (class == NULL)
        return errmsg_set(e, ERR_CONFIG, "Missing replication strategy class");
    static const char package[] = "org.apache.cassandra.locator.";
    const char *name =
        strncmp(class, package, sizeof package - 1) == 0 ? class + sizeof package - 1 : class;
    if (strcmp(name, "LocalStrategy") == 0)
        return errmsg_set(e, ERR_INVALID,
                          "Unable to use given strategy class: LocalStrategy is reserved for "
                          "internal use.");
    *ret = strcmp(name, "SimpleStrategy") == 0 ? REPLICATION_SIMPLE : REPLICATION_NETWORK_TOPOLOGY;
    if (*ret == REPLICATION_SIMPLE || strcmp(name, "NetworkTopologyStrategy") == 0)
        return ERR_OK;
    return errmsg_set(e, ERR_CONFIG, "Unable to find replication strategy class '%s%s'",
                      strchr(class, '.') != NULL ? "" : package, class);
}

void replication_strategy(const struct replication *r, struct strategy *ret)
{
    *ret = (struct strategy){.type = STRATEGY_SIMPLE, .rf = r->factor};
    if (r->class != REPLICATION_NETWORK_TOPOLOGY)
        return;
    ret->type = STRATEGY_NETWORK;
    ret->dcs = r->dc_count;
    for (uint32_t i = 0; i < r->dc_count; i++) {
        memcpy(ret->dc[i].name, r->dcs[i].dc, strlen(r->dcs[i].dc) + 1);
        ret->dc[i].rf = r->dcs[i].factor;
    }
}

enum err replication_parse(const struct ddl_option *o, const char *keyspace, struct arena *a,
                           struct replication *ret, struct errmsg *e)
{
    enum replication_class class;
    enum err err = parse_class(o, &class, e);
    if (err != ERR_OK)
        return err;
    return class == REPLICATION_SIMPLE ? parse_simple(o, keyspace, ret, e)
                                       : parse_network(o, keyspace, a, ret, e);
}

static bool names_dc(const char *const *dcs, size_t count, const char *dc)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(dcs[i], dc) == 0)
            return true;
    }
    return false;
}

/* The pairs of a network topology with every data centre spelled out. */
static enum err spell_out(const struct ddl *ddl, const struct ddl_option *o, struct ddl_option *to,
                          const char *const *dcs, size_t dc_count, struct arena *a,
                          struct errmsg *e)
{
    struct option_pair *p = arena_array(a, struct option_pair, o->pair_count + dc_count);
    const char *others = o->pair_count == 1 ? "1" : NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < o->pair_count; i++) {
        const char *key = o->pairs[i].key;
        if (strcmp(key, "replication_factor") == 0) {
            others = o->pairs[i].value;
            continue;
        }
        if (strcmp(key, "class") != 0 && !names_dc(dcs, dc_count, key)) {
            if (strcmp(o->pairs[i].value, "0") == 0)
                continue; // nothing is asked of it
            return unrecognized(&o->pairs[i], "NetworkTopologyStrategy", ddl->keyspace, e);
        }
        p[n++] = o->pairs[i];
    }
    uint32_t named = n;
    for (size_t d = 0; d < dc_count && others != NULL; d++) {
        bool given = false;
        for (uint32_t i = 0; i < named; i++)
            given |= strcmp(p[i].key, dcs[d]) == 0;
        if (!given)
            p[n++] = (struct option_pair){dcs[d], others};
    }
    *to = (struct ddl_option){.name = o->name, .pairs = p, .pair_count = n};
    return ERR_OK;
}

enum err ddl_resolve_datacenters(struct ddl *ddl, const char *const *dcs, size_t dc_count,
                                 struct arena *a, struct errmsg *ret_err)
{
    enum replication_class class;
    const struct ddl_option *o = ddl_option_find(ddl, "replication");
    if (o == NULL || (ddl->kind != DDL_CREATE_KEYSPACE && ddl->kind != DDL_ALTER_KEYSPACE))
        return ERR_OK;
    enum err err = parse_class(o, &class, ret_err);
    if (err != ERR_OK || class == REPLICATION_SIMPLE)
        return err;
    struct ddl_option *options = arena_array(a, struct ddl_option, ddl->option_count);
    for (uint32_t i = 0; i < ddl->option_count && err == ERR_OK; i++) {
        options[i] = ddl->options[i];
        if (&ddl->options[i] == o)
            err = spell_out(ddl, o, &options[i], dcs, dc_count, a, ret_err);
    }
    if (err == ERR_OK)
        ddl->options = options;
    return err;
}
