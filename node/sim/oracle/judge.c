/* Whether what was read can be. */
#include "base/mem.h"
#include "node/sim/oracle/inner.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RIVALS_MAX  32 /* concurrent writes that are compared with a winner */
#define ACTIVE_MAX  64 /* of more cells fewer are asked whether they are gone for all replicas */
#define EXPIRY_UNIT USEC_PER_SEC

struct judge {
    struct history *h;
    struct partition *p;
    const struct history_read *r;
    uint32_t need;  /* it must see what is known by so many */
    uint32_t shows; /* what it shows is known by so many; 0: by nobody for sure */
    size_t *ranges; /* range deletes it must see, youngest first */
    size_t ranges_count;
    bool held; /* an older answer would have been refused */
    struct errmsg *why;
};

static bool must_see(const struct judge *j, size_t write)
{
    return j->need <= j->h->config.replicas && known_by(j->h, write, j->need) < j->r->start;
}

/* What orders parts before anything else does. */
static int64_t place_of(const struct history *h, const struct part *p)
{
    return h->config.stamped ? p->stamp : h->writes[p->write].start;
}

/* Did that write do something to the cell itself? Its parts are in the order of part_order. */
static bool is_of(const struct judge *j, const struct cell *c, const struct part *part)
{
    size_t low = 0;
    size_t high = c->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (c->parts[mid].write == part->write)
            return true;
        if (place_of(j->h, &c->parts[mid]) < place_of(j->h, part))
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < c->count && place_of(j->h, &c->parts[low]) == place_of(j->h, part); low++) {
        if (c->parts[low].write == part->write)
            return true;
    }
    return false;
}

static bool touches(const struct judge *j, const struct range *range, const struct cell *c)
{
    return c->id >= range->first && c->id <= range->last &&
           !(range->overwrite && is_of(j, c, &range->part));
}

/* The range deletes that it must see, down to the first that takes everything. */
static void find_ranges(struct judge *j)
{
    j->ranges = mem_alloc((j->p->ranges_count + 1) * sizeof *j->ranges);
    for (size_t i = j->p->ranges_count; i > 0; i--) {
        const struct range *range = &j->p->ranges[i - 1];
        if (!must_see(j, range->part.write))
            continue;
        j->ranges[j->ranges_count++] = i - 1;
        if (range->first == INT64_MIN && range->last == INT64_MAX && !range->overwrite)
            return;
    }
}

/* The youngest of what it must see. */
static const struct part *floor_of(const struct judge *j, const struct cell *c)
{
    const struct part *top = NULL;
    for (size_t i = c->count; i > 0 && top == NULL; i--) {
        if (must_see(j, c->parts[i - 1].write))
            top = &c->parts[i - 1];
    }
    for (size_t i = 0; i < j->ranges_count; i++) {
        const struct range *range = &j->p->ranges[j->ranges[i]];
        if (!touches(j, range, c))
            continue;
        if (top == NULL || part_order(j->h, &range->part, top) > 0)
            top = &range->part;
        break;
    }
    return top;
}

/* What was there before `floor` would have been refused. */
static bool is_held(const struct judge *j, const struct cell *c, const struct part *floor)
{
    if (floor == NULL)
        return false;
    if (c->count == 1 && j->p->ranges_count == 0)
        return !floor->is_delete && j->h->writes[floor->write].ttl == 0;
    return part_is_later(j->h, floor, &c->parts[0]);
}

/* Once all replicas had y, a delete or a value that expires, it may have been forgotten, and `o`
 * have been executed only then. */
static bool may_go_before(const struct judge *j, const struct part *y, const struct part *o,
                          const struct part *floor)
{
    const struct write *w = &j->h->writes[y->write];
    bool is_floor = y->write == floor->write || j->h->writes[floor->write].seen;
    if (!is_floor && part_order(j->h, y, floor) == 0)
        return false;
    usec from = y->is_delete ? w->start : w->start + w->ttl - EXPIRY_UNIT - j->h->config.skew_us;
    return !w->seen && (y->is_delete || w->ttl > 0) && from < j->h->writes[o->write].over;
}

