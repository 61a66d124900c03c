/* index.h - secondary indexes of the engine: finding rows of one replica by terms.
 *
 * The engine knows no schema: a spec says which cells, or which key, have terms, and a function
 * makes them. Every fragment that is written brings, in the same batch, an entry for each term in
 * it. Nobody removes the entries of what is overwritten or deleted then, for a write does not read:
 * a scan reads the row behind each entry, leaves out what does not match any more, and removes such
 * entries as it goes.
 *
 *   invariant: a row that has a live cell with a term has an entry for it (while the index is being
 *   built: or lies behind the place that the building has come to, and scans read the table).
 *
 * A scan of an index gives points: which rows to read. The coordinator joins the points of several
 * replicas and reads those rows from all it asks: so a stale replica neither hides a row nor shows
 * what others know to be gone.
 */
#ifndef TORC_STORAGE_INDEX_H
#define TORC_STORAGE_INDEX_H

#include "storage/engine.h"

#define INDEX_POINTS_MAX 1024u /* of one answer */
#define INDEX_WALK_MAX                                                                             \
    65536u /* entries of a range of terms that are sorted; more: read the table */

enum index_source {
    INDEX_OF_CELLS,         /* cells of a column */
    INDEX_OF_STATIC,        /* cells of a static column: gives partitions */
    INDEX_OF_ROW_KEY,       /* the clustering key */
    INDEX_OF_PARTITION_KEY, /* gives partitions */
};

/* Append the term of a cell (path, value), of a row's key or of a partition's (in `value`). False:
 * it has none. Pure. */
typedef bool index_term_fn(const void *arg, struct bytes path, struct bytes value, struct buf *out);

struct index_spec {
    table_no table;
    index_no no;
    enum index_source source;
    uint32_t column; /* of cells */
    index_term_fn *term;
    const void *arg; /* lives until the next engine_set_indexes */
};

/* All indexes there are, from now on. Those that are new are built by engine_build_some; those that
 * are no more cost their entries nothing: remove them with engine_drop_index. */
void engine_set_indexes(struct engine *e, const struct index_spec *specs, size_t count);

/* Work on what is not built yet, keys_max keys of the table. False when nothing is left to do. */
bool engine_build_some(struct engine *e, size_t keys_max);
bool engine_index_is_built(const struct engine *e, table_no table, index_no no);
bool engine_is_building(const struct engine *e);

/* Remove its entries in slices, as engine_drop_table does. */
bool engine_drop_index(struct engine *e, table_no table, index_no no, size_t keys_max);

/* Rows, or whole partitions, ascending and distinct. `more`: nothing behind upto_* is known. */
struct index_result {
    struct scan_point *points;
    size_t count;
    bool more;
    token upto_token;
    struct bytes upto_key;
    bool upto_in_part;
    struct bytes upto_row;
};

/* What matches scan->index here, within the other bounds of the scan. ERR_STALE when there is no
 * such index here (yet, or any more). */
enum err engine_index_scan(struct engine *e, const struct scan *scan, struct arena *arena,
                           struct index_result *ret) MUST_CHECK;

void index_result_encode(const struct index_result *r, struct buf *out);
enum err index_result_decode(struct bytes in, struct arena *arena,
                             struct index_result *ret) MUST_CHECK;

/* All points of several answers to one scan, cut where the first of them ends. */
void index_result_merge(const struct index_result *results, size_t count, struct arena *arena,
                        struct index_result *ret);

int scan_point_compare(const struct scan_point *a, const struct scan_point *b);

#endif
