/* compare.c - a session by trees, from the side of who began it: see compare.h. */
#include "node/heal/compare_many.h"
#include "node/heal/vote.h"

#include "base/mutant.h"

/* --- life */

static void session_free(struct comparing *s)
{
    vote_over(s);
    walk_free(s);
    clock_close(&s->asof);
    clock_close(&s->durable);
    clock_close(&s->theirs);
    clock_close(&s->cut);
    clock_close(&s->agreed);
    buf_close(&s->scrub.from);
    mem_free(s->different);
    buf_close(&s->dropped);
    arena_close(&s->own);
    arena_close(&s->told_arena);
    arena_close(&s->arena);
    mem_free(s);
}

void compare_free(struct heal *h)
{
    for (size_t i = 0; i < HEAL_COMPARES_MAX; i++) {
        if (h->compares[i] != NULL)
            session_free(h->compares[i]);
    }
    many_free(h);
    serve_many_free(h);
    same_free(h);
    serve_compare_free(h);
}

/* What was compared and mended, a power cut would leave on both sides. */
static bool is_proved(struct heal *h, const struct comparing *s)
{
    if (s->preview && s->figures.rows_different > 0)
        return false;
    return s->figures.joined ||
           (s->sure && engine_has(h->engine, s->range.keyspace, s->range.range,
                                  s->figures.equal ? &s->asof : &s->cut) == ENGINE_HAS);
}

/* All of the range is: both of us note it. That all was equal the peer has found itself. */
static void note_proved(struct heal *h, struct now now, struct comparing *s, enum err err)
{
    struct wire_message m = {.type = WIRE_COMPARE_END};
    s->figures.proved = err == ERR_OK && is_proved(h, s);
    bool all = s->figures.proved && s->all_tables && s->same_tables;
    if (all)
        proved_by_trees(h, now, s->range.keyspace, s->range.range, s->peer);
    if (err != ERR_OK || s->figures.equal)
        return;
    m.compare_end = (struct wire_compare_end){s->session,   s->range.keyspace, s->range.range,
                                              s->range.tag, s->life,           all};
    compare_sent(s, 0);
    heal_send(h, s->peer, &m);
}

static void tell_found(struct heal *h, const struct comparing *s, struct heal_effect *e)
{
    size_t count = s->by_table != NULL ? s->tables_count : 0;
    struct bytes tables = bytes_make(s->by_table, count * sizeof *s->by_table);
    struct bytes different = bytes_make(s->different, s->different_count * sizeof *s->different);
    e->compared.tables = (const void *)arena_copy(&h->arena, tables).data;
    e->compared.tables_count = count;
    e->compared.different = (const void *)arena_copy(&h->arena, different).data;
    e->compared.different_count = s->different_count;
}

static void tell(struct heal *h, const struct comparing *s, enum err err)
{
    struct heal_effect *e = heal_append(h, HEAL_COMPARED);
    e->compared.id = s->id;
    e->compared.err = err;
    e->compared.ours = (err == ERR_CORRUPT || err == ERR_IO) && s->said != err;
    e->compared.peer = s->peer;
    e->compared.keyspace = s->range.keyspace;
    e->compared.range = s->range.range;
    e->compared.figures = s->figures;
    e->compared.here = arena_copy(&h->arena, s->here);
    e->compared.there = arena_copy(&h->arena, s->there);
    e->compared.all = s->all_at_once;
    tell_found(h, s, e);
    h->compared[h->compared_next++ % HEAL_COMPARES_MAX] =
        (struct heal_compared){s->id, s->session, err, s->figures};
}

