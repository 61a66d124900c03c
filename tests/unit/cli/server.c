#include "unit/cli/server.h"

#include "base/mem.h"
#include "node/schema/value.h"

#include <CUnit/CUnit.h>
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const column_names[SERVER_COLUMNS] = {"id", "name", "tags", "n"};

/* Answers of one connection. */
struct serving {
    struct server *s;
    int fd;
    struct cql_conn conn;
    struct arena arena;
    bool hang_up;
};

static struct bytes option_of(struct arena *a, const struct cql_type *type)
{
    struct buf b;
    buf_init(&b, 256);
    cql_type_put_option(type, &b);
    struct bytes copy = arena_copy(a, buf_bytes(&b));
    buf_close(&b);
    return copy;
}

static struct cql_metadata columns_of(struct arena *a, size_t count)
{
    const struct cql_type *text = cql_type_native(CQL_TEXT);
    const struct cql_type *types[SERVER_COLUMNS] = {
        cql_type_native(CQL_INT), text, cql_type_set(a, text, false), cql_type_native(CQL_DOUBLE)};
    struct cql_column *c = arena_array(a, struct cql_column, count);
    for (size_t i = 0; i < count; i++)
        c[i] = (struct cql_column){BYTES_LIT("ks"), BYTES_LIT("t"), bytes_text(column_names[i]),
                                   option_of(a, types[i])};
    return (struct cql_metadata){.column_count = (uint32_t)count, .columns = c};
}

static void reply(struct serving *v, int16_t stream, struct cql_response *r)
{
    struct buf body;
    buf_init(&body, CQL_FRAME_MAX);
    uint8_t flags = cql_response_put(&body, cql_conn_version(&v->conn), r);
    ASSERT(cql_conn_put(&v->conn, stream, r->opcode, flags, buf_bytes(&body)) == ERR_OK);
    buf_close(&body);
}

static void fail(struct serving *v, int16_t stream, enum cql_error_code code, const char *text)
{
    struct cql_response r = {.opcode = CQL_ERROR};
    r.error = cql_error_make(code, bytes_text(text));
    reply(v, stream, &r);
}

static void done(struct serving *v, int16_t stream)
{
    reply(v, stream, &(struct cql_response){.opcode = CQL_RESULT, .kind = CQL_RESULT_VOID});
}

static void give_page(struct serving *v, int16_t stream, const struct cql_params *p)
{
    struct server *s = v->s;
    struct cql_response r = {.opcode = CQL_RESULT, .kind = CQL_RESULT_ROWS};
    struct buf content;
    uint8_t state[4];
    size_t from = (p->flags & CQL_QUERY_PAGING_STATE) != 0 && p->paging_state.len == 4
                      ? load_u32(p->paging_state.data)
                      : 0;
    size_t size = (p->flags & CQL_QUERY_PAGE_SIZE) != 0 ? (size_t)p->page_size : SIZE_MAX;
    size_t left = s->rows_count - from;
    size_t count = left < size ? left : size;
    buf_init(&content, CQL_FRAME_MAX);
    for (size_t i = 0; i < count * SERVER_COLUMNS; i++)
        cql_put_value(&content, s->rows[from + i / SERVER_COLUMNS].cells[i % SERVER_COLUMNS]);
    r.rows.metadata = columns_of(&v->arena, SERVER_COLUMNS);
    if (count < left) {
        store_u32(state, (uint32_t)(from + count));
        r.rows.metadata.flags = CQL_META_MORE_PAGES;
        r.rows.metadata.paging_state = bytes_make(state, sizeof state);
    }
    r.rows.count = (uint32_t)count;
    r.rows.content = buf_bytes(&content);
    s->pages++;
    reply(v, stream, &r);
    buf_close(&content);
}

static bool starts(struct bytes text, const char *with)
{
    return bytes_starts_with(text, bytes_text(with));
}

