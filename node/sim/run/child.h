/* child.h - a run in a process of its own.
 *
 * A run may end the process: an assertion of ours that does not hold, a sanitizer's report, a
 * crash, a loop without end. It is a failure like any other, to be named by its seed and made
 * smaller, so runs are forked off, and what the child said in the end becomes the reason.
 */
#ifndef TORC_NODE_SIM_RUN_CHILD_H
#define TORC_NODE_SIM_RUN_CHILD_H

#include "node/sim/run/run.h"

/* As run_scenario. config->print is called in this process, for each line as it comes, also for
 * those before a crash; what the child wrote to stderr is shown then, too. A run that takes more
 * than a minute, and four seconds of CPU for each of virtual time, is ended. A child that cannot be
 * started ends the program. */
void run_in_child(const struct run_config *config, struct run_result *ret);

#endif
