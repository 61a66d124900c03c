/* create_table.c - CREATE TABLE, in the order in which Cassandra finds fault. */
#include "node/schema/apply.h"

#include <string.h>

/* The table as it was typed: with its keyspace or without. */
static const char *said(struct apply *ap)
{
    return ap->ddl->unqualified
               ? ap->ddl->table
               : arena_printf(&ap->scratch, "%s.%s", ap->ddl->keyspace, ap->ddl->table);
}

static enum err check_name(struct apply *ap)
{
    const char *name = ap->ddl->table;
    if (!apply_name_ok(name))
        return errmsg_set(ap->err, ERR_CONFIG,
                          "%s.%s: Table name must not be empty or not contain "
                          "non-alphanumeric-underscore characters (got \"%s\")",
                          ap->ddl->keyspace, name, name);
    if (strlen(name) > SCHEMA_TABLE_MAX)
        return errmsg_set(ap->err, ERR_CONFIG,
                          "%s.%s: Table name must not be more than %d characters long (got %zu "
                          "characters)",
                          ap->ddl->keyspace, name, SCHEMA_TABLE_MAX, strlen(name));
    return ERR_OK;
}

static struct column *find(struct column *columns, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(columns[i].name, name) == 0)
            return &columns[i];
    }
    return NULL;
}

