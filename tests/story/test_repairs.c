/* Stories of repair runs, between whole nodes: what was planted behind the clocks' back is found
 * exactly and mended, whatever else happens meanwhile. */
#include "story/fixture.h"

#include "base/arena.h"
#include "node/node.h"
#include "node/schema/schema.h"
#include "ring/murmur3.h"
#include "storage/part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void repairs_setup(void);
void repairs_teardown(void);

static struct arena arena;
static char last[65536]; /* what a node said of a run */

void repairs_setup(void)
{
    story_setup();
}

void repairs_teardown(void)
{
    story_teardown();
    arena_close(&arena);
}

static node_no number_of(unsigned machine)
{
    return meta_self(node_meta(sim_node(sim, machine)));
}

static struct node *node_of(node_no number)
{
    for (unsigned i = 1; i <= sim_nodes(sim); i++) {
        if (number_of(i) == number)
            return sim_node(sim, i);
    }
    CU_FAIL_FATAL("no such node");
    return NULL;
}

/* The clocks of all replicas have the dot of this row of ks.t; node `who` alone has it not. */
static void plant(node_no who, int k)
{
    const struct schema *schema = meta_schema(node_meta(sim_node(sim, 1)));
    const struct table *t = schema_table(schema, "ks", "t");
    uint8_t key[4];
    store_u32(key, (uint32_t)k);
    struct part p = {.table = t->no,
                     .token = murmur3_token(bytes_make(key, 4)),
                     .key = arena_copy(&arena, bytes_make(key, 4)),
                     .deletion = TOMB_NONE};
    struct cell *cell = arena_new(&arena, struct cell);
    struct row *row = arena_new(&arena, struct row);
    *cell = (struct cell){.column = 1, .timestamp = 1, .kind = CELL_LIVE, .value = BYTES_LIT("v")};
    *row = (struct row){.deletion = TOMB_NONE, .cells = cell, .cells_count = 1};
    p.rows = row;
    p.static_row.deletion = TOMB_NONE;
    struct cluster *cluster = node_cluster(sim_node(sim, 1));
    range_no range = ring_range_of(p.token, cluster_ranges(cluster));
    struct replicas replicas =
        placement_replicas(cluster_placement(cluster, t->keyspace_no), range);
    struct node *by = node_of(replicas.node[0]);
    struct dot dot = engine_next_dot(node_engine(by), t->keyspace_no, range, node_actor(by));
    for (uint32_t i = 0; i < replicas.count; i++) {
        p.rows_count = replicas.node[i] != who;
        part_set_dot(&p, dot);
        CU_ASSERT_EQUAL(engine_apply(node_engine(node_of(replicas.node[i])), t->keyspace_no, range,
                                     &p, dot, NULL, 0),
                        ERR_OK);
    }
}

/* Each of so many rows lacks at one of its replicas, all of a range at the same one, or not; how
 * many do. */
static unsigned plant_rows(int from, int upto, bool by_range)
{
    struct node *n = sim_node(sim, 1);
    const struct table *t = schema_table(meta_schema(node_meta(n)), "ks", "t");
    for (int k = from; k < upto; k++) {
        uint8_t key[4];
        store_u32(key, (uint32_t)k);
        token at = murmur3_token(bytes_make(key, 4));
        range_no range = ring_range_of(at, cluster_ranges(node_cluster(n)));
        const struct placement *p = cluster_placement(node_cluster(n), t->keyspace_no);
        plant(placement_replicas(p, range).node[by_range ? range % 3 : (unsigned)k % 3], k);
    }
    sim_elapse(sim, MILLISECONDS(100));
    return (unsigned)(upto - from);
}

static bool start_run(unsigned node, const char *request, char id[32])
{
    struct buf out;
    struct errmsg why;
    struct now now = {1, SECONDS(1700000000)};
    buf_init(&out, 4096);
    enum err err = node_repair_start(sim_node(sim, node), now, bytes_text(request), &out, &why);
    buf_put_u8(&out, 0);
    if (err == ERR_OK)
        sscanf((const char *)out.data, "{\"id\":\"%31[0-9-]", id);
    else
        printf("\n    %s\n", why.text);
    buf_close(&out);
    return err == ERR_OK;
}

