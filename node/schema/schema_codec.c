/* schema_codec.c - the schema as bytes, local built-in keyspaces left out. Do not renumber.
 *
 *   schema   = "TS" version:u8 epoch:varint content
 *   content  = keyspaces:varint keyspace*
 *   keyspace = no:varint name:text flags:u8 (1 durable writes) class:u8 factor:varint
 *              dcs:varint (dc:text factor:varint)* types:varint user-type* tables:varint table*
 *   user-type = name:text fields:varint (name:text type)*       after those it is made of
 *   table    = no:varint id:uuid name:text columns:varint column* next_column_id:varint
 *              dropped:varint (column dropped_us:svarint)* options indexes:varint index*
 *   index    = no:varint name:text column:varint target:u8 class:text options:map
 *   column   = name:text kind:u8 (16 added: reversed) id:varint type
 *   options  = policy:text comment:text memtable:text read_repair:text speculative_retry:text
 *              caching:map compaction:map compression:map bloom:u64 crc:u64 (bits of doubles)
 *              ttl gc_grace max_index flush min_index (svarint each) flags:u8 conflicts:u8
 *   map      = pairs:varint (key:text value:text)*
 *   text     = length:varint bytes without NUL
 */
#include "base/mem.h"
#include "node/schema/build.h"

#include <stdlib.h>
#include <string.h>

#define CODEC_VERSION    1
#define KIND_REVERSED    16
#define OPTION_PAIRS_MAX 256

static void put_text(struct buf *out, const char *text)
{
    buf_put_vbytes(out, bytes_text(text));
}

static void put_map(struct buf *out, const struct option_map *m)
{
    buf_put_varint(out, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        put_text(out, m->items[i].key);
        put_text(out, m->items[i].value);
    }
}

static void put_double(struct buf *out, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    buf_put_u64(out, bits);
}

static void put_options(struct buf *out, const struct table_options *o)
{
    put_text(out, o->additional_write_policy);
    put_text(out, o->comment);
    put_text(out, o->memtable);
    put_text(out, o->read_repair);
    put_text(out, o->speculative_retry);
    put_map(out, &o->caching);
    put_map(out, &o->compaction);
    put_map(out, &o->compression);
    put_double(out, o->bloom_filter_fp_chance);
    put_double(out, o->crc_check_chance);
    buf_put_svarint(out, o->default_time_to_live);
    buf_put_svarint(out, o->gc_grace_seconds);
    buf_put_svarint(out, o->max_index_interval);
    buf_put_svarint(out, o->memtable_flush_period_in_ms);
    buf_put_svarint(out, o->min_index_interval);
    buf_put_u8(out, (uint8_t)(o->allow_auto_snapshot | o->cdc << 1 | o->incremental_backups << 2));
    buf_put_u8(out, (uint8_t)o->conflicts);
}

static void put_column(struct buf *out, const char *name, const struct cql_type *type,
                       enum column_kind kind, bool reversed, uint32_t id)
{
    put_text(out, name);
    buf_put_u8(out, (uint8_t)((unsigned)kind | (reversed ? KIND_REVERSED : 0)));
    buf_put_varint(out, id);
    cql_type_put(type, out);
}

static void put_table(struct buf *out, const struct table *t)
{
    buf_put_varint(out, t->no);
    buf_put_uuid(out, &t->id);
    put_text(out, t->name);
    buf_put_varint(out, t->column_count);
    for (uint32_t i = 0; i < t->column_count; i++) {
        const struct column *c = &t->columns[i];
        put_column(out, c->name, c->type, c->kind, c->reversed, c->id);
    }
    buf_put_varint(out, t->next_column_id);
    buf_put_varint(out, t->dropped_count);
    for (uint32_t i = 0; i < t->dropped_count; i++) {
        const struct dropped_column *d = &t->dropped[i];
        put_column(out, d->name, d->type, d->kind, false, d->id);
        buf_put_svarint(out, d->dropped_us);
    }
    put_options(out, &t->options);
    buf_put_varint(out, t->index_count);
    for (uint32_t i = 0; i < t->index_count; i++) {
        const struct index *x = &t->indexes[i];
        buf_put_varint(out, x->no);
        put_text(out, x->name);
        buf_put_varint(out, x->column_id);
        buf_put_u8(out, (uint8_t)x->target);
        put_text(out, x->class_name != NULL ? x->class_name : "");
        put_map(out, &x->options);
    }
}

