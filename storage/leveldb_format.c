/* leveldb_format.c - see leveldb_format.h. */
#include "storage/leveldb_format.h"

#include "base/mem.h"

#include <string.h>

#define CASTAGNOLI   0x82f63b78u /* reflected */
#define CRC_MASK     0xa282ead8u
#define MAGIC        UINT64_C(0xdb4775248b80fb57)
#define KEY_TAIL     8u /* of a key inside: the number of its write, and whether it is a removal */
#define INDEX_MAX    ((size_t)64 << 20)
#define LOG_BLOCK    32768u
#define LOG_HEADER   7u
#define MANIFEST_MAX ((size_t)256 << 20)
#define FILES_MAX    (1u << 20)

void crc32c_init(struct crc32c *c)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t v = i;
        for (int bit = 0; bit < 8; bit++)
            v = (v & 1) != 0 ? v >> 1 ^ CASTAGNOLI : v >> 1;
        c->table[i] = v;
    }
}

uint32_t crc32c_masked(const struct crc32c *c, struct bytes b)
{
    uint32_t v = UINT32_MAX;
    for (size_t i = 0; i < b.len; i++)
        v = c->table[(v ^ b.data[i]) & 0xff] ^ v >> 8;
    v ^= UINT32_MAX;
    return (v >> 15 | v << 17) + CRC_MASK;
}

uint64_t ldb_fixed(const uint8_t *p, size_t bytes)
{
    uint64_t v = 0;
    while (bytes-- > 0)
        v = v << 8 | p[bytes];
    return v;
}

static void put_fixed(struct buf *out, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        buf_put_u8(out, (uint8_t)(v >> 8 * i));
}

uint64_t ldb_number(struct reader *in)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t b = read_u8(in);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return v;
    }
    in->failed = true;
    return 0;
}

static struct bytes read_piece(struct reader *in)
{
    uint64_t len = ldb_number(in);
    if (in->failed || len > reader_left(in)) {
        in->failed = true;
        return BYTES_NONE;
    }
    return read_bytes(in, (size_t)len);
}

/* --- Snappy: literals, and copies of what came before */

static bool copy_back(struct buf *out, size_t offset, size_t len)
{
    if (offset == 0 || offset > out->len)
        return false;
    for (size_t i = 0; i < len; i++) /* it may reach into what it makes */
        buf_put_u8(out, out->data[out->len - offset]);
    return !out->failed;
}

enum err snappy_read(struct bytes in, struct buf *ret)
{
    struct reader r = reader_make(in);
    uint64_t size = ldb_number(&r);
    while (!r.failed && reader_left(&r) > 0 && ret->len <= size) {
        uint8_t tag = read_u8(&r);
        size_t len = (size_t)(tag >> 2) + 1;
        uint8_t room[4] = {0};
        if ((tag & 3) == 0) {
            if (len > 60) {
                size_t more = len - 60;
                for (size_t i = 0; i < more; i++)
                    room[i] = read_u8(&r);
                len = (size_t)ldb_fixed(room, more) + 1;
            }
            if (r.failed || len > reader_left(&r))
                return ERR_CORRUPT;
            buf_put_bytes(ret, read_bytes(&r, len));
            continue;
        }
        size_t bytes = (tag & 3) == 3 ? 4 : tag & 3;
        for (size_t i = 0; i < bytes; i++)
            room[i] = read_u8(&r);
        size_t offset = (size_t)ldb_fixed(room, bytes);
        if ((tag & 3) == 1) {
            len = (size_t)(tag >> 2 & 7) + 4;
            offset |= (size_t)(tag >> 5) << 8;
        }
        if (r.failed || !copy_back(ret, offset, len))
            return ERR_CORRUPT;
    }
    return r.failed || ret->failed || ret->len != size ? ERR_CORRUPT : ERR_OK;
}

/* --- table files */

struct table {
    struct bytes file;
    struct crc32c crc;
};

static bool is_good(const struct table *t, uint64_t at, uint64_t size)
{
    if (size > t->file.len || at > t->file.len - size || t->file.len - size - at < LDB_TRAILER_SIZE)
        return false;
    const uint8_t *p = t->file.data + at;
    return crc32c_masked(&t->crc, bytes_make(p, (size_t)size + 1)) == ldb_fixed(p + size + 1, 4);
}

