/* modify_json.c - INSERT JSON: a text with a value for each column, those it does not name null or,
 * with DEFAULT UNSET, left as they are. A text that is bound is read when it is there. */
#include "node/cql/exec/modify.h"
#include "node/schema/json.h"

static struct ast_term *made(struct run *r, enum ast_term_kind kind, struct bytes text)
{
    struct ast_term *t = arena_new(r->arena, struct ast_term);
    t->kind = kind;
    t->text = text;
    return t;
}

/* A duration's own words say enough, to Cassandra. */
static bool refuse(struct run *r, const struct column *c, const struct json *j, const char *why)
{
    if (c->type->kind == CQL_DURATION && j->kind == JSON_STRING)
        return run_invalid(r, "%s", why);
    return run_invalid(r, "Error decoding JSON value for %s: %s", c->name, why);
}

static struct ast_term *term_of(struct run *r, const struct column *c, const struct json *j)
{
    struct buf b;
    struct errmsg m;
    bool null;
    buf_init(&b, BUF_MAX_DEFAULT);
    enum err err = value_from_json(r->arena, c->type, j, &b, &null, &m);
    if (err == ERR_OK && b.len > EXEC_VALUE_MAX)
        err = errmsg_set(&m, ERR_INVALID, "it is too large: %zu bytes, at most %zu are stored",
                         b.len, EXEC_VALUE_MAX);
    struct bytes data = run_take(r, &b);
    if (err != ERR_OK) {
        refuse(r, c, j, m.text);
        return NULL;
    }
    return null ? made(r, AST_NULL, BYTES_NONE) : made(r, AST_VALUE, data);
}

/* What the text says of each column, in the order of columns; NULL where it says nothing. */
static bool read_columns(struct run *r, const struct table *t, struct bytes text,
                         struct ast_term **ret)
{
    struct json j;
    struct errmsg m;
    if (json_read(r->arena, text, &j, &m) != ERR_OK)
        return run_invalid(r, "Could not decode JSON string as a map: %s. (String was: %s)", m.text,
                           run_text(r, text));
    if (j.kind == JSON_NULL)
        return run_invalid(r, "Got null for INSERT JSON values");
    if (j.kind != JSON_OBJECT)
        return run_invalid(r, "Could not decode JSON string as a map: it is none. (String was: %s)",
                           run_text(r, text));
    const char *unknown = NULL;
    for (size_t i = 0; i < j.count; i++) {
        const char *name = run_text(r, json_name(r->arena, j.names[i]));
        const struct column *c = table_column(t, name);
        if (c == NULL) {
            unknown = unknown != NULL ? unknown : name;
            continue;
        }
        ret[column_index(t, c)] = term_of(r, c, &j.items[i]);
        if (ret[column_index(t, c)] == NULL)
            return false;
    }
    return unknown == NULL ||
           run_invalid(r, "JSON values map contains unrecognized column: %s", unknown);
}

bool modify_json(struct run *r, const struct ast_insert *s, struct modify *m)
{
    const struct table *t = m->table;
    struct slot text = {s->json, cql_type_native(CQL_TEXT), "[json]"};
    struct ast_term **values = arena_array(r->arena, struct ast_term *, t->column_count);
    struct cql_value v;
    enum ast_term_kind missing = s->json_default_unset ? AST_UNSET : AST_NULL;
    if (!slot_declare(r, text))
        return false;
    if (m->evaluates || s->json->kind != AST_MARKER) {
        if (!slot_value(r, text, &v))
            return false;
        if (v.kind != CQL_VALUE_SET)
            return run_invalid(r, "Got null for INSERT JSON values");
        if (!read_columns(r, t, v.data, values))
            return false;
    }
    m->ops = arena_array(r->arena, struct op, t->column_count);
    m->key_slots = arena_array(r->arena, struct slot, t->partition_key_count + t->clustering_count);
    for (uint32_t i = 0; i < t->column_count; i++) {
        const struct column *c = &t->columns[i];
        struct ast_term *value = values[i] != NULL ? values[i] : made(r, missing, BYTES_NONE);
        if (i < t->partition_key_count + t->clustering_count) {
            m->key_slots[i] = (struct slot){value, c->type, c->name};
            continue;
        }
        struct op *op = &m->ops[m->ops_count++];
        op->column = c;
        op->value = (struct slot){value, c->type, c->name};
    }
    return true;
}