void compare_end(struct heal *h, struct now now, struct comparing *s, enum err err)
{
    note_proved(h, now, s, err);
    s->figures.us = now.mono - s->began;
    if (err == ERR_OK && s->all_tables && s->same_tables && !s->preview)
        marks_done(h, s->range.keyspace, s->range.range, s->peer, s->mark);
    rounds_compared(h, now, s->range.keyspace, s->range.range, s->peer, err, s->figures.proved);
    h->stats.compared += err == ERR_OK;
    h->stats.compared_failed += err != ERR_OK;
    if ((s->id & ROUNDS_ID) == 0)
        tell(h, s, err);
    for (size_t i = 0; i < HEAL_COMPARES_MAX; i++) {
        if (h->compares[i] == s)
            h->compares[i] = NULL;
    }
    if (s->many == 0)
        many_count_bytes(h, s->id, &s->figures);
    else
        many_session_ended(h, now, s, err, &s->figures);
    session_free(s);
}

/* All tables of the keyspace, or those that are wanted and there. */
static enum err choose_tables(struct comparing *s, const struct heal_comparison *what)
{
    const struct range_place *all = &s->range.place;
    table_no *tables = arena_array(&s->own, table_no, all->tables_count);
    for (size_t i = 0; i < all->tables_count; i++) {
        bool wanted = what->tables_count == 0;
        for (size_t k = 0; k < what->tables_count; k++)
            wanted = wanted || what->tables[k] == all->tables[i];
        if (wanted)
            tables[s->tables_count++] = all->tables[i];
    }
    s->by_table = arena_array(&s->own, struct heal_table, s->tables_count);
    for (size_t i = 0; i < s->tables_count; i++)
        s->by_table[i].table = tables[i];
    s->tables = tables;
    s->all_tables = s->tables_count == all->tables_count;
    return what->tables_count > 0 && s->tables_count < what->tables_count ? ERR_NOT_FOUND : ERR_OK;
}

/* Stretches lie on the stack with the first on top. */
static void begin_walk(struct comparing *s)
{
    const struct tree_stretch all = {BYTES_NONE, BYTES_NONE};
    for (size_t i = s->tables_count; i-- > 0;)
        walk_push(s, s->tables[i], &all, false);
}

bool compare_begin(struct heal *h, struct now now, uint64_t id, const struct heal_comparison *what,
                   uint64_t many, uint64_t wrong)
{
    size_t at = 0;
    while (at < HEAL_COMPARES_MAX && h->compares[at] != NULL)
        at++;
    if (at == HEAL_COMPARES_MAX)
        return false;
    struct comparing *s = h->compares[at] = mem_new(struct comparing);
    s->id = id;
    buf_init(&s->dropped, WIRE_MESSAGE_MAX / 4);
    s->session = ++h->rounds;
    s->many = many;
    s->figures.leaves_wrong = wrong;
    s->peer = what->peer;
    s->full = what->full;
    s->preview = what->preview;
    s->began = now.mono;
    s->now_s = heal_expired_by(h, now);
    s->state = COMPARE_PREPARING;
    s->due = compare_turn_next(h, now, compare_is_paced(h, id));
    enum err err = compare_range(h, what->keyspace, what->range, s->peer, &s->own, &s->range);
    s->mark = compare_mark(h, what->keyspace, what->range, s->peer);
    s->unsure = sure_is_not(h, what->keyspace, what->range) && !MUTANT(unwhole_is_outvoted);
    if (err == ERR_OK && !cluster_is_alive(h->cluster, s->peer))
        err = ERR_UNAVAILABLE;
    /* What is dropped by who has yet to hear of the move is not known to all. */
    if (err == ERR_OK && h->ring_epoch == 0 &&
        compare_is_new(h, &s->range, cluster_self(h->cluster)))
        err = ERR_UNAVAILABLE;
    if (err == ERR_OK)
        err = choose_tables(s, what);
    if (err == ERR_OK)
        begin_walk(s);
    if (err != ERR_OK)
        compare_end(h, now, s, err);
    return true;
}

bool compare_is_valid(struct heal *h, struct now now, struct comparing *s)
{
    struct compare_range r;
    struct arena arena = {0};
    enum err err = compare_range(h, s->range.keyspace, s->range.range, s->peer, &arena, &r);
    arena_close(&arena);
    if (err == ERR_OK && r.tag != s->range.tag)
        err = ERR_STALE;
    if (err != ERR_OK)
        compare_end(h, now, s, err);
    return err == ERR_OK;
}

