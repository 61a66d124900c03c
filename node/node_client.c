/* Clients: CQL connections and the executor. Bytes become requests, requests become operations of
 * the coordinator and the metadata log, their results become replies.
 *
 * A connection that has CLIENT_RUNNING_MAX requests under way (fewer when their replies are large:
 * window.h), or CLIENT_OUT_MAX bytes waiting to be taken, is not read from until it has fewer: so
 * what a client can make us hold is bounded. */
#include "node/node_client.h"
#include "base/mutant.h"
#include "node/node_trace.h"

#include <string.h>

#define CLIENT_RUNNING_MAX 1024
#define CLIENT_OUT_MAX     ((size_t)8 << 20)
#define CLIENT_ID_MAX      ((size_t)256)
#define STARTUP_MAX        4096                /* bytes of options that are kept to be shown */
#define EXEC_REQUEST       (UINT64_C(1) << 62) /* proposals of clients, apart from our own */

struct exec *client_exec(struct node *n)
{
    return n->client_state->exec;
}

void client_init(struct node *n)
{
    struct exec_config config = {.seed = rng_next(&n->rng),
                                 .batch_warn_bytes = n->config.batch_warn_bytes,
                                 .batch_fail_bytes = n->config.batch_fail_bytes,
                                 .batch_warn_partitions = n->config.batch_warn_partitions,
                                 .authenticate = n->config.authenticate,
                                 .authorize = n->config.authorize,
                                 .roles_validity_us = n->config.roles_validity_us,
                                 .permissions_validity_us = n->config.permissions_validity_us,
                                 .credentials_validity_us = n->config.credentials_validity_us,
                                 .stopwatch = n->config.stopwatch};
    n->client_state = mem_new(struct clients);
    n->client_state->exec = exec_new(&config);
    views_init(n);
    n->client_state->view_stale = true;
    map_init(&n->client_state->proposals);
}

struct exec_stats client_exec_stats(const struct node *n)
{
    return exec_stats(n->client_state->exec);
}

/* --- connections */

static void client_free(struct client *c)
{
    cql_conn_close(&c->conn);
    arena_close(&c->arena);
    buf_close(&c->who);
    buf_close(&c->startup);
    mem_free(c->keyspace);
    mem_free(c->user);
    mem_free(c);
}

static void proposal_free(void *p)
{
    struct proposal *proposal = p;
    arena_close(&proposal->arena);
    mem_free(proposal);
}

void client_free_all(struct node *n)
{
    struct clients *cs = n->client_state;
    uint64_t *numbers = map_keys(&n->clients);
    for (size_t i = 0, count = map_count(&n->clients); i < count; i++)
        client_free(map_remove(&n->clients, numbers[i]));
    mem_free(numbers);
    if (cs == NULL)
        return;
    exec_free(cs->exec);
    map_clear(&cs->proposals, proposal_free);
    map_close(&cs->proposals);
    arena_close(&cs->view[0]);
    arena_close(&cs->view[1]);
    mem_free(cs);
}

static void client_close(struct node *n, struct client *c)
{
    if (c->closing)
        return;
    c->closing = true;
    node_append(n, NODE_CLIENT_CLOSE)->client = c->number;
}

void client_open(struct node *n, uint64_t number, const struct endpoint *from)
{
    struct client *c = mem_new(struct client);
    struct cql_conn_config config = {.end = CQL_SERVER, .frame_max = n->config.frame_max};
    c->number = number;
    c->from = *from;
    buf_init(&c->startup, STARTUP_MAX);
    cql_conn_init(&c->conn, &config);
    cql_window_init(&c->window);
    buf_init(&c->who, CLIENT_ID_MAX + 64);
    buf_put_u8(&c->who, 'n');
    buf_put_u32(&c->who, meta_self(n->meta));
    buf_put_u32(&c->who, n->boot);
    buf_put_u64(&c->who, number);
    map_put(&n->clients, number, c);
    if (n->run == RUN_OUT)
        client_close(n, c);
}

