/* compare_given.c - the other side of a session by trees is given rows, or a clock to take in. */
#include "node/heal/vote.h"

static void send_gave(struct heal *h, node_no to, uint64_t session, uint64_t request, enum err err,
                      const struct tree_taken *taken)
{
    struct wire_message m = {.type = WIRE_COMPARE_GAVE};
    m.compare_gave =
        (struct wire_compare_gave){session, request, (uint32_t)err, taken->rows, taken->doubtful};
    heal_send(h, to, &m);
}

static enum err take(struct heal *h, const struct wire_compare_give *m, node_no from,
                     uint64_t ticket, struct tree_taken *ret)
{
    struct arena arena = {0};
    struct compare_range r;
    struct clock told;
    clock_init(&told);
    enum err err = serve_range(h, m->keyspace, m->range, m->tag, from, &arena, &r);
    if (err == ERR_OK && m->life != h->life)
        err = ERR_STALE;
    if (err == ERR_OK && m->told.len > 0)
        err = clock_decode(m->told, &told);
    if (err == ERR_OK && m->join) {
        err = engine_tree_join(h->engine, m->keyspace, m->range, &told, ticket);
    } else if (err == ERR_OK && m->replaced.len > 0) {
        err = serve_replaced(h, m, from, &r, &arena, ticket, ret);
    } else if (err == ERR_OK) {
        if (m->drops != engine_drops(h->engine, m->keyspace, m->range))
            err = ERR_BEHIND; /* it may bring what has been dropped here since */
        else
            err = engine_tree_take(h->engine, m->keyspace, m->range, &r.place, m->rows,
                                   heal_agreed(h, m->keyspace, m->range),
                                   m->told.len > 0 ? &told : NULL, m->now_s, &arena, ticket, ret);
        if (err == ERR_OK)
            compare_told_doubtful(h, &r, from, ret, false);
    }
    ret->key = BYTES_NONE;
    clock_close(&told);
    arena_close(&arena);
    return err;
}

void serve_compare_give(struct heal *h, struct now now, node_no from,
                        const struct wire_compare_give *m)
{
    struct tree_taken taken = {0};
    struct served_ack *ack = NULL;
    enum err err = ERR_OK;
    for (size_t i = 0; i < SERVED_ACKS_MAX && ack == NULL; i++)
        ack = serve_state(h)->acks[i].ticket == 0 ? &h->serving->acks[i] : NULL;
    if (ack == NULL)
        err = ERR_OVERLOADED;
    uint64_t ticket = HEAL_TICKET | ++h->tickets;
    if (err == ERR_OK)
        err = take(h, m, from, ticket, &taken);
    if (err == ERR_OK)
        *ack = (struct served_ack){ticket, from, m->session, m->request, taken};
    else
        send_gave(h, from, m->session, m->request, err, &taken);
    heal_felt_tell(h, now, from);
}

bool serve_compare_durable(struct heal *h, uint64_t ticket, enum err err)
{
    for (size_t i = 0; h->serving != NULL && i < SERVED_ACKS_MAX; i++) {
        struct served_ack *ack = &h->serving->acks[i];
        if (ack->ticket != ticket)
            continue;
        ack->ticket = 0;
        send_gave(h, ack->peer, ack->session, ack->request, err, &ack->taken);
        return true;
    }
    return false;
}
