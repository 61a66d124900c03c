/* TRACING ON and SHOW SESSION: what each node did for a statement, as the server has written it
 * down. */
#include "cli/session.h"

#include "base/mem.h"

#include <time.h>

#define TRIES      40
#define TRY_AGAIN  (50 * USEC_PER_MS)
#define QUERY_SIZE 256

/* The end of a session is written last. */
static bool is_over(struct session *s, const char *id)
{
    struct cql_response response;
    struct arena arena;
    struct errmsg why;
    char query[QUERY_SIZE];
    bool over = true; /* asking again would not help */
    arena_init(&arena);
    (void)snprintf(query, sizeof query,
                   "SELECT duration FROM system_traces.sessions WHERE session_id = %s", id);
    if (client_query(&s->client, query, &arena, &response, &why) == ERR_OK &&
        response.opcode == CQL_RESULT && response.kind == CQL_RESULT_ROWS) {
        struct reader r = cql_rows_reader(&response.rows);
        over = response.rows.count == 1 && cql_read_bytes(&r).kind == CQL_VALUE_SET;
    }
    arena_close(&arena);
    return over;
}

bool session_show_trace(struct session *s, const char *id)
{
    char query[QUERY_SIZE];
    bool tracing = s->tracing;
    const struct timespec pause = {0, TRY_AGAIN * 1000};
    for (int i = 0; i < TRIES && !is_over(s, id); i++)
        (void)nanosleep(&pause, NULL);
    session_print(s, "\nTracing session: %s\n", id);
    s->tracing = false;
    (void)snprintf(query, sizeof query,
                   "SELECT request, client, coordinator, duration, started_at FROM "
                   "system_traces.sessions WHERE session_id = %s",
                   id);
    bool fine = session_statement(s, bytes_text(query));
    (void)snprintf(query, sizeof query,
                   "SELECT activity, source, source_elapsed, thread FROM system_traces.events "
                   "WHERE session_id = %s",
                   id);
    fine = fine && session_statement(s, bytes_text(query));
    s->tracing = tracing;
    return fine;
}
