/* Scenarios as YAML: sections of scalars, weights by name, and a list of faults.
 *
 *   seed: 7
 *   nodes: 5
 *   network: {latency: 1ms, jitter: 500us}
 *   workloads: {registers: 3, sets: 1}
 *   faults:
 *     - {at: 1500ms, fault: cut, nodes: [1, 2], for: 3s}
 *
 * What is not given is as for a quiet cluster (quiet() below). */
#include "base/config_keys.h"
#include "base/mem.h"
#include "node/sim/run/scenario.h"
#include "node/sim/run/workload.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* --- every scalar, declared once */

enum type { TIME, U32, I32, U64, SIZE };

/* X(type, section or "", key, member, most) */
#define FIELD_LIST(X)                                                                              \
    X(U64, "", "seed", seed, UINT64_MAX)                                                           \
    X(U32, "", "nodes", nodes, SIM_NODES_MAX)                                                      \
    X(U32, "", "data_centres", dcs, 2)                                                             \
    X(U32, "", "racks", racks, SIM_NODES_MAX)                                                      \
    X(U32, "", "replication", rf, SIM_NODES_MAX)                                                   \
    X(U32, "", "ring_ranges", ring_ranges, 1024)                                                   \
    X(TIME, "", "forming", forming_us, INT64_MAX)                                                  \
    X(TIME, "", "time", time_us, INT64_MAX)                                                        \
    X(U32, "", "away_max", away_max, SIM_NODES_MAX)                                                \
    X(TIME, "network", "latency", network.latency_us, INT64_MAX)                                   \
    X(TIME, "network", "jitter", network.jitter_us, INT64_MAX)                                     \
    X(TIME, "disk", "fsync", disk_us, INT64_MAX)                                                   \
    X(TIME, "clocks", "offset", clocks.offset_us, INT64_MAX)                                       \
    X(I32, "clocks", "drift_ppm", clocks.drift_ppm, 100000)                                        \
    X(U32, "clients", "count", clients.count, SCENARIO_CLIENTS_MAX)                                \
    X(TIME, "clients", "think", clients.think_us, INT64_MAX)                                       \
    X(TIME, "clients", "timeout", clients.timeout_us, INT64_MAX)                                   \
    X(U32, "clients", "retry_ppm", clients.retry_ppm, 1000000)                                     \
    X(U32, "clients", "leave_ppm", clients.leave_ppm, 1000000)                                     \
    X(U32, "clients", "old_ppm", clients.old_ppm, 1000000)                                         \
    X(U32, "clients", "size", clients.size, 100)                                                   \
    X(U64, "clients", "requests_max", clients.requests_max, UINT64_MAX)                            \
    X(TIME, "limits", "write_timeout", limits.write_timeout_us, INT64_MAX)                         \
    X(TIME, "limits", "read_timeout", limits.read_timeout_us, INT64_MAX)                           \
    X(TIME, "limits", "range_timeout", limits.range_timeout_us, INT64_MAX)                         \
    X(TIME, "limits", "probe_interval", limits.probe_interval_us, INT64_MAX)                       \
    X(TIME, "limits", "counter_window", limits.counter_window_us, INT64_MAX)                       \
    X(TIME, "limits", "purge_hold", limits.purge_hold_us, INT64_MAX)                               \
    X(TIME, "limits", "away", limits.away_us, INT64_MAX)                                           \
    X(TIME, "limits", "log_window", limits.log_window_us, INT64_MAX)                               \
    X(U64, "limits", "log_min", limits.log_min, INT64_MAX)                                         \
    X(U64, "limits", "log_max", limits.log_max, INT64_MAX)                                         \
    X(SIZE, "limits", "log_tails", limits.log_tails_max, INT64_MAX)                                \
    X(TIME, "limits", "scrub", limits.scrub_us, INT64_MAX)                                         \
    X(SIZE, "limits", "in_flight", limits.in_flight_max, INT64_MAX)                                \
    X(SIZE, "limits", "frame", limits.frame_max, INT64_MAX)                                        \
    X(SIZE, "limits", "link_out", limits.link_out_max, INT64_MAX)                                  \
    X(U32, "limits", "pull", limits.pull_bytes_max, UINT32_MAX)

