/* torcd: one node. Reads the config, opens the store, makes the node and its shell, runs until it
 * is told to stop. */
#include "node/net/address.h"
#include "node/net/kept.h"
#include "node/net/shell.h"
#include "storage/store_leveldb.h"

#include "base/arena.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <malloc.h>
#include <net/if.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESOLVE_TRIES 60 /* half a second apart: containers of a ring start in any order */

extern char **environ;

static struct endpoint with_port(const struct sockaddr *a, uint16_t port)
{
    struct endpoint e = address_get(a);
    e.port = port;
    return e;
}

/* The addresses of a host name or a literal, up to max. Returns how many. */
static size_t resolve(const char *host, uint16_t port, struct endpoint *ret, size_t max)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    size_t count = 0;
    if (max > 0 && endpoint_parse(host, port, ret))
        return 1;
    char name[CONFIG_TEXT_MAX];
    snprintf(name, sizeof name, "%s", host);
    char *colon = strrchr(name, ':');
    if (colon != NULL) {
        *colon = 0;
        port = (uint16_t)strtoul(colon + 1, NULL, 10);
    }
    if (getaddrinfo(name, NULL, &hints, &found) != 0)
        return 0;
    for (struct addrinfo *a = found; a != NULL && count < max; a = a->ai_next) {
        if (a->ai_family == AF_INET || a->ai_family == AF_INET6)
            ret[count++] = with_port(a->ai_addr, port);
    }
    freeaddrinfo(found);
    return count;
}

/* The first address of this machine that is not loopback. */
static bool own_address(uint16_t port, struct endpoint *ret)
{
    struct ifaddrs *all;
    bool found = false;
    if (getifaddrs(&all) != 0)
        return false;
    for (struct ifaddrs *i = all; i != NULL && !found; i = i->ifa_next) {
        if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET ||
            (i->ifa_flags & IFF_LOOPBACK) || !(i->ifa_flags & IFF_UP))
            continue;
        *ret = with_port(i->ifa_addr, port);
        found = true;
    }
    freeifaddrs(all);
    return found;
}

static enum err find_address(const char *key, const char *text, uint16_t port, struct endpoint *ret,
                             struct errmsg *reterr)
{
    bool found =
        strcmp(text, "auto") == 0 ? own_address(port, ret) : resolve(text, port, ret, 1) == 1;
    if (found)
        return ERR_OK;
    return errmsg_set(reterr, ERR_CONFIG,
                      "%s: '%s' is no address of this machine that can be found", key, text);
}

static bool is_any(const struct endpoint *e)
{
    static const uint8_t zero[16];
    return memcmp(e->ip, zero, 16) == 0 || (endpoint_is_v4(e) && memcmp(e->ip + 12, zero, 4) == 0);
}

/* Where to listen, and what to tell others. */
static enum err find_addresses(const struct config *c, struct shell *s, struct node_config *n,
                               struct errmsg *reterr)
{
    uint16_t internode = (uint16_t)c->storage_port;
    uint16_t cql = (uint16_t)c->native_transport_port;
    enum err err =
        find_address("listen_address", c->listen_address, internode, &s->at_link, reterr);
    n->endpoint = s->at_link;
    if (err == ERR_OK && c->broadcast_address[0] != 0)
        err = find_address("broadcast_address", c->broadcast_address, internode, &n->endpoint,
                           reterr);
    if (err == ERR_OK && is_any(&n->endpoint))
        err = errmsg_set(reterr, ERR_CONFIG,
                         "listen_address: %s is every address: say broadcast_address too",
                         c->listen_address);
    if (err == ERR_OK)
        err = find_address("rpc_address", c->rpc_address, cql, &s->at_cql, reterr);
    n->cql = s->at_cql;
    if (err == ERR_OK && c->broadcast_rpc_address[0] != 0) {
        err = find_address("broadcast_rpc_address", c->broadcast_rpc_address, cql, &n->cql, reterr);
    } else if (err == ERR_OK && is_any(&n->cql)) {
        n->cql = n->endpoint;
        n->cql.port = cql;
    }
    if (err == ERR_OK && c->replace_address[0] != 0)
        err = find_address("replace_address", c->replace_address, internode, &n->replaces, reterr);
    s->at_http = s->at_cql;
    if (err == ERR_OK && c->http_address[0] != 0)
        err = find_address("http_address", c->http_address, 0, &s->at_http, reterr);
    s->at_http.port = (uint16_t)c->http_port;
    n->http_port = (uint16_t)c->http_port;
    s->endpoint = n->endpoint;
    return err;
}

