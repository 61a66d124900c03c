/* start.c - what somebody wants becomes a run, or is done by one already. */
#include "node/repair/repair_core.h"

#include <stdio.h>
#include <string.h>

/* The ranges of a keyspace that are wanted; how many. */
static uint32_t mark_wanted(const struct repair *r, const struct repair_wish *wish,
                            const struct placement *placement, uint8_t *state)
{
    uint32_t count = 0;
    (void)r;
    for (size_t i = 0; i < wish->spans_count; i++) {
        range_no first;
        uint32_t touched = ring_ranges_touched(wish->spans[i], placement->ranges, &first);
        memset(state + first, RANGE_WANTED, touched);
    }
    if (wish->spans_count == 0)
        memset(state, RANGE_WANTED, placement->ranges);
    for (range_no i = 0; i < placement->ranges; i++) {
        if (wish->only != 0 && !replicas_have(placement_replicas(placement, i), wish->only))
            state[i] = RANGE_NONE;
        count += state[i] == RANGE_WANTED;
    }
    return count;
}

/* False: there is nothing to do. */
static bool make_part(struct repair *r, const struct repair_wish *wish,
                      const struct repair_scope *scope, struct managed *m)
{
    size_t part = m->run.parts_count;
    struct repair_part *p = &m->run.parts[part];
    const struct placement *placement = cluster_placement(r->cluster, scope->keyspace);
    if (placement == NULL || placement->ranges == 0)
        return false;
    uint8_t *state = mem_alloc(placement->ranges);
    uint32_t wanted = mark_wanted(r, wish, placement, state);
    if (wanted == 0) {
        mem_free(state);
        return false;
    }
    *p = (struct repair_part){.keyspace = scope->keyspace,
                              .tables_count = scope->tables_count,
                              .ranges = placement->ranges,
                              .state = state,
                              .wanted = wanted};
    if (wish->name_of != NULL)
        snprintf(p->name, sizeof p->name, "%s", wish->name_of(wish->arg, scope->keyspace));
    p->tables = scope->tables_count > 0
                    ? mem_copy(scope->tables, scope->tables_count * sizeof *scope->tables)
                    : NULL;
    m->tries[part] = mem_alloc(placement->ranges);
    m->run.parts_count++;
    return true;
}

/* *ret_all: there was room for each keyspace that is wanted. */
static struct managed *make_run(struct repair *r, struct now now, const struct repair_wish *wish,
                                bool *ret_all)
{
    struct managed *m = manage_make(r, REPAIR_PARTS_MAX);
    keyspace_no keyspace = 0;
    m->run.parts_count = 0;
    m->run.full = wish->full;
    m->run.preview = wish->preview;
    m->run.only = wish->only;
    m->run.began = now.wall;
    size_t made = 0;
    for (; made < wish->scopes_count && m->run.parts_count < REPAIR_PARTS_MAX; made++)
        (void)make_part(r, wish, &wish->scopes[made], m);
    while (wish->scopes_count == 0 && m->run.parts_count < REPAIR_PARTS_MAX &&
           cluster_next_keyspace(r->cluster, keyspace, &keyspace)) {
        (void)make_part(r, wish, &(struct repair_scope){.keyspace = keyspace}, m);
        keyspace++;
    }
    *ret_all = made == wish->scopes_count &&
               (wish->scopes_count > 0 || !cluster_next_keyspace(r->cluster, keyspace, &keyspace));
    return m;
}

/* --- joining */

static bool same_tables(const struct repair_part *a, const struct repair_part *b)
{
    return a->tables_count == b->tables_count &&
           (a->tables_count == 0 ||
            memcmp(a->tables, b->tables, a->tables_count * sizeof *a->tables) == 0);
}

static const struct repair_part *part_of(const struct repair_run *run, keyspace_no keyspace)
{
    for (size_t i = 0; i < run->parts_count; i++) {
        if (run->parts[i].keyspace == keyspace)
            return &run->parts[i];
    }
    return NULL;
}

