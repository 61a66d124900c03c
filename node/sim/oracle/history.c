/* What was written, and by how many replicas it is known. */
#include "node/sim/oracle/history.h"

#include "base/mem.h"
#include "node/sim/oracle/inner.h"

#include <string.h>

struct history *history_new(const struct history_config *config)
{
    struct history *h = mem_new(struct history);
    ASSERT(config->replicas > 0 && config->replicas <= HISTORY_REPLICAS_MAX);
    h->config = *config;
    map_init(&h->partitions);
    return h;
}

static void partition_free(struct partition *p)
{
    for (size_t i = 0; i < p->all_count; i++) {
        mem_free(p->all[i]->parts);
        mem_free(p->all[i]);
    }
    map_close(&p->cells);
    mem_free(p->all);
    mem_free(p->active);
    mem_free(p->ranges);
    mem_free(p);
}

void history_free(struct history *h)
{
    if (h == NULL)
        return;
    for (size_t i = 0; i < h->all_count; i++)
        partition_free(h->all[i]);
    map_close(&h->partitions);
    mem_free(h->all);
    mem_free(h->writes);
    mem_free(h->known);
    mem_free(h->losses);
    mem_free(h);
}

struct partition *partition_of(struct history *h, uint64_t key)
{
    struct partition *p = map_get(&h->partitions, key);
    if (p != NULL)
        return p;
    p = mem_new(struct partition);
    p->key = key;
    map_init(&p->cells);
    map_put(&h->partitions, key, p);
    h->all = mem_grow(h->all, h->all_count, &h->all_cap, sizeof(struct partition *));
    h->all[h->all_count++] = p;
    return p;
}

struct cell *cell_of(struct partition *p, int64_t id)
{
    return map_get(&p->cells, (uint64_t)id);
}

static struct cell *cell_make(struct partition *p, int64_t id)
{
    struct cell *c = cell_of(p, id);
    if (c != NULL)
        return c;
    c = mem_new(struct cell);
    c->id = id;
    map_put(&p->cells, (uint64_t)id, c);
    p->all = mem_grow(p->all, p->all_count, &p->all_cap, sizeof(struct cell *));
    p->all[p->all_count++] = c;
    return c;
}

static void cell_wake(struct partition *p, struct cell *c)
{
    if (c->active)
        return;
    p->active = mem_grow(p->active, p->active_count, &p->active_cap, sizeof(struct cell *));
    c->active = true;
    c->at = p->active_count;
    p->active[p->active_count++] = c;
}

void cell_rest(struct partition *p, struct cell *c)
{
    struct cell *last = p->active[--p->active_count];
    p->active[c->at] = last;
    last->at = c->at;
    c->active = false;
}

/* --- order */

int part_order(const struct history *h, const struct part *a, const struct part *b)
{
    if (!h->config.stamped) {
        usec x = h->writes[a->write].start;
        usec y = h->writes[b->write].start;
        return x < y ? -1 : x > y;
    }
    if (a->stamp != b->stamp)
        return a->stamp < b->stamp ? -1 : 1;
    if (a->is_delete != b->is_delete)
        return b->is_delete ? -1 : 1;
    if (a->is_delete)
        return 0;
    return a->value < b->value ? -1 : a->value > b->value;
}

/* Some of those that acked `w` had `than`, which was over, when they did: so it was stamped above.
 */
static bool is_stamped_above(const struct history *h, const struct write *w, size_t than)
{
    return w->told && !h->writes[than].more &&
           known_by(h, than, h->config.replicas - w->acked + 1) < w->start;
}

bool part_is_later(const struct history *h, const struct part *w, const struct part *than)
{
    const struct write *late = &h->writes[w->write];
    const struct write *early = &h->writes[than->write];
    if (h->config.stamped)
        return part_order(h, w, than) > 0;
    if (early->end == USEC_NEVER)
        return false;
    if (late->start <= early->end) /* it was read, and written over, while it was on its way */
        return early->acked > h->config.replicas / 2 &&
               known_by(h, than->write, h->config.replicas / 2 + 1) < late->start &&
               is_stamped_above(h, late, than->write);
    return late->start > early->end + h->config.skew_us || is_stamped_above(h, late, than->write);
}

/* --- what is known */

usec known_by(const struct history *h, size_t write, uint32_t replicas)
{
    return h->known[write * h->config.replicas + replicas - 1];
}

void make_known(struct history *h, size_t write, uint32_t replicas, usec at)
{
    usec *known = &h->known[write * h->config.replicas];
    for (uint32_t i = 0; i < replicas && i < h->config.replicas; i++) {
        if (at < known[i])
            known[i] = at;
    }
}

