#include "node/coord/receipt.h"

#include <inttypes.h>
#include <string.h>

#define MORE "{\"step\":\"more\"}"

static bool is_full(struct bytes all)
{
    struct bytes more = BYTES_LIT(MORE);
    return all.len >= more.len &&
           bytes_equal(bytes_make(all.data + all.len - more.len, more.len), more);
}

void receipt_add(struct bytes *all, struct arena *arena, struct bytes step)
{
    struct buf b;
    if (step.len == 0 || is_full(*all))
        return;
    buf_init(&b, BUF_MAX_DEFAULT);
    buf_put_bytes(&b, *all);
    if (all->len > 0)
        buf_put_u8(&b, ',');
    buf_put_bytes(&b, all->len + step.len <= RECEIPT_MAX ? step : BYTES_LIT(MORE));
    *all = arena_copy(arena, buf_bytes(&b));
    buf_close(&b);
}

/* --- JSON: names of data centres are the only texts that are not ours */

static void put_text(struct buf *b, const char *text)
{
    buf_put_u8(b, '"');
    for (const char *p = text; *p != 0; p++) {
        unsigned char ch = (unsigned char)*p;
        if (ch < 0x20)
            buf_printf(b, "\\u%04x", (unsigned)ch);
        else if (ch == '"' || ch == '\\')
            buf_printf(b, "\\%c", ch);
        else
            buf_put_u8(b, ch);
    }
    buf_put_u8(b, '"');
}

/* The beginning of an object that names the node; open. */
static void put_node(struct buf *b, const struct coord *c, node_no node)
{
    char ip[ENDPOINT_TEXT_SIZE], id[UUID_TEXT_SIZE];
    const struct cluster_node *n = cluster_find(c->cluster, node);
    buf_printf(b, "{\"node\":%u", (unsigned)node);
    if (n == NULL)
        return;
    buf_printf(b,
               ",\"address\":\"%s\",\"host_id\":\"%s\",\"dc\":", endpoint_ip_text(&n->endpoint, ip),
               uuid_text(&n->host_id, id));
    put_text(b, n->dc);
}

static void put_error(struct buf *b, const char *state, enum err err)
{
    buf_printf(b, ",\"state\":\"%s\",\"why\":", state);
    put_text(b, err_text(err));
}

/* Why a replica has not acked: it is dead, it was lost on the way, it refused; or it has not been
 * heard, and perhaps there was no time for it. */
static void put_missed(struct buf *b, enum replica_state state, enum err err, bool timed_out)
{
    if (state == REPLICA_WAITING)
        buf_printf(b, ",\"state\":\"%s\"", timed_out ? "timed out" : "not heard yet");
    else if (state == REPLICA_IDLE)
        buf_put_text(b, ",\"state\":\"not asked\"");
    else if (err == ERR_OK)
        buf_put_text(b, ",\"state\":\"dead\"");
    else if (err == ERR_CLOSED)
        buf_put_text(b, ",\"state\":\"lost\"");
    else
        put_error(b, err == ERR_BEHIND ? "behind" : "refused", err);
}

/* The write that an answer, or the cells of a write, have the newest of. */
static void put_version(struct buf *b, const struct version *v)
{
    if (v->timestamp == TIMESTAMP_NONE && v->dot.n == 0) { /* nothing is there, and never was */
        buf_put_text(b, ",\"version\":null,\"timestamp\":null");
        return;
    }
    buf_printf(b, ",\"version\":\"%u.%u.%" PRIu64 "\",\"timestamp\":%" PRId64,
               (unsigned)v->dot.actor.node, (unsigned)v->dot.actor.boot, v->dot.n, v->timestamp);
}

/* Who was asked to keep it for the replica, and whether it does. */
static void put_hint(struct buf *b, const struct coord *c, node_no keeper, enum replica_state state)
{
    buf_put_text(b, ",\"hint\":");
    put_node(b, c, keeper);
    buf_printf(b, ",\"state\":\"%s\"}",
               state == REPLICA_ACKED  ? "kept"
               : state == REPLICA_LOST ? "refused"
                                       : "not heard yet");
}

static struct bytes finish(struct buf *b, struct arena *arena)
{
    struct bytes step = arena_copy(arena, buf_bytes(b));
    buf_close(b);
    return step;
}

