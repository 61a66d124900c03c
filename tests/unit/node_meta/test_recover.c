/* Going on without a majority that is lost; and what becomes of who was given up and comes back. */
#include "sim.h"

#include "node/schema/schema.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

void recover_setup(void);
void recover_teardown(void);

static struct sim *f;

void recover_setup(void)
{
    f = NULL;
}

void recover_teardown(void)
{
    sim_free(f);
    f = NULL;
}

static const struct topology *seen_by(uint32_t i)
{
    return meta_topology(f->nodes[i].meta);
}

static const struct topology_node *entry_of(uint32_t by, uint32_t i)
{
    return topology_find_host(seen_by(by), &f->nodes[i].config.self.host_id);
}

static enum meta_phase phase_of(uint32_t i)
{
    return meta_phase(f->nodes[i].meta);
}

static void ring_of(uint64_t seed, uint32_t nodes)
{
    sim_free(f);
    f = sim_new(seed, nodes);
    sim_seeds_all(f);
    for (uint32_t i = 1; i <= nodes; i++)
        sim_start(f, i);
    CU_ASSERT_TRUE_FATAL(sim_run_until(f, sim_all_ready, 30 * USEC_PER_SEC));
    CU_ASSERT_EQUAL(sim_wait(f, 1, sim_create_keyspace(f, 1))->err, ERR_OK);
}

static void kill(uint32_t i)
{
    for (uint32_t j = 1; j <= f->count; j++) {
        if (j != i && f->nodes[j].meta != NULL)
            sim_tell(f, j, meta_self(f->nodes[i].meta), false);
    }
    sim_crash(f, i);
}

static bool has_table(uint32_t i, const char *name)
{
    return schema_table(meta_schema(f->nodes[i].meta), "ks", name) != NULL;
}

static enum err make_table(uint32_t i, const char *name)
{
    const struct sim_done *d = sim_wait(f, i, sim_create(f, i, name));
    return d == NULL ? ERR_TIMEOUT : d->err;
}

/* Three of the members, none of them node 7; and two of those that are then left. */
struct cast {
    uint32_t lost[3];
    uint32_t left[2];
};

static struct cast lose_three(void)
{
    struct cast c = {{0}, {7, 7}};
    uint32_t count = 0;
    for (uint32_t i = 1; i <= f->count && i < 7; i++) {
        if (count < 3 && topology_is_member(seen_by(i), entry_of(i, i)->node))
            c.lost[count++] = i;
        else
            c.left[0] = i;
    }
    CU_ASSERT_EQUAL_FATAL(count, 3);
    return c;
}

static void kill_lost(const struct cast *c)
{
    for (uint32_t i = 0; i < 3; i++)
        kill(c->lost[i]);
}

static const char *said(uint32_t i)
{
    return meta_recovery(f->nodes[i].meta).text;
}

/* Five vote, three are lost. The two that are left go on; who was lost serves nobody any more, and
 * comes back as a new node in its own place. */
