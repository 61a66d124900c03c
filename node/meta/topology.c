#include "node/meta/topology.h"

#include "base/mem.h"
#include "base/mutant.h"

#include <string.h>

void topology_init(struct topology *t)
{
    memset(t, 0, sizeof *t);
}

void topology_close(struct topology *t)
{
    mem_free(t->nodes);
    moves_close(&t->moves);
    ring_free(t->ring);
    topology_init(t);
}

const char *node_state_text(enum node_state state)
{
    switch (state) {
    case NODE_JOINING: return "JOINING";
    case NODE_NORMAL: return "NORMAL";
    case NODE_LEAVING: return "LEAVING";
    case NODE_LEFT: return "LEFT";
    }
    return "?";
}

const struct topology_node *topology_find(const struct topology *t, node_no node)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (t->nodes[mid].node == node)
            return &t->nodes[mid];
        if (t->nodes[mid].node < node)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

const struct topology_node *topology_find_host(const struct topology *t, const struct uuid *host)
{
    for (size_t i = 0; i < t->count; i++) {
        if (uuid_equal(&t->nodes[i].info.host_id, host))
            return &t->nodes[i];
    }
    return NULL;
}

/* A node that is being replaced may share its address with its successor: that one is meant. */
const struct topology_node *topology_find_endpoint(const struct topology *t,
                                                   const struct endpoint *endpoint)
{
    const struct topology_node *found = NULL;
    if (endpoint_is_none(endpoint))
        return NULL;
    for (size_t i = 0; i < t->count; i++) {
        const struct topology_node *n = &t->nodes[i];
        if (n->state == NODE_LEFT || !endpoint_equal(&n->info.endpoint, endpoint))
            continue;
        if (found == NULL || found->state == NODE_LEAVING)
            found = n;
    }
    return found;
}

static bool is_in(const node_no *nodes, size_t count, node_no node)
{
    for (size_t i = 0; i < count; i++) {
        if (nodes[i] == node)
            return true;
    }
    return false;
}

bool topology_is_member(const struct topology *t, node_no node)
{
    return is_in(t->members, t->members_count, node);
}

bool topology_is_moving(const struct topology *t)
{
    return moves_wait(&t->moves);
}

bool topology_waits_for(const struct topology *t, node_no node)
{
    return moves_wait_for(&t->moves, node);
}

struct topology_node *topology_edit(struct topology *t, node_no node)
{
    const struct topology_node *n = topology_find(t, node);
    return n == NULL ? NULL : &t->nodes[n - t->nodes];
}

struct topology_node *topology_add(struct topology *t, node_no node, const struct node_info *info)
{
    ASSERT(t->count < TOPOLOGY_NODES_MAX);
    ASSERT(node != 0);
    ASSERT(t->count == 0 || t->nodes[t->count - 1].node < node);
    t->nodes = mem_grow(t->nodes, t->count, &t->cap, sizeof t->nodes[0]);
    struct topology_node *n = &t->nodes[t->count++];
    memset(n, 0, sizeof *n);
    n->node = node;
    n->state = NODE_JOINING;
    n->info = *info;
    return n;
}

static void take_ring(struct topology *t, struct ring *ring)
{
    ring_free(t->ring);
    t->ring = ring;
}

/* Nothing is waited for any more. */
static void settle(struct topology *t, uint64_t slot)
{
    moves_settle(&t->moves, t->ring, slot);
    take_ring(t, ring_settle(t->ring));
    t->ring_epoch = slot;
    for (size_t i = 0; i < t->count; i++) {
        struct topology_node *n = &t->nodes[i];
        if (n->state == NODE_JOINING)
            n->state = NODE_NORMAL;
        else if (n->state == NODE_LEAVING)
            n->state = NODE_LEFT;
        n->replaces = 0;
    }
}

/* Without the tables that no range is at nor goes to. */
static struct ring *keep_named(const struct ring *ring, const struct moves *moves)
{
    bool keep[RING_TABLES_MAX] = {false};
    keep[0] = keep[ring->tables - 1] = true;
    for (uint32_t i = 0; i < ring->tables; i++)
        keep[i] |= moves_name(moves, ring->table[i].number);
    return ring_keep(ring, keep);
}

