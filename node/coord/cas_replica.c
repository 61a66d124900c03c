/* The replica's side of IF: registers on the disk, and votes, which leave when they are durable.
 *
 * What a promise tells (register and rows) is what there was when it was given: the register is
 * kept aside, the rows are read once the promise is durable, since by then all that was applied
 * before it is durable, too. */
#include "node/coord/cas_core.h"

#include "base/mutant.h"
#include "ring/murmur3.h"

#define CAS_TICKET (COORD_TICKET | UINT64_C(1) << 59)

/* --- registers */

void cas_register_name(table_no table, token place, struct bytes key, struct buf *out)
{
    buf_put_text(out, REGISTER_PREFIX);
    buf_put_u32(out, table);
    buf_put_u64(out, (uint64_t)place ^ UINT64_C(1) << 63);
    buf_put_bytes(out, key);
}

bool cas_register_parse_name(struct bytes name, table_no *ret_table, token *ret_place)
{
    struct reader r = reader_make(name);
    struct bytes prefix = read_bytes(&r, sizeof REGISTER_PREFIX - 1);
    *ret_table = read_u32(&r);
    *ret_place = (token)(read_u64(&r) ^ UINT64_C(1) << 63);
    struct bytes key = read_rest(&r);
    return !r.failed && bytes_equal(prefix, BYTES_LIT(REGISTER_PREFIX)) &&
           murmur3_token(key) == *ret_place;
}

enum err cas_register_load(struct coord *c, struct bytes name, struct arena *arena,
                           struct cas_register *ret)
{
    struct buf value;
    *ret = (struct cas_register){0};
    buf_init(&value, STORE_BATCH_MAX);
    enum err err = engine_fact_get(c->engine, name, &value);
    if (err == ERR_NOT_FOUND) {
        err = ERR_OK;
    } else if (err == ERR_OK) {
        err = cas_register_decode(arena_copy(arena, buf_bytes(&value)), ret);
        if (err != ERR_OK)
            err = ERR_CORRUPT;
    }
    buf_close(&value);
    return err;
}

void cas_register_keep(struct coord *c, struct bytes name, const struct cas_register *r,
                       uint64_t ticket)
{
    struct buf value;
    buf_init(&value, STORE_BATCH_MAX);
    cas_register_encode(r, &value);
    engine_fact_put(c->engine, name, buf_bytes(&value), ticket);
    buf_close(&value);
}

bool coord_cas_drop_table(struct coord *c, table_no table, size_t max)
{
    uint8_t prefix[6] = REGISTER_PREFIX;
    struct buf name, value;
    enum err err = ERR_OK;
    store_u32(prefix + 2, table);
    buf_init(&name, BUF_MAX_DEFAULT);
    buf_init(&value, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < max && err == ERR_OK; i++) {
        struct bytes all = bytes_make(prefix, sizeof prefix);
        err = engine_fact_next(c->engine, all, all, &name, &value);
        if (err == ERR_OK)
            engine_fact_delete(c->engine, buf_bytes(&name), 0);
    }
    buf_close(&name);
    buf_close(&value);
    return err != ERR_OK;
}

/* --- votes: a register on its way to the disk, and what is said when it is there */

struct vote {
    node_no to;
    struct uuid trace;
    struct wire_message answer;
    struct memory *memory; /* what the answer points to */
    size_t bytes;
    bool rows; /* read them, and tell all or only their digest */
    bool digest_only;
    bool kept; /* in a register: judged again when that is durable (fence.h) */
    range_no range;
    uint64_t planned;
    keyspace_no keyspace;
    struct scan scan;
};

void vote_free(void *p)
{
    struct vote *v = p;
    arena_close(&v->memory->arena);
    mem_free(v->memory);
    mem_free(v);
}

static void set_err(struct wire_message *m, enum err err)
{
    if (m->type == WIRE_CAS_PROMISE)
        m->cas_promise.err = (uint32_t)err;
    else
        m->cas_accepted.err = (uint32_t)err;
}

static bool is_over(struct coord *c, keyspace_no keyspace, range_no range, uint64_t planned)
{
    return fence_check(c, keyspace, range, range, planned) != ERR_OK && !MUTANT(old_plan_votes);
}