static bool look(unsigned node, const char *id)
{
    struct buf out;
    struct now now = {1, SECONDS(1700000000)};
    if (!sim_is_up(sim, node))
        return false;
    buf_init(&out, sizeof last - 1);
    enum err err = node_repair_json(sim_node(sim, node), now, id, &out);
    memcpy(last, out.data, out.len);
    last[out.len] = 0;
    buf_close(&out);
    return err == ERR_OK;
}

/* Until the run is over. */
static bool is_over(unsigned node, const char *id, usec limit)
{
    usec end = sim_now(sim) + limit;
    while (sim_now(sim) < end) {
        if (look(node, id) && strstr(last, "\"state\":\"over\"") != NULL)
            return true;
        sim_elapse(sim, MILLISECONDS(20));
    }
    printf("\n    %s\n", last);
    return false;
}

/* Of the whole run: the first of that name. */
static long figure(const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(last, key);
    return at != NULL ? strtol(at + strlen(key), NULL, 10) : -1;
}

static bool run(unsigned node, const char *request)
{
    char id[32] = "";
    return start_run(node, request, id) && is_over(node, id, SECONDS(60));
}

/* One replica has dropped what is expired by everybody's clock, and the others have yet to. Then
 * its clock is put back, and it compares: it lacks nothing. */
static void what_has_expired_is_no_difference(void)
{
    story_begin(3);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 20));
    for (int k = 21; k <= 40; k++) {
        char cql[96];
        snprintf(cql, sizeof cql, "INSERT INTO ks.t (k, v) VALUES (%d, 'v') USING TTL 20", k);
        CU_ASSERT(says(1, CQL_CL_ALL, "ok", cql));
    }
    sim_elapse(sim, SECONDS(20));
    struct engine *e = node_engine(sim_node(sim, 1));
    struct cluster *cluster = node_cluster(sim_node(sim, 1));
    const struct table *t = schema_table(meta_schema(node_meta(sim_node(sim, 1))), "ks", "t");
    int64_t now_s = INT64_C(1767225600) + sim_now(sim) / USEC_PER_SEC;
    for (range_no range = 0; range < cluster_ranges(cluster); range++) {
        bool done = false;
        CU_ASSERT_EQUAL(engine_purge(e, t->keyspace_no, range,
                                     engine_clock(e, t->keyspace_no, range), now_s + 1, SIZE_MAX,
                                     &done),
                        ERR_OK);
    }
    CU_ASSERT_EQUAL(counted_by(1, "torc_garbage_dropped_total"), 40); /* cells and markers */
    CU_ASSERT_EQUAL(counted("torc_garbage_dropped_total"), 40);
    sim_jump_clock(sim, 1, -SECONDS(10));
    CU_ASSERT(run(1, "{\"keyspace\":\"ks\"}"));
    CU_ASSERT_EQUAL(figure("equal"), figure("ranges"));
    CU_ASSERT_EQUAL(figure("rows_different"), 0);
    CU_ASSERT_EQUAL(counted("torc_doubtful_rows_total"), 0);
}

static void what_was_planted_is_found_exactly(void)
{
    story_begin(5);
    CU_ASSERT(write_rows(1, CQL_CL_ALL, 1, 40));
    sim_elapse(sim,
               SECONDS(60)); /* each node has compared each range by itself, for the first time */
    CU_ASSERT(run(1, "{\"keyspace\":\"ks\"}"));
    CU_ASSERT_EQUAL(figure("equal"), figure("ranges"));
    long planted = plant_rows(1000, 1017, false);
    CU_ASSERT(run(2, "{\"keyspace\":\"ks\",\"preview\":true}"));
    long mended = (long)counted("torc_doubtful_rows_total"); /* by nobody's order, meanwhile */
    CU_ASSERT(mended < planted / 2);
    CU_ASSERT_EQUAL(figure("rows_different"), planted - mended);
    CU_ASSERT_EQUAL(figure("rows_sent") + figure("rows_received"), 0);
    CU_ASSERT(run(3, "{\"keyspace\":\"ks\",\"tables\":[\"t\"]}"));
    CU_ASSERT_EQUAL(figure("rows_different"), planted - mended);
    CU_ASSERT_EQUAL((long)counted("torc_doubtful_rows_total"), planted);
    CU_ASSERT_EQUAL(figure("failed"), 0);
    CU_ASSERT(become_equal(SECONDS(1)));
    CU_ASSERT(run(4, "{}"));
    CU_ASSERT_EQUAL(figure("equal"), figure("ranges"));
    CU_ASSERT_EQUAL(counted("torc_repairs_running"), 0);
}

