#include "node/sim/watch_core.h"

#include <stdarg.h>
#include <stdio.h>

#define SAMPLES_A_LOOK 2 /* of each node */
#define SAMPLES_AT_END 256
#define LEDGER_FIRST   4096

bool watch_fail(struct watch *w, const char *format, ...)
{
    char text[ERRMSG_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!w->bad)
        (void)errmsg_set(&w->why, ERR_FAILED, "%s", text);
    w->bad = true;
    return false;
}

/* --- the ledger */

uint64_t watch_mix(uint64_t hash, uint64_t number)
{
    hash = (hash ^ number) * UINT64_C(0x9E3779B97F4A7C15);
    hash ^= hash >> 32;
    hash *= UINT64_C(0xD6E8FEB86659FD93);
    return hash ^ hash >> 32;
}

uint64_t watch_mix_bytes(uint64_t hash, struct bytes b)
{
    hash = watch_mix(hash, b.len);
    for (size_t i = 0; i < b.len; i += 8) {
        uint64_t word = 0;
        for (size_t k = i; k < b.len && k < i + 8; k++)
            word = word << 8 | b.data[k];
        hash = watch_mix(hash, word);
    }
    return hash;
}

static struct ledger_slot *slot_of(struct ledger_slot *slots, size_t cap, uint64_t key)
{
    size_t i = key & (cap - 1);
    while (slots[i].key != 0 && slots[i].key != key)
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

static void ledger_grow(struct ledger *l)
{
    struct ledger_slot *old = l->slots;
    size_t old_cap = l->cap;
    l->cap = old_cap == 0 ? LEDGER_FIRST : 2 * old_cap;
    l->slots = mem_alloc(l->cap * sizeof *l->slots);
    for (size_t i = 0; i < old_cap; i++) {
        if (old[i].key != 0)
            *slot_of(l->slots, l->cap, old[i].key) = old[i];
    }
    mem_free(old);
}

uint64_t *ledger_place(struct ledger *l, uint64_t key, bool *ret_new)
{
    key += key == 0;
    if (2 * l->count >= l->cap)
        ledger_grow(l);
    struct ledger_slot *slot = slot_of(l->slots, l->cap, key);
    *ret_new = slot->key == 0;
    l->count += *ret_new;
    slot->key = key;
    return &slot->value;
}

uint64_t ledger_get(const struct ledger *l, uint64_t key)
{
    key += key == 0;
    return l->cap == 0 ? 0 : slot_of(l->slots, l->cap, key)->value;
}

/* --- looking */

bool watch_look(struct watch *w, struct errmsg *ret_why)
{
    bool good = !w->bad;
    struct errmsg why;
    if (good && !sim_check_bounds(w->sim, &why))
        good = watch_fail(w, "%s", why.text);
    for (unsigned i = 1; i <= w->sim->count && good; i++)
        good = watch_ring(w, i) && watch_claims(w, i, SAMPLES_A_LOOK) && watch_agree(w, i) &&
               watch_trees(w, i);
    good = good && watch_members(w);
    if (!good && ret_why != NULL)
        *ret_why = w->why;
    return good;
}

bool watch_end(struct watch *w, struct errmsg *ret_why)
{
    bool good = watch_look(w, ret_why);
    for (unsigned i = 1; i <= w->sim->count && good; i++)
        good = watch_claims(w, i, SAMPLES_AT_END);
    good = good && watch_replicas_equal(w);
    if (!good && ret_why != NULL)
        *ret_why = w->why;
    return good;
}

struct watch_count watch_count(const struct watch *w)
{
    return w->count;
}

void watch_store(struct sim *s, unsigned node)
{
    if (s->watch != NULL)
        store_mem_watch(s->machines[node].store, watch_seen, &s->watch->machines[node]);
}

struct watch *watch_new(struct sim *s)
{
    struct watch *w = mem_new(struct watch);
    ASSERT(s->watch == NULL);
    w->sim = s;
    rng_init(&w->rng, s->config.seed);
    arena_init(&w->arena);
    s->watch = w;
    for (unsigned i = 0; i <= SIM_NODES_MAX; i++) {
        w->machines[i].watch = w;
        w->machines[i].node = i;
        for (unsigned k = 0; k <= SIM_NODES_MAX; k++)
            w->machines[i].blind_since[k] = USEC_NEVER;
    }
    for (unsigned i = 1; i <= s->count; i++)
        watch_store(s, i);
    return w;
}

void watch_free(struct watch *w)
{
    if (w == NULL)
        return;
    for (unsigned i = 1; i <= w->sim->count; i++)
        store_mem_watch(w->sim->machines[i].store, NULL, NULL);
    for (size_t i = 0; i < w->samples_count; i++)
        mem_free(w->samples[i].room);
    w->sim->watch = NULL;
    arena_close(&w->arena);
    mem_free(w->ledger.slots);
    mem_free(w);
}