static void put_types(struct buf *out, const struct cql_types *types)
{
    struct arena scratch = {0};
    const struct cql_type **in_order = types_in_order(types, &scratch);
    buf_put_varint(out, types->count);
    for (uint32_t i = 0; i < types->count; i++) {
        const struct cql_type *t = in_order[i];
        put_text(out, t->name);
        buf_put_varint(out, t->count);
        for (uint32_t n = 0; n < t->count; n++) {
            put_text(out, t->fields[n]);
            cql_type_put(t->items[n], out);
        }
    }
    arena_close(&scratch);
}

static void put_keyspace(struct buf *out, const struct keyspace *k)
{
    const struct replication *r = &k->replication;
    buf_put_varint(out, k->no);
    put_text(out, k->name);
    buf_put_u8(out, (uint8_t)((k->durable_writes ? 1 : 0) | (k->sloppy_quorum ? 2 : 0)));
    buf_put_u8(out, (uint8_t)r->class);
    buf_put_varint(out, r->factor);
    buf_put_varint(out, r->dc_count);
    for (uint32_t i = 0; i < r->dc_count; i++) {
        put_text(out, r->dcs[i].dc);
        buf_put_varint(out, r->dcs[i].factor);
    }
    put_types(out, &k->types);
    buf_put_varint(out, k->table_count);
    for (uint32_t i = 0; i < k->table_count; i++)
        put_table(out, k->tables[i]);
}

void schema_encode_content(const struct schema *s, struct buf *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->keyspace_count; i++)
        count += s->keyspaces[i]->no < SCHEMA_SYSTEM_NO;
    buf_put_varint(out, count);
    for (uint32_t i = 0; i < s->keyspace_count; i++) {
        if (s->keyspaces[i]->no < SCHEMA_SYSTEM_NO)
            put_keyspace(out, s->keyspaces[i]);
    }
}

void schema_encode(const struct schema *s, struct buf *out)
{
    buf_put_text(out, "TS");
    buf_put_u8(out, CODEC_VERSION);
    buf_put_varint(out, s->epoch);
    schema_encode_content(s, out);
}

/* Decoding: every text and array goes to the arena, then table_make copies what is kept. */
struct decoder {
    struct reader r;
    struct arena arena;
    struct cql_types types; /* of the keyspace being read, so far */
};

static void malformed(struct decoder *d)
{
    d->r.failed = true;
}

static const char *get_text(struct decoder *d)
{
    struct bytes b = read_vbytes(&d->r);
    if (b.len > 0 && memchr(b.data, 0, b.len) != NULL)
        malformed(d);
    return arena_text(&d->arena, b);
}

static const char *get_name(struct decoder *d, size_t max)
{
    const char *name = get_text(d);
    size_t len = strlen(name);
    if (len == 0 || len > max)
        malformed(d);
    return name;
}

/* A count of things of at least one byte each. */
static uint32_t get_count(struct decoder *d, uint32_t max)
{
    uint64_t n = read_varint(&d->r);
    if (n > max || n > reader_left(&d->r)) {
        malformed(d);
        return 0;
    }
    return (uint32_t)n;
}

static uint32_t get_u32(struct decoder *d)
{
    uint64_t n = read_varint(&d->r);
    if (n > UINT32_MAX)
        malformed(d);
    return (uint32_t)n;
}

static int32_t get_i32(struct decoder *d)
{
    int64_t n = read_svarint(&d->r);
    if (n != (int32_t)n)
        malformed(d);
    return (int32_t)n;
}

