/* What else heals in the background goes by what clients feel, as pulls do (pace.h):
 *
 * - sessions by trees that nobody has asked for: marks, rounds and scrubs. All of a node have one
 *   pace, and what others' sessions want to be read here has it, too: a turn counts for the
 *   fragments that it reads and the bytes that it moves.
 * - hints that are brought: coordination asks for the rate.
 *
 * A node that works for another's healing says what its clients feel, when there is anything to
 * say (FELT): after each turn of a session by trees, and when it is asked by who brings hints. What
 * clients here feel is heard by all that has a pace here. */
#include "node/heal/compare.h"

#include "base/mutant.h"

#define HINTS_LEAST 16u /* `hints_rate` by this: below it hints never fall */

void paced_init(struct heal *h)
{
    uint64_t most = h->config.hints_rate > 0 ? h->config.hints_rate : 1;
    pace_init(&h->trees, h->config.rate_min, h->config.rate_max);
    pace_init(&h->hints, most / HINTS_LEAST, most);
}

/* --- what clients feel */

static void hear(struct pace *p, usec now, bool here, enum pace_verdict verdict)
{
    if (!pace_is_idle(p, now))
        pace_hear(p, here, verdict);
}

enum pace_verdict heal_felt(struct heal *h, struct now now)
{
    foreground_disturb(&h->foreground, now.mono);
    enum pace_verdict verdict = foreground_verdict(&h->foreground, now.mono);
    hear(&h->pace, now.mono, true, verdict);
    hear(&h->trees, now.mono, true, verdict);
    hear(&h->hints, now.mono, true, verdict);
    for (size_t i = 0; i < h->sessions_count && verdict != PACE_UNSURE; i++) {
        struct session *s = &h->sessions[i];
        bool keeps = s->untold == PACE_SLOW && now.mono - s->untold_at < FOREGROUND_REST;
        s->untold = keeps ? PACE_SLOW : verdict;
        s->untold_at = now.mono;
    }
    return verdict;
}

enum pace_verdict heal_felt_for(struct heal *h, struct now now, node_no peer)
{
    (void)heal_felt(h, now);
    struct session *s = heal_session(h, peer);
    bool known = s->untold != PACE_UNSURE && now.mono - s->untold_at < FOREGROUND_REST;
    enum pace_verdict verdict = known ? s->untold : PACE_UNSURE;
    s->untold = PACE_UNSURE;
    return verdict;
}

void heal_felt_tell(struct heal *h, struct now now, node_no peer)
{
    struct wire_message m = {.type = WIRE_FELT};
    m.felt = (struct wire_felt){.felt = heal_felt_for(h, now, peer)};
    if (m.felt.felt != PACE_UNSURE)
        heal_send(h, peer, &m);
}

void felt_receive(struct heal *h, struct now now, node_no from, const struct wire_felt *m)
{
    enum pace_verdict felt = m->felt < PACE_VERDICTS ? (enum pace_verdict)m->felt : PACE_UNSURE;
    if (m->ask) {
        heal_felt_tell(h, now, from);
        return;
    }
    if (MUTANT(felt_unheard))
        return;
    hear(&h->trees, now.mono, false, felt);
    hear(&h->hints, now.mono, false, felt);
}

/* --- sessions by trees */

bool compare_is_paced(const struct heal *h, uint64_t id)
{
    return (id & ROUNDS_ID) != 0 && h->stats.damaged_ranges == 0;
}

struct compare_turn compare_turn_begin(struct heal *h, struct now now, bool paced)
{
    struct compare_turn t = {paced, COMPARE_WORK, engine_stats(h->engine).fragments_read};
    if (paced)
        t.work = pace_part(&h->trees, now.mono, COMPARE_WORK * COMPARE_FRAGMENT) / COMPARE_FRAGMENT;
    return t;
}

uint64_t compare_turn_read(const struct heal *h, const struct compare_turn *t)
{
    return engine_stats(h->engine).fragments_read - t->before;
}

usec compare_turn_end(struct heal *h, struct now now, const struct compare_turn *t, bool here,
                      uint64_t bytes)
{
    enum pace_verdict verdict = heal_felt(h, now);
    usec next = now.mono + compare_pause(h);
    if (!t->paced)
        return next;
    if (here && verdict == PACE_CALM)
        pace_hear(&h->trees, false, verdict); /* nobody else is troubled */
    pace_spent(&h->trees, now.mono,
               COMPARE_TURN + bytes + compare_turn_read(h, t) * COMPARE_FRAGMENT);
    return h->trees.resume > next ? h->trees.resume : next;
}

usec compare_turn_next(const struct heal *h, struct now now, bool paced)
{
    return paced && !MUTANT(trees_unpaced) ? pace_next(&h->trees, now.mono) : now.mono;
}

/* --- hints */

uint64_t heal_hints_rate(struct heal *h, struct now now)
{
    (void)pace_part(&h->hints, now.mono, 1);
    pace_spent(&h->hints, now.mono, 0); /* it is in use */
    return h->hints.rate;
}

void heal_hints_go(struct heal *h, struct now now, node_no to)
{
    struct wire_message m = {.type = WIRE_FELT};
    (void)heal_felt(h, now);
    m.felt = (struct wire_felt){.ask = true};
    if (to != cluster_self(h->cluster))
        heal_send(h, to, &m);
}
