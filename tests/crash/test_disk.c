/* The disk that the crash tests believe in: what may be left by a power cut, and what must be. */
#include "base/types.h"
#include "crash/interpose.h"

#include <CUnit/CUnit.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEEDS 60

static struct {
    char dir[64], state[80];
    struct disk *disk;
} f;

void disk_setup(void); /* called by the runner */
void disk_teardown(void);

void disk_setup(void)
{
    snprintf(f.dir, sizeof f.dir, "/tmp/torc-disk-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(f.dir));
    snprintf(f.state, sizeof f.state, "%s.state", f.dir);
}

static void clear(void)
{
    char path[360];
    DIR *dir = opendir(f.dir);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", f.dir, e->d_name);
        if (e->d_name[0] != '.')
            unlink(path);
    }
    if (dir != NULL)
        closedir(dir);
}

void disk_teardown(void)
{
    if (f.disk != NULL)
        disk_remove(f.disk, f.state);
    f.disk = NULL;
    clear();
    rmdir(f.dir);
}

/* --- what the child does */

static const char *path_of(const char *name)
{
    static char room[2][200];
    static int at;
    at = 1 - at;
    snprintf(room[at], sizeof room[at], "%s/%s", f.dir, name);
    return room[at];
}

static void put(const char *name, const char *text, int flags, bool sync)
{
    int fd = open(path_of(name), O_WRONLY | O_CREAT | flags, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) < 0 || (sync && fdatasync(fd) != 0))
        _exit(1);
    close(fd);
}

static void move(const char *from, const char *to)
{
    if (rename(path_of(from), path_of(to)) != 0)
        _exit(1);
}

static void sync_names(void)
{
    int fd = open(f.dir, O_RDONLY);
    if (fd < 0 || fsync(fd) != 0)
        _exit(1);
    close(fd);
}

/* --- after it: what is in a file, as text; "-" when it is not there */

static const char *content(const char *name)
{
    static char room[64];
    int fd = open(path_of(name), O_RDONLY);
    if (fd < 0)
        return "-";
    ssize_t n = read(fd, room, sizeof room - 1);
    close(fd);
    room[n < 0 ? 0 : n] = 0;
    return room;
}

/* A new directory with "old" in the file a, and the child's work in it, then a cut. */
static void work_and_cut(void (*work)(void), uint64_t seed, unsigned flags)
{
    int status = 0;
    if (f.disk != NULL)
        disk_remove(f.disk, f.state);
    clear();
    put("a", "old", 0, false);
    f.disk = disk_new(f.state, f.dir);
    pid_t pid = fork();
    if (pid == 0) {
        interpose_start(f.disk);
        work();
        _exit(0);
    }
    CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_STRING_EQUAL(f.disk->wrong, "");
    disk_settle(f.disk);
    disk_cut(f.disk, seed, flags);
}

/* Over many seeds the file is each of the texts at some time, and nothing else. */
static void expect(void (*work)(void), const char *name, const char *const *texts, size_t count)
{
    unsigned seen[8] = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        size_t i = 0;
        work_and_cut(work, seed, 0);
        const char *got = content(name);
        while (i < count && strcmp(got, texts[i]) != 0)
            i++;
        if (i == count)
            fprintf(stderr, "disk: seed %u: '%s'\n", (unsigned)seed, got);
        CU_ASSERT_FATAL(i < count);
        seen[i]++;
    }
    for (size_t i = 0; i < count; i++)
        CU_ASSERT_TRUE(seen[i] > 0);
}

