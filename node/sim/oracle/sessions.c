#include "node/sim/oracle/sessions.h"

#include "base/map.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

/* What a session has seen of a cell, at least. */
struct floor {
    bool any;
    bool above;    /* only what is above it is shown: a delete has come */
    int64_t stamp; /* INT64_MIN: nothing is known of it */
    size_t own;    /* its last write there that was acked, + 1 */
};

struct cell {
    int64_t id;
    size_t *writes;
    size_t count, cap;
    struct floor *floors; /* [clients] */
};

struct partition {
    struct map ids; /* id -> struct cell */
    struct cell **cells;
    size_t count, cap;
};

/* What the session of a write had seen of another cell. */
struct before {
    struct cell *cell;
    int64_t stamp;
};

struct write {
    struct sessions_write w;
    usec end; /* USEC_NEVER: not over */
    bool acked;
    struct before *before;
    size_t before_count;
};

struct sessions {
    struct sessions_config config;
    struct write *writes;
    size_t count, cap;
    struct map partitions;
    usec lost; /* a disk, the last one */
    uint64_t held;
};

struct sessions *sessions_new(const struct sessions_config *config)
{
    struct sessions *s = mem_new(struct sessions);
    s->config = *config;
    s->lost = -1;
    map_init(&s->partitions);
    return s;
}

static void cell_free(void *p)
{
    struct cell *c = p;
    mem_free(c->writes);
    mem_free(c->floors);
    mem_free(c);
}

static void partition_free(void *q)
{
    struct partition *p = q;
    map_clear(&p->ids, cell_free);
    map_close(&p->ids);
    mem_free(p->cells);
    mem_free(p);
}

void sessions_free(struct sessions *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++)
        mem_free(s->writes[i].before);
    map_clear(&s->partitions, partition_free);
    map_close(&s->partitions);
    mem_free(s->writes);
    mem_free(s);
}

static struct partition *partition_of(struct sessions *s, uint64_t key)
{
    struct partition *p = map_get(&s->partitions, key);
    if (p == NULL) {
        p = mem_new(struct partition);
        map_init(&p->ids);
        map_put(&s->partitions, key, p);
    }
    return p;
}

static struct cell *cell_of(struct sessions *s, struct partition *p, int64_t id)
{
    struct cell *c = map_get(&p->ids, (uint64_t)id);
    if (c == NULL) {
        c = mem_new(struct cell);
        c->id = id;
        c->floors = mem_alloc(s->config.clients * sizeof *c->floors);
        map_put(&p->ids, (uint64_t)id, c);
        p->cells = mem_grow(p->cells, p->count, &p->cap, sizeof *p->cells);
        p->cells[p->count++] = c;
    }
    return c;
}

uint64_t sessions_held(const struct sessions *s)
{
    return s->held;
}

static void forget(struct sessions *s, uint32_t first, uint32_t count)
{
    uint64_t *keys = map_keys(&s->partitions);
    for (size_t i = 0, n = map_count(&s->partitions); i < n; i++) {
        struct partition *p = map_get(&s->partitions, keys[i]);
        for (size_t k = 0; k < p->count; k++)
            memset(p->cells[k]->floors + first, 0, count * sizeof(struct floor));
    }
    mem_free(keys);
}

void sessions_anew(struct sessions *s, uint32_t client)
{
    forget(s, client, 1);
}

void sessions_disk_lost(struct sessions *s, usec at)
{
    s->lost = at;
    forget(s, 0, s->config.clients);
    for (size_t i = 0; i < s->count; i++)
        s->writes[i].before_count = 0;
}

/* --- writes */

/* What its session has seen of the partition, its own writes too. */
static void note_before(struct sessions *s, struct write *w, struct partition *p)
{
    w->before = mem_alloc(p->count * sizeof *w->before);
    for (size_t i = 0; i < p->count; i++) {
        const struct floor *f = &p->cells[i]->floors[w->w.client];
        if (f->any && f->stamp != INT64_MIN)
            w->before[w->before_count++] = (struct before){p->cells[i], f->stamp};
    }
    (void)s;
}

