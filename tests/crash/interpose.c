/* interpose.c - see interpose.h.
 *
 * All notes are made under one lock, the call itself included, so that they are in the order in
 * which things happened. Calls that would change bytes or names in a way that disk.h has no word
 * for are not carried out differently; they are reported (disk_wrong), and fail the test: a newer
 * LevelDB that uses them needs a better model, not a silent pass. */
#include "crash/interpose.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#undef open64
#undef openat64

static struct disk *disk;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The next definition of a name behind ours: libc's, or a sanitizer's. */
#define REAL(ret, name, ...)                                                                       \
    static ret (*real_##name)(__VA_ARGS__);                                                        \
    static void find_##name(void)                                                                  \
    {                                                                                              \
        if (real_##name == NULL)                                                                   \
            *(void **)&real_##name = dlsym(RTLD_NEXT, #name);                                      \
    }

REAL(int, open, const char *, int, ...)
REAL(int, openat, int, const char *, int, ...)
REAL(ssize_t, write, int, const void *, size_t)
REAL(ssize_t, pwrite, int, const void *, size_t, off_t)
REAL(ssize_t, writev, int, const struct iovec *, int)
REAL(int, fsync, int)
REAL(int, fdatasync, int)
REAL(int, rename, const char *, const char *)
REAL(int, unlink, const char *)
REAL(int, ftruncate, int, off_t)

/* Declared here: libc declares some of them under conditions. */
int open64(const char *path, int flags, ...);
int openat64(int dir, const char *path, int flags, ...);

void interpose_start(struct disk *d)
{
    disk = d;
}

__attribute__((constructor)) static void start_preloaded(void)
{
    const char *path = getenv("POWER_CUT");
    if (path != NULL && disk == NULL)
        interpose_start(disk_map(path));
}

/* --- dying */

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;) /* with the lock: nobody else gets anything more done */
        pause();
}

/* A call on the directory begins, under the lock. True: it is the last, and dies within. */
static bool call_begins(void)
{
    if (++disk->calls != disk->die_at)
        return false;
    if (disk->death == DISK_BEFORE)
        die();
    return true;
}

static void call_ends(bool last)
{
    if (last)
        die();
    pthread_mutex_unlock(&lock);
}

/* Random enough, and the same for the same call of the same test. */
static void wait_for_disk(uint64_t call)
{
    if (disk->wait_us == 0)
        return;
    uint64_t us = (call * 0x9e3779b97f4a7c15u >> 33) % disk->wait_us;
    struct timespec t = {0, (long)us * 1000};
    nanosleep(&t, NULL);
}

/* --- opening */

static int open_real(const char *path, int flags, mode_t mode)
{
    find_open();
    return real_open(path, flags, mode);
}

/* Opens a file of the directory. One that is made empty is a new one under the same name. */
static int open_ours(const char *path, const char *name, int flags, mode_t mode)
{
    struct stat st;
    pthread_mutex_lock(&lock);
    bool there = stat(path, &st) == 0;
    bool emptied = there && S_ISREG(st.st_mode) && st.st_size > 0 && (flags & O_TRUNC) != 0 &&
                   (flags & O_EXCL) == 0;
    if (there ? !emptied : (flags & O_CREAT) == 0) {
        int fd = open_real(path, flags, mode);
        pthread_mutex_unlock(&lock);
        return fd;
    }
    bool last = call_begins();
    if (last && disk->death == DISK_WITHIN)
        die();
    if (emptied && unlinkat(AT_FDCWD, path, 0) != 0)
        disk_wrong(disk, "cannot replace a file", name);
    int fd = open_real(path, flags | O_CREAT, emptied ? st.st_mode & 0777 : mode);
    if (fd >= 0)
        (void)disk_made(disk, name);
    call_ends(last);
    return fd;
}

static int open_any(const char *path, int flags, mode_t mode)
{
    const char *name = disk == NULL ? NULL : disk_name(disk, path);
    return name == NULL ? open_real(path, flags, mode) : open_ours(path, name, flags, mode);
}