static double get_double(struct decoder *d)
{
    uint64_t bits = read_u64(&d->r);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static struct option_map get_map(struct decoder *d)
{
    uint32_t n = get_count(d, OPTION_PAIRS_MAX);
    struct option_pair *items = arena_array(&d->arena, struct option_pair, n);
    for (uint32_t i = 0; i < n; i++) {
        items[i].key = get_text(d);
        items[i].value = get_text(d);
    }
    return (struct option_map){items, n};
}

static void get_options(struct decoder *d, struct table_options *o)
{
    o->additional_write_policy = get_text(d);
    o->comment = get_text(d);
    o->memtable = get_text(d);
    o->read_repair = get_text(d);
    o->speculative_retry = get_text(d);
    o->caching = get_map(d);
    o->compaction = get_map(d);
    o->compression = get_map(d);
    o->bloom_filter_fp_chance = get_double(d);
    o->crc_check_chance = get_double(d);
    o->default_time_to_live = get_i32(d);
    o->gc_grace_seconds = get_i32(d);
    o->max_index_interval = get_i32(d);
    o->memtable_flush_period_in_ms = get_i32(d);
    o->min_index_interval = get_i32(d);
    uint8_t flags = read_u8(&d->r);
    o->allow_auto_snapshot = flags & 1;
    o->cdc = flags >> 1 & 1;
    o->incremental_backups = flags >> 2 & 1;
    uint8_t conflicts = read_u8(&d->r);
    if (flags > 7 || conflicts > CONFLICTS_SIBLINGS)
        malformed(d);
    o->conflicts = conflicts == CONFLICTS_SIBLINGS ? CONFLICTS_SIBLINGS : CONFLICTS_LWW;
}

/* NULL when malformed. */
static const struct cql_type *get_type(struct decoder *d)
{
    const struct cql_type *t = cql_type_read(&d->r, &d->arena);
    if (t != NULL && cql_type_resolve(&d->arena, t, &d->types, &t, NULL) == ERR_OK)
        return t;
    malformed(d);
    return NULL;
}

static const struct cql_type *get_user_type(struct decoder *d)
{
    const char *name = get_name(d, SCHEMA_TYPE_MAX);
    uint32_t count = get_count(d, CQL_TYPE_ITEMS_MAX);
    const struct cql_type **items = arena_array(&d->arena, const struct cql_type *, count);
    const char **fields = arena_array(&d->arena, const char *, count);
    for (uint32_t i = 0; i < count && !d->r.failed; i++) {
        fields[i] = get_name(d, SCHEMA_COLUMN_MAX);
        items[i] = get_type(d);
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(fields[i], fields[j]) == 0)
                malformed(d);
        }
    }
    if (count == 0 || cql_types_find(&d->types, name) != NULL)
        malformed(d);
    return cql_type_udt(&d->arena, d->types.keyspace, name, fields, items, count, false);
}

static void get_types(struct decoder *d, const char *keyspace)
{
    uint32_t count = get_count(d, SCHEMA_TYPES_MAX);
    const struct cql_type **items = arena_array(&d->arena, const struct cql_type *, count);
    d->types = (struct cql_types){keyspace, items, 0};
    while (d->types.count < count && !d->r.failed) {
        types_insert(items, d->types.count, get_user_type(d));
        d->types.count++;
    }
}

static void get_column(struct decoder *d, struct column *c)
{
    c->name = get_name(d, SCHEMA_COLUMN_MAX);
    uint8_t kind = read_u8(&d->r);
    c->reversed = (kind & KIND_REVERSED) != 0;
    kind &= (uint8_t)~KIND_REVERSED;
    if (kind > COLUMN_REGULAR || (c->reversed && kind != COLUMN_CLUSTERING))
        malformed(d);
    c->kind = (enum column_kind)(kind & 3);
    c->id = get_u32(d);
    c->type = get_type(d);
    if (c->id == 0)
        malformed(d);
}

static void get_indexes(struct decoder *d, struct table *draft)
{
    draft->index_count = get_count(d, SCHEMA_INDEXES_MAX);
    struct index *indexes = arena_array(&d->arena, struct index, draft->index_count);
    for (uint32_t i = 0; i < draft->index_count && !d->r.failed; i++) {
        struct index *x = &indexes[i];
        x->no = get_u32(d);
        x->name = get_name(d, SCHEMA_TABLE_MAX + SCHEMA_COLUMN_MAX);
        x->column_id = get_u32(d);
        uint8_t target = read_u8(&d->r);
        x->target = target <= INDEX_FULL ? (enum index_target)target : INDEX_SIMPLE;
        x->class_name = get_text(d);
        if (x->class_name[0] == 0)
            x->class_name = NULL;
        x->options = get_map(d);
        if (target > INDEX_FULL || x->no == 0 || x->no >= SCHEMA_SYSTEM_NO)
            malformed(d);
    }
    draft->indexes = indexes;
}

