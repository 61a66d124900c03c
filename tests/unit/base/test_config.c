/* config: every source, their order, and what a person reads when something is wrong. */
#include "base/config.h"
#include "base/config_keys.h"
#include "base/log.h"
#include "base/mem.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    struct config c;
    struct errmsg m;
} f;

void config_setup(void);
void config_teardown(void);

void config_setup(void)
{
    config_defaults(&f.c);
    f.m.text[0] = 0;
}

void config_teardown(void)
{
}

static enum err yaml(const char *text)
{
    return config_read_yaml(&f.c, "torc.yaml", bytes_text(text), &f.m);
}

static enum err env(const char *one, const char *two)
{
    const char *const list[] = {one, two, NULL};
    return config_read_env(&f.c, list, &f.m);
}

static enum err args(const char *one, const char *two, struct config_asks *ret_asks)
{
    const char *const list[] = {one, two};
    return config_read_args(&f.c, two != NULL ? 2 : 1, list, ret_asks, &f.m);
}

static void defaults_are_one_node_here(void)
{
    struct bytes dir;
    CU_ASSERT_EQUAL(config_check(&f.c, &f.m), ERR_OK);
    CU_ASSERT_STRING_EQUAL(f.c.listen_address, "127.0.0.1");
    CU_ASSERT_STRING_EQUAL(f.c.rpc_address, "127.0.0.1");
    CU_ASSERT_STRING_EQUAL(f.c.seeds, "");
    CU_ASSERT_TRUE(config_item(f.c.data_file_directories, 0, &dir));
    CU_ASSERT_TRUE(bytes_equal_text(dir, "./torc-data"));
    CU_ASSERT_EQUAL(f.c.native_transport_port, 9042);
    CU_ASSERT_EQUAL(f.c.write_request_timeout, 2 * USEC_PER_SEC);
    CU_ASSERT_EQUAL(f.c.native_transport_max_frame_size, 16 << 20);
    CU_ASSERT_EQUAL(f.c.commitlog_sync, COMMITLOG_SYNC_BATCH);
    CU_ASSERT_EQUAL(f.c.log_level, LOG_INFO);
    CU_ASSERT_EQUAL(f.c.log_format, LOG_TEXT);
}

/* The value of every setting, written out and read again, is the same. */
static void values_survive_text(void)
{
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        struct buf text;
        struct config again = f.c;
        buf_init(&text, CONFIG_ITEMS_MAX);
        config_value_text(&f.c, i, &text);
        CU_ASSERT_EQUAL(config_set(&again, config_name(i), buf_bytes(&text), &f.m), ERR_OK);
        CU_ASSERT_EQUAL(memcmp(&again, &f.c, sizeof again), 0);
        buf_close(&text);
    }
}

static void yaml_of_cassandra(void)
{
    CU_ASSERT_EQUAL(yaml("# a comment\n"
                         "cluster_name: 'My Ring'\n"
                         "num_tokens: 8\n"
                         "broadcast_address:\n"
                         "rpc_address: ~\n"
                         "seed_provider:\n"
                         "    - class_name: org.apache.cassandra.locator.SimpleSeedProvider\n"
                         "      parameters:\n"
                         "          - seeds: \"10.0.0.1, 10.0.0.2:7001\"\n"
                         "data_file_directories:\n"
                         "    - /var/lib/torc\n"
                         "    - /mnt/more\n"
                         "read_request_timeout_in_ms: 1500\n"
                         "native_transport_max_frame_size_in_mb: 32\n"
                         "commitlog_sync: periodic\n"),
                    ERR_OK);
    CU_ASSERT_STRING_EQUAL(f.c.cluster_name, "My Ring");
    CU_ASSERT_EQUAL(f.c.num_tokens, 8);
    CU_ASSERT_STRING_EQUAL(f.c.rpc_address, "127.0.0.1");
    CU_ASSERT_STRING_EQUAL(f.c.seeds, "10.0.0.1,10.0.0.2:7001");
    CU_ASSERT_STRING_EQUAL(f.c.data_file_directories, "/var/lib/torc,/mnt/more");
    CU_ASSERT_EQUAL(f.c.read_request_timeout, 1500 * USEC_PER_MS);
    CU_ASSERT_EQUAL(f.c.native_transport_max_frame_size, 32 << 20);
    CU_ASSERT_EQUAL(f.c.commitlog_sync, COMMITLOG_SYNC_PERIODIC);
}

