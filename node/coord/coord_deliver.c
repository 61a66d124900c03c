/* Hints brought to where they belong. Each target has a queue, walked in passes from its first
 * hint to its last; of a queue a *page* is under way at a time, in order, of each partition one
 * write:
 *
 *   IDLE --- the target lives, and its pause is over ---> SENDING a page
 *   SENDING - all have ended -> removed, of those that are done ---> IDLE, for as long as the page
 *                                                                     takes at hints_rate
 *              of all none went -> IDLE, for a second more
 *
 * What did not go has a pause of its own, and the walk goes on behind it (stuck.h). In the middle
 * of a long pass, too, it begins anew after a while, but never before it has got further than last
 * time.
 *
 * Clients come first: who heals says how fast they may go (heal_host.h), and a page is a part of a
 * second, as pulls are (node/heal/pace.h).
 *
 * A write goes to the target alone, as a forward that says that it is of a hint: the target mints
 * its dot, and its own ack counts. A hint of CL ANY goes to any owner that lives. Where the target
 * holds the range no more, or is no more, it goes to who does, at QUORUM. A table that is gone
 * takes its hints along. What was acked and is not fsynced (commitlog_sync: periodic) stays for two
 * periods and goes then, unless the target was lost meanwhile: then it is brought once more, which
 * changes nothing.
 *
 * A node that is about to leave the ring (coord_hints_hand_on) does not wait for a target that is
 * dead: the other owners get it, at QUORUM, or another node that is none keeps it, with the age
 * that it has. */
#include "node/coord/coord_core.h"

#include "base/mutant.h"
#include "node/coord/stuck.h"

#define PAGE_BYTES   ((size_t)256 << 10)
#define PAGE_LEAST   ((size_t)16 << 10)
#define PAGE_PARTS   256u /* of a second, in a page */
#define PAGE_MAX     64u  /* writes */
#define WRITE_COST   512u /* bytes: what a write counts for beside its own */
#define GROUP_MAX    ((size_t)1 << 20)
#define SHARE        4    /* of what may be in flight: a write of more is never taken by anybody */
#define LOOK_MAX     256u /* entries, for a page */
#define LOOK_US      (50 * USEC_PER_MS) /* then, when none of them could go */
#define POLL_US      USEC_PER_SEC
#define BACK_US      (30 * USEC_PER_SEC) /* of a pass, when something waits for the next one */
#define RATE_US      (10 * USEC_PER_SEC)
#define SYNC_US      (10 * USEC_PER_SEC) /* a peer may sync seldom where we do at once */
#define RATE_DEFAULT ((size_t)1 << 20)

enum giving_state { GIVING_SENT, GIVING_DONE, GIVING_NOT, GIVING_UNSYNCED };

/* One write of a page. */
struct giving {
    struct list link;       /* in its delivery's page, or unsynced */
    struct pending pending; /* HAND_ON: what the keeper answers */
    struct batch_op own;
    struct delivery *delivery;
    struct memory *memory;
    struct hint_group group;
    uint64_t number; /* its first */
    node_no to;      /* 0: the owners */
    bool hands_on;
    enum giving_state state;
    usec due; /* UNSYNCED: then it may be removed */
};

struct delivery {
    node_no target;
    struct list page;     /* SENT, in order */
    struct list unsynced; /* in order of `due` */
    size_t sent;          /* in page, without an answer */
    size_t items;         /* hints under way, unsynced ones too */
    uint64_t after;       /* where the walk is */
    uint64_t far;         /* where it was when it began anew last, in the middle */
    usec pass_began;      /* mono */
    struct stuck stuck;
    size_t page_bytes, page_cost;
    node_no asked; /* in this page its clients were asked about last */
    usec next;     /* mono: nothing before */
    uint64_t delivered, delivered_bytes;
    usec rate_since, rate_last; /* mono: of a stretch, when it began and when something went last */
    uint64_t rate_bytes, rate;  /* in it; bytes a second in the one before */
};

static struct delivery *delivery_of(struct coord *c, node_no target)
{
    struct delivery *d = map_get(&c->deliveries, target);
    if (d == NULL) {
        d = mem_new(struct delivery);
        d->target = target;
        list_init(&d->page);
        list_init(&d->unsynced);
        stuck_init(&d->stuck);
        map_put(&c->deliveries, target, d);
    }
    return d;
}

/* --- who gets it */

static bool is_owner(struct coord *c, const struct hint *h, node_no node, bool alive)
{
    const struct placement *p = cluster_placement(c->cluster, h->keyspace);
    if (p == NULL || cluster_find(c->cluster, node) == NULL)
        return false;
    struct replicas there = placement_replicas(p, ring_range_of(h->part.token, p->ranges));
    return replicas_have(there, node) && (!alive || cluster_is_alive(c->cluster, node));
}

