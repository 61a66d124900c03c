/* Requests that clients follow: sessions begin and end here, and what this node did for one is
 * written to system_traces, a moment later, as a write of our own that nobody waits for. */
#include "node/node_trace.h"
#include "node/cql/exec/exec.h"
#include "node/node_core.h"
#include "node/schema/order.h"
#include "ring/murmur3.h"

#include <string.h>

#define TRACE_TTL_S  (24 * 60 * 60)
#define ANSWER_AFTER (30 * USEC_PER_MS) /* so that what others did is there before the end is */
#define TEXT_MAX     ((size_t)64 << 10)

/* --- a client's request */

static void add_param(struct trace_session *s, const char *name, const char *value)
{
    struct trace_request *r = &s->request;
    size_t cap = r->params_count;
    r->params = arena_grow(&s->kept, r->params, r->params_count, &cap, sizeof *r->params);
    r->params[r->params_count++] = (struct trace_param){arena_text(&s->kept, bytes_text(name)),
                                                        arena_text(&s->kept, bytes_text(value))};
}

static void add_levels(struct trace_session *s, const struct cql_params *p)
{
    bool serial = (p->flags & CQL_QUERY_SERIAL) != 0;
    add_param(s, "consistency_level", cql_consistency_name(p->consistency));
    add_param(s, "serial_consistency_level",
              cql_consistency_name(serial ? p->serial_consistency : CQL_CL_SERIAL));
    if ((p->flags & CQL_QUERY_PAGE_SIZE) != 0)
        add_param(s, "page_size", arena_printf(&s->kept, "%d", (int)p->page_size));
}

static void describe(struct trace_session *s, const struct cql_request *in)
{
    struct trace_request *r = &s->request;
    r->command = "QUERY";
    switch (in->opcode) {
    case CQL_QUERY:
        r->request = "Execute CQL3 query";
        add_levels(s, &in->query.params);
        add_param(s, "query", arena_text(&s->kept, in->query.text));
        break;
    case CQL_EXECUTE:
        r->request = "Execute CQL3 prepared query";
        add_levels(s, &in->execute.params);
        break;
    case CQL_BATCH:
        r->request = "Execute batch of CQL3 queries";
        add_levels(s, &in->batch.params);
        break;
    default:
        r->request = "Preparing CQL3 query";
        add_param(s, "query", arena_text(&s->kept, in->prepare.text));
        break;
    }
}

static bool is_traceable(const struct cql_request *in)
{
    return in->tracing && (in->opcode == CQL_QUERY || in->opcode == CQL_EXECUTE ||
                           in->opcode == CQL_BATCH || in->opcode == CQL_PREPARE);
}

struct uuid trace_begin(struct node *n, const struct endpoint *client, const struct cql_request *in)
{
    struct tracing *t = coord_tracing(n->coord);
    struct trace_session *s = is_traceable(in) ? tracing_begin(t, n->now) : NULL;
    if (s == NULL)
        return (struct uuid){{0}};
    s->request.client = *client;
    describe(s, in);
    struct uuid before = tracing_enter(t, n->now, &s->id);
    if (in->opcode == CQL_QUERY || in->opcode == CQL_PREPARE) {
        struct bytes text = in->opcode == CQL_QUERY ? in->query.text : in->prepare.text;
        tracing_say(t, "Parsing %s", arena_text(&n->arena, text));
        tracing_say(t, "Preparing statement");
    }
    tracing_leave(t, &before);
    return s->id;
}

void trace_end(struct node *n, const struct exec_effect *e)
{
    struct trace_session *s = tracing_find(coord_tracing(n->coord), &e->trace);
    if (s == NULL || !s->coordinates)
        return;
    for (size_t i = 0; i < e->reply.params_count; i++)
        add_param(s, e->reply.params[i].name, e->reply.params[i].value);
    s->request.duration = n->now.mono > s->began.mono ? n->now.mono - s->began.mono : 1;
    s->request.ended = true;
    s->due = n->now.mono + ANSWER_AFTER;
}

/* --- rows */

struct making {
    struct node *n;
    const struct table *t;
    struct arena arena;
    struct cell *cells;
    size_t count;
    int64_t timestamp;
};

#define CELLS_MAX 64

static struct cell *add(struct making *m, uint32_t column, struct bytes value)
{
    struct cell *c = &m->cells[m->count++];
    *c = (struct cell){.column = column,
                       .kind = CELL_EXPIRING,
                       .ttl = TRACE_TTL_S,
                       .timestamp = m->timestamp,
                       .time_s = m->n->now.wall / USEC_PER_SEC + TRACE_TTL_S,
                       .value = value};
    return c;
}

static void put(struct making *m, const char *name, struct bytes value)
{
    const struct column *c = table_column(m->t, name);
    if (c != NULL && m->count < CELLS_MAX)
        add(m, c->id, value);
}

static void put_text(struct making *m, const char *name, const char *value)
{
    put(m, name, arena_copy(&m->arena, bytes_text(value)));
}

static void put_int(struct making *m, const char *name, int64_t value)
{
    uint8_t *b = arena_alloc(&m->arena, 4);
    store_u32(b, value > INT32_MAX ? INT32_MAX : (uint32_t)value);
    put(m, name, bytes_make(b, 4));
}

static void put_address(struct making *m, const char *name, const char *port_name,
                        const struct endpoint *e)
{
    struct bytes ip = endpoint_is_v4(e) ? bytes_make(e->ip + 12, 4) : bytes_make(e->ip, 16);
    put(m, name, arena_copy(&m->arena, ip));
    if (port_name != NULL)
        put_int(m, port_name, e->port);
}

