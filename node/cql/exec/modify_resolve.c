#include "node/cql/exec/modify.h"
#include "node/schema/form.h"
#include "node/schema/order.h"

static const struct cql_type *op_type(struct run *r, const struct op *op)
{
    const struct cql_type *t = op->column->type;
    if (op->kind == AST_ASSIGN_SUB && t->kind == CQL_MAP)
        return cql_type_set(r->arena, t->items[0], false);
    if (op->kind == AST_ASSIGN_ELEMENT)
        return t->items[t->kind == CQL_MAP ? 1 : 0];
    if (op->kind == AST_ASSIGN_FIELD)
        return t->items[op->field];
    return t;
}

/* Of an operation that does not remove. */
static bool check_counting(struct run *r, const struct op *op, const struct ast_term *value)
{
    const char *name = op->column->name;
    if (op->kind == AST_ASSIGN_PREPEND && value->kind == AST_LIST)
        return run_invalid(r, "Unexpected receiver type 'counter'; only list and vector are "
                              "expected");
    if (op->kind == AST_ASSIGN_PREPEND)
        return run_invalid(r, "Invalid operation (%s = %s - %s) for non list column %s", name,
                           term_text(r, value), name, name);
    if (value->kind == AST_NULL)
        return run_invalid(r, "Invalid null value for counter increment/decrement");
    if (op->kind == AST_ASSIGN_SET)
        return run_invalid(r,
                           "Cannot set the value of counter column %s (counters can only be "
                           "incremented/decremented, not set)",
                           name);
    return true;
}

/* An assignment as Cassandra writes it in errors. */
static const char *op_text(struct run *r, const struct op *op, const struct ast_term *value)
{
    const char *name = op->column->name;
    const char *text = value != NULL ? term_text(r, value) : "";
    switch (op->kind) {
    case AST_ASSIGN_ADD: return arena_printf(r->arena, "%s = %s + %s", name, name, text);
    case AST_ASSIGN_SUB: return arena_printf(r->arena, "%s = %s - %s", name, name, text);
    case AST_ASSIGN_PREPEND: return arena_printf(r->arena, "%s = %s - %s", name, text, name);
    case AST_ASSIGN_ELEMENT:
        return arena_printf(r->arena, "%s[%s] = %s", name, term_text(r, op->key.term), text);
    case AST_ASSIGN_FIELD:
        return arena_printf(r->arena, "%s.%s = %s", name, run_text(r, op->field_name), text);
    default: return arena_printf(r->arena, "%s = %s", name, text);
    }
}

static bool no_such_op(struct run *r, const struct op *op, const struct ast_term *value,
                       const char *kind)
{
    return run_invalid(r, "Invalid operation (%s) for %s column %s", op_text(r, op, value), kind,
                       op->column->name);
}

static bool check_field(struct run *r, struct op *op, const struct ast_term *value)
{
    const struct column *c = op->column;
    if (c->type->kind != CQL_UDT)
        return op->removes
                   ? run_invalid(r, "Invalid field deletion operation for non-UDT column %s",
                                 c->name)
                   : no_such_op(r, op, value, "non-UDT");
    if (c->type->frozen)
        return op->removes ? run_invalid(r, "Frozen UDT column %s does not support field deletions",
                                         c->name)
                           : no_such_op(r, op, value, "frozen UDT");
    int field = cql_type_field(c->type, op->field_name);
    if (field < 0)
        return run_invalid(r, "UDT column %s does not have a field named %s", c->name,
                           run_text(r, op->field_name));
    op->field = (uint32_t)field;
    return true;
}

static bool check_element(struct run *r, const struct op *op, const struct ast_term *value)
{
    const struct column *c = op->column;
    bool collection = cql_type_is_collection(c->type);
    if (!collection || c->type->frozen) {
        const char *kind = collection ? "frozen collection" : "non collection";
        return op->removes
                   ? run_invalid(r, "Invalid deletion operation for %s column %s", kind, c->name)
                   : no_such_op(r, op, value, kind);
    }
    return op->removes || c->type->kind != CQL_SET || no_such_op(r, op, value, "set");
}

