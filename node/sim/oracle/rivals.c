#include "node/sim/oracle/rivals.h"

#include "base/map.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

struct write {
    uint64_t writer;
    enum rivals_taking taking;
    usec start, end; /* USEC_NEVER: not answered, or it may yet be executed */
    bool acked, twice;
    uint32_t puts;
    usec known[RIVALS_REPLICAS_MAX + 1]; /* since when so many have it; USEC_NEVER */
    size_t *taken;                       /* values that it is sure to take away */
    size_t taken_count, taken_cap;
    struct rivals_context *context; /* RIVALS_SEEN */
    uint32_t reads;
    struct partition *partition;
};

struct value {
    struct place *place;
    size_t write;
    int64_t value;
    usec may;                           /* since when somebody may have taken it away */
    uint32_t takers;                    /* how many may have */
    usec gone[RIVALS_REPLICAS_MAX + 1]; /* since when so many know that it is */
    uint64_t shown;                     /* by the read of this number, last */
};

struct place {
    int64_t id;
    size_t *values;
    size_t count, cap;
    size_t *takers; /* writes that may not be over, and take what they find */
    size_t takers_count, takers_cap;
};

struct partition {
    uint64_t key;
    struct map ids; /* id -> struct place */
    struct place **places;
    size_t count, cap;
    size_t values;
};

struct rivals {
    struct rivals_config config;
    struct write *writes;
    size_t writes_count, writes_cap;
    struct value *values;
    size_t values_count, values_cap;
    struct map partitions;
    usec *losses;
    size_t losses_count, losses_cap;
    uint64_t reads, held;
};

struct rivals *rivals_new(const struct rivals_config *config)
{
    struct rivals *r = mem_new(struct rivals);
    r->config = *config;
    map_init(&r->partitions);
    return r;
}

static void place_free(void *p)
{
    struct place *l = p;
    mem_free(l->values);
    mem_free(l->takers);
    mem_free(l);
}

static void partition_free(void *p)
{
    struct partition *t = p;
    map_clear(&t->ids, place_free);
    map_close(&t->ids);
    mem_free(t->places);
    mem_free(t);
}

void rivals_free(struct rivals *r)
{
    if (r == NULL)
        return;
    map_clear(&r->partitions, partition_free);
    map_close(&r->partitions);
    for (size_t i = 0; i < r->writes_count; i++) {
        mem_free(r->writes[i].taken);
        mem_free(r->writes[i].context);
    }
    mem_free(r->writes);
    mem_free(r->values);
    mem_free(r->losses);
    mem_free(r);
}

static struct partition *partition_of(struct rivals *r, uint64_t key)
{
    struct partition *p = map_get(&r->partitions, key);
    if (p == NULL) {
        p = mem_new(struct partition);
        p->key = key;
        map_init(&p->ids);
        map_put(&r->partitions, key, p);
    }
    return p;
}

static struct place *place_of(struct partition *p, int64_t id)
{
    struct place *l = map_get(&p->ids, (uint64_t)id);
    if (l == NULL) {
        l = mem_new(struct place);
        l->id = id;
        map_put(&p->ids, (uint64_t)id, l);
        p->places = mem_grow(p->places, p->count, &p->cap, sizeof *p->places);
        p->places[p->count++] = l;
    }
    return l;
}

size_t rivals_count(const struct rivals *r, uint64_t key)
{
    const struct partition *p = map_get(&r->partitions, key);
    return p != NULL ? p->values : 0;
}

uint64_t rivals_held(const struct rivals *r)
{
    return r->held;
}

/* --- what is known */

static void never(usec known[RIVALS_REPLICAS_MAX + 1])
{
    for (size_t i = 0; i <= RIVALS_REPLICAS_MAX; i++)
        known[i] = USEC_NEVER;
}

static void know(usec known[RIVALS_REPLICAS_MAX + 1], uint32_t by, usec at)
{
    for (uint32_t k = 1; k <= by; k++)
        known[k] = at < known[k] ? at : known[k];
}

/* Must it be seen by so many that are asked at this time? */
static bool is_seen(const struct rivals *r, const usec known[RIVALS_REPLICAS_MAX + 1], uint32_t by,
                    usec at)
{
    return by > 0 && by <= r->config.replicas && known[r->config.replicas - by + 1] <= at;
}

static uint32_t left(const struct rivals *r, uint32_t replicas, usec since)
{
    for (size_t i = r->losses_count; i-- > 0 && r->losses[i] >= since;)
        replicas -= replicas > 0;
    return replicas;
}

/* What a read of its own found gone already the write does not take away once more: so many
 * replicas as it read know that. */