/* Each is on a column that there is and that has what it finds rows by. */
static void check_indexes(struct decoder *d, const struct table *t)
{
    for (uint32_t i = 0; i < t->index_count; i++) {
        const struct index *x = &t->indexes[i];
        const struct column *c = table_column_by_id(t, x->column_id);
        bool many = c != NULL && cql_type_is_multicell(c->type);
        bool fits = x->target == INDEX_SIMPLE   ? !many
                    : x->target == INDEX_FULL   ? c != NULL && cql_type_is_collection(c->type)
                    : x->target == INDEX_VALUES ? many
                                                : many && c->type->kind == CQL_MAP;
        if (c == NULL || !fits || (i > 0 && strcmp(t->indexes[i - 1].name, x->name) == 0))
            malformed(d);
    }
}

/* Names and ids are unique, ids below the next one. Quadratic in nothing: marks in a bitmap would
 * need the ids small, so compare sorted copies. */
static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void check_table(struct decoder *d, const struct table *t)
{
    uint32_t n = t->column_count + t->dropped_count;
    uint32_t *ids = arena_array(&d->arena, uint32_t, n);
    for (uint32_t i = 0; i < n; i++)
        ids[i] = i < t->column_count ? t->columns[i].id : t->dropped[i - t->column_count].id;
    qsort(ids, n, sizeof *ids, compare_ids);
    for (uint32_t i = 0; i < n; i++) {
        if (ids[i] >= t->next_column_id || (i > 0 && ids[i - 1] == ids[i]))
            malformed(d);
    }
    for (uint32_t i = 1; i < t->column_count; i++) {
        if (strcmp(t->by_name[i - 1]->name, t->by_name[i]->name) == 0)
            malformed(d);
    }
    if (t->partition_key_count == 0)
        malformed(d);
}

/* NULL when malformed; a reference of the caller's else. */
static struct table *get_table(struct decoder *d, const struct keyspace *k)
{
    struct table draft = {.keyspace_no = k->no, .keyspace = k->name};
    draft.no = get_u32(d);
    draft.id = read_uuid(&d->r);
    draft.name = get_name(d, SCHEMA_TABLE_MAX);
    draft.column_count = get_count(d, SCHEMA_COLUMNS_MAX);
    struct column *columns = arena_array(&d->arena, struct column, draft.column_count);
    for (uint32_t i = 0; i < draft.column_count && !d->r.failed; i++)
        get_column(d, &columns[i]);
    draft.columns = columns;
    draft.next_column_id = get_u32(d);
    draft.dropped_count = get_count(d, SCHEMA_DROPPED_MAX);
    struct dropped_column *dropped =
        arena_array(&d->arena, struct dropped_column, draft.dropped_count);
    for (uint32_t i = 0; i < draft.dropped_count && !d->r.failed; i++) {
        struct column c;
        get_column(d, &c);
        dropped[i] = (struct dropped_column){c.name, c.type, c.kind, c.id, read_svarint(&d->r)};
    }
    draft.dropped = dropped;
    get_options(d, &draft.options);
    get_indexes(d, &draft);
    if (draft.no == 0 || draft.no >= SCHEMA_SYSTEM_NO)
        malformed(d);
    if (d->r.failed)
        return NULL;
    struct table *t = table_make(&draft);
    check_table(d, t);
    check_indexes(d, t);
    if (!d->r.failed)
        return t;
    table_unref(t);
    return NULL;
}

static void get_replication(struct decoder *d, struct replication *r)
{
    uint8_t class = read_u8(&d->r);
    r->class = class == REPLICATION_SIMPLE ? REPLICATION_SIMPLE : REPLICATION_NETWORK_TOPOLOGY;
    r->factor = get_u32(d);
    r->dc_count = get_count(d, REPLICATION_DCS_MAX);
    struct dc_factor *dcs = arena_array(&d->arena, struct dc_factor, r->dc_count);
    for (uint32_t i = 0; i < r->dc_count; i++) {
        dcs[i].dc = get_name(d, RING_NAME_SIZE - 1);
        dcs[i].factor = get_u32(d);
        if (dcs[i].factor == 0 || dcs[i].factor > REPLICATION_FACTOR_MAX)
            malformed(d);
    }
    r->dcs = dcs;
    bool simple = class == REPLICATION_SIMPLE && r->dc_count == 0 && r->factor > 0 &&
                  r->factor <= REPLICATION_FACTOR_MAX;
    bool network = class == REPLICATION_NETWORK_TOPOLOGY && r->dc_count > 0 && r->factor == 0;
    if (!simple && !network)
        malformed(d);
}