void client_close_all(struct node *n)
{
    uint64_t *numbers = map_keys(&n->clients);
    for (size_t i = 0, count = map_count(&n->clients); i < count; i++)
        client_close(n, map_get(&n->clients, numbers[i]));
    mem_free(numbers);
}

static void client_out(struct node *n, struct client *c)
{
    node_append(n, NODE_CLIENT_OUT)->client = c->number;
}

static void client_put(struct node *n, struct client *c, int16_t stream, enum cql_opcode opcode,
                       uint8_t flags, struct bytes body)
{
    /* A client that does not take its replies, or a reply that passes every bound. */
    if (cql_conn_put(&c->conn, stream, opcode, flags, body) != ERR_OK)
        client_close(n, c);
    client_out(n, c);
}

static bool client_full(const struct client *c)
{
    return c->running >= cql_window_size(&c->window, CLIENT_OUT_MAX, CLIENT_RUNNING_MAX) ||
           c->conn.out.len >= CLIENT_OUT_MAX;
}

static void refuse(struct node *n, struct client *c, int16_t stream, enum cql_error_code code,
                   const char *text)
{
    struct buf body;
    struct cql_error error = cql_error_make(code, bytes_text(text));
    buf_init(&body, ERRMSG_SIZE * 2);
    cql_error_put(&body, cql_conn_version(&c->conn), &error);
    client_put(n, c, stream, CQL_ERROR, 0, buf_bytes(&body));
    buf_close(&body);
}

/* A driver that says who it is is the same client on all its connections. */
static void take_startup(struct client *c, const struct cql_map *options)
{
    struct bytes id;
    buf_clear(&c->startup);
    cql_put_string_map(&c->startup, *options);
    if (c->startup.failed) { /* more than a driver says */
        buf_close(&c->startup);
        buf_init(&c->startup, STARTUP_MAX);
    }
    if (!cql_map_get(options, "CLIENT_ID", &id) || id.len == 0 || id.len > CLIENT_ID_MAX)
        return;
    buf_clear(&c->who);
    buf_put_u8(&c->who, 'c');
    buf_put_bytes(&c->who, id);
}

/* What a session has seen was stamped no later than its token says: what it writes next is stamped
 * later. */
static void follow_session(struct node *n, struct client *c, const struct cql_request *request)
{
    struct bytes given;
    struct seen seen;
    if (cql_map_get(&request->payload, EXEC_SESSION, &given) &&
        seen_decode(given, &c->arena, &seen) == ERR_OK)
        clock_follow(n, seen.time_us);
}

static void client_request(struct node *n, struct client *c, const struct cql_frame *frame)
{
    struct cql_request request;
    struct errmsg why;
    arena_reset(&c->arena);
    if (cql_request_read(frame, &c->arena, &request, &why) != ERR_OK) {
        refuse(n, c, frame->header.stream, CQL_ERROR_PROTOCOL, why.text);
        return;
    }
    if (n->run != RUN_READY) {
        refuse(n, c, frame->header.stream,
               n->run == RUN_DRAINING ? CQL_ERROR_OVERLOADED : CQL_ERROR_SERVER, node_phase(n));
        return;
    }
    client_refresh_view(n);
    if (request.opcode == CQL_STARTUP)
        take_startup(c, &request.startup);
    const char *no_timestamp = clock_problem(n);
    if (request.payload.count > 0)
        follow_session(n, c, &request);
    struct exec_request r = {.conn = c->number,
                             .stream = frame->header.stream,
                             .version = cql_conn_version(&c->conn),
                             .request = &request,
                             .keyspace = c->keyspace,
                             .user = c->user,
                             .timestamp_us = node_timestamp(n),
                             .no_timestamp = no_timestamp,
                             .trace = trace_begin(n, &c->from, &request),
                             .client = buf_bytes(&c->who)};
    c->running++;
    c->requests++;
    n->clients_running++;
    exec_request(n->client_state->exec, clock_as_others(n), &r);
}

