/* user_types.c - CREATE, ALTER and DROP TYPE.
 *
 * Types are kept resolved, in other types and in columns as well. So a type that changes makes all
 * types of its keyspace anew, in the order in which they need each other, and the tables that
 * mention it; their numbers and ids stay.
 */
#include "base/mem.h"
#include "node/schema/apply.h"

#include <string.h>

/* --- order */

struct order {
    const struct cql_types *types;
    const struct cql_type **items;
    uint32_t count;
};

static void visit(struct order *o, const struct cql_type *declared);

static void visit_mentioned(struct order *o, const struct cql_type *type)
{
    const struct cql_type *declared =
        type->kind == CQL_UDT ? cql_types_find(o->types, type->name) : NULL;
    if (declared != NULL)
        visit(o, declared);
    for (uint32_t i = 0; i < type->count && type->kind != CQL_UDT; i++)
        visit_mentioned(o, type->items[i]);
}

/* Types nest no deeper than CQL_TYPE_DEPTH_MAX and never in a circle. */
static void visit(struct order *o, const struct cql_type *declared)
{
    for (uint32_t i = 0; i < o->count; i++) {
        if (o->items[i] == declared)
            return;
    }
    for (uint32_t i = 0; i < declared->count; i++)
        visit_mentioned(o, declared->items[i]);
    o->items[o->count++] = declared;
}

const struct cql_type **types_in_order(const struct cql_types *types, struct arena *a)
{
    struct order o = {types, arena_array(a, const struct cql_type *, types->count), 0};
    for (uint32_t i = 0; i < types->count; i++)
        visit(&o, types->items[i]);
    return o.items;
}

void types_insert(const struct cql_type **items, uint32_t count, const struct cql_type *type)
{
    uint32_t at = count;
    while (at > 0 && strcmp(items[at - 1]->name, type->name) > 0) {
        items[at] = items[at - 1];
        at--;
    }
    items[at] = type;
}

/* --- making the keyspace anew */

enum err table_resolve(const struct table *t, const struct cql_types *types,
                       struct table **ret_table, struct errmsg *e)
{
    struct arena scratch = {0};
    struct table draft = *t;
    struct column *columns = arena_array(&scratch, struct column, t->column_count);
    enum err err = ERR_OK;
    for (uint32_t i = 0; i < t->column_count && err == ERR_OK; i++) {
        columns[i] = t->columns[i];
        err = cql_type_resolve(&scratch, columns[i].type, types, &columns[i].type, e);
    }
    draft.columns = columns;
    if (err == ERR_OK)
        *ret_table = table_make(&draft);
    arena_close(&scratch);
    return err;
}

static bool table_mentions(const struct table *t, const char *type)
{
    for (uint32_t i = 0; i < t->column_count; i++) {
        if (cql_type_mentions_udt(t->columns[i].type, type))
            return true;
    }
    return false;
}

static enum err resolve_types(struct apply *ap, const struct cql_types *declared,
                              struct cql_types *ret)
{
    const struct cql_type **in_order = types_in_order(declared, &ap->scratch);
    const struct cql_type **done =
        arena_array(&ap->scratch, const struct cql_type *, declared->count);
    *ret = (struct cql_types){declared->keyspace, done, 0};
    for (uint32_t i = 0; i < declared->count; i++) {
        const struct cql_type *from = in_order[i];
        const struct cql_type **items =
            arena_array(&ap->scratch, const struct cql_type *, from->count);
        for (uint32_t n = 0; n < from->count; n++) {
            enum err err = cql_type_resolve(&ap->scratch, from->items[n], ret, &items[n], ap->err);
            if (err != ERR_OK)
                return err;
        }
        types_insert(done, ret->count,
                     cql_type_udt(&ap->scratch, from->keyspace, from->name, from->fields, items,
                                  from->count, false));
        ret->count++;
    }
    return ERR_OK;
}

