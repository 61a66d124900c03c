/* lead.c - a leader compares the ranges of its lots with their other replicas.
 *
 *   WAITING --a batch with the peer--> RUNNING --settled, another peer--> WAITING
 *      |                                  |
 *      +--no peer is left-----------------+--> DONE, told with the lot
 *
 * A unit goes to its peers one after the other, each time in a batch of all units that wait for
 * that peer and want the same. When a later peer brought rows, the earlier ones are compared with
 * once more: they may lack them. */
#include "node/repair/repair_core.h"

#include "base/mutant.h"

#include <stdlib.h>
#include <string.h>

void unit_free(struct repair *r, struct unit *u)
{
    list_remove(&u->link);
    if (!u->done)
        bmap_remove(&r->leading.units, u->key);
    mem_free((void *)(uintptr_t)u->key.data);
    mem_free((void *)(uintptr_t)u->tables);
    lack_forget(u);
    mem_free(u->peers);
    mem_free(u->different);
    mem_free(u->sums);
    mem_free(u);
}

static void lot_led_free(struct repair *r, size_t at)
{
    struct lot_led *lot = r->leading.lots[at];
    r->leading.lots[at] = NULL;
    for (size_t i = 0; i < lot->count; i++) {
        struct unit *u = lot->units[i];
        if (--u->lots == 0 && !u->running)
            unit_free(r, u);
    }
    mem_free(lot->units);
    mem_free(lot);
}

void lead_init(struct repair *r)
{
    bmap_init(&r->leading.units);
    list_init(&r->leading.waiting);
    r->leading.full_ranges = 1;
}

void lead_free(struct repair *r)
{
    struct leading *l = &r->leading;
    for (size_t i = 0; i < LOTS_LED_MAX; i++) {
        if (l->lots[i] != NULL)
            lot_led_free(r, i);
    }
    while (l->batches_count > 0) {
        struct batch *b = &l->batches[l->batches_count - 1];
        for (size_t i = 0; i < b->count; i++) {
            if (b->units[i] != NULL)
                unit_free(r, b->units[i]);
        }
        batch_remove(r, l->batches_count - 1);
    }
    bmap_close(&l->units);
}

/* --- units */

void unit_changed(struct repair *r, struct now now, const struct unit *u)
{
    for (size_t i = 0; i < LOTS_LED_MAX; i++) {
        struct lot_led *lot = r->leading.lots[i];
        bool has = false;
        for (size_t k = 0; lot != NULL && k < lot->count && !has; k++)
            has = lot->units[k] == u;
        if (!has)
            continue;
        size_t done = 0;
        for (size_t k = 0; k < lot->count; k++)
            done += lot->units[k]->done;
        usec due = lot->told_at + r->config.tell_us;
        lot->changed = true;
        if (done == lot->count)
            lot->tell_due = now.mono;
        else
            lot->tell_due = due < lot->tell_due ? due : lot->tell_due;
    }
}

static void unit_done(struct repair *r, struct now now, struct unit *u)
{
    bmap_remove(&r->leading.units, u->key); /* who comes from now on has it compared anew */
    u->done = true;
    lack_forget(u);
    r->stats.led += u->err == ERR_OK;
    unit_changed(r, now, u);
}

/* Whose turn it is; NULL: all are settled. Who is down is waited for a little, after all others: he
 * may only have been started again, with or without us. */
static struct unit_peer *next_peer(struct repair *r, struct now now, struct unit *u)
{
    struct unit_peer *down = NULL;
    for (size_t i = 0; i < u->peers_count; i++) {
        struct unit_peer *p = &u->peers[i];
        if (p->settled && !p->again)
            continue;
        if (cluster_is_alive(r->cluster, p->node))
            return p;
        if (++p->tries < UNIT_TRIES_MAX) {
            down = p;
            continue;
        }
        p->err = ERR_UNAVAILABLE;
        p->settled = true;
        p->again = false;
    }
    if (down != NULL)
        u->due = now.mono + r->config.retry_us;
    return down;
}

/* Tables that are gone meanwhile are compared by nobody. False: all are. */
static bool drop_gone_tables(struct repair *r, struct unit *u)
{
    table_no *tables = (table_no *)(uintptr_t)u->tables;
    size_t kept = 0;
    for (size_t i = 0; i < u->tables_count; i++) {
        if (!cluster_table_is_gone(r->cluster, tables[i]))
            tables[kept++] = tables[i];
    }
    bool left = u->tables_count == 0 || kept > 0;
    u->tables_count = kept;
    return left;
}

static bool has_been_compared(const struct unit *u)
{
    bool has = false;
    for (size_t i = 0; i < u->peers_count; i++)
        has = has || u->peers[i].settled;
    return has;
}

