#include "node/heal/heal_core.h"

#include "base/mutant.h"

#include <string.h>

struct heal *heal_new(const struct heal_config *config, struct engine *engine,
                      struct cluster *cluster)
{
    struct heal *h = mem_new(struct heal);
    h->config = *config;
    h->rounds = h->requests = config->first_question;
    h->engine = engine;
    h->cluster = cluster;
    h->next_round = h->tidy_due = h->forget_due = h->logs_due = h->damage.due = USEC_NEVER;
    map_init(&h->holds);
    agree_load(h);
    damage_load(h);
    omap_init(&h->marks.all);
    omap_init(&h->away);
    omap_init(&h->refused);
    omap_init(&h->lost_hints);
    marks_load(h);
    proved_init(h);
    pace_init(&h->pace, config->rate_min, config->rate_max);
    paced_init(h);
    return h;
}

static void drop_wants(struct session *s)
{
    for (size_t i = 0; i < s->wants_count; i++)
        clock_close(&s->wants[i].clock);
    s->wants_count = 0;
    s->wants_at = 0;
    s->wants_bytes = 0;
}

void heal_free(struct heal *h)
{
    if (h == NULL)
        return;
    for (size_t i = 0; i < h->sessions_count; i++) {
        drop_wants(&h->sessions[i]);
        clock_close(&h->sessions[i].done);
        clock_close(&h->sessions[i].asked);
        mem_free(h->sessions[i].wants);
        agree_forget_talk(&h->sessions[i]);
    }
    agree_free(h);
    held_free(h);
    fetch_free(h);
    compare_free(h);
    marks_free(h);
    away_free(h);
    omap_close(&h->refused);
    lost_hints_free(h);
    proved_free(h);
    rounds_free(h);
    arena_close(&h->arena);
    mem_free(h->sessions);
    mem_free(h->effects);
    mem_free(h);
}

/* --- sessions */

struct session *heal_session(struct heal *h, node_no peer)
{
    size_t at = 0;
    while (at < h->sessions_count && h->sessions[at].peer < peer)
        at++;
    if (at < h->sessions_count && h->sessions[at].peer == peer)
        return &h->sessions[at];
    h->sessions = mem_grow(h->sessions, h->sessions_count, &h->sessions_cap, sizeof *h->sessions);
    memmove(h->sessions + at + 1, h->sessions + at, (h->sessions_count - at) * sizeof *h->sessions);
    h->sessions_count++;
    h->sessions[at] = (struct session){.peer = peer, .due = USEC_NEVER, .wall = INT64_MIN};
    return &h->sessions[at];
}

/* Has everybody been seen with nothing that we lack, since the move became known? */
void heal_check_moved(struct heal *h, struct now now)
{
    const struct cluster_node *nodes;
    size_t count = cluster_nodes(h->cluster, &nodes);
    if (h->ring_epoch == 0 || h->moved)
        return;
    for (size_t i = 0; i < count; i++) {
        if (!sure_is_heard(h, nodes[i].node) || MUTANT(mover_done_early))
            continue;
        if (heal_session(h, nodes[i].node)->covered_epoch != h->ring_epoch)
            return;
    }
    if (!MUTANT(mover_done_early) && !sure_moved(h, now, h->ring_epoch))
        return;
    h->moved = true;
    heal_append(h, HEAL_MOVED)->ring_epoch = h->ring_epoch;
}

static void session_idle(struct session *s)
{
    drop_wants(s);
    s->state = SESSION_IDLE;
    s->due = USEC_NEVER;
    s->pull = 0;
    s->ticket = 0;
    s->progressed = false;
    s->refused = false;
}

static void session_ask(struct heal *h, struct now now, struct session *s)
{
    struct buf digests;
    keyspace_no keyspace = 0;
    buf_init(&digests, WIRE_MESSAGE_MAX);
    while (cluster_next_keyspace(h->cluster, keyspace, &keyspace)) {
        buf_put_u32(&digests, keyspace);
        buf_put_u64(&digests, heal_keyspace_hash(h, keyspace, s->peer));
        keyspace++;
    }
    session_idle(s);
    s->soon = s->partial = false;
    s->state = SESSION_ASKED;
    s->asked_epoch = h->ring_epoch;
    s->asked_rebuild = h->damage.rebuild;
    s->round = ++h->rounds;
    s->due = now.mono + h->config.timeout_us;
    h->stats.rounds++;
    struct wire_message m = {.type = WIRE_CLOCK_DIGESTS};
    m.clock_digests = (struct wire_clock_digests){s->round, heal_keep(h, &digests)};
    heal_send(h, s->peer, &m);
    buf_close(&digests);
}