void compare_sent(struct comparing *s, size_t bytes)
{
    s->figures.messages++;
    s->figures.bytes_search += COMPARE_FIXED + bytes;
}

/* Once more, a little later; longer and longer. */
void compare_again(struct heal *h, struct now now, struct comparing *s, enum compare_state state)
{
    unsigned shift = s->tries < 6 ? s->tries : 6;
    s->request = 0;
    s->state = state;
    s->due = now.mono + (compare_pause(h) << shift);
    if (++s->tries > COMPARE_TRIES_MAX)
        compare_end(h, now, s, ERR_OVERLOADED);
}

/* --- opening */

/* What this session speaks of: what was durable, and is in all sums, before anything was compared.
 * False: that is not known now. */
static bool note_durable(struct heal *h, struct comparing *s)
{
    struct clock durable;
    clock_init(&durable);
    bool known = engine_durable_clock(h->engine, s->range.keyspace, s->range.range, &durable);
    clock_close(&s->durable);
    clock_init(&s->durable);
    clock_common(&s->asof, &durable, &s->durable);
    clock_close(&durable);
    return known;
}

static void open_session(struct heal *h, struct now now, struct comparing *s)
{
    const struct range_place *place = &s->range.place;
    struct tree_sum *sums = mem_alloc(place->tables_count * sizeof *sums);
    struct wire_message m = {.type = WIRE_COMPARE_OPEN};
    struct wire_compare_open *o = &m.compare_open;
    struct buf tables;
    bool current = false;
    enum err err = engine_tree_root(h->engine, s->range.keyspace, s->range.range, place, sums,
                                    &s->asof, &current);
    if (err == ERR_OK && current && !s->opened)
        current = note_durable(h, s);
    if (err != ERR_OK || !current) { /* something was written since, or very much */
        mem_free(sums);
        compare_again(h, now, s, COMPARE_PREPARING);
        return;
    }
    buf_init(&tables, WIRE_MESSAGE_MAX / 4);
    for (size_t i = 0; i < s->tables_count; i++)
        buf_put_u32(&tables, s->tables[i]);
    *o = (struct wire_compare_open){.session = s->session,
                                    .keyspace = s->range.keyspace,
                                    .range = s->range.range,
                                    .tag = s->range.tag,
                                    .full = s->full && !s->opened,
                                    .preview = s->preview,
                                    .paced = compare_is_paced(h, s->id)};
    o->durable = engine_has(h->engine, o->keyspace, o->range, &s->asof) == ENGINE_HAS;
    o->root = compare_root(&s->range, s->tables, s->tables_count, sums);
    o->tables = heal_keep(h, &tables);
    o->clock = compare_keep_clock(h, &s->asof);
    s->figures.rows = 0;
    for (size_t i = 0; i < place->tables_count; i++) {
        for (size_t k = 0; k < s->tables_count; k++)
            s->figures.rows += s->tables[k] == place->tables[i] ? sums[i].rows : 0;
    }
    s->request = s->session;
    s->due = now.mono + h->config.timeout_us;
    compare_sent(s, o->tables.len + o->clock.len);
    heal_send(h, s->peer, &m);
    buf_close(&tables);
    mem_free(sums);
}

/* Both trees are true of `cut`. What is agreed on either side is no difference. */
static enum err take_opened(struct comparing *s, const struct wire_compare_opened *m)
{
    struct clock clock, agreed, durable;
    clock_init(&clock);
    clock_init(&agreed);
    clock_init(&durable);
    arena_reset(&s->told_arena);
    enum err err = clock_decode(m->clock, &clock);
    if (err == ERR_OK)
        err = clock_decode(m->agreed, &agreed);
    if (err == ERR_OK)
        err = clock_decode(m->durable, &durable);
    if (err == ERR_OK)
        err = compare_read_touched(m->touched, &s->told_arena, &s->told);
    if (err == ERR_OK && s->opened && m->life != s->life)
        err = ERR_STALE;
    if (err == ERR_OK) {
        clock_close(&s->cut);
        clock_init(&s->cut);
        clock_common(&s->asof, &clock, &s->cut);
        clock_merge(&s->agreed, &agreed);
        if (!s->opened)
            clock_common(&durable, &clock, &s->theirs);
        buf_clear(&s->dropped);
        buf_put_bytes(&s->dropped, m->dropped);
        s->life = m->life;
    }
    clock_close(&clock);
    clock_close(&agreed);
    clock_close(&durable);
    return err;
}

