#include "node/coord/early.h"

static void count_item(struct early_came *n, struct dot dot, int64_t stamp)
{
    size_t i = 0;
    if (dot.n == 0 || dot_compare(dot, n->own) == 0 || clock_has(n->known, dot))
        return;
    while (i < n->count && dot_compare(n->found[i].dot, dot) != 0)
        i++;
    if (i == EARLY_A_PART_MAX) {
        n->missed = stamp > n->missed ? stamp : n->missed;
        return;
    }
    if (i == n->count) {
        n->found[i].dot = dot;
        n->found[i].stamp = stamp;
        n->found[i].items = 0;
        n->count++;
    }
    if (stamp > n->found[i].stamp)
        n->found[i].stamp = stamp;
    n->found[i].items++;
}

static void count_row(struct early_came *n, const struct row *row)
{
    if (!tomb_is_none(&row->deletion))
        count_item(n, row->deletion.dot, row->deletion.timestamp);
    for (size_t i = 0; i < row->cells_count; i++)
        count_item(n, row->cells[i].dot, row->cells[i].timestamp);
}

bool early_look(struct early_came *n, const struct part *p, struct dot own,
                const struct clock *known)
{
    n->known = known;
    n->own = own;
    n->count = 0;
    n->missed = 0;
    if (!tomb_is_none(&p->deletion))
        count_item(n, p->deletion.dot, p->deletion.timestamp);
    for (size_t i = 0; i < p->tombs_count; i++)
        count_item(n, p->tombs[i].tomb.dot, p->tombs[i].tomb.timestamp);
    if (p->has_static)
        count_row(n, &p->static_row);
    for (size_t i = 0; i < p->rows_count; i++)
        count_row(n, &p->rows[i]);
    return n->count > 0;
}

void early_note(struct early *e, const struct early_note *like, const struct early_came *came,
                bool wins)
{
    int64_t missed = came->missed < like->stamp ? came->missed : like->stamp;
    e->gone = missed > e->gone ? missed : e->gone;
    for (size_t i = 0; i < came->count; i++) {
        struct early_note *note = &e->notes[e->at];
        if (e->count == EARLY_MAX && note->stamp > e->gone)
            e->gone = note->stamp;
        *note = *like;
        note->dot = came->found[i].dot;
        note->stamp = came->found[i].stamp < like->stamp ? came->found[i].stamp : like->stamp;
        note->items = wins ? came->found[i].items : 0;
        e->at = (e->at + 1) % EARLY_MAX;
        e->count += e->count < EARLY_MAX;
    }
}

static size_t row_items(const struct row *row)
{
    return row->cells_count + !tomb_is_none(&row->deletion);
}

static size_t items_of(const struct part *p)
{
    size_t items = p->tombs_count + !tomb_is_none(&p->deletion);
    if (p->has_static)
        items += row_items(&p->static_row);
    for (size_t i = 0; i < p->rows_count; i++)
        items += row_items(&p->rows[i]);
    return items;
}

/* What a stamped write replaces has the timestamp below the stamp's (part_restamp). */
enum early_state early_find(const struct early *e, const struct early_note *like, int64_t stamp,
                            const struct part *p, const struct clock *known)
{
    size_t items = items_of(p);
    bool came = stamp <= e->gone || clock_has(known, like->dot);
    for (size_t i = 0; i < e->count; i++) {
        const struct early_note *n = &e->notes[i];
        if (n->range != like->range || n->keyspace != like->keyspace ||
            dot_compare(n->dot, like->dot) != 0)
            continue;
        if (stamp - 1 > n->maximum || n->items == items)
            return EARLY_WON;
        came = true;
    }
    return came ? EARLY_UNSURE : EARLY_NO;
}
