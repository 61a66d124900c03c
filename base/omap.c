#include "base/omap.h"

#include "base/mem.h"

#include <string.h>

enum side { LEFT, RIGHT };

/* What a descent touches stands first: most comparisons are decided by the prefix, in one cache
 * line a node. */
struct omap_node {
    struct omap_node *child[2];
    uint64_t prefix; /* prefix_of(key) */
    struct omap_node *parent;
    uint64_t priority;
    uint8_t *value;
    size_t value_len;
    size_t value_cap;
    size_t key_len;
    uint8_t key[];
};

/* The first eight bytes as a number, zeros where there are fewer. A smaller number means a smaller
 * key; equal ones mean nothing. */
static uint64_t prefix_of(struct bytes key)
{
    if (key.len >= 8)
        return load_u64(key.data);
    uint8_t padded[8] = {0};
    if (key.len > 0)
        memcpy(padded, key.data, key.len);
    return load_u64(padded);
}

static uint64_t mix(uint64_t n)
{
    uint64_t z = n * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static size_t node_memory(const struct omap_node *n)
{
    return sizeof *n + n->key_len + n->value_cap;
}

static void node_free(struct omap_node *n)
{
    mem_free(n->value);
    mem_free(n);
}

void omap_init(struct omap *m)
{
    *m = (struct omap){0};
}

void omap_clear(struct omap *m)
{
    struct omap_node *n = m->root;
    while (n != NULL) { /* leaves first, without recursion and without a stack */
        if (n->child[LEFT] != NULL) {
            n = n->child[LEFT];
        } else if (n->child[RIGHT] != NULL) {
            n = n->child[RIGHT];
        } else {
            struct omap_node *up = n->parent;
            if (up != NULL)
                up->child[up->child[RIGHT] == n ? RIGHT : LEFT] = NULL;
            node_free(n);
            n = up;
        }
    }
    m->root = NULL;
    m->count = 0;
    m->memory = 0;
}

void omap_close(struct omap *m)
{
    if (m != NULL)
        omap_clear(m);
}

size_t omap_count(const struct omap *m)
{
    return m->count;
}

size_t omap_memory(const struct omap *m)
{
    return m->memory;
}

struct bytes omap_key(const struct omap_node *node)
{
    return bytes_make(node->key, node->key_len);
}

struct bytes omap_value(const struct omap_node *node)
{
    return bytes_make(node->value, node->value_len);
}

/* The pointer that holds n. */
static struct omap_node **holder(struct omap *m, const struct omap_node *n)
{
    if (n->parent == NULL)
        return &m->root;
    return &n->parent->child[n->parent->child[RIGHT] == n ? RIGHT : LEFT];
}

/* Lift n over its parent; the order of keys stays. */
static void rotate_up(struct omap *m, struct omap_node *n)
{
    struct omap_node *parent = n->parent;
    enum side side = parent->child[RIGHT] == n ? RIGHT : LEFT;
    enum side other = side == LEFT ? RIGHT : LEFT;
    struct omap_node *inner = n->child[other];
    *holder(m, parent) = n;
    n->parent = parent->parent;
    n->child[other] = parent;
    parent->parent = n;
    parent->child[side] = inner;
    if (inner != NULL)
        inner->parent = parent;
}

static void set_value(struct omap *m, struct omap_node *n, struct bytes value)
{
    /* A value that shrank to less than half gives its memory back. */
    if (value.len > n->value_cap || value.len < n->value_cap / 2) {
        uint8_t *fresh = value.len > 0 ? mem_copy(value.data, value.len) : NULL;
        mem_free(n->value); /* only now: the new value may be a view of the old */
        m->memory += value.len;
        m->memory -= n->value_cap;
        n->value = fresh;
        n->value_cap = value.len;
    } else if (value.len > 0) {
        memmove(n->value, value.data, value.len);
    }
    n->value_len = value.len;
}

/* The order of a key against that of a node. <0, 0, >0. */
static int compare(struct bytes key, uint64_t prefix, const struct omap_node *n)
{
    if (prefix != n->prefix)
        return prefix < n->prefix ? -1 : 1;
    return bytes_compare(key, omap_key(n));
}

struct omap_node *omap_put(struct omap *m, struct bytes key, struct bytes value)
{
    struct omap_node *parent = NULL;
    struct omap_node **at = &m->root;
    uint64_t prefix = prefix_of(key);
    while (*at != NULL) {
        int c = compare(key, prefix, *at);
        if (c == 0) {
            set_value(m, *at, value);
            return *at;
        }
        parent = *at;
        at = &parent->child[c < 0 ? LEFT : RIGHT];
    }
    struct omap_node *n = mem_alloc(sizeof *n + key.len);
    n->parent = parent;
    n->prefix = prefix;
    n->priority = mix(++m->made);
    n->key_len = key.len;
    if (key.len > 0)
        memcpy(n->key, key.data, key.len);
    *at = n;
    m->count++;
    m->memory += node_memory(n);
    set_value(m, n, value);
    while (n->parent != NULL && n->parent->priority < n->priority)
        rotate_up(m, n);
    return n;
}

struct omap_node *omap_find(const struct omap *m, struct bytes key)
{
    struct omap_node *n = m->root;
    uint64_t prefix = prefix_of(key);
    while (n != NULL) {
        int c = compare(key, prefix, n);
        if (c == 0)
            break;
        n = n->child[c < 0 ? LEFT : RIGHT];
    }
    return n;
}

bool omap_get(const struct omap *m, struct bytes key, struct bytes *ret_value)
{
    const struct omap_node *n = omap_find(m, key);
    if (n != NULL && ret_value != NULL)
        *ret_value = omap_value(n);
    return n != NULL;
}

void omap_remove_node(struct omap *m, struct omap_node *node)
{
    struct omap_node *left, *right;
    while ((left = node->child[LEFT], right = node->child[RIGHT], left != NULL && right != NULL))
        rotate_up(m, left->priority > right->priority ? left : right);
    struct omap_node *only = left != NULL ? left : right;
    *holder(m, node) = only;
    if (only != NULL)
        only->parent = node->parent;
    m->count--;
    m->memory -= node_memory(node);
    node_free(node);
}

bool omap_remove(struct omap *m, struct bytes key)
{
    struct omap_node *n = omap_find(m, key);
    if (n != NULL)
        omap_remove_node(m, n);
    return n != NULL;
}

struct omap_node *omap_seek(const struct omap *m, struct bytes key)
{
    struct omap_node *best = NULL;
    uint64_t prefix = prefix_of(key);
    for (struct omap_node *n = m->root; n != NULL;) {
        int c = compare(key, prefix, n);
        if (c <= 0)
            best = n;
        if (c == 0)
            break;
        n = n->child[c < 0 ? LEFT : RIGHT];
    }
    return best;
}

struct omap_node *omap_seek_before(const struct omap *m, struct bytes key)
{
    struct omap_node *best = NULL;
    uint64_t prefix = prefix_of(key);
    for (struct omap_node *n = m->root; n != NULL;) {
        bool before = compare(key, prefix, n) > 0;
        if (before)
            best = n;
        n = n->child[before ? RIGHT : LEFT];
    }
    return best;
}

static struct omap_node *outermost(struct omap_node *n, enum side side)
{
    while (n != NULL && n->child[side] != NULL)
        n = n->child[side];
    return n;
}

struct omap_node *omap_first(const struct omap *m)
{
    return outermost(m->root, LEFT);
}

struct omap_node *omap_last(const struct omap *m)
{
    return outermost(m->root, RIGHT);
}

/* The neighbour of n in key order, towards `side`. */
static struct omap_node *neighbour(const struct omap_node *n, enum side side)
{
    if (n->child[side] != NULL)
        return outermost(n->child[side], side == LEFT ? RIGHT : LEFT);
    while (n->parent != NULL && n->parent->child[side] == n)
        n = n->parent;
    return n->parent;
}

struct omap_node *omap_next(const struct omap_node *node)
{
    return neighbour(node, RIGHT);
}

struct omap_node *omap_prev(const struct omap_node *node)
{
    return neighbour(node, LEFT);
}

void omap_check(const struct omap *m)
{
    size_t count = 0;
    size_t memory = 0;
    const struct omap_node *before = NULL;
    for (const struct omap_node *n = omap_first(m); n != NULL; n = omap_next(n)) {
        if (before != NULL)
            ASSERT(bytes_compare(omap_key(before), omap_key(n)) < 0);
        if (n->parent != NULL)
            ASSERT(n->parent->priority >= n->priority);
        count++;
        memory += node_memory(n);
        before = n;
    }
    ASSERT(count == m->count);
    ASSERT(memory == m->memory);
}
