/* options_compaction.c - what Cassandra checks in the sub-options of compaction and compression.
 * Torc obeys none of them, but who writes what means nothing is to hear it here as there. */
#include "node/schema/build.h"
#include "node/schema/number.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *get(const struct ddl_option *o, const char *key)
{
    for (uint32_t i = 0; i < o->pair_count; i++) {
        if (strcmp(o->pairs[i].key, key) == 0)
            return o->pairs[i].value;
    }
    return NULL;
}

static bool whole(const char *text, long *ret)
{
    char *end;
    *ret = strtol(text, &end, 10);
    return end != text && *end == 0 && text[0] != ' ' && text[0] != '+';
}

static bool real(const char *text, double *ret)
{
    char *end;
    *ret = strtod(text, &end);
    return text[0] != 0 && text[strspn(text, "0123456789+-.eE")] == 0 && *end == 0;
}

static enum err unparsable(const char *value, const char *key, struct errmsg *e)
{
    return errmsg_set(e, ERR_CONFIG, "%s is not a parsable int (base10) for %s", value, key);
}

static bool is_boolean(const char *text)
{
    return strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0;
}

static enum err check_common(const struct ddl_option *o, struct errmsg *e)
{
    const char *enabled = get(o, "enabled");
    const char *unchecked = get(o, "unchecked_tombstone_compaction");
    const char *threshold = get(o, "tombstone_threshold");
    const char *interval = get(o, "tombstone_compaction_interval");
    double share;
    long seconds;
    if (enabled != NULL && !is_boolean(enabled))
        return errmsg_set(e, ERR_CONFIG, "enabled should either be 'true' or 'false', not %s",
                          enabled);
    if (threshold != NULL && !real(threshold, &share))
        return errmsg_set(e, ERR_CONFIG,
                          "%s is not a parsable int (base10) for "
                          "tombstone_threshold",
                          threshold);
    if (threshold != NULL && share < 0)
        return errmsg_set(e, ERR_CONFIG, "tombstone_threshold must be greater than 0, but was %f",
                          share);
    if (interval != NULL && !whole(interval, &seconds))
        return unparsable(interval, "tombstone_compaction_interval", e);
    if (interval != NULL && seconds < 0)
        return errmsg_set(e, ERR_CONFIG,
                          "tombstone_compaction_interval must be greater than 0, but was %ld",
                          seconds);
    if (unchecked != NULL && !is_boolean(unchecked))
        return errmsg_set(e, ERR_CONFIG,
                          "'unchecked_tombstone_compaction' should be either 'true' or 'false', "
                          "not '%s'",
                          unchecked);
    return ERR_OK;
}

static enum err check_thresholds(const struct ddl_option *o, struct errmsg *e)
{
    static const char *const keys[] = {"min_threshold", "max_threshold"};
    long v[] = {4, 32};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *text = get(o, keys[i]);
        if (text != NULL && !whole(text, &v[i]))
            return errmsg_set(e, ERR_CONFIG,
                              "Invalid value %s for '%s' compaction sub-option - must be an "
                              "integer",
                              text, keys[i]);
    }
    if (v[0] <= 0 || v[1] <= 0)
        return errmsg_set(e, ERR_CONFIG,
                          "Disabling compaction by setting compaction thresholds to 0 has been "
                          "removed, set the compaction option 'enabled' to false instead.");
    if (v[0] < 2)
        return errmsg_set(e, ERR_CONFIG, "Min compaction threshold cannot be less than 2 (got %ld)",
                          v[0]);
    if (v[0] > v[1])
        return errmsg_set(e, ERR_CONFIG,
                          "Min compaction threshold (got %ld) cannot be greater than max "
                          "compaction threshold (got %ld)",
                          v[0], v[1]);
    return ERR_OK;
}

static const char *as_java(double v, struct buf *b)
{
    double_print(v, b);
    buf_put_u8(b, 0);
    return b->failed ? "" : (const char *)b->data;
}

static enum err check_buckets(const struct ddl_option *o, struct errmsg *e)
{
    const char *size = get(o, "min_sstable_size");
    const char *low_text = get(o, "bucket_low");
    const char *high_text = get(o, "bucket_high");
    double low = 0.5;
    double high = 1.5;
    long bytes;
    if (size != NULL && !whole(size, &bytes))
        return unparsable(size, "min_sstable_size", e);
    if (size != NULL && bytes < 0)
        return errmsg_set(e, ERR_CONFIG, "min_sstable_size must be non negative: %ld", bytes);
    if ((low_text != NULL && !real(low_text, &low)) ||
        (high_text != NULL && !real(high_text, &high)))
        return errmsg_set(e, ERR_CONFIG, "%s is not a parsable int (base10) for bucket_%s",
                          low_text != NULL && !real(low_text, &low) ? low_text : high_text,
                          low_text != NULL && !real(low_text, &low) ? "low" : "high");
    if (high > low)
        return ERR_OK;
    struct buf a, b;
    buf_init(&a, 64);
    buf_init(&b, 64);
    enum err err = errmsg_set(e, ERR_CONFIG,
                              "bucket_high value (%s) is less than or equal to the bucket_low "
                              "value (%s)",
                              as_java(high, &a), as_java(low, &b));
    buf_close(&a);
    buf_close(&b);
    return err;
}

