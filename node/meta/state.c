#include "node/meta/state.h"

#include "base/mem.h"
#include "base/mutant.h"
#include "node/meta/meta.h"
#include "node/schema/ddl.h"

#include <string.h>

#define SNAPSHOT_VERSION 3

void state_init(struct state *s)
{
    memset(s, 0, sizeof *s);
    topology_init(&s->topology);
    s->schema = schema_new();
}

void state_close(struct state *s)
{
    topology_close(&s->topology);
    schema_unref(s->schema);
    s->schema = NULL;
}

const struct result *state_result(const struct state *s, const struct uuid *id)
{
    for (size_t i = 0; i < STATE_RESULTS_MAX; i++) {
        if (s->results[i].slot != 0 && uuid_equal(&s->results[i].id, id))
            return &s->results[i];
    }
    return NULL;
}

static enum err judge_found(const struct state *s, const struct command *c, struct errmsg *reterr)
{
    if (s->topology.epoch != 0)
        return errmsg_set(reterr, ERR_EXISTS, "the cluster has been founded already");
    if (c->name.len >= CLUSTER_NAME_SIZE ||
        (c->name.len > 0 && memchr(c->name.data, 0, c->name.len) != NULL))
        return errmsg_set(reterr, ERR_INVALID, "the cluster name is too long");
    return ERR_OK;
}

static enum err judge_info(const struct node_info *info, struct errmsg *reterr)
{
    if (uuid_is_zero(&info->host_id) || endpoint_is_none(&info->endpoint))
        return errmsg_set(reterr, ERR_INVALID, "a node needs a host id and an address");
    if (info->weight == 0 || info->weight > RING_WEIGHT_MAX || info->dc[0] == 0 ||
        info->rack[0] == 0)
        return errmsg_set(reterr, ERR_INVALID, "a node needs a weight, a data centre and a rack");
    return ERR_OK;
}

/* Anchors 25: a node that lost its disk is another node; it must say that it takes the place of the
 * one that had its address. */
static enum err judge_join(const struct state *s, const struct command *c, struct errmsg *reterr)
{
    char host[UUID_TEXT_SIZE], at[ENDPOINT_TEXT_SIZE];
    const struct topology *t = &s->topology;
    enum err err = judge_info(&c->info, reterr);
    if (err != ERR_OK)
        return err;
    const struct topology_node *same = topology_find_host(t, &c->info.host_id);
    if (same != NULL && same->state == NODE_LEFT)
        return errmsg_set(reterr, ERR_REFUSED,
                          "host id %s was node %u, which has left the cluster for good",
                          uuid_text(&same->info.host_id, host), (unsigned)same->node);
    if (same != NULL && !endpoint_equal(&same->info.endpoint, &c->info.endpoint))
        return errmsg_set(reterr, ERR_EXISTS, "host id %s is node %u already, at %s",
                          uuid_text(&same->info.host_id, host), (unsigned)same->node,
                          endpoint_text(&same->info.endpoint, at));
    if (same != NULL)
        return ERR_OK; /* asked before: it is in */
    const struct topology_node *there = topology_find_endpoint(t, &c->info.endpoint);
    const struct topology_node *gone = topology_find_endpoint(t, &c->replaces);
    bool may_go = gone != NULL && (gone->state == NODE_NORMAL || gone->state == NODE_JOINING);
    if (!endpoint_is_none(&c->replaces) && !may_go)
        return errmsg_set(reterr, ERR_NOT_FOUND, "there is no node at %s to be replaced",
                          endpoint_text(&c->replaces, at));
    /* The question of a node that lost its disk again meanwhile: its successor is in by now. */
    if (gone != NULL && c->asked_at != 0 && gone->node > c->asked_at)
        return errmsg_set(reterr, ERR_REFUSED, "%s is the address of a node that has just come",
                          endpoint_text(&c->replaces, at));
    if (there != NULL && there != gone)
        return errmsg_set(
            reterr, ERR_EXISTS,
            "%s is the address of node %u, host id %s: start with that node's data, or "
            "take over from it with --replace_address",
            endpoint_text(&c->info.endpoint, at), (unsigned)there->node,
            uuid_text(&there->info.host_id, host));
    if (gone != NULL && t->members_count == 1 && t->members[0] == gone->node)
        return errmsg_set(reterr, ERR_REFUSED, "node %u is the only one that can agree to that",
                          (unsigned)gone->node);
    if (t->count >= TOPOLOGY_NODES_MAX)
        return errmsg_set(reterr, ERR_TOO_BIG, "the cluster has had %u nodes, which is the limit",
                          (unsigned)TOPOLOGY_NODES_MAX);
    return ERR_OK;
}

