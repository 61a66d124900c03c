/* compare_many.c - many ranges and one peer: see compare_many.h. */
#include "node/heal/compare_many.h"

#include "base/mutant.h"

/* --- life */

static void many_close(struct heal *h, size_t at)
{
    struct comparing_many *m = h->many[at];
    h->many[at] = NULL;
    many_reading_free(&m->reading);
    arena_close(&m->own);
    arena_close(&m->asking);
    mem_free(m);
}

void many_free(struct heal *h)
{
    for (size_t i = 0; i < HEAL_COMPARE_MANY_MAX; i++) {
        if (h->many[i] != NULL)
            many_close(h, i);
    }
}

void many_count_bytes(struct heal *h, uint64_t id, const struct heal_figures *f)
{
    struct heal_bytes *to = (id & ROUNDS_ID) != 0 ? &h->stats.bytes_rounds : &h->stats.bytes_asked;
    to->search += f->bytes_search;
    to->received += f->bytes_received;
    to->sent += f->bytes_sent;
}

static void many_end(struct heal *h, struct now now, size_t at, enum err err)
{
    struct comparing_many *m = h->many[at];
    struct heal_effect *e = NULL;
    m->figures.rows_read = m->rows_read;
    same_over(h, now, m);
    many_count_bytes(h, m->id, &m->figures);
    if ((m->id & ROUNDS_ID) != 0) {
        rounds_ended(h, now, m->id);
        many_close(h, at);
        return;
    }
    e = heal_append(h, HEAL_COMPARED_ALL);
    e->compared_all.id = m->id;
    e->compared_all.err = err;
    e->compared_all.ranges = m->settled;
    e->compared_all.equal = m->equal;
    e->compared_all.failed = m->failed;
    e->compared_all.figures = m->figures;
    e->compared_all.figures.us = now.mono - m->began;
    e->compared_all.figures.equal = err == ERR_OK && m->equal == m->ranges_count;
    many_close(h, at);
}

/* Those that both of us are replicas of. */
static void choose_ranges(struct heal *h, struct comparing_many *m, enum many_state state)
{
    const struct placement *p = cluster_placement(h->cluster, m->keyspace);
    node_no self = cluster_self(h->cluster);
    m->ranges = p != NULL ? arena_array(&m->own, struct many_range, p->ranges) : NULL;
    for (range_no i = 0; p != NULL && i < p->ranges; i++) {
        struct replicas replicas = placement_replicas(p, i);
        if (replicas_have(replicas, self) && replicas_have(replicas, m->peer))
            m->ranges[m->ranges_count++] = (struct many_range){.range = i, .state = state};
    }
}

bool heal_compare(struct heal *h, struct now now, uint64_t id, const struct heal_comparison *what)
{
    return compare_begin(h, now, id, what, 0, 0);
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
    m->more = what->more;
    m->since = what->since;
    m->read_due = USEC_NEVER;
    m->began = m->due = now.mono;
    enum many_state state = m->full ? MANY_UNREAD : MANY_WAITING;
    table_no *tables = arena_array(&m->own, table_no, what->tables_count);
    for (size_t i = 0; i < what->tables_count; i++)
        tables[i] = what->tables[i];
    m->tables = tables;
    m->tables_count = what->tables_count;
    if (what->ranges_count == 0)
        choose_ranges(h, m, state);
    else
        m->ranges = arena_array(&m->own, struct many_range, what->ranges_count);
    for (size_t i = 0; i < what->ranges_count; i++)
        m->ranges[m->ranges_count++] = (struct many_range){what->ranges[i], .state = state};
    for (size_t i = 0; i < m->ranges_count && (id & ROUNDS_ID) == 0; i++)
        rounds_leave(h, now, m->keyspace, m->ranges[i].range);
    return true;
}

/* --- settling */

void heal_add_figures(struct heal_figures *all, const struct heal_figures *one)
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
    all->bytes_hashes += one->bytes_hashes;
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
    heal_add_figures(&m->figures, figures);
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
                                   .preview = m->preview};
    for (size_t i = 0; i < m->ranges_count && m->running < MANY_SESSIONS; i++) {
        struct many_range *r = &m->ranges[i];
        if (r->state != MANY_DIFFERS)
            continue;
        r->state = MANY_RUNNING;
        m->running++;
        what.range = r->range;
        what.full = m->full && !(r->read_here && r->read_there);
        if (!compare_begin(h, now, m->id, &what, m->no, r->wrong)) {
            r->state = MANY_DIFFERS;
            m->running--;
            m->due = now.mono + compare_pause(h);
            return;
        }
    }
}

/* --- asking */

