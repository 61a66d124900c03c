/* copy_from.c - rows of a CSV file to a table.
 *
 *            convert, put                 RESULT
 *   FREE ----------------> SENT ----------------------> FREE
 *                          ^  |  overloaded, timed out
 *                          |  +--------------> PAUSED     (not before a moment)
 *                          +------------------------+
 *
 *
 * When the connection is lost, SENT rows become PAUSED, to be sent again over the next one.
 *
 * A slot is one row on its way; its number is its stream. The window, how many may be SENT, halves
 * when the server is overloaded and grows by one per window of answers, up to INFLIGHT.
 */
#include "cli/copy_from.h"

#include "cli/cells.h"
#include "cli/convert.h"
#include "cli/net.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define UNSENT_MAX   ((size_t)4 << 20)
#define WINDOW_LEAST 4
#define PAUSE_BASE   (20 * USEC_PER_MS)
#define PAUSE_MOST   (2 * USEC_PER_SEC)
#define SHRINK_EVERY (100 * USEC_PER_MS)
#define SHOWN_ERRORS 5

#define LOSSES_MAX    5
#define CONNECT_TRIES 60
#define CONNECT_PAUSE 250000 /* microseconds */

/* --- rows that could not be stored */

static void keep_bad_row(struct import *m, const struct csv_field *fields, size_t count)
{
    struct buf line;
    if (m->bad == NULL && m->bad_path[0] != 0 && !m->bad_failed) {
        m->bad = fopen(m->bad_path, "w");
        m->bad_failed = m->bad == NULL;
        if (m->bad_failed)
            session_complain(m->s, "COPY: cannot write %s: %s", m->bad_path, strerror(errno));
    }
    if (m->bad == NULL)
        return;
    buf_init(&line, CSV_RECORD_MAX * 2);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_u8(&line, m->options->format.delimiter);
        csv_put_field(&line, m->options->format, fields[i].text, fields[i].quoted);
    }
    buf_put_u8(&line, '\n');
    fwrite(line.data, 1, line.len, m->bad);
    buf_close(&line);
}

/* A row is given up. The first ones are told in words, all are counted. */
static void row_failed(struct import *m, uint64_t line, const char *why)
{
    m->errors++;
    if (m->errors <= SHOWN_ERRORS) {
        progress_clear(&m->progress);
        session_complain(m->s, "COPY: line %llu: %s", (unsigned long long)line, why);
    } else if (m->errors == SHOWN_ERRORS + 1) {
        session_complain(m->s, "COPY: more rows fail; they are counted");
    }
    if (m->options->max_errors >= 0 && m->errors > (uint64_t)m->options->max_errors)
        m->stop = "too many rows fail (MAXERRORS)";
}

static void slot_failed(struct import *m, struct slot *slot, const char *why)
{
    row_failed(m, slot->line, why);
    keep_bad_row(m, slot->fields, m->fields_count);
    slot->state = SLOT_FREE;
    m->free_slots[m->free_count++] = (uint16_t)(slot - m->slots);
}

/* --- a record becomes a slot */

static bool is_null(const struct import *m, const struct csv_field *f, const struct cql_type *type)
{
    if (!f->quoted)
        return bytes_equal(f->text, m->options->null);
    return f->text.len == 0 && type->kind != CQL_TEXT && type->kind != CQL_ASCII;
}

/* The fields stay with the slot: what cannot be stored goes to the .err file as it came. */
static void keep_fields(struct import *m, struct slot *slot, const struct csv_record *r)
{
    size_t at = 0;
    buf_clear(&slot->text);
    for (size_t i = 0; i < r->count; i++)
        buf_put_bytes(&slot->text, r->fields[i].text);
    for (size_t i = 0; i < m->fields_count; i++) {
        size_t len = r->fields[i].text.len;
        slot->fields[i] = r->fields[i];
        slot->fields[i].text = len > 0 ? bytes_make(slot->text.data + at, len) : BYTES_NONE;
        at += len;
    }
    slot->line = r->line;
    slot->attempts = 0;
}

static enum err convert_row(struct import *m, struct slot *slot, struct errmsg *why)
{
    buf_clear(&slot->bytes);
    for (size_t i = 0; i < m->fields_count; i++) {
        const struct import_column *c = &m->columns[i];
        size_t before = slot->bytes.len;
        slot->values[c->marker] = m->options->unset ? CQL_UNSET : CQL_NULL;
        m->ends[i] = before;
        if (is_null(m, &slot->fields[i], c->type)) {
            if (c->key)
                return errmsg_set(why, ERR_INVALID, "column %s: null in the primary key", c->name);
            continue;
        }
        enum err err = convert_text(c->type, slot->fields[i].text, c->name, &slot->bytes, why);
        if (err != ERR_OK)
            return err;
        slot->values[c->marker].kind = CQL_VALUE_SET;
        m->ends[i] = slot->bytes.len;
    }
    size_t at = 0;
    for (size_t i = 0; i < m->fields_count; i++) { /* only now the buffer stands still */
        slot->values[m->columns[i].marker].data =
            m->ends[i] == at ? BYTES_NONE : bytes_make(slot->bytes.data + at, m->ends[i] - at);
        at = m->ends[i];
    }
    return buf_finish(&slot->bytes) == ERR_OK ? ERR_OK
                                              : errmsg_set(why, ERR_TOO_BIG, "the row is too long");
}

