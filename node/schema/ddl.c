/* ddl.c - schema_apply: keyspaces, ALTER and DROP. */
#include "node/schema/ddl.h"

#include "base/mem.h"
#include "node/schema/apply.h"

#include <string.h>

bool apply_name_ok(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    return len > 0 && name[len] == 0;
}

enum err apply_type(struct apply *ap, const char *text, const struct cql_type **ret)
{
    const struct keyspace *k = schema_keyspace(ap->old, ap->ddl->keyspace);
    const struct cql_types none = {.keyspace = ap->ddl->keyspace};
    const struct cql_type *type;
    enum err err = cql_type_parse(&ap->scratch, bytes_text(text), &type, ap->err);
    if (err == ERR_OK)
        err = cql_type_resolve(&ap->scratch, type, k != NULL ? &k->types : &none, &type, ap->err);
    if (err != ERR_OK)
        return err;
    for (uint32_t i = 0; i < type->count && type->kind == CQL_UDT && !type->frozen; i++) {
        if (cql_type_is_multicell(type->items[i]))
            return errmsg_set(ap->err, ERR_INVALID,
                              "Non-frozen UDTs with nested non-frozen collections are not "
                              "supported");
    }
    *ret = type;
    return ERR_OK;
}

void apply_table(struct apply *ap, const struct keyspace *k, const struct table *out,
                 struct table *in)
{
    const struct keyspace *changed = keyspace_with(k, out, in);
    ap->next = schema_with(ap->old, ap->slot, k, changed);
    keyspace_unref(changed);
    table_unref(in);
}

static void apply_keyspace(struct apply *ap, const struct keyspace *out,
                           const struct keyspace *draft)
{
    const struct keyspace *made = keyspace_make(draft);
    ap->next = schema_with(ap->old, ap->slot, out, made);
    keyspace_unref(made);
}

/* The options of CREATE and ALTER KEYSPACE onto a draft. */
static enum err keyspace_options(struct apply *ap, struct keyspace *draft)
{
    const struct ddl *ddl = ap->ddl;
    enum err err = options_check_duplicates(ddl, ap->err);
    for (uint32_t i = 0; i < ddl->option_count && err == ERR_OK; i++) {
        const struct ddl_option *o = &ddl->options[i];
        if (strcmp(o->name, "durable_writes") == 0)
            err = option_boolean(o, &draft->durable_writes, ap->err);
        else if (strcmp(o->name, "sloppy_quorum") == 0)
            err = option_boolean(o, &draft->sloppy_quorum, ap->err);
        else if (strcmp(o->name, "replication") == 0)
            err = replication_parse(o, ddl->keyspace, &ap->scratch, &draft->replication, ap->err);
        else
            err = errmsg_set(ap->err, ERR_SYNTAX, "Unknown property '%s'", o->name);
    }
    return err;
}

static enum err create_keyspace(struct apply *ap)
{
    const struct ddl *ddl = ap->ddl;
    const char *name = ddl->keyspace;
    if (keyspace_is_local(name))
        return errmsg_set(ap->err, ERR_INVALID, "System keyspace '%s' is not user-modifiable",
                          name);
    if (schema_keyspace(ap->old, name) != NULL) {
        if (ddl->if_not_exists)
            return ERR_OK;
        return errmsg_set(ap->err, ERR_EXISTS, "Keyspace '%s' already exists", name);
    }
    if (!apply_name_ok(name))
        return errmsg_set(ap->err, ERR_INVALID,
                          "Keyspace name must not be empty and must contain alphanumeric or "
                          "underscore characters only (got \"%s\")",
                          name);
    if (strlen(name) > SCHEMA_NAME_MAX)
        return errmsg_set(ap->err, ERR_INVALID,
                          "Keyspace name must not be more than %d characters long (got %zu "
                          "characters for \"%s\")",
                          SCHEMA_NAME_MAX, strlen(name), name);
    if (ap->old->keyspace_count >= SCHEMA_KEYSPACES_MAX)
        return errmsg_set(ap->err, ERR_INVALID, "At most %d keyspaces are possible",
                          SCHEMA_KEYSPACES_MAX);
    struct keyspace draft = {.no = ap->slot, .name = name, .durable_writes = true};
    enum err err = keyspace_options(ap, &draft);
    if (err != ERR_OK)
        return err;
    if (ddl_option_find(ddl, "replication") == NULL)
        return errmsg_set(ap->err, ERR_INVALID, "Missing mandatory option 'replication'");
    apply_keyspace(ap, NULL, &draft);
    ap->change = CHANGE_CREATED;
    return ERR_OK;
}

