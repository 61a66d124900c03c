/* Data that is damaged at one replica: found, not served, taken over again from the others. */
#include "three.h"

#include "base/mem.h"
#include "ring/murmur3.h"
#include "storage/keys.h"
#include "storage/store_mem.h"

#include <CUnit/CUnit.h>

#define KEYS 60u

void damage_setup(void);
void damage_teardown(void);

static uint64_t epoch;

void damage_setup(void)
{
    three_setup(3);
    epoch = 0;
}

void damage_teardown(void)
{
    three_teardown();
}

static void place(uint32_t rf)
{
    struct strategy strategy = {.type = STRATEGY_SIMPLE, .rf = rf};
    struct cluster_table table = {TABLE, KEYSPACE};
    epoch++;
    for (node_no no = 1; no <= NODES; no++) {
        cluster_set_keyspace(f.node[no - 1].cluster, KEYSPACE, &strategy);
        cluster_set_tables(f.node[no - 1].cluster, &table, 1, epoch);
        heal_placed(f.node[no - 1].heal, f.now, epoch);
    }
}

static void filled(uint32_t rf)
{
    begin();
    place(rf);
    for (unsigned i = 0; i < KEYS; i++) {
        unsigned mask = 0;
        node_no by = 0;
        for (node_no no = 1; no <= NODES; no++) {
            if (!cluster_is_replica(f.node[0].cluster, KEYSPACE, range_of(i), no))
                continue;
            mask |= 1u << (no - 1);
            by = no;
        }
        write_quietly(mask, by, i, 10);
    }
    settle();
}

static enum err read_all(node_no no)
{
    struct scan all = {.table = TABLE, .after_token = INT64_MIN, .upto_token = INT64_MAX};
    struct scan_result rows;
    return engine_scan(f.node[no - 1].engine, &all, &f.arena, &rows);
}

/* A bit of the n-th value flips, behind the back of all. Returns its range. */
static range_no garble(node_no no, unsigned n)
{
    struct store *s = f.node[no - 1].store;
    struct store_batch batch;
    struct store_iter *it = store_iter_new(s);
    table_no table;
    token token_of;
    struct bytes key;
    size_t len;
    store_iter_seek(it, BYTES_LIT("d"));
    while (n-- > 0)
        store_iter_next(it);
    CU_ASSERT_FATAL(store_iter_valid(it));
    struct bytes at = arena_copy(&f.arena, store_iter_key(it));
    struct bytes value = arena_copy(&f.arena, store_iter_value(it));
    uint8_t *bytes = arena_alloc(&f.arena, value.len);
    for (size_t i = 0; i < value.len; i++)
        bytes[i] = (uint8_t)(value.data[i] ^ (i == value.len / 2));
    store_iter_free(it);
    store_batch_init(&batch);
    store_batch_put(&batch, at, bytes_make(bytes, value.len));
    store_write(s, &batch, 0);
    store_batch_close(&batch);
    settle();
    CU_ASSERT_FATAL(key_parse_part(at, &f.arena, &table, &token_of, &key, &len));
    return ring_range_of(token_of, RANGES);
}

/* The node ends and starts again; what its disk has damaged is mended in between. */
static void start_mended(node_no no)
{
    struct one *n = &f.node[no - 1];
    settle();
    (void)store_mem_mend(n->store);
    restart(no, BYTES_NONE, BYTES_NONE);
    heal_placed(n->heal, f.now, epoch);
    heal_begin(n->heal, f.now);
}

static enum err serving(node_no no, range_no range)
{
    return engine_serving_error(f.node[no - 1].engine, KEYSPACE, range);
}

