#include "node/meta/paxos.h"

#include "base/mem.h"
#include "base/mutant.h"

#include <string.h>

int ballot_compare(struct ballot a, struct ballot b)
{
    if (a.round != b.round)
        return a.round < b.round ? -1 : 1;
    if (a.life != b.life)
        return a.life < b.life ? -1 : 1;
    if (a.node != b.node)
        return a.node < b.node ? -1 : 1;
    return 0;
}

bool ballot_is_none(struct ballot b)
{
    return b.round == 0 && b.life == 0 && b.node == 0;
}

uint64_t ballot_number(struct ballot b)
{
    return (uint64_t)b.round << 32 | b.life;
}

struct ballot ballot_make(uint64_t number, node_no node)
{
    return (struct ballot){(uint32_t)(number >> 32), (uint32_t)number, node};
}

void paxos_acceptor_init(struct paxos_acceptor *a)
{
    memset(a, 0, sizeof *a);
    buf_init(&a->value, PAXOS_VALUE_MAX);
}

void paxos_acceptor_close(struct paxos_acceptor *a)
{
    buf_close(&a->value);
}

void paxos_acceptor_reset(struct paxos_acceptor *a)
{
    a->promised = a->accepted = (struct ballot){0, 0, 0};
    buf_clear(&a->value);
}

/* Strictly higher: who asks twice with one ballot gets one promise. A promise that was given to an
 * earlier message must not be counted beside one that was given after the proposer went on. */
struct paxos_reply paxos_prepare(struct paxos_acceptor *a, struct ballot ballot)
{
    struct paxos_reply reply = {.promised = a->promised};
    if (ballot_compare(ballot, a->promised) <= 0)
        return reply;
    a->promised = ballot;
    reply.ok = true;
    reply.promised = ballot;
    reply.accepted = a->accepted;
    reply.value = buf_bytes(&a->value);
    return reply;
}

struct paxos_reply paxos_accept(struct paxos_acceptor *a, struct ballot ballot, struct bytes value)
{
    struct paxos_reply reply = {.promised = a->promised};
    bool is_low = ballot_compare(ballot, a->promised) < 0 && !MUTANT(lower_ballot_accepted);
    if (is_low || ballot_is_none(ballot) || value.len > PAXOS_VALUE_MAX)
        return reply;
    a->promised = a->accepted = ballot;
    buf_clear(&a->value);
    buf_put_bytes(&a->value, value);
    reply.ok = true;
    reply.promised = ballot;
    return reply;
}

static void put_ballot(struct buf *out, struct ballot b)
{
    buf_put_u64(out, ballot_number(b));
    buf_put_u32(out, b.node);
}

static struct ballot read_ballot(struct reader *in)
{
    uint64_t number = read_u64(in);
    return ballot_make(number, read_u32(in));
}

void paxos_acceptor_encode(const struct paxos_acceptor *a, struct buf *out)
{
    put_ballot(out, a->promised);
    put_ballot(out, a->accepted);
    buf_put_vbytes(out, buf_bytes(&a->value));
}

enum err paxos_acceptor_decode(struct reader *in, struct paxos_acceptor *a)
{
    paxos_acceptor_reset(a);
    struct ballot promised = read_ballot(in);
    struct ballot accepted = read_ballot(in);
    struct bytes value = read_vbytes(in);
    if (in->failed || ballot_compare(accepted, promised) > 0 || value.len > PAXOS_VALUE_MAX)
        return ERR_MALFORMED;
    a->promised = promised;
    a->accepted = accepted;
    buf_put_bytes(&a->value, value);
    return ERR_OK;
}

void paxos_proposer_init(struct paxos_proposer *p)
{
    memset(p, 0, sizeof *p);
    buf_init(&p->value, PAXOS_VALUE_MAX);
}

void paxos_proposer_close(struct paxos_proposer *p)
{
    buf_close(&p->value);
}

static void begin_phase(struct paxos_proposer *p, enum paxos_phase phase)
{
    p->phase = phase;
    p->yes = 0;
    memset(p->said_yes, 0, sizeof p->said_yes);
}

void paxos_propose(struct paxos_proposer *p, const node_no *members, uint32_t count,
                   uint32_t needed, struct ballot ballot, struct bytes value)
{
    ASSERT(count >= 1 && count <= PAXOS_ACCEPTORS_MAX);
    ASSERT(needed <= count && needed * 2 > count);
    ASSERT(!ballot_is_none(ballot));
    ASSERT(value.len <= PAXOS_VALUE_MAX);
    begin_phase(p, PAXOS_PREPARING);
    p->ballot = ballot;
    memcpy(p->members, members, count * sizeof members[0]);
    p->count = count;
    p->needed = needed;
    p->adopted = (struct ballot){0, 0, 0};
    p->highest = ballot;
    buf_clear(&p->value);
    buf_put_bytes(&p->value, value);
}

void paxos_stop(struct paxos_proposer *p)
{
    begin_phase(p, PAXOS_IDLE);
    buf_clear(&p->value);
}

/* Which member it is that answers this attempt, or `count`. */
static uint32_t who_answers(const struct paxos_proposer *p, enum paxos_phase phase, node_no from,
                            struct ballot ballot)
{
    uint32_t i = 0;
    if (p->phase != phase || ballot_compare(ballot, p->ballot) != 0)
        return p->count;
    while (i < p->count && p->members[i] != from)
        i++;
    return i;
}

/* Whether that makes a quorum. */
static bool says_yes(struct paxos_proposer *p, uint32_t who)
{
    p->yes += !p->said_yes[who];
    p->said_yes[who] = true;
    return p->yes >= p->needed || MUTANT(one_acceptor_decides);
}

/* A refusal counts only when it names a higher ballot: else it answers a repeated message. */
static bool refused(struct paxos_proposer *p, const struct paxos_reply *reply)
{
    if (ballot_compare(reply->promised, p->ballot) <= 0)
        return false;
    p->highest = reply->promised;
    p->phase = PAXOS_LOST;
    return true;
}

bool paxos_on_promise(struct paxos_proposer *p, node_no from, struct ballot ballot,
                      const struct paxos_reply *reply)
{
    uint32_t who = who_answers(p, PAXOS_PREPARING, from, ballot);
    if (who == p->count || p->said_yes[who])
        return false;
    if (!reply->ok)
        return refused(p, reply);
    if (reply->value.len > PAXOS_VALUE_MAX)
        return false;
    if (ballot_compare(reply->accepted, p->adopted) > 0 && !MUTANT(accepted_value_ignored)) {
        p->adopted = reply->accepted;
        buf_clear(&p->value);
        buf_put_bytes(&p->value, reply->value);
    }
    if (!says_yes(p, who))
        return false;
    begin_phase(p, PAXOS_ACCEPTING);
    return true;
}

bool paxos_on_accepted(struct paxos_proposer *p, node_no from, struct ballot ballot,
                       const struct paxos_reply *reply)
{
    uint32_t who = who_answers(p, PAXOS_ACCEPTING, from, ballot);
    if (who == p->count)
        return false;
    if (!reply->ok)
        return refused(p, reply);
    if (!says_yes(p, who))
        return false;
    p->phase = PAXOS_CHOSEN;
    return true;
}
