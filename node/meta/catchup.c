/* catchup.c - hearing that others are ahead, fetching what they have, and saying what we have.
 *
 * Every message carries its sender's epoch. A place that is ahead of us is remembered and asked for
 * what we lack; who does not answer is asked again, and forgotten after a few times. Once a second
 * a node asks another one at random, so that a lost entry is found even in a cluster that is
 * silent. A mover must know that all the others have applied the ring before it may begin: it asks
 * them, for of themselves they tell only who has decided it.
 */
#include "node/meta/internal.h"

#include <string.h>

#define STRIKES_MAX 3

struct peer *catchup_peer(struct meta *m, node_no node)
{
    if (node == 0 || node == m->self || topology_find(&m->state.topology, node) == NULL)
        return NULL;
    struct peer *p = map_get(&m->peers, node);
    if (p == NULL) {
        p = mem_new(struct peer);
        (void)map_put(&m->peers, node, p);
    }
    return p;
}

void catchup_say(struct meta *m, const struct endpoint *to, bool ask)
{
    struct wire_message w = {.type = WIRE_META_APPLIED};
    w.meta_applied.cluster = m->cluster;
    w.meta_applied.applied = metalog_applied(m);
    w.meta_applied.ask = ask;
    effect_send(m, to, &w);
}

static void forget_ahead(struct meta *m, size_t i)
{
    m->ahead_count--;
    memmove(&m->ahead[i], &m->ahead[i + 1], (m->ahead_count - i) * sizeof m->ahead[0]);
}

/* The lowest epoch gives way to a new one when the list is full. */
static void note_ahead(struct meta *m, const struct endpoint *at, uint64_t epoch)
{
    size_t lowest = 0;
    for (size_t i = 0; i < m->ahead_count; i++) {
        struct ahead *a = &m->ahead[i];
        if (endpoint_equal(&a->at, at)) {
            a->epoch = epoch > a->epoch ? epoch : a->epoch;
            return;
        }
        if (a->epoch < m->ahead[lowest].epoch)
            lowest = i;
    }
    if (m->ahead_count == AHEAD_MAX) {
        if (m->ahead[lowest].epoch >= epoch)
            return;
        forget_ahead(m, lowest);
    }
    m->ahead[m->ahead_count++] = (struct ahead){*at, epoch, 0};
}

static void drop_reached(struct meta *m)
{
    for (size_t i = m->ahead_count; i > 0; i--) {
        if (m->ahead[i - 1].epoch <= metalog_applied(m))
            forget_ahead(m, i - 1);
    }
}

/* Ask one of those ahead, unless that is under way, or there is enough to digest already. */
static void fetch(struct meta *m)
{
    struct wire_message w = {.type = WIRE_META_FETCH};
    size_t able = 0;
    if (m->is_fetching || m->incoming_ticket != 0 || m->is_stuck ||
        metalog_last(m) - metalog_applied(m) > LOG_AHEAD_MAX / 2)
        return;
    for (size_t i = 0; i < m->ahead_count; i++)
        able += m->ahead[i].epoch > metalog_last(m);
    if (able == 0)
        return;
    uint64_t choice = rng_below(&m->rng, able);
    for (size_t i = 0; i < m->ahead_count; i++) {
        if (m->ahead[i].epoch > metalog_last(m) && choice-- == 0)
            m->fetch_from = m->ahead[i].at;
    }
    m->is_fetching = true;
    m->fetch_until = m->now.mono + FETCH_RETRY_US;
    w.meta_fetch.cluster = m->cluster;
    w.meta_fetch.slot = metalog_last(m) + 1;
    effect_send(m, &m->fetch_from, &w);
}

static bool everybody_answered(struct meta *m)
{
    const struct topology *t = &m->state.topology;
    if (m->now.mono >= m->recover_until)
        return true;
    for (size_t i = 0; i < t->count; i++) {
        if (!meta_talks_to(m, &t->nodes[i]))
            continue;
        const struct peer *p = catchup_peer(m, t->nodes[i].node);
        if (!p->answered && !p->dead)
            return false;
    }
    return true;
}

