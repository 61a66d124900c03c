/* What healing wants done, until it has been. */
#include "node/heal/heal_core.h"

struct heal_effect *heal_append(struct heal *h, enum heal_effect_type type)
{
    h->effects = mem_grow(h->effects, h->effects_count, &h->effects_cap, sizeof *h->effects);
    struct heal_effect *e = &h->effects[h->effects_count++];
    *e = (struct heal_effect){.type = type};
    return e;
}

void heal_send(struct heal *h, node_no to, const struct wire_message *m)
{
    struct heal_effect *e = heal_append(h, HEAL_SEND);
    e->send.to = to;
    e->send.message = *m;
}

struct bytes heal_keep(struct heal *h, const struct buf *b)
{
    return arena_copy(&h->arena, buf_bytes(b));
}

size_t heal_effects(const struct heal *h, const struct heal_effect **ret_effects)
{
    *ret_effects = h->effects;
    return h->effects_count;
}

void heal_clear(struct heal *h)
{
    h->effects_count = 0;
    arena_reset(&h->arena);
}
