/* The entropy meter: for each range and pair of replicas, when they were last proved equal, what
 * dots they lack, and how many rows the last session found different. Healing knows the first two
 * (node/heal/proved.h); the third is kept here, of pairs that were not equal. */
#include "node/node_client.h"

#include "base/mem.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define PAIR_KEY      12u
#define PAIRS_KEPT    65536u /* beyond it what was found is not kept; it is in the log and counted */
#define MINUTE        60
#define HOUR          (60 * MINUTE)
#define DAY           (24 * HOUR)
#define PAIRS_IN_JSON 100000u

/* What the last session with the peer found that was begun here for somebody, and found any. */
struct found {
    uint64_t different, left, doubtful;
    usec at; /* mono */
};

#define FOUND_KEPT ((usec)HOUR * USEC_PER_SEC) /* after it was mended, if nothing else is found */

static struct bytes pair_key(uint8_t room[PAIR_KEY], keyspace_no keyspace, range_no range,
                             node_no peer)
{
    store_u32(room, keyspace);
    store_u32(room + 4, range);
    store_u32(room + 8, peer);
    return bytes_make(room, PAIR_KEY);
}

/* What others had that we have got from one of them is no difference any more, and how much of what
 * was found with them that was nobody knows. */
static void forget_left(struct node *n, keyspace_no keyspace, range_no range)
{
    uint8_t room[PAIR_KEY];
    const struct placement *p = cluster_placement(n->cluster, keyspace);
    if (p == NULL || range >= p->ranges)
        return;
    struct replicas replicas = placement_replicas(p, range);
    for (uint32_t i = 0; i < replicas.count; i++) {
        struct found found;
        struct bytes value, key = pair_key(room, keyspace, range, replicas.node[i]);
        if (!omap_get(&n->found, key, &value))
            continue;
        memcpy(&found, value.data, sizeof found);
        found.left = 0;
        (void)omap_put(&n->found, key, bytes_make(&found, sizeof found));
    }
}

/* Nothing differs now: a run compares once more what it has mended, and is to be seen all the same.
 */
static void nothing_left(struct node *n, struct bytes key)
{
    struct found found;
    struct bytes value;
    if (!omap_get(&n->found, key, &value))
        return;
    memcpy(&found, value.data, sizeof found);
    found.left = 0;
    if (n->now.mono - found.at < FOUND_KEPT)
        (void)omap_put(&n->found, key, bytes_make(&found, sizeof found));
    else
        (void)omap_remove(&n->found, key);
}

/* A session that went through has mended what it found, unless it was a preview. */
void entropy_compared(struct node *n, const struct heal_effect *e)
{
    uint8_t room[PAIR_KEY];
    struct bytes key = pair_key(room, e->compared.keyspace, e->compared.range, e->compared.peer);
    const struct heal_figures *f = &e->compared.figures;
    struct found found = {
        .different = f->rows_different, .doubtful = f->doubtful, .at = n->now.mono};
    uint64_t mended = f->rows_received + f->rows_sent;
    if (f->rows_received > 0)
        forget_left(n, e->compared.keyspace, e->compared.range);
    if (f->rows_different == 0) {
        if (e->compared.err == ERR_OK)
            nothing_left(n, key);
        return;
    }
    if (e->compared.err != ERR_OK || mended == 0)
        found.left = f->rows_different > mended ? f->rows_different - mended : 0;
    if (omap_count(&n->found) < PAIRS_KEPT || omap_find(&n->found, key) != NULL)
        (void)omap_put(&n->found, key, bytes_make(&found, sizeof found));
}

/* Whoever began the session that has proved the pair equal since, nothing is left. */
static struct found found_of(const struct node *n, const struct heal_proved *p)
{
    uint8_t room[PAIR_KEY];
    struct bytes value;
    struct found found = {0};
    if (omap_get(&n->found, pair_key(room, p->keyspace, p->range, p->peer), &value))
        memcpy(&found, value.data, sizeof found);
    if (p->trees_at > found.at)
        found.left = 0;
    return found;
}

static bool next_pair(const struct node *n, keyspace_no keyspace, struct heal_proved *p)
{
    return heal_proved_next(n->heal, keyspace, p->range, p->peer, p) && p->keyspace == keyspace;
}

/* --- system_views.entropy */

static void put_time(struct exec_rows *out, const char *column, int64_t seconds)
{
    if (seconds != HEAL_NEVER)
        exec_put_bigint(out, column, seconds * 1000);
}

