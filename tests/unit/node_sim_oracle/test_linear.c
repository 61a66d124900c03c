/* Histories that everybody knows, and random ones against a judge that tries every order. */
#include "base/mem.h"
#include "base/rng.h"
#include "node/sim/oracle/linear.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define OPEN USEC_NEVER

/* --- rows: what one history is made of */

struct line {
    char what; /* r, w, c(ompare and set); e(nqueue), d(equeue) */
    usec call, end;
    int64_t a, b;   /* w: the value; c: from, to; e: the value */
    int64_t output; /* r, d: what was seen; c: whether */
};

/* A queue of numbers 1 .. 15: the state is its digits, the oldest lowest. */
static bool queue_step(const struct linear_state *state, const struct linear_op *op,
                       struct linear_state *next)
{
    int64_t place = 1;
    if (op->input[0] == 'd') {
        next->n[0] = state->n[0] / 16;
        return state->n[0] != 0 && (op->end == OPEN || state->n[0] % 16 == op->output);
    }
    while (place <= state->n[0])
        place *= 16;
    next->n[0] += op->input[1] * place;
    return true;
}

static bool queue_is_read(const struct linear_op *op)
{
    (void)op;
    return false;
}

static void queue_tell(const struct linear_op *op, char *text, size_t size)
{
    snprintf(text, size, "%c", (char)op->input[0]);
}

static const struct linear_model queue = {
    .step = queue_step,
    .is_read = queue_is_read,
    .tell = queue_tell,
};

static struct linear_op op_of(const struct line *row, uint32_t client)
{
    switch (row->what) {
    case 'r': return linear_reading(0, client, row->call);
    case 'w': return linear_writing(0, client, row->call, row->a);
    case 'c': return linear_setting(0, client, row->call, row->a, row->b);
    default:
        return (struct linear_op){
            .client = client, .call = row->call, .input = {row->what, row->a}};
    }
}

static enum linear_verdict judge(const struct linear_model *model, const struct line *rows,
                                 size_t count, struct errmsg *why)
{
    struct linear *l = linear_new(model);
    for (size_t i = 0; i < count; i++) {
        struct linear_op op = op_of(&rows[i], (uint32_t)i);
        size_t number = linear_call(l, &op);
        if (rows[i].end != OPEN)
            linear_answer(l, number, rows[i].end, rows[i].output);
    }
    enum linear_verdict verdict = linear_check(l, NULL, why);
    linear_free(l);
    return verdict;
}

#define REGISTER(...)                                                                              \
    judge(&linear_register, (const struct line[]){__VA_ARGS__},                                    \
          ARRAY_LEN(((const struct line[]){__VA_ARGS__})), NULL)
#define QUEUE(...)                                                                                 \
    judge(&queue, (const struct line[]){__VA_ARGS__},                                              \
          ARRAY_LEN(((const struct line[]){__VA_ARGS__})), NULL)

static void nothing_happened(void)
{
    CU_ASSERT_EQUAL(judge(&linear_register, NULL, 0, NULL), LINEAR_GOOD);
}

static void read_of_what_was_written(void)
{
    CU_ASSERT_EQUAL(REGISTER({'w', 0, 1, 7, 0, 0}, {'r', 2, 3, 0, 0, 7}), LINEAR_GOOD);
    CU_ASSERT_EQUAL(REGISTER({'w', 0, 1, 7, 0, 0}, {'r', 2, 3, 0, 0, 0}), LINEAR_BAD);
    CU_ASSERT_EQUAL(REGISTER({'w', 0, 1, 7, 0, 0}, {'r', 2, 3, 0, 0, 8}), LINEAR_BAD);
}

/* While a write is going on, readers may see the old and the new value, but not first new, then
 * old. */
static void reads_during_a_write(void)
{
    CU_ASSERT_EQUAL(REGISTER({'w', 0, 10, 1, 0, 0}, {'r', 1, 5, 0, 0, 1}, {'r', 3, 6, 0, 0, 0}),
                    LINEAR_GOOD);
    CU_ASSERT_EQUAL(REGISTER({'w', 0, 10, 1, 0, 0}, {'r', 1, 2, 0, 0, 0}, {'r', 3, 4, 0, 0, 1}),
                    LINEAR_GOOD);
    CU_ASSERT_EQUAL(REGISTER({'w', 0, 10, 1, 0, 0}, {'r', 1, 2, 0, 0, 1}, {'r', 3, 4, 0, 0, 0}),
                    LINEAR_BAD);
}