/* The contents of a block whose checksum is right. */
static enum err unpack(const struct table *t, uint64_t at, uint64_t size, struct buf *ret)
{
    if (!is_good(t, at, size))
        return ERR_CORRUPT;
    struct bytes contents = bytes_make(t->file.data + at, (size_t)size);
    uint8_t kind = t->file.data[at + size];
    if (kind == 1)
        return snappy_read(contents, ret);
    buf_put_bytes(ret, contents);
    return kind == 0 ? buf_finish(ret) : ERR_CORRUPT;
}

/* The entries of the index: keys share their front with the one before. */
static enum err walk_index(const struct table *t, struct bytes index, ldb_bad_block *bad, void *arg)
{
    struct buf keys[2];
    unsigned now = 0;
    bool good = index.len >= 4;
    uint64_t restarts = good ? ldb_fixed(index.data + index.len - 4, 4) : 0;
    good = good && restarts <= (index.len - 4) / 4;
    struct reader in =
        reader_make(bytes_make(index.data, good ? index.len - 4 - 4 * (size_t)restarts : 0));
    buf_init(&keys[0], INDEX_MAX);
    buf_init(&keys[1], INDEX_MAX);
    while (good && reader_left(&in) > 0) {
        struct buf *key = &keys[now], *before = &keys[1 - now];
        uint64_t shared = ldb_number(&in), own = ldb_number(&in), len = ldb_number(&in);
        good = !in.failed && shared <= before->len && own <= reader_left(&in) &&
               shared + own >= KEY_TAIL;
        if (!good)
            break;
        buf_clear(key);
        buf_put(key, before->data, (size_t)shared);
        buf_put_bytes(key, read_bytes(&in, (size_t)own));
        good = len <= reader_left(&in);
        struct reader handle = reader_make(good ? read_bytes(&in, (size_t)len) : BYTES_NONE);
        struct ldb_block b = {.at = ldb_number(&handle), .size = ldb_number(&handle)};
        good = good && !handle.failed && b.size <= t->file.len && b.at <= t->file.len - b.size;
        if (before->len > 0)
            b.from = bytes_make(before->data, before->len - KEY_TAIL);
        b.to = bytes_make(key->data, key->len - KEY_TAIL);
        if (good && !is_good(t, b.at, b.size))
            bad(arg, &b);
        now = 1 - now;
    }
    buf_close(&keys[0]);
    buf_close(&keys[1]);
    return good ? ERR_OK : ERR_CORRUPT;
}

enum err ldb_table_check(struct bytes file, ldb_bad_block *bad, void *arg)
{
    struct table t = {.file = file};
    struct buf index;
    if (file.len < LDB_FOOTER_SIZE || ldb_fixed(file.data + file.len - 8, 8) != MAGIC)
        return ERR_CORRUPT;
    crc32c_init(&t.crc);
    struct reader footer =
        reader_make(bytes_make(file.data + file.len - LDB_FOOTER_SIZE, LDB_FOOTER_SIZE - 8));
    (void)ldb_number(&footer);
    (void)ldb_number(&footer);
    uint64_t at = ldb_number(&footer), size = ldb_number(&footer);
    if (footer.failed)
        return ERR_CORRUPT;
    buf_init(&index, INDEX_MAX);
    enum err err = unpack(&t, at, size, &index);
    if (err == ERR_OK)
        err = walk_index(&t, buf_bytes(&index), bad, arg);
    buf_close(&index);
    return err;
}

/* All zeros: the last four bytes say that there are no restarts, so that there are no entries. */
void ldb_empty_block(uint64_t size, struct buf *ret)
{
    struct crc32c crc;
    size_t first = ret->len;
    crc32c_init(&crc);
    for (uint64_t i = 0; i <= size; i++)
        buf_put_u8(ret, 0);
    put_fixed(ret, crc32c_masked(&crc, bytes_make(ret->data + first, (size_t)size + 1)), 4);
}

void ldb_empty_table(struct buf *ret_start, struct buf *ret_footer)
{
    const uint8_t handle[] = {0, 4};
    ldb_empty_block(4, ret_start); /* index of both, data and filter */
    buf_put(ret_footer, handle, sizeof handle);
    buf_put(ret_footer, handle, sizeof handle);
    while (ret_footer->len < LDB_FOOTER_SIZE - 8)
        buf_put_u8(ret_footer, 0);
    put_fixed(ret_footer, MAGIC, 8);
}

