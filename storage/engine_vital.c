/* engine_vital.c - what a node must not be without is kept twice.
 *
 * Vital are the facts that a node has told of and must not contradict (who it is, boot number,
 * clock, promises of Paxos, the metadata log, which ranges it holds), and the store's own records
 * ('F', 'M', 'b'). Each is written in one batch under its key and under its *twin*, 'z' and the
 * key: all data lies between the two, so no block has both unless it has everything, nor has a file
 * of any level but the first, where what one memtable had lies.
 *
 * When the store has lost keys of one of them, what is there in the stretch is made the same as its
 * twin, before anything is read. Only what differs is written: so it may be done again, and be
 * ended anywhere. When a stretch and its twin are both hit nobody knows what the node was. */
#include "base/mutant.h"
#include "storage/engine_private.h"

static const char vital_letters[] = {'F', 'M', 'b'};

void engine_vital_put(struct engine *e, struct store_batch *batch, struct bytes value)
{
    store_batch_put(batch, buf_bytes(&e->key), value);
    key_twin(&e->twin, buf_bytes(&e->key));
    if (!MUTANT(vital_once))
        store_batch_put(batch, buf_bytes(&e->twin), value);
}

void engine_vital_delete(struct engine *e, struct store_batch *batch)
{
    store_batch_delete(batch, buf_bytes(&e->key));
    key_twin(&e->twin, buf_bytes(&e->key));
    store_batch_delete(batch, buf_bytes(&e->twin));
}

static bool is_account(struct bytes key)
{
    return key.len > 0 && key.data[0] == 'A';
}

void engine_batch_fact(struct engine *e, struct store_batch *batch, struct bytes name,
                       struct bytes value)
{
    key_fact(&e->key, name);
    if (is_account(buf_bytes(&e->key)))
        store_batch_put(batch, buf_bytes(&e->key), value);
    else
        engine_vital_put(e, batch, value);
}

void engine_batch_no_fact(struct engine *e, struct store_batch *batch, struct bytes name)
{
    key_fact(&e->key, name);
    if (is_account(buf_bytes(&e->key)))
        store_batch_delete(batch, buf_bytes(&e->key));
    else
        engine_vital_delete(e, batch);
}

/* --- after a loss */

#define MEND_BYTES ((size_t)1 << 20) /* of a batch */

struct stretch { /* from <= key < upto */
    struct buf from, upto;
};

static void stretch_init(struct stretch *s)
{
    buf_init(&s->from, SIZE_MAX);
    buf_init(&s->upto, SIZE_MAX);
}

static void stretch_close(struct stretch *s)
{
    buf_close(&s->from);
    buf_close(&s->upto);
}

/* All keys of a letter, or their twins. */
static void whole(struct stretch *s, char letter, bool twin)
{
    struct buf *ends[] = {&s->from, &s->upto};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        buf_clear(ends[i]);
        if (twin)
            buf_put_u8(ends[i], KEY_TWIN);
        buf_put_u8(ends[i], (uint8_t)(letter + (char)i));
    }
}

/* What of it the lost stretch touches. */
static bool cut(struct stretch *s, const struct lost_span *lost)
{
    if (bytes_compare(buf_bytes(&lost->from), buf_bytes(&s->from)) > 0) {
        buf_clear(&s->from);
        buf_put_bytes(&s->from, buf_bytes(&lost->from));
    }
    if (bytes_compare(buf_bytes(&lost->to), buf_bytes(&s->upto)) < 0) {
        buf_clear(&s->upto);
        buf_put_bytes(&s->upto, buf_bytes(&lost->to));
        buf_put_u8(&s->upto, 0); /* it is lost itself */
    }
    return bytes_compare(buf_bytes(&s->from), buf_bytes(&s->upto)) < 0;
}

static struct bytes without(struct bytes key, bool twin)
{
    return twin ? bytes_make(key.data + 1, key.len - 1) : key;
}

