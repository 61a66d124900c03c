/* The list of all workloads, and what they share. */
#include "base/mem.h"
#include "node/sim/run/work.h"
#include "ring/murmur3.h"

#include <stdlib.h>

#include <inttypes.h>
#include <stdio.h>

#define FIRST_STAMP   INT64_C(1767225600000000)
#define BACK_DATE_MAX (2 * USEC_PER_SEC)
#define STAMPS_A_USEC 1024 /* room for unique ones, however fast the clients are */

extern const struct workload_ops work_registers, work_sets, work_collections, work_lists,
    work_batches, work_scans, work_ttl, work_generated, work_schema, work_counters, work_index,
    work_cas, work_logged, work_deletes, work_siblings, work_sessions, work_hints;

const struct workload_ops *const workloads_all[] = {
    &work_registers, &work_sets,      &work_collections, &work_lists,    &work_batches, &work_scans,
    &work_ttl,       &work_generated, &work_schema,      &work_counters, &work_index,   &work_cas,
    &work_logged,    &work_deletes,   &work_siblings,    &work_sessions, &work_hints,   NULL,
};

bool workload_is_drawn(const struct workload_ops *ops)
{
    return ops != &work_hints;
}

uint32_t workload_replicas(const struct workload_env *env, enum cql_consistency level)
{
    uint32_t all = env->rf * env->dcs;
    switch (level) {
    case CQL_CL_ANY:
    case CQL_CL_ONE:
    case CQL_CL_LOCAL_ONE: return 1;
    case CQL_CL_TWO: return all < 2 ? all : 2; /* what can match nothing asks nobody */
    case CQL_CL_THREE: return all < 3 ? all : 3;
    case CQL_CL_QUORUM:
    case CQL_CL_SERIAL: return all / 2 + 1;
    case CQL_CL_LOCAL_QUORUM:
    case CQL_CL_LOCAL_SERIAL: return env->rf / 2 + 1;
    case CQL_CL_EACH_QUORUM: return env->dcs * (env->rf / 2 + 1);
    case CQL_CL_ALL: return all;
    case CQL_CL_COUNT: break;
    }
    return 1;
}

int64_t workload_stamp(struct workload_env *env)
{
    usec now = sim_now(env->sim);
    env->stamp = env->stamp + 1 > now ? env->stamp + 1 : now;
    int64_t stamp = env->stamp;
    if (rng_chance(&env->rng, 100000))
        stamp -= rng_between(&env->rng, 1, BACK_DATE_MAX);
    return FIRST_STAMP + stamp * STAMPS_A_USEC + ++env->values % STAMPS_A_USEC;
}

bool workload_error_is_expected(enum cql_error_code code)
{
    switch (code) {
    case CQL_ERROR_SERVER: /* not ready yet */
    case CQL_ERROR_UNAVAILABLE:
    case CQL_ERROR_OVERLOADED:
    case CQL_ERROR_BOOTSTRAPPING:
    case CQL_ERROR_WRITE_TIMEOUT:
    case CQL_ERROR_CAS_WRITE_UNKNOWN:
    case CQL_ERROR_READ_TIMEOUT:
    case CQL_ERROR_WRITE_FAILURE:
    case CQL_ERROR_READ_FAILURE: return true;
    default: return false;
    }
}

/* --- work.h */

static struct history *open_history(const struct workload_env *env, const char *name, bool stamped)
{
    const struct history_config config = {
        .name = name, .replicas = env->rf * env->dcs, .skew_us = env->skew_us, .stamped = stamped};
    return history_new(&config);
}

void work_open(struct work *w, struct workload_env *env, const char *name, const char *stamped)
{
    w->env = env;
    w->histories[false] = open_history(env, name, false);
    w->histories[true] = open_history(env, stamped, true);
}

void work_close(struct work *w)
{
    history_free(w->histories[false]);
    history_free(w->histories[true]);
}

void work_disk_lost(void *work, usec at)
{
    struct work *w = work;
    history_disk_lost(w->histories[false], at);
    history_disk_lost(w->histories[true], at);
}

uint64_t work_held(const void *work)
{
    const struct work *w = work;
    return history_held(w->histories[false]) + history_held(w->histories[true]);
}

void work_all_equal(struct work *w)
{
    history_all_equal(w->histories[false], sim_now(w->env->sim));
    history_all_equal(w->histories[true], sim_now(w->env->sim));
}

size_t work_write(struct work *w, struct op *op, bool stamped, int64_t stamp)
{
    op->is_write = true;
    op->repeatable = stamped;
    return history_write(w->histories[stamped], op->client, stamp, sim_now(w->env->sim));
}