static bool check_op(struct run *r, struct op *op, const struct ast_term *value)
{
    const struct column *c = op->column;
    bool collection = cql_type_is_collection(c->type);
    if (c->kind == COLUMN_PARTITION_KEY || c->kind == COLUMN_CLUSTERING)
        return op->removes
                   ? run_invalid(r,
                                 "Invalid identifier %s for deletion (should not be a PRIMARY "
                                 "KEY part)",
                                 c->name)
                   : run_invalid(r, "PRIMARY KEY part %s found in SET part", c->name);
    if (op->kind == AST_ASSIGN_FIELD)
        return check_field(r, op, value);
    if (op->key.term != NULL)
        return check_element(r, op, value);
    if (op->kind == AST_ASSIGN_ADD && cql_type_is_tuple(c->type))
        return no_such_op(r, op, value, "tuple");
    if ((op->kind == AST_ASSIGN_ADD || op->kind == AST_ASSIGN_SUB) && !collection &&
        c->type->kind != CQL_COUNTER)
        return no_such_op(r, op, value, "non counter");
    if ((op->kind == AST_ASSIGN_ADD || op->kind == AST_ASSIGN_SUB) && c->type->frozen)
        return no_such_op(r, op, value, "frozen collection");
    if (op->kind == AST_ASSIGN_PREPEND && (c->type->kind != CQL_LIST || c->type->frozen))
        return no_such_op(r, op, value, c->type->kind == CQL_LIST ? "frozen list" : "non list");
    return true;
}

static bool declare_op(struct run *r, struct op *op, const struct ast_term *value,
                       const struct ast_term *key)
{
    const struct column *c = op->column;
    op->key.term = key;
    if (c->type->kind == CQL_COUNTER && value != NULL && key == NULL && c->kind >= COLUMN_STATIC &&
        !check_counting(r, op, value))
        return false;
    if (!check_op(r, op, value))
        return false;
    if (key != NULL) {
        enum cql_kind kind = c->type->kind;
        const char *what = kind == CQL_LIST ? "idx" : kind == CQL_SET ? "value" : "key";
        op->key.type = kind == CQL_LIST ? cql_type_native(CQL_INT) : c->type->items[0];
        op->key.name = arena_printf(r->arena, "%s(%s)", what, c->name);
        if (!slot_declare(r, op->key))
            return false;
    }
    if (value == NULL)
        return true;
    op->value.term = value;
    op->value.type = op_type(r, op);
    op->value.name = key != NULL ? arena_printf(r->arena, "value(%s)", c->name) : c->name;
    if (op->kind == AST_ASSIGN_FIELD)
        op->value.name = arena_printf(r->arena, "%s.%s", c->name, run_text(r, op->field_name));
    return slot_declare(r, op->value);
}

static bool declare_using(struct run *r, struct modify *m, const struct ast_using *u,
                          const struct modify_times *times)
{
    const struct ast_using *batch = times->batch_using;
    if (m->table->is_counter && (u->timestamp != NULL || u->ttl != NULL))
        return run_invalid(r, "Cannot provide custom %s for counter updates",
                           u->timestamp != NULL ? "timestamp" : "TTL");
    if (u->causality != NULL && m->table->options.conflicts != CONFLICTS_SIBLINGS)
        return run_invalid(r,
                           "USING CAUSALITY is for tables WITH conflicts = 'siblings', which "
                           "%s.%s is not",
                           m->table->keyspace, m->table->name);
    if (u->timestamp != NULL && batch != NULL && batch->timestamp != NULL)
        return run_invalid(r, "Timestamp must be set either on BATCH or individual statements");
    m->timestamp = (struct slot){u->timestamp, cql_type_native(CQL_BIGINT), "[timestamp]"};
    m->ttl = (struct slot){u->ttl, cql_type_native(CQL_INT), "[ttl]"};
    m->causality = (struct slot){u->causality, cql_type_native(CQL_BLOB), "[causality]"};
    if (u->timestamp == NULL && batch != NULL)
        m->timestamp.term = batch->timestamp;
    return (m->timestamp.term == NULL || slot_declare(r, m->timestamp)) &&
           (m->ttl.term == NULL || slot_declare(r, m->ttl)) &&
           (m->causality.term == NULL || slot_declare(r, m->causality));
}