/* Every address behind every seed. Names that are not known yet are tried again for a while. */
static enum err find_seeds(const struct config *c, struct node_config *n, const struct log *log,
                           struct errmsg *reterr)
{
    struct bytes item;
    for (int try = 0; try < RESOLVE_TRIES; try++) {
        bool named = false;
        n->seeds_count = 0;
        for (size_t i = 0; config_item(c->seeds, i, &item); i++) {
            char host[CONFIG_TEXT_MAX];
            named = true;
            snprintf(host, sizeof host, "%.*s", (int)item.len, (const char *)item.data);
            n->seeds_count += resolve(host, (uint16_t)c->storage_port, n->seeds + n->seeds_count,
                                      NODE_SEEDS_MAX - n->seeds_count);
        }
        if (!named || n->seeds_count > 0)
            return ERR_OK;
        if (try == 0)
            log_line(log, shell_now().wall, LOG_WARN,
                     "no address is known for the seeds '%s' -> asking again", c->seeds);
        usleep(500000);
    }
    return errmsg_set(reterr, ERR_CONFIG, "seeds: none of '%s' has an address", c->seeds);
}

static enum err make_directories(const char *path, struct errmsg *reterr)
{
    char part[CONFIG_ITEMS_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *at = part + 1;; at++) {
        if (*at != '/' && *at != 0)
            continue;
        char kept = *at;
        *at = 0;
        if (mkdir(part, 0750) != 0 && errno != EEXIST)
            return errmsg_set(reterr, ERR_CONFIG, "data_file_directories: cannot make %s: %s", part,
                              strerror(errno));
        *at = kept;
        if (kept == 0)
            return ERR_OK;
    }
}

static void write_line(void *arg, struct bytes line)
{
    (void)arg;
    ssize_t n = write(STDOUT_FILENO, line.data, line.len);
    (void)n; /* nowhere to complain */
}

static enum err find_directory(const struct config *c, char path[CONFIG_ITEMS_MAX],
                               struct errmsg *reterr)
{
    struct bytes item;
    if (!config_item(c->data_file_directories, 0, &item))
        return errmsg_set(reterr, ERR_CONFIG, "data_file_directories is empty");
    snprintf(path, CONFIG_ITEMS_MAX, "%.*s", (int)item.len, (const char *)item.data);
    return make_directories(path, reterr);
}

static enum err open_store(const struct config *c, const char *path, bool mend, struct store **ret,
                           struct errmsg *reterr)
{
    struct store_leveldb_config store = {
        .path = path,
        .sync = c->commitlog_sync == COMMITLOG_SYNC_BATCH ? STORE_SYNC_BATCH : STORE_SYNC_PERIODIC,
        .write_buffer_bytes = (size_t)c->write_buffer_size,
        .cache_bytes = (size_t)c->block_cache_size,
        .mend = mend};
    return store_leveldb_open(&store, ret, reterr);
}

static usec stopwatch(void)
{
    return shell_now().mono;
}