static void yaml_seeds_in_every_form(void)
{
    static const char *const forms[] = {
        "seeds: a,b\n",
        "seeds: 'a, b'\n",
        "seeds: [a, b]\n",
        "seeds:\n- a\n- b\n",
        "seed_provider: [{parameters: [{seeds: 'a,b'}]}]\n",
        "seed_provider: {parameters: {seeds: [a, b]}}\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        config_defaults(&f.c);
        CU_ASSERT_EQUAL(yaml(forms[i]), ERR_OK);
        CU_ASSERT_STRING_EQUAL(f.c.seeds, "a,b");
    }
    CU_ASSERT_EQUAL(yaml(""), ERR_OK);
    CU_ASSERT_EQUAL(yaml("# nothing\n---\n"), ERR_OK);
}

struct wrong {
    const char *text;
    const char *message; /* the whole of it */
};

static void yaml_errors_say_where_and_what_to_do(void)
{
    static const struct wrong rows[] = {
        {"num_tokens: 16\nclustr_name: x\n", "torc.yaml:2: unknown setting 'clustr_name'; did you "
                                             "mean 'cluster_name'? (torcd --help lists all)"},
        {"\nread_request_timeout: 5\n", "torc.yaml:2: read_request_timeout: '5' is not a duration; "
                                        "write 500ms, 2s, 10m or 1h"},
        {"storage_port: 70000\n",
         "torc.yaml:1: storage_port: 70000 is out of bounds; allowed is 1 to 65535"},
        {"log_format: xml\n", "torc.yaml:1: log_format: 'xml' is not one of text|json"},
        {"block_cache_size: 8MB\n", "torc.yaml:1: block_cache_size: '8MB' is not a size; write "
                                    "512B, 64KiB, 16MiB or 1GiB"},
        {"dc: a\nrack: b\ndc: c\n", "torc.yaml:3: dc: given before in line 1; keep one of them"},
        {"dc: [a]\n", "torc.yaml:1: dc: expected a plain value"},
        {"seeds: {a: b}\n", "torc.yaml:1: seeds: expected a plain value or a list of them"},
        {"seeds: [[a]]\n", "torc.yaml:1: seeds: expected a list of plain values"},
        {"dc: &x a\nrack: *x\n",
         "torc.yaml:2: aliases (*name) are not supported; repeat the value"},
        {"- dc\n", "torc.yaml:1: expected lines like `setting: value`, found a list"},
        {"dc\n", "torc.yaml:1: expected lines like `setting: value`"},
        {"{[a]: b}\n", "torc.yaml:1: expected `setting: value`"},
        {"dc: a\n---\nrack: b\n", "torc.yaml:2: a second document (---); keep one"},
        {"dc: \"a\\nb\"\n", "torc.yaml:1: dc: holds a control character (0x0a); take it out"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        config_defaults(&f.c);
        CU_ASSERT_EQUAL(yaml(rows[i].text), ERR_CONFIG);
        CU_ASSERT_STRING_EQUAL(f.m.text, rows[i].message);
    }
    CU_ASSERT_EQUAL(yaml("dc: 'a\n"), ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.m.text, "not valid YAML"));
}

static void environment(void)
{
    CU_ASSERT_EQUAL(env("TORC_NUM_TOKENS=4", "CASSANDRA_DC=dc7"), ERR_OK);
    CU_ASSERT_EQUAL(f.c.num_tokens, 4);
    CU_ASSERT_STRING_EQUAL(f.c.dc, "dc7");
    CU_ASSERT_EQUAL(env("TORC_DC=ours", "CASSANDRA_DC=theirs"), ERR_OK); /* ours wins */
    CU_ASSERT_STRING_EQUAL(f.c.dc, "ours");
    CU_ASSERT_EQUAL(env("CASSANDRA_RACK=", "CASSANDRA_HOME=/opt"), ERR_OK);
    CU_ASSERT_STRING_EQUAL(f.c.rack, "rack1");
    CU_ASSERT_EQUAL(env("TORC_READ_REQUEST_TIMEOUT_IN_MS=70", "TORC_CONFIG=/x"), ERR_OK);
    CU_ASSERT_EQUAL(f.c.read_request_timeout, 70 * USEC_PER_MS);
    CU_ASSERT_EQUAL(env("TORC_SERVICE_HOST=10.0.0.1", "TORC_PORT_9042_TCP=tcp://x"), ERR_OK);
    CU_ASSERT_EQUAL(env("TORC_NUM_TOKEN=1", NULL), ERR_CONFIG);
    CU_ASSERT_STRING_EQUAL(f.m.text,
                           "environment variable TORC_NUM_TOKEN: unknown setting 'num_token'; did "
                           "you mean 'num_tokens'? (torcd --help lists all)");
    CU_ASSERT_EQUAL(env("CASSANDRA_NUM_TOKENS=many", NULL), ERR_CONFIG);
    CU_ASSERT_STRING_EQUAL(f.m.text, "environment variable CASSANDRA_NUM_TOKENS: num_tokens: "
                                     "'many' is not a whole number; write digits only");
}