size_t sessions_write(struct sessions *s, const struct sessions_write *w)
{
    struct partition *p = partition_of(s, w->key);
    s->writes = mem_grow(s->writes, s->count, &s->cap, sizeof *s->writes);
    struct write *n = &s->writes[s->count];
    *n = (struct write){.w = *w, .end = USEC_NEVER};
    if (s->config.calm && !w->is_delete)
        note_before(s, n, p);
    for (int64_t id = w->first; id <= w->last; id++) {
        struct cell *c = cell_of(s, p, id);
        c->writes = mem_grow(c->writes, c->count, &c->cap, sizeof *c->writes);
        c->writes[c->count++] = s->count;
    }
    return s->count++;
}

static void raise_floor(struct floor *f, int64_t stamp, bool above)
{
    if (!f->any || stamp > f->stamp) {
        f->any = true;
        f->stamp = stamp;
        f->above = above;
    } else if (stamp == f->stamp) {
        f->above |= above;
    }
}

static void acked(struct sessions *s, size_t write)
{
    const struct write *w = &s->writes[write];
    struct partition *p = partition_of(s, w->w.key);
    for (int64_t id = w->w.first; id <= w->w.last; id++) {
        struct floor *f = &cell_of(s, p, id)->floors[w->w.client];
        if (w->w.stamp != 0) {
            raise_floor(f, w->w.stamp, w->w.is_delete);
            continue;
        }
        f->own = write + 1;
        f->above |= f->any; /* it is later than all that */
        if (!f->any)
            raise_floor(f, INT64_MIN, false);
    }
}

void sessions_wrote(struct sessions *s, size_t write, const struct sessions_end *end)
{
    struct write *w = &s->writes[write];
    w->acked = end->acked;
    if (!end->open)
        w->end = end->end;
    if (end->acked && w->w.start > s->lost)
        acked(s, write);
}

/* --- reads */

static bool contradiction(const struct sessions_read *r, int64_t id, const char *what,
                          int64_t value, int64_t stamp, int64_t floor, struct errmsg *why)
{
    return errmsg_set(why, ERR_FAILED,
                      "session of client %u, partition %" PRIu64 " id %" PRId64
                      " at %.6f..%.6f s: %" PRId64 " of %" PRId64 " %s (%" PRId64 ")",
                      (unsigned)r->client, r->key, id, (double)r->start / USEC_PER_SEC,
                      (double)r->end / USEC_PER_SEC, value, stamp, what, floor) == ERR_OK;
}

static const struct write *find_value(const struct sessions *s, const struct cell *c, int64_t value)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct write *w = &s->writes[c->writes[i]];
        if (!w->w.is_delete && w->w.value == value)
            return w;
    }
    return NULL;
}

/* A write of a client came only after a delete that has been forgotten. */
static bool is_new(const struct sessions *s, const struct cell *c, const struct write *x,
                   int64_t floor, usec end)
{
    for (size_t i = 0; i < c->count && x->w.stamp != 0; i++) {
        const struct write *d = &s->writes[c->writes[i]];
        if (d->w.is_delete && d->w.stamp >= floor && d->w.start < end && x->end > d->w.start)
            return true;
    }
    return false;
}

static bool judge_value(struct sessions *s, const struct sessions_read *r, const struct cell *c,
                        const struct sessions_row *row, struct errmsg *why)
{
    struct floor *f = &c->floors[r->client];
    const struct write *x = find_value(s, c, row->value);
    const struct write *own = f->own > 0 ? &s->writes[f->own - 1] : NULL;
    if (x == NULL || x->w.start >= r->end)
        return contradiction(r, c->id, "was not written", row->value, row->stamp, 0, why);
    if (x->w.stamp != 0 && x->w.stamp != row->stamp)
        return contradiction(r, c->id, "was written with another timestamp", row->value, row->stamp,
                             x->w.stamp, why);
    s->held += f->any;
    bool below = f->any && (row->stamp < f->stamp || (f->above && row->stamp == f->stamp));
    if (below && !is_new(s, c, x, f->stamp, r->end))
        return contradiction(r, c->id, "is older than what the session had seen", row->value,
                             row->stamp, f->stamp, why);
    if (s->config.once && own != NULL && x->w.client == r->client && x->acked &&
        x->w.start < own->w.start)
        return contradiction(r, c->id, "is an earlier write of the session than the last acked one",
                             row->value, row->stamp, own->w.value, why);
    if (r->start > s->lost && !below)
        raise_floor(f, row->stamp, false);
    return true;
}

