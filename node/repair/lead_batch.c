/* lead_batch.c - a leader's units go to their peers in batches, and what healing found in them. */
#include "node/repair/repair_core.h"

#include "base/mutant.h"

#include <stdlib.h>
#include <string.h>

void batch_remove(struct repair *r, size_t at)
{
    struct leading *l = &r->leading;
    mem_free(l->batches[at].units);
    memmove(l->batches + at, l->batches + at + 1, (--l->batches_count - at) * sizeof *l->batches);
}

/* What nobody waits for any more is not gone on with. */
void batch_stop_unwanted(struct repair *r)
{
    struct leading *l = &r->leading;
    for (size_t at = l->batches_count; at-- > 0;) {
        struct batch *b = &l->batches[at];
        bool wanted = false;
        for (size_t i = 0; i < b->count; i++)
            wanted = wanted || (b->units[i] != NULL && b->units[i]->lots > 0);
        if (wanted)
            continue;
        repair_append(r, REPAIR_STOP)->stop = b->no;
        for (size_t i = 0; i < b->count; i++) {
            if (b->units[i] != NULL)
                unit_free(r, b->units[i]);
        }
        batch_remove(r, at);
    }
}

static struct unit_peer *peer_of(struct unit *u, node_no peer)
{
    for (size_t i = 0; i < u->peers_count; i++) {
        if (u->peers[i].node == peer)
            return &u->peers[i];
    }
    return NULL;
}

/* Once more with this peer, */
static bool is_again(struct unit *u)
{
    const struct unit_peer *p = peer_of(u, u->peer);
    return p != NULL && p->settled && p->again;
}

/* ... which has read it for us already: not again. */
static bool reads(struct unit *u)
{
    return u->full && !is_again(u);
}

static bool same_wish(struct unit *a, struct unit *b)
{
    return a->peer == b->peer && a->keyspace == b->keyspace && is_again(a) == is_again(b) &&
           a->full == b->full && a->preview == b->preview && a->tables_count == b->tables_count &&
           (a->tables_count == 0 ||
            memcmp(a->tables, b->tables, a->tables_count * sizeof *a->tables) == 0);
}

static int compare_units(const void *a, const void *b)
{
    range_no x = (*(struct unit *const *)a)->range, y = (*(struct unit *const *)b)->range;
    return x < y ? -1 : x > y;
}

/* Of a batch that reads all again: however slow that is, they are no more than so many, for each
 * costs some messages; and no fewer than so many, for they are lost with the leader. */
static size_t full_ranges(struct leading *l)
{
    size_t led = 0, least;
    for (size_t i = 0; i < LOTS_LED_MAX; i++)
        led += l->lots[i] != NULL ? l->lots[i]->count : 0;
    least = (led + FULL_BATCHES - 1) / FULL_BATCHES;
    least = least < FULL_RANGES_FIRST && led > 0 ? least : FULL_RANGES_FIRST;
    if (l->full_ranges < least && !MUTANT(repair_batches_shrink))
        l->full_ranges = least;
    l->full_ranges += l->full_ranges == 0;
    return l->full_ranges;
}

