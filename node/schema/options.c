/* options.c - WITH of tables and keyspaces: Cassandra 5.0's names, defaults, bounds and complaints.
 *
 * Tables of properties rather than code: what is a number between two bounds stands in one row.
 */
#include "node/schema/build.h"
#include "node/schema/number.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TTL_MAX 630720000 /* 20 years */

struct table_options table_options_default(void)
{
    static const struct option_pair caching[] = {{"keys", "ALL"}, {"rows_per_partition", "NONE"}};
    static const struct option_pair compaction[] = {
        {"class", "org.apache.cassandra.db.compaction.SizeTieredCompactionStrategy"},
        {"max_threshold", "32"},
        {"min_threshold", "4"}};
    static const struct option_pair compression[] = {
        {"chunk_length_in_kb", "16"}, {"class", "org.apache.cassandra.io.compress.LZ4Compressor"}};
    return (struct table_options){.additional_write_policy = "99p",
                                  .comment = "",
                                  .memtable = "default",
                                  .read_repair = "BLOCKING",
                                  .speculative_retry = "99p",
                                  .caching = {caching, ARRAY_LEN(caching)},
                                  .compaction = {compaction, ARRAY_LEN(compaction)},
                                  .compression = {compression, ARRAY_LEN(compression)},
                                  .bloom_filter_fp_chance = 0.01,
                                  .crc_check_chance = 1.0,
                                  .gc_grace_seconds = 864000,
                                  .max_index_interval = 2048,
                                  .min_index_interval = 128,
                                  .allow_auto_snapshot = true,
                                  .incremental_backups = true};
}

const struct ddl_option *ddl_option_find(const struct ddl *ddl, const char *name)
{
    for (uint32_t i = 0; i < ddl->option_count; i++) {
        if (strcmp(ddl->options[i].name, name) == 0)
            return &ddl->options[i];
    }
    return NULL;
}

static const char *pair_get(const struct ddl_option *o, const char *key)
{
    for (uint32_t i = 0; i < o->pair_count; i++) {
        if (strcmp(o->pairs[i].key, key) == 0)
            return o->pairs[i].value;
    }
    return NULL;
}

enum err options_check_duplicates(const struct ddl *ddl, struct errmsg *e)
{
    for (uint32_t i = 0; i < ddl->option_count; i++) {
        if (ddl_option_find(ddl, ddl->options[i].name) != &ddl->options[i])
            return errmsg_set(e, ERR_SYNTAX, "Multiple definitions for property '%s'",
                              ddl->options[i].name);
        const struct ddl_option *o = &ddl->options[i];
        for (uint32_t j = 0; j < o->pair_count; j++) {
            if (pair_get(o, o->pairs[j].key) != o->pairs[j].value)
                return errmsg_set(e, ERR_SYNTAX, "Multiple definitions for '%s' in property '%s'",
                                  o->pairs[j].key, o->name);
        }
    }
    return ERR_OK;
}

static enum err want_text(const struct ddl_option *o, struct errmsg *e)
{
    return o->value != NULL
               ? ERR_OK
               : errmsg_set(e, ERR_SYNTAX, "Invalid value for property '%s'. It should be a string",
                            o->name);
}

static enum err want_map(const struct ddl_option *o, struct errmsg *e)
{
    return o->value == NULL
               ? ERR_OK
               : errmsg_set(e, ERR_SYNTAX, "Invalid value for property '%s'. It should be a map.",
                            o->name);
}

enum err option_boolean(const struct ddl_option *o, bool *ret, struct errmsg *e)
{
    static const char *const yes[] = {"1", "true", "yes"};
    static const char *const no[] = {"0", "false", "no"};
    enum err err = want_text(o, e);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (strcasecmp(o->value, yes[i]) == 0 || strcasecmp(o->value, no[i]) == 0) {
            *ret = strcasecmp(o->value, yes[i]) == 0;
            return ERR_OK;
        }
    }
    return errmsg_set(e, ERR_SYNTAX,
                      "Invalid boolean value %s for '%s'. Positive values can be '1', 'true' or "
                      "'yes'. Negative values can be '0', 'false' or 'no'.",
                      o->value, o->name);
}