/* Types and ids of the columns in the order they were typed; kinds of what is no key. */
static enum err read_columns(struct apply *ap, struct column *columns)
{
    const struct ddl *ddl = ap->ddl;
    for (uint32_t i = 0; i < ddl->column_count; i++) {
        const struct ddl_column *c = &ddl->columns[i];
        if (c->name[0] == 0 || strlen(c->name) > SCHEMA_COLUMN_MAX)
            return errmsg_set(ap->err, ERR_INVALID, "Column name is empty or too long");
        columns[i].name = c->name;
        columns[i].id = i + 1;
        columns[i].kind = c->is_static ? COLUMN_STATIC : COLUMN_REGULAR;
        enum err err = apply_type(ap, c->type, &columns[i].type);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static enum err check_key_type(struct apply *ap, const struct column *c)
{
    if (c->type->kind == CQL_UDT && !c->type->frozen)
        return errmsg_set(ap->err, ERR_INVALID,
                          "Invalid non-frozen user-defined type \"%s.%s\" for PRIMARY KEY column "
                          "'%s'",
                          c->type->keyspace, c->type->name, c->name);
    if (cql_type_is_multicell(c->type))
        return errmsg_set(ap->err, ERR_INVALID,
                          "Invalid non-frozen collection type %s for PRIMARY KEY column '%s'",
                          cql_type_text(&ap->scratch, c->type), c->name);
    if (c->type->kind == CQL_COUNTER)
        return errmsg_set(ap->err, ERR_INVALID,
                          "counter type is not supported for PRIMARY KEY column '%s'", c->name);
    if (cql_type_mentions_duration(c->type))
        return errmsg_set(ap->err, ERR_INVALID,
                          "duration type is not supported for PRIMARY KEY column '%s'", c->name);
    return ERR_OK;
}

/* Mark the columns of one part of the primary key, and move them to its place in the draft. */
static enum err take_keys(struct apply *ap, struct column *columns, const char *const *names,
                          uint32_t count, enum column_kind kind, struct table *draft,
                          struct column *to)
{
    const struct ddl *ddl = ap->ddl;
    for (uint32_t i = 0; i < count; i++) {
        struct column *c = find(columns, ddl->column_count, names[i]);
        if (c == NULL)
            return errmsg_set(ap->err, ERR_INVALID,
                              "Unknown column '%s' referenced in PRIMARY KEY for table '%s'",
                              names[i], ddl->table);
        if (c->kind <= COLUMN_CLUSTERING)
            return errmsg_set(ap->err, ERR_INVALID,
                              "Duplicate column '%s' in PRIMARY KEY clause for table '%s'",
                              names[i], ddl->table);
        if (c->kind == COLUMN_STATIC)
            return errmsg_set(ap->err, ERR_INVALID,
                              "Static column '%s' cannot be part of the PRIMARY KEY", names[i]);
        enum err err = check_key_type(ap, c);
        if (err != ERR_OK)
            return err;
        c->kind = kind;
        to[draft->column_count++] = *c;
    }
    return ERR_OK;
}

/* CLUSTERING ORDER BY names a prefix of the clustering key, in its order. */
static enum err take_orders(struct apply *ap, struct column *clustering)
{
    const struct ddl *ddl = ap->ddl;
    for (uint32_t i = 0; i < ddl->order_count; i++) {
        const char *name = ddl->orders[i].column;
        if (find(clustering, ddl->clustering_count, name) == NULL)
            return errmsg_set(ap->err, ERR_INVALID,
                              "Only clustering key columns can be defined in CLUSTERING ORDER "
                              "directive: [%s] are not clustering columns",
                              name);
    }
    for (uint32_t i = 0; i < ddl->order_count; i++) {
        bool later = false;
        for (uint32_t j = i + 1; j < ddl->order_count; j++)
            later = later || strcmp(ddl->orders[j].column, clustering[i].name) == 0;
        if (later)
            return errmsg_set(ap->err, ERR_INVALID,
                              "The order of columns in the CLUSTERING ORDER directive must match "
                              "that of the clustering columns (%s must appear before %s)",
                              clustering[i].name, ddl->orders[i].column);
        if (strcmp(ddl->orders[i].column, clustering[i].name) != 0)
            return errmsg_set(ap->err, ERR_INVALID, "Missing CLUSTERING ORDER for column %s",
                              clustering[i].name);
        clustering[i].reversed = ddl->orders[i].descending;
    }
    return ERR_OK;
}

static enum err check_counters(struct apply *ap, const struct table *draft)
{
    uint32_t counters = 0;
    uint32_t others = 0;
    for (uint32_t i = 0; i < draft->column_count; i++) {
        const struct column *c = &draft->columns[i];
        if (c->kind == COLUMN_STATIC && ap->ddl->clustering_count == 0)
            return errmsg_set(ap->err, ERR_INVALID,
                              "Static columns are only useful (and thus allowed) if the table has "
                              "at least one clustering column");
        if (c->kind >= COLUMN_STATIC)
            *(c->type->kind == CQL_COUNTER ? &counters : &others) += 1;
    }
    if (counters > 0 && others > 0)
        return errmsg_set(ap->err, ERR_INVALID,
                          "Cannot mix counter and non counter columns in the same table");
    if (counters > 0 && draft->options.conflicts == CONFLICTS_SIBLINGS)
        return errmsg_set(ap->err, ERR_CONFIG,
                          "conflicts = 'siblings' is not for counters: their increments never "
                          "conflict");
    if (counters > 0 && draft->options.default_time_to_live > 0)
        return errmsg_set(ap->err, ERR_INVALID,
                          "Cannot set default_time_to_live on a table with counters");
    return ERR_OK;
}

static enum err take_id(struct apply *ap, struct table *draft)
{
    const struct ddl_option *o = ddl_option_find(ap->ddl, "id");
    draft->id = ap->ddl->table_id;
    if (o != NULL && (o->value == NULL || !uuid_parse(o->value, strlen(o->value), &draft->id)))
        return errmsg_set(ap->err, ERR_CONFIG, "Invalid table id");
    if (schema_table_by_id(ap->old, &draft->id) != NULL)
        return errmsg_set(ap->err, ERR_INVALID, "A table with this id exists already");
    return ERR_OK;
}

/* All columns of the statement into `to`: keys first, as table_make wants them. */
static enum err lay_out(struct apply *ap, struct table *draft, struct column *to)
{
    const struct ddl *ddl = ap->ddl;
    struct column *columns = arena_array(&ap->scratch, struct column, ddl->column_count);
    enum err err = read_columns(ap, columns);
    if (err != ERR_OK)
        return err;
    err = take_keys(ap, columns, ddl->partition_key, ddl->partition_key_count, COLUMN_PARTITION_KEY,
                    draft, to);
    if (err == ERR_OK)
        err = take_keys(ap, columns, ddl->clustering, ddl->clustering_count, COLUMN_CLUSTERING,
                        draft, to);
    if (err == ERR_OK)
        err = take_orders(ap, to + ddl->partition_key_count);
    for (uint32_t i = 0; i < ddl->column_count && err == ERR_OK; i++) {
        if (columns[i].kind >= COLUMN_STATIC)
            to[draft->column_count++] = columns[i];
    }
    return err;
}

/* What is wrong whatever there is: said before anything is looked up. */
static enum err check_statement(struct apply *ap)
{
    const struct ddl *ddl = ap->ddl;
    for (uint32_t i = 0; i < ddl->column_count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(ddl->columns[j].name, ddl->columns[i].name) == 0)
                return errmsg_set(ap->err, ERR_INVALID,
                                  "Duplicate column '%s' declaration for table '%s'",
                                  ddl->columns[i].name, said(ap));
        }
    }
    if (ddl->primary_key_clauses != 1 || ddl->partition_key_count == 0)
        return errmsg_set(ap->err, ERR_INVALID, "%s for table '%s' (exactly one required)",
                          ddl->primary_key_clauses > 1 ? "Multiple PRIMARY KEY specified"
                                                       : "No PRIMARY KEY specifed",
                          said(ap));
    for (uint32_t i = 0; i < ddl->order_count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(ddl->orders[j].column, ddl->orders[i].column) == 0)
                return errmsg_set(ap->err, ERR_INVALID,
                                  "Duplicate column '%s' in CLUSTERING ORDER BY clause for table "
                                  "'%s'",
                                  ddl->orders[i].column, said(ap));
        }
    }
    return ERR_OK;
}

