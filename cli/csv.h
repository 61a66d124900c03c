/* csv.h - comma separated values, exactly: what the writer writes the reader reads back.
 *
 *   file   = record*                   record = field (delimiter field)* (LF | CRLF | CR)
 *   field  = quoted | plain            quoted = quote (byte | quote quote | escape byte)* quote
 *
 * RFC 4180 when escape == quote (the default): a quote inside a quoted field is doubled, and line
 * ends inside quotes belong to the field. With another escape (cqlsh's backslash) that byte makes
 * the next one literal, in plain fields too; doubled quotes are understood all the same.
 *
 * The reader is fed pieces of any size and never holds more than one record of at most
 * CSV_RECORD_MAX bytes. A record that breaks the rules is told as CSV_BAD with a reason; reading
 * goes on behind the end of its line.
 *
 * Whether a field was quoted is kept: that is how an empty text ("") and null () stay apart.
 */
#ifndef TORC_CLI_CSV_H
#define TORC_CLI_CSV_H

#include "base/buf.h"

#define CSV_RECORD_MAX ((size_t)64 << 20)
#define CSV_FIELDS_MAX ((size_t)65535)

struct csv_format {
    uint8_t delimiter;
    uint8_t quote;
    uint8_t escape; /* == quote: doubling only */
};

#define CSV_FORMAT_DEFAULT ((struct csv_format){',', '"', '"'})

struct csv_field {
    struct bytes text; /* unescaped */
    bool quoted;
};

/* Valid until the next csv_next, csv_feed or csv_close. */
struct csv_record {
    const struct csv_field *fields;
    size_t count;
    uint64_t line; /* on which it begins, from 1 */
};

enum csv_next {
    CSV_MORE,   /* feed more, or csv_finish: then it means the end */
    CSV_RECORD, /* *ret_record is one; blank lines are passed over */
    CSV_BAD,    /* a broken record was skipped: csv_why, line of ret_record */
};

struct csv_reader {
    struct csv_format format;
    struct bytes in; /* what is left of the last feed, borrowed */
    bool finished;
    enum {
        CSV_AT_START, /* of a record */
        CSV_AT_FIELD, /* behind a delimiter */
        CSV_PLAIN,
        CSV_QUOTED,
        CSV_CLOSED,  /* behind a quote that may be the closing one */
        CSV_ESCAPED, /* behind an escape; `inside` says where it returns to */
        CSV_SKIPPING,
    } state;
    bool inside;    /* CSV_ESCAPED: of quotes */
    bool after_cr;  /* an LF that follows belongs to the line end before */
    bool bom_over;  /* the first bytes were looked at for a byte order mark */
    uint8_t bom_at; /* bytes of it seen */
    uint64_t line;  /* of the next byte */
    uint64_t first_line;
    struct buf text;
    size_t *ends; /* of each field in `text` */
    bool *quoted;
    size_t count, ends_cap, quoted_cap;
    struct csv_field *fields;
    size_t fields_cap;
    const char *why;
};

void csv_reader_init(struct csv_reader *r, struct csv_format format);
void csv_reader_close(struct csv_reader *r);

/* Give the next piece. Only after CSV_MORE; borrowed until the next CSV_MORE. */
void csv_feed(struct csv_reader *r, struct bytes piece);
void csv_finish(struct csv_reader *r); /* nothing follows: the last line may lack its end */
enum csv_next csv_next(struct csv_reader *r, struct csv_record *ret_record);
const char *csv_why(const struct csv_reader *r); /* of the last CSV_BAD */

/* Append one field; quotes only when the text needs it or `quoted` asks for it. */
void csv_put_field(struct buf *out, struct csv_format format, struct bytes text, bool quoted);

#endif
