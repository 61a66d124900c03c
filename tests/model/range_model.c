#include "range_model.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define STATES_MAX ((size_t)1 << 19)
#define NOBODY     7u /* has given the write its name yet */
#define DONE       6u /* it does not matter any more */

enum entry { BEGIN_FIRST, BEGIN_SECOND, TO_JOINT, TO_SETTLED, BACK_TO_COPY, GIVE_UP, OF_OTHERS };
enum held { HELD_NOT, HELD_VOLATILE, HELD_DURABLE };

/* All of it is small numbers; compared as bytes. */
struct state {
    uint8_t len; /* of the log; entry 0 is where all begin */
    uint8_t entry[MODEL_ENTRIES_MAX];
    uint8_t applied[MODEL_NODES];
    uint8_t heard[MODEL_NODES]; /* by each prover, since the last entry; masks */
    uint8_t held[MODEL_NODES];
    uint8_t minter;  /* of the write; NOBODY: there is none yet */
    uint8_t planned; /* its plan is of this entry */
    uint8_t acked;   /* mask */
    bool under_way;  /* its coordinator lives and waits */
    bool must_show;
};

/* The range as of an entry of the log. */
struct view {
    enum stage stage;
    uint8_t now, later;
    uint8_t since;       /* the entry that changed the electorate, */
    uint8_t stage_since; /* ... the stage or the goal */
};

struct search {
    const struct model_scenario *s;
    enum model_mistake mistake;
    struct state *states; /* as found; the order is that of the search */
    uint32_t *from;       /* the state before */
    uint32_t *table;      /* by hash; 0: none, else index + 1 */
    size_t count;
    uint32_t at;
    struct view views[MODEL_ENTRIES_MAX + 1]; /* of the state at hand */
    struct model_result result;
};

static unsigned bits(uint8_t mask)
{
    return (unsigned)__builtin_popcount(mask);
}

static bool has(uint8_t mask, unsigned node)
{
    return mask >> node & 1;
}

/* --- the range */

static void look(struct search *x, const struct state *s)
{
    struct view v = {.stage = STAGE_SETTLED, .now = x->s->now};
    x->views[0] = v;
    for (uint8_t i = 1; i <= s->len; i++) {
        struct stage_need was = stage_electorate(v.stage);
        switch ((enum entry)s->entry[i - 1]) {
        case BEGIN_FIRST:
        case BEGIN_SECOND:
            v.stage = STAGE_COPY;
            v.later = s->entry[i - 1] == BEGIN_FIRST ? x->s->first : x->s->second;
            break;
        case TO_JOINT: v.stage = STAGE_JOINT; break;
        case BACK_TO_COPY: v.stage = STAGE_COPY; break;
        case TO_SETTLED:
            v.now = v.later;
            v.since = i;
            /* fall through */
        case GIVE_UP:
            v.stage = STAGE_SETTLED;
            v.later = 0;
            break;
        case OF_OTHERS: break;
        }
        if (s->entry[i - 1] != OF_OTHERS)
            v.stage_since = i;
        if (stage_electorate(v.stage).later != was.later ||
            (x->mistake == MISTAKE_READ_NEW && v.stage == STAGE_COPY))
            v.since = i;
        x->views[i] = v;
    }
}

static bool is_member(const struct view *v, unsigned node)
{
    return has(v->now | v->later, node);
}

static struct stage_member member(const struct search *x, const struct view *v, unsigned node)
{
    return (struct stage_member){.node = node + 1,
                                 .now = has(v->now, node),
                                 .later = has(v->later, node),
                                 .gone = has(x->s->gone, node) && !has(v->later, node)};
}

static size_t members(const struct search *x, const struct view *v, struct stage_member *ret)
{
    size_t count = 0;
    for (unsigned n = 0; n < MODEL_NODES; n++) {
        if (is_member(v, n))
            ret[count++] = member(x, v, n);
    }
    return count;
}

static bool is_prover(const struct search *x, const struct view *v, unsigned node)
{
    struct stage_member m[MODEL_NODES];
    size_t count = members(x, v, m), at = 0;
    if (v->stage == STAGE_SETTLED || !is_member(v, node))
        return false;
    while (m[at].node != node + 1)
        at++;
    if (x->mistake == MISTAKE_STAYERS_UNPROVED)
        return m[at].later && !m[at].now;
    return stage_is_prover(m, count, at);
}

