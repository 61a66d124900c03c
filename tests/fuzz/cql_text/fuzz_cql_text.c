/* Any text goes into the parser, the type parser, the splitter and, as QUERY and as PREPARE, into
 * an executor with a table of every kind of column; none of them may mind. Operations are answered
 * with "unavailable", so nothing is stored. */
#include "node/cql/exec/exec.h"
#include "node/cql/grammar/parse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct exec *exec;
static struct exec_view view;

static const struct ddl_column columns[] = {
    {.name = "k", .type = "int"},
    {.name = "c", .type = "text"},
    {.name = "s", .type = "int", .is_static = true},
    {.name = "l", .type = "list<int>"},
    {.name = "m", .type = "map<text, int>"},
    {.name = "f", .type = "frozen<set<text>>"},
    {.name = "d", .type = "decimal"},
    {.name = "t", .type = "timestamp"},
    {.name = "u", .type = "timeuuid"},
};

static void apply(uint32_t slot, const struct ddl *ddl)
{
    struct schema_change change;
    struct errmsg m;
    const struct schema *next;
    if (schema_apply(view.schema, slot, ddl, &next, &change, &m) != ERR_OK)
        abort();
    schema_unref(view.schema);
    view.schema = next;
}

static void open_exec(void)
{
    static const char *const partition[] = {"k"};
    static const char *const clustering[] = {"c"};
    static const struct option_pair pairs[] = {{"class", "SimpleStrategy"},
                                               {"replication_factor", "1"}};
    static const struct ddl_option replication = {
        .name = "replication", .pairs = pairs, .pair_count = 2};
    struct ddl keyspace = {
        .kind = DDL_CREATE_KEYSPACE, .keyspace = "ks", .options = &replication, .option_count = 1};
    struct ddl table = {.kind = DDL_CREATE_TABLE,
                        .keyspace = "ks",
                        .table = "t",
                        .columns = columns,
                        .column_count = ARRAY_LEN(columns),
                        .partition_key = partition,
                        .partition_key_count = 1,
                        .clustering = clustering,
                        .clustering_count = 1,
                        .primary_key_clauses = 1};
    struct exec_config config = {.seed = 1, .prepared_max = 100};
    exec = exec_new(&config);
    view.schema = schema_new();
    view.cluster_name = "fuzz";
    view.self = (struct exec_peer){.dc = "dc", .rack = "rack", .release_version = "5.0.0"};
    apply(1, &keyspace);
    apply(2, &table);
    exec_set_view(exec, &view);
}

static void request(const struct cql_request *q)
{
    struct now now = {.wall = INT64_C(1700000000000000)};
    struct exec_request r = {
        .conn = 1, .version = 4, .request = q, .keyspace = "ks", .timestamp_us = now.wall};
    struct exec_result no = {.err = ERR_UNAVAILABLE, .level = CQL_CL_ONE};
    const struct exec_effect *effects;
    exec_request(exec, now, &r);
    for (size_t i = 0; i < exec_effects(exec, &effects); i++) {
        if (effects[i].op != 0)
            exec_done(exec, now, effects[i].op, &no);
    }
    exec_clear(exec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = bytes_make(data, size);
    struct cql_request query = {.opcode = CQL_QUERY}, prepare = {.opcode = CQL_PREPARE};
    struct arena arena;
    struct ast_type *type;
    struct errmsg m;
    size_t len;
    bool blank;
    if (exec == NULL)
        open_exec();
    query.query.text = text;
    query.query.params.consistency = CQL_CL_ONE;
    request(&query);
    prepare.prepare.text = text;
    request(&prepare);
    arena_init(&arena);
    (void)!cql_parse_type(text, &arena, &type, &m);
    while (cql_split_statement(text, &len, &blank) && len > 0)
        text = bytes_make(text.data + len, text.len - len);
    arena_close(&arena);
    return 0;
}
