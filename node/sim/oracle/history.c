#include "node/sim/oracle/history.h"

#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

struct write {
    bool is_delete;
    int64_t first, last; /* set: the ids; register: `first` is the value */
    int64_t timestamp;   /* stamped registers only */
    usec start;
    usec end;          /* its timestamp is not from later */
    usec known;        /* acked at any level: when */
    usec known_quorum; /* acked by a quorum: when */
    usec shown;        /* by a quorum read: when first */
};

struct key {
    bool stamped;
    size_t *writes; /* numbers */
    size_t count, cap;
};

struct history {
    struct write *writes;
    size_t count, cap;
    usec skew;
    struct key registers[HISTORY_KEYS_MAX];
    struct key sets[HISTORY_KEYS_MAX];
};

struct history *history_new(uint32_t registers, uint32_t stamped, uint32_t sets, usec skew_us)
{
    struct history *h = mem_new(struct history);
    ASSERT(registers <= HISTORY_KEYS_MAX && sets <= HISTORY_KEYS_MAX);
    h->skew = skew_us;
    for (uint32_t i = 0; i < stamped; i++)
        h->registers[i].stamped = true;
    return h;
}

void history_free(struct history *h)
{
    if (h == NULL)
        return;
    for (size_t i = 0; i < HISTORY_KEYS_MAX; i++) {
        mem_free(h->registers[i].writes);
        mem_free(h->sets[i].writes);
    }
    mem_free(h->writes);
    mem_free(h);
}

/* --- writes */

static size_t add(struct history *h, struct key *k, struct write w)
{
    w.end = w.known = w.known_quorum = w.shown = USEC_NEVER;
    h->writes = mem_grow(h->writes, h->count, &h->cap, sizeof *h->writes);
    k->writes = mem_grow(k->writes, k->count, &k->cap, sizeof *k->writes);
    h->writes[h->count] = w;
    k->writes[k->count++] = h->count;
    return h->count++;
}

size_t history_put(struct history *h, uint32_t key, int64_t value, int64_t timestamp, usec start)
{
    struct write w = {.first = value, .timestamp = timestamp, .start = start};
    return add(h, &h->registers[key], w);
}

size_t history_delete(struct history *h, uint32_t key, int64_t timestamp, usec start)
{
    struct write w = {.is_delete = true, .timestamp = timestamp, .start = start};
    return add(h, &h->registers[key], w);
}

size_t history_insert(struct history *h, uint32_t set, int64_t id, usec start)
{
    struct write w = {.first = id, .last = id, .start = start};
    return add(h, &h->sets[set], w);
}

size_t history_remove(struct history *h, uint32_t set, int64_t first, int64_t last, usec start)
{
    struct write w = {.is_delete = true, .first = first, .last = last, .start = start};
    return add(h, &h->sets[set], w);
}

void history_written(struct history *h, size_t number, usec end, bool acked, bool quorum)
{
    struct write *w = &h->writes[number];
    w->end = end;
    if (acked)
        w->known = end;
    if (acked && quorum)
        w->known_quorum = end;
}

/* --- reads */

struct view { /* what a read must have seen */
    usec start, end;
    enum read_kind kind;
};

static bool must_see(const struct write *w, const struct view *v)
{
    switch (v->kind) {
    case READ_WEAK: return false;
    case READ_QUORUM: return w->known_quorum < v->start || w->shown < v->start;
    case READ_FINAL: return w->known < v->start || w->shown < v->start;
    }
    return false;
}

static bool is_later(const struct history *h, const struct key *k, const struct write *w,
                     const struct write *than)
{
    if (k->stamped)
        return w->timestamp > than->timestamp;
    return than->end != USEC_NEVER && w->start > than->end + h->skew;
}

/* The write that `o` cannot stand against, or NULL. */
static const struct write *overruled(const struct history *h, const struct key *k,
                                     const struct write *o, int64_t id, const struct view *v)
{
    for (size_t i = 0; i < k->count; i++) {
        const struct write *w = &h->writes[k->writes[i]];
        bool touches =
            k >= h->sets && k < h->sets + HISTORY_KEYS_MAX ? w->first <= id && id <= w->last : true;
        if (w != o && touches && must_see(w, v) && is_later(h, k, w, o))
            return w;
    }
    return NULL;
}

