/* leveldb_format.c - see leveldb_format.h. */
#include "storage/leveldb_format.h"

#include "base/mem.h"

#include <string.h>

#define CASTAGNOLI   0x82f63b78u /* reflected */
#define CRC_MASK     0xa282ead8u
#define MAGIC        UINT64_C(0xdb4775248b80fb57)
#define KEY_TAIL     8u /* of a key inside: the number of its write, and whether it is a removal */
#define LOG_BLOCK    32768u
#define LOG_HEADER   7u
#define MANIFEST_MAX ((size_t)256 << 20)
#define FILES_MAX    (1u << 20)

uint64_t ldb_fixed(const uint8_t *p, size_t bytes)
{
    uint64_t v = 0;
    while (bytes-- > 0)
        v = v << 8 | p[bytes];
    return v;
}

void crc32c_init(struct crc32c *c)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t v = i;
        for (int bit = 0; bit < 8; bit++)
            v = (v & 1) != 0 ? v >> 1 ^ CASTAGNOLI : v >> 1;
        c->table[0][i] = v;
    }
    for (unsigned k = 1; k < 8; k++) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t v = c->table[k - 1][i];
            c->table[k][i] = c->table[0][v & 0xff] ^ v >> 8;
        }
    }
}

uint32_t crc32c_masked(const struct crc32c *c, struct bytes b)
{
    uint32_t v = UINT32_MAX;
    size_t i = 0;
    for (; b.len - i >= 8; i += 8) { /* eight at once: Kounavis and Berry, 2005 */
        uint32_t low = v ^ (uint32_t)ldb_fixed(b.data + i, 4);
        uint32_t high = (uint32_t)ldb_fixed(b.data + i + 4, 4);
        v = c->table[7][low & 0xff] ^ c->table[6][low >> 8 & 0xff] ^ c->table[5][low >> 16 & 0xff] ^
            c->table[4][low >> 24] ^ c->table[3][high & 0xff] ^ c->table[2][high >> 8 & 0xff] ^
            c->table[1][high >> 16 & 0xff] ^ c->table[0][high >> 24];
    }
    for (; i < b.len; i++)
        v = c->table[0][(v ^ b.data[i]) & 0xff] ^ v >> 8;
    v ^= UINT32_MAX;
    return (v >> 15 | v << 17) + CRC_MASK;
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

/* A block with its trailer whose checksum is right. */
static bool is_good(const struct crc32c *crc, struct bytes block)
{
    size_t size = block.len - LDB_TRAILER_SIZE;
    return crc32c_masked(crc, bytes_make(block.data, size + 1)) ==
           ldb_fixed(block.data + size + 1, 4);
}

bool ldb_block_is_good(const struct crc32c *crc, struct bytes block)
{
    return block.len >= LDB_TRAILER_SIZE && is_good(crc, block);
}

enum err ldb_block_read(const struct crc32c *crc, struct bytes block, struct buf *ret)
{
    if (!ldb_block_is_good(crc, block))
        return ERR_CORRUPT;
    struct bytes contents = bytes_make(block.data, block.len - LDB_TRAILER_SIZE);
    uint8_t kind = block.data[contents.len];
    if (kind == 1)
        return snappy_read(contents, ret);
    buf_put_bytes(ret, contents);
    return kind == 0 ? buf_finish(ret) : ERR_CORRUPT;
}

enum err ldb_footer_read(struct bytes footer, struct ldb_block *ret_index)
{
    if (footer.len != LDB_FOOTER_SIZE || ldb_fixed(footer.data + LDB_FOOTER_SIZE - 8, 8) != MAGIC)
        return ERR_CORRUPT;
    struct reader r = reader_make(bytes_make(footer.data, LDB_FOOTER_SIZE - 8));
    (void)ldb_number(&r);
    (void)ldb_number(&r);
    *ret_index = (struct ldb_block){.at = ldb_number(&r), .size = ldb_number(&r)};
    return r.failed ? ERR_CORRUPT : ERR_OK;
}

/* Keys share their front with the one before. */
enum err ldb_index_walk(struct bytes index, uint64_t file_size, ldb_each_block *each, void *arg)
{
    struct buf keys[2];
    unsigned now = 0;
    bool good = index.len >= 4;
    uint64_t restarts = good ? ldb_fixed(index.data + index.len - 4, 4) : 0;
    good = good && restarts <= (index.len - 4) / 4;
    struct reader in =
        reader_make(bytes_make(index.data, good ? index.len - 4 - 4 * (size_t)restarts : 0));
    buf_init(&keys[0], LDB_INDEX_MAX);
    buf_init(&keys[1], LDB_INDEX_MAX);
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
        good = good && !handle.failed && b.size <= file_size && b.at <= file_size - b.size &&
               file_size - b.size - b.at >= LDB_TRAILER_SIZE;
        if (before->len > 0)
            b.from = bytes_make(before->data, before->len - KEY_TAIL);
        b.to = bytes_make(key->data, key->len - KEY_TAIL);
        if (good && !each(arg, &b))
            break;
        now = 1 - now;
    }
    buf_close(&keys[0]);
    buf_close(&keys[1]);
    return good ? ERR_OK : ERR_CORRUPT;
}

struct table {
    struct bytes file;
    struct crc32c crc;
    ldb_bad_block *bad;
    void *arg;
};

static bool look_at(void *arg, const struct ldb_block *b)
{
    const struct table *t = arg;
    if (!is_good(&t->crc, bytes_make(t->file.data + b->at, (size_t)b->size + LDB_TRAILER_SIZE)))
        t->bad(t->arg, b);
    return true;
}

enum err ldb_table_check(struct bytes file, ldb_bad_block *bad, void *arg)
{
    struct table t = {.file = file, .bad = bad, .arg = arg};
    struct ldb_block at;
    struct buf index;
    if (file.len < LDB_FOOTER_SIZE)
        return ERR_CORRUPT;
    crc32c_init(&t.crc);
    enum err err =
        ldb_footer_read(bytes_make(file.data + file.len - LDB_FOOTER_SIZE, LDB_FOOTER_SIZE), &at);
    if (err != ERR_OK || at.size > file.len || at.at > file.len - at.size ||
        file.len - at.size - at.at < LDB_TRAILER_SIZE)
        return ERR_CORRUPT;
    buf_init(&index, LDB_INDEX_MAX);
    err = ldb_block_read(&t.crc, bytes_make(file.data + at.at, (size_t)at.size + LDB_TRAILER_SIZE),
                         &index);
    if (err == ERR_OK)
        err = ldb_index_walk(buf_bytes(&index), file.len, look_at, &t);
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
uint64_t ldb_manifest_base(const struct ldb_manifest *m)
{
    return m->at - m->at % LOG_BLOCK;
}

enum err ldb_manifest_read(struct bytes file, struct ldb_manifest *ret)
{
    struct crc32c crc;
    struct buf record;
    uint64_t base = ldb_manifest_base(ret);
    size_t at = (size_t)(ret->at - base);
    bool good = file.len <= MANIFEST_MAX && at <= file.len;
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
        at += LOG_HEADER + len;
        if (p[6] == WHOLE || p[6] == LAST) {
            good = apply(ret, buf_bytes(&record));
            ret->at = base + at;
        }
    }
    buf_close(&record);
    return good && ret->at > 0 ? ERR_OK : ERR_CORRUPT;
}
