#include "cli/entropy.h"

#include "base/mem.h"
#include "cli/net.h"
#include "cli/progress.h"
#include "ring/token.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX ((size_t)256 << 20)

/* --- what nodes say */

static uint64_t number_of(const json_t *object, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(object, name));
    return n > 0 ? (uint64_t)n : 0;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

size_t entropy_nodes(struct bytes status, struct entropy_node *ret, size_t max)
{
    json_error_t why;
    size_t count = 0, i;
    const json_t *node;
    json_t *root = json_loadb((const char *)status.data, status.len, 0, &why);
    json_array_foreach(json_object_get(root, "nodes"), i, node)
    {
        const char *address = text_of(node, "address");
        const char *colon = strrchr(address, ':');
        size_t len = colon != NULL ? (size_t)(colon - address) : 0;
        if (len > 2 && address[0] == '[') { /* [::1]:7000 */
            address++;
            len -= 2;
        }
        if (len == 0 || len >= sizeof ret->host || count == max)
            continue;
        struct entropy_node *n = &ret[count++];
        memcpy(n->host, address, len);
        n->host[len] = 0;
        n->up = json_is_true(json_object_get(node, "up"));
        n->self = json_is_true(json_object_get(node, "self"));
        n->node = (uint32_t)number_of(node, "node");
    }
    json_decref(root);
    return count;
}

/* --- one keyspace, of all nodes */

/* Of a range: of the pair, of any node, that has most. What one replica lacks differs from all
 * others, and is one row. */
struct found {
    uint64_t found, left, doubtful;
};

struct sum {
    const char *keyspace;
    uint64_t count, by_clocks[4], by_trees[4], lacks;
    struct found *of; /* by range */
    size_t of_count;
    const json_t *worst;
    uint64_t worst_node;
};

static const char *const ages[] = {"minute", "hour", "day", "ever"};

/* How bad a pair is: rows that differ, then what is lacking, then the time without a proof. */
static bool is_worse(const json_t *a, const json_t *b)
{
    const json_t *x = json_object_get(a, "trees_s"), *y = json_object_get(b, "trees_s");
    uint64_t a_lacks = number_of(a, "lacks") + number_of(a, "peer_lacks");
    uint64_t b_lacks = number_of(b, "lacks") + number_of(b, "peer_lacks");
    if (number_of(a, "rows_left") != number_of(b, "rows_left"))
        return number_of(a, "rows_left") > number_of(b, "rows_left");
    if (a_lacks != b_lacks)
        return a_lacks > b_lacks;
    if (json_is_null(x) != json_is_null(y))
        return json_is_null(x);
    return json_integer_value(x) > json_integer_value(y);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void add_found(struct sum *s, const json_t *list)
{
    size_t i;
    const json_t *of;
    json_array_foreach(list, i, of)
    {
        uint64_t range = number_of(of, "range");
        if (range >= RING_RANGES_MAX)
            continue;
        if (range >= s->of_count) {
            s->of = mem_resize(s->of, (range + 1) * sizeof *s->of);
            memset(s->of + s->of_count, 0, (range + 1 - s->of_count) * sizeof *s->of);
            s->of_count = range + 1;
        }
        struct found *f = &s->of[range];
        f->found = larger(f->found, number_of(of, "rows_found"));
        f->left = larger(f->left, number_of(of, "rows_left"));
        f->doubtful = larger(f->doubtful, number_of(of, "doubtful"));
    }
}

static struct found found_in_all(const struct sum *s)
{
    struct found all = {0};
    for (size_t i = 0; i < s->of_count; i++) {
        all.found += s->of[i].found;
        all.left += s->of[i].left;
        all.doubtful += s->of[i].doubtful;
    }
    return all;
}

static void add(struct sum *s, uint64_t node, const json_t *k)
{
    const json_t *worst = json_object_get(k, "worst");
    s->count += number_of(k, "count");
    for (size_t i = 0; i < ARRAY_LEN(ages); i++) {
        s->by_clocks[i] += number_of(json_object_get(k, "by_clocks"), ages[i]);
        s->by_trees[i] += number_of(json_object_get(k, "by_trees"), ages[i]);
    }
    s->lacks += number_of(k, "lacks");
    add_found(s, json_object_get(k, "found"));
    if (json_is_object(worst) && (s->worst == NULL || is_worse(worst, s->worst))) {
        s->worst = worst;
        s->worst_node = node;
    }
}

static struct sum *sum_of(struct sum **sums, size_t *count, size_t *cap, const char *keyspace)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp((*sums)[i].keyspace, keyspace) == 0)
            return &(*sums)[i];
    }
    *sums = mem_grow(*sums, *count, cap, sizeof **sums);
    (*sums)[*count] = (struct sum){.keyspace = keyspace};
    return &(*sums)[(*count)++];
}

/* --- tables */

