#include "node/cql/grammar/build.h"

#include "base/buf.h"
#include "node/cql/grammar/keywords.h"

/* One growing array a kind of item; the old ones are left to the arena. */
#define PUSH(p, list, item)                                                                        \
    do {                                                                                           \
        (list)->items = arena_grow((p)->arena, (list)->items, (list)->count, &(list)->cap,         \
                                   sizeof(list)->items[0]);                                        \
        (list)->items[(list)->count++] = (item);                                                   \
    } while (0)

void cql_names_push(struct cql_parser *p, struct ast_names *l, struct bytes item)
{
    PUSH(p, l, item);
}

void cql_terms_push(struct cql_parser *p, struct ast_terms *l, struct ast_term *item)
{
    PUSH(p, l, item);
}

void cql_selectors_push(struct cql_parser *p, struct ast_selectors *l, struct ast_selector item)
{
    PUSH(p, l, item);
}

void cql_relations_push(struct cql_parser *p, struct ast_relations *l, struct ast_relation item)
{
    PUSH(p, l, item);
}

void cql_orders_push(struct cql_parser *p, struct ast_orders *l, struct ast_order item)
{
    PUSH(p, l, item);
}

void cql_assigns_push(struct cql_parser *p, struct ast_assigns *l, struct ast_assign item)
{
    PUSH(p, l, item);
}

void cql_removals_push(struct cql_parser *p, struct ast_removals *l, struct ast_removal item)
{
    PUSH(p, l, item);
}

void cql_properties_push(struct cql_parser *p, struct ast_properties *l, struct ast_property item)
{
    PUSH(p, l, item);
}

void cql_columns_push(struct cql_parser *p, struct ast_columns *l, struct ast_column item)
{
    PUSH(p, l, item);
}

void cql_targets_push(struct cql_parser *p, struct ast_targets *l, struct ast_target item)
{
    PUSH(p, l, item);
}

void cql_batch_push(struct cql_parser *p, struct ast_batch *b, struct ast_stmt *item)
{
    PUSH(p, b, item);
}

struct bytes cql_build_quoted(struct cql_parser *p, const struct cql_token *t)
{
    if (t->text.len == 0) {
        p->last = *t; /* the parser has read on by now */
        cql_parser_error(p, "an empty name");
    }
    for (size_t i = 0; i < t->text.len; i++) {
        if (t->text.data[i] == 0) { /* names end in NUL everywhere else */
            p->last = *t;
            cql_parser_error(p, "a name with a NUL in it");
            break;
        }
    }
    return t->text;
}

static struct ast_term *make_term(struct cql_parser *p, enum ast_term_kind kind)
{
    struct ast_term *t = arena_new(p->arena, struct ast_term);
    t->kind = kind;
    t->depth = 1;
    return t;
}

static void add_item(struct cql_parser *p, struct ast_term *to, struct ast_term *item)
{
    cql_terms_push(p, &to->items, item);
    if (item == NULL)
        return;
    if (to->depth <= item->depth)
        to->depth = item->depth + 1;
    if (to->depth > CQL_DEPTH_MAX)
        cql_parser_too_deep(p);
}

struct ast_term *cql_build_leaf(struct cql_parser *p, enum ast_term_kind kind, struct bytes text)
{
    struct ast_term *t = make_term(p, kind);
    t->text = text;
    return t;
}

struct ast_term *cql_build_marker(struct cql_parser *p, struct bytes name)
{
    struct ast_term *t = cql_build_leaf(p, AST_MARKER, name);
    if (p->markers.count == CQL_MARKERS_MAX)
        cql_parser_error(p, "too many bind markers");
    t->marker = (uint32_t)p->markers.count;
    cql_names_push(p, &p->markers, name);
    return t;
}

struct ast_term *cql_build_node(struct cql_parser *p, enum ast_term_kind kind,
                                const struct ast_terms *items)
{
    struct ast_term *t = make_term(p, kind);
    t->items = *items;
    for (size_t i = 0; i < items->count; i++) {
        if (t->depth <= items->items[i]->depth)
            t->depth = items->items[i]->depth + 1;
    }
    if (t->depth > CQL_DEPTH_MAX)
        cql_parser_too_deep(p);
    return t;
}

struct ast_term *cql_build_cast(struct cql_parser *p, struct ast_type *type, struct ast_term *of)
{
    struct ast_term *t = make_term(p, AST_CAST);
    t->type = type;
    add_item(p, t, of);
    return t;
}