uint32_t replicas_left(const struct history *h, uint32_t replicas, usec start, usec end)
{
    for (size_t i = h->losses_count; i > 0 && replicas > 0 && h->losses[i - 1] >= start; i--)
        replicas -= h->losses[i - 1] <= end;
    return replicas;
}

void history_disk_lost(struct history *h, usec at)
{
    uint32_t n = h->config.replicas;
    h->losses = mem_grow(h->losses, h->losses_count, &h->losses_cap, sizeof *h->losses);
    h->losses[h->losses_count++] = at;
    for (size_t i = 0; i < h->count; i++) {
        usec *known = &h->known[i * n];
        memmove(known, known + 1, (n - 1) * sizeof *known);
        known[n - 1] = USEC_NEVER;
    }
}

void history_all_equal(struct history *h, usec at)
{
    h->equal = true;
    for (size_t i = 0; i < h->count; i++) {
        if (known_by(h, i, 1) <= at)
            make_known(h, i, h->config.replicas, at);
    }
}

/* --- writes */

size_t write_new(struct history *h, struct write w)
{
    uint32_t n = h->config.replicas;
    size_t cap = h->cap;
    w.end = w.over = w.shown = USEC_NEVER;
    w.reader = HISTORY_NOBODY;
    h->writes = mem_grow(h->writes, h->count, &h->cap, sizeof *h->writes);
    if (cap != h->cap)
        h->known = mem_resize(h->known, h->cap * n * sizeof *h->known);
    h->writes[h->count] = w;
    for (uint32_t i = 0; i < n; i++)
        h->known[h->count * n + i] = USEC_NEVER;
    return h->count++;
}

size_t history_write(struct history *h, uint32_t client, int64_t stamp, usec start)
{
    return write_new(
        h, (struct write){.client = client, .single = true, .stamp = stamp, .start = start});
}

/* Mostly the newest. */
void cell_add(struct history *h, struct partition *p, struct cell *c, struct part part)
{
    size_t at = c->count;
    c->parts = mem_grow(c->parts, c->count, &c->cap, sizeof *c->parts);
    for (; at > 0 && part_order(h, &c->parts[at - 1], &part) > 0; at--)
        c->parts[at] = c->parts[at - 1];
    c->parts[at] = part;
    c->count++;
    cell_wake(p, c);
}

static struct part make_part(const struct history *h, size_t write)
{
    return (struct part){.write = write, .stamp = h->writes[write].stamp, .beaten = NO_WRITE};
}

void history_put(struct history *h, size_t write, uint64_t key, int64_t id, int64_t value)
{
    struct partition *p = partition_of(h, key);
    struct part part = make_part(h, write);
    part.value = value;
    cell_add(h, p, cell_make(p, id), part);
}

static void add_range(struct history *h, struct partition *p, struct range r)
{
    size_t at = p->ranges_count;
    p->ranges = mem_grow(p->ranges, p->ranges_count, &p->ranges_cap, sizeof *p->ranges);
    for (; at > 0 && part_order(h, &p->ranges[at - 1].part, &r.part) > 0; at--)
        p->ranges[at] = p->ranges[at - 1];
    p->ranges[at] = r;
    p->ranges_count++;
}

void history_delete(struct history *h, size_t write, uint64_t key, int64_t first, int64_t last)
{
    struct partition *p = partition_of(h, key);
    struct part part = make_part(h, write);
    part.is_delete = true;
    if (first == last)
        cell_add(h, p, cell_make(p, first), part);
    else
        add_range(h, p, (struct range){part, first, last, false});
}

void history_overwrite(struct history *h, size_t write, uint64_t key)
{
    struct part part = make_part(h, write);
    part.is_delete = true;
    part.stamp--; /* Cassandra's: so that it does not take its own elements */
    add_range(h, partition_of(h, key), (struct range){part, INT64_MIN, INT64_MAX, true});
}

void history_expires(struct history *h, size_t write, usec ttl_us)
{
    h->writes[write].ttl = ttl_us;
}

void history_wrote(struct history *h, size_t write, const struct history_end *end)
{
    struct write *w = &h->writes[write];
    w->end = end->open ? USEC_NEVER : end->end;
    w->more = end->open || end->again;
    w->acked = end->replicas < h->config.replicas ? end->replicas : h->config.replicas;
    w->told = end->told && end->replicas > 0 && !w->more;
    w->over = end->replicas > 0 && !w->more ? end->end : USEC_NEVER;
    w->single = h->config.stamped || !w->more;
    make_known(h, write, replicas_left(h, end->replicas, w->start, end->end), end->end);
}
