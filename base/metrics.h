/* metrics.h - counters, gauges and histograms, declared once, rendered as Prometheus text.
 *
 * Who owns metrics writes one X-list, X(kind, id, name, labels, help), and makes of it an enum and
 * a table:
 *
 *   #define NODE_METRICS(X)                                                                     \
 *       X(COUNTER, NODE_WRITES, "torc_requests_total", "op=\"write\"", "Requests coordinated.")  \
 *       X(COUNTER, NODE_READS, "torc_requests_total", "op=\"read\"", "Requests coordinated.")    \
 *       X(LATENCY, NODE_WRITE_TIME, "torc_write_seconds", "", "Time until a write is acked.")
 *   enum node_metric { NODE_METRICS(METRIC_ID) NODE_METRIC_COUNT };
 *   static const struct metric_def node_metrics[] = {NODE_METRICS(METRIC_DEF)};
 *   metrics_init(&n->metrics, node_metrics, ARRAY_LEN(node_metrics));
 *
 * Entries of one name stand together, with the same kind and help: help and type are written before
 * the first of them. There is no global registry: a `struct metrics` belongs to one node and one
 * thread; threads have their own instance over the same table, and metrics_merge adds them up.
 */
#ifndef TORC_BASE_METRICS_H
#define TORC_BASE_METRICS_H

#include "base/buf.h"
#include "base/histogram.h"

enum metric_kind {
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_HISTOGRAM, /* of plain numbers: bytes, rows */
    METRIC_LATENCY,   /* recorded in microseconds, rendered in seconds as Prometheus wants it */
};

struct metric_def {
    enum metric_kind kind;
    const char *name;   /* [a-z_]+; counters end in _total, latencies in _seconds */
    const char *labels; /* what stands between the braces, or "" */
    const char *help;   /* one line */
};

#define METRIC_ID(kind, id, name, labels, help)  id,
#define METRIC_DEF(kind, id, name, labels, help) {METRIC_##kind, name, labels, help},

struct metrics {
    const struct metric_def *defs; /* borrowed, static */
    size_t count;
    int64_t *values;               /* counters and gauges */
    struct histogram **histograms; /* NULL for those, and until the first value */
};

void metrics_init(struct metrics *m, const struct metric_def *defs, size_t count);
void metrics_close(struct metrics *m); /* accepts NULL and a zeroed one */

/* `id` is an enumerator of the list; the wrong verb for its kind is our bug and asserts. */
void metrics_add(struct metrics *m, size_t id, int64_t n);        /* counter: n >= 0; gauge: any */
void metrics_set(struct metrics *m, size_t id, int64_t value);    /* gauge only */
void metrics_record(struct metrics *m, size_t id, int64_t value); /* histogram or latency */

int64_t metrics_value(const struct metrics *m, size_t id); /* of a counter or gauge */

/* The histogram, or NULL while nothing was recorded. Valid until metrics_close. */
const struct histogram *metrics_histogram(const struct metrics *m, size_t id);

/* Add everything of `other`, which has the same table. Gauges add up too. */
void metrics_merge(struct metrics *m, const struct metrics *other);

/* Append the text exposition format, version 0.0.4. */
void metrics_render(const struct metrics *m, struct buf *out);

/* Look up by "name" or "name{labels}"; false when there is none. For virtual tables and tests. */
bool metrics_find(const struct metrics *m, struct bytes name, size_t *ret_id);

#endif
