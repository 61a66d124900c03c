/* engine_index.h - what engine_index.c and engine_find.c share. Private. */
#ifndef TORC_STORAGE_ENGINE_INDEX_H
#define TORC_STORAGE_ENGINE_INDEX_H

#include "storage/engine_private.h"
#include "storage/index.h"

struct index_state {
    struct index_spec spec;
    bool built;
    bool settled;      /* and that is durable: what reads see that see nothing else */
    bool broken;       /* the table could not be read */
    struct buf cursor; /* the last key of the table that has its entries; empty: none yet */
};

/* Has every row an entry that such a read finds? */
bool index_is_usable(struct engine *e, struct index_state *s, bool durable);

struct index_state *engine_index(const struct engine *e, table_no table, index_no no);

/* Its points are partitions, not rows. */
static inline bool index_gives_parts(const struct index_spec *spec)
{
    return spec->source == INDEX_OF_STATIC || spec->source == INDEX_OF_PARTITION_KEY;
}

/* The key before all entries of a term. */
void index_key_term(struct buf *out, const struct index_spec *spec, struct bytes term);

#endif