static void two_of_five_go_on(void)
{
    const uint32_t lost[] = {3, 1, 2, 1};
    ring_of(1, 5);
    CU_ASSERT_EQUAL(seen_by(4)->members_count, 5);
    for (uint32_t i = 1; i <= 3; i++)
        kill(i);
    CU_ASSERT_EQUAL(make_table(4, "a"), ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(sim_recover(f, 4, lost, 4), ERR_OK);
    CU_ASSERT_EQUAL(sim_recovered(f, 4), META_RECOVERY_DONE);
    CU_ASSERT_EQUAL(make_table(4, "b"), ERR_OK);
    CU_ASSERT_TRUE(has_table(5, "b"));
    CU_ASSERT_EQUAL(seen_by(5)->recoveries, 1);
    CU_ASSERT_EQUAL(seen_by(5)->members_count, 1);
    for (uint32_t i = 1; i <= 3; i++)
        CU_ASSERT_TRUE(entry_of(5, i)->lost);

    /* They are told, and know it the next time. */
    for (int again = 0; again < 2; again++) {
        for (uint32_t i = 1; i <= 3; i++)
            sim_start(f, i);
        sim_run(f, 3 * USEC_PER_SEC);
        for (uint32_t i = 1; i <= 3; i++) {
            CU_ASSERT_EQUAL(phase_of(i), META_OUTDATED);
            CU_ASSERT_PTR_NOT_NULL(strstr(meta_problem(f->nodes[i].meta), "--replace_address="));
            CU_ASSERT_FALSE(has_table(i, "b"));
            sim_crash(f, i);
        }
    }
    sim_wipe(f, 2);
    f->nodes[2].config.replaces = f->nodes[2].config.self.endpoint;
    sim_start(f, 2);
    sim_run(f, 5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(phase_of(2), META_READY);
    CU_ASSERT_TRUE(has_table(2, "b"));
    CU_ASSERT_EQUAL(make_table(2, "c"), ERR_OK);
    CU_ASSERT_TRUE(sim_agree(f));
}

/* The state is kept over a restart, as entries and as a snapshot. */
static void who_went_on_restarts(void)
{
    const uint32_t lost[] = {1, 2};
    char name[16];
    ring_of(2, 3);
    kill(1);
    kill(2);
    CU_ASSERT_EQUAL(sim_recover(f, 3, lost, 2), ERR_OK);
    CU_ASSERT_EQUAL(sim_recovered(f, 3), META_RECOVERY_DONE);
    for (int i = 0; i < 150; i++) { /* past a snapshot */
        snprintf(name, sizeof name, "t%d", i);
        CU_ASSERT_EQUAL(make_table(3, name), ERR_OK);
    }
    sim_crash(f, 3);
    sim_start(f, 3);
    sim_run(f, 3 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(phase_of(3), META_READY);
    CU_ASSERT_EQUAL(seen_by(3)->recoveries, 1);
    CU_ASSERT_EQUAL(make_table(3, "last"), ERR_OK);
    /* Who has a part of the log that is no longer there hears of it by no entry, and is told. */
    sim_start(f, 1);
    sim_run(f, 3 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(phase_of(1), META_OUTDATED);
    CU_ASSERT_TRUE(sim_agree(f));
}

static void refuses(uint32_t at, const uint32_t *lost, size_t count, const char *why)
{
    uint64_t epoch = meta_epoch(f->nodes[at].meta);
    CU_ASSERT_EQUAL(sim_recover(f, at, lost, count), ERR_OK);
    CU_ASSERT_EQUAL(sim_recovered(f, at), META_RECOVERY_REFUSED);
    CU_ASSERT_PTR_NOT_NULL(strstr(said(at), why));
    if (strstr(said(at), why) == NULL)
        printf("\n    it said: %s\n", said(at));
    CU_ASSERT_EQUAL(seen_by(at)->recoveries, 0);
    CU_ASSERT_EQUAL(meta_epoch(f->nodes[at].meta), epoch);
}

static void while_a_majority_answers(void)
{
    const uint32_t one[] = {1}, all[] = {1, 2};
    ring_of(3, 3);
    kill(1);
    refuses(3, one, 1, "2 of 3 metadata members answer");
    /* Not of this node, but they answer each other. */
    sim_cut(f, 2, 3, true);
    sim_run(f, USEC_PER_SEC);
    refuses(3, one, 1, "does not answer and is not named as lost");
    sim_cut(f, 2, 3, false);
    refuses(3, all, 2, "2 of 3 metadata members answer");
    CU_ASSERT_EQUAL(make_table(3, "a"), ERR_OK);
}

static void one_is_neither_named_nor_there(void)
{
    const uint32_t lost[] = {1, 2, 3};
    ring_of(4, 6);
    uint32_t other = 0, at = 0;
    for (uint32_t i = 4; i <= 6; i++) { /* one of them is no member: it counts as well */
        if (!topology_is_member(seen_by(1), entry_of(1, i)->node))
            other = i;
        else
            at = i;
    }
    if (other == 0)
        other = at == 4 ? 5 : 4;
    for (uint32_t i = 1; i <= 3; i++)
        kill(i);
    kill(other);
    refuses(at, lost, 3, "does not answer and is not named as lost");
    sim_start(f, other);
    sim_run(f, 2 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(sim_recover(f, at, lost, 3), ERR_OK);
    CU_ASSERT_EQUAL(sim_recovered(f, at), META_RECOVERY_DONE);
}

/* A cut keeps the node that is asked from one that is named, but another one hears it. */
static void one_that_is_named_is_there(void)
{
    const uint32_t lost[] = {1, 2, 3};
    ring_of(5, 5);
    kill(1);
    kill(2);
    refuses(4, lost, 3, "3 of 5 metadata members answer");
    kill(5);
    const uint32_t four[] = {1, 2, 3, 5};
    refuses(4, four, 4, "answers, it is not lost");
    sim_start(f, 5);
    sim_run(f, 2 * USEC_PER_SEC);
    sim_cut(f, 3, 4, true);
    refuses(4, lost, 3, "it is not lost");
    CU_ASSERT_PTR_NOT_NULL(strstr(said(4), "answers node"));
}

static void what_is_named_must_be_there_to_be_lost(void)
{
    const uint32_t self[] = {3}, two[] = {1, 2};
    ring_of(6, 4);
    struct uuid nobody = {{9}};
    struct errmsg why;
    kill(1);
    kill(2);
    CU_ASSERT_EQUAL(sim_recover(f, 3, self, 1), ERR_INVALID);
    CU_ASSERT_EQUAL(sim_recover(f, 3, two, 0), ERR_INVALID);
    CU_ASSERT_EQUAL(meta_recover(f->nodes[3].meta, &nobody, 1, &why), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(sim_recover(f, 3, two, 2), ERR_OK);
    CU_ASSERT_EQUAL(sim_recover(f, 3, two, 2), ERR_CLOSED);
}

/* Two people recover at once, at two nodes, and not of one mind about who is lost. Whatever comes
 * of it, it is one log. */
static void two_at_once_come_to_one_log(void)
{
    uint32_t done = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        ring_of(seed, 7);
        struct cast c = lose_three();
        uint32_t a = c.left[0], b = c.left[1];
        kill_lost(&c);
        CU_ASSERT_EQUAL(sim_recover(f, a, c.lost, 3), ERR_OK);
        sim_run(f, (usec)rng_below(&f->rng, 20 * USEC_PER_MS));
        CU_ASSERT_EQUAL(sim_recover(f, b, c.lost, 3), ERR_OK);
        bool of_a = sim_recovered(f, a) == META_RECOVERY_DONE;
        bool of_b = sim_recovered(f, b) == META_RECOVERY_DONE;
        done += of_a || of_b;
        CU_ASSERT_EQUAL(make_table(a, "a"), ERR_OK);
        CU_ASSERT_TRUE(has_table(b, "a"));
        CU_ASSERT_EQUAL(seen_by(b)->generation, seen_by(a)->generation);
        CU_ASSERT_EQUAL(seen_by(b)->recoveries, 1);
        CU_ASSERT_TRUE(sim_agree(f));
    }
    CU_ASSERT_EQUAL(done, 12);
}

static bool is_lost(const struct cast *c, uint32_t i)
{
    return i == c->lost[0] || i == c->lost[1] || i == c->lost[2];
}

/* A member that is not among them. */
static uint32_t left_member(const struct cast *c)
{
    uint32_t i = 1;
    while (is_lost(c, i) || !topology_is_member(seen_by(i), entry_of(i, i)->node))
        i++;
    return i;
}

/* What the durable register of a node has accepted for the slot after `epoch`: its ballot. */
static struct ballot accepted_by(uint32_t i, uint64_t epoch)
{
    struct ballot ballot = {0, 0, 0};
    struct bytes value;
    if (!omap_get(&f->nodes[i].disk, BYTES_LIT("meta/acceptor"), &value))
        return ballot;
    struct reader in = reader_make(value);
    struct paxos_acceptor a;
    paxos_acceptor_init(&a);
    if (read_u64(&in) == epoch + 1 && paxos_acceptor_decode(&in, &a) == ERR_OK)
        ballot = a.accepted;
    paxos_acceptor_close(&a);
    return ballot;
}

/* A change is on its way to being decided when most members are lost. What one of those that are
 * left has accepted may have been decided, and comes first. */
static void what_was_accepted_is_decided_first(void)
{
    uint32_t hidden = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        ring_of(seed, 7);
        struct cast c = lose_three();
        uint32_t accepted = 0;
        uint32_t hears = left_member(&c);
        f->delay_max = 20 * USEC_PER_MS;
        for (uint32_t k = 0; k < 3; k++) {
            for (uint32_t i = 1; i <= 7; i++)
                f->cut[c.lost[k]][i] = i != hears && !is_lost(&c, i);
        }
        (void)sim_create(f, c.lost[0], "a");
        sim_run(f, (usec)rng_between(&f->rng, 10, 60) * USEC_PER_MS);
        kill_lost(&c);
        f->delay_max = USEC_PER_MS;
        sim_run(f, 100 * USEC_PER_MS);
        uint64_t epoch = meta_epoch(f->nodes[7].meta);
        for (uint32_t i = 1; i <= 7; i++) {
            if (f->nodes[i].meta != NULL && meta_epoch(f->nodes[i].meta) > epoch)
                epoch = meta_epoch(f->nodes[i].meta);
        }
        for (uint32_t i = 1; i <= 7; i++) {
            if (f->nodes[i].meta != NULL)
                accepted += has_table(i, "a") || !ballot_is_none(accepted_by(i, epoch));
        }
        hidden += accepted == 1;
        f->delay_max = 20 * USEC_PER_MS;
        CU_ASSERT_EQUAL(sim_recover(f, 7, c.lost, 3), ERR_OK);
        CU_ASSERT_EQUAL(sim_recovered(f, 7), META_RECOVERY_DONE);
        CU_ASSERT_TRUE(accepted == 0 || has_table(7, "a"));
        CU_ASSERT_TRUE(sim_agree(f));
    }
    CU_ASSERT_TRUE(hidden > 5); /* cases in which one of four knew of it */
    if (hidden <= 5)
        printf("one of four knew of it in %u cases\n", (unsigned)hidden);
}

/* The operator was wrong: those that were given up were behind a cut, and have gone on as well.
 * They are told when they are heard again, also one that came in there, and also when their log is
 * the longer one; what they have decided is nobody's but theirs. */
static void who_was_given_up_had_gone_on(void)
{
    const uint32_t lost[] = {1, 2, 3};
    for (uint64_t seed = 1; seed <= 10; seed++) {
        ring_of(seed, 5);
        for (uint32_t i = 1; i <= 3; i++) {
            for (uint32_t j = 4; j <= 5; j++)
                sim_cut(f, i, j, true);
        }
        for (uint32_t i = 1; i <= 3; i++) {
            for (uint32_t j = 4; j <= 5; j++) {
                sim_tell(f, i, entry_of(1, j)->node, false);
                sim_tell(f, j, entry_of(4, i)->node, false);
            }
        }
        CU_ASSERT_EQUAL(sim_recover(f, 4, lost, 3), ERR_OK);
        CU_ASSERT_EQUAL(sim_recovered(f, 4), META_RECOVERY_DONE);
        CU_ASSERT_EQUAL(make_table(4, "ours"), ERR_OK);
        for (uint32_t i = 0; i <= seed % 4; i++) {
            char name[16];
            snprintf(name, sizeof name, "theirs%u", (unsigned)i);
            CU_ASSERT_EQUAL(make_table(1, name), ERR_OK);
        }
        memset(f->cut, 0, sizeof f->cut);
        sim_run(f, 20 * USEC_PER_SEC);
        for (uint32_t i = 1; i <= 3; i++)
            CU_ASSERT_EQUAL(phase_of(i), META_OUTDATED);
        for (uint32_t i = 4; i <= 5; i++) {
            CU_ASSERT_EQUAL(phase_of(i), META_READY);
            CU_ASSERT_TRUE(has_table(i, "ours"));
            CU_ASSERT_FALSE(has_table(i, "theirs0"));
        }
        CU_ASSERT_EQUAL(make_table(5, "more"), ERR_OK);
        CU_ASSERT_TRUE(sim_agree(f));
    }
}

/* Two halves of a cut, and each is told that the other is lost. Nobody can keep a person from that;
 * both say so as soon as they hear each other, whichever went on further, and neither takes
 * anything of the other. */
static void two_halves_that_gave_each_other_up(void)
{
    const uint32_t theirs[] = {3, 4, 5}, ours[] = {1, 2, 5};
    for (int late = 0; late < 2; late++) {
        ring_of(7, 5);
        for (uint32_t i = 1; i <= 2; i++) {
            for (uint32_t j = 3; j <= 5; j++)
                sim_cut(f, i, j, true);
        }
        if (late)
            CU_ASSERT_EQUAL(make_table(3, "a"), ERR_OK);
        kill(5);
        CU_ASSERT_EQUAL(sim_recover(f, 1, theirs, 3), ERR_OK);
        CU_ASSERT_EQUAL(sim_recovered(f, 1), META_RECOVERY_DONE);
        CU_ASSERT_EQUAL(sim_recover(f, 3, ours, 3), ERR_OK);
        CU_ASSERT_EQUAL(sim_recovered(f, 3), META_RECOVERY_DONE);
        bool apart =
            generation_slot(seen_by(1)->generation) != generation_slot(seen_by(3)->generation);
        CU_ASSERT_EQUAL(apart, late);
        memset(f->cut, 0, sizeof f->cut);
        sim_run(f, 30 * USEC_PER_SEC);
        for (uint32_t i = 1; i <= 4; i++) {
            CU_ASSERT_EQUAL(phase_of(i), META_READY);
            CU_ASSERT_PTR_NOT_NULL(strstr(meta_problem(f->nodes[i].meta), "two clusters now"));
        }
        CU_ASSERT_EQUAL(make_table(1, "ours"), ERR_OK);
        CU_ASSERT_EQUAL(make_table(3, "theirs"), ERR_OK);
        CU_ASSERT_FALSE(has_table(2, "theirs"));
        CU_ASSERT_TRUE(sim_agree(f));
    }
}

/* Who was left, has agreed, and was killed before it heard what came of it: it is no lost one. */
static void who_was_left_and_restarts_goes_on(void)
{
    const uint32_t lost[] = {1, 2, 3};
    uint32_t behind = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        ring_of(seed, 5);
        for (uint32_t i = 1; i <= 3; i++)
            kill(i);
        CU_ASSERT_EQUAL(sim_recover(f, 4, lost, 3), ERR_OK);
        sim_run(f, 2 * USEC_PER_SEC);
        for (int k = 0; k < 60 && seen_by(4)->recoveries == 0; k++)
            sim_run(f, 200);
        if (seen_by(5)->recoveries > 0)
            continue;
        behind++;
        kill(5);
        sim_run(f, USEC_PER_SEC);
        sim_start(f, 5);
        sim_run(f, 3 * USEC_PER_SEC);
        CU_ASSERT_EQUAL(phase_of(5), META_READY);
        CU_ASSERT_EQUAL(seen_by(5)->recoveries, 1);
        CU_ASSERT_TRUE(sim_agree(f));
    }
    CU_ASSERT_TRUE(behind > 3);
}

CU_TestInfo recover_tests[] = {
    {"two of five go on", two_of_five_go_on},
    {"who went on restarts", who_went_on_restarts},
    {"while a majority answers", while_a_majority_answers},
    {"one is neither named nor there", one_is_neither_named_nor_there},
    {"one that is named is there", one_that_is_named_is_there},
    {"what is named must be there to be lost", what_is_named_must_be_there_to_be_lost},
    {"two at once come to one log", two_at_once_come_to_one_log},
    {"what was accepted is decided first", what_was_accepted_is_decided_first},
    {"who was given up had gone on", who_was_given_up_had_gone_on},
    {"two halves that gave each other up", two_halves_that_gave_each_other_up},
    {"who was left and restarts goes on", who_was_left_and_restarts_goes_on},
    CU_TEST_INFO_NULL,
};
