#include "gossip/internal.h"

#include <string.h>

#define UPDATE_LEAST 32 /* bytes: none is shorter, two host ids are in every one that is short */

struct gossip_header spread_header(const struct gossip *g)
{
    return (struct gossip_header){g->cluster, g->self->m.host_id, g->self->m.addr};
}

/* Fewest sent first, then the longest, then the newest: a total order. */
bool spread_before(const struct update *a, const struct update *b)
{
    if (a->sent != b->sent)
        return a->sent < b->sent;
    return a->len != b->len ? a->len > b->len : a->no > b->no;
}

static size_t place(const struct gossip *g, const struct update *u)
{
    size_t low = 0, high = g->queue_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (spread_before(g->queue[mid], u))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void enqueue(struct gossip *g, struct update *u)
{
    size_t at = place(g, u);
    g->queue = mem_grow(g->queue, g->queue_count, &g->queue_cap, sizeof(struct update *));
    memmove(g->queue + at + 1, g->queue + at, (g->queue_count - at) * sizeof *g->queue);
    g->queue[at] = u;
    g->queue_count++;
}

static void dequeue(struct gossip *g, size_t at)
{
    g->queue_count--;
    memmove(g->queue + at, g->queue + at + 1, (g->queue_count - at) * sizeof *g->queue);
}

/* Replaces whatever waited about the same member. */
void spread_update(struct gossip *g, struct node *n, const struct gossip_message *m)
{
    struct buf b;
    buf_init(&b, GOSSIP_UPDATE_MAX);
    gossip_encode(m, &b);
    enum err err = buf_finish(&b);
    ASSERT(err == ERR_OK); /* every field of a member is bounded */
    spread_drop(g, n);
    struct update *u = mem_alloc(sizeof *u + b.len);
    memcpy(u->bytes, b.data, b.len);
    u->len = b.len;
    u->node = n;
    u->no = ++g->update_no;
    buf_close(&b);
    if (g->queue_count == 0 && g->gossip_at < g->now.mono)
        g->gossip_at = g->now.mono;
    n->update = u;
    enqueue(g, u);
}

void spread_alive(struct gossip *g, struct node *n)
{
    struct gossip_message m;
    memset(&m, 0, sizeof m);
    m.type = GOSSIP_TELL_ALIVE;
    m.member = n->m;
    spread_update(g, n, &m);
}

void spread_drop(struct gossip *g, struct node *n)
{
    if (n->update == NULL)
        return;
    dequeue(g, place(g, n->update));
    mem_free(n->update);
    n->update = NULL;
}

/* From `at` on the first that is at most `room` long, or sent more often. Those sent equally often
 * become shorter along the queue. */
static size_t skip_long(const struct gossip *g, size_t at, size_t room)
{
    size_t low = at, high = g->queue_count;
    unsigned sent = g->queue[at]->sent;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (g->queue[mid]->sent == sent && g->queue[mid]->len > room)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Add what waits and fits. Returns how many updates went in. */
static size_t piggyback(struct gossip *g, struct buf *b)
{
    unsigned limit = gossip_retransmit_limit(g->config.retransmit_mult, g->live);
    while (g->queue_count > 0 && g->queue[g->queue_count - 1]->sent >= limit) /* it shrank */
        spread_drop(g, g->queue[g->queue_count - 1]->node);
    size_t max = (g->config.datagram_max - b->len) / UPDATE_LEAST, added = 0;
    max = max < g->queue_count ? max : g->queue_count;
    if (max == 0)
        return 0;
    struct update **taken = arena_array(&g->scratch, struct update *, max);
    for (size_t i = 0; i < g->queue_count && added < max;) {
        struct update *u = g->queue[i];
        size_t room = g->config.datagram_max - b->len;
        if (u->len > room) {
            i = skip_long(g, i, room);
            continue;
        }
        buf_put(b, u->bytes, u->len);
        taken[added++] = u;
        dequeue(g, i);
    }
    for (size_t i = 0; i < added; i++) {
        taken[i]->sent++;
        enqueue(g, taken[i]);
        if (taken[i]->sent >= limit)
            spread_drop(g, taken[i]->node);
    }
    return added;
}

/* The packet leaves only when it says something. */
static void send_datagram(struct gossip *g, const struct endpoint *to, struct buf *b)
{
    enum err err = buf_finish(b);
    ASSERT(err == ERR_OK && b->len <= g->config.datagram_max);
    g->counters.datagrams_sent++;
    g->counters.datagram_bytes_sent += b->len;
    gossip_emit_send(g, GOSSIP_SEND_DATAGRAM, to, buf_bytes(b));
}

void spread_send(struct gossip *g, const struct endpoint *to, const struct gossip_message *first,
                 const struct gossip_message *second)
{
    struct buf b;
    buf_init(&b, g->config.datagram_max);
    struct gossip_header h = spread_header(g);
    gossip_encode_header(&h, &b);
    gossip_encode(first, &b);
    if (second != NULL)
        gossip_encode(second, &b);
    (void)piggyback(g, &b);
    send_datagram(g, to, &b);
    buf_close(&b);
}

void spread_send_stream(struct gossip *g, const struct endpoint *to, const struct gossip_message *m,
                        const struct gossip_message *second)
{
    struct buf b;
    buf_init(&b, g->config.datagram_max);
    struct gossip_header h = spread_header(g);
    gossip_encode_header(&h, &b);
    gossip_encode(m, &b);
    if (second != NULL)
        gossip_encode(second, &b);
    enum err err = buf_finish(&b);
    ASSERT(err == ERR_OK);
    gossip_emit_send(g, GOSSIP_SEND_STREAM, to, buf_bytes(&b));
    buf_close(&b);
}

/* The dead hear gossip for a while: a live one among them learns so that it must refute. */
static bool hears_gossip(const struct gossip *g, const struct node *n)
{
    if (n->m.displaced || n->m.state == GOSSIP_LEFT)
        return false;
    return n->m.state != GOSSIP_DEAD || g->now.mono - n->m.since_mono < g->config.gossip_to_dead_us;
}

void spread_tick(struct gossip *g)
{
    g->gossip_at = g->now.mono + g->config.gossip_interval_us;
    struct node *to[GOSSIP_FANOUT_MAX];
    size_t count = members_sample(g, hears_gossip, NULL, g->config.gossip_fanout, to);
    while (count == 0 && g->queue_count > 0) /* a later joiner gets it all by push/pull */
        spread_drop(g, g->queue[g->queue_count - 1]->node);
    for (size_t i = 0; i < count; i++) {
        struct buf b;
        buf_init(&b, g->config.datagram_max);
        struct gossip_header h = spread_header(g);
        gossip_encode_header(&h, &b);
        if (piggyback(g, &b) > 0)
            send_datagram(g, &to[i]->m.addr, &b);
        buf_close(&b);
    }
}
