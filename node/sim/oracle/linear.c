#include "node/sim/oracle/linear.h"

#include "base/mem.h"
#include "node/sim/oracle/linear_search.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_DEFAULT UINT64_C(5000000)
#define BYTES_DEFAULT ((size_t)256 << 20)
#define TOLD_MAX      5 /* operations that are told before the one that cannot be */
#define TEXT_SIZE     96

struct linear {
    const struct linear_model *model;
    struct linear_op *ops;
    bool *forgotten;
    size_t count, cap, forgotten_cap;
};

struct linear *linear_new(const struct linear_model *model)
{
    struct linear *l = mem_new(struct linear);
    l->model = model;
    return l;
}

void linear_free(struct linear *l)
{
    if (l == NULL)
        return;
    mem_free(l->ops);
    mem_free(l->forgotten);
    mem_free(l);
}

size_t linear_call(struct linear *l, const struct linear_op *op)
{
    ASSERT(l->count < LINEAR_OPS_MAX);
    l->ops = mem_grow(l->ops, l->count, &l->cap, sizeof *l->ops);
    l->forgotten = mem_grow(l->forgotten, l->count, &l->forgotten_cap, sizeof *l->forgotten);
    l->ops[l->count] = *op;
    l->ops[l->count].end = USEC_NEVER;
    l->forgotten[l->count] = false;
    return l->count++;
}

void linear_answer(struct linear *l, size_t number, usec end, int64_t output)
{
    ASSERT(number < l->count);
    ASSERT(end >= l->ops[number].call);
    l->ops[number].end = end;
    l->ops[number].output = output;
}

void linear_forget(struct linear *l, size_t number)
{
    ASSERT(number < l->count);
    l->forgotten[number] = true;
}

size_t linear_count(const struct linear *l)
{
    return l->count;
}

/* --- judging */

static int op_compare(const void *a, const void *b)
{
    const struct linear_op *x = a;
    const struct linear_op *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    if (x->call != y->call)
        return x->call < y->call ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int usec_compare(const void *a, const void *b)
{
    const usec *x = a;
    const usec *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* The time of the answer with which the operations stop being linearizable; they are not at the
 * end. */
static usec first_bad(const struct linear_model *model, const struct linear_op *ops, size_t count,
                      size_t bytes_max, uint64_t steps_max)
{
    usec *ends = mem_alloc(count * sizeof *ends);
    size_t ends_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (ops[i].end != USEC_NEVER)
            ends[ends_count++] = ops[i].end;
    }
    qsort(ends, ends_count, sizeof *ends, usec_compare);
    size_t low = 0; /* the answer is in [low, high] */
    size_t high = ends_count - 1;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        uint64_t steps = steps_max;
        if (linear_search(model, ops, count, ends[mid], bytes_max, &steps) == LINEAR_BAD)
            high = mid;
        else
            low = mid + 1;
    }
    usec at = ends[low];
    mem_free(ends);
    return at;
}

static size_t tell_op(const struct linear_model *model, const struct linear_op *op, char *text,
                      size_t size)
{
    char told[TEXT_SIZE];
    char end[32] = "open";
    model->tell(op, told, sizeof told);
    if (op->end != USEC_NEVER)
        snprintf(end, sizeof end, "%.6f", (double)op->end / 1e6);
    int len = snprintf(text, size, "client %" PRIu32 " at %.6f..%s s: %s", op->client,
                       (double)op->call / 1e6, end, told);
    return len < 0 ? 0 : (size_t)len < size ? (size_t)len : size - 1;
}

/* The operation whose answer, at `at`, cannot be, and what was called last before it. */
static void explain(const struct linear_model *model, const struct linear_op *ops, size_t count,
                    usec at, struct errmsg *why)
{
    char text[ERRMSG_SIZE];
    size_t len = 0;
    const struct linear_op *last = NULL;
    size_t before[TOLD_MAX];
    size_t told = 0;
    for (size_t i = 0; i < count; i++)
        last = ops[i].end == at ? &ops[i] : last;
    for (size_t i = count; i-- > 0 && told < TOLD_MAX;) {
        if (&ops[i] != last && ops[i].call <= at)
            before[told++] = i;
    }
    len +=
        (size_t)snprintf(text, sizeof text, "key %" PRIu32 ": cannot be in any order: ", last->key);
    len += tell_op(model, last, text + len, sizeof text - len);
    for (size_t i = 0; i < told && len + 8 < sizeof text; i++) {
        struct linear_op op = ops[before[i]];
        if (op.end > at)
            op.end = USEC_NEVER;
        len += (size_t)snprintf(text + len, sizeof text - len, i == 0 ? "; before: " : "; ");
        len += tell_op(model, &op, text + len, sizeof text - len);
    }
    (void)errmsg_set(why, ERR_FAILED, "%s", text);
}

