/* progress.h - how far a long copy is: one line that is drawn over, only for people.
 *
 *   importing   336,776 rows   41,250 rows/s   [########........] 52 %   0:08, 0:07 left
 */
#ifndef TORC_CLI_PROGRESS_H
#define TORC_CLI_PROGRESS_H

#include "base/buf.h"

#include <stdio.h>

struct progress {
    FILE *to; /* NULL: none is shown */
    const char *verb;
    usec started;
    usec shown;
    uint64_t rows;
    uint64_t bytes, bytes_all; /* of the file; bytes_all 0: unknown */
    /* The rate, and what is left, go by what came since then: */
    usec based; /* after the start */
    uint64_t based_rows, based_bytes;
};

void progress_start(struct progress *p, FILE *to, const char *verb);
void progress_base(struct progress *p); /* what is there by now came at another rate */
void progress_show(struct progress *p); /* draws at most ten times a second */
void progress_say(struct progress *p, const char *text); /* in place of it, until it is drawn */
void progress_clear(struct progress *p);
double progress_seconds(const struct progress *p);

/* Append the line for a moment `elapsed` after the start. width: of the terminal, which the line is
 * not to fill, or it would not be drawn over; 0: of no matter. */
void progress_line(const struct progress *p, usec elapsed, size_t width, struct buf *out);

/* Columns of the terminal; 0: it is none. */
size_t terminal_width(FILE *to);

/* 1234567 as 1,234,567. */
void put_grouped(struct buf *out, uint64_t n);

#endif
