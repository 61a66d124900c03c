#include "one_node.h"

#include "base/mem.h"
#include "node/schema/value.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

static const token tokens[] = {INT64_MAX, 0};

static struct exec_peer peer(uint8_t last)
{
    struct exec_peer p = {.dc = "dc1", .rack = "rack1", .release_version = "5.0.0"};
    memset(p.host_id.b, last, sizeof p.host_id.b);
    p.internode = endpoint_v4(127, 0, 0, last, 7000);
    p.cql = endpoint_v4(127, 0, 0, last, 9042);
    p.tokens = tokens;
    p.tokens_count = ARRAY_LEN(tokens);
    return p;
}

static void show_schema(struct one_node *n)
{
    n->view.schema = n->schema;
    n->view.self.schema_version = n->schema->version;
    n->peers[0].schema_version = n->schema->version;
    n->peers[1].schema_version = n->schema->version;
    exec_set_view(n->exec, &n->view);
}

/* What a node would tell of itself. */
static void fill_settings(void *arg, const char *table, struct exec_rows *out)
{
    static const char *const settings[][2] = {{"cluster_name", "test cluster"},
                                              {"endpoint", "127.0.0.1:7000"},
                                              {"native_transport", "127.0.0.1:9042"},
                                              {"partitioner", "murmur3"}};
    (void)arg;
    for (size_t i = 0; strcmp(table, "settings") == 0 && i < ARRAY_LEN(settings); i++) {
        exec_row(out);
        exec_put_text(out, "name", settings[i][0]);
        exec_put_text(out, "value", settings[i][1]);
    }
}

void one_node_open(struct one_node *n)
{
    one_node_open_with(n, &(struct exec_config){.seed = 1});
}

void one_node_open_with(struct one_node *n, const struct exec_config *config)
{
    struct engine_config engine = {.seed = 1, .ring_ranges = 16};
    struct errmsg m;
    *n = (struct one_node){.version = 4, .level = CQL_CL_ONE};
    n->now.wall = INT64_C(1700000000000000);
    n->timestamp_us = n->now.wall;
    n->exec = exec_new(config);
    exec_set_source(n->exec, &(struct exec_source){fill_settings, NULL});
    n->schema = schema_new();
    n->store = store_mem_new();
    CU_ASSERT_EQUAL_FATAL(engine_new(n->store, &engine, &n->engine, &m), ERR_OK);
    n->view.cluster_name = "test cluster";
    n->view.self = peer(1);
    n->peers[0] = peer(2);
    n->peers[1] = peer(3);
    n->view.peers = n->peers;
    n->view.peers_count = 2;
    show_schema(n);
    buf_init(&n->text, BUF_MAX_DEFAULT);
}

void one_node_close(struct one_node *n)
{
    exec_free(n->exec);
    engine_free(n->engine);
    store_close(n->store);
    schema_unref(n->schema);
    arena_close(&n->arena);
    buf_close(&n->text);
    mem_free(n->keyspace);
    mem_free(n->user);
}

/* --- performing */

/* Not bcrypt, which would take its time. */
static void do_password(struct one_node *n, const struct exec_effect *effect)
{
    struct exec_result r = {.err = n->fail_passwords};
    char made[128];
    snprintf(made, sizeof made, "hash of %s", effect->password.password);
    n->passwords++;
    if (effect->password.hash == NULL)
        r.hash = made;
    else
        r.matches = strcmp(made, effect->password.hash) == 0;
    exec_done(n->exec, n->now, effect->op, &r);
}

/* What the only replica makes of a mutation, and applies. */
static enum err apply(struct one_node *n, keyspace_no keyspace, const struct exec_mutation *m,
                      uint32_t *ret_merged)
{
    struct arena arena = {0};
    struct minted minted = {.part = m->part};
    struct dot dot = engine_next_dot(n->engine, keyspace, 0, (struct actor){1, 1});
    enum err err = ERR_OK;
    if (m->supersede.siblings)
        err = engine_supersede(n->engine, keyspace, 0, &m->part, &m->supersede, dot, 0,
                               n->now.wall / USEC_PER_SEC, &arena, &minted);
    else
        part_set_dot(&minted.part, dot);
    if (err == ERR_OK)
        err = engine_apply(n->engine, keyspace, 0, &minted.part, dot, NULL, 0);
    *ret_merged += (uint32_t)minted.merged;
    n->mutations++;
    arena_close(&arena);
    return err;
}