/* `floor`, or what has overruled it, may have been forgotten before `o` came. */
static bool is_forgotten(const struct judge *j, const struct cell *c, const struct part *o,
                         const struct part *floor)
{
    for (size_t i = c->count; i > 0 && part_order(j->h, &c->parts[i - 1], floor) >= 0; i--) {
        if (may_go_before(j, &c->parts[i - 1], o, floor))
            return true;
    }
    for (size_t i = j->p->ranges_count; i > 0; i--) {
        const struct range *range = &j->p->ranges[i - 1];
        if (part_order(j->h, &range->part, floor) < 0)
            break;
        if (touches(j, range, c) && may_go_before(j, &range->part, o, floor))
            return true;
    }
    return false;
}

/* It can stand against all that must be seen. */
static bool can_stand(const struct judge *j, const struct cell *c, const struct part *o,
                      const struct part *floor)
{
    if (floor != NULL && floor != o && part_is_later(j->h, floor, o))
        return j->h->config.stamped && !o->is_delete && is_forgotten(j, c, o, floor);
    return o->beaten == NO_WRITE || !must_see(j, o->beaten);
}

static bool may_have_expired(const struct judge *j, const struct write *w)
{
    return w->ttl > 0 && j->r->end >= w->start + w->ttl - EXPIRY_UNIT - j->h->config.skew_us;
}

static bool has_expired(const struct judge *j, const struct write *w)
{
    return w->ttl > 0 && w->end != USEC_NEVER &&
           j->r->start > w->end + w->ttl + EXPIRY_UNIT + j->h->config.skew_us;
}

/* --- words */

static double seconds(usec t)
{
    return (double)t / 1e6;
}

static const char *session(const struct judge *j, const struct part *o, const struct write *w)
{
    const struct write *shown = o != NULL ? &j->h->writes[o->write] : NULL;
    if (w->client == j->r->client)
        return w->seen ? " (monotonic reads)" : " (read your writes)";
    if (w->reader == j->r->client && w->shown < j->r->start)
        return " (monotonic reads)";
    if (shown != NULL && shown->client == w->client && !w->seen)
        return " (monotonic writes)";
    if (shown != NULL && shown->reader == w->client && shown->shown <= w->start)
        return " (writes follow reads)";
    return "";
}

static void say_when(char *text, size_t size, const struct write *w)
{
    if (w->end == USEC_NEVER)
        (void)snprintf(text, size, "%.6f.. s by client %" PRIu32, seconds(w->start), w->client);
    else
        (void)snprintf(text, size, "%.6f..%.6f s by client %" PRIu32, seconds(w->start),
                       seconds(w->end), w->client);
}

static void say_value(char *text, size_t size, int64_t value)
{
    if (value == HISTORY_NOTHING)
        (void)snprintf(text, size, "nothing");
    else if (value == HISTORY_ANY)
        (void)snprintf(text, size, "it is there");
    else
        (void)snprintf(text, size, "%" PRId64, value);
}

/* What keeps `o` from being shown. */
static struct part against_of(const struct judge *j, const struct part *o, const struct part *floor)
{
    if (o == NULL || (floor != NULL && part_is_later(j->h, floor, o)))
        return *floor;
    return (struct part){.write = o->beaten, .is_delete = o->is_delete};
}

/* `against` must be seen, and is later than what was shown, which was `o` (NULL: nothing). */
static bool contradict(const struct judge *j, const struct cell *c, int64_t value,
                       const struct part *o, const struct part *floor)
{
    char what[32], when[96], old[128] = "";
    struct part against = against_of(j, o, floor);
    const struct write *w = &j->h->writes[against.write];
    say_value(what, sizeof what, value);
    say_when(when, sizeof when, w);
    if (o != NULL) {
        char age[96];
        say_when(age, sizeof age, &j->h->writes[o->write]);
        (void)snprintf(old, sizeof old, ", of %s,", age);
    }
    return errmsg_set(j->why, ERR_FAILED,
                      "%s %" PRIu64 " id %" PRId64 ": %s%s at %.6f..%.6f s by %" PRIu32
                      " replicas%s, but %s %" PRId64 " of %s is later%s",
                      j->h->config.name, j->p->key, c->id, what, old, seconds(j->r->start),
                      seconds(j->r->end), j->r->replicas, j->h->equal ? " in the end" : "",
                      w->seen             ? "what was seen, as of"
                      : against.is_delete ? "a delete, with"
                                          : "a write of",
                      against.value, when, session(j, o, w)) == ERR_OK;
}

