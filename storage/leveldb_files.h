/* leveldb_files.h - the files of a database as they lie in its directory. No LevelDB in it. */
#ifndef TORC_STORAGE_LEVELDB_FILES_H
#define TORC_STORAGE_LEVELDB_FILES_H

#include "storage/leveldb_format.h"

#define LDB_PATH_MAX 4096
#define LDB_NAME_MAX 64

/* dir/name; empty, which cannot be opened, when that is too long. */
void ldb_name_of(char out[LDB_PATH_MAX], const char *dir, const char *name);

/* Where that table file is, or would be, and whether it is there. Those of old versions end in
 * .sst. */
bool ldb_table_name(char out[LDB_PATH_MAX], const char *dir, uint64_t number);

struct ldb_mapping {
    struct bytes bytes;
    void *at;
};

/* ERR_NOT_FOUND, ERR_IO. ldb_unmap it, whatever came of it. */
enum err ldb_map_file(const char *path, struct ldb_mapping *ret) MUST_CHECK;
void ldb_unmap(struct ldb_mapping *m);

/* The name of the manifest in force; it need not be there. ERR_NOT_FOUND: there is no CURRENT;
 * ERR_CORRUPT: it names none; ERR_IO. */
enum err ldb_current(const char *path, char ret_name[LDB_NAME_MAX]) MUST_CHECK;

/* ERR_NOT_FOUND, ERR_CORRUPT, ERR_IO. */
enum err ldb_manifest_of(const char *path, const char *name, struct ldb_manifest *ret) MUST_CHECK;

/* Goes on with what was appended since. Errors as above. */
enum err ldb_manifest_go_on(const char *path, const char *name, struct ldb_manifest *m) MUST_CHECK;

/* Those bytes of a file, in the place of what is in `ret`. ERR_NOT_FOUND; ERR_CORRUPT: it is
 * shorter; ERR_IO. */
enum err ldb_read_file(const char *path, uint64_t from, size_t size, struct buf *ret) MUST_CHECK;

/* Whether what CURRENT and the manifest name is there: the manifest, and the log of what is in no
 * table yet. LevelDB opens a directory without that log, and says nothing; it syncs the directory
 * before a manifest names one, so none is gone by itself. ERR_CORRUPT. */
enum err ldb_check_named(const char *path, struct errmsg *reterr) MUST_CHECK;

#endif
