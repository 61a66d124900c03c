/* Registers move with their ranges. A new replica that knew nothing of a value that two of the old
 * three have accepted could make a quorum with the third, to which a decision is news.
 *
 * A mover asks all whom healing asks, too: the living, and owners that stay. All of them know of
 * the move by then, so they refuse whoever still counts by the old set alone; and what they had
 * accepted before that is in what they tell. */
#include "node/coord/cas_core.h"

#define FETCH_AGAIN USEC_PER_SEC
#define FETCH_BYTES ((size_t)256 << 10)
#define FETCH_LOOKS 4096 /* registers looked at for one answer */

struct source {
    node_no node;
    uint64_t request;
    struct buf after;
    uint64_t ticket; /* all of it is on its way to our disk */
    bool told;       /* and there */
};

struct cas_move {
    uint64_t ring_epoch; /* 0: no mover */
    bool finished;
    struct due again;
    struct source *sources;
    size_t count, cap;
};

void cas_move_free(struct coord *c)
{
    if (c->move == NULL)
        return;
    for (size_t i = 0; i < c->move->count; i++)
        buf_close(&c->move->sources[i].after);
    timers_cancel(&c->timers, &c->move->again.timer);
    mem_free(c->move->sources);
    mem_free(c->move);
    c->move = NULL;
}

static struct source *source_of(struct cas_move *m, node_no node)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->sources[i].node == node)
            return &m->sources[i];
    }
    m->sources = mem_grow(m->sources, m->count, &m->cap, sizeof *m->sources);
    struct source *s = &m->sources[m->count++];
    *s = (struct source){.node = node};
    buf_init(&s->after, BUF_MAX_DEFAULT);
    return s;
}

/* As in healing: a dead owner that stays in the ring is waited for. */
static bool is_to_be_heard(const struct coord *c, const struct cluster_node *n)
{
    const struct ring *ring = cluster_ring(c->cluster);
    if (n->node == cluster_self(c->cluster))
        return false;
    return n->alive || (ring != NULL && ring_count(ring, RING_PUBLISHED, n->node) > 0 &&
                        ring_count(ring, RING_NEWEST, n->node) > 0);
}

static void ask(struct coord *c, struct source *s)
{
    struct wire_message m = {.type = WIRE_CAS_FETCH};
    struct memory *memory = memory_new();
    s->request = ++c->requests;
    m.cas_fetch = (struct wire_cas_fetch){s->request, c->move->ring_epoch,
                                          arena_copy(&memory->arena, buf_bytes(&s->after))};
    coord_send(c, s->node, &m);
    memory_retire(c, memory);
}

static void check_finished(struct coord *c)
{
    const struct cluster_node *nodes;
    size_t count = cluster_nodes(c->cluster, &nodes);
    struct cas_move *m = c->move;
    for (size_t i = 0; i < count; i++) {
        if (is_to_be_heard(c, &nodes[i]) && !source_of(m, nodes[i].node)->told)
            return;
    }
    m->finished = true;
    timers_cancel(&c->timers, &m->again.timer);
    coord_moved(c, m->ring_epoch);
}

void cas_move_again(struct coord *c, struct now now)
{
    const struct cluster_node *nodes;
    size_t count = cluster_nodes(c->cluster, &nodes);
    struct cas_move *m = c->move;
    timers_set(&c->timers, &m->again.timer, now.mono + FETCH_AGAIN);
    for (size_t i = 0; i < count; i++) {
        struct source *s = source_of(m, nodes[i].node);
        if (is_to_be_heard(c, &nodes[i]) && nodes[i].alive && !s->told && s->ticket == 0)
            ask(c, s);
    }
    check_finished(c);
}

void coord_cas_move(struct coord *c, struct now now, uint64_t ring_epoch)
{
    if (c->move != NULL && c->move->ring_epoch == ring_epoch)
        return;
    cas_move_free(c);
    if (ring_epoch == 0)
        return;
    c->move = mem_new(struct cas_move);
    c->move->ring_epoch = ring_epoch;
    c->move->again.kind = DUE_CAS_MOVE;
    cas_move_again(c, now);
}

/* --- who tells */

