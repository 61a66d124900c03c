#include "cli/options.h"

#include "ring/token.h"

#include <stdlib.h>
#include <string.h>

enum option {
#define X(name, letter, argument, help) OPTION_##name,
    OPTION_LIST(X)
#undef X
        OPTION_NONE
};

static const struct option_info {
    const char *name;
    char letter;
    const char *argument;
    const char *help;
} infos[] = {
#define X(name, letter, argument, help) {#name, letter, argument, help},
    OPTION_LIST(X)
#undef X
};

static const struct verb_info {
    const char *name;
    const char *arguments;
    const char *help;
} verbs[] = {
#define X(name, arguments, help) {#name, arguments, help},
    VERB_LIST(X)
#undef X
};

#define WORD_MAX ((size_t)32)

/* Edits that make one word of the other. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1];
    size_t n = strlen(b);
    if (strlen(a) > WORD_MAX || n > WORD_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != 0; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t change = corner + (a[i] != b[j]);
            size_t shorter = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            corner = row[j + 1];
            row[j + 1] = change < shorter ? change : shorter;
        }
    }
    return row[n];
}

const char *nearest_word(const char *word, const char *const *list, size_t count)
{
    const char *best = NULL;
    size_t least = strlen(word) / 2 + 1;
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, list[i]);
        if (d < least) {
            least = d;
            best = list[i];
        }
    }
    return best;
}

static bool same_name(const char *a, size_t len, const char *name)
{
    for (size_t i = 0; i < len; i++) {
        if (name[i] == 0 || (a[i] == '-' ? '_' : a[i]) != name[i])
            return false;
    }
    return name[len] == 0;
}

static enum option find_option(const char *arg, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(infos); i++) {
        if (arg[0] == '-' && arg[1] == '-' && same_name(arg + 2, len - 2, infos[i].name))
            return (enum option)i;
        if (len == 2 && infos[i].letter != 0 && arg[1] == infos[i].letter)
            return (enum option)i;
    }
    return OPTION_NONE;
}

static enum err unknown_option(const char *arg, struct errmsg *reterr)
{
    const char *names[ARRAY_LEN(infos)];
    char word[WORD_MAX + 1] = "";
    for (size_t i = 0; i < ARRAY_LEN(infos); i++)
        names[i] = infos[i].name;
    const char *from = arg + strspn(arg, "-");
    for (size_t i = 0; i < WORD_MAX && from[i] != 0 && from[i] != '='; i++)
        word[i] = from[i] == '-' ? '_' : from[i];
    const char *near = nearest_word(word, names, ARRAY_LEN(names));
    if (near == NULL)
        return errmsg_set(reterr, ERR_INVALID, "there is no option %s; see torc help", arg);
    enum err err =
        errmsg_set(reterr, ERR_INVALID, "there is no option %s; did you mean --%s?", arg, near);
    for (char *c = strstr(reterr->text, "mean --"); c != NULL && *c != 0; c++)
        *c = *c == '_' ? '-' : *c;
    return err;
}

static enum err take_number(const char *name, const char *value, long least, long most,
                            long *ret_number, struct errmsg *reterr)
{
    char *end;
    long n = strtol(value, &end, 10);
    if (*value == 0 || *end != 0 || n < least || n > most)
        return errmsg_set(reterr, ERR_INVALID, "%s takes a number from %ld to %ld, not \"%s\"",
                          name, least, most, value);
    *ret_number = n;
    return ERR_OK;
}

static enum err take_range(struct options *o, const char *value, struct errmsg *reterr)
{
    token t;
    const char *colon = strchr(value, ':');
    size_t left = colon != NULL ? (size_t)(colon - value) : 0;
    if (colon == NULL || !token_parse(bytes_make(value, left), &t) ||
        !token_parse(bytes_text(colon + 1), &t))
        return errmsg_set(reterr, ERR_INVALID,
                          "--range takes two tokens, as in --range=-100:200, not \"%s\"", value);
    if (o->spans_count == OPTION_RANGES_MAX)
        return errmsg_set(reterr, ERR_INVALID, "more than %d ranges", OPTION_RANGES_MAX);
    o->spans[o->spans_count++] = value;
    return ERR_OK;
}

static enum err take_lost(struct options *o, const char *value, struct errmsg *reterr)
{
    if (o->lost_count == OPTION_LOST_MAX)
        return errmsg_set(reterr, ERR_INVALID, "more than %d lost nodes", OPTION_LOST_MAX);
    o->lost[o->lost_count++] = value;
    return ERR_OK;
}

static enum err take_option(struct options *o, enum option option, const char *value,
                            struct errmsg *reterr)
{
    long n = 0;
    enum err err = ERR_OK;
    switch (option) {
    case OPTION_host: o->host = value; break;
    case OPTION_port:
        err = take_number("--port", value, 1, 65535, &n, reterr);
        o->port = (uint16_t)n;
        break;
    case OPTION_username: o->username = value; break;
    case OPTION_password: o->password = value; break;
    case OPTION_http_port:
        err = take_number("--http-port", value, 1, 65535, &n, reterr);
        o->http_port = (uint16_t)n;
        break;
    case OPTION_format:
        if (!table_format_parse(value, &o->format))
            err = errmsg_set(reterr, ERR_INVALID, "--format takes table, json or csv, not \"%s\"",
                             value);
        break;
    case OPTION_execute: o->execute = value; break;
    case OPTION_file: o->file = value; break;
    case OPTION_keyspace: o->keyspace = value; break;
    case OPTION_consistency:
        if (!cql_consistency_parse(bytes_text(value), &o->consistency))
            err = errmsg_set(reterr, ERR_INVALID, "there is no consistency level \"%s\"", value);
        break;
    case OPTION_connect_timeout:
        err = take_number("--connect-timeout", value, 1, 86400, &n, reterr);
        o->connect_timeout = (usec)n * USEC_PER_SEC;
        break;
    case OPTION_request_timeout:
        err = take_number("--request-timeout", value, 1, 86400, &n, reterr);
        o->request_timeout = (usec)n * USEC_PER_SEC;
        break;
    case OPTION_protocol:
        err = take_number("--protocol", value, 4, 5, &n, reterr);
        o->protocol = (uint8_t)n;
        break;
    case OPTION_progress: o->progress = true; break;
    case OPTION_preview: o->preview = true; break;
    case OPTION_full: o->full = true; break;
    case OPTION_range: return take_range(o, value, reterr);
    case OPTION_node: o->node = value; break;
    case OPTION_wait: o->wait = true; break;
    case OPTION_no_wait: o->no_wait = true; break;
    case OPTION_list: o->list = true; break;
    case OPTION_cancel: o->cancel = value; break;
    case OPTION_give_up: o->give_up = value; break;
    case OPTION_yes: o->yes = true; break;
    case OPTION_lost: return take_lost(o, value, reterr);
    case OPTION_cluster_name: o->cluster_name = value; break;
    case OPTION_ranges: o->ranges = true; break;
    case OPTION_no_colour: o->no_colour = true; break;
    case OPTION_help: o->help = true; break;
    case OPTION_version: o->version = true; break;
    case OPTION_NONE: break;
    }
    return err;
}

static enum verb find_verb(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (strcmp(word, verbs[i].name) == 0)
            return (enum verb)i;
    }
    return VERB_NONE;
}

static enum err unknown_verb(const char *word, struct errmsg *reterr)
{
    const char *names[ARRAY_LEN(verbs)];
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        names[i] = verbs[i].name;
    const char *near = nearest_word(word, names, ARRAY_LEN(names));
    if (near == NULL)
        return errmsg_set(reterr, ERR_INVALID, "there is no verb %s; see torc help", word);
    return errmsg_set(reterr, ERR_INVALID, "there is no verb %s; did you mean torc %s?", word,
                      near);
}

/* A word that is no option: the verb, then what the verb takes. */
static enum err take_word(struct options *o, const char *word, size_t nth, struct errmsg *reterr)
{
    long n = 0;
    if (nth == 0) {
        o->verb = find_verb(word);
        return o->verb == VERB_NONE ? unknown_verb(word, reterr) : ERR_OK;
    }
    if (o->verb == VERB_help && nth == 1) {
        o->topic = word;
        return find_verb(word) == VERB_NONE ? unknown_verb(word, reterr) : ERR_OK;
    }
    if (o->verb == VERB_shell && nth == 1) {
        o->host = word;
        return ERR_OK;
    }
    if (o->verb == VERB_shell && nth == 2) {
        enum err err = take_number("the port", word, 1, 65535, &n, reterr);
        o->port = (uint16_t)n;
        return err;
    }
    if (o->verb == VERB_metadata && nth == 1 && strcmp(word, "recover") == 0) {
        o->recover = true;
        return ERR_OK;
    }
    if (o->verb == VERB_metadata && o->lost_count > 0) /* --lost A B C */
        return take_lost(o, word, reterr);
    if ((o->verb == VERB_repair || o->verb == VERB_entropy) && nth == 1) {
        o->keyspace = word;
        return ERR_OK;
    }
    if (o->verb == VERB_repair && o->tables_count < OPTION_TABLES_MAX) {
        o->tables[o->tables_count++] = word;
        return ERR_OK;
    }
    return errmsg_set(reterr, ERR_INVALID, "torc %s takes no \"%s\"; see torc help %s",
                      verbs[o->verb].name, word, verbs[o->verb].name);
}

