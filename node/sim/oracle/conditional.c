#include "node/sim/oracle/conditional.h"

#include <inttypes.h>
#include <stdio.h>

enum { READ, APPEND, CHANGE }; /* CHANGE + the test */

int64_t conditional_fold(int64_t list, int64_t value)
{
    uint64_t hash = (uint64_t)list * UINT64_C(6364136223846793005) + (uint64_t)value + 1;
    return (int64_t)((hash ^ hash >> 29) & INT64_MAX);
}

struct linear_op conditional_change(uint32_t key, uint32_t client, usec call,
                                    enum conditional_test test, int64_t operand, int64_t next)
{
    return (struct linear_op){.key = key,
                              .client = client,
                              .call = call,
                              .input = {CHANGE + (int64_t)test, operand, next}};
}

struct linear_op conditional_append(uint32_t key, uint32_t client, usec call, int64_t count,
                                    int64_t value)
{
    return (struct linear_op){
        .key = key, .client = client, .call = call, .input = {APPEND, count, value}};
}

struct linear_op conditional_read(uint32_t key, uint32_t client, usec call)
{
    return (struct linear_op){.key = key, .client = client, .call = call, .input = {READ}};
}

static bool holds(int64_t test, int64_t number, int64_t operand)
{
    switch (test) {
    case CONDITIONAL_EQ: return number == operand;
    case CONDITIONAL_NE: return number != operand;
    case CONDITIONAL_LT: return number != 0 && number < operand;
    case CONDITIONAL_GT: return number != 0 && number > operand;
    default: return number != 0;
    }
}

static bool step(const struct linear_state *state, const struct linear_op *op,
                 struct linear_state *next)
{
    bool open = op->end == USEC_NEVER;
    if (op->input[0] == READ)
        return !open && op->output == state->n[0];
    bool append = op->input[0] == APPEND;
    int64_t found = append ? state->n[1] : state->n[0];
    bool good = append ? found == op->input[1] : holds(op->input[0] - CHANGE, found, op->input[1]);
    if (good) {
        next->n[0] = append ? conditional_fold(state->n[0], op->input[2]) : op->input[2];
        next->n[1] = state->n[1] + append;
    }
    if (open)
        return good;
    if (op->output == CONDITIONAL_APPLIED)
        return good;
    return !good && (op->output == CONDITIONAL_REFUSED || op->output == found);
}

static bool is_read(const struct linear_op *op)
{
    return op->input[0] == READ || op->output != CONDITIONAL_APPLIED;
}

static void tell(const struct linear_op *op, char *text, size_t size)
{
    static const char *const tests[] = {"=", "!=", "<", ">", "is there,"};
    char end[48] = "";
    if (op->end != USEC_NEVER && op->output == CONDITIONAL_APPLIED)
        (void)snprintf(end, sizeof end, ": applied");
    else if (op->end != USEC_NEVER && op->output == CONDITIONAL_REFUSED)
        (void)snprintf(end, sizeof end, ": not applied");
    else if (op->end != USEC_NEVER)
        (void)snprintf(end, sizeof end, ": %" PRId64, op->output);
    if (op->input[0] == READ)
        (void)snprintf(text, size, "read%s", end);
    else if (op->input[0] == APPEND)
        (void)snprintf(text, size, "append %" PRId64 " if %" PRId64 " are there%s", op->input[2],
                       op->input[1], end);
    else
        (void)snprintf(text, size, "%" PRId64 " if %s %" PRId64 "%s", op->input[2],
                       tests[op->input[0] - CHANGE], op->input[1], end);
}

const struct linear_model linear_conditional = {.step = step, .is_read = is_read, .tell = tell};