void topology_move(struct topology *t, uint64_t slot, struct ring *ring)
{
    moves_begin(&t->moves, ring, slot);
    take_ring(t, keep_named(ring, &t->moves));
    ring_free(ring);
    t->ring_epoch = slot;
    if (!topology_is_moving(t))
        settle(t, slot);
}

void topology_replicate(struct topology *t, uint64_t slot, keyspace_no keyspace,
                        const struct strategy *strategy)
{
    bool moving = topology_is_moving(t);
    bool had = moves_find(&t->moves, keyspace) != NULL;
    bool changed = strategy != NULL ? moves_replicate(&t->moves, t->ring, keyspace, strategy, slot)
                                    : moves_drop(&t->moves, t->ring, keyspace);
    if (topology_is_moving(t)) {
        if (changed && had && strategy != NULL)
            t->ring_epoch = slot; /* what has been pulled for the sets before is not enough */
    } else if (moving) {
        settle(t, slot);
    } else if (changed) {
        moves_settle(&t->moves, t->ring, slot); /* the same nodes hold it */
    }
}

bool topology_step(struct topology *t, uint64_t slot, node_no node)
{
    if (!moves_step(&t->moves, node) || topology_is_moving(t))
        return false;
    settle(t, slot);
    return true;
}

/* Who replaces a node is up, has the log and needs no data to vote. Without it a ring of three
 * would have one member as long as the replacing takes, and would stop when that is lost as well.
 */
static bool may_be_member(const struct topology_node *n)
{
    return !n->lost && (n->state == NODE_NORMAL || (n->state == NODE_JOINING && n->replaces != 0));
}

void topology_set_away(struct topology *t, uint64_t slot, node_no node, bool away)
{
    topology_edit(t, node)->away = away;
    t->away_epoch = slot;
}

void topology_recover(struct topology *t, uint64_t slot, uint32_t tag, struct bytes lost)
{
    for (size_t i = 0; i + 4 <= lost.len; i += 4)
        topology_edit(t, load_u32(lost.data + i))->lost = true;
    t->recoveries++;
    t->generation = slot << 32 | tag;
}

/* How well a node would complete the members chosen so far; the lowest is taken. */
struct candidacy {
    uint32_t is_away; /* 2: and no member now, so that no other one goes for it */
    uint32_t is_joining;
    uint32_t same_rack;
    uint32_t same_dc;
    uint32_t is_new;
};

static struct candidacy candidacy_of(const struct topology *t, const struct topology_node *n,
                                     const node_no *chosen, uint32_t count)
{
    struct candidacy c = {.is_joining = n->state == NODE_JOINING,
                          .is_new = !topology_is_member(t, n->node)};
    c.is_away = n->away ? 1 + c.is_new : 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct node_info *other = &topology_find(t, chosen[i])->info;
        bool same_dc = strcmp(other->dc, n->info.dc) == 0;
        c.same_dc += same_dc;
        c.same_rack += same_dc && strcmp(other->rack, n->info.rack) == 0;
    }
    return c;
}

static bool is_better(struct candidacy a, struct candidacy b)
{
    if (a.is_away != b.is_away && !MUTANT(away_are_chosen))
        return a.is_away < b.is_away;
    if (a.is_joining != b.is_joining)
        return a.is_joining < b.is_joining;
    if (a.same_rack != b.same_rack)
        return a.same_rack < b.same_rack;
    if (a.same_dc != b.same_dc)
        return a.same_dc < b.same_dc;
    return a.is_new < b.is_new;
}

static void sort_nodes(node_no *nodes, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        for (uint32_t j = i; j > 0 && nodes[j - 1] > nodes[j]; j--) {
            node_no swap = nodes[j];
            nodes[j] = nodes[j - 1];
            nodes[j - 1] = swap;
        }
    }
}

