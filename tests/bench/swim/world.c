#include "world.h"

#include "base/mem.h"
#include "base/rng.h"
#include "gossip/message.h"

#include <math.h>
#include <string.h>

#define WALL_START   ((usec)1700000000 * USEC_PER_SEC)
#define MONO_START   ((usec)7200 * USEC_PER_SEC)
#define KNOWN_S      3600 /* how long everybody has known everybody */
#define DELAY_LEAST  250
#define DELAY_MEAN   250.0
#define TAIL_MEAN    10000.0
#define TAIL_CHANCE  10000 /* in a million */
#define RESEND_FIRST ((usec)200 * USEC_PER_MS)
#define BYTES_A_USEC 100 /* of a stream: 100 MB/s */

struct member {
    struct gossip *g; /* NULL: crashed */
    struct uuid host_id;
    usec due;       /* its timer */
    size_t timer;   /* place in the heap of timers */
    size_t crash;   /* index, or SIZE_MAX */
    size_t unaware; /* crashed: running members that do not hold it for dead */
    bool buried;    /* running: was dead somewhere */
};

struct packet {
    usec at;
    uint64_t order;
    uint32_t from;
    uint32_t to;
    bool stream;
    uint8_t *data;
    size_t len;
};

struct world {
    struct world_config config;
    struct rng rng;
    usec time;
    usec slow_from;
    struct member *members;
    size_t *timers; /* heap of members by `due` */
    size_t timer_count;
    struct packet *packets; /* heap by `at`, then order */
    size_t packet_count, packet_cap;
    uint64_t order, events, hash;
    size_t running;
    struct world_crash *crashes;
    size_t crash_count, crash_cap;
    struct world_mistakes mistakes;
    struct world_traffic traffic;
};

static struct now now_of(const struct world *w)
{
    return (struct now){MONO_START + w->time, WALL_START + w->time};
}

static struct endpoint addr_of(size_t i)
{
    return endpoint_v4(10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, 7000);
}

static size_t index_of(const struct endpoint *e)
{
    return (size_t)e->ip[13] << 16 | (size_t)e->ip[14] << 8 | e->ip[15];
}

/* Until when member i, running at `at` or not, is held. */
static usec held_until(const struct world *w, size_t i, usec at)
{
    if (i >= w->config.slow || at < w->slow_from)
        return at;
    usec phase = (at - w->slow_from) % (w->config.hold_us + w->config.free_us);
    return phase < w->config.hold_us ? at - phase + w->config.hold_us : at;
}

/* --- the two heaps */

static void timer_set(struct world *w, size_t place, size_t member)
{
    w->timers[place] = member;
    w->members[member].timer = place;
}

static usec timer_due(const struct world *w, size_t place)
{
    return w->members[w->timers[place]].due;
}

/* The timer at `place` has changed. */
static void timer_move(struct world *w, size_t place)
{
    size_t member = w->timers[place];
    usec due = w->members[member].due;
    for (; place > 0 && due < timer_due(w, (place - 1) / 2); place = (place - 1) / 2)
        timer_set(w, place, w->timers[(place - 1) / 2]);
    for (size_t child; (child = 2 * place + 1) < w->timer_count; place = child) {
        if (child + 1 < w->timer_count && timer_due(w, child + 1) < timer_due(w, child))
            child++;
        if (timer_due(w, child) >= due)
            break;
        timer_set(w, place, w->timers[child]);
    }
    timer_set(w, place, member);
}

