/* siblings_mint.c - what a request to a siblings table becomes under its dot.
 *
 * Raw replication of the result is right at every replica, whatever else it has: the result says
 * what is there and what is removed, and nothing in it depends on what the receiver has.
 *
 * Of the dots that are to be removed, those in this replica's clock are looked up: only where the
 * row has something of them, be it live or removed, there is something to say. (Removed: others may
 * not have that removal yet, and who is told that this write is at a quorum relies on its having
 * removed what its client had seen. Neither: the dot did not write there, or all have agreed that
 * it is gone.) The others may yet come, so they are removed wherever the request names a place.
 *
 * A removal reaches down to the next dot of its actor that is live here or that the clock lacks:
 * all between them wrote nothing there, or it is gone. So it takes the place of those before it.
 */
#include "storage/siblings.h"

#include "base/mem.h"
#include "base/mutant.h"
#include "storage/part_private.h"

#include <stdlib.h>
#include <string.h>

struct minter {
    const struct supersede *s;
    const struct mint *m;
    struct arena *arena;
    struct dots unknown;    /* of s->seen */
    const struct row *have; /* the row here, or one without cells */
    struct cell *cells;     /* of the row that is made */
    size_t count, cap;
    struct minted out;
};

struct place {
    uint32_t column;
    bool has_path;
    struct bytes path;
};

static void push(struct minter *k, const struct cell *c)
{
    k->cells = arena_grow(k->arena, k->cells, k->count, &k->cap, sizeof *k->cells);
    k->cells[k->count++] = *c;
}

static int place_compare(const struct cell *c, const struct place *p)
{
    if (c->column != p->column)
        return c->column < p->column ? -1 : 1;
    if (c->has_path != p->has_path)
        return c->has_path ? 1 : -1;
    return p->has_path ? bytes_compare(c->path, p->path) : 0;
}

