#include "world.h"

#include "base/mem.h"
#include "ring/plan.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdlib.h>
#include <string.h>

struct world w;

static void start(node_no no)
{
    struct one *n = &w.node[no - 1];
    struct engine_config config = {.ring_ranges = w.ranges};
    struct repair_config repair = REPAIR_CONFIG_DEFAULT;
    struct errmsg why;
    CU_ASSERT_EQUAL_FATAL(engine_new(n->store, &config, &n->engine, &why), ERR_OK);
    repair.first_number = ++n->lives << 32;
    n->repair = repair_new(&repair, n->engine, n->cluster);
}

/* Of the nodes in `mask`; that one is about to take ranges over. */
static void set_ring(unsigned mask, node_no joining)
{
    struct cluster_node nodes[NODES_MAX] = {{0}};
    struct ring_node members[NODES_MAX] = {{0}};
    struct ring *ring, *grown;
    uint32_t owners = 0;
    for (node_no i = 0; i < w.nodes; i++) {
        nodes[i].node = i + 1;
        nodes[i].alive = true;
        strcpy(nodes[i].dc, "dc1");
        if ((mask >> i & 1) == 0)
            continue;
        members[owners].node = i + 1;
        members[owners].weight = 1;
        strcpy(members[owners].dc, "dc1");
        strcpy(members[owners++].rack, "r1");
    }
    CU_ASSERT_EQUAL_FATAL(ring_plan_fresh(w.ranges, members, owners, &ring), ERR_OK);
    if (joining != 0) {
        struct ring_node newcomer = members[0];
        newcomer.node = joining;
        CU_ASSERT_EQUAL_FATAL(ring_plan_join(ring, &newcomer, 1, &grown), ERR_OK);
        ring_free(ring);
        ring = grown;
    }
    for (node_no i = 0; i < w.nodes; i++)
        cluster_set_nodes(w.node[i].cluster, i + 1, nodes, w.nodes, ring, 1);
    ring_free(ring);
}

void world_own(unsigned mask)
{
    set_ring(mask, 0);
}

void world_joins(unsigned mask, node_no node)
{
    set_ring(mask, node);
}

void world_setup(unsigned nodes, uint32_t ranges, uint32_t rf)
{
    struct cluster_table tables[KEYSPACES] = {{TABLE, KEYSPACE}, {TABLE + 1, KEYSPACE + 1}};
    struct strategy strategy = {.type = STRATEGY_SIMPLE, .rf = rf};
    memset(&w, 0, sizeof w);
    w.nodes = nodes;
    w.ranges = ranges;
    w.rf = rf;
    w.session_us = 20 * USEC_PER_MS;
    w.now = (struct now){USEC_PER_SEC, 1700000000 * USEC_PER_SEC};
    for (node_no i = 0; i < nodes; i++) {
        w.node[i].store = store_mem_new();
        w.node[i].cluster = cluster_new();
    }
    set_ring((1u << nodes) - 1, 0);
    for (node_no i = 0; i < nodes; i++) {
        for (unsigned k = 0; k < KEYSPACES; k++)
            cluster_set_keyspace(w.node[i].cluster, KEYSPACE + k, &strategy);
        cluster_set_tables(w.node[i].cluster, tables, KEYSPACES, 1);
        start(i + 1);
        repair_begin(w.node[i].repair, w.now);
    }
}

void world_teardown(void)
{
    for (size_t i = 0; i < w.nodes; i++) {
        repair_free(w.node[i].repair);
        if (w.node[i].repair != NULL)
            engine_free(w.node[i].engine);
        cluster_free(w.node[i].cluster);
        store_close(w.node[i].store);
    }
    for (size_t i = 0; i < ARRAY_LEN(w.queue); i++)
        buf_close(&w.queue[i].bytes);
    for (size_t i = 0; i < w.sessions_count; i++)
        mem_free(w.sessions[i].ranges);
}

