#include "node/sim/run/load.h"

#include "base/mem.h"
#include "base/rng.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define REGISTERS     24
#define STAMPED       12
#define SETS          8
#define IDS_MAX       4096
#define THINK_MAX     (40 * USEC_PER_MS)
#define BACK_DATE_MAX (2 * USEC_PER_SEC)
#define FIRST_STAMP   INT64_C(1767225600000000)
#define STATEMENT_MAX 256

enum what { READ_REGISTER, READ_SET, WRITE };

struct client {
    unsigned node;
    usec next; /* NEVER: waits */
    uint64_t request;
    enum what what;
    uint32_t key;
    size_t write;
    bool quorum;
};

struct load {
    struct sim *sim;
    struct history *history;
    struct rng rng;
    struct client clients[RUN_CLIENTS_MAX];
    unsigned count;
    int64_t values; /* the last unique value or id */
    int64_t last_stamp;
    struct errmsg problem;
    bool failed;
    uint64_t writes, acked, reads, refused;
};

struct load *load_new(struct sim *sim, unsigned clients, usec skew_us)
{
    struct load *l = mem_new(struct load);
    l->sim = sim;
    l->count = clients < RUN_CLIENTS_MAX ? clients : RUN_CLIENTS_MAX;
    l->rng = rng_fork(sim_rng(sim));
    l->history = history_new(REGISTERS, STAMPED, SETS, skew_us);
    return l;
}

void load_free(struct load *l)
{
    if (l == NULL)
        return;
    history_free(l->history);
    mem_free(l);
}

bool load_prepare(struct load *l, struct errmsg *why)
{
    static const char *const statements[] = {
        "CREATE KEYSPACE r WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 3}",
        "CREATE TABLE r.reg (k int PRIMARY KEY, v bigint)",
        "CREATE TABLE r.items (k int, id bigint, PRIMARY KEY (k, id))",
    };
    for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
        const struct sim_reply *r = sim_cql(l->sim, 1, CQL_CL_QUORUM, "%s", statements[i]);
        if (r->outcome != SIM_OK)
            return errmsg_set(why, ERR_FAILED, "%s: %s %s", statements[i], sim_say(l->sim, r),
                              r->message) == ERR_OK;
    }
    for (unsigned i = 0; i < l->count; i++) {
        l->clients[i].node = 1 + i % sim_nodes(l->sim);
        l->clients[i].next = sim_now(l->sim) + rng_between(&l->rng, 0, THINK_MAX);
    }
    return true;
}

const char *load_problem(const struct load *l)
{
    return l->failed ? l->problem.text : NULL;
}

void load_count(const struct load *l, struct run_result *ret)
{
    ret->writes = l->writes;
    ret->acked = l->acked;
    ret->reads = l->reads;
    ret->refused = l->refused;
}

/* --- asking */

static bool is_quorum(enum cql_consistency level)
{
    return level == CQL_CL_QUORUM || level == CQL_CL_ALL || level == CQL_CL_LOCAL_QUORUM;
}

static enum cql_consistency some_level(struct load *l)
{
    static const enum cql_consistency levels[] = {CQL_CL_ONE,    CQL_CL_TWO, CQL_CL_QUORUM,
                                                  CQL_CL_QUORUM, CQL_CL_ALL, CQL_CL_LOCAL_QUORUM};
    return levels[rng_below(&l->rng, ARRAY_LEN(levels))];
}

/* Unique, and mostly the present; now and then from the past. */
static int64_t some_stamp(struct load *l)
{
    l->last_stamp = l->last_stamp + 1 > sim_now(l->sim) ? l->last_stamp + 1 : sim_now(l->sim);
    int64_t stamp = l->last_stamp;
    if (rng_chance(&l->rng, 100000))
        stamp -= rng_between(&l->rng, 1, BACK_DATE_MAX);
    return FIRST_STAMP + stamp * 1024 + l->values % 1024;
}

