/* token.h - the token space cut into Q equal ranges, for ever.
 *
 * Q is a power of two, 1 .. RING_RANGES_MAX. With w = 2^64 / Q, range i holds the tokens
 * INT64_MIN + i*w .. INT64_MIN + (i+1)*w - 1, both included: the tokens whose log2(Q) highest bits,
 * counted from INT64_MIN, are i. In Cassandra's words it is (left, right] with right its last token
 * and left the last token of the range before; that last token is what its owner publishes.
 *
 * So nobody ever owns the token INT64_MIN, which drivers and Cassandra use as "minus infinity"; the
 * last published token is INT64_MAX, and the one range that wraps, range 0 = (INT64_MAX, ...],
 * gains by wrapping nothing but INT64_MIN, the token of the empty key.
 *
 * Scans work on closed spans (`first` <= `last`), which need neither a wrap nor an exclusive end.
 */
#ifndef TORC_RING_TOKEN_H
#define TORC_RING_TOKEN_H

#include "base/bytes.h"
#include "base/types.h"

#define RING_RANGES_DEFAULT 1024
#define RING_RANGES_MAX     16384

/* A power of two that is not too large. The functions below ask for such a Q. */
bool ring_ranges_valid(uint64_t ranges);

range_no ring_range_of(token t, uint32_t ranges);

/* A run of tokens that does not wrap, both ends included. */
struct token_span {
    token first;
    token last;
};

#define TOKEN_SPAN_ALL ((struct token_span){INT64_MIN, INT64_MAX})

struct token_span ring_range_span(range_no range, uint32_t ranges);

/* (left, right] of a range: left of range 0 is INT64_MAX. */
token ring_range_left(range_no range, uint32_t ranges);
token ring_range_right(range_no range, uint32_t ranges);

/* The tokens in both spans. False when there are none. */
bool token_span_meet(struct token_span a, struct token_span b, struct token_span *ret_both);

/* A decimal number, with a sign or not, and nothing else. False: it is none, or out of range. */
bool token_parse(struct bytes text, token *ret);

/* Cassandra's (left, right], which may wrap and is the whole ring when left == right, as one or two
 * spans in token order. Returns how many. */
size_t token_spans_of(token left, token right, struct token_span ret_spans[2]);

/* The ranges a span touches are *ret_first and those after it: returns how many (at least one). */
uint32_t ring_ranges_touched(struct token_span span, uint32_t ranges, range_no *ret_first);

#endif
