#include "three.h"

#include "base/mem.h"
#include "ring/murmur3.h"
#include "ring/plan.h"
#include "storage/keys.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

struct fixture f;
uint64_t three_rate_min;
usec three_message_us;
usec three_hold_us, three_scrub_us;
struct log_bounds three_logs;
size_t three_tails_max;
uint32_t three_tree_width, three_compare_bytes, three_scrub_rows, three_ranges;

static void start_engine(struct one *n, node_no no, uint32_t boot)
{
    struct engine_config config = {.ring_ranges = three_ranges > 0 ? three_ranges : RANGES,
                                   .tree_width = three_tree_width};
    config.log_tails_max = three_tails_max;
    struct errmsg why;
    CU_ASSERT_EQUAL_FATAL(engine_new(n->store, &config, &n->engine, &why), ERR_OK);
    engine_set_actor(n->engine, (struct actor){no, boot});
}

static struct heal *new_heal(struct one *n)
{
    struct heal_config config = HEAL_CONFIG_DEFAULT;
    config.pull_bytes_max = 512; /* many small pulls */
    config.rate_min = three_rate_min > 0 ? three_rate_min : UINT64_MAX;
    config.rate_max = UINT64_MAX;
    config.hold_us = three_hold_us;
    if (three_logs.keep > 0)
        config.logs = three_logs;
    if (three_compare_bytes > 0)
        config.compare_bytes_max = three_compare_bytes;
    if (three_scrub_rows > 0)
        config.scrub_rows = three_scrub_rows;
    config.scrub_us = three_scrub_us;
    return heal_new(&config, n->engine, n->cluster);
}

void three_setup(uint32_t rf)
{
    struct cluster_node nodes[NODES] = {{0}};
    struct ring_node members[NODES] = {{0}};
    struct strategy strategy = {.type = STRATEGY_SIMPLE, .rf = rf};
    struct cluster_table table = {TABLE, KEYSPACE};
    struct ring *ring;
    memset(&f, 0, sizeof f);
    f.now = (struct now){USEC_PER_SEC, 1700000000 * USEC_PER_SEC};
    for (node_no i = 0; i < NODES; i++) {
        nodes[i].node = members[i].node = i + 1;
        members[i].weight = 1;
        nodes[i].alive = true;
        strcpy(nodes[i].dc, "dc1");
        strcpy(members[i].dc, "dc1");
        strcpy(members[i].rack, "r1");
    }
    CU_ASSERT_EQUAL_FATAL(
        ring_plan_fresh(three_ranges > 0 ? three_ranges : RANGES, members, NODES, &ring), ERR_OK);
    for (node_no i = 0; i < NODES; i++) {
        struct one *n = &f.node[i];
        n->store = store_mem_new();
        start_engine(n, i + 1, 1);
        n->cluster = cluster_new();
        cluster_set_nodes(n->cluster, i + 1, nodes, NODES, ring, 1);
        cluster_set_keyspace(n->cluster, KEYSPACE, &strategy);
        cluster_set_tables(n->cluster, &table, 1, 1);
        n->heal = new_heal(n);
        n->epoch = 100;
    }
    ring_free(ring);
}

void three_teardown(void)
{
    for (size_t i = 0; i < NODES; i++) {
        heal_free(f.node[i].heal);
        cluster_free(f.node[i].cluster);
        engine_free(f.node[i].engine);
        store_close(f.node[i].store);
    }
    for (size_t i = 0; i < ARRAY_LEN(f.queue); i++)
        buf_close(&f.queue[i].bytes);
    arena_close(&f.arena);
}

