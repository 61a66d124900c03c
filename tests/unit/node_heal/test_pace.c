/* What is handed over is paced by the clients of both ends: on a load that is simulated, and
 * between nodes. */
#include "three.h"

#include "node/heal/pace.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define MS      USEC_PER_MS
#define MISSED  6000u
#define SLOWEST (UINT64_C(1) << 20)
#define FASTEST (UINT64_C(64) << 20)

void pace_setup(void);
void pace_teardown(void);

void pace_setup(void)
{
    three_setup(3);
}

void pace_teardown(void)
{
    three_teardown();
    three_rate_min = 0;
    three_message_us = 0;
}

static uint32_t random_state;

static usec noise(usec most)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (usec)(random_state >> 8) % most;
}

/* A thousand requests a second, of 1 ms to 2 ms, and so much more. */
static usec requests(struct foreground *fg, usec now, usec for_us, usec more)
{
    for (usec end = now + for_us; now < end; now += MS)
        foreground_note(fg, now, MS + noise(MS) + more);
    return now;
}

/* Handoff that disturbs each tenth of a second. Returns the verdicts of one kind. */
static unsigned disturbed(struct foreground *fg, usec *now, unsigned times, usec more,
                          enum pace_verdict kind)
{
    unsigned count = 0;
    for (unsigned i = 0; i < times; i++) {
        foreground_disturb(fg, *now);
        *now = requests(fg, *now, 100 * MS, more);
        count += foreground_verdict(fg, *now) == kind;
    }
    return count;
}

static void what_is_slow_is_learnt_when_quiet(void)
{
    struct foreground fg = {0};
    random_state = 1;
    usec now = requests(&fg, USEC_PER_SEC, 10 * USEC_PER_SEC, 0);
    CU_ASSERT(fg.limit > 2 * MS && fg.limit < 2300);
    unsigned slow = disturbed(&fg, &now, 100, 0, PACE_SLOW);
    CU_ASSERT_EQUAL(slow, 0); /* as ever */
    now += FOREGROUND_REST;
    unsigned calm = disturbed(&fg, &now, 100, 0, PACE_CALM);
    CU_ASSERT(calm > 30);
    for (unsigned i = 0; i < 10; i++) {
        foreground_disturb(&fg, now);
        now = requests(&fg, now, 9 * MS, 500); /* not one is quiet */
    }
    CU_ASSERT_EQUAL(foreground_verdict(&fg, now), PACE_SLOW);
}

static void nothing_is_slow_before_enough_is_known(void)
{
    struct foreground fg = {0};
    usec now = USEC_PER_SEC;
    for (unsigned i = 0; i < FOREGROUND_LEARN - 1; i++, now += MS)
        foreground_note(&fg, now, MS);
    for (unsigned i = 0; i < 100; i++) {
        foreground_disturb(&fg, now);
        now = requests(&fg, now, 5 * MS, 50 * MS);
        CU_ASSERT_NOT_EQUAL(foreground_verdict(&fg, now), PACE_SLOW);
    }
}

/* All requests take four times as long, in the pauses, too. Before that is what they are compared
 * with, handoff has been told to be slow more often than it takes to be at its slowest. */
static void an_overload_is_not_the_rule_at_once(void)
{
    struct foreground fg = {0};
    unsigned slow = 0;
    random_state = 2;
    usec now = requests(&fg, USEC_PER_SEC, 10 * USEC_PER_SEC, 0);
    usec limit = fg.limit;
    while (fg.limit < 2 * limit)
        slow += disturbed(&fg, &now, 1, 6 * MS, PACE_SLOW);
    CU_ASSERT(slow >= 12);
    for (unsigned i = 0; i < 300; i++) /* it is not for us to be slow for ever */
        (void)disturbed(&fg, &now, 1, 6 * MS, PACE_SLOW);
    CU_ASSERT(disturbed(&fg, &now, 100, 6 * MS, PACE_SLOW) == 0);
}

