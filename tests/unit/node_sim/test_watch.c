/* The watch must find what is planted, each kind of it, and nothing where nothing is. */
#include "gossip/gossip.h"
#include "node/schema/schema.h"
#include "node/sim/watch_core.h"
#include "storage/fragment.h"
#include "unit/node_sim/world.h"

#include <stdio.h>
#include <string.h>

static struct watch *watch;

void watch_setup(void);
void watch_teardown(void);

void watch_setup(void)
{
    world_setup();
    watch = watch_new(w);
}

void watch_teardown(void)
{
    watch_free(watch);
    watch = NULL;
    world_teardown();
}

/* Three nodes, some rows on all of them, all well so far. */
static void begin(void)
{
    world_form(3);
    for (int k = 1; k <= 40; k++)
        CU_ASSERT(write_row(1 + (unsigned)k % 3, CQL_CL_ALL, k));
    CU_ASSERT(equal_within(SECONDS(10)));
    CU_ASSERT(watch_look(watch, NULL));
}

static bool found(const char *words)
{
    struct errmsg why = {""};
    bool good = watch_look(watch, &why) && watch_end(watch, &why);
    if (!good && strstr(why.text, words) != NULL)
        return true;
    printf("\n    expected: %s\n    found: %s\n", words, why.text);
    return false;
}

static bool is_left(const char *words)
{
    struct errmsg why = {""};
    bool nothing = watch_nothing_left(watch, &why);
    return !nothing && strstr(why.text, words) != NULL;
}

/* A node that is away pins what was deleted; when all are there nothing is left of it. */
static void what_was_deleted_is_gone_in_the_end(void)
{
    begin();
    sim_stop(w, 3);
    CU_ASSERT(answers(1, CQL_CL_QUORUM, "ok", "DELETE FROM ks.t WHERE k = 3"));
    CU_ASSERT(answers(1, CQL_CL_QUORUM, "ok", "UPDATE ks.t SET v = null WHERE k = 4"));
    CU_ASSERT(
        answers(1, CQL_CL_QUORUM, "ok", "INSERT INTO ks.t (k, v) VALUES (5, 'x') USING TTL 1"));
    sim_elapse(w, SECONDS(30));
    CU_ASSERT(is_left(" is left"));
    sim_start(w, 3);
    CU_ASSERT(equal_within(SECONDS(10)));
    sim_elapse(w, SECONDS(30));
    struct errmsg why = {""};
    CU_ASSERT(watch_nothing_left(watch, &why));
    CU_ASSERT_STRING_EQUAL(why.text, "");
    CU_ASSERT(watch_end(watch, &why));
    CU_ASSERT_STRING_EQUAL(why.text, "");
}

/* --- nothing wrong */

static void all_is_well(void)
{
    begin();
    CU_ASSERT(answers(1, CQL_CL_ALL, "ok", "ALTER TABLE ks.t ADD s set<int>"));
    CU_ASSERT(answers(1, CQL_CL_ALL, "ok",
                      "CREATE TABLE ks.u (a int, b int, c int, PRIMARY KEY (a, b))"));
    for (int k = 1; k <= 60; k++) {
        char cql[128];
        unsigned via = 1 + (unsigned)k % 3;
        snprintf(cql, sizeof cql, "INSERT INTO ks.u (a, b, c) VALUES (%d, %d, %d)", k % 3, k, k);
        CU_ASSERT(answers(via, CQL_CL_ALL, "ok", cql));
        snprintf(cql, sizeof cql, "DELETE FROM ks.u WHERE a = %d AND b > %d AND b <= %d", k % 3,
                 k / 2, k / 2 + 5);
        CU_ASSERT(answers(via, CQL_CL_ONE, "ok", cql));
        snprintf(cql, sizeof cql, "UPDATE ks.t SET s = s + {%d, %d} WHERE k = %d", k, k + 1, k % 7);
        CU_ASSERT(answers(via, CQL_CL_ONE, "ok", cql));
    }
    CU_ASSERT(answers(2, CQL_CL_ALL, "ok", "DELETE FROM ks.u WHERE a = 2"));
    CU_ASSERT(answers(2, CQL_CL_ALL, "ok", "DELETE FROM ks.t WHERE k = 3"));
    CU_ASSERT(answers(2, CQL_CL_ALL, "ok", "UPDATE ks.t SET s = {9} WHERE k = 4"));
    sim_crash(w, 2);
    sim_elapse(w, SECONDS(2));
    CU_ASSERT(watch_look(watch, NULL));
    sim_start(w, 2);
    CU_ASSERT(equal_within(SECONDS(10)));
    struct errmsg why = {""};
    CU_ASSERT(watch_end(watch, &why));
    CU_ASSERT_STRING_EQUAL(why.text, "");
    struct watch_count c = watch_count(watch);
    CU_ASSERT(c.dots >= 220);
    CU_ASSERT(c.cells > c.dots);
    CU_ASSERT(c.claims > 0);
    CU_ASSERT(c.epochs > 1);
    CU_ASSERT(c.compared > 10);
}

