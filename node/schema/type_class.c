/* type_class.c - types as the names of Cassandra's Java classes.
 *
 *   class  = name | name "(" params ")"          a name without a dot is of PACKAGE
 *   params of ListType SetType FrozenType ReversedType   class
 *          of MapType                                    class "," class
 *          of TupleType                                  class {"," class}
 *          of VectorType                                 class "," integer
 *          of UserType                                   keyspace "," hex {"," hex ":" class}
 *
 * Vectors have no number in the native protocol and travel as such a name, with all that is in
 * them; in CREATE TABLE a class may stand in quotes wherever a type may.
 */
#include "node/schema/type.h"

#include <string.h>

#define PACKAGE "org.apache.cassandra.db.marshal."

static const struct {
    enum cql_kind kind;
    const char *name;
} classes[] = {{CQL_ASCII, "AsciiType"},
               {CQL_BIGINT, "LongType"},
               {CQL_BLOB, "BytesType"},
               {CQL_BOOLEAN, "BooleanType"},
               {CQL_COUNTER, "CounterColumnType"},
               {CQL_DECIMAL, "DecimalType"},
               {CQL_DOUBLE, "DoubleType"},
               {CQL_FLOAT, "FloatType"},
               {CQL_INT, "Int32Type"},
               {CQL_TIMESTAMP, "TimestampType"},
               {CQL_TIMESTAMP, "DateType"}, /* what it was once called */
               {CQL_UUID, "UUIDType"},
               {CQL_TEXT, "UTF8Type"},
               {CQL_VARINT, "IntegerType"},
               {CQL_TIMEUUID, "TimeUUIDType"},
               {CQL_INET, "InetAddressType"},
               {CQL_DATE, "SimpleDateType"},
               {CQL_TIME, "TimeType"},
               {CQL_SMALLINT, "ShortType"},
               {CQL_TINYINT, "ByteType"},
               {CQL_DURATION, "DurationType"},
               {CQL_LIST, "ListType"},
               {CQL_SET, "SetType"},
               {CQL_MAP, "MapType"},
               {CQL_TUPLE, "TupleType"},
               {CQL_VECTOR, "VectorType"},
               {CQL_UDT, "UserType"}};

static void print_hex(const char *text, struct buf *out)
{
    for (; *text != 0; text++)
        buf_printf(out, "%02x", (unsigned)(uint8_t)*text);
}

/* Within something frozen nobody says so again; within a tuple nobody says so at all. */
static void print_class(const struct cql_type *type, bool silent, struct buf *out)
{
    size_t i = 0;
    while (classes[i].kind != type->kind)
        i++;
    bool says = !silent && type->frozen && type->kind != CQL_TUPLE && type->kind != CQL_VECTOR;
    bool within = silent || type->kind == CQL_TUPLE || (type->frozen && type->kind != CQL_VECTOR);
    buf_printf(out, "%s" PACKAGE "%s", says ? PACKAGE "FrozenType(" : "", classes[i].name);
    if (type->kind == CQL_UDT) {
        buf_printf(out, "(%s,", type->keyspace != NULL ? type->keyspace : "");
        print_hex(type->name, out);
    } else if (type->count > 0) {
        buf_put_u8(out, '(');
    }
    for (uint32_t n = 0; n < type->count; n++) {
        if (n > 0 || type->kind == CQL_UDT)
            buf_put_u8(out, ',');
        if (type->kind == CQL_UDT) {
            print_hex(type->fields[n], out);
            buf_put_u8(out, ':');
        }
        print_class(type->items[n], within, out);
    }
    if (type->kind == CQL_VECTOR)
        buf_printf(out, " , %u", type->dimension);
    if (type->kind == CQL_UDT || type->count > 0)
        buf_put_u8(out, ')');
    if (says)
        buf_put_u8(out, ')');
}

void cql_type_print_class(const struct cql_type *type, struct buf *out)
{
    print_class(type, false, out);
}

/* Reading: the text is cut from the left. */
struct class_parser {
    struct bytes text;
    struct arena *arena;
    struct errmsg *err;
    uint32_t nodes;
};

static struct bytes take_word(struct class_parser *p)
{
    size_t n = 0;
    while (p->text.len > 0 && p->text.data[0] == ' ')
        p->text = bytes_make(p->text.data + 1, p->text.len - 1);
    while (n < p->text.len && p->text.data[n] != 0 && strchr(" (),:", p->text.data[n]) == NULL)
        n++;
    struct bytes word = bytes_make(p->text.data, n);
    p->text = bytes_make(p->text.data + n, p->text.len - n);
    return word;
}

static bool take(struct class_parser *p, char c)
{
    while (p->text.len > 0 && p->text.data[0] == ' ')
        p->text = bytes_make(p->text.data + 1, p->text.len - 1);
    if (p->text.len == 0 || p->text.data[0] != (uint8_t)c)
        return false;
    p->text = bytes_make(p->text.data + 1, p->text.len - 1);
    return true;
}

static const struct cql_type *fail(struct class_parser *p, const char *class)
{
    errmsg_set(p->err, ERR_SYNTAX, "Invalid definition for comparator %s%s.",
               strchr(class, '.') != NULL ? "" : PACKAGE, class);
    return NULL;
}