enum err many_hash(struct heal *h, const struct compare_range *r, const table_no *tables,
                   size_t tables_count, struct clock *ret_asof, uint64_t *ret_rows,
                   uint64_t *ret_hash)
{
    const struct range_place *place = &r->place;
    struct tree_sum *sums = mem_alloc((place->tables_count + 1) * sizeof *sums);
    bool current = false;
    enum err err =
        engine_tree_root(h->engine, r->keyspace, r->range, place, sums, ret_asof, &current);
    if (err == ERR_OK && !current)
        err = ERR_BEHIND;
    if (err == ERR_OK) {
        uint8_t all[24];
        const table_no *chosen = tables_count > 0 ? tables : place->tables;
        size_t count = tables_count > 0 ? tables_count : place->tables_count;
        store_u64(all, r->tag);
        store_u64(all + 8, clock_hash(ret_asof));
        store_u64(all + 16, compare_root(r, chosen, count, sums));
        *ret_hash = bytes_hash(bytes_make(all, sizeof all));
        *ret_rows = 0;
        for (size_t i = 0; i < place->tables_count; i++) {
            for (size_t k = 0; k < count; k++)
                *ret_rows += chosen[k] == place->tables[i] ? sums[i].rows : 0;
        }
    }
    mem_free(sums);
    return err;
}

static struct bytes keep_clock(struct comparing_many *m, const struct clock *asof)
{
    struct buf out;
    if ((m->id & ROUNDS_ID) != 0)
        return BYTES_NONE;
    buf_init(&out, WIRE_MESSAGE_MAX);
    clock_encode(asof, &out);
    struct bytes kept = arena_copy(&m->asking, buf_bytes(&out));
    buf_close(&out);
    return kept;
}

/* False: our tree is not up to date, and the turn is over. */
static bool add_root(struct heal *h, struct now now, struct comparing_many *m,
                     struct many_range *range, uint64_t work)
{
    struct compare_range r;
    struct arena arena = {0};
    struct clock asof;
    struct many_asked *a = &m->asked[m->asked_count];
    uint64_t wrong = 0;
    bool done = false;
    clock_init(&asof);
    enum err err = compare_range(h, m->keyspace, range->range, m->peer, &arena, &r);
    if (err == ERR_OK)
        err = compare_prepare(h, now, &r, work, NULL, m->preview, &wrong, &done);
    if (err == ERR_OK && done)
        err = many_hash(h, &r, m->tables, m->tables_count, &asof, &a->rows, &a->hash);
    if (err != ERR_OK) {
        range->state = MANY_DIFFERS; /* its session tells why */
    } else if (done) {
        a->range = range;
        a->proved = false;
        a->tag = r.tag;
        a->clock = keep_clock(m, &asof);
        a->mark = compare_mark(h, m->keyspace, range->range, m->peer);
        a->young = engine_has(h->engine, m->keyspace, range->range, &asof) != ENGINE_HAS;
        m->asked_count++;
    }
    clock_close(&asof);
    arena_close(&arena);
    return err != ERR_OK || done;
}

void many_count(struct comparing_many *m, const struct wire_message *message)
{
    size_t size = wire_size(message) + COMPARE_ENVELOPE;
    m->figures.messages++;
    m->figures.bytes_search += size;
    m->figures.bytes_hashes += m->each ? 0 : size;
}

/* As long as somebody was slow of late. */
static usec patience(struct heal *h, struct now now)
{
    if (h->many_patience < MANY_PATIENCE || now.mono - h->many_slow_at > 16 * h->many_patience)
        h->many_patience = MANY_PATIENCE;
    return h->many_patience;
}

static void send_roots(struct heal *h, struct now now, struct comparing_many *m)
{
    struct wire_message message = {.type = WIRE_COMPARE_ROOTS};
    struct wire_compare_roots *q = &message.compare_roots;
    struct buf tables, roots;
    usec patient = patience(h, now);
    buf_init(&tables, WIRE_MESSAGE_MAX / 4);
    buf_init(&roots, WIRE_MESSAGE_MAX / 4);
    for (size_t i = 0; i < m->tables_count; i++)
        buf_put_u32(&tables, m->tables[i]);
    m->each = m->each || m->asked_count == 1;
    many_put_roots(&roots, m->asked, m->asked_count, m->each);
    for (size_t i = 0; i < m->asked_count; i++)
        m->asked[i].range->state = MANY_ASKED;
    m->request = ++m->requests;
    m->asked_at = now.mono;
    m->answer_due = now.mono + patient + h->config.timeout_us;
    *q = (struct wire_compare_roots){
        .session = m->no, .request = m->request, .keyspace = m->keyspace};
    q->how = (m->gentle ? MANY_GENTLE : 0u) | (compare_is_paced(h, m->id) ? MANY_PACED : 0u) |
             (m->full ? MANY_READ : 0u) | (m->preview ? MANY_PREVIEW : 0u) |
             (m->each ? MANY_EACH : 0u);
    q->patience = (uint32_t)(patient / USEC_PER_MS);
    q->tables = heal_keep(h, &tables);
    q->roots = heal_keep(h, &roots);
    many_count(m, &message);
    heal_send(h, m->peer, &message);
    buf_close(&tables);
    buf_close(&roots);
}