static void put_number(struct table *t, uint64_t n)
{
    if (t->format == TABLE_AS_TABLE)
        put_grouped(table_text(t), n);
    else
        buf_printf(table_text(t), "%" PRIu64, n);
    table_end_cell(t);
}

static void put_none(struct table *t)
{
    if (t->format == TABLE_AS_TABLE)
        table_put_text(t, "");
    else
        table_put_null(t);
}

static void put_share(struct table *t, uint64_t part, uint64_t all)
{
    bool people = t->format == TABLE_AS_TABLE;
    double share = (double)part / (double)(all > 0 ? all : 1);
    if (all == 0) {
        put_none(t);
        return;
    }
    buf_printf(table_text(t), people ? "%.1f %%" : "%.4f", people ? 100 * share : share);
    table_end_cell(t);
}

/* 12 s, 3 min, 5 h, 2 d */
static void put_span(struct buf *out, json_int_t seconds)
{
    if (seconds < 120)
        buf_printf(out, "%lld s", (long long)(seconds > 0 ? seconds : 0));
    else if (seconds < 7200)
        buf_printf(out, "%lld min", (long long)(seconds / 60));
    else if (seconds < 172800)
        buf_printf(out, "%lld h", (long long)(seconds / 3600));
    else
        buf_printf(out, "%lld d", (long long)(seconds / 86400));
}

static void put_age(struct table *t, const json_t *pair, const char *name)
{
    const json_t *age = json_object_get(pair, name);
    if (t->format != TABLE_AS_TABLE) {
        if (json_is_integer(age))
            put_number(t, number_of(pair, name));
        else
            table_put_null(t);
        return;
    }
    if (json_is_integer(age))
        put_span(table_text(t), json_integer_value(age));
    else
        buf_put_text(table_text(t), "never");
    table_end_cell(t);
}

static void columns(struct table *t, const char *const *names, size_t count, const char *numbers)
{
    for (size_t i = 0; i < count; i++)
        table_add_column(t, bytes_text(names[i]), numbers[i] == '#');
}

static void put_sums(struct table *t, const struct sum *sums, size_t count)
{
    static const char *const names[] = {
        "keyspace", "pairs",       "clocks: minute", "trees: minute", "hour",
        "day",      "ever",        "lacking",        "rows differ",   "rows mended",
        "doubtful", "worst range", "between node",   "and node",      "trees ago"};
    columns(t, names, ARRAY_LEN(names), "-##############");
    for (size_t i = 0; i < count; i++) {
        const struct sum *s = &sums[i];
        struct found all = found_in_all(s);
        table_put_text(t, s->keyspace);
        put_number(t, s->count);
        put_share(t, s->by_clocks[0], s->count);
        for (size_t k = 0; k < ARRAY_LEN(ages); k++)
            put_share(t, s->by_trees[k], s->count);
        put_number(t, s->lacks);
        put_number(t, all.left);
        put_number(t, all.found - (all.left < all.found ? all.left : all.found));
        put_number(t, all.doubtful);
        if (s->worst == NULL) { /* one copy of all, or nobody has compared anything yet */
            for (size_t k = 0; k < 4; k++)
                put_none(t);
            continue;
        }
        put_number(t, number_of(s->worst, "range"));
        put_number(t, s->worst_node);
        put_number(t, number_of(s->worst, "peer"));
        put_age(t, s->worst, "trees_s");
    }
}

/* A pair is two replicas: of one there is none. */
static void put_alone(const struct sum *sums, size_t count, enum table_format format,
                      struct buf *out)
{
    for (size_t i = 0; i < count && format == TABLE_AS_TABLE; i++) {
        if (sums[i].count == 0)
            buf_printf(out, "Keyspace %s has one replica of each range: nothing to compare.\n",
                       sums[i].keyspace);
    }
}

static void put_pair(struct table *t, const char *keyspace, uint64_t node, const json_t *pair)
{
    static const char *const figures[] = {"lacks", "peer_lacks", "rows_left", "rows_found",
                                          "doubtful"};
    table_put_text(t, keyspace);
    put_number(t, number_of(pair, "range"));
    put_number(t, node);
    put_number(t, number_of(pair, "peer"));
    put_age(t, pair, "clocks_s");
    put_age(t, pair, "trees_s");
    put_age(t, pair, "read_s");
    for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
        if (json_is_integer(json_object_get(pair, figures[i])))
            put_number(t, number_of(pair, figures[i]));
        else
            table_put_null(t);
    }
}

static void pair_columns(struct table *t)
{
    static const char *const names[] = {"keyspace",   "range",       "node",       "peer",
                                        "clocks",     "trees",       "read again", "lacks",
                                        "peer lacks", "rows differ", "rows found", "doubtful"};
    columns(t, names, ARRAY_LEN(names), "-###########");
}

