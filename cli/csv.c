#include "cli/csv.h"

#include "base/mem.h"

#include <string.h>

void csv_reader_init(struct csv_reader *r, struct csv_format format)
{
    *r = (struct csv_reader){.format = format, .line = 1, .first_line = 1};
    buf_init(&r->text, CSV_RECORD_MAX);
}

void csv_reader_close(struct csv_reader *r)
{
    buf_close(&r->text);
    mem_free(r->ends);
    mem_free(r->quoted);
    mem_free(r->fields);
    *r = (struct csv_reader){0};
}

void csv_feed(struct csv_reader *r, struct bytes piece)
{
    r->in = piece;
}

void csv_finish(struct csv_reader *r)
{
    r->finished = true;
}

const char *csv_why(const struct csv_reader *r)
{
    return r->why;
}

static void start_record(struct csv_reader *r)
{
    buf_clear(&r->text);
    r->count = 0;
    r->state = CSV_AT_START;
    r->first_line = r->line;
}

/* The rest of the line is not looked at. */
static void spoil(struct csv_reader *r, const char *why)
{
    r->why = why;
    r->state = CSV_SKIPPING;
}

static void end_field(struct csv_reader *r, bool quoted)
{
    if (r->count == CSV_FIELDS_MAX) {
        spoil(r, "too many fields");
        return;
    }
    r->ends = mem_grow(r->ends, r->count, &r->ends_cap, sizeof *r->ends);
    r->quoted = mem_grow(r->quoted, r->count, &r->quoted_cap, sizeof *r->quoted);
    r->ends[r->count] = r->text.len;
    r->quoted[r->count++] = quoted;
    r->state = CSV_AT_FIELD;
}

static void put(struct csv_reader *r, const uint8_t *from, size_t n)
{
    buf_put(&r->text, from, n);
    if (r->text.failed)
        spoil(r, "the record is longer than 64 MiB; is a quote missing?");
}

/* Bytes that mean only themselves in this state: taken in one piece. */
static size_t plain_run(const struct csv_reader *r)
{
    const struct csv_format *f = &r->format;
    size_t n = 0;
    if (r->state == CSV_QUOTED) {
        while (n < r->in.len && r->in.data[n] != f->quote && r->in.data[n] != f->escape &&
               r->in.data[n] != '\n')
            n++;
    } else {
        while (n < r->in.len && r->in.data[n] != f->delimiter && r->in.data[n] != '\n' &&
               r->in.data[n] != '\r' && (r->in.data[n] != f->escape || f->escape == f->quote))
            n++;
    }
    return n;
}

/* A byte behind a quote inside quotes. */
static void after_quote(struct csv_reader *r, uint8_t c)
{
    if (c == r->format.quote) {
        r->state = CSV_QUOTED;
        put(r, &c, 1);
    } else if (c == r->format.delimiter) {
        end_field(r, true);
    } else {
        spoil(r, "something follows a closing quote");
    }
}

/* One byte that is no line end, or one inside quotes. */
static void take(struct csv_reader *r, uint8_t c)
{
    const struct csv_format *f = &r->format;
    switch (r->state) {
    case CSV_AT_START:
    case CSV_AT_FIELD:
        if (c == f->quote) {
            r->state = CSV_QUOTED;
            break;
        }
        r->state = CSV_PLAIN;
        /* fall through */
    case CSV_PLAIN:
        if (c == f->delimiter) {
            end_field(r, false);
        } else if (c == f->escape && f->escape != f->quote) {
            r->inside = false;
            r->state = CSV_ESCAPED;
        } else {
            put(r, &c, 1);
        }
        break;
    case CSV_QUOTED:
        if (c == f->escape && f->escape != f->quote) {
            r->inside = true;
            r->state = CSV_ESCAPED;
        } else if (c == f->quote) {
            r->state = CSV_CLOSED;
        } else {
            put(r, &c, 1);
        }
        break;
    case CSV_CLOSED: after_quote(r, c); break;
    case CSV_ESCAPED:
        r->state = r->inside ? CSV_QUOTED : CSV_PLAIN;
        put(r, &c, 1);
        break;
    case CSV_SKIPPING: break;
    }
}