/* Digits with an optional sign, within 32 bits. */
static bool parse_i32(const char *text, int32_t *ret)
{
    char *end;
    if (text[0] != '-' && (text[0] < '0' || text[0] > '9'))
        return false;
    long v = strtol(text, &end, 10);
    if (end == text || *end != 0 || v < INT32_MIN || v > INT32_MAX)
        return false;
    *ret = (int32_t)v;
    return true;
}

/* A plain decimal number; strtod would also take hexadecimal and words. */
static bool parse_double(const char *text, double *ret)
{
    char *end;
    if (text[0] == 0 || text[strspn(text, "0123456789+-.eE")] != 0)
        return false;
    *ret = strtod(text, &end);
    return *end == 0;
}

static enum err apply_integer(const struct ddl_option *o, int32_t low, int32_t *ret,
                              struct errmsg *e)
{
    int32_t v;
    enum err err = want_text(o, e);
    if (err != ERR_OK)
        return err;
    if (!parse_i32(o->value, &v))
        return errmsg_set(e, ERR_SYNTAX, "Invalid integer value %s for '%s'", o->value, o->name);
    if (v < low)
        return errmsg_set(e, ERR_CONFIG, "%s must be greater than or equal to %d (got %d)", o->name,
                          low, v);
    *ret = v;
    return ERR_OK;
}

static enum err apply_double(const struct ddl_option *o, double *ret, struct errmsg *e)
{
    double v;
    enum err err = want_text(o, e);
    if (err != ERR_OK)
        return err;
    if (!parse_double(o->value, &v))
        return errmsg_set(e, ERR_SYNTAX, "Invalid double value %s for '%s'", o->value, o->name);
    bool bloom = strcmp(o->name, "bloom_filter_fp_chance") == 0;
    if (v <= 1 && (bloom ? v > 6.71e-5 : v >= 0)) {
        *ret = v;
        return ERR_OK;
    }
    struct buf got;
    buf_init(&got, 64);
    double_print(v, &got);
    err = errmsg_set(e, ERR_CONFIG,
                     bloom ? "%s must be larger than 6.71E-5 and less than or equal to 1.0 (got "
                             "%.*s)"
                           : "%s must be larger than or equal to 0 and smaller than or equal to "
                             "1.0 (got %.*s)",
                     o->name, (int)got.len, (const char *)got.data);
    buf_close(&got);
    return err;
}

/* "org.apache....Name" of a name without a dot. */
static const char *full_class(struct arena *a, const char *package, const char *name)
{
    return strchr(name, '.') != NULL ? name : arena_printf(a, "%s.%s", package, name);
}

static const char *short_class(const char *full)
{
    const char *dot = strrchr(full, '.');
    return dot != NULL ? dot + 1 : full;
}

static bool in_list(const char *word, const char *const *list)
{
    for (; *list != NULL; list++) {
        if (strcmp(word, *list) == 0)
            return true;
    }
    return false;
}

/* A map of the arena with room for `more` pairs behind those of the option. */
static struct option_pair *pairs_copy(const struct ddl_option *o, uint32_t more, struct arena *a)
{
    struct option_pair *p = arena_array(a, struct option_pair, o->pair_count + more);
    for (uint32_t i = 0; i < o->pair_count; i++)
        p[i] = o->pairs[i];
    return p;
}

static void pairs_default(struct option_pair *p, uint32_t *n, const char *key, const char *value)
{
    for (uint32_t i = 0; i < *n; i++) {
        if (strcmp(p[i].key, key) == 0)
            return;
    }
    p[(*n)++] = (struct option_pair){key, value};
}

static const char *const compaction_common[] = {"class",
                                                "enabled",
                                                "log_all",
                                                "only_purge_repaired_tombstones",
                                                "provide_overlapping_tombstones",
                                                "tombstone_compaction_interval",
                                                "tombstone_threshold",
                                                "unchecked_tombstone_compaction",
                                                NULL};