static void arguments(void)
{
    struct config_asks asks;
    CU_ASSERT_EQUAL(args("--cluster-name=a b", "--storage_port=7100", &asks), ERR_OK);
    CU_ASSERT_STRING_EQUAL(f.c.cluster_name, "a b");
    CU_ASSERT_EQUAL(f.c.storage_port, 7100);
    CU_ASSERT_PTR_NULL(asks.file);
    CU_ASSERT_EQUAL(args("--seeds", "10.0.0.1,10.0.0.2", &asks), ERR_OK);
    CU_ASSERT_STRING_EQUAL(f.c.seeds, "10.0.0.1,10.0.0.2");
    CU_ASSERT_EQUAL(args("--config", "x.yaml", &asks), ERR_OK);
    CU_ASSERT_STRING_EQUAL(asks.file, "x.yaml");
    CU_ASSERT_EQUAL(args("--help", "--version", &asks), ERR_OK);
    CU_ASSERT_TRUE(asks.help && asks.version);
    CU_ASSERT_EQUAL(args("--rack", NULL, &asks), ERR_CONFIG);
    CU_ASSERT_STRING_EQUAL(f.m.text, "argument --rack: has no value; write --rack=VALUE");
    CU_ASSERT_EQUAL(args("start", NULL, &asks), ERR_CONFIG);
    CU_ASSERT_STRING_EQUAL(f.m.text,
                           "argument 'start': is no setting; write settings as --key=value");
    CU_ASSERT_EQUAL(args("--rakc=1", NULL, &asks), ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.m.text, "did you mean 'rack'?"));
    CU_ASSERT_EQUAL(args("--=1", NULL, &asks), ERR_CONFIG);
}