static void do_write(struct one_node *n, const struct exec_effect *effect)
{
    struct exec_result r = {.err = n->fail_writes,
                            .level = effect->write.level,
                            .kind = effect->write.kind,
                            .required = 2,
                            .received = 1};
    n->writes++;
    n->kind = effect->write.kind;
    n->stamp_us = effect->write.stamp_us;
    r.lost = n->lost;
    r.lost_in = effect->write.mutations[0].part.table;
    r.behind_us = n->behind_us;
    for (size_t i = 0; i < effect->write.count && r.err == ERR_OK; i++) {
        const struct exec_mutation *m = &effect->write.mutations[i];
        r.err = apply(n, m->keyspace, m, &r.merged);
        r.merged_in = i == 0 || m->part.table == r.merged_in ? m->part.table : 0;
    }
    store_flush(n->store);
    store_mem_sync(n->store, SIZE_MAX);
    exec_done(n->exec, n->now, effect->op, &r);
}

static void do_read(struct one_node *n, const struct exec_effect *effect)
{
    struct arena arena = {0};
    struct scan_result rows = {0};
    struct exec_result r = {.err = n->fail_reads,
                            .level = effect->read.level,
                            .required = 2,
                            .received = 1,
                            .rows = &rows};
    n->reads++;
    if (r.err == ERR_OK)
        r.err = engine_scan(n->engine, effect->read.scan, &arena, &rows);
    exec_done(n->exec, n->now, effect->op, &r);
    arena_close(&arena);
}

/* The only replica, alone with one client: what it reads is what it may change. */
static void do_cas(struct one_node *n, const struct exec_effect *effect)
{
    struct arena arena = {0};
    struct scan_result rows = {0};
    struct exec_result r = {.err = n->fail_reads,
                            .level = effect->cas.serial,
                            .kind = CQL_WRITE_CAS,
                            .required = 2,
                            .received = 1,
                            .rows = &rows,
                            .cas = EXEC_CAS_ROWS,
                            .stamp_us = ++n->timestamp_us};
    n->reads++;
    if (r.err == ERR_OK)
        r.err = engine_scan(n->engine, effect->cas.scan, &arena, &rows);
    for (size_t i = 0; i < rows.parts_count; i++) {
        int64_t newest = part_max_timestamp(&rows.parts[i]);
        r.stamp_us = newest >= r.stamp_us ? newest + 1 : r.stamp_us;
    }
    exec_done(n->exec, n->now, effect->op, &r);
    arena_close(&arena);
}

static void do_propose(struct one_node *n, const struct exec_effect *effect)
{
    struct exec_result r = {.err = n->fail_writes,
                            .kind = CQL_WRITE_CAS,
                            .level = CQL_CL_SERIAL,
                            .required = 2,
                            .received = 1,
                            .cas = EXEC_CAS_NOT_APPLIED};
    if (effect->propose.change != NULL && r.err == ERR_OK) {
        r.err = apply(n, 1, effect->propose.change, &r.merged);
        r.cas = EXEC_CAS_APPLIED;
    }
    store_flush(n->store);
    store_mem_sync(n->store, SIZE_MAX);
    exec_done(n->exec, n->now, effect->op, &r);
}

static void do_ddl(struct one_node *n, uint64_t op, const struct ddl *ddl)
{
    struct buf b;
    struct arena arena = {0};
    struct ddl copy;
    struct errmsg m;
    struct exec_result r = {0};
    const struct schema *next = NULL;
    buf_init(&b, DDL_BYTES_MAX);
    ddl_encode(ddl, &b); /* what the metadata log would carry */
    CU_ASSERT_EQUAL_FATAL(ddl_decode(buf_bytes(&b), &arena, &copy), ERR_OK);
    r.err = schema_apply(n->schema, (uint32_t)n->schema->epoch + 1, &copy, &next, &r.change, &m);
    r.message = m.text;
    if (r.err == ERR_OK) {
        schema_unref(n->schema);
        n->schema = next;
        show_schema(n);
    }
    exec_done(n->exec, n->now, op, &r);
    arena_close(&arena);
    buf_close(&b);
}