/* A node is back, and what it missed comes slowly: no run calls ranges equal before it has come. */
static void what_handoff_has_yet_to_bring_is_not_equal(void)
{
    char id[32] = "";
    story_teardown();
    story_setup_with(
        &(struct sim_limits){.handoff_rate = 512, .pull_bytes_max = 256, .scrub_us = SECONDS(600)});
    story_begin(3);
    sim_crash(sim, 3);
    CU_ASSERT(write_rows(1, CQL_CL_QUORUM, 1, 80));
    sim_start(sim, 3);
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(run(1, "{\"keyspace\":\"ks\",\"preview\":true}"));
    CU_ASSERT(figure("failed") > 0 && figure("failed") == figure("ranges_lacking"));
    CU_ASSERT(figure("lacking") > 0 && figure("equal") < figure("ranges"));
    CU_ASSERT(start_run(2, "{\"keyspace\":\"ks\"}", id));
    sim_elapse(sim, SECONDS(1));
    CU_ASSERT(look(2, id) && strstr(last, "\"waits_for\":{\"node\":") != NULL);
    CU_ASSERT(is_over(2, id, SECONDS(300)));
    CU_ASSERT(become_equal(0));
    CU_ASSERT_EQUAL(figure("failed"), 0);
    CU_ASSERT_EQUAL(figure("equal"), figure("ranges"));
}

/* What all nodes say of keyspace ks together. */
static long of_entropy(const char *name)
{
    char words[40];
    snprintf(words, sizeof words, "\"%s\":", name);
    long all = 0;
    for (unsigned i = 1; i <= sim_nodes(sim); i++) {
        struct buf out;
        struct now now = {sim_now(sim), SECONDS(1700000000)};
        buf_init(&out, 1 << 20);
        node_entropy_json(sim_node(sim, i), now, false, &out);
        buf_put_u8(&out, 0);
        const char *at = strstr((const char *)out.data, "\"keyspace\":\"ks\"");
        at = at != NULL ? strstr(at, words) : NULL;
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
        all += strtol(at + strlen(words), NULL, 10);
        buf_close(&out);
    }
    return all;
}

static long rows_left(void)
{
    return of_entropy("rows_left");
}

/* What one replica lacks differs from both others, and is one row; and what was mended differs from
 * nobody, whoever began that. */
static void entropy_counts_rows_once(void)
{
    char request[64];
    story_begin(3);
    sim_elapse(sim, SECONDS(60));
    plant_rows(1000, 1030, true);
    CU_ASSERT_EQUAL(rows_left(), 0);
    CU_ASSERT(run(1, "{\"keyspace\":\"ks\",\"preview\":true}"));
    CU_ASSERT_EQUAL(figure("rows_different"), 30);
    CU_ASSERT_EQUAL(rows_left(), 30);
    for (unsigned i = 2; i <= 3; i++) { /* others lead now */
        sim_elapse(sim, SECONDS(1));
        snprintf(request, sizeof request, "{\"keyspace\":\"ks\",\"node\":\"%u\"}",
                 (unsigned)number_of(i));
        CU_ASSERT(run(1, request));
        CU_ASSERT_EQUAL(figure("failed"), 0);
    }
    CU_ASSERT_EQUAL(rows_left(), 0);
    CU_ASSERT(become_equal(SECONDS(1)));
}

/* A moment after all was proved equal a preview finds rows: they are left, until a run mends them;
 * then they are told as mended, though the run has compared once more since. */
static void entropy_tells_what_is_left_and_what_was_mended(void)
{
    story_begin(3);
    sim_elapse(sim, SECONDS(60));
    CU_ASSERT(run(1, "{\"keyspace\":\"ks\"}"));
    long planted = plant_rows(1000, 1020, true);
    CU_ASSERT(run(1, "{\"keyspace\":\"ks\",\"preview\":true}"));
    CU_ASSERT_EQUAL(figure("rows_different"), planted);
    CU_ASSERT_EQUAL(of_entropy("rows_left"), planted);
    CU_ASSERT(run(1, "{\"keyspace\":\"ks\"}"));
    CU_ASSERT_EQUAL(figure("rows_different"), planted);
    CU_ASSERT_EQUAL(of_entropy("rows_left"), 0);
    CU_ASSERT_EQUAL(of_entropy("rows_found"), planted);
}