static const char *const size_tiered[] = {"bucket_high",      "bucket_low",    "max_threshold",
                                          "min_sstable_size", "min_threshold", NULL};
static const char *const leveled[] = {
    "fanout_size",        "max_threshold",          "min_threshold",
    "sstable_size_in_mb", "single_sstable_uplevel", NULL};
static const char *const time_window[] = {"bucket_high",
                                          "bucket_low",
                                          "compaction_window_size",
                                          "compaction_window_unit",
                                          "expired_sstable_check_frequency_seconds",
                                          "max_threshold",
                                          "min_sstable_size",
                                          "min_threshold",
                                          "timestamp_resolution",
                                          "unsafe_aggressive_sstable_expiration",
                                          NULL};
static const char *const unified[] = {"base_shard_count",
                                      "expired_sstable_check_frequency_seconds",
                                      "flush_size_override",
                                      "max_sstables_to_compact",
                                      "min_sstable_size",
                                      "overlap_inclusion_method",
                                      "scaling_parameters",
                                      "sstable_growth",
                                      "target_sstable_size",
                                      "unsafe_aggressive_sstable_expiration",
                                      NULL};
static const struct {
    const char *name;
    const char *const *keys;
    bool thresholds;
} strategies[] = {{"SizeTieredCompactionStrategy", size_tiered, true},
                  {"LeveledCompactionStrategy", leveled, true},
                  {"TimeWindowCompactionStrategy", time_window, true},
                  {"UnifiedCompactionStrategy", unified, false}};

static enum err apply_compaction(const struct ddl_option *o, struct option_map *ret,
                                 struct arena *a, struct errmsg *e)
{
    enum err err = want_map(o, e);
    if (err != ERR_OK)
        return err;
    const char *class = pair_get(o, "class");
    if (class == NULL)
        return errmsg_set(e, ERR_CONFIG, "Missing sub-option 'class' for the 'compaction' option");
    class = full_class(a, "org.apache.cassandra.db.compaction", class);
    size_t s = 0;
    while (s < ARRAY_LEN(strategies) && strcmp(short_class(class), strategies[s].name) != 0)
        s++;
    if (s == ARRAY_LEN(strategies))
        return errmsg_set(e, ERR_CONFIG, "Unable to find compaction strategy class '%s'", class);
    struct option_pair *p = pairs_copy(o, 2, a);
    uint32_t n = o->pair_count;
    for (uint32_t i = 0; i < n; i++) {
        if (!in_list(p[i].key, compaction_common) && !in_list(p[i].key, strategies[s].keys))
            return errmsg_set(e, ERR_CONFIG, "Properties specified [%s] are not understood by %s",
                              p[i].key, strategies[s].name);
        if (strcmp(p[i].key, "class") == 0)
            p[i].value = class;
    }
    err = compaction_check(o, strategies[s].name, e);
    if (err != ERR_OK)
        return err;
    if (strategies[s].thresholds) {
        pairs_default(p, &n, "max_threshold", "32");
        pairs_default(p, &n, "min_threshold", "4");
    }
    *ret = (struct option_map){p, n};
    return ERR_OK;
}