/* What is begun comes before what is not, so that ranges get done one after the other: what is not
 * done is lost with the manager. */
void unit_goes_on(struct repair *r, struct now now, struct unit *u)
{
    struct unit_peer *p = drop_gone_tables(r, u) ? next_peer(r, now, u) : NULL;
    if (p == NULL && lack_looks_again(r, now, u))
        p = next_peer(r, now, u);
    if (p == NULL && u->alone && u->err == ERR_OK) /* nobody else would find it out */
        u->err = engine_serving_error(r->engine, u->keyspace, u->range);
    if (p == NULL) {
        unit_done(r, now, u);
        return;
    }
    u->peer = p->node;
    if (has_been_compared(u) && !MUTANT(repair_breadth_first))
        list_push_front(&r->leading.waiting, &u->link);
    else
        list_push_back(&r->leading.waiting, &u->link);
}

static int compare_peers(const void *a, const void *b)
{
    node_no x = ((const struct unit_peer *)a)->node, y = ((const struct unit_peer *)b)->node;
    return x < y ? -1 : x > y;
}

/* Replicas of now and, where the range moves, those that it will have: who asks for a repair after
 * there are to be more of them means all. By number, but not all ranges with the same one first.
 * Who has been compared with already has, unless there are others now. */
void unit_find_peers(struct repair *r, struct unit *u)
{
    const struct placement *p = cluster_placement(r->cluster, u->keyspace);
    node_no self = cluster_self(r->cluster);
    if (p == NULL || u->range >= p->ranges ||
        !replicas_have(placement_replicas(p, u->range), self)) {
        u->err = ERR_STALE; /* in another ring it was us */
        lack_forget(u);
        u->peers_count = 0;
        return;
    }
    struct replicas sets[] = {placement_replicas(p, u->range), placement_pending(p, u->range)};
    struct unit_peer list[UNIT_PEERS_MAX];
    size_t count = 0, known = 0;
    for (size_t s = 0; s < ARRAY_LEN(sets) && !(s > 0 && MUTANT(newcomers_uncompared)); s++) {
        for (uint32_t i = 0; i < sets[s].count && count < UNIT_PEERS_MAX; i++) {
            if (sets[s].node[i] != self)
                list[count++] = (struct unit_peer){.node = sets[s].node[i]};
        }
    }
    u->alone = count == 0;
    if (u->alone && u->full && !MUTANT(alone_is_unread))
        list[count++] = (struct unit_peer){.node = self};
    for (size_t i = 0; i < u->peers_count * count; i++)
        known += list[i % count].node == u->peers[i / count].node;
    if (known == count && u->peers_count == count)
        return;
    qsort(list, count, sizeof *list, compare_peers);
    for (size_t i = 0; i < u->peers_count; i++)
        clock_close(&u->peers[i].has);
    mem_free(u->peers);
    u->peers = mem_alloc(count * sizeof *u->peers);
    u->peers_count = count;
    for (size_t i = 0; i < count; i++)
        u->peers[i] = list[(i + u->range) % count];
}

static void unit_key(const struct wire_repair_do *d, range_no range, struct buf *out)
{
    buf_clear(out);
    buf_put_u32(out, d->keyspace);
    buf_put_u32(out, range);
    buf_put_u8(out, (uint8_t)(d->full + 2 * d->preview));
    buf_put_bytes(out, d->tables);
}

/* Who joins a unit that others wait for waits as long as if it were new: it may be the one who was
 * down. Who was given up already is asked again. */
static void unit_is_shared(struct repair *r, struct now now, struct unit *u)
{
    r->stats.shared++;
    lack_anew(u, now);
    for (size_t i = 0; i < u->peers_count; i++) {
        struct unit_peer *p = &u->peers[i];
        p->tries = 0;
        if (p->err == ERR_UNAVAILABLE) {
            p->err = ERR_OK;
            p->settled = false;
        }
    }
}

static struct unit *unit_get(struct repair *r, struct now now, const struct wire_repair_do *d,
                             range_no range, const table_no *tables, size_t tables_count)
{
    struct buf key;
    buf_init(&key, 64 + 4 * REPAIR_TABLES_MAX);
    unit_key(d, range, &key);
    struct unit *u = bmap_get(&r->leading.units, buf_bytes(&key));
    if (u != NULL) {
        unit_is_shared(r, now, u);
    } else {
        u = mem_new(struct unit);
        *u = (struct unit){.keyspace = d->keyspace,
                           .range = range,
                           .tables_count = tables_count,
                           .full = d->full,
                           .preview = d->preview,
                           .began = now.mono,
                           .equal = true};
        u->tables = mem_copy(tables, tables_count * sizeof *tables);
        u->key = bytes_make(mem_copy(key.data, key.len), key.len);
        list_init(&u->link);
        bmap_put(&r->leading.units, u->key, u);
        unit_find_peers(r, u);
        unit_goes_on(r, now, u);
    }
    buf_close(&key);
    u->lots++;
    return u;
}

