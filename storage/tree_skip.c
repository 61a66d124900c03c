/* tree_skip.c - stretches that are left out. */
#include "storage/tree_private.h"

#include <stdlib.h>

static bool begins_before_end(struct bytes first, struct bytes end) /* an empty end is the last */
{
    return end.len == 0 || bytes_compare(first, end) < 0;
}

static int compare(const void *a, const void *b)
{
    const struct tree_stretch *x = a, *y = b;
    return bytes_compare(x->from, y->from);
}

void tree_skip_make(const struct tree_touched *touched, size_t count, table_no table,
                    struct arena *arena, struct tree_skip *ret)
{
    struct tree_skip s = {.items = arena_array(arena, struct tree_stretch, count)};
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (touched[i].table == table)
            s.items[s.count++] = touched[i].stretch;
    }
    if (s.count > 1)
        qsort(s.items, s.count, sizeof *s.items, compare);
    for (size_t i = 0; i < s.count; i++) {
        struct tree_stretch *last = kept > 0 ? &s.items[kept - 1] : NULL;
        struct bytes upto = s.items[i].upto;
        if (last == NULL || (last->upto.len > 0 && bytes_compare(s.items[i].from, last->upto) > 0))
            s.items[kept++] = s.items[i];
        else if (last->upto.len > 0 && !(upto.len > 0 && bytes_compare(upto, last->upto) <= 0))
            last->upto = upto;
    }
    s.count = kept;
    *ret = s;
}

/* The first that ends behind the place. */
static size_t find(const struct tree_skip *skip, struct bytes place)
{
    size_t low = 0;
    size_t high = skip->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (begins_before_end(place, skip->items[mid].upto))
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

bool tree_skip_has(const struct tree_skip *skip, struct bytes place)
{
    if (skip == NULL)
        return false;
    size_t at = find(skip, place);
    return at < skip->count && bytes_compare(skip->items[at].from, place) <= 0;
}

bool tree_skip_meets(const struct tree_skip *skip, const struct tree_stretch *stretch)
{
    if (skip == NULL)
        return false;
    size_t at = find(skip, stretch->from);
    return at < skip->count && begins_before_end(skip->items[at].from, stretch->upto);
}
