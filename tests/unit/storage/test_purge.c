/* What is proved goes, and nothing else: engine_purge.c, engine_context.c, garbage.c. */
#include "engine_fixture.h"
#include "gen.h"
#include "storage/keys.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

#define LATE INT64_MAX /* everything has expired by then */

struct fix {
    struct store *store;
    struct engine *engine;
    struct arena arena;
    uint64_t n; /* of the last dot */
};

static void open_fix(struct fix *f)
{
    *f = (struct fix){.store = store_mem_new()};
    arena_init(&f->arena);
    CU_ASSERT_EQUAL_FATAL(open_engine(f->store, &f->engine), ERR_OK);
}

static void close_fix(struct fix *f)
{
    engine_free(f->engine);
    store_close(f->store);
    arena_close(&f->arena);
}

static void restart(struct fix *f)
{
    engine_free(f->engine);
    CU_ASSERT_EQUAL_FATAL(open_engine(f->store, &f->engine), ERR_OK);
}

static struct dot dot_of(uint64_t n)
{
    return (struct dot){{2, 1}, n};
}

/* --- events, and writing them; each write takes the next dot */

static struct event value(const char *row, int64_t timestamp)
{
    struct event e = {.kind = EVENT_CELL, .row = bytes_text(row)};
    e.cell = (struct cell){.column = 1, .timestamp = timestamp, .value = BYTES_LIT("v")};
    return e;
}

static struct event static_value(int64_t timestamp)
{
    struct event e = value("", timestamp);
    e.kind = EVENT_STATIC;
    return e;
}

static struct event expiring(const char *row, int64_t timestamp, int64_t end_s)
{
    struct event e = value(row, timestamp);
    e.cell.kind = CELL_EXPIRING;
    e.cell.ttl = 10;
    e.cell.time_s = end_s;
    return e;
}

static struct event tombstone(const char *row, int64_t timestamp)
{
    struct event e = value(row, timestamp);
    e.cell.kind = CELL_TOMBSTONE;
    e.cell.value = BYTES_NONE;
    e.cell.time_s = 5;
    return e;
}

static struct part part_of(struct fix *f, struct event e, struct dot dot)
{
    e.cell.dot = e.tomb.dot = dot;
    return gen_part(&e, 1, &f->arena);
}

static enum err apply(struct fix *f, struct event e, const struct clock *context)
{
    struct dot dot = dot_of(++f->n);
    struct part p = part_of(f, e, dot);
    return engine_apply(f->engine, KEYSPACE, RANGE, &p, dot, context, 0);
}

static void write(struct fix *f, struct event e)
{
    CU_ASSERT_EQUAL(apply(f, e, NULL), ERR_OK);
}

/* State that comes without its write. */
static void repair(struct fix *f, struct event e, struct dot dot)
{
    struct part p = part_of(f, e, dot);
    struct dot none = {{0, 0}, 0};
    CU_ASSERT_EQUAL(engine_apply(f->engine, KEYSPACE, RANGE, &p, none, NULL, 0), ERR_OK);
}

/* Dots first .. last are agreed. Returns the number of calls. */
static size_t purge(struct fix *f, uint64_t first, uint64_t last, int64_t before_s, size_t work_max)
{
    struct clock agreed;
    bool done = false;
    size_t calls = 0;
    clock_init(&agreed);
    clock_add_run(&agreed, dot_of(1).actor, first, last);
    for (; !done && calls < 10000; calls++)
        CU_ASSERT_EQUAL_FATAL(
            engine_purge(f->engine, KEYSPACE, RANGE, &agreed, before_s, work_max, &done), ERR_OK);
    clock_close(&agreed);
    CU_ASSERT_TRUE(done);
    return calls;
}

/* --- looking */

static struct scan_result all(struct fix *f)
{
    struct scan s = whole_table();
    struct scan_result r = {0};
    CU_ASSERT_EQUAL(engine_scan(f->engine, &s, &f->arena, &r), ERR_OK);
    return r;
}

static size_t live_rows(struct fix *f)
{
    return all(f).live_rows;
}

