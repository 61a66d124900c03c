/* What sessions by trees send, as the wire sees it: who sends what the other one has, and whether
 * sessions tell the truth of what they cost. */
#include "node/sim/core.h"
#include "node/wire/wire.h"

#include <inttypes.h>

#define SEEN_MAX    1024u /* sessions remembered */
#define PER_MESSAGE 64u   /* bytes that figures may be off */

struct session_seen {
    unsigned a;             /* who began it */
    uint64_t life, session; /* of a's process; its number there */
    bool preview;
    uint64_t messages, bytes, rows_to_a, rows_to_b;
    uint64_t voted; /* answers of others, that may have come too late; not in `messages` */
};

/* Of the head of a message: an array, then its type. 0: too short. */
static unsigned type_of(struct bytes m)
{
    size_t at = m.len > 0 && m.data[0] == 0xdc ? 3 : 1;
    return m.len > at ? m.data[at] : 0;
}

static struct session_seen *seen_of(struct sim *s, unsigned a, uint64_t session)
{
    uint64_t life = machine_of(s, a)->life;
    for (size_t i = 0; i < SEEN_MAX && s->seen != NULL; i++) {
        struct session_seen *v = &s->seen[i];
        if (v->a == a && v->life == life && v->session == session)
            return v;
    }
    if (s->seen == NULL)
        s->seen = mem_alloc(SEEN_MAX * sizeof *s->seen);
    struct session_seen *v = &s->seen[s->crossed.sessions++ % SEEN_MAX];
    *v = (struct session_seen){.a = a, .life = life, .session = session};
    return v;
}

static void complain(struct sim *s, const struct session_seen *v, const char *what, uint64_t told,
                     uint64_t seen)
{
    if (s->session_problem.text[0] == 0)
        (void)errmsg_set(&s->session_problem, ERR_FAILED,
                         "session %" PRIu64 " of node %u: %s: %" PRIu64 " are told, and %" PRIu64
                         " crossed the wire",
                         v->session, v->a, what, told, seen);
}

/* --- rows */

/* Of a part the head, or the row at `place`; as bytes. */
static void put_row(const struct part *p, const struct row *row, struct buf *out)
{
    struct part one = *p;
    buf_clear(out);
    one.rows = (struct row *)(uintptr_t)row;
    one.rows_count = row != NULL;
    if (row != NULL) {
        one.deletion = TOMB_NONE;
        one.tombs_count = 0;
        one.has_static = false;
        one.static_row = (struct row){.deletion = TOMB_NONE};
    }
    part_encode(&one, out);
}

static void read_own(struct sim *s, unsigned node, const struct part *p, struct arena *arena,
                     struct part *ret)
{
    struct scan scan = {.table = p->table,
                        .single = true,
                        .token = p->token,
                        .key = p->key,
                        .want_static = true,
                        .bytes_max = 1u << 30};
    struct scan_result result;
    *ret = *p;
    ret->deletion = TOMB_NONE;
    ret->tombs_count = ret->rows_count = 0;
    ret->has_static = false;
    ret->static_row = (struct row){.deletion = TOMB_NONE};
    if (engine_scan(node_engine(s->machines[node].node), &scan, arena, &result) == ERR_OK &&
        result.parts_count > 0)
        *ret = result.parts[0];
}

static const struct row *find_row(const struct part *p, struct bytes key)
{
    for (size_t i = 0; i < p->rows_count; i++) {
        if (bytes_equal(p->rows[i].key, key))
            return &p->rows[i];
    }
    return NULL;
}

/* Heads and rows of a part that comes to the node; and which of them it has just so. */
static uint64_t count_part(struct sim *s, unsigned node, const struct part *p, struct arena *arena)
{
    struct part own;
    struct buf a, b;
    uint64_t rows = 0;
    bool has_head = !tomb_is_none(&p->deletion) || p->tombs_count > 0 || p->has_static;
    read_own(s, node, p, arena, &own);
    buf_init(&a, BUF_MAX_DEFAULT);
    buf_init(&b, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < p->rows_count + has_head; i++) {
        const struct row *row = i < p->rows_count ? &p->rows[i] : NULL;
        const struct row *mine = row != NULL ? find_row(&own, row->key) : NULL;
        rows++;
        if (row != NULL && mine == NULL)
            continue;
        put_row(p, row, &a);
        put_row(&own, mine, &b);
        s->crossed.alike += bytes_equal(buf_bytes(&a), buf_bytes(&b));
    }
    buf_close(&a);
    buf_close(&b);
    s->crossed.rows += rows;
    return rows;
}

