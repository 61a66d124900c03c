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

#define END "end\n" /* behind all lines */

static bool write_all(int fd, struct bytes text)
{
    return write(fd, text.data, text.len) == (ssize_t)text.len;
}

static enum err write_file(const char *directory, const char *name, struct bytes text,
                           struct bytes end)
{
    char path[PATH_SIZE], fresh[PATH_SIZE];
    if (!name_of(path, directory, name) || snprintf(fresh, PATH_SIZE, "%s.new", path) >= PATH_SIZE)
        return ERR_INVALID;
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    bool good = fd >= 0 && write_all(fd, text) && write_all(fd, end) && fsync(fd) == 0;
    if (fd >= 0)
        good = close(fd) == 0 && good;
    return good && rename(fresh, path) == 0 ? ERR_OK : ERR_IO;
}

enum err kept_write(const char *directory, struct bytes text)
{
    return write_file(directory, ".members", text, BYTES_LIT(END));
}

/* False: it is no line of ours. */
static bool take_line(char *line, struct kept *ret)
{
    size_t have = strlen(ret->only);
    struct endpoint at;
    line[strcspn(line, "\n")] = 0;
    if (strncmp(line, "only ", 5) == 0) {
        snprintf(ret->only + have, sizeof ret->only - have, "%s%s", have > 0 ? ", " : "", line + 5);
        return true;
    }
    if (strncmp(line, "member ", 7) != 0 || !endpoint_parse(line + 7, 0, &at))
        return false;
    if (ret->members_count < KEPT_MEMBERS_MAX)
        ret->members[ret->members_count++] = at;
    return true;
}

void kept_read(const char *directory, struct kept *ret)
{
    char path[PATH_SIZE], line[LINE_MAX_SIZE];
    bool good = true, end = false;
    memset(ret, 0, sizeof *ret);
    FILE *file = name_of(path, directory, ".members") ? fopen(path, "re") : NULL;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        good = good && !end;
        end = strcmp(line, END) == 0;
        good = (end || take_line(line, ret)) && good;
    }
    ret->known = file != NULL && ferror(file) == 0 && good && end;
    if (file != NULL)
        fclose(file);
}

enum err kept_say_why(const char *directory, const char *text)
{
    return write_file(directory, ".given-up", bytes_text(text), BYTES_NONE);
}

bool kept_why(const char *directory, char ret[KEPT_WHY_SIZE])
{
    char path[PATH_SIZE];
    FILE *file = name_of(path, directory, ".given-up") ? fopen(path, "re") : NULL;
    size_t len = file != NULL ? fread(ret, 1, KEPT_WHY_SIZE - 1, file) : 0;
    ret[len] = 0;
    if (file != NULL)
        fclose(file);
    return len > 0;
}