static void a_garbled_value_is_brought_back(void)
{
    struct one *n = &f.node[2];
    filled(3);
    range_no range = garble(3, 7);
    CU_ASSERT_EQUAL(read_all(3), ERR_CORRUPT);
    heal_deadline(n->heal, f.now);
    elapse(USEC_PER_SEC);
    CU_ASSERT_NOT_EQUAL(serving(3, range), ERR_OK);
    for (range_no r = 0; r < RANGES; r++)
        CU_ASSERT(r == range || serving(3, r) == ERR_OK);
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(serving(3, range), ERR_OK);
    CU_ASSERT_EQUAL(n->damage_told[DAMAGE_FOUND], 1);
    CU_ASSERT_EQUAL(n->damage_told[DAMAGE_FORGOTTEN], 1);
    CU_ASSERT_EQUAL(n->damage_told[DAMAGE_MENDED], 1);
    CU_ASSERT_EQUAL(heal_stats(n->heal).rebuilt, 1);
    CU_ASSERT_EQUAL(n->life, 1); /* its dots of before are lost: a new life */
    CU_ASSERT(all_equal());
}

/* Blocks that the store has lost, anywhere in the data of the ranges. */
static void lost_blocks_are_taken_over_again(void)
{
    filled(3);
    size_t first = 0;
    struct store_iter *it = store_iter_new(f.node[2].store);
    store_iter_seek(it,
                    BYTES_LIT("")); /* data is behind facts and what the engine has of its own */
    for (; store_iter_valid(it) && store_iter_key(it).data[0] < 'c'; store_iter_next(it))
        first++;
    store_iter_free(it);
    settle();
    for (size_t at = first; at < store_mem_count(f.node[2].store); at += 70) {
        (void)store_mem_damage(f.node[2].store, at);
        start_mended(3);
        elapse(20 * USEC_PER_SEC);
        CU_ASSERT(all_equal());
    }
    CU_ASSERT(heal_stats(f.node[2].heal).rebuilt > 0);
}

/* Of node 3 the block that begins with this key is lost, in one range of which nothing is known. */
static const range_no empty = 3;

static void lose_in_empty(struct buf *key)
{
    struct one *n = &f.node[2];
    static const uint8_t filler[5000];
    struct store_batch batch;
    size_t at = 0;
    begin();
    place(3);
    for (unsigned i = 0; i < KEYS; i++) {
        if (range_of(i) != empty)
            write_quietly(7, 3, i, 10);
    }
    store_batch_init(&batch);
    store_batch_put(&batch, buf_bytes(key), bytes_make(filler, sizeof filler)); /* a whole block */
    store_write(n->store, &batch, 0);
    store_batch_close(&batch);
    settle();
    struct store_iter *it = store_iter_new(n->store);
    store_iter_seek(it, BYTES_LIT(""));
    for (; !bytes_equal(store_iter_key(it), buf_bytes(key)); store_iter_next(it))
        at++;
    store_iter_free(it);
    buf_close(key);
    (void)store_mem_damage(n->store, at);
    start_mended(3);
}

/* Nobody tells a clock of a range in which nothing was ever written. */
static void an_empty_range_is_whole_again(void)
{
    struct buf key; /* all that a block that is lost says is where */
    buf_init(&key, 64);
    key_token(&key, TABLE, ring_range_span(empty, RANGES).first);
    buf_put_u8(&key, 0);
    lose_in_empty(&key);
    CU_ASSERT_EQUAL(serving(3, empty), ERR_CORRUPT);
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(serving(3, empty), ERR_OK);
    CU_ASSERT_EQUAL(heal_stats(f.node[2].heal).damaged_ranges, 0);
    CU_ASSERT(all_equal());
}

/* Without it nothing says that the range log was cut. */
static void a_lost_account_of_a_log_is_damage(void)
{
    struct buf key;
    buf_init(&key, 64);
    key_log_account(&key, KEYSPACE, empty);
    lose_in_empty(&key);
    CU_ASSERT_EQUAL(serving(3, empty), ERR_CORRUPT);
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(serving(3, empty), ERR_OK);
    CU_ASSERT(all_equal());
}

