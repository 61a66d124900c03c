/* tables.h - the tables of docs/swim.md, in Markdown. Each is an experiment with fixed seeds. */
#ifndef TORC_TESTS_BENCH_SWIM_TABLES_H
#define TORC_TESTS_BENCH_SWIM_TABLES_H

#include "trial.h"

/* What to leave out, for: SWIM with suspicion, as its paper has it; the same with the ping over the
 * stream, as Lifeguard's authors compare with; Lifeguard without what is ours. */
#define PARTS_BARE  63u
#define PARTS_SWIM  (PARTS_PAPER | (uint32_t)GOSSIP_LIFEGUARD)
#define PARTS_PAPER ((uint32_t)GOSSIP_LAST_WORD | (uint32_t)GOSSIP_STALL_GUARD)

/* Those named, or all. The exit status. */
int tables_print(size_t count, char **names);

#endif
