/* leveldb_files.c - see leveldb_files.h. */
#include "storage/leveldb_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void ldb_name_of(char out[LDB_PATH_MAX], const char *dir, const char *name)
{
    if (snprintf(out, LDB_PATH_MAX, "%s/%s", dir, name) >= LDB_PATH_MAX)
        out[0] = 0; /* which cannot be opened */
}

bool ldb_table_name(char out[LDB_PATH_MAX], const char *dir, uint64_t number)
{
    static const char *const ends[] = {"ldb", "sst"};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        if (snprintf(out, LDB_PATH_MAX, "%s/%06llu.%s", dir, (unsigned long long)number, ends[i]) <
                LDB_PATH_MAX &&
            access(out, F_OK) == 0)
            return true;
    }
    (void)snprintf(out, LDB_PATH_MAX, "%s/%06llu.ldb", dir, (unsigned long long)number);
    return false;
}

enum err ldb_map_file(const char *path, struct ldb_mapping *ret)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err err = fd < 0 && errno == ENOENT ? ERR_NOT_FOUND : ERR_OK;
    *ret = (struct ldb_mapping){.bytes = BYTES_NONE};
    if (err == ERR_OK && (fd < 0 || fstat(fd, &st) != 0))
        err = ERR_IO;
    if (err == ERR_OK && st.st_size > 0) {
        ret->at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (ret->at == MAP_FAILED)
            err = ERR_IO;
        else
            ret->bytes = bytes_make(ret->at, (size_t)st.st_size);
    }
    if (fd >= 0)
        close(fd);
    return err;
}

void ldb_unmap(struct ldb_mapping *m)
{
    if (m->bytes.len > 0)
        munmap(m->at, m->bytes.len);
}

enum err ldb_current(const char *path, char ret_name[LDB_NAME_MAX])
{
    char file[LDB_PATH_MAX];
    struct ldb_mapping current;
    ldb_name_of(file, path, "CURRENT");
    enum err err = ldb_map_file(file, &current);
    ret_name[0] = 0;
    if (err == ERR_OK && current.bytes.len < LDB_NAME_MAX && current.bytes.len > 9) {
        memcpy(ret_name, current.bytes.data, current.bytes.len);
        ret_name[current.bytes.len] = 0;
        ret_name[strcspn(ret_name, "\n")] = 0;
    }
    ldb_unmap(&current);
    if (err == ERR_OK && (strncmp(ret_name, "MANIFEST-", 9) != 0 || strchr(ret_name, '/') != NULL))
        err = ERR_CORRUPT;
    return err;
}

/* Not by mapping it: of a disk that cannot read a page of it the process would die. */
static enum err read_piece(const char *path, uint64_t from, size_t size, struct buf *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err err = fd >= 0 ? ERR_OK : errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    buf_clear(ret);
    ssize_t n = 1;
    while (err == ERR_OK && n > 0 && ret->len < size) {
        uint8_t room[65536];
        size_t want = size - ret->len < sizeof room ? size - ret->len : sizeof room;
        n = pread(fd, room, want, (off_t)(from + ret->len));
        if (n < 0)
            err = ERR_IO;
        else
            buf_put(ret, room, (size_t)n);
    }
    if (fd >= 0)
        close(fd);
    return err;
}

enum err ldb_read_file(const char *path, uint64_t from, size_t size, struct buf *ret)
{
    enum err err = read_piece(path, from, size, ret);
    return err == ERR_OK && ret->len < size ? ERR_CORRUPT : err;
}

enum err ldb_manifest_go_on(const char *path, const char *name, struct ldb_manifest *m)
{
    char file[LDB_PATH_MAX];
    struct buf more;
    ldb_name_of(file, path, name);
    buf_init(&more, SIZE_MAX);
    enum err err = read_piece(file, ldb_manifest_base(m), SIZE_MAX, &more);
    if (err == ERR_OK)
        err = ldb_manifest_read(buf_bytes(&more), m);
    buf_close(&more);
    return err;
}

enum err ldb_manifest_of(const char *path, const char *name, struct ldb_manifest *ret)
{
    char file[LDB_PATH_MAX];
    struct ldb_mapping m;
    ldb_name_of(file, path, name);
    enum err err = ldb_map_file(file, &m);
    if (err == ERR_OK)
        err = ldb_manifest_read(m.bytes, ret);
    ldb_unmap(&m);
    return err;
}

enum err ldb_check_named(const char *path, struct errmsg *reterr)
{
    char name[LDB_NAME_MAX], log[LDB_PATH_MAX];
    struct ldb_manifest m;
    if (ldb_current(path, name) != ERR_OK)
        return ERR_OK;
    ldb_manifest_init(&m);
    enum err err = ldb_manifest_of(path, name, &m);
    uint64_t number = err == ERR_OK ? m.log : 0;
    ldb_manifest_close(&m);
    if (err == ERR_NOT_FOUND)
        return errmsg_set(reterr, ERR_CORRUPT,
                          "%s/%s is gone: which files belong to the data is not known", path, name);
    (void)snprintf(log, sizeof log, "%s/%06llu.log", path, (unsigned long long)number);
    if (number != 0 && access(log, F_OK) != 0 && errno == ENOENT)
        return errmsg_set(reterr, ERR_CORRUPT, "%s is gone, and with it what was written last",
                          log);
    return ERR_OK;
}
