#include "cli/session.h"

#include "base/mem.h"
#include "cli/net.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define SCRIPT_CHUNK   ((size_t)64 << 10)
#define PAGE_SCRIPT    1000
#define SHOWN_TEXT_MAX TABLE_TEXT_MAX

void session_init(struct session *s, const struct client_config *config)
{
    *s = (struct session){.config = *config,
                          .client = {.fd = -1},
                          .in = stdin,
                          .out = stdout,
                          .err = stderr,
                          .paging = true,
                          .keeps_session = true,
                          .page_rows = SESSION_PAGE_ROWS,
                          .consistency = CQL_CL_ONE,
                          .serial = CQL_CL_SERIAL,
                          .line = 1};
}

void session_close(struct session *s)
{
    if (s->capture != NULL)
        fclose(s->capture);
    client_close(&s->client);
    names_clear(&s->names);
    buf_close(&s->token);
    buf_close(&s->receipts);
    mem_free(s->capture_path);
    mem_free(s->keyspace);
    mem_free(s->username);
    mem_free(s->password);
    *s = (struct session){.client = {.fd = -1}};
}

void session_write(struct session *s, struct bytes text)
{
    if (text.len > 0)
        fwrite(text.data, 1, text.len, s->capture != NULL ? s->capture : s->out);
}

void session_print(struct session *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(s->capture != NULL ? s->capture : s->out, format, args);
    va_end(args);
}

bool session_complain(struct session *s, const char *format, ...)
{
    va_list args;
    fflush(s->out);
    if (s->source != NULL)
        fprintf(s->err, "%s:%llu: ", s->source, (unsigned long long)s->line);
    va_start(args, format);
    vfprintf(s->err, format, args);
    va_end(args);
    fputc('\n', s->err);
    return false;
}

enum err session_connect(struct session *s, struct errmsg *reterr)
{
    if (client_is_open(&s->client))
        return ERR_OK;
    client_close(&s->client);
    enum err err = client_open(&s->client, &s->config, reterr);
    if (err != ERR_OK || s->keyspace == NULL)
        return err;
    struct arena arena;
    struct cql_response response;
    struct buf use;
    arena_init(&arena);
    buf_init(&use, 4096);
    buf_put_text(&use, "USE \"");
    for (const char *c = s->keyspace; *c != 0; c++)
        buf_printf(&use, *c == '"' ? "\"\"" : "%c", *c);
    buf_put_text(&use, "\"");
    buf_put_u8(&use, 0);
    err = client_query(&s->client, (const char *)use.data, &arena, &response, reterr);
    buf_close(&use);
    arena_close(&arena);
    if (err != ERR_OK) { /* it is gone: what the prompt says must be true */
        mem_free(s->keyspace);
        s->keyspace = NULL;
    }
    return err;
}

const char *session_ask_password(void)
{
    return isatty(STDIN_FILENO) ? getpass("Password: ") : NULL;
}

bool session_login(struct session *s, struct bytes name, const struct bytes *password)
{
    struct session next = *s;
    struct errmsg why;
    const char *asked = password == NULL ? session_ask_password() : NULL;
    if (password == NULL && asked == NULL)
        return session_complain(s, "LOGIN needs a password here, where nobody can be asked");
    next.client = (struct client){.fd = -1};
    next.username = mem_alloc(name.len + 1);
    memcpy(next.username, name.data, name.len);
    if (password != NULL) {
        next.password = mem_alloc(password->len + 1);
        if (password->len > 0)
            memcpy(next.password, password->data, password->len);
    } else {
        next.password = mem_text(asked);
    }
    next.config.username = next.username;
    next.config.password = next.password;
    if (session_connect(&next, &why) != ERR_OK) {
        mem_free(next.username);
        mem_free(next.password);
        s->keyspace = next.keyspace;
        return session_complain(s, "%s", why.text);
    }
    client_close(&s->client);
    mem_free(s->username);
    mem_free(s->password);
    *s = next;
    return true;
}

static void set_keyspace(struct session *s, struct bytes keyspace)
{
    mem_free(s->keyspace);
    s->keyspace = mem_alloc(keyspace.len + 1);
    if (keyspace.len > 0)
        memcpy(s->keyspace, keyspace.data, keyspace.len);
}

