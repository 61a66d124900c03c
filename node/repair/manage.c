/* manage.c - runs: which ranges of them are given to whom, and what leaders told. */
#include "node/repair/repair_core.h"

#include <string.h>

#define LOTS_OF_LEADER_MAX 4u /* in a run: of as many keyspaces */
#define MANAGED_LOTS_MAX   1024u

struct managed *manage_make(struct repair *r, size_t parts)
{
    struct managed *m = mem_new(struct managed);
    (void)r;
    m->run.parts_count = parts;
    m->run.parts = mem_alloc(parts * sizeof *m->run.parts);
    m->tries = mem_alloc(parts * sizeof *m->tries);
    m->due = m->keep_due = USEC_NEVER;
    return m;
}

static void lot_free(struct lot *lot)
{
    mem_free(lot->ranges);
    mem_free(lot->done);
    mem_free(lot->sums);
    mem_free(lot);
}

void manage_free(void *run)
{
    struct managed *m = run;
    for (size_t i = 0; i < m->lots_count; i++)
        lot_free(m->lots[i]);
    for (size_t i = 0; i < m->run.parts_count; i++) {
        mem_free((void *)(uintptr_t)m->run.parts[i].tables);
        mem_free(m->run.parts[i].state);
        mem_free(m->run.parts[i].by_table);
        mem_free(m->tries[i]);
    }
    mem_free(m->lots);
    mem_free(m->tries);
    mem_free(m->run.parts);
    mem_free(m);
}

static void changed(struct repair *r, struct now now, struct managed *m)
{
    usec due = now.mono + r->config.keep_us;
    m->keep_due = due < m->keep_due ? due : m->keep_due;
}

static void tell(struct repair *r, const struct managed *m, const char *what)
{
    struct repair_effect *e = repair_append(r, REPAIR_TOLD);
    e->told.run = m->run.id;
    e->told.what = what;
}

static void add_problem(struct managed *m, const struct repair_problem *problem)
{
    struct repair_run *run = &m->run;
    run->problems_all++;
    if (run->problems_count < REPAIR_PROBLEMS_MAX)
        run->problems[run->problems_count++] = *problem;
}

/* --- giving lots */

/* The same for all managers that see the same nodes alive, so that two runs meet there; and spread:
 * not all are led by the first one of them. 0: nobody is there. */
static node_no choose_leader(const struct repair *r, const struct managed *m,
                             struct replicas replicas, range_no range)
{
    node_no self = cluster_self(r->cluster);
    uint32_t start = replicas.count > 0 ? (range * UINT32_C(2654435769) >> 8) % replicas.count : 0;
    for (uint32_t i = 0; i < replicas.count; i++) {
        node_no node = replicas.node[(start + i) % replicas.count];
        if ((m->run.only == 0 || node == m->run.only) &&
            (node == self || cluster_is_alive(r->cluster, node)))
            return node;
    }
    return 0;
}

static struct lot *lot_for(struct repair *r, struct now now, struct managed *m, size_t part,
                           node_no leader, size_t before)
{
    size_t of_leader = 0;
    for (size_t i = 0; i < m->lots_count; i++) {
        struct lot *lot = m->lots[i];
        if (lot->leader != leader)
            continue;
        if (i >= before && lot->part == part && lot->count < LOT_RANGES_MAX)
            return lot;
        of_leader++;
    }
    if (of_leader >= LOTS_OF_LEADER_MAX || m->lots_count == MANAGED_LOTS_MAX)
        return NULL;
    struct lot *lot = mem_new(struct lot);
    m->lots = mem_grow(m->lots, m->lots_count, &m->lots_cap, sizeof *m->lots);
    m->lots[m->lots_count++] = lot;
    *lot = (struct lot){.no = ++r->numbers, .leader = leader, .part = part, .heard = now.mono};
    lot->ranges = mem_alloc(LOT_RANGES_MAX * sizeof *lot->ranges);
    return lot;
}

static void send_lot(struct repair *r, const struct managed *m, struct lot *lot)
{
    const struct repair_part *p = &m->run.parts[lot->part];
    struct wire_message message = {.type = WIRE_REPAIR_DO};
    struct buf tables, ranges;
    lot->ranges = mem_resize(lot->ranges, lot->count * sizeof *lot->ranges);
    lot->done = mem_alloc(BITS_BYTES(lot->count));
    buf_init(&tables, WIRE_MESSAGE_MAX / 4);
    buf_init(&ranges, WIRE_MESSAGE_MAX / 4);
    repair_put_tables(&tables, p->tables, p->tables_count);
    repair_put_ranges(&ranges, lot->ranges, lot->count);
    message.repair_do = (struct wire_repair_do){.run = m->run.id,
                                                .lot = lot->no,
                                                .keyspace = p->keyspace,
                                                .full = m->run.full,
                                                .preview = m->run.preview};
    message.repair_do.tables = arena_copy(&r->arena, buf_bytes(&tables));
    message.repair_do.ranges = arena_copy(&r->arena, buf_bytes(&ranges));
    repair_send(r, lot->leader, &message);
    buf_close(&tables);
    buf_close(&ranges);
}

