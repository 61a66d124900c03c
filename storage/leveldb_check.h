/* leveldb_check.h - whether the table files of an open database are what was written, by reading
 * the files: LevelDB verifies a block when it comes into its cache, and never again while it is
 * there. */
#ifndef TORC_STORAGE_LEVELDB_CHECK_H
#define TORC_STORAGE_LEVELDB_CHECK_H

#include "storage/leveldb_files.h"

struct ldb_check {
    const char *path; /* borrowed */
    char name[LDB_NAME_MAX];
    struct ldb_manifest manifest;
    struct crc32c crc;
    struct buf file, index;
    uint64_t bytes_read; /* of blocks */
};

void ldb_check_init(struct ldb_check *c, const char *path);
void ldb_check_close(struct ldb_check *c);

/* Verifies the blocks that may have keys from <= k < to, beginning with `from`, about half a MB of
 * each file. *ret_next: where to go on; empty: all is done. ERR_CORRUPT: a block is damaged, or a
 * file, or is gone; ERR_IO. The database may be written and compacted meanwhile. */
enum err ldb_check_keys(struct ldb_check *c, struct bytes from, struct bytes to,
                        struct buf *ret_next) MUST_CHECK;

#endif
