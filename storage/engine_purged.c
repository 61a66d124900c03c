/* engine_purged.c - the bound of what was dropped, of each partition.
 *
 * Partitions are dealt out to buckets by a hash. A bucket has the largest timestamps of a few of
 * them by name (all 64 bits of the hash), and one bound of all others: when there is no place, the
 * smallest goes into that. So who deletes much, or at timestamps from the far future, is told from
 * others in the same bucket, and a bound is never less than what was dropped.
 *
 *   value = i64 bound of the others, (u64 partition, i64 timestamp above that)*, ascending
 */
#include "storage/engine_private.h"

#include <string.h>
#include <xxhash.h>

#define PURGED_KEY       5u
#define META_PURGED_TOLD "purged told"

static uint64_t hash_of(table_no table, token place)
{
    uint8_t room[12];
    store_u32(room, table);
    store_u64(room + 4, (uint64_t)place);
    return XXH3_64bits(room, sizeof room);
}

static uint32_t bucket_of(uint64_t partition)
{
    return (uint32_t)(partition % PURGED_BUCKETS);
}

/* --- a bucket */

static void put_bucket(const struct purged *b, struct buf *out)
{
    buf_put_i64(out, b->others);
    for (size_t i = 0; i < b->count; i++) {
        buf_put_u64(out, b->named[i].partition);
        buf_put_i64(out, b->named[i].newest);
    }
}

/* ERR_MALFORMED for what put_bucket never writes. */
static enum err read_bucket(struct reader *in, uint32_t bucket, size_t count, struct purged *ret)
{
    *ret = (struct purged){.others = read_i64(in), .count = (uint8_t)count};
    for (size_t i = 0; i < count; i++) {
        struct purged_partition *p = &ret->named[i];
        p->partition = read_u64(in);
        p->newest = read_i64(in);
        if (bucket_of(p->partition) != bucket || p->newest <= ret->others ||
            (i > 0 && p->partition <= p[-1].partition))
            return ERR_MALFORMED;
    }
    return in->failed ? ERR_MALFORMED : ERR_OK;
}

static enum err decode_bucket(struct bytes value, uint32_t bucket, struct purged *ret)
{
    struct reader in = reader_make(value);
    size_t count = value.len / 16;
    if (value.len % 16 != 8 || count > PURGED_NAMED)
        return ERR_MALFORMED;
    return read_bucket(&in, bucket, count, ret);
}

static int64_t bound_in(const struct purged *b, uint64_t partition)
{
    for (size_t i = 0; i < b->count; i++) {
        if (b->named[i].partition == partition)
            return b->named[i].newest;
    }
    return b->others;
}

static void raise_others(struct purged *b, int64_t timestamp)
{
    size_t kept = 0;
    b->others = timestamp > b->others ? timestamp : b->others;
    for (size_t i = 0; i < b->count; i++) {
        if (b->named[i].newest > b->others)
            b->named[kept++] = b->named[i];
    }
    b->count = (uint8_t)kept;
}

/* The partition is none of those that are named. */
static void add_named(struct purged *b, uint64_t partition, int64_t timestamp)
{
    size_t at = 0, least = 0;
    for (size_t i = 1; i < b->count; i++)
        least = b->named[i].newest < b->named[least].newest ? i : least;
    if (b->count == PURGED_NAMED) {
        int64_t smallest = b->named[least].newest;
        raise_others(b, timestamp < smallest ? timestamp : smallest);
    }
    if (timestamp <= b->others)
        return;
    while (at < b->count && b->named[at].partition < partition)
        at++;
    memmove(b->named + at + 1, b->named + at, (b->count - at) * sizeof *b->named);
    b->named[at] = (struct purged_partition){partition, timestamp};
    b->count++;
}

static void raise_in(struct purged *b, uint64_t partition, int64_t timestamp)
{
    for (size_t i = 0; i < b->count; i++) {
        if (b->named[i].partition == partition) {
            b->named[i].newest = timestamp;
            return;
        }
    }
    add_named(b, partition, timestamp);
}

/* --- in the engine */

/* A bucket is read when it is first asked for: there are many. What cannot be read is taken for the
 * largest there is: nothing is older than that, so nothing old is let in. */
static struct purged *bucket_at(struct engine *e, uint32_t bucket)
{
    struct purged *b = &e->purged[bucket];
    uint64_t bit = UINT64_C(1) << bucket % 64;
    if ((e->purged_known[bucket / 64] & bit) != 0)
        return b;
    struct buf value;
    buf_init(&value, 256);
    key_purged(&e->key, bucket);
    enum err err = store_get(e->store, buf_bytes(&e->key), &value);
    if (err == ERR_NOT_FOUND)
        *b = (struct purged){.others = TIMESTAMP_NONE};
    else if (err == ERR_OK)
        err = decode_bucket(buf_bytes(&value), bucket, b);
    if (err == ERR_OK || err == ERR_NOT_FOUND)
        e->purged_known[bucket / 64] |= bit;
    else
        *b = (struct purged){.others = INT64_MAX};
    buf_close(&value);
    return b;
}

