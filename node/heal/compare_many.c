/* compare_many.c - many ranges and one peer: see compare_many.h. */
#include "node/heal/compare_many.h"

/* --- life */

static void many_close(struct heal *h, size_t at)
{
    struct comparing_many *m = h->many[at];
    h->many[at] = NULL;
    arena_close(&m->own);
    mem_free(m);
}

void many_free(struct heal *h)
{
    for (size_t i = 0; i < HEAL_COMPARE_MANY_MAX; i++) {
        if (h->many[i] != NULL)
            many_close(h, i);
    }
}

static void many_end(struct heal *h, size_t at, usec us, enum err err)
{
    struct comparing_many *m = h->many[at];
    struct heal_effect *e = heal_append(h, HEAL_COMPARED_ALL);
    e->compared_all.id = m->id;
    e->compared_all.err = err;
    e->compared_all.ranges = m->settled;
    e->compared_all.equal = m->equal;
    e->compared_all.failed = m->failed;
    e->compared_all.figures = m->figures;
    e->compared_all.figures.us = us;
    e->compared_all.figures.equal = err == ERR_OK && m->equal == m->ranges_count;
    many_close(h, at);
}

/* Those that both of us are replicas of. */
static void choose_ranges(struct heal *h, struct comparing_many *m)
{
    const struct placement *p = cluster_placement(h->cluster, m->keyspace);
    node_no self = cluster_self(h->cluster);
    m->ranges = p != NULL ? arena_array(&m->own, struct many_range, p->ranges) : NULL;
    for (range_no i = 0; p != NULL && i < p->ranges; i++) {
        struct replicas replicas = placement_replicas(p, i);
        if (replicas_have(replicas, self) && replicas_have(replicas, m->peer))
            m->ranges[m->ranges_count++] = (struct many_range){.range = i};
    }
}

bool heal_compare_ranges(struct heal *h, struct now now, uint64_t id,
                         const struct heal_comparisons *what)
{
    size_t at = 0;
    while (at < HEAL_COMPARE_MANY_MAX && h->many[at] != NULL)
        at++;
    if (at == HEAL_COMPARE_MANY_MAX)
        return false;
    struct comparing_many *m = h->many[at] = mem_new(struct comparing_many);
    m->id = id;
    m->no = ++h->rounds;
    m->peer = what->peer;
    m->keyspace = what->keyspace;
    m->full = what->full;
    m->preview = what->preview;
    m->gentle = what->gentle;
    m->began = m->due = now.mono;
    table_no *tables = arena_array(&m->own, table_no, what->tables_count);
    for (size_t i = 0; i < what->tables_count; i++)
        tables[i] = what->tables[i];
    m->tables = tables;
    m->tables_count = what->tables_count;
    if (what->ranges_count == 0) {
        choose_ranges(h, m);
        return true;
    }
    m->ranges = arena_array(&m->own, struct many_range, what->ranges_count);
    for (size_t i = 0; i < what->ranges_count; i++)
        m->ranges[m->ranges_count++] = (struct many_range){.range = what->ranges[i]};
    return true;
}

/* --- settling */

static void add_figures(struct heal_figures *all, const struct heal_figures *one)
{
    all->rows += one->rows;
    all->stretches += one->stretches;
    all->rows_listed += one->rows_listed;
    all->rows_different += one->rows_different;
    all->rows_received += one->rows_received;
    all->rows_sent += one->rows_sent;
    all->doubtful += one->doubtful;
    all->leaves_wrong += one->leaves_wrong;
    all->messages += one->messages;
    all->bytes_search += one->bytes_search;
    all->bytes_received += one->bytes_received;
    all->bytes_sent += one->bytes_sent;
}

static void settle(struct comparing_many *m, struct many_range *r, enum err err,
                   const struct heal_figures *figures)
{
    r->state = MANY_DONE;
    m->settled++;
    m->failed += err != ERR_OK;
    m->equal += err == ERR_OK && figures->equal;
    add_figures(&m->figures, figures);
}

void many_session_ended(struct heal *h, struct now now, const struct comparing *s, enum err err,
                        const struct heal_figures *figures)
{
    for (size_t i = 0; i < HEAL_COMPARE_MANY_MAX; i++) {
        struct comparing_many *m = h->many[i];
        if (m == NULL || m->no != s->many)
            continue;
        for (size_t k = 0; k < m->ranges_count; k++) {
            struct many_range *r = &m->ranges[k];
            if (r->range != s->range.range || r->state != MANY_RUNNING)
                continue;
            m->running--;
            settle(m, r, err, figures);
        }
        m->due = now.mono;
    }
}

static void begin_sessions(struct heal *h, struct now now, struct comparing_many *m)
{
    struct heal_comparison what = {.peer = m->peer,
                                   .keyspace = m->keyspace,
                                   .tables = m->tables,
                                   .tables_count = m->tables_count,
                                   .full = m->full,
                                   .preview = m->preview};
    for (size_t i = 0; i < m->ranges_count && m->running < MANY_SESSIONS; i++) {
        struct many_range *r = &m->ranges[i];
        if (r->state != MANY_DIFFERS)
            continue;
        r->state = MANY_RUNNING;
        m->running++;
        what.range = r->range;
        if (!compare_begin(h, now, m->id, &what, m->no)) {
            r->state = MANY_DIFFERS;
            m->running--;
            m->due = now.mono + compare_pause(h);
            return;
        }
    }
}

static void many_turn(struct heal *h, struct now now, size_t at)
{
    struct comparing_many *m = h->many[at];
    m->due = USEC_NEVER;
    for (size_t i = 0; i < m->ranges_count; i++) {
        if (m->ranges[i].state == MANY_TODO)
            m->ranges[i].state = MANY_DIFFERS;
    }
    begin_sessions(h, now, m);
    if (m->settled == m->ranges_count)
        many_end(h, at, now.mono - m->began, ERR_OK);
}

/* --- inputs */

void many_deadline(struct heal *h, struct now now)
{
    for (size_t i = 0; i < HEAL_COMPARE_MANY_MAX; i++) {
        if (h->many[i] != NULL && now.mono >= h->many[i]->due)
            many_turn(h, now, i);
    }
}

usec many_next_deadline(const struct heal *h)
{
    usec next = USEC_NEVER;
    for (size_t i = 0; i < HEAL_COMPARE_MANY_MAX; i++) {
        if (h->many[i] != NULL && h->many[i]->due < next)
            next = h->many[i]->due;
    }
    return next;
}

void many_peer_lost(struct heal *h, struct now now, node_no peer)
{
    for (size_t i = 0; i < HEAL_COMPARE_MANY_MAX; i++) {
        if (h->many[i] != NULL && h->many[i]->peer == peer)
            many_end(h, i, now.mono - h->many[i]->began, ERR_UNAVAILABLE);
    }
}

void heal_compare_stop(struct heal *h, struct now now, uint64_t id)
{
    for (size_t i = 0; i < HEAL_COMPARES_MAX; i++) {
        if (h->compares[i] != NULL && h->compares[i]->id == id)
            compare_end(h, now, h->compares[i], ERR_CLOSED);
    }
    for (size_t i = 0; i < HEAL_COMPARE_MANY_MAX; i++) {
        if (h->many[i] != NULL && h->many[i]->id == id)
            many_end(h, i, now.mono - h->many[i]->began, ERR_CLOSED);
    }
}
