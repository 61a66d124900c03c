#include "node/sim/oracle/whole.h"

#include "base/mem.h"

#include <inttypes.h>

struct batch {
    uint32_t places, copies;
    uint32_t shown; /* places, in the end */
    uint32_t acked; /* by so many replicas; 0: not */
    usec start, end;
};

struct whole {
    uint32_t replicas;
    struct batch *items;
    size_t count, cap;
    usec *losses;
    size_t losses_count, losses_cap;
    uint64_t held;
};

struct whole *whole_new(uint32_t replicas)
{
    struct whole *w = mem_new(struct whole);
    w->replicas = replicas;
    return w;
}

void whole_free(struct whole *w)
{
    if (w == NULL)
        return;
    mem_free(w->items);
    mem_free(w->losses);
    mem_free(w);
}

size_t whole_begin(struct whole *w, uint32_t places, uint32_t copies, usec start)
{
    w->items = mem_grow(w->items, w->count, &w->cap, sizeof *w->items);
    w->items[w->count] = (struct batch){.places = places, .copies = copies, .start = start};
    return w->count++;
}

void whole_acked(struct whole *w, size_t batch, usec end, uint32_t replicas)
{
    w->items[batch].acked = replicas;
    w->items[batch].end = end;
}

size_t whole_count(const struct whole *w)
{
    return w->count;
}

uint64_t whole_held(const struct whole *w)
{
    return w->held;
}

void whole_disk_lost(struct whole *w, usec at)
{
    w->losses = mem_grow(w->losses, w->losses_count, &w->losses_cap, sizeof *w->losses);
    w->losses[w->losses_count++] = at;
}

/* Disks that were lost since. */
static uint32_t losses_since(const struct whole *w, usec since)
{
    uint32_t n = 0;
    for (size_t i = 0; i < w->losses_count; i++)
        n += w->losses[i] >= since;
    return n;
}

static bool must_show(const struct whole *w, const struct batch *b, const struct whole_read *r,
                      bool final)
{
    if (b->acked == 0 || (b->places >> r->place & 1) == 0 || b->end >= r->start)
        return false;
    uint32_t lost = losses_since(w, b->start);
    uint32_t left = b->acked > lost ? b->acked - lost : 0;
    return left > 0 && (final || left + r->replicas > w->replicas) && r->replicas > 0;
}

bool whole_judge(struct whole *w, const struct whole_read *r, const int64_t *ids, size_t count,
                 bool final, struct errmsg *why)
{
    size_t at = 0;
    for (size_t i = r->first; i < w->count && i < r->first + r->count; i++) {
        struct batch *b = &w->items[i];
        bool shown = at < count && ids[at] == (int64_t)i;
        at += shown;
        if (shown && ((b->places >> r->place & 1) == 0 || b->start > r->end))
            return errmsg_set(why, ERR_FAILED, "place %u shows batch %zu, which is not there yet",
                              (unsigned)r->place, i) == ERR_OK;
        bool must = must_show(w, b, r, final);
        w->held += must;
        if (must && !shown)
            return errmsg_set(why, ERR_FAILED,
                              "place %u does not show batch %zu, of %.6f..%.6f s, acked by %u "
                              "replicas, at %.6f..%.6f s by %u",
                              (unsigned)r->place, i, (double)b->start / 1e6, (double)b->end / 1e6,
                              (unsigned)b->acked, (double)r->start / 1e6, (double)r->end / 1e6,
                              (unsigned)r->replicas) == ERR_OK;
        if (shown && final)
            b->shown |= 1u << r->place;
    }
    return at == count ||
           errmsg_set(why, ERR_FAILED, "place %u shows %" PRId64 ", which nobody wrote there",
                      (unsigned)r->place, ids[at]) == ERR_OK;
}

bool whole_end(const struct whole *w, struct errmsg *why)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct batch *b = &w->items[i];
        if (b->shown == b->places || (b->shown == 0 && b->acked == 0) ||
            losses_since(w, b->start) >= b->copies)
            continue;
        return errmsg_set(why, ERR_FAILED,
                          "batch %zu, of %.6f s, %s, is in the places %x, and not in all of %x", i,
                          (double)b->start / 1e6, b->acked > 0 ? "acked" : "not acked",
                          (unsigned)b->shown, (unsigned)b->places) == ERR_OK;
    }
    return true;
}