static void do_reply(struct one_node *n, const struct exec_effect *effect)
{
    struct cql_frame frame = {.header = {.version = n->version,
                                         .response = true,
                                         .flags = effect->reply.flags,
                                         .stream = effect->stream,
                                         .opcode = (uint8_t)effect->reply.opcode}};
    struct errmsg m;
    CU_ASSERT(!n->replied);
    n->replied = true;
    frame.body = arena_copy(&n->arena, effect->reply.body);
    enum err err = cql_response_read(&frame, &n->arena, &n->response, &m);
    CU_ASSERT_EQUAL(err, ERR_OK);
    if (err != ERR_OK)
        printf("\n  malformed reply: %s\n", m.text);
}

static void perform(struct one_node *n, const struct exec_effect *effect)
{
    bool op = effect->op != 0;
    if (op && n->held) {
        n->waiting = effect->op;
        return;
    }
    switch (effect->type) {
    case EXEC_REPLY: do_reply(n, effect); break;
    case EXEC_WRITE: do_write(n, effect); break;
    case EXEC_READ: do_read(n, effect); break;
    case EXEC_CAS: do_cas(n, effect); break;
    case EXEC_CAS_PROPOSE: do_propose(n, effect); break;
    case EXEC_DDL: do_ddl(n, effect->op, effect->ddl); break;
    case EXEC_PASSWORD: do_password(n, effect); break;
    case EXEC_LOGIN:
        mem_free(n->user);
        n->user = mem_text(effect->user);
        break;
    case EXEC_USE:
        mem_free(n->keyspace);
        n->keyspace = mem_text(effect->keyspace);
        break;
    case EXEC_REGISTER: n->events |= effect->events; break;
    }
}

static void perform_all(struct one_node *n)
{
    const struct exec_effect *effects;
    for (size_t i = 0; i < exec_effects(n->exec, &effects); i++) {
        struct exec_effect effect = effects[i]; /* the list grows meanwhile */
        perform(n, &effect);
    }
    exec_clear(n->exec);
    CU_ASSERT(n->replied || n->held);
}

void one_node_request(struct one_node *n, const struct cql_request *request)
{
    struct exec_request r = {.conn = 1 + n->other_conn,
                             .stream = 7,
                             .version = n->version,
                             .request = request,
                             .keyspace = n->keyspace,
                             .user = n->user,
                             .client = n->client != NULL ? bytes_text(n->client) : BYTES_NONE,
                             .timestamp_us = ++n->timestamp_us,
                             .no_timestamp = n->no_timestamp};
    arena_reset(&n->arena);
    n->response = (struct cql_response){0};
    n->replied = false;
    exec_request(n->exec, n->now, &r);
    perform_all(n);
}

const char *one_node_setup(struct one_node *n)
{
    arena_reset(&n->arena);
    n->response = (struct cql_response){0};
    n->replied = false;
    exec_setup(n->exec, n->now, ++n->timestamp_us);
    perform_all(n);
    return one_node_text(n);
}

const char *one_node_login(struct one_node *n, const char *role, const char *password)
{
    struct cql_request r = {.opcode = CQL_AUTH_RESPONSE};
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_put_u8(&b, 0);
    buf_put_text(&b, role);
    buf_put_u8(&b, 0);
    buf_put_text(&b, password);
    r.auth_response = cql_value_make(buf_bytes(&b));
    one_node_request(n, &r);
    buf_close(&b);
    return one_node_text(n);
}

/* --- showing */

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

static void show_rows(struct one_node *n, const struct cql_rows *rows)
{
    struct reader cells = cql_rows_reader(rows);
    for (uint32_t i = 0; i < rows->count; i++) {
        buf_put_text(&n->text, i > 0 ? " | " : "");
        for (uint32_t j = 0; j < rows->metadata.column_count; j++) {
            struct cql_value v = cql_read_bytes(&cells);
            struct reader type = reader_make(rows->metadata.columns[j].type);
            const struct cql_type *t = cql_type_read_option(&type, &n->arena);
            CU_ASSERT_PTR_NOT_NULL_FATAL(t);
            buf_put_text(&n->text, j > 0 ? ", " : "");
            if (v.kind != CQL_VALUE_SET)
                buf_put_text(&n->text, "null");
            else
                value_print_literal(t, v.data, &n->text);
        }
    }
    if (rows->count == 0)
        buf_put_text(&n->text, "(no rows)");
    if (rows->metadata.flags & CQL_META_MORE_PAGES)
        buf_put_text(&n->text, " …");
}

