/* vote.c - the side that asks and decides: see vote.h. */
#include "node/heal/vote.h"

#include "base/mutant.h"

#include <stdlib.h>
#include <string.h>

struct voting *vote_new(struct comparing *s)
{
    struct voting *v = arena_new(&s->arena, struct voting);
    v->figures = s->figures;
    v->different_count = s->different_count;
    v->tables = arena_array(&s->arena, struct heal_table, s->tables_count);
    memcpy(v->tables, s->by_table, s->tables_count * sizeof *v->tables);
    return v;
}

void vote_over(struct comparing *s)
{
    if (s->vote != NULL)
        buf_close(&s->vote->more);
    s->vote = NULL;
}

/* --- what is voted about */

static bool find_voters(struct heal *h, const struct comparing *s, struct voting *v)
{
    const struct placement *p = cluster_placement(h->cluster, s->range.keyspace);
    node_no self = cluster_self(h->cluster);
    if (p == NULL || s->range.range >= p->ranges)
        return false;
    struct replicas all = placement_replicas(p, s->range.range);
    const struct mark *m = marks_seek(h, s->range.keyspace, s->range.range, 0);
    for (; m != NULL && m->keyspace == s->range.keyspace && m->range == s->range.range;
         m = marks_after(h, m)) {
        if ((m->why & MARK_TRUNCATED) != 0)
            return false; /* rows may be here that no clock tells of yet */
    }
    if (!replicas_have(all, self) || !replicas_have(all, s->peer) || all.count > AGREE_SET_MAX)
        return false;
    v->replicas = all.count;
    for (uint32_t i = 0; i < all.count; i++) {
        node_no node = all.node[i];
        if (node != self && node != s->peer && cluster_is_alive(h->cluster, node))
            v->voters[v->voters_count++] = (struct voter){.node = node};
    }
    return v->voters_count > 0 || MUTANT(vote_of_two);
}

static int compare_rows(const void *a, const void *b)
{
    const struct vote_row *x = a, *y = b;
    if (x->table != y->table)
        return x->table < y->table ? -1 : 1;
    return bytes_compare(x->place, y->place);
}

static void add_row(struct comparing *s, struct voting *v, const struct vote_row *row)
{
    v->rows = arena_grow(&s->arena, v->rows, v->rows_count, &v->rows_cap, sizeof *v->rows);
    v->rows[v->rows_count++] = *row;
}

/* What the peer told, and what it wants. */
static enum err gather(struct heal *h, struct comparing *s, struct voting *v, struct bytes rows)
{
    struct tree_shown *shown = NULL;
    size_t count = 0, kept = 0;
    enum err err = engine_tree_shown(h->engine, &s->range.place, rows, &s->agreed, s->now_s,
                                     &s->arena, &shown, &count);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < count; i++)
        add_row(s, v,
                &(struct vote_row){.table = shown[i].part.table,
                                   .place = shown[i].place,
                                   .theirs = shown[i].hash,
                                   .their_part = shown[i].part,
                                   .is_theirs = true});
    for (size_t i = 0; i < s->give_count; i++)
        add_row(s, v, &(struct vote_row){.table = s->give[i].table, .place = s->give[i].place});
    if (v->rows_count > 1)
        qsort(v->rows, v->rows_count, sizeof *v->rows, compare_rows);
    for (size_t i = 0; i < v->rows_count; i++) {
        struct vote_row *row = &v->rows[i], *last = kept > 0 ? &v->rows[kept - 1] : NULL;
        if (last == NULL || compare_rows(last, row) != 0)
            v->rows[kept++] = *row;
        else if (row->is_theirs)
            *last = *row;
    }
    v->rows_count = kept;
    return ERR_OK;
}

/* What is here now; of the rows at these numbers, by table. */
static enum err look(struct heal *h, struct comparing *s, const struct vote_row *rows, size_t count,
                     struct tree_shown **ret)
{
    struct tree_shown *out = arena_array(&s->arena, struct tree_shown, count);
    struct bytes *places = arena_array(&s->arena, struct bytes, count);
    size_t at = 0;
    enum err err = ERR_OK;
    while (at < count && err == ERR_OK) {
        size_t n = 0, done = 0;
        struct tree_shown *some;
        for (; at + n < count && rows[at + n].table == rows[at].table; n++)
            places[n] = rows[at + n].place;
        err = engine_tree_look(h->engine, rows[at].table, places, n, &s->agreed, s->now_s,
                               VOTE_LOOK_MAX, &s->arena, &some, &done);
        for (size_t i = 0; i < done && err == ERR_OK; i++)
            out[at + i] = some[i];
        at += done;
    }
    *ret = out;
    return err;
}

