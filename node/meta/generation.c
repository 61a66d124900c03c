/* generation.c - whose log a message speaks of: that of our generation, of an older one, a newer
 * one, or of a part that went on by itself.
 *
 * A generation has the slot of its RECOVER in it, so two logs that are not of one generation can
 * still be told apart: who is of an older one and has not come to that slot has a part of the newer
 * log, and fetches the rest; who has come to it has another entry there, and is OUTDATED. So is who
 * was named as lost, wherever its log ends: it may have decided something that only others like it
 * know.
 *
 *                      any phase --- hears of a generation whose log is not ours --+
 *                          |                                                       v
 *                          +----- a RECOVER is applied that names us ---------> OUTDATED
 *
 * Nothing leads out of OUTDATED but a disk that is wiped: it is kept as a fact.
 *
 * Facts:
 *   meta/outdated    u64, the generation that we are not of
 */
#include "node/meta/internal.h"

#include "base/mutant.h"

#include <inttypes.h>
#include <string.h>

#define NAME_OUTDATED "meta/outdated"

static bool is_lost(const struct meta *m, node_no node)
{
    const struct topology_node *n = topology_find(&m->state.topology, node);
    return n != NULL && n->lost;
}

/* What we have is a part of the log of that newer generation, as far as can be seen: we have not
 * come to its RECOVER, or have it and have yet to apply it. */
static bool is_part_of(const struct meta *m, uint64_t generation)
{
    uint64_t slot = generation_slot(generation);
    struct uuid id;
    struct command c;
    if (metalog_last(m) < slot)
        return true;
    return metalog_applied(m) < slot &&
           entry_decode(m->log[slot - m->first].bytes, &id, &c) == ERR_OK &&
           c.kind == COMMAND_RECOVER && load_u32(id.b) == (uint32_t)generation;
}

bool generation_hears(const struct meta *m, node_no from, uint64_t generation, uint64_t epoch)
{
    uint64_t ours = m->state.topology.generation;
    if (m->phase == META_OUTDATED)
        return false;
    if (epoch == 0 || metalog_applied(m) == 0 || MUTANT(generation_not_checked))
        return true; /* one of the two has nothing that could be another's */
    if (is_lost(m, from))
        return false;
    if (generation_slot(generation) == generation_slot(ours))
        return generation == ours;
    if (generation_slot(generation) > generation_slot(ours))
        return is_part_of(m, generation);
    return epoch < generation_slot(ours);
}

static void say_outdated(struct meta *m)
{
    char at[ENDPOINT_TEXT_SIZE];
    effect_problem(m,
                   "the cluster has gone on without this node, which may know of changes that "
                   "nobody else does: it serves nothing more. Wipe its data directory, and start "
                   "it with --replace_address=%s",
                   endpoint_text(&m->info.endpoint, at));
}

static void become_outdated(struct meta *m, uint64_t generation)
{
    uint8_t value[8];
    if (m->phase == META_OUTDATED)
        return;
    store_u64(value, generation);
    (void)effect_store(m, NAME_OUTDATED, bytes_make(value, sizeof value));
    say_outdated(m);
    effect_phase(m, META_OUTDATED);
}

bool generation_load(struct meta *m, const struct meta_fact *fact)
{
    if (!bytes_equal_text(fact->name, NAME_OUTDATED))
        return false;
    m->is_outdated = true;
    return true;
}

bool generation_start(struct meta *m)
{
    if (!m->is_outdated)
        return false;
    say_outdated(m);
    effect_phase(m, META_OUTDATED);
    return true;
}

/* Who is of an older one is told, and what we hear of a newer one may be that we are. */
void generation_refuse(struct meta *m, const struct endpoint *from, const struct wire_message *w)
{
    struct wire_message answer = {.type = WIRE_META_APPLIED};
    uint64_t ours = m->state.topology.generation;
    if (m->phase == META_OUTDATED)
        return;
    bool is_fork = generation_slot(w->generation) == generation_slot(ours) ||
                   (w->generation != 0 && is_lost(m, w->from));
    if (is_fork && w->generation != ours) {
        char at[ENDPOINT_TEXT_SIZE];
        effect_problem(m,
                       "%s has recovered the metadata by itself, as we have: these are two "
                       "clusters now. Wipe the nodes of one, and let them replace themselves",
                       endpoint_text(from, at));
        return;
    }
    if (generation_slot(w->generation) > generation_slot(ours)) {
        become_outdated(m, w->generation);
        return;
    }
    answer.meta_applied.cluster = m->cluster;
    answer.meta_applied.applied = metalog_applied(m);
    answer.meta_applied.lost = true;
    effect_send(m, from, &answer);
}

void generation_told_lost(struct meta *m, uint64_t generation)
{
    if (generation_slot(generation) > generation_slot(m->state.topology.generation))
        become_outdated(m, generation);
}

void generation_applied(struct meta *m)
{
    if (is_lost(m, m->self))
        become_outdated(m, m->state.topology.generation);
}