static void batch_bucket(struct engine *e, uint32_t bucket)
{
    struct buf value;
    buf_init(&value, 256);
    put_bucket(&e->purged[bucket], &value);
    key_purged(&e->key, bucket);
    engine_vital_put(e, &e->batch, buf_bytes(&value));
    buf_close(&value);
}

static void raise(struct engine *e, uint64_t partition, int64_t timestamp)
{
    uint32_t bucket = bucket_of(partition);
    struct purged *b = bucket_at(e, bucket);
    if (timestamp <= bound_in(b, partition))
        return;
    raise_in(b, partition, timestamp);
    batch_bucket(e, bucket);
}

void engine_batch_purged(struct engine *e, table_no table, token place, int64_t timestamp)
{
    raise(e, hash_of(table, place), timestamp);
}

int64_t engine_purged_bound(struct engine *e, table_no table, token place)
{
    uint64_t partition = hash_of(table, place);
    return bound_in(bucket_at(e, bucket_of(partition)), partition);
}

enum err engine_read_purged(struct engine *e, table_no table, token place, int64_t *ret)
{
    uint32_t bucket = bucket_of(hash_of(table, place));
    *ret = engine_purged_bound(e, table, place);
    bool known = (e->purged_known[bucket / 64] >> bucket % 64 & 1) != 0;
    return known ? ERR_OK : ERR_CORRUPT;
}

/* --- told to others */

enum err engine_purged_list(struct engine *e, struct buf *out)
{
    struct store_iter *it = store_iter_new(e->store);
    key_purged(&e->key, 0);
    for (store_iter_seek(it, buf_bytes(&e->key)); store_iter_valid(it); store_iter_next(it)) {
        struct bytes key = store_iter_key(it), value = store_iter_value(it);
        if (key.len != PURGED_KEY || key.data[0] != e->key.data[0])
            break;
        uint32_t bucket = load_u32(key.data + 1);
        struct purged b;
        if (decode_bucket(value, bucket, &b) != ERR_OK)
            continue; /* bucket_at says it of who needs it */
        buf_put_u32(out, bucket);
        buf_put_u8(out, b.count);
        put_bucket(&b, out);
    }
    enum err err = store_iter_error(it);
    store_iter_free(it);
    return engine_note(e, err);
}

static enum err read_told(struct reader *in, int64_t least, uint32_t *ret_bucket,
                          struct purged *ret)
{
    *ret_bucket = read_u32(in);
    uint8_t count = read_u8(in);
    if (in->failed || (int64_t)*ret_bucket < least || *ret_bucket >= PURGED_BUCKETS ||
        count > PURGED_NAMED)
        return ERR_MALFORMED;
    return read_bucket(in, *ret_bucket, count, ret);
}

static void take_bucket(struct engine *e, uint32_t bucket, const struct purged *told)
{
    struct purged *b = bucket_at(e, bucket);
    if (told->others > b->others) {
        raise_others(b, told->others);
        batch_bucket(e, bucket);
    }
    for (size_t i = 0; i < told->count; i++)
        raise(e, told->named[i].partition, told->named[i].newest);
}

enum err engine_purged_take(struct engine *e, struct bytes list)
{
    uint32_t bucket;
    struct purged told;
    enum err err = ERR_OK;
    struct reader in = reader_make(list);
    for (int64_t least = 0; reader_left(&in) > 0 && err == ERR_OK; least = (int64_t)bucket + 1)
        err = read_told(&in, least, &bucket, &told);
    if (err != ERR_OK || list.len == 0)
        return err;
    engine_batch_begin(e);
    in = reader_make(list);
    while (reader_left(&in) > 0) {
        (void)read_told(&in, 0, &bucket, &told);
        take_bucket(e, bucket, &told);
    }
    key_meta(&e->key, META_PURGED_TOLD);
    engine_vital_put(e, &e->batch, BYTES_LIT("1"));
    e->purged_told = true;
    engine_batch_write(e, 0);
    return ERR_OK;
}

enum err engine_load_purged_told(struct engine *e)
{
    key_meta(&e->key, META_PURGED_TOLD);
    enum err err = store_get(e->store, buf_bytes(&e->key), &e->value);
    e->purged_told = err == ERR_OK;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

void engine_purged_undo(struct engine *e)
{
    memset(e->purged_known, 0, sizeof e->purged_known);
}
