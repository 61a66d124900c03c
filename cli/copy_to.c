#include "cli/cells.h"
#include "cli/convert.h"
#include "cli/copy.h"
#include "cli/net.h"
#include "cli/progress.h"
#include "cli/session.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define STREAM_TO  1
#define PAGE_MAX   ((size_t)1 << 30)
#define TRIES_MAX  5
#define PAUSE_BASE (100 * USEC_PER_MS)

struct export
{
    struct session *s;
    const struct copy_request *request;
    FILE *to;
    struct arena arena; /* of the page at hand */
    struct arena types_arena;
    const struct cql_type **types; /* NULL until the first page */
    size_t columns;
    struct cql_request query;
    struct buf text; /* of the query */
    struct buf out;
    struct buf cell;
    struct progress progress;
};

static void put_row(struct export *e, struct reader *r)
{
    const struct copy_options *o = &e->request->options;
    for (size_t c = 0; c < e->columns; c++) {
        struct cql_value v = cql_read_bytes(r);
        if (c > 0)
            buf_put_u8(&e->out, o->format.delimiter);
        if (v.kind != CQL_VALUE_SET) {
            buf_put_bytes(&e->out, o->null);
            continue;
        }
        buf_clear(&e->cell);
        if (e->types[c] != NULL)
            convert_print(e->types[c], v.data, &e->cell);
        else
            cell_print(NULL, v.data, &e->cell);
        struct bytes text = buf_bytes(&e->cell);
        csv_put_field(&e->out, o->format, text, bytes_equal(text, o->null));
    }
    buf_put_u8(&e->out, '\n');
}

static void first_page(struct export *e, const struct cql_metadata *m)
{
    const struct copy_options *o = &e->request->options;
    e->columns = m->columns != NULL ? m->column_count : 0;
    e->types = arena_array(&e->types_arena, const struct cql_type *, e->columns + 1);
    for (size_t i = 0; i < e->columns; i++) {
        e->types[i] = cell_type(m->columns[i].type, &e->types_arena);
        if (!o->header)
            continue;
        if (i > 0)
            buf_put_u8(&e->out, o->format.delimiter);
        csv_put_field(&e->out, o->format, m->columns[i].name, false);
    }
    if (o->header)
        buf_put_u8(&e->out, '\n');
}

static bool write_out(struct export *e)
{
    bool fine = e->out.len == 0 || fwrite(e->out.data, 1, e->out.len, e->to) == e->out.len;
    if (e->out.failed)
        return session_complain(e->s,
                                "COPY: one page is longer than 1 GiB; use a smaller PAGESIZE");
    buf_clear(&e->out);
    return fine || session_complain(e->s, "COPY: cannot write: %s", strerror(errno));
}

static bool ask(struct export *e)
{
    struct errmsg why;
    if (client_put(&e->s->client, STREAM_TO, &e->query, &why) == ERR_OK)
        return true;
    return session_complain(e->s, "COPY: %s", why.text);
}

static bool worth_another_try(const struct cql_response *r)
{
    return r->opcode == CQL_ERROR &&
           (r->error.code == CQL_ERROR_OVERLOADED || r->error.code == CQL_ERROR_READ_TIMEOUT ||
            r->error.code == CQL_ERROR_UNAVAILABLE || r->error.code == CQL_ERROR_BOOTSTRAPPING);
}

/* The answer to the page asked for. */
static bool take_page(struct export *e, struct cql_response *ret)
{
    struct errmsg why;
    int16_t stream;
    usec deadline = net_clock() + e->s->config.request_timeout;
    arena_reset(&e->arena);
    do {
        enum err err = client_wait(&e->s->client, deadline, &e->arena, &stream, ret, &why);
        if (err != ERR_OK)
            return session_complain(e->s, "COPY: %s", why.text);
    } while (stream != STREAM_TO);
    return true;
}

/* The connection lends a page's bytes only until it is waited on: what is asked again in vain needs
 * a paging state of its own. */
