/* wanted.c - changes that this node wants, or passes on for one that has no member to ask.
 *
 *   ASKED --- its id is in the log ---> DECIDED --- applied by every live node ---> done
 *     |  ^                                  |
 *     +--+ no answer: the next member       +--- 10 s: done, naming who has not
 *     |
 *     +--- 10 s, or 5 s when most members are down: failed, though it may still happen
 *
 * Asking again is harmless: the id of the entry stays, and takes effect once. A change that was
 * refused changed nothing, so nobody needs to be waited for.
 */
#include "node/meta/internal.h"

#include "base/mutant.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool is_alive(const struct meta *m, node_no node)
{
    const struct peer *p = map_get(&m->peers, node);
    return p == NULL || !p->dead;
}

/* The member of this turn among those believed alive, or among all when none is. */
static node_no pick_member(struct meta *m, uint32_t turn)
{
    const struct topology *t = &m->state.topology;
    node_no alive[TOPOLOGY_MEMBERS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < t->members_count; i++) {
        if (is_alive(m, t->members[i]))
            alive[count++] = t->members[i];
    }
    return count > 0 ? alive[turn % count] : t->members[turn % t->members_count];
}

/* All nodes begin with the same member, for members that propose at once are in each other's way;
 * and they are patient with it, for a log that is slow gets no faster by asking more of them. */
static void ask_member(struct meta *m, struct request *r)
{
    struct wire_message w = {.type = WIRE_META_PROPOSE};
    uint32_t steps = r->attempt < REQUEST_STEPS ? r->attempt : REQUEST_STEPS;
    node_no member = pick_member(m, r->attempt++);
    const struct topology_node *n = topology_find(&m->state.topology, member);
    r->retry = m->now.mono + (REQUEST_RETRY_US << steps);
    if (member == m->self) {
        proposing_add(m, &r->id, r->command, true, NULL, r->number);
        return;
    }
    w.meta_propose.cluster = m->cluster;
    w.meta_propose.request = r->number;
    w.meta_propose.id = r->id;
    w.meta_propose.command = arena_copy(&m->arena, r->command);
    effect_send(m, &n->info.endpoint, &w);
}

static struct request *new_request(struct meta *m, int kind, struct bytes command,
                                   const struct uuid *id)
{
    struct request *r = mem_new(struct request);
    ASSERT(m->requests_count < META_REQUESTS_MAX);
    r->kind = (unsigned)kind;
    r->number = ++m->requests_made;
    r->id = id != NULL ? *id : rng_uuid(&m->rng);
    r->command = bytes_make(mem_copy(command.data, command.len), command.len);
    r->until = m->now.mono + REQUEST_US;
    m->requests[m->requests_count++] = r;
    return r;
}

static void remove_request(struct meta *m, size_t i)
{
    mem_free((void *)(uintptr_t)m->requests[i]->command.data);
    mem_free(m->requests[i]);
    m->requests_count--;
    memmove(&m->requests[i], &m->requests[i + 1], (m->requests_count - i) * sizeof m->requests[0]);
}

void wanted_local(struct meta *m, uint64_t caller, struct bytes command)
{
    struct command c;
    enum err err = command.len > COMMAND_MAX ? ERR_TOO_BIG : command_decode(command, &c);
    if (err != ERR_OK) {
        effect_done(m, caller, err, 0, err_text(err));
    } else if (m->phase != META_READY) {
        effect_done(m, caller, ERR_UNAVAILABLE, 0, "this node is not in the cluster yet");
    } else if (m->requests_count >= META_REQUESTS_MAX - 1) {
        effect_done(m, caller, ERR_OVERLOADED, 0, "too many changes are under way");
    } else {
        struct request *r = new_request(m, REQUEST_LOCAL, command, NULL);
        r->caller = caller;
        ask_member(m, r);
    }
    wanted_progress(m);
}

/* From a node that asks us: propose it, or find who does. Nothing is answered while we cannot tell;
 * who asks tries the next one. */
void wanted_relay(struct meta *m, const struct endpoint *from, const struct wire_meta_propose *p)
{
    if (m->phase != META_READY)
        return;
    if (topology_is_member(&m->state.topology, m->self)) {
        proposing_add(m, &p->id, p->command, false, from, p->request);
        return;
    }
    for (size_t i = 0; i < m->requests_count; i++) {
        struct request *r = m->requests[i];
        if (!uuid_equal(&r->id, &p->id))
            continue;
        if (r->kind == REQUEST_RELAYED) {
            r->origin = *from;
            r->caller = p->request;
        }
        return;
    }
    if (p->command.len == 0 || p->command.len > COMMAND_MAX ||
        m->requests_count >= META_REQUESTS_MAX / 2)
        return;
    struct request *r = new_request(m, REQUEST_RELAYED, p->command, &p->id);
    r->origin = *from;
    r->caller = p->request;
    ask_member(m, r);
    wanted_progress(m);
}

