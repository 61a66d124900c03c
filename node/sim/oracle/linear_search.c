/* linear_search.c - see linear_search.h.
 *
 * Calls and answers stand in a list, by time. An operation can come next when its call stands
 * before the first answer: it is tried, taken out of the list, and the search goes on with the
 * rest; an answer that is met first means that its operation should have come before, so the last
 * choice is taken back. When no answered operation is left, the order of choices is the proof.
 *
 * What keeps it fast:
 *
 * - The answered operations that are done and the state they led to are remembered, each with the
 *   sets of open operations that it took. Who comes there again having used up all of such a set
 *   can do no more than who was there, so is turned back. The set of what is done is stored from
 *   its first hole on: it takes up what is concurrent, not what there is.
 * - A read is taken as soon as it can come next, without alternatives: if an order exists that has
 *   it later, moving it here changes no state that the others meet.
 * - Open operations are tried last, and of equal ones only the one called first.
 */
#include "node/sim/oracle/linear_search.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define NIL         UINT32_MAX
#define CACHE_FIRST 1024 /* slots, a power of two */

struct set { /* of numbers; words before `low` are full, those from `high` on empty */
    uint64_t *words;
    size_t low, high;
};

struct node { /* the call or the answer of an answered operation */
    usec at;
    bool is_end;
    uint32_t op;
    uint32_t before, after; /* in the list, by number */
};

struct choice {
    uint32_t at;               /* a node, or beyond them an open operation */
    bool forced;               /* without alternatives */
    struct linear_state state; /* before it */
};

struct used { /* open operations with which one came to a slot */
    struct used *next;
    size_t words_count;
    uint64_t words[];
};

struct slot {
    uint64_t hash;
    const uint8_t *key; /* NULL: free */
    size_t len;
    struct used *used;
};

struct search {
    const struct linear_model *model;
    const struct linear_op **ops; /* the answered ones first, each kind by call */
    struct linear_op *opened;     /* copies of those that are open only because of `until` */
    size_t count, answered, left; /* left: answered ones not yet in the order */
    struct node *nodes;           /* [0] heads the list */
    uint32_t nodes_count;
    uint32_t *ends;  /* of an answered operation: the node of its answer */
    uint32_t *twins; /* of an open operation: the equal one that was called before, or NIL */
    struct set done; /* of the answered ones */
    struct set used; /* of the open ones */
    uint64_t done_hash;
    struct linear_state state;
    struct choice *choices;
    size_t choices_count;
    struct slot *slots;
    size_t slots_count, slots_used;
    struct arena arena; /* of the cache */
    struct buf key;
};

