#include "node/cql/exec/exec.h"

#include "base/mem.h"
#include "node/cql/exec/auth.h"
#include "node/cql/exec/latency.h"
#include "node/cql/exec/request.h"

#include <string.h>

/* --- life */

struct exec *exec_new(const struct exec_config *config)
{
    struct exec *e = mem_new(struct exec);
    e->config = *config;
    if (e->config.prepared_max == 0)
        e->config.prepared_max = EXEC_PREPARED_MAX;
    if (e->config.prepared_bytes_max == 0)
        e->config.prepared_bytes_max = EXEC_PREPARED_BYTES_MAX;
    auth_init(&e->auth);
    if (e->config.batch_warn_bytes == 0)
        e->config.batch_warn_bytes = EXEC_BATCH_WARN_BYTES;
    if (e->config.batch_fail_bytes == 0)
        e->config.batch_fail_bytes = EXEC_BATCH_FAIL_BYTES;
    if (e->config.batch_warn_partitions == 0)
        e->config.batch_warn_partitions = EXEC_BATCH_WARN_PARTITIONS;
    rng_init(&e->rng, config->seed);
    map_init(&e->latencies);
    map_init(&e->running);
    bmap_init(&e->prepared);
    list_init(&e->requests);
    list_init(&e->finished);
    list_init(&e->lru);
    return e;
}

static void request_free(struct request *q)
{
    list_remove(&q->link);
    select_close(q->select);
    inner_close(q);
    omap_close(&q->needs.found);
    buf_close(&q->receipt);
    for (size_t i = 0; i < q->prepared_count; i++)
        prepared_unref(q->prepared[i]);
    schema_unref(q->schema);
    struct arena arena = q->arena; /* the request lives in it */
    arena_close(&arena);
}

static void free_all(struct list *requests)
{
    while (!list_empty(requests))
        request_free(container_of(requests->next, struct request, link));
}

void exec_free(struct exec *e)
{
    if (e == NULL)
        return;
    free_all(&e->requests);
    free_all(&e->finished);
    prepared_drop_all(e);
    latency_close(e);
    auth_close(&e->auth);
    map_close(&e->running);
    bmap_close(&e->prepared);
    mem_free(e->effects);
    arena_close(&e->out);
    mem_free(e);
}

void exec_set_view(struct exec *e, const struct exec_view *view)
{
    e->view = view;
}

void exec_set_source(struct exec *e, const struct exec_source *source)
{
    e->source = *source;
}

/* --- effects */

struct exec_effect *effect_add(struct exec *e, enum exec_effect_type type, struct request *q)
{
    e->effects = mem_grow(e->effects, e->effects_count, &e->effects_cap, sizeof e->effects[0]);
    struct exec_effect *effect = &e->effects[e->effects_count++];
    *effect =
        (struct exec_effect){.type = type, .trace = q->trace, .conn = q->conn, .stream = q->stream};
    return effect;
}

void effect_op(struct exec *e, struct request *q, struct exec_effect *effect)
{
    q->op = ++e->next_op;
    effect->op = q->op;
    map_put(&e->running, q->op, q);
}

/* The body behind what the protocol has before it. Returns the flags of the frame. */
static uint8_t put_prefix(struct exec *e, struct request *q, struct bytes body, struct bytes *ret)
{
    struct cql_prefix prefix = {.tracing = !uuid_is_zero(&q->trace),
                                .trace_id = q->trace,
                                .warnings = {q->warnings.items, q->warnings.count},
                                .payload = {q->payload.items, q->payload.count}};
    struct buf b;
    for (size_t i = 0; i < q->warnings.count; i++)
        q->warnings.items[i] = reply_readable(q, q->warnings.items[i]);
    buf_init(&b, BUF_MAX_DEFAULT);
    uint8_t flags = cql_prefix_put(&b, &prefix);
    uint8_t *p = arena_alloc(&e->out, b.len + body.len);
    memcpy(p, b.data, b.len);
    if (body.len > 0)
        memcpy(p + b.len, body.data, body.len);
    *ret = bytes_make(p, b.len + body.len);
    buf_close(&b);
    return flags;
}

static void put_session(struct request *q)
{
    struct buf encoded;
    buf_init(&encoded, SEEN_BYTES_MAX);
    seen_encode(q->session, &encoded);
    run_payload(&q->run, EXEC_SESSION, buf_bytes(&encoded));
    buf_close(&encoded);
}

static void put_receipt(struct request *q)
{
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    buf_put_text(&text, "{\"torc_receipt\":1,\"steps\":[");
    buf_put_bytes(&text, buf_bytes(&q->receipt));
    buf_put_text(&text, "]}");
    run_payload(&q->run, EXEC_RECEIPT, buf_bytes(&text));
    buf_close(&text);
}

/* The request is over; its memory stays until the effects have been performed. */
void reply_body(struct exec *e, struct request *q, enum cql_opcode opcode, struct buf *body)
{
    ASSERT(!q->replied);
    usec took = latency_note(e, q);
    q->replied = true;
    struct exec_effect *effect = effect_add(e, EXEC_REPLY, q);
    effect->reply.took = took;
    if (body->failed) {
        struct cql_error error =
            cql_error_make(CQL_ERROR_SERVER, BYTES_LIT("The answer does not fit a frame"));
        buf_close(body);
        buf_init(body, ERRMSG_SIZE);
        cql_error_put(body, q->version, &error);
        opcode = CQL_ERROR;
    }
    effect->reply.opcode = opcode;
    if (q->session != NULL)
        put_session(q);
    if (q->wants_receipt)
        put_receipt(q);
    if (!uuid_is_zero(&q->trace))
        trace_params(e, q, effect);
    if (q->warnings.count > 0 || q->payload.count > 0 || !uuid_is_zero(&q->trace))
        effect->reply.flags = put_prefix(e, q, buf_bytes(body), &effect->reply.body);
    else
        effect->reply.body = arena_copy(&e->out, buf_bytes(body));
    buf_close(body);
    list_remove(&q->link);
    list_push_back(&e->finished, &q->link);
}