/* Act on the frames that are there, as far as there is room for what they ask. */
static void client_pump(struct node *n, struct client *c)
{
    struct cql_frame frame;
    if (c->pumping || c->closing)
        return;
    c->pumping = true;
    c->stalled = false;
    for (;;) {
        if (client_full(c)) {
            c->stalled = true;
            break;
        }
        enum cql_next next = cql_conn_next(&c->conn, &frame);
        if (next == CQL_NEXT_FRAME) {
            client_request(n, c, &frame);
            client_take(n);
            continue;
        }
        if (next == CQL_NEXT_CLOSED)
            client_close(n, c);
        break;
    }
    c->pumping = false;
    if (cql_conn_out(&c->conn).len > 0)
        client_out(n, c);
}

void client_bytes(struct node *n, uint64_t number, struct bytes bytes)
{
    struct client *c = map_get(&n->clients, number);
    if (c == NULL || c->closing)
        return;
    cql_conn_feed(&c->conn, bytes);
    client_pump(n, c);
}

void client_closed(struct node *n, uint64_t number)
{
    struct client *c = map_remove(&n->clients, number);
    if (c == NULL)
        return;
    exec_conn_closed(n->client_state->exec, number);
    n->clients_running -= c->running;
    client_free(c);
}

struct bytes node_client_out(struct node *n, uint64_t number)
{
    struct client *c = map_get(&n->clients, number);
    return c != NULL ? cql_conn_out(&c->conn) : BYTES_NONE;
}

void node_client_sent(struct node *n, uint64_t number, size_t count)
{
    struct client *c = map_get(&n->clients, number);
    if (c != NULL)
        cql_conn_sent(&c->conn, count);
}

bool node_client_is_busy(const struct node *n, uint64_t number)
{
    const struct client *c = map_get(&n->clients, number);
    return c != NULL && client_full(c);
}

bool client_any_running(const struct node *n)
{
    return n->clients_running > 0;
}

size_t client_held_bytes(const struct node *n)
{
    size_t bytes = 0;
    uint64_t *numbers = map_keys(&n->clients);
    for (size_t i = 0, count = map_count(&n->clients); i < count; i++) {
        const struct cql_conn *c = &((struct client *)map_get(&n->clients, numbers[i]))->conn;
        bytes += c->in.len - c->in_at + c->part.len - c->part_at + c->out.len + c->pack.len;
    }
    mem_free(numbers);
    return bytes;
}

size_t client_proposals(const struct node *n)
{
    return map_count(&n->client_state->proposals);
}

/* --- what the executor wants */

static void reply(struct node *n, const struct exec_effect *e)
{
    struct client *c = map_get(&n->clients, e->conn);
    if (e->conn == 0)
        auth_setup_done(n, e->reply.opcode == CQL_READY);
    if (e->reply.took >= 0)
        heal_foreground(n->heal, n->now, e->reply.took);
    trace_end(n, e);
    if (c == NULL)
        return;
    ASSERT(c->running > 0);
    c->running--;
    n->clients_running--;
    cql_window_note(&c->window, e->reply.body.len);
    client_put(n, c, MUTANT(reply_to_first_stream) ? 1 : e->stream, e->reply.opcode, e->reply.flags,
               e->reply.body);
    if (c->stalled && !client_full(c))
        client_pump(n, c);
}

static struct mutation mutation_of(const struct exec_mutation *m)
{
    return (struct mutation){.keyspace = m->keyspace, .part = m->part, .supersede = m->supersede};
}

static void start_write(struct node *n, const struct exec_effect *e)
{
    struct mutation *mutations = arena_array(&n->arena, struct mutation, e->write.count);
    for (size_t i = 0; i < e->write.count; i++)
        mutations[i] = mutation_of(&e->write.mutations[i]);
    struct coord_write w = {.mutations = mutations,
                            .count = e->write.count,
                            .level = (enum level)e->write.level,
                            .kind = (enum write_kind)e->write.kind,
                            .timeout_us = n->config.write_timeout_us,
                            .stamp = e->write.stamp_us,

                            .seen = e->write.seen,
                            .receipt = e->write.receipt};
    clock_keep(n);
    coord_write_start(n->coord, n->now, e->op, &w);
}

