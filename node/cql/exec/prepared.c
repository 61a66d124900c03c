/* prepared.c - statements that clients prepared: text and AST, found by id.
 *
 * Names are resolved again for each execution, so a change of the schema needs no care here. The id
 * is a hash of keyspace and text, so that all nodes give the same: a driver prepares on one node
 * and executes on another, and at most is told to prepare there too. Should two statements hash
 * alike, the later one gets another id.
 */
#include "base/mem.h"
#include "node/cql/exec/core.h"
#include "node/cql/grammar/parse.h"
#include "ring/murmur3.h"

#include <string.h>

static void hash_bytes(struct bytes b, uint8_t ret[16])
{
    struct murmur3 h = murmur3_hash(b);
    store_u64(ret, h.h1);
    store_u64(ret + 8, h.h2);
}

static void make_id(const char *keyspace, struct bytes text, uint32_t attempt, uint8_t ret[16])
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    buf_put_text(&b, keyspace != NULL ? keyspace : "");
    buf_put_u8(&b, 0);
    buf_put_bytes(&b, text);
    if (attempt > 0)
        buf_put_u32(&b, attempt);
    hash_bytes(buf_bytes(&b), ret);
    buf_close(&b);
}

void prepared_unref(struct prepared *p)
{
    if (p == NULL || --p->refs > 0)
        return;
    arena_close(&p->arena);
    mem_free(p);
}

static void drop(struct exec *e, struct prepared *p)
{
    list_remove(&p->lru);
    bmap_remove(&e->prepared, bytes_make(p->id, sizeof p->id));
    e->prepared_bytes -= p->bytes;
    prepared_unref(p);
}

void prepared_forget(struct exec *e, struct prepared *p)
{
    if (!list_empty(&p->lru))
        drop(e, p);
}

void prepared_drop_all(struct exec *e)
{
    while (!list_empty(&e->lru))
        drop(e, container_of(e->lru.next, struct prepared, lru));
}

static struct prepared *use(struct exec *e, struct prepared *p)
{
    list_remove(&p->lru);
    list_push_back(&e->lru, &p->lru);
    p->refs++;
    return p;
}

struct prepared *prepared_find(struct exec *e, struct bytes id)
{
    struct prepared *p = bmap_get(&e->prepared, id);
    if (p == NULL) {
        e->stats.prepared_misses++;
        return NULL;
    }
    e->stats.prepared_hits++;
    return use(e, p);
}

static bool is_same(const struct prepared *p, const char *keyspace, struct bytes text)
{
    const char *a = p->keyspace != NULL ? p->keyspace : "";
    return strcmp(a, keyspace != NULL ? keyspace : "") == 0 && bytes_equal(p->text, text);
}

static void make_room(struct exec *e, size_t bytes)
{
    while (!list_empty(&e->lru) && (bmap_count(&e->prepared) >= e->config.prepared_max ||
                                    e->prepared_bytes + bytes > e->config.prepared_bytes_max)) {
        drop(e, container_of(e->lru.next, struct prepared, lru));
        e->stats.evictions++;
    }
}

struct prepared *prepared_add(struct exec *e, struct run *r, const char *keyspace,
                              struct bytes text)
{
    uint8_t id[16];
    if (value_validate(cql_type_native(CQL_TEXT), text, NULL) != ERR_OK) {
        run_fail(r, CQL_ERROR_PROTOCOL, "Cannot decode string as UTF8");
        return NULL;
    }
    for (uint32_t attempt = 0;; attempt++) {
        make_id(keyspace, text, attempt, id);
        struct prepared *p = bmap_get(&e->prepared, bytes_make(id, sizeof id));
        if (p == NULL)
            break;
        if (is_same(p, keyspace, text))
            return use(e, p);
    }
    struct prepared *p = mem_new(struct prepared);
    struct errmsg m;
    list_init(&p->lru);
    memcpy(p->id, id, sizeof id);
    arena_init(&p->arena);
    p->refs = 1;
    p->text = arena_copy(&p->arena, text);
    p->keyspace = keyspace != NULL ? arena_text(&p->arena, bytes_text(keyspace)) : NULL;
    if (!run_err(r, cql_parse(text, &p->arena, &p->ast, &m), &m)) {
        prepared_unref(p);
        return NULL;
    }
    p->bytes = arena_used(&p->arena) + sizeof *p;
    if (p->bytes > e->config.prepared_bytes_max / 2) {
        run_invalid(r, "The statement is too large to be prepared");
        prepared_unref(p);
        return NULL;
    }
    make_room(e, p->bytes);
    bmap_put(&e->prepared, bytes_make(p->id, sizeof p->id), p);
    e->prepared_bytes += p->bytes;
    list_push_back(&e->lru, &p->lru);
    p->refs++;
    return p;
}

void metadata_id(const struct cql_column *columns, size_t count, uint8_t ret_id[16])
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < count; i++) {
        buf_put_vbytes(&b, columns[i].keyspace);
        buf_put_vbytes(&b, columns[i].table);
        buf_put_vbytes(&b, columns[i].name);
        buf_put_vbytes(&b, columns[i].type);
    }
    hash_bytes(buf_bytes(&b), ret_id);
    buf_close(&b);
}