/* Keys of the store that begin with the letter. */
static size_t keys_of(struct fix *f, char letter)
{
    struct store_iter *it = store_iter_new(f->store);
    uint8_t first = (uint8_t)letter;
    size_t count = 0;
    for (store_iter_seek(it, bytes_make(&first, 1));
         store_iter_valid(it) && store_iter_key(it).data[0] == first; store_iter_next(it))
        count++;
    store_iter_free(it);
    return count;
}

static void nothing_is_left(struct fix *f)
{
    CU_ASSERT_EQUAL(all(f).parts_count, 0);
    CU_ASSERT_EQUAL(keys_of(f, 'd'), 0);
    CU_ASSERT_EQUAL(keys_of(f, 'g'), 0);
}

/* --- purging */

static void all_kinds_go(void)
{
    const struct event kinds[] = {
        event_deletion(EVENT_PART, "", "", 9),  event_deletion(EVENT_RANGE, "a", "c", 9),
        event_deletion(EVENT_ROW, "b", "", 9),  tombstone("b", 9),
        event_deletion(EVENT_RANGE, "", "", 9), expiring("b", 9, 100),
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct fix f;
        open_fix(&f);
        write(&f, value("b", 3));
        write(&f, kinds[i]);
        purge(&f, 1, 1, LATE, 100); /* the write is agreed, its deletion is not */
        CU_ASSERT_EQUAL(all(&f).parts_count, 1);
        CU_ASSERT_EQUAL(keys_of(&f, 'g'), 1);
        CU_ASSERT_EQUAL(engine_stats(f.engine).garbage_waiting, 1);
        purge(&f, 1, 2, LATE, 100);
        nothing_is_left(&f);
        CU_ASSERT_EQUAL(engine_stats(f.engine).garbage_waiting, 0);
        restart(&f);
        nothing_is_left(&f);
        close_fix(&f);
    }
}

/* A dot that no clock has is never agreed; so it is replaced when nobody can tell of it any more.
 */
static void what_a_node_left_behind_gets_a_dot(void)
{
    static const node_no with[] = {3, 9}, without[] = {3, 4};
    struct fix f;
    open_fix(&f);
    engine_set_actor(f.engine, dot_of(1).actor);
    repair(&f, tombstone("b", 9), (struct dot){{9, 1}, 5});
    purge(&f, 1, 9, LATE, SIZE_MAX);
    engine_note_minters(f.engine, KEYSPACE, RANGE, with, 2);
    purge(&f, 1, 9, LATE, SIZE_MAX);
    CU_ASSERT_EQUAL(keys_of(&f, 'g'), 1); /* node 9 may yet tell */
    engine_note_minters(f.engine, KEYSPACE, RANGE, without, 2);
    purge(&f, 1, 9, LATE, SIZE_MAX);
    purge(&f, 1, 9, LATE, SIZE_MAX);
    nothing_is_left(&f);
    close_fix(&f);
}

static void what_is_newer_stays(void)
{
    struct fix f;
    open_fix(&f);
    write(&f, value("a", 3));
    write(&f, value("b", 12));
    write(&f, static_value(3));
    write(&f, event_deletion(EVENT_PART, "", "", 9));
    write(&f, event_deletion(EVENT_ROW, "c", "", 15));
    write(&f, value("c", 20));
    purge(&f, 1, 6, LATE, 100);
    CU_ASSERT_EQUAL(live_rows(&f), 2);
    CU_ASSERT_EQUAL(keys_of(&f, 'd'), 2);
    CU_ASSERT_EQUAL(keys_of(&f, 'g'), 0);
    close_fix(&f);
}

static void what_expires_waits_for_its_time(void)
{
    struct fix f;
    open_fix(&f);
    write(&f, expiring("a", 3, 100));
    purge(&f, 1, 1, 100, 100);
    CU_ASSERT_EQUAL(keys_of(&f, 'd'), 1);
    purge(&f, 1, 1, 101, 100);
    nothing_is_left(&f);
    close_fix(&f);
}

