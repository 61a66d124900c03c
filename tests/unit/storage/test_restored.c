/* A disk that was copied, and put back after what it has was deleted and the deletion dropped: a
 * pull takes it away (engine_pull.c, engine_take.c, engine_context.c). */
#include "engine_fixture.h"
#include "gen.h"
#include "storage/keys.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

struct fix {
    struct store *store, *old;
    struct engine *engine, *restored;
    struct arena arena;
    bool whole; /* the copy is no older disk, but another replica */
    uint64_t n; /* of the last dot */
};

static struct dot dot_of(uint64_t n)
{
    return (struct dot){{2, 1}, n};
}

static struct event value(const char *row, uint32_t column, int64_t timestamp)
{
    struct event e = {.kind = EVENT_CELL, .row = bytes_text(row)};
    e.cell = (struct cell){.column = column, .timestamp = timestamp, .value = BYTES_LIT("v")};
    return e;
}

static struct event static_value(int64_t timestamp)
{
    struct event e = value("", 1, timestamp);
    e.kind = EVENT_STATIC;
    return e;
}

static struct event tombstone(const char *row, uint32_t column, int64_t timestamp)
{
    struct event e = value(row, column, timestamp);
    e.cell.kind = CELL_TOMBSTONE;
    e.cell.value = BYTES_NONE;
    e.cell.time_s = 5;
    return e;
}