static void write_known(struct rivals *r, struct write *w, uint32_t by, usec at)
{
    know(w->known, by, at);
    if (w->taking == RIVALS_ALL && by > w->reads)
        by = w->reads;
    if (w->taking == RIVALS_OWN && w->end == USEC_NEVER)
        return;
    for (size_t i = 0; i < w->taken_count; i++)
        know(r->values[w->taken[i]].gone, by, at);
}

static void lose(usec known[RIVALS_REPLICAS_MAX + 1])
{
    for (size_t i = 1; i < RIVALS_REPLICAS_MAX; i++)
        known[i] = known[i + 1];
    known[RIVALS_REPLICAS_MAX] = USEC_NEVER;
}

void rivals_disk_lost(struct rivals *r, usec at)
{
    r->losses = mem_grow(r->losses, r->losses_count, &r->losses_cap, sizeof *r->losses);
    r->losses[r->losses_count++] = at;
    for (size_t i = 0; i < r->writes_count; i++)
        lose(r->writes[i].known);
    for (size_t i = 0; i < r->values_count; i++)
        lose(r->values[i].gone);
}

void rivals_all_equal(struct rivals *r, usec at)
{
    for (size_t i = 0; i < r->writes_count; i++) {
        if (r->writes[i].known[1] != USEC_NEVER)
            know(r->writes[i].known, r->config.replicas, at);
    }
    for (size_t i = 0; i < r->values_count; i++) {
        if (r->values[i].gone[1] != USEC_NEVER)
            know(r->values[i].gone, r->config.replicas, at);
    }
}

/* --- writes */

size_t rivals_begin(struct rivals *r, const struct rivals_write *w)
{
    r->writes = mem_grow(r->writes, r->writes_count, &r->writes_cap, sizeof *r->writes);
    struct write *n = &r->writes[r->writes_count];
    *n = (struct write){.writer = w->writer,
                        .taking = w->taking,
                        .start = w->start,
                        .end = USEC_NEVER,
                        .reads = w->reads,
                        .twice = w->twice,
                        .partition = partition_of(r, w->key)};
    never(n->known);
    if (w->context != NULL)
        n->context = mem_copy(w->context,
                              sizeof *w->context + w->context->count * sizeof w->context->seen[0]);
    return r->writes_count++;
}

/* The write takes the value away: perhaps, or for sure. */
static void take_value(struct rivals *r, size_t write, size_t value, bool sure)
{
    struct write *w = &r->writes[write];
    struct value *v = &r->values[value];
    v->may = w->start < v->may ? w->start : v->may;
    v->takers++;
    if (!sure || !r->config.once)
        return;
    w->taken = mem_grow(w->taken, w->taken_count, &w->taken_cap, sizeof *w->taken);
    w->taken[w->taken_count++] = value;
}

static bool is_once(const struct rivals *r, const struct write *w)
{
    return r->config.once && !w->twice;
}

/* Who executes it is who acked what its writer wrote before. */
static void take_own(struct rivals *r, size_t write, const struct place *l)
{
    const struct write *w = &r->writes[write];
    for (size_t i = 0; i < l->count; i++) {
        size_t of = r->values[l->values[i]].write;
        const struct write *o = &r->writes[of];
        if (of != write && o->writer == w->writer)
            take_value(r, write, l->values[i], o->acked && is_once(r, o));
    }
}

static void take_all(struct rivals *r, size_t write, const struct place *l)
{
    const struct write *w = &r->writes[write];
    for (size_t i = 0; i < l->count; i++) {
        const struct write *o = &r->writes[r->values[l->values[i]].write];
        if (r->values[l->values[i]].write != write)
            take_value(r, write, l->values[i],
                       is_once(r, o) && is_seen(r, o->known, w->reads, w->start));
    }
}

static void take_seen(struct rivals *r, size_t write, const struct place *l)
{
    const struct rivals_context *c = r->writes[write].context;
    for (size_t i = 0; c != NULL && i < c->count; i++) {
        const struct value *v = &r->values[c->seen[i].value];
        if (v->place == l)
            take_value(r, write, c->seen[i].value, c->seen[i].sure && !r->writes[v->write].twice);
    }
}

/* What the write takes away, as long as it is not over. */
static void take_place(struct rivals *r, size_t write, struct place *l)
{
    const struct write *w = &r->writes[write];
    if (w->taking == RIVALS_OWN)
        take_own(r, write, l);
    if (w->taking == RIVALS_ALL)
        take_all(r, write, l);
    if (w->taking == RIVALS_SEEN)
        take_seen(r, write, l);
    if (w->taking != RIVALS_OWN && w->taking != RIVALS_ALL)
        return;
    l->takers = mem_grow(l->takers, l->takers_count, &l->takers_cap, sizeof *l->takers);
    l->takers[l->takers_count++] = write;
}