static void fill_config(const struct config *c, struct node_config *n, struct tracer *tracer)
{
    ssize_t got = getrandom(&n->seed, sizeof n->seed, 0);
    ASSERT(got == (ssize_t)sizeof n->seed);
    n->cluster_name = c->cluster_name;
    n->dc = c->dc;
    n->rack = c->rack;
    n->ring_ranges = (uint32_t)c->ring_ranges;
    n->weight = (uint32_t)c->num_tokens;
    n->write_timeout_us = c->write_request_timeout;
    n->batch_warn_bytes = (size_t)c->batch_size_warn_threshold;
    n->batch_fail_bytes = (size_t)c->batch_size_fail_threshold;
    n->batch_warn_partitions = (size_t)c->unlogged_batch_across_partitions_warn_threshold;
    n->unsynced = c->commitlog_sync == COMMITLOG_SYNC_PERIODIC;
    n->sync_us = c->commitlog_sync_period;
    n->no_hints = !c->hinted_handoff_enabled;
    n->hints_size_max = (size_t)c->max_hints_size_per_host;
    n->hints_window_us = c->max_hint_window;
    n->hints_rate = (size_t)c->hinted_handoff_throttle;
    n->counter_window_us = c->counter_retry_window;
    n->read_timeout_us = c->read_request_timeout;
    n->range_timeout_us = c->range_request_timeout;
    n->probe_interval_us = c->probe_interval;
    n->probe_timeout_us = c->probe_timeout;
    n->gossip_interval_us = c->gossip_interval;
    n->push_pull_interval_us = c->push_pull_interval;
    n->suspicion_mult = (uint32_t)c->suspicion_mult;
    n->clock_offset_max_us = c->max_clock_offset;
    n->away_us = c->metadata_away_after;
    n->log_min = (uint64_t)c->range_log_min;
    n->log_max = (uint64_t)c->range_log_max;
    n->logs_total = (uint64_t)c->range_log_total;
    n->log_window_us = c->range_log_window;
    n->scrub_us = c->scrub_period;
    n->handoff_min = (uint64_t)c->handoff_rate_min;
    n->handoff_max = (uint64_t)c->handoff_throttle;
    n->scrub_rows = (uint32_t)c->scrub_rows;
    n->tree_width = (uint32_t)c->tree_width;
    n->tree_bytes_max = (size_t)c->tree_bytes_max;
    n->tree_key = c->tree_key;
    n->in_flight_max = (size_t)c->max_in_flight_bytes;
    n->frame_max = (size_t)c->native_transport_max_frame_size;
    n->authenticate = c->authenticator == AUTHENTICATOR_PASSWORD;
    n->authorize = c->authorizer == AUTHORIZER_CASSANDRA;
    n->default_role = true;
    n->roles_validity_us = c->roles_validity;
    n->permissions_validity_us = c->permissions_validity;
    n->credentials_validity_us = c->credentials_validity;
    n->stopwatch = stopwatch;
    n->tracer = tracer;
}

/* All settings as texts, for who asks the node. */
static struct node_setting *show_settings(const struct config *c, struct arena *arena)
{
    struct node_setting *settings = arena_array(arena, struct node_setting, CONFIG_COUNT);
    struct buf value;
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        buf_init(&value, BUF_MAX_DEFAULT);
        config_value_text(c, i, &value);
        settings[i].name = config_name(i);
        settings[i].value = arena_text(arena, buf_bytes(&value));
        buf_close(&value);
    }
    return settings;
}

/* How often damage was met since the process began, and whether it helps to look. */
struct mending {
    bool look;     /* open the store with a look at all of its files */
    bool useless;  /* that was done, and nothing was found */
    unsigned done; /* so often something was */
};

#define MENDS_MAX 5 /* a disk that is damaged again and again is to be replaced */

static void say_opened(struct log *log, const struct store *store)
{
    const struct lost_keys *lost = store_lost(store);
    if (store_leveldb_torn(store) > 0)
        log_line(log, shell_now().wall, LOG_WARN,
                 "the store ends in a write that was not finished -> %llu bytes cut off",
                 (unsigned long long)store_leveldb_torn(store));
    if (store_leveldb_mended(store))
        log_line(
            log, shell_now().wall, LOG_WARN,
            "table files of the store were damaged or gone -> mended without what they had, %zu "
            "stretches of keys; what was there is kept in the folder 'lost'",
            lost->count);
}

static bool has_seed(const struct node_config *config, const struct endpoint *at)
{
    for (size_t i = 0; i < config->seeds_count; i++) {
        if (endpoint_equal(&config->seeds[i], at))
            return true;
    }
    return false;
}

/* Who was known to be in the cluster lets a node in as well as a seed does. */
static void add_members(struct node_config *config, const struct kept *kept)
{
    for (size_t i = 0; i < kept->members_count && config->seeds_count < NODE_SEEDS_MAX; i++) {
        if (!has_seed(config, &kept->members[i]))
            config->seeds[config->seeds_count++] = kept->members[i];
    }
}

