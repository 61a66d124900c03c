/* proposing.c - a metadata member at work: its acceptor, its proposer, and what it is to propose.
 *
 * Acceptor and proposer are always about the slot after the last applied one. A request about an
 * earlier slot is answered with the entry; one about a later slot comes too early: whoever asks has
 * applied more than we have, and its epoch makes us fetch. A PREPARE waits for that, the last one:
 * it is the next of a member that goes on, and often comes while our disk still takes the entry
 * before it. Forgotten, it would cost the proposer its patience and a new ballot.
 */
#include "node/meta/internal.h"

#include "base/mutant.h"

#include <string.h>

static void handle_answer(struct meta *m, node_no from, const struct wire_message *w);

static uint64_t slot_now(const struct meta *m)
{
    return metalog_applied(m) + 1;
}

/* Say `w` once all that has been stored so far is durable. */
static void reply_later(struct meta *m, const struct endpoint *to, const struct wire_message *w,
                        struct bytes value)
{
    if (m->replies_count == REPLIES_MAX)
        return; /* as if the network had lost it */
    struct reply *r = &m->replies[m->replies_count++];
    memset(r, 0, sizeof *r);
    r->ticket = m->tickets;
    r->to_self = to == NULL;
    if (to != NULL)
        r->to = *to;
    r->message = *w;
    if (value.len > 0) {
        r->owned = mem_copy(value.data, value.len);
        r->message.meta_promise.value = bytes_make(r->owned, value.len);
    }
}

static void reply_now(struct meta *m, const struct endpoint *to, const struct wire_message *w)
{
    if (to == NULL)
        handle_answer(m, m->self, w);
    else
        effect_send(m, to, w);
}

/* Half a ballot has taken so long: two ways, and the disks of a quorum. Believed at once when it is
 * more than we thought, and by and by when it is less. */
static void half_took(struct meta *m, usec took)
{
    took = took < HALF_MAX_US ? took : HALF_MAX_US;
    if (m->half == 0 || took > m->half)
        m->half = took;
    else
        m->half -= (m->half - took) / 4;
}

/* A whole ballot of a member that nobody disturbs. */
static usec ballot_takes(const struct meta *m)
{
    usec whole = 2 * (m->half > 0 ? m->half : HALF_US);
    return whole > BACKOFF_US ? whole : BACKOFF_US;
}

/* Another member is at work: what we want it has been asked for as well, or will be after us. Not
 * to be in each other's way we wait about as long as it may need. */
static void make_way(struct meta *m)
{
    usec whole = ballot_takes(m);
    usec until = m->now.mono + whole + (usec)rng_below(&m->rng, (uint64_t)whole);
    if (until > m->backoff_until)
        m->backoff_until = until;
}

/* What another member does tells how long half a ballot takes, without one of our own. */
static void promised_to_another(struct meta *m, struct ballot ballot)
{
    m->seen = ballot;
    m->seen_at = m->now.mono;
    make_way(m);
}

static void accepted_from_another(struct meta *m, struct ballot ballot)
{
    if (ballot_compare(ballot, m->seen) == 0)
        half_took(m, m->now.mono - m->seen_at);
    make_way(m);
}

/* `to` NULL: our own proposer. */
static void handle_prepare(struct meta *m, const struct endpoint *to,
                           const struct wire_meta_prepare *p)
{
    struct ballot ballot = ballot_make(p->ballot, p->proposer);
    struct paxos_reply r = paxos_prepare(&m->acceptor, ballot);
    struct wire_message w = {.type = WIRE_META_PROMISE};
    w.meta_promise.cluster = m->cluster;
    w.meta_promise.slot = p->slot;
    w.meta_promise.ballot = p->ballot;
    w.meta_promise.proposer = p->proposer;
    w.meta_promise.ok = r.ok;
    w.meta_promise.promised = ballot_number(r.promised);
    w.meta_promise.promised_proposer = r.promised.node;
    w.meta_promise.accepted = ballot_number(r.accepted);
    w.meta_promise.accepted_proposer = r.accepted.node;
    if (r.ok && to != NULL)
        promised_to_another(m, ballot);
    if (r.ok) {
        metalog_store_acceptor(m);
        reply_later(m, to, &w, r.value);
    } else {
        reply_now(m, to, &w);
    }
}