/* --- the others */

void world_drop_keyspace(keyspace_no keyspace)
{
    for (size_t i = 0; i < w.nodes; i++)
        cluster_set_keyspace(w.node[i].cluster, keyspace, NULL);
}

static void end_sessions_of(node_no node)
{
    size_t kept = 0;
    for (size_t i = 0; i < w.sessions_count; i++) {
        if (w.sessions[i].node == node)
            mem_free(w.sessions[i].ranges);
        else
            w.sessions[kept++] = w.sessions[i];
    }
    w.sessions_count = kept;
}

void world_down(node_no node)
{
    struct one *n = &w.node[node - 1];
    repair_free(n->repair);
    n->repair = NULL;
    store_flush(n->store);
    engine_free(n->engine);
    end_sessions_of(node);
    for (node_no i = 1; i <= w.nodes; i++) {
        cluster_set_alive(w.node[i - 1].cluster, node, false);
        if (w.node[i - 1].repair != NULL)
            repair_peer_lost(w.node[i - 1].repair, w.now, node);
    }
}

void world_up(node_no node)
{
    start(node);
    repair_begin(w.node[node - 1].repair, w.now);
    for (size_t i = 0; i < w.nodes; i++)
        cluster_set_alive(w.node[i].cluster, node, true);
}

/* --- healing, of sets */

static void compare(node_no no, const struct repair_effect *e)
{
    CU_ASSERT_FATAL(w.sessions_count < ARRAY_LEN(w.sessions));
    w.sessions[w.sessions_count++] = (struct session){
        .node = no,
        .batch = e->compare.batch,
        .peer = e->compare.peer,
        .keyspace = e->compare.keyspace,
        .preview = e->compare.preview,
        .ranges = mem_copy(e->compare.ranges, e->compare.ranges_count * sizeof(range_no)),
        .count = e->compare.ranges_count,
        .due = w.now.mono + w.session_us * no};
    w.node[no - 1].batches++;
}

static void stop(node_no no, uint64_t batch)
{
    for (size_t i = 0; i < w.sessions_count; i++) {
        if (w.sessions[i].node != no || w.sessions[i].batch != batch)
            continue;
        mem_free(w.sessions[i].ranges);
        w.sessions[i] = w.sessions[--w.sessions_count];
        return;
    }
    CU_FAIL("nothing to stop");
}

static unsigned count_bits(uint64_t bits)
{
    unsigned n = 0;
    for (; bits != 0; bits &= bits - 1)
        n++;
    return n;
}

static struct bytes clock_of(node_no node, keyspace_no keyspace, range_no range, struct buf *out)
{
    struct clock c;
    clock_init(&c);
    for (unsigned i = 0; i < 64; i++) {
        if ((w.node[node - 1].dots[keyspace - KEYSPACE][range] >> i & 1) != 0)
            (void)clock_add(&c, (struct dot){{7, 1}, i + 1});
    }
    clock_encode(&c, out);
    clock_close(&c);
    return buf_bytes(out);
}

static void compare_range(const struct session *s, range_no range)
{
    struct buf here, there;
    buf_init(&here, 4096);
    buf_init(&there, 4096);
    uint64_t *ours = &w.node[s->node - 1].rows[s->keyspace - KEYSPACE][range];
    uint64_t *theirs = &w.node[s->peer - 1].rows[s->keyspace - KEYSPACE][range];
    struct repair_table table = {TABLE + s->keyspace - KEYSPACE, {0}};
    struct repair_found found = {.equal = *ours == *theirs, .tables = &table, .tables_count = 1};
    struct repair_row rows[64];
    for (unsigned i = 0; i < 64; i++) {
        if (((*ours ^ *theirs) >> i & 1) != 0)
            rows[found.different_count++] = (struct repair_row){table.table, i};
    }
    found.different = rows;
    found.different_all = true;
    table.sums.rows = count_bits(*ours);
    table.sums.rows_different = count_bits(*ours ^ *theirs);
    w.compared++;
    if (!s->preview) {
        table.sums.rows_received = count_bits(*theirs & ~*ours);
        table.sums.rows_sent = count_bits(*ours & ~*theirs);
        *ours = *theirs = *ours | *theirs;
    }
    found.sums = table.sums;
    found.here = clock_of(s->node, s->keyspace, range, &here);
    found.there = clock_of(s->peer, s->keyspace, range, &there);
    found.sums.bytes_search = found.equal ? 0 : 100;
    found.sums.messages = found.equal ? 0 : 2;
    repair_compared(w.node[s->node - 1].repair, w.now, s->batch, range, ERR_OK, &found);
    buf_close(&here);
    buf_close(&there);
}

