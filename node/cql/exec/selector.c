/* selector.c - from a term of a SELECT's list to a tree with types. */
#include "node/cql/exec/aggregate.h"

#include <string.h>

static struct selector *make(struct run *r, enum selector_kind kind, const struct ast_term *term,
                             const struct cql_type *type, const char *name)
{
    struct selector *s = arena_new(r->arena, struct selector);
    s->kind = kind;
    s->term = term;
    s->type = type;
    s->name = name;
    return s;
}

struct selector *selector_of_column(struct run *r, const struct column *c)
{
    struct selector *s = make(r, SELECTOR_COLUMN, NULL, c->type, c->name);
    s->column = c;
    return s;
}

/* Prepare the terms as arguments of s; their names with commas between. NULL after run_fail. */
static const char *add_args(struct run *r, struct selector *s, const struct ast_terms *terms)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    s->args = arena_array(r->arena, struct selector *, terms->count);
    for (; s->args_count < terms->count; s->args_count++) {
        size_t i = s->args_count;
        struct selector *arg = selector_prepare(r, terms->items[i]);
        if (arg == NULL)
            break;
        bool value = s->kind == SELECTOR_MAP && i % 2 == 1;
        buf_printf(&b, "%s%s", i == 0 ? "" : value ? ": " : ", ", arg->name);
        s->args[i] = arg;
        s->aggregates = s->aggregates || arg->aggregates;
    }
    const char *text = run_text(r, run_take(r, &b));
    return s->args_count == terms->count ? text : NULL;
}

static const struct function_arg *as_args(struct run *r, const struct selector *s)
{
    struct function_arg *args = arena_array(r->arena, struct function_arg, s->args_count);
    for (size_t i = 0; i < s->args_count; i++)
        args[i] = (struct function_arg){
            .type = s->args[i]->type, .selector = s->args[i], .text = s->args[i]->name};
    return args;
}

static struct selector *prepare_column(struct run *r, const struct ast_term *t)
{
    const struct column *c = run_column(r, r->table, t->text);
    return c != NULL ? selector_of_column(r, c) : NULL;
}

static struct selector *prepare_call(struct run *r, const struct ast_term *t)
{
    static const struct {
        const char *name;
        enum selector_fact fact;
    } facts[] = {
        {"writetime", FACT_WRITETIME}, {"maxwritetime", FACT_MAX_WRITETIME}, {"ttl", FACT_TTL}};
    struct selector *s;
    const char *name = run_text(r, t->id.name);
    for (size_t i = 0; t->id.keyspace.len == 0 && i < ARRAY_LEN(facts); i++) {
        if (strcmp(name, facts[i].name) == 0)
            return selector_prepare_fact(r, t, facts[i].fact);
    }
    if (t->id.keyspace.len == 0 && strcmp(name, "siblings") == 0)
        return selector_prepare_siblings(r, t);
    if (t->id.keyspace.len == 0 && strcmp(name, "causality") == 0)
        return selector_prepare_causality(r, t);
    if (aggregate_prepare(r, t, &s))
        return s;
    s = make(r, SELECTOR_CALL, t, NULL, NULL);
    const char *names = add_args(r, s, &t->items);
    if (names == NULL)
        return NULL;
    s->function = function_find(r, &t->id, as_args(r, s), s->args_count, NULL);
    if (s->function == NULL)
        return NULL;
    s->type = function_result(s->function);
    s->name = arena_printf(r->arena, "%s(%s)", function_name(s->function), names);
    return s;
}

static struct selector *prepare_operation(struct run *r, const struct ast_term *t)
{
    struct selector *s = make(r, SELECTOR_OPERATION, t, NULL, NULL);
    char op = t->kind == AST_NEGATE ? '-' : t->op;
    if (add_args(r, s, &t->items) == NULL ||
        !operation_find(r, op, as_args(r, s), s->args_count, NULL, &s->operation))
        return NULL;
    s->type = s->operation.result;
    s->name = s->args_count == 1
                  ? arena_printf(r->arena, "-%s", s->args[0]->name)
                  : arena_printf(r->arena, "%s %c %s", s->args[0]->name, op, s->args[1]->name);
    return s;
}

static const struct cql_type *parse_type(struct run *r, const struct ast_type *t)
{
    const struct cql_type *type = NULL;
    return run_type(r, t, &type) ? type : NULL;
}