static bool complain(struct errmsg *why, const char *what, uint32_t key, int64_t value,
                     const struct write *w, const struct view *v)
{
    const char *kind = v->kind == READ_FINAL ? "in the end" : "at a quorum";
    if (w == NULL)
        (void)errmsg_set(why, ERR_FAILED, "%s %u: %" PRId64 " was read and never written", what,
                         key, value);
    else
        (void)errmsg_set(why, ERR_FAILED,
                         "%s %u: read %" PRId64 " %s at %.3f..%.3f s, but a %s of %" PRId64
                         " at %.3f..%.3f s is later",
                         what, key, value, kind, (double)v->start / 1e6, (double)v->end / 1e6,
                         w->is_delete ? "delete" : "write", w->first, (double)w->start / 1e6,
                         (double)w->end / 1e6);
    return false;
}

static void shown(struct write *w, const struct view *v)
{
    if (v->kind != READ_WEAK && v->end < w->shown)
        w->shown = v->end;
}

/* No value: nothing was ever written, or some delete can stand. */
static bool read_nothing(struct history *h, const struct key *k, uint32_t key, const struct view *v,
                         struct errmsg *why)
{
    struct write never = {.is_delete = true, .timestamp = INT64_MIN, .end = -h->skew - 1};
    const struct write *against = overruled(h, k, &never, 0, v);
    for (size_t i = 0; i < k->count && against != NULL; i++) {
        const struct write *d = &h->writes[k->writes[i]];
        if (d->is_delete && d->start <= v->end && overruled(h, k, d, 0, v) == NULL)
            against = NULL;
    }
    return against == NULL || complain(why, "register", key, 0, against, v);
}

bool history_read_register(struct history *h, uint32_t key, int64_t value, usec start, usec end,
                           enum read_kind kind, struct errmsg *why)
{
    const struct view v = {start, end, kind};
    const struct key *k = &h->registers[key];
    if (value == HISTORY_NOTHING)
        return read_nothing(h, k, key, &v, why);
    for (size_t i = 0; i < k->count; i++) {
        struct write *w = &h->writes[k->writes[i]];
        if (w->is_delete || w->first != value || w->start > end)
            continue;
        const struct write *against = overruled(h, k, w, 0, &v);
        if (against != NULL)
            return complain(why, "register", key, value, against, &v);
        shown(w, &v);
        return true;
    }
    return complain(why, "register", key, value, NULL, &v);
}

/* An id that is missing though its insert must be seen needs a delete that may be later. */
static bool may_be_missing(const struct history *h, const struct key *k, const struct write *in,
                           const struct view *v)
{
    if (!must_see(in, v))
        return true;
    for (size_t i = 0; i < k->count; i++) {
        const struct write *d = &h->writes[k->writes[i]];
        if (d->is_delete && d->first <= in->first && in->first <= d->last && d->start <= v->end &&
            !is_later(h, k, in, d))
            return true;
    }
    return false;
}

static bool among(const int64_t *ids, size_t count, int64_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i] == id)
            return true;
    }
    return false;
}

bool history_read_set(struct history *h, uint32_t set, const int64_t *ids, size_t count, usec start,
                      usec end, enum read_kind kind, struct errmsg *why)
{
    const struct view v = {start, end, kind};
    const struct key *k = &h->sets[set];
    size_t found = 0;
    for (size_t i = 0; i < k->count; i++) {
        struct write *w = &h->writes[k->writes[i]];
        if (w->is_delete)
            continue;
        if (!among(ids, count, w->first)) {
            if (!may_be_missing(h, k, w, &v))
                return errmsg_set(why, ERR_FAILED,
                                  "set %u: %" PRId64 ", known at %.3f s, is missing at %.3f s", set,
                                  w->first,
                                  (double)(w->known < w->shown ? w->known : w->shown) / 1e6,
                                  (double)start / 1e6) == ERR_OK;
            continue;
        }
        found++;
        const struct write *against = overruled(h, k, w, w->first, &v);
        if (against != NULL || w->start > end)
            return complain(why, "set", set, w->first, against, &v);
        shown(w, &v);
    }
    if (found != count)
        return errmsg_set(why, ERR_FAILED, "set %u shows an id that was never inserted, or twice",
                          set) == ERR_OK;
    return true;
}
