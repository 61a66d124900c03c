/* vote_serve.c - the other sides of a vote: who is asked, and who has lost. See vote.h. */
#include "node/heal/vote.h"

#include "base/mutant.h"

static enum err range_of(struct heal *h, keyspace_no keyspace, range_no range, uint64_t tag,
                         node_no from, struct arena *arena, struct compare_range *ret)
{
    enum err err = compare_range(h, keyspace, range, from, arena, ret);
    return err == ERR_OK && ret->tag != tag ? ERR_STALE : err;
}

/* Rows may be here that no clock tells of, or not be here that clocks tell of. */
static bool has_no_vote(struct heal *h, keyspace_no keyspace, range_no range)
{
    const struct mark *m = marks_seek(h, keyspace, range, 0);
    for (; m != NULL && m->keyspace == keyspace && m->range == range; m = marks_after(h, m)) {
        if ((m->why & MARK_TRUNCATED) != 0)
            return true;
    }
    return sure_is_not(h, keyspace, range) && !MUTANT(unwhole_votes);
}

struct voting_here {
    struct heal *h;
    struct arena arena;
    struct compare_range r;
    struct clock cut, agreed;
    struct touched own;
    struct compare_place *places;
    size_t count;
};

/* Everything of the cut is here, and it is known what else has touched what. */
static enum err look_at_clocks(struct voting_here *v, keyspace_no keyspace, range_no range)
{
    struct heal *h = v->h;
    if (!clock_covers(engine_clock(h->engine, keyspace, range), &v->cut))
        return ERR_BEHIND;
    enum err err = compare_touched(h, &v->r, &v->cut, &v->arena, &v->own);
    return err == ERR_BEHIND ? ERR_TOO_BIG : err; /* with a newer cut it is */
}

static enum err read_vote(struct voting_here *v, node_no from, const struct wire_compare_vote *m,
                          struct bytes *ret_agreed)
{
    struct heal *h = v->h;
    const struct clock *agreed = heal_agreed(h, m->keyspace, m->range);
    enum err err = range_of(h, m->keyspace, m->range, m->tag, from, &v->arena, &v->r);
    if (err == ERR_OK && has_no_vote(h, m->keyspace, m->range))
        err = ERR_UNAVAILABLE;
    if (err == ERR_OK)
        err = clock_decode(m->cut, &v->cut);
    if (err == ERR_OK)
        err = clock_decode(m->agreed, &v->agreed);
    if (err == ERR_OK)
        err = compare_read_places(m->places, false, &v->arena, &v->places, &v->count);
    if (err == ERR_OK && v->count == 0)
        err = ERR_MALFORMED;
    if (err == ERR_OK && agreed != NULL && !clock_covers(&v->agreed, agreed)) {
        *ret_agreed = compare_keep_clock(h, agreed);
        return ERR_BEHIND;
    }
    return err == ERR_OK ? look_at_clocks(v, m->keyspace, m->range) : err;
}

static bool has_table(const struct compare_range *r, table_no table)
{
    for (size_t i = 0; i < r->place.tables_count; i++) {
        if (r->place.tables[i] == table)
            return true;
    }
    return false;
}

/* What is here at the places from `at` on of one table; *ret_done of them. */
static enum err look_at_table(struct voting_here *v, size_t at, int64_t now_s, size_t bytes_max,
                              struct tree_shown **ret, size_t *ret_done)
{
    size_t n = 0;
    struct bytes *places = arena_array(&v->arena, struct bytes, v->count - at);
    if (!has_table(&v->r, v->places[at].table))
        return ERR_NOT_FOUND;
    for (; at + n < v->count && v->places[at + n].table == v->places[at].table; n++)
        places[n] = v->places[at + n].place;
    return engine_tree_look(v->h->engine, v->places[at].table, places, n, &v->agreed, now_s,
                            bytes_max, &v->arena, ret, ret_done);
}

static enum err answer(struct voting_here *v, const struct wire_compare_vote *m, struct buf *shown,
                       struct buf *rows)
{
    size_t max = m->rows ? COMPARE_REPLY_MAX : VOTE_LOOK_MAX;
    uint64_t stop = engine_stats(v->h->engine).fragments_read + 4 * COMPARE_WORK;
    for (size_t at = 0; at < v->count;) {
        struct tree_shown *here;
        struct tree_skip skip;
        size_t done = 0;
        if (at > 0 && (rows->len >= max || engine_stats(v->h->engine).fragments_read >= stop))
            break;
        enum err err = look_at_table(v, at, m->now_s, max, &here, &done);
        if (err != ERR_OK)
            return err;
        tree_skip_make(v->own.items, v->own.count, v->places[at].table, &v->arena, &skip);
        for (size_t i = 0; i < done; i++) {
            buf_put_u8(shown, tree_skip_has(&skip, here[i].place));
            buf_put_u64(shown, here[i].hash);
            if (here[i].hash == 0)
                buf_put_i64(shown, here[i].dropped);
            if (m->rows && here[i].part.key.data != NULL)
                part_encode(&here[i].part, rows);
        }
        at += done;
    }
    return ERR_OK;
}

