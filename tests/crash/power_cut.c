/* power_cut.c - the disk's side of a test whose process under test is another program, with
 * LD_PRELOAD=libpower_cut.so and POWER_CUT=STATE.
 *
 *   power_cut new STATE DIR          DIR exists; what is in it is durable
 *   power_cut die STATE CALLS WHEN   the process dies by itself so many calls from now,
 *                                    0 before, 1 within, 2 after the call; CALLS 0: it does not
 *   power_cut end STATE              the process is dead: settle its notes; prints calls and syncs
 *   power_cut cut STATE SEED         ... and the power goes
 */
#include "crash/disk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die_later(struct disk *d, const char *calls, const char *when)
{
    uint64_t n = strtoull(calls, NULL, 10);
    d->die_at = n == 0 ? 0 : d->calls + n;
    d->death = (uint32_t)strtoul(when, NULL, 10);
}

int main(int argc, char **argv)
{
    const char *verb = argc >= 3 ? argv[1] : "";
    struct disk *d;
    if (strcmp(verb, "new") == 0 && argc == 4) {
        d = disk_new(argv[2], argv[3]);
        d->wait_us = 400;
        return 0;
    }
    if (!(strcmp(verb, "die") == 0 && argc == 5) && !(strcmp(verb, "end") == 0 && argc == 3) &&
        !(strcmp(verb, "cut") == 0 && argc == 4)) {
        fprintf(stderr, "usage: power_cut new|die|end|cut STATE ...\n");
        return 2;
    }
    d = disk_map(argv[2]);
    if (strcmp(verb, "die") == 0) {
        die_later(d, argv[3], argv[4]);
        return 0;
    }
    disk_settle(d);
    if (strcmp(verb, "cut") == 0)
        disk_cut(d, strtoull(argv[3], NULL, 10), DISK_GARBAGE);
    printf("%" PRIu64 " %" PRIu64 "\n", d->calls, d->syncs);
    if (d->wrong[0] != 0)
        fprintf(stderr, "power_cut: %s\n", d->wrong);
    return d->wrong[0] != 0 ? 1 : 0;
}