static bool writable(struct run *r, const struct table *t)
{
    if (t == NULL)
        return false;
    if (t->is_virtual)
        return run_invalid(r, "Modification is not supported by table %s.%s", t->keyspace, t->name);
    if (keyspace_is_local(t->keyspace))
        return run_fail(r, CQL_ERROR_UNAUTHORIZED, "%s keyspace is not user-modifiable.",
                        t->keyspace);
    return true;
}

static bool duplicate(const struct ast_names *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes_equal(names->items[i], names->items[n]))
            return true;
    }
    return false;
}

static bool resolve_insert(struct run *r, const struct ast_insert *s,
                           const struct modify_times *times, struct modify *m)
{
    m->table = run_table(r, &s->table);
    if (!writable(r, m->table))
        return false;
    if (m->table->is_counter)
        return run_invalid(r, "INSERT statements are not allowed on counter tables, use UPDATE "
                              "instead");
    if (s->columns.count != s->values.count)
        return run_invalid(r, "Unmatched column names/values");
    m->insert = true;
    if (s->json != NULL)
        return modify_json(r, s, m) && declare_using(r, m, &s->using, times);
    m->ops = arena_array(r->arena, struct op, s->columns.count);
    m->key_slots = arena_array(r->arena, struct slot,
                               m->table->partition_key_count + m->table->clustering_count);
    for (size_t i = 0; i < s->columns.count; i++) {
        const struct column *c = run_column(r, m->table, s->columns.items[i]);
        if (c == NULL)
            return false;
        if (duplicate(&s->columns, i))
            return run_invalid(r, "The column names contains duplicates");
        if (c->kind == COLUMN_PARTITION_KEY || c->kind == COLUMN_CLUSTERING) {
            struct slot *k = &m->key_slots[column_index(m->table, c)];
            *k = (struct slot){s->values.items[i], c->type, c->name};
            if (!slot_declare(r, *k))
                return false;
            continue;
        }
        struct op *op = &m->ops[m->ops_count++];
        op->column = c;
        if (!declare_op(r, op, s->values.items[i], NULL))
            return false;
    }
    return declare_using(r, m, &s->using, times);
}

/* One statement may do several things to a column, but not also set it as a whole. */
static bool ops_go_together(const struct op *a, const struct op *b)
{
    if (a->kind == AST_ASSIGN_FIELD && b->kind == AST_ASSIGN_FIELD)
        return !bytes_equal(a->field_name, b->field_name);
    return a->kind != AST_ASSIGN_SET && b->kind != AST_ASSIGN_SET;
}

static bool resolve_update(struct run *r, const struct ast_update *s,
                           const struct modify_times *times, struct modify *m)
{
    m->table = run_table(r, &s->table);
    if (!writable(r, m->table) || !declare_using(r, m, &s->using, times))
        return false;
    m->ops = arena_array(r->arena, struct op, s->assigns.count);
    for (size_t i = 0; i < s->assigns.count; i++) {
        const struct ast_assign *a = &s->assigns.items[i];
        struct op *op = &m->ops[m->ops_count++];
        op->kind = a->kind;
        op->no = (uint32_t)i;
        op->column = run_column(r, m->table, a->column);
        if (op->column == NULL)
            return false;
        if (a->other.len > 0 && !bytes_equal(a->other, a->column))
            return run_fail(r, CQL_ERROR_SYNTAX,
                            "Only expressions of the form X = X %c<value> are supported.",
                            a->kind == AST_ASSIGN_SUB ? '-' : '+');
        op->field_name = a->field;
        for (size_t j = 0; j < i; j++) {
            if (m->ops[j].column == op->column && !ops_go_together(&m->ops[j], op))
                return run_fail(r, CQL_ERROR_SYNTAX, "Multiple incompatible setting of column %s",
                                op->column->name);
        }
        if (!declare_op(r, op, a->value, a->key))
            return false;
    }
    return where_resolve(r, m->table, &s->where, false, &m->where);
}

static bool resolve_delete(struct run *r, const struct ast_delete *s,
                           const struct modify_times *times, struct modify *m)
{
    m->table = run_table(r, &s->table);
    if (!writable(r, m->table))
        return false;
    m->ops = arena_array(r->arena, struct op, s->removals.count);
    m->whole_rows = s->removals.count == 0;
    for (size_t i = 0; i < s->removals.count; i++) {
        const struct ast_removal *a = &s->removals.items[i];
        struct op *op = &m->ops[m->ops_count++];
        op->removes = true;
        op->kind = a->field.len > 0 ? AST_ASSIGN_FIELD : AST_ASSIGN_SET;
        op->field_name = a->field;
        op->column = run_column(r, m->table, a->column);
        if (op->column == NULL || !declare_op(r, op, NULL, a->key))
            return false;
    }
    return declare_using(r, m, &s->using, times) &&
           where_resolve(r, m->table, &s->where, false, &m->where);
}