/* The end of one and the call of another at the same moment: either may have been first. */
static void at_the_same_time(void)
{
    CU_ASSERT_EQUAL(REGISTER({'w', 0, 5, 1, 0, 0}, {'r', 5, 6, 0, 0, 0}), LINEAR_GOOD);
    CU_ASSERT_EQUAL(REGISTER({'w', 0, 5, 1, 0, 0}, {'r', 6, 6, 0, 0, 0}), LINEAR_BAD);
}

static void without_an_answer(void)
{
    /* It happened, late. */
    CU_ASSERT_EQUAL(REGISTER({'w', 0, OPEN, 1, 0, 0}, {'r', 5, 6, 0, 0, 0}, {'r', 7, 8, 0, 0, 1}),
                    LINEAR_GOOD);
    /* It never did. */
    CU_ASSERT_EQUAL(REGISTER({'w', 0, OPEN, 1, 0, 0}, {'r', 5, 6, 0, 0, 0}, {'r', 7, 8, 0, 0, 0}),
                    LINEAR_GOOD);
    /* It cannot be undone, nor happen before it was asked. */
    CU_ASSERT_EQUAL(REGISTER({'w', 0, OPEN, 1, 0, 0}, {'r', 5, 6, 0, 0, 1}, {'r', 7, 8, 0, 0, 0}),
                    LINEAR_BAD);
    CU_ASSERT_EQUAL(REGISTER({'r', 1, 2, 0, 0, 1}, {'w', 3, OPEN, 1, 0, 0}), LINEAR_BAD);
    /* Nor happen twice. */
    CU_ASSERT_EQUAL(REGISTER({'w', 0, OPEN, 1, 0, 0}, {'r', 5, 6, 0, 0, 1}, {'w', 7, 8, 2, 0, 0},
                             {'r', 9, 10, 0, 0, 1}),
                    LINEAR_BAD);
}

/* Two compare-and-sets from the same value cannot both be taken. */
static void lost_update(void)
{
    CU_ASSERT_EQUAL(REGISTER({'c', 0, 5, 0, 1, 1}, {'c', 1, 4, 0, 2, 0}), LINEAR_GOOD);
    CU_ASSERT_EQUAL(REGISTER({'c', 0, 5, 0, 1, 1}, {'c', 1, 4, 0, 2, 1}), LINEAR_BAD);
    CU_ASSERT_EQUAL(REGISTER({'c', 0, 5, 0, 1, 1}, {'c', 1, 4, 1, 2, 1}, {'r', 6, 7, 0, 0, 2}),
                    LINEAR_GOOD);
    CU_ASSERT_EQUAL(REGISTER({'c', 0, OPEN, 0, 1, 0}, {'c', 1, 4, 0, 2, 0}, {'r', 6, 7, 0, 0, 1}),
                    LINEAR_GOOD);
    CU_ASSERT_EQUAL(REGISTER({'c', 0, OPEN, 0, 1, 0}, {'c', 1, 4, 0, 2, 1}, {'r', 6, 7, 0, 0, 1}),
                    LINEAR_BAD);
}

/* The four queues of Herlihy and Wing's paper (1990), section 2. */
static void herlihy_and_wing(void)
{
    CU_ASSERT_EQUAL(QUEUE({'e', 0, 2, 1, 0, 0}, {'e', 1, 3, 2, 0, 0}, {'d', 4, 5, 0, 0, 1},
                          {'d', 4, 6, 0, 0, 2}, {'e', 7, OPEN, 3, 0, 0}),
                    LINEAR_GOOD);
    CU_ASSERT_EQUAL(QUEUE({'e', 0, 1, 1, 0, 0}, {'e', 2, 3, 2, 0, 0}, {'d', 4, 5, 0, 0, 2}),
                    LINEAR_BAD);
    CU_ASSERT_EQUAL(QUEUE({'e', 0, OPEN, 1, 0, 0}, {'d', 1, 2, 0, 0, 1}), LINEAR_GOOD);
    CU_ASSERT_EQUAL(QUEUE({'e', 0, 2, 1, 0, 0}, {'e', 1, 3, 2, 0, 0}, {'d', 4, 6, 0, 0, 2},
                          {'d', 5, 7, 0, 0, 2}),
                    LINEAR_BAD);
}

