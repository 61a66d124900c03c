/* where_merge.c - which restrictions may stand beside each other, in Cassandra's words. */
#include "node/cql/exec/where.h"

const char *relation_op_text(enum ast_op op)
{
    static const char *const texts[] = {
        [AST_EQ] = "=",
        [AST_NEQ] = "!=",
        [AST_LT] = "<",
        [AST_LTE] = "<=",
        [AST_GT] = ">",
        [AST_GTE] = ">=",
        [AST_IN] = "IN",
        [AST_CONTAINS] = "CONTAINS",
        [AST_CONTAINS_KEY] = "CONTAINS KEY",
        [AST_LIKE] = "LIKE",
        [AST_IS_NOT_NULL] = "IS NOT",
    };
    return texts[op];
}

const char *relation_text(struct run *r, const struct ast_relation *a)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    bool several = a->kind == AST_REL_TOKEN || a->kind == AST_REL_TUPLE;
    buf_printf(&b, "%s%s", a->kind == AST_REL_TOKEN ? "token" : "", several ? "(" : "");
    for (size_t i = 0; i < a->columns.count; i++)
        buf_printf(&b, "%s%s", i == 0 ? "" : ", ", run_text(r, a->columns.items[i]));
    if (several)
        buf_put_text(&b, ")");
    if (a->kind == AST_REL_ELEMENT)
        buf_printf(&b, "[%s]", term_text(r, a->key));
    buf_printf(&b, " %s ", relation_op_text(a->op));
    if (a->op == AST_IN && a->value == NULL) {
        for (size_t i = 0; i < a->list.count; i++)
            buf_printf(&b, "%s%s", i == 0 ? "(" : ", ", term_text(r, a->list.items[i]));
        buf_put_text(&b, a->list.count == 0 ? "()" : ")");
    } else {
        buf_put_text(&b, a->value != NULL ? term_text(r, a->value) : "NULL");
    }
    return run_text(r, run_take(r, &b));
}

enum nature { EQUAL, ONE_OF, SLICE, HOLDS };

static enum nature nature_of(const struct restriction *x)
{
    if (x->key.term != NULL || x->op == AST_CONTAINS || x->op == AST_CONTAINS_KEY)
        return HOLDS;
    if (relation_is_slice(x->op))
        return SLICE;
    bool one = x->op == AST_EQ || (!x->in_marker && x->alternatives == 1);
    return one ? EQUAL : ONE_OF;
}

static bool has_column(const struct restriction *x, const struct column *c)
{
    for (size_t i = 0; i < x->count; i++) {
        if (x->columns[i] == c)
            return true;
    }
    return false;
}

/* The names of the columns of both; empty when they have none in common. */
static const char *common(struct run *r, const struct restriction *a, const struct restriction *b)
{
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < a->count; i++) {
        if (has_column(b, a->columns[i]))
            buf_printf(&text, "%s%s",
                       text.len == 0 ? ""
                       : a->token    ? ", "
                                     : " ,",
                       a->columns[i]->name);
    }
    return run_text(r, run_take(r, &text));
}

static bool is_start(enum ast_op op)
{
    return op == AST_GT || op == AST_GTE;
}

/* a stands there already, b comes. */
static bool may_join(struct run *r, const struct restriction *a, const struct restriction *b)
{
    const char *names = common(r, a, b);
    enum nature old = nature_of(a), new = nature_of(b);
    if (names[0] == '\0' || a->token != b->token)
        return true;
    switch (old) {
    case EQUAL:
    case ONE_OF:
        return run_invalid(r, "%s cannot be restricted by more than one relation if it includes %s",
                           names, old == EQUAL ? "an Equal" : "a IN");
    case SLICE:
        if (new != SLICE)
            return run_invalid(
                r,
                "Column%s \"%s\" cannot be restricted by both an equality and an inequality "
                "relation",
                a->token ? "s" : "", names);
        if (a->columns[0] != b->columns[0])
            return run_invalid(r,
                               "Column \"%s\" cannot be restricted by two inequalities not "
                               "starting with the same column",
                               names);
        return is_start(a->op) != is_start(b->op) ||
               run_invalid(r, "More than one restriction was found for the %s bound on %s",
                           is_start(a->op) ? "start" : "end", names);
    default:
        return new == HOLDS ||
               run_invalid(r,
                           "Collection column %s can only be restricted by CONTAINS, CONTAINS "
                           "KEY, or map-entry equality",
                           names);
    }
}

static const struct restriction *last_clustering(const struct where *w)
{
    const struct restriction *last = NULL;
    for (size_t i = 0; i < w->count; i++) {
        const struct restriction *x = &w->items[i];
        if (x->columns[0]->kind == COLUMN_CLUSTERING && !x->token &&
            (last == NULL || x->columns[0]->position > last->columns[0]->position))
            last = x;
    }
    return last;
}

/* The restricted column that comes after c first. */
static const struct column *next_column(const struct where *w, const struct column *c)
{
    const struct column *next = NULL;
    for (size_t i = 0; i < w->count; i++) {
        const struct column *d = w->items[i].columns[0];
        if (d->kind == COLUMN_CLUSTERING && d->position > c->position &&
            (next == NULL || d->position < next->position))
            next = d;
    }
    return next;
}

bool where_may_add(struct run *r, const struct table *t, const struct where *w,
                   const struct restriction *x, bool filtering)
{
    const struct column *c = x->columns[0];
    for (size_t i = 0; i < w->count; i++) {
        if (!may_join(r, &w->items[i], x))
            return false;
    }
    const struct restriction *last = last_clustering(w);
    if (c->kind != COLUMN_CLUSTERING || x->token || filtering || last == NULL ||
        index_supports(t, x))
        return true;
    const struct column *before = last->columns[0];
    if (nature_of(last) == SLICE && c->position > before->position)
        return run_invalid(r,
                           "Clustering column \"%s\" cannot be restricted (preceding column "
                           "\"%s\" is restricted by a non-EQ relation)",
                           c->name, before->name);
    if (nature_of(x) == SLICE && c->position < before->position)
        return run_invalid(r,
                           "PRIMARY KEY column \"%s\" cannot be restricted (preceding column "
                           "\"%s\" is restricted by a non-EQ relation)",
                           next_column(w, c)->name, c->name);
    return true;
}
