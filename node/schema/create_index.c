/* create_index.c - CREATE INDEX and DROP INDEX, in the order in which Cassandra finds fault. */
#include "base/mem.h"
#include "node/schema/apply.h"
#include "node/schema/index.h"

#include <string.h>
#include <strings.h>

#define SASI_CLASS   "org.apache.cassandra.index.sasi.SASIIndex"
#define LEGACY_CLASS "legacy_local_table"

static const char *const analysis_options[] = {"ascii", "case_sensitive", "normalize"};
static const char *const vector_options[] = {"construction_beam_width", "maximum_node_connections",
                                             "optimize_for", "similarity_function"};
static const char *const similarities[] = {"COSINE", "DOT_PRODUCT", "EUCLIDEAN"};

static const char *const aims[] = {"LATENCY", "RECALL"};

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static bool is_analysis(const char *name)
{
    return is_one_of(name, analysis_options, ARRAY_LEN(analysis_options));
}

static bool is_sai(const char *class_name)
{
    return strcasecmp(class_name, "sai") == 0 ||
           strcasecmp(class_name, "StorageAttachedIndex") == 0 ||
           strcmp(class_name, "org.apache.cassandra.index.sai.StorageAttachedIndex") == 0;
}

static bool option_is_true(const struct index *i, const char *name, bool absent)
{
    const char *text = option_map_get(&i->options, name);
    return text != NULL ? strcasecmp(text, "true") == 0 : absent;
}

void index_settle(struct index *i)
{
    i->sai = i->class_name != NULL && is_sai(i->class_name);
    i->fold_case = i->sai && !option_is_true(i, "case_sensitive", true);
    i->normalize = i->sai && option_is_true(i, "normalize", false);
    i->ascii = i->sai && option_is_true(i, "ascii", false);
    i->similarity = SIMILARITY_COSINE;
    const char *text = option_map_get(&i->options, "similarity_function");
    for (unsigned s = 0; text != NULL && s < ARRAY_LEN(similarities); s++) {
        if (strcasecmp(text, similarities[s]) == 0)
            i->similarity = (enum similarity)s;
    }
}

/* --- what an index may stand on */

static enum err check_duration(struct apply *ap, const struct column *c)
{
    const char *on = cql_type_is_collection(c->type) ? "collections containing durations"
                     : c->type->kind == CQL_TUPLE    ? "tuples containing durations"
                     : c->type->kind == CQL_UDT      ? "UDTs containing durations"
                                                     : "duration columns";
    if (!cql_type_mentions(c->type, CQL_DURATION))
        return ERR_OK;
    return errmsg_set(ap->err, ERR_INVALID, "Secondary indexes are not supported on %s", on);
}

static enum err check_target(struct apply *ap, const struct table *t, const struct column *c,
                             enum index_target target)
{
    const struct cql_type *type = c->type;
    bool frozen = cql_type_is_collection(type) && type->frozen;
    const char *name = target == INDEX_SIMPLE ? "values" : index_target_name(target);
    enum err err = check_duration(ap, c);
    if (err != ERR_OK)
        return err;
    if (c->kind == COLUMN_PARTITION_KEY && t->partition_key_count == 1)
        return errmsg_set(ap->err, ERR_INVALID,
                          "Cannot create secondary index on the only partition key column %s",
                          c->name);
    if (frozen && target != INDEX_FULL)
        return errmsg_set(ap->err, ERR_INVALID,
                          "Cannot create %s() index on frozen column %s. Frozen collections are "
                          "immutable and must be fully indexed by using the 'full(%s)' modifier",
                          name, c->name, c->name);
    if (!frozen && target == INDEX_FULL)
        return errmsg_set(ap->err, ERR_INVALID,
                          "full() indexes can only be created on frozen collections");
    if (!cql_type_is_collection(type) && target != INDEX_SIMPLE)
        return errmsg_set(ap->err, ERR_INVALID,
                          "Cannot create %s() index on %s. Non-collection columns only support "
                          "simple indexes",
                          name, c->name);
    if ((target == INDEX_KEYS || target == INDEX_ENTRIES) && type->kind != CQL_MAP)
        return errmsg_set(ap->err, ERR_INVALID,
                          "Cannot create index on %s of column %s with non-map type", name,
                          c->name);
    if (type->kind == CQL_UDT && !type->frozen)
        return errmsg_set(ap->err, ERR_INVALID, "Cannot create index on non-frozen UDT column %s",
                          c->name);
    return ERR_OK;
}

