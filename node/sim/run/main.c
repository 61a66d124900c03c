/* torc-sim: random runs of a simulated cluster, each named by its seed. */
#include "node/sim/run/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    uint64_t first, last;
    struct run_config run;
    bool twice;
    unsigned seconds;
};

static const char help[] =
    "torc-sim: a Torc cluster in one process, on virtual time, under random faults\n"
    "\n"
    "  --seed N        the run with this seed (default 1)\n"
    "  --seeds A..B    all runs from A to B\n"
    "  --nodes N       3 to 16 nodes (default: 3 to 5, from the seed)\n"
    "  --seconds S     of load and faults, in virtual time (default 30)\n"
    "  --clients C     at once (default 8)\n"
    "  --twice         run every seed twice and compare the hashes\n"
    "  --verbose       every decision of every node\n"
    "\n"
    "Exit status 0: all is well. 1: something cannot be; the line with FAILED says how to repeat "
    "it.\n";

static void print_line(void *arg, const char *line)
{
    (void)arg;
    printf("%s\n", line);
}

static bool number(const char *text, uint64_t most, uint64_t *ret)
{
    char *end;
    if (text == NULL || *text < '0' || *text > '9')
        return false;
    *ret = strtoull(text, &end, 10);
    return *end == 0 && *ret <= most;
}

static bool seeds(const char *text, struct options *o)
{
    char *end;
    if (text == NULL || *text < '0' || *text > '9')
        return false;
    o->first = strtoull(text, &end, 10);
    return strncmp(end, "..", 2) == 0 && number(end + 2, UINT64_MAX, &o->last) &&
           o->last >= o->first;
}

/* One option and its value; false when it is none. */
static bool option(const char *name, const char *value, struct options *o)
{
    uint64_t n;
    if (strcmp(name, "--seeds") == 0)
        return seeds(value, o);
    if (!number(value, UINT64_MAX, &n))
        return false;
    if (strcmp(name, "--seed") == 0)
        o->first = o->last = n;
    else if (strcmp(name, "--nodes") == 0 && n >= 3 && n <= SIM_NODES_MAX)
        o->run.nodes = (unsigned)n;
    else if (strcmp(name, "--seconds") == 0 && n >= 1 && n <= 100000)
        o->seconds = (unsigned)n;
    else if (strcmp(name, "--clients") == 0 && n >= 1 && n <= RUN_CLIENTS_MAX)
        o->run.clients = (unsigned)n;
    else
        return false;
    return true;
}

static bool parse(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            o->run.print = print_line;
        } else if (strcmp(argv[i], "--twice") == 0) {
            o->twice = true;
        } else if (i + 1 < argc && option(argv[i], argv[i + 1], o)) {
            i++;
        } else {
            fprintf(stderr, "torc-sim: %s: not understood\n\n%s", argv[i], help);
            return false;
        }
    }
    return true;
}

static void how_to_repeat(const struct options *o)
{
    printf("    repeat: torc-sim --seed %" PRIu64, o->run.seed);
    if (o->run.nodes != 0)
        printf(" --nodes %u", o->run.nodes);
    printf(" --seconds %u --clients %u --verbose\n", o->seconds, o->run.clients);
}

static bool run_one(struct options *o, uint64_t seed)
{
    struct run_result r, again;
    o->run.seed = seed;
    run_random(&o->run, &r);
    if (r.good && o->twice) {
        run_random(&o->run, &again);
        if (!again.good || again.hash != r.hash)
            r.good = errmsg_set(&r.why, ERR_FAILED, "the second run had the hash %016" PRIx64,
                                again.hash) == ERR_OK;
    }
    printf("seed %" PRIu64 ": %s hash %016" PRIx64 " nodes %u events %" PRIu64 " writes %" PRIu64
           " acked %" PRIu64 " reads %" PRIu64 " refused %" PRIu64 " faults %" PRIu64
           " converged in %.1f s\n",
           seed, r.good ? "ok" : "FAILED", r.hash, r.nodes, r.events, r.writes, r.acked, r.reads,
           r.refused, r.faults, (double)r.converged_us / 1e6);
    if (!r.good) {
        printf("    %s\n", r.why.text);
        how_to_repeat(o);
    }
    fflush(stdout);
    return r.good;
}

int main(int argc, char **argv)
{
    struct options o = {.first = 1, .last = 1, .seconds = 30, .run = {.clients = 8}};
    uint64_t failed = 0;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        printf("%s", help);
        return 0;
    }
    if (!parse(argc, argv, &o))
        return 2;
    o.run.time_us = o.seconds * USEC_PER_SEC;
    for (uint64_t seed = o.first;; seed++) {
        failed += !run_one(&o, seed);
        if (seed == o.last)
            break;
    }
    if (o.last > o.first)
        printf("%" PRIu64 " seeds, %" PRIu64 " failed\n", o.last - o.first + 1, failed);
    return failed > 0;
}
