/* interpose.h - libc's calls on files, noted in a disk (disk.h).
 *
 * Linked into a test, or preloaded into a program: LD_PRELOAD=libpower_cut.so with POWER_CUT naming
 * the state. LevelDB takes no environment of ours through its C interface, and what is under test
 * is the order in which the real one calls libc; so the calls are what is replaced.
 */
#ifndef TORC_TESTS_CRASH_INTERPOSE_H
#define TORC_TESTS_CRASH_INTERPOSE_H

#include "crash/disk.h"

/* From here on the calls of this process are noted in d. */
void interpose_start(struct disk *d);

#endif
