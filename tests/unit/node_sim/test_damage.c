/* Stored bytes that cannot be read: never told, never merged, said in the log, made good by
 * replacing the node. */
#include "unit/node_sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 40

void damage_setup(void);
void damage_teardown(void);

void damage_setup(void)
{
    world_setup();
}

void damage_teardown(void)
{
    world_teardown();
}

static struct store *store_of(unsigned node)
{
    return machine_of(w, node)->store;
}

static uint64_t metric_of(unsigned node, const char *name)
{
    struct buf text;
    uint64_t value = 0;
    buf_init(&text, BUF_MAX_DEFAULT);
    node_metrics_text(sim_node(w, node), (struct now){0}, &text);
    buf_put_u8(&text, 0);
    for (const char *at = (const char *)text.data; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, name, strlen(name)) == 0 && at[strlen(name)] == ' ')
            value = strtoull(at + strlen(name), NULL, 10);
    }
    buf_close(&text);
    return value;
}

static bool all_rows(unsigned via, enum cql_consistency level)
{
    bool good = true;
    for (int k = 1; k <= ROWS && good; k++) {
        char cql[128], expected[32];
        snprintf(cql, sizeof cql, "SELECT v FROM ks.t WHERE k = %d", k);
        snprintf(expected, sizeof expected, "v%d", k);
        good = answers(via, level, expected, cql);
    }
    const struct sim_reply *r = sim_cql(w, via, level, "SELECT k FROM ks.t");
    return good && r->outcome == SIM_OK && r->rows == ROWS;
}

static void three_with_rows(void)
{
    world_form(3);
    for (int k = 1; k <= ROWS; k++)
        CU_ASSERT_FATAL(write_row(1 + (unsigned)k % 3, CQL_CL_ALL, k));
    sim_elapse(w, SECONDS(3));
}

/* A run of neighbours is unreadable; still so after a restart, not when written again, and again
 * when that is lost. */
static void a_flipped_bit_makes_neighbours_unreadable(void)
{
    struct store *s = store_mem_new();
    struct buf value;
    struct store_batch b;
    char key[16];
    unsigned bad = 0;
    unsigned first = 0;
    buf_init(&value, BUF_MAX_DEFAULT);
    store_batch_init(&b);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%03d", i);
        store_batch_put(&b, bytes_text(key), bytes_make((const uint8_t[1000]){0}, 1000));
    }
    store_write(s, &b, 0);
    store_flush(s);
    CU_ASSERT_EQUAL(store_mem_count(s), 0);
    store_mem_sync(s, 1);
    CU_ASSERT_EQUAL(store_mem_count(s), 100);
    CU_ASSERT_EQUAL(store_mem_damage(s, 50), 5);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%03u", i);
        enum err err = store_get(s, bytes_text(key), &value);
        first = err != ERR_OK && bad == 0 ? i : first;
        bad += err == ERR_CORRUPT;
    }
    CU_ASSERT_EQUAL(bad, 5);
    CU_ASSERT_EQUAL(first, 50);
    struct store_iter *it = store_iter_new(s);
    store_iter_seek(it, BYTES_LIT("k049"));
    store_iter_next(it);
    CU_ASSERT(bytes_equal_text(store_iter_key(it), "k055"));
    CU_ASSERT_EQUAL(store_iter_error(it), ERR_CORRUPT);
    store_iter_free(it);
    store_batch_clear(&b);
    store_batch_put(&b, BYTES_LIT("k051"), BYTES_LIT("new"));
    store_write(s, &b, 0);
    CU_ASSERT_EQUAL(store_get(s, BYTES_LIT("k051"), &value), ERR_OK);
    store_mem_crash(s, 0);
    CU_ASSERT_EQUAL(store_get(s, BYTES_LIT("k051"), &value), ERR_CORRUPT);
    store_write(s, &b, 0);
    store_flush(s);
    store_mem_sync(s, 1);
    store_mem_crash(s, 0);
    CU_ASSERT_EQUAL(store_get(s, BYTES_LIT("k051"), &value), ERR_OK);
    /* Damaged while it is being overwritten. */
    store_batch_clear(&b);
    store_batch_put(&b, BYTES_LIT("k010"), BYTES_LIT("new"));
    store_write(s, &b, 0);
    store_mem_damage(s, 10);
    CU_ASSERT_EQUAL(store_get(s, BYTES_LIT("k010"), &value), ERR_OK);
    store_mem_crash(s, 0);
    CU_ASSERT_EQUAL(store_get(s, BYTES_LIT("k010"), &value), ERR_CORRUPT);
    store_batch_close(&b);
    buf_close(&value);
    store_close(s);
}

/* Rows of one replica cannot be read: the others answer, through whomever it is asked. */
static void damaged_rows_are_read_elsewhere(void)
{
    three_with_rows();
    sim_watch(w, "met damage");
    store_mem_fail_reads(store_of(3), BYTES_LIT("d"), BYTES_LIT("e"), ERR_CORRUPT);
    for (unsigned via = 1; via <= 3; via++) {
        CU_ASSERT(all_rows(via, CQL_CL_ONE));
        CU_ASSERT(all_rows(via, CQL_CL_QUORUM));
        CU_ASSERT(answers(via, CQL_CL_ALL, "error: READ_FAILURE", "SELECT v FROM ks.t"));
        CU_ASSERT(write_row(via, CQL_CL_ALL, 1)); /* a write does not read */
    }
    CU_ASSERT(w->lines_count > 0);
}