void rivals_take(struct rivals *r, size_t write, int64_t id)
{
    take_place(r, write, place_of(r->writes[write].partition, id));
}

/* Does somebody who is not done yet perhaps take what is put now? */
static bool may_be_taken(struct rivals *r, struct place *l, size_t write)
{
    const struct write *w = &r->writes[write];
    size_t kept = 0;
    bool taken = false;
    for (size_t i = 0; i < l->takers_count; i++) {
        const struct write *t = &r->writes[l->takers[i]];
        if (t->end != USEC_NEVER)
            continue;
        taken |= l->takers[i] != write && (t->taking == RIVALS_ALL || t->writer == w->writer);
        l->takers[kept++] = l->takers[i];
    }
    l->takers_count = kept;
    return taken;
}

/* So many that the least may be merged. */
static bool is_crowded(const struct rivals *r, const struct place *l)
{
    size_t there = 0;
    for (size_t i = 0; i < l->count; i++)
        there += r->values[l->values[i]].may == USEC_NEVER;
    return there >= RIVALS_CROWD;
}

void rivals_put(struct rivals *r, size_t write, int64_t id, int64_t value)
{
    struct write *w = &r->writes[write];
    struct place *l = place_of(w->partition, id);
    bool crowded = value != RIVALS_ANY && is_crowded(r, l);
    take_place(r, write, l);
    r->values = mem_grow(r->values, r->values_count, &r->values_cap, sizeof *r->values);
    struct value *v = &r->values[r->values_count];
    *v = (struct value){.place = l, .write = write, .value = value, .may = USEC_NEVER};
    never(v->gone);
    if (crowded || may_be_taken(r, l, write)) {
        v->may = w->start;
        v->takers++;
    }
    for (size_t i = 0; crowded && i < l->count; i++)
        take_value(r, write, l->values[i], false);
    l->values = mem_grow(l->values, l->count, &l->cap, sizeof *l->values);
    l->values[l->count++] = r->values_count++;
    w->partition->values++;
    w->puts++;
}

/* Where another one has removed it already a RIVALS_OWN does not say so once more. */
static void drop_contested(struct rivals *r, struct write *w)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->taken_count; i++) {
        if (r->values[w->taken[i]].takers == 1)
            w->taken[kept++] = w->taken[i];
    }
    w->taken_count = kept;
}

void rivals_wrote(struct rivals *r, size_t write, const struct rivals_end *end)
{
    struct write *w = &r->writes[write];
    w->acked = end->replicas > 0;
    if (!end->open)
        w->end = end->end;
    if (w->taking == RIVALS_OWN)
        drop_contested(r, w);
    if (end->refused)
        w->start = USEC_NEVER;
    else if (end->replicas > 0)
        write_known(r, w, left(r, end->replicas, w->start), end->end);
}

/* --- reads */

struct judge {
    struct rivals *r;
    const struct rivals_read *read;
    uint32_t replicas;
    struct rivals_context *seen;
    size_t seen_cap;
    struct errmsg *why;
};

static bool contradiction(const struct judge *j, const struct place *l, int64_t value,
                          const char *text)
{
    char what[32] = "it";
    if (value != RIVALS_ANY)
        (void)snprintf(what, sizeof what, "%" PRId64, value);
    return errmsg_set(j->why, ERR_FAILED,
                      "%s %" PRIu64 " place %" PRId64 " at %.6f..%.6f s by %u replicas: %s %s",
                      j->r->config.name, j->read->key, l->id, (double)j->read->start / USEC_PER_SEC,
                      (double)j->read->end / USEC_PER_SEC, (unsigned)j->read->replicas, what,
                      text) == ERR_OK;
}

static void see(struct judge *j, size_t value, bool sure)
{
    size_t count = j->seen->count;
    if (count == j->seen_cap) {
        struct rivals_context *more;
        j->seen_cap *= 2;
        more = mem_alloc(sizeof *more + j->seen_cap * sizeof more->seen[0]);
        for (size_t i = 0; i < count; i++)
            more->seen[i] = j->seen->seen[i];
        mem_free(j->seen);
        j->seen = more;
    }
    j->seen->seen[count].value = value;
    j->seen->seen[count].sure = sure;
    j->seen->count = count + 1;
}

/* It is gone, and the read had to know that. */
static bool must_be_gone(const struct judge *j, const struct value *v)
{
    return is_once(j->r, &j->r->writes[v->write]) &&
           is_seen(j->r, v->gone, j->replicas, j->read->start);
}

static bool must_be_there(const struct judge *j, const struct value *v)
{
    return v->may >= j->read->end &&
           is_seen(j->r, j->r->writes[v->write].known, j->replicas, j->read->start);
}