static struct row *begin_row(struct making *m, struct row *row, struct bytes key, size_t cells)
{
    *row = (struct row){.key = key, .deletion = TOMB_NONE};
    row->cells = m->cells = arena_array(&m->arena, struct cell, cells);
    m->count = 0;
    add(m, COLUMN_MARKER, BYTES_NONE);
    return row;
}

static void put_params(struct making *m, const struct trace_request *r)
{
    const struct column *c = table_column(m->t, "parameters");
    for (size_t i = 0; c != NULL && i < r->params_count; i++) {
        struct buf path;
        buf_init(&path, TEXT_MAX);
        if (order_encode(c->type->items[0], false, bytes_text(r->params[i].name), &path, NULL) ==
            ERR_OK) {
            struct cell *cell =
                add(m, c->id, arena_copy(&m->arena, bytes_text(r->params[i].value)));
            cell->has_path = true;
            cell->path = arena_copy(&m->arena, buf_bytes(&path));
        }
        buf_close(&path);
    }
}

static bool begin_part(struct making *m, const char *table, const struct trace_session *s,
                       struct part *p)
{
    *p = (struct part){.deletion = TOMB_NONE};
    p->static_row.deletion = TOMB_NONE;
    m->t = schema_table(m->n->schema, "system_traces", table);
    if (m->t == NULL)
        return false;
    p->table = m->t->no;
    p->key = bytes_make(s->id.b, sizeof s->id.b);
    p->token = murmur3_token(p->key);
    return true;
}

static void make_session(struct making *m, const struct trace_session *s, struct part *p)
{
    const struct trace_request *r = &s->request;
    uint8_t *started = arena_alloc(&m->arena, 8);
    p->rows =
        begin_row(m, arena_new(&m->arena, struct row), BYTES_NONE, CELLS_MAX + r->params_count);
    p->rows_count = 1;
    store_u64(started, (uint64_t)(r->started / 1000));
    put_address(m, "client", NULL, &r->client);
    put_text(m, "command", r->command);
    put_address(m, "coordinator", "coordinator_port", &m->n->config.endpoint);
    put_int(m, "duration", r->duration);
    put_text(m, "request", r->request);
    put(m, "started_at", bytes_make(started, 8));
    put_params(m, r);
    p->rows->cells_count = m->count;
}

static void make_events(struct making *m, const struct trace_session *s, struct part *p)
{
    p->rows = arena_array(&m->arena, struct row, s->count);
    for (size_t i = 0; i < s->count; i++) {
        const struct trace_event *e = &s->events[i];
        struct buf key;
        buf_init(&key, 64);
        enum err err = order_encode(cql_type_native(CQL_TIMEUUID), false,
                                    bytes_make(e->id.b, sizeof e->id.b), &key, NULL);
        struct row *row = begin_row(m, &p->rows[p->rows_count],
                                    arena_copy(&m->arena, buf_bytes(&key)), CELLS_MAX);
        buf_close(&key);
        if (err != ERR_OK)
            continue;
        put_text(m, "activity", e->text);
        put_address(m, "source", "source_port", &m->n->config.endpoint);
        put_int(m, "source_elapsed", e->elapsed);
        put_text(m, "thread", s->coordinates ? "coordinator" : "replica");
        row->cells_count = m->count;
        p->rows_count++;
    }
}

static void write_part(struct making *m, struct part *p)
{
    struct mutation mutation = {.keyspace = m->t->keyspace_no};
    part_normalise(p, &m->arena);
    mutation.part = *p;
    struct coord_write w = {.mutations = &mutation,
                            .count = 1,
                            .level = LEVEL_ANY,
                            .kind = WRITE_SIMPLE,
                            .timeout_us = m->n->config.write_timeout_us,
                            .stamp = m->timestamp};
    coord_write_start(m->n->coord, m->n->now, NODE_TRACE_OP, &w);
}

static void write_session(struct node *n, struct trace_session *s)
{
    struct making m = {.n = n, .timestamp = node_timestamp(n)};
    struct part p;
    clock_keep(n);
    if (s->count > 0 && begin_part(&m, "events", s, &p)) {
        make_events(&m, s, &p);
        write_part(&m, &p);
    }
    /* Once: what comes late belongs to a session that is over. */
    if (s->coordinates && s->request.ended && s->request.params != NULL &&
        begin_part(&m, "sessions", s, &p)) {
        make_session(&m, s, &p);
        write_part(&m, &p);
        s->request.params = NULL;
    }
    arena_close(&m.arena);
}

void trace_due(struct node *n)
{
    struct tracing *t = coord_tracing(n->coord);
    struct trace_session *s;
    while ((s = tracing_due(t, n->now)) != NULL) {
        if (n->schema != NULL && n->run == RUN_READY && clock_problem(n) == NULL)
            write_session(n, s);
        tracing_written(t, s);
    }
}

static const char *name_table(void *arg, table_no table)
{
    struct node *n = arg;
    const struct table *t = n->schema != NULL ? schema_table_by_no(n->schema, table) : NULL;
    return t != NULL ? arena_printf(&n->arena, "%s.%s", t->keyspace, t->name) : NULL;
}

void trace_open(struct node *n)
{
    struct tracing *t = coord_tracing(n->coord);
    t->name_table = name_table;
    t->name_arg = n;
}
