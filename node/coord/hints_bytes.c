/* hints_bytes.c - hints and their names as bytes: see hints.h. */
#include "node/coord/hints_private.h"

#include "ring/murmur3.h"

void hint_encode(const struct hint_record *r, struct buf *out)
{
    struct buf part, supersede;
    buf_init(&part, STORE_BATCH_MAX);
    buf_init(&supersede, STORE_BATCH_MAX);
    part_encode(&r->hint.part, &part);
    supersede_encode(&r->hint.supersede, &supersede);
    out->failed |= part.failed || supersede.failed;
    buf_put_u8(out, HINT_VERSION);
    buf_put_u64(out, r->number);
    buf_put_u32(out, r->revision);
    buf_put_i64(out, r->hint.since);
    buf_put_u32(out, r->hint.keyspace);
    buf_put_vbytes(out, buf_bytes(&part));
    buf_put_vbytes(out, buf_bytes(&supersede));
    buf_close(&part);
    buf_close(&supersede);
}

enum err hint_decode(struct bytes in, struct arena *arena, struct hint_record *ret)
{
    struct reader r = reader_make(in);
    if (read_u8(&r) != HINT_VERSION)
        return ERR_MALFORMED;
    ret->number = read_u64(&r);
    ret->revision = read_u32(&r);
    ret->hint = (struct hint){.since = read_i64(&r)};
    ret->hint.keyspace = read_u32(&r);
    struct bytes part = read_vbytes(&r);
    struct bytes supersede = read_vbytes(&r);
    if (!reader_done(&r) || part_decode(part, arena, &ret->hint.part) != ERR_OK ||
        supersede_decode(supersede, arena, &ret->hint.supersede) != ERR_OK ||
        ret->hint.part.token != murmur3_token(ret->hint.part.key))
        return ERR_MALFORMED;
    return ERR_OK;
}

void hint_order_name(node_no target, uint64_t number, struct buf *out)
{
    buf_init(out, 64);
    buf_put_text(out, ORDER_PREFIX);
    buf_put_u16(out, (uint16_t)target);
    buf_put_u64(out, number);
}

void hint_place_name(struct bytes place, struct buf *out)
{
    buf_init(out, NAME_MAX);
    buf_put_text(out, PLACE_PREFIX);
    buf_put_bytes(out, place);
}

bool hint_entry_decode(struct bytes in, struct hint_entry *ret)
{
    struct reader r = reader_make(in);
    ret->since = read_i64(&r);
    ret->any = read_u8(&r) != 0;
    ret->size = read_u32(&r);
    ret->place = read_rest(&r);
    return !r.failed;
}

/* The number in the name of an entry; false: it is none of this target's. */
bool hint_entry_number(struct bytes name, node_no *ret_target, uint64_t *ret)
{
    struct reader r = reader_make(name);
    (void)read_bytes(&r, sizeof ORDER_PREFIX - 1);
    *ret_target = read_u16(&r);
    *ret = read_u64(&r);
    return reader_done(&r);
}
