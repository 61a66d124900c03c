/* One decree under every fault the model has: agreement, and what the rules give up. */
#include "node/meta/paxos.h"

#include "base/mem.h"
#include "base/rng.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define ACCEPTORS 5
#define PROPOSERS 3
#define IN_FLIGHT 64
#define VALUE_LEN 4

/* A message on its way; it may be lost, repeated and overtaken. */
struct flight {
    enum { PREPARE, PROMISE, ACCEPT, ACCEPTED } type;
    uint32_t acceptor, proposer;
    struct ballot ballot;
    bool ok;
    struct ballot promised, accepted;
    uint8_t value[VALUE_LEN];
    size_t value_len;
};

struct world {
    struct rng rng;
    uint32_t acceptors;
    struct paxos_acceptor acceptor[ACCEPTORS];
    struct buf synced[ACCEPTORS];     /* the register as it would be after a power cut */
    struct flight held[ACCEPTORS][8]; /* answers that wait until the register is synced */
    size_t held_count[ACCEPTORS];
    struct paxos_proposer proposer[PROPOSERS];
    uint32_t life[PROPOSERS];
    uint32_t round[PROPOSERS];
    struct flight flights[IN_FLIGHT];
    size_t flights_count;
    uint8_t chosen[VALUE_LEN];
    bool is_chosen;
    uint32_t disagreements;
};

static void fly(struct world *w, struct flight f)
{
    if (w->flights_count < IN_FLIGHT)
        w->flights[w->flights_count++] = f;
}

static void set_value(struct flight *f, struct bytes value)
{
    ASSERT(value.len <= VALUE_LEN);
    f->value_len = value.len;
    if (value.len > 0)
        memcpy(f->value, value.data, value.len);
}

static void to_all(struct world *w, int type, uint32_t proposer)
{
    for (uint32_t i = 0; i < w->acceptors; i++) {
        struct flight f = {.type = (unsigned)type, .acceptor = i, .proposer = proposer};
        f.ballot = w->proposer[proposer].ballot;
        set_value(&f, buf_bytes(&w->proposer[proposer].value));
        fly(w, f);
    }
}

static void begin(struct world *w, uint32_t p)
{
    node_no members[ACCEPTORS];
    uint8_t value[VALUE_LEN];
    for (uint32_t i = 0; i < w->acceptors; i++)
        members[i] = i + 1;
    if (w->proposer[p].highest.round > w->round[p])
        w->round[p] = w->proposer[p].highest.round;
    struct ballot ballot = {++w->round[p], w->life[p], p + 1};
    store_u32(value, (uint32_t)rng_next(&w->rng));
    paxos_propose(&w->proposer[p], members, w->acceptors, w->acceptors / 2 + 1, ballot,
                  bytes_make(value, sizeof value));
    to_all(w, PREPARE, p);
}

static void sync_acceptor(struct world *w, uint32_t i)
{
    buf_clear(&w->synced[i]);
    paxos_acceptor_encode(&w->acceptor[i], &w->synced[i]);
    for (size_t k = 0; k < w->held_count[i]; k++)
        fly(w, w->held[i][k]);
    w->held_count[i] = 0;
}

/* Back to what was synced; answers that were held back are never said. */
static void crash_acceptor(struct world *w, uint32_t i)
{
    struct reader in = reader_make(buf_bytes(&w->synced[i]));
    enum err err = paxos_acceptor_decode(&in, &w->acceptor[i]);
    ASSERT(err == ERR_OK);
    w->held_count[i] = 0;
}

/* A proposer forgets everything but that it has lived before: its rounds begin again. */
static void crash_proposer(struct world *w, uint32_t p)
{
    paxos_stop(&w->proposer[p]);
    w->proposer[p].highest = (struct ballot){0, 0, 0};
    w->life[p]++;
    w->round[p] = 0;
}

static void note_chosen(struct world *w, struct bytes value)
{
    ASSERT(value.len == VALUE_LEN);
    if (!w->is_chosen)
        memcpy(w->chosen, value.data, VALUE_LEN);
    w->is_chosen = true;
    w->disagreements += memcmp(w->chosen, value.data, VALUE_LEN) != 0;
}

