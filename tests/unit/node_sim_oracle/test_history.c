/* What a history must accept and what it must refuse: each rule with both. */
#include "node/sim/oracle/history.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

#define MS(n)    ((n)*USEC_PER_MS)
#define REPLICAS 3
#define SKEW     MS(5)

void history_setup(void);
void history_teardown(void);

static struct fixture {
    struct history *h;
    struct errmsg why;
} f;

void history_setup(void)
{
    memset(&f, 0, sizeof f);
}

void history_teardown(void)
{
    history_free(f.h);
    f.h = NULL;
}

static void begin(bool stamped)
{
    const struct history_config config = {"cell", REPLICAS, SKEW, stamped};
    history_free(f.h);
    f.h = history_new(&config);
}

/* --- short words. Times are in ms; all is about partition 1. */

static size_t put_at(uint32_t client, int64_t stamp, int64_t start, int64_t id, int64_t value)
{
    size_t w = history_write(f.h, client, stamp, MS(start));
    history_put(f.h, w, 1, id, value);
    return w;
}

static size_t delete_at(uint32_t client, int64_t stamp, int64_t start, int64_t first, int64_t last)
{
    size_t w = history_write(f.h, client, stamp, MS(start));
    history_delete(f.h, w, 1, first, last);
    return w;
}

static void acked(size_t w, int64_t end, uint32_t replicas)
{
    struct history_end e = {.end = MS(end), .replicas = replicas};
    history_wrote(f.h, w, &e);
}

static void failed(size_t w, int64_t end, bool open)
{
    struct history_end e = {.end = MS(end), .open = open};
    history_wrote(f.h, w, &e);
}

/* An acked write of `value` to cell 0. */
static void put(int64_t start, int64_t end, int64_t value, uint32_t replicas)
{
    acked(put_at(0, 0, start, 0, value), end, replicas);
}

static void del(int64_t start, int64_t end, uint32_t replicas)
{
    acked(delete_at(0, 0, start, 0, 0), end, replicas);
}

static bool read_by(uint32_t client, int64_t start, int64_t end, int64_t value, uint32_t replicas)
{
    struct history_read r = {.client = client,
                             .replicas = replicas,
                             .start = MS(start),
                             .end = MS(end),
                             .key = 1,
                             .first = 0,
                             .last = 0};
    struct history_row row = {0, value};
    f.why.text[0] = 0;
    return history_judge(f.h, &r, &row, value != HISTORY_NOTHING, &f.why);
}

static bool reads(int64_t start, int64_t end, int64_t value, uint32_t replicas)
{
    return read_by(9, start, end, value, replicas);
}

static bool says(const char *words)
{
    bool good = strstr(f.why.text, words) != NULL;
    if (!good)
        printf("\n    expected: %s\n    said: %s\n", words, f.why.text);
    return good;
}

/* --- what must be seen */

/* Every pair of levels: w + r > 3 must see it, others need not. */
static void levels_that_overlap(void)
{
    for (uint32_t w = 1; w <= REPLICAS; w++) {
        for (uint32_t r = 1; r <= REPLICAS; r++) {
            begin(false);
            put(0, 10, 1, REPLICAS);
            put(20, 30, 2, w);
            CU_ASSERT_EQUAL(reads(40, 50, 1, r), w + r <= REPLICAS);
            CU_ASSERT(reads(60, 70, 2, r));
        }
    }
}

static void a_read_that_promises_nothing(void)
{
    begin(false);
    put(0, 10, 1, 3);
    put(20, 30, 2, 3);
    CU_ASSERT(reads(40, 50, 1, 0));
    CU_ASSERT(reads(40, 50, HISTORY_NOTHING, 0));
    CU_ASSERT(!reads(40, 50, 7, 0));
    size_t w = put_at(0, 0, 60, 0, 3);
    failed(w, 70, false);
    CU_ASSERT(reads(80, 90, 3, 0));
    CU_ASSERT(reads(100, 110, 2, 3)); /* it tells nobody anything */
}

static void a_read_that_began_before_the_ack(void)
{
    begin(false);
    put(0, 10, 1, 3);
    put(20, 30, 2, 3);
    CU_ASSERT(reads(25, 50, 1, 3));
    CU_ASSERT(!reads(31, 50, 1, 1));
}

