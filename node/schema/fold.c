#include "node/schema/fold.h"

#include "base/buf.h"
#include "base/mem.h"
#include "node/schema/fold_table.h"

#include <string.h>

#define NONE UINT32_MAX

/* One character of the text at *at; NONE when there is no UTF-8. */
static uint32_t next(struct bytes text, size_t *at)
{
    uint8_t lead = text.data[(*at)++];
    unsigned more = lead < 0x80 ? 0 : lead < 0xc2 ? 4 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (more == 4 || lead > 0xf4 || text.len - *at < more)
        return NONE;
    uint32_t c = more == 0 ? lead : lead & (0x3fu >> more);
    for (unsigned i = 0; i < more; i++) {
        uint8_t b = text.data[(*at)++];
        if ((b & 0xc0) != 0x80)
            return NONE;
        c = c << 6 | (b & 0x3f);
    }
    return c;
}

static void put(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_put_u8(out, (uint8_t)c);
    } else if (c < 0x800) {
        buf_put_u8(out, (uint8_t)(0xc0 | c >> 6));
        buf_put_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_put_u8(out, (uint8_t)(0xe0 | c >> 12));
        buf_put_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
        buf_put_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
    } else {
        buf_put_u8(out, (uint8_t)(0xf0 | c >> 18));
        buf_put_u8(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
        buf_put_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
        buf_put_u8(out, (uint8_t)(0x80 | (c & 0x3f)));
    }
}

static uint32_t lower(uint32_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c + 32;
    for (size_t i = 0; c >= 0x80 && i < ARRAY_LEN(fold_runs); i++) {
        const struct fold_run *r = &fold_runs[i];
        if (c >= r->first && c <= r->last && (c - r->first) % r->step == 0)
            return (uint32_t)((int32_t)c + r->delta);
    }
    return c;
}

/* The one character of a letter and the accent behind it; 0: there is none. */
static uint32_t compose(uint32_t base, uint32_t mark)
{
    if (mark < 0x300 || mark > 0x36f)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(fold_pairs); i++) {
        if (fold_pairs[i].base == base && fold_pairs[i].mark == mark)
            return fold_pairs[i].whole;
    }
    return 0;
}

static const struct fold_pair *pair_of(uint32_t whole)
{
    for (size_t i = 0; i < ARRAY_LEN(fold_pairs); i++) {
        if (fold_pairs[i].whole == whole)
            return &fold_pairs[i];
    }
    return NULL;
}

static void put_ascii(struct buf *out, uint32_t c)
{
    const struct fold_pair *pair;
    while (c >= 0x80 && (pair = pair_of(c)) != NULL)
        c = pair->base;
    for (size_t i = 0; c >= 0x80 && i < ARRAY_LEN(fold_plains); i++) {
        if (fold_plains[i].letter == c) {
            buf_put_text(out, fold_plains[i].ascii);
            return;
        }
    }
    put(out, c);
}

struct bytes fold_text(struct bytes text, const struct fold *how, struct arena *a)
{
    struct buf out;
    uint32_t held = NONE; /* a letter that an accent may follow */
    bool valid = true;
    bool end = false;
    buf_init(&out, BUF_MAX_DEFAULT);
    for (size_t at = 0; valid && !end;) {
        end = at >= text.len;
        uint32_t c = end ? NONE : next(text, &at);
        valid = end || c != NONE;
        if (how->lower)
            c = lower(c);
        uint32_t whole = how->normalize ? compose(held, c) : 0;
        if (whole != 0) {
            held = whole;
            continue;
        }
        if (held != NONE && how->ascii)
            put_ascii(&out, held);
        else if (held != NONE)
            put(&out, held);
        held = c;
    }
    struct bytes folded = valid ? arena_copy(a, buf_bytes(&out)) : text;
    buf_close(&out);
    return folded;
}