/* Keys are objects of their own, and a bad one is found among good ones. */
static void keys_are_apart(void)
{
    struct linear *l = linear_new(&linear_register);
    for (uint32_t key = 0; key < 10; key++) {
        struct linear_op write = linear_writing(key, 0, key, 1);
        struct linear_op read = linear_reading(key, 1, 100);
        linear_answer(l, linear_call(l, &write), key + 1, 0);
        linear_answer(l, linear_call(l, &read), 101, 1);
    }
    CU_ASSERT_EQUAL(linear_check(l, NULL, NULL), LINEAR_GOOD);
    struct linear_op read = linear_reading(4, 1, 102);
    struct errmsg why;
    linear_answer(l, linear_call(l, &read), 103, 0);
    CU_ASSERT_EQUAL(linear_check(l, NULL, &why), LINEAR_BAD);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "key 4:"));
    linear_forget(l, linear_count(l) - 1);
    CU_ASSERT_EQUAL(linear_check(l, NULL, NULL), LINEAR_GOOD);
    linear_free(l);
}

/* The words end with the first answer that cannot be, not with the last one of the history. */
static void shortest_prefix(void)
{
    const struct line rows[] = {
        {'w', 0, 1000000, 1, 0, 0},       {'w', 1000001, 1500000, 2, 0, 0},
        {'r', 2000000, 3000000, 0, 0, 1}, {'w', 2500000, 9000000, 3, 0, 0},
        {'r', 4000000, 5000000, 0, 0, 2}, {'r', 9500000, 9600000, 0, 0, 3},
    };
    struct errmsg why;
    CU_ASSERT_EQUAL(judge(&linear_register, rows, ARRAY_LEN(rows), &why), LINEAR_BAD);
    CU_ASSERT_STRING_EQUAL(why.text,
                           "key 0: cannot be in any order: client 2 at 2.000000..3.000000 s: read "
                           "1; before: client 3 at 2.500000..open s: write 3; client 1 at "
                           "1.000001..1.500000 s: write 2; client 0 at 0.000000..1.000000 s: write "
                           "1");
}

/* --- random ones */

struct tree {
    const struct linear_model *model;
    const struct linear_op *ops;
    size_t count;
    bool used[16];
};

/* Some order of what is left works: nothing is remembered, nothing is left out. */
static bool works(struct tree *t, struct linear_state state)
{
    bool done = true;
    for (size_t i = 0; i < t->count; i++)
        done = done && (t->used[i] || t->ops[i].end == OPEN);
    for (size_t i = 0; i < t->count && !done; i++) {
        struct linear_state next = state;
        bool first = !t->used[i];
        for (size_t k = 0; k < t->count; k++)
            first = first && (t->used[k] || t->ops[k].end >= t->ops[i].call);
        if (!first || !t->model->step(&state, &t->ops[i], &next))
            continue;
        t->used[i] = true;
        done = works(t, next);
        t->used[i] = false;
    }
    return done;
}

static void against_every_order(void)
{
    const uint64_t seed = 20261121;
    size_t good = 0;
    struct rng rng;
    rng_init(&rng, seed);
    for (int round = 0; round < 4000; round++) {
        struct linear_op ops[7];
        struct tree tree = {.model = &linear_register, .ops = ops};
        struct linear *l = linear_new(&linear_register);
        tree.count = (size_t)rng_between(&rng, 1, ARRAY_LEN(ops));
        for (size_t i = 0; i < tree.count; i++) {
            usec call = rng_between(&rng, 0, 20);
            int64_t a = rng_between(&rng, 0, 2);
            uint64_t kind = rng_below(&rng, 3);
            ops[i] = kind == 0   ? linear_reading(0, 0, call)
                     : kind == 1 ? linear_writing(0, 0, call, a)
                                 : linear_setting(0, 0, call, a, rng_between(&rng, 0, 2));
            size_t number = linear_call(l, &ops[i]);
            ops[i].end = rng_chance(&rng, 150000) ? OPEN : call + rng_between(&rng, 0, 10);
            ops[i].output = rng_between(&rng, 0, kind == 0 ? 2 : 1);
            if (ops[i].end != OPEN)
                linear_answer(l, number, ops[i].end, ops[i].output);
        }
        bool expected = works(&tree, linear_register.first);
        enum linear_verdict verdict = linear_check(l, NULL, NULL);
        good += expected;
        CU_ASSERT_EQUAL(verdict, expected ? LINEAR_GOOD : LINEAR_BAD);
        if ((verdict == LINEAR_GOOD) != expected)
            printf("seed %llu, round %d\n", (unsigned long long)seed, round);
        linear_free(l);
    }
    CU_ASSERT(good > 400 && good < 3600); /* both kinds were there */
}

/* What a real register answers: each operation happens at a moment of its own, and open ones
 * happen or not. Ten clients, one key. */