static void write(struct fix *f, struct event e)
{
    struct dot dot = dot_of(++f->n);
    e.cell.dot = e.tomb.dot = dot;
    struct part p = gen_part(&e, 1, &f->arena);
    CU_ASSERT_EQUAL(engine_apply(f->engine, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
}

static void open_fix(struct fix *f)
{
    *f = (struct fix){.store = store_mem_new()};
    arena_init(&f->arena);
    CU_ASSERT_EQUAL_FATAL(open_engine(f->store, &f->engine), ERR_OK);
}

static void back_up(struct fix *f)
{
    sync_all(f->store);
    f->old = store_mem_copy(f->store);
    CU_ASSERT_EQUAL_FATAL(open_engine(f->old, &f->restored), ERR_OK);
}

static void close_fix(struct fix *f)
{
    engine_free(f->engine);
    engine_free(f->restored);
    store_close(f->store);
    store_close(f->old);
    arena_close(&f->arena);
}

static void purge_before(struct fix *f, int64_t expired_before_s)
{
    struct clock agreed;
    bool done = false;
    clock_init(&agreed);
    clock_add_run(&agreed, dot_of(1).actor, 1, f->n);
    while (!done)
        CU_ASSERT_EQUAL_FATAL(
            engine_purge(f->engine, KEYSPACE, RANGE, &agreed, expired_before_s, 1000, &done),
            ERR_OK);
    clock_close(&agreed);
}

static void purge(struct fix *f)
{
    purge_before(f, INT64_MAX);
}

/* One question and its answer; true when nothing is missing any more. */
static bool pull(struct fix *f, bool holds)
{
    struct clock wanted, done, durable;
    struct buf b;
    clock_init(&wanted);
    clock_init(&done);
    clock_init(&durable);
    buf_init(&b, BUF_MAX_DEFAULT);
    sync_all(f->store);
    CU_ASSERT_TRUE(engine_durable_clock(f->engine, KEYSPACE, RANGE, &durable));
    clock_missing(&durable, engine_clock(f->restored, KEYSPACE, RANGE), &wanted);
    CU_ASSERT_EQUAL(engine_log_read(f->engine, KEYSPACE, RANGE, &wanted,
                                    engine_clock(f->restored, KEYSPACE, RANGE), 1000, &b, &done),
                    ERR_OK);
    CU_ASSERT_EQUAL(engine_log_apply(f->restored, KEYSPACE, RANGE, buf_bytes(&b), &durable, holds,
                                     !f->whole, 0),
                    ERR_OK);
    bool all = clock_equal(&durable, engine_clock(f->restored, KEYSPACE, RANGE));
    clock_close(&wanted);
    clock_close(&done);
    clock_close(&durable);
    buf_close(&b);
    return all;
}

static struct scan_result read_all(struct fix *f, struct engine *e)
{
    struct scan s = whole_table();
    struct scan_result r = {0};
    CU_ASSERT_EQUAL_FATAL(engine_scan(e, &s, &f->arena, &r), ERR_OK);
    return r;
}

static bool equal(struct fix *f)
{
    struct scan_result a = read_all(f, f->engine), b = read_all(f, f->restored);
    struct digest x, y;
    scan_result_digest(&a, 0, &x);
    scan_result_digest(&b, 0, &y);
    return memcmp(&x, &y, sizeof x) == 0;
}

/* Of some rows, what this deletes goes from the old disk as well; other things stay. `then`: is
 * written after it was dropped; or nothing is, kind EVENT_STATIC with no timestamp. */
static void goes(struct event deletes, const struct event *then, bool holds)
{
    static const char *const rows[] = {"a", "b", "c", "d"};
    struct fix f;
    open_fix(&f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        write(&f, value(rows[i], 1, 5));
        write(&f, value(rows[i], 2, 6));
    }
    write(&f, static_value(5));
    back_up(&f);
    write(&f, deletes);
    write(&f, value("d", 3, 20));
    purge(&f);
    if (then != NULL)
        write(&f, *then);
    CU_ASSERT_FALSE(equal(&f));
    CU_ASSERT_TRUE(pull(&f, holds));
    CU_ASSERT_TRUE(equal(&f));
    close_fix(&f);
}

static void what_was_deleted_goes(void)
{
    struct event after[] = {value("b", 1, 30), static_value(30),
                            event_deletion(EVENT_RANGE, "b", "bb", 4),
                            event_deletion(EVENT_PART, "", "", 3)};
    for (size_t i = 0; i < 2 * (ARRAY_LEN(after) + 1); i++) {
        const struct event *then = i / 2 < ARRAY_LEN(after) ? &after[i / 2] : NULL;
        bool holds = i % 2 == 0;
        goes(tombstone("b", 1, 9), then, holds);
        goes(event_deletion(EVENT_ROW, "b", "", 9), then, holds);
        goes(event_deletion(EVENT_RANGE, "aa", "c", 9), then, holds);
        goes(event_deletion(EVENT_RANGE, "b", "", 9), then, holds);
        goes(event_deletion(EVENT_PART, "", "", 9), then, holds);
    }
}

/* As of a queue: each deletion begins where all of them do. Rows are looked at once. */
static void many_ranges_are_looked_at_as_one(void)
{
    struct fix f;
    open_fix(&f);
    for (unsigned i = 0; i < 400; i++)
        write(&f, value(arena_printf(&f.arena, "%03u", i), 1, 5));
    back_up(&f);
    for (unsigned i = 1; i < 300; i++)
        write(&f, event_deletion(EVENT_RANGE, "", arena_printf(&f.arena, "%03u", i), 5 + i));
    write(&f, event_deletion(EVENT_RANGE, "350", "360", 400));
    purge(&f);
    uint64_t before = engine_stats(f.restored).fragments_read;
    CU_ASSERT_TRUE(pull(&f, true));
    CU_ASSERT(engine_stats(f.restored).fragments_read - before < 1000);
    CU_ASSERT_TRUE(equal(&f));
    close_fix(&f);
}

/* What the giver has, or has not heard of, stays; and so does what the answer says nothing of. */
static void all_else_stays(void)
{
    struct fix f;
    open_fix(&f);
    write(&f, value("a", 1, 5));
    write(&f, value("b", 1, 5));
    back_up(&f);
    struct event own = value("b", 2, 5);
    own.cell.dot = (struct dot){{3, 1}, 1};
    struct part p = gen_part(&own, 1, &f.arena);
    CU_ASSERT_EQUAL(engine_apply(f.restored, KEYSPACE, RANGE, &p, own.cell.dot, NULL, 0), ERR_OK);
    write(&f, tombstone("b", 1, 9));
    purge(&f);
    write(&f, value("b", 3, 20));
    CU_ASSERT_FALSE(pull(&f, true)); /* it has one more */
    struct scan_result r = read_all(&f, f.restored);
    CU_ASSERT_EQUAL_FATAL(r.parts_count, 1);
    CU_ASSERT_EQUAL_FATAL(r.parts[0].rows_count, 2);
    CU_ASSERT_EQUAL(r.parts[0].rows[0].cells_count, 1);
    CU_ASSERT_EQUAL_FATAL(r.parts[0].rows[1].cells_count, 2);
    CU_ASSERT_EQUAL(r.parts[0].rows[1].cells[0].column, 2);
    CU_ASSERT_EQUAL(r.parts[0].rows[1].cells[1].column, 3);
    close_fix(&f);
}

/* Two rows are in both; of these the giver has lost what it had, and does not know it. It has
 * dropped a deletion, once. */
static void open_with_loss(struct fix *f)
{
    struct buf prefix;
    open_fix(f);
    buf_init(&prefix, SIZE_MAX);
    write(f, value("a", 1, 5));
    write(f, value("b", 1, 5));
    write(f, tombstone("c", 1, 9));
    purge(f);
    back_up(f);
    struct part p = read_all(f, f->engine).parts[0];
    sync_all(f->store);
    key_part(&prefix, p.table, p.token, p.key);
    CU_ASSERT(store_mem_lose(f->store, buf_bytes(&prefix)) > 0);
    buf_close(&prefix);
}

/* Rows that the giver has lost, without knowing, it has not deleted. */
static void what_the_giver_has_lost_stays(void)
{
    struct fix f;
    open_with_loss(&f);
    write(&f, value("a", 2, 20));
    CU_ASSERT_TRUE(pull(&f, true));
    struct scan_result r = read_all(&f, f.restored);
    CU_ASSERT_EQUAL_FATAL(r.parts_count, 1);
    CU_ASSERT_EQUAL_FATAL(r.parts[0].rows_count, 2);
    CU_ASSERT_EQUAL(r.parts[0].rows[0].cells_count, 2);
    close_fix(&f);
}

/* Nor when it knows of a deletion there that is overwritten, and that this one has not heard of:
 * who was never without a deletion that was dropped has nothing that it deleted. */
static void what_the_giver_has_lost_stays_beside_deletions(void)
{
    struct fix f;
    open_with_loss(&f);
    f.whole = true;
    write(&f, tombstone("a", 2, 20));
    write(&f, value("a", 2, 21));
    CU_ASSERT_TRUE(pull(&f, true));
    struct scan_result r = read_all(&f, f.restored);
    CU_ASSERT_EQUAL_FATAL(r.parts_count, 1);
    CU_ASSERT_EQUAL_FATAL(r.parts[0].rows_count, 2);
    CU_ASSERT_EQUAL(r.parts[0].rows[0].cells_count, 2);
    close_fix(&f);
}

/* Of one write something expired and was dropped, the rest is there. */
static void what_expired_beside_others_goes(void)
{
    struct fix f;
    struct event both[2];
    open_fix(&f);
    write(&f, value("a", 1, 5));
    write(&f, value("a", 2, 5));
    back_up(&f);
    struct dot dot = dot_of(++f.n);
    for (uint32_t i = 0; i < 2; i++) {
        both[i] = value("a", i + 1, 9);
        both[i].cell.kind = CELL_EXPIRING;
        both[i].cell.ttl = 10;
        both[i].cell.time_s = 100 * ((int64_t)i + 1);
        both[i].cell.dot = both[i].tomb.dot = dot;
    }
    struct part p = gen_part(both, 2, &f.arena);
    CU_ASSERT_EQUAL(engine_apply(f.engine, KEYSPACE, RANGE, &p, dot, NULL, 0), ERR_OK);
    purge_before(&f, 150);
    CU_ASSERT_FALSE(equal(&f));
    CU_ASSERT_TRUE(pull(&f, true));
    CU_ASSERT_TRUE(equal(&f));
    CU_ASSERT_EQUAL(read_all(&f, f.engine).parts[0].rows[0].cells_count, 1);
    close_fix(&f);
}

/* Who has the dot of what was dropped stamps above it, though it never had it. */
static void it_stamps_above_what_was_dropped(void)
{
    const int64_t far = INT64_C(60000000); /* the maxima of a restart run ahead of what there is */
    struct fix f;
    open_fix(&f);
    write(&f, value("a", 1, 5));
    back_up(&f);
    write(&f, tombstone("a", 1, far));
    struct part p = read_all(&f, f.engine).parts[0];
    purge(&f);
    CU_ASSERT(engine_maximum(f.restored, p.table, p.token) < far);
    CU_ASSERT_TRUE(pull(&f, true));
    CU_ASSERT(engine_maximum(f.restored, p.table, p.token) >= far);
    CU_ASSERT(engine_purged_bound(f.restored, p.table, p.token) >= far);
    close_fix(&f);
}

/* More than one batch may remove: it goes by and by, and the dots come with the last of it. */
static void very_much_goes_in_several_pulls(void)
{
    struct fix f;
    char name[2001];
    unsigned pulls = 1;
    open_fix(&f);
    memset(name, 'x', 2000);
    name[2000] = 0;
    for (unsigned i = 0; i < 6000; i++) {
        snprintf(name + 1990, 11, "%010u", i);
        write(&f, value(name, 1, 5));
        arena_reset(&f.arena);
    }
    write(&f, static_value(20));
    back_up(&f);
    write(&f, event_deletion(EVENT_PART, "", "", 9));
    purge(&f);
    while (!pull(&f, true) && pulls < 10)
        pulls++;
    CU_ASSERT(pulls > 1 && pulls < 5);
    CU_ASSERT_TRUE(equal(&f));
    close_fix(&f);
}

CU_TestInfo restored_tests[] = {
    {"what was deleted goes from an old disk", what_was_deleted_goes},
    {"many ranges are looked at as one", many_ranges_are_looked_at_as_one},
    {"all else stays there", all_else_stays},
    {"what the giver has lost stays", what_the_giver_has_lost_stays},
    {"what the giver has lost stays beside deletions",
     what_the_giver_has_lost_stays_beside_deletions},
    {"what expired beside others goes", what_expired_beside_others_goes},
    {"it stamps above what was dropped", it_stamps_above_what_was_dropped},
    {"very much goes in several pulls", very_much_goes_in_several_pulls},
    CU_TEST_INFO_NULL,
};
