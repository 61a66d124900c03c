/* watch_state.c - what a store holds, merged in the plainest way: everything is gathered, sorted by
 * place, and of each place the strongest stays unless a deletion lies over it. The order of
 * strength is Cassandra's (docs and storage/README.md), written down a second time. */
#include "node/schema/schema.h"
#include "node/sim/watch_core.h"

#include <stdlib.h>

struct held { /* one item of one fragment */
    int64_t token;
    struct bytes partition;
    struct raw_item item;
};

struct heap {
    struct arena *arena;
    struct held *held;
    size_t count, cap;
    bool good;
};

bool raw_beats(const struct raw_item *a, const struct raw_item *b)
{
    if (a->siblings && a->kind != b->kind) /* removed wins */
        return a->kind > b->kind;
    if (a->siblings && a->first != b->first) /* a longer run of removed dots */
        return a->first < b->first;
    if (a->timestamp != b->timestamp)
        return a->timestamp > b->timestamp;
    if (a->kind != b->kind) /* a tombstone, then what expires, then what lives */
        return a->kind > b->kind;
    if (a->time_s != b->time_s)
        return a->time_s > b->time_s;
    int c = bytes_compare(a->value, b->value);
    if (c != 0)
        return c > 0;
    if (a->ttl != b->ttl)
        return a->ttl < b->ttl;
    return dot_compare(a->dot, b->dot) >= 0;
}

/* --- gathering */

static int compare_numbers(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

/* Deletions of the partition, of ranges, then row by row (the static one first) its deletion and
 * its cells; the strongest of a place first. */
static int held_compare(const void *x, const void *y)
{
    const struct held *a = x;
    const struct held *b = y;
    const struct raw_item *i = &a->item;
    const struct raw_item *k = &b->item;
    int class_i = i->what < RAW_ROW_DELETION ? (int)i->what : RAW_ROW_DELETION;
    int class_k = k->what < RAW_ROW_DELETION ? (int)k->what : RAW_ROW_DELETION;
    int c = compare_numbers(a->token, b->token);
    c = c != 0 ? c : bytes_compare(a->partition, b->partition);
    c = c != 0 ? c : class_i - class_k;
    c = c != 0 ? c : (int)k->is_static - (int)i->is_static;
    c = c != 0 ? c : bytes_compare(i->row, k->row);
    c = c != 0 ? c : (int)i->what - (int)k->what;
    c = c != 0 ? c : compare_numbers(i->column, k->column);
    c = c != 0 ? c : (int)i->has_path - (int)k->has_path;
    c = c != 0 ? c : bytes_compare(i->path, k->path);
    c = c != 0 || !i->siblings ? c : dot_compare(i->target, k->target);
    if (c != 0)
        return c;
    return raw_beats(i, k) ? raw_beats(k, i) ? 0 : -1 : 1;
}

static void gather(struct heap *h, const struct raw_entry *e)
{
    for (size_t i = 0; i < e->items_count; i++) {
        h->held = mem_grow(h->held, h->count, &h->cap, sizeof *h->held);
        h->held[h->count++] = (struct held){e->token, e->partition, e->items[i]};
    }
}

static void gather_range(struct watch *w, struct store *store, table_no table, range_no range,
                         struct heap *h)
{
    uint8_t key[13] = {'d'};
    uint64_t width = UINT64_MAX / w->sim->config.ring_ranges + 1;
    struct store_iter *it = store_iter_new(store);
    store_u32(key + 1, table);
    store_u64(key + 5, width * range);
    store_iter_seek(it, bytes_make(key, sizeof key));
    for (; store_iter_valid(it) && h->good; store_iter_next(it)) {
        struct raw_entry e;
        struct bytes at = arena_copy(h->arena, store_iter_key(it));
        struct bytes value = arena_copy(h->arena, store_iter_value(it));
        h->good = raw_read(at, value, h->arena, &e);
        if (e.type != RAW_DATA || e.table != table || watch_range_of(w, e.token) != range)
            break;
        gather(h, &e);
    }
    h->good = h->good && store_iter_error(it) == ERR_OK;
    store_iter_free(it);
}

/* --- merging */

struct merge {
    const struct held *held; /* of one partition */
    size_t count;
    const struct raw_item *deletion; /* of the partition, or NULL */
    const struct held *tombs;
    size_t tombs_count;
    struct buf *out;
};

static void put_stamp(struct buf *out, const struct raw_item *i)
{
    buf_put_i64(out, i->timestamp);
    buf_put_i64(out, i->time_s);
    buf_put_dot(out, i->dot);
}

static bool covers(const struct raw_item *tomb, struct bytes row)
{
    return bytes_compare(tomb->start, row) <= 0 &&
           (tomb->end.len == 0 || bytes_compare(row, tomb->end) < 0);
}

/* The strongest range deletion over the row that the partition's does not lie over, or NULL. */
static const struct raw_item *tomb_at(const struct merge *m, struct bytes row)
{
    const struct raw_item *best = NULL;
    for (size_t i = 0; i < m->tombs_count; i++) {
        const struct raw_item *t = &m->tombs[i].item;
        if (covers(t, row) && (m->deletion == NULL || t->timestamp > m->deletion->timestamp) &&
            (best == NULL || raw_beats(t, best)))
            best = t;
    }
    return best;
}

static int bytes_sort(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

/* The strongest at each place: between two neighbours among all starts and ends nothing changes. */
static void put_tombs(const struct merge *m)
{
    struct bytes *places = mem_alloc((2 * m->tombs_count + 1) * sizeof *places);
    const struct raw_item *last = NULL;
    size_t count = 0;
    for (size_t i = 0; i < m->tombs_count; i++) {
        places[count++] = m->tombs[i].item.start;
        if (m->tombs[i].item.end.len > 0)
            places[count++] = m->tombs[i].item.end;
    }
    if (count > 1)
        qsort(places, count, sizeof *places, bytes_sort);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && bytes_compare(places[i - 1], places[i]) == 0)
            continue;
        const struct raw_item *t = tomb_at(m, places[i]);
        bool same = t == last || (t != NULL && last != NULL && t->timestamp == last->timestamp &&
                                  t->time_s == last->time_s && dot_compare(t->dot, last->dot) == 0);
        if (!same) {
            buf_put_u8(m->out, 'T');
            buf_put_vbytes(m->out, places[i]);
            buf_put_u8(m->out, t != NULL);
            if (t != NULL)
                put_stamp(m->out, t);
        }
        last = t;
    }
    mem_free(places);
}