/* A time of full load before does not make the limit a loose one for long. */
static void full_load_is_soon_forgotten(void)
{
    struct foreground fg = {0};
    random_state = 3;
    usec now = requests(&fg, USEC_PER_SEC, 60 * USEC_PER_SEC, 50 * MS);
    CU_ASSERT(fg.limit > 50 * MS);
    (void)requests(&fg, now, 2 * USEC_PER_SEC, 0);
    CU_ASSERT(fg.limit < 3 * MS);
}

/* Nobody asks for anything: nobody is disturbed. */
static void without_clients_it_is_fast(void)
{
    struct foreground fg = {0};
    struct pace p;
    usec now = USEC_PER_SEC;
    pace_init(&p, SLOWEST, FASTEST);
    (void)pace_part(&p, now, 1 << 20);
    for (usec end = now + 60 * USEC_PER_SEC; now < end && p.rate < FASTEST; now += 5 * MS) {
        foreground_disturb(&fg, now);
        enum pace_verdict v = foreground_verdict(&fg, now);
        pace_hear(&p, true, v);
        pace_hear(&p, false, v);
    }
    CU_ASSERT_EQUAL(p.rate, FASTEST);
    CU_ASSERT(now < 30 * USEC_PER_SEC);
}

/* Beyond so many bytes a second a pull makes one in three of the next five requests slow. The rate
 * comes to about that, and up when it is no longer so. Returns the bytes that came in the last half
 * of the time. */
static uint64_t rate_where(uint64_t bearable, struct pace *p, usec for_us)
{
    struct foreground fg = {0};
    uint64_t bytes = 0;
    usec now = requests(&fg, p->resume + USEC_PER_SEC, 10 * USEC_PER_SEC, 0), begun = now;
    for (usec end = now + for_us; now < end; now += MS) {
        bool slow = p->rate > bearable && now - fg.disturbed < 5 * MS && noise(3) == 0;
        foreground_note(&fg, now, MS + noise(MS) + (slow ? 3 * MS : 0));
        if (now < p->resume)
            continue;
        uint64_t part = pace_part(p, now, 256u << 10);
        CU_ASSERT(p->rate >= SLOWEST && p->rate <= FASTEST && part > 0);
        foreground_disturb(&fg, now);
        enum pace_verdict v = foreground_verdict(&fg, now);
        pace_hear(p, true, v);
        pace_hear(p, false, v);
        pace_pulled(p, now, part);
        CU_ASSERT(p->resume - now <= PACE_PAUSE);
        bytes += now - begun > for_us / 2 ? part : 0;
    }
    return bytes;
}

static void the_rate_is_what_clients_bear(void)
{
    struct pace p;
    random_state = 4;
    pace_init(&p, SLOWEST, FASTEST);
    CU_ASSERT(rate_where(0, &p, 60 * USEC_PER_SEC) >=
              10 * SLOWEST); /* of 30 s: it always gets on */
    CU_ASSERT(p.rate < 2 * SLOWEST && p.slowed[0] + p.slowed[1] > 10);
    uint64_t some = rate_where(8 << 20, &p, 60 * USEC_PER_SEC);
    CU_ASSERT(some > 30 * (UINT64_C(1) << 20) && some < 30 * (UINT64_C(12) << 20));
    CU_ASSERT(p.rate > 2 << 20 && p.rate < 14 << 20);
    (void)rate_where(UINT64_MAX, &p, 60 * USEC_PER_SEC);
    CU_ASSERT(p.rate > FASTEST / 2);
}