static void handle_accept(struct meta *m, const struct endpoint *to,
                          const struct wire_meta_accept *a)
{
    struct ballot ballot = ballot_make(a->ballot, a->proposer);
    struct paxos_reply r = paxos_accept(&m->acceptor, ballot, a->value);
    struct wire_message w = {.type = WIRE_META_ACCEPTED};
    w.meta_accepted.cluster = m->cluster;
    w.meta_accepted.slot = a->slot;
    w.meta_accepted.ballot = a->ballot;
    w.meta_accepted.proposer = a->proposer;
    w.meta_accepted.ok = r.ok;
    w.meta_accepted.promised = ballot_number(r.promised);
    w.meta_accepted.promised_proposer = r.promised.node;
    if (r.ok && to != NULL)
        accepted_from_another(m, ballot);
    if (r.ok)
        metalog_store_acceptor(m);
    if (r.ok && !MUTANT(accept_not_awaited))
        reply_later(m, to, &w, BYTES_NONE);
    else
        reply_now(m, to, &w);
}

/* To every member but us; ours is called directly, last, because it may answer at once. */
static void send_to_members(struct meta *m, const struct wire_message *w)
{
    node_no members[PAXOS_ACCEPTORS_MAX];
    uint32_t count = m->proposer.count;
    bool is_ours = false;
    memcpy(members, m->proposer.members, count * sizeof members[0]);
    for (uint32_t i = 0; i < count; i++) {
        const struct topology_node *n = topology_find(&m->state.topology, members[i]);
        if (members[i] == m->self)
            is_ours = true;
        else if (n != NULL)
            effect_send(m, &n->info.endpoint, w);
    }
    if (is_ours && w->type == WIRE_META_PREPARE)
        handle_prepare(m, NULL, &w->meta_prepare);
    else if (is_ours)
        handle_accept(m, NULL, &w->meta_accept);
}

/* Who is far away, or has a slow disk, may need longer than what we have seen. */
static usec patience(const struct meta *m)
{
    usec wait = ballot_takes(m) > ATTEMPT_MIN_US ? ballot_takes(m) : ATTEMPT_MIN_US;
    wait <<= m->lost < ATTEMPT_STEPS ? m->lost : ATTEMPT_STEPS;
    return wait < ATTEMPT_MAX_US ? wait : ATTEMPT_MAX_US;
}

/* Nobody answered in time, or a member has promised another one more. */
static void lost(struct meta *m, bool is_outbid)
{
    uint32_t steps = m->lost < BACKOFF_STEPS ? m->lost : BACKOFF_STEPS;
    usec base = BACKOFF_US << steps;
    usec until = m->now.mono + base / 2 + (usec)rng_below(&m->rng, (uint64_t)base);
    if (m->proposer.highest.round > m->round)
        m->round = m->proposer.highest.round;
    m->lost++;
    if (until > m->backoff_until)
        m->backoff_until = until;
    if (is_outbid)
        make_way(m);
    else
        half_took(m, m->now.mono - m->asked_at); /* at least */
    paxos_stop(&m->proposer);
}

static void chosen(struct meta *m)
{
    struct wire_message w = {.type = WIRE_META_ENTRIES};
    const struct topology *t = &m->state.topology;
    struct bytes value = arena_copy(&m->arena, buf_bytes(&m->proposer.value));
    struct buf b;
    uint64_t slot = slot_now(m);
    m->is_leading = true;
    paxos_stop(&m->proposer);
    buf_init(&b, PAXOS_VALUE_MAX + 16);
    buf_put_vbytes(&b, value);
    w.meta_entries.cluster = m->cluster;
    w.meta_entries.slot = slot;
    w.meta_entries.count = 1;
    w.meta_entries.values = arena_copy(&m->arena, buf_bytes(&b));
    buf_close(&b);
    metalog_learn(m, slot, value);
    for (size_t i = 0; i < t->count; i++) {
        if (meta_talks_to(m, &t->nodes[i]))
            effect_send(m, &t->nodes[i].info.endpoint, &w);
    }
}