static bool is_proved(const struct search *x, const struct view *v, const struct state *s)
{
    struct stage_member m[MODEL_NODES];
    size_t count = members(x, v, m);
    if ((x->mistake == MISTAKE_ONE_PROOF && v->stage == STAGE_JOINT) ||
        x->mistake == MISTAKE_AT_ONCE)
        return true;
    for (unsigned p = 0; p < MODEL_NODES; p++) {
        bool heard[MODEL_NODES];
        if (!is_prover(x, v, p))
            continue;
        for (size_t i = 0; i < count; i++)
            heard[i] = m[i].node == p + 1 || has(s->heard[p], m[i].node - 1);
        if (x->mistake == MISTAKE_LEAVERS_UNHEARD ? s->heard[p] == 0
                                                  : !stage_heard_enough(m, count, heard, false))
            return false;
    }
    return true;
}

static bool meets(enum model_level level, uint8_t set, uint8_t got)
{
    unsigned n = bits(set);
    unsigned need = level == MODEL_ONE ? 1 : level == MODEL_ALL ? n : n / 2 + 1;
    return bits(set & got) >= need;
}

static struct stage_need electorate(const struct search *x, enum stage stage, bool write)
{
    struct stage_need need = stage_electorate(stage);
    if (x->mistake == MISTAKE_JOINT_WRITES_NOW && write)
        need.later = false;
    if (x->mistake == MISTAKE_READ_NEW && write)
        need.later = stage != STAGE_SETTLED;
    if ((x->mistake == MISTAKE_JOINT_READS_LATER || x->mistake == MISTAKE_READ_NEW) && !write)
        need.now = !need.later;
    return need;
}

static bool is_met(const struct search *x, enum model_level level, const struct view *plan,
                   uint8_t got, bool write)
{
    struct stage_need need = electorate(x, plan->stage, write);
    return (!need.now || meets(level, plan->now, got)) &&
           (!need.later || meets(level, plan->later, got));
}

/* --- states */

static uint64_t hash_of(const struct state *s)
{
    uint64_t h = UINT64_C(14695981039346656037);
    const uint8_t *b = (const uint8_t *)s;
    for (size_t i = 0; i < sizeof *s; i++)
        h = (h ^ b[i]) * UINT64_C(1099511628211);
    return h ^ h >> 29;
}

static void add(struct search *x, const struct state *s)
{
    size_t slot = (size_t)hash_of(s) & (2 * STATES_MAX - 1);
    for (; x->table[slot] != 0; slot = (slot + 1) & (2 * STATES_MAX - 1)) {
        if (memcmp(&x->states[x->table[slot] - 1], s, sizeof *s) == 0)
            return;
    }
    if (x->count == STATES_MAX) {
        x->result.too_many = true;
        return;
    }
    x->states[x->count] = *s;
    x->from[x->count] = x->at;
    x->table[slot] = (uint32_t)++x->count;
}

/* --- what may happen next */

static void append(struct search *x, struct state s, enum entry e)
{
    if (s.len == x->s->entries)
        return;
    s.entry[s.len++] = (uint8_t)e;
    if (e != OF_OTHERS)
        memset(s.heard, 0, sizeof s.heard);
    add(x, &s);
}

static void entries(struct search *x, const struct state *s)
{
    const struct view *v = &x->views[s->len];
    if (v->now != x->s->first && v->later != x->s->first && v->now == x->s->now)
        append(x, *s, BEGIN_FIRST);
    if (x->s->second != 0 && v->now != x->s->second && v->later != x->s->second && s->len > 0)
        append(x, *s, BEGIN_SECOND);
    if (x->s->others)
        append(x, *s, OF_OTHERS);
    if (v->stage == STAGE_SETTLED)
        return;
    if (x->s->back && v->stage == STAGE_JOINT)
        append(x, *s, BACK_TO_COPY);
    if (x->s->back)
        append(x, *s, GIVE_UP);
    if (is_proved(x, v, s))
        append(x, *s,
               v->stage == STAGE_COPY && x->mistake != MISTAKE_NO_JOINT ? TO_JOINT : TO_SETTLED);
}

static void apply(struct search *x, struct state s, unsigned node)
{
    const struct view *was = &x->views[s.applied[node]], *v = was + 1;
    if (s.applied[node] == s.len)
        return;
    s.applied[node]++;
    /* Who enters a range forgets what it had of it, if it was there before. */
    if (has(v->later, node) && !is_member(was, node))
        s.held[node] = HELD_NOT;
    add(x, &s);
}

static bool is_refused(const struct search *x, const struct state *s, unsigned node,
                       uint8_t planned)
{
    return x->mistake != MISTAKE_NO_FENCE &&
           stage_is_fenced(planned, x->views[s->applied[node]].since);
}