static void begin_batch(struct repair *r, struct now now, struct unit *first)
{
    struct leading *l = &r->leading;
    struct batch *b = &l->batches[l->batches_count++];
    size_t most =
        reads(first) && !MUTANT(repair_reads_all_first) ? full_ranges(l) : BATCH_RANGES_MAX;
    *b = (struct batch){.no = ++r->numbers, .peer = first->peer, .began = now.mono};
    b->full = reads(first);
    b->again = is_again(first);
    b->units = mem_alloc(most * sizeof(struct unit *));
    struct list *next = &first->link;
    usec since = 0;
    while (next != &l->waiting && b->count < most) {
        struct unit *u = container_of(next, struct unit, link);
        next = next->next;
        if (u->due > now.mono || !same_wish(u, first))
            continue;
        list_remove(&u->link);
        u->running = true;
        u->asked = now.mono;
        b->units[b->count++] = u;
    }
    qsort(b->units, b->count, sizeof(struct unit *), compare_units);
    range_no *ranges = arena_array(&r->arena, range_no, b->count);
    for (size_t i = 0; i < b->count; i++) {
        ranges[i] = b->units[i]->range;
        since = b->units[i]->began > since ? b->units[i]->began : since;
    }
    struct repair_effect *e = repair_append(r, REPAIR_COMPARE);
    e->compare.batch = b->no;
    e->compare.peer = b->peer;
    e->compare.keyspace = first->keyspace;
    e->compare.tables_count = first->tables_count;
    table_no *tables = arena_array(&r->arena, table_no, first->tables_count);
    if (first->tables_count > 0)
        memcpy(tables, first->tables, first->tables_count * sizeof *tables);
    e->compare.tables = tables;
    e->compare.ranges = ranges;
    e->compare.ranges_count = b->count;
    e->compare.full = b->full;
    e->compare.since = since;
    e->compare.preview = first->preview;
    e->compare.more = !list_empty(&l->waiting);
}

size_t batches_with(const struct leading *l, node_no peer)
{
    size_t count = 0;
    for (size_t i = 0; i < l->batches_count; i++)
        count += l->batches[i].peer == peer;
    return count;
}

static struct unit *next_ready(struct repair *r, struct now now)
{
    struct leading *l = &r->leading;
    struct list *next = l->waiting.next;
    while (next != &l->waiting) {
        struct unit *u = container_of(next, struct unit, link);
        next = next->next;
        if (u->due > now.mono)
            continue;
        if (!cluster_is_alive(r->cluster, u->peer)) { /* somebody else's turn, or later */
            list_remove(&u->link);
            unit_goes_on(r, now, u);
        } else if (batches_with(l, u->peer) < BATCHES_OF_PEER_MAX) {
            return u;
        }
    }
    return NULL;
}

void batch_fill(struct repair *r, struct now now)
{
    struct unit *u;
    while (r->leading.batches_count < REPAIR_BATCHES_MAX && (u = next_ready(r, now)) != NULL)
        begin_batch(r, now, u);
}

/* --- what healing found */