bool perform(node_no no)
{
    struct one *n = &f.node[no - 1];
    const struct heal_effect *effects;
    size_t count = heal_effects(n->heal, &effects);
    for (size_t i = 0; i < count; i++) {
        if (effects[i].type == HEAL_MOVED) {
            n->moved = effects[i].ring_epoch;
            n->moved_dots = heal_stats(n->heal).dots_pulled;
            continue;
        }
        if (effects[i].type == HEAL_FETCHED) {
            n->fetched = effects[i].fetched.id;
            n->fetched_all = effects[i].fetched.complete;
            continue;
        }
        if (effects[i].type == HEAL_DOUBTFUL) {
            n->doubtful += effects[i].doubtful.rows;
            continue;
        }
        if (effects[i].type == HEAL_COMPARED) {
            n->compared++;
            n->compared_err = effects[i].compared.err;
            n->figures = effects[i].compared.figures;
            CU_ASSERT_FATAL(effects[i].compared.range < MOST);
            n->compared_ranges[effects[i].compared.range]++;
            n->compared_errs[effects[i].compared.range] = n->compared_err;
            n->compared_ours[effects[i].compared.range] = effects[i].compared.ours;
            n->compared_figures[effects[i].compared.range] = n->figures;
            continue;
        }
        if (effects[i].type == HEAL_LEAF_WRONG) {
            n->leaves_wrong++;
            continue;
        }
        if (effects[i].type == HEAL_COMPARED_ALL) {
            n->compared_all++;
            n->all_err = effects[i].compared_all.err;
            n->all_ranges = effects[i].compared_all.ranges;
            n->all_equal = effects[i].compared_all.equal;
            n->all_failed = effects[i].compared_all.failed;
            n->all_figures = effects[i].compared_all.figures;
            heal_add_figures(&n->all_sums, &n->all_figures);
            n->over[effects[i].compared_all.id % MOST] = true;
            continue;
        }
        if (effects[i].type == HEAL_NEW_LIFE) {
            n->life++;
            continue;
        }
        if (effects[i].type == HEAL_DAMAGED) {
            n->damage_told[effects[i].damaged.what]++;
            continue;
        }
        struct wire_message m = effects[i].send.message;
        struct sent *s = &f.queue[f.queued++ % ARRAY_LEN(f.queue)];
        m.from = no;
        m.epoch = n->epoch;
        f.sent[m.type]++;
        buf_close(&s->bytes);
        buf_init(&s->bytes, WIRE_MESSAGE_MAX);
        wire_encode(&m, &s->bytes);
        s->to = effects[i].send.to;
        f.bytes_sent[m.type] += s->bytes.len;
    }
    heal_clear(n->heal);
    if (count > 0 && n->life != n->told_life) {
        n->told_life = n->life;
        engine_set_actor(n->engine, (struct actor){no, 1 + n->life});
        heal_set_life(n->heal, 1 + n->life);
    }
    return count > 0;
}

bool deliver(void)
{
    struct wire_message m;
    if (f.taken == f.queued)
        return false;
    f.now.mono += three_message_us;
    f.now.wall += three_message_us;
    struct sent *s = &f.queue[f.taken++ % ARRAY_LEN(f.queue)];
    struct one *to = &f.node[s->to - 1];
    CU_ASSERT_EQUAL_FATAL(wire_decode(buf_bytes(&s->bytes), &m), ERR_OK);
    if (!to->down && !f.node[m.from - 1].down && !f.lost[m.type])
        CU_ASSERT(heal_receive(to->heal, f.now, m.from, &m));
    return true;
}

static bool sync_disk(struct one *n)
{
    struct store_done done;
    bool any = false;
    if (n->stuck)
        return false;
    store_flush(n->store);
    store_mem_sync(n->store, SIZE_MAX);
    while (store_completed(n->store, &done)) {
        heal_durable(n->heal, f.now, done.ticket, done.err);
        any = true;
    }
    return any;
}

bool step(void)
{
    bool more = deliver();
    for (node_no i = 1; i <= NODES; i++) {
        more |= sync_disk(&f.node[i - 1]);
        more |= perform(i);
    }
    return more;
}

void settle(void)
{
    while (step())
        ;
}

/* In steps of a tenth of a second, so that deadlines come in their order. */
void elapse(usec us)
{
    usec end = f.now.mono + us;
    while (f.now.mono < end) {
        f.now.mono += USEC_PER_SEC / 10;
        f.now.wall += USEC_PER_SEC / 10;
        for (size_t i = 0; i < NODES; i++) {
            if (heal_next_deadline(f.node[i].heal) <= f.now.mono)
                heal_deadline(f.node[i].heal, f.now);
        }
        settle();
    }
}

static char *name_of(unsigned key)
{
    return arena_printf(&f.arena, "key%u", key);
}

range_no range_of(unsigned key)
{
    return ring_range_of(murmur3_token(bytes_text(name_of(key))), RANGES);
}

/* The cell has the dot `own`, and its write `dot`; none: it comes as state. */
static void apply_to(unsigned mask, unsigned key, struct cell cell, struct dot own, struct dot dot)
{
    char *name = name_of(key);
    struct row row = {.deletion = TOMB_NONE, .cells = &cell, .cells_count = 1};
    struct part p = {.table = TABLE,
                     .token = murmur3_token(bytes_text(name)),
                     .key = bytes_text(name),
                     .deletion = TOMB_NONE,
                     .rows = &row,
                     .rows_count = 1};
    p.static_row.deletion = TOMB_NONE;
    part_set_dot(&p, own);
    for (size_t i = 0; i < NODES; i++) {
        if (mask & 1u << i)
            CU_ASSERT_EQUAL(
                engine_apply(f.node[i].engine, KEYSPACE, range_of(key), &p, dot, NULL, 0), ERR_OK);
    }
}