/* Its name is told all the same, and that it is gone: after a restart, too. */
static void a_keyspace_is_dropped_meanwhile(void)
{
    char id[32] = "";
    story_begin(3);
    plant_rows(1000, 1040, false);
    CU_ASSERT(start_run(1, "{\"keyspace\":\"ks\",\"full\":true}", id));
    sim_elapse(sim, MILLISECONDS(20));
    CU_ASSERT(says(2, CQL_CL_ONE, "ok", "DROP KEYSPACE ks"));
    CU_ASSERT(is_over(1, id, SECONDS(60)));
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_PTR_NOT_NULL(strstr(last, "\"keyspace\":\"ks\""));
        CU_ASSERT_PTR_NOT_NULL(strstr(last, "\"dropped\":true"));
        if (i == 0) {
            sim_elapse(sim, SECONDS(2));
            sim_kill(sim, 1);
            sim_start(sim, 1);
            CU_ASSERT_FATAL(see_each_other());
            CU_ASSERT(look(1, id));
        }
    }
}

static void the_manager_is_killed_in_the_middle(void)
{
    char id[32] = "";
    story_begin(3);
    long planted = plant_rows(1000, 1040, false);
    CU_ASSERT(start_run(2, "{\"full\":true}", id));
    for (int i = 0; i < 200 && look(2, id) && figure("done") == 0; i++)
        sim_elapse(sim, MILLISECONDS(5));
    CU_ASSERT(figure("done") > 0 && figure("done") < figure("ranges"));
    sim_kill(sim, 2);
    sim_elapse(sim, SECONDS(3));
    sim_start(sim, 2);
    CU_ASSERT(is_over(2, id, SECONDS(60)));
    CU_ASSERT_EQUAL(figure("failed"), 0);
    CU_ASSERT_EQUAL(figure("done"), figure("ranges"));
    CU_ASSERT(figure("rows_different") <= planted);
    CU_ASSERT(become_equal(SECONDS(5)));
}

static void a_leader_dies_and_is_named(void)
{
    char id[32] = "", third[32], second[32];
    story_begin(3);
    snprintf(second, sizeof second, "\"node\":%u,\"address\"", (unsigned)number_of(2));
    snprintf(third, sizeof third, "\"node\":%u,\"address\"", (unsigned)number_of(3));
    plant_rows(1000, 1020, false);
    CU_ASSERT(start_run(1, "{\"keyspace\":\"ks\"}", id));
    sim_elapse(sim, MILLISECONDS(20));
    sim_crash(sim, 3);
    CU_ASSERT(is_over(1, id, SECONDS(60)));
    CU_ASSERT(figure("failed") > 0);
    CU_ASSERT_EQUAL(figure("done"), figure("ranges"));
    CU_ASSERT_PTR_NOT_NULL(strstr(last, third));
    CU_ASSERT_PTR_NULL(strstr(last, second));
    sim_start(sim, 3);
    CU_ASSERT_FATAL(see_each_other());
    CU_ASSERT(run(1, "{\"keyspace\":\"ks\"}"));
    CU_ASSERT_EQUAL(figure("failed"), 0);
    CU_ASSERT(become_equal(SECONDS(5)));
}

/* Writes go on; what they are about to bring is no difference. */
static void two_runs_under_load(void)
{
    char first[32] = "", second[32] = "";
    story_begin(3);
    long planted = plant_rows(1000, 1010, false);
    CU_ASSERT(start_run(1, "{\"keyspace\":\"ks\"}", first));
    CU_ASSERT(start_run(3, "{\"keyspace\":\"ks\",\"tables\":[\"t\"]}", second));
    CU_ASSERT(write_rows(2, CQL_CL_ONE, 1, 60));
    CU_ASSERT(is_over(1, first, SECONDS(60)));
    long different = figure("rows_different");
    CU_ASSERT(is_over(3, second, SECONDS(60)));
    CU_ASSERT(different <= planted && figure("rows_different") <= planted);
    CU_ASSERT(different + figure("rows_different") >= planted);
    CU_ASSERT_EQUAL(figure("failed"), 0);
    CU_ASSERT(become_equal(SECONDS(5)));
}