static void start_read(struct node *n, const struct exec_effect *e)
{
    struct coord_read r = {.keyspace = e->read.keyspace,
                           .scan = *e->read.scan,
                           .level = (enum level)e->read.level,
                           .timeout_us = e->read.scan->single ? n->config.read_timeout_us
                                                              : n->config.range_timeout_us,
                           .seen = e->read.seen,
                           .receipt = e->read.receipt};
    coord_read_start(n->coord, n->now, e->op, &r);
}

static void start_cas(struct node *n, const struct exec_effect *e)
{
    struct coord_cas cas = {.keyspace = e->cas.keyspace,
                            .scan = *e->cas.scan,
                            .read_only = e->cas.read_only,
                            .serial = (enum level)e->cas.serial,
                            .level = (enum level)e->cas.level,
                            .timeout_us = e->cas.read_only ? n->config.read_timeout_us
                                                           : n->config.write_timeout_us,
                            .seen = e->cas.seen,
                            .receipt = e->cas.receipt};
    coord_cas_start(n->coord, n->now, e->op, &cas);
}

static void start_cas_propose(struct node *n, const struct exec_effect *e)
{
    const struct exec_mutation *m = e->propose.change;
    struct mutation change = {0};
    if (m != NULL)
        change = mutation_of(m);
    clock_keep(n);
    coord_cas_propose(n->coord, n->now, e->propose.session, e->op, m != NULL ? &change : NULL);
}

static enum schema_change_type change_of(enum ddl_kind kind)
{
    switch (kind) {
    case DDL_CREATE_KEYSPACE:
    case DDL_CREATE_TABLE:
    case DDL_CREATE_TYPE: return CHANGE_CREATED;
    case DDL_DROP_KEYSPACE:
    case DDL_DROP_TABLE:
    case DDL_DROP_TYPE: return CHANGE_DROPPED;
    case DDL_TRUNCATE_TABLE: return CHANGE_NONE;
    default: return CHANGE_UPDATED;
    }
}

static void start_ddl(struct node *n, uint64_t op, const struct ddl *ddl)
{
    struct proposal *p = mem_new(struct proposal);
    struct buf bytes, command;
    p->op = op;
    p->change.type = change_of(ddl->kind);
    p->change.keyspace = arena_text(&p->arena, bytes_text(ddl->keyspace));
    p->change.target = ddl_target(ddl->kind);
    if (ddl->table != NULL)
        p->change.name = arena_text(&p->arena, bytes_text(ddl->table));
    map_put(&n->client_state->proposals, op, p);
    buf_init(&bytes, DDL_BYTES_MAX);
    buf_init(&command, COMMAND_MAX);
    ddl_encode(ddl, &bytes);
    command_ddl(buf_bytes(&bytes), &command);
    if (buf_finish(&bytes) != ERR_OK || buf_finish(&command) != ERR_OK) {
        client_meta_done(n, EXEC_REQUEST | op, ERR_INVALID, 0, "the statement is too long");
    } else {
        struct meta_event event = {.type = META_EVENT_PROPOSE};
        event.propose.request = EXEC_REQUEST | op;
        event.propose.command = buf_bytes(&command);
        node_meta_event(n, &event);
    }
    buf_close(&bytes);
    buf_close(&command);
}

static void take_effect(struct node *n, const struct exec_effect *e)
{
    struct client *c = map_get(&n->clients, e->conn);
    struct tracing *t = coord_tracing(n->coord);
    struct uuid before = tracing_enter(t, n->now, &e->trace);
    switch (e->type) {
    case EXEC_REPLY: reply(n, e); break;
    case EXEC_WRITE: start_write(n, e); break;
    case EXEC_READ: start_read(n, e); break;
    case EXEC_CAS: start_cas(n, e); break;
    case EXEC_CAS_PROPOSE: start_cas_propose(n, e); break;
    case EXEC_DDL: start_ddl(n, e->op, e->ddl); break;
    case EXEC_PASSWORD: auth_password(n, e); break;
    case EXEC_LOGIN:
        if (c != NULL) {
            mem_free(c->user);
            c->user = mem_text(e->user);
        }
        break;
    case EXEC_USE:
        if (c != NULL) {
            mem_free(c->keyspace);
            c->keyspace = mem_text(e->keyspace);
        }
        break;
    case EXEC_REGISTER:
        if (c != NULL)
            c->events |= e->events;
        break;
    }
    tracing_leave(t, &before);
}

