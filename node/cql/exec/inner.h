/* inner.h - statements that a request executes by itself, on tables of the system. Private.
 *
 * What needs them is a plain function that asks one question after the other and is begun anew from
 * its top each time an answer has come: an inner_ask that was answered gives its rows at once, the
 * first that was not starts an operation and gives NULL, and the function returns. So it must do
 * nothing else that counts before its last question, and ask the same questions again.
 *
 *     rows = inner_ask(e, q, &(struct inner_question){"SELECT … WHERE role = ?", {role}, 1,
 * level}); if (rows == NULL) return false;      (q->op is under way, or the run says what is wrong)
 */
#ifndef TORC_NODE_CQL_EXEC_INNER_H
#define TORC_NODE_CQL_EXEC_INNER_H

#include "node/cql/exec/core.h"

#define INNER_VALUES_MAX 8
#define INNER_ROWS_MAX   200000 /* of one answer */

struct request;

struct inner_question {
    const char *text; /* a constant: it names the question, with the values */
    struct bytes values[INNER_VALUES_MAX];
    size_t count;
    enum cql_consistency level;
    const char *trouble;      /* before what the error says of itself; NULL: the error as it is */
    enum cql_error_code code; /* with trouble: in place of the error's own */
};

struct inner_rows {
    struct cql_value **items; /* as many values as the statement selects */
    size_t count;
};

struct inner; /* one question, asked or answered */

const struct inner_rows *inner_ask(struct exec *e, struct request *q,
                                   const struct inner_question *question);

/* The operation has come back. True: begin the function again. */
bool inner_done(struct exec *e, struct request *q, const struct exec_result *result);

void inner_close(struct request *q);

/* Values of rows. */
const char *inner_text(struct run *r, const struct cql_value *v); /* NULL for null */
bool inner_bool(const struct cql_value *v);
size_t inner_set(struct run *r, const struct cql_value *v, const char ***ret_items);
/* A set<text> of these. */
struct bytes inner_set_make(struct run *r, const char *const *items, size_t count);

#endif