static bool is_replica(const struct session *s, range_no range)
{
    struct cluster *c = w.node[s->node - 1].cluster;
    return cluster_is_replica(c, s->keyspace, range, s->node) &&
           cluster_is_replica(c, s->keyspace, range, s->peer);
}

static void end_session(struct session s)
{
    struct repair *r = w.node[s.node - 1].repair;
    struct repair_found none = {.different_all = true};
    struct repair_sums sums = {
        .messages = 2, .bytes_search = 50, .bytes_hashes = 50, .rows_read = w.session_read};
    enum err err = w.node[s.peer - 1].repair == NULL ? ERR_UNAVAILABLE : ERR_OK;
    for (size_t i = 0; i < s.count && err == ERR_OK; i++) {
        if (w.session_errs > 0 && (w.session_at == 0 || w.session_at == s.node)) {
            w.session_errs--;
            none.ours = w.session_ours;
            repair_compared(r, w.now, s.batch, s.ranges[i], w.session_err, &none);
        } else if (!is_replica(&s, s.ranges[i])) {
            repair_compared(r, w.now, s.batch, s.ranges[i], ERR_STALE, &none);
        } else {
            compare_range(&s, s.ranges[i]);
        }
    }
    repair_compared_all(r, w.now, s.batch, err, &sums);
    mem_free(s.ranges);
}

static bool sessions_due(void)
{
    for (size_t i = 0; i < w.sessions_count; i++) {
        if (w.sessions[i].due > w.now.mono)
            continue;
        struct session s = w.sessions[i];
        memmove(w.sessions + i, w.sessions + i + 1, (--w.sessions_count - i) * sizeof s);
        end_session(s);
        return true;
    }
    return false;
}

/* --- messages and time */

static bool perform(node_no no)
{
    const struct repair_effect *e;
    struct one *n = &w.node[no - 1];
    size_t count = n->repair != NULL ? repair_effects(n->repair, &e) : 0;
    for (size_t i = 0; i < count; i++, e++) {
        if (e->type == REPAIR_COMPARE) {
            compare(no, e);
        } else if (e->type == REPAIR_STOP) {
            stop(no, e->stop);
        } else if (e->type == REPAIR_SEND) {
            CU_ASSERT_FATAL(w.queued - w.taken < ARRAY_LEN(w.queue));
            struct message *m = &w.queue[w.queued++ % ARRAY_LEN(w.queue)];
            struct wire_message copy = e->send.message;
            copy.from = no;
            buf_close(&m->bytes);
            buf_init(&m->bytes, WIRE_MESSAGE_MAX);
            wire_encode(&copy, &m->bytes);
            m->to = e->send.to;
            w.bytes += m->bytes.len;
            w.messages++;
        }
    }
    if (count > 0)
        repair_clear(n->repair);
    return count > 0;
}

static bool deliver(void)
{
    struct wire_message m;
    if (w.taken == w.queued)
        return false;
    struct message *from = &w.queue[w.taken++ % ARRAY_LEN(w.queue)];
    struct repair *r = w.node[from->to - 1].repair;
    CU_ASSERT_EQUAL_FATAL(wire_decode(buf_bytes(&from->bytes), &m), ERR_OK);
    if (r != NULL && !w.deaf[from->to])
        CU_ASSERT(repair_receive(r, w.now, m.from, &m));
    return true;
}

