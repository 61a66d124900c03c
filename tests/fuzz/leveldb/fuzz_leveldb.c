/* fuzz_leveldb.c - any bytes as files of LevelDB, or as what was written of what it lost; the first
 * byte chooses. Checksums are put right where a forger would, so that what is behind them is
 * reached. Everything ends with an answer or an error. */
#include "base/mem.h"
#include "storage/fragment.h"
#include "storage/leveldb_format.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void seen(void *arg, const struct ldb_block *b)
{
    size_t *keys = arg;
    *keys += b->from.len + b->to.len;
}

/* A file with the bytes as its index. */
static void fuzz_table(struct bytes in, uint8_t kind)
{
    static const uint8_t magic[] = {0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb};
    struct crc32c crc;
    struct buf file;
    size_t keys = 0;
    crc32c_init(&crc);
    buf_init(&file, SIZE_MAX);
    buf_put_bytes(&file, in);
    buf_put_u8(&file, kind);
    uint32_t sum = crc32c_masked(&crc, buf_bytes(&file));
    for (unsigned i = 0; i < 4; i++)
        buf_put_u8(&file, (uint8_t)(sum >> 8 * i));
    size_t footer = file.len;
    const uint64_t handles[] = {0, 0, 0, in.len};
    for (size_t i = 0; i < ARRAY_LEN(handles); i++) {
        uint64_t v = handles[i];
        for (; v >= 0x80; v >>= 7)
            buf_put_u8(&file, (uint8_t)(v | 0x80));
        buf_put_u8(&file, (uint8_t)v);
    }
    while (file.len < footer + 40)
        buf_put_u8(&file, 0);
    buf_put(&file, magic, sizeof magic);
    (void)!ldb_table_check(buf_bytes(&file), seen, &keys);
    buf_close(&file);
}

/* ... and as a manifest of one record. */
static void fuzz_manifest(struct bytes in)
{
    struct crc32c crc;
    struct buf file;
    struct ldb_manifest m;
    size_t len = in.len < 32000 ? in.len : 32000;
    crc32c_init(&crc);
    buf_init(&file, SIZE_MAX);
    buf_put_u32(&file, 0);
    buf_put_u8(&file, (uint8_t)len);
    buf_put_u8(&file, (uint8_t)(len >> 8));
    buf_put_u8(&file, 1);
    buf_put(&file, in.data, len);
    uint32_t sum = crc32c_masked(&crc, bytes_make(file.data + 6, len + 1));
    for (unsigned i = 0; i < 4; i++)
        file.data[i] = (uint8_t)(sum >> 8 * i);
    ldb_manifest_init(&m);
    (void)!ldb_manifest_read(buf_bytes(&file), &m);
    ldb_manifest_close(&m);
    ldb_manifest_init(&m);
    (void)!ldb_manifest_read(in, &m);
    ldb_manifest_close(&m);
    buf_close(&file);
}

static void fuzz_lost(struct bytes in)
{
    struct lost_keys l;
    struct buf sealed;
    lost_init(&l);
    buf_init(&sealed, SIZE_MAX);
    buf_put_bytes(&sealed, in);
    fragment_seal(BYTES_LIT("lost"), &sealed);
    if (lost_decode(buf_bytes(&sealed), &l) == ERR_OK) {
        ASSERT(l.count <= LOST_SPANS_MAX);
        for (size_t i = 0; i < l.count; i++)
            (void)lost_touches(&l, buf_bytes(&l.spans[i].from), BYTES_NONE);
    }
    lost_close(&l);
    buf_close(&sealed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct bytes in = bytes_make(data + 1, size - 1);
    struct buf out;
    switch (data[0] % 5) {
    case 0: fuzz_table(in, 0); break;
    case 1: fuzz_table(in, 1); break;
    case 2: fuzz_manifest(in); break;
    case 3: fuzz_lost(in); break;
    default:
        buf_init(&out, (size_t)1 << 20);
        (void)!snappy_read(in, &out);
        buf_close(&out);
    }
    return 0;
}
