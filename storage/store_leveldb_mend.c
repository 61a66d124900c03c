/* store_leveldb_mend.c - a directory that LevelDB does not open, or does not read, is made one that
 * it does, with as little lost as can be, and what is lost is written down.
 *
 * The manifest says which table files there are, and of each the first and the last key. So of a
 * file that is gone it is known which keys it may have had, and of a block of it, by the file's
 * index, too. What is gone is replaced by nothing: a file of the same size without any key, a block
 * of the same size without any. LevelDB then opens, reads and compacts as ever. It may show what
 * lay under what is gone, as it once was: so whoever is told must forget those stretches.
 *
 * LevelDB's own repair does not do: it does not say what it lost, and it puts all files on one
 * level, where a value may come out that another has replaced. So without a manifest nothing is
 * mended.
 *
 *   looked at -> DAMAGE written and synced (lost.h) -> files mended -> opened
 *
 * What is mended is kept as it was in the folder "lost", once. A crash in between is no matter:
 * what is not mended yet is found again, and DAMAGE only grows; whoever has dealt with it remembers
 * the id (engine_lost).
 */
#include "base/mem.h"
#include "storage/leveldb_files.h"
#include "storage/store_leveldb_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ASIDE_MAX  16 /* a disk that is damaged so often is to be replaced */
#define DAMAGE_MAX ((size_t)16 << 20)

struct patch { /* of a file of the manifest */
    uint64_t number, size;
    bool whole;       /* nothing of it is left */
    uint64_t *blocks; /* else: at, size */
    size_t count, cap;
};

struct mending {
    const char *path;
    struct ldb_manifest manifest;
    struct lost_keys *lost;
    bool found; /* anything that was not mended yet */
    struct patch *patches;
    size_t patches_count, patches_cap;
    const struct ldb_file *file; /* being looked at */
};

/* --- files */

static bool write_all(int fd, struct bytes b, uint64_t at)
{
    while (b.len > 0) {
        ssize_t n = pwrite(fd, b.data, b.len, (off_t)at);
        if (n < 0)
            return false;
        b = bytes_make(b.data + n, b.len - (size_t)n);
        at += (uint64_t)n;
    }
    return true;
}

static enum err write_file(const char *path, struct bytes content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool good = fd >= 0 && write_all(fd, content, 0) && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return good ? ERR_OK : ERR_IO;
}

/* There from one moment to the next, whole. */
static enum err replace_file(const char *dir, const char *name, struct bytes content)
{
    char path[LDB_PATH_MAX], fresh[LDB_PATH_MAX];
    ldb_name_of(path, dir, name);
    ldb_name_of(fresh, dir, "mending");
    enum err err = write_file(fresh, content);
    if (err == ERR_OK && (rename(fresh, path) != 0 || !ldb_sync_directory(dir)))
        err = ERR_IO;
    return err;
}

/* A copy of it in the folder "lost", unless there is one. */
static enum err keep(const char *dir, const char *path)
{
    char folder[LDB_PATH_MAX], copy[LDB_PATH_MAX];
    struct ldb_mapping m;
    ldb_name_of(folder, dir, "lost");
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return ERR_IO;
    ldb_name_of(copy, folder, strrchr(path, '/') + 1);
    if (access(copy, F_OK) == 0)
        return ERR_OK;
    enum err err = ldb_map_file(path, &m);
    if (err == ERR_OK)
        err = write_file(copy, m.bytes);
    ldb_unmap(&m);
    return err;
}

/* --- which manifest */

/* That of the largest number which can be read: it was whole before CURRENT named it. */
static enum err find_manifest(struct mending *m, char ret_name[LDB_NAME_MAX])
{
    uint64_t best = 0;
    DIR *dir = opendir(m->path);
    enum err err = dir == NULL ? ERR_IO : ERR_CORRUPT;
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        struct ldb_manifest one;
        uint64_t number =
            strncmp(e->d_name, "MANIFEST-", 9) == 0 ? strtoull(e->d_name + 9, NULL, 10) : 0;
        if (number <= best || strlen(e->d_name) >= LDB_NAME_MAX)
            continue;
        ldb_manifest_init(&one);
        if (ldb_manifest_of(m->path, e->d_name, &one) == ERR_OK) {
            best = number;
            memcpy(ret_name, e->d_name, strlen(e->d_name) + 1);
            err = ERR_OK;
        }
        ldb_manifest_close(&one);
    }
    if (dir != NULL)
        closedir(dir);
    return err;
}

