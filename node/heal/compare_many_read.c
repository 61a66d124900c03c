/* compare_many_read.c - what is compared is read again first, clean leaves too, on both sides at
 * once: see compare_many.h. */
#include "node/heal/compare_many.h"

#include "base/mutant.h"

void many_reading_free(struct many_reading *at)
{
    buf_close(&at->scrub.from);
    *at = (struct many_reading){0};
}

enum err many_read(struct heal *h, struct now now, const struct compare_range *r, bool preview,
                   struct many_reading *at, bool *ret_done)
{
    if (!at->begun || at->keyspace != r->keyspace || at->range != r->range) {
        many_reading_free(at);
        at->begun = true;
        at->keyspace = r->keyspace;
        at->range = r->range;
        at->began = now.mono;
    }
    rounds_leave(h, now, r->keyspace, r->range);
    enum err err =
        compare_prepare(h, now, r, COMPARE_WORK, &at->scrub, preview, &at->wrong, ret_done);
    if (err == ERR_CORRUPT && !*ret_done && at->tries++ < 3)
        err = ERR_OK; /* of the tree: it is gone, and built anew */
    if (err == ERR_OK && *ret_done)
        proved_read(h, now, r->keyspace, r->range, at->began);
    return err;
}

/* --- of who begins */

static bool is_alone(const struct heal *h, const struct comparing_many *m)
{
    return m->peer == cluster_self(h->cluster);
}

static void now_read(struct comparing_many *m, struct many_range *r)
{
    if (r->state != MANY_UNREAD || !r->read_here || !r->read_there)
        return;
    r->state = MANY_WAITING;
    m->first = 0;
}

/* False: not all of it is read, and the turn is over. */
static bool read_here(struct heal *h, struct now now, struct comparing_many *m,
                      struct many_range *range)
{
    struct compare_range r;
    struct arena arena = {0};
    bool done = false;
    if (range->state != MANY_UNREAD || range->read_here)
        return true;
    bool alone = is_alone(h, m);
    enum err err = alone ? compare_own_range(h, m->keyspace, range->range, &arena, &r)
                         : compare_range(h, m->keyspace, range->range, m->peer, &arena, &r);
    if (err == ERR_OK && proved_was_read(h, m->keyspace, range->range, m->read_since))
        done = true;
    else if (err == ERR_OK)
        err = many_read(h, now, &r, m->preview, &m->reading, &done);
    arena_close(&arena);
    if (err == ERR_OK && done) {
        range->read_here = true;
        range->wrong += m->reading.begun ? m->reading.wrong : 0;
    }
    if (alone && (err != ERR_OK || done))
        many_alone_read(h, m, range, err);
    else if (err != ERR_OK)
        range->state = MANY_DIFFERS; /* its session tells why */
    if (err != ERR_OK || done)
        many_reading_free(&m->reading);
    now_read(m, range);
    return err != ERR_OK || done;
}

void many_read_some(struct heal *h, struct now now, struct comparing_many *m)
{
    uint64_t before = engine_stats(h->engine).fragments_read, read = 0;
    while (m->read_at < m->read_upto && read < COMPARE_WORK &&
           read_here(h, now, m, &m->ranges[m->read_at])) {
        m->read_at++;
        read = engine_stats(h->engine).fragments_read - before;
    }
    read = engine_stats(h->engine).fragments_read - before;
    m->rows_read += read;
    m->read_due = m->read_at == m->read_upto ? USEC_NEVER
                                             : now.mono + compare_pause_after(h, m->gentle, read);
    if (m->read_due == USEC_NEVER && m->request == 0)
        m->due = now.mono; /* there is something to ask */
}

/* The next ones to be read, when all of before are. False: there are none. */
static bool choose_next(struct now now, struct comparing_many *m)
{
    size_t count = 0;
    m->read_from = m->read_upto;
    while (m->read_from < m->ranges_count && m->ranges[m->read_from].state != MANY_UNREAD)
        m->read_from++;
    m->read_at = m->read_upto = m->read_from;
    for (; m->read_upto < m->ranges_count && count < MANY_ROOTS; m->read_upto++)
        count += m->ranges[m->read_upto].state == MANY_UNREAD;
    m->read_due = count > 0 ? now.mono : USEC_NEVER;
    return count > 0;
}