static struct selector *prepare_cast(struct run *r, const struct ast_term *t)
{
    const struct cql_type *type = NULL; /* native ones only: any other name is no target of CAST */
    struct errmsg m;
    struct selector *s = make(r, SELECTOR_CAST, t, NULL, NULL);
    if (!run_err(r, cql_type_parse(r->arena, t->type->text, &type, &m), &m) ||
        add_args(r, s, &t->items) == NULL)
        return NULL;
    const struct selector *of = s->args[0];
    s->type = type;
    s->name = arena_printf(r->arena, "cast(%s as %s)", of->name, cql_type_text(r->arena, type));
    if (of->type == NULL)
        return selector_settle(r, s->args[0], NULL) ? s : NULL;
    if (cql_type_equal(of->type, type))
        return s->args[0];
    if (!cast_is_target(type)) {
        run_invalid(r, "%s cannot be cast to %s", of->name, cql_type_text(r->arena, type));
        return NULL;
    }
    if (!cast_find(r, type, as_args(r, s), &s->cast))
        return NULL;
    return s;
}

/* (address) {street: 'x'}: of the parts of a map only the hint says that they are fields. */
static struct selector *prepare_udt(struct run *r, const struct ast_term *t,
                                    const struct cql_type *type)
{
    struct selector *s = make(r, SELECTOR_UDT, t, type, NULL);
    size_t count = t->items.count / 2;
    uint32_t *fields = arena_array(r->arena, uint32_t, count);
    struct buf b;
    s->fields = fields;
    s->args = arena_array(r->arena, struct selector *, count);
    buf_init(&b, BUF_MAX_DEFAULT);
    for (; s->args_count < count; s->args_count++) {
        size_t i = s->args_count;
        const struct ast_term *name = t->items.items[2 * i];
        int field = name->kind == AST_COLUMN ? cql_type_field(type, name->text) : -1;
        if (field < 0) {
            run_invalid(r, "Unknown field '%s' in value of user defined type %s",
                        run_text(r, name->text), type->name);
            break;
        }
        s->args[i] = selector_prepare(r, t->items.items[2 * i + 1]);
        if (s->args[i] == NULL)
            break;
        fields[i] = (uint32_t)field;
        buf_printf(&b, "%s%s: %s", i > 0 ? ", " : "", run_text(r, name->text), s->args[i]->name);
        s->aggregates = s->aggregates || s->args[i]->aggregates;
    }
    s->name = arena_printf(r->arena, "{%s}", run_text(r, run_take(r, &b)));
    return s->args_count == count ? s : NULL;
}

static struct selector *prepare_field(struct run *r, const struct ast_term *t)
{
    struct selector *of = selector_prepare(r, t->items.items[0]);
    if (of == NULL || (of->type == NULL && !selector_settle(r, of, NULL)))
        return NULL;
    if (of->type->kind != CQL_UDT) {
        run_invalid(r, "Invalid field selection: %s of type %s is not a user type", of->name,
                    cql_type_text(r->arena, of->type));
        return NULL;
    }
    int field = cql_type_field(of->type, t->text);
    const char *name = run_text(r, t->text);
    if (field < 0) {
        run_invalid(r, "%s of type %s has no field %s", of->name, cql_type_text(r->arena, of->type),
                    name);
        return NULL;
    }
    struct selector *s = make(r, SELECTOR_FIELD, t, of->type->items[field],
                              arena_printf(r->arena, "%s.%s", of->name, name));
    s->field = (uint32_t)field;
    s->args = arena_new(r->arena, struct selector *);
    s->args[s->args_count++] = of;
    s->aggregates = of->aggregates;
    return s;
}

static struct selector *prepare_hint(struct run *r, const struct ast_term *t)
{
    const struct cql_type *type = parse_type(r, t->type);
    struct selector *s = make(r, SELECTOR_SAME, t, type, NULL);
    const struct ast_term *of = t->items.items[0];
    if (type == NULL)
        return NULL;
    if (type->kind == CQL_UDT && of->kind == AST_MAP) {
        s->args = arena_new(r->arena, struct selector *);
        s->args[s->args_count++] = prepare_udt(r, of, type);
        if (s->args[0] == NULL)
            return NULL;
        s->aggregates = s->args[0]->aggregates;
    } else if (add_args(r, s, &t->items) == NULL) {
        return NULL;
    }
    s->name = arena_printf(r->arena, "(%s)%s", run_type_text(r, t->type), s->args[0]->name);
    return s;
}