/* The clocks of its ranges cannot be read: it does not know what it has, so it takes nothing, mints
 * nothing, answers nothing, and whoever can does. */
static void damaged_clocks_are_not_served(void)
{
    three_with_rows();
    sim_kill(w, 3);
    store_mem_fail_reads(store_of(3), BYTES_LIT("c"), BYTES_LIT("m"), ERR_CORRUPT);
    CU_ASSERT_FATAL(sim_start(w, 3));
    CU_ASSERT_FATAL(sim_until_ready(w, SECONDS(20)));
    sim_elapse(w, SECONDS(5));
    for (unsigned via = 1; via <= 3; via++) {
        CU_ASSERT(all_rows(via, CQL_CL_ONE));
        CU_ASSERT(all_rows(via, CQL_CL_QUORUM));
        CU_ASSERT(write_row(via, CQL_CL_ONE, 1));
        CU_ASSERT(write_row(via, CQL_CL_QUORUM, 1));
        CU_ASSERT(answers(via, CQL_CL_ALL, "error: READ_FAILURE", "SELECT v FROM ks.t"));
    }
    /* Nor does it pull again and again what it cannot take. */
    uint64_t events = sim_events(w);
    sim_elapse(w, SECONDS(10));
    CU_ASSERT(sim_events(w) - events < 1500);
}

/* It was the cable: no restart is needed. */
static void clocks_that_can_be_read_again(void)
{
    three_with_rows();
    sim_kill(w, 3);
    store_mem_fail_reads(store_of(3), BYTES_LIT("c"), BYTES_LIT("m"), ERR_IO);
    CU_ASSERT_FATAL(sim_start(w, 3));
    CU_ASSERT_FATAL(sim_until_ready(w, SECONDS(20)));
    CU_ASSERT(write_row(1, CQL_CL_QUORUM, 1));
    sim_elapse(w, SECONDS(5));
    CU_ASSERT_FALSE(sim_replicas_equal(w, NULL));
    store_mem_fail_reads(store_of(3), BYTES_NONE, BYTES_NONE, ERR_OK);
    CU_ASSERT(equal_within(SECONDS(20)));
    CU_ASSERT(all_rows(3, CQL_CL_ALL));
}

/* One peer cannot give what is missing: another one can. */
static void what_a_peer_cannot_read_comes_from_another(void)
{
    world_form(3);
    sim_kill(w, 3);
    for (int k = 1; k <= ROWS; k++)
        CU_ASSERT_FATAL(write_row(1 + (unsigned)k % 2, CQL_CL_QUORUM, k));
    store_mem_fail_reads(store_of(1), BYTES_LIT("d"), BYTES_LIT("e"), ERR_CORRUPT);
    CU_ASSERT(sim_start(w, 3));
    CU_ASSERT_FATAL(sim_until_ready(w, SECONDS(20)));
    sim_elapse(w, SECONDS(10));
    store_mem_fail_reads(store_of(1), BYTES_LIT("d"), BYTES_LIT("e"), ERR_OK);
    CU_ASSERT(equal_within(MS(100)));
}

/* Who does not know who it is, or what was decided, does not start. */
static void a_damaged_identity_is_refused(void)
{
    static const struct {
        const char *first, *end, *why;
    } cases[] = {
        {"M", "N", "read the store's own records: "},
        {"Fn/host_id", "Fn/host_id\x01", "the node's own host id cannot be read: "},
        {"Fn/boot", "Fn/boot\x01", "the node's boot number cannot be read: "},
        {"Fm/", "Fm0", "read the metadata log: "},
    };
    world_form(3);
    sim_kill(w, 3);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        store_mem_fail_reads(store_of(3), bytes_text(cases[i].first), bytes_text(cases[i].end),
                             ERR_CORRUPT);
        CU_ASSERT_FALSE_FATAL(sim_start(w, 3));
        CU_ASSERT_NOT_EQUAL(strstr(sim_why_down(w, 3), cases[i].why), NULL);
        CU_ASSERT_FALSE(sim_is_up(w, 3));
    }
    store_mem_fail_reads(store_of(3), BYTES_NONE, BYTES_NONE, ERR_OK);
    CU_ASSERT(sim_start(w, 3));
    CU_ASSERT(sim_until_ready(w, SECONDS(20)));
}

/* Bits turn over in many places of one node, again and again, under load: no answer is wrong, the
 * node may not start again, and once it is replaced all are equal. */