static bool same_place(const struct raw_item *a, const struct raw_item *b)
{
    return a->what == b->what && a->column == b->column && a->has_path == b->has_path &&
           bytes_compare(a->path, b->path) == 0 &&
           (!a->siblings || dot_compare(a->target, b->target) == 0);
}

static void put_cell(struct buf *out, const struct raw_item *c)
{
    buf_put_u8(out, 'C');
    buf_put_u32(out, c->column);
    buf_put_u8(out, (uint8_t)(c->kind | c->has_path << 4));
    buf_put_vbytes(out, c->path);
    buf_put_vbytes(out, c->value);
    buf_put_u64(out, c->ttl);
    put_stamp(out, c);
    if (c->siblings) {
        buf_put_dot(out, c->target);
        buf_put_u64(out, c->first);
    }
}

bool raw_takes_away(const struct raw_item *removal, const struct raw_item *item)
{
    bool there = removal->column == item->column && removal->has_path == item->has_path &&
                 bytes_equal(removal->path, item->path);
    bool more =
        removal->column == UINT32_MAX || (removal->column == item->column && !removal->has_path);
    return removal->kind == 3 && (there || more) &&
           actor_compare(removal->target.actor, item->target.actor) == 0 &&
           removal->first <= item->first && item->target.n <= removal->target.n;
}

/* Siblings: something else in the row takes it away. */
static bool is_taken_away(const struct merge *m, size_t from, size_t to,
                          const struct raw_item *item)
{
    for (size_t i = from; i < to && item->siblings; i++) {
        const struct raw_item *r = &m->held[i].item;
        if (!same_place(r, item) && raw_takes_away(r, item))
            return true;
    }
    return false;
}

/* One row: held[from .. to). */
static void put_row(const struct merge *m, size_t from, size_t to)
{
    const struct raw_item *first = &m->held[from].item;
    const struct raw_item *tomb = first->is_static ? NULL : tomb_at(m, first->row);
    const struct raw_item *column = NULL; /* the last cell without a path */
    int64_t floor = m->deletion != NULL ? m->deletion->timestamp : INT64_MIN;
    bool told = false;
    if (tomb != NULL && tomb->timestamp > floor)
        floor = tomb->timestamp;
    for (size_t i = from; i < to; i++) {
        const struct raw_item *item = &m->held[i].item;
        if (i > from && same_place(&m->held[i - 1].item, item))
            continue;
        bool shadowed = item->timestamp <= floor && floor != INT64_MIN;
        if (item->has_path && column != NULL && column->column == item->column && !item->siblings)
            shadowed = shadowed || item->timestamp <= column->timestamp;
        if (shadowed || is_taken_away(m, from, to, item))
            continue;
        if (!told) {
            buf_put_u8(m->out, first->is_static ? 'S' : 'R');
            buf_put_vbytes(m->out, first->row);
        }
        told = true;
        if (item->what == RAW_ROW_DELETION) {
            floor = item->timestamp;
            buf_put_u8(m->out, 'D');
            put_stamp(m->out, item);
        } else {
            column = item->has_path ? column : item;
            put_cell(m->out, item);
        }
    }
}