static void pair_row(struct node *n, struct exec_rows *out, const char *keyspace,
                     const struct heal_proved *p)
{
    const struct cluster_node *node = cluster_find(n->cluster, p->peer);
    struct token_span span = ring_range_span(p->range, cluster_ranges(n->cluster));
    struct found found = found_of(n, p);
    if (node == NULL)
        return;
    exec_row(out);
    exec_put_text(out, "keyspace_name", keyspace);
    exec_put_int(out, "range", (int32_t)p->range);
    exec_put_inet(out, "address", &node->endpoint);
    exec_put_int(out, "port", node->endpoint.port);
    exec_put_bigint(out, "doubtful", (int64_t)found.doubtful);
    put_time(out, "equal_by_clocks", p->clocks_s);
    put_time(out, "equal_by_trees", p->trees_s);
    exec_put_bigint(out, "first_token", span.first);
    if (p->compared)
        exec_put_bigint(out, "lacks", p->lacks);
    exec_put_bigint(out, "last_token", span.last);
    if (p->compared)
        exec_put_bigint(out, "peer_lacks", p->peer_lacks);
    put_time(out, "read_again", p->read_s);
    exec_put_bigint(out, "rows_found", (int64_t)found.different);
    exec_put_bigint(out, "rows_left", (int64_t)found.left);
}

void entropy_fill(struct node *n, struct exec_rows *out, struct arena *arena)
{
    (void)arena;
    keyspace_no keyspace = 0;
    while (n->schema != NULL && cluster_next_keyspace(n->cluster, keyspace, &keyspace)) {
        const struct keyspace *k = schema_keyspace_by_no(n->schema, keyspace);
        struct heal_proved p = {0};
        while (k != NULL && next_pair(n, keyspace, &p)) {
            pair_row(n, out, k->name, &p);
            p.peer++;
        }
        keyspace++;
    }
}

/* --- JSON */

/* Within so many seconds: each counts all that the ones before do. */
static const struct age {
    const char *name;
    int64_t seconds;
} ages[] = {{"minute", MINUTE}, {"hour", HOUR}, {"day", DAY}, {"ever", INT64_MAX}};

struct summary {
    size_t pairs, by_clocks[ARRAY_LEN(ages)], by_trees[ARRAY_LEN(ages)];
    uint64_t lacks, peer_lacks;
    struct heal_proved worst;
    struct found worst_found;
    struct found of_range; /* the most of any pair of the range at hand, and */
    struct found all;      /* the sum of those that are done */
    json_t *found;         /* ... one by one, where there is any */
};

static void count_age(size_t counts[ARRAY_LEN(ages)], int64_t now_s, int64_t proved_s)
{
    for (size_t i = 0; i < ARRAY_LEN(ages) && proved_s != HEAL_NEVER; i++)
        counts[i] += now_s - proved_s <= ages[i].seconds;
}

