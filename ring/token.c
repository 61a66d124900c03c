#include "ring/token.h"

#include "base/mem.h"

/* Tokens as distances from INT64_MIN: unsigned, in the same order. */
static uint64_t place_of(token t)
{
    return (uint64_t)t ^ (uint64_t)1 << 63;
}

static token token_at(uint64_t place)
{
    return (token)(place ^ (uint64_t)1 << 63);
}

bool ring_ranges_valid(uint64_t ranges)
{
    return ranges > 0 && ranges <= RING_RANGES_MAX && (ranges & (ranges - 1)) == 0;
}

/* 64 for Q = 1, why shifts by it are made in two steps. */
static unsigned width_bits(uint32_t ranges)
{
    ASSERT(ring_ranges_valid(ranges));
    return 64 - (unsigned)__builtin_ctz(ranges);
}

range_no ring_range_of(token t, uint32_t ranges)
{
    return (range_no)(place_of(t) >> 1 >> (width_bits(ranges) - 1));
}

struct token_span ring_range_span(range_no range, uint32_t ranges)
{
    unsigned bits = width_bits(ranges);
    ASSERT(range < ranges);
    uint64_t first = (uint64_t)range << 1 << (bits - 1);
    uint64_t last = first + (UINT64_MAX >> (64 - bits));
    return (struct token_span){token_at(first), token_at(last)};
}

token ring_range_left(range_no range, uint32_t ranges)
{
    return token_at(place_of(ring_range_span(range, ranges).first) - 1);
}

token ring_range_right(range_no range, uint32_t ranges)
{
    return ring_range_span(range, ranges).last;
}

bool token_span_meet(struct token_span a, struct token_span b, struct token_span *ret_both)
{
    struct token_span both = {a.first > b.first ? a.first : b.first,
                              a.last < b.last ? a.last : b.last};
    if (both.first > both.last)
        return false;
    *ret_both = both;
    return true;
}

bool token_parse(struct bytes text, token *ret)
{
    bool minus = text.len > 0 && text.data[0] == '-';
    uint64_t most = (uint64_t)INT64_MAX + minus, n = 0;
    if (text.len == minus)
        return false;
    for (size_t i = minus; i < text.len; i++) {
        uint64_t digit = (uint64_t)text.data[i] - '0';
        if (text.data[i] < '0' || digit > 9 || n > (most - digit) / 10)
            return false;
        n = 10 * n + digit;
    }
    *ret = minus ? (token)(0 - n) : (token)n;
    return true;
}

size_t token_spans_of(token left, token right, struct token_span ret_spans[2])
{
    if (left == right) {
        ret_spans[0] = TOKEN_SPAN_ALL;
        return 1;
    }
    if (left < right) {
        ret_spans[0] = (struct token_span){left + 1, right};
        return 1;
    }
    ret_spans[0] = (struct token_span){INT64_MIN, right};
    if (left == INT64_MAX)
        return 1;
    ret_spans[1] = (struct token_span){left + 1, INT64_MAX};
    return 2;
}

uint32_t ring_ranges_touched(struct token_span span, uint32_t ranges, range_no *ret_first)
{
    ASSERT(span.first <= span.last);
    range_no first = ring_range_of(span.first, ranges);
    *ret_first = first;
    return ring_range_of(span.last, ranges) - first + 1;
}
