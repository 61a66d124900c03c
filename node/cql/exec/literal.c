/* literal.c - values written in parts: [lists], {sets}, {maps: …}, (tuples), {fields: …} of
 * user-defined types, [vectors]. Every part must fit before any is looked at closely, and what does
 * not is named with the words of Cassandra. */
#include "node/cql/exec/function.h"

static const char *type_name(struct run *r, const struct cql_type *type)
{
    return cql_type_text(r->arena, type);
}

/* The n-th part of a literal: what it is for. */
static struct slot part_slot(struct run *r, struct slot of, size_t n)
{
    const struct ast_term *t = of.term->items.items[n];
    const struct cql_type *type = of.type;
    if (type->kind == CQL_TUPLE || (type->kind == CQL_UDT && of.term->kind == AST_TUPLE))
        return (struct slot){t, type->items[n], arena_printf(r->arena, "%s[%zu]", of.name, n)};
    if (type->kind == CQL_UDT) {
        int field = cql_type_field(type, of.term->names.items[n]);
        return (struct slot){
            t, type->items[field],
            arena_printf(r->arena, "%s.%s", of.name, run_text(r, of.term->names.items[n]))};
    }
    size_t item = type->kind == CQL_MAP ? n % 2 : 0;
    const char *what = type->kind == CQL_MAP && item == 0 ? "key" : "value";
    return (struct slot){t, type->items[item], arena_printf(r->arena, "%s(%s)", what, of.name)};
}

static bool fits(struct run *r, struct slot s)
{
    struct function_arg arg;
    return term_arg(r, s.term, &arg) && function_arg_fit(r, &arg, s.type) != FIT_NOT;
}

static bool misfit(struct run *r, struct slot of, size_t n, struct slot part)
{
    const char *type = type_name(r, part.type);
    const char *text = term_text(r, part.term);
    switch (of.term->kind) {
    case AST_TUPLE:
        return run_invalid(r, "Invalid tuple literal for %s: component %zu is not of type %s",
                           of.name, n, type);
    case AST_UDT:
        return run_invalid(r, "Invalid user type literal for %s: field %s is not of type %s",
                           of.name, run_text(r, of.term->names.items[n]), type);
    case AST_MAP:
        return run_invalid(r, "Invalid map literal for %s: %s %s is not of type %s", of.name,
                           n % 2 == 0 ? "key" : "value", text, type);
    default:
        return run_invalid(r, "Invalid %s literal for %s: value %s is not of type %s",
                           of.term->kind == AST_SET      ? "set"
                           : of.type->kind == CQL_VECTOR ? "vector"
                                                         : "list",
                           of.name, text, type);
    }
}

/* Does a literal of this shape stand for a value of the type at all? */
static bool check_shape(struct run *r, struct slot s)
{
    const struct ast_term *t = s.term;
    enum cql_kind kind = s.type->kind;
    const char *type = type_name(r, s.type);
    switch (t->kind) {
    case AST_LIST:
        if (kind != CQL_LIST && kind != CQL_VECTOR)
            return run_invalid(
                r, "Unexpected receiver type '%s'; only list and vector are expected", type);
        if (kind == CQL_VECTOR && t->items.count != s.type->dimension)
            return run_invalid(r,
                               "Invalid vector literal for %s of type %s; expected %u elements, "
                               "but given %zu",
                               s.name, type, s.type->dimension, t->items.count);
        return true;
    case AST_SET:
        return kind == CQL_SET || (t->items.count == 0 && kind == CQL_MAP) ||
               run_invalid(r, "Invalid set literal for %s of type %s", s.name, type);
    case AST_MAP:
        return kind == CQL_MAP ||
               run_invalid(r, "Invalid map literal for %s of type %s", s.name, type);
    case AST_UDT:
        return kind == CQL_UDT ||
               run_invalid(r, "Invalid user type literal for %s of type %s", s.name, type);
    default: break;
    }
    if (!cql_type_is_tuple(s.type))
        return run_invalid(r, "Invalid tuple type literal for %s of type %s", s.name, type);
    return t->items.count <= s.type->count ||
           run_invalid(r,
                       "Invalid tuple literal for %s: too many elements. Type %s expects %u but "
                       "got %zu",
                       s.name, type, s.type->count, t->items.count);
}

