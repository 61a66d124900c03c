/* What the metadata log changes in this node: who is in the cluster, who owns what, which tables
 * there are; and what this node then does about it: tells healing to move, removes dropped data. */
#include "base/mutant.h"
#include "node/node_core.h"
#include "node/schema/index.h"
#include "storage/index.h"

#include <string.h>

#define FACT_META       "m/" /* facts of the metadata log */
#define FACT_DROP       "d/" /* u32 table, u32 index: data to be removed; index 0: of the table */
#define DROP_KEYS_STEP  512  /* so that nobody waits for a large DROP */
#define BUILD_KEYS_STEP 512  /* nor for an index to be built */
#define FACTS_MAX       (1u << 20)

enum err meta_load_facts(struct node *n, struct arena *arena, struct meta_fact **ret_facts,
                         size_t *ret_count)
{
    struct buf name, value;
    struct meta_fact *facts = NULL;
    size_t count = 0;
    size_t cap = 0;
    enum err err;
    buf_init(&name, 4096);
    buf_init(&value, STORE_BATCH_MAX);
    struct bytes after = BYTES_LIT(FACT_META);
    while ((err = engine_fact_next(n->engine, BYTES_LIT(FACT_META), after, &name, &value)) ==
           ERR_OK) {
        if (count == FACTS_MAX)
            break;
        facts = arena_grow(arena, facts, count, &cap, sizeof *facts);
        after = arena_copy(arena, buf_bytes(&name));
        facts[count].name = bytes_make(after.data + 2, after.len - 2);
        facts[count++].value = arena_copy(arena, buf_bytes(&value));
    }
    buf_close(&name);
    buf_close(&value);
    *ret_facts = facts;
    *ret_count = count;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static void set_nodes(struct node *n)
{
    const struct topology *t = meta_topology(n->meta);
    struct cluster_node *nodes = arena_array(&n->arena, struct cluster_node, t->count + 1);
    size_t count = 0;
    for (size_t i = 0; i < t->count; i++) {
        const struct topology_node *from = &t->nodes[i];
        if (from->state == NODE_LEFT)
            continue;
        struct cluster_node *to = &nodes[count++];
        to->node = from->node;
        to->host_id = from->info.host_id;
        to->endpoint = from->info.endpoint;
        memcpy(to->dc, from->info.dc, sizeof to->dc);
        memcpy(to->rack, from->info.rack, sizeof to->rack);
        to->alive = peer_is_alive(n, from->node);
    }
    cluster_set_nodes(n->cluster, meta_self(n->meta), nodes, count, t->ring, t->epoch);
    cluster_set_ring_epoch(n->cluster, t->ring_epoch);
}

static struct patience option_patience(const char *option)
{
    struct speculation s;
    struct patience p = {.per_million = PATIENCE_USUAL};
    if (!speculation_parse(option, &s))
        return p; /* it was looked at when the table was made */
    p.per_million = (uint32_t)(s.percentile * 10000);
    p.fixed = (usec)(s.ms * USEC_PER_MS);
    switch (s.kind) {
    case SPECULATE_NEVER: p.kind = PATIENCE_ENDLESS; break;
    case SPECULATE_ALWAYS: p.kind = PATIENCE_NONE; break;
    case SPECULATE_PERCENTILE: p.kind = PATIENCE_PERCENTILE; break;
    case SPECULATE_FIXED: p.kind = PATIENCE_FIXED; break;
    case SPECULATE_MIN: p.kind = PATIENCE_MIN; break;
    case SPECULATE_MAX: p.kind = PATIENCE_MAX; break;
    }
    return p;
}

static void set_tables(struct node *n, const struct schema *schema)
{
    struct table_policy *policies =
        arena_array(&n->arena, struct table_policy, schema->table_count + 1);
    struct cluster_table *tables =
        arena_array(&n->arena, struct cluster_table, schema->table_count + 1);
    size_t count = 0;
    for (uint32_t i = 0; i < schema->keyspace_count; i++) {
        const struct keyspace *k = schema->keyspaces[i];
        for (uint32_t j = 0; j < k->table_count; j++) {
            const struct table *t = k->tables[j];
            policies[count] = (struct table_policy){
                .table = t->no,
                .retry = option_patience(t->options.speculative_retry),
                .extra = option_patience(t->options.additional_write_policy),
                .no_repair = strcmp(t->options.read_repair, "NONE") == 0,
            };
            tables[count++] = (struct cluster_table){t->no, k->no};
        }
    }
    cluster_set_policies(n->cluster, policies, count);
    cluster_set_tables(n->cluster, tables, count, meta_epoch(n->meta));
}

static void set_keyspaces(struct node *n, const struct schema *schema)
{
    keyspace_no at = 0;
    set_tables(n, schema);
    for (uint32_t i = 0; i < schema->keyspace_count; i++) {
        const struct keyspace *k = schema->keyspaces[i];
        if (k->no >= SCHEMA_SYSTEM_NO)
            continue;
        const struct moves_keyspace *moves = moves_find(&meta_topology(n->meta)->moves, k->no);
        struct strategy s;
        replication_strategy(&k->replication, &s);
        cluster_set_keyspace(n->cluster, k->no, &s);
        if (moves != NULL)
            cluster_set_moves(n->cluster, moves);
        cluster_set_sloppy(n->cluster, k->no, k->sloppy_quorum);
    }
    while (cluster_next_keyspace(n->cluster, at, &at)) {
        if (schema_keyspace_by_no(schema, at) == NULL)
            cluster_set_keyspace(n->cluster, at, NULL);
        at++;
    }
}

struct drop_name {
    uint8_t room[10];
};

static struct bytes drop_name(const struct node_drop *d, struct drop_name *room)
{
    room->room[0] = 'd';
    room->room[1] = '/';
    store_u32(room->room + 2, d->table);
    store_u32(room->room + 6, d->index);
    return bytes_make(room->room, sizeof room->room);
}

static void add_drop(struct node *n, struct node_drop d)
{
    n->drops = mem_grow(n->drops, n->drops_count, &n->drops_cap, sizeof *n->drops);
    n->drops[n->drops_count++] = d;
}

/* Remember to remove the data of a table or an index that is no more, also over a restart. */
static void drop_later(struct node *n, struct node_drop d)
{
    struct drop_name room;
    engine_fact_put(n->engine, drop_name(&d, &room), BYTES_LIT("1"), 0);
    add_drop(n, d);
}

void meta_load_drops(struct node *n)
{
    struct buf name, value;
    struct bytes prefix = BYTES_LIT(FACT_DROP);
    struct bytes after = prefix;
    buf_init(&name, 64);
    buf_init(&value, 64);
    while (engine_fact_next(n->engine, prefix, after, &name, &value) == ERR_OK) {
        after = arena_copy(&n->arena, buf_bytes(&name));
        if (after.len == sizeof((struct drop_name *)0)->room)
            add_drop(n, (struct node_drop){load_u32(after.data + 2), load_u32(after.data + 6)});
    }
    buf_close(&name);
    buf_close(&value);
}

static bool has_index(const struct table *t, index_no no)
{
    for (uint32_t i = 0; i < t->index_count; i++) {
        if (t->indexes[i].no == no)
            return true;
    }
    return false;
}

static void find_drops(struct node *n, const struct schema *before, const struct schema *after)
{
    for (uint32_t i = 0; i < before->keyspace_count; i++) {
        const struct keyspace *k = before->keyspaces[i];
        for (uint32_t j = 0; j < k->table_count && k->no < SCHEMA_SYSTEM_NO; j++) {
            const struct table *t = k->tables[j];
            const struct table *now = schema_table_by_no(after, t->no);
            if (now == NULL)
                drop_later(n, (struct node_drop){t->no, 0});
            for (uint32_t x = 0; now != NULL && x < t->index_count; x++) {
                if (!has_index(now, t->indexes[x].no))
                    drop_later(n, (struct node_drop){t->no, t->indexes[x].no});
            }
        }
    }
}

void meta_drop_some(struct node *n)
{
    if (n->drops_count == 0)
        return;
    struct node_drop d = n->drops[n->drops_count - 1];
    struct drop_name room;
    bool done = d.index != 0 ? engine_drop_index(n->engine, d.table, d.index, DROP_KEYS_STEP)
                             : (coord_cas_drop_table(n->coord, d.table, DROP_KEYS_STEP) &&
                                engine_drop_table(n->engine, d.table, DROP_KEYS_STEP));
    if (!done)
        return;
    engine_fact_delete(n->engine, drop_name(&d, &room), 0);
    n->drops_count--;
}

/* Tell clients who came and who went. */
static void topology_events(struct node *n, const struct cluster_node *before, size_t count)
{
    const struct topology *t = meta_topology(n->meta);
    for (size_t i = 0; i < t->count; i++) {
        const struct topology_node *now = &t->nodes[i];
        bool known = false;
        for (size_t j = 0; j < count; j++)
            known |= before[j].node == now->node;
        bool here = now->state != NODE_LEFT;
        if (here != known && now->node != meta_self(n->meta))
            client_topology_changed(n, &now->info.cql, here);
    }
}

/* --- indexes */

struct index_of { /* what a term is made with */
    const struct table *table;
    const struct index *index;
};

static bool stored_term(const void *arg, struct bytes path, struct bytes value, struct buf *out)
{
    const struct index_of *of = arg;
    return index_stored_term(of->table, of->index, path, value, out);
}

static struct index_spec spec_of(const struct index_of *of)
{
    static const enum index_source sources[] = {INDEX_OF_PARTITION_KEY, INDEX_OF_ROW_KEY,
                                                INDEX_OF_STATIC, INDEX_OF_CELLS};
    const struct column *c = index_column(of->table, of->index);
    return (struct index_spec){.table = of->table->no,
                               .no = of->index->no,
                               .source = sources[c->kind],
                               .column = c->id,
                               .term = stored_term,
                               .arg = of};
}

/* The engine keeps what it is told until it is told anew; the schema is kept as long. */
static void set_indexes(struct node *n, const struct schema *schema)
{
    size_t count = 0;
    for (uint32_t i = 0; i < schema->table_count; i++)
        count += schema->by_no[i]->index_count;
    struct index_of *of = mem_alloc(count * sizeof *of);
    struct index_spec *specs = arena_array(&n->arena, struct index_spec, count);
    count = 0;
    for (uint32_t i = 0; i < schema->table_count; i++) {
        const struct table *t = schema->by_no[i];
        for (uint32_t x = 0; x < t->index_count; x++) {
            of[count] = (struct index_of){t, &t->indexes[x]};
            specs[count] = spec_of(&of[count]);
            count++;
        }
    }
    engine_set_indexes(n->engine, specs, count);
    mem_free(n->indexes);
    n->indexes = of;
    n->building = engine_is_building(n->engine);
}

void meta_build_some(struct node *n)
{
    if (n->building && n->run != RUN_FAILED)
        n->building = engine_build_some(n->engine, BUILD_KEYS_STEP);
}

void meta_applied(struct node *n, uint32_t changes)
{
    const struct schema *schema = meta_schema(n->meta);
    if (changes & (META_CHANGED_NODES | META_CHANGED_RING)) {
        const struct cluster_node *known;
        size_t count = cluster_nodes(n->cluster, &known);
        struct cluster_node *before = arena_array(&n->arena, struct cluster_node, count + 1);
        if (count > 0)
            memcpy(before, known, count * sizeof *before);
        set_nodes(n);
        topology_events(n, before, count);
    }
    cluster_set_epoch(n->cluster, meta_epoch(n->meta));
    set_keyspaces(n, schema);
    heal_placed(n->heal, n->now, meta_epoch(n->meta));
    coord_placed(n->coord, n->now); /* after what is to be forgotten first is known */
    n->place_next = 0;
    client_view_changed(n);
    if (n->schema != schema) {
        const struct schema *before = n->schema;
        n->schema = schema_ref(schema);
        set_indexes(n, schema);
        if (before != NULL) {
            find_drops(n, before, schema);
            client_schema_changed(n, before, schema);
        }
        schema_unref(before);
    }
    node_check_ready(n);
}

/* Who restarts is in the cluster as soon as it knows what the others know. The entry that tells of
 * its new life follows, and nobody waits for it: data is served while no entry can be decided. */
void meta_caught_up(struct node *n)
{
    if (meta_phase(n->meta) == META_READY && cluster_self(n->cluster) == 0)
        meta_applied(n, META_CHANGED_NODES | META_CHANGED_RING);
}

/* Whoever may still plan writes without us: the living, and owners that will be owners when they
 * are back (a partition makes them dead to us, not to their clients). */
static bool is_to_be_told(const struct node *n, const struct topology *t, node_no node)
{
    return peer_is_alive(n, node) || (ring_count(t->ring, RING_PUBLISHED, node) > 0 &&
                                      ring_count(t->ring, RING_NEWEST, node) > 0);
}

/* --- lives: what dots are minted under */

void meta_store_boot(struct node *n)
{
    uint8_t boot[4];
    store_u32(boot, n->boot);
    engine_fact_put(n->engine, BYTES_LIT(FACT_BOOT), bytes_make(boot, 4), NODE_TICKET | n->boot);
}

void meta_new_life(struct node *n)
{
    const struct topology_node *self = topology_find(meta_topology(n->meta), meta_self(n->meta));
    if (self != NULL && self->info.boot > n->boot)
        n->boot = self->info.boot;
    n->boot++;
    n->boot_durable = false;
    meta_store_boot(n);
    meta_set_boot(n->meta, n->boot);
}

/* The others may know of a life of ours with this number: then our disk is an old one, as from a
 * backup, and that life's dots are taken. Asked as soon as we know what they know, before they are
 * told of this one; a first life is told while it enters. */
bool meta_life_is_new(struct node *n)
{
    const struct topology_node *self = topology_find(meta_topology(n->meta), meta_self(n->meta));
    bool known = !n->life_checked && n->boot > 1 && self != NULL && self->info.boot >= n->boot;
    n->life_checked = true;
    if (known)
        heal_set_old(n->heal);
    if (known && !MUTANT(boot_reused))
        meta_new_life(n);
    return !known || MUTANT(boot_reused);
}

/* With the number on the disk; before, those of the old one go on. */
void meta_life_begins(struct node *n)
{
    if (n->run == RUN_STARTING || n->run == RUN_FAILED || !n->boot_durable)
        return;
    coord_set_actor(n->coord, node_actor(n));
    heal_set_life(n->heal, n->boot);
}

/* A mover begins to pull when everybody knows of the move: then each write planned without us is in
 * the clock of the replica that coordinated it. */
void meta_watch_move(struct node *n)
{
    const struct topology *t = meta_topology(n->meta);
    node_no self = meta_self(n->meta);
    if (n->run != RUN_READY)
        return;
    if (self == 0 || !topology_waits_for(t, self)) {
        if (n->moving_epoch != 0) {
            heal_move(n->heal, n->now, 0);
            coord_cas_move(n->coord, n->now, 0);
        }
        n->moving_epoch = 0;
        return;
    }
    if (n->moving_epoch == t->ring_epoch)
        return;
    for (size_t i = 0; i < t->count; i++) {
        if (t->nodes[i].state != NODE_LEFT && t->nodes[i].node != self &&
            is_to_be_told(n, t, t->nodes[i].node) &&
            meta_applied_by(n->meta, t->nodes[i].node) < t->ring_epoch)
            return;
    }
    n->moving_epoch = t->ring_epoch;
    heal_move(n->heal, n->now, t->ring_epoch);
    coord_cas_move(n->coord, n->now, t->ring_epoch);
}

static void ask_to_own(struct node *n, uint64_t ring_epoch)
{
    struct buf command;
    buf_init(&command, COMMAND_MAX);
    command_step(meta_self(n->meta), ring_epoch, &command);
    n->finish_request = ++n->requests;
    n->finish_epoch = ring_epoch;
    n->finish_retry = USEC_NEVER;
    struct meta_event event = {.type = META_EVENT_PROPOSE};
    event.propose.request = n->finish_request;
    event.propose.command = buf_bytes(&command);
    node_log(n, false, "pulled all of our ranges -> asking to own them");
    node_meta_event(n, &event);
    buf_close(&command);
}

void meta_taken_over(struct node *n, enum moved what, uint64_t ring_epoch)
{
    n->taken_epoch[what] = ring_epoch;
    for (int i = 0; i < MOVED_COUNT; i++) {
        if (n->taken_epoch[i] != ring_epoch)
            return;
    }
    ask_to_own(n, ring_epoch);
}

/* What has been pulled for one ring is not enough for the next: then healing says when it is. And
 * what was not answered in time may have happened all the same. */
void meta_finish_again(struct node *n)
{
    const struct topology *t = meta_topology(n->meta);
    n->finish_retry = USEC_NEVER;
    if (t->ring_epoch == n->finish_epoch && topology_waits_for(t, meta_self(n->meta)))
        ask_to_own(n, n->finish_epoch);
}

void meta_finish_answered(struct node *n, enum err err, const char *text)
{
    n->finish_request = 0;
    if (err == ERR_OK || meta_topology(n->meta)->ring_epoch != n->finish_epoch)
        return; /* another ring came in between: we are on our way to that one */
    node_log(n, true, "could not take over our ranges yet: %s -> trying again", text);
    n->finish_retry = n->now.mono + USEC_PER_SEC;
}