static void pull_next(struct heal *h, struct now now, struct session *s);

/* Let the next session pull that waits for this one. */
static void pass_turn(struct heal *h, struct now now, const struct session *from)
{
    if (h->puller != from->peer || MUTANT(turn_never_passed))
        return;
    h->puller = 0;
    for (size_t i = 0; i < h->sessions_count && h->puller == 0; i++) {
        if (h->sessions[i].state == SESSION_WAITING)
            pull_next(h, now, &h->sessions[i]);
    }
}

/* The session is through. Soon again while it is known that more is to come. */
static void session_end(struct heal *h, struct now now, struct session *s, bool again)
{
    session_idle(s);
    if (again || s->soon)
        session_ask(h, now, s);
    pass_turn(h, now, s);
}

/* An answer is here: what it costs, and what clients feel, at both ends. */
static void pace_take(struct heal *h, struct now now, const struct session *s,
                      const struct wire_pull_reply *m)
{
    (void)heal_felt(h, now);
    if (!MUTANT(pace_unheard))
        pace_hear(&h->pace, false,
                  m->felt < PACE_VERDICTS ? (enum pace_verdict)m->felt : PACE_UNSURE);
    pace_pulled(&h->pace, s->asked_at, m->rows.len);
}

/* Take away what has come meanwhile, from whomever. */
static void shrink(struct heal *h, struct want *w)
{
    struct clock missing;
    clock_init(&missing);
    clock_missing(&w->clock, engine_clock(h->engine, w->keyspace, w->range), &missing);
    clock_close(&w->clock);
    w->clock = missing;
}

static void pull_next(struct heal *h, struct now now, struct session *s)
{
    for (; s->wants_at < s->wants_count; s->wants_at++) {
        shrink(h, &s->wants[s->wants_at]);
        if (!clock_empty(&s->wants[s->wants_at].clock))
            break;
    }
    if (s->wants_at == s->wants_count) {
        /* All that it had when it was asked is here: that is enough for a range that is rebuilt,
         * which takes no writes, and so lacks the latest ones each time that it asks. */
        if (!s->refused)
            damage_seal(h, s);
        /* Compare again: it may have got more meanwhile, and a mover must once see that it lacks
         * nothing, also when others brought it all. But not over dots that nobody can give. */
        session_end(h, now, s, s->progressed || !s->refused);
        return;
    }
    if (h->puller != 0 && h->puller != s->peer) {
        s->state = SESSION_WAITING; /* what it brings need not be pulled again */
        s->due = USEC_NEVER;
        return;
    }
    h->puller = s->peer;
    if (now.mono < h->pace.resume && h->stats.damaged_ranges == 0) { /* what is, is not served */
        s->state = SESSION_PACED;
        s->due = h->pace.resume;
        return;
    }
    struct want *w = &s->wants[s->wants_at];
    struct buf wanted, have;
    buf_init(&wanted, WIRE_MESSAGE_MAX / 4);
    buf_init(&have, WIRE_MESSAGE_MAX / 4);
    clock_close(&s->asked);
    heal_newest(&w->clock, PULL_NEWEST, &s->asked);
    clock_encode(&s->asked, &wanted);
    clock_encode(engine_clock(h->engine, w->keyspace, w->range), &have);
    s->state = SESSION_PULLING;
    s->pull = ++h->requests;
    s->asked_at = now.mono;
    s->drops = engine_drops(h->engine, w->keyspace, w->range);
    s->due = now.mono + h->config.timeout_us;
    h->stats.pulls++;
    struct wire_message m = {.type = WIRE_PULL};
    m.pull = (struct wire_pull){s->pull,
                                w->keyspace,
                                w->range,
                                pace_part(&h->pace, now.mono, h->config.pull_bytes_max),
                                heal_keep(h, &wanted),
                                heal_keep(h, &have)};
    heal_send(h, s->peer, &m);
    buf_close(&have);
    buf_close(&wanted);
}