/* While nobody is whole there, what is left stays: it is all that there is. */
static void nothing_is_forgotten_that_nobody_has(void)
{
    filled(3);
    range_no range = garble(1, 7);
    CU_ASSERT_EQUAL(garble(2, 7), range);
    CU_ASSERT_EQUAL(garble(3, 7), range);
    for (node_no no = 1; no <= NODES; no++)
        CU_ASSERT_EQUAL(read_all(no), ERR_CORRUPT);
    elapse(20 * USEC_PER_SEC);
    for (node_no no = 1; no <= NODES; no++) {
        CU_ASSERT_EQUAL(heal_stats(f.node[no - 1].heal).forgotten, 0);
        CU_ASSERT_EQUAL(serving(no, range), ERR_CORRUPT);
        CU_ASSERT_EQUAL(heal_stats(f.node[no - 1].heal).damaged_ranges, 1);
    }
}

static void the_only_replica_keeps_what_is_left(void)
{
    filled(1);
    range_no range = 0;
    node_no no = 0;
    while (no++ < NODES) {
        range = garble(no, 3);
        CU_ASSERT_EQUAL(read_all(no), ERR_CORRUPT);
    }
    elapse(20 * USEC_PER_SEC);
    for (no = 1; no <= NODES; no++) {
        start_mended(no); /* it is remembered */
        elapse(2 * USEC_PER_SEC);
        CU_ASSERT_EQUAL(heal_stats(f.node[no - 1].heal).forgotten, 0);
        CU_ASSERT_EQUAL(heal_stats(f.node[no - 1].heal).damaged_ranges, 1);
    }
    CU_ASSERT_EQUAL(serving(NODES, range), ERR_CORRUPT);
}

