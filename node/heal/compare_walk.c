/* compare_walk.c - the initiator goes down where sums differ, and mends the rows it finds. */
#include "node/heal/vote.h"

#include <stdlib.h>
#include <string.h>

/* --- the stack */

static struct bytes own_copy(struct bytes b)
{
    return b.len > 0 ? bytes_make(mem_copy(b.data, b.len), b.len) : BYTES_NONE;
}

static void item_free(struct walk_item *i)
{
    mem_free((void *)(uintptr_t)i->stretch.from.data);
    mem_free((void *)(uintptr_t)i->stretch.upto.data);
}

void walk_push(struct comparing *s, table_no table, const struct tree_stretch *stretch,
               bool differs)
{
    s->stack = mem_grow(s->stack, s->stack_count, &s->stack_cap, sizeof *s->stack);
    s->stack[s->stack_count++] =
        (struct walk_item){table, {own_copy(stretch->from), own_copy(stretch->upto)}, differs};
}

void walk_free(struct comparing *s)
{
    for (size_t i = 0; i < s->stack_count; i++)
        item_free(&s->stack[i]);
    mem_free(s->stack);
    s->stack = NULL;
    s->stack_count = s->stack_cap = 0;
}

/* --- asking */

struct asking {
    struct heal *h;
    struct comparing *s;
    struct tree_touched *touched; /* ours and theirs */
    size_t touched_count;
    table_no skip_table; /* whose stretches `skip` has; 0: none yet */
    struct tree_skip skip;
    struct key_coder keys;
    struct buf out;
    uint64_t work; /* fragments to be read */
};

static const struct tree_skip *skip_of(struct asking *a, table_no table)
{
    if (a->s->all || a->touched_count == 0)
        return NULL;
    if (a->skip_table != table)
        tree_skip_make(a->touched, a->touched_count, table, &a->s->arena, &a->skip);
    a->skip_table = table;
    return &a->skip;
}

static void add_unit(struct asking *a, const struct compare_unit *unit)
{
    struct comparing *s = a->s;
    s->units = arena_grow(&s->arena, s->units, s->units_count, &s->units_cap, sizeof *s->units);
    s->units[s->units_count++] = *unit;
    struct compare_unit *before = s->units_count > 1 ? &s->units[s->units_count - 2] : NULL;
    compare_put_unit(&a->out, &a->keys, before, unit);
    s->figures.stretches += !unit->list;
    s->figures.rows_listed += unit->count;
}

static enum err ask_sum(struct asking *a, struct walk_item *item)
{
    struct comparing *s = a->s;
    struct tree_sum sum;
    struct compare_unit u = {.table = item->table};
    enum err err = engine_tree_sum(a->h->engine, s->range.keyspace, s->range.range, &s->range.place,
                                   item->table, &item->stretch, skip_of(a, item->table), &sum);
    if (err != ERR_OK)
        return err;
    u.stretch.from = arena_copy(&s->arena, item->stretch.from);
    u.stretch.upto = arena_copy(&s->arena, item->stretch.upto);
    u.sum = sum.sum;
    add_unit(a, &u);
    return ERR_OK;
}

static enum err ask_list(struct asking *a, struct walk_item *item)
{
    struct comparing *s = a->s;
    struct compare_unit u = {.table = item->table, .list = true};
    struct bytes next;
    enum err err = engine_tree_list(
        a->h->engine, s->range.keyspace, s->range.range, &s->range.place, item->table,
        &item->stretch, skip_of(a, item->table), s->all ? NULL : &s->agreed,
        s->all ? INT64_MIN : s->now_s, COMPARE_LIST_MAX, &s->arena, &u.items, &u.count, &next);
    if (err != ERR_OK)
        return err;
    u.stretch.from = arena_copy(&s->arena, item->stretch.from);
    u.stretch.upto = arena_copy(&s->arena, next.len > 0 ? next : item->stretch.upto);
    u.hashes = arena_array(&s->arena, uint64_t, u.count);
    for (size_t i = 0; i < u.count; i++)
        u.hashes[i] = u.items[i].content_hash;
    add_unit(a, &u);
    if (next.len > 0) {
        struct tree_stretch rest = {next, item->stretch.upto};
        walk_push(s, item->table, &rest, true);
    }
    return ERR_OK;
}