/* A deletion of many rows, a few in each call, with restarts between them. */
static void victims_go_first(void)
{
    for (uint64_t stop = 1; stop < 24; stop++) {
        struct fix f;
        struct clock agreed;
        bool done = false;
        open_fix(&f);
        clock_init(&agreed);
        clock_add_run(&agreed, dot_of(1).actor, 1, 41);
        for (int i = 0; i < 40; i++) {
            char row[3] = {(char)('a' + i / 10), (char)('0' + i % 10), 0};
            write(&f, value((char *)arena_copy(&f.arena, bytes_make(row, 3)).data,
                            i % 4 == 3 ? 20 : 3));
        }
        write(&f, event_deletion(EVENT_RANGE, "a", "", 9));
        for (uint64_t i = 0; i < 60 && !done; i++) {
            CU_ASSERT_EQUAL(
                engine_purge(f.engine, KEYSPACE, RANGE, &agreed, 0, 2 + stop % 5, &done), ERR_OK);
            CU_ASSERT_EQUAL(live_rows(&f), 10);
            if (i == stop) {
                sync_all(f.store);
                restart(&f);
                CU_ASSERT_EQUAL(live_rows(&f), 10);
            }
        }
        purge(&f, 1, 41, 0, 7);
        CU_ASSERT_EQUAL(live_rows(&f), 10);
        CU_ASSERT_EQUAL(keys_of(&f, 'd'), 10);
        CU_ASSERT_EQUAL(keys_of(&f, 'g'), 0);
        clock_close(&agreed);
        close_fix(&f);
    }
}

static void the_bound_is_kept(void)
{
    struct fix f;
    open_fix(&f);
    CU_ASSERT_EQUAL(engine_purged_bound(f.engine, TABLE, 0), TIMESTAMP_NONE);
    write(&f, value("a", 3));
    write(&f, event_deletion(EVENT_ROW, "a", "", 9));
    token place = part_of(&f, value("a", 1), dot_of(1)).token;
    table_no table = part_of(&f, value("a", 1), dot_of(1)).table;
    uint64_t drops = engine_drops(f.engine, KEYSPACE, RANGE);
    purge(&f, 1, 2, 0, 100);
    CU_ASSERT_EQUAL(engine_purged_bound(f.engine, table, place), 9);
    CU_ASSERT_TRUE(engine_drops(f.engine, KEYSPACE, RANGE) > drops);
    restart(&f);
    CU_ASSERT_EQUAL(engine_purged_bound(f.engine, table, place), 9);
    close_fix(&f);
}

static void a_dropped_table_leaves_no_garbage(void)
{
    struct fix f;
    open_fix(&f);
    for (int i = 0; i < 10; i++)
        write(&f, event_deletion(EVENT_ROW, "a", "", 9 + i));
    table_no table = part_of(&f, value("a", 1), dot_of(1)).table;
    CU_ASSERT_EQUAL(keys_of(&f, 'g'), 10);
    CU_ASSERT_TRUE(engine_drop_table(f.engine, table + 1, 100));
    CU_ASSERT_EQUAL(keys_of(&f, 'g'), 10);
    while (!engine_drop_table(f.engine, table, 3))
        ;
    CU_ASSERT_EQUAL(keys_of(&f, 'g'), 0);
    CU_ASSERT_EQUAL(keys_of(&f, 'd'), 0);
    close_fix(&f);
}

static void ranges_with_garbage_are_found(void)
{
    struct fix f;
    range_no range;
    open_fix(&f);
    write(&f, value("a", 3));
    CU_ASSERT_FALSE(engine_next_garbage(f.engine, KEYSPACE, 0, LATE, &range));
    write(&f, expiring("a", 3, 100));
    CU_ASSERT_FALSE(engine_next_garbage(f.engine, KEYSPACE, 0, 100, &range));
    CU_ASSERT_TRUE(engine_next_garbage(f.engine, KEYSPACE, 0, 101, &range) && range == RANGE);
    CU_ASSERT_FALSE(engine_next_garbage(f.engine, KEYSPACE, RANGE + 1, LATE, &range));
    restart(&f);
    CU_ASSERT_TRUE(engine_next_garbage(f.engine, KEYSPACE, 0, 101, &range) && range == RANGE);
    close_fix(&f);
}

/* --- what is known and not here */