void topology_choose_members(struct topology *t)
{
    node_no chosen[TOPOLOGY_MEMBERS_MAX];
    uint32_t able = 0, count = 0;
    for (size_t i = 0; i < t->count; i++)
        able += may_be_member(&t->nodes[i]);
    uint32_t wanted = able >= 5 ? 5 : able >= 3 ? 3 : able >= 1 ? 1 : 0;
    while (count < wanted) {
        const struct topology_node *best = NULL;
        struct candidacy best_c = {.is_new = 0};
        for (size_t i = 0; i < t->count; i++) {
            const struct topology_node *n = &t->nodes[i];
            if (!may_be_member(n) || is_in(chosen, count, n->node))
                continue;
            struct candidacy c = candidacy_of(t, n, chosen, count);
            if (best == NULL || is_better(c, best_c)) {
                best = n;
                best_c = c;
            }
        }
        chosen[count++] = best->node;
    }
    sort_nodes(chosen, count);
    memcpy(t->members, chosen, sizeof chosen[0] * count);
    t->members_count = count;
}

void endpoint_encode(const struct endpoint *e, struct buf *out)
{
    buf_put(out, e->ip, sizeof e->ip);
    buf_put_u16(out, e->port);
}

struct endpoint endpoint_decode(struct reader *in)
{
    struct endpoint e;
    memset(&e, 0, sizeof e);
    struct bytes ip = read_bytes(in, sizeof e.ip);
    if (ip.len == sizeof e.ip)
        memcpy(e.ip, ip.data, sizeof e.ip);
    e.port = read_u16(in);
    return e;
}

/* Into an array of `size`, closed by a NUL and without one inside. */
static void read_name(struct reader *in, char *ret, size_t size)
{
    struct bytes b = read_vbytes(in);
    if (b.len >= size || (b.len > 0 && memchr(b.data, 0, b.len) != NULL)) {
        in->failed = true;
        return;
    }
    if (b.len > 0)
        memcpy(ret, b.data, b.len);
}

static uint32_t read_u32_varint(struct reader *in)
{
    uint64_t v = read_varint(in);
    in->failed |= v > UINT32_MAX;
    return (uint32_t)v;
}

void node_info_encode(const struct node_info *info, struct buf *out)
{
    buf_put_uuid(out, &info->host_id);
    endpoint_encode(&info->endpoint, out);
    endpoint_encode(&info->cql, out);
    buf_put_varint(out, info->weight);
    buf_put_varint(out, info->boot);
    buf_put_vbytes(out, bytes_text(info->dc));
    buf_put_vbytes(out, bytes_text(info->rack));
}

void node_info_decode(struct reader *in, struct node_info *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->host_id = read_uuid(in);
    ret->endpoint = endpoint_decode(in);
    ret->cql = endpoint_decode(in);
    ret->weight = read_u32_varint(in);
    ret->boot = read_u32_varint(in);
    read_name(in, ret->dc, sizeof ret->dc);
    read_name(in, ret->rack, sizeof ret->rack);
}

/* topology := varint epoch, uuid cluster, vbytes name, varint ring_epoch, vbytes ring, moves,
 *             varint n, n nodes, varint n, n varint members, varint away_epoch,
 *             varint recoveries, varint generation
 * node     := varint number, u8 state, u8 away | lost << 1, varint replaces, node_info
 * An epoch of 0 ends it. */
void topology_encode(const struct topology *t, struct buf *out)
{
    struct buf ring;
    buf_put_varint(out, t->epoch);
    if (t->epoch == 0)
        return;
    buf_put_uuid(out, &t->cluster_id);
    buf_put_vbytes(out, bytes_text(t->name));
    buf_put_varint(out, t->ring_epoch);
    buf_init(&ring, BUF_MAX_DEFAULT);
    ring_encode(t->ring, &ring);
    buf_put_vbytes(out, buf_bytes(&ring));
    buf_close(&ring);
    moves_encode(&t->moves, t->ring, out);
    buf_put_varint(out, t->count);
    for (size_t i = 0; i < t->count; i++) {
        const struct topology_node *n = &t->nodes[i];
        buf_put_varint(out, n->node);
        buf_put_u8(out, (uint8_t)n->state);
        buf_put_u8(out, (uint8_t)(n->away | n->lost << 1));
        buf_put_varint(out, n->replaces);
        node_info_encode(&n->info, out);
    }
    buf_put_varint(out, t->members_count);
    for (size_t i = 0; i < t->members_count; i++)
        buf_put_varint(out, t->members[i]);
    buf_put_varint(out, t->away_epoch);
    buf_put_varint(out, t->recoveries);
    buf_put_varint(out, t->generation);
}