/* With too few alive nobody is asked, and what stands for `received` is how many are (coord.h). */
static void begin(struct buf *b, const char *step, enum level level, enum err err,
                  uint32_t required, uint32_t received)
{
    buf_init(b, BUF_MAX_DEFAULT);
    buf_printf(b, "{\"step\":\"%s\",\"level\":\"%s\",\"required\":%u,\"received\":%u", step,
               level_name(level), (unsigned)required,
               err == ERR_UNAVAILABLE ? 0 : (unsigned)received);
    if (err == ERR_UNAVAILABLE)
        buf_printf(b, ",\"alive\":%u", (unsigned)received);
    if (err != ERR_OK) {
        buf_put_text(b, ",\"error\":");
        put_text(b, err_text(err));
    }
}

/* --- steps */

struct bytes receipt_of_run(struct coord *c, const struct run *run,
                            const struct coord_result *result, struct arena *arena)
{
    struct buf b;
    unsigned acked = 0, synced = 0, missed = 0;
    for (size_t i = 0; i < run->targets; i++) {
        acked += run->target[i].state == REPLICA_ACKED;
        synced += run->target[i].state == REPLICA_ACKED && run->target[i].synced;
    }
    missed = (unsigned)run->targets - acked;
    begin(&b, "write", run->level, result->err, result->required, result->received);
    buf_printf(&b, ",\"range\":%u", (unsigned)run->range);
    if (run->dot.n > 0)
        put_version(&b, &(struct version){part_max_timestamp(&run->part), run->dot});
    if (run->repeated)
        buf_put_text(&b, ",\"repeated\":true");
    buf_put_text(&b, ",\"coordinator\":");
    put_node(&b, c, cluster_self(c->cluster));
    buf_printf(&b, "},\"fsynced\":%u,\"missed\":%u", synced, missed);
    if (run->hinted > 0)
        buf_printf(&b, ",\"hints\":%u", run->hinted);
    if (missed > 0) /* whoever has it gives it to them: from its range log, or as a hint */
        buf_printf(&b, ",\"kept\":%s",
                   acked > 0         ? "\"log\""
                   : run->hinted > 0 ? "\"hint\""
                                     : "null");
    buf_put_text(&b, ",\"replicas\":[");
    for (size_t i = 0; i < run->targets; i++) {
        if (i > 0)
            buf_put_u8(&b, ',');
        put_node(&b, c, run->target[i].node);
        if (run->target[i].standing.in_later && !run->target[i].standing.in_now)
            buf_put_text(&b, ",\"joining\":true");
        if (run->target[i].state == REPLICA_ACKED)
            buf_printf(&b, ",\"state\":\"acked\",\"fsynced\":%s",
                       run->target[i].synced ? "true" : "false");
        else
            put_missed(&b, run->target[i].state, run->target[i].err, result->err == ERR_TIMEOUT);
        if (run->target[i].keeper != 0)
            put_hint(&b, c, run->target[i].keeper, run->target[i].hint);
        buf_put_u8(&b, '}');
    }
    buf_put_text(&b, "]}");
    return finish(&b, arena);
}

/* Which rows it has: its own, or those of one whose digest is the same. NULL: it is not known. */
static const struct scan_result *rows_of(const struct round *round, const struct answer *a)
{
    for (size_t i = 0; i < round->answers && !a->full; i++) {
        const struct answer *other = &round->answer[i];
        if (other->state == REPLICA_ACKED && other->full &&
            memcmp(&other->digest, &a->digest, sizeof a->digest) == 0)
            return &other->result;
    }
    return a->full ? &a->result : NULL;
}

static void put_rows_version(struct buf *b, const struct round *round, const struct answer *a,
                             enum err err)
{
    struct version newest = {.timestamp = TIMESTAMP_NONE};
    const struct scan_result *rows = rows_of(round, a);
    if (rows == NULL)
        return;
    for (size_t i = 0; i < rows->parts_count; i++)
        part_newest(&rows->parts[i], &newest);
    put_version(b, &newest);
    if (a->outside && !a->joins)
        return; /* it came when the others had been compared */
    if (round->phase == ROUND_REPAIR || round->unrepaired)
        buf_printf(b, ",\"compared\":\"%s\",\"repaired\":%u", a->lacks ? "stale" : "newest",
                   (unsigned)a->repaired);
    else if (err == ERR_OK)
        buf_put_text(b, ",\"compared\":\"same\"");
}

static void put_answer(struct buf *b, const struct coord *c, const struct round *round,
                       const struct answer *a, enum err err)
{
    put_node(b, c, a->node);
    if (a->state != REPLICA_ACKED) {
        put_missed(b, a->state, a->err, err == ERR_TIMEOUT);
        buf_put_u8(b, '}');
        return;
    }
    buf_printf(b, ",\"state\":\"answered\",\"answer\":\"%s\"", a->full ? "rows" : "digest");
    if (round->phase != ROUND_INDEX)
        put_rows_version(b, round, a, err);
    buf_put_u8(b, '}');
}

