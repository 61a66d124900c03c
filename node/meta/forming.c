/* forming.c - from a node that knows nobody to one that is in a cluster.
 *
 * Who founds. The only node that may found a cluster is the one with the lowest address among its
 * own seeds; so with equal seed lists there is one at most. It does so at once when there is no
 * other seed. Else it must first have heard from more than half of the other seeds that they are
 * fresh too, and from none that there is a cluster: so a founder that has lost its disk and starts
 * again finds its cluster through the others instead of making a second one. Who is to replace a
 * node never founds: there is a cluster. Two majorities of the
 * other seeds have one in common, which is in the first cluster and says so, or never heard of it.
 *
 * A cluster is told of only once its first entry is durable, and only by who holds that: what a
 * node merely has heard (ENTERING) it does not repeat, so a cluster that died unborn is forgotten.
 */
#include "node/meta/internal.h"

#include <string.h>

static bool knows_cluster(const struct meta *m)
{
    return metalog_applied(m) > 0;
}

static void fill_hello(struct meta *m, struct wire_meta_hello *h)
{
    h->host_id = m->info.host_id;
    h->cluster_name = bytes_text(m->cluster_name);
    h->has_cluster = !uuid_is_zero(&m->cluster);
    h->cluster = m->cluster;
    h->known = metalog_applied(m);
}

void forming_send_hello(struct meta *m, const struct endpoint *to)
{
    struct wire_message w = {.type = WIRE_META_HELLO};
    fill_hello(m, &w.meta_hello);
    effect_send(m, to, &w);
}

static void send_welcome(struct meta *m, const struct endpoint *to, enum err err, const char *text)
{
    struct wire_message w = {.type = WIRE_META_WELCOME};
    struct wire_meta_hello h;
    fill_hello(m, &h);
    w.meta_welcome.host_id = h.host_id;
    w.meta_welcome.cluster_name = h.cluster_name;
    w.meta_welcome.has_cluster = h.has_cluster;
    w.meta_welcome.cluster = h.cluster;
    w.meta_welcome.known = h.known;
    w.meta_welcome.err = err;
    w.meta_welcome.message = arena_copy(&m->arena, bytes_text(text));
    effect_send(m, to, &w);
}

static void hello_seeds(struct meta *m)
{
    size_t others = 0;
    for (size_t i = 0; i < m->seeds_count; i++) {
        if (m->seeds[i].is_self)
            continue;
        forming_send_hello(m, &m->seeds[i].at);
        others++;
    }
    if (others == 0 && !endpoint_is_none(&m->replaces))
        effect_problem(m, "to replace a node we need a seed that is not ourselves");
}

static struct seed *find_seed(struct meta *m, const struct endpoint *at)
{
    for (size_t i = 0; i < m->seeds_count; i++) {
        if (endpoint_equal(&m->seeds[i].at, at))
            return &m->seeds[i];
    }
    return NULL;
}

static bool may_found(const struct meta *m)
{
    const struct seed *lowest = NULL;
    size_t others = 0, fresh = 0;
    if (!endpoint_is_none(&m->replaces))
        return false;
    for (size_t i = 0; i < m->seeds_count; i++) {
        const struct seed *s = &m->seeds[i];
        if (lowest == NULL || endpoint_compare(&s->at, &lowest->at) < 0)
            lowest = s;
        others += !s->is_self;
        fresh += !s->is_self && s->is_fresh;
    }
    if (others == 0)
        return true;
    return lowest->is_self && fresh * 2 > others;
}

static void found(struct meta *m)
{
    struct buf ring, entry;
    struct command c = {.kind = COMMAND_FOUND};
    struct uuid id = rng_uuid(&m->rng);
    c.cluster = rng_uuid(&m->rng);
    c.name = bytes_text(m->cluster_name);
    c.info = m->info;
    buf_init(&ring, PAXOS_VALUE_MAX);
    buf_init(&entry, PAXOS_VALUE_MAX);
    if (state_plan_found(m->ranges, &m->info, &ring) == ERR_OK) {
        c.plan = buf_bytes(&ring);
        entry_encode(&id, &c, &entry);
        m->cluster = c.cluster;
        metalog_learn(m, 1, buf_bytes(&entry));
    } else {
        effect_problem(m, "no ring of %u ranges can be made", (unsigned)m->ranges);
    }
    buf_close(&ring);
    buf_close(&entry);
}

static void try_found(struct meta *m)
{
    if (m->phase == META_SEEKING && uuid_is_zero(&m->cluster) && may_found(m))
        found(m);
}