static void what_was_never_written(void)
{
    begin(false);
    put(0, 10, 1, 3);
    CU_ASSERT(!reads(20, 30, 7, 1));
    CU_ASSERT(says("never written"));
}

static void writes_within_the_skew(void)
{
    begin(false);
    put(0, 10, 1, 1);
    put(14, 20, 2, 2);
    CU_ASSERT(reads(30, 40, 1, 3)); /* the clock of the first may have been ahead */
    put(46, 50, 3, 3);
    CU_ASSERT(!reads(60, 70, 1, 3));
    CU_ASSERT(!reads(60, 70, 2, 3));
    CU_ASSERT(reads(60, 70, 3, 3));
}

static void nothing_where_something_must_be(void)
{
    begin(false);
    CU_ASSERT(reads(0, 5, HISTORY_NOTHING, 3));
    put(10, 20, 1, 2);
    CU_ASSERT(reads(30, 40, HISTORY_NOTHING, 1));
    CU_ASSERT(!reads(30, 40, HISTORY_NOTHING, 2));
    size_t d = delete_at(0, 0, 50, 0, 0);
    CU_ASSERT(reads(60, 70, HISTORY_NOTHING, 1)); /* not acked, but it may be done */
    CU_ASSERT(reads(60, 70, 1, 2));
    failed(d, 80, false);
    CU_ASSERT(reads(90, 95, 1, 2));
    CU_ASSERT(reads(100, 110, HISTORY_NOTHING, 2));
    CU_ASSERT(!reads(120, 130, 1, 2)); /* seen to be gone */
}

static void deletes_do_not_come_undone(void)
{
    begin(false);
    put(0, 10, 1, 3);
    del(20, 30, 2);
    CU_ASSERT(reads(40, 50, 1, 1));
    CU_ASSERT(!reads(40, 50, 1, 2));
    CU_ASSERT(says("a delete"));
    del(60, 70, 3);
    CU_ASSERT(!reads(80, 90, 1, 1));
}

/* An attempt given up may be executed late: its value comes after what was written since. */
static void open_writes(void)
{
    begin(false);
    size_t w = put_at(0, 0, 0, 0, 1);
    failed(w, 10, true);
    put(100, 110, 2, 3);
    CU_ASSERT(reads(200, 210, 1, 1));
    CU_ASSERT(reads(220, 230, 2, 3));
    CU_ASSERT(reads(240, 250, 1, 3));
    begin(false);
    w = put_at(0, 0, 0, 0, 1);
    failed(w, 10, false);
    put(100, 110, 2, 3);
    CU_ASSERT(!reads(200, 210, 1, 1));
}

/* Acked, and another attempt may still be done. */
static void open_writes_that_were_acked(void)
{
    begin(false);
    size_t w = put_at(0, 0, 0, 0, 1);
    struct history_end e = {.end = MS(10), .replicas = 3, .open = true, .again = true};
    history_wrote(f.h, w, &e);
    CU_ASSERT(!reads(20, 30, HISTORY_NOTHING, 1));
    put(100, 110, 2, 3);
    CU_ASSERT(reads(200, 210, 2, 3));
    CU_ASSERT(reads(220, 230, 1, 3));
    CU_ASSERT(reads(240, 250, 2, 3)); /* its two attempts may be on either side */
}

/* --- what a read tells */

static void what_was_shown_is_known(void)
{
    for (uint32_t first = 1; first <= REPLICAS; first++) {
        for (uint32_t then = 1; then <= REPLICAS; then++) {
            begin(false);
            put(0, 10, 1, 3);
            size_t w = put_at(0, 0, 20, 0, 2);
            failed(w, 30, false);
            CU_ASSERT(reads(40, 50, 2, first));
            CU_ASSERT(reads(45, 60, 1, then)); /* at the same time */
            CU_ASSERT_EQUAL(reads(70, 80, 1, then), first + then <= REPLICAS);
        }
    }
}

static void all_agree_who_won(void)
{
    begin(false);
    size_t a = put_at(0, 0, 0, 0, 1);
    size_t b = put_at(1, 0, 0, 0, 2);
    acked(a, 10, 2);
    acked(b, 10, 2);
    CU_ASSERT(reads(20, 30, 1, 2));
    CU_ASSERT(!reads(40, 50, 2, 2));
    CU_ASSERT(reads(40, 50, 2, 1));
    CU_ASSERT(reads(40, 50, 1, 2));
}

