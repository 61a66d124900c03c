#include "node/net/shell.h"
#include "node/net/address.h"
#include "node/net/kept.h"

#include "base/mem.h"
#include "storage/store_leveldb.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static usec read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (usec)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

struct now shell_now(void)
{
    return (struct now){read_clock(CLOCK_MONOTONIC), read_clock(CLOCK_REALTIME)};
}

enum err shell_bind(const struct endpoint *at, int type, int *ret_fd, struct errmsg *reterr)
{
    char text[ENDPOINT_TEXT_SIZE];
    struct sockaddr_storage address;
    socklen_t len = address_put(at, &address);
    int fd = socket(address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0)
        return errmsg_set(reterr, ERR_IO, "socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, len) != 0 ||
        (type == SOCK_STREAM && listen(fd, 512) != 0)) {
        errmsg_set(reterr, ERR_IO, "listen on %s: %s", endpoint_text(at, text), strerror(errno));
        close(fd);
        return ERR_IO;
    }
    *ret_fd = fd;
    return ERR_OK;
}

static void say(struct shell *s, const struct node_effect *e)
{
    log_line(s->log, shell_now().wall, e->warning ? LOG_WARN : LOG_INFO, "%s", e->text);
}

static void keep_place(const struct shell *s, struct bytes text)
{
    if (kept_write(s->data, text) != ERR_OK)
        log_line(s->log, shell_now().wall, LOG_WARN, "%s: .members cannot be written", s->data);
}

static void perform(struct shell *s, const struct node_effect *e)
{
    switch (e->type) {
    case NODE_SEND: link_send(s, &e->to, e->bytes); break;
    case NODE_SEND_DATAGRAM: udp_send(s, &e->to, e->bytes); break;
    case NODE_CLIENT_OUT: cql_dirty(s, e->client); break;
    case NODE_CLIENT_CLOSE: cql_close_later(s, e->client); break;
    case NODE_LOG: say(s, e); break;
    case NODE_READY_NOW: event_add(s->ev_cql, NULL); break;
    case NODE_DRAINED: s->stop = true; break;
    case NODE_MEND: s->mend = s->stop = true; break;
    case NODE_PLACE: keep_place(s, e->bytes); break;
    case NODE_PASSWORD: password_start(s, e); break;
    }
}

void shell_step(struct shell *s, struct node_event *event)
{
    ASSERT(!s->stepping);
    s->stepping = true;
    event->now = shell_now();
    struct node_effects effects = node_step(s->node, event);
    for (size_t i = 0; i < effects.count; i++)
        perform(s, &effects.items[i]);
    s->stepping = false;
}

/* Links that broke while a step ran. */
static void report_downs(struct shell *s)
{
    while (s->downs_count > 0) {
        struct node_event event = {.type = NODE_LINK_DOWN, .from = s->downs[--s->downs_count]};
        shell_step(s, &event);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg; /* the turn does what is due */
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct shell *s = arg;
    (void)fd; /* taking what has completed empties it */
    (void)what;
    struct node_event event = {.type = NODE_STORE};
    shell_step(s, &event);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct shell *s = arg;
    (void)what;
    if (s->draining) {
        s->stop = true; /* asked twice: now */
        return;
    }
    s->draining = true;
    s->drain_until = shell_now().mono + s->config->shutdown_drain_timeout;
    log_line(s->log, shell_now().wall, LOG_INFO, "signal %d -> draining", (int)number);
    event_del(s->ev_cql);
    struct node_event event = {.type = NODE_DRAIN};
    shell_step(s, &event);
}

/* The bytes of the files in the store's directory. */
static uint64_t data_size(const char *path)
{
    uint64_t bytes = 0;
    DIR *dir = opendir(path);
    struct dirent *entry;
    struct stat st;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISREG(st.st_mode))
            bytes += (uint64_t)st.st_size;
    }
    if (dir != NULL)
        closedir(dir);
    return bytes;
}

/* What the turn leaves: group commit, writes, the next deadline. */
static void end_turn(struct shell *s)
{
    usec mono = shell_now().mono;
    if (node_deadline(s->node) <= mono) {
        struct node_event event = {.type = NODE_DEADLINE};
        shell_step(s, &event);
    }
    link_expire(s, mono);
    report_downs(s);
    store_flush(s->store);
    link_flush_all(s);
    report_downs(s);
    cql_flush_all(s);
    store_flush(s->store);
    if (s->sync_every > 0 && mono >= s->sync_next) {
        store_leveldb_sync(s->store);
        s->sync_next = mono + s->sync_every;
    }
    if (mono >= s->load_next) {
        node_set_load(s->node, data_size(s->data));
        s->load_next = mono + LOAD_EVERY;
    }
    usec next = node_deadline(s->node);
    if (s->load_next < next)
        next = s->load_next;
    if (s->sync_every > 0 && s->sync_next < next)
        next = s->sync_next;
    if (link_deadline(s) < next)
        next = link_deadline(s);
    if (s->draining && s->drain_until < next)
        next = s->drain_until;
    mono = shell_now().mono;
    if (s->draining && mono >= s->drain_until)
        s->stop = true;
    usec wait = next > mono ? next - mono : 0;
    if (wait > 60 * USEC_PER_SEC)
        wait = 60 * USEC_PER_SEC;
    struct timeval tv = {(time_t)(wait / USEC_PER_SEC), (suseconds_t)(wait % USEC_PER_SEC)};
    event_add(s->ev_timer, &tv);
}

static enum err open_all(struct shell *s, struct errmsg *reterr)
{
    enum err err = password_open(s, reterr);
    if (err == ERR_OK)
        err = link_listen(s, &s->at_link, reterr);
    if (err == ERR_OK)
        err = udp_listen(s, &s->at_link, reterr);
    if (err == ERR_OK)
        err = cql_listen(s, &s->at_cql, reterr);
    if (err == ERR_OK && s->at_http.port != 0)
        err = http_listen(s, &s->at_http, reterr);
    return err;
}

enum err shell_run(struct shell *s, struct errmsg *reterr)
{
    list_init(&s->links);
    list_init(&s->links_in);
    list_init(&s->dirty);
    map_init(&s->clients);
    s->chunk = mem_alloc(READ_CHUNK);
    s->base = event_base_new();
    ASSERT(s->base != NULL);
    s->ev_timer = event_new(s->base, -1, 0, on_timer, s);
    s->ev_wake = event_new(s->base, s->wake_fd, EV_READ | EV_PERSIST, on_wake, s);
    s->ev_term = evsignal_new(s->base, SIGTERM, on_signal, s);
    s->ev_int = evsignal_new(s->base, SIGINT, on_signal, s);
    enum err err = open_all(s, reterr);
    if (err == ERR_OK) {
        event_add(s->ev_wake, NULL);
        event_add(s->ev_term, NULL);
        event_add(s->ev_int, NULL);
        struct node_event start = {.type = NODE_START};
        shell_step(s, &start);
        while (!s->stop) {
            end_turn(s);
            if (!s->stop)
                event_base_loop(s->base, EVLOOP_ONCE);
        }
        store_flush(s->store);
        link_flush_all(s);
        cql_flush_all(s);
    }
    http_close(s);
    password_close(s);
    cql_close_all(s);
    link_close_all(s);
    struct event *events[] = {s->ev_timer, s->ev_wake, s->ev_term, s->ev_int, s->ev_udp};
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        if (events[i] != NULL)
            event_free(events[i]);
    }
    if (s->udp_fd > 0)
        close(s->udp_fd);
    event_base_free(s->base);
    map_close(&s->clients);
    mem_free(s->downs);
    mem_free(s->chunk);
    return err;
}