static void write_register(struct load *l, struct client *c, char *cql)
{
    usec now = sim_now(l->sim);
    char stamp[64] = "";
    int64_t at = 0;
    int64_t value = ++l->values;
    c->key = (uint32_t)rng_below(&l->rng, REGISTERS);
    if (c->key < STAMPED) {
        at = some_stamp(l);
        snprintf(stamp, sizeof stamp, " USING TIMESTAMP %" PRId64, at);
    }
    uint64_t choice = rng_below(&l->rng, 10);
    if (choice < 2) {
        c->write = history_delete(l->history, c->key, at, now);
        snprintf(cql, STATEMENT_MAX, "DELETE FROM r.reg%s WHERE k = %u", stamp, c->key);
        return;
    }
    c->write = history_put(l->history, c->key, value, at, now);
    if (choice < 5)
        snprintf(cql, STATEMENT_MAX, "UPDATE r.reg%s SET v = %" PRId64 " WHERE k = %u", stamp,
                 value, c->key);
    else
        snprintf(cql, STATEMENT_MAX, "INSERT INTO r.reg (k, v) VALUES (%u, %" PRId64 ")%s", c->key,
                 value, stamp);
}

static void write_set(struct load *l, struct client *c, char *cql)
{
    usec now = sim_now(l->sim);
    uint64_t choice = rng_below(&l->rng, 100);
    c->key = (uint32_t)rng_below(&l->rng, SETS);
    int64_t some = l->values > 0 ? rng_between(&l->rng, 1, l->values) : 1;
    if (choice < 1) {
        c->write = history_remove(l->history, c->key, INT64_MIN, INT64_MAX, now);
        snprintf(cql, STATEMENT_MAX, "DELETE FROM r.items WHERE k = %u", c->key);
    } else if (choice < 4) {
        c->write = history_remove(l->history, c->key, some, some + 49, now);
        snprintf(cql, STATEMENT_MAX,
                 "DELETE FROM r.items WHERE k = %u AND id >= %" PRId64 " AND id < %" PRId64, c->key,
                 some, some + 50);
    } else if (choice < 20) {
        c->write = history_remove(l->history, c->key, some, some, now);
        snprintf(cql, STATEMENT_MAX, "DELETE FROM r.items WHERE k = %u AND id = %" PRId64, c->key,
                 some);
    } else {
        c->write = history_insert(l->history, c->key, ++l->values, now);
        snprintf(cql, STATEMENT_MAX, "INSERT INTO r.items (k, id) VALUES (%u, %" PRId64 ")", c->key,
                 l->values);
    }
}

static void read_statement(struct client *c, char *cql)
{
    if (c->what == READ_REGISTER)
        snprintf(cql, STATEMENT_MAX, "SELECT v FROM r.reg WHERE k = %u", c->key);
    else
        snprintf(cql, STATEMENT_MAX, "SELECT id FROM r.items WHERE k = %u", c->key);
}

static void ask(struct load *l, struct client *c)
{
    char cql[STATEMENT_MAX];
    enum cql_consistency level = some_level(l);
    uint64_t choice = rng_below(&l->rng, 100);
    c->quorum = is_quorum(level);
    c->what = choice < 65 ? WRITE : choice < 90 ? READ_REGISTER : READ_SET;
    if (choice < 35) {
        write_register(l, c, cql);
    } else if (choice < 65) {
        write_set(l, c, cql);
    } else {
        c->key = (uint32_t)rng_below(&l->rng, c->what == READ_REGISTER ? REGISTERS : SETS);
        read_statement(c, cql);
    }
    l->writes += c->what == WRITE;
    l->reads += c->what != WRITE;
    c->next = USEC_NEVER;
    sim_note(l->sim, "client %u asks %u at %s: %s", (unsigned)(c - l->clients), c->node,
             cql_consistency_name(level), cql);
    c->request = sim_ask(l->sim, c->node, level, cql);
}

/* --- answers */

static bool is_expected(enum cql_error_code code)
{
    switch (code) {
    case CQL_ERROR_SERVER: /* not ready yet */
    case CQL_ERROR_UNAVAILABLE:
    case CQL_ERROR_OVERLOADED:
    case CQL_ERROR_BOOTSTRAPPING:
    case CQL_ERROR_WRITE_TIMEOUT:
    case CQL_ERROR_READ_TIMEOUT:
    case CQL_ERROR_WRITE_FAILURE:
    case CQL_ERROR_READ_FAILURE: return true;
    default: return false;
    }
}

