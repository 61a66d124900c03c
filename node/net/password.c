/* password.c - passwords are hashed by a thread of their own, for one takes as long as a thousand
 * requests. At most PASSWORDS_MAX wait; whoever comes then is told so.
 *
 * The loop puts jobs into `waiting`; the thread moves each to `done` and writes to a pipe that the
 * loop watches. All of it is behind one mutex. */
#include "node/net/shell.h"

#include "base/mem.h"
#include "base/password.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define PASSWORDS_MAX 64 /* a few seconds of work: who waits longer has given up */

struct job {
    struct list link;
    uint64_t number;
    char *text;
    char *hash; /* to compare with; NULL: make one */
    uint8_t salt[PASSWORD_SALT];
    bool refused, matches;
    char made[PASSWORD_HASH_MAX];
};

struct passwords {
    struct shell *shell;
    pthread_t thread;
    bool running;
    pthread_mutex_t mutex;
    pthread_cond_t more;
    struct list waiting, done;
    size_t count; /* of both lists, and in hand */
    bool stop;
    int wake[2];
    struct event *event;
};

static void job_free(struct job *j)
{
    explicit_bzero(j->text, strlen(j->text));
    mem_free(j->text);
    mem_free(j->hash);
    mem_free(j);
}

static void do_job(struct job *j)
{
    if (j->hash != NULL)
        j->matches = password_matches(j->text, j->hash);
    else
        j->refused = !password_hash(j->text, j->salt, j->made);
}

static void *work(void *arg)
{
    struct passwords *p = arg;
    pthread_mutex_lock(&p->mutex);
    for (;;) {
        while (list_empty(&p->waiting) && !p->stop)
            pthread_cond_wait(&p->more, &p->mutex);
        if (p->stop)
            break;
        struct job *j = container_of(p->waiting.next, struct job, link);
        list_remove(&j->link);
        pthread_mutex_unlock(&p->mutex);
        do_job(j);
        pthread_mutex_lock(&p->mutex);
        list_push_back(&p->done, &j->link);
        ssize_t n = write(p->wake[1], "", 1);
        (void)n; /* a full pipe wakes as well */
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

static struct job *take_done(struct passwords *p)
{
    struct job *j = NULL;
    pthread_mutex_lock(&p->mutex);
    if (!list_empty(&p->done)) {
        j = container_of(p->done.next, struct job, link);
        list_remove(&j->link);
        p->count--;
    }
    pthread_mutex_unlock(&p->mutex);
    return j;
}

static void on_done(evutil_socket_t fd, short what, void *arg)
{
    struct passwords *p = arg;
    struct job *j;
    char drop[64];
    (void)what;
    ssize_t n = read((int)fd, drop, sizeof drop);
    (void)n; /* what counts is in the list */
    while ((j = take_done(p)) != NULL) {
        struct node_event event = {.type = NODE_PASSWORD_DONE};
        event.password.job = j->number;
        event.password.refused = j->refused;
        event.password.matches = j->matches;
        event.password.hash = j->made[0] != 0 ? j->made : NULL;
        shell_step(p->shell, &event);
        job_free(j);
    }
}

void password_start(struct shell *s, const struct node_effect *e)
{
    struct passwords *p = s->passwords;
    struct job *j = mem_new(struct job);
    j->number = e->password.job;
    j->text = mem_text(e->password.text);
    j->hash = e->password.hash != NULL ? mem_text(e->password.hash) : NULL;
    memcpy(j->salt, e->password.salt, sizeof j->salt);
    list_init(&j->link);
    pthread_mutex_lock(&p->mutex);
    bool full =
        p->count >= PASSWORDS_MAX; /* of our own: the job is the thread's once it is there */
    j->refused = full;
    p->count++;
    list_push_back(full ? &p->done : &p->waiting, &j->link);
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->mutex);
    if (full)
        event_active(p->event, EV_READ, 0); /* not now: a step is running */
}

enum err password_open(struct shell *s, struct errmsg *reterr)
{
    struct passwords *p = mem_new(struct passwords);
    s->passwords = p;
    p->shell = s;
    list_init(&p->waiting);
    list_init(&p->done);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->more, NULL);
    if (pipe2(p->wake, O_NONBLOCK | O_CLOEXEC) != 0)
        return errmsg_set(reterr, ERR_IO, "pipe: %s", strerror(errno));
    p->event = event_new(s->base, p->wake[0], EV_READ | EV_PERSIST, on_done, p);
    event_add(p->event, NULL);
    int failed = pthread_create(&p->thread, NULL, work, p);
    if (failed != 0)
        return errmsg_set(reterr, ERR_IO, "a thread for passwords: %s", strerror(failed));
    p->running = true;
    return ERR_OK;
}

void password_close(struct shell *s)
{
    struct passwords *p = s->passwords;
    struct list *lists[2];
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->mutex);
    p->stop = true;
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->mutex);
    if (p->running)
        pthread_join(p->thread, NULL);
    lists[0] = &p->waiting;
    lists[1] = &p->done;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        while (!list_empty(lists[i])) {
            struct job *j = container_of(lists[i]->next, struct job, link);
            list_remove(&j->link);
            job_free(j);
        }
    }
    if (p->event != NULL) {
        event_free(p->event);
        close(p->wake[0]);
        close(p->wake[1]);
    }
    pthread_mutex_destroy(&p->mutex);
    pthread_cond_destroy(&p->more);
    mem_free(p);
    s->passwords = NULL;
}