void cas_fetch(struct coord *c, node_no from, const struct wire_cas_fetch *m)
{
    struct memory *memory = memory_new();
    struct wire_message answer = {.type = WIRE_CAS_REGISTERS};
    struct buf list, name, value;
    struct bytes prefix = BYTES_LIT(REGISTER_PREFIX);
    struct bytes after = m->after;
    /* Who has yet to hear of the move knows of nothing that is for the asker. */
    enum err err = cluster_ring_epoch(c->cluster) < m->ring_epoch ? ERR_STALE : ERR_OK;
    buf_init(&list, WIRE_MESSAGE_MAX);
    buf_init(&name, BUF_MAX_DEFAULT);
    buf_init(&value, BUF_MAX_DEFAULT);
    for (size_t looks = 0; err == ERR_OK && looks < FETCH_LOOKS && list.len < FETCH_BYTES;
         looks++) {
        table_no table;
        token place;
        struct cas_register r;
        err = engine_fact_next(c->engine, prefix, after, &name, &value);
        if (err != ERR_OK)
            break;
        after = arena_copy(&memory->arena, buf_bytes(&name));
        if (!cas_register_parse_name(after, &table, &place) ||
            cas_register_decode(buf_bytes(&value), &r) != ERR_OK ||
            cluster_placement(c->cluster, r.keyspace) == NULL ||
            !cluster_is_replica(c->cluster, r.keyspace,
                                ring_range_of(place, cluster_ranges(c->cluster)), from))
            continue;
        buf_put_vbytes(&list, after);
        buf_put_vbytes(&list, buf_bytes(&value));
    }
    if (err == ERR_OK) { /* so far; without a register when the last one was not for the asker */
        buf_put_vbytes(&list, after);
        buf_put_vbytes(&list, BYTES_NONE);
    }
    answer.cas_registers =
        (struct wire_cas_registers){m->request, (uint32_t)(err == ERR_NOT_FOUND ? ERR_OK : err),
                                    err == ERR_OK, arena_copy(&memory->arena, buf_bytes(&list))};
    coord_send(c, from, &answer);
    buf_close(&list);
    buf_close(&name);
    buf_close(&value);
    memory_retire(c, memory);
}

/* --- who takes over */

static void take(struct coord *c, struct bytes name, struct bytes value)
{
    struct arena arena = {0};
    struct cas_register mine, theirs;
    table_no table;
    token place;
    if (cas_register_parse_name(name, &table, &place) &&
        cas_register_decode(value, &theirs) == ERR_OK && value.len <= CAS_VALUE_MAX &&
        !cluster_table_is_gone(c->cluster, table) &&
        cas_register_load(c, name, &arena, &mine) == ERR_OK) {
        mine.keyspace = theirs.keyspace;
        cas_register_merge(&mine, &theirs);
        cas_register_keep(c, name, &mine, 0);
    }
    arena_close(&arena);
}

void cas_registers(struct coord *c, node_no from, const struct wire_cas_registers *m)
{
    struct reader r = reader_make(m->registers);
    if (c->move == NULL || c->move->finished || m->err != ERR_OK)
        return; /* it is asked again */
    struct source *s = source_of(c->move, from);
    if (s->request != m->request || s->told || s->ticket != 0)
        return;
    while (reader_left(&r) > 0) {
        struct bytes name = read_vbytes(&r);
        struct bytes value = read_vbytes(&r);
        if (r.failed || name.len > CAS_NAME_MAX)
            return;
        if (value.len > 0)
            take(c, name, value);
        buf_clear(&s->after);
        buf_put_bytes(&s->after, name);
    }
    if (m->more) {
        ask(c, s);
        return;
    }
    /* Durable batches are in order: when this is, so is all that came before. */
    uint8_t epoch[8];
    store_u64(epoch, c->move->ring_epoch);
    s->ticket = cas_ticket(c);
    engine_fact_put(c->engine, BYTES_LIT("q/moved"), bytes_make(epoch, sizeof epoch), s->ticket);
}

void cas_move_durable(struct coord *c, uint64_t ticket, enum err err)
{
    for (size_t i = 0; c->move != NULL && i < c->move->count; i++) {
        struct source *s = &c->move->sources[i];
        if (s->ticket != ticket)
            continue;
        s->ticket = 0;
        s->told = err == ERR_OK;
        if (!c->move->finished)
            check_finished(c);
        return;
    }
}
