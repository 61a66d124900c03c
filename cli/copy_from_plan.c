/* copy_from_plan.c - before and after the run of COPY FROM: which column each field fills, the
 * statement that stores a row, the file, and the line of counts at the end. */
#include "cli/cells.h"
#include "cli/copy_from.h"
#include "cli/net.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TEXT_MAX ((size_t)1 << 20)
#define ROW_MAX  ((size_t)256 << 20)

static bool prepare(struct import *m, struct bytes text, struct cql_response *ret)
{
    struct cql_request request = {.opcode = CQL_PREPARE};
    struct errmsg why;
    request.prepare.text = text;
    if (client_ask(&m->s->client, &request, &m->arena, ret, &why) != ERR_OK)
        return session_complain(m->s, "COPY: %s", why.text);
    if (ret->opcode == CQL_ERROR) {
        struct buf words;
        buf_init(&words, TEXT_MAX);
        client_error_text(&ret->error, &words);
        session_complain(m->s, "COPY: %.*s", (int)words.len, (const char *)words.data);
        buf_close(&words);
        return false;
    }
    if (ret->opcode != CQL_RESULT || ret->kind != CQL_RESULT_PREPARED)
        return session_complain(m->s, "COPY: the server did not prepare the statement");
    return true;
}

/* Names for the fields: the list of the command, else the heading of the file, else (no names) the
 * columns of the table in its order. False when the heading cannot be read. */
static bool choose_names(struct import *m, struct bytes **ret_names, size_t *ret_count)
{
    struct csv_record heading = {NULL, 0, 0};
    *ret_names = m->request->columns;
    *ret_count = m->request->columns_count;
    if (!m->options->header)
        return true;
    enum csv_next next;
    while ((next = csv_next(&m->reader, &heading)) == CSV_MORE && !m->read_all)
        import_read_more(m);
    if (next != CSV_RECORD)
        return session_complain(m->s, "COPY: the file has no heading");
    if (*ret_count > 0)
        return true;
    *ret_names = arena_array(&m->arena, struct bytes, heading.count);
    *ret_count = heading.count;
    for (size_t i = 0; i < heading.count; i++)
        (*ret_names)[i] = arena_copy(&m->arena, heading.fields[i].text);
    return true;
}

/* Prepare a SELECT that is never run: it tells the columns and their types. */
static bool learn_columns(struct import *m, const struct bytes *names, size_t count)
{
    struct cql_response response;
    struct buf text;
    buf_init(&text, TEXT_MAX);
    buf_put_text(&text, "SELECT ");
    for (size_t i = 0; i < count; i++) {
        buf_put_text(&text, i > 0 ? ", " : "");
        copy_put_name(&text, names[i]);
    }
    buf_put_text(&text, count > 0 ? " FROM " : "* FROM ");
    copy_put_table(&text, m->request);
    bool fine = prepare(m, buf_bytes(&text), &response);
    buf_close(&text);
    if (!fine && m->options->header && m->request->columns_count == 0)
        session_complain(m->s, "COPY: the columns are taken from the heading of the file; to name "
                               "them yourself: COPY table (a, b, ...) FROM ...");
    if (!fine)
        return false;
    const struct cql_metadata *md = &response.prepared.result;
    if (md->columns == NULL || md->column_count == 0 || md->column_count > COPY_COLUMNS_MAX)
        return session_complain(m->s, "COPY: the server does not tell the columns of the table");
    m->fields_count = md->column_count;
    m->columns = arena_array(&m->arena, struct import_column, md->column_count);
    for (size_t i = 0; i < md->column_count; i++) {
        struct import_column *c = &m->columns[i];
        c->name = arena_text(&m->arena, md->columns[i].name);
        c->type = cell_type(md->columns[i].type, &m->arena);
        c->marker = i;
        if (c->type == NULL)
            return session_complain(m->s, "COPY: column %s has a type that COPY cannot read",
                                    c->name);
        m->counters = m->counters || c->type->kind == CQL_COUNTER;
    }
    return true;
}

static void put_list(struct import *m, struct buf *out)
{
    for (size_t i = 0; i < m->fields_count; i++) {
        buf_put_text(out, i > 0 ? ", " : "");
        copy_put_name(out, bytes_text(m->columns[i].name));
    }
}

static void put_insert(struct import *m, struct buf *out)
{
    buf_put_text(out, "INSERT INTO ");
    copy_put_table(out, m->request);
    buf_put_text(out, " (");
    put_list(m, out);
    buf_put_text(out, ") VALUES (");
    for (size_t i = 0; i < m->fields_count; i++)
        buf_put_text(out, i > 0 ? ", ?" : "?");
    buf_put_u8(out, ')');
    if (m->options->ttl > 0)
        buf_printf(out, " USING TTL %lld", (long long)m->options->ttl);
}

/* A table with counters has only counters beside its key, and they are added to. */
static void put_increment(struct import *m, struct buf *out)
{
    size_t marker = 0;
    buf_put_text(out, "UPDATE ");
    copy_put_table(out, m->request);
    for (int keys = 0; keys < 2; keys++) {
        const char *before = keys ? " WHERE " : " SET ";
        for (size_t i = 0; i < m->fields_count; i++) {
            struct import_column *c = &m->columns[i];
            if ((c->type->kind == CQL_COUNTER) == (keys == 1))
                continue;
            buf_put_text(out, before);
            copy_put_name(out, bytes_text(c->name));
            buf_put_text(out, " = ");
            if (keys == 0) {
                copy_put_name(out, bytes_text(c->name));
                buf_put_text(out, " + ");
            }
            buf_put_u8(out, '?');
            c->marker = marker++;
            c->key = keys == 1;
            before = keys ? " AND " : ", ";
        }
    }
}