static mode_t mode_of(int flags, va_list more)
{
    return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = mode_of(flags, more);
    va_end(more);
    return open_any(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = mode_of(flags, more);
    va_end(more);
    return open_any(path, flags | O_LARGEFILE, mode);
}

int creat(const char *path, mode_t mode)
{
    return open_any(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

static int openat_any(int dir, const char *path, int flags, mode_t mode)
{
    if (path[0] == '/')
        return open_any(path, flags, mode);
    find_openat();
    return real_openat(dir, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = mode_of(flags, more);
    va_end(more);
    return openat_any(dir, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = mode_of(flags, more);
    va_end(more);
    return openat_any(dir, path, flags | O_LARGEFILE, mode);
}

/* --- writing */

/* The number of an open file of the directory, DISK_NONE when it is something else. With the lock
 * held. */
static uint32_t file_of(int fd, struct stat *ret_st)
{
    if (fstat(fd, ret_st) != 0 || !S_ISREG(ret_st->st_mode))
        return DISK_NONE;
    return disk_find(disk, ret_st->st_ino);
}

/* Cheaper than the lock, and all that a socket or a pipe needs. */
static bool may_be_ours(int fd)
{
    struct stat st;
    return disk != NULL && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

ssize_t write(int fd, const void *data, size_t len)
{
    struct stat st;
    find_write();
    if (!may_be_ours(fd))
        return real_write(fd, data, len);
    pthread_mutex_lock(&lock);
    uint32_t file = file_of(fd, &st);
    if (file == DISK_NONE) {
        pthread_mutex_unlock(&lock);
        return real_write(fd, data, len);
    }
    bool append = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
    off_t at = append ? st.st_size : lseek(fd, 0, SEEK_CUR);
    if ((uint64_t)at < disk->files[file].synced)
        disk_wrong(disk, "a write over synced bytes", "write");
    bool last = call_begins();
    if (last && disk->death == DISK_WITHIN) {
        (void)!real_write(fd, data, len / 2);
        die();
    }
    ssize_t n = real_write(fd, data, len);
    call_ends(last);
    return n;
}

/* What no file of the directory has had done to it so far. */
static void refuse(int fd, const char *what)
{
    struct stat st;
    if (!may_be_ours(fd))
        return;
    pthread_mutex_lock(&lock);
    if (file_of(fd, &st) != DISK_NONE)
        disk_wrong(disk, "not in the model", what);
    pthread_mutex_unlock(&lock);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    find_pwrite();
    refuse(fd, "pwrite");
    return real_pwrite(fd, data, len, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    find_writev();
    refuse(fd, "writev");
    return real_writev(fd, parts, count);
}

int ftruncate(int fd, off_t len)
{
    struct stat st;
    find_ftruncate();
    if (!may_be_ours(fd))
        return real_ftruncate(fd, len);
    pthread_mutex_lock(&lock);
    uint32_t file = file_of(fd, &st);
    bool last = file != DISK_NONE && call_begins();
    int got = real_ftruncate(fd, len);
    if (got == 0 && file != DISK_NONE && disk->files[file].synced > (uint64_t)len)
        disk->files[file].synced = (uint64_t)len;
    call_ends(last);
    return got;
}

/* --- syncing */

/* The directory itself, or a file of it; else the real call. */
static int sync_any(int fd, int (*real)(int))
{
    struct stat st;
    struct stat root;
    if (disk == NULL || fstat(fd, &st) != 0)
        return real(fd);
    pthread_mutex_lock(&lock);
    bool names = S_ISDIR(st.st_mode) && stat(disk->root, &root) == 0 && root.st_ino == st.st_ino;
    uint32_t file = names ? DISK_NONE : file_of(fd, &st);
    if (!names && file == DISK_NONE) {
        pthread_mutex_unlock(&lock);
        return real(fd);
    }
    bool last = call_begins();
    uint64_t call = disk->calls;
    uint64_t changes = disk->changes_end;
    pthread_mutex_unlock(&lock);
    wait_for_disk(call);
    pthread_mutex_lock(&lock);
    if (last && disk->death == DISK_WITHIN)
        die();
    disk->syncs++;
    if (names)
        disk_synced_names(disk, changes);
    else
        disk_synced_file(disk, file, (uint64_t)st.st_size);
    call_ends(last);
    return 0;
}

int fsync(int fd)
{
    find_fsync();
    return sync_any(fd, real_fsync);
}

int fdatasync(int fd)
{
    find_fdatasync();
    return sync_any(fd, real_fdatasync);
}

/* --- names */

int rename(const char *from, const char *to)
{
    const char *a = disk == NULL ? NULL : disk_name(disk, from);
    const char *b = disk == NULL ? NULL : disk_name(disk, to);
    find_rename();
    if (a == NULL || b == NULL) {
        if (a != NULL || b != NULL)
            disk_wrong(disk, "not in the model", "rename from or to elsewhere");
        return real_rename(from, to);
    }
    pthread_mutex_lock(&lock);
    bool last = call_begins();
    if (last && disk->death == DISK_WITHIN)
        die();
    int got = real_rename(from, to);
    if (got == 0)
        disk_renamed(disk, a, b);
    call_ends(last);
    return got;
}

int unlink(const char *path)
{
    const char *name = disk == NULL ? NULL : disk_name(disk, path);
    find_unlink();
    if (name == NULL)
        return real_unlink(path);
    pthread_mutex_lock(&lock);
    bool last = call_begins();
    if (last && disk->death == DISK_WITHIN)
        die();
    int got = real_unlink(path);
    if (got == 0)
        disk_removed(disk, name);
    call_ends(last);
    return got;
}