/* About those that are next, once all of them are up to date; what is up to date already costs
 * little to look at again. */
static void ask_about_roots(struct heal *h, struct now now, struct comparing_many *m)
{
    struct compare_turn turn = compare_turn_begin(h, now, compare_is_paced(h, m->id));
    uint64_t work = turn.work, read = 0;
    bool more = true;
    m->asked_count = 0;
    arena_reset(&m->asking);
    while (m->first < m->ranges_count && m->ranges[m->first].state != MANY_WAITING)
        m->first++;
    for (size_t i = m->first; i < m->ranges_count && m->asked_count < MANY_ROOTS && more; i++) {
        if (m->ranges[i].state == MANY_WAITING)
            more = read < work && add_root(h, now, m, &m->ranges[i], work - read);
        read = compare_turn_read(h, &turn);
    }
    usec next = compare_turn_end(h, now, &turn, true, 0);
    if (!more) {
        m->ask_due = now.mono + compare_pause_after(h, m->gentle, read);
        m->ask_due = next > m->ask_due ? next : m->ask_due;
    } else if (m->asked_count > 0)
        send_roots(h, now, m);
}

/* When what is to be read is read; then the next ones. */
static void ask(struct heal *h, struct now now, struct comparing_many *m)
{
    if (m->read_due != USEC_NEVER)
        return;
    ask_about_roots(h, now, m);
    if (m->asked_count == 0 && m->first == m->ranges_count && many_reads_next(now, m))
        m->first = 0;
}

static void ask_again(struct comparing_many *m)
{
    for (size_t i = 0; i < m->asked_count; i++) {
        if (m->asked[i].range->state == MANY_ASKED)
            m->asked[i].range->state = MANY_WAITING;
    }
    m->first = 0;
    m->request = 0;
}

/* Both are what they were when it was asked? */
static bool is_proved(struct heal *h, const struct comparing_many *m, const struct many_asked *a)
{
    struct compare_range r;
    struct arena arena = {0};
    struct clock asof;
    uint64_t rows, hash = 0;
    clock_init(&asof);
    enum err err = compare_range(h, m->keyspace, a->range->range, m->peer, &arena, &r);
    bool proved = err == ERR_OK && r.tag == a->tag;
    if (proved && a->young) {
        err = many_hash(h, &r, m->tables, m->tables_count, &asof, &rows, &hash);
        proved = err == ERR_OK && hash == a->hash &&
                 engine_has(h->engine, m->keyspace, a->range->range, &asof) == ENGINE_HAS;
    }
    clock_close(&asof);
    arena_close(&arena);
    return proved;
}

static void tell_equal(struct heal *h, struct now now, struct comparing_many *m,
                       struct many_asked *a, bool durable)
{
    struct heal_figures figures = {.equal = true, .rows = a->rows, .leaves_wrong = a->range->wrong};
    figures.proved = durable && is_proved(h, m, a);
    a->proved = figures.proved && m->tables_count == 0 && (m->id & ROUNDS_ID) == 0;
    if (a->proved)
        same_found(h, m, a);
    range_no range = a->range->range;
    struct now then = now;
    then.wall -= now.mono - m->asked_at;
    h->stats.compared++;
    if (figures.proved && m->tables_count == 0)
        proved_by_trees(h, then, m->keyspace, range, m->peer);
    if (m->tables_count == 0)
        marks_done(h, m->keyspace, range, m->peer, a->mark);
    rounds_compared(h, now, m->keyspace, range, m->peer, ERR_OK, figures.proved);
    if ((m->id & ROUNDS_ID) == 0) {
        struct heal_effect *e = heal_append(h, HEAL_COMPARED);
        e->compared.id = m->id;
        e->compared.peer = m->peer;
        e->compared.keyspace = m->keyspace;
        e->compared.range = range;
        e->compared.figures = figures;
        e->compared.here = e->compared.there = arena_copy(&h->arena, a->clock);
        e->compared.all = true;
    }
    settle(m, a->range, ERR_OK, &figures);
}