static void other_of(const struct stretch *s, bool twin, struct stretch *ret)
{
    const struct buf *from[] = {&s->from, &s->upto};
    struct buf *to[] = {&ret->from, &ret->upto};
    for (size_t i = 0; i < ARRAY_LEN(to); i++) {
        buf_clear(to[i]);
        if (!twin)
            buf_put_u8(to[i], KEY_TWIN);
        buf_put_bytes(to[i], without(buf_bytes(from[i]), twin));
    }
}

static bool is_in(struct store_iter *it, const struct stretch *s)
{
    return store_iter_valid(it) && bytes_compare(store_iter_key(it), buf_bytes(&s->upto)) < 0;
}

/* One step of both: < 0: what is in the first goes, 0: both, > 0: what is in the other is put. */
static int step(struct engine *e, struct store_iter *here, const struct stretch *s,
                struct store_iter *there, const struct stretch *o, bool twin)
{
    bool in_here = is_in(here, s), in_there = is_in(there, o);
    int order = !in_here    ? 1
                : !in_there ? -1
                            : bytes_compare(without(store_iter_key(here), twin),
                                            without(store_iter_key(there), !twin));
    if (order < 0) {
        store_batch_delete(&e->batch, store_iter_key(here));
    } else if (order > 0 || !bytes_equal(store_iter_value(here), store_iter_value(there))) {
        buf_clear(&e->key);
        if (twin)
            buf_put_u8(&e->key, KEY_TWIN);
        buf_put_bytes(&e->key, without(store_iter_key(there), !twin));
        store_batch_put(&e->batch, buf_bytes(&e->key), store_iter_value(there));
    }
    return order;
}

static enum err make_alike(struct engine *e, const struct stretch *s, const struct stretch *o,
                           bool twin)
{
    struct store_iter *here = store_iter_new(e->store), *there = store_iter_new(e->store);
    engine_batch_begin(e);
    store_iter_seek(here, buf_bytes(&s->from));
    store_iter_seek(there, buf_bytes(&o->from));
    while (is_in(here, s) || is_in(there, o)) {
        int order = step(e, here, s, there, o, twin);
        if (order <= 0)
            store_iter_next(here);
        if (order >= 0)
            store_iter_next(there);
        if (e->batch.ops.len > MEND_BYTES) {
            store_write(e->store, &e->batch, 0);
            engine_batch_begin(e);
        }
    }
    enum err err = store_iter_error(here);
    if (err == ERR_OK)
        err = store_iter_error(there);
    store_iter_free(here);
    store_iter_free(there);
    if (err == ERR_OK && e->batch.ops.len > 0)
        store_write(e->store, &e->batch, 0);
    return err;
}

static enum err mend_one(struct engine *e, const struct lost_span *lost, char letter, bool twin,
                         struct errmsg *reterr)
{
    struct stretch s, o;
    enum err err = ERR_OK;
    stretch_init(&s);
    stretch_init(&o);
    whole(&s, letter, twin);
    if (cut(&s, lost)) {
        other_of(&s, twin, &o);
        if (lost_touches(store_lost(e->store), buf_bytes(&o.from), buf_bytes(&o.upto)))
            err = errmsg_set(reterr, ERR_CORRUPT,
                             "the store has lost records of the node's own (what it was, and what "
                             "it had promised), and their copies");
        else
            err = make_alike(e, &s, &o, twin);
        if (err != ERR_OK && reterr->text[0] == 0)
            err = errmsg_set(reterr, err, "read the copies of the node's own records: %s",
                             err_text(err));
    }
    stretch_close(&s);
    stretch_close(&o);
    return err;
}

enum err engine_vital_mend(struct engine *e, struct errmsg *reterr)
{
    const struct lost_keys *lost = store_lost(e->store);
    enum err err = ERR_OK;
    for (size_t i = 0; i < lost->count; i++) {
        for (size_t k = 0; k < 2 * ARRAY_LEN(vital_letters) && err == ERR_OK; k++)
            err = mend_one(e, &lost->spans[i], vital_letters[k / 2], k % 2 != 0, reterr);
    }
    return err;
}
