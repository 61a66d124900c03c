/* The other side of coordination: what peers ask of this node as a replica. An ack leaves only when
 * the store has said that the write is durable; a read is answered in the same step. */
#include "node/coord/coord_core.h"

#include "base/mutant.h"
#include "node/coord/waits.h"
#include "ring/murmur3.h"
#include "ring/token.h"

bool replica_is_able(struct coord *c, keyspace_no keyspace, range_no range, node_no node)
{
    return cluster_is_alive(c->cluster, node) &&
           (node != cluster_self(c->cluster) ||
            engine_serving_error(c->engine, keyspace, range) == ERR_OK);
}

bool part_is_placed(const struct part *p)
{
    return p->token == murmur3_token(p->key);
}

/* The context of a write. A replica that is only about to take the range over may rely on it when
 * it has all of it itself (docs/versions.md). */
static enum err check_context(struct coord *c, const struct wire_write *m, struct clock *ret)
{
    node_no self = cluster_self(c->cluster);
    struct replicas now = placement_replicas(cluster_placement(c->cluster, m->keyspace), m->range);
    enum err err = clock_decode(m->context, ret);
    for (uint32_t i = 0; i < now.count; i++) {
        if (now.node[i] == self)
            return err;
    }
    if (err == ERR_OK && !clock_covers(engine_clock(c->engine, m->keyspace, m->range), ret))
        err = ERR_BEHIND;
    return err;
}

/* Whether it wins here, said before it is applied: it would find itself. */
static enum err judge(struct coord *c, struct now now, const struct wire_write *m,
                      const struct part *p, const struct clock *context, struct arena *arena,
                      struct verdict *ret)
{
    struct weighed w;
    enum err err =
        engine_weigh(c->engine, p, context, m->stamp, now.wall / USEC_PER_SEC, arena, &w);
    if (err == ERR_OK && !MUTANT(loss_not_told))
        *ret = (struct verdict){w.given, w.stamped, false};
    return err;
}

/* May who minted the dot still tell of it? Only then is it in what all replicas agree upon before
 * they forget what deleted it (docs/versions.md, 6). What is refused here, and somebody has, comes
 * with a pull. */
static bool may_be_told(struct coord *c, const struct wire_write *m)
{
    if (MUTANT(untold_is_taken) ||
        clock_has(engine_clock(c->engine, m->keyspace, m->range), m->dot))
        return true;
    return cluster_is_replica(c->cluster, m->keyspace, m->range, m->dot.actor.node) &&
           m->dot.actor.boot >= cluster_life(c->cluster, m->dot.actor.node) &&
           m->planned >= cluster_since(c->cluster, m->keyspace, m->range);
}

struct ring_of {
    struct cluster *cluster;
    keyspace_no keyspace;
    range_no range;
    uint64_t planned;
};

static bool tells(void *arg, node_no node)
{
    struct ring_of *r = arg;
    return cluster_is_replica(r->cluster, r->keyspace, r->range, node) &&
           r->planned >= cluster_since(r->cluster, r->keyspace, r->range);
}

bool replica_takes_state(struct coord *c, keyspace_no keyspace, range_no range,
                         const struct part *part, uint64_t planned)
{
    struct ring_of ring = {c->cluster, keyspace, range, planned};
    return MUTANT(untold_is_taken) ||
           engine_is_told(c->engine, keyspace, range, part, tells, &ring);
}

/* A message that waits for what its session has seen elsewhere, or (early) for the epoch of its
 * plan. ERR_BEHIND: it does; ERR_OK: there is nothing to wait for. */