/* Rows of texts: what the schema tables and DESCRIBE give. */
static void give_texts(struct serving *v, int16_t stream, const char *const *names, size_t columns,
                       const char *const *cells, size_t rows)
{
    struct cql_response r = {.opcode = CQL_RESULT, .kind = CQL_RESULT_ROWS};
    struct buf content;
    struct cql_column *c = arena_array(&v->arena, struct cql_column, columns);
    buf_init(&content, CQL_FRAME_MAX);
    for (size_t i = 0; i < columns; i++)
        c[i] = (struct cql_column){BYTES_LIT("system"), BYTES_LIT("x"), bytes_text(names[i]),
                                   option_of(&v->arena, cql_type_native(CQL_TEXT))};
    for (size_t i = 0; i < rows * columns; i++)
        cql_put_bytes(&content, bytes_text(cells[i]));
    r.rows.metadata = (struct cql_metadata){.column_count = (uint32_t)columns, .columns = c};
    r.rows.count = (uint32_t)rows;
    r.rows.content = buf_bytes(&content);
    reply(v, stream, &r);
    buf_close(&content);
}

static void give_schema(struct serving *v, int16_t stream, struct bytes text)
{
    static const char *const names[] = {"keyspace_name", "type", "name", "create_statement"};
    static const char *const table[] = {"ks", "table", "t", "CREATE TABLE ks.t (id int);"};
    static const char *const tables[] = {"ks", "table", "t", "ks", "table", "u"};
    static const char *const many[] = {"ks",    "table", "a_name_of_thirty_characters_12",
                                       "ks",    "table", "b",
                                       "ks",    "table", "c",
                                       "ks",    "table", "d_name_of_thirty_characters_12",
                                       "ks",    "table", "e_name_of_thirty_characters_12",
                                       "other", "table", "z"};
    static const char *const columns[] = {"ks", "t", "id", "ks", "t", "name"};
    static const char *const keyspaces[] = {"ks", "other"};
    if (starts(text, "DESCRIBE TABLE t"))
        give_texts(v, stream, names, 4, table, 1);
    else if (starts(text, "DESCRIBE EMPTY"))
        give_texts(v, stream, names, 3, tables, 0);
    else if (starts(text, "DESCRIBE MANY"))
        give_texts(v, stream, names, 3, many, ARRAY_LEN(many) / 3);
    else if (starts(text, "DESCRIBE"))
        give_texts(v, stream, names, 3, tables, 2);
    else if (starts(text, "SELECT keyspace_name FROM"))
        give_texts(v, stream, names, 1, keyspaces, 2);
    else if (starts(text, "SELECT cluster_name"))
        give_texts(v, stream, names, 1, keyspaces, 1);
    else
        give_texts(v, stream, names, 3, columns, 2);
}

/* Each answer has a token that is one byte longer, and a receipt when one is wanted: what follows
 * the word. FULL is refused as a server does whose token is full, as long as there is any. */
static void give_token(struct serving *v, int16_t stream, const struct cql_request *q)
{
    struct cql_response r = {.opcode = CQL_RESULT, .kind = CQL_RESULT_VOID};
    struct bytes was = {0}, any, text = q->query.text;
    struct cql_pair pairs[2];
    struct buf next;
    size_t count = 0, word = starts(text, "TOKEN") ? 5 : 4;
    buf_init(&next, 1024);
    if (cql_map_get(&q->payload, "torc_session", &was)) {
        buf_put_bytes(&next, was);
        buf_put_u8(&next, 0xab);
        pairs[count++] = (struct cql_pair){BYTES_LIT("torc_session"), buf_bytes(&next)};
    }
    if (cql_map_get(&q->payload, "torc_receipt", &any))
        pairs[count++] = (struct cql_pair){BYTES_LIT("torc_receipt"),
                                           bytes_make(text.data + word, text.len - word)};
    r.prefix.payload = (struct cql_map){pairs, count};
    if (starts(text, "FULL") && was.len > 0) {
        r.opcode = CQL_ERROR;
        r.error = cql_error_make(CQL_ERROR_UNAVAILABLE, BYTES_LIT("no"));
        r.error.consistency = CQL_CL_ALL;
    }
    reply(v, stream, &r);
    buf_close(&next);
}

