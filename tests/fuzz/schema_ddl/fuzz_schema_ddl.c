/* Any bytes as a command of the metadata log, applied to a schema with a table; and as a snapshot.
 */
#include "base/mem.h"
#include "node/schema/ddl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The schema that commands meet: k.t (a int, b int, c text). Made once. */
static const struct schema *start(void)
{
    static const struct schema *made;
    if (made != NULL)
        return made;
    static const struct option_pair pairs[] = {{"class", "SimpleStrategy"}};
    static const struct ddl_option option = {
        .name = "replication", .pairs = pairs, .pair_count = 1};
    static const struct ddl_column columns[] = {
        {.name = "a", .type = "int"}, {.name = "b", .type = "int"}, {.name = "c", .type = "text"}};
    static const char *const keys[] = {"a", "b"};
    const struct ddl keyspace = {
        .kind = DDL_CREATE_KEYSPACE, .keyspace = "k", .options = &option, .option_count = 1};
    const struct ddl table = {.kind = DDL_CREATE_TABLE,
                              .keyspace = "k",
                              .table = "t",
                              .columns = columns,
                              .column_count = 3,
                              .partition_key = keys,
                              .partition_key_count = 1,
                              .clustering = keys + 1,
                              .clustering_count = 1,
                              .primary_key_clauses = 1};
    const struct schema *empty = schema_new();
    const struct schema *with_keyspace;
    struct schema_change change;
    enum err err = schema_apply(empty, 1, &keyspace, &with_keyspace, &change, NULL);
    ASSERT(err == ERR_OK);
    err = schema_apply(with_keyspace, 2, &table, &made, &change, NULL);
    ASSERT(err == ERR_OK);
    schema_unref(empty);
    schema_unref(with_keyspace);
    return made;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct ddl ddl;
    struct schema_change change;
    struct errmsg message;
    const struct schema *next;
    struct bytes bytes = bytes_make(data, size);
    if (ddl_decode(bytes, &a, &ddl) == ERR_OK &&
        schema_apply(start(), 3, &ddl, &next, &change, &message) == ERR_OK) {
        schema_check(next);
        struct buf out;
        const struct schema *copy;
        buf_init(&out, BUF_MAX_DEFAULT);
        schema_encode(next, &out);
        enum err err = schema_decode(buf_bytes(&out), &copy);
        ASSERT(err == ERR_OK && uuid_equal(&copy->version, &next->version));
        schema_unref(copy);
        schema_unref(next);
        buf_close(&out);
    }
    if (schema_decode(bytes, &next) == ERR_OK) {
        schema_check(next);
        schema_unref(next);
    }
    arena_close(&a);
    return 0;
}