/* The root is known to differ: it is cut at once. */
static void note_different(struct comparing *s)
{
    if (!s->opened && s->stack_count == 1 && s->tables_count == 1 && s->told.count == 0)
        s->stack[0].differs = true;
}

static void receive_opened(struct heal *h, struct now now, struct comparing *s,
                           const struct wire_compare_opened *m)
{
    if (s->state != COMPARE_OPENING || s->request == 0)
        return;
    s->request = 0;
    compare_sent(s,
                 m->clock.len + m->durable.len + m->agreed.len + m->touched.len + m->dropped.len);
    enum err err = s->said = m->err < ERR_COUNT ? (enum err)m->err : ERR_FAILED;
    if (err == ERR_OVERLOADED || (err == ERR_OK && !m->ready)) {
        compare_again(h, now, s, COMPARE_OPENING);
        return;
    }
    if (err == ERR_OK || err == ERR_TOO_BIG)
        lacks_note(s, m->clock);
    if (err == ERR_TOO_BIG) {
        lacks_too_much(h, now, s);
        return;
    }
    if (err == ERR_OK)
        err = take_opened(s, m);
    struct arena arena = {0};
    struct touched own;
    enum err read = err == ERR_OK ? compare_touched(h, &s->range, &s->cut, &arena, &own) : err;
    arena_close(&arena);
    if (err == ERR_OK && read != ERR_OK && read != ERR_BEHIND && read != ERR_TOO_BIG)
        err = read;
    if (err != ERR_OK) {
        compare_end(h, now, s, err);
        return;
    }
    if (read == ERR_TOO_BIG) {
        lacks_too_much(h, now, s);
        return;
    }
    bool all = m->truncated || read == ERR_BEHIND || s->unsure;
    bool told_durable = m->durable.len > 0 && bytes_equal(m->durable, m->clock);
    if (!s->opened) {
        s->all = all;
        s->same_tables = m->same_tables;
        s->figures.equal = m->equal;
        s->sure = m->equal && told_durable;
        s->all_at_once = all || m->equal;
    } else if (all && !s->all) { /* what the session began with is not lacking, so this is another
                                    matter */
        s->all = true;
        s->same_tables = false;
    }
    note_different(s);
    s->opened = s->ready = true;
    if (s->figures.equal)
        walk_free(s);
    compare_begin_asking(h, now, s);
}

/* --- the end */

/* docs/healing.md ("When a clock takes in another"). */
void compare_join(struct heal *h, struct now now, struct comparing *s)
{
    if (!s->all || s->preview || !s->all_tables || !s->same_tables) {
        compare_end(h, now, s, ERR_OK);
        return;
    }
    struct wire_message m = {.type = WIRE_COMPARE_GIVE};
    uint64_t ticket = HEAL_TICKET | ++h->tickets;
    enum err err = engine_purged_take(h->engine, buf_bytes(&s->dropped));
    if (err == ERR_OK)
        err = engine_tree_join(h->engine, s->range.keyspace, s->range.range, &s->theirs, ticket);
    if (err != ERR_OK) {
        compare_end(h, now, s, err);
        return;
    }
    s->ticket = ticket;
    s->state = COMPARE_JOINING;
    s->request = ++h->requests;
    s->due = now.mono + h->config.timeout_us;
    m.compare_give = (struct wire_compare_give){.session = s->session,
                                                .request = s->request,
                                                .keyspace = s->range.keyspace,
                                                .range = s->range.range,
                                                .tag = s->range.tag,
                                                .life = s->life,
                                                .join = true};
    m.compare_give.told = compare_keep_clock(h, &s->durable);
    compare_sent(s, m.compare_give.told.len);
    heal_send(h, s->peer, &m);
}