/* Who restarts serves when everybody has said how far the log is, and it has got there. */
static void try_ready(struct meta *m)
{
    if (m->phase != META_RECOVERING || m->ahead_count > 0 || m->incoming_ticket != 0 ||
        metalog_last(m) != metalog_applied(m) || m->is_stuck || !everybody_answered(m))
        return;
    m->idle_at = m->now.mono + IDLE_ASK_US;
    effect_phase(m, META_READY);
    proposing_pump(m);
    wanted_progress(m);
}

/* The seeds are greeted as well: should all addresses have changed, one of them knows. */
static void ask_everybody(struct meta *m)
{
    const struct topology *t = &m->state.topology;
    for (size_t i = 0; i < t->count; i++) {
        if (!meta_talks_to(m, &t->nodes[i]))
            continue;
        if (!catchup_peer(m, t->nodes[i].node)->answered)
            catchup_say(m, &t->nodes[i].info.endpoint, true);
    }
    for (size_t i = 0; i < m->seeds_count; i++) {
        if (!m->seeds[i].is_self)
            forming_send_hello(m, &m->seeds[i].at);
    }
    m->recover_retry = m->now.mono + RECOVER_RETRY_US;
}

/* Nodes that must apply the ring before this mover may begin, and may not have. Dead ones are not
 * asked, they are when they are back. */
static void ask_about_move(struct meta *m)
{
    const struct topology *t = &m->state.topology;
    m->move_ask_at = USEC_NEVER;
    for (size_t i = 0; i < t->count; i++) {
        if (!meta_talks_to(m, &t->nodes[i]))
            continue;
        const struct peer *p = catchup_peer(m, t->nodes[i].node);
        if (p->dead || p->applied >= t->ring_epoch)
            continue;
        catchup_say(m, &t->nodes[i].info.endpoint, true);
        m->move_ask_at = m->now.mono + MOVE_RETRY_US;
    }
}

static void ask_about_move_soon(struct meta *m)
{
    if (m->move_ask_at > m->now.mono + MOVE_ASK_US)
        m->move_ask_at = m->now.mono + MOVE_ASK_US;
}

static bool is_mover(const struct meta *m)
{
    return m->self != 0 && topology_waits_for(&m->state.topology, m->self);
}

void catchup_start(struct meta *m)
{
    m->recover_until = m->now.mono + RECOVER_US;
    ask_everybody(m);
    try_ready(m);
}

void catchup_heard(struct meta *m, const struct endpoint *from, node_no node, uint64_t epoch)
{
    struct peer *p = catchup_peer(m, node);
    if (p != NULL) {
        p->answered = true;
        p->heard_at = m->now.mono;
        if (epoch > p->applied) {
            p->applied = epoch;
            wanted_progress(m);
        }
    }
    if (epoch > metalog_applied(m))
        note_ahead(m, from, epoch);
    fetch(m);
    try_ready(m);
}

static void note_asker(struct meta *m, const struct endpoint *from, uint64_t slot)
{
    for (size_t i = 0; i < m->askers_count; i++) {
        if (endpoint_equal(&m->askers[i].at, from)) {
            m->askers[i].slot = slot < m->askers[i].slot ? slot : m->askers[i].slot;
            return;
        }
    }
    if (m->askers_count < ASKERS_MAX)
        m->askers[m->askers_count++] = (struct asker){*from, slot};
}

/* Who sends entries unasked, the member that got them decided, wants to know when they are applied.
 */
void catchup_entries(struct meta *m, const struct endpoint *from, const struct wire_meta_entries *e)
{
    struct reader in = reader_make(e->values);
    if (m->is_fetching && endpoint_equal(from, &m->fetch_from)) {
        m->is_fetching = false;
        for (size_t i = 0; i < m->ahead_count; i++) {
            if (endpoint_equal(&m->ahead[i].at, from))
                m->ahead[i].strikes = 0;
        }
    }
    if (e->snapshot.len > 0) {
        metalog_learn_snapshot(m, e->slot, e->snapshot);
        return;
    }
    for (uint32_t i = 0; i < e->count; i++) {
        struct bytes entry = read_vbytes(&in);
        if (in.failed)
            break;
        metalog_learn(m, e->slot + i, entry);
    }
    if (e->slot > metalog_last(m))
        note_ahead(m, from, e->slot);
    if (metalog_last(m) > metalog_applied(m))
        note_asker(m, from, metalog_last(m));
    else
        catchup_say(m, from, false);
    fetch(m);
}