static bool is_key_given(const struct modify *m, uint32_t i)
{
    if (m->insert)
        return m->key_slots[i].term != NULL;
    for (size_t j = 0; j < m->where.count; j++) {
        for (size_t k = 0; k < m->where.items[j].count; k++) {
            if (m->where.items[j].columns[k] == &m->table->columns[i])
                return true;
        }
    }
    return false;
}

/* The columns of the primary key from `from` on that are not given, or NULL. */
static const char *missing_keys(struct run *r, const struct modify *m, uint32_t from,
                                uint32_t count)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    for (uint32_t i = from; i < from + count; i++) {
        if (!is_key_given(m, i))
            buf_printf(&b, "%s%s", b.len > 0 ? ", " : "", m->table->columns[i].name);
    }
    struct bytes names = run_take(r, &b);
    return names.len > 0 ? run_text(r, names) : NULL;
}

static bool has_partition_key(struct run *r, const struct modify *m)
{
    const char *missing = missing_keys(r, m, 0, m->table->partition_key_count);
    return missing == NULL || run_invalid(r, "Some partition key parts are missing: %s", missing);
}

static const char *missing_clustering(struct run *r, const struct modify *m)
{
    return missing_keys(r, m, m->table->partition_key_count, m->table->clustering_count);
}

static bool has_clustering(struct run *r, const struct modify *m)
{
    const char *missing = missing_clustering(r, m);
    return missing == NULL || run_invalid(r, "Some clustering keys are missing: %s", missing);
}

static bool check_where(struct run *r, const struct modify *m)
{
    const char *verb =
        m->whole_rows || (m->ops_count > 0 && m->ops[0].removes) ? "DELETE" : "UPDATE";
    bool by_token = false;
    for (size_t i = 0; i < m->where.count; i++)
        by_token = by_token || m->where.items[i].token;
    if (!by_token && !has_partition_key(r, m))
        return false;
    for (size_t i = 0; i < m->where.count; i++) {
        const struct restriction *x = &m->where.items[i];
        const struct column *c = x->columns[0];
        if (x->token)
            return run_invalid(r,
                               "The token function cannot be used in WHERE clauses for %s "
                               "statements",
                               verb);
        if (c->kind != COLUMN_PARTITION_KEY && c->kind != COLUMN_CLUSTERING)
            return run_invalid(r, "Non PRIMARY KEY columns found in where clause: %s ", c->name);
        if (x->op == AST_CONTAINS || x->op == AST_CONTAINS_KEY || x->key.term != NULL)
            return run_invalid(r, "Cannot restrict the elements of %s in %s statements", c->name,
                               verb);
        if (c->kind == COLUMN_PARTITION_KEY && x->op != AST_EQ && x->op != AST_IN)
            return run_invalid(r,
                               "Only EQ and IN relation are supported on the partition key "
                               "(unless you use the token() function) for %s statements",
                               verb);
        if (x->op != AST_EQ && x->op != AST_IN && !m->whole_rows)
            return m->ops_count > 0 && m->ops[0].removes
                       ? run_invalid(r, "Range deletions are not supported for specific columns")
                       : run_invalid(r,
                                     "Slice restrictions are not supported on the clustering "
                                     "columns in %s statements",
                                     verb);
    }
    return true;
}

static bool restricts_whole_key(const struct modify *m)
{
    for (uint32_t i = 0; i < m->table->clustering_count; i++) {
        const struct column *c = &m->table->columns[m->table->partition_key_count + i];
        bool found = false;
        for (size_t j = 0; j < m->where.count; j++) {
            const struct restriction *x = &m->where.items[j];
            for (size_t k = 0; k < x->count; k++)
                found = found || (x->columns[k] == c && (x->op == AST_EQ || x->op == AST_IN));
        }
        if (!found)
            return false;
    }
    return true;
}