static enum err judge_update(const struct state *s, const struct command *c, struct errmsg *reterr)
{
    const struct topology_node *n = topology_find(&s->topology, c->node);
    enum err err = judge_info(&c->info, reterr);
    if (err != ERR_OK)
        return err;
    if (n == NULL || n->state == NODE_LEFT || !uuid_equal(&n->info.host_id, &c->info.host_id))
        return errmsg_set(reterr, ERR_NOT_FOUND, "there is no node %u of that host id",
                          (unsigned)c->node);
    if (strcmp(n->info.dc, c->info.dc) != 0 || strcmp(n->info.rack, c->info.rack) != 0 ||
        n->info.weight != c->info.weight)
        return errmsg_set(
            reterr, ERR_INVALID,
            "data centre, rack and weight of a node stay as they were when it joined");
    if (c->info.boot < n->info.boot)
        return errmsg_set(reterr, ERR_STALE, "node %u has been started again since",
                          (unsigned)c->node);
    return ERR_OK;
}

static enum err judge_leave(const struct state *s, const struct command *c, struct errmsg *reterr)
{
    const struct topology_node *n = topology_find(&s->topology, c->node);
    size_t stay = 0;
    for (size_t i = 0; i < s->topology.count; i++)
        stay += s->topology.nodes[i].state == NODE_NORMAL && s->topology.nodes[i].node != c->node;
    if (n == NULL || n->state == NODE_LEFT)
        return errmsg_set(reterr, ERR_NOT_FOUND, "there is no node %u", (unsigned)c->node);
    if (n->state == NODE_JOINING)
        return errmsg_set(reterr, ERR_REFUSED, "node %u has not finished joining",
                          (unsigned)c->node);
    if (stay == 0)
        return errmsg_set(reterr, ERR_REFUSED, "node %u is the last one", (unsigned)c->node);
    return ERR_OK;
}

static enum err judge_step(const struct state *s, const struct command *c, struct errmsg *reterr)
{
    const struct topology *t = &s->topology;
    if (topology_find(t, c->node) == NULL)
        return errmsg_set(reterr, ERR_NOT_FOUND, "there is no node %u", (unsigned)c->node);
    if (topology_waits_for(t, c->node) && c->epoch != t->ring_epoch)
        return errmsg_set(reterr, ERR_STALE, "the ring has changed since, in slot %llu",
                          (unsigned long long)t->ring_epoch);
    return ERR_OK;
}

/* One at a time: who asks knows whom the entry before has taken out, or has let in. So two members
 * that hold each other for dead do not both go. */
static enum err judge_away(const struct state *s, const struct command *c, struct errmsg *reterr)
{
    const struct topology *t = &s->topology;
    const struct topology_node *n = topology_find(t, c->node);
    if (n == NULL || n->state == NODE_LEFT)
        return errmsg_set(reterr, ERR_NOT_FOUND, "there is no node %u", (unsigned)c->node);
    if (c->epoch != t->away_epoch && !MUTANT(aways_at_once))
        return errmsg_set(reterr, ERR_STALE, "another node went or came since, in slot %llu",
                          (unsigned long long)t->away_epoch);
    if (c->kind == COMMAND_AWAY && !topology_is_member(t, c->node))
        return errmsg_set(reterr, ERR_STALE, "node %u is no metadata member", (unsigned)c->node);
    return ERR_OK;
}

static bool stays(const struct topology_node *n, struct bytes lost)
{
    if (n->lost || n->state != NODE_NORMAL)
        return false;
    for (size_t i = 0; i < lost.len; i += 4) {
        if (load_u32(lost.data + i) == n->node)
            return false;
    }
    return true;
}

