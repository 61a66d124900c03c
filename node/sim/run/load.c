#include "node/sim/run/load.h"

#include "base/mem.h"
#include "node/sim/run/workload.h"

#include <stdio.h>
#include <string.h>

#define PREPARE_MAX   (60 * USEC_PER_SEC)
#define PREPARE_PAUSE (200 * USEC_PER_MS)
#define FINAL_TRIES   5

struct client {
    unsigned node;
    usec next; /* IDLE: when it asks; ASKING: when it gives up or hangs up */
    bool asking;
    bool leaves; /* it hangs up then */
    uint64_t request;
    const struct workload_ops *ops;
    void *workload;
    struct op op;
    struct answer answer; /* what is known of earlier attempts */
};

struct load {
    struct sim *sim;
    const struct scenario *scenario;
    struct workload_env env;
    struct rng rng;
    void *workloads[SCENARIO_WORKLOADS_MAX];
    struct client clients[SCENARIO_CLIENTS_MAX];
    uint64_t *abandoned; /* requests nobody waits for */
    size_t abandoned_count, abandoned_cap;
    uint64_t asked;
    struct load_counts counts;
    struct errmsg problem;
    bool failed, stopped, rows_lost;
};

/* Server timestamps and real time are this close: offsets, what drifts add up to, jumps (of which a
 * node has one at a time). */
static usec skew_of(const struct scenario *s)
{
    int64_t drift = s->clocks.drift_ppm;
    int64_t jump = 0;
    usec time_us = s->time_us + 300 * USEC_PER_SEC; /* forming, healing */
    int64_t skew = 2 * s->clocks.offset_us + USEC_PER_MS;
    for (size_t i = 0; i < s->faults_count; i++) {
        const struct fault *f = &s->faults[i];
        int64_t amount = f->amount < 0 ? -f->amount : f->amount;
        if (f->kind == FAULT_clock_jump && amount > jump)
            jump = amount;
        if (f->kind == FAULT_clock_drift)
            skew += amount * f->lasts_us / 1000000 + 1;
    }
    return skew + 2 * jump + 2 * drift * time_us / 1000000;
}

/* No node ever takes over from another one, or cannot tell which dots it has given out. */
static bool is_direct(const struct scenario *s)
{
    bool direct = s->nodes == s->rf * s->dcs;
    for (size_t i = 0; i < s->faults_count; i++) {
        enum fault_kind kind = s->faults[i].kind;
        direct &= kind != FAULT_join && kind != FAULT_alter && kind != FAULT_lose_disk &&
                  kind != FAULT_flip_bits && kind != FAULT_read_error;
    }
    return direct;
}

struct load *load_new(struct sim *sim, const struct scenario *scenario)
{
    struct load *l = mem_new(struct load);
    l->sim = sim;
    l->scenario = scenario;
    rng_init(&l->rng, scenario->seed ^ 0x10ad);
    l->env = (struct workload_env){.sim = sim,
                                   .rf = scenario->rf,
                                   .dcs = scenario->dcs,
                                   .skew_us = skew_of(scenario),
                                   .old_ppm = scenario->clients.old_ppm,
                                   .size = scenario->clients.size,
                                   .clients = scenario->clients.count,
                                   .direct = is_direct(scenario),
                                   .calm = scenario->faults_count == 0};
    l->env.rng = rng_fork(&l->rng);
    for (size_t i = 0; i < SCENARIO_WORKLOADS_MAX && workloads_all[i] != NULL; i++) {
        if (scenario->workloads[i] > 0)
            l->workloads[i] = workloads_all[i]->begin(&l->env);
    }
    return l;
}

void load_free(struct load *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; i < SCENARIO_WORKLOADS_MAX; i++) {
        if (l->workloads[i] != NULL)
            workloads_all[i]->end(l->workloads[i]);
    }
    for (size_t i = 0; i < SCENARIO_CLIENTS_MAX; i++) {
        buf_close(&l->clients[i].op.cql);
        mem_free(l->clients[i].op.own);
    }
    mem_free(l->abandoned);
    mem_free(l);
}

const char *load_problem(const struct load *l)
{
    return l->failed ? l->problem.text : NULL;
}

const struct load_counts *load_counts(const struct load *l)
{
    return &l->counts;
}

static unsigned some_node(struct load *l)
{
    return (unsigned)rng_between(&l->rng, 1, sim_nodes(l->sim));
}

static void complain(struct load *l, const struct workload_ops *ops, const struct op *op)
{
    l->failed = true;
    errmsg_wrap(&l->problem, "%s", ops->name);
    sim_note(l->sim, "CONTRADICTION: %s (client %u: %s)", l->problem.text, op->client,
             (const char *)op->cql.data);
}