static range_no range_of(const struct coord *c, token at)
{
    return ring_range_of(at, cluster_ranges(c->cluster));
}

static unsigned failures_of(const struct coord *c, const struct delivery *d, const struct hint *h)
{
    return stuck_failures(&d->stuck, h->part.table, range_of(c, h->part.token));
}

/* ERR_OK: to *ret_to, or (0) to the owners. ERR_UNAVAILABLE: to nobody now. */
static enum err find_taker(struct coord *c, const struct delivery *d, const struct hint *h,
                           node_no *ret_to)
{
    unsigned failures = failures_of(c, d, h);
    const struct placement *p = cluster_placement(c->cluster, h->keyspace);
    *ret_to = 0;
    if (p == NULL)
        return ERR_UNAVAILABLE;
    if (!h->any && is_owner(c, h, h->target, false)) {
        *ret_to = h->target;
        return is_owner(c, h, h->target, true) ? ERR_OK : ERR_UNAVAILABLE;
    }
    if (!h->any)
        return ERR_OK;
    struct replicas there = placement_replicas(p, ring_range_of(h->part.token, p->ranges));
    for (uint32_t i = 0; i < there.count && *ret_to == 0; i++) {
        node_no n = there.node[(i + failures) % there.count]; /* another one than last time */
        if (cluster_is_alive(c->cluster, n))
            *ret_to = n;
    }
    return *ret_to != 0 ? ERR_OK : ERR_UNAVAILABLE;
}

/* Who keeps it when we leave: of the living the first behind us by number. */
static node_no find_heir(struct coord *c, const struct hint *h)
{
    const struct cluster_node *nodes;
    node_no self = cluster_self(c->cluster), first = 0, next = 0;
    size_t count = cluster_nodes(c->cluster, &nodes);
    for (size_t i = 0; i < count; i++) {
        node_no n = nodes[i].node;
        if (n == self || !cluster_is_alive(c->cluster, n) || is_owner(c, h, n, false))
            continue;
        first = first == 0 ? n : first;
        next = next == 0 && n > self ? n : next;
    }
    return next != 0 ? next : first;
}

/* --- sending */

static void hand_on(struct coord *c, struct giving *g)
{
    struct arena *arena = &g->memory->arena;
    struct wire_message m = {.type = WIRE_HINT_KEEP};
    struct buf part, supersede;
    buf_init(&part, STORE_BATCH_MAX);
    buf_init(&supersede, STORE_BATCH_MAX);
    part_encode(&g->group.hint.part, &part);
    supersede_encode(&g->group.hint.supersede, &supersede);
    g->hands_on = true;
    m.hint_keep = (struct wire_hint_keep){.request = coord_track(c, &g->pending, PENDING_HINT),
                                          .target = g->group.hint.target,
                                          .any = g->group.hint.any,
                                          .keyspace = g->group.hint.keyspace,
                                          .part = arena_copy(arena, buf_bytes(&part)),
                                          .supersede = arena_copy(arena, buf_bytes(&supersede)),
                                          .since = g->group.hint.since};
    buf_close(&part);
    buf_close(&supersede);
    coord_send(c, g->to, &m);
}

static void send(struct coord *c, struct giving *g)
{
    struct mutation m = {.keyspace = g->group.hint.keyspace,
                         .part = g->group.hint.part,
                         .supersede = g->group.hint.supersede};
    struct coord_write w = {.mutations = &m,
                            .count = 1,
                            .level = g->to != 0 ? LEVEL_ONE : replay_level(c, &m),
                            .kind = WRITE_SIMPLE,
                            .timeout_us = c->config.write_timeout_us,
                            .replay = true,
                            .hint = true,
                            .to = g->to};
    g->own.giving = g;
    batch_write(c, &g->own, &w);
}

static bool is_under_way(const struct delivery *d, uint64_t number)
{
    const struct list *lists[] = {&d->page, &d->unsynced};
    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        list_each (at, lists[k]) {
            const struct giving *g = container_of(at, struct giving, link);
            for (size_t i = 0; i < g->group.count; i++) {
                if (g->group.items[i].number == number)
                    return true;
            }
        }
    }
    return false;
}

struct page {
    struct coord *c;
    struct delivery *d;
};

static bool is_skipped(void *arg, uint64_t number)
{
    const struct page *p = arg;
    return is_under_way(p->d, number);
}