static enum err judge_recover(const struct state *s, const struct command *c, struct errmsg *reterr)
{
    const struct topology *t = &s->topology;
    bool any = false;
    if (c->epoch != (uint64_t)t->recoveries + 1)
        return errmsg_set(reterr, ERR_STALE, "generation %u has begun since",
                          (unsigned)t->recoveries);
    if (c->lost.len == 0 || c->lost.len % 4 != 0)
        return errmsg_set(reterr, ERR_INVALID, "no node is named as lost");
    for (size_t i = 0; i < c->lost.len; i += 4) {
        const struct topology_node *n = topology_find(t, load_u32(c->lost.data + i));
        if (n == NULL || n->state == NODE_LEFT || n->lost)
            return errmsg_set(reterr, ERR_NOT_FOUND, "there is no node %u to be lost",
                              (unsigned)load_u32(c->lost.data + i));
    }
    for (size_t i = 0; i < t->count; i++)
        any |= stays(&t->nodes[i], c->lost);
    return any ? ERR_OK : errmsg_set(reterr, ERR_INVALID, "nobody would be left");
}

enum err state_judge(const struct state *s, const struct command *c, struct errmsg *reterr)
{
    if (s->topology.epoch == 0 && c->kind != COMMAND_FOUND)
        return errmsg_set(reterr, ERR_REFUSED, "there is no cluster yet");
    switch (c->kind) {
    case COMMAND_FOUND: return judge_found(s, c, reterr);
    case COMMAND_JOIN_START: return judge_join(s, c, reterr);
    case COMMAND_STEP: return judge_step(s, c, reterr);
    case COMMAND_NODE_UPDATE: return judge_update(s, c, reterr);
    case COMMAND_LEAVE_START: return judge_leave(s, c, reterr);
    case COMMAND_AWAY:
    case COMMAND_HERE: return judge_away(s, c, reterr);
    case COMMAND_RECOVER: return judge_recover(s, c, reterr);
    case COMMAND_DDL: return ERR_OK; /* schema_apply judges */
    }
    return ERR_UNSUPPORTED;
}

static enum err bad_plan(struct errmsg *reterr)
{
    return errmsg_set(reterr, ERR_MALFORMED, "the plan of the entry makes no sense");
}

/* The nodes of a planned ring are those of the cluster, and `extra`. */
static bool knows_all(const struct topology *t, const struct ring *ring, node_no extra)
{
    for (uint32_t i = 0; i < ring->nodes; i++) {
        node_no n = ring->node[i].node;
        if (n != extra && topology_find(t, n) == NULL)
            return false;
    }
    return true;
}

static enum err read_plan(const struct topology *t, struct bytes plan, node_no extra,
                          struct ring **ret_ring)
{
    struct ring *ring = NULL;
    if (moves_are_full(&t->moves) || ring_apply_diff(t->ring, plan, &ring) != ERR_OK)
        return ERR_MALFORMED;
    if (!knows_all(t, ring, extra)) {
        ring_free(ring);
        return ERR_MALFORMED;
    }
    *ret_ring = ring;
    return ERR_OK;
}

/* The keyspaces are replicated as the schema has it, those that every node has by itself left out.
 * Returns what has changed with that. */
static uint32_t follow_schema(struct state *s, uint64_t slot)
{
    struct topology *t = &s->topology;
    uint64_t ring_epoch = t->ring_epoch;
    for (uint32_t i = 0; i < s->schema->keyspace_count; i++) {
        const struct keyspace *k = s->schema->keyspaces[i];
        struct strategy strategy;
        if (k->no >= SCHEMA_SYSTEM_NO)
            continue;
        replication_strategy(&k->replication, &strategy);
        topology_replicate(t, slot, k->no, &strategy);
    }
    for (size_t i = t->moves.count; i-- > 0;) {
        keyspace_no no = t->moves.keyspace[i].keyspace;
        if (schema_keyspace_by_no(s->schema, no) == NULL)
            topology_replicate(t, slot, no, NULL);
    }
    return t->ring_epoch != ring_epoch ? META_CHANGED_RING | META_CHANGED_NODES : 0;
}