static const struct field {
    enum type type;
    const char *section, *key;
    size_t offset;
    uint64_t most;
} fields[] = {
#define X(type, section, key, member, most)                                                        \
    {type, section, key, offsetof(struct scenario, member), most},
    FIELD_LIST(X)
#undef X
};

static const char *const level_names[] = {
#define X(name) #name,
    SCENARIO_LEVEL_LIST(X)
#undef X
};

enum unit { NONE, IN_TIME, IN_PPM, IN_COUNT };
static const enum unit units[FAULT_COUNT] = {
#define NONE_UNIT                     NONE
#define TIME_UNIT                     IN_TIME
#define PPM_UNIT                      IN_PPM
#define COUNT_UNIT                    IN_COUNT
#define X(name, operands, unit, text) unit##_UNIT,
    FAULT_LIST(X)
#undef X
};

/* A cluster to which nothing happens, with some of every load. */
static void quiet(struct scenario *s)
{
    memset(s, 0, sizeof *s);
    s->seed = 1;
    s->nodes = 3;
    s->dcs = s->racks = 1;
    s->rf = 3;
    s->ring_ranges = 16;
    s->time_us = 30 * USEC_PER_SEC;
    s->network.latency_us = 500;
    s->network.jitter_us = 500;
    s->disk_us = 300;
    s->away_max = SIM_NODES_MAX;
    s->clients.count = 8;
    s->clients.think_us = 100 * USEC_PER_MS;
    s->clients.timeout_us = 12 * USEC_PER_SEC;
    s->clients.size = 20;
    s->levels[SCENARIO_QUORUM] = 1;
    for (size_t i = 0; i < SCENARIO_WORKLOADS_MAX && workloads_all[i] != NULL; i++)
        s->workloads[i] = 1;
}

/* --- reading */

struct reading {
    yaml_document_t doc;
    struct scenario *s;
    struct errmsg *m;
};

static enum err wrong(struct reading *r, const yaml_node_t *at, const char *what)
{
    return errmsg_set(r->m, ERR_CONFIG, "%zu: %s", at->start_mark.line + 1, what);
}

static yaml_node_t *node_of(struct reading *r, int index)
{
    return yaml_document_get_node(&r->doc, index);
}

static const char *text_of(const yaml_node_t *n)
{
    return n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : "";
}

/* libyaml lets a key come twice; what the first one said would be half in force. */
static enum err check_keys(struct reading *r, const yaml_node_t *map)
{
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *key = node_of(r, p->key);
        for (yaml_node_pair_t *q = map->data.mapping.pairs.start; q < p; q++) {
            if (strcmp(text_of(node_of(r, q->key)), text_of(key)) == 0)
                return wrong(r, key, "this was said before");
        }
    }
    return ERR_OK;
}

static bool parse_number(const char *text, uint64_t *ret)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    *ret = strtoull(text, &end, 10);
    return *end == 0;
}

/* "-3s" too. */
static bool parse_amount(const char *text, enum unit unit, int64_t *ret)
{
    bool negative = *text == '-';
    uint64_t n;
    text += negative;
    if (unit == IN_TIME) {
        if (!config_parse_duration(text, ret))
            return false;
    } else if (parse_number(text, &n) && n <= INT64_MAX) {
        *ret = (int64_t)n;
    } else {
        return false;
    }
    *ret = negative ? -*ret : *ret;
    return true;
}

static enum err read_field(struct reading *r, const struct field *f, const yaml_node_t *value)
{
    void *at = (char *)r->s + f->offset;
    uint64_t n = 0;
    usec us = 0;
    if (f->type == TIME ? !config_parse_duration(text_of(value), &us)
                        : !parse_number(text_of(value), &n))
        return wrong(r, value,
                     f->type == TIME ? "a duration is wanted: 500us, 20ms, 3s, 10m"
                                     : "a whole number is wanted");
    if (n > f->most)
        return wrong(r, value, "the number is too large");
    switch (f->type) {
    case TIME: *(usec *)at = us; break;
    case U32: *(uint32_t *)at = (uint32_t)n; break;
    case I32: *(int32_t *)at = (int32_t)n; break;
    case U64: *(uint64_t *)at = n; break;
    case SIZE: *(size_t *)at = n; break;
    }
    return ERR_OK;
}