static void range_failed(struct repair *r, struct managed *m, struct repair_part *p, range_no range,
                         node_no peer, enum err err)
{
    p->state[range] = RANGE_DONE;
    p->done++;
    p->failed++;
    r->stats.ranges++;
    r->stats.failed++;
    add_problem(m, &(struct repair_problem){p->keyspace, range, peer, err, 0});
}

/* What is left of a keyspace that is gone is nobody's. */
static void part_gone(struct repair_part *p)
{
    p->gone = true;
    for (range_no range = 0; range < p->ranges; range++) {
        if (p->state[range] != RANGE_WANTED)
            continue;
        p->state[range] = RANGE_NONE;
        p->wanted--;
    }
}

static void give_part(struct repair *r, struct now now, struct managed *m, size_t part)
{
    struct repair_part *p = &m->run.parts[part];
    const struct placement *placement = cluster_placement(r->cluster, p->keyspace);
    size_t before = m->lots_count;
    if (placement == NULL || placement->ranges != p->ranges) {
        part_gone(p);
        return;
    }
    for (range_no range = 0; range < p->ranges; range++) {
        if (p->state[range] != RANGE_WANTED)
            continue;
        struct replicas replicas = placement_replicas(placement, range);
        node_no leader = choose_leader(r, m, replicas, range);
        if (leader == 0) {
            range_failed(r, m, p, range, m->run.only, ERR_UNAVAILABLE);
            continue;
        }
        struct lot *lot = lot_for(r, now, m, part, leader, before);
        if (lot == NULL)
            continue;
        lot->ranges[lot->count++] = range;
        p->state[range] = RANGE_OUT;
    }
    for (size_t i = before; i < m->lots_count; i++)
        send_lot(r, m, m->lots[i]);
}

static void finish(struct repair *r, struct now now, struct managed *m, enum repair_state state)
{
    m->run.state = state;
    m->run.ended = now.wall;
    m->due = m->keep_due = USEC_NEVER;
    keep_store(r, m);
    if (state == REPAIR_OVER)
        r->stats.over++;
    else
        r->stats.cancelled++;
    tell(r, m, state == REPAIR_OVER ? "is over" : "is cancelled");
}

static void give(struct repair *r, struct now now, struct managed *m)
{
    bool all = m->lots_count == 0;
    m->due = USEC_NEVER;
    for (size_t i = 0; i < m->run.parts_count; i++) {
        struct repair_part *p = &m->run.parts[i];
        if (p->done < p->wanted)
            give_part(r, now, m, i);
        all = all && p->done == p->wanted;
    }
    changed(r, now, m);
    if (all && m->lots_count == 0)
        finish(r, now, m, REPAIR_OVER);
}

/* --- what comes back */

static void lot_over(struct managed *m, struct lot *lot)
{
    struct repair_part *p = &m->run.parts[lot->part];
    size_t at = 0;
    for (size_t i = 0; i < lot->count; i++) {
        if (p->state[lot->ranges[i]] == RANGE_OUT && !bits_have(lot->done, i))
            p->state[lot->ranges[i]] = RANGE_WANTED;
    }
    while (m->lots[at] != lot)
        at++;
    memmove(m->lots + at, m->lots + at + 1, (--m->lots_count - at) * sizeof(struct lot *));
    lot_free(lot);
}

static void stop_lot(struct repair *r, const struct managed *m, const struct lot *lot)
{
    struct wire_message message = {.type = WIRE_REPAIR_STOP};
    message.repair_stop = (struct wire_repair_stop){m->run.id, lot->no};
    repair_send(r, lot->leader, &message);
}

/* The leader cannot be it: another one can, perhaps in another ring. */
static bool comes_back(struct managed *m, const struct lot *lot, range_no range,
                       const struct lot_report *report, size_t at)
{
    uint8_t *tries = &m->tries[lot->part][range];
    for (size_t i = 0; i < report->problems_count; i++) {
        const struct repair_problem *p = &report->problems[i];
        if (p->range == at && p->peer == lot->leader && p->err == ERR_STALE)
            return ++*tries < RANGE_TRIES_MAX;
    }
    return false;
}

