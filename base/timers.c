#include "base/timers.h"

#include "base/mem.h"

void timers_init(struct timers *t)
{
    *t = (struct timers){0};
}

void timers_close(struct timers *t)
{
    for (size_t i = 0; i < t->count; i++)
        t->heap[i]->slot = 0;
    mem_free(t->heap);
    *t = (struct timers){0};
}

static bool before(const struct timer *a, const struct timer *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void place(struct timers *t, struct timer *timer, size_t i)
{
    t->heap[i] = timer;
    timer->slot = i + 1;
}

static void sift_up(struct timers *t, size_t i)
{
    struct timer *timer = t->heap[i];
    while (i > 0 && before(timer, t->heap[(i - 1) / 2])) {
        place(t, t->heap[(i - 1) / 2], i);
        i = (i - 1) / 2;
    }
    place(t, timer, i);
}

static void sift_down(struct timers *t, size_t i)
{
    struct timer *timer = t->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < t->count && before(t->heap[child + 1], t->heap[child]))
            child++;
        if (child >= t->count || !before(t->heap[child], timer))
            break;
        place(t, t->heap[child], i);
        i = child;
    }
    place(t, timer, i);
}

void timers_set(struct timers *t, struct timer *timer, usec at)
{
    timers_cancel(t, timer);
    t->heap = mem_grow(t->heap, t->count, &t->cap, sizeof(struct timer *));
    timer->at = at;
    timer->order = t->orders++;
    t->heap[t->count] = timer;
    sift_up(t, t->count++);
}

void timers_cancel(struct timers *t, struct timer *timer)
{
    if (timer->slot == 0)
        return;
    size_t i = timer->slot - 1;
    ASSERT(i < t->count && t->heap[i] == timer);
    timer->slot = 0;
    t->count--;
    if (i == t->count)
        return;
    struct timer *moved = t->heap[t->count];
    place(t, moved, i);
    sift_up(t, i);
    sift_down(t, moved->slot - 1);
}

usec timers_next(const struct timers *t)
{
    return t->count > 0 ? t->heap[0]->at : USEC_NEVER;
}

struct timer *timers_pop(struct timers *t, usec now)
{
    if (t->count == 0 || t->heap[0]->at > now)
        return NULL;
    struct timer *timer = t->heap[0];
    timers_cancel(t, timer);
    return timer;
}
