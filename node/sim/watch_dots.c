/* watch_dots.c - what each dot names, from everything that any node ever writes to its disk. */
#include "node/sim/watch_core.h"

#include <inttypes.h>
#include <string.h>

#define SAMPLE_ONE_IN 16

/* What a key of the ledger is of. */
enum { OF_LOG = 1, OF_ACTOR, OF_COUNTER, OF_PART, OF_ITEM, OF_TABLE, OF_GARBAGE };

range_no watch_range_of(const struct watch *w, int64_t place)
{
    uint64_t width = UINT64_MAX / w->sim->config.ring_ranges + 1; /* 0: one range */
    return width == 0 ? 0 : (range_no)(((uint64_t)place ^ UINT64_C(1) << 63) / width);
}

static uint64_t mix_dot(uint64_t hash, struct dot dot)
{
    hash = watch_mix(hash, (uint64_t)dot.actor.node << 32 | dot.actor.boot);
    return watch_mix(hash, dot.n);
}

static uint64_t table_key(table_no table)
{
    return watch_mix(watch_mix(0, OF_TABLE), table);
}

bool watch_keyspace_of(const struct watch *w, table_no table, keyspace_no *ret)
{
    uint64_t got = ledger_get(&w->ledger, table_key(table));
    *ret = (keyspace_no)got;
    return got != 0;
}

/* The first process to store a dot is the one that minted it. */
static bool see_actor(struct watch *w, unsigned node, const struct raw_log *e)
{
    bool fresh;
    uint64_t actor = (uint64_t)e->dot.actor.node << 32 | e->dot.actor.boot;
    uint64_t process = w->sim->machines[node].life << 8 | node;
    uint64_t *had = ledger_place(&w->ledger, watch_mix(watch_mix(0, OF_ACTOR), actor), &fresh);
    if (fresh)
        *had = process;
    if (*had != process)
        return watch_fail(w,
                          "actor (%" PRIu32 ", %" PRIu32 ") is that of a process on node %u and of "
                          "one on node %u: dot %" PRIu64,
                          e->dot.actor.node, e->dot.actor.boot, (unsigned)(*had & 0xff), node,
                          e->dot.n);
    uint64_t key = watch_mix(watch_mix(0, OF_COUNTER), actor);
    key = watch_mix(key, (uint64_t)e->keyspace << 32 | e->range);
    uint64_t *top = ledger_place(&w->ledger, key, &fresh);
    if (!fresh && e->dot.n <= *top)
        return watch_fail(
            w, "node %u minted dot %" PRIu64 " after dot %" PRIu64 " of the same actor and range",
            node, e->dot.n, *top);
    *top = e->dot.n;
    return true;
}

static bool two_contents(struct watch *w, unsigned node, struct dot dot, table_no table,
                         const char *what)
{
    return watch_fail(w,
                      "dot (%" PRIu32 ", %" PRIu32 ", %" PRIu64 ") of table %" PRIu32
                      " names two %s; the second lies on node %u",
                      dot.actor.node, dot.actor.boot, dot.n, table, what, node);
}

static bool see_part(struct watch *w, unsigned node, table_no table, token place,
                     struct bytes partition, struct dot dot)
{
    bool fresh;
    uint64_t key = watch_mix(watch_mix(0, OF_PART), table);
    key = mix_dot(watch_mix(key, watch_range_of(w, place)), dot);
    uint64_t content = watch_mix_bytes(watch_mix(0, (uint64_t)place), partition);
    uint64_t *had = ledger_place(&w->ledger, key, &fresh);
    if (fresh)
        *had = content;
    return *had == content || two_contents(w, node, dot, table, "partitions");
}

static bool see_log(struct watch *w, unsigned node, const struct raw_log *e)
{
    bool fresh;
    uint64_t key = watch_mix(watch_mix(0, OF_LOG), (uint64_t)e->keyspace << 32 | e->range);
    uint64_t content = watch_mix_bytes(0, e->entry);
    uint64_t *had = ledger_place(&w->ledger, mix_dot(key, e->dot), &fresh);
    if (fresh)
        *had = content;
    if (*had != content)
        return two_contents(w, node, e->dot, e->table, "log entries");
    w->count.dots += fresh;
    if (fresh && !see_actor(w, node, e))
        return false;
    *ledger_place(&w->ledger, table_key(e->table), &fresh) = e->keyspace;
    if (e->dot.n == 0 || watch_range_of(w, e->token) != e->range)
        return watch_fail(w, "node %u has a log entry of a token that is not in range %" PRIu32,
                          node, e->range);
    return see_part(w, node, e->table, e->token, e->partition, e->dot);
}

static struct bytes keep(uint8_t **at, struct bytes b)
{
    uint8_t *start = *at;
    if (b.len > 0)
        memcpy(start, b.data, b.len);
    *at += b.len;
    return bytes_make(start, b.len);
}

static void remember(struct watch *w, const struct raw_entry *e, const struct raw_item *item)
{
    keyspace_no keyspace;
    if (!watch_keyspace_of(w, e->table, &keyspace))
        return;
    struct sample *s = &w->samples[w->samples_next];
    w->samples_next = (w->samples_next + 1) % WATCH_SAMPLES;
    if (w->samples_count < WATCH_SAMPLES)
        w->samples_count++;
    mem_free(s->room);
    s->room = mem_alloc(e->partition.len + item->row.len + item->start.len + item->end.len +
                        item->path.len + item->value.len + 1);
    uint8_t *at = s->room;
    s->keyspace = keyspace;
    s->range = watch_range_of(w, e->token);
    s->table = e->table;
    s->token = e->token;
    s->partition = keep(&at, e->partition);
    s->item = *item;
    s->item.row = keep(&at, item->row);
    s->item.start = keep(&at, item->start);
    s->item.end = keep(&at, item->end);
    s->item.path = keep(&at, item->path);
    s->item.value = keep(&at, item->value);
}