static struct keyspace *get_keyspace(struct decoder *d)
{
    struct keyspace draft = {0};
    draft.no = get_u32(d);
    draft.name = get_name(d, SCHEMA_NAME_MAX);
    uint8_t flags = read_u8(&d->r);
    draft.durable_writes = flags & 1;
    draft.sloppy_quorum = flags & 2;
    get_replication(d, &draft.replication);
    if (flags > 3 || draft.no == 0 || draft.no >= SCHEMA_SYSTEM_NO || keyspace_is_local(draft.name))
        malformed(d);
    get_types(d, draft.name);
    draft.types = d->types;
    uint32_t count = get_count(d, SCHEMA_TABLES_MAX);
    draft.tables = mem_alloc((count + 1) * sizeof(const struct table *));
    while (draft.table_count < count && !d->r.failed) {
        const struct table *t = get_table(d, &draft);
        if (t != NULL)
            draft.tables[draft.table_count++] = t;
    }
    struct keyspace *k = d->r.failed ? NULL : keyspace_make(&draft);
    for (uint32_t i = 0; i < draft.table_count; i++)
        table_unref(draft.tables[i]);
    mem_free(draft.tables);
    for (uint32_t i = 1; k != NULL && i < k->table_count; i++) {
        if (strcmp(k->tables[i - 1]->name, k->tables[i]->name) == 0)
            malformed(d);
    }
    return k;
}

/* Numbers and names are unique in the whole schema, slots passed by the epoch. */
static bool schema_is_sound(const struct schema *s)
{
    for (uint32_t i = 0; i < s->keyspace_count; i++) {
        const struct keyspace *k = s->keyspaces[i];
        if ((i > 0 && strcmp(s->keyspaces[i - 1]->name, k->name) == 0) ||
            schema_keyspace_by_no(s, k->no) != k ||
            (k->no < SCHEMA_REPLICATED_NO && k->no > s->epoch))
            return false;
    }
    for (uint32_t i = 0; i < s->table_count; i++) {
        const struct table *t = s->by_no[i];
        if ((i > 0 && s->by_no[i - 1]->no == t->no) ||
            (t->no < SCHEMA_REPLICATED_NO && t->no > s->epoch))
            return false;
    }
    return true;
}

enum err schema_decode(struct bytes bytes, const struct schema **ret_schema)
{
    struct decoder d = {.r = reader_make(bytes)};
    struct bytes magic = read_bytes(&d.r, 2);
    uint8_t version = read_u8(&d.r);
    if (d.r.failed || !bytes_equal_text(magic, "TS"))
        return ERR_MALFORMED;
    if (version != CODEC_VERSION)
        return ERR_UNSUPPORTED;
    uint64_t epoch = read_varint(&d.r);
    uint32_t count = get_count(&d, SCHEMA_KEYSPACES_MAX);
    const struct keyspace **all = mem_alloc((count + SYSTEM_KEYSPACES) * sizeof *all);
    uint32_t n = system_keyspaces_make(false, all);
    for (uint32_t i = 0; i < count && !d.r.failed; i++) {
        const struct keyspace *k = get_keyspace(&d);
        if (k != NULL)
            all[n++] = k;
    }
    enum err err = reader_finish(&d.r);
    const struct schema *s = err == ERR_OK ? schema_make(epoch, all, n) : NULL;
    if (s != NULL && (!schema_is_sound(s) || s->table_count > 2 * SCHEMA_TABLES_MAX))
        err = ERR_MALFORMED;
    for (uint32_t i = 0; i < n; i++)
        keyspace_unref(all[i]);
    mem_free(all);
    arena_close(&d.arena);
    if (err != ERR_OK)
        schema_unref(s);
    else
        *ret_schema = s;
    return err;
}
