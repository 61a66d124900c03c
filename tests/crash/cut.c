/* cut.c - the power goes: one of the states that disk.h allows, chosen by a seed. */
#include "base/rng.h"
#include "crash/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096u

static void fail(const char *path)
{
    fprintf(stderr, "cut: ");
    perror(path);
    exit(2);
}

/* All, nothing or something in between: the ends are where mistakes show. */
static uint64_t some_of(struct rng *r, uint64_t all)
{
    switch (rng_below(r, 4)) {
    case 0: return all;
    case 1: return 0;
    default: return rng_below(r, all + 1);
    }
}

/* --- names */

/* Those changes that came to the disk, in their order, become durable; the others are forgotten. */
static void cut_names(struct disk *d, struct rng *r, bool unordered)
{
    uint64_t kept = d->changes_begin;
    uint64_t upto = d->changes_begin + some_of(r, d->changes_end - d->changes_begin);
    for (uint64_t i = d->changes_begin; i < d->changes_end; i++) {
        bool came = unordered ? rng_below(r, 2) == 0 : i < upto;
        if (came || disk_change(d, i)->durable)
            *disk_change(d, kept++) = *disk_change(d, i);
    }
    d->changes_end = kept;
    disk_synced_names(d, kept);
    disk_free_files(d);
}

/* --- bytes */

static void spoil_page(int fd, uint64_t from, uint64_t upto, struct rng *r)
{
    uint8_t page[PAGE] = {0};
    if (rng_below(r, 2) == 0) {
        for (size_t i = 0; i < PAGE; i++)
            page[i] = (uint8_t)rng_next(r);
    }
    ssize_t len = (ssize_t)(upto - from);
    if (pwrite(fd, page, (size_t)len, (off_t)from) != len)
        fail("spoil");
}

/* Bytes beyond what is synced are cut off from some point on; what is left may lack pages. */
static void cut_bytes(struct disk_file *f, const char *path, struct rng *r, bool garbage)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        fail(path);
    uint64_t size = (uint64_t)st.st_size;
    if (size > f->synced) {
        size = f->synced + some_of(r, size - f->synced);
        if (ftruncate(fd, (off_t)size) != 0)
            fail(path);
        garbage = garbage && rng_below(r, 2) == 0;
        for (uint64_t at = f->synced; garbage && at < size;) {
            uint64_t end = (at / PAGE + 1) * PAGE;
            end = end < size ? end : size;
            if (rng_below(r, 2) == 0)
                spoil_page(fd, at, end, r);
            at = end;
        }
    }
    f->synced = size;
    close(fd);
}

/* --- the directory */

static void clear_names(const struct disk *d)
{
    char path[DISK_PATH_MAX + 258];
    struct stat st;
    DIR *dir = opendir(d->root);
    if (dir == NULL)
        fail(d->root);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", d->root, e->d_name);
        if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && unlink(path) != 0)
            fail(path);
    }
    closedir(dir);
}

void disk_cut(struct disk *d, uint64_t seed, unsigned flags)
{
    char kept[DISK_PATH_MAX + 16];
    char path[DISK_PATH_MAX + DISK_NAME_MAX + 2];
    struct rng r;
    rng_init(&r, seed);
    cut_names(d, &r, (flags & DISK_UNORDERED) != 0);
    clear_names(d);
    for (uint32_t i = 0; i < disk_durable(d)->count; i++) {
        const struct disk_entry *e = &disk_durable(d)->entries[i];
        snprintf(kept, sizeof kept, "%s/%u", d->keep, e->file);
        snprintf(path, sizeof path, "%s/%s", d->root, e->name);
        cut_bytes(&d->files[e->file], kept, &r, (flags & DISK_GARBAGE) != 0);
        if (link(kept, path) != 0)
            fail(path);
    }
}