/* --- garbage: the newest that was ever seen over a place, by what it lies over */

enum lies_over { OVER_PARTITION, OVER_RANGE, OVER_ROW, OVER_COLUMN, OVER_CELL, OVER_DOT };

static uint64_t over(enum lies_over what, table_no table, struct bytes partition,
                     const struct raw_item *item)
{
    uint64_t key = watch_mix(watch_mix(0, OF_GARBAGE), (uint64_t)what << 32 | table);
    key = watch_mix_bytes(key, partition);
    if (what == OVER_DOT)
        return watch_mix(key, (uint64_t)item->target.actor.node << 32 | item->target.actor.boot);
    if (what >= OVER_ROW)
        key = watch_mix_bytes(watch_mix(key, item->is_static), item->row);
    if (what >= OVER_COLUMN)
        key = watch_mix(key, item->column);
    if (what == OVER_CELL)
        key = watch_mix_bytes(watch_mix(key, item->has_path), item->path);
    return key;
}

static enum lies_over lies_over(const struct raw_item *item)
{
    switch (item->what) {
    case RAW_PART_DELETION: return OVER_PARTITION;
    case RAW_RANGE_DELETION: return OVER_RANGE;
    case RAW_ROW_DELETION: return OVER_ROW;
    case RAW_CELL: break;
    }
    return item->kind == 3                      ? OVER_DOT
           : item->kind == 2 && !item->has_path ? OVER_COLUMN
                                                : OVER_CELL;
}

static uint64_t ordered(int64_t timestamp)
{
    return (uint64_t)timestamp ^ UINT64_C(1) << 63;
}

static void see_garbage(struct watch *w, const struct raw_entry *e, const struct raw_item *item)
{
    bool fresh;
    if (item->what == RAW_CELL && item->kind == 0)
        return;
    uint64_t key = over(lies_over(item), e->table, e->partition, item);
    uint64_t *newest = ledger_place(&w->ledger, key, &fresh);
    if (item->kind == 3) { /* the last dot of the actor that anything removes */
        *newest = item->target.n > *newest ? item->target.n : *newest;
        return;
    }
    if (ordered(item->timestamp) >= *newest)
        *newest = ordered(item->timestamp) + 1; /* so that none is 0 */
}

bool watch_may_be_forgotten(const struct watch *w, const struct sample *s)
{
    static const usec slack_s = 7200; /* clocks jump by less */
    const struct raw_item *item = &s->item;
    int64_t now_s = (SIM_WALL + sim_now(w->sim)) / USEC_PER_SEC;
    if (item->what != RAW_CELL || item->kind >= 2 ||
        (item->kind == 1 && item->time_s < now_s + slack_s))
        return true;
    if (item->siblings)
        return ledger_get(&w->ledger, over(OVER_DOT, s->table, s->partition, item)) >=
               item->target.n;
    for (enum lies_over o = OVER_PARTITION; o <= OVER_CELL; o++) {
        bool whole_row_only = item->is_static && o == OVER_RANGE;
        if (!whole_row_only && ledger_get(&w->ledger, over(o, s->table, s->partition, item)) >
                                   ordered(item->timestamp))
            return true;
    }
    return false;
}

/* Range deletions are cut up where stronger ones lie over them, so they are known by their
 * timestamps; everything else by its place. */
static bool see_item(struct watch *w, unsigned node, const struct raw_entry *e,
                     const struct raw_item *item)
{
    bool fresh;
    uint64_t key = watch_mix(watch_mix(0, OF_ITEM), e->table);
    key = mix_dot(watch_mix(key, watch_range_of(w, e->token)), item->dot);
    key = watch_mix(key, (uint64_t)item->what << 1 | item->is_static);
    if (item->what == RAW_RANGE_DELETION) {
        key = watch_mix(key, (uint64_t)item->timestamp);
    } else {
        key = watch_mix_bytes(watch_mix_bytes(key, e->partition), item->row);
        key = watch_mix_bytes(watch_mix(key, (uint64_t)item->column << 1 | item->has_path),
                              item->path);
        key = item->siblings ? mix_dot(watch_mix(key, item->kind), item->target) : key;
    }
    uint64_t content = watch_mix(watch_mix(item->kind, item->ttl), (uint64_t)item->timestamp);
    content = watch_mix_bytes(watch_mix(content, (uint64_t)item->time_s), item->value);
    content = item->siblings ? watch_mix(content, item->first) : content;
    uint64_t *had = ledger_place(&w->ledger, key, &fresh);
    if (fresh)
        *had = content;
    if (*had != content)
        return two_contents(w, node, item->dot, e->table, "contents of one place");
    w->count.cells += fresh;
    if (fresh)
        see_garbage(w, e, item);
    if (fresh && content % SAMPLE_ONE_IN == 0)
        remember(w, e, item);
    return see_part(w, node, e->table, e->token, e->partition, item->dot);
}

void watch_seen(void *machine, struct bytes key, struct bytes value)
{
    const struct watch_machine *m = machine;
    struct watch *w = m->watch;
    struct raw_entry e;
    if (w->bad)
        return;
    arena_reset(&w->arena);
    if (!raw_read(key, value, &w->arena, &e)) {
        watch_fail(w, "node %u stores what is not in the grammar, under a key that begins with %c",
                   m->node, key.len > 0 ? key.data[0] : '?');
        return;
    }
    for (size_t i = 0; i < e.logs_count && !w->bad; i++)
        see_log(w, m->node, &e.logs[i]);
    for (size_t i = 0; i < e.items_count && !w->bad; i++)
        see_item(w, m->node, &e, &e.items[i]);
}
