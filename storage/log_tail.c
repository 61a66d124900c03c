/* log_tail.c - see log_tail.h.
 *
 *   log    = blocks of 32768 bytes, the last may be shorter
 *   block  = records, then fewer than 7 bytes of padding
 *   record = masked crc32c of type and payload, u16 length, u8 type, payload  (little endian)
 *   type   = 1 whole | 2 first, 3 middle, 4 last fragment of what does not fit the block
 */
#include "storage/log_tail.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "storage/leveldb_format.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK        32768u
#define HEADER       7u
#define PATH_MAX_LEN 4096

enum { WHOLE = 1, FIRST, MIDDLE, LAST };

struct tail {
    struct crc32c crc;
    uint8_t block[BLOCK];
    uint64_t good;   /* where the last record that is complete ends */
    bool in_record;  /* a first fragment was there, not yet the last */
    bool broken;     /* something was no record */
    bool followed;   /* ... and a record begins behind it */
    bool incomplete; /* the file ends within a record */
};

/* The bytes of the record at `at` in a block of n, 0 when there is none. */
static size_t record_at(const struct tail *t, size_t at, size_t n)
{
    const uint8_t *p = t->block + at;
    if (n - at < HEADER || p[6] < WHOLE || p[6] > LAST)
        return 0;
    size_t len = (size_t)ldb_fixed(p + 4, 2);
    if (len > n - at - HEADER ||
        crc32c_masked(&t->crc, bytes_make(p + 6, len + 1)) != ldb_fixed(p, 4))
        return 0;
    return HEADER + len;
}

static bool begins(const struct tail *t, size_t at)
{
    return t->block[at + 6] == WHOLE || t->block[at + 6] == FIRST;
}

/* Does the file end within what may be the record at `at`? LevelDB, too, takes this for the end. */
static bool ends_within(const struct tail *t, size_t at, size_t n)
{
    return n < BLOCK && (n - at < HEADER || ldb_fixed(t->block + at + 4, 2) > n - at - HEADER);
}

/* Behind a broken record its length is worth nothing: a record may begin at any byte. */
static void look_behind(struct tail *t, size_t at, size_t n)
{
    for (at++; at + HEADER <= n && !t->followed; at++)
        t->followed = record_at(t, at, n) > 0 && begins(t, at);
}

static void look_at_block(struct tail *t, uint64_t block_at, size_t n)
{
    size_t at = 0;
    while (BLOCK - at >= HEADER && at < n) {
        size_t len = record_at(t, at, n);
        if (t->broken) {
            t->followed = t->followed || (len > 0 && begins(t, at));
            if (len == 0)
                return;
        } else if (len == 0 && ends_within(t, at, n)) {
            t->incomplete = true;
            look_behind(t, at, n);
            return;
        } else if (len == 0 || begins(t, at) == t->in_record) {
            t->broken = true;
            t->followed = len > 0 && begins(t, at);
            look_behind(t, at, n);
            return;
        } else {
            t->in_record = t->block[at + 6] == FIRST || t->block[at + 6] == MIDDLE;
            if (!t->in_record)
                t->good = block_at + at + len;
        }
        at += len;
    }
}

static enum err look_at_file(struct tail *t, int fd)
{
    for (uint64_t at = 0;; at += BLOCK) {
        size_t n = 0;
        ssize_t got = 1;
        while (n < BLOCK && got > 0) {
            got = pread(fd, t->block + n, BLOCK - n, (off_t)(at + n));
            if (got < 0)
                return ERR_IO;
            n += (size_t)got;
        }
        look_at_block(t, at, n);
        if (n < BLOCK)
            return ERR_OK;
    }
}

static enum err file_cut(const char *path, bool anything, uint64_t *bytes)
{
    struct stat st;
    struct tail *t = mem_new(struct tail);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    enum err err = fd < 0 || fstat(fd, &st) != 0 ? ERR_IO : ERR_OK;
    crc32c_init(&t->crc);
    if (err == ERR_OK)
        err = look_at_file(t, fd);
    if (err == ERR_OK && t->followed && !anything)
        err = ERR_CORRUPT;
    if (err == ERR_OK && (t->broken || t->incomplete || t->in_record)) {
        if (ftruncate(fd, (off_t)t->good) != 0 || fsync(fd) != 0)
            err = ERR_IO;
        else
            *bytes += (uint64_t)st.st_size - t->good;
    }
    if (fd >= 0)
        close(fd);
    mem_free(t);
    return err;
}

/* --- which files */

/* The number of a log, 0 for another file. */
static uint64_t log_number(const char *name)
{
    char *end;
    uint64_t number = strtoull(name, &end, 10);
    return end != name && strcmp(end, ".log") == 0 ? number : 0;
}

/* The newest that has anything in it: a start that the power cut met leaves an empty one. */
static uint64_t newest_log(DIR *dir)
{
    struct stat st;
    uint64_t newest = 0;
    rewinddir(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        uint64_t number = log_number(e->d_name);
        if (number > newest && fstatat(dirfd(dir), e->d_name, &st, 0) == 0 && st.st_size > 0)
            newest = number;
    }
    return newest;
}

static enum err logs_cut(const char *path, bool all_logs, uint64_t *bytes)
{
    char file[PATH_MAX_LEN];
    enum err err = ERR_OK;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return ERR_IO;
    uint64_t newest = newest_log(dir);
    rewinddir(dir);
    for (struct dirent *e; err == ERR_OK && (e = readdir(dir)) != NULL;) {
        uint64_t number = log_number(e->d_name);
        if (number == 0 || (number != newest && !all_logs))
            continue;
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        err = file_cut(file, all_logs, bytes);
    }
    closedir(dir);
    return err;
}

/* The manifest is a log of changes, each of them synced whatever the mode. */
static enum err manifest_cut(const char *path, uint64_t *bytes)
{
    char file[PATH_MAX_LEN];
    char name[64] = {0};
    snprintf(file, sizeof file, "%s/CURRENT", path);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, name, sizeof name - 1);
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return ERR_IO;
    name[strcspn(name, "\n")] = 0;
    if (strncmp(name, "MANIFEST-", 9) != 0 || strchr(name, '/') != NULL)
        return ERR_CORRUPT;
    snprintf(file, sizeof file, "%s/%s", path, name);
    return file_cut(file, false, bytes);
}

enum err log_tails_cut(const char *path, bool all_logs, uint64_t *ret_bytes)
{
    uint64_t bytes = 0;
    enum err err = manifest_cut(path, &bytes);
    if (err == ERR_OK)
        err = logs_cut(path, all_logs, &bytes);
    *ret_bytes = bytes;
    return err;
}