static bool is_passing(enum err err)
{
    return err == ERR_TIMEOUT || err == ERR_STALE || err == ERR_OVERLOADED || err == ERR_BEHIND ||
           err == ERR_CLOSED || err == ERR_NOT_FOUND || err == ERR_UNAVAILABLE;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static int compare_rows(const void *a, const void *b)
{
    const struct repair_row *x = a, *y = b;
    if (x->table != y->table)
        return x->table < y->table ? -1 : 1;
    return x->key_hash < y->key_hash ? -1 : x->key_hash > y->key_hash;
}

/* A row counts once, however many replicas lack it. */
static void add_different(struct unit *u, const struct repair_found *found)
{
    size_t all = u->different_count + found->different_count, kept = 0;
    if (found->different_count == 0 || u->too_different)
        return;
    u->different = mem_resize(u->different, all * sizeof *u->different);
    memcpy(u->different + u->different_count, found->different,
           found->different_count * sizeof *u->different);
    qsort(u->different, all, sizeof *u->different, compare_rows);
    for (size_t i = 0; i < all; i++) {
        if (i == 0 || compare_rows(&u->different[i], &u->different[kept - 1]) != 0)
            u->different[kept++] = u->different[i];
    }
    u->different_count = kept;
}

static uint64_t different_in(const struct unit *u, table_no table)
{
    uint64_t count = 0;
    for (size_t i = 0; i < u->different_count; i++)
        count += u->different[i].table == table;
    return count;
}

/* Rows of the range are counted once, too, whatever the number of peers. */
static void add_sums(struct unit *u, table_no table, const struct repair_sums *s)
{
    struct repair_sums *to = repair_sums_of(&u->sums, &u->sums_count, &u->sums_cap, table);
    struct repair_sums sum = *to;
    repair_sums_add(&sum, s);
    sum.rows = larger(to->rows, s->rows);
    sum.rows_different =
        u->too_different ? larger(to->rows_different, s->rows_different) : different_in(u, table);
    *to = sum;
}

static bool is_wanted(const struct unit *u, table_no table)
{
    bool wanted = u->tables_count == 0;
    for (size_t i = 0; i < u->tables_count; i++)
        wanted = wanted || u->tables[i] == table;
    return wanted;
}

static void take_found(struct unit *u, const struct repair_found *found, enum err err)
{
    struct repair_sums rest = found->sums;
    u->too_different |=
        !found->different_all || u->different_count + found->different_count > REPAIR_DIFFERENT_MAX;
    add_different(u, found);
    for (size_t i = 0; i < found->tables_count; i++) {
        const struct repair_sums *s = &found->tables[i].sums;
        if (!is_wanted(u, found->tables[i].table))
            continue;
#define X(name) rest.name -= s->name < rest.name ? s->name : rest.name;
        REPAIR_SUM_LIST(X)
#undef X
        add_sums(u, found->tables[i].table, s);
    }
    add_sums(u, 0, &rest);
    u->equal &= found->equal || (err != ERR_OK && found->sums.rows_different == 0);
}

/* What differed is mended: all once more, which costs some bytes a range, and shows that all have
 * the very same now, so that they can be told of each other (node/heal/same.c). */
static void check_once(struct unit *u)
{
    bool all = u->differed && !u->checked && u->peers_count > 1 && u->tables_count == 0;
    for (size_t i = 0; i < u->peers_count; i++)
        all = all && u->peers[i].settled && !u->peers[i].again && u->peers[i].err == ERR_OK;
    u->checked |= all;
    for (size_t i = 0; i < u->peers_count && all; i++)
        u->peers[i].again = true;
}

/* The others that came before lack what this one brought. */
static void peer_settled(struct unit *u, struct unit_peer *p, const struct repair_found *found)
{
    bool again = p->again && !p->looked;
    p->err = ERR_OK;
    p->settled = true;
    p->again = p->looked = p->behind = false;
    p->tries = 0;
    p->brought = found->sums.rows_received > 0;
    u->differed |= found->sums.rows_different > 0;
    if (u->preview || MUTANT(repair_not_again))
        return;
    for (size_t i = 0; i < u->peers_count && !again && p->brought; i++)
        u->peers[i].again = &u->peers[i] != p && u->peers[i].settled && u->peers[i].err == ERR_OK;
    check_once(u);
}

/* What healing said of it; the unit goes on after that. */
static void unit_settled(struct repair *r, struct now now, struct unit *u, node_no peer,
                         enum err err, const struct repair_found *found)
{
    struct unit_peer *p = peer_of(u, peer);
    ASSERT(p != NULL);
    if (found != NULL)
        take_found(u, found, err);
    if (found != NULL)
        lack_heard(u, p, found);
    if (err == ERR_OK && found != NULL) {
        peer_settled(u, p, found);
    } else if (err == ERR_BEHIND && p->heard) { /* too much of it is on its way */
        p->settled = p->behind = true;
        p->again = p->looked = false;
    } else if (is_passing(err) && ++p->tries < UNIT_TRIES_MAX) {
        u->due = now.mono + r->config.retry_us;
        unit_find_peers(r, u); /* perhaps that is why */
    } else {
        p->err = err != ERR_OK ? err : ERR_FAILED;
        p->ours = found != NULL && found->ours;
        p->settled = true;
        p->again = p->looked = false;
    }
    unit_changed(r, now, u);
}

static void unit_leaves_batch(struct repair *r, struct now now, struct unit *u)
{
    u->running = false;
    u->progress = 0;
    if (u->lots == 0)
        unit_free(r, u);
    else
        unit_goes_on(r, now, u);
}

static struct batch *find_batch(struct repair *r, uint64_t no)
{
    for (size_t i = 0; i < r->leading.batches_count; i++) {
        if (r->leading.batches[i].no == no)
            return &r->leading.batches[i];
    }
    return NULL;
}

void repair_compared(struct repair *r, struct now now, uint64_t batch, range_no range, enum err err,
                     const struct repair_found *found)
{
    struct batch *b = repair_stopped(r) == NULL ? find_batch(r, batch) : NULL;
    for (size_t i = 0; b != NULL && i < b->count; i++) {
        struct unit *u = b->units[i];
        if (u == NULL || u->range != range)
            continue;
        repair_sums_add(&b->sums, &found->sums);
        unit_settled(r, now, u, b->peer, err, found);
        if (++b->settled == b->count) {
            b->last = u;
            return;
        }
        b->units[i] = NULL;
        unit_leaves_batch(r, now, u);
        return;
    }
}

size_t repair_batches(const struct repair *r, uint64_t ret_batches[REPAIR_BATCHES_MAX])
{
    for (size_t i = 0; i < r->leading.batches_count; i++)
        ret_batches[i] = r->leading.batches[i].no;
    return r->leading.batches_count;
}

void repair_progress(struct repair *r, uint64_t batch, unsigned thousandths, uint64_t rows_read)
{
    struct batch *b = find_batch(r, batch);
    struct unit *first = NULL;
    for (size_t i = 0; b != NULL && i < b->count; i++) {
        if (b->units[i] == NULL)
            continue;
        b->units[i]->progress = thousandths;
        first = first == NULL ? b->units[i] : first;
    }
    if (first == NULL || rows_read <= b->rows_read)
        return;
    struct repair_sums more = {.rows_read = rows_read - b->rows_read};
    add_sums(first, 0, &more);
    b->rows_read = rows_read;
}

static uint64_t less(uint64_t all, uint64_t told)
{
    return all > told ? all - told : 0;
}

/* So long that what a batch costs besides is little, so short that little is lost when the manager
 * is, or the leader: by the time that they take, for ranges are of any size. */
static void size_batches(struct leading *l, struct now now, const struct batch *b)
{
    usec took = now.mono - b->began;
    if (!b->full || b->count < l->full_ranges)
        return;
    if (took < FULL_BATCH_US / 2)
        l->full_ranges = 2 * l->full_ranges;
    else if (took > 2 * FULL_BATCH_US)
        l->full_ranges = l->full_ranges / 2;
    if (l->full_ranges > BATCH_RANGES_MAX)
        l->full_ranges = BATCH_RANGES_MAX;
}

void repair_compared_all(struct repair *r, struct now now, uint64_t batch, enum err err,
                         const struct repair_sums *sums)
{
    struct batch *b = repair_stopped(r) == NULL ? find_batch(r, batch) : NULL;
    if (b == NULL)
        return;
    for (size_t i = 0; i < b->count; i++) {
        struct unit *u = b->units[i];
        if (u == NULL)
            continue;
        if (b->last == NULL)
            b->last = u;
        if (b->last != u || b->settled < b->count)
            unit_settled(r, now, u, b->peer, err != ERR_OK ? err : ERR_FAILED, NULL);
        if (b->last == u) { /* messages that were about many ranges; what was read since told */
            struct repair_sums rest = {.messages = less(sums->messages, b->sums.messages),
                                       .bytes_search =
                                           less(sums->bytes_search, b->sums.bytes_search),
                                       .bytes_hashes = b->again ? 0 : sums->bytes_hashes,
                                       .rows_read = less(sums->rows_read, b->rows_read)};
            add_sums(u, 0, &rest);
            unit_changed(r, now, u);
        }
        unit_leaves_batch(r, now, u);
    }
    size_batches(&r->leading, now, b);
    batch_remove(r, (size_t)(b - r->leading.batches));
    batch_fill(r, now);
}
