/* life.c - see life.h. Does what a node does: a new boot number, durable before the first write;
 * tickets; one flush a turn; scans between, which collapse; logs pruned by what is durable. */
#include "crash/life.h"
#include "base/mem.h"
#include "base/rng.h"
#include "storage/keys.h"
#include "storage/store_leveldb.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WRITE_BUFFER ((size_t)64 << 10) /* the least LevelDB takes: tables are made often */
#define BACKLOG_MAX  ((size_t)48 << 10)
#define FACT_BOOT    "boot"
#define FACT_TICKET  (UINT64_MAX - 1)

struct life {
    struct tally *t;
    const struct life_plan *plan;
    struct rng rng;
    struct store *store;
    struct engine *engine;
    struct arena arena;
    uint64_t boots; /* the store's, this time */
    uint32_t boot;
    bool boot_durable;
};

static _Noreturn void wrong(struct life *l, const char *what, const char *why)
{
    (void)tally_fail(l->t, "%s: %s", what, why);
    _exit(LIFE_WRONG);
}

static uint64_t store_boots(struct life *l)
{
    struct buf key, value;
    uint64_t boots = 0;
    buf_init(&key, SIZE_MAX);
    buf_init(&value, SIZE_MAX);
    key_meta(&key, "boots");
    enum err err = store_get(l->store, buf_bytes(&key), &value);
    if (err == ERR_OK && value.len == 8)
        boots = load_u64(value.data);
    else if (err != ERR_NOT_FOUND)
        wrong(l, "the store's number of starts", err_text(err));
    buf_close(&key);
    buf_close(&value);
    return boots;
}

static void open_all(struct life *l)
{
    struct store_leveldb_config config = {.path = l->plan->dir,
                                          .sync = l->plan->periodic ? STORE_SYNC_PERIODIC
                                                                    : STORE_SYNC_BATCH,
                                          .write_buffer_bytes = WRITE_BUFFER};
    struct engine_config engine = {.seed = rng_next(&l->rng), .ring_ranges = 16};
    struct errmsg msg;
    if (store_leveldb_open(&config, &l->store, &msg) != ERR_OK)
        wrong(l, "open", msg.text);
    l->boots = store_boots(l) + 1;
    if (l->boots <= l->t->store_boots)
        wrong(l, "the store's number of starts", "did not go up");
    if (engine_new(l->store, &engine, &l->engine, &msg) != ERR_OK)
        wrong(l, "engine", msg.text);
}

static void read_boot(struct life *l)
{
    struct buf value;
    buf_init(&value, SIZE_MAX);
    enum err err = engine_fact_get(l->engine, BYTES_LIT(FACT_BOOT), &value);
    if (err == ERR_OK && value.len == 4)
        l->boot = load_u32(value.data);
    else if (err != ERR_NOT_FOUND)
        wrong(l, "the boot number", err_text(err));
    buf_close(&value);
    if (l->boot < l->t->boot)
        wrong(l, "the boot number", "went down");
}

/* --- promises */

static void take_done(struct life *l)
{
    struct store_done done;
    while (store_completed(l->store, &done)) {
        if (done.err != ERR_OK)
            wrong(l, "a write was refused", store_failure(l->store));
        if (done.ticket == FACT_TICKET) {
            l->boot_durable = true;
            l->t->boot = l->boot;
        } else {
            l->t->writes[done.ticket - 1].acked = true;
        }
        l->t->store_boots = l->boots; /* the first write of all */
    }
}

static void wait_done(struct life *l)
{
    struct pollfd p = {store_leveldb_wake_fd(l->store), POLLIN, 0};
    poll(&p, 1, 10000);
    take_done(l);
}

/* As a node: no dot before the boot number is durable. */
static void begin_boot(struct life *l)
{
    uint8_t room[4];
    l->boot++;
    store_u32(room, l->boot);
    engine_fact_put(l->engine, BYTES_LIT(FACT_BOOT), bytes_make(room, 4), FACT_TICKET);
    store_flush(l->store);
    while (!l->boot_durable)
        wait_done(l);
}