static enum err check_leveled(const struct ddl_option *o, struct errmsg *e)
{
    static const char *const keys[] = {"sstable_size_in_mb", "fanout_size"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const char *text = get(o, keys[i]);
        long v = 1;
        if (text != NULL && !whole(text, &v))
            return unparsable(text, keys[i], e);
        if (v < 1)
            return errmsg_set(e, ERR_CONFIG, "%s must be larger than 0, but was %ld", keys[i], v);
    }
    return ERR_OK;
}

static bool is_one_of(const char *word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(word, list[i]) == 0)
            return true;
    }
    return false;
}

static enum err check_windows(const struct ddl_option *o, struct errmsg *e)
{
    static const char *const units[] = {"MINUTES", "HOURS", "DAYS"};
    static const char *const resolutions[] = {
        "DAYS", "HOURS", "MINUTES", "SECONDS", "MILLISECONDS", "MICROSECONDS", "NANOSECONDS"};
    const char *unit = get(o, "compaction_window_unit");
    const char *size = get(o, "compaction_window_size");
    const char *resolution = get(o, "timestamp_resolution");
    long v = 1;
    if (resolution != NULL && !is_one_of(resolution, resolutions, ARRAY_LEN(resolutions)))
        return errmsg_set(e, ERR_CONFIG, "%s is not valid for timestamp_resolution", resolution);
    if (unit != NULL && !is_one_of(unit, units, ARRAY_LEN(units)))
        return errmsg_set(e, ERR_CONFIG, "%s is not valid for compaction_window_unit", unit);
    if (size != NULL && !whole(size, &v))
        return unparsable(size, "compaction_window_size", e);
    if (v < 1)
        return errmsg_set(e, ERR_CONFIG, "%ld must be greater than 1 for compaction_window_size",
                          v);
    return ERR_OK;
}

/* "T4, N, L8, -3": commas between, blanks around. */
static enum err check_scaling(const struct ddl_option *o, struct errmsg *e)
{
    const char *at = get(o, "scaling_parameters");
    while (at != NULL) {
        at += strspn(at, " ");
        size_t len = strcspn(at, ", ");
        const char *digits = at + (strchr("LT+-", at[0]) != NULL && at[0] != 0 ? 1 : 0);
        size_t count = strspn(digits, "0123456789");
        bool good = (len == 1 && at[0] == 'N') || (count > 0 && digits + count == at + len);
        if (!good)
            return errmsg_set(e, ERR_CONFIG,
                              "Scaling parameter %.*s must match N|L[0-9]+|T[0-9]+|[+-]?[0-9]+",
                              (int)len, at);
        at += len + strspn(at + len, " ");
        at = *at == ',' ? at + 1 : NULL;
    }
    return ERR_OK;
}

enum err compaction_check(const struct ddl_option *o, const char *strategy, struct errmsg *e)
{
    enum err err = check_common(o, e);
    if (err == ERR_OK && strcmp(strategy, "LeveledCompactionStrategy") == 0)
        err = check_leveled(o, e);
    if (err == ERR_OK && strcmp(strategy, "UnifiedCompactionStrategy") == 0)
        return check_scaling(o, e);
    if (err == ERR_OK && strcmp(strategy, "TimeWindowCompactionStrategy") == 0)
        err = check_windows(o, e);
    if (err == ERR_OK && strcmp(strategy, "LeveledCompactionStrategy") != 0)
        err = check_buckets(o, e);
    return err == ERR_OK ? check_thresholds(o, e) : err;
}

enum err compression_check(const struct ddl_option *o, const char *class, struct errmsg *e)
{
    const char *ratio = get(o, "min_compress_ratio");
    const char *level = get(o, "compression_level");
    double r;
    long v;
    if (ratio != NULL && (!real(ratio, &r) || r < 0))
        return errmsg_set(e, ERR_CONFIG, "Invalid %s min_compress_ratio",
                          real(ratio, &r) ? "negative" : "value for");
    if (level != NULL && strcmp(class, "ZstdCompressor") == 0 &&
        (!whole(level, &v) || v < -131072 || v > 22))
        return errmsg_set(e, ERR_CONFIG,
                          "ZstdCompressor.create() threw an error: "
                          "java.lang.IllegalArgumentException compression_level=%s is invalid",
                          level);
    return ERR_OK;
}
