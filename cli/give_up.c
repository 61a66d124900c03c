/* give_up.c - torc repair --give-up: damaged ranges that no other node has are emptied, by order.
 */
#include "cli/net.h"
#include "cli/repair.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct damaged {
    long long node, ranges, others;
};

static enum err ask(const struct options *o, bool preview, struct damaged *ret, struct errmsg *why)
{
    struct buf answer;
    json_error_t wrong;
    json_t *request = json_pack("{ss sb}", "keyspace", o->give_up, "preview", (int)preview);
    char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
    json_decref(request);
    if (text == NULL)
        return errmsg_set(why, ERR_INVALID, "\"%s\" is no name of a keyspace", o->give_up);
    buf_init(&answer, HTTP_ANSWER_MAX);
    enum err err = http_post(o->host, o->http_port, "/repair/give-up", bytes_text(text),
                             o->connect_timeout, &answer, why);
    free(text);
    json_t *j = err == ERR_OK ? json_loadb((const char *)answer.data, answer.len,
                                           JSON_REJECT_DUPLICATES, &wrong)
                              : NULL;
    if (err == ERR_OK && json_unpack(j, "{sI sI sI}", "node", &ret->node, "ranges", &ret->ranges,
                                     "others", &ret->others) != 0)
        err = errmsg_set(why, ERR_MALFORMED, "the answer is not understood");
    json_decref(j);
    buf_close(&answer);
    return err;
}

/* What is typed must be the name of the keyspace. */
static bool is_meant(const struct options *o, const struct damaged *d)
{
    char line[128] = {0};
    if (o->yes)
        return true;
    fprintf(
        stderr,
        "%lld range%s of keyspace %s %s damaged at node %lld, and no other node has %s. What is "
        "left of\n%s rows is removed. A backup of the node would bring them back.\n"
        "Type the name of the keyspace to go on: ",
        d->ranges, d->ranges == 1 ? "" : "s", o->give_up, d->ranges == 1 ? "is" : "are", d->node,
        d->ranges == 1 ? "it" : "them", d->ranges == 1 ? "its" : "their");
    fflush(stderr);
    if (fgets(line, sizeof line, stdin) == NULL)
        fputc('\n', stderr);
    line[strcspn(line, "\r\n")] = 0;
    return strcmp(line, o->give_up) == 0;
}

int give_up_main(const struct options *o)
{
    struct damaged d = {0};
    struct errmsg why;
    enum err err = ask(o, true, &d, &why);
    if (err != ERR_OK)
        return http_refused(&why, err);
    if (d.others > 0)
        fprintf(stderr,
                "%lld damaged range%s of keyspace %s may be had from other replicas: start those "
                "nodes, or replace them.\n",
                d.others, d.others == 1 ? "" : "s", o->give_up);
    if (d.ranges == 0) {
        printf("Nothing of keyspace %s is damaged at node %lld and nowhere else.\n", o->give_up,
               d.node);
        return d.others > 0 ? EXIT_REQUEST : EXIT_FINE;
    }
    if (!is_meant(o, &d)) {
        fputs("torc: that is not its name; nothing was given up (--yes is for scripts)\n", stderr);
        return EXIT_REQUEST;
    }
    err = ask(o, false, &d, &why);
    if (err != ERR_OK)
        return http_refused(&why, err);
    printf(
        "%lld range%s of keyspace %s given up at node %lld; %s served again in a moment, empty.\n",
        d.ranges, d.ranges == 1 ? "" : "s", o->give_up, d.node,
        d.ranges == 1 ? "it is" : "they are");
    return EXIT_FINE;
}