static bool is_transient(enum err err)
{
    return err == ERR_STALE || err == ERR_UNAVAILABLE || err == ERR_OVERLOADED ||
           err == ERR_TIMEOUT;
}

/* What a member says. The log is believed rather than the answer, where it still has the result. */
void wanted_answer(struct meta *m, uint64_t number, enum err err, uint64_t slot,
                   struct bytes message)
{
    for (size_t i = 0; i < m->requests_count; i++) {
        struct request *r = m->requests[i];
        if (r->number != number || r->decided || r->is_told)
            continue;
        if (slot == 0 && is_transient(err)) {
            r->retry = m->now.mono + BACKOFF_US + (usec)rng_below(&m->rng, BACKOFF_US * 8);
            return;
        }
        r->is_told = true;
        r->err = err;
        r->slot = slot;
        size_t len = message.len < META_MESSAGE_SIZE ? message.len : META_MESSAGE_SIZE - 1;
        if (len > 0)
            memcpy(r->message, message.data, len);
        return;
    }
}

void wanted_result(struct meta *m, const struct wire_meta_result *result)
{
    if (result->request == 0)
        return;
    wanted_answer(m, result->request, (enum err)result->err, result->slot, result->message);
    wanted_progress(m);
}

static void decide(struct meta *m, struct request *r)
{
    const struct result *known = state_result(&m->state, &r->id);
    if (known != NULL) {
        r->err = known->err;
        r->slot = known->slot;
        memcpy(r->message, known->message, sizeof r->message);
    } else if (!r->is_told || r->slot > metalog_applied(m)) {
        return;
    }
    r->decided = true;
    r->until = m->now.mono + SPREAD_US;
    r->retry = m->now.mono;
}

/* Ask the live nodes that have not applied the slot, when it is time to. Returns how many there
 * are; their numbers stand in ret_names. */
static size_t lagging(struct meta *m, struct request *r, char *ret_names, size_t size)
{
    const struct topology *t = &m->state.topology;
    bool is_time = m->now.mono >= r->retry;
    size_t count = 0, used = 0;
    for (size_t i = 0; i < t->count; i++) {
        const struct topology_node *n = &t->nodes[i];
        if (!meta_talks_to(m, n) || !is_alive(m, n->node) ||
            catchup_peer(m, n->node)->applied >= r->slot)
            continue;
        count++;
        if (is_time)
            catchup_say(m, &n->info.endpoint, true);
        if (used < size)
            used += (size_t)snprintf(ret_names + used, size - used, " %u", (unsigned)n->node);
    }
    if (is_time)
        r->retry = m->now.mono + SPREAD_RETRY_US;
    return count;
}

static void finish(struct meta *m, const struct request *r)
{
    struct wire_message w = {.type = WIRE_META_RESULT};
    switch (r->kind) {
    case REQUEST_LOCAL: effect_done(m, r->caller, r->err, r->slot, r->message); break;
    case REQUEST_RELAYED:
        w.meta_result.cluster = m->cluster;
        w.meta_result.request = r->caller;
        w.meta_result.err = r->err;
        w.meta_result.slot = r->slot;
        w.meta_result.message = arena_copy(&m->arena, bytes_text(r->message));
        effect_send(m, &r->origin, &w);
        break;
    case REQUEST_INTERNAL:
        m->is_updating = false;
        m->update_at = m->now.mono + (r->err != ERR_OK ? REQUEST_US : 0);
        if (r->err != ERR_OK)
            effect_problem(m, "the cluster does not take our new address: %s", r->message);
        break;
    case REQUEST_AWAY: members_answered(m, r->err); break;
    }
}

/* Whether it is over. */
static bool progress(struct meta *m, struct request *r)
{
    char names[META_MESSAGE_SIZE / 2] = "";
    if (!r->decided)
        decide(m, r);
    if (!r->decided)
        return false;
    if (r->err == ERR_OK && r->kind == REQUEST_LOCAL && !MUTANT(ddl_answered_early) &&
        lagging(m, r, names, sizeof names) > 0) {
        if (m->now.mono < r->until)
            return false;
        snprintf(r->message, sizeof r->message, "not yet applied by node%s", names);
    }
    finish(m, r);
    return true;
}