/* Of the built-in keyspaces only the replication of the replicated ones may be changed, and their
 * tables emptied. */
static enum err check_not_system(struct apply *ap)
{
    const struct ddl *ddl = ap->ddl;
    if (keyspace_is_local(ddl->keyspace))
        return errmsg_set(ap->err, ERR_REFUSED, "%s keyspace is not user-modifiable.",
                          ddl->keyspace);
    if (!keyspace_is_system(ddl->keyspace) || ddl->kind == DDL_ALTER_KEYSPACE ||
        ddl->kind == DDL_TRUNCATE_TABLE)
        return ERR_OK;
    if (ddl->kind == DDL_DROP_KEYSPACE)
        return errmsg_set(ap->err, ERR_REFUSED, "Cannot DROP <keyspace %s>", ddl->keyspace);
    if (ddl->kind == DDL_ALTER_TABLE_ADD || ddl->kind == DDL_ALTER_TABLE_DROP ||
        ddl->kind == DDL_ALTER_TABLE_RENAME || ddl->kind == DDL_ALTER_TABLE_WITH)
        return errmsg_set(ap->err, ERR_REFUSED, "Cannot ALTER <table %s.%s>", ddl->keyspace,
                          ddl->table);
    if (ddl->kind == DDL_DROP_TABLE)
        return errmsg_set(ap->err, ERR_REFUSED, "Cannot DROP <table %s.%s>", ddl->keyspace,
                          ddl->table);
    return errmsg_set(ap->err, ERR_REFUSED, "Cannot CREATE <all tables in %s>", ddl->keyspace);
}

/* ALTER and DROP KEYSPACE. */
static enum err change_keyspace(struct apply *ap)
{
    enum err err = check_not_system(ap);
    if (err != ERR_OK)
        return err;
    const struct keyspace *k = schema_keyspace(ap->old, ap->ddl->keyspace);
    if (k == NULL)
        return ap->ddl->if_exists ? ERR_OK
                                  : errmsg_set(ap->err, ERR_INVALID, "Keyspace '%s' doesn't exist",
                                               ap->ddl->keyspace);
    if (ap->ddl->kind == DDL_DROP_KEYSPACE) {
        ap->next = schema_with(ap->old, ap->slot, k, NULL);
        ap->change = CHANGE_DROPPED;
        return ERR_OK;
    }
    struct keyspace draft = *k;
    err = keyspace_options(ap, &draft);
    if (err != ERR_OK)
        return err;
    apply_keyspace(ap, k, &draft);
    ap->change = CHANGE_UPDATED;
    return ERR_OK;
}

/* A copy of the table's columns with room for `more`, for a draft. */
static struct column *columns_copy(struct apply *ap, const struct table *t, uint32_t more)
{
    struct column *c = arena_array(&ap->scratch, struct column, t->column_count + more);
    memcpy(c, t->columns, t->column_count * sizeof *c);
    return c;
}

static bool has(const struct column *columns, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(columns[i].name, name) == 0)
            return true;
    }
    return false;
}

