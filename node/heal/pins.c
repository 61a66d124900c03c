/* pins.c - why garbage stays: who has not agreed that it may go. Asked for by people, so what is
 * known anyway is looked at then, and nothing is kept for it. */
#include "node/heal/heal_core.h"

struct pins {
    struct heal_pin *items;
    size_t count, cap;
    size_t work; /* left */
};

/* A range that is looked at: what its replicas but ourselves have told, and what waits for them. */
struct look {
    struct heal_pin pin[AGREE_SET_MAX];
    const struct agree_told *told[AGREE_SET_MAX]; /* NULL: all waits for it */
    size_t count, looked;
};

static void add(struct look *l, node_no peer, enum heal_pin_reason reason,
                const struct agree_told *told)
{
    l->told[l->count] = told;
    l->pin[l->count++] = (struct heal_pin){.peer = peer, .reason = reason, .since = INT64_MAX};
}

static void look_at_entry(void *arg, struct dot dot, int64_t due_s)
{
    struct look *l = arg;
    l->looked++;
    for (size_t i = 0; i < l->count; i++) {
        const struct agree_told *t = l->told[i];
        struct heal_pin *p = &l->pin[i];
        if (t != NULL && clock_has(&t->seen, dot) && clock_has(&t->theirs, dot))
            continue;
        if (t != NULL && !clock_has(&t->seen, dot))
            p->reason = HEAL_PIN_NOT_PULLED;
        p->entries++;
        p->since = due_s < p->since ? due_s : p->since;
    }
}

/* Nobody has anything to agree upon as long as one is dead. */
static void look_for_the_dead(const struct heal *h, struct look *l, const node_no *nodes,
                              size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!cluster_is_alive(h->cluster, nodes[i]))
            add(l, nodes[i], HEAL_PIN_DOWN, NULL);
    }
}

static void look_at_told(struct look *l, const struct agreement *a)
{
    for (size_t i = 0; i < a->told_count; i++) {
        const struct agree_told *t = &a->told[i];
        if (t->durable_hash == 0)
            add(l, t->peer, HEAL_PIN_SILENT, NULL);
        else
            add(l, t->peer, HEAL_PIN_NOT_PROVED, t);
    }
}

static void look_at_range(struct heal *h, keyspace_no keyspace, range_no range, struct look *l)
{
    node_no nodes[AGREE_SET_MAX];
    uint64_t tag;
    size_t count = agree_replicas(h, keyspace, range, nodes, &tag);
    const struct agreement *a = agree_find(h, keyspace, range);
    l->count = l->looked = 0;
    look_for_the_dead(h, l, nodes, count);
    if (count == 0 || l->count > 0)
        return;
    if (a != NULL && a->tag == tag)
        look_at_told(l, a);
    else if (engine_serving_error(h->engine, keyspace, range) != ERR_OK ||
             omap_count(&h->agreements) >= AGREED_RANGES_MAX)
        add(l, cluster_self(h->cluster), HEAL_PIN_HERE, NULL);
}

static void keep(struct pins *pins, struct arena *arena, const struct heal_pin *p)
{
    if (pins->count == HEAL_PINS_MAX)
        return;
    pins->items = arena_grow(arena, pins->items, pins->count, &pins->cap, sizeof *pins->items);
    pins->items[pins->count++] = *p;
}

static void count_range(struct heal *h, struct now now, struct arena *arena, struct pins *pins,
                        struct look *l, keyspace_no keyspace, range_no range)
{
    size_t most = pins->work < HEAL_PIN_ENTRIES_MAX ? pins->work : HEAL_PIN_ENTRIES_MAX;
    look_at_range(h, keyspace, range, l);
    if (l->count == 0)
        return;
    bool all = engine_each_garbage(h->engine, keyspace, range, tidy_expired_before(h, now),
                                   most > 0 ? most : 1, look_at_entry, l);
    pins->work -= l->looked < pins->work ? l->looked : pins->work;
    for (size_t i = 0; i < l->count; i++) {
        struct heal_pin *p = &l->pin[i];
        p->keyspace = keyspace;
        p->range = range;
        p->more = !all;
        if (p->entries > 0)
            keep(pins, arena, p);
    }
}

size_t heal_pins(struct heal *h, struct now now, struct arena *arena,
                 const struct heal_pin **ret_pins)
{
    struct pins pins = {.work = HEAL_PIN_WORK_MAX};
    struct look *l = arena_new(arena, struct look);
    keyspace_no keyspace = 0;
    while (cluster_next_keyspace(h->cluster, keyspace, &keyspace)) {
        range_no range = 0;
        while (
            engine_next_garbage(h->engine, keyspace, range, tidy_expired_before(h, now), &range) &&
            pins.count < HEAL_PINS_MAX) {
            count_range(h, now, arena, &pins, l, keyspace, range);
            range++;
        }
        keyspace++;
    }
    *ret_pins = pins.items;
    return pins.count;
}
