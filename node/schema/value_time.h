/* value_time.h - calendar and clock texts. Private to this folder. */
#ifndef TORC_NODE_SCHEMA_VALUE_TIME_H
#define TORC_NODE_SCHEMA_VALUE_TIME_H

#include "node/schema/value.h"

/* Days since 1970-01-01 of a civil date (month and day from 1), and back. */
int64_t days_from_civil(int64_t y, int64_t m, int64_t d);
void civil_from_days(int64_t days, int64_t *y, int64_t *m, int64_t *d);

void time_print_date(int64_t days, struct buf *out); /* days since 1970-01-01 */
void time_print_timestamp(int64_t ms, struct buf *out);
void time_print_time(int64_t nanos, struct buf *out);
void time_print_duration(const struct cql_duration *d, struct buf *out);

/* A decimal integer with optional '-', nothing else: false also when it does not fit. */
bool integer_from_text(struct bytes text, int64_t *ret);

#endif
