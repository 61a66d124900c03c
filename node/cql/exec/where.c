/* where.c - relations of WHERE as restrictions: of which columns, what kind, values of which type.
 * Works without values. What may stand beside what is where_merge.c's. */
#include "node/cql/exec/where.h"

static bool refuse_map_entry(struct run *r, const struct column *c, const struct ast_relation *a)
{
    if (c->type->kind == CQL_LIST)
        return run_invalid(r,
                           "Indexes on list entries (%s[index] = value) are not currently "
                           "supported.",
                           c->name);
    if (c->type->kind != CQL_MAP)
        return run_invalid(r, "Column %s cannot be used as a map", c->name);
    if (!cql_type_is_multicell(c->type))
        return run_invalid(r,
                           "Map-entry equality predicates on frozen map column %s are not "
                           "supported",
                           c->name);
    return a->op == AST_EQ || run_invalid(r, "Only EQ relations are supported on map entries");
}

static bool column_type_fits(struct run *r, const struct column *c, const struct ast_relation *a)
{
    const struct cql_type *t = c->type;
    bool collection = cql_type_is_collection(t);
    if (a->op == AST_CONTAINS && !collection)
        return run_invalid(r, "Cannot use CONTAINS on non-collection column %s", c->name);
    if (a->op == AST_CONTAINS_KEY && t->kind != CQL_MAP)
        return run_invalid(r, "Cannot use CONTAINS KEY on non-map column %s", c->name);
    if (a->kind == AST_REL_ELEMENT)
        return refuse_map_entry(r, c, a);
    if (a->op == AST_CONTAINS || a->op == AST_CONTAINS_KEY)
        return true;
    if (t->kind == CQL_UDT && !t->frozen)
        return run_invalid(r,
                           "Non-frozen UDT column '%s' (%s) cannot be restricted by any relation",
                           c->name, cql_type_text(r->arena, t));
    if (cql_type_is_multicell(t))
        return run_invalid(r, "Collection column '%s' (%s) cannot be restricted by a '%s' relation",
                           c->name, cql_type_text(r->arena, t), relation_op_text(a->op));
    if (!relation_is_slice(a->op) || !cql_type_mentions(t, CQL_DURATION))
        return true;
    const char *what = collection             ? "collections containing durations"
                       : t->kind == CQL_TUPLE ? "tuples containing durations"
                       : t->kind == CQL_UDT   ? "UDTs containing durations"
                                              : "duration columns";
    return run_invalid(r, "Slice restrictions are not supported on %s", what);
}

static const struct cql_type *operand_type(const struct column *c, const struct ast_relation *a)
{
    if (a->op == AST_CONTAINS)
        return c->type->items[c->type->kind == CQL_MAP ? 1 : 0];
    if (a->op == AST_CONTAINS_KEY)
        return c->type->items[0];
    return a->kind == AST_REL_ELEMENT ? c->type->items[1] : c->type;
}

/* Slots for each value; or one slot for the marker of `IN ?`. */
static bool declare(struct run *r, const struct ast_relation *a, struct restriction *x,
                    const struct cql_type *type, const char *name)
{
    x->in_marker = a->op == AST_IN && a->value != NULL;
    x->alternatives = a->op == AST_IN && !x->in_marker ? a->list.count : 1;
    x->slots = arena_array(r->arena, struct slot, x->alternatives);
    if (x->in_marker) {
        x->slots[0] =
            (struct slot){a->value, list_of(r, type), arena_printf(r->arena, "in(%s)", name)};
        return slot_declare(r, x->slots[0]);
    }
    for (size_t i = 0; i < x->alternatives; i++) {
        x->slots[i] = (struct slot){a->op == AST_IN ? a->list.items[i] : a->value, type, name};
        if (!slot_declare(r, x->slots[i]))
            return false;
    }
    return true;
}

static bool single_slots(struct run *r, const struct ast_relation *a, struct restriction *x)
{
    const struct column *c = x->columns[0];
    const struct cql_type *type = x->token ? cql_type_native(CQL_BIGINT) : operand_type(c, a);
    const char *name = x->token                    ? "partition key token"
                       : a->op == AST_CONTAINS_KEY ? arena_printf(r->arena, "key(%s)", c->name)
                       : a->op == AST_CONTAINS     ? arena_printf(r->arena, "value(%s)", c->name)
                                                   : c->name;
    if (a->kind == AST_REL_ELEMENT) {
        x->key =
            (struct slot){a->key, c->type->items[0], arena_printf(r->arena, "key(%s)", c->name)};
        name = arena_printf(r->arena, "value(%s)", c->name);
        if (!slot_declare(r, x->key))
            return false;
    }
    return declare(r, a, x, type, name);
}

/* (c, d) as one value, for a marker. */
static const struct cql_type *tuple_of(struct run *r, const struct restriction *x,
                                       const char **ret_name)
{
    struct cql_type *type = arena_new(r->arena, struct cql_type);
    const struct cql_type **items = arena_array(r->arena, const struct cql_type *, x->count);
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < x->count; i++) {
        items[i] = x->columns[i]->type;
        buf_printf(&b, "%s%s", i == 0 ? "" : ",", x->columns[i]->name);
    }
    *ret_name = run_text(r, run_take(r, &b));
    *type = (struct cql_type){
        .kind = CQL_TUPLE, .frozen = true, .count = (uint32_t)x->count, .items = items};
    return type;
}

