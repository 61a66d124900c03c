/* linear.h - whether what clients were told can have happened one thing after the other.
 *
 * A history of operations, each with the time of its call and of its answer, is linearizable when
 * every operation can be given a moment between the two so that, in the order of these moments, a
 * sequential object gives exactly these answers. The object is a model: a state of a few numbers
 * and a step. An operation without an answer may have happened at any time after its call, or
 * never.
 *
 *   linear_call -> linear_answer | linear_forget | (nothing: open for ever) -> linear_check
 *
 * The search is that of Wing and Gong with Lowe's cache of (set of operations done, state), as in
 * Knossos and Porcupine; each key is an object of its own and judged alone. It is bounded: past the
 * bound the verdict is UNKNOWN, which proves nothing either way.
 *
 * A prefix of a linearizable history is linearizable; so the shortest prefix that is not, which is
 * what a person wants to see, is found by halving.
 */
#ifndef TORC_NODE_SIM_ORACLE_LINEAR_H
#define TORC_NODE_SIM_ORACLE_LINEAR_H

#include "base/err.h"
#include "base/types.h"

#define LINEAR_OPS_MAX 1000000

struct linear_state {
    int64_t n[2];
};

struct linear_op {
    uint32_t key;
    uint32_t client; /* only for words */
    usec call;
    usec end;         /* USEC_NEVER: open; `output` means nothing */
    int64_t input[3]; /* the model's own, as is the output */
    int64_t output;
};

struct linear_model {
    struct linear_state first;

    /* May the operation happen in this state, with this answer? Then *next is the state after it.
     * An open operation fits any answer. *next is a copy of *state to begin with. */
    bool (*step)(const struct linear_state *state, const struct linear_op *op,
                 struct linear_state *next);

    /* With its answer (it has one), the operation changes no state whatever. */
    bool (*is_read)(const struct linear_op *op);

    /* What was asked and answered, for a person. */
    void (*tell)(const struct linear_op *op, char *text, size_t size);
};

/* A register of one number with compare-and-set; its operations are made by linear_reading …
 * linear_setting. A read's output is the value; that of a compare-and-set is whether it was set. */
extern const struct linear_model linear_register; /* begins as 0 */
struct linear_op linear_reading(uint32_t key, uint32_t client, usec call);
struct linear_op linear_writing(uint32_t key, uint32_t client, usec call, int64_t value);
struct linear_op linear_setting(uint32_t key, uint32_t client, usec call, int64_t from, int64_t to);

/* Of one key. Zero: the default, in brackets. */
struct linear_bound {
    uint64_t steps_max; /* [5 million] of the model */
    size_t bytes_max;   /* [256 MiB] of cache */
};

enum linear_verdict { LINEAR_GOOD, LINEAR_BAD, LINEAR_UNKNOWN };

struct linear; /* Opaque. */

struct linear *linear_new(const struct linear_model *model); /* borrows the model */
void linear_free(struct linear *l);                          /* accepts NULL */

/* `end` and `output` of what is given are ignored: the operation is open. Returns its number. */
size_t linear_call(struct linear *l, const struct linear_op *op);

/* It was answered, at end >= call. */
void linear_answer(struct linear *l, size_t number, usec end, int64_t output);

/* It is known not to have happened. */
void linear_forget(struct linear *l, size_t number);
size_t linear_count(const struct linear *l); /* operations called, forgotten ones included */

/* Judge the history so far. When BAD, ret_why (may be NULL) has the end of the shortest prefix that
 * cannot be: its last answer, and what went before it. UNKNOWN only when no key is BAD. */
enum linear_verdict linear_check(const struct linear *l, const struct linear_bound *bound,
                                 struct errmsg *ret_why);

#endif