static void send_accept(struct meta *m)
{
    struct wire_message w = {.type = WIRE_META_ACCEPT};
    w.meta_accept.cluster = m->cluster;
    w.meta_accept.slot = slot_now(m);
    w.meta_accept.ballot = ballot_number(m->proposer.ballot);
    w.meta_accept.proposer = m->proposer.ballot.node;
    w.meta_accept.value = arena_copy(&m->arena, buf_bytes(&m->proposer.value));
    m->asked_at = m->now.mono;
    m->attempt_until = m->now.mono + patience(m);
    send_to_members(m, &w);
}

/* A promise or an acceptance, from a member or from ourselves. */
static void handle_answer(struct meta *m, node_no from, const struct wire_message *w)
{
    struct paxos_reply r = {.ok = false};
    bool changed;
    if (w->type == WIRE_META_PROMISE) {
        const struct wire_meta_promise *p = &w->meta_promise;
        if (p->slot != slot_now(m))
            return;
        r.ok = p->ok;
        r.promised = ballot_make(p->promised, p->promised_proposer);
        r.accepted = ballot_make(p->accepted, p->accepted_proposer);
        r.value = p->value;
        changed = paxos_on_promise(&m->proposer, from, ballot_make(p->ballot, p->proposer), &r);
    } else {
        const struct wire_meta_accepted *a = &w->meta_accepted;
        if (a->slot != slot_now(m))
            return;
        r.ok = a->ok;
        r.promised = ballot_make(a->promised, a->promised_proposer);
        changed = paxos_on_accepted(&m->proposer, from, ballot_make(a->ballot, a->proposer), &r);
    }
    if (!changed)
        return;
    if (m->proposer.phase != PAXOS_LOST)
        half_took(m, m->now.mono - m->asked_at);
    if (m->proposer.phase == PAXOS_ACCEPTING)
        send_accept(m);
    else if (m->proposer.phase == PAXOS_CHOSEN)
        chosen(m);
    else
        lost(m, true);
}

void proposing_message(struct meta *m, const struct endpoint *from,
                       const struct wire_message *message)
{
    uint64_t slot;
    if (message->type == WIRE_META_PROMISE || message->type == WIRE_META_ACCEPTED) {
        handle_answer(m, message->from, message);
        return;
    }
    slot =
        message->type == WIRE_META_PREPARE ? message->meta_prepare.slot : message->meta_accept.slot;
    if (m->self == 0)
        return;
    if (slot > slot_now(m) && message->type == WIRE_META_PREPARE) {
        m->early = message->meta_prepare;
        m->early_from = *from;
    }
    if (slot > slot_now(m))
        return;
    if (slot < slot_now(m))
        metalog_send_from(m, slot, from);
    else if (message->type == WIRE_META_PREPARE)
        handle_prepare(m, from, &message->meta_prepare);
    else
        handle_accept(m, from, &message->meta_accept);
}

void proposing_durable(struct meta *m)
{
    while (m->replies_count > 0 && m->replies[0].ticket <= m->durable) {
        struct reply r = m->replies[0];
        m->replies_count--;
        memmove(&m->replies[0], &m->replies[1], m->replies_count * sizeof m->replies[0]);
        if (r.owned != NULL)
            r.message.meta_promise.value = arena_copy(&m->arena, r.message.meta_promise.value);
        mem_free(r.owned);
        reply_now(m, r.to_self ? NULL : &r.to, &r.message);
    }
    proposing_pump(m); /* our life may have become durable */
}

static void answer(struct meta *m, const struct proposal *p, enum err err, uint64_t slot,
                   const char *text)
{
    struct wire_message w = {.type = WIRE_META_RESULT};
    if (p->to_self) {
        wanted_answer(m, p->request, err, slot, bytes_text(text));
        return;
    }
    w.meta_result.cluster = m->cluster;
    w.meta_result.request = p->request;
    w.meta_result.err = err;
    w.meta_result.slot = slot;
    w.meta_result.message = arena_copy(&m->arena, bytes_text(text));
    effect_send(m, &p->origin, &w);
}

