#include "node/cql/exec/core.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

bool run_fail(struct run *r, enum cql_error_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->message.text, sizeof r->message.text, format, args);
    va_end(args);
    r->code = code;
    return false;
}

bool run_invalid(struct run *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->message.text, sizeof r->message.text, format, args);
    va_end(args);
    r->code = CQL_ERROR_INVALID;
    return false;
}

bool run_unsupported(struct run *r, const char *what)
{
    return run_invalid(r, "Not supported by this release of Torc: %s", what);
}

bool run_err(struct run *r, enum err err, const struct errmsg *m)
{
    if (err == ERR_OK)
        return true;
    return run_fail(r, cql_error_code_of(err), "%s", m->text);
}

void run_warn(struct run *r, const char *format, ...)
{
    struct errmsg m;
    va_list args;
    va_start(args, format);
    vsnprintf(m.text, sizeof m.text, format, args);
    va_end(args);
    struct warnings *w = r->warnings;
    struct bytes text = bytes_text(m.text);
    for (size_t i = 0; i < w->count; i++) {
        if (bytes_equal(w->items[i], text))
            return;
    }
    if (w->count < WARNINGS_MAX)
        w->items[w->count++] = arena_copy(r->arena, text);
}

void run_payload(struct run *r, const char *key, struct bytes value)
{
    struct payload *p = r->payload;
    size_t at = 0;
    while (at < p->count && !bytes_equal(p->items[at].key, bytes_text(key)))
        at++;
    ASSERT(at < PAYLOAD_MAX);
    p->count = at < p->count ? p->count : at + 1;
    p->items[at] = (struct cql_pair){bytes_text(key), arena_copy(r->arena, value)};
}

const char *run_text(struct run *r, struct bytes b)
{
    return arena_text(r->arena, b);
}

struct bytes run_take(struct run *r, struct buf *b)
{
    struct bytes taken = arena_copy(r->arena, buf_bytes(b));
    buf_close(b);
    return taken;
}

const struct table *run_table(struct run *r, const struct ast_table *id)
{
    const char *keyspace = id->keyspace.len > 0 ? run_text(r, id->keyspace) : r->keyspace;
    const char *name = run_text(r, id->name);
    if (keyspace == NULL || keyspace[0] == '\0') {
        run_invalid(r, "No keyspace has been specified. USE a keyspace, or explicitly specify "
                       "keyspace.tablename");
        return NULL;
    }
    if (schema_keyspace(r->schema, keyspace) == NULL) {
        run_invalid(r, "keyspace %s does not exist", keyspace);
        return NULL;
    }
    const struct table *t = schema_table(r->schema, keyspace, name);
    if (t == NULL)
        run_invalid(r, "table %s does not exist", name);
    r->table = t;
    return t;
}

const struct column *run_column(struct run *r, const struct table *t, struct bytes name)
{
    const char *text = run_text(r, name);
    const struct column *c = table_column(t, text);
    if (c == NULL)
        run_invalid(r, "Undefined column name %s in table %s.%s", text, t->keyspace, t->name);
    return c;
}

size_t column_index(const struct table *t, const struct column *c)
{
    return (size_t)(c - t->columns);
}

bool run_type(struct run *r, const struct ast_type *type, const struct cql_type **ret)
{
    struct errmsg m;
    struct cql_types none = {.keyspace = r->table != NULL ? r->table->keyspace : r->keyspace};
    const struct keyspace *k =
        none.keyspace != NULL ? schema_keyspace(r->schema, none.keyspace) : NULL;
    return run_err(r, cql_type_parse(r->arena, type->text, ret, &m), &m) &&
           run_err(r, cql_type_resolve(r->arena, *ret, k != NULL ? &k->types : &none, ret, &m), &m);
}

/* As it was written, with the keyspaces of user-defined types. */
static void put_type_text(struct run *r, const struct ast_type *type, struct buf *b)
{
    const struct cql_type *t;
    const char *keyspace = r->table != NULL ? r->table->keyspace : r->keyspace;
    if (type->params_count == 0) {
        bool udt = cql_type_parse(r->arena, type->text, &t, NULL) == ERR_OK && t->kind == CQL_UDT;
        if (udt && t->keyspace == NULL && keyspace != NULL)
            buf_printf(b, "%s.", keyspace);
        buf_put_bytes(b, type->text);
        return;
    }
    buf_put_bytes(b, type->id.name);
    for (size_t i = 0; i < type->params_count; i++) {
        buf_put_text(b, i == 0 ? "<" : ", ");
        put_type_text(r, type->params[i], b);
    }
    buf_put_text(b, ">");
}

const char *run_type_text(struct run *r, const struct ast_type *type)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    put_type_text(r, type, &b);
    return run_text(r, run_take(r, &b));
}

bool row_shows(const struct table *t, const struct row *row, int64_t now_s)
{
    if (t->dropped_count == 0)
        return row_is_live(row, now_s);
    for (size_t i = 0; i < row->cells_count; i++) {
        const struct cell *c = &row->cells[i];
        if (cell_is_live(c, now_s) &&
            (c->column == COLUMN_MARKER || table_column_by_id(t, c->column) != NULL))
            return true;
    }
    return false;
}
