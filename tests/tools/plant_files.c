/* plant_files.c - damage to table files: bytes flipped where their data lies, files gone. */
#include "plant.h"

#include "base/mem.h"
#include "base/rng.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILES_MAX   4096
#define FOOTER_SIZE 48 /* of a table file: where its index lies */

struct table_file {
    char path[4096];
    uint64_t size;
};

static int by_size(const void *a, const void *b)
{
    const struct table_file *x = a, *y = b;
    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return strcmp(x->path, y->path);
}

static bool is_table(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && (strcmp(name + len - 4, ".ldb") == 0 || strcmp(name + len - 4, ".sst") == 0);
}

/* The largest first. */
static size_t find_files(const struct plan *p, struct table_file *files)
{
    size_t count = 0;
    DIR *dir = opendir(p->dir);
    struct dirent *entry;
    struct stat st;
    while (dir != NULL && count < FILES_MAX && (entry = readdir(dir)) != NULL) {
        struct table_file *f = &files[count];
        if (!is_table(entry->d_name) || (p->file != NULL && strcmp(p->file, entry->d_name) != 0))
            continue;
        if ((size_t)snprintf(f->path, sizeof f->path, "%s/%s", p->dir, entry->d_name) >=
                sizeof f->path ||
            stat(f->path, &st) != 0 || st.st_size <= FOOTER_SIZE)
            continue;
        f->size = (uint64_t)st.st_size;
        count++;
    }
    if (dir != NULL)
        closedir(dir);
    qsort(files, count, sizeof *files, by_size);
    return count;
}

static bool flip_at(const char *path, uint64_t at)
{
    FILE *f = fopen(path, "r+b");
    int byte = EOF;
    bool good = f != NULL && fseek(f, (long)at, SEEK_SET) == 0 && (byte = fgetc(f)) != EOF &&
                fseek(f, (long)at, SEEK_SET) == 0 && fputc(byte ^ 0x10, f) != EOF;
    if (f != NULL)
        good = fclose(f) == 0 && good;
    if (good)
        printf("flipped %s at %llu: %02x -> %02x\n", path, (unsigned long long)at, byte,
               byte ^ 0x10);
    else
        fprintf(stderr, "plant: %s: cannot be changed\n", path);
    return good;
}

/* The data comes first in a file, then its filter (some percent) and its index. */
bool plant_flips(const struct plan *p)
{
    struct table_file *files = mem_alloc(FILES_MAX * sizeof *files);
    size_t count = find_files(p, files);
    struct rng rng;
    bool good = p->flipped == 0 || count > 0;
    uint64_t all = 0;
    rng_init(&rng, p->seed);
    for (size_t i = 0; i < count; i++)
        all += files[i].size * 4 / 5;
    for (uint64_t k = 0; k < p->flipped && good; k++) {
        uint64_t at = p->seed == 0 ? (2 * k + 1) * all / (2 * p->flipped) : rng_next(&rng) % all;
        size_t i = 0;
        while (at >= files[i].size * 4 / 5)
            at -= files[i++].size * 4 / 5;
        good = flip_at(files[i].path, at);
    }
    mem_free(files);
    return good;
}

bool plant_losses(const struct plan *p)
{
    struct table_file *files = mem_alloc(FILES_MAX * sizeof *files);
    size_t count = find_files(p, files);
    bool good = p->lost <= count;
    for (size_t i = 0; i < p->lost && good; i++) {
        good = remove(files[i].path) == 0;
        printf("lost %s of %llu bytes\n", files[i].path, (unsigned long long)files[i].size);
    }
    mem_free(files);
    return good;
}
