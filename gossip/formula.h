/* formula.h - the numbers of SWIM and Lifeguard as functions of the size of the cluster.
 *
 * Pure arithmetic. Logarithms need floating point; results are rounded to milliseconds (times) or
 * are integers, so that a last bit of a library's log() cannot change a decision.
 */
#ifndef TORC_GOSSIP_FORMULA_H
#define TORC_GOSSIP_FORMULA_H

#include "base/types.h"

/* Confirmations after which a suspicion runs at its shortest: mult - 2, but 0 when there are not
 * that many others to confirm (n counts ourselves and the suspect). */
unsigned gossip_suspicion_confirmations(unsigned mult, size_t n);

/* mult * max(1, log10 n) * probe interval */
usec gossip_suspicion_min(unsigned mult, size_t n, usec probe_interval_us);

/* From the accusation to the verdict, when `have` of the `want` confirmations came. The longest
 * time is six times `min_us`; want == 0 gives min_us. */
usec gossip_suspicion_timeout(usec min_us, unsigned have, unsigned want);

/* How often one update leaves one node: mult * ceil(log10(n + 1)). */
unsigned gossip_retransmit_limit(unsigned mult, size_t n);

/* The push/pull interval is multiplied by this: 1 up to 32 members, then one more per doubling. */
unsigned gossip_push_pull_scale(size_t n);

#endif
