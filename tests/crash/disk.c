/* disk.c - see disk.h: the notes. cut.c has what a cut makes of them. */
#include "crash/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "disk: %s: ", what);
    perror(path);
    exit(2);
}

void disk_wrong(struct disk *d, const char *what, const char *name)
{
    if (d->wrong[0] == 0)
        snprintf(d->wrong, sizeof d->wrong, "%.60s: %.60s", what, name);
}

static void set_name(char to[DISK_NAME_MAX], const char *name)
{
    snprintf(to, DISK_NAME_MAX, "%s", name);
}

const char *disk_name(const struct disk *d, const char *path)
{
    size_t len = strlen(d->root);
    if (strncmp(path, d->root, len) != 0 || path[len] != '/')
        return NULL;
    const char *name = path + len + 1;
    return *name == 0 || strchr(name, '/') != NULL || strlen(name) >= DISK_NAME_MAX ? NULL : name;
}

uint32_t disk_find(const struct disk *d, uint64_t ino)
{
    for (uint32_t i = 0; i < DISK_FILES_MAX; i++) {
        if (d->files[i].ino == ino)
            return i;
    }
    return DISK_NONE;
}

struct disk_change *disk_change(struct disk *d, uint64_t number)
{
    return &d->changes[number % DISK_CHANGES_MAX];
}

/* --- names, as they are now and as they are on the disk */

struct disk_names *disk_durable(struct disk *d)
{
    return &d->durable[d->durable_now];
}

static struct disk_entry *names_find(struct disk_names *n, const char *name)
{
    for (uint32_t i = 0; i < n->count; i++) {
        if (strcmp(n->entries[i].name, name) == 0)
            return &n->entries[i];
    }
    return NULL;
}

static void names_set(struct disk *d, struct disk_names *n, const char *name, uint32_t file)
{
    struct disk_entry *e = names_find(n, name);
    if (file == DISK_NONE) {
        if (e != NULL)
            *e = n->entries[--n->count];
        return;
    }
    if (e == NULL) {
        if (n->count == DISK_FILES_MAX) {
            disk_wrong(d, "too many names", name);
            return;
        }
        e = &n->entries[n->count++];
        set_name(e->name, name);
    }
    e->file = file;
}

static uint32_t current_find(struct disk *d, const char *name)
{
    for (uint64_t i = d->changes_end; i-- > d->changes_begin;) {
        const struct disk_change *c = disk_change(d, i);
        if (strcmp(c->name, name) == 0)
            return c->file;
        if (strcmp(c->gone, name) == 0)
            return DISK_NONE;
    }
    const struct disk_entry *e = names_find(disk_durable(d), name);
    return e == NULL ? DISK_NONE : e->file;
}

void disk_free_files(struct disk *d)
{
    bool used[DISK_FILES_MAX] = {false};
    char path[DISK_PATH_MAX + 16];
    for (uint32_t i = 0; i < disk_durable(d)->count; i++)
        used[disk_durable(d)->entries[i].file] = true;
    for (uint64_t i = d->changes_begin; i < d->changes_end; i++) {
        if (disk_change(d, i)->file != DISK_NONE)
            used[disk_change(d, i)->file] = true;
    }
    for (uint32_t i = 0; i < DISK_FILES_MAX; i++) {
        if (d->files[i].ino == 0 || used[i])
            continue;
        d->files[i] = (struct disk_file){0, 0};
        snprintf(path, sizeof path, "%s/%u", d->keep, i);
        unlinkat(AT_FDCWD, path, 0);
    }
}

static void change(struct disk *d, const char *name, const char *gone, uint32_t file, bool made)
{
    if (d->changes_end - d->changes_begin == DISK_CHANGES_MAX) {
        disk_wrong(d, "too many changes without a sync of the directory", name);
        return;
    }
    struct disk_change *c = disk_change(d, d->changes_end);
    *c = (struct disk_change){.file = file, .made = made};
    set_name(c->name, name);
    set_name(c->gone, gone);
    atomic_signal_fence(memory_order_seq_cst); /* the process may die anywhere */
    d->changes_end++;
}

/* --- notes */

/* A place for the file that has this name, and its second name. */
static uint32_t file_new(struct disk *d, const char *name)
{
    char path[DISK_PATH_MAX + DISK_NAME_MAX + 2];
    char kept[DISK_PATH_MAX + 16];
    struct stat st;
    uint32_t file = disk_find(d, 0); /* a free place */
    snprintf(path, sizeof path, "%s/%s", d->root, name);
    snprintf(kept, sizeof kept, "%s/%u", d->keep, file);
    if (file != DISK_NONE)
        unlinkat(AT_FDCWD, kept, 0); /* left by a process that died before it noted anything */
    if (file == DISK_NONE || linkat(AT_FDCWD, path, AT_FDCWD, kept, 0) != 0 ||
        stat(kept, &st) != 0) {
        disk_wrong(d, "cannot keep a file", name);
        return DISK_NONE;
    }
    d->files[file] = (struct disk_file){st.st_ino, 0};
    return file;
}

