/* watch_agree.c - what a node takes to be agreed, and may forget deletions for, is so: every
 * replica of its ring has it durably, and what its minter had before it.
 *
 * (docs/versions.md, "Tombstones go by proof": who has agreed to a dot knows that each replica has
 * completed a pull from each since that had it; so nothing that was minted before it is on its way
 * to anybody.) */
#include "node/heal/heal.h"
#include "node/schema/schema.h"
#include "node/sim/watch_core.h"

#include <inttypes.h>

#define MEETING_MAX 16 /* replicas of a range, now and later; more are not looked at */

struct meeting {
    struct watch *w;
    unsigned node; /* whose agreement it is */
    keyspace_no keyspace;
    range_no range;
    const struct clock *agreed;
    unsigned members[MEETING_MAX]; /* machines that are up and have the same ring */
    struct clock durable[MEETING_MAX];
    size_t count;
};

static void invite(struct meeting *m, struct replicas replicas)
{
    struct cluster *ours = node_cluster(m->w->sim->machines[m->node].node);
    for (uint32_t i = 0; i < replicas.count; i++) {
        unsigned at = watch_machine_of(m->w->sim, replicas.node[i]);
        struct node *n = at != 0 ? m->w->sim->machines[at].node : NULL;
        if (n == NULL || cluster_ring_epoch(node_cluster(n)) != cluster_ring_epoch(ours) ||
            m->count == MEETING_MAX)
            continue;
        enum err err = engine_range_error(node_engine(n), m->keyspace, m->range);
        if (err != ERR_OK && err != ERR_UNAVAILABLE)
            continue; /* a clock that cannot be read claims nothing, and its range is not served */
        struct clock *d = &m->durable[m->count];
        clock_init(d);
        if (engine_durable_clock(node_engine(n), m->keyspace, m->range, d))
            m->members[m->count++] = at;
        else
            clock_close(d);
    }
}

static bool fail(const struct meeting *m, unsigned who, struct actor actor, uint64_t n)
{
    return watch_fail(m->w,
                      "node %u has agreed about range %" PRIu32 " of keyspace %" PRIu32
                      ", but node %u does not have dot (%" PRIu32 ", %" PRIu32 ", %" PRIu64 ")",
                      m->node, m->range, m->keyspace, who, actor.node, actor.boot, n);
}

static uint64_t first_of(const struct clock_entry *e)
{
    return e->base > 0 ? 1 : e->runs[0].first;
}

/* All that is agreed, node `at` of the meeting has. */
static bool has_agreed(const struct meeting *m, size_t at)
{
    struct clock lack;
    bool good = true;
    clock_init(&lack);
    clock_missing(m->agreed, &m->durable[at], &lack);
    if (lack.count > 0)
        good = fail(m, m->members[at], lack.entries[0].actor, first_of(&lack.entries[0]));
    clock_close(&lack);
    return good;
}

/* And what the `minter` has of its own that it minted before that. */
static bool has_before(const struct meeting *m, size_t at, size_t minter)
{
    const struct node *n = m->w->sim->machines[m->members[minter]].node;
    node_no number = meta_self(node_meta((struct node *)n));
    struct clock lack;
    bool good = true;
    clock_init(&lack);
    clock_missing(&m->durable[minter], &m->durable[at], &lack);
    for (size_t i = 0; i < lack.count && good; i++) {
        const struct clock_entry *e = &lack.entries[i];
        if (e->actor.node == number && first_of(e) <= clock_top(m->agreed, e->actor))
            good = fail(m, m->members[at], e->actor, first_of(e));
    }
    clock_close(&lack);
    return good;
}

static bool look_at(struct watch *w, unsigned node, keyspace_no keyspace, range_no range,
                    const struct placement *p)
{
    struct meeting m = {.w = w, .node = node, .keyspace = keyspace, .range = range};
    bool good = true;
    struct heal *h = node_heal(w->sim->machines[node].node);
    m.agreed = h != NULL ? heal_agreed(h, keyspace, range) : NULL;
    if (m.agreed == NULL || clock_empty(m.agreed))
        return true;
    invite(&m, placement_replicas(p, range));
    invite(&m, placement_pending(p, range));
    for (size_t i = 0; i < m.count && good; i++) {
        good = has_agreed(&m, i);
        for (size_t k = 0; k < m.count && good; k++)
            good = has_before(&m, i, k);
    }
    for (size_t i = 0; i < m.count; i++)
        clock_close(&m.durable[i]);
    w->count.agreed++;
    return good;
}

bool watch_agree(struct watch *w, unsigned node)
{
    struct node *n = w->sim->machines[node].node;
    bool good = true;
    if (n == NULL)
        return true;
    const struct schema *schema = meta_schema(node_meta(n));
    for (uint32_t i = 0; i < schema->keyspace_count && good; i++) {
        keyspace_no keyspace = schema->keyspaces[i]->no;
        const struct placement *p = cluster_placement(node_cluster(n), keyspace);
        for (range_no range = 0; p != NULL && range < p->ranges && good; range++)
            good = look_at(w, node, keyspace, range, p);
    }
    return good;
}

bool watch_trees(struct watch *w, unsigned node)
{
    struct node *n = w->sim->machines[node].node;
    struct heal *h = n != NULL ? node_heal(n) : NULL;
    if (h == NULL || w->sim->damaged)
        return true;
    uint64_t doubtful = heal_stats(h).doubtful;
    uint64_t wrong = engine_stats(node_engine(n)).leaves_wrong;
    if (doubtful > 0)
        return watch_fail(w, "node %u got %" PRIu64 " rows that its clocks said it had", node,
                          doubtful);
    return wrong == 0 ||
           watch_fail(w, "node %u: %" PRIu64 " leaves have changed on their own", node, wrong);
}