enum err vote_prepare(struct heal *h, struct comparing *s, struct voting *v, struct bytes rows,
                      struct compare_answer *answers, size_t answered)
{
    struct tree_shown *own;
    if (s->all || (s->preview && !MUTANT(preview_votes)) || (rows.len == 0 && s->give_count == 0) ||
        !find_voters(h, s, v))
        return ERR_OK;
    enum err err = gather(h, s, v, rows);
    if (err == ERR_OK)
        err = look(h, s, v->rows, v->rows_count, &own);
    if (err != ERR_OK)
        return err;
    v->asked = arena_array(&s->arena, size_t, v->rows_count);
    for (size_t i = 0; i < v->rows_count; i++) {
        struct vote_row *row = &v->rows[i];
        row->own = own[i].hash;
        row->own_part = own[i].part;
        row->is_own = own[i].part.key.data != NULL;
        row->owns = row->their = 1;
        row->dropped = row->own == 0 ? own[i].dropped : INT64_MAX;
        if (row->own != row->theirs)
            v->asked[v->asked_count++] = i;
    }
    if (v->asked_count == 0)
        return ERR_OK;
    v->answers = answers;
    v->answered = answered;
    buf_init(&v->more, WIRE_MESSAGE_MAX);
    s->vote = v;
    return ERR_OK;
}

/* --- deciding */

/* All of the question once more: something is on its way. Where it stays on its way, it has come,
 * and the cut is too old: it touched the row at a voter, and not here. */
static void again(struct heal *h, struct now now, struct comparing *s, bool new_cut)
{
    struct voting *v = s->vote;
    s->figures.rows_different = v->figures.rows_different;
    s->figures.rows_listed = v->figures.rows_listed;
    s->different_count = v->different_count;
    memcpy(s->by_table, v->tables, s->tables_count * sizeof *v->tables);
    walk_push_units(s, 0, NULL, 0);
    s->units_count = 0;
    vote_over(s);
    s->ready = s->ready && !new_cut && (s->tries < VOTE_TRIES || MUTANT(vote_keeps_cut));
    compare_again(h, now, s, COMPARE_PREPARING);
}

static bool is_most(const struct voting *v, unsigned count)
{
    return count * 2 > v->replicas || (MUTANT(vote_of_two) && v->voters_count == 0);
}

static int64_t newest_of(const struct row *row)
{
    int64_t newest = TIMESTAMP_NONE;
    for (size_t i = 0; i < row->cells_count; i++)
        newest = row->cells[i].timestamp > newest ? row->cells[i].timestamp : newest;
    return newest;
}

/* Most show nothing, and it is not that they may have dropped what deleted it: they have lost it.
 * Nothing that could be heard of is said by who has nothing. */
static bool is_lost_by_most(const struct vote_row *row, bool here, bool there)
{
    const struct part *p = here ? &row->own_part : &row->their_part;
    bool nothing = here ? row->theirs == 0 : there && row->own == 0;
    int64_t newest = TIMESTAMP_NONE;
    if (!nothing || MUTANT(absence_wins))
        return false;
    if (p->has_static)
        newest = newest_of(&p->static_row);
    for (size_t i = 0; i < p->rows_count; i++) {
        int64_t of_row = newest_of(&p->rows[i]);
        newest = of_row > newest ? of_row : newest;
    }
    return newest > row->dropped;
}

static void decide(struct voting *v)
{
    for (size_t i = 0; i < v->asked_count; i++) {
        struct vote_row *row = &v->rows[v->asked[i]];
        bool here = is_most(v, row->their), there = is_most(v, row->owns);
        if (MUTANT(vote_of_few) && !there)
            here = true;
        if (is_lost_by_most(row, here, there))
            here = there = false;
        row->lost = here ? VOTE_HERE : there ? VOTE_THERE : VOTE_JOIN;
    }
}

/* Those that lose here are, untouched, what was voted about. */
static enum err check_losers(struct heal *h, struct comparing *s, const struct vote_row *rows,
                             size_t count, bool *ret_good)
{
    struct touched own;
    struct tree_skip skip = {0};
    struct tree_shown *shown;
    table_no table = 0;
    *ret_good = engine_drops(h->engine, s->range.keyspace, s->range.range) == s->drops;
    enum err err = compare_touched(h, &s->range, &s->cut, &s->arena, &own);
    if (err == ERR_OK)
        err = look(h, s, rows, count, &shown);
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        if (rows[i].table != table)
            tree_skip_make(own.items, own.count, rows[i].table, &s->arena, &skip);
        table = rows[i].table;
        if ((shown[i].hash != rows[i].own || tree_skip_has(&skip, rows[i].place)) &&
            !MUTANT(vote_over_writes))
            *ret_good = false;
    }
    return err;
}