static void joined(struct heal *h, struct now now, struct comparing *s)
{
    if (s->ticket != 0 || s->request != 0)
        return;
    s->figures.joined = true;
    compare_end(h, now, s, ERR_OK);
}

static void receive_gave(struct heal *h, struct now now, struct comparing *s,
                         const struct wire_compare_gave *m)
{
    if ((s->state != COMPARE_STORING && s->state != COMPARE_JOINING) || s->request == 0 ||
        s->request != m->request)
        return;
    s->request = 0;
    s->due = USEC_NEVER;
    compare_sent(s, 0);
    enum err err = s->said = m->err < ERR_COUNT ? (enum err)m->err : ERR_FAILED;
    if (err == ERR_OK) {
        s->figures.doubtful += m->doubtful;
        if (s->state == COMPARE_JOINING)
            joined(h, now, s);
        else
            walk_stored(h, now, s);
    } else if (err == ERR_BEHIND && s->state == COMPARE_STORING) {
        walk_refused(h, now, s);
    } else {
        compare_end(h, now, s, err);
    }
}

/* --- inputs */

void compare_begin_asking(struct heal *h, struct now now, struct comparing *s)
{
    s->state = COMPARE_ASKING;
    s->request = 0;
    usec next = compare_turn_next(h, now, compare_is_paced(h, s->id));
    s->due = next > now.mono || !h->busy ? next : now.mono + COMPARE_PAUSE;
    if (s->due <= now.mono)
        walk_ask(h, now, s);
}

static void prepare(struct heal *h, struct now now, struct comparing *s)
{
    bool done;
    struct tree_scrub *scrub = s->full && !s->scrubbed ? &s->scrub : NULL;
    uint64_t wrong = 0;
    struct compare_turn turn = compare_turn_begin(h, now, compare_is_paced(h, s->id));
    enum err err = compare_prepare(h, now, &s->range, turn.work, scrub, s->preview, &wrong, &done);
    s->due = compare_turn_end(h, now, &turn, true, 0);
    s->figures.leaves_wrong += wrong;
    if (err == ERR_CORRUPT && !done && s->tries++ < 3)
        err = ERR_OK; /* of the tree: it is gone, and built anew */
    if (err != ERR_OK) {
        compare_end(h, now, s, err);
        return;
    }
    if (!done)
        return;
    s->scrubbed = true;
    s->state = s->ready ? COMPARE_ASKING : COMPARE_OPENING;
    if (s->ready)
        walk_ask(h, now, s);
    else
        open_session(h, now, s);
}

static void session_due(struct heal *h, struct now now, struct comparing *s)
{
    if (s->request != 0) {
        compare_end(h, now, s, ERR_TIMEOUT);
        return;
    }
    if (!compare_is_valid(h, now, s))
        return;
    switch (s->state) {
    case COMPARE_PREPARING: prepare(h, now, s); break;
    case COMPARE_OPENING: open_session(h, now, s); break;
    case COMPARE_ASKING: walk_ask(h, now, s); break;
    case COMPARE_VOTING:
    case COMPARE_STORING:
    case COMPARE_JOINING: s->due = USEC_NEVER; break; /* the disk will tell */
    }
}

static struct comparing *find(struct heal *h, node_no from, uint64_t session)
{
    for (size_t i = 0; i < HEAL_COMPARES_MAX; i++) {
        struct comparing *s = h->compares[i];
        if (s != NULL && s->peer == from && s->session == session)
            return s;
    }
    return NULL;
}