static void seek(struct meta *m)
{
    memset(&m->cluster, 0, sizeof m->cluster);
    m->contact = (struct endpoint){{0}, 0};
    for (size_t i = 0; i < m->seeds_count; i++)
        m->seeds[i].is_fresh = false;
    effect_phase(m, META_SEEKING);
    m->hello_wait = HELLO_MIN_US;
    m->hello_at = m->now.mono + HELLO_MIN_US;
    hello_seeds(m);
    try_found(m);
}

/* The places that may let us in: who told us of the cluster, then seeds, then nodes of the log. */
static bool enter_target(struct meta *m, size_t turn, struct endpoint *ret)
{
    const struct topology *t = &m->state.topology;
    size_t n = 0;
    if (!endpoint_is_none(&m->contact) && n++ == turn) {
        *ret = m->contact;
        return true;
    }
    for (size_t i = 0; i < m->seeds_count; i++) {
        if (!m->seeds[i].is_self && n++ == turn) {
            *ret = m->seeds[i].at;
            return true;
        }
    }
    for (size_t i = 0; i < t->count; i++) {
        if (meta_talks_to(m, &t->nodes[i]) && n++ == turn) {
            *ret = t->nodes[i].info.endpoint;
            return true;
        }
    }
    return false;
}

static void ask_to_enter(struct meta *m)
{
    struct wire_message w = {.type = WIRE_META_PROPOSE};
    struct command c = {.kind = COMMAND_JOIN_START, .info = m->info, .replaces = m->replaces};
    struct endpoint to;
    struct buf b;
    if (!enter_target(m, m->enter_turn, &to)) {
        m->enter_turn = 0;
        if (!enter_target(m, 0, &to))
            return;
    }
    m->enter_turn++;
    buf_init(&b, COMMAND_MAX);
    command_encode(&c, &b);
    w.meta_propose.cluster = m->cluster;
    w.meta_propose.request = 0;
    w.meta_propose.id = m->enter_id;
    w.meta_propose.command = arena_copy(&m->arena, buf_bytes(&b));
    buf_close(&b);
    effect_send(m, &to, &w);
}

static void enter(struct meta *m)
{
    effect_phase(m, META_ENTERING);
    m->enter_id = rng_uuid(&m->rng);
    m->enter_turn = 0;
    m->enter_until = m->now.mono + ENTER_US;
    m->hello_wait = HELLO_MIN_US;
    m->hello_at = m->now.mono + HELLO_MIN_US;
    ask_to_enter(m);
}

void forming_start(struct meta *m)
{
    const struct topology_node *self = topology_find_host(&m->state.topology, &m->info.host_id);
    m->hello_at = USEC_NEVER;
    m->phase = META_SEEKING;
    if (!knows_cluster(m)) {
        seek(m);
        return;
    }
    m->cluster = m->state.topology.cluster_id;
    if (self == NULL) {
        enter(m);
    } else {
        m->self = self->node;
        effect_phase(m, self->state == NODE_LEFT ? META_REMOVED : META_RECOVERING);
    }
}

void forming_deadline(struct meta *m)
{
    if (m->now.mono < m->hello_at)
        return;
    m->hello_wait = m->hello_wait * 2 < HELLO_MAX_US ? m->hello_wait * 2 : HELLO_MAX_US;
    m->hello_at = m->now.mono + m->hello_wait;
    if (m->phase == META_SEEKING)
        hello_seeds(m);
    else if (m->phase == META_ENTERING && m->now.mono >= m->enter_until && !knows_cluster(m))
        seek(m);
    else if (m->phase == META_ENTERING)
        ask_to_enter(m);
}

usec forming_next(const struct meta *m)
{
    return m->phase == META_SEEKING || m->phase == META_ENTERING ? m->hello_at : USEC_NEVER;
}

/* Why two nodes do not belong together; "" when they may. */
static const char *mismatch(struct meta *m, struct bytes name, bool has_cluster,
                            const struct uuid *cluster)
{
    char mine[UUID_TEXT_SIZE], theirs[UUID_TEXT_SIZE];
    const char *shown = arena_text(
        &m->arena,
        bytes_make(name.data, name.len < CLUSTER_NAME_SIZE ? name.len : CLUSTER_NAME_SIZE));
    if (!bytes_equal_text(name, m->cluster_name))
        return arena_printf(&m->arena, "cluster names differ: '%s' and '%s'", m->cluster_name,
                            shown);
    if (knows_cluster(m) && has_cluster && !uuid_equal(cluster, &m->cluster))
        return arena_printf(
            &m->arena, "two clusters named '%s' do not merge: %s and %s; wipe one of them",
            m->cluster_name, uuid_text(&m->cluster, mine), uuid_text(cluster, theirs));
    return "";
}