void catchup_ask(struct meta *m, const struct endpoint *from, const struct wire_meta_applied *a)
{
    if (!a->ask)
        return;
    if (a->applied > metalog_applied(m))
        note_asker(m, from, a->applied);
    catchup_say(m, from, false);
}

/* The log has grown. */
void catchup_applied(struct meta *m)
{
    drop_reached(m);
    ask_about_move_soon(m);
    for (size_t i = m->askers_count; i > 0; i--) {
        if (m->askers[i - 1].slot > metalog_applied(m))
            continue;
        catchup_say(m, &m->askers[i - 1].at, false);
        m->askers[i - 1] = m->askers[--m->askers_count];
    }
    fetch(m);
    try_ready(m);
}

void catchup_unreachable(struct meta *m, const struct endpoint *at)
{
    const struct topology_node *n = topology_find_endpoint(&m->state.topology, at);
    struct peer *p = n != NULL ? catchup_peer(m, n->node) : NULL;
    if (p != NULL)
        p->answered = true;
    for (size_t i = m->ahead_count; i > 0; i--) {
        if (endpoint_equal(&m->ahead[i - 1].at, at))
            forget_ahead(m, i - 1);
    }
    if (m->is_fetching && endpoint_equal(&m->fetch_from, at)) {
        m->is_fetching = false;
        fetch(m);
    }
    try_ready(m);
}

void catchup_liveness(struct meta *m, node_no node, bool alive)
{
    struct peer *p = catchup_peer(m, node);
    if (p == NULL || p->dead == !alive)
        return;
    p->dead = !alive;
    p->since = m->now.mono;
    ask_about_move_soon(m);
    wanted_progress(m);
    try_ready(m);
}

static void fetch_failed(struct meta *m)
{
    m->is_fetching = false;
    for (size_t i = m->ahead_count; i > 0; i--) {
        if (endpoint_equal(&m->ahead[i - 1].at, &m->fetch_from) &&
            ++m->ahead[i - 1].strikes >= STRIKES_MAX)
            forget_ahead(m, i - 1);
    }
    fetch(m);
}

static void ask_somebody(struct meta *m)
{
    const struct topology *t = &m->state.topology;
    size_t able = 0;
    m->idle_at = m->now.mono + IDLE_ASK_US;
    for (size_t i = 0; i < t->count; i++)
        able += meta_talks_to(m, &t->nodes[i]);
    if (able == 0)
        return;
    uint64_t choice = rng_below(&m->rng, able);
    for (size_t i = 0; i < t->count; i++) {
        if (meta_talks_to(m, &t->nodes[i]) && choice-- == 0)
            catchup_say(m, &t->nodes[i].info.endpoint, true);
    }
}

void catchup_deadline(struct meta *m)
{
    if (m->is_fetching && m->now.mono >= m->fetch_until)
        fetch_failed(m);
    if (is_mover(m) && m->now.mono >= m->move_ask_at)
        ask_about_move(m);
    if (m->phase == META_RECOVERING) {
        if (m->now.mono >= m->recover_retry)
            ask_everybody(m);
        try_ready(m);
    } else if (m->phase == META_READY && m->now.mono >= m->idle_at) {
        ask_somebody(m);
    }
}

usec catchup_next(const struct meta *m)
{
    usec next = USEC_NEVER;
    if (m->is_fetching)
        next = m->fetch_until;
    if (is_mover(m) && m->move_ask_at < next)
        next = m->move_ask_at;
    if (m->phase == META_RECOVERING) {
        next = m->recover_retry < next ? m->recover_retry : next;
        if (m->now.mono < m->recover_until && m->recover_until < next)
            next = m->recover_until;
    } else if (m->phase == META_READY && m->idle_at < next) {
        next = m->idle_at;
    }
    return next;
}