static void remove_proposal(struct meta *m, size_t i)
{
    mem_free((void *)(uintptr_t)m->proposals[i].command.data);
    m->proposals_count--;
    memmove(&m->proposals[i], &m->proposals[i + 1],
            (m->proposals_count - i) * sizeof m->proposals[0]);
}

/* Who wants to enter is told that it has to wait, and for whom; it goes on asking. */
static void answer_unheard(struct meta *m, const struct endpoint *origin)
{
    struct proposal p = {.origin = *origin};
    char text[META_MESSAGE_SIZE];
    if (wanted_members_alive(m) * 2 > m->state.topology.members_count)
        return;
    members_say_down(m, text, sizeof text);
    answer(m, &p, ERR_UNAVAILABLE, 0, text);
}

void proposing_add(struct meta *m, const struct uuid *id, struct bytes command, bool to_self,
                   const struct endpoint *origin, uint64_t request)
{
    const struct result *known = state_result(&m->state, id);
    struct proposal p = {.id = *id, .to_self = to_self, .request = request};
    struct command c;
    if (origin != NULL)
        p.origin = *origin;
    if (known != NULL) {
        answer(m, &p, known->err, known->slot, known->message);
        return;
    }
    if (origin != NULL && request == 0)
        answer_unheard(m, origin);
    for (size_t i = 0; i < m->proposals_count; i++) {
        if (!uuid_equal(&m->proposals[i].id, id))
            continue;
        m->proposals[i].to_self = to_self; /* asked again: the answer goes to the last who did */
        m->proposals[i].origin = p.origin;
        m->proposals[i].request = request;
        m->proposals[i].until = m->now.mono + REQUEST_US;
        return;
    }
    enum err err = command.len > COMMAND_MAX ? ERR_TOO_BIG : command_decode(command, &c);
    if (err != ERR_OK || m->proposals_count == PROPOSALS_MAX) {
        err = err != ERR_OK ? err : ERR_OVERLOADED;
        answer(m, &p, err, 0, err_text(err));
        return;
    }
    p.command = bytes_make(mem_copy(command.data, command.len), command.len);
    p.until = m->now.mono + REQUEST_US;
    p.asked_at = m->state.topology.epoch;
    m->proposals[m->proposals_count++] = p;
    proposing_pump(m);
}

static void begin(struct meta *m, struct bytes entry, const node_no *acceptors, size_t count,
                  size_t needed)
{
    struct wire_message w = {.type = WIRE_META_PREPARE};
    struct ballot ballot;
    if (m->acceptor.promised.round > m->round)
        m->round = m->acceptor.promised.round;
    ballot = (struct ballot){++m->round, m->life, m->self};
    paxos_propose(&m->proposer, acceptors, (uint32_t)count, (uint32_t)needed, ballot, entry);
    m->asked_at = m->now.mono;
    m->attempt_until = m->now.mono + patience(m);
    w.meta_prepare.cluster = m->cluster;
    w.meta_prepare.slot = slot_now(m);
    w.meta_prepare.ballot = ballot_number(ballot);
    w.meta_prepare.proposer = ballot.node;
    send_to_members(m, &w);
}

/* The first proposal that can be planned becomes an entry; those that cannot are answered. */
static void propose_first(struct meta *m)
{
    const struct topology *t = &m->state.topology;
    struct errmsg why = {""};
    struct command c;
    struct buf plan, entry;
    bool begun = false;
    buf_init(&plan, PAXOS_VALUE_MAX / 2);
    buf_init(&entry, PAXOS_VALUE_MAX);
    while (m->proposals_count > 0 && !begun) {
        struct proposal *p = &m->proposals[0];
        enum err err = command_decode(p->command, &c);
        ASSERT(err == ERR_OK); /* proposing_add has looked */
        c.asked_at = p->asked_at;
        buf_clear(&plan);
        buf_clear(&entry);
        err = state_plan(&m->state, &c, &plan, &why);
        if (err == ERR_OK) {
            entry_encode(&p->id, &c, &entry);
            err = buf_finish(&entry);
        }
        begun = err == ERR_OK;
        if (!begun) {
            answer(m, p, err, 0, why.text[0] != 0 ? why.text : err_text(err));
            remove_proposal(m, 0);
        }
    }
    if (begun)
        begin(m, buf_bytes(&entry), t->members, t->members_count, t->members_count / 2 + 1);
    buf_close(&plan);
    buf_close(&entry);
}

