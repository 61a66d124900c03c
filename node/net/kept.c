/* kept.c - see kept.h. */
#include "node/net/kept.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_SIZE 1024
#define PATH_SIZE     4096

static bool name_of(char out[PATH_SIZE], const char *directory, const char *name)
{
    return snprintf(out, PATH_SIZE, "%s/%s", directory, name) < PATH_SIZE;
}

enum err kept_write(const char *directory, struct bytes text)
{
    char path[PATH_SIZE], fresh[PATH_SIZE];
    if (!name_of(path, directory, ".members") || !name_of(fresh, directory, ".members.new"))
        return ERR_INVALID;
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    bool good = fd >= 0 && write(fd, text.data, text.len) == (ssize_t)text.len && fsync(fd) == 0;
    if (fd >= 0)
        good = close(fd) == 0 && good;
    return good && rename(fresh, path) == 0 ? ERR_OK : ERR_IO;
}

static void take_line(char *line, struct kept *ret)
{
    size_t have = strlen(ret->only);
    line[strcspn(line, "\n")] = 0;
    if (strncmp(line, "only ", 5) == 0) {
        snprintf(ret->only + have, sizeof ret->only - have, "%s%s", have > 0 ? ", " : "", line + 5);
    } else if (strncmp(line, "member ", 7) == 0 && ret->members_count < KEPT_MEMBERS_MAX) {
        ret->members_count += endpoint_parse(line + 7, 0, &ret->members[ret->members_count]);
    }
}

void kept_read(const char *directory, struct kept *ret)
{
    char path[PATH_SIZE], line[LINE_MAX_SIZE];
    memset(ret, 0, sizeof *ret);
    FILE *file = name_of(path, directory, ".members") ? fopen(path, "re") : NULL;
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        take_line(line, ret);
    if (file != NULL)
        fclose(file);
}
