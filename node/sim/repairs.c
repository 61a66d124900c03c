/* Repair runs that are asked for at a node, as `torc repair` does; what must be true of each. */
#include "node/repair/repair.h"
#include "node/sim/core.h"

#include <inttypes.h>

/* The latest first. */
static size_t runs_of(const struct sim *s, unsigned node, const struct repair_run *const **ret)
{
    struct node *n = s->machines[node].node;
    return n != NULL && node_repair(n) != NULL ? repair_runs(node_repair(n), ret) : 0;
}

bool sim_repair(struct sim *s, unsigned node, bool full, bool preview, uint64_t *ret_id)
{
    struct machine *m = machine_of(s, node);
    struct repair_wish wish = {.full = full, .preview = preview};
    bool joined;
    if (m->node == NULL || m->paused || !node_is_ready(m->node) ||
        repair_run_start(node_repair(m->node), clocks_read(&m->clocks, s->time), &wish, ret_id,
                         &joined) != ERR_OK)
        return false;
    s->repairs.begun += !joined;
    struct node_event event = {.type = NODE_DEADLINE};
    turn(s, node, &event);
    return true;
}

const struct repair_run *sim_repair_run(const struct sim *s, unsigned node, uint64_t id)
{
    struct node *n = machine_of(s, node)->node;
    return n != NULL && node_repair(n) != NULL ? repair_find(node_repair(n), id) : NULL;
}

bool sim_is_repairing(const struct sim *s, unsigned node)
{
    const struct repair_run *const *runs;
    size_t count = runs_of(s, node, &runs);
    for (size_t i = 0; i < count; i++) {
        if (runs[i]->state == REPAIR_RUNNING)
            return true;
    }
    return false;
}

/* What no run ever says of itself; NULL: nothing of the kind. */
static const char *what_is_wrong(const struct repair_run *run)
{
    for (size_t i = 0; i < run->parts_count; i++) {
        const struct repair_part *p = &run->parts[i];
        if (p->done > p->wanted || (uint64_t)p->equal + p->failed > p->done)
            return "more ranges are done than are wanted";
        if (run->state == REPAIR_OVER && p->done < p->wanted && !p->gone)
            return "it is over, and not all is done";
        if (run->preview && p->sums.rows_received + p->sums.rows_sent > 0)
            return "rows crossed the wire for a preview";
        if (p->sums.ranges_different > p->wanted)
            return "more ranges differed than there are";
    }
    return run->progress <= 1000 ? NULL : "it is further than its end";
}

bool sim_repairs_look(struct sim *s, struct errmsg *ret_why)
{
    for (unsigned node = 1; node <= s->count; node++) {
        const struct repair_run *const *runs;
        size_t count = runs_of(s, node, &runs);
        for (size_t i = 0; i < count; i++) {
            const char *wrong = what_is_wrong(runs[i]);
            if (wrong != NULL)
                return errmsg_set(ret_why, ERR_FAILED, "repair run %" PRIx64 " of node %u: %s",
                                  runs[i]->id, node, wrong) == ERR_OK;
        }
    }
    return true;
}

struct sim_repairs sim_repairs(const struct sim *s)
{
    return s->repairs;
}

void repairs_process_gone(struct sim *s, unsigned node)
{
    const struct repair_run *const *runs;
    size_t count = runs_of(s, node, &runs);
    for (size_t i = 0; i < count; i++)
        s->repairs.cut += runs[i]->state == REPAIR_RUNNING;
}