/* From the peer's clocks to what we lack of them and can take. Returns whether that is anything. */
static bool keep_missing(struct heal *h, struct session *s)
{
    size_t kept = 0;
    s->unable = s->behind = false;
    for (size_t i = 0; i < s->wants_count; i++) {
        struct want *w = &s->wants[i];
        bool damaged = engine_range_error(h->engine, w->keyspace, w->range) != ERR_OK;
        s->unable |= damaged;
        if (damaged && !clock_empty(&w->clock))
            damage_has_peer(h, w->keyspace, w->range);
        shrink(h, w);
        s->behind |= heal_leave_marked(h, s->peer, w);
        if (damaged || clock_empty(&w->clock))
            clock_close(&w->clock);
        else
            s->wants[kept++] = *w;
    }
    s->wants_count = kept;
    return kept > 0;
}

/* We have all that the peer had when it was asked; it counts once that is durable. Only what was
 * asked after the move became known counts: clocks of before may lack writes planned without us. */
static void seal(struct heal *h, struct session *s)
{
    if (s->asked_epoch == 0 || s->asked_epoch != h->ring_epoch || s->unable || s->partial ||
        s->behind)
        return;
    s->seal = HEAL_TICKET | ++h->tickets;
    s->seal_epoch = s->asked_epoch;
    engine_barrier(h->engine, s->seal);
}

static void session_settled(struct heal *h, struct now now, struct session *s)
{
    damage_hear(h, s);
    if (keep_missing(h, s) && !MUTANT(no_pulls)) {
        pull_next(h, now, s);
        return;
    }
    seal(h, s);
    damage_seal(h, s);
    session_end(h, now, s, false);
    heal_check_moved(h, now);
}

/* epoch: of the metadata that the peer has applied. Before that of the move it did not know of us:
 * what it says then is not all that it has for us, and it may still plan writes without us. */
static void receive_clocks(struct heal *h, struct now now, struct session *s, uint64_t epoch,
                           const struct wire_clocks *m)
{
    struct reader r = reader_make(m->clocks);
    if (s->state != SESSION_ASKED || m->round != s->round)
        return;
    s->wants_bytes += m->clocks.len;
    if (s->wants_bytes > WANTED_BYTES_MAX) { /* nobody has so much: do not believe it */
        session_end(h, now, s, false);
        return;
    }
    proved_hear(h, now, s->peer, m);
    while (reader_left(&r) > 0 && s->wants_count < WANTED_MAX) {
        struct want w = {.keyspace = read_u32(&r), .range = read_u32(&r)};
        (void)read_u8(&r);
        struct bytes encoded = read_vbytes(&r);
        clock_init(&w.clock);
        if (r.failed || clock_decode(encoded, &w.clock) != ERR_OK ||
            !cluster_is_replica(h->cluster, w.keyspace, w.range, cluster_self(h->cluster))) {
            clock_close(&w.clock);
            if (r.failed)
                break;
            continue;
        }
        s->wants = mem_grow(s->wants, s->wants_count, &s->wants_cap, sizeof *s->wants);
        s->wants[s->wants_count++] = w;
    }
    s->partial |= reader_left(&r) > 0;
    s->due = now.mono + h->config.timeout_us;
    if (!m->last)
        return;
    s->partial |= !m->all || epoch < s->asked_epoch;
    if (s->wants_count == 0)
        h->stats.equal++;
    /* A node that takes ranges over, or was just away, lacks so much that waiting for the little
     * that is on its way would only delay it. */
    if (s->wants_count == 0 || h->ring_epoch != 0) {
        session_settled(h, now, s);
        return;
    }
    s->state = SESSION_SETTLING;
    s->due = now.mono + h->config.settle_us;
}

/* The peer does not have these durably yet, or cannot read them: perhaps another peer can. */
static void pull_without(struct heal *h, struct now now, struct session *s,
                         const struct clock *these)
{
    struct want *w = &s->wants[s->wants_at];
    struct clock rest;
    clock_init(&rest);
    clock_missing(&w->clock, these, &rest);
    h->stats.unserved += clock_count(&w->clock) - clock_count(&rest);
    clock_close(&w->clock);
    w->clock = rest;
    s->refused = true;
    pull_next(h, now, s);
}