static void query(struct serving *v, int16_t stream, const struct cql_request *q)
{
    struct bytes text = q->query.text;
    struct cql_response r = {.opcode = CQL_RESULT};
    v->s->consistency = q->query.params.consistency;
    if (starts(text, "SELECT keyspace_name") || starts(text, "SELECT cluster_name") ||
        starts(text, "DESCRIBE")) {
        give_schema(v, stream, text);
    } else if (starts(text, "SELECT")) {
        give_page(v, stream, &q->query.params);
    } else if (starts(text, "USE ")) {
        r.kind = CQL_RESULT_SET_KEYSPACE;
        r.keyspace = BYTES_LIT("ks");
        reply(v, stream, &r);
    } else if (starts(text, "CREATE")) {
        r.kind = CQL_RESULT_SCHEMA_CHANGE;
        r.schema =
            (struct cql_schema_change){.target = CQL_TARGET_KEYSPACE, .keyspace = BYTES_LIT("ks")};
        reply(v, stream, &r);
    } else if (starts(text, "WARN")) {
        const struct bytes warning = BYTES_LIT("mind the gap");
        r.kind = CQL_RESULT_VOID;
        r.prefix.warnings = (struct cql_string_list){&warning, 1};
        reply(v, stream, &r);
    } else if (starts(text, "TOKEN") || starts(text, "FULL")) {
        give_token(v, stream, q);
    } else if (starts(text, "SYNTAX")) {
        fail(v, stream, CQL_ERROR_SYNTAX, "line 2:3 no viable alternative");
    } else if (starts(text, "UNAVAILABLE")) {
        r.opcode = CQL_ERROR;
        r.error = cql_error_make(CQL_ERROR_UNAVAILABLE, BYTES_LIT("no"));
        r.error.consistency = CQL_CL_QUORUM;
        r.error.required = 2;
        r.error.received = 1;
        reply(v, stream, &r);
    } else if (starts(text, "HANGUP")) {
        v->hang_up = true;
    } else {
        done(v, stream);
    }
}

static void prepare(struct serving *v, int16_t stream, const struct cql_request *q)
{
    struct cql_response r = {.opcode = CQL_RESULT, .kind = CQL_RESULT_PREPARED};
    bool insert = starts(q->prepare.text, "INSERT");
    size_t columns = starts(q->prepare.text, "SELECT id, name FROM") ||
                             starts(q->prepare.text, "INSERT INTO t (id, name)")
                         ? 2
                         : SERVER_COLUMNS;
    static const uint16_t pk[] = {0};
    if (!insert && !starts(q->prepare.text, "SELECT * FROM") &&
        !starts(q->prepare.text, "SELECT id, name")) {
        fail(v, stream, CQL_ERROR_INVALID, "Undefined column name");
        return;
    }
    r.prepared.id = BYTES_LIT("\x01\x02");
    r.prepared.result_metadata_id = BYTES_LIT("\x03");
    if (insert) {
        r.prepared.bind = columns_of(&v->arena, columns);
        r.prepared.bind.pk_indexes = pk;
        r.prepared.bind.pk_count = 1;
    } else {
        r.prepared.result = columns_of(&v->arena, columns);
    }
    reply(v, stream, &r);
}

static struct cql_value kept(struct server *s, struct cql_value v)
{
    if (v.kind != CQL_VALUE_SET)
        return CQL_NULL;
    return cql_value_make(arena_copy(&s->arena, v.data));
}

static void execute(struct serving *v, int16_t stream, const struct cql_request *q)
{
    struct server *s = v->s;
    const struct cql_values *values = &q->execute.params.values;
    s->executed++;
    if (s->executed == s->hang_up_at) {
        v->hang_up = true;
        return;
    }
    if (s->overloaded > 0) {
        s->overloaded--;
        fail(v, stream, CQL_ERROR_OVERLOADED, "too much");
        return;
    }
    if (load_u32(values->items[0].data.data) == 13) {
        fail(v, stream, CQL_ERROR_INVALID, "13 brings bad luck");
        return;
    }
    s->rows = mem_grow(s->rows, s->rows_count, &s->rows_cap, sizeof *s->rows);
    struct server_row *row = &s->rows[s->rows_count++];
    for (size_t i = 0; i < SERVER_COLUMNS; i++)
        row->cells[i] = i < values->count ? kept(s, values->items[i]) : CQL_NULL;
    done(v, stream);
}