static bool complain(const struct judge *j, int64_t id, int64_t value, const char *text)
{
    char what[32];
    say_value(what, sizeof what, value);
    return errmsg_set(
               j->why, ERR_FAILED,
               "%s %" PRIu64 " id %" PRId64 ": %s at %.6f..%.6f s by %" PRIu32 " replicas%s, %s",
               j->h->config.name, j->p->key, id, what, seconds(j->r->start), seconds(j->r->end),
               j->r->replicas, j->h->equal ? " in the end" : "", text) == ERR_OK;
}

/* --- what a read tells */

/* Of two that are concurrent, `won` was seen to win. */
static void remember_winner(const struct judge *j, struct cell *c, size_t won)
{
    size_t seen = 0;
    if (j->h->config.stamped || !j->h->writes[won].single)
        return;
    for (size_t i = c->count; i > 0 && seen < RIVALS_MAX; i--, seen++) {
        struct part *x = &c->parts[i - 1];
        const struct write *w = &j->h->writes[x->write];
        if (x->write != won && w->single && !w->seen && w->end != USEC_NEVER &&
            x->beaten == NO_WRITE && must_see(j, x->write))
            x->beaten = won;
    }
}

static void show(const struct judge *j, struct cell *c, const struct part *o)
{
    struct write *w = &j->h->writes[o->write];
    size_t won = o->write;
    if (w->reader == HISTORY_NOBODY) {
        w->reader = j->r->client;
        w->shown = j->r->end;
    }
    make_known(j->h, o->write, j->shows, j->r->end);
    remember_winner(j, c, won);
}

/* One of several was shown; at least as young as the oldest of them is what is there. */
static void show_some(const struct judge *j, struct cell *c, struct part oldest, usec start)
{
    struct write w = {.client = j->r->client, .seen = true, .stamp = oldest.stamp, .start = start};
    if (j->shows == 0)
        return;
    oldest.write = write_new(j->h, w);
    oldest.beaten = NO_WRITE;
    for (size_t i = c->count; i > 0 && part_order(j->h, &c->parts[i - 1], &oldest) >= 0; i--) {
        if (known_by(j->h, c->parts[i - 1].write, j->shows) <= j->r->end) {
            j->h->count--; /* nothing new */
            return;
        }
    }
    make_known(j->h, oldest.write, j->shows, j->r->end);
    bool active = c->active;
    cell_add(j->h, j->p, c, oldest);
    if (!active && c->active)
        cell_rest(j->p, c);
}

/* What may have been shown. */
struct found {
    size_t feasible;
    const struct part *only;   /* of the feasible ones the last found */
    bool is_of_range;          /* which is a delete of a range */
    const struct part *oldest; /* of the feasible ones */
    usec start;                /* of the feasible ones the least */
    const struct part *any;    /* of the others the last found */
};

static void consider(const struct judge *j, const struct cell *c, const struct part *o,
                     const struct part *floor, struct found *f)
{
    const struct write *w = &j->h->writes[o->write];
    if (!can_stand(j, c, o, floor)) {
        f->any = o;
        return;
    }
    f->feasible++;
    f->only = o;
    if (f->oldest == NULL || part_order(j->h, o, f->oldest) < 0)
        f->oldest = o;
    if (f->feasible == 1 || w->start < f->start)
        f->start = w->start;
}

/* Of a range delete no more is known than what this cell shows: others may have been repaired of it
 * by reads that did not ask for all of the range. */
static void learn(const struct judge *j, struct cell *c, const struct found *f)
{
    if (f->feasible == 1 && !f->is_of_range)
        show(j, c, f->only);
    else
        show_some(j, c, *f->oldest, f->start);
}

/* --- what was acked without a warning */

/* All that acked `o` had y when they did. */
static bool was_there_before(const struct judge *j, const struct part *y, const struct part *o)
{
    const struct write *w = &j->h->writes[o->write];
    return known_by(j->h, y->write, j->h->config.replicas - w->acked + 1) < w->start;
}

/* y need not have been told to who wrote `o`: it came later; or who acked had forgotten it, and the
 * read joined one that has `o` with one that has y, still, and not yet `o`. */