static void pulls_are_parts_of_a_second(void)
{
    struct pace p;
    pace_init(&p, SLOWEST, FASTEST);
    CU_ASSERT_EQUAL(pace_part(&p, USEC_PER_SEC, 1000), 1000);
    CU_ASSERT_EQUAL(p.rate, PACE_FIRST * SLOWEST);
    CU_ASSERT_EQUAL(pace_part(&p, USEC_PER_SEC, 256u << 10), PACE_PART_MIN);
    p.rate = FASTEST;
    CU_ASSERT_EQUAL(pace_part(&p, USEC_PER_SEC, 256u << 10), 256u << 10);
    pace_pulled(&p, USEC_PER_SEC, UINT64_MAX); /* whatever came: the next one is asked for */
    CU_ASSERT(p.resume <= USEC_PER_SEC + PACE_PAUSE);
    (void)pace_part(&p, p.resume + PACE_FORGET, 1000);
    CU_ASSERT_EQUAL(p.rate, PACE_FIRST * SLOWEST);
}

/* --- between nodes */

static uint64_t served(void)
{
    return heal_stats(f.node[0].heal).bytes_served + heal_stats(f.node[1].heal).bytes_served;
}

/* A millisecond, in which a client of node 1 and one of node 2 are answered: later, by so much,
 * when something was handed over within the last 5 ms. */
static void tick(usec more)
{
    static uint64_t before;
    static usec last;
    last = served() != before ? f.now.mono : last;
    before = served();
    usec took = MS + noise(MS) + (f.now.mono - last < 5 * MS ? more : 0);
    f.now.mono += MS;
    f.now.wall += MS;
    heal_foreground(f.node[0].heal, f.now, took);
    heal_foreground(f.node[1].heal, f.now, took);
    for (size_t i = 0; i < NODES; i++) {
        if (heal_next_deadline(f.node[i].heal) <= f.now.mono)
            heal_deadline(f.node[i].heal, f.now);
    }
    settle();
}

static void miss(void)
{
    three_rate_min = 256u << 10;
    three_teardown();
    three_setup(3);
    for (size_t i = 0; i < NODES; i++)
        heal_placed(f.node[i].heal, f.now, 1);
    begin();
    for (unsigned i = 0; i < 4000; i++)
        tick(0);
    set_down(3, true);
    for (unsigned i = 0; i < MISSED; i++)
        (void)write_quietly(3, 1, i, 10);
    settle();
    set_down(3, false);
}

static uint64_t came(void)
{
    return heal_stats(f.node[2].heal).dots_pulled;
}

static void clients_of_who_gives_come_first(void)
{
    usec took[2];
    uint64_t rate[2];
    for (unsigned i = 0; i < 2; i++) {
        miss();
        usec from = f.now.mono;
        while (came() < MISSED && f.now.mono - from < 120 * USEC_PER_SEC)
            tick(i * 5 * MS);
        CU_ASSERT_EQUAL(came(), MISSED);
        CU_ASSERT(all_equal());
        took[i] = f.now.mono - from;
        rate[i] = heal_stats(f.node[2].heal).rate;
        CU_ASSERT_EQUAL(heal_stats(f.node[2].heal).slowed[1] > 0, i == 1);
        CU_ASSERT_EQUAL(heal_stats(f.node[2].heal).missing, 0);
    }
    CU_ASSERT(took[1] > took[0] * 3 / 2);
    CU_ASSERT(rate[0] > PACE_FIRST * (256u << 10)); /* it has risen */
    CU_ASSERT(rate[1] < PACE_FIRST * (256u << 10));
}

/* While its clients bear nothing it gets on; when they do, it is fast again. */
static void it_is_slow_for_as_long_as_clients_are(void)
{
    miss();
    usec from = f.now.mono;
    while (came() < MISSED / 4 && f.now.mono - from < 120 * USEC_PER_SEC)
        tick(5 * MS);
    uint64_t slow = heal_stats(f.node[2].heal).rate;
    CU_ASSERT(came() >= MISSED / 4 && slow < 2 * (256u << 10));
    CU_ASSERT(heal_stats(f.node[2].heal).missing > 0);
    while (came() < MISSED && f.now.mono - from < 120 * USEC_PER_SEC)
        tick(0);
    CU_ASSERT(came() == MISSED && heal_stats(f.node[2].heal).rate > 2 * slow);
}