bool client_take(struct node *n)
{
    struct exec *exec = n->client_state->exec;
    const struct exec_effect *effects;
    size_t count = exec_effects(exec, &effects);
    if (n->taking || count == 0)
        return false;
    n->taking = true;
    for (size_t i = 0; i < count; i++) {
        struct exec_effect e = effects[i]; /* the list may grow and move meanwhile */
        take_effect(n, &e);
        count = exec_effects(exec, &effects);
    }
    exec_clear(exec);
    n->taking = false;
    return true;
}

/* --- what comes back */

static const char *counter_is_full(struct node *n, node_no waits_for)
{
    char ip[ENDPOINT_TEXT_SIZE];
    const struct cluster_node *dead = cluster_find(n->cluster, waits_for);
    if (dead == NULL)
        return "Too much at once, or too much for one counter within counter_retry_window";
    return arena_printf(&n->arena, "The counter takes no more until node %s is back or replaced",
                        endpoint_ip_text(&dead->endpoint, ip));
}

void client_coord_done(struct node *n, uint64_t op, const struct coord_result *result)
{
    struct exec_result r = {.err = result->err,
                            .level = (enum cql_consistency)result->level,
                            .kind = (enum cql_write_type)result->kind,
                            .required = result->required,
                            .received = result->received,
                            .failures = result->failures,
                            .hinted = result->hinted,
                            .merged = result->merged,
                            .merged_in = result->merged_in,
                            .lost = (enum exec_lost)result->lost,
                            .lost_in = result->lost_in,
                            .behind_us = result->behind,
                            .data_present = result->data_present,
                            .rows = &result->rows,
                            .cas = (enum exec_cas_end)result->cas,
                            .unknown = result->unknown,
                            .contentions = result->contentions,
                            .seen = result->seen,
                            .hlc_us = clock_tell(n),
                            .receipt = result->receipt};
    if (result->cas == CAS_ROWS)
        r.stamp_us = clock_above(n, &result->rows);
    if (result->err == ERR_OVERLOADED && result->kind == WRITE_COUNTER)
        r.message = counter_is_full(n, result->waits_for);
    else if (result->err == ERR_FAILED && result->damaged != 0)
        r.message = node_damaged_text(n, result->damaged, result->damaged_at);
    else if (result->hints_full)
        r.message = "No more hints are kept for its replicas, which are away: "
                    "max_hints_size_per_host or max_hint_window is reached";
    exec_done(n->client_state->exec, n->now, op, &r);
}

void client_meta_done(struct node *n, uint64_t request, enum err err, uint32_t changes,
                      const char *message)
{
    struct clients *cs = n->client_state;
    struct proposal *p = map_remove(&cs->proposals, request & ~EXEC_REQUEST);
    if (p == NULL)
        return;
    struct exec_result r = {.err = err, .message = message, .change = p->change};
    if ((changes & META_CHANGED_SCHEMA) == 0)
        r.change.type = CHANGE_NONE;
    /* What a change needs is a quorum of the members of the metadata log. */
    const struct topology *t = meta_topology(n->meta);
    r.level = CQL_CL_QUORUM;
    r.required = t->members_count / 2 + 1;
    for (uint32_t i = 0; i < t->members_count; i++)
        r.received += cluster_is_alive(n->cluster, t->members[i]);
    client_refresh_view(n);
    exec_done(cs->exec, n->now, p->op, &r);
    proposal_free(p);
}

/* --- events */

void client_broadcast(struct node *n, const struct cql_event *event)
{
    struct buf body;
    buf_init(&body, 1 << 16);
    cql_event_put(&body, event);
    uint64_t *numbers = map_keys(&n->clients);
    for (size_t i = 0, count = map_count(&n->clients); i < count; i++) {
        struct client *c = map_get(&n->clients, numbers[i]);
        if (c->events & 1u << event->type)
            client_put(n, c, -1, CQL_EVENT, 0, buf_bytes(&body));
    }
    mem_free(numbers);
    buf_close(&body);
}