static enum err check_added(struct apply *ap, const struct table *t, const struct column *c)
{
    bool counter = c->type->kind == CQL_COUNTER;
    if (c->kind == COLUMN_STATIC && t->clustering_count == 0)
        return errmsg_set(ap->err, ERR_INVALID,
                          "Static columns are only useful (and thus allowed) if the table has at "
                          "least one clustering column");
    if (counter && !t->is_counter)
        return errmsg_set(ap->err, ERR_CONFIG,
                          "%s.%s: Cannot have a counter column (\"%s\") in a non counter table",
                          t->keyspace, t->name, c->name);
    if (!counter && t->is_counter)
        return errmsg_set(ap->err, ERR_CONFIG,
                          "%s.%s: Cannot have a non counter column (\"%s\") in a counter table",
                          t->keyspace, t->name, c->name);
    if (c->name[0] == 0 || strlen(c->name) > SCHEMA_COLUMN_MAX)
        return errmsg_set(ap->err, ERR_INVALID, "Column name is empty or too long");
    return ERR_OK;
}

/* A name that was dropped may come back with any type: its id is a new one, so that nothing of the
 * old column shows (Cassandra, whose cells know only names, must refuse other types). */
static enum err add_columns(struct apply *ap, const struct table *t, struct table *draft)
{
    const struct ddl *ddl = ap->ddl;
    struct column *columns = columns_copy(ap, t, ddl->column_count);
    draft->columns = columns;
    for (uint32_t i = 0; i < ddl->column_count; i++) {
        const struct ddl_column *c = &ddl->columns[i];
        if (has(columns, draft->column_count, c->name)) {
            if (ddl->if_no_column)
                continue;
            return errmsg_set(ap->err, ERR_INVALID, "Column with name '%s' already exists",
                              c->name);
        }
        if (draft->column_count >= SCHEMA_COLUMNS_MAX || draft->next_column_id == UINT32_MAX)
            return errmsg_set(ap->err, ERR_INVALID, "At most %d columns are possible in a table",
                              SCHEMA_COLUMNS_MAX);
        struct column *to = &columns[draft->column_count];
        *to = (struct column){.name = c->name,
                              .kind = c->is_static ? COLUMN_STATIC : COLUMN_REGULAR,
                              .id = draft->next_column_id};
        enum err err = apply_type(ap, c->type, &to->type);
        if (err == ERR_OK)
            err = check_added(ap, t, to);
        if (err != ERR_OK)
            return err;
        draft->column_count++;
        draft->next_column_id++;
    }
    return ERR_OK;
}

static enum err drop_columns(struct apply *ap, const struct table *t, struct table *draft)
{
    const struct ddl *ddl = ap->ddl;
    struct column *columns = columns_copy(ap, t, 0);
    struct dropped_column *dropped =
        arena_array(&ap->scratch, struct dropped_column, t->dropped_count + ddl->column_count);
    if (t->dropped_count > 0)
        memcpy(dropped, t->dropped, t->dropped_count * sizeof *dropped);
    for (uint32_t i = 0; i < ddl->column_count; i++) {
        const char *name = ddl->columns[i].name;
        const struct column *c = table_column(t, name);
        uint32_t at = 0;
        while (at < draft->column_count && strcmp(columns[at].name, name) != 0)
            at++;
        if (c == NULL || at == draft->column_count) {
            if (ddl->if_column_exists)
                continue;
            return errmsg_set(ap->err, ERR_INVALID, "Column %s was not found in table '%s.%s'",
                              name, t->keyspace, t->name);
        }
        if (c->kind <= COLUMN_CLUSTERING)
            return errmsg_set(ap->err, ERR_INVALID, "Cannot drop PRIMARY KEY column %s", name);
        const char *indexes = apply_indexes_on(ap, t, c->id);
        if (indexes != NULL)
            return errmsg_set(ap->err, ERR_INVALID,
                              "Cannot drop column %s because it has dependent secondary indexes "
                              "(%s)",
                              name, indexes);
        if (c->type->kind == CQL_UDT && !c->type->frozen)
            return errmsg_set(ap->err, ERR_INVALID,
                              "Cannot drop non-frozen column %s of user type %s", name,
                              c->type->name);
        if (draft->dropped_count >= SCHEMA_DROPPED_MAX)
            return errmsg_set(ap->err, ERR_INVALID, "At most %d columns can ever be dropped",
                              SCHEMA_DROPPED_MAX);
        dropped[draft->dropped_count++] = (struct dropped_column){
            c->name, cql_type_expand(&ap->scratch, c->type), c->kind, c->id, ddl->timestamp_us};
        memmove(&columns[at], &columns[at + 1], (draft->column_count - at - 1) * sizeof *columns);
        draft->column_count--;
    }
    draft->columns = columns;
    draft->dropped = dropped;
    return ERR_OK;
}

