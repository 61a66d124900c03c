/* lost.c - see lost.h. */
#include "storage/lost.h"

#include "storage/fragment.h"

void lost_init(struct lost_keys *l)
{
    l->id = 0;
    l->count = 0;
}

void lost_close(struct lost_keys *l)
{
    for (size_t i = 0; i < l->count; i++) {
        buf_close(&l->spans[i].from);
        buf_close(&l->spans[i].to);
    }
    lost_init(l);
}

void lost_forget(struct lost_keys *l)
{
    uint64_t id = l->id;
    lost_close(l);
    l->id = id;
}

static void set(struct buf *b, struct bytes key)
{
    buf_clear(b);
    buf_put_bytes(b, key);
}

static bool overlaps(const struct lost_span *s, struct bytes from, struct bytes to)
{
    return bytes_compare(buf_bytes(&s->from), to) <= 0 &&
           bytes_compare(from, buf_bytes(&s->to)) <= 0;
}

void lost_add(struct lost_keys *l, struct bytes from, struct bytes to)
{
    size_t at = 0;
    while (at < l->count && !overlaps(&l->spans[at], from, to))
        at++;
    if (at == LOST_SPANS_MAX)
        at--;
    struct lost_span *s = &l->spans[at];
    if (at == l->count) {
        buf_init(&s->from, SIZE_MAX);
        buf_init(&s->to, SIZE_MAX);
        set(&s->from, from);
        set(&s->to, to);
        l->count++;
        return;
    }
    if (bytes_compare(from, buf_bytes(&s->from)) < 0)
        set(&s->from, from);
    if (bytes_compare(to, buf_bytes(&s->to)) > 0)
        set(&s->to, to);
}

void lost_copy(struct lost_keys *l, const struct lost_keys *from)
{
    lost_close(l);
    for (size_t i = 0; i < from->count; i++)
        lost_add(l, buf_bytes(&from->spans[i].from), buf_bytes(&from->spans[i].to));
    l->id = from->id;
}

bool lost_touches(const struct lost_keys *l, struct bytes from, struct bytes upto)
{
    for (size_t i = 0; i < l->count; i++) {
        if (bytes_compare(from, buf_bytes(&l->spans[i].to)) <= 0 &&
            (upto.len == 0 || bytes_compare(buf_bytes(&l->spans[i].from), upto) < 0))
            return true;
    }
    return false;
}

bool lost_has(const struct lost_keys *l, struct bytes key)
{
    bool has = false;
    for (size_t i = 0; i < l->count && !has; i++)
        has = overlaps(&l->spans[i], key, key);
    return has;
}

void lost_encode(const struct lost_keys *l, struct buf *out)
{
    buf_put_u64(out, l->id);
    for (size_t i = 0; i < l->count; i++) {
        buf_put_vbytes(out, buf_bytes(&l->spans[i].from));
        buf_put_vbytes(out, buf_bytes(&l->spans[i].to));
    }
    fragment_seal(BYTES_LIT("lost"), out);
}

enum err lost_decode(struct bytes in, struct lost_keys *ret)
{
    struct bytes body;
    enum err err = fragment_open(BYTES_LIT("lost"), in, &body);
    lost_close(ret);
    if (err != ERR_OK)
        return err;
    struct reader r = reader_make(body);
    ret->id = read_u64(&r);
    while (!r.failed && reader_left(&r) > 0) {
        struct bytes from = read_vbytes(&r), to = read_vbytes(&r);
        if (!r.failed)
            lost_add(ret, from, to);
    }
    return r.failed ? ERR_CORRUPT : ERR_OK;
}