static bool pages(struct export *e)
{
    struct cql_response response;
    struct cql_params *params = &e->query.query.params;
    struct arena state;
    unsigned tries = 0;
    bool more = true, fine = ask(e);
    arena_init(&state);
    while (fine && more) {
        fine = take_page(e, &response);
        if (fine && worth_another_try(&response) && ++tries < TRIES_MAX) {
            usleep((useconds_t)(PAUSE_BASE << tries));
            fine = ask(e);
            continue;
        }
        if (!fine || response.opcode != CQL_RESULT || response.kind != CQL_RESULT_ROWS) {
            if (fine && response.opcode == CQL_ERROR) {
                client_error_text(&response.error, &e->cell);
                session_complain(e->s, "COPY: %.*s", (int)e->cell.len, (const char *)e->cell.data);
            }
            fine = false;
            break;
        }
        tries = 0;
        more = (response.rows.metadata.flags & CQL_META_MORE_PAGES) != 0;
        if (more) { /* the server works on the next page while we write this one */
            arena_reset(&state);
            params->flags |= CQL_QUERY_PAGING_STATE;
            params->paging_state = arena_copy(&state, response.rows.metadata.paging_state);
            fine = ask(e);
            client_flush(&e->s->client);
        }
        if (e->types == NULL)
            first_page(e, &response.rows.metadata);
        struct reader r = cql_rows_reader(&response.rows);
        bool same = response.rows.metadata.column_count == e->columns;
        if (!same)
            fine = session_complain(e->s, "COPY: the columns of the table changed meanwhile");
        for (uint32_t i = 0; same && i < response.rows.count; i++)
            put_row(e, &r);
        e->progress.rows += same ? response.rows.count : 0;
        fine = write_out(e) && fine;
        progress_show(&e->progress);
    }
    arena_close(&state);
    return fine;
}

static void make_query(struct export *e)
{
    const struct copy_request *r = e->request;
    buf_put_text(&e->text, "SELECT ");
    for (size_t i = 0; i < r->columns_count; i++) {
        buf_put_text(&e->text, i > 0 ? ", " : "");
        copy_put_name(&e->text, r->columns[i]);
    }
    buf_put_text(&e->text, r->columns_count > 0 ? " FROM " : "* FROM ");
    copy_put_table(&e->text, r);
    e->query.opcode = CQL_QUERY;
    e->query.query.text = buf_bytes(&e->text);
    e->query.query.params.consistency = e->s->consistency;
    e->query.query.params.flags = CQL_QUERY_PAGE_SIZE;
    e->query.query.params.page_size = (int32_t)r->options.page_size;
}

bool copy_to(struct session *s, const struct copy_request *request)
{
    struct export e = {.s = s, .request = request, .to = s->capture ? s->capture : s->out};
    struct errmsg why;
    char path[4096] = "";
    if (session_connect(s, &why) != ERR_OK)
        return session_complain(s, "%s", why.text);
    if (request->file.len > 0) {
        snprintf(path, sizeof path, "%.*s", (int)request->file.len,
                 (const char *)request->file.data);
        e.to = fopen(path, "w");
        if (e.to == NULL)
            return session_complain(s, "COPY: cannot write %s: %s", path, strerror(errno));
    }
    arena_init(&e.arena);
    arena_init(&e.types_arena);
    buf_init(&e.text, PAGE_MAX);
    buf_init(&e.out, PAGE_MAX);
    buf_init(&e.cell, PAGE_MAX);
    bool bar = (request->file.len > 0 && s->interactive && s->terminal) || s->progress;
    progress_start(&e.progress, bar ? s->err : NULL, "exporting");
    make_query(&e);
    bool fine = pages(&e);
    progress_clear(&e.progress);
    if (!fine) /* a late answer would be taken for one of a later COPY */
        client_close(&s->client);
    bool closed = request->file.len > 0 ? fclose(e.to) == 0 : fflush(e.to) == 0;
    if (!closed)
        fine = session_complain(s, "COPY: cannot write: %s", strerror(errno));
    double seconds = progress_seconds(&e.progress);
    fprintf(request->file.len > 0 ? s->out : s->err,
            "%llu rows exported to %s in %.3f s (%.0f rows/s)%s\n",
            (unsigned long long)e.progress.rows, request->file.len > 0 ? path : "STDOUT", seconds,
            (double)e.progress.rows / (seconds > 0.001 ? seconds : 0.001),
            fine ? "" : "; not all of the table");
    buf_close(&e.text);
    buf_close(&e.out);
    buf_close(&e.cell);
    arena_close(&e.arena);
    arena_close(&e.types_arena);
    return fine;
}
