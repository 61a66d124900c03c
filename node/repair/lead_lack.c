/* lead_lack.c - a range is equal when all its replicas have what any of them had when the run came
 * to it.
 *
 * Sessions compare what both sides have by their clocks (the cut, docs/healing.md); the rest is
 * handoff's, and may take long. So a unit has a clock, WANTED: at first what its leader had when it
 * was first compared, then with each peer what that one had then. When all are compared:
 *
 *   everybody has WANTED ------------------------------------------------> done
 *   somebody lacks of it --look again, later and later--> compared again --+
 *      |                                                                  |
 *      +--nothing came to it for `brings_us`; a preview: after one look --+--> failed, with how
 * much
 *
 * What is written while the run goes on is not in it, but for what came between two peers. When all
 * of a range was compared, whatever the clocks are, nothing was left out and nothing lacks. */
#include "node/repair/repair_core.h"

#include "base/mutant.h"

#define PREVIEW_LOOKS 1u /* what was just on its way has come by then */

static void clear(struct clock *c)
{
    clock_close(c);
    clock_init(c);
}

void lack_forget(struct unit *u)
{
    clear(&u->wanted);
    clear(&u->has);
    for (size_t i = 0; i < u->peers_count; i++)
        clear(&u->peers[i].has);
}

void lack_heard(struct unit *u, struct unit_peer *p, const struct repair_found *found)
{
    struct clock here, there;
    clock_init(&here);
    clock_init(&there);
    if (found->here.len > 0 && clock_decode(found->here, &here) == ERR_OK &&
        clock_decode(found->there, &there) == ERR_OK) {
        if (!u->opened)
            clock_merge(&u->wanted, &here);
        if (!p->heard)
            clock_merge(&u->wanted, &there);
        u->opened = p->heard = true;
        if (found->all) {
            clock_merge(&here, &there);
            clock_merge(&there, &here);
        }
        clock_copy(&p->has, &there);
        clock_merge(&u->has, &here);
    }
    clock_close(&here);
    clock_close(&there);
}

void lack_anew(struct unit *u, struct now now)
{
    bool begun = u->running && u->asked < now.mono;
    for (size_t i = 0; i < u->peers_count; i++)
        begun = begun || u->peers[i].settled;
    u->anew |= begun;
}

static uint64_t count_lacks(const struct unit *u, const struct clock *has)
{
    struct clock missing;
    clock_init(&missing);
    clock_missing(&u->wanted, has, &missing);
    uint64_t count = clock_count(&missing);
    clock_close(&missing);
    return count;
}

/* --- whether it gets on */

static struct came *came_to(struct leading *l, node_no node)
{
    size_t at = 0;
    while (at + 1 < ARRAY_LEN(l->came) && l->came[at].node != node && l->came[at].node != 0)
        at++;
    if (l->came[at].node != node)
        l->came[at] = (struct came){.node = node};
    return &l->came[at];
}

static void note(struct repair *r, struct now now, node_no node, uint64_t lacks, uint64_t before)
{
    if (lacks < before)
        came_to(&r->leading, node)->at = now.mono;
}

static bool gets_on(struct repair *r, struct now now, const struct unit *u, node_no node)
{
    usec since = came_to(&r->leading, node)->at;
    since = since > u->lacks_since ? since : u->lacks_since;
    return u->preview ? u->looks < PREVIEW_LOOKS : now.mono - since < r->config.brings_us;
}

/* --- when all are compared */

static bool is_compared(const struct unit_peer *p)
{
    return p->settled && p->err == ERR_OK;
}

/* What each lacks now. Whether anybody does. */
static bool find_lacks(struct repair *r, struct now now, struct unit *u)
{
    bool any = false;
    uint64_t before = u->lacks;
    clock_merge(&u->has, engine_clock(r->engine, u->keyspace, u->range));
    u->lacks = count_lacks(u, &u->has);
    note(r, now, cluster_self(r->cluster), u->lacks, before);
    for (size_t i = 0; i < u->peers_count; i++) {
        struct unit_peer *p = &u->peers[i];
        if (!is_compared(p) || !p->heard)
            continue;
        before = p->lacks;
        p->lacks = count_lacks(u, &p->has);
        note(r, now, p->node, p->lacks, before);
        any = any || p->lacks > 0 || p->behind;
    }
    return any || (u->lacks > 0 && u->opened);
}