enum err options_parse(int argc, char *const *argv, struct options *ret_options,
                       struct errmsg *reterr)
{
    struct options o = {.verb = VERB_NONE,
                        .host = "127.0.0.1",
                        .port = 9042,
                        .http_port = 9180,
                        .consistency = CQL_CL_ONE,
                        .connect_timeout = 5 * USEC_PER_SEC,
                        .request_timeout = 60 * USEC_PER_SEC};
    size_t words = 0;
    enum err err = ERR_OK;
    for (int i = 1; i < argc && err == ERR_OK; i++) {
        const char *arg = argv[i];
        if (arg[0] != '-' || arg[1] == 0) {
            err = take_word(&o, arg, words++, reterr);
            continue;
        }
        const char *equals = strncmp(arg, "--", 2) == 0 ? strchr(arg, '=') : NULL;
        enum option option =
            find_option(arg, equals != NULL ? (size_t)(equals - arg) : strlen(arg));
        if (option == OPTION_NONE)
            return unknown_option(arg, reterr);
        const char *value = equals != NULL ? equals + 1 : "";
        if (*infos[option].argument == 0 && equals != NULL)
            return errmsg_set(reterr, ERR_INVALID, "%s takes no value", arg);
        if (*infos[option].argument != 0 && equals == NULL) {
            if (++i >= argc)
                return errmsg_set(reterr, ERR_INVALID, "%s needs a %s", arg,
                                  infos[option].argument);
            value = argv[i];
        }
        err = take_option(&o, option, value, reterr);
    }
    if (err == ERR_OK)
        *ret_options = o;
    return err;
}