static enum err resolve_tables(struct apply *ap, struct keyspace *draft, const char *changed)
{
    for (uint32_t i = 0; i < draft->table_count; i++) {
        struct table *made = NULL;
        if (!table_mentions(draft->tables[i], changed)) {
            table_ref(draft->tables[i]);
            continue;
        }
        enum err err = table_resolve(draft->tables[i], &draft->types, &made, ap->err);
        if (err != ERR_OK) {
            draft->table_count = i; /* what has been made */
            return err;
        }
        draft->tables[i] = made;
    }
    return ERR_OK;
}

/* Put `in`, as declared, in for `out`; either may be NULL. */
static enum err replace(struct apply *ap, const struct keyspace *k, const struct cql_type *out,
                        const struct cql_type *in)
{
    uint32_t count = 0;
    const struct cql_type **items =
        arena_array(&ap->scratch, const struct cql_type *, k->types.count + 1);
    for (uint32_t i = 0; i < k->types.count; i++) {
        if (k->types.items[i] != out)
            items[count++] = k->types.items[i];
    }
    if (in != NULL)
        types_insert(items, count++, in);
    struct cql_types declared = {k->name, items, count};
    struct keyspace draft = *k;
    enum err err = resolve_types(ap, &declared, &draft.types);
    if (err != ERR_OK)
        return err;
    draft.tables = arena_array(&ap->scratch, const struct table *, k->table_count);
    for (uint32_t i = 0; i < k->table_count; i++)
        draft.tables[i] = k->tables[i];
    err = resolve_tables(ap, &draft, (in != NULL ? in : out)->name);
    if (err == ERR_OK) {
        const struct keyspace *made = keyspace_make(&draft);
        ap->next = schema_with(ap->old, ap->slot, k, made);
        keyspace_unref(made);
    }
    for (uint32_t i = 0; i < draft.table_count; i++)
        table_unref(draft.tables[i]);
    return err;
}

/* --- statements */

/* What a field may be of. *ret is resolved. */
static enum err field_type(struct apply *ap, const struct keyspace *k, const char *text,
                           const struct cql_type **ret)
{
    const struct cql_type *type;
    enum err err = cql_type_parse(&ap->scratch, bytes_text(text), &type, ap->err);
    if (err != ERR_OK)
        return err;
    if (type->kind == CQL_COUNTER)
        return errmsg_set(ap->err, ERR_INVALID, "A user type cannot contain counters");
    if (type->kind == CQL_UDT && !type->frozen)
        return errmsg_set(ap->err, ERR_INVALID, "A user type cannot contain non-frozen UDTs");
    return cql_type_resolve(&ap->scratch, type, &k->types, ret, ap->err);
}

static enum err create(struct apply *ap, const struct keyspace *k)
{
    const struct ddl *ddl = ap->ddl;
    if (cql_types_find(&k->types, ddl->table) != NULL)
        return ddl->if_not_exists
                   ? ERR_OK
                   : errmsg_set(ap->err, ERR_INVALID, "A user type with name '%s' already exists",
                                ddl->table);
    if (k->types.count >= SCHEMA_TYPES_MAX || ddl->column_count > CQL_TYPE_ITEMS_MAX)
        return errmsg_set(ap->err, ERR_INVALID,
                          "At most %d types are possible in a keyspace, and %d fields in a type",
                          SCHEMA_TYPES_MAX, CQL_TYPE_ITEMS_MAX);
    const struct cql_type **items =
        arena_array(&ap->scratch, const struct cql_type *, ddl->column_count);
    const char **fields = arena_array(&ap->scratch, const char *, ddl->column_count);
    for (uint32_t i = 0; i < ddl->column_count; i++) {
        fields[i] = ddl->columns[i].name;
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(fields[j], fields[i]) == 0)
                return errmsg_set(ap->err, ERR_INVALID, "Duplicate field name '%s' in type '%s'",
                                  fields[i], ddl->table);
        }
    }
    if (ddl->column_count == 0 || ddl->table[0] == 0 || strlen(ddl->table) > SCHEMA_TYPE_MAX)
        return errmsg_set(ap->err, ERR_INVALID,
                          "A type needs a field, and a name of at most %d bytes", SCHEMA_TYPE_MAX);
    for (uint32_t i = 0; i < ddl->column_count; i++) {
        if (fields[i][0] == 0 || strlen(fields[i]) > SCHEMA_COLUMN_MAX)
            return errmsg_set(ap->err, ERR_INVALID, "Field name is empty or too long");
        enum err err = field_type(ap, k, ddl->columns[i].type, &items[i]);
        if (err != ERR_OK)
            return err;
    }
    ap->change = CHANGE_CREATED;
    return replace(
        ap, k, NULL,
        cql_type_udt(&ap->scratch, k->name, ddl->table, fields, items, ddl->column_count, false));
}

