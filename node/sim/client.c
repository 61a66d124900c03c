/* A CQL client for each node: protocol version 5, one connection, many streams. */
#include "node/cql/proto/request.h"
#include "node/cql/proto/response.h"
#include "node/sim/core.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STREAMS 32768
#define BACKLOG (10 * USEC_PER_MS) /* a node that is not ready yet does not accept */
#define CQL_MAX ((size_t)1 << 20)

#define READ_MAX ((size_t)256 << 10) /* of one turn, as node/net */

/* Bytes, and that a connection opens or closes; and the node's wish to read on. */
enum { TO_BYTES, TO_OPEN, TO_CLOSED, TO_AGAIN };

static struct sim_client *client_of(struct sim *s, unsigned node)
{
    return &machine_of(s, node)->client;
}

static usec ordered(struct sim *s, usec *last)
{
    usec at = s->time + delay(s, s->config.latency_us, s->config.jitter_us);
    *last = at > *last ? at : *last + 1;
    return *last;
}

static void push(struct sim *s, unsigned node, enum event_type type, uint32_t what,
                 struct bytes bytes)
{
    struct sim_client *c = client_of(s, node);
    struct event e = {.type = type, .node = node, .life = c->number, .client = what};
    e.at = ordered(s, type == EVENT_TO_NODE ? &c->last_in : &c->last_out);
    e.data = bytes.len > 0 ? mem_copy(bytes.data, bytes.len) : NULL;
    e.len = bytes.len;
    queue_push(s, e);
}

/* Send what the connection has to send. */
static void flush(struct sim *s, unsigned node)
{
    struct sim_client *c = client_of(s, node);
    struct bytes out = cql_conn_out(&c->conn);
    if (out.len == 0)
        return;
    push(s, node, EVENT_TO_NODE, TO_BYTES, out);
    cql_conn_sent(&c->conn, out.len);
}

static void put(struct sim_client *c, int16_t stream, enum cql_opcode opcode, uint8_t flags,
                struct bytes body)
{
    enum err err = cql_conn_put(&c->conn, stream, opcode, flags, body);
    ASSERT(err == ERR_OK);
}

static void start(struct sim *s, unsigned node)
{
    struct sim_client *c = client_of(s, node);
    struct cql_conn_config config = {.end = CQL_CLIENT, .version = CQL_VERSION_MAX};
    struct cql_pair option = {BYTES_LIT("CQL_VERSION"), BYTES_LIT("3.0.0")};
    struct cql_request request = {.opcode = CQL_STARTUP, .startup = {&option, 1}};
    struct buf body;
    c->number = ++s->lives;
    c->ready = false;
    cql_conn_init(&c->conn, &config);
    push(s, node, EVENT_TO_NODE, TO_OPEN, BYTES_NONE);
    buf_init(&body, 1024);
    cql_request_put(&body, CQL_VERSION_MAX, &request);
    put(c, 0, CQL_STARTUP, 0, buf_bytes(&body));
    buf_close(&body);
    flush(s, node);
}

static int16_t free_stream(struct sim_client *c)
{
    for (;;) {
        bool taken = false;
        c->streams = (int16_t)((c->streams + 1) % STREAMS);
        for (size_t i = 0; i < c->open_count; i++)
            taken |= c->open[i]->stream == c->streams;
        if (!taken)
            return c->streams;
    }
}

static void answered(struct sim *s, struct question *q, enum sim_outcome outcome)
{
    q->reply.outcome = outcome;
    q->reply.answered = s->time;
}

/* The request for the first page, or for the one behind `state`. */
static struct bytes query(struct question *q, struct bytes state)
{
    struct cql_request request = {.opcode = CQL_QUERY, .tracing = q->traced};
    struct cql_params *params = &request.query.params;
    struct cql_pair pairs[3];
    size_t count = 0;
    uint8_t name[8];
    struct buf body;
    store_u64(name, q->name);
    if (q->name != 0)
        pairs[count++] =
            (struct cql_pair){BYTES_LIT("torc_request_id"), bytes_make(name, sizeof name)};
    if (q->of_session)
        pairs[count++] = (struct cql_pair){BYTES_LIT("torc_session"), q->session};
    if (q->wants_receipt)
        pairs[count++] = (struct cql_pair){BYTES_LIT("torc_receipt"), BYTES_LIT("")};
    request.payload = (struct cql_map){pairs, count};
    request.query.text = q->text;
    params->consistency = q->level;
    params->page_size = q->page_size;
    params->paging_state = state;
    if (q->page_size > 0)
        params->flags |= CQL_QUERY_PAGE_SIZE;
    if (state.len > 0)
        params->flags |= CQL_QUERY_PAGING_STATE;
    buf_init(&body, CQL_MAX);
    q->flags = cql_request_put(&body, CQL_VERSION_MAX, &request);
    struct bytes made = arena_copy(&q->arena, buf_bytes(&body));
    buf_close(&body);
    return made;
}

