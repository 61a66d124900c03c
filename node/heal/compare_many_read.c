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

/* False: not all of it is read, and the turn is over. */
static bool read_here(struct heal *h, struct now now, struct comparing_many *m,
                      struct many_range *range)
{
    struct compare_range r;
    struct arena arena = {0};
    bool done = false;
    if (range->state != MANY_UNREAD || range->read_here)
        return true;
    bool alone = is_alone(h, m), fresh = false;
    enum err err = alone ? compare_own_range(h, m->keyspace, range->range, &arena, &r)
                         : compare_range(h, m->keyspace, range->range, m->peer, &arena, &r);
    if (err == ERR_OK && proved_was_read(h, m->keyspace, range->range, m->since))
        fresh = done = true;
    else if (err == ERR_OK)
        err = many_read(h, now, &r, m->preview, &m->reading, &done);
    arena_close(&arena);
    if (err == ERR_OK && done) {
        range->read_here = true;
        range->was_read = fresh;
        range->wrong += m->reading.begun ? m->reading.wrong : 0;
    }
    if (alone && (err != ERR_OK || done))
        many_alone_read(h, m, range, err);
    else if (err != ERR_OK)
        range->state = MANY_DIFFERS; /* its session tells why */
    else if (done)
        range->state = MANY_WAITING;
    if (err != ERR_OK || done)
        many_reading_free(&m->reading);
    return err != ERR_OK || done;
}

/* So that it reads while we do. */
static void send_read(struct heal *h, struct comparing_many *m)
{
    struct wire_message message = {.type = WIRE_COMPARE_READ};
    struct wire_compare_read *q = &message.compare_read;
    struct many_asked list[MANY_ROOTS];
    struct buf ranges;
    size_t count = 0;
    buf_init(&ranges, WIRE_MESSAGE_MAX / 4);
    for (size_t i = m->read_from; i < m->read_upto; i++) {
        enum many_state state = m->ranges[i].state;
        if (state == MANY_UNREAD || state == MANY_WAITING)
            list[count++] = (struct many_asked){.range = &m->ranges[i]};
    }
    many_put_ranges(&ranges, list, count);
    *q = (struct wire_compare_read){.session = m->no, .keyspace = m->keyspace};
    q->how = (m->gentle ? MANY_GENTLE : 0u) | (m->preview ? MANY_PREVIEW : 0u);
    q->ranges = heal_keep(h, &ranges);
    many_count(m, &message);
    heal_send(h, m->peer, &message);
    buf_close(&ranges);
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
    if (m->read_due == USEC_NEVER)
        m->due = now.mono; /* there is something to ask */
    else if (!m->ahead && !is_alone(h, m))
        send_read(h, m);
    m->ahead = true;
}

bool many_reads_next(struct now now, struct comparing_many *m)
{
    size_t count = 0;
    m->read_from = m->read_upto;
    while (m->read_from < m->ranges_count && m->ranges[m->read_from].state != MANY_UNREAD)
        m->read_from++;
    m->read_at = m->read_upto = m->read_from;
    for (; m->read_upto < m->ranges_count && count < MANY_ROOTS; m->read_upto++)
        count += m->ranges[m->read_upto].state == MANY_UNREAD;
    m->read_due = count > 0 ? now.mono : USEC_NEVER;
    m->ahead = false;
    return count > 0;
}

static unsigned progress_of(const struct many_range *r, bool full)
{
    if (!full)
        return 0;
    return r->was_read ? 900u * r->read_there : 450u * r->read_here + 450u * r->read_there;
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
    bool done = false, preview = (v->how & MANY_PREVIEW) != 0;
    struct served_range *range = &v->told[at];
    enum err err = compare_range(h, v->keyspace, v->roots.ranges[at], v->peer, &arena, &r);
    if (err == ERR_OK && MUTANT(read_in_name_only))
        done = true;
    else if (err == ERR_OK)
        err = many_read(h, now, &r, preview, &v->reading, &done);
    arena_close(&arena);
    if (err == ERR_OK && done) {
        range->read = true;
        range->wrong = v->reading.wrong;
    } else if (err != ERR_OK) {
        range->tells = MANY_TELLS_UNREAD;
    }
    if (err != ERR_OK || done)
        many_reading_free(&v->reading);
    return err != ERR_OK || done;
}
