#include "node/coord/hints_private.h"

#include "base/mem.h"
#include "base/mutant.h"

#define HINT_FIXED ((size_t)128) /* of a name, and of a record, at most, without keys and cells */

enum hint_what { HINT_HEAD, HINT_ROW, HINT_WHOLE };

void hints_init(struct hints *h, struct engine *engine, const struct hints_limits *limits)
{
    *h = (struct hints){.engine = engine, .limits = *limits};
    map_init(&h->queues);
    map_init(&h->lost);
}

void hints_close(struct hints *h)
{
    map_clear(&h->queues, mem_free);
    map_close(&h->queues);
    map_clear(&h->lost, mem_free);
    map_close(&h->lost);
    mem_free(h->gone);
}

struct hint_queue *hints_queue(struct hints *h, node_no target)
{
    return map_get(&h->queues, target);
}

static struct hint_queue *hint_queue_of(struct hints *h, node_no target)
{
    struct hint_queue *q = map_get(&h->queues, target);
    if (q == NULL) {
        q = mem_new(struct hint_queue);
        q->target = target;
        map_put(&h->queues, target, q);
    }
    return q;
}

static size_t sum(const struct hints *h, bool bytes)
{
    size_t all = 0;
    uint64_t *targets = map_keys(&h->queues);
    for (size_t i = 0, count = map_count(&h->queues); i < count; i++) {
        const struct hint_queue *q = map_get(&h->queues, targets[i]);
        all += bytes ? q->bytes : q->count;
    }
    mem_free(targets);
    return all;
}

size_t hints_count(const struct hints *h)
{
    return sum(h, false);
}

size_t hints_bytes(const struct hints *h)
{
    return sum(h, true);
}

/* --- bytes */

/* All of a partition begins with this. */
static void put_partition(struct buf *out, node_no target, bool any, const struct part *p)
{
    buf_put_u16(out, (uint16_t)target);
    buf_put_u8(out, any);
    buf_put_u32(out, p->table);
    buf_put_u64(out, (uint64_t)p->token ^ UINT64_C(1) << 63);
    buf_put_u16(out, (uint16_t)p->key.len);
    buf_put_bytes(out, p->key);
}

void hint_entry_put(struct hints *h, node_no target, uint64_t number, const struct hint_entry *e)
{
    struct buf name, value;
    hint_order_name(target, number, &name);
    buf_init(&value, NAME_MAX);
    buf_put_i64(&value, e->since);
    buf_put_u8(&value, e->any);
    buf_put_u32(&value, e->size);
    buf_put_bytes(&value, e->place);
    engine_fact_put(h->engine, buf_bytes(&name), buf_bytes(&value), 0);
    buf_close(&name);
    buf_close(&value);
}

bool hint_entry_get(struct hints *h, node_no target, uint64_t number, struct arena *arena,
                    struct hint_entry *ret)
{
    struct buf name, value;
    hint_order_name(target, number, &name);
    buf_init(&value, NAME_MAX);
    bool found = engine_fact_get(h->engine, buf_bytes(&name), &value) == ERR_OK &&
                 hint_entry_decode(arena_copy(arena, buf_bytes(&value)), ret);
    buf_close(&name);
    buf_close(&value);
    return found;
}

/* --- counting */

static void count_in(struct hint_queue *q, const struct hint_entry *e)
{
    q->count++;
    q->any += e->any;
    q->bytes += e->size;
    q->newest = e->since > q->newest ? e->since : q->newest;
    if (q->count == 1)
        q->oldest = e->since;
}

static void count_out(struct hints *h, struct hint_queue *q, const struct hint_entry *e)
{
    q->count--;
    q->any -= e->any && q->any > 0;
    q->bytes -= e->size < q->bytes ? e->size : q->bytes;
    q->oldest = 0;
    if (q->count == 0)
        mem_free(map_remove(&h->queues, q->target));
}

/* Behind all that there may be where some could not be read. */
#define NUMBERS_GAP (UINT64_C(1) << 32)