static bool is_stuck(void *arg, uint64_t number, table_no table, token at)
{
    const struct page *p = arg;
    return !MUTANT(hint_stuck_stops) &&
           stuck_passes(&p->d->stuck, table, range_of(p->c, at), number, p->c->now.mono);
}

static void pass_end(struct coord *c, struct delivery *d)
{
    d->after = 0;
    stuck_pass_end(&d->stuck, c->now.mono);
}

/* The next write of the page, to wherever it may go. False: none. */
static bool take_next(struct coord *c, struct delivery *d, struct hint_walk *w)
{
    struct memory *memory = memory_new();
    struct giving *g = arena_new(&memory->arena, struct giving);
    node_no to = 0;
    g->memory = memory;
    g->delivery = d;
    list_init(&g->link);
    enum err err = hints_next(&c->hints, w, &memory->arena, &g->group);
    d->after = g->number = w->after;
    if (err != ERR_OK) {
        if (err != ERR_BEHIND) {
            pass_end(c, d);
            d->far = 0;
        }
        memory_retire(c, g->memory);
        return false;
    }
    if (cluster_table_is_gone(c->cluster, g->group.hint.part.table)) {
        c->stats.hints_dropped += g->group.count;
        hints_remove(&c->hints, &g->group);
        memory_retire(c, g->memory);
        return true;
    }
    err = find_taker(c, d, &g->group.hint, &to);
    bool heir = false;
    if (err != ERR_OK && c->hands_on) { /* by turns: to the other owners, to another node */
        to = failures_of(c, d, &g->group.hint) % 2 == 0 ? 0 : find_heir(c, &g->group.hint);
        heir = to != 0;
        err = ERR_OK;
    }
    if (err != ERR_OK) { /* this one waits; others may go */
        const struct part *p = &g->group.hint.part;
        stuck_wait(&d->stuck, p->table, range_of(c, p->token), c->now.mono);
        memory_retire(c, g->memory);
        return true;
    }
    g->to = to;
    list_push_back(&d->page, &g->link);
    d->sent++;
    d->items += g->group.count;
    d->page_bytes += g->group.bytes;
    d->page_cost += g->group.bytes + WRITE_COST;
    if (to != 0 && to != d->asked && c->heal_host.go != NULL)
        c->heal_host.go(c->heal_host.arg, c->now, to);
    d->asked = to != 0 ? to : d->asked;
    if (MUTANT(hint_removed_early))
        hints_remove(&c->hints, &g->group);
    if (heir)
        hand_on(c, g);
    else
        send(c, g);
    return true;
}

/* What of the queue could go at all? Nothing of a dead owner but what any owner takes. */
static bool is_blocked(struct coord *c, const struct delivery *d, const struct hint_queue *q)
{
    return q->any == 0 && !c->hands_on && cluster_find(c->cluster, d->target) != NULL &&
           !cluster_is_alive(c->cluster, d->target);
}

/* As much as usual, or a share of what replicas, who have our settings, have in flight. */
static size_t at_once_max(const struct coord *c, size_t usual)
{
    size_t share = c->config.in_flight_max / SHARE;
    return share < usual ? share : usual;
}

static uint64_t rate_now(const struct coord *c)
{
    if (c->heal_host.rate != NULL && !MUTANT(hints_unpaced))
        return c->heal_host.rate(c->heal_host.arg, c->now);
    return c->config.hints_rate > 0 ? c->config.hints_rate : RATE_DEFAULT;
}

static size_t page_size(uint64_t rate)
{
    uint64_t part = rate / PAGE_PARTS;
    return part < PAGE_LEAST ? PAGE_LEAST : part < PAGE_BYTES ? (size_t)part : PAGE_BYTES;
}

static void page_start(struct coord *c, struct delivery *d)
{
    const struct hint_queue *q = hints_queue(&c->hints, d->target);
    bool dead =
        cluster_find(c->cluster, d->target) != NULL && !cluster_is_alive(c->cluster, d->target);
    if (q == NULL || is_blocked(c, d, q))
        return;
    bool late = c->now.mono - d->pass_began >= BACK_US && d->after > d->far;
    if (late && stuck_is_due(&d->stuck, c->now.mono)) {
        d->far = d->after;
        pass_end(c, d);
    }
    if (d->after == 0)
        d->pass_began = c->now.mono;
    struct page page = {c, d};
    struct hint_walk w = {.target = d->target,
                          .after = d->after,
                          .any_only = dead && !c->hands_on,
                          .look = LOOK_MAX,
                          .skip = is_skipped,
                          .pass = is_stuck,
                          .arg = &page};
    size_t size = at_once_max(c, page_size(rate_now(c)));
    d->page_bytes = d->page_cost = 0;
    d->asked = 0;
    for (size_t n = 0; n < PAGE_MAX && d->page_cost < size && d->items < HINT_ITEMS_MAX; n++) {
        if (!take_next(c, d, &w))
            break;
    }
    if (d->sent == 0 && d->after != 0)
        d->next = c->now.mono + LOOK_US;
}