/* --- storage-attached indexes */

static bool sai_has_type(const struct cql_type *t)
{
    switch (t->kind) {
    case CQL_BLOB:
    case CQL_COUNTER:
    case CQL_DURATION: return false;
    default: return true;
    }
}

static enum err check_analysis(struct apply *ap, const struct index *i, const struct column *c,
                               const struct cql_type *type)
{
    struct buf b;
    bool any = false;
    buf_init(&b, BUF_MAX_DEFAULT);
    for (uint32_t n = 0; n < i->options.count; n++) {
        const struct option_pair *o = &i->options.items[n];
        if (is_analysis(o->key))
            buf_printf(&b, "%s'%s': '%s'", any ? ", " : "", o->key, o->value);
        any |= is_analysis(o->key);
    }
    struct bytes said = arena_copy(&ap->scratch, buf_bytes(&b));
    buf_close(&b);
    if (any && c->kind <= COLUMN_CLUSTERING)
        return errmsg_set(ap->err, ERR_INVALID,
                          "Analysis options are not supported on primary key columns, but found "
                          "{%.*s}",
                          (int)said.len, (const char *)said.data);
    if (any && type->kind != CQL_TEXT && type->kind != CQL_ASCII)
        return errmsg_set(ap->err, ERR_INVALID, "CQL type %s cannot be analyzed.",
                          cql_type_text(&ap->scratch, type));
    for (uint32_t n = 0; n < i->options.count; n++) {
        const struct option_pair *o = &i->options.items[n];
        if (is_analysis(o->key) && strcasecmp(o->value, "true") != 0 &&
            strcasecmp(o->value, "false") != 0)
            return errmsg_set(ap->err, ERR_INVALID, "Illegal value for boolean option '%s': %s",
                              o->key, o->value);
    }
    return ERR_OK;
}

static enum err check_number(struct apply *ap, const struct index *i, const char *option,
                             const char *what, int max)
{
    const char *text = option_map_get(&i->options, option);
    if (text == NULL)
        return ERR_OK;
    size_t digits = strspn(text, "0123456789");
    int n = 0;
    for (size_t k = 0; k < digits && n <= max; k++)
        n = n * 10 + (text[k] - '0');
    if (text[digits] != 0 || digits == 0)
        return errmsg_set(ap->err, ERR_INVALID, "%s %s is not a valid integer for index null", what,
                          text);
    if (n <= 0 || n > max)
        return errmsg_set(ap->err, ERR_INVALID, "%s for index null cannot be <= 0 or > %d, was %s",
                          what, max, text);
    return ERR_OK;
}

/* Is the option absent, or one of the words? *ret_upper: it in capitals, as errors have it. (They
 * also have "null" for the index: at that time Cassandra does not know its name.) */
static bool is_known(struct apply *ap, const struct index *i, const char *option,
                     const char *const *words, size_t count, const char **ret_upper)
{
    const char *text = option_map_get(&i->options, option);
    if (text == NULL)
        return true;
    char *upper = arena_text(&ap->scratch, bytes_text(text));
    for (char *c = upper; *c != 0; c++)
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
    *ret_upper = upper;
    return is_one_of(upper, words, count);
}

static enum err check_vector(struct apply *ap, const struct index *i, const struct cql_type *type)
{
    bool any = false;
    for (uint32_t n = 0; n < i->options.count; n++)
        any |= is_one_of(i->options.items[n].key, vector_options, ARRAY_LEN(vector_options));
    if (type->kind != CQL_VECTOR)
        return any ? errmsg_set(ap->err, ERR_INVALID, "CQL type %s cannot have vector options",
                                cql_type_text(&ap->scratch, type))
                   : ERR_OK;
    enum err err =
        check_number(ap, i, "maximum_node_connections", "Maximum number of connections", 512);
    if (err == ERR_OK)
        err = check_number(ap, i, "construction_beam_width", "Construction beam width", 3200);
    const char *text;
    if (err == ERR_OK &&
        !is_known(ap, i, "similarity_function", similarities, ARRAY_LEN(similarities), &text))
        return errmsg_set(ap->err, ERR_INVALID,
                          "Similarity function %s was not recognized for index null. Valid values "
                          "are: EUCLIDEAN, DOT_PRODUCT, COSINE",
                          text);
    if (err == ERR_OK && !is_known(ap, i, "optimize_for", aims, ARRAY_LEN(aims), &text))
        return errmsg_set(ap->err, ERR_INVALID,
                          "optimize_for '%s' was not recognized for index null. Valid values are: "
                          "LATENCY, RECALL",
                          text);
    if (err != ERR_OK)
        return err;
    if (type->items[0]->kind != CQL_FLOAT)
        return errmsg_set(ap->err, ERR_INVALID,
                          "SAI ANN indexes are only allowed on vector columns with float elements");
    if (i->similarity == SIMILARITY_COSINE && type->dimension == 1)
        return errmsg_set(ap->err, ERR_INVALID,
                          "Cosine similarity is not supported for single-dimension vectors");
    return ERR_OK;
}