/* What is wrong with an IF where it stands. */
static bool check_conditions(struct run *r, const struct ast_stmt *s, const struct modify *m,
                             const struct modify_times *times)
{
    bool partly = false;
    if (m->conditions.kind == IF_NOTHING)
        return true;
    if (m->table->is_counter)
        return run_invalid(r, "Conditional updates are not supported on counter tables");
    if (m->timestamp.term != NULL &&
        (times->batch_using == NULL || m->timestamp.term != times->batch_using->timestamp))
        return run_invalid(r, "Cannot provide custom timestamp for conditional updates");
    if (m->causality.term != NULL)
        return run_invalid(r, "Cannot provide causality for conditional updates: they supersede "
                              "what they see");
    if (s->kind != AST_DELETE || restricts_whole_key(m))
        return true;
    if (m->whole_rows && modify_keeps_siblings(m))
        return run_invalid(r, "Conditional deletions of several rows are not supported on tables "
                              "WITH conflicts = 'siblings'");
    for (size_t i = 0; i < m->ops_count; i++)
        partly = partly || m->ops[i].column->kind != COLUMN_STATIC;
    if (partly || m->whole_rows)
        return run_invalid(r, "DELETE statements must restrict all PRIMARY KEY columns with "
                              "equality relations in order to delete non static columns");
    if (m->conditions.regular > 0)
        return run_invalid(r, "DELETE statements must restrict all PRIMARY KEY columns with "
                              "equality relations in order to use IF condition on non static "
                              "columns");
    return true;
}

bool modify_resolve(struct run *r, const struct ast_stmt *s, const struct modify_times *times,
                    struct modify *m)
{
    bool good = s->kind == AST_INSERT   ? resolve_insert(r, &s->insert, times, m)
                : s->kind == AST_UPDATE ? resolve_update(r, &s->update, times, m)
                                        : resolve_delete(r, &s->delete, times, m);
    return good && (m->insert || check_where(r, m)) &&
           conditions_resolve(r, m->table, s, &m->conditions) && check_conditions(r, s, m, times);
}

/* --- evaluation of keys and times */

static bool only_statics(const struct modify *m)
{
    for (size_t i = 0; i < m->ops_count; i++) {
        if (m->ops[i].column->kind != COLUMN_STATIC)
            return false;
    }
    return m->ops_count > 0;
}

/* The forms of the clustering columns that have one, behind each other. */
static struct bytes key_form(struct run *r, const struct table *t, const struct bytes *values)
{
    struct buf b;
    buf_init(&b, BUF_MAX_DEFAULT);
    for (uint32_t i = 0; i < t->clustering_count; i++) {
        if (form_kept(t->columns[t->partition_key_count + i].type))
            form_put(values[i], BYTES_NONE, &b);
    }
    return run_take(r, &b);
}

static bool insert_keys(struct run *r, struct modify *m)
{
    const struct table *t = m->table;
    uint32_t total = t->partition_key_count + t->clustering_count;
    struct bytes *values = arena_array(r->arena, struct bytes, total);
    bool clustering = false;
    struct buf b;
    struct errmsg e;
    for (uint32_t i = t->partition_key_count; i < total; i++)
        clustering = clustering || m->key_slots[i].term != NULL;
    m->touches_rows = clustering || !only_statics(m) || t->clustering_count == 0;
    if (!has_partition_key(r, m) || (m->touches_rows && !has_clustering(r, m)))
        return false;
    for (uint32_t i = 0; i < total; i++) {
        if (i >= t->partition_key_count && !m->touches_rows)
            break;
        if (!slot_key(r, m->key_slots[i], &values[i]))
            return false;
    }
    if (t->partition_key_count == 1 && values[0].len == 0)
        return run_invalid(r, "Key may not be empty");
    buf_init(&b, BUF_MAX_DEFAULT);
    enum err err = partition_key_compose(values, t->partition_key_count, &b, &e);
    m->keys.items = arena_new(r->arena, struct bytes);
    m->keys.items[0] = run_take(r, &b);
    m->keys.count = 1;
    if (!run_err(r, err, &e))
        return false;
    buf_init(&b, BUF_MAX_DEFAULT);
    bool good = !m->touches_rows || clustering_key(r, t, values + t->partition_key_count, &b);
    m->slices.items = arena_new(r->arena, struct scan_slice);
    m->slices.items[0].start = run_take(r, &b);
    m->slices.count = 1;
    if (m->touches_rows)
        m->form = key_form(r, t, values + t->partition_key_count);
    return good;
}

