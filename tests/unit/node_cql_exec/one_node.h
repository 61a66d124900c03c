/* one_node.h - an executor with a cluster of one beneath it: a real engine over a store in memory,
 * a schema that applies what is proposed at once. Requests go in as decoded messages, replies come
 * out as text, so that a test is a table of CQL and answers.
 *
 *   rows         "1, 'a' | 2, null"      none: "(no rows)"      more pages: " …" at the end
 *   void         "void"                  errors  "INVALID: why"
 *   use          "keyspace ks"           schema changes  "CREATED TABLE ks.t"
 *   warnings     after the rest: " [warning: why]"
 */
#ifndef TORC_TESTS_UNIT_NODE_CQL_EXEC_ONE_NODE_H
#define TORC_TESTS_UNIT_NODE_CQL_EXEC_ONE_NODE_H

#include "node/cql/exec/exec.h"

struct one_node {
    struct exec *exec;
    struct exec_view view;
    struct exec_peer peers[2];
    const struct schema *schema;
    struct store *store;
    struct engine *engine;
    struct now now;
    int64_t timestamp_us;
    uint8_t version;
    char *keyspace;
    char *user;             /* NULL: nobody */
    const char *client;     /* who sends the requests; NULL: not said */
    struct cql_map payload; /* of requests */
    uint32_t events;
    enum err fail_reads, fail_writes; /* what the coordinator says instead */
    enum err fail_passwords;          /* and who hashes */
    size_t reads, writes, mutations, passwords;
    enum cql_write_type kind;   /* of the last write */
    int64_t stamp_us;           /* the same */
    enum exec_lost lost;        /* what is said of writes, .. */
    int64_t behind_us;          /* .. by so much */
    uint64_t other_conn;        /* requests come from another connection, if not 0 */
    const char *no_timestamp;   /* why the node gives none; NULL: it does */
    enum cql_consistency level; /* of requests */
    bool held;                  /* operations wait in `waiting` */
    uint64_t waiting;

    struct arena arena; /* of the last reply */
    struct cql_response response;
    bool replied;
    struct buf text;
};

void one_node_open(struct one_node *n);
void one_node_open_with(struct one_node *n, const struct exec_config *config);
void one_node_close(struct one_node *n);

/* Send a request and perform what it asks for; the reply is in n->response. */
void one_node_request(struct one_node *n, const struct cql_request *request);

/* The reply as text; until the next request. */
const char *one_node_text(struct one_node *n);

/* Make the first superuser; log in. The hash of a password is "hash of " and it. */
const char *one_node_setup(struct one_node *n);
const char *one_node_login(struct one_node *n, const char *role, const char *password);

/* QUERY without values; `paging` > 0: page size, `state` as it was given or empty. */
const char *one_node_query(struct one_node *n, const char *cql);
const char *one_node_page(struct one_node *n, const char *cql, int32_t size, struct bytes state);

/* PREPARE and EXECUTE with values by position. */
const char *one_node_execute(struct one_node *n, const char *cql, const struct cql_value *values,
                             size_t count);

struct story { /* NULL text ends it */
    const char *cql;
    const char *reply;
};
/* Every query of the story gives its reply; a difference is printed and fails the test. A reply
 * that ends in "*" need only begin so. */
void one_node_story(struct one_node *n, const struct story *story);

#endif