static enum err apply_compression(const struct ddl_option *o, struct option_map *ret,
                                  struct arena *a, struct errmsg *e)
{
    static const char *const keys[] = {"class",
                                       "chunk_length_in_kb",
                                       "compression_level",
                                       "enabled",
                                       "lz4_compressor_type",
                                       "lz4_high_compressor_level",
                                       "min_compress_ratio",
                                       NULL};
    static const char *const classes[] = {"DeflateCompressor", "LZ4Compressor",  "NoopCompressor",
                                          "SnappyCompressor",  "ZstdCompressor", NULL};
    static const struct option_pair off[] = {{"enabled", "false"}};
    int32_t chunk;
    enum err err = want_map(o, e);
    if (err != ERR_OK)
        return err;
    const char *enabled = pair_get(o, "enabled");
    bool disabled = enabled != NULL && strcasecmp(enabled, "true") != 0;
    if (disabled && o->pair_count > 1)
        return errmsg_set(e, ERR_CONFIG,
                          "If the 'enabled' option is set to false no other options must be "
                          "specified");
    if (o->pair_count == 0 || disabled) {
        *ret = (struct option_map){off, 1};
        return ERR_OK;
    }
    const char *class = pair_get(o, "class");
    if (class == NULL)
        return errmsg_set(e, ERR_CONFIG,
                          "Missing sub-option 'class' for the 'compression' option.");
    if (class[0] == 0)
        return errmsg_set(e, ERR_CONFIG,
                          "The 'class' option must not be empty. To disable compression use "
                          "'enabled' : false");
    class = full_class(a, "org.apache.cassandra.io.compress", class);
    if (!in_list(short_class(class), classes))
        return errmsg_set(e, ERR_CONFIG, "Could not create Compression for type %s", class);
    const char *length = pair_get(o, "chunk_length_in_kb");
    if (length != NULL && !parse_i32(length, &chunk))
        return errmsg_set(e, ERR_CONFIG, "Invalid value for chunk_length_in_kb");
    if (length != NULL && chunk <= 0)
        return errmsg_set(e, ERR_CONFIG, "Invalid negative or null chunk_length_in_kb");
    if (length != NULL && (chunk & (chunk - 1)) != 0)
        return errmsg_set(e, ERR_CONFIG, "chunk_length_in_kb must be a power of 2");
    err = compression_check(o, short_class(class), e);
    if (err != ERR_OK)
        return err;
    struct option_pair *p = pairs_copy(o, 1, a);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < o->pair_count; i++) {
        if (!in_list(p[i].key, keys))
            return errmsg_set(e, ERR_CONFIG, "Unknown compression options %s", p[i].key);
        if (strcmp(p[i].key, "class") == 0)
            p[i].value = class;
        if (strcmp(p[i].key, "enabled") != 0)
            p[kept++] = p[i];
    }
    pairs_default(p, &kept, "chunk_length_in_kb", "16");
    *ret = (struct option_map){p, kept};
    return ERR_OK;
}

static enum err apply_caching(const struct ddl_option *o, struct option_map *ret, struct arena *a,
                              struct errmsg *e)
{
    int32_t rows;
    enum err err = want_map(o, e);
    if (err != ERR_OK)
        return err;
    static const struct option_pair nothing[] = {{"keys", "NONE"}, {"rows_per_partition", "NONE"}};
    if (o->pair_count == 0) {
        *ret = (struct option_map){nothing, ARRAY_LEN(nothing)};
        return ERR_OK;
    }
    struct option_pair *p = pairs_copy(o, 2, a);
    uint32_t n = o->pair_count;
    for (uint32_t i = 0; i < n; i++) {
        bool keys = strcmp(p[i].key, "keys") == 0;
        bool all = strcasecmp(p[i].value, "ALL") == 0;
        bool none = strcasecmp(p[i].value, "NONE") == 0;
        if (!keys && strcmp(p[i].key, "rows_per_partition") != 0)
            return errmsg_set(e, ERR_CONFIG,
                              "Invalid caching sub-options [%s]: only 'keys' and "
                              "'rows_per_partition' are allowed",
                              p[i].key);
        if (keys && !all && !none)
            return errmsg_set(e, ERR_CONFIG,
                              "Invalid value '%s' for caching sub-option 'keys': only 'ALL' and "
                              "'NONE' are allowed",
                              p[i].value);
        if (!all && !none && !(parse_i32(p[i].value, &rows) && rows >= 0))
            return errmsg_set(e, ERR_CONFIG,
                              "Invalid value '%s' for caching sub-option 'rows_per_partition': "
                              "only 'ALL', 'NONE', and integer values are allowed",
                              p[i].value);
        if (all || none)
            p[i].value = all ? "ALL" : "NONE";
    }
    pairs_default(p, &n, "keys", "ALL");
    pairs_default(p, &n, "rows_per_partition", "NONE");
    *ret = (struct option_map){p, n};
    return ERR_OK;
}