static void at_acceptor(struct world *w, struct flight f)
{
    uint32_t i = f.acceptor;
    struct paxos_reply r = f.type == PREPARE ? paxos_prepare(&w->acceptor[i], f.ballot)
                                             : paxos_accept(&w->acceptor[i], f.ballot,
                                                            bytes_make(f.value, f.value_len));
    struct flight answer = f;
    answer.type = f.type == PREPARE ? PROMISE : ACCEPTED;
    answer.ok = r.ok;
    answer.promised = r.promised;
    answer.accepted = r.accepted;
    set_value(&answer, r.value);
    if (!r.ok)
        fly(w, answer);
    else if (w->held_count[i] < ARRAY_LEN(w->held[i]))
        w->held[i][w->held_count[i]++] = answer;
}

static void at_proposer(struct world *w, const struct flight *f)
{
    struct paxos_proposer *p = &w->proposer[f->proposer];
    struct paxos_reply r = {f->ok, f->promised, f->accepted, bytes_make(f->value, f->value_len)};
    bool changed = f->type == PROMISE ? paxos_on_promise(p, f->acceptor + 1, f->ballot, &r)
                                      : paxos_on_accepted(p, f->acceptor + 1, f->ballot, &r);
    if (changed && p->phase == PAXOS_ACCEPTING)
        to_all(w, ACCEPT, f->proposer);
    if (changed && p->phase == PAXOS_CHOSEN)
        note_chosen(w, buf_bytes(&p->value));
}

static void deliver(struct world *w)
{
    if (w->flights_count == 0)
        return;
    size_t i = rng_below(&w->rng, w->flights_count);
    struct flight f = w->flights[i];
    if (!rng_chance(&w->rng, 200000)) /* else it stays, to arrive again */
        w->flights[i] = w->flights[--w->flights_count];
    if (rng_chance(&w->rng, 100000))
        return;
    if (f.type == PREPARE || f.type == ACCEPT)
        at_acceptor(w, f);
    else
        at_proposer(w, &f);
}

static void open_world(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    rng_init(&w->rng, seed);
    w->acceptors = seed % 3 == 0 ? 5 : seed % 3 == 1 ? 3 : 1;
    for (uint32_t i = 0; i < ACCEPTORS; i++) {
        paxos_acceptor_init(&w->acceptor[i]);
        buf_init(&w->synced[i], 4096);
        paxos_acceptor_encode(&w->acceptor[i], &w->synced[i]);
    }
    for (uint32_t p = 0; p < PROPOSERS; p++) {
        paxos_proposer_init(&w->proposer[p]);
        w->life[p] = 1;
    }
}

static void close_world(struct world *w)
{
    for (uint32_t i = 0; i < ACCEPTORS; i++) {
        paxos_acceptor_close(&w->acceptor[i]);
        buf_close(&w->synced[i]);
    }
    for (uint32_t p = 0; p < PROPOSERS; p++)
        paxos_proposer_close(&w->proposer[p]);
}

static bool run(uint64_t seed)
{
    struct world w;
    open_world(&w, seed);
    for (uint32_t turn = 0; turn < 400; turn++) {
        uint32_t p = (uint32_t)rng_below(&w.rng, PROPOSERS);
        uint32_t i = (uint32_t)rng_below(&w.rng, w.acceptors);
        uint64_t what = rng_below(&w.rng, 100);
        if (what < 4)
            begin(&w, p);
        else if (what < 30)
            sync_acceptor(&w, i);
        else if (what < 33)
            crash_acceptor(&w, i);
        else if (what < 34)
            crash_proposer(&w, p);
        else
            deliver(&w);
    }
    if (w.disagreements > 0)
        printf("seed %llu: two values chosen\n", (unsigned long long)seed);
    CU_ASSERT_EQUAL(w.disagreements, 0);
    close_world(&w);
    return w.is_chosen;
}

static void never_two_values(void)
{
    uint32_t chosen = 0;
    for (uint64_t seed = 1; seed <= 3000; seed++)
        chosen += run(seed);
    CU_ASSERT_TRUE(chosen > 1000); /* the schedules do get somewhere */
}