/* Killed in the middle, with what was not durable yet lost: what has come is not asked for again.
 */
static void who_is_killed_goes_on_where_it_was(void)
{
    miss();
    usec from = f.now.mono;
    while (came() < MISSED / 2 && f.now.mono - from < 120 * USEC_PER_SEC)
        tick(0);
    uint64_t before = came();
    CU_ASSERT(before < MISSED);
    set_down(3, true);
    restart(3, BYTES_NONE, BYTES_NONE);
    heal_begin(f.node[2].heal, f.now);
    set_down(3, false);
    while (came() + before < MISSED && f.now.mono - from < 240 * USEC_PER_SEC)
        tick(0);
    for (unsigned i = 0; i < 5000; i++)
        tick(0);
    CU_ASSERT_EQUAL(came() + before, MISSED);
    CU_ASSERT(all_equal());
}

static size_t behind(node_no no, node_no of)
{
    size_t count = 0;
    for (range_no r = 0; r < RANGES; r++)
        count += heal_is_behind(f.node[no - 1].heal, KEYSPACE, r, of);
    return count;
}

/* It knows of itself, and the others know of it, until it has all. */
static void who_is_behind_is_known(void)
{
    miss();
    for (unsigned i = 0; i < 4000; i++)
        tick(0);
    CU_ASSERT(came() < MISSED);
    CU_ASSERT(behind(1, 3) > RANGES / 2 && behind(2, 3) > RANGES / 2 && behind(3, 3) > RANGES / 2);
    CU_ASSERT_EQUAL(behind(1, 1) + behind(1, 2) + behind(3, 1) + behind(3, 2), 0);
    for (unsigned i = 0; i < 100000 && came() < MISSED; i++)
        tick(0);
    for (unsigned i = 0; i < 4000; i++)
        tick(0);
    CU_ASSERT_EQUAL(behind(1, 3) + behind(2, 3) + behind(3, 3), 0);
}

/* The peer that is being pulled from goes in a pause: the other one gives the rest. */
static void a_giver_may_go_in_a_pause(void)
{
    miss();
    usec from = f.now.mono;
    while (came() < MISSED / 2 && f.now.mono - from < 120 * USEC_PER_SEC)
        tick(0);
    node_no giver =
        heal_stats(f.node[0].heal).bytes_served > heal_stats(f.node[1].heal).bytes_served ? 1 : 2;
    f.node[giver - 1].down = true;
    heal_peer_lost(f.node[2].heal, f.now, giver);
    cluster_set_alive(f.node[2].cluster, giver, false);
    while (came() < MISSED && f.now.mono - from < 240 * USEC_PER_SEC)
        tick(0);
    CU_ASSERT_EQUAL(came(), MISSED);
    f.node[giver - 1].down = false;
}

CU_TestInfo pace_tests[] = {
    {"what is slow is learnt when quiet", what_is_slow_is_learnt_when_quiet},
    {"nothing is slow before enough is known", nothing_is_slow_before_enough_is_known},
    {"an overload is not the rule at once", an_overload_is_not_the_rule_at_once},
    {"full load is soon forgotten", full_load_is_soon_forgotten},
    {"without clients it is fast", without_clients_it_is_fast},
    {"the rate is what clients bear", the_rate_is_what_clients_bear},
    {"pulls are parts of a second", pulls_are_parts_of_a_second},
    {"clients of who gives come first", clients_of_who_gives_come_first},
    {"it is slow for as long as clients are", it_is_slow_for_as_long_as_clients_are},
    {"who is killed goes on where it was", who_is_killed_goes_on_where_it_was},
    {"who is behind is known", who_is_behind_is_known},
    {"a giver may go in a pause", a_giver_may_go_in_a_pause},
    CU_TEST_INFO_NULL,
};
