#include "helpers.h"

#include "base/mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

static node_no owner_in(const struct ring *ring, struct rng *rng)
{
    return ring_table(ring, RING_NEWEST)->owner[rng_below(rng, (uint64_t)ring->dcs * ring->ranges)];
}

static struct ring *random_move(struct rng *rng)
{
    struct ring *ring = random_ring(rng, (uint32_t)1 << (4 + rng_below(rng, 3)), 10);
    struct ring_node one = make_node(1000, "dc0", "r9");
    uint64_t kind = rng_below(rng, 3);
    if (kind == 0)
        return ring;
    struct ring *plan =
        kind == 1 ? must_join(ring, &one, 1) : must_leave(ring, owner_in(ring, rng));
    ring_free(ring);
    return plan;
}

static void there_and_back(void)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rng rng;
        struct buf out;
        struct ring *back = NULL;
        rng_init(&rng, seed);
        buf_init(&out, BUF_MAX_DEFAULT);
        struct ring *ring = random_move(&rng);
        ring_encode(ring, &out);
        CU_ASSERT_EQUAL_FATAL(ring_decode(buf_bytes(&out), &back), ERR_OK);
        CU_ASSERT_TRUE(ring_equal(ring, back));
        ring_free(back);
        ring_free(ring);
        buf_close(&out);
    }
}

/* A default ring of nine takes a byte a range and a little; a ring of one a few bytes. */
static void compact(void)
{
    struct ring_node nodes[9];
    struct buf out;
    for (uint32_t i = 0; i < 9; i++)
        nodes[i] = make_racked(i + 1, 1);
    buf_init(&out, BUF_MAX_DEFAULT);
    struct ring *one = must_fresh(1024, nodes, 1);
    ring_encode(one, &out);
    CU_ASSERT(out.len < 24);
    buf_clear(&out);
    struct ring *nine = must_fresh(1024, nodes, 9);
    ring_encode(nine, &out);
    CU_ASSERT(out.len < 1024 + 128);
    buf_clear(&out);
    struct ring_node ten = make_racked(10, 1);
    struct ring *plan = must_join(nine, &ten, 1);
    ring_encode_diff(nine, plan, &out);
    CU_ASSERT(out.len < 400);
    buf_close(&out);
    ring_free(one);
    ring_free(nine);
    ring_free(plan);
}

/* From any ring to what a plan makes of it: also of one that moves already. */
static void diffs(void)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rng rng;
        struct buf out;
        struct ring *got = NULL;
        rng_init(&rng, seed);
        buf_init(&out, BUF_MAX_DEFAULT);
        struct ring *from = random_move(&rng);
        struct ring_node one = make_node(2000, rng_below(&rng, 2) == 0 ? "dc0" : "new", "r9");
        node_no leaver = owner_in(from, &rng);
        struct ring *to = leaver == 0 || rng_below(&rng, 2) == 0 ? must_join(from, &one, 1)
                                                                 : must_leave(from, leaver);
        ring_encode_diff(from, to, &out);
        CU_ASSERT_EQUAL_FATAL(ring_apply_diff(from, buf_bytes(&out), &got), ERR_OK);
        CU_ASSERT_TRUE(ring_equal(got, to));
        ring_free(got);
        ring_free(from);
        ring_free(to);
        buf_close(&out);
    }
}

/* Cut anywhere, or with a bit turned: an error, or a ring that can be encoded again; never harm. */
static void damaged(void)
{
    struct rng rng;
    struct buf out;
    rng_init(&rng, 5);
    buf_init(&out, BUF_MAX_DEFAULT);
    struct ring *ring = random_move(&rng);
    ring_encode(ring, &out);
    for (size_t len = 0; len < out.len; len++) {
        struct ring *got = NULL;
        enum err err = ring_decode(bytes_make(out.data, len), &got);
        CU_ASSERT_EQUAL(err, ERR_MALFORMED);
    }
    for (size_t at = 0; at < out.len * 8; at++) {
        struct ring *got = NULL;
        out.data[at / 8] ^= (uint8_t)(1u << at % 8);
        if (ring_decode(buf_bytes(&out), &got) == ERR_OK)
            ring_free(got);
        got = NULL;
        if (ring_apply_diff(ring, buf_bytes(&out), &got) == ERR_OK)
            ring_free(got);
        out.data[at / 8] ^= (uint8_t)(1u << at % 8);
    }
    buf_put_u8(&out, 0);
    struct ring *got = NULL;
    CU_ASSERT_EQUAL(ring_decode(buf_bytes(&out), &got), ERR_MALFORMED);
    out.data[0] = 9;
    CU_ASSERT_EQUAL(ring_decode(buf_bytes(&out), &got), ERR_UNSUPPORTED);
    CU_ASSERT_EQUAL(ring_apply_diff(ring, buf_bytes(&out), &got), ERR_UNSUPPORTED);
    CU_ASSERT_PTR_NULL(got);
    ring_free(ring);
    buf_close(&out);
}

/* A diff is for a ring of its own Q and with the nodes that its table names. */
static void diff_for_another_ring(void)
{
    struct ring_node nodes[] = {make_racked(1, 1), make_racked(2, 1), make_racked(3, 1)};
    struct ring *two = must_fresh(16, nodes, 2);
    struct ring *one = must_fresh(16, nodes, 1);
    struct ring *wide = must_fresh(32, nodes, 2);
    struct ring *plan = must_join(two, &nodes[2], 1);
    struct ring *got = NULL;
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    ring_encode_diff(two, plan, &out);
    CU_ASSERT_EQUAL(ring_apply_diff(wide, buf_bytes(&out), &got), ERR_MALFORMED);
    CU_ASSERT_EQUAL(ring_apply_diff(one, buf_bytes(&out), &got), ERR_MALFORMED);
    CU_ASSERT_PTR_NULL(got);
    buf_close(&out);
    ring_free(one);
    ring_free(two);
    ring_free(wide);
    ring_free(plan);
}

CU_TestInfo ring_codec_tests[] = {
    {"there and back", there_and_back},
    {"compact", compact},
    {"diffs", diffs},
    {"damaged bytes", damaged},
    {"a diff for another ring", diff_for_another_ring},
    CU_TEST_INFO_NULL,
};
