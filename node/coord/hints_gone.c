/* hints_gone.c - hints that are lost: what is known of them stays on the disk until who has their
 * ranges knows it.
 *
 * A hint was acked, and may have been all there was of a write. When its record cannot be read any
 * more, its target, table and token are written down before what is left of it goes:
 *
 *   "n/hint_gone" target:u16 table:u32 token:u64 = nothing     until its range is marked for trees
 *   "n/hint_lost" target:u16                     = count:u64 at:i64     for people
 *
 * Target 0: hints of which nothing is known. Vital, so they are kept twice: who has lost hints is
 * not to forget that, too. */
#include "base/mem.h"
#include "base/mutant.h"
#include "node/coord/hints_private.h"

#define GONE_PREFIX "n/hint_gone"
#define LOST_PREFIX "n/hint_lost"
#define GONE_MAX    65536u /* more are as if nothing were known of them */

static void gone_name(const struct hint_gone *g, struct buf *out)
{
    buf_init(out, 64);
    buf_put_text(out, GONE_PREFIX);
    buf_put_u16(out, (uint16_t)g->target);
    buf_put_u32(out, g->table);
    buf_put_u64(out, (uint64_t)g->token);
}

static bool gone_parse(struct bytes name, struct hint_gone *ret)
{
    struct reader r = reader_make(name);
    (void)read_bytes(&r, sizeof GONE_PREFIX - 1);
    ret->target = read_u16(&r);
    ret->table = read_u32(&r);
    ret->token = (token)read_u64(&r);
    return reader_done(&r);
}

/* --- the tally */

static struct hint_lost *lost_of(struct hints *h, node_no target)
{
    struct hint_lost *l = map_get(&h->lost, target);
    if (l == NULL) {
        l = mem_new(struct hint_lost);
        l->target = target;
        map_put(&h->lost, target, l);
    }
    return l;
}

static void lost_store(struct hints *h, const struct hint_lost *l)
{
    struct buf name, value;
    buf_init(&name, 64);
    buf_init(&value, 64);
    buf_put_text(&name, LOST_PREFIX);
    buf_put_u16(&name, (uint16_t)l->target);
    buf_put_u64(&value, l->count);
    buf_put_i64(&value, l->at);
    engine_fact_put(h->engine, buf_bytes(&name), buf_bytes(&value), 0);
    buf_close(&name);
    buf_close(&value);
}

static void count_lost(struct hints *h, node_no target)
{
    struct hint_lost *l = lost_of(h, target);
    h->damaged += !MUTANT(hints_lost_uncounted);
    l->count++;
    l->at = 0; /* until somebody knows the time */
    lost_store(h, l);
}

void hints_lost_at(struct hints *h, int64_t now_us)
{
    uint64_t *targets = map_keys(&h->lost);
    for (size_t i = 0, count = map_count(&h->lost); i < count; i++) {
        struct hint_lost *l = map_get(&h->lost, targets[i]);
        if (l->at != 0)
            continue;
        l->at = now_us;
        lost_store(h, l);
    }
    mem_free(targets);
}

size_t hints_untold(const struct hints *h, node_no target)
{
    size_t count = target == 0 && h->gone_unknown;
    for (size_t i = 0; i < h->gone_count; i++)
        count += h->gone[i].target == target;
    return count;
}

/* --- what has yet to be told */

static void keep(struct hints *h, const struct hint_gone *g)
{
    struct buf name;
    gone_name(g, &name);
    if (!MUTANT(lost_hints_forgotten))
        engine_fact_put(h->engine, buf_bytes(&name), BYTES_NONE, 0);
    buf_close(&name);
}

static void add(struct hints *h, const struct hint_gone *g)
{
    if (g->target == 0) {
        h->gone_unknown = true;
        return;
    }
    h->gone = mem_grow(h->gone, h->gone_count, &h->gone_cap, sizeof *h->gone);
    h->gone[h->gone_count++] = *g;
}

void hint_gone_unknown(struct hints *h, bool counts)
{
    const struct hint_gone any = {0};
    if (counts)
        count_lost(h, 0);
    keep(h, &any);
    add(h, &any);
}

void hint_gone(struct hints *h, struct bytes place)
{
    struct hint_gone g;
    if (!hint_place_decode(place, &g)) {
        hint_gone_unknown(h, true);
        return;
    }
    count_lost(h, g.target);
    if (h->gone_count == GONE_MAX) {
        hint_gone_unknown(h, false);
        return;
    }
    keep(h, &g);
    add(h, &g);
}

void hints_gone_told(struct hints *h, size_t at)
{
    struct buf name;
    struct hint_gone g = h->gone[at];
    h->gone[at] = h->gone[--h->gone_count];
    gone_name(&g, &name);
    engine_fact_delete(h->engine, buf_bytes(&name), 0);
    buf_close(&name);
}

void hints_unknown_told(struct hints *h)
{
    struct buf name;
    gone_name(&(struct hint_gone){0}, &name);
    engine_fact_delete(h->engine, buf_bytes(&name), 0);
    buf_close(&name);
    h->gone_unknown = false;
}

/* --- a start */

static void load_gone(struct hints *h, struct bytes name, struct bytes value)
{
    struct hint_gone g;
    (void)value;
    if (gone_parse(name, &g))
        add(h, &g);
}

static void load_lost(struct hints *h, struct bytes name, struct bytes value)
{
    struct reader n = reader_make(name), v = reader_make(value);
    struct hint_lost l = {0};
    (void)read_bytes(&n, sizeof LOST_PREFIX - 1);
    l.target = read_u16(&n);
    l.count = read_u64(&v);
    l.at = read_i64(&v);
    if (reader_done(&n) && reader_done(&v))
        *lost_of(h, l.target) = l;
}

enum err hints_gone_load(struct hints *h)
{
    h->gone_count = 0;
    h->gone_unknown = false;
    enum err err = hint_each_fact(h, BYTES_LIT(LOST_PREFIX), load_lost);
    return err != ERR_OK ? err : hint_each_fact(h, BYTES_LIT(GONE_PREFIX), load_gone);
}