static enum err ask_slices(struct asking *a, struct walk_item *item)
{
    struct comparing *s = a->s;
    struct tree_slice slices[COMPARE_SLICES];
    size_t count = 0;
    enum err err = engine_tree_cut(a->h->engine, s->range.keyspace, s->range.range, &s->range.place,
                                   item->table, &item->stretch, skip_of(a, item->table),
                                   COMPARE_SLICES, &s->arena, slices, &count);
    if (err != ERR_OK)
        return err;
    if (count <= 1)
        return ask_list(a, item);
    slices[0].stretch.from = arena_copy(&s->arena, item->stretch.from);
    slices[count - 1].stretch.upto = arena_copy(&s->arena, item->stretch.upto);
    for (size_t i = 0; i < count; i++) {
        struct compare_unit u = {item->table, slices[i].stretch, false, slices[i].sum.sum, NULL, 0,
                                 NULL};
        add_unit(a, &u);
    }
    return ERR_OK;
}

/* As much of the top as fits. ERR_BEHIND: our tree does not know a sum; units may be there. */
static enum err fill(struct asking *a)
{
    struct comparing *s = a->s;
    struct heal *h = a->h;
    uint64_t stop = engine_stats(h->engine).fragments_read + a->work;
    enum err err = ERR_OK;
    bool one = s->stack_count > COMPARE_STACK_MAX;
    size_t before = arena_used(&s->arena);
    while (s->stack_count > 0 && err == ERR_OK && a->out.len < h->config.compare_bytes_max &&
           s->units_count + COMPARE_SLICES < COMPARE_UNITS_MAX &&
           (s->units_count == 0 || arena_used(&s->arena) - before < COMPARE_KEYS_MAX) &&
           engine_stats(h->engine).fragments_read < stop && !(one && s->units_count > 0)) {
        struct walk_item item = s->stack[--s->stack_count];
        err = item.differs ? ask_slices(a, &item) : ask_sum(a, &item);
        if (err == ERR_OK)
            item_free(&item);
        else
            s->stack[s->stack_count++] = item;
    }
    return err;
}

/* The stretches that are left out and meet any that is asked about: units ascend. */
static void put_skip(struct asking *a, struct buf *out)
{
    struct comparing *s = a->s;
    struct touched met = {arena_array(&s->arena, struct tree_touched, a->touched_count), 0};
    for (size_t i = 0; i < a->touched_count && !s->all; i++) {
        const struct tree_touched *t = &a->touched[i];
        size_t low = 0, high = s->units_count; /* the first unit that ends behind its start */
        while (low < high) {
            size_t mid = low + (high - low) / 2;
            const struct compare_unit *u = &s->units[mid];
            bool before =
                u->table < t->table || (u->table == t->table && u->stretch.upto.len > 0 &&
                                        bytes_compare(u->stretch.upto, t->stretch.from) <= 0);
            low = before ? mid + 1 : low;
            high = before ? high : mid;
        }
        if (low < s->units_count && s->units[low].table == t->table &&
            compare_stretches_meet(&s->units[low].stretch, &t->stretch))
            met.items[met.count++] = *t;
    }
    compare_put_touched(out, met.items, met.count);
}

/* Of rows, in the answer. */
static uint32_t bytes_max(const struct asking *a)
{
    uint64_t paced = a->work * COMPARE_FRAGMENT;
    uint32_t most = a->h->config.compare_bytes_max;
    return a->work < COMPARE_WORK && paced < most ? (uint32_t)paced : most;
}