struct ast_term *cql_build_sel_cast(struct cql_parser *p, const struct ast_terms *type,
                                    struct ast_term *of)
{
    const struct ast_term *t = type->items[0];
    bool named = t->kind == AST_FIELD && t->items.items[0]->kind == AST_COLUMN; /* ks.type */
    if (type->count != 1 || (t->kind != AST_COLUMN && !named)) {
        cql_parser_error(p, "a type in parentheses was expected before the value");
        return of;
    }
    struct ast_table id = {named ? t->items.items[0]->text : BYTES_NONE, t->text};
    return cql_build_cast(p, cql_build_type(p, id, NULL), of);
}

struct ast_term *cql_build_cast_as(struct cql_parser *p, struct ast_table function,
                                   struct ast_term *of, struct ast_type *type)
{
    struct ast_term *t = make_term(p, AST_CAST_AS);
    if (function.keyspace.len > 0 || !bytes_equal_text(function.name, "cast"))
        cql_parser_error(p, "AS within parentheses belongs to CAST");
    t->type = type;
    add_item(p, t, of);
    return t;
}

struct ast_term *cql_build_negate(struct cql_parser *p, struct ast_term *of)
{
    bool number = of->kind == AST_INTEGER || of->kind == AST_FLOAT || of->kind == AST_DURATION;
    if (number && of->text.data[0] != '-') {
        uint8_t *text = arena_alloc(p->arena, of->text.len + 1);
        text[0] = '-';
        for (size_t i = 0; i < of->text.len; i++)
            text[i + 1] = of->text.data[i];
        return cql_build_leaf(p, of->kind, bytes_make(text, of->text.len + 1));
    }
    struct ast_term *t = make_term(p, AST_NEGATE);
    add_item(p, t, of);
    return t;
}

struct ast_term *cql_build_arithmetic(struct cql_parser *p, char op, struct ast_term *a,
                                      struct ast_term *b)
{
    struct ast_term *t = make_term(p, AST_ARITHMETIC);
    t->op = op;
    add_item(p, t, a);
    add_item(p, t, b);
    return t;
}

struct ast_term *cql_build_call(struct cql_parser *p, struct ast_table function,
                                const struct ast_terms *items)
{
    struct ast_term *t = cql_build_node(p, AST_CALL, items);
    t->id = function;
    return t;
}

struct ast_term *cql_build_call_star(struct cql_parser *p, struct ast_table function)
{
    struct ast_term *t = make_term(p, AST_CALL);
    t->id = function;
    add_item(p, t, make_term(p, AST_STAR));
    return t;
}

struct ast_term *cql_build_field(struct cql_parser *p, struct ast_term *of, struct bytes field)
{
    struct ast_term *t = cql_build_leaf(p, AST_FIELD, field);
    add_item(p, t, of);
    return t;
}

struct ast_term *cql_build_element(struct cql_parser *p, struct ast_term *of, struct ast_term *key)
{
    struct ast_term *t = make_term(p, AST_ELEMENT);
    add_item(p, t, of);
    add_item(p, t, key);
    return t;
}

struct ast_term *cql_build_slice(struct cql_parser *p, struct ast_term *of, struct ast_term *from,
                                 struct ast_term *to)
{
    struct ast_term *t = make_term(p, AST_SLICE);
    if (from == NULL && to == NULL)
        cql_parser_error(p, "a slice needs a bound");
    add_item(p, t, of);
    add_item(p, t, from);
    add_item(p, t, to);
    return t;
}

struct ast_term *cql_build_field_value(struct cql_parser *p, struct ast_term *udt,
                                       struct bytes name, struct ast_term *value)
{
    struct ast_term *t = udt != NULL ? udt : make_term(p, AST_UDT);
    cql_names_push(p, &t->names, name);
    add_item(p, t, value);
    return t;
}

struct ast_relation cql_relation(struct cql_parser *p, enum ast_relation_kind kind,
                                 struct bytes column, enum ast_op op, struct ast_term *value)
{
    struct ast_relation r = {.kind = kind, .op = op, .value = value};
    cql_names_push(p, &r.columns, column);
    return r;
}

static void put_name(struct buf *b, struct bytes name)
{
    if (!cql_name_needs_quotes(name)) {
        buf_put_bytes(b, name);
        return;
    }
    buf_put_u8(b, '"');
    for (size_t i = 0; i < name.len; i++) {
        buf_put_u8(b, name.data[i]);
        if (name.data[i] == '"')
            buf_put_u8(b, '"');
    }
    buf_put_u8(b, '"');
}

