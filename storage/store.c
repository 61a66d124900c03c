/* store.c - batches, and the calls through the vtable.
 *
 *   ops = op*        op = u8 1, vbytes key, vbytes value     (put)
 *                       | u8 0, vbytes key                   (delete)
 *                       | u8 2, varint epoch, vbytes value   (append)
 *
 * Lives in memory only.
 */
#include "storage/store.h"

#include "base/mem.h"

void store_batch_init(struct store_batch *b)
{
    *b = (struct store_batch){.count = 0};
    buf_init(&b->ops, STORE_BATCH_MAX);
}

void store_batch_close(struct store_batch *b)
{
    buf_close(&b->ops);
    b->count = 0;
}

void store_batch_clear(struct store_batch *b)
{
    buf_clear(&b->ops);
    b->count = 0;
}

void store_batch_put(struct store_batch *b, struct bytes key, struct bytes value)
{
    buf_put_u8(&b->ops, STORE_PUT);
    buf_put_vbytes(&b->ops, key);
    buf_put_vbytes(&b->ops, value);
    b->count++;
}

void store_batch_delete(struct store_batch *b, struct bytes key)
{
    buf_put_u8(&b->ops, STORE_DELETE);
    buf_put_vbytes(&b->ops, key);
    b->count++;
}

size_t store_batch_append(struct store_batch *b, uint64_t epoch, struct bytes value)
{
    buf_put_u8(&b->ops, STORE_APPEND);
    buf_put_varint(&b->ops, epoch);
    buf_put_vbytes(&b->ops, value);
    b->count++;
    return b->ops.len - (b->ops.failed ? 0 : value.len);
}

enum err store_batch_finish(const struct store_batch *b)
{
    return buf_finish(&b->ops);
}

bool store_batch_next(const struct store_batch *b, size_t *at, struct store_op *ret_op)
{
    if (*at >= b->ops.len)
        return false;
    struct reader r = reader_make(bytes_make(b->ops.data + *at, b->ops.len - *at));
    struct store_op op = {.type = (enum store_op_type)read_u8(&r)};
    if (op.type == STORE_APPEND)
        op.epoch = read_varint(&r);
    else
        op.key = read_vbytes(&r);
    if (op.type != STORE_DELETE)
        op.value = read_vbytes(&r);
    ASSERT(!r.failed); /* only the functions above write here */
    *at = b->ops.len - reader_left(&r);
    *ret_op = op;
    return true;
}

void store_journal_begin(struct store_journal *j, uint64_t epoch, struct buf *key,
                         struct buf *value)
{
    ASSERT(epoch >= j->epoch);
    if (epoch > j->epoch)
        *j = (struct store_journal){.epoch = epoch};
    buf_clear(key);
    buf_put_u8(key, STORE_JOURNAL);
    buf_put_u64(key, ++j->number);
    buf_clear(value);
    buf_put_u64(value, epoch);
}

enum err store_get(struct store *s, struct bytes key, struct buf *ret_value)
{
    return s->ops->get(s, key, ret_value);
}

struct store_iter *store_iter_new(struct store *s)
{
    struct store_iter *i = s->ops->iter_new(s, false);
    i->store = s;
    return i;
}

struct store_iter *store_iter_new_durable(struct store *s)
{
    struct store_iter *i = s->ops->iter_new(s, true);
    i->store = s;
    return i;
}

void store_iter_free(struct store_iter *i)
{
    if (i != NULL)
        i->store->ops->iter_free(i);
}

void store_iter_seek(struct store_iter *i, struct bytes key)
{
    i->store->ops->iter_seek(i, key);
}

void store_iter_seek_last(struct store_iter *i, struct bytes key)
{
    i->store->ops->iter_seek_last(i, key);
}

void store_iter_next(struct store_iter *i)
{
    i->store->ops->iter_next(i);
}

void store_iter_prev(struct store_iter *i)
{
    i->store->ops->iter_prev(i);
}

bool store_iter_valid(const struct store_iter *i)
{
    return i->store->ops->iter_valid(i);
}

struct bytes store_iter_key(const struct store_iter *i)
{
    return i->store->ops->iter_key(i);
}

struct bytes store_iter_value(const struct store_iter *i)
{
    return i->store->ops->iter_value(i);
}

enum err store_iter_error(const struct store_iter *i)
{
    return i->store->ops->iter_error(i);
}

void store_write(struct store *s, const struct store_batch *b, uint64_t ticket)
{
    ASSERT(!b->ops.failed);
    s->written++;
    s->ops->write(s, b, ticket);
}

void store_flush(struct store *s)
{
    s->ops->flush(s);
}

bool store_completed(struct store *s, struct store_done *ret_done)
{
    return s->ops->completed(s, ret_done);
}

const char *store_failure(const struct store *s)
{
    return s->ops->failure(s);
}

size_t store_backlog(const struct store *s)
{
    return s->ops->backlog(s);
}

uint64_t store_size(struct store *s, struct bytes from, struct bytes to)
{
    return s->ops->size(s, from, to);
}

enum err store_check(struct store *s, struct bytes from, struct bytes to, struct buf *ret_next,
                     uint64_t *bytes)
{
    if (s->ops->check != NULL)
        return s->ops->check(s, from, to, ret_next, bytes);
    buf_clear(ret_next);
    return ERR_OK;
}

bool store_compact(struct store *s, struct bytes from, struct bytes to)
{
    return s->ops->compact(s, from, to);
}

const struct lost_keys *store_lost(const struct store *s)
{
    return s->ops->lost(s);
}

void store_lost_known(struct store *s)
{
    s->ops->lost_known(s);
}

void store_close(struct store *s)
{
    if (s != NULL)
        s->ops->close(s);
}
