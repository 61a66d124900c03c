#include "node/sim/run/child.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define CPU_BASE   60 /* seconds */
#define CPU_FACTOR 4  /* for each of virtual time */

struct shared { /* by parent and child */
    struct run_result result;
    bool done;
};

struct child {
    const struct run_config *config;
    struct shared *shared;
    FILE *lines;  /* what it prints; it writes them unbuffered, so that none is lost */
    FILE *errors; /* its stderr: a file without a name */
};

/* --- in the child */

static void write_line(void *arg, const char *line)
{
    struct child *c = arg;
    fprintf(c->lines, "%s\n", line);
    fflush(c->lines);
}

_Noreturn static void be_child(struct child *c, int lines)
{
    struct run_config config = {.scenario = c->config->scenario};
    rlim_t cpu = (rlim_t)(CPU_BASE + CPU_FACTOR * (config.scenario->time_us / USEC_PER_SEC));
    struct rlimit limit = {cpu, cpu};
    struct rlimit no_core = {0, 0};
    (void)setrlimit(RLIMIT_CPU, &limit);
    (void)setrlimit(RLIMIT_CORE, &no_core);
    if (dup2(fileno(c->errors), STDERR_FILENO) < 0)
        _exit(EXIT_FAILURE);
    c->lines = fdopen(lines, "w");
    if (c->config->print != NULL && c->lines != NULL) {
        config.print = write_line;
        config.print_arg = c;
    }
    run_scenario(&config, &c->shared->result);
    c->shared->done = true;
    exit(EXIT_SUCCESS); /* sanitizers look for leaks */
}

/* --- in the parent */

static void take_lines(const struct child *c)
{
    char *line = NULL;
    size_t cap = 0;
    for (ssize_t n; (n = getline(&line, &cap, c->lines)) > 0;) {
        if (line[n - 1] == '\n')
            line[n - 1] = 0;
        if (c->config->print != NULL)
            c->config->print(c->config->print_arg, line);
    }
    free(line);
}

static bool is_reason(const char *line)
{
    return strstr(line, "assertion failed") != NULL || strstr(line, "ERROR: ") != NULL ||
           strstr(line, "runtime error") != NULL;
}

/* The first line of what it said that is a reason; false when there is none. */
static bool find_reason(const struct child *c, struct errmsg *why)
{
    char *line = NULL;
    size_t cap = 0;
    bool found = false;
    rewind(c->errors);
    while (!found && getline(&line, &cap, c->errors) > 0) {
        found = is_reason(line);
        if (found)
            (void)errmsg_set(why, ERR_FAILED, "%.*s", (int)strcspn(line, "\n"), line);
    }
    free(line);
    return found;
}

static void show_errors(const struct child *c)
{
    char chunk[4096];
    rewind(c->errors);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, c->errors)) > 0;)
        (void)fwrite(chunk, 1, n, stderr);
}

static void judge(const struct child *c, int status, struct run_result *ret)
{
    bool ended = WIFEXITED(status) && WEXITSTATUS(status) == 0 && c->shared->done;
    *ret = c->shared->result;
    if (!ended) {
        ret->good = false;
        ret->end_us += USEC_PER_SEC; /* stock is taken each second */
        if (!find_reason(c, &ret->why))
            (void)errmsg_set(&ret->why, ERR_FAILED, "the run ended with %s",
                             WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "an error");
    }
    if (c->config->print != NULL)
        show_errors(c);
}

static pid_t begin(struct child *c)
{
    int lines[2];
    if (pipe(lines) != 0)
        return -1;
    (void)fflush(NULL); /* or the child writes it, too */
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(lines[0]);
        be_child(c, lines[1]);
    }
    (void)close(lines[1]);
    c->lines = fdopen(lines[0], "r");
    return pid;
}

void run_in_child(const struct run_config *config, struct run_result *ret)
{
    struct child c = {.config = config, .errors = tmpfile()};
    int status = 0;
    c.shared =
        mmap(NULL, sizeof *c.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = c.errors != NULL && c.shared != MAP_FAILED ? begin(&c) : -1;
    if (pid < 0 || c.lines == NULL) {
        perror("torc-sim: a run cannot be started");
        exit(2);
    }
    take_lines(&c);
    if (waitpid(pid, &status, 0) != pid)
        status = -1;
    judge(&c, status, ret);
    (void)fclose(c.lines);
    (void)fclose(c.errors);
    (void)munmap(c.shared, sizeof *c.shared);
}