static uint64_t question(struct sim *s, unsigned via, enum cql_consistency level, const char *cql,
                         int32_t page_size, uint64_t name)
{
    struct sim_client *c = client_of(s, via);
    struct question *q = mem_new(struct question);
    q->number = ++s->numbers;
    q->node = via;
    q->reply.asked = s->time;
    q->reply.message = "";
    map_put(&s->questions, q->number, q);
    if (!sim_is_up(s, via)) {
        answered(s, q, SIM_LOST);
        return q->number;
    }
    q->text = arena_copy(&q->arena, bytes_text(cql));
    q->level = level;
    q->page_size = page_size;
    q->name = name;
    q->of_session = s->session != NULL;
    if (q->of_session)
        q->session = arena_copy(&q->arena, buf_bytes(s->session));
    q->wants_receipt = s->receipts;
    q->traced = s->config.trace_every > 0 && q->number % s->config.trace_every == 0;
    q->body = query(q, BYTES_NONE);
    if (c->number == 0)
        start(s, via);
    q->stream = free_stream(c);
    c->open = mem_grow(c->open, c->open_count, &c->open_cap, sizeof(struct question *));
    c->open[c->open_count++] = q;
    if (c->ready) {
        put(c, q->stream, CQL_QUERY, q->flags, q->body);
        flush(s, via);
    }
    return q->number;
}

uint64_t sim_ask(struct sim *s, unsigned via, enum cql_consistency level, const char *cql)
{
    return sim_ask_paged(s, via, level, cql, 0);
}

uint64_t sim_ask_paged(struct sim *s, unsigned via, enum cql_consistency level, const char *cql,
                       int32_t page_size)
{
    return question(s, via, level, cql, page_size, 0);
}

uint64_t sim_ask_named(struct sim *s, unsigned via, enum cql_consistency level, const char *cql,
                       uint64_t name)
{
    return question(s, via, level, cql, 0, name);
}

/* --- what comes back */

/* After those of the pages before. */
static void read_rows(struct question *q, const struct cql_rows *rows)
{
    struct reader r = cql_rows_reader(rows);
    size_t before = (size_t)q->reply.rows * q->reply.columns;
    size_t count = before + (size_t)rows->count * rows->metadata.column_count;
    ASSERT(count <= SIM_CELLS_MAX);
    uint16_t *types = arena_array(&q->arena, uint16_t, rows->metadata.column_count + 1);
    for (uint32_t i = 0; i < rows->metadata.column_count; i++)
        types[i] = load_u16(rows->metadata.columns[i].type.data);
    q->cells = arena_grow(&q->arena, q->cells, before, &q->cells_cap, sizeof *q->cells);
    for (size_t i = before; i < count; i++) {
        struct cql_value v = cql_read_bytes(&r);
        q->cells = arena_grow(&q->arena, q->cells, i, &q->cells_cap, sizeof *q->cells);
        q->cells[i] = (struct sim_cell){v.kind != CQL_VALUE_SET, v.data};
    }
    q->reply.columns = rows->metadata.column_count;
    q->reply.rows += rows->count;
    q->reply.types = types;
    q->reply.cells = q->cells;
}

static void remember_warning(struct sim *s, struct sim_client *c, const char *text)
{
    struct sim_warning *oldest = &c->warnings[0];
    for (size_t i = 0; i < c->warnings_count; i++) {
        struct sim_warning *w = &c->warnings[i];
        bool same = strncmp(w->text, text, sizeof w->text - 1) == 0;
        oldest = same || (oldest->at > w->at) ? w : oldest;
        if (same)
            break;
    }
    if (strncmp(oldest->text, text, sizeof oldest->text - 1) != 0 &&
        c->warnings_count < SIM_WARNINGS_MAX)
        oldest = &c->warnings[c->warnings_count++];
    (void)snprintf(oldest->text, sizeof oldest->text, "%s", text);
    oldest->at = s->time;
}