static void send_question(struct asking *a, struct now now)
{
    struct heal *h = a->h;
    struct comparing *s = a->s;
    struct wire_message m = {.type = WIRE_COMPARE_ASK};
    struct wire_compare_ask *q = &m.compare_ask;
    struct buf skip;
    buf_init(&skip, WIRE_MESSAGE_MAX / 4);
    put_skip(a, &skip);
    *q = (struct wire_compare_ask){.session = s->session,
                                   .request = ++h->requests,
                                   .keyspace = s->range.keyspace,
                                   .range = s->range.range,
                                   .tag = s->range.tag,
                                   .now_s = s->now_s,
                                   .all = s->all,
                                   .preview = s->preview,
                                   .bytes_max = bytes_max(a),
                                   .work = (uint32_t)a->work};
    q->cut = compare_keep_clock(h, &s->cut);
    q->agreed = compare_keep_clock(h, &s->agreed);
    q->skip = heal_keep(h, &skip);
    q->units = heal_keep(h, &a->out);
    s->request = q->request;
    s->drops = engine_drops(h->engine, s->range.keyspace, s->range.range);
    s->due = now.mono + h->config.timeout_us;
    compare_sent(s, q->cut.len + q->agreed.len + q->skip.len + q->units.len);
    heal_send(h, s->peer, &m);
    buf_close(&skip);
}

/* What is left out: what our other dots touched, and what the peer said of its own. */
static enum err gather_touched(struct asking *a)
{
    struct comparing *s = a->s;
    struct touched own = {0};
    if (s->all)
        return ERR_OK;
    enum err err = compare_touched(a->h, &s->range, &s->cut, &s->arena, &own);
    if (err != ERR_OK)
        return err;
    a->touched = arena_array(&s->arena, struct tree_touched, own.count + s->told.count);
    for (size_t i = 0; i < own.count; i++)
        a->touched[a->touched_count++] = own.items[i];
    for (size_t i = 0; i < s->told.count; i++)
        a->touched[a->touched_count++] = s->told.items[i];
    return ERR_OK;
}

void walk_ask(struct heal *h, struct now now, struct comparing *s)
{
    struct asking a = {.h = h, .s = s};
    const struct clock *agreed = heal_agreed(h, s->range.keyspace, s->range.range);
    arena_reset(&s->arena);
    s->units = NULL;
    s->give = NULL;
    s->units_count = s->units_cap = s->give_count = s->give_at = s->give_cap = 0;
    if (s->stack_count == 0) {
        compare_join(h, now, s);
        return;
    }
    if (agreed != NULL)
        clock_merge(&s->agreed, agreed);
    buf_init(&a.out, WIRE_MESSAGE_MAX / 2);
    struct compare_turn turn = compare_turn_begin(h, now, compare_is_paced(h, s->id));
    a.work = turn.work;
    enum err err = gather_touched(&a);
    bool recent = err == ERR_OK;
    if (recent)
        err = fill(&a);
    (void)compare_turn_end(h, now, &turn, false, a.out.len);
    if (s->units_count > 0 && (err == ERR_OK || err == ERR_BEHIND)) {
        send_question(&a, now);
    } else if (err == ERR_BEHIND || err == ERR_TOO_BIG || err == ERR_CORRUPT) {
        s->ready = s->ready && recent; /* else with a newer cut */
        compare_again(h, now, s, COMPARE_PREPARING);
    } else {
        compare_end(h, now, s, err);
    }
    buf_close(&a.keys.last);
    buf_close(&a.out);
}

/* --- being told */

/* In front of all others again; the first on top. */
void walk_push_units(struct comparing *s, size_t from, const struct compare_answer *answers,
                     size_t answered)
{
    for (size_t i = s->units_count; i-- > from;) {
        const struct compare_unit *u = &s->units[i];
        struct tree_stretch stretch = u->stretch;
        if (i >= answered) {
            walk_push(s, u->table, &stretch, u->list);
        } else if (!u->list && answers[i].differs) {
            walk_push(s, u->table, &stretch, true);
        } else if (u->list && answers[i].upto.len > 0) {
            stretch.from = answers[i].upto;
            walk_push(s, u->table, &stretch, true);
        }
    }
}

int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

struct heal_table *walk_found_in(struct comparing *s, table_no table)
{
    size_t at = 0;
    while (s->by_table[at].table != table)
        at++; /* what is compared is among them */
    return &s->by_table[at];
}