static enum err apply_found(struct state *s, uint64_t slot, const struct command *c,
                            struct state_change *change, struct errmsg *reterr)
{
    struct topology *t = &s->topology;
    struct ring *ring = NULL;
    if (judge_info(&c->info, reterr) != ERR_OK || ring_decode(c->plan, &ring) != ERR_OK)
        return bad_plan(reterr);
    if (ring->nodes != 1 || ring->node[0].node != slot || ring->tables != 1) {
        ring_free(ring);
        return bad_plan(reterr);
    }
    t->cluster_id = c->cluster;
    memcpy(t->name, c->name.data, c->name.len);
    (void)topology_add(t, (node_no)slot, &c->info);
    topology_move(t, slot, ring);
    (void)follow_schema(s, slot);
    change->changes = META_CHANGED_NODES | META_CHANGED_RING;
    return ERR_OK;
}

static enum err apply_join(struct state *s, uint64_t slot, const struct command *c,
                           struct state_change *change, struct errmsg *reterr)
{
    struct topology *t = &s->topology;
    struct ring *ring;
    if (topology_find_host(t, &c->info.host_id) != NULL)
        return ERR_OK;
    if (read_plan(t, c->plan, (node_no)slot, &ring) != ERR_OK)
        return bad_plan(reterr);
    const struct topology_node *gone = topology_find_endpoint(t, &c->replaces);
    node_no gone_no = gone != NULL ? gone->node : 0;
    if (gone_no != 0)
        topology_edit(t, gone_no)->state = NODE_LEAVING;
    topology_add(t, (node_no)slot, &c->info)->replaces = gone_no;
    topology_move(t, slot, ring);
    change->changes = META_CHANGED_NODES | META_CHANGED_RING;
    return ERR_OK;
}

static enum err apply_leave(struct state *s, uint64_t slot, const struct command *c,
                            struct state_change *change, struct errmsg *reterr)
{
    struct topology *t = &s->topology;
    struct ring *ring;
    if (topology_find(t, c->node)->state == NODE_LEAVING)
        return ERR_OK;
    if (read_plan(t, c->plan, 0, &ring) != ERR_OK)
        return bad_plan(reterr);
    topology_edit(t, c->node)->state = NODE_LEAVING;
    topology_move(t, slot, ring);
    change->changes = META_CHANGED_NODES | META_CHANGED_RING;
    return ERR_OK;
}

static enum err apply_step(struct state *s, uint64_t slot, const struct command *c,
                           struct state_change *change)
{
    if (!topology_waits_for(&s->topology, c->node))
        return ERR_OK;
    change->changes = META_CHANGED_RING;
    if (topology_step(&s->topology, slot, c->node))
        change->changes |= META_CHANGED_NODES;
    return ERR_OK;
}

/* Whoever holds the host id is at the address it says, so a node that the log had there is not: in
 * a cluster that started again with other addresses two nodes may well have changed places. */
static enum err apply_update(struct state *s, const struct command *c, struct state_change *change)
{
    const struct topology_node *there = topology_find_endpoint(&s->topology, &c->info.endpoint);
    if (there != NULL && there->node != c->node && there->state != NODE_LEAVING)
        memset(&topology_edit(&s->topology, there->node)->info.endpoint, 0,
               sizeof(struct endpoint));
    topology_edit(&s->topology, c->node)->info = c->info;
    change->changes = META_CHANGED_NODES;
    return ERR_OK;
}

static enum err apply_away(struct state *s, uint64_t slot, const struct command *c,
                           struct state_change *change)
{
    if (topology_find(&s->topology, c->node)->away == (c->kind == COMMAND_AWAY))
        return ERR_OK;
    topology_set_away(&s->topology, slot, c->node, c->kind == COMMAND_AWAY);
    change->changes = META_CHANGED_NODES;
    return ERR_OK;
}

