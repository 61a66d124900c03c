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
};

void progress_start(struct progress *p, FILE *to, const char *verb);
void progress_show(struct progress *p); /* draws at most ten times a second */
void progress_clear(struct progress *p);
double progress_seconds(const struct progress *p);

/* Append the line for a moment `elapsed` after the start. */
void progress_line(const struct progress *p, usec elapsed, struct buf *out);

/* 1234567 as 1,234,567. */
void put_grouped(struct buf *out, uint64_t n);

#endif