static void bits_turn_over_everywhere(void)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct sim_config config = {.seed = seed};
        world_again(&config);
        three_with_rows();
        for (int i = 0; i < 5; i++) {
            CU_ASSERT(sim_flip_bits(w, 3, 1 + (uint32_t)seed) > 0 || i > 0);
            CU_ASSERT(all_rows(sim_is_up(w, 3) ? 3 : 1, CQL_CL_QUORUM));
            CU_ASSERT(write_row(1 + (unsigned)i % 2, CQL_CL_QUORUM, 1 + i));
            if (seed % 3 == 0 && sim_is_up(w, 3)) {
                sim_crash(w, 3);
                if (sim_start(w, 3))
                    sim_elapse(w, SECONDS(2));
            }
        }
        for (unsigned via = 1; via <= 2; via++)
            CU_ASSERT(all_rows(via, CQL_CL_QUORUM));
        if (sim_is_up(w, 3))
            sim_kill(w, 3);
        sim_lose_disk(w, 3);
        sim_elapse(w, SECONDS(2));
        CU_ASSERT_FATAL(sim_start_replacing(w, 3));
        CU_ASSERT_FATAL(sim_until_ready(w, SECONDS(60)));
        CU_ASSERT(equal_within(SECONDS(60)));
        CU_ASSERT(all_rows(3, CQL_CL_ALL));
    }
}

/* Some keys cannot be read for a while, as with a cable that is loose. */
static void reads_that_fail_for_a_while(void)
{
    three_with_rows();
    for (uint32_t of = 2; of < 40; of += 7) {
        sim_fail_reads(w, 2, of);
        CU_ASSERT(all_rows(1 + of % 3, CQL_CL_QUORUM));
        CU_ASSERT(write_row(1 + of % 3, CQL_CL_QUORUM, 1 + (int)of));
        sim_fail_reads(w, 2, 0);
    }
    CU_ASSERT(equal_within(SECONDS(10)));
    CU_ASSERT(all_rows(2, CQL_CL_ALL));
}

/* The entry in the middle of those with this prefix. */
static size_t place_in(struct store *s, const char *prefix)
{
    size_t before = 0, of = 0;
    struct store_iter *it = store_iter_new(s);
    for (store_iter_seek(it, BYTES_NONE); store_iter_valid(it); store_iter_next(it)) {
        bool is = bytes_starts_with(store_iter_key(it), bytes_text(prefix));
        before += !is && of == 0;
        of += is;
    }
    store_iter_free(it);
    CU_ASSERT_FATAL(of > 0);
    return before + of / 2;
}

static void lose_block(unsigned node, const char *prefix)
{
    sim_kill(w, node);
    CU_ASSERT(store_mem_damage(store_of(node), place_in(store_of(node), prefix)) > 0);
    CU_ASSERT(store_mem_mend(store_of(node)) > 0);
    CU_ASSERT(sim_start(w, node));
    sim_elapse(w, SECONDS(5));
}

/* Hints that were acked are lost, while nobody lives who has their ranges; and the node that has
 * lost them ends before anybody does. All the same who comes back is told, and compares. */
static void ranges_of_lost_hints_are_not_forgotten(void)
{
    world_form(4);
    for (unsigned i = 1; i <= 3; i++)
        sim_kill(w, i);
    sim_elapse(w, SECONDS(15));
    for (int k = 1; k <= 6 * ROWS; k++)
        CU_ASSERT_FATAL(write_row(4, CQL_CL_ANY, k));
    lose_block(4, "Aa/hr");
    uint64_t lost = metric_of(4, "torc_hints_gone_total{why=\"damage\"}");
    CU_ASSERT(lost > 0 && lost < 4 * ROWS);
    sim_crash(w, 4);
    CU_ASSERT(sim_start(w, 4));
    CU_ASSERT(sim_start(w, 1));
    sim_elapse(w, SECONDS(20));
    CU_ASSERT(metric_of(1, "torc_marked_ranges") > 0);
    sim_crash(w, 4);
    sim_crash(w, 1);
    for (unsigned i = 1; i <= 4; i++)
        CU_ASSERT(sim_start(w, i));
    sim_watch(w, "their ranges are compared by trees");
    CU_ASSERT_FATAL(sim_until_ready(w, SECONDS(20)));
    sim_elapse(w, SECONDS(60));
    CU_ASSERT(w->lines_count > 0);
    for (unsigned i = 1; i <= 4; i++)
        CU_ASSERT_EQUAL(metric_of(i, "torc_marked_ranges"), 0);
    CU_ASSERT(equal_within(SECONDS(20)));
}

CU_TestInfo damage_tests[] = {
    {"a flipped bit makes neighbours unreadable", a_flipped_bit_makes_neighbours_unreadable},
    {"damaged rows are read elsewhere", damaged_rows_are_read_elsewhere},
    {"damaged clocks are not served", damaged_clocks_are_not_served},
    {"clocks that can be read again", clocks_that_can_be_read_again},
    {"what a peer cannot read comes from another", what_a_peer_cannot_read_comes_from_another},
    {"a damaged identity is refused", a_damaged_identity_is_refused},
    {"bits turn over everywhere", bits_turn_over_everywhere},
    {"ranges of lost hints are not forgotten", ranges_of_lost_hints_are_not_forgotten},
    {"reads that fail for a while", reads_that_fail_for_a_while},
    CU_TEST_INFO_NULL,
};
