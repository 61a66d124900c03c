#include "node/sim/oracle/cells_core.h"

#define PRUNE_FROM 6 /* events of one place */

struct cells *cells_new(uint32_t copies)
{
    struct cells *c = mem_new(struct cells);
    ASSERT(copies > 0 && copies < 256);
    c->copies = copies;
    c->order = JUDGED_WITHIN;
    buf_init(&c->scratch, 1 << 16);
    return c;
}

static void row_close(struct row *r)
{
    for (size_t i = 0; i < r->places_count; i++)
        mem_free(r->places[i].events);
    mem_free(r->places);
    mem_free(r->covers);
}

static void partition_free(struct partition *p)
{
    for (size_t i = 0; i < p->rows_count; i++) {
        row_close(p->rows[i]);
        mem_free(p->rows[i]);
    }
    row_close(&p->statics);
    mem_free(p->rows);
    mem_free(p->covers);
    mem_free(p);
}

void cells_free(struct cells *c)
{
    if (c == NULL)
        return;
    for (uint32_t i = 0; i < c->tables_count; i++) {
        for (size_t j = 0; j < c->tables[i].count; j++)
            partition_free(c->tables[i].partitions[j]);
        mem_free(c->tables[i].partitions);
        bmap_close(&c->tables[i].by_key);
    }
    mem_free(c->writes);
    arena_close(&c->arena);
    buf_close(&c->scratch);
    mem_free(c);
}

uint32_t cells_add_table(struct cells *c, const struct cells_column *columns, uint32_t count)
{
    ASSERT(c->tables_count < CELLS_TABLES_MAX);
    ASSERT(count <= CELLS_COLUMNS_MAX);
    struct table *t = &c->tables[c->tables_count];
    bmap_init(&t->by_key);
    t->columns_count = count;
    for (uint32_t i = 0; i < count; i++) {
        t->columns[i] = columns[i];
        ASSERT(i == 0 || columns[i].kind >= columns[i - 1].kind);
        t->partition_count += columns[i].kind == CELLS_PARTITION;
        t->clustering_count += columns[i].kind == CELLS_CLUSTERING;
    }
    ASSERT(t->partition_count > 0);
    ASSERT(t->clustering_count <= CELLS_CLUSTERING_MAX);
    return c->tables_count++;
}

struct cells_moment cells_now(const struct cells *c)
{
    return (struct cells_moment){c->order, c->losses};
}

/* --- what is known */

static uint32_t copies_of(const struct cells *c, const struct seen *s)
{
    uint32_t lost = c->losses - s->losses;
    return s->copies > lost ? s->copies - lost : 0;
}

void seen_add(const struct cells *c, struct seen *s, uint32_t copies, uint32_t losses)
{
    struct seen now = {copies, losses, c->order};
    now.copies = copies_of(c, &now);
    now.losses = c->losses;
    if (now.copies > copies_of(c, s))
        *s = now;
}

bool seen_by(const struct cells *c, const struct seen *s, uint32_t copies, uint64_t moment)
{
    return s->since <= moment && copies_of(c, s) >= copies;
}

void cells_lost_copy(struct cells *c)
{
    c->losses++;
}

void cells_acked(struct cells *c, uint32_t write, uint32_t copies)
{
    ASSERT(write < c->writes_count);
    struct write *w = &c->writes[write];
    c->order++;
    seen_add(c, &w->acked, copies, w->asked.losses);
}

void cells_over(struct cells *c, uint32_t write)
{
    ASSERT(write < c->writes_count);
    c->order++;
    if (c->writes[write].over > c->order)
        c->writes[write].over = c->order;
}

/* --- finding and making places */

static struct bytes compose(struct cells *c, const struct table *t, const struct bytes *key)
{
    buf_clear(&c->scratch);
    for (uint32_t i = 0; i < t->partition_count; i++)
        buf_put_vbytes(&c->scratch, key[i]);
    return buf_bytes(&c->scratch);
}

static const struct bytes *copy_all(struct cells *c, const struct bytes *from, size_t count)
{
    struct bytes *to = arena_array(&c->arena, struct bytes, count + 1);
    for (size_t i = 0; i < count; i++)
        to[i] = arena_copy(&c->arena, from[i]);
    return to;
}

struct partition *partition_find(struct cells *c, const struct table *t, const struct bytes *key)
{
    return bmap_get(&t->by_key, compose(c, t, key));
}