static bool is_untold(const struct judge *j, const struct part *y, const struct part *o)
{
    const struct write *w = &j->h->writes[y->write];
    bool everywhere = known_by(j->h, o->write, j->h->config.replicas) < j->r->start;
    return !was_there_before(j, y, o) || (!everywhere && (y->is_delete || w->ttl > 0));
}

/* Something hides it of which nobody had to tell. */
static bool may_be_hidden(const struct judge *j, const struct cell *c, const struct part *o)
{
    if (may_have_expired(j, &j->h->writes[o->write]))
        return true;
    for (size_t i = c->count; i > 0 && part_order(j->h, &c->parts[i - 1], o) > 0; i--) {
        const struct part *y = &c->parts[i - 1];
        if (!j->h->writes[y->write].seen && is_untold(j, y, o))
            return true;
    }
    for (size_t i = j->p->ranges_count; i > 0; i--) {
        const struct range *range = &j->p->ranges[i - 1];
        if (part_order(j->h, &range->part, o) < 0)
            break;
        if (touches(j, range, c) && is_untold(j, &range->part, o))
            return true;
    }
    return false;
}

/* `value` was read. */
static bool judge_told(const struct judge *j, const struct cell *c, int64_t value)
{
    for (size_t i = c->count; i > 0; i--) {
        const struct part *o = &c->parts[i - 1];
        const struct write *w = &j->h->writes[o->write];
        if (!w->told || o->is_delete || o->value == value || value == HISTORY_ANY)
            continue;
        if (must_see(j, o->write) && !may_be_hidden(j, c, o)) {
            char text[128];
            (void)snprintf(text, sizeof text,
                           "but %" PRId64 " of %.6f..%.6f s by client %" PRIu32
                           " was acked without a warning",
                           o->value, seconds(w->start), seconds(w->end), w->client);
            return complain(j, c->id, value, text);
        }
    }
    return true;
}

/* Who wrote after the floor, and was told nothing, sees it once all replicas have it: the cell is
 * not gone for good. */
static bool is_owed(const struct judge *j, const struct cell *c, const struct part *floor)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct part *o = &c->parts[i];
        const struct write *w = &j->h->writes[o->write];
        if (w->told && !o->is_delete && !may_have_expired(j, w) && was_there_before(j, floor, o))
            return true;
    }
    return false;
}

/* --- one cell */

/* Nothing was ever known, or a delete that is later than all that was put. */
static bool is_gone(const struct judge *j, const struct cell *c, const struct part *floor)
{
    if (floor == NULL)
        return true;
    for (size_t i = c->count; floor->is_delete && i > 0; i--) {
        const struct part *o = &c->parts[i - 1];
        if (!o->is_delete && !j->h->writes[o->write].seen && !part_is_later(j->h, floor, o))
            return false;
    }
    return floor->is_delete;
}

static bool judge_nothing(struct judge *j, struct cell *c)
{
    const struct part *floor = floor_of(j, c);
    struct found f = {0};
    j->held |= is_held(j, c, floor);
    if (j->h->config.stamped && !judge_told(j, c, HISTORY_NOTHING))
        return false;
    if (is_gone(j, c, floor)) {
        uint32_t enough =
            j->p->active_count < ACTIVE_MAX ? j->h->config.replicas : j->h->config.replicas / 2 + 1;
        if (floor != NULL && known_by(j->h, floor->write, enough) <= j->r->end &&
            !is_owed(j, c, floor))
            cell_rest(j->p, c);
        if (floor == NULL || j->shows == 0 || known_by(j->h, floor->write, j->shows) <= j->r->end)
            return true;
    }
    for (size_t i = c->count; i > 0; i--) {
        const struct part *o = &c->parts[i - 1];
        const struct write *w = &j->h->writes[o->write];
        if (!w->seen && (o->is_delete || may_have_expired(j, w)))
            consider(j, c, o, floor, &f);
    }
    for (size_t i = j->p->ranges_count; i > 0; i--) {
        const struct range *range = &j->p->ranges[i - 1];
        if (c->id < range->first || c->id > range->last)
            continue;
        if (!can_stand(j, c, &range->part, floor)) {
            f.any = f.any != NULL ? f.any : &range->part;
            continue;
        }
        if (touches(j, range, c))
            consider(j, c, &range->part, floor, &f);
        if (f.only == &range->part)
            f.is_of_range = true;
    }
    if (f.feasible == 0)
        return contradict(j, c, HISTORY_NOTHING, f.any, floor);
    learn(j, c, &f);
    return true;
}