enum err entropy_render(const struct bytes *answers, size_t count, const char *keyspace,
                        bool ranges, enum table_format format, struct table_look look,
                        struct buf *out, struct errmsg *reterr)
{
    struct table t;
    struct sum *sums = NULL;
    size_t sums_count = 0, cap = 0;
    json_t *all = json_array();
    enum err err = ERR_OK;
    table_init(&t, format);
    t.look = look;
    if (ranges)
        pair_columns(&t);
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        json_error_t why;
        size_t at, each;
        const json_t *k, *pair;
        json_t *root = json_loadb((const char *)answers[i].data, answers[i].len, 0, &why);
        if (!json_is_object(root))
            err = errmsg_set(reterr, ERR_MALFORMED, "the answer is not that of a Torc node: %s",
                             why.text);
        json_array_foreach(json_object_get(root, "keyspaces"), at, k)
        {
            const char *name = text_of(k, "keyspace");
            if (keyspace != NULL && strcmp(keyspace, name) != 0)
                continue;
            add(sum_of(&sums, &sums_count, &cap, name), number_of(root, "node"), k);
            json_array_foreach(json_object_get(k, "pairs"), each, pair)
            {
                if (ranges)
                    put_pair(&t, name, number_of(root, "node"), pair);
            }
        }
        json_array_append_new(all, root); /* sums borrow from it */
    }
    if (err == ERR_OK && keyspace != NULL && sums_count == 0)
        err = errmsg_set(reterr, ERR_NOT_FOUND,
                         "there is no keyspace %s, or it is of each node itself", keyspace);
    if (!ranges)
        put_sums(&t, sums, sums_count);
    if (err == ERR_OK) {
        table_print(&t, out, true, false);
        put_alone(sums, sums_count, format, out);
    }
    table_close(&t);
    for (size_t i = 0; i < sums_count; i++)
        mem_free(sums[i].of);
    mem_free(sums);
    json_decref(all);
    return err;
}

/* --- asking */

struct answers {
    struct buf *of;
    size_t count;
};

static void ask_others(const struct options *o, struct answers *a, struct bytes status,
                       const char *path)
{
    struct entropy_node *nodes = mem_alloc(ENTROPY_NODES_MAX * sizeof *nodes);
    size_t count = entropy_nodes(status, nodes, ENTROPY_NODES_MAX);
    a->of = mem_resize(a->of, (count + 1) * sizeof *a->of);
    for (size_t i = 0; i < count; i++) {
        struct errmsg why;
        if (nodes[i].self)
            continue;
        if (!nodes[i].up) {
            fprintf(stderr, "torc: node %u (%s) is down: its own account is missing\n",
                    (unsigned)nodes[i].node, nodes[i].host);
            continue;
        }
        struct buf *answer = &a->of[a->count];
        buf_init(answer, HTTP_ANSWER_MAX);
        if (http_get(nodes[i].host, o->http_port, path, o->connect_timeout, answer, &why) ==
            ERR_OK) {
            a->count++;
            continue;
        }
        buf_close(answer);
        fprintf(stderr, "torc: %s: the account of node %u is missing\n", why.text,
                (unsigned)nodes[i].node);
    }
    mem_free(nodes);
}

static int show(const struct options *o, const struct answers *a, struct table_look look)
{
    struct buf out;
    struct errmsg why;
    int code = EXIT_FINE;
    struct bytes *list = mem_alloc(a->count * sizeof *list);
    for (size_t i = 0; i < a->count; i++)
        list[i] = buf_bytes(&a->of[i]);
    buf_init(&out, SHOWN_MAX);
    if (entropy_render(list, a->count, o->keyspace, o->ranges, o->format, look, &out, &why) !=
        ERR_OK) {
        fprintf(stderr, "torc: %s\n", why.text);
        code = EXIT_REQUEST;
    }
    fwrite(out.data, 1, out.len, stdout);
    buf_close(&out);
    mem_free(list);
    return code;
}

int entropy_main(const struct options *o, struct table_look look)
{
    struct buf status;
    struct errmsg why;
    const char *path = o->ranges ? "/entropy?ranges" : "/entropy";
    struct answers a = {mem_new(struct buf), 0};
    int code;
    buf_init(&status, HTTP_ANSWER_MAX);
    buf_init(&a.of[0], HTTP_ANSWER_MAX);
    enum err err = http_get(o->host, o->http_port, "/status", o->connect_timeout, &status, &why);
    if (err == ERR_OK)
        err = http_get(o->host, o->http_port, path, o->connect_timeout, &a.of[0], &why);
    a.count = 1;
    if (err == ERR_OK) {
        ask_others(o, &a, buf_bytes(&status), path);
        code = show(o, &a, look);
    } else {
        fprintf(stderr, "torc: %s\n", why.text);
        fputs("Is torcd running there? --host and --http-port say where to ask.\n", stderr);
        code = EXIT_CONNECT;
    }
    for (size_t i = 0; i < a.count; i++)
        buf_close(&a.of[i]);
    mem_free(a.of);
    buf_close(&status);
    return code;
}