/* `fresh`: none of it is done yet. `same`: nothing else is in the run. */
static void compare_part(const struct repair_part *p, const struct repair_part *wanted, bool *fresh,
                         bool *same)
{
    *same &= same_tables(p, wanted);
    *fresh &= same_tables(p, wanted) || p->tables_count == 0;
    for (range_no i = 0; i < wanted->ranges; i++) {
        bool is_wanted = wanted->state[i] != RANGE_NONE, is_there = p->state[i] != RANGE_NONE;
        *same &= is_wanted == is_there;
        *fresh &= !is_wanted || (is_there && p->state[i] != RANGE_DONE);
    }
}

/* The run is just this one, or all of this is still to come in it. */
static bool does_all_of(const struct repair_run *run, const struct repair_run *wanted)
{
    bool fresh = true, same = run->parts_count == wanted->parts_count;
    if (run->state != REPAIR_RUNNING || run->preview != wanted->preview ||
        (wanted->full && !run->full) || (run->only != 0 && run->only != wanted->only))
        return false;
    same &= run->full == wanted->full && run->only == wanted->only;
    for (size_t i = 0; i < wanted->parts_count && (fresh || same); i++) {
        const struct repair_part *p = part_of(run, wanted->parts[i].keyspace);
        if (p == NULL || p->ranges != wanted->parts[i].ranges)
            return false;
        compare_part(p, &wanted->parts[i], &fresh, &same);
    }
    return fresh || same;
}

/* --- the list */

static size_t running(const struct repair *r)
{
    size_t count = 0;
    for (size_t i = 0; i < r->runs_count; i++)
        count += r->runs[i]->run.state == REPAIR_RUNNING;
    return count;
}

/* The oldest that is over makes room. */
static void forget_one(struct repair *r)
{
    for (size_t i = r->runs_count; i-- > 0;) {
        struct managed *m = r->runs[i];
        if (m->run.state == REPAIR_RUNNING)
            continue;
        keep_remove(r, m->run.id);
        manage_free(m);
        memmove(r->runs + i, r->runs + i + 1, (--r->runs_count - i) * sizeof(struct managed *));
        return;
    }
}

static void begin(struct repair *r, struct now now, struct managed *m)
{
    if (r->runs_count == REPAIR_RUNS_MAX)
        forget_one(r);
    m->run.id = (uint64_t)cluster_self(r->cluster) << 32 | (uint32_t)++r->run_numbers;
    r->runs = mem_grow(r->runs, r->runs_count, &r->runs_cap, sizeof(struct managed *));
    memmove(r->runs + 1, r->runs, r->runs_count++ * sizeof(struct managed *));
    r->runs[0] = m;
    m->due = now.mono;
    r->stats.begun++;
    keep_store(r, m);
    repair_append(r, REPAIR_TOLD)->told.run = m->run.id;
    r->effects[r->effects_count - 1].told.what = "begun";
}

enum err repair_run_start(struct repair *r, struct now now, const struct repair_wish *wish,
                          uint64_t *ret_id, bool *ret_joined)
{
    if (!r->begun || cluster_self(r->cluster) == 0 || repair_stopped(r) != NULL)
        return ERR_UNAVAILABLE;
    bool all;
    struct managed *m = make_run(r, now, wish, &all);
    if (m->run.parts_count == 0 || !all) {
        manage_free(m);
        return all ? ERR_NOT_FOUND : ERR_TOO_BIG;
    }
    for (size_t i = 0; i < r->runs_count; i++) {
        if (!does_all_of(&r->runs[i]->run, &m->run))
            continue;
        manage_free(m);
        r->stats.joined++;
        *ret_id = r->runs[i]->run.id;
        *ret_joined = true;
        return ERR_OK;
    }
    if (running(r) >= REPAIR_RUNNING_MAX) {
        manage_free(m);
        return ERR_OVERLOADED;
    }
    begin(r, now, m);
    *ret_id = m->run.id;
    *ret_joined = false;
    return ERR_OK;
}