int64_t work_stamp(struct workload_env *env, bool stamped, char text[48])
{
    text[0] = 0;
    if (!stamped)
        return 0;
    int64_t stamp = workload_stamp(env);
    (void)snprintf(text, 48, " USING TIMESTAMP %" PRId64, stamp);
    return stamp;
}

bool work_answered(const struct answer *a, struct errmsg *why)
{
    const struct sim_reply *r = a->reply;
    if (r->outcome != SIM_ERROR || workload_error_is_expected(r->code))
        return true;
    return errmsg_set(why, ERR_FAILED, "unexpected error 0x%04x: %s", (unsigned)r->code,
                      r->message) == ERR_OK;
}

/* When the connection broke the node may still be working at what it had read. */
void work_wrote(struct work *w, bool stamped, size_t write, const struct op *op,
                const struct answer *a)
{
    struct history_end end = {.end = a->end,
                              .replicas = a->acked ? op->replicas : 0,
                              .open = a->open || a->reply->outcome == SIM_LOST,
                              .again = a->again};
    history_wrote(w->histories[stamped], write, &end);
}

struct history_read work_read(const struct op *op, const struct answer *a, uint64_t key)
{
    return (struct history_read){.client = op->final ? HISTORY_NOBODY : op->client,
                                 .replicas = op->replicas,
                                 .start = a->reply->asked,
                                 .end = a->reply->answered,
                                 .key = key,
                                 .first = INT64_MIN,
                                 .last = INT64_MAX};
}

int64_t work_cell(const struct sim_reply *r, uint32_t row, uint32_t column)
{
    const struct sim_cell *c = &r->cells[(size_t)row * r->columns + column];
    return c->is_null || c->bytes.len != 8 ? HISTORY_NOTHING : (int64_t)load_u64(c->bytes.data);
}

bool work_take_value(struct work *w, bool stamped, struct op *op, const struct answer *a,
                     struct errmsg *why)
{
    if (op->is_write)
        work_wrote(w, stamped, op->n[1], op, a);
    if (!work_answered(a, why))
        return false;
    if (op->is_write || !a->acked)
        return true;
    struct history_read read = work_read(op, a, op->n[0]);
    struct history_row row = {.value = a->reply->rows == 0 ? HISTORY_NOTHING
                                                           : work_cell(a->reply, 0, 0)};
    return history_judge(w->histories[stamped], &read, &row, row.value != HISTORY_NOTHING, why);
}

struct history_row *work_rows(const struct sim_reply *r, uint32_t id, uint32_t value)
{
    struct history_row *rows = mem_alloc((r->rows + 1) * sizeof *rows);
    for (uint32_t i = 0; i < r->rows; i++) {
        rows[i].id = id == UINT32_MAX ? 0 : work_cell(r, i, id);
        rows[i].value = value == UINT32_MAX ? HISTORY_ANY : work_cell(r, i, value);
    }
    return rows;
}

static int64_t read_item(struct reader *r)
{
    return read_i32(r) == 8 ? read_i64(r) : HISTORY_NOTHING;
}

bool work_items(const struct sim_reply *r, uint32_t row, uint32_t column, uint32_t of,
                struct history_row **ret, size_t *ret_count, struct errmsg *why)
{
    const struct sim_cell *c = &r->cells[(size_t)row * r->columns + column];
    struct reader in = reader_make(c->is_null ? BYTES_NONE : c->bytes);
    int32_t count = c->is_null ? 0 : read_i32(&in);
    if (count < 0 || (size_t)count > reader_left(&in))
        return errmsg_set(why, ERR_FAILED, "a collection of %d items", (int)count) == ERR_OK;
    struct history_row *rows = mem_alloc(((size_t)count + 1) * sizeof *rows);
    for (int32_t i = 0; i < count; i++) {
        rows[i].id = read_item(&in);
        rows[i].value = of == 2 ? read_item(&in) : HISTORY_ANY;
    }
    if (!reader_done(&in)) {
        mem_free(rows);
        return errmsg_set(why, ERR_FAILED, "a collection that is no collection") == ERR_OK;
    }
    *ret = rows;
    *ret_count = (size_t)count;
    return true;
}

uint32_t work_scaled(const struct workload_env *env, uint32_t most)
{
    return 1 + (most - 1) * env->size / 100;
}

static int by_token(const void *a, const void *b)
{
    token x = ((const struct work_place *)a)->token;
    token y = ((const struct work_place *)b)->token;
    return x < y ? -1 : x > y;
}

void work_places(struct work_place *places, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++) {
        uint8_t bytes[4];
        store_u32(bytes, k);
        places[k] = (struct work_place){murmur3_token(bytes_make(bytes, sizeof bytes)), k};
    }
    qsort(places, count, sizeof places[0], by_token);
}