/* Some delete explains that there is nothing: the lowest of them is the floor. */
static bool judge_nothing(struct sessions *s, const struct sessions_read *r, const struct cell *c,
                          struct errmsg *why)
{
    struct floor *f = &c->floors[r->client];
    const struct write *own = f->own > 0 ? &s->writes[f->own - 1] : NULL;
    int64_t lowest = INT64_MAX;
    bool stamped = false;
    if (!f->any)
        return true;
    s->held++;
    for (size_t i = 0; i < c->count; i++) {
        const struct write *d = &s->writes[c->writes[i]];
        stamped |= d->w.stamp != 0;
        bool before = s->config.once && own != NULL && d->w.client == r->client && d->acked &&
                      d->w.start < own->w.start;
        if (!d->w.is_delete || d->w.start >= r->end || before ||
            (d->w.stamp != 0 && d->w.stamp < f->stamp))
            continue;
        if (d->w.stamp < lowest)
            lowest = d->w.stamp;
    }
    if (lowest == INT64_MAX)
        return contradiction(r, c->id, "is shown though the session had seen more", 0, 0, f->stamp,
                             why);
    if (r->start <= s->lost)
        return true;
    if (stamped)
        raise_floor(f, lowest, true);
    f->above = true;
    return true;
}

static const struct sessions_row *row_of(const struct sessions_row *rows, size_t count, int64_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].id == id)
            return &rows[i];
    }
    return NULL;
}

/* What the writers of what is shown had seen is shown, too. */
static bool judge_before(const struct sessions *s, const struct sessions_read *r,
                         const struct cell *c, const struct sessions_row *rows, size_t count,
                         const struct sessions_row *row, struct errmsg *why)
{
    const struct write *x = find_value(s, c, row->value);
    for (size_t i = 0; i < x->before_count; i++) {
        const struct before *b = &x->before[i];
        if (b->cell == c || b->cell->id < r->first || b->cell->id > r->last)
            continue;
        const struct sessions_row *other = row_of(rows, count, b->cell->id);
        bool deletes = false;
        for (size_t k = 0; k < b->cell->count; k++) {
            const struct sessions_write *d = &s->writes[b->cell->writes[k]].w;
            deletes |= d->is_delete && d->start < r->end && (d->stamp == 0 || d->stamp >= b->stamp);
        }
        if (!deletes && (other == NULL || other->stamp < b->stamp))
            return contradiction(r, b->cell->id,
                                 "is older than what a writer had seen whose value "
                                 "is shown beside it",
                                 other != NULL ? other->value : 0, other != NULL ? other->stamp : 0,
                                 b->stamp, why);
    }
    return true;
}

bool sessions_judge(struct sessions *s, const struct sessions_read *read,
                    const struct sessions_row *rows, size_t count, struct errmsg *why)
{
    struct partition *p = partition_of(s, read->key);
    for (size_t i = 0; i < count; i++) {
        if (!judge_value(s, read, cell_of(s, p, rows[i].id), &rows[i], why))
            return false;
    }
    for (size_t i = 0; i < count && s->config.calm; i++) {
        if (!judge_before(s, read, cell_of(s, p, rows[i].id), rows, count, &rows[i], why))
            return false;
    }
    for (size_t i = 0; i < p->count; i++) {
        int64_t id = p->cells[i]->id;
        if (id >= read->first && id <= read->last && row_of(rows, count, id) == NULL &&
            !judge_nothing(s, read, p->cells[i], why))
            return false;
    }
    return true;
}
