#include "node/sim/oracle/catalog.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

struct change {
    struct catalog_change what;
    size_t op;      /* in the linear history */
    uint64_t epoch; /* it is within; UINT64_MAX: open */
    bool wipes;
};

struct row {
    struct catalog_insert what;
    usec end; /* NEVER: open */
    uint32_t replicas;
};

struct catalog {
    struct linear *linear;
    uint32_t replicas;
    struct change *changes;
    size_t changes_count, changes_cap;
    struct row *rows;
    size_t rows_count, rows_cap;
};

/* --- a name as a linearizable object: n[0] is 0, or 1 and the added columns above it */

#define EXISTS 1

static int64_t column_bit(const struct linear_op *op)
{
    return (int64_t)2 << op->input[1];
}

/* What the change comes to in this state. */
static enum catalog_answer apply(int64_t *state, const struct linear_op *op)
{
    bool exists = *state != 0;
    bool lenient = op->input[2] != 0;
    enum catalog_kind kind = (enum catalog_kind)op->input[0];
    if (kind == CATALOG_CREATE) {
        if (exists)
            return lenient ? CATALOG_DONE : CATALOG_EXISTS;
        *state = EXISTS;
        return CATALOG_DONE;
    }
    if (!exists)
        return lenient ? CATALOG_DONE : CATALOG_REFUSED;
    bool has = (*state & column_bit(op)) != 0;
    if ((kind == CATALOG_ADD_COLUMN && has) || (kind == CATALOG_DROP_COLUMN && !has))
        return CATALOG_REFUSED;
    if (kind == CATALOG_DROP)
        *state = 0;
    else if (kind != CATALOG_TRUNCATE)
        *state ^= column_bit(op);
    return CATALOG_DONE;
}

static bool step(const struct linear_state *state, const struct linear_op *op,
                 struct linear_state *next)
{
    if (op->input[0] == CATALOG_FOUND)
        return state->n[0] == op->output;
    enum catalog_answer answer = apply(&next->n[0], op);
    return op->end == USEC_NEVER || (int64_t)answer == op->output;
}

static bool is_read(const struct linear_op *op)
{
    return op->input[0] == CATALOG_FOUND || op->input[0] == CATALOG_TRUNCATE ||
           op->output != CATALOG_DONE;
}

static void tell(const struct linear_op *op, char *text, size_t size)
{
    static const char *const kinds[] = {"CREATE",     "DROP",        "TRUNCATE",
                                        "ADD column", "DROP column", "found"};
    static const char *const answers[] = {"done", "exists already", "refused"};
    enum catalog_kind kind = (enum catalog_kind)op->input[0];
    char column[24] = "";
    if (kind == CATALOG_FOUND) {
        snprintf(text, size, op->output == 0 ? "found no table" : "found columns 0x%" PRIx64,
                 (uint64_t)op->output >> 1);
        return;
    }
    if (kind == CATALOG_ADD_COLUMN || kind == CATALOG_DROP_COLUMN)
        snprintf(column, sizeof column, " %" PRId64, op->input[1]);
    snprintf(text, size, "%s%s%s: %s", kinds[kind], column,
             op->input[2] == 0        ? ""
             : kind == CATALOG_CREATE ? " IF NOT EXISTS"
                                      : " IF EXISTS",
             op->end == USEC_NEVER ? "?" : answers[op->output]);
}

static const struct linear_model model = {.step = step, .is_read = is_read, .tell = tell};

/* --- changes */

struct catalog *catalog_new(uint32_t replicas)
{
    struct catalog *c = mem_new(struct catalog);
    c->replicas = replicas;
    c->linear = linear_new(&model);
    return c;
}

void catalog_free(struct catalog *c)
{
    if (c == NULL)
        return;
    linear_free(c->linear);
    mem_free(c->changes);
    mem_free(c->rows);
    mem_free(c);
}

size_t catalog_change(struct catalog *c, const struct catalog_change *change)
{
    ASSERT(change->column < CATALOG_COLUMNS_MAX);
    struct linear_op op = {.key = change->name,
                           .client = change->client,
                           .call = change->call,
                           .input = {change->kind, change->column, change->lenient}};
    c->changes = mem_grow(c->changes, c->changes_count, &c->changes_cap, sizeof *c->changes);
    c->changes[c->changes_count] =
        (struct change){.what = *change,
                        .op = linear_call(c->linear, &op),
                        .epoch = UINT64_MAX,
                        .wipes = change->kind == CATALOG_DROP || change->kind == CATALOG_TRUNCATE};
    return c->changes_count++;
}

