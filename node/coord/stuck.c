#include "node/coord/stuck.h"

#include "base/mem.h"
#include "base/mutant.h"

struct stuck_range {
    unsigned failures;
    usec until;      /* mono */
    uint64_t behind; /* the last that did not go */
    bool more;       /* there are some behind it, which come first */
};

static uint64_t key_of(table_no table, range_no range)
{
    return (uint64_t)table << 32 | range;
}

void stuck_init(struct stuck *s)
{
    map_init(&s->ranges);
}

void stuck_close(struct stuck *s)
{
    map_clear(&s->ranges, mem_free);
    map_close(&s->ranges);
}

bool stuck_passes(struct stuck *s, table_no table, range_no range, uint64_t number, usec now)
{
    struct stuck_range *r = map_get(&s->ranges, key_of(table, range));
    if (r == NULL)
        return false;
    if (now < r->until) {
        r->more |= number > r->behind && !MUTANT(hint_stuck_first);
        return true;
    }
    return r->more && number <= r->behind;
}

static struct stuck_range *of(struct stuck *s, table_no table, range_no range)
{
    struct stuck_range *r = map_get(&s->ranges, key_of(table, range));
    if (r == NULL && map_count(&s->ranges) < STUCK_MAX) {
        r = mem_new(struct stuck_range);
        map_put(&s->ranges, key_of(table, range), r);
    }
    return r;
}

bool stuck_note(struct stuck *s, table_no table, range_no range, uint64_t number, usec now)
{
    struct stuck_range *r = of(s, table, range);
    if (r == NULL)
        return false;
    if (r->until <= now) { /* the first of its page */
        usec pause = STUCK_PAUSE << (r->failures < 5 ? r->failures : 5);
        r->failures++;
        r->until = now + (pause < STUCK_PAUSE_MAX ? pause : STUCK_PAUSE_MAX);
        r->behind = 0;
        r->more = false;
    }
    r->behind = number > r->behind ? number : r->behind;
    return true;
}

void stuck_wait(struct stuck *s, table_no table, range_no range, usec now)
{
    struct stuck_range *r = of(s, table, range);
    if (r != NULL && r->until < now + STUCK_PAUSE)
        r->until = now + STUCK_PAUSE;
}

void stuck_pass_end(struct stuck *s, usec now)
{
    uint64_t *keys = map_keys(&s->ranges);
    for (size_t i = 0, count = map_count(&s->ranges); i < count; i++) {
        struct stuck_range *r = map_get(&s->ranges, keys[i]);
        if (r->until > now)
            continue;
        r->more = false;
        if (now - r->until >= STUCK_FORGET)
            mem_free(map_remove(&s->ranges, keys[i]));
    }
    mem_free(keys);
}

unsigned stuck_failures(const struct stuck *s, table_no table, range_no range)
{
    const struct stuck_range *r = map_get(&s->ranges, key_of(table, range));
    return r != NULL ? r->failures : 0;
}

size_t stuck_count(const struct stuck *s, usec now, usec *ret_least)
{
    size_t paused = 0;
    uint64_t *keys = map_keys(&s->ranges);
    *ret_least = STUCK_PAUSE_MAX;
    for (size_t i = 0, count = map_count(&s->ranges); i < count; i++) {
        const struct stuck_range *r = map_get(&s->ranges, keys[i]);
        if (r->until <= now || r->failures == 0)
            continue;
        paused++;
        *ret_least = r->until - now < *ret_least ? r->until - now : *ret_least;
    }
    mem_free(keys);
    return paused;
}

bool stuck_is_due(const struct stuck *s, usec now)
{
    bool due = false;
    uint64_t *keys = map_keys(&s->ranges);
    for (size_t i = 0, count = map_count(&s->ranges); i < count && !due; i++) {
        const struct stuck_range *r = map_get(&s->ranges, keys[i]);
        due = r->until <= now && now - r->until < STUCK_FORGET;
    }
    mem_free(keys);
    return due;
}