static bool send_slot(struct import *m, struct slot *slot)
{
    struct errmsg why;
    struct cql_request request = {.opcode = CQL_EXECUTE};
    struct cql_params *params = &request.execute.params;
    request.execute.id = m->id;
    request.execute.result_metadata_id = m->result_metadata_id;
    params->consistency = m->s->consistency;
    params->flags = CQL_QUERY_VALUES | CQL_QUERY_SKIP_METADATA;
    params->values = (struct cql_values){slot->values, NULL, m->fields_count};
    enum err err = client_put(&m->s->client, (int16_t)(slot - m->slots), &request, &why);
    if (err == ERR_TOO_BIG) {
        slot_failed(m, slot, why.text);
        return true;
    }
    if (err != ERR_OK) {
        m->stop = "the connection was lost";
        return false;
    }
    slot->state = SLOT_SENT;
    slot->attempts++;
    m->sent++;
    return true;
}

/* --- the file */

/* The next piece: a chunk of a file, a line of standard input, where \. ends the rows. */
void import_read_more(struct import *m)
{
    if (m->file != NULL) {
        size_t n = fread(m->chunk, 1, IMPORT_CHUNK, m->file);
        m->progress.bytes += n;
        if (n > 0) {
            csv_feed(&m->reader, bytes_make(m->chunk, n));
            return;
        }
        if (ferror(m->file))
            m->stop = "the file cannot be read to its end";
    } else {
        ssize_t n = getline(&m->line, &m->line_cap, m->s->in);
        m->s->data_lines += n > 0;
        if (n > 0 && !(m->line[0] == '\\' && m->line[1] == '.' &&
                       strspn(m->line + 2, "\r\n") == (size_t)n - 2)) {
            csv_feed(&m->reader, bytes_make(m->line, (size_t)n));
            return;
        }
    }
    csv_finish(&m->reader);
    m->read_all = true;
}

static bool wanted_row(struct import *m)
{
    const struct copy_options *o = m->options;
    m->records++;
    return m->records > (uint64_t)o->skip_rows;
}

static void take_record(struct import *m, const struct csv_record *r)
{
    struct errmsg why;
    if (r->count != m->fields_count) {
        errmsg_set(&why, ERR_INVALID, "%zu fields, but %zu columns", r->count, m->fields_count);
        row_failed(m, r->line, why.text);
        keep_bad_row(m, r->fields, r->count);
        return;
    }
    struct slot *slot = &m->slots[m->free_slots[--m->free_count]];
    keep_fields(m, slot, r);
    if (convert_row(m, slot, &why) != ERR_OK)
        slot_failed(m, slot, why.text);
    else
        send_slot(m, slot);
}

/* One record further; false when there is none now. */
static bool next_record(struct import *m)
{
    struct csv_record record;
    const struct copy_options *o = m->options;
    if (m->done_reading)
        return false;
    if (o->max_rows >= 0 && m->records >= (uint64_t)(o->max_rows + o->skip_rows)) {
        m->done_reading = true;
        return false;
    }
    switch (csv_next(&m->reader, &record)) {
    case CSV_MORE:
        if (m->read_all)
            m->done_reading = true;
        else
            import_read_more(m);
        break;
    case CSV_BAD:
        if (wanted_row(m))
            row_failed(m, record.line, csv_why(&m->reader));
        break;
    case CSV_RECORD:
        if (wanted_row(m))
            take_record(m, &record);
        break;
    }
    return !m->done_reading;
}

/* --- answers */

static void shrink(struct import *m, usec now)
{
    if (now - m->shrunk < SHRINK_EVERY)
        return;
    m->shrunk = now;
    m->window = m->window / 2 > WINDOW_LEAST ? m->window / 2 : WINDOW_LEAST;
}

/* May this row be sent once more? An INSERT may always; an increment only when it surely was not
 * applied. */
static bool may_retry(const struct import *m, const struct cql_error *e)
{
    switch (e->code) {
    case CQL_ERROR_OVERLOADED:
    case CQL_ERROR_BOOTSTRAPPING:
    case CQL_ERROR_UNAVAILABLE: return true;
    case CQL_ERROR_WRITE_TIMEOUT:
    case CQL_ERROR_WRITE_FAILURE: return !m->counters;
    default: return false;
    }
}