static void rules_between_settings(void)
{
    static const struct wrong rows[] = {
        {"ring_ranges: 1000\n", "ring_ranges: 1000 is not a power of two"},
        {"data_file_directories: []\n", "data_file_directories: is empty"},
        {"dc: ''\n", "must not be empty"},
        {"http_port: 9042\n", "must differ"},
        {"probe_timeout: 1s\n", "probe_timeout must be shorter"},
        {"max_in_flight_bytes: 1MiB\n", "max_in_flight_bytes must be at least"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        config_defaults(&f.c);
        CU_ASSERT_EQUAL(yaml(rows[i].text), ERR_OK);
        CU_ASSERT_EQUAL(config_check(&f.c, &f.m), ERR_CONFIG);
        CU_ASSERT_PTR_NOT_NULL(strstr(f.m.text, rows[i].message));
    }
}

static void units(void)
{
    static const struct {
        const char *text;
        usec us;
    } durations[] = {
        {"0", 0},
        {"1us", 1},
        {"7\xc2\xb5s", 7},
        {"1500ms", 1500000},
        {"2s", 2000000},
        {"10m", 600000000},
        {"1h", 3600000000},
        {"1d", 86400000000},
        {"5", -1},
        {"", -1},
        {"ms", -1},
        {"-1s", -1},
        {"1 s", -1},
        {"1S", -1},
        {"9223372036854775807us", INT64_MAX},
        {"9223372036854775808us", -1},
        {"9223372036854775807s", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
        usec got = -1;
        CU_ASSERT_EQUAL(config_parse_duration(durations[i].text, &got), durations[i].us >= 0);
        CU_ASSERT_EQUAL(got, durations[i].us);
    }
    int64_t bytes = -1;
    CU_ASSERT_TRUE(config_parse_size("3KiB", &bytes) && bytes == 3072);
    CU_ASSERT_TRUE(config_parse_size("1TiB", &bytes) && bytes == (int64_t)1 << 40);
    CU_ASSERT_FALSE(config_parse_size("16", &bytes));
    CU_ASSERT_FALSE(config_parse_size("99999999TiB", &bytes));
}

static void items(void)
{
    struct bytes item;
    CU_ASSERT_EQUAL(config_set(&f.c, "seeds", BYTES_LIT(" a ,, b c,"), &f.m), ERR_OK);
    CU_ASSERT_STRING_EQUAL(f.c.seeds, "a,b c");
    CU_ASSERT_TRUE(config_item(f.c.seeds, 1, &item) && bytes_equal_text(item, "b c"));
    CU_ASSERT_FALSE(config_item(f.c.seeds, 2, &item));
    CU_ASSERT_FALSE(config_item("", 0, &item));
    static char text[CONFIG_ITEMS_MAX];
    memset(text, 'x', sizeof text);
    CU_ASSERT_EQUAL(config_set(&f.c, "seeds", bytes_make(text, sizeof text - 1), &f.m), ERR_OK);
    CU_ASSERT_EQUAL(config_set(&f.c, "seeds", bytes_make(text, sizeof text), &f.m), ERR_CONFIG);
    CU_ASSERT_EQUAL(config_set(&f.c, "dc", bytes_make(text, 255), &f.m), ERR_OK);
    CU_ASSERT_EQUAL(config_set(&f.c, "dc", bytes_make(text, 256), &f.m), ERR_CONFIG);
}

/* The file, then the environment, then the arguments, each over the one before. */
static void sources_in_their_order(void)
{
    struct config_asks asks;
    char path[] = "/tmp/torc-config-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    fputs("dc: file\nrack: file\ncluster_name: file\n", file);
    fclose(file);
    const char *const list[] = {"--config", path, "--dc=args"};
    const char *const vars[] = {"TORC_DC=env", "TORC_RACK=env", NULL};
    CU_ASSERT_EQUAL(config_load(&f.c, 3, list, vars, &asks, &f.m), ERR_OK);
    CU_ASSERT_STRING_EQUAL(f.c.dc, "args");
    CU_ASSERT_STRING_EQUAL(f.c.rack, "env");
    CU_ASSERT_STRING_EQUAL(f.c.cluster_name, "file");
    remove(path);
    CU_ASSERT_EQUAL(config_load(&f.c, 3, list, vars, &asks, &f.m), ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.m.text, "No such file"));
    CU_ASSERT_EQUAL(config_load(&f.c, 1, &list[2], &vars[2], &asks, &f.m), ERR_OK);
}

static void files_that_cannot_be_read(void)
{
    struct config_asks asks;
    char path[] = "/tmp/torc-config-XXXXXX";
    const char *const no_vars[] = {NULL};
    const char *const vars[] = {"odd", "TORC_CONFIG=/nowhere/torc.yaml", NULL};
    const char *const directory[] = {"--config=/tmp"};
    const char *const large[] = {"--config", path};
    const char *const wrong[] = {"--dcc=1"};
    const char *const help[] = {"--help", "--config=/nowhere"};
    CU_ASSERT_EQUAL(config_load(&f.c, 0, NULL, vars, &asks, &f.m), ERR_CONFIG);
    CU_ASSERT_STRING_EQUAL(f.m.text, "/nowhere/torc.yaml: No such file or directory");
    CU_ASSERT_EQUAL(config_load(&f.c, 1, directory, no_vars, &asks, &f.m), ERR_IO);
    CU_ASSERT_STRING_EQUAL(f.m.text, "/tmp: Is a directory");
    int fd = mkstemp(path);
    CU_ASSERT_EQUAL(ftruncate(fd, (off_t)CONFIG_FILE_MAX + 1), 0);
    close(fd);
    CU_ASSERT_EQUAL(config_load(&f.c, 2, large, no_vars, &asks, &f.m), ERR_CONFIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.m.text, "is larger than 1048576 bytes"));
    remove(path);
    CU_ASSERT_EQUAL(config_load(&f.c, 1, wrong, no_vars, &asks, &f.m), ERR_CONFIG);
    CU_ASSERT_EQUAL(config_load(&f.c, 2, help, no_vars, &asks, &f.m), ERR_OK);
    CU_ASSERT_TRUE(asks.help);
    CU_ASSERT_EQUAL(config_set(&f.c, "dcx", BYTES_LIT("1"), &f.m), ERR_CONFIG);
    CU_ASSERT_EQUAL(config_set(&f.c, "dc_in_ms", BYTES_LIT("1"), &f.m), ERR_CONFIG);
}

static void help_names_every_setting(void)
{
    struct buf help, table;
    buf_init(&help, 1 << 16);
    buf_init(&table, 1 << 16);
    config_help(&help);
    config_markdown(&table);
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        char key[80];
        snprintf(key, sizeof key, "  --%s=", config_name(i));
        CU_ASSERT_PTR_NOT_NULL(memmem(help.data, help.len, key, strlen(key)));
        snprintf(key, sizeof key, "\n| `%s` | ", config_name(i));
        CU_ASSERT_PTR_NOT_NULL(memmem(table.data, table.len, key, strlen(key)));
    }
    buf_close(&help);
    buf_close(&table);
}

CU_TestInfo config_tests[] = {
    {"the defaults are one node here", defaults_are_one_node_here},
    {"values survive text", values_survive_text},
    {"YAML as Cassandra's", yaml_of_cassandra},
    {"YAML: seeds in every form", yaml_seeds_in_every_form},
    {"YAML: errors say where and what to do", yaml_errors_say_where_and_what_to_do},
    {"environment", environment},
    {"arguments", arguments},
    {"rules between settings", rules_between_settings},
    {"units", units},
    {"items", items},
    {"sources in their order", sources_in_their_order},
    {"files that cannot be read", files_that_cannot_be_read},
    {"help names every setting", help_names_every_setting},
    CU_TEST_INFO_NULL,
};