static void add_different(struct comparing *s, table_no table, uint64_t key_hash)
{
    if (s->different_count == HEAL_DIFFERENT_MAX)
        return;
    s->different =
        mem_grow(s->different, s->different_count, &s->different_cap, sizeof *s->different);
    s->different[s->different_count++] = (struct heal_different){table, key_hash};
}

static void add_given(struct comparing *s, table_no table, const struct tree_item *item)
{
    s->give = arena_grow(&s->arena, s->give, s->give_count, &s->give_cap, sizeof *s->give);
    s->give[s->give_count++] =
        (struct given_place){.table = table, .place = item->place, .key_hash = item->key_hash};
}

/* Of a list: what is different, and what the peer wants of it. What its newer dots touched is none
 * of that. */
static void take_list(struct comparing *s, const struct compare_unit *u, struct compare_answer *a,
                      const struct tree_skip *skip)
{
    struct heal_table *found = walk_found_in(s, u->table);
    s->figures.rows_different += a->theirs_count;
    found->rows_different += a->theirs_count;
    for (size_t i = 0; i < a->theirs_count; i++)
        add_different(s, u->table, a->theirs[i]);
    s->figures.rows_listed += a->theirs_count;
    if (a->theirs_count > 1)
        qsort(a->theirs, a->theirs_count, sizeof *a->theirs, compare_hashes);
    for (size_t i = 0; i < a->wanted_count; i++) {
        const struct tree_item *item = &u->items[a->wanted[i]];
        if ((a->upto.len > 0 && bytes_compare(item->place, a->upto) >= 0) ||
            (!s->all && tree_skip_has(skip, item->place)))
            continue;
        bool both = a->theirs_count > 0 && bsearch(&item->key_hash, a->theirs, a->theirs_count,
                                                   sizeof *a->theirs, compare_hashes) != NULL;
        s->figures.rows_different += !both;
        found->rows_different += !both;
        if (!both)
            add_different(s, u->table, item->key_hash);
        add_given(s, u->table, item);
    }
}

static enum err take_answers(struct comparing *s, struct compare_answer *answers, size_t answered)
{
    struct tree_skip skip = {0};
    table_no skip_table = 0;
    for (size_t i = 0; i < answered; i++) {
        const struct compare_unit *u = &s->units[i];
        struct compare_answer *a = &answers[i];
        if (!u->list)
            continue;
        bool inside = a->upto.len == 0 ||
                      (bytes_compare(a->upto, u->stretch.from) > 0 &&
                       (u->stretch.upto.len == 0 || bytes_compare(a->upto, u->stretch.upto) < 0));
        if (!inside)
            return ERR_MALFORMED;
        if (u->table != skip_table)
            tree_skip_make(s->told.items, s->told.count, u->table, &s->arena, &skip);
        skip_table = u->table;
        take_list(s, u, a, &skip);
    }
    return ERR_OK;
}

/* What came says more than what we have there: nothing of that is to be given. */
static void drop_settled(struct comparing *s, const struct tree_taken *taken)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->give_count && taken->settled_count > 0; i++) {
        const struct tree_settled place = {s->give[i].table, s->give[i].key_hash};
        if (bsearch(&place, taken->settled, taken->settled_count, sizeof *taken->settled,
                    tree_settled_compare) == NULL)
            s->give[kept++] = s->give[i];
    }
    s->give_count = taken->settled_count > 0 ? kept : s->give_count;
}

enum err walk_take_rows(struct heal *h, struct comparing *s, struct bytes rows)
{
    struct tree_taken taken;
    struct arena arena = {0};
    uint64_t ticket = HEAL_TICKET | ++h->tickets;
    enum err err = engine_tree_take(h->engine, s->range.keyspace, s->range.range, &s->range.place,
                                    rows, heal_agreed(h, s->range.keyspace, s->range.range),
                                    s->all ? &s->theirs : NULL, s->now_s, &arena, ticket, &taken);
    if (err == ERR_OK) {
        s->ticket = ticket;
        s->figures.doubtful += taken.doubtful;
        compare_told_doubtful(h, &s->range, s->peer, &taken, false);
        drop_settled(s, &taken);
    }
    arena_close(&arena);
    return err;
}

