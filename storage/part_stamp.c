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

static bool restamp(int64_t *timestamp, int64_t from, int64_t to)
{
    if (*timestamp == TIMESTAMP_NONE || (*timestamp != from && *timestamp != from - 1))
        return false;
    *timestamp += to - from;
    return true;
}

static bool row_restamp(struct row *r, int64_t from, int64_t to)
{
    bool any = restamp(&r->deletion.timestamp, from, to);
    for (size_t i = 0; i < r->cells_count; i++)
        any |= restamp(&r->cells[i].timestamp, from, to);
    return any;
}

bool part_restamp(struct part *p, int64_t from, int64_t to)
{
    bool any = restamp(&p->deletion.timestamp, from, to);
    for (size_t i = 0; i < p->tombs_count; i++)
        any |= restamp(&p->tombs[i].tomb.timestamp, from, to);
    if (p->has_static)
        any |= row_restamp(&p->static_row, from, to);
    for (size_t i = 0; i < p->rows_count; i++)
        any |= row_restamp(&p->rows[i], from, to);
    return any;
}