static enum err wait_first(struct coord *c, struct now now, node_no from, struct wire_message *m,
                           bool early)
{
    bool read = m->type == WIRE_READ;
    keyspace_no keyspace = read ? m->read.keyspace : m->write.keyspace;
    struct bytes after = read ? m->read.after : m->write.after;
    uint64_t planned = read ? m->read.planned : m->write.planned;
    enum err err = ERR_OK;
    if (after.len > 0 && !(read ? MUTANT(token_ignored) : MUTANT(write_before_dependencies)))
        err = waits_look(c, keyspace, after, read);
    if (err != ERR_BEHIND && !(err == ERR_OK && early))
        return err;
    m->trace = tracing_session(&c->trace);
    return waits_for_peer(c, now, from, m, early ? planned : 0) == ERR_OK ? ERR_BEHIND
                                                                          : ERR_OVERLOADED;
}

void replica_write(struct coord *c, struct now now, node_no from, const struct wire_write *m,
                   bool waited)
{
    struct arena arena = {0};
    struct clock context;
    struct part part;
    bool has_context = m->dot.n > 0 && m->context.len > 0;
    struct applying applying = {.for_peer = true,
                                .peer = from,
                                .request = m->request,
                                .bytes = m->part.len,
                                .planned = m->planned};
    enum err err = part_decode(m->part, &arena, &part);
    uint64_t planned = MUTANT(old_plan_taken) ? cluster_epoch(c->cluster) : m->planned;
    enum err fence = fence_check(c, m->keyspace, m->range, m->range, planned);
    if (err == ERR_OK && fence == ERR_BEHIND && !waited) {
        err =
            wait_first(c, now, from, &(struct wire_message){.type = WIRE_WRITE, .write = *m}, true);
        if (err == ERR_BEHIND) {
            arena_close(&arena);
            return;
        }
    }
    if (err == ERR_OK && c->in_flight + m->part.len > c->config.in_flight_max)
        err = ERR_OVERLOADED;
    uint32_t ranges = cluster_ranges(c->cluster);
    if (err == ERR_OK && (ranges == 0 || cluster_placement(c->cluster, m->keyspace) == NULL))
        err = ERR_UNAVAILABLE; /* we have not joined yet, or the keyspace is gone, or new */
    if (err == ERR_OK && m->dot.n == 0 && c->self.node == 0)
        err = ERR_UNAVAILABLE; /* it could not be named */
    if (err == ERR_OK && cluster_table_is_gone(c->cluster, part.table))
        err = ERR_STALE; /* nobody would read it: an ack would be a lie */
    /* Dots of this life are minted here and by nobody else. */
    if (err == ERR_OK && (!part_is_placed(&part) || m->range != ring_range_of(part.token, ranges) ||
                          (m->dot.n > 0 && actor_compare(m->dot.actor, c->self) == 0) ||
                          m->stamp == INT64_MIN)) /* nothing is just below that */
        err = ERR_MALFORMED;
    if (err == ERR_OK && fence != ERR_OK)
        err = ERR_STALE;
    if (err == ERR_OK && m->dot.n > 0 && fold_is_over(c, m->dot.actor))
        err = ERR_STALE; /* it was held up; whoever waited for the ack is gone */
    if (err == ERR_OK && m->dot.n > 0 && !may_be_told(c, m))
        err = ERR_STALE;
    if (err == ERR_OK && m->dot.n == 0 &&
        !replica_takes_state(c, m->keyspace, m->range, &part, m->planned))
        err = ERR_BEHIND;
    if (err == ERR_OK && m->after.len > 0 && !waited) {
        err = wait_first(c, now, from, &(struct wire_message){.type = WIRE_WRITE, .write = *m},
                         false);
        if (err == ERR_BEHIND) {
            arena_close(&arena);
            return;
        }
    }
    clock_init(&context);
    if (err == ERR_OK && has_context)
        err = check_context(c, m, &context);
    if (err == ERR_OK && m->dot.n > 0 && m->weighs &&
        !clock_has(engine_clock(c->engine, m->keyspace, m->range), m->dot))
        err = judge(c, now, m, &part, has_context ? &context : NULL, &arena, &applying.verdict);
    if (MUTANT(replica_loses_row) && err == ERR_OK && part.rows_count > 1)
        part.rows_count--;
    if (err == ERR_OK) {
        coord_apply(c, now, m->keyspace, m->range, &part, m->dot, has_context ? &context : NULL,
                    applying);
    } else {
        struct wire_message answer = {.type = WIRE_WRITE_ACK,
                                      .write_ack = {.request = m->request, .err = (uint32_t)err}};
        coord_send(c, from, &answer);
    }
    clock_close(&context);
    arena_close(&arena);
}

