/* compare_serve.c - the other side of a session by trees. Each question says all that is needed to
 * answer it. Only trees that are being brought up to date, and rows on their way to the disk, are
 * remembered. */
#include "node/heal/vote.h"

#include "base/mutant.h"

#include <stdlib.h>
#include <string.h>

struct serving *serve_state(struct heal *h)
{
    if (h->serving == NULL) {
        h->serving = mem_new(struct serving);
        h->serving->due = USEC_NEVER;
    }
    return h->serving;
}

static void forget(struct served *v)
{
    buf_close(&v->scrub.from);
    *v = (struct served){0};
}

void serve_compare_free(struct heal *h)
{
    for (size_t i = 0; h->serving != NULL && i < SERVED_MAX; i++)
        forget(&h->serving->list[i]);
    mem_free(h->serving);
}

void serve_compare_lost(struct heal *h, node_no peer)
{
    for (size_t i = 0; h->serving != NULL && i < SERVED_MAX; i++) {
        if (h->serving->list[i].peer == peer)
            forget(&h->serving->list[i]);
    }
}

/* NULL: too many are under way. */
static struct served *note(struct heal *h, struct now now, node_no peer, uint64_t session,
                           const struct compare_range *r)
{
    struct served *free = NULL, *idle = NULL; /* of those that wait for nothing, the oldest */
    struct serving *all = serve_state(h);
    for (size_t i = 0; i < SERVED_MAX; i++) {
        struct served *v = &all->list[i];
        if (v->peer == peer && v->session == session && v->keyspace == r->keyspace &&
            v->range == r->range) {
            v->kept_until = now.mono + SERVED_KEPT;
            return v;
        }
        if (v->peer != 0 && v->kept_until <= now.mono)
            forget(v);
        free = v->peer == 0 && free == NULL ? v : free;
        if (v->peer != 0 && v->done && (idle == NULL || v->kept_until < idle->kept_until))
            idle = v;
    }
    if (free == NULL && idle == NULL)
        return NULL;
    if (free == NULL)
        forget(free = idle);
    *free = (struct served){.peer = peer, .session = session, .done = true};
    free->keyspace = r->keyspace;
    free->range = r->range;
    free->kept_until = now.mono + SERVED_KEPT;
    if (all->due > free->kept_until)
        all->due = free->kept_until;
    return free;
}

static void bring_up_to_date(struct heal *h, struct now now, struct served *v)
{
    v->done = false;
    if (h->serving->due > now.mono + compare_pause(h))
        h->serving->due = now.mono + compare_pause(h);
}

static bool is_paced(const struct heal *h, const struct served *v)
{
    return v->paced && h->stats.damaged_ranges == 0;
}

/* A turn of one of them. */
static void work_on(struct heal *h, struct now now, struct served *v)
{
    struct arena arena = {0};
    struct compare_range r;
    uint64_t wrong = 0;
    bool done = false, scrub = v->full && !v->scrubbed;
    struct compare_turn turn = compare_turn_begin(h, now, is_paced(h, v));
    enum err err = compare_range(h, v->keyspace, v->range, v->peer, &arena, &r);
    if (err == ERR_OK)
        err = compare_prepare(h, now, &r, turn.work, scrub ? &v->scrub : NULL, v->preview, &wrong,
                              &done);
    (void)compare_turn_end(h, now, &turn, true, 0);
    heal_felt_tell(h, now, v->peer);
    if (err != ERR_OK || done) { /* an error is told when it is asked */
        v->done = true;
        v->unread = err == ERR_CORRUPT && done;
        v->scrubbed = v->scrubbed || err == ERR_OK;
    }
    arena_close(&arena);
}

void serve_compare_deadline(struct heal *h, struct now now)
{
    struct served *next = NULL;
    struct serving *all = h->serving;
    if (all == NULL || now.mono < all->due)
        return;
    all->due = USEC_NEVER;
    for (size_t i = 0; i < SERVED_MAX; i++) {
        struct served *v = &all->list[i];
        if (v->peer != 0 && v->kept_until <= now.mono)
            forget(v);
        if (v->peer != 0 && !v->done && next == NULL &&
            compare_turn_next(h, now, is_paced(h, v)) <= now.mono)
            next = v;
    }
    if (next != NULL)
        work_on(h, now, next);
    for (size_t i = 0; i < SERVED_MAX; i++) {
        const struct served *v = &all->list[i];
        usec due = now.mono + compare_pause(h);
        usec may = compare_turn_next(h, now, is_paced(h, v));
        due = v->done ? v->kept_until : may > due ? may : due;
        if (v->peer != 0 && due < all->due)
            all->due = due;
    }
}

