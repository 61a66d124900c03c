/* part_tombs.c - range tombstones of a part: disjoint, ascending, equal neighbours joined, so that
 * one meaning has one form. */
#include "storage/part_private.h"

/* Ends of ranges: empty means no bound. */
int range_end_compare(struct bytes a, struct bytes b)
{
    if (a.len == 0 || b.len == 0)
        return (a.len == 0) - (b.len == 0);
    return bytes_compare(a, b);
}

bool range_before_end(struct bytes key, struct bytes end)
{
    return end.len == 0 || bytes_compare(key, end) < 0;
}

static void tombs_emit(struct tomb_list *l, struct bytes start, struct bytes end,
                       const struct tomb *t)
{
    struct range_tomb *last = l->count > 0 ? &l->items[l->count - 1] : NULL;
    if (last != NULL && bytes_equal(last->end, start) && tomb_equal(&last->tomb, t))
        last->end = end;
    else
        l->items[l->count++] = (struct range_tomb){start, end, *t};
}

/* The stronger of two disjoint lists at every place. Each step of the walk ends at a start or an
 * end of an input, hence the size. */
struct tomb_list tombs_overlay(struct tomb_list a, struct tomb_list b, struct arena *arena)
{
    if (a.count == 0 || b.count == 0)
        return a.count == 0 ? b : a;
    struct tomb_list out = {arena_array(arena, struct range_tomb, 2 * (a.count + b.count)), 0};
    size_t i = 0;
    size_t k = 0;
    struct range_tomb x = a.items[0];
    struct range_tomb y = b.items[0];
    while (i < a.count || k < b.count) {
        bool x_first = k == b.count || (i < a.count && bytes_compare(x.start, y.start) <= 0);
        struct range_tomb *p = x_first ? &x : &y;
        struct range_tomb *q = x_first ? &y : &x;
        bool both = i < a.count && k < b.count && range_before_end(q->start, p->end);
        bool tie = both && bytes_equal(p->start, q->start);
        bool x_ends = p == &x;
        bool y_ends = p == &y;
        if (!both) { /* p ends before the other begins */
            tombs_emit(&out, p->start, p->end, &p->tomb);
        } else if (!tie) { /* the piece of p before the other begins */
            tombs_emit(&out, p->start, q->start, &p->tomb);
            p->start = q->start;
            continue;
        } else {
            int c = range_end_compare(x.end, y.end);
            struct bytes end = c <= 0 ? x.end : y.end;
            const struct tomb *t = tomb_wins(&x.tomb, &y.tomb) ? &x.tomb : &y.tomb;
            tombs_emit(&out, x.start, end, t);
            x.start = y.start = end; /* unread for the one that ended */
            x_ends = c <= 0;
            y_ends = c >= 0;
        }
        if (x_ends && ++i < a.count)
            x = a.items[i];
        if (y_ends && ++k < b.count)
            y = b.items[k];
    }
    return out;
}

/* Drop what the partition's deletion shadows. Nothing becomes neighbours by that. */
struct tomb_list tombs_settle(struct tomb_list in, const struct tomb *cover, struct arena *arena)
{
    bool shadowed = false;
    for (size_t i = 0; i < in.count && !shadowed; i++)
        shadowed = tomb_shadows(cover, in.items[i].tomb.timestamp);
    if (!shadowed)
        return in;
    struct tomb_list out = {arena_array(arena, struct range_tomb, in.count), 0};
    for (size_t i = 0; i < in.count; i++) {
        if (!tomb_shadows(cover, in.items[i].tomb.timestamp))
            out.items[out.count++] = in.items[i];
    }
    return out;
}

struct tomb_list tombs_normalise(struct range_tomb *items, size_t count, struct arena *arena)
{
    struct tomb_list none = {NULL, 0};
    if (count == 0)
        return none;
    if (count == 1) {
        bool real = !tomb_is_none(&items->tomb) && range_before_end(items->start, items->end);
        return real ? (struct tomb_list){items, 1} : none;
    }
    size_t half = count / 2;
    return tombs_overlay(tombs_normalise(items, half, arena),
                         tombs_normalise(items + half, count - half, arena), arena);
}

/* The tombstone that covers the key; *at walks along with ascending keys. */
struct tomb tombs_at(const struct part *p, size_t *at, struct bytes key)
{
    while (*at < p->tombs_count && !range_before_end(key, p->tombs[*at].end))
        (*at)++;
    if (*at < p->tombs_count && bytes_compare(p->tombs[*at].start, key) <= 0)
        return tomb_max(&p->deletion, &p->tombs[*at].tomb);
    return p->deletion;
}

struct tomb part_deletion_at(const struct part *p, struct bytes row_key)
{
    size_t low = 0;
    size_t high = p->tombs_count;
    while (low < high) { /* the first that ends after the key */
        size_t mid = low + (high - low) / 2;
        if (range_before_end(row_key, p->tombs[mid].end))
            high = mid;
        else
            low = mid + 1;
    }
    return tombs_at(p, &low, row_key);
}

void part_append_tomb(struct part *p, const struct range_tomb *t)
{
    struct tomb_list l = {p->tombs, p->tombs_count};
    tombs_emit(&l, t->start, t->end, &t->tomb);
    p->tombs_count = l.count;
}

void part_cut_tombs(struct part *p, struct bytes start, struct bytes end, struct arena *arena)
{
    struct tomb_list out = {arena_array(arena, struct range_tomb, p->tombs_count), 0};
    for (size_t i = 0; i < p->tombs_count; i++) {
        struct range_tomb t = p->tombs[i];
        if (bytes_compare(t.start, start) < 0)
            t.start = start;
        if (range_end_compare(t.end, end) > 0)
            t.end = end;
        if (range_before_end(t.start, t.end))
            tombs_emit(&out, t.start, t.end, &t.tomb);
    }
    p->tombs = out.items;
    p->tombs_count = out.count;
}
