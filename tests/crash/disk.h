/* disk.h - what of one directory would be there after the power went, kept while a process works.
 *
 * A process under test runs with interpose.c before libc. Each call that changes the directory is
 * done for real, then noted here, in memory that is mapped from a file and so survives SIGKILL. To
 * die is then to keep the directory as it is; to lose the power is disk_cut, which makes of it a
 * state that what was synced allows.
 *
 * What a sync promises, which is what ext4, xfs and btrfs have in common:
 *   (1) fsync and fdatasync of a file keep the bytes that were in it when the call began, and the
 *       name under which the file was made (in POSIX only the directory's fsync keeps the name).
 *   (2) fsync of the directory keeps every change of names before it.
 *   (3) Other changes of names come to the disk in their order: what a cut leaves of them is a
 *       beginning, and the creations kept by (1). DISK_UNORDERED takes this back: any of them may
 *       be missing, which POSIX allows and those file systems do not do.
 *   (4) Bytes that were not synced may be there, may be missing from some point on, may be zeros or
 *       anything else by whole pages; synced ones never change.
 *   (5) rename is one change, and so is making a file empty by opening it (O_TRUNC): the old file
 *       or the new one. A file that is made shorter (ftruncate) is so at once.
 * Nothing here waits for a real disk: a sync is a note, after a random short time.
 *
 * Every file has a second name in `keep`, a directory beside, until its removal is durable: so its
 * content is there when a cut undoes the removal, and inode numbers are not used twice.
 *
 * One directory, flat; one process at a time. What is in directories below is not looked at.
 */
#ifndef TORC_TESTS_CRASH_DISK_H
#define TORC_TESTS_CRASH_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DISK_PATH_MAX    512
#define DISK_NAME_MAX    48
#define DISK_FILES_MAX   1024
#define DISK_CHANGES_MAX 2048
#define DISK_NONE        UINT32_MAX

struct disk_file { /* an inode; ino 0: a free place */
    uint64_t ino;
    uint64_t synced; /* bytes from its start that are durable */
};

struct disk_entry {
    char name[DISK_NAME_MAX];
    uint32_t file;
};

struct disk_names { /* in no order */
    struct disk_entry entries[DISK_FILES_MAX];
    uint32_t count;
};

/* `name` now stands for `file`, or for nothing (DISK_NONE); `gone`, when not empty, for nothing. */
struct disk_change {
    char name[DISK_NAME_MAX];
    char gone[DISK_NAME_MAX];
    uint32_t file;
    bool made;    /* a creation */
    bool durable; /* by rule (1) */
};

/* Where in a call the process dies by itself. */
enum disk_death { DISK_BEFORE, DISK_WITHIN, DISK_AFTER };

enum disk_flags {
    DISK_GARBAGE = 1,  /* rule (4) in full; without it bytes are only missing */
    DISK_UNORDERED = 2 /* without rule (3) */
};

struct disk {
    char root[DISK_PATH_MAX];
    char keep[DISK_PATH_MAX];
    struct disk_file files[DISK_FILES_MAX];
    struct disk_names durable[2];
    uint32_t durable_now;                         /* which of both */
    struct disk_change changes[DISK_CHANGES_MAX]; /* those that are not durable, a ring: */
    uint64_t changes_begin;                       /* the number of the oldest */
    uint64_t changes_end;                         /* of the next */
    uint64_t calls;                               /* that changed or synced the directory */
    uint64_t syncs;                               /* of these */
    uint64_t die_at;                              /* the call that does not come back; 0: none */
    uint32_t death;                               /* enum disk_death */
    uint32_t wait_us;                             /* a sync takes up to this long */
    char wrong[160]; /* what the process did that the model has no word for; empty: nothing */
};

/* --- the test's side. No process may be at work in the directory. */

/* Make `path` the state of the directory `root`, an absolute path; what is there is durable. Both
 * functions end the program with a message when they fail. */
struct disk *disk_new(const char *path, const char *root);
struct disk *disk_map(const char *path);
void disk_unmap(struct disk *d);
void disk_remove(struct disk *d, const char *path); /* the state and `keep`, not the directory */

/* After a process has died: what it did and had no time to note. */
void disk_settle(struct disk *d);

/* The power goes. What is left is durable. Call disk_settle before. */
void disk_cut(struct disk *d, uint64_t seed, unsigned flags);

/* --- the side of interpose.c: notes of what was done. */

/* The name of a file of the directory in a path; NULL when it is none. */
const char *disk_name(const struct disk *d, const char *path);

struct disk_names *disk_durable(struct disk *d);
struct disk_change *disk_change(struct disk *d, uint64_t number);

/* The file of an inode, DISK_NONE when it is not one of ours. */
uint32_t disk_find(const struct disk *d, uint64_t ino);
uint32_t disk_made(struct disk *d, const char *name); /* the file's number */
void disk_removed(struct disk *d, const char *name);
void disk_renamed(struct disk *d, const char *from, const char *to);
void disk_synced_file(struct disk *d, uint32_t file, uint64_t bytes);
void disk_synced_names(struct disk *d, uint64_t upto); /* the changes before this number */
void disk_free_files(struct disk *d); /* those that no name and no change has any more */
void disk_wrong(struct disk *d, const char *what, const char *name);

#endif
