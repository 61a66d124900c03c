/* siblings - values that stay side by side until somebody who has seen them replaces them.
 *
 * Table sib: a value, a set and a map under a key, WITH conflicts = 'siblings'. Half of the writes
 * bring the context of what their client read there last, some an older one, some none of all; the
 * rest send no context: they replace what came over the same connection (a writer is a connection
 * here), or, where they remove, what a read of theirs sees. Some are conditional.
 *
 * Nothing that was acked may go unless somebody who may have seen it has replaced it, and what was
 * replaced stays away (oracle/rivals.h). When a key has got enough it is left alone, and a new one
 * begun.
 */
#include "base/map.h"
#include "base/mem.h"
#include "node/sim/oracle/rivals.h"
#include "node/sim/run/work.h"

#include <inttypes.h>
#include <stdio.h>

#define KEYS_MAX     12
#define SLOTS        64 /* keys are slot + SLOTS * n */
#define VALUES_MAX   300
#define ELEMENTS     3
#define SHOWN_MAX    4096
#define WRITER_IF    UINT64_C(1)
#define WITHHELD_MAX (3 * USEC_PER_SEC) /* a warning may be held back after another one */

/* Places: the value, the elements of the set, the entries of the map. */
enum { PLACE_V = 0, PLACE_S = 10, PLACE_M = 20 };

/* What a client has read of a key last. */
struct sight {
    uint64_t key;
    struct buf blob;
    struct rivals_context *seen;
};

struct siblings {
    struct workload_env *env;
    struct rivals *rivals;
    uint32_t keys;
    uint64_t key[KEYS_MAX];
    struct map sights; /* of client * KEYS_MAX + slot */
    uint64_t final_slot, final_key;
};

struct request {
    uint64_t key;
    size_t write;
    bool conditional;
};

static void *begin(struct workload_env *env)
{
    struct siblings *w = mem_new(struct siblings);
    const struct rivals_config config = {
        .name = "key", .replicas = env->rf * env->dcs, .once = env->direct};
    w->env = env;
    w->rivals = rivals_new(&config);
    w->keys = work_scaled(env, KEYS_MAX);
    for (uint32_t i = 0; i < w->keys; i++)
        w->key[i] = i;
    map_init(&w->sights);
    return w;
}

static void sight_free(void *p)
{
    struct sight *s = p;
    buf_close(&s->blob);
    mem_free(s->seen);
    mem_free(s);
}

static void end(void *work)
{
    struct siblings *w = work;
    map_clear(&w->sights, sight_free);
    map_close(&w->sights);
    rivals_free(w->rivals);
    mem_free(w);
}

static bool schema(void *work, uint32_t i, struct buf *cql)
{
    (void)work;
    if (i == 0)
        buf_put_text(cql, "CREATE TABLE r.sib (k int PRIMARY KEY, v bigint, s set<bigint>, m "
                          "map<bigint, bigint>) WITH conflicts = 'siblings'");
    return i == 0;
}

static struct rng *rng_of(struct siblings *w)
{
    return &w->env->rng;
}

static struct sight *sight_of(struct siblings *w, unsigned client, uint64_t key)
{
    return map_get(&w->sights, (uint64_t)client * KEYS_MAX + key % SLOTS + 1);
}

static void forget(struct siblings *w, unsigned client, uint64_t key)
{
    struct sight *s = map_remove(&w->sights, (uint64_t)client * KEYS_MAX + key % SLOTS + 1);
    if (s != NULL)
        sight_free(s);
}

static void remember(struct siblings *w, unsigned client, uint64_t key, const struct sim_cell *c,
                     struct rivals_context *seen)
{
    struct sight *s = mem_new(struct sight);
    forget(w, client, key);
    s->key = key;
    s->seen = seen;
    buf_init(&s->blob, WORKLOAD_CQL_MAX);
    if (!c->is_null)
        buf_put_bytes(&s->blob, c->bytes);
    map_put(&w->sights, (uint64_t)client * KEYS_MAX + key % SLOTS + 1, s);
}