static bool ends_line(const struct csv_reader *r, uint8_t c)
{
    return (c == '\n' || c == '\r') && r->state != CSV_QUOTED && r->state != CSV_ESCAPED;
}

static struct csv_record record_of(struct csv_reader *r)
{
    while (r->fields_cap < r->count)
        r->fields = mem_grow(r->fields, r->fields_cap, &r->fields_cap, sizeof *r->fields);
    size_t from = 0;
    for (size_t i = 0; i < r->count; i++) {
        size_t len = r->ends[i] - from;
        r->fields[i].text = len > 0 ? bytes_make(r->text.data + from, len) : BYTES_NONE;
        r->fields[i].quoted = r->quoted[i];
        from = r->ends[i];
    }
    return (struct csv_record){r->fields, r->count, r->first_line};
}

/* The line or the input ended. CSV_MORE: it was blank. The record lives until start_record. */
static enum csv_next end_record(struct csv_reader *r, struct csv_record *ret_record)
{
    bool blank = r->state == CSV_AT_START;
    if (!blank && r->state != CSV_SKIPPING)
        end_field(r, r->state == CSV_CLOSED);
    if (!blank && r->state == CSV_SKIPPING) {
        *ret_record = (struct csv_record){NULL, 0, r->first_line};
        r->state = CSV_AT_START;
        return CSV_BAD;
    }
    r->state = CSV_AT_START;
    if (blank)
        return CSV_MORE;
    *ret_record = record_of(r);
    return CSV_RECORD;
}

/* A byte order mark before the first record is no part of it. */
static void skip_bom(struct csv_reader *r)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
    while (r->in.len > 0 && r->bom_at < sizeof mark && r->in.data[0] == mark[r->bom_at]) {
        r->bom_at++;
        r->in = bytes_make(r->in.data + 1, r->in.len - 1);
    }
    r->bom_over = r->in.len > 0 || r->bom_at == sizeof mark || r->finished;
    if (r->bom_over && r->bom_at < sizeof mark)
        for (uint8_t i = 0; i < r->bom_at; i++)
            take(r, mark[i]);
}

static enum csv_next at_end(struct csv_reader *r, struct csv_record *ret_record)
{
    if (!r->finished)
        return CSV_MORE;
    if (r->state == CSV_QUOTED || r->state == CSV_ESCAPED)
        spoil(r, "a quote that is opened here is never closed");
    return end_record(r, ret_record);
}

enum csv_next csv_next(struct csv_reader *r, struct csv_record *ret_record)
{
    if (r->state == CSV_AT_START)
        start_record(r);
    if (!r->bom_over)
        skip_bom(r);
    while (r->in.len > 0) {
        uint8_t c = r->in.data[0];
        bool joined = c == '\n' && r->after_cr;
        r->after_cr = false;
        if (!joined && (r->state == CSV_PLAIN || r->state == CSV_QUOTED)) {
            size_t n = plain_run(r);
            if (n > 0) {
                put(r, r->in.data, n);
                r->in = bytes_make(r->in.data + n, r->in.len - n);
                continue;
            }
        }
        r->in = bytes_make(r->in.data + 1, r->in.len - 1);
        if (joined) {
            r->first_line = r->state == CSV_AT_START ? r->line : r->first_line;
            continue;
        }
        if (!ends_line(r, c)) {
            r->line += c == '\n';
            take(r, c);
            continue;
        }
        r->after_cr = c == '\r';
        r->line++;
        enum csv_next got = end_record(r, ret_record);
        if (got != CSV_MORE)
            return got;
        start_record(r);
    }
    return at_end(r, ret_record);
}

static bool needs_quotes(struct csv_format f, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == f.delimiter || c == f.quote || c == f.escape || c == '\n' || c == '\r')
            return true;
    }
    return false;
}

void csv_put_field(struct buf *out, struct csv_format f, struct bytes text, bool quoted)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
    bool like_mark = text.len > 0 && text.data[0] == mark[0]; /* it may come first in a file */
    if (!quoted && !like_mark && !needs_quotes(f, text)) {
        buf_put_bytes(out, text);
        return;
    }
    buf_put_u8(out, f.quote);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == f.quote || text.data[i] == f.escape)
            buf_put_u8(out, f.escape);
        buf_put_u8(out, text.data[i]);
    }
    buf_put_u8(out, f.quote);
}