static void put_partition(const struct held *held, size_t count, struct buf *out)
{
    struct buf body;
    buf_init(&body, SIZE_MAX);
    struct merge m = {.held = held, .count = count, .out = &body};
    size_t at = 0;
    if (held[0].item.what == RAW_PART_DELETION) { /* the strongest is the first */
        m.deletion = &held[0].item;
        buf_put_u8(&body, 'P');
        put_stamp(&body, m.deletion);
    }
    while (at < count && held[at].item.what == RAW_PART_DELETION)
        at++;
    m.tombs = held + at;
    while (at < count && held[at].item.what == RAW_RANGE_DELETION)
        at++;
    m.tombs_count = (size_t)(held + at - m.tombs);
    put_tombs(&m);
    while (at < count) {
        size_t end = at + 1;
        while (end < count && held[end].item.is_static == held[at].item.is_static &&
               bytes_compare(held[end].item.row, held[at].item.row) == 0)
            end++;
        put_row(&m, at, end);
        at = end;
    }
    if (body.len > 0) {
        buf_put_vbytes(out, held[0].partition);
        buf_put_vbytes(out, buf_bytes(&body));
    }
    buf_close(&body);
}

bool watch_state(struct watch *w, struct store *store, table_no table, range_no range,
                 struct buf *out)
{
    struct arena arena;
    struct heap h = {.arena = &arena, .good = true};
    arena_init(&arena);
    gather_range(w, store, table, range, &h);
    if (h.count > 1)
        qsort(h.held, h.count, sizeof *h.held, held_compare);
    for (size_t at = 0; at < h.count && h.good;) {
        size_t end = at + 1;
        while (end < h.count && h.held[end].token == h.held[at].token &&
               bytes_compare(h.held[end].partition, h.held[at].partition) == 0)
            end++;
        put_partition(&h.held[at], end - at, out);
        at = end;
    }
    mem_free(h.held);
    arena_close(&arena);
    return h.good;
}

/* --- comparing */

/* What two states say of their first partition that is not the same. */
static bool differ(struct watch *w, const struct table *t, unsigned a, unsigned b,
                   struct bytes state_a, struct bytes state_b)
{
    struct reader ra = reader_make(state_a);
    struct reader rb = reader_make(state_b);
    struct bytes ka = BYTES_NONE, kb = BYTES_NONE, va = BYTES_NONE, vb = BYTES_NONE;
    while (bytes_equal(ka, kb) && bytes_equal(va, vb) &&
           (reader_left(&ra) > 0 || reader_left(&rb) > 0)) {
        ka = read_vbytes(&ra);
        va = read_vbytes(&ra);
        kb = read_vbytes(&rb);
        vb = read_vbytes(&rb);
    }
    return watch_fail(w,
                      "%s.%s: merged by hand, nodes %u and %u differ in a partition: %zu bytes of "
                      "key and %zu of content, %zu and %zu",
                      t->keyspace, t->name, a, b, ka.len, va.len, kb.len, vb.len);
}

unsigned watch_machine_of(const struct sim *s, node_no node)
{
    for (unsigned i = 1; i <= s->count; i++) {
        if (s->machines[i].node != NULL && meta_self(node_meta(s->machines[i].node)) == node)
            return i;
    }
    return 0;
}

static bool table_equal(struct watch *w, const struct table *t, struct replicas replicas,
                        range_no range)
{
    struct buf first, other;
    unsigned a = watch_machine_of(w->sim, replicas.node[0]);
    bool good = a != 0;
    buf_init(&first, SIZE_MAX);
    buf_init(&other, SIZE_MAX);
    good = good && watch_state(w, w->sim->machines[a].store, t->no, range, &first);
    for (uint32_t i = 1; i < replicas.count && good; i++) {
        unsigned b = watch_machine_of(w->sim, replicas.node[i]);
        buf_clear(&other);
        good = b != 0 && watch_state(w, w->sim->machines[b].store, t->no, range, &other);
        if (good && !bytes_equal(buf_bytes(&first), buf_bytes(&other)))
            good = differ(w, t, a, b, buf_bytes(&first), buf_bytes(&other));
    }
    w->count.compared += first.len > 0;
    buf_close(&first);
    buf_close(&other);
    if (!good && !w->bad)
        return watch_fail(w, "%s.%s: range %u of a replica cannot be read", t->keyspace, t->name,
                          (unsigned)range);
    return good;
}

bool watch_replicas_equal(struct watch *w)
{
    struct node *node = w->sim->machines[1].node;
    bool good = node != NULL || watch_fail(w, "node 1 is down at the end");
    const struct schema *schema = good ? meta_schema(node_meta(node)) : NULL;
    for (uint32_t i = 0; good && i < schema->keyspace_count; i++) {
        const struct keyspace *k = schema->keyspaces[i];
        const struct placement *p = cluster_placement(node_cluster(node), k->no);
        for (range_no range = 0; p != NULL && range < p->ranges && good; range++) {
            struct replicas replicas = placement_replicas(p, range);
            for (uint32_t j = 0; j < k->table_count && replicas.count > 0 && good; j++)
                good = table_equal(w, k->tables[j], replicas, range);
        }
    }
    return good;
}