void world_settle(void)
{
    bool more = true;
    while (more) {
        more = false;
        for (node_no i = 1; i <= w.nodes; i++) {
            struct repair *r = w.node[i - 1].repair;
            if (r != NULL && repair_next_deadline(r) <= w.now.mono) {
                repair_deadline(r, w.now);
                more = true;
            }
            more |= perform(i);
        }
        more |= deliver();
        more |= sessions_due();
    }
    for (size_t i = 0; i < w.nodes; i++) {
        struct store_done done;
        store_flush(w.node[i].store);
        store_mem_sync(w.node[i].store, SIZE_MAX);
        while (store_completed(w.node[i].store, &done)) {
            if (w.node[i].repair != NULL)
                repair_durable(w.node[i].repair, done.ticket, done.err);
        }
    }
}

void world_elapse(usec us)
{
    world_settle();
    for (usec at = 0; at < us; at += 10 * USEC_PER_MS) {
        w.now.mono += 10 * USEC_PER_MS;
        w.now.wall += 10 * USEC_PER_MS;
        world_settle();
    }
}

static bool any_running(void)
{
    for (size_t i = 0; i < w.nodes; i++) {
        if (w.node[i].repair != NULL && repair_stats(w.node[i].repair).running > 0)
            return true;
    }
    return false;
}

bool world_run(usec limit_us)
{
    usec until = w.now.mono + limit_us;
    world_settle();
    while (any_running() && w.now.mono < until)
        world_elapse(10 * USEC_PER_MS);
    return !any_running();
}

/* --- looking */

void world_plant(unsigned mask, unsigned keyspace, range_no range, unsigned row)
{
    for (size_t i = 0; i < w.nodes; i++) {
        if ((mask >> i & 1) != 0)
            w.node[i].rows[keyspace][range] |= UINT64_C(1) << row;
    }
}

struct replicas world_replicas(unsigned keyspace, range_no range)
{
    const struct placement *p = cluster_placement(w.node[0].cluster, KEYSPACE + keyspace);
    return placement_replicas(p, range);
}

bool world_equal(void)
{
    for (unsigned k = 0; k < KEYSPACES; k++) {
        for (range_no range = 0; range < w.ranges; range++) {
            struct replicas replicas = world_replicas(k, range);
            const uint64_t *first = NULL;
            for (uint32_t i = 0; i < replicas.count; i++) {
                const struct one *n = &w.node[replicas.node[i] - 1];
                if (n->repair == NULL)
                    continue;
                if (first != NULL && *first != n->rows[k][range])
                    return false;
                first = &n->rows[k][range];
            }
        }
    }
    return true;
}

uint64_t world_start(node_no node, const struct repair_wish *wish)
{
    uint64_t id;
    bool joined;
    enum err err = repair_run_start(w.node[node - 1].repair, w.now, wish, &id, &joined);
    return err == ERR_OK ? id : 0;
}

const struct repair_run *world_find(node_no node, uint64_t id)
{
    return repair_find(w.node[node - 1].repair, id);
}

/* wanted, done, equal, failed */
struct repair_sums world_sums(const struct repair_run *run, uint32_t ret_counts[4])
{
    struct repair_sums sums = {0};
    memset(ret_counts, 0, 4 * sizeof *ret_counts);
    for (size_t i = 0; i < run->parts_count; i++) {
        const struct repair_part *p = &run->parts[i];
        repair_sums_add(&sums, &p->sums);
        ret_counts[0] += p->wanted;
        ret_counts[1] += p->done;
        ret_counts[2] += p->equal;
        ret_counts[3] += p->failed;
    }
    return sums;
}
