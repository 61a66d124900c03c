/* compare_many_serve.c - the other side of comparing many ranges: see compare_many.h. */
#include "node/heal/compare_many.h"

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

static void answer(struct heal *h, node_no to, uint64_t session, uint64_t request,
                   struct bytes told)
{
    struct wire_message m = {.type = WIRE_COMPARE_ROOTS_TOLD};
    m.compare_roots_told =
        (struct wire_compare_roots_told){session, request, arena_copy(&h->arena, told)};
    heal_send(h, to, &m);
}

/* False: not all of it is up to date, and the turn is over. */
static bool look_at(struct heal *h, struct now now, const struct served_many *v, size_t at,
                    uint64_t work)
{
    struct compare_range r;
    struct arena arena = {0};
    struct clock asof;
    uint64_t wrong = 0, rows, hash = 0;
    bool done = false;
    clock_init(&asof);
    v->told[at] = MANY_TELLS_DIFFERS;
    enum err err = compare_range(h, v->keyspace, v->ranges[at], v->peer, &arena, &r);
    if (err == ERR_OK)
        err = compare_prepare(h, now, &r, work, NULL, false, &wrong, &done);
    bool later = err == ERR_OK && !done;
    if (err == ERR_OK && done)
        err = many_hash(h, &r, v->tables, v->tables_count, &asof, &rows, &hash);
    if (err == ERR_OK && done && hash == v->hashes[at]) {
        bool durable = engine_has(h->engine, v->keyspace, v->ranges[at], &asof) == ENGINE_HAS;
        v->told[at] = durable ? MANY_TELLS_PROVED : MANY_TELLS_EQUAL;
        if (durable && !v->young[at] && v->tables_count == 0)
            proved_by_trees(h, now, v->keyspace, v->ranges[at], v->peer);
    }
    clock_close(&asof);
    arena_close(&arena);
    return !later;
}

static void work_on(struct heal *h, struct now now, struct served_many *v)
{
    bool paced = v->paced && h->stats.damaged_ranges == 0, more = true;
    struct compare_turn turn = compare_turn_begin(h, now, paced);
    uint64_t read = 0;
    while (v->at < v->count && more && read < turn.work) {
        more = v->reads ? serve_many_reads(h, now, v, v->at)
                        : look_at(h, now, v, v->at, turn.work - read);
        v->at += more;
        read = compare_turn_read(h, &turn);
    }
    usec next = compare_turn_end(h, now, &turn, true, 0);
    heal_felt_tell(h, now, v->peer);
    if (v->at < v->count && now.mono < v->answer_due) {
        v->due = now.mono + compare_pause_after(h, v->gentle, read);
        v->due = next > v->due ? next : v->due;
        return;
    }
    answer(h, v->peer, v->session, v->request, bytes_make(v->told, v->at));
    if (v->reading.begun)
        v->due = USEC_NEVER; /* the next question goes on there */
    else
        forget(v);
}

static bool read_question(struct served_many *v, const struct wire_compare_roots *m)
{
    struct reader tables = reader_make(m->tables), roots = reader_make(m->roots);
    table_no *list = arena_array(&v->own, table_no, m->tables.len / 4);
    while (reader_left(&tables) > 0 && !tables.failed)
        list[v->tables_count++] = read_u32(&tables);
    v->tables = list;
    v->ranges = arena_array(&v->own, range_no, MANY_ROOTS);
    v->young = arena_array(&v->own, bool, MANY_ROOTS);
    v->hashes = arena_array(&v->own, uint64_t, MANY_ROOTS);
    v->told = arena_array(&v->own, uint8_t, MANY_ROOTS);
    uint64_t range = 0;
    while (reader_left(&roots) > 0 && v->count < MANY_ROOTS) {
        uint64_t step = read_varint(&roots);
        v->young[v->count] = step % 2 != 0;
        step /= 2;
        v->hashes[v->count] = read_u64(&roots);
        if (roots.failed || step > UINT32_MAX - range || (v->count > 0 && step == 0))
            return false;
        range += step;
        v->ranges[v->count++] = (range_no)range;
    }
    return reader_finish(&tables) == ERR_OK && reader_finish(&roots) == ERR_OK;
}

static bool read_ranges(struct served_many *v, struct bytes in)
{
    struct reader r = reader_make(in);
    uint64_t range = 0;
    v->ranges = arena_array(&v->own, range_no, MANY_ROOTS);
    v->told = arena_array(&v->own, uint8_t, MANY_ROOTS);
    while (reader_left(&r) > 0 && v->count < MANY_ROOTS) {
        uint64_t step = read_varint(&r);
        if (r.failed || step > UINT32_MAX - range || (v->count > 0 && step == 0))
            return false;
        range += step;
        v->ranges[v->count++] = (range_no)range;
    }
    return reader_finish(&r) == ERR_OK;
}

/* That of this session, for its last question is none any more; or a free one, or one that waits
 * for a question. */
static struct served_many *place_for(struct heal *h, node_no from, uint64_t session,
                                     struct many_reading *ret_reading)
{
    struct served_many *free = NULL;
    *ret_reading = (struct many_reading){0};
    if (h->serving_many == NULL)
        h->serving_many = mem_new(struct serving_many);
    for (size_t i = 0; i < SERVED_MANY_MAX; i++) {
        struct served_many *v = &h->serving_many->list[i];
        if (v->peer == from && v->session == session) {
            *ret_reading = v->reading;
            v->reading = (struct many_reading){0};
            forget(v);
        }
        if (v->peer == 0 && (free == NULL || free->peer != 0))
            free = v;
        else if (v->due == USEC_NEVER && free == NULL)
            free = v;
    }
    if (free != NULL)
        forget(free);
    return free;
}

void serve_many(struct heal *h, struct now now, node_no from, const struct wire_compare_roots *m)
{
    struct many_reading reading;
    struct served_many *v = place_for(h, from, m->session, &reading);
    many_reading_free(&reading);
    if (v == NULL) { /* later */
        answer(h, from, m->session, m->request, BYTES_NONE);
        return;
    }
    *v = (struct served_many){.peer = from,
                              .session = m->session,
                              .request = m->request,
                              .keyspace = m->keyspace,
                              .gentle = m->gentle,
                              .paced = m->paced,
                              .answer_due = now.mono + MANY_ANSWER};
    if (read_question(v, m))
        work_on(h, now, v);
    else
        forget(v);
}

void serve_many_read(struct heal *h, struct now now, node_no from,
                     const struct wire_compare_read *m)
{
    struct many_reading reading;
    struct served_many *v = place_for(h, from, m->session, &reading);
    if (v == NULL) { /* later */
        many_reading_free(&reading);
        answer(h, from, m->session, m->request, BYTES_NONE);
        return;
    }
    *v = (struct served_many){.peer = from,
                              .session = m->session,
                              .request = m->request,
                              .keyspace = m->keyspace,
                              .gentle = m->gentle,
                              .reads = true,
                              .preview = m->preview,
                              .reading = reading,
                              .answer_due = now.mono + MANY_ANSWER};
    if (read_ranges(v, m->ranges))
        work_on(h, now, v);
    else
        forget(v);
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