static enum err load_next(struct hints *h, struct buf *at, struct buf *value)
{
    struct buf name;
    struct hint_entry e;
    node_no target;
    uint64_t number;
    buf_init(&name, NAME_MAX);
    enum err err =
        engine_fact_next(h->engine, BYTES_LIT(ORDER_PREFIX), buf_bytes(at), &name, value);
    if (hint_entry_number(buf_bytes(&name), &target, &number) &&
        hint_entry_decode(buf_bytes(value), &e)) {
        struct hint_queue *q = hint_queue_of(h, target);
        count_in(q, &e);
        q->last = number;
        h->base = number > h->base ? number : h->base;
    }
    buf_clear(at);
    buf_put_bytes(at, buf_bytes(&name));
    buf_close(&name);
    return err;
}

static void full_name(node_no target, struct buf *out)
{
    buf_init(out, 64);
    buf_put_text(out, FULL_PREFIX);
    buf_put_u16(out, (uint16_t)target);
}

/* It outlives a restart, for what is refused does, too. */
static void set_refused(struct hints *h, struct hint_queue *q, bool refused)
{
    struct buf name;
    if (q->refused == refused)
        return;
    q->refused = refused;
    full_name(q->target, &name);
    if (refused)
        engine_fact_put(h->engine, buf_bytes(&name), BYTES_NONE, 0);
    else
        engine_fact_delete(h->engine, buf_bytes(&name), 0);
    buf_close(&name);
}

static void load_refused(struct hints *h)
{
    uint64_t *targets = map_keys(&h->queues);
    for (size_t i = 0, count = map_count(&h->queues); i < count; i++) {
        struct buf name, value;
        struct hint_queue *q = map_get(&h->queues, targets[i]);
        full_name(q->target, &name);
        buf_init(&value, 64);
        q->refused = engine_fact_get(h->engine, buf_bytes(&name), &value) == ERR_OK;
        buf_close(&name);
        buf_close(&value);
    }
    mem_free(targets);
}

void hints_load(struct hints *h)
{
    struct buf at, value;
    bool damaged = false;
    h->unread = hints_gone_load(h) == ERR_IO || hints_mend(h) == ERR_IO;
    map_clear(&h->queues, mem_free);
    buf_init(&at, NAME_MAX);
    buf_init(&value, NAME_MAX);
    do {
        enum err err = load_next(h, &at, &value);
        h->unread |= err == ERR_IO;
        damaged |= err != ERR_OK && err != ERR_NOT_FOUND;
    } while (at.len > 0);
    h->damaged += damaged && !h->unread;
    h->base = damaged ? h->base + NUMBERS_GAP : 0;
    load_refused(h);
    buf_close(&at);
    buf_close(&value);
}

int64_t hints_oldest(struct hints *h, struct hint_queue *q)
{
    struct buf prefix, name, value;
    struct hint_entry e;
    if (q->oldest != 0 || q->count == 0)
        return q->oldest;
    buf_init(&prefix, 64);
    buf_init(&name, NAME_MAX);
    buf_init(&value, NAME_MAX);
    buf_put_text(&prefix, ORDER_PREFIX);
    buf_put_u16(&prefix, (uint16_t)q->target);
    enum err err = engine_fact_next(h->engine, buf_bytes(&prefix), BYTES_NONE, &name, &value);
    if (err == ERR_OK && hint_entry_decode(buf_bytes(&value), &e))
        q->oldest = e.since;
    buf_close(&prefix);
    buf_close(&name);
    buf_close(&value);
    return q->oldest;
}

enum err hints_check(struct hints *h, node_no target, size_t bytes, int64_t now_us)
{
    struct hint_queue *q = hints_queue(h, target);
    size_t have = q != NULL ? q->bytes : 0;
    if (h->unread)
        return ERR_IO;
    if (have + bytes > h->limits.size_max && !MUTANT(hints_unbounded)) {
        if (q != NULL)
            set_refused(h, q, true);
        return ERR_OVERLOADED;
    }
    if (q != NULL && hints_oldest(h, q) != 0 && now_us - q->oldest > h->limits.window_us)
        return ERR_OVERLOADED;
    return ERR_OK;
}

bool hints_full(struct hints *h, const struct hint_queue *q, int64_t now_us)
{
    return q->refused || hints_check(h, q->target, 1, now_us) != ERR_OK;
}

/* --- keeping */

