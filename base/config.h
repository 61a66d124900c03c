/* config.h - every setting of torcd, declared once, and where settings come from.
 *
 * CONFIG_LIST gives the struct, the parser, --help, the settings table of the README and the values
 * shown by a running node. Names are those of cassandra.yaml where they mean the same.
 *
 * Sources, later ones win:
 *   1. the defaults below: one node on 127.0.0.1 with its data in ./torc-data
 *   2. torc.yaml (YAML; `seeds` also in the seed_provider form of cassandra.yaml)
 *   3. CASSANDRA_SEEDS and the other variables of the official Cassandra image
 *   4. TORC_KEY=value in the environment, the key in upper case
 *   5. --key=value or --key value; `-` may stand for `_` in the key
 *
 * Durations are written 500us 200ms 2s 10m 1h 1d, sizes 512B 64KiB 16MiB 1GiB; the older names
 * `key_in_ms`, `key_in_kb` and `key_in_mb` with a bare number are understood too.
 *
 * All functions but config_load are pure: text and environment are arguments. A failed read leaves
 * the struct half changed: throw it away. The struct owns everything in itself: copy it freely,
 * nothing is to be released.
 */
#ifndef TORC_BASE_CONFIG_H
#define TORC_BASE_CONFIG_H

#include "base/buf.h"

#define CONFIG_TEXT_MAX  256               /* with the closing NUL */
#define CONFIG_ITEMS_MAX 2048              /* of a list, joined by commas, with the closing NUL */
#define CONFIG_FILE_MAX  ((size_t)1 << 20) /* a larger torc.yaml is a mistake */

/* X(type, name, default, least, most, help). The default is parsed like any other source. For a
 * CHOICE `least` holds the words, separated by `|`; TEXT and ITEMS have no bounds. */