static void note_names(struct state_change *change, const struct schema *s, const char *keyspace,
                       const char *table)
{
    const struct keyspace *k = schema_keyspace(s, keyspace);
    const struct table *t = table != NULL ? schema_table(s, keyspace, table) : NULL;
    if (k != NULL && change->keyspace == 0)
        change->keyspace = k->no;
    if (t != NULL && change->table == 0)
        change->table = t->no;
}

static enum err apply_ddl(struct state *s, uint64_t slot, const struct command *c,
                          struct state_change *change, struct errmsg *reterr)
{
    struct arena arena;
    struct ddl ddl;
    struct schema_change what;
    const struct schema *next;
    arena_init(&arena);
    enum err err = ddl_decode(c->ddl, &arena, &ddl);
    if (err != ERR_OK)
        (void)errmsg_set(reterr, err, "the schema change cannot be read");
    else if (ddl.kind == DDL_ALTER_KEYSPACE && moves_are_full(&s->topology.moves))
        err = errmsg_set(reterr, ERR_UNAVAILABLE, "too many changes of the ring are under way");
    else
        err = schema_apply(s->schema, (uint32_t)slot, &ddl, &next, &what, reterr);
    if (err == ERR_OK) {
        if (what.type != CHANGE_NONE) {
            const char *table = what.target == SCHEMA_TABLE ? what.name : NULL;
            change->changes = META_CHANGED_SCHEMA;
            note_names(change, next, what.keyspace, table);
            note_names(change, s->schema, what.keyspace, table);
        }
        schema_unref(s->schema);
        s->schema = next;
        change->changes |= follow_schema(s, slot);
    }
    arena_close(&arena);
    return err;
}

static enum err apply_recover(struct state *s, uint64_t slot, const struct uuid *id,
                              const struct command *c, struct state_change *change)
{
    topology_recover(&s->topology, slot, load_u32(id->b), c->lost);
    change->changes = META_CHANGED_NODES;
    return ERR_OK;
}

static enum err apply(struct state *s, uint64_t slot, const struct uuid *id,
                      const struct command *c, struct state_change *change, struct errmsg *reterr)
{
    enum err err = state_judge(s, c, reterr);
    if (err != ERR_OK)
        return err;
    switch (c->kind) {
    case COMMAND_FOUND: return apply_found(s, slot, c, change, reterr);
    case COMMAND_JOIN_START: return apply_join(s, slot, c, change, reterr);
    case COMMAND_STEP: return apply_step(s, slot, c, change);
    case COMMAND_NODE_UPDATE: return apply_update(s, c, change);
    case COMMAND_LEAVE_START: return apply_leave(s, slot, c, change, reterr);
    case COMMAND_AWAY:
    case COMMAND_HERE: return apply_away(s, slot, c, change);
    case COMMAND_RECOVER: return apply_recover(s, slot, id, c, change);
    case COMMAND_DDL: return apply_ddl(s, slot, c, change, reterr);
    }
    return ERR_UNSUPPORTED;
}

enum err state_apply(struct state *s, struct bytes entry, struct state_change *ret)
{
    struct topology *t = &s->topology;
    uint64_t slot = t->epoch + 1;
    struct result r = {.slot = slot};
    struct state_change change = {0, ERR_OK, 0, 0};
    struct command c;
    struct errmsg message = {""};
    enum err err = slot >= SCHEMA_REPLICATED_NO ? ERR_UNSUPPORTED : entry_decode(entry, &r.id, &c);
    /* Without a founded cluster there is nobody to hold a state at all. */
    if (err == ERR_UNSUPPORTED || (slot == 1 && (err != ERR_OK || c.kind != COMMAND_FOUND)))
        return ERR_UNSUPPORTED;
    const struct result *before = err == ERR_OK ? state_result(s, &r.id) : NULL;
    if (before != NULL)
        r = (struct result){.id = r.id, .slot = before->slot, .err = before->err};
    else if (err != ERR_OK)
        (void)errmsg_set(&message, err, "the entry cannot be read");
    else
        err = apply(s, slot, &r.id, &c, &change, &message);
    if (slot == 1 && err != ERR_OK)
        return ERR_UNSUPPORTED;
    t->epoch = slot;
    if (change.changes & META_CHANGED_NODES)
        topology_choose_members(t);
    s->results[slot % STATE_RESULTS_MAX].slot = 0;
    if (before == NULL) {
        r.err = err;
        if (err != ERR_OK)
            memcpy(r.message, message.text, strnlen(message.text, STATE_MESSAGE_MAX));
        s->results[slot % STATE_RESULTS_MAX] = r;
    }
    change.err = r.err;
    *ret = change;
    return ERR_OK;
}

