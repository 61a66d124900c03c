/* tracing.c - TRACING ON and SHOW SESSION: what each node did for a statement, as the server has
 * written it down, in the columns of cqlsh. */
#include "cli/session.h"

#include "cli/cells.h"

#include <math.h>
#include <string.h>
#include <time.h>

#define TRIES      40
#define TRY_AGAIN  (50 * USEC_PER_MS)
#define QUERY_SIZE 256
#define TIME_SIZE  64

/* Of the row of system_traces.sessions. */
struct trace {
    struct bytes request;
    struct bytes client, coordinator;
    int64_t started;  /* us since 1970 */
    int32_t duration; /* us; -1: not over */
};

static int64_t number(struct cql_value v)
{
    return v.kind == CQL_VALUE_SET && v.data.len == 8   ? (int64_t)load_u64(v.data.data)
           : v.kind == CQL_VALUE_SET && v.data.len == 4 ? (int32_t)load_u32(v.data.data)
                                                        : -1;
}

static bool ask(struct session *s, const char *columns, const char *table, const char *id,
                struct arena *a, struct cql_response *ret)
{
    struct errmsg why;
    char query[QUERY_SIZE];
    (void)snprintf(query, sizeof query, "SELECT %s FROM system_traces.%s WHERE session_id = %s",
                   columns, table, id);
    if (client_query(&s->client, query, a, ret, &why) != ERR_OK)
        return session_complain(s, "Unable to fetch query trace: %s", why.text);
    return ret->kind == CQL_RESULT_ROWS;
}

/* The end of a session is written last; after some time it is shown as it is. */
static bool read_session(struct session *s, const char *id, struct arena *a, struct trace *ret)
{
    struct cql_response response;
    const struct timespec pause = {0, TRY_AGAIN * 1000};
    for (int i = 0; i < TRIES; i++) {
        arena_reset(a);
        if (!ask(s, "request, client, coordinator, started_at, duration", "sessions", id, a,
                 &response))
            return false;
        struct reader r = cql_rows_reader(&response.rows);
        bool there = response.rows.count == 1 && response.rows.metadata.column_count == 5;
        if (there) {
            ret->request = arena_copy(a, cql_read_bytes(&r).data);
            ret->client = arena_copy(a, cql_read_bytes(&r).data);
            ret->coordinator = arena_copy(a, cql_read_bytes(&r).data);
            ret->started = number(cql_read_bytes(&r)) * USEC_PER_MS;
            ret->duration = (int32_t)number(cql_read_bytes(&r));
        }
        if (there && (ret->duration >= 0 || i + 1 == TRIES))
            return true;
        (void)nanosleep(&pause, NULL);
    }
    return session_complain(s, "Session %s wasn't found.", id);
}

static void put_inet(struct table *t, struct bytes v)
{
    static const struct cql_type inet = {.kind = CQL_INET};
    cell_print(&inet, v, table_text(t));
    table_end_cell(t);
}

/* As the place where we are has it; whole seconds without a fraction. */
static void put_time(struct table *t, int64_t at)
{
    char text[TIME_SIZE];
    struct tm tm;
    time_t seconds = (time_t)(at / USEC_PER_SEC);
    size_t n = localtime_r(&seconds, &tm) != NULL
                   ? strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm)
                   : 0;
    if (at % USEC_PER_SEC != 0)
        n += (size_t)snprintf(text + n, sizeof text - n, ".%06d", (int)(at % USEC_PER_SEC));
    table_put_cell(t, bytes_make((const uint8_t *)text, n));
}

static void put_elapsed(struct table *t, int64_t us)
{
    if (us > 0)
        buf_printf(table_text(t), "%lld", (long long)us);
    else
        buf_put_text(table_text(t), "--");
    table_end_cell(t);
}

/*
 * us since 1970 of an id that holds a time, which counts steps of 100 ns since 1582. Rounded as the
 * Python driver does it, by way of seconds in a double, so that cqlsh shows the same.
 */
static int64_t time_of(struct bytes id)
{
    if (id.len != sizeof(struct uuid))
        return 0;
    uint64_t low = load_u32(id.data);
    uint64_t mid = load_u16(id.data + 4);
    uint64_t high = load_u16(id.data + 6) & 0x0fff;
    int64_t steps = (int64_t)(high << 48 | mid << 32 | low) - 0x01b21dd213814000LL;
    double seconds = 0;
    double fraction = modf((double)steps / 1e7, &seconds);
    return (int64_t)seconds * USEC_PER_SEC + (int64_t)rint(fraction * USEC_PER_SEC);
}

static void put_events(struct table *t, const struct cql_rows *rows, const struct trace *trace)
{
    struct reader r = cql_rows_reader(rows);
    for (uint32_t i = 0; i < rows->count; i++) {
        struct bytes activity = cql_read_bytes(&r).data, thread = cql_read_bytes(&r).data;
        struct bytes id = cql_read_bytes(&r).data, source = cql_read_bytes(&r).data;
        int64_t elapsed = number(cql_read_bytes(&r));
        buf_put_bytes(table_text(t), activity);
        buf_put_text(table_text(t), " [");
        buf_put_bytes(table_text(t), thread);
        buf_put_text(table_text(t), "]");
        table_end_cell(t);
        put_time(t, time_of(id));
        put_inet(t, source);
        put_elapsed(t, elapsed);
        put_inet(t, trace->client);
    }
}

static void put_ends(struct table *t, const struct trace *trace, bool over)
{
    table_put_cell(t, over ? BYTES_LIT("Request complete") : trace->request);
    put_time(t, trace->started + (over ? trace->duration : 0));
    put_inet(t, trace->coordinator);
    if (over)
        put_elapsed(t, trace->duration);
    else
        table_put_cell(t, BYTES_LIT("0"));
    put_inet(t, trace->client);
}

static void print_trace(struct session *s, const struct trace *trace, const struct cql_rows *rows)
{
    static const char *const names[] = {"activity", "timestamp", "source", "source_elapsed",
                                        "client"};
    struct table t;
    struct buf out;
    buf_init(&out, TABLE_TEXT_MAX);
    table_init(&t, TABLE_AS_TABLE);
    t.look.colours = s->colours && s->capture == NULL;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        table_add_column(&t, bytes_text(names[i]), i == 3);
    put_ends(&t, trace, false);
    put_events(&t, rows, trace);
    if (trace->duration > 0)
        put_ends(&t, trace, true);
    table_print(&t, &out, true, false);
    buf_put_u8(&out, '\n');
    session_write(s, buf_bytes(&out));
    table_close(&t);
    buf_close(&out);
}

bool session_show_trace(struct session *s, const char *id)
{
    struct cql_response response;
    struct arena found, events;
    struct trace trace = {.duration = -1};
    arena_init(&found);
    arena_init(&events);
    bool fine = read_session(s, id, &found, &trace) &&
                ask(s, "activity, thread, event_id, source, source_elapsed", "events", id, &events,
                    &response);
    if (fine && response.rows.metadata.column_count == 5) {
        session_print(s, "\nTracing session: %s\n\n", id);
        print_trace(s, &trace, &response.rows);
    }
    arena_close(&found);
    arena_close(&events);
    return fine;
}