/* A delete and a value at the same time: nothing was shown, so the delete has won. */
static void a_delete_that_won(void)
{
    begin(false);
    size_t a = put_at(0, 0, 0, 0, 1);
    size_t b = delete_at(1, 0, 0, 0, 0);
    acked(a, 10, 2);
    acked(b, 10, 2);
    CU_ASSERT(reads(20, 30, HISTORY_NOTHING, 2));
    CU_ASSERT(!reads(40, 50, 1, 3));
    begin(false);
    a = put_at(0, 0, 0, 0, 1);
    b = delete_at(1, 0, 0, 0, 0);
    acked(a, 10, 2);
    acked(b, 10, 2);
    CU_ASSERT(reads(20, 30, 1, 2));
    CU_ASSERT(!reads(40, 50, HISTORY_NOTHING, 3));
}

/* --- timestamps of clients */

static void timestamps_decide(void)
{
    begin(true);
    acked(put_at(0, 100, 0, 0, 1), 10, 2);
    acked(put_at(0, 90, 20, 0, 2), 30, 3);
    CU_ASSERT(reads(40, 50, 1, 2));
    CU_ASSERT(!reads(40, 50, 2, 2));
    CU_ASSERT(reads(40, 50, 2, 1));
    CU_ASSERT(!reads(40, 50, HISTORY_NOTHING, 1));
    acked(delete_at(0, 95, 50, 0, 0), 60, 3);
    CU_ASSERT(!reads(70, 80, 2, 1));
    CU_ASSERT(reads(70, 80, HISTORY_NOTHING, 1));
    CU_ASSERT(!reads(70, 80, HISTORY_NOTHING, 2));
}

static void equal_timestamps(void)
{
    begin(true);
    acked(put_at(0, 100, 0, 0, 2), 10, 3);
    acked(put_at(0, 100, 20, 0, 1), 30, 3);
    CU_ASSERT(!reads(40, 50, 1, 1)); /* the larger value */
    CU_ASSERT(reads(40, 50, 2, 1));
    acked(delete_at(0, 100, 60, 0, 0), 70, 3);
    CU_ASSERT(!reads(80, 90, 2, 1)); /* a delete wins */
    CU_ASSERT(reads(80, 90, HISTORY_NOTHING, 1));
    CU_ASSERT(!reads(80, 90, 2, 1));
}

/* Asked twice with one timestamp: one write. */
static void stamped_attempts(void)
{
    begin(true);
    size_t w = put_at(0, 100, 0, 0, 1);
    struct history_end e = {.end = MS(10), .replicas = 2, .open = true, .again = true};
    history_wrote(f.h, w, &e);
    acked(put_at(0, 200, 20, 0, 2), 30, 2);
    CU_ASSERT(!reads(40, 50, 1, 2));
}

/* --- lost disks */

static void a_disk_takes_one_replica(void)
{
    for (uint32_t w = 1; w <= REPLICAS; w++) {
        begin(false);
        put(0, 10, 1, w);
        history_disk_lost(f.h, MS(15));
        CU_ASSERT_EQUAL(reads(20, 30, HISTORY_NOTHING, 3), w == 1);
        CU_ASSERT_EQUAL(reads(20, 30, HISTORY_NOTHING, 2), w <= 2);
        CU_ASSERT(reads(20, 30, HISTORY_NOTHING, 1));
        CU_ASSERT(reads(40, 50, 1, 1)); /* it may be elsewhere */
    }
}

/* The replica whose disk was lost may be among those that had answered before. */
static void a_disk_lost_in_the_middle(void)
{
    begin(false);
    size_t w = put_at(0, 0, 0, 0, 1);
    history_disk_lost(f.h, MS(5));
    acked(w, 10, 2);
    CU_ASSERT(reads(20, 30, HISTORY_NOTHING, 2));
    CU_ASSERT(!reads(20, 30, HISTORY_NOTHING, 3));
    begin(false);
    put(0, 10, 1, 2);
    history_disk_lost(f.h, MS(15));
    CU_ASSERT(reads(12, 20, 1, 2)); /* perhaps of the lost one */
    CU_ASSERT(reads(30, 40, HISTORY_NOTHING, 2));
    CU_ASSERT(reads(50, 60, 1, 2));
    CU_ASSERT(!reads(70, 80, HISTORY_NOTHING, 2));
}

