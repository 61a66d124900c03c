/* leveldb_format.h - what LevelDB's files are made of, as far as we read or mend them ourselves.
 *
 * LevelDB says of a damaged file that it is, not what it may have had; so store_leveldb_mend.c
 * looks itself. Pure: bytes in, bytes out. All of it comes from a disk that is damaged: nothing is
 * believed.
 *
 *   number  = varint: 7 bits a byte, the low ones first   (not base/buf.h's)
 *   record  = log_tail.c has the grammar of logs; a manifest is one
 *   block   = contents, u8 compression (0 none, 1 snappy), masked crc32c of both
 *   table   = blocks of data, filter, index of the filter, index, footer of 48 bytes
 *   footer  = handle of the filter's index, handle of the index, zeros up to 40, u64 magic
 *   handle  = number offset, number size (without those 5 bytes)
 */
#ifndef TORC_STORAGE_LEVELDB_FORMAT_H
#define TORC_STORAGE_LEVELDB_FORMAT_H

#include "storage/lost.h"

#define LDB_FOOTER_SIZE  48u
#define LDB_TRAILER_SIZE 5u

struct crc32c {
    uint32_t table[8][256]; /* [k]: of a byte with k more behind it */
};
void crc32c_init(struct crc32c *c);

/* As LevelDB stores it: masked, for data that may hold checksums itself. */
uint32_t crc32c_masked(const struct crc32c *c, struct bytes b);

uint64_t ldb_fixed(const uint8_t *p, size_t bytes); /* little endian */
uint64_t ldb_number(struct reader *in);

/* What is compressed by Snappy; what comes out is not larger than ret's limit. */
enum err snappy_read(struct bytes in, struct buf *ret) MUST_CHECK;

/* --- table files */

struct ldb_block {
    uint64_t at, size; /* in the file, without its trailer */
    struct bytes from; /* keys in it are behind this one; empty: it is the first */
    struct bytes to;   /* and not behind that one */
};

#define LDB_INDEX_MAX ((size_t)64 << 20)

/* `block`: with its trailer, as it lies in the file. */
bool ldb_block_is_good(const struct crc32c *crc, struct bytes block);
enum err ldb_block_read(const struct crc32c *crc, struct bytes block, struct buf *ret) MUST_CHECK;

/* Where the index is (ret_index->at, size), by the last LDB_FOOTER_SIZE bytes of the file. */
enum err ldb_footer_read(struct bytes footer, struct ldb_block *ret_index) MUST_CHECK;

/* Calls `each` for the blocks of data in the order of their keys, until it returns false; the keys
 * live until then. All of them lie in the file, with their trailers. */
typedef bool ldb_each_block(void *arg, const struct ldb_block *block);
enum err ldb_index_walk(struct bytes index, uint64_t file_size, ldb_each_block *each,
                        void *arg) MUST_CHECK;

/* Looks at each block of data, and calls `bad` for those whose checksum is not right (the keys live
 * until it returns). ERR_CORRUPT: the file's own index cannot be read, any key may be lost. */
typedef void ldb_bad_block(void *arg, const struct ldb_block *block);
enum err ldb_table_check(struct bytes file, ldb_bad_block *bad, void *arg) MUST_CHECK;

/* What to put in the place of a block of that size (with its trailer): there is nothing in it. */
void ldb_empty_block(uint64_t size, struct buf *ret);

/* A table file without any key: what to put at its start, and what at its end. Between may be
 * anything. */
void ldb_empty_table(struct buf *ret_start, struct buf *ret_footer);

/* --- the manifest: which table files there are, and the first and the last key of each */

struct ldb_file {
    uint64_t number, size;
    unsigned level;
    struct buf from, to;
};

struct ldb_manifest {
    struct ldb_file *files;
    size_t count, cap;
    uint64_t log; /* the oldest log that is needed; 0: none yet */
    uint64_t at;  /* in the file: up to where it was read */
};

void ldb_manifest_init(struct ldb_manifest *m);
void ldb_manifest_close(struct ldb_manifest *m);

/* Reads on, from ret->at to the last record that is whole. `file` begins where ldb_manifest_base
 * says, which is 0 at first. ERR_CORRUPT: also where there is no record yet. */
uint64_t ldb_manifest_base(const struct ldb_manifest *m);
enum err ldb_manifest_read(struct bytes file, struct ldb_manifest *ret) MUST_CHECK;

#endif
