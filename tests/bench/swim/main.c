/* main.c - swim: gossip at scale, on virtual time. See --help, world.h and docs/swim.md. */
#include "tables.h"

#include "base/types.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char help[] =
    "swim: how the gossip core behaves among thousands, on virtual time\n"
    "\n"
    "  swim run [OPTION...]   one plan, a line for each thing measured\n"
    "  swim tables [NAME...]  the tables of docs/swim.md, all or of: scale loss slow crash\n"
    "\n"
    "Options of run, with their defaults:\n"
    "  --members N      1000   how many\n"
    "  --seed N         1      of the first run; the next have the next ones\n"
    "  --runs N         1      how often; what is measured is added up\n"
    "  --loss PERCENT   0      of the datagrams\n"
    "  --warm S         20     seconds before anything is measured\n"
    "  --calm S         60     seconds in which traffic is measured and nobody crashes\n"
    "  --crashes N      10     members that crash after that, one by one\n"
    "  --gap S          2      between two crashes, on average\n"
    "  --slow N         0      members that are held and let go in turn from the end of the "
    "warm-up\n"
    "  --hold MS        4096   for so long\n"
    "  --free MS        256    and let go for so long\n"
    "  --stop                  a held one's timers stand still too\n"
    "  --without LIST          parts to leave out, of: health confirmations buddy last-word "
    "stalls\n"
    "                          stream-probe; lifeguard is the first three, swim all of them\n"
    "  --mult N         4      suspicion_mult, the papers' alpha\n";

static const struct {
    const char *name;
    uint32_t parts;
} part_names[] = {{"health", GOSSIP_LOCAL_HEALTH}, {"confirmations", GOSSIP_CONFIRMATION},
                  {"buddy", GOSSIP_BUDDY},         {"last-word", GOSSIP_LAST_WORD},
                  {"stalls", GOSSIP_STALL_GUARD},  {"stream-probe", GOSSIP_STREAM_PROBE},
                  {"lifeguard", GOSSIP_LIFEGUARD}, {"swim", PARTS_BARE}};

static _Noreturn void fail(const char *what, const char *value)
{
    fprintf(stderr, "swim: %s: %s\nswim --help says what there is\n", what, value);
    exit(2);
}

static uint32_t parse_parts(char *list)
{
    uint32_t parts = 0;
    for (char *p = strtok(list, ","); p != NULL; p = strtok(NULL, ",")) {
        size_t i = 0;
        while (i < ARRAY_LEN(part_names) && strcmp(part_names[i].name, p) != 0)
            i++;
        if (i == ARRAY_LEN(part_names))
            fail("no such part", p);
        parts |= part_names[i].parts;
    }
    return parts;
}

static double number(const char *text, double low, double high)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end != 0 || !(v >= low && v <= high))
        fail("not a number, or out of range", text);
    return v;
}

static const struct option options[] = {
    {"members", required_argument, NULL, 'n'}, {"seed", required_argument, NULL, 's'},
    {"runs", required_argument, NULL, 'r'},    {"loss", required_argument, NULL, 'l'},
    {"warm", required_argument, NULL, 'w'},    {"calm", required_argument, NULL, 'c'},
    {"crashes", required_argument, NULL, 'k'}, {"gap", required_argument, NULL, 'g'},
    {"slow", required_argument, NULL, 'S'},    {"hold", required_argument, NULL, 'H'},
    {"free", required_argument, NULL, 'F'},    {"stop", no_argument, NULL, 'T'},
    {"without", required_argument, NULL, 'W'}, {"mult", required_argument, NULL, 'm'},
    {"help", no_argument, NULL, 'h'},          {0}};

static usec seconds(const char *text)
{
    return (usec)(number(text, 0, 1e6) * USEC_PER_SEC);
}