enum err hint_record_get(struct hints *h, struct bytes place, struct arena *arena,
                         struct hint_record *ret)
{
    struct buf name, value;
    hint_place_name(place, &name);
    buf_init(&value, STORE_BATCH_MAX);
    enum err err = engine_fact_get(h->engine, buf_bytes(&name), &value);
    if (err == ERR_OK)
        err = hint_decode(arena_copy(arena, buf_bytes(&value)), arena, ret);
    buf_close(&name);
    buf_close(&value);
    return err;
}

/* One row, or the head. */
static enum err put_one(struct hints *h, const struct hint *hint, struct bytes place,
                        uint64_t ticket)
{
    struct arena arena = {0};
    struct hint_record old, r = {.hint = *hint};
    struct buf name, value;
    struct hint_entry e = {.since = hint->since, .any = hint->any, .place = place};
    struct hint_queue *q = hint_queue_of(h, hint->target);
    enum err err = hint_record_get(h, place, &arena, &old);
    bool joins = err == ERR_OK;
    if (err == ERR_IO) {
        arena_close(&arena);
        return err;
    }
    if (err == ERR_CORRUPT || err == ERR_MALFORMED)
        hint_gone(h, place);
    q->last = q->last > h->base ? q->last : h->base;
    r.number = joins ? old.number : ++q->last;
    if (joins) {
        r.revision = old.revision + 1;
        r.hint.since = e.since = old.hint.since < hint->since ? old.hint.since : hint->since;
        if (!MUTANT(hint_replaces))
            part_merge(&old.hint.part, &hint->part, &arena, &r.hint.part);
        h->merged++;
    }
    buf_init(&value, STORE_BATCH_MAX);
    hint_encode(&r, &value);
    hint_place_name(place, &name);
    err = buf_finish(&value);
    if (err == ERR_OK && name.len + value.len > HINT_ROW_MAX)
        err = ERR_OVERLOADED;
    if (err == ERR_OK) {
        struct hint_entry was;
        e.size = (uint32_t)(name.len + value.len);
        if (joins && hint_entry_get(h, hint->target, r.number, &arena, &was))
            q->bytes += e.size - (size_t)was.size;
        else
            count_in(q, &e);
        hint_entry_put(h, hint->target, r.number, &e);
        engine_fact_put(h->engine, buf_bytes(&name), buf_bytes(&value), ticket);
    }
    buf_close(&name);
    buf_close(&value);
    arena_close(&arena);
    return err;
}

static struct part empty_like(const struct part *p)
{
    struct part out = {.table = p->table,
                       .siblings = p->siblings,
                       .token = p->token,
                       .key = p->key,
                       .deletion = TOMB_NONE};
    out.static_row.deletion = TOMB_NONE;
    return out;
}

static bool has_head(const struct part *p)
{
    return !tomb_is_none(&p->deletion) || p->tombs_count > 0 || p->has_static;
}

/* The i-th piece of a write: its head if it has one, then its rows. */
static void piece_of(const struct hint *all, size_t i, struct hint *ret, struct buf *place)
{
    bool head = has_head(&all->part) && i == 0;
    *ret = *all;
    ret->part = empty_like(&all->part);
    if (head) {
        ret->part.deletion = all->part.deletion;
        ret->part.tombs = all->part.tombs;
        ret->part.tombs_count = all->part.tombs_count;
        ret->part.has_static = all->part.has_static;
        ret->part.static_row = all->part.static_row;
        buf_put_u8(place, HINT_HEAD);
        return;
    }
    ret->part.rows = &all->part.rows[i - has_head(&all->part)];
    ret->part.rows_count = 1;
    buf_put_u8(place, HINT_ROW);
    buf_put_bytes(place, ret->part.rows[0].key);
}

static bool is_whole(const struct hint *hint)
{
    return hint->part.siblings || hint->supersede.siblings;
}

size_t hints_size(const struct hint *hint, size_t len)
{
    const struct part *p = &hint->part;
    size_t pieces = is_whole(hint) ? 1 : has_head(p) + p->rows_count;
    return pieces * (2 * p->key.len + HINT_FIXED) + 2 * len;
}

