/* fuzz_moves.c - any bytes as the moves of a ring with two tables; what decodes must survive
 * encoding, and what may happen next. */
#include "base/mem.h"
#include "ring/placement.h"
#include "ring/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RANGES 16
#define SLOT   1000

static struct ring *make_ring(void)
{
    struct ring_node nodes[] = {{.node = 1, .weight = 1, .dc = "d", .rack = "r"},
                                {.node = 2, .weight = 1, .dc = "d", .rack = "s"},
                                {.node = 3, .weight = 1, .dc = "d", .rack = "t"}};
    struct ring *two, *plan;
    enum err err = ring_plan_fresh(RANGES, nodes, 2, &two);
    ASSERT(err == ERR_OK);
    err = ring_plan_join(two, &nodes[2], 1, &plan);
    ASSERT(err == ERR_OK);
    ring_free(two);
    return plan;
}

static void check_again(const struct moves *m, const struct ring *ring)
{
    struct buf out, again;
    struct moves back;
    buf_init(&out, BUF_MAX_DEFAULT);
    buf_init(&again, BUF_MAX_DEFAULT);
    moves_encode(m, ring, &out);
    struct reader in = reader_make(buf_bytes(&out));
    enum err err = moves_decode(&in, ring, SLOT, &back);
    ASSERT(err == ERR_OK);
    moves_encode(&back, ring, &again);
    ASSERT(bytes_equal(buf_bytes(&out), buf_bytes(&again)));
    moves_close(&back);
    buf_close(&out);
    buf_close(&again);
}

static void go_on(struct moves *m, const struct ring *ring)
{
    struct strategy other = {.type = STRATEGY_SIMPLE, .rf = 2};
    struct ring *next;
    for (size_t i = 0; i < m->count; i++)
        placement_free(placement_of(ring, &m->keyspace[i]));
    if (moves_are_full(m))
        return;
    (void)moves_replicate(m, ring, 5, &other, SLOT);
    if (moves_are_full(m))
        return;
    enum err err = ring_extend(ring, ring->node, ring->nodes, ring->table[0].owner, &next);
    ASSERT(err == ERR_OK);
    moves_begin(m, next, SLOT);
    for (uint32_t i = 0; i < next->nodes; i++)
        (void)moves_step(m, next->node[i].node);
    moves_settle(m, next, SLOT);
    struct ring *there = ring_settle(next);
    ASSERT(moves_fit(m, there, SLOT));
    ring_free(there);
    ring_free(next);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ring *ring; /* planning it takes far longer than all else */
    struct moves m;
    if (ring == NULL)
        ring = make_ring();
    struct reader in = reader_make(bytes_make(data, size));
    if (moves_decode(&in, ring, SLOT, &m) == ERR_OK) {
        check_again(&m, ring);
        go_on(&m, ring);
        moves_close(&m);
    }
    return 0;
}