static struct linear *true_history(struct rng *rng, size_t count, uint32_t open_ppm)
{
    struct {
        usec at, end;
        size_t number;
        struct linear_op op;
        bool happens;
    } busy[10] = {0};
    struct linear *l = linear_new(&linear_register);
    int64_t value = 0;
    size_t called = 0;
    for (usec now = 0; called < count; now++) {
        for (size_t i = 0; i < ARRAY_LEN(busy); i++) {
            if (now == busy[i].at && busy[i].happens) {
                bool fits = busy[i].op.input[1] == value;
                busy[i].op.output = busy[i].op.input[0] == 0 ? value : fits;
                if (busy[i].op.input[0] == 1 || (busy[i].op.input[0] == 2 && fits))
                    value = busy[i].op.input[busy[i].op.input[0]];
            }
            if (now < busy[i].end || now == 0)
                continue;
            if (busy[i].op.end != OPEN && busy[i].end > 0)
                linear_answer(l, busy[i].number, busy[i].end, busy[i].op.output);
            uint64_t kind = rng_below(rng, 3);
            busy[i].op = kind == 0 ? linear_reading(0, (uint32_t)i, now + 1)
                         : kind == 1
                             ? linear_writing(0, (uint32_t)i, now + 1, rng_between(rng, 0, 9))
                             : linear_setting(0, (uint32_t)i, now + 1, rng_between(rng, 0, 9),
                                              rng_between(rng, 0, 9));
            busy[i].op.end = rng_chance(rng, open_ppm) ? OPEN : 0;
            busy[i].happens = busy[i].op.end != OPEN || rng_chance(rng, 500000);
            busy[i].at = now + rng_between(rng, 2, 10);
            busy[i].end = busy[i].at + rng_between(rng, 1, 10);
            busy[i].number = linear_call(l, &busy[i].op);
            called++;
        }
    }
    return l;
}

static void long_histories(void)
{
    const struct {
        size_t count;
        uint32_t open_ppm;
    } rows[] = {{10000, 0}, {10000, 1000}, {1000, 10000}};
    struct rng rng;
    rng_init(&rng, 7);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct linear *l = true_history(&rng, rows[i].count, rows[i].open_ppm);
        struct errmsg why = {""};
        CU_ASSERT_EQUAL(linear_check(l, NULL, &why), LINEAR_GOOD);
        CU_ASSERT_STRING_EQUAL(why.text, "");
        linear_free(l);
    }
}

/* One answer too many at the end of a good history, which makes no order of all good. */
static void long_bad_history(void)
{
    struct errmsg why = {""};
    struct rng rng;
    rng_init(&rng, 8);
    struct linear *l = true_history(&rng, 3000, 0);
    struct linear_op read = linear_reading(0, 99, (usec)1 << 40);
    linear_answer(l, linear_call(l, &read), (usec)1 << 41, 77);
    CU_ASSERT_EQUAL(linear_check(l, NULL, &why), LINEAR_BAD);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "read 77"));
    linear_free(l);
}

/* Many writes that nobody answered, and a read that none of them explains: as many orders as there
 * are subsets. It gives up, and says so. */
static void gives_up(void)
{
    const struct linear_bound bounds[] = {{.steps_max = 100000}, {.bytes_max = 1 << 20}};
    for (size_t b = 0; b < ARRAY_LEN(bounds); b++) {
        struct linear *l = linear_new(&linear_register);
        for (int i = 0; i < 40; i++) {
            struct linear_op write = linear_writing(0, 0, i, i + 1);
            (void)linear_call(l, &write);
        }
        struct linear_op read = linear_reading(0, 1, 100);
        linear_answer(l, linear_call(l, &read), 101, 50);
        CU_ASSERT_EQUAL(linear_check(l, &bounds[b], NULL), LINEAR_UNKNOWN);
        linear_free(l);
    }
}

CU_TestInfo linear_tests[] = {
    {"nothing happened", nothing_happened},
    {"read of what was written", read_of_what_was_written},
    {"reads during a write", reads_during_a_write},
    {"at the same time", at_the_same_time},
    {"without an answer", without_an_answer},
    {"lost update", lost_update},
    {"Herlihy and Wing", herlihy_and_wing},
    {"keys are apart", keys_are_apart},
    {"shortest prefix", shortest_prefix},
    {"against every order", against_every_order},
    {"long histories", long_histories},
    {"long bad history", long_bad_history},
    {"gives up", gives_up},
    CU_TEST_INFO_NULL,
};