static void what_is_known_does_not_come_back(void)
{
    const struct event dead[] = {value("b", 3), event_deletion(EVENT_ROW, "b", "", 9)};
    struct fix f;
    open_fix(&f);
    write(&f, dead[0]);
    write(&f, dead[1]);
    purge(&f, 1, 2, 0, 100);
    nothing_is_left(&f);
    repair(&f, dead[0], dot_of(1));
    repair(&f, dead[1], dot_of(2));
    nothing_is_left(&f);
    write(&f, value("b", 2)); /* older than what was dropped, and new */
    repair(&f, dead[1], dot_of(2));
    CU_ASSERT_EQUAL(live_rows(&f), 1);
    repair(&f, value("b", 4), dot_of(9)); /* nobody here has heard of that */
    CU_ASSERT_EQUAL(all(&f).parts[0].rows[0].cells[0].timestamp, 4);
    close_fix(&f);
}

/* --- a context */

/* `there` deletes; a write older than it comes from who has dropped that. */
static void goes_before(struct event there, struct event comes, size_t expected)
{
    for (int kind = 0; kind < 4; kind++) {
        struct fix f;
        struct clock context;
        open_fix(&f);
        clock_init(&context);
        write(&f, value("a", 3));
        write(&f, value("b", 3));
        write(&f, value("c", 3));
        write(&f, static_value(3));
        size_t others = live_rows(&f);
        write(&f, there);
        size_t before = live_rows(&f);
        clock_add_run(&context, dot_of(1).actor, 1, kind == 1 ? 4 : 5);
        if (kind == 2)
            restart(&f);
        CU_ASSERT_EQUAL(apply(&f, comes, kind == 0 ? NULL : &context), ERR_OK);
        /* Without it, or when the deletion is newer than the context, it stays dead. */
        CU_ASSERT_EQUAL(live_rows(&f), kind < 2 ? before : expected);
        purge(&f, 1, 6, 0, 100);
        CU_ASSERT_EQUAL(live_rows(&f), kind < 2 ? before : expected);
        CU_ASSERT_EQUAL(keys_of(&f, 'g'), 0);
        CU_ASSERT_TRUE(others >= before);
        clock_close(&context);
        close_fix(&f);
    }
}

static void a_context_goes_before_its_write(void)
{
    goes_before(event_deletion(EVENT_ROW, "b", "", 9), value("b", 5), 3);
    goes_before(tombstone("b", 9), value("b", 5), 3);
    goes_before(event_deletion(EVENT_RANGE, "a", "c", 9), value("b", 5), 2);
    goes_before(event_deletion(EVENT_RANGE, "b", "", 9), value("b", 5), 2);
    goes_before(event_deletion(EVENT_PART, "", "", 9), value("b", 5), 1);
    goes_before(event_deletion(EVENT_PART, "", "", 9), static_value(5), 1);
}

/* The message has other things that the same write made, which is no reason to keep the tombstone.
 */
static void a_context_is_looked_at_by_place(void)
{
    struct fix f;
    struct clock context;
    struct event older = value("b", 9);
    open_fix(&f);
    clock_init(&context);
    older.cell.column = 2;
    older.cell.dot = dot_of(1);
    struct event both[] = {tombstone("b", 9), older};
    both[0].cell.dot = dot_of(1);
    struct part p = gen_part(both, 2, &f.arena);
    CU_ASSERT_EQUAL(engine_apply(f.engine, KEYSPACE, RANGE, &p, dot_of(1), NULL, 0), ERR_OK);
    struct event comes[] = {value("b", 5), older};
    comes[0].cell.dot = dot_of(2);
    p = gen_part(comes, 2, &f.arena);
    clock_add(&context, dot_of(1));
    CU_ASSERT_EQUAL(engine_apply(f.engine, KEYSPACE, RANGE, &p, dot_of(2), &context, 0), ERR_OK);
    const struct row *row = &all(&f).parts[0].rows[0];
    CU_ASSERT_EQUAL(row->cells_count, 2);
    CU_ASSERT_EQUAL(row->cells[0].kind, CELL_LIVE);
    CU_ASSERT_EQUAL(row->cells[0].timestamp, 5);
    clock_close(&context);
    close_fix(&f);
}

