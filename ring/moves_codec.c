/* The bytes of moves, for snapshots. Do not renumber.
 *
 *   moves    := varint n, n keyspaces, varint n, n nodes that have STEPped
 *   keyspace := varint keyspace, varint n, n places, varint n, n runs
 *   place    := varint table, u8 0, varint factor
 *             | varint table, u8 1, varint n, n times (vbytes data centre, varint factor)
 *   run      := varint length, varint place, varint goal, u8 stage, varint since
 *
 * Numbers of keyspaces and nodes are differences to the one before.
 */
#include "base/mem.h"
#include "ring/moves.h"

#include <string.h>

static void put_place(struct buf *out, const struct move_place *p)
{
    const struct strategy *s = &p->strategy;
    buf_put_varint(out, p->table);
    buf_put_u8(out, s->type == STRATEGY_NETWORK);
    buf_put_varint(out, s->type == STRATEGY_NETWORK ? s->dcs : s->rf);
    for (uint32_t i = 0; s->type == STRATEGY_NETWORK && i < s->dcs; i++) {
        buf_put_vbytes(out, bytes_text(s->dc[i].name));
        buf_put_varint(out, s->dc[i].rf);
    }
}

void moves_encode(const struct moves *m, const struct ring *ring, struct buf *out)
{
    uint64_t before = 0;
    buf_put_varint(out, m->count);
    for (size_t i = 0; i < m->count; i++) {
        const struct moves_keyspace *k = &m->keyspace[i];
        buf_put_varint(out, k->keyspace - before);
        before = k->keyspace;
        buf_put_varint(out, k->places);
        for (uint32_t p = 0; p < k->places; p++)
            put_place(out, &k->place[p]);
        buf_put_varint(out, k->runs);
        for (uint32_t r = 0; r < k->runs; r++) {
            const struct move_run *run = &k->run[r];
            buf_put_varint(out,
                           (r + 1 < k->runs ? run[1].first : ring->ranges) - (uint64_t)run->first);
            buf_put_varint(out, run->place);
            buf_put_varint(out, run->goal);
            buf_put_u8(out, (uint8_t)run->stage);
            buf_put_varint(out, run->since);
        }
    }
    before = 0;
    buf_put_varint(out, m->stepped_count);
    for (size_t i = 0; i < m->stepped_count; i++) {
        buf_put_varint(out, m->stepped[i] - before);
        before = m->stepped[i];
    }
}

static uint64_t get_most(struct reader *in, uint64_t most)
{
    uint64_t v = read_varint(in);
    in->failed |= v > most;
    return in->failed ? 0 : v;
}

static void get_place(struct reader *in, struct move_place *p)
{
    struct strategy *s = &p->strategy;
    p->table = (uint32_t)get_most(in, UINT32_MAX);
    uint8_t type = read_u8(in);
    in->failed |= type > 1;
    if (type == 0) {
        s->type = STRATEGY_SIMPLE;
        s->rf = (uint32_t)get_most(in, UINT32_MAX);
        return;
    }
    s->type = STRATEGY_NETWORK;
    s->dcs = (uint32_t)get_most(in, RING_DCS_MAX);
    for (uint32_t i = 0; i < s->dcs && !in->failed; i++) {
        struct bytes name = read_vbytes(in);
        in->failed |=
            name.len == 0 || name.len >= RING_NAME_SIZE || memchr(name.data, 0, name.len) != NULL;
        if (in->failed)
            return;
        memcpy(s->dc[i].name, name.data, name.len);
        s->dc[i].rf = (uint32_t)get_most(in, UINT32_MAX);
        for (uint32_t j = 0; j < i; j++)
            in->failed |= strcmp(s->dc[i].name, s->dc[j].name) == 0;
    }
}

static void get_runs(struct reader *in, const struct ring *ring, struct moves_keyspace *k)
{
    uint64_t at = 0;
    k->runs = (uint32_t)get_most(in, ring->ranges);
    k->run = mem_alloc(k->runs * sizeof *k->run);
    for (uint32_t i = 0; i < k->runs && !in->failed; i++) {
        struct move_run *r = &k->run[i];
        r->first = (range_no)at;
        at += get_most(in, ring->ranges - at);
        r->place = (uint8_t)get_most(in, MOVES_PLACES_MAX);
        r->goal = (uint8_t)get_most(in, MOVES_PLACES_MAX);
        r->stage = (enum stage)read_u8(in);
        r->since = read_varint(in);
    }
    in->failed |= at != ring->ranges;
}

static void get_keyspaces(struct reader *in, const struct ring *ring, struct moves *m)
{
    uint64_t count = read_varint(in), number = 0;
    for (uint64_t i = 0; i < count && !in->failed; i++) {
        number += get_most(in, UINT32_MAX - number);
        struct moves_keyspace *k = moves_append(m, (keyspace_no)number);
        k->places = (uint32_t)get_most(in, MOVES_PLACES_MAX);
        k->place = mem_alloc(k->places * sizeof *k->place);
        for (uint32_t p = 0; p < k->places && !in->failed; p++)
            get_place(in, &k->place[p]);
        if (!in->failed)
            get_runs(in, ring, k);
    }
}

static void get_stepped(struct reader *in, struct moves *m)
{
    uint64_t count = get_most(in, RING_NODES_MAX), number = 0;
    m->stepped = mem_alloc((size_t)count * sizeof *m->stepped);
    for (uint64_t i = 0; i < count && !in->failed; i++) {
        number += get_most(in, UINT32_MAX - number);
        m->stepped[m->stepped_count++] = (node_no)number;
    }
}

/* The provers follow from what is found sound before they are asked for. */
static bool is_sound(struct moves *m, const struct ring *ring, uint64_t slot)
{
    for (size_t i = 0; i < m->count; i++) {
        if (!moves_keyspace_fits(&m->keyspace[i], ring, slot))
            return false;
    }
    moves_find_provers(m, ring);
    return moves_fit(m, ring, slot);
}

enum err moves_decode(struct reader *in, const struct ring *ring, uint64_t slot, struct moves *ret)
{
    struct moves m;
    moves_init(&m);
    get_keyspaces(in, ring, &m);
    if (!in->failed)
        get_stepped(in, &m);
    if (in->failed || !is_sound(&m, ring, slot)) {
        moves_close(&m);
        in->failed = true;
        return ERR_MALFORMED;
    }
    *ret = m;
    return ERR_OK;
}
