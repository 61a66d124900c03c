/* node_damage.c - damage of our disk, as the shell, the log and people hear of it. */
#include "node/node_core.h"
#include "ring/token.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEND_AFTER        (2 * USEC_PER_SEC) /* what a start tells the others is told by then */
#define DAMAGE_TOLD_EVERY (60 * USEC_PER_SEC)

static bool wants_mending(const struct node *n)
{
    const char *failure = store_failure(n->store);
    bool failed = failure != NULL && strncmp(failure, "Corruption", 10) == 0;
    return !n->mend_asked && n->config.mends && (failed || engine_stats(n->engine).unexplained > 0);
}

/* What readers cannot name (a block that LevelDB does not read, a compaction that failed) the store
 * can, when it is opened anew: so the shell is asked for that. Once; it knows how often it helps.
 */
bool node_asks_for_mending(struct node *n)
{
    if (!wants_mending(n) || n->now.mono - n->started < MEND_AFTER)
        return n->mend_asked;
    n->mend_asked = true;
    node_log(n, true, "damage in the store -> it is closed, mended and opened again");
    node_append(n, NODE_MEND);
    return true;
}

/* Other replicas answer in our place, so nobody but the log would notice. */
void report_damage(struct node *n)
{
    uint64_t damaged = engine_stats(n->engine).damaged;
    report_batches(n);
    (void)node_asks_for_mending(n);
    if (damaged == n->damage_told || n->now.mono < n->damage_next)
        return;
    node_log(n, true, "%" PRIu64 " reads met damage in the store -> other replicas answer",
             damaged - n->damage_told);
    n->damage_told = damaged;
    n->damage_next = n->now.mono + DAMAGE_TOLD_EVERY;
}

/* Records that the node may be without (storage/engine.h). */
void report_lost_accounts(struct node *n)
{
    static const struct {
        const char *prefix, *what;
    } accounts[] = {
        {ACCOUNT_HINTS, "hints -> what is gone is counted, and its ranges compared by trees"},
        {"a/mark", "marks of ranges to be compared by trees -> all of them are marked"},
        {"a/proved", "which ranges were proved equal -> they are compared again"},
        {"a/run", "repair runs -> those are gone; start them again"},
        {"a/lost", "what votes have replaced -> nobody can read it here any more"},
    };
    for (size_t i = 0; i < ARRAY_LEN(accounts); i++) {
        if (engine_account_is_lost(n->engine, bytes_text(accounts[i].prefix)))
            node_log(n, true, "records of this node were on a damaged part of its disk: %s",
                     accounts[i].what);
    }
}

void report_range_damage(struct node *n, const struct heal_effect *e)
{
    const struct keyspace *found =
        n->schema != NULL ? schema_keyspace_by_no(n->schema, e->damaged.keyspace) : NULL;
    const char *keyspace = found != NULL ? found->name : "?";
    unsigned range = (unsigned)e->damaged.range;
    if (e->damaged.what == DAMAGE_FOUND)
        node_log(
            n, true,
            "data of range %u of keyspace %s is damaged here -> it is not served until another "
            "replica can give it",
            range, keyspace);
    else if (e->damaged.what == DAMAGE_GIVEN_UP)
        node_log(
            n, true,
            "damaged range %u of keyspace %s -> given up by order: what is left of it goes, and "
            "it is served again, empty",
            range, keyspace);
    else if (e->damaged.what == DAMAGE_FORGOTTEN)
        node_log(n, true,
                 "damaged range %u of keyspace %s -> forgotten, to be taken over again from the "
                 "other replicas",
                 range, keyspace);
    else
        node_log(n, false, "range %u of keyspace %s is whole again", range, keyspace);
}

const char *store_failure_text(struct node *n)
{
    return arena_printf(&n->arena,
                        "the store has failed: %s -> nothing is acked here any more, nor read; see "
                        "to the disk (is it full?), then start this node again",
                        store_failure(n->store));
}

