#include "gossip/internal.h"

#include <stdlib.h>
#include <string.h>

struct gossip_header spread_header(const struct gossip *g)
{
    return (struct gossip_header){g->cluster, g->self->m.host_id, g->self->m.addr};
}

/* Replaces whatever waited about the same member. */
void spread_update(struct gossip *g, struct node *n, const struct gossip_message *m)
{
    struct buf b;
    buf_init(&b, GOSSIP_UPDATE_MAX);
    gossip_encode(m, &b);
    enum err err = buf_finish(&b);
    ASSERT(err == ERR_OK); /* every field of a member is bounded */
    memcpy(n->update, b.data, b.len);
    n->update_len = b.len;
    buf_close(&b);
    if (!n->waiting && g->waiting++ == 0 && g->gossip_at < g->now.mono)
        g->gossip_at = g->now.mono;
    n->waiting = true;
    n->sent = 0;
    n->update_no = ++g->update_no;
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
    if (!n->waiting)
        return;
    n->waiting = false;
    g->waiting--;
}

/* Fewest sent first, then the longest, then the newest: a total order. */
static int before(const void *left, const void *right)
{
    const struct node *a = *(struct node *const *)left, *b = *(struct node *const *)right;
    if (a->sent != b->sent)
        return a->sent < b->sent ? -1 : 1;
    if (a->update_len != b->update_len)
        return a->update_len > b->update_len ? -1 : 1;
    return a->update_no > b->update_no ? -1 : a->update_no < b->update_no;
}

/* Add what waits and fits. Returns how many updates went in. */
static size_t piggyback(struct gossip *g, struct buf *b)
{
    if (g->waiting == 0)
        return 0;
    struct node **queue = arena_array(&g->scratch, struct node *, g->waiting);
    size_t count = 0, added = 0;
    for (size_t i = 0; i < g->count; i++) {
        if (g->nodes[i]->waiting)
            queue[count++] = g->nodes[i];
    }
    ASSERT(count == g->waiting);
    qsort(queue, count, sizeof *queue, before);
    unsigned limit = gossip_retransmit_limit(g->config.retransmit_mult, members_live(g));
    for (size_t i = 0; i < count; i++) {
        struct node *n = queue[i];
        if (n->sent >= limit) { /* the cluster shrank */
            spread_drop(g, n);
            continue;
        }
        if (b->len + n->update_len > g->config.datagram_max)
            continue;
        buf_put(b, n->update, n->update_len);
        added++;
        if (++n->sent >= limit)
            spread_drop(g, n);
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
    if (n == g->self || n->m.displaced || n->m.state == GOSSIP_LEFT)
        return false;
    return n->m.state != GOSSIP_DEAD || g->now.mono - n->m.since_mono < g->config.gossip_to_dead_us;
}

void spread_tick(struct gossip *g)
{
    g->gossip_at = g->now.mono + g->config.gossip_interval_us;
    struct node **to = arena_array(&g->scratch, struct node *, g->count);
    size_t count = 0;
    for (size_t i = 0; i < g->count; i++) {
        if (hears_gossip(g, g->nodes[i]))
            to[count++] = g->nodes[i];
    }
    if (count == 0) { /* nobody to tell: a later joiner gets it all by push/pull */
        for (size_t i = 0; i < g->count; i++)
            spread_drop(g, g->nodes[i]);
    }
    for (size_t i = 0; i < count && i < g->config.gossip_fanout; i++) {
        size_t j = i + (size_t)rng_below(&g->rng, count - i);
        struct node *chosen = to[j];
        to[j] = to[i];
        struct buf b;
        buf_init(&b, g->config.datagram_max);
        struct gossip_header h = spread_header(g);
        gossip_encode_header(&h, &b);
        if (piggyback(g, &b) > 0)
            send_datagram(g, &chosen->m.addr, &b);
        buf_close(&b);
    }
}