static void receive_rows(struct heal *h, struct now now, struct session *s,
                         const struct wire_pull_reply *m)
{
    struct clock done;
    if (s->state != SESSION_PULLING || m->request != s->pull || s->ticket != 0)
        return;
    pace_take(h, now, s, m);
    struct want *w = &s->wants[s->wants_at];
    if (m->err != ERR_OK) {
        pull_without(h, now, s, &w->clock);
        return;
    }
    if (engine_drops(h->engine, w->keyspace, w->range) != s->drops && !MUTANT(answer_after_drop)) {
        pull_next(h, now, s); /* it may bring what has been deleted and dropped here since */
        return;
    }
    clock_init(&done);
    enum err err = ERR_OK;
    if (m->keyspace != w->keyspace || m->range != w->range)
        err = ERR_MALFORMED;
    if (err == ERR_OK)
        err = clock_decode(m->done, &done);
    uint64_t wanted = clock_count(&w->clock);
    if (err == ERR_OK && !heal_take_truncated(h, now, s->peer, m, &w->clock))
        err = ERR_MALFORMED;
    s->refused |= clock_count(&w->clock) < wanted;
    s->behind |= clock_count(&w->clock) < wanted;
    if (err == ERR_OK && clock_empty(&done)) {
        pull_without(h, now, s, &s->asked);
    } else if (err == ERR_OK) {
        h->stats.dots_pulled += clock_count(&done);
        clock_copy(&s->done, &done);
        err = heal_take_rows(h, m, &s->ticket);
    }
    if (err != ERR_OK)
        session_end(h, now, s, false); /* the next round tries anew */
    clock_close(&done);
}

/* The rows are stored. When none of the dots came with them, as they could not be taken yet, the
 * same question would bring the same answer: the rest is asked for. */
static void rows_stored(struct heal *h, struct now now, struct session *s)
{
    struct want *w = &s->wants[s->wants_at];
    uint64_t missing = clock_count(&w->clock);
    foreground_disturb(&h->foreground, now.mono);
    shrink(h, w);
    if (clock_empty(&w->clock) || clock_count(&w->clock) < missing) {
        s->progressed = true;
        pull_next(h, now, s);
        return;
    }
    struct clock rest;
    clock_init(&rest);
    clock_missing(&w->clock, &s->done, &rest);
    if (clock_empty(&rest) || clock_count(&rest) == missing) {
        clock_close(&rest);
        pull_without(h, now, s, &s->asked);
        return;
    }
    h->stats.unserved += missing - clock_count(&rest);
    clock_close(&w->clock);
    w->clock = rest;
    s->refused = true;
    pull_next(h, now, s);
}

/* --- inputs */

void heal_ask_everybody(struct heal *h, struct now now)
{
    const struct cluster_node *nodes;
    size_t count = cluster_nodes(h->cluster, &nodes);
    for (size_t i = 0; i < count; i++) {
        if (nodes[i].alive && nodes[i].node != cluster_self(h->cluster))
            heal_peer_up(h, now, nodes[i].node);
    }
}

void heal_begin(struct heal *h, struct now now)
{
    h->begun = true;
    h->damage.due = now.mono;
    rounds_begin(h, now);
    h->next_round = now.mono + h->config.interval_us;
    heal_ask_everybody(h, now);
}

void heal_peer_up(struct heal *h, struct now now, node_no peer)
{
    if (!h->begun)
        return;
    struct session *s = heal_session(h, peer);
    if (s->state == SESSION_IDLE)
        session_ask(h, now, s);
    else
        s->soon = true;
}

void heal_peer_lost(struct heal *h, struct now now, node_no peer)
{
    struct session *s = heal_session(h, peer);
    session_idle(s);
    agree_forget_talk(s);
    s->soon = false;
    away_lost(h, now, peer);
    proved_lost(h, peer);
    pass_turn(h, now, s);
    fetch_peer_lost(h, now, peer);
    compare_peer_lost(h, now, peer);
    /* Perhaps we waited for nobody but it, and it leaves the ring anyhow. */
    heal_check_moved(h, now);
}

void heal_move(struct heal *h, struct now now, uint64_t ring_epoch)
{
    if (h->ring_epoch == ring_epoch)
        return;
    h->ring_epoch = ring_epoch;
    h->moved = false;
    if (ring_epoch == 0)
        return;
    /* What was asked before counts for nothing; and who did not know us yet has dropped it, so that
     * we would wait for an answer until the time is up. */
    for (size_t i = 0; i < h->sessions_count; i++) {
        struct session *s = &h->sessions[i];
        if (s->state == SESSION_PACED)
            h->puller = 0;
        if (s->state != SESSION_PULLING)
            session_idle(s);
    }
    heal_ask_everybody(h, now);
    heal_check_moved(h, now);
}