static uint64_t hash_of_a_run(bool watched)
{
    struct sim_config config = {.seed = 11};
    watch_free(watch);
    watch = NULL;
    world_again(&config);
    if (watched)
        watch = watch_new(w);
    world_form(3);
    for (int k = 1; k <= 20; k++) {
        CU_ASSERT(write_row(1 + (unsigned)k % 3, CQL_CL_QUORUM, k));
        CU_ASSERT(!watched || watch_look(watch, NULL));
    }
    sim_elapse(w, SECONDS(3));
    CU_ASSERT(!watched || watch_end(watch, NULL));
    return sim_hash(w);
}

static void it_changes_nothing(void)
{
    uint64_t hash = hash_of_a_run(true);
    CU_ASSERT_EQUAL(hash, hash_of_a_run(false));
}

/* --- what lies on the disks */

/* The number-th entry of the store whose key begins with the letter. */
static void find_entry(unsigned node, char letter, int number, struct buf *key, struct buf *value)
{
    uint8_t first = (uint8_t)letter;
    struct store_iter *it = store_iter_new(w->machines[node].store);
    store_iter_seek(it, bytes_make(&first, 1));
    for (int i = 1; i < number && store_iter_valid(it); i++)
        store_iter_next(it);
    CU_ASSERT_FATAL(store_iter_valid(it) && store_iter_key(it).data[0] == first);
    buf_put_bytes(key, store_iter_key(it));
    buf_put_bytes(value, store_iter_value(it));
    store_iter_free(it);
}

static void put(unsigned node, const struct buf *key, const struct buf *value)
{
    struct store *store = w->machines[node].store;
    struct store_batch batch;
    store_batch_init(&batch);
    store_batch_put(&batch, buf_bytes(key), buf_bytes(value));
    store_write(store, &batch, 0);
    store_batch_close(&batch);
    store_flush(store);
    store_mem_sync(store, SIZE_MAX);
}

/* The first entry of that kind on node 1, changed in one byte of key and value, on `node`. A row's
 * is sealed again: it is meant, not damaged. */
static void plant(unsigned node, char letter, size_t key_from_end, size_t value_from_end)
{
    struct buf key, value;
    buf_init(&key, SIZE_MAX);
    buf_init(&value, SIZE_MAX);
    find_entry(1, letter, 1, &key, &value);
    struct bytes body;
    if (letter == 'd') {
        CU_ASSERT_EQUAL_FATAL(fragment_open(buf_bytes(&key), buf_bytes(&value), &body), ERR_OK);
        value.len = body.len;
    }
    if (key_from_end > 0)
        key.data[key.len - key_from_end] ^= 0x40;
    if (value_from_end > 0)
        value.data[value.len - value_from_end] ^= 0x40;
    if (letter == 'd')
        fragment_seal(buf_bytes(&key), &value);
    put(node, &key, &value);
    buf_close(&key);
    buf_close(&value);
}

/* The first entry of the journal on node 3, of another dot, on `node`. */
static void plant_entry(unsigned node, uint64_t n_flips)
{
    struct buf key, value, planted;
    buf_init(&key, SIZE_MAX);
    buf_init(&value, SIZE_MAX);
    buf_init(&planted, SIZE_MAX);
    find_entry(w->count >= 3 ? 3 : 1, 'j', 1, &key, &value);
    struct reader in = reader_make(buf_bytes(&value));
    uint64_t epoch = read_u64(&in);
    uint64_t keyspace = read_varint(&in);
    uint64_t range = read_varint(&in);
    struct dot dot = read_dot(&in);
    struct bytes entry = read_vbytes(&in);
    CU_ASSERT_FALSE_FATAL(in.failed);
    dot.n ^= n_flips;
    buf_put_u64(&planted, epoch);
    buf_put_varint(&planted, keyspace);
    buf_put_varint(&planted, range);
    buf_put_dot(&planted, dot);
    buf_put_vbytes(&planted, entry);
    key.data[key.len - 3] ^= 0x40;
    put(node, &key, &planted);
    buf_close(&key);
    buf_close(&value);
    buf_close(&planted);
}

