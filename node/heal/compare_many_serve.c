/* compare_many_serve.c - the other side of comparing many ranges: see compare_many.h. */
#include "node/heal/compare_many.h"

#include "base/mutant.h"

static void forget(struct served_many *v)
{
    many_reading_free(&v->reading);
    arena_close(&v->own);
    *v = (struct served_many){0};
}

void serve_many_free(struct heal *h)
{
    for (size_t i = 0; h->serving_many != NULL && i < SERVED_MANY_MAX; i++)
        forget(&h->serving_many->list[i]);
    mem_free(h->serving_many);
}

void serve_many_lost(struct heal *h, node_no peer)
{
    for (size_t i = 0; h->serving_many != NULL && i < SERVED_MANY_MAX; i++) {
        if (h->serving_many->list[i].peer == peer)
            forget(&h->serving_many->list[i]);
    }
}

static void answer(struct heal *h, node_no to, uint64_t session, uint32_t request,
                   const struct buf *told)
{
    struct wire_message m = {.type = WIRE_COMPARE_ROOTS_TOLD};
    m.compare_roots_told = (struct wire_compare_roots_told){session, request, BYTES_NONE};
    if (told != NULL)
        m.compare_roots_told.told = heal_keep(h, told);
    heal_send(h, to, &m);
}

/* --- the answer */

/* Whether this range is what the asker has, as far as we could look at it. */
static bool is_same(const struct served_many *v, size_t at, bool all)
{
    const struct served_range *r = &v->told[at];
    bool looked = r->tells == MANY_TELLS_EQUAL || r->tells == MANY_TELLS_PROVED;
    return looked && (all || r->hash == v->roots.hashes[at]);
}

static bool all_are_same(const struct served_many *v)
{
    uint64_t hashes[MANY_ROOTS] = {0};
    bool same = true;
    for (size_t i = 0; i < v->roots.count; i++) {
        hashes[i] = v->told[i].hash;
        same = same && is_same(v, i, true);
    }
    return same &&
           (many_hash_all(hashes, v->roots.count) == v->roots.hash || MUTANT(many_are_alike));
}

/* All of them are looked at. */
static void put_answers(struct heal *h, struct now now, struct served_many *v, struct buf *out)
{
    struct many_answer answers[MANY_ROOTS];
    bool each = (v->how & MANY_EACH) != 0, all = !each && all_are_same(v);
    struct now then = now; /* as of when it was asked, at least */
    then.wall -= now.mono - v->asked_at;
    if (!each && !all) {
        many_put_tells(out, MANY_TELLS_APART, v->roots.count);
        return;
    }
    for (size_t i = 0; i < v->roots.count; i++) {
        const struct served_range *r = &v->told[i];
        bool same = is_same(v, i, all);
        enum many_tells unlike = r->tells == MANY_TELLS_UNREAD ? r->tells : MANY_TELLS_DIFFERS;
        answers[i] = (struct many_answer){same ? r->tells : unlike, r->wrong};
        if (same && r->tells == MANY_TELLS_PROVED && !v->roots.young[i] && v->tables_count == 0)
            proved_by_trees(h, then, v->keyspace, v->roots.ranges[i], v->peer);
    }
    many_put_told(out, answers, v->roots.count);
}

/* --- looking */

/* False: not all of it is up to date, and the turn is over. */
static bool look_at(struct heal *h, struct now now, const struct served_many *v, size_t at,
                    uint64_t work)
{
    struct compare_range r;
    struct arena arena = {0};
    struct clock asof;
    uint64_t wrong = 0, rows;
    bool done = false;
    struct served_range *range = &v->told[at];
    clock_init(&asof);
    range->tells = MANY_TELLS_DIFFERS;
    enum err err = compare_range(h, v->keyspace, v->roots.ranges[at], v->peer, &arena, &r);
    if (err == ERR_OK)
        err = compare_prepare(h, now, &r, work, NULL, false, &wrong, &done);
    bool later = err == ERR_OK && !done;
    if (err == ERR_OK && done)
        err = many_hash(h, &r, v->tables, v->tables_count, &asof, &rows, &range->hash);
    if (err == ERR_OK && done) {
        enum engine_has has = engine_has(h->engine, v->keyspace, v->roots.ranges[at], &asof);
        range->tells = has == ENGINE_HAS ? MANY_TELLS_PROVED : MANY_TELLS_EQUAL;
    }
    clock_close(&asof);
    arena_close(&arena);
    return !later;
}

/* False: the turn is over. */
static bool go_on(struct heal *h, struct now now, struct served_many *v, uint64_t work)
{
    bool reads = (v->how & MANY_READ) != 0 && !v->told[v->at].read;
    if (reads && !serve_many_reads(h, now, v, v->at))
        return false;
    if (v->request != 0 && (!reads || v->told[v->at].read) && !look_at(h, now, v, v->at, work))
        return false;
    v->at++;
    return true;
}