bool heal_receive(struct heal *h, struct now now, node_no from, const struct wire_message *m)
{
    switch (m->type) {
    case WIRE_CLOCK_DIGESTS: serve_digests(h, from, &m->clock_digests); return true;
    case WIRE_CLOCKS:
        receive_clocks(h, now, heal_session(h, from), m->epoch, &m->clocks);
        return true;
    case WIRE_PULL: serve_pull(h, now, from, &m->pull); return true;
    case WIRE_PULL_REPLY:
        if (!fetch_receive(h, now, &m->pull_reply))
            receive_rows(h, now, heal_session(h, from), &m->pull_reply);
        break;
    case WIRE_HINT_REFUSED: refused_receive(h, now, &m->hint_refused); break;
    case WIRE_HINT_LOST: lost_hints_receive(h, now, from, &m->hint_lost); break;
    case WIRE_HINT_MARKED: lost_hints_marked(h, from, &m->hint_marked); break;
    case WIRE_FELT: felt_receive(h, now, from, &m->felt); break;
    case WIRE_AGREE_ASK: agree_receive_ask(h, now, from, &m->agree_ask); break;
    case WIRE_AGREE_TELL: agree_receive_tell(h, now, heal_session(h, from), &m->agree_tell); break;
    default: return compare_receive(h, now, from, m);
    }
    return true;
}

void heal_durable(struct heal *h, struct now now, uint64_t ticket, enum err err)
{
    if (fetch_durable(h, now, ticket, err) || compare_durable(h, now, ticket, err) ||
        lost_hints_durable(h, ticket, err))
        return;
    for (size_t i = 0; i < h->sessions_count; i++) {
        struct session *s = &h->sessions[i];
        if (damage_durable(h, now, s, ticket, err))
            return;
        if (s->seal == ticket) {
            s->seal = 0;
            s->covered_epoch = err == ERR_OK ? s->seal_epoch : s->covered_epoch;
            heal_check_moved(h, now);
            return;
        }
        if (s->ticket != ticket)
            continue;
        s->ticket = 0;
        if (err == ERR_OK)
            rows_stored(h, now, s);
        else
            session_end(h, now, s, false);
        return;
    }
}

/* The next living peer in order of number. */
static node_no next_peer(const struct heal *h)
{
    const struct cluster_node *nodes;
    size_t count = cluster_nodes(h->cluster, &nodes);
    node_no first = 0;
    for (size_t i = 0; i < count; i++) {
        if (!nodes[i].alive || nodes[i].node == cluster_self(h->cluster))
            continue;
        if (nodes[i].node > h->last_peer)
            return nodes[i].node;
        if (first == 0)
            first = nodes[i].node;
    }
    return first;
}

void heal_deadline(struct heal *h, struct now now)
{
    if (now.mono >= h->next_round) {
        h->next_round = now.mono + h->config.interval_us;
        node_no peer = next_peer(h);
        if (peer != 0) {
            h->last_peer = peer;
            heal_peer_up(h, now, peer);
        }
        tidy_tick(h, now);
        proved_tick(h, now);
        refused_tick(h, now);
        lost_hints_tick(h, now);
    }
    if (now.mono >= h->damage.due)
        damage_tick(h, now);
    if (now.mono >= h->tidy_due)
        tidy_some(h, now);
    if (now.mono >= h->logs_due)
        logs_some(h, now);
    if (now.mono >= h->forget_due)
        held_forget_some(h, now);
    fetch_deadline(h, now);
    compare_deadline(h, now);
    for (size_t i = 0; i < h->sessions_count; i++) {
        struct session *s = &h->sessions[i];
        if (now.mono < s->due)
            continue;
        if (s->state == SESSION_SETTLING)
            session_settled(h, now, s);
        else if (s->state == SESSION_PACED)
            pull_next(h, now, s);
        else
            session_end(h, now, s, false); /* silent for too long */
    }
}

usec heal_next_deadline(const struct heal *h)
{
    usec next = h->next_round < h->tidy_due ? h->next_round : h->tidy_due;
    next = next < h->forget_due ? next : h->forget_due;
    next = next < h->logs_due ? next : h->logs_due;
    next = next < h->damage.due ? next : h->damage.due;
    usec fetch = fetch_next_deadline(h);
    next = fetch < next ? fetch : next;
    usec compare = compare_next_deadline(h);
    next = compare < next ? compare : next;
    for (size_t i = 0; i < h->sessions_count; i++) {
        if (h->sessions[i].due < next)
            next = h->sessions[i].due;
    }
    return next;
}
