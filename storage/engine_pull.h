/* engine_pull.h - what engine_pull.c gives and engine_take.c takes. Private. */
#ifndef TORC_STORAGE_ENGINE_PULL_H
#define TORC_STORAGE_ENGINE_PULL_H

#include "storage/engine_private.h"

#define PULL_VERSION     1
#define PULL_ALL_NAMED   1u
#define PULL_ENTRIES_MAX 4096u /* wanted ones; and as many beside */

enum pull_shown { PULL_SHOWS_ALL = 1, PULL_SHOWS_RANGES = 2 };

/* Ascending and disjoint afterwards; returns how many there are then. */
size_t pull_merge_ranges(struct scan_slice *ranges, size_t count);

int pull_row_compare(const void *a, const void *b); /* keys, for qsort */

#endif
