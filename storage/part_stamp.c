/* part_stamp.c - the dots and timestamps of all that is in a part. */
#include "storage/part.h"

static void row_set_dot(struct row *r, struct dot dot)
{
    if (!tomb_is_none(&r->deletion))
        r->deletion.dot = dot;
    for (size_t i = 0; i < r->cells_count; i++)
        r->cells[i].dot = dot;
}

void part_set_dot(struct part *p, struct dot dot)
{
    if (!tomb_is_none(&p->deletion))
        p->deletion.dot = dot;
    for (size_t i = 0; i < p->tombs_count; i++)
        p->tombs[i].tomb.dot = dot;
    if (p->has_static)
        row_set_dot(&p->static_row, dot);
    for (size_t i = 0; i < p->rows_count; i++)
        row_set_dot(&p->rows[i], dot);
}

static int64_t row_max_timestamp(const struct row *r, int64_t max)
{
    max = r->deletion.timestamp > max ? r->deletion.timestamp : max;
    for (size_t i = 0; i < r->cells_count; i++)
        max = r->cells[i].timestamp > max ? r->cells[i].timestamp : max;
    return max;
}

int64_t part_max_timestamp(const struct part *p)
{
    int64_t max = p->deletion.timestamp;
    for (size_t i = 0; i < p->tombs_count; i++)
        max = p->tombs[i].tomb.timestamp > max ? p->tombs[i].tomb.timestamp : max;
    if (p->has_static)
        max = row_max_timestamp(&p->static_row, max);
    for (size_t i = 0; i < p->rows_count; i++)
        max = row_max_timestamp(&p->rows[i], max);
    return max;
}

static void newer(struct version *newest, int64_t timestamp, struct dot dot)
{
    bool is = timestamp > newest->timestamp ||
              (timestamp != TIMESTAMP_NONE && timestamp == newest->timestamp &&
               dot_compare(dot, newest->dot) > 0);
    if (is)
        *newest = (struct version){timestamp, dot};
}

static void row_newest(const struct row *r, struct version *newest)
{
    newer(newest, r->deletion.timestamp, r->deletion.dot);
    for (size_t i = 0; i < r->cells_count; i++)
        newer(newest, r->cells[i].timestamp, cell_event(&r->cells[i]));
}

void part_newest(const struct part *p, struct version *newest)
{
    newer(newest, p->deletion.timestamp, p->deletion.dot);
    for (size_t i = 0; i < p->tombs_count; i++)
        newer(newest, p->tombs[i].tomb.timestamp, p->tombs[i].tomb.dot);
    if (p->has_static)
        row_newest(&p->static_row, newest);
    for (size_t i = 0; i < p->rows_count; i++)
        row_newest(&p->rows[i], newest);
}

static int64_t lesser(const struct tomb *t, int64_t min)
{
    return !tomb_is_none(t) && t->timestamp < min ? t->timestamp : min;
}

static int64_t row_min_timestamp(const struct row *r, int64_t min)
{
    min = lesser(&r->deletion, min);
    for (size_t i = 0; i < r->cells_count; i++)
        min = r->cells[i].timestamp < min ? r->cells[i].timestamp : min;
    return min;
}

int64_t part_min_timestamp(const struct part *p)
{
    int64_t min = lesser(&p->deletion, INT64_MAX);
    for (size_t i = 0; i < p->tombs_count; i++)
        min = lesser(&p->tombs[i].tomb, min);
    if (p->has_static)
        min = row_min_timestamp(&p->static_row, min);
    for (size_t i = 0; i < p->rows_count; i++)
        min = row_min_timestamp(&p->rows[i], min);
    return min;
}

void loss_add(struct loss *l, int64_t by)
{
    l->by = !l->lost || by > l->by ? by : l->by;
    l->lost = true;
}

/* --- a later timestamp */

struct restamp {
    int64_t from, to;
    bool any;     /* is there something to be stamped? */
    bool between; /* something else lies where it would pass */
    bool doing;
};

static void restamp(struct restamp *r, int64_t *timestamp)
{
    bool is = *timestamp != TIMESTAMP_NONE && (*timestamp == r->from || *timestamp == r->from - 1);
    r->any |= is;
    r->between |= *timestamp > r->from && *timestamp <= r->to;
    if (is && r->doing)
        *timestamp += r->to - r->from;
}

static void restamp_row(struct restamp *r, struct row *row)
{
    restamp(r, &row->deletion.timestamp);
    for (size_t i = 0; i < row->cells_count; i++)
        restamp(r, &row->cells[i].timestamp);
}

static void restamp_all(struct restamp *r, struct part *p)
{
    restamp(r, &p->deletion.timestamp);
    for (size_t i = 0; i < p->tombs_count; i++)
        restamp(r, &p->tombs[i].tomb.timestamp);
    if (p->has_static)
        restamp_row(r, &p->static_row);
    for (size_t i = 0; i < p->rows_count; i++)
        restamp_row(r, &p->rows[i]);
}

bool part_restamp(struct part *p, int64_t from, int64_t to)
{
    struct restamp r = {.from = from, .to = to};
    restamp_all(&r, p);
    if (!r.any || r.between)
        return false;
    r.doing = true;
    restamp_all(&r, p);
    return true;
}