static uint64_t count_rows(struct sim *s, unsigned node, struct bytes rows)
{
    struct reader in = reader_make(rows);
    struct arena arena = {0};
    uint64_t count = 0;
    struct part p;
    while (reader_left(&in) > 0 && part_read(&in, &arena, &p) == ERR_OK)
        count += count_part(s, node, &p, &arena);
    arena_close(&arena);
    return count;
}

/* --- messages */

static void count_message(struct session_seen *v, struct bytes message)
{
    v->messages++;
    v->bytes += message.len;
}

void compare_crosses(struct sim *s, unsigned from, unsigned to, struct bytes message)
{
    struct wire_message m;
    unsigned type = type_of(message);
    struct session_seen *v = NULL;
    if (type < WIRE_COMPARE_OPEN || type > WIRE_COMPARE_VOTED || wire_decode(message, &m) != ERR_OK)
        return;
    s->crossed.messages++;
    s->crossed.bytes += message.len;
    switch (m.type) {
    case WIRE_COMPARE_OPEN: v = seen_of(s, from, m.compare_open.session); break;
    case WIRE_COMPARE_OPENED: v = seen_of(s, to, m.compare_opened.session); break;
    case WIRE_COMPARE_ASK:
        v = seen_of(s, from, m.compare_ask.session);
        v->preview = m.compare_ask.preview;
        break;
    case WIRE_COMPARE_TELL:
        v = seen_of(s, to, m.compare_tell.session);
        v->rows_to_a += count_rows(s, to, m.compare_tell.rows);
        break;
    case WIRE_COMPARE_GIVE:
        v = seen_of(s, from, m.compare_give.session);
        v->rows_to_b += count_rows(s, to, m.compare_give.rows);
        break;
    case WIRE_COMPARE_GAVE: v = seen_of(s, to, m.compare_gave.session); break;
    case WIRE_COMPARE_VOTED:
        v = seen_of(s, to, m.compare_voted.session);
        v->voted++;
        v->messages--;
        (void)count_rows(s, to, m.compare_voted.rows);
        break;
    default: return;
    }
    count_message(v, message);
    if (v->preview && v->rows_to_a + v->rows_to_b > 0)
        complain(s, v, "rows of a preview", 0, v->rows_to_a + v->rows_to_b);
}

/* Who is asked for a vote may be lost, and that ends no session: what counts is what was sent. */
void compare_sends(struct sim *s, unsigned from, struct bytes message)
{
    struct wire_message m;
    if (type_of(message) == WIRE_COMPARE_VOTE && wire_decode(message, &m) == ERR_OK)
        count_message(seen_of(s, from, m.compare_vote.session), message);
}

void compare_over(struct sim *s, unsigned a, const struct heal_compared *c)
{
    const struct session_seen *v = NULL;
    const struct heal_figures *f = &c->figures;
    for (size_t i = 0; i < SEEN_MAX && s->seen != NULL; i++) {
        if (s->seen[i].a == a && s->seen[i].life == machine_of(s, a)->life &&
            s->seen[i].session == c->session)
            v = &s->seen[i];
    }
    if (v == NULL || c->err != ERR_OK) /* of one that broke off some may be on their way */
        return;
    uint64_t bytes = f->bytes_search + f->bytes_received + f->bytes_sent;
    uint64_t off = bytes > v->bytes ? bytes - v->bytes : v->bytes - bytes;
    /* The last one says that it is over; where all is equal both know. */
    uint64_t least = v->messages + !f->equal, most = least + v->voted;
    if (f->messages < least || f->messages > most)
        complain(s, v, "messages", f->messages, most);
    if (f->messages == most && off > (most + 1) * PER_MESSAGE)
        complain(s, v, "bytes", bytes, v->bytes);
    if (f->rows_received < v->rows_to_a)
        complain(s, v, "rows received", f->rows_received, v->rows_to_a);
    if (f->rows_sent < v->rows_to_b)
        complain(s, v, "rows sent", f->rows_sent, v->rows_to_b);
}

const char *sim_session_problem(const struct sim *s)
{
    return s->session_problem.text[0] != 0 ? s->session_problem.text : NULL;
}

struct sim_crossed sim_crossed(const struct sim *s)
{
    return s->crossed;
}

void compare_wire_close(struct sim *s)
{
    mem_free(s->seen);
}