static bool is_answered(struct sim *s, void *arg)
{
    return sim_reply_of(s, *(uint64_t *)arg)->outcome != SIM_PENDING;
}

/* Ask some node and wait. The reply lives until sim_forget(*ret_request). */
static const struct sim_reply *ask_and_wait(struct load *l, enum cql_consistency level,
                                            const char *cql, uint64_t *ret_request)
{
    *ret_request = sim_ask(l->sim, some_node(l), level, cql);
    sim_until(l->sim, is_answered, ret_request, SIM_ASK_TIMEOUT);
    return sim_reply_of(l->sim, *ret_request);
}

/* --- keyspace and tables */

static bool make(struct load *l, const char *cql, struct errmsg *why)
{
    usec end = sim_now(l->sim) + PREPARE_MAX;
    for (;;) {
        const struct sim_reply *r = sim_cql(l->sim, some_node(l), CQL_CL_QUORUM, "%s", cql);
        if (r->outcome == SIM_OK ||
            (r->outcome == SIM_ERROR && r->code == CQL_ERROR_ALREADY_EXISTS))
            return true;
        if (sim_now(l->sim) > end)
            return errmsg_set(why, ERR_FAILED, "%s: %s %s", cql, sim_say(l->sim, r), r->message) ==
                   ERR_OK;
        sim_elapse(l->sim, PREPARE_PAUSE);
    }
}

static bool make_keyspace(struct load *l, struct errmsg *why)
{
    char cql[256];
    const struct scenario *s = l->scenario;
    if (s->dcs == 1)
        snprintf(cql, sizeof cql,
                 "CREATE KEYSPACE r WITH replication = {'class': 'SimpleStrategy', "
                 "'replication_factor': %u}",
                 (unsigned)s->rf);
    else
        snprintf(cql, sizeof cql,
                 "CREATE KEYSPACE r WITH replication = {'class': 'NetworkTopologyStrategy', "
                 "'dc1': %u, 'dc2': %u}",
                 (unsigned)s->rf, (unsigned)s->rf);
    return make(l, cql, why);
}

bool load_prepare(struct load *l, struct errmsg *why)
{
    struct buf cql;
    bool good = make_keyspace(l, why);
    buf_init(&cql, WORKLOAD_CQL_MAX);
    for (size_t w = 0; w < SCENARIO_WORKLOADS_MAX && good; w++) {
        for (uint32_t i = 0; l->workloads[w] != NULL && good; i++) {
            buf_clear(&cql);
            if (!workloads_all[w]->schema(l->workloads[w], i, &cql))
                break;
            buf_put_u8(&cql, 0);
            good = make(l, (const char *)cql.data, why);
        }
    }
    buf_close(&cql);
    for (unsigned i = 0; i < l->scenario->clients.count; i++) {
        struct client *c = &l->clients[i];
        c->node = 1 + i % sim_nodes(l->sim);
        c->next = sim_now(l->sim) + rng_between(&l->rng, 0, l->scenario->clients.think_us);
        buf_init(&c->op.cql, WORKLOAD_CQL_MAX);
    }
    return good;
}

/* --- asking */

static enum cql_consistency some_level(struct load *l)
{
    static const enum cql_consistency levels[] = {
#define X(name) CQL_CL_##name,
        SCENARIO_LEVEL_LIST(X)
#undef X
    };
    uint64_t total = 0;
    size_t i = 0;
    for (size_t k = 0; k < ARRAY_LEN(levels); k++)
        total += l->scenario->levels[k];
    uint64_t at = rng_below(&l->rng, total);
    while (at >= l->scenario->levels[i])
        at -= l->scenario->levels[i++];
    return levels[i];
}

static size_t some_workload(struct load *l)
{
    uint64_t total = 0;
    size_t i = 0;
    for (size_t k = 0; k < SCENARIO_WORKLOADS_MAX; k++)
        total += l->scenario->workloads[k];
    uint64_t at = rng_below(&l->rng, total);
    while (at >= l->scenario->workloads[i])
        at -= l->scenario->workloads[i++];
    return i;
}

static void new_op(struct client *c, unsigned number)
{
    struct buf cql = c->op.cql;
    buf_clear(&cql);
    c->op = (struct op){.client = number, .cql = cql};
    c->answer = (struct answer){.reply = NULL};
}