static enum err replace_here(struct heal *h, struct comparing *s, const struct vote_row *rows,
                             size_t count)
{
    struct tree_replace *items = arena_array(&s->arena, struct tree_replace, count);
    struct vote_difference *list = arena_array(&s->arena, struct vote_difference, count);
    struct tree_taken told = {.rows = count, .doubtful = count};
    if (count == 0)
        return ERR_OK;
    for (size_t i = 0; i < count; i++) {
        const struct vote_row *row = &rows[i];
        items[i] =
            (struct tree_replace){row->table, row->place, row->is_theirs ? &row->their_part : NULL};
        list[i] = (struct vote_difference){row->table, row->place,
                                           row->is_own ? &row->own_part : NULL, items[i].with};
    }
    told.table = rows[0].table;
    told.key = rows[0].is_own ? rows[0].own_part.key : rows[0].their_part.key;
    vote_keep(h, &s->range, s->peer, s->now_s, list, count);
    uint64_t ticket = HEAL_TICKET | ++h->tickets;
    enum err err = engine_tree_replace(h->engine, s->range.keyspace, s->range.range, items, count,
                                       s->now_s, &s->arena, ticket);
    if (err == ERR_OK) {
        s->ticket = ticket;
        s->figures.doubtful += count;
        compare_told_doubtful(h, &s->range, s->peer, &told, true);
    }
    return err;
}

/* What of the peer's is joined, and what others have where there is no majority. */
static enum err join(struct heal *h, struct comparing *s, struct voting *v)
{
    struct buf rows;
    buf_init(&rows, WIRE_MESSAGE_MAX);
    for (size_t i = 0; i < v->rows_count; i++) {
        const struct vote_row *row = &v->rows[i];
        if (row->is_theirs && (row->lost == VOTE_ALIKE || row->lost == VOTE_JOIN))
            part_encode(&row->their_part, &rows);
    }
    enum err err = buf_finish(&rows);
    if (err == ERR_OK && rows.len > 0)
        err = walk_take_rows(h, s, buf_bytes(&rows));
    if (err == ERR_OK && v->more.len > 0)
        err = walk_take_rows(h, s, buf_bytes(&v->more));
    buf_close(&rows);
    return err;
}

static const struct vote_row *row_of(const struct voting *v, const struct given_place *g)
{
    struct vote_row key = {.table = g->table, .place = g->place};
    return bsearch(&key, v->rows, v->rows_count, sizeof *v->rows, compare_rows);
}

/* What the peer wants goes to be joined; then what it is to replace. What was joined of three and
 * more goes in any case. */
static void choose_given(struct comparing *s, struct voting *v)
{
    struct given_place *out =
        arena_array(&s->arena, struct given_place, s->give_count + v->rows_count);
    size_t count = 0;
    for (size_t i = 0; i < s->give_count; i++) {
        const struct vote_row *row = row_of(v, &s->give[i]);
        bool joined = row->lost == VOTE_ALIKE || (row->lost == VOTE_JOIN && !row->others);
        if (joined)
            out[count++] = s->give[i];
    }
    s->give = out;
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < v->rows_count; i++) {
            const struct vote_row *row = &v->rows[i];
            bool replaces = row->lost == VOTE_THERE;
            if (k == 1 ? !replaces : row->lost != VOTE_JOIN || !row->others)
                continue;
            out[count++] = (struct given_place){.table = row->table,
                                                .place = row->place,
                                                .replaces = replaces,
                                                .nothing = replaces && !row->is_own,
                                                .instead = row->theirs};
        }
    }
    s->give_count = count;
}

static bool changes(struct heal *h, struct comparing *s, const struct vote_row *row)
{
    return engine_tree_changes(h->engine, s->range.keyspace, s->range.range,
                               row->is_own ? &row->own_part : NULL,
                               row->is_theirs ? &row->their_part : NULL, s->now_s, &s->arena);
}