static void a_promise_is_given_once_and_never_lowered(void)
{
    struct paxos_acceptor a;
    paxos_acceptor_init(&a);
    struct ballot low = {1, 1, 1}, high = {2, 1, 1};
    CU_ASSERT_TRUE(paxos_prepare(&a, high).ok);
    CU_ASSERT_FALSE(paxos_prepare(&a, high).ok);
    CU_ASSERT_FALSE(paxos_prepare(&a, low).ok);
    CU_ASSERT_FALSE(paxos_accept(&a, low, BYTES_LIT("low")).ok);
    CU_ASSERT_TRUE(paxos_accept(&a, high, BYTES_LIT("high")).ok);
    struct paxos_reply r = paxos_prepare(&a, (struct ballot){2, 1, 2});
    CU_ASSERT_TRUE(r.ok);
    CU_ASSERT_TRUE(bytes_equal_text(r.value, "high"));
    CU_ASSERT_EQUAL(ballot_compare(r.accepted, high), 0);
    paxos_acceptor_close(&a);
}

static void the_proposer_adopts_the_highest_accepted(void)
{
    struct paxos_proposer p;
    const node_no members[] = {1, 2, 3};
    struct ballot mine = {9, 1, 3};
    paxos_proposer_init(&p);
    paxos_propose(&p, members, 3, 2, mine, BYTES_LIT("mine"));
    struct paxos_reply old = {true, mine, {2, 1, 1}, BYTES_LIT("old")};
    struct paxos_reply older = {true, mine, {1, 1, 1}, BYTES_LIT("older")};
    CU_ASSERT_FALSE(paxos_on_promise(&p, 7, mine, &old)); /* a stranger */
    CU_ASSERT_FALSE(paxos_on_promise(&p, 1, mine, &old));
    CU_ASSERT_FALSE(paxos_on_promise(&p, 1, mine, &old)); /* repeated */
    CU_ASSERT_FALSE(paxos_on_promise(&p, 2, (struct ballot){8, 1, 3}, &older));
    CU_ASSERT_TRUE(paxos_on_promise(&p, 2, mine, &older));
    CU_ASSERT_EQUAL(p.phase, PAXOS_ACCEPTING);
    CU_ASSERT_TRUE(bytes_equal_text(buf_bytes(&p.value), "old"));
    struct paxos_reply no = {.ok = false, .promised = {9, 1, 4}};
    CU_ASSERT_TRUE(paxos_on_accepted(&p, 3, mine, &no));
    CU_ASSERT_EQUAL(p.phase, PAXOS_LOST);
    CU_ASSERT_EQUAL(p.highest.node, 4);
    paxos_proposer_close(&p);
}

static void the_register_is_read_back(void)
{
    struct paxos_acceptor a, b;
    struct buf out;
    paxos_acceptor_init(&a);
    paxos_acceptor_init(&b);
    buf_init(&out, 4096);
    (void)paxos_prepare(&a, (struct ballot){1, 2, 3});
    (void)paxos_accept(&a, (struct ballot){1, 2, 3}, BYTES_LIT("value"));
    (void)paxos_prepare(&a, (struct ballot){4, 5, 6});
    paxos_acceptor_encode(&a, &out);
    struct reader in = reader_make(buf_bytes(&out));
    CU_ASSERT_EQUAL(paxos_acceptor_decode(&in, &b), ERR_OK);
    CU_ASSERT_EQUAL(ballot_compare(a.promised, b.promised), 0);
    CU_ASSERT_EQUAL(ballot_compare(a.accepted, b.accepted), 0);
    CU_ASSERT_TRUE(bytes_equal(buf_bytes(&a.value), buf_bytes(&b.value)));
    for (size_t len = 0; len < out.len; len++) {
        in = reader_make(bytes_make(out.data, len));
        CU_ASSERT_EQUAL(paxos_acceptor_decode(&in, &b), ERR_MALFORMED);
    }
    buf_close(&out);
    paxos_acceptor_close(&a);
    paxos_acceptor_close(&b);
}

CU_TestInfo paxos_tests[] = {
    {"never two values", never_two_values},
    {"a promise is given once and never lowered", a_promise_is_given_once_and_never_lowered},
    {"the proposer adopts the highest accepted", the_proposer_adopts_the_highest_accepted},
    {"the register is read back", the_register_is_read_back},
    CU_TEST_INFO_NULL,
};
