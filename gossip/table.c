#include "gossip/internal.h"

#include <string.h>

#define SAMPLE_TRIES 8  /* picks for each one wanted, before all are looked at */
#define SAMPLE_SCAN  32 /* up to so many others are looked at straight away */

/* --- labels */

static size_t label_position(const struct gossip *g, struct bytes text, bool *ret_found)
{
    size_t low = 0, high = g->label_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct label *l = g->labels[mid];
        size_t len = l->dc.len + l->rack.len + l->release.len + 2;
        int order = bytes_compare(bytes_make(l->text, len), text);
        if (order == 0) {
            *ret_found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *ret_found = false;
    return low;
}

static size_t put_text(uint8_t *to, size_t at, struct bytes text)
{
    ASSERT(text.len < GOSSIP_TEXT_SIZE);
    if (text.len > 0)
        memcpy(to + at, text.data, text.len);
    to[at + text.len] = 0;
    return at + text.len + 1;
}

/* No text holds a NUL, so the three of them with a NUL between are one key. */
static struct label *label_hold(struct gossip *g, const struct gossip_member *m)
{
    uint8_t key[3 * GOSSIP_TEXT_SIZE];
    size_t len = put_text(key, 0, m->dc);
    len = put_text(key, len, m->rack);
    len = put_text(key, len, m->release) - 1;
    bool found;
    size_t at = label_position(g, bytes_make(key, len), &found);
    if (!found) {
        struct label *l = mem_alloc(sizeof *l + len);
        memcpy(l->text, key, len);
        l->dc = bytes_make(l->text, m->dc.len);
        l->rack = bytes_make(l->text + m->dc.len + 1, m->rack.len);
        l->release = bytes_make(l->text + m->dc.len + m->rack.len + 2, m->release.len);
        g->labels = mem_grow(g->labels, g->label_count, &g->label_cap, sizeof(struct label *));
        memmove(g->labels + at + 1, g->labels + at, (g->label_count - at) * sizeof *g->labels);
        g->labels[at] = l;
        g->label_count++;
    }
    g->labels[at]->uses++;
    return g->labels[at];
}

static void label_release(struct gossip *g, struct label *l)
{
    if (l == NULL || --l->uses > 0)
        return;
    bool found;
    size_t len = l->dc.len + l->rack.len + l->release.len + 2;
    size_t at = label_position(g, bytes_make(l->text, len), &found);
    ASSERT(found);
    g->label_count--;
    memmove(g->labels + at, g->labels + at + 1, (g->label_count - at) * sizeof *g->labels);
    mem_free(l);
}

/* --- by host id and by address */

static size_t position(const struct gossip *g, const struct uuid *host_id)
{
    size_t low = 0, high = g->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (uuid_compare(&g->nodes[mid]->m.host_id, host_id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* `host_id` NULL: before everybody at that address. */
static size_t addr_position(const struct gossip *g, size_t count, const struct endpoint *addr,
                            const struct uuid *host_id)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = endpoint_compare(&g->by_addr[mid]->m.addr, addr);
        if (order == 0 && host_id != NULL)
            order = uuid_compare(&g->by_addr[mid]->m.host_id, host_id);
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* `count` are in the index, `n` is not yet. */
static void addr_add(struct gossip *g, size_t count, struct node *n)
{
    size_t at = addr_position(g, count, &n->m.addr, &n->m.host_id);
    g->by_addr = mem_grow(g->by_addr, count, &g->by_addr_cap, sizeof(struct node *));
    memmove(g->by_addr + at + 1, g->by_addr + at, (count - at) * sizeof *g->by_addr);
    g->by_addr[at] = n;
}

static void addr_remove(struct gossip *g, const struct node *n)
{
    size_t at = addr_position(g, g->count, &n->m.addr, &n->m.host_id);
    ASSERT(at < g->count && g->by_addr[at] == n);
    memmove(g->by_addr + at, g->by_addr + at + 1, (g->count - at - 1) * sizeof *g->by_addr);
}

struct node *members_find(const struct gossip *g, const struct uuid *host_id)
{
    size_t i = position(g, host_id);
    return i < g->count && uuid_equal(&g->nodes[i]->m.host_id, host_id) ? g->nodes[i] : NULL;
}

bool members_reachable(const struct node *n)
{
    return n->m.state == GOSSIP_ALIVE || n->m.state == GOSSIP_SUSPECT;
}

bool members_is_alive(const struct gossip *g, const struct node *n)
{
    (void)g;
    return n->m.state == GOSSIP_ALIVE;
}

struct node *members_holder(const struct gossip *g, const struct endpoint *addr,
                            const struct node *except)
{
    for (size_t i = addr_position(g, g->count, addr, NULL); i < g->count; i++) {
        struct node *n = g->by_addr[i];
        if (!endpoint_equal(&n->m.addr, addr))
            return NULL;
        if (n != except && members_reachable(n))
            return n;
    }
    return NULL;
}

bool members_address_lives(const struct gossip *g, const struct endpoint *addr)
{
    return members_holder(g, addr, NULL) != NULL;
}

void members_displace(struct gossip *g, const struct endpoint *addr, const struct node *by)
{
    for (size_t i = addr_position(g, g->count, addr, NULL); i < g->count; i++) {
        struct node *n = g->by_addr[i];
        if (!endpoint_equal(&n->m.addr, addr))
            return;
        if (n != by && !members_reachable(n))
            n->m.displaced = true;
    }
}

/* --- one member */

void members_set_blob(struct node *n, struct bytes blob)
{
    uint8_t *old = (uint8_t *)(uintptr_t)n->m.app.blob.data;
    uint8_t *copy = blob.len > 0 ? mem_copy(blob.data, blob.len) : NULL;
    mem_free(old);
    n->m.app.blob = bytes_make(copy, blob.len);
}

static void take(struct gossip *g, struct node *n, const struct gossip_member *claim)
{
    struct gossip_member old = n->m;
    struct label *label = label_hold(g, claim);
    n->m = *claim;
    n->m.host_id = old.host_id;
    n->m.state = old.state;
    n->m.since_mono = old.since_mono;
    n->m.displaced = false;
    n->m.app.blob = old.app.blob;
    members_set_blob(n, claim->app.blob);
    label_release(g, n->label);
    n->label = label;
    n->m.dc = label->dc;
    n->m.rack = label->rack;
    n->m.release = label->release;
}

void members_copy_claim(struct gossip *g, struct node *n, const struct gossip_member *claim)
{
    addr_remove(g, n);
    take(g, n, claim);
    addr_add(g, g->count - 1, n);
}

usec members_keep(const struct gossip *g, enum gossip_state state)
{
    return state == GOSSIP_DEAD ? g->config.dead_reclaim_us : g->config.left_reclaim_us;
}

/* The member has a new state; `was` tells whether it counted as reachable. */
static void recount(struct gossip *g, const struct node *n, bool was)
{
    bool is = members_reachable(n);
    g->live += is && !was ? 1 : 0;
    g->live -= was && !is ? 1 : 0;
    usec until = n->m.since_mono + members_keep(g, n->m.state);
    if (!is && until < g->reap_at)
        g->reap_at = until;
}

void members_set_state(struct gossip *g, struct node *n, enum gossip_state state)
{
    enum gossip_state old = n->m.state;
    bool was = members_reachable(n);
    char who[UUID_TEXT_SIZE];
    trace(g->tracer, g->now, "%s was %s -> %s at incarnation %llu", uuid_text(&n->m.host_id, who),
          gossip_state_text(old), gossip_state_text(state), (unsigned long long)n->m.incarnation);
    n->m.state = state;
    n->m.since_mono = g->now.mono;
    recount(g, n, was);
    if (state != GOSSIP_SUSPECT)
        suspect_end(g, n);
    gossip_emit_member(g, n, GOSSIP_CHANGED, old);
}

struct node *members_insert(struct gossip *g, const struct gossip_member *claim,
                            enum gossip_state state, usec since)
{
    struct node *n = mem_new(struct node);
    n->m.host_id = claim->host_id;
    n->m.state = state;
    n->m.since_mono = since;
    take(g, n, claim);
    size_t at = position(g, &claim->host_id);
    g->nodes = mem_grow(g->nodes, g->count, &g->cap, sizeof(struct node *));
    memmove(g->nodes + at + 1, g->nodes + at, (g->count - at) * sizeof *g->nodes);
    g->nodes[at] = n;
    addr_add(g, g->count, n);
    g->count++;
    recount(g, n, false);
    g->touched = true;
    if (g->self == NULL)
        return n; /* it is us: not probed */
    g->order = mem_grow(g->order, g->order_count, &g->order_cap, sizeof(struct node *));
    size_t turn = (size_t)rng_below(&g->rng, g->order_count + 1);
    memmove(g->order + turn + 1, g->order + turn, (g->order_count - turn) * sizeof *g->order);
    g->order[turn] = n;
    g->order_count++;
    if (turn < g->order_next)
        g->order_next++;
    return n;
}

void members_release(struct gossip *g, struct node *n)
{
    members_set_blob(n, BYTES_NONE);
    label_release(g, n->label);
    mem_free(n);
}

void members_remove(struct gossip *g, struct node *n)
{
    ASSERT(n != g->self && !members_reachable(n));
    spread_drop(g, n);
    addr_remove(g, n);
    size_t at = position(g, &n->m.host_id);
    memmove(g->nodes + at, g->nodes + at + 1, (g->count - at - 1) * sizeof *g->nodes);
    g->count--;
    size_t turn = 0;
    while (g->order[turn] != n)
        turn++;
    memmove(g->order + turn, g->order + turn + 1, (g->order_count - turn - 1) * sizeof *g->order);
    g->order_count--;
    if (turn < g->order_next)
        g->order_next--;
    g->gone = mem_grow(g->gone, g->gone_count, &g->gone_cap, sizeof(struct node *));
    g->gone[g->gone_count++] = n;
    g->touched = true;
}

/* --- picking some */

static bool among(struct node *const *nodes, size_t count, const struct node *n)
{
    for (size_t i = 0; i < count; i++) {
        if (nodes[i] == n)
            return true;
    }
    return false;
}

/* In a large cluster nearly everybody is fit: a few picks find them without a look at all. */
size_t members_sample(struct gossip *g, members_fit *fit, const struct node *except, size_t want,
                      struct node **ret_nodes)
{
    size_t found = 0;
    for (size_t tries = want * SAMPLE_TRIES;
         g->order_count > SAMPLE_SCAN && tries > 0 && found < want; tries--) {
        struct node *n = g->order[rng_below(&g->rng, g->order_count)];
        if (n != except && fit(g, n) && !among(ret_nodes, found, n))
            ret_nodes[found++] = n;
    }
    if (found == want)
        return found;
    struct node **able = arena_array(&g->scratch, struct node *, g->order_count);
    size_t count = 0;
    for (size_t i = 0; i < g->order_count; i++) {
        if (g->order[i] != except && fit(g, g->order[i]))
            able[count++] = g->order[i];
    }
    for (found = 0; found < count && found < want; found++) {
        size_t j = found + (size_t)rng_below(&g->rng, count - found);
        ret_nodes[found] = able[j];
        able[j] = able[found];
    }
    return found;
}
