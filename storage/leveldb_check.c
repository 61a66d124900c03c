/* leveldb_check.c - see leveldb_check.h.
 *
 * The manifest tells which files there are; it only grows while the database is open, so it is read
 * on from where it was. A file that it names and that is gone was compacted away since: then the
 * manifest says so by now. */
#include "storage/leveldb_check.h"

#include "base/arena.h"

#include <string.h>
#include <unistd.h>

#define BYTES_A_CALL ((uint64_t)512 << 10)

void ldb_check_init(struct ldb_check *c, const char *path)
{
    *c = (struct ldb_check){.path = path};
    ldb_manifest_init(&c->manifest);
    crc32c_init(&c->crc);
    buf_init(&c->file, SIZE_MAX);
    buf_init(&c->index, LDB_INDEX_MAX);
}

void ldb_check_close(struct ldb_check *c)
{
    ldb_manifest_close(&c->manifest);
    buf_close(&c->file);
    buf_close(&c->index);
}

static enum err read_manifest(struct ldb_check *c)
{
    char name[LDB_NAME_MAX];
    enum err err = ldb_current(c->path, name);
    if (err != ERR_OK)
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    if (strcmp(name, c->name) != 0) {
        ldb_manifest_close(&c->manifest);
        memcpy(c->name, name, sizeof name);
    }
    err = ldb_manifest_go_on(c->path, c->name, &c->manifest);
    return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

/* Blocks of a file that follow each other. */
struct stretch {
    struct bytes from, to; /* what is asked for */
    uint64_t at, end;      /* in the file */
    uint64_t *starts;      /* of the blocks, and where the last one ends */
    size_t count, cap;
    struct arena arena;
    struct bytes last; /* no key of theirs is behind this one */
    bool more;
};

static bool take(void *arg, const struct ldb_block *b)
{
    struct stretch *s = arg;
    uint64_t end = b->at + b->size + LDB_TRAILER_SIZE;
    if (bytes_compare(b->to, s->from) < 0)
        return true;
    if (bytes_compare(b->from, s->to) >= 0 && b->from.len > 0)
        return false;
    if (s->count > 0 && (b->at != s->end || end - s->at > BYTES_A_CALL)) {
        s->more = true;
        return false;
    }
    if (s->count == 0)
        s->at = b->at;
    s->starts = arena_grow(&s->arena, s->starts, s->count, &s->cap, sizeof *s->starts);
    s->starts[s->count++] = b->at;
    s->end = end;
    s->last = arena_copy(&s->arena, b->to);
    return true;
}

static enum err look_at_blocks(struct ldb_check *c, const char *path, const struct stretch *s)
{
    enum err err = ldb_read_file(path, s->at, (size_t)(s->end - s->at), &c->file);
    c->bytes_read += s->end - s->at;
    for (size_t i = 0; i < s->count && err == ERR_OK; i++) {
        uint64_t end = i + 1 < s->count ? s->starts[i + 1] : s->end;
        struct bytes block =
            bytes_make(c->file.data + (s->starts[i] - s->at), (size_t)(end - s->starts[i]));
        if (!ldb_block_is_good(&c->crc, block))
            err = ERR_CORRUPT;
    }
    return err;
}

/* Some of the blocks of the file. When there are more, *to becomes what was looked at. */
static enum err look_at(struct ldb_check *c, const struct ldb_file *f, struct bytes from,
                        struct buf *to)
{
    char path[LDB_PATH_MAX];
    struct stretch s = {.from = from, .to = buf_bytes(to)};
    struct ldb_block index;
    (void)ldb_table_name(path, c->path, f->number);
    if (f->size < LDB_FOOTER_SIZE)
        return ERR_CORRUPT;
    enum err err = ldb_read_file(path, f->size - LDB_FOOTER_SIZE, LDB_FOOTER_SIZE, &c->file);
    if (err == ERR_OK)
        err = ldb_footer_read(buf_bytes(&c->file), &index);
    if (err == ERR_OK &&
        (index.size > LDB_INDEX_MAX || index.size > f->size || index.at > f->size - index.size))
        err = ERR_CORRUPT;
    if (err == ERR_OK)
        err = ldb_read_file(path, index.at, (size_t)index.size + LDB_TRAILER_SIZE, &c->file);
    buf_clear(&c->index);
    if (err == ERR_OK)
        err = ldb_block_read(&c->crc, buf_bytes(&c->file), &c->index);
    if (err == ERR_OK)
        err = ldb_index_walk(buf_bytes(&c->index), f->size, take, &s);
    if (err == ERR_OK && s.count > 0)
        err = look_at_blocks(c, path, &s);
    if (err == ERR_OK && s.more) {
        buf_clear(to);
        buf_put_bytes(to, s.last);
        buf_put_u8(to, 0); /* the first key behind it */
    }
    arena_close(&s.arena);
    return err;
}

static bool overlaps(const struct ldb_file *f, struct bytes from, struct bytes to)
{
    return bytes_compare(buf_bytes(&f->to), from) >= 0 &&
           bytes_compare(buf_bytes(&f->from), to) < 0;
}

enum err ldb_check_keys(struct ldb_check *c, struct bytes from, struct bytes to,
                        struct buf *ret_next)
{
    struct buf upto;
    bool again = true;
    buf_init(&upto, SIZE_MAX);
    buf_put_bytes(&upto, to);
    enum err err = read_manifest(c);
    for (size_t i = 0; i < c->manifest.count && err == ERR_OK; i++) {
        if (!overlaps(&c->manifest.files[i], from, buf_bytes(&upto)))
            continue;
        err = look_at(c, &c->manifest.files[i], from, &upto);
        if (err != ERR_NOT_FOUND)
            continue;
        err = ERR_CORRUPT;
        if (again) { /* compacted away since? */
            again = false;
            err = read_manifest(c);
            i = (size_t)-1;
        }
    }
    bool all = bytes_equal(buf_bytes(&upto), to);
    struct bytes next = err == ERR_OK && !all ? buf_bytes(&upto) : BYTES_NONE;
    buf_clear(ret_next); /* `from` may lie in it */
    buf_put_bytes(ret_next, next);
    buf_close(&upto);
    return err;
}