static bool sooner(const struct packet *a, const struct packet *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void packet_push(struct world *w, struct packet p)
{
    w->packets = mem_grow(w->packets, w->packet_count, &w->packet_cap, sizeof *w->packets);
    size_t i = w->packet_count++;
    for (; i > 0 && sooner(&p, &w->packets[(i - 1) / 2]); i = (i - 1) / 2)
        w->packets[i] = w->packets[(i - 1) / 2];
    w->packets[i] = p;
}

static struct packet packet_pop(struct world *w)
{
    struct packet top = w->packets[0];
    struct packet last = w->packets[--w->packet_count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->packet_count; i = child) {
        if (child + 1 < w->packet_count && sooner(&w->packets[child + 1], &w->packets[child]))
            child++;
        if (!sooner(&w->packets[child], &last))
            break;
        w->packets[i] = w->packets[child];
    }
    w->packets[i] = last;
    return top;
}

/* --- effects */

static void mix(struct world *w, uint64_t value)
{
    w->hash = (w->hash ^ value) * 1099511628211u;
}

static usec delay(struct world *w)
{
    double us = -DELAY_MEAN * log(1.0 - rng_unit(&w->rng));
    if (rng_chance(&w->rng, TAIL_CHANCE))
        us += -TAIL_MEAN * log(1.0 - rng_unit(&w->rng));
    return DELAY_LEAST + (usec)us;
}

static void send(struct world *w, size_t from, const struct gossip_effect *e)
{
    size_t to = index_of(&e->to);
    bool stream = e->type == GOSSIP_SEND_STREAM;
    usec at = held_until(w, from, w->time) + delay(w);
    bool lost = rng_chance(&w->rng, w->config.loss);
    mix(w, e->bytes.len);
    if (stream && w->members[to].g == NULL)
        return; /* connection refused */
    if (stream) {
        w->traffic.streams++;
        w->traffic.stream_bytes += e->bytes.len;
        at += (usec)(e->bytes.len / BYTES_A_USEC);
    } else {
        w->traffic.datagrams++;
        w->traffic.datagram_bytes += e->bytes.len;
        if (lost)
            return;
    }
    for (usec again = RESEND_FIRST; lost; again *= 2) {
        at += again;
        lost = rng_chance(&w->rng, w->config.loss);
    }
    packet_push(w, (struct packet){at, w->order++, (uint32_t)from, (uint32_t)to, stream,
                                   mem_copy(e->bytes.data, e->bytes.len), e->bytes.len});
}

static void first(usec *mark, usec now)
{
    if (*mark == USEC_NEVER)
        *mark = now;
}

static void note_crashed(struct world *w, struct member *of, const struct gossip_effect *e)
{
    struct world_crash *c = &w->crashes[of->crash];
    usec since = w->time - c->at;
    if (e->new_state == GOSSIP_SUSPECT)
        first(&c->suspected, since);
    if (e->new_state == GOSSIP_DEAD) {
        first(&c->dead, since);
        of->unaware--;
        c->known = of->unaware == 0 ? since : USEC_NEVER;
    } else if (e->old_state == GOSSIP_DEAD) {
        of->unaware++;
        c->known = USEC_NEVER;
    }
}

static void note(struct world *w, size_t at, const struct gossip_effect *e)
{
    size_t i = index_of(&e->member->addr);
    struct member *of = &w->members[i];
    mix(w, (uint64_t)e->new_state << 48 | (uint64_t)at << 24 | i);
    if (e->change != GOSSIP_CHANGED)
        return;
    if (of->g == NULL) {
        note_crashed(w, of, e);
        return;
    }
    w->mistakes.suspicions += e->new_state == GOSSIP_SUSPECT ? 1 : 0;
    if (e->new_state != GOSSIP_DEAD)
        return;
    if (i < w->config.slow) {
        w->mistakes.slow_deaths++;
        return;
    }
    w->mistakes.deaths++;
    w->mistakes.deaths_seen += at >= w->config.slow ? 1 : 0;
    w->mistakes.buried += of->buried ? 0 : 1;
    of->buried = true;
}

static void rearm(struct world *w, size_t i)
{
    struct member *m = &w->members[i];
    usec due = gossip_deadline(m->g) - MONO_START;
    due = due < w->time ? w->time : due;
    m->due = w->config.stop ? held_until(w, i, due) : due;
    timer_move(w, m->timer);
}

static void step(struct world *w, size_t i, const struct gossip_event *e)
{
    w->events++;
    mix(w, (uint64_t)w->time ^ i);
    struct gossip_effects effects = gossip_step(w->members[i].g, e);
    for (size_t k = 0; k < effects.count; k++) {
        if (effects.items[k].type == GOSSIP_MEMBER)
            note(w, i, &effects.items[k]);
        else
            send(w, i, &effects.items[k]);
    }
    rearm(w, i);
}

/* --- making */

/* What an old member would answer to a join: everybody, known for an hour. */
static void introduce(struct world *w)
{
    struct buf b;
    buf_init(&b, w->config.gossip.push_state_max);
    struct gossip_header h = {bytes_text(w->config.gossip.cluster), w->members[0].host_id,
                              addr_of(0)};
    struct gossip_message m = {.type = GOSSIP_PUSH_PULL, .flag = true};
    gossip_encode_header(&h, &b);
    gossip_encode(&m, &b);
    m.type = GOSSIP_STATE;
    m.age_s = KNOWN_S;
    for (size_t i = 0; i < w->config.members; i++) {
        m.member = *gossip_self_member(w->members[i].g);
        gossip_encode(&m, &b);
    }
    ASSERT(buf_finish(&b) == ERR_OK);
    struct gossip_event e = {.now = now_of(w), .type = GOSSIP_STREAM, .bytes = buf_bytes(&b)};
    for (size_t i = 0; i < w->config.members; i++) {
        (void)gossip_step(w->members[i].g, &e);
        rearm(w, i);
    }
    buf_close(&b);
}

struct world *world_new(const struct world_config *config)
{
    struct world *w = mem_new(struct world);
    w->config = *config;
    w->config.gossip.cluster = "swim";
    w->config.gossip.members_max = (uint32_t)config->members + 1;
    w->config.gossip.push_state_max = (uint32_t)config->members * 256 + 8192;
    w->slow_from = USEC_NEVER;
    w->running = config->members;
    w->members = mem_alloc(config->members * sizeof *w->members);
    w->timers = mem_alloc(config->members * sizeof *w->timers);
    rng_init(&w->rng, config->seed);
    for (size_t i = 0; i < config->members; i++) {
        struct member *m = &w->members[i];
        struct gossip_self self = {.host_id = rng_uuid(&w->rng),
                                   .addr = addr_of(i),
                                   .cql = addr_of(i),
                                   .http_port = 9180,
                                   .dc = "dc1",
                                   .release = "0.1.0",
                                   .generation = 1};
        self.rack[0] = 'r';
        self.rack[1] = (char)('1' + i % 3);
        self.cql.port = 9042;
        m->host_id = self.host_id;
        m->crash = SIZE_MAX;
        m->g = gossip_new(&w->config.gossip, &self, rng_next(&w->rng), now_of(w), NULL);
        timer_set(w, w->timer_count++, i);
        rearm(w, i);
    }
    introduce(w);
    return w;
}

void world_free(struct world *w)
{
    for (size_t i = 0; i < w->config.members; i++)
        gossip_free(w->members[i].g);
    for (size_t i = 0; i < w->packet_count; i++)
        mem_free(w->packets[i].data);
    mem_free(w->packets);
    mem_free(w->members);
    mem_free(w->timers);
    mem_free(w->crashes);
    mem_free(w);
}

/* --- running */

static void deliver(struct world *w, struct packet p)
{
    usec at = held_until(w, p.to, p.at);
    if (at > p.at && w->members[p.to].g != NULL) {
        p.at = at;
        packet_push(w, p);
        return;
    }
    if (w->members[p.to].g != NULL) {
        struct gossip_event e = {.now = now_of(w),
                                 .type = p.stream ? GOSSIP_STREAM : GOSSIP_DATAGRAM,
                                 .from = addr_of(p.from),
                                 .bytes = bytes_make(p.data, p.len)};
        step(w, p.to, &e);
    }
    mem_free(p.data);
}

/* Packets first: a member that wakes up reads what waits, then looks at its timers. That is kinder
 * than the contrary, and what a loop over sockets and timers does half of the time. */
void world_run(struct world *w, usec duration)
{
    usec end = w->time + duration;
    for (;;) {
        usec timer = w->timer_count > 0 ? timer_due(w, 0) : USEC_NEVER;
        usec packet = w->packet_count > 0 ? w->packets[0].at : USEC_NEVER;
        if ((packet <= timer ? packet : timer) > end)
            break;
        if (packet <= timer) {
            w->time = packet;
            deliver(w, packet_pop(w));
        } else {
            w->time = timer;
            struct gossip_event e = {.now = now_of(w), .type = GOSSIP_DEADLINE};
            step(w, w->timers[0], &e);
        }
    }
    w->time = end;
}

/* Who crashes counts no more among those who must learn of former crashes. */
static void forget_observer(struct world *w, const struct gossip *observer)
{
    for (size_t i = 0; i < w->crash_count; i++) {
        struct world_crash *c = &w->crashes[i];
        struct member *of = &w->members[c->member];
        if (!gossip_is_reachable(observer, &of->host_id))
            continue;
        of->unaware--;
        c->known = of->unaware == 0 ? w->time - c->at : USEC_NEVER;
    }
}

void world_crash(struct world *w, size_t member)
{
    struct member *m = &w->members[member];
    ASSERT(m->g != NULL);
    forget_observer(w, m->g);
    gossip_free(m->g);
    m->g = NULL;
    m->due = USEC_NEVER;
    timer_move(w, m->timer);
    w->running--;
    w->crashes = mem_grow(w->crashes, w->crash_count, &w->crash_cap, sizeof *w->crashes);
    m->crash = w->crash_count++;
    w->crashes[m->crash] =
        (struct world_crash){member, w->time, USEC_NEVER, USEC_NEVER, USEC_NEVER};
    for (size_t i = 0; i < w->config.members; i++) {
        const struct gossip *g = w->members[i].g;
        m->unaware += g != NULL && gossip_is_reachable(g, &m->host_id) ? 1 : 0;
    }
}

void world_slow_from(struct world *w, usec at)
{
    w->slow_from = at;
}

void world_heal(struct world *w)
{
    w->config.loss = 0;
    w->slow_from = USEC_NEVER;
    for (size_t i = 0; i < w->config.slow; i++) {
        if (w->members[i].g != NULL)
            rearm(w, i);
    }
}

/* --- looking at it */

usec world_time(const struct world *w)
{
    return w->time;
}

const struct world_mistakes *world_get_mistakes(const struct world *w)
{
    return &w->mistakes;
}

const struct world_traffic *world_get_traffic(const struct world *w)
{
    return &w->traffic;
}

size_t world_crashes(const struct world *w, const struct world_crash **ret_crashes)
{
    *ret_crashes = w->crashes;
    return w->crash_count;
}

uint64_t world_events(const struct world *w)
{
    return w->events;
}

uint64_t world_hash(const struct world *w)
{
    return w->hash;
}

const struct gossip *world_core(const struct world *w, size_t member)
{
    return w->members[member].g;
}

/* So many alive, and none of them crashed: then it is exactly those who run. */
bool world_agrees(const struct world *w)
{
    for (size_t i = 0; i < w->config.members; i++) {
        const struct gossip *g = w->members[i].g;
        size_t alive = 0;
        for (size_t k = 0; g != NULL && k < gossip_count(g); k++) {
            const struct gossip_member *m = gossip_at(g, k);
            if (m->state != GOSSIP_ALIVE)
                continue;
            if (w->members[index_of(&m->addr)].g == NULL)
                return false;
            alive++;
        }
        if (g != NULL && alive != w->running)
            return false;
    }
    return true;
}

void world_check(const struct world *w)
{
    for (size_t i = 0; i < w->config.members; i++) {
        if (w->members[i].g != NULL)
            gossip_check(w->members[i].g);
    }
}

uint64_t world_sum(const struct world *w, size_t counter)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < w->config.members; i++) {
        if (w->members[i].g == NULL)
            continue;
        const char *counters = (const char *)gossip_get_counters(w->members[i].g);
        uint64_t value;
        memcpy(&value, counters + counter, sizeof value);
        sum += value;
    }
    return sum;
}
