#include "cli/repair.h"

#include "cli/net.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define POLL_FIRST (10 * USEC_PER_MS)
#define POLL_MOST  (250 * USEC_PER_MS)
#define SHOWN_MAX  ((size_t)128 << 20)

static int list(const struct options *o, struct table_look look)
{
    struct buf answer, out;
    struct errmsg why;
    int code = EXIT_FINE;
    buf_init(&answer, HTTP_ANSWER_MAX);
    buf_init(&out, SHOWN_MAX);
    enum err err = http_get(o->host, o->http_port, "/repair", o->connect_timeout, &answer, &why);
    if (err != ERR_OK) {
        code = http_refused(&why, err);
    } else if (repair_render_list(buf_bytes(&answer), o->format, look, &out, &why) != ERR_OK) {
        fprintf(stderr, "torc: %s\n", why.text);
        code = EXIT_REQUEST;
    }
    fwrite(out.data, 1, out.len, stdout);
    buf_close(&answer);
    buf_close(&out);
    return code;
}

static int cancel(const struct options *o)
{
    struct buf answer;
    struct errmsg why;
    char path[128];
    if (strlen(o->cancel) > 32 || strspn(o->cancel, "0123456789-") != strlen(o->cancel)) {
        fprintf(stderr, "torc: \"%s\" is no id; see torc repair --list\n", o->cancel);
        return EXIT_USAGE;
    }
    snprintf(path, sizeof path, "/repair/cancel?id=%s", o->cancel);
    buf_init(&answer, HTTP_ANSWER_MAX);
    enum err err =
        http_post(o->host, o->http_port, path, BYTES_LIT("{}"), o->connect_timeout, &answer, &why);
    buf_close(&answer);
    if (err != ERR_OK)
        return http_refused(&why, err);
    printf("repair %s is cancelled\n", o->cancel);
    return EXIT_FINE;
}

/* --- watching */

static void wait_a_moment(usec time)
{
    (void)poll(NULL, 0, (int)(time / USEC_PER_MS));
}

/* A node that is restarted meanwhile goes on with the run. */
static enum err ask_until_answered(const struct options *o, const char *path,
                                   struct progress *progress, bool *retried, struct buf *answer,
                                   struct errmsg *why)
{
    usec give_up = net_clock() + o->request_timeout;
    while (true) {
        buf_clear(answer);
        enum err err = http_get(o->host, o->http_port, path, o->connect_timeout, answer, why);
        if (err == ERR_OK || err == ERR_FAILED || net_interrupted || net_clock() > give_up)
            return err;
        *retried = true;
        progress_say(progress, "the node does not answer; it goes on when it is back ...");
        wait_a_moment(POLL_MOST);
    }
}

static int left_alone(const char *id)
{
    fprintf(stderr,
            "torc: repair %s goes on without us; the same command watches it again, "
            "torc repair --cancel %s ends it\n",
            id, id);
    return EXIT_REQUEST;
}

static int show_end(const struct options *o, struct bytes answer, struct table_look look)
{
    struct buf out;
    struct errmsg why;
    int code = EXIT_REQUEST;
    buf_init(&out, SHOWN_MAX);
    if (repair_render(answer, o->format, look, o->keyspace != NULL, &out, &code, &why) != ERR_OK)
        fprintf(stderr, "torc: %s\n", why.text);
    fwrite(out.data, 1, out.len, stdout);
    buf_close(&out);
    return code;
}

static void show_progress(struct progress *p, const struct repair_watch *seen)
{
    struct buf text;
    if (seen->waits_for == 0) {
        progress_show(p);
        return;
    }
    buf_init(&text, 256);
    buf_put_text(&text, "handoff brings ");
    put_grouped(&text, seen->lacking);
    buf_printf(&text, " write%s to node %" PRIu64 " ...", seen->lacking == 1 ? "" : "s",
               seen->waits_for);
    buf_put_u8(&text, 0);
    progress_say(p, (const char *)text.data);
    buf_close(&text);
}