static void read_warnings(struct sim *s, struct question *q, struct cql_string_list list)
{
    const char **texts = arena_array(&q->arena, const char *, list.count + 1);
    for (size_t i = 0; i < list.count; i++) {
        texts[i] = arena_text(&q->arena, list.items[i]);
        remember_warning(s, client_of(s, q->node), texts[i]);
    }
    q->reply.warnings = texts;
    q->reply.warnings_count = (uint32_t)list.count;
}

usec sim_warned(const struct sim *s, unsigned node, const char *word)
{
    const struct sim_client *c = &s->machines[node].client;
    usec at = -1;
    for (size_t i = 0; i < c->warnings_count; i++) {
        if (strstr(c->warnings[i].text, word) != NULL && c->warnings[i].at > at)
            at = c->warnings[i].at;
    }
    return at;
}

/* False: there are more pages, and q->body asks for the next one. */
static bool read_answer(struct sim *s, struct question *q, const struct cql_frame *frame)
{
    struct cql_frame own = {frame->header, arena_copy(&q->arena, frame->body)};
    struct cql_response response;
    struct errmsg why;
    enum err err = cql_response_read(&own, &q->arena, &response, &why);
    ASSERT(err == ERR_OK);
    read_warnings(s, q, response.prefix.warnings);
    (void)cql_map_get(&response.prefix.payload, "torc_session", &q->reply.session);
    (void)cql_map_get(&response.prefix.payload, "torc_receipt", &q->reply.receipt);
    if (q->of_session && q->reply.session.len > 0)
        q->session = q->reply.session; /* for the next page */
    if (response.opcode == CQL_ERROR) {
        q->reply.code = response.error.code;
        q->reply.message = arena_text(&q->arena, response.error.message);
        answered(s, q, SIM_ERROR);
        return true;
    }
    ASSERT(response.opcode == CQL_RESULT);
    if (response.kind == CQL_RESULT_ROWS) {
        const struct cql_metadata *m = &response.rows.metadata;
        read_rows(q, &response.rows);
        if (q->page_size > 0 && (m->flags & CQL_META_MORE_PAGES) != 0) {
            q->body = query(q, m->paging_state);
            return false;
        }
    }
    answered(s, q, SIM_OK);
    return true;
}

/* The connection is gone, and with it the answers. */
static void broken(struct sim *s, unsigned node)
{
    struct sim_client *c = client_of(s, node);
    for (size_t i = 0; i < c->open_count; i++)
        answered(s, c->open[i], SIM_LOST);
    c->open_count = 0;
    if (c->number != 0)
        cql_conn_close(&c->conn);
    c->number = 0;
}

static void take_frame(struct sim *s, unsigned node, const struct cql_frame *frame)
{
    struct sim_client *c = client_of(s, node);
    if (frame->header.opcode == CQL_READY && !c->ready) {
        c->ready = true;
        for (size_t i = 0; i < c->open_count; i++)
            put(c, c->open[i]->stream, CQL_QUERY, c->open[i]->flags, c->open[i]->body);
        return;
    }
    if (!c->ready) { /* the node drains: it refuses even STARTUP */
        broken(s, node);
        return;
    }
    for (size_t i = 0; i < c->open_count; i++) {
        struct question *q = c->open[i];
        if (q->stream != frame->header.stream)
            continue;
        if (!read_answer(s, q, frame)) {
            put(c, q->stream, CQL_QUERY, q->flags, q->body);
            return;
        }
        c->open_count--;
        memmove(&c->open[i], &c->open[i + 1], (c->open_count - i) * sizeof(struct question *));
        return;
    }
    bool was_asked = false;
    ASSERT(was_asked);
}

static void to_client(struct sim *s, const struct event *e)
{
    struct sim_client *c = client_of(s, e->node);
    struct cql_frame frame;
    if (e->client == TO_CLOSED) {
        push(s, e->node, EVENT_TO_NODE, TO_CLOSED, BYTES_NONE);
        broken(s, e->node);
        return;
    }
    enum cql_next next = CQL_NEXT_MORE;
    for (size_t at = 0; at < e->len; at += CQL_CONN_FEED_MAX) {
        size_t some = e->len - at < CQL_CONN_FEED_MAX ? e->len - at : CQL_CONN_FEED_MAX;
        cql_conn_feed(&c->conn, bytes_make(e->data + at, some));
        /* A frame may be one that makes us hang up. */
        while (c->number != 0 && (next = cql_conn_next(&c->conn, &frame)) == CQL_NEXT_FRAME)
            take_frame(s, e->node, &frame);
        ASSERT(next != CQL_NEXT_CLOSED);
    }
    flush(s, e->node);
}