/* snapshot := u8 version = 3, topology, vbytes schema, varint n, n results by slot
 * result   := uuid id, varint slot, varint err, vbytes message */
void state_encode(const struct state *s, struct buf *out)
{
    struct buf schema;
    size_t count = 0;
    buf_put_u8(out, SNAPSHOT_VERSION);
    topology_encode(&s->topology, out);
    buf_init(&schema, STATE_BYTES_MAX);
    schema_encode(s->schema, &schema);
    out->failed |= schema.failed;
    buf_put_vbytes(out, buf_bytes(&schema));
    buf_close(&schema);
    for (size_t i = 0; i < STATE_RESULTS_MAX; i++)
        count += s->results[i].slot != 0;
    buf_put_varint(out, count);
    for (size_t i = 0; i < STATE_RESULTS_MAX; i++) {
        const struct result *r = &s->results[(s->topology.epoch + 1 + i) % STATE_RESULTS_MAX];
        if (r->slot == 0)
            continue;
        buf_put_uuid(out, &r->id);
        buf_put_varint(out, r->slot);
        buf_put_varint(out, (uint64_t)r->err);
        buf_put_vbytes(out, bytes_text(r->message));
    }
}

static void decode_results(struct reader *in, struct state *s)
{
    uint64_t count = read_varint(in), last = 0;
    in->failed |= count > STATE_RESULTS_MAX;
    for (uint64_t i = 0; i < count && !in->failed; i++) {
        struct result r = {.id = read_uuid(in), .slot = read_varint(in)};
        uint64_t err = read_varint(in);
        struct bytes message = read_vbytes(in);
        in->failed |= r.slot <= last || r.slot > s->topology.epoch;
        in->failed |= r.slot + STATE_RESULTS_MAX <= s->topology.epoch;
        in->failed |= err >= UINT16_MAX || message.len > STATE_MESSAGE_MAX;
        if (in->failed)
            return;
        r.err = (enum err)err;
        if (message.len > 0)
            memcpy(r.message, message.data, message.len);
        last = r.slot;
        s->results[r.slot % STATE_RESULTS_MAX] = r;
    }
}

/* All keyspaces that are to be somewhere are, and no others. */
static bool is_placed(const struct state *s)
{
    size_t count = 0;
    for (uint32_t i = 0; i < s->schema->keyspace_count; i++) {
        const struct keyspace *k = s->schema->keyspaces[i];
        if (k->no >= SCHEMA_SYSTEM_NO || s->topology.epoch == 0)
            continue;
        if (moves_find(&s->topology.moves, k->no) == NULL)
            return false;
        count++;
    }
    return count == s->topology.moves.count;
}

enum err state_decode(struct bytes in, struct state *ret)
{
    struct reader r = reader_make(in);
    struct state s;
    memset(&s, 0, sizeof s);
    uint8_t version = read_u8(&r);
    if (r.failed || version != SNAPSHOT_VERSION)
        return r.failed ? ERR_MALFORMED : ERR_UNSUPPORTED;
    enum err err = topology_decode(&r, &s.topology);
    if (err != ERR_OK)
        return err;
    struct bytes schema = read_vbytes(&r);
    err = r.failed ? ERR_MALFORMED : schema_decode(schema, &s.schema);
    if (err == ERR_OK) {
        decode_results(&r, &s);
        err = reader_finish(&r);
    }
    if (err == ERR_OK && !is_placed(&s))
        err = ERR_MALFORMED;
    if (err != ERR_OK) {
        state_close(&s);
        return err;
    }
    *ret = s;
    return ERR_OK;
}