static enum err apply_speculation(const struct ddl_option *o, const char **ret, struct arena *a,
                                  struct errmsg *e)
{
    struct speculation s;
    enum err err = want_text(o, e);
    if (err != ERR_OK)
        return err;
    if (!speculation_parse(o->value, &s)) { /* both options are named so in Cassandra's words */
        size_t number = strspn(o->value, "0123456789.");
        bool percentile = number > 0 && (strcasecmp(o->value + number, "p") == 0 ||
                                         strcasecmp(o->value + number, "percentile") == 0);
        return errmsg_set(e, ERR_CONFIG,
                          percentile ? "Invalid value %s for PERCENTILE option "
                                       "'speculative_retry': must be between (0.0 and 100.0)"
                                     : "Invalid value %s for option 'speculative_retry'",
                          o->value);
    }
    switch (s.kind) {
    case SPECULATE_NEVER: *ret = "NEVER"; break;
    case SPECULATE_ALWAYS: *ret = "ALWAYS"; break;
    case SPECULATE_PERCENTILE: *ret = arena_printf(a, "%.6gp", s.percentile); break;
    case SPECULATE_FIXED: *ret = arena_printf(a, "%.9gms", s.ms); break;
    case SPECULATE_MIN: *ret = arena_printf(a, "MIN(%.6gp,%.9gms)", s.percentile, s.ms); break;
    case SPECULATE_MAX: *ret = arena_printf(a, "MAX(%.6gp,%.9gms)", s.percentile, s.ms); break;
    }
    return ERR_OK;
}

static enum err apply_word(const struct ddl_option *o, struct table_options *to, struct errmsg *e)
{
    enum err err = want_text(o, e);
    if (err != ERR_OK)
        return err;
    if (strcmp(o->name, "comment") == 0) {
        to->comment = o->value;
    } else if (strcmp(o->name, "memtable") == 0) {
        if (strcmp(o->value, "default") != 0)
            return errmsg_set(e, ERR_CONFIG, "Memtable configuration \"%s\" not found.", o->value);
        to->memtable = "default";
    } else if (strcmp(o->name, "read_repair") == 0) {
        bool blocking = strcasecmp(o->value, "BLOCKING") == 0;
        if (!blocking && strcasecmp(o->value, "NONE") != 0)
            return errmsg_set(e, ERR_CONFIG,
                              "Invalid value %s for option 'read_repair': only 'BLOCKING' and "
                              "'NONE' are allowed",
                              o->value);
        to->read_repair = blocking ? "BLOCKING" : "NONE";
    } else { /* conflicts */
        bool siblings = strcasecmp(o->value, "siblings") == 0;
        if (!siblings && strcasecmp(o->value, "lww") != 0)
            return errmsg_set(e, ERR_CONFIG,
                              "Invalid value %s for option 'conflicts': only 'lww' and 'siblings' "
                              "are known",
                              o->value);
        to->conflicts = siblings ? CONFLICTS_SIBLINGS : CONFLICTS_LWW;
    }
    return ERR_OK;
}

bool option_is_table_id(const struct ddl_option *o)
{
    return strcmp(o->name, "id") == 0;
}

bool table_option_is_inert(const char *name)
{
    static const char *const inert[] = {"allow_auto_snapshot",
                                        "bloom_filter_fp_chance",
                                        "caching",
                                        "cdc",
                                        "compaction",
                                        "compression",
                                        "crc_check_chance",
                                        "gc_grace_seconds",
                                        "incremental_backups",
                                        "max_index_interval",
                                        "memtable",
                                        "memtable_flush_period_in_ms",
                                        "min_index_interval",
                                        NULL};
    return in_list(name, inert);
}