static void take_error(struct import *m, struct slot *slot, const struct cql_error *e)
{
    usec now = net_clock();
    if (e->code == CQL_ERROR_UNPREPARED)
        m->stop = "the server has forgotten the statement (was the table altered?); run it again";
    if (!may_retry(m, e) || slot->attempts >= (uint64_t)m->options->max_attempts) {
        struct buf text;
        buf_init(&text, (size_t)1 << 20);
        client_error_text(e, &text);
        buf_put_u8(&text, 0);
        slot_failed(m, slot, (const char *)text.data);
        buf_close(&text);
        return;
    }
    usec pause = PAUSE_BASE << (slot->attempts < 8 ? slot->attempts : 8);
    shrink(m, now);
    m->retries++;
    m->paused++;
    slot->state = SLOT_PAUSED;
    slot->not_before = now + (pause < PAUSE_MOST ? pause : PAUSE_MOST);
}

static void take_answer(struct import *m, int16_t stream, const struct cql_response *r)
{
    if (stream < 0 || stream >= m->options->in_flight || m->slots[stream].state != SLOT_SENT)
        return; /* of an earlier request that nobody waits for */
    struct slot *slot = &m->slots[stream];
    m->sent--;
    m->answered = net_clock();
    if (r->opcode == CQL_ERROR) {
        take_error(m, slot, &r->error);
        return;
    }
    slot->state = SLOT_FREE;
    m->free_slots[m->free_count++] = (uint16_t)stream;
    m->progress.rows++;
    if (++m->grown >= m->window) {
        m->grown = 0;
        m->window += m->window < (size_t)m->options->in_flight;
    }
}

/* Send again what has waited long enough; returns when the next one will have. */
static usec wake(struct import *m)
{
    usec next = USEC_NEVER, now = m->paused > 0 ? net_clock() : 0;
    for (int64_t i = 0; i < m->options->in_flight && m->paused > 0; i++) {
        struct slot *slot = &m->slots[i];
        if (slot->state != SLOT_PAUSED)
            continue;
        if (slot->not_before <= now && m->sent < m->window) {
            m->paused--;
            send_slot(m, slot);
        } else if (slot->not_before < next) {
            next = slot->not_before > now ? slot->not_before : now + USEC_PER_MS;
        }
    }
    return next;
}

/* The connection was lost: come back and send again what had no answer. An INSERT may be stored
 * twice and is the same; an increment is not. */
static bool come_back(struct import *m, const char *why)
{
    struct errmsg refused;
    m->losses = m->progress.rows > m->rows_at_loss ? 0 : m->losses + 1;
    m->rows_at_loss = m->progress.rows;
    if (m->counters || m->losses >= LOSSES_MAX)
        return false;
    progress_clear(&m->progress);
    session_complain(m->s, "COPY: %s; connecting again", why);
    unsigned tries = 0;
    while (session_connect(m->s, &refused) != ERR_OK) {
        if (++tries == CONNECT_TRIES || net_interrupted)
            return false;
        usleep(CONNECT_PAUSE);
    }
    if (!import_prepare(m))
        return false;
    for (int64_t i = 0; i < m->options->in_flight; i++) {
        struct slot *slot = &m->slots[i];
        if (slot->state != SLOT_SENT)
            continue;
        slot->state = SLOT_PAUSED;
        slot->not_before = 0;
        m->paused++;
        m->retries++;
    }
    m->sent = 0;
    m->answered = net_clock();
    return true;
}

/* Keep the window full until all rows have an answer or something makes it stop. */
void import_run(struct import *m)
{
    struct cql_response response;
    struct errmsg why;
    struct arena arena;
    int16_t stream;
    arena_init(&arena);
    m->answered = net_clock();
    while (m->stop == NULL && !net_interrupted) {
        usec next = wake(m);
        while (m->stop == NULL && m->sent < m->window && m->free_count > 0 &&
               client_unsent(&m->s->client) < UNSENT_MAX && next_record(m))
            ;
        if (m->sent == 0 && m->paused == 0 && m->done_reading)
            break;
        if (m->sent == 0 && m->paused == 0)
            continue; /* rows that failed at once left nothing to wait for */
        usec patience = m->answered + m->s->config.request_timeout;
        if (m->sent == 0)
            patience = USEC_NEVER;
        arena_reset(&arena);
        enum err err = client_wait(&m->s->client, next < patience ? next : patience, &arena,
                                   &stream, &response, &why);
        if (err == ERR_OK)
            take_answer(m, stream, &response);
        else if (err == ERR_CLOSED && come_back(m, why.text))
            continue;
        else if (err != ERR_TIMEOUT || (m->sent > 0 && net_clock() >= patience))
            m->stop = arena_text(&m->arena, bytes_text(why.text));
        progress_show(&m->progress);
    }
    arena_close(&arena);
}