enum err apply_create_table(struct apply *ap, const struct keyspace *k)
{
    const struct ddl *ddl = ap->ddl;
    enum err err = check_statement(ap);
    if (err != ERR_OK)
        return err;
    if (keyspace_table(k, ddl->table) != NULL) {
        if (ddl->if_not_exists)
            return ERR_OK;
        return errmsg_set(ap->err, ERR_EXISTS, "Table '%s.%s' already exists", k->name, ddl->table);
    }
    err = check_name(ap);
    if (err != ERR_OK)
        return err;
    if (ap->old->table_count >= SCHEMA_TABLES_MAX)
        return errmsg_set(ap->err, ERR_INVALID, "At most %d tables are possible",
                          SCHEMA_TABLES_MAX);
    if (ddl->column_count > SCHEMA_COLUMNS_MAX)
        return errmsg_set(ap->err, ERR_INVALID, "At most %d columns are possible in a table",
                          SCHEMA_COLUMNS_MAX);
    struct column *columns = arena_array(&ap->scratch, struct column, ddl->column_count);
    struct table draft = {.no = ap->slot,
                          .keyspace_no = k->no,
                          .keyspace = k->name,
                          .name = ddl->table,
                          .columns = columns,
                          .next_column_id = ddl->column_count + 1,
                          .options = table_options_default()};
    err = lay_out(ap, &draft, columns);
    if (err == ERR_OK)
        err = options_apply(&draft.options, ddl, true, &ap->scratch, ap->err);
    if (err == ERR_OK)
        err = check_counters(ap, &draft);
    if (err == ERR_OK)
        err = take_id(ap, &draft);
    if (err != ERR_OK)
        return err;
    apply_table(ap, k, NULL, table_make(&draft));
    ap->change = CHANGE_CREATED;
    return ERR_OK;
}