static void note_received(struct comparing *s, table_no table, size_t rows)
{
    s->figures.rows_received += rows;
    walk_found_in(s, table)->rows_received += rows;
}

static enum err take_told(struct heal *h, struct comparing *s, const struct wire_compare_tell *m,
                          bool *ret_again)
{
    struct compare_answer *answers = NULL;
    size_t answered = 0;
    *ret_again = false;
    arena_reset(&s->told_arena);
    if (m->life != s->life)
        return ERR_STALE;
    enum err err = compare_read_touched(m->touched, &s->told_arena, &s->told);
    if (err == ERR_OK)
        err = compare_read_answers(m->answers, s->units, s->units_count, &s->arena, &answers,
                                   &answered);
    if (err != ERR_OK)
        return err;
    s->figures.bytes_received += m->rows.len;
    for (size_t i = 0; i < answered && m->rows.len > 0; i++)
        note_received(s, s->units[i].table, answers[i].theirs_count);
    /* What was dropped here since must not come back. */
    *ret_again = answered == 0 || (m->rows.len > 0 && engine_drops(h->engine, s->range.keyspace,
                                                                   s->range.range) != s->drops);
    if (*ret_again) {
        walk_push_units(s, 0, NULL, 0);
        return ERR_OK;
    }
    struct voting *vote = vote_new(s);
    err = take_answers(s, answers, answered);
    if (err != ERR_OK)
        return err;
    s->their_drops = m->drops;
    s->sure = m->durable;
    err = vote_prepare(h, s, vote, m->rows, answers, answered);
    if (err != ERR_OK || s->vote != NULL)
        return err;
    s->tries = 0;
    if (m->rows.len > 0 && !s->preview)
        err = walk_take_rows(h, s, m->rows);
    if (err == ERR_OK)
        walk_push_units(s, 0, answers, answered);
    return err;
}

static enum err take_agreed(struct comparing *s, struct bytes encoded)
{
    struct clock agreed;
    clock_init(&agreed);
    enum err err = clock_decode(encoded, &agreed);
    if (err == ERR_OK)
        clock_merge(&s->agreed, &agreed);
    clock_close(&agreed);
    return err;
}

static bool is_passing(enum err err)
{
    return err == ERR_BEHIND || err == ERR_TOO_BIG || err == ERR_OVERLOADED;
}

void walk_told(struct heal *h, struct now now, struct comparing *s,
               const struct wire_compare_tell *m)
{
    bool again = false;
    if (s->state != COMPARE_ASKING || s->request == 0 || m->request != s->request)
        return;
    s->request = 0;
    compare_sent(s, m->agreed.len + m->touched.len + m->answers.len);
    enum err err = s->said = m->err < ERR_COUNT ? (enum err)m->err : ERR_FAILED;
    if (is_passing(err)) {
        walk_push_units(s, 0, NULL, 0);
        s->units_count = 0;
        s->ready = s->ready && err != ERR_TOO_BIG && m->agreed.len > 0;
        err = m->agreed.len > 0 ? take_agreed(s, m->agreed) : ERR_OK;
        if (err == ERR_OK)
            compare_again(h, now, s, COMPARE_PREPARING);
        else
            compare_end(h, now, s, err);
        return;
    }
    if (err == ERR_OK) {
        struct compare_turn turn = compare_turn_begin(h, now, compare_is_paced(h, s->id));
        err = take_told(h, s, m, &again);
        (void)compare_turn_end(h, now, &turn, false, m->rows.len);
    }
    if (err != ERR_OK) {
        compare_end(h, now, s, err);
    } else if (again) {
        s->units_count = 0;
        compare_again(h, now, s, COMPARE_ASKING);
    } else if (s->vote != NULL) {
        vote_ask(h, now, s);
    } else {
        s->state = COMPARE_STORING;
        s->due = USEC_NEVER;
        walk_stored(h, now, s);
    }
}