static bool judge_value(struct judge *j, struct cell *c, int64_t value)
{
    const struct part *floor = floor_of(j, c);
    struct found f = {0};
    bool expired = false;
    j->held |= is_held(j, c, floor);
    if (j->h->config.stamped && !judge_told(j, c, value))
        return false;
    if (value == HISTORY_ANY && floor != NULL && !floor->is_delete &&
        j->h->writes[floor->write].ttl == 0 && can_stand(j, c, floor, floor))
        return true; /* nothing new */
    for (size_t i = c->count; i > 0; i--) {
        const struct part *o = &c->parts[i - 1];
        const struct write *w = &j->h->writes[o->write];
        if (o->is_delete || w->seen || (value != HISTORY_ANY && o->value != value))
            continue;
        if (has_expired(j, w))
            expired = true;
        else
            consider(j, c, o, floor, &f);
        if (value != HISTORY_ANY)
            break;
    }
    if (f.feasible > 0) {
        learn(j, c, &f);
        return true;
    }
    if (f.any == NULL)
        return complain(j, c->id, value, expired ? "but it expired" : "and it was never written");
    return contradict(j, c, value, f.any, floor);
}

/* --- a slice */

static bool is_shown(const struct history_row *rows, size_t count, bool descending, int64_t id)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int64_t at = rows[middle].id;
        if (at == id)
            return true;
        if (descending ? at > id : at < id)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool in_order(const struct judge *j, const struct history_row *rows, size_t count)
{
    const struct history_read *r = j->r;
    if (r->limit > 0 && count > r->limit)
        return complain(j, rows[count - 1].id, rows[count - 1].value, "beyond the limit");
    for (size_t i = 0; i < count; i++) {
        if (rows[i].id < r->first || rows[i].id > r->last)
            return complain(j, rows[i].id, rows[i].value, "and it was not asked for");
        if (i > 0 && rows[i].id == rows[i - 1].id)
            return complain(j, rows[i].id, rows[i].value, "and it is there twice");
        if (i > 0 && (rows[i].id < rows[i - 1].id) != r->descending)
            return complain(j, rows[i].id, rows[i].value, "and it is not in order");
    }
    return true;
}

static bool judge_rows(struct judge *j, const struct history_row *rows, size_t count)
{
    int64_t first = j->r->first;
    int64_t last = j->r->last;
    if (j->r->limit > 0 && count == j->r->limit) {
        if (j->r->descending)
            first = rows[count - 1].id;
        else
            last = rows[count - 1].id;
    }
    for (size_t i = 0; i < count; i++) {
        struct cell *c = cell_of(j->p, rows[i].id);
        if (c == NULL)
            return complain(j, rows[i].id, rows[i].value, "and it was never written");
        if (!judge_value(j, c, rows[i].value))
            return false;
    }
    /* From the end: a cell that comes to rest is replaced by one that was looked at. */
    for (size_t i = j->p->active_count; i > 0; i--) {
        struct cell *c = j->p->active[i - 1];
        if (c->id >= first && c->id <= last && !is_shown(rows, count, j->r->descending, c->id) &&
            !judge_nothing(j, c))
            return false;
    }
    return true;
}

bool history_judge(struct history *h, const struct history_read *r, const struct history_row *rows,
                   size_t count, struct errmsg *why)
{
    struct judge j = {.h = h, .p = partition_of(h, r->key), .r = r, .why = why};
    uint32_t replicas = r->replicas < h->config.replicas ? r->replicas : h->config.replicas;
    j.need = h->config.replicas - replicas + 1;
    j.shows = replicas_left(h, replicas, r->start, r->end);
    find_ranges(&j);
    bool good = in_order(&j, rows, count) && judge_rows(&j, rows, count);
    h->held += good && j.held;
    mem_free(j.ranges);
    return good;
}

uint64_t history_held(const struct history *h)
{
    return h->held;
}