static void show_change(struct one_node *n, const struct cql_schema_change *c)
{
    buf_printf(&n->text, "%s %s %.*s", cql_change_name(c->change), cql_target_name(c->target),
               (int)c->keyspace.len, (const char *)c->keyspace.data);
    if (c->target != CQL_TARGET_KEYSPACE)
        buf_printf(&n->text, ".%.*s", (int)c->name.len, (const char *)c->name.data);
}

const char *one_node_text(struct one_node *n)
{
    const struct cql_response *r = &n->response;
    buf_clear(&n->text);
    if (r->opcode == CQL_ERROR) {
        buf_printf(&n->text, "%s: %.*s", error_name(r->error.code), (int)r->error.message.len,
                   (const char *)r->error.message.data);
    } else if (r->opcode != CQL_RESULT) {
        buf_put_text(&n->text, cql_opcode_name(r->opcode));
    } else {
        switch (r->kind) {
        case CQL_RESULT_VOID: buf_put_text(&n->text, "void"); break;
        case CQL_RESULT_ROWS: show_rows(n, &r->rows); break;
        case CQL_RESULT_SET_KEYSPACE:
            buf_printf(&n->text, "keyspace %.*s", (int)r->keyspace.len,
                       (const char *)r->keyspace.data);
            break;
        case CQL_RESULT_PREPARED: buf_put_text(&n->text, "prepared"); break;
        case CQL_RESULT_SCHEMA_CHANGE: show_change(n, &r->schema); break;
        }
    }
    for (size_t i = 0; i < r->prefix.warnings.count; i++)
        buf_printf(&n->text, " [warning: %.*s]", (int)r->prefix.warnings.items[i].len,
                   (const char *)r->prefix.warnings.items[i].data);
    buf_put_u8(&n->text, 0);
    return (const char *)n->text.data;
}

const char *one_node_page(struct one_node *n, const char *cql, int32_t size, struct bytes state)
{
    struct cql_request r = {.opcode = CQL_QUERY};
    uint8_t room[4096];
    CU_ASSERT_FATAL(state.len <= sizeof room); /* the arena it is in will be reset */
    if (state.len > 0)
        memcpy(room, state.data, state.len);
    r.payload = n->payload;
    r.query.text = bytes_text(cql);
    r.query.params.consistency = n->level;
    r.query.params.flags =
        (size > 0 ? CQL_QUERY_PAGE_SIZE : 0) | (state.len > 0 ? CQL_QUERY_PAGING_STATE : 0);
    r.query.params.page_size = size;
    r.query.params.paging_state = bytes_make(room, state.len);
    one_node_request(n, &r);
    return one_node_text(n);
}

const char *one_node_query(struct one_node *n, const char *cql)
{
    return one_node_page(n, cql, 0, BYTES_NONE);
}

const char *one_node_execute(struct one_node *n, const char *cql, const struct cql_value *values,
                             size_t count)
{
    struct cql_request r = {.opcode = CQL_PREPARE};
    uint8_t id[16];
    r.prepare.text = bytes_text(cql);
    one_node_request(n, &r);
    if (n->response.opcode != CQL_RESULT || n->response.prepared.id.len != sizeof id)
        return one_node_text(n);
    memcpy(id, n->response.prepared.id.data, sizeof id);
    r = (struct cql_request){.opcode = CQL_EXECUTE, .payload = n->payload};
    r.execute.id = bytes_make(id, sizeof id);
    r.execute.params.consistency = n->level;
    r.execute.params.flags = CQL_QUERY_VALUES;
    r.execute.params.values = (struct cql_values){values, NULL, count};
    one_node_request(n, &r);
    return one_node_text(n);
}

static bool matches(const char *reply, const char *want)
{
    size_t len = strlen(want);
    if (len > 0 && want[len - 1] == '*')
        return strncmp(reply, want, len - 1) == 0;
    return strcmp(reply, want) == 0;
}

void one_node_story(struct one_node *n, const struct story *story)
{
    for (; story->cql != NULL; story++) {
        const char *reply = one_node_query(n, story->cql);
        bool good = matches(reply, story->reply);
        CU_ASSERT(good);
        if (!good)
            printf("\n  %s\n    want %s\n    have %s\n", story->cql, story->reply, reply);
    }
}