/* Send it to the client's node. */
static void send(struct load *l, struct client *c)
{
    usec timeout = l->scenario->clients.timeout_us;
    c->leaves = rng_chance(&l->rng, l->scenario->clients.leave_ppm);
    if (c->leaves)
        timeout = rng_between(&l->rng, 0, timeout < 20000 ? timeout : 20000);
    c->next = sim_now(l->sim) + timeout;
    char by[32] = "";
    if (c->op.page_size > 0)
        snprintf(by, sizeof by, " by %d rows", (int)c->op.page_size);
    sim_note(l->sim, "client %u asks %u at %s%s: %s", c->op.client, c->node,
             cql_consistency_name(c->op.level), by, (const char *)c->op.cql.data);
    const char *cql = (const char *)c->op.cql.data;
    sim_set_session(l->sim, c->op.session);
    c->request = c->op.name != 0
                     ? sim_ask_named(l->sim, c->node, c->op.level, cql, c->op.name)
                     : sim_ask_paged(l->sim, c->node, c->op.level, cql, c->op.page_size);
    sim_set_session(l->sim, NULL);
}

static void ask(struct load *l, struct client *c)
{
    size_t w = some_workload(l);
    new_op(c, (unsigned)(c - l->clients));
    c->ops = workloads_all[w];
    c->workload = l->workloads[w];
    c->op.level = some_level(l);
    c->op.replicas = workload_replicas(&l->env, c->op.level);
    c->op.start = sim_now(l->sim);
    c->op.node = c->node;
    c->ops->ask(c->workload, &c->op);
    if (c->op.anywhere)
        c->op.node = c->node = some_node(l);
    c->op.replicas = workload_replicas(&l->env, c->op.level);
    buf_put_u8(&c->op.cql, 0);
    l->counts.deletes += c->op.deletes;
    l->counts.writes += c->op.is_write;
    l->counts.reads += !c->op.is_write;
    l->asked++;
    c->asking = true;
    send(l, c);
}

/* --- answers */

/* An unknown end: the client gave up, or the connection broke. */
static const struct sim_reply nothing = {.outcome = SIM_LOST, .message = ""};

static uint64_t held_by(const struct client *c)
{
    return c->ops->held != NULL ? c->ops->held(c->workload) : 0;
}

static void end(struct load *l, struct client *c, const struct sim_reply *r)
{
    c->answer.reply = r;
    c->answer.acked = r->outcome == SIM_OK;
    c->answer.end = sim_now(l->sim);
    l->counts.acked += c->answer.acked && c->op.is_write;
    l->counts.answered += c->answer.acked && !c->op.is_write;
    l->counts.given_up += c->answer.open;
    bool moved = sim_nodes(l->sim) > l->scenario->nodes;
    if (!c->op.is_write && c->op.replicas == 1 && (moved || l->rows_lost))
        c->op.replicas = 0; /* README.md: reads at ONE when ranges have moved */
    uint64_t held = held_by(c);
    if (!c->ops->take(c->workload, &c->op, &c->answer, &l->problem))
        complain(l, c->ops, &c->op);
    l->counts.held += held_by(c) > held;
    if (!c->answer.acked || rng_chance(&l->rng, 50000))
        c->node = some_node(l);
    c->asking = false;
    c->next = sim_now(l->sim) + rng_between(&l->rng, 1, l->scenario->clients.think_us);
}

static bool asks_again(struct load *l, const struct client *c)
{
    usec window = l->scenario->limits.counter_window_us;
    if (c->op.name != 0 && /* what is promised is for so long; an attempt may be held up, too */
        sim_now(l->sim) - c->op.start > (window > 0 ? window : 30 * USEC_PER_SEC) / 4)
        return false;
    return !l->stopped && (!c->op.is_write || c->op.repeatable) &&
           rng_chance(&l->rng, l->scenario->clients.retry_ppm);
}

static void no_good_answer(struct load *l, struct client *c, const struct sim_reply *r)
{
    if (!asks_again(l, c)) {
        end(l, c, r);
        return;
    }
    l->counts.again++;
    c->answer.again = true;
    c->node = some_node(l);
    send(l, c);
}

static void hear(struct load *l, struct client *c)
{
    uint64_t request = c->request;
    const struct sim_reply *r = sim_reply_of(l->sim, request);
    sim_note(l->sim, "client %u hears: %s", c->op.client, sim_say(l->sim, r));
    bool odd = r->outcome == SIM_ERROR && !workload_error_is_expected(r->code);
    if (r->outcome == SIM_OK || odd)
        end(l, c, r);
    else
        no_good_answer(l, c, r);
    sim_forget(l->sim, request);
}