static uint64_t some_key(struct siblings *w)
{
    uint64_t slot = rng_below(rng_of(w), w->keys);
    if (rivals_count(w->rivals, w->key[slot]) > VALUES_MAX)
        w->key[slot] += SLOTS;
    return w->key[slot];
}

/* --- writing */

/* What it is to take away is chosen before it is known what it writes: a removal without a context
 * takes what a read of its own sees. */
struct plan {
    struct rivals_write write;
    struct buf blob; /* "0x..." */
};

static void put_using(struct plan *p, struct buf *cql)
{
    if (p->blob.len > 0)
        buf_printf(cql, " USING CAUSALITY %.*s", (int)p->blob.len, (const char *)p->blob.data);
}

static void make_plan(struct siblings *w, const struct op *op, struct plan *p, uint64_t key)
{
    struct sight *s = sight_of(w, op->client, key);
    uint64_t choice = rng_below(rng_of(w), 100);
    *p = (struct plan){.write = {.key = key, .reads = op->replicas, .start = op->start}};
    p->write.writer = sim_connection(w->env->sim, op->node) + 2;
    p->write.taking = RIVALS_OWN;
    buf_init(&p->blob, WORKLOAD_CQL_MAX);
    if (s != NULL && s->key == key && choice < 60) {
        p->write.taking = RIVALS_SEEN;
        p->write.context = s->seen;
        buf_put_text(&p->blob, "0x");
        for (size_t i = 0; i < s->blob.len; i++)
            buf_printf(&p->blob, "%02x", s->blob.data[i]);
    } else if (choice < 63) {
        p->write.taking = RIVALS_NONE;
        buf_put_text(&p->blob, "null");
    }
}

/* It takes what it names: without a context, what is there. */
static size_t removes(struct siblings *w, struct plan *p)
{
    if (p->write.taking == RIVALS_OWN)
        p->write.taking = RIVALS_ALL;
    return rivals_begin(w->rivals, &p->write);
}

static void take_range(struct siblings *w, size_t write, int64_t first)
{
    for (int64_t i = 0; i < ELEMENTS; i++)
        rivals_take(w->rivals, write, first + i);
}

static void ask_remove(struct siblings *w, struct op *op, struct plan *p, struct request *q)
{
    uint64_t choice = rng_below(rng_of(w), 5);
    int64_t e = rng_between(rng_of(w), 0, ELEMENTS - 1);
    q->write = removes(w, p);
    if (choice == 4) {
        buf_put_text(&op->cql, "UPDATE r.sib");
        put_using(p, &op->cql);
        buf_printf(&op->cql, " SET s = s - {%" PRId64 "}", e);
        rivals_take(w->rivals, q->write, PLACE_S + e);
        return;
    }
    buf_put_text(&op->cql, "DELETE ");
    if (choice == 0 || choice == 3)
        rivals_take(w->rivals, q->write, PLACE_V);
    if (choice == 0)
        buf_put_text(&op->cql, "v ");
    if (choice == 1) {
        buf_printf(&op->cql, "m[%" PRId64 "] ", e);
        rivals_take(w->rivals, q->write, PLACE_M + e);
    }
    if (choice == 2)
        buf_put_text(&op->cql, "s ");
    if (choice > 1)
        take_range(w, q->write, PLACE_S);
    if (choice == 3)
        take_range(w, q->write, PLACE_M);
    buf_put_text(&op->cql, "FROM r.sib");
    put_using(p, &op->cql);
}

static int64_t put_value(struct siblings *w, size_t write, int64_t id)
{
    int64_t value = ++w->env->values;
    rivals_put(w->rivals, write, id, value);
    return value;
}