static struct partition *partition_get(struct cells *c, struct table *t, const struct bytes *key)
{
    struct partition *p = partition_find(c, t, key);
    if (p != NULL)
        return p;
    p = mem_new(struct partition);
    p->key = copy_all(c, key, t->partition_count);
    t->partitions = mem_grow(t->partitions, t->count, &t->cap, sizeof(struct partition *));
    t->partitions[t->count++] = p;
    bmap_put(&t->by_key, compose(c, t, key), p);
    return p;
}

static void cover_row(struct row *r, const struct cover *cover)
{
    r->covers = mem_grow(r->covers, r->covers_count, &r->covers_cap, sizeof(struct cover_at));
    r->covers[r->covers_count++] = (struct cover_at){.cover = cover};
}

static struct row *row_get(struct cells *c, const struct table *t, struct partition *p,
                           const struct bytes *key)
{
    size_t at;
    if (row_find(t, p, key, &at))
        return p->rows[at];
    struct row *r = mem_new(struct row);
    r->key = copy_all(c, key, t->clustering_count);
    for (size_t i = 0; i < p->covers_count; i++) {
        if (where_matches(t, &p->covers[i]->where, r->key))
            cover_row(r, p->covers[i]);
    }
    p->rows = mem_grow(p->rows, p->rows_count, &p->rows_cap, sizeof(struct row *));
    for (size_t i = p->rows_count; i > at; i--)
        p->rows[i] = p->rows[i - 1];
    p->rows[at] = r;
    p->rows_count++;
    return r;
}

struct place *place_find(const struct row *r, uint32_t column, bool has_path, struct bytes path)
{
    for (size_t i = 0; i < r->places_count; i++) {
        struct place *p = &r->places[i];
        if (p->column == column && p->has_path == has_path && bytes_equal(p->path, path))
            return p;
    }
    return NULL;
}

static struct place *place_get(struct cells *c, struct row *r, uint32_t column, bool has_path,
                               struct bytes path)
{
    struct place *p = place_find(r, column, has_path, path);
    if (p != NULL)
        return p;
    r->places = mem_grow(r->places, r->places_count, &r->places_cap, sizeof *r->places);
    p = &r->places[r->places_count++];
    *p = (struct place){.column = column, .has_path = has_path};
    p->path = arena_copy(&c->arena, path);
    return p;
}

/* --- forgetting what can never be read again */

/* On all copies, and longer than any read that is judged. */
static bool is_settled(const struct cells *c, uint32_t write, const struct seen *shown)
{
    uint64_t long_ago = c->order - JUDGED_WITHIN;
    return seen_by(c, &c->writes[write].acked, c->copies, long_ago) ||
           seen_by(c, shown, c->copies, long_ago);
}

/* Everything up to this is deleted everywhere. */
static int64_t settled_deletion(const struct cells *c, const struct row *r, const struct place *p)
{
    int64_t floor = NO_TIME;
    for (size_t i = 0; i < r->covers_count; i++) {
        const struct cover_at *d = &r->covers[i];
        if (d->cover->timestamp > floor && is_settled(c, d->cover->write, &d->shown))
            floor = d->cover->timestamp;
    }
    const struct place *whole = p->has_path ? place_find(r, p->column, false, BYTES_NONE) : NULL;
    for (size_t i = 0; whole != NULL && i < whole->count; i++) {
        const struct event *d = &whole->events[i];
        if (d->timestamp > floor && is_settled(c, d->write, &d->shown))
            floor = d->timestamp;
    }
    return floor;
}

/* Only what is old itself: a younger write may still be on its way to a copy that lost its disk. */
static void prune(struct cells *c, struct partition *part, struct row *r, struct place *p)
{
    const struct event *best = NULL;
    struct event keep;
    size_t kept = 0;
    int64_t floor = settled_deletion(c, r, p);
    const struct place *whole = p->has_path ? place_find(r, p->column, false, BYTES_NONE) : NULL;
    for (size_t i = 0; i < p->count; i++) {
        const struct event *e = &p->events[i];
        if (is_settled(c, e->write, &e->shown) && (best == NULL || event_beats(e, best)))
            best = e;
    }
    if (best != NULL)
        keep = *best;
    for (size_t i = 0; i < p->count; i++) {
        struct event *e = &p->events[i];
        bool is_old = c->writes[e->write].asked.order + JUDGED_WITHIN < c->order;
        int64_t forgotten = is_old && !e->dead ? newest_forgotten(c, r, whole, p, e) : NO_TIME;
        bool is_over = (e->timestamp <= floor && floor > forgotten) ||
                       (best != NULL && event_beats(&keep, e) && keep.timestamp > forgotten);
        if (!is_old || !is_over)
            p->events[kept++] = *e;
    }
    c->events -= p->count - kept;
    part->events -= p->count - kept;
    p->count = kept;
}

