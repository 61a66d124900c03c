/* engine_floor.c - what the log of a range takes up, and what it does not have any more.
 *
 *   account (stored) = varint bytes, varint appended, i64 since, vbytes floor,
 *           varint samples, (i64 at, varint appended, vbytes clock)*
 *
 * Stored: do not renumber.
 *
 * The floor are the dots of the clock of which the log has no entry: they were pruned, or a session
 * by trees brought them. It is written in the batch that takes the entries away, so whoever finds
 * no entry finds the dot there.
 *
 * Entries have no time of their own. A sample says what the clock was at a time, and how much had
 * been appended by then: so what is in its clock is at least that old. A log that is too long, or
 * reaches back too far, is cut at a sample.
 *
 * Bytes are those of pieces, with their keys; what is in tails is young, and little.
 */
#include "base/mem.h"
#include "base/mutant.h"
#include "storage/engine_private.h"

#include <string.h>

#define LOG_KEY_BYTES 33u /* of a piece */

static void sample_free(struct log_sample *s)
{
    clock_close(&s->clock);
}

void engine_account_close(struct log_account *a)
{
    for (size_t i = 0; i < a->count; i++)
        sample_free(&a->samples[i]);
    mem_free(a->samples);
    clock_close(&a->floor);
    *a = (struct log_account){0};
}

void engine_account_put(struct engine *e, struct range_state *r)
{
    const struct log_account *a = &r->log;
    struct buf one;
    buf_init(&one, SIZE_MAX);
    buf_clear(&e->value);
    buf_put_varint(&e->value, a->bytes);
    buf_put_varint(&e->value, a->appended);
    buf_put_i64(&e->value, a->since_s);
    clock_encode(&a->floor, &one);
    buf_put_vbytes(&e->value, buf_bytes(&one));
    buf_put_varint(&e->value, a->count);
    for (size_t i = 0; i < a->count; i++) {
        buf_put_i64(&e->value, a->samples[i].at_s);
        buf_put_varint(&e->value, a->samples[i].appended);
        buf_clear(&one);
        clock_encode(&a->samples[i].clock, &one);
        buf_put_vbytes(&e->value, buf_bytes(&one));
    }
    key_log_account(&e->key, r->keyspace, r->range);
    store_batch_put(&e->batch, buf_bytes(&e->key), buf_bytes(&e->value));
    buf_close(&one);
}

static enum err read_clock(struct reader *in, struct clock *ret)
{
    struct bytes encoded = read_vbytes(in);
    return in->failed ? ERR_CORRUPT : clock_decode(encoded, ret);
}

static enum err account_read(struct bytes value, struct log_account *a)
{
    struct reader in = reader_make(value);
    a->bytes = read_varint(&in);
    a->appended = read_varint(&in);
    a->since_s = read_i64(&in);
    enum err err = read_clock(&in, &a->floor);
    uint64_t count = err == ERR_OK ? read_varint(&in) : 0;
    if (in.failed || count > LOG_SAMPLES_MAX)
        return ERR_CORRUPT;
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        a->samples = mem_grow(a->samples, a->count, &a->cap, sizeof *a->samples);
        struct log_sample *s = &a->samples[a->count++];
        *s = (struct log_sample){.at_s = read_i64(&in), .appended = read_varint(&in)};
        err = read_clock(&in, &s->clock);
    }
    return err == ERR_OK && !reader_done(&in) ? ERR_CORRUPT : err;
}

enum err engine_account_load(struct engine *e, struct range_state *r)
{
    uint8_t key[8];
    struct bytes recovered;
    engine_account_close(&r->log);
    key_log_account(&e->key, r->keyspace, r->range);
    enum err err = store_get(e->store, buf_bytes(&e->key), &e->value);
    if (err == ERR_OK && account_read(buf_bytes(&e->value), &r->log) != ERR_OK)
        err = ERR_CORRUPT;
    if (err != ERR_OK && err != ERR_NOT_FOUND)
        return err;
    store_u32(key, r->keyspace);
    store_u32(key + 4, r->range);
    if (omap_get(&e->recovered_bytes, bytes_make(key, sizeof key), &recovered))
        engine_account_add(&r->log, load_u64(recovered.data));
    omap_remove(&e->recovered_bytes, bytes_make(key, sizeof key));
    return ERR_OK;
}

void engine_account_recovered(struct engine *e, struct bytes log_key, size_t piece)
{
    struct dot window;
    keyspace_no keyspace;
    range_no range;
    struct bytes had;
    uint8_t key[8], room[8];
    if (!key_parse_log(log_key, &keyspace, &range, &window))
        return;
    store_u32(key, keyspace);
    store_u32(key + 4, range);
    uint64_t bytes = engine_piece_bytes(piece);
    if (omap_get(&e->recovered_bytes, bytes_make(key, sizeof key), &had))
        bytes += load_u64(had.data);
    store_u64(room, bytes);
    omap_put(&e->recovered_bytes, bytes_make(key, sizeof key), bytes_make(room, sizeof room));
}