/* The one that CURRENT names; where it names none that is there, CURRENT is written anew. */
static enum err read_manifest(struct mending *m)
{
    char path[LDB_PATH_MAX], name[LDB_NAME_MAX], line[LDB_NAME_MAX + 2];
    enum err err = ldb_current(m->path, name);
    ldb_name_of(path, m->path, name);
    if (err == ERR_IO)
        return err;
    if (err != ERR_OK || access(path, F_OK) != 0) {
        err = find_manifest(m, name);
        snprintf(line, sizeof line, "%s\n", name);
        if (err == ERR_OK)
            err = replace_file(m->path, "CURRENT", bytes_text(line));
    }
    return err == ERR_OK ? ldb_manifest_of(m->path, name, &m->manifest) : err;
}

/* LevelDB makes a directory with the first manifest, then CURRENT, and all else after that. So who
 * was killed while making it leaves no more than the first, perhaps a piece of it. */
static bool is_of_use(const char *name)
{
    const char *end = strrchr(name, '.');
    if (strncmp(name, "MANIFEST-", 9) == 0)
        return strtoull(name + 9, NULL, 10) > 1;
    return end != NULL &&
           (strcmp(end, ".ldb") == 0 || strcmp(end, ".sst") == 0 || strcmp(end, ".log") == 0);
}

bool ldb_has_lost_current(const char *path)
{
    char name[LDB_PATH_MAX];
    bool any = false;
    DIR *dir = opendir(path);
    ldb_name_of(name, path, "CURRENT");
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;)
        any |= is_of_use(e->d_name);
    if (dir != NULL)
        closedir(dir);
    return any && access(name, F_OK) != 0;
}

/* --- what is lost */

static struct patch *add_patch(struct mending *m)
{
    if (m->patches_count > 0 && m->patches[m->patches_count - 1].number == m->file->number)
        return &m->patches[m->patches_count - 1];
    m->patches = mem_grow(m->patches, m->patches_count, &m->patches_cap, sizeof *m->patches);
    struct patch *p = &m->patches[m->patches_count++];
    *p = (struct patch){.number = m->file->number, .size = m->file->size};
    m->found = true;
    return p;
}

/* Within what the manifest says of the file: an index may end in a key that no file has. */
static void note_block(void *arg, const struct ldb_block *b)
{
    struct mending *m = arg;
    struct patch *p = add_patch(m);
    struct bytes first = buf_bytes(&m->file->from), last = buf_bytes(&m->file->to);
    p->blocks = mem_grow(p->blocks, p->count, &p->cap, 2 * sizeof *p->blocks);
    p->blocks[2 * p->count] = b->at;
    p->blocks[2 * p->count++ + 1] = b->size;
    lost_add(m->lost, bytes_compare(b->from, first) > 0 ? b->from : first,
             bytes_compare(b->to, last) < 0 ? b->to : last);
}

static enum err look_at(struct mending *m, const struct ldb_file *f)
{
    char path[LDB_PATH_MAX];
    struct ldb_mapping file = {.bytes = BYTES_NONE};
    m->file = f;
    enum err err =
        ldb_table_name(path, m->path, f->number) ? ldb_map_file(path, &file) : ERR_CORRUPT;
    if (err == ERR_OK)
        err = file.bytes.len == f->size ? ldb_table_check(file.bytes, note_block, m) : ERR_CORRUPT;
    ldb_unmap(&file);
    if (err == ERR_CORRUPT) {
        add_patch(m)->whole = true;
        lost_add(m->lost, buf_bytes(&f->from), buf_bytes(&f->to));
        err = ERR_OK;
    }
    return err;
}

/* --- mending */

