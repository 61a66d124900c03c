#include "base/metrics.h"

#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

static bool has_histogram(const struct metrics *m, size_t id)
{
    ASSERT(id < m->count);
    return m->defs[id].kind == METRIC_HISTOGRAM || m->defs[id].kind == METRIC_LATENCY;
}

void metrics_init(struct metrics *m, const struct metric_def *defs, size_t count)
{
    *m = (struct metrics){.defs = defs, .count = count};
    m->values = mem_alloc(count * sizeof *m->values);
    m->histograms = mem_alloc(count * sizeof(struct histogram *));
}

void metrics_close(struct metrics *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->count; i++)
        mem_free(m->histograms[i]);
    mem_free(m->histograms);
    mem_free(m->values);
    *m = (struct metrics){0};
}

void metrics_add(struct metrics *m, size_t id, int64_t n)
{
    ASSERT(!has_histogram(m, id));
    ASSERT(n >= 0 || m->defs[id].kind == METRIC_GAUGE);
    m->values[id] += n;
}

void metrics_set(struct metrics *m, size_t id, int64_t value)
{
    ASSERT(id < m->count);
    ASSERT(m->defs[id].kind == METRIC_GAUGE);
    m->values[id] = value;
}

static struct histogram *histogram_at(struct metrics *m, size_t id)
{
    ASSERT(has_histogram(m, id));
    if (m->histograms[id] == NULL)
        m->histograms[id] = mem_new(struct histogram); /* only what is used costs its 8 KiB */
    return m->histograms[id];
}

void metrics_record(struct metrics *m, size_t id, int64_t value)
{
    histogram_record(histogram_at(m, id), value);
}

int64_t metrics_value(const struct metrics *m, size_t id)
{
    ASSERT(!has_histogram(m, id));
    return m->values[id];
}

const struct histogram *metrics_histogram(const struct metrics *m, size_t id)
{
    ASSERT(has_histogram(m, id));
    return m->histograms[id];
}

void metrics_merge(struct metrics *m, const struct metrics *other)
{
    ASSERT(m->defs == other->defs);
    ASSERT(m->count == other->count);
    for (size_t i = 0; i < m->count; i++) {
        m->values[i] += other->values[i];
        if (other->histograms[i] != NULL)
            histogram_merge(histogram_at(m, i), other->histograms[i]);
    }
}

/* Millionths as a decimal without floats: 1500000 is "1.500000". */
static void put_micro(struct buf *out, int64_t us)
{
    buf_printf(out, "%" PRId64 ".%06" PRId64, us / 1000000, us % 1000000);
}

static void put_name(struct buf *out, const struct metric_def *d, const char *suffix)
{
    buf_printf(out, "%s%s", d->name, suffix);
    if (d->labels[0] != 0)
        buf_printf(out, "{%s}", d->labels);
    buf_put_text(out, " ");
}

static void put_bucket_name(struct buf *out, const struct metric_def *d)
{
    buf_printf(out, "%s_bucket{%s%sle=\"", d->name, d->labels, d->labels[0] != 0 ? "," : "");
}

/* Bounds are 2^k - 1, where our buckets end, so the counts are exact. The set never changes in the
 * life of a process: Prometheus cannot add up histograms otherwise. */
static void render_histogram(const struct metric_def *d, const struct histogram *h, struct buf *out)
{
    bool latency = d->kind == METRIC_LATENCY;
    unsigned first = latency ? 6 : 0;
    unsigned last = latency ? 26 : 34; /* 64 us .. 67 s */
    unsigned step = latency ? 1 : 2;
    for (unsigned bits = first; bits <= last; bits += step) {
        int64_t bound = ((int64_t)1 << bits) - 1;
        put_bucket_name(out, d);
        if (latency)
            put_micro(out, bound);
        else
            buf_printf(out, "%" PRId64, bound);
        buf_printf(out, "\"} %" PRIu64 "\n", histogram_below(h, bits));
    }
    put_bucket_name(out, d);
    buf_printf(out, "+Inf\"} %" PRIu64 "\n", h->count);
    put_name(out, d, "_sum");
    if (latency)
        put_micro(out, h->sum);
    else
        buf_printf(out, "%" PRId64, h->sum);
    buf_put_text(out, "\n");
    put_name(out, d, "_count");
    buf_printf(out, "%" PRIu64 "\n", h->count);
}

void metrics_render(const struct metrics *m, struct buf *out)
{
    static const char *const types[] = {"counter", "gauge", "histogram", "histogram"};
    static const struct histogram empty;
    for (size_t i = 0; i < m->count; i++) {
        const struct metric_def *d = &m->defs[i];
        if (i == 0 || strcmp(d->name, m->defs[i - 1].name) != 0) {
            buf_printf(out, "# HELP %s %s\n", d->name, d->help);
            buf_printf(out, "# TYPE %s %s\n", d->name, types[d->kind]);
        }
        if (has_histogram(m, i)) {
            render_histogram(d, m->histograms[i] != NULL ? m->histograms[i] : &empty, out);
        } else {
            put_name(out, d, "");
            buf_printf(out, "%" PRId64 "\n", m->values[i]);
        }
    }
}

bool metrics_find(const struct metrics *m, struct bytes name, size_t *ret_id)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct metric_def *d = &m->defs[i];
        struct bytes rest = name;
        if (!bytes_starts_with(name, bytes_text(d->name)))
            continue;
        rest.data += strlen(d->name);
        rest.len -= strlen(d->name);
        size_t labels = strlen(d->labels);
        bool same = labels == 0 ? rest.len == 0
                                : rest.len == labels + 2 && rest.data[0] == '{' &&
                                      rest.data[labels + 1] == '}' &&
                                      memcmp(rest.data + 1, d->labels, labels) == 0;
        if (same) {
            *ret_id = i;
            return true;
        }
    }
    return false;
}