static enum err add_rows(struct coord *c, struct vote *v)
{
    struct arena *arena = &v->memory->arena;
    struct scan_result rows;
    struct digest digest;
    struct buf out;
    enum err err = replica_scan(c, v->keyspace, &v->scan, arena, &rows);
    if (err != ERR_OK)
        return err;
    scan_result_digest(&rows, v->scan.now_s, &digest);
    v->answer.cas_promise.digest = arena_copy(arena, bytes_make(digest.b, sizeof digest.b));
    if (v->digest_only)
        return ERR_OK;
    buf_init(&out, WIRE_MESSAGE_MAX);
    scan_result_encode(&rows, &out);
    err = buf_finish(&out);
    v->answer.cas_promise.result = arena_copy(arena, buf_bytes(&out));
    buf_close(&out);
    return err;
}

static void vote_cast(struct coord *c, struct vote *v, enum err err)
{
    c->in_flight -= v->bytes;
    if (err == ERR_OK && v->kept && is_over(c, v->keyspace, v->range, v->planned))
        err = ERR_STALE;
    if (err == ERR_OK && v->rows)
        err = add_rows(c, v);
    set_err(&v->answer, err);
    coord_send(c, v->to, &v->answer);
    memory_retire(c, v->memory);
    mem_free(v);
}

uint64_t cas_ticket(struct coord *c)
{
    return CAS_TICKET | ++c->tickets;
}

void vote_durable(struct coord *c, uint64_t ticket, enum err err)
{
    struct vote *v = map_remove(&c->votes_by_ticket, ticket);
    if (v == NULL) {
        cas_move_durable(c, ticket, err);
        return;
    }
    struct uuid before = tracing_enter(&c->trace, c->now, &v->trace);
    tracing_say(&c->trace, "The vote is durable");
    vote_cast(c, v, err);
    tracing_leave(&c->trace, &before);
}

/* The register goes to the disk; the vote waits for it. */
static void vote_keep(struct coord *c, struct vote *v, struct bytes name,
                      const struct cas_register *r)
{
    uint64_t ticket = cas_ticket(c);
    v->kept = true;
    map_put(&c->votes_by_ticket, ticket, v);
    cas_register_keep(c, name, r, ticket);
    if (MUTANT(cas_vote_not_durable))
        vote_durable(c, ticket, ERR_OK);
}

static struct vote *vote_new(struct coord *c, node_no to, enum wire_type type, size_t bytes)
{
    struct vote *v = mem_new(struct vote);
    v->to = to;
    v->trace = tracing_session(&c->trace);
    v->answer.type = type;
    v->memory = memory_new();
    v->bytes = bytes;
    c->in_flight += bytes;
    return v;
}

/* --- what is asked of a replica */

static enum err check(struct coord *c, struct vote *v, uint64_t electorate, table_no table,
                      token place, struct bytes key, struct dot ballot)
{
    keyspace_no keyspace = v->keyspace;
    uint32_t ranges = cluster_ranges(c->cluster);
    if (c->self.node == 0 || ranges == 0 || cluster_placement(c->cluster, keyspace) == NULL)
        return ERR_UNAVAILABLE;
    if (key.len > UINT16_MAX || place != murmur3_token(key) || ballot.n == 0 ||
        ballot.n > DOT_N_MAX)
        return ERR_MALFORMED;
    range_no range = v->range = ring_range_of(place, ranges);
    if (!cluster_is_replica(c->cluster, keyspace, range, c->self.node) ||
        cas_electorate(c, keyspace, place) != electorate || is_over(c, keyspace, range, v->planned))
        return ERR_STALE;
    if (cluster_table_is_gone(c->cluster, table))
        return ERR_FAILED;
    if (c->in_flight > c->config.in_flight_max)
        return ERR_OVERLOADED;
    return engine_serving_error(c->engine, keyspace, range);
}

static struct bytes name_of(struct vote *v, table_no table, token place, struct bytes key)
{
    struct buf name;
    buf_init(&name, BUF_MAX_DEFAULT);
    cas_register_name(table, place, key, &name);
    struct bytes copy = arena_copy(&v->memory->arena, buf_bytes(&name));
    buf_close(&name);
    return copy;
}