static int watch(const struct options *o, const char *id, struct table_look look)
{
    struct progress progress;
    struct repair_watch seen = {0};
    struct buf answer;
    struct errmsg why;
    char path[128];
    int code = -1;
    bool anew = true;
    usec pause = POLL_FIRST;
    snprintf(path, sizeof path, "/repair?id=%.64s", id);
    buf_init(&answer, HTTP_ANSWER_MAX);
    progress_start(&progress, o->progress || isatty(STDERR_FILENO) ? stderr : NULL, "comparing");
    while (code < 0) {
        enum err err = ask_until_answered(o, path, &progress, &anew, &answer, &why);
        if (net_interrupted) {
            progress_clear(&progress);
            code = left_alone(id);
        } else if (err == ERR_OK && repair_watch_take(buf_bytes(&answer), &seen, &why) == ERR_OK) {
            progress.rows = seen.rows_read > seen.rows ? seen.rows_read : seen.rows;
            progress.bytes = seen.done;
            progress.bytes_all = 1000;
            progress.started = net_clock() - seen.elapsed; /* it may be older than our look, */
            if (anew)                                      /* or the node may have been away */
                progress_base(&progress);
            anew = false;
            if (seen.over)
                code = -2;
            else
                show_progress(&progress, &seen);
        } else {
            progress_clear(&progress);
            code = http_refused(&why, err == ERR_OK ? ERR_FAILED : err);
        }
        if (code == -2) {
            progress_clear(&progress);
            code = show_end(o, buf_bytes(&answer), look);
        } else if (code < 0) {
            wait_a_moment(pause);
            pause = 2 * pause < POLL_MOST ? 2 * pause : POLL_MOST;
        }
    }
    buf_close(&answer);
    return code;
}

/* Who leaves wants the run to be there whatever becomes of the node. */
static void wait_until_durable(const struct options *o, struct repair_watch *seen)
{
    struct buf answer;
    struct errmsg why;
    char path[128];
    usec give_up = net_clock() + o->request_timeout;
    snprintf(path, sizeof path, "/repair?id=%.64s", seen->id);
    buf_init(&answer, HTTP_ANSWER_MAX);
    while (!seen->durable && !net_interrupted && net_clock() < give_up) {
        buf_clear(&answer);
        if (http_get(o->host, o->http_port, path, o->connect_timeout, &answer, &why) != ERR_OK ||
            repair_watch_take(buf_bytes(&answer), seen, &why) != ERR_OK)
            break;
        if (!seen->durable)
            wait_a_moment(POLL_FIRST);
    }
    buf_close(&answer);
}

static int begin(const struct options *o, struct table_look look)
{
    struct buf request, answer;
    struct errmsg why;
    struct repair_watch begun = {0};
    int code;
    buf_init(&request, 65536);
    buf_init(&answer, HTTP_ANSWER_MAX);
    repair_request(o, &request);
    enum err err = http_post(o->host, o->http_port, "/repair", buf_bytes(&request),
                             o->connect_timeout, &answer, &why);
    if (err != ERR_OK) {
        code = http_refused(&why, err);
    } else if (repair_watch_take(buf_bytes(&answer), &begun, &why) != ERR_OK) {
        fprintf(stderr, "torc: %s\n", why.text);
        code = EXIT_REQUEST;
    } else if (o->no_wait && o->format == TABLE_AS_JSON) {
        wait_until_durable(o, &begun);
        fwrite(answer.data, 1, answer.len, stdout);
        code = EXIT_FINE;
    } else if (o->no_wait) {
        wait_until_durable(o, &begun);
        printf("%s\n", begun.id);
        code = EXIT_FINE;
    } else {
        code = watch(o, begun.id, look);
    }
    buf_close(&request);
    buf_close(&answer);
    return code;
}

int repair_main(const struct options *o, struct table_look look)
{
    if (o->wait && o->no_wait) {
        fputs("torc: --wait and --no-wait: which of them?\n", stderr);
        return EXIT_USAGE;
    }
    if (o->give_up != NULL)
        return give_up_main(o);
    if (o->list)
        return list(o, look);
    return o->cancel != NULL ? cancel(o) : begin(o, look);
}