static void in_the_end_all_is_everywhere(void)
{
    begin(false);
    put(0, 10, 1, 1);
    put(20, 30, 2, 1);
    history_all_equal(f.h, MS(40));
    CU_ASSERT(!reads(50, 60, 1, 1));
    CU_ASSERT(says("in the end"));
    CU_ASSERT(reads(50, 60, 2, 1));
    begin(false);
    put(0, 10, 1, 1);
    history_disk_lost(f.h, MS(20));
    history_all_equal(f.h, MS(40));
    CU_ASSERT(reads(50, 60, HISTORY_NOTHING, 3)); /* it was on the lost one alone */
}

/* --- sessions */

static void sessions_have_names(void)
{
    begin(false);
    acked(put_at(1, 0, 0, 0, 1), 10, 2);
    acked(put_at(2, 0, 20, 0, 2), 30, 2);
    CU_ASSERT(!read_by(2, 40, 50, 1, 2));
    CU_ASSERT(says("(read your writes)"));
    CU_ASSERT(read_by(3, 40, 50, 2, 2));
    CU_ASSERT(!read_by(3, 60, 70, 1, 2));
    CU_ASSERT(says("(monotonic reads)"));
    begin(false);
    acked(put_at(1, 0, 0, 0, 1), 10, 2);
    acked(put_at(1, 0, 20, 0, 2), 30, 2);
    CU_ASSERT(!read_by(3, 40, 50, 1, 2));
    CU_ASSERT(says("(monotonic writes)"));
    begin(false);
    acked(put_at(1, 0, 0, 0, 1), 10, 2);
    CU_ASSERT(read_by(2, 20, 30, 1, 1));
    acked(put_at(2, 0, 40, 0, 2), 50, 2);
    CU_ASSERT(!read_by(3, 60, 70, 1, 2));
    CU_ASSERT(says("(writes follow reads)"));
}

/* --- slices */

static bool slice(int64_t start, uint32_t replicas, int64_t first, int64_t last, int32_t limit,
                  const char *ids)
{
    struct history_read r = {.client = 9,
                             .replicas = replicas,
                             .start = MS(start),
                             .end = MS(start + 5),
                             .key = 1,
                             .first = first,
                             .last = last,
                             .limit = (uint32_t)(limit < 0 ? -limit : limit),
                             .descending = limit < 0};
    struct history_row rows[16];
    size_t count = 0;
    for (; *ids != 0; ids++) {
        rows[count].id = *ids - '0';
        rows[count++].value = HISTORY_ANY;
    }
    f.why.text[0] = 0;
    return history_judge(f.h, &r, rows, count, &f.why);
}

static void ten(void)
{
    begin(false);
    for (int64_t id = 0; id < 10; id++)
        acked(put_at(0, 0, 0, id, 100 + id), 10, 2);
}

static void slices(void)
{
    ten();
    CU_ASSERT(slice(20, 2, 0, 9, 0, "0123456789"));
    CU_ASSERT(slice(20, 2, 3, 6, 0, "3456"));
    CU_ASSERT(!slice(20, 2, 3, 6, 0, "346"));
    CU_ASSERT(slice(20, 1, 3, 6, 0, "346"));
    CU_ASSERT(!slice(20, 2, 3, 6, 0, "34567"));
    CU_ASSERT(says("not asked for"));
    CU_ASSERT(!slice(20, 2, 3, 6, 0, "34556"));
    CU_ASSERT(says("twice"));
    CU_ASSERT(!slice(20, 2, 3, 6, 0, "3465"));
    CU_ASSERT(says("not in order"));
}

