/* What is said about a batch of several partitions for its size, as Cassandra says it. Sizes are
 * those that Cassandra would count in memory, so that the same batch is too large for both. */
#include "node/cql/exec/core.h"

#include "node/schema/order.h"

/* Cassandra's own figures for what surrounds values. */
enum {
    SIZE_OF_UPDATE = 29, /* a partition */
    SIZE_OF_ROW = 13,
    SIZE_OF_MARKER = 8,
    SIZE_OF_EXPIRING_MARKER = 20,
    SIZE_OF_CELL = 20,
    SIZE_OF_COLLECTION = 12,
    SIZE_OF_RANGE = 16,
};

/* Components of a clustering key, or of a bound, which may end anywhere. */
static size_t clustering_size(const struct table *t, struct bytes key)
{
    struct reader in = reader_make(key);
    struct buf value;
    size_t size = 0;
    buf_init(&value, BUF_MAX_DEFAULT);
    for (uint32_t i = 0; i < t->clustering_count && reader_left(&in) > 1; i++) {
        const struct column *c = &t->columns[t->partition_key_count + i];
        buf_clear(&value);
        if (order_decode(c->type, c->reversed, &in, &value) != ERR_OK)
            break;
        size += value.len;
    }
    buf_close(&value);
    return size;
}

static size_t path_size(const struct cql_type *type, struct bytes path)
{
    struct reader in = reader_make(path);
    struct buf value;
    if (type->kind == CQL_LIST)
        return 16;
    if (type->kind != CQL_SET && type->kind != CQL_MAP)
        return 2; /* number of a field */
    buf_init(&value, BUF_MAX_DEFAULT);
    enum err err = order_decode(type->items[0], false, &in, &value);
    size_t size = err == ERR_OK ? value.len : path.len;
    buf_close(&value);
    return size;
}

static const struct column *column_of(const struct table *t, uint32_t id)
{
    for (uint32_t i = 0; i < t->column_count; i++) {
        if (t->columns[i].id == id)
            return &t->columns[i];
    }
    return NULL;
}

static size_t cells_size(const struct table *t, const struct row *row)
{
    size_t size = 0;
    uint32_t collection = 0;
    for (size_t i = 0; i < row->cells_count; i++) {
        const struct cell *cell = &row->cells[i];
        if (cell->column == COLUMN_MARKER) {
            size += cell->kind == CELL_EXPIRING ? SIZE_OF_EXPIRING_MARKER - SIZE_OF_MARKER : 0;
            continue;
        }
        const struct column *c = column_of(t, cell->column);
        bool parts = c != NULL && (cell->has_path || cql_type_is_multicell(c->type));
        if (parts && collection != cell->column)
            size += SIZE_OF_COLLECTION;
        collection = parts ? cell->column : 0;
        if (!parts || cell->has_path)
            size += SIZE_OF_CELL + cell->value.len;
        if (parts && cell->has_path)
            size += path_size(c->type, cell->path);
    }
    return size;
}

static size_t part_size(const struct table *t, const struct part *p)
{
    size_t size = SIZE_OF_UPDATE;
    for (size_t i = 0; i < p->tombs_count; i++)
        size += SIZE_OF_RANGE + clustering_size(t, p->tombs[i].start) +
                clustering_size(t, p->tombs[i].end);
    if (p->has_static)
        size += cells_size(t, &p->static_row);
    for (size_t i = 0; i < p->rows_count; i++)
        size += SIZE_OF_ROW + SIZE_OF_MARKER + clustering_size(t, p->rows[i].key) +
                cells_size(t, &p->rows[i]);
    return size;
}

/* --- names of tables, in the order in which a HashSet of Java's has them */

struct names {
    const struct table **items;
    size_t count;
};

static uint32_t java_hash(const char *text)
{
    uint32_t h = 0;
    for (; *text != 0; text++)
        h = 31 * h + (uint8_t)*text;
    return h ^ h >> 16;
}

static void add_name(struct names *n, const struct table *t)
{
    for (size_t i = 0; i < n->count; i++) {
        if (n->items[i] == t)
            return;
    }
    n->items[n->count++] = t;
}

static const char *print_names(struct run *r, const struct names *n)
{
    struct buf out;
    uint32_t slots = 16;
    bool first = true;
    while (n->count * 4 > (size_t)slots * 3)
        slots *= 2;
    buf_init(&out, BUF_MAX_DEFAULT);
    buf_put_text(&out, "[");
    for (uint32_t slot = 0; slot < slots; slot++) {
        for (size_t i = 0; i < n->count; i++) {
            const char *name =
                arena_printf(r->arena, "%s.%s", n->items[i]->keyspace, n->items[i]->name);
            if ((java_hash(name) & (slots - 1)) != slot)
                continue;
            buf_printf(&out, "%s%s", first ? "" : ", ", name);
            first = false;
        }
    }
    buf_put_text(&out, "]");
    return run_text(r, run_take(r, &out));
}

/* --- */

struct tally {
    struct names names;
    size_t mutations; /* partition keys by keyspace, */
    size_t keys;      /* and in all */
    size_t bytes;
};

/* Parts are few, or too many for anybody to mind: no more than EXEC_BATCH_COUNTED are compared. */
#define EXEC_BATCH_COUNTED 4096

static void count_key(struct tally *c, const struct parts *parts, size_t at)
{
    bool key = true;
    bool mutation = true;
    for (size_t i = 0; i < at && i < EXEC_BATCH_COUNTED; i++) {
        if (!bytes_equal(parts->items[i].part.key, parts->items[at].part.key))
            continue;
        key = false;
        mutation &= parts->items[i].keyspace != parts->items[at].keyspace;
    }
    c->keys += key;
    c->mutations += mutation;
}

bool batch_check_size(struct run *r, const struct parts *parts, enum cql_write_type kind)
{
    const struct exec_config *config = &r->exec->config;
    struct tally c = {.names = {arena_array(r->arena, const struct table *, parts->count), 0}};
    if (parts->count <= 1)
        return true;
    for (size_t i = 0; i < parts->count; i++) {
        const struct table *t = schema_table_by_no(r->schema, parts->items[i].part.table);
        if (t == NULL)
            continue;
        count_key(&c, parts, i);
        add_name(&c.names, t);
        c.bytes += part_size(t, &parts->items[i].part);
    }
    if (c.mutations <= 1)
        return true;
    if (c.bytes > config->batch_fail_bytes)
        return run_invalid(r, "Batch too large");
    if (c.bytes > config->batch_warn_bytes)
        run_warn(r, "Batch for %s is of size %zu, exceeding specified threshold of %zu by %zu.",
                 print_names(r, &c.names), c.bytes, config->batch_warn_bytes,
                 c.bytes - config->batch_warn_bytes);
    if (kind != CQL_WRITE_BATCH && c.keys > config->batch_warn_partitions)
        run_warn(r,
                 "Unlogged batch covering %zu partitions detected against table%s %s. You should "
                 "use a logged batch for atomicity, or asynchronous writes for performance.",
                 c.keys, c.names.count == 1 ? "" : "s", print_names(r, &c.names));
    return true;
}