static uint64_t mixed(uint64_t x)
{
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* --- sets */

static void set_toggle(struct set *s, size_t i)
{
    size_t word = i / 64;
    s->words[word] ^= UINT64_C(1) << (i % 64);
    if (word < s->low)
        s->low = word;
    while (s->words[s->low] == UINT64_MAX)
        s->low++;
    s->high = word >= s->high ? word + 1 : s->high;
    while (s->high > s->low && s->words[s->high - 1] == 0)
        s->high--;
}

static bool set_has(const struct set *s, size_t i)
{
    return (s->words[i / 64] >> (i % 64) & 1) != 0;
}

static void set_write(const struct set *s, struct buf *out)
{
    size_t high = s->high > s->low ? s->high : s->low;
    buf_put_u32(out, (uint32_t)s->low);
    buf_put_u32(out, (uint32_t)high);
    if (high > s->low)
        buf_put(out, &s->words[s->low], (high - s->low) * sizeof *s->words);
}

/* --- the cache */

static struct slot *cache_place(struct slot *slots, size_t count, uint64_t hash, struct bytes key)
{
    size_t i = hash & (count - 1);
    while (slots[i].key != NULL && (slots[i].hash != hash || slots[i].len != key.len ||
                                    memcmp(slots[i].key, key.data, key.len) != 0))
        i = (i + 1) & (count - 1);
    return &slots[i];
}

static void cache_grow(struct search *s)
{
    size_t count = s->slots_count == 0 ? CACHE_FIRST : s->slots_count * 2;
    struct slot *slots = mem_alloc(count * sizeof *slots);
    for (size_t i = 0; i < s->slots_count; i++) {
        const struct slot *old = &s->slots[i];
        if (old->key != NULL)
            *cache_place(slots, count, old->hash, bytes_make(old->key, old->len)) = *old;
    }
    mem_free(s->slots);
    s->slots = slots;
    s->slots_count = count;
}

static bool is_within(const struct used *a, const struct set *b)
{
    for (size_t i = 0; i < a->words_count; i++) {
        if ((a->words[i] & ~b->words[i]) != 0)
            return false;
    }
    return true;
}

/* Remember that the operations done led to this state. False when that was so with these open ones
 * or fewer. */
static bool cache_add(struct search *s, const struct linear_state *state)
{
    uint64_t hash = mixed(mixed(s->done_hash ^ (uint64_t)state->n[0]) ^ (uint64_t)state->n[1]);
    buf_clear(&s->key);
    buf_put_i64(&s->key, state->n[0]);
    buf_put_i64(&s->key, state->n[1]);
    set_write(&s->done, &s->key);
    if (2 * s->slots_used >= s->slots_count)
        cache_grow(s);
    struct slot *slot = cache_place(s->slots, s->slots_count, hash, buf_bytes(&s->key));
    if (slot->key == NULL) {
        struct bytes key = arena_copy(&s->arena, buf_bytes(&s->key));
        *slot = (struct slot){hash, key.data, key.len, NULL};
        s->slots_used++;
    }
    for (const struct used *u = slot->used; u != NULL; u = u->next) {
        if (is_within(u, &s->used))
            return false;
    }
    struct used *u = arena_alloc(&s->arena, sizeof *u + s->used.high * sizeof *u->words);
    u->next = slot->used;
    u->words_count = s->used.high;
    if (u->words_count > 0)
        memcpy(u->words, s->used.words, u->words_count * sizeof *u->words);
    slot->used = u;
    return true;
}

static size_t cache_bytes(const struct search *s)
{
    return arena_used(&s->arena) + s->slots_count * sizeof *s->slots;
}

/* --- the list */

static int node_compare(const void *a, const void *b)
{
    const struct node *x = a;
    const struct node *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    if (x->is_end != y->is_end) /* at the same time: concurrent, the call stands first */
        return x->is_end ? 1 : -1;
    return x->op < y->op ? -1 : x->op > y->op;
}

static void take_out(struct search *s, uint32_t n)
{
    const struct node *node = &s->nodes[n];
    s->nodes[node->before].after = node->after;
    if (node->after != NIL)
        s->nodes[node->after].before = node->before;
}

static void put_back(struct search *s, uint32_t n)
{
    const struct node *node = &s->nodes[n];
    s->nodes[node->before].after = n;
    if (node->after != NIL)
        s->nodes[node->after].before = n;
}

static void make_list(struct search *s)
{
    s->nodes = mem_alloc((2 * s->answered + 1) * sizeof *s->nodes);
    s->ends = mem_alloc((s->answered + 1) * sizeof *s->ends);
    s->nodes_count = 1;
    for (uint32_t i = 0; i < s->answered; i++) {
        s->nodes[s->nodes_count++] = (struct node){.at = s->ops[i]->call, .op = i};
        s->nodes[s->nodes_count++] = (struct node){.at = s->ops[i]->end, .is_end = true, .op = i};
    }
    qsort(s->nodes + 1, s->nodes_count - 1, sizeof *s->nodes, node_compare);
    for (uint32_t n = 0; n < s->nodes_count; n++) {
        s->nodes[n].before = n > 0 ? n - 1 : NIL;
        s->nodes[n].after = n + 1 < s->nodes_count ? n + 1 : NIL;
        if (s->nodes[n].is_end)
            s->ends[s->nodes[n].op] = n;
    }
}

static void find_twins(struct search *s)
{
    size_t open = s->count - s->answered;
    s->twins = mem_alloc((open + 1) * sizeof *s->twins);
    for (uint32_t i = 0; i < open; i++) {
        const struct linear_op *op = s->ops[s->answered + i];
        s->twins[i] = NIL;
        for (uint32_t k = i; k-- > 0 && s->twins[i] == NIL;) {
            if (memcmp(op->input, s->ops[s->answered + k]->input, sizeof op->input) == 0)
                s->twins[i] = k;
        }
    }
}

/* --- searching */

static bool is_open(const struct search *s, uint32_t at)
{
    return at >= s->nodes_count;
}

static const struct linear_op *op_at(const struct search *s, uint32_t at)
{
    return s->ops[is_open(s, at) ? s->answered + at - s->nodes_count : s->nodes[at].op];
}

/* The operation goes in or out of those that are done. */
static void toggle(struct search *s, uint32_t at)
{
    if (is_open(s, at)) {
        set_toggle(&s->used, at - s->nodes_count);
        return;
    }
    set_toggle(&s->done, s->nodes[at].op);
    s->done_hash ^= mixed(s->nodes[at].op);
}

/* The next thing that can come next: calls up to the first answer, then open operations called
 * until then. NIL: nothing is left to try. */
static uint32_t next_choice(const struct search *s, uint32_t at)
{
    if (!is_open(s, at)) {
        at = s->nodes[at].after;
        if (!s->nodes[at].is_end)
            return at;
        at = s->nodes_count - 1;
    }
    uint32_t first_end = s->nodes[0].after;
    while (!s->nodes[first_end].is_end)
        first_end = s->nodes[first_end].after;
    while (++at - s->nodes_count < s->count - s->answered) {
        uint32_t open = at - s->nodes_count;
        if (op_at(s, at)->call > s->nodes[first_end].at)
            return NIL;
        if (!set_has(&s->used, open) &&
            (s->twins[open] == NIL || set_has(&s->used, s->twins[open])))
            return at;
    }
    return NIL;
}

static void take(struct search *s, uint32_t at, bool forced, const struct linear_state *next)
{
    s->choices[s->choices_count++] = (struct choice){at, forced, s->state};
    s->state = *next;
    if (is_open(s, at))
        return;
    take_out(s, at);
    take_out(s, s->ends[s->nodes[at].op]);
    s->left--;
}

/* Take back the last choice that had alternatives. The next of them; NIL: there was none. */
static uint32_t give_back(struct search *s)
{
    while (s->choices_count > 0) {
        const struct choice *c = &s->choices[--s->choices_count];
        if (!is_open(s, c->at)) {
            put_back(s, s->ends[s->nodes[c->at].op]);
            put_back(s, c->at);
            s->left++;
        }
        toggle(s, c->at);
        s->state = c->state;
        uint32_t next = c->forced ? NIL : next_choice(s, c->at);
        if (next != NIL)
            return next;
    }
    return NIL;
}

static bool step(struct search *s, uint32_t at, struct linear_state *next, uint64_t *steps)
{
    *steps -= *steps > 0;
    *next = s->state;
    return s->model->step(&s->state, op_at(s, at), next);
}

/* Take all reads that can come next. */
static void take_reads(struct search *s, uint64_t *steps)
{
    uint32_t n = s->nodes[0].after;
    while (n != NIL && !s->nodes[n].is_end) {
        struct linear_state next;
        if (s->model->is_read(op_at(s, n)) && step(s, n, &next, steps)) {
            toggle(s, n);
            take(s, n, true, &next);
            n = s->nodes[0].after; /* another answer may be the first now */
        } else {
            n = s->nodes[n].after;
        }
    }
}

/* Try the operation as the next one. */
static bool try(struct search *s, uint32_t at, uint64_t *steps)
{
    struct linear_state next;
    if (!is_open(s, at) && s->model->is_read(op_at(s, at)))
        return false; /* take_reads has tried it */
    if (!step(s, at, &next, steps))
        return false;
    if (is_open(s, at) && memcmp(&next, &s->state, sizeof next) == 0)
        return false; /* it would do nothing now */
    toggle(s, at);
    if (cache_add(s, &next)) {
        take(s, at, false, &next);
        return true;
    }
    toggle(s, at);
    return false;
}

static enum linear_verdict search(struct search *s, size_t bytes_max, uint64_t *steps)
{
    take_reads(s, steps);
    uint32_t at = s->left > 0 ? next_choice(s, 0) : NIL;
    while (s->left > 0) {
        if (*steps == 0 || cache_bytes(s) > bytes_max)
            return LINEAR_UNKNOWN;
        if (at == NIL) {
            at = give_back(s);
            if (at == NIL)
                return LINEAR_BAD;
        }
        if (try(s, at, steps)) {
            take_reads(s, steps);
            at = s->left > 0 ? next_choice(s, 0) : NIL;
        } else {
            at = next_choice(s, at);
        }
    }
    return LINEAR_GOOD;
}

/* The operations that are looked at, the answered ones first. */
static void choose_ops(struct search *s, const struct linear_op *ops, size_t count, usec until)
{
    s->ops = mem_alloc((count + 1) * sizeof *s->ops);
    s->opened = mem_alloc((count + 1) * sizeof *s->opened);
    for (size_t i = 0; i < count; i++) {
        if (ops[i].call <= until && ops[i].end != USEC_NEVER && ops[i].end <= until)
            s->ops[s->answered++] = &ops[i];
    }
    s->count = s->answered;
    for (size_t i = 0; i < count; i++) {
        if (ops[i].call > until || (ops[i].end != USEC_NEVER && ops[i].end <= until))
            continue;
        s->opened[i] = ops[i];
        s->opened[i].end = USEC_NEVER;
        s->ops[s->count++] = &s->opened[i];
    }
    s->left = s->answered;
}

enum linear_verdict linear_search(const struct linear_model *model, const struct linear_op *ops,
                                  size_t count, usec until, size_t bytes_max, uint64_t *steps)
{
    struct search s = {.model = model, .state = model->first};
    ASSERT(count <= LINEAR_OPS_MAX);
    choose_ops(&s, ops, count, until);
    make_list(&s);
    find_twins(&s);
    s.choices = mem_alloc((s.count + 1) * sizeof *s.choices);
    s.done.words = mem_alloc((s.count / 64 + 2) * sizeof *s.done.words);
    s.used.words = mem_alloc((s.count / 64 + 2) * sizeof *s.used.words);
    arena_init(&s.arena);
    buf_init(&s.key, SIZE_MAX);
    enum linear_verdict verdict = search(&s, bytes_max, steps);
    buf_close(&s.key);
    arena_close(&s.arena);
    mem_free(s.slots);
    mem_free(s.done.words);
    mem_free(s.used.words);
    mem_free(s.choices);
    mem_free(s.ends);
    mem_free(s.twins);
    mem_free(s.nodes);
    mem_free(s.opened);
    mem_free(s.ops);
    return verdict;
}