static void put_options(struct buf *out)
{
    buf_put_text(out, "\nOptions:\n");
    for (size_t i = 0; i < ARRAY_LEN(infos); i++) {
        char text[64];
        size_t n = 0;
        for (const char *c = infos[i].name; *c != 0 && n < sizeof text - 1; c++)
            text[n++] = *c == '_' ? '-' : *c;
        text[n] = 0;
        if (infos[i].letter != 0)
            buf_printf(out, "  -%c, ", infos[i].letter);
        else
            buf_put_text(out, "      ");
        buf_printf(out, "--%s%s%s", text, *infos[i].argument != 0 ? "=" : "", infos[i].argument);
        size_t width = n + 2 + (*infos[i].argument != 0) + strlen(infos[i].argument);
        buf_printf(out, "%*s %s\n", (int)(width < 26 ? 26 - width : 0), "", infos[i].help);
    }
}

static void put_verb_help(enum verb verb, struct buf *out)
{
    switch (verb) {
    case VERB_shell:
        buf_put_text(out,
                     "\nWith a terminal the shell has history (~/.torc_history), completion (Tab)"
                     "\nand statements over several lines; type HELP in it. With -e, -f or input"
                     "\nfrom a pipe it runs what it is given and stops at the first error.\n");
        break;
    case VERB_status:
        buf_put_text(out, "\nAsks one node over HTTP: a node that is down is shown as that node "
                          "sees it.\n");
        break;
    case VERB_ring:
        buf_put_text(out, "\nRanges are numbered in token order from 0; each run of ranges has one "
                          "primary owner\nin its data centre.\n");
        break;
    case VERB_repair:
        buf_put_text(
            out,
            "\nWithout a keyspace: all of them. The node that is asked manages the run, and goes on"
            "\nwith it after a restart; it takes orders from its own machine alone. The same "
            "command"
            "\nagain watches the run there is. Nothing is sent that does not differ.\n"
            "\n--give-up is for ranges that torc status calls damaged and that have no other"
            "\nreplica: what is left of them is removed, and they are served again, empty. It asks"
            "\nfor the name of the keyspace once more; --yes is for scripts.\n"
            "\nExit status: 0 all replicas are equal, or were made so; 1 something could not be"
            "\ncompared (it says what and why), or it was cancelled; 4 --preview: something "
            "differs.\n");
        break;
    case VERB_entropy:
        buf_put_text(out, "\nAsks every node that is up. A pair is two replicas of a range, each of"
                          "\nwhich keeps its own account: each pair is there twice.\n");
        break;
    case VERB_metadata:
        buf_put_text(
            out,
            "\nMost of the metadata members must be up for a change of the schema or of the ring;"
            "\nreads and writes do without. A member that is down for long is away, and another"
            "\nnode votes in its place, if there is one.\n"
            "\nWhen most members are lost for ever: torc metadata recover --lost HOSTID [HOSTID "
            "...]"
            "\nat the machine of one node that is left, with the host id of each node that is down."
            "\nThe others go on from what any of them knows of. What only lost nodes knew is gone,"
            "\nand they are not let back in before they are wiped: start them with an empty disk "
            "and"
            "\n--replace_address. Refused while most members answer, while a node that is named"
            "\nanswers anybody, and while one that is not named does not.\n");
        break;
    case VERB_hints:
        buf_put_text(
            out,
            "\nAsks one node over HTTP; each has an account of its own. A row for each node and"
            "\nkind: hint, rows kept for it as it could not take them (how many, bytes, since"
            "\nwhen, how fast they go); log, writes that it missed and gets from the range logs"
            "\nof this node; tree, a range that only a comparison of trees will make equal to"
            "\nthat of the other node, and why.\n");
        break;
    default: break;
    }
}

void options_help(enum verb verb, struct buf *out)
{
    if (verb != VERB_NONE && verb != VERB_help) {
        buf_printf(out, "torc %s [options] %s\n\n  %s\n", verbs[verb].name, verbs[verb].arguments,
                   verbs[verb].help);
        put_verb_help(verb, out);
    } else {
        buf_put_text(out, "torc: everything a person types to Torc.\n\n"
                          "  torc [options] verb [arguments]\n\nVerbs:\n");
        for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
            buf_printf(out, "  %-8s %-22s %s\n", verbs[i].name, verbs[i].arguments, verbs[i].help);
    }
    put_options(out);
    buf_put_text(out, "\nExit status: 0 fine, 1 a request failed, 2 the command line is wrong,\n"
                      "3 the node cannot be reached.\n");
}