static enum err patch_blocks(const struct mending *m, const struct patch *p)
{
    char path[LDB_PATH_MAX];
    struct buf block;
    (void)ldb_table_name(path, m->path, p->number);
    enum err err = keep(m->path, path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    for (size_t i = 0; i < p->count && err == ERR_OK; i++) {
        buf_init(&block, SIZE_MAX);
        ldb_empty_block(p->blocks[2 * i + 1], &block);
        if (fd < 0 || !write_all(fd, buf_bytes(&block), p->blocks[2 * i]))
            err = ERR_IO;
        buf_close(&block);
    }
    if (fd < 0 || fsync(fd) != 0)
        err = ERR_IO;
    if (fd >= 0)
        close(fd);
    return err;
}

static enum err patch_whole(const struct mending *m, const struct patch *p)
{
    char path[LDB_PATH_MAX], fresh[LDB_PATH_MAX];
    struct buf start, footer;
    enum err err = ldb_table_name(path, m->path, p->number) ? keep(m->path, path) : ERR_OK;
    ldb_name_of(fresh, m->path, "mending");
    buf_init(&start, LDB_FOOTER_SIZE);
    buf_init(&footer, LDB_FOOTER_SIZE);
    ldb_empty_table(&start, &footer);
    if (err == ERR_OK && p->size < start.len + footer.len)
        err = ERR_CORRUPT;
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool good = fd >= 0 && err == ERR_OK && ftruncate(fd, (off_t)p->size) == 0 &&
                write_all(fd, buf_bytes(&start), 0) &&
                write_all(fd, buf_bytes(&footer), p->size - footer.len) && fsync(fd) == 0 &&
                rename(fresh, path) == 0 && ldb_sync_directory(m->path);
    if (fd >= 0)
        close(fd);
    buf_close(&start);
    buf_close(&footer);
    return good || err != ERR_OK ? err : ERR_IO;
}

enum err ldb_write_lost(const char *path, const struct lost_keys *lost)
{
    struct buf out;
    buf_init(&out, DAMAGE_MAX);
    lost_encode(lost, &out);
    enum err err = buf_finish(&out);
    if (err == ERR_OK)
        err = replace_file(path, "DAMAGE", buf_bytes(&out));
    buf_close(&out);
    return err;
}

enum err ldb_read_lost(const char *path, struct lost_keys *ret)
{
    char name[LDB_PATH_MAX];
    struct ldb_mapping m;
    ldb_name_of(name, path, "DAMAGE");
    if (access(name, F_OK) != 0) /* or no directory: LevelDB will say so */
        return ERR_OK;
    enum err err = ldb_map_file(name, &m);
    if (err == ERR_OK)
        err = lost_decode(m.bytes, ret);
    ldb_unmap(&m);
    return err;
}

static void close_all(struct mending *m)
{
    for (size_t i = 0; i < m->patches_count; i++)
        mem_free(m->patches[i].blocks);
    mem_free(m->patches);
    ldb_manifest_close(&m->manifest);
}

enum err ldb_mend(const char *path, struct lost_keys *lost, bool *ret_found, struct errmsg *reterr)
{
    struct mending m = {.path = path, .lost = lost};
    ldb_manifest_init(&m.manifest);
    enum err err = read_manifest(&m);
    if (err != ERR_OK)
        err = errmsg_set(reterr, err,
                         "%s: the manifest is damaged: which files belong to the data is not known",
                         path);
    for (size_t i = 0; i < m.manifest.count && err == ERR_OK; i++)
        err = look_at(&m, &m.manifest.files[i]);
    lost->id += err == ERR_OK && m.found;
    if (err == ERR_OK && m.found)
        err = ldb_write_lost(path, lost);
    for (size_t i = 0; i < m.patches_count && err == ERR_OK; i++)
        err = m.patches[i].whole ? patch_whole(&m, &m.patches[i]) : patch_blocks(&m, &m.patches[i]);
    if (err != ERR_OK && reterr->text[0] == 0)
        err = errmsg_set(reterr, err, "%s: table files cannot be mended: %s", path, err_text(err));
    *ret_found = m.found;
    close_all(&m);
    return err;
}

/* --- what cannot be mended */

static void aside_name(char out[LDB_PATH_MAX], const char *path, unsigned number)
{
    if (snprintf(out, LDB_PATH_MAX, "%s/lost-%u", path, number) >= LDB_PATH_MAX)
        out[0] = 0;
}

bool store_leveldb_was_set_aside(const char *path)
{
    char folder[LDB_PATH_MAX];
    aside_name(folder, path, 1);
    return access(folder, F_OK) == 0;
}

enum err store_leveldb_set_aside(const char *path, struct errmsg *reterr)
{
    char folder[LDB_PATH_MAX], from[LDB_PATH_MAX], to[LDB_PATH_MAX];
    unsigned number = 1;
    bool good = true;
    aside_name(folder, path, number);
    while (number < ASIDE_MAX && mkdir(folder, 0750) != 0 && errno == EEXIST)
        aside_name(folder, path, ++number);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir != NULL && number < ASIDE_MAX && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.' || strncmp(e->d_name, "lost", 4) == 0)
            continue;
        ldb_name_of(from, path, e->d_name);
        ldb_name_of(to, folder, e->d_name);
        good = rename(from, to) == 0 && good;
    }
    good = good && dir != NULL && number < ASIDE_MAX && ldb_sync_directory(path);
    if (dir != NULL)
        closedir(dir);
    return good ? ERR_OK
                : errmsg_set(reterr, ERR_IO, "%s: what is damaged cannot be moved aside", path);
}