static const struct ast_term *alternative(const struct ast_relation *a, size_t i)
{
    return a->op == AST_IN ? a->list.items[i] : a->value;
}

static bool tuple_slots(struct run *r, const struct ast_relation *a, struct restriction *x)
{
    const char *name;
    const struct cql_type *type = tuple_of(r, x, &name);
    x->alternatives = a->op == AST_IN ? a->list.count : 1;
    x->tuple = true;
    x->whole = (a->op == AST_IN && a->value != NULL) ||
               (x->alternatives > 0 && alternative(a, 0)->kind == AST_MARKER);
    if (x->whole) {
        bool in_marker = a->op == AST_IN && a->value != NULL;
        return declare(r, a, x, type, in_marker ? name : arena_printf(r->arena, "(%s)", name));
    }
    x->slots = arena_array(r->arena, struct slot, x->alternatives * x->count);
    for (size_t i = 0; i < x->alternatives; i++) {
        const struct ast_term *t = alternative(a, i);
        if (t->kind != AST_TUPLE || t->items.count != x->count)
            return run_invalid(r, "Expected %zu elements in value tuple, but got %zu: %s", x->count,
                               t->kind == AST_TUPLE ? t->items.count : 1, term_text(r, t));
        for (size_t j = 0; j < x->count; j++) {
            struct slot *s = &x->slots[i * x->count + j];
            *s = (struct slot){t->items.items[j], x->columns[j]->type, x->columns[j]->name};
            if (!slot_declare(r, *s))
                return false;
        }
    }
    return true;
}

/* token(k1, k2) names exactly the partition key, in order. */
static bool token_fits(struct run *r, const struct table *t, const struct restriction *x)
{
    struct buf b;
    bool ordered = true;
    for (size_t i = 0; i < x->count; i++)
        ordered =
            ordered && x->columns[i]->kind == COLUMN_PARTITION_KEY && x->columns[i]->position == i;
    if (ordered && x->count == t->partition_key_count)
        return true;
    size_t keys = 0;
    for (size_t i = 0; i < x->count; i++)
        keys += x->columns[i]->kind == COLUMN_PARTITION_KEY;
    if (keys < t->partition_key_count)
        return run_invalid(r, "The token() function must be applied to all partition key "
                              "components or none of them");
    if (x->count > t->partition_key_count)
        return run_invalid(r, "The token() function must contains only partition key components");
    buf_init(&b, BUF_MAX_DEFAULT);
    for (uint32_t i = 0; i < t->partition_key_count; i++)
        buf_printf(&b, "%s%s", i == 0 ? "" : ", ", t->columns[i].name);
    return run_invalid(r, "The token function arguments must be in the partition key order: %s",
                       run_text(r, run_take(r, &b)));
}

/* (c1, c2) are clustering columns in order. */
static bool tuple_fits(struct run *r, const struct ast_relation *a, const struct restriction *x)
{
    for (size_t i = 0; i < x->count; i++) {
        const struct column *c = x->columns[i];
        if (c->kind != COLUMN_CLUSTERING)
            return run_invalid(r,
                               "Multi-column relations can only be applied to clustering columns "
                               "but was applied to: %s",
                               c->name);
        for (size_t j = 0; j < i; j++) {
            if (x->columns[j] == c)
                return run_invalid(r, "Column \"%s\" appeared twice in a relation: %s", c->name,
                                   relation_text(r, a));
        }
        if (i > 0 && c->position != x->columns[i - 1]->position + 1)
            return run_invalid(r,
                               "Clustering columns must appear in the PRIMARY KEY order in "
                               "multi-column relations: %s",
                               relation_text(r, a));
    }
    return true;
}

static bool resolve_one(struct run *r, const struct table *t, const struct ast_relation *a,
                        struct restriction *x)
{
    bool several = a->kind == AST_REL_TOKEN || a->kind == AST_REL_TUPLE;
    if (a->op == AST_NEQ)
        return run_invalid(r, "Unsupported \"!=\" relation: %s", relation_text(r, a));
    if (a->op == AST_IS_NOT_NULL)
        return run_invalid(r, "Unsupported restriction: %s", relation_text(r, a));
    x->op = a->op;
    x->token = a->kind == AST_REL_TOKEN;
    x->count = a->columns.count;
    x->columns = arena_array(r->arena, const struct column *, x->count);
    for (size_t i = 0; i < x->count; i++) {
        x->columns[i] = run_column(r, t, a->columns.items[i]);
        if (x->columns[i] == NULL)
            return false;
    }
    if ((x->token && !token_fits(r, t, x)) || (several && !x->token && !tuple_fits(r, a, x)) ||
        (!several && !column_type_fits(r, x->columns[0], a)))
        return false;
    if (!(a->kind == AST_REL_TUPLE ? tuple_slots(r, a, x) : single_slots(r, a, x)))
        return false;
    return a->op != AST_LIKE ||
           run_invalid(r,
                       "LIKE restriction is only supported on properly indexed columns. %s is not "
                       "valid.",
                       relation_text(r, a));
}

bool where_resolve(struct run *r, const struct table *t, const struct ast_relations *ast,
                   bool filtering, struct where *ret)
{
    ret->count = 0;
    ret->items = arena_array(r->arena, struct restriction, ast->count);
    for (size_t i = 0; i < ast->count; i++) {
        if (!resolve_one(r, t, &ast->items[i], &ret->items[i]) ||
            !where_may_add(r, t, ret, &ret->items[i], filtering))
            return false;
        ret->count++;
    }
    return true;
}
