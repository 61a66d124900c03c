#include "storage/spans.h"

void span_init(struct span *s)
{
    buf_init(&s->from, SIZE_MAX);
    buf_init(&s->to, SIZE_MAX);
}

void span_close(struct span *s)
{
    buf_close(&s->from);
    buf_close(&s->to);
}

static void set(struct buf *b, struct bytes key)
{
    buf_clear(b);
    buf_put_bytes(b, key);
}

void span_set(struct span *s, struct bytes from, struct bytes to)
{
    set(&s->from, from);
    set(&s->to, to);
}

void span_add_key(struct span *s, struct bytes key)
{
    if (bytes_compare(key, buf_bytes(&s->from)) < 0)
        set(&s->from, key);
    if (bytes_compare(key, buf_bytes(&s->to)) > 0)
        set(&s->to, key);
}

void spans_init(struct spans *s)
{
    s->count = 0;
    for (size_t i = 0; i < SPANS_MAX; i++)
        span_init(&s->waiting[i]);
}

void spans_close(struct spans *s)
{
    for (size_t i = 0; i < SPANS_MAX; i++)
        span_close(&s->waiting[i]);
}

/* The one at `at` goes to the end of the array, and its place is closed up. */
static void put_last(struct spans *s, size_t at)
{
    struct span gone = s->waiting[at];
    for (s->count--; at < s->count; at++)
        s->waiting[at] = s->waiting[at + 1];
    s->waiting[s->count] = gone;
}

bool spans_add(struct spans *s, struct bytes from, struct bytes to)
{
    struct span *into = NULL;
    for (size_t i = 0; i < s->count; i++) {
        struct span *at = &s->waiting[i];
        if (bytes_compare(from, buf_bytes(&at->to)) > 0 ||
            bytes_compare(to, buf_bytes(&at->from)) < 0)
            continue;
        span_add_key(at, from);
        span_add_key(at, to);
        if (into != NULL) { /* what comes joins the two */
            span_add_key(into, buf_bytes(&at->from));
            span_add_key(into, buf_bytes(&at->to));
            put_last(s, i--);
        } else {
            into = at;
        }
    }
    if (into == NULL && s->count < SPANS_MAX) {
        into = &s->waiting[s->count++];
        span_set(into, from, to);
    }
    return into != NULL;
}

bool spans_take(struct spans *s, struct span *ret)
{
    if (s->count == 0)
        return false;
    span_set(ret, buf_bytes(&s->waiting[0].from), buf_bytes(&s->waiting[0].to));
    put_last(s, 0);
    return true;
}

/* The eight bytes behind the first `at`; missing ones are zeros. */
static uint64_t number_at(struct bytes key, size_t at)
{
    uint8_t room[8] = {0};
    for (size_t i = 0; i < sizeof room && at + i < key.len; i++)
        room[i] = key.data[at + i];
    return load_u64(room);
}

bool span_middle(struct bytes from, struct bytes to, struct buf *ret)
{
    size_t common = 0;
    while (common < from.len && common < to.len && from.data[common] == to.data[common])
        common++;
    uint64_t low = number_at(from, common), high = number_at(to, common);
    if (high < low || high - low < 2)
        return false;
    buf_clear(ret);
    buf_put(ret, from.data, common);
    buf_put_u64(ret, low + (high - low) / 2);
    return bytes_compare(buf_bytes(ret), from) >= 0 && bytes_compare(buf_bytes(ret), to) < 0;
}