static bool takes(const struct search *x, const struct state *s, unsigned node)
{
    const struct view *v = &x->views[s->applied[node]];
    struct stage_member m = member(x, v, node);
    return is_member(v, node) && stage_takes(v->stage, &m) && is_member(v, s->minter) &&
           !is_refused(x, s, node, s->planned);
}

/* A message of the write comes to a node; it may have come before. */
static void deliver(struct search *x, struct state s, unsigned node)
{
    const struct view *plan = &x->views[s.planned];
    struct stage_member m = member(x, plan, node);
    if (node == s.minter || !is_member(plan, node) || !stage_takes(plan->stage, &m) ||
        !takes(x, &s, node))
        return;
    if (s.held[node] == HELD_NOT)
        s.held[node] = HELD_VOLATILE;
    else if (s.held[node] == HELD_DURABLE)
        s.acked |= (uint8_t)(1u << node);
    add(x, &s);
}

static void sync_disk(struct search *x, struct state s, unsigned node)
{
    s.held[node] = HELD_DURABLE;
    if (takes(x, &s, node) || x->mistake == MISTAKE_ACK_UNJUDGED)
        s.acked |= (uint8_t)(1u << node);
    add(x, &s);
}

/* Who gave the write its name loses it. That others do, and that a coordinator is heard of no more,
 * comes to what is searched anyway: messages that are late for ever. */
static void lose_tail(struct search *x, struct state s)
{
    s.held[s.minter] = HELD_NOT;
    s.under_way = false;
    s.acked = 0;
    add(x, &s);
}

/* From here on it must be shown. Each copy more could only help, so nobody gets it any more but by
 * a proof; and what is not durable is as good as not there. */
static void must_show(struct search *x, struct state s)
{
    for (unsigned n = 0; n < MODEL_NODES; n++) {
        if (s.held[n] == HELD_VOLATILE)
            s.held[n] = HELD_NOT;
    }
    s.minter = DONE;
    s.planned = s.acked = 0;
    s.under_way = false;
    s.must_show = true;
    add(x, &s);
}

static void mint(struct search *x, struct state s, unsigned node)
{
    const struct view *v = &x->views[s.applied[node]];
    struct stage_member m = member(x, v, node);
    if (!is_member(v, node) || !stage_mints(v->stage, &m))
        return;
    s.minter = (uint8_t)node;
    s.planned = s.applied[node];
    s.held[node] = HELD_VOLATILE;
    s.under_way = true;
    add(x, &s);
}

/* The coordinator answers its client, whether its plan is over or not: those who have acked judged
 * it. Or it plans anew. */
static void answer(struct search *x, struct state s)
{
    if (is_met(x, x->s->write, &x->views[s.planned], s.acked, true))
        must_show(x, s);
    bool over = stage_is_fenced(s.planned, x->views[s.applied[s.minter]].since);
    const struct view *v = &x->views[s.applied[s.minter]];
    struct stage_member m = member(x, v, s.minter);
    if (over) {
        s.acked = 0;
        s.planned = s.applied[s.minter];
        s.under_way = is_member(v, s.minter) && stage_mints(v->stage, &m);
        if (s.under_way && s.held[s.minter] == HELD_DURABLE)
            s.acked = (uint8_t)(1u << s.minter);
        add(x, &s);
    }
}

/* A prover completes a pull from another one. */
static void hear(struct search *x, struct state s, unsigned prover, unsigned other)
{
    const struct view *v = &x->views[s.len];
    if (prover == other || s.applied[prover] < v->stage_since || !is_prover(x, v, prover) ||
        !has(v->now, other) || has(x->s->gone, other) || has(s.heard[prover], other))
        return;
    if (s.applied[other] < v->stage_since && x->mistake != MISTAKE_HEARD_EARLY)
        return;
    if (s.held[other] == HELD_DURABLE)
        s.held[prover] = HELD_DURABLE;
    s.heard[prover] |= (uint8_t)(1u << other);
    add(x, &s);
}

/* Who would answer a read that is planned with an entry. */
static uint8_t answering(const struct search *x, const struct state *s, uint8_t planned)
{
    uint8_t all = 0;
    for (unsigned n = 0; n < MODEL_NODES; n++) {
        const struct view *v = &x->views[s->applied[n]];
        struct stage_member m = member(x, v, n);
        struct stage_member asked = member(x, &x->views[planned], n);
        if (is_member(&x->views[planned], n) && stage_answers(x->views[planned].stage, &asked) &&
            is_member(v, n) && stage_answers(v->stage, &m) && !is_refused(x, s, n, planned))
            all |= (uint8_t)(1u << n);
    }
    return all;
}

