/* Sessions by trees over all that two nodes have, one range after another, some at a time. */
#include "node/schema/schema.h"
#include "node/sim/core.h"
#include "ring/token.h"
#include "storage/keys.h"
#include "storage/tree.h"

#include <string.h>

#define AT_ONCE  4                   /* sessions */
#define ID_FIRST (UINT64_C(1) << 62) /* numbers of our own */

struct shared { /* a range that both have */
    keyspace_no keyspace;
    range_no range;
};

struct comparison {
    bool under_way;
    struct sim_compare what;
    uint64_t life; /* of the process that compares */
    struct shared *todo;
    size_t count, cap, next;
    uint64_t open[AT_ONCE]; /* numbers of sessions; 0: free */
    struct sim_compared result;
};

static struct comparison *comparison_of(struct sim *s, unsigned a)
{
    if (s->comparisons[a] == NULL)
        s->comparisons[a] = mem_new(struct comparison);
    return s->comparisons[a];
}

static void gather(struct sim *s, struct comparison *c)
{
    struct node *n = s->machines[c->what.a].node;
    node_no self = meta_self(node_meta(n));
    node_no peer = meta_self(node_meta(s->machines[c->what.b].node));
    const struct schema *schema = meta_schema(node_meta(n));
    c->count = 0;
    for (uint32_t i = 0; i < schema->keyspace_count; i++) {
        const struct keyspace *k = schema->keyspaces[i];
        const struct placement *p = cluster_placement(node_cluster(n), k->no);
        if (keyspace_is_local(k->name) || p == NULL)
            continue;
        for (range_no range = 0; range < p->ranges; range++) {
            struct replicas replicas = placement_replicas(p, range);
            if (!replicas_have(replicas, self) || !replicas_have(replicas, peer))
                continue;
            c->todo = mem_grow(c->todo, c->count, &c->cap, sizeof *c->todo);
            c->todo[c->count++] = (struct shared){k->no, range};
        }
    }
}

bool sim_compare(struct sim *s, const struct sim_compare *what)
{
    const struct machine *a = machine_of(s, what->a);
    if (what->a == what->b || a->node == NULL || machine_of(s, what->b)->node == NULL ||
        !node_is_ready(a->node) || sim_is_comparing(s, what->a))
        return false;
    struct comparison *c = comparison_of(s, what->a);
    c->what = *what;
    c->life = a->life;
    c->next = 0;
    c->under_way = true;
    c->result = (struct sim_compared){.figures.equal = true};
    memset(c->open, 0, sizeof c->open);
    gather(s, c);
    compare_go_on(s);
    return true;
}

bool sim_is_comparing(const struct sim *s, unsigned a)
{
    return s->comparisons[a] != NULL && s->comparisons[a]->under_way;
}

const struct sim_compared *sim_compared(const struct sim *s, unsigned a)
{
    static const struct sim_compared none;
    return s->comparisons[a] != NULL ? &s->comparisons[a]->result : &none;
}

static void add(struct sim_compared *r, const struct heal_compared *c)
{
    const struct heal_figures *f = &c->figures;
    struct heal_figures *sum = &r->figures;
    r->failed += c->err != ERR_OK;
    if (c->err != ERR_OK)
        return;
    sum->equal = sum->equal && f->equal;
    heal_add_figures(sum, f);
}

/* True: one more was begun. */
static bool begin_next(struct sim *s, struct comparison *c, size_t slot)
{
    struct machine *m = machine_of(s, c->what.a);
    struct machine *peer = machine_of(s, c->what.b);
    if (c->next == c->count || peer->node == NULL)
        return false;
    struct heal_comparison what = {.peer = meta_self(node_meta(peer->node)),
                                   .keyspace = c->todo[c->next].keyspace,
                                   .range = c->todo[c->next].range,
                                   .full = c->what.full,
                                   .preview = c->what.preview};
    uint64_t id = ID_FIRST + ++s->lives;
    if (!heal_compare(node_heal(m->node), clocks_read(&m->clocks, s->time), id, &what))
        return false;
    c->next++;
    c->result.ranges++;
    c->open[slot] = id;
    return true;
}