static enum err rename_columns(struct apply *ap, const struct table *t, struct table *draft)
{
    const struct ddl *ddl = ap->ddl;
    struct column *columns = columns_copy(ap, t, 0);
    draft->columns = columns;
    for (uint32_t i = 0; i < ddl->column_count; i++) {
        const char *from = ddl->columns[i].name;
        const char *to = ddl->columns[i].new_name;
        uint32_t at = 0;
        while (at < t->column_count && strcmp(columns[at].name, from) != 0)
            at++;
        if (at == t->column_count) {
            if (ddl->if_column_exists)
                continue;
            return errmsg_set(ap->err, ERR_INVALID, "Undefined column name %s in table %s.%s", from,
                              t->keyspace, t->name);
        }
        if (columns[at].kind > COLUMN_CLUSTERING)
            return errmsg_set(ap->err, ERR_INVALID, "Cannot rename non PRIMARY KEY column %s",
                              from);
        if (has(columns, t->column_count, to))
            return errmsg_set(ap->err, ERR_INVALID,
                              "Cannot rename column %s to %s in table '%s.%s'; another column with "
                              "that name already exists",
                              from, to, t->keyspace, t->name);
        const char *indexes = apply_indexes_on(ap, t, columns[at].id);
        if (indexes != NULL)
            return errmsg_set(ap->err, ERR_INVALID,
                              "Can't rename column %s because it has dependent secondary indexes "
                              "(%s)",
                              from, indexes);
        if (to[0] == 0 || strlen(to) > SCHEMA_COLUMN_MAX)
            return errmsg_set(ap->err, ERR_INVALID, "Column name is empty or too long");
        columns[at].name = to;
    }
    return ERR_OK;
}

static enum err alter_options(struct apply *ap, const struct table *t, struct table *draft)
{
    enum err err = options_apply(&draft->options, ap->ddl, false, &ap->scratch, ap->err);
    if (err == ERR_OK && t->is_counter && draft->options.default_time_to_live > 0)
        return errmsg_set(ap->err, ERR_INVALID,
                          "Cannot set default_time_to_live on a table with counters");
    /* What is stored already has lost, or kept, what the other policy would not have. */
    if (err == ERR_OK && draft->options.conflicts != t->options.conflicts)
        return errmsg_set(ap->err, ERR_CONFIG,
                          "Cannot alter conflicts: it is chosen when a table is created");
    return err;
}

/* Whether an ALTER with IF [NOT] EXISTS on its columns found nothing to do. */
static bool nothing_altered(const struct ddl *ddl, const struct table *t, const struct table *draft)
{
    if (ddl->kind == DDL_ALTER_TABLE_ADD || ddl->kind == DDL_ALTER_TABLE_DROP)
        return draft->column_count == t->column_count;
    for (uint32_t i = 0; i < t->column_count && ddl->kind == DDL_ALTER_TABLE_RENAME; i++) {
        if (strcmp(t->columns[i].name, draft->columns[i].name) != 0)
            return false;
    }
    return ddl->kind == DDL_ALTER_TABLE_RENAME;
}

static enum err alter_table(struct apply *ap, const struct keyspace *k, const struct table *t)
{
    struct table draft = *t;
    enum err err;
    switch (ap->ddl->kind) {
    case DDL_ALTER_TABLE_ADD: err = add_columns(ap, t, &draft); break;
    case DDL_ALTER_TABLE_DROP: err = drop_columns(ap, t, &draft); break;
    case DDL_ALTER_TABLE_RENAME: err = rename_columns(ap, t, &draft); break;
    default: err = alter_options(ap, t, &draft); break;
    }
    if (err != ERR_OK || nothing_altered(ap->ddl, t, &draft))
        return err;
    apply_table(ap, k, t, table_make(&draft));
    ap->change = CHANGE_UPDATED;
    return ERR_OK;
}

