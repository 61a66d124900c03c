/* What goes wrong with disks. What a crash leaves of them is in process.c. */
#include "node/sim/core.h"

void sim_set_disk(struct sim *s, usec disk_us)
{
    s->config.disk_us = disk_us;
}

void sim_slow_disk(struct sim *s, unsigned node, usec disk_us)
{
    machine_of(s, node)->disk.sync_us = disk_us;
}

void sim_fill_disk(struct sim *s, unsigned node)
{
    struct machine *m = machine_of(s, node);
    m->disk.full = true;
    if (m->node == NULL)
        return;
    size_t groups = store_mem_pending(m->store);
    size_t written = groups > 0 ? (size_t)rng_below(&s->rng, groups + 1) : 0;
    store_mem_fail(m->store, written, ERR_FULL, "no space left");
}

void sim_empty_disk(struct sim *s, unsigned node)
{
    machine_of(s, node)->disk.full = false;
}

void sim_fail_reads(struct sim *s, unsigned node, uint32_t of)
{
    store_mem_fail_some_reads(machine_of(s, node)->store, of);
}

uint32_t sim_flip_bits(struct sim *s, unsigned node, uint32_t blocks)
{
    struct store *store = machine_of(s, node)->store;
    uint32_t entries = 0;
    for (uint32_t i = 0; i < blocks && store_mem_count(store) > 0; i++)
        entries += store_mem_damage(store, (size_t)rng_below(&s->rng, store_mem_count(store)));
    mix(s, entries);
    s->damaged |= entries > 0;
    return entries;
}

void sim_lose_disk(struct sim *s, unsigned node)
{
    struct machine *m = machine_of(s, node);
    ASSERT(m->node == NULL);
    store_close(m->store);
    m->store = store_mem_new();
    watch_store(s, node);
    rows_lost_disk(s, node);
    m->disk.full = false;
}

void sim_back_up_disk(struct sim *s, unsigned node)
{
    struct machine *m = machine_of(s, node);
    store_close(m->backup);
    m->backup = store_mem_copy(m->store);
}

void sim_restore_disk(struct sim *s, unsigned node)
{
    struct machine *m = machine_of(s, node);
    ASSERT(m->node == NULL && m->backup != NULL);
    store_close(m->store);
    m->store = store_mem_copy(m->backup);
    watch_store(s, node);
    rows_lost_disk(s, node);
}