/* --- the manifest */

void ldb_manifest_init(struct ldb_manifest *m)
{
    *m = (struct ldb_manifest){.files = NULL};
}

static void file_close(struct ldb_file *f)
{
    buf_close(&f->from);
    buf_close(&f->to);
}

void ldb_manifest_close(struct ldb_manifest *m)
{
    for (size_t i = 0; i < m->count; i++)
        file_close(&m->files[i]);
    mem_free(m->files);
    ldb_manifest_init(m);
}

static void add_file(struct ldb_manifest *m, const struct ldb_file *like, struct bytes from,
                     struct bytes to)
{
    m->files = mem_grow(m->files, m->count, &m->cap, sizeof *m->files);
    struct ldb_file *f = &m->files[m->count++];
    *f = *like;
    buf_init(&f->from, SIZE_MAX);
    buf_init(&f->to, SIZE_MAX);
    buf_put(&f->from, from.data, from.len - KEY_TAIL);
    buf_put(&f->to, to.data, to.len - KEY_TAIL);
}

static void remove_file(struct ldb_manifest *m, unsigned level, uint64_t number)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->files[i].number != number || m->files[i].level != level)
            continue;
        file_close(&m->files[i]);
        m->files[i] = m->files[--m->count];
        return;
    }
}

enum { COMPARATOR = 1, LOG, NEXT_FILE, LAST_WRITE, COMPACTED, REMOVED, ADDED, LOG_BEFORE = 9 };

/* One change of what there is. */
static bool apply(struct ldb_manifest *m, struct bytes edit)
{
    struct reader in = reader_make(edit);
    while (!in.failed && reader_left(&in) > 0) {
        struct ldb_file f = {0};
        struct bytes from, to;
        switch (ldb_number(&in)) {
        case COMPARATOR: (void)read_piece(&in); break;
        case LOG: m->log = ldb_number(&in); break;
        case NEXT_FILE:
        case LAST_WRITE:
        case LOG_BEFORE: (void)ldb_number(&in); break;
        case COMPACTED:
            (void)ldb_number(&in);
            (void)read_piece(&in);
            break;
        case REMOVED:
            f.level = (unsigned)ldb_number(&in);
            f.number = ldb_number(&in);
            remove_file(m, f.level, f.number);
            break;
        case ADDED:
            f.level = (unsigned)ldb_number(&in);
            f.number = ldb_number(&in);
            f.size = ldb_number(&in);
            from = read_piece(&in);
            to = read_piece(&in);
            if (in.failed || from.len < KEY_TAIL || to.len < KEY_TAIL || m->count == FILES_MAX)
                return false;
            add_file(m, &f, from, to);
            break;
        default: return false;
        }
    }
    return !in.failed;
}

enum { WHOLE = 1, FIRST, MIDDLE, LAST };

/* A record that is cut off at the end was never relied upon; anything else that is none is damage.
 */
enum err ldb_manifest_read(struct bytes file, struct ldb_manifest *ret)
{
    struct crc32c crc;
    struct buf record;
    bool good = file.len <= MANIFEST_MAX, any = false;
    size_t at = 0;
    crc32c_init(&crc);
    buf_init(&record, MANIFEST_MAX);
    while (good && file.len - at >= LOG_HEADER) {
        const uint8_t *p = file.data + at;
        size_t left = LOG_BLOCK - at % LOG_BLOCK;
        if (left < LOG_HEADER) {
            at += left < file.len - at ? left : file.len - at;
            continue;
        }
        size_t len = (size_t)ldb_fixed(p + 4, 2);
        if (len > file.len - at - LOG_HEADER) /* the file ends within it */
            break;
        good = p[6] >= WHOLE && p[6] <= LAST && len <= left - LOG_HEADER &&
               crc32c_masked(&crc, bytes_make(p + 6, len + 1)) == ldb_fixed(p, 4);
        if (!good)
            break;
        if (p[6] == WHOLE || p[6] == FIRST)
            buf_clear(&record);
        buf_put(&record, p + LOG_HEADER, len);
        if (p[6] == WHOLE || p[6] == LAST) {
            good = apply(ret, buf_bytes(&record));
            any = true;
        }
        at += LOG_HEADER + len;
    }
    buf_close(&record);
    return good && any ? ERR_OK : ERR_CORRUPT;
}