static void put_touched(struct heal *h, const struct touched *t, struct bytes *ret)
{
    struct buf out;
    buf_init(&out, WIRE_MESSAGE_MAX / 4);
    compare_put_touched(&out, t->items, t->count);
    *ret = heal_keep(h, &out);
    buf_close(&out);
}

enum err serve_range(struct heal *h, keyspace_no keyspace, range_no range, uint64_t tag,
                     node_no from, struct arena *arena, struct compare_range *ret)
{
    enum err err = compare_range(h, keyspace, range, from, arena, ret);
    return err == ERR_OK && ret->tag != tag ? ERR_STALE : err;
}

/* --- opening */

struct opening {
    struct heal *h;
    struct arena arena;
    struct compare_range r;
    table_no *tables;
    size_t tables_count;
    struct tree_sum *sums;
    struct clock asof, theirs;
};

static enum err read_tables(struct opening *o, struct bytes in, bool *ret_same)
{
    struct reader r = reader_make(in);
    size_t count = in.len / 4, found = 0;
    const struct range_place *place = &o->r.place;
    o->tables = arena_array(&o->arena, table_no, count);
    for (size_t i = 0; i < count; i++)
        o->tables[o->tables_count++] = read_u32(&r);
    for (size_t i = 0; i < place->tables_count; i++) {
        for (size_t k = 0; k < count; k++)
            found += o->tables[k] == place->tables[i];
    }
    *ret_same = count == place->tables_count;
    return found == count ? reader_finish(&r) : ERR_NOT_FOUND;
}

/* False: the tree is not up to date. */
static enum err look_at_root(struct opening *o, struct now now, bool paced, bool *ret_current)
{
    struct heal *h = o->h;
    bool done;
    uint64_t wrong = 0;
    struct compare_turn turn = compare_turn_begin(h, now, paced);
    o->sums = arena_array(&o->arena, struct tree_sum, o->r.place.tables_count);
    enum err err = compare_prepare(h, now, &o->r, turn.work, NULL, false, &wrong, &done);
    (void)compare_turn_end(h, now, &turn, true, 0);
    if (err == ERR_CORRUPT)
        err = ERR_BEHIND; /* it is built anew */
    if (err == ERR_OK && done)
        err = engine_tree_root(h->engine, o->r.keyspace, o->r.range, &o->r.place, o->sums, &o->asof,
                               ret_current);
    return err;
}

static enum err tell_clocks(struct opening *o, struct wire_compare_opened *m)
{
    struct heal *h = o->h;
    struct clock cut, durable, told;
    struct touched touched = {0};
    clock_init(&cut);
    clock_init(&durable);
    clock_init(&told);
    clock_common(&o->asof, &o->theirs, &cut);
    m->ready = engine_durable_clock(h->engine, o->r.keyspace, o->r.range, &durable);
    clock_common(&durable, &o->asof, &told);
    m->clock = compare_keep_clock(h, &o->asof);
    m->durable = compare_keep_clock(h, &told);
    const struct clock *agreed = heal_agreed(h, o->r.keyspace, o->r.range);
    clock_close(&told);
    clock_init(&told);
    m->agreed = compare_keep_clock(h, agreed != NULL ? agreed : &told);
    enum err err = compare_touched(h, &o->r, &cut, &o->arena, &touched);
    m->truncated = err == ERR_BEHIND ||
                   (sure_is_not(h, o->r.keyspace, o->r.range) && !MUTANT(unwhole_is_outvoted));
    if (err == ERR_BEHIND || (err == ERR_TOO_BIG && m->equal))
        err = ERR_OK;
    if (m->equal)
        touched.count = 0;
    put_touched(h, &touched, &m->touched);
    clock_close(&cut);
    clock_close(&durable);
    clock_close(&told);
    return err;
}