/* The value that an element or a slice is taken of. Whether there is such a part of it is found out
 * when types are settled, as in Cassandra. */
static struct selector *prepare_whole(struct run *r, const struct ast_term *t)
{
    struct selector *of = selector_prepare(r, t);
    if (of != NULL && of->kind == SELECTOR_SAME && of->term->kind == AST_TUPLE && of->type == NULL)
        of->type = of->args[0]->type;
    return of;
}

static bool has_parts(const struct selector *of)
{
    return of->type != NULL && (of->type->kind == CQL_MAP || of->type->kind == CQL_SET);
}

static bool refuse_parts(struct run *r, const struct selector *s)
{
    bool one = s->kind == SELECTOR_ELEMENT;
    struct selector *of = s->args[0];
    if (of->type == NULL)
        return selector_settle(r, of, NULL) && run_invalid(r, "%s has no parts", of->name);
    if (cql_type_is_collection(of->type))
        return run_invalid(r, "%s selection is only allowed on sets and maps, but %s is a list",
                           one ? "Element" : "Slice", of->name);
    return run_invalid(r, "Invalid %s selection: %s %sof type %s is not a collection",
                       one ? "element" : "slice", of->name, one ? "is " : "",
                       cql_type_text(r->arena, of->type));
}

static struct slot key_slot(struct run *r, const struct selector *of, const struct ast_term *key)
{
    return (struct slot){
        key, of->type->items[0],
        arena_printf(r->arena, "%s(%s)", of->type->kind == CQL_MAP ? "key" : "value", of->name)};
}

static struct selector *prepare_element(struct run *r, const struct ast_term *t)
{
    struct selector *of = prepare_whole(r, t->items.items[0]);
    if (of == NULL)
        return NULL;
    const struct cql_type *type = of->type != NULL && cql_type_is_collection(of->type)
                                      ? of->type->items[of->type->kind == CQL_MAP ? 1 : 0]
                                      : NULL;
    struct selector *s =
        make(r, SELECTOR_ELEMENT, t, type,
             arena_printf(r->arena, "%s[%s]", of->name, term_text(r, t->items.items[1])));
    s->args = arena_new(r->arena, struct selector *);
    s->args[s->args_count++] = of;
    s->aggregates = of->aggregates;
    if (has_parts(of))
        s->slots[0] = key_slot(r, of, t->items.items[1]);
    return s;
}

static struct selector *prepare_slice(struct run *r, const struct ast_term *t)
{
    struct selector *of = prepare_whole(r, t->items.items[0]);
    if (of == NULL)
        return NULL;
    const struct ast_term *from = t->items.items[1], *to = t->items.items[2];
    struct selector *s =
        make(r, SELECTOR_SLICE, t,
             of->type != NULL && cql_type_is_collection(of->type) ? of->type : NULL,
             arena_printf(r->arena, "%s[%s..%s]", of->name, from != NULL ? term_text(r, from) : "",
                          to != NULL ? term_text(r, to) : ""));
    s->args = arena_new(r->arena, struct selector *);
    s->args[s->args_count++] = of;
    s->aggregates = of->aggregates;
    if (has_parts(of)) {
        s->slots[0] = key_slot(r, of, from);
        s->slots[1] = key_slot(r, of, to);
    }
    return s;
}

/* [a, 1], {a, 1}: of what its first item with a type is. What a map is of is not looked for: it
 * may as well be a value of a user-defined type. */
static struct selector *prepare_items(struct run *r, const struct ast_term *t,
                                      enum selector_kind kind)
{
    struct selector *s = make(r, kind, t, NULL, NULL);
    const struct cql_type *item = NULL;
    const char *names = add_args(r, s, &t->items);
    if (names == NULL)
        return NULL;
    s->name = arena_printf(r->arena, kind == SELECTOR_LIST ? "[%s]" : "{%s}", names);
    for (size_t i = 0; i < s->args_count && item == NULL; i++)
        item = s->args[i]->type;
    if (item != NULL && kind == SELECTOR_LIST)
        s->type = cql_type_list(r->arena, item, true);
    else if (item != NULL && kind == SELECTOR_SET)
        s->type = cql_type_set(r->arena, item, true);
    return s;
}