uint64_t engine_piece_bytes(size_t piece)
{
    return LOG_KEY_BYTES + piece;
}

void engine_account_add(struct log_account *a, uint64_t bytes)
{
    a->bytes += bytes;
    a->appended += bytes;
}

/* Samples that speak of nothing that the log has: what comes behind them is younger. */
static void drop_samples(struct log_account *a)
{
    size_t gone = 0;
    while (gone < a->count && clock_covers(&a->floor, &a->samples[gone].clock)) {
        a->since_s = a->samples[gone].at_s;
        sample_free(&a->samples[gone++]);
    }
    a->count -= gone;
    if (gone > 0 && a->count > 0)
        memmove(a->samples, a->samples + gone, a->count * sizeof *a->samples);
}

void engine_account_pruned(struct engine *e, struct range_state *r, const struct clock *gone,
                           uint64_t bytes)
{
    struct log_account *a = &r->log;
    a->bytes -= bytes < a->bytes ? bytes : a->bytes;
    if (!MUTANT(floor_not_written))
        clock_merge(&a->floor, gone);
    drop_samples(a);
    engine_account_put(e, r);
}

const struct clock *engine_log_floor(struct engine *e, keyspace_no keyspace, range_no range)
{
    return &engine_range(e, keyspace, range)->log.floor;
}

void engine_log_figures(struct engine *e, keyspace_no keyspace, range_no range,
                        struct log_figures *ret)
{
    const struct range_state *r = engine_range(e, keyspace, range);
    *ret = (struct log_figures){.bytes = r->log.bytes,
                                .since_s = r->log.since_s,
                                .pruned = clock_count(&r->log.floor),
                                .dots = clock_count(&r->clock)};
    ret->dots -= ret->pruned < ret->dots ? ret->pruned : ret->dots;
}

/* Every second one goes: what is cut is cut less finely. */
static void thin_samples(struct log_account *a)
{
    size_t kept = 0;
    for (size_t i = 0; i < a->count; i++) {
        if (i % 2 == 0)
            a->samples[kept++] = a->samples[i];
        else
            sample_free(&a->samples[i]);
    }
    a->count = kept;
}

void engine_log_sample(struct engine *e, keyspace_no keyspace, range_no range, int64_t now_s,
                       uint64_t step_bytes, int64_t step_s)
{
    struct range_state *r = engine_range(e, keyspace, range);
    struct log_account *a = &r->log;
    const struct log_sample *last = a->count > 0 ? &a->samples[a->count - 1] : NULL;
    if (r->err != ERR_OK || a->bytes == 0 || (last != NULL && last->appended == a->appended))
        return;
    if (last != NULL && a->appended - last->appended < step_bytes && now_s - last->at_s < step_s &&
        now_s >= last->at_s)
        return;
    if (a->count == LOG_SAMPLES_MAX)
        thin_samples(a);
    if (a->since_s == 0)
        a->since_s = now_s;
    a->samples = mem_grow(a->samples, a->count, &a->cap, sizeof *a->samples);
    struct log_sample *s = &a->samples[a->count++];
    *s = (struct log_sample){.at_s = now_s, .appended = a->appended};
    clock_init(&s->clock);
    clock_copy(&s->clock, &r->clock);
    engine_batch_begin(e);
    engine_account_put(e, r);
    engine_batch_write(e, 0);
}

/* The last sample whose dots are to go; NULL: all may stay. */
static const struct log_sample *sample_to_cut(const struct log_account *a, uint64_t bytes_max,
                                              int64_t before_s)
{
    const struct log_sample *cut = NULL;
    bool too_long = a->bytes > bytes_max;
    for (size_t i = 0; i < a->count; i++) {
        const struct log_sample *s = &a->samples[i];
        if (s->at_s < before_s || too_long)
            cut = s;
        too_long = too_long && a->appended - s->appended > bytes_max; /* is left behind it */
    }
    return cut;
}

enum err engine_log_cut(struct engine *e, keyspace_no keyspace, range_no range, uint64_t bytes_max,
                        int64_t before_s, size_t entries_max, bool *ret_done)
{
    struct range_state *r = engine_range(e, keyspace, range);
    struct clock cut;
    *ret_done = true;
    if (r->err != ERR_OK)
        return r->err;
    const struct log_sample *s = sample_to_cut(&r->log, bytes_max, before_s);
    if (s == NULL)
        return ERR_OK;
    clock_init(&cut);
    clock_copy(&cut, &s->clock);
    enum err err = engine_log_prune(e, keyspace, range, &cut, entries_max, ret_done);
    clock_close(&cut);
    return err;
}
