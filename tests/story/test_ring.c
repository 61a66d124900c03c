/* Stories of who is there: forming, joining, suspicion. */
#include "story/fixture.h"

void ring_setup(void);
void ring_teardown(void);

void ring_setup(void)
{
    story_setup();
}

void ring_teardown(void)
{
    story_teardown();
}

/* Whoever starts first, and however long the others take: one ring of three. */
static void a_fresh_ring_forms_in_any_order(void)
{
    static const unsigned orders[6][3] = {{1, 2, 3}, {1, 3, 2}, {2, 1, 3},
                                          {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};
    for (int i = 0; i < 6; i++) {
        story_teardown();
        story_setup();
        for (int j = 0; j < 3; j++)
            sim_add(sim);
        for (int j = 0; j < 3; j++) {
            sim_start(sim, orders[i][j]);
            sim_elapse(sim, MILLISECONDS(700) * i);
        }
        CU_ASSERT(sim_form(sim, 3));
        const struct topology *t = meta_topology(node_meta(sim_node(sim, 1)));
        CU_ASSERT_EQUAL(t->count, 3);
        CU_ASSERT_EQUAL(t->members_count, 3);
    }
}

/* A node that stands still for three seconds is suspected, and says that it lives. */
static void a_false_suspicion_is_refuted(void)
{
    CU_ASSERT_FATAL(sim_form(sim, 3));
    sim_elapse(sim, SECONDS(5));
    sim_watch(sim, "-> suspect|suspect -> |accused|-> dead");
    sim_pause(sim, 3);
    sim_elapse(sim, SECONDS(3));
    sim_resume(sim, 3);
    sim_elapse(sim, SECONDS(10));
    CU_ASSERT(see_each_other());
    CU_ASSERT(sim_expect(sim, "1 > [3] was alive -> suspect at incarnation #\n"
                              "1 > [3] was suspect -> alive at incarnation #\n"
                              "2 > [3] was alive -> suspect at incarnation #\n"
                              "2 > [3] was suspect -> alive at incarnation #\n"
                              "3 > accused at incarnation # -> alive at #\n"));
}

/* A link that was cut comes back once: hearing from the peer, we connect at once, so that no answer
 * is turned away and taken for another failure. */
static void a_healed_link_is_up_once(void)
{
    story_begin(2);
    sim_watch(sim, " is up");
    sim_isolate(sim, 2);
    sim_elapse(sim, SECONDS(20));
    sim_heal_all(sim);
    CU_ASSERT(see_each_other());
    sim_elapse(sim, SECONDS(5));
    CU_ASSERT(sim_expect(sim, "1 > [2] is up -> asking it again\n"
                              "2 > [1] is up -> asking it again\n"));
}

static unsigned owned_by(unsigned node)
{
    const struct meta *m = node_meta(sim_node(sim, node));
    const struct ring *r = meta_topology(m)->ring;
    static token tokens[64];
    return ring_tokens(r, RING_PUBLISHED, meta_self(m), tokens);
}

/* A fourth node takes its quarter of the ring, while clients write. */
static void a_node_joins(void)
{
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_QUORUM, 1, 40));
    sim_add(sim);
    sim_start(sim, 4);
    CU_ASSERT(write_rows(2, CQL_CL_QUORUM, 41, 80));
    CU_ASSERT_FATAL(sim_form(sim, 4));
    for (unsigned i = 1; i <= 4; i++)
        CU_ASSERT_EQUAL(owned_by(i), 4);
    CU_ASSERT(read_rows(4, CQL_CL_ONE, 1, 80));
    CU_ASSERT(read_rows(1, CQL_CL_ALL, 1, 80));
    CU_ASSERT(become_equal(SECONDS(10)));
}

CU_TestInfo ring_tests[] = {
    {"a fresh ring forms in any order", a_fresh_ring_forms_in_any_order},
    {"a false suspicion is refuted", a_false_suspicion_is_refuted},
    {"a healed link is up once", a_healed_link_is_up_once},
    {"a node joins", a_node_joins},
    CU_TEST_INFO_NULL,
};
