/* tree_world.h - an engine to which anything happens, and its trees recomputed from full scans.
 *
 * One range of a few tables: partitions that have many rows, and many that have few. Nothing here
 * reads a tree but through tree.h; what it should say is added up from engine_scan. */
#ifndef TORC_TESTS_STORAGE_TREE_WORLD_H
#define TORC_TESTS_STORAGE_TREE_WORLD_H

#include "base/rng.h"
#include "storage/tree.h"

#define TREE_TABLES    3 /* plain, wide, siblings */
#define TREE_TOKENS    100
#define TREE_WIDE_ROWS 400

#define TREE_WORLD_WIDTH 16 /* of trees in tests of one thing */

struct tree_world {
    struct rng rng;
    struct arena arena; /* of one step */
    struct store *store;
    struct engine *engine;
    struct actor self;
    uint32_t width;
    size_t bytes_max;
    int64_t now_s;
    int64_t clock; /* timestamps */
    struct range_place place;
    const char *wrong; /* NULL as long as nothing is */
};

void tree_world_open(struct tree_world *w, uint64_t seed, uint32_t width);
void tree_world_close(struct tree_world *w);
void tree_world_start(struct tree_world *w); /* an engine over the store, as another life */
void tree_world_crash(struct tree_world *w); /* the power fails, and it starts again */

/* A part of one random write, under a dot or without. */
struct part tree_world_part(struct tree_world *w, struct dot dot);
void tree_world_write(struct tree_world *w);
void tree_world_step(struct tree_world *w); /* one random thing happens */

/* A row of the plain table in the given partition. */
void tree_world_put(struct tree_world *w, token where, unsigned row, int64_t timestamp);

/* ... with a cell that is garbage then: a deleted one, or one that expires. */
void tree_world_put_garbage(struct tree_world *w, unsigned row, enum cell_kind kind,
                            int64_t time_s);

void tree_world_put_beside(struct tree_world *w, table_no table, token where); /* of RANGE + 1 */

/* As many calls as it takes. */
void tree_world_update(struct tree_world *w, size_t work_max);
bool tree_world_prune(struct tree_world *w); /* all of the log; false: not all of it went */
void tree_world_wrong(struct tree_world *w, const char *what);
void tree_world_expect(struct tree_world *w, bool good, const char *what);
struct bytes tree_world_numbered(struct tree_world *w, const char *format, unsigned n);

/* --- tree_model.c */

/* What the trees should say: of a stretch of a table, by a scan. */
struct tree_sum tree_world_sum(struct tree_world *w, table_no table,
                               const struct tree_stretch *stretch, const struct tree_skip *skip);

/* The tree is brought up to date, and all that it tells is so. */
void tree_world_check(struct tree_world *w);

/* Whatever it calls clean is as it says; without bringing it up to date. */
void tree_world_check_clean(struct tree_world *w);

/* So many rows in twenty partitions of the plain table, and a tree of them. */
void tree_world_filled(struct tree_world *w, unsigned rows);

struct tree_sum tree_world_root(struct tree_world *w, bool *ret_current); /* of that table */
void tree_world_is_good(const struct tree_world *w, uint64_t seed);       /* asserts it */

#endif