static void go_on(struct sim *s, struct comparison *c)
{
    struct machine *m = machine_of(s, c->what.a);
    bool begun = false, busy = false;
    if (m->node == NULL || m->life != c->life) {
        c->under_way = false;
        return;
    }
    for (size_t i = 0; i < AT_ONCE; i++) {
        const struct heal_compared *over =
            c->open[i] != 0 ? heal_compared(node_heal(m->node), c->open[i]) : NULL;
        if (over != NULL) {
            add(&c->result, over);
            compare_over(s, c->what.a, over);
            c->open[i] = 0;
        }
        if (c->open[i] == 0 && !m->paused)
            begun = begin_next(s, c, i) || begun;
        busy = busy || c->open[i] != 0;
    }
    c->under_way = busy || (c->next < c->count && machine_of(s, c->what.b)->node != NULL);
    if (begun) {
        struct node_event event = {.type = NODE_DEADLINE};
        turn(s, c->what.a, &event);
    }
}

void compare_go_on(struct sim *s)
{
    for (unsigned i = 1; i <= s->count; i++) {
        if (sim_is_comparing(s, i))
            go_on(s, s->comparisons[i]);
    }
}

void compare_close(struct sim *s)
{
    for (unsigned i = 1; i <= SIM_NODES_MAX; i++) {
        if (s->comparisons[i] != NULL)
            mem_free(s->comparisons[i]->todo);
        mem_free(s->comparisons[i]);
    }
}

/* --- trees */

static enum err sum_up(struct engine *e, const struct shared *r, const struct range_place *place,
                       struct tree_sum *ret_sums)
{
    struct clock asof;
    bool done = false, current;
    enum err err = ERR_OK;
    while (err == ERR_OK && !done)
        err = engine_tree_update(e, r->keyspace, r->range, place, SIZE_MAX, &done);
    clock_init(&asof);
    if (err == ERR_OK)
        err = engine_tree_root(e, r->keyspace, r->range, place, ret_sums, &asof, &current);
    clock_close(&asof);
    return err;
}

static bool tree_is_true(struct sim *s, unsigned node, const struct shared *r,
                         struct errmsg *ret_why)
{
    struct node *n = s->machines[node].node;
    struct range_place place;
    struct buf key, value;
    arena_reset(&s->scratch);
    cluster_place(node_cluster(n), r->keyspace, r->range, &s->scratch, &place);
    buf_init(&key, SIZE_MAX);
    buf_init(&value, SIZE_MAX);
    key_tree(&key, r->keyspace, r->range);
    bool has = store_get(s->machines[node].store, buf_bytes(&key), &value) == ERR_OK;
    buf_close(&key);
    buf_close(&value);
    if (!has)
        return true;
    struct tree_sum *said = arena_array(&s->scratch, struct tree_sum, place.tables_count);
    struct tree_sum *there = arena_array(&s->scratch, struct tree_sum, place.tables_count);
    bool good = sum_up(node_engine(n), r, &place, said) == ERR_OK;
    engine_tree_drop(node_engine(n), r->keyspace, r->range);
    good = good && sum_up(node_engine(n), r, &place, there) == ERR_OK;
    for (size_t i = 0; i < place.tables_count && good; i++)
        good = said[i].sum == there[i].sum && said[i].rows == there[i].rows;
    if (!good)
        (void)errmsg_set(ret_why, ERR_FAILED,
                         "node %u: the tree of range %u of keyspace %u is not what is there", node,
                         (unsigned)r->range, (unsigned)r->keyspace);
    return good;
}

bool sim_trees_true(struct sim *s, struct errmsg *ret_why)
{
    bool good = true;
    for (unsigned i = 1; i <= s->count && good; i++) {
        if (s->machines[i].node == NULL)
            continue;
        struct comparison all = {.what = {.a = i, .b = i}};
        gather(s, &all);
        for (size_t k = 0; k < all.count && good; k++)
            good = tree_is_true(s, i, &all.todo[k], ret_why);
        mem_free(all.todo);
    }
    return good;
}