static void ask_put(struct siblings *w, struct op *op, struct plan *p, struct request *q)
{
    uint64_t choice = rng_below(rng_of(w), 12);
    int64_t e = rng_between(rng_of(w), 0, ELEMENTS - 1);
    bool whole = choice == 0; /* a map as a whole takes what is there */
    q->write = whole ? removes(w, p) : rivals_begin(w->rivals, &p->write);
    buf_put_text(&op->cql, "UPDATE r.sib");
    put_using(p, &op->cql);
    buf_put_text(&op->cql, " SET ");
    if (whole) {
        take_range(w, q->write, PLACE_M);
        buf_printf(&op->cql, "m = {%" PRId64 ": %" PRId64 "}", e,
                   put_value(w, q->write, PLACE_M + e));
        return;
    }
    if (choice > 3)
        buf_printf(&op->cql, "v = %" PRId64, put_value(w, q->write, PLACE_V));
    if (choice == 1 || choice == 4)
        buf_printf(&op->cql, "%sm[%" PRId64 "] = %" PRId64, choice > 3 ? ", " : "", e,
                   put_value(w, q->write, PLACE_M + e));
    if (choice == 2 || choice == 3 || choice == 5) {
        rivals_put(w->rivals, q->write, PLACE_S + e, RIVALS_ANY);
        buf_printf(&op->cql, "%ss = s + {%" PRId64 "}", choice > 3 ? ", " : "", e);
    }
}

/* What an IF decides is nobody's, and takes all that its read saw. */
static void ask_if(struct siblings *w, struct op *op, struct plan *p, struct request *q)
{
    if (op->level == CQL_CL_ANY)
        op->level = CQL_CL_ONE;
    p->write.taking = RIVALS_ALL;
    p->write.writer = WRITER_IF;
    p->write.twice = true; /* others may see it through */
    p->write.reads = w->env->rf * w->env->dcs / 2 + 1;
    q->conditional = true;
    q->write = rivals_begin(w->rivals, &p->write);
    buf_printf(&op->cql, "UPDATE r.sib SET v = %" PRId64, put_value(w, q->write, PLACE_V));
}

static void ask_write(struct siblings *w, struct op *op, struct request *q)
{
    struct plan p;
    uint64_t choice = rng_below(rng_of(w), 100);
    make_plan(w, op, &p, q->key);
    op->is_write = true;
    if (choice < 8)
        ask_if(w, op, &p, q);
    else if (choice < 30)
        ask_remove(w, op, &p, q);
    else
        ask_put(w, op, &p, q);
    buf_printf(&op->cql, " WHERE k = %" PRIu64 "%s", q->key, q->conditional ? " IF v != 0" : "");
    if (p.write.taking == RIVALS_SEEN && rng_chance(rng_of(w), 800000))
        forget(w, op->client, q->key); /* else it is used again */
    buf_close(&p.blob);
}

/* --- reading */

static void ask_read(struct op *op, const struct request *q)
{
    buf_printf(&op->cql,
               "SELECT siblings(v), s, siblings(m), causality() FROM r.sib WHERE k = %" PRIu64,
               q->key);
}

static void ask(void *work, struct op *op)
{
    struct siblings *w = work;
    struct request *q = mem_new(struct request);
    op->own = q;
    q->key = some_key(w);
    if (rng_chance(rng_of(w), 450000))
        ask_read(op, q);
    else
        ask_write(w, op, q);
}

/* A list of bigints in the reader: the values of a place. */
static bool read_values(struct reader *in, int64_t id, struct rivals_shown *shown, size_t *count)
{
    int32_t n = read_i32(in);
    for (int32_t i = 0; i < n && !in->failed && *count < SHOWN_MAX; i++) {
        if (read_i32(in) != 8)
            return false;
        shown[(*count)++] = (struct rivals_shown){id, read_i64(in)};
    }
    return !in->failed;
}

static bool read_set(struct reader *in, struct rivals_shown *shown, size_t *count)
{
    size_t from = *count;
    if (!read_values(in, 0, shown, count))
        return false;
    for (size_t i = from; i < *count; i++)
        shown[i] = (struct rivals_shown){PLACE_S + shown[i].value, RIVALS_ANY};
    return true;
}

static bool read_map(struct reader *in, struct rivals_shown *shown, size_t *count)
{
    int32_t n = read_i32(in);
    for (int32_t i = 0; i < n && !in->failed; i++) {
        if (read_i32(in) != 8)
            return false;
        int64_t id = PLACE_M + read_i64(in);
        int32_t len = read_i32(in);
        size_t before = reader_left(in);
        if (len < 0 || !read_values(in, id, shown, count) ||
            before - reader_left(in) != (size_t)len)
            return false;
    }
    return !in->failed;
}