/* --- lots */

static void refuse(struct repair *r, node_no to, const struct wire_repair_do *d, enum err err)
{
    struct wire_message m = {.type = WIRE_REPAIR_DID};
    m.repair_did =
        (struct wire_repair_did){.run = d->run, .lot = d->lot, .err = (uint32_t)err, .last = true};
    repair_send(r, to, &m);
}

static size_t find_lot(const struct repair *r, node_no manager, uint64_t run, uint64_t no)
{
    for (size_t i = 0; i < LOTS_LED_MAX; i++) {
        const struct lot_led *lot = r->leading.lots[i];
        if (lot != NULL && lot->manager == manager && lot->run == run && lot->no == no)
            return i;
    }
    return LOTS_LED_MAX;
}

void lead_receive_do(struct repair *r, struct now now, node_no from, const struct wire_repair_do *d)
{
    struct arena arena = {0};
    range_no *ranges = NULL;
    table_no *tables = NULL;
    size_t count = 0, tables_count = 0, at = 0;
    enum err err = repair_read_ranges(d->ranges, RING_RANGES_MAX, &arena, &ranges, &count);
    if (err == ERR_OK)
        err = repair_read_tables(d->tables, &arena, &tables, &tables_count);
    while (at < LOTS_LED_MAX && r->leading.lots[at] != NULL)
        at++;
    if (err == ERR_OK && find_lot(r, from, d->run, d->lot) < LOTS_LED_MAX) {
        arena_close(&arena);
        return;
    }
    if (err == ERR_OK && (at == LOTS_LED_MAX || !r->begun))
        err = ERR_OVERLOADED;
    if (err != ERR_OK) {
        refuse(r, from, d, err);
        arena_close(&arena);
        return;
    }
    struct lot_led *lot = r->leading.lots[at] = mem_new(struct lot_led);
    *lot = (struct lot_led){.manager = from, .run = d->run, .no = d->lot, .told_at = now.mono};
    lot->units = mem_alloc(count * sizeof(struct unit *));
    for (size_t i = 0; i < count; i++)
        lot->units[lot->count++] = unit_get(r, now, d, ranges[i], tables, tables_count);
    lot->tell_due = now.mono + r->config.tell_us;
    for (size_t i = 0; i < count; i++) {
        if (!lot->units[i]->done)
            break;
        if (i + 1 == count)
            lot->tell_due = now.mono;
    }
    arena_close(&arena);
}

static void add_problem(struct lot_report *report, size_t at, node_no peer, enum err err,
                        uint64_t lacking)
{
    bits_set(report->failed, at);
    if (report->problems_count == LOT_PROBLEMS_MAX)
        return;
    report->problems[report->problems_count++] = (struct repair_problem){
        .range = (range_no)at, .peer = peer, .err = err, .lacking = lacking};
}

static void report_unit(struct repair *r, const struct unit *u, size_t at,
                        struct lot_report *report)
{
    bits_set(report->done, at);
    if (u->err != ERR_OK)
        add_problem(report, at, cluster_self(r->cluster), u->err, 0);
    if (u->gave_up && u->lacks > 0)
        add_problem(report, at, cluster_self(r->cluster), ERR_BEHIND, u->lacks);
    bool told = false; /* what is wrong with us, once for all peers */
    for (size_t i = 0; i < u->peers_count; i++) {
        const struct unit_peer *p = &u->peers[i];
        if (p->err == ERR_OK || (p->ours && told))
            continue;
        add_problem(report, at, p->ours ? cluster_self(r->cluster) : p->node, p->err,
                    p->err == ERR_BEHIND ? p->lacks : 0);
        told |= p->ours;
    }
    if (u->equal && MUTANT(repair_says_equal))
        report->failed[at / 8] = 0;
    if (u->equal && !bits_have(report->failed, at))
        bits_set(report->equal, at);
}

/* What is told of a unit that is not done, or that somebody else is to do, must not be told again
 * by who does it: rows count once. What it cost to come so far was spent. */