/* It gets dots of deletions that were dropped before it came. */
static enum err tell_dropped(struct heal *h, struct wire_compare_opened *m)
{
    struct buf out;
    buf_init(&out, WIRE_MESSAGE_MAX / 4);
    enum err err = engine_purged_list(h->engine, &out);
    if (err == ERR_OK)
        err = buf_finish(&out);
    m->dropped = heal_keep(h, &out);
    buf_close(&out);
    return err;
}

void serve_compare_open(struct heal *h, struct now now, node_no from,
                        const struct wire_compare_open *m)
{
    struct wire_message answer = {.type = WIRE_COMPARE_OPENED};
    struct wire_compare_opened *a = &answer.compare_opened;
    struct opening o = {.h = h};
    struct served *v = NULL;
    clock_init(&o.asof);
    clock_init(&o.theirs);
    a->session = m->session;
    a->life = h->life;
    enum err err = serve_range(h, m->keyspace, m->range, m->tag, from, &o.arena, &o.r);
    if (err == ERR_OK)
        err = clock_decode(m->clock, &o.theirs);
    if (err == ERR_OK)
        err = read_tables(&o, m->tables, &a->same_tables);
    if (err == ERR_OK && (v = note(h, now, from, m->session, &o.r)) == NULL)
        err = ERR_OVERLOADED;
    if (err == ERR_OK)
        v->paced = m->paced;
    if (err == ERR_OK && m->full && !v->full) {
        v->full = true;
        v->preview = m->preview;
        bring_up_to_date(h, now, v);
    }
    if (err == ERR_OK && v->unread)
        err = ERR_CORRUPT;
    if (err == ERR_OK && !(v->full && !v->scrubbed))
        err = look_at_root(&o, now, is_paced(h, v), &a->ready);
    if (err == ERR_OK && a->ready) {
        a->equal = compare_root(&o.r, o.tables, o.tables_count, o.sums) == m->root;
        err = tell_clocks(&o, a);
        if (err == ERR_OK && compare_is_new(h, &o.r, from))
            err = tell_dropped(h, a);
        if (err == ERR_OK && a->equal && a->same_tables && m->durable &&
            engine_has(h->engine, m->keyspace, m->range, &o.asof) == ENGINE_HAS)
            proved_by_trees(h, now, m->keyspace, m->range, from);
    } else if (err == ERR_OK || err == ERR_BEHIND) {
        bring_up_to_date(h, now, v);
        err = ERR_OK;
    }
    a->err = (uint32_t)err;
    heal_send(h, from, &answer);
    heal_felt_tell(h, now, from);
    clock_close(&o.asof);
    clock_close(&o.theirs);
    arena_close(&o.arena);
}

void serve_compare_end(struct heal *h, struct now now, node_no from,
                       const struct wire_compare_end *m)
{
    struct arena arena = {0};
    struct compare_range r;
    enum err err = serve_range(h, m->keyspace, m->range, m->tag, from, &arena, &r);
    if (err == ERR_OK && m->proved && m->life == h->life)
        proved_by_trees(h, now, m->keyspace, m->range, from);
    arena_close(&arena);
    for (size_t i = 0; h->serving != NULL && i < SERVED_MAX; i++) {
        struct served *v = &h->serving->list[i];
        if (v->peer == from && v->session == m->session)
            forget(v);
    }
}

/* --- answering */

struct answering {
    struct heal *h;
    const struct wire_compare_ask *m;
    struct arena arena;
    struct compare_range r;
    struct clock cut, agreed;
    struct touched skip, own; /* what is left out; and what our newer dots touched */
    struct compare_unit *units;
    size_t units_count;
    table_no skip_table;
    struct tree_skip skips, owns; /* of that table */
    struct buf answers, rows;
    size_t answered;
};

static void choose_skips(struct answering *a, table_no table)
{
    if (a->skip_table != table) {
        tree_skip_make(a->skip.items, a->skip.count, table, &a->arena, &a->skips);
        tree_skip_make(a->own.items, a->own.count, table, &a->arena, &a->owns);
    }
    a->skip_table = table;
}

static enum err answer_sum(struct answering *a, const struct compare_unit *u)
{
    struct tree_sum sum;
    enum err err = engine_tree_sum(a->h->engine, a->r.keyspace, a->r.range, &a->r.place, u->table,
                                   &u->stretch, a->skips.count > 0 ? &a->skips : NULL, &sum);
    struct compare_answer answer = {.differs = err == ERR_OK && sum.sum != u->sum};
    if (err == ERR_OK)
        compare_put_answer(&a->answers, false, &answer);
    return err;
}

