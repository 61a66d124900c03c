/* modify_siblings.c - what a write to a table that keeps siblings takes away (storage/siblings.h).
 *
 *   USING CAUSALITY      what the client says it has seen, and no more
 *   IF …                 all that the serial read has seen
 *   INSERT, UPDATE       values: what the same writer wrote there before; the store finds it
 *   removals, and new    what a read at the level of the write sees in that row: a `need`, as of
 *   whole collections    lists; of a range or a partition of each row in it
 */
#include "base/mutant.h"
#include "node/cql/exec/causality.h"
#include "node/cql/exec/modify.h"

bool modify_keeps_siblings(const struct modify *m)
{
    return m->table->options.conflicts == CONFLICTS_SIBLINGS;
}

bool modify_eval_causality(struct run *r, struct modify *m)
{
    struct cql_value v = {.kind = CQL_VALUE_UNSET};
    if (m->causality.term != NULL && !slot_value(r, m->causality, &v))
        return false;
    if (v.kind == CQL_VALUE_UNSET && r->causality != NULL && modify_keeps_siblings(m) &&
        !m->with_conditions)
        v = cql_value_make(*r->causality);
    if (v.kind == CQL_VALUE_UNSET)
        return true;
    m->causal = true;
    if (causality_read(v.kind == CQL_VALUE_SET ? v.data : BYTES_NONE, r->arena, &m->seen) != ERR_OK)
        return run_invalid(r, "Malformed causality: it is not what causality() gave");
    return true;
}

static bool removes_cells(const struct row *row)
{
    if (!tomb_is_none(&row->deletion))
        return true;
    for (size_t i = 0; i < row->cells_count; i++) {
        if (row->cells[i].kind == CELL_TOMBSTONE)
            return true;
    }
    return false;
}

static void see(struct run *r, const struct need *n, struct supersede *ret)
{
    struct dots dots = part_dots(&n->part, r->arena);
    ret->seen = causality_join(r, &ret->seen, &dots);
}

/* What rows have where something of them goes. */
static void observe_rows(struct run *r, const struct modify *m, const struct part *p,
                         struct supersede *ret)
{
    if (p->has_static && removes_cells(&p->static_row))
        see(r, modify_need(r, m, p->key, BYTES_NONE, true), ret);
    for (size_t i = 0; i < p->rows_count; i++) {
        if (removes_cells(&p->rows[i]))
            see(r, modify_need(r, m, p->key, p->rows[i].key, false), ret);
    }
}

/* Instead of ranges of rows the rows that are there. */
static void observe_ranges(struct run *r, const struct modify *m, struct part *p,
                           struct supersede *ret)
{
    const struct need *n = modify_need_range(r, m, p);
    if (!m->causal || MUTANT(range_passes_context))
        see(r, n, ret);
    struct part rows;
    siblings_expand(p, &n->part, r->arena, &rows);
    *p = rows;
}

bool modify_supersede(struct run *r, const struct modify *m, struct exec_mutation *mutation)
{
    struct part *p = &mutation->part;
    struct supersede *s = &mutation->supersede;
    if (!modify_keeps_siblings(m))
        return true;
    *s = (struct supersede){.siblings = true, .causal = m->causal, .writer = r->writer};
    if (m->with_conditions)
        s->writer = WRITER_SERIAL;
    if (m->causal) {
        if (!m->seen.of_any &&
            m->seen.partition != causality_partition(m->table->keyspace_no, p->token))
            return run_invalid(r, "The causality is of another partition than the one written");
        if (!MUTANT(context_not_taken))
            s->seen = m->seen.dots;
    } else if (!MUTANT(removal_not_read)) {
        observe_rows(r, m, p, s);
    }
    if (!tomb_is_none(&p->deletion) || p->tombs_count > 0)
        observe_ranges(r, m, p, s);
    if (s->seen.count > SUPERSEDE_DOTS_MAX)
        return run_invalid(r,
                           "More than %u versions would be superseded at once: delete fewer rows, "
                           "or elements, at a time",
                           SUPERSEDE_DOTS_MAX);
    return true;
}

void modify_supersede_all(struct run *r, struct modify *m, const struct part *seen)
{
    if (!modify_keeps_siblings(m))
        return;
    m->causal = true;
    m->seen = (struct causality){.of_any = true, .dots = part_dots(seen, r->arena)};
}

int modify_compare_supersede(const struct supersede *a, const struct supersede *b)
{
    if (a->causal != b->causal)
        return a->causal ? 1 : -1;
    if (!a->causal)
        return 0; /* what each has seen is for its own removals */
    if (a->seen.count != b->seen.count)
        return a->seen.count < b->seen.count ? -1 : 1;
    for (size_t i = 0; i < a->seen.count; i++) {
        int c = dot_compare(a->seen.items[i], b->seen.items[i]);
        if (c != 0)
            return c;
    }
    return 0;
}
