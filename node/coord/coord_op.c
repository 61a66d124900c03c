/* Writes of this node's clients: an operation is all runs of one request. Its stamp is asked for
 * before any of them begins (coord_ask.c), and has one value for all; then they run side by side,
 * and it is done when the last of them is. */
#include "node/coord/coord_core.h"

#include "node/coord/receipt.h"

struct write_op {
    uint64_t op;
    struct memory *memory;
    size_t left;      /* runs that have no result yet */
    struct run **run; /* that have not begun */
    size_t runs;
    size_t bytes; /* of these */
    usec end_mono;
    struct seen told; /* by the dots of those that went well */
    struct bytes receipt;
    struct coord_result result;
};

/* One less is out. */
static void op_release(struct coord *c, struct write_op *op)
{
    ASSERT(op->left > 0);
    if (--op->left > 0)
        return;
    op->result.receipt = op->receipt;
    op->result.seen = op->told.count > 0 ? &op->told : NULL;
    coord_done(c, op->op, &op->result);
    memory_retire(c, op->memory);
}

/* One result for all runs of an operation: the first that is not well wins. */
static void op_fold(struct coord *c, struct write_op *op, const struct coord_result *result)
{
    uint32_t merged = op->result.merged + result->merged;
    struct coord_result before = op->result;
    table_no merged_in = result->merged > 0 ? result->merged_in : before.merged_in;
    if (result->merged > 0 && before.merged > 0 && result->merged_in != before.merged_in)
        merged_in = 0;
    c->stats.lost_given += result->lost == LOST_GIVEN;
    c->stats.lost_stamped += result->lost == LOST_STAMPED;
    c->stats.hints_acked += result->err == ERR_OK && result->hinted > 0;
    if (op->result.err == ERR_OK)
        op->result = *result;
    op->result.hinted = before.hinted + result->hinted;
    op->result.synced = before.synced && result->synced;
    op->result.left_out = before.left_out || result->left_out;
    op->result.merged = merged;
    op->result.merged_in = merged_in;
    if (result->lost == LOST_NONE || result->behind < before.behind) {
        op->result.lost = before.lost;
        op->result.lost_in = before.lost_in;
        op->result.behind = before.behind;
    }
    op_release(c, op);
}

void write_run_done(struct coord *c, struct run *run, const struct coord_result *result)
{
    struct write_op *op = run->owner;
    receipt_add(&op->receipt, &op->memory->arena, run->receipt);
    if (result->err == ERR_OK && run->tells)
        seen_merge(&op->told, &op->memory->arena, &run->told);
    op_fold(c, op, result);
}

void write_run_dropped(struct coord *c, struct write_op *op)
{
    if (--op->left == 0)
        memory_retire(c, op->memory);
}

/* Of our own, deep in the run's memory. */
static bool copy_mutation(struct run *run, const struct mutation *m)
{
    struct arena *arena = &run->memory->arena;
    struct buf out;
    buf_init(&out, STORE_BATCH_MAX);
    part_encode(&m->part, &out);
    enum err err = buf_finish(&out);
    run->encoded = arena_copy(arena, buf_bytes(&out));
    buf_clear(&out);
    supersede_encode(&m->supersede, &out);
    err = err == ERR_OK ? buf_finish(&out) : err;
    run->supersede_encoded = arena_copy(arena, buf_bytes(&out));
    buf_close(&out);
    return err == ERR_OK && part_decode(run->encoded, arena, &run->part) == ERR_OK &&
           supersede_decode(run->supersede_encoded, arena, &run->supersede) == ERR_OK;
}

static struct run *run_of(struct coord *c, struct write_op *op, const struct coord_write *w,
                          const struct mutation *m)
{
    struct run *run = run_new();
    run->owner = op;
    run->keyspace = m->keyspace;
    run->level = w->level;
    run->kind = w->kind;
    run->came = w->stamp;
    run->limit = w->asked && !m->unasked ? w->limit : INT64_MIN;
    run->beyond = w->asked && !m->unasked && w->beyond;
    run->until = stamp_until(c, w->stamp, w->timeout_us);
    run->want_receipt = w->receipt;
    run->replay = w->replay;
    run->hint = w->hint;
    run->to = w->to;
    if (copy_mutation(run, m)) {
        run_take_session(c, run, w->seen);
        return run;
    }
    memory_retire(c, run->memory);
    return NULL;
}