#define EXPECT(work, name, ...)                                                                    \
    expect(work, name, (const char *const[]){__VA_ARGS__},                                         \
           ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

/* --- the promises */

static void appends(void)
{
    put("b", "12", 0, true);
    put("b", "34", O_APPEND, false);
}

static void bytes_that_are_not_synced_may_go(void)
{
    EXPECT(appends, "b", "12", "123", "1234");
}

static void makes(void)
{
    put("b", "", 0, false);
}

static void makes_and_syncs(void)
{
    put("b", "1", 0, true);
}

static void a_file_is_kept_by_its_own_sync(void)
{
    EXPECT(makes, "b", "-", "");
    EXPECT(makes_and_syncs, "b", "1");
}

static void replaces(void)
{
    put("b", "new", 0, true);
    move("b", "a");
}

static void replaces_and_syncs(void)
{
    replaces();
    sync_names();
}

static void a_rename_is_kept_by_the_sync_of_the_directory(void)
{
    EXPECT(replaces, "a", "old", "new");
    EXPECT(replaces_and_syncs, "a", "new");
    EXPECT(replaces_and_syncs, "b", "-");
}

static void removes(void)
{
    if (unlink(path_of("a")) != 0)
        _exit(1);
}

static void removes_and_syncs(void)
{
    removes();
    sync_names();
}

static void a_removal_may_be_undone(void)
{
    EXPECT(removes, "a", "old", "-");
    EXPECT(removes_and_syncs, "a", "-");
}

static void empties(void)
{
    put("a", "N", O_TRUNC, false);
}

static void empties_and_syncs(void)
{
    put("a", "N", O_TRUNC, true);
}

static void a_file_made_empty_is_the_old_or_the_new_one(void)
{
    EXPECT(empties, "a", "old", "", "N");
    EXPECT(empties_and_syncs, "a", "N");
}

/* LevelDB's way with CURRENT: the old manifest goes after the rename. */
static void renames_then_removes(void)
{
    put("m1", "x", 0, true);
    replaces();
    if (unlink(path_of("m1")) != 0)
        _exit(1);
}

static void changes_of_names_keep_their_order(void)
{
    bool parted = false;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        work_and_cut(renames_then_removes, seed, 0);
        bool removed = strcmp(content("m1"), "-") == 0;
        CU_ASSERT_TRUE(!removed || strcmp(content("a"), "new") == 0);
        work_and_cut(renames_then_removes, seed, DISK_UNORDERED);
        removed = strcmp(content("m1"), "-") == 0;
        parted = parted || (removed && strcmp(content("a"), "old") == 0);
    }
    CU_ASSERT_TRUE(parted);
}

/* --- dying at a call */

static unsigned life_until(uint64_t call, enum disk_death death)
{
    int status = 0;
    f.disk->die_at = f.disk->calls + call;
    f.disk->death = death;
    pid_t pid = fork();
    if (pid == 0) {
        interpose_start(f.disk);
        put("b", "1234", 0, true); /* three calls: open, write, sync */
        _exit(0);
    }
    waitpid(pid, &status, 0);
    disk_settle(f.disk);
    return WIFSIGNALED(status) ? (unsigned)WTERMSIG(status) : 0;
}

static void a_process_dies_at_the_call_it_was_told(void)
{
    static const struct {
        uint64_t call;
        enum disk_death death;
        const char *left;
        uint64_t synced;
    } rows[] = {{1, DISK_BEFORE, "-", 0},  {1, DISK_AFTER, "", 0},     {2, DISK_BEFORE, "", 0},
                {2, DISK_WITHIN, "12", 0}, {2, DISK_AFTER, "1234", 0}, {3, DISK_WITHIN, "1234", 0},
                {3, DISK_AFTER, "1234", 4}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct stat st;
        f.disk = disk_new(f.state, f.dir);
        CU_ASSERT_EQUAL(life_until(rows[i].call, rows[i].death), SIGKILL);
        CU_ASSERT_STRING_EQUAL(content("b"), rows[i].left);
        if (stat(path_of("b"), &st) == 0)
            CU_ASSERT_EQUAL(f.disk->files[disk_find(f.disk, st.st_ino)].synced, rows[i].synced);
        disk_remove(f.disk, f.state);
        f.disk = NULL;
        clear();
    }
}

static void writes_over(void)
{
    int fd = open(path_of("a"), O_WRONLY);
    if (fd < 0 || write(fd, "x", 1) != 1)
        _exit(1);
    close(fd);
}

/* The model has no word for it: better no answer than a wrong one. */
static void writing_over_synced_bytes_is_reported(void)
{
    int status = 0;
    put("a", "old", 0, false);
    f.disk = disk_new(f.state, f.dir);
    pid_t pid = fork();
    if (pid == 0) {
        interpose_start(f.disk);
        writes_over();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_STRING_NOT_EQUAL(f.disk->wrong, "");
}

CU_TestInfo disk_tests[] = {
    {"bytes that are not synced may go", bytes_that_are_not_synced_may_go},
    {"a file is kept by its own sync", a_file_is_kept_by_its_own_sync},
    {"a rename is kept by the sync of the directory",
     a_rename_is_kept_by_the_sync_of_the_directory},
    {"a removal may be undone", a_removal_may_be_undone},
    {"a file made empty is the old or the new one", a_file_made_empty_is_the_old_or_the_new_one},
    {"changes of names keep their order", changes_of_names_keep_their_order},
    {"a process dies at the call it was told", a_process_dies_at_the_call_it_was_told},
    {"writing over synced bytes is reported", writing_over_synced_bytes_is_reported},
    CU_TEST_INFO_NULL,
};