/* Nobody will look at the answer, but the request may still be executed. */
static void give_up(struct load *l, struct client *c)
{
    sim_note(l->sim, "client %u %s", c->op.client, c->leaves ? "hangs up" : "gives up");
    if (c->leaves)
        sim_hang_up(l->sim, c->node);
    l->abandoned =
        mem_grow(l->abandoned, l->abandoned_count, &l->abandoned_cap, sizeof *l->abandoned);
    l->abandoned[l->abandoned_count++] = c->request;
    c->answer.open = true;
    no_good_answer(l, c, &nothing);
}

static void take_all(struct load *l)
{
    for (unsigned i = 0; i < l->scenario->clients.count && !l->failed; i++) {
        struct client *c = &l->clients[i];
        if (!c->asking)
            continue;
        if (sim_reply_of(l->sim, c->request)->outcome != SIM_PENDING)
            hear(l, c);
        else if (c->next <= sim_now(l->sim))
            give_up(l, c);
    }
    for (size_t i = 0; i < l->abandoned_count;) {
        if (sim_reply_of(l->sim, l->abandoned[i])->outcome == SIM_PENDING) {
            i++;
            continue;
        }
        sim_forget(l->sim, l->abandoned[i]);
        l->abandoned[i] = l->abandoned[--l->abandoned_count];
    }
}

usec load_next(const struct load *l)
{
    usec next = USEC_NEVER;
    for (unsigned i = 0; i < l->scenario->clients.count; i++) {
        if (l->clients[i].next < next)
            next = l->clients[i].next;
    }
    return next;
}

void load_act(struct load *l)
{
    take_all(l);
    uint64_t max = l->scenario->clients.requests_max;
    for (unsigned i = 0; i < l->scenario->clients.count && !l->failed; i++) {
        struct client *c = &l->clients[i];
        if (c->asking || c->next > sim_now(l->sim))
            continue;
        if (max == 0 || l->asked < max)
            ask(l, c);
        else
            c->next = USEC_NEVER;
    }
}

void load_disk_lost(struct load *l)
{
    for (size_t i = 0; i < SCENARIO_WORKLOADS_MAX; i++) {
        if (l->workloads[i] != NULL && workloads_all[i]->disk_lost != NULL)
            workloads_all[i]->disk_lost(l->workloads[i], sim_now(l->sim));
    }
}

void load_rows_lost(struct load *l)
{
    l->rows_lost = true;
}

void load_stop(struct load *l)
{
    l->stopped = true;
}

bool load_settled(struct sim *s, void *load)
{
    struct load *l = load;
    (void)s;
    take_all(l);
    for (unsigned i = 0; i < l->scenario->clients.count; i++) {
        if (l->clients[i].asking)
            return l->failed;
    }
    return true;
}

/* --- in the end */

static void read_one(struct load *l, const struct workload_ops *ops, void *w, struct op *op)
{
    const char *cql = (const char *)op->cql.data;
    uint64_t request = 0;
    op->start = sim_now(l->sim);
    const struct sim_reply *r = ask_and_wait(l, op->level, cql, &request);
    for (int i = 1; i < FINAL_TRIES && r->outcome != SIM_OK; i++) {
        sim_forget(l->sim, request);
        op->start = sim_now(l->sim);
        r = ask_and_wait(l, op->level, cql, &request);
    }
    sim_note(l->sim, "in the end %s: %s", cql, sim_say(l->sim, r));
    struct answer a = {.reply = r, .acked = r->outcome == SIM_OK, .end = sim_now(l->sim)};
    bool good = a.acked ? ops->take(w, op, &a, &l->problem)
                        : errmsg_set(&l->problem, ERR_FAILED, "%s at ALL after healing: %s %s", cql,
                                     sim_say(l->sim, r), r->message) == ERR_OK;
    if (!good)
        complain(l, ops, op);
    sim_forget(l->sim, request);
}

bool load_read_all(struct load *l)
{
    struct client *c = &l->clients[0]; /* all are idle: its buffer serves */
    for (size_t w = 0; w < SCENARIO_WORKLOADS_MAX; w++) {
        for (uint32_t i = 0; l->workloads[w] != NULL && !l->failed; i++) {
            new_op(c, 0);
            c->op.level = CQL_CL_ALL;
            c->op.replicas = workload_replicas(&l->env, CQL_CL_ALL);
            c->op.start = sim_now(l->sim);
            c->op.final = true;
            if (!workloads_all[w]->final(l->workloads[w], i, &c->op))
                break;
            buf_put_u8(&c->op.cql, 0);
            read_one(l, workloads_all[w], l->workloads[w], &c->op);
        }
    }
    return !l->failed;
}