static const char *workload_name(size_t i)
{
    return i < SCENARIO_WORKLOADS_MAX && workloads_all[i] != NULL ? workloads_all[i]->name : NULL;
}

static const char *level_of(size_t i)
{
    return i < SCENARIO_LEVELS ? level_names[i] : NULL;
}

/* name: weight; what is not named has none. */
static enum err read_weights(struct reading *r, const yaml_node_t *map,
                             const char *(*name)(size_t i), uint32_t *weights, size_t count)
{
    uint64_t total = 0;
    if (map->type != YAML_MAPPING_NODE)
        return wrong(r, map, "names with their weights are wanted, {name: 1}");
    if (check_keys(r, map) != ERR_OK)
        return ERR_CONFIG;
    memset(weights, 0, count * sizeof *weights);
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *key = node_of(r, p->key);
        uint64_t n;
        size_t i = 0;
        while (name(i) != NULL && strcmp(name(i), text_of(key)) != 0)
            i++;
        if (name(i) == NULL)
            return wrong(r, key, "there is none of this name");
        if (!parse_number(text_of(node_of(r, p->value)), &n) || n > 1000000)
            return wrong(r, key, "a weight is a number up to 1000000");
        weights[i] = (uint32_t)n;
        total += n;
    }
    return total > 0 ? ERR_OK : wrong(r, map, "one of the weights must be more than 0");
}

static enum err read_section(struct reading *r, const char *section, const yaml_node_t *map);

static enum err read_pair(struct reading *r, const char *section, const yaml_node_t *key,
                          const yaml_node_t *value)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (strcmp(fields[i].section, section) == 0 && strcmp(fields[i].key, text_of(key)) == 0)
            return read_field(r, &fields[i], value);
    }
    for (size_t i = 0; i < ARRAY_LEN(fields) && *section == 0; i++) {
        if (strcmp(fields[i].section, text_of(key)) == 0 && value->type == YAML_MAPPING_NODE)
            return read_section(r, fields[i].section, value);
    }
    return wrong(r, key, "there is no such setting");
}

static enum err read_section(struct reading *r, const char *section, const yaml_node_t *map)
{
    enum err err = check_keys(r, map);
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start;
         p < map->data.mapping.pairs.top && err == ERR_OK; p++)
        err = read_pair(r, section, node_of(r, p->key), node_of(r, p->value));
    return err;
}

static enum err read_nodes(struct reading *r, const yaml_node_t *list, struct fault *f,
                           unsigned *ret_count)
{
    *ret_count = 0;
    if (list->type != YAML_SEQUENCE_NODE)
        return wrong(r, list, "a list of nodes is wanted: [1] or [1, 2]");
    for (yaml_node_item_t *i = list->data.sequence.items.start;
         i < list->data.sequence.items.top && *ret_count < 3; i++) {
        uint64_t n;
        if (!parse_number(text_of(node_of(r, *i)), &n) || n == 0 || n > SIM_NODES_MAX)
            return wrong(r, list, "nodes have numbers from 1");
        *((*ret_count)++ == 0 ? &f->a : &f->b) = (unsigned)n;
    }
    return ERR_OK;
}

static enum err read_kind(struct reading *r, const yaml_node_t *value, struct fault *f)
{
    int kind = 0;
    while (kind < FAULT_COUNT && strcmp(fault_name((enum fault_kind)kind), text_of(value)) != 0)
        kind++;
    f->kind = (enum fault_kind)kind;
    return kind < FAULT_COUNT ? ERR_OK : wrong(r, value, "there is no such fault");
}