static void work_on(struct heal *h, struct now now, struct served_many *v)
{
    bool gentle = (v->how & MANY_GENTLE) != 0, more = true;
    bool paced = (v->how & MANY_PACED) != 0 && h->stats.damaged_ranges == 0;
    struct compare_turn turn = compare_turn_begin(h, now, paced);
    uint64_t read = 0;
    while (v->at < v->roots.count && more && read < turn.work) {
        more = go_on(h, now, v, turn.work - read);
        read = compare_turn_read(h, &turn);
    }
    usec next = compare_turn_end(h, now, &turn, true, 0);
    heal_felt_tell(h, now, v->peer);
    if (v->at < v->roots.count && now.mono < v->answer_due) {
        v->due = now.mono + compare_pause_after(h, gentle, read);
        v->due = next > v->due ? next : v->due;
        return;
    }
    v->due = USEC_NEVER;
    if (v->request == 0)
        return;
    struct buf out;
    buf_init(&out, WIRE_MESSAGE_MAX / 4);
    if (v->at < v->roots.count)
        many_put_tells(&out, MANY_TELLS_SO_FAR, v->at);
    else
        put_answers(h, now, v, &out);
    answer(h, v->peer, v->session, v->request, &out);
    buf_close(&out);
    if ((v->how & MANY_READ) == 0)
        forget(v); /* else the next question asks for what was read */
}

/* --- questions */

static void read_tables(struct served_many *v, struct bytes in)
{
    struct reader r = reader_make(in);
    table_no *list = arena_array(&v->own, table_no, in.len / 4);
    while (v->tables_count < in.len / 4)
        list[v->tables_count++] = read_u32(&r);
    v->tables = list;
}

/* That of this session; else a free one, or that which has waited longest for a question. */
static struct served_many *place_for(struct heal *h, node_no from, uint64_t session)
{
    struct served_many *free = NULL;
    if (h->serving_many == NULL)
        h->serving_many = mem_new(struct serving_many);
    for (size_t i = 0; i < SERVED_MANY_MAX; i++) {
        struct served_many *v = &h->serving_many->list[i];
        if (v->peer == from && v->session == session)
            return v;
        bool waits = v->peer != 0 && v->due == USEC_NEVER;
        if (v->peer == 0 && (free == NULL || free->peer != 0))
            free = v;
        else if (waits && (free == NULL || (free->peer != 0 && v->asked_at < free->asked_at)))
            free = v;
    }
    return free;
}

/* What was read in this session is read. */
static void carry_on(struct served_many *v, struct served_many *before)
{
    size_t at = 0;
    for (size_t i = 0; i < v->roots.count; i++) {
        while (at < before->roots.count && before->roots.ranges[at] < v->roots.ranges[i])
            at++;
        if (at == before->roots.count || before->roots.ranges[at] != v->roots.ranges[i])
            continue;
        v->told[i].read = before->told[at].read;
        v->told[i].wrong = before->told[at].wrong;
    }
    v->reading = before->reading;
    before->reading = (struct many_reading){0};
}

/* Takes over what `fresh` has; it is what was asked, or is to be. */
static void begin(struct heal *h, struct now now, struct served_many *fresh, enum err err)
{
    struct served_many *v = NULL;
    if (err == ERR_OK)
        v = place_for(h, fresh->peer, fresh->session);
    if (v == NULL) {
        if (err == ERR_OK && fresh->request != 0) /* later */
            answer(h, fresh->peer, fresh->session, fresh->request, NULL);
        forget(fresh);
        return;
    }
    fresh->told = arena_array(&fresh->own, struct served_range, fresh->roots.count);
    fresh->asked_at = now.mono;
    if (v->peer == fresh->peer && v->session == fresh->session && v->keyspace == fresh->keyspace)
        carry_on(fresh, v);
    forget(v);
    *v = *fresh;
    work_on(h, now, v);
}

void serve_many(struct heal *h, struct now now, node_no from, const struct wire_compare_roots *m)
{
    struct served_many fresh = {.peer = from,
                                .session = m->session,
                                .request = m->request,
                                .keyspace = m->keyspace,
                                .how = m->how};
    usec patience = (usec)m->patience * USEC_PER_MS;
    fresh.answer_due = now.mono + (patience < MANY_PATIENCE_MAX ? patience : MANY_PATIENCE_MAX);
    read_tables(&fresh, m->tables);
    enum err err = many_read_roots(m->roots, (m->how & MANY_EACH) != 0, &fresh.own, &fresh.roots);
    if (err == ERR_OK && (m->tables.len % 4 != 0 || m->request == 0))
        err = ERR_MALFORMED;
    begin(h, now, &fresh, err);
}

void serve_many_read(struct heal *h, struct now now, node_no from,
                     const struct wire_compare_read *m)
{
    struct served_many fresh = {.peer = from,
                                .session = m->session,
                                .keyspace = m->keyspace,
                                .how = m->how | MANY_READ,
                                .answer_due = now.mono + MANY_AHEAD};
    enum err err = many_read_ranges(m->ranges, &fresh.own, &fresh.roots);
    begin(h, now, &fresh, err);
}

void serve_many_deadline(struct heal *h, struct now now)
{
    for (size_t i = 0; h->serving_many != NULL && i < SERVED_MANY_MAX; i++) {
        struct served_many *v = &h->serving_many->list[i];
        if (v->peer != 0 && now.mono >= v->due)
            work_on(h, now, v);
    }
}

usec serve_many_next_deadline(const struct heal *h)
{
    usec next = USEC_NEVER;
    for (size_t i = 0; h->serving_many != NULL && i < SERVED_MANY_MAX; i++) {
        const struct served_many *v = &h->serving_many->list[i];
        if (v->peer != 0 && v->due < next)
            next = v->due;
    }
    return next;
}