/* A syntax error names a line of the statement: make it one of the script. */
static bool complain_of(struct session *s, const struct cql_error *error)
{
    struct buf text;
    unsigned line = 0;
    uint64_t before = s->line;
    buf_init(&text, (size_t)1 << 20);
    client_error_text(error, &text);
    buf_put_u8(&text, 0);
    if (error->code == CQL_ERROR_SYNTAX && error->message.len > 6 &&
        sscanf((const char *)text.data, "SyntaxException: line %u:", &line) == 1 && line > 1)
        s->line += line - 1;
    session_complain(s, "%s", (const char *)text.data);
    s->line = before;
    buf_close(&text);
    return false;
}

/* Behind a table they stand as in cqlsh. CSV and JSON are for programs: there they are complaints.
 */
static void put_warnings(const struct session *s, const struct cql_prefix *prefix, struct buf *out)
{
    bool table = s->format == TABLE_AS_TABLE;
    buf_put_text(out, table && prefix->warnings.count > 0 ? "\nWarnings :\n" : "");
    for (size_t i = 0; i < prefix->warnings.count; i++) {
        buf_put_text(out, table ? "" : "warning: ");
        buf_put_bytes(out, prefix->warnings.items[i]);
        buf_put_text(out, table ? "\n\n" : "\n");
    }
}

static void show_warnings(struct session *s, const struct buf *text)
{
    if (s->format == TABLE_AS_TABLE)
        session_write(s, buf_bytes(text));
    else if (text->len > 0)
        fwrite(text->data, 1, text->len, s->err);
}

/* What IF answers is not counted. */
static bool is_counted(struct bytes text)
{
    static const char *const others[] = {"insert", "update", "delete", "begin"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        size_t n = strlen(others[i]);
        if (text.len > n && strncasecmp((const char *)text.data, others[i], n) == 0)
            return false;
    }
    return true;
}

/* False: the user has seen enough. */
static bool ask_for_more(struct session *s)
{
    char line[64];
    if (!s->interactive || !s->terminal || !s->paging || s->capture != NULL)
        return true;
    fputs("---MORE--- (Enter, or q to stop) ", s->out);
    fflush(s->out);
    if (fgets(line, sizeof line, s->in) == NULL)
        return false;
    return line[0] != 'q' && line[0] != 'Q';
}

static bool is_description(struct bytes text)
{
    struct word w[1];
    uint8_t head[16];
    size_t n = 0;
    while (n < sizeof head && n < text.len && text.data[n] > ' ')
        n++;
    memcpy(head, text.data, n);
    if (command_words(head, n, w, 1) != 1)
        return false;
    return word_is(&w[0], "DESCRIBE") || word_is(&w[0], "DESC");
}

/* Show the pages of a result, asking for one after the other. */
static bool show_rows(struct session *s, struct cql_request *request, struct cql_response *response,
                      struct arena *arena)
{
    struct shown shown;
    struct buf out;
    struct errmsg why;
    bool more = true, fine = true;
    buf_init(&out, SHOWN_TEXT_MAX);
    shown_open(&shown, &response->rows.metadata, s->format);
    shown.table.expand = s->expand;
    shown.table.look.colours = s->colours && s->capture == NULL;
    while (more && fine) {
        const struct cql_metadata *m = &response->rows.metadata;
        shown_add(&shown, &response->rows);
        more = (m->flags & CQL_META_MORE_PAGES) != 0;
        table_print(&shown.table, &out, !more, is_counted(request->query.text));
        if (buf_finish(&out) != ERR_OK)
            fine = session_complain(s, "one page of rows is longer than 1 GiB; PAGING with fewer");
        session_write(s, buf_bytes(&out));
        buf_clear(&out);
        if (!more || !fine)
            break;
        if (!ask_for_more(s))
            break;
        request->query.params.flags |= CQL_QUERY_PAGING_STATE;
        request->query.params.paging_state = m->paging_state;
        arena_reset(arena);
        if (session_ask(s, request, arena, response, &why) != ERR_OK)
            fine = session_complain(s, "%s", why.text);
        else if (response->opcode == CQL_ERROR)
            fine = complain_of(s, &response->error);
        else if (response->opcode != CQL_RESULT || response->kind != CQL_RESULT_ROWS ||
                 response->rows.metadata.column_count != shown.table.columns_count)
            fine = session_complain(s, "the columns changed between two pages; run it again");
    }
    shown_close(&shown);
    buf_close(&out);
    return fine;
}