static void limits(void)
{
    ten();
    CU_ASSERT(slice(20, 2, 2, 9, 3, "234"));
    CU_ASSERT(!slice(20, 2, 2, 9, 3, "235"));
    CU_ASSERT(!slice(20, 2, 2, 9, 3, "23"));
    CU_ASSERT(!slice(20, 2, 2, 9, 3, "2345"));
    CU_ASSERT(slice(20, 2, 0, 7, -3, "765"));
    CU_ASSERT(!slice(20, 2, 0, 7, -3, "764"));
    CU_ASSERT(!slice(20, 2, 0, 7, -3, "567"));
    acked(delete_at(0, 0, 30, 3, 4), 40, 2);
    CU_ASSERT(slice(50, 2, 2, 9, 3, "256"));
    CU_ASSERT(!slice(50, 2, 2, 9, 3, "245"));
    CU_ASSERT(!slice(50, 2, 2, 9, 3, "567"));
}

static void range_deletes(void)
{
    ten();
    acked(delete_at(0, 0, 20, 3, 6), 30, 2);
    CU_ASSERT(slice(40, 2, 0, 9, 0, "012789"));
    CU_ASSERT(!slice(40, 2, 0, 9, 0, "0123789"));
    CU_ASSERT(!slice(40, 2, 0, 9, 0, "01278"));
    acked(put_at(0, 0, 50, 4, 200), 60, 2);
    CU_ASSERT(slice(70, 2, 0, 9, 0, "0124789"));
    CU_ASSERT(!slice(70, 2, 0, 9, 0, "012789"));
    acked(delete_at(0, 0, 80, INT64_MIN, INT64_MAX), 90, 2);
    CU_ASSERT(slice(100, 2, 0, 9, 0, ""));
    CU_ASSERT(!slice(100, 2, 0, 9, 0, "0"));
    CU_ASSERT(!slice(100, 3, 0, 9, 0, "4"));
    acked(put_at(0, 0, 110, 4, 201), 120, 2);
    CU_ASSERT(!slice(130, 2, 0, 9, 0, ""));
    CU_ASSERT(slice(130, 2, 0, 9, 0, "4"));
}

/* One replica has a delete that nobody has acked. What a slice shows of it is repaired there, and
 * what lies beside the slice is not. */
static void range_deletes_shown_in_part(void)
{
    ten();
    failed(delete_at(0, 0, 20, 3, 8), 30, false);
    CU_ASSERT(slice(40, 2, 4, 5, 0, ""));
    CU_ASSERT(!slice(50, 2, 4, 5, 0, "4"));
    CU_ASSERT(!slice(50, 2, 4, 5, 0, "5"));
    CU_ASSERT(slice(50, 2, 6, 7, 0, "67"));
    CU_ASSERT(slice(60, 2, 0, 9, 0, "0123679"));
    CU_ASSERT(slice(70, 2, 6, 9, 1, "7"));
    CU_ASSERT(!slice(80, 2, 6, 9, 0, "679"));
    CU_ASSERT(slice(80, 2, 0, 9, 0, "0129"));
    CU_ASSERT(!slice(90, 2, 0, 9, 0, "01239"));
}

/* Assigning a collection takes all that was there, and not what it puts. */
static void overwriting(void)
{
    for (int stamped = 0; stamped <= 1; stamped++) {
        begin(stamped);
        for (int64_t id = 0; id < 5; id++)
            acked(put_at(0, 10, 0, id, 100 + id), 10, 2);
        size_t w = history_write(f.h, 0, 20, MS(30));
        history_overwrite(f.h, w, 1);
        history_put(f.h, w, 1, 3, 200);
        history_put(f.h, w, 1, 4, 201);
        acked(w, 40, 2);
        CU_ASSERT(slice(50, 2, 0, 9, 0, "34"));
        CU_ASSERT(!slice(50, 2, 0, 9, 0, "4"));
        CU_ASSERT(!slice(50, 2, 0, 9, 0, "134"));
        CU_ASSERT(slice(50, 1, 0, 9, 0, "01234"));
    }
}

/* --- expiry */

static void expiry(void)
{
    begin(false);
    acked(put_at(0, 0, 0, 0, 1), 10, 3);
    size_t w = history_write(f.h, 0, 0, MS(20));
    history_put(f.h, w, 1, 0, 2);
    history_expires(f.h, w, MS(10000));
    acked(w, 30, 3);
    CU_ASSERT(reads(5000, 5010, 2, 1));
    CU_ASSERT(!reads(5000, 5010, HISTORY_NOTHING, 1));
    CU_ASSERT(reads(10500, 10510, 2, 1));
    CU_ASSERT(reads(9500, 9510, HISTORY_NOTHING, 1));
    CU_ASSERT(!reads(12000, 12010, 2, 1));
    CU_ASSERT(says("expired"));
    CU_ASSERT(reads(12000, 12010, HISTORY_NOTHING, 3));
    CU_ASSERT(!reads(12000, 12010, 1, 1)); /* what it had overwritten stays overwritten */
}

