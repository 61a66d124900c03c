#include "net.h"

#include "base/mem.h"

#include <string.h>

#define WALL_START ((usec)1700000000 * USEC_PER_SEC)

struct now net_now(const struct net *n)
{
    return (struct now){n->time, WALL_START + n->time};
}

static void mix(struct net *n, const void *data, size_t len)
{
    n->hash = n->hash * 1099511628211u ^ bytes_hash(bytes_make(data, len));
}

void net_open(struct net *n, size_t count, uint64_t seed)
{
    memset(n, 0, sizeof *n);
    n->count = count;
    n->time = USEC_PER_SEC;
    n->delay_min = 200;
    n->delay_max = 3000;
    n->config.cluster = "test";
    rng_init(&n->rng, seed);
    for (size_t i = 0; i < count; i++) {
        struct gossip_self *s = &n->nodes[i].self;
        s->host_id = rng_uuid(&n->rng);
        s->host_id.b[15] = (uint8_t)i; /* so that net_index() finds it */
        s->addr = endpoint_v4(10, 0, 0, (uint8_t)(i + 1), 7000);
        s->cql = endpoint_v4(10, 0, 0, (uint8_t)(i + 1), 9042);
        strcpy(s->dc, "dc1");
        strcpy(s->rack, "r1");
        strcpy(s->release, "0.1");
    }
}

void net_close(struct net *n)
{
    for (size_t i = 0; i < n->count; i++)
        gossip_free(n->nodes[i].g);
    for (size_t i = 0; i < n->heap_count; i++)
        mem_free(n->heap[i].data);
    mem_free(n->heap);
    memset(n, 0, sizeof *n);
}

static bool sooner(const struct net_packet *a, const struct net_packet *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct net *n, struct net_packet p)
{
    n->heap = mem_grow(n->heap, n->heap_count, &n->heap_cap, sizeof *n->heap);
    size_t i = n->heap_count++;
    for (; i > 0 && sooner(&p, &n->heap[(i - 1) / 2]); i = (i - 1) / 2)
        n->heap[i] = n->heap[(i - 1) / 2];
    n->heap[i] = p;
}

static struct net_packet pop(struct net *n)
{
    struct net_packet top = n->heap[0];
    struct net_packet last = n->heap[--n->heap_count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < n->heap_count; i = child) {
        if (child + 1 < n->heap_count && sooner(&n->heap[child + 1], &n->heap[child]))
            child++;
        if (!sooner(&n->heap[child], &last))
            break;
        n->heap[i] = n->heap[child];
    }
    if (n->heap_count > 0)
        n->heap[i] = last;
    return top;
}

/* Who is reached at an address: the running node that has it. */
static size_t resolve(const struct net *n, const struct endpoint *to)
{
    for (size_t i = 0; i < n->count; i++) {
        if (n->nodes[i].g != NULL && endpoint_equal(&n->nodes[i].self.addr, to))
            return i;
    }
    return SIZE_MAX;
}

static void send(struct net *n, size_t from, const struct gossip_effect *e)
{
    bool stream = e->type == GOSSIP_SEND_STREAM;
    if (!stream && e->bytes.len > n->largest_datagram)
        n->largest_datagram = e->bytes.len;
    mix(n, e->bytes.data, e->bytes.len);
    usec delay = rng_between(&n->rng, n->delay_min, n->delay_max);
    bool lost = !stream && rng_chance(&n->rng, n->loss);
    size_t to = resolve(n, &e->to);
    if (to == SIZE_MAX || lost || n->cut[from][to] || (!stream && n->cut_udp[from][to]))
        return;
    struct net_packet p = {n->time + delay,
                           n->order++,
                           from,
                           to,
                           stream,
                           n->nodes[from].self.addr,
                           mem_copy(e->bytes.data, e->bytes.len),
                           e->bytes.len};
    push(n, p);
}

static void note_member(struct net *n, size_t at, const struct gossip_effect *e)
{
    size_t of = e->member->host_id.b[15];
    struct net_node *node = &n->nodes[at];
    if (e->change == GOSSIP_CHANGED && e->new_state == GOSSIP_DEAD) {
        node->deaths++;
        node->false_deaths += n->nodes[of].g != NULL ? 1 : 0;
    }
    if (e->member->incarnation < node->highest[of])
        n->went_down++;
    node->highest[of] = e->member->incarnation;
    uint8_t summary[4] = {(uint8_t)at, (uint8_t)of, (uint8_t)e->change, (uint8_t)e->new_state};
    mix(n, summary, sizeof summary);
}

void net_event(struct net *n, size_t i, const struct gossip_event *e)
{
    struct net_node *node = &n->nodes[i];
    mix(n, &n->time, sizeof n->time);
    struct gossip_effects effects = gossip_step(node->g, e);
    for (size_t k = 0; k < effects.count; k++) {
        if (effects.items[k].type == GOSSIP_MEMBER)
            note_member(n, i, &effects.items[k]);
        else
            send(n, i, &effects.items[k]);
    }
    node->due = gossip_deadline(node->g);
}