static struct trial parse(int argc, char **argv, size_t *ret_runs)
{
    struct trial t = {.world = {.members = 1000, .seed = 1},
                      .warm_us = 20 * USEC_PER_SEC,
                      .calm_us = 60 * USEC_PER_SEC,
                      .crashes = 10,
                      .gap_us = 2 * USEC_PER_SEC,
                      .limit_us = 300 * USEC_PER_SEC};
    struct world_config *w = &t.world;
    w->hold_us = 4096 * USEC_PER_MS;
    w->free_us = 256 * USEC_PER_MS;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'n': w->members = (size_t)number(optarg, 3, 65536); break;
        case 's': w->seed = (uint64_t)number(optarg, 0, 1e15); break;
        case 'r': *ret_runs = (size_t)number(optarg, 1, 1e6); break;
        case 'l': w->loss = (uint32_t)(number(optarg, 0, 90) * 10000); break;
        case 'w': t.warm_us = seconds(optarg); break;
        case 'c': t.calm_us = seconds(optarg); break;
        case 'k': t.crashes = (size_t)number(optarg, 0, 65536); break;
        case 'g': t.gap_us = seconds(optarg); break;
        case 'S': w->slow = (size_t)number(optarg, 0, 65536); break;
        case 'H': w->hold_us = seconds(optarg) / 1000; break;
        case 'F': w->free_us = seconds(optarg) / 1000; break;
        case 'T': w->stop = true; break;
        case 'W': w->gossip.without = parse_parts(optarg); break;
        case 'm': w->gossip.suspicion_mult = (uint32_t)number(optarg, 1, 100); break;
        case 'h': fputs(help, stdout); exit(0);
        default: exit(2);
        }
    }
    if (w->slow + t.crashes + 2 > w->members || w->hold_us + w->free_us == 0)
        fail("too many crashed or slow ones, or a hold of nothing", "");
    return t;
}

static void print_run(struct outcome *o, const struct trial *t)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    struct {
        const char *name;
        struct samples *s;
    } times[] = {
        {"first suspicion", &o->suspected}, {"first verdict", &o->dead}, {"all know", &o->known}};
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        printf("%-16s %6zu of %zu   median %7.2f s   99th %7.2f s   longest %7.2f s\n",
               times[i].name, times[i].s->count, o->crashes, samples_at(times[i].s, 50),
               samples_at(times[i].s, 99), samples_at(times[i].s, 100));
    const struct world_mistakes *m = &o->mistakes;
    printf(
        "mistakes         in %.3f h: %llu suspicions, %llu deaths of %llu healthy members (%llu at "
        "healthy ones), %llu of slow members\n",
        o->hours, (unsigned long long)m->suspicions, (unsigned long long)m->deaths,
        (unsigned long long)m->buried, (unsigned long long)m->deaths_seen,
        (unsigned long long)m->slow_deaths);
    printf("a member, calm   %.2f datagrams/s %.0f B/s, streams %.4f/s %.0f B/s\n",
           (double)o->calm.datagrams / o->calm_s, (double)o->calm.datagram_bytes / o->calm_s,
           (double)o->calm.streams / o->calm_s, (double)o->calm.stream_bytes / o->calm_s);
    printf("agreement        %.0f s after healing\n", o->agreed_s);
    printf("cost             %.1f us of CPU a member and second, %ld MiB\n", o->cpu_us / o->calm_s,
           usage.ru_maxrss / 1024);
    printf("hash             %016llx (seed %llu)\n", (unsigned long long)o->hash,
           (unsigned long long)(t->world.seed + o->runs - 1));
}

int main(int argc, char **argv)
{
    size_t runs = 1;
    if (argc > 1 && strcmp(argv[1], "run") == 0) {
        struct trial t = parse(argc - 1, argv + 1, &runs);
        struct outcome o = {0};
        for (size_t i = 0; i < runs; i++) {
            struct trial one = t;
            one.world.seed += i;
            trial_run(&one, &o);
        }
        print_run(&o, &t);
        bool agreed = o.agreed_s >= 0;
        outcome_close(&o);
        return agreed ? 0 : 1;
    }
    if (argc > 1 && strcmp(argv[1], "tables") == 0)
        return tables_print((size_t)argc - 2, argv + 2);
    bool asked = argc > 1 && strcmp(argv[1], "--help") == 0;
    fputs(help, asked ? stdout : stderr);
    return asked ? 0 : 2;
}
