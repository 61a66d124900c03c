/* cells_judge.c - one place at a time.
 *
 * Every subset of the events that need not be seen is possible, so each question is about the
 * best case for the answer: to show a value, take its write and nothing but what must be seen; to
 * be empty, take every deletion and no write but those that must be seen.
 */
#include "node/sim/oracle/cells_core.h"

#include <inttypes.h>

bool must_see(const struct view *v, uint32_t write, const struct seen *shown)
{
    bool must = seen_by(v->c, &v->c->writes[write].acked, v->needed, v->start) ||
                seen_by(v->c, shown, v->needed, v->start);
    v->c->demanded |= must;
    return must;
}

static bool must_see_event(const struct view *v, const struct event *e)
{
    return must_see(v, e->write, &e->shown);
}

static void fate_add(struct fate *f, int64_t timestamp, bool must)
{
    if (timestamp > f->any)
        f->any = timestamp;
    if (must && timestamp > f->must)
        f->must = timestamp;
}

struct fate fate_of_row(const struct view *v, const struct row *r)
{
    struct fate f = {.must = NO_TIME, .any = NO_TIME, .row = r};
    for (size_t i = 0; i < r->covers_count; i++) {
        const struct cover_at *d = &r->covers[i];
        bool matters = d->cover->timestamp > f.must;
        fate_add(&f, d->cover->timestamp, matters && must_see(v, d->cover->write, &d->shown));
    }
    return f;
}

struct fate fate_of_column(const struct view *v, const struct row *r, struct fate row,
                           uint32_t column)
{
    struct fate f = row;
    const struct place *whole = place_find(r, column, false, BYTES_NONE);
    if (column == MARKER || v->table->columns[column].shape == CELLS_ONE || whole == NULL)
        return f;
    f.whole = whole;
    for (size_t i = 0; i < whole->count; i++)
        fate_add(&f, whole->events[i].timestamp, must_see_event(v, &whole->events[i]));
    return f;
}

bool event_beats(const struct event *a, const struct event *b)
{
    if (a->timestamp != b->timestamp)
        return a->timestamp > b->timestamp;
    if (a->dead != b->dead)
        return a->dead;
    if (a->ttl != b->ttl)
        return a->ttl > b->ttl;
    if (a->ttl > 0 && a->write != b->write)
        return false; /* whichever ends later: they were not done in the same second, perhaps */
    return bytes_compare(a->value, b->value) > 0;
}

static void forget(const struct cells *c, const struct event *e, uint32_t write, int64_t timestamp,
                   int64_t *newest)
{
    if (timestamp > *newest && c->writes[write].asked.order < c->writes[e->write].over)
        *newest = timestamp;
}

int64_t newest_forgotten(const struct cells *c, const struct row *r, const struct place *whole,
                         const struct place *p, const struct event *e)
{
    int64_t newest = NO_TIME;
    for (size_t i = 0; i < r->covers_count; i++)
        forget(c, e, r->covers[i].cover->write, r->covers[i].cover->timestamp, &newest);
    for (size_t i = 0; whole != NULL && i < whole->count; i++)
        forget(c, e, whole->events[i].write, whole->events[i].timestamp, &newest);
    for (size_t i = 0; i < p->count; i++) {
        if (p->events[i].dead)
            forget(c, e, p->events[i].write, p->events[i].timestamp, &newest);
    }
    return newest;
}

/* The newest of what must be seen and overrules it; NO_TIME: nothing does. */
static int64_t newest_above(const struct view *v, const struct fate *f, const struct place *p,
                            const struct event *e)
{
    int64_t above = e->timestamp <= f->must ? f->must : NO_TIME;
    for (size_t i = 0; i < p->count; i++) {
        const struct event *other = &p->events[i];
        if (other != e && event_beats(other, e) && other->timestamp > above &&
            must_see_event(v, other))
            above = other->timestamp;
    }
    return above;
}

/* Nothing that must be seen overrules it. */
static bool may_stand(const struct view *v, const struct fate *f, const struct place *p,
                      const struct event *e)
{
    int64_t above = newest_above(v, f, p, e);
    return above == NO_TIME || above <= newest_forgotten(v->c, f->row, f->whole, p, e);
}

bool place_may_show(const struct view *v, const struct fate *f, struct place *p,
                    const struct bytes *value, int64_t timestamp)
{
    struct event *found = NULL;
    uint32_t count = 0;
    for (size_t i = 0; i < p->count; i++) {
        struct event *e = &p->events[i];
        if (e->dead || (value != NULL && !bytes_equal(e->value, *value)) ||
            (timestamp != NO_TIME && e->timestamp != timestamp) || !may_stand(v, f, p, e))
            continue;
        found = e;
        count++;
    }
    if (count == 1)
        seen_add(v->c, &found->shown, v->copies, v->losses);
    return count > 0;
}

/* The newest write that must be seen. */
static int64_t newest(const struct view *v, const struct place *p)
{
    int64_t newest = NO_TIME;
    for (size_t i = 0; i < p->count; i++) {
        const struct event *e = &p->events[i];
        if (!e->dead && e->timestamp > newest && must_see_event(v, e))
            newest = e->timestamp;
    }
    return newest;
}

bool place_may_be_empty(const struct view *v, const struct fate *f, const struct place *p)
{
    int64_t last = newest(v, p);
    if (last == NO_TIME || last <= f->any)
        return true;
    for (size_t i = 0; i < p->count; i++) {
        if (p->events[i].dead && p->events[i].timestamp >= last)
            return true;
    }
    return false;
}