static enum err apply_one(const struct ddl_option *o, struct table_options *to, struct arena *a,
                          struct errmsg *e)
{
    const struct {
        const char *name;
        int32_t low;
        int32_t *to;
    } integers[] = {{"default_time_to_live", 0, &to->default_time_to_live},
                    {"gc_grace_seconds", 0, &to->gc_grace_seconds},
                    {"max_index_interval", INT32_MIN, &to->max_index_interval},
                    {"memtable_flush_period_in_ms", 0, &to->memtable_flush_period_in_ms},
                    {"min_index_interval", 1, &to->min_index_interval}};
    const struct {
        const char *name;
        bool *to;
    } booleans[] = {{"allow_auto_snapshot", &to->allow_auto_snapshot},
                    {"cdc", &to->cdc},
                    {"incremental_backups", &to->incremental_backups}};
    static const char *const words[] = {"comment", "conflicts", "memtable", "read_repair", NULL};
    for (size_t i = 0; i < ARRAY_LEN(integers); i++) {
        if (strcmp(o->name, integers[i].name) == 0)
            return apply_integer(o, integers[i].low, integers[i].to, e);
    }
    for (size_t i = 0; i < ARRAY_LEN(booleans); i++) {
        if (strcmp(o->name, booleans[i].name) == 0)
            return option_boolean(o, booleans[i].to, e);
    }
    if (in_list(o->name, words))
        return apply_word(o, to, e);
    if (strcmp(o->name, "bloom_filter_fp_chance") == 0)
        return apply_double(o, &to->bloom_filter_fp_chance, e);
    if (strcmp(o->name, "crc_check_chance") == 0)
        return apply_double(o, &to->crc_check_chance, e);
    if (strcmp(o->name, "caching") == 0)
        return apply_caching(o, &to->caching, a, e);
    if (strcmp(o->name, "compaction") == 0)
        return apply_compaction(o, &to->compaction, a, e);
    if (strcmp(o->name, "compression") == 0)
        return apply_compression(o, &to->compression, a, e);
    if (strcmp(o->name, "speculative_retry") == 0)
        return apply_speculation(o, &to->speculative_retry, a, e);
    if (strcmp(o->name, "additional_write_policy") == 0)
        return apply_speculation(o, &to->additional_write_policy, a, e);
    if (strcmp(o->name, "extensions") == 0) /* of Cassandra's tools: taken and, as there, dropped */
        return ERR_OK;
    return errmsg_set(e, ERR_SYNTAX, "Unknown property '%s'", o->name);
}

enum err options_apply(struct table_options *to, const struct ddl *ddl, bool creating,
                       struct arena *a, struct errmsg *e)
{
    enum err err = options_check_duplicates(ddl, e);
    for (uint32_t i = 0; i < ddl->option_count && err == ERR_OK; i++) {
        if (!option_is_table_id(&ddl->options[i]))
            err = apply_one(&ddl->options[i], to, a, e);
        else if (!creating)
            err = errmsg_set(e, ERR_CONFIG, "Cannot alter table id.");
    }
    if (err != ERR_OK)
        return err;
    if (to->default_time_to_live > TTL_MAX)
        return errmsg_set(e, ERR_CONFIG,
                          "default_time_to_live must be less than or equal to %d (got %d)", TTL_MAX,
                          to->default_time_to_live);
    bool min = ddl_option_find(ddl, "min_index_interval") != NULL;
    int32_t least = min ? to->min_index_interval : 128; /* as there: not what the table has */
    if (ddl_option_find(ddl, "max_index_interval") != NULL && to->max_index_interval < least)
        return errmsg_set(e, ERR_CONFIG,
                          "max_index_interval must be greater than or equal to min_index_interval "
                          "(%d) (got %d)",
                          least, to->max_index_interval);
    const char *class = option_map_get(&to->compaction, "class");
    if (creating && ddl_option_find(ddl, "bloom_filter_fp_chance") == NULL && class != NULL &&
        strcmp(short_class(class), "LeveledCompactionStrategy") == 0)
        to->bloom_filter_fp_chance = 0.1;
    return ERR_OK;
}