/* --- work */

static void write_one(struct life *l)
{
    struct tally *t = l->t;
    uint32_t i = t->count;
    struct tally_write *w = &t->writes[i];
    struct actor self = {TALLY_NODE, l->boot};
    *w = (struct tally_write){.range = (range_no)rng_below(&l->rng, TALLY_RANGES),
                              .hot = (uint32_t)rng_below(&l->rng, TALLY_HOT_ROWS),
                              .bytes = 20 + (uint32_t)rng_below(&l->rng, 600)};
    if (rng_below(&l->rng, 40) == 0)
        w->bytes = 40000; /* more than a block of LevelDB's log */
    w->dot = engine_next_dot(l->engine, TALLY_KEYSPACE, w->range, self);
    t->count = i + 1;
    struct part p = tally_part(t, i, &l->arena);
    enum err err = engine_apply(l->engine, TALLY_KEYSPACE, w->range, &p, w->dot, NULL, i + 1ull);
    if (err != ERR_OK)
        wrong(l, "write", err_text(err));
    arena_reset(&l->arena);
}

/* A clock that only has what is promised. */
static void prune_log(struct life *l, range_no range)
{
    struct clock known;
    bool done;
    clock_init(&known);
    for (uint32_t i = 0; i < l->t->count; i++) {
        const struct tally_write *w = &l->t->writes[i];
        if (w->acked && w->range == range)
            clock_add(&known, w->dot);
    }
    if (engine_log_prune(l->engine, TALLY_KEYSPACE, range, &known, 100, &done) != ERR_OK)
        wrong(l, "prune", "the log cannot be read");
    clock_close(&known);
}

static void read_some(struct life *l)
{
    struct scan_result got;
    token from = rng_between(&l->rng, -3000, 3000);
    struct scan scan = {.table = TALLY_TABLE, .after_token = from, .upto_token = INT64_MAX};
    scan.rows_max = 50;
    if (engine_scan(l->engine, &scan, &l->arena, &got) != ERR_OK)
        wrong(l, "scan", "a page cannot be read");
    arena_reset(&l->arena);
}

static void turn(struct life *l)
{
    uint64_t writes = 1 + rng_below(&l->rng, rng_below(&l->rng, 8) == 0 ? 30 : 4);
    for (uint64_t n = 0; n < writes && l->t->count < TALLY_WRITES_MAX; n++)
        write_one(l);
    if (rng_below(&l->rng, 20) == 0)
        read_some(l);
    if (rng_below(&l->rng, 20) == 0)
        prune_log(l, (range_no)rng_below(&l->rng, TALLY_RANGES));
    if (rng_below(&l->rng, 50) == 0)
        engine_save_clocks(l->engine);
    store_flush(l->store);
    take_done(l);
    while (store_backlog(l->store) > BACKLOG_MAX)
        wait_done(l);
}

_Noreturn void life_run(struct tally *t, const struct life_plan *plan)
{
    struct life l = {.t = t, .plan = plan};
    rng_init(&l.rng, plan->seed);
    arena_init(&l.arena);
    t->phase = TALLY_OPENING;
    open_all(&l);
    read_boot(&l);
    if (!tally_check(t, l.engine))
        _exit(LIFE_WRONG);
    t->phase = TALLY_CHECKED;
    begin_boot(&l);
    t->phase = TALLY_WRITING;
    for (uint32_t upto = t->count + plan->writes; t->count < upto && t->count < TALLY_WRITES_MAX;)
        turn(&l);
    engine_save_clocks(l.engine);
    store_flush(l.store);
    while (store_backlog(l.store) > 0)
        wait_done(&l);
    engine_free(l.engine);
    store_close(l.store);
    t->phase = TALLY_CLOSED;
    _exit(0);
}