static void finish(struct heal *h, struct now now, struct comparing *s)
{
    struct voting *v = s->vote;
    struct vote_row *lost = arena_array(&s->arena, struct vote_row, v->rows_count);
    size_t count = 0;
    bool good = false;
    if (!compare_is_valid(h, now, s))
        return;
    for (size_t i = 0; i < v->rows_count; i++) {
        if (v->rows[i].lost == VOTE_HERE && !changes(h, s, &v->rows[i]))
            v->rows[i].lost = VOTE_LEFT;
        if (v->rows[i].lost == VOTE_HERE)
            lost[count++] = v->rows[i];
    }
    enum err err = check_losers(h, s, lost, count, &good);
    if (err == ERR_BEHIND || err == ERR_TOO_BIG || (err == ERR_OK && !good)) {
        again(h, now, s, err != ERR_OK);
        return;
    }
    if (err == ERR_OK)
        err = replace_here(h, s, lost, count);
    if (err == ERR_OK)
        err = join(h, s, v);
    if (err != ERR_OK) {
        compare_end(h, now, s, err);
        return;
    }
    choose_given(s, v);
    walk_push_units(s, 0, v->answers, v->answered);
    vote_over(s);
    s->tries = 0;
    s->state = COMPARE_STORING;
    s->request = 0;
    s->due = USEC_NEVER;
    walk_stored(h, now, s);
}

/* --- asking */

static void send_question(struct heal *h, struct comparing *s, struct voting *v)
{
    struct wire_message m = {.type = WIRE_COMPARE_VOTE};
    struct wire_compare_vote *q = &m.compare_vote;
    struct key_coder keys = {0};
    struct buf places;
    buf_init(&places, WIRE_MESSAGE_MAX / 2);
    for (size_t i = 0; i < v->page; i++) {
        const struct vote_row *row = &v->rows[v->asked[v->at + i]];
        compare_put_place(&places, &keys, row->table, row->place);
    }
    *q = (struct wire_compare_vote){.session = s->session,
                                    .request = v->request,
                                    .keyspace = s->range.keyspace,
                                    .range = s->range.range,
                                    .tag = s->range.tag,
                                    .now_s = s->now_s,
                                    .rows = v->wants_rows};
    q->cut = compare_keep_clock(h, &s->cut);
    q->agreed = compare_keep_clock(h, &s->agreed);
    q->places = heal_keep(h, &places);
    for (size_t i = 0; i < v->voters_count; i++) {
        if (v->voters[i].absent)
            continue;
        v->voters[i].waits = true;
        v->voters[i].count = 0;
        compare_sent(s, q->cut.len + q->agreed.len + q->places.len);
        heal_send(h, v->voters[i].node, &m);
    }
    buf_close(&keys.last);
    buf_close(&places);
}

/* Where there is no majority and somebody has a third thing, it is joined as well. */
static bool wants_more(struct voting *v)
{
    size_t count = 0;
    for (size_t i = 0; i < v->asked_count; i++) {
        const struct vote_row *row = &v->rows[v->asked[i]];
        if (row->lost == VOTE_JOIN && row->others)
            v->asked[count++] = v->asked[i];
    }
    v->asked_count = count;
    v->at = 0;
    return count > 0;
}

void vote_ask(struct heal *h, struct now now, struct comparing *s)
{
    struct voting *v = s->vote;
    size_t most = v->wants_rows ? VOTE_PAGE_ROWS : VOTE_PAGE, present = 0;
    for (size_t i = 0; i < v->voters_count; i++)
        present += !v->voters[i].absent;
    if (v->at == v->asked_count || present == 0) {
        bool more = false;
        if (!v->wants_rows) {
            decide(v);
            more = wants_more(v) && present > 0;
        }
        if (!more) {
            finish(h, now, s);
            return;
        }
        v->wants_rows = true;
        most = VOTE_PAGE_ROWS;
    }
    size_t bytes = 0;
    for (v->page = 0; v->page < most && v->at + v->page < v->asked_count; v->page++) {
        bytes += v->rows[v->asked[v->at + v->page]].place.len;
        if (v->page > 0 && bytes > VOTE_PLACES_MAX)
            break;
    }
    v->request = s->request = ++h->requests;
    s->state = COMPARE_VOTING;
    s->due = now.mono + h->config.timeout_us;
    send_question(h, s, v);
}

/* --- being told */