static bool is_among(const struct round *round, node_no node)
{
    for (size_t i = 0; i < round->answers; i++) {
        if (round->answer[i].node == node)
            return true;
    }
    return false;
}

/* Those that were never candidates, being dead or of no account for the level. */
static void put_others(struct buf *b, struct coord *c, const struct round *round, range_no range)
{
    const struct placement *p = cluster_placement(c->cluster, round->op->request.keyspace);
    if (p == NULL)
        return;
    struct replicas now = placement_replicas(p, range);
    for (uint32_t i = 0; i < now.count; i++) {
        if (is_among(round, now.node[i]))
            continue;
        if (b->data[b->len - 1] == '}')
            buf_put_u8(b, ',');
        put_node(b, c, now.node[i]);
        buf_printf(b, ",\"state\":\"%s\"}",
                   cluster_is_alive(c->cluster, now.node[i]) ? "not asked" : "dead");
    }
}

struct bytes receipt_of_round(struct coord *c, const struct round *round, enum err err,
                              struct arena *arena)
{
    struct buf b;
    const struct quorum *q = quorums_telling(&round->quorums);
    const struct scan *s = &round->scan;
    uint32_t ranges = cluster_ranges(c->cluster);
    begin(&b, round->phase == ROUND_INDEX ? "index" : "read", round->op->request.level, err,
          quorum_need(q), err == ERR_UNAVAILABLE ? quorum_members(q) : quorum_acked(q));
    range_no last = ranges > 0 ? ring_range_of(s->single ? s->token : s->upto_token, ranges) : 0;
    buf_printf(&b, ",\"range\":%u,\"coordinator\":", (unsigned)last);
    put_node(&b, c, cluster_self(c->cluster));
    buf_put_text(&b, "},\"replicas\":[");
    for (size_t i = 0; i < round->answers; i++) {
        if (i > 0)
            buf_put_u8(&b, ',');
        put_answer(&b, c, round, &round->answer[i], err);
    }
    if (ranges > 0)
        put_others(&b, c, round, last);
    buf_put_text(&b, "]}");
    return finish(&b, arena);
}

struct bytes receipt_of_cas(struct coord *c, const struct cas *s, struct arena *arena)
{
    struct buf b;
    const struct coord_result *r = &s->result;
    begin(&b, "paxos", s->request.serial, r->err, r->required, r->received);
    buf_printf(&b, ",\"applied\":%s,\"contentions\":%u,\"coordinator\":",
               r->unknown              ? "null"
               : r->cas == CAS_APPLIED ? "true"
                                       : "false",
               (unsigned)r->contentions);
    put_node(&b, c, cluster_self(c->cluster));
    buf_put_text(&b, "},\"replicas\":[");
    for (size_t i = 0; i < s->targets; i++) {
        const struct cas_target *t = &s->target[i];
        if (i > 0)
            buf_put_u8(&b, ',');
        put_node(&b, c, t->node);
        if (t->refused)
            buf_put_text(&b, ",\"state\":\"outvoted\"");
        else if (t->state == REPLICA_ACKED)
            buf_put_text(&b, ",\"state\":\"acked\"");
        else
            put_missed(&b, t->state,
                       t->state == REPLICA_LOST && cluster_is_alive(c->cluster, t->node)
                           ? ERR_CLOSED
                           : ERR_OK,
                       r->err == ERR_TIMEOUT);
        buf_put_u8(&b, '}');
    }
    buf_put_text(&b, "]}");
    return finish(&b, arena);
}

struct bytes receipt_of_keepers(struct coord *c, const struct receipt_keeper *keepers, size_t count,
                                struct arena *arena)
{
    struct buf b;
    bool any = false;
    buf_init(&b, BUF_MAX_DEFAULT);
    buf_put_text(&b, "{\"step\":\"batch log\",\"keepers\":[");
    for (size_t i = 0; i < count; i++) {
        if (keepers[i].state == REPLICA_IDLE)
            continue;
        if (any)
            buf_put_u8(&b, ',');
        any = true;
        put_node(&b, c, keepers[i].node);
        if (keepers[i].state == REPLICA_ACKED)
            buf_put_text(&b, ",\"state\":\"acked\"");
        else
            put_missed(&b, keepers[i].state, ERR_CLOSED, false);
        buf_put_u8(&b, '}');
    }
    buf_put_text(&b, "]}");
    return finish(&b, arena);
}