static enum err read_fault(struct reading *r, const yaml_node_t *map, struct fault *f)
{
    const yaml_node_t *by = NULL;
    unsigned nodes = 0;
    enum err err = ERR_OK;
    memset(f, 0, sizeof *f);
    f->kind = FAULT_COUNT;
    if (map->type != YAML_MAPPING_NODE)
        return wrong(r, map, "a fault is {at: 1s, fault: crash, nodes: [1], for: 2s}");
    err = check_keys(r, map);
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start;
         p < map->data.mapping.pairs.top && err == ERR_OK; p++) {
        const yaml_node_t *value = node_of(r, p->value);
        const char *key = text_of(node_of(r, p->key));
        if (strcmp(key, "fault") == 0)
            err = read_kind(r, value, f);
        else if (strcmp(key, "nodes") == 0)
            err = read_nodes(r, value, f, &nodes);
        else if (strcmp(key, "by") == 0)
            by = value;
        else if (strcmp(key, "at") != 0 && strcmp(key, "for") != 0)
            err = wrong(r, value, "a fault has at, fault, nodes, by and for");
        else if (!config_parse_duration(text_of(value), *key == 'a' ? &f->at : &f->lasts_us))
            err = wrong(r, value, "a duration is wanted: 500us, 20ms, 3s, 10m");
    }
    if (err != ERR_OK)
        return err;
    if (f->kind == FAULT_COUNT)
        return wrong(r, map, "which fault?");
    if (nodes != fault_operands(f->kind))
        return wrong(r, map, "this fault is done to another number of nodes");
    if ((by != NULL) != (units[f->kind] != NONE) ||
        (by != NULL && !parse_amount(text_of(by), units[f->kind], &f->amount)))
        return wrong(r, map,
                     "`by` says how much, where a fault has a measure: a duration or a number");
    return ERR_OK;
}