static void tally(struct heal *h, struct now now, struct comparing *s)
{
    struct voting *v = s->vote;
    size_t count = v->page;
    for (size_t i = 0; i < v->voters_count; i++) {
        const struct voter *o = &v->voters[i];
        if (o->waits)
            return;
        if (!o->absent && o->count < count)
            count = o->count;
    }
    s->request = 0;
    bool touched = false;
    for (size_t i = 0; i < v->voters_count && !v->wants_rows; i++) {
        const struct voter *o = &v->voters[i];
        for (size_t k = 0; k < count && !o->absent; k++) {
            struct vote_row *row = &v->rows[v->asked[v->at + k]];
            touched = touched || o->touched[k];
            if (o->shown[k] == 0 && o->dropped[k] < row->dropped)
                row->dropped = o->dropped[k];
            row->owns += o->shown[k] == row->own;
            row->their += o->shown[k] == row->theirs;
            row->others = row->others || (o->shown[k] != row->own && o->shown[k] != row->theirs);
        }
    }
    v->at += count;
    if (touched)
        again(h, now, s, false);
    else
        vote_ask(h, now, s);
}

static enum err read_shown(struct comparing *s, struct voter *o, struct bytes in)
{
    struct reader r = reader_make(in);
    size_t page = s->vote->page;
    o->shown = arena_array(&s->arena, uint64_t, page);
    o->dropped = arena_array(&s->arena, int64_t, page);
    o->touched = arena_array(&s->arena, bool, page);
    for (o->count = 0; reader_left(&r) > 0 && o->count < page; o->count++) {
        o->touched[o->count] = read_u8(&r) != 0;
        o->shown[o->count] = read_u64(&r);
        o->dropped[o->count] = o->shown[o->count] == 0 ? read_i64(&r) : INT64_MAX;
    }
    return o->count > 0 ? reader_finish(&r) : ERR_MALFORMED;
}

static enum err merge_agreed(struct comparing *s, struct bytes encoded)
{
    struct clock agreed;
    clock_init(&agreed);
    enum err err = clock_decode(encoded, &agreed);
    if (err == ERR_OK)
        clock_merge(&s->agreed, &agreed);
    clock_close(&agreed);
    return err;
}

static uint64_t count_parts(struct bytes rows)
{
    struct reader in = reader_make(rows);
    struct arena arena = {0};
    uint64_t count = 0;
    struct part p;
    while (reader_left(&in) > 0 && part_read(&in, &arena, &p) == ERR_OK)
        count++;
    arena_close(&arena);
    return count;
}

static void hear(struct heal *h, struct now now, struct comparing *s, struct voter *o,
                 const struct wire_compare_voted *m)
{
    struct voting *v = s->vote;
    enum err err = m->err < ERR_COUNT ? (enum err)m->err : ERR_FAILED;
    o->waits = false;
    compare_sent(s, m->agreed.len + m->shown.len);
    s->figures.bytes_received += m->rows.len;
    s->figures.rows_received += count_parts(m->rows);
    if (err == ERR_BEHIND || err == ERR_TOO_BIG || err == ERR_OVERLOADED || err == ERR_STALE) {
        enum err read = m->agreed.len > 0 ? merge_agreed(s, m->agreed) : ERR_OK;
        if (read != ERR_OK)
            compare_end(h, now, s, read);
        else
            again(h, now, s, err == ERR_TOO_BIG);
        return;
    }
    if (err == ERR_OK)
        err = read_shown(s, o, m->shown);
    if (err == ERR_OK && v->wants_rows)
        buf_put_bytes(&v->more, m->rows);
    if (err == ERR_MALFORMED) {
        compare_end(h, now, s, err);
        return;
    }
    o->absent = err != ERR_OK; /* it cannot say: damaged there, or not served */
    tally(h, now, s);
}

void vote_receive(struct heal *h, struct now now, node_no from, const struct wire_compare_voted *m)
{
    for (size_t i = 0; i < HEAL_COMPARES_MAX; i++) {
        struct comparing *s = h->compares[i];
        if (s == NULL || s->session != m->session || s->vote == NULL ||
            s->state != COMPARE_VOTING || s->vote->request != m->request)
            continue;
        if (!compare_is_valid(h, now, s))
            return;
        for (size_t k = 0; k < s->vote->voters_count; k++) {
            if (s->vote->voters[k].node == from && s->vote->voters[k].waits) {
                hear(h, now, s, &s->vote->voters[k], m);
                return;
            }
        }
    }
}

void vote_peer_lost(struct heal *h, struct now now, struct comparing *s, node_no peer)
{
    struct voting *v = s->vote;
    for (size_t i = 0; i < v->voters_count; i++) {
        struct voter *o = &v->voters[i];
        if (o->node != peer || o->absent)
            continue;
        bool waited = o->waits;
        o->absent = true;
        o->waits = false;
        if (waited)
            tally(h, now, s);
        return;
    }
}