static void note_waiting(struct meta *m, const struct endpoint *from)
{
    for (size_t i = 0; i < m->waiting_count; i++) {
        if (endpoint_equal(&m->waiting[i], from))
            return;
    }
    if (m->waiting_count < WAITING_MAX)
        m->waiting[m->waiting_count++] = *from;
}

static void note_fresh(struct meta *m, const struct endpoint *from)
{
    struct seed *seed = find_seed(m, from);
    if (m->phase != META_SEEKING || seed == NULL || seed->is_self)
        return;
    seed->is_fresh = true;
    try_found(m);
}

void forming_hello(struct meta *m, const struct endpoint *from, const struct wire_message *message)
{
    const struct wire_meta_hello *h = &message->meta_hello;
    bool is_us = uuid_equal(&h->host_id, &m->info.host_id);
    const char *why = mismatch(m, h->cluster_name, h->has_cluster && h->known > 0, &h->cluster);
    send_welcome(m, from, why[0] != 0 ? ERR_REFUSED : ERR_OK, why);
    if (why[0] != 0 || is_us)
        return;
    if (!knows_cluster(m)) {
        note_waiting(m, from);
        if (!h->has_cluster)
            note_fresh(m, from);
    }
}

void forming_welcome(struct meta *m, const struct endpoint *from,
                     const struct wire_message *message)
{
    const struct wire_meta_welcome *w = &message->meta_welcome;
    struct seed *seed = find_seed(m, from);
    bool has_cluster = w->has_cluster && w->known > 0;
    char at[ENDPOINT_TEXT_SIZE];
    if (uuid_equal(&w->host_id, &m->info.host_id)) {
        /* one of our seeds is another name of ourselves */
        if (seed != NULL)
            seed->is_self = true;
        try_found(m);
        return;
    }
    const char *why = mismatch(m, w->cluster_name, has_cluster, &w->cluster);
    if (w->err != ERR_OK || why[0] != 0) {
        effect_problem(m, "%s refuses us: %s", endpoint_text(from, at),
                       why[0] != 0 ? why : arena_text(&m->arena, w->message));
        return;
    }
    if (m->phase != META_SEEKING) {
        if (has_cluster && !uuid_is_zero(&m->cluster) && uuid_equal(&w->cluster, &m->cluster))
            catchup_heard(m, from, message->from, w->known);
        return;
    }
    if (has_cluster && uuid_is_zero(&m->cluster)) {
        m->cluster = w->cluster;
        m->contact = *from;
        effect_no_problem(m);
        enter(m);
    } else if (!w->has_cluster) {
        note_fresh(m, from);
    }
}

/* The answer to our wish to enter. The log itself says whether we are in. */
void forming_result(struct meta *m, const struct endpoint *from, const struct wire_meta_result *r)
{
    if (m->phase != META_ENTERING || r->request != 0)
        return;
    m->enter_until = m->now.mono + ENTER_US;
    if (r->err == ERR_OK) {
        m->contact = *from;
        m->enter_turn = 0;
        effect_no_problem(m);
        catchup_heard(m, from, 0, r->slot);
    } else if (r->err == ERR_UNAVAILABLE) {
        effect_problem(m, "the cluster cannot let us in yet: %s",
                       arena_text(&m->arena, r->message));
    } else if (r->slot != 0 || r->err == ERR_REFUSED || r->err == ERR_INVALID) {
        effect_problem(m, "the cluster does not let us in: %s", arena_text(&m->arena, r->message));
        m->enter_id = rng_uuid(&m->rng); /* ask anew: what is in the way may go */
    }
}

void forming_refuse(struct meta *m, const struct endpoint *from, const struct wire_message *w)
{
    if (w->type != WIRE_META_PROPOSE)
        return;
    struct wire_message answer = {.type = WIRE_META_RESULT};
    answer.meta_result.cluster = w->meta_propose.cluster;
    answer.meta_result.request = w->meta_propose.request;
    answer.meta_result.err = ERR_REFUSED;
    answer.meta_result.message = BYTES_LIT("this node is of another cluster");
    effect_send(m, from, &answer);
}

void forming_applied(struct meta *m)
{
    const struct topology_node *self = topology_find_host(&m->state.topology, &m->info.host_id);
    for (size_t i = 0; i < m->waiting_count; i++)
        send_welcome(m, &m->waiting[i], ERR_OK, "");
    m->waiting_count = 0;
    if (self == NULL)
        return;
    m->self = self->node;
    if (self->state == NODE_LEFT) {
        effect_phase(m, META_REMOVED);
    } else if (m->phase == META_SEEKING || m->phase == META_ENTERING) {
        effect_no_problem(m);
        m->hello_at = USEC_NEVER;
        m->idle_at = m->now.mono + IDLE_ASK_US;
        effect_phase(m, META_READY);
    }
}
