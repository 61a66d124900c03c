#include "storage/maxima.h"

#include "base/mem.h"
#include "storage/part.h"

#include <string.h>

#define SIGN_BIT        ((uint64_t)1 << 63)
#define BUCKETS_A_GROUP (1u << (MAXIMA_BITS - MAXIMA_GROUP_BITS))

void maxima_init(struct maxima *m)
{
    m->groups = mem_alloc(sizeof *m->groups * MAXIMA_GROUPS);
    for (size_t i = 0; i < MAXIMA_GROUPS; i++)
        m->groups[i].floor = m->groups[i].bound = TIMESTAMP_NONE;
}

void maxima_close(struct maxima *m)
{
    for (size_t i = 0; i < MAXIMA_GROUPS; i++)
        mem_free(m->groups[i].buckets);
    mem_free(m->groups);
}

/* The token is a good hash of the key; the same key is in many tables. */
uint64_t maxima_hash(table_no table, token place)
{
    uint64_t h = (uint64_t)place ^ ((uint64_t)table * UINT64_C(0x9e3779b97f4a7c15));
    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    return h ^ (h >> 32);
}

static int64_t of_bucket(uint64_t stored)
{
    return (int64_t)(stored ^ SIGN_BIT);
}

static uint32_t group_of(uint64_t hash)
{
    return (uint32_t)(hash >> (64 - MAXIMA_GROUP_BITS));
}

static uint32_t in_group(uint32_t bucket)
{
    return bucket % BUCKETS_A_GROUP;
}

static int64_t bucket_at(const struct maxima_group *g, uint32_t bucket)
{
    return g->buckets != NULL ? of_bucket(g->buckets[in_group(bucket)]) : TIMESTAMP_NONE;
}

/* Those of a group come with the first that is written: a store of few partitions, as tests have
 * many of, has few. */
static void set_bucket(struct maxima_group *g, uint32_t bucket, int64_t timestamp)
{
    if (g->buckets == NULL)
        g->buckets = mem_alloc(BUCKETS_A_GROUP * sizeof *g->buckets); /* zero: TIMESTAMP_NONE */
    g->buckets[in_group(bucket)] = (uint64_t)timestamp ^ SIGN_BIT;
}

int64_t maxima_at(const struct maxima *m, uint64_t hash)
{
    const struct maxima_group *g = &m->groups[group_of(hash)];
    int64_t own = bucket_at(g, (uint32_t)(hash >> (64 - MAXIMA_BITS)));
    return own > g->floor ? own : g->floor;
}

bool maxima_is_bound(const struct maxima *m, uint64_t hash)
{
    const struct maxima_group *g = &m->groups[group_of(hash)];
    return g->floor > bucket_at(g, (uint32_t)(hash >> (64 - MAXIMA_BITS)));
}

/* --- groups */

static int64_t plus(int64_t timestamp, int64_t us)
{
    return timestamp > INT64_MAX - us ? INT64_MAX : timestamp + us;
}

static void drop_far(struct maxima_group *g, size_t at)
{
    g->far_count--;
    memmove(&g->far[at], &g->far[at + 1], (g->far_count - at) * sizeof g->far[0]);
}

static void raise_bound(struct maxima_group *g, int64_t timestamp)
{
    g->bound = plus(timestamp, MAXIMA_AHEAD_US);
    while (g->far_count > 0 && g->far[0].timestamp <= g->bound)
        drop_far(g, 0);
}

/* When there are too many of them the least is not far from the others: it is one of them. So a
 * group that was left alone for long is as it should be after a few writes. */
static void add_far(struct maxima_group *g, uint32_t bucket, int64_t timestamp)
{
    size_t at = 0;
    timestamp = plus(timestamp, MAXIMA_AHEAD_US);
    for (size_t i = 0; i < g->far_count; i++) {
        if (g->far[i].bucket == bucket) {
            drop_far(g, i);
            break;
        }
    }
    if (g->far_count == MAXIMA_FAR_MAX && timestamp <= g->far[0].timestamp) {
        raise_bound(g, timestamp);
        return;
    }
    if (g->far_count == MAXIMA_FAR_MAX) {
        int64_t least = g->far[0].timestamp;
        raise_bound(g, least);
        if (timestamp <= g->bound)
            return;
    }
    while (at < g->far_count && g->far[at].timestamp < timestamp)
        at++;
    memmove(&g->far[at + 1], &g->far[at], (g->far_count - at) * sizeof g->far[0]);
    g->far[at] = (struct maxima_far){bucket, timestamp};
    g->far_count++;
}

/* Whether the record of the group does not cover it yet. */
static bool note_group(struct maxima_group *g, uint32_t bucket, int64_t timestamp)
{
    if (timestamp <= g->bound)
        return false;
    for (size_t i = 0; i < g->far_count; i++) {
        if (g->far[i].bucket == bucket && timestamp <= g->far[i].timestamp)
            return false;
    }
    if (g->bound != TIMESTAMP_NONE && timestamp > plus(g->bound, MAXIMA_FAR_US))
        add_far(g, bucket, timestamp);
    else
        raise_bound(g, timestamp);
    return true;
}

bool maxima_note(struct maxima *m, uint64_t hash, int64_t timestamp, uint32_t *ret_group)
{
    uint32_t bucket = (uint32_t)(hash >> (64 - MAXIMA_BITS));
    struct maxima_group *g = &m->groups[group_of(hash)];
    if (timestamp <= bucket_at(g, bucket))
        return false;
    set_bucket(g, bucket, timestamp);
    *ret_group = group_of(hash);
    return note_group(g, bucket, timestamp);
}

void maxima_group_write(const struct maxima *m, uint32_t group, struct buf *out)
{
    const struct maxima_group *g = &m->groups[group];
    buf_put_i64(out, g->bound);
    buf_put_u8(out, (uint8_t)g->far_count);
    for (size_t i = 0; i < g->far_count; i++) {
        buf_put_u32(out, g->far[i].bucket);
        buf_put_i64(out, g->far[i].timestamp);
    }
}

enum err maxima_group_read(struct maxima *m, uint32_t group, struct bytes in)
{
    struct reader r = reader_make(in);
    struct maxima_group got = {.bound = read_i64(&r)};
    uint8_t count = read_u8(&r);
    if (group >= MAXIMA_GROUPS || r.failed || count > MAXIMA_FAR_MAX)
        return ERR_CORRUPT;
    got.floor = got.bound;
    for (size_t i = 0; i < count; i++) {
        struct maxima_far far = {.bucket = read_u32(&r)};
        far.timestamp = read_i64(&r);
        if (r.failed || far.bucket >> (MAXIMA_BITS - MAXIMA_GROUP_BITS) != group ||
            (i > 0 && far.timestamp < got.far[i - 1].timestamp))
            return ERR_CORRUPT;
        got.far[got.far_count++] = far;
    }
    if (!reader_done(&r))
        return ERR_CORRUPT;
    got.buckets = m->groups[group].buckets;
    for (size_t i = 0; i < got.far_count; i++)
        set_bucket(&got, got.far[i].bucket, got.far[i].timestamp);
    m->groups[group] = got;
    return ERR_OK;
}

int64_t maxima_largest(const struct maxima *m)
{
    int64_t largest = TIMESTAMP_NONE;
    for (size_t i = 0; i < MAXIMA_GROUPS; i++) {
        const struct maxima_group *g = &m->groups[i];
        int64_t own = g->far_count > 0 ? g->far[g->far_count - 1].timestamp : g->bound;
        largest = own > largest ? own : largest;
    }
    return largest;
}