static bool collect(const struct sim_reply *r, struct rivals_shown *shown, size_t *count,
                    struct errmsg *why)
{
    for (uint32_t i = 0; i < 3 && r->rows > 0; i++) {
        const struct sim_cell *c = &r->cells[i];
        struct reader in = reader_make(c->is_null ? BYTES_NONE : c->bytes);
        bool good = c->is_null || (i == 0   ? read_values(&in, PLACE_V, shown, count)
                                   : i == 1 ? read_set(&in, shown, count)
                                            : read_map(&in, shown, count));
        if (!good || !reader_done(&in))
            return errmsg_set(why, ERR_FAILED, "a collection that is no collection") == ERR_OK;
    }
    return true;
}

static bool take_read(struct siblings *w, const struct op *op, const struct request *q,
                      const struct answer *a, struct errmsg *why)
{
    const struct sim_reply *r = a->reply;
    struct rivals_read read = {q->key, op->replicas, r->asked, r->answered};
    struct rivals_shown *shown = mem_alloc(SHOWN_MAX * sizeof *shown);
    struct rivals_context *seen = NULL;
    size_t count = 0;
    bool good =
        collect(r, shown, &count, why) && rivals_judge(w->rivals, &read, shown, count, &seen, why);
    mem_free(shown);
    if (good && !op->final && r->rows > 0)
        remember(w, op->client, q->key, &r->cells[3], seen);
    else
        mem_free(seen);
    return good;
}

/* --- answers */

/* A warning came, or one of which this one would have been too soon: it may have lost against what
 * its writer has there from a clock that is far ahead. */
static bool may_be_warned(const struct siblings *w, const struct op *op)
{
    usec at = sim_warned(w->env->sim, op->node, "r.sib");
    return at >= 0 && at > op->start - WITHHELD_MAX;
}

static void wrote(struct siblings *w, const struct op *op, const struct request *q,
                  const struct answer *a)
{
    const struct sim_reply *r = a->reply;
    struct rivals_end end = {.end = a->end};
    const struct sim_cell *applied = r->rows > 0 ? &r->cells[0] : NULL;
    end.refused = a->acked && q->conditional &&
                  (applied == NULL || applied->bytes.len != 1 || applied->bytes.data[0] == 0);
    end.open = a->open || r->outcome == SIM_LOST || (!w->env->direct && !a->acked);
    if (a->acked && !end.refused && !may_be_warned(w, op))
        end.replicas = op->replicas;
    rivals_wrote(w->rivals, q->write, &end);
}

static bool take(void *work, struct op *op, const struct answer *a, struct errmsg *why)
{
    struct siblings *w = work;
    struct request *q = op->own;
    bool good = work_answered(a, why);
    if (op->is_write)
        wrote(w, op, q, a);
    else if (good && a->acked)
        good = take_read(w, op, q, a, why);
    mem_free(q);
    op->own = NULL;
    return good;
}

static void disk_lost(void *work, usec at)
{
    rivals_disk_lost(((struct siblings *)work)->rivals, at);
}

static uint64_t held(const void *work)
{
    return rivals_held(((const struct siblings *)work)->rivals);
}

static bool final(void *work, uint32_t i, struct op *op)
{
    struct siblings *w = work;
    if (i == 0)
        rivals_all_equal(w->rivals, sim_now(w->env->sim));
    if (w->final_slot == w->keys)
        return false;
    struct request *q = mem_new(struct request);
    op->own = q;
    q->key = w->final_slot + w->final_key * SLOTS;
    w->final_key++;
    if (q->key == w->key[w->final_slot]) {
        w->final_slot++;
        w->final_key = 0;
    }
    ask_read(op, q);
    return true;
}

const struct workload_ops work_siblings = {"siblings", begin,     end,  schema, ask,
                                           take,       disk_lost, held, final};