static enum err check_sai(struct apply *ap, const struct table *t, const struct index *made,
                          const struct column *c)
{
    const struct ddl *ddl = ap->ddl;
    struct buf b;
    if (ddl->column_count == 0)
        return errmsg_set(ap->err, ERR_INVALID, "Failed to retrieve target column for: ");
    if (ddl->column_count > 1) {
        buf_init(&b, BUF_MAX_DEFAULT);
        for (uint32_t n = 0; n < ddl->column_count; n++)
            buf_printf(&b, "%s%s", n > 0 ? ", " : "", ddl->columns[n].name);
        enum err err = errmsg_set(ap->err, ERR_INVALID,
                                  "A storage-attached index cannot be created over multiple "
                                  "columns: %.*s",
                                  (int)b.len, (const char *)b.data);
        buf_close(&b);
        return err;
    }
    for (uint32_t n = 0; n < t->index_count; n++) {
        const struct index *i = &t->indexes[n];
        if (i->sai && i->column_id == made->column_id && i->target == made->target)
            return errmsg_set(ap->err, ERR_INVALID,
                              "Cannot create more than one storage-attached index on the same "
                              "column: %s",
                              c->name);
    }
    const struct cql_type *type = index_type(t, made);
    enum err err = check_analysis(ap, made, c, type);
    if (err == ERR_OK)
        err = check_vector(ap, made, type);
    if (err == ERR_OK && !sai_has_type(type))
        err = errmsg_set(ap->err, ERR_INVALID, "Unsupported type: %s",
                         cql_type_text(&ap->scratch, type));
    return err;
}

static enum err check_unknown(struct apply *ap, const struct index *made)
{
    for (uint32_t n = 0; n < made->options.count; n++) {
        const char *key = made->options.items[n].key;
        if (!is_analysis(key) && !is_one_of(key, vector_options, ARRAY_LEN(vector_options)))
            return errmsg_set(ap->err, ERR_CONFIG,
                              "Properties specified [%s] are not understood by "
                              "StorageAttachedIndex",
                              key);
    }
    return ERR_OK;
}

static enum err check_class(struct apply *ap, const struct table *t, const struct index *made,
                            const struct column *c)
{
    const char *name = made->name;
    if (!apply_name_ok(name))
        return errmsg_set(ap->err, ERR_CONFIG, "Illegal index name %s", name);
    if (made->class_name == NULL)
        return ERR_OK;
    if (!made->sai)
        return errmsg_set(ap->err, ERR_CONFIG, "Unable to find custom indexer class '%s'",
                          made->class_name);
    enum err err = check_sai(ap, t, made, c);
    return err == ERR_OK ? check_unknown(ap, made) : err;
}

/* --- CREATE INDEX */

/* `options` is the only property, and it is a map. */
static enum err take_options(struct apply *ap, struct index *made)
{
    const struct ddl *ddl = ap->ddl;
    for (uint32_t n = 0; n < ddl->option_count; n++) {
        const struct ddl_option *o = &ddl->options[n];
        if (strcmp(o->name, "options") != 0)
            return errmsg_set(ap->err, ERR_SYNTAX, "Unknown property '%s'", o->name);
        if (made->class_name == NULL && (o->value != NULL || o->pair_count > 0))
            return errmsg_set(ap->err, ERR_INVALID,
                              "Cannot specify options for a non-CUSTOM index");
        if (o->value != NULL)
            return errmsg_set(ap->err, ERR_SYNTAX,
                              "Invalid value for property 'options'. It should be a map.");
        struct option_map m = {o->pairs, o->pair_count};
        made->options = option_map_copy(&ap->scratch, &m);
    }
    static const char *const ours[] = {"class_name", "target"};
    for (unsigned n = 0; n < ARRAY_LEN(ours); n++) {
        if (option_map_get(&made->options, ours[n]) != NULL)
            return errmsg_set(ap->err, ERR_INVALID, "Cannot specify %s as a CUSTOM option",
                              ours[n]);
    }
    return ERR_OK;
}