static void range_done(struct repair *r, struct now now, struct managed *m, struct lot *lot,
                       size_t at, const struct lot_report *report)
{
    struct repair_part *p = &m->run.parts[lot->part];
    range_no range = lot->ranges[at];
    bool failed = bits_have(report->failed, at);
    bits_set(lot->done, at);
    if (failed && comes_back(m, lot, range, report, at)) {
        p->state[range] = RANGE_WANTED;
        m->due = now.mono + r->config.retry_us;
        return;
    }
    p->state[range] = RANGE_DONE;
    p->done++;
    p->failed += failed;
    p->equal += !failed && bits_have(report->equal, at);
    r->stats.ranges++;
    r->stats.failed += failed;
    r->stats.equal += !failed && bits_have(report->equal, at);
    size_t named = m->run.problems_all;
    for (size_t i = 0; i < report->problems_count; i++) {
        const struct repair_problem *problem = &report->problems[i];
        if (problem->range == at)
            add_problem(m, &(struct repair_problem){p->keyspace, range, problem->peer, problem->err,
                                                    problem->lacking});
    }
    if (failed && m->run.problems_all == named)
        m->run.problems_all++; /* the leader had too many to name them all */
}

static uint64_t grown(uint64_t before, uint64_t now)
{
    return now > before ? now - before : 0;
}

/* What has come since the leader told last. */
static void take_sums(struct managed *m, struct lot *lot, const struct lot_report *report)
{
    struct repair_part *p = &m->run.parts[lot->part];
    for (size_t i = 0; i < report->sums_count; i++) {
        const struct repair_table *t = &report->sums[i];
        struct repair_sums before = {0}, more;
        for (size_t k = 0; k < lot->sums_count; k++) {
            if (lot->sums[k].table == t->table)
                before = lot->sums[k].sums;
        }
#define X(name) more.name = grown(before.name, t->sums.name);
        REPAIR_SUM_LIST(X)
#undef X
        repair_sums_add(&p->sums, &more);
        if (t->table != 0 && (p->by_table_count < LOT_TABLES_MAX))
            repair_sums_add(
                repair_sums_of(&p->by_table, &p->by_table_count, &p->by_table_cap, t->table),
                &more);
    }
    mem_free(lot->sums);
    lot->sums = mem_copy(report->sums, report->sums_count * sizeof *report->sums);
    lot->sums_count = report->sums_count;
}

static struct lot *find_lot(struct repair *r, node_no from, uint64_t run, uint64_t no,
                            struct managed **ret)
{
    for (size_t i = 0; i < r->runs_count; i++) {
        struct managed *m = r->runs[i];
        for (size_t k = 0; m->run.id == run && k < m->lots_count; k++) {
            *ret = m;
            if (m->lots[k]->no == no && m->lots[k]->leader == from)
                return m->lots[k];
        }
    }
    return NULL;
}

/* What is done, and what leaders are through with of the rest. */
static void note_progress(struct managed *m)
{
    uint64_t wanted = 0, all = 0;
    for (size_t i = 0; i < m->run.parts_count; i++) {
        wanted += m->run.parts[i].wanted;
        all += UINT64_C(1000) * m->run.parts[i].done;
    }
    for (size_t i = 0; i < m->lots_count; i++) {
        const struct lot *lot = m->lots[i];
        uint64_t told = (uint64_t)lot->progress * lot->count, done = 0;
        for (size_t k = 0; k < lot->count; k++)
            done += 1000u * bits_have(lot->done, k);
        all += grown(done, told);
    }
    m->run.progress = wanted > 0 && all / wanted < 1000 ? (uint32_t)(all / wanted) : 1000;
}

/* The node that most is waited for of what one leader waits for. */
static void note_waits(struct managed *m)
{
    uint64_t most = 0;
    m->run.waits_for = 0;
    m->run.waits = 0;
    for (size_t i = 0; i < m->lots_count; i++) {
        if (m->lots[i]->waits > most)
            m->run.waits_for = m->lots[i]->waits_for;
        most = m->lots[i]->waits > most ? m->lots[i]->waits : most;
    }
    for (size_t i = 0; i < m->lots_count && most > 0; i++) {
        if (m->lots[i]->waits_for == m->run.waits_for)
            m->run.waits += m->lots[i]->waits;
    }
}

