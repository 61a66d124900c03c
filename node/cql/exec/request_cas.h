/* request_cas.h - a request with IF while it runs. Private to this folder. */
#ifndef TORC_NODE_CQL_EXEC_REQUEST_CAS_H
#define TORC_NODE_CQL_EXEC_REQUEST_CAS_H

#include "node/cql/exec/modify.h"
#include "node/cql/exec/request.h"

/* A statement of the batch, and which row it is about. */
struct cas_item {
    struct modify modify;
    bool has_row; /* else the static one alone, or a range */
    struct bytes row_key;
};

struct cas_request {
    const struct table *table;
    struct bytes key;
    struct cas_item *items; /* as many as statements */
    bool exists;            /* an IF [NOT] EXISTS among them */
    bool rows, statics;     /* some statement writes rows, static columns */
    bool static_conditions, row_conditions;
    struct scan scan;
    struct part seen; /* what was read; its own copy */
    struct part part; /* the same as it is shown: of siblings the winners */
    struct exec_mutation change;
    struct bytes answer; /* when it is not applied: the body of the result */
    uint64_t session;
    bool finding_row; /* the read of the first row is under way */
};

/* The static row that was read, NULL when it holds nothing. */
const struct row *cas_static_row(const struct request *q);

/* request_cas_answer.c: q->cas->answer := the body that tells what was found instead. */
bool cas_make_answer(struct request *q);
void cas_reply_rows(struct exec *e, struct request *q, struct bytes body);
void cas_reply_applied(struct exec *e, struct request *q);

#endif