/* The table begins anew under another number; what was written under the old one, and what is still
 * on its way there, is never read again. */
static enum err truncate_table(struct apply *ap, const struct keyspace *k, const struct table *t)
{
    struct table draft = *t;
    draft.no = ap->slot;
    apply_table(ap, k, t, table_make(&draft));
    ap->change = CHANGE_UPDATED;
    return ERR_OK;
}

static enum err change_table(struct apply *ap)
{
    const struct ddl *ddl = ap->ddl;
    enum err err = check_not_system(ap);
    if (err != ERR_OK)
        return err;
    const struct keyspace *k = schema_keyspace(ap->old, ddl->keyspace);
    if (ddl->kind == DDL_CREATE_TABLE)
        return k != NULL
                   ? apply_create_table(ap, k)
                   : errmsg_set(ap->err, ERR_INVALID, "Keyspace '%s' doesn't exist", ddl->keyspace);
    if (ddl_target(ddl->kind) == SCHEMA_TYPE)
        return apply_user_type(ap, k);
    const struct table *t = k != NULL ? keyspace_table(k, ddl->table) : NULL;
    if (ddl->kind == DDL_CREATE_INDEX)
        return apply_create_index(ap, k, t);
    if (ddl->kind == DDL_DROP_INDEX)
        return apply_drop_index(ap, k);
    if (t == NULL && ddl->kind == DDL_TRUNCATE_TABLE)
        return k != NULL
                   ? errmsg_set(ap->err, ERR_INVALID, "table %s does not exist", ddl->table)
                   : errmsg_set(ap->err, ERR_INVALID, "keyspace %s does not exist", ddl->keyspace);
    if (t == NULL)
        return ddl->if_exists ? ERR_OK
                              : errmsg_set(ap->err, ERR_INVALID, "Table '%s.%s' doesn't exist",
                                           ddl->keyspace, ddl->table);
    if (ddl->kind == DDL_TRUNCATE_TABLE)
        return truncate_table(ap, k, t);
    if (ddl->kind != DDL_DROP_TABLE)
        return alter_table(ap, k, t);
    apply_table(ap, k, t, NULL);
    ap->change = CHANGE_DROPPED;
    return ERR_OK;
}

enum schema_target ddl_target(enum ddl_kind kind)
{
    return kind >= DDL_CREATE_TYPE    ? SCHEMA_TYPE
           : kind >= DDL_CREATE_TABLE ? SCHEMA_TABLE
                                      : SCHEMA_KEYSPACE;
}

enum err schema_apply(const struct schema *old, uint32_t slot, const struct ddl *ddl,
                      const struct schema **ret_next, struct schema_change *ret_change,
                      struct errmsg *ret_err)
{
    ASSERT(slot > 0 && slot < SCHEMA_REPLICATED_NO && slot > old->epoch);
    struct apply ap = {.old = old, .slot = slot, .ddl = ddl, .err = ret_err};
    enum err err;
    switch (ddl->kind) {
    case DDL_CREATE_KEYSPACE: err = create_keyspace(&ap); break;
    case DDL_ALTER_KEYSPACE:
    case DDL_DROP_KEYSPACE: err = change_keyspace(&ap); break;
    default: err = change_table(&ap); break;
    }
    arena_close(&ap.scratch);
    if (err != ERR_OK)
        return err;
    enum schema_target target = ddl_target(ddl->kind);
    *ret_next = ap.next != NULL ? ap.next : schema_ref(old);
    *ret_change = (struct schema_change){.type = ap.change,
                                         .target = target,
                                         .keyspace = ddl->keyspace,
                                         .name = target != SCHEMA_KEYSPACE ? ddl->table : NULL};
    return ERR_OK;
}