#define CONFIG_LIST(X)                                                                             \
    X(TEXT, cluster_name, "Test Cluster", "", "",                                                  \
      "name of the cluster; nodes of another name are refused")                                    \
    X(NUMBER, num_tokens, "16", "1", "65536",                                                      \
      "weight of this node: its share of the ring against the others'")                            \
    X(NUMBER, ring_ranges, "1024", "16", "65536",                                                  \
      "equal ranges the ring is cut into, a power of two, fixed when the cluster is made")         \
    X(ITEMS, seeds, "", "", "",                                                                    \
      "any known members, host or host:port; empty: start a cluster of one's own")                 \
    X(TEXT, dc, "datacenter1", "", "", "data centre of this node")                                 \
    X(TEXT, rack, "rack1", "", "", "rack of this node")                                            \
    X(ITEMS, data_file_directories, "./torc-data", "", "",                                         \
      "where the data is kept; the first one is used")                                             \
    X(TEXT, replace_address, "", "", "",                                                           \
      "enter in place of the dead node at this address; only for a node with an empty disk")       \
    X(TEXT, listen_address, "127.0.0.1", "", "",                                                   \
      "address for other nodes; `auto`: the first that is not loopback")                           \
    X(TEXT, broadcast_address, "", "", "", "address told to other nodes; empty: listen_address")   \
    X(NUMBER, storage_port, "7000", "1", "65535", "internode port, TCP and UDP")                   \
    X(TEXT, rpc_address, "127.0.0.1", "", "", "address for clients (CQL)")                         \
    X(TEXT, broadcast_rpc_address, "", "", "",                                                     \
      "address told to clients; empty: rpc_address, or broadcast_address when that is 0.0.0.0")    \
    X(CHOICE, authenticator, "AllowAllAuthenticator",                                              \
      "AllowAllAuthenticator|PasswordAuthenticator", "",                                           \
      "PasswordAuthenticator: clients log in; the first superuser is cassandra, password "         \
      "cassandra")                                                                                 \
    X(CHOICE, authorizer, "AllowAllAuthorizer", "AllowAllAuthorizer|CassandraAuthorizer", "",      \
      "CassandraAuthorizer: roles may do what they were granted; needs PasswordAuthenticator")     \
    X(CHOICE, role_manager, "CassandraRoleManager", "CassandraRoleManager", "",                    \
      "where roles are kept: in the keyspace system_auth")                                         \
    X(DURATION, roles_validity, "2000ms", "0", "1d", "how long what a role is may be remembered")  \
    X(DURATION, permissions_validity, "2000ms", "0", "1d",                                         \
      "how long the permissions of a role may be remembered")                                      \
    X(DURATION, credentials_validity, "2000ms", "0", "1d",                                         \
      "how long a password that was right need not be hashed again")                               \
    X(NUMBER, native_transport_port, "9042", "1", "65535", "port for clients (CQL)")               \
    X(TEXT, http_address, "", "", "", "address of the HTTP server; empty: rpc_address")            \
    X(NUMBER, http_port, "9180", "0", "65535",                                                     \
      "port of /metrics, /health, /ready and the web page; 0: none")                               \
    X(SIZE, native_transport_max_frame_size, "16MiB", "64KiB", "256MiB",                           \
      "a larger CQL frame is refused")                                                             \
    X(NUMBER, native_transport_max_concurrent_connections, "4096", "1", "1000000",                 \
      "client connections; one more is refused")                                                   \
    X(SIZE, max_in_flight_bytes, "64MiB", "1MiB", "64GiB",                                         \
      "requests in progress; beyond it clients get Overloaded")                                    \
    X(DURATION, read_request_timeout, "5000ms", "10ms", "1h",                                      \
      "give up on a read of one partition after this")                                             \
    X(DURATION, range_request_timeout, "10000ms", "10ms", "1h", "give up on a scan after this")    \
    X(DURATION, write_request_timeout, "2000ms", "10ms", "1h", "give up on a write after this")    \
    X(SIZE, batch_size_warn_threshold, "5KiB", "1KiB", "1GiB",                                     \
      "a larger batch of several partitions gets a warning")                                       \
    X(SIZE, batch_size_fail_threshold, "50KiB", "1KiB", "1GiB",                                    \
      "a larger batch of several partitions is refused")                                           \
    X(NUMBER, unlogged_batch_across_partitions_warn_threshold, "10", "1", "1000000",               \
      "an unlogged batch of more partitions gets a warning")                                       \
    X(DURATION, counter_retry_window, "30s", "1s", "1h",                                           \
      "a counter request that is sent again within this counts once")                              \
    X(CHOICE, commitlog_sync, "batch", "batch|periodic", "",                                       \
      "batch: a write is synced to disk before it is acked; periodic: up to "                      \
      "commitlog_sync_period later")                                                               \
    X(DURATION, commitlog_sync_period, "10000ms", "1ms", "1h",                                     \
      "longest time without a sync when commitlog_sync is periodic")                               \
    X(BOOL, hinted_handoff_enabled, "true", "", "",                                                \
      "keep writes for replicas that cannot take them (ANY, sloppy_quorum)")                       \
    X(SIZE, max_hints_size_per_host, "1GiB", "0", "1TiB",                                          \
      "hints kept for one node; more are refused; 0: no bound")                                    \
    X(DURATION, max_hint_window, "3h", "0", "365d",                                                \
      "a node whose oldest hint is older gets no more of them; 0: no bound")                       \
    X(SIZE, hinted_handoff_throttle, "1024KiB", "1KiB", "64GiB",                                   \
      "bytes of hints brought to one node in a second, at most; a sixteenth, when clients feel "   \
      "it")                                                                                        \
    X(SIZE, handoff_rate_min, "1MiB", "1KiB", "64GiB",                                             \
      "bytes a second that a node pulls of what it has missed, at least, however slow clients "    \
      "are; and that sessions by trees count for that nobody has asked for")                       \
    X(SIZE, handoff_throttle, "64MiB", "1KiB", "64GiB", "the same at most")                        \
    X(SIZE, block_cache_size, "8MiB", "64KiB", "1TiB",                                             \
      "cache of storage blocks, shared by all shards")                                             \
    X(SIZE, write_buffer_size, "4MiB", "64KiB", "1GiB",                                            \
      "memory for fresh writes before a table file is written, per shard")                         \
    X(SIZE, range_log_min, "1MiB", "4KiB", "1TiB",                                                 \
      "a range log that is longer loses what all replicas have")                                   \
    X(SIZE, range_log_max, "64MiB", "64KiB", "1TiB",                                               \
      "longest log of a range; who lacks what was cut off needs a comparison")                     \
    X(SIZE, range_log_total, "4GiB", "1MiB", "1024TiB",                                            \
      "longest that the logs of all ranges may be together")                                       \
    X(DURATION, range_log_window, "3h", "1m", "365d",                                              \
      "how far a range log reaches back for a node that is away")                                  \
    X(DURATION, probe_interval, "1s", "10ms", "1m", "SWIM: one member is probed in each interval") \
    X(DURATION, probe_timeout, "500ms", "5ms", "1m",                                               \
      "SWIM: ask others to probe when no ack came within this")                                    \
    X(DURATION, gossip_interval, "200ms", "5ms", "1m",                                             \
      "SWIM: news that found no probe to ride on is sent this often")                              \
    X(DURATION, push_pull_interval, "30s", "100ms", "1h",                                          \
      "SWIM: full exchange with one random member this often")                                     \
    X(NUMBER, suspicion_mult, "4", "1", "100",                                                     \
      "SWIM: probe intervals, times log10 of the cluster, from suspect to dead")                   \
    X(DURATION, metadata_away_after, "1m", "1s", "1d",                                             \
      "a metadata member that is down for this long gives its place to another node")              \
    X(DURATION, max_clock_offset, "500ms", "1ms", "1h",                                            \
      "a clock that is ahead by more than this is not followed")                                   \
    X(DURATION, scrub_period, "7d", "0", "365d",                                                   \
      "each range is compared with its other replicas, and read again, once in this; 0: never")    \
    X(NUMBER, scrub_rows, "20000", "100", "100000000",                                             \
      "rows a second that scrub_period makes a node read, at most; a quarter when clients wait")   \
    X(NUMBER, tree_width, "256", "16", "256",                                                      \
      "rows of a leaf of the Merkle trees: fewer find differences with fewer bytes")               \
    X(SIZE, tree_bytes_max, "8MiB", "64KiB", "1GiB",                                               \
      "memory for leaves of a Merkle tree that is looked at")                                      \
    X(TEXT, tree_key, "", "", "",                                                                  \
      "key of the digests in Merkle trees, the same on all nodes; empty: cluster_name")            \
    X(DURATION, shutdown_drain_timeout, "10s", "0", "1h",                                          \
      "wait this long for requests in progress when stopping")                                     \
    X(CHOICE, log_level, "info", "debug|info|warn|error", "",                                      \
      "least severe lines that are written")                                                       \
    X(CHOICE, log_format, "text", "text|json", "", "a line for people or one JSON object a line")