static bool is_alone(const struct node_config *config)
{
    for (size_t i = 0; i < config->seeds_count; i++) {
        if (!endpoint_equal(&config->seeds[i], &config->endpoint))
            return false;
    }
    return true;
}

/* May it come back in its own place, without what it had? Else *why says what a person may do. */
static bool may_begin_anew(const char *path, const struct node_config *config,
                           const struct kept *kept, struct errmsg *why)
{
    char at[ENDPOINT_TEXT_SIZE];
    struct errmsg what = *why;
    (void)endpoint_ip_text(&config->endpoint, at);
    if (kept->only[0] != 0 && config->replaces.port == 0)
        return errmsg_set(why, ERR_CORRUPT,
                          "%s; this node is the only replica of data of the keyspaces %s. What is "
                          "left of it is untouched in %s: put a backup there, or start with "
                          "--replace_address=%s to come back without these rows (what is left is "
                          "then kept in %s/lost-*)",
                          what.text, kept->only, path, at, path) == ERR_OK;
    if (is_alone(config) && kept->members_count == 0)
        return errmsg_set(why, ERR_CORRUPT,
                          "%s; no other node is known. To come back in this node's place, empty: "
                          "start with --replace_address=%s and with another living node among the "
                          "--seeds",
                          what.text, at) == ERR_OK;
    if (!kept->known && config->replaces.port == 0)
        return errmsg_set(why, ERR_CORRUPT,
                          "%s; whether this node was the only replica of anything is not known "
                          "(%s/.members is missing or damaged). What is left of it is untouched in "
                          "%s: put a backup there, or start with --replace_address=%s to come back "
                          "with what other replicas have (what is left is then kept in %s/lost-*)",
                          what.text, path, path, at, path) == ERR_OK;
    return true;
}

/* What people read in the log and, as long as it is there, in the status. */
static void say_given_up(const char *path, const struct kept *kept, struct log *log,
                         const struct errmsg *why)
{
    char text[KEPT_WHY_SIZE];
    snprintf(text, sizeof text,
             "the disk of this node was lost (%s); what is left of it is kept in %s/lost-*, until "
             "somebody removes that. It began anew, in place of what it was, with what other "
             "replicas have%s%s",
             why->text, path,
             kept->only[0] != 0 ? ": rows that it alone had are gone, of the keyspaces "
             : kept->known      ? "; it was the only replica of nothing"
                                : ": rows that it alone had, if there were any, are gone",
             kept->only);
    if (kept_say_why(path, text) != ERR_OK)
        log_line(log, shell_now().wall, LOG_WARN, "%s/.given-up cannot be written", path);
    log_line(log, shell_now().wall, LOG_WARN, "the data of this node is given up: %s", text);
}

/* Vital records are lost, or what belongs to the data: it cannot go on as what it was. In a ring of
 * others it comes back in its own place, empty; what is left is kept for people. */
static bool begins_anew(const char *path, const struct node_config *config, const struct kept *kept,
                        struct log *log, enum err err, struct errmsg *why)
{
    struct errmsg aside;
    if (err != ERR_CORRUPT || !may_begin_anew(path, config, kept, why))
        return false;
    log_line(log, shell_now().wall, LOG_ERROR, "%s", why->text);
    if (store_leveldb_set_aside(path, &aside) != ERR_OK) {
        *why = aside;
        return false;
    }
    say_given_up(path, kept, log, why);
    return true;
}