token replica_scan_start(const struct scan *s)
{
    return s->single ? s->token : s->has_from ? s->from_token : s->after_token;
}

/* The ranges that the scan may read. */
static void scan_ranges(const struct scan *s, uint32_t ranges, range_no *ret_first,
                        range_no *ret_last)
{
    token first = replica_scan_start(s);
    token last = s->single ? s->token : s->upto_token;
    if (!s->single && !s->has_from && first > INT64_MIN && first < INT64_MAX)
        first++;
    if (!s->single && s->after_token == INT64_MIN && s->upto_token == INT64_MIN)
        last = INT64_MAX;
    *ret_first = ring_range_of(first, ranges);
    *ret_last = ring_range_of(last, ranges);
}

/* May this be read here? */
static enum err check_scan(struct coord *c, keyspace_no keyspace, const struct scan *scan)
{
    range_no first, last;
    uint32_t ranges = cluster_ranges(c->cluster);
    if (cluster_table_is_gone(c->cluster, scan->table))
        return ERR_STALE; /* who asks does not know yet; no rows would be one of two answers */
    if (ranges > 0) {
        scan_ranges(scan, ranges, &first, &last);
        return engine_ranges_error(c->engine, keyspace, first, last);
    }
    return ERR_OK;
}

/* Nothing is told that a power cut could take back: a value that went to another replica by
 * read repair, but whose own write is lost with its dot, would make equal clocks lie. */
static struct scan durable(const struct scan *scan)
{
    struct scan s = *scan;
    s.durable = true;
    return s;
}

enum err replica_scan(struct coord *c, keyspace_no keyspace, const struct scan *scan,
                      struct arena *arena, struct scan_result *ret)
{
    struct scan s = durable(scan);
    usec (*watch)(void) = c->config.stopwatch;
    usec began = watch != NULL ? watch() : 0;
    enum err err = check_scan(c, keyspace, scan);
    tracing_say(&c->trace, "Executing a %s on %s",
                scan->single ? "query of a single partition" : "scan of a part of the ring",
                tracing_table(&c->trace, scan->table));
    if (err == ERR_OK)
        err = engine_scan(c->engine, &s, arena, ret);
    if (err == ERR_OK)
        usage_note_read(&c->usages, scan, ret, watch != NULL ? watch() - began : 0);
    if (err == ERR_OK)
        tracing_say(&c->trace, "Read %u live rows of %zu partitions", (unsigned)ret->live_rows,
                    ret->parts_count);
    return err;
}

enum err replica_find(struct coord *c, keyspace_no keyspace, const struct scan *scan,
                      struct arena *arena, struct index_result *ret)
{
    struct scan s = durable(scan);
    enum err err = check_scan(c, keyspace, scan);
    return err == ERR_OK ? engine_index_scan(c->engine, &s, arena, ret) : err;
}

/* An answer of an index has no digest, nor is one ever asked for: what it finds is read. */
static enum err answer_index(struct coord *c, const struct wire_read *m, const struct scan *scan,
                             struct arena *arena, struct wire_read_reply *ret)
{
    static const uint8_t no_digest[sizeof((struct digest *)0)->b];
    struct index_result found;
    struct buf out;
    enum err err = replica_find(c, m->keyspace, scan, arena, &found);
    if (err != ERR_OK)
        return err;
    buf_init(&out, WIRE_MESSAGE_MAX);
    index_result_encode(&found, &out);
    err = buf_finish(&out);
    ret->digest = bytes_make(no_digest, sizeof no_digest);
    ret->result = arena_copy(arena, buf_bytes(&out));
    buf_close(&out);
    return err;
}