static struct dot apply(unsigned mask, node_no by, unsigned key, struct cell cell)
{
    struct dot dot =
        engine_next_dot(f.node[by - 1].engine, KEYSPACE, range_of(key), (struct actor){by, 1});
    apply_to(mask, key, cell, dot, dot);
    return dot;
}

void repair_of_a_leaver(unsigned mask, unsigned key, int64_t timestamp)
{
    struct cell cell = {.column = 1, .timestamp = timestamp, .kind = CELL_TOMBSTONE};
    apply_to(mask, key, cell, (struct dot){{9, 1}, 7}, (struct dot){{0, 0}, 0});
}

struct dot write_quietly(unsigned mask, node_no by, unsigned key, int64_t timestamp)
{
    return apply(mask, by, key,
                 (struct cell){.column = 1, .timestamp = timestamp, .value = BYTES_LIT("value")});
}

struct dot delete_quietly(unsigned mask, node_no by, unsigned key, int64_t timestamp)
{
    return apply(mask, by, key,
                 (struct cell){.column = 1, .timestamp = timestamp, .kind = CELL_TOMBSTONE});
}

void write_to(unsigned mask, node_no by, unsigned key, int64_t timestamp)
{
    write_quietly(mask, by, key, timestamp);
    settle();
}

size_t fragments_of(node_no no, unsigned key, size_t lose)
{
    struct store *s = f.node[no - 1].store;
    struct store_batch batch;
    struct buf prefix;
    struct bytes keys[16];
    size_t count = 0;
    buf_init(&prefix, 64);
    key_part(&prefix, TABLE, murmur3_token(bytes_text(name_of(key))), bytes_text(name_of(key)));
    struct store_iter *it = store_iter_new(s);
    for (store_iter_seek(it, buf_bytes(&prefix));
         store_iter_valid(it) && bytes_starts_with(store_iter_key(it), buf_bytes(&prefix));
         store_iter_next(it)) {
        CU_ASSERT_FATAL(count < ARRAY_LEN(keys));
        keys[count++] = arena_copy(&f.arena, store_iter_key(it));
    }
    store_iter_free(it);
    buf_close(&prefix);
    store_batch_init(&batch);
    for (size_t i = 0; i < lose && i < count; i++) /* they lie in the order of their numbers */
        store_batch_delete(&batch, keys[count - 1 - i]);
    if (batch.count > 0)
        store_write(s, &batch, 0);
    store_batch_close(&batch);
    settle();
    return count;
}

bool all_equal(void)
{
    for (range_no r = 0; r < RANGES; r++) {
        for (size_t i = 1; i < NODES; i++) {
            if (!clock_equal(engine_clock(f.node[0].engine, KEYSPACE, r),
                             engine_clock(f.node[i].engine, KEYSPACE, r)))
                return false;
        }
    }
    struct digest first, other;
    struct scan all = {.table = TABLE, .after_token = INT64_MIN, .upto_token = INT64_MAX};
    struct scan_result rows;
    all.now_s = f.now.wall / USEC_PER_SEC;
    for (size_t i = 0; i < NODES; i++) {
        if (engine_scan(f.node[i].engine, &all, &f.arena, &rows) != ERR_OK || rows.more)
            return false;
        scan_result_digest(&rows, all.now_s, i == 0 ? &first : &other);
        if (i > 0 && memcmp(&first, &other, sizeof first) != 0)
            return false;
    }
    return true;
}

void begin(void)
{
    for (size_t i = 0; i < NODES; i++)
        heal_begin(f.node[i].heal, f.now);
    settle();
}

void set_in_ring(node_no no, bool in)
{
    struct cluster *c = f.node[no - 1].cluster;
    const struct cluster_node *nodes;
    struct cluster_node copy[NODES];
    CU_ASSERT_EQUAL_FATAL(cluster_nodes(c, &nodes), NODES);
    memcpy(copy, nodes, sizeof copy);
    cluster_set_nodes(c, in ? no : 0, copy, NODES, cluster_ring(c), 1);
}

void restart(node_no no, struct bytes unreadable, struct bytes upto)
{
    struct one *n = &f.node[no - 1];
    heal_free(n->heal);
    engine_free(n->engine);
    store_mem_fail_reads(n->store, unreadable, upto, ERR_IO);
    start_engine(n, no, 2);
    n->heal = new_heal(n);
}

void set_down(node_no no, bool down)
{
    f.node[no - 1].down = down;
    for (node_no i = 1; i <= NODES; i++) {
        if (i == no)
            continue;
        cluster_set_alive(f.node[i - 1].cluster, no, !down);
        if (down)
            heal_peer_lost(f.node[i - 1].heal, f.now, no);
        else
            heal_peer_up(f.node[i - 1].heal, f.now, no);
    }
}