static void a_table_is_dropped_in_the_middle(void)
{
    char id[32] = "", other[32] = "";
    story_begin(3);
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "CREATE TABLE ks.gone (k int PRIMARY KEY, v text)"));
    plant_rows(1000, 1010, false);
    CU_ASSERT(start_run(1, "{\"keyspace\":\"ks\",\"tables\":[\"gone\"]}", id));
    CU_ASSERT(start_run(1, "{\"keyspace\":\"ks\",\"full\":true}", other));
    sim_elapse(sim, MILLISECONDS(5));
    CU_ASSERT(says(1, CQL_CL_ONE, "ok", "DROP TABLE ks.gone"));
    CU_ASSERT(is_over(1, id, SECONDS(60)));
    CU_ASSERT_EQUAL(figure("failed"), 0);
    CU_ASSERT(is_over(1, other, SECONDS(60)));
    CU_ASSERT_EQUAL(figure("failed"), 0);
    CU_ASSERT(become_equal(SECONDS(5)));
}

static void the_ring_grows_in_the_middle(void)
{
    char id[32] = "";
    story_begin(3);
    plant_rows(1000, 1030, false);
    unsigned node = sim_add(sim);
    sim_start(sim, node);
    sim_elapse(sim, MILLISECONDS(100));
    CU_ASSERT(start_run(1, "{\"keyspace\":\"ks\",\"full\":true}", id));
    CU_ASSERT(is_over(1, id, SECONDS(120)));
    CU_ASSERT_EQUAL(figure("failed"), 0);
    CU_ASSERT_FATAL(see_each_other());
    sim_elapse(sim, SECONDS(5));
    CU_ASSERT(run(4, "{}"));
    CU_ASSERT_EQUAL(figure("failed"), 0);
    CU_ASSERT(become_equal(SECONDS(5)));
}

/* What is not understood is refused: it would be taken for "compare and mend everything". */
static void what_is_not_understood_is_refused(void)
{
    static const char *const wrong[] = {
        "{\"preview\":\"true\"}",
        "{\"full\":1}",
        "{\"preview\":null}",
        "{\"previw\":true}",
        "{\"keyspace\":5}",
        "{\"keyspace\":\"ks\",\"tables\":\"t\"}",
        "{\"keyspace\":\"ks\",\"tables\":[5]}",
        "{\"tables\":[\"t\"]}",
        "{\"ranges\":\"1:2\"}",
        "{\"ranges\":[\"1:2\"]}",
        "{\"ranges\":[[\"1\",\"2\",\"3\"]]}",
        "{\"node\":[2]}",
        "{\"node\":-2}",
        "{\"node\":77}",
    };
    char request[64];
    story_begin(3);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct buf out;
        struct errmsg why;
        struct now now = {1, SECONDS(1700000000)};
        buf_init(&out, 4096);
        enum err err = node_repair_start(sim_node(sim, 1), now, bytes_text(wrong[i]), &out, &why);
        CU_ASSERT(err == ERR_INVALID || (err == ERR_NOT_FOUND && strstr(wrong[i], "node") != NULL));
        if (err == ERR_OK)
            printf("\n    %s\n", wrong[i]);
        buf_close(&out);
    }
    CU_ASSERT_EQUAL(counted("torc_repairs_running"), 0);
    snprintf(request, sizeof request, "{\"node\":%u,\"tables\":[],\"ranges\":[]}",
             (unsigned)number_of(2));
    CU_ASSERT(run(1, request));
    snprintf(request, sizeof request, "\"node\":%u,", (unsigned)number_of(2));
    CU_ASSERT_PTR_NOT_NULL(strstr(last, request));
}

CU_TestInfo repairs_tests[] = {
    {"what is not understood is refused", what_is_not_understood_is_refused},
    {"what was planted is found exactly", what_was_planted_is_found_exactly},
    {"a keyspace is dropped meanwhile", a_keyspace_is_dropped_meanwhile},
    {"entropy tells what is left and what was mended",
     entropy_tells_what_is_left_and_what_was_mended},
    {"what has expired is no difference for a clock that was put back",
     what_has_expired_is_no_difference},
    {"what handoff has yet to bring is not equal", what_handoff_has_yet_to_bring_is_not_equal},
    {"entropy counts rows once", entropy_counts_rows_once},
    {"the manager is killed in the middle", the_manager_is_killed_in_the_middle},
    {"a leader dies and is named", a_leader_dies_and_is_named},
    {"two runs under load", two_runs_under_load},
    {"a table is dropped in the middle", a_table_is_dropped_in_the_middle},
    {"the ring grows in the middle", the_ring_grows_in_the_middle},
    CU_TEST_INFO_NULL};