/* Who reads through a clock that is ahead sees the end before others do. */
static void expiry_by_several_clocks(void)
{
    for (int stamped = 0; stamped <= 1; stamped++) {
        begin(stamped);
        acked(put_at(0, 1, 0, 0, 1), 10, 3);
        for (int64_t i = 0; i < 2; i++) {
            size_t w = history_write(f.h, 0, 2 + i, MS(20 + 20 * i));
            history_put(f.h, w, 1, 0, 2 + i);
            history_expires(f.h, w, MS(10000));
            acked(w, 30 + 20 * i, i == 0 ? 2 : 0);
        }
        CU_ASSERT(reads(10000, 10010, HISTORY_NOTHING, 2));
        CU_ASSERT(reads(10020, 10030, 2, 2));
        CU_ASSERT(reads(10040, 10050, HISTORY_NOTHING, 2));
        CU_ASSERT(!reads(10060, 10070, 1, 2));
        CU_ASSERT(!reads(12000, 12010, 2, 2));
    }
}

/* --- lists */

static void lists(void)
{
    static const int64_t good[] = {1, 2, 3}, swapped[] = {2, 1, 3}, twice[] = {1, 2, 3, 1};
    static const int64_t close[] = {1, 3, 2}, foreign[] = {1, 2, 3, 4};
    begin(false);
    acked(put_at(0, 0, 0, 1, 1), 10, 2);
    acked(put_at(0, 0, 20, 2, 1), 30, 2);
    acked(put_at(0, 0, 32, 3, 1), 40, 2);
    CU_ASSERT(history_judge_order(f.h, 1, good, 3, &f.why));
    CU_ASSERT(history_judge_order(f.h, 1, close, 3, &f.why)); /* within the skew */
    CU_ASSERT(!history_judge_order(f.h, 1, swapped, 3, &f.why));
    CU_ASSERT(!history_judge_order(f.h, 1, twice, 4, &f.why));
    CU_ASSERT(!history_judge_order(f.h, 1, foreign, 4, &f.why));
    size_t w = put_at(0, 0, 50, 4, 1);
    failed(w, 60, true);
    static const int64_t again[] = {1, 2, 4, 3, 4};
    CU_ASSERT(history_judge_order(f.h, 1, again, 5, &f.why) == false); /* 3 had ended long ago */
    static const int64_t late[] = {1, 2, 3, 4, 4};
    CU_ASSERT(history_judge_order(f.h, 1, late, 5, &f.why));
}

CU_TestInfo history_tests[] = {
    {"levels that overlap", levels_that_overlap},
    {"a read that promises nothing", a_read_that_promises_nothing},
    {"a read that began before the ack", a_read_that_began_before_the_ack},
    {"what was never written", what_was_never_written},
    {"writes within the skew", writes_within_the_skew},
    {"nothing where something must be", nothing_where_something_must_be},
    {"deletes do not come undone", deletes_do_not_come_undone},
    {"open writes", open_writes},
    {"open writes that were acked", open_writes_that_were_acked},
    {"what was shown is known", what_was_shown_is_known},
    {"all agree who won", all_agree_who_won},
    {"a delete that won", a_delete_that_won},
    {"timestamps decide", timestamps_decide},
    {"equal timestamps", equal_timestamps},
    {"stamped attempts", stamped_attempts},
    {"a disk takes one replica", a_disk_takes_one_replica},
    {"a disk lost in the middle", a_disk_lost_in_the_middle},
    {"in the end all is everywhere", in_the_end_all_is_everywhere},
    {"sessions have names", sessions_have_names},
    {"slices", slices},
    {"limits", limits},
    {"range deletes", range_deletes},
    {"range deletes shown in part", range_deletes_shown_in_part},
    {"overwriting", overwriting},
    {"expiry", expiry},
    {"expiry by several clocks", expiry_by_several_clocks},
    {"lists", lists},
    CU_TEST_INFO_NULL,
};
