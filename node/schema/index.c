/* index.c - terms of indexed values; index.h says what a term is. */
#include "node/schema/index.h"

#include "base/mem.h"
#include "node/schema/fold.h"
#include "node/schema/form.h"
#include "node/schema/order.h"

#define TERM_OPAQUE 0x21 /* of a type without an order of keys: u32 length, the bytes */

static const struct column *column_of(const struct table *t, const struct index *i)
{
    const struct column *c = index_column(t, i);
    ASSERT(c != NULL);
    return c;
}

const struct cql_type *index_type(const struct table *t, const struct index *i)
{
    const struct cql_type *type = column_of(t, i)->type;
    switch (i->target) {
    case INDEX_KEYS: return type->items[0];
    case INDEX_VALUES:
    case INDEX_ENTRIES: return type->items[type->kind == CQL_MAP ? 1 : 0];
    default: return type;
    }
}

struct bytes index_analyse(const struct index *i, struct bytes value, struct arena *a)
{
    struct fold fold = {i->fold_case, i->normalize, i->ascii};
    return fold.lower || fold.normalize || fold.ascii ? fold_text(value, &fold, a) : value;
}

bool index_has_ranges(const struct table *t, const struct index *i)
{
    if (!i->sai || i->target != INDEX_SIMPLE)
        return false;
    switch (index_type(t, i)->kind) {
    case CQL_ASCII:
    case CQL_TEXT:
    case CQL_BOOLEAN:
    case CQL_TUPLE:
    case CQL_UDT:
    case CQL_VECTOR: return false;
    default: return true;
    }
}

static void put_term(const struct cql_type *type, struct bytes value, struct buf *out)
{
    struct errmsg m;
    if (order_encode(type, false, value, out, &m) == ERR_OK)
        return;
    buf_put_u8(out, TERM_OPAQUE);
    buf_put_u32(out, (uint32_t)value.len);
    buf_put_bytes(out, value);
}

bool index_term(const struct table *t, const struct index *i, struct bytes value, struct buf *out)
{
    struct arena arena = {0};
    size_t start = out->len;
    put_term(index_type(t, i), index_analyse(i, value, &arena), out);
    arena_close(&arena);
    return out->len > start;
}

bool index_term_key(const struct table *t, const struct index *i, struct bytes key, struct buf *out)
{
    put_term(column_of(t, i)->type->items[0], key, out);
    return true;
}

/* The component of an encoded clustering key that belongs to the column. */
static bool clustering_value(const struct table *t, const struct column *c, struct bytes key,
                             struct buf *out)
{
    struct reader in = reader_make(key);
    const struct column *columns = &t->columns[t->partition_key_count];
    for (uint32_t n = 0; n <= c->position; n++) {
        buf_clear(out);
        if (order_decode(columns[n].type, columns[n].reversed, &in, out) != ERR_OK)
            return false;
    }
    return true;
}

static bool partition_value(const struct table *t, const struct column *c, struct bytes key,
                            struct buf *out)
{
    struct bytes parts[SCHEMA_COLUMNS_MAX];
    if (partition_key_split(key, t->partition_key_count, parts) != ERR_OK)
        return false;
    buf_put_bytes(out, parts[c->position]);
    return true;
}

static bool path_value(const struct column *c, struct bytes path, struct buf *out)
{
    struct reader in = reader_make(path);
    return order_decode(c->type->items[0], false, &in, out) == ERR_OK;
}

bool index_stored_term(const struct table *t, const struct index *i, struct bytes path,
                       struct bytes value, struct buf *out)
{
    const struct column *c = column_of(t, i);
    struct bytes form;
    struct buf b;
    bool good = true;
    if (c->type->kind == CQL_MAP && !c->type->frozen && form_kept(c->type->items[0]))
        good = form_take(value, &form, &value);
    buf_init(&b, BUF_MAX_DEFAULT);
    if (!good)
        ; /* a replica sent what is no entry */
    else if (c->kind == COLUMN_PARTITION_KEY)
        good = partition_value(t, c, value, &b);
    else if (c->kind == COLUMN_CLUSTERING)
        good = clustering_value(t, c, value, &b);
    else if (i->target == INDEX_KEYS || i->target == INDEX_ENTRIES ||
             (i->target == INDEX_VALUES && c->type->kind == CQL_SET))
        good = path_value(c, path, &b);
    else
        buf_put_bytes(&b, value);
    if (good && i->target == INDEX_ENTRIES)
        good = index_term_key(t, i, buf_bytes(&b), out) && index_term(t, i, value, out);
    else if (good)
        good = index_term(t, i, buf_bytes(&b), out);
    buf_close(&b);
    return good;
}