bool compare_receive(struct heal *h, struct now now, node_no from, const struct wire_message *m)
{
    uint64_t session = 0;
    switch (m->type) {
    case WIRE_COMPARE_OPEN: serve_compare_open(h, now, from, &m->compare_open); return true;
    case WIRE_COMPARE_ASK: serve_compare_ask(h, now, from, &m->compare_ask); return true;
    case WIRE_COMPARE_GIVE: serve_compare_give(h, now, from, &m->compare_give); return true;
    case WIRE_COMPARE_END: serve_compare_end(h, now, from, &m->compare_end); return true;
    case WIRE_COMPARE_ROOTS: serve_many(h, now, from, &m->compare_roots); return true;
    case WIRE_COMPARE_SAME: same_told(h, now, from, &m->compare_same); return true;
    case WIRE_COMPARE_READ: serve_many_read(h, now, from, &m->compare_read); return true;
    case WIRE_COMPARE_ROOTS_TOLD: many_told(h, now, from, &m->compare_roots_told); return true;
    case WIRE_COMPARE_OPENED: session = m->compare_opened.session; break;
    case WIRE_COMPARE_TELL: session = m->compare_tell.session; break;
    case WIRE_COMPARE_VOTE: serve_vote(h, from, &m->compare_vote); return true;
    case WIRE_COMPARE_VOTED: vote_receive(h, now, from, &m->compare_voted); return true;
    case WIRE_COMPARE_GAVE: session = m->compare_gave.session; break;
    default: return false;
    }
    struct comparing *s = find(h, from, session);
    if (s == NULL || !compare_is_valid(h, now, s))
        return true;
    if (m->type == WIRE_COMPARE_OPENED)
        receive_opened(h, now, s, &m->compare_opened);
    else if (m->type == WIRE_COMPARE_TELL)
        walk_told(h, now, s, &m->compare_tell);
    else
        receive_gave(h, now, s, &m->compare_gave);
    return true;
}

bool compare_durable(struct heal *h, struct now now, uint64_t ticket, enum err err)
{
    if (serve_compare_durable(h, ticket, err))
        return true;
    for (size_t i = 0; i < HEAL_COMPARES_MAX; i++) {
        struct comparing *s = h->compares[i];
        if (s == NULL || s->ticket != ticket)
            continue;
        s->ticket = 0;
        if (err != ERR_OK)
            compare_end(h, now, s, err);
        else if (s->state == COMPARE_JOINING)
            joined(h, now, s);
        else
            walk_stored(h, now, s);
        return true;
    }
    return false;
}

void compare_peer_lost(struct heal *h, struct now now, node_no peer)
{
    serve_compare_lost(h, peer);
    serve_many_lost(h, peer);
    for (size_t i = 0; i < HEAL_COMPARES_MAX; i++) {
        if (h->compares[i] != NULL && h->compares[i]->peer == peer)
            compare_end(h, now, h->compares[i], ERR_UNAVAILABLE);
        else if (h->compares[i] != NULL && h->compares[i]->vote != NULL)
            vote_peer_lost(h, now, h->compares[i], peer);
    }
    many_peer_lost(h, now, peer);
}

void compare_deadline(struct heal *h, struct now now)
{
    serve_compare_deadline(h, now);
    for (size_t i = 0; i < HEAL_COMPARES_MAX; i++) {
        if (h->compares[i] != NULL && now.mono >= h->compares[i]->due)
            session_due(h, now, h->compares[i]);
    }
    rounds_deadline(h, now);
    many_deadline(h, now);
    serve_many_deadline(h, now);
}

usec compare_next_deadline(const struct heal *h)
{
    usec next = h->serving != NULL ? h->serving->due : USEC_NEVER;
    for (size_t i = 0; i < HEAL_COMPARES_MAX; i++) {
        if (h->compares[i] != NULL && h->compares[i]->due < next)
            next = h->compares[i]->due;
    }
    usec many = many_next_deadline(h), served = serve_many_next_deadline(h);
    usec rounds = rounds_next_deadline(h);
    next = many < next ? many : next;
    next = rounds < next ? rounds : next;
    return served < next ? served : next;
}