struct bytes replica_tell(struct coord *c, keyspace_no keyspace, const struct scan *scan,
                          const struct scan_result *rows, struct arena *arena)
{
    struct seen seen = {0};
    uint32_t ranges = cluster_ranges(c->cluster);
    range_no first, last;
    struct buf out;
    for (size_t i = 0; rows != NULL && i < rows->parts_count; i++) {
        range_no range = ring_range_of(rows->parts[i].token, ranges);
        seen_add_part(&seen, arena, keyspace, range, &rows->parts[i]);
    }
    if (rows == NULL) {
        scan_ranges(scan, ranges, &first, &last);
        while (engine_next_range(c->engine, keyspace, first, &first) && first <= last) {
            seen_add_clock(&seen, arena, keyspace, first, engine_clock(c->engine, keyspace, first));
            if (first++ == last)
                break;
        }
    }
    buf_init(&out, SEEN_BYTES_MAX);
    seen_encode(&seen, &out);
    struct bytes encoded = arena_copy(arena, buf_bytes(&out));
    buf_close(&out);
    return encoded;
}

/* Those who hold now what has left us may have forgotten what deleted what lies here. */
enum err replica_may_answer(struct coord *c, keyspace_no keyspace, const struct scan *scan,
                            uint64_t planned)
{
    range_no first, last;
    uint32_t ranges = cluster_ranges(c->cluster);
    if (cluster_self(c->cluster) == 0)
        return ERR_STALE; /* it has just started: what of it is to be forgotten is seen with the
                             ring */
    if (ranges == 0)
        return ERR_OK;
    scan_ranges(scan, ranges, &first, &last);
    return fence_check(c, keyspace, first, last,
                       MUTANT(old_plan_read) ? cluster_epoch(c->cluster) : planned);
}

void replica_read(struct coord *c, struct now now, node_no from, const struct wire_read *m,
                  bool waited)
{
    struct memory *memory = memory_new();
    struct scan scan;
    struct scan_result result;
    struct digest digest;
    struct wire_message answer = {.type = WIRE_READ_REPLY, .read_reply = {.request = m->request}};
    enum err err = scan_decode(m->scan, &memory->arena, &scan);
    if (err == ERR_OK)
        err = replica_may_answer(c, m->keyspace, &scan, m->planned);
    bool early = err == ERR_BEHIND;
    if (early && waited)
        err = ERR_STALE;
    if (!waited && (early || (err == ERR_OK && m->after.len > 0))) {
        err =
            wait_first(c, now, from, &(struct wire_message){.type = WIRE_READ, .read = *m}, early);
        if (err == ERR_BEHIND) {
            memory_retire(c, memory);
            return;
        }
    }
    bool index = err == ERR_OK && scan.index.no != 0;
    if (index)
        err = answer_index(c, m, &scan, &memory->arena, &answer.read_reply);
    else if (err == ERR_OK)
        err = replica_scan(c, m->keyspace, &scan, &memory->arena, &result);
    if (err == ERR_OK && !index) {
        scan_result_digest(&result, scan.now_s, &digest);
        answer.read_reply.digest =
            arena_copy(&memory->arena, bytes_make(digest.b, sizeof digest.b));
        if (!m->digest_only) {
            struct buf out;
            buf_init(&out, WIRE_MESSAGE_MAX);
            scan_result_encode(&result, &out);
            err = buf_finish(&out);
            answer.read_reply.result = arena_copy(&memory->arena, buf_bytes(&out));
            buf_close(&out);
        }
    }
    if (err == ERR_OK && m->tell && (index || !m->digest_only))
        answer.read_reply.seen =
            replica_tell(c, m->keyspace, &scan, index ? NULL : &result, &memory->arena);
    answer.read_reply.err = (uint32_t)err;
    coord_send(c, from, &answer);
    memory_retire(c, memory);
}