void net_start(struct net *n, size_t i)
{
    struct net_node *node = &n->nodes[i];
    struct now now = net_now(n);
    if (node->frozen_wall)
        now.wall = 1;
    node->self.generation++;
    memset(node->highest, 0, sizeof node->highest);
    node->asleep_until = 0;
    node->g = gossip_new(&n->config, &node->self, rng_next(&n->rng), now, NULL);
    node->due = gossip_deadline(node->g);
}

void net_kill(struct net *n, size_t i)
{
    gossip_free(n->nodes[i].g);
    n->nodes[i].g = NULL;
}

void net_join(struct net *n, size_t i, size_t seed)
{
    struct gossip_event e = {.now = net_now(n),
                             .type = GOSSIP_JOIN,
                             .seeds = &n->nodes[seed].self.addr,
                             .seed_count = 1};
    net_event(n, i, &e);
}

void net_start_all(struct net *n)
{
    for (size_t i = 0; i < n->count; i++)
        net_start(n, i);
    for (size_t i = 0; i < n->count; i++)
        net_join(n, i, 0);
}

void net_pause(struct net *n, size_t i, usec duration)
{
    n->nodes[i].asleep_until = n->time + duration;
}

void net_isolate(struct net *n, size_t i, bool cut)
{
    for (size_t j = 0; j < n->count; j++)
        n->cut[i][j] = n->cut[j][i] = cut;
}

/* The first time not before `at` at which node i runs. */
static usec awake(const struct net *n, size_t i, usec at)
{
    const struct net_node *node = &n->nodes[i];
    if (at < node->asleep_until)
        at = node->asleep_until;
    if (node->throttled && at % USEC_PER_SEC > 50 * USEC_PER_MS)
        at += USEC_PER_SEC - at % USEC_PER_SEC;
    return at;
}

static void deliver(struct net *n, struct net_packet p)
{
    if (n->nodes[p.to].g != NULL) {
        usec at = awake(n, p.to, p.at);
        if (at > p.at) {
            p.at = at;
            push(n, p);
            return;
        }
        struct gossip_event e = {.now = net_now(n),
                                 .type = p.stream ? GOSSIP_STREAM : GOSSIP_DATAGRAM,
                                 .from = p.source,
                                 .bytes = bytes_make(p.data, p.len)};
        net_event(n, p.to, &e);
    }
    mem_free(p.data);
}

/* One event, when there is one until `end`. Deadlines go first: the worse order for a sleeper. */
static bool advance(struct net *n, usec end)
{
    usec at = USEC_NEVER;
    size_t who = 0;
    for (size_t i = 0; i < n->count; i++) {
        if (n->nodes[i].g == NULL || n->nodes[i].due == USEC_NEVER)
            continue;
        usec due = n->nodes[i].due < n->time ? n->time : n->nodes[i].due;
        due = awake(n, i, due);
        if (due < at) {
            at = due;
            who = i;
        }
    }
    bool packet = n->heap_count > 0 && n->heap[0].at < at;
    if (packet)
        at = n->heap[0].at;
    if (at > end) {
        n->time = end;
        return false;
    }
    n->time = at;
    if (packet) {
        deliver(n, pop(n));
    } else {
        struct gossip_event e = {.now = net_now(n), .type = GOSSIP_DEADLINE};
        net_event(n, who, &e);
    }
    return true;
}

void net_run(struct net *n, usec duration)
{
    usec end = n->time + duration;
    while (advance(n, end))
        ;
}

usec net_run_until(struct net *n, bool (*done)(const struct net *n), usec limit)
{
    usec begin = n->time;
    while (!done(n)) {
        if (n->time - begin >= limit)
            return -1;
        net_run(n, 50 * USEC_PER_MS);
    }
    return n->time - begin;
}

const struct gossip_member *net_view(const struct net *n, size_t at, size_t of)
{
    return gossip_find(n->nodes[at].g, &n->nodes[of].self.host_id);
}

/* GOSSIP_LEFT too when it is not known at all. */
enum gossip_state net_state(const struct net *n, size_t at, size_t of)
{
    const struct gossip_member *m = net_view(n, at, of);
    return m == NULL ? GOSSIP_LEFT : m->state;
}

bool net_converged(const struct net *n)
{
    for (size_t i = 0; i < n->count; i++) {
        for (size_t j = 0; j < n->count && n->nodes[i].g != NULL; j++) {
            bool alive = gossip_is_alive(n->nodes[i].g, &n->nodes[j].self.host_id);
            if (alive != (n->nodes[j].g != NULL))
                return false;
        }
    }
    return true;
}

unsigned net_false_deaths(const struct net *n)
{
    unsigned sum = 0;
    for (size_t i = 0; i < n->count; i++)
        sum += n->nodes[i].false_deaths;
    return sum;
}
