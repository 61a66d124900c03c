/* The hybrid clock, and whether what it says can be believed.
 *
 * Every message carries its sender's clock. A peer that is further ahead than max_clock_offset is
 * not followed; so if it is ours that is wrong, what we stamp would lose, or win, against what the
 * others stamp, and nobody would be told. When most of those we hear from are so far away on the
 * same side, it is ours that is wrong: then a write that brings no timestamp is refused here.
 * It is refused as IS_BOOTSTRAPPING: the one error of the protocol that says "this coordinator
 * cannot, nothing was done, ask the next one", which is what drivers then do, whatever the
 * statement is; the clock of the next one is right.
 *
 * A message that was held up makes its sender look late. So of each peer the best of the last five
 * to ten seconds counts. */
#include "node/node_core.h"

#include <inttypes.h>
#include <stdio.h>

#define TENTH      (100 * USEC_PER_MS)
#define BEST_OF    (5 * USEC_PER_SEC)
#define FACT_HLC   "n/hlc"
#define KEPT_AHEAD (100 * USEC_PER_MS) /* below any max_clock_offset of use: peers follow it */

static int64_t clock_now(const struct node *n)
{
    return n->now.wall > n->hlc ? n->now.wall : n->hlc;
}

int64_t clock_tell(struct node *n)
{
    n->hlc = clock_now(n);
    return n->hlc;
}

int64_t node_timestamp(struct node *n)
{
    n->hlc = n->now.wall > n->hlc ? n->now.wall : n->hlc + 1;
    return n->hlc;
}

/* A wall clock that was put back while we were away is no reason to stamp what is older than what
 * we have stamped. */
void clock_start(struct node *n)
{
    struct buf value;
    buf_init(&value, 64);
    if (engine_fact_get(n->engine, BYTES_LIT(FACT_HLC), &value) == ERR_OK && value.len == 8)
        n->hlc_kept = (int64_t)load_u64(value.data);
    buf_close(&value);
    n->hlc = n->now.wall > n->hlc_kept ? n->now.wall : n->hlc_kept;
}

/* It is written before, and so durable no later than, what is stamped: one small put each tenth of
 * a second of writing. */
void clock_keep(struct node *n)
{
    uint8_t value[8];
    if (n->hlc <= n->hlc_kept)
        return;
    n->hlc_kept = n->hlc + KEPT_AHEAD;
    store_u64(value, (uint64_t)n->hlc_kept);
    engine_fact_put(n->engine, BYTES_LIT(FACT_HLC), bytes_make(value, sizeof value), 0);
}

static void note(struct node *n, struct peer *p, int64_t ahead)
{
    if (n->now.mono >= p->ahead_until) {
        p->ahead_before = p->ahead_until == 0 ? ahead : p->ahead;
        p->ahead = ahead;
        p->ahead_until = n->now.mono + BEST_OF;
    }
    p->ahead = ahead > p->ahead ? ahead : p->ahead;
}

/* Once, until it can be followed again. */
static void refuse(struct node *n, struct peer *p, int64_t ahead)
{
    const struct cluster_node *of = p != NULL ? cluster_find(n->cluster, p->node) : NULL;
    char text[ENDPOINT_TEXT_SIZE];
    n->hlc_refused++;
    if (of == NULL || p->clock_refused)
        return;
    p->clock_refused = true;
    node_log(n, true,
             "the clock of node %u at %s is %" PRId64 " ms ahead of ours, more than the %" PRId64
             " of max_clock_offset -> not followed",
             p->node, endpoint_text(&of->endpoint, text), ahead / USEC_PER_MS,
             n->config.clock_offset_max_us / USEC_PER_MS);
}

bool clock_follow(struct node *n, int64_t hlc)
{
    if (hlc <= n->hlc)
        return true;
    if (hlc - n->now.wall > n->config.clock_offset_max_us)
        return false;
    n->hlc = hlc;
    return true;
}

void clock_heard(struct node *n, struct peer *p, int64_t hlc)
{
    int64_t ahead = hlc - n->now.wall;
    if (p != NULL)
        note(n, p, ahead);
    if (p != NULL && ahead <= n->config.clock_offset_max_us)
        p->clock_refused = false;
    if (!clock_follow(n, hlc))
        refuse(n, p, ahead);
}

/* How many peers are heard from, and how many of them are ahead of, or behind, a clock that is
 * `lead` ahead of our wall clock, by more than what is allowed. */
struct opinions {
    size_t heard, ahead, behind;
    int64_t ahead_by, behind_by; /* at least, us */
};

