#include "node/coord/patience.h"

#include "base/mem.h"

/* A percentile is looked for anew after so many more values: it goes through a thousand buckets. */
#define LOOK_AGAIN 64

struct lately {
    struct histogram histogram;
    uint64_t notes, looked; /* at so many of them */
    uint32_t per_million;   /* what was looked for last .. */
    usec found;             /* .. and found */
};

struct table_times {
    table_no table;
    uint64_t used; /* l->notes then */
    struct lately *of[ANSWER_KINDS];
};

static void table_free(void *p)
{
    struct table_times *t = p;
    for (size_t i = 0; i < ANSWER_KINDS; i++)
        mem_free(t->of[i]);
    mem_free(t);
}

void answer_times_init(struct answer_times *l)
{
    *l = (struct answer_times){0};
    map_init(&l->by_table);
    for (size_t i = 0; i < ANSWER_KINDS; i++)
        l->all[i] = mem_new(struct lately);
}

void answer_times_close(struct answer_times *l)
{
    map_clear(&l->by_table, table_free);
    map_close(&l->by_table);
    for (size_t i = 0; i < ANSWER_KINDS; i++)
        mem_free(l->all[i]);
}

static void note(struct lately *of, usec took)
{
    histogram_record(&of->histogram, took);
    of->notes++;
    if (of->histogram.count >= ANSWER_FADES)
        histogram_halve(&of->histogram);
}

/* Some table has been idle for long: its place is free. Now and then that is looked for. */
static bool make_room(struct answer_times *l)
{
    if (l->notes % ANSWER_TABLES_MAX != 0)
        return false;
    struct table_times *idle = NULL;
    uint64_t *keys = map_keys(&l->by_table);
    for (size_t i = 0; i < map_count(&l->by_table); i++) {
        struct table_times *t = map_get(&l->by_table, keys[i]);
        if (idle == NULL || t->used < idle->used)
            idle = t;
    }
    mem_free(keys);
    if (idle == NULL || l->notes - idle->used < ANSWER_IDLE)
        return false;
    table_free(map_remove(&l->by_table, idle->table));
    return true;
}

void answer_time_note(struct answer_times *l, table_no table, enum answer_kind kind, usec took)
{
    struct table_times *t = map_get(&l->by_table, table);
    l->notes++;
    note(l->all[kind], took);
    if (t == NULL) {
        if (map_count(&l->by_table) >= ANSWER_TABLES_MAX && !make_room(l))
            return;
        t = mem_new(struct table_times);
        t->table = table;
        map_put(&l->by_table, table, t);
    }
    t->used = l->notes;
    if (t->of[kind] == NULL)
        t->of[kind] = mem_new(struct lately);
    note(t->of[kind], took);
}

static usec percentile(struct lately *of, uint32_t per_million)
{
    if (of->looked == 0 || of->per_million != per_million || of->notes - of->looked >= LOOK_AGAIN) {
        of->found = histogram_percentile(&of->histogram, per_million);
        of->per_million = per_million;
        of->looked = of->notes;
    }
    return of->found > PATIENCE_MIN_US ? of->found : PATIENCE_MIN_US;
}

usec patience_us(struct answer_times *l, table_no table, enum answer_kind kind,
                 const struct patience *p)
{
    usec lately = PATIENCE_FIRST_US;
    const struct table_times *t = map_get(&l->by_table, table);
    bool measured = p->kind != PATIENCE_FIXED && p->kind != PATIENCE_NONE;
    if (p->kind == PATIENCE_ENDLESS)
        return USEC_NEVER;
    struct lately *of = t != NULL ? t->of[kind] : NULL;
    if (of == NULL || of->histogram.count < ANSWER_KNOWN)
        of = l->all[kind];
    if (measured && of->histogram.count >= ANSWER_KNOWN)
        lately = percentile(of, p->per_million);
    switch (p->kind) {
    case PATIENCE_FIXED: return p->fixed;
    case PATIENCE_MIN: return lately < p->fixed ? lately : p->fixed;
    case PATIENCE_MAX: return lately > p->fixed ? lately : p->fixed;
    case PATIENCE_NONE: return 0;
    case PATIENCE_ENDLESS: return USEC_NEVER;
    case PATIENCE_PERCENTILE: break;
    }
    return lately;
}