static const char *list_names(struct apply *ap, const char *list, const char *name)
{
    return arena_printf(&ap->scratch, "%s%s%s", list, list[0] != 0 ? ", " : "", name);
}

/* A partition whose key holds the type would have another token afterwards. */
static const char *tables_keyed_by(struct apply *ap, const struct keyspace *k, const char *type)
{
    const char *list = "";
    for (uint32_t i = 0; i < k->table_count; i++) {
        const struct table *t = k->tables[i];
        for (uint32_t c = 0; c < t->partition_key_count; c++) {
            if (!cql_type_mentions_udt(t->columns[c].type, type))
                continue;
            list = list_names(ap, list, arena_printf(&ap->scratch, "%s.%s", k->name, t->name));
            break;
        }
    }
    return list;
}

static enum err add(struct apply *ap, const struct keyspace *k, const struct cql_type *old)
{
    const char *name = ap->ddl->columns[0].name;
    const struct cql_type *type = NULL;
    if (cql_type_field(old, bytes_text(name)) >= 0)
        return ap->ddl->if_no_column
                   ? ERR_OK
                   : errmsg_set(ap->err, ERR_INVALID,
                                "Cannot add field %s to type %s.%s: a field with name %s already "
                                "exists",
                                name, k->name, old->name, name);
    enum err err = field_type(ap, k, ap->ddl->columns[0].type, &type);
    if (err != ERR_OK)
        return err;
    struct buf text;
    buf_init(&text, BUF_MAX_DEFAULT);
    cql_type_print_qualified(type, &text);
    const char *type_text = arena_text(&ap->scratch, buf_bytes(&text));
    buf_close(&text);
    if (cql_type_mentions_udt(type, old->name))
        return errmsg_set(ap->err, ERR_INVALID,
                          "Cannot add new field %s of type %s to user type %s.%s as it would "
                          "create a circular reference",
                          name, type_text, k->name, old->name);
    const char *keyed = tables_keyed_by(ap, k, old->name);
    if (keyed[0] != 0)
        return errmsg_set(ap->err, ERR_INVALID,
                          "Cannot add new field %s of type %s to user type %s.%s as the type is "
                          "being used in partition key by the following tables: %s",
                          name, type_text, k->name, old->name, keyed);
    if (old->count >= CQL_TYPE_ITEMS_MAX || name[0] == 0 || strlen(name) > SCHEMA_COLUMN_MAX)
        return errmsg_set(ap->err, ERR_INVALID, "Field name is empty or too long, or one too many");
    const struct cql_type **items =
        arena_array(&ap->scratch, const struct cql_type *, old->count + 1);
    const char **fields = arena_array(&ap->scratch, const char *, old->count + 1);
    for (uint32_t i = 0; i < old->count; i++) {
        items[i] = old->items[i];
        fields[i] = old->fields[i];
    }
    items[old->count] = type;
    fields[old->count] = name;
    ap->change = CHANGE_UPDATED;
    return replace(
        ap, k, old,
        cql_type_udt(&ap->scratch, k->name, old->name, fields, items, old->count + 1, false));
}