void catalog_changed(struct catalog *c, size_t number, usec end, uint64_t epoch,
                     enum catalog_answer answer)
{
    struct change *change = &c->changes[number];
    change->epoch = epoch;
    change->wipes = change->wipes && answer == CATALOG_DONE;
    linear_answer(c->linear, change->op, end, answer);
}

void catalog_never(struct catalog *c, size_t number)
{
    c->changes[number].wipes = false;
    linear_forget(c->linear, c->changes[number].op);
}

void catalog_found(struct catalog *c, uint32_t name, bool exists, uint32_t columns, usec now)
{
    struct linear_op op = {.key = name, .call = now, .input = {CATALOG_FOUND}};
    int64_t state = exists ? (int64_t)columns << 1 | EXISTS : 0;
    linear_answer(c->linear, linear_call(c->linear, &op), now, state);
}

enum linear_verdict catalog_check(const struct catalog *c, struct errmsg *ret_why)
{
    return linear_check(c->linear, NULL, ret_why);
}

/* --- rows */

size_t catalog_insert(struct catalog *c, const struct catalog_insert *insert)
{
    c->rows = mem_grow(c->rows, c->rows_count, &c->rows_cap, sizeof *c->rows);
    c->rows[c->rows_count] = (struct row){*insert, USEC_NEVER, 0};
    return c->rows_count++;
}

void catalog_inserted(struct catalog *c, size_t row, usec end, uint32_t replicas)
{
    c->rows[row].end = end;
    c->rows[row].replicas = replicas;
}

void catalog_disk_lost(struct catalog *c)
{
    for (size_t i = 0; i < c->rows_count; i++)
        c->rows[i].replicas -= c->rows[i].replicas > 0;
}

/* A change that may have wiped the row before the read was answered, or that the reader may not
 * know of though the writer did. */
static bool may_be_gone(const struct catalog *c, const struct row *r,
                        const struct catalog_read *read)
{
    for (size_t i = 0; i < c->changes_count; i++) {
        const struct change *w = &c->changes[i];
        if (w->wipes && w->what.name == r->what.name && w->what.call <= read->end &&
            (w->epoch > r->what.epoch || w->epoch > read->epoch))
            return true;
    }
    return false;
}

/* The change that wiped the row for certain, as the reader knew, or NULL. */
static const struct change *wiped_by(const struct catalog *c, const struct row *r,
                                     const struct catalog_read *read)
{
    for (size_t i = 0; i < c->changes_count; i++) {
        const struct change *w = &c->changes[i];
        if (w->wipes && w->what.name == r->what.name && w->epoch <= read->epoch &&
            r->end < w->what.call)
            return w;
    }
    return NULL;
}

static bool is_among(const struct catalog_read *read, int64_t id)
{
    for (size_t i = 0; i < read->count; i++) {
        if (read->ids[i] == id)
            return true;
    }
    return false;
}

static bool complain(struct errmsg *why, const struct catalog_read *read, int64_t id,
                     const char *what)
{
    return errmsg_set(why, ERR_FAILED,
                      "name %" PRIu32 ", partition %" PRIu32 ", read at %.6f..%.6f s: row %" PRId64
                      " %s",
                      read->name, read->partition, (double)read->start / 1e6,
                      (double)read->end / 1e6, id, what) == ERR_OK;
}

static bool row_can_be(const struct catalog *c, const struct row *r,
                       const struct catalog_read *read, struct errmsg *why)
{
    char text[128];
    if (!is_among(read, r->what.id)) {
        if (r->end >= read->start || r->replicas + read->replicas <= c->replicas ||
            r->replicas == 0 || may_be_gone(c, r, read))
            return true;
        snprintf(text, sizeof text, "is missing, which %" PRIu32 " replicas acked at %.6f s",
                 r->replicas, (double)r->end / 1e6);
        return complain(why, read, r->what.id, text);
    }
    const struct change *w = wiped_by(c, r, read);
    if (w == NULL && r->what.call <= read->end)
        return true;
    if (w == NULL)
        return complain(why, read, r->what.id, "is there before it was inserted");
    snprintf(text, sizeof text,
             "of before %.6f s is there, though the reader knew that the table was wiped since",
             (double)w->what.call / 1e6);
    return complain(why, read, r->what.id, text);
}

bool catalog_read(const struct catalog *c, const struct catalog_read *read, struct errmsg *why)
{
    size_t known = 0;
    for (size_t i = 0; i < c->rows_count; i++) {
        const struct row *r = &c->rows[i];
        if (r->what.name != read->name || r->what.partition != read->partition)
            continue;
        known += is_among(read, r->what.id);
        if (!row_can_be(c, r, read, why))
            return false;
    }
    return known == read->count ||
           complain(why, read, (int64_t)read->count, "or another is there twice, or of nobody");
}