enum err hints_put(struct hints *h, const struct hint *hint, uint64_t ticket)
{
    const struct part *p = &hint->part;
    size_t pieces = has_head(p) + p->rows_count;
    bool whole = is_whole(hint);
    enum err err = ERR_OK;
    if (hint->target == 0 || hint->target > HINT_TARGET_MAX || p->key.len > UINT16_MAX ||
        pieces == 0)
        return ERR_INVALID;
    struct hint_queue *q = hint_queue_of(h, hint->target);
    for (size_t i = 0; i < (whole ? 1 : pieces) && err == ERR_OK; i++) {
        struct hint piece = *hint;
        struct buf place;
        buf_init(&place, NAME_MAX);
        put_partition(&place, hint->target, hint->any, p);
        if (whole) {
            buf_put_u8(&place, HINT_WHOLE);
            buf_put_u64(&place, (q->last > h->base ? q->last : h->base) + 1);
        } else {
            piece_of(hint, i, &piece, &place);
        }
        err = put_one(h, &piece, buf_bytes(&place), whole || i + 1 == pieces ? ticket : 0);
        buf_close(&place);
    }
    if (q->count == 0)
        mem_free(map_remove(&h->queues, hint->target));
    return err;
}

/* --- bringing */

static void entry_remove(struct hints *h, node_no target, uint64_t number,
                         const struct hint_entry *e)
{
    struct buf name;
    struct hint_queue *q = hints_queue(h, target);
    hint_order_name(target, number, &name);
    engine_fact_delete(h->engine, buf_bytes(&name), 0);
    buf_close(&name);
    if (q == NULL || q->count == 0)
        return;
    set_refused(h, q, false);
    count_out(h, q, e);
}

static void group_add(struct hint_group *g, struct arena *arena, size_t *cap, size_t *rows_cap,
                      const struct hint_record *r, struct bytes place, size_t size)
{
    struct part *p = &g->hint.part;
    g->items = arena_grow(arena, g->items, g->count, cap, sizeof *g->items);
    g->items[g->count++] = (struct hint_item){r->number, r->revision, place};
    g->bytes += size;
    if (g->count == 1) {
        g->hint = r->hint;
        *rows_cap = p->rows_count;
        return;
    }
    if (r->hint.since < g->hint.since)
        g->hint.since = r->hint.since;
    for (size_t i = 0; i < r->hint.part.rows_count; i++) {
        p->rows = arena_grow(arena, p->rows, p->rows_count, rows_cap, sizeof *p->rows);
        p->rows[p->rows_count++] = r->hint.part.rows[i];
    }
    if (has_head(&r->hint.part)) { /* there is one */
        p->deletion = r->hint.part.deletion;
        p->tombs = r->hint.part.tombs;
        p->tombs_count = r->hint.part.tombs_count;
        p->has_static = r->hint.part.has_static;
        p->static_row = r->hint.part.static_row;
    }
}