/* More rows that differ, then more that is lacking, then a longer time without a proof. */
static bool is_worse(const struct heal_proved *a, uint64_t a_left, const struct heal_proved *b,
                     uint64_t b_left)
{
    uint64_t a_lacks = (uint64_t)a->lacks + a->peer_lacks;
    uint64_t b_lacks = (uint64_t)b->lacks + b->peer_lacks;
    if (a_left != b_left)
        return a_left > b_left;
    if (a_lacks != b_lacks)
        return a_lacks > b_lacks;
    return a->trees_s < b->trees_s;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What one replica lacks differs from all others, and is one row: so of a range the pair counts
 * that has most. */
static void end_range(struct summary *s, range_no range)
{
    const struct found *f = &s->of_range;
    s->all.different += f->different;
    s->all.left += f->left;
    s->all.doubtful += f->doubtful;
    if (f->different > 0 || f->doubtful > 0)
        json_array_append_new(s->found,
                              json_pack("{sI,sI,sI,sI}", "range", (json_int_t)range, "rows_found",
                                        (json_int_t)f->different, "rows_left", (json_int_t)f->left,
                                        "doubtful", (json_int_t)f->doubtful));
    s->of_range = (struct found){0};
}

static void add_pair(const struct node *n, struct summary *s, int64_t now_s,
                     const struct heal_proved *p)
{
    struct found found = found_of(n, p);
    s->of_range.different = larger(s->of_range.different, found.different);
    s->of_range.left = larger(s->of_range.left, found.left);
    s->of_range.doubtful = larger(s->of_range.doubtful, found.doubtful);
    if (s->pairs == 0 || is_worse(p, found.left, &s->worst, s->worst_found.left)) {
        s->worst = *p;
        s->worst_found = found;
    }
    s->pairs++;
    s->lacks += p->lacks;
    s->peer_lacks += p->peer_lacks;
    count_age(s->by_clocks, now_s, p->clocks_s);
    count_age(s->by_trees, now_s, p->trees_s);
}

static void set_age(json_t *j, const char *name, int64_t now_s, int64_t proved_s)
{
    json_object_set_new(j, name,
                        proved_s != HEAL_NEVER ? json_integer(now_s - proved_s) : json_null());
}

static json_t *pair_json(const struct node *n, int64_t now_s, const struct heal_proved *p)
{
    json_t *j = json_object();
    struct found found = found_of(n, p);
    json_object_set_new(j, "range", json_integer(p->range));
    json_object_set_new(j, "peer", json_integer(p->peer));
    set_age(j, "clocks_s", now_s, p->clocks_s);
    set_age(j, "trees_s", now_s, p->trees_s);
    set_age(j, "read_s", now_s, p->read_s);
    json_object_set_new(j, "lacks", p->compared ? json_integer(p->lacks) : json_null());
    json_object_set_new(j, "peer_lacks", p->compared ? json_integer(p->peer_lacks) : json_null());
    json_object_set_new(j, "rows_found", json_integer((json_int_t)found.different));
    json_object_set_new(j, "rows_left", json_integer((json_int_t)found.left));
    json_object_set_new(j, "doubtful", json_integer((json_int_t)found.doubtful));
    return j;
}

static json_t *counts_json(const size_t counts[ARRAY_LEN(ages)])
{
    json_t *j = json_object();
    for (size_t i = 0; i < ARRAY_LEN(ages); i++)
        json_object_set_new(j, ages[i].name, json_integer((json_int_t)counts[i]));
    return j;
}

static json_t *keyspace_json(struct node *n, int64_t now_s, const struct keyspace *k, size_t *left)
{
    struct heal_proved p = {0};
    struct summary s = {.found = json_array()};
    json_t *j = json_object(), *pairs = json_array();
    range_no range = 0;
    while (next_pair(n, k->no, &p)) {
        if (p.range != range)
            end_range(&s, range);
        range = p.range;
        add_pair(n, &s, now_s, &p);
        if (*left > 0) {
            json_array_append_new(pairs, pair_json(n, now_s, &p));
            --*left;
        }
        p.peer++;
    }
    end_range(&s, range);
    json_object_set_new(j, "keyspace", json_string(k->name));
    json_object_set_new(j, "count", json_integer((json_int_t)s.pairs));
    json_object_set_new(j, "by_clocks", counts_json(s.by_clocks));
    json_object_set_new(j, "by_trees", counts_json(s.by_trees));
    json_object_set_new(j, "lacks", json_integer((json_int_t)s.lacks));
    json_object_set_new(j, "peer_lacks", json_integer((json_int_t)s.peer_lacks));
    json_object_set_new(j, "rows_found", json_integer((json_int_t)s.all.different));
    json_object_set_new(j, "rows_left", json_integer((json_int_t)s.all.left));
    json_object_set_new(j, "doubtful", json_integer((json_int_t)s.all.doubtful));
    json_object_set_new(j, "found", s.found);
    json_object_set_new(j, "worst", s.pairs > 0 ? pair_json(n, now_s, &s.worst) : json_null());
    json_object_set_new(j, "pairs", pairs);
    return j;
}

void node_entropy_json(struct node *n, struct now now, bool ranges, struct buf *out)
{
    keyspace_no keyspace = 0;
    size_t left = ranges ? PAIRS_IN_JSON : 0;
    json_t *j = json_object(), *keyspaces = json_array();
    while (n->schema != NULL && cluster_next_keyspace(n->cluster, keyspace, &keyspace)) {
        const struct keyspace *k = schema_keyspace_by_no(n->schema, keyspace);
        if (k != NULL)
            json_array_append_new(keyspaces, keyspace_json(n, now.wall / USEC_PER_SEC, k, &left));
        keyspace++;
    }
    json_object_set_new(j, "node", json_integer(cluster_self(n->cluster)));
    json_object_set_new(j, "keyspaces", keyspaces);
    char *text = json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (text != NULL)
        buf_put_text(out, text);
    buf_put_text(out, "\n");
    free(text);
    json_decref(j);
}