size_t exec_effects(const struct exec *e, const struct exec_effect **ret_effects)
{
    *ret_effects = e->effects;
    return e->effects_count;
}

void exec_clear(struct exec *e)
{
    e->effects_count = 0;
    free_all(&e->finished);
    arena_reset(&e->out);
}

/* --- requests */

static struct request *request_new(struct exec *e, struct now now, const struct exec_request *in)
{
    struct arena arena = {0};
    struct request *q = arena_new(&arena, struct request);
    size_t prepared = in->request->opcode == CQL_BATCH ? in->request->batch.count : 1;
    q->arena = arena;
    q->conn = in->conn;
    q->stream = in->stream;
    q->version = in->version;
    q->level = CQL_CL_ONE;
    q->prepared = arena_array(&q->arena, struct prepared *, prepared);
    q->schema = schema_ref(e->view->schema);
    q->run = (struct run){.exec = e,
                          .arena = &q->arena,
                          .warnings = &q->warnings,
                          .payload = &q->payload,
                          .schema = q->schema,
                          .now_us = now.wall,
                          .now_s = now.wall / USEC_PER_SEC,
                          .timestamp_us = in->timestamp_us,
                          .no_timestamp = in->no_timestamp,
                          .stamp_us = in->timestamp_us,
                          .no_stamp = in->no_timestamp};
    q->client = arena_copy(&q->arena, in->client);
    q->trace = in->trace;
    q->now = now;
    q->began = now.mono;
    e->latest = now.mono;
    if (e->first == 0)
        e->first = now.mono;
    if (in->user != NULL)
        q->user = arena_text(&q->arena, bytes_text(in->user));
    if (in->keyspace != NULL && in->keyspace[0] != '\0')
        q->run.keyspace = arena_text(&q->arena, bytes_text(in->keyspace));
    list_push_back(&e->requests, &q->link);
    return q;
}

static void answer_ready(struct exec *e, struct request *q)
{
    struct buf b;
    buf_init(&b, 16);
    reply_body(e, q, CQL_READY, &b);
}

static void answer_startup(struct exec *e, struct request *q)
{
    struct buf b;
    if (!e->config.authenticate) {
        answer_ready(e, q);
        return;
    }
    buf_init(&b, 128);
    cql_authenticate_put(&b, BYTES_LIT("org.apache.cassandra.auth.PasswordAuthenticator"));
    reply_body(e, q, CQL_AUTHENTICATE, &b);
}

static void register_events(struct exec *e, struct request *q, const struct cql_request *in)
{
    uint32_t events = 0;
    for (size_t i = 0; i < in->events.count; i++) {
        enum cql_event_type type;
        if (!cql_event_parse(in->events.items[i], &type)) {
            run_fail(&q->run, CQL_ERROR_PROTOCOL, "Invalid value '%s' for Type",
                     run_text(&q->run, in->events.items[i]));
            reply_failed(e, q);
            return;
        }
        events |= 1u << type;
    }
    effect_add(e, EXEC_REGISTER, q)->events = events;
    answer_ready(e, q);
}

void exec_request(struct exec *e, struct now now, const struct exec_request *in)
{
    ASSERT(e->view != NULL);
    struct request *q = request_new(e, now, in);
    e->stats.requests++;
    switch (in->request->opcode) {
    case CQL_OPTIONS: reply_supported(e, q); break;
    case CQL_STARTUP: answer_startup(e, q); break;
    case CQL_AUTH_RESPONSE: request_login(e, q, in->request); break;
    case CQL_REGISTER: register_events(e, q, in->request); break;
    case CQL_QUERY: request_query(e, q, in->request); break;
    case CQL_PREPARE: request_prepare(e, q, in->request); break;
    case CQL_EXECUTE: request_execute(e, q, in->request); break;
    case CQL_BATCH: request_batch(e, q, in->request); break;
    default:
        run_fail(&q->run, CQL_ERROR_PROTOCOL, "Unexpected message %s",
                 cql_opcode_name(in->request->opcode));
        reply_failed(e, q);
        break;
    }
}

void exec_setup(struct exec *e, struct now now, int64_t timestamp_us)
{
    const struct cql_request none = {.opcode = CQL_OPTIONS};
    const struct exec_request in = {
        .version = CQL_VERSION_MIN, .request = &none, .timestamp_us = timestamp_us};
    ASSERT(e->view != NULL);
    request_setup(e, request_new(e, now, &in));
}

void exec_done(struct exec *e, struct now now, uint64_t op, const struct exec_result *result)
{
    struct request *q = map_remove(&e->running, op);
    if (q == NULL)
        return;
    e->latest = now.mono;
    q->now = now; /* the run keeps the time it began with: TTLs stay consistent in it */
    q->op = 0;
    request_done(e, q, result);
}

void exec_conn_closed(struct exec *e, uint64_t conn)
{
    list_each_safe (at, after, &e->requests) {
        struct request *q = container_of(at, struct request, link);
        if (q->conn != conn)
            continue;
        if (q->op != 0)
            map_remove(&e->running, q->op);
        list_remove(&q->link); /* effects may still point into it */
        list_push_back(&e->finished, &q->link);
    }
}

struct exec_stats exec_stats(const struct exec *e)
{
    struct exec_stats s = e->stats;
    s.running = map_count(&e->running);
    s.prepared = bmap_count(&e->prepared);
    s.prepared_bytes = e->prepared_bytes;
    return s;
}