/* Variables of the official Cassandra image. An empty one is not set. */
#define CONFIG_ALIASES(X)                                                                          \
    X("CASSANDRA_SEEDS", "seeds")                                                                  \
    X("CASSANDRA_CLUSTER_NAME", "cluster_name")                                                    \
    X("CASSANDRA_DC", "dc")                                                                        \
    X("CASSANDRA_RACK", "rack")                                                                    \
    X("CASSANDRA_NUM_TOKENS", "num_tokens")                                                        \
    X("CASSANDRA_LISTEN_ADDRESS", "listen_address")                                                \
    X("CASSANDRA_BROADCAST_ADDRESS", "broadcast_address")                                          \
    X("CASSANDRA_RPC_ADDRESS", "rpc_address")                                                      \
    X("CASSANDRA_BROADCAST_RPC_ADDRESS", "broadcast_rpc_address")

#define CONFIG_FIELD_TEXT(name)     char name[CONFIG_TEXT_MAX];
#define CONFIG_FIELD_ITEMS(name)    char name[CONFIG_ITEMS_MAX]; /* "a,b,c" without spaces */
#define CONFIG_FIELD_BOOL(name)     bool name;
#define CONFIG_FIELD_NUMBER(name)   int64_t name;
#define CONFIG_FIELD_DURATION(name) usec name;
#define CONFIG_FIELD_SIZE(name)     int64_t name; /* bytes */
#define CONFIG_FIELD_CHOICE(name)   int name;     /* position of the word, from 0 */

struct config {
#define X(type, name, preset, least, most, help) CONFIG_FIELD_##type(name)
    CONFIG_LIST(X)
#undef X
};

/* The words of CHOICE settings, by position. log_level is an enum log_level, log_format an enum
 * log_format. */
enum config_authenticator { AUTHENTICATOR_ALLOW_ALL, AUTHENTICATOR_PASSWORD };
enum config_authorizer { AUTHORIZER_ALLOW_ALL, AUTHORIZER_CASSANDRA };
enum config_commitlog_sync { COMMITLOG_SYNC_BATCH, COMMITLOG_SYNC_PERIODIC };

#define CONFIG_ONE(type, name, preset, least, most, help) +1
enum { CONFIG_COUNT = 0 CONFIG_LIST(CONFIG_ONE) };

void config_defaults(struct config *c);

/* Set one setting from text. ERR_CONFIG says in *ret_message what is wrong and what would be right,
 * without the place; the readers below put "torc.yaml:12: " or the like in front. */
enum err config_set(struct config *c, const char *name, struct bytes value,
                    struct errmsg *ret_message) MUST_CHECK;

/* The text of a YAML file; `file` is for messages. */
enum err config_read_yaml(struct config *c, const char *file, struct bytes text,
                          struct errmsg *ret_message) MUST_CHECK;

/* An environment: "NAME=value" strings, closed by NULL. A TORC_ name that is no setting is an
 * error, except TORC_CONFIG and what Kubernetes makes of a service called torc. */
enum err config_read_env(struct config *c, const char *const *env,
                         struct errmsg *ret_message) MUST_CHECK;

/* What the command line asks for beside settings. `file` borrows from argv; NULL: none named. */
struct config_asks {
    const char *file; /* --config=FILE */
    bool help;
    bool version;
};

/* argv without the program's name. */
enum err config_read_args(struct config *c, int argc, const char *const *argv,
                          struct config_asks *ret_asks, struct errmsg *ret_message) MUST_CHECK;

/* Rules between settings. Called by config_load, last. */
enum err config_check(const struct config *c, struct errmsg *ret_message) MUST_CHECK;

/* All sources in their order. The file is --config, else TORC_CONFIG, else ./torc.yaml when there
 * is one; a named file must exist. The only function here that opens a file. With --help or
 * --version among the arguments nothing but them is read. */
enum err config_load(struct config *c, int argc, const char *const *argv, const char *const *env,
                     struct config_asks *ret_asks, struct errmsg *ret_message) MUST_CHECK;

/* Item i of an ITEMS setting, from 0; false past its end. */
bool config_item(const char *items, size_t i, struct bytes *ret_item);

/* Name and present value of setting i < CONFIG_COUNT, in the order of the list. */
const char *config_name(size_t i);
void config_value_text(const struct config *c, size_t i, struct buf *out);

/* The settings as text for --help, and as the table of the README. */
void config_help(struct buf *out);
void config_markdown(struct buf *out);

#endif