static struct opinions ask_peers(const struct node *n, int64_t lead, int64_t allowed)
{
    struct opinions o = {0};
    for (size_t i = 0; i < n->peers_count; i++) {
        const struct peer *p = &n->peers[i];
        if (p->ahead_until == 0 || !peer_is_alive(n, p->node))
            continue;
        int64_t off = (p->ahead > p->ahead_before ? p->ahead : p->ahead_before) - lead;
        o.heard++;
        if (off > allowed)
            o.ahead_by = o.ahead++ == 0 || off < o.ahead_by ? off : o.ahead_by;
        if (off < -allowed)
            o.behind_by = o.behind++ == 0 || -off < o.behind_by ? -off : o.behind_by;
    }
    return o;
}

static enum clock_fault fault_of(const struct opinions *o)
{
    if (o->ahead * 2 > o->heard)
        return CLOCK_BEHIND;
    return o->behind * 2 > o->heard ? CLOCK_AHEAD : CLOCK_GOOD;
}

/* Our hybrid clock is compared with theirs. So is our wall clock, which what is kept of a former
 * life may hide for a while: their hybrid clocks may be as far before their wall clocks as is
 * allowed. */
static enum clock_fault find_fault(struct node *n, struct opinions *ret)
{
    int64_t allowed = n->config.clock_offset_max_us;
    int64_t lead = clock_now(n) - n->now.wall;
    struct opinions of_wall = ask_peers(n, 0, allowed);
    *ret = ask_peers(n, lead, allowed);
    if (fault_of(ret) == CLOCK_AHEAD && lead > 0 && fault_of(&of_wall) == CLOCK_GOOD) {
        /* Perhaps our clock was wrong and has been put right, and what we stamped meanwhile holds
         * the hybrid clock up. Nobody has followed it. */
        node_log(n, true, "our clock was %" PRId64 " ms ahead -> stamping by the right time",
                 lead / USEC_PER_MS);
        n->hlc = n->now.wall;
        n->hlc_kept = 0;
        return CLOCK_GOOD;
    }
    of_wall = ask_peers(n, 0, 2 * allowed);
    if (fault_of(&of_wall) != CLOCK_GOOD)
        *ret = of_wall;
    return fault_of(ret);
}

static void describe(struct node *n, enum clock_fault fault, const struct opinions *o)
{
    char ip[ENDPOINT_TEXT_SIZE];
    const struct cluster_node *self = cluster_find(n->cluster, cluster_self(n->cluster));
    bool is_ahead = fault == CLOCK_AHEAD;
    int64_t by = (is_ahead ? o->behind_by : o->ahead_by) + TENTH / 2;
    snprintf(n->clock_text, sizeof n->clock_text,
             "The clock of node %u (%s) is %" PRId64 ".%" PRId64
             " s %s those of %zu of the %zu nodes that it hears, and max_clock_offset is %" PRId64
             " ms: it gives no timestamps until its clock is right. Ask another node",
             (unsigned)cluster_self(n->cluster),
             self != NULL ? endpoint_ip_text(&self->endpoint, ip) : "?", by / USEC_PER_SEC,
             by % USEC_PER_SEC / TENTH, is_ahead ? "ahead of" : "behind",
             is_ahead ? o->behind : o->ahead, o->heard,
             n->config.clock_offset_max_us / USEC_PER_MS);
}

const char *clock_problem(struct node *n)
{
    struct opinions o;
    enum clock_fault fault = find_fault(n, &o);
    if (fault != CLOCK_GOOD)
        describe(n, fault, &o);
    if (fault != n->clock_fault)
        node_log(n, fault != CLOCK_GOOD, "%s",
                 fault != CLOCK_GOOD ? n->clock_text
                                     : "our clock agrees with most others -> stamping writes");
    n->clock_fault = fault;
    n->clock_off = fault == CLOCK_AHEAD ? o.behind_by : fault == CLOCK_BEHIND ? -o.ahead_by : 0;
    coord_set_clock_doubtful(n->coord, fault != CLOCK_GOOD);
    return fault != CLOCK_GOOD ? n->clock_text : NULL;
}

struct now clock_as_others(const struct node *n)
{
    return (struct now){n->now.mono, n->now.wall - n->clock_off};
}

/* Of our clock, that of the others, and what either of us has said: none of us has dropped what
 * expires later, by whatever clocks were put back meanwhile. */
int64_t clock_latest(const struct node *n)
{
    int64_t others = clock_as_others(n).wall, ours = clock_now(n);
    return others > ours ? others : ours;
}

/* What an IF is stamped with: above all that it has read, whoever stamped that, and above all that
 * the replicas have heard of. */
int64_t clock_above(struct node *n, const struct scan_result *rows)
{
    int64_t stamp = node_timestamp(n);
    for (size_t i = 0; i < rows->parts_count; i++) {
        int64_t newest = part_max_timestamp(&rows->parts[i]);
        if (newest >= stamp && newest < INT64_MAX - 1)
            stamp = newest + 1;
    }
    return stamp;
}
