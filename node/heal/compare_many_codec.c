/* compare_many_codec.c - the bytes of questions about many ranges, and of their answers: see
 * compare_many.h. */
#include "node/heal/compare_many.h"

void many_put_ranges(struct buf *out, const struct many_asked *asked, size_t count)
{
    range_no before = 0;
    for (size_t i = 0; i < count; i++) {
        buf_put_varint(out, asked[i].range->range - before);
        before = asked[i].range->range;
    }
}

uint64_t many_hash_all(const uint64_t *hashes, size_t count)
{
    uint8_t all[8 * MANY_ROOTS];
    for (size_t i = 0; i < count; i++)
        store_u64(all + 8 * i, hashes[i]);
    return bytes_hash(bytes_make(all, 8 * count));
}

void many_put_roots(struct buf *out, const struct many_asked *asked, size_t count, bool each)
{
    uint64_t hashes[MANY_ROOTS] = {0};
    range_no before = 0;
    for (size_t i = 0; i < count; i++)
        hashes[i] = asked[i].hash;
    if (!each)
        buf_put_u64(out, many_hash_all(hashes, count));
    for (size_t i = 0; i < count; i++) {
        uint64_t step = asked[i].range->range - before;
        buf_put_varint(out, 2 * step + asked[i].young);
        if (each)
            buf_put_u64(out, hashes[i]);
        before = asked[i].range->range;
    }
}

static void make_lists(struct arena *arena, struct many_roots *ret)
{
    *ret = (struct many_roots){.ranges = arena_array(arena, range_no, MANY_ROOTS),
                               .young = arena_array(arena, bool, MANY_ROOTS),
                               .hashes = arena_array(arena, uint64_t, MANY_ROOTS)};
}

/* The next one, so far behind the one before. */
static bool add_range(struct many_roots *to, uint64_t step)
{
    uint64_t before = to->count > 0 ? to->ranges[to->count - 1] : 0;
    if (to->count == MANY_ROOTS || step > UINT32_MAX - before || (to->count > 0 && step == 0))
        return false;
    to->ranges[to->count++] = (range_no)(before + step);
    return true;
}

enum err many_read_ranges(struct bytes in, struct arena *arena, struct many_roots *ret)
{
    struct reader r = reader_make(in);
    make_lists(arena, ret);
    while (reader_left(&r) > 0) {
        uint64_t step = read_varint(&r);
        if (r.failed || !add_range(ret, step))
            return ERR_MALFORMED;
    }
    return reader_finish(&r);
}

enum err many_read_roots(struct bytes in, bool each, struct arena *arena, struct many_roots *ret)
{
    struct reader r = reader_make(in);
    make_lists(arena, ret);
    if (!each)
        ret->hash = read_u64(&r);
    while (reader_left(&r) > 0) {
        uint64_t step = read_varint(&r);
        uint64_t hash = each ? read_u64(&r) : 0;
        if (r.failed || !add_range(ret, step / 2))
            return ERR_MALFORMED;
        ret->young[ret->count - 1] = step % 2 != 0;
        ret->hashes[ret->count - 1] = hash;
    }
    return reader_finish(&r);
}

void many_put_tells(struct buf *out, enum many_tells tells, size_t count)
{
    buf_put_varint(out, 8 * count + tells);
}

void many_put_told(struct buf *out, const struct many_answer *answers, size_t count)
{
    for (size_t i = 0, alike; i < count; i += alike) {
        if (answers[i].wrong > 0)
            many_put_tells(out, MANY_TELLS_WRONG, answers[i].wrong);
        alike = 1;
        while (i + alike < count && answers[i + alike].tells == answers[i].tells &&
               answers[i + alike].wrong == 0)
            alike++;
        many_put_tells(out, answers[i].tells, alike);
    }
}

enum err many_read_told(struct bytes in, struct many_answer *answers, size_t count,
                        enum many_tells *ret_tells, size_t *ret_so_far)
{
    struct reader r = reader_make(in);
    uint64_t wrong = 0;
    size_t at = 0;
    while (reader_left(&r) > 0) {
        uint64_t word = read_varint(&r), number = word / 8;
        enum many_tells tells = (enum many_tells)(word % 8);
        if (r.failed || tells >= MANY_TELLS_COUNT)
            return ERR_MALFORMED;
        if (tells == MANY_TELLS_WRONG) {
            wrong = number;
            continue;
        }
        if (number > count - at)
            return ERR_MALFORMED;
        *ret_tells = tells;
        if (tells == MANY_TELLS_APART || tells == MANY_TELLS_SO_FAR) {
            *ret_so_far = (size_t)number;
            return at == 0 ? reader_finish(&r) : ERR_MALFORMED;
        }
        for (uint64_t i = 0; i < number; i++, wrong = 0)
            answers[at++] = (struct many_answer){tells, wrong};
    }
    return at == count && count > 0 ? reader_finish(&r) : ERR_MALFORMED;
}