static bool is_unknown_field(struct slot s, size_t n)
{
    return s.term->kind == AST_UDT && cql_type_field(s.type, s.term->names.items[n]) < 0;
}

bool literal_declare(struct run *r, struct slot s)
{
    size_t count = s.term->items.count;
    if (!check_shape(r, s))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!is_unknown_field(s, i) && !fits(r, part_slot(r, s, i)))
            return misfit(r, s, i, part_slot(r, s, i));
    }
    for (size_t i = 0; i < count; i++) {
        if (is_unknown_field(s, i))
            return run_invalid(r, "Unknown field '%s' in value of user defined type %s",
                               run_text(r, s.term->names.items[i]), s.type->name);
    }
    for (size_t i = 0; i < count; i++) {
        if (!slot_declare(r, part_slot(r, s, i)))
            return false;
    }
    return true;
}

/* Whether the parts of a value may be missing, and what is said when they may not. */
static bool check_part(struct run *r, struct slot s, size_t n, const struct cql_value *v)
{
    bool tuple = cql_type_is_tuple(s.type);
    if (v->kind == CQL_VALUE_UNSET && s.term->kind == AST_UDT)
        return run_invalid(r, "Invalid unset value for field '%s' of user defined type %s",
                           run_text(r, s.term->names.items[n]), s.type->name);
    if (v->kind == CQL_VALUE_UNSET && tuple)
        return run_invalid(r, "Invalid unset value for tuple field number %zu", n);
    if (v->kind == CQL_VALUE_SET || tuple)
        return true;
    return run_invalid(r, "%s is not supported inside %s",
                       v->kind == CQL_VALUE_NULL ? "null" : "unset value",
                       s.type->kind == CQL_VECTOR ? "vectors" : "collections");
}

static void build_tuple(struct slot s, struct value_part *parts, size_t count, struct buf *b)
{
    if (s.term->kind == AST_UDT) /* all fields, in their order; the later of two of one name */
        count = s.type->count;
    value_tuple_build(parts, count, b);
}

bool literal_value(struct run *r, struct slot s, struct cql_value *ret)
{
    size_t count = s.term->items.count;
    size_t room = cql_type_is_tuple(s.type) && s.type->count > count ? s.type->count : count;
    struct value_part *parts = arena_array(r->arena, struct value_part, room);
    struct bytes *items = arena_array(r->arena, struct bytes, count);
    struct buf b;
    struct errmsg m;
    for (size_t i = 0; i < room; i++)
        parts[i].null = true;
    for (size_t i = 0; i < count; i++) {
        struct cql_value v;
        if (!slot_value(r, part_slot(r, s, i), &v) || !check_part(r, s, i, &v))
            return false;
        size_t at = i;
        if (s.term->kind == AST_UDT)
            at = (size_t)cql_type_field(s.type, s.term->names.items[i]);
        parts[at] = (struct value_part){.bytes = v.data, .null = v.kind == CQL_VALUE_NULL};
        items[i] = v.data;
    }
    buf_init(&b, BUF_MAX_DEFAULT);
    enum err err = ERR_OK;
    if (s.type->kind == CQL_VECTOR)
        value_vector_build(s.type, parts, &b);
    else if (cql_type_is_tuple(s.type))
        build_tuple(s, parts, count, &b);
    else
        err = value_collection_build(s.type, items, count, &b, &m);
    struct bytes data = run_take(r, &b);
    if (!run_err(r, err, &m))
        return false;
    *ret = cql_value_make(data);
    return true;
}
