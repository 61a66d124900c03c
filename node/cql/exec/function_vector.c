/* function_vector.c - how similar two vectors of floats are: from 0 (or, of what is no unit vector,
 * below) to 1. */
#include "node/cql/exec/function_inner.h"
#include "node/cql/exec/selector.h"

#include <math.h>
#include <string.h>

/* A list among selectors may be a vector of its length. */
static const struct cql_type *vector_of(struct run *r, const struct function_arg *arg,
                                        const struct cql_type *want)
{
    const struct selector *s = arg->selector;
    const struct cql_type *type;
    struct errmsg m;
    if (s != NULL && s->kind == SELECTOR_LIST && arg->type == NULL) {
        const char *text = arena_printf(r->arena, "vector<float, %zu>", s->args_count);
        if (s->args_count == 0)
            run_invalid(r, "vectors may only have positive dimensions; given 0");
        else if (run_err(r, cql_type_parse(r->arena, bytes_text(text), &type, &m), &m))
            return type;
        return NULL;
    }
    if (s == NULL && arg->type == NULL && arg->term != NULL && arg->term->kind == AST_LIST)
        return want;
    return function_arg_infer(r, arg);
}

static bool is_float_vector(const struct cql_type *t)
{
    return t->kind == CQL_VECTOR && t->items[0]->kind == CQL_FLOAT;
}

static bool make_pair(struct run *r, const struct factory *x, const struct function_arg *args,
                      size_t count, const struct cql_type *want, struct function *ret)
{
    r->code = 0;
    for (size_t i = 0; i < count; i++) {
        ret->args[i] = vector_of(r, &args[i], want);
        if (r->code != 0)
            return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (ret->args[i] == NULL)
            ret->args[i] = ret->args[1 - i];
        if (ret->args[i] == NULL)
            return factory_cannot_infer(r, x, &args[i]);
        if (!is_float_vector(ret->args[i]))
            return factory_refuses(r, x, "a float vector argument", &args[i], ret->args[i]);
    }
    if (ret->args[0]->dimension != ret->args[1]->dimension)
        return run_invalid(r, "All arguments must have the same vector dimensions");
    ret->result = cql_type_native(CQL_FLOAT);
    return true;
}

static float component(struct bytes v, size_t n)
{
    uint32_t bits = load_u32(v.data + 4 * n);
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* In floats, as Cassandra sums: the last digits are those of its answers. */
struct products {
    float ab, aa, bb, distance;
};

static struct products products_of(struct bytes a, struct bytes b)
{
    struct products p = {0};
    for (size_t i = 0; i < a.len / 4 && i < b.len / 4; i++) {
        float x = component(a, i), y = component(b, i);
        p.ab += x * y;
        p.aa += x * x;
        p.bb += y * y;
        p.distance += (x - y) * (x - y);
    }
    return p;
}

double vector_similarity(enum similarity how, struct bytes a, struct bytes b)
{
    struct products p = products_of(a, b);
    if (how == SIMILARITY_EUCLIDEAN)
        return (double)(1 / (1 + p.distance));
    if (how == SIMILARITY_DOT_PRODUCT)
        return (double)((1 + p.ab) / 2);
    if (p.aa == 0 || p.bb == 0)
        return (double)NAN;
    float cos = (float)((double)p.ab / sqrt((double)p.aa * (double)p.bb));
    return (double)((1 + cos) / 2);
}

static bool similar(enum similarity how, const struct function *f, struct run *r,
                    const struct cql_value *args, size_t count, struct cql_value *ret)
{
    if (any_null(args, count))
        return true;
    double s = vector_similarity(how, args[0].data, args[1].data);
    if (isnan(s) && how == SIMILARITY_COSINE)
        return run_invalid(r, "Function %s doesn't support all-zero vectors.", f->name);
    *ret = value_put_real(r, f->result, s);
    return true;
}

static bool cosine(struct run *r, const struct function *f, const struct cql_value *args,
                   size_t count, struct cql_value *ret)
{
    return similar(SIMILARITY_COSINE, f, r, args, count, ret);
}

static bool euclidean(struct run *r, const struct function *f, const struct cql_value *args,
                      size_t count, struct cql_value *ret)
{
    return similar(SIMILARITY_EUCLIDEAN, f, r, args, count, ret);
}

static bool dot_product(struct run *r, const struct function *f, const struct cql_value *args,
                        size_t count, struct cql_value *ret)
{
    return similar(SIMILARITY_DOT_PRODUCT, f, r, args, count, ret);
}

struct factories function_vector_factories(void)
{
    static const char parameters[] = "vector<float, n>, vector<float, n>";
    static const struct factory factories[] = {
        {"similarity_cosine", parameters, 2, 2, make_pair, cosine},
        {"similarity_euclidean", parameters, 2, 2, make_pair, euclidean},
        {"similarity_dot_product", parameters, 2, 2, make_pair, dot_product},
    };
    return (struct factories){factories, ARRAY_LEN(factories)};
}