bool import_prepare(struct import *m)
{
    struct cql_response response;
    struct buf text;
    buf_init(&text, TEXT_MAX);
    if (m->counters)
        put_increment(m, &text);
    else
        put_insert(m, &text);
    bool fine = prepare(m, buf_bytes(&text), &response);
    buf_close(&text);
    if (!fine)
        return false;
    const struct cql_prepared *p = &response.prepared;
    if (p->bind.column_count != m->fields_count)
        return session_complain(m->s, "COPY: the server prepared another statement than was meant");
    for (size_t i = 0; i < p->bind.pk_count && !m->counters; i++) {
        if (p->bind.pk_indexes[i] < m->fields_count)
            m->columns[p->bind.pk_indexes[i]].key = true;
    }
    m->id = arena_copy(&m->arena, p->id);
    m->result_metadata_id = arena_copy(&m->arena, p->result_metadata_id);
    return true;
}

static void make_slots(struct import *m)
{
    size_t count = (size_t)m->options->in_flight;
    m->slots = arena_array(&m->arena, struct slot, count);
    m->free_slots = arena_array(&m->arena, uint16_t, count);
    m->ends = arena_array(&m->arena, size_t, m->fields_count);
    for (size_t i = count; i > 0; i--) {
        struct slot *slot = &m->slots[i - 1];
        slot->values = arena_array(&m->arena, struct cql_value, m->fields_count);
        slot->fields = arena_array(&m->arena, struct csv_field, m->fields_count);
        buf_init(&slot->bytes, ROW_MAX);
        buf_init(&slot->text, ROW_MAX);
        m->free_slots[m->free_count++] = (uint16_t)(i - 1);
    }
    m->window = count;
}

static bool open_file(struct import *m)
{
    const struct copy_request *r = m->request;
    struct stat st;
    m->chunk = mem_alloc(IMPORT_CHUNK);
    if (r->file.len == 0) {
        if (m->s->interactive)
            fputs("Rows now; \\. on a line of its own ends them.\n", m->s->out);
        return true;
    }
    char path[4000];
    snprintf(path, sizeof path, "%.*s", (int)r->file.len, (const char *)r->file.data);
    m->file = fopen(path, "r");
    if (m->file == NULL)
        return session_complain(m->s, "COPY: cannot read %s: %s", path, strerror(errno));
    snprintf(m->bad_path, sizeof m->bad_path, "%s.err", path);
    if (fstat(fileno(m->file), &st) == 0 && S_ISREG(st.st_mode))
        m->progress.bytes_all = (uint64_t)st.st_size;
    return true;
}

static bool finish(struct import *m)
{
    double seconds = progress_seconds(&m->progress);
    progress_clear(&m->progress);
    if (net_interrupted)
        m->stop = "interrupted";
    fprintf(m->s->out, "%llu rows imported in %.3f s (%.0f rows/s)",
            (unsigned long long)m->progress.rows, seconds,
            (double)m->progress.rows / (seconds > 0.001 ? seconds : 0.001));
    if (m->retries > 0)
        fprintf(m->s->out, ", %llu retries", (unsigned long long)m->retries);
    if (m->errors > 0)
        fprintf(m->s->out, ", %llu rows failed", (unsigned long long)m->errors);
    if (m->bad != NULL)
        fprintf(m->s->out, ": see %s", m->bad_path);
    fputc('\n', m->s->out);
    fflush(m->s->out);
    if (m->stop != NULL)
        return session_complain(m->s,
                                "COPY stopped: %s; %zu rows without an answer may be stored or not",
                                m->stop, m->sent + m->paused);
    return m->errors == 0;
}

static void close_import(struct import *m)
{
    for (int64_t i = 0; m->slots != NULL && i < m->options->in_flight; i++) {
        buf_close(&m->slots[i].bytes);
        buf_close(&m->slots[i].text);
    }
    if (m->file != NULL)
        fclose(m->file);
    if (m->bad != NULL)
        fclose(m->bad);
    mem_free(m->chunk);
    free(m->line);
    csv_reader_close(&m->reader);
    arena_close(&m->arena);
}

bool copy_from(struct session *s, const struct copy_request *request)
{
    struct import m = {.s = s, .request = request, .options = &request->options};
    struct bytes *names;
    struct errmsg why;
    size_t count;
    if (session_connect(s, &why) != ERR_OK)
        return session_complain(s, "%s", why.text);
    arena_init(&m.arena);
    csv_reader_init(&m.reader, request->options.format);
    bool bar = (s->interactive && s->terminal && request->file.len > 0) || s->progress;
    progress_start(&m.progress, bar ? s->err : NULL, "importing");
    bool fine = open_file(&m) && choose_names(&m, &names, &count) &&
                learn_columns(&m, names, count) && import_prepare(&m);
    if (fine) {
        make_slots(&m);
        import_run(&m);
        fine = finish(&m);
        if (m.sent > 0) /* late answers would be taken for those of a later COPY */
            client_close(&s->client);
    }
    close_import(&m);
    return fine;
}