static bool where_targets(struct run *r, struct modify *m)
{
    bool statics = only_statics(m);
    m->where.removes = true;
    if (!where_keys(r, &m->where, m->table, &m->keys) ||
        !where_slices(r, &m->where, m->table, &m->slices))
        return false;
    bool removes = m->whole_rows || (m->ops_count > 0 && m->ops->removes);
    if (!removes && !statics && !has_clustering(r, m))
        return false;
    for (size_t i = 0; i < m->where.count; i++) {
        if (!m->where.items[i].used)
            return run_invalid(r,
                               "PRIMARY KEY column \"%s\" cannot be restricted as preceding "
                               "column is not restricted",
                               m->where.items[i].columns[0]->name);
    }
    m->touches_rows = !statics;
    bool looks_at_row = m->conditions.regular > 0;
    if (statics && !looks_at_row && m->table->clustering_count > 0 &&
        missing_clustering(r, m) == NULL)
        return run_invalid(r,
                           "Invalid restrictions on clustering columns since the %s statement "
                           "modifies only static columns",
                           m->ops_count > 0 && m->ops->removes ? "DELETE" : "UPDATE");
    if (!m->whole_rows && (!statics || looks_at_row) && !m->slices.rows) {
        if (removes)
            return run_invalid(r, "Range deletions are not supported for specific columns");
        return has_clustering(r, m) &&
               run_invalid(r, "Slice restrictions are not supported on the clustering columns in "
                              "UPDATE statements");
    }
    return true;
}

/* Null is none, and what is not given that of the table. */
static bool ttl_of(struct run *r, struct slot s, int64_t *ret)
{
    struct cql_value v;
    bool given;
    if (s.term == NULL)
        return true;
    if (!slot_value(r, s, &v))
        return false;
    if (v.kind == CQL_VALUE_NULL)
        *ret = 0;
    return v.kind != CQL_VALUE_SET || slot_int(r, s, ret, &given);
}

static bool eval_times(struct run *r, struct modify *m)
{
    int64_t ttl = m->table->options.default_time_to_live;
    bool given;
    m->times = (struct cell_times){.timestamp = r->timestamp_us, .now_s = r->now_s};
    if (m->table->is_counter) {
        m->times.timestamp = r->stamp_us;
        return r->no_stamp == NULL || run_fail(r, CQL_ERROR_BOOTSTRAPPING, "%s", r->no_stamp);
    }
    if (!slot_int(r, m->timestamp, &m->times.timestamp, &given))
        return false;
    if (!given && r->no_timestamp != NULL)
        return run_fail(r, CQL_ERROR_BOOTSTRAPPING, "%s", r->no_timestamp);
    if (m->times.timestamp < INT64_MIN + 2) /* the lowest means none, and overwrites take one off */
        return run_invalid(r, "Out of bound timestamp, must be in [%lld, %lld]",
                           (long long)INT64_MIN + 2, (long long)INT64_MAX);
    if (!ttl_of(r, m->ttl, &ttl))
        return false;
    if (ttl < 0)
        return run_invalid(r, "A TTL must be greater or equal to 0, but was %lld", (long long)ttl);
    if (ttl > EXEC_TTL_MAX)
        return run_invalid(r, "ttl is too large. requested (%lld) maximum (%d)", (long long)ttl,
                           EXEC_TTL_MAX);
    m->times.ttl = (int32_t)ttl;
    return true;
}

bool modify_target(struct run *r, const struct ast_stmt *s, const struct modify_times *times,
                   struct modify *m)
{
    m->evaluates = true;
    return modify_resolve(r, s, times, m) && eval_times(r, m) && modify_eval_causality(r, m) &&
           (m->insert ? insert_keys(r, m) : where_targets(r, m));
}

bool modify(struct run *r, const struct ast_stmt *s, const struct modify_times *times,
            struct needs *needs, struct parts *ret)
{
    struct modify m = {.needs = needs};
    if (ret == NULL)
        return modify_resolve(r, s, times, &m);
    return modify_target(r, s, times, &m) && modify_build(r, &m, ret);
}