static enum err take_class(struct apply *ap, struct index *made)
{
    const struct ddl *ddl = ap->ddl;
    bool said = ddl->index_class != NULL && ddl->index_class[0] != 0;
    bool legacy = !said || strcasecmp(ddl->index_class, LEGACY_CLASS) == 0;
    if (ddl->custom || !legacy)
        made->class_name = said ? ddl->index_class : LEGACY_CLASS;
    enum err err = take_options(ap, made);
    if (err == ERR_OK && made->class_name != NULL && strcmp(made->class_name, SASI_CLASS) == 0)
        err = errmsg_set(ap->err, ERR_INVALID,
                         "SASI indexes are disabled. Enable in cassandra.yaml to use.");
    return err;
}

static bool target_parse(const char *text, enum index_target *ret)
{
    for (unsigned n = INDEX_SIMPLE; n <= INDEX_FULL; n++) {
        *ret = (enum index_target)n;
        if (strcmp(text, index_target_name(*ret)) == 0)
            return true;
    }
    return false;
}

/* The first target is the index's; Cassandra knows of classes with several, we of none. */
static enum err take_targets(struct apply *ap, const struct table *t, struct index *made,
                             const struct column **ret_column)
{
    const struct ddl *ddl = ap->ddl;
    for (uint32_t n = 0; n < ddl->column_count; n++) {
        if (table_column(t, ddl->columns[n].name) == NULL)
            return errmsg_set(ap->err, ERR_INVALID, "Undefined column name %s in table %s.%s",
                              ddl->columns[n].name, t->keyspace, t->name);
    }
    if (ddl->column_count == 0 && made->class_name == NULL)
        return errmsg_set(ap->err, ERR_INVALID,
                          "Only CUSTOM indexes can be created without specifying a target column");
    if (ddl->column_count > 1 && made->class_name == NULL)
        return errmsg_set(ap->err, ERR_INVALID, "Only CUSTOM indexes support multiple columns");
    for (uint32_t n = 0; n < ddl->column_count; n++) {
        const struct column *c = table_column(t, ddl->columns[n].name);
        enum index_target target;
        for (uint32_t k = 0; k < n; k++) {
            if (strcmp(ddl->columns[k].name, c->name) == 0)
                return errmsg_set(ap->err, ERR_INVALID,
                                  "Duplicate column '%s' in index target list", c->name);
        }
        if (!target_parse(ddl->columns[n].type, &target))
            return errmsg_set(ap->err, ERR_INVALID, "No such kind of index: %s",
                              ddl->columns[n].type);
        enum err err = check_target(ap, t, c, target);
        if (err != ERR_OK)
            return err;
        if (n > 0)
            continue;
        *ret_column = c;
        made->column_id = c->id;
        made->target = target;
        if (target == INDEX_SIMPLE && cql_type_is_multicell(c->type))
            made->target = INDEX_VALUES;
    }
    return ERR_OK;
}

static bool is_free(const struct keyspace *k, const char *name)
{
    return keyspace_index_table(k, name) == NULL;
}

/* t_c_idx, and t_c_idx_1 … when that is taken. */
static const char *default_name(struct apply *ap, const struct keyspace *k, const struct table *t,
                                const struct column *c)
{
    struct arena *a = &ap->scratch;
    char *base = c != NULL ? arena_printf(a, "%s_%s_idx", t->name, c->name)
                           : arena_printf(a, "%s_idx", t->name);
    size_t len = 0;
    for (const char *s = base; *s != 0; s++) { /* letters, digits and underscores of it */
        char one[2] = {*s, 0};
        if (apply_name_ok(one))
            base[len++] = *s;
    }
    base[len] = 0;
    const char *name = base;
    for (unsigned n = 1; !is_free(k, name); n++)
        name = arena_printf(a, "%s_%u", base, n);
    return name;
}

static bool same_options(const struct option_map *a, const struct option_map *b)
{
    bool same = a->count == b->count;
    for (uint32_t n = 0; same && n < a->count; n++)
        same = strcmp(a->items[n].key, b->items[n].key) == 0 &&
               strcmp(a->items[n].value, b->items[n].value) == 0;
    return same;
}