/* --- the node's end */

static void drop_unread(struct sim_client *c)
{
    for (size_t i = c->unread_at; i < c->unread_count; i++)
        mem_free(c->unread[i].data);
    c->unread_at = 0;
    c->unread_count = 0;
    c->reading = false;
}

static void node_hears(struct sim *s, const struct event *e)
{
    static const enum node_event_type types[] = {NODE_CLIENT_BYTES, NODE_CLIENT_OPEN,
                                                 NODE_CLIENT_CLOSED};
    struct sim_client *c = client_of(s, e->node);
    if (e->client == TO_CLOSED)
        c->accepted = 0;
    struct node_event event = {
        .client = e->life, .from = endpoint_of(200, 1024), .bytes = bytes_make(e->data, e->len)};
    event.type = types[e->client];
    turn(s, e->node, &event);
}

static void keep_unread(struct sim *s, const struct event *e, struct bytes bytes)
{
    struct sim_client *c = client_of(s, e->node);
    struct event copy = *e;
    copy.data = bytes.len > 0 ? mem_copy(bytes.data, bytes.len) : NULL;
    copy.len = bytes.len;
    c->unread = mem_grow(c->unread, c->unread_count, &c->unread_cap, sizeof *c->unread);
    c->unread[c->unread_count++] = copy;
}

/* It reads a piece, and more when it is not too busy with that. */
static void node_reads(struct sim *s, const struct event *e)
{
    struct sim_client *c = client_of(s, e->node);
    const struct node *n = machine_of(s, e->node)->node;
    if (c->unread_count > 0 || node_client_is_busy(n, e->life)) {
        keep_unread(s, e, bytes_make(e->data, e->len));
        client_read_on(s, e->node);
        return;
    }
    struct event first = *e;
    if (first.len > READ_MAX) {
        keep_unread(s, e, bytes_make(e->data + READ_MAX, e->len - READ_MAX));
        first.len = READ_MAX;
    }
    node_hears(s, &first);
}

static void read_again(struct sim *s, unsigned node)
{
    struct sim_client *c = client_of(s, node);
    c->reading = false;
    if (c->unread_at == c->unread_count)
        return;
    struct event *e = &c->unread[c->unread_at];
    struct event first = *e;
    if (first.len > READ_MAX) {
        e->data = mem_copy(e->data + READ_MAX, e->len - READ_MAX);
        e->len -= READ_MAX;
        first.len = READ_MAX;
    } else if (++c->unread_at == c->unread_count) {
        c->unread_at = c->unread_count = 0;
    }
    node_hears(s, &first);
    mem_free(first.data);
}

void client_read_on(struct sim *s, unsigned node)
{
    struct sim_client *c = client_of(s, node);
    if (c->unread_count == 0 || c->reading ||
        node_client_is_busy(machine_of(s, node)->node, c->accepted))
        return;
    c->reading = true;
    queue_push(s, (struct event){.at = s->time,
                                 .type = EVENT_TO_NODE,
                                 .node = node,
                                 .life = c->accepted,
                                 .client = TO_AGAIN});
}

/* A connection waits in the backlog until the node is ready, and what follows on it too; one that
 * we closed meanwhile is never accepted. */
static void to_node(struct sim *s, struct event e)
{
    struct sim_client *c = client_of(s, e.node);
    struct machine *m = machine_of(s, e.node);
    if (m->node == NULL)
        return;
    if (e.client == TO_OPEN && c->number == e.life && node_is_ready(m->node)) {
        c->accepted = e.life;
        node_hears(s, &e);
    } else if (c->accepted == e.life && e.client == TO_AGAIN) {
        read_again(s, e.node);
    } else if (c->accepted == e.life) {
        node_reads(s, &e);
    } else if (c->number == e.life && e.client != TO_AGAIN) {
        e.at = s->time + BACKLOG;
        e.data = e.len > 0 ? mem_copy(e.data, e.len) : NULL;
        queue_push(s, e);
    }
}

void client_arrive(struct sim *s, const struct event *e)
{
    if (e->type == EVENT_TO_NODE)
        to_node(s, *e);
    else if (client_of(s, e->node)->number == e->life)
        to_client(s, e);
}

void client_out(struct sim *s, unsigned node)
{
    struct sim_client *c = client_of(s, node);
    struct node *n = machine_of(s, node)->node;
    struct bytes out = node_client_out(n, c->number);
    if (c->number == 0 || out.len == 0)
        return;
    push(s, node, EVENT_TO_CLIENT, TO_BYTES, out);
    node_client_sent(n, c->number, out.len);
}