bool place_may_live(const struct view *v, const struct fate *f, const struct place *p)
{
    int64_t floor = f->must;
    for (size_t i = 0; i < p->count; i++) {
        const struct event *e = &p->events[i];
        if (e->dead && e->timestamp > floor && must_see_event(v, e))
            floor = e->timestamp;
    }
    for (size_t i = 0; i < p->count; i++) {
        const struct event *e = &p->events[i];
        if (!e->dead &&
            (e->timestamp > floor || floor <= newest_forgotten(v->c, f->row, f->whole, p, e)))
            return true;
    }
    return false;
}

bool place_may_differ(const struct view *v, const struct fate *f, const struct place *p,
                      struct bytes value)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct event *e = &p->events[i];
        if (!e->dead && !bytes_equal(e->value, value) && may_stand(v, f, p, e))
            return true;
    }
    return place_may_be_empty(v, f, p);
}

/* --- deletions that were shown */

struct suspects {
    struct seen *shown;
    uint32_t count;
    bool known; /* one of them must be seen anyway */
};

static void suspect(const struct view *v, struct suspects *s, uint32_t write, struct seen *shown)
{
    s->count++;
    s->shown = shown;
    s->known = s->known || must_see(v, write, shown);
}

static void suspect_events(const struct view *v, struct suspects *s, struct place *p, int64_t from)
{
    for (size_t i = 0; p != NULL && i < p->count; i++) {
        struct event *e = &p->events[i];
        if (e->dead && e->timestamp >= from)
            suspect(v, s, e->write, &e->shown);
    }
}

void place_was_empty(const struct view *v, struct row *r, struct place *p)
{
    struct suspects s = {0};
    int64_t last = newest(v, p);
    if (last == NO_TIME)
        return;
    for (size_t i = 0; i < r->covers_count; i++) {
        struct cover_at *d = &r->covers[i];
        if (d->cover->timestamp >= last)
            suspect(v, &s, d->cover->write, &d->shown);
    }
    suspect_events(v, &s, p, last);
    if (p->has_path)
        suspect_events(v, &s, place_find(r, p->column, false, BYTES_NONE), last);
    if (s.count == 1 && !s.known)
        seen_add(v->c, s.shown, v->copies, v->losses);
}

/* --- rows */

static bool is_deletion_of_collection(const struct view *v, const struct place *p)
{
    return p->column != MARKER && !p->has_path && v->table->columns[p->column].shape != CELLS_ONE;
}

bool row_may_be_missing(const struct view *v, const struct row *r, const struct place **ret_why)
{
    struct fate row = fate_of_row(v, r);
    for (size_t i = 0; i < r->places_count; i++) {
        const struct place *p = &r->places[i];
        struct fate f = fate_of_column(v, r, row, p->column);
        if (!is_deletion_of_collection(v, p) && !place_may_be_empty(v, &f, p)) {
            *ret_why = p;
            return false;
        }
    }
    return true;
}

bool row_may_live(const struct view *v, const struct row *r)
{
    struct fate row = fate_of_row(v, r);
    for (size_t i = 0; i < r->places_count; i++) {
        const struct place *p = &r->places[i];
        struct fate f = fate_of_column(v, r, row, p->column);
        if (!is_deletion_of_collection(v, p) && place_may_live(v, &f, p))
            return true;
    }
    return false;
}

/* --- words */

static void describe(const struct view *v, const char *what, int64_t timestamp, uint32_t write,
                     const struct seen *shown, struct buf *out)
{
    const struct seen *acked = &v->c->writes[write].acked;
    buf_printf(out, "; %s at %" PRId64 "%s", what, timestamp,
               must_see(v, write, shown) ? " (must be seen" : " (may be seen");
    buf_printf(out, ", acked by %" PRIu32 ", shown by %" PRIu32 ")", acked->copies, shown->copies);
}

static void describe_events(const struct view *v, const char *dead, const struct place *p,
                            struct buf *out)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct event *e = &p->events[i];
        describe(v, e->dead ? dead : "write", e->timestamp, e->write, &e->shown, out);
        for (size_t j = 0; !e->dead && j < e->value.len && j < 16; j++)
            buf_printf(out, "%s%02x", j == 0 ? " of " : "", e->value.data[j]);
    }
}

/* The newest deletions of rows: of all, and of those that must be seen. */
static void describe_covers(const struct view *v, const struct row *r, struct buf *out)
{
    const struct cover_at *any = NULL, *must = NULL;
    for (size_t i = 0; i < r->covers_count; i++) {
        const struct cover_at *d = &r->covers[i];
        if (any == NULL || d->cover->timestamp > any->cover->timestamp)
            any = d;
        if ((must == NULL || d->cover->timestamp > must->cover->timestamp) &&
            must_see(v, d->cover->write, &d->shown))
            must = d;
    }
    if (must != NULL && must != any)
        describe(v, "delete of rows", must->cover->timestamp, must->cover->write, &must->shown,
                 out);
    if (any != NULL)
        describe(v, "delete of rows", any->cover->timestamp, any->cover->write, &any->shown, out);
}

void place_describe(const struct view *v, const struct row *r, const struct place *p,
                    struct buf *out)
{
    describe_covers(v, r, out);
    if (p == NULL)
        return;
    const struct place *whole = p->has_path ? place_find(r, p->column, false, BYTES_NONE) : NULL;
    if (whole != NULL)
        describe_events(v, "delete of all", whole, out);
    describe_events(v, "delete", p, out);
}
