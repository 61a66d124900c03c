/* receipt.c - what goes with a statement beside its text, and what comes back with the answer: the
 * token of the shell's session (SESSION), and who has answered (CONSISTENCY REPORT). A server that
 * is no Torc knows neither, and nothing is lost. */
#include "base/mem.h"
#include "cli/session.h"

#include <jansson.h>
#include <string.h>

#define TOKEN_MAX    ((size_t)64 << 10)
#define RECEIPTS_MAX ((size_t)4 << 20)

static void keep(struct buf *to, struct bytes value, size_t max)
{
    if (to->max == 0)
        buf_init(to, max);
    buf_clear(to);
    buf_put_bytes(to, value);
    if (to->failed)
        buf_clear(to);
}

void session_forget(struct session *s)
{
    buf_close(&s->token);
    s->token = (struct buf){0};
}

/* What fell out of a full token is found at QUORUM, or ALL. The server did nothing when there are
 * not so many replicas. */
static bool is_session_in_the_way(const struct session *s, const struct cql_request *request,
                                  const struct cql_response *response)
{
    const struct cql_error *e = &response->error;
    enum cql_consistency asked = request->query.params.consistency;
    return s->keeps_session && s->token.len > 0 && request->opcode == CQL_QUERY &&
           response->opcode == CQL_ERROR && e->code == CQL_ERROR_UNAVAILABLE &&
           e->consistency != asked &&
           (e->consistency == CQL_CL_ALL || e->consistency == CQL_CL_QUORUM);
}

static enum err ask(struct session *s, struct cql_request *request, struct arena *a,
                    struct cql_response *ret_response, struct errmsg *reterr)
{
    struct cql_pair pairs[2];
    struct bytes value;
    size_t count = 0;
    if (s->keeps_session)
        pairs[count++] = (struct cql_pair){BYTES_LIT("torc_session"), buf_bytes(&s->token)};
    if (s->report)
        pairs[count++] = (struct cql_pair){BYTES_LIT("torc_receipt"), BYTES_LIT("")};
    request->payload = (struct cql_map){pairs, count};
    enum err err = client_ask(&s->client, request, a, ret_response, reterr);
    request->payload = (struct cql_map){NULL, 0};
    if (err != ERR_OK)
        return err;
    const struct cql_map *payload = &ret_response->prefix.payload;
    if (s->keeps_session && cql_map_get(payload, "torc_session", &value) && value.len > 0)
        keep(&s->token, value, TOKEN_MAX);
    if (s->report && cql_map_get(payload, "torc_receipt", &value)) {
        if (s->receipts.max == 0)
            buf_init(&s->receipts, RECEIPTS_MAX);
        buf_put_bytes(&s->receipts, value);
        buf_put_u8(&s->receipts, '\n');
    }
    return err;
}

enum err session_ask(struct session *s, struct cql_request *request, struct arena *a,
                     struct cql_response *ret_response, struct errmsg *reterr)
{
    enum err err = ask(s, request, a, ret_response, reterr);
    if (err != ERR_OK || !is_session_in_the_way(s, request, ret_response))
        return err;
    session_complain(s, "the session has seen more than its token holds, and there are not all "
                        "the replicas now that it takes to find that: a new session begins");
    session_forget(s);
    buf_clear(&s->receipts);
    return ask(s, request, a, ret_response, reterr);
}

/* --- showing */

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text != NULL ? text : "?";
}

static long long number_of(const json_t *o, const char *key)
{
    return (long long)json_integer_value(json_object_get(o, key));
}

/* Which write it has, and when that was stamped. */
static void put_version(struct buf *out, const json_t *o)
{
    const json_t *version = json_object_get(o, "version");
    if (json_is_null(version))
        buf_put_text(out, ", nothing there");
    else if (version != NULL)
        buf_printf(out, ", version %s", text_of(o, "version"));
    if (json_is_integer(json_object_get(o, "timestamp")))
        buf_printf(out, " at %lld", number_of(o, "timestamp"));
}

