/* clock.c - see clock.h.
 *
 * Encoding, version 1 (stored and sent: do not renumber):
 *
 *   clock = u8 version, varint count, entry*          actors ascending
 *   entry = varint node, varint boot, varint base, varint runs, run*
 *   run   = varint (first - end - 2), varint (last - first)
 *
 * where `end` is the base or the last of the run before: runs are never adjacent, so the difference
 * is at least 2. An entry has a base or a run. One clock has one encoding.
 */
#include "storage/clock.h"

#include "base/mem.h"

#include <string.h>
#include <xxhash.h>

#define CLOCK_VERSION 1

void clock_init(struct clock *c)
{
    *c = (struct clock){0};
}

void clock_close(struct clock *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->count; i++)
        mem_free(c->entries[i].runs);
    mem_free(c->entries);
    *c = (struct clock){0};
}

/* The place of the actor, or where it would be put. */
static size_t entry_place(const struct clock *c, struct actor actor)
{
    size_t low = 0;
    size_t high = c->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (actor_compare(c->entries[mid].actor, actor) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static const struct clock_entry *entry_find(const struct clock *c, struct actor actor)
{
    size_t i = entry_place(c, actor);
    if (i < c->count && actor_compare(c->entries[i].actor, actor) == 0)
        return &c->entries[i];
    return NULL;
}

static struct clock_entry *entry_make(struct clock *c, struct actor actor)
{
    size_t i = entry_place(c, actor);
    if (i < c->count && actor_compare(c->entries[i].actor, actor) == 0)
        return &c->entries[i];
    c->entries = mem_grow(c->entries, c->count, &c->cap, sizeof *c->entries);
    memmove(&c->entries[i + 1], &c->entries[i], (c->count - i) * sizeof *c->entries);
    c->entries[i] = (struct clock_entry){.actor = actor};
    c->count++;
    return &c->entries[i];
}

void clock_copy(struct clock *to, const struct clock *from)
{
    if (to == from)
        return;
    clock_close(to);
    if (from->count == 0)
        return;
    to->entries = mem_copy(from->entries, from->count * sizeof *from->entries);
    to->count = to->cap = from->count;
    for (size_t i = 0; i < to->count; i++) {
        struct clock_entry *e = &to->entries[i];
        e->runs_cap = e->runs_count;
        e->runs = e->runs_count > 0 ? mem_copy(e->runs, e->runs_count * sizeof *e->runs) : NULL;
    }
}

/* The first run whose last is >= n. */
static size_t run_place(const struct clock_entry *e, uint64_t n)
{
    size_t low = 0;
    size_t high = e->runs_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (e->runs[mid].last < n)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void runs_remove(struct clock_entry *e, size_t at, size_t count)
{
    e->runs_count -= count;
    memmove(&e->runs[at], &e->runs[at + count], (e->runs_count - at) * sizeof *e->runs);
}

static bool entry_has(const struct clock_entry *e, uint64_t first, uint64_t last)
{
    if (last <= e->base)
        return true;
    size_t i = run_place(e, first);
    return i < e->runs_count && e->runs[i].first <= first && last <= e->runs[i].last;
}

static void entry_add(struct clock_entry *e, uint64_t first, uint64_t last)
{
    if (first <= e->base + 1) {
        size_t swallowed = 0;
        e->base = last > e->base ? last : e->base;
        while (swallowed < e->runs_count && e->runs[swallowed].first <= e->base + 1) {
            if (e->runs[swallowed].last > e->base)
                e->base = e->runs[swallowed].last;
            swallowed++;
        }
        if (swallowed > 0)
            runs_remove(e, 0, swallowed);
        return;
    }
    size_t i = run_place(e, first - 1); /* the first run that may touch or overlap */
    size_t end = i;
    while (end < e->runs_count && e->runs[end].first <= last + 1) {
        first = e->runs[end].first < first ? e->runs[end].first : first;
        last = e->runs[end].last > last ? e->runs[end].last : last;
        end++;
    }
    if (end > i) {
        runs_remove(e, i + 1, end - i - 1);
    } else {
        e->runs = mem_grow(e->runs, e->runs_count, &e->runs_cap, sizeof *e->runs);
        memmove(&e->runs[i + 1], &e->runs[i], (e->runs_count - i) * sizeof *e->runs);
        e->runs_count++;
    }
    e->runs[i] = (struct clock_run){first, last};
}

bool clock_add(struct clock *c, struct dot dot)
{
    ASSERT(dot.n >= 1);
    ASSERT(dot.n <= DOT_N_MAX);
    struct clock_entry *e = entry_make(c, dot.actor);
    if (entry_has(e, dot.n, dot.n))
        return false;
    entry_add(e, dot.n, dot.n);
    return true;
}

void clock_add_run(struct clock *c, struct actor actor, uint64_t first, uint64_t last)
{
    ASSERT(first >= 1);
    ASSERT(first <= last);
    ASSERT(last <= DOT_N_MAX);
    entry_add(entry_make(c, actor), first, last);
}

bool clock_has(const struct clock *c, struct dot dot)
{
    const struct clock_entry *e = entry_find(c, dot.actor);
    return e != NULL && entry_has(e, dot.n, dot.n);
}

static uint64_t entry_top(const struct clock_entry *e)
{
    return e->runs_count > 0 ? e->runs[e->runs_count - 1].last : e->base;
}

uint64_t clock_run_from(const struct clock *c, struct dot dot)
{
    size_t at = entry_place(c, dot.actor);
    if (at == c->count || actor_compare(c->entries[at].actor, dot.actor) != 0)
        return 0;
    const struct clock_entry *e = &c->entries[at];
    if (dot.n <= e->base)
        return 1;
    size_t i = run_place(e, dot.n);
    return i < e->runs_count && e->runs[i].first <= dot.n ? e->runs[i].first : 0;
}

uint64_t clock_base(const struct clock *c, struct actor actor)
{
    const struct clock_entry *e = entry_find(c, actor);
    return e != NULL ? e->base : 0;
}

uint64_t clock_top(const struct clock *c, struct actor actor)
{
    const struct clock_entry *e = entry_find(c, actor);
    return e != NULL ? entry_top(e) : 0;
}

void clock_merge(struct clock *into, const struct clock *from)
{
    if (into == from)
        return;
    for (size_t i = 0; i < from->count; i++) {
        const struct clock_entry *f = &from->entries[i];
        struct clock_entry *e = entry_make(into, f->actor);
        if (f->base > 0)
            entry_add(e, 1, f->base);
        for (size_t k = 0; k < f->runs_count; k++)
            entry_add(e, f->runs[k].first, f->runs[k].last);
    }
}

bool clock_covers(const struct clock *a, const struct clock *b)
{
    for (size_t i = 0; i < b->count; i++) {
        const struct clock_entry *y = &b->entries[i];
        const struct clock_entry *x = entry_find(a, y->actor);
        if (x == NULL || x->base < y->base)
            return false;
        for (size_t k = 0; k < y->runs_count; k++) {
            if (!entry_has(x, y->runs[k].first, y->runs[k].last))
                return false;
        }
    }
    return true;
}

bool clock_equal(const struct clock *a, const struct clock *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct clock_entry *x = &a->entries[i];
        const struct clock_entry *y = &b->entries[i];
        if (actor_compare(x->actor, y->actor) != 0 || x->base != y->base ||
            x->runs_count != y->runs_count)
            return false;
        for (size_t k = 0; k < x->runs_count; k++) {
            if (x->runs[k].first != y->runs[k].first || x->runs[k].last != y->runs[k].last)
                return false;
        }
    }
    return true;
}

/* Add to ret what of first..last is not in b's entry y (NULL: all of it). */
static void add_missing(struct clock *ret, struct actor actor, uint64_t first, uint64_t last,
                        const struct clock_entry *y)
{
    if (y != NULL && first <= y->base)
        first = y->base + 1;
    size_t k = y != NULL ? run_place(y, first) : 0;
    while (first <= last) {
        if (y == NULL || k == y->runs_count || y->runs[k].first > last) {
            clock_add_run(ret, actor, first, last);
            return;
        }
        if (y->runs[k].first > first)
            clock_add_run(ret, actor, first, y->runs[k].first - 1);
        first = y->runs[k].last + 1;
        k++;
    }
}

void clock_missing(const struct clock *a, const struct clock *b, struct clock *ret)
{
    ASSERT(ret != a && ret != b);
    clock_close(ret);
    for (size_t i = 0; i < a->count; i++) {
        const struct clock_entry *x = &a->entries[i];
        const struct clock_entry *y = entry_find(b, x->actor);
        if (x->base > 0)
            add_missing(ret, x->actor, 1, x->base, y);
        for (size_t k = 0; k < x->runs_count; k++)
            add_missing(ret, x->actor, x->runs[k].first, x->runs[k].last, y);
    }
}

/* Add to ret what of first..last is in b's entry y. */
static void add_common(struct clock *ret, struct actor actor, uint64_t first, uint64_t last,
                       const struct clock_entry *y)
{
    if (y->base >= first)
        clock_add_run(ret, actor, first, last < y->base ? last : y->base);
    for (size_t k = run_place(y, first); k < y->runs_count && y->runs[k].first <= last; k++) {
        uint64_t from = y->runs[k].first > first ? y->runs[k].first : first;
        uint64_t upto = y->runs[k].last < last ? y->runs[k].last : last;
        clock_add_run(ret, actor, from, upto);
    }
}

void clock_common(const struct clock *a, const struct clock *b, struct clock *ret)
{
    ASSERT(ret != a && ret != b);
    clock_close(ret);
    for (size_t i = 0; i < a->count; i++) {
        const struct clock_entry *x = &a->entries[i];
        const struct clock_entry *y = entry_find(b, x->actor);
        if (y == NULL)
            continue;
        if (x->base > 0)
            add_common(ret, x->actor, 1, x->base, y);
        for (size_t k = 0; k < x->runs_count; k++)
            add_common(ret, x->actor, x->runs[k].first, x->runs[k].last, y);
    }
}

bool clock_empty(const struct clock *c)
{
    return c->count == 0;
}

uint64_t clock_count(const struct clock *c)
{
    uint64_t total = 0;
    for (size_t i = 0; i < c->count; i++) {
        const struct clock_entry *e = &c->entries[i];
        uint64_t own = e->base;
        for (size_t k = 0; k < e->runs_count; k++)
            own += e->runs[k].last - e->runs[k].first + 1; /* at most DOT_N_MAX */
        total = total > UINT64_MAX - own ? UINT64_MAX : total + own;
    }
    return total;
}

uint64_t clock_hash(const struct clock *c)
{
    struct buf b;
    buf_init(&b, SIZE_MAX);
    clock_encode(c, &b);
    uint64_t hash = XXH3_64bits(b.data, b.len);
    buf_close(&b);
    return hash;
}

void clock_encode(const struct clock *c, struct buf *out)
{
    buf_put_u8(out, CLOCK_VERSION);
    buf_put_varint(out, c->count);
    for (size_t i = 0; i < c->count; i++) {
        const struct clock_entry *e = &c->entries[i];
        uint64_t end = e->base;
        buf_put_varint(out, e->actor.node);
        buf_put_varint(out, e->actor.boot);
        buf_put_varint(out, e->base);
        buf_put_varint(out, e->runs_count);
        for (size_t k = 0; k < e->runs_count; k++) {
            buf_put_varint(out, e->runs[k].first - end - 2);
            buf_put_varint(out, e->runs[k].last - e->runs[k].first);
            end = e->runs[k].last;
        }
    }
}

static bool read_entry(struct reader *in, struct clock *ret)
{
    uint64_t node = read_varint(in);
    uint64_t boot = read_varint(in);
    uint64_t base = read_varint(in);
    uint64_t runs = read_varint(in);
    struct actor actor = {(node_no)node, (uint32_t)boot};
    if (in->failed || node > UINT32_MAX || boot > UINT32_MAX || base > DOT_N_MAX ||
        runs > CLOCK_RUNS_MAX || runs > reader_left(in) / 2 || (base == 0 && runs == 0))
        return false;
    if (ret->count > 0 && actor_compare(ret->entries[ret->count - 1].actor, actor) >= 0)
        return false;
    struct clock_entry *e = entry_make(ret, actor);
    uint64_t end = base;
    e->base = base;
    for (uint64_t k = 0; k < runs; k++) {
        uint64_t gap = read_varint(in);
        uint64_t more = read_varint(in);
        if (in->failed || gap > DOT_N_MAX || more > DOT_N_MAX)
            return false;
        uint64_t first = end + 2 + gap; /* three numbers below 2^62: no overflow */
        uint64_t last = first + more;
        if (last > DOT_N_MAX)
            return false;
        e->runs = mem_grow(e->runs, e->runs_count, &e->runs_cap, sizeof *e->runs);
        e->runs[e->runs_count++] = (struct clock_run){first, last};
        end = last;
    }
    return true;
}

enum err clock_decode(struct bytes in, struct clock *ret)
{
    struct reader r = reader_make(in);
    struct clock got;
    clock_init(&got);
    enum err err = ERR_MALFORMED;
    uint8_t version = read_u8(&r);
    uint64_t count = read_varint(&r);
    if (r.failed || version != CLOCK_VERSION || count > CLOCK_ACTORS_MAX)
        goto out;
    for (uint64_t i = 0; i < count; i++) {
        if (!read_entry(&r, &got))
            goto out;
    }
    err = reader_finish(&r);
out:
    if (err != ERR_OK) {
        clock_close(&got);
        return err;
    }
    clock_close(ret);
    *ret = got;
    return ERR_OK;
}

void clock_check(const struct clock *c)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct clock_entry *e = &c->entries[i];
        uint64_t end = e->base;
        if (i > 0)
            ASSERT(actor_compare(c->entries[i - 1].actor, e->actor) < 0);
        ASSERT(e->base > 0 || e->runs_count > 0);
        for (size_t k = 0; k < e->runs_count; k++) {
            ASSERT(e->runs[k].first >= end + 2);
            ASSERT(e->runs[k].first <= e->runs[k].last);
            end = e->runs[k].last;
        }
    }
}