/* --- what becomes of it */

/* Of this stretch of RATE_US once a second of it is over, of the one before until then; nothing
 * when nothing went for so long. */
static uint64_t rate_of(const struct delivery *d, usec now)
{
    usec since = now - d->rate_since;
    if (d->rate_last == 0 || now - d->rate_last >= RATE_US)
        return 0;
    if (since < USEC_PER_SEC)
        return d->rate > 0 ? d->rate : d->rate_bytes;
    return d->rate_bytes * (uint64_t)USEC_PER_SEC / (uint64_t)since;
}

static void note_rate(struct delivery *d, usec now, size_t bytes)
{
    if (now - d->rate_since >= RATE_US) {
        d->rate = rate_of(d, now);
        d->rate_since = now;
        d->rate_bytes = 0;
    }
    d->rate_bytes += bytes;
    d->rate_last = now;
}

static void done(struct coord *c, struct delivery *d, struct giving *g)
{
    hints_remove(&c->hints, &g->group);
    c->stats.hints_delivered += g->group.count;
    d->delivered += g->group.count;
    d->delivered_bytes += g->group.bytes;
    note_rate(d, c->now.mono, g->group.bytes);
}

static void page_end(struct coord *c, struct delivery *d)
{
    usec now = c->now.mono, pause = POLL_US;
    bool full = false; /* too many ranges are stuck */
    list_each_safe (at, after, &d->page) {
        struct giving *g = container_of(at, struct giving, link);
        list_remove(at);
        if (g->state == GIVING_UNSYNCED) {
            list_push_back(&d->unsynced, &g->link);
            pause = 0;
            continue;
        }
        const struct part *p = &g->group.hint.part;
        d->items -= g->group.count;
        if (g->state == GIVING_DONE) {
            done(c, d, g);
            pause = 0;
        } else if (!stuck_note(&d->stuck, p->table, range_of(c, p->token), g->number, now)) {
            full = true;
        }
        memory_retire(c, g->memory);
    }
    if (MUTANT(hint_stuck_stops) && pause > 0)
        d->after = 0; /* and no range is left out */
    d->next = now + (full ? STUCK_PAUSE_MAX : pause);
    d->next += (usec)(d->page_cost * USEC_PER_SEC / rate_now(c));
}

static void given(struct coord *c, struct giving *g, enum giving_state state)
{
    struct delivery *d = g->delivery;
    g->state = state;
    g->due = c->now.mono + 2 * (c->config.sync_us > 0 ? c->config.sync_us : SYNC_US);
    ASSERT(d->sent > 0);
    if (--d->sent == 0) {
        page_end(c, d);
        deliver_arm(c, c->now);
    }
}

void deliver_heard(struct coord *c, struct giving *g, const struct coord_result *r)
{
    if (r->err == ERR_OK && r->left_out)
        c->stats.hints_left_out += g->group.count;
    if (r->err == ERR_OK && r->lost != LOST_NONE)
        c->stats.hints_lost += g->group.count;
    given(c, g, r->err != ERR_OK ? GIVING_NOT : r->synced ? GIVING_DONE : GIVING_UNSYNCED);
}

struct giving *giving_of(struct pending *p)
{
    return container_of(p, struct giving, pending);
}

void deliver_handed_on(struct coord *c, struct giving *g, node_no from, enum err err)
{
    if (g->to != from)
        return;
    coord_untrack(c, &g->pending);
    c->stats.hints_handed_on += err == ERR_OK ? g->group.count : 0;
    given(c, g, err == ERR_OK ? GIVING_DONE : GIVING_NOT);
}

/* Its disk may have lost what it had acked and not synced: it gets it again. */
void deliver_peer_lost(struct coord *c, node_no node)
{
    uint64_t *targets = map_keys(&c->deliveries);
    for (size_t i = 0, count = map_count(&c->deliveries); i < count; i++) {
        struct delivery *d = map_get(&c->deliveries, targets[i]);
        list_each_safe (at, after, &d->unsynced) {
            struct giving *g = container_of(at, struct giving, link);
            if (g->to != node && g->to != 0)
                continue;
            list_remove(at);
            d->items -= g->group.count;
            d->after = 0;
            memory_retire(c, g->memory);
        }
    }
    mem_free(targets);
}