struct listed {
    uint64_t hash;
    size_t at;
};

static int compare_listed(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Which of our rows are not in their list; and `matched`: which of theirs are in ours. */
static struct bytes *find_others(struct answering *a, const struct compare_unit *u,
                                 const struct tree_item *items, size_t count, bool *matched,
                                 struct compare_answer *ret)
{
    struct bytes *places = arena_array(&a->arena, struct bytes, count);
    struct listed *list = arena_array(&a->arena, struct listed, u->count);
    for (size_t i = 0; i < u->count; i++)
        list[i] = (struct listed){u->hashes[i], i};
    if (u->count > 1)
        qsort(list, u->count, sizeof *list, compare_listed);
    ret->theirs = arena_array(&a->arena, uint64_t, count);
    for (size_t i = 0; i < count; i++) {
        size_t low = 0, high = u->count;
        while (low < high) {
            size_t mid = low + (high - low) / 2;
            if (list[mid].hash < items[i].content_hash)
                low = mid + 1;
            else
                high = mid;
        }
        if (low < u->count && list[low].hash == items[i].content_hash && !MUTANT(alike_is_told)) {
            matched[list[low].at] = true;
        } else if (a->m->all || !tree_skip_has(&a->owns, items[i].place)) {
            places[ret->theirs_count] = items[i].place;
            ret->theirs[ret->theirs_count++] = items[i].key_hash;
        }
    }
    return places;
}

static enum err answer_list(struct answering *a, const struct compare_unit *u)
{
    struct heal *h = a->h;
    struct tree_item *items;
    size_t count, served = 0;
    struct compare_answer answer = {0};
    bool all = a->m->all;
    enum err err = engine_tree_list(h->engine, a->r.keyspace, a->r.range, &a->r.place, u->table,
                                    &u->stretch, a->skips.count > 0 ? &a->skips : NULL,
                                    all ? NULL : &a->agreed, all ? INT64_MIN : a->m->now_s,
                                    COMPARE_LIST_MAX, &a->arena, &items, &count, &answer.upto);
    if (err != ERR_OK)
        return err;
    bool *matched = arena_array(&a->arena, bool, u->count);
    struct bytes *places = find_others(a, u, items, count, matched, &answer);
    if (answer.theirs_count > 0 && !a->m->preview) {
        uint32_t max = a->m->bytes_max < COMPARE_REPLY_MAX ? a->m->bytes_max : COMPARE_REPLY_MAX;
        err = engine_tree_rows(h->engine, u->table, places, answer.theirs_count, max, &a->rows,
                               &served);
        if (err != ERR_OK)
            return err;
        if (served < answer.theirs_count) {
            answer.upto = places[served];
            answer.theirs_count = served;
        }
    }
    answer.wanted = arena_array(&a->arena, size_t, u->count);
    for (size_t i = 0; i < u->count; i++) {
        if (!matched[i])
            answer.wanted[answer.wanted_count++] = i;
    }
    compare_put_answer(&a->answers, true, &answer);
    return ERR_OK;
}

/* The first of the units, as many as one turn and one message bear. */
static enum err answer_units(struct answering *a)
{
    uint64_t work = a->m->work > 0 && a->m->work < COMPARE_WORK ? a->m->work : COMPARE_WORK;
    uint64_t stop = engine_stats(a->h->engine).fragments_read + work;
    enum err err = ERR_OK;
    while (a->answered < a->units_count && err == ERR_OK) {
        const struct compare_unit *u = &a->units[a->answered];
        bool full = a->rows.len >= a->m->bytes_max || a->rows.len >= COMPARE_REPLY_MAX ||
                    engine_stats(a->h->engine).fragments_read >= stop;
        bool has_table = false;
        for (size_t i = 0; i < a->r.place.tables_count; i++)
            has_table = has_table || a->r.place.tables[i] == u->table;
        if (a->answered > 0 && full)
            break;
        if (!has_table)
            return ERR_NOT_FOUND;
        choose_skips(a, u->table);
        err = u->list ? answer_list(a, u) : answer_sum(a, u);
        a->answered += err == ERR_OK;
    }
    return err == ERR_BEHIND && a->answered > 0 ? ERR_OK : err;
}

static enum err read_question(struct answering *a, node_no from)
{
    const struct wire_compare_ask *m = a->m;
    enum err err = serve_range(a->h, m->keyspace, m->range, m->tag, from, &a->arena, &a->r);
    if (err == ERR_OK)
        err = clock_decode(m->cut, &a->cut);
    if (err == ERR_OK)
        err = clock_decode(m->agreed, &a->agreed);
    if (err == ERR_OK)
        err = compare_read_touched(m->skip, &a->arena, &a->skip);
    if (err == ERR_OK)
        err = compare_read_units(m->units, &a->arena, &a->units, &a->units_count);
    if (err == ERR_OK && !m->all &&
        !clock_covers(engine_clock(a->h->engine, m->keyspace, m->range), &a->cut))
        err = ERR_STALE; /* it was forgotten */
    return err;
}

/* Of what our newer dots touched only what meets a unit is told. */
static void tell_touched(struct answering *a, struct bytes *ret)
{
    struct touched met = {arena_array(&a->arena, struct tree_touched, a->own.count), 0};
    for (size_t i = 0; i < a->own.count; i++) {
        const struct tree_touched *t = &a->own.items[i];
        bool any = false;
        for (size_t k = 0; k < a->answered && !any; k++)
            any = a->units[k].table == t->table &&
                  compare_stretches_meet(&a->units[k].stretch, &t->stretch);
        if (any)
            met.items[met.count++] = *t;
    }
    put_touched(a->h, &met, ret);
}

/* ERR_BEHIND: with `ret`, what is agreed here and not known there. */
static enum err answer(struct answering *a, struct bytes *ret_agreed)
{
    const struct wire_compare_ask *m = a->m;
    const struct clock *agreed = heal_agreed(a->h, m->keyspace, m->range);
    enum err err = ERR_OK;
    if (!m->all && agreed != NULL && !clock_covers(&a->agreed, agreed)) {
        *ret_agreed = compare_keep_clock(a->h, agreed);
        return ERR_BEHIND;
    }
    if (!m->all)
        err = compare_touched(a->h, &a->r, &a->cut, &a->arena, &a->own);
    return err == ERR_OK ? answer_units(a) : err == ERR_BEHIND ? ERR_TOO_BIG : err;
}

void serve_compare_ask(struct heal *h, struct now now, node_no from,
                       const struct wire_compare_ask *m)
{
    struct wire_message reply = {.type = WIRE_COMPARE_TELL};
    struct wire_compare_tell *t = &reply.compare_tell;
    struct answering a = {.h = h, .m = m};
    struct buf answers;
    clock_init(&a.cut);
    clock_init(&a.agreed);
    buf_init(&a.answers, WIRE_MESSAGE_MAX / 4);
    buf_init(&a.rows, WIRE_MESSAGE_MAX / 2);
    buf_init(&answers, WIRE_MESSAGE_MAX / 4);
    enum err err = read_question(&a, from);
    struct served *v = err == ERR_OK ? note(h, now, from, m->session, &a.r) : NULL;
    if (err == ERR_OK)
        err = answer(&a, &t->agreed);
    if (err == ERR_BEHIND && v != NULL && t->agreed.len == 0)
        bring_up_to_date(h, now, v);
    if (err == ERR_OK) {
        buf_put_varint(&answers, a.answered);
        buf_put_bytes(&answers, buf_bytes(&a.answers));
        t->answers = heal_keep(h, &answers);
        t->rows = heal_keep(h, &a.rows);
        tell_touched(&a, &t->touched);
        h->stats.bytes_served += a.rows.len;
    }
    t->session = m->session;
    t->request = m->request;
    t->err = (uint32_t)err;
    t->life = h->life;
    t->drops = engine_drops(h->engine, m->keyspace, m->range);
    t->durable =
        err == ERR_OK && engine_has(h->engine, m->keyspace, m->range, &a.cut) == ENGINE_HAS;
    heal_send(h, from, &reply);
    heal_felt_tell(h, now, from);
    buf_close(&answers);
    buf_close(&a.answers);
    buf_close(&a.rows);
    clock_close(&a.cut);
    clock_close(&a.agreed);
    arena_close(&a.arena);
}