static int64_t big(const struct sim_cell *c)
{
    return c->is_null || c->bytes.len != 8 ? HISTORY_NOTHING : (int64_t)load_u64(c->bytes.data);
}

static void check_read(struct load *l, enum what what, uint32_t key, const struct sim_reply *r,
                       enum read_kind kind)
{
    static int64_t ids[IDS_MAX];
    bool good;
    if (what == READ_REGISTER) {
        int64_t value = r->rows == 0 ? HISTORY_NOTHING : big(&r->cells[0]);
        good =
            history_read_register(l->history, key, value, r->asked, r->answered, kind, &l->problem);
    } else {
        ASSERT(r->rows <= IDS_MAX);
        for (uint32_t i = 0; i < r->rows; i++)
            ids[i] = big(&r->cells[i]);
        good = history_read_set(l->history, key, ids, r->rows, r->asked, r->answered, kind,
                                &l->problem);
    }
    l->failed |= !good;
}

static void take(struct load *l, struct client *c)
{
    const struct sim_reply *r = sim_reply_of(l->sim, c->request);
    bool ok = r->outcome == SIM_OK;
    l->refused += !ok;
    sim_note(l->sim, "client %u hears: %s", (unsigned)(c - l->clients), sim_say(l->sim, r));
    if (r->outcome == SIM_ERROR && !is_expected(r->code)) {
        l->failed = true;
        (void)errmsg_set(&l->problem, ERR_FAILED, "node %u answered: %s", c->node, r->message);
        return;
    }
    if (c->what == WRITE) {
        l->acked += ok;
        history_written(l->history, c->write, r->answered, ok, c->quorum);
    } else if (ok) {
        check_read(l, c->what, c->key, r, c->quorum ? READ_QUORUM : READ_WEAK);
    }
    if (!ok || rng_chance(&l->rng, 50000))
        c->node = (unsigned)rng_between(&l->rng, 1, sim_nodes(l->sim));
    c->next = sim_now(l->sim) + rng_between(&l->rng, 1, THINK_MAX);
    sim_forget(l->sim, c->request);
}

static void take_all(struct load *l)
{
    for (unsigned i = 0; i < l->count && !l->failed; i++) {
        struct client *c = &l->clients[i];
        if (c->next == USEC_NEVER && sim_reply_of(l->sim, c->request)->outcome != SIM_PENDING)
            take(l, c);
    }
}

usec load_next(const struct load *l)
{
    usec next = USEC_NEVER;
    for (unsigned i = 0; i < l->count; i++) {
        if (l->clients[i].next < next)
            next = l->clients[i].next;
    }
    return next;
}

void load_act(struct load *l)
{
    take_all(l);
    for (unsigned i = 0; i < l->count && !l->failed; i++) {
        if (l->clients[i].next <= sim_now(l->sim))
            ask(l, &l->clients[i]);
    }
}

bool load_settled(struct sim *s, void *load)
{
    struct load *l = load;
    (void)s;
    take_all(l);
    for (unsigned i = 0; i < l->count; i++) {
        if (l->clients[i].next == USEC_NEVER)
            return l->failed;
    }
    return true;
}

bool load_read_all(struct load *l)
{
    for (uint32_t i = 0; i < REGISTERS + SETS && !l->failed; i++) {
        struct client c = {.what = i < REGISTERS ? READ_REGISTER : READ_SET,
                           .key = i < REGISTERS ? i : i - REGISTERS};
        char cql[STATEMENT_MAX];
        read_statement(&c, cql);
        c.node = (unsigned)rng_between(&l->rng, 1, sim_nodes(l->sim));
        const struct sim_reply *r = sim_cql(l->sim, c.node, CQL_CL_ALL, "%s", cql);
        if (r->outcome == SIM_OK) {
            check_read(l, c.what, c.key, r, READ_FINAL);
            continue;
        }
        l->failed = true;
        (void)errmsg_set(&l->problem, ERR_FAILED, "%s at ALL after healing, by node %u: %s", cql,
                         c.node, sim_say(l->sim, r));
    }
    return !l->failed;
}
