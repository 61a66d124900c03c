/* hints_mend.c - hints that the store has lost with a part of the disk (storage/lost.h).
 *
 * Each hint is in two places far from each other: its record, and its entry in the order, which
 * names the record. So with either gone it is known which hint it was. A record without its entry
 * gets one. An entry whose record was in the lost stretch is a hint that is gone (hints_gone.c):
 * its range is to be compared by trees with the target. Only where stretches of both are lost there
 * may have been hints of which nothing is known: that counts as one, of any range and target. */
#include "node/coord/hints_private.h"

bool hint_place_decode(struct bytes in, struct hint_gone *ret)
{
    struct reader r = reader_make(in);
    ret->target = read_u16(&r);
    (void)read_u8(&r);
    ret->table = read_u32(&r);
    ret->token = (token)(read_u64(&r) ^ UINT64_C(1) << 63);
    return !r.failed && ret->target != 0;
}

static void give_entry(struct hints *h, struct bytes name, struct bytes value)
{
    struct arena arena = {0};
    struct hint_record r;
    struct hint_entry e;
    struct hint_gone p;
    struct bytes place =
        bytes_make(name.data + sizeof PLACE_PREFIX - 1, name.len - (sizeof PLACE_PREFIX - 1));
    if (hint_place_decode(place, &p) &&
        hint_decode(arena_copy(&arena, value), &arena, &r) == ERR_OK &&
        !hint_entry_get(h, p.target, r.number, &arena, &e)) {
        e = (struct hint_entry){r.hint.since, place.data[2] != 0, (uint32_t)(name.len + value.len),
                                arena_copy(&arena, place)};
        hint_entry_put(h, p.target, r.number, &e);
    }
    arena_close(&arena);
}

/* Is the record that it names gone? */
static void look_at_entry(struct hints *h, struct bytes name, struct bytes value)
{
    struct arena arena = {0};
    struct hint_record r;
    struct hint_entry e;
    struct buf record;
    if (hint_entry_decode(value, &e)) {
        hint_place_name(e.place, &record);
        if (engine_fact_is_lost(h->engine, buf_bytes(&record)) &&
            hint_record_get(h, e.place, &arena, &r) == ERR_NOT_FOUND) {
            hint_gone(h, e.place);
            engine_fact_delete(h->engine, name, 0);
        }
        buf_close(&record);
    }
    arena_close(&arena);
}

enum err hint_each_fact(struct hints *h, struct bytes prefix, hint_look *look)
{
    struct buf name, value, after;
    enum err err;
    buf_init(&name, NAME_MAX);
    buf_init(&value, STORE_BATCH_MAX);
    buf_init(&after, NAME_MAX);
    while ((err = engine_fact_next(h->engine, prefix, buf_bytes(&after), &name, &value)) ==
           ERR_OK) {
        buf_clear(&after);
        buf_put_bytes(&after, buf_bytes(&name));
        look(h, buf_bytes(&name), buf_bytes(&value));
    }
    buf_close(&name);
    buf_close(&value);
    buf_close(&after);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err hints_mend(struct hints *h)
{
    bool order = engine_account_is_lost(h->engine, BYTES_LIT(ORDER_PREFIX));
    bool places = engine_account_is_lost(h->engine, BYTES_LIT(PLACE_PREFIX));
    enum err err = ERR_OK;
    if (h->mended)
        return ERR_OK;
    if (order)
        err = hint_each_fact(h, BYTES_LIT(PLACE_PREFIX), give_entry);
    if (err == ERR_OK && places)
        err = hint_each_fact(h, BYTES_LIT(ORDER_PREFIX), look_at_entry);
    h->mended = err != ERR_IO;
    if (h->mended && order && places)
        hint_gone_unknown(h, h->gone_count == 0);
    return err;
}