static void a_context_takes_too_much(void)
{
    struct fix f;
    struct clock context;
    open_fix(&f);
    clock_init(&context);
    for (int i = 0; i < 11000; i++) {
        char *row = arena_printf(&f.arena, "r%05d", i);
        write(&f, value(row, 2));
    }
    uint64_t last = f.n + 1;
    write(&f, event_deletion(EVENT_RANGE, "a", "z", 9));
    clock_add_run(&context, dot_of(1).actor, 1, last);
    CU_ASSERT_EQUAL(apply(&f, event_deletion(EVENT_RANGE, "b", "y", 5), &context), ERR_BEHIND);
    f.n--;
    CU_ASSERT_EQUAL(keys_of(&f, 'd'), 11001);
    purge(&f, 1, last, 0, 500);
    CU_ASSERT_EQUAL(keys_of(&f, 'd'), 0);
    CU_ASSERT_EQUAL(apply(&f, event_deletion(EVENT_RANGE, "b", "y", 5), &context), ERR_OK);
    CU_ASSERT_EQUAL(keys_of(&f, 'd'), 1);
    clock_close(&context);
    close_fix(&f);
}

/* Who is about to take the range over pulls a row that is older than a deletion here, which the
 * giver has dropped, and no more than that row fits into the answer. What else the giver has
 * touched another partition: it says nothing about that deletion. */
static void a_pull_names_all_of_its_parts(void)
{
    struct fix giver, taker;
    struct clock wanted, done;
    struct buf b;
    open_fix(&giver);
    open_fix(&taker);
    write(&giver, tombstone("b", 9));
    write(&taker, tombstone("b", 9));
    purge(&giver, 1, 1, 0, 100);
    write(&giver, value("b", 5));
    struct part other = part_of(&giver, value("c", 5), dot_of(3));
    other.key = BYTES_LIT("another");
    CU_ASSERT_EQUAL(engine_apply(giver.engine, KEYSPACE, RANGE, &other, dot_of(3), NULL, 0),
                    ERR_OK);
    sync_all(giver.store);
    const struct clock *theirs = engine_clock(giver.engine, KEYSPACE, RANGE);
    const struct clock *ours = engine_clock(taker.engine, KEYSPACE, RANGE);
    clock_init(&wanted);
    clock_init(&done);
    buf_init(&b, SIZE_MAX);
    for (int i = 0; i < 2; i++) {
        clock_missing(theirs, ours, &wanted);
        CU_ASSERT_EQUAL(engine_log_read(giver.engine, KEYSPACE, RANGE, &wanted, ours, 1, &b, &done),
                        ERR_OK);
        CU_ASSERT_EQUAL(clock_count(&done), 1);
        b.data[1] = i == 0 ? 0 : b.data[1]; /* as if there were too many to say so */
        CU_ASSERT_EQUAL(
            engine_log_apply(taker.engine, KEYSPACE, RANGE, buf_bytes(&b), theirs, false, false, 0),
            ERR_OK);
        CU_ASSERT_EQUAL(clock_has(ours, dot_of(2)), i == 1);
        CU_ASSERT_EQUAL(live_rows(&taker), (size_t)i);
    }
    clock_close(&wanted);
    clock_close(&done);
    buf_close(&b);
    close_fix(&taker);
    close_fix(&giver);
}

/* --- keys of the index */

/* --- the store is told where much was removed */

/* So many rows of a partition, written and deleted; all agreed, and purged. */
static void purge_many(struct fix *f, unsigned rows, size_t work_max, bool read)
{
    char name[16];
    struct clock agreed;
    bool done = false;
    uint64_t first = f->n + 1;
    for (unsigned i = 0; i < rows; i++) {
        snprintf(name, sizeof name, "row%06u", i);
        write(f, value(name, 10));
        arena_reset(&f->arena);
    }
    write(f, event_deletion(EVENT_PART, "", "", 20));
    for (unsigned i = 0; read && i < 3; i++) { /* which removes rows itself */
        struct scan s = whole_table();
        struct scan_result r;
        CU_ASSERT_EQUAL(engine_scan(f->engine, &s, &f->arena, &r), ERR_OK);
        arena_reset(&f->arena);
    }
    clock_init(&agreed);
    clock_add_run(&agreed, (struct actor){2, 1}, first, f->n);
    while (!done)
        CU_ASSERT_EQUAL_FATAL(
            engine_purge(f->engine, KEYSPACE, RANGE, &agreed, LATE, work_max, &done), ERR_OK);
    clock_close(&agreed);
}