static void add_unit_sums(struct lot_report *report, size_t *cap, const struct unit *u)
{
    bool counts = u->done && u->err == ERR_OK;
    struct repair_sums *of_all = repair_sums_of(&report->sums, &report->sums_count, cap, 0);
    bool damaged = u->err == ERR_CORRUPT, failed = u->err != ERR_OK;
    for (size_t i = 0; i < u->peers_count; i++) {
        damaged = damaged || u->peers[i].err == ERR_CORRUPT;
        failed = failed || u->peers[i].err != ERR_OK;
    }
    of_all->ranges_different += counts && !u->equal;
    of_all->ranges_alone += u->done && u->alone && !failed;
    of_all->ranges_damaged += u->done && damaged;
    of_all->ranges_lacking += counts && lack_told(u) > 0;
    of_all->lacking += counts ? lack_told(u) : 0;
    for (size_t i = 0; i < u->sums_count; i++) {
        struct repair_sums sums = u->sums[i].sums;
        if (!counts && !MUTANT(repair_counts_twice))
            sums.rows = sums.rows_different = 0;
        repair_sums_add(repair_sums_of(&report->sums, &report->sums_count, cap, u->sums[i].table),
                        &sums);
    }
}

/* In thousandths: a peer after the other. */
static unsigned progress_of(const struct unit *u)
{
    size_t settled = 0;
    if (u->done || u->peers_count == 0)
        return u->done ? 1000 : 0;
    for (size_t i = 0; i < u->peers_count; i++)
        settled += u->peers[i].settled && !u->peers[i].again;
    size_t left = u->peers_count - settled;
    return (unsigned)((1000 * settled + (left > 0 ? u->progress : 0)) / u->peers_count);
}

/* All of the lot so far. Returns whether that is all. */
static bool tell_lot(struct repair *r, struct now now, struct lot_led *lot)
{
    struct wire_message m = {.type = WIRE_REPAIR_DID};
    struct arena arena = {0};
    struct lot_report report = {.done = arena_array(&arena, uint8_t, BITS_BYTES(lot->count)),
                                .equal = arena_array(&arena, uint8_t, BITS_BYTES(lot->count)),
                                .failed = arena_array(&arena, uint8_t, BITS_BYTES(lot->count))};
    size_t sums_cap = 0, done = 0;
    uint64_t progress = 0;
    bool full = false;
    report.problems = arena_array(&arena, struct repair_problem, LOT_PROBLEMS_MAX);
    for (size_t i = 0; i < lot->count; i++) {
        const struct unit *u = lot->units[i];
        done += u->done;
        full |= u->full;
        progress += progress_of(u);
        if (u->done)
            report_unit(r, u, i, &report);
        add_unit_sums(&report, &sums_cap, u);
    }
    m.repair_did =
        (struct wire_repair_did){.run = lot->run, .lot = lot->no, .last = done == lot->count};
    m.repair_did.progress = lot->count > 0 ? (uint32_t)(progress / lot->count) : 0;
    lack_sum(r, lot, &m.repair_did.waits_for, &m.repair_did.waits);
    repair_put_report(&m.repair_did, &report, lot->count, &r->arena);
    repair_send(r, lot->manager, &m);
    mem_free(report.sums);
    arena_close(&arena);
    lot->changed = false;
    lot->told_at = now.mono;
    lot->tell_due = now.mono + (full ? 2 : 10) * r->config.tell_us; /* reading again is slow */
    return done == lot->count;
}

static void drop_lot(struct repair *r, size_t at)
{
    lot_led_free(r, at);
    batch_stop_unwanted(r);
}

/* --- inputs */

void lead_receive_stop(struct repair *r, struct now now, node_no from,
                       const struct wire_repair_stop *m)
{
    size_t at = find_lot(r, from, m->run, m->lot);
    (void)now;
    if (at < LOTS_LED_MAX)
        drop_lot(r, at);
}

/* A manager that is gone begins anew when it is back. Healing itself says of a peer that is gone
 * that its sessions are over. */
void lead_peer_lost(struct repair *r, node_no peer)
{
    for (size_t i = 0; i < LOTS_LED_MAX; i++) {
        if (r->leading.lots[i] != NULL && r->leading.lots[i]->manager == peer)
            drop_lot(r, i);
    }
}

void lead_deadline(struct repair *r, struct now now)
{
    batch_fill(r, now);
    for (size_t i = 0; i < LOTS_LED_MAX; i++) {
        struct lot_led *lot = r->leading.lots[i];
        if (lot != NULL && lot->tell_due <= now.mono && tell_lot(r, now, lot))
            drop_lot(r, i);
    }
}

usec lead_next_deadline(const struct repair *r)
{
    const struct leading *l = &r->leading;
    usec next = USEC_NEVER;
    for (size_t i = 0; i < LOTS_LED_MAX; i++) {
        if (l->lots[i] != NULL && l->lots[i]->tell_due < next)
            next = l->lots[i]->tell_due;
    }
    for (struct list *at = l->waiting.next;
         at != &l->waiting && l->batches_count < REPAIR_BATCHES_MAX; at = at->next) {
        const struct unit *u = container_of(at, struct unit, link);
        if (u->due < next && batches_with(l, u->peer) < BATCHES_OF_PEER_MAX)
            next = u->due;
    }
    return next;
}
