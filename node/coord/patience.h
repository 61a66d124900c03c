/* patience.h - how long replicas take to answer, by table; and how long one is waited for.
 *
 * What counts is lately: when ANSWER_FADES values are there, half of each bucket goes. Kept for
 * ANSWER_TABLES_MAX tables (16 KiB each); one more takes the place of that which was idle longest,
 * if it has been idle for long, and else has the latencies of all tables together.
 */
#ifndef TORC_NODE_COORD_PATIENCE_H
#define TORC_NODE_COORD_PATIENCE_H

#include "base/histogram.h"
#include "base/map.h"
#include "base/types.h"

#define PATIENCE_USUAL    990000 /* per million: the usual patience */
#define ANSWER_TABLES_MAX 128
#define ANSWER_FADES      8192
#define ANSWER_IDLE       16384              /* values of other tables, since it had one */
#define ANSWER_KNOWN      100                /* so few values say nothing .. */
#define PATIENCE_FIRST_US (50 * USEC_PER_MS) /* .. and this is taken for each percentile */
#define PATIENCE_MIN_US   (5 * USEC_PER_MS)  /* below it a request more costs more than it saves */

enum answer_kind { ANSWER_READ, ANSWER_WRITE, ANSWER_KINDS };

/* The table options speculative_retry and additional_write_policy. */
struct patience {
    enum {
        PATIENCE_PERCENTILE,
        PATIENCE_FIXED,
        PATIENCE_MIN, /* the shorter of the two */
        PATIENCE_MAX,
        PATIENCE_NONE,   /* nothing is waited for */
        PATIENCE_ENDLESS /* it is waited for whatever happens */
    } kind;
    uint32_t per_million;
    usec fixed;
};

struct answer_times {
    struct map by_table;              /* struct table_times */
    struct lately *all[ANSWER_KINDS]; /* of all tables */
    uint64_t notes;
};

void answer_times_init(struct answer_times *l);
void answer_times_close(struct answer_times *l);
void answer_time_note(struct answer_times *l, table_no table, enum answer_kind kind, usec took);

/* So long a replica is waited for; 0, or USEC_NEVER. */
usec patience_us(struct answer_times *l, table_no table, enum answer_kind kind,
                 const struct patience *p);

#endif