/* ... until somebody gives it up: then it is served, empty, and the rest is as it was. */
static void what_the_only_replica_has_lost_is_given_up(void)
{
    struct one *n = &f.node[2];
    filled(1);
    range_no range = garble(3, 3);
    CU_ASSERT_EQUAL(read_all(3), ERR_CORRUPT);
    elapse(5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(heal_give_up(n->heal, f.now, KEYSPACE, true).ranges, 1);
    elapse(5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(serving(3, range), ERR_CORRUPT);
    struct heal_given_up all = heal_give_up(n->heal, f.now, KEYSPACE, false);
    CU_ASSERT_EQUAL(all.ranges, 1);
    CU_ASSERT_EQUAL(all.others, 0);
    CU_ASSERT_NOT_EQUAL(serving(3, range), ERR_OK); /* not before it is forgotten */
    elapse(5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(n->damage_told[DAMAGE_GIVEN_UP], 1);
    CU_ASSERT_EQUAL(n->damage_told[DAMAGE_FORGOTTEN], 0);
    CU_ASSERT_EQUAL(n->life, 1);
    CU_ASSERT_EQUAL(read_all(3), ERR_OK);
    CU_ASSERT(clock_empty(engine_clock(n->engine, KEYSPACE, range)));
    start_mended(3);
    elapse(2 * USEC_PER_SEC);
    for (range_no r = 0; r < RANGES; r++)
        CU_ASSERT_EQUAL(serving(3, r), ERR_OK);
    CU_ASSERT_EQUAL(heal_stats(n->heal).damaged_ranges, 0);
}

/* They are damaged at all three: who is asked at one of them cannot know what the others have. */
static void what_others_may_have_is_not_given_up(void)
{
    filled(3);
    range_no range = garble(1, 7);
    (void)garble(2, 7);
    (void)garble(3, 7);
    for (node_no no = 1; no <= NODES; no++)
        CU_ASSERT_EQUAL(read_all(no), ERR_CORRUPT);
    elapse(5 * USEC_PER_SEC);
    struct heal_given_up all = heal_give_up(f.node[2].heal, f.now, KEYSPACE, false);
    CU_ASSERT_EQUAL(all.ranges, 0);
    CU_ASSERT_EQUAL(all.others, 1);
    elapse(5 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(serving(3, range), ERR_CORRUPT);
    CU_ASSERT_EQUAL(heal_stats(f.node[2].heal).forgotten, 0);
}

/* A dead replica may be the only one that has what this one had acked with it. */
static void who_is_dead_is_waited_for(void)
{
    unsigned key = 1000;
    filled(3);
    set_down(2, true);
    range_no range = garble(3, 7);
    CU_ASSERT_EQUAL(read_all(3), ERR_CORRUPT);
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(serving(3, range), ERR_UNAVAILABLE);
    CU_ASSERT_EQUAL(heal_rebuild_waits_for(f.node[2].heal), 2);
    CU_ASSERT_EQUAL(engine_range_error(f.node[2].engine, KEYSPACE, range), ERR_OK);
    while (range_of(key) != range)
        key++;
    struct one *n = &f.node[2];
    heal_free(n->heal); /* nor over a restart */
    struct heal_config config = HEAL_CONFIG_DEFAULT;
    n->heal = heal_new(&config, n->engine, n->cluster);
    heal_placed(n->heal, f.now, ++epoch);
    heal_begin(n->heal, f.now);
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(serving(3, range), ERR_UNAVAILABLE);
    set_down(2, false);
    CU_ASSERT_EQUAL(heal_rebuild_waits_for(f.node[2].heal), 0);
    elapse(20 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(serving(3, range), ERR_OK);
    CU_ASSERT(all_equal());
}

/* It takes no writes meanwhile, so each time that it asks the others have more. */
static void it_is_whole_again_under_load(void)
{
    unsigned key = 1000, writes = 0;
    filled(3);
    range_no range = garble(3, 7);
    CU_ASSERT_EQUAL(read_all(3), ERR_CORRUPT);
    while (range_of(key) != range)
        key++;
    heal_deadline(f.node[2].heal, f.now);
    CU_ASSERT_NOT_EQUAL(serving(3, range), ERR_OK);
    while (writes < 5000 && serving(3, range) != ERR_OK) {
        write_quietly(3, 1 + writes % 2, key, (int64_t)writes + 20);
        writes++;
        if (step())
            continue;
        f.now.mono += USEC_PER_SEC / 10;
        f.now.wall += USEC_PER_SEC / 10;
        for (size_t i = 0; i < NODES; i++)
            heal_deadline(f.node[i].heal, f.now);
    }
    CU_ASSERT_EQUAL(serving(3, range), ERR_OK);
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT(all_equal());
}

static void compare_with_node_3(void)
{
    const struct heal_comparisons all = {.peer = 3, .keyspace = KEYSPACE, .full = true};
    uint64_t before = f.node[0].compared_all;
    CU_ASSERT_FATAL(heal_compare_ranges(f.node[0].heal, f.now, 8 + before, &all));
    perform(1);
    for (int i = 0; i < 300 && f.node[0].compared_all == before; i++)
        elapse(USEC_PER_SEC / 10);
    CU_ASSERT_EQUAL_FATAL(f.node[0].compared_all, before + 1);
}

/* What a reading of everything cannot read was not found equal. */
static void a_full_comparison_names_what_it_cannot_read(void)
{
    filled(3);
    compare_with_node_3(); /* which builds the trees */
    compare_with_node_3();
    CU_ASSERT_EQUAL(f.node[0].all_failed, 0);
    CU_ASSERT(f.node[0].all_figures.equal);
    (void)garble(3, 7);
    compare_with_node_3();
    CU_ASSERT_EQUAL(f.node[0].all_failed, 1);
    CU_ASSERT_FALSE(f.node[0].all_figures.equal);
    elapse(20 * USEC_PER_SEC);
    compare_with_node_3();
    CU_ASSERT_EQUAL(f.node[0].all_failed, 0);
    CU_ASSERT(f.node[0].all_figures.equal);
    CU_ASSERT(all_equal());
}

/* Whose it is that cannot be read. */
static void a_comparison_knows_whose_damage_it_is(void)
{
    filled(3);
    compare_with_node_3();
    range_no theirs = garble(3, 7);
    compare_with_node_3();
    CU_ASSERT_EQUAL(f.node[0].all_failed, 1);
    CU_ASSERT_EQUAL(f.node[0].compared_errs[theirs], ERR_CORRUPT);
    CU_ASSERT_FALSE(f.node[0].compared_ours[theirs]);
    elapse(20 * USEC_PER_SEC);
    range_no ours = garble(1, 7);
    compare_with_node_3();
    CU_ASSERT_EQUAL(f.node[0].all_failed, 1);
    CU_ASSERT_EQUAL(f.node[0].compared_errs[ours], ERR_CORRUPT);
    CU_ASSERT(f.node[0].compared_ours[ours]);
}

/* What the comparison has met is damaged is no more in its hands. */
static void what_a_run_finds_does_not_wait_for_it(void)
{
    filled(3);
    range_no range = garble(3, 7);
    compare_with_node_3();
    CU_ASSERT_EQUAL(f.node[0].all_failed, 1);
    CU_ASSERT_NOT_EQUAL(serving(3, range), ERR_OK);
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(serving(3, range), ERR_OK);
    CU_ASSERT(all_equal());
}

/* Its clock names them still: who asks it first knows all of their dots, and asks nobody else. */
static void lost_at(node_no loser)
{
    unsigned keys = 0, there = 0;
    filled(3);
    range_no range = garble(3, 7);
    for (unsigned key = 0; key < KEYS; key++) {
        if (range_of(key) != range)
            continue;
        CU_ASSERT(fragments_of(loser, key, SIZE_MAX) > 0);
        CU_ASSERT_EQUAL(fragments_of(loser, key, 0), 0);
        keys++;
    }
    CU_ASSERT_EQUAL(read_all(3), ERR_CORRUPT);
    heal_deadline(f.node[2].heal, f.now);
    for (int i = 0; i < 300 && serving(3, range) != ERR_OK; i++)
        elapse(USEC_PER_SEC / 10);
    CU_ASSERT_EQUAL(serving(3, range), ERR_OK);
    for (unsigned key = 0; key < KEYS; key++)
        there += range_of(key) == range && fragments_of(3, key, 0) > 0;
    CU_ASSERT(keys > 0);
    CU_ASSERT_EQUAL(there, keys);
}

static void what_the_first_has_lost_comes_from_the_second(void)
{
    lost_at(1);
}

static void what_the_second_has_lost_comes_from_the_first(void)
{
    lost_at(2);
}

/* When the newest value of the key at the node was written; 0: there is none. */
static int64_t written_at(node_no no, unsigned key)
{
    char *name = arena_printf(&f.arena, "key%u", key);
    token at = murmur3_token(bytes_text(name));
    struct scan what = {.table = TABLE,
                        .after_token = at - 1,
                        .upto_token = at,
                        .bytes_max = UINT32_MAX,
                        .now_s = f.now.wall / USEC_PER_SEC};
    struct scan_result got;
    CU_ASSERT_EQUAL_FATAL(engine_scan(f.node[no - 1].engine, &what, &f.arena, &got), ERR_OK);
    const struct part *p = got.parts_count > 0 ? &got.parts[0] : NULL;
    return p != NULL && p->rows_count > 0 ? p->rows[0].cells[0].timestamp : 0;
}

/* All have acked a later value of a key; node 1 has lost it, and node 3, which rebuilds the range,
 * has it from node 1: so it shows the older one, with a clock that names both. */
static range_no rebuilt_from_who_lost(unsigned *ret_key)
{
    unsigned key = 0;
    filled(3);
    range_no range = garble(3, 7);
    while (range_of(key) != range)
        key++;
    write_quietly(7, 2, key, 20);
    settle();
    CU_ASSERT_EQUAL(fragments_of(1, key, 1), 2);
    CU_ASSERT_EQUAL_FATAL(written_at(1, key), 10);
    CU_ASSERT_EQUAL(written_at(2, key), 20);
    f.lost[WIRE_COMPARE_ROOTS] = true; /* it is compared with nobody */
    set_down(2, true);
    CU_ASSERT_EQUAL(read_all(3), ERR_CORRUPT);
    heal_deadline(f.node[2].heal, f.now);
    elapse(10 * USEC_PER_SEC);
    set_down(2, false);
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT_NOT_EQUAL(serving(3, range), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(written_at(3, key), 10);
    CU_ASSERT(clock_covers(engine_clock(f.node[2].engine, KEYSPACE, range),
                           engine_clock(f.node[1].engine, KEYSPACE, range)));
    *ret_key = key;
    return range;
}

static void compare_two(node_no by, node_no peer, range_no range)
{
    const struct heal_comparison what = {.peer = peer, .keyspace = KEYSPACE, .range = range};
    struct one *n = &f.node[by - 1];
    uint64_t before = n->compared;
    CU_ASSERT_FATAL(heal_compare(n->heal, f.now, 8, &what));
    for (int i = 0; i < 300 && n->compared == before; i++)
        elapse(USEC_PER_SEC / 10);
    CU_ASSERT_EQUAL(n->compared, before + 1);
    CU_ASSERT_EQUAL(n->compared_err, ERR_OK);
}

/* Two of three show the older value, and one of these has it from the other. */
static void who_is_not_whole_has_no_vote(void)
{
    unsigned key;
    range_no range = rebuilt_from_who_lost(&key);
    compare_two(1, 2, range);
    CU_ASSERT_EQUAL(written_at(1, key), 20);
    CU_ASSERT_EQUAL(written_at(2, key), 20);
}

/* Whether it begins the session or is asked: nobody votes about what it has otherwise. */
static void nobody_votes_about_who_is_not_whole(void)
{
    for (node_no by = 2; by <= 3; by++) {
        unsigned key;
        damage_teardown();
        damage_setup();
        range_no range = rebuilt_from_who_lost(&key);
        compare_two(by, by == 2 ? 3 : 2, range);
        CU_ASSERT_EQUAL(written_at(2, key), 20);
        CU_ASSERT_EQUAL(written_at(3, key), 20);
    }
}

/* Nobody has it else: it is read with nobody, and what is garbled is found. */
static void what_is_alone_is_read(void)
{
    filled(1);
    struct one *n = &f.node[0];
    const struct heal_comparisons all = {.peer = 1, .keyspace = KEYSPACE, .full = true};
    CU_ASSERT_FATAL(heal_compare_ranges(n->heal, f.now, 8, &all));
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(n->compared_all, 1);
    CU_ASSERT(n->all_ranges > 0 && n->all_equal == n->all_ranges);
    CU_ASSERT(n->all_figures.rows > 0 && n->all_figures.rows_read >= n->all_figures.rows);
    CU_ASSERT_EQUAL(n->all_figures.messages, 0);
    (void)garble(1, 3);
    CU_ASSERT_FATAL(heal_compare_ranges(n->heal, f.now, 9, &all));
    elapse(10 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(n->compared_all, 2);
    CU_ASSERT_EQUAL(n->all_failed, 1);
    CU_ASSERT_EQUAL(n->all_equal, n->all_ranges - 1);
}

CU_TestInfo damage_tests[] = {
    {"what is alone is read", what_is_alone_is_read},
    {"what the first has lost comes from the second",
     what_the_first_has_lost_comes_from_the_second},
    {"what the second has lost comes from the first",
     what_the_second_has_lost_comes_from_the_first},
    {"who is not whole has no vote", who_is_not_whole_has_no_vote},
    {"nobody votes about who is not whole", nobody_votes_about_who_is_not_whole},
    {"a garbled value is brought back", a_garbled_value_is_brought_back},
    {"lost blocks are taken over again", lost_blocks_are_taken_over_again},
    {"an empty range is whole again", an_empty_range_is_whole_again},
    {"it is whole again under load", it_is_whole_again_under_load},
    {"a lost account of a log is damage", a_lost_account_of_a_log_is_damage},
    {"a full comparison names what it cannot read", a_full_comparison_names_what_it_cannot_read},
    {"what the only replica has lost is given up", what_the_only_replica_has_lost_is_given_up},
    {"what others may have is not given up", what_others_may_have_is_not_given_up},
    {"a comparison knows whose damage it is", a_comparison_knows_whose_damage_it_is},
    {"what a run finds does not wait for it", what_a_run_finds_does_not_wait_for_it},
    {"nothing is forgotten that nobody has", nothing_is_forgotten_that_nobody_has},
    {"the only replica keeps what is left", the_only_replica_keeps_what_is_left},
    {"who is dead is waited for", who_is_dead_is_waited_for},
    CU_TEST_INFO_NULL,
};
