/* plant.h - the parts of plant.c: what is done to rows, through LevelDB, and to files. */
#ifndef TORC_TESTS_TOOLS_PLANT_H
#define TORC_TESTS_TOOLS_PLANT_H

#include "base/bytes.h"

struct plan {
    const char *dir;
    table_no table; /* 0: that with the most rows */
    uint64_t seed;  /* 0: evenly spread */
    uint64_t deleted, changed, garbled, invented, flipped, lost;
    const char *file; /* only in, or of, this one */
};

/* --- plant_files.c: flip so many bytes in blocks of data of table files, remove so many table
 * files (the largest first); print each. False when there are not so many, or they cannot be. */
bool plant_flips(const struct plan *p);
bool plant_losses(const struct plan *p);

#endif