static void prepare(struct coord *c, node_no from, const struct wire_cas_prepare *m)
{
    struct vote *v = vote_new(c, from, WIRE_CAS_PROMISE, m->scan.len);
    struct arena *arena = &v->memory->arena;
    struct wire_cas_promise *answer = &v->answer.cas_promise;
    struct cas_register r;
    struct buf state;
    answer->request = m->request;
    v->keyspace = m->keyspace;
    v->planned = m->planned;
    v->digest_only = m->digest_only;
    enum err err = scan_decode(arena_copy(arena, m->scan), arena, &v->scan);
    if (err == ERR_OK && !v->scan.single)
        err = ERR_MALFORMED;
    if (err == ERR_OK)
        err = check(c, v, m->electorate, v->scan.table, v->scan.token, v->scan.key, m->ballot);
    if (err != ERR_OK) {
        vote_cast(c, v, err);
        return;
    }
    struct bytes name = name_of(v, v->scan.table, v->scan.token, v->scan.key);
    err = cas_register_load(c, name, arena, &r);
    r.keyspace = m->keyspace;
    if (err != ERR_OK || !cas_register_prepare(&r, m->ballot, m->read)) {
        answer->highest = err == ERR_OK ? cas_register_highest(&r) : (struct dot){{0, 0}, 0};
        vote_cast(c, v, err);
        return;
    }
    buf_init(&state, STORE_BATCH_MAX);
    cas_register_encode(&r, &state);
    answer->ok = v->rows = true;
    answer->highest = m->ballot;
    answer->state = arena_copy(arena, buf_bytes(&state));
    buf_close(&state);
    vote_keep(c, v, name, &r);
}

static void accept(struct coord *c, node_no from, const struct wire_cas_accept *m)
{
    struct vote *v = vote_new(c, from, WIRE_CAS_ACCEPTED, m->value.len);
    struct wire_cas_accepted *answer = &v->answer.cas_accepted;
    struct cas_register r;
    token place = murmur3_token(m->key);
    answer->request = m->request;
    v->keyspace = m->keyspace;
    v->planned = m->planned;
    enum err err = check(c, v, m->electorate, m->table, place, m->key, m->ballot);
    if (err == ERR_OK && (m->origin.n > DOT_N_MAX || m->value.len > CAS_VALUE_MAX))
        err = ERR_MALFORMED;
    if (err != ERR_OK) {
        vote_cast(c, v, err);
        return;
    }
    struct bytes name = name_of(v, m->table, place, m->key);
    err = cas_register_load(c, name, &v->memory->arena, &r);
    r.keyspace = m->keyspace;
    if (err != ERR_OK || !cas_register_accept(&r, m->ballot, m->origin, m->value)) {
        answer->highest = err == ERR_OK ? cas_register_highest(&r) : (struct dot){{0, 0}, 0};
        vote_cast(c, v, err);
        return;
    }
    answer->ok = true;
    answer->highest = m->ballot;
    vote_keep(c, v, name, &r);
}

/* No vote: when it is lost, who comes next does once more what was done. */
static void done(struct coord *c, const struct wire_cas_done *m)
{
    struct arena arena = {0};
    struct cas_register r;
    struct buf name;
    token place = murmur3_token(m->key);
    uint32_t ranges = cluster_ranges(c->cluster);
    if (ranges == 0 || m->key.len > UINT16_MAX || m->ballot.n > DOT_N_MAX ||
        cluster_table_is_gone(c->cluster, m->table) ||
        !cluster_is_replica(c->cluster, m->keyspace, ring_range_of(place, ranges), c->self.node))
        return;
    buf_init(&name, BUF_MAX_DEFAULT);
    cas_register_name(m->table, place, m->key, &name);
    if (cas_register_load(c, buf_bytes(&name), &arena, &r) == ERR_OK &&
        cas_register_done(&r, m->ballot, m->origin)) {
        r.keyspace = m->keyspace;
        cas_register_keep(c, buf_bytes(&name), &r, 0);
    }
    buf_close(&name);
    arena_close(&arena);
}

static struct cas *session(struct coord *c, uint64_t request)
{
    struct pending *p = map_get(&c->pending_by_request, request);
    if (p == NULL || p->type != PENDING_CAS) {
        c->stats.late++;
        return NULL;
    }
    return container_of(p, struct cas, pending);
}

bool cas_receive(struct coord *c, struct now now, node_no from, const struct wire_message *m)
{
    struct cas *s;
    switch (m->type) {
    case WIRE_CAS_PREPARE: prepare(c, from, &m->cas_prepare); return true;
    case WIRE_CAS_ACCEPT: accept(c, from, &m->cas_accept); return true;
    case WIRE_CAS_DONE: done(c, &m->cas_done); return true;
    case WIRE_CAS_FETCH: cas_fetch(c, from, &m->cas_fetch); return true;
    case WIRE_CAS_REGISTERS: cas_registers(c, from, &m->cas_registers); return true;
    case WIRE_CAS_PROMISE:
        s = session(c, m->cas_promise.request);
        if (s != NULL)
            cas_on_promise(c, now, s, from, &m->cas_promise);
        return true;
    case WIRE_CAS_ACCEPTED:
        s = session(c, m->cas_accepted.request);
        if (s != NULL)
            cas_on_accepted(c, now, s, from, &m->cas_accepted);
        return true;
    default: return false;
    }
}