static struct selector *prepare_parentheses(struct run *r, const struct ast_term *t)
{
    struct selector *s = make(r, SELECTOR_SAME, t, NULL, NULL);
    const char *names = add_args(r, s, &t->items);
    if (names == NULL)
        return NULL;
    s->name = arena_printf(r->arena, "(%s)", names);
    if (s->args_count == 1)
        return s;
    s->kind = SELECTOR_TUPLE;
    const struct cql_type **items = arena_array(r->arena, const struct cql_type *, s->args_count);
    bool known = true;
    for (size_t i = 0; i < s->args_count; i++) {
        items[i] = s->args[i]->type;
        known = known && items[i] != NULL;
    }
    if (known)
        s->type = cql_type_tuple(r->arena, items, (uint32_t)s->args_count);
    return s;
}

struct selector *selector_prepare(struct run *r, const struct ast_term *t)
{
    switch (t->kind) {
    case AST_COLUMN: return prepare_column(r, t);
    case AST_CALL: return prepare_call(r, t);
    case AST_CAST_AS: return prepare_cast(r, t);
    case AST_CAST: return prepare_hint(r, t);
    case AST_ELEMENT: return prepare_element(r, t);
    case AST_SLICE: return prepare_slice(r, t);
    case AST_LIST: return prepare_items(r, t, SELECTOR_LIST);
    case AST_SET: return prepare_items(r, t, SELECTOR_SET);
    case AST_MAP: return prepare_items(r, t, SELECTOR_MAP);
    case AST_TUPLE: return prepare_parentheses(r, t);
    case AST_FIELD: return prepare_field(r, t);
    case AST_UDT: run_fail(r, CQL_ERROR_SYNTAX, "A value of a user-defined type"); return NULL;
    case AST_ARITHMETIC:
    case AST_NEGATE: return prepare_operation(r, t);
    case AST_STAR: run_fail(r, CQL_ERROR_SYNTAX, "Only count takes *"); return NULL;
    default: return make(r, SELECTOR_CONSTANT, t, NULL, term_text(r, t));
    }
}

/* --- types, top down */

static bool settle_part(struct run *r, struct selector *arg, const struct cql_type *type)
{
    if (selector_fit(r, arg, type) == FIT_NOT)
        return run_invalid(r, "Cannot assign value %s to an item of type %s", arg->name,
                           cql_type_text(r->arena, type));
    return selector_settle(r, arg, type);
}

static bool settle_parts(struct run *r, struct selector *s)
{
    if (s->kind == SELECTOR_TUPLE && (s->type->kind != CQL_TUPLE || s->type->count < s->args_count))
        return run_invalid(r, "Cannot assign value %s to a value of type %s", s->name,
                           cql_type_text(r->arena, s->type));
    for (size_t i = 0; i < s->args_count; i++) {
        size_t n = s->kind == SELECTOR_UDT ? s->fields[i] : i;
        if (!settle_part(r, s->args[i], s->type->items[n]))
            return false;
    }
    return true;
}

static bool settle_vector(struct run *r, struct selector *s)
{
    if (s->args_count != s->type->dimension)
        return run_invalid(r, "Unable to create a vector selector of type %s from %zu elements",
                           cql_type_text(r->arena, s->type), s->args_count);
    for (size_t i = 0; i < s->args_count; i++) {
        if (!settle_part(r, s->args[i], s->type->items[0]))
            return false;
    }
    return true;
}

static bool settle_items(struct run *r, struct selector *s)
{
    if (s->kind == SELECTOR_LIST && s->type->kind == CQL_VECTOR)
        return settle_vector(r, s);
    static const enum cql_kind kinds[] = {
        [SELECTOR_LIST] = CQL_LIST, [SELECTOR_SET] = CQL_SET, [SELECTOR_MAP] = CQL_MAP};
    bool empty_map = s->kind == SELECTOR_SET && s->args_count == 0 && s->type->kind == CQL_MAP;
    if (s->type->kind != kinds[s->kind] && !empty_map)
        return run_invalid(r, "Cannot assign value %s to a value of type %s", s->name,
                           cql_type_text(r->arena, s->type));
    for (size_t i = 0; i < s->args_count; i++) {
        const struct cql_type *item = s->type->items[s->kind == SELECTOR_MAP ? i % 2 : 0];
        if (!settle_part(r, s->args[i], item))
            return false;
    }
    return true;
}

