#include "node/repair/repair_core.h"

#include "base/mutant.h"

#include <stdio.h>

struct repair *repair_new(const struct repair_config *config, struct engine *engine,
                          struct cluster *cluster)
{
    struct repair *r = mem_new(struct repair);
    r->config = *config;
    r->engine = engine;
    r->cluster = cluster;
    r->numbers = config->first_number;
    lead_init(r);
    keep_load(r);
    return r;
}

void repair_free(struct repair *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->runs_count; i++)
        manage_free(r->runs[i]);
    lead_free(r);
    arena_close(&r->arena);
    mem_free(r->runs);
    mem_free(r->effects);
    mem_free(r);
}

void repair_begin(struct repair *r, struct now now)
{
    r->begun = true;
    manage_begin(r, now);
}

/* --- effects */

struct repair_effect *repair_append(struct repair *r, enum repair_effect_type type)
{
    r->effects = mem_grow(r->effects, r->effects_count, &r->effects_cap, sizeof *r->effects);
    struct repair_effect *e = &r->effects[r->effects_count++];
    *e = (struct repair_effect){.type = type};
    return e;
}

void repair_send(struct repair *r, node_no to, const struct wire_message *m)
{
    struct repair_effect *e = repair_append(r, REPAIR_SEND);
    e->send.to = to;
    e->send.message = *m;
}

size_t repair_effects(const struct repair *r, const struct repair_effect **ret_effects)
{
    *ret_effects = r->effects;
    return r->effects_count;
}

void repair_clear(struct repair *r)
{
    r->effects_count = 0;
    arena_reset(&r->arena);
}

/* --- inputs */

void repair_peer_lost(struct repair *r, struct now now, node_no peer)
{
    manage_peer_lost(r, now, peer);
    lead_peer_lost(r, peer);
}

bool repair_receive(struct repair *r, struct now now, node_no from, const struct wire_message *m)
{
    switch (m->type) {
    case WIRE_REPAIR_DO: lead_receive_do(r, now, from, &m->repair_do); return true;
    case WIRE_REPAIR_STOP: lead_receive_stop(r, now, from, &m->repair_stop); return true;
    case WIRE_REPAIR_DID: manage_receive_did(r, now, from, &m->repair_did); return true;
    default: return false;
    }
}

void repair_durable(struct repair *r, uint64_t ticket, enum err err)
{
    if (err == ERR_OK)
        keep_durable(r, ticket);
}

const char *repair_stopped(const struct repair *r)
{
    return MUTANT(repair_without_disk) ? NULL : engine_failure(r->engine);
}

void repair_deadline(struct repair *r, struct now now)
{
    if (repair_stopped(r) != NULL)
        return;
    manage_deadline(r, now);
    lead_deadline(r, now);
}

usec repair_next_deadline(const struct repair *r)
{
    usec manage = manage_next_deadline(r), lead = lead_next_deadline(r);
    if (repair_stopped(r) != NULL)
        return USEC_NEVER;
    return manage < lead ? manage : lead;
}

/* --- looking in */

const char *repair_id_text(uint64_t id, char room[REPAIR_ID_SIZE])
{
    snprintf(room, REPAIR_ID_SIZE, "%u-%u", (unsigned)(id >> 32), (unsigned)(uint32_t)id);
    return room;
}

static bool read_number(struct bytes *text, uint32_t *ret)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; i < text->len && i < 10 && text->data[i] >= '0' && text->data[i] <= '9'; i++)
        n = n * 10 + (uint64_t)(text->data[i] - '0');
    if (i == 0 || n > UINT32_MAX)
        return false;
    *text = bytes_make(text->data + i, text->len - i);
    *ret = (uint32_t)n;
    return true;
}

bool repair_id_parse(struct bytes text, uint64_t *ret_id)
{
    uint32_t node, number;
    if (!read_number(&text, &node) || text.len == 0 || text.data[0] != '-')
        return false;
    text = bytes_make(text.data + 1, text.len - 1);
    if (!read_number(&text, &number) || text.len > 0)
        return false;
    *ret_id = (uint64_t)node << 32 | number;
    return true;
}

struct repair_stats repair_stats(const struct repair *r)
{
    struct repair_stats stats = r->stats;
    for (size_t i = 0; i < r->runs_count; i++)
        stats.running += r->runs[i]->run.state == REPAIR_RUNNING;
    for (size_t i = 0; i < LOTS_LED_MAX; i++)
        stats.lots += r->leading.lots[i] != NULL;
    return stats;
}