static void remove_synced(struct coord *c, struct delivery *d)
{
    while (!list_empty(&d->unsynced)) {
        struct giving *g = container_of(d->unsynced.next, struct giving, link);
        if (g->due > c->now.mono)
            break;
        list_remove(&g->link);
        d->items -= g->group.count;
        done(c, d, g);
        memory_retire(c, g->memory);
    }
}

/* --- time */

void deliver_arm(struct coord *c, struct now now)
{
    if (map_count(&c->hints.queues) == 0 && !c->hints.unread && !hints_has_gone(&c->hints))
        return;
    usec at = now.mono + POLL_US;
    uint64_t *targets = map_keys(&c->deliveries);
    for (size_t i = 0, count = map_count(&c->deliveries); i < count; i++) {
        const struct delivery *d = map_get(&c->deliveries, targets[i]);
        if (d->sent == 0 && d->next > now.mono && d->next < at &&
            hints_queue(&c->hints, d->target) != NULL)
            at = d->next;
    }
    mem_free(targets);
    if (c->deliver_due.timer.slot == 0 || at < c->deliver_due.timer.at)
        timers_set(&c->timers, &c->deliver_due.timer, at);
}

void deliver_tick(struct coord *c, struct now now)
{
    if (c->hints.unread)
        hints_load(&c->hints);
    hint_tell_gone(c, now);
    uint64_t *targets = map_keys(&c->hints.queues);
    for (size_t i = 0, count = map_count(&c->hints.queues); i < count; i++) {
        struct delivery *d = delivery_of(c, (node_no)targets[i]);
        remove_synced(c, d);
        if (d->sent == 0 && d->next <= now.mono && c->self.node != 0 && !MUTANT(hint_never_given))
            page_start(c, d);
    }
    mem_free(targets);
    deliver_arm(c, now);
}

void deliver_open(struct coord *c)
{
    c->deliver_due.kind = DUE_HINTS;
    struct hints_limits limits = {.size_max = c->config.hints_size_max,
                                  .window_us = c->config.hints_window_us,
                                  .group_max = at_once_max(c, GROUP_MAX)};
    if (limits.size_max == 0)
        limits.size_max = SIZE_MAX / 2;
    if (limits.window_us == 0)
        limits.window_us = INT64_MAX / 2;
    hints_init(&c->hints, c->engine, &limits);
    map_init(&c->deliveries);
    hints_load(&c->hints);
}

void deliver_close(struct coord *c)
{
    uint64_t *targets = map_keys(&c->deliveries);
    for (size_t i = 0, count = map_count(&c->deliveries); i < count; i++) {
        struct delivery *d = map_get(&c->deliveries, targets[i]);
        struct list *lists[] = {&d->page, &d->unsynced};
        for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
            list_each_safe (at, after, lists[k])
                memory_retire(c, container_of(at, struct giving, link)->memory);
        }
        stuck_close(&d->stuck);
        mem_free(d);
    }
    mem_free(targets);
    map_close(&c->deliveries);
    hints_close(&c->hints);
}

void coord_heal_host(struct coord *c, const struct heal_host *host)
{
    c->heal_host = *host;
}

/* --- what others see */

void coord_hints_hand_on(struct coord *c, struct now now)
{
    c->hands_on = true;
    timers_set(&c->timers, &c->deliver_due.timer, now.mono);
}

size_t coord_hint_queues(struct coord *c, struct now now, struct arena *arena,
                         struct coord_hint_queue **ret)
{
    size_t count = map_count(&c->hints.queues);
    struct coord_hint_queue *out = arena_array(arena, struct coord_hint_queue, count + 1);
    uint64_t *targets = map_keys(&c->hints.queues);
    for (size_t i = 0; i < count; i++) {
        struct hint_queue *q = map_get(&c->hints.queues, targets[i]);
        const struct delivery *d = map_get(&c->deliveries, targets[i]);
        out[i] = (struct coord_hint_queue){.target = q->target,
                                           .hints = q->count,
                                           .any = q->any,
                                           .bytes = q->bytes,
                                           .oldest = hints_oldest(&c->hints, q),
                                           .newest = q->newest,
                                           .full = hints_full(&c->hints, q, now.wall)};
        if (d != NULL) {
            out[i].delivered = d->delivered;
            out[i].delivered_bytes = d->delivered_bytes;
            out[i].rate = rate_of(d, now.mono);
            out[i].sending = d->sent + !list_empty(&d->unsynced);
            out[i].pause = d->next > now.mono ? d->next - now.mono : 0;
            out[i].stuck = stuck_count(&d->stuck, now.mono, &out[i].stuck_pause);
        }
    }
    mem_free(targets);
    *ret = out;
    return count;
}
