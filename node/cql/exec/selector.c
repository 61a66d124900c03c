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
    struct errmsg m;
    return run_err(r, cql_type_parse(r->arena, t->text, &type, &m), &m) ? type : NULL;
}

static struct selector *prepare_cast(struct run *r, const struct ast_term *t)
{
    const struct cql_type *type = parse_type(r, t->type);
    struct selector *s = make(r, SELECTOR_CAST, t, type, NULL);
    if (type == NULL || add_args(r, s, &t->items) == NULL)
        return NULL;
    const struct selector *of = s->args[0];
    s->name = arena_printf(r->arena, "cast(%s as %s)", of->name, cql_type_text(r->arena, type));
    if (of->type == NULL)
        return selector_settle(r, s->args[0], NULL) ? s : NULL;
    s->function = function_of_cast(r, of->type, type);
    if (s->function != NULL) {
        s->kind = SELECTOR_CALL;
    } else if (!cast_allowed(of->type, type)) {
        run_invalid(r, "%s cannot be cast to %s", of->name, cql_type_text(r->arena, type));
        return NULL;
    }
    return s;
}

static struct selector *prepare_hint(struct run *r, const struct ast_term *t)
{
    const struct cql_type *type = parse_type(r, t->type);
    struct selector *s = make(r, SELECTOR_SAME, t, type, NULL);
    if (type == NULL || add_args(r, s, &t->items) == NULL)
        return NULL;
    s->name = arena_printf(r->arena, "(%s)%s", cql_type_text(r->arena, type), s->args[0]->name);
    return s;
}

/* The collection that an element or a slice is taken of, with its type. */
static struct selector *prepare_collection(struct run *r, const struct ast_term *t,
                                           const char *what)
{
    struct selector *of = selector_prepare(r, t);
    if (of == NULL)
        return NULL;
    if (of->kind == SELECTOR_SAME && of->term->kind == AST_TUPLE && of->type == NULL)
        of->type = of->args[0]->type;
    const struct cql_type *type = of->type;
    if (type == NULL)
        (void)selector_settle(r, of, NULL);
    else if (type->kind == CQL_MAP || type->kind == CQL_SET)
        return of;
    else if (cql_type_is_collection(type))
        run_invalid(r, "%s selection is only allowed on sets and maps, but %s is a %s",
                    strcmp(what, "element") == 0 ? "Element" : "Slice", of->name, "list");
    else
        run_invalid(r, "Invalid %s selection: %s %sof type %s is not a collection", what, of->name,
                    strcmp(what, "element") == 0 ? "is " : "", cql_type_text(r->arena, type));
    return NULL;
}

static struct slot key_slot(struct run *r, const struct selector *of, const struct ast_term *key)
{
    return (struct slot){
        key, of->type->items[0],
        arena_printf(r->arena, "%s(%s)", of->type->kind == CQL_MAP ? "key" : "value", of->name)};
}

static struct selector *prepare_element(struct run *r, const struct ast_term *t)
{
    struct selector *of = prepare_collection(r, t->items.items[0], "element");
    if (of == NULL)
        return NULL;
    const struct cql_type *type = of->type->items[of->type->kind == CQL_MAP ? 1 : 0];
    struct selector *s =
        make(r, SELECTOR_ELEMENT, t, type,
             arena_printf(r->arena, "%s[%s]", of->name, term_text(r, t->items.items[1])));
    s->args = arena_new(r->arena, struct selector *);
    s->args[s->args_count++] = of;
    s->aggregates = of->aggregates;
    s->slots[0] = key_slot(r, of, t->items.items[1]);
    return s;
}

static struct selector *prepare_slice(struct run *r, const struct ast_term *t)
{
    struct selector *of = prepare_collection(r, t->items.items[0], "slice");
    if (of == NULL)
        return NULL;
    const struct ast_term *from = t->items.items[1], *to = t->items.items[2];
    struct selector *s =
        make(r, SELECTOR_SLICE, t, of->type,
             arena_printf(r->arena, "%s[%s..%s]", of->name, from != NULL ? term_text(r, from) : "",
                          to != NULL ? term_text(r, to) : ""));
    s->args = arena_new(r->arena, struct selector *);
    s->args[s->args_count++] = of;
    s->aggregates = of->aggregates;
    s->slots[0] = key_slot(r, of, from);
    s->slots[1] = key_slot(r, of, to);
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
    run_unsupported(r, "tuples in selections");
    return NULL;
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
    case AST_FIELD:
    case AST_UDT: run_unsupported(r, "fields of user-defined types"); return NULL;
    case AST_ARITHMETIC:
    case AST_NEGATE: return prepare_operation(r, t);
    case AST_STAR: run_fail(r, CQL_ERROR_SYNTAX, "Only count takes *"); return NULL;
    default: return make(r, SELECTOR_CONSTANT, t, NULL, term_text(r, t));
    }
}

/* --- types, top down */

static bool settle_items(struct run *r, struct selector *s)
{
    static const enum cql_kind kinds[] = {
        [SELECTOR_LIST] = CQL_LIST, [SELECTOR_SET] = CQL_SET, [SELECTOR_MAP] = CQL_MAP};
    bool empty_map = s->kind == SELECTOR_SET && s->args_count == 0 && s->type->kind == CQL_MAP;
    if (s->type->kind != kinds[s->kind] && !empty_map)
        return run_invalid(r, "Cannot assign value %s to a value of type %s", s->name,
                           cql_type_text(r->arena, s->type));
    for (size_t i = 0; i < s->args_count; i++) {
        const struct cql_type *item = s->type->items[s->kind == SELECTOR_MAP ? i % 2 : 0];
        if (selector_fit(r, s->args[i], item) == FIT_NOT)
            return run_invalid(r, "Cannot assign value %s to an item of type %s", s->args[i]->name,
                               cql_type_text(r->arena, item));
        if (!selector_settle(r, s->args[i], item))
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
    if (s->type == NULL)
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
    case SELECTOR_AGGREGATE: return aggregate_settle(r, s);
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
    if (s->type != NULL || s->kind == SELECTOR_CONSTANT)
        return function_arg_fit(r, &arg, type);
    if (s->kind == SELECTOR_SAME)
        return selector_fit(r, s->args[0], type);
    if (s->args_count == 0)
        return cql_type_is_collection(type) ? FIT_WEAKLY : FIT_NOT;
    if (type->kind != kinds[s->kind])
        return FIT_NOT;
    for (size_t i = 0; i < s->args_count; i++) {
        enum fit fit =
            selector_fit(r, s->args[i], type->items[s->kind == SELECTOR_MAP ? i % 2 : 0]);
        worst = fit < worst ? fit : worst;
    }
    return worst;
}
