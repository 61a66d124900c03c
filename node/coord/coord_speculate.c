/* Who is slow is not waited for. A read asks one replica more when it has waited for as long as its
 * table says (speculative_retry); a repair whose ack is late brings other replicas to the joined
 * state (additional_write_policy). What was asked before may still answer, and counts as well. */
#include "node/coord/coord_core.h"

static void set_timer(struct coord *c, struct now now, struct round *round, usec patience)
{
    if (patience == USEC_NEVER)
        timers_cancel(&c->timers, &round->speculation.timer);
    else
        timers_set(&c->timers, &round->speculation.timer, now.mono + patience);
}

/* Ask one replica more. False: there is none. */
static bool ask_one_more(struct coord *c, struct now now, struct round *round)
{
    bool full = round->phase == ROUND_FULL || round->phase == ROUND_INDEX;
    for (size_t i = 0; i < round->answers && !full; i++)
        full = round->answer[i].full_asked && round->answer[i].state == REPLICA_WAITING;
    if (!round_ask_another(c, now, round, full))
        return false;
    c->stats.speculations++;
    return true;
}

static usec patience_with_reads(struct coord *c, const struct round *round)
{
    return patience_us(&c->times, round->scan.table, ANSWER_READ, &round->policy.retry);
}

void speculate_again(struct coord *c, struct now now, struct round *round)
{
    usec patience = patience_with_reads(c, round);
    set_timer(c, now, round, patience > PATIENCE_MIN_US ? patience : PATIENCE_MIN_US);
}

void speculate_begin(struct coord *c, struct now now, struct round *round)
{
    usec patience = patience_with_reads(c, round);
    if (patience > 0 || quorums_state(&round->quorums) == QUORUM_ENOUGH)
        set_timer(c, now, round, patience);
    else if (ask_one_more(c, now, round))
        speculate_again(c, now, round);
}

void speculate_on_acks(struct coord *c, struct now now, struct round *round)
{
    set_timer(c, now, round,
              patience_us(&c->times, round->scan.table, ANSWER_WRITE, &round->policy.extra));
}

void read_speculate(struct coord *c, struct now now, struct round *round)
{
    if (round->phase == ROUND_REPAIR) {
        c->stats.repairs_widened += repair_widen(c, now, round);
        return;
    }
    if (ask_one_more(c, now, round))
        speculate_again(c, now, round);
}