static int by_time(const void *a, const void *b)
{
    const struct fault *x = a;
    const struct fault *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static enum err read_faults(struct reading *r, const yaml_node_t *list)
{
    struct scenario *s = r->s;
    size_t cap = 0;
    enum err err = ERR_OK;
    if (list->type != YAML_SEQUENCE_NODE)
        return wrong(r, list, "faults are a list");
    for (yaml_node_item_t *i = list->data.sequence.items.start;
         i < list->data.sequence.items.top && err == ERR_OK; i++) {
        if (s->faults_count == SCENARIO_FAULTS_MAX)
            return wrong(r, list, "there are too many faults");
        s->faults = mem_grow(s->faults, s->faults_count, &cap, sizeof *s->faults);
        err = read_fault(r, node_of(r, *i), &s->faults[s->faults_count++]);
    }
    if (s->faults_count > 0)
        qsort(s->faults, s->faults_count, sizeof *s->faults, by_time);
    return err;
}

static enum err read_root(struct reading *r, const yaml_node_t *root)
{
    enum err err = check_keys(r, root);
    for (yaml_node_pair_t *p = root->data.mapping.pairs.start;
         p < root->data.mapping.pairs.top && err == ERR_OK; p++) {
        const yaml_node_t *key = node_of(r, p->key);
        const yaml_node_t *value = node_of(r, p->value);
        if (strcmp(text_of(key), "faults") == 0)
            err = read_faults(r, value);
        else if (strcmp(text_of(key), "workloads") == 0)
            err = read_weights(r, value, workload_name, r->s->workloads, SCENARIO_WORKLOADS_MAX);
        else if (strcmp(text_of(key), "levels") == 0)
            err = read_weights(r, value, level_of, r->s->levels, SCENARIO_LEVELS);
        else
            err = read_pair(r, "", key, value);
    }
    if (err != ERR_OK)
        return err;
    const struct scenario *s = r->s;
    if (s->nodes < 1 || s->rf < 1 || s->dcs < 1 || s->rf * s->dcs > s->nodes ||
        s->clients.count < 1 || s->clients.size < 1 || s->clients.think_us < 1)
        return wrong(r, root, "there must be a client that thinks, and a node for every replica");
    if (s->racks < 1 || s->ring_ranges < 1 || (s->ring_ranges & (s->ring_ranges - 1)) != 0)
        return wrong(r, root, "ring_ranges must be a power of two, and racks 1 or more");
    return ERR_OK;
}

enum err scenario_read(struct bytes yaml, struct scenario *ret, struct errmsg *reterr)
{
    yaml_parser_t parser;
    struct reading r = {.s = ret, .m = reterr};
    enum err err = ERR_CONFIG;
    quiet(ret);
    if (yaml_parser_initialize(&parser) == 0)
        return errmsg_set(reterr, ERR_CONFIG, "no memory to read YAML");
    yaml_parser_set_input_string(&parser, yaml.len > 0 ? yaml.data : (const uint8_t *)"", yaml.len);
    if (yaml_parser_load(&parser, &r.doc) == 0) {
        (void)errmsg_set(reterr, ERR_CONFIG, "%zu: not valid YAML: %s",
                         parser.problem_mark.line + 1,
                         parser.problem != NULL ? parser.problem : "unreadable");
    } else {
        yaml_node_t *root = yaml_document_get_root_node(&r.doc);
        if (root == NULL || root->type != YAML_MAPPING_NODE)
            (void)errmsg_set(reterr, ERR_CONFIG, "1: a scenario is a mapping: seed: 1");
        else
            err = read_root(&r, root);
        yaml_document_delete(&r.doc);
    }
    yaml_parser_delete(&parser);
    if (err != ERR_OK)
        scenario_close(ret);
    return err;
}

/* --- writing */

static void put_value(const struct scenario *s, const struct field *f, struct buf *out)
{
    const void *at = (const char *)s + f->offset;
    switch (f->type) {
    case TIME: config_put_duration(out, *(const usec *)at); break;
    case U32: buf_printf(out, "%" PRIu32, *(const uint32_t *)at); break;
    case I32: buf_printf(out, "%" PRId32, *(const int32_t *)at); break;
    case U64: buf_printf(out, "%" PRIu64, *(const uint64_t *)at); break;
    case SIZE: buf_printf(out, "%zu", *(const size_t *)at); break;
    }
}

static void put_weights(struct buf *out, const char *title, const char *(*name)(size_t i),
                        const uint32_t *weights)
{
    const char *comma = "";
    buf_printf(out, "%s: {", title);
    for (size_t i = 0; name(i) != NULL; i++) {
        if (weights[i] == 0)
            continue;
        buf_printf(out, "%s%s: %" PRIu32, comma, name(i), weights[i]);
        comma = ", ";
    }
    buf_put_text(out, "}\n");
}

static void put_fault(const struct fault *f, struct buf *out)
{
    enum unit unit = units[f->kind];
    buf_put_text(out, "  - {at: ");
    config_put_duration(out, f->at);
    buf_printf(out, ", fault: %s", fault_name(f->kind));
    if (fault_operands(f->kind) == 1)
        buf_printf(out, ", nodes: [%u]", f->a);
    else if (fault_operands(f->kind) == 2)
        buf_printf(out, ", nodes: [%u, %u]", f->a, f->b);
    if (unit == IN_TIME) {
        buf_put_text(out, f->amount < 0 ? ", by: -" : ", by: ");
        config_put_duration(out, f->amount < 0 ? -f->amount : f->amount);
    } else if (unit != NONE) {
        buf_printf(out, ", by: %" PRId64, f->amount);
    }
    buf_put_text(out, ", for: ");
    config_put_duration(out, f->lasts_us);
    buf_put_text(out, "}\n");
}

void scenario_write(const struct scenario *s, struct buf *out)
{
    const char *section = "";
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        bool new_section = strcmp(section, fields[i].section) != 0;
        if (new_section)
            buf_printf(out, "%s%s: {", *section != 0 ? "}\n" : "", fields[i].section);
        else if (*section != 0)
            buf_put_text(out, ", ");
        section = fields[i].section;
        buf_printf(out, "%s: ", fields[i].key);
        put_value(s, &fields[i], out);
        if (*section == 0)
            buf_put_text(out, "\n");
    }
    buf_put_text(out, "}\n");
    put_weights(out, "workloads", workload_name, s->workloads);
    put_weights(out, "levels", level_of, s->levels);
    buf_put_text(out, s->faults_count > 0 ? "faults:\n" : "faults: []\n");
    for (size_t i = 0; i < s->faults_count; i++)
        put_fault(&s->faults[i], out);
}
