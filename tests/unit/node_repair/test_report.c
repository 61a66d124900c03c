/* The bytes of lots and of runs: as they were put, and broken ones are refused. */
#include "base/rng.h"
#include "node/repair/repair_core.h"

#include <CUnit/CUnit.h>
#include <string.h>

static void ranges_come_back(void)
{
    struct arena arena = {0};
    struct buf out;
    range_no in[] = {0, 1, 5, 1000, 1023}, *ranges;
    size_t count;
    buf_init(&out, 4096);
    repair_put_ranges(&out, in, ARRAY_LEN(in));
    CU_ASSERT_EQUAL(repair_read_ranges(buf_bytes(&out), 1024, &arena, &ranges, &count), ERR_OK);
    CU_ASSERT(count == ARRAY_LEN(in) && memcmp(ranges, in, sizeof in) == 0);
    CU_ASSERT_EQUAL(repair_read_ranges(buf_bytes(&out), 1023, &arena, &ranges, &count),
                    ERR_MALFORMED);
    CU_ASSERT_EQUAL(repair_read_ranges(BYTES_NONE, 1023, &arena, &ranges, &count), ERR_MALFORMED);
    CU_ASSERT_EQUAL(repair_read_ranges(BYTES_LIT("\1\0"), 1023, &arena, &ranges, &count),
                    ERR_MALFORMED);
    buf_close(&out);
    arena_close(&arena);
}

static void reports_come_back(void)
{
    struct arena arena = {0};
    struct wire_repair_did m = {0};
    uint8_t done[2] = {0xff, 1}, equal[2] = {0x0f, 1}, failed[2] = {0x10, 0};
    struct repair_problem problem = {.range = 4, .peer = 3, .err = ERR_TIMEOUT};
    struct repair_table sums[2] = {{.table = 0}, {.table = 9}};
    struct lot_report report = {done, equal, failed, &problem, 1, sums, 2}, back;
    sums[1].sums.rows_different = 12345;
    repair_put_report(&m, &report, 10, &arena);
    CU_ASSERT_EQUAL(repair_read_report(&m, 10, &arena, &back), ERR_OK);
    CU_ASSERT(bits_have(back.done, 8) && !bits_have(back.done, 9) && !bits_have(back.equal, 4));
    CU_ASSERT(back.problems_count == 1 && back.problems[0].range == 4 &&
              back.problems[0].peer == 3 && back.problems[0].err == ERR_TIMEOUT);
    size_t of_first = 1 + sizeof(struct repair_sums) / sizeof(uint64_t); /* all zero */
    CU_ASSERT(back.sums_count == 2 && back.sums[1].sums.rows_different == 12345);
    CU_ASSERT_EQUAL(repair_read_report(&m, 20, &arena, &back), ERR_MALFORMED);
    for (size_t i = 1; i < m.sums.len; i++) {
        struct wire_repair_did cut = m;
        cut.sums.len = i;
        CU_ASSERT(repair_read_report(&cut, 10, &arena, &back) == ERR_MALFORMED || i == of_first);
    }
    arena_close(&arena);
}

static struct managed *make(struct rng *rng)
{
    struct managed *m = manage_make(NULL, 2);
    struct repair_run *run = &m->run;
    table_no tables[] = {3, 9};
    run->state = REPAIR_RUNNING;
    run->full = true;
    run->only = 4;
    run->began = 17;
    for (size_t i = 0; i < 2; i++) {
        struct repair_part *p = &run->parts[i];
        p->keyspace = (keyspace_no)i + 7;
        p->tables_count = i * 2;
        p->tables = mem_copy(tables, p->tables_count * sizeof *tables);
        p->ranges = 100;
        p->state = mem_alloc(100);
        m->tries[i] = mem_alloc(100);
        for (size_t k = 0; k < 100; k++) {
            p->state[k] = (uint8_t)rng_below(rng, 4);
            p->wanted += p->state[k] != RANGE_NONE;
            p->done += p->state[k] == RANGE_DONE;
        }
        p->sums.rows = 5;
        repair_sums_of(&p->by_table, &p->by_table_count, &p->by_table_cap, 9)->rows_sent = 77;
    }
    run->problems_all = 500;
    run->problems_count = 1;
    run->problems[0] = (struct repair_problem){7, 5, 3, ERR_STALE, 0};
    return m;
}

/* A run is what it was; what was given to a leader is to be given again. Cut anywhere, or with a
 * byte otherwise, it is refused or is some run. */
static void runs_come_back(void)
{
    struct rng rng;
    struct buf out;
    rng_init(&rng, 5);
    struct managed *m = make(&rng), *back = NULL;
    buf_init(&out, 65536);
    keep_encode(&m->run, &out);
    CU_ASSERT_EQUAL_FATAL(keep_decode(NULL, buf_bytes(&out), &back), ERR_OK);
    CU_ASSERT(back->run.full && !back->run.preview && back->run.only == 4 && back->run.began == 17);
    CU_ASSERT_EQUAL(back->run.parts[1].tables_count, 2);
    CU_ASSERT_EQUAL(back->run.parts[1].by_table[0].sums.rows_sent, 77);
    CU_ASSERT(back->run.problems_all == 500 && back->run.problems[0].err == ERR_STALE);
    for (size_t i = 0; i < 2; i++) {
        const struct repair_part *p = &m->run.parts[i], *q = &back->run.parts[i];
        CU_ASSERT(p->wanted == q->wanted && p->done == q->done);
        for (size_t k = 0; k < 100; k++)
            CU_ASSERT_EQUAL(q->state[k], p->state[k] == RANGE_OUT ? RANGE_WANTED : p->state[k]);
    }
    manage_free(back);
    for (size_t i = 0; i < out.len; i++)
        CU_ASSERT_EQUAL(keep_decode(NULL, bytes_make(out.data, i), &back), ERR_MALFORMED);
    for (unsigned i = 0; i < 2000; i++) {
        size_t at = rng_below(&rng, out.len);
        uint8_t was = out.data[at];
        out.data[at] = (uint8_t)rng_next(&rng);
        if (keep_decode(NULL, buf_bytes(&out), &back) == ERR_OK)
            manage_free(back);
        out.data[at] = was;
    }
    manage_free(m);
    buf_close(&out);
}

CU_TestInfo report_tests[] = {{"ranges come back", ranges_come_back},
                              {"reports come back", reports_come_back},
                              {"runs come back", runs_come_back},
                              CU_TEST_INFO_NULL};