void serve_vote(struct heal *h, node_no from, const struct wire_compare_vote *m)
{
    struct wire_message reply = {.type = WIRE_COMPARE_VOTED};
    struct wire_compare_voted *a = &reply.compare_voted;
    struct voting_here v = {.h = h};
    struct buf shown, rows;
    clock_init(&v.cut);
    clock_init(&v.agreed);
    buf_init(&shown, WIRE_MESSAGE_MAX / 4);
    buf_init(&rows, WIRE_MESSAGE_MAX / 2);
    enum err err = read_vote(&v, from, m, &a->agreed);
    if (err == ERR_OK)
        err = answer(&v, m, &shown, &rows);
    if (err == ERR_OK)
        err = buf_finish(&rows);
    a->session = m->session;
    a->request = m->request;
    a->err = (uint32_t)err;
    if (err == ERR_OK) {
        a->shown = heal_keep(h, &shown);
        a->rows = heal_keep(h, &rows);
        h->stats.bytes_served += rows.len;
    }
    heal_send(h, from, &reply);
    buf_close(&shown);
    buf_close(&rows);
    clock_close(&v.cut);
    clock_close(&v.agreed);
    arena_close(&v.arena);
}

/* --- who has lost */

static enum err check_one(struct voting_here *v, size_t i, const struct tree_shown *here)
{
    struct tree_skip skip;
    tree_skip_make(v->own.items, v->own.count, v->places[i].table, &v->arena, &skip);
    bool good = here->hash == v->places[i].hash && !tree_skip_has(&skip, here->place);
    return good || MUTANT(vote_over_writes) ? ERR_OK : ERR_BEHIND;
}

static const struct part *part_at(const struct tree_shown *rows, size_t count,
                                  const struct compare_place *p)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].part.table == p->table && bytes_equal(rows[i].place, p->place))
            return &rows[i].part;
    }
    return NULL;
}

static enum err replace_all(struct voting_here *v, const struct wire_compare_give *m, node_no from,
                            uint64_t ticket, struct tree_taken *ret)
{
    struct heal *h = v->h;
    struct tree_replace *items = arena_array(&v->arena, struct tree_replace, v->count);
    struct vote_difference *list = arena_array(&v->arena, struct vote_difference, v->count);
    struct tree_shown *rows = NULL;
    size_t rows_count = 0, count = 0;
    enum err err = engine_tree_shown(h->engine, &v->r.place, m->rows, &v->agreed, m->now_s,
                                     &v->arena, &rows, &rows_count);
    for (size_t at = 0; at < v->count && err == ERR_OK;) {
        struct tree_shown *here;
        size_t done = 0;
        err = look_at_table(v, at, m->now_s, VOTE_LOOK_MAX, &here, &done);
        for (size_t i = 0; i < done && err == ERR_OK; i++) {
            const struct compare_place *p = &v->places[at + i];
            const struct part *with = part_at(rows, rows_count, p);
            err = check_one(v, at + i, &here[i]);
            const struct part *own = here[i].part.key.data != NULL ? &here[i].part : NULL;
            if (!engine_tree_changes(h->engine, m->keyspace, m->range, own, with, m->now_s,
                                     &v->arena))
                continue;
            items[count] = (struct tree_replace){p->table, p->place, with};
            list[count++] = (struct vote_difference){p->table, p->place, own, with};
        }
        at += done;
    }
    if (err != ERR_OK)
        return err;
    vote_keep(h, &v->r, from, m->now_s, list, count);
    ret->rows = ret->doubtful = count;
    if (count > 0) {
        ret->table = list[0].table;
        ret->key = list[0].had != NULL   ? list[0].had->key
                   : list[0].won != NULL ? list[0].won->key
                                         : BYTES_NONE;
    }
    err = engine_tree_replace(h->engine, m->keyspace, m->range, items, count, m->now_s, &v->arena,
                              ticket);
    if (err == ERR_OK)
        compare_told_doubtful(h, &v->r, from, ret, true);
    return err;
}

enum err serve_replaced(struct heal *h, const struct wire_compare_give *m, node_no from,
                        const struct compare_range *r, struct arena *arena, uint64_t ticket,
                        struct tree_taken *ret)
{
    struct voting_here v = {.h = h, .r = *r, .arena = *arena};
    clock_init(&v.cut);
    clock_init(&v.agreed);
    enum err err = clock_decode(m->cut, &v.cut);
    if (err == ERR_OK)
        err = clock_decode(m->agreed, &v.agreed);
    if (err == ERR_OK)
        err = compare_read_places(m->replaced, true, &v.arena, &v.places, &v.count);
    if (err == ERR_OK && v.count == 0)
        err = ERR_MALFORMED;
    if (err == ERR_OK)
        err = look_at_clocks(&v, m->keyspace, m->range);
    if (err == ERR_TOO_BIG)
        err = ERR_BEHIND;
    if (err == ERR_OK)
        err = replace_all(&v, m, from, ticket, ret);
    clock_close(&v.cut);
    clock_close(&v.agreed);
    *arena = v.arena;
    return err;
}