static void add_event(struct cells *c, struct partition *part, struct row *r, struct place *p,
                      const struct event *e)
{
    if (p->count >= PRUNE_FROM && p->count == p->cap)
        prune(c, part, r, p);
    p->events = mem_grow(p->events, p->count, &p->cap, sizeof *p->events);
    p->events[p->count++] = *e;
    c->events++;
    part->events++;
    ASSERT(c->events <= CELLS_EVENTS_MAX);
}

/* --- writes */

static void add_cover(struct cells *c, const struct table *t, struct partition *p, uint32_t write,
                      const struct cells_change *change)
{
    struct cover *d = arena_new(&c->arena, struct cover);
    const struct cells_where *w = &change->where;
    struct cells_relation *items = arena_array(&c->arena, struct cells_relation, w->count + 1);
    for (uint32_t i = 0; i < w->count; i++) {
        items[i] = w->items[i];
        items[i].values =
            copy_all(c, w->items[i].values, (size_t)items[i].alternatives * items[i].columns);
    }
    *d = (struct cover){change->timestamp, write, {items, w->count}};
    p->covers = mem_grow(p->covers, p->covers_count, &p->covers_cap, sizeof(struct cover *));
    p->covers[p->covers_count++] = d;
    p->events++;
    c->events++;
    for (size_t i = 0; i < p->rows_count; i++) {
        if (where_matches(t, w, p->rows[i]->key))
            cover_row(p->rows[i], d);
    }
    if (w->count == 0)
        cover_row(&p->statics, d);
}

static void add_change(struct cells *c, const struct table *t, struct partition *p, uint32_t write,
                       const struct cells_change *change)
{
    struct event e = {.timestamp = change->timestamp, .ttl = change->ttl, .write = write};
    bool mark = change->kind == CELLS_MARK;
    ASSERT(mark || change->column < t->columns_count);
    bool is_static = !mark && t->columns[change->column].kind == CELLS_STATIC;
    struct row *r = is_static ? &p->statics : row_get(c, t, p, change->row);
    struct place *at = place_get(c, r, mark ? MARKER : change->column, !mark && change->has_path,
                                 mark ? BYTES_NONE : change->path);
    e.dead = change->kind == CELLS_REMOVE;
    if (change->kind == CELLS_PUT)
        e.value = arena_copy(&c->arena, change->value);
    add_event(c, p, r, at, &e);
}

uint32_t cells_write(struct cells *c, uint32_t table, const struct bytes *key,
                     const struct cells_change *changes, size_t count)
{
    ASSERT(table < c->tables_count);
    struct table *t = &c->tables[table];
    struct partition *p = partition_get(c, t, key);
    uint32_t write = (uint32_t)c->writes_count;
    c->writes = mem_grow(c->writes, c->writes_count, &c->writes_cap, sizeof *c->writes);
    c->writes[c->writes_count++] = (struct write){.asked = cells_now(c), .over = UINT64_MAX};
    for (size_t i = 0; i < count; i++) {
        if (changes[i].kind == CELLS_COVER)
            add_cover(c, t, p, write, &changes[i]);
        else
            add_change(c, t, p, write, &changes[i]);
    }
    return write;
}

/* --- what there is */

uint32_t cells_partitions(const struct cells *c, uint32_t table)
{
    return (uint32_t)c->tables[table].count;
}

const struct bytes *cells_partition_key(const struct cells *c, uint32_t table, uint32_t i)
{
    ASSERT(i < c->tables[table].count);
    return c->tables[table].partitions[i]->key;
}

bool cells_partition_token(const struct cells *c, uint32_t table, uint32_t i, int64_t *ret_token)
{
    ASSERT(i < c->tables[table].count);
    const struct partition *p = c->tables[table].partitions[i];
    if (p->has_token)
        *ret_token = p->token;
    return p->has_token;
}

size_t cells_partition_events(const struct cells *c, uint32_t table, const struct bytes *key)
{
    struct cells *own = (struct cells *)(uintptr_t)c; /* only its scratch buffer */
    const struct partition *p = partition_find(own, &c->tables[table], key);
    return p != NULL ? p->events : 0;
}

size_t cells_events(const struct cells *c)
{
    return c->events;
}