static void a_dot_with_two_contents(void)
{
    begin();
    plant(2, 'd', 1, 1); /* another fragment; the last byte is one of a value */
    CU_ASSERT(found("names two contents of one place; the second lies on node 2"));
}

static void a_dot_with_two_log_entries(void)
{
    begin();
    plant(3, 'j', 0, 1);
    CU_ASSERT(found("names two log entries; the second lies on node 3"));
}

static void a_dot_with_two_partitions(void)
{
    begin();
    plant(2, 'd', 8 + 2 + 1 + 2 + 1, 0); /* before fragment, row, kind and the end of the key */
    CU_ASSERT(found("names two partitions"));
}

/* A dot that nobody has seen yet belongs to who stores it first. */
static void an_actor_of_two_processes(void)
{
    begin();
    plant_entry(2, 0x400000);
    plant_entry(3, 0x4000);
    CU_ASSERT(found("is that of a process on node"));
}

static void an_actor_after_a_restart(void)
{
    begin();
    sim_crash(w, 1);
    sim_start(w, 1);
    sim_elapse(w, SECONDS(3));
    CU_ASSERT(watch_look(watch, NULL));
    for (unsigned node = 1; node <= 3; node++) /* one of them is not the one that minted it */
        plant_entry(node, (uint64_t)0x40 << 8 * (3 - node));
    CU_ASSERT(found("is that of a process on node"));
}

/* The node does not know of the dot that lies there, and mints the next one as if it were not. */
static void a_counter_that_goes_back(void)
{
    world_form(1);
    CU_ASSERT(write_row(1, CQL_CL_ALL, 1));
    plant_entry(1, 0x400000);
    CU_ASSERT(watch_look(watch, NULL));
    for (int k = 2; k < 60; k++)
        CU_ASSERT(write_row(1, CQL_CL_ALL, k));
    CU_ASSERT(found("of the same actor and range"));
}

static void bytes_without_grammar(void)
{
    begin();
    plant(1, 'd', 0, 0); /* the same again is no harm */
    CU_ASSERT(watch_look(watch, NULL));
    struct buf key, value;
    buf_init(&key, SIZE_MAX);
    buf_init(&value, SIZE_MAX);
    find_entry(1, 'd', 1, &key, &value);
    value.len--;
    put(1, &key, &value);
    buf_close(&key);
    buf_close(&value);
    CU_ASSERT(found("not in the grammar, under a key that begins with d"));
}

/* Every fragment of the node goes, its clocks stay. */
static void lose_data(unsigned node)
{
    uint8_t first = 'd';
    struct store *store = w->machines[node].store;
    struct store_batch batch;
    struct store_iter *it = store_iter_new(store);
    store_batch_init(&batch);
    for (store_iter_seek(it, bytes_make(&first, 1)); store_iter_valid(it); store_iter_next(it)) {
        if (store_iter_key(it).data[0] == first)
            store_batch_delete(&batch, store_iter_key(it));
    }
    store_iter_free(it);
    store_write(store, &batch, 0);
    store_batch_close(&batch);
    store_flush(store);
    store_mem_sync(store, SIZE_MAX);
}

static void a_claim_without_effect(void)
{
    begin();
    lose_data(3);
    CU_ASSERT(found("node 3 claims dot"));
}

/* The naive merge and the engine are of one mind, also when they say no. */
static void replicas_that_differ(void)
{
    begin();
    CU_ASSERT(watch_replicas_equal(watch));
    lose_data(2);
    CU_ASSERT(!sim_replicas_equal(w, NULL));
    CU_ASSERT(!watch_replicas_equal(watch));
    CU_ASSERT_PTR_NOT_NULL(strstr(watch->why.text, "ks.t: merged by hand, nodes"));
}

static bool has_compared(struct sim *s, void *node)
{
    return !sim_is_comparing(s, *(unsigned *)node);
}

/* Sessions mend it, so in the end nothing is to be seen of it. */
static void rows_that_clocks_speak_of(void)
{
    struct sim_compare what = {1, 3, true, false};
    unsigned node = 1;
    begin();
    CU_ASSERT(sim_lose_rows(w, 3, 2) > 0);
    CU_ASSERT_FATAL(sim_compare(w, &what));
    CU_ASSERT_FATAL(sim_until(w, has_compared, &node, SECONDS(60)));
    CU_ASSERT(watch_look(watch, NULL)); /* somebody took them */
    w->damaged = false;
    CU_ASSERT(found("rows that its clocks said it had"));
}