void manage_receive_did(struct repair *r, struct now now, node_no from,
                        const struct wire_repair_did *d)
{
    struct managed *m = NULL;
    struct lot_report report;
    struct arena arena = {0};
    struct lot *lot = find_lot(r, from, d->run, d->lot, &m);
    if (lot == NULL) { /* given up meanwhile, or of an earlier life */
        struct wire_message message = {.type = WIRE_REPAIR_STOP};
        message.repair_stop = (struct wire_repair_stop){d->run, d->lot};
        if (!d->last)
            repair_send(r, from, &message);
        return;
    }
    enum err err = d->err == ERR_OK ? repair_read_report(d, lot->count, &arena, &report) : ERR_OK;
    if (err == ERR_OK) {
        lot->heard = now.mono;
        changed(r, now, m);
    }
    if (err == ERR_OK && d->err != ERR_OK) { /* it has too much to do */
        lot_over(m, lot);
        m->due = now.mono + r->config.retry_us;
    } else if (err == ERR_OK) {
        for (size_t i = 0; i < lot->count; i++) {
            if (bits_have(report.done, i) && !bits_have(lot->done, i))
                range_done(r, now, m, lot, i, &report);
        }
        take_sums(m, lot, &report);
        lot->progress = d->progress < 1000 ? d->progress : 1000;
        lot->waits_for = d->waits_for;
        lot->waits = d->waits_for != 0 ? d->waits : 0;
        note_progress(m);
        if (d->last) {
            lot_over(m, lot);
            m->due = m->due == USEC_NEVER ? now.mono : m->due;
        }
        note_waits(m);
    }
    arena_close(&arena);
}

/* Its lots are others' from now on; silent ones are told, for they may only be slow. */
static void give_up(struct repair *r, struct now now, struct managed *m, node_no leader, usec heard)
{
    for (size_t i = m->lots_count; i-- > 0;) {
        struct lot *lot = m->lots[i];
        if ((leader != 0 && lot->leader != leader) || lot->heard > heard)
            continue;
        stop_lot(r, m, lot);
        lot_over(m, lot);
        m->due = now.mono;
    }
}

void manage_peer_lost(struct repair *r, struct now now, node_no peer)
{
    for (size_t i = 0; i < r->runs_count; i++)
        give_up(r, now, r->runs[i], peer, now.mono);
}

void manage_begin(struct repair *r, struct now now)
{
    for (size_t i = 0; i < r->runs_count; i++) {
        struct managed *m = r->runs[i];
        if (m->run.state != REPAIR_RUNNING)
            continue;
        m->due = now.mono;
        note_progress(m); /* it does not begin anew */
        tell(r, m, "goes on");
    }
}

void manage_deadline(struct repair *r, struct now now)
{
    for (size_t i = 0; i < r->runs_count && r->begun; i++) {
        struct managed *m = r->runs[i];
        if (m->run.state != REPAIR_RUNNING)
            continue;
        give_up(r, now, m, 0, now.mono - r->config.patience_us);
        if (m->due <= now.mono)
            give(r, now, m);
        if (m->keep_due <= now.mono) {
            m->keep_due = USEC_NEVER;
            keep_store(r, m);
        }
    }
}

usec manage_next_deadline(const struct repair *r)
{
    usec next = USEC_NEVER;
    for (size_t i = 0; i < r->runs_count && r->begun; i++) {
        const struct managed *m = r->runs[i];
        if (m->run.state != REPAIR_RUNNING)
            continue;
        next = m->due < next ? m->due : next;
        next = m->keep_due < next ? m->keep_due : next;
        for (size_t k = 0; k < m->lots_count; k++) {
            usec silent = m->lots[k]->heard + r->config.patience_us;
            next = silent < next ? silent : next;
        }
    }
    return next;
}

/* --- what people want */

size_t repair_runs(const struct repair *r, const struct repair_run *const **ret_runs)
{
    /* the run is the first thing in what is managed */
    *ret_runs = (const struct repair_run *const *)(void *)r->runs;
    return r->runs_count;
}

const struct repair_run *repair_find(const struct repair *r, uint64_t id)
{
    for (size_t i = 0; i < r->runs_count; i++) {
        if (r->runs[i]->run.id == id)
            return &r->runs[i]->run;
    }
    return NULL;
}

enum err repair_run_cancel(struct repair *r, struct now now, uint64_t id)
{
    for (size_t i = 0; i < r->runs_count; i++) {
        struct managed *m = r->runs[i];
        if (m->run.id != id)
            continue;
        if (m->run.state != REPAIR_RUNNING)
            return ERR_CLOSED;
        give_up(r, now, m, 0, now.mono);
        finish(r, now, m, REPAIR_CANCELLED);
        return ERR_OK;
    }
    return ERR_NOT_FOUND;
}