/* All begin. */
static void op_go(struct coord *c, struct now now, struct write_op *op)
{
    usec left = op->end_mono > now.mono ? op->end_mono - now.mono : 0;
    size_t runs = op->runs;
    op->runs = 0;
    op->left = runs + 1; /* one for ourselves, so that DONE is last */
    for (size_t i = 0; i < runs; i++)
        run_start(c, now, op->run[i], left);
    op_release(c, op);
}

/* It is over before any of it began. */
static void op_fail(struct coord *c, struct write_op *op, const struct coord_result *result)
{
    op->result = *result;
    coord_done(c, op->op, &op->result);
    write_close(c, op);
}

/* What cannot have the stamp, for what a client has stamped in it, keeps the one it came with. */
static enum err run_stamp(struct run *run, const struct asked *a, bool asked)
{
    if (a->stamp != run->came && !part_restamp(&run->part, run->came, a->stamp))
        return ERR_OK;
    bool later = a->stamp != run->came;
    run->came = a->stamp;
    run->limit = asked ? a->limit : INT64_MIN;
    run->beyond = asked && a->beyond;
    run->sent = run->part;
    return later ? run_encode(run) : ERR_OK;
}

static void op_asked(struct coord *c, struct now now, struct write_op *op, const struct asked *a)
{
    struct coord_result failed = {.err = a->err,
                                  .level = op->result.level,
                                  .kind = op->result.kind,
                                  .required = a->required,
                                  .failures = a->failures};
    for (size_t i = 0; i < op->runs && failed.err == ERR_OK; i++)
        failed.err = run_stamp(op->run[i], a, a->of[i].asked);
    if (failed.err == ERR_OK)
        op_go(c, now, op);
    else
        op_fail(c, op, &failed);
}

void write_asked(struct coord *c, struct now now, struct write_op *op, const struct asked *a)
{
    c->in_flight -= op->bytes;
    op_asked(c, now, op, a);
}

void write_close(struct coord *c, struct write_op *op)
{
    for (size_t i = 0; i < op->runs; i++)
        memory_retire(c, op->run[i]->memory);
    memory_retire(c, op->memory);
}

bool write_asks(const struct coord_write *w)
{
    return w->stamp != 0 && !w->asked && !w->replay && w->kind != WRITE_COUNTER &&
           w->kind != WRITE_CAS;
}

/* The result, or ERR_BEHIND: write_asked gets it. */
static enum err op_ask(struct coord *c, struct write_op *op, const struct coord_write *w,
                       struct asked *ret)
{
    struct ask_of *of = arena_array(&op->memory->arena, struct ask_of, op->runs);
    struct ask_request r = {.of = of,
                            .count = op->runs,
                            .level = w->level,
                            .stamp = w->stamp,
                            .until = stamp_until(c, w->stamp, w->timeout_us),
                            .end_mono = op->end_mono,
                            .write = op};
    for (size_t i = 0; i < op->runs; i++)
        of[i] = (struct ask_of){.keyspace = op->run[i]->keyspace,
                                .part = &op->run[i]->part,
                                .supersede = &op->run[i]->supersede};
    return ask_start(c, &r, ret, NULL);
}

void write_begin(struct coord *c, struct now now, uint64_t op, const struct coord_write *w)
{
    struct memory *memory = memory_new();
    struct write_op *o = arena_new(&memory->arena, struct write_op);
    struct coord_result too_big = {.err = ERR_TOO_BIG, .level = w->level, .kind = w->kind};
    struct asked asked;
    o->op = op;
    o->memory = memory;
    o->result =
        (struct coord_result){.err = ERR_OK, .level = w->level, .kind = w->kind, .synced = true};
    o->end_mono = now.mono + w->timeout_us;
    o->run = arena_array(&memory->arena, struct run *, w->count);
    c->stats.writes++;
    for (size_t i = 0; i < w->count; i++) {
        struct run *run = run_of(c, o, w, &w->mutations[i]);
        if (run == NULL) {
            op_fail(c, o, &too_big);
            return;
        }
        o->bytes += run->encoded.len;
        o->run[o->runs++] = run;
    }
    bool fits = c->in_flight + o->bytes <= c->config.in_flight_max; /* else they say so */
    if (!write_asks(w) || !fits)
        op_go(c, now, o);
    else if (op_ask(c, o, w, &asked) == ERR_BEHIND)
        c->in_flight += o->bytes;
    else
        op_asked(c, now, o, &asked);
}