static void act(struct serving *v, const struct cql_frame *frame)
{
    struct cql_request q;
    int16_t stream = frame->header.stream;
    arena_reset(&v->arena);
    if (cql_request_read(frame, &v->arena, &q, NULL) != ERR_OK) {
        fail(v, stream, CQL_ERROR_PROTOCOL, "malformed");
        return;
    }
    if (q.opcode == CQL_STARTUP && frame->header.version > v->s->version_most) {
        fail(v, stream, CQL_ERROR_PROTOCOL, "unsupported version");
        return;
    }
    switch (q.opcode) {
    case CQL_STARTUP: reply(v, stream, &(struct cql_response){.opcode = CQL_READY}); break;
    case CQL_QUERY: query(v, stream, &q); break;
    case CQL_PREPARE: prepare(v, stream, &q); break;
    case CQL_EXECUTE: execute(v, stream, &q); break;
    default: fail(v, stream, CQL_ERROR_PROTOCOL, "not here"); break;
    }
}

static void serve(struct server *s, int fd)
{
    static uint8_t chunk[1 << 16];
    struct serving v = {.s = s, .fd = fd};
    struct cql_frame frame;
    cql_conn_init(&v.conn, &(struct cql_conn_config){.end = CQL_SERVER});
    arena_init(&v.arena);
    while (!v.hang_up) {
        ssize_t n = recv(fd, chunk, sizeof chunk, 0);
        if (n <= 0)
            break;
        cql_conn_feed(&v.conn, bytes_make(chunk, (size_t)n));
        pthread_mutex_lock(&s->lock);
        while (cql_conn_next(&v.conn, &frame) == CQL_NEXT_FRAME)
            act(&v, &frame);
        pthread_mutex_unlock(&s->lock);
        struct bytes out = cql_conn_out(&v.conn);
        size_t at = 0;
        while (at < out.len && (n = send(fd, out.data + at, out.len - at, MSG_NOSIGNAL)) > 0)
            at += (size_t)n;
        cql_conn_sent(&v.conn, out.len);
    }
    close(fd);
    arena_close(&v.arena);
    cql_conn_close(&v.conn);
}

static void *run(void *arg)
{
    struct server *s = arg;
    int fd;
    while ((fd = accept(s->listen_fd, NULL, NULL)) >= 0)
        serve(s, fd);
    return NULL;
}

void server_start(struct server *s, uint8_t version_most)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    *s = (struct server){.version_most = version_most};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    arena_init(&s->arena);
    s->listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    ASSERT(bind(s->listen_fd, (struct sockaddr *)&a, sizeof a) == 0);
    ASSERT(listen(s->listen_fd, 8) == 0);
    ASSERT(getsockname(s->listen_fd, (struct sockaddr *)&a, &len) == 0);
    s->port = ntohs(a.sin_port);
    pthread_mutex_init(&s->lock, NULL);
    ASSERT(pthread_create(&s->thread, NULL, run, s) == 0);
}

void server_stop(struct server *s)
{
    shutdown(s->listen_fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listen_fd);
    pthread_mutex_destroy(&s->lock);
    arena_close(&s->arena);
    mem_free(s->rows);
    *s = (struct server){0};
}

void server_sync(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    pthread_mutex_unlock(&s->lock);
}

void server_add(struct server *s, int32_t id, const char *name)
{
    uint8_t bytes[4];
    store_u32(bytes, (uint32_t)id);
    s->rows = mem_grow(s->rows, s->rows_count, &s->rows_cap, sizeof *s->rows);
    s->rows[s->rows_count++] = (struct server_row){
        {cql_value_make(arena_copy(&s->arena, bytes_make(bytes, sizeof bytes))),
         cql_value_make(arena_copy(&s->arena, bytes_text(name))), CQL_NULL, CQL_NULL}};
}