/* The first cell of the row here that is at the place or behind it. */
static size_t find_place(const struct minter *k, struct place p)
{
    size_t low = 0;
    size_t high = k->have->cells_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (place_compare(&k->have->cells[mid], &p) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Is the cell in the place, or under it? */
static bool is_under(const struct cell *c, const struct place *p)
{
    return p->column == COLUMN_ROW || (c->column == p->column && !p->has_path) ||
           place_compare(c, p) == 0;
}

/* How far down a removal of the dot may reach. */
static uint64_t reach(const struct minter *k, struct place at, struct dot dot)
{
    uint64_t first = clock_run_from(k->m->clock, dot);
    const struct row *r = k->have;
    if (first == 0)
        return dot.n;
    for (size_t i = at.column == COLUMN_ROW ? 0 : find_place(k, at);
         i < r->cells_count && is_under(&r->cells[i], &at); i++) {
        const struct cell *c = &r->cells[i];
        if (c->kind != CELL_REMOVED && actor_compare(c->dot.actor, dot.actor) == 0 &&
            c->dot.n < dot.n && c->dot.n >= first)
            first = c->dot.n + 1;
    }
    return first;
}

static void remove_run(struct minter *k, struct place at, struct dot dot, uint64_t first,
                       int64_t timestamp)
{
    struct cell c = {.column = at.column,
                     .kind = CELL_REMOVED,
                     .has_path = at.has_path,
                     .path = at.path,
                     .timestamp = timestamp,
                     .dot = dot,
                     .remover = k->m->dot,
                     .first = first};
    push(k, &c);
}

static void remove_dot(struct minter *k, struct place at, struct dot dot, int64_t timestamp)
{
    remove_run(k, at, dot, reach(k, at, dot), timestamp);
}

/* A removal that is here already is said again: of this place or a wider one, as it is; of a place
 * under this one, only what was seen. */
static void remove_again(struct minter *k, const struct cell *c, struct place at, int64_t timestamp)
{
    const struct dots *seen = &k->s->seen;
    struct dot from = {c->dot.actor, c->first};
    bool narrow = is_under(c, &at) && place_compare(c, &at) != 0;
    size_t low = 0;
    size_t high = seen->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (dot_compare(seen->items[mid], from) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < seen->count && dot_compare(seen->items[low], c->dot) <= 0; low++) {
        if (narrow) {
            remove_dot(k, at, seen->items[low], timestamp);
            continue;
        }
        remove_run(k, at, c->dot, c->first, timestamp);
        return;
    }
}

static void remove_seen_cell(struct minter *k, const struct cell *c, struct place at,
                             int64_t timestamp)
{
    if (c->kind == CELL_REMOVED)
        remove_again(k, c, at, timestamp);
    else if (dots_have(&k->s->seen, c->dot))
        remove_dot(k, at, c->dot, timestamp);
}

/* What of the cells in this place, and under it, is seen, goes. */
static void remove_seen_in(struct minter *k, struct place scope, struct place at, int64_t timestamp)
{
    const struct row *r = k->have;
    for (size_t i = find_place(k, scope); i < r->cells_count; i++) {
        if (!is_under(&r->cells[i], &scope))
            break;
        remove_seen_cell(k, &r->cells[i], at, timestamp);
    }
}

/* All that the write has seen goes from the place, and from all places under it: the elements of a
 * column, the cells of a row. */
static void remove_seen(struct minter *k, struct place at, int64_t timestamp)
{
    for (size_t i = 0; i < k->unknown.count && !MUTANT(unseen_stays); i++)
        remove_dot(k, at, k->unknown.items[i], timestamp);
    if (at.column == COLUMN_ROW) {
        for (size_t i = 0; i < k->have->cells_count; i++)
            remove_seen_cell(k, &k->have->cells[i], at, timestamp);
        return;
    }
    const struct row *r = k->have;
    for (size_t i = find_place(k, (struct place){.column = COLUMN_ROW}); i < r->cells_count; i++)
        remove_seen_cell(k, &r->cells[i], at, timestamp);
    if (at.has_path) { /* removals of the whole column */
        for (size_t i = find_place(k, (struct place){.column = at.column});
             i < r->cells_count && r->cells[i].column == at.column && !r->cells[i].has_path; i++)
            remove_seen_cell(k, &r->cells[i], at, timestamp);
    }
    remove_seen_in(k, at, at, timestamp);
}

/* --- a new value */

/* The values in a place, of which some go. */
struct rivals {
    const struct cell **of;
    size_t count;
};

/* A request with a stamp of the server may have timestamps of the client as well. */
static bool is_stamped(const struct minter *k, const struct cell *value)
{
    int64_t stamp = k->m->stamp;
    return stamp != 0 && (value->timestamp == stamp || value->timestamp == stamp - 1);
}

static void lose(struct minter *k, const struct cell *value, int64_t by)
{
    bool stamped = is_stamped(k, value);
    loss_add(stamped ? &k->out.stamped : &k->out.given, by);
    if (stamped && by <= k->m->limit && by > k->out.within)
        k->out.within = by;
}

/* What the same writer wrote here before goes. False: it is the request that is older, as when a
 * batch is replayed. A causal write leaves what its client did not see; but the same write again
 * (same writer, same timestamp) is the same. */
static bool replace_own(struct minter *k, struct place at, const struct cell *value,
                        struct rivals *rivals)
{
    bool newest = true;
    size_t kept = 0;
    for (size_t i = 0; i < rivals->count; i++) {
        const struct cell *c = rivals->of[i];
        bool own = (c->writer == value->writer && c->writer != WRITER_NONE) ||
                   (MUTANT(blind_write_takes_all) && !k->s->causal);
        bool again = c->timestamp == value->timestamp && bytes_equal(c->value, value->value);
        if (!own || (k->s->causal && !again && value->writer != WRITER_SERIAL)) {
            rivals->of[kept++] = c;
        } else if (again || cell_wins(value, c)) {
            remove_dot(k, at, c->dot, value->timestamp);
        } else {
            rivals->of[kept++] = c;
            newest = false;
            lose(k, value, c->timestamp);
        }
    }
    rivals->count = kept;
    return newest;
}

/* The least of them; what is expired is less than all that is not. */
static size_t least_of(const struct minter *k, const struct rivals *rivals)
{
    size_t least = 0;
    for (size_t i = 1; i < rivals->count; i++) {
        const struct cell *a = rivals->of[i];
        const struct cell *b = rivals->of[least];
        bool expired = !cell_is_live(a, k->m->now_s);
        bool less = expired != !cell_is_live(b, k->m->now_s) ? expired : cell_wins(b, a);
        if (less != MUTANT(limit_takes_winner))
            least = i;
    }
    return least;
}

static const struct cell *winner_of(const struct rivals *rivals)
{
    const struct cell *best = rivals->of[0];
    for (size_t i = 1; i < rivals->count; i++) {
        if (cell_wins(rivals->of[i], best))
            best = rivals->of[i];
    }
    return best;
}

/* There are never more than SIBLINGS_MAX. False: the new value itself is the one to go. */
static bool hold_limit(struct minter *k, struct place at, const struct cell *value,
                       struct rivals *rivals)
{
    bool stays = true;
    rivals->of[rivals->count++] = value;
    while (rivals->count > SIBLINGS_MAX) {
        const struct cell *winner = winner_of(rivals);
        size_t least = least_of(k, rivals);
        const struct cell *c = rivals->of[least];
        if (c == value)
            stays = false;
        else
            remove_dot(k, at, c->dot, value->timestamp);
        k->out.merged += at.column != COLUMN_MARKER && cell_is_live(c, k->m->now_s) &&
                         !bytes_equal(c->value, winner->value);
        rivals->of[least] = rivals->of[--rivals->count];
    }
    return stays;
}

static void put_value(struct minter *k, const struct cell *request)
{
    struct place at = {request->column, request->has_path, request->path};
    struct cell value = *request;
    value.dot = k->m->dot;
    value.writer = k->s->writer;
    size_t removed_from = k->count;
    if (k->s->causal)
        remove_seen(k, at, request->timestamp);
    struct rivals rivals = {arena_array(k->arena, const struct cell *, k->have->cells_count + 1),
                            0};
    for (size_t i = find_place(k, at);
         i < k->have->cells_count && place_compare(&k->have->cells[i], &at) == 0; i++) {
        const struct cell *c = &k->have->cells[i];
        bool stays = c->kind != CELL_REMOVED;
        for (size_t n = removed_from; n < k->count && stays; n++)
            stays = dot_compare(k->cells[n].dot, c->dot) != 0; /* each value has its own */
        if (stays)
            rivals.of[rivals.count++] = c;
    }
    if (replace_own(k, at, &value, &rivals) && hold_limit(k, at, &value, &rivals))
        push(k, &value);
}

/* --- the request */

static void mint_row(struct minter *k, const struct row *request, const struct row *have,
                     struct row *ret)
{
    static const struct row nothing = {.deletion = {.timestamp = TIMESTAMP_NONE}};
    k->have = have != NULL ? have : &nothing;
    k->cells = NULL;
    k->count = k->cap = 0;
    if (!tomb_is_none(&request->deletion))
        remove_seen(k, (struct place){.column = COLUMN_ROW}, request->deletion.timestamp);
    for (size_t i = 0; i < request->cells_count; i++) {
        const struct cell *c = &request->cells[i];
        if (c->kind == CELL_TOMBSTONE)
            remove_seen(k, (struct place){c->column, c->has_path, c->path}, c->timestamp);
        else
            put_value(k, c);
    }
    *ret = (struct row){.key = request->key,
                        .siblings = true,
                        .deletion = TOMB_NONE,
                        .cells = k->cells,
                        .cells_count = k->count};
}

static const struct row *find_row(const struct part *p, struct bytes key)
{
    size_t low = 0;
    size_t high = p->rows_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (bytes_compare(p->rows[mid].key, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < p->rows_count && bytes_equal(p->rows[low].key, key) ? &p->rows[low] : NULL;
}

/* Our own dots we know: what is not in the clock does not exist. */
static struct dots unknown_dots(const struct dots *seen, const struct mint *m, struct arena *arena)
{
    struct dots out = {arena_array(arena, struct dot, seen->count), 0};
    for (size_t i = 0; i < seen->count; i++) {
        struct dot dot = seen->items[i];
        if (actor_compare(dot.actor, m->dot.actor) != 0 && !clock_has(m->clock, dot))
            out.items[out.count++] = dot;
    }
    return out;
}

void siblings_mint(const struct part *request, const struct supersede *s, const struct mint *m,
                   struct arena *arena, struct minted *ret)
{
    struct minter k = {.s = s, .m = m, .arena = arena, .out.within = TIMESTAMP_NONE};
    struct part out = {.table = request->table,
                       .token = request->token,
                       .key = request->key,
                       .siblings = true,
                       .deletion = TOMB_NONE};
    k.unknown = unknown_dots(&s->seen, m, arena);
    out.static_row.deletion = TOMB_NONE;
    out.has_static = request->has_static;
    if (request->has_static)
        mint_row(&k, &request->static_row, m->have->has_static ? &m->have->static_row : NULL,
                 &out.static_row);
    out.rows = arena_array(arena, struct row, request->rows_count);
    for (size_t i = 0; i < request->rows_count; i++) {
        const struct row *row = &request->rows[i];
        mint_row(&k, row, find_row(m->have, row->key), &out.rows[out.rows_count++]);
    }
    part_normalise(&out, arena);
    k.out.part = out;
    *ret = k.out;
}

/* --- deletions of more than rows */

static bool has_values(const struct row *r)
{
    for (size_t i = 0; i < r->cells_count; i++) {
        if (r->cells[i].kind != CELL_REMOVED)
            return true;
    }
    return false;
}

void siblings_expand(const struct part *request, const struct part *seen, struct arena *arena,
                     struct part *ret)
{
    struct part out = *request;
    size_t at = 0;
    out.rows = arena_array(arena, struct row, request->rows_count + seen->rows_count);
    if (request->rows_count > 0)
        memcpy(out.rows, request->rows, request->rows_count * sizeof *out.rows);
    for (size_t i = 0; i < seen->rows_count; i++) {
        const struct row *row = &seen->rows[i];
        struct tomb cover = tombs_at(request, &at, row->key);
        if (!tomb_is_none(&cover) && has_values(row))
            out.rows[out.rows_count++] = (struct row){.key = row->key, .deletion = cover};
    }
    if (!tomb_is_none(&request->deletion) && seen->has_static && has_values(&seen->static_row)) {
        if (!out.has_static)
            out.static_row = (struct row){.deletion = TOMB_NONE};
        out.has_static = true;
        out.static_row.deletion = request->deletion;
    }
    out.deletion = TOMB_NONE;
    out.tombs_count = 0;
    part_normalise(&out, arena);
    *ret = out;
}