void many_alone_read(struct heal *h, struct comparing_many *m, struct many_range *range,
                     enum err err)
{
    struct arena arena = {0};
    const struct heal_rows *rows;
    struct heal_figures figures = {.equal = err == ERR_OK, .leaves_wrong = range->wrong};
    size_t count = heal_rows(h, m->keyspace, range->range, &arena, &rows);
    for (size_t i = 0; i < count; i++)
        figures.rows += rows[i].rows;
    arena_close(&arena);
    struct heal_effect *e = heal_append(h, HEAL_COMPARED);
    e->compared.id = m->id;
    e->compared.err = err;
    e->compared.peer = m->peer;
    e->compared.keyspace = m->keyspace;
    e->compared.range = range->range;
    e->compared.figures = figures;
    settle(m, range, err, &figures);
}

static void take_answers(struct heal *h, struct now now, struct comparing_many *m,
                         const struct many_answer *answers)
{
    for (size_t i = 0; i < m->asked_count; i++) {
        struct many_asked *a = &m->asked[i];
        enum many_tells tells = answers[i].tells;
        a->range->read_there = m->full && tells != MANY_TELLS_UNREAD;
        a->range->wrong += answers[i].wrong;
        if (tells == MANY_TELLS_EQUAL || tells == MANY_TELLS_PROVED)
            tell_equal(h, now, m, a, tells == MANY_TELLS_PROVED);
        else
            a->range->state = MANY_DIFFERS;
    }
    m->each = false;
    same_note(h, now, m, m->asked_count);
}

/* The peer is not through. That reading takes long is no failure. */
static void take_so_far(struct heal *h, struct now now, struct comparing_many *m, size_t count)
{
    usec longer = 2 * (m->answer_due - m->asked_at - h->config.timeout_us);
    longer = longer < MANY_PATIENCE_MAX ? longer : MANY_PATIENCE_MAX;
    h->many_patience = longer > h->many_patience ? longer : h->many_patience;
    h->many_slow_at = now.mono;
    for (size_t i = 0; i < count; i++)
        m->asked[i].range->read_there = m->full;
    m->tries = count > 0 || m->full ? 0 : m->tries + 1;
}

static void take_told(struct heal *h, struct now now, struct comparing_many *m,
                      const struct wire_compare_roots_told *told)
{
    struct wire_message message = {.type = WIRE_COMPARE_ROOTS_TOLD, .compare_roots_told = *told};
    struct many_answer answers[MANY_ROOTS];
    enum many_tells tells = MANY_TELLS_COUNT;
    size_t count = 0;
    enum err err = many_read_told(told->told, answers, m->asked_count, &tells, &count);
    many_count(m, &message);
    m->silent = 0;
    if (err != ERR_OK || (tells == MANY_TELLS_APART && m->each)) {
        m->tries++;
    } else if (tells == MANY_TELLS_SO_FAR) {
        take_so_far(h, now, m, count);
    } else if (tells == MANY_TELLS_APART) {
        m->each = true;
    } else {
        m->tries = 0;
        take_answers(h, now, m, answers);
    }
    ask_again(m);
    unsigned shift = m->tries < 6 ? m->tries : 6;
    m->due = m->ask_due = now.mono + (compare_pause(h) << shift);
}

void many_told(struct heal *h, struct now now, node_no from,
               const struct wire_compare_roots_told *told)
{
    for (size_t i = 0; i < HEAL_COMPARE_MANY_MAX; i++) {
        struct comparing_many *m = h->many[i];
        if (m != NULL && m->peer == from && m->no == told->session && m->request != 0 &&
            m->request == told->request)
            take_told(h, now, m, told);
    }
}

static void many_turn(struct heal *h, struct now now, size_t at)
{
    struct comparing_many *m = h->many[at];
    m->due = USEC_NEVER;
    if (m->request != 0 && now.mono >= m->answer_due) {
        m->silent++;
        ask_again(m);
    }
    if (m->request == 0 && now.mono >= m->ask_due)
        ask(h, now, m);
    if (now.mono >= m->read_due)
        many_read_some(h, now, m);
    begin_sessions(h, now, m);
    usec next = m->request != 0 ? m->answer_due : m->ask_due;
    m->due = m->read_due < m->due ? m->read_due : m->due;
    if ((m->request != 0 || next > now.mono) && next < m->due)
        m->due = next;
    if (m->settled == m->ranges_count)
        many_end(h, now, at, ERR_OK);
    else if (m->running == 0 && (m->silent >= MANY_SILENT_MAX || m->tries >= MANY_TRIES_MAX))
        many_end(h, now, at, m->silent > 0 ? ERR_TIMEOUT : ERR_OVERLOADED);
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
            many_end(h, now, i, ERR_UNAVAILABLE);
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
            many_end(h, now, i, ERR_CLOSED);
    }
}