static void much_removed_is_compacted_once(void)
{
    struct fix f;
    bool done;
    struct clock none;
    open_fix(&f);
    purge_many(&f, 6000, 500, false);
    CU_ASSERT_EQUAL(engine_stats(f.engine).compactions, 0); /* little */
    purge_many(&f, 6000, 500, false);
    CU_ASSERT_EQUAL(engine_stats(f.engine).compactions, 1);
    clock_init(&none);
    CU_ASSERT_EQUAL(engine_purge(f.engine, KEYSPACE, RANGE, &none, LATE, 500, &done), ERR_OK);
    purge_many(&f, 6000, 500, false);
    CU_ASSERT_EQUAL(engine_stats(f.engine).compactions, 1); /* not again, for what came since */
    clock_close(&none);
    close_fix(&f);
}

static void what_reads_remove_counts(void)
{
    struct fix f;
    open_fix(&f);
    purge_many(&f, 10500, 5000, true);
    CU_ASSERT_EQUAL(engine_stats(f.engine).compactions, 1);
    close_fix(&f);
}

/* What lies between is not rewritten for a few that went. */
static void little_among_much_is_not_compacted(void)
{
    struct fix f;
    static char large[40000];
    open_fix(&f);
    for (unsigned i = 0; i < 400; i++) { /* they stay */
        char name[16];
        snprintf(name, sizeof name, "row%06ux", i * 30);
        struct event e = value(name, 1000);
        e.cell.value = bytes_make(large, sizeof large);
        write(&f, e);
    }
    purge_many(&f, 12000, 5000, false);
    CU_ASSERT_EQUAL(engine_stats(f.engine).compactions, 0);
    purge_many(&f, 12000, 5000, false);
    CU_ASSERT_EQUAL(engine_stats(f.engine).compactions, 1); /* by now it is worth it */
    close_fix(&f);
}

static void a_dropped_table_is_compacted(void)
{
    struct fix f;
    char name[16];
    open_fix(&f);
    for (unsigned i = 0; i < 12000; i++) {
        snprintf(name, sizeof name, "row%06u", i);
        write(&f, value(name, 10));
        arena_reset(&f.arena);
    }
    while (!engine_drop_table(f.engine, TABLE, 1000))
        ;
    CU_ASSERT_EQUAL(engine_stats(f.engine).compactions, 1);
    close_fix(&f);
}

CU_TestInfo purge_tests[] = {
    {"all kinds of garbage go when they are agreed", all_kinds_go},
    {"what a node left behind gets a dot", what_a_node_left_behind_gets_a_dot},
    {"what is newer stays", what_is_newer_stays},
    {"what expires waits for its time", what_expires_waits_for_its_time},
    {"victims go first, over restarts", victims_go_first},
    {"the bound of what was dropped is kept", the_bound_is_kept},
    {"a dropped table leaves no garbage", a_dropped_table_leaves_no_garbage},
    {"ranges with garbage are found", ranges_with_garbage_are_found},
    {"what is known does not come back", what_is_known_does_not_come_back},
    {"a context goes before its write", a_context_goes_before_its_write},
    {"a context is looked at by place", a_context_is_looked_at_by_place},
    {"a context that takes too much is refused", a_context_takes_too_much},
    {"a pull names all that touched its parts", a_pull_names_all_of_its_parts},
    {"where much was removed the store compacts, once", much_removed_is_compacted_once},
    {"what reads remove is compacted, too", what_reads_remove_counts},
    {"little among much is not compacted", little_among_much_is_not_compacted},
    {"what a dropped table leaves is compacted", a_dropped_table_is_compacted},
    CU_TEST_INFO_NULL,
};