/* From opening the store to closing it. */
static enum err run_once(struct shell *shell, const struct node_config *config, const char *path,
                         const struct kept *kept, struct mending *m, struct errmsg *reterr)
{
    const struct config *c = shell->config;
    struct store *store = NULL;
    struct node_config with = *config;
    enum err err = open_store(c, path, m->look, &store, reterr);
    if (err != ERR_OK)
        return err;
    shell->store = store;
    shell->wake_fd = store_leveldb_wake_fd(store);
    say_opened(shell->log, store);
    m->done += store_leveldb_mended(store);
    m->useless = m->useless || (m->look && !store_leveldb_mended(store));
    with.mends = !m->useless && m->done < MENDS_MAX;
    char given_up[KEPT_WHY_SIZE];
    if (store_leveldb_was_set_aside(path) && kept_why(path, given_up))
        with.given_up = given_up;
    if (with.replaces.port == 0 && store_leveldb_was_set_aside(path))
        with.replaces = with.endpoint;
    if (with.replaces.port != 0)
        add_members(&with, kept);
    if (c->commitlog_sync == COMMITLOG_SYNC_PERIODIC)
        shell->sync_every = c->commitlog_sync_period;
    err = node_new(&with, store, &shell->node, reterr);
    if (err == ERR_OK) {
        char text[ENDPOINT_TEXT_SIZE];
        log_line(shell->log, shell_now().wall, LOG_INFO, "torcd %s starts -> clients on %s",
                 TORC_VERSION, endpoint_text(&shell->at_cql, text));
        err = shell_run(shell, reterr);
        node_free(shell->node);
    }
    store_close(store);
    return err;
}

static enum err run(const struct config *c, struct log *log, struct errmsg *reterr)
{
    struct tracer tracer = log_tracer(log);
    struct node_config config = {.seed = 0};
    char path[CONFIG_ITEMS_MAX];
    struct shell shell = {.config = c, .log = log, .data = path};
    struct mending mending = {.look = false};
    struct arena settings = {0};
    bool again = true, anew = false;
    config.settings = show_settings(c, &settings);
    config.settings_count = CONFIG_COUNT;
    fill_config(c, &config, log_wants(log, LOG_DEBUG) ? &tracer : NULL);
    enum err err = find_addresses(c, &shell, &config, reterr);
    (void)endpoint_ip_text(&shell.endpoint, log->node);
    if (err == ERR_OK)
        err = find_seeds(c, &config, log, reterr);
    if (err == ERR_OK)
        err = find_directory(c, path, reterr);
    struct shell fresh = shell;
    struct kept kept = {.members_count = 0};
    if (err == ERR_OK)
        kept_read(path, &kept);
    while (err == ERR_OK && again) {
        shell = fresh;
        err = run_once(&shell, &config, path, &kept, &mending, reterr);
        again = err == ERR_OK && shell.mend;
        if (err == ERR_CORRUPT && !mending.look) /* of a record that a start needs */
            again = true;
        else if (!anew && begins_anew(path, &config, &kept, log, err, reterr))
            again = anew = true;
        mending.look = again && !anew;
        err = again ? ERR_OK : err;
    }
    arena_close(&settings);
    log_line(log, shell_now().wall, LOG_INFO, "stopped");
    return err;
}

static void raise_limits(void)
{
    struct rlimit files;
    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    mallopt(M_ARENA_MAX, 2); /* the loop, the store; passwords share */
}

int main(int argc, char **argv)
{
    struct config config;
    struct config_asks asks;
    struct errmsg why;
    struct log log;
    struct buf help;
    config_defaults(&config);
    enum err err = config_load(&config, argc - 1, (const char *const *)argv + 1,
                               (const char *const *)environ, &asks, &why);
    if (err != ERR_OK) {
        fprintf(stderr, "torcd: %s\n", why.text);
        return 2;
    }
    if (asks.version) {
        printf("torcd %s\n", TORC_VERSION);
        return 0;
    }
    if (asks.help) {
        buf_init(&help, BUF_MAX_DEFAULT);
        config_help(&help);
        printf("torcd, a node of Torc: a leaderless wide-column database that speaks CQL.\n\n"
               "  torcd [--config=FILE] [--key=value ...]\n\n%.*s",
               (int)help.len, (const char *)help.data);
        buf_close(&help);
        return 0;
    }
    raise_limits();
    log_init(&log, (enum log_level)config.log_level, (enum log_format)config.log_format,
             config.listen_address, (struct log_sink){write_line, NULL});
    err = run(&config, &log, &why);
    if (err == ERR_OK)
        return 0;
    log_line(&log, shell_now().wall, LOG_ERROR, "%s", why.text);
    fprintf(stderr, "torcd: %s\n", why.text);
    return 1;
}