/* All that are left must promise and accept (recover.c). */
static void propose_recovery(struct meta *m)
{
    node_no acceptors[PAXOS_ACCEPTORS_MAX];
    struct buf entry;
    buf_init(&entry, PAXOS_VALUE_MAX);
    size_t count = recover_entry(m, &entry, acceptors);
    size_t needed = MUTANT(recover_by_most) ? count / 2 + 1 : count;
    begin(m, buf_bytes(&entry), acceptors, count, needed);
    buf_close(&entry);
}

void proposing_pump(struct meta *m)
{
    if (m->phase == META_SEEKING || m->phase == META_ENTERING || m->phase == META_OUTDATED)
        return;
    if (m->phase == META_REMOVED || !topology_is_member(&m->state.topology, m->self)) {
        while (m->proposals_count > 0) {
            answer(m, &m->proposals[0], ERR_STALE, 0, "this node is no metadata member");
            remove_proposal(m, 0);
        }
    }
    if (m->proposals_count == 0 && !recover_is_deciding(m))
        return;
    if (m->proposer.phase != PAXOS_IDLE || metalog_last(m) != metalog_applied(m) ||
        m->now.mono < m->backoff_until || m->durable < m->life_ticket || m->is_stuck ||
        m->round == UINT32_MAX)
        return;
    if (recover_is_deciding(m))
        propose_recovery(m);
    else
        propose_first(m);
}

/* Attempts of a member that most others do not answer take long, and are for nothing. */
void proposing_anew(struct meta *m)
{
    paxos_stop(&m->proposer);
    m->lost = 0;
    m->backoff_until = m->now.mono;
    proposing_pump(m);
}

void proposing_applied(struct meta *m)
{
    paxos_acceptor_reset(&m->acceptor);
    paxos_stop(&m->proposer);
    m->round = 0;
    m->lost = 0;
    m->backoff_until = m->now.mono;
    if (!m->is_leading) /* who has decided this one goes on */
        make_way(m);
    m->is_leading = false;
    for (size_t i = m->proposals_count; i > 0; i--) {
        const struct result *r = state_result(&m->state, &m->proposals[i - 1].id);
        if (r == NULL)
            continue;
        answer(m, &m->proposals[i - 1], r->err, r->slot, r->message);
        remove_proposal(m, i - 1);
    }
    if (m->early.slot == slot_now(m) && m->self != 0)
        handle_prepare(m, &m->early_from, &m->early);
}

void proposing_deadline(struct meta *m)
{
    for (size_t i = m->proposals_count; i > 0; i--) {
        if (m->now.mono >= m->proposals[i - 1].until)
            remove_proposal(m, i - 1); /* who asked has given up as well */
    }
    if (m->proposer.phase != PAXOS_IDLE && m->now.mono >= m->attempt_until)
        lost(m, false);
    proposing_pump(m);
}

usec proposing_next(const struct meta *m)
{
    usec next = USEC_NEVER;
    if (m->proposer.phase != PAXOS_IDLE)
        next = m->attempt_until;
    else if ((m->proposals_count > 0 || recover_is_deciding(m)) && m->backoff_until > m->now.mono)
        next = m->backoff_until;
    for (size_t i = 0; i < m->proposals_count; i++) {
        if (m->proposals[i].until < next)
            next = m->proposals[i].until;
    }
    return next;
}

void proposing_close(struct meta *m)
{
    while (m->proposals_count > 0)
        remove_proposal(m, m->proposals_count - 1);
    for (size_t i = 0; i < m->replies_count; i++)
        mem_free(m->replies[i].owned);
}