/* All that was not forgotten, by key and call. */
static struct linear_op *sorted(const struct linear *l, size_t *ret_count)
{
    struct linear_op *ops = mem_alloc((l->count + 1) * sizeof *ops);
    size_t count = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (!l->forgotten[i])
            ops[count++] = l->ops[i];
    }
    if (count > 1)
        qsort(ops, count, sizeof *ops, op_compare);
    *ret_count = count;
    return ops;
}

enum linear_verdict linear_check(const struct linear *l, const struct linear_bound *bound,
                                 struct errmsg *ret_why)
{
    uint64_t steps_max = bound != NULL && bound->steps_max > 0 ? bound->steps_max : STEPS_DEFAULT;
    size_t bytes_max = bound != NULL && bound->bytes_max > 0 ? bound->bytes_max : BYTES_DEFAULT;
    enum linear_verdict verdict = LINEAR_GOOD;
    size_t count;
    size_t end;
    struct linear_op *ops = sorted(l, &count);
    for (size_t i = 0; i < count && verdict != LINEAR_BAD; i = end) {
        for (end = i; end < count && ops[end].key == ops[i].key;)
            end++;
        uint64_t steps = steps_max;
        enum linear_verdict one =
            linear_search(l->model, &ops[i], end - i, USEC_NEVER, bytes_max, &steps);
        verdict = one == LINEAR_GOOD ? verdict : one;
        if (one == LINEAR_BAD && ret_why != NULL)
            explain(l->model, &ops[i], end - i,
                    first_bad(l->model, &ops[i], end - i, bytes_max, steps_max), ret_why);
    }
    mem_free(ops);
    return verdict;
}

/* --- the register */

enum { READ, WRITE, SET };

static bool register_step(const struct linear_state *state, const struct linear_op *op,
                          struct linear_state *next)
{
    bool open = op->end == USEC_NEVER;
    bool fits = state->n[0] == op->input[1];
    switch (op->input[0]) {
    case READ: return !open && op->output == state->n[0];
    case WRITE: next->n[0] = op->input[1]; return true;
    default:
        if (fits)
            next->n[0] = op->input[2];
        return open ? fits : (op->output != 0) == fits;
    }
}

static bool register_is_read(const struct linear_op *op)
{
    return op->input[0] == READ || (op->input[0] == SET && op->output == 0);
}

static void register_tell(const struct linear_op *op, char *text, size_t size)
{
    bool open = op->end == USEC_NEVER;
    switch (op->input[0]) {
    case READ: snprintf(text, size, open ? "read" : "read %" PRId64, op->output); break;
    case WRITE: snprintf(text, size, "write %" PRId64, op->input[1]); break;
    default:
        snprintf(text, size, "set %" PRId64 " from %" PRId64 "%s", op->input[2], op->input[1],
                 open              ? ""
                 : op->output != 0 ? " ok"
                                   : " refused");
        break;
    }
}

const struct linear_model linear_register = {
    .step = register_step,
    .is_read = register_is_read,
    .tell = register_tell,
};

struct linear_op linear_reading(uint32_t key, uint32_t client, usec call)
{
    return (struct linear_op){.key = key, .client = client, .call = call, .input = {READ}};
}

struct linear_op linear_writing(uint32_t key, uint32_t client, usec call, int64_t value)
{
    return (struct linear_op){.key = key, .client = client, .call = call, .input = {WRITE, value}};
}

struct linear_op linear_setting(uint32_t key, uint32_t client, usec call, int64_t from, int64_t to)
{
    return (struct linear_op){.key = key, .client = client, .call = call, .input = {SET, from, to}};
}