/* --- what the nodes hold for true */

static void metadata_that_differs(void)
{
    begin();
    watch->machines[2].looked_epoch = 0;
    ((struct topology *)meta_topology(node_meta(sim_node(w, 2))))->name[0]++;
    CU_ASSERT(found("node 2 has other metadata at epoch"));
}

static void a_number_with_two_hosts(void)
{
    begin();
    watch->machines[2].looked_epoch = 0;
    meta_topology(node_meta(sim_node(w, 2)))->nodes[0].info.host_id.b[0]++;
    CU_ASSERT(found("node number"));
}

static void an_epoch_that_goes_back(void)
{
    begin();
    watch->machines[1].epoch++;
    CU_ASSERT(found("node 1 went back from epoch"));
}

static keyspace_no keyspace(void)
{
    return schema_keyspace(meta_schema(node_meta(sim_node(w, 1))), "ks")->no;
}

static void too_few_replicas(void)
{
    const struct strategy two = {.type = STRATEGY_SIMPLE, .rf = 2};
    begin();
    watch->machines[3].looked_epoch = 0;
    cluster_set_keyspace(node_cluster(sim_node(w, 3)), keyspace(), &two);
    CU_ASSERT(found("has not the replicas that it should have (2 now, 2 later)"));
}

static void other_owners(void)
{
    const struct cluster_node *nodes;
    world_form(4);
    CU_ASSERT(watch_look(watch, NULL));
    struct cluster *c = node_cluster(sim_node(w, 2));
    size_t count = cluster_nodes(c, &nodes);
    struct cluster_node *copies = mem_copy(nodes, count * sizeof *copies);
    struct ring *ring = ring_copy(cluster_ring(c));
    node_no *owner = ring->table[0].owner;
    node_no first = owner[0];
    node_no a = copies[0].node;
    node_no b = copies[1].node;
    for (range_no i = 0; i < ring->ranges; i++) /* two nodes change places */
        owner[i] = owner[i] == a ? b : owner[i] == b ? a : owner[i];
    if (owner[0] == first)
        owner[0] = first == copies[2].node ? copies[3].node : copies[2].node;
    cluster_set_nodes(c, cluster_self(c), copies, count, ring, cluster_epoch(c));
    ring_free(ring);
    mem_free(copies);
    watch->machines[2].looked_epoch = 0;
    CU_ASSERT(found("elsewhere than another did"));
}

static void an_incarnation_that_goes_back(void)
{
    begin();
    struct gossip_member *m = (struct gossip_member *)gossip_at(node_gossip(sim_node(w, 2)), 0);
    m->incarnation -= 1;
    CU_ASSERT(found("node 2 took an incarnation back"));
}

static void who_is_there_and_not_seen(void)
{
    begin();
    node_no second = meta_self(node_meta(sim_node(w, 2)));
    struct cluster *c = node_cluster(sim_node(w, 1));
    for (int s = 0; s < 70; s++) {
        CU_ASSERT(s > 55 || watch_look(watch, NULL));
        cluster_set_alive(c, second, false);
        (void)watch_look(watch, NULL);
        sim_elapse(w, SECONDS(1));
    }
    CU_ASSERT(found("node 1 has held node 2 for dead"));
}

CU_TestInfo watch_tests[] = {
    {"all is well", all_is_well},
    {"what was deleted is gone in the end", what_was_deleted_is_gone_in_the_end},
    {"it changes nothing", it_changes_nothing},
    {"a dot with two contents", a_dot_with_two_contents},
    {"a dot with two log entries", a_dot_with_two_log_entries},
    {"a dot with two partitions", a_dot_with_two_partitions},
    {"an actor of two processes", an_actor_of_two_processes},
    {"an actor after a restart", an_actor_after_a_restart},
    {"a counter that goes back", a_counter_that_goes_back},
    {"bytes without grammar", bytes_without_grammar},
    {"a claim without effect", a_claim_without_effect},
    {"replicas that differ", replicas_that_differ},
    {"rows that clocks speak of", rows_that_clocks_speak_of},
    {"metadata that differs", metadata_that_differs},
    {"a number with two hosts", a_number_with_two_hosts},
    {"an epoch that goes back", an_epoch_that_goes_back},
    {"too few replicas", too_few_replicas},
    {"other owners", other_owners},
    {"an incarnation that goes back", an_incarnation_that_goes_back},
    {"who is there and not seen", who_is_there_and_not_seen},
    CU_TEST_INFO_NULL,
};