void client_hang_up(struct sim *s, unsigned node, uint64_t number)
{
    if (client_of(s, node)->number != number)
        return;
    client_out(s, node);
    push(s, node, EVENT_TO_CLIENT, TO_CLOSED, BYTES_NONE);
}

void client_node_gone(struct sim *s, unsigned node)
{
    client_of(s, node)->accepted = 0;
    drop_unread(client_of(s, node));
    broken(s, node);
}

void sim_hang_up(struct sim *s, unsigned node)
{
    if (client_of(s, node)->number == 0)
        return;
    push(s, node, EVENT_TO_NODE, TO_CLOSED, BYTES_NONE);
    broken(s, node);
}

/* --- asking */

const struct sim_reply *sim_reply_of(const struct sim *s, uint64_t request)
{
    const struct question *q = map_get(&s->questions, request);
    return q != NULL ? &q->reply : NULL;
}

static void question_free(void *p)
{
    struct question *q = p;
    arena_close(&q->arena);
    mem_free(q);
}

/* One that is not answered stays until it is: its stream is taken. */
void sim_forget(struct sim *s, uint64_t request)
{
    struct question *q = map_get(&s->questions, request);
    if (q == NULL || q->reply.outcome == SIM_PENDING)
        return;
    map_remove(&s->questions, request);
    question_free(q);
}

static bool is_answered(struct sim *s, void *arg)
{
    return sim_reply_of(s, *(uint64_t *)arg)->outcome != SIM_PENDING;
}

const struct sim_reply *sim_cql(struct sim *s, unsigned via, enum cql_consistency level,
                                const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ASSERT(len < (int)sizeof text);
    sim_forget(s, s->last_asked);
    s->last_asked = sim_ask(s, via, level, text);
    sim_until(s, is_answered, &s->last_asked, SIM_ASK_TIMEOUT);
    const struct sim_reply *reply = sim_reply_of(s, s->last_asked);
    if (s->session != NULL && reply->session.len > 0) {
        buf_clear(s->session);
        buf_put_bytes(s->session, reply->session);
    }
    return reply;
}

static void say_cell(struct buf *out, uint16_t type, const struct sim_cell *c)
{
    if (c->is_null)
        buf_put_text(out, "null");
    else if (type == CQL_OPTION_INT && c->bytes.len == 4)
        buf_printf(out, "%" PRId32, (int32_t)load_u32(c->bytes.data));
    else if (type == CQL_OPTION_BIGINT && c->bytes.len == 8)
        buf_printf(out, "%" PRId64, (int64_t)load_u64(c->bytes.data));
    else if (type == CQL_OPTION_VARCHAR || type == CQL_OPTION_ASCII)
        buf_put_bytes(out, c->bytes);
    else
        for (size_t i = 0; i < c->bytes.len; i++)
            buf_printf(out, "%02x", c->bytes.data[i]);
}

static const char *error_name(enum cql_error_code code)
{
    switch (code) {
#define X(name, number, text)                                                                      \
    case CQL_ERROR_##name: return #name;
        CQL_ERROR_LIST(X)
#undef X
    }
    return "?";
}

const char *sim_say(struct sim *s, const struct sim_reply *reply)
{
    struct buf *out = &s->said;
    buf_clear(out);
    switch (reply->outcome) {
    case SIM_PENDING: buf_put_text(out, "no answer"); break;
    case SIM_LOST: buf_put_text(out, "lost"); break;
    case SIM_ERROR: buf_printf(out, "error: %s", error_name(reply->code)); break;
    case SIM_OK:
        if (reply->columns == 0)
            buf_put_text(out, "ok");
        else if (reply->rows == 0)
            buf_put_text(out, "no rows");
        for (uint32_t i = 0; i < reply->rows * reply->columns; i++) {
            if (i > 0)
                buf_put_text(out, i % reply->columns == 0 ? "; " : " ");
            say_cell(out, reply->types[i % reply->columns], &reply->cells[i]);
        }
    }
    buf_put_u8(out, 0);
    return (const char *)out->data;
}

void client_close(struct sim *s)
{
    for (unsigned i = 1; i <= s->count; i++) {
        broken(s, i);
        drop_unread(client_of(s, i));
        mem_free(client_of(s, i)->unread);
        mem_free(client_of(s, i)->open);
    }
    map_clear(&s->questions, question_free);
    map_close(&s->questions);
}