static void put_replica(struct buf *out, const json_t *r, bool kept)
{
    const char *state = text_of(r, "state");
    const json_t *repaired = json_object_get(r, "repaired");
    bool good = strcmp(state, "acked") == 0 || strcmp(state, "answered") == 0;
    buf_printf(out, "   %-15s %-12s %s", text_of(r, "address"), text_of(r, "dc"), state);
    if (json_is_true(json_object_get(r, "joining")))
        buf_put_text(out, " (will hold it)");
    if (json_object_get(r, "fsynced") != NULL)
        buf_put_text(out,
                     json_is_true(json_object_get(r, "fsynced")) ? ", fsynced" : ", not synced");
    if (json_object_get(r, "answer") != NULL)
        buf_printf(out, " with %s",
                   strcmp(text_of(r, "answer"), "rows") == 0 ? "rows" : "a digest");
    put_version(out, r);
    if (json_object_get(r, "compared") != NULL)
        buf_printf(out, ", %s", text_of(r, "compared"));
    if (json_integer_value(repaired) > 0)
        buf_printf(out, ", repaired (%lld partitions)", (long long)json_integer_value(repaired));
    if (json_object_get(r, "why") != NULL)
        buf_printf(out, ": %s", text_of(r, "why"));
    if (kept && !good)
        buf_put_text(out, "; kept for it");
    buf_put_u8(out, '\n');
}

static void put_step(struct buf *out, const json_t *step)
{
    size_t i;
    const json_t *r;
    bool kept = json_is_string(json_object_get(step, "kept"));
    const json_t *replicas = json_object_get(step, "replicas");
    buf_printf(out, " %s", text_of(step, "step"));
    if (json_object_get(step, "level") != NULL)
        buf_printf(out, " at %s: %lld of %lld", text_of(step, "level"), number_of(step, "received"),
                   number_of(step, "required"));
    if (json_object_get(step, "alive") != NULL)
        buf_printf(out, ", %lld alive", number_of(step, "alive"));
    put_version(out, step);
    if (json_object_get(step, "applied") != NULL)
        buf_printf(out, ", %s",
                   json_is_true(json_object_get(step, "applied"))    ? "applied"
                   : json_is_false(json_object_get(step, "applied")) ? "not applied"
                                                                     : "perhaps applied");
    if (json_object_get(step, "coordinator") != NULL)
        buf_printf(out, ", by %s", text_of(json_object_get(step, "coordinator"), "address"));
    if (json_object_get(step, "error") != NULL)
        buf_printf(out, " (%s)", text_of(step, "error"));
    buf_put_u8(out, '\n');
    if (replicas == NULL)
        replicas = json_object_get(step, "keepers");
    json_array_foreach(replicas, i, r) put_replica(out, r, kept);
}

/* One line is one answer. False: it is none that we know. */
static bool put_receipt(struct buf *out, struct bytes line)
{
    size_t i;
    const json_t *step;
    json_t *all = json_loadb((const char *)line.data, line.len, 0, NULL);
    const json_t *steps = json_object_get(all, "steps");
    bool good = json_is_array(steps);
    json_array_foreach(steps, i, step) put_step(out, step);
    json_decref(all);
    return good;
}

void session_show_receipts(struct session *s)
{
    struct buf out;
    struct bytes rest = buf_bytes(&s->receipts);
    if (rest.len == 0)
        return;
    if (s->format != TABLE_AS_TABLE) { /* for programs, and not among the rows */
        fwrite(rest.data, 1, rest.len, s->err);
        buf_clear(&s->receipts);
        return;
    }
    buf_init(&out, RECEIPTS_MAX * 2);
    while (rest.len > 0) {
        size_t n = 0;
        while (n < rest.len && rest.data[n] != '\n')
            n++;
        if (!put_receipt(&out, bytes_make(rest.data, n)))
            buf_put_text(&out, " (in a form that this shell does not know)\n");
        n += n < rest.len;
        rest = bytes_make(rest.data + n, rest.len - n);
    }
    if (out.len > 0) { /* no replica is asked for a schema change, say */
        session_write(s, BYTES_LIT("\nConsistency report:\n"));
        buf_put_u8(&out, '\n');
    }
    session_write(s, buf_bytes(&out));
    buf_close(&out);
    buf_clear(&s->receipts);
}