static void decode_nodes(struct reader *in, struct topology *t)
{
    uint64_t count = read_varint(in);
    in->failed |= count == 0 || count > TOPOLOGY_NODES_MAX;
    for (uint64_t i = 0; i < count && !in->failed; i++) {
        node_no node = read_u32_varint(in);
        uint8_t state = read_u8(in);
        uint8_t flags = read_u8(in);
        node_no replaces = read_u32_varint(in);
        struct node_info info;
        node_info_decode(in, &info);
        in->failed |= state < NODE_JOINING || state > NODE_LEFT || node == 0 || flags > 3;
        in->failed |= t->count > 0 && t->nodes[t->count - 1].node >= node;
        if (in->failed)
            return;
        struct topology_node *n = topology_add(t, node, &info);
        n->state = (enum node_state)state;
        n->replaces = replaces;
        n->away = (flags & 1) != 0;
        n->lost = (flags & 2) != 0;
    }
}

/* Numbers of nodes there are, ascending. */
static void decode_list(struct reader *in, const struct topology *t, node_no *ret, size_t count)
{
    for (size_t i = 0; i < count && !in->failed; i++) {
        ret[i] = read_u32_varint(in);
        in->failed |= topology_find(t, ret[i]) == NULL || (i > 0 && ret[i - 1] >= ret[i]);
    }
}

/* What topology_check asserts of our own state, asked of foreign bytes. */
static bool is_sound(const struct topology *t)
{
    for (size_t i = 0; i < t->count; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct topology_node *a = &t->nodes[j], *b = &t->nodes[i];
            if (uuid_equal(&a->info.host_id, &b->info.host_id))
                return false;
            if (a->state != NODE_LEFT && b->state != NODE_LEFT && a->state != NODE_LEAVING &&
                b->state != NODE_LEAVING && !endpoint_is_none(&a->info.endpoint) &&
                endpoint_equal(&a->info.endpoint, &b->info.endpoint))
                return false;
        }
    }
    for (uint32_t i = 0; i < t->members_count; i++) {
        const struct topology_node *n = topology_find(t, t->members[i]);
        if (n == NULL || !may_be_member(n))
            return false;
    }
    for (size_t i = 0; i < t->moves.stepped_count; i++) {
        if (topology_find(t, t->moves.stepped[i]) == NULL)
            return false;
    }
    return t->members_count % 2 == 1 && t->ring_epoch <= t->epoch &&
           moves_fit(&t->moves, t->ring, t->epoch);
}

enum err topology_decode(struct reader *in, struct topology *ret)
{
    struct topology t;
    topology_init(&t);
    t.epoch = read_varint(in);
    if (t.epoch == 0) {
        *ret = t;
        return in->failed ? ERR_MALFORMED : ERR_OK;
    }
    t.cluster_id = read_uuid(in);
    read_name(in, t.name, sizeof t.name);
    t.ring_epoch = read_varint(in);
    struct bytes ring = read_vbytes(in);
    enum err err = in->failed ? ERR_MALFORMED : ring_decode(ring, &t.ring);
    if (err != ERR_OK)
        return err;
    err = moves_decode(in, t.ring, t.epoch, &t.moves);
    if (err == ERR_OK)
        decode_nodes(in, &t);
    uint64_t members = read_varint(in);
    in->failed |= members == 0 || members > TOPOLOGY_MEMBERS_MAX;
    if (!in->failed) {
        t.members_count = (uint32_t)members;
        decode_list(in, &t, t.members, t.members_count);
    }
    t.away_epoch = read_varint(in);
    t.recoveries = read_u32_varint(in);
    t.generation = read_varint(in);
    in->failed |= t.away_epoch > t.epoch || generation_slot(t.generation) > t.epoch ||
                  (t.recoveries == 0) != (t.generation == 0);
    if (in->failed || !is_sound(&t)) {
        topology_close(&t);
        return ERR_MALFORMED;
    }
    *ret = t;
    return ERR_OK;
}

void topology_check(const struct topology *t)
{
    ASSERT((t->epoch == 0) == (t->ring == NULL));
    if (t->epoch > 0)
        ASSERT(is_sound(t));
}