static uint8_t durable(const struct state *s)
{
    uint8_t all = 0;
    for (unsigned n = 0; n < MODEL_NODES; n++)
        all |= (uint8_t)((s->held[n] == HELD_DURABLE) << n);
    return all;
}

/* What a read shows, after its repair, lies on all that it has asked; two that meet, and one that
 * is alone, show the same. */
static void read(struct search *x, const struct state *s, uint8_t planned)
{
    uint8_t all = answering(x, s, planned), have = durable(s);
    for (unsigned set = 1; set < 1u << MODEL_NODES; set++) {
        struct state next = *s;
        if ((set & ~(unsigned)all) != 0 || (set & have) == 0 ||
            !is_met(x, x->s->read, &x->views[planned], (uint8_t)set, false))
            continue;
        for (unsigned n = 0; n < MODEL_NODES; n++) {
            if (has((uint8_t)set, n))
                next.held[n] = HELD_DURABLE;
        }
        must_show(x, next);
    }
}

static void write_goes_on(struct search *x, const struct state *s)
{
    for (unsigned n = 0; n < MODEL_NODES; n++) {
        if (!has(s->acked, n))
            deliver(x, *s, n);
        if (s->held[n] == HELD_VOLATILE)
            sync_disk(x, *s, n);
    }
    if (s->held[s->minter] == HELD_VOLATILE)
        lose_tail(x, *s);
    if (s->under_way)
        answer(x, *s);
    for (uint8_t e = 0; e <= s->len && x->s->read != MODEL_ONE; e++)
        read(x, s, e);
}

static void expand(struct search *x, const struct state *s)
{
    uint8_t all = x->s->now | x->s->first | x->s->second;
    entries(x, s);
    for (unsigned n = 0; n < MODEL_NODES; n++) {
        if (!has(all, n))
            continue;
        apply(x, *s, n);
        if (s->minter == NOBODY)
            mint(x, *s, n);
        for (unsigned q = 0; q < MODEL_NODES; q++)
            hear(x, *s, n, q);
    }
    if (s->minter < MODEL_NODES)
        write_goes_on(x, s);
}

/* --- what must never be */

static bool is_wrong(const struct search *x, const struct state *s)
{
    for (uint8_t e = 0; s->must_show && e <= s->len; e++) {
        uint8_t without = answering(x, s, e) & (uint8_t)~durable(s);
        if (is_met(x, x->s->read, &x->views[e], without, false))
            return true;
    }
    return false;
}

static size_t tell_state(const struct state *s, char *out, size_t size)
{
    static const char names[] = "12JSBX-";
    char log[MODEL_ENTRIES_MAX + 1] = "";
    for (unsigned i = 0; i < s->len; i++)
        log[i] = names[s->entry[i]];
    int n = snprintf(out, size, "[%s] at %u%u%u%u%u held %u%u%u%u%u w %u@%u ack %x%s\n", log,
                     s->applied[0], s->applied[1], s->applied[2], s->applied[3], s->applied[4],
                     s->held[0], s->held[1], s->held[2], s->held[3], s->held[4], s->minter,
                     s->planned, (unsigned)s->acked, s->must_show ? " must show" : "");
    return n < 0 || (size_t)n >= size ? 0 : (size_t)n;
}

/* The last states first. */
static void tell(struct search *x, uint32_t at)
{
    size_t used = 0;
    for (unsigned steps = 0; steps < 14; steps++, at = x->from[at]) {
        size_t n =
            tell_state(&x->states[at], x->result.trace + used, sizeof x->result.trace - used);
        used += n;
        if (n == 0 || at == 0)
            break;
    }
}

struct model_result model_search(const struct model_scenario *s, enum model_mistake mistake)
{
    struct search x = {.s = s, .mistake = mistake};
    struct state first;
    ASSERT(s->entries <= MODEL_ENTRIES_MAX);
    memset(&first, 0, sizeof first);
    first.minter = NOBODY;
    x.states = mem_alloc(STATES_MAX * sizeof *x.states);
    x.from = mem_alloc(STATES_MAX * sizeof *x.from);
    x.table = mem_alloc(2 * STATES_MAX * sizeof *x.table);
    look(&x, &first);
    add(&x, &first);
    for (; x.at < x.count && !x.result.found && !x.result.too_many; x.at++) {
        struct state at = x.states[x.at];
        look(&x, &at);
        x.result.found = is_wrong(&x, &at);
        x.result.settled |= x.views[at.len].now == s->first;
        if (x.result.found)
            tell(&x, x.at);
        else
            expand(&x, &at);
    }
    x.result.states = x.count;
    mem_free(x.states);
    mem_free(x.from);
    mem_free(x.table);
    return x.result;
}