/* The address or life in the log is not what we are started with. Nobody is told of a life that the
 * disk does not have yet. */
static bool needs_update(const struct meta *m, const struct topology_node *self)
{
    return m->durable >= m->life_ticket && self != NULL && self->state != NODE_LEFT &&
           (!endpoint_equal(&self->info.endpoint, &m->info.endpoint) ||
            !endpoint_equal(&self->info.cql, &m->info.cql) || self->info.boot < m->info.boot);
}

static void update_self(struct meta *m)
{
    const struct topology_node *self = topology_find(&m->state.topology, m->self);
    struct command c = {.kind = COMMAND_NODE_UPDATE, .node = m->self};
    struct buf b;
    if (m->phase != META_READY || m->is_updating || m->now.mono < m->update_at ||
        !needs_update(m, self) || m->requests_count == META_REQUESTS_MAX)
        return;
    c.info = self->info;
    c.info.endpoint = m->info.endpoint;
    c.info.cql = m->info.cql;
    if (m->info.boot > c.info.boot)
        c.info.boot = m->info.boot;
    buf_init(&b, COMMAND_MAX);
    command_encode(&c, &b);
    m->is_updating = true;
    ask_member(m, new_request(m, REQUEST_INTERNAL, buf_bytes(&b), NULL));
    buf_close(&b);
}

void wanted_progress(struct meta *m)
{
    for (size_t i = m->requests_count; i > 0; i--) {
        if (progress(m, m->requests[i - 1]))
            remove_request(m, i - 1);
    }
    update_self(m);
}

void wanted_away(struct meta *m, struct bytes command)
{
    ask_member(m, new_request(m, REQUEST_AWAY, command, NULL));
    wanted_progress(m);
}

bool wanted_has_room(const struct meta *m)
{
    return m->requests_count < META_REQUESTS_MAX / 2;
}

uint32_t wanted_members_alive(const struct meta *m)
{
    const struct topology *t = &m->state.topology;
    uint32_t alive = 0;
    for (uint32_t i = 0; i < t->members_count; i++)
        alive += t->members[i] == m->self || is_alive(m, t->members[i]);
    return alive;
}

static void give_up(struct meta *m, struct request *r)
{
    uint32_t members = m->state.topology.members_count;
    uint32_t alive = wanted_members_alive(m);
    r->slot = 0;
    if (alive * 2 <= members) {
        r->err = ERR_UNAVAILABLE;
        members_say_down(m, r->message, sizeof r->message);
    } else {
        r->err = ERR_TIMEOUT;
        snprintf(r->message, sizeof r->message,
                 "not decided in %d s by %u metadata members; it may still be",
                 (int)(REQUEST_US / USEC_PER_SEC), (unsigned)members);
    }
    finish(m, r);
}

/* Slow members get all the time there is; absent ones may come back in half of it. */
static bool is_hopeless(struct meta *m, const struct request *r)
{
    usec half = r->until - REQUEST_US / 2;
    return m->now.mono >= r->until ||
           (m->now.mono >= half && wanted_members_alive(m) * 2 <= m->state.topology.members_count);
}

void wanted_deadline(struct meta *m)
{
    for (size_t i = m->requests_count; i > 0; i--) {
        struct request *r = m->requests[i - 1];
        if (!r->decided && is_hopeless(m, r)) {
            give_up(m, r);
            remove_request(m, i - 1);
        } else if (!r->decided && m->now.mono >= r->retry) {
            ask_member(m, r);
        }
    }
    wanted_progress(m);
}

usec wanted_next(const struct meta *m)
{
    usec next = USEC_NEVER;
    for (size_t i = 0; i < m->requests_count; i++) {
        const struct request *r = m->requests[i];
        usec half = r->until - REQUEST_US / 2;
        usec until = m->now.mono < half ? half : r->until;
        usec at = r->retry < until ? r->retry : until;
        next = at < next ? at : next;
    }
    if (m->phase == META_READY && !m->is_updating && m->update_at < next &&
        needs_update(m, topology_find(&m->state.topology, m->self)))
        next = m->update_at;
    return next;
}

void wanted_close(struct meta *m)
{
    while (m->requests_count > 0)
        remove_request(m, m->requests_count - 1);
}