static bool show_result(struct session *s, struct cql_request *request,
                        struct cql_response *response, struct arena *arena)
{
    struct buf out;
    if (response->opcode == CQL_ERROR && is_description(request->query.text))
        return session_complain(s, "%.*s", (int)response->error.message.len,
                                (const char *)response->error.message.data);
    if (response->opcode == CQL_ERROR)
        return complain_of(s, &response->error);
    if (response->opcode != CQL_RESULT)
        return session_complain(s, "the server answered with %s",
                                cql_opcode_name(response->opcode));
    switch (response->kind) {
    case CQL_RESULT_SET_KEYSPACE: set_keyspace(s, response->keyspace); break;
    case CQL_RESULT_SCHEMA_CHANGE: s->names_known = false; break;
    case CQL_RESULT_ROWS:
        buf_init(&out, SHOWN_TEXT_MAX);
        bool told = s->format == TABLE_AS_TABLE && is_description(request->query.text) &&
                    show_description(&response->rows, s->keyspace, &out);
        session_write(s, buf_bytes(&out));
        buf_close(&out);
        return told || show_rows(s, request, response, arena);
    default: break;
    }
    return true;
}

/* The result and what the server warns of, which the next page would drop. */
static bool show_answer(struct session *s, struct cql_request *request,
                        struct cql_response *response, struct arena *arena)
{
    struct buf warnings;
    buf_init(&warnings, SHOWN_TEXT_MAX);
    put_warnings(s, &response->prefix, &warnings);
    bool fine = show_result(s, request, response, arena);
    show_warnings(s, &warnings);
    buf_close(&warnings);
    return fine;
}

bool session_statement(struct session *s, struct bytes text)
{
    struct cql_request request = {.opcode = CQL_QUERY, .tracing = s->tracing};
    struct cql_params *params = &request.query.params;
    struct cql_response response = {.opcode = CQL_ERROR};
    struct errmsg why;
    struct arena arena;
    if (session_connect(s, &why) != ERR_OK)
        return session_complain(s, "%s", why.text);
    arena_init(&arena);
    request.query.text = text;
    params->consistency = s->consistency;
    params->serial_consistency = s->serial;
    params->flags = CQL_QUERY_SERIAL | CQL_QUERY_PAGE_SIZE;
    params->page_size = s->interactive && s->paging ? s->page_rows : PAGE_SCRIPT;
    if (is_description(text))
        params->flags &= ~(unsigned)CQL_QUERY_PAGE_SIZE;
    bool fine;
    if (session_ask(s, &request, &arena, &response, &why) != ERR_OK)
        fine = session_complain(s, "%s", why.text);
    else
        fine = show_answer(s, &request, &response, &arena);
    session_show_receipts(s);
    if (response.prefix.tracing) {
        char id[UUID_TEXT_SIZE];
        fine &= session_show_trace(s, uuid_text(&response.prefix.trace_id, id));
    }
    arena_close(&arena);
    fflush(s->out);
    return fine;
}

static uint64_t lines_in(struct bytes text)
{
    uint64_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += text.data[i] == '\n';
    return n;
}

size_t session_feed(struct session *s, struct bytes text, bool ended, bool *ret_failed)
{
    size_t done = 0;
    *ret_failed = false;
    while (!*ret_failed && !s->quit) {
        struct input_item item;
        struct bytes rest = bytes_make(text.data + done, text.len - done);
        enum input_kind kind = input_next(rest, ended, &item);
        uint64_t first = s->line;
        if (kind != INPUT_MORE) {
            s->line += lines_in(bytes_make(rest.data, item.start));
            *ret_failed = kind == INPUT_CQL ? !session_statement(s, item.text)
                                            : !session_command(s, item.command, item.text);
        }
        s->line = first + lines_in(bytes_make(rest.data, item.used)) + s->data_lines;
        s->data_lines = 0;
        done += item.used;
        if (kind == INPUT_MORE)
            break;
        if (s->interactive)
            *ret_failed = false; /* a person goes on */
        else if (net_interrupted)
            *ret_failed = true;
    }
    return done;
}