/* The other rows of the partition, as far as they fit. */
static enum err gather(struct hints *h, const struct hint_walk *w, const struct hint_entry *first,
                       struct arena *arena, struct hint_group *g)
{
    struct buf prefix, after, name, value;
    size_t cap = g->count, rows_cap = g->hint.part.rows_count;
    enum err err = ERR_OK;
    buf_init(&prefix, NAME_MAX);
    buf_init(&after, NAME_MAX);
    buf_init(&name, NAME_MAX);
    buf_init(&value, STORE_BATCH_MAX);
    buf_put_text(&prefix, PLACE_PREFIX);
    put_partition(&prefix, w->target, first->any, &g->hint.part);
    while (err == ERR_OK && g->bytes < h->limits.group_max && g->count < HINT_ITEMS_MAX) {
        struct hint_record r;
        err = engine_fact_next(h->engine, buf_bytes(&prefix), buf_bytes(&after), &name, &value);
        if (err != ERR_OK)
            break;
        struct bytes all = arena_copy(arena, buf_bytes(&name));
        struct bytes place =
            bytes_make(all.data + sizeof PLACE_PREFIX - 1, all.len - (sizeof PLACE_PREFIX - 1));
        buf_clear(&after);
        buf_put_bytes(&after, all);
        if (bytes_equal(place, first->place) ||
            hint_decode(arena_copy(arena, buf_bytes(&value)), arena, &r) != ERR_OK ||
            w->skip(w->arg, r.number)) /* the damaged are met by their entries */
            continue;
        group_add(g, arena, &cap, &rows_cap, &r, place, all.len + value.len);
    }
    buf_close(&prefix);
    buf_close(&after);
    buf_close(&name);
    buf_close(&value);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* What the entry stands for, and what goes with it. ERR_STALE: nothing any more. */
static enum err group_make(struct hints *h, const struct hint_walk *w, uint64_t number,
                           const struct hint_entry *e, struct arena *arena, struct hint_group *ret)
{
    struct hint_record r;
    size_t cap = 0, rows_cap = 0;
    enum err err = hint_record_get(h, e->place, arena, &r);
    if (err == ERR_NOT_FOUND || (err == ERR_OK && r.number != number)) {
        entry_remove(h, w->target, number, e);
        return ERR_STALE;
    }
    if (err == ERR_CORRUPT || err == ERR_MALFORMED) {
        struct buf name;
        hint_gone(h, e->place);
        hint_place_name(e->place, &name);
        engine_fact_delete(h->engine, buf_bytes(&name), 0);
        buf_close(&name);
        entry_remove(h, w->target, number, e);
        return ERR_STALE;
    }
    if (err != ERR_OK)
        return err;
    *ret = (struct hint_group){0};
    group_add(ret, arena, &cap, &rows_cap, &r, e->place, e->size);
    if (!r.hint.part.siblings && !r.hint.supersede.siblings) {
        err = gather(h, w, e, arena, ret);
        part_normalise(&ret->hint.part, arena);
    }
    ret->hint.target = w->target;
    ret->hint.any = e->any;
    return err;
}

/* Its place tells where it belongs. */
static bool is_passed(const struct hint_walk *w, const struct hint_entry *e)
{
    struct reader r = reader_make(e->place);
    (void)read_u16(&r);
    (void)read_u8(&r);
    table_no table = read_u32(&r);
    token at = (token)(read_u64(&r) ^ UINT64_C(1) << 63);
    return w->pass != NULL && !r.failed && w->pass(w->arg, w->after, table, at);
}

enum err hints_next(struct hints *h, struct hint_walk *w, struct arena *arena,
                    struct hint_group *ret)
{
    struct buf prefix, after, name, value;
    enum err err = ERR_STALE;
    hint_order_name(w->target, w->after, &after);
    buf_init(&prefix, 64);
    buf_init(&name, NAME_MAX);
    buf_init(&value, NAME_MAX);
    buf_put_bytes(&prefix, bytes_make(after.data, after.len - sizeof(uint64_t)));
    while (err == ERR_STALE) {
        struct hint_entry e;
        node_no target;
        if (w->look == 0) {
            err = ERR_BEHIND;
            break;
        }
        err = engine_fact_next(h->engine, buf_bytes(&prefix), buf_bytes(&after), &name, &value);
        if (err != ERR_OK)
            break;
        w->look--;
        err = ERR_STALE;
        if (!hint_entry_number(buf_bytes(&name), &target, &w->after))
            w->after++; /* nothing that we have written */
        else if (hint_entry_decode(arena_copy(arena, buf_bytes(&value)), &e) &&
                 !(w->any_only && !e.any) && !w->skip(w->arg, w->after) && !is_passed(w, &e))
            err = group_make(h, w, w->after, &e, arena, ret);
        buf_close(&after);
        hint_order_name(w->target, w->after, &after);
    }
    buf_close(&prefix);
    buf_close(&after);
    buf_close(&name);
    buf_close(&value);
    return err;
}

void hints_remove(struct hints *h, const struct hint_group *g)
{
    struct arena arena = {0};
    for (size_t i = 0; i < g->count; i++) {
        const struct hint_item *item = &g->items[i];
        struct hint_record r;
        struct hint_entry e;
        struct buf name;
        enum err err = hint_record_get(h, item->place, &arena, &r);
        bool same = err == ERR_OK && r.number == item->number && r.revision == item->revision;
        if (!same && !(MUTANT(hint_revision_ignored) && err == ERR_OK))
            continue;
        hint_place_name(item->place, &name);
        engine_fact_delete(h->engine, buf_bytes(&name), 0);
        buf_close(&name);
        if (hint_entry_get(h, g->hint.target, item->number, &arena, &e))
            entry_remove(h, g->hint.target, item->number, &e);
        arena_reset(&arena);
    }
    arena_close(&arena);
}