/* Where there is no other replica nothing happens by itself. */
static const char *way_out(struct node *n, const struct heal_damaged *first, const char *keyspace)
{
    const struct placement *p = cluster_placement(n->cluster, first->keyspace);
    if (p == NULL || first->range >= p->ranges)
        return "";
    if (placement_replicas(p, first->range).count > 1)
        return "; it waits for one that is down, or damaged there, too";
    return arena_printf(&n->arena,
                        "; it has none: put back a backup of this node, or give up what is left of "
                        "such ranges, here: torc repair --give-up %s",
                        keyspace);
}

bool node_damage_text(struct node *n, char *out, size_t size)
{
    struct heal_damaged at = {0}, first = {0};
    size_t damaged = 0, rebuilding = 0;
    for (; heal_next_damaged(n->heal, &at); at.range++) {
        if (damaged == 0 && !at.rebuilding)
            first = at;
        damaged += !at.rebuilding;
        rebuilding += at.rebuilding;
    }
    const struct keyspace *k =
        n->schema != NULL ? schema_keyspace_by_no(n->schema, first.keyspace) : NULL;
    if (damaged > 0)
        snprintf(out, size,
                 "%zu ranges are damaged here (the first: %u of keyspace %s) and no other replica "
                 "has told that it has them; %zu more are being rebuilt%s",
                 damaged, (unsigned)first.range, k != NULL ? k->name : "?", rebuilding,
                 way_out(n, &first, k != NULL ? k->name : "?"));
    else if (rebuilding > 0 && heal_rebuild_waits_for(n->heal) != 0)
        snprintf(
            out, size,
            "%zu damaged ranges are being rebuilt from the other replicas; that waits for node "
            "%u, which is down: start it, or replace it",
            rebuilding, (unsigned)heal_rebuild_waits_for(n->heal));
    else if (rebuilding > 0)
        snprintf(out, size, "%zu damaged ranges are being rebuilt from the other replicas",
                 rebuilding);
    else if (heal_met_damage(n->heal))
        snprintf(out, size, "damaged values were read here a moment ago; their ranges are next");
    else if (wants_mending(n))
        snprintf(out, size, "reads met damage in the store; it is mended in a moment");
    else
        return false;
    return true;
}

const char *node_damaged_text(struct node *n, node_no node, token at)
{
    char ip[ENDPOINT_TEXT_SIZE] = "?";
    const struct topology_node *t = topology_find(meta_topology(n->meta), node);
    uint32_t ranges = cluster_ranges(n->cluster);
    if (t != NULL)
        (void)endpoint_ip_text(&t->info.endpoint, ip);
    return arena_printf(&n->arena,
                        "data of range %u, or of one behind it, is damaged at node %u (%s), or is "
                        "being rebuilt there",
                        (unsigned)(ranges > 0 ? ring_range_of(at, ranges) : 0), (unsigned)node, ip);
}

/* --- what a person decides */

enum err node_give_up(struct node *n, struct now now, struct bytes request, struct buf *out,
                      struct errmsg *reterr)
{
    json_error_t why;
    const char *name = NULL;
    int preview = 0;
    json_t *j = json_loadb((const char *)request.data, request.len, 0, &why);
    if (j == NULL ||
        json_unpack_ex(j, &why, 0, "{s:s, s?b !}", "keyspace", &name, "preview", &preview) != 0) {
        json_decref(j);
        return errmsg_set(reterr, ERR_MALFORMED, "the request is not understood: %s", why.text);
    }
    const struct keyspace *k = n->schema != NULL ? schema_keyspace(n->schema, name) : NULL;
    if (k == NULL || repair_stopped(n->repair) != NULL) {
        enum err err = k == NULL
                           ? errmsg_set(reterr, ERR_NOT_FOUND, "there is no keyspace %s", name)
                           : errmsg_set(reterr, ERR_UNAVAILABLE, "%s", store_failure_text(n));
        json_decref(j);
        return err;
    }
    struct heal_given_up all = heal_give_up(n->heal, now, k->no, preview != 0);
    if (all.ranges > 0 && preview == 0 && strcmp(k->name, "system_auth") == 0)
        auth_setup_done(n, false); /* without any role nobody could log in */
    buf_printf(out, "{\"node\":%u,\"keyspace\":\"%s\",\"ranges\":%zu,\"others\":%zu}\n",
               (unsigned)cluster_self(n->cluster), k->name, all.ranges, all.others);
    json_decref(j);
    return ERR_OK;
}