static const struct index *find_equal(const struct table *t, const struct index *made)
{
    for (uint32_t n = 0; n < t->index_count; n++) {
        const struct index *i = &t->indexes[n];
        bool same_class = (i->class_name == NULL) == (made->class_name == NULL) &&
                          (i->class_name == NULL || strcmp(i->class_name, made->class_name) == 0);
        if (same_class && i->column_id == made->column_id && i->target == made->target &&
            same_options(&i->options, &made->options))
            return i;
    }
    return NULL;
}

static void add_index(struct apply *ap, const struct keyspace *k, const struct table *t,
                      const struct index *made)
{
    struct table draft = *t;
    struct index *all = arena_array(&ap->scratch, struct index, t->index_count + 1);
    if (t->index_count > 0)
        memcpy(all, t->indexes, t->index_count * sizeof *all);
    all[t->index_count] = *made;
    draft.indexes = all;
    draft.index_count = t->index_count + 1;
    apply_table(ap, k, t, table_make(&draft));
    ap->change = CHANGE_UPDATED;
}

enum err apply_create_index(struct apply *ap, const struct keyspace *k, const struct table *t)
{
    const struct ddl *ddl = ap->ddl;
    const struct column *c = NULL;
    struct index made = {.no = ap->slot, .name = ddl->index};
    bool named = ddl->index != NULL && ddl->index[0] != 0;
    enum err err = take_class(ap, &made);
    if (err != ERR_OK)
        return err;
    if (k == NULL)
        return errmsg_set(ap->err, ERR_INVALID, "Keyspace '%s' doesn't exist", ddl->keyspace);
    if (t == NULL)
        return errmsg_set(ap->err, ERR_INVALID, "Table '%s' doesn't exist", ddl->table);
    if (named && !is_free(k, ddl->index))
        return ddl->if_not_exists
                   ? ERR_OK
                   : errmsg_set(ap->err, ERR_INVALID, "Index '%s' already exists", ddl->index);
    if (t->is_counter)
        return errmsg_set(ap->err, ERR_INVALID,
                          "Secondary indexes on counter tables aren't supported");
    err = take_targets(ap, t, &made, &c);
    if (err != ERR_OK)
        return err;
    if (!named)
        made.name = default_name(ap, k, t, c);
    index_settle(&made);
    const struct index *equal = c != NULL ? find_equal(t, &made) : NULL;
    if (equal != NULL)
        return ddl->if_not_exists ? ERR_OK
                                  : errmsg_set(ap->err, ERR_INVALID,
                                               "Index %s is a duplicate of existing index %s",
                                               made.name, equal->name);
    err = check_class(ap, t, &made, c);
    if (err == ERR_OK && t->index_count >= SCHEMA_INDEXES_MAX)
        err = errmsg_set(ap->err, ERR_INVALID, "At most %d indexes are possible on a table",
                         SCHEMA_INDEXES_MAX);
    if (err == ERR_OK)
        add_index(ap, k, t, &made);
    return err;
}

/* --- DROP INDEX */

enum err apply_drop_index(struct apply *ap, const struct keyspace *k)
{
    const struct ddl *ddl = ap->ddl;
    const struct table *t = k != NULL ? keyspace_index_table(k, ddl->index) : NULL;
    if (t == NULL) /* the quote at the end is Cassandra's */
        return ddl->if_exists ? ERR_OK
                              : errmsg_set(ap->err, ERR_INVALID, "Index '%s.%s' doesn't exist'",
                                           ddl->keyspace, ddl->index);
    struct table draft = *t;
    struct index *left = arena_array(&ap->scratch, struct index, t->index_count);
    draft.index_count = 0;
    for (uint32_t n = 0; n < t->index_count; n++) {
        if (strcmp(t->indexes[n].name, ddl->index) != 0)
            left[draft.index_count++] = t->indexes[n];
    }
    draft.indexes = left;
    apply_table(ap, k, t, table_make(&draft));
    ap->change = CHANGE_UPDATED;
    return ERR_OK;
}

const char *apply_indexes_on(struct apply *ap, const struct table *t, uint32_t column_id)
{
    const char *names = NULL;
    for (uint32_t n = 0; n < t->index_count; n++) {
        if (t->indexes[n].column_id == column_id)
            names = names == NULL ? t->indexes[n].name
                                  : arena_printf(&ap->scratch, "%s, %s", names, t->indexes[n].name);
    }
    return names;
}