/* Texts of nested types are copied once a level; depth is bounded, so that stays linear enough. */
static struct bytes type_text(struct cql_parser *p, const struct ast_type *t)
{
    struct buf b;
    uint8_t first = t->id.name.len > 0 ? t->id.name.data[0] : 0;
    bool number = (first >= '0' && first <= '9') || first == '-'; /* of a vector */
    bool set = bytes_equal_text(t->id.name, "set") && t->params_count > 0;
    buf_init(&b, CQL_TEXT_MAX * 2);
    if (t->id.keyspace.len > 0) {
        put_name(&b, t->id.keyspace);
        buf_put_u8(&b, '.');
    }
    if (number || set)
        buf_put_bytes(&b, t->id.name);
    else
        put_name(&b, t->id.name);
    for (size_t i = 0; i < t->params_count; i++) {
        buf_put_text(&b, i == 0 ? "<" : ", ");
        buf_put_bytes(&b, t->params[i]->text);
    }
    if (t->params_count > 0)
        buf_put_u8(&b, '>');
    struct bytes text = arena_copy(p->arena, buf_bytes(&b));
    buf_close(&b);
    return text;
}

struct ast_type *cql_types_push(struct cql_parser *p, struct ast_type *list, struct ast_type *item)
{
    struct ast_type *t = list != NULL ? list : arena_new(p->arena, struct ast_type);
    t->params =
        arena_grow(p->arena, t->params, t->params_count, &t->params_cap, sizeof t->params[0]);
    t->params[t->params_count++] = item;
    if (t->depth < item->depth)
        t->depth = item->depth;
    return t;
}

struct ast_type *cql_build_type(struct cql_parser *p, struct ast_table id, struct ast_type *params)
{
    struct ast_type *t = arena_new(p->arena, struct ast_type);
    t->id = id;
    t->depth = 1;
    if (params != NULL) {
        t->params = params->params;
        t->params_count = params->params_count;
        t->depth = params->depth + 1;
    }
    if (t->depth > CQL_DEPTH_MAX)
        cql_parser_too_deep(p);
    else
        t->text = type_text(p, t);
    return t;
}

struct ast_type *cql_build_custom_type(struct cql_parser *p, struct bytes class_name)
{
    struct ast_type *t = arena_new(p->arena, struct ast_type);
    t->id.name = class_name;
    t->custom = true;
    t->depth = 1;
    t->text = bytes_text(
        arena_printf(p->arena, "'%.*s'", (int)class_name.len, (const char *)class_name.data));
    return t;
}

struct ast_table cql_build_user_type(struct cql_parser *p, struct bytes keyspace, struct bytes name)
{
    static const char *const native[] = {
        "ascii",  "bigint",    "blob",     "boolean", "counter", "date",     "decimal",
        "double", "duration",  "float",    "inet",    "int",     "smallint", "text",
        "time",   "timestamp", "timeuuid", "tinyint", "uuid",    "varchar",  "varint"};
    static const char *const reserved[] = {"bitstring", "byte",     "complex",
                                           "enum",      "interval", "macaddr"};
    for (size_t i = 0; i < ARRAY_LEN(native); i++) {
        if (bytes_equal_text(name, native[i]))
            cql_parser_mismatch(p, "'.'");
    }
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        if (bytes_equal_text(name, reserved[i]))
            cql_parser_refuse(p, "Invalid (reserved) user type name", name);
    }
    return (struct ast_table){keyspace, name};
}

struct ast_using cql_build_using(struct ast_using a, struct ast_using b)
{
    return (struct ast_using){
        .timestamp = b.timestamp != NULL ? b.timestamp : a.timestamp,
        .ttl = b.ttl != NULL ? b.ttl : a.ttl,
        .causality = b.causality != NULL ? b.causality : a.causality,
    };
}

struct ast_stmt *cql_build_stmt(struct cql_parser *p, enum ast_kind kind)
{
    struct ast_stmt *s = arena_new(p->arena, struct ast_stmt);
    s->kind = kind;
    return s;
}

void cql_build_select(struct cql_parser *p, bool distinct, bool json)
{
    p->select = cql_build_stmt(p, AST_SELECT);
    p->select->select.distinct = distinct;
    p->select->select.json = json;
}

struct ast_stmt *cql_build_drop(struct cql_parser *p, enum ast_kind kind, struct ast_table table,
                                bool if_exists)
{
    struct ast_stmt *s = cql_build_stmt(p, kind);
    s->drop = (struct ast_drop){table, if_exists};
    return s;
}

struct ast_stmt *cql_build_alter_add(struct ast_stmt *alter, bool if_not_exists,
                                     struct ast_columns columns)
{
    alter->alter_table.kind = AST_ALTER_ADD;
    alter->alter_table.if_column = if_not_exists;
    alter->alter_table.columns = columns;
    return alter;
}

struct ast_stmt *cql_build_other(struct cql_parser *p, struct ast_other other)
{
    struct ast_stmt *s = cql_build_stmt(p, AST_OTHER);
    s->other = other;
    return s;
}

void cql_table_column(struct cql_parser *p, struct ast_create_table *t, struct ast_column column)
{
    cql_columns_push(p, &t->columns, column);
    if (!column.is_primary)
        return;
    t->primary_keys++;
    cql_names_push(p, &t->partition_key, column.name);
}
