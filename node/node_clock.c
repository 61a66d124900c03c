/* The hybrid clock, and whether what it says can be believed.
 *
 * Every message carries its sender's clock. A peer that is further ahead than max_clock_offset is
 * not followed; so if it is ours that is wrong, what we stamp would lose, or win, against what the
 * others stamp, and nobody would be told. When most of those we hear from are so far away on the
 * same side, it is ours that is wrong: then a write that brings no timestamp is refused here.
 *
 * A message that was held up makes its sender look late. So of each peer the best of the last five
 * to ten seconds counts. */
#include "node/node_core.h"

#include <inttypes.h>

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

/* How many peers are heard from, and how many of them are too far ahead of, or behind, a clock that
 * is `lead` ahead of our wall clock. */
struct opinions {
    size_t heard, ahead, behind;
};

static struct opinions ask_peers(const struct node *n, int64_t lead)
{
    struct opinions o = {0};
    for (size_t i = 0; i < n->peers_count; i++) {
        const struct peer *p = &n->peers[i];
        if (p->ahead_until == 0 || !peer_is_alive(n, p->node))
            continue;
        int64_t off = (p->ahead > p->ahead_before ? p->ahead : p->ahead_before) - lead;
        o.heard++;
        o.ahead += off > n->config.clock_offset_max_us;
        o.behind += off < -n->config.clock_offset_max_us;
    }
    return o;
}

static const char *find_problem(struct node *n)
{
    int64_t lead = clock_now(n) - n->now.wall;
    struct opinions o = ask_peers(n, lead);
    if (o.behind * 2 > o.heard && lead > 0) {
        /* Perhaps our clock was wrong and has been put right, and what we stamped meanwhile holds
         * the hybrid clock up. Nobody has followed it. */
        struct opinions of_wall = ask_peers(n, 0);
        if ((of_wall.ahead + of_wall.behind) * 2 <= of_wall.heard) {
            node_log(n, true, "our clock was %" PRId64 " ms ahead -> stamping by the right time",
                     lead / 1000);
            n->hlc = n->now.wall;
            n->hlc_kept = 0;
            return NULL;
        }
    }
    if (o.ahead * 2 > o.heard)
        return "The clock of this node is behind those of most others: it gives no timestamps";
    if (o.behind * 2 > o.heard)
        return "The clock of this node is ahead of those of most others: it gives no timestamps";
    return NULL;
}

const char *clock_problem(struct node *n)
{
    const char *problem = find_problem(n);
    if (problem != n->clock_problem)
        node_log(n, problem != NULL, "%s",
                 problem != NULL ? problem
                                 : "our clock agrees with most others -> stamping writes");
    n->clock_problem = problem;
    coord_set_clock_doubtful(n->coord, problem != NULL);
    return problem;
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