static bool is_begun(const struct judge *j, const struct value *v)
{
    return j->r->writes[v->write].start < j->read->end;
}

static struct value *find_value(struct judge *j, const struct place *l, int64_t value)
{
    for (size_t i = 0; i < l->count; i++) {
        struct value *v = &j->r->values[l->values[i]];
        if (v->value == value && is_begun(j, v))
            return v;
    }
    return NULL;
}

/* An element that is there: which of those who have added it is not told. */
static bool element_shown(struct judge *j, const struct place *l)
{
    size_t can = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct value *v = &j->r->values[l->values[i]];
        can += is_begun(j, v) && !must_be_gone(j, v);
    }
    if (can == 0)
        return contradiction(j, l, RIVALS_ANY, "is there, though all who had put it are replaced");
    for (size_t i = 0; i < l->count; i++) {
        struct value *v = &j->r->values[l->values[i]];
        if (!is_begun(j, v) || must_be_gone(j, v))
            continue;
        see(j, l->values[i], can == 1 || must_be_there(j, v));
        v->shown = j->r->reads;
    }
    return true;
}

static bool value_shown(struct judge *j, const struct place *l, int64_t value)
{
    struct value *v = find_value(j, l, value);
    if (value == RIVALS_ANY && l->count > 0)
        return element_shown(j, l);
    if (v == NULL)
        return contradiction(j, l, value, "was not written there");
    if (must_be_gone(j, v))
        return contradiction(j, l, value, "is there again, after it was replaced");
    v->shown = j->r->reads;
    see(j, (size_t)(v - j->r->values), true);
    return true;
}

/* What was replaced does not stand beside what replaced it. */
static bool stands_alone(const struct judge *j, size_t value)
{
    const struct value *by = &j->r->values[value];
    const struct write *w = &j->r->writes[by->write];
    for (size_t i = 0; i < w->taken_count && by->value != RIVALS_ANY; i++) {
        const struct value *v = &j->r->values[w->taken[i]];
        bool sure = w->taking == RIVALS_SEEN ||
                    (w->taking == RIVALS_OWN && w->end != USEC_NEVER && v->place == by->place);
        if (v->shown == j->r->reads && v->value != RIVALS_ANY && sure)
            return contradiction(j, v->place, v->value, "is there beside what has replaced it");
    }
    return true;
}

/* What is not shown. */
static bool judge_missing(struct judge *j, struct partition *p, bool *held)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct place *l = p->places[i];
        for (size_t k = 0; k < l->count; k++) {
            struct value *v = &j->r->values[l->values[k]];
            *held |= must_be_there(j, v) || must_be_gone(j, v);
            if (v->shown == j->r->reads)
                continue;
            if (must_be_there(j, v))
                return contradiction(j, l, v->value, "is not there, and nobody has replaced it");
            if (is_seen(j->r, j->r->writes[v->write].known, j->replicas, j->read->start))
                know(v->gone, j->replicas, j->read->end);
        }
    }
    return true;
}

/* Of unique values: of elements it is not known which was shown. Where its writer has a value from
 * a clock that is far ahead a RIVALS_OWN is not applied, and its client has a warning; it may be in
 * another place. */
static void learn(struct judge *j)
{
    for (size_t i = 0; i < j->seen->count; i++) {
        const struct value *v = &j->r->values[j->seen->seen[i].value];
        struct write *w = &j->r->writes[v->write];
        if (v->value != RIVALS_ANY && (w->taking != RIVALS_OWN || w->puts == 1))
            write_known(j->r, w, j->replicas, j->read->end);
    }
}

bool rivals_judge(struct rivals *r, const struct rivals_read *read,
                  const struct rivals_shown *shown, size_t count, struct rivals_context **ret,
                  struct errmsg *why)
{
    struct judge j = {.r = r, .read = read, .seen_cap = count + 1, .why = why};
    struct partition *p = partition_of(r, read->key);
    bool good = true;
    bool held = false;
    j.replicas = left(r, read->replicas, read->start);
    j.seen = mem_alloc(sizeof *j.seen + j.seen_cap * sizeof j.seen->seen[0]);
    j.seen->count = 0;
    r->reads++;
    for (size_t i = 0; i < count && good; i++)
        good = value_shown(&j, place_of(p, shown[i].id), shown[i].value);
    for (size_t i = 0; i < j.seen->count && good; i++)
        good = stands_alone(&j, j.seen->seen[i].value);
    good = good && judge_missing(&j, p, &held);
    if (good)
        learn(&j);
    r->held += held;
    if (good && ret != NULL)
        *ret = j.seen;
    else
        mem_free(j.seen);
    return good;
}
