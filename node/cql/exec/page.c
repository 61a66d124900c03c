/* page.c - the paging state: where the next page goes on.
 *
 *   state = version:u8 table:u32 token:i64 key:vbytes in_part:u8 row:vbytes live_in_part:u32
 *           taken:varint taken_in_part:varint check:u32
 *
 * Opaque to clients, and not trusted: `check` finds accidents, the reader bounds everything, and
 * what a forged state can do is to start elsewhere in the same table. It says nothing of the schema
 * or of nodes, so it outlives changes of both.
 */
#include "node/cql/exec/core.h"

#define STATE_VERSION 1

static uint32_t check_of(struct bytes b)
{
    uint64_t h = bytes_hash(b);
    return (uint32_t)(h ^ h >> 32);
}

struct bytes position_encode(struct run *r, const struct table *t, const struct position *p)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    buf_put_u8(&b, STATE_VERSION);
    buf_put_u32(&b, t->no);
    buf_put_i64(&b, p->token);
    buf_put_vbytes(&b, p->key);
    buf_put_u8(&b, p->in_part);
    buf_put_vbytes(&b, p->row);
    buf_put_u32(&b, p->live_in_part);
    buf_put_varint(&b, p->taken);
    buf_put_varint(&b, p->taken_in_part);
    buf_put_u32(&b, check_of(buf_bytes(&b)));
    return run_take(r, &b);
}

bool position_decode(struct run *r, const struct table *t, struct bytes state, struct position *ret)
{
    struct reader in = reader_make(state);
    struct position p = {.has = true};
    uint8_t version = read_u8(&in);
    uint32_t table = read_u32(&in);
    p.token = read_i64(&in);
    p.key = read_vbytes(&in);
    p.in_part = read_u8(&in) != 0;
    p.row = read_vbytes(&in);
    p.live_in_part = read_u32(&in);
    p.taken = read_varint(&in);
    uint64_t taken_in_part = read_varint(&in);
    p.taken_in_part = taken_in_part < UINT32_MAX ? (uint32_t)taken_in_part : UINT32_MAX;
    uint32_t check = read_u32(&in);
    if (!reader_done(&in) || version != STATE_VERSION || table != t->no ||
        check != check_of(bytes_make(state.data, state.len - 4)))
        return run_fail(r, CQL_ERROR_PROTOCOL, "Invalid value for the paging state");
    *ret = p;
    return true;
}
