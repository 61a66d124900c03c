/* compare_give.c - the initiator gives what the peer lacks, or is to have instead of what it has.
 */
#include "node/heal/vote.h"

#include "base/mutant.h"

/* The peer has lost a vote over these: it replaces what it has, if that is what was voted about. */
static void put_replaced(struct heal *h, struct comparing *s, size_t count,
                         struct wire_compare_give *g)
{
    struct key_coder keys = {0};
    struct buf out;
    buf_init(&out, WIRE_MESSAGE_MAX / 4);
    for (size_t i = 0; i < count; i++) {
        const struct given_place *p = &s->give[s->give_at + i];
        compare_put_place(&out, &keys, p->table, p->place);
        buf_put_u64(&out, p->instead);
    }
    g->replaced = heal_keep(h, &out);
    g->cut = compare_keep_clock(h, &s->cut);
    g->agreed = compare_keep_clock(h, &s->agreed);
    buf_close(&keys.last);
    buf_close(&out);
}

/* Of a row that is not here, and is to go there, nothing is sent. */
static void note_sent(struct comparing *s, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct given_place *g = &s->give[s->give_at + i];
        s->figures.rows_sent += !g->nothing;
        walk_found_in(s, g->table)->rows_sent += !g->nothing;
    }
}

/* What takes the place of what is there must be what was voted about: a write that came here since
 * the cut is not in the clock of who lost, perhaps, and is no reason to say that it had lost rows.
 */
static enum err check_winners(struct heal *h, struct comparing *s, table_no table,
                              const struct bytes *places, size_t count)
{
    struct arena arena = {0};
    struct touched own;
    struct tree_skip skip = {0};
    enum err err = compare_touched(h, &s->range, &s->cut, &arena, &own);
    if (err == ERR_OK)
        tree_skip_make(own.items, own.count, table, &arena, &skip);
    for (size_t i = 0; i < count && err == ERR_OK && !MUTANT(vote_over_writes); i++)
        err = tree_skip_has(&skip, places[i]) ? ERR_BEHIND : ERR_OK;
    arena_close(&arena);
    return err == ERR_TOO_BIG ? ERR_BEHIND : err;
}

/* The next rows that the peer wants. ERR_BEHIND: they are to be voted about once more. */
static enum err give_some(struct heal *h, struct now now, struct comparing *s)
{
    struct wire_message m = {.type = WIRE_COMPARE_GIVE};
    struct arena arena = {0};
    struct buf rows;
    enum err err = ERR_OK;
    table_no table = s->give[s->give_at].table;
    struct bytes *places = arena_array(&arena, struct bytes, s->give_count - s->give_at);
    size_t count = 0, served = 0;
    bool replaces = s->give[s->give_at].replaces;
    size_t bytes = 0;
    struct compare_turn turn = compare_turn_begin(h, now, compare_is_paced(h, s->id));
    while (s->give_at + count < s->give_count && count < COMPARE_UNITS_MAX) {
        const struct given_place *g = &s->give[s->give_at + count];
        bytes += g->place.len;
        if (g->table != table || g->replaces != replaces ||
            (replaces && count > 0 && bytes > VOTE_PLACES_MAX))
            break;
        places[count++] = g->place;
    }
    buf_init(&rows, WIRE_MESSAGE_MAX / 2);
    if (replaces)
        err = check_winners(h, s, table, places, count);
    if (err == ERR_OK)
        err = engine_tree_rows(h->engine, table, places, count, h->config.compare_bytes_max, &rows,
                               &served);
    if (err == ERR_OK) {
        struct wire_compare_give *g = &m.compare_give;
        *g = (struct wire_compare_give){.session = s->session,
                                        .request = ++h->requests,
                                        .keyspace = s->range.keyspace,
                                        .range = s->range.range,
                                        .tag = s->range.tag,
                                        .life = s->life,
                                        .drops = s->their_drops,
                                        .now_s = s->now_s};
        if (s->all)
            g->told = compare_keep_clock(h, &s->durable);
        g->rows = heal_keep(h, &rows);
        if (replaces)
            put_replaced(h, s, served, g);
        s->give_sent = served;
        s->request = g->request;
        s->due = now.mono + h->config.timeout_us;
        s->figures.bytes_sent += rows.len;
        note_sent(s, served);
        compare_sent(s, g->told.len + g->cut.len + g->agreed.len + g->replaced.len);
        heal_send(h, s->peer, &m);
    }
    (void)compare_turn_end(h, now, &turn, false, rows.len);
    buf_close(&rows);
    arena_close(&arena);
    return err;
}

void walk_stored(struct heal *h, struct now now, struct comparing *s)
{
    if (s->ticket != 0 || s->request != 0)
        return;
    s->give_at += s->give_sent;
    s->give_sent = 0;
    if (s->give_at == s->give_count || s->preview) {
        s->units_count = 0;
        compare_begin_asking(h, now, s);
        return;
    }
    enum err err = give_some(h, now, s);
    if (err == ERR_BEHIND)
        walk_refused(h, now, s);
    else if (err != ERR_OK)
        compare_end(h, now, s, err);
}

/* Something was dropped there since it wanted them: it is asked once more about these stretches. */
void walk_refused(struct heal *h, struct now now, struct comparing *s)
{
    s->give_sent = 0;
    s->figures.rows_different -= s->give_count - s->give_at;
    for (size_t i = s->give_at; i < s->give_count; i++)
        walk_found_in(s, s->give[i].table)->rows_different--;
    for (size_t i = s->units_count; i-- > 0;) {
        const struct compare_unit *u = &s->units[i];
        bool any = false;
        for (size_t k = s->give_at; k < s->give_count && u->list; k++)
            any = any || (s->give[k].table == u->table &&
                          bytes_compare(s->give[k].place, u->stretch.from) >= 0 &&
                          (u->stretch.upto.len == 0 ||
                           bytes_compare(s->give[k].place, u->stretch.upto) < 0));
        if (any)
            walk_push(s, u->table, &u->stretch, true);
    }
    s->units_count = 0;
    compare_again(h, now, s, COMPARE_ASKING);
}