static int hex_value(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* A name in hexadecimal digits; NULL when it is none. */
static const char *take_hex(struct class_parser *p)
{
    struct bytes word = take_word(p);
    char *name = arena_alloc(p->arena, word.len / 2 + 1);
    for (size_t i = 0; i + 1 < word.len; i += 2) {
        int high = hex_value(word.data[i]);
        int low = hex_value(word.data[i + 1]);
        if (high < 0 || low < 0 || (high == 0 && low == 0))
            return NULL;
        name[i / 2] = (char)(high << 4 | low);
    }
    name[word.len / 2] = 0;
    return word.len == 0 || word.len % 2 != 0 ? NULL : name;
}

static const struct cql_type *parse_class(struct class_parser *p, bool in_frozen, unsigned depth);

/* UserType(ks,hex,hex:class,...) behind its opening parenthesis. */
static const struct cql_type *parse_user(struct class_parser *p, bool frozen, unsigned depth)
{
    const struct cql_type **items = NULL;
    const char **fields = NULL;
    size_t items_cap = 0;
    size_t fields_cap = 0;
    uint32_t count = 0;
    struct bytes keyspace = take_word(p);
    const char *name = take(p, ',') ? take_hex(p) : NULL;
    if (name == NULL)
        return fail(p, "UserType");
    while (count < CQL_TYPE_ITEMS_MAX && take(p, ',')) {
        items = arena_grow(p->arena, items, count, &items_cap, sizeof *items);
        fields = arena_grow(p->arena, fields, count, &fields_cap, sizeof *fields);
        fields[count] = take_hex(p);
        if (fields[count] == NULL || !take(p, ':'))
            return fail(p, "UserType");
        items[count] = parse_class(p, frozen, depth + 1);
        if (items[count] == NULL)
            return NULL;
        count++;
    }
    if (!take(p, ')'))
        return fail(p, "UserType");
    return cql_type_udt(p->arena, arena_text(p->arena, keyspace), name, fields, items, count,
                        frozen);
}

static bool take_dimension(struct class_parser *p, uint32_t *ret)
{
    struct bytes word = take_word(p);
    uint64_t n = 0;
    for (size_t i = 0; i < word.len && n <= INT32_MAX; i++) {
        if (word.data[i] < '0' || word.data[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(word.data[i] - '0');
    }
    *ret = (uint32_t)n;
    return n > 0 && n <= INT32_MAX;
}

/* All but UserType, behind the opening parenthesis. */
static const struct cql_type *parse_params(struct class_parser *p, enum cql_kind kind,
                                           const char *class, bool frozen, unsigned depth)
{
    struct cql_type *t = arena_new(p->arena, struct cql_type);
    const struct cql_type **items = NULL;
    size_t cap = 0;
    uint32_t max = kind == CQL_MAP ? 2 : kind == CQL_TUPLE ? CQL_TYPE_ITEMS_MAX : 1;
    *t = (struct cql_type){.kind = kind, .frozen = frozen || kind == CQL_TUPLE};
    do {
        items = arena_grow(p->arena, items, t->count, &cap, sizeof *items);
        items[t->count] = parse_class(p, t->frozen, depth + 1);
        if (items[t->count] == NULL)
            return NULL;
        t->count++;
    } while (t->count < max && take(p, ','));
    t->items = items;
    if (kind == CQL_VECTOR)
        t->frozen = false;
    bool whole = kind == CQL_TUPLE || t->count == max;
    if (kind == CQL_VECTOR)
        whole = whole && take(p, ',') && take_dimension(p, &t->dimension);
    return whole && take(p, ')') ? t : fail(p, class);
}

static const struct cql_type *parse_class(struct class_parser *p, bool in_frozen, unsigned depth)
{
    struct bytes word = take_word(p);
    const char *class = arena_text(p->arena, word);
    const char *name = class;
    if (depth > CQL_TYPE_DEPTH_MAX || ++p->nodes > CQL_TYPE_NODES_MAX) {
        errmsg_set(p->err, ERR_INVALID,
                   "Type is nested deeper than %d levels or has too many parts",
                   CQL_TYPE_DEPTH_MAX);
        return NULL;
    }
    if (strncmp(name, PACKAGE, strlen(PACKAGE)) == 0)
        name += strlen(PACKAGE);
    bool frozen = strcmp(name, "FrozenType") == 0;
    if (frozen || strcmp(name, "ReversedType") == 0) {
        const struct cql_type *of =
            take(p, '(') ? parse_class(p, in_frozen || frozen, depth + 1) : fail(p, class);
        return of == NULL || take(p, ')') ? of : fail(p, class);
    }
    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        if (strcmp(name, classes[i].name) != 0)
            continue;
        const struct cql_type *native = cql_type_native(classes[i].kind);
        if (native != NULL)
            return native;
        if (!take(p, '('))
            return fail(p, class);
        return classes[i].kind == CQL_UDT
                   ? parse_user(p, in_frozen, depth)
                   : parse_params(p, classes[i].kind, class, in_frozen, depth);
    }
    errmsg_set(p->err, ERR_SYNTAX, "Unable to find abstract-type class '%s%s'",
               strchr(class, '.') != NULL ? "" : PACKAGE, class);
    return NULL;
}

enum err cql_type_from_class(struct arena *a, struct bytes text, const struct cql_type **ret_type,
                             struct errmsg *ret_err)
{
    struct errmsg why = {{0}};
    struct class_parser p = {.text = text, .arena = a, .err = &why};
    const struct cql_type *t = parse_class(&p, false, 0);
    take(&p, ' ');
    if (t != NULL && p.text.len > 0) {
        errmsg_set(&why, ERR_SYNTAX, "something follows it");
        t = NULL;
    }
    if (t == NULL)
        return errmsg_set(ret_err, ERR_SYNTAX, "Error setting type %.*s: %s",
                          (int)(text.len < 300 ? text.len : 300), (const char *)text.data,
                          why.text);
    *ret_type = t;
    return ERR_OK;
}