/* The marker that alone gives this key column its value; -1: none. */
static int key_marker(const struct ast_stmt *s, const struct column *c)
{
    const struct ast_relations *where = s->kind == AST_SELECT   ? &s->select.where
                                        : s->kind == AST_UPDATE ? &s->update.where
                                        : s->kind == AST_DELETE ? &s->delete.where
                                                                : NULL;
    if (s->kind == AST_INSERT) {
        for (size_t i = 0; i < s->insert.columns.count && i < s->insert.values.count; i++) {
            if (bytes_equal_text(s->insert.columns.items[i], c->name) &&
                s->insert.values.items[i]->kind == AST_MARKER)
                return (int)s->insert.values.items[i]->marker;
        }
    }
    int found = -1;
    for (size_t i = 0; where != NULL && i < where->count; i++) {
        const struct ast_relation *a = &where->items[i];
        if (a->kind != AST_REL_COLUMN || !bytes_equal_text(a->columns.items[0], c->name))
            continue;
        const struct ast_term *value = a->value;
        if (a->op == AST_EQ && value->kind == AST_CAST) /* (int)? */
            value = value->items.items[0];
        if (a->op == AST_EQ && value->kind == AST_MARKER)
            found = (int)value->marker;
        for (size_t j = 0; a->op == AST_IN && j < a->list.count; j++) { /* the last one, as there */
            if (a->list.items[j]->kind == AST_MARKER)
                found = (int)a->list.items[j]->marker;
        }
    }
    return found;
}

/* The markers of the partition key; of a batch of one table those that come last. */
static void put_key_indexes(struct run *r, const struct ast_stmt *s, struct cql_metadata *bind)
{
    const struct table *t = r->table;
    bool batch = s->kind == AST_BATCH;
    if (t == NULL || (s->kind > AST_DELETE && !batch) ||
        (batch && s->batch.using.timestamp != NULL &&
         s->batch.using.timestamp->kind == AST_MARKER)) /* Cassandra says nothing then */
        return;
    uint16_t *indexes = arena_array(r->arena, uint16_t, t->partition_key_count);
    for (size_t i = 0; batch && i < s->batch.count; i++) {
        if (modify_table(r, s->batch.items[i]) != t)
            return;
    }
    for (uint32_t i = 0; i < t->partition_key_count; i++) {
        int marker = batch ? -1 : key_marker(s, &t->columns[i]);
        for (size_t j = batch ? s->batch.count : 0; j-- > 0 && marker < 0;)
            marker = key_marker(s->batch.items[j], &t->columns[i]);
        if (marker < 0)
            return;
        indexes[i] = (uint16_t)marker;
    }
    bind->pk_indexes = indexes;
    bind->pk_count = t->partition_key_count;
}

/* Resolve the statement, which fills r->markers, and find the columns of its result. */
static bool resolve(struct run *r, const struct ast_stmt *s, struct cql_metadata *result)
{
    struct select *select;
    struct modify_times times = {0};
    switch (s->kind) {
    case AST_SELECT:
        if (!select_resolve(r, &s->select, &select))
            return false;
        result->column_count = (uint32_t)select_columns(r, select, &result->columns);
        return true;
    case AST_INSERT:
    case AST_UPDATE:
    case AST_DELETE: return modify(r, s, &times, NULL, NULL);
    case AST_BATCH:
        if (!modify_batch_check(r, &s->batch))
            return false;
        times = (struct modify_times){&s->batch.using, true};
        for (size_t i = 0; i < s->batch.count; i++) {
            if (!modify(r, s->batch.items[i], &times, NULL, NULL))
                return false;
        }
        return true;
    case AST_OTHER: return s->other.kind != NULL || run_unsupported(r, s->other.what);
    default: return true;
    }
}

bool prepared_reply(struct run *r, const struct prepared *p, uint8_t version, struct buf *body)
{
    size_t count = p->ast.markers.count;
    uint8_t id[16];
    struct cql_prepared reply = {.id = bytes_make(p->id, sizeof p->id)};
    if (!resolve(r, p->ast.stmt, &reply.result))
        return false;
    struct cql_column *columns = arena_array(r->arena, struct cql_column, count);
    for (size_t i = 0; i < count; i++) {
        const struct marker *m = &r->markers[i];
        if (m->type == NULL || m->table == NULL)
            return run_invalid(r, "Bind variables cannot be used in this statement");
        columns[i] = result_column(r, m->table->keyspace, m->table->name, m->name, m->type);
    }
    reply.bind.columns = columns;
    reply.bind.column_count = (uint32_t)count;
    put_key_indexes(r, p->ast.stmt, &reply.bind);
    metadata_id(reply.result.columns, reply.result.column_count, id);
    reply.result_metadata_id = bytes_make(id, sizeof id);
    cql_prepared_put(body, version, &reply);
    return true;
}