bool session_text(struct session *s, const char *text)
{
    bool failed;
    s->line = 1;
    session_feed(s, bytes_text(text), true, &failed);
    return !failed;
}

/* A line at a time when it may also hold the rows of COPY FROM STDIN, else in large pieces. */
static size_t read_piece(struct session *s, FILE *in, struct buf *to)
{
    size_t before = to->len;
    uint8_t *room = buf_extend(to, SCRIPT_CHUNK);
    if (room == NULL)
        return SIZE_MAX;
    size_t n;
    if (in == s->in)
        n = fgets((char *)room, (int)SCRIPT_CHUNK, in) != NULL ? strlen((char *)room) : 0;
    else
        n = fread(room, 1, SCRIPT_CHUNK, in);
    to->len = before + n;
    return n;
}

bool session_script(struct session *s, FILE *in, const char *name)
{
    const char *outer = s->source;
    uint64_t outer_line = s->line;
    bool was_interactive = s->interactive;
    struct buf text;
    bool failed = false, ended = false;
    buf_init(&text, SESSION_INPUT_MAX);
    s->source = name;
    s->line = 1;
    s->interactive = false;
    while (!failed && !ended && !s->quit) {
        size_t n = read_piece(s, in, &text);
        if (n == SIZE_MAX) {
            failed = !session_complain(s, "the statement is longer than 64 MiB; is a quote or a "
                                          "semicolon missing?");
            break;
        }
        ended = n == 0;
        buf_consume(&text, session_feed(s, buf_bytes(&text), ended, &failed));
    }
    if (ferror(in))
        failed = !session_complain(s, "cannot read it");
    buf_close(&text);
    s->source = outer;
    s->line = outer_line;
    s->interactive = was_interactive;
    return !failed;
}

/* Two or three texts of each row. */
static bool learn(struct session *s, const char *query, size_t columns)
{
    struct cql_request request = {.opcode = CQL_QUERY};
    struct cql_response response;
    struct arena arena;
    bool fine = true, more = true;
    request.query.text = bytes_text(query);
    request.query.params.flags = CQL_QUERY_PAGE_SIZE;
    request.query.params.page_size = 5000;
    request.query.params.consistency = CQL_CL_ONE;
    arena_init(&arena);
    while (fine && more) {
        fine = client_ask(&s->client, &request, &arena, &response, NULL) == ERR_OK &&
               response.opcode == CQL_RESULT && response.kind == CQL_RESULT_ROWS &&
               response.rows.metadata.column_count == columns;
        if (!fine)
            break;
        struct reader r = cql_rows_reader(&response.rows);
        for (uint32_t i = 0; i < response.rows.count; i++) {
            struct bytes keyspace = cql_read_bytes(&r).data;
            struct bytes table = columns > 1 ? cql_read_bytes(&r).data : BYTES_NONE;
            if (columns == 1)
                names_add_keyspace(&s->names, keyspace);
            else
                names_add_column(&s->names, keyspace, table, cql_read_bytes(&r).data);
        }
        more = (response.rows.metadata.flags & CQL_META_MORE_PAGES) != 0;
        request.query.params.flags |= CQL_QUERY_PAGING_STATE;
        request.query.params.paging_state = response.rows.metadata.paging_state;
        arena_reset(&arena);
    }
    arena_close(&arena);
    return fine;
}

void session_learn_names(struct session *s)
{
    struct errmsg why;
    if (s->names_known || session_connect(s, &why) != ERR_OK)
        return;
    names_clear(&s->names);
    s->names_known =
        learn(s, "SELECT keyspace_name FROM system_schema.keyspaces", 1) &&
        learn(s, "SELECT keyspace_name, table_name, column_name FROM system_schema.columns", 3);
}