static void give_up(struct unit *u)
{
    u->gave_up = true;
    for (size_t i = 0; i < u->peers_count; i++) {
        struct unit_peer *p = &u->peers[i];
        if (is_compared(p) && (p->lacks > 0 || p->behind))
            p->err = p->lacks > 0 ? ERR_BEHIND : ERR_OVERLOADED;
    }
}

/* With whom to compare again: those that lack; the first one, where only we do. False: nobody gets
 * on. */
static bool choose_again(struct repair *r, struct now now, struct unit *u)
{
    bool on = u->lacks > 0 && gets_on(r, now, u, cluster_self(r->cluster)), any = false;
    for (size_t i = 0; i < u->peers_count; i++) {
        struct unit_peer *p = &u->peers[i];
        if (is_compared(p) && (p->lacks > 0 || p->behind))
            on = on || gets_on(r, now, u, p->node);
    }
    for (size_t i = 0; i < u->peers_count && on; i++) {
        struct unit_peer *p = &u->peers[i];
        if (!is_compared(p) || !(p->lacks > 0 || p->behind))
            continue;
        p->again = p->looked = any = true;
    }
    for (size_t i = 0; i < u->peers_count && on && !any; i++) {
        struct unit_peer *p = &u->peers[i];
        p->again = p->looked = any = is_compared(p);
    }
    return any;
}

/* Who joined wants to know of now. */
static bool begin_anew(struct unit *u)
{
    bool any = false;
    u->anew = false;
    u->opened = false;
    u->looks = 0;
    u->lacks_since = 0;
    for (size_t i = 0; i < u->peers_count; i++) {
        struct unit_peer *p = &u->peers[i];
        p->heard = false;
        p->again = p->looked = is_compared(p);
        any = any || p->again;
    }
    return any;
}

bool lack_looks_again(struct repair *r, struct now now, struct unit *u)
{
    if (u->gave_up || u->err != ERR_OK)
        return false;
    if (u->anew && begin_anew(u))
        return true;
    if (!find_lacks(r, now, u) || MUTANT(left_out_is_equal))
        return false;
    if (u->lacks_since == 0)
        u->lacks_since = now.mono;
    unit_changed(r, now, u);
    if (!choose_again(r, now, u)) {
        give_up(u);
        return false;
    }
    usec wait = r->config.look_us << (u->looks < 8 ? u->looks : 8);
    u->looks++;
    u->due = now.mono + (wait < r->config.look_most_us ? wait : r->config.look_most_us);
    return true;
}

/* --- what is told */

uint64_t lack_told(const struct unit *u)
{
    uint64_t all = u->gave_up ? u->lacks : 0;
    for (size_t i = 0; i < u->peers_count; i++)
        all += u->gave_up && u->peers[i].err == ERR_BEHIND ? u->peers[i].lacks : 0;
    return all;
}

static uint64_t lacks_of(const struct repair *r, const struct unit *u, node_no node)
{
    uint64_t all = node == cluster_self(r->cluster) ? u->lacks : 0;
    for (size_t i = 0; i < u->peers_count; i++)
        all += u->peers[i].node == node && u->peers[i].err == ERR_OK ? u->peers[i].lacks : 0;
    return u->done || u->lacks_since == 0 ? 0 : all;
}

void lack_sum(const struct repair *r, const struct lot_led *lot, node_no *ret_node,
              uint64_t *ret_dots)
{
    node_no most = 0;
    uint64_t of_most = 0;
    *ret_node = 0;
    *ret_dots = 0;
    for (size_t i = 0; i < lot->count; i++) {
        const struct unit *u = lot->units[i];
        for (size_t k = 0; k <= u->peers_count; k++) {
            node_no node = k == 0 ? cluster_self(r->cluster) : u->peers[k - 1].node;
            uint64_t lacks = lacks_of(r, u, node);
            most = lacks > of_most ? node : most;
            of_most = lacks > of_most ? lacks : of_most;
        }
    }
    for (size_t i = 0; i < lot->count && most != 0; i++)
        *ret_dots += lacks_of(r, lot->units[i], most);
    *ret_node = most;
}