static void send_read(struct heal *h, struct now now, struct comparing_many *m)
{
    struct wire_message message = {.type = WIRE_COMPARE_READ};
    struct wire_compare_read *q = &message.compare_read;
    struct buf ranges;
    range_no before = 0;
    buf_init(&ranges, WIRE_MESSAGE_MAX / 4);
    for (size_t i = 0; i < m->asked_count; i++) {
        buf_put_varint(&ranges, m->asked[i].range->range - before);
        before = m->asked[i].range->range;
    }
    many_asks(h, now, m);
    m->asks_to_read = true;
    *q = (struct wire_compare_read){.session = m->no,
                                    .request = m->request,
                                    .keyspace = m->keyspace,
                                    .gentle = m->gentle,
                                    .preview = m->preview};
    q->ranges = heal_keep(h, &ranges);
    m->figures.messages++;
    m->figures.bytes_search += COMPARE_FIXED + q->ranges.len;
    heal_send(h, m->peer, &message);
    buf_close(&ranges);
}

bool many_ask_to_read(struct heal *h, struct now now, struct comparing_many *m)
{
    bool unread = false;
    m->asked_count = 0;
    for (size_t i = m->read_from; i < m->read_upto; i++) {
        struct many_range *r = &m->ranges[i];
        unread |= r->state == MANY_UNREAD;
        if (r->state == MANY_UNREAD && !r->read_there && !is_alone(h, m))
            m->asked[m->asked_count++] = (struct many_asked){.range = r};
    }
    if (m->asked_count > 0)
        send_read(h, now, m);
    return unread;
}

bool many_reads_next(struct heal *h, struct now now, struct comparing_many *m)
{
    return choose_next(now, m) && many_ask_to_read(h, now, m);
}

void many_told_read(struct comparing_many *m, struct bytes told)
{
    for (size_t i = 0; i < told.len && i < m->asked_count; i++) {
        struct many_range *r = m->asked[i].range;
        if (r->state != MANY_UNREAD)
            continue;
        r->read_there = told.data[i] != MANY_TELLS_UNREAD;
        r->wrong += r->read_there ? (uint64_t)told.data[i] - MANY_TELLS_READ : 0;
        if (!r->read_there)
            r->state = MANY_DIFFERS;
        now_read(m, r);
    }
}

static unsigned progress_of(const struct many_range *r, bool full)
{
    if (r->state != MANY_UNREAD)
        return full ? 900 : 0;
    return 450u * r->read_here + 450u * r->read_there;
}

struct heal_progress heal_compare_progress(const struct heal *h, uint64_t id)
{
    struct heal_progress progress = {0};
    for (size_t i = 0; i < HEAL_COMPARE_MANY_MAX; i++) {
        const struct comparing_many *m = h->many[i];
        uint64_t sum = 0, left = 0;
        if (m == NULL || m->id != id)
            continue;
        for (size_t k = 0; k < m->ranges_count; k++) {
            bool done = m->ranges[k].state == MANY_DONE;
            left += !done;
            sum += done ? 0 : progress_of(&m->ranges[k], m->full);
        }
        progress.thousandths = left > 0 ? (unsigned)(sum / left) : 0;
        progress.rows_read = m->rows_read;
    }
    return progress;
}

/* --- of who is asked */

bool serve_many_reads(struct heal *h, struct now now, struct served_many *v, size_t at)
{
    struct compare_range r;
    struct arena arena = {0};
    bool done = false;
    v->told[at] = MANY_TELLS_UNREAD;
    enum err err = compare_range(h, v->keyspace, v->ranges[at], v->peer, &arena, &r);
    if (err == ERR_OK && MUTANT(read_in_name_only))
        done = true;
    else if (err == ERR_OK)
        err = many_read(h, now, &r, v->preview, &v->reading, &done);
    arena_close(&arena);
    if (err == ERR_OK && done) {
        uint64_t most = UINT8_MAX - MANY_TELLS_READ, wrong = v->reading.wrong;
        v->told[at] = (uint8_t)(MANY_TELLS_READ + (wrong < most ? wrong : most));
    }
    if (err != ERR_OK || done)
        many_reading_free(&v->reading);
    return err != ERR_OK || done;
}