uint32_t disk_made(struct disk *d, const char *name)
{
    uint32_t file = file_new(d, name);
    if (file != DISK_NONE)
        change(d, name, "", file, true);
    return file;
}

void disk_removed(struct disk *d, const char *name)
{
    change(d, name, "", DISK_NONE, false);
}

void disk_renamed(struct disk *d, const char *from, const char *to)
{
    change(d, to, from, current_find(d, from), false);
}

void disk_synced_file(struct disk *d, uint32_t file, uint64_t bytes)
{
    if (d->files[file].synced < bytes)
        d->files[file].synced = bytes;
    for (uint64_t i = d->changes_begin; i < d->changes_end; i++) {
        struct disk_change *c = disk_change(d, i);
        c->durable = c->durable || (c->made && c->file == file);
    }
}

/* The process may die in here, too. The new names are made beside the old ones; when it dies after
 * it has turned to them, the same changes made again change nothing. */
void disk_synced_names(struct disk *d, uint64_t upto)
{
    const struct disk_names *now = disk_durable(d);
    struct disk_names *next = &d->durable[1 - d->durable_now];
    if (upto <= d->changes_begin)
        return;
    memcpy(next->entries, now->entries, now->count * sizeof now->entries[0]);
    next->count = now->count;
    for (uint64_t i = d->changes_begin; i < upto; i++) {
        const struct disk_change *c = disk_change(d, i);
        if (c->gone[0] != 0)
            names_set(d, next, c->gone, DISK_NONE);
        names_set(d, next, c->name, c->file);
    }
    atomic_signal_fence(memory_order_seq_cst);
    d->durable_now = 1 - d->durable_now;
    atomic_signal_fence(memory_order_seq_cst);
    d->changes_begin = upto;
    atomic_signal_fence(memory_order_seq_cst);
    disk_free_files(d);
}

/* --- the test's side */

static void empty_directory(const char *path)
{
    char file[DISK_PATH_MAX + 258];
    DIR *dir = opendir(path);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.' && unlink(file) != 0)
            fail("remove", file);
    }
    if (dir != NULL)
        closedir(dir);
}

struct disk *disk_map(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        fail("open", path);
    struct disk *d = mmap(NULL, sizeof *d, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (d == MAP_FAILED)
        fail("map", path);
    close(fd);
    return d;
}

void disk_unmap(struct disk *d)
{
    munmap(d, sizeof *d);
}

struct disk *disk_new(const char *path, const char *root)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct disk)) != 0)
        fail("make", path);
    close(fd);
    struct disk *d = disk_map(path);
    snprintf(d->root, sizeof d->root, "%s", root);
    snprintf(d->keep, sizeof d->keep, "%s.keep", path);
    if (mkdir(d->keep, 0700) != 0)
        empty_directory(d->keep);
    disk_settle(d);
    for (uint64_t i = d->changes_begin; i < d->changes_end; i++) {
        struct stat st;
        char kept[DISK_PATH_MAX + 16];
        uint32_t file = disk_change(d, i)->file;
        snprintf(kept, sizeof kept, "%s/%u", d->keep, file);
        if (stat(kept, &st) != 0)
            fail("look at", kept);
        d->files[file].synced = (uint64_t)st.st_size;
    }
    disk_synced_names(d, d->changes_end);
    return d;
}

void disk_remove(struct disk *d, const char *path)
{
    empty_directory(d->keep);
    rmdir(d->keep);
    disk_unmap(d);
    unlink(path);
}

/* A name that is there: known, or made or renamed by a call that was not noted. */
static void settle_name(struct disk *d, const char *name)
{
    char path[DISK_PATH_MAX + DISK_NAME_MAX + 2];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", d->root, name);
    if (strlen(name) >= DISK_NAME_MAX || lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    uint32_t file = disk_find(d, st.st_ino);
    if (file == DISK_NONE)
        (void)disk_made(d, name);
    else if (current_find(d, name) != file)
        change(d, name, "", file, false);
}

static void settle_missing(struct disk *d, const char *name)
{
    char path[DISK_PATH_MAX + DISK_NAME_MAX + 2];
    snprintf(path, sizeof path, "%s/%s", d->root, name);
    if (current_find(d, name) != DISK_NONE && access(path, F_OK) != 0)
        disk_removed(d, name);
}

/* A process dies between a call and its note at most once in each of its threads. A rename found so
 * is a creation and a removal here, which a cut may part: more than a file system would do, but
 * only when the new name comes first, so that the file is never gone. */
void disk_settle(struct disk *d)
{
    DIR *dir = opendir(d->root);
    if (dir == NULL)
        fail("open", d->root);
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        settle_name(d, e->d_name);
    closedir(dir);
    for (uint32_t i = 0; i < disk_durable(d)->count; i++)
        settle_missing(d, disk_durable(d)->entries[i].name);
    for (uint64_t i = d->changes_begin, end = d->changes_end; i < end; i++)
        settle_missing(d, disk_change(d, i)->name);
}