/* All at once: a and b may change places. */
static enum err rename_fields(struct apply *ap, const struct keyspace *k,
                              const struct cql_type *old)
{
    const struct ddl *ddl = ap->ddl;
    const char **fields = arena_array(&ap->scratch, const char *, old->count);
    bool renamed = false;
    for (uint32_t i = 0; i < old->count; i++)
        fields[i] = old->fields[i];
    for (uint32_t i = 0; i < ddl->column_count; i++) {
        int at = cql_type_field(old, bytes_text(ddl->columns[i].name));
        if (at < 0 && ddl->if_column_exists)
            continue;
        if (at < 0)
            return errmsg_set(ap->err, ERR_INVALID, "Unkown field %s in user type %s.%s",
                              ddl->columns[i].name, k->name, old->name);
        const char *to = ddl->columns[i].new_name;
        if (to[0] == 0 || strlen(to) > SCHEMA_COLUMN_MAX)
            return errmsg_set(ap->err, ERR_INVALID, "Field name is empty or too long");
        fields[at] = to;
        renamed = true;
    }
    for (uint32_t i = 0; i < old->count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(fields[j], fields[i]) == 0)
                return errmsg_set(ap->err, ERR_INVALID, "Duplicate field name %s in type %s",
                                  fields[i], k->name);
        }
    }
    if (!renamed)
        return ERR_OK;
    ap->change = CHANGE_UPDATED;
    return replace(
        ap, k, old,
        cql_type_udt(&ap->scratch, k->name, old->name, fields, old->items, old->count, false));
}

static enum err drop(struct apply *ap, const struct keyspace *k, const struct cql_type *old)
{
    const char *users = "";
    for (uint32_t i = 0; i < k->types.count; i++) {
        const struct cql_type *t = k->types.items[i];
        if (t != old && cql_type_mentions_udt(t, old->name))
            users = list_names(ap, users, t->name);
    }
    if (users[0] != 0)
        return errmsg_set(ap->err, ERR_INVALID,
                          "Cannot drop user type '%s.%s' as it is still used by user types %s",
                          k->name, old->name, users);
    for (uint32_t i = 0; i < k->table_count; i++) {
        if (table_mentions(k->tables[i], old->name))
            users = list_names(ap, users, k->tables[i]->name);
    }
    if (users[0] != 0)
        return errmsg_set(ap->err, ERR_INVALID,
                          "Cannot drop user type '%s.%s' as it is still used by tables %s", k->name,
                          old->name, users);
    ap->change = CHANGE_DROPPED;
    return replace(ap, k, old, NULL);
}

enum err apply_user_type(struct apply *ap, const struct keyspace *k)
{
    const struct ddl *ddl = ap->ddl;
    if (k == NULL && ddl->kind == DDL_CREATE_TYPE)
        return errmsg_set(ap->err, ERR_INVALID, "Keyspace '%s' doesn't exist", ddl->keyspace);
    if (ddl->kind == DDL_CREATE_TYPE)
        return create(ap, k);
    const struct cql_type *old = k != NULL ? cql_types_find(&k->types, ddl->table) : NULL;
    if (old == NULL && ddl->if_exists)
        return ERR_OK;
    if (old == NULL)
        return errmsg_set(ap->err, ERR_INVALID,
                          ddl->kind == DDL_DROP_TYPE ? "Type '%s.%s' doesn't exist"
                                                     : "Type %s.%s doesn't exist",
                          ddl->keyspace, ddl->table);
    switch (ddl->kind) {
    case DDL_ALTER_TYPE_ADD:
        return ddl->column_count == 1 ? add(ap, k, old)
                                      : errmsg_set(ap->err, ERR_INVALID, "One field is added");
    case DDL_ALTER_TYPE_RENAME: return rename_fields(ap, k, old);
    case DDL_DROP_TYPE: return drop(ap, k, old);
    default: return errmsg_set(ap->err, ERR_INVALID, "Altering field types is no longer supported");
    }
}