static bool settle_same(struct run *r, struct selector *s)
{
    if (s->term->kind == AST_CAST && selector_fit(r, s->args[0], s->type) == FIT_NOT)
        return run_invalid(r, "Cannot assign value %s to %s of type %s", s->name, s->name,
                           cql_type_text(r->arena, s->type));
    return selector_settle(r, s->args[0], s->type);
}

static bool settle_keys(struct run *r, struct selector *s)
{
    for (size_t i = 0; i < ARRAY_LEN(s->slots); i++) {
        if (s->slots[i].term != NULL && !slot_declare(r, s->slots[i]))
            return false;
    }
    return selector_settle(r, s->args[0], s->args[0]->type);
}

static bool settle_call(struct run *r, struct selector *s)
{
    for (size_t i = 0; i < s->args_count; i++) {
        const struct cql_type *want = s->kind == SELECTOR_OPERATION
                                          ? s->operation.args[i]
                                          : function_arg_type(s->function, i);
        if (!selector_settle(r, s->args[i], want))
            return false;
    }
    return true;
}

bool selector_settle(struct run *r, struct selector *s, const struct cql_type *want)
{
    if ((s->kind == SELECTOR_ELEMENT || s->kind == SELECTOR_SLICE) && !has_parts(s->args[0]))
        return refuse_parts(r, s);
    bool vector = want != NULL && want->kind == CQL_VECTOR && s->kind == SELECTOR_LIST;
    if (s->type == NULL || vector)
        s->type = want;
    if (s->type == NULL)
        return run_invalid(r,
                           "Cannot infer type for term %s in selection clause (try using a cast "
                           "to force a type)",
                           s->name);
    switch (s->kind) {
    case SELECTOR_CONSTANT:
        s->slots[0] = (struct slot){s->term, s->type, "[selection]"};
        return slot_declare(r, s->slots[0]);
    case SELECTOR_CALL:
    case SELECTOR_OPERATION: return settle_call(r, s);
    case SELECTOR_CAST: return selector_settle(r, s->args[0], NULL);
    case SELECTOR_SAME: return settle_same(r, s);
    case SELECTOR_ELEMENT:
    case SELECTOR_SLICE: return settle_keys(r, s);
    case SELECTOR_LIST:
    case SELECTOR_SET:
    case SELECTOR_MAP: return settle_items(r, s);
    case SELECTOR_TUPLE:
    case SELECTOR_UDT: return settle_parts(r, s);
    case SELECTOR_FIELD: return selector_settle(r, s->args[0], s->args[0]->type);
    case SELECTOR_AGGREGATE: return aggregate_settle(r, s);
    case SELECTOR_SIBLINGS:
    case SELECTOR_FACT: return selector_settle(r, s->args[0], NULL);
    default: return true;
    }
}

enum fit selector_fit(struct run *r, const struct selector *s, const struct cql_type *type)
{
    struct function_arg arg = {.type = s->type, .term = s->term, .text = s->name};
    enum fit worst = FIT_EXACTLY;
    static const enum cql_kind kinds[] = {
        [SELECTOR_LIST] = CQL_LIST, [SELECTOR_SET] = CQL_SET, [SELECTOR_MAP] = CQL_MAP};
    if (s->kind == SELECTOR_LIST && type->kind == CQL_VECTOR)
        return FIT_WEAKLY; /* settling looks closely */
    if (s->type != NULL || s->kind == SELECTOR_CONSTANT)
        return function_arg_fit(r, &arg, type);
    if (s->kind == SELECTOR_SAME)
        return selector_fit(r, s->args[0], type);
    if (s->kind == SELECTOR_ELEMENT || s->kind == SELECTOR_SLICE)
        return FIT_NOT; /* of what has no parts */
    if (s->args_count == 0)
        return cql_type_is_collection(type) ? FIT_WEAKLY : FIT_NOT;
    if (s->kind == SELECTOR_TUPLE)
        return type->kind == CQL_TUPLE && type->count >= s->args_count ? FIT_WEAKLY : FIT_NOT;
    if (type->kind != kinds[s->kind])
        return FIT_NOT;
    for (size_t i = 0; i < s->args_count; i++) {
        enum fit fit =
            selector_fit(r, s->args[i], type->items[s->kind == SELECTOR_MAP ? i % 2 : 0]);
        worst = fit < worst ? fit : worst;
    }
    return worst;
}
